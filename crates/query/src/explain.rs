//! EXPLAIN and SHOW: the graph and the catalog, as rows of text.
//!
//! `EXPLAIN query` and `EXPLAIN CREATE MATERIALIZED VIEW` show the operators that the statement would have, `EXPLAIN name` those of
//! a table or view that exists. One row per operator, indented below its reader: what it computes, the key and size of the state
//! that it owns, and which other tables, views and indexes use it too. An operator that has several readers is shown once and
//! then referred to.
//!
//! Nothing is executed. Sizes are those of the version that is asked, before merging, so entries of several runs count
//! several times. Cost: the closure of every relation in the catalog.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;
use datafusion_expr::LogicalPlan;
use datafusion_sql::sqlparser::ast::{self, Statement};
use monostable_types::{Column, DataType, Schema, Value, values_to_array};
use monostable_view::{Graph, NodeId, Version};

use crate::catalog::{Catalog, Relation};
use crate::ddl::{DdlPlan, object_name};
use crate::error::{Error, Result};
use crate::lower::lower;
use crate::names::fold;
use crate::planner::{Planner, Purpose};
use crate::select::QueryResult;

/// EXPLAIN, planned.
#[derive(Debug, Clone)]
pub struct ExplainPlan {
    /// What is done to the rows of the root, outermost first.
    tail: Vec<String>,
    /// The graph with the statement's operators.
    graph: Graph,
    root: NodeId,
}

impl ExplainPlan {
    /// The statement as a plan; `None` if it is not an EXPLAIN.
    pub fn new(
        planner: &Planner,
        statement: &Statement,
        catalog: &Catalog,
        graph: &Graph,
    ) -> Result<Option<ExplainPlan>> {
        match statement {
            Statement::Explain { analyze: true, .. } => Err(Error::not_supported("EXPLAIN ANALYZE")),
            Statement::Explain { format: Some(_), .. } | Statement::Explain { options: Some(_), .. } => {
                Err(Error::not_supported("an option of EXPLAIN"))
            }
            Statement::Explain { statement, .. } => explain(planner, statement, catalog, graph).map(Some),
            Statement::ExplainTable { table_name, .. } => {
                let relation = catalog.expect_relation(&object_name(table_name)?)?;
                Ok(Some(ExplainPlan { tail: Vec::new(), graph: graph.clone(), root: relation.node() }))
            }
            _ => Ok(None),
        }
    }

    /// One row of text per operator.
    pub fn execute(&self, catalog: &Catalog, version: &Version) -> Result<QueryResult> {
        let mut lines: Vec<String> = Vec::new();
        for (depth, step) in self.tail.iter().enumerate() {
            lines.push(format!("{}{step}", "  ".repeat(depth)));
        }
        let mut drawing =
            Drawing { plan: self, owners: owners(catalog, &self.graph), version, shown: BTreeSet::new(), lines };
        drawing.draw(self.root, self.tail.len());
        text_result(&["plan"], drawing.lines.into_iter().map(|line| vec![line]).collect())
    }
}

fn explain(planner: &Planner, statement: &Statement, catalog: &Catalog, graph: &Graph) -> Result<ExplainPlan> {
    if let Statement::Query(query) = statement {
        let bound = planner.query(query, catalog, Purpose::Query)?;
        let (tail, body) = peel(&bound.plan);
        let mut builder = graph.extend();
        let root = lower(body, catalog, Purpose::Query, &mut builder)?;
        return Ok(ExplainPlan { tail, graph: builder.finish(), root });
    }
    let Some(ddl) = DdlPlan::new(statement)? else {
        return Err(Error::not_supported(format!("EXPLAIN of {}", excerpt(statement))));
    };
    let outcome = ddl.apply(planner, catalog, graph)?;
    let created = outcome.catalog.relations().find(|relation| !catalog.is_taken(relation.name()));
    match created {
        Some(relation) => Ok(ExplainPlan { tail: Vec::new(), root: relation.node(), graph: outcome.graph }),
        None => Err(Error::not_supported(format!("EXPLAIN of {}", excerpt(statement)))),
    }
}

