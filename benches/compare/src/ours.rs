//! Monostable with the views of W1, through its public interface.

use crate::contender::{CENTS_MIN, Contender, Contents, TOP};
use crate::dataset::{Change, Order, region};
use crate::report::OURS;
use crate::workload::Failure;
use monostable::{Database, Table, Value, params};
use std::fmt::Write;

/// How the changes are handed over, and where they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A table handle, nothing on disk.
    Handle,
    /// A table handle, a synced log.
    HandleDurable,
    /// SQL statements with parameters, nothing on disk.
    Statements,
    /// SQL statements with parameters, a synced log.
    StatementsDurable,
}

impl Mode {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Handle => OURS,
            Mode::HandleDurable => "monostable durable",
            Mode::Statements => "monostable SQL statements",
            Mode::StatementsDurable => "monostable SQL statements durable",
        }
    }

    fn is_durable(self) -> bool {
        matches!(self, Mode::HandleDurable | Mode::StatementsDurable)
    }

    fn has_handle(self) -> bool {
        matches!(self, Mode::Handle | Mode::HandleDurable)
    }
}

/// `CREATE` of the tables.
pub const TABLES: [&str; 2] = [
    "CREATE TABLE customers (id BIGINT PRIMARY KEY, region TEXT NOT NULL)",
    "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer BIGINT NOT NULL, cents BIGINT NOT NULL)",
];

/// `CREATE` of the views, with their names. The last one is a view with a limit over `totals`.
pub fn views() -> [(&'static str, String); 4] {
    [
        (
            "per_customer",
            format!(
                "CREATE MATERIALIZED VIEW per_customer AS SELECT customer, count(*) AS n, sum(cents) AS cents
                 FROM orders WHERE cents >= {CENTS_MIN} GROUP BY customer"
            ),
        ),
        (
            "regions",
            "CREATE MATERIALIZED VIEW regions AS
             SELECT c.region, sum(o.cents) AS cents, count(*) AS n, max(o.cents) AS most
             FROM orders o JOIN customers c ON o.customer = c.id GROUP BY c.region"
                .to_string(),
        ),
        (
            "totals",
            "CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(cents) AS total FROM orders GROUP BY customer"
                .to_string(),
        ),
        (
            "top10",
            format!(
                "CREATE MATERIALIZED VIEW top10 AS
                 SELECT customer, total FROM totals ORDER BY total DESC, customer LIMIT {TOP}"
            ),
        ),
    ]
}

pub struct Ours {
    pub db: Database,
    mode: Mode,
    orders: Table,
    _directory: Option<tempfile::TempDir>,
}

/// Orders as CSV, the fastest way in.
pub fn csv(orders: &[Order]) -> String {
    let mut text = String::with_capacity(orders.len() * 24);
    for order in orders {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{},{},{}", order.id, order.customer, order.cents);
    }
    text
}

/// Both tables with their rows, and no views.
pub fn load(db: &Database, customers: i64, orders: &[Order]) -> Result<(), Failure> {
    for table in TABLES {
        db.execute(table)?;
    }
    let mut txn = db.begin()?;
    let rows: String = (0..customers).map(|id| format!("{id},{}\n", region(id))).collect();
    txn.copy_from("COPY customers FROM STDIN WITH (FORMAT csv)", &mut rows.as_bytes())?;
    txn.commit()?;
    for chunk in orders.chunks(100_000) {
        let mut txn = db.begin()?;
        txn.copy_from("COPY orders FROM STDIN WITH (FORMAT csv)", &mut csv(chunk).as_bytes())?;
        txn.commit()?;
    }
    Ok(())
}

impl Ours {
    pub fn new(mode: Mode, customers: i64, orders: &[Order]) -> Result<Ours, Failure> {
        let directory = if mode.is_durable() { Some(tempfile::tempdir()?) } else { None };
        let db = match &directory {
            Some(directory) => Database::open(directory.path())?,
            None => Database::in_memory()?,
        };
        load(&db, customers, orders)?;
        for (_, view) in views() {
            db.execute(&view)?;
        }
        let orders = db.table("orders")?;
        Ok(Ours { db, mode, orders, _directory: directory })
    }

    fn rows(&self, sql: &str) -> Result<Vec<Vec<Value>>, Failure> {
        let rows = self.db.query(sql)?;
        Ok(rows.iter().map(|row| row.values()).collect::<Result<_, _>>()?)
    }

    fn integers<const N: usize>(&self, sql: &str) -> Result<Vec<[i64; N]>, Failure> {
        let mut rows = Vec::new();
        for row in self.rows(sql)? {
            let numbers = row.iter().map(integer).collect::<Result<Vec<i64>, Failure>>()?;
            rows.push(<[i64; N]>::try_from(numbers).map_err(|_| "a row has another number of columns")?);
        }
        rows.sort_unstable();
        Ok(rows)
    }
}

/// A number of any width; sums are wider than their inputs.
pub fn integer(value: &Value) -> Result<i64, Failure> {
    Ok(value.to_string().parse()?)
}

impl Contender for Ours {
    type View = Contents;

    fn name(&self) -> &'static str {
        self.mode.name()
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), Failure> {
        let mut txn = self.db.begin()?;
        if self.mode.has_handle() {
            for change in batch {
                match *change {
                    Change::Insert(Order { id, customer, cents }) => {
                        txn.insert(&self.orders, params![id, customer, cents])?;
                    }
                    Change::Delete(order) => {
                        txn.delete(&self.orders, (order.id,))?;
                    }
                    Change::Update(_, Order { id, customer, cents }) => {
                        txn.upsert(&self.orders, params![id, customer, cents])?;
                    }
                }
            }
            txn.commit()?;
            return Ok(());
        }
        for change in batch {
            match *change {
                Change::Insert(Order { id, customer, cents }) => {
                    txn.execute("INSERT INTO orders VALUES ($1, $2, $3)", params![id, customer, cents])?
                }
                Change::Delete(order) => txn.execute("DELETE FROM orders WHERE id = $1", params![order.id])?,
                Change::Update(_, after) => {
                    txn.execute("UPDATE orders SET cents = $2 WHERE id = $1", params![after.id, after.cents])?
                }
            };
        }
        txn.commit()?;
        Ok(())
    }

    fn contents(&mut self) -> Result<Contents, Failure> {
        let per_customer = self.integers("SELECT customer, n, cents FROM per_customer")?;
        let mut regions = Vec::new();
        for row in self.rows("SELECT region, cents, n, most FROM regions")? {
            let [region, cents, n, most] = row.as_slice() else { return Err("regions has four columns".into()) };
            regions.push(((region.to_string(), integer(cents)?, integer(n)?), integer(most)?));
        }
        regions.sort_unstable();
        Ok(Contents {
            per_customer: Some(per_customer.into_iter().map(|[customer, n, cents]| (customer, n, cents)).collect()),
            most: Some(regions.iter().map(|(_, most)| *most).collect()),
            regions: Some(regions.into_iter().map(|(row, _)| row).collect()),
            top: Some(
                self.integers("SELECT customer, total FROM top10")?
                    .into_iter()
                    .map(|[customer, total]| (customer, total))
                    .collect(),
            ),
        })
    }
}
