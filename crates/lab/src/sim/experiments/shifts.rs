//! E5 and E7: the store slows down for some seconds and gets its speed back; and the gentle disturbances, those that a team
//! makes itself: other keys become hot, nodes are restarted one after the other, the hottest key expires.
//!
//! At a load that is ten times the backend's capacity the summary table and the views still run at a small part of their own,
//! so the slowdown does not reach them. That is an advantage of what they are, and no protection against retries: E5 therefore
//! also loads each store to three quarters of its *own* capacity, where nothing but the clients' restraint helps.

use super::flush::{LOAD, TRIGGER};
use super::{Expected, Lab, Pair, Plan, pair};
use crate::results::Contender::{self, A0, A1, A2, A3, B1, V};
use crate::results::Outcome;
use crate::sim::engine::{Setup, Sim};
use crate::sim::mitigations::{Mitigation, Mitigations};
use crate::sim::record::SECOND;

/// What is left of the speed.
const SPEED: f64 = 0.2;
/// How long it is slow, in seconds.
const SLOW: [usize; 5] = [1, 3, 9, 10, 11];
/// The one that is shown second by second, and for which every run has a verdict.
const SLOW_SHOWN: usize = 10;
/// What is watched after the longest.
const AFTER: usize = 50;
/// The share of its own capacity to which a store is loaded.
const OWN_LOAD: f64 = 0.75;

/// How long the backend needs for the pages of all keys at least, where the working set moves.
const SHIFT_KEYS_S: f64 = 30.0;

/// Nodes of the cache that are restarted, and the seconds between two of them.
const NODES: u32 = 8;
const BETWEEN: usize = 5;

