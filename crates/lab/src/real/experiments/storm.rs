//! E5: the backend loses four fifths of its processor for some seconds, and gets it back. Do the retries that have piled up
//! keep it down?
//!
//! The backend is slowed down by running each query five times, and so are the summary table's and the view's reads. A0 is
//! loaded with six tenths of its capacity, because more than all of it would be down in any case; the others with the usual
//! load, of which their backends see a few tenths.

use super::{Entrant, Progress, Trial};
use crate::real::bench::{Action, Bench};
use crate::real::clock::SECOND;
use crate::real::error::Result;
use crate::real::policy::{Mitigation, Policy};
use crate::results::{Contender, Outcome, Results};

/// Retries of impatient clients.
const RETRIES: u32 = 4;
/// What A0 carries, over its capacity.
const LOAD_ALONE: f64 = 0.6;
/// How long the backend is slow, in seconds. The length matters to whom it may leave down; the others have the middle one.
const LENGTHS: [u64; 3] = [9, 10, 11];
/// Seconds that are watched after that.
const AFTER_S: u64 = 10;
/// How often each query runs while the backend is slow: a fifth of the processor is left.
const RUNS: u32 = 5;

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let usual = bench.scale.seconds;
    let (lengths, after) = if bench.scale.thorough { (&LENGTHS[..], AFTER_S) } else { (&[usual.1.min(4)][..], 0) };
    for &seed in seeds {
        for &seconds in lengths {
            let is_shown = seconds == lengths[lengths.len() / 2];
            for (entrant, expected, why) in entrants(bench, seconds) {
                let is_in_doubt = matches!(entrant.contender, Contender::A0 | Contender::A1);
                if !is_shown && !is_in_doubt {
                    continue;
                }
                let alone = entrant.contender == Contender::A0;
                let rate = if alone { (LOAD_ALONE * bench.capacity).min(bench.rate()) } else { bench.rate() };
                let mut load = bench.load(rate, seed);
                load.duration = (usual.0 + usual.1.max(seconds + after)) * SECOND;
                let trial = Trial {
                    entrant,
                    actions: vec![(0, Action::Slow(RUNS)), (seconds * SECOND, Action::Slow(1))],
                    load,
                    twin: None,
                    expected,
                    why: why.to_owned(),
                    predicted_s: None,
                };
                trial.run("E5", bench, results, progress)?;
            }
        }
    }
    Ok(())
}

fn entrants(bench: &Bench, seconds: u64) -> Vec<(Entrant, Option<Outcome>, &'static str)> {
    let of = |contender, name: &str, policy| {
        let name = format!("{name}slow for {seconds} s");
        Entrant::new(contender, bench).variant(name, policy)
    };
    let careful = Policy::naive(RETRIES)
        .with(Mitigation::BoundedQueue)
        .with(Mitigation::ConcurrencyLimit)
        .with(Mitigation::RetryBudget);
    vec![
        (
            of(Contender::A0, "", Policy::naive(RETRIES)),
            Some(Outcome::Down),
            "stays down: retries ask for more than the backend has, long after it is well",
        ),
        (
            of(Contender::A0, "bounded, ", careful),
            Some(Outcome::Recovered),
            "comes back when the backend does: the queue and the retries are bounded",
        ),
        (
            of(Contender::A1, "", Policy::naive(RETRIES)),
            None,
            "open: it depends on how many entries expire or are deleted meanwhile",
        ),
        (of(Contender::A2, "", Policy::mitigated(RETRIES)), None, "moves little or comes back with the backend"),
        (of(Contender::B1, "", Policy::naive(RETRIES)), None, "not foreseen: five reads of the table for each request"),
        (
            of(Contender::V, "", Policy::naive(RETRIES)),
            Some(Outcome::Steady),
            "does not move: five reads of a view still cost far less than one query",
        ),
    ]
}
