//! Sessions: several statements in one text, explicit transactions, and what each statement answers.

use super::*;

fn tags(outcomes: &[crate::Outcome]) -> Vec<&str> {
    outcomes.iter().map(|outcome| outcome.tag.as_str()).collect()
}

#[test]
fn one_outcome_per_statement() {
    let db = in_memory();
    let mut session = db.session();
    let outcomes = session
        .execute(
            "CREATE TABLE t (k INTEGER PRIMARY KEY, x TEXT);
             INSERT INTO t VALUES (1, 'a;b'), (2, NULL);
             SELECT k, x FROM t ORDER BY k; -- a comment; with a semicolon
             UPDATE t SET x = 'c' WHERE k = 2 RETURNING k, x;
             DELETE FROM t WHERE k = 7",
        )
        .unwrap();
    assert_eq!(tags(&outcomes), ["CREATE TABLE", "INSERT 0 2", "SELECT 2", "UPDATE 1", "DELETE 0"]);
    assert_eq!(outcomes[1].affected, Some(2));
    assert_eq!(outcomes[2].columns, ["k", "x"]);
    assert_eq!(outcomes[2].rows.as_ref().unwrap().iter().map(text).collect::<Vec<_>>(), ["1|a;b", "2|NULL"]);
    assert_eq!(outcomes[3].rows.as_ref().unwrap().first().map(text).unwrap(), "2|c");
    assert_eq!(outcomes[4].affected, Some(0));
}

#[test]
fn a_transaction_spans_texts() {
    let db = in_memory();
    let mut session = db.session();
    session.execute("CREATE TABLE t (k INTEGER PRIMARY KEY)").unwrap();
    session.execute("BEGIN; INSERT INTO t VALUES (1)").unwrap();
    assert!(session.in_transaction());
    assert_eq!(rows(&db, "SELECT count(*) FROM t"), ["0"]);
    let inside = session.execute("SELECT count(*) FROM t").unwrap();
    assert_eq!(inside[0].rows.as_ref().unwrap().first().map(text).unwrap(), "1");
    assert_eq!(tags(&session.execute("COMMIT").unwrap()), ["COMMIT"]);
    assert_eq!(rows(&db, "SELECT count(*) FROM t"), ["1"]);
    session.execute("BEGIN; DELETE FROM t; ROLLBACK").unwrap();
    assert_eq!(rows(&db, "SELECT count(*) FROM t"), ["1"]);
}

#[test]
fn a_statement_is_described_before_it_runs() {
    let db = in_memory();
    let mut session = db.session();
    session.execute("CREATE TABLE t (k BIGINT PRIMARY KEY, x INTEGER, s TEXT)").unwrap();
    let names = |sql: &str| {
        let described = session.describe(sql).unwrap();
        let columns =
            described.columns.iter().map(|column| (column.name.clone(), column.data_type)).collect::<Vec<_>>();
        (described.parameters, columns)
    };
    let (big, int, text) = (DataType::BigInt, DataType::Integer, DataType::Text);
    assert_eq!(names("SELECT s, x FROM t WHERE k = $1"), (vec![big], vec![("s".into(), text), ("x".into(), int)]));
    assert_eq!(names("INSERT INTO t VALUES ($1, $2, $3)"), (vec![big, int, text], vec![]));
    assert_eq!(names("DELETE FROM t WHERE x = $1 RETURNING k"), (vec![int], vec![("k".into(), big)]));
    assert_eq!(names("BEGIN"), (vec![], vec![]));
    assert_eq!(names("SHOW TABLES").1.len(), 3);
    assert_eq!(state_of(session.describe("SELECT nonsense FROM t")), "42703");
    assert_eq!(state_of(session.describe("SELECT 1; SELECT 2")), "42601");
    assert_eq!(rows(&db, "SELECT count(*) FROM t"), ["0"], "nothing was run");
    session.execute("BEGIN").unwrap();
    assert_eq!(session.describe("SELECT k FROM t").unwrap().columns.len(), 1);
    assert!(session.in_transaction());
}

