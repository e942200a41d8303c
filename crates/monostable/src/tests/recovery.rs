//! Opening again: after a clean close, after a crash at every point, and when it must be refused.

use std::sync::Arc;

use monostable_types::{DataType, RowCodec};
use monostable_vfs::{Fault, Operation, OsStorage, Storage};
use monostable_wal::{Wal, WalOptions};

use super::*;
use crate::record::RecordWriter;

/// The entries of one arrangement, with their weights.
type Entries = Vec<(Vec<u8>, i64)>;

/// Everything that readers can see, entry for entry.
fn image(db: &Database) -> Vec<(u32, Entries)> {
    let state = db.published();
    let mut image = Vec::new();
    for (id, spine) in state.version.spines() {
        let mut entries = spine.prefix(b"").unwrap();
        let mut held = Vec::new();
        while let Some((entry, weight)) = entries.next().transpose().unwrap() {
            held.push((entry.to_vec(), weight.0));
        }
        image.push((id.0, held));
    }
    // Opening plans the views in an order of its own.
    image.sort();
    image
}

fn open(disk: &MemoryStorage) -> Database {
    Database::open_with(manual(disk)).unwrap()
}

/// Opens a copy of the disk, as a process that starts after a crash at this moment would.
fn after_crash(disk: &MemoryStorage) -> Database {
    open(&disk.fork())
}

#[test]
fn every_acknowledged_commit_is_there_after_a_crash_at_any_point() {
    let disk = MemoryStorage::new();
    let db = open(&disk);
    shop(&db);
    for n in 0..40i64 {
        order(&db, n, ["ann", "bob", "cy"][n as usize % 3], n);
        if n % 5 == 4 {
            db.execute_with("DELETE FROM orders WHERE id = $1", params![n - 2]).unwrap();
        }
        if n % 3 == 0 {
            db.background_step().unwrap();
        }
        if n % 13 == 12 {
            db.checkpoint().unwrap();
        }
        let again = after_crash(&disk);
        assert_eq!((again.epoch(), image(&again)), (db.epoch(), image(&db)), "after order {n}");
        assert_eq!(view_rows(&again, "spend"), view_rows(&db, "spend"));
    }
    assert_sound(&after_crash(&disk));
}

/// Replay applies groups together. Whatever was written, changed back and deleted in them, the state is that of one group
/// after the other.
#[test]
fn groups_replayed_together_give_what_they_gave_one_by_one() {
    let disk = MemoryStorage::new();
    let db = open(&disk);
    db.execute(
        "CREATE TABLE l (k INTEGER PRIMARY KEY, x INTEGER); CREATE TABLE r (k INTEGER PRIMARY KEY, y INTEGER);
         CREATE MATERIALIZED VIEW pairs AS SELECT l.k, x + y AS z FROM l JOIN r ON l.k = r.k;
         CREATE MATERIALIZED VIEW sums AS SELECT x, sum(k) AS s, min(k) AS least, count(DISTINCT k) AS n FROM l GROUP BY x;
         CREATE MATERIALIZED VIEW first AS SELECT k, x FROM l ORDER BY x DESC LIMIT 3;
         CREATE MATERIALIZED VIEW either AS SELECT DISTINCT x FROM l UNION SELECT y FROM r",
    )
    .unwrap();
    let mut groups = 0;
    for n in 0..120i32 {
        let table = if n % 2 == 0 { "l" } else { "r" };
        let key = n * 7 % 20;
        let sql = match n % 5 {
            0 | 1 | 3 => {
                format!("INSERT INTO {table} VALUES ({key}, {}) ON CONFLICT (k) DO UPDATE SET k = {key}", n % 4)
            }
            2 => format!("UPDATE l SET x = x + 1 WHERE k < {key}"),
            _ => format!("DELETE FROM {table} WHERE k % 3 = {}", n % 3),
        };
        let before = db.epoch();
        db.execute(&sql).unwrap();
        groups += u64::from(db.epoch() > before);
        if n == 30 {
            db.checkpoint().unwrap();
            groups = 0;
        }
        let again = after_crash(&disk);
        assert_eq!((again.epoch(), image(&again)), (db.epoch(), image(&db)), "after {sql}");
        assert_eq!(again.stats().lsn, db.stats().lsn);
        if n >= 30 {
            assert_eq!(again.stats().open.groups_replayed, groups);
        }
        if n % 40 == 39 {
            assert_sound(&again);
        }
    }
}

