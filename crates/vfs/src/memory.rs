//! A disk in memory: deterministic, shared by its clones, and able to fail on request.
//!
//! For tests, simulations, and databases that need not outlive their process. A clone is another handle to the same disk, so
//! a test hands the clone of a disk to a second database after the first one "crashed"; [`MemoryStorage::fork`] copies the
//! disk instead, which freezes one moment of a workload that goes on.
//!
//! What it models of a bad day: [`MemoryStorage::inject`] makes the Nth call of a kind fail, [`MemoryStorage::set_capacity`]
//! makes the disk full, and [`MemoryStorage::fork_durable`] gives what is left if a crash loses everything that was not
//! synced. It deliberately does not model a crash that loses only some of it, nor damaged bytes.
//!
//! Invariants: those of [`crate::Storage`]; an injected write failure leaves the first half of the data behind, as a real
//! one may. Cost: reading and writing copy; mapping a read-only file does not. A disk made by
//! [`MemoryStorage::tracking_syncs`] also copies what each write replaces, until the next sync.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::error::{Error, Operation, Result};
use crate::mapping::{Mapping, check_length};
use crate::storage::{File, Lock, Storage, check_name};

/// One directory in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    directory: Arc<Directory>,
}

/// A failure to come: the `nth` call of `operation` from now on, 1 being the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which calls to count.
    pub operation: Operation,
    /// How many calls from now on, starting with 1.
    pub nth: u64,
    /// Whether every later call of that kind fails too.
    pub sticky: bool,
}

#[derive(Debug, Default)]
struct Directory {
    files: Mutex<Names>,
    /// The names as of the last sync of the directory; stays empty unless the device tracks syncs.
    durable: Mutex<Names>,
    device: Arc<Device>,
    locked: Arc<AtomicBool>,
}

type Names = BTreeMap<String, Arc<Inode>>;

/// What all files of a disk share: space, and faults to come.
#[derive(Debug)]
struct Device {
    used_bytes: AtomicU64,
    capacity_bytes: AtomicU64,
    faults: Mutex<Vec<Fault>>,
    tracks_syncs: bool,
}

impl Default for Device {
    fn default() -> Device {
        Device {
            used_bytes: AtomicU64::new(0),
            capacity_bytes: AtomicU64::new(u64::MAX),
            faults: Mutex::new(Vec::new()),
            tracks_syncs: false,
        }
    }
}

#[derive(Debug)]
struct Inode {
    state: Mutex<State>,
    device: Arc<Device>,
}

#[derive(Debug)]
struct State {
    content: Content,
    /// How to take back what was written since the last sync, oldest first.
    unsynced: Vec<Undo>,
}

#[derive(Debug)]
enum Content {
    Writable(Vec<u8>),
    ReadOnly(Bytes),
}

/// The bytes that a change replaced, and the length that the file had.
#[derive(Debug)]
struct Undo {
    start: usize,
    replaced: Vec<u8>,
    length: usize,
}

#[derive(Debug)]
struct MemoryFile {
    name: String,
    inode: Arc<Inode>,
}

struct Unlock(Arc<AtomicBool>);

impl Drop for Unlock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl MemoryStorage {
    /// An empty disk without a limit.
    pub fn new() -> MemoryStorage {
        MemoryStorage::default()
    }

    /// Plans a failure. Several can be planned at once; each counts on its own.
    pub fn inject(&self, fault: Fault) {
        self.directory.device.faults.lock().push(fault);
    }

    /// Forgets all planned failures.
    pub fn clear_faults(&self) {
        self.directory.device.faults.lock().clear();
    }

    /// Limits the sum of the lengths of all files; `None` removes the limit. Files that are there stay.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.directory.device.capacity_bytes.store(bytes.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The sum of the lengths of all files, removed ones that are still open included.
    pub fn used_bytes(&self) -> u64 {
        self.directory.device.used_bytes.load(Ordering::Relaxed)
    }

    /// An empty disk that remembers what is not synced yet, for [`MemoryStorage::fork_durable`].
    pub fn tracking_syncs() -> MemoryStorage {
        let device = Arc::new(Device { tracks_syncs: true, ..Device::default() });
        MemoryStorage { directory: Arc::new(Directory { device, ..Directory::default() }) }
    }

