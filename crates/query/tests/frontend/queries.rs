//! Queries over small tables, ad hoc and as views.

use crate::database::Database;

fn shop() -> Database {
    let mut db = Database::with(&[
        "CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, city text)",
        "CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, cents integer, price numeric(10,2), paid boolean)",
    ]);
    db.insert("customers", "(1, 'ann', 'Rome'), (2, 'bob', 'Oslo'), (3, 'eve', NULL)");
    db.insert(
        "orders",
        "(10, 1, 300, 3.00, true), (11, 1, 200, 2.50, false), (12, 2, 300, 3.00, NULL), (13, NULL, 50, 0.50, true)",
    );
    db
}

#[test]
fn filters_and_projections() {
    let db = shop();
    db.gives("SELECT id, cents / 100 AS whole FROM orders WHERE cents > 100", &["10 | 3", "11 | 2", "12 | 3"]);
    db.gives("SELECT name FROM customers WHERE city IS NULL OR city LIKE 'O%'", &["bob", "eve"]);
    db.gives("SELECT o.id FROM orders AS o WHERE o.customer = 1 AND paid", &["10"]);
    db.gives("SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS v(n, t)", &["1 | a", "2 | NULL"]);
    db.gives("SELECT 1, 1, 'x' AS x", &["1 | 1 | x"]);
    db.gives("SELECT id FROM customers WHERE false", &[]);
    db.gives("SELECT public.customers.id FROM public.customers WHERE id IN (1, 3)", &["1", "3"]);
}

#[test]
fn joins() {
    let db = shop();
    db.gives(
        "SELECT c.name, o.cents FROM orders o JOIN customers c ON c.id = o.customer",
        &["ann | 200", "ann | 300", "bob | 300"],
    );
    db.gives(
        "SELECT c.name, o.id FROM customers c, orders o WHERE o.customer = c.id AND o.cents > 250",
        &["ann | 10", "bob | 12"],
    );
    db.gives("SELECT a.id, b.id FROM orders a JOIN orders b ON a.cents = b.cents AND a.id < b.id", &["10 | 12"]);
    db.gives("SELECT a.id, b.id FROM customers a JOIN customers b ON a.id < b.id", &["1 | 2", "1 | 3", "2 | 3"]);
    db.gives("SELECT count(*) FROM customers CROSS JOIN orders", &["12"]);
    db.gives(
        "SELECT id, name FROM customers JOIN (SELECT customer AS id FROM orders) o USING (id)",
        &["1 | ann", "1 | ann", "2 | bob"],
    );
    db.gives(
        "SELECT o.id FROM orders o JOIN customers c ON c.id + 0 = o.customer AND c.id = o.customer WHERE c.name = 'ann'",
        &["10", "11"],
    );
    db.gives("SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer AND c.id = o.cents", &[]);
    db.gives("SELECT o.id FROM orders o JOIN customers c ON o.customer IS NOT DISTINCT FROM c.id", &["10", "11", "12"]);
}

#[test]
fn groups_and_aggregates() {
    let db = shop();
    db.gives(
        "SELECT customer, sum(cents), count(*), count(paid), avg(cents) FROM orders GROUP BY customer",
        &[
            "1 | 500 | 2 | 2 | 250.0000000000000000",
            "2 | 300 | 1 | 0 | 300.0000000000000000",
            "NULL | 50 | 1 | 1 | 50.0000000000000000",
        ],
    );
    db.gives(
        "SELECT sum(cents), min(price), max(price), count(*) FROM orders WHERE false",
        &["NULL | NULL | NULL | 0"],
    );
    db.gives("SELECT count(DISTINCT cents), sum(DISTINCT cents) FROM orders", &["3 | 550"]);
    db.gives("SELECT count(*) FILTER (WHERE paid), sum(cents) FILTER (WHERE NOT paid) FROM orders", &["2 | 200"]);
    db.gives("SELECT bool_and(paid), bool_or(paid), every(cents > 0) FROM orders", &["f | t | t"]);
    db.gives("SELECT cents / 100 AS bucket, count(*) FROM orders GROUP BY cents / 100", &["0 | 1", "2 | 1", "3 | 2"]);
    db.gives("SELECT cents / 100, count(*) FROM orders GROUP BY 1 HAVING count(*) > 1", &["3 | 2"]);
    db.gives(
        "SELECT customer FROM orders GROUP BY customer HAVING sum(cents) > 299 AND customer IS NOT NULL",
        &["1", "2"],
    );
    db.gives("SELECT DISTINCT cents FROM orders", &["200", "300", "50"]);
    db.gives(
        "SELECT c.name, sum(o.cents) FROM customers c JOIN orders o ON o.customer = c.id GROUP BY c.id, c.name",
        &["ann | 500", "bob | 300"],
    );
    db.gives("SELECT name, count(*) FROM customers GROUP BY id", &["ann | 1", "bob | 1", "eve | 1"]);
    db.gives("SELECT sum(id + 0) FROM orders", &["46"]);
    db.gives("SELECT count(NULL), count(1) FROM orders", &["0 | 4"]);
    db.gives("SELECT max(cents) - min(cents) AS spread FROM orders", &["250"]);
}

