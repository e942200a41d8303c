//! The cache in this process: moka, with leases beside it and, for A3, a file behind it.
//!
//! A lease is the value of a counter of the key at the time it is taken; a delete increments the counter. Fill and delete
//! of a key are serialised by moka's lock of that key, so a fill that is checked before a delete is also removed by it.
//! Keys share counters by hash; a collision refuses a fill that would have been good, which costs one more query.
//!
//! The file of A3 is written like Redis' append-only file with `everysec`: changes are handed to a thread that writes them at
//! once and syncs once a second. A restart waits until what was handed over is written, and reads the file, while calls wait:
//! as with Redis, a process that ends loses nothing, and only a machine that crashes loses the last second.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use moka::ops::compute::Op;
use moka::sync::Cache as Moka;
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::{Cache, Entry, Lease};
use crate::random::mix;
use crate::real::error::{Result, at};
use crate::real::workload::{Page, PageRow};

const COUNTERS: usize = 1 << 16;
/// How often the file is synced.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// A bounded map from keys to entries.
pub struct Local {
    entries: Moka<u64, Entry>,
    capacity: u64,
    counters: Vec<AtomicU64>,
    file: Option<Persisted>,
}

struct Persisted {
    path: PathBuf,
    sender: Mutex<Sender<Handed>>,
    /// Held by calls, and alone by a restart.
    gate: RwLock<()>,
}

/// What the thread that appends is given.
enum Handed {
    Change(Change),
    /// To be answered when everything before it is written.
    Written(Sender<()>),
}

enum Change {
    Put(u64, Entry),
    Delete(u64),
}

impl Local {
    /// A cache of `capacity` entries, behind which stands a file if `path` is given.
    pub fn new(capacity: u64, path: Option<PathBuf>) -> Result<Local> {
        let file = path.map(Persisted::create).transpose()?;
        Ok(Local {
            entries: Moka::builder().max_capacity(capacity).build(),
            capacity,
            counters: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
            file,
        })
    }

    fn counter(&self, key: u64) -> &AtomicU64 {
        &self.counters[mix(key) as usize % COUNTERS]
    }

    fn remember(&self, change: impl FnOnce() -> Change) {
        if let Some(file) = &self.file {
            // The thread that appends ends when the disk refuses; then the file is as good as a crash would leave it.
            let _ = file.sender.lock().send(Handed::Change(change()));
        }
    }

    /// Waits for a restart, and keeps the next one waiting. Without a file a restart is a flush, for which nobody waits.
    fn open(&self) -> Option<RwLockReadGuard<'_, ()>> {
        self.file.as_ref().map(|file| file.gate.read())
    }
}

impl Cache for Local {
    fn get(&self, keys: &[u64]) -> Result<Vec<Option<Entry>>> {
        let _open = self.open();
        Ok(keys.iter().map(|key| self.entries.get(key)).collect())
    }

    fn lease(&self, key: u64) -> Result<Lease> {
        Ok(Lease(self.counter(key).load(Ordering::Acquire)))
    }

    fn fill(&self, key: u64, entry: Entry, lease: Option<Lease>) -> Result<bool> {
        let _open = self.open();
        let counter = self.counter(key);
        let mut stored = false;
        self.entries.entry(key).and_compute_with(|_| {
            stored = lease.is_none_or(|Lease(taken)| counter.load(Ordering::Acquire) == taken);
            if stored {
                self.remember(|| Change::Put(key, entry.clone()));
                Op::Put(entry)
            } else {
                Op::Nop
            }
        });
        Ok(stored)
    }

    fn delete(&self, key: u64, keep: Option<u64>) -> Result<()> {
        let _open = self.open();
        self.counter(key).fetch_add(1, Ordering::AcqRel);
        self.entries.entry(key).and_compute_with(|found| match (found, keep) {
            (None, _) => Op::Nop,
            (Some(found), Some(now)) => {
                let mut entry = found.into_value();
                entry.stale_since.get_or_insert(now);
                self.remember(|| Change::Put(key, entry.clone()));
                Op::Put(entry)
            }
            (Some(_), None) => {
                self.remember(|| Change::Delete(key));
                Op::Remove
            }
        });
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        self.entries.invalidate_all();
        Ok(())
    }

