//! Snapshot isolation, an anomaly at a time. The names are those of Berenson et al. (1995) and of Adya's thesis.

use super::*;
use crate::Transaction;

fn accounts() -> Database {
    let db = in_memory();
    db.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, owner TEXT, balance BIGINT)").unwrap();
    db.execute("CREATE MATERIALIZED VIEW wealth AS SELECT owner, sum(balance) AS total FROM account GROUP BY owner")
        .unwrap();
    db.execute("INSERT INTO account VALUES (1, 'ann', 50), (2, 'ann', 50)").unwrap();
    db
}

fn balance(txn: &mut Transaction, id: i32) -> i64 {
    let rows = txn.query("SELECT balance FROM account WHERE id = $1", params![id]).unwrap();
    rows.first().unwrap().get(0).unwrap()
}

fn set(txn: &mut Transaction, id: i32, balance: i64) {
    let changed = txn.execute("UPDATE account SET balance = $2 WHERE id = $1", params![id, balance]).unwrap();
    assert_eq!(changed, 1);
}

fn assert_conflict(result: Result<monostable_types::Epoch, Error>) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert!(error.is_retryable() && error.outcome_is_known());
    assert_eq!(error.sqlstate(), "40001");
}

#[test]
fn dirty_write_is_refused() {
    let db = accounts();
    let (mut first, mut second) = (db.begin().unwrap(), db.begin().unwrap());
    set(&mut first, 1, 10);
    set(&mut second, 1, 20);
    set(&mut second, 2, 20);
    first.commit().unwrap();
    assert_conflict(second.commit());
    assert_eq!(rows(&db, "SELECT id, balance FROM account ORDER BY id"), ["1|10", "2|50"]);
    assert_eq!(view_rows(&db, "wealth"), ["ann|60"]);
}

#[test]
fn dirty_read_is_impossible() {
    let db = accounts();
    let mut writer = db.begin().unwrap();
    set(&mut writer, 1, 999);
    assert_eq!(rows(&db, "SELECT balance FROM account WHERE id = 1"), ["50"]);
    assert_eq!(view_rows(&db, "wealth"), ["ann|100"]);
    let mut reader = db.begin().unwrap();
    assert_eq!(balance(&mut reader, 1), 50);
    writer.rollback();
    assert_eq!(rows(&db, "SELECT balance FROM account WHERE id = 1"), ["50"]);
}

#[test]
fn lost_update_is_refused() {
    let db = accounts();
    let (mut first, mut second) = (db.begin().unwrap(), db.begin().unwrap());
    let (seen_first, seen_second) = (balance(&mut first, 1), balance(&mut second, 1));
    set(&mut first, 1, seen_first + 5);
    set(&mut second, 1, seen_second + 7);
    first.commit().unwrap();
    assert_conflict(second.commit());
    let mut again = db.begin().unwrap();
    let seen = balance(&mut again, 1);
    set(&mut again, 1, seen + 7);
    again.commit().unwrap();
    assert_eq!(rows(&db, "SELECT balance FROM account WHERE id = 1"), ["62"]);
}

#[test]
fn non_repeatable_read_and_read_skew_are_impossible() {
    let db = accounts();
    let mut reader = db.begin().unwrap();
    assert_eq!(balance(&mut reader, 1), 50);
    db.execute("UPDATE account SET balance = balance + CASE id WHEN 1 THEN -40 ELSE 40 END").unwrap();
    assert_eq!(balance(&mut reader, 1), 50);
    assert_eq!(balance(&mut reader, 2), 50);
    assert_eq!(reader.query("SELECT total FROM wealth", &[]).unwrap().first().map(text).unwrap(), "100");
    reader.commit().unwrap();
    assert_eq!(rows(&db, "SELECT balance FROM account ORDER BY id"), ["10", "90"]);
}

#[test]
fn phantom_is_impossible() {
    let db = accounts();
    let mut reader = db.begin().unwrap();
    let count = |txn: &mut Transaction| -> i64 {
        txn.query("SELECT count(*) FROM account WHERE balance >= 50", &[]).unwrap().first().unwrap().get(0).unwrap()
    };
    assert_eq!(count(&mut reader), 2);
    db.execute("INSERT INTO account VALUES (3, 'bob', 70)").unwrap();
    db.execute("DELETE FROM account WHERE id = 1").unwrap();
    assert_eq!(count(&mut reader), 2);
    reader.commit().unwrap();
}

/// Snapshot isolation allows write skew: two transactions that read the same rows and write different ones both commit.
/// A rule over several rows has to be made a conflict, by writing a row that both touch.
#[test]
fn write_skew_is_allowed() {
    let db = accounts();
    let (mut first, mut second) = (db.begin().unwrap(), db.begin().unwrap());
    assert_eq!(balance(&mut first, 1) + balance(&mut first, 2), 100);
    assert_eq!(balance(&mut second, 1) + balance(&mut second, 2), 100);
    set(&mut first, 1, -50);
    set(&mut second, 2, -50);
    first.commit().unwrap();
    second.commit().unwrap();
    assert_eq!(view_rows(&db, "wealth"), ["ann|-100"]);
}

