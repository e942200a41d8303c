//! A disk in memory that is watched: every call is numbered, one of them can be made to fail, and after each call the disk
//! as it then stands can be looked at.
//!
//! It decorates [`MemoryStorage`], which knows what is synced. A number names a call only as long as the same work is done
//! in the same order, so the work is done on one thread, with its own clock and randomness.
//!
//! What it cannot show: failures that the memory disk does not know, such as a write that lands in another place.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use monostable_vfs::{Error, File, Lock, Mapping, MemoryStorage, Operation, Result, Storage};
use std::sync::Mutex;

/// Which call fails, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The number of the call; the first is 0.
    pub(crate) call: u64,
    pub(crate) effect: Effect,
    pub(crate) lasts: Lasts,
}

/// What a failing call has done all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing; of a write, its first half.
    Half,
    /// Everything, and only the answer is bad.
    All,
}

/// Which later calls fail too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    Once,
    /// Those of the same kind.
    Kind,
    /// All that would change something: the disk has become read-only.
    Writes,
}

/// Sees each call that has changed something, with its number, after it was done.
type Observer = Box<dyn FnMut(u64, Operation, &str) + Send>;

#[derive(Default)]
struct Watch {
    /// The kind of each call so far.
    calls: Vec<Operation>,
    failure: Option<Failure>,
    /// The kind of the call that failed, once it has.
    failed: Option<Operation>,
    observer: Option<Observer>,
}

/// The watched disk. Clones share it.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) disk: MemoryStorage,
    watch: Arc<Mutex<Watch>>,
}

struct WatchedFile {
    file: Box<dyn File>,
    disk: Watched,
}

impl Watched {
    pub(crate) fn over(disk: &MemoryStorage) -> Watched {
        Watched { disk: disk.clone(), watch: Arc::default() }
    }

    pub(crate) fn failing(disk: &MemoryStorage, failure: Failure) -> Watched {
        let watched = Watched::over(disk);
        watched.watch.lock().unwrap().failure = Some(failure);
        watched
    }

    /// The numbers of the calls so far, by kind.
    pub(crate) fn calls(&self) -> BTreeMap<Operation, Vec<u64>> {
        let mut calls: BTreeMap<Operation, Vec<u64>> = BTreeMap::new();
        for (call, operation) in (0..).zip(&self.watch.lock().unwrap().calls) {
            calls.entry(*operation).or_default().push(call);
        }
        calls
    }

    /// The kind of the call that failed, if it has been made.
    pub(crate) fn failed(&self) -> Option<Operation> {
        self.watch.lock().unwrap().failed
    }

    pub(crate) fn observe(&self, observer: impl FnMut(u64, Operation, &str) + Send + 'static) {
        self.watch.lock().unwrap().observer = Some(Box::new(observer));
    }

    /// Counts a call; whether and how it fails.
    fn count(&self, operation: Operation) -> (u64, Option<Effect>) {
        let mut watch = self.watch.lock().unwrap();
        let call = watch.calls.len() as u64;
        watch.calls.push(operation);
        let Some(failure) = watch.failure else { return (call, None) };
        let again = match (failure.lasts, watch.failed) {
            (_, None) | (Lasts::Once, _) => false,
            (Lasts::Kind, Some(kind)) => kind == operation,
            (Lasts::Writes, Some(_)) => changes(operation),
        };
        if call == failure.call {
            watch.failed = Some(operation);
        }
        (call, (again || call == failure.call).then_some(failure.effect))
    }

    fn run<T>(&self, operation: Operation, name: &str, mut work: impl FnMut(Part) -> Result<T>) -> Result<T> {
        let (call, effect) = self.count(operation);
        let broken = || Error::from_io(operation, name, None, io::Error::other("the disk was made to fail here"));
        match effect {
            Some(Effect::Half) => {
                if operation == Operation::Write {
                    work(Part::Half)?;
                }
                return Err(broken());
            }
            Some(Effect::All) => return work(Part::All).and_then(|_| Err(broken())),
            None => {}
        }
        let done = work(Part::All)?;
        if changes(operation) {
            // Taken out while it runs: it may look at the disk.
            let observer = self.watch.lock().unwrap().observer.take();
            if let Some(mut observer) = observer {
                observer(call, operation, name);
                self.watch.lock().unwrap().observer = Some(observer);
            }
        }
        Ok(done)
    }

    fn file(&self, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(WatchedFile { file, disk: self.clone() })
    }
}

/// How much of a write is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Half,
    All,
}

/// Whether a call of this kind changes what is on the disk or what of it is durable.
fn changes(operation: Operation) -> bool {
    use Operation as Op;
    !matches!(operation, Op::Open | Op::List | Op::Map | Op::Lock | Op::Read | Op::Length | Op::OpenDirectory)
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

impl fmt::Debug for WatchedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WatchedFile").field(&self.file).finish()
    }
}

