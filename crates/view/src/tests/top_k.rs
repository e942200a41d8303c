//! Top-k: windows of an order, at their edges.

use std::sync::Arc;

use monostable_types::{DataType, Order, Rows, Value};
use proptest::prelude::*;

use super::cases;
use super::model::{Plan, TABLES, ZSet, collect, contents, delta, evaluated, held, lower};
use super::random::{Choices, choices};
use crate::operators::TopK;
use crate::{Batch, Build, Graph, GraphError, Join, Layout, NodeId, RowType, Scope, Spine, TableId, Version, step};

const TABLE: TableId = TableId(1);
const TYPES: [DataType; 2] = [DataType::Integer, DataType::Integer];
const DOWN: Order = Order { descending: true, nulls_first: true };

fn row(first: i32, second: i32) -> Vec<Value> {
    vec![Value::Integer(first), Value::Integer(second)]
}

/// A table, and the window of `ORDER BY second DESC` over it.
fn world(offset: u64, limit: Option<u64>) -> (Version, NodeId) {
    let mut builder = Graph::new().extend();
    let source = builder.source(TABLE, &TYPES).unwrap();
    let table = builder.arrange(source, &[0]).unwrap();
    let sorted = builder.arrange_ordered(source, &[(1, DOWN)]).unwrap();
    let window = builder.top_k(sorted, offset, limit).unwrap();
    let view = builder.arrange(window, &[0]).unwrap();
    builder.assert_positive(view).unwrap();
    (Build::run(&Version::new(), &builder.finish(), &[table, view]).unwrap(), view)
}

/// The version after a change, and the change of the window.
fn changed(version: &Version, view: NodeId, rows: &[(Vec<Value>, i64)]) -> (Version, ZSet) {
    let stepped = step(version, &[(TABLE, delta(&TYPES, rows))], Scope::All, &[view]).unwrap();
    let mut change = ZSet::new();
    stepped.changes.iter().for_each(|(_, delta)| collect(delta, &mut change));
    (stepped.version, change)
}

#[test]
fn rows_enter_and_leave_at_both_ends_of_the_window() {
    let (version, view) = world(1, Some(2));
    let (version, _) = changed(&version, view, &[(row(1, 10), 1), (row(2, 20), 1), (row(3, 30), 1), (row(4, 40), 1)]);
    assert_eq!(held(&version, view), ZSet::from([(row(3, 30), 1), (row(2, 20), 1)]));
    // A row before the window pushes all others on.
    let (version, change) = changed(&version, view, &[(row(5, 50), 1)]);
    assert_eq!(change, ZSet::from([(row(4, 40), 1), (row(2, 20), -1)]));
    // Behind the window nothing happens.
    let (version, change) = changed(&version, view, &[(row(6, 5), 1), (row(1, 10), -1)]);
    assert_eq!(change, ZSet::new());
    // What is taken away is replaced by what comes next.
    let (version, change) = changed(&version, view, &[(row(4, 40), -1), (row(3, 30), -1)]);
    assert_eq!(change, ZSet::from([(row(4, 40), -1), (row(3, 30), -1), (row(2, 20), 1), (row(6, 5), 1)]));
    let (version, change) = changed(&version, view, &[(row(5, 50), -1), (row(2, 20), -1)]);
    assert_eq!(change, ZSet::from([(row(2, 20), -1), (row(6, 5), -1)]));
    assert_eq!(held(&version, view), ZSet::new(), "one row is left, and the offset hides it");
}

#[test]
fn copies_of_a_row_lie_in_the_window_one_by_one() {
    let (version, view) = world(2, Some(3));
    let (version, _) = changed(&version, view, &[(row(1, 9), 4), (row(2, 8), 7)]);
    assert_eq!(held(&version, view), ZSet::from([(row(1, 9), 2), (row(2, 8), 1)]));
    let (version, change) = changed(&version, view, &[(row(1, 9), 1)]);
    assert_eq!(change, ZSet::from([(row(1, 9), 1), (row(2, 8), -1)]));
    let (version, change) = changed(&version, view, &[(row(1, 9), -4)]);
    assert_eq!(change, ZSet::from([(row(1, 9), -3), (row(2, 8), 3)]));
    let (_, change) = changed(&version, view, &[(row(2, 8), -3)]);
    assert_eq!(change, ZSet::new(), "four copies are left, and three of them lie in the window");
}

