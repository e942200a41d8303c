//! Ad-hoc SELECT: a plan that is made once and executed over any version of the same catalog.
//!
//! A query over one relation is a scan (`scan`, `lookup`); every other query extends the catalog's graph by private nodes, which
//! `view::evaluate` runs once through the operators that maintain views, so that a view and its query cannot disagree. The
//! tail (`tail`) sorts and limits. It does not choose join orders and does no IO.
//!
//! Invariants: executing a plan needs the version and the parameter values only. `relations` names every arrangement of the
//! catalog's graph that an execution can read; a caller that overlays its own writes on those alone sees them all.
//!
//! Cost: see `lookup` and `view::evaluate`. A query with parameters that is not a scan is lowered at each execution, with the
//! values in place. Callers: `statement`, `dml`, `copy`.

pub(crate) mod chunk;
pub(crate) mod scalars;
pub(crate) mod scan;
pub(crate) mod sort;
pub(crate) mod tail;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_expr::LogicalPlan;
use datafusion_sql::sqlparser::ast;
use monostable_types::{Column, DataType, Schema, Value, Weight};
use monostable_view::{Delta, Graph, NodeId, Version, evaluate};

use self::chunk::{Chunk, empty};
use self::scalars::{Bound, row_types};
use self::scan::{Scan, Surroundings, arrangements};
use self::tail::TailStep;
use crate::catalog::Catalog;
use crate::context::RelationSource;
use crate::dml::target::TableTarget;
use crate::error::Result;
use crate::lookup::predicate::Operand;
use crate::lower::lower;
use crate::planner::{self, Planner, Purpose};
use crate::statement::parameters::{self, Parameters};

/// Rows that a statement gives to its caller.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// Names and types of the columns.
    pub schema: Schema,
    /// The rows, in order.
    pub batches: Vec<RecordBatch>,
}

impl QueryResult {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// A SELECT, planned.
#[derive(Clone, Debug)]
pub struct QueryPlan {
    schema: Schema,
    /// The types of the rows before the tail.
    body_types: Vec<DataType>,
    parameters: Parameters,
    relations: Vec<NodeId>,
    body: Body,
    tail: Vec<TailStep>,
}

#[derive(Clone, Debug)]
enum Body {
    Scan(Box<Scan>),
    /// A node of a graph that extends the catalog's.
    Node(Graph, NodeId),
    /// To be lowered into this graph when the parameters are known.
    AtExecution(Arc<LogicalPlan>, Catalog, Graph),
}

impl QueryPlan {
    /// Plans a parsed query.
    pub(crate) fn new(planner: &Planner, query: &ast::Query, catalog: &Catalog, graph: &Graph) -> Result<QueryPlan> {
        let (plan, types) = parameters::resolve(planner.bind(query, catalog, Purpose::Query)?)?;
        let plan = planner.analyze(plan)?;
        let columns = planner::columns(plan.schema())?;
        QueryPlan::from_plan(planner.optimize(plan)?, &columns, Parameters::new(&types)?, catalog, graph)
    }

    /// From a typed and optimised plan. `parameters` may be those of a statement of which the query is a part.
    pub(crate) fn from_plan(
        plan: LogicalPlan,
        columns: &[Column],
        parameters: Parameters,
        catalog: &Catalog,
        graph: &Graph,
    ) -> Result<QueryPlan> {
        let surroundings = Surroundings { catalog, graph, parameters: &parameters };
        let mut is_sorted = |body: &LogicalPlan, sort: &datafusion_expr::logical_plan::Sort| {
            Ok(Scan::plan(body, surroundings)?.is_some_and(|scan| scan.is_sorted_by(&sort.expr, body.schema())))
        };
        let (tail, body) = tail::split(&Arc::new(plan), &parameters, &mut is_sorted)?;
        let body_types = row_types(body.schema())?;
        let (body, relations) = match Scan::plan(&body, surroundings)? {
            Some(scan) => {
                let relations = vec![scan.node()];
                (Body::Scan(Box::new(scan)), relations)
            }
            None => lowered(body, catalog, graph)?,
        };
        Ok(QueryPlan { schema: planner::schema_of(columns), body_types, parameters, relations, body, tail })
    }

    /// Names and types of the columns.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The types of `$1`, `$2`, ...
    pub fn parameters(&self) -> &[DataType] {
        self.parameters.types()
    }

    /// The arrangements of the catalog's graph that an execution may read.
    pub fn relations(&self) -> &[NodeId] {
        &self.relations
    }

    /// Whether the query is answered by a lookup of some keys or a range, without reading a whole relation.
    pub fn is_lookup(&self) -> bool {
        matches!(&self.body, Body::Scan(scan) if scan.lookup.is_selective())
    }

    /// The values of a table's primary key by which the query finds its row, if that is all it does: every column of the
    /// table first, no other condition, nothing after it.
    pub(crate) fn point_key(&self, target: &TableTarget) -> Option<Vec<Operand>> {
        match &self.body {
            Body::Scan(scan) if self.tail.is_empty() && target.has_primary_key() => {
                scan.point_key(target.node, target.columns.len())
            }
            _ => None,
        }
    }

    /// Whether the query sorts what it finds.
    #[cfg(test)]
    pub(crate) fn sorts(&self) -> bool {
        self.tail.iter().any(|step| matches!(step, TailStep::Sort(..)))
    }

