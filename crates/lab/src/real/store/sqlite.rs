//! SQLite in this process: the query computed for each read (A0 to A3), or a summary table kept by a trigger (B1).
//!
//! Write-ahead log and `synchronous=FULL`: a commit is on disk when it returns. Tables have the keys and indexes that the
//! page's query wants, statements are prepared once for each connection, and the statistics of the planner are gathered.
//! The page cache is as large as the memory that Monostable is given, shared among the connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OpenFlags, ToSql, params_from_iter};

use super::{Reader, Store, Writer};
use crate::real::error::Result;
use crate::real::workload::{Cell, Page, PageRow, Workload};

/// Connections that the memory is shared among: the readers and the writer.
const CONNECTIONS: u64 = 2;

/// A database file and what is asked of it.
pub struct Sqlite {
    workload: Workload,
    summary: bool,
    path: PathBuf,
    cache_bytes: u64,
    /// Grows with each restart; a connection of an older generation is closed and opened again before its next use.
    generation: Arc<AtomicU64>,
}

/// Makes and fills the file.
pub(super) fn build(workload: Workload, summary: bool, directory: &Path) -> Result<()> {
    let mut connection = Connection::open(directory.join("data.sqlite"))?;
    connection.execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA cache_size=-65536;")?;
    for table in workload.tables() {
        // SQLite's rowid is the primary key only of a column that is spelt INTEGER.
        let columns = table.columns.replacen("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY", 1);
        connection.execute_batch(&format!("CREATE TABLE {} ({columns})", table.name))?;
    }
    let transaction = connection.transaction()?;
    for (index, (table, rows)) in workload.tables().iter().zip(workload.initial_rows()).enumerate() {
        let mut insert = transaction.prepare(&insert_sql(table.name, table.width))?;
        for row in 0..rows {
            insert.execute(params_from_iter(workload.initial_row(index, row)))?;
        }
    }
    for (name, table, columns) in workload.indexes() {
        transaction.execute_batch(&format!("CREATE INDEX {name} ON {table} ({columns})"))?;
    }
    if summary {
        let last = workload.tables().last().map_or("", |table| table.name);
        transaction.execute_batch(&format!(
            "CREATE TABLE summary (id INTEGER NOT NULL, name TEXT NOT NULL, part INTEGER NOT NULL, amount INTEGER NOT NULL,
                                   n INTEGER NOT NULL, PRIMARY KEY (id, part)) WITHOUT ROWID;
             INSERT INTO summary (id, name, part, amount, n) {};
             CREATE TRIGGER summarise AFTER INSERT ON {last} BEGIN {}; END",
            workload.all_pages_sql(),
            workload.trigger_sql(),
        ))?;
    }
    transaction.commit()?;
    connection.execute_batch("ANALYZE; PRAGMA synchronous=FULL; PRAGMA wal_checkpoint(TRUNCATE);")?;
    connection.close().map_err(|(_, error)| error.into())
}

fn insert_sql(table: &str, width: usize) -> String {
    let marks: Vec<String> = (1..=width).map(|at| format!("?{at}")).collect();
    format!("INSERT INTO {table} VALUES ({})", marks.join(", "))
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Cell::Int(number) => number.to_sql(),
            Cell::Text(text) => text.to_sql(),
        }
    }
}

impl Sqlite {
    /// Opens the file in `directory`.
    pub fn open(workload: Workload, summary: bool, directory: &Path, memory_bytes: u64) -> Result<Sqlite> {
        let store = Sqlite {
            workload,
            summary,
            path: directory.join("data.sqlite"),
            cache_bytes: memory_bytes / CONNECTIONS,
            generation: Arc::new(AtomicU64::new(0)),
        };
        store.connection()?;
        Ok(store)
    }

    fn connection(&self) -> Result<Session> {
        let mut session = Session {
            path: self.path.clone(),
            cache_bytes: self.cache_bytes,
            current: Arc::clone(&self.generation),
            opened: None,
        };
        session.connection()?;
        Ok(session)
    }
}

impl Store for Sqlite {
    fn reader(&self) -> Result<Box<dyn Reader>> {
        let sql = if self.summary { self.workload.summary_sql("?1") } else { self.workload.page_sql("?1") };
        Ok(Box::new(SqliteReader { session: self.connection()?, sql }))
    }

    fn writer(&self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(SqliteWriter { session: self.connection()?, workload: self.workload }))
    }

    fn restart(&self) -> Result<()> {
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn settings(&self) -> Vec<(String, String)> {
        let setting = |name: &str, value: String| (name.to_owned(), value);
        vec![
            setting("store", format!("SQLite {}", rusqlite::version())),
            setting("journal_mode", "WAL".into()),
            setting("synchronous", "FULL".into()),
            setting("cache_size for each connection, bytes", self.cache_bytes.to_string()),
            setting("reads", if self.summary { "summary table kept by a trigger" } else { "query" }.into()),
        ]
    }
}

/// A connection that is opened again after a restart.
struct Session {
    path: PathBuf,
    cache_bytes: u64,
    current: Arc<AtomicU64>,
    opened: Option<(u64, Connection)>,
}

impl Session {
    fn connection(&mut self) -> Result<&mut Connection> {
        let current = self.current.load(Ordering::Acquire);
        let opened = match self.opened.take() {
            Some((generation, connection)) if generation == current => connection,
            _ => self.open()?,
        };
        let (_, connection) = self.opened.insert((current, opened));
        Ok(connection)
    }

    fn open(&self) -> Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        let cache_kib = self.cache_bytes / 1024;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.execute_batch(&format!("PRAGMA synchronous=FULL; PRAGMA cache_size=-{cache_kib};"))?;
        Ok(connection)
    }
}

struct SqliteReader {
    session: Session,
    sql: String,
}

impl Reader for SqliteReader {
    fn page(&mut self, key: u64) -> Result<Page> {
        let connection = self.session.connection()?;
        let mut statement = connection.prepare_cached(&self.sql)?;
        let rows = statement.query_map([key as i64], |row| {
            Ok(PageRow { name: row.get(1)?, part: row.get(2)?, amount: row.get(3)?, count: row.get(4)? })
        })?;
        Ok(Page::new(rows.collect::<rusqlite::Result<_>>()?))
    }
}

struct SqliteWriter {
    session: Session,
    workload: Workload,
}

impl Writer for SqliteWriter {
    fn write_all(&mut self, events: &[(u64, u64)]) -> Result<()> {
        let tables = self.workload.tables();
        let transaction =
            self.session.connection()?.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for insert in events.iter().flat_map(|&(event, key)| self.workload.event(event, key)) {
            let table = &tables[insert.table];
            transaction
                .prepare_cached(&insert_sql(table.name, table.width))?
                .execute(params_from_iter(insert.cells))?;
        }
        Ok(transaction.commit()?)
    }
}
