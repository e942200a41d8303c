//! Why an operator could not go on, before it is known which node of which graph it was.
//!
//! Operators return a [`Failure`]; `step`, `evaluate` and `build` add the node and make it a
//! [`StepError`](crate::StepError). Three kinds, because callers do three different things: reject the commit (the data
//! makes a view undefined), stop (an operator contradicts itself, which is a bug in this crate), or poison (the disk).

use arrow_schema::ArrowError;
use monostable_types::{CodecError, WeightOverflow};

use crate::error::Error;
use crate::expression::ExpressionError;

/// SQLSTATE of a number that its type cannot hold.
pub(crate) const OUT_OF_RANGE: &str = "22003";
/// SQLSTATE of a bug in this crate.
pub(crate) const INTERNAL: &str = "XX000";

/// Why an operator could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The data makes the result undefined: division by zero, overflow, a bad cast. Reject the change.
    #[error("{message}")]
    Undefined {
        /// The SQLSTATE, for example 22003 or 22012.
        sqlstate: &'static str,
        /// What happened, in PostgreSQL's words where it has some.
        message: String,
    },
    /// An operator's state contradicts its input, or two halves of this crate disagree.
    #[error("internal error: {0}; please report this, and nothing was applied")]
    Inconsistent(String),
    /// Runs could not be read or written.
    #[error(transparent)]
    Storage(#[from] Error),
}

impl Failure {
    pub(crate) fn out_of_range(message: impl Into<String>) -> Failure {
        Failure::Undefined { sqlstate: OUT_OF_RANGE, message: message.into() }
    }

    pub(crate) fn inconsistent(message: impl Into<String>) -> Failure {
        Failure::Inconsistent(message.into())
    }

    /// The five-character SQLSTATE.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Failure::Undefined { sqlstate, .. } => sqlstate,
            Failure::Storage(Error::WeightOverflow) => OUT_OF_RANGE,
            Failure::Storage(Error::EntryTooLarge { .. } | Error::BatchTooLarge { .. }) => "54000",
            Failure::Storage(Error::Corruption { .. }) => "XX001",
            Failure::Storage(Error::Storage(monostable_vfs::Error::NoSpace { .. })) => "53100",
            Failure::Storage(Error::Storage(_) | Error::Poisoned) => "58030",
            Failure::Inconsistent(_) | Failure::Storage(_) => INTERNAL,
        }
    }
}

impl From<WeightOverflow> for Failure {
    fn from(overflow: WeightOverflow) -> Failure {
        Failure::out_of_range(overflow.to_string())
    }
}

impl From<CodecError> for Failure {
    fn from(error: CodecError) -> Failure {
        Failure::Undefined { sqlstate: error.sqlstate(), message: error.to_string() }
    }
}

impl From<ExpressionError> for Failure {
    fn from(error: ExpressionError) -> Failure {
        Failure::Undefined { sqlstate: error.sqlstate, message: error.message }
    }
}

impl From<monostable_types::Error> for Failure {
    fn from(error: monostable_types::Error) -> Failure {
        Failure::Undefined { sqlstate: error.sqlstate(), message: error.to_string() }
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Failure {
        Failure::inconsistent(error.to_string())
    }
}
