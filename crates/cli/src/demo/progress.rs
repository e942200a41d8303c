//! The progress bar: flights reported, of all flights of the year.
//!
//! It is drawn on standard error, and only on a terminal; elsewhere nothing is drawn, and the lines between the phases say
//! enough.

use indicatif::{ProgressBar, ProgressStyle};

use super::schedule::{Schedule, Writes};

const TEMPLATE: &str = "  {bar:40} {human_pos} of {human_len} flights, {msg}";

/// A bar over all transactions of the schedule.
pub(super) struct Progress<'a> {
    bar: ProgressBar,
    schedule: &'a Schedule,
}

impl<'a> Progress<'a> {
    /// A bar at transaction `next`.
    pub(super) fn new(schedule: &'a Schedule, next: usize) -> Progress<'a> {
        let bar = ProgressBar::new(u64::try_from(schedule.flights.len()).unwrap_or(u64::MAX));
        // The template is a constant; if it were wrong there would be the plain bar.
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style.progress_chars("━╸ "));
        let before: usize = (0..next).map(|number| flights(schedule, number)).sum();
        bar.set_position(u64::try_from(before).unwrap_or(u64::MAX));
        Progress { bar, schedule }
    }

    /// Transaction `number` was committed.
    pub(super) fn committed(&self, number: usize) {
        self.bar.inc(u64::try_from(flights(self.schedule, number)).unwrap_or(0));
        self.bar.set_message(format!("day {}, transaction {}", self.schedule.day(number), number + 1));
    }

    /// Takes the bar away.
    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }
}

/// Flights that a transaction reports for the first time.
fn flights(schedule: &Schedule, number: usize) -> usize {
    match &schedule.transactions[number] {
        Writes::Corrections(_) => 0,
        Writes::Hour(_) | Writes::Single(_) => schedule.rows(number),
    }
}
