//! What both disks promise, checked on both; then what each promises alone.

use std::sync::Arc;

use proptest::prelude::*;

use crate::{Error, Fault, File, MemoryStorage, Operation, OsStorage, Storage};

/// Runs a promise over a fresh directory of each kind.
fn on_both(promise: impl Fn(&dyn Storage)) {
    promise(&MemoryStorage::new());
    promise(&MemoryStorage::tracking_syncs());
    let directory = tempfile::tempdir().unwrap();
    promise(&OsStorage::open(directory.path()).unwrap());
}

fn filled(storage: &dyn Storage, name: &str, content: &[u8]) -> Box<dyn File> {
    let file = storage.create(name).unwrap();
    file.write_at(0, content).unwrap();
    file.sync_all().unwrap();
    file
}

fn content(file: &dyn File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_was_written_is_read_and_gaps_are_zero() {
    on_both(|storage| {
        let file = filled(storage, "a", b"abc");
        assert!(!file.is_empty().unwrap());
        file.write_at(5, b"fg").unwrap();
        file.write_at(1, b"B").unwrap();
        assert_eq!(content(&*file), b"aBc\0\0fg");
        file.set_len(2).unwrap();
        file.set_len(4).unwrap();
        assert_eq!(content(&*storage.open("a").unwrap()), b"aB\0\0");
        file.write_at(100, b"").unwrap();
        assert_eq!(file.len().unwrap(), 4);
    });
}

#[test]
fn reading_past_the_end_is_short_or_a_typed_error() {
    on_both(|storage| {
        let file = filled(storage, "a", b"abc");
        let mut buf = [0; 4];
        assert_eq!(file.read_at(1, &mut buf).unwrap(), 2);
        assert_eq!(file.read_at(9, &mut buf).unwrap(), 0);
        let error = file.read_exact_at(1, &mut buf).unwrap_err();
        assert!(matches!(error, Error::Truncated { offset: 1, expected_bytes: 4, actual_bytes: 2, .. }), "{error}");
        file.read_exact_at(u64::MAX, &mut []).unwrap();
    });
}

#[test]
fn create_never_opens_what_exists_and_open_never_creates() {
    on_both(|storage| {
        filled(storage, "a", b"abc");
        assert!(matches!(storage.create("a"), Err(Error::AlreadyExists { .. })));
        assert_eq!(content(&*storage.open("a").unwrap()), b"abc");
        assert!(matches!(storage.open("b"), Err(Error::NotFound { .. })));
        assert!(matches!(storage.remove("b"), Err(Error::NotFound { .. })));
        assert!(matches!(storage.rename("b", "c"), Err(Error::NotFound { .. })));
        assert!(matches!(storage.map("b", 0), Err(Error::NotFound { .. })));
        assert!(matches!(storage.link("b", storage, "c"), Err(Error::NotFound { .. })));
        assert_eq!(storage.list().unwrap(), ["a"]);
    });
}

#[test]
fn names_are_plain_and_the_lock_is_out_of_reach() {
    on_both(|storage| {
        let _lock = storage.lock().unwrap();
        filled(storage, "a", b"a");
        for name in ["", ".", "..", "a/b", "a\\b", "a\0b", "LOCK"] {
            let refused = |outcome: crate::Result<()>| matches!(outcome, Err(Error::InvalidName { .. }));
            assert!(refused(storage.create(name).map(drop)), "{name:?}");
            assert!(refused(storage.open(name).map(drop)), "{name:?}");
            assert!(refused(storage.remove(name)), "{name:?}");
            assert!(refused(storage.map(name, 0).map(drop)), "{name:?}");
            assert!(refused(storage.rename("a", name)), "{name:?}");
            assert!(refused(storage.rename(name, "b")), "{name:?}");
            assert!(refused(storage.link("a", storage, name)), "{name:?}");
        }
        assert_eq!(storage.list().unwrap(), ["a"]);
    });
}

#[test]
fn rename_replaces_and_handles_outlive_names() {
    on_both(|storage| {
        let old = filled(storage, "a", b"old");
        filled(storage, "b", b"new");
        storage.rename("b", "a").unwrap();
        storage.sync_dir().unwrap();
        assert_eq!(content(&*old), b"old");
        assert_eq!(content(&*storage.open("a").unwrap()), b"new");
        let mapping = storage.map("a", 3).unwrap();
        storage.remove("a").unwrap();
        assert_eq!(&mapping[..], b"new");
        assert!(storage.list().unwrap().is_empty());
    });
}

#[test]
fn a_link_is_a_second_name_and_never_replaces() {
    on_both(|storage| {
        filled(storage, "a", b"abc");
        storage.link("a", storage, "b").unwrap();
        storage.sync_dir().unwrap();
        assert!(matches!(storage.link("a", storage, "b"), Err(Error::AlreadyExists { .. })));
        storage.remove("a").unwrap();
        assert_eq!(content(&*storage.open("b").unwrap()), b"abc");
        assert_eq!(storage.list().unwrap(), ["b"]);
    });
}

#[test]
fn links_reach_another_directory_of_the_same_kind_only() {
    let (one, two) = (MemoryStorage::new(), MemoryStorage::new());
    let directories = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (three, four) =
        (OsStorage::open(directories.0.path()).unwrap(), OsStorage::open(directories.1.path()).unwrap());
    for (from, to) in [(&one as &dyn Storage, &two as &dyn Storage), (&three, &four)] {
        filled(from, "a", b"abc").set_read_only().unwrap();
        from.link("a", to, "b").unwrap();
        from.remove("a").unwrap();
        assert_eq!(content(&*to.open("b").unwrap()), b"abc");
    }
    assert!(matches!(two.link("b", &four, "c"), Err(Error::OtherKind { .. })));
    assert!(matches!(four.link("b", &two, "c"), Err(Error::OtherKind { .. })));
}

#[test]
fn a_read_only_file_is_opened_for_reading_alone() {
    on_both(|storage| {
        filled(storage, "a", b"abc").set_read_only().unwrap();
        let again = storage.open("a").unwrap();
        assert_eq!(content(&*again), b"abc");
        assert!(matches!(again.write_at(0, b"x"), Err(Error::Io { operation: Operation::Write, .. })));
        assert!(again.set_len(0).is_err());
        assert_eq!(content(&*again), b"abc");
        again.set_read_only().unwrap();
        storage.remove("a").unwrap();
    });
}

#[test]
fn a_mapping_has_exactly_the_length_that_was_asked_for() {
    on_both(|storage| {
        let bytes: Vec<u8> = (0..10_000).map(|i| (i % 251) as u8).collect();
        filled(storage, "a", &bytes).set_read_only().unwrap();
        filled(storage, "empty", b"");
        for wrong in [0, 9_999, 10_001, u64::MAX] {
            let error = storage.map("a", wrong).unwrap_err();
            assert!(matches!(error, Error::WrongLength { actual_bytes: 10_000, .. }), "{error}");
        }
        let mapping = storage.map("a", 10_000).unwrap();
        mapping.will_need(9_999..10_000);
        mapping.will_need(0..10_001);
        assert!(!mapping.warm(0..10_001));
        // What was just written is in memory, and stays mapped.
        assert!(mapping.warm(0..10_000) && mapping.warm(9_999..10_000) && mapping.warm(3..3));
        mapping.populate(0..10_000).unwrap();
        mapping.populate(4_095..4_097).unwrap();
        mapping.populate(10_000..10_000).unwrap();
        assert!(matches!(mapping.populate(1..10_001), Err(Error::OutOfRange { .. })));
        let backwards = std::ops::Range { start: 2, end: 1 };
        assert!(matches!(mapping.populate(backwards), Err(Error::OutOfRange { .. })));
        let slice = mapping.bytes().slice(5_000..5_010);
        drop(mapping);
        storage.remove("a").unwrap();
        assert_eq!(&slice[..], &bytes[5_000..5_010]);
        assert!(storage.map("empty", 0).unwrap().is_empty());
    });
}

#[test]
fn populate_turns_a_file_that_was_cut_into_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let storage = OsStorage::open(directory.path()).unwrap();
    let file = filled(&storage, "a", &[7; 64 << 10]);
    let mapping = storage.map("a", 64 << 10).unwrap();
    file.set_len(8 << 10).unwrap();
    mapping.populate(0..8 << 10).unwrap();
    let error = mapping.populate(16 << 10..64 << 10).unwrap_err();
    assert!(matches!(error, Error::Io { operation: Operation::Map, offset: Some(16384), .. }), "{error}");
}

