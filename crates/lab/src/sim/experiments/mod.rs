//! The experiments of the laboratory in the model, and what they have in common: how a contender is set up, how a run and its
//! twin are made, and how they become lines.
//!
//! A contender's cache is as large as the calibration says, but never so small that its misses alone take more than
//! [`WARM_LOAD`] of the backend in the warm state: one that cannot carry its load even when warm is not a cache that
//! anybody would run, and would make the comparison easy.
//!
//! Every verdict carries what was expected before the run. Expectations are written here, beside the code that sets the run
//! up, and what is seen does not change them.

mod cost;
mod flush;
mod hysteresis;
mod map;
mod own;
mod shifts;
mod staleness;

use std::sync::Arc;

use super::calibration::Calibration;
use super::engine::{Setup, Sim};
use super::mitigations::Mitigations;
use super::record::{Record, SECOND, merged};
use super::recovery::judge;
use super::{Scale, UnknownExperiment};
use crate::random::Popularity;
use crate::recovery::Recovery;
use crate::results::{self, Contender, Key, Latency, Mode, Outcome, Point, Results, Second, Verdict};

/// The largest share of the backend that the warm cache's misses may take. At 0.5 the naive cache is stable for as long as
/// nothing disturbs it; at 0.8 it goes down by itself within some minutes, because hot keys are deleted by writes and asked
/// for again by everybody, which would make every experiment say the same.
pub(super) const WARM_LOAD: f64 = 0.5;

/// What is reported as a probability is run with so many seeds at least.
const MANY_SEEDS: usize = 5;

/// A system, a load and a length: all contenders of an experiment run under the same one.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) calibration: Calibration,
    pub(super) popularity: Arc<Popularity>,
    /// Requests per second, writes included, for each second.
    pub(super) rates: Vec<f64>,
    pub(super) write_share: f64,
    /// Room for keys in the cache of A1 and A2.
    pub(super) cache_keys: u32,
    pub(super) latencies: bool,
}

impl Plan {
    /// A constant load of `load` times the backend's capacity.
    pub(super) fn new(calibration: Calibration, load: f64, seconds: usize) -> Plan {
        let popularity = Arc::new(Popularity::new(calibration.keys, calibration.skew));
        let rates = vec![load * calibration.capacity; seconds];
        let write_share = calibration.write_share;
        let plan = Plan { popularity, cache_keys: 0, rates, write_share, latencies: false, calibration };
        plan.with_cache_for(load)
    }

    /// The cache must be warm at this load; see the head of this file.
    pub(super) fn with_cache_for(mut self, load: f64) -> Plan {
        // By Che's approximation the cache that has this share of hits has room for as many keys as are filled until then.
        let needed = self.popularity.filled_for((1.0 - WARM_LOAD / load).min(0.999));
        self.cache_keys = self.calibration.cache_keys().max(needed as u32 + 1).min(self.calibration.keys);
        self
    }

    /// The same with another load.
    pub(super) fn at_load(&self, load: f64, seconds: usize) -> Plan {
        Plan { rates: vec![load * self.calibration.capacity; seconds], ..self.clone() }
    }

    /// A contender with its own policy.
    pub(super) fn setup(&self, contender: Contender, seed: u64) -> Setup {
        let (cache_keys, mitigations) = match contender {
            Contender::A0 | Contender::B1 | Contender::V => (0, Mitigations::none()),
            Contender::A1 => (self.cache_keys, Mitigations::none()),
            Contender::A2 => (self.cache_keys, Mitigations::all()),
            Contender::A3 => (self.calibration.keys, Mitigations::all()),
        };
        let of = |share: f64| self.rates.iter().map(|rate| rate * share).collect();
        Setup {
            contender,
            calibration: self.calibration.clone(),
            popularity: Arc::clone(&self.popularity),
            mitigations,
            fill_late: false,
            cache_keys,
            read_rates: of(1.0 - self.write_share),
            write_rates: of(self.write_share),
            lost_deletes: 0.0,
            page_share: None,
            latencies: self.latencies,
            seed,
        }
    }

    /// K/M: the hottest keys that must be there until the backend can carry the rest of a load, over its capacity.
    pub(super) fn refill_s(&self, load: f64) -> f64 {
        f64::from(self.popularity.hottest_for(1.0 - 1.0 / load)) / self.calibration.capacity
    }

    /// The same in the order in which requests ask for keys, which no cache can choose.
    pub(super) fn refill_as_asked_s(&self, load: f64) -> f64 {
        self.popularity.filled_for(1.0 - 1.0 / load) / self.calibration.capacity
    }

    /// How many times smaller the model is, for a note.
    pub(super) fn size(&self) -> String {
        match self.calibration.slowdown {
            1.0 => "full size".to_owned(),
            factor => format!("1/{factor:.1} of full size"),
        }
    }
}

