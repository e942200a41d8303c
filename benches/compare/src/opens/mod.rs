//! W4: kill -9, open, read: how long until the first complete read, and whether the reads after it are as fast as ever.
//!
//! A child process loads the rows, settles, and commits batches of ten rows as fast as it can until it is killed. Then another child opens what is left
//! and reads, goes on committing, and is killed in its turn. What was acknowledged before a kill has to be there after it. Files are in the system's
//! cache, or written out and dropped from it before the child starts. Our rows stand in a table and in a view; those of the stores in one table.
//!
//! Engines without files of their own are given their rows in memory and rebuild the view from them; Redis reads its log.

mod rebuild;
mod redis;
mod served;

use crate::child::{Part, Running};
use crate::kv::Engine;
use crate::process::drop_from_cache;
use crate::report::Report;
use crate::workload::{Failure, Outcome, Scale, Workload};
use std::path::Path;
use std::time::{Duration, Instant};

pub const WORKLOAD: Workload = Workload {
    name: "w4",
    about: "kill -9 while committing, then open, the first complete read, and the thousand after it",
    run,
};

/// The parts that children play.
pub const PARTS: [Part; 3] = [served::PART, rebuild::DIFFERENTIAL, rebuild::DBSP];

/// How long a child commits before it is killed; a bit longer each time, so that kills hit different moments.
const COMMITS_FOR: Duration = Duration::from_millis(2_000);
const LONGER_EACH_TIME: Duration = Duration::from_millis(370);

/// Reads right after the first one, and reads that make a steady state and then measure it.
const NEXT_READS: u64 = 1_000;
const STEADY_READS: u64 = 100_000;

/// Where the files are when a child opens them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cache {
    Warm,
    Dropped,
}

impl Cache {
    fn name(self) -> &'static str {
        match self {
            Cache::Warm => "files in cache",
            Cache::Dropped => "files dropped (fadvise)",
        }
    }
}

/// What a child measured after it had opened. Times in nanoseconds.
#[derive(Debug, Clone, Default)]
struct Opened {
    open: f64,
    first_read: f64,
    next_p99: f64,
    steady_p99: Option<f64>,
}

impl Opened {
    fn to_line(&self) -> String {
        serde_json::json!([self.open, self.first_read, self.next_p99, self.steady_p99]).to_string()
    }

    fn from_line(line: &str) -> Result<Opened, Failure> {
        let (open, first_read, next_p99, steady_p99) = serde_json::from_str(line)?;
        Ok(Opened { open, first_read, next_p99, steady_p99 })
    }
}

/// Adds the figures of some rounds.
fn add(report: &mut Report, case: &str, contender: &'static str, rounds: &[Opened]) {
    let mut figure = |name: &str, unit, of: &dyn Fn(&Opened) -> Option<f64>| {
        report.add("W4", &format!("{case}, {name}"), contender, unit, false, rounds.iter().filter_map(of).collect());
    };
    figure("open", "ms", &|opened| Some(opened.open / 1e6));
    figure("open and first read", "ms", &|opened| Some((opened.open + opened.first_read) / 1e6));
    figure("first read", "us", &|opened| Some(opened.first_read / 1e3));
    figure("p99 of the next 1,000", "us", &|opened| Some(opened.next_p99 / 1e3));
    figure("p99 in steady state", "us", &|opened| Some(opened.steady_p99? / 1e3));
}

fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let sizes = match (scale.rows, scale.quick) {
        (Some(rows), _) => vec![rows],
        (None, true) => vec![10_000, 100_000],
        (None, false) => vec![100_000, 1_000_000, 10_000_000],
    };
    let caches =
        if scale.quick { [(Cache::Warm, 2), (Cache::Dropped, 1)] } else { [(Cache::Warm, 3), (Cache::Dropped, 2)] };
    for rows in sizes {
        for engine in Engine::DURABLE.into_iter().filter(|engine| scale.includes(engine.name())) {
            kill_and_open(report, engine, rows, &caches)?;
        }
        for part in [&rebuild::DIFFERENTIAL, &rebuild::DBSP] {
            if scale.includes(part.name) {
                let line = Running::start(part, &[&rows.to_string()])?.answer()?;
                add(report, &case(rows, Cache::Warm), part.name, &[Opened::from_line(&line)?]);
            }
        }
        if scale.includes(redis::NAME) {
            redis::run(report, rows, &case(rows, Cache::Warm))?;
        }
    }
    Ok(())
}

fn case(rows: u64, cache: Cache) -> String {
    format!("{rows} rows, {}", cache.name())
}

/// All rounds of one store at one size.
fn kill_and_open(report: &mut Report, engine: Engine, rows: u64, caches: &[(Cache, usize)]) -> Outcome {
    let directory = tempfile::tempdir()?;
    let start = Instant::now();
    let mut child = serve(engine, directory.path(), rows, 0, Cache::Warm)?;
    report.setting(engine.name(), &child.answer()?);
    eprintln!("W4 {rows} rows, {}: loaded in {:.1} s", engine.name(), start.elapsed().as_secs_f64());
    let mut wait = COMMITS_FOR;
    let mut acknowledged = commit_and_kill(child, wait, 0)?;
    for &(cache, rounds) in caches {
        let mut opened = Vec::new();
        for _ in 0..rounds {
            if cache == Cache::Dropped {
                drop_from_cache(directory.path())?;
            }
            let mut child = serve(engine, directory.path(), rows, acknowledged, cache)?;
            opened.push(Opened::from_line(&child.answer()?)?);
            wait += LONGER_EACH_TIME;
            acknowledged = commit_and_kill(child, wait, acknowledged)?;
        }
        add(report, &case(rows, cache), engine.name(), &opened);
    }
    Ok(())
}

fn serve(engine: Engine, directory: &Path, rows: u64, acknowledged: u64, cache: Cache) -> Result<Running, Failure> {
    let directory = directory.to_str().ok_or("the name of the directory is no text")?;
    let steady = if cache == Cache::Warm { "steady" } else { "first" };
    Running::start(&served::PART, &[engine.name(), directory, &rows.to_string(), &acknowledged.to_string(), steady])
}

/// Lets the child commit for a while, kills it, and returns the last batch that it had acknowledged.
fn commit_and_kill(mut child: Running, commits_for: Duration, before: u64) -> Result<u64, Failure> {
    let start = Instant::now();
    let mut last = before;
    while start.elapsed() < commits_for {
        last = child.answer()?.parse()?;
    }
    child.kill()?.last().map_or(Ok(last), |line| Ok(line.parse()?))
}
