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

/// A view over several runs, with rows that were changed, rows that are gone, and texts that must be escaped.
fn changed(rows: i32) -> (MemoryStorage, Database) {
    let disk = MemoryStorage::new();
    let db = Database::open_with(manual(&disk)).unwrap();
    db.execute("CREATE TABLE t (g INTEGER, k INTEGER, x TEXT, y BYTEA, PRIMARY KEY (g, k))").unwrap();
    db.execute("CREATE MATERIALIZED VIEW v AS SELECT g, k, x, y FROM t").unwrap();
    db.execute("CREATE MATERIALIZED VIEW xs AS SELECT x FROM t").unwrap();
    for round in 0..4 {
        let mut txn = db.begin().unwrap();
        for k in (0..rows).filter(|k| k % 4 >= round) {
            let long = if k % 97 == 0 { 3000 } else { 1 };
            let text = ["", "plain", "nul\u{0}", "ä\u{1}"][(k + round) as usize % 4].repeat(long);
            let bytes = if k % 5 == 0 { Value::Null } else { Value::Bytea(vec![0, k as u8, 1]) };
            txn.execute(
                "INSERT INTO t VALUES ($1, $2, $3, $4) ON CONFLICT (g, k) DO UPDATE SET x = excluded.x",
                params![k % 7, k, text, bytes],
            )
            .unwrap();
        }
        txn.execute("DELETE FROM t WHERE k = $1", params![round * 10]).unwrap();
        txn.commit().unwrap();
        if round == 1 {
            db.checkpoint().unwrap();
        }
    }
    (disk, db)
}

#[test]
fn rows_are_lent_as_they_are_copied() {
    for rows in [3, 40, 2600] {
        let (_disk, db) = changed(rows);
        for view in ["v", "xs"].map(|name| db.view(name).unwrap()) {
            let copied = |rows: crate::ViewRows| rows.map(|row| row.unwrap().values().unwrap()).collect::<Vec<_>>();
            let lent = |rows: crate::PinnedRows<'_>| rows.map(|row| row.unwrap().values().unwrap()).collect::<Vec<_>>();
            let pinned = view.pin().unwrap();
            assert_eq!(pinned.epoch(), db.epoch());
            let all = copied(view.scan().unwrap());
            assert_eq!(lent(pinned.scan().unwrap()), all);
            assert!(all.iter().map(|row| &row[0]).is_sorted());
            for row in all.iter().step_by(rows as usize / 3) {
                let first = &row[..1];
                assert_eq!(lent(pinned.prefix(first).unwrap()), copied(view.prefix(first).unwrap()));
                assert_eq!(lent(pinned.range(first..).unwrap()), copied(view.range(first..).unwrap()));
                assert_eq!(lent(pinned.range(..=first).unwrap()), copied(view.range(..=first).unwrap()));
            }
        }
        let (view, sql) = (db.view("v").unwrap(), "SELECT g, k, x, y FROM t ORDER BY g, k");
        let queried: Vec<Vec<Value>> = db.query(sql).unwrap().iter().map(|row| row.values().unwrap()).collect();
        assert_eq!(
            view.pin().unwrap().scan().unwrap().map(|row| row.unwrap().values().unwrap()).collect::<Vec<_>>(),
            queried
        );
    }
}

#[test]
fn a_lent_row_reads_as_its_copy() {
    let (_disk, db) = changed(300);
    let view = db.view("v").unwrap();
    let pinned = view.pin().unwrap();
    for key in 0..300 {
        let key = (key % 7, key);
        let (lent, copied) = (pinned.get(key).unwrap(), view.get(key).unwrap());
        let (Some(lent), Some(copied)) = (lent, copied) else {
            assert!(lent.is_none() && view.get(key).unwrap().is_none() && key.1 % 10 == 0);
            continue;
        };
        assert_eq!(lent.values().unwrap(), copied.values().unwrap());
        assert_eq!(lent.to_row().values().unwrap(), copied.values().unwrap());
        assert_eq!(lent.text("x").unwrap().unwrap(), copied.get::<String>("x").unwrap());
        assert_eq!(&*lent.bytes("x").unwrap().unwrap(), copied.get::<String>("x").unwrap().as_bytes());
        assert_eq!(lent.bytes(3).unwrap().map(|bytes| bytes.into_owned()), copied.get::<Option<Vec<u8>>>(3).unwrap());
        assert_eq!(lent.get::<i32>("k").unwrap(), key.1);
        assert_eq!(state_of(lent.text("k")), "42804");
        assert_eq!(state_of(lent.bytes("k")), "42804");
        assert_eq!(state_of(lent.text("nope")), "42703");
        assert_eq!(state_of(lent.bytes(9)), "42703");
    }
    assert!(pinned.get((0, 301)).unwrap().is_none());
    assert!(matches!(pinned.get((0,)), Err(Error::KeyArity { expected: 2, given: 1, .. })));
    assert_eq!(pinned.range((5, 1)..(4, 1)).unwrap().count(), 0);
}

#[test]
fn a_pin_stays_at_its_epoch() {
    let db = by_day();
    let daily = db.view("daily").unwrap();
    let pinned = daily.pin().unwrap();
    let kept = pinned.get(("a", 5)).unwrap().unwrap().to_row();
    db.execute("DELETE FROM sale").unwrap();
    assert_eq!((pinned.scan().unwrap().count(), daily.scan().unwrap().count()), (300, 0));
    assert!(pinned.get(("a", 5)).unwrap().is_some() && daily.pin().unwrap().get(("a", 5)).unwrap().is_none());
    drop(pinned);
    db.execute("DROP MATERIALIZED VIEW daily").unwrap();
    assert_eq!(kept.get::<i32>("day").unwrap(), 5);
    assert!(matches!(daily.pin(), Err(Error::Dropped { .. })));
}