    fn restart(&self) -> Result<()> {
        let Some(file) = &self.file else { return self.clear() };
        let _alone = file.gate.write();
        file.wait_until_written();
        self.clear()?;
        for change in read(&file.path)? {
            match change {
                Change::Put(key, entry) => self.entries.insert(key, entry),
                Change::Delete(key) => self.entries.invalidate(&key),
            }
        }
        Ok(())
    }

    fn settings(&self) -> Vec<(String, String)> {
        vec![
            ("cache".into(), "moka, in this process".into()),
            ("cache entries".into(), self.capacity.to_string()),
            ("cache file".into(), if self.file.is_some() { "appended, synced every second" } else { "none" }.into()),
        ]
    }
}

impl Persisted {
    fn create(path: PathBuf) -> Result<Persisted> {
        let file = File::create(&path).map_err(at(&path))?;
        let (sender, receiver) = channel();
        std::thread::spawn(move || append(BufWriter::new(file), &receiver));
        Ok(Persisted { path, sender: Mutex::new(sender), gate: RwLock::new(()) })
    }

    fn wait_until_written(&self) {
        let (answer, answered) = channel();
        // Neither can be sent nor comes if the disk has refused; then there is nothing to wait for.
        let _ = self.sender.lock().send(Handed::Written(answer));
        let _ = answered.recv();
    }
}

/// Appends until the cache is dropped or the disk refuses.
fn append(mut file: BufWriter<File>, changes: &Receiver<Handed>) {
    let mut synced = Instant::now();
    loop {
        let first = match changes.recv_timeout(SYNC_EVERY.saturating_sub(synced.elapsed())) {
            Ok(handed) => Some(handed),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let Ok(waiting) = write(&mut file, first.into_iter().chain(changes.try_iter())) else { return };
        for answer in waiting {
            // Whoever asked may have gone away.
            let _ = answer.send(());
        }
        if synced.elapsed() >= SYNC_EVERY {
            if file.get_ref().sync_data().is_err() {
                return;
            }
            synced = Instant::now();
        }
    }
}

/// Writes some changes, and returns who waits for them.
fn write(file: &mut BufWriter<File>, all: impl Iterator<Item = Handed>) -> std::io::Result<Vec<Sender<()>>> {
    let mut waiting = Vec::new();
    for handed in all {
        match handed {
            Handed::Change(change) => file.write_all(&encode(&change))?,
            Handed::Written(answer) => waiting.push(answer),
        }
    }
    file.flush()?;
    Ok(waiting)
}

/// A change as bytes: length, key, then the entry; a delete has no entry.
fn encode(change: &Change) -> Vec<u8> {
    let (key, entry) = match change {
        Change::Put(key, entry) => (key, encode_entry(entry)),
        Change::Delete(key) => (key, Vec::new()),
    };
    let mut bytes = (entry.len() as u64).to_le_bytes().to_vec();
    bytes.extend(key.to_le_bytes());
    bytes.extend(entry);
    bytes
}

/// Everything up to the first change that is not complete.
fn read(path: &PathBuf) -> Result<Vec<Change>> {
    let mut bytes = Vec::new();
    BufReader::new(File::open(path).map_err(at(path))?).read_to_end(&mut bytes).map_err(at(path))?;
    let mut changes = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((len, after)) = number(rest) {
        let Some((key, after)) = number(after) else { break };
        let Some((entry, after)) = after.split_at_checked(len as usize) else { break };
        match (len, decode_entry(entry)) {
            (0, _) => changes.push(Change::Delete(key)),
            (_, Some(entry)) => changes.push(Change::Put(key, entry)),
            (_, None) => break,
        }
        rest = after;
    }
    Ok(changes)
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*first), rest))
}

/// An entry as bytes, for the file and for Redis.
pub(super) fn encode_entry(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(40 + entry.page.bytes() as usize);
    for field in [entry.version, entry.expires, entry.stale_since.unwrap_or(u64::MAX), entry.cost] {
        bytes.extend(field.to_le_bytes());
    }
    for row in &entry.page.rows {
        for field in [row.part, row.amount, row.count, row.name.len() as i64] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(row.name.as_bytes());
    }
    bytes
}

