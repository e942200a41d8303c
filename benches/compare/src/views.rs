//! W1: three views over orders and customers, changed in batches.
//!
//! 100 k customers and 1 M orders are there first; then 80 % inserts, 10 % deletes, 10 % updates. A batch is one transaction; durable means one synced group for each.

use crate::dataset::{Change, Dataset, Order, region};
use crate::hand::{ByHand, CENTS_MIN};
use crate::report::{OURS, Report};
use crate::workload::{Failure, Scale, Workload};
use monostable::{Database, Transaction, Value, params};
use std::time::Instant;

/// The workload.
pub const WORKLOAD: Workload =
    Workload { name: "w1", about: "three views over orders and customers, changed in batches", run };

/// How much of everything.
struct Size {
    customers: i64,
    orders: usize,
    /// Changes that are timed for each batch size.
    changes: usize,
    rounds: usize,
}

const FULL: Size = Size { customers: 100_000, orders: 1_000_000, changes: 60_000, rounds: 3 };
const QUICK: Size = Size { customers: 10_000, orders: 100_000, changes: 10_000, rounds: 2 };
const BATCHES: [usize; 3] = [1, 100, 10_000];
const TOP: usize = 10;

fn schema() -> [String; 5] {
    [
        "CREATE TABLE customers (id BIGINT PRIMARY KEY, region TEXT NOT NULL)".to_string(),
        "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer BIGINT NOT NULL, cents BIGINT NOT NULL)".to_string(),
        format!(
            "CREATE MATERIALIZED VIEW per_customer AS
             SELECT customer, count(*) AS n, sum(cents) AS cents FROM orders WHERE cents >= {CENTS_MIN} GROUP BY customer"
        ),
        "CREATE MATERIALIZED VIEW regions AS
         SELECT c.region, sum(o.cents) AS cents, count(*) AS n, max(o.cents) AS most
         FROM orders o JOIN customers c ON o.customer = c.id GROUP BY c.region"
            .to_string(),
        "CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(cents) AS total FROM orders GROUP BY customer".to_string(),
    ]
}

/// Monostable with the views, through its SQL interface.
struct Ours {
    db: Database,
    _directory: Option<tempfile::TempDir>,
}

impl Ours {
    fn new(durable: bool, size: &Size, orders: &[Order]) -> Result<Ours, Failure> {
        let directory = if durable { Some(tempfile::tempdir()?) } else { None };
        let db = match &directory {
            Some(directory) => Database::open(directory.path())?,
            None => Database::in_memory()?,
        };
        let [customers, orders_table, views @ ..] = schema();
        db.execute(&customers)?;
        db.execute(&orders_table)?;
        let mut txn = db.begin()?;
        for id in 0..size.customers {
            txn.execute("INSERT INTO customers VALUES ($1, $2)", &params![id, region(id)])?;
        }
        txn.commit()?;
        for chunk in orders.chunks(50_000) {
            let mut txn = db.begin()?;
            for order in chunk {
                insert(&mut txn, *order)?;
            }
            txn.commit()?;
        }
        for view in views {
            db.execute(&view)?;
        }
        Ok(Ours { db, _directory: directory })
    }

    fn apply(&self, batch: &[Change]) -> Result<(), Failure> {
        let mut txn = self.db.begin()?;
        for change in batch {
            match *change {
                Change::Insert(order) => insert(&mut txn, order)?,
                Change::Delete(order) => txn.execute("DELETE FROM orders WHERE id = $1", &params![order.id])?,
                Change::Update(_, after) => {
                    txn.execute("UPDATE orders SET cents = $2 WHERE id = $1", &params![after.id, after.cents])?
                }
            };
        }
        txn.commit()?;
        Ok(())
    }

    fn integers(&self, sql: &str) -> Result<Vec<Vec<i64>>, Failure> {
        let rows = self.db.query(sql)?;
        let number = |value: &Value| value.to_string().parse().unwrap_or_default();
        let mut rows = rows
            .iter()
            .map(|row| Ok(row.values()?.iter().map(number).collect()))
            .collect::<Result<Vec<Vec<i64>>, Failure>>()?;
        rows.sort_unstable();
        Ok(rows)
    }

