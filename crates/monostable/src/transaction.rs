//! A transaction: a snapshot, private writes, and one chance to commit them all.
//!
//! Strong snapshot isolation: it reads the newest epoch that was published when it began, and its own writes. At commit the
//! first committer wins; the loser gets [`Error::Conflict`](crate::Error::Conflict) and nothing happened. Reads never
//! conflict, so write skew is possible; a rule over several rows has to be made a conflict by writing a row that both touch.
//!
//! A statement that fails leaves no trace, and the transaction goes on as if it had not been tried. (PostgreSQL refuses
//! everything after an error until ROLLBACK; there is no reason to, when the failed statement changed nothing.)
//!
//! Dropping a transaction rolls it back. Nothing is written anywhere before `commit`, so a rollback costs nothing.

use std::io::{Read, Write};
use std::sync::Arc;

use arrow_array::RecordBatch;
use monostable_query::{CopyEndpoint, CopyPlan, DmlOutcome, DmlPlan, Limits, Prepared};
use monostable_types::{Epoch, Value};
use monostable_view::TableId;

use crate::copy::{Sink, Source};
use crate::database::Database;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::overlay::{Workspace, Written};
use crate::row::Rows;
use crate::split::statements;
use crate::statement::{Effect, refuse_change, single};
use crate::table::Table;
use crate::ticket::Request;

/// An open transaction.
pub struct Transaction {
    db: Database,
    registered: Registered,
    workspace: Workspace,
}

/// The registration of the epoch that an open transaction reads.
struct Registered {
    db: Database,
    epoch: Epoch,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.db.pipeline().release(self.epoch);
    }
}

impl Transaction {
    pub(crate) fn begin(db: Database) -> Result<Transaction> {
        db.pipeline().check_open()?;
        let base = db.pipeline().acquire();
        let registered = Registered { db: db.clone(), epoch: base.epoch() };
        Ok(Transaction { db, registered, workspace: Workspace::new(base) })
    }

    /// The epoch that it reads.
    pub fn epoch(&self) -> Epoch {
        self.registered.epoch
    }

