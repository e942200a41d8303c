//! The model: plans over Z-sets of values, evaluated from nothing, and their translation into a graph.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use monostable_types::{DataType, Order, Value};
use num_bigint::BigInt;

use crate::expression::{Column, Compare, Comparison, IsNotNull, Literal};
use crate::{
    AggregateCall, AggregateFunction, Delta, Expr, GraphBuilder, Join, NodeId, Operator, TableId, Version, evaluate,
};

/// A Z-set of rows.
pub(crate) type ZSet = BTreeMap<Vec<Value>, i64>;

/// The columns of the model's tables.
pub(crate) const TABLES: [&[DataType]; 3] = [
    &[DataType::Integer, DataType::Text, DataType::BigInt, DataType::Double, DataType::Boolean, DataType::Real],
    &[DataType::Integer, DataType::BigInt, NUMERIC],
    &[DataType::Text, DataType::SmallInt],
];

pub(crate) const NUMERIC: DataType = DataType::Numeric { precision: 10, scale: 2 };

/// One node of a plan; inputs are positions of earlier nodes.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    Table(usize),
    Values(Vec<Vec<Value>>, Vec<DataType>),
    Filter(usize, Condition),
    Project(usize, Vec<usize>),
    Union(Vec<usize>),
    /// Rows of the first input that are not in the second, which is a part of the first.
    Minus(usize, usize),
    Distinct(usize),
    Join {
        left: usize,
        right: usize,
        left_key: Vec<usize>,
        right_key: Vec<usize>,
        nulls: bool,
        when: Option<Condition>,
    },
    Aggregate(usize, Vec<usize>, Vec<AggregateCall>),
    /// ORDER BY these columns, OFFSET and LIMIT.
    TopK {
        input: usize,
        key: Vec<(usize, Order)>,
        offset: u64,
        limit: Option<u64>,
    },
    /// Reads an arrangement by this key: what a view on a view does.
    View(usize, Vec<usize>),
}

#[derive(Debug, Clone)]
pub(crate) enum Condition {
    NotNull(usize),
    Literal(usize, Comparison, Value),
    Columns(usize, Comparison, usize),
}

impl Condition {
    fn expression(&self, types: &[DataType]) -> Expr {
        let column = |index: usize| Column::at(index, types[index]);
        match self {
            Condition::NotNull(index) => IsNotNull::new(column(*index)),
            Condition::Literal(index, comparison, value) => {
                let literal = Literal::new(value.clone(), types[*index]).unwrap();
                Compare::new(*comparison, column(*index), literal)
            }
            Condition::Columns(left, comparison, right) => Compare::new(*comparison, column(*left), column(*right)),
        }
    }

    fn holds(&self, row: &[Value]) -> bool {
        let compare = |left: &Value, comparison: &Comparison, right: &Value| {
            let order = left.cmp(right);
            !left.is_null()
                && !right.is_null()
                && match comparison {
                    Comparison::Equal => order.is_eq(),
                    Comparison::NotEqual => order.is_ne(),
                    Comparison::Less => order.is_lt(),
                    Comparison::LessOrEqual => order.is_le(),
                    Comparison::Greater => order.is_gt(),
                    Comparison::GreaterOrEqual => order.is_ge(),
                }
        };
        match self {
            Condition::NotNull(index) => !row[*index].is_null(),
            Condition::Literal(index, comparison, value) => compare(&row[*index], comparison, value),
            Condition::Columns(left, comparison, right) => compare(&row[*left], comparison, &row[*right]),
        }
    }
}

/// The types of each node of a plan.
pub(crate) fn types(plan: &[Plan]) -> Vec<Vec<DataType>> {
    let mut all: Vec<Vec<DataType>> = Vec::new();
    for node in plan {
        let types = match node {
            Plan::Table(table) => TABLES[*table].to_vec(),
            Plan::Values(_, types) => types.clone(),
            Plan::Filter(input, _)
            | Plan::Distinct(input)
            | Plan::Minus(input, _)
            | Plan::View(input, _)
            | Plan::TopK { input, .. } => all[*input].clone(),
            Plan::Project(input, columns) => columns.iter().map(|&column| all[*input][column]).collect(),
            Plan::Union(inputs) => all[inputs[0]].clone(),
            Plan::Join { left, right, .. } => [all[*left].as_slice(), &all[*right]].concat(),
            Plan::Aggregate(input, groups, calls) => {
                let groups = groups.iter().map(|&group| all[*input][group]);
                groups.chain(calls.iter().map(|call| call.result)).collect()
            }
        };
        all.push(types);
    }
    all
}

