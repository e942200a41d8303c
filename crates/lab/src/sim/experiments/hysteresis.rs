//! E2: the load goes up in steps, the cache is flushed at the top, the load goes down in the same steps.
//!
//! A system with one state answers the same share at the same load on both ways. The stores without a cache are restarted
//! with a cold page cache instead of being flushed, which is the worst that can be done to them.

use super::{Lab, Plan, pair};
use crate::results::Contender::{self, A0, A1, A2, A3, B1, V};
use crate::sim::record::Record;

/// A share of goodput by which the two ways may differ by chance.
const SAME: f64 = 0.02;

/// Loads on the way up, and which seconds belong to which.
struct Ramp {
    loads: Vec<f64>,
    dwell: usize,
    top: usize,
}

impl Ramp {
    /// The load of each second. The last of the loads lasts `top` seconds more, from the trigger on.
    fn seconds(&self) -> Vec<f64> {
        let up = self.loads.iter().flat_map(|load| vec![*load; self.dwell]);
        let last = self.loads.last().copied().unwrap_or(1.0);
        let down = self.loads.iter().rev().flat_map(|load| vec![*load; self.dwell]);
        up.chain(vec![last; self.top]).chain(down).collect()
    }

    fn trigger(&self) -> usize {
        self.loads.len() * self.dwell
    }

    /// The share that was answered well at a load on the way up or down, in the second half of its step.
    fn share(&self, record: &Record, index: usize, down: bool) -> f64 {
        let from = if down {
            self.trigger() + self.top + (self.loads.len() - 1 - index) * self.dwell
        } else {
            index * self.dwell
        };
        record.good_share(from + self.dwell / 2, from + self.dwell)
    }
}

impl Lab<'_> {
    /// E2.
    pub(in crate::sim) fn hysteresis(&mut self) {
        let step = self.scale.pick(0.5, 0.25);
        let loads: Vec<f64> = (1..).map(|at| f64::from(at) * step).take_while(|load| *load <= 6.0).collect();
        let mut plan = Plan::new(self.sized(300.0, 1_000.0), 6.0, 0);
        self.capacity(&plan);
        let top = (4.0 * plan.refill_as_asked_s(6.0)).clamp(20.0, 120.0) as usize;
        let ramp = Ramp { loads, dwell: self.scale.pick(8, 20), top };
        plan.rates = ramp.seconds().into_iter().map(|load| load * plan.calibration.capacity).collect();
        for (contender, two_ways) in [(A0, true), (A1, true), (A2, false), (A3, false), (B1, false), (V, false)] {
            self.both_ways(&plan, &ramp, contender, two_ways);
        }
    }

    fn both_ways(&mut self, plan: &Plan, ramp: &Ramp, contender: Contender, two_ways: bool) {
        self.say(&format!("up, flush, down: {}", contender.title()));
        let key = self.key(contender, "", self.seed());
        let mut setup = plan.setup(contender, key.seed);
        let cached = setup.cache_keys > 0;
        setup.page_share = (!cached && contender != A0).then_some(1.0);
        let pair = pair(setup, ramp.trigger(), |run| match contender {
            A0 => {}
            _ if cached => run.flush(),
            _ => run.restart(true),
        });
        let mut widest = (0.0_f64, 0.0_f64);
        for (index, load) in ramp.loads.iter().enumerate() {
            let ways = [("up", false), ("down", true)].map(|(way, down)| (way, ramp.share(&pair.run, index, down)));
            for (way, share) in ways {
                let key = self.key(contender, way, key.seed);
                let x = ("load_over_capacity", *load);
                self.point(&key, x, ("", 0.0), ("goodput_share", share, "1"));
                self.point(&key, x, ("", 0.0), ("goodput_over_capacity", share * load, "1"));
            }
            let gap = ways[0].1 - ways[1].1;
            if gap.abs() > widest.0.abs() {
                widest = (gap, *load);
            }
        }
        self.point(&key, ("load_over_capacity", widest.1), ("", 0.0), ("hysteresis_share", widest.0, "1"));
        self.timeline(&key, &pair.run);
        let stated = if two_ways { "answers less on the way down" } else { "answers the same on the way down" };
        let seen = (widest.0 > SAME) == two_ways;
        let (gap, load) = (100.0 * widest.0, widest.1);
        let note = format!(
            "the ways differ most, by {gap:.1} % of the requests, at {load:.2} times the capacity; {}",
            plan.size()
        );
        let least = cached.then(|| plan.refill_s(6.0));
        self.verdict_as(&key, (stated.to_owned(), Some(seen)), least, &pair, note);
    }
}
