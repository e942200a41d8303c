//! E7: three things that happen without anybody's fault: the working set moves, the nodes of the cache are replaced one after
//! the other, and the hottest key expires.

use super::{Entrant, Progress, Trial};
use crate::real::bench::{Action, Bench};
use crate::real::clock::SECOND;
use crate::real::error::Result;
use crate::real::load::Load;
use crate::results::{Contender, Outcome, Results};

/// Nodes that a rolling restart replaces, and the seconds between them.
const NODES: u64 = 4;
const BETWEEN_S: u64 = 2;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Shift,
    Rolling,
    HotKey,
}

impl Event {
    const ALL: [Event; 3] = [Event::Shift, Event::Rolling, Event::HotKey];

    fn name(self) -> &'static str {
        match self {
            Event::Shift => "working set moves",
            Event::Rolling => "rolling restart",
            Event::HotKey => "hottest key expires",
        }
    }

    /// What happens to a contender. Who has no cache is restarted once where a cache loses its nodes.
    fn actions(self, cached: bool) -> Vec<(u64, Action)> {
        match (self, cached) {
            // The load moves; somebody has to be told that a run is a disturbed one.
            (Event::Shift, _) => vec![(0, Action::Nothing)],
            (Event::Rolling, true) => {
                (0..NODES).map(|node| (node * BETWEEN_S * SECOND, Action::FlushPart(node, NODES))).collect()
            }
            (Event::Rolling, false) => vec![(0, Action::Restart)],
            (Event::HotKey, true) => vec![(0, Action::FlushHottest(1))],
            (Event::HotKey, false) => vec![(0, Action::Nothing)],
        }
    }

    fn load(self, bench: &Bench, seed: u64) -> Load {
        let mut load = bench.load(bench.rate(), seed);
        if self == Event::Shift {
            load.shifts = vec![(bench.scale.seconds.0 * SECOND, load.keys.count() / 2)];
        }
        load
    }
}

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let mut contenders = vec![Contender::A1, Contender::A2, Contender::B1];
    if !bench.uses_servers() {
        contenders.push(Contender::V);
    }
    // A twin has the same load; where the load itself is what disturbs, a run is compared with its own steady state.
    let twins = bench.scale.twins;
    for &seed in seeds {
        for event in Event::ALL {
            bench.scale.twins = twins && event != Event::Shift;
            for &contender in &contenders {
                one(bench, event, contender, seed, results, progress)?;
            }
        }
    }
    bench.scale.twins = twins;
    Ok(())
}

fn one(
    bench: &mut Bench,
    event: Event,
    contender: Contender,
    seed: u64,
    results: &mut Results,
    progress: Progress<'_>,
) -> Result<()> {
    let entrant = Entrant::new(contender, bench);
    let policy = entrant.policy.clone();
    let cached = entrant.cache.is_some();
    let expected = match (cached, event, contender) {
        (false, ..) => Some(Outcome::Steady),
        (true, Event::Shift, Contender::A2) => Some(Outcome::Recovered),
        (true, Event::Shift, _) => Some(Outcome::Down),
        (true, Event::HotKey, Contender::A2) => Some(Outcome::Steady),
        _ => None,
    };
    let why = match (cached, event) {
        (false, _) => "does not move: every page is complete, wherever the load goes",
        (true, Event::Shift) => "a working set that moves is a flush of all that is hot",
        (true, Event::Rolling) => "not foreseen: a quarter of the keys at a time may or may not be too much",
        (true, Event::HotKey) => "all callers of one key come to the backend at once; single flight lets one through",
    };
    let trial = Trial {
        entrant: entrant.variant(event.name(), policy),
        actions: event.actions(cached),
        load: event.load(bench, seed),
        expected,
        why: why.to_owned(),
        predicted_s: (cached && event == Event::Shift).then(|| bench.refill_seconds(bench.rate())),
    };
    trial.run("E7", bench, results, progress)?;
    Ok(())
}
