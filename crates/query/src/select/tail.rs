//! What happens to a query's rows after they are found: ORDER BY, OFFSET and LIMIT, and the projections around them.
//!
//! The tail is the top of the plan, down to its lowest Sort or Limit; what lies below is a scan or a graph. A Limit that is not
//! part of the tail (in a subquery that is joined or aggregated) is lowered to the operator that maintains it in a view; both
//! follow the same total order, which [`crate::limit`] has put into the plan.
//!
//! Invariants: rows are expanded before the tail, so that a limit counts rows and not distinct rows. A projection between a
//! sort and a limit does not change how many rows the sort has to keep.
//!
//! Cost: see `sort`; everything else is one pass. Callers: `select`.

use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion_expr::{Expr, Limit, LogicalPlan, Sort};
use monostable_types::{DataType, Order, Value, Weight};

use super::chunk::{Chunk, Step, take_rows};
use super::scalars::{Bound, Scalars, expr_types};
use super::sort::permutation;
use crate::error::{Error, Result};
use crate::limit::{Count, not_negative};
use crate::statement::parameters::Parameters;

/// One step of the tail.
#[derive(Clone, Debug)]
pub(crate) enum TailStep {
    /// Filter or project.
    Step(Step),
    /// Order the rows by some expressions.
    Sort(Scalars, Vec<(DataType, Order)>),
    /// Skip some rows, and keep some of the others.
    Limit(Count, Option<Count>),
}

/// Splits a plan into its tail (from the bottom up) and the rest. An order that `is_sorted` knows the rest to have is dropped.
pub(crate) fn split(
    plan: &Arc<LogicalPlan>,
    parameters: &Parameters,
    is_sorted: &mut dyn FnMut(&LogicalPlan, &Sort) -> Result<bool>,
) -> Result<(Vec<TailStep>, Arc<LogicalPlan>)> {
    let mut nodes = Vec::new();
    let mut lowest = 0;
    let mut at = Arc::clone(plan);
    loop {
        let input = match at.as_ref() {
            LogicalPlan::Projection(projection) => Arc::clone(&projection.input),
            LogicalPlan::Filter(filter) => Arc::clone(&filter.input),
            LogicalPlan::SubqueryAlias(alias) => Arc::clone(&alias.input),
            LogicalPlan::Sort(sort) => Arc::clone(&sort.input),
            LogicalPlan::Limit(limit) => Arc::clone(&limit.input),
            _ => break,
        };
        let ends_here = matches!(at.as_ref(), LogicalPlan::Sort(_) | LogicalPlan::Limit(_));
        nodes.push(std::mem::replace(&mut at, input));
        if ends_here {
            lowest = nodes.len();
        }
    }
    nodes.truncate(lowest);
    let body = match nodes.last().map(AsRef::as_ref) {
        None => Arc::clone(plan),
        Some(LogicalPlan::Sort(sort)) => Arc::clone(&sort.input),
        Some(LogicalPlan::Limit(limit)) => Arc::clone(&limit.input),
        Some(other) => return Err(Error::Internal(format!("a tail ends with {}", other.display()))),
    };
    let mut steps = Vec::new();
    for (at, node) in nodes.iter().rev().enumerate() {
        match node.as_ref() {
            LogicalPlan::Sort(sort) if at == 0 && is_sorted(&body, sort)? => steps.extend(fetch(sort)),
            _ => add(node, parameters, &mut steps)?,
        }
    }
    Ok((steps, body))
}

fn add(node: &LogicalPlan, parameters: &Parameters, steps: &mut Vec<TailStep>) -> Result<()> {
    match node {
        LogicalPlan::Projection(node) => {
            let step = Step::project(&node.expr, node.input.schema(), &node.schema, parameters)?;
            steps.push(TailStep::Step(step));
        }
        LogicalPlan::Filter(node) => {
            let step = Step::filter(node.predicate.clone(), node.input.schema(), parameters)?;
            steps.push(TailStep::Step(step));
        }
        LogicalPlan::SubqueryAlias(_) => {}
        LogicalPlan::Sort(sort) => {
            steps.push(order(sort, parameters)?);
            steps.extend(fetch(sort));
        }
        LogicalPlan::Limit(node) => steps.push(limit(node)?),
        other => return Err(Error::Internal(format!("{} does not belong to a tail", other.display()))),
    }
    Ok(())
}

