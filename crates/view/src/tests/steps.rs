//! What `step` promises whatever the operators: purity, order independence, scope, and errors that name their node.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use monostable_types::{DataType, Value, Weight};
use proptest::prelude::*;

use super::cases;
use super::model::{ZSet, collect, delta, held};
use crate::expression::{Column, Function};
use crate::{
    AggregateCall, AggregateFunction, Build, Delta, ExpressionError, Graph, NodeId, Scope, TableId, Version, step,
};

const TABLE: TableId = TableId(7);
const TYPES: [DataType; 2] = [DataType::Text, DataType::BigInt];

fn row(name: &str, number: i64) -> Vec<Value> {
    vec![Value::Text(name.to_owned()), Value::BigInt(number)]
}

fn change(rows: &[(Vec<Value>, i64)]) -> Vec<(TableId, Delta)> {
    vec![(TABLE, delta(&TYPES, rows))]
}

fn apply(version: &Version, rows: &[(Vec<Value>, i64)]) -> Result<Version, crate::StepError> {
    Ok(step(version, &change(rows), Scope::All, &[])?.version)
}

/// A table, the bigint sums by its text, and 1000 divided by its numbers.
struct World {
    version: Version,
    table: NodeId,
    sums: NodeId,
    quotients: NodeId,
}

fn world() -> World {
    let mut builder = Graph::new().extend();
    let source = builder.source(TABLE, &TYPES).unwrap();
    let table = builder.arrange(source, &[0, 1]).unwrap();
    let sum = AggregateCall::of(AggregateFunction::Sum, 1, DataType::BigInt);
    let sums = builder.aggregate(source, 1, &[sum]).unwrap();
    let sums = builder.arrange(sums, &[0]).unwrap();
    let quotient = Function::new("1000 / x", vec![Column::at(1, DataType::BigInt)], DataType::BigInt, divide);
    let quotients = builder.map(source, None, Some(vec![quotient])).unwrap();
    let quotients = builder.arrange(quotients, &[0]).unwrap();
    for node in [table, sums, quotients] {
        builder.assert_positive(node).unwrap();
    }
    let version = Build::run(&Version::new(), &builder.finish(), &[table, sums, quotients]).unwrap();
    World { version, table, sums, quotients }
}

fn divide(arguments: &[ArrayRef]) -> Result<ArrayRef, ExpressionError> {
    let numbers = arguments[0].as_primitive::<Int64Type>();
    let quotients = numbers.try_unary::<_, Int64Type, _>(|number| {
        1000_i64
            .checked_div(number)
            .ok_or(ExpressionError { sqlstate: "22012", message: "division by zero".to_owned() })
    })?;
    Ok(std::sync::Arc::new(quotients))
}

fn everything(world: &World, version: &Version) -> Vec<ZSet> {
    [world.table, world.sums, world.quotients].map(|node| held(version, node)).to_vec()
}

#[test]
fn a_step_that_fails_leaves_the_old_version_as_it_was_and_names_the_node() {
    let world = world();
    let version = apply(&world.version, &[(row("a", i64::MAX), 1), (row("b", 5), 1)]).unwrap();
    let before = everything(&world, &version);

    let overflow = apply(&version, &[(row("a", 1), 1)]).unwrap_err();
    assert_eq!(overflow.sqlstate(), "22003");
    assert_eq!(overflow.node, Some(world.sums), "an aggregate keeps its rows by group itself");
    assert!(overflow.to_string().contains("aggregate [sum]"), "{overflow}");

    let division = apply(&version, &[(row("c", 0), 1)]).unwrap_err();
    assert_eq!(division.sqlstate(), "22012");
    assert_eq!(division.node, Some(version.graph().node(world.quotients).unwrap().inputs()[0]));

    let twice = apply(&version, &[(row("d", 1), i64::MAX), (row("d", 1), i64::MAX)]).unwrap_err();
    assert_eq!(twice.sqlstate(), "22003");

    assert_eq!(everything(&world, &version), before);
    let after = apply(&version, &[(row("b", 6), 1)]).unwrap();
    assert_eq!(held(&after, world.sums)[&row("b", 11)], 1);
}

