//! Monostable in this process, through its public interface only: the page's query is a materialized view, read by a prefix
//! of its key, and written through table handles.
//!
//! A restart drops every handle and opens the directory again, as a new process would.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use monostable::{Database, Options, Table, Value, View};
use parking_lot::RwLock;

use super::{Reader, Store, Writer};
use crate::real::error::{Error, Result};
use crate::real::workload::{Cell, Page, PageRow, Workload};

/// Rows that one transaction of the initial load inserts.
const LOAD_ROWS: u64 = 200_000;

/// A database and its prepared handles.
pub struct Views {
    workload: Workload,
    directory: PathBuf,
    memory_bytes: u64,
    opened: Arc<RwLock<Option<Handles>>>,
}

/// What a process prepares once.
#[derive(Clone)]
struct Handles {
    db: Database,
    view: View,
    tables: Vec<Table>,
}

impl Handles {
    fn open(workload: Workload, directory: &Path, memory_bytes: u64) -> Result<Handles> {
        let mut options = Options::at(directory);
        options.memory_bytes_max = memory_bytes as usize;
        let db = Database::open_with(options)?;
        let view = db.view("pages")?;
        let tables =
            workload.tables().iter().map(|table| db.table(table.name)).collect::<std::result::Result<_, _>>()?;
        Ok(Handles { db, view, tables })
    }
}

fn value(cell: Cell) -> Value {
    match cell {
        Cell::Int(number) => Value::from(number),
        Cell::Text(text) => Value::from(text),
    }
}

/// Makes and fills the directory.
pub(super) fn build(workload: Workload, directory: &Path) -> Result<()> {
    let db = Database::open(directory)?;
    for table in workload.tables() {
        db.execute(&format!("CREATE TABLE {} ({})", table.name, table.columns))?;
    }
    for (index, (table, rows)) in workload.tables().iter().zip(workload.initial_rows()).enumerate() {
        let handle = db.table(table.name)?;
        for first in (0..rows).step_by(LOAD_ROWS as usize) {
            let mut txn = db.begin()?;
            for row in first..(first + LOAD_ROWS).min(rows) {
                let values: Vec<Value> = workload.initial_row(index, row).into_iter().map(value).collect();
                txn.insert(&handle, &values)?;
            }
            txn.commit()?;
        }
    }
    // The view is made over what is there, as a user would add it to an application that has been running.
    db.execute(&format!("CREATE MATERIALIZED VIEW pages AS {}", workload.all_pages_sql()))?;
    Ok(db.close()?)
}

impl Views {
    /// Opens the directory.
    pub fn open(workload: Workload, directory: &Path, memory_bytes: u64) -> Result<Views> {
        let handles = Handles::open(workload, directory, memory_bytes)?;
        Ok(Views {
            workload,
            directory: directory.to_owned(),
            memory_bytes,
            opened: Arc::new(RwLock::new(Some(handles))),
        })
    }

    /// The database, for its statistics.
    pub fn database(&self) -> Option<Database> {
        self.opened.read().as_ref().map(|handles| handles.db.clone())
    }
}

impl Store for Views {
    fn reader(&self) -> Result<Box<dyn Reader>> {
        Ok(Box::new(ViewReader { opened: Arc::clone(&self.opened) }))
    }

    fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(ViewWriter { opened: Arc::clone(&self.opened), workload: self.workload }))
    }

    fn restart(&self) -> Result<()> {
        let mut opened = self.opened.write();
        // The lock of the directory goes with the last handle. Nothing is closed in order: what is not in files yet is
        // replayed from the log.
        drop(opened.take());
        *opened = Some(Handles::open(self.workload, &self.directory, self.memory_bytes)?);
        Ok(())
    }

    fn settings(&self) -> Vec<(String, String)> {
        let setting = |name: &str, value: String| (name.to_owned(), value);
        vec![
            setting("store", format!("Monostable {}", env!("CARGO_PKG_VERSION"))),
            setting("commits", "durable before they return".into()),
            setting("memory_bytes_max", self.memory_bytes.to_string()),
            setting("reads", "materialized view".into()),
        ]
    }
}

struct ViewReader {
    opened: Arc<RwLock<Option<Handles>>>,
}

impl Reader for ViewReader {
    fn page(&mut self, key: u64) -> Result<Page> {
        let opened = self.opened.read();
        let handles = opened.as_ref().ok_or(Error::Ended("Monostable"))?;
        let mut rows = Vec::new();
        for row in handles.view.prefix((key as i64,))? {
            let row = row?;
            rows.push(PageRow { name: row.get(1)?, part: row.get(2)?, amount: row.get(3)?, count: row.get(4)? });
        }
        Ok(Page::new(rows))
    }
}

struct ViewWriter {
    opened: Arc<RwLock<Option<Handles>>>,
    workload: Workload,
}

impl Writer for ViewWriter {
    fn write_all(&mut self, events: &[(u64, u64)]) -> Result<()> {
        let opened = self.opened.read();
        let handles = opened.as_ref().ok_or(Error::Ended("Monostable"))?;
        let mut txn = handles.db.begin()?;
        for insert in events.iter().flat_map(|&(event, key)| self.workload.event(event, key)) {
            let values: Vec<Value> = insert.cells.into_iter().map(value).collect();
            txn.insert(&handles.tables[insert.table], &values)?;
        }
        txn.commit()?;
        Ok(())
    }
}
