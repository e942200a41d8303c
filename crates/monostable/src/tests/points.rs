//! Writes of single rows: through a table handle, and through statements that write one row by its key. The witness is a twin
//! database that is given the same writes as statements with RETURNING, which take the general path.

use proptest::prelude::*;

use super::*;
use crate::Transaction;

fn tables(db: &Database) {
    db.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, u BIGINT UNIQUE, x BIGINT NOT NULL)").unwrap();
    db.execute("CREATE MATERIALIZED VIEW xs AS SELECT x, count(*) AS n, sum(id) AS s, max(u) AS m FROM t GROUP BY x")
        .unwrap();
}

#[derive(Clone, Debug)]
enum Write {
    Insert(i64, Option<i64>, Option<i64>),
    Upsert(i64, Option<i64>, i64),
    Delete(i64),
    /// By SQL: of a column, of the UNIQUE column, of the key itself.
    Set(i64, i64),
    Rename(i64, Option<i64>),
    Move(i64, i64),
    /// A statement over several rows, which has to see the writes before it.
    Shift(i64),
    Read(i64),
}

fn write() -> impl Strategy<Value = Write> {
    let (id, u) = (0..6_i64, proptest::option::of(0..4_i64));
    prop_oneof![
        3 => (id.clone(), u.clone(), proptest::option::weighted(0.9, 0..3_i64)).prop_map(|(a, b, c)| Write::Insert(a, b, c)),
        2 => (id.clone(), u.clone(), 0..3_i64).prop_map(|(a, b, c)| Write::Upsert(a, b, c)),
        2 => id.clone().prop_map(Write::Delete),
        1 => (id.clone(), 0..3_i64).prop_map(|(a, b)| Write::Set(a, b)),
        2 => (id.clone(), u).prop_map(|(a, b)| Write::Rename(a, b)),
        2 => (id.clone(), id.clone()).prop_map(|(a, b)| Write::Move(a, b)),
        1 => (0..3_i64).prop_map(Write::Shift),
        1 => id.prop_map(Write::Read),
    ]
}

/// What a write answered: a number of rows or what was read, or the SQLSTATE.
type Answer = Result<String, String>;

fn answer<T: ToString>(result: Result<T, Error>) -> Answer {
    result.map(|value| value.to_string()).map_err(|error| error.sqlstate().to_owned())
}

fn read(txn: &mut Transaction, id: i64) -> Answer {
    let found = txn.query("SELECT u, x FROM t WHERE id = $1", params![id]);
    answer(found.map(|rows| rows.iter().map(text).collect::<Vec<_>>().join(";")))
}

fn shift(txn: &mut Transaction, x: i64) -> Answer {
    answer(txn.execute("UPDATE t SET x = x + 1 WHERE x >= $1", params![x]))
}

/// Through the handle, and through statements without RETURNING.
fn by_points(txn: &mut Transaction, table: &crate::Table, write: &Write) -> Answer {
    let one = |()| 1;
    match *write {
        Write::Insert(id, u, x) => answer(txn.insert(table, params![id, u, x]).map(one)),
        Write::Upsert(id, u, x) => answer(txn.upsert(table, params![id, u, x]).map(|_| 1)),
        Write::Delete(id) => answer(txn.delete(table, (id,)).map(u64::from)),
        Write::Set(id, x) => answer(txn.execute("UPDATE t SET x = $2 WHERE id = $1", params![id, x])),
        Write::Rename(id, u) => answer(txn.execute("UPDATE t SET u = $2 WHERE id = $1", params![id, u])),
        Write::Move(id, to) => answer(txn.execute("UPDATE t SET id = $2 WHERE id = $1", params![id, to])),
        Write::Shift(x) => shift(txn, x),
        Write::Read(id) => read(txn, id),
    }
}

/// The same through the general path.
fn by_statements(txn: &mut Transaction, write: &Write) -> Answer {
    let upsert = "INSERT INTO t VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET u = excluded.u, x = excluded.x";
    let (sql, values): (&str, Vec<Value>) = match *write {
        Write::Insert(id, u, x) => ("INSERT INTO t VALUES ($1, $2, $3) RETURNING id", params![id, u, x].to_vec()),
        Write::Upsert(id, u, x) => (upsert, params![id, u, x].to_vec()),
        Write::Delete(id) => ("DELETE FROM t WHERE id = $1 RETURNING id", params![id].to_vec()),
        Write::Set(id, x) => ("UPDATE t SET x = $2 WHERE id = $1 RETURNING id", params![id, x].to_vec()),
        Write::Rename(id, u) => ("UPDATE t SET u = $2 WHERE id = $1 RETURNING id", params![id, u].to_vec()),
        Write::Move(id, to) => ("UPDATE t SET id = $2 WHERE id = $1 RETURNING id", params![id, to].to_vec()),
        Write::Shift(x) => return shift(txn, x),
        Write::Read(id) => return read(txn, id),
    };
    answer(txn.execute(sql, &values))
}

proptest! {
    #[test]
    fn single_rows_are_written_as_statements_write_them(
        transactions in proptest::collection::vec(proptest::collection::vec(write(), 1..8), 1..5),
    ) {
        let (points, statements) = (in_memory(), in_memory());
        tables(&points);
        tables(&statements);
        let table = points.table("t").unwrap();
        for writes in &transactions {
            let (mut a, mut b) = (points.begin().unwrap(), statements.begin().unwrap());
            for write in writes {
                prop_assert_eq!(by_points(&mut a, &table, write), by_statements(&mut b, write), "{:?}", write);
            }
            prop_assert_eq!(a.commit().is_ok(), b.commit().is_ok());
            let all = "SELECT id, u, x FROM t ORDER BY id";
            prop_assert_eq!(rows(&points, all), rows(&statements, all));
            prop_assert_eq!(view_rows(&points, "xs"), view_rows(&statements, "xs"));
        }
        prop_assert!(points.check().unwrap().differences.is_empty());
    }
}

