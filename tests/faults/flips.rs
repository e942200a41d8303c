//! One bit of one byte of one file is flipped, and the database is opened, read and checked.
//!
//! What is required: the right answer or an error with a type; no panic, and no acknowledged row that is missing or
//! different. There is one exception, which `docs/durability.md` and the log's FORMAT.md name: the last group of a
//! log that was neither sealed nor closed has no witness but itself, so damage to its own bytes is taken for a torn tail. The
//! test requires that no other byte can cost anything, and that those can cost only the last commit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use monostable_vfs::Storage as _;

use super::cases::{each, sample};
use super::disk::{contents, disk_with};
use super::workload::{Image, Model, Step, beginning, image, open, perform, rest};

/// Files as they stand, and what they hold.
struct Subject {
    files: BTreeMap<String, Vec<u8>>,
    right: Image,
    /// What is right without the last commit, which nobody but its own bytes can prove; `None` if it is proven.
    without_last: Option<Image>,
    /// Whether everything in the run files counts. A checkpoint's file holds runs of many arrangements; those that have been
    /// merged or dropped since lie in it, read by nobody, until the whole file can go.
    all_named: bool,
}

/// How the process that wrote the files ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    /// Killed after the log had fallen idle and was sealed.
    KilledIdle,
    /// Killed in the moment after its last acknowledgement.
    KilledBusy,
}

fn subject(end: End) -> Subject {
    let disk = monostable_vfs::MemoryStorage::tracking_syncs();
    let db = open(&disk).unwrap();
    let (mut model, mut before) = (Model::default(), Model::default());
    let mut steps = beginning();
    // What was closed has seen checkpoints only; the others have seen merges and a dropped view too.
    if end != End::Closed {
        steps.extend(rest());
        steps.pop();
    }
    // The last three commits are only in the log.
    steps.extend(beginning().into_iter().filter(|step| matches!(step, Step::Commit(_))).take(3));
    for step in &steps {
        perform(&db, step).unwrap();
        if let Step::Commit(changes) = step {
            before = model.clone();
            model = model.after(changes);
        }
    }
    match end {
        End::Closed => db.close().unwrap(),
        End::KilledIdle => while db.background_step().unwrap() {},
        End::KilledBusy => {}
    }
    let files = contents(&disk.fork());
    let without_last = (end == End::KilledBusy).then(|| before.image());
    Subject { files, right: model.image(), without_last, all_named: end == End::Closed }
}

/// What came of one flip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Right,
    /// Right, and the check found the damage.
    Reported,
    Refused,
    /// The file is one that the manifest does not name, which opening removes.
    Unnamed,
    LastCommitLost,
}

fn flip(subject: &Subject, name: &str, offset: usize) -> Result<Outcome, String> {
    let mut files = subject.files.clone();
    let byte = files.get_mut(name).and_then(|bytes| bytes.get_mut(offset)).unwrap();
    let says_something = *byte != 0;
    *byte ^= 1 << (offset % 8);
    let disk = disk_with(&files);
    let db = match open(&disk) {
        Ok(db) => db,
        Err(error) => return typed(&error).map(|()| Outcome::Refused),
    };
    let found = match image(&db) {
        Ok(found) => found,
        Err(error) => return typed(&error).map(|()| Outcome::Refused),
    };
    let lost = subject.without_last.as_ref() == Some(&found);
    if !lost && found != subject.right {
        return Err(format!("reads {found:#?} instead of {:#?}", subject.right));
    }
    match db.check() {
        Ok(report) if !report.differences.is_empty() => Err(format!("views differ: {report:?}")),
        Ok(_) if lost => Ok(Outcome::LastCommitLost),
        Ok(_) if !disk.list().unwrap().iter().any(|file| file == name) => Ok(Outcome::Unnamed),
        // Between the sections of a run are zeros that mean nothing; everything else that counts is checked.
        Ok(report) if report.is_sound() && name.ends_with(".run") && says_something && subject.all_named => {
            Err("was not noticed by the check".to_owned())
        }
        Ok(report) if report.is_sound() => Ok(Outcome::Right),
        Ok(_) => Ok(Outcome::Reported),
        Err(error) => typed(&error).map(|()| Outcome::Refused),
    }
}

/// Damage is told as damage, not as a mistake of the caller.
fn typed(error: &monostable::Error) -> Result<(), String> {
    let damage = matches!(error.sqlstate(), "XX001" | "58030") && !error.to_string().is_empty();
    if damage { Ok(()) } else { Err(format!("fails with {} {error:?}", error.sqlstate())) }
}

/// The places to flip: of each file, the bytes that say something more densely than the zeros between them.
fn places(subject: &Subject) -> Vec<(String, (String, usize))> {
    let mut chosen = Vec::new();
    for (name, bytes) in &subject.files {
        let (zeros, others): (Vec<usize>, Vec<usize>) = (0..bytes.len()).partition(|offset| bytes[*offset] == 0);
        chosen.extend(sample(others, "FLIP_STRIDE", 9).into_iter().map(|offset| (name.clone(), offset)));
        chosen.extend(sample(zeros, "FLIP_STRIDE", 3).into_iter().map(|offset| (name.clone(), offset)));
    }
    chosen.into_iter().map(|place| (format!("{} at {}", place.0, place.1), place)).collect()
}

/// Flips, and tells how often each outcome came, by kind of file.
fn flip_all(what: &'static str, end: End) -> BTreeMap<(String, Outcome), usize> {
    let subject = Arc::new(subject(end));
    let kinds: Vec<&str> = vec![".wal", ".run", ".log", "MANIFEST"];
    for kind in &kinds {
        assert!(subject.files.keys().any(|name| name.ends_with(kind)), "there is a file of kind {kind}");
    }
    let outcomes: Arc<Mutex<BTreeMap<(String, Outcome), usize>>> = Arc::default();
    let (counted, found) = (Arc::clone(&outcomes), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&found);
    each(what, places(&subject), move |(name, offset)| {
        let outcome = flip(&subject, &name, offset)?;
        seen.fetch_add(usize::from(outcome != Outcome::Right), Ordering::Relaxed);
        let kind = name.rsplit('.').next().unwrap_or(&name).to_owned();
        *counted.lock().unwrap().entry((kind, outcome)).or_insert(0) += 1;
        Ok(())
    });
    assert!(found.load(Ordering::Relaxed) > 0, "damage is noticed at all");
    let outcomes = outcomes.lock().unwrap().clone();
    println!("{what}: {outcomes:?}");
    outcomes
}

fn lost(outcomes: &BTreeMap<(String, Outcome), usize>) -> usize {
    outcomes.iter().filter(|((_, outcome), _)| *outcome == Outcome::LastCommitLost).map(|(_, count)| count).sum()
}

#[test]
fn a_flipped_bit_after_a_clean_close_is_an_error_or_the_right_answer() {
    assert_eq!(lost(&flip_all("flips after a close", End::Closed)), 0);
}

#[test]
fn a_flipped_bit_after_an_idle_crash_is_an_error_or_the_right_answer() {
    assert_eq!(lost(&flip_all("flips after an idle crash", End::KilledIdle)), 0);
}

#[test]
fn a_flipped_bit_after_a_busy_crash_costs_the_last_commit_at_most() {
    let outcomes = flip_all("flips after a busy crash", End::KilledBusy);
    assert!(
        outcomes.keys().all(|(kind, outcome)| *outcome != Outcome::LastCommitLost || kind == "wal"),
        "{outcomes:?}"
    );
}
