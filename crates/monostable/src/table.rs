//! A prepared handle on one table: writes of single rows without SQL.
//!
//! It is to writing what a [`View`](crate::View) is to reading. The handle holds what never changes about its table: columns,
//! codecs, constraints. A [`Transaction`](crate::Transaction) takes it in `insert`, `upsert` and `delete`, which do what the
//! SQL statements of these names do to one row, with the same casts, constraints and errors.
//!
//! A handle stays valid while schemas change around it. If its table is changed, it is prepared again when it is used; after
//! DROP it gives [`Error::Dropped`](crate::Error::Dropped), also when a table of the same name is made again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use monostable_query::PointTable;
use monostable_query::catalog::{Relation, TableDef};
use monostable_types::Schema;

use crate::commit::State;
use crate::error::{Error, Result};

/// A prepared handle on a table. Cheap to clone, and to share between threads.
#[derive(Clone)]
pub struct Table {
    shared: Arc<Shared>,
}

struct Shared {
    table: Arc<TableDef>,
    prepared: Arc<PointTable>,
    /// The catalog version at which the table was last seen as it was prepared.
    unchanged_at: AtomicU64,
}

impl Table {
    pub(crate) fn new(state: &State, name: &str) -> Result<Table> {
        let Some(Relation::Table(table)) = state.catalog.relation(name) else {
            return Err(Error::Undefined { kind: "table", name: name.to_owned() });
        };
        let prepared = Arc::new(PointTable::new(&table, state.version.graph())?);
        let unchanged_at = AtomicU64::new(state.catalog.version());
        Ok(Table { shared: Arc::new(Shared { table, prepared, unchanged_at }) })
    }

    /// The name of the table.
    pub fn name(&self) -> &str {
        &self.shared.table.name
    }

    /// The columns of the table, in the order in which values are given.
    pub fn schema(&self) -> &Schema {
        &self.shared.table.schema
    }

    /// What writes on top of `state` need.
    pub(crate) fn prepared(&self, state: &State) -> Result<Arc<PointTable>> {
        let Shared { table, prepared, unchanged_at } = &*self.shared;
        let version = state.catalog.version();
        if unchanged_at.load(Ordering::Relaxed) == version {
            return Ok(Arc::clone(prepared));
        }
        match state.catalog.table(table.id) {
            // Definitions are shared between catalog versions, so the same definition is the same table.
            Some(current) if Arc::ptr_eq(current, table) => {
                unchanged_at.store(version, Ordering::Relaxed);
                Ok(Arc::clone(prepared))
            }
            Some(current) => Ok(Arc::new(PointTable::new(current, state.version.graph())?)),
            None => Err(Error::Dropped { kind: "table", name: table.name.clone() }),
        }
    }
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("name", &self.name()).finish_non_exhaustive()
    }
}