    /// Runs statements and answers how many rows they changed. Schema changes, BEGIN, COMMIT and ROLLBACK are refused.
    pub fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        let mut affected = 0;
        for statement in statements(sql) {
            let prepared = self.prepare(statement)?;
            affected += self.effect(&prepared, params)?.affected.unwrap_or(0);
        }
        Ok(affected)
    }

    /// Runs a query over the snapshot and this transaction's own writes.
    pub fn query(&mut self, sql: &str, params: &[Value]) -> Result<Rows> {
        let prepared = self.prepare(single(sql)?)?;
        refuse_change(&prepared)?;
        self.effect(&prepared, params)?.into_rows()
    }

    /// The same as Arrow batches.
    pub fn query_arrow(&mut self, sql: &str, params: &[Value]) -> Result<Vec<RecordBatch>> {
        Ok(self.query(sql, params)?.batches().to_vec())
    }

    /// Makes the writes durable and visible, all at once, and returns the epoch that shows them. A transaction that wrote
    /// nothing always succeeds.
    pub fn commit(self) -> Result<Epoch> {
        let Transaction { db, registered, workspace } = self;
        if workspace.is_unwritten() {
            return Ok(registered.epoch);
        }
        let catalog = Arc::clone(&workspace.base().catalog);
        let Written { writes, keys, bytes } = workspace.into_written();
        db.pipeline().commit(Request { snapshot: registered.epoch, catalog, writes, keys, bytes })
    }

    /// Forgets the writes.
    pub fn rollback(self) {
        drop(self);
    }

    pub(crate) fn prepare(&self, sql: &str) -> Result<Arc<Prepared>> {
        self.db.prepare(sql, self.workspace.base())
    }

    /// Runs one statement. If it fails, nothing has changed.
    pub(crate) fn effect(&mut self, prepared: &Prepared, params: &[Value]) -> Result<Effect> {
        match prepared {
            Prepared::Query(plan) => {
                let version = self.workspace.version(plan.relations())?;
                Ok(Effect::of_query("SELECT", plan.execute(version, params)?))
            }
            Prepared::Dml(plan) => self.change(plan, params),
            Prepared::Ddl(_) => Err(refused("schema changes are not allowed in a transaction: commit it first")),
            Prepared::Transaction(_) => Err(refused("this transaction is begun and ended by its owner, not by SQL")),
            Prepared::Copy(plan) => match plan.endpoint() {
                CopyEndpoint::File(path) if plan.table().is_some() => self.copy_in(plan, &mut Source::open(path)?),
                CopyEndpoint::File(path) => {
                    let mut sink = Sink::create(path)?;
                    let effect = self.copy_out(plan, &mut sink)?;
                    sink.finish()?;
                    Ok(effect)
                }
                CopyEndpoint::Stream => {
                    Err(Error::Misuse("COPY with STDIN or STDOUT needs a stream: use copy_from or copy_to".to_owned()))
                }
            },
            other => Effect::over(self.workspace.base(), other, params),
        }
    }

    /// Runs `COPY table FROM STDIN` with the rows that `source` gives.
    pub fn copy_from(&mut self, sql: &str, source: &mut dyn Read) -> Result<u64> {
        match &*self.prepare(single(sql)?)? {
            Prepared::Copy(plan) => Ok(self.copy_in(plan, source)?.affected.unwrap_or(0)),
            _ => Err(Error::Misuse("copy_from runs COPY .. FROM STDIN only".to_owned())),
        }
    }

    /// Runs `COPY .. TO STDOUT` and writes the rows to `sink`.
    pub fn copy_to(&mut self, sql: &str, sink: &mut dyn Write) -> Result<u64> {
        match &*self.prepare(single(sql)?)? {
            Prepared::Copy(plan) => Ok(self.copy_out(plan, sink)?.affected.unwrap_or(0)),
            _ => Err(Error::Misuse("copy_to runs COPY .. TO STDOUT only".to_owned())),
        }
    }

    fn copy_in(&mut self, plan: &CopyPlan, source: &mut dyn Read) -> Result<Effect> {
        let Some(table) = plan.table() else {
            return Err(Error::Misuse("COPY .. TO writes rows, it does not read them".to_owned()));
        };
        let version = self.workspace.version(plan.relations())?;
        let outcome = plan.read(version, source, Limits::default())?;
        let affected = outcome.affected;
        self.add(table, outcome)?;
        Ok(Effect::of_change("COPY", affected, None))
    }

    fn copy_out(&mut self, plan: &CopyPlan, sink: &mut dyn Write) -> Result<Effect> {
        let version = self.workspace.version(plan.relations())?;
        Ok(Effect::of_change("COPY", plan.write(version, sink)?, None))
    }

    fn change(&mut self, plan: &DmlPlan, params: &[Value]) -> Result<Effect> {
        if let Some(point) = plan.point() {
            let (writes, version) = self.workspace.points(point.table())?;
            let affected = point.execute(writes, version, params)?;
            return Ok(Effect::of_change(plan.verb(), affected, None));
        }
        let version = self.workspace.version(plan.relations())?;
        let mut outcome = plan.execute(version, params)?;
        let (affected, returning) = (outcome.affected, outcome.returning.take());
        self.add(plan.table(), outcome)?;
        Ok(Effect::of_change(plan.verb(), affected, returning))
    }

    /// Adds the change that a statement made, if it made one.
    fn add(&mut self, table: TableId, outcome: DmlOutcome) -> Result<()> {
        if outcome.delta.is_empty() { Ok(()) } else { self.workspace.write(table, outcome) }
    }
}

/// Writes through a [`Table`] handle: one row at a time, without SQL.
impl Transaction {
    /// Adds a row: one value for each column, in their order, cast as in an assignment. A row that has its key already is
    /// SQLSTATE 23505.
    pub fn insert(&mut self, table: &Table, row: &[Value]) -> Result<()> {
        let prepared = table.prepared(self.workspace.base())?;
        let (writes, version) = self.workspace.points(&prepared)?;
        Ok(writes.insert(version, row)?)
    }

    /// Adds a row, in the place of the one that has its primary key, if there is one. Answers whether there was.
    pub fn upsert(&mut self, table: &Table, row: &[Value]) -> Result<bool> {
        let prepared = table.prepared(self.workspace.base())?;
        let (writes, version) = self.workspace.points(&prepared)?;
        Ok(writes.upsert(version, row)?)
    }

    /// Takes away the row with this primary key. Answers whether there was one.
    pub fn delete(&mut self, table: &Table, key: impl Key) -> Result<bool> {
        let prepared = table.prepared(self.workspace.base())?;
        let (writes, version) = self.workspace.points(&prepared)?;
        Ok(writes.delete(version, &key.values())?)
    }
}

fn refused(message: &str) -> Error {
    Error::TransactionState { sqlstate: "25001", message: message.to_owned() }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("epoch", &self.epoch())
            .field("bytes", &self.workspace.bytes())
            .finish_non_exhaustive()
    }
}
