//! E10: what each contender costs, over the share of writes, the skew and the number of keys: processor time for each
//! request, memory, bytes written for each byte changed, and the time to build it. Losses are printed like wins.
//!
//! Every contender carries the same load, which the backend with a warm cache carries easily. Memory is what the process
//! has grown by since before the store was opened; an allocator that kept memory of an earlier run makes it too small, for
//! whoever ran later, and so it is measured in an order that changes with the seed.

use std::time::Instant;

use super::{Entrant, Progress, make, verdict};
use crate::random::Skew;
use crate::real::bench::{Bench, Scale};
use crate::real::clock::SECOND;
use crate::real::error::Result;
use crate::real::store::{self, Form};
use crate::results::{Contender, Key, Outcome, Point, Results};

/// Offered load over the usual one, and that of the backend alone, which cannot carry as much.
const LOAD: f64 = 0.2;
const LOAD_ALONE: f64 = 0.05;
const SECONDS: u64 = 3;

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let whole = bench.scale.workload.keys;
    let usual = bench.scale;
    for keys in [whole, whole / 4] {
        let mut workload = usual.workload;
        workload.keys = keys.max(1);
        let mut sized = bench.sized(Scale { workload, ..usual });
        for &seed in seeds {
            sweep(&mut sized, seed, results, progress)?;
        }
        if !bench.scale.thorough {
            break;
        }
    }
    Ok(())
}

fn sweep(bench: &mut Bench, seed: u64, results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let mut contenders = vec![Contender::A0, Contender::A2, Contender::B1];
    // PostgreSQL's processor time is not known to us, and so what V costs beside it would not be either.
    if !bench.uses_servers() {
        contenders.push(Contender::V);
    }
    let turn = seed as usize % contenders.len();
    contenders.rotate_left(turn);
    for &contender in &contenders {
        build(bench, contender, seed, results, progress)?;
    }
    let skews: &[Skew] =
        if bench.scale.thorough { &[Skew::Uniform, Skew::Zipf(0.99), Skew::Zipf(1.3)] } else { &[Skew::Zipf(0.99)] };
    let shares: &[f64] = if bench.scale.thorough { &[0.01, 0.1, 0.5] } else { &[0.01, 0.5] };
    for &skew in skews {
        bench.scale.skew = skew;
        bench.capacity = bench.measure_reads(Form::Query)?;
        for &share in shares {
            for &contender in &contenders {
                one(bench, contender, (skew, share), seed, results, progress)?;
            }
        }
    }
    Ok(())
}

fn variant(bench: &Bench) -> String {
    format!("{} keys", bench.scale.workload.keys)
}

fn key_of(bench: &Bench, contender: Contender, seed: u64) -> Key {
    Key { variant: variant(bench), ..Entrant::new(contender, bench).key("E10", seed, bench) }
}

/// Fills a store of its own, and says how long it took and how large it is.
fn build(bench: &Bench, contender: Contender, seed: u64, results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let form = Entrant::new(contender, bench).form;
    if bench.uses_servers() || contender == Contender::A2 {
        return Ok(());
    }
    progress(&format!("E10 {contender}: building {}", variant(bench)));
    let directory = bench.run_directory();
    bench.clear_run()?;
    let began = Instant::now();
    store::build(form, bench.scale.workload, &directory)?;
    let key = key_of(bench, contender, seed);
    let nothing = ("", 0.0);
    results.points.push(Point::new(&key, nothing, nothing, "build_time", began.elapsed().as_secs_f64(), "s"));
    results.points.push(Point::new(&key, nothing, nothing, "disk_size", store::size(&directory)? as f64, "bytes"));
    Ok(())
}

fn one(
    bench: &mut Bench,
    contender: Contender,
    (skew, share): (Skew, f64),
    seed: u64,
    results: &mut Results,
    progress: Progress<'_>,
) -> Result<()> {
    let entrant = Entrant::new(contender, bench);
    let key = key_of(bench, contender, seed);
    let rate = if contender == Contender::A0 { LOAD_ALONE } else { LOAD } * bench.rate();
    let mut load = bench.load(rate, seed);
    load.write_shares = vec![share];
    load.duration = SECONDS.min(bench.scale.seconds.0 + bench.scale.seconds.1) * SECOND;
    let ran = make(bench, &entrant.plan(load), &key, &format!("{share} writes, skew {skew}"), progress)?;
    let found = verdict(&key, &ran, bench);
    if found.outcome == Outcome::Rejected {
        return Ok(());
    }
    let requests = ran.record.offers().iter().sum::<u64>().max(1) as f64;
    let (x, y) = (("write_share", share), ("skew", skew.exponent()));
    let mut say = |metric, value: Option<f64>, unit| {
        results.points.extend(value.map(|value| Point::new(&key, x, y, metric, value, unit)));
    };
    say("cpu_for_each_request", Some(ran.cpu_seconds / requests * 1e6), "us");
    say("memory", ran.resident_grown_bytes.map(|bytes| bytes as f64), "bytes");
    say("write_amplification", found.write_amplification, "1");
    say("goodput_share", ran.record.good_share(0..ran.record.offers().len()), "1");
    Ok(())
}