#[test]
fn ties_are_broken_by_the_other_columns_and_nulls_stand_where_they_are_put() {
    let null = vec![Value::Integer(9), Value::Null];
    let (version, view) = world(0, Some(3));
    let rows = [(row(3, 1), 1), (row(1, 1), 1), (null.clone(), 1), (row(2, 1), 1), (row(4, 0), 1)];
    let (version, _) = changed(&version, view, &rows);
    assert_eq!(held(&version, view), ZSet::from([(null, 1), (row(1, 1), 1), (row(2, 1), 1)]));
    let (_, change) = changed(&version, view, &[(row(0, 1), 1)]);
    assert_eq!(change, ZSet::from([(row(0, 1), 1), (row(2, 1), -1)]));
}

#[test]
fn windows_without_an_end_or_without_rows_are_windows() {
    let rows: Vec<_> = (0..4).map(|n| (row(n, n), 1)).collect();
    for (offset, limit, expected) in
        [(0, Some(0), 0), (3, Some(0), 0), (9, Some(5), 0), (1, None, 3), (0, None, 4), (0, Some(u64::MAX), 4)]
    {
        let (version, view) = world(offset, limit);
        let (version, _) = changed(&version, view, &rows);
        assert_eq!(held(&version, view).len(), expected, "{offset} {limit:?}");
        assert_eq!(evaluated(&version, version.graph(), view), held(&version, view));
    }
    let (version, view) = world(u64::MAX, Some(u64::MAX));
    let (version, _) = changed(&version, view, &[(row(1, 1), i64::MAX), (row(2, 2), i64::MAX), (row(3, 3), i64::MAX)]);
    assert_eq!(held(&version, view), ZSet::from([(row(1, 1), i64::MAX - 1)]), "positions do not overflow");
}

fn arranged(layout: &Layout, rows: &[(Vec<Value>, i64)]) -> Arc<Batch> {
    let delta = delta(&TYPES, rows);
    let mut entries = Rows::new();
    layout.arrange(&delta, &mut entries).unwrap();
    Arc::new(Batch::from_unsorted(&entries, delta.weights()).unwrap())
}

#[test]
fn a_change_behind_the_window_is_left_unread() {
    let layout = Layout::new(RowType::new(&TYPES), &[(1, DOWN)]);
    let batch = |rows: &[(Vec<Value>, i64)]| arranged(&layout, rows);
    let content: Vec<_> = (0..100).map(|n| (row(n, n), 1)).collect();
    let old = Spine::new(layout.key_extent()).push(batch(&content)).unwrap();
    let top_k = TopK { offset: 0, limit: Some(10) };
    // A new content that has nothing to do with the change shows whether it is looked at.
    let other = Spine::new(layout.key_extent());
    let behind = top_k.change(&layout, &batch(&[(row(89, 89), -1)]), &old, &other).unwrap();
    assert!(behind.is_empty());
    let within = top_k.change(&layout, &batch(&[(row(90, 90), -1)]), &old, &other).unwrap();
    assert_eq!(within.len(), 1);
}

#[test]
fn a_spine_remembers_where_a_window_ends_until_something_before_that_changes() {
    let layout = Layout::new(RowType::new(&TYPES), &[(1, DOWN)]);
    let batch = |rows: &[(Vec<Value>, i64)]| arranged(&layout, rows);
    let top_k = TopK { offset: 1, limit: Some(9) };
    let content: Vec<_> = (0..100).map(|n| (row(n, n), 1)).collect();
    let old = Spine::new(layout.key_extent()).push(batch(&content)).unwrap();
    let (behind, last, within) = (batch(&[(row(89, 89), 1)]), batch(&[(row(90, 90), 1)]), batch(&[(row(0, 95), 1)]));
    let new = old.push(behind.clone()).unwrap();
    assert!(top_k.change(&layout, &behind, &old, &new).unwrap().is_empty());
    let known = |spine: &Spine, batch: &Batch| spine.window_ends_before(top_k.end(), batch.get(0).0);
    assert!(known(&new, &behind) && !known(&new, &last) && !known(&new, &within));
    assert!(!new.window_ends_before(11, behind.get(0).0), "of another window nothing is known");
    let later = new.push(behind.clone()).unwrap().seal();
    assert!(known(&later, &behind), "neither changes behind it nor other runs matter");
    for changed in [&last, &within] {
        assert!(!known(&later.push(changed.clone()).unwrap(), &behind));
    }
}