/// Row 1 of `r` is gone before row 1 of `l` comes with a value that must not be divided by: the pair never was, but a step over both
/// groups makes it and takes it away.
#[test]
fn a_pair_that_never_was_does_not_stop_replay() {
    let disk = MemoryStorage::new();
    let db = open(&disk);
    db.execute(
        "CREATE TABLE l (k INTEGER PRIMARY KEY, x INTEGER); CREATE TABLE r (k INTEGER PRIMARY KEY, y INTEGER);
         CREATE MATERIALIZED VIEW ratio AS SELECT l.k, y / x AS z FROM l JOIN r ON l.k = r.k",
    )
    .unwrap();
    db.execute("INSERT INTO r VALUES (1, 10), (2, 20)").unwrap();
    db.execute("INSERT INTO l VALUES (2, 5)").unwrap();
    db.checkpoint().unwrap();
    db.execute("DELETE FROM r WHERE k = 1").unwrap();
    db.execute("INSERT INTO l VALUES (1, 0)").unwrap();
    assert_eq!(state_of(db.execute("INSERT INTO r VALUES (1, 10)")), "22012");
    db.execute("DELETE FROM l WHERE k = 1").unwrap();
    db.execute("INSERT INTO r VALUES (1, 10)").unwrap();
    let again = after_crash(&disk);
    assert_eq!((again.epoch(), image(&again)), (db.epoch(), image(&db)));
    assert_eq!(view_rows(&again, "ratio"), ["2|4"]);
    assert_sound(&again);
    db.execute("DELETE FROM r WHERE k = 1").unwrap();
    db.execute("INSERT INTO l VALUES (1, 0)").unwrap();
    let again = after_crash(&disk);
    assert_eq!((again.epoch(), image(&again)), (db.epoch(), image(&db)));
}

/// Replay does not look for the rows that the log takes away: they were there when it was written. A log that is whole and yet
/// belongs to another state does not pass unseen all the same: `check` finds a row that is there less than no times.
#[test]
fn a_log_that_takes_away_what_was_never_there_is_found_by_check() {
    let disk = MemoryStorage::new();
    let db = open(&disk);
    db.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, customer TEXT, cents BIGINT)").unwrap();
    order(&db, 1, "ann", 1);
    let (table, state) = (db.published().catalog.tables().next().unwrap().id.0, db.published());
    let mut row = Vec::new();
    let codec = RowCodec::new(&[DataType::BigInt, DataType::Text, DataType::BigInt]);
    codec.encode_values(&[Value::BigInt(2), Value::Text("bob".into()), Value::BigInt(5)], &mut row).unwrap();
    db.close().unwrap();
    let mut record = RecordWriter::new(state.epoch().next().0, 1);
    record.table(table, 1, [(row.as_slice(), -1)].into_iter());
    drop(db);
    let mut log = WalOptions::default();
    log.segment_bytes = 64 << 10;
    let (wal, _) = Wal::open(Arc::new(disk.clone()), log).unwrap();
    wal.commit(&[&record.finish()]).unwrap();
    drop(wal);
    let report = open(&disk).check().unwrap();
    let found: Vec<_> = report.differences.iter().map(|d| (&*d.relation, &*d.row, d.expected, d.found)).collect();
    assert!(found.contains(&("orders", "2, bob, 5", 0, -1)), "{report:?}");
}