#[test]
fn the_lock_has_one_holder_in_this_process_too() {
    on_both(|storage| {
        let lock = storage.lock().unwrap();
        let error = storage.lock().unwrap_err();
        assert!(matches!(error, Error::Locked { .. }), "{error}");
        drop(lock);
        drop(storage.lock().unwrap());
    });
    let directory = tempfile::tempdir().unwrap();
    let lock = OsStorage::open(directory.path()).unwrap().lock().unwrap();
    assert!(matches!(OsStorage::open(directory.path()).unwrap().lock(), Err(Error::Locked { .. })));
    drop(lock);
    OsStorage::open(directory.path()).unwrap().lock().unwrap();
}

#[test]
fn directories_are_created_only_on_request() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/c");
    assert!(matches!(OsStorage::open(&path), Err(Error::NotFound { .. })));
    let storage = OsStorage::open_or_create(&path).unwrap();
    filled(&storage, "x", b"1");
    std::fs::create_dir(path.join("not-a-file")).unwrap();
    assert_eq!(OsStorage::open_or_create(&path).unwrap().list().unwrap(), ["x"]);
    assert!(OsStorage::open(path.join("x")).is_err());
    assert!(OsStorage::open_or_create(path.join("x")).is_err());
}

#[test]
fn errors_name_operation_file_and_offset_and_say_what_to_do() {
    let storage = MemoryStorage::new();
    let file = storage.create("segment").unwrap();
    storage.inject(Fault { operation: Operation::Write, nth: 1, sticky: false });
    let message = file.write_at(4096, b"x").unwrap_err().to_string();
    assert!(message.starts_with("cannot write segment at offset 4096: injected fault; check"), "{message}");
}

