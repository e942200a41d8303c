//! Does every view hold what its query gives? Asked twice: of the engine, and of the tables themselves.
//!
//! The second way does not trust the engine's own check: it runs each view's query over the tables, past all state that
//! views keep, and compares row by row. It also gives the time that a reader without views would wait.

use std::time::{Duration, Instant};

use monostable::{Database, Rows};

use super::replay;
use super::schedule::Schedule;
use super::schema::{VIEWS, ViewSql};
use crate::failure::{Failure, Result};

/// What comparing one view took.
#[derive(Debug, Clone)]
pub(super) struct Compared {
    pub(super) view: &'static str,
    pub(super) rows: usize,
    /// Reading the whole view.
    pub(super) read: Duration,
    /// Running its query over the tables.
    pub(super) from_scratch: Duration,
}

/// Compares every view with its query, and the number of flights with the schedule. All at one epoch.
pub(super) fn compare(db: &Database, schedule: &Schedule, next: usize) -> Result<Vec<Compared>> {
    let flights: i64 = match db.query("SELECT count(*) FROM flights WHERE id >= 0")?.first() {
        Some(row) => row.get(0)?,
        None => 0,
    };
    let expected = replay::flights_expected(schedule, next);
    if flights != expected {
        return Err(Failure::message(format!("there are {flights} flights after {next} transactions, not {expected}")));
    }
    VIEWS.iter().map(|view| compare_view(db, view)).collect()
}

fn compare_view(db: &Database, view: &ViewSql) -> Result<Compared> {
    let snapshot = db.snapshot();
    let started = Instant::now();
    let held = snapshot.query(&format!("SELECT * FROM {}", view.name))?;
    let read = started.elapsed();
    let started = Instant::now();
    let computed = snapshot.query(&view.recomputation())?;
    let from_scratch = started.elapsed();
    let (held, computed) = (sorted(&held)?, sorted(&computed)?);
    if held != computed {
        return Err(Failure::message(difference(view.name, &held, &computed)));
    }
    Ok(Compared { view: view.name, rows: held.len(), read, from_scratch })
}

/// The rows as text, in an order that does not depend on how they were found.
fn sorted(rows: &Rows) -> Result<Vec<String>> {
    let text = |row: monostable::Row| -> Result<String> { Ok(format!("{:?}", row.values()?)) };
    let mut rows = rows.iter().map(text).collect::<Result<Vec<String>>>()?;
    rows.sort();
    Ok(rows)
}

fn difference(view: &str, held: &[String], computed: &[String]) -> String {
    let first = held.iter().zip(computed).find(|(held, computed)| held != computed);
    let detail = first.map(|(held, computed)| format!("; first difference: {held} instead of {computed}"));
    let counts = format!("it holds {} rows, its query gives {}", held.len(), computed.len());
    format!("view {view} differs from its query: {counts}{}", detail.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown() {
        let rows = |rows: &[&str]| rows.iter().map(|row| (*row).to_owned()).collect::<Vec<_>>();
        let text = difference("v", &rows(&["a", "b"]), &rows(&["a", "c", "d"]));
        assert_eq!(
            text,
            "view v differs from its query: it holds 2 rows, its query gives 3; first difference: b instead of c"
        );
    }
}
