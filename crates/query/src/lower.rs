//! Lowering: from an optimised logical plan to nodes of a view graph.
//!
//! Every plan node becomes at most a few operators whose rows have exactly the plan's columns in the plan's order. Equal subplans
//! (repeated CTEs, two views that need the same thing) are one node, because the graph shares by identity. Joins reuse a
//! relation's own arrangement when its key is the join key, and arrange only the columns that are needed otherwise.
//!
//! A closed list: a plan node that is not on it is 0A000. Nothing is evaluated here but constant rows.
//!
//! Cost: one walk over the plan.

mod aggregate;
mod join;
mod key;
mod window;

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::DataType as Arrow;
use datafusion_common::DFSchema;
use datafusion_expr::{Distinct, Expr, JoinType, LogicalPlan, Projection, TableScan, Values};
use monostable_types::{DataType, Value};
use monostable_view::{GraphBuilder, GraphError, NodeId};

pub use self::key::unique_key;
use crate::catalog::{Catalog, Relation};
use crate::compile::{compile_conjunction, compile_expr};
use crate::context::RelationSource;
use crate::depth::with_stack;
use crate::error::{Error, Result};
use crate::planner::Purpose;

impl From<GraphError> for Error {
    fn from(error: GraphError) -> Error {
        Error::View { sqlstate: error.sqlstate(), message: error.to_string() }
    }
}

/// Adds what computes `plan` to the graph, and gives the node whose rows are the plan's.
///
/// Ad-hoc queries may use every arrangement that exists. Views use only those that cannot be dropped or added before them, so
/// that planning the same text again gives the same operators.
pub fn lower(plan: &LogicalPlan, catalog: &Catalog, purpose: Purpose, graph: &mut GraphBuilder) -> Result<NodeId> {
    with_stack(|| Lowering { catalog, purpose, graph }.node(plan))
}

struct Lowering<'a> {
    catalog: &'a Catalog,
    purpose: Purpose,
    graph: &'a mut GraphBuilder,
}

/// The types of a plan's columns.
fn types_of(schema: &DFSchema) -> Result<Vec<DataType>> {
    schema.fields().iter().map(|field| type_of(field.data_type())).collect()
}

fn type_of(arrow: &Arrow) -> Result<DataType> {
    match arrow {
        Arrow::Null => Ok(DataType::Text),
        other => Ok(DataType::from_arrow(other)?),
    }
}

/// PostgreSQL finds a month and thirty days equal; our keys do not.
fn refuse_interval(types: impl IntoIterator<Item = DataType>, place: &str) -> Result<()> {
    if types.into_iter().any(|data_type| data_type == DataType::Interval) {
        return Err(Error::not_supported(format!("{place} on type interval")));
    }
    Ok(())
}

/// The relation that a scan reads.
pub(crate) fn relation_of(scan: &TableScan) -> Result<&Relation> {
    match scan.source.downcast_ref::<RelationSource>() {
        Some(source) => Ok(source.relation()),
        None => Err(Error::Internal(format!("{} is not a relation of the catalog", scan.table_name))),
    }
}

impl Lowering<'_> {
    #[recursive::recursive]
    fn node(&mut self, plan: &LogicalPlan) -> Result<NodeId> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::SubqueryAlias(alias) => self.node(&alias.input),
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Filter(filter) => {
                let input = self.node(&filter.input)?;
                let condition = compile_expr(&filter.predicate, filter.input.schema())?;
                Ok(self.graph.map(input, Some(condition), None)?)
            }
            LogicalPlan::Join(join) if join.join_type == JoinType::Inner => self.join(join),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                refuse_interval(types_of(input.schema())?, "DISTINCT or UNION")?;
                let input = self.node(input)?;
                Ok(self.graph.distinct(input)?)
            }
            LogicalPlan::Union(union) => {
                let inputs = union.inputs.iter().map(|input| self.node(input)).collect::<Result<Vec<_>>>()?;
                Ok(self.graph.union(&inputs)?)
            }
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::EmptyRelation(empty) => {
                let types = types_of(&empty.schema)?;
                let rows: &[Vec<Value>] = if empty.produce_one_row { &[Vec::new()] } else { &[] };
                Ok(self.graph.values(&types, rows)?)
            }
            other => Err(Error::not_supported(construct(other))),
        }
    }

    fn scan(&mut self, scan: &TableScan) -> Result<NodeId> {
        if !scan.filters.is_empty() || scan.fetch.is_some() {
            return Err(Error::Internal("a scan was given work of its own".to_string()));
        }
        let node = relation_of(scan)?.node();
        match &scan.projection {
            Some(columns) => Ok(self.graph.project(node, columns)?),
            None => Ok(node),
        }
    }

    /// Filter and projection are one operator.
    fn projection(&mut self, projection: &Projection) -> Result<NodeId> {
        let (input, condition) = match projection.input.as_ref() {
            LogicalPlan::Filter(filter) => (&filter.input, Some(&filter.predicate)),
            _ => (&projection.input, None),
        };
        let schema = input.schema();
        let node = self.node(input)?;
        let condition = condition.map(|condition| compile_expr(condition, schema)).transpose()?;
        let columns = projection.expr.iter().map(|expr| compile_expr(expr, schema)).collect::<Result<Vec<_>>>()?;
        Ok(self.graph.map(node, condition, Some(columns))?)
    }

    fn values(&mut self, values: &Values) -> Result<NodeId> {
        let types = types_of(&values.schema)?;
        let rows = values.values.iter().map(|row| row.iter().map(constant).collect()).collect::<Result<Vec<_>>>()?;
        Ok(self.graph.values(&types, &rows)?)
    }
}

/// The value of an expression without columns.
pub(crate) fn constant(expr: &Expr) -> Result<Value> {
    let compiled = compile_expr(expr, &DFSchema::empty())?;
    let one_row = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(Arc::new(arrow_schema::Schema::empty()), Vec::new(), &one_row)?;
    let value = compiled.evaluate(&row)?;
    Ok(Value::from_array(value.as_ref(), 0, compiled.data_type())?)
}

/// What the user wrote, as far as the plan still shows it.
fn construct(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Join(join) => format!("{} JOIN", join.join_type.to_string().to_uppercase()),
        LogicalPlan::Window(_) => "a window function".to_string(),
        LogicalPlan::Sort(_) => "ORDER BY without LIMIT in a subquery or view".to_string(),
        LogicalPlan::Distinct(_) => "DISTINCT ON".to_string(),
        LogicalPlan::Subquery(_) => "a correlated subquery".to_string(),
        LogicalPlan::RecursiveQuery(_) => "WITH RECURSIVE".to_string(),
        LogicalPlan::Unnest(_) => "UNNEST".to_string(),
        other => format!("the plan {}", other.display()),
    }
}

impl Lowering<'_> {
    /// A condition on the rows of `schema`, if there is any.
    fn condition(&self, conjuncts: &[Expr], schema: &DFSchema) -> Result<Option<monostable_view::Expr>> {
        compile_conjunction(conjuncts, schema)
    }
}
