//! What a step costs: each operator, for changes of 1, 100 and 10,000 rows, over tables of 100,000 rows.
//!
//! Every case steps a version again and again from the same state (a step is pure), so the figures are those of maintenance
//! alone: no log, no publication. One graph per operator; the table's own arrangement is part of each, because there is no
//! table without one. `source` is that part alone.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to measure")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use monostable_types::{DataType, Order, Value};
use monostable_view::expression::{Column, Compare, Comparison, Literal};
use monostable_view::{
    AggregateCall, AggregateFunction, Build, Delta, Graph, GraphBuilder, Join, NodeId, Scope, TableId, Version,
    evaluate, step,
};

const ORDERS: TableId = TableId(1);
const CUSTOMERS: TableId = TableId(2);
const ORDER: [DataType; 3] = [DataType::BigInt, DataType::Integer, DataType::BigInt];
const CUSTOMER: [DataType; 2] = [DataType::Integer, DataType::Text];
const ROWS: i64 = 100_000;
const CUSTOMERS_ALL: i64 = 10_000;

/// Orders of customers in no order.
fn orders(from: i64, rows: i64) -> Delta {
    let row = |id: i64| {
        let customer = (id.wrapping_mul(2_654_435_761) >> 7).rem_euclid(CUSTOMERS_ALL) as i32;
        (vec![Value::BigInt(id), Value::Integer(customer), Value::BigInt(id * 37 % 1000)], 1)
    };
    Delta::from_values(&ORDER, &(from..from + rows).map(row).collect::<Vec<_>>()).unwrap()
}

fn customers() -> Delta {
    let row = |id: i64| (vec![Value::Integer(id as i32), Value::Text(format!("customer {id}"))], 1);
    Delta::from_values(&CUSTOMER, &(0..CUSTOMERS_ALL).map(row).collect::<Vec<_>>()).unwrap()
}

/// Both tables filled, and what `view` adds to the graph.
fn filled(view: impl FnOnce(&mut GraphBuilder, NodeId, NodeId) -> Vec<NodeId>) -> Version {
    let mut builder = Graph::new().extend();
    let orders_source = builder.source(ORDERS, &ORDER).unwrap();
    let customers_source = builder.source(CUSTOMERS, &CUSTOMER).unwrap();
    let mut roots =
        vec![builder.arrange(orders_source, &[0]).unwrap(), builder.arrange(customers_source, &[0]).unwrap()];
    roots.iter().for_each(|&table| builder.assert_positive(table).unwrap());
    roots.extend(view(&mut builder, orders_source, customers_source));
    let version = Build::run(&Version::new(), &builder.finish(), &roots).unwrap();
    let mut version = step(&version, &[(CUSTOMERS, customers())], Scope::All, &[]).unwrap().version;
    for from in (0..ROWS).step_by(10_000) {
        version = step(&version, &[(ORDERS, orders(from, 10_000))], Scope::All, &[]).unwrap().version;
    }
    version
}

fn aggregate(builder: &mut GraphBuilder, source: NodeId, calls: &[AggregateCall]) -> Vec<NodeId> {
    let rows = builder.project(source, &[1, 2]).unwrap();
    let aggregate = builder.aggregate(rows, 1, calls).unwrap();
    vec![builder.arrange(aggregate, &[0]).unwrap()]
}

/// The first rows by a column, descending.
fn top(builder: &mut GraphBuilder, source: NodeId, column: usize, limit: u64) -> Vec<NodeId> {
    let descending = Order { descending: true, nulls_first: true };
    let sorted = builder.arrange_ordered(source, &[(column, descending)]).unwrap();
    let window = builder.top_k(sorted, 0, Some(limit)).unwrap();
    vec![builder.arrange(window, &[0]).unwrap()]
}

