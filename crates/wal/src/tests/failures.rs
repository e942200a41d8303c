//! A disk that refuses, fills up, or stops in the middle.

use super::*;

fn fail(disk: &MemoryStorage, operation: Operation, nth: u64) {
    disk.inject(Fault { operation, nth, sticky: false });
}

#[test]
fn a_failed_sync_poisons_and_its_outcome_is_unknown() {
    let disk = MemoryStorage::tracking_syncs();
    let wal = open(&disk, roomy());
    let first = wal.commit(&[b"first"]).unwrap();
    fail(&disk, Operation::Sync, 1);
    let second = wal.append(&[b"second"]).unwrap();
    let error = wal.sync(second).unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown { position, .. } if position == second), "{error}");
    assert!(matches!(wal.sync(second), Err(Error::OutcomeUnknown { .. })), "it is never tried again");
    wal.sync(first).unwrap();
    for _ in 0..2 {
        assert!(matches!(wal.append(&[b"third"]), Err(Error::Poisoned { .. })));
        assert!(matches!(wal.seal(), Err(Error::Poisoned { .. })));
        assert!(matches!(wal.close(), Err(Error::Poisoned { .. })));
        assert!(matches!(wal.recycle(first), Err(Error::Poisoned { .. })));
    }
    assert_eq!((content(&wal), wal.durable()), (vec!["first".to_owned()], first));
    drop(wal);
    assert_eq!(content(&open(&disk.fork_durable(), roomy())), ["first"]);
    let (wal, recovery) = try_open(&disk, roomy()).unwrap();
    assert_eq!(content(&wal), ["first", "second"], "the cache still has it, and the next open settles it");
    assert_eq!(recovery.groups_rewritten, 1, "the header of the second group vouches for the first");
    drop(wal);
    assert_eq!(content(&open(&disk.fork_durable(), roomy())), ["first", "second"], "for good");
}

#[test]
fn a_failed_write_poisons_and_its_outcome_is_unknown() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, roomy());
    wal.commit(&[b"first"]).unwrap();
    fail(&disk, Operation::Write, 1);
    assert!(matches!(wal.append(&[&[1; 9_000]]), Err(Error::OutcomeUnknown { .. })));
    assert!(matches!(wal.append(&[b"third"]), Err(Error::Poisoned { .. })));
    drop(wal);
    assert_eq!(content(&open(&disk, roomy())), ["first"]);
}

#[test]
fn a_failed_sync_reaches_every_waiting_thread() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, roomy());
    wal.commit(&[b"first"]).unwrap();
    disk.inject(Fault { operation: Operation::Sync, nth: 5, sticky: true });
    let outcomes: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..10)
                        .map(|_| wal.commit(&[b"more"]))
                        .find_map(|outcome| outcome.err())
                        .is_some_and(|error| matches!(error, Error::OutcomeUnknown { .. } | Error::Poisoned { .. }))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(outcomes.iter().any(|failed| *failed), "somebody was hit");
    assert!(matches!(wal.append(&[b"x"]), Err(Error::Poisoned { .. })));
}

#[test]
fn a_full_disk_refuses_and_the_log_goes_on_when_there_is_space() {
    let disk = MemoryStorage::tracking_syncs();
    let wal = open(&disk, small());
    let mut expected = Vec::new();
    let mut refusals = 0;
    for round in 0..400_u64 {
        disk.set_capacity(Some((20 << 10) + round * 512));
        let record = format!("{round}");
        match wal.commit(&[record.as_bytes()]) {
            Ok(_) => expected.push(record),
            Err(Error::Disk(monostable_vfs::Error::NoSpace { .. })) => refusals += 1,
            Err(error) => panic!("{round}: {error}"),
        }
        assert_eq!(content(&wal), expected);
    }
    assert!(refusals > 50 && expected.len() > 20, "{refusals} {}", expected.len());
    assert_eq!(content(&open(&disk.fork_durable(), small())), expected, "what was refused did not happen");
}

#[test]
fn a_spare_that_does_not_fit_takes_no_space() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, small());
    disk.set_capacity(Some(10 << 10));
    assert!(matches!(wal.prepare_spare(), Err(Error::Disk(_))));
    assert_eq!(disk.used_bytes(), 0);
    disk.set_capacity(None);
    assert!(wal.prepare_spare().unwrap());
    wal.commit(&[b"one"]).unwrap();
    assert_eq!(wal.stats().spares_used, 1);
}

/// Fails the nth call of one kind in a workload that touches everything, for every n, then looks at what is there.
#[test]
fn whatever_fails_when_nothing_acknowledged_is_lost() {
    let kinds = [
        Operation::Create,
        Operation::Open,
        Operation::Rename,
        Operation::Remove,
        Operation::List,
        Operation::SyncDirectory,
        Operation::Read,
        Operation::Write,
        Operation::Length,
        Operation::SetLength,
        Operation::Sync,
    ];
    for operation in kinds {
        let mut hit = 0;
        for nth in 1.. {
            let disk = MemoryStorage::tracking_syncs();
            fail(&disk, operation, nth);
            let mut acknowledged = Vec::new();
            let failed = workload(&disk, &mut acknowledged).is_err();
            disk.clear_faults();
            for crashed in [disk.fork_durable(), disk.fork()] {
                let found = content(&open(&crashed, small()));
                let first = found.first().map_or(0, |text| text.parse::<usize>().unwrap());
                let known: Vec<String> = acknowledged.iter().skip(first).cloned().collect();
                assert!(found.starts_with(&known), "{operation} {nth}: {known:?} became {found:?}");
            }
            if !failed {
                break;
            }
            hit += 1;
            assert!(nth < 500);
        }
        assert!(hit > 0, "{operation} was never hit");
    }
}

