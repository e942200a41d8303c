//! E9: our own overload. More is written than the views can be kept up with, and then less again. This is where we could be
//! metastable ourselves.
//!
//! The capacity is measured first: what is committed while half as much again is offered as the same threads write when
//! they are alone. The client, the queue and the reads take their share of the processor in that run as in the others.
//! Then writes are offered at half of it, at a multiple of it for some seconds, and at half again, with a few reads beside
//! them. Two ways to be overloaded are shown: clients whose writes wait without end, so that all that was offered is written
//! in the end, and clients with a bounded queue, who are refused. The summary table's trigger is loaded in the same way, at
//! the same multiples of its own capacity.
//!
//! If there is one state only, the backlog is worked off in the time that the spare capacity needs for it, and everything
//! is as before. That time is what the verdict is compared with.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::{Entrant, Progress, make, met, record, recovered, verdict};
use crate::random::Random;
use crate::real::bench::{Bench, Ran, TIMEOUT};
use crate::real::clock::SECOND;
use crate::real::error::{Error, Result};
use crate::real::load::Load;
use crate::real::policy::{Mitigation, Policy};
use crate::results::{Contender, Key, Outcome, Point, Results};

/// Threads that write. Eight commits can share a sync.
const WRITERS: usize = 8;
/// How many measurements' time the capacity is measured for.
const MEASURES: u32 = 2;
/// How long more is offered than can be written, to see how much that is.
const PROBE_SECONDS: u64 = 3;
/// What is offered then, over what the threads write when they are alone.
const PROBE: f64 = 1.5;
/// The load of writes before and after, over the capacity.
const QUIET: f64 = 0.5;
/// How long more is written than can be carried, in seconds; and where there is little time.
const WAVE_S: u64 = 5;
const WAVE_SHORT_S: u64 = 2;
/// Reads per second beside the writes.
const READS: f64 = 500.0;

/// One load.
#[derive(Debug, Clone, Copy)]
struct Wave {
    over: f64,
    bounded: bool,
}

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let waves: &[Wave] = if bench.scale.thorough {
        &[
            Wave { over: 0.8, bounded: false },
            Wave { over: 1.0, bounded: false },
            Wave { over: 1.5, bounded: false },
            Wave { over: 2.0, bounded: false },
            Wave { over: 2.0, bounded: true },
        ]
    } else {
        &[Wave { over: 2.0, bounded: false }]
    };
    let mut contenders = vec![Contender::V];
    if bench.scale.thorough {
        contenders.push(Contender::B1);
    }
    for contender in contenders {
        progress(&format!("E9 {contender}: measuring how much can be written"));
        let entrant = Entrant::new(contender, bench).variant(String::new(), Policy::naive(0));
        let (burst, alone) = writes_per_second(bench, &entrant)?;
        let key = entrant.key("E9", 0, bench);
        let capacity = carried(bench, &entrant, &key, PROBE * alone, progress)?;
        results.points.push(Point::new(&key, ("", 0.0), ("", 0.0), "write_capacity_alone", alone, "1/s"));
        results.points.push(Point::new(&key, ("", 0.0), ("", 0.0), "write_capacity", capacity, "1/s"));
        results.points.push(Point::new(&key, ("", 0.0), ("", 0.0), "write_capacity_at_first", burst, "1/s"));
        for &seed in seeds {
            for &wave in waves {
                one(bench, contender, wave, capacity, seed, results, progress)?;
            }
        }
    }
    Ok(())
}

/// Writes per second that are committed while `offered` are offered, with the reads beside them.
fn carried(bench: &mut Bench, entrant: &Entrant, key: &Key, offered: f64, progress: Progress<'_>) -> Result<f64> {
    let mut load = bench.load(0.0, key.seed);
    load.duration = PROBE_SECONDS * SECOND;
    load.rates = vec![offered + READS; PROBE_SECONDS as usize];
    load.write_shares = vec![offered / (offered + READS); PROBE_SECONDS as usize];
    let mut plan = entrant.plan(load);
    plan.writers = WRITERS;
    let ran = make(bench, &plan, key, "write capacity", progress)?;
    // The last requests are waited for until they have timed out, and the queue is worked off for as long.
    Ok(ran.writes as f64 * SECOND as f64 / (PROBE_SECONDS * SECOND + TIMEOUT) as f64)
}

