//! Real directories that are full, damaged, or not what they should be.

use std::path::{Path, PathBuf};
use std::process::Command;

use monostable::{Background, Options, params};

use super::*;

fn options(path: &Path) -> Options {
    let mut options = Options::at(path);
    options.background = Background::Manual;
    options.log_segment_bytes = 64 << 10;
    options
}

/// A file system of its own in memory; unmounted when it goes.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// Or why there can be none.
    fn mount(bytes: usize) -> Result<Tmpfs, String> {
        let directory = tempfile::tempdir().unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"], directory.path())?;
        Ok(Tmpfs(directory))
    }

    fn grow(&self, bytes: usize) {
        mount(&["-o", &format!("remount,size={bytes}")], self.0.path()).unwrap();
    }
}

fn mount(arguments: &[&str], path: &Path) -> Result<(), String> {
    let mounted = Command::new("mount").args(arguments).arg(path).output().map_err(|error| error.to_string())?;
    if mounted.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&mounted.stderr).trim().to_owned()) }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the file system of this test was not unmounted");
    }
}

/// Inserts orders of one customer until one is refused; how many there are then, and why.
fn fill(db: &Database, from: i64) -> (i64, Option<monostable::Error>) {
    let padding = "p".repeat(3_000);
    for id in from..from + 2_000 {
        let outcome =
            db.execute_with("INSERT INTO orders VALUES ($1, $2, 1)", params![id, format!("{padding}{}", id % 3)]);
        // Whoever drives the background work meets the full disk too; that is kept for close, and the next try.
        let _ = db.background_step();
        if let Err(error) = outcome {
            return (id, Some(error));
        }
    }
    (from + 2_000, None)
}

#[test]
fn a_full_disk_refuses_commits_and_goes_on_when_there_is_space() {
    let full = match Tmpfs::mount(2 << 20) {
        Ok(tmpfs) => tmpfs,
        Err(reason) => return println!("skipped: a tmpfs cannot be mounted here ({reason})"),
    };
    let path = full.0.path().join("db");
    let db = Database::open_with(options(&path)).unwrap();
    db.execute(SHOP).unwrap();
    let (next, error) = fill(&db, 1_000);
    let error = error.expect("two megabytes are full");
    // When the log met the full disk it was once told as a failing device, 58030.
    assert_eq!(error.sqlstate(), "53100", "{error} ({error:?})");
    assert!(error.outcome_is_known());
    let count =
        |db: &Database| db.query("SELECT count(*) FROM orders").unwrap().first().unwrap().get::<i64>(0).unwrap();
    let acknowledged = next - 1_000 + 1;
    assert_eq!(count(&db), acknowledged, "readers do not feel it");
    assert!(db.checkpoint().is_err_and(|error| error.sqlstate() == "53100"), "a checkpoint needs space");
    assert_eq!(count(&db), acknowledged);
    assert!(db.check().unwrap().is_sound());
    // A process that starts on the full disk may be refused, but loses nothing.
    drop(db);
    match Database::open_with(options(&path)) {
        Ok(db) => assert_eq!(count(&db), acknowledged),
        Err(error) => assert_eq!(error.sqlstate(), "53100", "{error}"),
    }
    full.grow(64 << 20);
    let db = Database::open_with(options(&path)).unwrap();
    assert_eq!(count(&db), acknowledged);
    let (after, none) = fill(&db, next);
    assert!(none.is_none(), "there is space: {none:?}");
    db.checkpoint().unwrap();
    assert_eq!(count(&db), after - 1_000 + 1);
    assert!(db.check().unwrap().is_sound());
    db.close().unwrap();
}

/// The same without reopening: the log goes on where it was when the disk was full.
#[test]
fn a_database_that_met_a_full_disk_writes_again_when_there_is_space() {
    let full = match Tmpfs::mount(1 << 20) {
        Ok(tmpfs) => tmpfs,
        Err(reason) => return println!("skipped: a tmpfs cannot be mounted here ({reason})"),
    };
    let db = Database::open_with(options(&full.0.path().join("db"))).unwrap();
    db.execute(SHOP).unwrap();
    let (next, error) = fill(&db, 1_000);
    assert_eq!(error.expect("one megabyte is full").sqlstate(), "53100");
    full.grow(64 << 20);
    db.execute_with("INSERT INTO orders VALUES ($1, 'after', 1)", params![next]).unwrap();
    db.checkpoint().unwrap();
    assert!(db.check().unwrap().is_sound());
    db.execute("DELETE FROM orders WHERE id > 1").unwrap();
    assert_goes_on(&db);
}

