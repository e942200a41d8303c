//! A disk that fails, a machine that stops, a disk that is full, and bytes that change: what each of them may cost.
//!
//! One workload ([`workload`]) is disturbed at each of its calls to the disk ([`disk`]), and what is left is opened again.
//! The rules: every acknowledged commit is there; a commit that was refused is not; one whose outcome is unknown is there
//! whole or not at all; every view equals its recomputation; opening again changes nothing; nothing panics or hangs; and what
//! cannot be answered is an error with a type. The damaged bytes are in [`flips`].
//!
//! By default a sample is tried, the same each time. `CRASH_STRIDE=1`, `FAULT_STRIDE=1`, `SPACE_STRIDE=1` and
//! `FLIP_STRIDE=1` try everything.

pub(crate) mod cases;
pub(crate) mod disk;
mod flips;
mod workload;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use monostable::{Database, Error};
use monostable_vfs::{MemoryStorage, Operation};

use cases::{each, sample};
use disk::{Effect, Failure, Lasts, Watched, contents, disk_with, torn};
use workload::{Image, Model, Step, beginning, image, open, options, perform, recover, rest};

/// A disk with the beginning of the work on it, as a process that was killed leaves it, and what its tables hold.
fn base() -> &'static (MemoryStorage, Model) {
    static BASE: OnceLock<(MemoryStorage, Model)> = OnceLock::new();
    BASE.get_or_init(|| {
        let disk = MemoryStorage::tracking_syncs();
        let db = open(&disk).unwrap();
        let mut model = Model::default();
        for step in beginning() {
            perform(&db, &step).unwrap();
            if let Step::Commit(changes) = &step {
                model = model.after(changes);
            }
            assert_eq!(image(&db).unwrap(), model.image(), "the model is right when nothing fails");
        }
        (disk.fork(), model)
    })
}

/// A disk as a crash may leave it, and what may be found on it.
struct Crash {
    files: BTreeMap<String, Vec<u8>>,
    allowed: Vec<Image>,
}

/// What a machine that stops now may leave: all that was written, only what was synced, and mixtures of the two.
struct Crashes {
    found: Vec<(String, Crash)>,
    seen: HashSet<u64>,
    mixtures: u64,
}

impl Crashes {
    fn capture(&mut self, label: &str, disk: &MemoryStorage, allowed: &[Image]) {
        let (current, durable) = (contents(&disk.fork()), contents(&disk.fork_durable()));
        let mut states = vec![("all kept", current.clone()), ("unsynced lost", durable.clone())];
        for seed in 0..self.mixtures {
            let seed = self.seen.len() as u64 ^ seed << 32;
            states.push(("some kept", torn(&current, &durable, seed)));
        }
        for (kind, files) in states {
            let mut hasher = DefaultHasher::new();
            (&files, allowed).hash(&mut hasher);
            if self.seen.insert(hasher.finish()) {
                self.found.push((format!("{label}, {kind}"), Crash { files, allowed: allowed.to_vec() }));
            }
        }
    }
}

/// Runs `steps` and captures what a crash after each call that changes something would leave.
fn crashes_of(disk: &MemoryStorage, model: Model, steps: &[Step], mixtures: u64) -> Vec<(String, Crash)> {
    let crashes = Arc::new(Mutex::new(Crashes { found: Vec::new(), seen: HashSet::new(), mixtures }));
    let allowed = Arc::new(Mutex::new(vec![model.image()]));
    let watched = Watched::over(disk);
    let (seen, images, below) = (Arc::clone(&crashes), Arc::clone(&allowed), disk.clone());
    watched.observe(move |call, operation, name| {
        seen.lock().unwrap().capture(&format!("call {call}, {operation} {name}"), &below, &images.lock().unwrap());
    });
    let db = Database::open_with(options(Arc::new(watched))).unwrap();
    let mut model = model;
    for (index, step) in steps.iter().enumerate() {
        if let Step::Commit(changes) = step {
            let next = model.after(changes);
            *allowed.lock().unwrap() = vec![model.image(), next.image()];
            model = next;
        }
        perform(&db, step).unwrap();
        *allowed.lock().unwrap() = vec![model.image()];
        crashes.lock().unwrap().capture(&format!("after step {index}"), disk, &[model.image()]);
    }
    drop(db);
    std::mem::take(&mut crashes.lock().unwrap().found)
}

#[test]
fn a_crash_after_any_call_loses_nothing_acknowledged() {
    let mut steps = beginning();
    steps.extend(rest());
    let crashes = crashes_of(&MemoryStorage::tracking_syncs(), Model::default(), &steps, 2);
    let crashes = sample(crashes, "CRASH_STRIDE", 90);
    each("crash after a call", crashes, |crash| recover(&disk_with(&crash.files), &crash.allowed).map(drop));
}

