//! fjall: a log-structured tree in Rust.
//!
//! Set for point reads in memory, as its documentation says: blocks are not compressed and have a hash index, filters of the last level are left out
//! because every key is found, filters and index blocks are pinned, and the cache holds everything. A commit of one row is an insert and `persist`, of
//! several a batch; both with `SyncAll`, or to the system's buffers in a store without durability.

use super::{Freshness, Key, Reader, Sizing, Store, Upsert, Writer, key, text};
use crate::workload::{Failure, Outcome};
use fjall::config::{CompressionPolicy, HashRatioPolicy, PinningPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::Path;

const CACHE_BYTES: u64 = 6 << 30;
const LOAD_ROWS_PER_BATCH: usize = 10_000;

pub struct Fjall {
    db: Database,
    rows: Keyspace,
    mode: PersistMode,
}

impl Fjall {
    pub fn open(directory: &Path, sizing: Sizing) -> Result<Fjall, Failure> {
        let db = Database::builder(directory).cache_size(CACHE_BYTES).open()?;
        let options = || {
            KeyspaceCreateOptions::default()
                .data_block_compression_policy(CompressionPolicy::disabled())
                .data_block_hash_ratio_policy(HashRatioPolicy::all(8.0))
                .index_block_pinning_policy(PinningPolicy::all(true))
                .filter_block_pinning_policy(PinningPolicy::all(true))
                .expect_point_read_hits(true)
        };
        let rows = db.keyspace("rows", options)?;
        let mode = if sizing.durable { PersistMode::SyncAll } else { PersistMode::Buffer };
        Ok(Fjall { db, rows, mode })
    }
}

impl Store for Fjall {
    fn settings(&self) -> String {
        format!(
            "PersistMode::{:?}, cache of 6 GiB, no compression, hash index of ratio 8, pinned filters and indexes, hits expected",
            self.mode
        )
    }

    fn load(&self, order: &[u32]) -> Outcome {
        for chunk in order.chunks(LOAD_ROWS_PER_BATCH) {
            let mut batch = self.db.batch();
            for &index in chunk {
                let index = u64::from(index);
                batch.insert(&self.rows, key(index), text(index, 0).as_str());
            }
            batch.commit()?;
        }
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }

    fn settle(&self) -> Outcome {
        self.rows.rotate_memtable_and_wait()?;
        Ok(self.rows.major_compact()?)
    }

    fn read(&self, _freshness: Freshness, work: &mut dyn FnMut(&mut dyn Reader) -> Outcome) -> Outcome {
        work(&mut Reading(&self.rows))
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Outcome) -> Outcome {
        work(&mut Writing(self))
    }
}

struct Reading<'a>(&'a Keyspace);

impl Reader for Reading<'_> {
    fn get(&mut self, key: &Key) -> Result<Option<u8>, Failure> {
        Ok(self.0.get(key)?.and_then(|text| text.last().copied()))
    }

    fn copy(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.get(key)?.map(|text| text.to_vec()))
    }

    fn scan(&mut self, from: &Key, limit: usize) -> Result<(usize, u64), Failure> {
        let (mut count, mut sum) = (0, 0);
        for entry in self.0.range(from.as_slice()..).take(limit) {
            count += 1;
            sum += u64::from(entry.value()?.last().copied().unwrap_or(0));
        }
        Ok((count, sum))
    }
}

struct Writing<'a>(&'a Fjall);

impl Writer for Writing<'_> {
    fn commit(&mut self, changes: &[Upsert]) -> Outcome {
        let Fjall { db, rows, mode } = self.0;
        if let [(key, text)] = changes {
            rows.insert(key, text.as_str())?;
            return Ok(db.persist(*mode)?);
        }
        let mut batch = db.batch().durability(Some(*mode));
        for (key, text) in changes {
            batch.insert(rows, key, text.as_str());
        }
        Ok(batch.commit()?)
    }
}
