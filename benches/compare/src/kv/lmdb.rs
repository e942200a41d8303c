//! LMDB through `heed`: a copy-on-write tree in a mapped file, read in place.
//!
//! Its figures are those of readers with thread-local slots, which its documentation calls the fastest. A write is synced unless the store was opened
//! without durability; then a commit leaves the sync to the system, and the load ends with one.

use super::{Freshness, Key, READS_PER_TRANSACTION, Reader, Sizing, Store, Upsert, Writer, key, text};
use crate::workload::{Failure, Outcome};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, FlagSetMode, RoTxn, WithTls};
use std::ops::Bound;
use std::path::Path;

/// Address space for the file; what is not used costs nothing.
const MAP_BYTES: usize = 32 << 30;
const LOAD_ROWS_PER_TRANSACTION: usize = 500_000;

pub struct Lmdb {
    env: Env,
    rows: Database<'static, Bytes, Bytes>,
    durable: bool,
}

impl Lmdb {
    pub fn open(directory: &Path, sizing: Sizing) -> Result<Lmdb, Failure> {
        // SAFETY: the directory is this run's own, and one process at a time opens it.
        let env = unsafe { EnvOpenOptions::new().map_size(MAP_BYTES).max_readers(512).open(directory)? };
        let created = env.create_databases_and_commit(env.write_txn()?, |opener, write| {
            opener.create_database(write, None).map(CommitOrAbort::<_, ()>::Commit)
        })?;
        let rows = created.unwrap_commit();
        let store = Lmdb { env, rows, durable: sizing.durable };
        store.sync_commits(sizing.durable)?;
        Ok(store)
    }

    fn sync_commits(&self, durable: bool) -> Outcome {
        let mode = if durable { FlagSetMode::Disable } else { FlagSetMode::Enable };
        // SAFETY: without syncs a crash of the machine may lose the file, which nobody needs after this run.
        unsafe { self.env.set_flags(EnvFlags::NO_SYNC, mode)? };
        Ok(())
    }
}

impl Store for Lmdb {
    fn settings(&self) -> String {
        let sync = if self.durable { "default sync" } else { "MDB_NOSYNC" };
        format!("{sync}, readers with thread-local slots, map of 32 GiB, keys and texts as bytes")
    }

    fn load(&self, order: &[u32]) -> Outcome {
        self.sync_commits(false)?;
        for chunk in order.chunks(LOAD_ROWS_PER_TRANSACTION) {
            let mut write = self.env.write_txn()?;
            for &index in chunk {
                let index = u64::from(index);
                self.rows.put(&mut write, &key(index), text(index, 0).as_bytes())?;
            }
            write.commit()?;
        }
        self.env.force_sync()?;
        self.sync_commits(self.durable)
    }

    fn settle(&self) -> Outcome {
        Ok(())
    }

    fn read(&self, freshness: Freshness, work: &mut dyn FnMut(&mut dyn Reader) -> Outcome) -> Outcome {
        work(&mut Reading { store: self, freshness, held: None })
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Outcome) -> Outcome {
        work(&mut Writing(self))
    }
}

/// A reader, with its transaction and how many reads that still serves.
struct Reading<'a> {
    store: &'a Lmdb,
    freshness: Freshness,
    held: Option<(RoTxn<'a, WithTls>, u32)>,
}

impl<'a> Reading<'a> {
    fn with<T>(&mut self, read: impl FnOnce(&RoTxn<'a, WithTls>) -> heed::Result<T>) -> Result<T, Failure> {
        if self.freshness == Freshness::EachRead {
            return Ok(read(&self.store.env.read_txn()?)?);
        }
        // An old transaction must end before its successor begins: a thread has one slot.
        let held = self.held.take().filter(|(_, left)| *left > 0);
        let (transaction, left) = match held {
            Some(held) => held,
            None => (self.store.env.read_txn()?, READS_PER_TRANSACTION),
        };
        let answer = read(&transaction)?;
        self.held = Some((transaction, left - 1));
        Ok(answer)
    }
}

impl Reader for Reading<'_> {
    fn get(&mut self, key: &Key) -> Result<Option<u8>, Failure> {
        let rows = self.store.rows;
        self.with(|transaction| Ok(rows.get(transaction, key)?.and_then(|text| text.last().copied())))
    }

    fn copy(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Failure> {
        let rows = self.store.rows;
        self.with(|transaction| Ok(rows.get(transaction, key)?.map(<[u8]>::to_vec)))
    }

    fn scan(&mut self, from: &Key, limit: usize) -> Result<(usize, u64), Failure> {
        let rows = self.store.rows;
        self.with(|transaction| {
            let (mut count, mut sum) = (0, 0);
            let bounds = (Bound::Included(from.as_slice()), Bound::Unbounded);
            for entry in rows.range(transaction, &bounds)?.take(limit) {
                count += 1;
                sum += u64::from(entry?.1.last().copied().unwrap_or(0));
            }
            Ok((count, sum))
        })
    }
}

struct Writing<'a>(&'a Lmdb);

impl Writer for Writing<'_> {
    fn commit(&mut self, changes: &[Upsert]) -> Outcome {
        let mut write = self.0.env.write_txn()?;
        for (key, text) in changes {
            self.0.rows.put(&mut write, key, text.as_bytes())?;
        }
        Ok(write.commit()?)
    }
}
