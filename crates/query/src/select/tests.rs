//! Queries over a version: order, limits, duplicates, graphs, parameters, and which arrangements they read.

use monostable_types::Value;
use monostable_view::{Scope, step};

use crate::Prepared;
use crate::testbed::{Testbed, values_of};

fn shop() -> Testbed {
    Testbed::new(
        "CREATE TABLE customers (id BIGINT PRIMARY KEY, name TEXT NOT NULL, city TEXT);
        CREATE TABLE orders (id BIGINT PRIMARY KEY, customer BIGINT NOT NULL, cents BIGINT, note TEXT);
        CREATE INDEX orders_customer ON orders (customer);
        CREATE MATERIALIZED VIEW spend AS
            SELECT customer, sum(cents) AS total, count(*) AS n FROM orders GROUP BY customer;
        INSERT INTO customers VALUES (1, 'ann', 'Oslo'), (2, 'bob', 'Rome'), (3, 'cat', NULL);
        INSERT INTO orders VALUES (1, 1, 100, 'a'), (2, 1, 250, NULL), (3, 2, 70, 'b'), (4, 2, NULL, 'a'), (5, 1, 70, 'a')",
    )
}

#[test]
fn rows_are_ordered_as_asked() {
    let mut bed = shop();
    for (order, expected) in [
        ("cents, id", "3; 5; 1; 2; 4"),
        ("cents DESC, id DESC", "4; 2; 1; 5; 3"),
        ("cents NULLS FIRST, id DESC", "4; 5; 3; 1; 2"),
        ("cents DESC NULLS LAST, id", "2; 1; 3; 5; 4"),
        ("note, -id", "5; 4; 1; 3; 2"),
        ("customer + id", "1; 2; 3; 4; 5"),
        ("1 DESC", "5; 4; 3; 2; 1"),
    ] {
        assert_eq!(bed.show(&format!("SELECT id FROM orders ORDER BY {order}"), &[]), expected, "{order}");
    }
    assert_eq!(bed.show("SELECT note AS x FROM orders GROUP BY note ORDER BY x DESC", &[]), "null; b; a");
    assert_eq!(bed.show("SELECT DISTINCT note FROM orders ORDER BY note", &[]), "a; b; null");
}

#[test]
fn limits_and_offsets_count_rows() {
    let mut bed = shop();
    assert_eq!(bed.show("SELECT id FROM orders ORDER BY id LIMIT 2 OFFSET 1", &[]), "2; 3");
    assert_eq!(bed.show("SELECT id FROM orders ORDER BY cents DESC, id LIMIT 2", &[]), "4; 2");
    assert_eq!(bed.show("SELECT id FROM orders ORDER BY id OFFSET 4", &[]), "5");
    assert_eq!(bed.show("SELECT id FROM orders ORDER BY id LIMIT 0", &[]), "");
    assert_eq!(bed.show("SELECT id FROM orders ORDER BY id OFFSET 9", &[]), "");
    assert_eq!(
        bed.show("SELECT id FROM orders ORDER BY id LIMIT $1 OFFSET $2", &[Value::Integer(1), Value::Integer(3)]),
        "4"
    );
    assert_eq!(bed.show("SELECT id FROM orders ORDER BY id LIMIT $1", &[Value::Null]), "1; 2; 3; 4; 5");
    assert_eq!(bed.sqlstate("SELECT id FROM orders LIMIT $1", &[Value::Integer(-1)]), "2201W");
    assert_eq!(bed.sqlstate("SELECT id FROM orders OFFSET $1", &[Value::Integer(-1)]), "2201X");
    let mut log = Testbed::new("CREATE TABLE log (line TEXT); INSERT INTO log VALUES ('a'), ('a'), ('a'), ('b')");
    assert_eq!(log.show("SELECT line FROM log LIMIT 2", &[]), "a; a");
    assert_eq!(log.show("SELECT line FROM log ORDER BY line DESC LIMIT 2 OFFSET 1", &[]), "a; a");
}

