//! The commit pipeline: groups that fail (G7), a log that fails, queues that fill, and many threads at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use monostable_vfs::{Fault, Operation};

use super::*;

#[test]
fn a_commit_that_makes_a_view_undefined_is_refused_and_names_it() {
    let db = in_memory();
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, a INTEGER, b INTEGER)").unwrap();
    db.execute("CREATE MATERIALIZED VIEW ratio AS SELECT k, a / b AS r FROM t").unwrap();
    db.execute("CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n FROM t").unwrap();
    db.execute("INSERT INTO t VALUES (1, 6, 3)").unwrap();
    let before = db.epoch();
    let error = db.execute("INSERT INTO t VALUES (2, 1, 0)").unwrap_err();
    assert_eq!(error.sqlstate(), "22012");
    assert!(matches!(&error, Error::ViewUndefined { views, .. } if views == &["ratio"]), "{error}");
    assert!(error.to_string().contains("\"ratio\""));
    assert_eq!(db.epoch(), before);
    assert_eq!(rows(&db, "SELECT k FROM t"), ["1"]);
    assert_eq!(view_rows(&db, "ratio"), ["1|2"]);
    assert_eq!(view_rows(&db, "total"), ["1"]);
}

#[test]
fn the_innocent_of_a_failing_group_commit() {
    let db = in_memory();
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, d INTEGER)").unwrap();
    db.execute("CREATE MATERIALIZED VIEW inverse AS SELECT k, 100 / d AS q FROM t").unwrap();
    // A build holds the commit lock's place: everybody queues up behind it, so that groups form.
    let outcomes: Vec<(i32, bool)> = std::thread::scope(|scope| {
        let commit = |k: i32| {
            let db = &db;
            scope.spawn(move || (k, db.execute_with("INSERT INTO t VALUES ($1, $2)", params![k, k % 5]).is_ok()))
        };
        let writers: Vec<_> = (1..=40).map(commit).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    for (k, committed) in outcomes {
        assert_eq!(committed, k % 5 != 0, "transaction {k}");
    }
    assert_eq!(rows(&db, "SELECT count(*) FROM t"), ["32"]);
    assert_eq!(view_rows(&db, "inverse").len(), 32);
    assert_sound(&db);
}

#[test]
fn every_reader_sees_tables_and_views_of_one_epoch() {
    let disk = MemoryStorage::new();
    let mut options = manual(&disk);
    options.background = Background::Thread;
    options.checkpoint_log_bytes = 64 << 10;
    let db = Database::open_with(options).unwrap();
    shop(&db);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (mut reads, mut last) = (0, db.epoch());
                    while !stop.load(Ordering::Relaxed) || reads == 0 {
                        let snapshot = db.snapshot();
                        assert!(snapshot.epoch() >= last, "time does not go back");
                        last = snapshot.epoch();
                        let table =
                            "SELECT customer, sum(cents), count(*) FROM orders GROUP BY customer ORDER BY customer";
                        let from_table: Vec<_> = snapshot.query(table).unwrap().iter().map(text).collect();
                        let mut from_view: Vec<_> =
                            snapshot.view("spend").unwrap().scan().unwrap().map(|row| text(row.unwrap())).collect();
                        from_view.sort();
                        assert_eq!(from_table, from_view);
                        reads += 1;
                    }
                })
            })
            .collect();
        let writers: Vec<_> = (0..3i64)
            .map(|writer| {
                let db = &db;
                scope.spawn(move || {
                    for n in 0..60 {
                        order(db, writer * 1000 + n, ["ann", "bob", "cy"][n as usize % 3], n);
                        let spend = db.view("spend").unwrap();
                        let key = ["ann", "bob", "cy"][n as usize % 3];
                        assert!(spend.get((key,)).unwrap().is_some(), "a writer reads its own write");
                        if n % 4 == 3 {
                            let id = writer * 1000 + n - 1;
                            db.execute_with("DELETE FROM orders WHERE id = $1", params![id]).unwrap();
                        }
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        stop.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert_eq!(rows(&db, "SELECT count(*) FROM orders"), ["135"]);
    assert_sound(&db);
    db.close().unwrap();
}

#[test]
fn a_failed_sync_poisons_writers_and_leaves_readers_alone() {
    let disk = MemoryStorage::new();
    let db = Database::open_with(manual(&disk)).unwrap();
    shop(&db);
    order(&db, 1, "ann", 5);
    let spend = db.view("spend").unwrap();
    let epoch = db.epoch();
    disk.inject(Fault { operation: Operation::Sync, nth: 1, sticky: false });
    let error = db.execute("INSERT INTO orders VALUES (2, 'ann', 5)").unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
    assert!(!error.outcome_is_known());
    disk.clear_faults();
    let later = db.execute("INSERT INTO orders VALUES (3, 'ann', 5)").unwrap_err();
    assert!(matches!(later, Error::Poisoned { .. }), "{later}");
    let ddl = db.execute("CREATE TABLE other (k INTEGER)").unwrap_err();
    assert!(matches!(ddl, Error::Poisoned { .. }), "{ddl}");
    assert_eq!((db.epoch(), spend.get(("ann",)).unwrap().unwrap().get::<i64>("n").unwrap()), (epoch, 1));
    assert_eq!(rows(&db, "SELECT count(*) FROM orders"), ["1"]);
    drop((db, spend));
    let db = Database::open_with(manual(&disk)).unwrap();
    let count = db.view("spend").unwrap().get(("ann",)).unwrap().unwrap().get::<i64>("n").unwrap();
    assert!((1..=2).contains(&count), "the acknowledged order is there, the unknown one may be: {count}");
    assert_sound(&db);
}

#[test]
fn a_full_disk_refuses_writes_and_lets_them_go_on_when_there_is_room() {
    let disk = MemoryStorage::new();
    let db = Database::open_with(manual(&disk)).unwrap();
    shop(&db);
    order(&db, 1, "ann", 5);
    disk.set_capacity(Some(disk.used_bytes()));
    let big = "x".repeat(200_000);
    let error = db.execute_with("INSERT INTO orders VALUES (2, $1, 5)", params![big.as_str()]).unwrap_err();
    assert!(error.outcome_is_known(), "{error}");
    disk.set_capacity(None);
    order(&db, 3, "ann", 5);
    assert_eq!(rows(&db, "SELECT id FROM orders ORDER BY id"), ["1", "3"]);
    assert_sound(&db);
}

#[test]
fn a_transaction_over_the_limit_is_refused() {
    let mut options = Options::in_memory();
    options.transaction_bytes_max = 10_000;
    let db = Database::open_with(options).unwrap();
    db.execute("CREATE TABLE t (x TEXT)").unwrap();
    let error = db.execute_with("INSERT INTO t VALUES ($1)", params!["y".repeat(20_000)]).unwrap_err();
    assert_eq!(error.sqlstate(), "54000");
    assert_eq!(rows(&db, "SELECT count(*) FROM t"), ["0"]);
}

#[test]
fn a_full_memory_without_relief_is_an_overload_in_bounded_time() {
    let disk = MemoryStorage::new();
    let mut options = manual(&disk);
    options.memory_bytes_max = 64 << 10;
    options.commit_wait_max = Duration::from_millis(20);
    let db = Database::open_with(options).unwrap();
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, x TEXT)").unwrap();
    let filler = "z".repeat(4_000);
    let insert = |k: i32| db.execute_with("INSERT INTO t VALUES ($1, $2)", params![k, filler.as_str()]);
    let refused = (0..1000).find_map(|k| insert(k).err()).unwrap();
    assert!(matches!(refused, Error::Overloaded { .. }), "{refused}");
    assert_eq!(refused.sqlstate(), "53000");
    while db.background_step().unwrap() {}
    insert(5000).unwrap();
    assert_sound(&db);
}

#[test]
fn a_writer_waits_for_the_commit_lock_only_so_long() {
    let mut options = Options::in_memory();
    options.commit_wait_max = Duration::from_millis(20);
    let db = Database::open_with(options).unwrap();
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY)").unwrap();
    let held = db.pipeline().exclusive().unwrap();
    let refused = std::thread::scope(|scope| scope.spawn(|| db.execute("INSERT INTO t VALUES (1)")).join().unwrap());
    assert!(matches!(refused, Err(Error::Overloaded { .. })), "{refused:?}");
    assert_eq!(rows(&db, "SELECT count(*) FROM t"), ["0"], "readers do not feel it");
    drop(held);
    db.execute("INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(rows(&db, "SELECT k FROM t"), ["2"], "who gave up has not written");
}

/// A leader went on leading until its own transaction was in a group, and flushed only then. With two groups before that one
/// it waited for a lane which nobody but itself would have freed.
#[test]
fn a_leader_whose_transaction_comes_after_many_groups_does_not_wait_for_itself() {
    let disk = MemoryStorage::new();
    let mut options = manual(&disk);
    options.group_bytes_max = 1;
    let db = Database::open_with(options).unwrap();
    db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY)").unwrap();
    let held = db.pipeline().exclusive().unwrap();
    std::thread::scope(|scope| {
        let insert = |k: i32| db.execute_with("INSERT INTO t VALUES ($1)", params![k]).map(drop);
        let writers: Vec<_> =
            (0..8).map(|w| scope.spawn(move || (0..40).try_for_each(|n| insert(w * 40 + n)))).collect();
        drop(held);
        writers.into_iter().for_each(|writer| writer.join().unwrap().unwrap());
    });
    assert_eq!(rows(&db, "SELECT count(*) FROM t"), ["320"]);
    assert_sound(&db);
}
