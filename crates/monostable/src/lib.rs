//! Monostable: a write-ahead log, and SQL views over it that are always complete.
#![forbid(unsafe_code)]

mod background;
mod certify;
mod check;
mod commit;
mod copy;
mod database;
mod ddl;
mod deserialize;
mod error;
mod feed;
mod files;
mod key;
mod options;
mod overlay;
mod publish;
mod record;
mod recovery;
mod row;
mod session;
mod snapshot;
mod split;
mod statement;
mod stats;
#[cfg(test)]
mod tests;
mod ticket;
mod transaction;
mod value;
mod view;

pub use check::{CheckReport, Difference};
pub use database::Database;
pub use error::{Cause, Error, Result};
pub use key::Key;
pub use monostable_types::{Column, DataType, Epoch, Lsn, Schema, Value};
pub use options::{Background, Clock, Options, Randomness, SystemClock, SystemRandomness};
pub use row::{ColumnIndex, Row, Rows, RowsIter};
pub use session::{Outcome, Session};
pub use snapshot::Snapshot;
pub use stats::{ArrangementStats, CheckpointStats, LogStats, OpenReport, RelationStats, Stats};
pub use transaction::Transaction;
pub use value::FromValue;
pub use view::{View, ViewRows};
