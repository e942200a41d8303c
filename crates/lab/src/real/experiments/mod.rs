//! The experiments with real stores. Each states what it expects before it runs, and records what it saw whether or not
//! that is pleasant.

mod ablation;
mod cold;
mod cost;
mod flush;
mod hysteresis;
mod map;
mod overload;
mod shifts;
mod staleness;
mod storm;

use super::bench::{Action, Bench, CachePlan, Plan, Ran};
use super::clock::SECOND;
use super::error::{Error, Result};
use super::load::Load;
use super::policy::Policy;
use super::store::Form;
use crate::recovery::{Recovery, judge, own_steady_state};
use crate::results::{Contender, Key, Mode, Outcome, Results, Verdict};

/// The experiments that can be run with real stores.
pub const NAMES: [&str; 10] = ["E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E10"];

/// Told what is being done.
pub type Progress<'a> = &'a mut dyn FnMut(&str);

/// Runs one.
pub fn run(name: &str, bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    match name {
        "E1" => flush::run(bench, seeds, results, progress),
        "E2" => hysteresis::run(bench, seeds, results, progress),
        "E3" => map::run(bench, seeds, results, progress),
        "E4" => ablation::run(bench, seeds, results, progress),
        "E5" => storm::run(bench, seeds, results, progress),
        "E6" => staleness::run(bench, seeds, results, progress),
        "E7" => shifts::run(bench, seeds, results, progress),
        "E8" => cold::run(bench, seeds, results, progress),
        "E9" => overload::run(bench, seeds, results, progress),
        "E10" => cost::run(bench, seeds, results, progress),
        _ => Err(Error::Unknown(name.to_owned(), NAMES.join(", "))),
    }
}

/// A contender as the experiments run it.
#[derive(Debug, Clone)]
pub(super) struct Entrant {
    pub(super) contender: Contender,
    pub(super) variant: String,
    pub(super) form: Form,
    pub(super) policy: Policy,
    pub(super) cache: Option<CachePlan>,
}

impl Entrant {
    /// A contender with its usual policy.
    pub(super) fn new(contender: Contender, bench: &Bench) -> Entrant {
        let form = match contender {
            Contender::B1 => Form::Summary,
            Contender::V => Form::View,
            _ => Form::Query,
        };
        let policy = match contender {
            Contender::A2 | Contender::A3 => Policy::mitigated(2),
            _ => Policy::naive(2),
        };
        let cache = match contender {
            Contender::A1 | Contender::A2 => Some(bench.cache()),
            Contender::A3 => Some(CachePlan { entries: bench.scale.workload.keys * 11 / 10, persisted: true }),
            _ => None,
        };
        Entrant { contender, variant: String::new(), form, policy, cache }
    }

    /// The same under another name and policy.
    pub(super) fn variant(mut self, name: impl Into<String>, policy: Policy) -> Entrant {
        self.variant = name.into();
        self.policy = policy;
        self
    }

    pub(super) fn plan(&self, load: Load) -> Plan {
        Plan {
            form: self.form,
            policy: self.policy.clone(),
            cache: self.cache,
            load,
            actions: Vec::new(),
            lost_share: 0.0,
            writers: 1,
        }
    }

    pub(super) fn key(&self, experiment: &str, seed: u64, bench: &Bench) -> Key {
        Key {
            experiment: experiment.to_owned(),
            mode: if bench.uses_servers() { Mode::Server } else { Mode::Real },
            contender: self.contender,
            variant: self.variant.clone(),
            seed,
        }
    }
}

/// The load generator was the limit if more than this share of requests was sent late.
const LAGGING_SHARE_MAX: f64 = 0.01;

/// A system that answers less than this share well is not in its steady state.
const STEADY_SHARE: f64 = 0.97;

/// What a verdict says of any run, as if nothing had disturbed it; the experiment adds what it expected and found.
pub(super) fn verdict(key: &Key, ran: &Ran, bench: &Bench) -> Verdict {
    let logical = ran.writes * bench.scale.workload.event_bytes();
    let lagging = ran.record.lagging_share();
    let rejected = lagging > LAGGING_SHARE_MAX;
    let mut note = format!("p99 of sending late {} us", ran.record.lag.value_at_quantile(0.99));
    if ran.action_seconds > 0.01 {
        note += &format!("; the disturbance itself took {:.2} s", ran.action_seconds);
    }
    if ran.record.impossible > 0 {
        note += &format!("; {} answers were no page that ever was", ran.record.impossible);
    }
    if rejected {
        note += &format!("; rejected: {:.1} % of requests were sent more than 0.1 s late", lagging * 100.0);
    }
    Verdict {
        outcome: if rejected { Outcome::Rejected } else { Outcome::Undisturbed },
        attempts_per_request: ran.record.attempts_per_request(),
        useful_work_share: ran.record.useful_share(),
        stale_reads: Some(ran.record.strictly_stale),
        wrong_keys: Some(ran.wrong_keys),
        resident_bytes: ran.resident_bytes,
        page_cache_bytes: ran.page_cache_bytes,
        write_amplification: (logical > 0).then(|| ran.written_bytes as f64 / logical as f64),
        note,
        ..Verdict::new(key)
    }
}

