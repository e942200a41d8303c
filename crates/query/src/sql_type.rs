//! The SQL spelling of types: `varchar`, `int8`, `decimal(10, 2)` to [`DataType`].
//!
//! Types that would need a rule we do not enforce (a length, a precision below microseconds, a time zone per value) are refused
//! by name, because a type that promises more than it checks is a wrong answer later.

use datafusion_sql::sqlparser::ast::{
    CharLengthUnits, CharacterLength, DataType as SqlType, ExactNumberInfo, TimezoneInfo,
};
use monostable_types::DataType;

use crate::error::{Error, Object, Result};

/// Largest number of decimal digits of a numeric.
const NUMERIC_PRECISION_MAX: u64 = 38;
/// Largest `n` of `varchar(n)`, as in PostgreSQL.
const CHARACTERS_MAX: u32 = 10_485_760;

/// The type of that name.
pub fn sql_type(sql: &SqlType) -> Result<DataType> {
    Ok(match sql {
        SqlType::Bool | SqlType::Boolean => DataType::Boolean,
        SqlType::SmallInt(None) | SqlType::Int2(None) => DataType::SmallInt,
        SqlType::Int(None) | SqlType::Integer(None) | SqlType::Int4(None) => DataType::Integer,
        SqlType::BigInt(None) | SqlType::Int8(None) => DataType::BigInt,
        SqlType::Real | SqlType::Float4 => DataType::Real,
        SqlType::DoublePrecision | SqlType::Float8 | SqlType::Double(ExactNumberInfo::None) => DataType::Double,
        SqlType::Float(info) => float(info)?,
        SqlType::Numeric(info) | SqlType::Decimal(info) | SqlType::Dec(info) => numeric(info)?,
        SqlType::Text
        | SqlType::Varchar(None)
        | SqlType::CharacterVarying(None)
        | SqlType::CharVarying(None)
        | SqlType::String(None) => DataType::Text,
        SqlType::Varchar(Some(_)) | SqlType::CharacterVarying(Some(_)) | SqlType::CharVarying(Some(_)) => {
            return Err(Error::not_supported(format!("a length limit in a cast to {sql} (use text)")));
        }
        SqlType::Char(_) | SqlType::Character(_) => {
            return Err(Error::not_supported(format!("the blank-padded type {sql} (use text)")));
        }
        SqlType::Bytea => DataType::Bytea,
        SqlType::Date => DataType::Date,
        SqlType::Time(precision, zone) => time(*precision, zone, sql)?,
        SqlType::Timestamp(precision, zone) => timestamp(*precision, zone, sql)?,
        SqlType::Interval { fields: None, precision: None } => DataType::Interval,
        SqlType::Uuid => DataType::Uuid,
        SqlType::Custom(name, _) => return Err(custom(&name.to_string())),
        other => return Err(Error::not_supported(format!("type {other}"))),
    })
}

/// The type of a column of that name, and the `n` of a `varchar(n)`, which assignments check.
pub(crate) fn column_type(sql: &SqlType) -> Result<(DataType, Option<u32>)> {
    match sql {
        SqlType::Varchar(Some(length))
        | SqlType::CharacterVarying(Some(length))
        | SqlType::CharVarying(Some(length)) => match length {
            CharacterLength::IntegerLength { length, unit: None | Some(CharLengthUnits::Characters) } => {
                let characters = u32::try_from(*length).ok().filter(|n| (1..=CHARACTERS_MAX).contains(n));
                let characters = characters.ok_or_else(|| {
                    Error::data("22023", format!("length for type varchar must be 1 to {CHARACTERS_MAX}"))
                })?;
                Ok((DataType::Text, Some(characters)))
            }
            _ => Err(Error::not_supported(format!("type {sql}"))),
        },
        other => Ok((sql_type(other)?, None)),
    }
}

/// `float` is double precision; `float(p)` counts binary digits.
fn float(info: &ExactNumberInfo) -> Result<DataType> {
    match info {
        ExactNumberInfo::None => Ok(DataType::Double),
        ExactNumberInfo::Precision(1..=24) => Ok(DataType::Real),
        ExactNumberInfo::Precision(25..=53) => Ok(DataType::Double),
        _ => Err(Error::data("22023", "precision of type float must be between 1 and 53 bits")),
    }
}

fn numeric(info: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match *info {
        ExactNumberInfo::None => {
            return Err(Error::not_supported(
                "numeric without precision and scale (write for example numeric(18, 2))".to_string(),
            ));
        }
        ExactNumberInfo::Precision(precision) => (precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (precision, scale),
    };
    if precision == 0 {
        return Err(Error::data("22023", "numeric precision must be at least 1"));
    }
    if precision > NUMERIC_PRECISION_MAX {
        return Err(Error::not_supported(format!("numeric precision {precision} (38 digits are the most)")));
    }
    if scale < 0 || scale > precision as i64 {
        return Err(Error::not_supported(format!("numeric scale {scale} outside of 0 to the precision {precision}")));
    }
    Ok(DataType::Numeric { precision: precision as u8, scale: scale as i8 })
}

fn time(precision: Option<u64>, zone: &TimezoneInfo, sql: &SqlType) -> Result<DataType> {
    match (precision, zone) {
        (None | Some(6), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Ok(DataType::Time),
        _ => Err(Error::not_supported(format!("type {sql} (time without time zone has microseconds)"))),
    }
}

fn timestamp(precision: Option<u64>, zone: &TimezoneInfo, sql: &SqlType) -> Result<DataType> {
    match (precision, zone) {
        (None | Some(6), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => Ok(DataType::Timestamp),
        (None | Some(6), TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => Ok(DataType::TimestampTz),
        _ => Err(Error::not_supported(format!("precision of {sql} (timestamps have microseconds)"))),
    }
}

fn custom(name: &str) -> Error {
    match name.to_ascii_lowercase().as_str() {
        "serial" | "bigserial" | "smallserial" | "serial4" | "serial8" | "serial2" => {
            Error::not_supported(format!("{name} (there are no sequences; use bigint and assign keys)"))
        }
        _ => Error::undefined(Object::Type, name),
    }
}
