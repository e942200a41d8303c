//! The catalog: which tables, views and indexes there are, and which graph nodes hold them.
//!
//! A persistent value: a change makes a new catalog that shares everything else with the old one, so a statement plans against
//! exactly one state of it, and a failed DDL statement leaves nothing behind. It holds definitions only. Rows and operators
//! are in the graph and its versions; the definitions point there by [`NodeId`].
//!
//! Invariants: relations and indexes share one namespace (as in PostgreSQL); table ids are never reused; [`Catalog::version`]
//! grows with every change, so that a cached plan can be told from a current one; every dependency of a view exists.
//!
//! Cost: a change copies the map of names (O(relations)); lookups are by name in a tree.

mod codec;
mod restore;

use std::collections::BTreeMap;
use std::sync::Arc;

use monostable_types::{Schema, Value};
use monostable_view::{NodeId, TableId};

pub use self::codec::FORMAT_VERSION;
pub use self::restore::{Mismatch, Restored, restore};
use crate::error::{Error, Object, Result};

/// A table: its columns and constraints, and the graph nodes that hold its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDef {
    /// Identifies the table in the log; never reused.
    pub id: TableId,
    /// The name, folded.
    pub name: String,
    /// The columns; `nullable` is false for NOT NULL columns and those of the primary key.
    pub schema: Schema,
    /// Columns of the primary key, in its order; the table is a multiset without one.
    pub primary_key: Option<Vec<usize>>,
    /// Columns of each UNIQUE constraint. Rows with a NULL among them do not conflict.
    pub unique: Vec<UniqueDef>,
    /// DEFAULT of each column.
    pub defaults: Vec<Option<DefaultDef>>,
    /// The `n` of each `varchar(n)` column.
    pub characters_max: Vec<Option<u32>>,
    /// The graph's source node.
    pub source: NodeId,
    /// The arrangement of the source on the primary key, or on the whole row without one.
    pub node: NodeId,
}

impl TableDef {
    /// Columns of the key of [`TableDef::node`].
    pub fn key(&self) -> Vec<usize> {
        match &self.primary_key {
            Some(columns) => columns.clone(),
            None => (0..self.schema.len()).collect(),
        }
    }
}

/// A UNIQUE constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueDef {
    /// Name of the constraint, for messages and ON CONFLICT ON CONSTRAINT.
    pub name: String,
    /// Its columns.
    pub columns: Vec<usize>,
    /// The arrangement of the table's source on these columns.
    pub node: NodeId,
}

/// A DEFAULT: what was written, and its value. Defaults are constants.
#[derive(Debug, Clone, PartialEq)]
pub struct DefaultDef {
    /// The expression as it was written.
    pub sql: String,
    /// Its value, of the column's type.
    pub value: Value,
}

/// A materialized view.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewDef {
    /// The name, folded.
    pub name: String,
    /// The query, as text that is parsed again at open.
    pub sql: String,
    /// The columns that readers see.
    pub schema: Schema,
    /// Columns that identify a row; the whole row if nothing smaller does.
    pub key: Vec<usize>,
    /// Whether the key is smaller than the row by proof, so that at most one row has each key.
    pub key_is_unique: bool,
    /// The view's arrangement on its key.
    pub node: NodeId,
    /// Names of the tables and views that the query reads.
    pub dependencies: Vec<String>,
}

/// An index on a table or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDef {
    /// The name, folded.
    pub name: String,
    /// The table or view that is indexed.
    pub relation: String,
    /// The indexed columns, in the index's order.
    pub columns: Vec<usize>,
    /// The arrangement on these columns.
    pub node: NodeId,
}

/// Something that can stand in FROM.
#[derive(Debug, Clone, PartialEq)]
pub enum Relation {
    /// A table.
    Table(Arc<TableDef>),
    /// A materialized view.
    View(Arc<ViewDef>),
}

impl Relation {
    /// The name.
    pub fn name(&self) -> &str {
        match self {
            Relation::Table(table) => &table.name,
            Relation::View(view) => &view.name,
        }
    }

    /// The columns.
    pub fn schema(&self) -> &Schema {
        match self {
            Relation::Table(table) => &table.schema,
            Relation::View(view) => &view.schema,
        }
    }

    /// The arrangement that holds the rows.
    pub fn node(&self) -> NodeId {
        match self {
            Relation::Table(table) => table.node,
            Relation::View(view) => view.node,
        }
    }

    /// Columns of the key of [`Relation::node`].
    pub fn key(&self) -> Vec<usize> {
        match self {
            Relation::Table(table) => table.key(),
            Relation::View(view) => view.key.clone(),
        }
    }

    /// Columns of which no two rows share the values, and which are not merely all columns.
    pub fn unique_key(&self) -> Option<&[usize]> {
        match self {
            Relation::Table(table) => table.primary_key.as_deref(),
            Relation::View(view) => view.key_is_unique.then_some(view.key.as_slice()),
        }
    }

    /// Table or view.
    pub fn kind(&self) -> Object {
        match self {
            Relation::Table(_) => Object::Table,
            Relation::View(_) => Object::View,
        }
    }
}

/// All definitions. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalog {
    version: u64,
    next_table: u32,
    relations: Arc<BTreeMap<String, Relation>>,
    indexes: Arc<BTreeMap<String, Arc<IndexDef>>>,
}

impl Catalog {
    /// A catalog with nothing in it.
    pub fn new() -> Catalog {
        Catalog::default()
    }

    /// Grows with every change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The table or view of that (folded) name.
    pub fn relation(&self, name: &str) -> Option<Relation> {
        self.relations.get(name).cloned()
    }

    /// The table or view of that name, or 42P01.
    pub fn expect_relation(&self, name: &str) -> Result<Relation> {
        self.relation(name).ok_or_else(|| Error::undefined(Object::Relation, name))
    }

