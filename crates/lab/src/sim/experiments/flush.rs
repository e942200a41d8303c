//! E1 and E4: everything that is cached is lost at once, with ten times the backend's capacity on top; and which mitigation it
//! is that brings the cache back.

use super::{Expected, Lab, Plan, pair};
use crate::results::Contender::{A0, A1, A2, A3, B1, V};
use crate::sim::engine::Setup;
use crate::sim::mitigations::{Mitigation, Mitigations};

/// The offered load over the capacity.
pub(super) const LOAD: f64 = 10.0;
pub(super) const TRIGGER: usize = 20;

impl Lab<'_> {
    pub(super) fn flush_plan(&self, capacity: (f64, f64)) -> Plan {
        self.watched(Plan::new(self.sized(capacity.0, capacity.1), LOAD, 0), LOAD)
    }

    /// The plan with as many seconds as are watched of a refill under this load.
    pub(super) fn watched(&self, plan: Plan, load: f64) -> Plan {
        // Long enough to see a recovery that takes several times as long as predicted.
        let after = (self.scale.pick(4.0, 10.0) * plan.refill_as_asked_s(load))
            .clamp(self.scale.pick(60.0, 120.0), self.scale.pick(150.0, 1_200.0));
        plan.at_load(load, TRIGGER + after as usize)
    }

    /// E1.
    pub(in crate::sim) fn flush(&mut self) {
        let plan = Plan { latencies: true, ..self.flush_plan((300.0, 1_000.0)) };
        let seed = self.seed();
        let least = plan.refill_s(LOAD);
        self.capacity(&plan);
        self.fed_with();
        self.backend_alone(&plan, seed);
        let of = |contender, change: fn(&mut Setup)| {
            let mut setup = plan.setup(contender, seed);
            change(&mut setup);
            setup
        };
        let paged: fn(&mut Setup) = |setup| setup.page_share = Some(1.0);
        let runs = [
            ("", Expected::Down, of(A1, |_| {})),
            ("retries 0", Expected::Down, of(A1, |setup| setup.calibration.retries = 0)),
            ("late answers fill", Expected::Open, of(A1, |setup| setup.fill_late = true)),
            ("", Expected::BackNotBefore(least), of(A2, |_| {})),
            ("", Expected::BackNotBefore(least), of(A3, |_| {})),
            ("restart instead of flush", Expected::Back, of(A3, |_| {})),
            ("", Expected::Steady, of(B1, |_| {})),
            ("", Expected::Steady, of(V, |_| {})),
            ("page cache dropped", Expected::Open, of(B1, paged)),
            ("page cache dropped", Expected::Open, of(V, paged)),
        ];
        for (variant, expected, setup) in runs {
            self.flush_run(&plan, variant, expected, setup);
        }
    }

    fn flush_run(&mut self, plan: &Plan, variant: &str, expected: Expected, setup: Setup) {
        let key = self.key(setup.contender, variant, setup.seed);
        self.say(&format!("flush, {} {variant}", setup.contender.title()));
        let cached = setup.cache_keys > 0;
        let pair = pair(setup, TRIGGER, |run| match variant {
            "restart instead of flush" | "page cache dropped" => run.restart(true),
            _ => run.flush(),
        });
        let (least, asked) = (plan.refill_s(LOAD), plan.refill_as_asked_s(LOAD));
        let by_che = plan.popularity.lru_hit_share(pair.end.setup.cache_keys);
        let note = format!(
            "{}; hits {:.1} % before, {:.1} % by Che's approximation; K/M is {least:.1} s for the hottest keys and {asked:.1} s in the order in which keys are asked for",
            plan.size(),
            100.0 * hit_share(&pair.run, TRIGGER),
            100.0 * by_che,
        );
        let note = if cached { note } else { plan.size() };
        let x = ("load_over_capacity", LOAD);
        if cached {
            self.point(&key, x, ("", 0.0), ("refill_as_asked_s", asked, "s"));
        }
        self.timeline(&key, &pair.run);
        self.phases(&key, &pair);
        let twin = self.key(key.contender, format!("{variant} twin").trim(), key.seed);
        self.timeline(&twin, &pair.twin);
        self.verdict(&key, expected, cached.then_some(least), &pair, note);
    }

    /// Nothing can be flushed here: it shows what the backend is without a cache.
    fn backend_alone(&mut self, plan: &Plan, seed: u64) {
        self.say("backend alone");
        let key = self.key(A0, "", seed);
        let pair = pair(plan.at_load(LOAD, TRIGGER + 10).setup(A0, seed), TRIGGER, |_| {});
        let share = pair.run.good_share(5, TRIGGER);
        self.timeline(&key, &pair.run);
        let note = format!("carries {:.1} % of the load, with or without a flush; {}", 100.0 * share, plan.size());
        self.verdict(&key, Expected::Down, None, &pair, note);
    }

    /// E4.
    pub(in crate::sim) fn ablation(&mut self) {
        let plan = self.flush_plan((150.0, 500.0));
        let seed = self.seed();
        let least = plan.refill_s(LOAD);
        let mut runs = vec![(A1, String::new(), Mitigations::none(), Expected::Down)];
        for mitigation in Mitigation::ALL {
            // In the model of the field notes bounding the age of the queue was enough, and nothing else was.
            let bounds = matches!(mitigation, Mitigation::BoundedQueue | Mitigation::ConcurrencyLimit);
            let expected = if bounds { Expected::BackNotBefore(least) } else { Expected::Down };
            runs.push((A1, format!("with {}", mitigation.name()), Mitigations::none().with(mitigation), expected));
        }
        runs.push((A2, String::new(), Mitigations::all(), Expected::BackNotBefore(least)));
        for mitigation in Mitigation::ALL {
            // No single one is missed as long as either of the two that bound the queue is there.
            let expected = Expected::BackNotBefore(least);
            runs.push((A2, format!("without {}", mitigation.name()), Mitigations::all().without(mitigation), expected));
        }
        let unbounded = Mitigations::all().without(Mitigation::BoundedQueue).without(Mitigation::ConcurrencyLimit);
        runs.push((A2, "without bounded queue and concurrency limit".to_owned(), unbounded, Expected::Open));
        for (contender, variant, mitigations, expected) in runs {
            self.say(&format!("{} {variant}", contender.title()));
            let setup = Setup { mitigations, ..plan.setup(contender, seed) };
            let pair = pair(setup, TRIGGER, crate::sim::engine::Sim::flush);
            let key = self.key(contender, &variant, seed);
            let after = pair.run.good_share(pair.run.seconds.len().saturating_sub(10), usize::MAX);
            let note = format!("goodput {:.1} % in the last ten seconds; {}", 100.0 * after, plan.size());
            self.point(&key, ("load_over_capacity", LOAD), ("", 0.0), ("goodput_share_at_end", after, "1"));
            self.verdict(&key, expected, Some(least), &pair, note);
        }
    }
}

fn hit_share(record: &crate::sim::record::Record, trigger: usize) -> f64 {
    let sum = |count: fn(&crate::sim::record::Counts) -> u64| record.sum(trigger / 2, trigger, count) as f64;
    sum(|counts| counts.hits) / sum(|counts| counts.lookups).max(1.0)
}