#[test]
fn graphs_answer_what_scans_cannot() {
    let mut bed = shop();
    let joined =
        "SELECT c.name, o.id FROM orders o JOIN customers c ON c.id = o.customer WHERE o.cents < 200 ORDER BY o.id";
    assert_eq!(bed.show(joined, &[]), "ann,1; bob,3; ann,5");
    assert_eq!(
        bed.show(
            "SELECT customer, count(*), sum(cents) FROM orders GROUP BY customer HAVING count(*) > 1 ORDER BY 1",
            &[]
        ),
        "1,3,420; 2,2,70"
    );
    assert_eq!(bed.show("SELECT count(*) FROM orders WHERE id > 100", &[]), "0");
    assert_eq!(bed.show("SELECT 1 + 1 AS two, 'x' AS x, NULL AS none", &[]), "2,x,null");
    assert_eq!(bed.show("VALUES (1, 'a'), (2, 'b') ORDER BY 1 DESC", &[]), "2,b; 1,a");
    assert_eq!(
        bed.show("SELECT note FROM orders UNION ALL SELECT name FROM customers WHERE id = 1 ORDER BY 1 LIMIT 4", &[]),
        "a; a; a; ann"
    );
    assert_eq!(
        bed.show("WITH big AS (SELECT * FROM spend WHERE total > 100) SELECT name, total FROM big, customers WHERE id = customer", &[]),
        "ann,420"
    );
    assert_eq!(bed.show("SELECT count(*) FROM orders a, orders b WHERE a.note = b.note", &[]), "10");
}

#[test]
fn parameters_reach_into_graphs() {
    let mut bed = shop();
    let sql = "SELECT c.name, count(*) FROM orders o JOIN customers c ON c.id = o.customer
        WHERE o.cents >= $1 OR o.note = $2 GROUP BY c.name ORDER BY count(*) DESC, c.name LIMIT $3";
    let values = |cents: i64, note: &str| [Value::BigInt(cents), Value::Text(note.to_owned()), Value::BigInt(5)];
    assert_eq!(bed.show(sql, &values(100, "b")), "ann,2; bob,1");
    assert_eq!(bed.show(sql, &values(1000, "a")), "ann,2; bob,1");
    assert_eq!(bed.show(sql, &values(1000, "z")), "");
    assert_eq!(
        bed.show("SELECT sum(cents * $1) FROM orders WHERE customer = $2", &[Value::BigInt(2), Value::BigInt(1)]),
        "840"
    );
    assert_eq!(bed.show("SELECT $1", &[Value::Text("x".into())]), "x");
    assert_eq!(bed.show("SELECT $1::date + 1", &[Value::Text("2012-02-28".into())]), "2012-02-29");
    assert_eq!(bed.sqlstate("SELECT id FROM orders WHERE id = $1", &[Value::Text("x".into())]), "22P02");
    assert_eq!(bed.sqlstate("SELECT id FROM orders WHERE id = $1", &[]), "08P01");
}

#[test]
fn columns_have_their_names_and_types() {
    let bed = shop();
    let prepared = bed.prepare("SELECT o.id, count(*), sum(o.cents) AS total, 1 FROM orders o GROUP BY o.id").unwrap();
    let Prepared::Query(plan) = prepared.as_ref() else { panic!("a query") };
    let shown: Vec<String> =
        plan.schema().columns().iter().map(|column| format!("{} {}", column.name, column.data_type)).collect();
    assert_eq!(shown, ["id bigint", "count bigint", "total numeric(38,0)", "?column? integer"]);
    let rows = plan.execute(&bed.version, &[]).unwrap();
    assert_eq!(rows.batches[0].schema(), plan.schema().arrow());
    assert_eq!(rows.rows(), 5);
}

