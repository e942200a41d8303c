//! Values to and from Arrow arrays, one at a time: for literals, parameters and results, not for bulk work.
//!
//! What Arrow could hold but the type cannot (a numeric beyond its precision, a time of day beyond 24:00:00, nanoseconds
//! in an interval) is an error in both directions, never rounded.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer};

use super::Value;
use crate::codec::scalar::{check_numeric, check_time, interval_from_arrow, interval_to_arrow};
use crate::error::excerpt;
use crate::{DataType, Error, Result};

impl Value {
    /// The value at `index` of an Arrow array of the given type.
    ///
    /// # Panics
    /// If `index` is not below the length of the array.
    pub fn from_array(array: &dyn Array, index: usize, data_type: DataType) -> Result<Value> {
        if array.data_type() != &data_type.to_arrow() {
            return Err(Error::TypeMismatch { expected: data_type, found: array.data_type().to_string() });
        }
        if array.is_null(index) {
            return Ok(Value::Null);
        }
        let value = match data_type {
            DataType::Boolean => Value::Boolean(array.as_boolean().value(index)),
            DataType::SmallInt => Value::SmallInt(array.as_primitive::<Int16Type>().value(index)),
            DataType::Integer => Value::Integer(array.as_primitive::<Int32Type>().value(index)),
            DataType::BigInt => Value::BigInt(array.as_primitive::<Int64Type>().value(index)),
            DataType::Real => Value::Real(array.as_primitive::<Float32Type>().value(index)),
            DataType::Double => Value::Double(array.as_primitive::<Float64Type>().value(index)),
            DataType::Numeric { scale, .. } => {
                Value::Numeric { unscaled: array.as_primitive::<Decimal128Type>().value(index), scale }
            }
            DataType::Text => Value::Text(array.as_string::<i32>().value(index).to_owned()),
            DataType::Bytea => Value::Bytea(array.as_binary::<i32>().value(index).to_owned()),
            DataType::Date => Value::Date(array.as_primitive::<Date32Type>().value(index)),
            DataType::Time => Value::Time(array.as_primitive::<Time64MicrosecondType>().value(index)),
            DataType::Timestamp => Value::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(index)),
            DataType::TimestampTz => Value::TimestampTz(array.as_primitive::<TimestampMicrosecondType>().value(index)),
            DataType::Interval => {
                let parts = array.as_primitive::<IntervalMonthDayNanoType>().value(index);
                let (months, days, micros) = interval_from_arrow(parts)
                    .map_err(|_| Error::DatetimeOutOfRange { data_type, input: format!("{parts:?}") })?;
                Value::Interval { months, days, micros }
            }
            DataType::Uuid => {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(array.as_fixed_size_binary().value(index));
                Value::Uuid(bytes)
            }
        };
        value.conform(data_type)
    }

    /// The value as one of the given type: NULL is, a value of another type is an error, and a numeric takes the scale of
    /// the type if no digit is lost.
    pub fn conform(self, data_type: DataType) -> Result<Value> {
        match (&self, data_type) {
            (Value::Null, _) => Ok(self),
            (Value::Numeric { unscaled, scale: from }, DataType::Numeric { precision, scale }) => {
                let unscaled = rescale(*unscaled, *from, scale)
                    .filter(|unscaled| check_numeric(*unscaled, precision).is_ok())
                    .ok_or_else(|| Error::OutOfRange { data_type, input: excerpt(&self.to_string()) })?;
                Ok(Value::Numeric { unscaled, scale })
            }
            (Value::Time(micros), DataType::Time) if check_time(*micros).is_err() => {
                Err(Error::DatetimeOutOfRange { data_type, input: format!("{micros} microseconds") })
            }
            (Value::Interval { months, days, micros }, DataType::Interval) => {
                match interval_to_arrow(*months, *days, *micros) {
                    Ok(_) => Ok(self),
                    Err(_) => Err(Error::DatetimeOutOfRange { data_type, input: self.to_string() }),
                }
            }
            _ if self.data_type() == Some(data_type) => Ok(self),
            _ => Err(Error::TypeMismatch { expected: data_type, found: self.type_name() }),
        }
    }

    /// The SQL name of the value's own type, for messages.
    pub(crate) fn type_name(&self) -> String {
        match self {
            Value::Numeric { .. } => "numeric".to_owned(),
            _ => self.data_type().map_or_else(|| "NULL".to_owned(), DataType::sql_name),
        }
    }
}

/// The unscaled number of the same decimal at another scale, if it is a whole number of 128 bits.
pub(crate) fn rescale(unscaled: i128, from: i8, to: i8) -> Option<i128> {
    let unit = 10i128.checked_pow(u32::from(from.abs_diff(to)));
    match unit {
        _ if unscaled == 0 => Some(0),
        Some(unit) if from <= to => unscaled.checked_mul(unit),
        Some(unit) if unscaled % unit == 0 => Some(unscaled / unit),
        _ => None,
    }
}

