//! One SQL value: for literals, parameters, keys and results; columns of values are Arrow arrays.
//!
//! Equality and order are those of the row codec, so that a `Value` in a map and its encoding in a run never disagree:
//! -0.0 equals 0.0, NaN equals NaN and is the greatest float, text is compared by byte, intervals are compared as
//! PostgreSQL does (a month is 30 days, a day 24 hours) and told apart by their parts where that finds them equal. NULL
//! is greater than everything and equal to itself: this is the order of `ORDER BY` and the equality of `GROUP BY`, not
//! the three-valued `=` of SQL. Numerics of different scales compare by number. Values of different types have an
//! order too (that of the enum), so that sorting never fails; no query relies on it.
//!
//! Cost: moving a `Value` is 32 bytes; text and bytea own their bytes.

mod array;
mod convert;
mod display;
mod parse;

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

pub(crate) use array::rescale;
pub use array::values_to_array;

use crate::civil::DAY;
use crate::codec::scalar::{canonical_f32, canonical_f64};
use crate::{DataType, NUMERIC_PRECISION_MAX};

/// A SQL value.
#[derive(Debug, Clone)]
pub enum Value {
    /// NULL, of any type.
    Null,
    /// `boolean`
    Boolean(bool),
    /// `smallint`
    SmallInt(i16),
    /// `integer`
    Integer(i32),
    /// `bigint`
    BigInt(i64),
    /// `real`
    Real(f32),
    /// `double precision`
    Double(f64),
    /// `numeric`: `unscaled` times ten to the power of `-scale`
    Numeric {
        /// The digits, as one whole number.
        unscaled: i128,
        /// How many of the digits stand after the decimal point.
        scale: i8,
    },
    /// `text`
    Text(String),
    /// `bytea`
    Bytea(Vec<u8>),
    /// `date`: days since 1970-01-01
    Date(i32),
    /// `time`: microseconds since midnight, up to and including 24:00:00
    Time(i64),
    /// `timestamp`: microseconds since 1970-01-01 00:00:00
    Timestamp(i64),
    /// `timestamp with time zone`: microseconds since 1970-01-01 00:00:00 UTC
    TimestampTz(i64),
    /// `interval`: its three parts are independent, as in PostgreSQL
    Interval {
        /// Months (twelve to a year).
        months: i32,
        /// Days.
        days: i32,
        /// Microseconds.
        micros: i64,
    },
    /// `uuid`
    Uuid([u8; 16]),
}

impl Value {
    /// The type of the value; `None` for NULL, which has every type. A numeric reports the widest precision.
    #[must_use]
    pub fn data_type(&self) -> Option<DataType> {
        Some(match self {
            Value::Null => return None,
            Value::Boolean(_) => DataType::Boolean,
            Value::SmallInt(_) => DataType::SmallInt,
            Value::Integer(_) => DataType::Integer,
            Value::BigInt(_) => DataType::BigInt,
            Value::Real(_) => DataType::Real,
            Value::Double(_) => DataType::Double,
            Value::Numeric { scale, .. } => DataType::Numeric { precision: NUMERIC_PRECISION_MAX, scale: *scale },
            Value::Text(_) => DataType::Text,
            Value::Bytea(_) => DataType::Bytea,
            Value::Date(_) => DataType::Date,
            Value::Time(_) => DataType::Time,
            Value::Timestamp(_) => DataType::Timestamp,
            Value::TimestampTz(_) => DataType::TimestampTz,
            Value::Interval { .. } => DataType::Interval,
            Value::Uuid(_) => DataType::Uuid,
        })
    }

