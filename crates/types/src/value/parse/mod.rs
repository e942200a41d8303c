//! Text to values: the forms that PostgreSQL prints, and those of its other input forms that carry no ambiguity.
//!
//! Accepted: surrounding white space; every spelling of a boolean; exponents; both forms of bytea; ISO dates and times
//! with numeric zones or UTC; intervals in the postgres, verbose and ISO 8601 unit styles; uuids with braces or without
//! hyphens. Refused with the SQLSTATE that PostgreSQL gives: everything malformed or out of range. Refused as unsupported:
//! `infinity` as a date, `NaN` as a numeric, named time zones, and words whose meaning depends on the clock.
//!
//! Each parser is a function from text to a value or a [`Fault`]; the fault becomes an error that quotes the text.

mod datetime;
mod interval;

use super::Value;
use crate::codec::scalar::check_numeric;
use crate::error::excerpt;
use crate::{DataType, Error, Result};

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It is not of the form that the type has.
    Syntax,
    /// It is, but there is no such value, or the type cannot hold it.
    OutOfRange,
    /// PostgreSQL has a meaning for it, and we do not.
    Unsupported,
}

type Parsed<T> = std::result::Result<T, Fault>;

impl Value {
    /// The value of the given type that the text describes. There is no text for NULL: `NULL` as text is four letters.
    pub fn parse(data_type: DataType, input: &str) -> Result<Value> {
        let text = input.trim_ascii();
        let parsed = match data_type {
            DataType::Boolean => boolean(text).map(Value::Boolean),
            DataType::SmallInt => integer(text).map(Value::SmallInt),
            DataType::Integer => integer(text).map(Value::Integer),
            DataType::BigInt => integer(text).map(Value::BigInt),
            DataType::Real => real(text).map(Value::Real),
            DataType::Double => double(text).map(Value::Double),
            DataType::Numeric { precision, scale } => {
                numeric(text, precision, scale).map(|unscaled| Value::Numeric { unscaled, scale })
            }
            DataType::Text => Ok(Value::Text(input.to_owned())),
            // White space may be part of the value.
            DataType::Bytea => bytea(input).map(Value::Bytea),
            DataType::Date => datetime::date(text).map(Value::Date),
            DataType::Time => datetime::time(text).map(Value::Time),
            DataType::Timestamp => datetime::timestamp(text).map(Value::Timestamp),
            DataType::TimestampTz => datetime::timestamptz(text).map(Value::TimestampTz),
            DataType::Interval => interval::interval(text),
            DataType::Uuid => uuid(text).map(Value::Uuid),
        };
        parsed.map_err(|fault| fault.into_error(data_type, input))
    }
}

impl Fault {
    fn into_error(self, data_type: DataType, input: &str) -> Error {
        let input = excerpt(input);
        let datetime = matches!(
            data_type,
            DataType::Date | DataType::Time | DataType::Timestamp | DataType::TimestampTz | DataType::Interval
        );
        match (self, datetime) {
            (Fault::Syntax, true) => Error::InvalidDatetime { data_type, input },
            (Fault::Syntax, false) => Error::InvalidText { data_type, input },
            (Fault::OutOfRange, true) => Error::DatetimeOutOfRange { data_type, input },
            (Fault::OutOfRange, false) => Error::OutOfRange { data_type, input },
            (Fault::Unsupported, _) => Error::UnsupportedValue { data_type, input },
        }
    }
}

fn boolean(text: &str) -> Parsed<bool> {
    let word = text.to_ascii_lowercase();
    let abbreviates = |full: &str, chars_min: usize| word.len() >= chars_min && full.starts_with(&word);
    if abbreviates("true", 1) || abbreviates("yes", 1) || word == "on" || word == "1" {
        Ok(true)
    } else if abbreviates("false", 1) || abbreviates("no", 1) || abbreviates("off", 2) || word == "0" {
        Ok(false)
    } else {
        Err(Fault::Syntax)
    }
}

fn integer<T: std::str::FromStr>(text: &str) -> Parsed<T> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Syntax);
    }
    text.parse().map_err(|_| Fault::OutOfRange)
}

fn double(text: &str) -> Parsed<f64> {
    if let Some(special) = special_float(text) {
        return Ok(special);
    }
    let nonzero = check_decimal(text)?;
    let value: f64 = text.parse().map_err(|_| Fault::Syntax)?;
    if value.is_finite() && (value != 0.0 || !nonzero) { Ok(value) } else { Err(Fault::OutOfRange) }
}

fn real(text: &str) -> Parsed<f32> {
    if let Some(special) = special_float(text) {
        return Ok(special as f32);
    }
    let nonzero = check_decimal(text)?;
    // Not through f64: rounding twice would give another float.
    let value: f32 = text.parse().map_err(|_| Fault::Syntax)?;
    if value.is_finite() && (value != 0.0 || !nonzero) { Ok(value) } else { Err(Fault::OutOfRange) }
}