#[test]
fn two_inserts_of_one_key_conflict_and_the_first_wins() {
    let db = accounts();
    let (mut first, mut second) = (db.begin().unwrap(), db.begin().unwrap());
    first.execute("INSERT INTO account VALUES (9, 'first', 1)", &[]).unwrap();
    second.execute("INSERT INTO account VALUES (9, 'second', 2)", &[]).unwrap();
    first.commit().unwrap();
    assert_conflict(second.commit());
    assert_eq!(rows(&db, "SELECT owner FROM account WHERE id = 9"), ["first"]);
}

#[test]
fn a_unique_constraint_conflicts_like_a_key() {
    let db = in_memory();
    db.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, mail TEXT UNIQUE)").unwrap();
    let (mut first, mut second) = (db.begin().unwrap(), db.begin().unwrap());
    first.execute("INSERT INTO person VALUES (1, 'a@x')", &[]).unwrap();
    second.execute("INSERT INTO person VALUES (2, 'a@x')", &[]).unwrap();
    first.commit().unwrap();
    assert_conflict(second.commit());
    assert_eq!(state_of(db.execute("INSERT INTO person VALUES (3, 'a@x')")), "23505");
}

#[test]
fn deletes_of_one_row_of_a_table_without_a_key_conflict() {
    let db = in_memory();
    db.execute("CREATE TABLE note (t TEXT)").unwrap();
    db.execute("INSERT INTO note VALUES ('x')").unwrap();
    let (mut first, mut second) = (db.begin().unwrap(), db.begin().unwrap());
    first.execute("DELETE FROM note WHERE t = 'x'", &[]).unwrap();
    second.execute("DELETE FROM note WHERE t = 'x'", &[]).unwrap();
    first.commit().unwrap();
    assert_conflict(second.commit());
    assert_eq!(rows(&db, "SELECT count(*) FROM note"), ["0"]);
}

#[test]
fn a_read_only_transaction_never_conflicts() {
    let db = accounts();
    let mut reader = db.begin().unwrap();
    let before = balance(&mut reader, 1);
    db.execute("UPDATE account SET balance = 0").unwrap();
    assert_eq!(balance(&mut reader, 1), before);
    reader.commit().unwrap();
}

#[test]
fn a_transaction_sees_its_own_writes_in_tables_and_in_views() {
    let db = accounts();
    let mut txn = db.begin().unwrap();
    txn.execute("INSERT INTO account VALUES (3, 'bob', 7)", &[]).unwrap();
    txn.execute("UPDATE account SET balance = balance + 1 WHERE owner = 'bob'", &[]).unwrap();
    let seen =
        |txn: &mut Transaction, sql: &str| -> Vec<String> { txn.query(sql, &[]).unwrap().iter().map(text).collect() };
    assert_eq!(seen(&mut txn, "SELECT balance FROM account WHERE id = 3"), ["8"]);
    assert_eq!(seen(&mut txn, "SELECT owner, total FROM wealth ORDER BY owner"), ["ann|100", "bob|8"]);
    txn.execute("DELETE FROM account WHERE owner = 'ann'", &[]).unwrap();
    assert_eq!(seen(&mut txn, "SELECT owner, total FROM wealth"), ["bob|8"]);
    assert_eq!(view_rows(&db, "wealth"), ["ann|100"], "nobody else sees it");
    let epoch = txn.commit().unwrap();
    assert_eq!(db.epoch(), epoch);
    assert_eq!(view_rows(&db, "wealth"), ["bob|8"]);
}

#[test]
fn a_failing_statement_leaves_no_trace_and_the_transaction_goes_on() {
    let db = accounts();
    let mut txn = db.begin().unwrap();
    txn.execute("INSERT INTO account VALUES (3, 'bob', 1)", &[]).unwrap();
    let twice = txn.execute("INSERT INTO account VALUES (4, 'bob', 2), (1, 'dup', 3)", &[]);
    assert_eq!(state_of(twice), "23505");
    assert_eq!(txn.query("SELECT count(*) FROM account", &[]).unwrap().first().map(text).unwrap(), "3");
    txn.commit().unwrap();
    assert_eq!(rows(&db, "SELECT id FROM account ORDER BY id"), ["1", "2", "3"]);
}

#[test]
fn a_dropped_transaction_is_rolled_back() {
    let db = accounts();
    let before = db.epoch();
    let mut txn = db.begin().unwrap();
    txn.execute("DELETE FROM account", &[]).unwrap();
    drop(txn);
    assert_eq!((db.epoch(), rows(&db, "SELECT count(*) FROM account")), (before, vec!["2".to_owned()]));
}

#[test]
fn who_reads_below_what_is_remembered_is_refused_rather_than_trusted() {
    let mut options = Options::in_memory();
    options.certification_bytes_max = 100;
    let db = Database::open_with(options).unwrap();
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v INTEGER)").unwrap();
    db.execute("INSERT INTO t VALUES (0, 0)").unwrap();
    let mut old = db.begin().unwrap();
    old.execute("UPDATE t SET v = 1 WHERE k = 0", &[]).unwrap();
    for k in 1..20 {
        db.execute_with("INSERT INTO t VALUES ($1, 0)", params![k]).unwrap();
    }
    assert_conflict(old.commit());
}
