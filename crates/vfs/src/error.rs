//! What can go wrong at the disk, in a form that says what was attempted, where, and what to do about it.
//!
//! Errors are coarse: a variant exists only where a caller acts differently. Everything else is [`Error::Io`] with the
//! operating system's reason as its source.

use std::fmt;
use std::io;

/// The result of every call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What was attempted. Part of every error, and the unit at which [`crate::MemoryStorage`] injects faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Operation {
    /// Opening or creating a directory.
    OpenDirectory,
    /// [`crate::Storage::create`]
    Create,
    /// [`crate::Storage::open`]
    Open,
    /// [`crate::Storage::rename`]
    Rename,
    /// [`crate::Storage::remove`]
    Remove,
    /// [`crate::Storage::link`]
    Link,
    /// [`crate::Storage::list`]
    List,
    /// [`crate::Storage::sync_dir`]
    SyncDirectory,
    /// [`crate::Storage::map`] and [`crate::Mapping::populate`]
    Map,
    /// [`crate::Storage::lock`]
    Lock,
    /// [`crate::File::read_at`]
    Read,
    /// [`crate::File::write_at`]
    Write,
    /// [`crate::File::len`]
    Length,
    /// [`crate::File::set_len`]
    SetLength,
    /// [`crate::File::sync_data`] and [`crate::File::sync_all`]
    Sync,
    /// [`crate::File::set_read_only`]
    SetReadOnly,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::OpenDirectory => "open the directory",
            Operation::Create => "create",
            Operation::Open => "open",
            Operation::Rename => "rename",
            Operation::Remove => "remove",
            Operation::Link => "link",
            Operation::List => "list",
            Operation::SyncDirectory => "sync the directory",
            Operation::Map => "map",
            Operation::Lock => "lock",
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Length => "measure",
            Operation::SetLength => "resize",
            Operation::Sync => "sync",
            Operation::SetReadOnly => "make read-only",
        })
    }
}

/// Why a call on the disk failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system or the device refused.
    #[error(
        "cannot {operation} {file}{}: {source}; check the device, the permissions and the limit on open files, then open the database again",
        At(*offset)
    )]
    Io {
        /// What was attempted.
        operation: Operation,
        /// On which file or directory.
        file: String,
        /// At which byte, where that makes sense.
        offset: Option<u64>,
        /// The operating system's reason.
        source: io::Error,
    },

    /// The disk or the quota is full.
    #[error("no space left to {operation} {file}{}; free space on the device or raise the quota, then open the database again", At(*offset))]
    NoSpace {
        /// What was attempted.
        operation: Operation,
        /// On which file.
        file: String,
        /// At which byte, where that makes sense.
        offset: Option<u64>,
        /// The operating system's reason.
        source: io::Error,
    },

    /// Somebody else has the directory.
    #[error(
        "{directory} is in use by another process or another handle in this one; close it there, or use that handle"
    )]
    Locked {
        /// The directory whose lock is taken.
        directory: String,
    },

    /// There is no such file.
    #[error("cannot {operation} {file}: it does not exist; if the directory was copied, copy all of it")]
    NotFound {
        /// What was attempted.
        operation: Operation,
        /// The missing file or directory.
        file: String,
    },

    /// The name is taken, and this call never replaces.
    #[error("cannot {operation} {file}: it exists already; remove it first or choose another name")]
    AlreadyExists {
        /// What was attempted.
        operation: Operation,
        /// The name in question.
        file: String,
    },

    /// A file ends before the bytes that were asked for.
    #[error(
        "{file} is cut short: wanted {expected_bytes} bytes at offset {offset}, found {actual_bytes}; restore it from a backup"
    )]
    Truncated {
        /// The short file.
        file: String,
        /// Where reading began.
        offset: u64,
        /// How many bytes were wanted from there.
        expected_bytes: u64,
        /// How many there were.
        actual_bytes: u64,
    },

    /// A file to be mapped is not as long as it was when it was written.
    #[error(
        "{file} is {actual_bytes} bytes long and should be {expected_bytes}; it was damaged: restore it from a backup"
    )]
    WrongLength {
        /// The file.
        file: String,
        /// What the caller knows its length to be.
        expected_bytes: u64,
        /// What its length is.
        actual_bytes: u64,
    },

    /// A range outside a mapping.
    #[error("bytes {start}..{end} lie outside the mapping of {file}, which has {mapped_bytes} bytes")]
    OutOfRange {
        /// The mapped file.
        file: String,
        /// First byte asked for.
        start: u64,
        /// One past the last byte asked for.
        end: u64,
        /// Length of the mapping.
        mapped_bytes: u64,
    },

    /// Not a plain file name, or the reserved one.
    #[error("cannot {operation} {name:?}: a name must be a plain file name other than LOCK")]
    InvalidName {
        /// What was attempted.
        operation: Operation,
        /// The name as given.
        name: String,
    },

    /// The two directories of a link are of different kinds.
    #[error("cannot link {file} into a storage of another kind; copy its bytes instead")]
    OtherKind {
        /// The file to be linked.
        file: String,
    },
}

impl Error {
    /// Sorts an operating system's error into the variants that callers act on.
    pub fn from_io(operation: Operation, file: impl Into<String>, offset: Option<u64>, source: io::Error) -> Error {
        let file = file.into();
        match source.kind() {
            io::ErrorKind::NotFound => Error::NotFound { operation, file },
            io::ErrorKind::AlreadyExists => Error::AlreadyExists { operation, file },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::NoSpace { operation, file, offset, source }
            }
            _ => Error::Io { operation, file, offset, source },
        }
    }
}

/// Renders an optional offset.
struct At(Option<u64>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |offset| write!(f, " at offset {offset}"))
    }
}
