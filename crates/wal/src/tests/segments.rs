//! Rolling, recycling, spares, and groups that fit nowhere.

use super::*;

#[test]
fn a_group_larger_than_a_segment_gets_one_of_its_own() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, small());
    wal.commit(&[b"small"]).unwrap();
    wal.commit(&[&[1; 100_000], &[2; 50_000]]).unwrap();
    wal.commit(&[b"small again"]).unwrap();
    assert_eq!(numbers(&disk).unwrap(), [1, 2, 3]);
    let before = groups(&wal);
    drop(wal);
    assert_eq!(groups(&open(&disk, small())), before);
}

#[test]
fn a_huge_unproven_group_is_rewritten_whole() {
    let disk = MemoryStorage::tracking_syncs();
    let wal = open(&disk, small());
    wal.commit(&[&vec![3; 3 << 20]]).unwrap();
    drop(wal);
    let (wal, recovery) = try_open(&disk, small()).unwrap();
    assert_eq!(recovery.groups_rewritten, 1);
    assert_eq!(groups(&wal)[0].records[0].len(), 3 << 20);
}

#[test]
fn recycled_segments_become_spares_and_their_old_bytes_never_verify() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, small());
    let mut kept = 0;
    for round in 0..20_u64 {
        for _ in 0..6 {
            wal.commit(&[b"same bytes every time"]).unwrap();
        }
        kept = wal.recycle(wal.end()).unwrap().max(kept);
        let found = groups(&wal);
        assert!(found.len() <= 8, "round {round}: {}", found.len());
        assert!(found.iter().all(|group| group.records == ["same bytes every time"]));
    }
    let stats = wal.stats();
    assert!(stats.spares_used >= 15 && kept >= 1, "{stats:?}");
    let (start, found) = (wal.start(), groups(&wal));
    assert!(matches!(wal.replay(Lsn::ZERO), Err(Error::Recycled { .. })));
    drop(wal);
    let (wal, recovery) = try_open(&disk, small()).unwrap();
    assert_eq!((recovery.start, groups(&wal)), (start, found));
    assert!(recovery.torn.is_none(), "stale bytes are not a torn tail: {recovery:?}");
}

#[test]
fn recycling_keeps_everything_from_the_given_position_on() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, small());
    let ends: Vec<Lsn> = (0..30).map(|count| wal.commit(&[format!("{count}").as_bytes()]).unwrap()).collect();
    let all = groups(&wal);
    for end in ends {
        wal.recycle(end).unwrap();
        let rest: Vec<Group> = wal.replay(end).unwrap().collect::<crate::Result<_>>().unwrap();
        assert_eq!(rest, all[all.len() - rest.len()..]);
        assert_eq!(rest.first().map_or(end, |group| group.start), end);
    }
    assert_eq!(wal.stats().segments, 1);
}

#[test]
fn what_was_appended_across_segments_is_durable_segment_by_segment() {
    let disk = MemoryStorage::tracking_syncs();
    let wal = open(&disk, small());
    let ends: Vec<Lsn> = (0..11).map(|count| wal.append(&[format!("{count}").as_bytes()]).unwrap()).collect();
    assert_eq!(wal.durable(), ends[7], "the two segments before the last");
    assert_eq!(content(&open(&disk.fork_durable(), small())).len(), 8);
    wal.sync(ends[10]).unwrap();
    assert_eq!(content(&open(&disk.fork_durable(), small())).len(), 11);
}

#[test]
fn what_was_recycled_is_gone_for_good() {
    let disk = MemoryStorage::tracking_syncs();
    let wal = open(&disk, small());
    for _ in 0..14 {
        wal.commit(&[b"x"]).unwrap();
    }
    assert_eq!(wal.recycle(wal.end()).unwrap(), 3);
    assert_eq!(disk.fork_durable().list().unwrap(), disk.list().unwrap());
    assert_eq!(disk.list().unwrap(), [name_of(4).as_str(), "wal.spare"]);
}

#[test]
fn a_running_replay_keeps_its_segments_from_being_reused() {
    let disk = MemoryStorage::new();
    let options = || WalOptions { segment_bytes: 1 << 20, ..WalOptions::default() };
    let wal = open(&disk, options());
    let commit = |byte: u8| wal.commit(&[&vec![byte; 300_000]]).unwrap();
    let ends: Vec<Lsn> = (0..7).map(commit).collect();
    let mut replay = wal.replay(Lsn::ZERO).unwrap();
    assert_eq!(replay.next().unwrap().unwrap().records[0][0], 0);
    assert_eq!(wal.recycle(wal.end()).unwrap(), 2);
    assert!((0..9).map(|_| commit(99)).all(|end| end > ends[6]));
    let rest: Vec<Option<u8>> = replay.map(|group| group.ok().map(|group| group.records[0][0])).collect();
    assert_eq!(rest, [Some(1), Some(2), None], "the segment in hand is read to its end, the next one is gone");
}

#[test]
fn a_prepared_spare_is_used_and_found_again() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, small());
    assert!(wal.prepare_spare().unwrap());
    assert!(!wal.prepare_spare().unwrap());
    drop(wal);
    let wal = open(&disk, small());
    assert!(!wal.prepare_spare().unwrap());
    wal.commit(&[b"one"]).unwrap();
    assert_eq!((wal.stats().spares_used, disk.list().unwrap().len()), (1, 1));
    drop(wal);
    let larger = WalOptions { segment_bytes: 64 << 10, ..WalOptions::default() };
    let wal = open(&disk, small());
    wal.prepare_spare().unwrap();
    drop(wal);
    let wal = open(&disk, larger);
    assert!(wal.prepare_spare().unwrap(), "it is topped up");
    wal.commit(&[b"two"]).unwrap();
    assert_eq!(read(&disk, &last_segment(&disk)).len(), 64 << 10);
    assert_eq!(content(&wal), ["one", "two"]);
}

#[test]
fn closing_gives_back_what_was_filled_ahead() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, WalOptions::default());
    wal.commit(&[b"one"]).unwrap();
    assert!(disk.used_bytes() > 64 << 10);
    wal.close().unwrap();
    assert_eq!(disk.used_bytes(), SEGMENT_HEADER_BYTES + 2 * ALIGNMENT);
}

#[test]
fn files_that_are_not_the_logs_are_left_alone() {
    let disk = MemoryStorage::new();
    for name in ["notes.txt", "1.wal", "000000000000000G.wal", "0000000000000001.WAL"] {
        disk.create(name).unwrap();
    }
    let wal = open(&disk, small());
    for _ in 0..9 {
        wal.commit(&[b"x"]).unwrap();
    }
    wal.recycle(wal.end()).unwrap();
    for name in ["notes.txt", "1.wal", "000000000000000G.wal", "0000000000000001.WAL"] {
        assert!(disk.open(name).unwrap().is_empty().unwrap());
    }
}
