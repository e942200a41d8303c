//! A view without SQL: what each customer has spent, maintained while orders come, change and go.
//!
//! Run it with `cargo run -p monostable-view --example spend`.

use std::error::Error;
use std::io::Write;

use monostable_types::{DataType, Value};
use monostable_view::{
    AggregateCall, AggregateFunction, Build, Delta, Graph, Join, NodeId, Scope, TableId, Version, step,
};

const CUSTOMERS: TableId = TableId(1);
const ORDERS: TableId = TableId(2);
const CUSTOMER: [DataType; 2] = [DataType::Integer, DataType::Text];
const ORDER: [DataType; 3] = [DataType::BigInt, DataType::Integer, DataType::BigInt];

fn main() -> Result<(), Box<dyn Error>> {
    let (mut version, spend) = create()?;

    // Each commit is a change of the tables: rows with weights. A step gives the next version and leaves this one alone.
    let commits = [
        vec![(CUSTOMERS, customers(&[(1, "ann", 1), (2, "bob", 1)])?), (ORDERS, orders(&[(10, 1, 3000, 1)])?)],
        vec![(ORDERS, orders(&[(11, 1, 500, 1), (12, 2, 250, 1)])?)],
        // Order 12 was Ann's all along: an update is the old row away and the new one there.
        vec![(ORDERS, orders(&[(12, 2, 250, -1), (12, 1, 250, 1)])?)],
        vec![(CUSTOMERS, customers(&[(1, "ann", -1), (1, "anna", 1)])?)],
    ];
    let mut out = std::io::stdout().lock();
    for deltas in &commits {
        version = step(&version, deltas, Scope::All, &[])?.version;
        writeln!(out, "customer  total  orders")?;
        print(&version, spend, &mut out)?;
        writeln!(out)?;
    }
    Ok(())
}

/// SELECT name, sum(cents), count(*) FROM orders JOIN customers ON customer = customers.id GROUP BY name, by name.
fn create() -> Result<(Version, NodeId), Box<dyn Error>> {
    let mut graph = Graph::new().extend();
    let customers = graph.source(CUSTOMERS, &CUSTOMER)?;
    let orders = graph.source(ORDERS, &ORDER)?;
    let customers_by_id = graph.arrange(customers, &[0])?;
    let orders_by_customer = graph.arrange(orders, &[1])?;
    let pairs = graph.join(customers_by_id, orders_by_customer, Join::on(1))?;
    let names_and_cents = graph.project(pairs, &[1, 4])?;
    let total = AggregateCall::of(AggregateFunction::Sum, 1, DataType::BigInt);
    let totals = graph.aggregate(names_and_cents, 1, &[total, AggregateCall::count_rows()])?;
    let spend = graph.arrange(totals, &[0])?;
    graph.assert_positive(spend)?;
    Ok((Build::run(&Version::new(), &graph.finish(), &[spend])?, spend))
}

fn customers(rows: &[(i32, &str, i64)]) -> Result<Delta, Box<dyn Error>> {
    let row = |&(id, name, weight): &(i32, &str, i64)| (vec![Value::Integer(id), Value::Text(name.to_owned())], weight);
    Ok(Delta::from_values(&CUSTOMER, &rows.iter().map(row).collect::<Vec<_>>())?)
}

fn orders(rows: &[(i64, i32, i64, i64)]) -> Result<Delta, Box<dyn Error>> {
    let row = |&(id, customer, cents, weight): &(i64, i32, i64, i64)| {
        (vec![Value::BigInt(id), Value::Integer(customer), Value::BigInt(cents)], weight)
    };
    Ok(Delta::from_values(&ORDER, &rows.iter().map(row).collect::<Vec<_>>())?)
}

fn print(version: &Version, view: NodeId, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let layout = version.graph().node(view).and_then(|node| node.layout()).ok_or("the view is an arrangement")?;
    for entry in version.spine_of(view).ok_or("the view is filled")?.prefix(b"")? {
        let row = layout.codec().decode_values(layout.visible(entry?.0)?)?;
        let values: Vec<String> = row.iter().map(Value::to_string).collect();
        writeln!(out, "{:8}  {:>5}  {:>6}", values[0], values[1], values[2])?;
    }
    Ok(())
}