#[test]
fn the_nth_call_fails_once_or_for_good() {
    let storage = MemoryStorage::new();
    let file = storage.create("a").unwrap();
    storage.inject(Fault { operation: Operation::Sync, nth: 2, sticky: false });
    let outcomes: Vec<bool> = (0..4).map(|_| file.sync_data().is_ok()).collect();
    assert_eq!(outcomes, [true, false, true, true]);
    storage.inject(Fault { operation: Operation::Write, nth: 2, sticky: true });
    let outcomes: Vec<bool> = (0..4).map(|_| file.write_at(0, b"abcd").is_ok()).collect();
    assert_eq!(outcomes, [true, false, false, false]);
    storage.clear_faults();
    file.write_at(0, b"zzzz").unwrap();
    storage.inject(Fault { operation: Operation::Write, nth: 1, sticky: false });
    file.write_at(0, b"abcd").unwrap_err();
    assert_eq!(content(&*file), b"abzz", "half of the data is there");
    let mut every = vec![Operation::Create, Operation::Open, Operation::Rename, Operation::Remove, Operation::Link];
    every.extend([Operation::List, Operation::SyncDirectory, Operation::Map, Operation::Lock, Operation::Read]);
    every.extend([Operation::Length, Operation::SetLength, Operation::SetReadOnly]);
    for operation in every {
        storage.inject(Fault { operation, nth: 1, sticky: false });
        let calls: [crate::Result<()>; 13] = [
            storage.create("new").map(drop),
            storage.open("a").map(drop),
            storage.rename("a", "a"),
            storage
                .remove("absent")
                .or_else(|error| if let Error::NotFound { .. } = error { Ok(()) } else { Err(error) }),
            storage.link("a", &storage, "b"),
            storage.list().map(drop),
            storage.sync_dir(),
            storage.map("a", 4).map(drop),
            storage.lock().map(drop),
            file.read_at(0, &mut [0]).map(drop),
            file.len().map(drop),
            file.set_len(4),
            MemoryStorage::set_read_only_of_a_copy(&storage),
        ];
        assert_eq!(calls.iter().filter(|outcome| outcome.is_err()).count(), 1, "{operation}");
        let _ = (storage.remove("new"), storage.remove("b"));
    }
}

impl MemoryStorage {
    /// Uses up the planned fault of `set_read_only` without making the shared file of the test read-only.
    fn set_read_only_of_a_copy(&self) -> crate::Result<()> {
        let file = self.create("scratch").unwrap();
        let outcome = file.set_read_only();
        self.remove("scratch").unwrap();
        outcome
    }
}

#[test]
fn a_full_disk_says_so_and_space_comes_back() {
    let storage = MemoryStorage::new();
    storage.set_capacity(Some(100));
    let file = filled(&storage, "a", &[1; 60]);
    let other = storage.create("b").unwrap();
    assert!(matches!(other.write_at(0, &[2; 41]), Err(Error::NoSpace { .. })));
    assert!(matches!(other.set_len(41), Err(Error::NoSpace { .. })));
    assert_eq!(other.len().unwrap(), 0);
    other.write_at(0, &[2; 40]).unwrap();
    file.write_at(0, &[3; 60]).unwrap();
    storage.remove("a").unwrap();
    assert!(matches!(other.set_len(41), Err(Error::NoSpace { .. })), "an open file keeps its space");
    drop(file);
    assert_eq!(storage.used_bytes(), 40);
    other.set_len(100).unwrap();
    storage.set_capacity(None);
    other.set_len(101).unwrap();
}

#[test]
fn a_clone_is_the_same_disk_and_a_fork_is_another() {
    let storage = MemoryStorage::new();
    let file = filled(&storage, "a", b"abc");
    storage.link("a", &storage, "b").unwrap();
    let _lock = storage.lock().unwrap();
    let (same, other) = (storage.clone(), storage.fork());
    file.write_at(0, b"x").unwrap();
    assert_eq!(content(&*same.open("a").unwrap()), b"xbc");
    assert!(same.lock().is_err());
    assert_eq!(content(&*other.open("a").unwrap()), b"abc");
    other.lock().unwrap();
    other.open("a").unwrap().write_at(0, b"y").unwrap();
    assert_eq!(content(&*other.open("b").unwrap()), b"ybc", "two names of one file stay so");
}

