//! CREATE and DROP: from a statement and a catalog to the next catalog and graph.
//!
//! Pure: nothing changes but the two values that are returned, and the caller makes them the truth (or does not). What is not
//! supported is refused by name, including every clause that we would otherwise ignore.
//!
//! Cost: planning one query, for a view; copying the catalog's map of names.

mod table;
mod view;

use std::collections::BTreeSet;

use datafusion_sql::sqlparser::ast::{self, ObjectName, ObjectType, Statement};
use monostable_view::{Graph, NodeId};

pub(crate) use self::view::define as define_view;
use crate::catalog::{Catalog, Relation};
use crate::depth::with_stack;
use crate::error::{Error, Object, Result};
use crate::names::fold;
use crate::planner::Planner;

/// A statement that changes the catalog.
#[derive(Debug, Clone)]
pub struct DdlPlan {
    statement: Ddl,
}

#[derive(Debug, Clone)]
enum Ddl {
    CreateTable(Box<ast::CreateTable>),
    CreateView(Box<ast::CreateView>),
    CreateIndex(Box<ast::CreateIndex>),
    Drop { kind: Object, if_exists: bool, names: Vec<String> },
}

/// What a statement made of the catalog and the graph.
#[derive(Debug, Clone)]
pub struct DdlOutcome {
    /// The next catalog.
    pub catalog: Catalog,
    /// The next graph: it has what the catalog needs, and nothing else.
    pub graph: Graph,
    /// Stateful nodes that the graph did not have before, inputs first: they are to be filled from the tables' rows. Empty
    /// if nothing has to be built.
    pub build: Vec<NodeId>,
    /// Whether anything changed; IF [NOT] EXISTS may leave nothing to do.
    pub changed: bool,
    /// What to tell the user, for example that the table was there already.
    pub notices: Vec<String>,
}

impl DdlPlan {
    /// The statement as a plan; `None` if it is not one of CREATE TABLE, VIEW, INDEX or DROP of these.
    pub fn new(statement: &Statement) -> Result<Option<DdlPlan>> {
        let statement = match statement {
            Statement::CreateTable(create) => Ddl::CreateTable(Box::new(create.clone())),
            Statement::CreateView(create) => Ddl::CreateView(Box::new(create.clone())),
            Statement::CreateIndex(create) => Ddl::CreateIndex(Box::new(create.clone())),
            Statement::Drop { .. } => drop_plan(statement)?,
            _ => return Ok(None),
        };
        Ok(Some(DdlPlan { statement }))
    }

    /// Applies the statement to a catalog and its graph.
    pub fn apply(&self, planner: &Planner, catalog: &Catalog, graph: &Graph) -> Result<DdlOutcome> {
        with_stack(|| match &self.statement {
            Ddl::CreateTable(create) => table::create(create, planner, catalog, graph),
            Ddl::CreateView(create) => view::create(create, planner, catalog, graph),
            Ddl::CreateIndex(create) => table::create_index(create, catalog, graph),
            Ddl::Drop { kind, if_exists, names } => drop(*kind, *if_exists, names, catalog, graph),
        })
    }

    /// What PostgreSQL answers, for example `CREATE TABLE`.
    pub fn tag(&self) -> &'static str {
        match &self.statement {
            Ddl::CreateTable(_) => "CREATE TABLE",
            Ddl::CreateView(_) => "CREATE MATERIALIZED VIEW",
            Ddl::CreateIndex(_) => "CREATE INDEX",
            Ddl::Drop { kind: Object::Table, .. } => "DROP TABLE",
            Ddl::Drop { kind: Object::View, .. } => "DROP MATERIALIZED VIEW",
            Ddl::Drop { .. } => "DROP INDEX",
        }
    }
}

impl DdlOutcome {
    fn unchanged(catalog: &Catalog, graph: &Graph, notice: String) -> DdlOutcome {
        DdlOutcome {
            catalog: catalog.clone(),
            graph: graph.clone(),
            build: Vec::new(),
            changed: false,
            notices: vec![notice],
        }
    }

    /// The new catalog with the part of `extended` that it needs.
    fn changed(catalog: Catalog, before: &Graph, extended: &Graph) -> DdlOutcome {
        let graph = extended.retain(&catalog.roots());
        let known: BTreeSet<NodeId> = before.nodes().map(|node| node.id()).collect();
        let build = graph
            .nodes()
            .filter(|node| node.arrangement().is_some() && !known.contains(&node.id()))
            .map(|node| node.id())
            .collect();
        DdlOutcome { catalog, graph, build, changed: true, notices: Vec::new() }
    }
}

/// A relation's or index's name, folded; `public` is the only schema.
pub(crate) fn object_name(name: &ObjectName) -> Result<String> {
    let parts: Option<Vec<String>> = name.0.iter().map(|part| part.as_ident().map(fold)).collect();
    match parts.as_deref() {
        Some([name]) => Ok(name.clone()),
        Some([schema, name]) if schema == "public" => Ok(name.clone()),
        _ => Err(Error::not_supported(format!("the schema of {name} (there is only public)"))),
    }
}

fn drop_plan(statement: &Statement) -> Result<Ddl> {
    let Statement::Drop { object_type, if_exists, names, cascade, purge, temporary, table, .. } = statement else {
        return Err(Error::Internal("not a DROP".to_string()));
    };
    let kind = match object_type {
        ObjectType::Table => Object::Table,
        ObjectType::MaterializedView => Object::View,
        ObjectType::Index => Object::Index,
        ObjectType::View => return Err(Error::not_supported("DROP VIEW (write DROP MATERIALIZED VIEW)")),
        other => return Err(Error::not_supported(format!("DROP {other}"))),
    };
    if *cascade {
        return Err(Error::not_supported("DROP .. CASCADE (drop the views that depend on it first)"));
    }
    if *purge || *temporary || table.is_some() {
        return Err(Error::not_supported(format!("a clause of {statement}")));
    }
    let names = names.iter().map(object_name).collect::<Result<_>>()?;
    Ok(Ddl::Drop { kind, if_exists: *if_exists, names })
}

fn drop(kind: Object, if_exists: bool, names: &[String], catalog: &Catalog, graph: &Graph) -> Result<DdlOutcome> {
    let mut next = catalog.clone();
    let mut notices = Vec::new();
    let mut changed = false;
    for name in names {
        if !exists(kind, name, &next)? {
            if !if_exists {
                return Err(Error::undefined(kind, name.as_str()));
            }
            notices.push(format!("{kind} \"{name}\" does not exist, skipping"));
            continue;
        }
        next = match kind {
            Object::Index => next.without_index(name)?,
            _ => next.without_relation(name)?,
        };
        changed = true;
    }
    let mut outcome = DdlOutcome::changed(next, graph, graph);
    outcome.changed = changed;
    outcome.notices = notices;
    Ok(outcome)
}

/// Whether there is such an object; 42809 if the name is one of another kind.
fn exists(kind: Object, name: &str, catalog: &Catalog) -> Result<bool> {
    let wrong = |found: Object| {
        let hint = match found {
            Object::Table => "DROP TABLE",
            Object::View => "DROP MATERIALIZED VIEW",
            _ => "DROP INDEX",
        };
        Error::WrongObjectType(format!("\"{name}\" is not a {kind}; use {hint}"))
    };
    let found = match catalog.relation(name) {
        Some(Relation::Table(_)) => Some(Object::Table),
        Some(Relation::View(_)) => Some(Object::View),
        None => catalog.index(name).map(|_| Object::Index),
    };
    match found {
        Some(found) if found != kind => Err(wrong(found)),
        found => Ok(found.is_some()),
    }
}
