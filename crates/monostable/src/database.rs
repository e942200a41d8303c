//! `Database`: the handle that everything starts from.
//!
//! It owns the parts and connects them: the planner (SQL), the commit pipeline (log and visibility), the store (files) and
//! the background worker. A handle is cheap to clone and safe to share; the database lives as long as any handle, view,
//! transaction, session or snapshot of it. When the last one is dropped, the background thread is joined and the directory
//! is unlocked; nothing needs to be flushed, because a commit is durable when it is acknowledged.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use monostable_query::{Planner, Prepared};
use monostable_types::{Epoch, Value};
use monostable_vfs::Lock;
use parking_lot::Mutex;

use crate::background::{Chores, Worker};
use crate::commit::{Pipeline, State};
use crate::error::{Error, Result};
use crate::files::Files;
use crate::options::{Background, Options};
use crate::recovery;
use crate::row::Rows;
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::split::statements;
use crate::statement::{Effect, refuse_change, single};
use crate::stats::OpenReport;
use crate::table::Table;
use crate::transaction::Transaction;
use crate::view::View;

/// An open database. See the [crate's documentation](crate) for an example.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

/// What all handles share, and what ends with the last of them.
struct Shared {
    engine: Arc<Engine>,
    worker: Worker,
}

/// The parts of an open database.
pub(crate) struct Engine {
    pub(crate) pipeline: Pipeline,
    pub(crate) planner: Planner,
    /// Run files and the manifest; absent in an in-memory database.
    pub(crate) files: Option<Files>,
    pub(crate) options: Options,
    pub(crate) opened: OpenReport,
    /// One schema change at a time.
    pub(crate) ddl: Mutex<()>,
    /// What the background work remembers.
    pub(crate) chores: Mutex<Chores>,
    /// Why the last background step failed, if it did.
    pub(crate) background_error: Mutex<Option<Error>>,
    /// The directory's lock. Released by `close`, or with the engine.
    pub(crate) lock: Mutex<Option<Lock>>,
}

impl Database {
    /// Opens the database in a directory, or makes a new one there.
    ///
    /// Opening costs O(files + what the log holds since the last checkpoint). Afterwards every table and view is complete.
    pub fn open(path: impl Into<PathBuf>) -> Result<Database> {
        Database::open_with(Options::at(path))
    }

    /// Makes a database without files: the same engine, without a log.
    pub fn in_memory() -> Result<Database> {
        Database::open_with(Options::in_memory())
    }

    /// Opens a database as the options say.
    pub fn open_with(options: Options) -> Result<Database> {
        let background = options.background;
        let engine = Arc::new(recovery::open(options)?);
        let worker = match background {
            Background::Thread => Worker::start(&engine)?,
            Background::Manual => Worker::manual(),
        };
        Ok(Database { shared: Arc::new(Shared { engine, worker }) })
    }

    /// Runs statements, each in a transaction of its own, and answers how many rows they changed together.
    ///
    /// A text may hold several statements; it stops at the first error, and what ran before it stays done. For a
    /// transaction over several statements use [`Database::begin`] or [`Database::session`].
    pub fn execute(&self, sql: &str) -> Result<u64> {
        self.execute_with(sql, &[])
    }

    /// The same with parameters, for `$1`, `$2` and so on.
    pub fn execute_with(&self, sql: &str, params: &[Value]) -> Result<u64> {
        let mut session = self.session();
        let mut affected = 0;
        for statement in statements(sql) {
            affected += session.effect(statement, params)?.affected.unwrap_or(0);
        }
        if session.in_transaction() {
            let message = "the text begins a transaction and does not end it; it was rolled back: use begin or session";
            return Err(Error::TransactionState { sqlstate: "25001", message: message.to_owned() });
        }
        Ok(affected)
    }

    /// Runs a query over the newest published epoch.
    pub fn query(&self, sql: &str) -> Result<Rows> {
        self.query_with(sql, &[])
    }

    /// The same with parameters.
    pub fn query_with(&self, sql: &str, params: &[Value]) -> Result<Rows> {
        self.query_state(&self.published_state(), sql, params)
    }

    /// The result of a query as Arrow batches.
    pub fn query_arrow(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        Ok(self.query(sql)?.batches().to_vec())
    }

    /// Begins a transaction on the newest published epoch.
    pub fn begin(&self) -> Result<Transaction> {
        Transaction::begin(self.clone())
    }

