//! E2: the load goes up in steps, the cache is flushed at the top, and the load goes down in the same steps. A system with
//! one state answers the same share of the same load on both ways.

use super::{Entrant, Progress, make, record, verdict};
use crate::real::bench::{Action, Bench, Ran};
use crate::real::clock::SECOND;
use crate::real::error::Result;
use crate::results::{Contender, Key, Outcome, Point, Results};

/// Loads on the way up, over the usual one.
const LOADS: [f64; 6] = [0.05, 0.1, 0.2, 0.4, 0.7, 1.0];
/// A share by which the two ways may differ by chance.
const SAME: f64 = 0.03;

/// Which seconds belong to which load.
struct Ramp {
    dwell: usize,
    top: usize,
}

impl Ramp {
    fn trigger(&self) -> usize {
        LOADS.len() * self.dwell
    }

    fn loads(&self) -> Vec<f64> {
        let up = LOADS.iter().flat_map(|load| vec![*load; self.dwell]);
        let down = LOADS.iter().rev().flat_map(|load| vec![*load; self.dwell]);
        up.chain(vec![LOADS[LOADS.len() - 1]; self.top]).chain(down).collect()
    }

    /// The share answered well at a load, in the second half of its step.
    fn share(&self, ran: &Ran, index: usize, down: bool) -> Option<f64> {
        let from =
            if down { self.trigger() + self.top + (LOADS.len() - 1 - index) * self.dwell } else { index * self.dwell };
        ran.record.good_share(from + self.dwell / 2..from + self.dwell)
    }
}

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let contenders = [Contender::A0, Contender::A1, Contender::A2, Contender::B1, Contender::V];
    let ramp = Ramp { dwell: (bench.scale.seconds.0 as usize).clamp(1, 8), top: bench.scale.seconds.1 as usize };
    for &seed in seeds {
        for &contender in &contenders {
            let entrant = Entrant::new(contender, bench);
            let key = entrant.key("E2", seed, bench);
            let mut load = bench.load(bench.rate(), seed);
            load.rates = ramp.loads().iter().map(|load| load * bench.rate()).collect();
            load.duration = load.rates.len() as u64 * SECOND;
            let mut plan = entrant.plan(load);
            let action = match contender {
                Contender::A0 => Action::Nothing,
                _ if entrant.cache.is_some() => Action::Flush,
                _ => Action::Restart,
            };
            plan.actions = vec![(ramp.trigger() as u64 * SECOND, action)];
            let ran = make(bench, &plan, &key, "up and down", progress)?;
            judge(bench, &ramp, &key, &ran, results)?;
        }
    }
    Ok(())
}

fn judge(bench: &Bench, ramp: &Ramp, key: &Key, ran: &Ran, results: &mut Results) -> Result<()> {
    let mut widest = (0.0_f64, 0.0_f64);
    for (index, load) in LOADS.iter().enumerate() {
        let (Some(up), Some(down)) = (ramp.share(ran, index, false), ramp.share(ran, index, true)) else { continue };
        let load = load * bench.scale.load_over_capacity;
        for (way, share) in [("up", up), ("down", down)] {
            let key = Key { variant: way.to_owned(), ..key.clone() };
            let x = ("load_over_capacity", load);
            results.points.push(Point::new(&key, x, ("", 0.0), "goodput_share", share, "1"));
            results.points.push(Point::new(&key, x, ("", 0.0), "goodput_over_capacity", share * load, "1"));
        }
        if (up - down).abs() > widest.0.abs() {
            widest = (up - down, load);
        }
    }
    results.points.push(Point::new(
        key,
        ("load_over_capacity", widest.1),
        ("", 0.0),
        "hysteresis_share",
        widest.0,
        "1",
    ));
    let two_ways = matches!(key.contender, Contender::A0 | Contender::A1);
    let mut found = verdict(key, ran, bench);
    found.expectation = if two_ways { "answers less on the way down" } else { "answers the same on both ways" }.into();
    found.trigger_second = Some(ramp.trigger() as f64);
    found.note += &format!(
        "; the ways differ most, by {:.1} % of the requests, at {} times the capacity",
        widest.0 * 100.0,
        widest.1
    );
    if found.outcome != Outcome::Rejected {
        let differ = widest.0 > SAME;
        found.outcome = if differ { Outcome::Down } else { Outcome::Steady };
        found.as_expected = Some(differ == two_ways);
    }
    record(results, key, ran, ramp.trigger() as u64)?;
    results.verdicts.push(found);
    Ok(())
}
