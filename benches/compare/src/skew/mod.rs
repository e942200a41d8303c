//! W8: skew. One group that holds half of all rows, under a maximum, a count of distinct values and a join; a join in which a row meets very many; two hundred views on one table.
//!
//! Everything is in memory. Each case builds its contenders, gives them the same batches in turn, compares what they hold with the views computed from scratch, and drops them.

mod circuit;
mod data;
mod dataflow;
mod ours;

use crate::contender::{Boxed, add, add_rates, alternate, changes};
use crate::dataset::Change;
use crate::ours::Mode;
use crate::report::Report;
use crate::workload::{Failure, Scale, Workload};
use data::{Data, Row, Shape, Spread, Target};

/// The workload.
pub const WORKLOAD: Workload =
    Workload { name: "w8", about: "skew: huge groups, wide joins, many views on one table", run };

const VIEWS: i64 = 200;
const HOT: Spread = Spread::Half(1_000);

/// One case: tables, views, and the changes of a round.
struct Case {
    name: &'static str,
    rows: u64,
    spread: Spread,
    shape: Shape,
    target: Target,
    batch: usize,
    count: usize,
    change: fn(&mut Data) -> Change,
}

/// Half of all rows in one group, changed in batches.
fn hot(rows: u64, shape: Shape, name: [&'static str; 3]) -> impl Iterator<Item = Case> {
    let sizes = [(1, 2_000), (100, 20_000), (10_000, 40_000)];
    name.into_iter().zip(sizes).map(move |(name, (batch, count))| Case {
        name,
        rows,
        spread: HOT,
        shape,
        target: Target::Facts,
        batch,
        count,
        change: Data::change,
    })
}

/// Many views on one table: single inserts.
fn many(rows: u64, shape: Shape, name: &'static str, change: fn(&mut Data) -> Change) -> Case {
    let spread = Spread::Even(2 * VIEWS);
    Case { name, rows, spread, shape, target: Target::Facts, batch: 1, count: 300, change }
}

fn insert(data: &mut Data) -> Change {
    Change::Insert(data.insert())
}

/// Into a group that one view selects.
fn insert_selected(data: &mut Data) -> Change {
    let group = data.group();
    Change::Insert(data.insert_into(group % VIEWS))
}

/// Into a group that no view selects.
fn insert_unselected(data: &mut Data) -> Change {
    let group = data.group();
    Change::Insert(data.insert_into(VIEWS + group % VIEWS))
}

fn cases(rows: u64) -> Vec<Case> {
    let turn = |name, spread, shape, change| Case {
        name,
        rows,
        spread,
        shape,
        target: Target::Dims,
        batch: 1,
        count: 4,
        change,
    };
    let few = rows / 10;
    hot(rows, Shape::Max, ["hot group, max, batch=1", "hot group, max, batch=100", "hot group, max, batch=10000"])
        .chain(hot(
            rows,
            Shape::CountDistinct,
            [
                "hot group, count distinct, batch=1",
                "hot group, count distinct, batch=100",
                "hot group, count distinct, batch=10000",
            ],
        ))
        .chain(hot(
            rows,
            Shape::JoinSums,
            ["hot group, join, batch=1", "hot group, join, batch=100", "hot group, join, batch=10000"],
        ))
        .chain([
            turn("a row that joins half of all", HOT, Shape::JoinSums, |data| data.turn(0)),
            turn("a row that joins 1 % of all", Spread::Even(100), Shape::Join, Data::turn_any),
            many(few, Shape::Filters(0), "no views", insert),
            many(few, Shape::Elsewhere(VIEWS), "200 views of another table", insert),
            many(few, Shape::Filters(VIEWS), "200 views, none touched", insert_unselected),
            many(few, Shape::Filters(VIEWS), "200 views, one touched", insert_selected),
            many(few, Shape::Thresholds(VIEWS), "200 views, all touched", insert),
        ])
        .collect()
}

fn measure(report: &mut Report, scale: &Scale, case: &Case) -> Result<(), Failure> {
    eprintln!("W8 {}", case.name);
    let mut data = Data::new(case.rows, case.spread);
    let mut contenders: Vec<Boxed<Vec<Row>>> = Vec::new();
    for mode in [Mode::Handle, Mode::Statements] {
        add(&mut contenders, scale, mode.name(), || ours::Ours::new(mode, &data, case.shape, case.target))?;
    }
    add(&mut contenders, scale, crate::circuit::NAME, || circuit::Circuit::new(&data, case.shape, case.target))?;
    add(&mut contenders, scale, crate::dataflow::NAME, || dataflow::Dataflow::new(&data, case.shape, case.target))?;
    let rounds = if scale.quick { 2 } else { 3 };
    let batches = case.count / case.batch;
    let mut batch = || (0..case.batch).map(|_| (case.change)(&mut data)).collect();
    let rounds: Vec<Vec<Vec<Change>>> = (0..rounds).map(|_| (0..batches).map(|_| batch()).collect()).collect();
    let runs = alternate(&mut contenders, &rounds)?;
    add_rates(report, ("W8", case.name), &contenders, &runs, changes(&rounds));
    let expected = data.expected(case.shape);
    for contender in &mut contenders {
        if contender.contents()? != expected {
            return Err(format!("{}: wrong contents in {}", contender.name(), case.name).into());
        }
    }
    Ok(())
}

fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let rows = scale.rows(1_000_000, 50_000);
    report.setting("W8 data", &format!("{rows} facts ({} under many views), in memory; seed 11", rows / 10));
    report.setting(
        "W8 hot group",
        "half of all facts; 50 % inserts, 25 % deletes (each fourth takes its maximum), 25 % updates",
    );
    report.setting("W8 threads", "one caller; monostable and dbsp have a background thread for merges");
    cases(rows).iter().filter(|case| scale.includes_case(case.name)).try_for_each(|case| measure(report, scale, case))
}