/// The entry of such bytes, unless they are damaged.
pub(super) fn decode_entry(bytes: &[u8]) -> Option<Entry> {
    let (version, rest) = number(bytes)?;
    let (expires, rest) = number(rest)?;
    let (stale_since, rest) = number(rest)?;
    let (cost, mut rest) = number(rest)?;
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let (part, after) = number(rest)?;
        let (amount, after) = number(after)?;
        let (count, after) = number(after)?;
        let (len, after) = number(after)?;
        let (name, after) = after.split_at_checked(len as usize)?;
        let name = std::str::from_utf8(name).ok()?.to_owned();
        rows.push(PageRow { name, part: part as i64, amount: amount as i64, count: count as i64 });
        rest = after;
    }
    let stale_since = (stale_since != u64::MAX).then_some(stale_since);
    Some(Entry { page: Arc::new(Page { rows }), version, expires, stale_since, cost })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(version: u64) -> Entry {
        let row = PageRow { name: "ann".into(), part: 1, amount: -2, count: version as i64 };
        Entry { page: Arc::new(Page { rows: vec![row] }), version, expires: 9, stale_since: None, cost: 3 }
    }

    fn get(cache: &Local, key: u64) -> Option<Entry> {
        cache.get(&[key]).unwrap().remove(0)
    }

    #[test]
    fn a_fill_whose_lease_was_voided_is_refused() {
        let cache = Local::new(10, None).unwrap();
        let lease = cache.lease(1).unwrap();
        cache.delete(1, None).unwrap();
        assert!(!cache.fill(1, entry(1), Some(lease)).unwrap());
        assert_eq!(get(&cache, 1), None);
        let lease = cache.lease(1).unwrap();
        assert!(cache.fill(1, entry(2), Some(lease)).unwrap());
        assert_eq!(get(&cache, 1), Some(entry(2)));
        assert!(cache.fill(1, entry(1), None).unwrap(), "without leases, the older page wins: that is the race");
    }

    #[test]
    fn a_delete_may_keep_the_entry_as_out_of_date() {
        let cache = Local::new(10, None).unwrap();
        cache.fill(1, entry(1), None).unwrap();
        cache.delete(1, Some(77)).unwrap();
        cache.delete(1, Some(99)).unwrap();
        assert_eq!(get(&cache, 1).unwrap().stale_since, Some(77));
        cache.delete(2, Some(99)).unwrap();
        assert_eq!(get(&cache, 2), None);
    }

    #[test]
    fn entries_survive_as_bytes_and_damage_is_noticed() {
        let mut with = entry(5);
        with.stale_since = Some(4);
        assert_eq!(decode_entry(&encode_entry(&with)), Some(with.clone()));
        let bytes = encode_entry(&with);
        assert!((1..bytes.len()).all(|len| decode_entry(&bytes[..len]).is_none_or(|shorter| shorter != with)));
    }

    /// What had been deleted in the last second came back, because changes were written when they were synced: the strongest
    /// cache was out of date after a restart, which Redis would not have been.
    #[test]
    fn a_persisted_cache_loses_nothing_in_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Local::new(1_000, Some(directory.path().join("cache"))).unwrap();
        for round in 1..20 {
            for key in 0..100 {
                cache.fill(key, entry(round), None).unwrap();
                if key % 3 == 0 {
                    cache.delete(key, None).unwrap();
                }
            }
            cache.restart().unwrap();
            for key in 0..100 {
                assert_eq!(get(&cache, key), (key % 3 != 0).then(|| entry(round)), "{key} in {round}");
            }
        }
    }

    /// A delete that comes during a restart is not undone by it.
    #[test]
    fn a_restart_undoes_no_delete() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Local::new(1_000, Some(directory.path().join("cache"))).unwrap();
        (0..500).for_each(|key| assert!(cache.fill(key, entry(1), None).unwrap()));
        std::thread::scope(|scope| {
            scope.spawn(|| (0..20).for_each(|_| cache.restart().unwrap()));
            (0..500).for_each(|key| cache.delete(key, None).unwrap());
        });
        assert!((0..500).all(|key| get(&cache, key).is_none()));
    }
}
