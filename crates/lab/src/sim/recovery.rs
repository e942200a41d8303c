//! Whether a run of the model came back, against its undisturbed twin, by the rule for measured ones ([`crate::recovery`]).
//!
//! Goodput is compared as a share of what was offered, which for a twin is the same and lets a run be compared with one of
//! another load. A twin that is down itself is nothing to come back to: where both answer less than nine tenths, the run
//! is down.

use super::record::Record;
use crate::recovery::{Recovery, judge as judge_counts};
use crate::results::Outcome;

/// Who answers less than this share, as the twin does, is down.
const UP_SHARE: f64 = 0.9;

/// Looks at a run from its disturbance on.
pub(super) fn judge(run: &Record, twin: &Record, trigger: usize) -> Recovery {
    let end = run.seconds.len().min(twin.seconds.len());
    let good: Vec<u64> = run.seconds[..end].iter().map(|counts| counts.good).collect();
    let expected = |at: usize| run.seconds[at].offered as f64 * twin.good_share(at, at + 1);
    let found = judge_counts(&good, &(0..end).map(expected).collect::<Vec<f64>>(), trigger);
    if run.good_share(trigger, end).max(twin.good_share(trigger, end)) < UP_SHARE {
        return Recovery { outcome: Outcome::Down, seconds: None, ..found };
    }
    found
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
        assert_eq!(judge(&record(&good), &twin, 4).outcome, Outcome::Steady);
        good[4..7].fill(10);
        good[8] = 98;
        let found = judge(&record(&good), &twin, 4);
        assert_eq!((found.outcome, found.seconds, found.lost), (Outcome::Recovered, Some(5.0), 272.0));
        good[15..18].fill(0);
        assert_eq!(judge(&record(&good), &twin, 4).outcome, Outcome::Down);
        let down = record(&[50; 20]);
        assert_eq!(judge(&down, &down, 4).outcome, Outcome::Down);
    }
}
