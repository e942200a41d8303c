//! Aggregates: empty inputs, vanishing groups, rounding, extremes, sharing, and the bytes of their state.

use monostable_types::{DataType, Value};

use super::model::{ZSet, count_of, delta, held};
use crate::{AggregateCall, AggregateFunction, Build, Graph, NodeId, Operator, Scope, TableId, Version, step};
use AggregateFunction::{Avg, Count, Max, Min, Sum};

const TABLE: TableId = TableId(1);
const MONEY: DataType = DataType::Numeric { precision: 10, scale: 2 };
/// A group, and one number of each kind.
const TYPES: [DataType; 4] = [DataType::Text, DataType::BigInt, DataType::Double, MONEY];

fn row(group: &str, number: i64, float: f64, cents: i128) -> Vec<Value> {
    let money = Value::Numeric { unscaled: cents, scale: 2 };
    vec![Value::Text(group.to_owned()), Value::BigInt(number), Value::Double(float), money]
}

/// A view of aggregates of the table, by its group or not.
fn view(groups: usize, calls: &[AggregateCall]) -> (Version, NodeId) {
    let mut builder = Graph::new().extend();
    let source = builder.source(TABLE, &TYPES).unwrap();
    let aggregate = builder.aggregate(source, groups, calls).unwrap();
    let view = builder.arrange(aggregate, &[]).unwrap();
    builder.assert_positive(view).unwrap();
    (Build::run(&Version::new(), &builder.finish(), &[view]).unwrap(), view)
}

fn apply(version: &Version, rows: &[(Vec<Value>, i64)]) -> Version {
    step(version, &[(TABLE, delta(&TYPES, rows))], Scope::All, &[]).unwrap().version
}

fn only(version: &Version, view: NodeId) -> Vec<Value> {
    let rows = held(version, view);
    assert_eq!(rows.values().collect::<Vec<_>>(), [&1]);
    rows.into_keys().next().unwrap()
}

fn numeric(unscaled: i128, scale: i8) -> Value {
    Value::Numeric { unscaled, scale }
}

#[test]
fn without_groups_there_is_one_row_from_the_beginning_and_for_ever() {
    let sum = AggregateCall::of(Sum, 1, DataType::BigInt);
    let (version, view) = view(0, &[AggregateCall::count_rows(), sum, AggregateCall::of(Min, 0, DataType::Text)]);
    let empty = [Value::BigInt(0), Value::Null, Value::Null];
    assert_eq!(only(&version, view), empty);
    let filled = apply(&version, &[(row("a", 2, 0.0, 0), 3)]);
    assert_eq!(only(&filled, view), [Value::BigInt(3), Value::BigInt(6), Value::Text("a".to_owned())]);
    assert_eq!(only(&apply(&filled, &[(row("a", 2, 0.0, 0), -3)]), view), empty);
}

#[test]
fn a_group_vanishes_with_its_last_row_and_returns() {
    let (version, view) = view(1, &[AggregateCall::count_rows()]);
    assert_eq!(held(&version, view), ZSet::new());
    let one = |count| ZSet::from([(vec![Value::Text("a".to_owned()), Value::BigInt(count)], 1)]);
    let version = apply(&version, &[(row("a", 1, 0.0, 0), 1), (row("a", 2, 0.0, 0), 1)]);
    assert_eq!(held(&version, view), one(2));
    let version = apply(&version, &[(row("a", 1, 0.0, 0), -1), (row("a", 2, 0.0, 0), -1)]);
    assert_eq!(held(&version, view), ZSet::new());
    let state = version.graph().node(view).unwrap().inputs()[0];
    assert!(version.spine_of(state).unwrap().is_empty().unwrap(), "nothing is remembered of a group that is gone");
    assert_eq!(held(&apply(&version, &[(row("a", 9, 0.0, 0), 1)]), view), one(1));
}

#[test]
fn averages_are_rounded_once_half_away_from_zero() {
    let calls = [
        AggregateCall::of(Avg, 1, DataType::Numeric { precision: 38, scale: 1 }),
        AggregateCall::of(Avg, 3, DataType::Numeric { precision: 38, scale: 2 }),
        AggregateCall::of(Avg, 3, DataType::Numeric { precision: 38, scale: 0 }),
        AggregateCall::of(Avg, 2, DataType::Double),
    ];
    let (version, view) = view(0, &calls);
    let version = apply(&version, &[(row("a", -1, 0.1, -125), 3), (row("a", 0, 0.1, -126), 1)]);
    // -0.75 and -1.2525 and their roundings; 0.1 four times is 0.4 exactly, and a quarter of it 0.1.
    assert_eq!(only(&version, view), [numeric(-8, 1), numeric(-125, 2), numeric(-1, 0), Value::Double(0.1)]);
    let version = apply(&version, &[(row("a", -1, 0.1, -125), -3), (row("a", 1, 0.1, -25), 1)]);
    assert_eq!(only(&version, view), [numeric(5, 1), numeric(-76, 2), numeric(-1, 0), Value::Double(0.1)]);
}

