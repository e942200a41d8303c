//! Durable commits per second, beside what the disk can do.
//!
//! For 1, 8 and 64 writers: each commits one record of 100 bytes at a time to one log and waits until it is durable. Beside it, in the
//! same run and on the same file system, as many threads each write 4 KiB into a zero-filled file and call fdatasync
//! themselves. The figure to quote is the ratio of the two, taken from short slices in turn (the median of eleven pairs), so that the
//! disk and the idle states of the machine cancel out; criterion's own figures are measured one after the other. Below 1, the log wastes syncs; above 1, its writers share them.
//!
//! Run `cargo bench -p monostable-benches --bench group_commit`. The files are made under the target directory; set
//! `MONOSTABLE_BENCH_DIR` to measure another disk.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a benchmark prints its results, and one that cannot run has nothing to measure"
)]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use monostable_vfs::OsStorage;
use monostable_wal::{Wal, WalOptions};

const WRITERS: [u64; 3] = [1, 8, 64];
const RECORD: [u8; 100] = [7; 100];
const BLOCK_BYTES: u64 = 4096;
const RAW_FILE_BYTES: u64 = 16 << 20;

const PAIRS: usize = 11;
const SLICE: Duration = Duration::from_millis(100);

/// The outcome for one number of writers.
struct Row {
    writers: u64,
    log_per_second: f64,
    raw_per_second: f64,
    ratio: f64,
    groups_per_sync: f64,
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let place = std::env::var("MONOSTABLE_BENCH_DIR").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
    let rows = WRITERS.map(|writers| {
        let directory = tempfile::tempdir_in(&place).expect("a directory for the files");
        measure(&mut criterion, directory.path(), writers)
    });
    criterion.final_summary();
    println!("writers  commits/s  fdatasync/s at the same depth  ratio  groups per sync");
    for Row { writers, log_per_second, raw_per_second, ratio, groups_per_sync } in rows {
        println!("{writers:>7}  {log_per_second:>9.0}  {raw_per_second:>29.0}  {ratio:>5.2}  {groups_per_sync:>15.1}");
    }
}

/// Measures the log and the bare disk.
fn measure(criterion: &mut Criterion, directory: &Path, writers: u64) -> Row {
    let storage = OsStorage::open_or_create(directory.join("log")).expect("a directory for the log");
    let (wal, _) = Wal::open(Arc::new(storage), WalOptions::default()).expect("a new log");
    wal.prepare_spare().expect("space for a segment");
    let file = zero_filled(&directory.join("raw"));
    let next = AtomicU64::new(0);
    let raw = || {
        let block = next.fetch_add(BLOCK_BYTES, Ordering::Relaxed) % RAW_FILE_BYTES;
        file.write_all_at(&[7; BLOCK_BYTES as usize], block).expect("a write");
        file.sync_data().expect("a sync");
    };
    let commit = || {
        wal.commit(&[&RECORD]).expect("a commit");
    };
    // What an owner's background work does; between samples, so that it is not measured.
    let background = || {
        wal.recycle(wal.durable()).expect("recycling");
        wal.prepare_spare().expect("space for a segment");
    };
    let mut group = criterion.benchmark_group("group_commit");
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::new("fdatasync", writers), |bencher| {
        bencher.iter_custom(|count| time(writers, count, &raw));
    });
    group.bench_function(BenchmarkId::new("log", writers), |bencher| {
        bencher.iter_custom(|count| {
            background();
            time(writers, count, &commit)
        });
    });
    group.finish();
    let before = wal.stats();
    let pairs: Vec<(f64, f64)> = (0..PAIRS)
        .map(|_| {
            background();
            (rate(writers, &commit), rate(writers, &raw))
        })
        .collect();
    let after = wal.stats();
    Row {
        writers,
        log_per_second: median(pairs.iter().map(|(log, _)| *log)),
        raw_per_second: median(pairs.iter().map(|(_, raw)| *raw)),
        ratio: median(pairs.iter().map(|(log, raw)| log / raw)),
        groups_per_sync: (after.groups - before.groups) as f64 / (after.syncs - before.syncs).max(1) as f64,
    }
}

/// Shares `count` operations among the writers, each in a thread of its own, and takes the time until the last is done.
fn time(writers: u64, count: u64, operation: &(impl Fn() + Sync)) -> Duration {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let share = count / writers + u64::from(writer < count % writers);
            scope.spawn(move || (0..share).for_each(|_| operation()));
        }
    });
    started.elapsed()
}

/// Operations per second while all writers go on for one slice.
fn rate(writers: u64, operation: &(impl Fn() + Sync)) -> f64 {
    let (started, count) = (Instant::now(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                while started.elapsed() < SLICE {
                    operation();
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner() as f64 / started.elapsed().as_secs_f64()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn zero_filled(path: &Path) -> File {
    let file = File::options().create_new(true).read(true).write(true).open(path).expect("a new file");
    let zeros = vec![0; 1 << 20];
    for at in (0..RAW_FILE_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, at).expect("space for the file");
    }
    file.sync_all().expect("a sync");
    file
}
