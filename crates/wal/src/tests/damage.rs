//! Torn tails and flipped bits: what may be lost, what must be noticed, and what must not matter.

use super::*;

/// Three acknowledged groups, the second of two blocks; nothing vouches for the last.
fn three_groups() -> (MemoryStorage, Vec<Group>) {
    let disk = MemoryStorage::new();
    let wal = open(&disk, roomy());
    wal.commit(&[b"first", b"of two"]).unwrap();
    wal.commit(&[&[7; 5_000]]).unwrap();
    wal.commit(&[b"third"]).unwrap();
    let groups = groups(&wal);
    drop(wal);
    let name = last_segment(&disk);
    let bytes = read(&disk, &name);
    let end = SEGMENT_HEADER_BYTES as usize + groups.last().unwrap().end.0 as usize;
    overwrite(&disk, &name, &bytes[..end + ALIGNMENT as usize]);
    (disk, groups)
}

#[test]
fn every_torn_prefix_of_the_last_group_leaves_exactly_the_earlier_ones() {
    let (disk, groups) = three_groups();
    let name = last_segment(&disk);
    let bytes = read(&disk, &name);
    let start = SEGMENT_HEADER_BYTES as usize + groups[2].start.0 as usize;
    let written = 64 + 4 + "third".len();
    for kept in 0..=written {
        for stale in [0, 0xa5] {
            let mut torn = bytes.clone();
            torn[start + kept..start + ALIGNMENT as usize].fill(stale);
            let disk = disk.fork();
            overwrite(&disk, &name, &torn);
            let (wal, recovery) = try_open(&disk, roomy()).unwrap();
            let whole = kept == written;
            assert_eq!(self::groups(&wal), groups[..if whole { 3 } else { 2 }], "{kept} bytes kept");
            if !whole {
                assert_eq!(recovery.end, groups[1].end);
                let damage = recovery.torn.map(|torn| torn.damage);
                assert!(kept < 16 || damage.is_some(), "{kept} bytes kept: {damage:?}");
            }
            wal.commit(&[b"next"]).unwrap();
            drop(wal);
            let expected = if whole { 4 } else { 3 };
            assert_eq!(self::groups(&open(&disk, roomy())).len(), expected, "the torn group stays gone");
        }
    }
}

#[test]
fn a_file_that_was_cut_anywhere_is_a_torn_tail_only_behind_the_last_proof() {
    let (disk, groups) = three_groups();
    let name = last_segment(&disk);
    let bytes = read(&disk, &name);
    for cut in (0..bytes.len()).step_by(37) {
        let disk = disk.fork();
        overwrite(&disk, &name, &bytes[..cut]);
        // The headers behind the cut went with it, so the file alone proves nothing; its owner's knowledge does.
        let known = WalOptions { known_durable: groups[1].end, ..roomy() };
        match try_open(&disk, known) {
            Ok((wal, _)) => {
                assert!(cut as u64 >= SEGMENT_HEADER_BYTES + groups[1].end.0 - ALIGNMENT, "{cut}");
                assert!(self::groups(&wal).len() >= 2, "{cut}");
            }
            Err(Error::Corruption { to, .. }) => assert!(to == groups[1].end || cut < ALIGNMENT as usize, "{cut}"),
            Err(error) => panic!("{cut}: {error}"),
        }
    }
}

/// Flips a bit of every byte of every file, one at a time, and tries to read.
///
/// A flip may cost a group only if nothing proves that the group was durable, which is the case for those that begin at or
/// behind `unproven`; `legal` counts how often that happened.
fn flip_every_byte(disk: &MemoryStorage, groups: &[Group], unproven: Lsn, known_durable: Lsn) -> usize {
    let mut legal = 0;
    for name in disk.list().unwrap() {
        let bytes = read(disk, &name);
        for (index, byte) in bytes.iter().enumerate() {
            let copy = disk.fork();
            let flipped = byte ^ 1 << (index % 8);
            copy.open(&name).unwrap().write_at(index as u64, &[flipped]).unwrap();
            let options = WalOptions { known_durable, ..roomy() };
            let outcome = try_open(&copy, options)
                .and_then(|(wal, _)| wal.replay(wal.start())?.collect::<crate::Result<Vec<_>>>());
            match outcome {
                Ok(found) if found == groups => {}
                Ok(found) => {
                    assert_eq!(found, groups[..found.len()], "{name} byte {index}: not a prefix");
                    assert!(groups[found.len()].start >= unproven, "{name} byte {index}: silent loss");
                    legal += 1;
                }
                Err(Error::Corruption { .. }) => {}
                Err(error) => panic!("{name} byte {index}: {error}"),
            }
        }
    }
    legal
}

