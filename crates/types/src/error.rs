//! Everything that can go wrong with a type, a value or an encoded row, with its SQLSTATE.
//!
//! Messages follow PostgreSQL's wording, because that is what people search for. Input is quoted, cut to a sane length.

use crate::{CodecError, DataType, WeightOverflow};

/// The result of an operation on types and values.
pub type Result<T> = std::result::Result<T, Error>;

/// An error about a type, a value or an encoded row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Text that is not a value of the type (22P02).
    #[error("invalid input syntax for type {data_type}: \"{input}\"")]
    InvalidText {
        /// The type that was asked for.
        data_type: DataType,
        /// The text, cut to a readable length.
        input: String,
    },
    /// Text that is not a date, time or interval (22007).
    #[error("invalid input syntax for type {data_type}: \"{input}\"")]
    InvalidDatetime {
        /// The type that was asked for.
        data_type: DataType,
        /// The text, cut to a readable length.
        input: String,
    },
    /// A date, time or interval with a field that does not exist (month 13), or beyond what the type holds (22008).
    #[error("date/time field value out of range for type {data_type}: \"{input}\"")]
    DatetimeOutOfRange {
        /// The type that was asked for.
        data_type: DataType,
        /// The text, cut to a readable length.
        input: String,
    },
    /// A number that the type cannot hold (22003).
    #[error("value \"{input}\" is out of range for type {data_type}")]
    OutOfRange {
        /// The type that was asked for.
        data_type: DataType,
        /// The value, cut to a readable length.
        input: String,
    },
    /// A value that PostgreSQL knows and Monostable refuses (0A000): `infinity` as a date, `now`, `NaN` as a numeric.
    #[error("\"{input}\" is not supported as a value of type {data_type}")]
    UnsupportedValue {
        /// The type that was asked for.
        data_type: DataType,
        /// The text, cut to a readable length.
        input: String,
    },
    /// A numeric type whose precision or scale is out of bounds (22023).
    #[error("numeric({precision},{scale}) is not supported: precision must be 1 to 38 and scale -38 to precision")]
    InvalidNumericType {
        /// The precision that was asked for.
        precision: u8,
        /// The scale that was asked for.
        scale: i8,
    },
    /// Three bytes that do not encode a data type (XX001).
    #[error("{0:02x?} is not an encoded data type: the bytes are damaged or come from a newer version")]
    InvalidTypeCode([u8; 3]),
    /// An Arrow type that has no SQL type here (0A000).
    #[error("the Arrow type {0} is not supported: cast to a supported type first")]
    UnsupportedArrowType(String),
    /// A value or array of another type than the one declared (42804).
    #[error("expected a value of type {expected}, got {found}")]
    TypeMismatch {
        /// The declared type.
        expected: DataType,
        /// What was there instead.
        found: String,
    },
    /// A row that cannot be encoded or decoded.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A weight that does not fit 64 bits.
    #[error(transparent)]
    WeightOverflow(#[from] WeightOverflow),
}

impl Error {
    /// The five-character SQLSTATE of the error, as PostgreSQL assigns them.
    #[must_use]
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Error::InvalidText { .. } => "22P02",
            Error::InvalidDatetime { .. } => "22007",
            Error::DatetimeOutOfRange { .. } => "22008",
            Error::OutOfRange { .. } => "22003",
            Error::UnsupportedValue { .. } | Error::UnsupportedArrowType(_) => "0A000",
            Error::InvalidNumericType { .. } => "22023",
            Error::InvalidTypeCode(_) => "XX001",
            Error::TypeMismatch { .. } => "42804",
            Error::Codec(error) => error.sqlstate(),
            Error::WeightOverflow(error) => error.sqlstate(),
        }
    }
}

/// Cuts user input to what a message can carry.
pub(crate) fn excerpt(input: &str) -> String {
    const CHARS_MAX: usize = 80;
    match input.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}...", &input[..end]),
        None => input.to_owned(),
    }
}