impl Storage for Watched {
    fn create(&self, name: &str) -> Result<Box<dyn File>> {
        self.run(Operation::Create, name, |_| self.disk.create(name)).map(|file| self.file(file))
    }

    fn open(&self, name: &str) -> Result<Box<dyn File>> {
        self.run(Operation::Open, name, |_| self.disk.open(name)).map(|file| self.file(file))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.run(Operation::Rename, from, |_| self.disk.rename(from, to))
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.run(Operation::Remove, name, |_| self.disk.remove(name))
    }

    fn link(&self, from: &str, to: &dyn Storage, name: &str) -> Result<()> {
        self.run(Operation::Link, from, |_| self.disk.link(from, to, name))
    }

    fn list(&self) -> Result<Vec<String>> {
        self.run(Operation::List, ".", |_| self.disk.list())
    }

    fn sync_dir(&self) -> Result<()> {
        self.run(Operation::SyncDirectory, ".", |_| self.disk.sync_dir())
    }

    fn map(&self, name: &str, bytes: u64) -> Result<Mapping> {
        self.run(Operation::Map, name, |_| self.disk.map(name, bytes))
    }

    fn lock(&self) -> Result<Lock> {
        self.run(Operation::Lock, ".", |_| self.disk.lock())
    }

    fn as_any(&self) -> &dyn Any {
        self.disk.as_any()
    }
}

impl File for WatchedFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.disk.run(Operation::Read, self.name(), |_| self.file.read_at(offset, buf))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.disk.run(Operation::Write, self.name(), |part| {
            let bytes = if part == Part::Half { data.len() / 2 } else { data.len() };
            self.file.write_at(offset, &data[..bytes])
        })
    }

    fn len(&self) -> Result<u64> {
        self.disk.run(Operation::Length, self.name(), |_| self.file.len())
    }

    fn set_len(&self, bytes: u64) -> Result<()> {
        self.disk.run(Operation::SetLength, self.name(), |_| self.file.set_len(bytes))
    }

    fn sync_data(&self) -> Result<()> {
        self.disk.run(Operation::Sync, self.name(), |_| self.file.sync_data())
    }

    fn sync_all(&self) -> Result<()> {
        self.disk.run(Operation::Sync, self.name(), |_| self.file.sync_all())
    }

    fn set_read_only(&self) -> Result<()> {
        self.disk.run(Operation::SetReadOnly, self.name(), |_| self.file.set_read_only())
    }

    fn name(&self) -> &str {
        self.file.name()
    }
}

/// The whole content of a file.
pub(crate) fn bytes_of(disk: &MemoryStorage, name: &str) -> Vec<u8> {
    let file = disk.open(name).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(0, &mut bytes).unwrap();
    bytes
}

/// Every file with its content.
pub(crate) fn contents(disk: &MemoryStorage) -> BTreeMap<String, Vec<u8>> {
    disk.list().unwrap().into_iter().map(|name| (name.clone(), bytes_of(disk, &name))).collect()
}

/// A disk with these files and no memory of where they came from; what is not there cannot be read-only either, which the
/// engine does not rely on.
pub(crate) fn disk_with(files: &BTreeMap<String, Vec<u8>>) -> MemoryStorage {
    let disk = MemoryStorage::tracking_syncs();
    for (name, bytes) in files {
        let file = disk.create(name).unwrap();
        file.write_at(0, bytes).unwrap();
        file.sync_all().unwrap();
    }
    disk.sync_dir().unwrap();
    disk
}

/// What a crash may leave beside the two extremes: the names of one of them, and of each file that both have, sectors of
/// either.
pub(crate) fn torn(
    current: &BTreeMap<String, Vec<u8>>,
    durable: &BTreeMap<String, Vec<u8>>,
    seed: u64,
) -> BTreeMap<String, Vec<u8>> {
    const SECTOR_BYTES: usize = 512;
    let mut random = Random(seed);
    let names = if random.next().is_multiple_of(2) { current } else { durable };
    let mut files = names.clone();
    for (name, bytes) in &mut files {
        let (Some(new), Some(old)) = (current.get(name), durable.get(name)) else { continue };
        bytes.clone_from(if random.next().is_multiple_of(2) { new } else { old });
        for (sector, bytes) in bytes.chunks_mut(SECTOR_BYTES).enumerate() {
            let side = if random.next().is_multiple_of(2) { new } else { old };
            for (offset, byte) in bytes.iter_mut().enumerate() {
                *byte = side.get(sector * SECTOR_BYTES + offset).copied().unwrap_or(0);
            }
        }
    }
    files
}

/// A small generator of numbers, so that a seed names a case for ever.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