#[test]
fn a_row_written_as_it_is_conflicts_with_others_that_write_it() {
    let db = in_memory();
    tables(&db);
    db.execute("INSERT INTO t VALUES (1, 1, 1)").unwrap();
    let table = db.table("t").unwrap();
    let (mut first, mut second) = (db.begin().unwrap(), db.begin().unwrap());
    first.upsert(&table, params![1, 1, 1]).unwrap();
    second.upsert(&table, params![1, 1, 1]).unwrap();
    first.commit().unwrap();
    assert!(matches!(second.commit(), Err(Error::Conflict { .. })));
}

#[test]
fn a_unique_key_that_was_only_looked_for_conflicts_with_nobody() {
    // Every UNIQUE key that a transaction had asked for was among its conflict keys, also that of a row that was refused.
    let db = in_memory();
    tables(&db);
    db.execute("INSERT INTO t VALUES (1, 1, 1)").unwrap();
    let table = db.table("t").unwrap();
    let (mut first, mut second) = (db.begin().unwrap(), db.begin().unwrap());
    assert_eq!(first.insert(&table, params![2, 1, 1]).unwrap_err().sqlstate(), "23505");
    first.insert(&table, params![3, 3, 3]).unwrap();
    second.upsert(&table, params![1, 5, 1]).unwrap();
    second.commit().unwrap();
    first.commit().unwrap();
    assert_eq!(rows(&db, "SELECT id, u FROM t ORDER BY id"), ["1|5", "3|3"]);
}

#[test]
fn a_unique_key_that_was_given_up_or_taken_conflicts_with_who_takes_it() {
    let db = in_memory();
    tables(&db);
    db.execute("INSERT INTO t VALUES (1, 1, 1)").unwrap();
    let table = db.table("t").unwrap();
    for (id, u) in [(2, 7), (3, 1)] {
        let (mut first, mut second) = (db.begin().unwrap(), db.begin().unwrap());
        first.upsert(&table, params![1, 7, 1]).unwrap();
        second.delete(&table, (9,)).unwrap();
        let taken = second.insert(&table, params![id, u, 1]);
        assert_eq!(taken.is_ok(), u == 7);
        second.insert(&table, params![id + 10, u + 10, 1]).unwrap();
        first.commit().unwrap();
        assert_eq!(second.commit().is_err(), u == 7);
        db.execute("DELETE FROM t; INSERT INTO t VALUES (1, 1, 1)").unwrap();
    }
}

#[test]
fn what_was_only_looked_for_is_no_write() {
    let db = in_memory();
    tables(&db);
    let table = db.table("t").unwrap();
    let mut txn = db.begin().unwrap();
    assert!(!txn.delete(&table, (1,)).unwrap());
    assert_eq!(txn.insert(&table, params![1, 1]).unwrap_err().sqlstate(), "42601");
    let before = db.epoch();
    assert_eq!(txn.commit().unwrap(), before);
}

#[test]
fn a_key_is_converted_exactly_or_refused() {
    let db = in_memory();
    tables(&db);
    db.execute("INSERT INTO t VALUES (7, NULL, 1)").unwrap();
    let table = db.table("t").unwrap();
    let mut txn = db.begin().unwrap();
    assert_eq!(txn.delete(&table, (7.5,)).unwrap_err().sqlstate(), "22003");
    assert_eq!(txn.delete(&table, (7, 8)).unwrap_err().sqlstate(), "42601");
    assert!(txn.delete(&table, (7_i32,)).unwrap());
    assert!(!txn.delete(&table, (7_i64,)).unwrap(), "it is gone");
}

#[test]
fn a_table_without_a_key_takes_rows_and_nothing_else() {
    let db = in_memory();
    db.execute("CREATE TABLE log (line TEXT)").unwrap();
    let table = db.table("log").unwrap();
    let mut txn = db.begin().unwrap();
    txn.insert(&table, params!["a"]).unwrap();
    txn.insert(&table, params!["a"]).unwrap();
    assert_eq!(txn.delete(&table, ("a",)).unwrap_err().sqlstate(), "42P16");
    assert_eq!(txn.upsert(&table, params!["a"]).unwrap_err().sqlstate(), "42P16");
    txn.commit().unwrap();
    assert_eq!(rows(&db, "SELECT line FROM log"), ["a", "a"]);
}

#[test]
fn a_handle_outlives_other_schema_changes_and_not_its_table() {
    let db = in_memory();
    tables(&db);
    let table = db.table("t").unwrap();
    db.execute("CREATE MATERIALIZED VIEW us AS SELECT u, count(*) AS n FROM t GROUP BY u").unwrap();
    let mut txn = db.begin().unwrap();
    txn.insert(&table, params![1, 2, 3]).unwrap();
    txn.commit().unwrap();
    assert_eq!(view_rows(&db, "us"), ["2|1"]);
    db.execute("DROP MATERIALIZED VIEW us; DROP MATERIALIZED VIEW xs; DROP TABLE t").unwrap();
    db.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, u BIGINT UNIQUE, x BIGINT NOT NULL)").unwrap();
    let refused = db.begin().unwrap().insert(&table, params![1, 2, 3]).unwrap_err();
    assert!(matches!(refused, Error::Dropped { .. }), "{refused}");
    assert!(matches!(db.table("nothing"), Err(Error::Undefined { .. })));
}
