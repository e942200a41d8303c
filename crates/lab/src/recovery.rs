//! Whether a run came back after its disturbance, and when: against its twin, the same arrivals without the disturbance.
//!
//! Recovered means five seconds in a row at 99 % of the twin's goodput; the time runs from the disturbance to the first of
//! them. Where there is no twin, the run's own share of good answers before the disturbance stands for it. Model and
//! measurement are judged by the same rule.

use crate::results::Outcome;

/// Good seconds in a row that make a recovery.
const SECONDS_IN_A_ROW: usize = 5;
const SHARE_OF_TWIN: f64 = 0.99;

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Recovery {
    /// Steady, recovered or down.
    pub outcome: Outcome,
    /// From the disturbance on, if it left its state and came back.
    pub seconds: Option<f64>,
    /// Requests that the twin answered well and the run did not, from the disturbance on.
    pub lost: f64,
}

/// Compares goodput by second with the twin's.
pub(crate) fn judge(good: &[u64], twin: &[f64], trigger: usize) -> Recovery {
    let end = good.len().min(twin.len());
    let trigger = trigger.min(end);
    let well: Vec<bool> = (0..end).map(|second| good[second] as f64 >= SHARE_OF_TWIN * twin[second]).collect();
    let lost = (trigger..end).map(|second| (twin[second] - good[second] as f64).max(0.0)).sum();
    // Some run for a while on what they have left: who goes down later has not recovered before.
    let collapses = |from: usize| well[from..].windows(3).any(|three| three.iter().all(|well| !well));
    let windows = trigger..(end + 1).saturating_sub(SECONDS_IN_A_ROW);
    let back = windows
        .into_iter()
        .find(|&first| well[first..first + SECONDS_IN_A_ROW].iter().all(|well| *well) && !collapses(first));
    match back {
        Some(first) if first == trigger => Recovery { outcome: Outcome::Steady, seconds: None, lost },
        Some(first) => Recovery { outcome: Outcome::Recovered, seconds: Some((first - trigger) as f64), lost },
        None => Recovery { outcome: Outcome::Down, seconds: None, lost },
    }
}

/// The twin that a run without one is compared with: its own share of good answers before the disturbance.
pub(crate) fn own_steady_state(good: &[u64], offered: &[u64], trigger: usize) -> Vec<f64> {
    // The first second still warms up threads and pages.
    let before = 1.min(trigger)..trigger.min(good.len());
    let sum = |values: &[u64]| values[before.clone()].iter().sum::<u64>() as f64;
    let share = if sum(offered) > 0.0 { sum(good) / sum(offered) } else { 1.0 };
    offered.iter().map(|&count| count as f64 * share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_good_seconds_in_a_row_are_a_recovery() {
        let twin = vec![100.0; 20];
        let mut good = vec![100; 20];
        assert_eq!(judge(&good, &twin, 5).outcome, Outcome::Steady);
        good[5..9].fill(40);
        good[10] = 90;
        let found = judge(&good, &twin, 5);
        assert_eq!((found.outcome, found.seconds, found.lost), (Outcome::Recovered, Some(6.0), 250.0));
        good[5..].fill(40);
        assert_eq!(judge(&good, &twin, 5).outcome, Outcome::Down);
    }

    #[test]
    fn a_run_is_its_own_twin_where_there_is_none() {
        let twin = own_steady_state(&[0, 50, 50, 10], &[100, 100, 100, 200], 3);
        assert_eq!(twin, vec![50.0, 50.0, 50.0, 100.0]);
    }
}
