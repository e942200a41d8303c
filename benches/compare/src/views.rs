//! W1: three views over orders and customers, changed in batches.
//!
//! 100 k customers and 1 M orders are there first; then 80 % inserts, 10 % deletes, 10 % updates. A batch is one transaction; durable means one sync for each. All contenders get the
//! same batches, one contender after another within a round, in an order that turns from round to round; after each batch size their contents are compared.

use crate::circuit::{self, Circuit};
use crate::contender::{Boxed, Contents, add, add_rates, alternate, changes};
use crate::dataflow::{self, Dataflow};
use crate::dataset::{Change, Dataset, Order};
use crate::hand::ByHand;
use crate::ours::{Mode, Ours};
use crate::raw_syncs::RawSyncs;
use crate::report::Report;
use crate::triggers::{Place, Triggers};
#[cfg(feature = "turso")]
use crate::turso;
use crate::workload::{Failure, Scale, Workload};

/// The workload.
pub const WORKLOAD: Workload =
    Workload { name: "w1", about: "three views over orders and customers, changed in batches", run };

/// Changes in a batch, and changes in a round.
const BATCHES: [(usize, usize); 3] = [(1, 4_000), (100, 50_000), (10_000, 100_000)];

/// Contenders that make the same promise.
struct Field {
    /// What is added to the name of a case.
    suffix: &'static str,
    contenders: Vec<Boxed<Contents>>,
}

fn volatile(scale: &Scale, customers: i64, orders: &[Order]) -> Result<Field, Failure> {
    // By hand is always there: it is what the others' contents are compared with.
    let mut contenders: Vec<Boxed<Contents>> = vec![Box::new(ByHand::new(orders))];
    for mode in [Mode::Handle, Mode::Statements] {
        add(&mut contenders, scale, mode.name(), || Ours::new(mode, customers, orders))?;
    }
    add(&mut contenders, scale, circuit::NAME, || Circuit::new(customers, orders))?;
    add(&mut contenders, scale, dataflow::NAME, || Dataflow::new(customers, orders))?;
    for place in [Place::Memory, Place::Unsynced] {
        add(&mut contenders, scale, place.name(), || Triggers::new(place, customers, orders))?;
    }
    #[cfg(feature = "turso")]
    add(&mut contenders, scale, turso::NAME, || turso::Turso::new(orders))?;
    Ok(Field { suffix: "", contenders })
}

fn durable(scale: &Scale, customers: i64, orders: &[Order]) -> Result<Field, Failure> {
    let mut contenders: Vec<Boxed<Contents>> = vec![Box::new(RawSyncs::new()?)];
    for mode in [Mode::HandleDurable, Mode::StatementsDurable] {
        add(&mut contenders, scale, mode.name(), || Ours::new(mode, customers, orders))?;
    }
    let place = Place::Synced;
    add(&mut contenders, scale, place.name(), || Triggers::new(place, customers, orders))?;
    Ok(Field { suffix: " durable", contenders })
}

/// Compares everybody with the first contender, the maps by hand.
fn verify(fields: &mut [Field]) -> Result<(), Failure> {
    let expected = fields[0].contenders[0].contents()?;
    for contender in fields.iter_mut().flat_map(|field| &mut field.contenders) {
        let name = contender.name();
        contender.contents()?.check(&expected, name)?;
    }
    Ok(())
}

fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let orders = scale.rows(1_000_000, 100_000);
    let (customers, rounds_count) = ((orders / 10).max(1) as i64, if scale.quick { 2 } else { 5 });
    report.setting(
        "W1 data",
        &format!("{customers} customers, {orders} orders, then 80 % inserts, 10 % deletes, 10 % updates; seed 7"),
    );
    report.setting("W1 threads", "one caller; monostable and dbsp have a background thread for merges");
    report.setting("W1 durability", "none; \"durable\": one sync for each batch (SQLite: WAL, synchronous = FULL)");
    report.setting("W1 SQLite", "keeps per_customer, and regions without max; not the top ten");
    let mut dataset = Dataset::new(customers);
    let orders: Vec<Order> = (0..orders).map(|_| dataset.order()).collect();
    eprintln!("W1: loading {} orders into each contender", orders.len());
    let mut fields = [volatile(scale, customers, &orders)?, durable(scale, customers, &orders)?];
    for (batch, count) in BATCHES.into_iter().filter(|(batch, _)| scale.includes_case(&format!("batch={batch}"))) {
        let count = if scale.quick { count / 4 } else { count }.div_ceil(batch);
        let streams: Vec<Vec<Vec<Change>>> =
            (0..rounds_count).map(|_| (0..count).map(|_| dataset.batch(batch)).collect()).collect();
        for field in &mut fields {
            let case = format!("batch={batch}{}", field.suffix);
            eprintln!("W1 {case}");
            let runs = alternate(&mut field.contenders, &streams)?;
            add_rates(report, ("W1", &case), &field.contenders, &runs, changes(&streams));
        }
        verify(&mut fields)?;
    }
    Ok(())
}
