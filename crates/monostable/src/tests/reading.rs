//! Reading: handles, keys, ranges, rows as Rust values and structs.

use serde::Deserialize;

use super::*;

#[test]
fn the_first_example() {
    let db = in_memory();
    shop(&db);
    let mut txn = db.begin().unwrap();
    txn.execute("INSERT INTO orders VALUES ($1, $2, $3)", params![1, "ann", 3000]).unwrap();
    txn.commit().unwrap();
    let spend = db.view("spend").unwrap();
    let row = spend.get(("ann",)).unwrap().unwrap();
    assert_eq!(row.get::<i64>("n").unwrap(), 1);
    assert_eq!(row.get::<i64>("total").unwrap(), 3000);
    assert!(spend.get(("bob",)).unwrap().is_none());
    assert_eq!(spend.key().iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["customer"]);
}

fn by_day() -> Database {
    let db = in_memory();
    db.execute("CREATE TABLE sale (id INTEGER PRIMARY KEY, shop TEXT, day INTEGER, cents BIGINT)").unwrap();
    db.execute("CREATE MATERIALIZED VIEW daily AS SELECT shop, day, sum(cents) AS cents FROM sale GROUP BY shop, day")
        .unwrap();
    let mut txn = db.begin().unwrap();
    for id in 0..300 {
        let shop = ["a", "b", "c"][id as usize % 3];
        txn.execute("INSERT INTO sale VALUES ($1, $2, $3, 10)", params![id, shop, id / 3]).unwrap();
    }
    txn.commit().unwrap();
    db
}

#[test]
fn prefixes_and_ranges_follow_the_key() {
    let db = by_day();
    let daily = db.view("daily").unwrap();
    let days = |rows: crate::ViewRows| -> Vec<(String, i32)> {
        rows.map(|row| row.unwrap()).map(|row| (row.get("shop").unwrap(), row.get("day").unwrap())).collect()
    };
    let of = |shop: &str, days: std::ops::Range<i32>| -> Vec<(String, i32)> {
        days.map(|day| (shop.to_owned(), day)).collect()
    };
    assert_eq!(days(daily.prefix(("b",)).unwrap()), of("b", 0..100));
    assert_eq!(days(daily.range(("b", 10)..("b", 13)).unwrap()), of("b", 10..13));
    assert_eq!(days(daily.range(("b", 10)..=("b", 13)).unwrap()), of("b", 10..14));
    assert_eq!(days(daily.range(("c", 98)..).unwrap()), of("c", 98..100));
    assert_eq!(days(daily.range(..("a", 2)).unwrap()), of("a", 0..2));
    assert_eq!(days(daily.range(("b",)..("c",)).unwrap()), of("b", 0..100));
    let excluded = (std::ops::Bound::Excluded(("a",)), std::ops::Bound::Included(("b",)));
    assert_eq!(days(daily.range::<(&str,)>(excluded).unwrap()), of("b", 0..100));
    assert!(days(daily.range(("b", 5)..("b", 5)).unwrap()).is_empty());
    assert!(days(daily.range(("c", 5)..("b", 5)).unwrap()).is_empty());
    assert_eq!(daily.scan().unwrap().count(), 300);
}

#[test]
fn keys_are_converted_exactly_or_refused() {
    let db = by_day();
    let daily = db.view("daily").unwrap();
    assert!(daily.get(("a", 5i64)).unwrap().is_some());
    assert!(daily.get(("a", 5i16)).unwrap().is_some());
    assert!(daily.get(("a", "5")).unwrap().is_some(), "text is read as the column's type");
    assert!(daily.get(&[Value::from("a"), Value::from(5)][..]).unwrap().is_some());
    assert_eq!(state_of(daily.get(("a", 5.5))), "42804");
    assert_eq!(state_of(daily.get(("a", i64::MAX))), "42804");
    assert!(matches!(daily.get(("a",)), Err(Error::KeyArity { expected: 2, given: 1, .. })));
    assert!(matches!(daily.prefix(("a", 1, 1)), Err(Error::KeyArity { expected: 2, given: 3, .. })));
}

#[test]
fn a_scan_stays_at_its_epoch_and_a_handle_moves_on() {
    let db = by_day();
    let daily = db.view("daily").unwrap();
    let mut scan = daily.scan().unwrap();
    let first = scan.next().unwrap().unwrap();
    let snapshot = db.snapshot();
    let then = snapshot.view("daily").unwrap();
    db.execute("DELETE FROM sale").unwrap();
    assert_eq!(first.get::<String>(0).unwrap(), "a");
    assert_eq!(scan.count(), 299);
    assert_eq!(daily.scan().unwrap().count(), 0);
    assert_eq!(then.scan().unwrap().count(), 300);
    assert!(then.get(("a", 5)).unwrap().is_some() && daily.get(("a", 5)).unwrap().is_none());
    assert_eq!(snapshot.query("SELECT count(*) FROM sale").unwrap().first().map(text).unwrap(), "300");
    assert_eq!(snapshot.query("SELECT count(*) FROM sale").unwrap().first().map(text).unwrap(), "300");
}

