//! E1: what lives in memory only is lost, under ten times the load that the backend can do alone.
//!
//! A cache is flushed. The summary table and the view have nothing to flush; what they lose is everything their process
//! holds, and they are opened again from disk in the middle of the load. A3 reads its file again.

use super::{Entrant, Progress, make, record, recovered, verdict};
use crate::real::bench::{Action, Bench};
use crate::real::clock::SECOND;
use crate::real::error::Result;
use crate::results::{Contender, Outcome, Results};

/// Who, what happens to them, and what is expected: the end, and why.
struct Trial {
    entrant: Entrant,
    action: Option<Action>,
    expected: Outcome,
    why: &'static str,
    /// Whether it is left out of a quick look.
    long: bool,
}

fn trials(bench: &Bench) -> Vec<Trial> {
    let new = |contender| Entrant::new(contender, bench);
    let trial = |entrant, action, expected, why| Trial { entrant, action, expected, why, long: false };
    let naive = new(Contender::A1);
    let late = naive.policy.clone().filling_late();
    let full = new(Contender::A3);
    let (flush, restart) = (Some(Action::Flush), Some(Action::Restart));
    let nothing = "does not move: there is nothing to refill";
    let all = vec![
        trial(
            new(Contender::A0),
            None,
            Outcome::Down,
            "cannot answer ten times its capacity, with or without a trigger",
        ),
        trial(
            naive.clone(),
            flush,
            Outcome::Down,
            "stays down: pages that come too late are not cached, and the queue never gets shorter",
        ),
        trial(
            naive.variant("late pages fill", late),
            flush,
            Outcome::Recovered,
            "comes back, later than K/M: it works off a queue full of the same hot keys first",
        ),
        trial(new(Contender::A2), flush, Outcome::Recovered, "comes back after one to three times K/M"),
        trial(full.clone(), restart, Outcome::Steady, "comes back with its file, at once"),
        Trial {
            long: true,
            ..trial(
                full.clone().variant("flushed", full.policy),
                flush,
                Outcome::Recovered,
                "whoever flushes it loses what it persisted, and it refills like the mitigated cache",
            )
        },
        trial(new(Contender::B1), restart, Outcome::Steady, nothing),
        trial(new(Contender::V), restart, Outcome::Steady, nothing),
    ];
    let available = |trial: &Trial| {
        (bench.scale.twins || !trial.long) && !(bench.uses_servers() && trial.entrant.contender == Contender::V)
    };
    all.into_iter().filter(available).collect()
}

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    for &seed in seeds {
        for trial in trials(bench) {
            one(bench, &trial, seed, results, progress)?;
        }
    }
    Ok(())
}

fn one(bench: &mut Bench, trial: &Trial, seed: u64, results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let key = trial.entrant.key("E1", seed, bench);
    let trigger = bench.scale.seconds.0;
    let mut plan = trial.entrant.plan(bench.load(bench.rate(), seed));
    let twin = match trial.action {
        Some(_) if bench.scale.twins => Some(make(bench, &plan, &key, "twin", progress)?),
        Some(_) => None,
        None => {
            plan.load.duration = (trigger + 2) * SECOND;
            None
        }
    };
    plan.actions = trial.action.map(|action| (trigger * SECOND, action)).into_iter().collect();
    let ran = make(bench, &plan, &key, "disturbed", progress)?;
    let mut found = verdict(&key, &ran, bench);
    recovered(&mut found, &ran, twin.as_ref(), trigger);
    trial.why.clone_into(&mut found.expectation);
    let quiet = found.recovery_s.is_none_or(|seconds| seconds <= 2.0);
    found.as_expected = (found.outcome != Outcome::Rejected).then(|| match trial.expected {
        Outcome::Steady => found.outcome != Outcome::Down && quiet,
        other => found.outcome == other,
    });
    if trial.entrant.cache.is_some() && trial.action == Some(Action::Flush) {
        found.predicted_s = Some(bench.refill_seconds(bench.rate()));
    }
    if let Some(share) = ran.record.hit_share(1..trigger as usize) {
        found.note += &format!("; hit share before {share:.3}");
    }
    record(results, &key, &ran, trigger)?;
    results.verdicts.push(found);
    Ok(())
}
