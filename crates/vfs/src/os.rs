//! A directory of the operating system's file system (Unix).
//!
//! Plain `std::fs` with positioned reads and writes. It adds nothing: no buffering, no retry beyond interrupted calls, no
//! cleaning up. Invariants are those of [`crate::Storage`]. Cost: one system call per call, two for `map`.

use std::any::Any;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Operation, Result};
use crate::mapping::Mapping;
use crate::storage::{File, LOCK_NAME, Lock, Storage, check_name};

/// A directory on disk. Cloning gives another handle to the same directory.
#[derive(Clone, Debug)]
pub struct OsStorage {
    path: Arc<PathBuf>,
    directory: Arc<fs::File>,
}

#[derive(Debug)]
struct OsFile {
    name: String,
    file: fs::File,
}

impl OsStorage {
    /// Opens a directory that exists; [`Error::NotFound`] otherwise.
    pub fn open(path: impl AsRef<Path>) -> Result<OsStorage> {
        let path = path.as_ref();
        let failed = |source| Error::from_io(Operation::OpenDirectory, path.display().to_string(), None, source);
        let directory = fs::File::open(path).map_err(failed)?;
        if !directory.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::Error::from(io::ErrorKind::NotADirectory)));
        }
        Ok(OsStorage { path: Arc::new(path.to_owned()), directory: Arc::new(directory) })
    }

    /// Opens a directory, creating it and its missing parents first; what was created is durable when this returns.
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<OsStorage> {
        create_directories(path.as_ref())?;
        OsStorage::open(path)
    }

    /// Where the directory is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn path_of(&self, operation: Operation, name: &str) -> Result<PathBuf> {
        check_name(operation, name)?;
        Ok(self.path.join(name))
    }
}

/// Creates missing directories from the top down, syncing each parent so that a crash cannot lose a level of them.
fn create_directories(path: &Path) -> Result<()> {
    let failed = |source| Error::from_io(Operation::OpenDirectory, path.display().to_string(), None, source);
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_directories(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        outcome => outcome.map_err(failed)?,
    }
    fs::File::open(parent).and_then(|directory| directory.sync_all()).map_err(failed)
}

/// Wraps an error of the operating system on a path.
fn failure(operation: Operation, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::from_io(operation, path.display().to_string(), None, source)
}

impl Storage for OsStorage {
    fn create(&self, name: &str) -> Result<Box<dyn File>> {
        let path = self.path_of(Operation::Create, name)?;
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(failure(Operation::Create, &path))?;
        Ok(Box::new(OsFile { name: path.display().to_string(), file }))
    }

    fn open(&self, name: &str) -> Result<Box<dyn File>> {
        let path = self.path_of(Operation::Open, name)?;
        let read_only = fs::metadata(&path).map_err(failure(Operation::Open, &path))?.permissions().readonly();
        let file =
            fs::OpenOptions::new().read(true).write(!read_only).open(&path).map_err(failure(Operation::Open, &path))?;
        Ok(Box::new(OsFile { name: path.display().to_string(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        let source = self.path_of(Operation::Rename, from)?;
        let target = self.path_of(Operation::Rename, to)?;
        fs::rename(&source, target).map_err(failure(Operation::Rename, &source))
    }

    fn remove(&self, name: &str) -> Result<()> {
        let path = self.path_of(Operation::Remove, name)?;
        fs::remove_file(&path).map_err(failure(Operation::Remove, &path))
    }

    fn link(&self, from: &str, to: &dyn Storage, name: &str) -> Result<()> {
        let source = self.path_of(Operation::Link, from)?;
        let Some(to) = to.as_any().downcast_ref::<OsStorage>() else {
            return Err(Error::OtherKind { file: source.display().to_string() });
        };
        let target = to.path_of(Operation::Link, name)?;
        let blamed = if source.exists() { &target } else { &source };
        fs::hard_link(&source, &target).map_err(failure(Operation::Link, blamed))
    }

    fn list(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&*self.path).map_err(failure(Operation::List, &self.path))? {
            let entry = entry.map_err(failure(Operation::List, &self.path))?;
            let is_file = entry.file_type().map_err(failure(Operation::List, &entry.path()))?.is_file();
            // A name that is not UTF-8 cannot be one of ours, and what is not ours is none of our business.
            if let Ok(name) = entry.file_name().into_string()
                && is_file
                && name != LOCK_NAME
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self) -> Result<()> {
        self.directory.sync_all().map_err(failure(Operation::SyncDirectory, &self.path))
    }

    fn map(&self, name: &str, bytes: u64) -> Result<Mapping> {
        let path = self.path_of(Operation::Map, name)?;
        let file = fs::File::open(&path).map_err(failure(Operation::Map, &path))?;
        Mapping::from_file(&path.display().to_string(), file, bytes)
    }

    fn lock(&self) -> Result<Lock> {
        let path = self.path.join(LOCK_NAME);
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failure(Operation::Lock, &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock::new(file)),
            Err(fs::TryLockError::WouldBlock) => Err(Error::Locked { directory: self.path.display().to_string() }),
            Err(fs::TryLockError::Error(source)) => Err(failure(Operation::Lock, &path)(source)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl OsFile {
    fn failure(&self, operation: Operation, offset: Option<u64>) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::from_io(operation, self.name.as_str(), offset, source)
    }
}

impl File for OsFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        loop {
            match self.file.read_at(buf, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => return outcome.map_err(self.failure(Operation::Read, Some(offset))),
            }
        }
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.file.write_all_at(data, offset).map_err(self.failure(Operation::Write, Some(offset)))
    }

    fn len(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(self.failure(Operation::Length, None))?.len())
    }

    fn set_len(&self, bytes: u64) -> Result<()> {
        self.file.set_len(bytes).map_err(self.failure(Operation::SetLength, Some(bytes)))
    }

    fn sync_data(&self) -> Result<()> {
        self.file.sync_data().map_err(self.failure(Operation::Sync, None))
    }

    fn sync_all(&self) -> Result<()> {
        self.file.sync_all().map_err(self.failure(Operation::Sync, None))
    }

    fn set_read_only(&self) -> Result<()> {
        let mut permissions = self.file.metadata().map_err(self.failure(Operation::SetReadOnly, None))?.permissions();
        permissions.set_readonly(true);
        self.file.set_permissions(permissions).map_err(self.failure(Operation::SetReadOnly, None))
    }

    fn name(&self) -> &str {
        &self.name
    }
}