    /// A separate disk with the same contents: not locked, not limited, without planned failures, all of it durable.
    pub fn fork(&self) -> MemoryStorage {
        self.copy(&self.directory.files.lock(), Inode::bytes)
    }

    /// A separate disk with what a crash is sure to leave of this one: the names that the directory had when it was last
    /// synced, and in each file the contents of its own last sync. Needs [`MemoryStorage::tracking_syncs`]; any other disk
    /// counts every change as durable at once.
    pub fn fork_durable(&self) -> MemoryStorage {
        if !self.directory.device.tracks_syncs {
            return self.fork();
        }
        self.copy(&self.directory.durable.lock(), Inode::durable_bytes)
    }

    /// Two names of one file stay two names of one file.
    fn copy(&self, names: &Names, read: fn(&Inode) -> Bytes) -> MemoryStorage {
        let device = Arc::new(Device { tracks_syncs: self.directory.device.tracks_syncs, ..Device::default() });
        let mut copied: BTreeMap<*const Inode, Arc<Inode>> = BTreeMap::new();
        let mut files = Names::new();
        for (name, inode) in names {
            let fresh = copied.entry(Arc::as_ptr(inode)).or_insert_with(|| inode.copy(read(inode), &device));
            files.insert(name.clone(), Arc::clone(fresh));
        }
        let durable = Mutex::new(if device.tracks_syncs { files.clone() } else { Names::new() });
        let directory = Directory { files: Mutex::new(files), durable, device, locked: Arc::default() };
        MemoryStorage { directory: Arc::new(directory) }
    }

    fn begin(&self, operation: Operation, name: &str) -> Result<()> {
        check_name(operation, name)?;
        self.directory.device.check(operation, name)
    }

    fn find(&self, operation: Operation, name: &str) -> Result<Arc<Inode>> {
        let found = self.directory.files.lock().get(name).cloned();
        found.ok_or_else(|| Error::NotFound { operation, file: name.to_owned() })
    }
}

impl Device {
    /// Counts a call against the planned failures.
    fn fails(&self, operation: Operation) -> bool {
        let mut failed = false;
        self.faults.lock().retain_mut(|fault| {
            if fault.operation != operation {
                return true;
            }
            fault.nth = fault.nth.saturating_sub(1);
            let due = fault.nth == 0;
            failed |= due;
            !due || fault.sticky
        });
        failed
    }

    fn check(&self, operation: Operation, name: &str) -> Result<()> {
        if self.fails(operation) { Err(injected(operation, name, None)) } else { Ok(()) }
    }

    /// Takes space for a file to grow from `before` to `after` bytes, or gives it back.
    fn resize(&self, operation: Operation, name: &str, before: u64, after: u64) -> Result<()> {
        let capacity = self.capacity_bytes.load(Ordering::Relaxed);
        let outcome = self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            let wanted = used.saturating_sub(before).saturating_add(after);
            (after <= before || wanted <= capacity).then_some(wanted)
        });
        let source = io::Error::from(io::ErrorKind::StorageFull);
        outcome.map(drop).map_err(|_| Error::from_io(operation, name, Some(before), source))
    }
}

fn injected(operation: Operation, name: &str, offset: Option<u64>) -> Error {
    Error::from_io(operation, name, offset, io::Error::other("injected fault"))
}

fn refused(operation: Operation, name: &str, offset: Option<u64>) -> Error {
    Error::from_io(operation, name, offset, io::Error::from(io::ErrorKind::ReadOnlyFilesystem))
}

/// A length or position that no memory could hold.
fn too_large(operation: Operation, name: &str, offset: u64) -> Error {
    Error::from_io(operation, name, Some(offset), io::Error::from(io::ErrorKind::FileTooLarge))
}

impl Inode {
    fn new(content: Content, device: &Arc<Device>) -> Arc<Inode> {
        device.used_bytes.fetch_add(content.bytes().len() as u64, Ordering::Relaxed);
        Arc::new(Inode { state: Mutex::new(State { content, unsynced: Vec::new() }), device: Arc::clone(device) })
    }

