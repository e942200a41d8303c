//! What INSERT, UPDATE and DELETE do to a table, seen through queries after their delta was stepped in.

use monostable_types::Value;
use monostable_view::Delta;
use proptest::prelude::*;

use crate::testbed::Testbed;
use crate::{Limits, Prepared};

const ITEMS: &str = "CREATE TABLE items (id BIGINT PRIMARY KEY, name TEXT NOT NULL, price NUMERIC(8,2) DEFAULT 1.5,
    code INTEGER, day DATE, CONSTRAINT items_code UNIQUE (code));
    INSERT INTO items VALUES (1, 'ann', 10, 100, '2013-01-01'), (2, 'bob', 20.5, NULL, NULL), (3, 'cat', 0, 300, NULL)";

fn items() -> Testbed {
    Testbed::new(ITEMS)
}

fn all(bed: &mut Testbed) -> String {
    bed.show("SELECT * FROM items ORDER BY id", &[])
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn insert_assigns_values_to_columns() {
    let mut bed = items();
    assert_eq!(all(&mut bed), "1,ann,10.00,100,2013-01-01; 2,bob,20.50,null,null; 3,cat,0.00,300,null");
    bed.script("INSERT INTO items (name, id) VALUES ('dan', 4)");
    bed.script("INSERT INTO items VALUES (5, 'eve'), (6, 'fay')");
    bed.script("INSERT INTO items VALUES (1 + 6, upper('gus'), DEFAULT, 2.5, DATE '2014-02-03')");
    assert_eq!(
        bed.show("SELECT * FROM items WHERE id > 3 ORDER BY id", &[]),
        "4,dan,1.50,null,null; 5,eve,1.50,null,null; 6,fay,1.50,null,null; 7,GUS,1.50,3,2014-02-03"
    );
    let mut all_defaults = Testbed::new("CREATE TABLE t (a INTEGER DEFAULT 7, b TEXT)");
    all_defaults.script("INSERT INTO t DEFAULT VALUES; INSERT INTO t VALUES (DEFAULT, 'x')");
    assert_eq!(all_defaults.show("SELECT * FROM t ORDER BY b", &[]), "7,x; 7,null");
}

#[test]
fn insert_takes_rows_of_a_query() {
    let mut bed = items();
    bed.script("INSERT INTO items (id, name, price) SELECT id + 10, name, id FROM items WHERE id < 3");
    assert_eq!(
        bed.show("SELECT id, name, price FROM items WHERE id > 10 ORDER BY id", &[]),
        "11,ann,1.00; 12,bob,2.00"
    );
    assert_eq!(
        bed.show(
            "INSERT INTO items (id, name) SELECT id + $1, name FROM items WHERE id = $2 RETURNING id",
            &[Value::Integer(100), Value::Integer(1)]
        ),
        "101"
    );
}

#[test]
fn insert_refuses_what_does_not_fit() {
    let mut bed = items();
    for (sql, sqlstate) in [
        ("INSERT INTO items VALUES (1, 'x')", "23505"),
        ("INSERT INTO items VALUES (7, 'x'), (7, 'y')", "23505"),
        ("INSERT INTO items (id, name, code) VALUES (7, 'x', 100)", "23505"),
        ("INSERT INTO items (id, name, code) VALUES (7, 'x', 1), (8, 'y', 1)", "23505"),
        ("INSERT INTO items (id, name) VALUES (7, NULL)", "23502"),
        ("INSERT INTO items (name) VALUES ('x')", "23502"),
        ("INSERT INTO items (id, name, price) VALUES (7, 'x', 1234567.00)", "22003"),
        ("INSERT INTO items (id, name, code) VALUES (7, 'x', 3000000000)", "22003"),
        ("INSERT INTO items (id, name, code) VALUES (7, 'x', 'y')", "22P02"),
        ("INSERT INTO items (id, name, day) VALUES (7, 'x', 'tomorrow?')", "22007"),
        ("INSERT INTO items (id, name, day) VALUES (7, 'x', 5)", "42804"),
        ("INSERT INTO items (id, nam) VALUES (7, 'x')", "42703"),
        ("INSERT INTO items (id, id) VALUES (7, 7)", "42701"),
        ("INSERT INTO items (id, name) VALUES (7)", "42601"),
        ("INSERT INTO items (id) VALUES (7, 'x')", "42601"),
        ("INSERT INTO items VALUES (1, 'x'), (2)", "42601"),
        ("INSERT INTO nowhere VALUES (1)", "42P01"),
        ("INSERT INTO items (id, name) VALUES (7 / 0, 'x')", "22012"),
        ("INSERT INTO items (id, name, code) SELECT id + 10, name, id * 3000000000 FROM items", "22003"),
    ] {
        assert_eq!(bed.sqlstate(sql, &[]), sqlstate, "{sql}");
    }
    let error = bed.error("INSERT INTO items VALUES (1, 'x')", &[]).to_string();
    assert_eq!(error, "duplicate key value violates unique constraint \"items_pkey\": key (id)=(1) already exists");
    assert!(
        bed.error("INSERT INTO items (id, name, code) VALUES (9, 'x', 100)", &[]).to_string().contains("items_code")
    );
    assert!(bed.error("INSERT INTO items (id) VALUES (9)", &[]).to_string().contains("\"name\""));
    assert_eq!(all(&mut bed), "1,ann,10.00,100,2013-01-01; 2,bob,20.50,null,null; 3,cat,0.00,300,null");
}

#[test]
fn nulls_in_a_unique_constraint_do_not_conflict() {
    let mut bed = items();
    bed.script("INSERT INTO items (id, name, code) VALUES (7, 'x', NULL), (8, 'y', NULL)");
    assert_eq!(bed.show("SELECT id FROM items WHERE code IS NULL ORDER BY id", &[]), "2; 7; 8");
}

#[test]
fn views_refuse_to_be_written() {
    let mut bed = items();
    bed.script("CREATE MATERIALIZED VIEW names AS SELECT name FROM items");
    for sql in ["INSERT INTO names VALUES ('x')", "UPDATE names SET name = 'x'", "DELETE FROM names"] {
        assert_eq!(bed.sqlstate(sql, &[]), "42809", "{sql}");
    }
}

#[test]
fn update_computes_from_the_old_row() {
    let mut bed = items();
    bed.script("UPDATE items SET price = price * 2, name = name || '!' WHERE id <= 2");
    assert_eq!(
        bed.show("SELECT id, name, price FROM items ORDER BY id", &[]),
        "1,ann!,20.00; 2,bob!,41.00; 3,cat,0.00"
    );
    bed.script("UPDATE items AS i SET (price, code) = (DEFAULT, NULL) WHERE i.id = 1");
    assert_eq!(bed.show("SELECT price, code FROM items WHERE id = 1", &[]), "1.50,null");
    bed.script("UPDATE items SET price = id, code = 7.5 WHERE name = 'cat'");
    assert_eq!(bed.show("SELECT price, code FROM items WHERE id = 3", &[]), "3.00,8");
    assert_eq!(bed.outcome("UPDATE items SET price = 0 WHERE id = 99", &[]).unwrap().affected, 0);
}

#[test]
fn update_may_move_keys() {
    let mut bed = items();
    bed.script("UPDATE items SET id = id + 1");
    assert_eq!(bed.show("SELECT id, name FROM items ORDER BY id", &[]), "2,ann; 3,bob; 4,cat");
    bed.script("UPDATE items SET id = 6 - id WHERE id IN (2, 4)");
    assert_eq!(bed.show("SELECT id, name FROM items ORDER BY id", &[]), "2,cat; 3,bob; 4,ann");
    assert_eq!(bed.sqlstate("UPDATE items SET id = 3 WHERE id = 2", &[]), "23505");
    assert_eq!(bed.sqlstate("UPDATE items SET id = 9", &[]), "23505");
    assert_eq!(bed.sqlstate("UPDATE items SET code = 100", &[]), "23505");
    assert_eq!(bed.sqlstate("UPDATE items SET name = NULL WHERE id = 2", &[]), "23502");
    assert_eq!(bed.sqlstate("UPDATE items SET code = 3000000000 WHERE id = 2", &[]), "22003");
    assert_eq!(bed.sqlstate("UPDATE items SET price = 1, price = 2", &[]), "42601");
    assert_eq!(bed.sqlstate("UPDATE items SET nope = 1", &[]), "42703");
    assert_eq!(bed.sqlstate("UPDATE items SET price = 1 / (id - 2)", &[]), "22012");
}

#[test]
fn what_is_not_supported_is_named() {
    let mut bed = items();
    bed.script("CREATE TABLE other (id BIGINT PRIMARY KEY)");
    for (sql, name) in [
        ("UPDATE items SET price = 1 FROM other WHERE other.id = items.id", "FROM"),
        ("DELETE FROM items USING other WHERE other.id = items.id", "USING"),
        ("INSERT INTO items (id, name) VALUES (9, 'x') RETURNING count(*)", "RETURNING"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "SERIALIZABLE"),
        ("SAVEPOINT a", "savepoint"),
        ("TRUNCATE items", "TRUNCATE"),
        ("COPY items FROM 'x.txt'", "FORMAT csv"),
    ] {
        let error = bed.prepare(sql).unwrap_err();
        assert_eq!(error.sqlstate(), "0A000", "{sql}: {error}");
        assert!(error.to_string().contains(name), "{sql}: {error}");
    }
}

#[test]
fn delete_takes_rows_out() {
    let mut bed = items();
    assert_eq!(bed.show("DELETE FROM items WHERE id = 2 RETURNING *", &[]), "2,bob,20.50,null,null");
    assert_eq!(bed.show("DELETE FROM items WHERE price = 0 RETURNING name, id * 2 AS twice", &[]), "cat,6");
    assert_eq!(bed.outcome("DELETE FROM items", &[]).unwrap().affected, 1);
    bed.script("DELETE FROM items");
    assert_eq!(all(&mut bed), "");
}

#[test]
fn a_table_without_a_key_is_a_multiset() {
    let mut bed = Testbed::new("CREATE TABLE log (line TEXT); INSERT INTO log VALUES ('a'), ('a'), ('b'), (NULL)");
    assert_eq!(bed.show("SELECT line FROM log ORDER BY line", &[]), "a; a; b; null");
    bed.script("UPDATE log SET line = line || line WHERE line = 'a'");
    assert_eq!(bed.show("SELECT line FROM log ORDER BY line", &[]), "aa; aa; b; null");
    let outcome = bed.outcome("DELETE FROM log WHERE line = 'aa'", &[]).unwrap();
    assert_eq!((outcome.affected, outcome.conflict_keys.len()), (2, 1));
    assert_eq!(bed.outcome("INSERT INTO log VALUES ('c')", &[]).unwrap().conflict_keys, Vec::new());
    bed.script("DELETE FROM log WHERE line IS NULL; DELETE FROM log WHERE line = 'aa'");
    assert_eq!(bed.show("SELECT line FROM log", &[]), "b");
}

#[test]
fn returning_shows_new_rows_under_their_names() {
    let mut bed = items();
    assert_eq!(
        bed.show("INSERT INTO items (id, name) VALUES (8, 'x'), (9, 'y') RETURNING id, upper(name), price + 1", &[]),
        "8,X,2.50; 9,Y,2.50"
    );
    assert_eq!(
        bed.show(
            "UPDATE items SET price = $1 WHERE id = 9 RETURNING price, $2 + id",
            &[Value::Integer(4), Value::BigInt(1)]
        ),
        "4.00,10"
    );
    let plan = bed.prepare("DELETE FROM items AS i RETURNING i.id, name AS who, upper(name)").unwrap();
    let Prepared::Dml(plan) = plan.as_ref() else { panic!("a DELETE") };
    let names: Vec<&str> = plan.returning().unwrap().columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "who", "upper"]);
}

