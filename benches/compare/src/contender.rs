//! What is asked of everybody who keeps views: take batches of changes, keep the views, show them when asked. And how contenders are timed against each other.
//!
//! The three views of W1 and W5, in SQL:
//!
//! ```sql
//! per_customer: SELECT customer, count(*) AS n, sum(cents) AS cents FROM orders WHERE cents >= 1000 GROUP BY customer
//! regions:      SELECT c.region, sum(o.cents) AS cents, count(*) AS n, max(o.cents) AS most
//!               FROM orders o JOIN customers c ON o.customer = c.id GROUP BY c.region
//! top10:        SELECT customer, sum(cents) AS total FROM orders GROUP BY customer ORDER BY total DESC, customer LIMIT 10
//! ```

use crate::clocks::{Taken, taken};
use crate::dataset::{Change, Order, region};
use crate::report::{OURS, Report, is_limit};
use crate::workload::{Failure, Scale};
use std::collections::BTreeMap;
use std::time::Duration;

/// Orders below this are left out of `per_customer`.
pub const CENTS_MIN: i64 = 1_000;
/// Rows of `top10`.
pub const TOP: usize = 10;

/// Somebody who keeps views.
pub trait Contender {
    /// What its views hold, for comparison.
    type View;

    fn name(&self) -> &'static str;

    /// Applies a batch as one transaction. When it returns, the views show it; or, for a dataflow, the changes of the views have come out.
    fn apply(&mut self, batch: &[Change]) -> Result<(), Failure>;

    /// The views, each sorted. Not timed.
    fn contents(&mut self) -> Result<Self::View, Failure>;
}

/// Any contender whose views are comparable with the others'.
pub type Boxed<V> = Box<dyn Contender<View = V>>;

/// Adds a contender, unless the user left it out. Nothing is loaded for one who is left out.
pub fn add<V, C: Contender<View = V> + 'static>(
    contenders: &mut Vec<Boxed<V>>,
    scale: &Scale,
    name: &str,
    make: impl FnOnce() -> Result<C, Failure>,
) -> Result<(), Failure> {
    if scale.includes(name) {
        contenders.push(Box::new(make()?));
    }
    Ok(())
}

/// Between contenders, so that the background work of one does not run into the time of the next.
const PAUSE: Duration = Duration::from_millis(100);

/// What one contender took for each round.
type Runs = Vec<Taken>;

/// Gives every round's batches to all contenders, one contender after another, in an order that turns from round to round.
pub fn alternate<V>(contenders: &mut [Boxed<V>], rounds: &[Vec<Vec<Change>>]) -> Result<Vec<Runs>, Failure> {
    let mut runs: Vec<Runs> = contenders.iter().map(|_| Vec::new()).collect();
    for (round, batches) in rounds.iter().enumerate() {
        for step in 0..contenders.len() {
            let index = (step + round) % contenders.len();
            std::thread::sleep(PAUSE);
            let contender = &mut contenders[index];
            let ((), taken) = taken(|| batches.iter().try_for_each(|batch| contender.apply(batch)))?;
            runs[index].push(taken);
        }
    }
    Ok(runs)
}

/// Changes in each round.
pub fn changes(rounds: &[Vec<Vec<Change>>]) -> f64 {
    rounds.first().map_or(0, |batches| batches.iter().map(Vec::len).sum::<usize>()) as f64
}

/// Adds the rate of each contender, and the processor time of a change.
pub fn add_rates<V>(
    report: &mut Report,
    (workload, case): (&'static str, &str),
    contenders: &[Boxed<V>],
    runs: &[Runs],
    changes: f64,
) {
    for (contender, runs) in contenders.iter().zip(runs) {
        let name = contender.name();
        let each = |figure: fn(&Taken) -> f64| runs.iter().map(move |run| figure(run) * 1e6 / changes);
        report.add(workload, case, name, "changes/s", true, each(|run| run.wall).map(|us| 1e6 / us).collect());
        if !is_limit(name) {
            report.add(workload, case, name, "us CPU/change", false, each(|run| run.process).collect());
        }
        if name.starts_with(OURS) {
            report.add(workload, case, name, "us CPU/change, caller", false, each(|run| run.thread).collect());
        }
    }
}

/// What the views hold. What the contender does not keep is absent.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Contents {
    /// `(customer, count, cents)`
    pub per_customer: Option<Vec<(i64, i64, i64)>>,
    /// `(region, cents, count)`
    pub regions: Option<Vec<(String, i64, i64)>>,
    /// The maximum of each region, in their order.
    pub most: Option<Vec<i64>>,
    /// `(customer, total)` in order of the customers
    pub top: Option<Vec<(i64, i64)>>,
}

impl Contents {
    /// Fails if a view differs from the expected one: a figure of a wrong answer is worthless.
    pub fn check(&self, expected: &Contents, of: &str) -> Result<(), Failure> {
        let same = [
            ("per_customer", self.per_customer.is_none() || self.per_customer == expected.per_customer),
            ("regions", self.regions.is_none() || self.regions == expected.regions),
            ("maximum of regions", self.most.is_none() || self.most == expected.most),
            ("top10", self.top.is_none() || self.top == expected.top),
        ];
        match same.iter().find(|(_, same)| !same) {
            Some((view, _)) => Err(format!("{of}: wrong contents in {view}").into()),
            None => Ok(()),
        }
    }
}

/// A view as a consumer of changes keeps it: rows with their weights.
#[derive(Debug)]
pub struct Folded<T>(BTreeMap<T, i64>);

impl<T> Default for Folded<T> {
    fn default() -> Folded<T> {
        Folded(BTreeMap::new())
    }
}

impl<T: Ord> Folded<T> {
    pub fn add(&mut self, row: T, weight: i64) {
        let total = self.0.entry(row).or_default();
        *total += weight;
    }

    /// The rows, in order. Fails if a row does not stand there exactly once.
    pub fn rows(&mut self) -> Result<impl Iterator<Item = &T>, Failure> {
        self.0.retain(|_, weight| *weight != 0);
        if self.0.values().any(|weight| *weight != 1) {
            return Err("a row of a view has a weight other than one".into());
        }
        Ok(self.0.keys())
    }
}

/// The orders that a change takes away and adds.
pub fn weighted(change: &Change) -> impl Iterator<Item = (Order, i64)> {
    let (before, after) = match *change {
        Change::Insert(order) => (None, Some(order)),
        Change::Delete(order) => (Some(order), None),
        Change::Update(before, after) => (Some(before), Some(after)),
    };
    before.map(|order| (order, -1)).into_iter().chain(after.map(|order| (order, 1)))
}

/// A region as a number, for contenders whose user would not carry text through the dataflow.
pub fn region_code(customer: i64) -> i64 {
    customer % 8
}

/// The name of a region's number.
pub fn region_name(code: i64) -> String {
    region(code).to_string()
}
