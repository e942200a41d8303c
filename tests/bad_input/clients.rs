//! Callers who vanish half way, and those who do not read what they asked for.

use monostable::{Options, params};

use super::*;

#[test]
fn a_transaction_that_is_dropped_half_way_leaves_nothing() {
    let db = shop();
    let before = db.epoch();
    for _ in 0..50 {
        let mut txn = db.begin().unwrap();
        txn.execute("INSERT INTO orders VALUES (2, 'bob', 5)", &[]).unwrap();
        txn.execute("DELETE FROM orders WHERE id = 1", &[]).unwrap();
        assert!(txn.execute("INSERT INTO orders VALUES (2, 'bob', 5)", &[]).is_err());
        drop(txn);
    }
    let mut session = db.session();
    session.execute("BEGIN; INSERT INTO orders VALUES (3, 'cy', 5)").unwrap();
    drop(session);
    refused(db.execute("BEGIN; INSERT INTO orders VALUES (4, 'di', 5)"), "25001");
    assert_eq!(db.epoch(), before);
    assert_goes_on(&db);
}

#[test]
fn a_thread_that_panics_in_a_transaction_takes_nothing_with_it() {
    let db = shop();
    let other = db.clone();
    let thread = std::thread::Builder::new().name("expected to panic".to_owned());
    let ended = thread.spawn(move || {
        let mut txn = other.begin().unwrap();
        txn.execute("DELETE FROM orders", &[]).unwrap();
        let _half_way = other.view("spend").unwrap().scan().unwrap();
        std::panic::resume_unwind(Box::new("gone"));
    });
    assert!(ended.unwrap().join().is_err());
    assert_goes_on(&db);
}

#[test]
fn readers_that_stop_half_way_hold_nothing_up() {
    let db = shop();
    for id in 10..200i64 {
        db.execute_with("INSERT INTO orders VALUES ($1, $2, 1)", params![id, format!("c{id}")]).unwrap();
    }
    let mut scan = db.view("spend").unwrap().scan().unwrap();
    assert!(scan.next().unwrap().is_ok());
    let held = db.snapshot();
    db.execute("DELETE FROM orders WHERE id >= 10").unwrap();
    // What was begun goes on at its own epoch, also when the view is gone.
    let view = db.view("spend").unwrap();
    db.execute("DROP MATERIALIZED VIEW spend").unwrap();
    assert_eq!(scan.map(|row| row.map(drop)).collect::<Result<Vec<_>, _>>().unwrap().len(), 190);
    assert_eq!(held.query("SELECT count(*) FROM spend").unwrap().first().unwrap().get::<i64>(0).unwrap(), 191);
    refused(view.get(("ann",)), "42P01");
    db.execute("CREATE MATERIALIZED VIEW spend AS SELECT customer, sum(cents) AS total, count(*) AS n FROM orders GROUP BY customer").unwrap();
    refused(view.get(("ann",)), "42P01");
    drop(held);
    assert_goes_on(&db);
}

#[test]
fn a_subscriber_that_vanishes_or_sleeps_is_nobody_elses_concern() {
    let mut options = Options::in_memory();
    options.subscription_rows_max = 10;
    let db = Database::open_with(options).unwrap();
    db.execute(SHOP).unwrap();
    let view = db.view("spend").unwrap();
    drop(view.subscribe().unwrap());
    let mut sleeper = view.subscribe().unwrap();
    let mut gone = view.subscribe().unwrap();
    db.execute("INSERT INTO orders VALUES (2, 'bob', 5)").unwrap();
    let change = gone.next().unwrap().unwrap();
    assert_eq!((text(&change.row).as_str(), change.weight), ("bob|5|1", 1));
    drop(gone);
    for id in 3..40i64 {
        db.execute_with("INSERT INTO orders VALUES ($1, $2, 1)", params![id, format!("c{id}")]).unwrap();
    }
    refused(sleeper.next().unwrap(), "53400");
    assert!(sleeper.next().is_none());
    db.execute("DELETE FROM orders WHERE id > 1").unwrap();
    assert_goes_on(&db);
}

#[test]
fn parameters_that_do_not_fit_are_refused() {
    let db = shop();
    let insert = "INSERT INTO orders VALUES ($1, $2, $3)";
    refused(db.execute(insert), "08P01");
    refused(db.execute_with(insert, params![2, "bob"]), "08P01");
    refused(db.execute_with(insert, params![2, "bob", 1, 1]), "08P01");
    refused(db.execute_with(insert, params!["two", "bob", 1]), "22P02");
    refused(db.execute_with(insert, params![2, "bob", f64::NAN]), "22003");
    refused(db.execute_with(insert, params![None::<i64>, "bob", 1]), "23502");
    refused(db.execute_with(insert, params![1, "again", 1]), "23505");
    assert_goes_on(&db);
}
