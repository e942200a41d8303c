//! What is refused, by name and SQLSTATE: a wrong answer is worse than an error.

use crate::database::Database;

fn tables() -> Database {
    Database::with(&[
        "CREATE TABLE t (id bigint PRIMARY KEY, n integer, name text, i interval)",
        "CREATE TABLE u (id bigint PRIMARY KEY, n integer)",
    ])
}

#[test]
fn constructs_that_are_not_supported_are_named() {
    let db = tables();
    for (sql, text) in [
        ("SELECT * FROM t LEFT JOIN u ON t.id = u.id", "LEFT JOIN"),
        ("SELECT * FROM t RIGHT JOIN u ON t.id = u.id", "RIGHT JOIN"),
        ("SELECT * FROM t FULL JOIN u ON t.id = u.id", "FULL JOIN"),
        ("SELECT * FROM t NATURAL JOIN u", "NATURAL JOIN"),
        ("SELECT * FROM t, LATERAL (SELECT * FROM u WHERE u.id = t.id) x", "LATERAL"),
        ("SELECT * FROM t WHERE id IN (SELECT id FROM u)", "IN (subquery)"),
        ("SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u)", "EXISTS"),
        ("SELECT (SELECT max(n) FROM u) FROM t", "scalar subquery"),
        ("SELECT * FROM t WHERE n = ANY (SELECT n FROM u)", "ANY"),
        ("SELECT sum(n) OVER (ORDER BY id) FROM t", "window function"),
        ("SELECT row_number() OVER (ORDER BY id) FROM t", "window function"),
        ("SELECT id FROM t EXCEPT SELECT id FROM u", "EXCEPT"),
        ("SELECT id FROM t INTERSECT ALL SELECT id FROM u", "INTERSECT"),
        ("SELECT DISTINCT ON (n) id FROM t", "DISTINCT ON"),
        ("SELECT n, count(*) FROM t GROUP BY ROLLUP (n)", "ROLLUP"),
        ("SELECT n, count(*) FROM t GROUP BY GROUPING SETS ((n), ())", "GROUPING SETS"),
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r", "WITH RECURSIVE"),
        ("SELECT * FROM generate_series(1, 3)", "generate_series"),
        ("SELECT now()", "now()"),
        ("SELECT current_date", "current_date"),
        ("SELECT random()", "random()"),
        ("SELECT gen_random_uuid()", "gen_random_uuid()"),
        ("SELECT name COLLATE \"C\" FROM t", "COLLATE"),
        ("SELECT ARRAY[1, 2]", "array"),
        ("SELECT string_agg(name, ',') FROM t", "string_agg"),
        ("SELECT sum(n ORDER BY id) FROM t", "ORDER BY"),
        ("SELECT * FROM t FOR UPDATE", "FOR UPDATE"),
        ("SELECT * FROM t TABLESAMPLE SYSTEM (10)", "TABLESAMPLE"),
        ("SELECT n & 1 FROM t", "operator &"),
        ("SELECT 2 ^ 3", "power"),
        ("SELECT name ~ 'a' FROM t", "operator ~"),
        ("SELECT name SIMILAR TO 'a' FROM t", "SIMILAR TO"),
        ("SELECT (id, n) = (1, 2) FROM t", "row constructor"),
        ("SELECT timestamp '2013-01-01' AT TIME ZONE 'UTC'", "AT TIME ZONE"),
        ("SELECT i, count(*) FROM t GROUP BY i", "interval"),
        ("SELECT DISTINCT i FROM t", "interval"),
        ("SELECT sum(i) FROM t", "interval"),
        ("SELECT * FROM (SELECT * FROM t ORDER BY id) x", "ORDER BY without LIMIT in a subquery"),
        ("SELECT * FROM (SELECT * FROM t LIMIT 1) x", "LIMIT or OFFSET without ORDER BY in a subquery"),
        ("SELECT * FROM (SELECT * FROM t FETCH FIRST ROW ONLY) x", "LIMIT or OFFSET without ORDER BY in a subquery"),
        ("SELECT * FROM t ORDER BY id FETCH FIRST 2 ROWS WITH TIES", "WITH TIES"),
        ("SELECT * FROM t ORDER BY id FETCH FIRST 2 PERCENT ROWS ONLY", "PERCENT"),
        ("SELECT * FROM t ORDER BY i, id", "ORDER BY on type interval"),
        ("SELECT * FROM (SELECT * FROM t ORDER BY i DESC, id LIMIT 1) x", "ORDER BY on type interval"),
        ("SELECT CAST(1 AS numeric)", "numeric without precision"),
        ("SELECT CAST('a' AS char(3))", "char"),
        ("SELECT * FROM other.t", "other.t"),
    ] {
        match db.lines(sql) {
            Ok(lines) => panic!("{sql}: expected an error, got {lines:?}"),
            Err(error) => {
                let expected = if sql.contains("other.t") { "42P01" } else { "0A000" };
                assert_eq!(error.sqlstate(), expected, "{sql}: {error}");
                let message = error.to_string().to_lowercase();
                assert!(message.contains(&text.to_lowercase()), "{sql}: the message does not say {text:?}: {error}");
            }
        }
    }
}

