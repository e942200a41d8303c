//! Point reads: `Spine::get` in memory and in a mapped file, beside the standard maps in the same run.
//!
//! Rows are a bigint key, and a text of 50 characters; the maps hold the same keys and rows as `Vec<u8>`. Keys are asked for in
//! a scattered order, so most reads miss the processor's caches once the data is larger than those. `file` is one run in a
//! mapped file of a temporary directory, every block verified before; `spread` is what a busy arrangement looks like: the
//! same file and a few runs in memory on top, none of which has the key.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run has nothing to measure")]

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use monostable_types::{DataType, Epoch, Lsn, RowCodec, Rows, Value, Weight};
use monostable_vfs::OsStorage;
use monostable_view::{ArrangementId, Batch, CheckpointInput, CheckpointSpine, KeyExtent, Spine, Store, StoreOptions};

const ROW_COUNTS: [i64; 2] = [100_000, 1_000_000];
/// Keys from here on are in no table.
const ABSENT: i64 = 1 << 40;

fn codec() -> RowCodec {
    RowCodec::new(&[DataType::BigInt, DataType::Text])
}

fn key(at: i64) -> Vec<u8> {
    let mut key = Vec::new();
    RowCodec::new(&[DataType::BigInt]).encode_values(&[Value::BigInt(at)], &mut key).expect("a key encodes");
    key
}

fn row(at: i64) -> Vec<u8> {
    let mut row = Vec::new();
    codec().encode_values(&[Value::BigInt(at), Value::Text(format!("{at:050}"))], &mut row).expect("a row encodes");
    row
}

fn batch(keys: impl Iterator<Item = i64>) -> Arc<Batch> {
    let mut rows = Rows::new();
    keys.for_each(|at| rows.push(&row(at)));
    let weights = vec![Weight::ONE; rows.len()];
    Arc::new(Batch::from_unsorted(&rows, &weights).expect("a batch builds"))
}

/// The spine after a checkpoint into a real directory.
fn in_file(spine: &Spine, directory: &tempfile::TempDir) -> (Store, Spine) {
    let storage = OsStorage::open(directory.path()).expect("the directory opens");
    let (store, _) = Store::open(Arc::new(storage), StoreOptions { entropy: 1 }).expect("a store opens");
    let spines = [CheckpointSpine { id: ArrangementId(1), identity: b"bench", spine }];
    let input = CheckpointInput { epoch: Epoch(1), lsn: Lsn(1), catalog: b"", spines: &spines };
    let done = store.checkpoint(&input).expect("a checkpoint succeeds");
    let spine = spine.install(&done.replacements[0].1).expect("it installs");
    (store, spine)
}

fn lookups(criterion: &mut Criterion) {
    for count in ROW_COUNTS {
        let extent = KeyExtent::Columns { codec: Arc::new(codec()), columns: 1 };
        let memory = Spine::new(extent).push(batch(0..count)).expect("a push succeeds");
        let directory = tempfile::tempdir().expect("a directory");
        let (_store, file) = in_file(&memory, &directory);
        let mut spread = file.clone();
        for run in 0..4 {
            let fresh = (0..600 << (3 * run)).map(|at| ABSENT + at * 8 + run);
            spread = spread.push(batch(fresh)).expect("a push succeeds");
        }
        let rows: Vec<(Vec<u8>, Vec<u8>)> = (0..count).map(|at| (key(at), row(at))).collect();
        let hash: HashMap<Vec<u8>, Vec<u8>> = rows.iter().cloned().collect();
        let tree: BTreeMap<Vec<u8>, Vec<u8>> = rows.into_iter().collect();
        // A stride that shares no factor with the counts visits every key once per round, far from the one before.
        let keys: Vec<Vec<u8>> = (0..count).map(|at| key(at * 7_368_787 % count)).collect();
        let mut group = criterion.benchmark_group("point read");
        group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2)).sample_size(20);
        let mut measure = |name: &str, read: &dyn Fn(&[u8]) -> u8| {
            group.bench_with_input(BenchmarkId::new(name, count), &count, |bencher, _| {
                let mut turn = keys.iter().cycle();
                bencher.iter(|| turn.next().map(|key| black_box(read(key))));
            });
        };
        // The last byte of the row is read too: a lookup that never touches what it found would be cheap for everyone.
        let last = |row: &[u8]| row.last().copied().unwrap_or(0);
        let get = |spine: &Spine, key: &[u8]| last(spine.get(key).expect("undamaged").expect("present").0);
        measure("spine in memory", &|key| get(&memory, key));
        measure("spine in file", &|key| get(&file, key));
        measure("spine in file and four runs", &|key| get(&spread, key));
        measure("HashMap", &|key| last(&hash[key]));
        measure("BTreeMap", &|key| last(&tree[key]));
        let absent = key(-5);
        measure("spine in file, absent", &|_| u8::from(file.get(&absent).expect("undamaged").is_some()));
        group.finish();
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    lookups(&mut criterion);
    criterion.final_summary();
}