/// A transaction steps its own writes into the nodes that a plan names, and nowhere else. Every query must then answer as if
/// everything had been stepped.
#[test]
fn relations_are_all_that_a_query_reads() {
    let mut bed = shop();
    bed.script("CREATE MATERIALIZED VIEW cheap AS SELECT id, customer FROM orders WHERE cents < 100");
    bed.script("CREATE MATERIALIZED VIEW low AS SELECT id, cents FROM orders ORDER BY cents, id LIMIT 2");
    bed.script(
        "CREATE MATERIALIZED VIEW named AS SELECT c.name, o.cents FROM orders o, customers c WHERE c.id = o.customer",
    );
    let outcome = bed.outcome("INSERT INTO orders VALUES (6, 3, 50, 'b'), (7, 1, 70, NULL)", &[]).unwrap();
    let Prepared::Dml(plan) = bed.prepare("DELETE FROM orders").unwrap().as_ref().clone() else { panic!() };
    let deltas = [(plan.table(), outcome.delta)];
    let everything = step(&bed.version, &deltas, Scope::All, &[]).unwrap().version;
    for (sql, values) in [
        ("SELECT * FROM orders", vec![]),
        ("SELECT * FROM orders WHERE customer = 1", vec![]),
        ("SELECT id, customer FROM orders WHERE cents < 100", vec![]),
        ("SELECT * FROM spend", vec![]),
        ("SELECT n FROM spend WHERE customer = 1", vec![]),
        ("SELECT c.name, o.cents FROM orders o, customers c WHERE c.id = o.customer", vec![]),
        (
            "SELECT c.name, o.cents FROM orders o, customers c WHERE c.id = o.customer AND o.cents < $1",
            vec![Value::BigInt(90)],
        ),
        ("SELECT customer, sum(cents), count(*) FROM orders GROUP BY customer", vec![]),
        ("SELECT count(*) FROM orders WHERE cents < $1", vec![Value::BigInt(100)]),
        ("SELECT count(*) FROM cheap", vec![]),
        ("SELECT sum(id) FROM low", vec![]),
        ("SELECT sum(id) FROM (SELECT id, cents FROM orders ORDER BY cents, id LIMIT 2) o", vec![]),
        ("SELECT sum(id) FROM (SELECT id FROM orders ORDER BY id DESC LIMIT 2) o", vec![]),
        ("SELECT sum(id) FROM (SELECT id FROM orders ORDER BY id DESC LIMIT $1) o", vec![Value::BigInt(3)]),
        ("SELECT s.n, x.id FROM spend s, cheap x WHERE s.customer = x.customer", vec![]),
    ] {
        let Prepared::Query(plan) = bed.prepare(sql).unwrap().as_ref().clone() else { panic!("a query") };
        let overlay = step(&bed.version, &deltas, Scope::Only(plan.relations()), &[]).unwrap().version;
        let rows = |version| {
            let mut rows: Vec<String> =
                values_of(&plan.execute(version, &values).unwrap()).iter().map(|row| format!("{row:?}")).collect();
            rows.sort();
            rows
        };
        assert_eq!(rows(&overlay), rows(&everything), "{sql}");
        assert_ne!(rows(&overlay), rows(&bed.version), "{sql} does not see the writes");
    }
}

