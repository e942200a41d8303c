//! W5: what one change costs as the base grows from 10^4 to 10^7 orders.
//!
//! The views and the stream of W1, with a customer for every ten orders. Nothing else grows: batches hold 1 and 100 changes at every size. The figure that matters is the last: the cost at the
//! greatest size over the cost at the smallest.

use crate::circuit::{self, Circuit};
use crate::contender::{Boxed, Contents, add, alternate, changes};
use crate::dataset::{Change, Dataset, Order};
use crate::hand::ByHand;
use crate::ours::{Mode, Ours};
use crate::report::Report;
use crate::triggers::{Place, Triggers};
use crate::workload::{Failure, Scale, Workload};
use std::collections::BTreeMap;

/// The workload.
pub const WORKLOAD: Workload = Workload { name: "w5", about: "the cost of one change as the base grows", run };

/// Changes in a batch, and changes in a round.
const BATCHES: [(usize, usize); 2] = [(1, 2_000), (100, 20_000)];
const ROUNDS: usize = 3;

/// Microseconds for a change, by contender and batch: at the smallest size first, at the greatest last.
type Costs = BTreeMap<(&'static str, usize), Vec<f64>>;

fn contenders(scale: &Scale, customers: i64, orders: &[Order]) -> Result<Vec<Boxed<Contents>>, Failure> {
    // By hand is always there: it is what the others' contents are compared with.
    let mut contenders: Vec<Boxed<Contents>> = vec![Box::new(ByHand::new(orders))];
    for mode in [Mode::Handle, Mode::HandleDurable] {
        add(&mut contenders, scale, mode.name(), || Ours::new(mode, customers, orders))?;
    }
    add(&mut contenders, scale, circuit::NAME, || Circuit::new(customers, orders))?;
    let place = Place::Memory;
    add(&mut contenders, scale, place.name(), || Triggers::new(place, customers, orders))?;
    Ok(contenders)
}

fn measure(report: &mut Report, scale: &Scale, costs: &mut Costs, size: usize) -> Result<(), Failure> {
    eprintln!("W5: loading {size} orders into each contender");
    let customers = (size / 10).max(1) as i64;
    let mut dataset = Dataset::new(customers);
    let orders: Vec<Order> = (0..size).map(|_| dataset.order()).collect();
    let mut contenders = contenders(scale, customers, &orders)?;
    drop(orders);
    for (batch, count) in BATCHES {
        let rounds: Vec<Vec<Vec<Change>>> =
            (0..ROUNDS).map(|_| (0..count / batch).map(|_| dataset.batch(batch)).collect()).collect();
        let runs = alternate(&mut contenders, &rounds)?;
        for (contender, runs) in contenders.iter().zip(&runs) {
            let mut times: Vec<f64> = runs.iter().map(|run| run.wall * 1e6 / changes(&rounds)).collect();
            report.add(
                "W5",
                &format!("{size} orders, batch={batch}"),
                contender.name(),
                "us/change",
                false,
                times.clone(),
            );
            times.sort_by(f64::total_cmp);
            costs.entry((contender.name(), batch)).or_default().push(times[times.len() / 2]);
        }
    }
    let expected = contenders[0].contents()?;
    contenders.iter_mut().try_for_each(|contender| contender.contents()?.check(&expected, contender.name()))
}

fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let greatest = scale.rows(10_000_000, 100_000) as usize;
    report.setting("W5", "as W1, seed 7; one customer for ten orders; monostable durable syncs each batch, the others keep nothing on disk");
    let mut costs = Costs::new();
    let sizes: Vec<usize> =
        [10_000, 100_000, 1_000_000, 10_000_000].into_iter().filter(|size| *size <= greatest).collect();
    for size in &sizes {
        measure(report, scale, &mut costs, *size)?;
    }
    let span = format!("{} to {} orders", sizes.first().unwrap_or(&0), sizes.last().unwrap_or(&0));
    for ((name, batch), costs) in costs {
        if let Some((smallest, greatest)) = costs.first().zip(costs.last()) {
            report.add(
                "W5",
                &format!("{span}, batch={batch}"),
                name,
                "times the cost",
                false,
                vec![greatest / smallest],
            );
        }
    }
    Ok(())
}