#[test]
fn on_conflict_do_nothing_keeps_what_is_there() {
    let mut bed = items();
    let sql = "INSERT INTO items (id, name, code) VALUES (1, 'x', 1), (4, 'new', 100), (5, 'five', 5), (5, 'again', 6),
        (6, 'six', 5), (7, 'seven', NULL) ON CONFLICT DO NOTHING RETURNING id";
    assert_eq!(bed.show(sql, &[]), "5; 7");
    assert_eq!(bed.show("SELECT name FROM items WHERE id = 1", &[]), "ann");
    let sql = "INSERT INTO items (id, name, code) VALUES (8, 'x', 100) ON CONFLICT (id) DO NOTHING";
    assert_eq!(bed.sqlstate(sql, &[]), "23505");
    let sql = "INSERT INTO items (id, name, code) VALUES (8, 'x', 100) ON CONFLICT ON CONSTRAINT items_code DO NOTHING";
    assert_eq!(bed.outcome(sql, &[]).unwrap().affected, 0);
    let sql = "INSERT INTO items (id, name) VALUES (8, NULL) ON CONFLICT DO NOTHING";
    assert_eq!(bed.sqlstate(sql, &[]), "23502");
}

#[test]
fn on_conflict_do_update_merges_rows() {
    let mut bed = items();
    let sql = "INSERT INTO items AS i (id, name, price) VALUES (1, 'x', 5), (9, 'nine', 9), (2, 'y', 1)
        ON CONFLICT (id) DO UPDATE SET price = i.price + excluded.price, name = excluded.name || $1
        WHERE i.id < 2 RETURNING id, name, price";
    assert_eq!(bed.show(sql, &[text("?")]), "1,x?,15.00; 9,nine,9.00");
    assert_eq!(bed.show("SELECT name, price FROM items WHERE id = 2", &[]), "bob,20.50");
    let upsert = "INSERT INTO items (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = $2";
    for name in ["one", "two"] {
        bed.execute(upsert, &[Value::Integer(77), text(name)]).unwrap();
    }
    assert_eq!(bed.show("SELECT name, price FROM items WHERE id = 77", &[]), "two,1.50");
    bed.script("INSERT INTO items (id, name, code) VALUES (50, 'z', 300) ON CONFLICT (code) DO UPDATE SET id = 33");
    assert_eq!(bed.show("SELECT id, name FROM items WHERE code = 300", &[]), "33,cat");
}