/// An Arrow array of the given type that holds the values. Each must be NULL or of that type ([`Value::conform`]).
pub fn values_to_array<'a>(data_type: DataType, values: impl Iterator<Item = &'a Value>) -> Result<ArrayRef> {
    match data_type {
        DataType::Boolean => {
            let values = natives(data_type, values, |value| match value {
                Value::Boolean(value) => Some(*value),
                _ => None,
            })?;
            Ok(Arc::new(BooleanArray::from(values)))
        }
        DataType::SmallInt => primitive::<Int16Type>(data_type, values, |value| match value {
            Value::SmallInt(value) => Some(*value),
            _ => None,
        }),
        DataType::Integer | DataType::Date => integers(data_type, values),
        DataType::BigInt | DataType::Time | DataType::Timestamp | DataType::TimestampTz => bigints(data_type, values),
        DataType::Real => primitive::<Float32Type>(data_type, values, |value| match value {
            Value::Real(value) => Some(*value),
            _ => None,
        }),
        DataType::Double => primitive::<Float64Type>(data_type, values, |value| match value {
            Value::Double(value) => Some(*value),
            _ => None,
        }),
        DataType::Numeric { .. } => primitive::<Decimal128Type>(data_type, values, |value| match value {
            Value::Numeric { unscaled, .. } => Some(*unscaled),
            _ => None,
        }),
        DataType::Interval => primitive::<IntervalMonthDayNanoType>(data_type, values, |value| match value {
            Value::Interval { months, days, micros } => interval_to_arrow(*months, *days, *micros).ok(),
            _ => None,
        }),
        DataType::Text => {
            let text = borrowed(data_type, values, |value| match value {
                Value::Text(text) => Some(text.as_str()),
                _ => None,
            });
            Ok(Arc::new(text.collect::<Result<StringArray>>()?))
        }
        DataType::Bytea => {
            let bytes = borrowed(data_type, values, |value| match value {
                Value::Bytea(bytes) => Some(bytes.as_slice()),
                _ => None,
            });
            Ok(Arc::new(bytes.collect::<Result<BinaryArray>>()?))
        }
        DataType::Uuid => uuids(data_type, values),
    }
}

/// Builds the arrays whose values are numbers of 32 bits.
fn integers<'a>(data_type: DataType, values: impl Iterator<Item = &'a Value>) -> Result<ArrayRef> {
    let native = |value: &Value| match value {
        Value::Integer(value) | Value::Date(value) => Some(*value),
        _ => None,
    };
    match data_type {
        DataType::Date => primitive::<Date32Type>(data_type, values, native),
        _ => primitive::<Int32Type>(data_type, values, native),
    }
}

/// Builds the arrays whose values are numbers of 64 bits.
fn bigints<'a>(data_type: DataType, values: impl Iterator<Item = &'a Value>) -> Result<ArrayRef> {
    let native = |value: &Value| match value {
        Value::BigInt(value) | Value::Time(value) | Value::Timestamp(value) | Value::TimestampTz(value) => Some(*value),
        _ => None,
    };
    match data_type {
        DataType::Time => primitive::<Time64MicrosecondType>(data_type, values, native),
        DataType::Timestamp | DataType::TimestampTz => primitive::<TimestampMicrosecondType>(data_type, values, native),
        _ => primitive::<Int64Type>(data_type, values, native),
    }
}

/// Builds an array of uuids: their bytes end to end, zeroes where there is none.
fn uuids<'a>(data_type: DataType, values: impl Iterator<Item = &'a Value>) -> Result<ArrayRef> {
    let values = natives(data_type, values, |value| match value {
        Value::Uuid(bytes) => Some(*bytes),
        _ => None,
    })?;
    let nulls = values.iter().map(Option::is_some).collect::<NullBuffer>();
    let bytes = values.into_iter().flat_map(Option::unwrap_or_default).collect::<Vec<u8>>();
    Ok(Arc::new(FixedSizeBinaryArray::new(16, Buffer::from_vec(bytes), Some(nulls))))
}

/// What the values hold, borrowed; `None` for NULL.
fn borrowed<'a, T: ?Sized + 'a>(
    data_type: DataType,
    values: impl Iterator<Item = &'a Value>,
    content: impl Fn(&'a Value) -> Option<&'a T>,
) -> impl Iterator<Item = Result<Option<&'a T>>> {
    values.map(move |value| match (value, content(value)) {
        (Value::Null, _) => Ok(None),
        (_, None) => Err(Error::TypeMismatch { expected: data_type, found: value.type_name() }),
        (_, content) => Ok(content),
    })
}

/// Builds an array of a primitive Arrow type; `native` gives the number inside a value of the right type.
fn primitive<'a, T: ArrowPrimitiveType>(
    data_type: DataType,
    values: impl Iterator<Item = &'a Value>,
    native: impl Fn(&Value) -> Option<T::Native>,
) -> Result<ArrayRef> {
    let array: PrimitiveArray<T> = natives(data_type, values, native)?.into_iter().collect();
    Ok(Arc::new(array.with_data_type(data_type.to_arrow())))
}

/// What the values hold once they are brought to the type; `None` for NULL.
fn natives<'a, T>(
    data_type: DataType,
    values: impl Iterator<Item = &'a Value>,
    native: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<Option<T>>> {
    let one = |value: &Value| match value.clone().conform(data_type)? {
        Value::Null => Ok(None),
        value => native(&value)
            .map(Some)
            .ok_or_else(|| Error::TypeMismatch { expected: data_type, found: value.type_name() }),
    };
    values.map(one).collect()
}
