//! Identities: what is the same is one node, and finds its arrangement again; what differs does not.

use monostable_types::{DataType, Value};

use crate::expression::{Column, Compare, Comparison, Literal};
use crate::{
    AggregateCall, AggregateFunction, ArrangementId, Graph, GraphBuilder, GraphError, Identity, Join, NodeId, TableId,
};

const TYPES: [DataType; 2] = [DataType::Integer, DataType::BigInt];

/// A filter, an aggregate and a self-join over a table; the node of the view.
fn plan(builder: &mut GraphBuilder, table: u32, types: &[DataType], limit: i32, key: &[usize]) -> NodeId {
    let source = builder.source(TableId(table), types).unwrap();
    let literal = Literal::new(Value::Integer(limit), DataType::Integer).unwrap();
    let condition = Compare::new(Comparison::Less, Column::at(0, types[0]), literal);
    let filtered = builder.map(source, Some(condition), None).unwrap();
    let sum = AggregateCall::of(AggregateFunction::Max, 1, types[1]);
    let sums = builder.aggregate(filtered, 1, &[sum]).unwrap();
    let arranged = builder.arrange(sums, key).unwrap();
    let pairs = builder.join(arranged, arranged, Join::on(1)).unwrap();
    builder.arrange(pairs, &[0]).unwrap()
}

fn identity(table: u32, types: &[DataType], limit: i32, key: &[usize]) -> Identity {
    let mut builder = Graph::new().extend();
    let view = plan(&mut builder, table, types, limit, key);
    builder.finish().identity(view).unwrap()
}

#[test]
fn the_same_plan_is_the_same_node() {
    let mut builder = Graph::new().extend();
    let view = plan(&mut builder, 1, &TYPES, 5, &[0]);
    let graph = builder.finish();
    let nodes = graph.nodes().count();
    let mut builder = graph.extend();
    assert_eq!(plan(&mut builder, 1, &TYPES, 5, &[0]), view);
    assert_eq!(builder.finish().nodes().count(), nodes);
    let mut builder = graph.extend();
    assert_ne!(plan(&mut builder, 1, &TYPES, 6, &[0]), view);
}

#[test]
fn an_identity_is_that_of_the_plan_and_not_of_its_place_in_a_graph() {
    let mut builder = Graph::new().extend();
    plan(&mut builder, 9, &TYPES, 1, &[0]);
    let view = plan(&mut builder, 1, &TYPES, 5, &[0]);
    let graph = builder.finish();
    assert_eq!(graph.identity(view), Some(identity(1, &TYPES, 5, &[0])));
    let shrunk = graph.retain(&[view]);
    assert_eq!(shrunk.identity(view), Some(identity(1, &TYPES, 5, &[0])));
    assert!(shrunk.nodes().count() < graph.nodes().count());
    assert_eq!(shrunk.source(TableId(9)), None);
}

#[test]
fn whatever_changes_the_result_changes_the_identity() {
    let identities = [
        identity(1, &TYPES, 5, &[0]),
        identity(2, &TYPES, 5, &[0]),
        identity(1, &[DataType::Integer, DataType::Integer], 5, &[0]),
        identity(1, &[DataType::Integer, DataType::Text], 5, &[0]),
        identity(1, &TYPES, 6, &[0]),
        identity(1, &TYPES, 5, &[0, 1]),
    ];
    for (index, identity) in identities.iter().enumerate() {
        assert!(!identities[..index].contains(identity), "{index}");
    }
}

#[test]
fn a_plan_that_uses_itself_again_and_again_has_a_short_identity() {
    let mut builder = Graph::new().extend();
    let mut node = builder.source(TableId(1), &TYPES).unwrap();
    for _ in 0..200 {
        node = builder.union(&[node, node]).unwrap();
    }
    assert!(builder.finish().identity(node).unwrap().as_bytes().len() < 200 * 16);
}

#[test]
fn an_operator_finds_its_arrangement_again() {
    let mut builder = Graph::new().extend();
    plan(&mut builder, 9, &TYPES, 1, &[0]);
    let view = plan(&mut builder, 1, &TYPES, 5, &[0]);
    let graph = builder.finish();
    let persisted: Vec<(Identity, ArrangementId)> = graph
        .nodes()
        .filter_map(|node| Some((Identity::from_bytes(graph.identity(node.id())?.as_bytes()), node.arrangement()?)))
        .collect();
    let mut builder = Graph::recovering(persisted.clone()).extend();
    let again = plan(&mut builder, 1, &TYPES, 5, &[0]);
    let other = plan(&mut builder, 1, &TYPES, 77, &[0]);
    let (recovered, unused) = builder.finish().recovered();
    let arrangement = |graph: &Graph, node| graph.node(node).unwrap().arrangement().unwrap();
    assert_eq!(arrangement(&recovered, again), arrangement(&graph, view));
    assert!(persisted.iter().all(|(_, id)| *id != arrangement(&recovered, other)), "a new node has a new arrangement");
    assert_eq!(unused.len(), persisted.len() / 2, "those of the other table");
}

#[test]
fn types_and_columns_are_checked_when_the_graph_is_built() {
    let mut builder = Graph::new().extend();
    let source = builder.source(TableId(1), &TYPES).unwrap();
    let retyped = builder.source(TableId(1), &[DataType::Text]);
    assert!(matches!(retyped, Err(GraphError::TableRetyped(TableId(1)))));
    let other = builder.source(TableId(2), &[DataType::Text]).unwrap();
    assert!(matches!(builder.union(&[source, other]), Err(GraphError::TypeMismatch { .. })));
    assert!(matches!(builder.union(&[]), Err(GraphError::EmptyUnion)));
    assert!(matches!(builder.arrange(source, &[2]), Err(GraphError::UnknownColumn { column: 2, columns: 2 })));
    assert!(matches!(builder.arrange(source, &[1, 1]), Err(GraphError::RepeatedColumn(1))));
    assert!(matches!(builder.negate(NodeId(99)), Err(GraphError::UnknownNode(NodeId(99)))));
    let (left, right) = (builder.arrange(source, &[0]).unwrap(), builder.arrange(other, &[0]).unwrap());
    assert!(matches!(builder.join(left, right, Join::on(1)), Err(GraphError::TypeMismatch { .. })));
    assert!(matches!(builder.join(left, left, Join::on(2)), Err(GraphError::UnknownColumn { .. })));
    assert!(matches!(builder.join(left, other, Join::on(0)), Err(GraphError::NotArranged(..))));
    let condition = Column::at(0, DataType::Integer);
    assert!(matches!(builder.map(source, Some(condition), None), Err(GraphError::TypeMismatch { .. })));
    let short = builder.values(&TYPES, &[vec![Value::Text("1".to_owned()), Value::Null]]);
    assert!(matches!(short, Err(GraphError::Constant(_))));
}