#[test]
fn unsynced_bytes_are_not_needed() {
    let disk = MemoryStorage::tracking_syncs();
    let db = open(&disk);
    shop(&db);
    for n in 0..30i64 {
        order(&db, n, "ann", n);
        if n % 10 == 9 {
            db.checkpoint().unwrap();
        }
        let again = open(&disk.fork_durable());
        assert_eq!((again.epoch(), image(&again)), (db.epoch(), image(&db)), "after order {n}");
    }
}

#[test]
fn a_clean_close_leaves_nothing_to_replay() {
    let disk = MemoryStorage::new();
    let db = open(&disk);
    shop(&db);
    order(&db, 1, "ann", 5);
    let before = image(&db);
    db.close().unwrap();
    let db = open(&disk);
    assert_eq!(image(&db), before);
    assert_eq!(db.stats().open.groups_replayed, 0);
    order(&db, 2, "ann", 6);
    drop(db);
    let db = open(&disk);
    assert_eq!(db.stats().open.groups_replayed, 1);
    assert_eq!(view_rows(&db, "spend"), ["ann|11|2"]);
}

#[test]
fn opening_twice_changes_nothing() {
    let disk = MemoryStorage::new();
    let db = open(&disk);
    shop(&db);
    order(&db, 1, "ann", 5);
    order(&db, 2, "bob", 5);
    let (epoch, before) = (db.epoch(), image(&db));
    drop(db);
    for _ in 0..3 {
        let db = open(&disk);
        assert_eq!((db.epoch(), image(&db)), (epoch, before.clone()));
    }
}

#[test]
fn tables_dropped_after_the_last_checkpoint_do_not_disturb_replay() {
    let disk = MemoryStorage::new();
    let db = open(&disk);
    db.execute("CREATE TABLE gone (k INTEGER); CREATE TABLE kept (k INTEGER)").unwrap();
    db.execute("INSERT INTO gone VALUES (1); INSERT INTO kept VALUES (1)").unwrap();
    db.execute("DROP TABLE gone").unwrap();
    db.execute("INSERT INTO kept VALUES (2)").unwrap();
    db.execute("CREATE TABLE gone (k TEXT)").unwrap();
    db.execute("INSERT INTO gone VALUES ('new')").unwrap();
    let again = after_crash(&disk);
    assert_eq!(rows(&again, "SELECT k FROM kept ORDER BY k"), ["1", "2"]);
    assert_eq!(rows(&again, "SELECT k FROM gone"), ["new"]);
    assert_sound(&again);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let disk = MemoryStorage::new();
    let db = open(&disk);
    let error = Database::open_with(manual(&disk)).unwrap_err();
    assert!(
        matches!(&error, Error::Storage(source) if matches!(**source, monostable_vfs::Error::Locked { .. })),
        "{error}"
    );
    assert_eq!(error.sqlstate(), "55006");
    let view_outlives = {
        shop(&db);
        db.view("spend").unwrap()
    };
    db.close().unwrap();
    drop(db);
    let again = open(&disk);
    assert!(view_outlives.get(("ann",)).unwrap().is_none(), "a handle reads the last state after close");
    drop(again);
}

#[test]
fn a_closed_database_says_so() {
    let disk = MemoryStorage::new();
    let db = open(&disk);
    shop(&db);
    let mut txn = db.begin().unwrap();
    txn.execute("INSERT INTO orders VALUES (1, 'ann', 1)", &[]).unwrap();
    db.close().unwrap();
    db.close().unwrap();
    assert!(matches!(txn.commit(), Err(Error::Closed)));
    assert!(matches!(db.execute("INSERT INTO orders VALUES (2, 'ann', 1)"), Err(Error::Closed)));
}

