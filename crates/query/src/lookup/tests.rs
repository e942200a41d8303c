//! Lookups against the graph: whatever a predicate says, pruning by it must not lose or invent a row.

use monostable_types::Value;
use proptest::prelude::*;

use crate::Prepared;
use crate::select::QueryPlan;
use crate::testbed::{Testbed, values_of};

/// Every type that can be pruned, in keys and in indexes, with NULLs, duplicates, extremes and values next to each other.
fn bed() -> Testbed {
    let mut bed = Testbed::new(
        "CREATE TABLE t (a BIGINT, b TEXT, c INTEGER, d DOUBLE PRECISION, e DATE, n NUMERIC(6,2), f BOOLEAN, v INTERVAL,
            PRIMARY KEY (a, b), CONSTRAINT t_n UNIQUE (n, a));
        CREATE INDEX t_c ON t (c, d); CREATE INDEX t_e ON t (e); CREATE INDEX t_d ON t (d);
        CREATE MATERIALIZED VIEW w AS SELECT c, count(*) AS rows, sum(a) AS total FROM t GROUP BY c;
        CREATE INDEX w_rows ON w (rows)",
    );
    let mut rows = Vec::new();
    for a in -2..3_i64 {
        for (index, b) in ["", "a", "a\u{0}", "ab", "b"].iter().enumerate() {
            let seed = a * 5 + index as i64;
            let c = if seed % 4 == 0 { "NULL".to_owned() } else { (seed % 3).to_string() };
            let d = ["0.0", "-1.5", "'NaN'", "NULL", "'Infinity'", "2.5"][(seed.rem_euclid(6)) as usize];
            let e = if seed % 5 == 0 { "NULL".to_owned() } else { format!("'2013-01-{:02}'", seed.rem_euclid(7) + 1) };
            let v = ["'1 month'", "'30 days'", "NULL", "'1 day'"][(seed.rem_euclid(4)) as usize];
            rows.push(format!("({a}, '{b}', {c}, {d}, {e}, {seed}.5, {}, {v})", seed % 2 == 0));
        }
    }
    bed.script(&format!("INSERT INTO t VALUES {}", rows.join(", ")));
    bed.script("INSERT INTO t (a, b) VALUES (9223372036854775807, 'z'), (-9223372036854775808, 'z')");
    bed
}

fn sorted(mut rows: Vec<Vec<Value>>) -> Vec<String> {
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows.into_iter().map(|row| format!("{row:?}")).collect()
}

fn plan(bed: &Testbed, sql: &str) -> QueryPlan {
    match bed.prepare(sql).unwrap().as_ref() {
        Prepared::Query(plan) => plan.clone(),
        other => panic!("{other:?} is not a query"),
    }
}

/// A constant for the column, in the types and spellings that clients use.
fn constant(column: &'static str) -> BoxedStrategy<String> {
    let list: &[&str] = match column {
        "a" | "total" => &["-2", "0", "1", "2", "2.5", "-0.5", "9223372036854775807", "1e3", "'1'", "NULL"],
        "b" => &["''", "'a'", "'ab'", "'b'", "'zz'", "NULL"],
        "c" | "rows" => &["-2", "0", "1", "2", "1.0", "3000000000", "'2'", "NULL"],
        "d" => &["0", "0.0", "-0.0", "2.5", "'-0'", "'NaN'", "'-Infinity'", "-1.5", "1", "NULL"],
        "e" => &["'2013-01-03'", "DATE '2013-01-01'", "'2013-01-07'", "TIMESTAMP '2013-01-03 12:00:00'", "NULL"],
        "n" => &["-10.5", "0.5", "0.499", "3", "12.5", "99999", "NULL"],
        _ => &["INTERVAL '1 month'", "INTERVAL '30 days'", "INTERVAL '1 day'"],
    };
    proptest::sample::select(list.to_vec()).prop_map(str::to_owned).boxed()
}

fn term(columns: &'static [&'static str]) -> BoxedStrategy<String> {
    let column = proptest::sample::select(columns.to_vec());
    column
        .prop_flat_map(|column| {
            let compare = (
                proptest::sample::select(vec!["=", "=", "=", "<", "<=", ">", ">=", "<>"]),
                constant(column),
                any::<bool>(),
            )
                .prop_map(move |(op, constant, flip)| {
                    if flip { format!("{constant} {op} {column}") } else { format!("{column} {op} {constant}") }
                });
            let between = (constant(column), constant(column), any::<bool>()).prop_map(move |(low, high, not)| {
                format!("{column} {}BETWEEN {low} AND {high}", if not { "NOT " } else { "" })
            });
            let list =
                (proptest::collection::vec(constant(column), 1..5), any::<bool>()).prop_map(move |(list, not)| {
                    format!("{column} {}IN ({})", if not { "NOT " } else { "" }, list.join(", "))
                });
            let null = any::<bool>().prop_map(move |not| format!("{column} IS {}NULL", if not { "NOT " } else { "" }));
            prop_oneof![4 => compare, 1 => between, 1 => list, 1 => null]
        })
        .boxed()
}

fn predicate(columns: &'static [&'static str]) -> BoxedStrategy<String> {
    term(columns)
        .prop_recursive(3, 8, 2, |inner| {
            prop_oneof![
                4 => (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) AND ({right})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) OR ({right})")),
                1 => inner.prop_map(|term| format!("NOT ({term})")),
            ]
        })
        .boxed()
}

