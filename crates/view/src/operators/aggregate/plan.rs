//! From SQL's aggregates to one `Aggregate` node and the nodes that feed it.
//!
//! Linear aggregates read the main input. `DISTINCT` ones read a `Distinct` over (groups, value), so that they are linear
//! again. `min` and `max` read an arrangement sorted by (groups, value), so that the extreme is found by a seek. These nodes are
//! ordinary ones: `min(x)`, `max(x)` and `count(DISTINCT x)` share one arrangement, and so do two views.
//!
//! Aggregates that need the same sums share them: `sum(x)` and `avg(x)` keep one accumulator.

use std::sync::Arc;

use monostable_types::{DataType, RowCodec};

use crate::builder::{GraphBuilder, GraphError, check_type, column_type};
use crate::expression::{And, Column, Expr, IsNotNull};
use crate::graph::NodeId;
use crate::layout::RowType;
use crate::operators::Operator;
use crate::operators::aggregate::accumulator::Kind;
use crate::operators::aggregate::{Aggregate, AggregateCall, AggregateFunction, Origin, Output, Port, Slot};

/// Adds the nodes of an aggregation.
pub(crate) fn expand(
    builder: &mut GraphBuilder,
    input: NodeId,
    groups: usize,
    calls: &[AggregateCall],
) -> Result<NodeId, GraphError> {
    let row = Arc::clone(builder.row(input)?);
    let Some(group_types) = row.types().get(..groups) else {
        return Err(GraphError::UnknownColumn { column: groups, columns: row.len() });
    };
    let mut plan =
        Plan { builder, input, groups, row: Arc::clone(&row), ports: vec![(input, Port::Main)], slots: vec![] };
    let mut outputs = Vec::new();
    for call in calls {
        outputs.push(plan.output(call)?);
    }
    let Plan { ports, slots, .. } = plan;
    let inputs = ports.iter().map(|&(node, _)| node).collect();
    let types: Vec<DataType> = group_types.iter().copied().chain(calls.iter().map(|call| call.result)).collect();
    let aggregate = Aggregate {
        groups,
        group_codec: Arc::new(RowCodec::new(group_types)),
        ports: ports.into_iter().map(|(_, port)| port).collect(),
        slots,
        output_codecs: outputs.iter().map(|output: &Output| RowCodec::new(&[output.result])).collect(),
        outputs,
    };
    Ok(builder.intern(Operator::Aggregate(aggregate), inputs, RowType::new(&types)))
}

struct Plan<'a> {
    builder: &'a mut GraphBuilder,
    input: NodeId,
    groups: usize,
    row: Arc<RowType>,
    ports: Vec<(NodeId, Port)>,
    slots: Vec<Slot>,
}