    /// The table of that name; 42P01 if there is none, 42809 if it is a view.
    pub fn expect_table(&self, name: &str) -> Result<Arc<TableDef>> {
        match self.expect_relation(name)? {
            Relation::Table(table) => Ok(table),
            Relation::View(_) => Err(Error::WrongObjectType(format!("\"{name}\" is a materialized view, not a table"))),
        }
    }

    /// The table of that id.
    pub fn table(&self, id: TableId) -> Option<&Arc<TableDef>> {
        self.tables().find(|table| table.id == id)
    }

    /// All tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableDef>> {
        self.relations.values().filter_map(|relation| match relation {
            Relation::Table(table) => Some(table),
            Relation::View(_) => None,
        })
    }

    /// All views, by name.
    pub fn views(&self) -> impl Iterator<Item = &Arc<ViewDef>> {
        self.relations.values().filter_map(|relation| match relation {
            Relation::View(view) => Some(view),
            Relation::Table(_) => None,
        })
    }

    /// All tables and views, by name.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.values()
    }

    /// The index of that name.
    pub fn index(&self, name: &str) -> Option<&Arc<IndexDef>> {
        self.indexes.get(name)
    }

    /// All indexes, by name.
    pub fn indexes(&self) -> impl Iterator<Item = &Arc<IndexDef>> {
        self.indexes.values()
    }

    /// The indexes of one table or view.
    pub fn indexes_of<'a>(&'a self, relation: &'a str) -> impl Iterator<Item = &'a Arc<IndexDef>> {
        self.indexes.values().filter(move |index| index.relation == relation)
    }

    /// The names of the views that read `relation`.
    pub fn dependents(&self, relation: &str) -> Vec<String> {
        let reads = |view: &&Arc<ViewDef>| view.dependencies.iter().any(|name| name == relation);
        self.views().filter(reads).map(|view| view.name.clone()).collect()
    }

    /// The views in an order in which each comes after those that it reads.
    pub fn views_in_order(&self) -> Vec<Arc<ViewDef>> {
        let mut ordered: Vec<Arc<ViewDef>> = Vec::new();
        let mut waiting: Vec<&Arc<ViewDef>> = self.views().collect();
        while !waiting.is_empty() {
            let pending: Vec<&str> = waiting.iter().map(|view| view.name.as_str()).collect();
            let (ready, blocked): (Vec<_>, Vec<_>) = waiting
                .iter()
                .copied()
                .partition(|view| !view.dependencies.iter().any(|name| pending.contains(&name.as_str())));
            if ready.is_empty() {
                // A circle cannot be created; one in a damaged catalog is kept, and fails when it is planned.
                ordered.extend(blocked.into_iter().cloned());
                break;
            }
            ordered.extend(ready.into_iter().cloned());
            waiting = blocked;
        }
        ordered
    }

    /// Every node that must stay alive: those of all tables, views and indexes.
    pub fn roots(&self) -> Vec<NodeId> {
        let mut roots = Vec::new();
        for relation in self.relations.values() {
            roots.push(relation.node());
            if let Relation::Table(table) = relation {
                roots.push(table.source);
                roots.extend(table.unique.iter().map(|unique| unique.node));
            }
        }
        roots.extend(self.indexes.values().map(|index| index.node));
        roots
    }

    /// The id that the next table gets.
    pub fn next_table_id(&self) -> TableId {
        TableId(self.next_table)
    }

    /// Whether a relation or an index has that name.
    pub fn is_taken(&self, name: &str) -> bool {
        self.relations.contains_key(name) || self.indexes.contains_key(name)
    }

    fn changed(&self) -> Catalog {
        Catalog { version: self.version + 1, ..self.clone() }
    }

    fn refuse_taken(&self, name: &str) -> Result<()> {
        if self.is_taken(name) { Err(Error::duplicate(Object::Relation, name)) } else { Ok(()) }
    }

    /// With one more relation; 42P07 if the name is taken.
    pub fn with_relation(&self, relation: Relation) -> Result<Catalog> {
        self.refuse_taken(relation.name())?;
        let mut changed = self.changed();
        if let Relation::Table(table) = &relation {
            changed.next_table = self.next_table.max(table.id.0.saturating_add(1));
        }
        Arc::make_mut(&mut changed.relations).insert(relation.name().to_string(), relation);
        Ok(changed)
    }

    /// With one more index; 42P07 if the name is taken.
    pub fn with_index(&self, index: IndexDef) -> Result<Catalog> {
        self.refuse_taken(&index.name)?;
        let mut changed = self.changed();
        Arc::make_mut(&mut changed.indexes).insert(index.name.clone(), Arc::new(index));
        Ok(changed)
    }

    /// Without a relation and its indexes; 2BP01 if views read it.
    pub fn without_relation(&self, name: &str) -> Result<Catalog> {
        let relation = self.expect_relation(name)?;
        let dependents = self.dependents(name);
        if !dependents.is_empty() {
            let dependents = format!("materialized view \"{}\"", dependents.join("\", \""));
            return Err(Error::DependentObjects { kind: relation.kind(), name: name.to_string(), dependents });
        }
        let mut changed = self.changed();
        Arc::make_mut(&mut changed.relations).remove(name);
        Arc::make_mut(&mut changed.indexes).retain(|_, index| index.relation != name);
        Ok(changed)
    }

    /// Without an index; 42704 if there is none.
    pub fn without_index(&self, name: &str) -> Result<Catalog> {
        if !self.indexes.contains_key(name) {
            return Err(Error::undefined(Object::Index, name));
        }
        let mut changed = self.changed();
        Arc::make_mut(&mut changed.indexes).remove(name);
        Ok(changed)
    }
}