/// A directory with everything in it that a database writes: files of each kind, rows in files and rows in the log.
fn filled(path: &Path) -> Vec<String> {
    let db = Database::open_with(options(path)).unwrap();
    db.execute(SHOP).unwrap();
    for id in 2..60i64 {
        db.execute_with("INSERT INTO orders VALUES ($1, $2, $3)", params![id, format!("c{}", id % 7), id]).unwrap();
    }
    db.checkpoint().unwrap();
    for id in 60..70i64 {
        db.execute_with("INSERT INTO orders VALUES ($1, $2, $3)", params![id, format!("c{}", id % 7), id]).unwrap();
    }
    contents(&db)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Changes bytes of a file that may be read-only.
fn damage(path: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// What opening, reading and checking says, if it says that something is wrong: the SQLSTATE and the message.
fn complaint(path: &Path, right: &[String]) -> Option<String> {
    let db = match Database::open_with(options(path)) {
        Ok(db) => db,
        Err(error) => {
            assert!(matches!(error.sqlstate(), "XX001" | "58030"), "{} {error}", error.sqlstate());
            return Some(format!("{} {error}", error.sqlstate()));
        }
    };
    match db.query("SELECT id, customer, cents FROM orders ORDER BY id") {
        Ok(rows) => {
            assert!(right.starts_with(&rows.iter().map(|row| text(&row)).collect::<Vec<_>>()), "a wrong answer")
        }
        Err(error) => {
            assert_eq!(error.sqlstate(), "XX001", "{error}");
            return Some(format!("XX001 {error}"));
        }
    }
    db.check().unwrap().damaged.first().map(|damage| format!("XX001 {damage}"))
}

#[test]
fn a_damaged_byte_in_each_kind_of_file_is_named_with_file_and_offset() {
    let directory = tempfile::tempdir().unwrap();
    let original = directory.path().join("original");
    let right = filled(&original);
    assert_eq!(complaint(&original, &right), None);
    // After opening for the comparison, so that what a recovery writes is there too.
    let right_names: Vec<PathBuf> = files(&original);
    // Where in a file of each kind: in both slots, in an edit, in a block, in a group that is not the last.
    let kinds: [(&str, &[usize]); 4] =
        [("MANIFEST", &[40, 4096 + 40]), (".log", &[30]), (".run", &[4096 + 40]), (".wal", &[8192 + 80])];
    for (kind, offsets) in kinds {
        let mut named = 0;
        for name in right_names.iter().filter(|name| name.to_string_lossy().ends_with(kind)) {
            let damaged = directory.path().join("damaged");
            copy(&original, &damaged);
            let file_name = name.file_name().unwrap().to_str().unwrap();
            damage(&damaged.join(file_name), |bytes| offsets.iter().for_each(|offset| bytes[*offset] ^= 4));
            if let Some(message) = complaint(&damaged, &right) {
                // A damaged log was once told as a failing device, 58030.
                assert!(message.starts_with("XX001 "), "{kind}: {message}");
                assert!(message.contains(file_name), "{kind}: the message names the file: {message}");
                let behind = message.split(file_name).nth(1).unwrap();
                assert!(behind.contains("offset ") || behind.contains("byte "), "{kind}: and the place: {message}");
                assert!(behind.chars().any(|c| c.is_ascii_digit()), "{kind}: {message}");
                println!("{kind}: {message}");
                named += 1;
            }
            std::fs::remove_dir_all(&damaged).unwrap();
        }
        assert!(named > 0, "no damage to a file of kind {kind} was found");
    }
}

#[test]
fn a_file_that_is_missing_cut_or_exchanged_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let original = directory.path().join("original");
    let right = filled(&original);
    let names: Vec<PathBuf> = files(&original);
    let named = |name: &Path| name.file_name().unwrap().to_str().unwrap().to_owned();
    let of_kind = |kind: &str| names.iter().map(|name| named(name)).find(|name| name.ends_with(kind)).unwrap();
    let try_each = |what: &str, kind: &str, change: &dyn Fn(&Path, &str)| {
        let name = of_kind(kind);
        let damaged = directory.path().join("damaged");
        copy(&original, &damaged);
        change(&damaged, &name);
        let message = complaint(&damaged, &right);
        std::fs::remove_dir_all(&damaged).unwrap();
        let message = message.unwrap_or_else(|| panic!("{what} of {name} was not noticed"));
        assert!(message.contains(&name), "{what} of {name}: {message}");
        println!("{what}: {message}");
    };
    for kind in ["MANIFEST", ".log", ".run"] {
        try_each("loss", kind, &|path, name| std::fs::remove_file(path.join(name)).unwrap());
        try_each("cut", kind, &|path, name| damage(&path.join(name), |bytes| bytes.truncate(bytes.len() / 3)));
        try_each("zeros", kind, &|path, name| damage(&path.join(name), |bytes| bytes.fill(0)));
    }
    try_each("zeros", ".wal", &|path, name| damage(&path.join(name), |bytes| bytes.fill(0)));
    try_each("cut", ".wal", &|path, name| damage(&path.join(name), |bytes| bytes.truncate(4096 / 2)));
}

#[test]
fn a_directory_that_cannot_be_one_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"not a directory").unwrap();
    refused(Database::open(&file), "58030");
    refused(Database::open(file.join("below")), "58030");
    refused(Database::open(directory.path().join("nul\0nul")), "58030");
    // A directory in which strangers live is nobody's business.
    let shared = directory.path().join("shared");
    std::fs::create_dir_all(shared.join("subdirectory")).unwrap();
    std::fs::write(shared.join("notes.txt"), b"mine").unwrap();
    let db = Database::open(&shared).unwrap();
    db.execute(SHOP).unwrap();
    db.close().unwrap();
    drop(db);
    let db = Database::open(&shared).unwrap();
    assert_goes_on(&db);
    assert_eq!(std::fs::read(shared.join("notes.txt")).unwrap(), b"mine");
    assert!(shared.join("subdirectory").is_dir());
}