fn workload(disk: &MemoryStorage, acknowledged: &mut Vec<String>) -> crate::Result<()> {
    for session in 0..3 {
        let (wal, _) = try_open(disk, small())?;
        for _ in 0..7 {
            let record = acknowledged.len().to_string();
            wal.commit(&[record.as_bytes()])?;
            acknowledged.push(record);
        }
        wal.prepare_spare()?;
        if session == 1 {
            wal.recycle(wal.durable())?;
        }
        if session == 2 {
            wal.close()?;
        }
    }
    Ok(())
}

#[test]
fn a_crash_in_the_middle_of_opening_is_just_another_crash() {
    let disk = MemoryStorage::tracking_syncs();
    let wal = open(&disk, roomy());
    wal.commit(&[b"one"]).unwrap();
    wal.commit(&[b"two"]).unwrap();
    wal.append(&[b"not acknowledged"]).unwrap();
    drop(wal);
    let kinds = [Operation::Create, Operation::Write, Operation::Sync, Operation::Rename, Operation::SyncDirectory];
    let mut interrupted = 0;
    for operation in kinds {
        for nth in 1..20 {
            let disk = disk.fork();
            fail(&disk, operation, nth);
            let outcome = try_open(&disk, roomy()).map(drop);
            interrupted += u64::from(outcome.is_err());
            disk.clear_faults();
            let before = content(&open(&disk.fork_durable(), roomy()));
            assert_eq!(before, ["one", "two", "not acknowledged"], "{operation} {nth}");
            for _ in 0..2 {
                assert_eq!(content(&open(&disk, roomy())), before, "{operation} {nth}");
            }
        }
    }
    assert!(interrupted >= 7, "{interrupted}");
}

#[test]
fn the_log_takes_the_directory_unless_its_owner_has_it() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, roomy());
    let error = try_open(&disk, roomy()).unwrap_err();
    assert!(matches!(error, Error::Disk(monostable_vfs::Error::Locked { .. })), "{error}");
    drop(wal);
    let _lock = disk.lock().unwrap();
    assert!(try_open(&disk, roomy()).is_err());
    open(&disk, WalOptions { lock_directory: false, ..roomy() }).commit(&[b"x"]).unwrap();
}

#[test]
fn limits_and_options_are_typed_errors() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, WalOptions { record_bytes_max: 10, ..roomy() });
    wal.commit(&[&[1; 10]]).unwrap();
    let error = wal.append(&[b"short", &[1; 11]]).unwrap_err();
    assert!(matches!(error, Error::RecordTooLarge { bytes: 11, limit_bytes: 10 }), "{error}");
    assert_eq!(groups(&wal).len(), 1);
    wal.close().unwrap();
    wal.close().unwrap();
    assert!(matches!(wal.append(&[b"x"]), Err(Error::Closed)));
    assert!(matches!(wal.seal(), Err(Error::Closed)));
    for segment_bytes in [0, 12 << 10, (64 << 10) + 1] {
        let outcome = try_open(&MemoryStorage::new(), WalOptions { segment_bytes, ..WalOptions::default() });
        assert!(matches!(outcome, Err(Error::InvalidOptions { .. })), "{segment_bytes}");
    }
    let too_long = WalOptions { record_bytes_max: u64::MAX, ..WalOptions::default() };
    assert!(matches!(try_open(&MemoryStorage::new(), too_long), Err(Error::InvalidOptions { .. })));
}

/// A disk after a crash that kept any sectors of what was not synced, and lost the others.
fn crashed(disk: &MemoryStorage, keep: &mut impl FnMut() -> bool) -> MemoryStorage {
    let (durable, current) = (disk.fork_durable(), disk.fork());
    for name in durable.list().unwrap() {
        let Ok(file) = current.open(&name) else { continue };
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(0, &mut bytes).unwrap();
        let target = durable.open(&name).unwrap();
        for (index, sector) in bytes.chunks(512).enumerate() {
            if keep() {
                target.write_at(index as u64 * 512, sector).unwrap();
            }
        }
    }
    durable
}

proptest! {
    #[test]
    fn a_crash_that_keeps_any_sectors_loses_nothing_acknowledged_and_is_never_taken_for_damage(
        steps in prop::collection::vec((0..6_u8, 0..6_000_usize, any::<u64>()), 1..25),
    ) {
        let disk = MemoryStorage::tracking_syncs();
        let mut wal = open(&disk, small());
        let (mut written, mut acknowledged) = (Vec::new(), 0);
        for (step, bytes, mut seed) in steps {
            match step {
                0..3 => {
                    let record = vec![written.len() as u8; bytes];
                    wal.append(&[&record]).unwrap();
                    written.push(record);
                }
                3 => wal.sync(wal.end()).unwrap(),
                4 => wal.seal().unwrap(),
                _ => {
                    drop(wal);
                    wal = open(&disk, small());
                }
            }
            if step >= 3 {
                acknowledged = written.len();
            }
            let known_durable = wal.durable();
            let mut keep = || {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed % 3 > 0
            };
            let after = crashed(&disk, &mut keep);
            let reopened = open(&after, WalOptions { known_durable, ..small() });
            let found: Vec<Vec<u8>> = groups(&reopened).iter().map(|group| group.records[0].to_vec()).collect();
            prop_assert!(found.len() >= acknowledged, "{} of {} acknowledged groups", found.len(), acknowledged);
            prop_assert_eq!(&found[..], &written[..found.len()]);
            drop(reopened);
            let again = open(&after.fork_durable(), small());
            prop_assert_eq!(groups(&again).len(), found.len(), "what was found once is there for good");
        }
    }
}
