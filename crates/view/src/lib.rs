//! Incrementally maintained views over Z-sets.
//!
//! Two halves. The *storage half* keeps a Z-set of opaque entries as a spine of immutable sorted runs, in memory and in
//! files, under one manifest. The *graph half* says what those Z-sets mean, and turns a change of the tables into a change
//! of every view.
//!
//! Not here: SQL, clocks, threads, the log, and paths outside the storage that is passed in.
//!
//! ```
//! use monostable_types::{DataType, Value};
//! use monostable_view::{AggregateCall, Build, Delta, Graph, Scope, TableId, Version, step};
//!
//! // A table, and a view of it: SELECT fruit, count(*) FROM basket GROUP BY fruit.
//! let basket = TableId(1);
//! let mut graph = Graph::new().extend();
//! let source = graph.source(basket, &[DataType::Text])?;
//! let counts = graph.aggregate(source, 1, &[AggregateCall::count_rows()])?;
//! let view = graph.arrange(counts, &[0])?;
//! let version = Build::run(&Version::new(), &graph.finish(), &[view])?;
//!
//! // A change of the table is rows with weights; a step is a pure function from version to version.
//! let fruit = |name: &str| vec![Value::Text(name.to_owned())];
//! let change = Delta::from_values(&[DataType::Text], &[(fruit("fig"), 1), (fruit("fig"), 1), (fruit("pear"), 1)])?;
//! let next = step(&version, &[(basket, change)], Scope::All, &[])?.version;
//!
//! let layout = next.graph().node(view).and_then(|node| node.layout()).expect("an arrangement has a layout");
//! let mut key = Vec::new();
//! layout.codec().encode_prefix(&fruit("fig"), &mut key)?;
//! let (entry, _) = next.spine_of(view).expect("it was built").get(&key)?.expect("there are figs");
//! assert_eq!(layout.codec().decode_values(layout.visible(entry)?)?[1], Value::BigInt(2));
//! assert!(version.spine_of(view).expect("it was built").is_empty()?, "the old version is as it was");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
mod fork;
mod graph;
mod hash;
pub mod identity;
mod key;
mod layout;
mod manifest;
mod merge;
pub mod operators;
pub mod policy;
mod predicate;
mod run;
#[cfg(test)]
mod samples;
mod spine;
mod step;
mod store;
#[cfg(test)]
mod tests;
mod version;
mod warming;

pub use batch::{BATCH_BYTES_MAX, Batch, ENTRY_BYTES_MAX};
pub use build::Build;
pub use builder::{GraphBuilder, GraphError};
pub use delta::Delta;
pub use error::{Error, Result};
pub use evaluate::{Evaluation, Sink, evaluate};
pub use expression::{Expr, Expression, ExpressionError};
pub use failure::Failure;
pub use fork::{FORK_ROWS_MIN, Fork, step_forked};
pub use graph::{Graph, Node, NodeId, TableId};
pub use hash::key_hash;
pub use identity::Identity;
pub use key::KeyExtent;
pub use layout::{Layout, RowType};
pub use merge::{FileMerge, MemoryMerge, Progress, Replacement};
pub use operators::{Aggregate, AggregateCall, AggregateFunction, Join, Map, Operator, TopK};
pub use predicate::Conjunct;
pub use spine::{Entries, PUSH_ENTRIES_MAX, Spine, SpineStats};
pub use step::{Origin, Scope, Step, StepError, step};
pub use store::{
    ArrangementId, Checkpoint, CheckpointInput, CheckpointSpine, Recovered, RecoveredSpine, ScrubCursor, Store,
    StoreOptions, VerifyProgress, VerifyReport,
};
pub use version::Version;
pub use warming::Warming;

/// The example of the crate's README, as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