#[test]
fn aggregate_types() {
    let db = shop();
    assert_eq!(
        db.types("SELECT sum(cents), sum(id), sum(price), avg(cents), avg(price), count(*) FROM orders"),
        "sum bigint, sum numeric(38,0), sum numeric(38,2), avg numeric(38,16), avg numeric(38,16), count bigint"
    );
    assert_eq!(
        db.types("SELECT sum(cents * 2), max(price), sum(price * 1.5) FROM orders"),
        "sum bigint, max numeric(10,2), sum numeric(38,3)"
    );
    assert_eq!(db.types("SELECT * FROM customers"), "id bigint, name text, city text");
}

#[test]
fn subqueries_in_from_ctes_and_unions() {
    let db = shop();
    db.gives("SELECT s.total FROM (SELECT sum(cents) AS total FROM orders) s", &["850"]);
    db.gives("SELECT sum FROM (SELECT sum(cents) FROM orders) s", &["850"]);
    db.gives(
        "WITH spend AS (SELECT customer, sum(cents) AS total FROM orders GROUP BY customer) \
         SELECT a.customer, b.customer FROM spend a JOIN spend b ON a.total > b.total",
        &["1 | 2", "1 | NULL", "2 | NULL"],
    );
    db.gives(
        "SELECT id FROM customers UNION ALL SELECT customer FROM orders WHERE cents = 300",
        &["1", "1", "2", "2", "3"],
    );
    db.gives("SELECT 1 AS n UNION SELECT 1 UNION SELECT 2", &["1", "2"]);
    db.gives("SELECT 1 AS n UNION ALL SELECT 2.5 UNION ALL SELECT NULL", &["1.0", "2.5", "NULL"]);
    db.gives(
        "SELECT id, 'c' FROM customers WHERE id = 1 UNION ALL SELECT id, NULL FROM orders WHERE id = 10",
        &["1 | c", "10 | NULL"],
    );
    db.gives("SELECT count(*) FROM (SELECT id FROM customers UNION ALL SELECT id FROM customers) u", &["6"]);
    db.fails("SELECT 1 UNION ALL SELECT 'a'", "22P02", "integer");
    db.fails("SELECT id FROM customers UNION ALL SELECT name FROM customers", "42804", "cannot be matched");
}

/// Each view's query, asked ad hoc and read from the view, over tables that change.
#[test]
fn a_view_follows_its_tables() {
    let views = [
        ("spend", "SELECT customer, sum(cents) AS total, count(*) AS n FROM orders GROUP BY customer"),
        ("named", "SELECT c.name, o.cents FROM orders o JOIN customers c ON c.id = o.customer"),
        (
            "by_city",
            "SELECT c.city, max(o.price) AS top, avg(o.price) AS mean FROM orders o JOIN customers c ON c.id = o.customer GROUP BY c.city",
        ),
        ("big", "SELECT customer, total FROM spend WHERE total > 250"),
        ("distinct_cents", "SELECT DISTINCT cents FROM orders"),
        ("everything", "SELECT count(*) AS n, sum(price) AS total FROM orders"),
        ("both", "SELECT id FROM customers UNION ALL SELECT customer FROM orders"),
    ];
    let mut db = shop();
    for (name, query) in views {
        db.define(&format!("CREATE MATERIALIZED VIEW {name} AS {query}")).unwrap();
    }
    let check = |db: &Database| {
        for (name, query) in views {
            assert_eq!(db.lines(&format!("SELECT * FROM {name}")).unwrap(), db.lines(query).unwrap(), "{name}");
        }
    };
    check(&db);
    db.insert("orders", "(14, 3, 700, 7.25, true), (15, 2, 10, 0.10, false)");
    check(&db);
    db.delete("orders", "(10, 1, 300, 3.00, true)");
    db.delete("orders", "(11, 1, 200, 2.50, false)");
    check(&db);
    db.delete("customers", "(3, 'eve', NULL)");
    db.insert("customers", "(3, 'eve', 'Rome')");
    check(&db);
    db.gives("SELECT * FROM big", &["2 | 310", "3 | 700"]);
}

#[test]
fn a_commit_that_makes_a_view_undefined_is_rejected() {
    let mut db = shop();
    db.define("CREATE MATERIALIZED VIEW ratio AS SELECT id, 1000 / cents AS r FROM orders").unwrap();
    let before = db.lines("SELECT * FROM ratio").unwrap();
    let error = db.change("orders", "(20, 1, 0, 0, true)", 1).unwrap_err();
    assert_eq!((error.sqlstate(), error.to_string().contains("division by zero")), ("22012", true));
    assert_eq!(db.lines("SELECT * FROM ratio").unwrap(), before);
}