#[test]
fn a_flip_costs_at_most_the_last_group_of_a_log_that_was_never_sealed() {
    let (disk, groups) = three_groups();
    let legal = flip_every_byte(&disk, &groups, groups[2].start, Lsn::ZERO);
    assert_eq!(legal, 64 + 4 + "third".len(), "exactly the bytes of the last group, padding excluded");
}

#[test]
fn no_flip_costs_anything_that_the_owner_knows_to_be_durable() {
    let (disk, groups) = three_groups();
    assert_eq!(flip_every_byte(&disk, &groups, Lsn(u64::MAX), groups[2].end), 0);
}

#[test]
fn no_flip_costs_anything_once_the_log_is_sealed_closed_or_opened_again() {
    for end in ["seal", "close", "open"] {
        let disk = MemoryStorage::new();
        let options = WalOptions { segment_bytes: SEGMENT_HEADER_BYTES + 2 * ALIGNMENT, ..WalOptions::default() };
        let wal = open(&disk, options.clone());
        for record in ["one", "two", "three"] {
            wal.commit(&[record.as_bytes()]).unwrap();
        }
        let groups = groups(&wal);
        match end {
            "seal" => wal.seal().unwrap(),
            "close" => wal.close().unwrap(),
            _ => {
                drop(wal);
                drop(open(&disk, options));
            }
        }
        assert_eq!(flip_every_byte(&disk, &groups, Lsn(u64::MAX), Lsn::ZERO), 0, "{end}");
    }
}

#[test]
fn every_bit_of_every_header_and_payload_is_covered() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, roomy());
    wal.commit(&[b"some record"]).unwrap();
    wal.close().unwrap();
    let name = last_segment(&disk);
    let first = SEGMENT_HEADER_BYTES;
    for (from, to) in [(0, 80), (ALIGNMENT, ALIGNMENT + 80), (first, first + 64 + 15)] {
        for bit in from * 8..to * 8 {
            let copy = disk.fork();
            let file = copy.open(&name).unwrap();
            let mut byte = [0];
            file.read_exact_at(bit / 8, &mut byte).unwrap();
            file.write_at(bit / 8, &[byte[0] ^ 1 << (bit % 8)]).unwrap();
            match try_open(&copy, roomy()) {
                Ok((wal, _)) => assert!(bit < first * 8 && content(&wal) == ["some record"], "bit {bit}"),
                Err(Error::Corruption { offset, from, to, .. }) => {
                    assert_eq!((offset, from, to), (first, Lsn::ZERO, Lsn(ALIGNMENT)), "bit {bit}");
                }
                Err(error) => panic!("bit {bit}: {error}"),
            }
        }
    }
}

#[test]
fn a_later_group_that_reached_the_disk_first_proves_nothing() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, roomy());
    let first = wal.commit(&[b"acknowledged"]).unwrap();
    wal.append(&[b"lost"]).unwrap();
    wal.append(&[b"arrived early"]).unwrap();
    let name = last_segment(&disk);
    disk.open(&name).unwrap().write_at(SEGMENT_HEADER_BYTES + first.0, &[0; ALIGNMENT as usize]).unwrap();
    drop(wal);
    let (wal, recovery) = try_open(&disk, roomy()).unwrap();
    assert_eq!((content(&wal), recovery.end), (vec!["acknowledged".to_owned()], first));
    wal.commit(&[b"lost"]).unwrap();
    drop(wal);
    assert_eq!(content(&open(&disk, roomy())), ["acknowledged", "lost"], "what arrived early does not come back");
}

