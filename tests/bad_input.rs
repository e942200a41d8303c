//! What a caller may do wrong, and what a disk may: each is an error that says what it is, costs nothing but itself, and the
//! database goes on.
//!
//! [`sql`] has statements and texts, [`values`] rows and keys and files of rows, [`clients`] callers who vanish half
//! way, [`storage`] real directories that are full or damaged. What is here is common to them.

mod clients;
mod sql;
mod storage;
mod values;

use monostable::{Database, Error, Value};

/// A database without files, with a table, a view over it, and one row.
fn shop() -> Database {
    let db = Database::in_memory().unwrap();
    db.execute(SHOP).unwrap();
    db
}

const SHOP: &str = "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer TEXT, cents BIGINT);
    CREATE MATERIALIZED VIEW spend AS
        SELECT customer, sum(cents) AS total, count(*) AS n FROM orders GROUP BY customer;
    INSERT INTO orders VALUES (1, 'ann', 100)";

/// What [`shop`] holds when nothing else has happened to it.
const UNTOUCHED: [&str; 2] = ["1|ann|100", "ann|100|1"];

/// The rows of the shop's table and of its view.
fn contents(db: &Database) -> Vec<String> {
    let mut rows = rows(db, "SELECT id, customer, cents FROM orders ORDER BY id");
    rows.extend(db.view("spend").unwrap().scan().unwrap().map(|row| text(&row.unwrap())));
    rows
}

fn rows(db: &Database, sql: &str) -> Vec<String> {
    db.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).iter().map(|row| text(&row)).collect()
}

fn text(row: &monostable::Row) -> String {
    row.values().unwrap().iter().map(Value::to_string).collect::<Vec<_>>().join("|")
}

/// Requires that the database is what it was, takes a commit, and holds the right views.
#[track_caller]
fn assert_goes_on(db: &Database) {
    assert_eq!(contents(db), UNTOUCHED);
    db.execute("INSERT INTO orders VALUES (2, 'bob', 5)").unwrap();
    assert_eq!(contents(db), ["1|ann|100", "2|bob|5", "ann|100|1", "bob|5|1"]);
    db.execute("DELETE FROM orders WHERE id = 2").unwrap();
    assert_eq!(contents(db), UNTOUCHED);
    let report = db.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
}

/// The error of something that must fail, by its SQLSTATE, and its message.
#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, sqlstate: &str) -> String {
    let error = outcome.expect_err("it must be refused");
    assert_eq!(error.sqlstate(), sqlstate, "{error} ({error:?})");
    let message = error.to_string();
    assert!(!message.is_empty() && message.len() < 2000, "a message that a person can read, {} bytes", message.len());
    message
}
