//! Many threads, one log.
#![expect(clippy::disallowed_methods, reason = "these tests start the threads that they are about")]

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use monostable_vfs::File;
use parking_lot::Mutex;

use super::*;
use crate::flush::Flusher;

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

/// A file whose syncs return only when the test says so, and how.
#[derive(Debug)]
struct GatedFile {
    arrivals: mpsc::Sender<usize>,
    verdicts: Mutex<mpsc::Receiver<bool>>,
    lane: usize,
}

impl File for GatedFile {
    fn sync_data(&self) -> monostable_vfs::Result<()> {
        self.arrivals.send(self.lane).unwrap();
        let failed = || io::Error::other("refused by the test");
        let verdict = self.verdicts.lock().recv_timeout(Duration::from_secs(20)).unwrap();
        if verdict { Ok(()) } else { Err(monostable_vfs::Error::from_io(Operation::Sync, "gate", None, failed())) }
    }
    fn sync_all(&self) -> monostable_vfs::Result<()> {
        self.sync_data()
    }
    fn read_at(&self, _: u64, _: &mut [u8]) -> monostable_vfs::Result<usize> {
        unreachable!("flushing only syncs")
    }
    fn write_at(&self, _: u64, _: &[u8]) -> monostable_vfs::Result<()> {
        unreachable!("flushing only syncs")
    }
    fn len(&self) -> monostable_vfs::Result<u64> {
        unreachable!("flushing only syncs")
    }
    fn set_len(&self, _: u64) -> monostable_vfs::Result<()> {
        unreachable!("flushing only syncs")
    }
    fn set_read_only(&self) -> monostable_vfs::Result<()> {
        unreachable!("flushing only syncs")
    }
    fn name(&self) -> &str {
        "gate"
    }
}

/// A flusher over two gated lanes: where syncs announce themselves, and where they are told how to end.
fn gated() -> (Arc<Flusher>, mpsc::Receiver<usize>, [mpsc::Sender<bool>; 2]) {
    let flusher = Arc::new(Flusher::new(Lsn::ZERO));
    let (arrivals, arrived) = mpsc::channel();
    let gate = |lane| {
        let (verdict, verdicts) = mpsc::channel();
        let file = GatedFile { arrivals: arrivals.clone(), verdicts: Mutex::new(verdicts), lane };
        (verdict, Arc::new(file) as Arc<dyn File>)
    };
    let ((first, first_file), (second, second_file)) = (gate(0), gate(1));
    flusher.switch([first_file, second_file]);
    (flusher, arrived, [first, second])
}

/// Starts a thread that writes up to `position` and waits for it.
fn waiter(flusher: &Arc<Flusher>, position: u64, log: &mpsc::Sender<(u64, bool)>) -> thread::JoinHandle<()> {
    let (flusher, log) = (Arc::clone(flusher), log.clone());
    flusher.wrote(Lsn(position), Lsn(position));
    thread::spawn(move || {
        let outcome = flusher.sync(Lsn(position));
        log.send((position, outcome.is_ok())).unwrap();
    })
}

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_later_flush_is_not_released_before_an_earlier_one() {
    let (flusher, arrived, gates) = gated();
    let (log, outcomes) = mpsc::channel();
    let mut threads = Vec::new();
    for position in [10, 20] {
        threads.push(waiter(&flusher, position, &log));
        assert_eq!(arrived.recv_timeout(PATIENCE), Ok(position as usize / 10 - 1));
    }
    gates[1].send(true).unwrap();
    assert!(outcomes.recv_timeout(Duration::from_millis(50)).is_err(), "the first has not landed");
    assert_eq!(flusher.durable(), Lsn::ZERO);
    gates[0].send(true).unwrap();
    let mut released: Vec<_> = (0..2).map(|_| outcomes.recv_timeout(PATIENCE).unwrap()).collect();
    released.sort_unstable();
    assert_eq!((released, flusher.durable()), (vec![(10, true), (20, true)], Lsn(20)));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn one_failure_fails_both_lanes_and_everyone_who_waits() {
    for failing in [0, 1] {
        let (flusher, arrived, gates) = gated();
        let (log, outcomes) = mpsc::channel();
        let mut threads = Vec::new();
        for position in [10, 20] {
            threads.push(waiter(&flusher, position, &log));
            arrived.recv_timeout(PATIENCE).unwrap();
        }
        threads.push(waiter(&flusher, 30, &log));
        gates[failing].send(false).unwrap();
        gates[1 - failing].send(true).unwrap();
        let outcomes: Vec<_> = (0..3).map(|_| outcomes.recv_timeout(PATIENCE).unwrap()).collect();
        assert!(outcomes.contains(&(20, false)) && outcomes.contains(&(30, false)), "{outcomes:?}");
        assert!(failing == 1 || outcomes.contains(&(10, false)), "{outcomes:?}");
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(flusher.durable() < Lsn(20));
    }
}

#[test]
fn whoever_finds_both_lanes_taken_gets_the_next_one() {
    let (flusher, arrived, gates) = gated();
    let (log, outcomes) = mpsc::channel();
    let mut threads = Vec::new();
    for position in [10, 20] {
        threads.push(waiter(&flusher, position, &log));
        arrived.recv_timeout(PATIENCE).unwrap();
    }
    for position in [30, 40, 50] {
        threads.push(waiter(&flusher, position, &log));
    }
    gates[0].send(true).unwrap();
    assert_eq!(outcomes.recv_timeout(PATIENCE), Ok((10, true)));
    assert_eq!(arrived.recv_timeout(PATIENCE), Ok(0), "one sync for all three");
    gates[1].send(true).unwrap();
    gates[0].send(true).unwrap();
    let mut released: Vec<_> = (0..4).map(|_| outcomes.recv_timeout(PATIENCE).unwrap().0).collect();
    released.sort_unstable();
    assert_eq!((released, flusher.syncs()), (vec![20, 30, 40, 50], 3));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
