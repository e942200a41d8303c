//! Whether a run came back, and when, against its undisturbed twin.
//!
//! Back is the first of five seconds in a row in which goodput is 99 % of the twin's. A run that goes down again later, for
//! three seconds in a row, was not back. Seconds count from the disturbance. Goodput is compared as a share of what was
//! offered, which for a twin is the same and lets a run be compared with one of another load.
//!
//! A twin that is down itself is nothing to come back to: where both answer less than nine tenths, the run is down.

use super::record::Record;
use crate::results::Outcome;

/// Seconds in a row that make a recovery.
pub(super) const IN_A_ROW: usize = 5;
/// Seconds in a row that take one back.
const DOWN_AGAIN: usize = 3;

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Recovery {
    /// Steady, recovered or down.
    pub outcome: Outcome,
    /// From the disturbance to the first good second, if it left its state and came back.
    pub seconds: Option<f64>,
    /// Requests that the twin answered well and the run did not.
    pub lost: f64,
}

/// Looks at a run from its disturbance on, up to second `end`.
pub(super) fn judge(run: &Record, twin: &Record, trigger: usize, end: usize) -> Recovery {
    let end = end.min(run.seconds.len()).min(twin.seconds.len());
    let good = |record: &Record, second: usize| record.seconds[second].good as f64;
    let share = |record: &Record, second: usize| record.good_share(second, second + 1);
    let well: Vec<bool> = (trigger..end).map(|at| share(run, at) >= 0.99 * share(twin, at)).collect();
    let lost = (trigger..end).map(|at| (good(twin, at) - good(run, at)).max(0.0)).sum();
    if run.good_share(trigger, end).max(twin.good_share(trigger, end)) < 0.9 {
        return Recovery { outcome: Outcome::Down, seconds: None, lost };
    }
    let stays = |from: usize| !well[from..].windows(DOWN_AGAIN).any(|row| row.iter().all(|well| !well));
    let mut rows = well.windows(IN_A_ROW).enumerate().filter(|(_, row)| row.iter().all(|well| *well));
    match rows.find(|(from, _)| stays(*from)).map(|(from, _)| from) {
        Some(0) => Recovery { outcome: Outcome::Steady, seconds: None, lost },
        Some(from) => Recovery { outcome: Outcome::Recovered, seconds: Some(from as f64), lost },
        None => Recovery { outcome: Outcome::Down, seconds: None, lost },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(good: &[u64]) -> Record {
        let mut record = Record::new(good.len(), false);
        record.seconds.iter_mut().zip(good).for_each(|(counts, good)| (counts.offered, counts.good) = (100, *good));
        record
    }

    #[test]
    fn five_good_seconds_are_a_recovery_unless_it_goes_down_again() {
        let twin = record(&[100; 20]);
        let mut good = [100; 20];
        assert_eq!(judge(&record(&good), &twin, 4, 20).outcome, Outcome::Steady);
        good[4..7].fill(10);
        good[8] = 98;
        let found = judge(&record(&good), &twin, 4, 20);
        assert_eq!((found.outcome, found.seconds, found.lost), (Outcome::Recovered, Some(5.0), 272.0));
        good[15..18].fill(0);
        assert_eq!(judge(&record(&good), &twin, 4, 20).outcome, Outcome::Down);
        let down = record(&[50; 20]);
        assert_eq!(judge(&down, &down, 4, 20).outcome, Outcome::Down);
    }
}
