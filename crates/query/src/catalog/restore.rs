//! Opening: from a stored catalog to a catalog and a graph.
//!
//! Tables and indexes are rebuilt from their definitions; views are planned again from their text, in an order in which each
//! comes after those that it reads. A view whose operators are no longer those whose state was stored is reported as a
//! [`Mismatch`]: its arrangement is then empty and is to be built again. Everything else finds its state by identity.
//!
//! Cost: planning every view, about a millisecond each, whatever the number of rows.

use std::sync::Arc;

use monostable_types::Schema;
use monostable_view::{Graph, GraphBuilder, TableId};

use super::codec::{Stored, StoredIndex, StoredTable, StoredView, decode};
use super::{Catalog, IndexDef, Relation, TableDef, UniqueDef};
use crate::compile::SEMANTICS;
use crate::ddl::define_view;
use crate::error::{Error, Result};
use crate::planner::Planner;

/// What was opened.
#[derive(Debug, Clone)]
pub struct Restored {
    /// The catalog.
    pub catalog: Catalog,
    /// The graph, with a node for everything in the catalog.
    pub graph: Graph,
    /// Views whose stored state does not fit their definition any more.
    pub mismatches: Vec<Mismatch>,
}

/// A view that is computed by other operators than when its state was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The view.
    pub view: String,
    /// What is different.
    pub reason: String,
}

/// Reads a catalog and plans its views, on top of a graph that knows the stored arrangements ([`Graph::recovering`]).
pub fn restore(planner: &Planner, bytes: &[u8], recovering: &Graph) -> Result<Restored> {
    let stored = decode(bytes)?;
    let mut graph = recovering.extend();
    let mut catalog = Catalog::new();
    for table in &stored.tables {
        let table = define_table(table, &mut graph)?;
        catalog = unique_name(catalog.with_relation(Relation::Table(Arc::new(table))))?;
    }
    let mut views = Vec::with_capacity(stored.views.len());
    for view in &stored.views {
        let names: Vec<String> = view.columns.iter().map(|column| column.name.clone()).collect();
        let planned = define_view(&view.name, &view.sql, &names, planner, &catalog, &mut graph)
            .map_err(|error| Error::Corruption(format!("view \"{}\" cannot be planned: {error}", view.name)))?;
        views.push(planned.clone());
        catalog = unique_name(catalog.with_relation(Relation::View(Arc::new(planned))))?;
    }
    for index in &stored.indexes {
        catalog = unique_name(catalog.with_index(define_index(index, &catalog, &mut graph)?))?;
    }
    let graph = graph.finish();
    let pairs = stored.views.iter().zip(&views);
    let mismatches = pairs
        .filter_map(|(old, new)| {
            difference(&stored, old, new, &graph).map(|reason| Mismatch { view: old.name.clone(), reason })
        })
        .collect();
    catalog.version = stored.version;
    catalog.next_table = stored.next_table.max(catalog.next_table);
    Ok(Restored { catalog, graph, mismatches })
}

/// A name that is taken cannot have been written.
fn unique_name(changed: Result<Catalog>) -> Result<Catalog> {
    changed.map_err(|error| Error::Corruption(error.to_string()))
}

fn define_table(stored: &StoredTable, graph: &mut GraphBuilder) -> Result<TableDef> {
    let schema = Schema::new(stored.columns.clone());
    let id = TableId(stored.id);
    let source = graph.source(id, &schema.types())?;
    let key = stored.primary_key.clone().unwrap_or_else(|| (0..schema.len()).collect());
    let node = graph.arrange(source, &key)?;
    graph.assert_positive(node)?;
    let mut unique = Vec::with_capacity(stored.unique.len());
    for (name, columns) in &stored.unique {
        unique.push(UniqueDef { name: name.clone(), columns: columns.clone(), node: graph.arrange(source, columns)? });
    }
    Ok(TableDef {
        id,
        name: stored.name.clone(),
        schema,
        primary_key: stored.primary_key.clone(),
        unique,
        defaults: stored.defaults.clone(),
        characters_max: stored.characters_max.clone(),
        source,
        node,
    })
}

fn define_index(stored: &StoredIndex, catalog: &Catalog, graph: &mut GraphBuilder) -> Result<IndexDef> {
    let relation = catalog
        .relation(&stored.relation)
        .ok_or_else(|| Error::Corruption(format!("index \"{}\" is on a relation that does not exist", stored.name)))?;
    let node = graph
        .arrange(relation.node(), &stored.columns)
        .map_err(|error| Error::Corruption(format!("index \"{}\": {error}", stored.name)))?;
    Ok(IndexDef { name: stored.name.clone(), relation: stored.relation.clone(), columns: stored.columns.clone(), node })
}

fn difference(stored: &Stored, old: &StoredView, new: &super::ViewDef, graph: &Graph) -> Option<String> {
    if stored.semantics != SEMANTICS {
        return Some(format!("expressions changed their meaning (version {} to {SEMANTICS})", stored.semantics));
    }
    if old.columns.as_slice() != new.schema.columns() {
        return Some("its columns have other types".to_string());
    }
    if old.key != new.key {
        return Some("its key has other columns".to_string());
    }
    let same = graph.identity(new.node).is_some_and(|identity| identity.as_bytes() == old.identity);
    if same { None } else { Some("it is computed by other operators".to_string()) }
}
