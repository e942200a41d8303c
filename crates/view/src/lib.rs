//! Incrementally maintained views over Z-sets.
//!
//! Two halves. The *storage half* keeps a Z-set of opaque entries as a spine of immutable sorted runs, in memory and in
//! files, under one manifest. The *graph half* says what those Z-sets mean, and turns a change of the tables into a change
//! of every view.
//!
//! Not here: SQL, clocks, threads, the log, and paths outside the storage that is passed in.
#![forbid(unsafe_code)]

mod batch;
mod error;
mod hash;
mod key;
mod merge;
mod run;
mod spine;

pub use batch::{BATCH_BYTES_MAX, Batch, ENTRY_BYTES_MAX};
pub use error::{Error, Result};
pub use key::KeyExtent;
pub use spine::{ArrangementId, Entries, PUSH_ENTRIES_MAX, Spine, SpineStats};
