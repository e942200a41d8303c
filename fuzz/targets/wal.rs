//! A damaged log gives back all of its groups, or an error. The log is sealed, so not even its last group may go missing.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use monostable_fuzz::{Damage, Files, disk, files};
use monostable_vfs::MemoryStorage;
use monostable_wal::{Error, Lsn, Wal, WalOptions, salvage};

type Groups = Vec<Vec<Vec<u8>>>;

fn options() -> WalOptions {
    let mut options = WalOptions::default();
    options.segment_bytes = 16 << 10;
    options
}

fn groups(disk: MemoryStorage) -> Result<Groups, Error> {
    let (wal, _) = Wal::open(Arc::new(disk), options())?;
    let records = |group: monostable_wal::Group| group.records.iter().map(|record| record.to_vec()).collect();
    wal.replay(Lsn::ZERO)?.map(|group| group.map(records)).collect()
}

/// Segments with several groups, a group that takes a segment of its own, and a seal at the end.
static LOG: LazyLock<(Files, Groups)> = LazyLock::new(|| {
    let disk = MemoryStorage::new();
    let (wal, _) = Wal::open(Arc::new(disk.clone()), options()).expect("a new log");
    for number in 0..6_u8 {
        let large = vec![number; usize::from(number) * 4000];
        wal.commit(&[b"a record", &[number], &large]).expect("a disk in memory");
    }
    wal.close().expect("a disk in memory");
    drop(wal);
    let files = files(&disk);
    let groups = groups(disk).expect("an undamaged log");
    assert_eq!(groups.len(), 6);
    (files, groups)
});

fuzz_target!(|input: &[u8]| {
    let Some(damage) = Damage::parse(input) else { return };
    let (sound, expected) = &*LOG;
    let damaged = damage.apply(sound, |_| true);
    if let Ok(found) = groups(disk(&damaged)) {
        assert!(!damage.is_burst() || found == *expected, "damage changed what the log holds");
    }
    let _ = salvage(&disk(&damaged), |_| {});
});
