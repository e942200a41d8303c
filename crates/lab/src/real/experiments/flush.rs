//! E1: what lives in memory only is lost, under ten times the load that the backend can do alone.
//!
//! A cache is flushed. The summary table and the view have nothing to flush; what they lose is everything their process
//! holds, and they are opened again from disk in the middle of the load. A3 reads its file again. With servers, Monostable's
//! process is killed and started again, PostgreSQL is left alone, and Redis reads its append-only file if it is allowed to.

use super::{Entrant, Progress, Trial};
use crate::real::bench::{Action, Bench};
use crate::real::clock::SECOND;
use crate::real::error::Result;
use crate::results::{Contender, Outcome, Results, Verdict};

/// Who, what happens to them, and what is expected.
type Row = (Entrant, Option<Action>, Outcome, &'static str);

fn rows(bench: &Bench, restarts: bool, variants: bool) -> Vec<Row> {
    let new = |contender| Entrant::new(contender, bench);
    let (naive, full) = (new(Contender::A1), new(Contender::A3));
    let (flush, restart) = (Some(Action::Flush), Some(Action::Restart));
    let nothing = "does not move: there is nothing to refill";
    let alone = "cannot answer ten times its capacity, with or without a trigger";
    let down = "stays down: pages that come too late are not cached, and the queue never gets shorter";
    let mut rows = vec![
        (new(Contender::A0), None, Outcome::Down, alone),
        (naive.clone(), flush, Outcome::Down, down),
        (new(Contender::A2), flush, Outcome::Recovered, "comes back after one to three times K/M"),
        (new(Contender::B1), restart, Outcome::Steady, nothing),
    ];
    if restarts {
        rows.push((full.clone(), restart, Outcome::Steady, "comes back with its file, at once"));
    }
    rows.push((new(Contender::V), restart, Outcome::Steady, nothing));
    if variants {
        let late = naive.policy.clone().filling_late();
        let works_off = "comes back, later than K/M: it works off a queue full of the same hot keys first";
        rows.push((naive.variant("late pages fill", late), flush, Outcome::Recovered, works_off));
        let flushed = "whoever flushes it loses what it persisted, and it refills like the mitigated cache";
        rows.push((full.clone().variant("flushed", full.policy), flush, Outcome::Recovered, flushed));
    }
    rows
}

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let refused = bench.refuses_restart()?;
    let restarts = refused.is_none();
    if let Some(why) = refused {
        let mut found = Verdict::new(&Entrant::new(Contender::A3, bench).key("E1", 0, bench));
        found.note = why;
        results.verdicts.push(found);
    }
    for (index, &seed) in seeds.iter().enumerate() {
        // Twins and variants once; further seeds show how far the verdicts that matter lie apart.
        let thorough = bench.scale.thorough && index == 0;
        for (entrant, action, expected, why) in rows(bench, restarts, thorough) {
            let mut load = bench.load(bench.rate(), seed);
            if action.is_none() {
                load.duration = (bench.scale.seconds.0 + 2) * SECOND;
            }
            let refills = entrant.cache.is_some() && action == Some(Action::Flush);
            let trial = Trial {
                entrant,
                actions: action.map(|action| (0, action)).into_iter().collect(),
                predicted_s: refills.then(|| bench.refill_seconds(bench.rate())),
                twin: (thorough && action.is_some()).then(|| load.clone()),
                load,
                expected: Some(expected),
                why: why.to_owned(),
            };
            trial.run("E1", bench, results, progress)?;
        }
    }
    Ok(())
}