#[test]
fn on_conflict_refuses_what_is_ambiguous() {
    let mut bed = items();
    for (sql, sqlstate) in [
        ("INSERT INTO items (id, name) VALUES (9, 'a'), (9, 'b') ON CONFLICT (id) DO UPDATE SET name = 'c'", "21000"),
        ("INSERT INTO items (id, name) VALUES (1, 'a'), (1, 'b') ON CONFLICT (id) DO UPDATE SET name = 'c'", "21000"),
        ("INSERT INTO items (id, name) VALUES (1, 'a') ON CONFLICT (name) DO UPDATE SET name = 'c'", "42P10"),
        ("INSERT INTO items (id, name) VALUES (1, 'a') ON CONFLICT (nope) DO NOTHING", "42703"),
        ("INSERT INTO items (id, name) VALUES (1, 'a') ON CONFLICT ON CONSTRAINT nope DO NOTHING", "42704"),
        ("INSERT INTO items (id, name) VALUES (1, 'a') ON CONFLICT DO UPDATE SET name = 'c'", "42601"),
        ("INSERT INTO items (id, name) VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET id = 2", "23505"),
        ("INSERT INTO items (id, name) VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET name = NULL", "23502"),
        ("INSERT INTO items (id, name) VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET name = name || 'c'", "42702"),
    ] {
        assert_eq!(bed.sqlstate(sql, &[]), sqlstate, "{sql}");
    }
}