fn special_float(text: &str) -> Option<f64> {
    let (sign, word) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if word.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    let infinite = word.eq_ignore_ascii_case("inf") || word.eq_ignore_ascii_case("infinity");
    infinite.then_some(sign * f64::INFINITY)
}

/// Checks that the text is a decimal number and tells whether it is other than zero.
fn check_decimal(text: &str) -> Parsed<bool> {
    Decimal::parse(text).map(|decimal| !decimal.digits.is_empty())
}

/// A decimal number as it was written: a sign, its digits without leading zeros, and a power of ten.
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn parse(text: &str) -> Parsed<Decimal> {
        let (negative, rest) = match text.strip_prefix(['+', '-']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Self::exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return Err(Fault::Syntax);
        }
        let digits = format!("{whole}{fraction}").trim_start_matches('0').to_owned();
        Ok(Decimal { negative, digits, exponent: exponent - fraction.len() as i64 })
    }

    /// An exponent; one of absurd size is cut to a size that is still absurd but can be added to.
    fn exponent(text: &str) -> Parsed<i64> {
        const EXPONENT_MAX: i64 = 1 << 40;
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::Syntax);
        }
        let size = digits.parse().unwrap_or(EXPONENT_MAX).min(EXPONENT_MAX);
        Ok(if text.starts_with('-') { -size } else { size })
    }

    /// The number times ten to the power of `scale`, rounded half away from zero, if 128 bits hold it.
    fn unscaled(&self, scale: i8) -> Option<i128> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let shift = self.exponent + i64::from(scale);
        let magnitude = match u64::try_from(shift) {
            Ok(zeros) => {
                let unit = 10i128.checked_pow(u32::try_from(zeros).ok()?)?;
                self.digits.parse::<i128>().ok()?.checked_mul(unit)?
            }
            Err(_) => {
                let dropped = usize::try_from(shift.unsigned_abs()).ok()?;
                match self.digits.len().checked_sub(dropped) {
                    None => 0,
                    Some(kept) => {
                        let whole = if kept == 0 { 0 } else { self.digits[..kept].parse::<i128>().ok()? };
                        whole.checked_add(i128::from(self.digits.as_bytes()[kept] >= b'5'))?
                    }
                }
            }
        };
        Some(if self.negative { -magnitude } else { magnitude })
    }
}

fn numeric(text: &str, precision: u8, scale: i8) -> Parsed<i128> {
    if special_float(text).is_some() {
        return Err(Fault::Unsupported);
    }
    let unscaled = Decimal::parse(text)?.unscaled(scale).ok_or(Fault::OutOfRange)?;
    check_numeric(unscaled, precision).map_err(|_| Fault::OutOfRange)
}

fn bytea(text: &str) -> Parsed<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(hexadecimal) => hexadecimal_bytes(hexadecimal),
        None => escaped_bytes(text.as_bytes()),
    }
}

/// Pairs of hexadecimal digits, with white space between pairs.
fn hexadecimal_bytes(text: &str) -> Parsed<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut rest = text.trim_ascii_start().as_bytes();
    while let [high, low, after @ ..] = rest {
        bytes.push(hexadecimal_digit(*high)? << 4 | hexadecimal_digit(*low)?);
        rest = after.trim_ascii_start();
    }
    if rest.is_empty() { Ok(bytes) } else { Err(Fault::Syntax) }
}

fn hexadecimal_digit(byte: u8) -> Parsed<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or(Fault::Syntax)
}

/// Bytes as they are, except that a backslash starts either another backslash or three octal digits.
fn escaped_bytes(mut rest: &[u8]) -> Parsed<Vec<u8>> {
    let mut bytes = Vec::with_capacity(rest.len());
    loop {
        rest = match rest {
            [] => return Ok(bytes),
            [b'\\', b'\\', after @ ..] => {
                bytes.push(b'\\');
                after
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                after
            }
            [b'\\', ..] => return Err(Fault::Syntax),
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
        }
    }
}

/// Sixteen bytes in hexadecimal, perhaps in braces, with a hyphen allowed after every second byte.
fn uuid(text: &str) -> Parsed<[u8; 16]> {
    let inner = match text.strip_prefix('{') {
        Some(inner) => inner.strip_suffix('}').ok_or(Fault::Syntax)?,
        None => text,
    };
    let mut rest = inner.as_bytes();
    let mut bytes = [0; 16];
    for (index, byte) in bytes.iter_mut().enumerate() {
        if index > 0 && index % 2 == 0 {
            rest = rest.strip_prefix(b"-").unwrap_or(rest);
        }
        let [high, low, after @ ..] = rest else { return Err(Fault::Syntax) };
        *byte = hexadecimal_digit(*high)? << 4 | hexadecimal_digit(*low)?;
        rest = after;
    }
    if rest.is_empty() { Ok(bytes) } else { Err(Fault::Syntax) }
}