/// Transactions per second with all writers at once: at first, and in the second half of [`MEASURES`] measurements' time. The
/// two differ by what is put off, merging above all; what can be carried for long is the second.
fn writes_per_second(bench: &Bench, entrant: &Entrant) -> Result<(f64, f64)> {
    let store = bench.open(entrant.form)?;
    let (next, keys) = (AtomicU64::new(bench.scale.workload.first_event()), bench.scale.workload.keys);
    let writers = (0..WRITERS).map(|_| store.writer()).collect::<Result<Vec<_>>>()?;
    let (began, step) = (Instant::now(), bench.scale.measure);
    let counts = std::thread::scope(|scope| {
        let write = |(at, mut writer): (usize, Box<dyn crate::real::store::Writer>)| {
            let next = &next;
            scope.spawn(move || -> Result<[u64; MEASURES as usize]> {
                let (mut random, mut counts) = (Random::stream(at as u64, 9), [0; MEASURES as usize]);
                loop {
                    writer.write(next.fetch_add(1, Ordering::Relaxed), random.below(keys))?;
                    let at = (began.elapsed().as_secs_f64() / step.as_secs_f64()) as usize;
                    match counts.get_mut(at) {
                        Some(count) => *count += 1,
                        None => return Ok(counts),
                    }
                }
            })
        };
        let threads: Vec<_> = writers.into_iter().enumerate().map(write).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<[u64; MEASURES as usize]>>| {
            thread.join().unwrap_or(Err(Error::Ended("a writer")))
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    let rate = |steps: std::ops::Range<u32>| {
        let seconds = step.as_secs_f64() * f64::from(steps.end - steps.start);
        counts.iter().flat_map(|counts| &counts[steps.start as usize..steps.end as usize]).sum::<u64>() as f64 / seconds
    };
    Ok((rate(0..1), rate(MEASURES / 2..MEASURES)))
}

/// Seconds before the wave, of it, and after it: twice what theory wants for the backlog, because merging that was put off is
/// caught up with at the same time, and some to see that it stays.
fn seconds(bench: &Bench, wave: Wave) -> (u64, u64, u64) {
    let before = bench.scale.seconds.0.clamp(2, 10);
    let during = if bench.scale.thorough { WAVE_S } else { WAVE_SHORT_S };
    let drained = drain_seconds(wave, during).ceil() as u64;
    (before, during, 2 * drained + 8)
}

/// The backlog of a wave over the spare capacity.
fn drain_seconds(wave: Wave, during: u64) -> f64 {
    if wave.bounded { 0.0 } else { (wave.over - 1.0).max(0.0) * during as f64 / (1.0 - QUIET) }
}

fn load(bench: &Bench, wave: Wave, capacity: f64, seed: u64) -> Load {
    let (before, during, after) = seconds(bench, wave);
    let writes: Vec<f64> = (0..before + during + after)
        .map(|second| if (before..before + during).contains(&second) { wave.over } else { QUIET })
        .map(|over| over * capacity)
        .collect();
    let mut load = bench.load(0.0, seed);
    load.duration = writes.len() as u64 * SECOND;
    load.rates = writes.iter().map(|writes| writes + READS).collect();
    load.write_shares = writes.iter().map(|writes| writes / (writes + READS)).collect();
    load
}

fn one(
    bench: &mut Bench,
    contender: Contender,
    wave: Wave,
    capacity: f64,
    seed: u64,
    results: &mut Results,
    progress: Progress<'_>,
) -> Result<()> {
    let name = format!("{} times the capacity{}", wave.over, if wave.bounded { ", bounded queue" } else { "" });
    let policy = match wave.bounded {
        true => Policy::naive(0).with(Mitigation::BoundedQueue),
        false => Policy::naive(0),
    };
    let entrant = Entrant::new(contender, bench).variant(name, policy);
    let key = entrant.key("E9", seed, bench);
    let mut plan = entrant.plan(load(bench, wave, capacity, seed));
    plan.writers = WRITERS;
    let ran = make(bench, &plan, &key, "writes", progress)?;
    let (before, during, _) = seconds(bench, wave);
    let mut found = verdict(&key, &ran, bench);
    recovered(&mut found, &ran, None, before);
    let overloaded = wave.over > 1.0;
    found.expectation = if overloaded {
        "comes back by itself when the backlog is written: there is one state".to_owned()
    } else {
        "carries it".to_owned()
    };
    found.predicted_s = overloaded.then(|| during as f64 + drain_seconds(wave, during));
    let expected = if overloaded { Outcome::Recovered } else { Outcome::Steady };
    // Who is faster than was measured beforehand is not overloaded at all, which is no failure.
    found.as_expected = if overloaded && found.outcome == Outcome::Steady { Some(true) } else { met(expected, &found) };
    found.note += &format!("; writes at {:.0}/s can be carried, by {WRITERS} threads", capacity);
    points(&key, &ran, before, during, results);
    record(results, &key, &ran, before)?;
    results.verdicts.push(found);
    Ok(())
}

fn points(key: &Key, ran: &Ran, before: u64, during: u64, results: &mut Results) {
    let readings = ran.record.by_second();
    for (second, reading) in readings.iter().enumerate() {
        let figures = [
            ("read_p99", reading.read_p99_us, "us"),
            ("write_lag_median", reading.lag_median_us, "us"),
            ("writes_in_time_share", reading.writes_in_time_share, "1"),
            ("writes_refused_share", reading.writes_refused_share, "1"),
        ];
        for (metric, value, unit) in figures {
            let Some(value) = value else { continue };
            results.points.push(Point::new(key, ("second", second as f64), ("", 0.0), metric, value, unit));
        }
    }
    let longest = readings.iter().filter_map(|reading| reading.lag_max_us).fold(0.0, f64::max);
    let x = ("overload_seconds", during as f64);
    results.points.push(Point::new(key, x, ("", 0.0), "write_lag_longest", longest, "us"));
    let end = readings.iter().skip((before + during) as usize).filter_map(|reading| reading.read_p99_us);
    let worst = end.fold(0.0, f64::max);
    results.points.push(Point::new(key, x, ("", 0.0), "read_p99_worst_after", worst, "us"));
}
