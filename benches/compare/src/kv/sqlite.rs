//! SQLite through `rusqlite`: a table whose key is its tree, in WAL mode.
//!
//! Every reader and writer has a connection and prepared statements of its own. `WITHOUT ROWID` is what its documentation says for small rows with a
//! key that is no integer; the mapped file spares the copy out of the system's cache. A commit is synced (`FULL`), or not at all (`OFF`).

use super::{Freshness, Key, READS_PER_TRANSACTION, Reader, Sizing, Store, Upsert, Writer, key, text};
use crate::workload::{Failure, Outcome};
use rusqlite::{Connection, OptionalExtension, Statement, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOAD_ROWS_PER_TRANSACTION: usize = 500_000;
const UPSERT: &str = "INSERT INTO rows VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = excluded.v";

pub struct Sqlite {
    path: PathBuf,
    synchronous: &'static str,
}

impl Sqlite {
    pub fn open(directory: &Path, sizing: Sizing) -> Result<Sqlite, Failure> {
        let synchronous = if sizing.durable { "FULL" } else { "OFF" };
        let store = Sqlite { path: directory.join("rows.sqlite"), synchronous };
        let connection = store.connect(synchronous)?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS rows (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID, STRICT",
        )?;
        Ok(store)
    }

    fn connect(&self, synchronous: &str) -> Result<Connection, Failure> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(Duration::from_secs(60))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "mmap_size", 16_i64 << 30)?;
        connection.pragma_update(None, "cache_size", -(64 << 10))?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        Ok(connection)
    }
}

impl Store for Sqlite {
    fn settings(&self) -> String {
        format!(
            "WAL, synchronous={}, mmap_size 16 GiB, cache_size 64 MiB for each connection, WITHOUT ROWID, prepared statements, BEGIN IMMEDIATE, busy timeout 60 s",
            self.synchronous
        )
    }

    fn load(&self, order: &[u32]) -> Outcome {
        let mut connection = self.connect("OFF")?;
        connection.pragma_update(None, "cache_size", -(4 << 20))?;
        for chunk in order.chunks(LOAD_ROWS_PER_TRANSACTION) {
            let transaction = connection.transaction()?;
            let mut insert = transaction.prepare_cached("INSERT INTO rows VALUES (?1, ?2)")?;
            for &index in chunk {
                let index = u64::from(index);
                insert.execute((key(index).as_slice(), text(index, 0).as_bytes()))?;
            }
            drop(insert);
            transaction.commit()?;
        }
        self.settle()
    }

    fn settle(&self) -> Outcome {
        let connection = self.connect("FULL")?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
        Ok(())
    }

    fn read(&self, freshness: Freshness, work: &mut dyn FnMut(&mut dyn Reader) -> Outcome) -> Outcome {
        let connection = self.connect(self.synchronous)?;
        let get = connection.prepare("SELECT v FROM rows WHERE k = ?1")?;
        let scan = connection.prepare("SELECT v FROM rows WHERE k >= ?1 ORDER BY k LIMIT ?2")?;
        work(&mut Reading { connection: &connection, get, scan, freshness, left: 0 })
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Outcome) -> Outcome {
        let mut connection = self.connect(self.synchronous)?;
        work(&mut Writing(&mut connection))
    }
}

/// A reader, with how many reads its transaction still serves.
struct Reading<'a> {
    connection: &'a Connection,
    get: Statement<'a>,
    scan: Statement<'a>,
    freshness: Freshness,
    left: u32,
}

impl Reading<'_> {
    fn begin(&mut self) -> Outcome {
        if self.freshness == Freshness::EachRead {
            return Ok(());
        }
        if self.left == 0 {
            let sql = if self.connection.is_autocommit() { "BEGIN" } else { "COMMIT; BEGIN" };
            self.connection.execute_batch(sql)?;
            self.left = READS_PER_TRANSACTION;
        }
        self.left -= 1;
        Ok(())
    }
}

impl Reader for Reading<'_> {
    fn get(&mut self, key: &Key) -> Result<Option<u8>, Failure> {
        self.begin()?;
        let last = |row: &rusqlite::Row<'_>| Ok(row.get_ref(0)?.as_blob()?.last().copied());
        Ok(self.get.query_row((key.as_slice(),), last).optional()?.flatten())
    }

    fn copy(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Failure> {
        self.begin()?;
        Ok(self.get.query_row((key.as_slice(),), |row| row.get(0)).optional()?)
    }

    fn scan(&mut self, from: &Key, limit: usize) -> Result<(usize, u64), Failure> {
        self.begin()?;
        let (mut count, mut sum) = (0, 0);
        let mut rows = self.scan.query((from.as_slice(), i64::try_from(limit).unwrap_or(i64::MAX)))?;
        while let Some(row) = rows.next()? {
            count += 1;
            sum += u64::from(row.get_ref(0)?.as_blob()?.last().copied().unwrap_or(0));
        }
        Ok((count, sum))
    }
}

struct Writing<'a>(&'a mut Connection);

impl Writer for Writing<'_> {
    fn commit(&mut self, changes: &[Upsert]) -> Outcome {
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut upsert = transaction.prepare_cached(UPSERT)?;
        for (key, text) in changes {
            upsert.execute((key.as_slice(), text.as_bytes()))?;
        }
        drop(upsert);
        Ok(transaction.commit()?)
    }
}