#[test]
fn sums_of_floats_forget_what_was_taken_away() {
    let (version, view) = view(0, &[AggregateCall::of(Sum, 2, DataType::Double)]);
    let version =
        apply(&version, &[(row("a", 0, 1.0, 0), 1), (row("a", 0, 1e300, 0), 1), (row("a", 0, f64::NAN, 0), 1)]);
    let version = apply(&version, &[(row("a", 0, 1e300, 0), -1), (row("a", 0, f64::NAN, 0), -1)]);
    assert_eq!(only(&version, view), [Value::Double(1.0)]);
    let error = step(&version, &[(TABLE, delta(&TYPES, &[(row("a", 0, f64::MAX, 0), 2)]))], Scope::All, &[]);
    assert_eq!(error.unwrap_err().sqlstate(), "22003");
}

#[test]
fn extremes_are_found_again_when_they_are_deleted() {
    let (version, view) =
        view(1, &[AggregateCall::of(Min, 1, DataType::BigInt), AggregateCall::of(Max, 1, DataType::BigInt)]);
    let extremes = |version: &Version| only(version, view)[1..].to_vec();
    let version = apply(&version, &[(row("a", 5, 0.0, 0), 1), (row("a", 1, 0.0, 0), 1), (row("a", 9, 0.0, 0), 2)]);
    assert_eq!(extremes(&version), [Value::BigInt(1), Value::BigInt(9)]);
    let version = apply(&version, &[(row("a", 1, 0.0, 0), -1), (row("a", 9, 0.0, 0), -1)]);
    assert_eq!(extremes(&version), [Value::BigInt(5), Value::BigInt(9)]);
    let mut null = row("a", 0, 0.0, 0);
    null[1] = Value::Null;
    let version = apply(&version, &[(row("a", 5, 0.0, 0), -1), (row("a", 9, 0.0, 0), -1), (null, 1)]);
    assert_eq!(extremes(&version), [Value::Null, Value::Null]);
}

#[test]
fn what_aggregates_need_is_shared() {
    let distinct = AggregateCall { distinct: true, ..AggregateCall::of(Count, 1, DataType::BigInt) };
    let calls = [
        AggregateCall::of(Min, 1, DataType::BigInt),
        AggregateCall::of(Max, 1, DataType::BigInt),
        distinct,
        AggregateCall { function: Sum, ..distinct },
    ];
    let (version, _) = view(1, &calls);
    let arranged = count_of(version.graph(), |operator| matches!(operator, Operator::Arrange(_)));
    assert_eq!(arranged, 2, "the values, and the view itself");
}

#[test]
fn what_is_not_supported_is_named() {
    let mut builder = Graph::new().extend();
    let source = builder.source(TABLE, &TYPES).unwrap();
    let error = builder.aggregate(source, 1, &[AggregateCall::of(Sum, 0, DataType::Text)]).unwrap_err();
    assert_eq!(
        (error.sqlstate(), error.to_string()),
        ("0A000", "sum(text) with a result of type text is not supported".to_owned())
    );
    let star = AggregateCall { function: Min, ..AggregateCall::count_rows() };
    assert_eq!(builder.aggregate(source, 1, &[star]).unwrap_err().sqlstate(), "0A000");
    assert!(builder.aggregate(source, 5, &[]).is_err());
}

#[test]
fn a_group_with_fewer_than_no_rows_is_an_error_that_names_the_operator() {
    let (version, view) = view(1, &[AggregateCall::of(Sum, 1, DataType::BigInt)]);
    let aggregate = version.graph().node(view).unwrap().inputs()[0];
    let version = apply(&version, &[(row("a", 1, 0.0, 0), 1)]);
    for rows in [vec![(row("a", 1, 0.0, 0), -2)], vec![(row("a", 2, 0.0, 0), -1)], vec![(row("b", 1, 0.0, 0), -1)]] {
        let error = step(&version, &[(TABLE, delta(&TYPES, &rows))], Scope::All, &[]).unwrap_err();
        assert_eq!((error.sqlstate(), error.node), ("XX000", Some(aggregate)));
    }
}

#[test]
fn the_state_has_the_bytes_that_the_format_says() {
    let calls = [
        AggregateCall::of(Count, 0, DataType::BigInt),
        AggregateCall::of(Sum, 1, DataType::BigInt),
        AggregateCall::of(Sum, 2, DataType::Double),
        AggregateCall::of(Sum, 3, DataType::Numeric { precision: 38, scale: 2 }),
    ];
    let (version, view) = view(1, &calls);
    let version = apply(&version, &[(row("a", 100, 1.5, -125), 1), (row("a", -300, 0.0, 0), 1)]);
    let aggregate = version.graph().node(view).unwrap().inputs()[0];
    let (entry, _) = version.spine_of(aggregate).unwrap().first(b"").unwrap().unwrap();
    let format = include_str!("../../FORMAT.md");
    let example = format.split("### Worked example of a state").nth(1).unwrap().split("```").nth(1).unwrap();
    let hex: Vec<&str> =
        example.lines().filter_map(|line| line.split_once(" | ")).flat_map(|(hex, _)| hex.split(' ')).collect();
    let bytes: Vec<u8> = hex.into_iter().filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    assert_eq!(entry, bytes, "{entry:02x?}");
}
