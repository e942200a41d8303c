//! Values as text: what PostgreSQL prints with `DateStyle` ISO, `IntervalStyle` postgres and the time zone UTC.
//!
//! The text of every value parses back to an equal value of its type (`value/parse`).

use std::fmt;

use super::Value;
use crate::civil::{Civil, DAY, HOUR, MINUTE, SECOND};

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Boolean(value) => f.write_str(if *value { "t" } else { "f" }),
            Value::SmallInt(value) => value.fmt(f),
            Value::Integer(value) => value.fmt(f),
            Value::BigInt(value) => value.fmt(f),
            Value::Real(value) => write_float(f, f64::from(*value), &format!("{value:e}"), 6),
            Value::Double(value) => write_float(f, *value, &format!("{value:e}"), 15),
            Value::Numeric { unscaled, scale } => write_numeric(f, *unscaled, *scale),
            Value::Text(value) => f.write_str(value),
            Value::Bytea(value) => {
                f.write_str("\\x")?;
                value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Value::Date(days) => write_timestamp(f, i64::from(*days), None, ""),
            Value::Time(micros) => write_clock(f, *micros),
            Value::Timestamp(micros) => write_timestamp(f, micros.div_euclid(DAY), Some(micros.rem_euclid(DAY)), ""),
            Value::TimestampTz(micros) => {
                write_timestamp(f, micros.div_euclid(DAY), Some(micros.rem_euclid(DAY)), "+00")
            }
            Value::Interval { months, days, micros } => write_interval(f, *months, *days, *micros),
            Value::Uuid(bytes) => write_uuid(f, bytes),
        }
    }
}

/// Writes the shortest digits that give the same float again. `scientific` has those digits (Rust prints them shortest);
/// PostgreSQL prints them without an exponent when that is from -4 to below the digits the type guarantees.
fn write_float(f: &mut fmt::Formatter<'_>, value: f64, scientific: &str, digits_guaranteed: i32) -> fmt::Result {
    if value.is_nan() {
        return f.write_str("NaN");
    }
    if value.is_infinite() {
        return f.write_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().map_err(|_| fmt::Error)?;
    if !(-4..digits_guaranteed).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return write!(f, "{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(positive) => ("-", positive),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    f.write_str(sign)?;
    match usize::try_from(exponent) {
        Ok(exponent) if digits.len() <= exponent + 1 => write!(f, "{digits:0<width$}", width = exponent + 1),
        Ok(exponent) => write!(f, "{}.{}", &digits[..=exponent], &digits[exponent + 1..]),
        Err(_) => write!(f, "0.{digits:0>width$}", width = digits.len() + exponent.unsigned_abs() as usize - 1),
    }
}

/// Writes a decimal with exactly `scale` digits after the point.
fn write_numeric(f: &mut fmt::Formatter<'_>, unscaled: i128, scale: i8) -> fmt::Result {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = unscaled.unsigned_abs().to_string();
    let places = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        let zeros = if unscaled == 0 { 0 } else { places };
        return write!(f, "{sign}{digits}{:0<zeros$}", "");
    }
    let digits = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    write!(f, "{sign}{whole}.{fraction}")
}

/// Writes a day, and the time of day with its zone if there is one; years before 1 are counted as BC, at the very end.
fn write_timestamp(f: &mut fmt::Formatter<'_>, days: i64, time: Option<i64>, zone: &str) -> fmt::Result {
    let Civil { year, month, day } = Civil::from_days(days);
    let shown = if year > 0 { year } else { 1 - year };
    write!(f, "{shown:04}-{month:02}-{day:02}")?;
    if let Some(micros) = time {
        f.write_str(" ")?;
        write_clock(f, micros)?;
    }
    f.write_str(zone)?;
    if year > 0 { Ok(()) } else { f.write_str(" BC") }
}

/// Writes hours, minutes and seconds, and as many decimals as are not zero.
fn write_clock(f: &mut fmt::Formatter<'_>, micros: i64) -> fmt::Result {
    let micros = micros.unsigned_abs();
    let [second, minute, hour] = [SECOND, MINUTE, HOUR].map(i64::unsigned_abs);
    write!(f, "{:02}:{:02}:{:02}", micros / hour, micros % hour / minute, micros % minute / second)?;
    let fraction = micros % second;
    if fraction == 0 {
        return Ok(());
    }
    write!(f, ".{}", format!("{fraction:06}").trim_end_matches('0'))
}

/// Writes `1 year 2 mons 3 days 04:05:06.7`. Each part carries its own sign; a positive part after a negative one says `+`.
fn write_interval(f: &mut fmt::Formatter<'_>, months: i32, days: i32, micros: i64) -> fmt::Result {
    let mut first = true;
    let mut after_negative = false;
    for (amount, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if amount != 0 {
            let space = if first { "" } else { " " };
            let plus = if after_negative && amount > 0 { "+" } else { "" };
            let plural = if amount == 1 { "" } else { "s" };
            write!(f, "{space}{plus}{amount} {unit}{plural}")?;
            first = false;
            after_negative = amount < 0;
        }
    }
    if micros == 0 && !first {
        return Ok(());
    }
    if !first {
        f.write_str(" ")?;
    }
    match (micros < 0, after_negative) {
        (true, _) => f.write_str("-")?,
        (false, true) => f.write_str("+")?,
        (false, false) => {}
    }
    write_clock(f, micros)
}

/// Writes the five groups of hexadecimal digits.
fn write_uuid(f: &mut fmt::Formatter<'_>, bytes: &[u8; 16]) -> fmt::Result {
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            f.write_str("-")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}