/// A run, its twin, and what came of it.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) run: Record,
    pub(super) twin: Record,
    pub(super) trigger: usize,
    pub(super) recovery: Recovery,
    /// The run itself when it was over.
    pub(super) end: Sim,
}

impl Pair {
    /// Of a run that is over and its twin's record.
    pub(super) fn of(run: Sim, twin: Record, trigger: usize) -> Pair {
        let recovery = judge(&run.record, &twin, trigger);
        Pair { run: run.record.clone(), twin, trigger, recovery, end: run }
    }
}

/// Runs a setup up to second `trigger`, disturbs one of two copies, and lets both come to their end. What disturbs may run on.
pub(super) fn pair(setup: Setup, trigger: usize, disturb: impl FnOnce(&mut Sim)) -> Pair {
    let mut run = Sim::new(setup);
    run.run_until(trigger as u64 * SECOND);
    let mut twin = run.clone();
    twin.drain();
    disturb(&mut run);
    run.drain();
    Pair::of(run, twin.record, trigger)
}

/// What is thought of a run before it is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Expected {
    /// Does not leave its state.
    Steady,
    /// Comes back.
    Back,
    /// Comes back, but not before so many seconds; a tenth is allowed for chance.
    BackNotBefore(f64),
    /// Is back so many seconds after the disturbance at the latest.
    BackWithin(f64),
    /// Is not back when the run ends.
    Down,
    /// Is in a state for which there is no expectation.
    Open,
}

impl Expected {
    fn text(self) -> String {
        match self {
            Expected::Steady => "stays in its steady state".to_owned(),
            Expected::Back => "leaves its steady state and comes back, or does not leave it".to_owned(),
            Expected::BackNotBefore(seconds) => format!("comes back, but not before K/M = {seconds:.1} s"),
            Expected::BackWithin(seconds) => format!("is back within {seconds:.0} s"),
            Expected::Down => "is down until the end of the run".to_owned(),
            Expected::Open => "no expectation; measured".to_owned(),
        }
    }

    fn holds(self, recovery: &Recovery) -> Option<bool> {
        match self {
            Expected::Steady => Some(recovery.outcome == Outcome::Steady),
            Expected::Back => Some(matches!(recovery.outcome, Outcome::Steady | Outcome::Recovered)),
            Expected::BackNotBefore(least) => {
                Some(recovery.seconds.is_some_and(|seconds| seconds + 1.0 >= 0.9 * least))
            }
            Expected::BackWithin(most) => {
                let seconds = if recovery.outcome == Outcome::Steady { Some(0.0) } else { recovery.seconds };
                Some(seconds.is_some_and(|seconds| seconds <= most))
            }
            Expected::Down => Some(recovery.outcome == Outcome::Down),
            Expected::Open => None,
        }
    }
}

/// An experiment under way.
pub(super) struct Lab<'a> {
    pub(super) experiment: &'static str,
    pub(super) calibration: &'a Calibration,
    pub(super) scale: Scale,
    pub(super) seeds: &'a [u64],
    pub(super) progress: &'a mut dyn FnMut(&str),
    pub(super) results: Results,
}

