//! A write-ahead log: bytes in, durable bytes out.
//!
//! Callers append groups of records and wait until they are durable; after a crash the log gives back exactly those groups, in
//! order, or an error that says why it cannot. It can be used alone:
//!
//! ```
//! use std::sync::Arc;
//! use monostable_vfs::MemoryStorage;
//! use monostable_wal::{Lsn, Wal, WalOptions};
//!
//! # fn main() -> Result<(), monostable_wal::Error> {
//! let disk = MemoryStorage::new(); // or OsStorage::open_or_create("some/directory")
//! let (wal, _) = Wal::open(Arc::new(disk.clone()), WalOptions::default())?;
//! wal.commit(&[b"one group", b"of two records"])?; // durable when this returns
//! let position = wal.append(&[b"another"])?;        // written; others may append meanwhile
//! wal.sync(position)?;                              // durable
//! drop(wal); // as good as a crash: nothing is saved on drop
//!
//! let (wal, recovery) = Wal::open(Arc::new(disk), WalOptions::default())?;
//! assert_eq!(recovery.end, position);
//! let groups: Vec<_> = wal.replay(Lsn::ZERO)?.collect::<Result<_, _>>()?;
//! assert_eq!(groups[0].records, ["one group", "of two records"]);
//! assert_eq!(groups[1].records, ["another"]);
//! # Ok(())
//! # }
//! ```
//!
//! What it promises:
//! - A group whose [`Wal::sync`] returned `Ok` is there after every crash, with all groups before it.
//! - A group is recovered whole or not at all.
//! - Damage is never mistaken for the end of the log where anything shows that the log went further: the tail rule in
//!   `FORMAT.md` says exactly when.
//! - After a failed write or sync nothing is acknowledged any more ([`Error::OutcomeUnknown`], [`Error::Poisoned`]). A full
//!   disk is different: it refuses an append, which then has not happened, and the log goes on.
//!
//! What it deliberately does not do: it does not interpret records, compress, encrypt, start threads, read a clock, or decide
//! when a segment is no longer needed.
//!
//! How the files and this crate are laid out: `format` (bytes), `segment` (files), `writer` (append), `flush` (sync), `spare`
//! (filling ahead), `recover` (the tail rule), `replay`, `salvage`, `wal` (the whole).
#![forbid(unsafe_code)]

mod error;
mod flush;
mod format;
mod lsn;
mod options;
mod recover;
mod replay;
mod salvage;
mod segment;
mod spare;
mod stats;
mod wal;
mod writer;

pub use error::{Damage, Error, Result};
pub use lsn::Lsn;
pub use options::WalOptions;
pub use recover::{Recovery, TornTail};
pub use replay::{Group, Replay};
pub use salvage::{Lost, Salvage, salvage};
pub use stats::WalStats;
pub use wal::Wal;

#[cfg(test)]
mod tests;

/// The example of the crate's README, as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