    /// The same query through a graph, even if a scan could answer it.
    #[cfg(test)]
    pub(crate) fn through_graph(planner: &Planner, sql: &str, catalog: &Catalog, graph: &Graph) -> Result<QueryPlan> {
        let statements = planner.parse(sql)?;
        let Some(ast::Statement::Query(query)) = statements.first() else { panic!("{sql} is not a query") };
        let found = planner.query(query, catalog, Purpose::Query)?;
        let body_types = row_types(found.plan.schema())?;
        let (body, relations) = lowered(Arc::new(found.plan), catalog, graph)?;
        let schema = Schema::new(found.columns);
        Ok(QueryPlan { schema, body_types, parameters: Parameters::default(), relations, body, tail: Vec::new() })
    }

    /// The rows of the query over `version`, which has the graph that the query was planned with.
    pub fn execute(&self, version: &Version, values: &[Value]) -> Result<QueryResult> {
        let rows = self.rows(version, &Bound::new(&self.parameters, values)?)?;
        let batch = rename(&self.schema, rows)?;
        Ok(QueryResult { schema: self.schema.clone(), batches: vec![batch] })
    }

    /// The rows, columns named by position.
    pub(crate) fn rows(&self, version: &Version, bound: &Bound) -> Result<RecordBatch> {
        let chunks = match &self.body {
            Body::Scan(scan) => scan.execute(version, bound, tail::enough(&self.tail, bound)?)?,
            Body::Node(graph, node) => evaluated(version, graph, *node)?,
            Body::AtExecution(plan, catalog, graph) => {
                let literals = parameters::literals(bound.values(), self.parameters.types())?;
                let plan = plan.as_ref().clone().replace_params_with_values(&literals)?;
                let (extended, node) = extend(&plan, catalog, graph)?;
                evaluated(version, &extended, node)?
            }
        };
        let batches: Vec<RecordBatch> = chunks.into_iter().map(Chunk::expand).collect::<Result<_>>()?;
        tail::run(&self.tail, concat(&self.body_types, batches)?, bound)
    }
}

/// The rows under the names of the result.
pub(crate) fn rename(schema: &Schema, rows: RecordBatch) -> Result<RecordBatch> {
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.arrow(), rows.columns().to_vec(), &options)?)
}

fn concat(types: &[DataType], mut batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    if batches.len() == 1 {
        return Ok(batches.swap_remove(0));
    }
    let schema = empty(types).schema();
    if types.is_empty() {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
        return Ok(RecordBatch::try_new_with_options(schema, Vec::new(), &options)?);
    }
    Ok(concat_batches(&schema, &batches)?)
}

fn lowered(plan: Arc<LogicalPlan>, catalog: &Catalog, graph: &Graph) -> Result<(Body, Vec<NodeId>)> {
    if !has_parameters(&plan)? {
        let (extended, node) = extend(&plan, catalog, graph)?;
        let relations = readable(graph, &extended, node);
        return Ok((Body::Node(extended, node), relations));
    }
    // What the private nodes will share is only known when they are made, so they may share the relations they read, and nothing
    // else: then the relations are all that can be read.
    let relations = relations_of(&plan, catalog)?;
    let shared = graph.retain(&relations);
    Ok((Body::AtExecution(plan, catalog.clone(), shared), relations))
}

/// The graph with private nodes for the plan, and the node whose rows are the plan's.
fn extend(plan: &LogicalPlan, catalog: &Catalog, graph: &Graph) -> Result<(Graph, NodeId)> {
    let mut builder = graph.extend();
    let node = lower(plan, catalog, Purpose::Query, &mut builder)?;
    Ok((builder.finish(), node))
}

fn has_parameters(plan: &LogicalPlan) -> Result<bool> {
    Ok(!plan.get_parameter_names()?.is_empty())
}

fn relations_of(plan: &LogicalPlan, catalog: &Catalog) -> Result<Vec<NodeId>> {
    let mut nodes = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(source) = scan.source.downcast_ref::<RelationSource>()
        {
            nodes.extend(arrangements(source.relation(), catalog));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(nodes.into_iter().collect())
}

/// The nodes of `graph` that an evaluation of `node` can read: those at which the private nodes above it end, what is read to
/// compute them if they are not arranged, and every arrangement of any of these, which evaluation takes instead if it suits.
fn readable(graph: &Graph, extended: &Graph, node: NodeId) -> Vec<NodeId> {
    let is_arranged = |id: &NodeId| graph.node(*id).is_some_and(|node| node.layout().is_some());
    let (mut seen, mut stack) = (BTreeSet::new(), vec![node]);
    let mut reached = BTreeSet::new();
    while let Some(id) = stack.pop() {
        let Some(node) = extended.node(id).filter(|_| seen.insert(id)) else { continue };
        if graph.node(id).is_some() {
            reached.insert(id);
            reached.extend(graph.consumers(id).iter().copied().filter(is_arranged));
        }
        if !is_arranged(&id) {
            stack.extend(node.inputs());
        }
    }
    reached.into_iter().collect()
}

/// The content of a node, consolidated only if something in it has to cancel.
fn evaluated(version: &Version, graph: &Graph, node: NodeId) -> Result<Vec<Chunk>> {
    let mut deltas = Vec::new();
    evaluate(version, graph, node, &mut |delta| {
        deltas.push(delta);
        Ok(())
    })?;
    if deltas.iter().any(|delta| delta.weights().iter().any(|weight| *weight <= Weight::ZERO)) {
        deltas = Delta::concat(&deltas)?.map(|all| all.consolidate()).transpose()?.into_iter().collect();
    }
    let chunk = |delta: &Delta| Ok(Chunk { rows: delta.columns()?.clone(), weights: delta.weights().to_vec() });
    deltas.iter().map(chunk).collect()
}
