//! CREATE MATERIALIZED VIEW.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion_sql::sqlparser::ast;
use monostable_types::{Column, Schema};
use monostable_view::{Graph, GraphBuilder};

use super::{DdlOutcome, object_name};
use crate::catalog::{Catalog, Relation, ViewDef};
use crate::error::{Error, Object, Result};
use crate::lower::{lower, unique_key};
use crate::names::fold;
use crate::planner::{Planner, Purpose};

pub(super) fn create(
    create: &ast::CreateView,
    planner: &Planner,
    catalog: &Catalog,
    graph: &Graph,
) -> Result<DdlOutcome> {
    refuse_clauses(create)?;
    let name = object_name(&create.name)?;
    if let Some(Relation::View(_)) = catalog.relation(&name)
        && create.if_not_exists
    {
        let notice = format!("materialized view \"{name}\" already exists, skipping");
        return Ok(DdlOutcome::unchanged(catalog, graph, notice));
    }
    if catalog.is_taken(&name) {
        return Err(Error::duplicate(Object::Relation, name));
    }
    let names: Vec<String> = create.columns.iter().map(|column| fold(&column.name)).collect();
    let sql = create.query.to_string();
    let mut builder = graph.extend();
    let view = define(&name, &sql, &names, planner, catalog, &mut builder)?;
    let catalog = catalog.with_relation(Relation::View(Arc::new(view)))?;
    Ok(DdlOutcome::changed(catalog, graph, &builder.finish()))
}

fn refuse_clauses(create: &ast::CreateView) -> Result<()> {
    if !create.materialized {
        return Err(Error::not_supported("CREATE VIEW (write CREATE MATERIALIZED VIEW)"));
    }
    if create.or_replace || create.or_alter {
        return Err(Error::not_supported("CREATE OR REPLACE MATERIALIZED VIEW (drop it first)"));
    }
    let plain_columns = create.columns.iter().all(|column| column.data_type.is_none() && column.options.is_none());
    let foreign = create.secure
        || create.options != ast::CreateTableOptions::None
        || !create.cluster_by.is_empty()
        || create.comment.is_some()
        || create.with_no_schema_binding
        || create.temporary
        || create.copy_grants
        || create.to.is_some()
        || create.params.is_some();
    if foreign || !plain_columns {
        return Err(Error::not_supported(format!("a clause of CREATE MATERIALIZED VIEW {}", create.name)));
    }
    Ok(())
}

/// Plans a view from its text, which is all that is persisted of it, and adds it to the graph. Without `names` the columns have
/// those of the query.
pub(crate) fn define(
    name: &str,
    sql: &str,
    names: &[String],
    planner: &Planner,
    catalog: &Catalog,
    graph: &mut GraphBuilder,
) -> Result<ViewDef> {
    let query = planner.parse_query(sql)?;
    let bound = planner.query(&query, catalog, Purpose::View)?;
    let columns = rename(bound.columns, names)?;
    let node = lower(&bound.plan, catalog, Purpose::View, graph)?;
    let derived = unique_key(&bound.plan)?;
    let key_is_unique = derived.is_some();
    let key = derived.unwrap_or_else(|| (0..columns.len()).collect());
    let node = graph.arrange(node, &key)?;
    graph.assert_positive(node)?;
    let schema = Schema::new(columns);
    let dependencies = bound.relations;
    Ok(ViewDef { name: name.to_string(), sql: sql.to_string(), schema, key, key_is_unique, node, dependencies })
}

/// The columns under the names that were given for them, each of which must be there once.
fn rename(mut columns: Vec<Column>, names: &[String]) -> Result<Vec<Column>> {
    if names.len() > columns.len() {
        let message = format!("the view has {} columns, but {} names were given", columns.len(), names.len());
        return Err(Error::InvalidDefinition { sqlstate: "42601", message });
    }
    if columns.is_empty() {
        let message = "a materialized view must have at least one column".to_string();
        return Err(Error::InvalidDefinition { sqlstate: "42P16", message });
    }
    for (column, name) in columns.iter_mut().zip(names) {
        column.name.clone_from(name);
    }
    let mut seen = HashSet::new();
    for column in &columns {
        if !seen.insert(column.name.as_str()) {
            let name = &column.name;
            let message =
                format!("column \"{name}\" specified more than once; give the columns of the view names of their own");
            return Err(Error::InvalidDefinition { sqlstate: "42701", message });
        }
    }
    Ok(columns)
}