/// Adds a plan to a graph; the node of each node of the plan.
pub(crate) fn lower(builder: &mut GraphBuilder, plan: &[Plan]) -> Vec<NodeId> {
    let types = types(plan);
    let mut nodes: Vec<NodeId> = Vec::new();
    for node in plan {
        let at = |input: &usize| nodes[*input];
        let id = match node {
            Plan::Table(table) => builder.source(TableId(*table as u32), TABLES[*table]),
            Plan::Values(rows, types) => builder.values(types, rows),
            Plan::Filter(input, condition) => builder.map(at(input), Some(condition.expression(&types[*input])), None),
            Plan::Project(input, columns) => builder.project(at(input), columns),
            Plan::Union(inputs) => builder.union(&inputs.iter().map(at).collect::<Vec<_>>()),
            Plan::Minus(input, part) => {
                let negated = builder.negate(at(part)).unwrap();
                builder.union(&[at(input), negated])
            }
            Plan::Distinct(input) => builder.distinct(at(input)),
            Plan::Join { left, right, left_key, right_key, nulls, when } => {
                let (left_node, right_node) = (at(left), at(right));
                let left_arranged = builder.arrange(left_node, left_key).unwrap();
                let right_arranged = builder.arrange(right_node, right_key).unwrap();
                let pair = [types[*left].as_slice(), &types[*right]].concat();
                let residual = when.as_ref().map(|condition| condition.expression(&pair));
                let join = Join { keys: left_key.len(), null_equals_null: *nulls, residual };
                builder.join(left_arranged, right_arranged, join)
            }
            Plan::Aggregate(input, groups, calls) => {
                // Groups lead; then come the columns as they are, so that arguments are shifted by the groups.
                let all = 0..types[*input].len();
                let columns: Vec<usize> = groups.iter().copied().chain(all).collect();
                let input = builder.project(at(input), &columns).unwrap();
                let shift = |column: Option<usize>| column.map(|column| column + groups.len());
                let shifted = |call: &AggregateCall| AggregateCall {
                    argument: shift(call.argument),
                    filter: shift(call.filter),
                    ..*call
                };
                builder.aggregate(input, groups.len(), &calls.iter().map(shifted).collect::<Vec<_>>())
            }
            Plan::TopK { input, key, offset, limit } => {
                let arranged = builder.arrange_ordered(at(input), key).unwrap();
                builder.top_k(arranged, *offset, *limit)
            }
            Plan::View(input, key) => builder.arrange(at(input), key),
        };
        nodes.push(id.unwrap());
    }
    nodes
}

/// Which of two rows comes first: by the columns of ORDER BY, then by all columns from left to right.
fn compare(left: &[Value], right: &[Value], key: &[(usize, Order)]) -> Ordering {
    let by_key = key.iter().map(|&(column, order)| match (left[column].is_null(), right[column].is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) if order.nulls_first => Ordering::Less,
        (false, true) if !order.nulls_first => Ordering::Less,
        (true, false) | (false, true) => Ordering::Greater,
        (false, false) if order.descending => right[column].cmp(&left[column]),
        (false, false) => left[column].cmp(&right[column]),
    });
    by_key.fold(Ordering::Equal, Ordering::then).then_with(|| left.cmp(right))
}

