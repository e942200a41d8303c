//! Reads that are timed, on one or more threads, while nothing else happens or while a writer keeps its pace.
//!
//! Each read is timed alone, which costs two reads of the clock; a pass without them gives the mean. Under load everything is timed, for as long as the
//! writer works. The writer is an open loop: it begins a batch every 10 ms by the clock, and if it has fallen behind it begins at once.

use crate::dataset::Random;
use crate::kv::{Freshness, Key, Reader, Store, Upsert, key, text};
use crate::threads::on_threads;
use crate::workload::{Failure, Outcome};
use hdrhistogram::Histogram;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

const BATCH_CHANGES: u64 = 200;
const BATCH_EVERY: Duration = Duration::from_millis(10);
/// Between two looks at whether the writer has ended.
const READS_PER_LOOK: usize = 64;

/// What a pass of reads took, in nanoseconds.
#[derive(Debug, Clone)]
pub struct Times {
    pub histogram: Histogram<u64>,
    /// Time of a thread divided by its reads.
    pub mean: f64,
    /// Of all threads together.
    pub reads_per_second: f64,
}

/// What is read with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Point,
    /// So many rows from the key on.
    Scan(usize),
}

impl Kind {
    fn read(self, reader: &mut dyn Reader, key: &Key) -> Outcome {
        let found = match self {
            Kind::Point => reader.get(key)?.is_some(),
            Kind::Scan(rows) => black_box(reader.scan(key, rows)?).0 > 0,
        };
        if black_box(found) { Ok(()) } else { Err(format!("{} was not found", crate::kv::key_text(key)).into()) }
    }
}

/// How a pass reads.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'a> {
    pub kind: Kind,
    pub freshness: Freshness,
    pub threads: usize,
    pub keys: &'a [Key],
}

impl Pass<'_> {
    /// The keys of one thread.
    fn share(&self, thread: usize) -> &[Key] {
        let share = self.keys.len() / self.threads;
        &self.keys[thread * share..(thread + 1) * share]
    }
}

/// Reads with every key once while the store is idle; with every read timed, or only the pass.
fn pass(store: &dyn Store, pass: Pass<'_>, timed: bool) -> Result<Vec<(Histogram<u64>, Duration)>, Failure> {
    let begin = Barrier::new(pass.threads);
    on_threads(pass.threads, |thread| {
        let (mut histogram, mut took) = (Histogram::<u64>::new(3)?, Duration::ZERO);
        store.read(pass.freshness, &mut |reader| {
            begin.wait();
            let start = Instant::now();
            if timed {
                time_each(reader, pass.kind, pass.share(thread), &mut histogram)?;
            } else {
                pass.share(thread).iter().try_for_each(|key| pass.kind.read(reader, key))?;
            }
            took = start.elapsed();
            Ok(())
        })?;
        Ok((histogram, took))
    })
}

fn time_each(reader: &mut dyn Reader, kind: Kind, keys: &[Key], histogram: &mut Histogram<u64>) -> Outcome {
    for key in keys {
        let start = Instant::now();
        kind.read(reader, key)?;
        histogram.record(start.elapsed().as_nanos() as u64)?;
    }
    Ok(())
}

/// Times reads of an idle store.
pub fn idle(store: &dyn Store, what: Pass<'_>) -> Result<Times, Failure> {
    let mut histogram = Histogram::<u64>::new(3)?;
    for (each, _) in pass(store, what, true)? {
        histogram.add(each)?;
    }
    let untimed = pass(store, what, false)?;
    let reads = (what.keys.len() / what.threads) as f64;
    let nanos = |took: &Duration| took.as_nanos() as f64;
    let mean = untimed.iter().map(|(_, took)| nanos(took) / reads).sum::<f64>() / what.threads as f64;
    let reads_per_second = untimed.iter().map(|(_, took)| reads / took.as_secs_f64()).sum();
    Ok(Times { histogram, mean, reads_per_second })
}

/// What the writer has done.
pub struct Written {
    pub changes_per_second: f64,
    /// The version that each row has now, if it is not the first.
    pub versions: HashMap<u64, u64>,
}

/// Times reads for so long, while a writer commits 20,000 changes a second.
pub fn under_load(
    store: &dyn Store,
    what: Pass<'_>,
    rows: u64,
    seconds: f64,
    versions: HashMap<u64, u64>,
) -> Result<(Times, Written), Failure> {
    let done = AtomicBool::new(false);
    let begin = Barrier::new(what.threads + 1);
    scope(|scope| {
        let writer = scope.spawn(|| {
            begin.wait();
            let written = write_for(store, rows, seconds, versions).map_err(|error| error.to_string());
            done.store(true, Ordering::Release);
            written
        });
        let read = on_threads(what.threads, |thread| {
            let mut answer = None;
            store.read(what.freshness, &mut |reader| {
                begin.wait();
                answer = Some(read_until(reader, what.kind, what.share(thread), &done)?);
                Ok(())
            })?;
            answer.ok_or_else(|| "a store read nothing".into())
        });
        let written = writer.join().map_err(|_| "the writer panicked")??;
        Ok((together(read?)?, written))
    })
}

fn read_until(
    reader: &mut dyn Reader,
    kind: Kind,
    keys: &[Key],
    done: &AtomicBool,
) -> Result<(Histogram<u64>, Duration), Failure> {
    let mut histogram = Histogram::<u64>::new(3)?;
    let start = Instant::now();
    for some in keys.chunks(READS_PER_LOOK).cycle() {
        if done.load(Ordering::Acquire) {
            break;
        }
        time_each(reader, kind, some, &mut histogram)?;
    }
    Ok((histogram, start.elapsed()))
}

fn together(threads: Vec<(Histogram<u64>, Duration)>) -> Result<Times, Failure> {
    let mut all = Histogram::<u64>::new(3)?;
    let (mut mean, mut reads_per_second) = (0.0, 0.0);
    for (histogram, took) in &threads {
        all.add(histogram)?;
        reads_per_second += histogram.len() as f64 / took.as_secs_f64();
        mean += took.as_nanos() as f64 / histogram.len().max(1) as f64 / threads.len() as f64;
    }
    Ok(Times { histogram: all, mean, reads_per_second })
}

fn write_for(store: &dyn Store, rows: u64, seconds: f64, mut versions: HashMap<u64, u64>) -> Result<Written, Failure> {
    let mut random = Random::new(23);
    let (mut changes, mut rate) = (0, 0.0);
    store.write(&mut |writer| {
        let start = Instant::now();
        for batch in 0.. {
            let elapsed = start.elapsed();
            if elapsed.as_secs_f64() >= seconds {
                rate = changes as f64 / elapsed.as_secs_f64();
                break;
            }
            std::thread::sleep((BATCH_EVERY * batch).saturating_sub(elapsed));
            let upserts = next_versions(&mut random, rows, &mut versions);
            writer.commit(&upserts)?;
            changes += upserts.len();
        }
        Ok(())
    })?;
    Ok(Written { changes_per_second: rate, versions })
}

/// A batch of rows in their next versions, no row twice.
fn next_versions(random: &mut Random, rows: u64, versions: &mut HashMap<u64, u64>) -> Vec<Upsert> {
    let mut batch: Vec<u64> = (0..BATCH_CHANGES).map(|_| random.below(rows)).collect();
    batch.sort_unstable();
    batch.dedup();
    let next = |index: &u64| {
        let version = versions.entry(*index).or_default();
        *version += 1;
        (key(*index), text(*index, *version))
    };
    batch.iter().map(next).collect()
}