fn versions() -> Vec<(&'static str, Version)> {
    let distinct = AggregateCall { distinct: true, ..AggregateCall::of(AggregateFunction::Count, 1, DataType::BigInt) };
    vec![
        ("source", filled(|_, _, _| Vec::new())),
        (
            "filter",
            filled(|builder, orders, _| {
                let limit = Literal::new(Value::BigInt(500), DataType::BigInt).unwrap();
                let cheap = Compare::new(Comparison::Less, Column::at(2, DataType::BigInt), limit);
                let filtered = builder.map(orders, Some(cheap), None).unwrap();
                vec![builder.arrange(filtered, &[0]).unwrap()]
            }),
        ),
        (
            "union",
            filled(|builder, orders, _| {
                let doubled = builder.union(&[orders, orders]).unwrap();
                vec![builder.arrange(doubled, &[0]).unwrap()]
            }),
        ),
        ("arrange", filled(|builder, orders, _| vec![builder.arrange(orders, &[1, 0]).unwrap()])),
        (
            "distinct",
            filled(|builder, orders, _| {
                let pairs = builder.project(orders, &[1, 2]).unwrap();
                let distinct = builder.distinct(pairs).unwrap();
                vec![builder.arrange(distinct, &[0, 1]).unwrap()]
            }),
        ),
        (
            "join",
            filled(|builder, orders, customers| {
                let left = builder.arrange(orders, &[1]).unwrap();
                let right = builder.arrange(customers, &[0]).unwrap();
                let pairs = builder.join(left, right, Join::on(1)).unwrap();
                vec![builder.arrange(pairs, &[0]).unwrap()]
            }),
        ),
        (
            "count and sum",
            filled(|builder, orders, _| {
                let sum = AggregateCall::of(AggregateFunction::Sum, 1, DataType::BigInt);
                aggregate(builder, orders, &[AggregateCall::count_rows(), sum])
            }),
        ),
        (
            "min and max",
            filled(|builder, orders, _| {
                let of = |function| AggregateCall::of(function, 1, DataType::BigInt);
                aggregate(builder, orders, &[of(AggregateFunction::Min), of(AggregateFunction::Max)])
            }),
        ),
        // New orders are no dearer than those that are there, and they have the highest numbers.
        ("top 10, behind it", filled(|builder, orders, _| top(builder, orders, 2, 10))),
        ("top 10, in it", filled(|builder, orders, _| top(builder, orders, 0, 10))),
        ("top 10,000, in it", filled(|builder, orders, _| top(builder, orders, 0, 10_000))),
        ("count distinct", filled(|builder, orders, _| aggregate(builder, orders, &[distinct]))),
    ]
}

fn steps(criterion: &mut Criterion) {
    for (operator, version) in versions() {
        let mut group = criterion.benchmark_group(format!("step/{operator}"));
        for rows in [1, 100, 10_000] {
            let change = [(ORDERS, orders(ROWS, rows))];
            group.throughput(Throughput::Elements(rows as u64));
            group.bench_function(BenchmarkId::from_parameter(rows), |bencher| {
                bencher.iter(|| step(black_box(&version), &change, Scope::All, &[]).unwrap());
            });
        }
        group.finish();
    }
}

fn queries(criterion: &mut Criterion) {
    let version = filled(|_, _, _| Vec::new());
    let mut builder = version.graph().extend();
    let source = builder.source(ORDERS, &ORDER).unwrap();
    let customers = builder.source(CUSTOMERS, &CUSTOMER).unwrap();
    let sum = AggregateCall::of(AggregateFunction::Sum, 1, DataType::BigInt);
    let rows = builder.project(source, &[1, 2]).unwrap();
    let sums = builder.aggregate(rows, 1, &[sum]).unwrap();
    let left = builder.arrange(source, &[1]).unwrap();
    let right = builder.arrange(customers, &[0]).unwrap();
    let pairs = builder.join(left, right, Join::on(1)).unwrap();
    let graph = builder.finish();
    let mut group = criterion.benchmark_group("evaluate");
    group.throughput(Throughput::Elements(ROWS as u64)).sample_size(10);
    for (name, target) in [("scan", source), ("count and sum", sums), ("join", pairs)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut rows = 0;
                evaluate(&version, &graph, target, &mut |chunk| {
                    rows += chunk.len();
                    Ok(())
                })
                .unwrap();
                rows
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    steps(&mut criterion);
    queries(&mut criterion);
    criterion.final_summary();
}
