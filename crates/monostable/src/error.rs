//! Everything that can go wrong, with an SQLSTATE, what to do about it, and whether the outcome is known.
//!
//! The variants are coarse: one per thing that a caller does differently. What a lower crate reports is kept as the source.
//! An error of a write means that nothing happened, with one exception that says so: [`Error::OutcomeUnknown`].

use std::sync::Arc;
use std::time::Duration;

use monostable_types::Epoch;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The cause of an error that several callers are told about.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// An error of the database.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The statement cannot be planned or executed: syntax, names, types, constraints, arithmetic.
    #[error("{0}")]
    Query(#[source] Arc<monostable_query::Error>),
    /// Another transaction wrote the same row first. Nothing happened; begin again.
    #[error("could not serialize access: another transaction wrote the same row {}; run the transaction again", after(*.since))]
    Conflict {
        /// The epoch of the write that came first, if it is still known.
        since: Option<Epoch>,
    },
    /// The commit would leave views without a defined value (overflow, division by zero, a bad cast). Nothing happened.
    #[error("the change was refused because it makes {} undefined: {message}", quoted(.views))]
    ViewUndefined {
        /// The views that would have no value.
        views: Vec<String>,
        /// The SQLSTATE of the cause.
        sqlstate: String,
        /// The cause.
        message: String,
    },
    /// A queue stayed full or memory stayed short for as long as a writer may wait. Nothing happened; reduce the load.
    #[error("overloaded: {what} for {} ms; nothing was written, try again when there is less load", .waited.as_millis())]
    Overloaded {
        /// What was exhausted.
        what: &'static str,
        /// How long the writer waited.
        waited: Duration,
    },
    /// The log failed while the commit was on its way to disk. It may or may not be there when the database is opened again.
    #[error(
        "the log failed during the commit, so its outcome is unknown: open the database again to learn it ({cause})"
    )]
    OutcomeUnknown {
        /// What failed.
        #[source]
        cause: Cause,
    },
    /// An earlier failure stopped all writing. Reads still work. Open the database again.
    #[error("the database stopped accepting writes after a failure: open it again ({cause})")]
    Poisoned {
        /// What failed.
        #[source]
        cause: Cause,
    },
    /// The database was closed.
    #[error("the database is closed")]
    Closed,
    /// There is no such table, view or index.
    #[error("{kind} \"{name}\" does not exist")]
    Undefined {
        /// What was looked for: a table, a materialized view.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The view that a handle was prepared for, or the table that a transaction wrote to, has been dropped.
    #[error("{kind} \"{name}\" has been dropped")]
    Dropped {
        /// A table or a materialized view.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The statement is not allowed in this state of the transaction.
    #[error("{message}")]
    TransactionState {
        /// The SQLSTATE: 25001 or 25P01.
        sqlstate: &'static str,
        /// What is wrong.
        message: String,
    },
    /// A method was given a statement of the wrong kind, for example a query to `execute`'s prepared form.
    #[error("{0}")]
    Misuse(String),
    /// The number of parameters is not what the statement takes.
    #[error("the statement takes {expected} parameters, {given} were given")]
    ParameterCount {
        /// What the statement takes.
        expected: usize,
        /// What was given.
        given: usize,
    },
    /// A parameter or key value does not fit the type that it is compared with.
    #[error("{what} is {value}, which is not a value of type {expected}")]
    ValueType {
        /// Which parameter or key column.
        what: String,
        /// The value.
        value: String,
        /// The type that was expected.
        expected: String,
    },
    /// A key has the wrong number of columns.
    #[error("view \"{view}\" has a key of {expected} columns, {given} were given")]
    KeyArity {
        /// The view.
        view: String,
        /// Columns of its key.
        expected: usize,
        /// Columns given.
        given: usize,
    },
    /// A row has no such column.
    #[error("there is no column {column}")]
    NoSuchColumn {
        /// What was asked for.
        column: String,
    },
    /// A column does not fit the Rust type it is read into.
    #[error("column {column} is {value} of type {sql_type}, which is not {expected}")]
    ColumnType {
        /// The column.
        column: String,
        /// Its value.
        value: String,
        /// Its SQL type.
        sql_type: String,
        /// The Rust type.
        expected: &'static str,
    },
    /// A row does not fit the Rust type it is deserialized into.
    #[error("cannot read the row: {0}")]
    Deserialize(String),
    /// A limit of the database was exceeded. Nothing happened.
    #[error("{what} takes {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A subscription was not read fast enough and has lost changes. Subscribe again.
    #[error("the subscription fell behind by more than {rows_max} changes and was ended: subscribe again")]
    SubscriptionLagged {
        /// The bound that was exceeded.
        rows_max: usize,
    },
    /// The files contradict each other or this build. Nothing was changed.
    #[error("the database cannot be opened: {0}")]
    Recovery(String),
    /// The disk failed, or another process has the directory open.
    #[error(transparent)]
    Storage(Arc<monostable_vfs::Error>),
    /// The log is damaged or failed.
    #[error(transparent)]
    Log(Arc<monostable_wal::Error>),
    /// A run or the manifest is damaged, or a value does not fit into a run.
    #[error(transparent)]
    View(Arc<monostable_view::Failure>),
    /// An operator failed for a reason other than the data of a commit. Nothing happened.
    #[error(transparent)]
    Step(Arc<monostable_view::StepError>),
    /// A value or an encoded row is not what its type says.
    #[error(transparent)]
    Type(#[from] monostable_types::Error),
}

fn after(since: Option<Epoch>) -> String {
    since.map_or_else(|| "or may have".to_owned(), |epoch| format!("at epoch {epoch}"))
}

fn quoted(views: &[String]) -> String {
    let names: Vec<_> = views.iter().map(|name| format!("\"{name}\"")).collect();
    match names.len() {
        0 => "a view".to_owned(),
        1 => format!("view {}", names.concat()),
        _ => format!("views {}", names.join(", ")),
    }
}

impl Error {
    /// The SQLSTATE, as a PostgreSQL client expects it.
    pub fn sqlstate(&self) -> &str {
        match self {
            Error::Query(error) => error.sqlstate(),
            Error::Conflict { .. } => "40001",
            Error::ViewUndefined { sqlstate, .. } => sqlstate,
            Error::Overloaded { .. } => "53000",
            Error::OutcomeUnknown { .. } => "40003",
            Error::Poisoned { .. } => "58030",
            Error::Closed => "57P03",
            Error::Undefined { .. } | Error::Dropped { .. } => "42P01",
            Error::TransactionState { sqlstate, .. } => sqlstate,
            Error::Misuse(_) => "42601",
            Error::ParameterCount { .. } => "08P01",
            Error::ValueType { .. } | Error::KeyArity { .. } => "42804",
            Error::NoSuchColumn { .. } => "42703",
            Error::ColumnType { .. } | Error::Deserialize(_) => "42804",
            Error::TooLarge { .. } => "54000",
            Error::SubscriptionLagged { .. } => "53400",
            Error::Recovery(_) => "XX001",
            Error::Storage(error) => storage_sqlstate(error),
            Error::Log(error) => log_sqlstate(error),
            Error::View(error) => error.sqlstate(),
            Error::Step(error) => error.sqlstate(),
            Error::Type(error) => error.sqlstate(),
        }
    }

    /// Whether it is certain that nothing was written. Only a commit can end otherwise.
    pub fn outcome_is_known(&self) -> bool {
        !matches!(self, Error::OutcomeUnknown { .. })
    }

    /// Whether the same transaction, run again from its beginning, may succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Conflict { .. } | Error::Overloaded { .. })
    }
}

fn storage_sqlstate(error: &monostable_vfs::Error) -> &'static str {
    match error {
        monostable_vfs::Error::Locked { .. } => "55006",
        monostable_vfs::Error::NoSpace { .. } => "53100",
        _ => "58030",
    }
}

