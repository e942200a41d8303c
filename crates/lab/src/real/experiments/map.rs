//! E3: how large a loss, at how high a load, the caches come back from; a coarse map, because each of its cells is a run of
//! real stores for each seed. The model has the fine one.

use super::{Entrant, Progress, make, recovered, verdict};
use crate::real::bench::{Action, Bench};
use crate::real::clock::SECOND;
use crate::real::error::Result;
use crate::results::{Contender, Outcome, Point, Results};

/// Offered loads over the usual one.
const LOADS: [f64; 3] = [0.2, 0.5, 1.0];
/// Shares of the keys, hottest first, that are deleted.
const SHARES: [f64; 3] = [0.01, 0.1, 1.0];
/// Seconds before the deletion.
const BEFORE_S: u64 = 3;
/// Seconds from the deletion to the end; who is back by then is back in time.
const AFTER_S: u64 = 10;

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let usual = bench.scale.load_over_capacity;
    let before = bench.scale.seconds.0.min(BEFORE_S);
    let after = bench.scale.seconds.1.min(AFTER_S);
    for contender in [Contender::A1, Contender::A2] {
        for (load_over_capacity, share) in LOADS.iter().flat_map(|load| SHARES.map(|share| (load * usual, share))) {
            let (mut back, mut told) = (0.0, 0.0);
            let mut key = Entrant::new(contender, bench).key("E3", 0, bench);
            for &seed in seeds {
                let entrant = Entrant::new(contender, bench);
                key = entrant.key("E3", seed, bench);
                let mut load = bench.load(load_over_capacity * bench.capacity, seed);
                load.duration = (before + after) * SECOND;
                let count = (share * load.keys.count() as f64).ceil() as u64;
                let mut plan = entrant.plan(load);
                plan.actions = vec![(before * SECOND, Action::FlushHottest(count))];
                let what = format!("load {load_over_capacity}, {:.0} % deleted", share * 100.0);
                let ran = make(bench, &plan, &key, &what, progress)?;
                let mut found = verdict(&key, &ran, bench);
                recovered(&mut found, &ran, None, before);
                if found.outcome != Outcome::Rejected {
                    told += 1.0;
                    back += f64::from(found.outcome != Outcome::Down);
                }
            }
            if told > 0.0 {
                let (x, y) = (("load_over_capacity", load_over_capacity), ("deleted_share", share));
                results.points.push(Point::new(&key, x, y, "recovered_share", back / told, "1"));
            }
        }
    }
    Ok(())
}
