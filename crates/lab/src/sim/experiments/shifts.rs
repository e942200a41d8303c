//! E5 and E7: the store slows down for some seconds and gets its speed back; and the gentle disturbances, those that a team
//! makes itself: other keys become hot, nodes are restarted one after the other, the hottest key expires.
//!
//! At a load that is ten times the backend's capacity the summary table and the views still run at a small part of their own,
//! so the slowdown does not reach them. That is an advantage of what they are, and no protection against retries: E5 therefore
//! also loads each store to three quarters of its *own* capacity, where nothing but the clients' restraint helps.

use super::flush::{LOAD, TRIGGER};
use super::{Expected, Lab, Pair, Plan, Step, pair_of};
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

/// Nodes of the cache that are restarted, and the seconds between two of them.
const NODES: u32 = 8;
const BETWEEN: usize = 5;

impl Lab<'_> {
    /// E5.
    pub(in crate::sim) fn retry_storm(&mut self) {
        let plan = Plan::new(self.sized(150.0, 1_000.0), LOAD, TRIGGER + SLOW[SLOW.len() - 1] + AFTER);
        self.capacity(&plan);
        for (contender, expected) in
            [(A1, Expected::Down), (A2, Expected::Back), (A3, Expected::Back), (B1, Expected::Steady), (V, Expected::Steady)]
        {
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
        let least = plan.refill_s(LOAD);
        let half = plan.calibration.keys / 2;
        let shift: Step<'_> = (TRIGGER, &|run| run.turn_keys(half));
        let moves = [
            (A1, Expected::Down, None),
            (A2, Expected::BackNotBefore(least), None),
            (A3, Expected::Steady, None),
            (B1, Expected::Steady, None),
            (V, Expected::Steady, None),
            (B1, Expected::Open, Some(0.2)),
            (V, Expected::Open, Some(0.2)),
        ];
        for (contender, expected, page_share) in moves {
            let setup = Setup { page_share, ..plan.setup(contender, self.seed()) };
            let variant = page_share.map_or("working set moves".to_owned(), |share| {
                format!("working set moves, memory {:.0} % of the data", 100.0 * share)
            });
            let cached = 100.0 * f64::from(setup.cache_keys) / f64::from(plan.calibration.keys);
            let note = format!(
                "every rank is taken by another key; the cache holds {cached:.0} % of all keys, and so some of those that become hot"
            );
            let note = if setup.cache_keys > 0 { &note } else { "every rank is taken by another key" };
            self.disturbed(&plan, &variant, expected, setup, &[shift], note);
        }
        self.rolling_restart(&plan);
        for (contender, expected) in
            [(A1, Expected::Back), (A2, Expected::Back), (A3, Expected::Back), (B1, Expected::Steady), (V, Expected::Steady)]
        {
            let setup = plan.setup(contender, self.seed());
            let cached = setup.cache_keys > 0;
            let note = if cached { "one key is dropped" } else { "there is nothing that could expire" };
            let expire: Step<'_> = (TRIGGER, &|run| run.drop_hottest(1));
            self.disturbed(&plan, "hottest key expires", expected, setup, &[expire], note);
        }
    }

    fn rolling_restart(&mut self, plan: &Plan) {
        let nodes: Vec<Box<dyn Fn(&mut Sim)>> =
            (0..NODES).map(|node| Box::new(move |run: &mut Sim| run.drop_node(node, NODES)) as Box<dyn Fn(&mut Sim)>).collect();
        let steps: Vec<Step<'_>> =
            nodes.iter().enumerate().map(|(at, drop)| (TRIGGER + at * BETWEEN, drop.as_ref())).collect();
        for (contender, expected) in [(A1, Expected::Down), (A2, Expected::Back), (A3, Expected::Back)] {
            let note = format!("{NODES} nodes of the cache lose their part, one every {BETWEEN} s");
            self.disturbed(plan, "rolling restart", expected, plan.setup(contender, self.seed()), &steps, &note);
        }
        for contender in [B1, V] {
            let restart: Step<'_> = (TRIGGER, &|run| run.restart(false));
            let note = format!("the one process is closed for {} s", plan.calibration.open_s);
            let setup = plan.setup(contender, self.seed());
            self.disturbed(plan, "rolling restart", Expected::Back, setup, &[restart], &note);
        }
    }

    fn disturbed(
        &mut self,
        plan: &Plan,
        variant: &str,
        expected: Expected,
        setup: Setup,
        steps: &[Step<'_>],
        note: &str,
    ) {
        let key = self.key(setup.contender, variant, setup.seed);
        self.say(&format!("{variant}, {}", setup.contender.title()));
        let predicted = matches!(expected, Expected::BackNotBefore(_)).then(|| plan.refill_s(LOAD));
        let pair = pair_of(setup, TRIGGER, steps);
        self.timeline(&key, &pair.run);
        self.verdict(&key, expected, predicted, &pair, format!("{note}; {}", plan.size()));
    }
}
