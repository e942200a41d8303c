//! GROUP BY: one projection that computes groups, arguments and filters, then one aggregate operator.

use datafusion_expr::{Aggregate, Expr, ExprSchemable};
use monostable_types::DataType;
use monostable_view::{AggregateCall, AggregateFunction, Expr as Column, NodeId};

use super::{Lowering, refuse_interval, type_of};
use crate::compile::compile_expr;
use crate::error::{Error, Result};
use crate::functions::aggregate::PlannedAggregate;

impl Lowering<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> Result<NodeId> {
        let schema = aggregate.input.schema();
        let mut columns: Vec<Column> = Vec::new();
        for group in &aggregate.group_expr {
            if let Expr::GroupingSet(_) = group {
                return Err(Error::not_supported("GROUPING SETS, CUBE or ROLLUP"));
            }
            columns.push(compile_expr(group, schema)?);
        }
        refuse_interval(columns.iter().map(|column| column.data_type()), "GROUP BY")?;
        let groups = columns.len();
        let mut calls = Vec::with_capacity(aggregate.aggr_expr.len());
        for call in &aggregate.aggr_expr {
            calls.push(call_of(call, schema, &mut columns)?);
        }
        let input = self.node(&aggregate.input)?;
        let input = self.graph.map(input, None, Some(columns))?;
        Ok(self.graph.aggregate(input, groups, &calls)?)
    }
}

/// One aggregate; its argument and filter become columns, which are shared with those that are there.
fn call_of(expr: &Expr, schema: &datafusion_common::DFSchema, columns: &mut Vec<Column>) -> Result<AggregateCall> {
    let call = match expr {
        Expr::Alias(alias) => return call_of(&alias.expr, schema, columns),
        Expr::AggregateFunction(call) => call,
        other => return Err(Error::not_supported(format!("the aggregate {other}"))),
    };
    let implementation = call.func.inner();
    let implementation = implementation.as_ref() as &dyn std::any::Any;
    let Some(planned) = implementation.downcast_ref::<PlannedAggregate>() else {
        return Err(Error::not_supported(format!("the aggregate {}()", call.func.name())));
    };
    if !call.params.order_by.is_empty() || call.params.null_treatment.is_some() {
        return Err(Error::not_supported(format!("ORDER BY in {}()", call.func.name())));
    }
    let [argument] = call.params.args.as_slice() else {
        return Err(Error::Internal(format!("{}() with {} arguments", call.func.name(), call.params.args.len())));
    };
    let argument = match argument {
        Expr::Literal(value, _)
            if planned.function == AggregateFunction::Count && !value.is_null() && !call.params.distinct =>
        {
            None
        }
        other => {
            let compiled = compile_expr(other, schema)?;
            if call.params.distinct {
                refuse_interval([compiled.data_type()], "an aggregate with DISTINCT")?;
            }
            Some(column(compiled, columns))
        }
    };
    let filter = match &call.params.filter {
        Some(condition) => Some(column(compile_expr(condition, schema)?, columns)),
        None => None,
    };
    let result: DataType = type_of(&expr.get_type(schema)?)?;
    Ok(AggregateCall { function: planned.function, argument, distinct: call.params.distinct, filter, result })
}

/// The position of a column that computes the same, or of a new one.
fn column(compiled: Column, columns: &mut Vec<Column>) -> usize {
    let identity = |column: &Column| {
        let mut bytes = Vec::new();
        column.identity(&mut bytes);
        bytes
    };
    let wanted = identity(&compiled);
    match columns.iter().position(|known| identity(known) == wanted) {
        Some(position) => position,
        None => {
            columns.push(compiled);
            columns.len() - 1
        }
    }
}