#[test]
fn directions_are_part_of_an_arrangement_and_the_default_is_not() {
    let mut builder = Graph::new().extend();
    let source = builder.source(TABLE, &TYPES).unwrap();
    let plain = builder.arrange(source, &[1]).unwrap();
    assert_eq!(builder.arrange_ordered(source, &[(1, Order::default())]).unwrap(), plain);
    let mut nodes = vec![plain];
    for order in [DOWN, Order { nulls_first: false, ..DOWN }, Order { descending: false, ..DOWN }] {
        nodes.push(builder.arrange_ordered(source, &[(1, order)]).unwrap());
    }
    let windows =
        [(plain, 0, Some(1)), (nodes[1], 0, Some(1)), (plain, 1, Some(1)), (plain, 0, Some(2)), (plain, 0, None)];
    for (input, offset, limit) in windows {
        nodes.push(builder.top_k(input, offset, limit).unwrap());
    }
    let mixed = builder.join(plain, nodes[1], Join::on(1));
    assert!(matches!(mixed, Err(GraphError::Unsupported(_))));
    assert!(matches!(builder.top_k(source, 0, None), Err(GraphError::NotArranged(..))));
    assert!(matches!(builder.arrange_ordered(source, &[(1, DOWN), (1, DOWN)]), Err(GraphError::RepeatedColumn(1))));
    let graph = builder.finish();
    let identities: Vec<_> = nodes.iter().map(|&node| graph.identity(node).unwrap()).collect();
    for (index, identity) in identities.iter().enumerate() {
        assert!(!identities[..index].contains(identity), "{}", graph.describe(nodes[index]));
    }
    assert!(graph.describe(nodes[1]).contains("arrange by [1 desc]"), "{}", graph.describe(nodes[1]));
    assert!(graph.describe(nodes[6]).contains("first 1 rows after 1"), "{}", graph.describe(nodes[6]));
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn a_window_over_a_long_history_holds_what_recomputation_gives(
        numbers in choices(400), offset in 0_u64..12, limit in prop_oneof![Just(None), (0_u64..12).prop_map(Some)],
        descending in any::<bool>(), nulls_first in any::<bool>(),
    ) {
        // One column of the key only, so that ties are common; values far apart, so that the window has a before and an after.
        let key = vec![(1, Order { descending, nulls_first })];
        let plan = vec![Plan::Table(0), Plan::Table(1), Plan::Table(2), Plan::TopK { input: 1, key, offset, limit }];
        let mut builder = Graph::new().extend();
        let nodes = lower(&mut builder, &plan);
        let view = builder.arrange(nodes[3], &[]).unwrap();
        builder.assert_positive(view).unwrap();
        let mut version = Build::run(&Version::new(), &builder.finish(), &[view]).unwrap();
        let mut tables = vec![ZSet::new(); TABLES.len()];
        let mut choices = Choices::new(numbers);
        for _ in 0..20 {
            let mut rows = Vec::new();
            for _ in 0..=choices.below(6) {
                let number = if choices.below(8) == 0 { Value::Null } else { Value::BigInt(choices.below(12) as i64) };
                let row = vec![Value::Integer(choices.below(3) as i32), number, Value::Null];
                let held = tables[1].get(&row).copied().unwrap_or(0);
                let weight = if held > 0 && choices.below(2) == 1 { -held } else { 1 + choices.below(2) as i64 };
                super::model::add(&mut tables[1], row.clone(), weight);
                rows.push((row, weight));
            }
            version = step(&version, &[(TABLE, delta(TABLES[1], &rows))], Scope::All, &[]).unwrap().version;
            let expected = contents(&plan, &tables);
            prop_assert_eq!(&held(&version, view), &expected[3]);
            prop_assert_eq!(&evaluated(&version, version.graph(), view), &expected[3]);
        }
    }
}