#[test]
fn varchar_is_limited_in_characters() {
    let mut bed =
        Testbed::new("CREATE TABLE t (id INTEGER PRIMARY KEY, c VARCHAR(3)); INSERT INTO t VALUES (1, 'äöü')");
    assert_eq!(bed.sqlstate("INSERT INTO t VALUES (2, 'abcd')", &[]), "22001");
    assert_eq!(bed.sqlstate("INSERT INTO t VALUES (2, $1)", &[text("abcd")]), "22001");
    assert_eq!(bed.sqlstate("INSERT INTO t SELECT 2, 'abcd'", &[]), "22001");
    assert_eq!(bed.sqlstate("UPDATE t SET c = c || 'x'", &[]), "22001");
    bed.script("INSERT INTO t VALUES (2, 'ab    ')");
    assert_eq!(bed.show("SELECT c FROM t WHERE id = 2", &[]), "ab ");
}

#[test]
fn long_rows_are_refused() {
    let bed = Testbed::new("CREATE TABLE t (id INTEGER PRIMARY KEY, c TEXT)");
    let Prepared::Dml(plan) = bed.prepare("INSERT INTO t VALUES ($1, $2)").unwrap().as_ref().clone() else { panic!() };
    let long = [Value::Integer(1), Value::Text("x".repeat(2000))];
    assert!(plan.execute_within(&bed.version, &long, Limits { row_bytes_max: 3000 }).is_ok());
    let error = plan.execute_within(&bed.version, &long, Limits { row_bytes_max: 1000 }).unwrap_err();
    assert_eq!(error.sqlstate(), "54000");
    let huge = [Value::Integer(1), Value::Text("x".repeat(1024 * 1024))];
    assert_eq!(plan.execute(&bed.version, &huge).unwrap_err().sqlstate(), "54000");
}