#[test]
fn a_row_that_a_view_holds_twice_comes_twice() {
    let db = in_memory();
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, x TEXT)").unwrap();
    db.execute("CREATE MATERIALIZED VIEW xs AS SELECT x FROM t").unwrap();
    db.execute("INSERT INTO t VALUES (1, 'p'), (2, 'p'), (3, NULL)").unwrap();
    assert_eq!(view_rows(&db, "xs").len(), 3);
    assert_eq!(db.view("xs").unwrap().prefix(("p",)).unwrap().count(), 2);
    assert!(db.view("xs").unwrap().get((None::<String>,)).unwrap().is_some());
}

#[derive(Debug, PartialEq, Deserialize)]
struct Everything {
    flag: bool,
    small: i16,
    plain: i32,
    big: u64,
    real: f32,
    double: f64,
    money: f64,
    name: String,
    day: String,
    maybe: Option<i32>,
    kind: Kind,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Cat,
    Dog,
}

#[test]
fn rows_become_structs_tuples_and_values() {
    let db = in_memory();
    db.execute(
        "CREATE TABLE t (flag BOOLEAN, small SMALLINT, plain INTEGER PRIMARY KEY, big BIGINT, \"real\" REAL, double DOUBLE PRECISION,
                         money NUMERIC(10, 2), name TEXT, day DATE, maybe INTEGER, kind TEXT, more INTEGER)",
    )
    .unwrap();
    let insert = "INSERT INTO t VALUES (true, 2, 3, 4, 0.5, 0.25, 12.34, 'ann', DATE '2013-01-02', NULL, 'dog', 1)";
    db.execute(insert).unwrap();
    db.execute("CREATE MATERIALIZED VIEW v AS SELECT * FROM t").unwrap();
    let expected = Everything {
        flag: true,
        small: 2,
        plain: 3,
        big: 4,
        real: 0.5,
        double: 0.25,
        money: 12.34,
        name: "ann".to_owned(),
        day: "2013-01-02".to_owned(),
        maybe: None,
        kind: Kind::Dog,
    };
    let from_query = db.query("SELECT * FROM t").unwrap().first().unwrap();
    assert_eq!(from_query.deserialize::<Everything>().unwrap(), expected);
    let from_view = db.view("v").unwrap().scan().unwrap().next().unwrap().unwrap();
    assert_eq!(from_view.deserialize::<Everything>().unwrap(), expected);
    let pair = db.query("SELECT name, big FROM t").unwrap().first().unwrap();
    assert_eq!(pair.deserialize::<(String, i64)>().unwrap(), ("ann".to_owned(), 4));
    assert!(pair.deserialize::<(String,)>().is_err());
    assert!(pair.deserialize::<String>().is_err());
    let single = db.query("SELECT maybe FROM t").unwrap().first().unwrap();
    assert_eq!(single.deserialize::<Option<i32>>().unwrap(), None);
    assert!(single.deserialize::<i32>().is_err());
    let map = pair.deserialize::<std::collections::BTreeMap<String, Option<String>>>();
    assert!(map.is_ok(), "a bigint is asked for as a string and has one: {map:?}");
}

#[test]
fn a_column_that_does_not_fit_is_an_error_that_says_so() {
    let db = in_memory();
    let row = db.query("SELECT 70000 AS n, NULL::integer AS missing, 1.5 AS half, 'x' AS t").unwrap().first().unwrap();
    assert_eq!(row.get::<i64>("n").unwrap(), 70000);
    assert_eq!(state_of(row.get::<i16>("n")), "42804");
    assert_eq!(state_of(row.get::<i32>("missing")), "42804");
    assert_eq!(row.get::<Option<i32>>("missing").unwrap(), None);
    assert!(row.get::<i64>("half").is_err());
    assert_eq!(row.get::<f64>("half").unwrap(), 1.5);
    assert_eq!(state_of(row.get::<i64>("t")), "42804");
    assert_eq!(state_of(row.get::<i64>("nope")), "42703");
    assert_eq!(state_of(row.get::<i64>(9)), "42703");
}

#[test]
fn the_same_answer_as_arrow() {
    let db = by_day();
    let batches = db.query_arrow("SELECT id FROM sale ORDER BY id").unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 300);
    assert_eq!(batches[0].schema().field(0).name(), "id");
}