#[test]
fn on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop");
    let db = Database::open(&path).unwrap();
    shop(&db);
    for n in 0..20 {
        order(&db, n, "ann", 1);
    }
    assert_eq!(state_of(Database::open(&path)), "55006");
    let before = image(&db);
    drop(db);
    let db = Database::open(&path).unwrap();
    assert_eq!(image(&db), before);
    assert_sound(&db);
    db.close().unwrap();
    let db = Database::open(&path).unwrap();
    assert_eq!((image(&db), view_rows(&db, "spend")), (before, vec!["ann|20|20".to_owned()]));
}

/// What a lookup is about to read is asked of the disk ahead, from all runs and for many keys at once. That answers nothing: in
/// files that are mapped, with a unit damaged here and there, each read is right or says that the file is damaged.
#[test]
fn what_is_read_ahead_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop");
    let options = || {
        let mut options = Options::at(&path);
        options.background = Background::Manual;
        options
    };
    let db = Database::open_with(options()).unwrap();
    shop(&db);
    let rows = 3_000;
    // The second run in files is too short to be merged with the first.
    for (from, to) in [(0, rows), (rows, rows + rows / 10)] {
        let values: Vec<String> = (from..to).map(|n| format!("({n}, 'c{n}', {n})")).collect();
        db.execute(&format!("INSERT INTO orders VALUES {}", values.join(","))).unwrap();
        db.checkpoint().unwrap();
    }
    assert!(db.stats().arrangements.iter().any(|arrangement| arrangement.runs > 1));
    let before = image(&db);
    db.close().unwrap();
    drop(db);
    let db = Database::open_with(options()).unwrap();
    let spend = db.view("spend").unwrap();
    for n in (0..rows).step_by(37) {
        assert_eq!(text(spend.get((format!("c{n}"),)).unwrap().unwrap()), format!("c{n}|{n}|1"));
        assert!(spend.get((format!("d{n}"),)).unwrap().is_none());
    }
    assert_eq!(image(&db), before);
    db.close().unwrap();
    drop((spend, db));
    let files = OsStorage::open(&path).unwrap();
    for name in files.list().unwrap().iter().filter(|name| name.ends_with(".run")) {
        let file = files.open(name).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_at(0, &mut bytes).unwrap();
        (1..bytes.len() / 4096 - 1).step_by(5).for_each(|unit| bytes[unit * 4096 + 100] ^= 1);
        // Run files are never written again; another one takes its name.
        files.remove(name).unwrap();
        files.create(name).unwrap().write_at(0, &bytes).unwrap();
    }
    drop(files);
    let db = Database::open_with(options()).unwrap();
    let spend = db.view("spend").unwrap();
    let (mut right, mut damaged) = (0, 0);
    for n in 0..rows {
        match spend.get((format!("c{n}"),)) {
            Ok(row) => right += u32::from(text(row.unwrap()) == format!("c{n}|{n}|1")),
            Err(error) => damaged += u32::from(error.sqlstate() == "XX001"),
        }
    }
    assert_eq!(
        (right + damaged, right > 0, damaged > 0),
        (u32::try_from(rows).unwrap(), true, true),
        "{right} {damaged}"
    );
    // A step that looks many keys up at once meets the same damage, and changes nothing.
    let epoch = db.epoch();
    assert_eq!(state_of(db.execute("UPDATE orders SET cents = cents + 1")), "XX001");
    assert_eq!(db.epoch(), epoch);
}

