//! What the tests of the storage half share: rows, batches, stores in memory, and disks with damage.

use std::collections::BTreeMap;
use std::sync::Arc;

use monostable_types::{DataType, Epoch, Lsn, RowCodec, Rows, Value, Weight};
use monostable_vfs::{MemoryStorage, Storage};

use crate::policy::{MergeChoice, choose};
use crate::store::{CheckpointInput, CheckpointSpine};
use crate::{ArrangementId, Batch, FileMerge, KeyExtent, MemoryMerge, Recovered, Result, Spine, Store, StoreOptions};

pub(crate) type Model = BTreeMap<Vec<u8>, i64>;

/// A batch of entries with their weights.
pub(crate) fn batch<E: AsRef<[u8]>>(entries: impl IntoIterator<Item = (E, i64)>) -> Arc<Batch> {
    let mut rows = Rows::new();
    let mut weights = Vec::new();
    for (entry, weight) in entries {
        rows.push(entry.as_ref());
        weights.push(Weight(weight));
    }
    Arc::new(Batch::from_unsorted(&rows, &weights).unwrap())
}

/// A row of a key and a value, and the extent of its key.
pub(crate) fn row(key: i32, value: &str) -> Vec<u8> {
    let mut out = Vec::new();
    codec().encode_values(&[Value::Integer(key), Value::Text(value.to_owned())], &mut out).unwrap();
    out
}

/// The key of such a row.
pub(crate) fn key(key: i32) -> Vec<u8> {
    let mut out = Vec::new();
    RowCodec::new(&[DataType::Integer]).encode_values(&[Value::Integer(key)], &mut out).unwrap();
    out
}

fn codec() -> RowCodec {
    RowCodec::new(&[DataType::Integer, DataType::Text])
}

pub(crate) fn keyed() -> KeyExtent {
    KeyExtent::Columns { codec: Arc::new(codec()), columns: 1 }
}

/// Adds to a model and drops what cancels.
pub(crate) fn add(model: &mut Model, entry: &[u8], weight: i64) {
    let sum = model.entry(entry.to_vec()).or_default();
    *sum += weight;
    if *sum == 0 {
        model.remove(entry);
    }
}

/// The content of a spine.
pub(crate) fn content(spine: &Spine) -> Result<Model> {
    spine.prefix(b"")?.map(|entry| entry.map(|(row, weight)| (row.to_vec(), weight.0))).collect()
}

pub(crate) fn open(disk: &MemoryStorage, entropy: u128) -> Result<(Store, Recovered)> {
    Store::open(Arc::new(disk.clone()), StoreOptions { entropy })
}

/// Checkpoints one arrangement and installs the result.
pub(crate) fn checkpoint(store: &Store, spine: &Spine, epoch: u64) -> Result<Spine> {
    let spines = [CheckpointSpine { id: ArrangementId(1), identity: b"identity", spine }];
    let input = CheckpointInput { epoch: Epoch(epoch), lsn: Lsn(epoch * 10), catalog: b"catalog", spines: &spines };
    let done = store.checkpoint(&input)?;
    Ok(done.replacements.iter().fold(spine.clone(), |spine, (_, replacement)| spine.install(replacement).unwrap()))
}

/// Merges what the policy names until it names nothing.
pub(crate) fn settle(store: &Store, mut spine: Spine) -> Result<Spine> {
    while let Some(choice) = choose(&spine.shape()) {
        let replacement = match choice {
            MergeChoice::Memory(runs) => MemoryMerge::start(&spine, runs).finish()?,
            MergeChoice::Files(runs) => {
                FileMerge::start(store, &spine, runs)?.finish(store, ArrangementId(1))?.unwrap()
            }
        };
        spine = spine.install(&replacement).unwrap();
    }
    Ok(spine)
}

/// The bytes of every file.
pub(crate) fn files(disk: &MemoryStorage) -> BTreeMap<String, Vec<u8>> {
    let read = |name: String| {
        let file = disk.open(&name).unwrap();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(0, &mut bytes).unwrap();
        (name, bytes)
    };
    disk.list().unwrap().into_iter().map(read).collect()
}

/// A disk with such files.
pub(crate) fn disk(files: &BTreeMap<String, Vec<u8>>) -> MemoryStorage {
    let disk = MemoryStorage::new();
    for (name, bytes) in files {
        let file = disk.create(name).unwrap();
        file.write_at(0, bytes).unwrap();
        if name.ends_with(".run") {
            file.set_read_only().unwrap();
        }
    }
    disk
}
