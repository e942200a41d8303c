//! Monostable: a table, and a materialized view over it that is read.
//!
//! The load is COPY, one transaction for each chunk; a change is an upsert through a prepared handle on the table. There is no mode without syncs:
//! every commit is durable, also while loading. A read goes through a prepared handle on the view, which lends rows where they
//! lie, as LMDB does; the handle is pinned anew for each read or scan, so that each sees the newest commit.

use super::{Freshness, Key, READS_PER_TRANSACTION, Reader, Sizing, Store, Upsert, Writer, key, key_text, text};
use crate::process::wait_until_idle;
use crate::workload::{Failure, Outcome};
use monostable::{Database, Options, Table, View, params};
use std::path::Path;
use std::time::Duration;

const LOAD_ROWS_PER_TRANSACTION: usize = 100_000;
const SCHEMA: [&str; 2] = [
    "CREATE TABLE items (k TEXT PRIMARY KEY, v TEXT NOT NULL, hidden BOOLEAN NOT NULL)",
    "CREATE MATERIALIZED VIEW visible AS SELECT k, v FROM items WHERE NOT hidden",
];
const COPY: &str = "COPY items FROM STDIN WITH (FORMAT csv)";
/// The position of the text in the view.
const TEXT: usize = 1;

pub struct Ours {
    db: Database,
    view: View,
}

impl Ours {
    pub fn open(directory: &Path, _sizing: Sizing) -> Result<Ours, Failure> {
        let mut options = Options::at(directory);
        // A load in bulk waits for memory instead of giving up.
        options.commit_wait_max = Duration::from_secs(120);
        let db = Database::open_with(options)?;
        let opened = db.stats().open;
        if opened.groups_replayed > 0 {
            eprintln!(
                "replayed {} groups, {} bytes, over {} runs",
                opened.groups_replayed, opened.bytes_replayed, opened.runs
            );
        }
        if db.view("visible").is_err() {
            SCHEMA.iter().try_for_each(|sql| db.execute(sql).map(drop))?;
        }
        Ok(Ours { view: db.view("visible")?, db })
    }
}

impl Store for Ours {
    fn settings(&self) -> String {
        "default options, every commit is durable; one table, one view over it; texts lent by a pinned view".to_string()
    }

    fn load(&self, order: &[u32]) -> Outcome {
        for chunk in order.chunks(LOAD_ROWS_PER_TRANSACTION) {
            let mut csv = String::with_capacity(chunk.len() * (super::ROW_BYTES + 8));
            for &index in chunk {
                csv.push_str(key_text(&key(index.into())));
                csv.push(',');
                csv.push_str(&text(index.into(), 0));
                csv.push_str(",false\n");
            }
            let mut txn = self.db.begin()?;
            txn.copy_from(COPY, &mut csv.as_bytes())?;
            txn.commit()?;
        }
        Ok(())
    }

    fn settle(&self) -> Outcome {
        self.db.checkpoint()?;
        wait_until_idle()
    }

    fn read(&self, freshness: Freshness, work: &mut dyn FnMut(&mut dyn Reader) -> Outcome) -> Outcome {
        let left = if freshness == Freshness::EachRead { None } else { Some(0) };
        work(&mut Reading { db: &self.db, view: self.view.clone(), left })
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Outcome) -> Outcome {
        work(&mut Writing { db: &self.db, table: self.db.table("items")? })
    }
}

/// A reader; with a snapshot, how many reads that still serves.
struct Reading<'a> {
    db: &'a Database,
    view: View,
    left: Option<u32>,
}

impl Reading<'_> {
    fn view(&mut self) -> Result<&View, Failure> {
        if let Some(left) = &mut self.left {
            if *left == 0 {
                self.view = self.db.snapshot().view("visible")?;
                *left = READS_PER_TRANSACTION;
            }
            *left -= 1;
        }
        Ok(&self.view)
    }
}

impl Reader for Reading<'_> {
    fn get(&mut self, key: &Key) -> Result<Option<u8>, Failure> {
        let pinned = self.view()?.pin()?;
        let Some(row) = pinned.get((key_text(key),))? else { return Ok(None) };
        Ok(row.bytes(TEXT)?.and_then(|text| text.last().copied()))
    }

    fn copy(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Failure> {
        let Some(row) = self.view()?.get((key_text(key),))? else { return Ok(None) };
        Ok(Some(row.get::<String>(TEXT)?.into_bytes()))
    }

    fn scan(&mut self, from: &Key, limit: usize) -> Result<(usize, u64), Failure> {
        let (mut count, mut sum) = (0, 0);
        let pinned = self.view()?.pin()?;
        for row in pinned.range((key_text(from),)..)?.take(limit) {
            count += 1;
            sum += row?.bytes(TEXT)?.and_then(|text| text.last().copied()).map_or(0, u64::from);
        }
        Ok((count, sum))
    }
}

struct Writing<'a> {
    db: &'a Database,
    table: Table,
}

impl Writer for Writing<'_> {
    fn commit(&mut self, changes: &[Upsert]) -> Outcome {
        let mut txn = self.db.begin()?;
        for (key, text) in changes {
            txn.upsert(&self.table, params![key_text(key), text.as_str(), false])?;
        }
        txn.commit()?;
        Ok(())
    }
}