/// Unlike PostgreSQL, which refuses everything until ROLLBACK: here a failed statement left no trace, so there is nothing
/// to be afraid of.
#[test]
fn a_transaction_goes_on_after_a_failed_statement() {
    let db = in_memory();
    let mut session = db.session();
    session.execute("CREATE TABLE t (k INTEGER PRIMARY KEY)").unwrap();
    session.execute("BEGIN; INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(state_of(session.execute("INSERT INTO t VALUES (1)")), "23505");
    assert_eq!(state_of(session.execute("SELECT nonsense FROM t")), "42703");
    session.execute("INSERT INTO t VALUES (2); COMMIT").unwrap();
    assert_eq!(rows(&db, "SELECT count(*) FROM t"), ["2"]);
}

#[test]
fn transactions_have_one_beginning_and_one_end() {
    let db = in_memory();
    let mut session = db.session();
    assert_eq!(state_of(session.execute("COMMIT")), "25P01");
    assert_eq!(state_of(session.execute("ROLLBACK")), "25P01");
    session.execute("BEGIN").unwrap();
    assert_eq!(state_of(session.execute("BEGIN")), "25001");
    assert_eq!(state_of(session.execute("CREATE TABLE t (k INTEGER)")), "25001");
    session.execute("COMMIT").unwrap();
    assert_eq!(state_of(db.execute("BEGIN")), "25001", "a transaction that nobody could end");
    assert_eq!(state_of(db.begin().unwrap().execute("COMMIT", &[])), "25001");
    assert_eq!(state_of(db.begin().unwrap().execute("CREATE TABLE t (k INTEGER)", &[])), "25001");
}

#[test]
fn a_conflict_ends_the_transaction_of_a_session() {
    let db = in_memory();
    let mut session = db.session();
    session.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER); INSERT INTO t VALUES (1, 1)").unwrap();
    session.execute("BEGIN; UPDATE t SET v = 2").unwrap();
    db.execute("UPDATE t SET v = 3").unwrap();
    assert_eq!(state_of(session.execute("COMMIT")), "40001");
    assert!(!session.in_transaction());
    assert_eq!(rows(&db, "SELECT v FROM t"), ["3"]);
}

#[test]
fn statements_before_a_failing_one_stay_done() {
    let db = in_memory();
    let text = "CREATE TABLE t (k INTEGER); INSERT INTO t VALUES (1); INSERT INTO nowhere VALUES (1); INSERT INTO t VALUES (2)";
    assert_eq!(state_of(db.execute(text)), "42P01");
    assert_eq!(rows(&db, "SELECT k FROM t"), ["1"]);
}

#[test]
fn queries_and_statements_are_not_confused() {
    let db = in_memory();
    db.execute("CREATE TABLE t (k INTEGER)").unwrap();
    assert_eq!(state_of(db.query("INSERT INTO t VALUES (1)")), "42601");
    assert_eq!(rows(&db, "SELECT count(*) FROM t"), ["0"]);
    assert_eq!(db.execute("SELECT 1").unwrap(), 0);
    assert_eq!(state_of(db.query("SELECT 1; SELECT 2")), "42601");
    assert_eq!(db.execute("").unwrap(), 0);
}

#[test]
fn explain_and_show_return_rows() {
    let db = in_memory();
    shop(&db);
    let shown = rows(&db, "SHOW TABLES");
    assert!(shown.len() == 1 && shown[0].starts_with("orders"), "{shown:?}");
    assert!(!db.query("EXPLAIN SELECT customer FROM orders WHERE cents > 3").unwrap().is_empty());
    let outcomes = db.session().execute("BEGIN; SHOW VIEWS; EXPLAIN SELECT 1; COMMIT").unwrap();
    assert!(outcomes[1].rows.as_ref().unwrap().len() == 1 && outcomes[2].rows.is_some());
}

#[test]
fn copy_moves_rows_between_files_and_tables() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    let (db, path) = (in_memory(), path.display());
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'a,b'), (2, NULL)").unwrap();
    db.execute("CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t").unwrap();
    assert_eq!(db.execute(&format!("COPY t TO '{path}' WITH (FORMAT csv, HEADER)")).unwrap(), 2);
    db.execute("DELETE FROM t").unwrap();
    assert_eq!(db.execute(&format!("COPY t FROM '{path}' WITH (FORMAT csv, HEADER)")).unwrap(), 2);
    assert_eq!(rows(&db, "SELECT k, x FROM t ORDER BY k"), ["1|a,b", "2|NULL"]);
    assert_eq!(view_rows(&db, "n"), ["2"]);
    let again = db.execute(&format!("COPY t FROM '{path}' WITH (FORMAT csv, HEADER)"));
    assert_eq!(state_of(again), "23505");
    let mut txn = db.begin().unwrap();
    txn.copy_from("COPY t FROM STDIN WITH (FORMAT csv)", &mut "7,seven\n".as_bytes()).unwrap();
    let mut out = Vec::new();
    txn.copy_to("COPY (SELECT k FROM t ORDER BY k) TO STDOUT WITH (FORMAT csv)", &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "1\n2\n7\n");
    assert!(db.execute("COPY t FROM '/no/such/file' WITH (FORMAT csv)").is_err());
}
