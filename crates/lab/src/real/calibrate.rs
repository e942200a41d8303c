//! What is measured before anything else: the backend's capacity M, and the times that the model is fed with.

use std::time::Instant;

use super::bench::{Bench, TIMEOUT};
use super::cache::Entry;
use super::clock::{SECOND, now};
use super::error::Result;
use super::experiments::Progress;
use super::store::Form;
use super::workload::{Page, PageRow};
use crate::random::Random;
use crate::results::{Calibration, Contender, Key, Mode, Results};

/// Hits between two looks at the clock.
const HITS: u64 = 1_000;

/// Events that are written in one transaction to tell what each of them costs from what the transaction does.
const GROUP: u64 = 64;

/// Measures, and tells the bench its capacity.
pub fn run(bench: &mut Bench, results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let servers = bench.uses_servers();
    let mut say = |contender, name: &str, value: f64, unit: &str| {
        results.calibration.push(line(servers, contender, name, value, unit));
    };
    progress("filling the backend, and measuring its capacity M");
    let began = Instant::now();
    bench.template(Form::Query)?;
    say(Contender::A0, "build_seconds", began.elapsed().as_secs_f64(), "s");
    let capacity = bench.measure_reads(Form::Query)?;
    say(Contender::A0, "capacity", capacity, "1/s");
    say(Contender::A0, "miss_service_mean", bench.scale.workers as f64 / capacity, "s");
    say(Contender::A0, "write_service_mean", bench.measure_writes(Form::Query, 1)?, "s");
    for (contender, form) in [(Contender::B1, Form::Summary), (Contender::V, Form::View)] {
        progress(&format!("filling {contender}, and measuring its reads and writes"));
        let began = Instant::now();
        bench.template(form)?;
        say(contender, "build_seconds", began.elapsed().as_secs_f64(), "s");
        say(contender, "read_service_mean", bench.scale.workers as f64 / bench.measure_reads(form)?, "s");
        let alone = bench.measure_writes(form, 1)?;
        if form == Form::View {
            // Of a commit alone, what does not grow with the events is the sync; it is shared by a group of commits.
            let group = bench.measure_writes(form, GROUP)?;
            let each = ((group - alone) / (GROUP - 1) as f64).max(0.0);
            say(contender, "commit_mean", alone, "s");
            say(contender, "write_service_mean", each, "s");
            say(contender, "sync_mean", (alone - each).max(0.0), "s");
        } else {
            say(contender, "write_service_mean", alone, "s");
        }
    }
    say(Contender::A1, "hit_service_mean", hit_seconds(bench)?, "s");
    bench.capacity = capacity;
    let scale = bench.scale;
    say(Contender::A1, "cache_keys", bench.cache().entries as f64, "1");
    say(Contender::A0, "workers", scale.workers as f64, "1");
    say(Contender::A0, "cores", std::thread::available_parallelism().map_or(1, usize::from) as f64, "1");
    say(Contender::A0, "keys", scale.workload.keys as f64, "1");
    say(Contender::A0, "skew", scale.skew.exponent(), "1");
    say(Contender::A0, "write_share", scale.write_share, "1");
    say(Contender::A0, "offered_rate", bench.rate(), "1/s");
    say(Contender::A0, "refill_keys", bench.refill_seconds(bench.rate()) * capacity, "1");
    say(Contender::A0, "refill_time", bench.refill_seconds(bench.rate()), "s");
    say(Contender::A0, "ttl", scale.ttl as f64 / SECOND as f64, "s");
    say(Contender::A0, "timeout", TIMEOUT as f64 / SECOND as f64, "s");
    say(Contender::A0, "staleness_bound", scale.staleness as f64 / SECOND as f64, "s");
    Ok(())
}

fn line(servers: bool, contender: Contender, name: &str, value: f64, unit: &str) -> Calibration {
    let mode = if servers { Mode::Server } else { Mode::Real };
    let key = Key { experiment: "calibration".into(), mode, contender, variant: String::new(), seed: 0 };
    Calibration::new(&key, name, value, unit)
}

/// The mean time of a lookup that hits, in the cache that the contenders use.
fn hit_seconds(bench: &Bench) -> Result<f64> {
    let plan = bench.cache();
    let cache = bench.make_cache(plan)?;
    let row = PageRow { name: "customer".into(), part: 1, amount: 1, count: 1 };
    let page = std::sync::Arc::new(Page { rows: vec![row; 12] });
    let keys = (plan.entries / 2).max(1);
    let expires = now() + bench.scale.ttl;
    for key in 0..keys {
        let entry = Entry { page: page.clone(), version: 0, expires, stale_since: None, cost: 1 };
        cache.fill(key, entry, None)?;
    }
    let mut random = Random::stream(0, 8);
    let (began, mut hits) = (Instant::now(), 0_u64);
    while began.elapsed() < bench.scale.measure {
        for _ in 0..HITS {
            cache.get(&[random.below(keys)])?;
        }
        hits += HITS;
    }
    let seconds = began.elapsed().as_secs_f64() / hits as f64;
    cache.clear()?;
    Ok(seconds)
}