    /// The same kind of file with the given bytes.
    fn copy(&self, bytes: Bytes, device: &Arc<Device>) -> Arc<Inode> {
        let read_only = matches!(self.state.lock().content, Content::ReadOnly(_));
        let content = if read_only { Content::ReadOnly(bytes) } else { Content::Writable(bytes.into()) };
        Inode::new(content, device)
    }

    fn bytes(&self) -> Bytes {
        match &self.state.lock().content {
            Content::Writable(bytes) => Bytes::copy_from_slice(bytes),
            Content::ReadOnly(bytes) => bytes.clone(),
        }
    }

    fn durable_bytes(&self) -> Bytes {
        let state = self.state.lock();
        if state.unsynced.is_empty() {
            drop(state);
            return self.bytes();
        }
        let mut bytes = state.content.bytes().to_vec();
        for undo in state.unsynced.iter().rev() {
            bytes.resize(undo.length.max(undo.start + undo.replaced.len()), 0);
            bytes[undo.start..][..undo.replaced.len()].copy_from_slice(&undo.replaced);
            bytes.truncate(undo.length);
        }
        Bytes::from(bytes)
    }

    fn write(&self, name: &str, start: usize, end: usize, data: &[u8]) -> Result<()> {
        let mut state = self.state.lock();
        let length = state.writable().ok_or_else(|| refused(Operation::Write, name, Some(start as u64)))?.len();
        if end > length {
            self.device.resize(Operation::Write, name, length as u64, end as u64)?;
        }
        if self.device.tracks_syncs {
            state.remember(start, end);
        }
        if let Some(bytes) = state.writable() {
            bytes.resize(length.max(end), 0);
            bytes[start..end].copy_from_slice(data);
        }
        Ok(())
    }

    fn resize(&self, name: &str, length: usize) -> Result<()> {
        let mut state = self.state.lock();
        let before = state.writable().ok_or_else(|| refused(Operation::SetLength, name, None))?.len();
        self.device.resize(Operation::SetLength, name, before as u64, length as u64)?;
        if self.device.tracks_syncs {
            state.remember(length.min(before), before);
        }
        if let Some(bytes) = state.writable() {
            bytes.resize(length, 0);
        }
        Ok(())
    }

    fn sync(&self, name: &str) -> Result<()> {
        self.device.check(Operation::Sync, name)?;
        self.state.lock().unsynced.clear();
        Ok(())
    }
}

