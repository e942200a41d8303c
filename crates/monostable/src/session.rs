//! A session: statements one after the other, with BEGIN and COMMIT between them, as a shell or a connection sends them.
//!
//! Outside of a transaction each statement commits by itself, also when several come in one text (PostgreSQL makes one
//! transaction of such a text; a schema change could not be part of it here). A text stops at its first error; what ran
//! before it stays done. Schema changes are refused inside a transaction with 25001.
//!
//! Dropping a session rolls its open transaction back.

use monostable_query::{Prepared, TransactionControl};
use monostable_types::{Column, DataType, Value};

use crate::database::Database;
use crate::error::{Error, Result};
use crate::row::Rows;
use crate::split::statements;
use crate::statement::{Effect, single};
use crate::transaction::Transaction;

/// What one statement answered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// The names of the columns; empty if the statement returns no rows.
    pub columns: Vec<String>,
    /// Their types.
    pub types: Vec<DataType>,
    /// The rows, if the statement returns rows.
    pub rows: Option<Rows>,
    /// How many rows it changed, if it changes rows.
    pub affected: Option<u64>,
    /// What PostgreSQL calls the command tag: `SELECT 3`, `INSERT 0 1`, `CREATE TABLE`.
    pub tag: String,
    /// Remarks, for example that a table was there already.
    pub notices: Vec<String>,
}

impl Outcome {
    fn new(effect: Effect) -> Outcome {
        let Effect { tag, affected, rows, notices } = effect;
        let columns = rows.as_ref().map(|rows| rows.schema().columns()).unwrap_or_default();
        let types = columns.iter().map(|column| column.data_type).collect();
        let columns = columns.iter().map(|column| column.name.clone()).collect();
        Outcome { columns, types, rows, affected, tag, notices }
    }
}

/// What one statement takes and answers, known before it runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Description {
    /// The types of `$1`, `$2`, ...
    pub parameters: Vec<DataType>,
    /// The columns; empty if the statement returns no rows.
    pub columns: Vec<Column>,
}

/// A sequence of statements by one client.
#[derive(Debug)]
pub struct Session {
    db: Database,
    transaction: Option<Transaction>,
}

impl Session {
    pub(crate) fn new(db: Database) -> Session {
        Session { db, transaction: None }
    }

    /// Whether a transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Runs every statement of the text and gives one outcome for each; stops at the first error.
    pub fn execute(&mut self, sql: &str) -> Result<Vec<Outcome>> {
        statements(sql).into_iter().map(|statement| self.execute_one(statement, &[])).collect()
    }

    /// Runs one statement with parameters.
    pub fn execute_with(&mut self, sql: &str, params: &[Value]) -> Result<Outcome> {
        self.execute_one(single(sql)?, params)
    }

    /// What one statement takes and answers, as the schema is now. Nothing is run but EXPLAIN and SHOW, which change nothing.
    pub fn describe(&self, sql: &str) -> Result<Description> {
        let (sql, state) = (single(sql)?, self.db.published_state());
        let prepared = match &self.transaction {
            Some(transaction) => transaction.prepare(sql)?,
            None => self.db.prepare(sql, &state)?,
        };
        let (parameters, columns) = match &*prepared {
            Prepared::Query(plan) => (plan.parameters().to_vec(), plan.schema().columns().to_vec()),
            Prepared::Dml(plan) => {
                (plan.parameters().to_vec(), plan.returning().map_or(Vec::new(), |schema| schema.columns().to_vec()))
            }
            Prepared::Explain(_) | Prepared::Show(_) => {
                (Vec::new(), Effect::over(&state, &prepared, &[])?.into_rows()?.schema().columns().to_vec())
            }
            _ => (Vec::new(), Vec::new()),
        };
        Ok(Description { parameters, columns })
    }

    fn execute_one(&mut self, sql: &str, params: &[Value]) -> Result<Outcome> {
        self.effect(sql, params).map(Outcome::new)
    }

    pub(crate) fn effect(&mut self, sql: &str, params: &[Value]) -> Result<Effect> {
        if let Some(transaction) = &mut self.transaction {
            let prepared = transaction.prepare(sql)?;
            return match &*prepared {
                Prepared::Transaction(control) => self.control(control),
                _ => transaction.effect(&prepared, params),
            };
        }
        let state = self.db.published_state();
        let prepared = self.db.prepare(sql, &state)?;
        match &*prepared {
            Prepared::Transaction(control) => self.control(control),
            Prepared::Ddl(_) => self.db.run_ddl(sql),
            Prepared::Query(plan) => Ok(Effect::of_query("SELECT", plan.execute(&state.version, params)?)),
            _ => self.autocommit(sql, params),
        }
    }

    /// Runs one statement in a transaction of its own. It is planned again there, which the plan cache makes cheap, because
    /// the catalog may have changed in between.
    fn autocommit(&self, sql: &str, params: &[Value]) -> Result<Effect> {
        let mut transaction = Transaction::begin(self.db.clone())?;
        let prepared = transaction.prepare(sql)?;
        let effect = transaction.effect(&prepared, params)?;
        transaction.commit()?;
        Ok(effect)
    }

    fn control(&mut self, control: &TransactionControl) -> Result<Effect> {
        let none =
            || Error::TransactionState { sqlstate: "25P01", message: "there is no transaction in progress".to_owned() };
        match control {
            TransactionControl::Begin if self.transaction.is_some() => {
                let message = "there is already a transaction in progress".to_owned();
                Err(Error::TransactionState { sqlstate: "25001", message })
            }
            TransactionControl::Begin => {
                self.transaction = Some(Transaction::begin(self.db.clone())?);
                Ok(Effect::tag("BEGIN"))
            }
            TransactionControl::Commit => {
                self.transaction.take().ok_or_else(none)?.commit()?;
                Ok(Effect::tag("COMMIT"))
            }
            TransactionControl::Rollback => {
                self.transaction.take().ok_or_else(none)?.rollback();
                Ok(Effect::tag("ROLLBACK"))
            }
        }
    }
}
