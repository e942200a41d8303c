//! A snapshot: every table and view at one epoch, for as long as it is held.
//!
//! Taking one is cloning an `Arc`. It blocks nobody, conflicts with nobody, and answers the same question in the same way
//! for ever; what it costs is the memory of the runs that only it still needs. Unlike a transaction, it cannot write.

use std::sync::Arc;

use monostable_types::{Epoch, Value};

use crate::commit::State;
use crate::database::Database;
use crate::error::Result;
use crate::row::Rows;
use crate::view::View;

/// The database at one epoch. Cheap to clone.
#[derive(Clone)]
pub struct Snapshot {
    db: Database,
    state: Arc<State>,
}

impl Snapshot {
    pub(crate) fn new(db: Database, state: Arc<State>) -> Snapshot {
        Snapshot { db, state }
    }

    /// The epoch that it shows.
    pub fn epoch(&self) -> Epoch {
        self.state.epoch()
    }

    /// Runs a query.
    pub fn query(&self, sql: &str) -> Result<Rows> {
        self.query_with(sql, &[])
    }

    /// Runs a query with parameters.
    pub fn query_with(&self, sql: &str, params: &[Value]) -> Result<Rows> {
        self.db.query_state(&self.state, sql, params)
    }

    /// A handle that reads a view as of this snapshot.
    pub fn view(&self, name: &str) -> Result<View> {
        View::at(&self.state, name)
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}
