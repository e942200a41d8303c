//! A small store of two files and one arrangement, and everything that can be read from it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use monostable_types::{DataType, Epoch, Lsn, RowCodec, Rows, Value, Weight};
use monostable_vfs::MemoryStorage;
use monostable_view::{
    ArrangementId, Batch, CheckpointInput, CheckpointSpine, Error, KeyExtent, Spine, Store, StoreOptions,
};

use crate::{Files, files};

const ID: ArrangementId = ArrangementId(1);
const KEYS: i32 = 50;

/// The catalog's bytes, and every entry with its weight.
pub type Content = (Vec<u8>, BTreeMap<Vec<u8>, i64>);

/// The files of an undamaged store, and what it holds.
pub static STORE: LazyLock<(Files, Content)> = LazyLock::new(|| {
    let disk = MemoryStorage::new();
    let (store, _) = Store::open(Arc::new(disk.clone()), StoreOptions { entropy: 1 }).expect("a new store");
    let spine = checkpoint(&store, Spine::new(extent()).push(batch(0..40, "one", 1)).expect("a batch"), 1);
    let spine = spine.push(batch(30..KEYS, "another", 2)).expect("a batch");
    checkpoint(&store, spine, 2);
    drop(store);
    let content = read(disk.clone()).expect("an undamaged store");
    (files(&disk), content)
});

fn extent() -> KeyExtent {
    KeyExtent::Columns { codec: Arc::new(RowCodec::new(&[DataType::Integer, DataType::Text])), columns: 1 }
}

fn encoded(values: &[Value], types: &[DataType]) -> Vec<u8> {
    let mut out = Vec::new();
    RowCodec::new(types).encode_values(values, &mut out).expect("a small row");
    out
}

fn batch(keys: std::ops::Range<i32>, text: &str, weight: i64) -> Arc<Batch> {
    let types = [DataType::Integer, DataType::Text];
    let mut rows = Rows::new();
    for key in keys.clone() {
        rows.push(&encoded(&[Value::Integer(key), Value::Text(text.to_owned())], &types));
    }
    let weights = vec![Weight(weight); keys.len()];
    Arc::new(Batch::from_unsorted(&rows, &weights).expect("small weights"))
}

fn checkpoint(store: &Store, spine: Spine, epoch: u64) -> Spine {
    let spines = [CheckpointSpine { id: ID, identity: b"identity", spine: &spine }];
    let input = CheckpointInput { epoch: Epoch(epoch), lsn: Lsn(epoch), catalog: b"catalog", spines: &spines };
    let done = store.checkpoint(&input).expect("a disk in memory");
    let installed = |spine: Spine, replacement| spine.install(replacement).expect("nobody merged meanwhile");
    done.replacements.iter().fold(spine.clone(), |spine, (_, replacement)| installed(spine, replacement))
}

/// Opens a store, verifies it, and reads it by scan and by key; both must agree.
pub fn read(disk: MemoryStorage) -> Result<Content, Error> {
    let (store, mut recovered) = Store::open(Arc::new(disk), StoreOptions { entropy: 2 })?;
    let report = store.verify(|_| {});
    let spine = match recovered.arrangements.remove(&ID) {
        Some(found) => found.into_spine(extent())?,
        None => Spine::new(extent()),
    };
    let mut content = BTreeMap::new();
    let mut entries = spine.prefix(b"")?;
    while let Some((entry, weight)) = entries.next().transpose()? {
        content.insert(entry.to_vec(), weight.0);
    }
    for key in 0..KEYS {
        let key = encoded(&[Value::Integer(key)], &[DataType::Integer]);
        let found = spine.get(&key)?.map(|(entry, _)| entry.to_vec());
        let scanned = content.keys().find(|entry| entry.starts_with(&key)).cloned();
        assert!(found == scanned || !report.damages.is_empty(), "the index and the scan disagree");
    }
    Ok((recovered.catalog, content))
}
