//! Types and values that several test modules share.

use crate::DataType;

/// Every type, numerics with several shapes.
pub(crate) const ALL_TYPES: [DataType; 18] = [
    DataType::Boolean,
    DataType::SmallInt,
    DataType::Integer,
    DataType::BigInt,
    DataType::Real,
    DataType::Double,
    DataType::Numeric { precision: 38, scale: 0 },
    DataType::Numeric { precision: 5, scale: 2 },
    DataType::Numeric { precision: 38, scale: 38 },
    DataType::Numeric { precision: 3, scale: -2 },
    DataType::Text,
    DataType::Bytea,
    DataType::Date,
    DataType::Time,
    DataType::Timestamp,
    DataType::TimestampTz,
    DataType::Interval,
    DataType::Uuid,
];