impl Drop for Inode {
    fn drop(&mut self) {
        let bytes = self.state.get_mut().content.bytes().len() as u64;
        self.device.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl State {
    /// Remembers what a change of `bytes[start..end]` is about to replace.
    fn remember(&mut self, start: usize, end: usize) {
        let bytes = self.content.bytes();
        let replaced = bytes.get(start..end.min(bytes.len())).unwrap_or(&[]).to_vec();
        let length = bytes.len();
        self.unsynced.push(Undo { start: start.min(length), replaced, length });
    }

    /// The bytes for changing, or nothing if the file is read-only.
    fn writable(&mut self) -> Option<&mut Vec<u8>> {
        match &mut self.content {
            Content::Writable(bytes) => Some(bytes),
            Content::ReadOnly(_) => None,
        }
    }
}

impl Content {
    fn bytes(&self) -> &[u8] {
        match self {
            Content::Writable(bytes) => bytes,
            Content::ReadOnly(bytes) => bytes,
        }
    }
}

impl Storage for MemoryStorage {
    fn create(&self, name: &str) -> Result<Box<dyn File>> {
        self.begin(Operation::Create, name)?;
        let mut files = self.directory.files.lock();
        if files.contains_key(name) {
            return Err(Error::AlreadyExists { operation: Operation::Create, file: name.to_owned() });
        }
        let inode = Inode::new(Content::Writable(Vec::new()), &self.directory.device);
        files.insert(name.to_owned(), Arc::clone(&inode));
        Ok(Box::new(MemoryFile { name: name.to_owned(), inode }))
    }

    fn open(&self, name: &str) -> Result<Box<dyn File>> {
        self.begin(Operation::Open, name)?;
        Ok(Box::new(MemoryFile { name: name.to_owned(), inode: self.find(Operation::Open, name)? }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.begin(Operation::Rename, from)?;
        check_name(Operation::Rename, to)?;
        let mut files = self.directory.files.lock();
        let Some(inode) = files.remove(from) else {
            return Err(Error::NotFound { operation: Operation::Rename, file: from.to_owned() });
        };
        files.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.begin(Operation::Remove, name)?;
        let removed = self.directory.files.lock().remove(name);
        removed.map(drop).ok_or_else(|| Error::NotFound { operation: Operation::Remove, file: name.to_owned() })
    }

    /// The two directories need not share a device: linking into another disk in memory copies, which nobody can tell
    /// apart, because what is linked does not change any more.
    fn link(&self, from: &str, to: &dyn Storage, name: &str) -> Result<()> {
        self.begin(Operation::Link, from)?;
        check_name(Operation::Link, name)?;
        let Some(to) = to.as_any().downcast_ref::<MemoryStorage>() else {
            return Err(Error::OtherKind { file: from.to_owned() });
        };
        let mut inode = self.find(Operation::Link, from)?;
        let device = &to.directory.device;
        if !Arc::ptr_eq(device, &inode.device) {
            inode = inode.copy(inode.bytes(), device);
        }
        let mut files = to.directory.files.lock();
        if files.contains_key(name) {
            return Err(Error::AlreadyExists { operation: Operation::Link, file: name.to_owned() });
        }
        files.insert(name.to_owned(), inode);
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>> {
        self.directory.device.check(Operation::List, ".")?;
        Ok(self.directory.files.lock().keys().cloned().collect())
    }

    fn sync_dir(&self) -> Result<()> {
        self.directory.device.check(Operation::SyncDirectory, ".")?;
        if self.directory.device.tracks_syncs {
            let names = self.directory.files.lock().clone();
            *self.directory.durable.lock() = names;
        }
        Ok(())
    }

    fn map(&self, name: &str, bytes: u64) -> Result<Mapping> {
        self.begin(Operation::Map, name)?;
        let inode = self.find(Operation::Map, name)?;
        let content = inode.bytes();
        check_length(name, bytes, content.len() as u64)?;
        Ok(Mapping::from_bytes(name, content))
    }

    fn lock(&self) -> Result<Lock> {
        self.directory.device.check(Operation::Lock, ".")?;
        if self.directory.locked.swap(true, Ordering::Acquire) {
            return Err(Error::Locked { directory: "the storage in memory".to_owned() });
        }
        Ok(Lock::new(Unlock(Arc::clone(&self.directory.locked))))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl File for MemoryFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.inode.device.check(Operation::Read, &self.name)?;
        let state = self.inode.state.lock();
        let bytes = state.content.bytes();
        let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or(&[]);
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        let fails = self.inode.device.fails(Operation::Write);
        let data = if fails { &data[..data.len() / 2] } else { data };
        let start = usize::try_from(offset).map_err(|_| too_large(Operation::Write, &self.name, offset))?;
        let end = start.checked_add(data.len()).ok_or_else(|| too_large(Operation::Write, &self.name, offset))?;
        if !data.is_empty() {
            self.inode.write(&self.name, start, end, data)?;
        }
        if fails { Err(injected(Operation::Write, &self.name, Some(offset))) } else { Ok(()) }
    }

    fn len(&self) -> Result<u64> {
        self.inode.device.check(Operation::Length, &self.name)?;
        Ok(self.inode.state.lock().content.bytes().len() as u64)
    }

    fn set_len(&self, bytes: u64) -> Result<()> {
        self.inode.device.check(Operation::SetLength, &self.name)?;
        let length = usize::try_from(bytes).map_err(|_| too_large(Operation::SetLength, &self.name, bytes))?;
        self.inode.resize(&self.name, length)
    }

    fn sync_data(&self) -> Result<()> {
        self.inode.sync(&self.name)
    }

    fn sync_all(&self) -> Result<()> {
        self.inode.sync(&self.name)
    }

    fn set_read_only(&self) -> Result<()> {
        self.inode.device.check(Operation::SetReadOnly, &self.name)?;
        let mut state = self.inode.state.lock();
        if let Some(bytes) = state.writable() {
            state.content = Content::ReadOnly(Bytes::from(std::mem::take(bytes)));
        }
        Ok(())
    }

    fn name(&self) -> &str {
        &self.name
    }
}
