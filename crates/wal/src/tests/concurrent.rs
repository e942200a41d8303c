//! Many threads, one log.

use super::*;

#[test]
fn every_acknowledged_record_of_many_threads_is_there_in_order() {
    let disk = MemoryStorage::tracking_syncs();
    let wal = open(&disk, WalOptions { segment_bytes: 64 << 10, ..WalOptions::default() });
    let acknowledged = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12_u32)
            .map(|thread| {
                let (wal, disk) = (&wal, &disk);
                scope.spawn(move || {
                    let mut positions = Vec::new();
                    for count in 0..40_u32 {
                        let record = format!("{thread}.{count}");
                        let position = wal.commit(&[record.as_bytes()]).unwrap();
                        positions.push((position, record));
                        if thread == 0 && count % 8 == 0 {
                            let copy = open(&disk.fork_durable(), roomy());
                            assert!(copy.end() >= position, "acknowledged before it was durable");
                        }
                    }
                    positions
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<BTreeMap<Lsn, String>>()
    });
    assert_eq!(acknowledged.len(), 480);
    let stats = wal.stats();
    assert!(stats.syncs <= stats.groups + stats.rolls, "{stats:?}");
    drop(wal);
    let copy = open(&disk.fork_durable(), roomy());
    let found: Vec<(Lsn, String)> =
        groups(&copy).iter().map(|group| (group.end, texts(std::slice::from_ref(group)).concat())).collect();
    assert_eq!(found, acknowledged.into_iter().collect::<Vec<_>>());
}

#[test]
fn background_work_goes_on_beside_commits() {
    let disk = MemoryStorage::new();
    let options = WalOptions { segment_bytes: 32 << 10, ..WalOptions::default() };
    let wal = open(&disk, options.clone());
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..60 {
                        wal.commit(&[b"x"]).unwrap();
                    }
                })
            })
            .collect();
        let background = scope.spawn(|| {
            let mut recycled = 0;
            while recycled < 10 {
                wal.prepare_spare().unwrap();
                recycled += wal.recycle(wal.durable()).unwrap();
                let mut last = wal.start();
                for group in wal.replay(last).into_iter().flatten() {
                    match group {
                        Ok(group) => {
                            assert!(group.start >= last);
                            last = group.end;
                        }
                        Err(error) => assert!(matches!(error, Error::Recycled { .. }), "{error}"),
                    }
                }
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        background.join().unwrap();
    });
    wal.close().unwrap();
    let (end, stats) = (wal.end(), wal.stats());
    assert!(stats.spares_used > 0 && stats.recycled >= 10, "{stats:?}");
    drop(wal);
    let (wal, recovery) = try_open(&disk, options).unwrap();
    assert_eq!(recovery.end, end);
    assert!(groups(&wal).len() as u64 <= 180);
}
