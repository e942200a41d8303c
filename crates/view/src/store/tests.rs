//! The store against a hostile disk: damage, crashes, lost writes.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use monostable_types::{Epoch, Lsn};
use monostable_vfs::{Fault, File, Lock, Mapping, MemoryStorage, Operation, Storage};
use parking_lot::Mutex;

use crate::bytes::seeded_crc;
use crate::run::Run;
use crate::samples::{Model, batch, checkpoint, content, disk, files, key, keyed, open, row, settle};
use crate::{
    ArrangementId, CheckpointInput, CheckpointSpine, Error, FileMerge, KeyExtent, Progress, Result, ScrubCursor, Spine,
    Store, StoreOptions,
};

const ID: ArrangementId = ArrangementId(1);

fn rows(range: std::ops::Range<i32>, value: &str) -> impl Iterator<Item = (Vec<u8>, i64)> {
    range.map(move |at| (row(at, value), i64::from(at % 3) + 1))
}

/// Opens a disk and reads everything that the arrangement has, through every kind of lookup.
fn read_all(disk: &MemoryStorage, keys: std::ops::Range<i32>) -> Result<(Vec<u8>, Model)> {
    let (_store, mut recovered) = open(disk, 99)?;
    let spine = match recovered.arrangements.remove(&ID) {
        Some(found) => found.into_spine(keyed())?,
        None => Spine::new(keyed()),
    };
    let model = content(&spine)?;
    for at in keys {
        let key = key(at);
        let expected: Vec<_> = model.iter().filter(|(entry, _)| entry.starts_with(&key)).collect();
        let found: Vec<_> = spine.key(&key)?.collect::<Result<_>>()?;
        assert_eq!(found.len(), expected.len(), "the index and the scan disagree");
        assert_eq!(
            spine.get(&key)?.map(|(entry, _)| entry.to_vec()),
            expected.first().map(|(entry, _)| entry.to_vec())
        );
    }
    Ok((recovered.catalog, model))
}

/// A store with two runs of one arrangement in files, and its content. The larger run has several blocks, hence fences and an
/// index.
fn small_store() -> (BTreeMap<String, Vec<u8>>, (Vec<u8>, Model)) {
    let disk = MemoryStorage::new();
    let (store, _) = open(&disk, 1).unwrap();
    let long = "one ".repeat(60);
    let spine = Spine::new(keyed()).push(batch(rows(0..40, &long))).unwrap();
    let spine = checkpoint(&store, &spine, 1).unwrap();
    let run = &spine.all_file_runs()[0];
    assert!(matches!(run, Run::File(run) if run.meta.fence_units == 1 && run.meta.index_units == 1));
    let spine = spine.push(batch(rows(30..50, "another"))).unwrap();
    checkpoint(&store, &spine.push(batch(rows(30..40, &long).map(|(row, weight)| (row, -weight)))).unwrap(), 2)
        .unwrap();
    let expected = read_all(&disk, 0..50).unwrap();
    assert_eq!(expected.1.len(), 50);
    (files(&disk), expected)
}

#[test]
fn a_flipped_bit_anywhere_gives_the_right_answer_or_a_typed_error() {
    let (files, expected) = small_store();
    let (mut right, mut errors) = (0u32, 0u32);
    for (name, bytes) in &files {
        for (at, byte) in bytes.iter().enumerate() {
            // Every byte, one of its bits in turn; padding is long, so it is sampled.
            if *byte == 0 && at % 7 != 0 {
                continue;
            }
            let mut damaged = files.clone();
            damaged.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
            match read_all(&disk(&damaged), 0..50) {
                Ok(found) => {
                    assert!(found == expected, "byte {at} of {name} changed the answer silently");
                    right += 1;
                }
                Err(Error::Corruption { .. } | Error::UnsupportedVersion { .. } | Error::Storage(_)) => errors += 1,
                Err(other) => panic!("byte {at} of {name}: {other}"),
            }
        }
    }
    assert!(right > 100 && errors > 1000, "{right} {errors}");
}