impl Lab<'_> {
    /// The calibration, scaled so that the backend has about this capacity.
    pub(super) fn sized(&self, quick: f64, full: f64) -> Calibration {
        let capacity = self.scale.pick(quick, full);
        self.calibration.scaled((self.calibration.capacity / capacity).max(1.0))
    }

    pub(super) fn seed(&self) -> u64 {
        self.seeds.first().copied().unwrap_or(1)
    }

    /// The seeds of what is reported as a probability: those that were given, and others if they are fewer than five.
    pub(super) fn many_seeds(&self) -> Vec<u64> {
        let mut seeds = self.seeds.to_vec();
        let others = (1..).filter(|seed| !self.seeds.contains(seed));
        seeds.extend(others.take(MANY_SEEDS.saturating_sub(self.seeds.len())));
        seeds
    }

    /// Adds the capacity of the system that is modelled, for the line in the timelines.
    pub(super) fn capacity(&mut self, plan: &Plan) {
        self.figure("capacity", plan.calibration.capacity, "1/s");
    }

    /// Adds what the model was fed with, before anything is scaled.
    pub(super) fn fed_with(&mut self) {
        for (name, value, unit) in self.calibration.lines() {
            self.figure(&format!("fed_{name}"), value, unit);
        }
    }

    fn figure(&mut self, name: &str, value: f64, unit: &str) {
        let key = self.key(Contender::A0, "", 0);
        self.results.calibration.push(results::Calibration::new(&key, name, value, unit));
    }

    pub(super) fn say(&mut self, text: &str) {
        (self.progress)(&format!("{} model: {text}", self.experiment));
    }

    pub(super) fn key(&self, contender: Contender, variant: &str, seed: u64) -> Key {
        let (experiment, variant) = (self.experiment.to_owned(), variant.to_owned());
        Key { experiment, mode: Mode::Sim, contender, variant, seed }
    }

    pub(super) fn point(&mut self, key: &Key, x: (&str, f64), y: (&str, f64), metric: (&str, f64, &str)) {
        let (name, value, unit) = metric;
        self.results.points.push(Point::new(key, x, y, name, value, unit));
    }

    /// Adds a run second by second.
    pub(super) fn timeline(&mut self, key: &Key, record: &Record) {
        for (second, counts) in record.seconds.iter().enumerate() {
            let histogram = record.latencies.get(second).filter(|histogram| !histogram.is_empty());
            let at = |share: f64| histogram.map(|histogram| histogram.value_at_quantile(share) as f64 / 1e3);
            self.results.timeline.push(Second {
                experiment: key.experiment.clone(),
                mode: key.mode,
                contender: key.contender,
                variant: key.variant.clone(),
                seed: key.seed,
                second: second as u32,
                offered: counts.offered,
                good: counts.good,
                late: counts.late,
                failed: counts.failed,
                stale: counts.stale,
                attempts: counts.attempts,
                backend_queries: counts.backend_queries,
                backend_useful: counts.backend_useful,
                hit_share: (counts.lookups > 0).then(|| counts.hits as f64 / counts.lookups as f64),
                p50_us: at(0.5),
                p99_us: at(0.99),
                p999_us: at(0.999),
                max_us: at(1.0),
            });
        }
    }

    /// Adds the percentiles of a phase, seconds `from` to `to`.
    pub(super) fn phase(&mut self, key: &Key, record: &Record, phase: &str, from: usize, to: usize) {
        let Some(all) = merged(&record.latencies, from, to) else { return };
        for percentile in Latency::PERCENTILES {
            let us = all.value_at_percentile(percentile) as f64 / 1e3;
            self.results.latencies.push(Latency::new(key, phase, percentile, us));
        }
    }

    /// Adds the phases of a disturbed run.
    pub(super) fn phases(&mut self, key: &Key, pair: &Pair) {
        let end = pair.run.seconds.len();
        let back = match pair.recovery.outcome {
            Outcome::Steady => pair.trigger + 5,
            _ => pair.recovery.seconds.map_or(end, |seconds| pair.trigger + seconds as usize),
        };
        self.phase(key, &pair.run, "before", pair.trigger / 4, pair.trigger);
        self.phase(key, &pair.run, "during", pair.trigger, back);
        self.phase(key, &pair.run, "after", back, end);
    }

    /// Adds what came of a run.
    pub(super) fn verdict(
        &mut self,
        key: &Key,
        expected: Expected,
        predicted_s: Option<f64>,
        pair: &Pair,
        note: String,
    ) {
        let stated = (expected.text(), expected.holds(&pair.recovery));
        self.verdict_as(key, stated, predicted_s, pair, note);
    }

    /// Adds what came of a run of which more was expected than how it ends: the words, and whether it was so.
    pub(super) fn verdict_as(
        &mut self,
        key: &Key,
        stated: (String, Option<bool>),
        predicted_s: Option<f64>,
        pair: &Pair,
        note: String,
    ) {
        let recovery = &pair.recovery;
        self.results.verdicts.push(Verdict {
            expectation: stated.0,
            as_expected: stated.1,
            outcome: recovery.outcome,
            trigger_second: Some(pair.trigger as f64),
            recovery_s: recovery.seconds,
            predicted_s,
            lost_requests: Some(recovery.lost),
            note,
            ..counted(key, &pair.run, pair.trigger)
        });
    }
}

/// What was counted in a run, from a second on where a disturbance matters, as if nothing had disturbed it.
pub(super) fn counted(key: &Key, run: &Record, from: usize) -> Verdict {
    let sum = |count: fn(&super::record::Counts) -> u64| run.sum(from, usize::MAX, count) as f64;
    let offered = sum(|counts| counts.offered).max(1.0);
    let queries = sum(|counts| counts.backend_queries);
    Verdict {
        outcome: Outcome::Undisturbed,
        attempts_per_request: Some(sum(|counts| counts.attempts) / offered),
        useful_work_share: (queries > 0.0).then(|| sum(|counts| counts.backend_useful) / queries),
        stale_reads: Some(run.sum(0, usize::MAX, |counts| counts.stale_at_all)),
        ..Verdict::new(key)
    }
}

/// Runs one experiment.
pub(super) fn run(mut lab: Lab<'_>) -> Result<Results, UnknownExperiment> {
    match lab.experiment {
        "E1" => lab.flush(),
        "E2" => lab.hysteresis(),
        "E3" => lab.map(),
        "E4" => lab.ablation(),
        "E5" => lab.retry_storm(),
        "E6" => lab.staleness(),
        "E7" => lab.shifts(),
        "E8" => lab.cold_start(),
        "E9" => lab.overload(),
        "E10" => lab.cost(),
        other => return Err(UnknownExperiment(other.to_owned())),
    }
    Ok(lab.results)
}
