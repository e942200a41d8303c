//! Values between SQL and Rust: [`FromValue`] reads a column into a Rust type, [`params!`](crate::params) makes parameters.
//!
//! Conversions are exact or refused. An integer is read into any integer type that can hold it, a numeric into an integer
//! if it has no fraction; nothing is rounded, except that a numeric may be read as a float, which is what the caller asked
//! for. NULL is read into an `Option`; reading it into anything else is an error.
//!
//! Not here: the text form of values and their conversion to column types, which belong to `monostable-types`.

use monostable_types::{DataType, Value};

/// A Rust type that a column can be read into.
pub trait FromValue: Sized {
    /// What this type is called in an error.
    const EXPECTED: &'static str;

    /// Converts the value, or gives it back if it does not fit.
    fn from_value(value: Value) -> Result<Self, Value>;
}

impl FromValue for Value {
    const EXPECTED: &'static str = "any value";

    fn from_value(value: Value) -> Result<Value, Value> {
        Ok(value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_value(value: Value) -> Result<Option<T>, Value> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl FromValue for bool {
    const EXPECTED: &'static str = "bool";

    fn from_value(value: Value) -> Result<bool, Value> {
        match value {
            Value::Boolean(value) => Ok(value),
            other => Err(other),
        }
    }
}

impl FromValue for String {
    const EXPECTED: &'static str = "String";

    fn from_value(value: Value) -> Result<String, Value> {
        match value {
            Value::Text(text) => Ok(text),
            other => Err(other),
        }
    }
}

impl FromValue for Vec<u8> {
    const EXPECTED: &'static str = "Vec<u8>";

    fn from_value(value: Value) -> Result<Vec<u8>, Value> {
        match value {
            Value::Bytea(bytes) => Ok(bytes),
            other => Err(other),
        }
    }
}

impl FromValue for [u8; 16] {
    const EXPECTED: &'static str = "[u8; 16]";

    fn from_value(value: Value) -> Result<[u8; 16], Value> {
        match value {
            Value::Uuid(bytes) => Ok(bytes),
            other => Err(other),
        }
    }
}

impl FromValue for f64 {
    const EXPECTED: &'static str = "f64";

    fn from_value(value: Value) -> Result<f64, Value> {
        match value {
            Value::Double(value) => Ok(value),
            Value::Real(value) => Ok(f64::from(value)),
            Value::SmallInt(value) => Ok(f64::from(value)),
            Value::Integer(value) => Ok(f64::from(value)),
            // The decimal text is parsed, because dividing by a power of ten would round twice.
            Value::Numeric { .. } => value.to_string().parse().map_err(|_| value),
            other => Err(other),
        }
    }
}

impl FromValue for f32 {
    const EXPECTED: &'static str = "f32";

    fn from_value(value: Value) -> Result<f32, Value> {
        match value {
            Value::Real(value) => Ok(value),
            other => Err(other),
        }
    }
}

/// The whole number that a value stands for, if it stands for one.
pub(crate) fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::SmallInt(value) => Some(i128::from(*value)),
        Value::Integer(value) => Some(i128::from(*value)),
        Value::BigInt(value) => Some(i128::from(*value)),
        Value::Numeric { unscaled, scale } if *scale <= 0 => {
            10i128.checked_pow(u32::from(scale.unsigned_abs())).and_then(|factor| unscaled.checked_mul(factor))
        }
        Value::Numeric { unscaled, scale } => {
            let factor = 10i128.checked_pow(u32::from(scale.unsigned_abs()))?;
            (unscaled % factor == 0).then(|| unscaled / factor)
        }
        _ => None,
    }
}

macro_rules! integers {
    ($($integer:ident),*) => {$(
        impl FromValue for $integer {
            const EXPECTED: &'static str = stringify!($integer);

            fn from_value(value: Value) -> Result<$integer, Value> {
                whole(&value).and_then(|whole| $integer::try_from(whole).ok()).ok_or(value)
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, i128, u8, u16, u32, u64, u128, usize);

/// The type that a value has, as an error message calls it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Boolean(_) => "boolean",
        Value::SmallInt(_) => "smallint",
        Value::Integer(_) => "integer",
        Value::BigInt(_) => "bigint",
        Value::Real(_) => "real",
        Value::Double(_) => "double precision",
        Value::Numeric { .. } => "numeric",
        Value::Text(_) => "text",
        Value::Bytea(_) => "bytea",
        Value::Date(_) => "date",
        Value::Time(_) => "time",
        Value::Timestamp(_) => "timestamp",
        Value::TimestampTz(_) => "timestamptz",
        Value::Interval { .. } => "interval",
        Value::Uuid(_) => "uuid",
    }
}

/// Converts a value to a column's type where no information is lost: between integers and numerics of equal value, from an
/// integer or real to double precision, and from text to any type through that type's text form.
pub(crate) fn coerce(value: Value, to: DataType) -> Result<Value, Value> {
    let fits = |type_: DataType| type_ == to;
    match (&value, to) {
        (Value::Null, _) => Ok(value),
        (Value::Boolean(_), DataType::Boolean)
        | (Value::SmallInt(_), DataType::SmallInt)
        | (Value::Integer(_), DataType::Integer)
        | (Value::BigInt(_), DataType::BigInt)
        | (Value::Real(_), DataType::Real)
        | (Value::Double(_), DataType::Double)
        | (Value::Text(_), DataType::Text)
        | (Value::Bytea(_), DataType::Bytea)
        | (Value::Date(_), DataType::Date)
        | (Value::Time(_), DataType::Time)
        | (Value::Timestamp(_), DataType::Timestamp)
        | (Value::TimestampTz(_), DataType::TimestampTz)
        | (Value::Interval { .. }, DataType::Interval)
        | (Value::Uuid(_), DataType::Uuid) => Ok(value),
        (Value::Text(text), _) if !fits(DataType::Text) => Value::parse(to, text).map_err(|_| value),
        (_, DataType::SmallInt) => i16::from_value(value).map(Value::SmallInt),
        (_, DataType::Integer) => i32::from_value(value).map(Value::Integer),
        (_, DataType::BigInt) => i64::from_value(value).map(Value::BigInt),
        (Value::Real(real), DataType::Double) => Ok(Value::Double(f64::from(*real))),
        (Value::SmallInt(integer), DataType::Double) => Ok(Value::Double(f64::from(*integer))),
        (Value::Integer(integer), DataType::Double) => Ok(Value::Double(f64::from(*integer))),
        (
            Value::Numeric { .. } | Value::SmallInt(_) | Value::Integer(_) | Value::BigInt(_),
            DataType::Numeric { .. },
        ) => Value::parse(to, &value.to_string()).map_err(|_| value),
        _ => Err(value),
    }
}

/// Makes the parameters of a statement: `params![1, "ann", None::<i64>]` is a slice of [`Value`]s.
#[macro_export]
macro_rules! params {
    () => { &[] as &[$crate::Value] };
    ($($value:expr),+ $(,)?) => { &[$($crate::Value::from($value)),+] as &[$crate::Value] };
}