#[test]
fn parameters_take_the_types_of_their_columns() {
    let mut bed = items();
    let insert = "INSERT INTO items (id, name, price, day) VALUES ($1, $2, $3, $4)";
    let values = [Value::Integer(7), text("x"), Value::Double(2.25), text("2020-02-29")];
    bed.execute(insert, &values).unwrap();
    assert_eq!(bed.show("SELECT price, day FROM items WHERE id = $1", &[Value::SmallInt(7)]), "2.25,2020-02-29");
    assert_eq!(bed.sqlstate(insert, &[Value::Boolean(true), text("x"), Value::Null, Value::Null]), "42804");
    assert_eq!(bed.sqlstate(insert, &values[..2]), "08P01");
    assert_eq!(bed.sqlstate("INSERT INTO items (id, name) VALUES ($2, 'x')", &values[..2]), "42P18");
    bed.execute("UPDATE items SET price = price + $1 WHERE id = $2", &[Value::Integer(1), Value::Integer(7)]).unwrap();
    assert_eq!(bed.show("SELECT price FROM items WHERE id = 7", &[]), "3.25");
    assert_eq!(bed.sqlstate("DELETE FROM items WHERE id = $1", &[Value::Double(7.5)]), "22003");
    assert_eq!(bed.outcome("DELETE FROM items WHERE id = $1", &[Value::Null]).unwrap().affected, 0);
}

#[test]
fn conflict_keys_name_every_key_that_is_written() {
    let bed = items();
    let keys = |sql: &str| bed.outcome(sql, &[]).unwrap().conflict_keys;
    let inserted = keys("INSERT INTO items (id, name, code) VALUES (9, 'x', 9)");
    assert_eq!(inserted.len(), 2);
    assert_eq!(keys("INSERT INTO items (id, name) VALUES (9, 'x')").len(), 1, "a NULL conflicts with nothing");
    let moved = keys("UPDATE items SET id = 9 WHERE id = 1");
    assert_eq!(moved.len(), 3, "the old and the new primary key, and the unchanged code");
    assert!(inserted.iter().any(|key| moved.contains(key)), "two transactions that make the same key conflict");
    let deleted = keys("DELETE FROM items WHERE id = 1");
    assert_eq!(deleted.len(), 2);
    assert!(deleted.iter().all(|key| moved.contains(key)), "a delete and a move of the same row conflict");
}

#[test]
fn a_statement_is_planned_once() {
    let mut bed = items();
    let sql = "UPDATE items SET price = $2 WHERE id = $1";
    let first = bed.prepare(sql).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &bed.prepare(sql).unwrap()));
    bed.script("CREATE TABLE later (id INTEGER PRIMARY KEY)");
    assert!(!std::sync::Arc::ptr_eq(&first, &bed.prepare(sql).unwrap()), "another catalog, another plan");
}

/// A table as a map, and statements as functions on it.
#[derive(Clone, Debug)]
enum Change {
    Insert(Vec<(i64, i64)>),
    Ignore(Vec<(i64, i64)>),
    Merge(Vec<(i64, i64)>),
    Move { above: i64, by: i64 },
    Add { below: i64, by: i64 },
    Delete(i64),
}

