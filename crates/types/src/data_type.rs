//! The SQL types, their names, their Arrow types, and their three-byte code on disk.
//!
//! The set is closed. `varchar` is `text` and `varchar(n)` is a matter for the SQL layer; there is no unconstrained
//! `numeric`. The mapping to Arrow is one to one: [`DataType::from_arrow`] accepts exactly what [`DataType::to_arrow`]
//! makes, so that a column can never change its type on the way through a plan. Collation is by byte (`C`).

use std::fmt;

use arrow_schema::{DataType as ArrowType, IntervalUnit, TimeUnit};

use crate::{Error, Result};

/// The largest number of digits of a `numeric`.
pub const NUMERIC_PRECISION_MAX: u8 = 38;

/// The name that Arrow's `timestamptz` columns give to UTC.
pub(crate) const UTC: &str = "+00:00";

/// A SQL type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataType {
    /// `boolean`
    Boolean,
    /// `smallint`: 16 bits
    SmallInt,
    /// `integer`: 32 bits
    Integer,
    /// `bigint`: 64 bits
    BigInt,
    /// `real`: 32-bit float
    Real,
    /// `double precision`: 64-bit float
    Double,
    /// `numeric(precision, scale)`: an exact decimal
    Numeric {
        /// Significant decimal digits, 1 to 38.
        precision: u8,
        /// Digits after the decimal point; negative for multiples of a power of ten.
        scale: i8,
    },
    /// `text`, and `varchar`
    Text,
    /// `bytea`
    Bytea,
    /// `date`
    Date,
    /// `time without time zone`, in microseconds
    Time,
    /// `timestamp without time zone`, in microseconds
    Timestamp,
    /// `timestamp with time zone`: an instant, kept in UTC, in microseconds
    TimestampTz,
    /// `interval`: months, days and microseconds
    Interval,
    /// `uuid`
    Uuid,
}

impl DataType {
    /// `numeric(precision, scale)`, checked: precision 1 to 38, scale from -38 to the precision.
    pub fn numeric(precision: u8, scale: i8) -> Result<DataType> {
        let scales = -(NUMERIC_PRECISION_MAX as i8)..=precision.min(NUMERIC_PRECISION_MAX) as i8;
        if !(1..=NUMERIC_PRECISION_MAX).contains(&precision) || !scales.contains(&scale) {
            return Err(Error::InvalidNumericType { precision, scale });
        }
        Ok(DataType::Numeric { precision, scale })
    }

    /// The Arrow type that holds values of this type.
    #[must_use]
    pub fn to_arrow(self) -> ArrowType {
        match self {
            DataType::Boolean => ArrowType::Boolean,
            DataType::SmallInt => ArrowType::Int16,
            DataType::Integer => ArrowType::Int32,
            DataType::BigInt => ArrowType::Int64,
            DataType::Real => ArrowType::Float32,
            DataType::Double => ArrowType::Float64,
            DataType::Numeric { precision, scale } => ArrowType::Decimal128(precision, scale),
            DataType::Text => ArrowType::Utf8,
            DataType::Bytea => ArrowType::Binary,
            DataType::Date => ArrowType::Date32,
            DataType::Time => ArrowType::Time64(TimeUnit::Microsecond),
            DataType::Timestamp => ArrowType::Timestamp(TimeUnit::Microsecond, None),
            DataType::TimestampTz => ArrowType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            DataType::Interval => ArrowType::Interval(IntervalUnit::MonthDayNano),
            DataType::Uuid => ArrowType::FixedSizeBinary(16),
        }
    }

    /// The SQL type of an Arrow type: the inverse of [`DataType::to_arrow`], and nothing beyond it.
    pub fn from_arrow(arrow: &ArrowType) -> Result<DataType> {
        Ok(match arrow {
            ArrowType::Boolean => DataType::Boolean,
            ArrowType::Int16 => DataType::SmallInt,
            ArrowType::Int32 => DataType::Integer,
            ArrowType::Int64 => DataType::BigInt,
            ArrowType::Float32 => DataType::Real,
            ArrowType::Float64 => DataType::Double,
            ArrowType::Decimal128(precision, scale) => DataType::numeric(*precision, *scale)?,
            ArrowType::Utf8 => DataType::Text,
            ArrowType::Binary => DataType::Bytea,
            ArrowType::Date32 => DataType::Date,
            ArrowType::Time64(TimeUnit::Microsecond) => DataType::Time,
            ArrowType::Timestamp(TimeUnit::Microsecond, None) => DataType::Timestamp,
            ArrowType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == UTC => DataType::TimestampTz,
            ArrowType::Interval(IntervalUnit::MonthDayNano) => DataType::Interval,
            ArrowType::FixedSizeBinary(16) => DataType::Uuid,
            other => return Err(Error::UnsupportedArrowType(other.to_string())),
        })
    }