#[test]
fn views_are_refused_what_they_cannot_maintain() {
    let mut db = tables();
    for (query, sqlstate, text) in [
        ("SELECT id FROM t ORDER BY id", "0A000", "ORDER BY without LIMIT"),
        ("SELECT id FROM t LIMIT 3", "0A000", "LIMIT or OFFSET without ORDER BY"),
        ("SELECT id FROM (SELECT id FROM t OFFSET 3) x ORDER BY id LIMIT 2", "0A000", "without ORDER BY"),
        ("SELECT id FROM t ORDER BY id LIMIT $1", "42P02", "$1"),
        ("SELECT id FROM t ORDER BY id FETCH FIRST $1 ROWS ONLY", "42P02", "$1"),
        ("SELECT id FROM t ORDER BY id LIMIT -1", "2201W", "LIMIT"),
        ("SELECT id FROM t ORDER BY id OFFSET -1", "2201X", "OFFSET"),
        ("SELECT id FROM t ORDER BY id LIMIT 1 FETCH FIRST ROW ONLY", "42601", "LIMIT"),
        ("SELECT id FROM t WHERE n = $1", "42P02", "$1"),
        ("SELECT id, now() AS at FROM t", "0A000", "now()"),
        ("SELECT t.id FROM t LEFT JOIN u ON t.id = u.id", "0A000", "LEFT JOIN"),
        ("SELECT id FROM nowhere", "42P01", "nowhere"),
    ] {
        db.refuses(&format!("CREATE MATERIALIZED VIEW v AS {query}"), sqlstate, text);
    }
    db.refuses("CREATE VIEW v AS SELECT 1", "0A000", "CREATE VIEW");
    db.refuses("CREATE OR REPLACE MATERIALIZED VIEW v AS SELECT 1", "0A000", "OR REPLACE");
}

#[test]
fn names_that_do_not_resolve() {
    let db = tables();
    for (sql, sqlstate, text) in [
        ("SELECT * FROM nowhere", "42P01", "nowhere"),
        ("SELECT missing FROM t", "42703", "missing"),
        ("SELECT t.missing FROM t", "42703", "missing"),
        ("SELECT x.id FROM t", "42703", "x.id"),
        ("SELECT id FROM t JOIN u ON t.id = u.id", "42702", "id"),
        ("SELECT nothing(1)", "42883", "nothing"),
        ("SELECT n, count(*) FROM t", "42803", "n"),
        ("SELECT n FROM t WHERE count(*) > 1", "42803", "Aggregate"),
        ("SELECT sum(count(*)) FROM t", "42803", "nested"),
        ("SELEC 1", "42601", "SELEC"),
        ("SELECT 'abc", "42601", "Unterminated"),
        ("SELECT id FROM t WHERE", "42601", "EOF"),
        ("SELECT sum(name) FROM t", "42883", "sum(text)"),
        ("SELECT sum(n, n) FROM t", "42883", "sum"),
        ("SELECT bool_and(n) FROM t", "42883", "bool_and(integer)"),
        ("SELECT lower(DISTINCT name) FROM t", "42809", "DISTINCT"),
        ("SELECT lower(name) FILTER (WHERE true) FROM t", "42809", "FILTER"),
        ("SELECT CAST(1 AS nosuchtype)", "42704", "nosuchtype"),
    ] {
        db.fails(sql, sqlstate, text);
    }
}

