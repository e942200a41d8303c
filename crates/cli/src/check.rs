//! `monostable check`: is every stored byte whole, and does every view hold what its query gives?
//!
//! The library checks; this says what it found. Damage that keeps the database from being opened is found as well, and is
//! the only item then. Nothing is written but what opening needs: the tail of the log is read again and made durable.

use std::process::ExitCode;

use monostable::CheckReport;

use crate::arguments::Check;
use crate::console::say;
use crate::directory;
use crate::failure::Result;
use crate::open::open_to_look;

/// Runs the subcommand; the exit status says whether all is well.
pub(crate) fn run(arguments: &Check) -> Result<ExitCode> {
    directory::must_exist(&arguments.directory)?;
    let db = open_to_look(&arguments.directory)?;
    let report = db.check()?;
    db.close()?;
    for line in findings(&report) {
        say!("{line}")?;
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn findings(report: &CheckReport) -> Vec<String> {
    if report.is_sound() {
        let (compared, rows, epoch) = (report.compared, report.rows, report.epoch.0);
        return vec![format!(
            "ok: every checksum holds, and {compared} views and indexes with {rows} rows equal their recomputation at epoch {epoch}"
        )];
    }
    let mut lines: Vec<String> = report.damaged.iter().map(|damage| format!("damaged: {damage}")).collect();
    lines.extend(report.differences.iter().map(|one| {
        format!(
            "{}: row ({}) is there {} times, its query gives it {} times",
            one.relation, one.row, one.found, one.expected
        )
    }));
    lines
}
