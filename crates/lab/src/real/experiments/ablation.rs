//! E4: which of the mitigations it is that brings the cache back: the naive cache with one of them, the mitigated cache
//! without one, and without the two that bound how long a query waits.

use super::{Entrant, Progress, Trial};
use crate::real::bench::{Action, Bench};
use crate::real::error::Result;
use crate::real::policy::{Mitigation, Policy};
use crate::results::{Contender, Outcome, Results};

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    for &seed in seeds {
        for (entrant, expected, why) in entrants(bench) {
            let trial = Trial {
                entrant,
                actions: vec![(0, Action::Flush)],
                predicted_s: Some(bench.refill_seconds(bench.rate())),
                load: bench.load(bench.rate(), seed),
                twin: None,
                expected,
                why: why.to_owned(),
            };
            trial.run("E4", bench, results, progress)?;
        }
    }
    Ok(())
}

fn entrants(bench: &Bench) -> Vec<(Entrant, Option<Outcome>, &'static str)> {
    let (naive, mitigated) = (Entrant::new(Contender::A1, bench), Entrant::new(Contender::A2, bench));
    let mut all = vec![
        (naive.clone(), Some(Outcome::Down), "stays down without any"),
        (mitigated.clone(), Some(Outcome::Recovered), "comes back with all of them"),
    ];
    for one in Mitigation::ALL {
        let bounds = matches!(one, Mitigation::BoundedQueue | Mitigation::ConcurrencyLimit);
        let why = if bounds { "comes back: no query is older than its callers" } else { "is not enough alone" };
        // With a mitigation the workers fill the cache, whether or not somebody still waits; so no single one of those that
        // leave the queue unbounded is expected to be as bad as none.
        let expected = bounds.then_some(Outcome::Recovered);
        all.push((naive.clone().variant(format!("with {}", one.name()), Policy::naive(2).with(one)), expected, why));
        let rest = Policy::mitigated(2).without(one);
        let missed = "comes back: no single one is missed as long as another bounds the queue";
        all.push((
            mitigated.clone().variant(format!("without {}", one.name()), rest),
            Some(Outcome::Recovered),
            missed,
        ));
    }
    let unbounded = Policy::mitigated(2).without(Mitigation::BoundedQueue).without(Mitigation::ConcurrencyLimit);
    let open = "not foreseen: the warm-up ramp and single flight bound the queue only indirectly";
    all.push((mitigated.variant("without bounded queue and concurrency limit", unbounded), None, open));
    all
}
