//! What the command's words stand for: which experiments are measured, which are simulated, in which order, and what is
//! written when they are done.
//!
//! Real stores come first, because the model is fed with what they measured. While they run, nothing else does; the model's
//! experiments then run on all processors, each on one. What an experiment found is written when it is done, so that a
//! session that fails or is interrupted leaves a report of what it came to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use parking_lot::Mutex;

use crate::findings::Findings;
use crate::progress::Meter;
use crate::real::bench::{Bench, Scale, Servers};
use crate::real::{calibrate, experiments};
use crate::results::{Contender, Mode, Outcome, Point, Results};
use crate::{report, sim};

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

/// Experiments that a quick look measures: what is claimed most, what is stale, and where we could be metastable.
const QUICK: [&str; 3] = ["E1", "E6", "E9"];

/// About how many seconds an experiment is measured: with its first seed, and with each further one.
type Cost = (&'static str, f64, f64);
const QUICK_COSTS: [Cost; 10] = [
    ("E1", 74.0, 74.0),
    ("E2", 234.0, 234.0),
    ("E3", 250.0, 250.0),
    ("E4", 290.0, 290.0),
    ("E5", 83.0, 83.0),
    ("E6", 16.0, 16.0),
    ("E7", 165.0, 165.0),
    ("E8", 40.0, 0.0),
    ("E9", 20.0, 12.0),
    ("E10", 80.0, 80.0),
];
const FULL_COSTS: [Cost; 10] = [
    ("E1", 295.0, 110.0),
    ("E2", 325.0, 325.0),
    ("E3", 275.0, 275.0),
    ("E4", 450.0, 450.0),
    ("E5", 330.0, 330.0),
    ("E6", 210.0, 210.0),
    ("E7", 285.0, 285.0),
    ("E8", 120.0, 0.0),
    ("E9", 280.0, 255.0),
    ("E10", 350.0, 350.0),
];
/// About how long filling the stores and measuring them takes, and all of the model.
const QUICK_REST_S: (f64, f64) = (28.0, 34.0);
const FULL_REST_S: (f64, f64) = (58.0, 60.0);

/// An experiment to be measured, about how long that takes, and with which seeds.
#[derive(Debug)]
struct Part {
    experiment: &'static str,
    seconds: f64,
    seeds: Vec<u64>,
}

impl Part {
    fn new((experiment, first, more): Cost, seeds: Vec<u64>) -> Part {
        Part { experiment, seconds: first + more * seeds.len().saturating_sub(1) as f64, seeds }
    }

    fn name(&self) -> String {
        format!("{}, measured", self.experiment)
    }
}

/// Some experiments measured, all of them simulated.
pub fn quick(session: &Session) -> Result<String, Error> {
    let costs = QUICK_COSTS.into_iter().filter(|cost| QUICK.contains(&cost.0));
    let parts: Vec<Part> = costs.map(|cost| Part::new(cost, session.seeds_or(&SEEDS[..1]))).collect();
    both(session, &parts, QUICK_REST_S)
}

/// Everything, measured and simulated.
pub fn full(session: &Session) -> Result<String, Error> {
    both(session, &full_parts(session), FULL_REST_S)
}

fn full_parts(session: &Session) -> Vec<Part> {
    let part = |cost: Cost| {
        // What is claimed most has all seeds, and what is a probability has some.
        let usual = match cost.0 {
            "E1" => &SEEDS[..],
            "E3" => &SEEDS[..3],
            _ => &SEEDS[..1],
        };
        Part::new(cost, session.seeds_or(usual))
    };
    FULL_COSTS.into_iter().map(part).collect()
}

/// One experiment with real stores.
pub fn real(session: &Session, name: &str) -> Result<String, Error> {
    let (costs, rest) = if session.fine { (FULL_COSTS, FULL_REST_S) } else { (QUICK_COSTS, QUICK_REST_S) };
    let costs = costs.into_iter().filter(|cost| cost.0 == name);
    let parts: Vec<Part> = costs.map(|cost| Part::new(cost, session.seeds_or(&SEEDS[..1]))).collect();
    let mut meter = Meter::new(rest.0 + parts.iter().map(|part| part.seconds).sum::<f64>());
    session.finish(|findings| session.measure(&parts, rest.0, findings, &mut meter))
}

/// One experiment in the model, fed with what an earlier session measured.
pub fn model(session: &Session, name: &str, calibration: Option<&Path>) -> Result<String, Error> {
    let mut meter = Meter::new(10.0);
    session.finish(|findings| {
        if let Some(directory) = calibration {
            findings.results.calibration = Results::read(directory)?.calibration;
        }
        session.simulate(&[name], findings, &mut meter)
    })
}

fn both(session: &Session, parts: &[Part], rest: (f64, f64)) -> Result<String, Error> {
    let measured: f64 = parts.iter().map(|part| part.seconds).sum();
    let mut meter = Meter::new(rest.0 + measured + rest.1);
    session.finish(|findings| {
        findings.plan(sim::EXPERIMENTS.map(in_the_model));
        session.measure(parts, rest.0, findings, &mut meter)?;
        meter.begin("the model, E1 to E10", rest.1);
        session.simulate(&sim::EXPERIMENTS, findings, &mut meter)?;
        compare(&mut findings.results);
        meter.end();
        Ok(())
    })
}

fn in_the_model(experiment: &str) -> String {
    format!("{experiment} in the model")
}

impl Session {
    fn seeds_or(&self, usual: &[u64]) -> Vec<u64> {
        if self.seeds.is_empty() { usual.to_vec() } else { self.seeds.clone() }
    }

    /// Runs, and writes what was found even if it did not come to its end.
    fn finish(&self, run: impl FnOnce(&mut Findings<'_>) -> Result<(), Error>) -> Result<String, Error> {
        let mut findings = Findings::new(self)?;
        let ended = run(&mut findings);
        let page = findings.write()?;
        ended?;
        let (summary, seconds) = (report::summary(&findings.results), findings.seconds());
        Ok(format!("{summary}\nit took {seconds:.0} s; the report is {}", page.display()))
    }

    /// What all contenders have in common.
    pub(crate) fn settings(&self) -> Vec<(String, String, String)> {
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
                if scale.thorough {
                    "in E1 with its first seed, and where the working set moves; elsewhere a run's own steady state"
                } else {
                    "none; a run's own steady state"
                }
                .to_owned(),
            ),
        ]
        .into_iter()
        .map(|(name, value)| (String::new(), name.to_owned(), value))
        .collect()
    }

    /// Fills the stores, measures the capacity, and makes the experiments; each is written when it is done.
    fn measure(
        &self,
        parts: &[Part],
        calibration_s: f64,
        findings: &mut Findings<'_>,
        meter: &mut Meter,
    ) -> Result<(), Error> {
        let place = tempfile::Builder::new().prefix("stores-").tempdir_in(&self.out);
        let directory = place.map_err(|error| Error::Directory(self.out.clone(), error))?;
        let mut bench = Bench::new(self.scale, directory.path(), self.servers.clone());
        bench.program.clone_from(&self.program);
        findings.plan(parts.iter().map(Part::name));
        let filling = "filling the stores and measuring them";
        meter.begin(filling, calibration_s);
        calibrate::run(&mut bench, &mut findings.results, &mut |text| meter.say(text))?;
        findings.done(filling)?;
        for part in parts {
            meter.begin(&part.name(), part.seconds);
            let mut say = |text: &str| meter.say(text);
            experiments::run(part.experiment, &mut bench, &part.seeds, &mut findings.results, &mut say)?;
            findings.done(&part.name())?;
        }
        Ok(())
    }

    /// Runs experiments in the model, on all processors; each is written when it and those before it are done.
    fn simulate(&self, names: &[&str], findings: &mut Findings<'_>, meter: &mut Meter) -> Result<(), Error> {
        let calibration = sim::Calibration::from_lines(&findings.results.calibration);
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
        let (sender, receiver) = channel();
        let work = |sender: Sender<(usize, sim::Found)>| {
            while let Some((index, (name, seeds))) = task(&tasks, &next) {
                let mut say = |text: &str| meter.lock().say(&format!("{name} in the model: {text}"));
                let found = sim::run(name, &calibration, seeds, scale, &mut say);
                // Nobody receives any more if the results could not be written.
                if sender.send((index, found)).is_err() {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                let sender = sender.clone();
                scope.spawn(|| work(sender));
            }
            drop(sender);
            for (index, found) in in_order(receiver) {
                findings.results.extend(found?);
                let name = tasks[index].0;
                if tasks.get(index + 1).is_none_or(|following| following.0 != name) {
                    findings.done(&in_the_model(name))?;
                }
            }
            Ok(())
        })
    }
}