    /// Panics if a view differs from the one by hand: a figure of a wrong answer is worthless.
    fn verify(&self, hand: &ByHand) -> Result<(), Failure> {
        let expected: Vec<Vec<i64>> = hand.per_customer().iter().map(|(a, b, c)| vec![*a, *b, *c]).collect();
        assert_eq!(self.integers("SELECT customer, n, cents FROM per_customer")?, expected, "per_customer");
        let mut expected: Vec<Vec<i64>> = hand.regions().iter().map(|(_, a, b, c)| vec![*a, *b, *c]).collect();
        expected.sort_unstable();
        assert_eq!(self.integers("SELECT cents, n, most FROM regions")?, expected, "regions");
        let mut expected: Vec<Vec<i64>> = hand.top(TOP).iter().map(|(a, b)| vec![*a, *b]).collect();
        expected.sort_unstable();
        let top = format!("SELECT customer, total FROM totals ORDER BY total DESC, customer LIMIT {TOP}");
        assert_eq!(self.integers(&top)?, expected, "top");
        Ok(())
    }
}

fn insert(txn: &mut Transaction, order: Order) -> Result<u64, monostable::Error> {
    txn.execute("INSERT INTO orders VALUES ($1, $2, $3)", &params![order.id, order.customer, order.cents])
}

fn timed(batches: &[Vec<Change>], mut apply: impl FnMut(&[Change]) -> Result<(), Failure>) -> Result<f64, Failure> {
    let start = Instant::now();
    for batch in batches {
        apply(batch)?;
    }
    let changes: usize = batches.iter().map(Vec::len).sum();
    Ok(changes as f64 / start.elapsed().as_secs_f64())
}

/// Synced appends of 4 KiB in a loop: what the device allows a durable commit.
fn raw_syncs(seconds: f64) -> Result<f64, Failure> {
    use std::os::unix::fs::FileExt;
    let file = tempfile::tempfile()?;
    file.write_all_at(&vec![0; 16 << 20], 0)?;
    file.sync_all()?;
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed().as_secs_f64() < seconds {
        file.write_all_at(&[1; 4096], (count % 4096) * 4096)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let quick = scale.quick;
    let size = if quick { QUICK } else { FULL };
    let mut dataset = Dataset::new(size.customers);
    let orders: Vec<Order> = (0..size.orders).map(|_| dataset.order()).collect();
    let mut hand = ByHand::default();
    hand.apply(&orders.iter().map(|order| Change::Insert(*order)).collect::<Vec<_>>());
    eprintln!("W1: loading {} orders twice", orders.len());
    let volatile = Ours::new(false, &size, &orders)?;
    let durable = Ours::new(true, &size, &orders)?;
    for batch in BATCHES {
        let case = format!("batch={batch}");
        let (mut by_hand, mut ours, mut ours_durable) = (Vec::new(), Vec::new(), Vec::new());
        let mut limits = Vec::new();
        for _ in 0..size.rounds {
            // Durable single commits are slow: a part of the changes is enough for a figure.
            let count = (if batch == 1 { size.changes / 10 } else { size.changes }).div_ceil(batch);
            let batches: Vec<Vec<Change>> = (0..count).map(|_| dataset.batch(batch)).collect();
            by_hand.push(timed(&batches, |batch| {
                hand.apply(batch);
                Ok(())
            })?);
            ours.push(timed(&batches, |batch| volatile.apply(batch))?);
            ours_durable.push(timed(&batches, |batch| durable.apply(batch))?);
            limits.push(raw_syncs(0.3)? * batch as f64);
            eprintln!(
                "W1 {case}: by hand {:.0}, ours {:.0}, ours durable {:.0}",
                by_hand[by_hand.len() - 1],
                ours[ours.len() - 1],
                ours_durable[ours_durable.len() - 1]
            );
        }
        report.add("W1", &case, "floor: by hand", "changes/s", true, by_hand);
        report.add("W1", &case, OURS, "changes/s", true, ours);
        report.add("W1", &case, "limit: fdatasync", "changes/s", true, limits);
        report.add("W1", &case, "monostable durable", "changes/s", true, ours_durable);
        volatile.verify(&hand)?;
        durable.verify(&hand)?;
    }
    Ok(())
}
