//! W2: point reads by key on a view, beside a hash map and LMDB.
//!
//! One reader, uniform keys, 16-byte keys and 100-byte rows; the same keys in the same order for every contender. Each read is timed alone (which costs
//! two clock reads, measured and printed as a limit), and a second pass over all of them gives the mean without the clock.

use crate::dataset::Random;
use crate::report::{OURS, Report};
use crate::workload::{Failure, Scale, Workload};
use hdrhistogram::Histogram;
use heed::types::Bytes;
use heed::{Database as Lmdb, EnvOpenOptions};
use monostable::{Database, params};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

/// The workload.
pub const WORKLOAD: Workload = Workload { name: "w2", about: "point reads by key on a view", run };

fn key(index: u64) -> String {
    format!("key-{:012}", index.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 1_000_000_000_000)
}

fn row(index: u64) -> String {
    format!("{index:0>84}")
}

/// Times `read` over all keys; each alone, then all together.
fn measure(
    report: &mut Report,
    case: &str,
    contender: &'static str,
    keys: &[String],
    mut read: impl FnMut(&str) -> bool,
) -> Result<(), Failure> {
    let mut histogram = Histogram::<u64>::new(3)?;
    for key in &keys[..keys.len() / 4] {
        assert!(read(key), "{contender} has no {key}");
    }
    for key in keys {
        let start = Instant::now();
        black_box(read(key));
        histogram.record(start.elapsed().as_nanos() as u64)?;
    }
    let start = Instant::now();
    for key in keys {
        black_box(read(key));
    }
    let mean = start.elapsed().as_nanos() as f64 / keys.len() as f64;
    report.add("W2", &format!("{case} mean"), contender, "ns", false, vec![mean]);
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        report.add(
            "W2",
            &format!("{case} {name}"),
            contender,
            "ns",
            false,
            vec![histogram.value_at_quantile(quantile) as f64],
        );
    }
    Ok(())
}

fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let quick = scale.quick;
    let rows: u64 = if quick { 100_000 } else { 1_000_000 };
    let case = format!("{rows} rows");
    let mut random = Random::new(11);
    let keys: Vec<String> = (0..400_000).map(|_| key(random.below(rows))).collect();

    let map: HashMap<String, String> = (0..rows).map(|index| (key(index), row(index))).collect();
    measure(report, &case, "floor: HashMap", &keys, |key| {
        map.get(key).is_some_and(|row| black_box(row.as_bytes()[0]) > 0)
    })?;

    let directory = tempfile::tempdir()?;
    // SAFETY: the directory is this process's own and nobody else opens it.
    let env = unsafe { EnvOpenOptions::new().map_size(2 << 30).open(directory.path())? };
    let mut write = env.write_txn()?;
    let lmdb: Lmdb<Bytes, Bytes> = env.create_database(&mut write, None)?;
    for (key, row) in &map {
        lmdb.put(&mut write, key.as_bytes(), row.as_bytes())?;
    }
    write.commit()?;
    let read = env.read_txn()?;
    measure(report, &case, "LMDB (one transaction)", &keys, |key| {
        lmdb.get(&read, key.as_bytes()).is_ok_and(|row| row.is_some_and(|row| black_box(row[0]) > 0))
    })?;
    drop(read);
    measure(report, &case, "LMDB", &keys, |key| {
        env.read_txn().is_ok_and(|read| {
            lmdb.get(&read, key.as_bytes()).is_ok_and(|row| row.is_some_and(|row| black_box(row[0]) > 0))
        })
    })?;

    eprintln!("W2: loading {rows} rows");
    let directory = tempfile::tempdir()?;
    let db = Database::open(directory.path())?;
    db.execute("CREATE TABLE items (k TEXT PRIMARY KEY, v TEXT NOT NULL, hidden BOOLEAN NOT NULL)")?;
    db.execute("CREATE MATERIALIZED VIEW visible AS SELECT k, v FROM items WHERE NOT hidden")?;
    let mut all: Vec<u64> = (0..rows).collect();
    // A shuffled load leaves runs that overlap, as real use does.
    for i in (1..all.len()).rev() {
        all.swap(i, random.below(i as u64 + 1) as usize);
    }
    for chunk in all.chunks(20_000) {
        let mut txn = db.begin()?;
        for index in chunk {
            txn.execute("INSERT INTO items VALUES ($1, $2, false)", &params![key(*index), row(*index)])?;
        }
        txn.commit()?;
    }
    let view = db.view("visible")?;
    let get = |key: &str| view.get((key,)).is_ok_and(|row| row.is_some_and(|row| black_box(row.len()) > 0));
    measure(report, &case, OURS, &keys, get)?;
    db.checkpoint()?;
    measure(report, &case, "monostable after checkpoint", &keys, get)?;

    let mut clock = Histogram::<u64>::new(3)?;
    for _ in 0..100_000 {
        let start = Instant::now();
        clock.record(black_box(start).elapsed().as_nanos() as u64)?;
    }
    report.add(
        "W2",
        &format!("{case} p50"),
        "limit: the clock",
        "ns",
        false,
        vec![clock.value_at_quantile(0.5) as f64],
    );
    Ok(())
}