fn fetch(sort: &Sort) -> Option<TailStep> {
    sort.fetch.map(|fetch| TailStep::Limit(Count::Constant(0), Some(Count::Constant(fetch as u64))))
}

fn order(sort: &Sort, parameters: &Parameters) -> Result<TailStep> {
    let schema = sort.input.schema();
    let exprs: Vec<Expr> = sort.expr.iter().map(|sort| sort.expr.clone()).collect();
    let scalars = Scalars::compile(&exprs, schema, parameters)?;
    let types = expr_types(&exprs, schema)?;
    let orders = sort.expr.iter().map(|sort| Order { descending: !sort.asc, nulls_first: sort.nulls_first });
    Ok(TailStep::Sort(scalars, types.into_iter().zip(orders).collect()))
}

fn limit(limit: &Limit) -> Result<TailStep> {
    let skip = limit.skip.as_deref().map(|expr| Count::of(expr, "OFFSET")).transpose()?.flatten();
    let fetch = limit.fetch.as_deref().map(|expr| Count::of(expr, "LIMIT")).transpose()?.flatten();
    Ok(TailStep::Limit(skip.unwrap_or(Count::Constant(0)), fetch))
}

/// The number of rows that an argument stands for in one execution.
fn rows_of(count: Count, bound: &Bound, clause: &'static str) -> Result<Option<usize>> {
    let rows = match count {
        Count::Constant(rows) => Some(rows),
        Count::Parameter(index) => match bound.value(index)? {
            Value::Null => None,
            Value::BigInt(rows) => Some(not_negative(*rows, clause)?),
            _ => return Err(Error::DatatypeMismatch(format!("{clause} must be bigint"))),
        },
    };
    Ok(rows.map(|rows| usize::try_from(rows).unwrap_or(usize::MAX)))
}

fn bounds(skip: Count, fetch: Option<Count>, bound: &Bound) -> Result<(usize, Option<usize>)> {
    let skip = rows_of(skip, bound, "OFFSET")?.unwrap_or(0);
    let fetch = fetch.map(|fetch| rows_of(fetch, bound, "LIMIT")).transpose()?.flatten();
    Ok((skip, fetch))
}

/// How many rows are enough for the steps, if their number is limited before they are reordered or filtered.
pub(crate) fn enough(steps: &[TailStep], bound: &Bound) -> Result<Option<usize>> {
    for step in steps {
        match step {
            TailStep::Step(Step::Project(..)) => {}
            TailStep::Limit(skip, fetch) => {
                let (skip, fetch) = bounds(*skip, *fetch, bound)?;
                return Ok(fetch.map(|fetch| fetch.saturating_add(skip)));
            }
            TailStep::Sort(..) | TailStep::Step(Step::Filter(_)) => return Ok(None),
        }
    }
    Ok(None)
}

/// Runs the steps over all rows.
pub(crate) fn run(steps: &[TailStep], mut rows: RecordBatch, bound: &Bound) -> Result<RecordBatch> {
    for (at, step) in steps.iter().enumerate() {
        rows = match step {
            TailStep::Step(step) => {
                let weights = vec![Weight::ONE; rows.num_rows()];
                step.bind(bound)?.apply(Chunk { rows, weights }, bound)?.rows
            }
            TailStep::Sort(scalars, orders) => {
                let keys = scalars.bind(bound)?.evaluate(&rows, bound)?;
                let indices = permutation(&keys, orders, enough(&steps[at + 1..], bound)?)?;
                take_rows(&rows, &indices)?
            }
            TailStep::Limit(skip, fetch) => {
                let (skip, fetch) = bounds(*skip, *fetch, bound)?;
                let skip = skip.min(rows.num_rows());
                rows.slice(skip, fetch.unwrap_or(usize::MAX).min(rows.num_rows() - skip))
            }
        };
    }
    Ok(rows)
}