    /// The name that SQL gives to the type, with its parameters: `numeric(38,2)`.
    #[must_use]
    pub fn sql_name(self) -> String {
        self.to_string()
    }

    /// The type in three bytes, as catalogs and operator identities store it: kind, precision, scale (`FORMAT.md`).
    #[must_use]
    pub fn code(self) -> [u8; 3] {
        let kind = match self {
            DataType::Boolean => 1,
            DataType::SmallInt => 2,
            DataType::Integer => 3,
            DataType::BigInt => 4,
            DataType::Real => 5,
            DataType::Double => 6,
            DataType::Numeric { precision, scale } => return [7, precision, scale.to_le_bytes()[0]],
            DataType::Text => 8,
            DataType::Bytea => 9,
            DataType::Date => 10,
            DataType::Time => 11,
            DataType::Timestamp => 12,
            DataType::TimestampTz => 13,
            DataType::Interval => 14,
            DataType::Uuid => 15,
        };
        [kind, 0, 0]
    }

    /// The type with the given code: the inverse of [`DataType::code`].
    pub fn from_code(code: [u8; 3]) -> Result<DataType> {
        Ok(match code {
            [1, 0, 0] => DataType::Boolean,
            [2, 0, 0] => DataType::SmallInt,
            [3, 0, 0] => DataType::Integer,
            [4, 0, 0] => DataType::BigInt,
            [5, 0, 0] => DataType::Real,
            [6, 0, 0] => DataType::Double,
            [7, precision, scale] => {
                DataType::numeric(precision, i8::from_le_bytes([scale])).map_err(|_| Error::InvalidTypeCode(code))?
            }
            [8, 0, 0] => DataType::Text,
            [9, 0, 0] => DataType::Bytea,
            [10, 0, 0] => DataType::Date,
            [11, 0, 0] => DataType::Time,
            [12, 0, 0] => DataType::Timestamp,
            [13, 0, 0] => DataType::TimestampTz,
            [14, 0, 0] => DataType::Interval,
            [15, 0, 0] => DataType::Uuid,
            _ => return Err(Error::InvalidTypeCode(code)),
        })
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DataType::Boolean => "boolean",
            DataType::SmallInt => "smallint",
            DataType::Integer => "integer",
            DataType::BigInt => "bigint",
            DataType::Real => "real",
            DataType::Double => "double precision",
            DataType::Numeric { precision, scale } => return write!(f, "numeric({precision},{scale})"),
            DataType::Text => "text",
            DataType::Bytea => "bytea",
            DataType::Date => "date",
            DataType::Time => "time without time zone",
            DataType::Timestamp => "timestamp without time zone",
            DataType::TimestampTz => "timestamp with time zone",
            DataType::Interval => "interval",
            DataType::Uuid => "uuid",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::ALL_TYPES;

    #[test]
    fn arrow_types_and_codes_map_one_to_one() {
        let mut codes = std::collections::BTreeSet::new();
        for data_type in ALL_TYPES {
            assert_eq!(DataType::from_arrow(&data_type.to_arrow()), Ok(data_type));
            assert_eq!(DataType::from_code(data_type.code()), Ok(data_type));
            assert!(codes.insert(data_type.code()), "{data_type} shares its code");
        }
    }

    #[test]
    fn what_is_not_a_type_is_refused_by_name() {
        let error = DataType::from_arrow(&ArrowType::UInt64).unwrap_err();
        assert_eq!((error.sqlstate(), error.to_string().contains("UInt64")), ("0A000", true));
        let madrid = ArrowType::Timestamp(TimeUnit::Microsecond, Some("Europe/Madrid".into()));
        assert!(DataType::from_arrow(&madrid).is_err());
        for code in [[0, 0, 0], [16, 0, 0], [3, 1, 0], [7, 39, 0], [7, 0, 0], [7, 5, 6], [255; 3]] {
            assert_eq!(DataType::from_code(code), Err(Error::InvalidTypeCode(code)));
        }
    }

    #[test]
    fn numeric_bounds() {
        assert!(DataType::numeric(38, 38).is_ok());
        assert!(DataType::numeric(1, -38).is_ok());
        for (precision, scale) in [(0, 0), (39, 0), (255, 0), (5, 6), (5, -39), (200, 100)] {
            assert_eq!(DataType::numeric(precision, scale), Err(Error::InvalidNumericType { precision, scale }));
        }
        assert_eq!(DataType::Numeric { precision: 38, scale: 2 }.sql_name(), "numeric(38,2)");
    }
}
