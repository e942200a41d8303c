//! E7: three things that happen without anybody's fault: the working set moves, the nodes of the cache are replaced one after
//! the other, and the hottest key expires.

use super::{Entrant, Progress, Trial};
use crate::real::bench::{Action, Bench, Scale, TIMEOUT};
use crate::real::clock::SECOND;
use crate::real::error::Result;
use crate::real::load::Load;
use crate::results::{Contender, Outcome, Results};

/// Nodes that a rolling restart replaces, and the seconds between them.
const NODES: u64 = 4;
const BETWEEN_S: u64 = 2;

/// The hit share that the cache is made large enough for where the working set moves: with no more room than the load
/// wants, what is left to the backend in the steady state is about half of its capacity, as in the model.
const SHIFT_HIT_SHARE: f64 = 0.96;

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

    /// The sizes under which it happens.
    fn scale(self, usual: Scale) -> Scale {
        match self {
            Event::Shift => Scale { hit_share: SHIFT_HIT_SHARE, ..usual },
            Event::Rolling | Event::HotKey => usual,
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
            load.shifts = vec![(bench.scale.seconds.0 * SECOND, load.keys.shift_by(bench.cache().entries))];
        }
        load
    }
}

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let contenders = [Contender::A1, Contender::A2, Contender::B1, Contender::V];
    let usual = bench.scale;
    for &seed in seeds {
        for event in Event::ALL {
            bench.scale = event.scale(usual);
            for &contender in &contenders {
                one(bench, event, contender, seed, results, progress)?;
            }
        }
    }
    bench.scale = usual;
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
        // A refill that is over within the deadline of those who wait for it is not seen.
        (true, Event::Shift, Contender::A2) if shift_seconds(bench) * (SECOND as f64) < TIMEOUT as f64 => {
            Some(Outcome::Steady)
        }
        (true, Event::Shift, Contender::A2) => Some(Outcome::Recovered),
        (true, Event::Shift, _) => Some(Outcome::Down),
        (true, Event::HotKey, Contender::A2) => Some(Outcome::Steady),
        _ => None,
    };
    let why = match (cached, event) {
        (false, _) => "does not move: every page is complete, wherever the load goes",
        (true, Event::Shift) => {
            "a working set that moves is a flush of all that is hot: the keys that the cache has no room for, which are few \
             here, become the most popular ones, as what is new does; only a refill within the deadline is not seen"
        }
        (true, Event::Rolling) => "not foreseen: a quarter of the keys at a time may or may not be too much",
        (true, Event::HotKey) => "all callers of one key come to the backend at once; single flight lets one through",
    };
    let trial = Trial {
        entrant: entrant.variant(event.name(), policy),
        actions: event.actions(cached),
        // The load itself is what disturbs: a cache that is down without it, too, would prove nothing.
        twin: (cached && event == Event::Shift && bench.scale.thorough).then(|| bench.load(bench.rate(), seed)),
        load: event.load(bench, seed),
        expected,
        why: why.to_owned(),
        predicted_s: (cached && event == Event::Shift).then(|| shift_seconds(bench)),
    };
    trial.run("E7", bench, results, progress)?;
    Ok(())
}

/// K/M after a shift: what must be computed until the misses fit into the backend, beside what the cache still has.
fn shift_seconds(bench: &Bench) -> f64 {
    let (keys, room) = (bench.keys(), bench.cache().entries);
    let held = 1.0 - keys.share_of_hottest(keys.count() - room);
    keys.needed_for(1.0 - bench.capacity / bench.rate() - held) as f64 / bench.capacity
}