fn change() -> impl Strategy<Value = Change> {
    let rows = || proptest::collection::vec((0..6_i64, 0..3_i64), 1..4);
    prop_oneof![
        rows().prop_map(Change::Insert),
        rows().prop_map(Change::Ignore),
        rows().prop_map(Change::Merge),
        (0..6_i64, -2..3_i64).prop_map(|(above, by)| Change::Move { above, by }),
        (0..6_i64, -2..3_i64).prop_map(|(below, by)| Change::Add { below, by }),
        (0..6_i64).prop_map(Change::Delete),
    ]
}

type Model = std::collections::BTreeMap<i64, i64>;

impl Change {
    fn sql(&self) -> String {
        let list = |rows: &[(i64, i64)]| rows.iter().map(|(k, v)| format!("({k}, {v})")).collect::<Vec<_>>().join(", ");
        match self {
            Change::Insert(rows) => format!("INSERT INTO t VALUES {}", list(rows)),
            Change::Ignore(rows) => format!("INSERT INTO t VALUES {} ON CONFLICT DO NOTHING", list(rows)),
            Change::Merge(rows) => {
                format!("INSERT INTO t VALUES {} ON CONFLICT (k) DO UPDATE SET v = t.v + excluded.v", list(rows))
            }
            Change::Move { above, by } => format!("UPDATE t SET k = k + {by} WHERE k > {above}"),
            Change::Add { below, by } => format!("UPDATE t SET v = v + {by} WHERE k < {below}"),
            Change::Delete(k) => format!("DELETE FROM t WHERE k = {k}"),
        }
    }

    /// The table after the statement, or the SQLSTATE with which it must fail.
    fn apply(&self, model: &Model) -> Result<Model, &'static str> {
        let mut next = model.clone();
        match self {
            Change::Insert(rows) => {
                for (k, v) in rows {
                    if next.insert(*k, *v).is_some() {
                        return Err("23505");
                    }
                }
            }
            Change::Ignore(rows) => rows.iter().for_each(|(k, v)| {
                next.entry(*k).or_insert(*v);
            }),
            Change::Merge(rows) => {
                let mut touched = std::collections::BTreeSet::new();
                for (k, v) in rows {
                    if !touched.insert(*k) {
                        return Err("21000");
                    }
                    *next.entry(*k).or_insert(0) += v;
                }
            }
            Change::Move { above, by } => {
                let moved: Vec<(i64, i64)> = next.range(above + 1..).map(|(k, v)| (k + by, *v)).collect();
                next.retain(|k, _| k <= above);
                for (k, v) in moved {
                    if next.insert(k, v).is_some() {
                        return Err("23505");
                    }
                }
            }
            Change::Add { below, by } => next.range_mut(..*below).for_each(|(_, v)| *v += by),
            Change::Delete(k) => {
                next.remove(k);
            }
        }
        Ok(next)
    }
}

proptest! {
    #![proptest_config(crate::testbed::cases(24))]

    #[test]
    fn histories_agree_with_a_map(changes in proptest::collection::vec(change(), 1..12)) {
        let mut bed = Testbed::new("CREATE TABLE t (k BIGINT PRIMARY KEY, v BIGINT NOT NULL)");
        let mut model = Model::new();
        for change in &changes {
            let (found, expected) = (bed.execute(&change.sql(), &[]), change.apply(&model));
            match expected {
                Ok(next) => {
                    prop_assert!(found.is_ok(), "{}: {:?}", change.sql(), found);
                    model = next;
                }
                Err(sqlstate) => prop_assert_eq!(found.map_err(|error| error.sqlstate()), Err(sqlstate)),
            }
            let rows: Vec<String> = model.iter().map(|(k, v)| format!("{k},{v}")).collect();
            prop_assert_eq!(bed.show("SELECT k, v FROM t ORDER BY k", &[]), rows.join("; "));
        }
    }
}

#[test]
fn a_delta_is_old_rows_out_and_new_rows_in() {
    let bed = items();
    let delta: Delta = bed.outcome("UPDATE items SET name = 'x' WHERE id = 1", &[]).unwrap().delta;
    let weights: Vec<i64> = delta.weights().iter().map(|weight| weight.0).collect();
    assert_eq!(weights, [-1, 1]);
    let unchanged = bed.outcome("UPDATE items SET name = name", &[]).unwrap().delta;
    assert_eq!(unchanged.consolidate().unwrap().len(), 0);
}