#[test]
fn only_what_was_synced_survives_in_a_durable_fork() {
    let storage = MemoryStorage::tracking_syncs();
    let file = filled(&storage, "a", b"abcdef");
    assert!(storage.fork_durable().list().unwrap().is_empty(), "the name was not synced");
    storage.sync_dir().unwrap();
    file.write_at(1, b"X").unwrap();
    file.set_len(3).unwrap();
    file.write_at(8, b"Y").unwrap();
    storage.rename("a", "b").unwrap();
    let fork = storage.fork_durable();
    assert_eq!(fork.list().unwrap(), ["a"]);
    assert_eq!(content(&*fork.open("a").unwrap()), b"abcdef");
    file.sync_data().unwrap();
    storage.sync_dir().unwrap();
    let fork = storage.fork_durable();
    assert_eq!(content(&*fork.open("b").unwrap()), b"aXc\0\0\0\0\0Y");
    assert_eq!(content(&*fork.fork_durable().open("b").unwrap()), b"aXc\0\0\0\0\0Y");
}

#[test]
fn handles_are_shared_between_threads() {
    on_both(|storage| {
        let file: Arc<dyn File> = Arc::from(storage.create("a").unwrap());
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let file = Arc::clone(&file);
                scope.spawn(move || file.write_at(u64::from(thread) * 100, &[thread; 100]).unwrap());
            }
        });
        assert!(content(&*file).chunks(100).enumerate().all(|(thread, chunk)| chunk == [thread as u8; 100]));
    });
}

#[derive(Clone, Debug)]
enum Call {
    Write(u64, Vec<u8>),
    SetLength(u64),
    Read(u64, usize),
    Sync,
    Rename(u8, u8),
    Remove(u8),
    Create(u8),
}

fn calls() -> impl Strategy<Value = Vec<(u8, Call)>> {
    let call = prop_oneof![
        4 => (0..200_u64, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(at, data)| Call::Write(at, data)),
        1 => (0..200_u64).prop_map(Call::SetLength),
        3 => (0..250_u64, 0..60_usize).prop_map(|(at, count)| Call::Read(at, count)),
        1 => Just(Call::Sync),
        1 => (0..3_u8, 0..3_u8).prop_map(|(from, to)| Call::Rename(from, to)),
        1 => (0..3_u8).prop_map(Call::Remove),
        3 => (0..3_u8).prop_map(Call::Create),
    ];
    prop::collection::vec((0..3_u8, call), 1..60)
}

/// What a call shows to its caller, so that two disks can be compared.
fn perform(storage: &dyn Storage, file: u8, call: &Call) -> Result<Vec<u8>, &'static str> {
    let name = |number: u8| format!("file-{number}");
    let open = || storage.open(&name(file));
    let outcome = match call {
        Call::Write(at, data) => open().and_then(|file| file.write_at(*at, data).map(|()| Vec::new())),
        Call::SetLength(bytes) => open().and_then(|file| file.set_len(*bytes).map(|()| Vec::new())),
        Call::Read(at, count) => open().and_then(|file| {
            let mut buf = vec![0; *count];
            let count = file.read_at(*at, &mut buf)?;
            buf.truncate(count);
            Ok(buf)
        }),
        Call::Sync => open().and_then(|file| file.sync_all()).and_then(|()| storage.sync_dir()).map(|()| Vec::new()),
        Call::Rename(from, to) => storage.rename(&name(*from), &name(*to)).map(|()| Vec::new()),
        Call::Remove(number) => storage.remove(&name(*number)).map(|()| Vec::new()),
        Call::Create(number) => storage.create(&name(*number)).map(|_| Vec::new()),
    };
    outcome.map_err(|error| match error {
        Error::NotFound { .. } => "not found",
        Error::AlreadyExists { .. } => "exists",
        _ => "other",
    })
}

proptest! {
    #[test]
    fn the_disk_in_memory_behaves_like_the_real_one(calls in calls()) {
        let directory = tempfile::tempdir().unwrap();
        let (memory, os) = (MemoryStorage::tracking_syncs(), OsStorage::open(directory.path()).unwrap());
        for (file, call) in &calls {
            prop_assert_eq!(perform(&memory, *file, call), perform(&os, *file, call), "{:?}", call);
        }
        prop_assert_eq!(memory.list().unwrap(), os.list().unwrap());
        for name in memory.list().unwrap() {
            prop_assert_eq!(content(&*memory.open(&name).unwrap()), content(&*os.open(&name).unwrap()));
        }
    }
}
