//! Builds and evaluations: what they may assume of a version, and what they refuse.

use monostable_types::{DataType, Epoch, Lsn, Value};

use super::model::{ZSet, delta, evaluated, held};
use crate::expression::{Column, Compare, Comparison, Literal};
use crate::{
    AggregateCall, Build, Delta, Evaluation, Graph, GraphBuilder, Join, NodeId, Progress, Scope, TableId, Version, step,
};

const TABLE: TableId = TableId(1);
const TYPES: [DataType; 2] = [DataType::Integer, DataType::Integer];

fn rows(numbers: std::ops::Range<i32>) -> Vec<(TableId, Delta)> {
    let rows: Vec<_> = numbers.map(|n| (vec![Value::Integer(n), Value::Integer(n % 7)], 1)).collect();
    vec![(TABLE, delta(&TYPES, &rows))]
}

fn table(rows_of: std::ops::Range<i32>) -> (Version, NodeId) {
    let mut builder = Graph::new().extend();
    let source = builder.source(TABLE, &TYPES).unwrap();
    let table = builder.arrange(source, &[0]).unwrap();
    let version = Build::run(&Version::new(), &builder.finish(), &[table]).unwrap();
    let version = step(&version, &rows(rows_of), Scope::All, &[]).unwrap().version;
    (version.at(Epoch(1), Lsn(0)), table)
}

/// The rows of the table by their remainder, joined with themselves.
fn pairs(version: &Version, key: &[usize]) -> (Graph, NodeId) {
    let mut builder = version.graph().extend();
    let source = builder.source(TABLE, &TYPES).unwrap();
    let arranged = builder.arrange(source, key).unwrap();
    let pairs = builder.join(arranged, arranged, Join::on(1)).unwrap();
    (builder.finish(), pairs)
}

#[test]
fn a_plan_outlives_the_graph_for_which_it_was_made() {
    // A cached plan names a private arrangement by an id that the live graph gave to something else since.
    let (version, _) = table(0..20);
    let (cached, query) = pairs(&version, &[1]);
    let expected = evaluated(&version, &cached, query);
    let mut builder = version.graph().extend();
    let source = builder.source(TABLE, &TYPES).unwrap();
    let other = builder.arrange(source, &[]).unwrap();
    let version = Build::run(&version, &builder.finish(), &[other]).unwrap();
    let private = cached.node(query).unwrap().inputs()[0];
    assert_eq!(private, other, "the ids do clash");
    assert_eq!(evaluated(&version, &cached, query), expected);
}

#[test]
fn a_query_of_a_table_that_is_gone_is_an_error_and_not_empty() {
    let (version, _) = table(0..20);
    let source = version.graph().source(TABLE).unwrap();
    let gone = version.retain(&[]);
    let answer = crate::evaluate(&gone, version.graph(), source, &mut |_| Ok(()));
    assert_eq!(answer.unwrap_err().node, Some(source));
}

#[test]
fn a_build_refuses_what_would_make_it_incomplete() {
    let (version, table) = table(0..20);
    let (graph, query) = pairs(&version, &[1]);
    let mut builder = graph.extend();
    let view = builder.arrange(query, &[]).unwrap();
    let graph = builder.finish();
    let late = step(&version, &rows(20..30), Scope::All, &[]).unwrap().version.at(Epoch(2), Lsn(5));

    let mut build = Build::new(&version, &graph, &[view]).unwrap();
    assert!(build.catch_up(&rows(20..30), Epoch(2), Lsn(5)).is_err(), "it is not filled yet");
    while build.advance(3).unwrap() == Progress::Working {}
    assert!(build.catch_up(&rows(20..30), Epoch(3), Lsn(5)).is_err(), "a group is missing");
    build.catch_up(&rows(20..30), Epoch(2), Lsn(5)).unwrap();
    assert!(build.finish(&version).is_err(), "it is ahead");

    let mut build = Build::new(&version, &graph, &[view]).unwrap();
    assert!(build.advance(1).unwrap() == Progress::Working);
    assert!(build.finish(&version).is_err(), "it is not filled");

    let mut build = Build::new(&version, &graph, &[view]).unwrap();
    while build.advance(usize::MAX).unwrap() == Progress::Working {}
    assert!(build.finish(&late).is_err(), "it is behind");

    let mut build = Build::new(&version, &graph, &[view]).unwrap();
    while build.advance(usize::MAX).unwrap() == Progress::Working {}
    let moved = late.retain(&[table]).at(Epoch(1), Lsn(0));
    assert!(build.finish(&moved).is_err(), "the graph is another one");
}