/// Each operation of the disk fails once, in turn, during a workload with a checkpoint and a schema change. Whatever then
/// happens, what was acknowledged is there at the next open, and every view equals recomputation.
#[test]
fn a_disk_that_fails_once_anywhere_loses_nothing_acknowledged() {
    let operations = [
        Operation::Create,
        Operation::Write,
        Operation::Sync,
        Operation::Rename,
        Operation::SyncDirectory,
        Operation::Map,
    ];
    let mut failures = 0;
    for operation in operations {
        for nth in 1..=12 {
            let disk = MemoryStorage::new();
            let Ok(db) = Database::open_with(manual(&disk)) else { continue };
            if db.execute("CREATE TABLE t (k INTEGER PRIMARY KEY)").is_err() {
                continue;
            }
            disk.inject(Fault { operation, nth, sticky: false });
            let mut acknowledged = Vec::new();
            for k in 0..6 {
                if db.execute_with("INSERT INTO t VALUES ($1)", params![k]).is_ok() {
                    acknowledged.push(k.to_string());
                }
                let outcome = match k {
                    2 => db.checkpoint().map(drop),
                    3 => db.execute("CREATE MATERIALIZED VIEW n AS SELECT count(*) AS n FROM t").map(drop),
                    _ => db.background_step().map(drop),
                };
                failures += usize::from(outcome.is_err());
            }
            drop(db);
            disk.clear_faults();
            let db = Database::open_with(manual(&disk)).unwrap_or_else(|error| panic!("{operation} {nth}: {error}"));
            let found = rows(&db, "SELECT k FROM t ORDER BY k");
            assert!(acknowledged.iter().all(|k| found.contains(k)), "{operation} {nth}: {acknowledged:?} in {found:?}");
            assert_sound(&db);
        }
    }
    assert!(failures > 10, "the faults were really met: {failures}");
}

#[test]
fn a_damaged_byte_is_an_error_or_the_right_answer() {
    let disk = MemoryStorage::new();
    let db = open(&disk);
    shop(&db);
    for n in 0..50 {
        order(&db, n, "ann", 1);
    }
    db.checkpoint().unwrap();
    order(&db, 50, "ann", 1);
    db.close().unwrap();
    drop(db);
    let names = disk.list().unwrap();
    let mut refused = 0;
    for name in names.iter().filter(|name| *name != "LOCK") {
        let len = disk.open(name).unwrap().len().unwrap();
        for offset in (0..len).step_by(usize::try_from(len / 40 + 1).unwrap()) {
            let copy = disk.fork();
            let Ok(file) = copy.open(name) else { continue };
            let mut byte = [0];
            file.read_at(offset, &mut byte).unwrap();
            if file.write_at(offset, &[byte[0] ^ 0x10]).is_err() {
                continue;
            }
            match Database::open_with(manual(&copy)) {
                Err(_) => refused += 1,
                Ok(db) => match db.query("SELECT customer, sum(cents) FROM orders GROUP BY customer") {
                    Ok(rows) => assert_eq!(rows.iter().map(text).collect::<Vec<_>>(), ["ann|51"], "{name} at {offset}"),
                    Err(_) => refused += 1,
                },
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn faults_are_those_of_the_memory_disk() {
    let disk: Arc<dyn monostable_vfs::Storage> = Arc::new(MemoryStorage::new());
    assert!(Database::open_with(Options::on(disk)).is_ok());
}

#[test]
fn a_log_without_its_manifest_is_not_taken_for_a_new_database() {
    let disk = MemoryStorage::new();
    let db = open(&disk);
    shop(&db);
    order(&db, 1, "ann", 5);
    drop(db);
    for name in disk.list().unwrap() {
        if name.starts_with("MANIFEST") || name.ends_with(".run") {
            disk.remove(&name).unwrap();
        }
    }
    assert_eq!(state_of(Database::open_with(manual(&disk))), "XX001");
}

#[test]
fn nothing_is_written_after_close() {
    let disk = MemoryStorage::new();
    let db = open(&disk);
    shop(&db);
    order(&db, 1, "ann", 5);
    db.close().unwrap();
    let other = open(&disk);
    assert!(!db.background_step().unwrap());
    assert!(matches!(db.checkpoint(), Err(Error::Closed)));
    assert!(matches!(db.execute("CREATE TABLE late (k INTEGER)"), Err(Error::Closed)));
    order(&other, 2, "ann", 6);
    assert_eq!(view_rows(&other, "spend"), ["ann|11|2"]);
    assert_eq!(view_rows(&db, "spend"), ["ann|5|1"]);
}