fn excerpt(statement: &Statement) -> String {
    statement.to_string().split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Splits off what is not maintained but done to a result: sorting, limits, and projections above them.
fn peel(plan: &LogicalPlan) -> (Vec<String>, &LogicalPlan) {
    let mut tail = Vec::new();
    let mut plan = plan;
    while has_tail(plan) {
        let (step, input) = match plan {
            LogicalPlan::Limit(limit) => (plan.display().to_string(), &limit.input),
            LogicalPlan::Sort(sort) => (plan.display().to_string(), &sort.input),
            LogicalPlan::Projection(projection) => {
                (format!("project {} columns", projection.expr.len()), &projection.input)
            }
            LogicalPlan::Filter(filter) => (plan.display().to_string(), &filter.input),
            LogicalPlan::SubqueryAlias(alias) => (plan.display().to_string(), &alias.input),
            _ => break,
        };
        tail.push(step.to_lowercase());
        plan = input;
    }
    (tail, plan)
}

fn has_tail(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => has_tail(&projection.input),
        LogicalPlan::Filter(filter) => has_tail(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => has_tail(&alias.input),
        _ => false,
    }
}

/// Who uses each node, by name.
fn owners(catalog: &Catalog, graph: &Graph) -> BTreeMap<NodeId, Vec<String>> {
    let mut owners: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
    let relations =
        catalog.relations().map(|relation| (format!("{} {}", relation.kind(), relation.name()), relation.node()));
    let indexes = catalog.indexes().map(|index| (format!("index {}", index.name), index.node));
    for (name, node) in relations.chain(indexes) {
        for reached in graph.closure(&[node]) {
            owners.entry(reached).or_default().push(name.clone());
        }
    }
    owners
}

struct Drawing<'a> {
    plan: &'a ExplainPlan,
    owners: BTreeMap<NodeId, Vec<String>>,
    version: &'a Version,
    shown: BTreeSet<NodeId>,
    lines: Vec<String>,
}

impl Drawing<'_> {
    #[recursive::recursive]
    fn draw(&mut self, id: NodeId, depth: usize) {
        let indent = "  ".repeat(depth);
        if !self.shown.insert(id) {
            self.lines.push(format!("{indent}{id} (shown above)"));
            return;
        }
        self.lines.push(format!("{indent}{}{}{}", self.plan.graph.describe(id), self.state(id), self.sharing(id)));
        let inputs: Vec<NodeId> = self.plan.graph.node(id).map(|node| node.inputs().to_vec()).unwrap_or_default();
        for input in inputs {
            self.draw(input, depth + 1);
        }
    }

    /// Key and size of the state that the node owns.
    fn state(&self, id: NodeId) -> String {
        let Some(node) = self.plan.graph.node(id) else { return String::new() };
        let Some(arrangement) = node.arrangement() else { return String::new() };
        let key = node.layout().map_or(&[][..], |layout| layout.key());
        let columns: Vec<String> = key.iter().map(|column| column.to_string()).collect();
        let key = format!("key ({})", columns.join(", "));
        match self.version.graph().node(id).and_then(|_| self.version.spine(arrangement)) {
            Some(spine) => {
                let stats = spine.stats();
                let entries = stats.memory_entries + stats.file_entries;
                let (memory, disk) = (stats.memory_bytes, stats.file_bytes);
                format!("; state: {key}, {entries} entries, {memory} bytes in memory, {disk} bytes on disk")
            }
            None => format!("; state: {key}, new"),
        }
    }

    fn sharing(&self, id: NodeId) -> String {
        match self.owners.get(&id) {
            Some(names) => format!("; used by {}", names.join(", ")),
            None => String::new(),
        }
    }
}