    /// A session, which runs statements as a shell sends them, BEGIN and COMMIT among them.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// A prepared handle on a table, for writes of single rows without SQL.
    pub fn table(&self, name: &str) -> Result<Table> {
        Table::new(&self.published(), name)
    }

    /// A prepared handle on a materialized view.
    pub fn view(&self, name: &str) -> Result<View> {
        View::live(self.clone(), name)
    }

    /// Every table and view at the newest published epoch, for as long as the snapshot is held.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.clone(), self.published_state())
    }

    /// The newest published epoch.
    pub fn epoch(&self) -> Epoch {
        self.published().epoch()
    }

    /// Does one piece of background work, if there is any, and answers whether there was. For a database that was opened
    /// with [`Background::Manual`].
    pub fn background_step(&self) -> Result<bool> {
        self.engine().background_step()
    }

    /// Writes everything that is only in the log into files, so that the next open replays nothing that came before.
    /// Commits go on meanwhile. Does nothing in an in-memory database.
    pub fn checkpoint(&self) -> Result<()> {
        self.engine().checkpoint()
    }

    /// Ends the database: finishes the commits that are under way, stops the background work, writes a checkpoint if the
    /// options ask for one, and unlocks the directory. Returns an error of the background work that nobody has seen.
    ///
    /// Everything that writes fails with [`Error::Closed`] from then on. Views and snapshots that are held go on reading
    /// the last published state. Closing again does nothing.
    pub fn close(&self) -> Result<()> {
        self.shared.worker.stop();
        self.engine().close()
    }
}

/// For the other modules of this crate.
impl Database {
    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.shared.engine.pipeline
    }

    pub(crate) fn published(&self) -> arc_swap::Guard<Arc<State>> {
        self.pipeline().published()
    }

    pub(crate) fn published_state(&self) -> Arc<State> {
        Arc::clone(&self.published())
    }

    /// Plans one statement against the catalog of a state.
    pub(crate) fn prepare(&self, sql: &str, state: &State) -> Result<Arc<Prepared>> {
        Ok(self.engine().planner.prepare(sql, &state.catalog, state.version.graph())?)
    }

    /// Runs a query over a state.
    pub(crate) fn query_state(&self, state: &State, sql: &str, params: &[Value]) -> Result<Rows> {
        let prepared = self.prepare(single(sql)?, state)?;
        refuse_change(&prepared)?;
        Effect::over(state, &prepared, params)?.into_rows()
    }
}

impl Engine {
    /// Writes a checkpoint, if there are files to write it to.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        let Some(files) = &self.files else { return Ok(()) };
        let _not_while_closing = self.chores.lock();
        self.pipeline.check_writable()?;
        files.checkpoint(&self.pipeline).inspect_err(|error| self.poison_if_lost(error))
    }

    /// Ends writing, and leaves the files as the options ask.
    fn close(&self) -> Result<()> {
        if !self.pipeline.close() {
            return Ok(());
        }
        // Whoever writes files finds the database closed and ends; after that nobody begins.
        let _no_schema_change = self.ddl.lock();
        let mut chores = self.chores.lock();
        if let Some(files) = &self.files {
            chores.abandon(files);
        }
        let unseen = self.background_error.lock().take();
        let healthy = !self.pipeline.is_poisoned();
        let written = match &self.files {
            Some(files) if healthy && self.options.checkpoint_on_close => files.checkpoint(&self.pipeline),
            _ => Ok(()),
        };
        let closed = match self.pipeline.wal() {
            Some(wal) if healthy => wal.close().map_err(Error::from),
            _ => Ok(()),
        };
        self.lock.lock().take();
        written.and(closed).and(unseen.map_or(Ok(()), Err))
    }

    /// Adds everything that is damaged in the files and in the log to `damaged`.
    pub(crate) fn verify(&self, damaged: &mut Vec<String>) {
        if let Some(files) = &self.files {
            let report = files.store.verify(|_| {});
            damaged.extend(report.damages.iter().map(ToString::to_string));
        }
        if let Some(wal) = self.pipeline.wal() {
            match wal.replay(wal.start()) {
                Ok(groups) => damaged.extend(groups.filter_map(|group| group.err()).map(|error| error.to_string())),
                Err(error) => damaged.push(error.to_string()),
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.worker.stop();
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}
