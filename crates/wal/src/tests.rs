//! What the log promises, on a disk in memory: what was acknowledged comes back, what is damaged is noticed, and what fails
//! fails closed.

use std::collections::BTreeMap;
use std::sync::Arc;

use monostable_vfs::{Fault, MemoryStorage, Operation, Storage};
use proptest::prelude::*;

use crate::format::{ALIGNMENT, GroupHeader, GroupKind, GroupPlan, SEGMENT_HEADER_BYTES, encode_group};
use crate::segment::{SegmentReader, name_of, numbers};
use crate::{Damage, Error, Group, Lsn, Recovery, Wal, WalOptions, salvage};

mod concurrent;
mod damage;
mod failures;
mod layout;
mod segments;

/// Segments small enough that a handful of groups fills one.
fn small() -> WalOptions {
    WalOptions { segment_bytes: SEGMENT_HEADER_BYTES + 4 * ALIGNMENT, ..WalOptions::default() }
}

/// One segment that is never filled.
fn roomy() -> WalOptions {
    WalOptions { segment_bytes: 1 << 20, ..WalOptions::default() }
}

fn open(disk: &MemoryStorage, options: WalOptions) -> Wal {
    Wal::open(Arc::new(disk.clone()), options).unwrap().0
}

fn try_open(disk: &MemoryStorage, options: WalOptions) -> crate::Result<(Wal, Recovery)> {
    Wal::open(Arc::new(disk.clone()), options)
}

fn groups(wal: &Wal) -> Vec<Group> {
    wal.replay(wal.start()).unwrap().collect::<crate::Result<_>>().unwrap()
}

fn texts(groups: &[Group]) -> Vec<String> {
    groups.iter().flat_map(|group| &group.records).map(|record| String::from_utf8_lossy(record).into_owned()).collect()
}

fn content(wal: &Wal) -> Vec<String> {
    texts(&groups(wal))
}

fn last_segment(disk: &MemoryStorage) -> String {
    name_of(*numbers(disk).unwrap().last().unwrap())
}

fn read(disk: &MemoryStorage, name: &str) -> Vec<u8> {
    let file = disk.open(name).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

fn overwrite(disk: &MemoryStorage, name: &str, bytes: &[u8]) {
    let file = disk.open(name).unwrap();
    file.set_len(0).unwrap();
    file.write_at(0, bytes).unwrap();
}

#[test]
fn what_was_committed_is_there_after_any_kind_of_end() {
    for end in ["drop", "seal", "close"] {
        let disk = MemoryStorage::tracking_syncs();
        let wal = open(&disk, roomy());
        wal.commit(&[b"a", b"", b"b"]).unwrap();
        let position = wal.commit(&[&[b'c'; 10_000]]).unwrap();
        assert_eq!((wal.end(), wal.durable()), (position, position));
        match end {
            "seal" => wal.seal().unwrap(),
            "close" => wal.close().unwrap(),
            _ => {}
        }
        assert_eq!((wal.end(), wal.durable()), (position, position), "a seal is not visible");
        let before = groups(&wal);
        assert_eq!((before.len(), before[0].records.len(), before[1].end), (2, 3, position));
        drop(wal);
        for disk in [disk.fork_durable(), disk.fork()] {
            let (wal, recovery) = try_open(&disk, roomy()).unwrap();
            assert_eq!((recovery.start, recovery.end, recovery.torn), (Lsn::ZERO, position, None), "{end}");
            assert_eq!(groups(&wal), before);
            assert_eq!(wal.end(), position);
        }
    }
}

#[test]
fn positions_grow_over_sessions_and_name_groups() {
    let disk = MemoryStorage::tracking_syncs();
    let mut ends = vec![Lsn::ZERO];
    for session in 0..6 {
        let wal = open(&disk, small());
        assert_eq!(wal.end(), *ends.last().unwrap());
        for group in 0..3 {
            ends.push(wal.commit(&[format!("{session}.{group}").as_bytes()]).unwrap());
            if group == 1 {
                wal.seal().unwrap();
            }
        }
        if session % 2 == 0 {
            wal.close().unwrap();
        }
    }
    let wal = open(&disk.fork_durable(), small());
    assert!(ends.is_sorted());
    for (index, from) in ends.iter().enumerate() {
        let rest: Vec<Group> = wal.replay(*from).unwrap().collect::<crate::Result<_>>().unwrap();
        assert_eq!(rest.iter().map(|group| group.end).collect::<Vec<_>>(), ends[index + 1..]);
    }
    assert!(matches!(wal.replay(Lsn(u64::MAX)), Err(Error::BeyondEnd { .. })));
    assert!(matches!(wal.sync(Lsn(u64::MAX)), Err(Error::BeyondEnd { .. })));
}

#[test]
fn opening_without_appending_changes_nothing() {
    let disk = MemoryStorage::tracking_syncs();
    open(&disk, roomy()).close().unwrap();
    assert!(disk.list().unwrap().is_empty());
    open(&disk, roomy()).commit(&[b"a"]).unwrap();
    open(&disk, roomy());
    let names = disk.list().unwrap();
    let bytes: Vec<Vec<u8>> = names.iter().map(|name| read(&disk, name)).collect();
    for _ in 0..3 {
        let (wal, recovery) = try_open(&disk, roomy()).unwrap();
        assert_eq!(recovery.groups_rewritten, 0, "the copy is vouched for");
        assert_eq!(content(&wal), ["a"]);
        wal.close().unwrap();
    }
    assert_eq!(disk.list().unwrap(), names);
    assert_eq!(names.iter().map(|name| read(&disk, name)).collect::<Vec<_>>(), bytes);
}

#[test]
fn an_empty_group_is_not_written() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, roomy());
    assert_eq!(wal.commit(&[]).unwrap(), Lsn::ZERO);
    let end = wal.commit(&[b""]).unwrap();
    assert_eq!(wal.append(&[]).unwrap(), end);
    assert_eq!(groups(&wal).len(), 1);
}