#[test]
fn a_new_table_and_a_view_of_it_are_built_together() {
    let mut builder = Graph::new().extend();
    let source = builder.source(TABLE, &TYPES).unwrap();
    let table = builder.arrange(source, &[0]).unwrap();
    let constant =
        builder.values(&TYPES, &[vec![Value::Integer(1), Value::Null], vec![Value::Integer(1), Value::Null]]).unwrap();
    let union = builder.union(&[source, constant]).unwrap();
    let view = builder.arrange(union, &[]).unwrap();
    let unused = builder.arrange(union, &[1]).unwrap();
    let graph = builder.finish();
    let version = Build::run(&Version::new(), &graph, &[table, view]).unwrap();
    assert!(version.graph().node(unused).is_none(), "what nobody asked for is left out");
    assert_eq!(version.unfilled(), vec![]);
    assert_eq!(held(&version, view), ZSet::from([(vec![Value::Integer(1), Value::Null], 2)]));
}

#[test]
fn a_reader_can_stop_early() {
    let (version, _) = table(0..20_000);
    let source = version.graph().source(TABLE).unwrap();
    let mut evaluation = Evaluation::new(&version, version.graph(), source).unwrap();
    let mut read = 0;
    let progress = evaluation.advance(10, &mut |chunk| {
        read += chunk.len();
        Ok(())
    });
    assert_eq!((progress.unwrap(), read, evaluation.rows_read()), (Progress::Working, 10, 10));
}

#[test]
fn rows_that_are_only_counted_are_not_read() {
    let (version, _) = table(0..20_000);
    let gone: Vec<_> = (0..100).map(|n| (vec![Value::Integer(n), Value::Integer(n % 7)], -1)).collect();
    let version = step(&version, &[(TABLE, delta(&TYPES, &gone))], Scope::All, &[]).unwrap().version;
    let counted = |input: fn(&mut GraphBuilder, NodeId) -> NodeId| {
        let mut builder = version.graph().extend();
        let source = builder.source(TABLE, &TYPES).unwrap();
        let input = input(&mut builder, source);
        let count = builder.aggregate(input, 0, &[AggregateCall::count_rows()]).unwrap();
        let graph = builder.finish();
        let mut evaluation = Evaluation::new(&version, &graph, count).unwrap();
        while evaluation.advance(usize::MAX, &mut |_| Ok(())).unwrap() == Progress::Working {}
        (evaluated(&version, &graph, count), evaluation.rows_read())
    };
    let rows = |count| ZSet::from([(vec![Value::BigInt(count)], 1)]);
    // One row was read of the table, or of each input of the union, and the count itself.
    assert_eq!(counted(|_, source| source), (rows(19_900), 2));
    assert_eq!(counted(|builder, source| builder.project(source, &[1]).unwrap()), (rows(19_900), 2));
    assert_eq!(counted(|builder, source| builder.union(&[source, source]).unwrap()), (rows(39_800), 3));
    let nothing = |builder: &mut GraphBuilder, source| {
        let negated = builder.negate(source).unwrap();
        builder.union(&[source, negated]).unwrap()
    };
    assert_eq!(counted(nothing), (rows(0), 3));
    // What a filter leaves out, and which rows are different, only the rows can tell.
    let filtered = |builder: &mut GraphBuilder, source| {
        let bound = Literal::new(Value::Integer(150), DataType::Integer).unwrap();
        let compare = Compare::new(Comparison::Less, Column::at(0, DataType::Integer), bound);
        builder.map(source, Some(compare), None).unwrap()
    };
    assert_eq!(counted(filtered), (rows(50), 19_901));
    let distinct = |builder: &mut GraphBuilder, source| {
        let remainders = builder.project(source, &[1]).unwrap();
        builder.distinct(remainders).unwrap()
    };
    assert_eq!(counted(distinct).0, rows(7));
}

#[test]
fn dropping_a_view_drops_its_arrangements_and_nothing_else() {
    let (version, table) = table(0..20);
    let (graph, query) = pairs(&version, &[1]);
    let mut builder = graph.extend();
    let view = builder.arrange(query, &[]).unwrap();
    let with_view = Build::run(&version, &builder.finish(), &[view]).unwrap();
    assert_eq!(with_view.spines().count(), 3);
    let without = with_view.retain(&[table]);
    assert_eq!(
        without.spines().map(|(id, _)| id).collect::<Vec<_>>(),
        version.spines().map(|(id, _)| id).collect::<Vec<_>>()
    );
    let stepped = step(&without, &rows(20..30), Scope::All, &[]).unwrap().version;
    assert_eq!(held(&stepped, table).len(), 30);
    // Recovery from parts, one of which is missing.
    let spines: Vec<_> = with_view.spines().map(|(id, spine)| (id, spine.clone())).collect();
    let recovered = Version::recover(Epoch(1), Lsn(0), with_view.graph().clone(), spines[..2].to_vec());
    assert_eq!(recovered.unfilled(), vec![view]);
    let rebuilt = Build::run(&recovered, recovered.graph(), &recovered.unfilled()).unwrap();
    assert_eq!(held(&rebuilt, view), held(&with_view, view));
}