/// Recovery writes too: it is interrupted at each of its calls, and so is the recovery from that.
#[test]
fn a_crash_during_recovery_is_just_another_crash() {
    let crashes = crashes_of(&base().0.fork(), base().1.clone(), &rest(), 1);
    let crashes = sample(crashes, "CRASH_STRIDE", 6);
    each("crash in recovery", crashes, |crash| {
        let found = recover(&disk_with(&crash.files), &crash.allowed)?;
        let again = crashes_in_recovery(&disk_with(&crash.files), &found, 2)?;
        for (label, second) in sample(again, "CRASH_STRIDE", 4) {
            let disk = disk_with(&second.files);
            recover(&disk, &second.allowed).map_err(|error| format!("{label}: {error}"))?;
            for (label, third) in sample(crashes_in_recovery(&disk_with(&second.files), &found, 1)?, "CRASH_STRIDE", 2)
            {
                let disk = disk_with(&third.files);
                recover(&disk, &third.allowed).map_err(|error| format!("in the third recovery, {label}: {error}"))?;
            }
        }
        Ok(())
    });
}

/// What a crash after each call of one opening leaves.
fn crashes_in_recovery(disk: &MemoryStorage, found: &Image, mixtures: u64) -> Result<Vec<(String, Crash)>, String> {
    let crashes = Arc::new(Mutex::new(Crashes { found: Vec::new(), seen: HashSet::new(), mixtures }));
    let watched = Watched::over(disk);
    let (seen, image, below) = (Arc::clone(&crashes), [found.clone()], disk.clone());
    watched.observe(move |call, operation, name| {
        seen.lock().unwrap().capture(&format!("call {call}, {operation} {name}"), &below, &image);
    });
    let db = Database::open_with(options(Arc::new(watched))).map_err(|error| format!("cannot be opened: {error}"))?;
    drop(db);
    let mut crashes = crashes.lock().unwrap();
    crashes.capture("after the opening", disk, std::slice::from_ref(found));
    Ok(std::mem::take(&mut crashes.found))
}

/// What was said to be done, and what may have been done.
#[derive(Debug)]
struct Progress {
    acknowledged: Model,
    unknown: Option<Model>,
    refusals: usize,
}

impl Progress {
    fn allowed(&self) -> Vec<Image> {
        std::iter::once(&self.acknowledged).chain(&self.unknown).map(Model::image).collect()
    }
}

/// Does the steps one after the other, whatever fails, and requires that readers always see what was acknowledged.
fn drive(db: &Database, model: &Model, steps: &[Step]) -> Result<Progress, String> {
    let mut progress = Progress { acknowledged: model.clone(), unknown: None, refusals: 0 };
    let mut stopped = false;
    for (index, step) in steps.iter().enumerate() {
        let outcome = perform(db, step);
        match (&outcome, step) {
            (Ok(()), Step::Commit(_)) if stopped => {
                return Err(format!("step {index} wrote after the writing had stopped"));
            }
            (Ok(()), Step::Commit(changes)) => progress.acknowledged = progress.acknowledged.after(changes),
            (Ok(()), _) => {}
            (Err(error), step) => {
                progress.refusals += 1;
                expect_disk_error(error, stopped).map_err(|wrong| format!("step {index}: {wrong}"))?;
                if let (false, Step::Commit(changes)) = (error.outcome_is_known(), step) {
                    progress.unknown = Some(progress.acknowledged.after(changes));
                }
                stopped |= matches!(error, Error::OutcomeUnknown { .. } | Error::Poisoned { .. });
            }
        }
        let seen = image(db).map_err(|error| format!("step {index}: cannot be read after {outcome:?}: {error}"))?;
        if seen != progress.acknowledged.image() {
            return Err(format!("step {index}: after {outcome:?} readers see {seen:#?}"));
        }
    }
    Ok(progress)
}

/// An error that says what a caller must know: that the disk is to blame, and whether the outcome is known.
fn expect_disk_error(error: &Error, stopped: bool) -> Result<(), String> {
    let state = error.sqlstate();
    let typed = match error {
        Error::OutcomeUnknown { .. } => state == "40003" && !stopped,
        Error::Poisoned { .. } => state == "58030",
        Error::Storage(_) | Error::Log(_) | Error::View(_) => matches!(state, "58030" | "53100"),
        _ => false,
    };
    if typed { Ok(()) } else { Err(format!("{state} {error:?} (stopped: {stopped})")) }
}