/// Puts what a comparison with the twin found into a verdict, unless the run was rejected.
pub(super) fn recovered(verdict: &mut Verdict, ran: &Ran, twin: Option<&Ran>, trigger: u64) {
    let (good, trigger_second) = (ran.record.good(), trigger as usize);
    let twin = match twin {
        Some(twin) => twin.record.good().iter().map(|&count| count as f64).collect(),
        None => {
            verdict.note += "; its own steady state stands for the twin";
            own_steady_state(&good, &ran.record.offers(), trigger_second)
        }
    };
    let Recovery { outcome, seconds, lost } = judge(&good, &twin, trigger_second);
    // Who was down before the disturbance cannot be said to have stood it.
    let before = ran.record.good_share(1..trigger_second).unwrap_or(1.0);
    let outcome = if before < STEADY_SHARE { Outcome::Down } else { outcome };
    if before < STEADY_SHARE {
        verdict.note += &format!("; only {:.1} % were answered well before the disturbance", before * 100.0);
    }
    verdict.trigger_second = Some(trigger as f64);
    verdict.lost_requests = Some(lost);
    if verdict.outcome != Outcome::Rejected {
        verdict.outcome = outcome;
        verdict.recovery_s = seconds.filter(|_| outcome == Outcome::Recovered);
    }
}

/// A run that is disturbed at its usual second, and what is expected of it, stated before it begins.
pub(super) struct Trial {
    pub(super) entrant: Entrant,
    /// What happens, counted from the moment of the disturbance; nothing for a run that needs none to be down.
    pub(super) actions: Vec<(u64, Action)>,
    /// What is asked.
    pub(super) load: Load,
    /// What is asked of the undisturbed twin, which runs first; without one, its own steady state stands for it.
    pub(super) twin: Option<Load>,
    /// How it ends, if anything is expected.
    pub(super) expected: Option<Outcome>,
    /// The same in words, with the reason.
    pub(super) why: String,
    /// The seconds that theory says.
    pub(super) predicted_s: Option<f64>,
}

impl Trial {
    /// Makes the run and, if it has one, its twin; adds timeline, latencies and verdict.
    pub(super) fn run(
        self,
        experiment: &str,
        bench: &mut Bench,
        results: &mut Results,
        progress: Progress<'_>,
    ) -> Result<Verdict> {
        let key = self.entrant.key(experiment, self.load.seed, bench);
        let trigger = bench.scale.seconds.0;
        let mut plan = self.entrant.plan(self.load);
        let twin =
            self.twin.map(|load| make(bench, &Plan { load, ..plan.clone() }, &key, "twin", progress)).transpose()?;
        plan.actions = self.actions.iter().map(|(after, action)| (trigger * SECOND + after, *action)).collect();
        let ran = make(bench, &plan, &key, "disturbed", progress)?;
        let mut found = verdict(&key, &ran, bench);
        recovered(&mut found, &ran, twin.as_ref(), trigger);
        found.expectation = self.why;
        found.as_expected = self.expected.and_then(|expected| met(expected, &found));
        found.predicted_s = self.predicted_s;
        if let Some(share) = ran.record.hit_share(1..trigger as usize) {
            found.note += &format!("; hit share before {share:.3}");
        }
        record(results, &key, &ran, trigger)?;
        results.verdicts.push(found.clone());
        Ok(found)
    }
}

/// Whether a run ended as expected. Two seconds are granted to whoever should not move: a reopening takes some time.
pub(super) fn met(expected: Outcome, found: &Verdict) -> Option<bool> {
    let quiet = found.recovery_s.is_none_or(|seconds| seconds <= 2.0);
    (found.outcome != Outcome::Rejected).then(|| match expected {
        Outcome::Steady => found.outcome != Outcome::Down && quiet,
        other => found.outcome == other,
    })
}

/// Adds the timeline and the latencies before, during (the five seconds after the disturbance) and after.
pub(super) fn record(results: &mut Results, key: &Key, ran: &Ran, trigger: u64) -> Result<()> {
    let trigger = trigger as usize;
    results.timeline.extend(ran.record.lines(key));
    results.latencies.extend(ran.record.latencies(key, "before", 1..trigger)?);
    results.latencies.extend(ran.record.latencies(key, "during", trigger..trigger + 5)?);
    results.latencies.extend(ran.record.latencies(key, "after", trigger + 5..usize::MAX)?);
    let settings = results.run.get_or_insert_default();
    let name = key.contender.to_string();
    for (setting, value) in &ran.settings {
        let line = (name.clone(), setting.clone(), value.clone());
        if !settings.settings.contains(&line) {
            settings.settings.push(line);
        }
    }
    Ok(())
}

/// Makes a run and says how far it is.
pub(super) fn make(bench: &mut Bench, plan: &Plan, key: &Key, what: &str, progress: Progress<'_>) -> Result<Ran> {
    let seconds = plan.load.duration / SECOND;
    let name = format!("{} {} {} {what}, seed {}", key.experiment, key.contender, key.variant, key.seed);
    bench.run(plan, &mut |second| progress(&format!("{name}: {second} of {seconds} s")))
}