/// SHOW TABLES, SHOW VIEWS, SHOW INDEXES.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowPlan {
    /// Name, columns and primary key of each table.
    Tables,
    /// Name, columns, key and definition of each materialized view.
    Views,
    /// Name, relation and columns of each index.
    Indexes,
}

impl ShowPlan {
    /// The statement as a plan; `None` if it is not a SHOW.
    pub fn new(statement: &Statement) -> Result<Option<ShowPlan>> {
        let plain = |options: &ast::ShowStatementOptions| {
            if options.to_string().trim().is_empty() {
                Ok(())
            } else {
                Err(Error::not_supported(format!("SHOW with{options}")))
            }
        };
        Ok(Some(match statement {
            Statement::ShowTables { show_options, .. } => plain(show_options).map(|()| ShowPlan::Tables)?,
            Statement::ShowViews { show_options, .. } => plain(show_options).map(|()| ShowPlan::Views)?,
            Statement::ShowVariable { variable } => {
                let words: Vec<String> = variable.iter().map(|word| fold(word).to_lowercase()).collect();
                match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                    ["tables"] => ShowPlan::Tables,
                    ["views"] | ["materialized", "views"] => ShowPlan::Views,
                    ["indexes"] => ShowPlan::Indexes,
                    other => return Err(Error::not_supported(format!("SHOW {}", other.join(" ").to_uppercase()))),
                }
            }
            _ => return Ok(None),
        }))
    }

    /// The rows, ordered by name.
    pub fn execute(self, catalog: &Catalog) -> Result<QueryResult> {
        let names = |relation: &Relation, columns: &[usize]| -> String {
            let schema = relation.schema();
            columns
                .iter()
                .filter_map(|&column| schema.columns().get(column))
                .map(|column| column.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        match self {
            ShowPlan::Tables => {
                let row = |relation: &Relation| {
                    let key = relation.unique_key().map(|key| names(relation, key)).unwrap_or_default();
                    vec![relation.name().to_string(), column_list(relation.schema()), key]
                };
                let tables = catalog.relations().filter(|relation| matches!(relation, Relation::Table(_)));
                text_result(&["name", "columns", "primary_key"], tables.map(row).collect())
            }
            ShowPlan::Views => {
                let rows = catalog.relations().filter_map(|relation| match relation {
                    Relation::View(view) => Some(vec![
                        view.name.clone(),
                        column_list(&view.schema),
                        names(relation, &view.key),
                        view.sql.clone(),
                    ]),
                    Relation::Table(_) => None,
                });
                text_result(&["name", "columns", "key", "definition"], rows.collect())
            }
            ShowPlan::Indexes => {
                let row = |index: &crate::catalog::IndexDef| {
                    let columns = catalog.relation(&index.relation).map(|relation| names(&relation, &index.columns));
                    vec![index.name.clone(), index.relation.clone(), columns.unwrap_or_default()]
                };
                text_result(&["name", "relation", "columns"], catalog.indexes().map(|index| row(index)).collect())
            }
        }
    }
}

fn column_list(schema: &Schema) -> String {
    let columns: Vec<String> =
        schema.columns().iter().map(|column| format!("{} {}", column.name, column.data_type)).collect();
    columns.join(", ")
}

fn text_result(names: &[&str], rows: Vec<Vec<String>>) -> Result<QueryResult> {
    let schema = Schema::new(names.iter().map(|name| Column::new(*name, DataType::Text)).collect::<Vec<_>>());
    let mut columns = Vec::with_capacity(names.len());
    for index in 0..names.len() {
        let values: Vec<Value> =
            rows.iter().map(|row| row.get(index).map_or(Value::Null, |text| Value::Text(text.clone()))).collect();
        columns.push(values_to_array(DataType::Text, values.iter())?);
    }
    let batch = RecordBatch::try_new(schema.arrow(), columns)?;
    Ok(QueryResult { schema, batches: vec![batch] })
}
