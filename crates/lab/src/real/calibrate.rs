//! What is measured before anything else: the backend's capacity M, and the times that the model is fed with.

use std::time::Instant;

use super::bench::{Bench, CachePlan};
use super::cache::{Cache, Entry, Local};
use super::clock::now;
use super::error::Result;
use super::experiments::Progress;
use super::random::Random;
use super::store::Form;
use super::workload::{Page, PageRow};
use crate::results::{Calibration, Contender, Key, Mode, Results};

/// Hits that are timed.
const HITS: u64 = 200_000;

/// Measures, and tells the bench its capacity.
pub fn run(bench: &mut Bench, results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let mut say = |contender, name: &str, value: f64, unit: &str| {
        results.calibration.push(line(bench.uses_servers(), contender, name, value, unit));
    };
    progress("filling the stores, and measuring the backend's capacity");
    let began = Instant::now();
    bench.template(Form::Query)?;
    say(Contender::A0, "build_seconds", began.elapsed().as_secs_f64(), "s");
    let capacity = bench.measure_reads(Form::Query)?;
    say(Contender::A0, "capacity", capacity, "1/s");
    say(Contender::A0, "miss_service_mean", bench.scale.workers as f64 / capacity, "s");
    say(Contender::A0, "write_service_mean", 1.0 / bench.measure_writes(Form::Query)?, "s");
    for (contender, form, what) in
        [(Contender::B1, Form::Summary, "summary_read_mean"), (Contender::V, Form::View, "view_read_mean")]
    {
        if bench.uses_servers() && form == Form::View {
            continue;
        }
        progress(&format!("filling {contender}, and measuring its reads and writes"));
        let began = Instant::now();
        bench.template(form)?;
        say(contender, "build_seconds", began.elapsed().as_secs_f64(), "s");
        say(contender, what, bench.scale.workers as f64 / bench.measure_reads(form)?, "s");
        let writes = if form == Form::View { "view_write_mean" } else { "summary_write_mean" };
        say(contender, writes, 1.0 / bench.measure_writes(form)?, "s");
    }
    say(Contender::A1, "hit_service_mean", hit_seconds(bench)?, "s");
    say(Contender::A0, "workers", bench.scale.workers as f64, "1");
    say(Contender::A0, "keys", bench.scale.workload.keys as f64, "1");
    say(Contender::A1, "cache_entries", bench.cache().entries as f64, "1");
    say(Contender::A0, "offered_rate", capacity * bench.scale.load_over_capacity, "1/s");
    say(Contender::A0, "ttl", bench.scale.ttl as f64 / 1e6, "s");
    bench.capacity = capacity;
    Ok(())
}

fn line(servers: bool, contender: Contender, name: &str, value: f64, unit: &str) -> Calibration {
    let mode = if servers { Mode::Server } else { Mode::Real };
    let key = Key { experiment: "calibration".into(), mode, contender, variant: String::new(), seed: 0 };
    Calibration {
        experiment: key.experiment,
        mode,
        contender,
        variant: key.variant,
        seed: key.seed,
        name: name.to_owned(),
        value,
        unit: unit.to_owned(),
    }
}

/// The mean time of a lookup that hits, in this process.
fn hit_seconds(bench: &Bench) -> Result<f64> {
    let CachePlan { entries, .. } = bench.cache();
    let cache = Local::new(entries, None)?;
    let row = PageRow { name: "customer".into(), part: 1, amount: 1, count: 1 };
    let page = std::sync::Arc::new(Page { rows: vec![row; 12] });
    for key in 0..entries / 2 {
        let entry = Entry { page: page.clone(), version: 0, expires: now() * 2, stale_since: None, cost: 1 };
        cache.fill(key, entry, None)?;
    }
    let mut random = Random::new(8);
    let began = Instant::now();
    for _ in 0..HITS {
        cache.get(&[random.below((entries / 2).max(1))])?;
    }
    Ok(began.elapsed().as_secs_f64() / HITS as f64)
}
