//! E1: what lives in memory only is lost, under ten times the load that the backend can do alone.
//!
//! A cache is flushed. The summary table and the view have nothing to flush; what they lose is everything their process
//! holds, and they are opened again from disk in the middle of the load. A3 reads its file again.

use super::{Entrant, Progress, Trial};
use crate::real::bench::{Action, Bench};
use crate::real::clock::SECOND;
use crate::real::error::Result;
use crate::results::{Contender, Outcome, Results, Verdict};

/// Who, what happens to them, and what is expected.
type Row = (Entrant, Option<Action>, Outcome, &'static str);

fn rows(bench: &Bench, variants: bool) -> Vec<Row> {
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
    if !bench.uses_servers() {
        rows.push((full.clone(), restart, Outcome::Steady, "comes back with its file, at once"));
        rows.push((new(Contender::V), restart, Outcome::Steady, nothing));
    }
    if variants {
        let late = naive.policy.clone().filling_late();
        let works_off = "comes back, later than K/M: it works off a queue full of the same hot keys first";
        rows.push((naive.variant("late pages fill", late), flush, Outcome::Recovered, works_off));
        let flushed = "whoever flushes it loses what it persisted, and it refills like the mitigated cache";
        rows.push((full.clone().variant("flushed", full.policy), flush, Outcome::Recovered, flushed));
    }
    rows
}

/// Who is not measured with servers, and why.
const WITHOUT_SERVER: [(Contender, &str); 2] = [
    (
        Contender::A3,
        "the laboratory cannot restart a Redis that it was given the address of, so nothing of its file would be seen",
    ),
    (
        Contender::V,
        "Monostable is a library and has no server here; in this process it would not pay for the network that the others pay for",
    ),
];

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    for (contender, why) in WITHOUT_SERVER.into_iter().filter(|_| bench.uses_servers()) {
        let mut found = Verdict::new(&Entrant::new(contender, bench).key("E1", 0, bench));
        why.clone_into(&mut found.note);
        results.verdicts.push(found);
    }
    for (index, &seed) in seeds.iter().enumerate() {
        // Twins and variants once; further seeds show how far the verdicts that matter lie apart.
        let thorough = bench.scale.thorough && index == 0;
        for (entrant, action, expected, why) in rows(bench, thorough) {
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
