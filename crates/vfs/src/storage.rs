//! The two traits, and the guard of a directory's lock.
//!
//! Both traits are object safe, because the log, the run files and the manifest are compiled once and run over whatever
//! disk they are handed. They say nothing about paths: a [`Storage`] is one flat directory, and a name is a name in it.

use std::any::Any;
use std::fmt;

use crate::error::{Error, Operation, Result};
use crate::mapping::Mapping;

/// The name of the file that carries a directory's lock. No other call accepts it.
pub(crate) const LOCK_NAME: &str = "LOCK";

/// One flat directory of files.
///
/// Implementations are shared between threads and behave like a POSIX directory: an open [`File`] stays usable after its
/// name was removed or given to another file.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Creates an empty file, open for reading and writing. Fails with [`Error::AlreadyExists`] if the name is taken, so
    /// that nothing is ever overwritten by accident. The name is durable after [`Storage::sync_dir`].
    fn create(&self, name: &str) -> Result<Box<dyn File>>;

    /// Opens an existing file for reading and writing, or for reading alone once it was made read-only.
    /// Fails with [`Error::NotFound`].
    fn open(&self, name: &str) -> Result<Box<dyn File>>;

    /// Gives a file another name, atomically replacing what had that name. Durable after [`Storage::sync_dir`].
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// Removes a name. Open files and mappings of it stay valid. Durable after [`Storage::sync_dir`].
    fn remove(&self, name: &str) -> Result<()>;

    /// Gives a file of this directory a second name in `to`, which must be a directory of the same kind and, on a real
    /// disk, on the same file system. Never replaces: fails with [`Error::AlreadyExists`]. Durable after `to.sync_dir()`.
    fn link(&self, from: &str, to: &dyn Storage, name: &str) -> Result<()>;

    /// The names of all files, ascending, without the lock file and without subdirectories.
    fn list(&self) -> Result<Vec<String>>;

    /// Makes every create, rename, remove and link so far durable.
    fn sync_dir(&self) -> Result<()>;

    /// Maps a file that nobody will change again. Fails with [`Error::WrongLength`] unless it is exactly `bytes` long.
    fn map(&self, name: &str, bytes: u64) -> Result<Mapping>;

    /// Takes the directory for one writer until the guard is dropped; [`Error::Locked`] if another holder has it, in this
    /// process or another. A killed process holds nothing.
    fn lock(&self) -> Result<Lock>;

    /// The implementation itself, so that [`Storage::link`] can recognise its own kind.
    fn as_any(&self) -> &dyn Any;
}

/// An open file. All positions are absolute; there is no cursor, so threads can share a handle.
pub trait File: Send + Sync + fmt::Debug {
    /// Reads up to `buf.len()` bytes at `offset` and returns how many. Fewer than asked for, or none, means that the file
    /// ends there (or that the disk gave less: callers who need all of it use [`File::read_exact_at`]).
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Writes all of `data` at `offset`, growing the file as needed (a gap reads as zeros), or fails.
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()>;

    /// Length in bytes.
    fn len(&self) -> Result<u64>;

    /// Cuts or grows the file; what is added reads as zeros.
    fn set_len(&self, bytes: u64) -> Result<()>;

    /// Makes the contents durable, and of the metadata what is needed to read them back. If it fails, nothing is known
    /// about any write since the last success, and trying again would prove nothing: see `docs/durability.md`.
    fn sync_data(&self) -> Result<()>;

    /// Like [`File::sync_data`], for all metadata.
    fn sync_all(&self) -> Result<()>;

    /// Declares the file immutable: from now on it can be opened for reading only.
    fn set_read_only(&self) -> Result<()>;

    /// The file's name as it appears in errors.
    fn name(&self) -> &str;

    /// Whether the file holds no bytes.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buf` from `offset`, or fails with [`Error::Truncated`] where the file ends too soon.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let count = self.read_at(offset.saturating_add(filled as u64), rest)?;
            if count == 0 {
                return Err(Error::Truncated {
                    file: self.name().to_owned(),
                    offset,
                    expected_bytes: buf.len() as u64,
                    actual_bytes: filled as u64,
                });
            }
            filled += count;
        }
        Ok(())
    }
}

/// The guard of a directory's lock: dropping it releases the directory.
pub struct Lock(#[expect(dead_code, reason = "held for what its drop does")] Box<dyn Any + Send + Sync>);

impl Lock {
    /// Wraps whatever releases the lock when it is dropped. For implementations of [`Storage`].
    pub fn new(guard: impl Any + Send + Sync) -> Lock {
        Lock(Box::new(guard))
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// Refuses names that are not plain file names, and the lock's.
pub(crate) fn check_name(operation: Operation, name: &str) -> Result<()> {
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0']);
    if plain && name != LOCK_NAME {
        return Ok(());
    }
    Err(Error::InvalidName { operation, name: name.to_owned() })
}