/// What each node of a plan holds for these tables.
pub(crate) fn contents(plan: &[Plan], tables: &[ZSet]) -> Vec<ZSet> {
    let mut all: Vec<ZSet> = Vec::new();
    for node in plan {
        let mut out = ZSet::new();
        match node {
            Plan::Table(table) => out = tables[*table].clone(),
            Plan::Values(rows, _) => rows.iter().for_each(|row| add(&mut out, row.clone(), 1)),
            Plan::View(input, _) => out = all[*input].clone(),
            Plan::Filter(input, condition) => {
                out = all[*input].clone();
                out.retain(|row, _| condition.holds(row));
            }
            Plan::Project(input, columns) => {
                for (row, &weight) in &all[*input] {
                    add(&mut out, columns.iter().map(|&column| row[column].clone()).collect(), weight);
                }
            }
            Plan::Union(inputs) => {
                for (row, &weight) in inputs.iter().flat_map(|input| &all[*input]) {
                    add(&mut out, row.clone(), weight);
                }
            }
            Plan::Minus(input, part) => {
                out = all[*input].clone();
                all[*part].iter().for_each(|(row, &weight)| add(&mut out, row.clone(), -weight));
            }
            Plan::Distinct(input) => {
                out = all[*input].iter().filter(|(_, weight)| **weight > 0).map(|(row, _)| (row.clone(), 1)).collect();
            }
            Plan::Join { left, right, left_key, right_key, nulls, when } => {
                for (left, left_weight) in &all[*left] {
                    for (right, right_weight) in &all[*right] {
                        let agree = left_key
                            .iter()
                            .zip(right_key)
                            .all(|(&l, &r)| left[l] == right[r] && (*nulls || !left[l].is_null()));
                        let pair = [left.as_slice(), right].concat();
                        if agree && when.as_ref().is_none_or(|condition| condition.holds(&pair)) {
                            add(&mut out, pair, left_weight * right_weight);
                        }
                    }
                }
            }
            Plan::Aggregate(input, groups, calls) => out = aggregate(&all[*input], groups, calls),
            Plan::TopK { input, key, offset, limit } => {
                let mut rows: Vec<&Vec<Value>> = Vec::new();
                for (row, &weight) in &all[*input] {
                    rows.extend(std::iter::repeat_n(row, usize::try_from(weight).unwrap_or(0)));
                }
                rows.sort_by(|left, right| compare(left, right, key));
                let limit = limit.map_or(usize::MAX, |limit| limit as usize);
                for row in rows.into_iter().skip(*offset as usize).take(limit) {
                    add(&mut out, row.clone(), 1);
                }
            }
        }
        all.push(out);
    }
    all
}

pub(crate) fn add(zset: &mut ZSet, row: Vec<Value>, weight: i64) {
    let sum = zset.get(&row).copied().unwrap_or(0) + weight;
    if sum == 0 {
        zset.remove(&row);
    } else {
        zset.insert(row, sum);
    }
}

fn aggregate(input: &ZSet, groups: &[usize], calls: &[AggregateCall]) -> ZSet {
    let mut grouped: BTreeMap<Vec<Value>, Vec<(&Vec<Value>, i64)>> = BTreeMap::new();
    if groups.is_empty() {
        grouped.insert(Vec::new(), Vec::new());
    }
    for (row, &weight) in input {
        let group = groups.iter().map(|&group| row[group].clone()).collect();
        grouped.entry(group).or_default().push((row, weight));
    }
    let mut out = ZSet::new();
    for (group, rows) in grouped {
        let values = calls.iter().map(|call| call_value(&rows, call));
        out.insert(group.iter().cloned().chain(values).collect(), 1);
    }
    out
}

fn call_value(rows: &[(&Vec<Value>, i64)], call: &AggregateCall) -> Value {
    use AggregateFunction::{Avg, BoolAnd, BoolOr, Count, Max, Min, Sum};
    let passed = rows.iter().filter(|(row, _)| call.filter.is_none_or(|filter| row[filter] == Value::Boolean(true)));
    let Some(argument) = call.argument else {
        return Value::BigInt(passed.map(|(_, weight)| weight).sum());
    };
    let mut values: BTreeMap<Value, i64> = BTreeMap::new();
    for (row, weight) in passed.filter(|(row, _)| !row[argument].is_null()) {
        *values.entry(row[argument].clone()).or_default() += weight;
    }
    if call.distinct {
        values.values_mut().for_each(|weight| *weight = 1);
    }
    let count: i64 = values.values().sum();
    if call.function == Count {
        return Value::BigInt(count);
    }
    if values.is_empty() {
        return Value::Null;
    }
    let truth = |wanted: bool| values.keys().any(|value| *value == Value::Boolean(wanted));
    match call.function {
        Min => values.keys().next().unwrap().clone(),
        Max => values.keys().next_back().unwrap().clone(),
        BoolAnd => Value::Boolean(!truth(false)),
        BoolOr => Value::Boolean(truth(true)),
        Count | Sum | Avg => number(&values, if call.function == Avg { count } else { 1 }, call.result),
    }
}

