//! What one read of a customer's page costs: a view's point read through the public interface, against a cache's hit, its
//! miss (a join and an aggregate in SQLite, and the fill), and a summary table in SQLite. Everything is in memory and in this
//! process, one thread reads, nothing writes: no network, no invalidation, no queue, so all four are at their best.
//!
//! Keys follow Zipf's law, the same ones in the same order for each. Every page is compared before anything is measured.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to measure")]

use std::hint::black_box;

use criterion::Criterion;
use moka::sync::Cache;
use monostable::{Database, Table, View, params};
use rusqlite::Connection;

const CUSTOMERS: i64 = 10_000;
const ORDERS: i64 = 100_000;
const LINES: i64 = 300_000;
const KEYS: usize = 1 << 16;
const SCHEMA: &str = "
    CREATE TABLE orders (id BIGINT PRIMARY KEY, customer BIGINT NOT NULL);
    CREATE TABLE lines (id BIGINT PRIMARY KEY, order_id BIGINT NOT NULL, cents BIGINT NOT NULL)";
const INDEXES: &str = "
    CREATE INDEX orders_customer ON orders (customer);
    CREATE INDEX lines_order ON lines (order_id);
    CREATE TABLE summary (customer INTEGER PRIMARY KEY, lines BIGINT NOT NULL, most BIGINT NOT NULL);
    INSERT INTO summary
        SELECT o.customer, count(*), max(l.cents) FROM orders o JOIN lines l ON l.order_id = o.id GROUP BY o.customer";
const PAGES: &str = "
    CREATE MATERIALIZED VIEW pages AS
        SELECT o.customer, count(*) AS lines, max(l.cents) AS most
        FROM orders o JOIN lines l ON l.order_id = o.id GROUP BY o.customer";
const MISS: &str = "
    SELECT count(*), max(l.cents) FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.customer = ?1";
const SUMMARY: &str = "SELECT lines, most FROM summary WHERE customer = ?1";

/// Lines bought, and the dearest of them.
type Page = (i64, i64);

/// A number that depends on `index` and looks like chance.
fn mixed(index: i64) -> i64 {
    let spread = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((spread ^ spread >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 16) as i64
}

/// Customers to ask for: the one of rank r with a weight of 1 / r.
fn keys() -> Vec<i64> {
    let mut sums = Vec::new();
    let mut sum = 0.0;
    for rank in 1..=CUSTOMERS {
        sum += 1.0 / rank as f64;
        sums.push(sum);
    }
    let drawn = |index: usize| {
        let part = (mixed(index as i64) as u64 & 0xFFFF_FFFF) as f64 / 4_294_967_296.0;
        sums.partition_point(|&upto| upto <= part * sum) as i64
    };
    (0..KEYS).map(drawn).collect()
}

fn views() -> Database {
    let db = Database::in_memory().unwrap();
    db.execute(SCHEMA).unwrap();
    let tables: [Table; 2] = [db.table("orders").unwrap(), db.table("lines").unwrap()];
    let mut txn = db.begin().unwrap();
    for id in 0..ORDERS {
        txn.insert(&tables[0], params![id, id % CUSTOMERS]).unwrap();
    }
    for id in 0..LINES {
        txn.insert(&tables[1], params![id, id % ORDERS, mixed(id) % 100_000]).unwrap();
    }
    txn.commit().unwrap();
    db.execute(PAGES).unwrap();
    db
}

fn sqlite() -> Connection {
    let mut db = Connection::open_in_memory().unwrap();
    db.execute_batch(SCHEMA).unwrap();
    let txn = db.transaction().unwrap();
    {
        let mut order = txn.prepare("INSERT INTO orders VALUES (?1, ?2)").unwrap();
        for id in 0..ORDERS {
            order.execute((id, id % CUSTOMERS)).unwrap();
        }
        let mut line = txn.prepare("INSERT INTO lines VALUES (?1, ?2, ?3)").unwrap();
        for id in 0..LINES {
            line.execute((id, id % ORDERS, mixed(id) % 100_000)).unwrap();
        }
    }
    txn.commit().unwrap();
    db.execute_batch(INDEXES).unwrap();
    db
}

fn from_view(view: &View, customer: i64) -> Page {
    let row = view.get((customer,)).unwrap().unwrap();
    (row.get("lines").unwrap(), row.get("most").unwrap())
}

fn asked(db: &Connection, sql: &str, customer: i64) -> Page {
    let mut statement = db.prepare_cached(sql).unwrap();
    statement.query_row((customer,), |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// Cache-aside: with a cache that keeps everything a hit once filled, with one that keeps nothing always a miss.
fn aside(cache: &Cache<i64, Page>, db: &Connection, customer: i64) -> Page {
    cache.get(&customer).unwrap_or_else(|| {
        let page = asked(db, MISS, customer);
        cache.insert(customer, page);
        page
    })
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let (db, sqlite, keys) = (views(), sqlite(), keys());
    let view = db.view("pages").unwrap();
    let (keeps, forgets) = (Cache::new(CUSTOMERS as u64 * 2), Cache::new(0));
    let reads: [(&str, &dyn Fn(i64) -> Page); 4] = [
        ("cache_hit", &|key| aside(&keeps, &sqlite, key)),
        ("view_point", &|key| from_view(&view, key)),
        ("summary_table", &|key| asked(&sqlite, SUMMARY, key)),
        ("cache_miss", &|key| aside(&forgets, &sqlite, key)),
    ];
    for customer in 0..CUSTOMERS {
        let page = asked(&sqlite, MISS, customer);
        reads.iter().for_each(|(name, read)| assert_eq!(read(customer), page, "{name}, customer {customer}"));
    }
    keeps.run_pending_tasks();
    forgets.run_pending_tasks();
    assert_eq!((keeps.entry_count(), forgets.entry_count()), (CUSTOMERS as u64, 0), "a hit must hit, a miss must miss");

    let mut group = criterion.benchmark_group("read_path");
    for (name, read) in reads {
        group.bench_function(name, |bencher| {
            let mut next = keys.iter().cycle();
            bencher.iter(|| next.next().map(|&key| read(black_box(key))));
        });
    }
    group.finish();
}
