//! W2: point reads by key on a view, and short scans, while the store is idle and while rows are changed.
//!
//! Keys of 16 bytes and texts of 84; the same rows loaded in the same shuffled order, the same keys read in the same order. One contender is in memory
//! at a time. Each is opened durable: its changes under load are synced, its bulk load need not be. Before anything is timed every contender has
//! settled, has been scanned once from end to end, and a sample of its rows has been compared; after the changes, every changed row is.

mod keys;
pub mod measure;

use crate::kv::{Engine, Freshness, Key, Sizing, Store, key, shuffled, verify};
use crate::report::Report;
use crate::workload::{Failure, Scale, Workload};
use keys::Distribution;
use measure::{Kind, Pass, Times};
use std::collections::HashMap;
use std::time::Instant;

pub const WORKLOAD: Workload = Workload {
    name: "w2",
    about: "point reads and scans of 100 rows by key on a view, idle and while 20,000 changes a second are committed",
    run,
};

const SCAN_ROWS: usize = 100;

/// How much is read.
struct Effort {
    /// Keys of a round of point reads.
    points: usize,
    /// Keys of a round of scans.
    scans: usize,
    rounds: usize,
    seconds_under_load: f64,
}

const FULL: Effort = Effort { points: 250_000, scans: 10_000, rounds: 3, seconds_under_load: 5.0 };
const QUICK: Effort = Effort { points: 100_000, scans: 2_000, rounds: 2, seconds_under_load: 2.0 };

/// One way to read a contender.
struct Variant {
    name: &'static str,
    freshness: Freshness,
}

fn variants(engine: Engine) -> Vec<Variant> {
    let mut variants = vec![Variant { name: engine.name(), freshness: Freshness::EachRead }];
    let held = match engine {
        Engine::Lmdb => Some("LMDB (1,000 reads a transaction)"),
        Engine::Redb => Some("redb (1,000 reads a transaction)"),
        Engine::Sqlite => Some("SQLite (1,000 reads a transaction)"),
        Engine::Ours => Some("monostable (1,000 reads a snapshot)"),
        _ => None,
    };
    variants.extend(held.map(|name| Variant { name, freshness: Freshness::EachThousand }));
    variants
}

fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let sizes = match (scale.rows, scale.quick) {
        (Some(rows), _) => vec![rows],
        (None, true) => vec![100_000],
        (None, false) => vec![1_000_000, 10_000_000],
    };
    for rows in sizes {
        let order = shuffled(rows);
        let draws: Vec<(Distribution, Vec<Key>)> =
            Distribution::ALL.into_iter().map(|which| (which, which.keys(rows, draws_count(scale)))).collect();
        for engine in Engine::ALL.into_iter().filter(|engine| scale.includes(engine.name())) {
            Round { report, scale, engine, rows, draws: &draws }.run(&order)?;
        }
    }
    Ok(())
}

fn effort(scale: &Scale) -> &'static Effort {
    if scale.quick { &QUICK } else { &FULL }
}

/// Draws for all rounds.
fn draws_count(scale: &Scale) -> usize {
    effort(scale).points * effort(scale).rounds
}

/// Everything about one contender at one size.
struct Round<'a> {
    report: &'a mut Report,
    scale: &'a Scale,
    engine: Engine,
    rows: u64,
    draws: &'a [(Distribution, Vec<Key>)],
}

