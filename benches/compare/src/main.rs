//! Monostable beside its peers: one process, the same data, run after another.
//!
//! An absolute time says little on a shared machine, so every figure stands beside a peer's of the same run. Contenders are verified to
//! end with the same contents before their figures are printed.

#![deny(unsafe_op_in_unsafe_fn)]

mod dataset;
mod hand;
mod opens;
mod reads;
mod report;
mod views;

use clap::{Parser, ValueEnum};

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// Three views over orders and customers, in batches, with and without durability.
    W1,
    /// Point reads by key on a view.
    W2,
    /// Opening, and the first reads after it.
    W4,
}

#[derive(Debug, Parser)]
#[command(about = "Runs Monostable and its peers on the same data and prints figures and ratios")]
struct Arguments {
    /// Workloads; all if none is named.
    workloads: Vec<Workload>,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Smaller data, for a quick look.
    #[arg(long)]
    quick: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let runs = |workload| arguments.workloads.is_empty() || arguments.workloads.contains(&workload);
    let mut report = report::Report::new(arguments.json);
    if runs(Workload::W1) {
        views::run(&mut report, arguments.quick)?;
    }
    if runs(Workload::W2) {
        reads::run(&mut report, arguments.quick)?;
    }
    if runs(Workload::W4) {
        opens::run(&mut report, arguments.quick)?;
    }
    report.print();
    Ok(())
}
