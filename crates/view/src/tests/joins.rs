//! Joins: NULLs, self-joins, cross joins, prefixes of keys, and large fan-out.

use monostable_types::{DataType, Value};

use super::model::{ZSet, delta, evaluated, held};
use crate::expression::{Column, Compare, Comparison};
use crate::operators::join::PAIRS_MAX;
use crate::{Build, Delta, Graph, Join, NodeId, Scope, TableId, Version, evaluate, step};

const LEFT: TableId = TableId(1);
const RIGHT: TableId = TableId(2);
const TYPES: [DataType; 2] = [DataType::Integer, DataType::Integer];

fn row(numbers: &[i32]) -> Vec<Value> {
    numbers.iter().map(|&number| if number < 0 { Value::Null } else { Value::Integer(number) }).collect()
}

fn change(table: TableId, rows: &[(i32, i32, i64)]) -> (TableId, Delta) {
    let rows: Vec<_> = rows.iter().map(|&(a, b, weight)| (row(&[a, b]), weight)).collect();
    (table, delta(&TYPES, &rows))
}

/// Two tables with the key (0, 1) and a view of their join.
fn joined(join: Join, same: bool) -> (Version, NodeId) {
    let mut builder = Graph::new().extend();
    let left = builder.source(LEFT, &TYPES).unwrap();
    let right = builder.source(RIGHT, &TYPES).unwrap();
    let left = builder.arrange(left, &[0, 1]).unwrap();
    let right = if same { left } else { builder.arrange(right, &[0, 1]).unwrap() };
    let pairs = builder.join(left, right, join).unwrap();
    let view = builder.arrange(pairs, &[0, 1, 2, 3]).unwrap();
    builder.assert_positive(view).unwrap();
    let graph = builder.finish();
    (Build::run(&Version::new(), &graph, &[view]).unwrap(), view)
}

fn apply(version: &Version, deltas: &[(TableId, Delta)]) -> Version {
    step(version, deltas, Scope::All, &[]).unwrap().version
}

fn zset(rows: &[(&[i32], i64)]) -> ZSet {
    rows.iter().map(|&(numbers, weight)| (row(numbers), weight)).collect()
}

#[test]
fn nulls_match_only_where_the_join_says_so() {
    let deltas =
        [change(LEFT, &[(-1, 1, 1), (5, -1, 1), (5, 5, 1)]), change(RIGHT, &[(-1, 1, 1), (5, -1, 2), (5, 5, 1)])];
    let (version, view) = joined(Join::on(2), false);
    assert_eq!(held(&apply(&version, &deltas), view), zset(&[(&[5, 5, 5, 5], 1)]));
    let (version, view) = joined(Join { null_equals_null: true, ..Join::on(2) }, false);
    let expected = zset(&[(&[-1, 1, -1, 1], 1), (&[5, -1, 5, -1], 2), (&[5, 5, 5, 5], 1)]);
    assert_eq!(held(&apply(&version, &deltas), view), expected);
}

#[test]
fn a_join_may_use_a_prefix_of_the_key() {
    let (version, view) = joined(Join::on(1), false);
    let version = apply(&version, &[change(LEFT, &[(1, 1, 1), (1, -1, 1), (2, 0, 1), (-1, 0, 1)])]);
    let version = apply(&version, &[change(RIGHT, &[(1, 7, 1), (2, 8, 3), (-1, 0, 1)])]);
    let expected = zset(&[(&[1, 1, 1, 7], 1), (&[1, -1, 1, 7], 1), (&[2, 0, 2, 8], 3)]);
    assert_eq!(held(&version, view), expected);
}

#[test]
fn an_empty_key_pairs_every_row_with_every_row() {
    let (version, view) = joined(Join::on(0), false);
    let version = apply(&version, &[change(LEFT, &[(1, 1, 2), (-1, -1, 1)]), change(RIGHT, &[(3, 4, 5)])]);
    assert_eq!(held(&version, view), zset(&[(&[1, 1, 3, 4], 10), (&[-1, -1, 3, 4], 5)]));
    let version = apply(&version, &[change(RIGHT, &[(3, 4, -5)])]);
    assert_eq!(held(&version, view), ZSet::new());
}

#[test]
fn an_arrangement_can_be_joined_with_itself() {
    let (mut version, view) = joined(Join::on(1), true);
    let mut rows: Vec<(i32, i32, i64)> = Vec::new();
    let history: [&[(i32, i32, i64)]; 4] =
        [&[(1, 1, 1), (1, 2, 1)], &[(1, 3, 2), (2, 1, 1)], &[(1, 1, -1), (2, 9, 1)], &[(1, 2, -1), (1, 3, -2)]];
    for deltas in history {
        version = apply(&version, &[change(LEFT, deltas)]);
        rows.extend(deltas);
        let mut expected = ZSet::new();
        for &(a, b, weight) in &rows {
            for &(c, d, other) in rows.iter().filter(|other| other.0 == a) {
                super::model::add(&mut expected, row(&[a, b, c, d]), weight * other);
            }
        }
        assert_eq!(held(&version, view), expected);
        assert_eq!(evaluated(&version, version.graph(), version.graph().node(view).unwrap().inputs()[0]), expected);
    }
}

#[test]
fn the_condition_sees_both_rows_in_logical_order() {
    let smaller = Compare::new(Comparison::Less, Column::at(1, DataType::Integer), Column::at(3, DataType::Integer));
    let (version, view) = joined(Join::on(1).when(smaller), false);
    let version =
        apply(&version, &[change(LEFT, &[(1, 1, 1), (1, 5, 1)]), change(RIGHT, &[(1, 4, 1), (1, 1, 1), (1, -1, 1)])]);
    assert_eq!(held(&version, view), zset(&[(&[1, 1, 1, 4], 1)]));
}

#[test]
fn a_large_fan_out_comes_in_chunks() {
    let (version, view) = joined(Join::on(1), false);
    let many = |table| change(table, &(0..150).map(|n| (1, n, 1)).collect::<Vec<_>>());
    let stepped = step(&version, &[many(LEFT), many(RIGHT)], Scope::All, &[view]).unwrap();
    assert_eq!(held(&stepped.version, view).len(), 150 * 150);
    // A query that is not a view, so that it is computed.
    let mut builder = stepped.version.graph().extend();
    let pairs = stepped.version.graph().node(view).unwrap().inputs()[0];
    let sides = stepped.version.graph().node(pairs).unwrap().inputs().to_vec();
    let query = builder.join(sides[0], sides[1], Join { null_equals_null: true, ..Join::on(1) }).unwrap();
    let (mut rows, mut largest) = (0, 0);
    evaluate(&stepped.version, &builder.finish(), query, &mut |chunk| {
        rows += chunk.len();
        largest = largest.max(chunk.len());
        Ok(())
    })
    .unwrap();
    assert_eq!((rows, largest), (150 * 150, PAIRS_MAX));
}
