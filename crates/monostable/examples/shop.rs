//! A shop: orders come in, and who spent how much is known at every moment.
//!
//! `cargo run -p monostable --example shop [DIR]`. Run it twice on one directory: the second run finds everything in place.

use monostable::{Database, Error, params};
use serde::Deserialize;

/// A row of the view.
#[derive(Debug, Deserialize)]
struct Spend {
    customer: String,
    total: i64,
    n: i64,
}

fn main() -> Result<(), Error> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "shop".to_owned());
    let db = Database::open(path)?;
    db.execute("CREATE TABLE IF NOT EXISTS orders (id BIGINT PRIMARY KEY, customer TEXT, cents BIGINT)")?;
    db.execute(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS spend AS
         SELECT customer, sum(cents) AS total, count(*) AS n FROM orders GROUP BY customer",
    )?;

    // A transaction: both orders or neither. Somebody else may take the same numbers first; then it is run again.
    loop {
        match place_orders(&db) {
            Err(error) if error.is_retryable() => {}
            other => break other?,
        }
    }

    // A prepared handle reads without SQL, and sees what was just committed.
    let spend = db.view("spend")?;
    if let Some(row) = spend.get(("ann",))? {
        show(&row.deserialize()?);
    }
    // All customers from the letter b on, in the order of the view's key.
    for row in spend.range(("b",)..)? {
        show(&row?.deserialize()?);
    }
    db.close()
}

fn place_orders(db: &Database) -> Result<(), Error> {
    let mut txn = db.begin()?;
    let last =
        txn.query("SELECT max(id) FROM orders", &[])?.first().map_or(Ok(None), |row| row.get::<Option<i64>>(0))?;
    let next = last.unwrap_or(0) + 1;
    txn.execute("INSERT INTO orders VALUES ($1, $2, $3)", params![next, "ann", 3000])?;
    txn.execute("INSERT INTO orders VALUES ($1, $2, $3)", params![next + 1, "bob", 1250])?;
    txn.commit()?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example shows what it found")]
fn show(spend: &Spend) {
    println!("{} has placed {} orders for {}.{:02}", spend.customer, spend.n, spend.total / 100, spend.total % 100);
}