fn log_sqlstate(error: &monostable_wal::Error) -> &'static str {
    match error {
        monostable_wal::Error::Disk(error) => storage_sqlstate(error),
        monostable_wal::Error::Corruption { .. } => "XX001",
        monostable_wal::Error::RecordTooLarge { .. } => "54000",
        _ => "58030",
    }
}

impl From<monostable_query::Error> for Error {
    fn from(error: monostable_query::Error) -> Error {
        Error::Query(Arc::new(error))
    }
}

impl From<monostable_vfs::Error> for Error {
    fn from(error: monostable_vfs::Error) -> Error {
        Error::Storage(Arc::new(error))
    }
}

impl From<monostable_wal::Error> for Error {
    fn from(error: monostable_wal::Error) -> Error {
        Error::Log(Arc::new(error))
    }
}

impl From<monostable_view::Error> for Error {
    fn from(error: monostable_view::Error) -> Error {
        Error::from(monostable_view::Failure::from(error))
    }
}

impl From<monostable_types::CodecError> for Error {
    fn from(error: monostable_types::CodecError) -> Error {
        Error::Type(error.into())
    }
}

impl From<monostable_view::Failure> for Error {
    fn from(failure: monostable_view::Failure) -> Error {
        Error::View(Arc::new(failure))
    }
}

impl From<monostable_view::StepError> for Error {
    fn from(error: monostable_view::StepError) -> Error {
        Error::Step(Arc::new(error))
    }
}
