//! Incrementally maintained views over Z-sets.
//!
//! Two halves. The *storage half* keeps a Z-set of opaque entries as a spine of immutable sorted runs, in memory and in
//! files, under one manifest. The *graph half* says what those Z-sets mean, and turns a change of the tables into a change
//! of every view.
//!
//! Not here: SQL, clocks, threads, the log, and paths outside the storage that is passed in.
#![forbid(unsafe_code)]

mod batch;
mod build;
mod builder;
mod bytes;
mod delta;
mod error;
mod evaluate;
pub mod expression;
mod failure;
mod graph;
mod hash;
pub mod identity;
mod key;
mod layout;
mod manifest;
mod merge;
pub mod operators;
pub mod policy;
mod run;
#[cfg(test)]
mod samples;
mod spine;
mod step;
mod store;
#[cfg(test)]
mod tests;
mod version;

pub use batch::{BATCH_BYTES_MAX, Batch, ENTRY_BYTES_MAX};
pub use build::Build;
pub use builder::{GraphBuilder, GraphError};
pub use delta::Delta;
pub use error::{Error, Result};
pub use evaluate::{Evaluation, Sink, evaluate};
pub use expression::{Expr, Expression, ExpressionError};
pub use failure::Failure;
pub use graph::{Graph, Node, NodeId, TableId};
pub use identity::Identity;
pub use key::KeyExtent;
pub use layout::{Layout, RowType};
pub use merge::{FileMerge, MemoryMerge, Progress, Replacement};
pub use operators::{Aggregate, AggregateCall, AggregateFunction, Join, Map, Operator};
pub use spine::{Entries, PUSH_ENTRIES_MAX, Spine, SpineStats};
pub use step::{Scope, Step, StepError, step};
pub use store::{
    ArrangementId, Checkpoint, CheckpointInput, CheckpointSpine, Recovered, RecoveredSpine, ScrubCursor, Store,
    StoreOptions, VerifyProgress, VerifyReport,
};
pub use version::Version;
