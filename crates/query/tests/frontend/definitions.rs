//! CREATE and DROP: what the catalog says afterwards, and what is shared.

use monostable_query::catalog::Relation;
use monostable_query::explain::ExplainPlan;
use monostable_types::{DataType, Value};

use crate::database::Database;

fn key_of(db: &Database, view: &str) -> String {
    let Some(Relation::View(view)) = db.catalog.relation(view) else { panic!("no view {view}") };
    let names: Vec<&str> = view.key.iter().map(|&column| view.schema.columns()[column].name.as_str()).collect();
    format!("{}{}", names.join(", "), if view.key_is_unique { "" } else { " (row)" })
}

#[test]
fn tables_have_their_columns_and_constraints() {
    let mut db = Database::with(&[r#"CREATE TABLE T (
        Id bigint PRIMARY KEY, "Name" varchar(10) NOT NULL DEFAULT 'x' || 'y', price numeric(10,2) DEFAULT 1.005,
        at timestamp with time zone, UNIQUE (price, at))"#]);
    let Some(Relation::Table(table)) = db.catalog.relation("t") else { panic!("no table") };
    let columns: Vec<String> =
        table.schema.columns().iter().map(|c| format!("{} {} {}", c.name, c.data_type, c.nullable)).collect();
    assert_eq!(
        columns,
        ["id bigint false", "Name text false", "price numeric(10,2) true", "at timestamp with time zone true"]
    );
    assert_eq!(
        (table.primary_key.clone(), table.characters_max.clone()),
        (Some(vec![0]), vec![None, Some(10), None, None])
    );
    assert_eq!(table.unique[0].columns, [2, 3]);
    assert_eq!(table.unique[0].name, "t_price_at_key");
    let defaults: Vec<String> = table.defaults.iter().flatten().map(|d| format!("{} = {}", d.sql, d.value)).collect();
    assert_eq!(defaults, ["'x' || 'y' = xy", "1.005 = 1.01"]);
    let outcome = db.define("CREATE TABLE IF NOT EXISTS t (other text)").unwrap();
    assert!(!outcome.changed && outcome.notices[0].contains("already exists"));
}

#[test]
fn views_are_keyed_by_what_tells_their_rows_apart() {
    let mut db = Database::with(&[
        "CREATE TABLE c (id bigint PRIMARY KEY, name text)",
        "CREATE TABLE o (id bigint PRIMARY KEY, c bigint, n integer)",
        "CREATE TABLE bag (a integer, b integer)",
    ]);
    for (query, key) in [
        ("SELECT c, sum(n) AS s FROM o GROUP BY c", "c"),
        ("SELECT sum(n) AS s, c FROM o GROUP BY c", "c"),
        ("SELECT sum(n) AS s FROM o GROUP BY c", "s (row)"),
        ("SELECT sum(n) AS s FROM o", ""),
        ("SELECT DISTINCT n, c FROM o", "n, c"),
        ("SELECT n, id FROM o WHERE n > 1", "id"),
        ("SELECT n FROM o", "n (row)"),
        ("SELECT o.id, c.name FROM o JOIN c ON o.c = c.id", "id"),
        ("SELECT a.id, b.id AS other FROM o a JOIN o b ON a.n = b.n", "id, other"),
        ("SELECT a, b FROM bag", "a, b (row)"),
        ("SELECT n, id FROM o ORDER BY n LIMIT 5", "id"),
        ("SELECT n FROM o ORDER BY id LIMIT 5", "n (row)"),
        ("SELECT n FROM o ORDER BY id LIMIT 1", ""),
        ("SELECT c, sum(n) AS s FROM o GROUP BY c ORDER BY s DESC LIMIT 3 OFFSET 1", "c"),
        ("SELECT x.n, o.id FROM o JOIN (SELECT id, n FROM o ORDER BY n LIMIT 2) x ON x.n = o.n AND x.id = o.c", "id"),
        ("SELECT id FROM o UNION ALL SELECT id FROM c", "id (row)"),
    ] {
        db.define(&format!("CREATE MATERIALIZED VIEW v AS {query}")).unwrap();
        assert_eq!(key_of(&db, "v"), key, "{query}");
        db.define("DROP MATERIALIZED VIEW v").unwrap();
    }
}

#[test]
fn views_take_names_for_their_columns() {
    let mut db = Database::with(&["CREATE TABLE o (id bigint PRIMARY KEY, n integer)"]);
    db.define("CREATE MATERIALIZED VIEW v (total, times) AS SELECT sum(n), count(*) FROM o").unwrap();
    assert_eq!(db.types("SELECT * FROM v"), "total bigint, times bigint");
    db.refuses("CREATE MATERIALIZED VIEW w (a, b, c) AS SELECT id, n FROM o", "42601", "names");
    db.refuses("CREATE MATERIALIZED VIEW w AS SELECT sum(n), sum(id) FROM o", "42701", "sum");
    db.define("CREATE MATERIALIZED VIEW IF NOT EXISTS v AS SELECT 1 AS x").unwrap();
    db.refuses("CREATE MATERIALIZED VIEW v AS SELECT 1 AS x", "42P07", "v");
}

/// Only what an order adds is new, and an order that ascends is an arrangement like any other.
#[test]
fn windows_share_what_they_are_cut_from() {
    let mut db = Database::with(&[
        "CREATE TABLE o (id bigint PRIMARY KEY, c bigint, n integer)",
        "CREATE MATERIALIZED VIEW a AS SELECT c, sum(n) AS s FROM o GROUP BY c",
        "CREATE INDEX ON o (n)",
    ]);
    let outcome = db.define("CREATE MATERIALIZED VIEW t AS SELECT c, s FROM a ORDER BY s DESC LIMIT 3").unwrap();
    assert_eq!(outcome.build.len(), 2, "the sums in order, and the view: {:?}", outcome.build);
    let direct = "CREATE MATERIALIZED VIEW d AS SELECT c, sum(n) AS s FROM o GROUP BY c ORDER BY s DESC, c LIMIT 3";
    assert_eq!(db.define(direct).unwrap().build.len(), 0, "ties are broken so anyway");
    let again =
        "CREATE MATERIALIZED VIEW u AS SELECT c, sum(n) AS s FROM o GROUP BY c ORDER BY s DESC OFFSET 1 LIMIT 3";
    assert_eq!(db.define(again).unwrap().build.len(), 1, "the same order is there");
    let ascending = "CREATE MATERIALIZED VIEW l AS SELECT id, c, n FROM o ORDER BY n, id LIMIT 3";
    assert_eq!(db.define(ascending).unwrap().build.len(), 2);
    let index = "CREATE MATERIALIZED VIEW m AS SELECT id, c, n FROM o ORDER BY n LIMIT 3";
    assert_eq!(db.define(index).unwrap().build.len(), 0, "by n, and ties by the key");
}

/// Equal subplans and the tables' own arrangements are used again, and dropped only when nobody uses them.
#[test]
fn arrangements_are_shared() {
    let mut db = Database::with(&[
        "CREATE TABLE c (id bigint PRIMARY KEY, name text)",
        "CREATE TABLE o (id bigint PRIMARY KEY, c bigint, n integer)",
        "CREATE MATERIALIZED VIEW a AS SELECT c, sum(n) AS s FROM o GROUP BY c",
    ]);
    let before = db.version.graph().nodes().count();
    let outcome = db.define("CREATE MATERIALIZED VIEW b AS SELECT c AS x, sum(n) AS y FROM o GROUP BY c").unwrap();
    assert_eq!(
        (db.version.graph().nodes().count(), outcome.build.len()),
        (before, 0),
        "the same query is the same node"
    );
    db.define("DROP MATERIALIZED VIEW a").unwrap();
    assert_eq!(db.version.graph().nodes().count(), before);
    db.define("DROP MATERIALIZED VIEW b").unwrap();
    assert!(db.version.graph().nodes().count() < before);
    let outcome = db.define("CREATE MATERIALIZED VIEW j AS SELECT o.n, c.name FROM o JOIN c ON c.id = o.c").unwrap();
    assert_eq!(outcome.build.len(), 2, "orders by customer and the view: {:?}", outcome.build);
}

#[test]
fn drops_respect_dependencies() {
    let mut db = Database::with(&[
        "CREATE TABLE o (id bigint PRIMARY KEY, n integer)",
        "CREATE MATERIALIZED VIEW v AS SELECT n, count(*) AS c FROM o GROUP BY n",
        "CREATE MATERIALIZED VIEW w AS SELECT c FROM v",
        "CREATE INDEX by_c ON v (c)",
    ]);
    db.refuses("DROP TABLE o", "2BP01", "\"v\"");
    db.refuses("DROP MATERIALIZED VIEW v", "2BP01", "\"w\"");
    db.refuses("DROP TABLE v", "42809", "DROP MATERIALIZED VIEW");
    db.refuses("DROP TABLE nowhere", "42P01", "nowhere");
    db.refuses("DROP INDEX nowhere", "42704", "nowhere");
    assert!(!db.define("DROP TABLE IF EXISTS nowhere").unwrap().changed);
    db.define("DROP MATERIALIZED VIEW w").unwrap();
    db.define("DROP MATERIALIZED VIEW v").unwrap();
    assert_eq!(db.catalog.indexes().count(), 0, "the index went with its view");
    db.define("DROP TABLE o").unwrap();
    assert_eq!(db.version.graph().nodes().count(), 0);
}

/// EXPLAIN names the operators, whose state they are, and who shares it.
#[test]
fn explain_shows_the_graph() {
    let mut db = Database::with(&[
        "CREATE TABLE c (id bigint PRIMARY KEY, name text)",
        "CREATE TABLE o (id bigint PRIMARY KEY, c bigint, n integer)",
        "CREATE MATERIALIZED VIEW spend AS SELECT c, sum(n) AS s FROM o GROUP BY c",
    ]);
    db.insert("o", "(1, 1, 5), (2, 1, 6)");
    let explain = |sql: &str| -> String {
        let statement = db.planner.parse(sql).unwrap().remove(0);
        let plan = ExplainPlan::new(&db.planner, &statement, &db.catalog, db.version.graph()).unwrap().unwrap();
        let result = plan.execute(&db.catalog, &db.version).unwrap();
        let column = result.batches[0].column(0);
        let line = |index| Value::from_array(column.as_ref(), index, DataType::Text).unwrap().to_string();
        (0..column.len()).map(line).collect::<Vec<_>>().join("\n")
    };
    let spend = explain("EXPLAIN spend");
    for part in
        ["arrange by [0]", "key (0), 1 entries", "aggregate [sum", "used by materialized view spend", "source 1"]
    {
        assert!(spend.contains(part), "{part}: {spend}");
    }
    let join = explain("EXPLAIN SELECT name FROM spend JOIN c ON c.id = spend.c ORDER BY name LIMIT 1");
    for part in ["limit", "sort", "join on 1 key columns", "used by table c", "used by materialized view spend"] {
        assert!(join.contains(part), "{part}: {join}");
    }
    let top = explain("EXPLAIN CREATE MATERIALIZED VIEW v AS SELECT c, s FROM spend ORDER BY s DESC LIMIT 2 OFFSET 1");
    for part in ["first 2 rows after 1 of", "arrange by [1 desc, 0]", "state: key (1, 0), new"] {
        assert!(top.contains(part), "{part}: {top}");
    }
    let inner = explain("EXPLAIN SELECT sum(s) FROM (SELECT s FROM spend ORDER BY s LIMIT 2) x");
    assert!(inner.contains("first 2 rows of"), "{inner}");
    assert!(explain("EXPLAIN CREATE MATERIALIZED VIEW v AS SELECT DISTINCT n FROM o").contains("state: key (0), new"));
    assert!(db.catalog.relation("v").is_none(), "EXPLAIN creates nothing");
}
