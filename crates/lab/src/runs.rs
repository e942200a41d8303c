//! What the command's words stand for: which experiments are measured, which are simulated, in which order, and what is
//! written when they are done.
//!
//! Real stores come first, because the model is fed with what they measured. While they run, nothing else does; the model's
//! experiments then run on all processors, each on one. A measurement that fails ends the session, but what was found
//! before it is written.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::progress::Meter;
use crate::real::bench::{Bench, Scale, Servers};
use crate::real::{calibrate, experiments};
use crate::results::{Contender, Mode, Outcome, Point, Results, Run};
use crate::{machine, report, sim};

/// Why the command ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A run with real stores.
    #[error(transparent)]
    Real(#[from] crate::real::error::Error),
    /// Results could not be written or read.
    #[error(transparent)]
    Results(#[from] crate::results::Error),
    /// The model does not know the experiment.
    #[error(transparent)]
    Model(#[from] sim::UnknownExperiment),
    /// No place for the stores.
    #[error("cannot make a directory for the stores below {0}: {1}; give another one with --out")]
    Directory(PathBuf, std::io::Error),
}

/// Seeds where none are given: enough to see a spread.
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

/// One call of the command.
#[derive(Debug, Clone)]
pub struct Session {
    /// As it was typed.
    pub command: String,
    /// Where results go.
    pub out: PathBuf,
    /// The seeds that were asked for; empty for the usual ones.
    pub seeds: Vec<u64>,
    /// Sizes of the real runs.
    pub scale: Scale,
    /// Whether the model's maps are fine.
    pub fine: bool,
    /// The servers, if they are used.
    pub servers: Option<Servers>,
    /// This program.
    pub program: Option<PathBuf>,
}

/// Experiments measured in a quick look, and about how many seconds each takes.
const QUICK: [(&str, f64); 3] = [("E1", 74.0), ("E6", 16.0), ("E9", 20.0)];
/// The same at full size, for one seed.
const FULL: [(&str, f64); 10] = [
    ("E1", 640.0),
    ("E2", 720.0),
    ("E3", 400.0),
    ("E4", 1_700.0),
    ("E5", 1_500.0),
    ("E6", 300.0),
    ("E7", 900.0),
    ("E8", 300.0),
    ("E9", 600.0),
    ("E10", 700.0),
];
/// About how long filling the stores and measuring them takes, and all of the model.
const QUICK_REST_S: (f64, f64) = (28.0, 24.0);
const FULL_REST_S: (f64, f64) = (150.0, 1_200.0);

/// Some experiments measured, all of them simulated.
pub fn quick(session: &Session) -> Result<String, Error> {
    let seeds = session.seeds_or(&SEEDS[..1]);
    let parts = QUICK.map(|(name, seconds)| (name, seconds * seeds.len() as f64, seeds.clone()));
    both(session, &parts, QUICK_REST_S)
}

/// Everything, measured and simulated.
pub fn full(session: &Session) -> Result<String, Error> {
    let parts = FULL.map(|(name, seconds)| {
        // What is claimed most and what is a probability is measured with all seeds, the rest with one.
        let seeds = session.seeds_or(if matches!(name, "E1" | "E3") { &SEEDS } else { &SEEDS[..1] });
        (name, seconds * seeds.len() as f64, seeds)
    });
    both(session, &parts, FULL_REST_S)
}

/// One experiment with real stores.
pub fn real(session: &Session, name: &str) -> Result<String, Error> {
    let (costs, rest) = if session.fine { (&FULL[..], FULL_REST_S) } else { (&QUICK[..], QUICK_REST_S) };
    let seeds = session.seeds_or(&SEEDS[..1]);
    let seconds = costs.iter().find(|cost| cost.0 == name).map_or(60.0, |cost| cost.1) * seeds.len() as f64;
    let mut meter = Meter::new(rest.0 + seconds);
    session.finish(|results| session.measure(&[(name, seconds, seeds)], rest.0, results, &mut meter))
}

/// One experiment in the model, fed with what an earlier session measured.
pub fn model(session: &Session, name: &str, calibration: Option<&Path>) -> Result<String, Error> {
    let mut meter = Meter::new(10.0);
    session.finish(|results| {
        if let Some(directory) = calibration {
            results.calibration = Results::read(directory)?.calibration;
        }
        session.simulate(&[name], results, &mut meter)
    })
}

fn both(session: &Session, parts: &[(&str, f64, Vec<u64>)], rest: (f64, f64)) -> Result<String, Error> {
    let measured: f64 = parts.iter().map(|part| part.1).sum();
    let mut meter = Meter::new(rest.0 + measured + rest.1);
    session.finish(|results| {
        session.measure(parts, rest.0, results, &mut meter)?;
        meter.begin("the model, E1 to E10", rest.1);
        session.simulate(&sim::EXPERIMENTS, results, &mut meter)?;
        compare(results);
        meter.end();
        Ok(())
    })
}

impl Session {
    fn seeds_or(&self, usual: &[u64]) -> Vec<u64> {
        if self.seeds.is_empty() { usual.to_vec() } else { self.seeds.clone() }
    }

    /// Runs, and writes what was found even if it did not come to its end.
    fn finish(&self, run: impl FnOnce(&mut Results) -> Result<(), Error>) -> Result<String, Error> {
        std::fs::create_dir_all(&self.out).map_err(|error| Error::Directory(self.out.clone(), error))?;
        let (began, started) = (Instant::now(), machine::now());
        let mut results = Results::default();
        let ended = run(&mut results);
        let description = results.run.get_or_insert_with(Run::default);
        description.command.clone_from(&self.command);
        env!("CARGO_PKG_VERSION").clone_into(&mut description.version);
        description.started = started;
        description.seconds = began.elapsed().as_secs_f64();
        description.machine = machine::describe(&self.out);
        let mut seeds: Vec<u64> =
            results.verdicts.iter().map(|verdict| verdict.seed).filter(|seed| *seed > 0).collect();
        seeds.sort_unstable();
        seeds.dedup();
        description.seeds = seeds;
        description.settings.extend(self.settings());
        results.write(&self.out)?;
        let page = report::write(&self.out)?;
        ended?;
        let seconds = began.elapsed().as_secs_f64();
        Ok(format!("{}\nit took {seconds:.0} s; the report is {}", report::summary(&results), page.display()))
    }

    /// What all contenders have in common.
    fn settings(&self) -> Vec<(String, String, String)> {
        let scale = &self.scale;
        let micros = |time: u64| format!("{} s", time as f64 / 1e6);
        [
            ("application", format!("{}: {}", scale.workload.kind.name(), scale.workload.describe())),
            ("keys are drawn", scale.skew.to_string()),
            ("requests that write, share", scale.write_share.to_string()),
            ("offered load over the backend's capacity", scale.load_over_capacity.to_string()),
            ("reading threads of the backend", scale.workers.to_string()),
            ("memory of each store, bytes", scale.memory_bytes.to_string()),
            ("client deadline", micros(crate::real::bench::TIMEOUT)),
            ("staleness that is good", micros(scale.staleness)),
            ("time to live of cached pages", micros(scale.ttl)),
            ("seconds before and after the disturbance", format!("{} and {}", scale.seconds.0, scale.seconds.1)),
            (
                "twins",
                if scale.twins { "each disturbed run has one" } else { "none; a run's own steady state" }.to_owned(),
            ),
        ]
        .into_iter()
        .map(|(name, value)| (String::new(), name.to_owned(), value))
        .collect()
    }

    /// Fills the stores, measures the capacity, and makes the experiments.
    fn measure(
        &self,
        parts: &[(&str, f64, Vec<u64>)],
        calibration_s: f64,
        results: &mut Results,
        meter: &mut Meter,
    ) -> Result<(), Error> {
        let place = tempfile::Builder::new().prefix("stores-").tempdir_in(&self.out);
        let directory = place.map_err(|error| Error::Directory(self.out.clone(), error))?;
        let mut bench = Bench::new(self.scale, directory.path(), self.servers.clone());
        bench.program.clone_from(&self.program);
        meter.begin("filling the stores and measuring them", calibration_s);
        calibrate::run(&mut bench, results, &mut |text| meter.say(text))?;
        for (name, seconds, seeds) in parts {
            meter.begin(&format!("{name}, measured"), *seconds);
            experiments::run(name, &mut bench, seeds, results, &mut |text| meter.say(text))?;
        }
        Ok(())
    }

    /// Runs experiments in the model, on all processors.
    fn simulate(&self, names: &[&str], results: &mut Results, meter: &mut Meter) -> Result<(), Error> {
        let calibration = sim::Calibration::from_lines(&results.calibration);
        let scale = if self.fine { sim::Scale::Full } else { sim::Scale::Quick };
        let seeds = self.seeds_or(&SEEDS);
        // A map takes all seeds at once; of the flush, the model would take the first only, and what a verdict owes to its
        // seed would not be seen.
        let tasks: Vec<(&str, &[u64])> = names
            .iter()
            .flat_map(|name| {
                if *name == "E1" { seeds.chunks(1) } else { seeds.chunks(seeds.len()) }.map(|some| (*name, some))
            })
            .collect();
        let meter = Mutex::new(meter);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut found = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((name, seeds)) = tasks.get(index) else { return found };
                let mut say = |text: &str| meter.lock().say(&format!("{name} in the model: {text}"));
                found.push((index, sim::run(name, &calibration, seeds, scale, &mut say)));
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut found: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
        });
        found.sort_by_key(|(index, _)| *index);
        for (_, one) in found {
            results.extend(one?);
        }
        Ok(())
    }
}