#[test]
fn a_later_claim_proves_everything_before_it() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, roomy());
    let first = wal.commit(&[b"one"]).unwrap();
    let second = wal.commit(&[b"two"]).unwrap();
    wal.commit(&[b"three"]).unwrap();
    wal.commit(&[b"four"]).unwrap();
    drop(wal);
    let name = last_segment(&disk);
    // Only the header of the third group is left to tell.
    let file = disk.open(&name).unwrap();
    file.write_at(SEGMENT_HEADER_BYTES + first.0, &[0; ALIGNMENT as usize]).unwrap();
    file.write_at(SEGMENT_HEADER_BYTES + second.0 + 64, &[9; 8]).unwrap();
    file.write_at(SEGMENT_HEADER_BYTES + second.0 + ALIGNMENT, &[0; ALIGNMENT as usize]).unwrap();
    match try_open(&disk, roomy()) {
        Err(Error::Corruption { segment, offset, from, to, damage }) => {
            assert_eq!((segment, offset), (name, SEGMENT_HEADER_BYTES + first.0));
            assert_eq!((from, to, damage), (first, second, Damage::NoGroup));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_segment_is_corruption() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, small());
    for count in 0..14 {
        wal.commit(&[format!("{count}").as_bytes()]).unwrap();
    }
    let end = wal.end();
    wal.close().unwrap();
    drop(wal);
    let all = numbers(&disk).unwrap();
    assert_eq!(all, [1, 2, 3, 4]);
    let copy = disk.fork();
    copy.remove(&name_of(2)).unwrap();
    assert!(matches!(try_open(&copy, small()), Err(Error::Corruption { damage: Damage::Missing, .. })));
    let known = WalOptions { known_durable: end, ..small() };
    let copy = disk.fork();
    copy.remove(&name_of(4)).unwrap();
    assert!(matches!(try_open(&copy, known.clone()), Err(Error::Corruption { .. })));
    assert!(matches!(try_open(&MemoryStorage::new(), known), Err(Error::Corruption { damage: Damage::Missing, .. })));
    let copy = disk.fork();
    copy.rename(&name_of(4), &name_of(5)).unwrap();
    assert!(matches!(try_open(&copy, small()), Err(Error::Corruption { damage: Damage::SegmentHeader, .. })));
}

#[test]
fn groups_in_the_wrong_place_do_not_verify() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, roomy());
    wal.commit(&[b"one"]).unwrap();
    wal.commit(&[b"two"]).unwrap();
    wal.commit(&[b"thr"]).unwrap();
    wal.close().unwrap();
    let name = last_segment(&disk);
    let bytes = read(&disk, &name);
    let block = |index: usize| &bytes[(2 + index) * ALIGNMENT as usize..][..ALIGNMENT as usize];
    for (from, to) in [(0, 1), (1, 0), (2, 0), (2, 1)] {
        let copy = disk.fork();
        copy.open(&name).unwrap().write_at((2 + to) * ALIGNMENT, block(from as usize)).unwrap();
        let outcome = try_open(&copy, roomy());
        assert!(matches!(outcome, Err(Error::Corruption { damage: Damage::HeaderChecksum, .. })), "{from} -> {to}");
    }
}

#[test]
fn a_group_that_does_not_follow_its_predecessor_is_not_part_of_the_log() {
    for (number, chain_off_by) in [(0, 1), (1, 0)] {
        let (disk, groups) = three_groups();
        let name = last_segment(&disk);
        let mut reader = SegmentReader::open(&disk, 1).unwrap();
        let offset = reader.header.offset_of(groups[2].start);
        let found = reader.header_at(offset).unwrap().unwrap();
        let plan = GroupPlan {
            kind: GroupKind::Records,
            group: found.group + number,
            start: found.start,
            durable: found.durable,
            chain: found.chain.wrapping_add(chain_off_by),
        };
        let mut buffer = Vec::new();
        encode_group(&mut buffer, &reader.header, &plan, &[b"forged"]);
        disk.open(&name).unwrap().write_at(offset, &buffer).unwrap();
        let (wal, recovery) = try_open(&disk, roomy()).unwrap();
        assert_eq!(recovery.torn.map(|torn| torn.damage), Some(Damage::Chain));
        assert_eq!(self::groups(&wal), groups[..2]);
    }
}

#[test]
fn a_segment_of_a_history_that_went_another_way_does_not_join() {
    let disk = MemoryStorage::new();
    let seeded = |nonce_seed| WalOptions { nonce_seed, ..small() };
    open(&disk, seeded(1)).commit(&[b"common"]).unwrap();
    let other = disk.fork();
    for (disk, text) in [(&disk, "here"), (&other, "there")] {
        let wal = open(disk, seeded(text.len() as u64));
        for _ in 0..9 {
            wal.commit(&[text.as_bytes()]).unwrap();
        }
        wal.close().unwrap();
    }
    let (last, number) = (last_segment(&disk), *numbers(&disk).unwrap().last().unwrap());
    assert_eq!(last, last_segment(&other));
    overwrite(&disk, &last, &read(&other, &last));
    let outcome = try_open(&disk, small()).unwrap().0.replay(Lsn::ZERO).unwrap().collect::<crate::Result<Vec<_>>>();
    let name = name_of(number);
    assert!(
        matches!(&outcome, Err(Error::Corruption { segment, damage: Damage::Missing, .. }) if *segment == name),
        "{outcome:?}"
    );
}

