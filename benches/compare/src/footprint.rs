//! W6: memory and disk for each row, and bytes written for each byte changed, with the data and the views of W1.
//!
//! Each contender loads in a child process of its own, so that allocators and their leftovers do not mix; the temporary directory of the child is what it
//! has on disk. A row is a row of a table (customers and orders together). Memory is the growth of the resident set from before the load to
//! when the work in the background is done; what stands in mapped files is told apart, and what is left when the allocator has given back what
//! was free. Bytes written are those that the kernel counts for the process
//! (`write_bytes` of `/proc/self/io`), in whole pages. A changed order is 24 bytes, once, whether it is inserted, deleted or updated.

use crate::child::{Part, Running, say};
use crate::circuit::Circuit;
use crate::contender::{Boxed, Contents};
use crate::dataflow::Dataflow;
use crate::dataset::{Change, Dataset, Order, region};
use crate::hand::ByHand;
use crate::ours::{Mode, Ours};
use crate::process::{disk_bytes, give_back_free_memory, resident, wait_until_idle, written_bytes};
use crate::report::{OURS, Report};
use crate::triggers::{Place, Triggers};
use crate::workload::{Failure, Outcome, Scale, Workload};

pub const WORKLOAD: Workload = Workload {
    name: "w6",
    about: "memory and disk for each row, bytes written for each byte changed, with the views of W1",
    run,
};

/// `footprint CONTENDER ORDERS BATCH CHANGES`.
pub const PART: Part = Part { name: "footprint", play };

const ORDER_BYTES: u64 = 24;
/// Changes in a batch, and how many are made while written bytes are counted.
const BATCHES: [(usize, usize); 3] = [(1, 4_000), (100, 100_000), (10_000, 500_000)];

/// Who takes part, and whether it has files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    ByHand,
    Ours,
    OursInMemory,
    Dbsp,
    Differential,
    Sqlite,
    SqliteInMemory,
}

impl Holder {
    const ALL: [Holder; 7] = [
        Holder::ByHand,
        Holder::Ours,
        Holder::OursInMemory,
        Holder::Dbsp,
        Holder::Differential,
        Holder::Sqlite,
        Holder::SqliteInMemory,
    ];

    fn name(self) -> &'static str {
        match self {
            Holder::ByHand => "floor: by hand",
            Holder::Ours => OURS,
            Holder::OursInMemory => "monostable without files",
            Holder::Dbsp => "dbsp",
            Holder::Differential => "differential-dataflow",
            Holder::Sqlite => "SQLite triggers",
            Holder::SqliteInMemory => "SQLite triggers without files",
        }
    }

    fn has_files(self) -> bool {
        matches!(self, Holder::Ours | Holder::Sqlite)
    }

    fn load(self, customers: i64, orders: &[Order]) -> Result<Boxed<Contents>, Failure> {
        Ok(match self {
            Holder::ByHand => Box::new(ByHand::new(orders)),
            Holder::Ours => Box::new(Ours::new(Mode::HandleDurable, customers, orders)?),
            Holder::OursInMemory => Box::new(Ours::new(Mode::Handle, customers, orders)?),
            Holder::Dbsp => Box::new(Circuit::new(customers, orders)?),
            Holder::Differential => Box::new(Dataflow::new(customers, orders)?),
            Holder::Sqlite => Box::new(Triggers::new(Place::Synced, customers, orders)?),
            Holder::SqliteInMemory => Box::new(Triggers::new(Place::Memory, customers, orders)?),
        })
    }
}

/// What a child measured.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Measured {
    /// Resident bytes.
    all: f64,
    /// Of those, bytes in mapped files.
    files: f64,
    /// Resident bytes outside of files when free memory has been given back.
    held: f64,
    /// Bytes on disk.
    disk: f64,
    /// Bytes written by the changes.
    written: f64,
}

