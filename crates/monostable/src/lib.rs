//! Monostable: a write-ahead log, and SQL views over it that are always complete.
//!
//! A [`Database`] is tables, and materialized views over them that are maintained with every commit. A commit becomes visible
//! in all tables and all views at once, and returns when it is durable and visible. Views are read through prepared handles
//! ([`View`]) without SQL and without locks; anything else is asked in SQL ([`Database::query`]). Opening a database after a
//! crash costs the tail of its log, and then every view is complete: there is no cold state.
//!
//! ```
//! # use monostable::params;
//! # fn main() -> Result<(), monostable::Error> {
//! # let directory = tempfile::tempdir().unwrap();
//! # std::env::set_current_dir(&directory).unwrap();
//! let db = monostable::Database::open("shop")?;
//! db.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, customer TEXT, cents BIGINT)")?;
//! db.execute("CREATE MATERIALIZED VIEW spend AS
//!             SELECT customer, sum(cents) AS total, count(*) AS n FROM orders GROUP BY customer")?;
//! let mut txn = db.begin()?;
//! txn.execute("INSERT INTO orders VALUES ($1, $2, $3)", params![1, "ann", 3000])?;
//! txn.commit()?;                                     // durable, and every view reflects it
//! let spend = db.view("spend")?;                     // a prepared handle: no SQL on the read path
//! let row = spend.get(("ann",))?.unwrap();           // well under a microsecond, in every state
//! assert_eq!(row.get::<i64>("n")?, 1);
//! let changes = spend.subscribe()?;                  // every later change, in order
//! db.execute("DELETE FROM orders WHERE id = 1")?;
//! for change in changes.take(1) {
//!     assert_eq!(change?.weight, -1);                // an epoch, a row, a weight
//! }
//! # db.close()
//! # }
//! ```
//!
//! # What is promised
//!
//! Views are complete at every epoch a reader can see (G1); commits are atomic across tables and views (G2) and strongly
//! snapshot isolated, the first committer wins (G3, see [`Transaction`]); opening never rebuilds a view (G4); a read does the
//! same work whatever happened before (G5); damage is an error, never a wrong answer (G6); a commit that would make a view
//! undefined is refused and names it (G7); queues are bounded and overload is an error in bounded time (G8, see [`Options`]).
//!
//! # Where things are
//!
//! `commit` and `publish` are the commit pipeline, `certify` decides conflicts, `ddl` changes the schema, `recovery` opens, `replay`
//! applies the log's tail,
//! `background` merges and checkpoints, `check` compares every view with its recomputation. The log is `monostable-wal`, the
//! views are `monostable-view`, SQL is `monostable-query`; this is the only crate that sees all three.
#![forbid(unsafe_code)]

mod background;
mod certify;
mod check;
mod commit;
mod copy;
mod database;
mod ddl;
mod deserialize;
#[cfg(doctest)]
mod documents;
mod error;
mod feed;
mod files;
mod key;
mod options;
mod overlay;
mod publish;
mod queue;
mod record;
mod recovery;
mod replay;
mod row;
mod session;
mod snapshot;
mod split;
mod statement;
mod stats;
mod subscription;
mod table;
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
pub use row::{ColumnIndex, Row, RowRef, Rows, RowsIter};
pub use session::{Description, Outcome, Session};
pub use snapshot::Snapshot;
pub use stats::{ArrangementStats, CheckpointStats, LogStats, OpenReport, RelationStats, Stats};
pub use subscription::{Change, Subscription};
pub use table::Table;
pub use transaction::Transaction;
pub use value::FromValue;
pub use view::{PinnedRows, PinnedView, View, ViewRows};
