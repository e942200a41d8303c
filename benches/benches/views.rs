//! What a step costs with several views on one table: per-customer counts and sums, sums and a maximum by region over a
//! join, and totals in the order of the totals, over 100,000 customers and 1,000,000 orders.
//!
//! Unlike in `operators`, the version moves on from step to step, so that pushes meet the runs that earlier pushes left. No
//! background merges run: the version is taken from its start again after a fixed number of changes. No log, no publication.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to measure")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use monostable_types::{DataType, RowCodec, Rows, Value, Weight};
use monostable_view::expression::{Column, Compare, Comparison, Literal};
use monostable_view::{
    AggregateCall, AggregateFunction, Build, Delta, Graph, GraphBuilder, Join, NodeId, RowType, Scope, TableId,
    Version, step,
};

const ORDERS: TableId = TableId(1);
const CUSTOMERS: TableId = TableId(2);
const ORDER: [DataType; 3] = [DataType::BigInt; 3];
const CUSTOMER: [DataType; 2] = [DataType::BigInt, DataType::Text];
const CUSTOMERS_ALL: u64 = 100_000;
const ORDERS_ALL: u64 = 1_000_000;
const REGIONS: [&str; 8] = ["north", "south", "east", "west", "centre", "coast", "hills", "islands"];
/// Changes after which a measurement starts again from the first version.
const CHANGES_MAX: usize = 20_000;

/// A number that depends on `index` and looks like chance.
fn mixed(index: u64) -> u64 {
    let spread = (index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (spread ^ spread >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 16
}

fn order(id: u64, generation: u64) -> [Value; 3] {
    let customer = mixed(id) % CUSTOMERS_ALL;
    let cents = mixed(id ^ generation << 40) % 100_000;
    [id, customer, cents].map(|number| Value::BigInt(number as i64))
}

/// `changes` changes that no others repeat: eight inserts, a delete and an update out of ten.
fn batch(row: &std::sync::Arc<RowType>, number: u64, changes: u64) -> Delta {
    let codec = RowCodec::new(&ORDER);
    let (mut rows, mut weights) = (Rows::new(), Vec::new());
    let mut push = |values: [Value; 3], weight| {
        rows.push_with(|bytes| codec.encode_values(&values, bytes)).unwrap();
        weights.push(weight);
    };
    for index in number * changes..(number + 1) * changes {
        let old = mixed(index) % (ORDERS_ALL / CHANGES_MAX as u64) + index * (ORDERS_ALL / CHANGES_MAX as u64);
        match index % 10 {
            8 => push(order(old, 0), Weight::MINUS_ONE),
            9 => {
                push(order(old, 0), Weight::MINUS_ONE);
                let mut changed = order(old, 1);
                changed[1] = order(old, 0)[1].clone();
                push(changed, Weight::ONE);
            }
            _ => push(order(ORDERS_ALL + index, 0), Weight::ONE),
        }
    }
    Delta::encoded(row, rows, weights)
}

fn views(builder: &mut GraphBuilder, orders: NodeId, customers: NodeId) -> Vec<NodeId> {
    let sum = |column| AggregateCall::of(AggregateFunction::Sum, column, DataType::BigInt);
    let limit = Literal::new(Value::BigInt(1_000), DataType::BigInt).unwrap();
    let dear = Compare::new(Comparison::GreaterOrEqual, Column::at(2, DataType::BigInt), limit);
    let pair = [1, 2].map(|column| Column::at(column, DataType::BigInt)).to_vec();
    let dear = builder.map(orders, Some(dear), Some(pair)).unwrap();
    let per_customer = builder.aggregate(dear, 1, &[AggregateCall::count_rows(), sum(1)]).unwrap();
    let left = builder.arrange(orders, &[1]).unwrap();
    let right = builder.arrange(customers, &[0]).unwrap();
    let joined = builder.join(left, right, Join::on(1)).unwrap();
    let joined = builder.project(joined, &[4, 2]).unwrap();
    let most = AggregateCall::of(AggregateFunction::Max, 1, DataType::BigInt);
    let regions = builder.aggregate(joined, 1, &[sum(1), AggregateCall::count_rows(), most]).unwrap();
    let pair = builder.project(orders, &[1, 2]).unwrap();
    let totals = builder.aggregate(pair, 1, &[sum(1)]).unwrap();
    let views = [(per_customer, vec![0]), (regions, vec![0]), (totals, vec![0]), (totals, vec![1, 0])];
    views.map(|(node, key)| builder.arrange(node, &key).unwrap()).to_vec()
}

fn filled() -> Version {
    let mut builder = Graph::new().extend();
    let orders = builder.source(ORDERS, &ORDER).unwrap();
    let customers = builder.source(CUSTOMERS, &CUSTOMER).unwrap();
    let mut roots = vec![builder.arrange(orders, &[0]).unwrap(), builder.arrange(customers, &[0]).unwrap()];
    roots.iter().for_each(|&table| builder.assert_positive(table).unwrap());
    let tables = Build::run(&Version::new(), &builder.finish(), &roots).unwrap();
    let region = |id: u64| Value::Text(REGIONS[id as usize % 8].to_owned());
    let rows: Vec<_> = (0..CUSTOMERS_ALL).map(|id| (vec![Value::BigInt(id as i64), region(id)], 1)).collect();
    let customers_delta = Delta::from_values(&CUSTOMER, &rows).unwrap();
    let mut version = step(&tables, &[(CUSTOMERS, customers_delta)], Scope::All, &[]).unwrap().version;
    let rows: Vec<_> = (0..ORDERS_ALL).map(|id| (order(id, 0).to_vec(), 1)).collect();
    let orders_delta = Delta::from_values(&ORDER, &rows).unwrap();
    version = step(&version, &[(ORDERS, orders_delta)], Scope::All, &[]).unwrap().version;
    let mut builder = version.graph().extend();
    roots.extend(views(&mut builder, orders, customers));
    Build::run(&version, &builder.finish(), &roots).unwrap()
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let start = filled();
    let source = start.graph().source(ORDERS).and_then(|id| start.graph().node(id)).unwrap();
    let mut group = criterion.benchmark_group("three views");
    for changes in [1, 100, 10_000] {
        let row = source.row();
        let batches: Vec<Delta> =
            (0..(CHANGES_MAX / changes) as u64).map(|number| batch(row, number, changes as u64)).collect();
        group.throughput(Throughput::Elements(changes as u64)).sample_size(20);
        group.bench_function(BenchmarkId::from_parameter(changes), |bencher| {
            let (mut version, mut at) = (start.clone(), 0);
            bencher.iter(|| {
                if at == batches.len() {
                    (version, at) = (start.clone(), 0);
                }
                let change = [(ORDERS, batches[at].clone())];
                version = step(black_box(&version), &change, Scope::All, &[]).unwrap().version;
                at += 1;
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
