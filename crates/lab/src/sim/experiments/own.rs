//! E8 and E9, which are about ourselves: how we start from cold, and what we do when more is written than can be maintained.
//!
//! E8 is run at full size whatever the scale, because it is about latencies, and with so many keys that memory and data differ.
//! The number that it is about is the disk's page reads per second over the pages of a lookup: as long as the load is below
//! it, our page cache saves latency; above it we need the cache to carry the load, as everybody who has one.
//!
//! E9 is where we could have two states ourselves: merging that is owed makes reads slower, slower reads take the processor
//! from merging, and reads that are given up are asked again.

use super::{Expected, Lab, Pair, Plan};
use crate::results::Contender::{self, B1, V};
use crate::sim::engine::{Setup, Sim};
use crate::sim::mitigations::{Mitigation, Mitigations};
use crate::sim::record::{Counts, Record, SECOND};

const KEYS_MIN: u32 = 100_000;
const COLD_TRIGGER: usize = 8;
const COLD_SECONDS: usize = 28;
/// How long a start is called one.
const START: usize = 5;
const MEMORY: [f64; 4] = [0.1, 0.25, 0.5, 1.0];

/// How long the disk takes to read all pages, where the load of a cold start is varied.
const SCAN_S: f64 = 10.0;

/// The second in which the overload begins, its length, and what is watched of the time after it.
const BEGIN: usize = 6;
const OVERLOAD: usize = 8;
const AFTER: usize = 20;
/// The share of the maintenance capacity that is written before and after.
const BASE: f64 = 0.5;
const TIMES: [f64; 4] = [0.9, 1.2, 1.5, 2.0];
/// Back means in so many seconds.
const SOON_S: f64 = 5.0;
/// A read through a socket, which makes readers a load on the processor that is worth looking at.
const BUSY_READ_S: f64 = 20e-6;

/// One kind of overload.
struct Writes {
    calibration: crate::sim::Calibration,
    contender: Contender,
    variant: &'static str,
    /// Reads and writes per second that would be the whole capacity.
    capacity: (f64, f64),
    read_share: f64,
    mitigations: Mitigations,
    expected: Expected,
}

