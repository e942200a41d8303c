//! The child that is killed: it loads a store or opens one, reads, and commits until it is no more.
//!
//! Its lines: the settings after a load, or what it measured after an open; then the number of each batch when it is durable. A batch is ten rows in a
//! version of its own, chosen by its number, so that the next child knows what it has to find.

use super::{NEXT_READS, Opened, STEADY_READS};
use crate::child::{Part, say};
use crate::dataset::Random;
use crate::kv::{Engine, Freshness, Reader, Sizing, Store, Upsert, key, shuffled, text};
use crate::workload::{Failure, Outcome};
use hdrhistogram::Histogram;
use std::path::PathBuf;
use std::time::Instant;

/// `serve ENGINE DIRECTORY ROWS ACKNOWLEDGED steady|first`; nothing acknowledged means that there is nothing yet.
pub const PART: Part = Part { name: "serve", play };

const BATCH_ROWS: u64 = 10;

/// The arguments of the part.
struct Task {
    engine: Engine,
    directory: PathBuf,
    rows: u64,
    acknowledged: u64,
    steady: bool,
}

impl Task {
    fn parse(arguments: &[String]) -> Result<Task, Failure> {
        let [engine, directory, rows, acknowledged, reads] = arguments else {
            return Err("serve takes an engine, a directory, rows, a batch, and what to read".into());
        };
        Ok(Task {
            engine: Engine::named(engine)?,
            directory: directory.into(),
            rows: rows.parse()?,
            acknowledged: acknowledged.parse()?,
            steady: reads == "steady",
        })
    }
}

fn play(arguments: &[String]) -> Outcome {
    let task = Task::parse(arguments)?;
    let sizing = Sizing { rows: task.rows, durable: true };
    let start = Instant::now();
    let store = task.engine.open(&task.directory, sizing)?;
    let open = start.elapsed().as_nanos() as f64;
    if task.acknowledged == 0 {
        store.load(&shuffled(task.rows))?;
        store.settle()?;
        say(store.settings())?;
    } else {
        say(measure(&*store, &task, open)?.to_line())?;
    }
    commit_for_ever(&*store, &task)
}

/// Reads as the issue asks, then looks for what was acknowledged.
fn measure(store: &dyn Store, task: &Task, open: f64) -> Result<Opened, Failure> {
    let mut opened = Opened { open, ..Opened::default() };
    let start = Instant::now();
    store.read(Freshness::EachRead, &mut |reader| {
        let mut random = Random::new(task.acknowledged);
        one(reader, &mut random, task.rows)?;
        opened.first_read = start.elapsed().as_nanos() as f64;
        opened.next_p99 = p99(reader, &mut random, task.rows, NEXT_READS)?;
        if task.steady {
            // The first pass makes the state steady, the second one measures it.
            p99(reader, &mut random, task.rows, STEADY_READS)?;
            opened.steady_p99 = Some(p99(reader, &mut random, task.rows, STEADY_READS)?);
        }
        find_acknowledged(reader, task)
    })?;
    Ok(opened)
}

fn one(reader: &mut dyn Reader, random: &mut Random, rows: u64) -> Outcome {
    let index = random.below(rows);
    reader.get(&key(index))?.map(drop).ok_or_else(|| format!("row {index} is missing after opening").into())
}

fn p99(reader: &mut dyn Reader, random: &mut Random, rows: u64, reads: u64) -> Result<f64, Failure> {
    let mut histogram = Histogram::<u64>::new(3)?;
    for _ in 0..reads {
        let start = Instant::now();
        one(reader, random, rows)?;
        histogram.record(start.elapsed().as_nanos() as u64)?;
    }
    Ok(histogram.value_at_quantile(0.99) as f64)
}

/// The rows of a batch.
fn batch(number: u64, rows: u64) -> Vec<u64> {
    let mut random = Random::new(number);
    let mut indexes: Vec<u64> = (0..BATCH_ROWS).map(|_| random.below(rows)).collect();
    indexes.sort_unstable();
    indexes.dedup();
    indexes
}

/// The last batch that was acknowledged is there. The one after it may be there too, as a whole or not at all, and may have written the same rows.
fn find_acknowledged(reader: &mut dyn Reader, task: &Task) -> Outcome {
    let (last, next) = (task.acknowledged, task.acknowledged + 1);
    let mut is_at = |index: u64, version: u64| -> Result<bool, Failure> {
        Ok(reader.copy(&key(index))?.as_deref() == Some(text(index, version).as_bytes()))
    };
    let after = batch(next, task.rows);
    let there = after.iter().map(|index| is_at(*index, next)).collect::<Result<Vec<bool>, Failure>>()?;
    if there.iter().any(|is| *is != there[0]) {
        return Err(format!("batch {next} is there in parts").into());
    }
    for index in batch(last, task.rows) {
        let overwritten = there.first() == Some(&true) && after.contains(&index);
        if !overwritten && !is_at(index, last)? {
            return Err(format!("batch {last} was acknowledged, and row {index} of it is lost").into());
        }
    }
    Ok(())
}

fn commit_for_ever(store: &dyn Store, task: &Task) -> Outcome {
    store.write(&mut |writer| {
        for number in task.acknowledged + 1.. {
            let upserts: Vec<Upsert> =
                batch(number, task.rows).into_iter().map(|index| (key(index), text(index, number))).collect();
            writer.commit(&upserts)?;
            say(number)?;
        }
        Ok(())
    })
}
