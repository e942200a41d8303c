//! Why a real run could not be made. An error ends the experiment: a contender that fails is a fact for the verdict, a store
//! that does not work is none.

use std::path::PathBuf;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The experiment does not exist, or not in this mode.
    #[error("there is no experiment {0} with real stores; choose one of {1}")]
    Unknown(String, String),
    /// SQLite refused.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL refused, or is not there.
    #[error("PostgreSQL: {}; check the address given with --postgres", said(.0))]
    Postgres(#[from] postgres::Error),
    /// Monostable's server refused, or is not there.
    #[error("Monostable's server: {}", said(.0))]
    Served(postgres::Error),
    /// Redis refused, or is not there.
    #[error("Redis: {0}; check the address given with --redis")]
    Redis(#[from] redis::RedisError),
    /// Monostable refused.
    #[error("Monostable: {0}")]
    Monostable(#[from] monostable::Error),
    /// The disk refused.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Latencies could not be recorded.
    #[error("a histogram cannot be made: {0}")]
    Histogram(#[from] hdrhistogram::CreationError),
    /// A part of the run ended early.
    #[error("{0} ended before the run did; see the message before this one")]
    Ended(&'static str),
    /// What came back is not what was asked for.
    #[error("{0} answered something that is not a page")]
    NotAPage(&'static str),
    /// A process of our own that is killed and started again did not do its part.
    #[error("the process that {0} ended early or said something unexpected: {1:?}")]
    Child(&'static str, String),
    /// The server cannot be started without its program.
    #[error("Monostable cannot be served, because it is not known where the program of the laboratory is")]
    NoProgram,
    /// Both servers are needed.
    #[error("--redis and --postgres belong together: give both addresses or neither")]
    OneServerOnly,
}

/// What a part of a run gives.
pub type Result<T> = std::result::Result<T, Error>;

/// What PostgreSQL said, where it said something; the error itself calls that a "db error".
fn said(error: &postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Names the file that the disk refused.
pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    |source| Error::Io { path, source }
}