    /// Whether the value is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The position of the value's type in the order of types; NULL comes last.
    fn rank(&self) -> u8 {
        match self.data_type() {
            None => u8::MAX,
            Some(data_type) => data_type.code()[0],
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
            (Value::SmallInt(a), Value::SmallInt(b)) => a.cmp(b),
            (Value::Integer(a), Value::Integer(b)) => a.cmp(b),
            (Value::BigInt(a), Value::BigInt(b)) => a.cmp(b),
            (Value::Real(a), Value::Real(b)) => canonical_f32(*a).total_cmp(&canonical_f32(*b)),
            (Value::Double(a), Value::Double(b)) => canonical_f64(*a).total_cmp(&canonical_f64(*b)),
            (Value::Numeric { unscaled: a, scale: a_scale }, Value::Numeric { unscaled: b, scale: b_scale }) => {
                compare_numerics((*a, *a_scale), (*b, *b_scale))
            }
            (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Value::Bytea(a), Value::Bytea(b)) => a.cmp(b),
            (Value::Date(a), Value::Date(b)) => a.cmp(b),
            (Value::Time(a), Value::Time(b))
            | (Value::Timestamp(a), Value::Timestamp(b))
            | (Value::TimestampTz(a), Value::TimestampTz(b)) => a.cmp(b),
            (
                Value::Interval { months: a_months, days: a_days, micros: a_micros },
                Value::Interval { months: b_months, days: b_days, micros: b_micros },
            ) => {
                let a_span = interval_span(*a_months, *a_days, *a_micros);
                let b_span = interval_span(*b_months, *b_days, *b_micros);
                (a_span, a_months, a_days).cmp(&(b_span, b_months, b_days))
            }
            (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Value::Null => {}
            Value::Boolean(value) => value.hash(state),
            Value::SmallInt(value) => value.hash(state),
            Value::Integer(value) | Value::Date(value) => value.hash(state),
            Value::BigInt(value) | Value::Time(value) | Value::Timestamp(value) | Value::TimestampTz(value) => {
                value.hash(state);
            }
            Value::Real(value) => canonical_f32(*value).to_bits().hash(state),
            Value::Double(value) => canonical_f64(*value).to_bits().hash(state),
            Value::Numeric { unscaled, scale } => shortest_numeric(*unscaled, *scale).hash(state),
            Value::Text(value) => value.hash(state),
            Value::Bytea(value) => value.hash(state),
            Value::Interval { months, days, micros } => (months, days, micros).hash(state),
            Value::Uuid(value) => value.hash(state),
        }
    }
}

/// An interval as one number of microseconds, the way PostgreSQL compares intervals: a month is 30 days, a day 24 hours.
/// The sum of three products of 32- and 64-bit numbers stays far below 128 bits.
pub(crate) fn interval_span(months: i32, days: i32, micros: i64) -> i128 {
    let days = i64::from(months) * 30 + i64::from(days);
    i128::from(days) * i128::from(DAY) + i128::from(micros)
}

/// Compares two decimals by number: whole parts first, then what is left after them at the finer scale.
fn compare_numerics((a, a_scale): (i128, i8), (b, b_scale): (i128, i8)) -> Ordering {
    match a_scale.cmp(&b_scale) {
        Ordering::Equal => a.cmp(&b),
        Ordering::Greater => compare_numerics((b, b_scale), (a, a_scale)).reverse(),
        Ordering::Less => {
            let shift = u32::from(b_scale.abs_diff(a_scale));
            let Some(unit) = 10i128.checked_pow(shift) else {
                // More than 38 digits apart: one step of `a` exceeds anything that `b` can be, so the sign of `a` decides.
                return if a == 0 { 0.cmp(&b) } else { a.cmp(&0) };
            };
            a.cmp(&b.div_euclid(unit)).then_with(|| 0.cmp(&b.rem_euclid(unit)))
        }
    }
}

/// The same decimal without trailing zeros, so that equal numbers hash equally.
fn shortest_numeric(mut unscaled: i128, mut scale: i8) -> (i128, i8) {
    if unscaled == 0 {
        return (0, 0);
    }
    while unscaled % 10 == 0 && scale > i8::MIN {
        unscaled /= 10;
        scale -= 1;
    }
    (unscaled, scale)
}

#[cfg(test)]
mod tests;
