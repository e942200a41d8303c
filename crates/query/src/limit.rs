//! LIMIT, OFFSET and FETCH FIRST, and the order that they cut.
//!
//! FETCH FIRST is another way to write LIMIT, and becomes one before anything is bound. A LIMIT is only a function of the rows if
//! their order is total: [`settle`] adds to the ORDER BY below it what it lacks, so that whoever runs the plan, a view or a
//! query, breaks ties in the same way. It happens before the optimiser leaves out columns that nobody reads, because which
//! rows are cut off must not depend on who reads which columns of the others.
//!
//! Invariants: after [`settle`], the ORDER BY that a LIMIT cuts names a unique key of its rows or all of their columns: those
//! that were written, then the others from left to right, ascending. A LIMIT without ORDER BY is left as it is; `check` allows it
//! at the top of an ad-hoc query only.
//!
//! Cost: a walk over the plan. Callers: `planner`, `lower` and `select::tail`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, ScalarValue};
use datafusion_expr::{Expr, ExprSchemable, Limit, LogicalPlan, Projection, Sort, SortExpr, SubqueryAlias};
use datafusion_sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use monostable_types::DataType;

use crate::error::{Error, Result};
use crate::lower::unique_key;
use crate::statement::parameters::number;

/// The argument of LIMIT or OFFSET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Constant(u64),
    /// The parameter at this index, counted from 0; NULL means no limit, or no offset.
    Parameter(usize),
}

impl Count {
    /// What an argument says; `None` if it is NULL.
    pub(crate) fn of(expr: &Expr, clause: &'static str) -> Result<Option<Count>> {
        match expr {
            Expr::Placeholder(placeholder) => Ok(Some(Count::Parameter(number(&placeholder.id)? - 1))),
            Expr::Literal(ScalarValue::Null | ScalarValue::Int64(None), _) => Ok(None),
            Expr::Literal(ScalarValue::Int64(Some(rows)), _) => Ok(Some(Count::Constant(not_negative(*rows, clause)?))),
            _ => Err(Error::not_supported(format!("{clause} with anything but an integer constant or a parameter"))),
        }
    }
}

/// A number of rows; 2201W or 2201X if it is negative.
pub(crate) fn not_negative(rows: i64, clause: &'static str) -> Result<u64> {
    let sqlstate = if clause == "LIMIT" { "2201W" } else { "2201X" };
    u64::try_from(rows).map_err(|_| Error::data(sqlstate, format!("{clause} must not be negative")))
}

/// OFFSET and LIMIT of a plan without parameters: how many rows are skipped, and how many of the others are kept, if not all.
pub(crate) fn window(limit: &Limit) -> Result<(u64, Option<u64>)> {
    let constant = |expr: &Option<Box<Expr>>, clause| match expr.as_deref().map(|expr| Count::of(expr, clause)) {
        None => Ok(None),
        Some(Ok(Some(Count::Parameter(_)))) => {
            Err(Error::Internal(format!("{clause} has a parameter without a value")))
        }
        Some(Ok(Some(Count::Constant(rows)))) => Ok(Some(rows)),
        Some(Ok(None)) => Ok(None),
        Some(Err(error)) => Err(error),
    };
    Ok((constant(&limit.skip, "OFFSET")?.unwrap_or(0), constant(&limit.fetch, "LIMIT")?))
}

/// Writes every FETCH FIRST of a query as a LIMIT. A query has one of them at most.
pub(crate) fn fetch_as_limit(query: &mut ast::Query) {
    let ControlFlow::Continue(()) = query.visit(&mut Fetches);
}

struct Fetches;

impl VisitorMut for Fetches {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &mut ast::Query) -> ControlFlow<Self::Break> {
        let Some(fetch) = query.fetch.take() else { return ControlFlow::Continue(()) };
        let one = || ast::Expr::Value(ast::Value::Number("1".to_string(), false).with_empty_span());
        let offset = match query.limit_clause.take() {
            Some(ast::LimitClause::LimitOffset { offset, .. }) => offset,
            _ => None,
        };
        let limit = Some(fetch.quantity.unwrap_or_else(one));
        query.limit_clause = Some(ast::LimitClause::LimitOffset { limit, offset, limit_by: Vec::new() });
        ControlFlow::Continue(())
    }
}

/// Makes the order below every LIMIT of a typed plan total.
pub(crate) fn settle(plan: LogicalPlan) -> Result<LogicalPlan> {
    let is_cut = plan.exists(|node| Ok(matches!(node, LogicalPlan::Sort(_) | LogicalPlan::Limit(_))))?;
    if !is_cut {
        return Ok(plan);
    }
    plan.apply(|node| {
        if let LogicalPlan::Sort(sort) = node {
            refuse_intervals(sort)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let settled = plan.transform_up(|node| match node {
        LogicalPlan::Limit(mut limit) => {
            let total = totally_ordered(&limit.input)?;
            let changed = total.is_some();
            limit.input = total.unwrap_or(limit.input);
            Ok(Transformed::new_transformed(LogicalPlan::Limit(limit), changed))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(settled.data)
}

/// PostgreSQL finds a month and thirty days equal and goes on to the next expression; the order of our keys does not.
fn refuse_intervals(sort: &Sort) -> Result<()> {
    let Some((_, leading)) = sort.expr.split_last() else { return Ok(()) };
    for sort_expr in leading {
        if sort_expr.expr.get_type(sort.input.schema())? == DataType::Interval.to_arrow() {
            return Err(Error::not_supported("ORDER BY on type interval before other expressions"));
        }
    }
    Ok(())
}

/// The plan with a total order, if it is an ORDER BY, perhaps below projections, that lacks one.
fn totally_ordered(plan: &LogicalPlan) -> Result<Option<Arc<LogicalPlan>>> {
    let plan = match plan {
        LogicalPlan::Sort(sort) => {
            let ties = ties(sort)?;
            if ties.is_empty() {
                return Ok(None);
            }
            let expr = sort.expr.iter().cloned().chain(ties).collect();
            LogicalPlan::Sort(Sort { expr, input: Arc::clone(&sort.input), fetch: sort.fetch })
        }
        LogicalPlan::Projection(projection) => {
            let Some(input) = totally_ordered(&projection.input)? else { return Ok(None) };
            let (expr, schema) = (projection.expr.clone(), Arc::clone(&projection.schema));
            LogicalPlan::Projection(Projection::try_new_with_schema(expr, input, schema)?)
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let Some(input) = totally_ordered(&alias.input)? else { return Ok(None) };
            LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(input, alias.alias.clone())?)
        }
        _ => return Ok(None),
    };
    Ok(Some(Arc::new(plan)))
}

/// By which columns rows are ordered that an ORDER BY leaves equal: until they are told apart for certain.
fn ties(sort: &Sort) -> Result<Vec<SortExpr>> {
    let schema = sort.input.schema();
    let key = unique_key(&sort.input)?;
    let mut named = BTreeSet::new();
    for sort_expr in &sort.expr {
        if let Expr::Column(column) = &sort_expr.expr {
            named.insert(schema.index_of_column(column)?);
        }
    }
    let mut ties = Vec::new();
    for index in 0..schema.fields().len() {
        if key.as_ref().is_some_and(|key| key.iter().all(|column| named.contains(column))) {
            break;
        }
        if named.insert(index) {
            ties.push(Expr::Column(Column::from(schema.qualified_field(index))).sort(true, false));
        }
    }
    Ok(ties)
}
