//! W3: durable commits of one row, by 1 to 256 writers at once.
//!
//! Each commit inserts a row of 100 bytes with a key that is new, and returns when it is on disk. The limit is what the same number of threads can sync
//! in the same run, on files of their own and on one file; the greater of the two is the machine's limit. A log that gathers commits can be above it.
//! Contenders take turns within each round. At the end, everything that was acknowledged has to be there.

mod pace;
mod raw;

use crate::kv::{Engine, Freshness, Sizing, Store, key, text, verify};
use crate::report::Report;
use crate::workload::{Failure, Scale, Workload};
use pace::{Pace, pace};
use raw::Files;
use std::sync::atomic::{AtomicU64, Ordering};

pub const WORKLOAD: Workload =
    Workload { name: "w3", about: "durable commits of one row of 100 bytes, by 1 to 256 writers at once", run };

const WRITERS: [usize; 4] = [1, 8, 64, 256];
const OWN_FILES: &str = "limit: fdatasync, a file for each";
const ONE_FILE: &str = "limit: fdatasync, one file";

/// A contender with its store, and how many rows it has.
struct Entrant {
    engine: Engine,
    store: Box<dyn Store>,
    rows: AtomicU64,
    _directory: tempfile::TempDir,
}

impl Entrant {
    fn new(engine: Engine, report: &Report) -> Result<Entrant, Failure> {
        let directory = tempfile::tempdir()?;
        let store = engine.open(directory.path(), Sizing { rows: 1_000_000, durable: true })?;
        report.setting(engine.name(), &store.settings());
        Ok(Entrant { engine, store, rows: AtomicU64::new(0), _directory: directory })
    }

    fn pace(&self, writers: usize, seconds: f64) -> Result<Pace, Failure> {
        pace(writers, seconds, |_, round| {
            let mut share = None;
            self.store.write(&mut |writer| {
                let committed = round.repeat(|| {
                    let index = self.rows.fetch_add(1, Ordering::Relaxed);
                    writer.commit(&[(key(index), text(index, 0))])
                })?;
                share = Some(committed);
                Ok(())
            })?;
            share.ok_or_else(|| "a store wrote nothing".into())
        })
    }

    /// Every commit was acknowledged before its round ended, so all rows are there, and no others.
    fn verify(&self) -> Result<(), Failure> {
        let rows = self.rows.load(Ordering::Relaxed);
        verify(&*self.store, (0..rows).map(|index| (index, 0)))?;
        self.store.read(Freshness::EachRead, &mut |reader| match reader.scan(b"key-000000000000", usize::MAX)?.0 as u64
        {
            found if found == rows => Ok(()),
            found => Err(format!("{} has {found} rows instead of {rows}", self.engine.name()).into()),
        })
    }
}

/// The rounds of one contender at one number of writers.
struct Line {
    contender: &'static str,
    rounds: Vec<Pace>,
}

impl Line {
    fn add_to(self, report: &mut Report, case: &str) {
        let figures = |of: &dyn Fn(&Pace) -> f64| self.rounds.iter().map(of).collect();
        report.add("W3", case, self.contender, "commits/s", true, figures(&|pace| pace.per_second));
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
            let micros = |pace: &Pace| pace.latency.value_at_quantile(quantile) as f64 / 1e3;
            report.add("W3", &format!("{case}, {name}"), self.contender, "us", false, figures(&micros));
        }
    }

    fn median(&self) -> f64 {
        let mut rates: Vec<f64> = self.rounds.iter().map(|pace| pace.per_second).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(0.0)
    }
}

fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let (rounds, seconds) = if scale.quick { (2, 0.7) } else { (3, 2.0) };
    let engines = Engine::DURABLE.into_iter().filter(|engine| scale.includes(engine.name()));
    let entrants: Vec<Entrant> = engines.map(|engine| Entrant::new(engine, report)).collect::<Result<_, Failure>>()?;
    for writers in WRITERS {
        run_writers(report, &entrants, writers, rounds, seconds)?;
    }
    entrants.iter().try_for_each(Entrant::verify)
}

fn run_writers(
    report: &mut Report,
    entrants: &[Entrant],
    writers: usize,
    rounds: usize,
    seconds: f64,
) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let (each, one) = (Files::each(directory.path(), writers)?, Files::one(directory.path())?);
    let line = |contender: &'static str| Line { contender, rounds: Vec::new() };
    let mut limits = [line(OWN_FILES), line(ONE_FILE)];
    let mut lines: Vec<Line> = entrants.iter().map(|entrant| line(entrant.engine.name())).collect();
    for _ in 0..rounds {
        limits[0].rounds.push(each.pace(writers, seconds)?);
        limits[1].rounds.push(one.pace(writers, seconds)?);
        for (line, entrant) in lines.iter_mut().zip(entrants) {
            line.rounds.push(entrant.pace(writers, seconds)?);
        }
    }
    // The table shows the first limit of a case beside each figure: the greater one.
    limits.sort_by(|a, b| b.median().total_cmp(&a.median()));
    let case = format!("{writers} writer(s)");
    lines.into_iter().chain(limits).for_each(|line| line.add_to(report, &case));
    Ok(())
}