#[test]
fn a_seal_vouches_for_what_was_only_written_before() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, roomy());
    wal.append(&[b"written"]).unwrap();
    wal.seal().unwrap();
    assert_eq!(wal.durable(), wal.end());
    drop(wal);
    disk.open(&last_segment(&disk)).unwrap().write_at(SEGMENT_HEADER_BYTES + 70, &[0xff]).unwrap();
    assert!(matches!(try_open(&disk, roomy()), Err(Error::Corruption { damage: Damage::PayloadChecksum, .. })));
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let disk = MemoryStorage::new();
    open(&disk, roomy()).commit(&[b"one"]).unwrap();
    let name = last_segment(&disk);
    let mut bytes = read(&disk, &name);
    bytes[8] = 9;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..12]);
    hasher.update(&bytes[16..ALIGNMENT as usize]);
    bytes[12..16].copy_from_slice(&hasher.finalize().to_le_bytes());
    overwrite(&disk, &name, &bytes);
    assert!(matches!(try_open(&disk, roomy()), Err(Error::UnsupportedVersion { version: 9, supported: 1, .. })));
}

#[test]
fn salvage_hands_out_everything_that_verifies_and_reports_the_rest() {
    let disk = MemoryStorage::new();
    let wal = open(&disk, small());
    for count in 0..9 {
        wal.commit(&[format!("{count}").as_bytes()]).unwrap();
    }
    wal.close().unwrap();
    let all = groups(&wal);
    drop(wal);
    let intact = salvage(&disk, |_| {}).unwrap();
    assert_eq!((intact.groups, intact.lost), (9, vec![]));
    let position = SEGMENT_HEADER_BYTES + ALIGNMENT + 70;
    disk.open(&name_of(2)).unwrap().write_at(position - 4, &[0xff; 4]).unwrap();
    disk.open(&name_of(3)).unwrap().write_at(0, &[0; 8192]).unwrap();
    let mut found = Vec::new();
    let report = salvage(&disk, |group| found.push(group)).unwrap();
    assert_eq!(report.groups, 7);
    assert_eq!(texts(&found), ["0", "1", "2", "3", "4", "6", "7"]);
    let lost: Vec<_> = report.lost.iter().map(|lost| (lost.from, lost.to, lost.damage)).collect();
    let whole_segment = (Lsn::ZERO, Lsn::ZERO, Damage::SegmentHeader);
    assert_eq!(lost, [whole_segment, (all[5].start, all[5].end, Damage::PayloadChecksum)]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        seed in prop::collection::vec(any::<u8>(), 0..200),
        at in 0..20_000_usize,
        count in 1..6_000_usize,
    ) {
        let (disk, groups) = three_groups();
        let name = last_segment(&disk);
        let mut bytes = read(&disk, &name);
        for (index, byte) in bytes.iter_mut().skip(at).take(count).enumerate() {
            *byte = seed.get(index % seed.len().max(1)).copied().unwrap_or(0);
        }
        overwrite(&disk, &name, &bytes);
        let known = WalOptions { known_durable: groups[0].end, ..roomy() };
        match try_open(&disk, known) {
            Ok((wal, _)) => {
                let found = wal.replay(Lsn::ZERO).and_then(|replay| replay.collect::<crate::Result<Vec<_>>>());
                prop_assert!(found.is_ok_and(|found| !found.is_empty() && found == groups[..found.len()]));
            }
            Err(error) => {
                let typed = matches!(error, Error::Corruption { .. } | Error::UnsupportedVersion { .. });
                prop_assert!(typed, "{}", error);
            }
        }
        salvage(&disk, |group| assert!(groups.contains(&group))).unwrap();
    }

    #[test]
    fn header_bytes_are_never_trusted_before_they_are_checked(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let (disk, _) = three_groups();
        let reader = SegmentReader::open(&disk, 1).unwrap();
        prop_assert!(GroupHeader::decode(&bytes, &reader.header, SEGMENT_HEADER_BYTES).is_err());
    }
}