/// What is left of a disk on which something failed: for a process that goes on, and after a power cut.
fn leftovers(disk: &MemoryStorage) -> [(&'static str, MemoryStorage); 3] {
    let (current, durable) = (disk.fork(), disk.fork_durable());
    let mixed = disk_with(&torn(&contents(&current), &contents(&durable), 1));
    [("all kept", current), ("unsynced lost", durable), ("some kept", mixed)]
}

#[test]
fn a_call_that_fails_loses_nothing_acknowledged() {
    let calm = Watched::over(&base().0.fork());
    let db = Database::open_with(options(Arc::new(calm.clone()))).unwrap();
    drive(&db, &base().1, &rest()).unwrap();
    drop(db);
    // Every kind of call, and of each kind some calls, each with another effect.
    let mut failures = Vec::new();
    for calls in calm.calls().into_values() {
        let mut of_kind = Vec::new();
        for call in calls {
            for lasts in [Lasts::Once, Lasts::Kind, Lasts::Writes] {
                of_kind.extend([Effect::Half, Effect::All].map(|effect| Failure { call, effect, lasts }));
            }
        }
        failures.extend(sample(of_kind, "FAULT_STRIDE", 4));
    }
    let failed: Arc<Mutex<BTreeSet<Operation>>> = Arc::default();
    let (met, refused) = (Arc::clone(&failed), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&refused);
    let cases = failures.into_iter().map(|failure| (format!("{failure:?}"), failure)).collect();
    each("a call fails", cases, move |failure| {
        let disk = base().0.fork();
        let watched = Watched::failing(&disk, failure);
        let progress = match Database::open_with(options(Arc::new(watched.clone()))) {
            Ok(db) => drive(&db, &base().1, &rest())?,
            Err(error) => {
                expect_disk_error(&error, false)?;
                Progress { acknowledged: base().1.clone(), unknown: None, refusals: 1 }
            }
        };
        met.lock().unwrap().extend(watched.failed());
        counted.fetch_add(progress.refusals, Ordering::Relaxed);
        for (kind, disk) in leftovers(&disk) {
            recover(&disk, &progress.allowed()).map_err(|error| format!("{kind}: {error}"))?;
        }
        Ok(())
    });
    let failed = failed.lock().unwrap();
    let missed: Vec<_> = calm.calls().into_keys().filter(|kind| !failed.contains(kind)).collect();
    assert!(missed.is_empty(), "kinds of calls that were never made to fail: {missed:?}");
    assert!(refused.load(Ordering::Relaxed) > 50, "the failures were noticed");
}

/// Opening an empty directory writes the first files; whatever of that fails, the next opening finds an empty database.
#[test]
fn a_call_that_fails_while_a_database_is_made_leaves_an_empty_one() {
    let calm = Watched::over(&MemoryStorage::tracking_syncs());
    drop(Database::open_with(options(Arc::new(calm.clone()))).unwrap());
    let calls = calm.calls().into_values().flatten();
    let failures =
        calls.flat_map(|call| [Effect::Half, Effect::All].map(|effect| Failure { call, effect, lasts: Lasts::Once }));
    let cases = failures.map(|failure| (format!("{failure:?}"), failure)).collect();
    each("a call fails in the making", cases, |failure| {
        let disk = MemoryStorage::tracking_syncs();
        if let Err(error) = Database::open_with(options(Arc::new(Watched::failing(&disk, failure)))) {
            expect_disk_error(&error, false)?;
        }
        for (kind, disk) in leftovers(&disk) {
            recover(&disk, &[Image::new()]).map_err(|error| format!("{kind}: {error}"))?;
        }
        Ok(())
    });
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    let (first, model) = base();
    let calm = first.fork();
    let used_bytes = calm.used_bytes();
    let db = open(&calm).unwrap();
    let mut most_bytes = used_bytes;
    for step in rest() {
        perform(&db, &step).unwrap();
        most_bytes = most_bytes.max(calm.used_bytes());
    }
    drop(db);
    let capacities: Vec<u64> = (used_bytes..most_bytes + 8192).step_by(512).collect();
    let cases = sample(capacities, "SPACE_STRIDE", 16);
    let cases = cases.into_iter().map(|bytes| (format!("{bytes} bytes of {most_bytes}"), bytes)).collect();
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    each("a full disk", cases, move |bytes| {
        let disk = first.fork();
        disk.set_capacity(Some(bytes));
        let progress = match open(&disk) {
            Ok(db) => full_and_emptied(&disk, &db, model)?,
            Err(error) => {
                expect_disk_error(&error, false)?;
                Progress { acknowledged: model.clone(), unknown: None, refusals: 1 }
            }
        };
        counted.fetch_add(progress.refusals, Ordering::Relaxed);
        disk.set_capacity(None);
        for (kind, disk) in leftovers(&disk) {
            recover(&disk, &progress.allowed()).map_err(|error| format!("{kind}: {error}"))?;
        }
        Ok(())
    });
    assert!(refused.load(Ordering::Relaxed) > 5, "the disk was full");
}

/// Works on a disk that becomes full, and once more when there is space again: unless writing had to be stopped, it works.
fn full_and_emptied(disk: &MemoryStorage, db: &Database, model: &Model) -> Result<Progress, String> {
    let mut steps = rest();
    steps.truncate(steps.len() - 1);
    let full = drive(db, model, &steps)?;
    disk.set_capacity(None);
    let stopped = perform(db, &Step::Commit(Vec::new())).and_then(|()| perform(db, &Step::Checkpoint)).is_err();
    if stopped && full.unknown.is_none() && !matches!(db.checkpoint(), Err(Error::Poisoned { .. })) {
        return Err("a checkpoint fails though there is space and nothing was in doubt".to_owned());
    }
    if stopped {
        return Ok(full);
    }
    let mut more = beginning();
    more.retain(|step| matches!(step, Step::Commit(_)));
    let emptied = drive(db, &full.acknowledged, &more)?;
    if emptied.refusals > 0 {
        return Err("commits are refused though there is space".to_owned());
    }
    Ok(Progress { refusals: full.refusals, ..emptied })
}
