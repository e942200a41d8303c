//! Monostable beside its peers: one process, the same data, contenders alternating.
//!
//! An absolute time says little on a shared machine, so every figure stands beside a peer's of the same run. Contenders are verified to
//! end with the same contents before their figures are printed. What each workload does, and how each peer is set, is in the README.

#![deny(unsafe_op_in_unsafe_fn)]

mod builds;
mod child;
mod circuit;
mod clocks;
mod commits;
mod contender;
mod dataflow;
mod dataset;
mod footprint;
mod growth;
mod hand;
mod kv;
mod machine;
mod opens;
mod ours;
mod process;
mod raw_syncs;
mod reads;
mod report;
mod skew;
mod threads;
mod triggers;
#[cfg(feature = "turso")]
mod turso;
mod views;
mod workload;

use clap::Parser;
use workload::{Failure, Scale, Workload};

/// The allocator that the benchmarks of `dbsp` and the examples of `differential-dataflow` choose, for all contenders in Rust.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Every workload, in the order in which they run.
const WORKLOADS: &[Workload] = &[
    views::WORKLOAD,
    reads::WORKLOAD,
    commits::WORKLOAD,
    opens::WORKLOAD,
    growth::WORKLOAD,
    footprint::WORKLOAD,
    builds::WORKLOAD,
    skew::WORKLOAD,
];

#[derive(Debug, Parser)]
#[command(about = "Runs Monostable and its peers on the same data and prints figures and ratios")]
struct Arguments {
    /// Workloads (w1, w2, ..); all if none is named.
    workloads: Vec<String>,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Smaller data, for a quick look.
    #[arg(long)]
    quick: bool,
    /// Rows of the base data, instead of each workload's own number.
    #[arg(long)]
    rows: Option<u64>,
    /// Only the contenders whose names hold this, or are this if it begins with `=`; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// The same for the cases of W1 and W8, as `batch=100`.
    #[arg(long = "case")]
    cases: Vec<String>,
}

/// The workloads that the user named, in the order of the list.
fn chosen(names: &[String]) -> Result<Vec<&'static Workload>, Failure> {
    if let Some(unknown) = names.iter().find(|name| !WORKLOADS.iter().any(|known| known.name == **name)) {
        let known: Vec<String> =
            WORKLOADS.iter().map(|workload| format!("  {} {}", workload.name, workload.about)).collect();
        return Err(format!("there is no workload {unknown}; there are:\n{}", known.join("\n")).into());
    }
    Ok(WORKLOADS.iter().filter(|known| names.is_empty() || names.iter().any(|name| name == known.name)).collect())
}

fn main() -> Result<(), Failure> {
    if let Some(part) = child::part() {
        return part?.play();
    }
    let Arguments { workloads, json, quick, rows, only, cases } = Arguments::parse();
    let scale = Scale { quick, rows, only, cases };
    let mut report = report::Report::new(json);
    for (name, value) in machine::settings() {
        report.setting(name, &value);
    }
    for workload in chosen(&workloads)? {
        report.setting(workload.name, workload.about);
        (workload.run)(&mut report, &scale)?;
    }
    report.print();
    Ok(())
}
