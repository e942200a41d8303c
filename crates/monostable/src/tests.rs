//! Tests of the facade, by promise. What they share: a database on a disk in memory that can be copied, cut off and made
//! to fail, with its background work driven by hand.

mod commit;
mod ddl;
mod isolation;
mod points;
mod reading;
mod recovery;
mod session;
mod subscribing;

use std::sync::Arc;

use monostable_vfs::MemoryStorage;

use crate::{Background, DataType, Database, Error, Options, Row, Value, params};

/// A database without files.
fn in_memory() -> Database {
    Database::in_memory().unwrap()
}

/// Options for a database on `disk` whose background work nobody does but the test.
fn manual(disk: &MemoryStorage) -> Options {
    let mut options = Options::on(Arc::new(disk.clone()));
    options.background = Background::Manual;
    options.log_segment_bytes = 64 << 10;
    options
}

/// The rows of a query as text, in the order of the query.
fn rows(db: &Database, sql: &str) -> Vec<String> {
    db.query(sql).unwrap().iter().map(text).collect()
}

/// One row as text.
fn text(row: Row) -> String {
    let values = row.values().unwrap();
    values.iter().map(Value::to_string).collect::<Vec<_>>().join("|")
}

/// Every row of a view, by its handle, as sorted text.
fn view_rows(db: &Database, view: &str) -> Vec<String> {
    let mut rows: Vec<String> = db.view(view).unwrap().scan().unwrap().map(|row| text(row.unwrap())).collect();
    rows.sort();
    rows
}

/// The shop of the first example.
fn shop(db: &Database) {
    db.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, customer TEXT, cents BIGINT)").unwrap();
    db.execute(
        "CREATE MATERIALIZED VIEW spend AS
         SELECT customer, sum(cents) AS total, count(*) AS n FROM orders GROUP BY customer",
    )
    .unwrap();
}

/// One order.
fn order(db: &Database, id: i64, customer: &str, cents: i64) {
    db.execute_with("INSERT INTO orders VALUES ($1, $2, $3)", params![id, customer, cents]).unwrap();
}

/// Every view equals recomputation and every checksum holds.
fn assert_sound(db: &Database) {
    let report = db.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
}

/// The SQLSTATE of an error that must have happened.
fn state_of<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().sqlstate().to_owned()
}