#[test]
fn a_sum_that_overflows_only_on_the_way_is_no_error() {
    let world = world();
    let rows = [(row("a", i64::MAX), 1), (row("a", i64::MAX - 1), 1), (row("a", -i64::MAX), 1)];
    let version = apply(&world.version, &rows).unwrap();
    assert_eq!(held(&version, world.sums), ZSet::from([(row("a", i64::MAX - 1), 1)]));
}

#[test]
fn taking_away_what_is_not_there_is_an_error_that_names_the_table() {
    let world = world();
    let version = apply(&world.version, &[(row("a", 1), 1)]).unwrap();
    let error = apply(&version, &[(row("a", 2), -1)]).unwrap_err();
    assert_eq!((error.sqlstate(), error.node), ("XX000", Some(world.table)));
    let error = apply(&version, &[(row("a", 1), -2)]).unwrap_err();
    assert_eq!(error.sqlstate(), "XX000");
}

#[test]
fn a_scope_maintains_what_it_names_and_leaves_the_rest() {
    let world = world();
    let deltas = change(&[(row("a", 0), 1)]);
    assert!(step(&world.version, &deltas, Scope::All, &[]).is_err(), "1000 / 0 is out of scope below");
    let stepped = step(&world.version, &deltas, Scope::Only(&[world.sums]), &[world.sums, world.table]).unwrap();
    assert_eq!(held(&stepped.version, world.sums), ZSet::from([(row("a", 0), 1)]));
    assert_eq!(held(&stepped.version, world.table), ZSet::new());
    let mut changes = ZSet::new();
    assert_eq!(stepped.changes.len(), 1);
    collect(&stepped.changes[0].1, &mut changes);
    assert_eq!(changes, ZSet::from([(row("a", 0), 1)]));
}

#[test]
fn tables_that_the_graph_does_not_know_are_ignored_and_other_types_refused() {
    let world = world();
    let unknown = (TableId(99), delta(&[DataType::Integer], &[(vec![Value::Integer(1)], 1)]));
    let stepped = step(&world.version, &[unknown], Scope::All, &[world.table]).unwrap();
    assert!(stepped.changes.is_empty());
    let retyped = (TABLE, delta(&[DataType::Text, DataType::Integer], &[(vec![Value::Null, Value::Null], 1)]));
    assert!(step(&world.version, &[retyped], Scope::All, &[]).is_err());
}

#[test]
fn a_change_that_cancels_wakes_nobody() {
    let world = world();
    let rows = [(row("a", 3), 1), (row("a", 3), -1)];
    let stepped = step(&world.version, &change(&rows), Scope::All, &[world.table, world.sums]).unwrap();
    assert!(stepped.changes.is_empty());
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn the_order_of_rows_in_a_change_decides_nothing(
        numbers in prop::collection::vec((0_usize..3, 1_i64..4, prop_oneof![Just(1_i64), Just(2)]), 1..12),
        seed in any::<u64>(),
    ) {
        let world = world();
        let rows: Vec<_> =
            numbers.iter().map(|&(name, number, weight)| (row(["a", "b", "c"][name], number), weight)).collect();
        let mut shuffled = rows.clone();
        for index in (1..shuffled.len()).rev() {
            shuffled.swap(index, (seed as usize).rotate_left(index as u32) % (index + 1));
        }
        let version = apply(&world.version, &rows).unwrap();
        let other = apply(&world.version, &shuffled).unwrap();
        for ((_, spine), (_, other)) in version.spines().zip(other.spines()) {
            let entries = |spine: &crate::Spine| -> Vec<(Vec<u8>, Weight)> {
                spine.prefix(b"").unwrap().map(|entry| entry.map(|(e, w)| (e.to_vec(), w)).unwrap()).collect()
            };
            prop_assert_eq!(entries(spine), entries(other));
        }
    }
}
