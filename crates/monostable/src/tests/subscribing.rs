//! Subscriptions: nothing is lost, nothing comes twice, and nobody waits for a subscriber.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

/// What a view holds, as a multiset of rows.
fn contents(view: &crate::View) -> BTreeMap<String, i64> {
    let mut held = BTreeMap::new();
    for row in view.scan().unwrap() {
        *held.entry(text(row.unwrap())).or_default() += 1;
    }
    held
}

#[test]
fn the_start_plus_the_changes_are_the_view() {
    let db = in_memory();
    shop(&db);
    order(&db, 0, "ann", 1);
    let spend = db.view("spend").unwrap();
    let (mut held, changes) = std::thread::scope(|scope| {
        for writer in 0..3i64 {
            let db = &db;
            scope.spawn(move || (1..40).for_each(|n| order(db, writer * 100 + n, ["ann", "bob"][n as usize % 2], n)));
        }
        let changes = spend.subscribe().unwrap();
        let held = contents(&changes.start().view("spend").unwrap());
        (held, changes)
    });
    db.close().unwrap();
    let mut last = changes.start().epoch();
    for change in changes {
        let change = change.unwrap();
        assert!(change.epoch >= last, "epochs come in order");
        last = change.epoch;
        let key = text(change.row);
        let weight = held.entry(key.clone()).or_default();
        *weight += change.weight;
        if *weight == 0 {
            held.remove(&key);
        }
    }
    assert_eq!(held, contents(&spend));
}

#[test]
fn who_does_not_keep_up_is_told_and_nobody_waits() {
    let mut options = Options::in_memory();
    options.subscription_rows_max = 10;
    let db = Database::open_with(options).unwrap();
    shop(&db);
    let mut changes = db.view("spend").unwrap().subscribe().unwrap();
    (0..20).for_each(|n| order(&db, n, "ann", n));
    assert!(matches!(changes.next(), Some(Err(Error::SubscriptionLagged { rows_max: 10 }))));
    assert!(changes.next().is_none());
}

#[test]
fn a_dropped_view_ends_its_subscriptions_after_their_changes() {
    let db = in_memory();
    shop(&db);
    let mut changes = db.view("spend").unwrap().subscribe().unwrap();
    assert!(changes.next_within(Duration::ZERO).unwrap().is_none());
    order(&db, 1, "ann", 5);
    db.execute("DROP MATERIALIZED VIEW spend").unwrap();
    let change = changes.next().unwrap().unwrap();
    assert_eq!((change.weight, change.row.get::<String>("customer").unwrap()), (1, "ann".to_owned()));
    assert!(matches!(changes.next(), Some(Err(Error::Dropped { .. }))));
    assert!(changes.next().is_none());
}

#[test]
fn a_snapshot_has_nothing_to_subscribe_to() {
    let db = in_memory();
    shop(&db);
    assert_eq!(state_of(db.snapshot().view("spend").unwrap().subscribe()), "42601");
}