impl Plan<'_> {
    fn output(&mut self, call: &AggregateCall) -> Result<Output, GraphError> {
        use AggregateFunction::{Avg, BoolAnd, BoolOr, Count, Max, Min, Sum};
        let argument = match call.argument {
            Some(column) => Some(*column_type(&self.row, column)?),
            None if call.function == Count && !call.distinct => None,
            None => return Err(GraphError::Unsupported(format!("{} without an argument", call.function))),
        };
        if let Some(filter) = call.filter {
            check_type("a FILTER condition", DataType::Boolean, *column_type(&self.row, filter)?)?;
        }
        check_result(call, argument)?;
        let origin = match (call.function, call.argument, argument) {
            (Count, None, _) if call.filter.is_none() => Origin::Rows,
            (Min | Max, Some(column), Some(data_type)) => {
                let values = self.values(call, column, data_type)?;
                let columns: Vec<usize> = (0..=self.groups).collect();
                let arranged = self.builder.arrange(values, &columns)?;
                Origin::Extreme { port: self.port(arranged, Port::Extreme), greatest: call.function == Max }
            }
            // Equal values decide nothing more for these two, so they need no state for DISTINCT.
            (Count | Sum | Avg, Some(column), Some(data_type)) if call.distinct => {
                let values = self.values(call, column, data_type)?;
                let distinct = self.builder.distinct(values)?;
                let port = self.port(distinct, Port::Distinct);
                let kind = kind(data_type, call.function);
                Origin::Slot(self.slot(Slot { port, kind, argument: Some(self.groups), filter: None }))
            }
            (Count | Sum | Avg | BoolAnd | BoolOr, ..) => {
                let kind = argument.map_or(Kind::Count, |data_type| kind(data_type, call.function));
                Origin::Slot(self.slot(Slot { port: 0, kind, argument: call.argument, filter: call.filter }))
            }
            _ => return Err(GraphError::Unsupported(format!("{} without an argument", call.function))),
        };
        Ok(Output { function: call.function, origin, argument, result: call.result })
    }

    /// The node with the rows (groups, value) in which the value is not NULL and the filter is true.
    fn values(&mut self, call: &AggregateCall, column: usize, data_type: DataType) -> Result<NodeId, GraphError> {
        let mut condition = IsNotNull::new(Column::at(column, data_type));
        if let Some(filter) = call.filter {
            condition = And::new(Column::at(filter, DataType::Boolean), condition);
        }
        let leading = self.row.types().iter().take(self.groups).enumerate();
        let mut project: Vec<Expr> = leading.map(|(index, &data_type)| Column::at(index, data_type)).collect();
        project.push(Column::at(column, data_type));
        self.builder.map(self.input, Some(condition), Some(project))
    }

    fn port(&mut self, node: NodeId, port: Port) -> usize {
        position_or_push(&mut self.ports, (node, port))
    }

    fn slot(&mut self, slot: Slot) -> usize {
        position_or_push(&mut self.slots, slot)
    }
}

fn position_or_push<T: PartialEq>(items: &mut Vec<T>, item: T) -> usize {
    items.iter().position(|existing| *existing == item).unwrap_or_else(|| {
        items.push(item);
        items.len() - 1
    })
}

/// What is summed for a function of values of a type.
fn kind(data_type: DataType, function: AggregateFunction) -> Kind {
    match (data_type, function) {
        (_, AggregateFunction::Count) => Kind::Count,
        (DataType::SmallInt | DataType::Integer | DataType::BigInt, _) => Kind::Integer,
        (DataType::Numeric { .. }, _) => Kind::Decimal,
        (DataType::Real | DataType::Double, _) => Kind::Float,
        (DataType::Boolean, _) => Kind::Boolean,
        _ => Kind::Count,
    }
}

/// Whether the function exists for the argument, with the result that is asked for.
fn check_result(call: &AggregateCall, argument: Option<DataType>) -> Result<(), GraphError> {
    use AggregateFunction::{Avg, BoolAnd, BoolOr, Count, Max, Min, Sum};
    use DataType::{BigInt, Boolean, Double, Integer, Numeric, Real, SmallInt};
    let exists = match (call.function, argument, call.result) {
        (Count, _, result) => result == BigInt,
        (Min | Max, Some(argument), result) => argument == result,
        (BoolAnd | BoolOr, Some(Boolean), result) => result == Boolean,
        (Sum, Some(SmallInt | Integer | BigInt), SmallInt | Integer | BigInt) => true,
        (Sum | Avg, Some(SmallInt | Integer | BigInt), Numeric { .. }) => true,
        (Sum, Some(Numeric { scale, .. }), Numeric { scale: kept, .. }) => kept >= scale,
        (Avg, Some(Numeric { .. }), Numeric { .. }) => true,
        (Sum | Avg, Some(Real | Double), Real | Double) => true,
        _ => false,
    };
    if exists {
        return Ok(());
    }
    let of = argument.map_or("*".to_owned(), |argument| argument.to_string());
    Err(GraphError::Unsupported(format!("{}({of}) with a result of type {}", call.function, call.result)))
}
