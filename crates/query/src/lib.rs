//! SQL for Monostable: from text to an operator graph, and from a graph to results.
//!
//! No IO, no threads, no clock. A statement is parsed, bound against a [`Catalog`], typed by PostgreSQL's rules, and lowered to
//! the operators of crate `view`; views and ad-hoc queries take the same path, so they cannot disagree.
//!
//! DataFusion's planning crates do the parsing, binding and rewriting, and evaluate scalar expressions; none of its execution is
//! used. What we cannot answer exactly as documented is refused by name ([`Error::NotSupported`]).
#![forbid(unsafe_code)]

mod analyze;
mod cache;
pub mod catalog;
mod check;
pub mod compile;
mod context;
mod copy;
pub mod ddl;
mod depth;
mod dml;
mod error;
pub mod explain;
mod functions;
mod limit;
mod lookup;
pub mod lower;
mod names;
mod operators;
mod planner;
mod select;
mod sql_type;
mod statement;
#[cfg(test)]
mod testbed;

pub use catalog::Catalog;
pub use context::RelationSource;
pub use copy::{CopyEndpoint, CopyPlan};
pub use dml::point::{PointPlan, PointTable, PointWrites};
pub use dml::target::{ConflictKey, ROW_BYTES_MAX_DEFAULT};
pub use dml::{DmlOutcome, DmlPlan, Limits};
pub use error::{Error, Object, Result};
pub use planner::{BoundQuery, Planner, Purpose};
pub use select::{QueryPlan, QueryResult};
pub use sql_type::sql_type;
pub use statement::{Prepared, TransactionControl};
