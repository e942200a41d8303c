//! W7: building a view over rows that are there, beside the same query asked once; and bulk load.
//!
//! 10^7 orders of 10^6 customers. Ours: `CREATE MATERIALIZED VIEW` until it returns, which is when the view is complete; then it is dropped. SQLite and DuckDB: the query of the view, from text to
//! its last row, with all data in their caches. The number of rows and a sum over all their numbers are compared. Bulk load: ours reads CSV; SQLite gets the values of the same rows
//! through one prepared insert in one transaction; DuckDB reads the same CSV, and takes the rows through its appender.

#[cfg(feature = "duckdb")]
mod duckdb;
mod load;
mod ours;
mod sqlite;

use crate::clocks::taken;
use crate::contender::CENTS_MIN;
use crate::dataset::{Dataset, Order};
use crate::report::Report;
use crate::workload::{Failure, Scale, Workload};

/// The workload.
pub const WORKLOAD: Workload =
    Workload { name: "w7", about: "building a view, beside the same query asked once; bulk load", run };

const ROUNDS: usize = 3;

/// The rows of both tables.
pub struct Base {
    pub customers: i64,
    pub orders: Vec<Order>,
}

impl Base {
    fn new(rows: u64) -> Base {
        let mut dataset = Dataset::new((rows / 10).max(1) as i64);
        Base { customers: dataset.customers, orders: (0..rows).map(|_| dataset.order()).collect() }
    }
}

/// One view, and the query it answers.
pub struct View {
    pub name: &'static str,
    pub query: String,
}

/// The number of rows of an answer, and the sum of the numbers in them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    pub rows: u64,
    pub sum: i128,
}

/// Somebody who has the tables and can be asked.
pub trait Asked {
    fn name(&self) -> &'static str;

    /// Asks the query, or builds the view, and answers what came out. Only `ask` is timed.
    fn ask(&mut self, view: &View) -> Result<Digest, Failure>;

    /// What is needed before the next `ask`, and the digest if it was not known before.
    fn settle(&mut self, view: &View, digest: Digest) -> Result<Digest, Failure>;
}

fn views() -> [View; 4] {
    let view = |name, query: &str| View { name, query: query.to_string() };
    [
        view(
            "per_customer",
            &format!(
                "SELECT customer, count(*) AS n, sum(cents) AS cents FROM orders WHERE cents >= {CENTS_MIN} GROUP BY customer"
            ),
        ),
        view(
            "regions",
            "SELECT c.region, sum(o.cents) AS cents, count(*) AS n, max(o.cents) AS most
             FROM orders o JOIN customers c ON o.customer = c.id GROUP BY c.region",
        ),
        view("totals", "SELECT customer, sum(cents) AS total FROM orders GROUP BY customer"),
        view("count(*)", "SELECT count(*) AS n FROM orders"),
    ]
}

fn contenders(scale: &Scale, base: &Base) -> Result<Vec<Box<dyn Asked>>, Failure> {
    let mut all: Vec<Box<dyn Asked>> = Vec::new();
    for durable in [false, true] {
        if scale.includes(ours::name(durable)) {
            all.push(Box::new(ours::Builder::new(base, durable)?));
        }
    }
    if scale.includes(sqlite::NAME) {
        all.push(Box::new(sqlite::Queries::new(base)?));
    }
    #[cfg(feature = "duckdb")]
    if scale.includes(duckdb::NAME) {
        all.push(Box::new(duckdb::Queries::new(base)?));
    }
    Ok(all)
}

fn measure(report: &mut Report, contenders: &mut [Box<dyn Asked>], view: &View) -> Result<(), Failure> {
    let mut expected = None;
    let mut times: Vec<Vec<f64>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        for step in 0..contenders.len() {
            let index = (step + round) % contenders.len();
            let contender = &mut contenders[index];
            let (digest, taken) = taken(|| contender.ask(view))?;
            let digest = contender.settle(view, digest)?;
            if *expected.get_or_insert(digest) != digest {
                return Err(format!("{}: another answer to {}: {digest:?}", contender.name(), view.name).into());
            }
            times[index].push(taken.wall * 1e3);
        }
    }
    for (contender, times) in contenders.iter().zip(times) {
        report.add("W7", &format!("view {}", view.name), contender.name(), "ms", false, times);
    }
    Ok(())
}

fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let rows = scale.rows(10_000_000, 1_000_000);
    report.setting("W7 data", &format!("{rows} orders of {} customers; seed 7", rows / 10));
    report.setting(
        "W7 durability",
        "monostable durable: files and a synced log, memory budget as by default; the others keep everything in memory",
    );
    report.setting("W7 threads", "SQLite one, DuckDB one (as W1's peers have); monostable as it chooses");
    eprintln!("W7: loading {rows} orders into each contender");
    let base = Base::new(rows);
    let mut contenders = contenders(scale, &base)?;
    for view in views() {
        eprintln!("W7 {}", view.name);
        measure(report, &mut contenders, &view)?;
    }
    drop(contenders);
    load::run(report, scale, &Base::new((rows / 10).max(1_000)))
}