impl Round<'_> {
    fn run(mut self, order: &[u32]) -> Result<(), Failure> {
        let name = self.engine.name();
        let directory = tempfile::tempdir()?;
        let store = self.engine.open(directory.path(), Sizing { rows: self.rows, durable: true })?;
        self.report.setting(name, &store.settings());
        let start = Instant::now();
        store.load(order)?;
        store.settle()?;
        eprintln!("W2 {} rows, {name}: loaded and settled in {:.1} s", self.rows, start.elapsed().as_secs_f64());
        warm_up(&*store, self.engine, self.rows)?;
        verify(&*store, order.iter().take(20_000).map(|index| (u64::from(*index), 0)))?;
        self.measure_idle(&*store)?;
        self.measure_under_load(&*store)
    }

    fn case(&self, kind: Kind, distribution: Distribution, threads: usize, load: &str) -> String {
        let what = match kind {
            Kind::Point => "point".to_string(),
            Kind::Scan(rows) => format!("scan of {rows}"),
        };
        format!("{} rows, {what}, {}, {threads} thread(s), {load}", self.rows, distribution.name())
    }

    /// What is measured: point reads in all combinations, scans from random keys on one thread.
    fn passes(&self) -> Vec<(Kind, Distribution, usize)> {
        let both = [1, 2];
        let points = Distribution::ALL.into_iter().flat_map(|which| both.map(|threads| (Kind::Point, which, threads)));
        let scan = (Kind::Scan(SCAN_ROWS), Distribution::Uniform, 1);
        points.chain(Some(scan).filter(|_| self.engine.is_ordered())).collect()
    }

    fn keys(&self, distribution: Distribution, kind: Kind, round: usize) -> &[Key] {
        let effort = effort(self.scale);
        let count = if kind == Kind::Point { effort.points } else { effort.scans };
        let drawn = self.draws.iter().find(|(which, _)| *which == distribution);
        drawn.map_or(&[], |(_, keys)| &keys[round * count..(round + 1) * count])
    }

    fn measure_idle(&mut self, store: &dyn Store) -> Result<(), Failure> {
        for (kind, distribution, threads) in self.passes() {
            let case = self.case(kind, distribution, threads, "idle");
            for variant in variants(self.engine) {
                let rounds: Vec<Times> = (0..effort(self.scale).rounds)
                    .map(|round| {
                        let keys = self.keys(distribution, kind, round);
                        measure::idle(store, Pass { kind, freshness: variant.freshness, threads, keys })
                    })
                    .collect::<Result<_, Failure>>()?;
                add(self.report, &case, variant.name, &rounds);
            }
        }
        Ok(())
    }

    fn measure_under_load(&mut self, store: &dyn Store) -> Result<(), Failure> {
        let seconds = effort(self.scale).seconds_under_load;
        let mut versions = HashMap::new();
        for (kind, distribution, threads) in self.passes() {
            let case = self.case(kind, distribution, threads, "20 k changes/s");
            for variant in variants(self.engine) {
                let keys = self.keys(distribution, kind, 0);
                let pass = Pass { kind, freshness: variant.freshness, threads, keys };
                let (times, written) = measure::under_load(store, pass, self.rows, seconds, versions)?;
                add(self.report, &case, variant.name, &[times]);
                let rate = vec![written.changes_per_second];
                self.report.add("W2", &format!("{case}, committed"), variant.name, "changes/s", true, rate);
                versions = written.versions;
            }
        }
        verify(store, versions.iter().map(|(index, version)| (*index, *version)))
    }
}

/// Touches everything once, so that no figure holds the first touch of a page.
fn warm_up(store: &dyn Store, engine: Engine, rows: u64) -> Result<(), Failure> {
    store.read(Freshness::EachThousand, &mut |reader| {
        if engine.is_ordered() {
            let (count, _) = reader.scan(b"key-000000000000", usize::MAX)?;
            if count as u64 != rows {
                return Err(format!("{} has {count} rows instead of {rows}", engine.name()).into());
            }
        }
        for index in 0..rows {
            if reader.get(&key(index))?.is_none() {
                return Err(format!("{} has lost row {index}", engine.name()).into());
            }
        }
        Ok(())
    })
}

fn add(report: &mut Report, case: &str, contender: &'static str, rounds: &[Times]) {
    let mut figure = |name: &str, unit, higher, of: &dyn Fn(&Times) -> f64| {
        report.add("W2", &format!("{case}, {name}"), contender, unit, higher, rounds.iter().map(of).collect());
    };
    figure("mean", "ns", false, &|times| times.mean);
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        figure(name, "ns", false, &|times| times.histogram.value_at_quantile(quantile) as f64);
    }
    figure("max", "ns", false, &|times| times.histogram.max() as f64);
    figure("throughput", "reads/s", true, &|times| times.reads_per_second);
}