impl Lab<'_> {
    /// E5.
    pub(in crate::sim) fn retry_storm(&mut self) {
        let plan = Plan::new(self.sized(150.0, 1_000.0), LOAD, TRIGGER + SLOW[SLOW.len() - 1] + AFTER);
        self.capacity(&plan);
        for (contender, expected) in [
            (A1, Expected::Down),
            (A2, Expected::Back),
            (A3, Expected::Back),
            (B1, Expected::Steady),
            (V, Expected::Steady),
        ] {
            self.storms(&plan, contender, "", expected, Mitigations::none());
        }
        let budget = Mitigations::none().with(Mitigation::RetryBudget);
        for contender in [A0, B1, V] {
            let plan = self.own_plan(contender, &plan);
            let load = format!("at {:.0} % of its own capacity,", 100.0 * OWN_LOAD);
            self.storms(&plan, contender, &load, Expected::Down, Mitigations::none());
            self.storms(&plan, contender, &format!("{load} retry budget,"), Expected::Back, budget);
        }
    }

    /// Reads alone, for a store that is loaded to a share of what it can answer itself, scaled to the same capacity.
    fn own_plan(&self, contender: Contender, like: &Plan) -> Plan {
        let calibration = self.calibration;
        let workers = f64::from(calibration.workers);
        let capacity = match contender {
            B1 => workers / calibration.summary_read_s,
            V => workers / calibration.view_read_s,
            _ => calibration.capacity,
        };
        let factor = (capacity / like.calibration.capacity).max(1.0);
        let mut plan = Plan::new(calibration.scaled(factor), 1.0, 0);
        plan.rates = vec![OWN_LOAD * capacity / factor; like.rates.len()];
        plan.write_share = 0.0;
        plan
    }

    /// All lengths of one contender under all seeds; `more` are mitigations beside those that it has.
    fn storms(&mut self, plan: &Plan, contender: Contender, variant: &str, expected: Expected, more: Mitigations) {
        self.say(&format!("slow for some seconds, {} {variant}", contender.title()));
        let seeds = self.many_seeds();
        let mut back = [0_u32; SLOW.len()];
        for seed in &seeds {
            let mut setup = plan.setup(contender, *seed);
            setup.mitigations.retry_budget |= more.retry_budget;
            let mut before = Sim::new(setup);
            before.run_until(TRIGGER as u64 * SECOND);
            let mut twin = before.clone();
            twin.drain();
            for (slow, back) in SLOW.iter().zip(&mut back) {
                let mut run = before.clone();
                run.set_speed(SPEED);
                run.run_until((TRIGGER + slow) as u64 * SECOND);
                run.set_speed(1.0);
                run.drain();
                let pair = Pair::of(run, twin.record.clone(), TRIGGER);
                *back += u32::from(pair.recovery.outcome != Outcome::Down);
                self.storm(plan, contender, variant, (*seed, *slow), expected, &pair);
            }
        }
        let key = self.key(contender, variant.trim_end_matches(','), 0);
        for (slow, back) in SLOW.iter().zip(back) {
            let share = f64::from(back) / seeds.len() as f64;
            self.point(&key, ("slow_s", *slow as f64), ("", 0.0), ("recovered_share", share, "1"));
        }
    }

    fn storm(
        &mut self,
        plan: &Plan,
        contender: Contender,
        variant: &str,
        (seed, slow): (u64, usize),
        expected: Expected,
        pair: &Pair,
    ) {
        let key = self.key(contender, variant.trim_end_matches(','), seed);
        let x = ("slow_s", slow as f64);
        self.point(&key, x, ("", 0.0), ("lost_requests", pair.recovery.lost, "1"));
        let is_stated = slow == SLOW_SHOWN || (slow > SLOW[1] && variant.is_empty());
        if !is_stated || seed != self.seed() {
            return;
        }
        let key = self.key(contender, format!("{variant} slow for {slow} s").trim(), seed);
        let note = format!("speed {:.0} % for {slow} s; {}", 100.0 * SPEED, plan.size());
        if slow == SLOW_SHOWN {
            self.timeline(&key, &pair.run);
        }
        self.verdict(&key, expected, None, pair, note);
    }

    /// E7.
    pub(in crate::sim) fn shifts(&mut self) {
        let plan = self.flush_plan((300.0, 1_000.0));
        self.capacity(&plan);
        self.working_set_moves(&plan);
        self.rolling_restart(&plan);
        for contender in [A1, A2, A3, B1, V] {
            let setup = plan.setup(contender, self.seed());
            let (expected, note) = match contender {
                B1 | V => (Expected::Steady, "there is nothing that could expire"),
                _ => (Expected::Back, "one key is dropped"),
            };
            let event = ("hottest key expires".to_owned(), expected, note.to_owned());
            self.disturbed(&plan, event, setup, |run| run.drop_hottest(1));
        }
    }

    /// The keys that the cache has no room for become the most popular ones, as what is new does.
    ///
    /// Where the backend could compute all pages within some seconds, a refill is over before a deadline is, and a cache
    /// that holds most keys does not move; with so few keys it is run, too, and nothing is expected. What is expected is
    /// stated for as many keys as the backend computes in half a minute, and a cache with room for no more of them than the
    /// load wants.
    fn working_set_moves(&mut self, few: &Plan) {
        let mut calibration = self.sized(300.0, 1_000.0);
        calibration.cache_share = 0.0;
        calibration.keys = calibration.keys.max((SHIFT_KEYS_S * calibration.capacity) as u32);
        let many = self.watched(Plan::new(calibration, LOAD, 0), LOAD);
        for (contender, expected) in [
            (A1, Expected::Down),
            (A2, Expected::Back),
            (A3, Expected::Steady),
            (B1, Expected::Steady),
            (V, Expected::Steady),
        ] {
            self.move_of(&many, "", expected, many.setup(contender, self.seed()));
        }
        let is_few = few.calibration.keys < many.calibration.keys;
        for contender in [A1, A2].into_iter().filter(|_| is_few) {
            self.move_of(few, ", few keys", Expected::Open, few.setup(contender, self.seed()));
        }
        for contender in [B1, V] {
            let setup = Setup { page_share: Some(0.2), ..many.setup(contender, self.seed()) };
            self.move_of(&many, ", memory 20 % of the data", Expected::Open, setup);
        }
    }

    fn move_of(&mut self, plan: &Plan, variant: &str, expected: Expected, setup: Setup) {
        let (keys, room) = (plan.calibration.keys, plan.cache_keys);
        let held = 100.0 * f64::from(setup.cache_keys) / f64::from(keys);
        let cache =
            if setup.cache_keys > 0 { format!(", of which the cache has room for {held:.0} %") } else { String::new() };
        let note = format!("{keys} keys{cache}; the {} least popular ones become the most popular", keys - room);
        let event = (format!("working set moves{variant}"), expected, note);
        self.disturbed(plan, event, setup, |run| run.turn_keys(room));
    }

    fn rolling_restart(&mut self, plan: &Plan) {
        let name = || "rolling restart".to_owned();
        for (contender, expected) in [(A1, Expected::Down), (A2, Expected::Back), (A3, Expected::Back)] {
            let note = format!("{NODES} nodes of the cache lose their part, one every {BETWEEN} s");
            let setup = plan.setup(contender, self.seed());
            self.disturbed(plan, (name(), expected, note), setup, |run| {
                for node in 0..NODES {
                    run.run_until((TRIGGER + node as usize * BETWEEN) as u64 * SECOND);
                    run.drop_node(node, NODES);
                }
            });
        }
        for contender in [B1, V] {
            let note = format!("the one process is closed for {} s", plan.calibration.open_s);
            let setup = plan.setup(contender, self.seed());
            self.disturbed(plan, (name(), Expected::Back, note), setup, |run| run.restart(false));
        }
    }

    /// Runs an event: its name, what is expected, and what a reader should know.
    fn disturbed(
        &mut self,
        plan: &Plan,
        (name, expected, note): (String, Expected, String),
        setup: Setup,
        disturb: impl FnOnce(&mut Sim),
    ) {
        let key = self.key(setup.contender, &name, setup.seed);
        self.say(&format!("{name}, {}", setup.contender.title()));
        let predicted = if let Expected::BackNotBefore(least) = expected { Some(least) } else { None };
        let pair = pair(setup, TRIGGER, disturb);
        self.timeline(&key, &pair.run);
        self.verdict(&key, expected, predicted, &pair, format!("{note}; {}", plan.size()));
    }
}
