//! Keys: which columns of a plan tell its rows apart.
//!
//! Derived from primary keys, GROUP BY, DISTINCT and LIMIT 1, through filters, projections, joins and limits. It is a proof and not a search: a
//! plan without a derived key may still have one, and then its view is keyed by the whole row.

use datafusion_expr::{Distinct, Expr, Join, JoinType, Limit, LogicalPlan, Projection, TableScan};

use super::relation_of;
use crate::error::Result;
use crate::limit::Count;

/// Columns of the plan of which no two rows share the values; `None` if none are known. No columns: at most one row.
pub fn unique_key(plan: &LogicalPlan) -> Result<Option<Vec<usize>>> {
    match plan {
        LogicalPlan::TableScan(scan) => scan_key(scan),
        LogicalPlan::SubqueryAlias(alias) => unique_key(&alias.input),
        LogicalPlan::Filter(filter) => unique_key(&filter.input),
        LogicalPlan::Projection(projection) => projected(projection),
        LogicalPlan::Aggregate(aggregate) => Ok(Some((0..aggregate.group_expr.len()).collect())),
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let all = || (0..input.schema().fields().len()).collect();
            Ok(Some(unique_key(input)?.unwrap_or_else(all)))
        }
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => join_key(join),
        LogicalPlan::Sort(sort) => unique_key(&sort.input),
        LogicalPlan::Limit(limit) if has_one_row(limit) => Ok(Some(Vec::new())),
        LogicalPlan::Limit(limit) => unique_key(&limit.input),
        LogicalPlan::EmptyRelation(_) => Ok(Some(Vec::new())),
        LogicalPlan::Values(values) if values.values.len() <= 1 => Ok(Some(Vec::new())),
        _ => Ok(None),
    }
}

fn has_one_row(limit: &Limit) -> bool {
    let fetch = limit.fetch.as_deref().map(|expr| Count::of(expr, "LIMIT"));
    matches!(fetch, Some(Ok(Some(Count::Constant(0 | 1)))))
}

fn scan_key(scan: &TableScan) -> Result<Option<Vec<usize>>> {
    let Some(key) = relation_of(scan)?.unique_key() else { return Ok(None) };
    match &scan.projection {
        None => Ok(Some(key.to_vec())),
        Some(columns) => Ok(key.iter().map(|column| columns.iter().position(|kept| kept == column)).collect()),
    }
}

fn projected(projection: &Projection) -> Result<Option<Vec<usize>>> {
    let Some(key) = unique_key(&projection.input)? else { return Ok(None) };
    let schema = projection.input.schema();
    let mut sources = Vec::with_capacity(projection.expr.len());
    for expr in &projection.expr {
        sources.push(match expr.clone().unalias() {
            Expr::Column(column) => Some(schema.index_of_column(&column)?),
            _ => None,
        });
    }
    Ok(key.iter().map(|column| sources.iter().position(|source| *source == Some(*column))).collect())
}

/// A pair of rows is told apart by both keys; by one of them alone if it determines the other row.
fn join_key(join: &Join) -> Result<Option<Vec<usize>>> {
    let (Some(left), Some(right)) = (unique_key(&join.left)?, unique_key(&join.right)?) else { return Ok(None) };
    let mut left_joined = Vec::new();
    let mut right_joined = Vec::new();
    for (l, r) in &join.on {
        if let Expr::Column(column) = l {
            left_joined.push(join.left.schema().index_of_column(column)?);
        }
        if let Expr::Column(column) = r {
            right_joined.push(join.right.schema().index_of_column(column)?);
        }
    }
    let width = join.left.schema().fields().len();
    if right.iter().all(|column| right_joined.contains(column)) {
        return Ok(Some(left));
    }
    if left.iter().all(|column| left_joined.contains(column)) {
        return Ok(Some(right.into_iter().map(|column| width + column).collect()));
    }
    Ok(Some(left.into_iter().chain(right.into_iter().map(|column| width + column)).collect()))
}