fn agree(bed: &Testbed, relation: &str, predicate: &str) -> Result<(), TestCaseError> {
    let sql = format!("SELECT * FROM {relation} WHERE {predicate}");
    let prepared = bed.prepare(&sql);
    let Ok(prepared) = prepared else { return Ok(()) };
    let Prepared::Query(found) = prepared.as_ref() else { panic!("a query") };
    let expected = QueryPlan::through_graph(&bed.planner, &sql, &bed.catalog, bed.version.graph()).unwrap();
    let found = found.execute(&bed.version, &[]).map(|rows| sorted(values_of(&rows)));
    let expected = expected.execute(&bed.version, &[]).map(|rows| sorted(values_of(&rows)));
    match (found, expected) {
        (Ok(found), Ok(expected)) => prop_assert_eq!(found, expected, "{}", sql),
        // A lookup evaluates the rest of the predicate for fewer rows, so it may miss an error; it must not add one.
        (Err(found), Ok(_)) => prop_assert!(false, "{sql}: only the lookup fails: {found}"),
        (_, Err(_)) => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::testbed::cases(8))]

    #[test]
    fn lookups_agree_with_the_graph(
        tables in proptest::collection::vec(predicate(&["a", "b", "c", "d", "e", "n", "a", "b", "v"]), 24),
        views in proptest::collection::vec(predicate(&["c", "rows", "total"]), 8),
    ) {
        let bed = bed();
        for predicate in tables {
            agree(&bed, "t", &predicate)?;
        }
        for predicate in views {
            agree(&bed, "w", &predicate)?;
        }
    }
}

#[test]
fn keys_prefixes_and_ranges_are_looked_up() {
    let bed = bed();
    for predicate in [
        "a = 1",
        "a = 1 AND b = 'a'",
        "a = 1 AND b > 'a'",
        "a BETWEEN 0 AND 1",
        "a IN (1, 2)",
        "a IN (1, 2, 3, 4, 5, 6, 7) AND b IN ('a', 'b')",
        "c = 2 AND d > 1",
        "c IS NULL",
        "e >= '2013-01-05'",
        "n = 0.5",
        "a > $1",
        "1 = a AND f",
    ] {
        assert!(plan(&bed, &format!("SELECT b FROM t WHERE {predicate}")).is_lookup(), "{predicate}");
    }
    for predicate in ["b = 'a'", "a + 1 = 2", "a = 1 OR b = 'a'", "NOT a = 1", "f", "v = INTERVAL '30 days'"] {
        assert!(!plan(&bed, &format!("SELECT b FROM t WHERE {predicate}")).is_lookup(), "{predicate}");
    }
    assert!(plan(&bed, "SELECT * FROM w WHERE rows > 3").is_lookup());
    assert!(plan(&bed, "SELECT total FROM w AS x WHERE x.c = 1").is_lookup());
}

#[test]
fn constants_of_another_type_are_not_rounded() {
    let mut bed = bed();
    assert_eq!(bed.show("SELECT a FROM t WHERE a = 2.5", &[]), "");
    assert_eq!(bed.show("SELECT count(*) FROM t WHERE a > 1.5 AND a < 3", &[]), "5");
    assert_eq!(bed.show("SELECT a, b FROM t WHERE a > 9223372036854775806.5", &[]), "9223372036854775807,z");
    assert_eq!(bed.show("SELECT count(*) FROM t WHERE e > TIMESTAMP '2013-01-06 12:00:00'", &[]), "4");
}

#[test]
fn parameters_find_what_constants_find() {
    let mut bed = bed();
    let one = Value::BigInt(1);
    let by_key = bed.show("SELECT b FROM t WHERE a = $1 ORDER BY b", std::slice::from_ref(&one));
    assert_eq!(by_key, bed.show("SELECT b FROM t WHERE a = 1 ORDER BY b", &[]));
    assert_eq!(bed.show("SELECT b FROM t WHERE a = $1", &[Value::Null]), "");
    assert_eq!(bed.show("SELECT a FROM t WHERE a = $1 AND b = $2", &[one.clone(), Value::Text("ab".into())]), "1");
    assert_eq!(bed.show("SELECT count(*) FROM t WHERE a >= $1 AND a < $2", &[one, Value::Integer(3)]), "10");
    assert_eq!(
        bed.show("SELECT count(*) FROM t WHERE d = $1", &[Value::Double(-0.0)]),
        bed.show("SELECT count(*) FROM t WHERE d = 0", &[])
    );
    assert_eq!(
        bed.show("SELECT b FROM t WHERE a = 1 AND b LIKE $1 ORDER BY b", &[Value::Text("a%".into())]),
        "a; a\0; ab"
    );
    assert_eq!(bed.show("SELECT a + $1 FROM t WHERE a = 1 AND b = ''", &[Value::BigInt(41)]), "42");
    assert_eq!(bed.show("SELECT repeat(b, $1::integer) FROM t WHERE a = 1 AND b = 'ab'", &[Value::BigInt(2)]), "abab");
}

#[test]
fn an_order_that_is_there_is_not_sorted_again() {
    let bed = bed();
    for (sql, sorted) in [
        ("SELECT * FROM t ORDER BY a, b", true),
        ("SELECT b, a FROM t WHERE a = 1 ORDER BY b", true),
        ("SELECT b FROM t WHERE a = 1 ORDER BY a, b LIMIT 2", true),
        ("SELECT b FROM t WHERE a IN (1, 2) ORDER BY a, b", true),
        ("SELECT * FROM t ORDER BY b", false),
        ("SELECT * FROM t ORDER BY a DESC", false),
        ("SELECT * FROM t ORDER BY a NULLS FIRST", false),
        ("SELECT b FROM t WHERE a IN (1, 2) ORDER BY b", false),
        ("SELECT a + 1 AS a FROM t ORDER BY a", false),
    ] {
        assert_eq!(plan(&bed, sql).sorts(), !sorted, "{sql}");
    }
}