#[test]
fn replay_sees_only_what_is_durable() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, roomy());
    wal.commit(&[b"durable"]).unwrap();
    let position = wal.append(&[b"written"]).unwrap();
    assert_eq!(content(&wal), ["durable"]);
    wal.sync(position).unwrap();
    assert_eq!(content(&wal), ["durable", "written"]);
}

#[test]
fn stats_count_what_happened() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, small());
    for _ in 0..5 {
        wal.commit(&[b"ab", b"c"]).unwrap();
    }
    wal.seal().unwrap();
    wal.seal().unwrap();
    let stats = wal.stats();
    assert_eq!((stats.groups, stats.records, stats.record_bytes, stats.seals), (5, 10, 15, 1));
    assert_eq!((stats.written_bytes, stats.segments, stats.rolls), (6 * ALIGNMENT, 2, 2));
    assert_eq!(stats.syncs, 6);
}

proptest! {
    #[test]
    fn any_groups_in_any_segments_come_back(
        sizes in prop::collection::vec(prop::collection::vec(0..9_000_usize, 1..4), 1..20),
        blocks in 2..12_u64,
        endings in prop::collection::vec(0..5_u8, 20),
    ) {
        let disk = MemoryStorage::tracking_syncs();
        let options = WalOptions { segment_bytes: SEGMENT_HEADER_BYTES + blocks * ALIGNMENT, ..WalOptions::default() };
        let mut expected: Vec<Vec<Vec<u8>>> = Vec::new();
        let mut wal = open(&disk, options.clone());
        for (index, sizes) in sizes.iter().enumerate() {
            let records: Vec<Vec<u8>> = sizes.iter().map(|size| vec![index as u8 + 1; *size]).collect();
            wal.commit(&records.iter().map(|record| &record[..]).collect::<Vec<_>>()).unwrap();
            expected.push(records);
            match endings[index] {
                0 => wal.seal().unwrap(),
                1 => drop(wal.prepare_spare().unwrap()),
                2 => {
                    drop(wal);
                    wal = open(&disk, options.clone());
                }
                3 => {
                    drop(wal);
                    wal = open(&disk.fork_durable(), options.clone());
                    prop_assert_eq!(groups(&wal).len(), expected.len());
                    drop(wal);
                    wal = open(&disk, options.clone());
                }
                _ => {}
            }
        }
        drop(wal);
        let wal = open(&disk.fork_durable(), options);
        let found: Vec<Vec<Vec<u8>>> =
            groups(&wal).iter().map(|group| group.records.iter().map(|record| record.to_vec()).collect()).collect();
        prop_assert_eq!(found, expected);
    }
}