/// The next task that nobody has taken.
fn task<T: Copy>(tasks: &[T], next: &AtomicUsize) -> Option<(usize, T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, *tasks.get(index)?))
}

/// What arrives in any order, in the order of its numbers.
fn in_order<T>(received: impl IntoIterator<Item = (usize, T)>) -> impl Iterator<Item = (usize, T)> {
    let (mut received, mut early) = (received.into_iter(), BTreeMap::new());
    (0..).map_while(move |index| {
        while !early.contains_key(&index) {
            let (number, value) = received.next()?;
            early.insert(number, value);
        }
        Some((index, early.remove(&index)?))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn session(out: &Path, scale: Scale) -> Session {
        let (command, out, program) = ("a test".to_owned(), out.to_owned(), None);
        Session { command, out, seeds: Vec::new(), scale, fine: false, servers: None, program }
    }

    #[test]
    fn everything_takes_about_an_hour() {
        let parts = full_parts(&session(Path::new("nowhere"), Scale::full()));
        let names: Vec<&str> = parts.iter().map(|part| part.experiment).collect();
        assert_eq!(names, experiments::NAMES);
        let seconds = parts.iter().map(|part| part.seconds).sum::<f64>() + FULL_REST_S.0 + FULL_REST_S.1;
        assert!((3_300.0..4_200.0).contains(&seconds), "{seconds}");
    }

    #[test]
    fn what_arrives_in_any_order_is_taken_in_its_own() {
        let numbers = |received: Vec<(usize, char)>| in_order(received).map(|one| one.1).collect::<String>();
        assert_eq!(numbers(vec![(2, 'c'), (0, 'a'), (1, 'b')]), "abc");
        assert_eq!(numbers(vec![(2, 'c'), (0, 'a')]), "a");
    }

    /// The second experiment is none, so that the session ends as if it had been interrupted there.
    #[test]
    fn a_session_that_ends_early_has_written_what_it_came_to() {
        let out = tempfile::tempdir().unwrap();
        let session = session(out.path(), Scale::tiny());
        let parts = ["E6", "E0"].map(|experiment| Part { experiment, seconds: 1.0, seeds: vec![1] });
        let mut findings = Findings::new(&session).unwrap();
        session.measure(&parts, 1.0, &mut findings, &mut Meter::new(1.0)).unwrap_err();
        drop(findings);
        let page = report::write(out.path()).unwrap();
        let results = Results::read(out.path()).unwrap();
        assert!(results.verdicts.iter().any(|verdict| verdict.experiment == "E6"));
        assert_eq!(results.run.unwrap().missing, ["E0, measured"]);
        assert!(std::fs::read_to_string(page).unwrap().contains("Not finished: E0, measured."));
    }
}