#[test]
fn definitions_that_are_refused() {
    let mut db = tables();
    for (sql, sqlstate, text) in [
        ("CREATE TABLE t (id bigint)", "42P07", "t"),
        ("CREATE TABLE x (id serial)", "0A000", "serial"),
        ("CREATE TABLE x (id bigint CHECK (id > 0))", "0A000", "CHECK"),
        ("CREATE TABLE x (id bigint, CHECK (id > 0))", "0A000", "CHECK"),
        ("CREATE TABLE x (id bigint REFERENCES t)", "0A000", "REFERENCES"),
        ("CREATE TABLE x (id bigint, FOREIGN KEY (id) REFERENCES t (id))", "0A000", "FOREIGN KEY"),
        ("CREATE TABLE x (id bigint GENERATED ALWAYS AS IDENTITY)", "0A000", "identity"),
        ("CREATE TABLE x (id bigint, id text)", "42701", "id"),
        ("CREATE TABLE x (id bigint PRIMARY KEY, n integer PRIMARY KEY)", "42P16", "multiple primary keys"),
        ("CREATE TABLE x (id bigint, PRIMARY KEY (nope))", "42703", "nope"),
        ("CREATE TABLE x (id json)", "0A000", "JSON"),
        ("CREATE TABLE x (id bigint[])", "0A000", "BIGINT[]"),
        ("CREATE TABLE x (id numeric)", "0A000", "numeric"),
        ("CREATE TABLE x (id numeric(50, 2))", "0A000", "38"),
        ("CREATE TABLE x (id timestamp(3))", "0A000", "TIMESTAMP(3)"),
        ("CREATE TABLE x (id interval PRIMARY KEY)", "0A000", "interval"),
        ("CREATE TABLE x (id bigint DEFAULT now())", "0A000", "now()"),
        ("CREATE TABLE x (id bigint DEFAULT 'a')", "22P02", "id"),
        ("CREATE TABLE x (id bigint DEFAULT n)", "42703", "n"),
        ("CREATE TABLE x (id bigint NOT NULL NULL)", "42601", "NULL"),
        ("CREATE TABLE x AS SELECT 1", "0A000", "CREATE TABLE AS"),
        ("CREATE TEMPORARY TABLE x (id bigint)", "0A000", "TEMPORARY"),
        ("CREATE TABLE x (id bigint) WITH (fillfactor = 70)", "0A000", "a clause of CREATE TABLE"),
        ("CREATE UNIQUE INDEX i ON t (n)", "0A000", "UNIQUE INDEX"),
        ("CREATE INDEX i ON t (lower(name))", "0A000", "expression"),
        ("CREATE INDEX i ON t (n DESC)", "0A000", "DESC"),
        ("CREATE INDEX i ON t (n) WHERE n > 0", "0A000", "partial index"),
        ("CREATE INDEX i ON t (nope)", "42703", "nope"),
        ("CREATE INDEX t ON t (n)", "42P07", "t"),
        ("CREATE INDEX i ON nowhere (n)", "42P01", "nowhere"),
        ("DROP TABLE t CASCADE", "0A000", "CASCADE"),
        ("DROP SCHEMA public", "0A000", "SCHEMA"),
    ] {
        db.refuses(sql, sqlstate, text);
    }
}

/// Text that is too deep is refused, and does not take the process down.
#[test]
fn deep_statements_are_refused_or_planned() {
    let db = tables();
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    db.fails(&deep, "54001", "deep");
    let long = format!("SELECT id FROM t WHERE {}", vec!["n = 1"; 400].join(" OR "));
    assert!(db.lines(&long).is_ok_and(|lines| lines.is_empty()));
    let sum = format!("SELECT {}", vec!["1"; 60].join(" + "));
    db.gives(&sum, &["60"]);
    let deeper = format!("SELECT {}", vec!["1"; 100_000].join(" + "));
    db.fails(&deeper, "54001", "deep");
}