#[test]
fn a_flipped_bit_anywhere_in_a_run_file_is_found_by_verify() {
    let (files, _) = small_store();
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".run")) {
        for at in (0..bytes.len()).step_by(41) {
            let mut damaged = files.clone();
            damaged.get_mut(name).unwrap()[at] ^= 0x10;
            let (store, _) = open(&disk(&damaged), 1).unwrap();
            let report = store.verify(|_| {});
            let named = |error: &Error| matches!(error, Error::Corruption { file, .. } if file == name);
            // Up to seven zeros fill a section up to a multiple of 8; they belong to nothing and nothing reads them.
            let filling = bytes[at] == 0 && at % 8 != 0;
            assert!(report.damages.iter().any(named) || filling, "byte {at} of {name}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_a_typed_error() {
    let (files, expected) = small_store();
    for (name, bytes) in &files {
        for length in (0..bytes.len()).step_by(97) {
            let mut damaged = files.clone();
            damaged.get_mut(name).unwrap().truncate(length);
            assert!(read_all(&disk(&damaged), 0..50).is_err(), "{name} cut to {length} bytes");
        }
        let mut damaged = files.clone();
        damaged.remove(name);
        assert!(read_all(&disk(&damaged), 0..50).is_err(), "{name} removed");
    }
    assert_eq!(read_all(&disk(&files), 0..50).unwrap(), expected);
}

#[test]
fn a_store_of_version_1_says_so_and_stays_as_it_is() {
    let (mut files, _) = small_store();
    let slots = files.get_mut("MANIFEST").unwrap();
    for slot in slots.chunks_mut(4096) {
        slot[8] = 1;
        slot[12..16].fill(0);
        let crc = seeded_crc(0, 0, slot);
        slot[12..16].copy_from_slice(&crc.to_le_bytes());
    }
    let disk = disk(&files);
    let error = open(&disk, 1).unwrap_err();
    assert!(matches!(error, Error::UnsupportedVersion { version: 1, supported: 2, .. }), "{error}");
    assert_eq!(crate::samples::files(&disk), files);
}

#[test]
fn run_files_that_changed_places_are_found_out() {
    let (files, _) = small_store();
    let runs: Vec<&String> = files.keys().filter(|name| name.ends_with(".run")).collect();
    let mut damaged = files.clone();
    let (a, b) = (files[runs[0]].clone(), files[runs[1]].clone());
    let length = a.len().min(b.len());
    // Lengths that fit, contents of the other.
    damaged.get_mut(runs[0]).unwrap()[..length].copy_from_slice(&b[..length]);
    assert!(matches!(read_all(&disk(&damaged), 0..50), Err(Error::Corruption { .. })));
}

/// A disk that keeps an image of itself from before and after every change.
#[derive(Debug)]
struct Filmed {
    disk: MemoryStorage,
    images: Arc<Mutex<Vec<MemoryStorage>>>,
}

#[derive(Debug)]
struct FilmedFile {
    file: Box<dyn File>,
    disk: MemoryStorage,
    images: Arc<Mutex<Vec<MemoryStorage>>>,
}

impl Filmed {
    fn shoot(&self) {
        self.images.lock().extend([self.disk.fork(), self.disk.fork_durable()]);
    }

    fn file(&self, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(FilmedFile { file, disk: self.disk.clone(), images: Arc::clone(&self.images) })
    }
}

impl FilmedFile {
    fn shoot(&self) {
        self.images.lock().extend([self.disk.fork(), self.disk.fork_durable()]);
    }
}

impl Storage for Filmed {
    fn create(&self, name: &str) -> monostable_vfs::Result<Box<dyn File>> {
        self.shoot();
        Ok(self.file(self.disk.create(name)?))
    }
    fn open(&self, name: &str) -> monostable_vfs::Result<Box<dyn File>> {
        Ok(self.file(self.disk.open(name)?))
    }
    fn rename(&self, from: &str, to: &str) -> monostable_vfs::Result<()> {
        self.shoot();
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> monostable_vfs::Result<()> {
        self.shoot();
        self.disk.remove(name)
    }
    fn link(&self, from: &str, to: &dyn Storage, name: &str) -> monostable_vfs::Result<()> {
        self.disk.link(from, to, name)
    }
    fn list(&self) -> monostable_vfs::Result<Vec<String>> {
        self.disk.list()
    }
    fn sync_dir(&self) -> monostable_vfs::Result<()> {
        self.shoot();
        self.disk.sync_dir()
    }
    fn map(&self, name: &str, bytes: u64) -> monostable_vfs::Result<Mapping> {
        self.disk.map(name, bytes)
    }
    fn lock(&self) -> monostable_vfs::Result<Lock> {
        self.disk.lock()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl File for FilmedFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> monostable_vfs::Result<usize> {
        self.file.read_at(offset, buf)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> monostable_vfs::Result<()> {
        self.shoot();
        // A crash in the middle of the write leaves some of its sectors.
        self.file.write_at(offset, &data[..data.len() / 2])?;
        self.shoot();
        self.file.write_at(offset, data)?;
        self.shoot();
        Ok(())
    }
    fn len(&self) -> monostable_vfs::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, bytes: u64) -> monostable_vfs::Result<()> {
        self.shoot();
        self.file.set_len(bytes)
    }
    fn sync_data(&self) -> monostable_vfs::Result<()> {
        self.shoot();
        self.file.sync_data()
    }
    fn sync_all(&self) -> monostable_vfs::Result<()> {
        self.shoot();
        self.file.sync_all()
    }
    fn set_read_only(&self) -> monostable_vfs::Result<()> {
        self.shoot();
        self.file.set_read_only()
    }
    fn name(&self) -> &str {
        self.file.name()
    }
}

#[test]
fn a_crash_between_any_two_steps_leaves_the_state_before_or_after() {
    let film = Filmed { disk: MemoryStorage::tracking_syncs(), images: Arc::default() };
    let images = Arc::clone(&film.images);
    let (store, _) = Store::open(Arc::new(film), StoreOptions { entropy: 5 }).unwrap();
    let mut spine = Spine::new(keyed());
    let mut states = vec![Model::new()];
    for round in 0..4 {
        let before = images.lock().len();
        spine = spine.push(batch(rows(round * 10..round * 10 + 30, &format!("{round}")))).unwrap();
        spine = checkpoint(&store, &spine, 1 + round as u64).unwrap();
        states.push(content(&spine).unwrap());
        if round == 2 {
            let replacement = FileMerge::start(&store, &spine, 0..3).unwrap().finish(&store, ID).unwrap().unwrap();
            spine = spine.install(&replacement).unwrap();
        }
        store.remove_unreferenced().unwrap();
        let taken: Vec<MemoryStorage> = images.lock()[before..].to_vec();
        assert!(taken.len() > 20);
        for image in taken {
            let once = read_back(&image);
            assert!(once == states[states.len() - 1] || once == states[states.len() - 2], "a state that never was");
            assert_eq!(read_back(&image), once, "a second recovery changed something");
        }
        // What was acknowledged stays, even if everything that was not synced is lost now.
        let last = images.lock().last().unwrap().clone();
        assert_eq!(read_back(&last), states[states.len() - 1]);
    }
}

fn read_back(disk: &MemoryStorage) -> Model {
    let (store, mut recovered) = open(disk, 77).unwrap();
    let model = recovered
        .arrangements
        .remove(&ID)
        .map_or_else(Model::new, |found| content(&found.into_spine(keyed()).unwrap()).unwrap());
    let report = store.verify(|_| {});
    assert!(report.damages.is_empty(), "{:?}", report.damages);
    model
}

#[test]
fn a_failing_disk_gives_errors_and_never_another_state() {
    let kinds = [
        Operation::Create,
        Operation::Write,
        Operation::Sync,
        Operation::Rename,
        Operation::SyncDirectory,
        Operation::SetReadOnly,
        Operation::Map,
    ];
    for operation in kinds {
        let mut failed = 0;
        for nth in 1..12 {
            let disk = MemoryStorage::new();
            let (store, _) = open(&disk, 3).unwrap();
            let spine = Spine::new(keyed()).push(batch(rows(0..20, "a"))).unwrap();
            let spine = checkpoint(&store, &spine, 1).unwrap();
            let before = content(&spine).unwrap();
            let spine = spine.push(batch(rows(20..40, "b"))).unwrap();
            disk.inject(Fault { operation, nth, sticky: false });
            let outcome = checkpoint(&store, &spine, 2);
            disk.clear_faults();
            let after = content(&spine).unwrap();
            if outcome.is_ok() {
                assert_eq!(read_back(&disk), after);
                continue;
            }
            failed += 1;
            match checkpoint(&store, &spine, 3) {
                Ok(_) => assert_eq!(read_back(&disk), after),
                Err(error) => {
                    assert!(matches!(error, Error::Poisoned));
                    let found = read_back(&disk);
                    assert!(found == before || found == after);
                }
            }
        }
        assert!(failed > 0, "{operation:?} never failed");
    }
}

#[test]
fn files_go_when_their_last_reader_goes() {
    let disk = MemoryStorage::new();
    let (store, _) = open(&disk, 1).unwrap();
    let mut spine = Spine::new(keyed());
    for round in 0..3 {
        spine = checkpoint(&store, &spine.push(batch(rows(round * 10..round * 10 + 10, "x"))).unwrap(), 1).unwrap();
    }
    let run_files = || disk.list().unwrap().iter().filter(|name| name.ends_with(".run")).count();
    let reader = spine.clone();
    let before = content(&reader).unwrap();
    let spine = settle(&store, spine).unwrap();
    assert_eq!((spine.stats().file_runs, run_files()), (1, 4));
    assert_eq!(store.remove_unreferenced().unwrap(), 0, "a reader still has them");
    assert_eq!(content(&reader).unwrap(), before);
    drop(reader);
    assert_eq!(store.remove_unreferenced().unwrap(), 3);
    assert_eq!(run_files(), 1);
    assert_eq!(content(&spine).unwrap(), before);
}

#[test]
fn opening_removes_unfinished_files_of_ours_and_nothing_else() {
    let (mut files, expected) = small_store();
    files.insert("00000000000000ff.run.tmp".to_owned(), vec![1, 2, 3]);
    files.insert("00000000000000fe.run".to_owned(), vec![1, 2, 3]);
    files.insert("MANIFEST.tmp".to_owned(), vec![]);
    files.insert("MANIFEST-00000000000000ff.log".to_owned(), vec![7]);
    let strangers = ["notes.txt", "0000000000000001.segment", "12.run", "MANIFEST-1.log", "ünï.run"];
    strangers.iter().for_each(|name| drop(files.insert((*name).to_owned(), vec![0])));
    let disk = disk(&files);
    assert_eq!(read_all(&disk, 0..50).unwrap(), expected);
    let names = disk.list().unwrap();
    assert!(strangers.iter().all(|name| names.iter().any(|found| found == name)));
    assert_eq!(names.len(), small_store().0.len() + strangers.len());
}

#[test]
fn a_store_without_its_manifest_is_not_a_new_store() {
    let (mut files, _) = small_store();
    files.remove("MANIFEST");
    let disk = disk(&files);
    assert!(matches!(open(&disk, 1), Err(Error::Corruption { file, .. }) if file == "MANIFEST"));
    assert_eq!(disk.list().unwrap().len(), files.len(), "nothing was removed");
}

#[test]
fn the_catalog_is_committed_alone_and_dropped_arrangements_go() {
    let disk = MemoryStorage::new();
    let (store, recovered) = open(&disk, 1).unwrap();
    assert!(recovered.created);
    let spine = checkpoint(&store, &Spine::new(keyed()).push(batch(rows(0..9, "x"))).unwrap(), 4).unwrap();
    store.commit_catalog(b"other", &[]).unwrap();
    let (again, recovered) = open(&disk.fork(), 2).unwrap();
    assert_eq!((recovered.catalog.as_slice(), recovered.epoch, recovered.lsn), (&b"other"[..], Epoch(4), Lsn(40)));
    assert_eq!(recovered.arrangements[&ID].identity, b"identity");
    assert!(!recovered.created);
    drop((again, spine));
    store.commit_catalog(b"third", &[ID, ArrangementId(17)]).unwrap();
    assert_eq!(store.remove_unreferenced().unwrap(), 1);
    assert!(open(&disk, 3).unwrap().1.arrangements.is_empty());
}

#[test]
fn a_long_log_of_edits_starts_over() {
    let disk = MemoryStorage::new();
    let (store, _) = open(&disk, 1).unwrap();
    let catalog = vec![b'c'; 300 * 1024];
    for round in 0..20u8 {
        store.commit_catalog(&[&catalog[..], &[round]].concat(), &[]).unwrap();
        store.remove_unreferenced().unwrap();
        let recovered = open(&disk.fork(), 1).unwrap().1;
        assert_eq!(recovered.catalog.last(), Some(&round));
    }
    let names = disk.list().unwrap();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_ne!(names[1], "MANIFEST-0000000000000001.log");
    assert!(files(&disk)[&names[1]].len() < 3 << 20);
}

#[test]
fn a_backup_is_a_store_of_its_own() {
    let disk = MemoryStorage::new();
    let (store, _) = open(&disk, 1).unwrap();
    let spine = checkpoint(&store, &Spine::new(keyed()).push(batch(rows(0..99, "x"))).unwrap(), 4).unwrap();
    let backup = MemoryStorage::new();
    assert_eq!(store.backup(&(Arc::new(backup.clone()) as Arc<dyn Storage>)).unwrap(), Lsn(40));
    let more = checkpoint(&store, &spine.push(batch(rows(100..110, "y"))).unwrap(), 5).unwrap();
    let settled = settle(&store, more).unwrap();
    assert_eq!(read_back(&backup), content(&spine).unwrap());
    assert_eq!(read_back(&disk), content(&settled).unwrap());
}

#[test]
fn a_scrub_reads_everything_and_finds_damage() {
    let (files, _) = small_store();
    let (store, _) = open(&disk(&files), 1).unwrap();
    let mut cursor = ScrubCursor::default();
    let mut slices = 1;
    while store.scrub(&mut cursor, 4096).unwrap() == Progress::Working {
        slices += 1;
    }
    assert!(slices >= 2);
    let name = files.keys().find(|name| name.ends_with(".run")).unwrap();
    let mut damaged = files.clone();
    damaged.get_mut(name).unwrap()[4096 + 40] ^= 1;
    let (store, _) = open(&disk(&damaged), 1).unwrap();
    assert!(matches!(store.scrub(&mut cursor, 1 << 20), Err(Error::Corruption { offset: 4096, .. })));
}

#[test]
fn arrangements_that_do_not_belong_are_refused() {
    let disk = MemoryStorage::new();
    let (store, _) = open(&disk, 1).unwrap();
    let spine = checkpoint(&store, &Spine::new(keyed()).push(batch(rows(0..9, "x"))).unwrap(), 1).unwrap();
    let spines = [CheckpointSpine { id: ArrangementId(2), identity: b"identity", spine: &spine }];
    let input = CheckpointInput { epoch: Epoch(2), lsn: Lsn(2), catalog: b"", spines: &spines };
    assert!(matches!(store.checkpoint(&input), Err(Error::ForeignRun { arrangement: 2 })));
    // A spine whose last checkpoint was not installed would be written twice.
    let spine = spine.push(batch(rows(9..12, "y"))).unwrap();
    checkpoint(&store, &spine, 2).unwrap();
    assert!(matches!(checkpoint(&store, &spine, 3), Err(Error::ForeignRun { arrangement: 1 })));
    let found = open(&disk, 2).unwrap().1.arrangements.remove(&ID).unwrap();
    assert!(matches!(found.into_spine(KeyExtent::Whole), Err(Error::KeyMismatch { arrangement: 1 })));
}