/// Who wins a tie is a function of the rows: the same in a view, at the top of a query, in a subquery, and whoever reads what of it.
#[test]
fn ties_are_broken_alike_everywhere() {
    let mut bed = Testbed::new(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, a INTEGER, b TEXT, c INTEGER);
        CREATE TABLE bag (a INTEGER, b TEXT);
        CREATE INDEX by_a ON t (a);
        INSERT INTO t VALUES (9, 1, 'x', 3), (8, 1, 'y', NULL), (7, 1, 'x', 2), (6, NULL, 'z', 1), (5, 2, NULL, 1),
            (4, 2, 'x', 5), (3, NULL, 'x', 5), (2, 2, 'x', 4), (1, 1, NULL, 2);
        INSERT INTO bag SELECT a, b FROM t; INSERT INTO bag SELECT a, b FROM t WHERE id > 5",
    );
    for (index, query) in [
        "SELECT c, b, id FROM t ORDER BY a LIMIT 3",
        "SELECT b, c FROM t ORDER BY a DESC LIMIT 4 OFFSET 1",
        "SELECT b FROM t ORDER BY a + 1 NULLS FIRST OFFSET 2 LIMIT 5",
        "SELECT b, a FROM bag ORDER BY b DESC NULLS LAST LIMIT 6",
        "SELECT a FROM bag ORDER BY length(b) LIMIT 7",
        "SELECT b, count(*) AS n FROM bag GROUP BY b ORDER BY n LIMIT 2",
        "SELECT DISTINCT a, b FROM bag ORDER BY a LIMIT 4",
        "SELECT t.b, u.c FROM t JOIN t u ON t.a = u.a ORDER BY t.b FETCH FIRST 5 ROWS ONLY",
        "SELECT a, b FROM bag UNION ALL SELECT c, b FROM t ORDER BY 1 OFFSET 3 ROWS FETCH NEXT 8 ROWS ONLY",
        "SELECT b FROM (SELECT id, b, a FROM t ORDER BY a DESC LIMIT 6) o ORDER BY b LIMIT 3",
    ]
    .iter()
    .enumerate()
    {
        let mut sorted = |sql: &str| {
            let mut rows: Vec<String> = bed.show(sql, &[]).split("; ").map(str::to_owned).collect();
            rows.sort();
            rows
        };
        let asked = sorted(query);
        sorted(&format!("CREATE MATERIALIZED VIEW v{index} AS {query}"));
        assert_eq!(sorted(&format!("SELECT * FROM v{index}")), asked, "{query}");
        assert_eq!(sorted(&format!("SELECT x.* FROM ({query}) x CROSS JOIN (VALUES (1)) y")), asked, "{query}");
    }
    // The first of the readers wants no column but the last.
    let both =
        "WITH w AS (SELECT b, c, id FROM t ORDER BY a LIMIT 3) SELECT x.b, y.id FROM w x JOIN w y ON x.id = y.id";
    assert_eq!(bed.show(&format!("SELECT count(*) FROM ({both}) o"), &[]), "3");
    let last = bed.show("SELECT sum(id) FROM (SELECT b, c, id FROM t ORDER BY a LIMIT 3) o", &[]);
    assert_eq!(
        last,
        bed.show("SELECT sum(id) FROM (SELECT * FROM (SELECT b, c, id FROM t ORDER BY a LIMIT 3) i) o", &[])
    );
}

#[test]
fn subqueries_have_limits_with_parameters() {
    let mut bed = shop();
    let sql = "SELECT count(*), sum(id) FROM (SELECT id FROM orders ORDER BY id DESC LIMIT $1 OFFSET $2) o";
    let mut show = |limit: Value, offset: Value| bed.show(sql, &[limit, offset]);
    assert_eq!(show(Value::BigInt(2), Value::BigInt(1)), "2,7");
    assert_eq!(show(Value::Null, Value::BigInt(3)), "2,3");
    assert_eq!(show(Value::BigInt(0), Value::Null), "0,null");
    assert_eq!(show(Value::BigInt(i64::MAX), Value::BigInt(i64::MAX)), "0,null");
    assert!(show(Value::BigInt(-1), Value::Null).starts_with("2201W"));
}

/// An order that an arrangement has is not sorted again, also where a limit makes it total.
#[test]
fn a_limit_makes_no_sort_of_a_scan_in_order() {
    let bed = shop();
    for (sql, sorts) in [
        ("SELECT name FROM customers ORDER BY id LIMIT 2", false),
        ("SELECT id, name FROM customers WHERE id > 1 ORDER BY id LIMIT 2", false),
        ("SELECT customer, id FROM orders WHERE customer > 1 ORDER BY customer LIMIT 2", false),
        ("SELECT * FROM spend ORDER BY customer LIMIT 1", false),
        ("SELECT cents FROM orders WHERE customer > 1 ORDER BY customer LIMIT 2", true),
        ("SELECT cents FROM orders WHERE customer > 1 ORDER BY customer", false),
    ] {
        let Prepared::Query(plan) = bed.prepare(sql).unwrap().as_ref().clone() else { panic!("a query") };
        assert_eq!(plan.sorts(), sorts, "{sql}");
    }
}
