//! W4: the time to open, and the first reads after it, as the number of rows grows.
//!
//! The database is left without a checkpoint and without a farewell, as after a kill: what was committed since the last checkpoint is replayed from the log. Another
//! process would hold the directory's lock until it is dead, so the handle is closed here instead; nothing is written by that.

use crate::dataset::Random;
use crate::report::{OURS, Report};
use crate::workload::{Failure, Scale, Workload};
use hdrhistogram::Histogram;
use monostable::{Database, Options, View, params};
use std::time::Instant;

/// The workload.
pub const WORKLOAD: Workload = Workload { name: "w4", about: "the time to open, and the first reads after it", run };

const ROUNDS: usize = 5;
const FIRST_READS: u64 = 1_000;

fn fill(path: &std::path::Path, rows: u64) -> Result<(), Failure> {
    let mut options = Options::at(path);
    options.checkpoint_on_close = false;
    let db = Database::open_with(options)?;
    db.execute("CREATE TABLE items (id BIGINT PRIMARY KEY, kind BIGINT NOT NULL, name TEXT NOT NULL)")?;
    db.execute("CREATE MATERIALIZED VIEW named AS SELECT id, name FROM items WHERE kind >= 0")?;
    db.execute(
        "CREATE MATERIALIZED VIEW kinds AS SELECT kind, count(*) AS n, max(id) AS last FROM items GROUP BY kind",
    )?;
    let ids: Vec<u64> = (0..rows).collect();
    for chunk in ids.chunks(5_000) {
        let mut txn = db.begin()?;
        for id in chunk {
            txn.execute(
                "INSERT INTO items VALUES ($1, $2, $3)",
                params![*id as i64, (*id % (rows / 10)) as i64, format!("item {id}")],
            )?;
        }
        txn.commit()?;
    }
    db.close()?;
    Ok(())
}

fn read(view: &View, random: &mut Random, rows: u64) -> bool {
    view.get((random.below(rows) as i64,)).is_ok_and(|row| row.is_some())
}

fn percentile(view: &View, rows: u64, reads: u64) -> Result<f64, Failure> {
    let mut random = Random::new(3);
    let mut histogram = Histogram::<u64>::new(3)?;
    for _ in 0..reads {
        let start = Instant::now();
        assert!(read(view, &mut random, rows), "a row is missing after open");
        histogram.record(start.elapsed().as_nanos() as u64)?;
    }
    Ok(histogram.value_at_quantile(0.99) as f64)
}

fn run(report: &mut Report, scale: &Scale) -> Result<(), Failure> {
    let quick = scale.quick;
    let sizes: &[u64] = if quick { &[10_000, 100_000] } else { &[10_000, 100_000, 1_000_000] };
    for &rows in sizes {
        let case = format!("{rows} rows");
        let directory = tempfile::tempdir()?;
        eprintln!("W4: loading {rows} rows");
        fill(directory.path(), rows)?;
        let (mut opens, mut firsts, mut nexts, mut steady, mut replayed) = (vec![], vec![], vec![], vec![], vec![]);
        for _ in 0..ROUNDS {
            let mut options = Options::at(directory.path());
            options.checkpoint_on_close = false;
            let start = Instant::now();
            let db = Database::open_with(options)?;
            opens.push(start.elapsed().as_secs_f64() * 1e6);
            let view = db.view("named")?;
            let start = Instant::now();
            assert!(read(&view, &mut Random::new(1), rows), "the first read is not complete");
            firsts.push(start.elapsed().as_nanos() as f64);
            nexts.push(percentile(&view, rows, FIRST_READS)?);
            steady.push(percentile(&view, rows, 100_000)?);
            replayed.push(db.stats().open.bytes_replayed as f64);
            db.close()?;
        }
        report.add("W4", &format!("{case}: open"), OURS, "us", false, opens);
        report.add("W4", &format!("{case}: log replayed"), OURS, "bytes", false, replayed);
        report.add("W4", &format!("{case}: first read"), OURS, "ns", false, firsts);
        report.add("W4", &format!("{case}: p99 of the next 1,000"), OURS, "ns", false, nexts);
        report.add("W4", &format!("{case}: p99 in steady state"), OURS, "ns", false, steady);
    }
    Ok(())
}
