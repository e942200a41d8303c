//! redb: a copy-on-write tree in Rust, with a cache of its own.
//!
//! Keys and texts are slices of bytes, the cache holds everything. A commit has `Durability::Immediate`, or `None` in a store without durability; the
//! load ends with an immediate one.

use super::{Freshness, Key, READS_PER_TRANSACTION, Reader, Sizing, Store, Upsert, Writer, key, text};
use crate::workload::{Failure, Outcome};
use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, TableDefinition};
use std::path::Path;

const ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");
const CACHE_BYTES: usize = 6 << 30;
const LOAD_ROWS_PER_TRANSACTION: usize = 500_000;

pub struct Redb {
    db: Database,
    durability: Durability,
}

impl Redb {
    pub fn open(directory: &Path, sizing: Sizing) -> Result<Redb, Failure> {
        let db = Database::builder().set_cache_size(CACHE_BYTES).create(directory.join("rows.redb"))?;
        let write = db.begin_write()?;
        write.open_table(ROWS)?;
        write.commit()?;
        let durability = if sizing.durable { Durability::Immediate } else { Durability::None };
        Ok(Redb { db, durability })
    }

    fn put<'a>(&self, durability: Durability, rows: impl Iterator<Item = (Key, &'a str)>) -> Outcome {
        let mut write = self.db.begin_write()?;
        write.set_durability(durability)?;
        let mut table = write.open_table(ROWS)?;
        for (key, text) in rows {
            table.insert(key.as_slice(), text.as_bytes())?;
        }
        drop(table);
        Ok(write.commit()?)
    }
}

impl Store for Redb {
    fn settings(&self) -> String {
        format!("Durability::{:?}, cache of 6 GiB, keys and texts as bytes", self.durability)
    }

    fn load(&self, order: &[u32]) -> Outcome {
        for chunk in order.chunks(LOAD_ROWS_PER_TRANSACTION) {
            let texts: Vec<String> = chunk.iter().map(|index| text(u64::from(*index), 0)).collect();
            let rows = chunk.iter().zip(&texts).map(|(index, text)| (key(u64::from(*index)), text.as_str()));
            self.put(Durability::Immediate, rows)?;
        }
        Ok(())
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

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// A reader, with the table that it holds open and how many reads that still serves.
struct Reading<'a> {
    store: &'a Redb,
    freshness: Freshness,
    held: Option<(Table, u32)>,
}

impl Reading<'_> {
    fn table(&mut self) -> Result<&Table, Failure> {
        let fresh = match self.held.take() {
            Some((table, left)) if left > 0 && self.freshness == Freshness::EachThousand => (table, left - 1),
            old => {
                drop(old);
                (self.store.db.begin_read()?.open_table(ROWS)?, READS_PER_TRANSACTION - 1)
            }
        };
        Ok(&self.held.insert(fresh).0)
    }
}

impl Reader for Reading<'_> {
    fn get(&mut self, key: &Key) -> Result<Option<u8>, Failure> {
        let found = self.table()?.get(key.as_slice())?;
        Ok(found.and_then(|text| text.value().last().copied()))
    }

    fn copy(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Failure> {
        let found = self.table()?.get(key.as_slice())?;
        Ok(found.map(|text| text.value().to_vec()))
    }

    fn scan(&mut self, from: &Key, limit: usize) -> Result<(usize, u64), Failure> {
        let (mut count, mut sum) = (0, 0);
        for entry in self.table()?.range(from.as_slice()..)?.take(limit) {
            count += 1;
            sum += u64::from(entry?.1.value().last().copied().unwrap_or(0));
        }
        Ok((count, sum))
    }
}

struct Writing<'a>(&'a Redb);

impl Writer for Writing<'_> {
    fn commit(&mut self, changes: &[Upsert]) -> Outcome {
        self.0.put(self.0.durability, changes.iter().map(|(key, text)| (*key, text.as_str())))
    }
}