impl Lab<'_> {
    /// E8.
    pub(in crate::sim) fn cold_start(&mut self) {
        let mut calibration = self.calibration.clone();
        calibration.keys = calibration.keys.max(KEYS_MIN);
        let from_disk = calibration.page_iops / f64::from(calibration.pages_per_lookup);
        let plan = |times: f64, seconds: usize| {
            let load = times * from_disk / calibration.capacity;
            let plan = Plan::new(calibration.clone(), load, seconds);
            Plan { latencies: true, write_share: 0.0, ..plan }
        };
        let half = plan(0.5, COLD_SECONDS);
        for memory in MEMORY {
            for cold in [false, true] {
                self.start_with(&half, memory, cold, from_disk);
            }
        }
        // As long as the disk reads everything within a deadline, no load is too much for it: every page has many who wait for
        // it. Only shares are asked for here, so that a smaller system will do.
        let pages = calibration.page_iops * SCAN_S;
        calibration.keys = calibration.keys.max((pages * f64::from(calibration.keys_per_page)) as u32);
        let calibration = calibration.scaled(self.scale.pick(32.0, 8.0));
        self.start_under_load(&[1.0, 4.0, 8.0, 12.0, 16.0], |times| {
            let load = times * calibration.page_iops / f64::from(calibration.pages_per_lookup) / calibration.capacity;
            Plan { write_share: 0.0, ..Plan::new(calibration.clone(), load, COLD_SECONDS) }
        });
    }

    fn start_with(&mut self, plan: &Plan, memory: f64, cold: bool, from_disk: f64) {
        let pages = if cold { "cold page cache" } else { "warm page cache" };
        let key = self.key(V, &format!("{pages}, memory {:.0} % of the data", 100.0 * memory), self.seed());
        self.say(&format!("killed and started, {}", key.variant));
        let mut run = Sim::new(Setup { page_share: Some(memory), ..plan.setup(V, key.seed) });
        run.run_until(COLD_TRIGGER as u64 * SECOND);
        let mut twin = run.clone();
        twin.drain();
        run.restart(cold);
        let mut resident = Vec::new();
        for tenth in 0..10 * START as u64 {
            resident.extend(run.resident_share().map(|share| (tenth as f64 / 10.0, share)));
            run.run_until(COLD_TRIGGER as u64 * SECOND + (tenth + 1) * SECOND / 10);
        }
        run.drain();
        let pair = Pair::of(run, twin.record, COLD_TRIGGER);
        let curve = self.key(V, &key.variant, key.seed);
        for (seconds, share) in resident {
            self.point(&curve, ("seconds_after_start", seconds), ("", 0.0), ("resident_share", share, "1"));
        }
        let line = self.key(V, pages, key.seed);
        let x = ("memory_share", memory);
        let quantile = |from, to| Record::quantile_s(&pair.run.latencies, from, to, 0.99);
        let figures = [
            ("time_to_first_read", pair.run.first_read_s),
            ("read_p99_before", quantile(COLD_TRIGGER / 2, COLD_TRIGGER)),
            ("read_p99_after_start", quantile(COLD_TRIGGER, COLD_TRIGGER + START)),
            ("read_p99_later", quantile(COLD_SECONDS - START, COLD_SECONDS)),
        ];
        for (metric, value) in figures {
            if let Some(value) = value {
                self.point(&line, x, ("", 0.0), (metric, value, "s"));
            }
        }
        let reads = pair.run.sum(0, COLD_TRIGGER, |counts| counts.page_reads) as f64;
        let reads = reads / pair.run.sum(0, COLD_TRIGGER, |counts| counts.offered).max(1) as f64;
        self.point(&line, x, ("", 0.0), ("page_reads_per_lookup", reads, "1"));
        self.timeline(&key, &pair.run);
        self.phases(&key, &pair);
        let note = format!(
            "first read after {:.3} s; {reads:.2} page reads for each lookup in the steady state; the disk alone carries {from_disk:.0} \
             lookups/s, offered are {:.0}; {} keys, full size",
            pair.run.first_read_s.unwrap_or(f64::NAN),
            plan.rates[0],
            plan.calibration.keys
        );
        // Half of what the disk alone carries needs no cache, so that nothing but the start itself may be missed.
        self.verdict(&key, Expected::BackWithin(SOON_S), None, &pair, note);
    }

    /// Whether a cold start under a load ends in the state that the load had before.
    fn start_under_load(&mut self, loads: &[f64], plan: impl Fn(f64) -> Plan) {
        let mut widest = (0.0_f64, 0.0_f64);
        let mut last = None;
        for &times in loads {
            self.say(&format!("cold start at {times} times what the disk carries"));
            let plan = plan(times);
            let mut run = Sim::new(Setup { page_share: Some(MEMORY[0]), ..plan.setup(V, self.seed()) });
            run.run_until(COLD_TRIGGER as u64 * SECOND);
            let mut twin = run.clone();
            twin.drain();
            run.restart(true);
            run.drain();
            let pair = Pair::of(run, twin.record, COLD_TRIGGER);
            let end = pair.run.seconds.len();
            let ways = [("never restarted", &pair.twin), ("after a cold start", &pair.run)];
            let shares = ways.map(|(variant, record)| {
                let share = record.good_share(end - START, end);
                let key = self.key(V, variant, self.seed());
                self.point(&key, ("load_over_disk", times), ("", 0.0), ("goodput_share", share, "1"));
                share
            });
            if shares[0] - shares[1] >= widest.0 {
                widest = (shares[0] - shares[1], times);
            }
            last = Some(pair);
        }
        let Some(pair) = last else { return };
        let key = self.key(V, "cold start under load", self.seed());
        let stated = "answers the same share as if it had never been restarted, at every load";
        let note = format!(
            "data that the disk reads in {SCAN_S:.0} s, memory for {:.0} % of them; the two differ most, by {:.1} % of the requests, \
             at {} times what the disk alone carries",
            100.0 * MEMORY[0],
            100.0 * widest.0,
            widest.1
        );
        self.verdict_as(&key, (stated.to_owned(), Some(widest.0 < 0.02)), None, &pair, note);
    }

    /// E9.
    pub(in crate::sim) fn overload(&mut self) {
        let (none, budget) = (Mitigations::none(), Mitigations::none().with(Mitigation::RetryBudget));
        let soon = Expected::BackWithin(SOON_S);
        let light = |contender, variant, write_rate: f64| {
            let factor = self.write_factor(write_rate, 25_000.0);
            let calibration = self.calibration.scaled(factor);
            let capacity = (calibration.capacity, write_rate / factor);
            Writes { calibration, contender, variant, capacity, read_share: 1.0, mitigations: none, expected: soon }
        };
        let views = self.calibration.maintenance_capacity();
        let runs = [light(V, "", views), light(B1, "", 1.0 / self.calibration.summary_write_s)];
        let busy = |variant, mitigations, expected| {
            let mut calibration = self.calibration.clone();
            calibration.view_read_s = calibration.view_read_s.max(BUSY_READ_S);
            let factor = self.write_factor(views, 5_000.0);
            let calibration = calibration.scaled(factor);
            let reads = f64::from(calibration.workers) / calibration.view_read_s;
            let capacity = (reads, views / factor);
            Writes { calibration, contender: V, variant, capacity, read_share: 0.5, mitigations, expected }
        };
        // Readers at half of their capacity who ask twice again are 1.5 times it: once late, they may stay late.
        let busy = [
            busy(", busy readers", none, Expected::Open),
            busy(", busy readers, retry budget", budget, Expected::BackWithin(3.0 * SOON_S)),
        ];
        for writes in runs.iter().chain(&busy) {
            self.too_many_writes(writes);
        }
    }

    fn write_factor(&self, rate: f64, most: f64) -> f64 {
        (rate / self.scale.pick(most, 4.0 * most)).max(1.0)
    }

    fn too_many_writes(&mut self, writes: &Writes) {
        let plan = Plan { latencies: true, ..Plan::new(writes.calibration.clone(), 1.0, 0) };
        let seed = self.seed();
        let setup = |times: f64| {
            let rate = |second: usize| if (BEGIN..BEGIN + OVERLOAD).contains(&second) { times } else { BASE };
            let seconds = 0..BEGIN + OVERLOAD + AFTER;
            let mut setup = plan.setup(writes.contender, seed);
            setup.read_rates = seconds.clone().map(|_| writes.read_share * writes.capacity.0).collect();
            setup.write_rates = seconds.map(|second| rate(second) * writes.capacity.1).collect();
            setup.mitigations = writes.mitigations;
            setup
        };
        let run = |times: f64| {
            let mut run = Sim::new(setup(times));
            run.drain();
            run
        };
        let twin = run(BASE).record;
        for times in TIMES {
            let variant = format!("{times:.1} times the capacity{}", writes.variant);
            let key = self.key(writes.contender, &variant, self.seed());
            self.say(&format!("{}, {}", writes.contender.title(), key.variant));
            let pair = Pair::of(run(times), twin.clone(), BEGIN + OVERLOAD);
            self.overload_seen(writes, times, &key, &pair, &plan.size());
        }
    }

    fn overload_seen(&mut self, writes: &Writes, times: f64, key: &crate::results::Key, pair: &Pair, size: &str) {
        let (run, during, after) = (&pair.run, (BEGIN + 1, BEGIN + OVERLOAD), (BEGIN + OVERLOAD, BEGIN + OVERLOAD + 2));
        let sum = |count: fn(&Counts) -> u64| run.sum(during.0, during.1, count) as f64;
        let refused = sum(|counts| counts.failed + counts.late) / sum(|counts| counts.offered).max(1.0);
        let reads = |record: &Record, span: (usize, usize)| Record::quantile_s(&record.latencies, span.0, span.1, 0.99);
        let commits = |span: (usize, usize)| Record::quantile_s(&run.write_latencies, span.0, span.1, 0.99);
        let slower = reads(run, during).zip(reads(&pair.twin, during)).map(|(run, twin)| run / twin);
        let line = self.key(key.contender, writes.variant.trim_start_matches(", "), key.seed);
        let x = ("writes_over_capacity", times);
        let figures = [
            ("not_answered_share", Some(refused), "1"),
            ("write_p99_during", commits(during), "s"),
            ("write_p99_after", commits(after), "s"),
            ("read_p99_over_twin", slower, "1"),
            ("recovery_s", pair.recovery.seconds, "s"),
            ("commits_per_second", Some(sum(|counts| counts.commits) / (during.1 - during.0) as f64), "1/s"),
        ];
        for (metric, value, unit) in figures {
            if let Some(value) = value {
                self.point(&line, x, ("", 0.0), (metric, value, unit));
            }
        }
        self.timeline(key, run);
        let note = format!(
            "{:.0} writes/s are its capacity; {:.1} % of all requests not answered during the overload, reads' p99 {:.1} times the \
             twin's; merging owed at the end {:.2} s; recovery counts from the end of the overload; {size}",
            writes.capacity.1,
            100.0 * refused,
            slower.unwrap_or(f64::NAN),
            pair.end.processor.debt_s
        );
        self.verdict(key, writes.expected, None, pair, note);
        if let Some(verdict) = self.results.verdicts.last_mut() {
            // The twin was offered less, so that the difference of the two is not what was lost.
            verdict.lost_requests =
                Some(run.sum(BEGIN, usize::MAX, |counts| counts.failed + counts.late + counts.stale) as f64);
        }
    }
}