fn play(arguments: &[String]) -> Outcome {
    let [name, orders, batch, changes] = arguments else {
        return Err("footprint takes a contender, orders, a batch and changes".into());
    };
    let holder = Holder::ALL.into_iter().find(|holder| holder.name() == name).ok_or("there is no such contender")?;
    let (orders, batch, changes): (u64, usize, usize) = (orders.parse()?, batch.parse()?, changes.parse()?);
    let customers = customers(orders);
    let mut dataset = Dataset::new(customers);
    let orders: Vec<Order> = (0..orders).map(|_| dataset.order()).collect();
    let batches: Vec<Vec<Change>> = (0..changes.div_ceil(batch)).map(|_| dataset.batch(batch)).collect();
    give_back_free_memory();
    let before = resident()?;
    let mut contender = holder.load(customers, &orders)?;
    wait_until_idle()?;
    let after = resident()?;
    give_back_free_memory();
    let held = resident()?;
    let disk = disk_bytes(&std::env::temp_dir())?;
    let written = written_bytes()?;
    batches.iter().try_for_each(|batch| contender.apply(batch))?;
    wait_until_idle()?;
    let written = written_bytes()? - written;
    let grown = |after: u64, before: u64| after.saturating_sub(before) as f64;
    let measured = Measured {
        all: grown(after.all, before.all),
        files: grown(after.files, before.files),
        held: grown(held.all - held.files, before.all - before.files),
        disk: disk as f64,
        written: written as f64,
    };
    say(serde_json::to_string(&measured)?)
}

fn customers(orders: u64) -> i64 {
    (orders / 10).max(1) as i64
}

/// Has a child measure, in a directory of its own.
fn measure(holder: Holder, orders: u64, batch: usize, changes: usize) -> Result<Measured, Failure> {
    let directory = tempfile::tempdir()?;
    let [orders, batch, changes] = [orders, batch as u64, changes as u64].map(|number| number.to_string());
    let mut child = Running::start_in(&PART, &[holder.name(), &orders, &batch, &changes], directory.path())?;
    Ok(serde_json::from_str(&child.answer()?)?)
}

fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let orders = scale.rows(1_000_000, 100_000);
    let customers = customers(orders);
    let rows = (orders + customers as u64) as f64;
    report.setting(
        "W6 data",
        &format!("{customers} customers, {orders} orders, the views of W1; a row is a row of a table"),
    );
    report.setting("W6 SQLite", "keeps per_customer, and regions without max; its page cache holds everything");
    for holder in Holder::ALL.into_iter().filter(|holder| scale.includes(holder.name())) {
        let mut first = None;
        for (batch, changes) in if holder.has_files() { &BATCHES[..] } else { &BATCHES[..1] } {
            let changes = if scale.quick { changes / 4 } else { *changes };
            eprintln!("W6 {}, batch={batch}", holder.name());
            let measured = measure(holder, orders, *batch, changes)?;
            if holder.has_files() {
                let amplification = measured.written / (changes as u64 * ORDER_BYTES) as f64;
                let case = format!("batch={batch}, bytes written for a byte changed");
                report.add("W6", &case, holder.name(), "bytes", false, vec![amplification]);
            }
            first.get_or_insert(measured);
        }
        if let Some(Measured { all, files, held, disk, .. }) = first {
            let figures = [
                ("resident memory", all),
                ("memory without mapped files", all - files),
                ("memory without mapped files, free memory given back", held),
            ];
            for (case, bytes) in figures {
                report.add("W6", case, holder.name(), "bytes/row", false, vec![bytes / rows]);
            }
            if holder.has_files() {
                report.add("W6", "disk", holder.name(), "bytes/row", false, vec![disk / rows]);
            }
        }
    }
    let region_bytes: usize = (0..customers).map(|id| region(id).len()).sum();
    let raw = orders * ORDER_BYTES + customers as u64 * 8 + region_bytes as u64;
    report.add("W6", "disk", "limit: raw rows of the tables", "bytes/row", false, vec![raw as f64 / rows]);
    Ok(())
}