/// The sum of weighted numbers, divided. Floats of the model are multiples of 1/64, so that floats add exactly.
fn number(values: &BTreeMap<Value, i64>, divisor: i64, result: DataType) -> Value {
    let mut exact = BigInt::from(0);
    let (mut float, mut argument_scale) = (0.0_f64, 0_i8);
    for (value, &weight) in values {
        match value {
            Value::SmallInt(value) => exact += BigInt::from(*value) * weight,
            Value::Integer(value) => exact += BigInt::from(*value) * weight,
            Value::BigInt(value) => exact += BigInt::from(*value) * weight,
            Value::Numeric { unscaled, scale } => {
                exact += BigInt::from(*unscaled) * weight;
                argument_scale = *scale;
            }
            Value::Real(value) => float += f64::from(*value) * weight as f64,
            Value::Double(value) => float += value * weight as f64,
            other => panic!("{other} is no number"),
        }
    }
    let (DataType::Numeric { scale, .. }, false) = (result, false) else {
        return match result {
            DataType::BigInt => Value::BigInt(i64::try_from(exact).unwrap()),
            DataType::Double => Value::Double(float / divisor as f64),
            DataType::Real => Value::Real((float / divisor as f64) as f32),
            other => panic!("no sum has type {other}"),
        };
    };
    assert!(scale >= argument_scale);
    let dividend = exact * BigInt::from(10).pow((scale - argument_scale) as u32);
    // Half away from zero: twice the dividend plus or minus the divisor, over twice the divisor, towards zero.
    let half = if dividend < BigInt::from(0) { -divisor } else { divisor };
    let rounded = (dividend * 2 + half) / (BigInt::from(divisor) * 2);
    Value::Numeric { unscaled: i128::try_from(rounded).unwrap(), scale }
}

/// A delta of a Z-set's rows.
pub(crate) fn delta(types: &[DataType], rows: &[(Vec<Value>, i64)]) -> Delta {
    Delta::from_values(types, rows).unwrap()
}

/// Adds the rows of a delta to a Z-set.
pub(crate) fn collect(delta: &Delta, into: &mut ZSet) {
    let columns = delta.columns().unwrap();
    let schema = columns.schema();
    for index in 0..delta.len() {
        let cell = |(at, column): (usize, &arrow_array::ArrayRef)| {
            let data_type = DataType::from_arrow(schema.field(at).data_type()).unwrap();
            Value::from_array(column.as_ref(), index, data_type).unwrap()
        };
        add(into, columns.columns().iter().enumerate().map(cell).collect(), delta.weights()[index].0);
    }
}

/// What the arrangement of an `Arrange` node holds.
pub(crate) fn held(version: &Version, node: NodeId) -> ZSet {
    let layout = version.graph().node(node).unwrap().layout().unwrap();
    let mut zset = ZSet::new();
    for entry in version.spine_of(node).unwrap().prefix(b"").unwrap() {
        let (entry, weight) = entry.unwrap();
        let rows = layout.decode(std::iter::once(entry)).unwrap();
        collect(&Delta::new(layout.row(), rows, vec![weight]), &mut zset);
    }
    zset
}

/// What `evaluate` gives for a node.
pub(crate) fn evaluated(version: &Version, graph: &crate::Graph, node: NodeId) -> ZSet {
    let mut zset = ZSet::new();
    evaluate(version, graph, node, &mut |delta| {
        collect(&delta, &mut zset);
        Ok(())
    })
    .unwrap();
    zset
}

/// How many nodes of a graph have the operator.
pub(crate) fn count_of(graph: &crate::Graph, wanted: impl Fn(&Operator) -> bool) -> usize {
    graph.nodes().filter(|node| wanted(node.operator())).count()
}
