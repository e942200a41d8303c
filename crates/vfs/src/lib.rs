//! The one seam to disk.
//!
//! Everything that Monostable keeps lives in one directory, and everything that touches it goes through two small,
//! object-safe traits: [`Storage`] is the directory, [`File`] is a file in it. [`OsStorage`] is the real thing,
//! [`MemoryStorage`] is a disk in memory for tests, simulations and databases that need not outlive their process.
//!
//! What this crate deliberately does not do: it knows no format, keeps no cache, starts no thread, reads no clock, never
//! retries a failed sync, and never creates, replaces or removes a file that it was not told to.
//!
//! Invariants that both implementations keep:
//! - [`Storage::create`] never opens what already exists; the only call that replaces a file is [`Storage::rename`].
//! - [`File::write_at`] writes everything or fails; after a failure the range written to holds unspecified bytes.
//! - Nothing is durable before [`File::sync_data`] (contents) and [`Storage::sync_dir`] (names) have returned `Ok`.
//! - A mapping is exactly as long as the caller said, and the file was exactly that long when it was mapped.
//! - Names are plain file names. `LOCK` is reserved: it can be neither opened nor listed, only locked.
//!
//! `unsafe` is denied in this crate and expected in one module, `mapping`, which argues for it; every other crate of
//! the workspace forbids it, as it does any use of `std::fs`.
//!
//! ```
//! use monostable_vfs::{File as _, MemoryStorage, Storage as _};
//!
//! # fn main() -> Result<(), monostable_vfs::Error> {
//! let disk = MemoryStorage::new();
//! let file = disk.create("greeting")?;
//! file.write_at(0, b"hello")?;
//! file.sync_all()?;
//! disk.sync_dir()?;
//! assert_eq!(&disk.map("greeting", 5)?[..], b"hello");
//! # Ok(())
//! # }
//! ```
#![deny(unsafe_code)]

mod error;
mod mapping;
mod memory;
mod os;
mod storage;

pub use error::{Error, Operation, Result};
pub use mapping::Mapping;
pub use memory::{Fault, MemoryStorage};
pub use os::OsStorage;
pub use storage::{File, Lock, Storage};

#[cfg(test)]
mod tests;
