//! What a commit costs through the public interface: three views and the ten best over 100,000 customers and 1,000,000
//! orders, changed through a table handle in transactions of 1, 100 and 10,000 changes, in memory.
//!
//! Unlike in `views`, everything is paid for: encoding, the uniqueness of keys, certification, publication, and merges on the
//! background thread. Rows are deleted and updated in no order, each once; new ones come in ascending order.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to measure")]

use std::fmt::Write;

use criterion::{BenchmarkId, Criterion, Throughput};
use monostable::{Database, Table, params};

const CUSTOMERS: i64 = 100_000;
const ORDERS: i64 = 1_000_000;
const REGIONS: [&str; 8] = ["north", "south", "east", "west", "centre", "coast", "hills", "islands"];
const SCHEMA: &str = "
    CREATE TABLE customers (id BIGINT PRIMARY KEY, region TEXT NOT NULL);
    CREATE TABLE orders (id BIGINT PRIMARY KEY, customer BIGINT NOT NULL, cents BIGINT NOT NULL)";
const VIEWS: &str = "
    CREATE MATERIALIZED VIEW per_customer AS
        SELECT customer, count(*) AS n, sum(cents) AS cents FROM orders WHERE cents >= 1000 GROUP BY customer;
    CREATE MATERIALIZED VIEW regions AS
        SELECT c.region, sum(o.cents) AS cents, count(*) AS n, max(o.cents) AS most
        FROM orders o JOIN customers c ON o.customer = c.id GROUP BY c.region;
    CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(cents) AS total FROM orders GROUP BY customer;
    CREATE MATERIALIZED VIEW top10 AS SELECT customer, total FROM totals ORDER BY total DESC, customer LIMIT 10";

/// A number that depends on `index` and looks like chance.
fn mixed(index: i64) -> i64 {
    let spread = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((spread ^ spread >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 16) as i64
}

fn order(id: i64, generation: i64) -> (i64, i64, i64) {
    (id, mixed(id) % CUSTOMERS, mixed(id ^ generation << 40) % 100_000)
}

fn filled() -> Database {
    let db = Database::in_memory().unwrap();
    db.execute(SCHEMA).unwrap();
    let mut text = String::new();
    (0..CUSTOMERS).for_each(|id| writeln!(text, "{id},{}", REGIONS[id as usize % 8]).unwrap());
    copy(&db, "customers", &text);
    for chunk in 0..10 {
        text.clear();
        for id in chunk * ORDERS / 10..(chunk + 1) * ORDERS / 10 {
            let (id, customer, cents) = order(id, 0);
            writeln!(text, "{id},{customer},{cents}").unwrap();
        }
        copy(&db, "orders", &text);
    }
    db.execute(VIEWS).unwrap();
    db
}

fn copy(db: &Database, table: &str, text: &str) {
    let mut txn = db.begin().unwrap();
    txn.copy_from(&format!("COPY {table} FROM STDIN WITH (FORMAT csv)"), &mut text.as_bytes()).unwrap();
    txn.commit().unwrap();
}

/// Commits the changes with these numbers: eight inserts, a delete and an update out of ten.
fn commit(db: &Database, orders: &Table, numbers: std::ops::Range<i64>) {
    let mut txn = db.begin().unwrap();
    for number in numbers {
        let old = number / ORDERS * ORDERS + number * 619_993 % ORDERS;
        match number % 10 {
            8 => drop(txn.delete(orders, (old,)).unwrap()),
            9 => {
                let ((id, customer, _), (_, _, cents)) = (order(old, 0), order(old, 1));
                txn.upsert(orders, params![id, customer, cents]).unwrap();
            }
            _ => {
                let (id, customer, cents) = order(ORDERS + number, 0);
                txn.insert(orders, params![id, customer, cents]).unwrap();
            }
        }
    }
    txn.commit().unwrap();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let db = filled();
    let orders = db.table("orders").unwrap();
    let mut group = criterion.benchmark_group("commits");
    let mut next = 0;
    for changes in [1, 100, 10_000] {
        group.throughput(Throughput::Elements(changes as u64)).sample_size(20);
        group.bench_function(BenchmarkId::from_parameter(changes), |bencher| {
            bencher.iter(|| {
                commit(&db, &orders, next..next + changes);
                next += changes;
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