/// Says beside each measured flush what the model says of it.
fn compare(results: &mut Results) {
    let recoveries = |mode: fn(Mode) -> bool, contender: Contender| {
        let own = results.verdicts.iter().filter(move |one| {
            one.experiment == "E1" && mode(one.mode) && one.contender == contender && one.variant.is_empty()
        });
        let mut seconds: Vec<f64> = own.filter_map(|one| one.recovery_s).collect();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied()
    };
    let mut notes = Vec::new();
    for contender in Contender::ALL {
        let modelled = recoveries(|mode| mode == Mode::Sim, contender);
        let measured = recoveries(|mode| mode != Mode::Sim, contender);
        if let (Some(modelled), Some(measured)) = (modelled, measured) {
            notes.push((contender, modelled, measured, measured / modelled.max(1.0)));
        }
    }
    for (contender, modelled, measured, factor) in notes {
        let is_flush = |one: &&mut crate::results::Verdict| {
            one.experiment == "E1" && one.mode != Mode::Sim && one.contender == contender && one.variant.is_empty()
        };
        let within = if (0.5..=2.0).contains(&factor) { "within" } else { "not within" };
        let text = format!(
            "; the model says {modelled:.0} s, the measurement {measured:.0} s: {within} a factor of two ({factor:.2})"
        );
        for verdict in results.verdicts.iter_mut().filter(is_flush).filter(|one| one.outcome == Outcome::Recovered) {
            verdict.note += &text;
            let key = verdict.key();
            results.points.push(Point::new(&key, ("", 0.0), ("", 0.0), "measured_recovery_over_model", factor, "1"));
        }
    }
}
