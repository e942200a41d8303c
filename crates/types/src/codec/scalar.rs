//! The payload of one fixed-width value: the only place that knows how each type becomes ordered bytes, and back.
//!
//! `x_to_bytes` is total on what the type can hold and preserves order; `x_from_bytes` accepts exactly the image of it and
//! names what is wrong with anything else, so that equal values have equal bytes and a flipped bit has a chance to be
//! noticed. Ranges that Arrow does not enforce are checked by `check_*` before anything is written.

use arrow_array::types::Decimal128Type;
use arrow_array::types::DecimalType;
use arrow_buffer::IntervalMonthDayNano;

use crate::civil::DAY;
use crate::value::interval_span;

/// Why a value cannot be encoded, or bytes are not the encoding of one.
pub(crate) type Reason = &'static str;

/// The payload of an interval: its span, then two of its parts.
pub(crate) const INTERVAL_BYTES: usize = 24;

const CANONICAL_NAN_32: u32 = 0x7fc0_0000;
const CANONICAL_NAN_64: u64 = 0x7ff8_0000_0000_0000;

/// -0.0 as 0.0 and every NaN as the one positive quiet NaN.
#[inline]
pub(crate) fn canonical_f32(value: f32) -> f32 {
    if value.is_nan() { f32::from_bits(CANONICAL_NAN_32) } else { value + 0.0 }
}

/// -0.0 as 0.0 and every NaN as the one positive quiet NaN.
#[inline]
pub(crate) fn canonical_f64(value: f64) -> f64 {
    if value.is_nan() { f64::from_bits(CANONICAL_NAN_64) } else { value + 0.0 }
}

#[inline]
pub(crate) fn i16_to_bytes(value: i16) -> [u8; 2] {
    (value ^ i16::MIN).to_be_bytes()
}

#[inline]
pub(crate) fn i16_from_bytes(bytes: [u8; 2]) -> i16 {
    i16::from_be_bytes(bytes) ^ i16::MIN
}

#[inline]
pub(crate) fn i32_to_bytes(value: i32) -> [u8; 4] {
    (value ^ i32::MIN).to_be_bytes()
}

#[inline]
pub(crate) fn i32_from_bytes(bytes: [u8; 4]) -> i32 {
    i32::from_be_bytes(bytes) ^ i32::MIN
}

#[inline]
pub(crate) fn i64_to_bytes(value: i64) -> [u8; 8] {
    (value ^ i64::MIN).to_be_bytes()
}

#[inline]
pub(crate) fn i64_from_bytes(bytes: [u8; 8]) -> i64 {
    i64::from_be_bytes(bytes) ^ i64::MIN
}

#[inline]
pub(crate) fn i128_to_bytes(value: i128) -> [u8; 16] {
    (value ^ i128::MIN).to_be_bytes()
}

#[inline]
pub(crate) fn i128_from_bytes(bytes: [u8; 16]) -> i128 {
    i128::from_be_bytes(bytes) ^ i128::MIN
}

#[inline]
pub(crate) fn bool_to_bytes(value: bool) -> [u8; 1] {
    [u8::from(value)]
}

#[inline]
pub(crate) fn bool_from_bytes([byte]: [u8; 1]) -> Result<bool, Reason> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err("a boolean is neither 0 nor 1"),
    }
}

/// Positive floats get their sign bit set, negative ones all bits inverted: then unsigned order is numeric order.
#[inline]
pub(crate) fn f32_to_bytes(value: f32) -> [u8; 4] {
    let bits = canonical_f32(value).to_bits();
    let flip = if bits >> 31 == 1 { u32::MAX } else { 1 << 31 };
    (bits ^ flip).to_be_bytes()
}

#[inline]
pub(crate) fn f32_from_bytes(bytes: [u8; 4]) -> Result<f32, Reason> {
    let ordered = u32::from_be_bytes(bytes);
    let flip = if ordered >> 31 == 1 { 1 << 31 } else { u32::MAX };
    let value = f32::from_bits(ordered ^ flip);
    if canonical_f32(value).to_bits() == value.to_bits() { Ok(value) } else { Err(FLOAT_NOT_CANONICAL) }
}

#[inline]
pub(crate) fn f64_to_bytes(value: f64) -> [u8; 8] {
    let bits = canonical_f64(value).to_bits();
    let flip = if bits >> 63 == 1 { u64::MAX } else { 1 << 63 };
    (bits ^ flip).to_be_bytes()
}

#[inline]
pub(crate) fn f64_from_bytes(bytes: [u8; 8]) -> Result<f64, Reason> {
    let ordered = u64::from_be_bytes(bytes);
    let flip = if ordered >> 63 == 1 { 1 << 63 } else { u64::MAX };
    let value = f64::from_bits(ordered ^ flip);
    if canonical_f64(value).to_bits() == value.to_bits() { Ok(value) } else { Err(FLOAT_NOT_CANONICAL) }
}

const FLOAT_NOT_CANONICAL: Reason = "a float is a negative zero or an unusual NaN";

/// Arrow's kernels may leave more digits in a decimal than its type declares.
#[inline]
pub(crate) fn check_numeric(unscaled: i128, precision: u8) -> Result<i128, Reason> {
    if Decimal128Type::is_valid_decimal_precision(unscaled, precision) {
        Ok(unscaled)
    } else {
        Err("a numeric has more digits than its precision allows")
    }
}

/// A time of day is at least 00:00:00 and at most 24:00:00.
#[inline]
pub(crate) fn check_time(micros: i64) -> Result<i64, Reason> {
    if (0..=DAY).contains(&micros) { Ok(micros) } else { Err("a time of day is not within 24 hours") }
}

/// The parts of an Arrow interval, whose smallest unit is finer than SQL's.
#[inline]
pub(crate) fn interval_from_arrow(parts: IntervalMonthDayNano) -> Result<(i32, i32, i64), Reason> {
    if parts.nanoseconds % 1000 != 0 {
        return Err("an interval is not a whole number of microseconds");
    }
    Ok((parts.months, parts.days, parts.nanoseconds / 1000))
}

/// The Arrow interval with the given parts; Arrow's nanoseconds reach to about 292 years.
#[inline]
pub(crate) fn interval_to_arrow(months: i32, days: i32, micros: i64) -> Result<IntervalMonthDayNano, Reason> {
    match micros.checked_mul(1000) {
        Some(nanoseconds) => Ok(IntervalMonthDayNano::new(months, days, nanoseconds)),
        None => Err("an interval has more microseconds than fit"),
    }
}

/// The span decides the order, the parts keep equal spans apart; microseconds follow from the three.
#[inline]
pub(crate) fn interval_to_bytes(months: i32, days: i32, micros: i64) -> [u8; INTERVAL_BYTES] {
    let mut bytes = [0; INTERVAL_BYTES];
    bytes[..16].copy_from_slice(&i128_to_bytes(interval_span(months, days, micros)));
    bytes[16..20].copy_from_slice(&i32_to_bytes(months));
    bytes[20..].copy_from_slice(&i32_to_bytes(days));
    bytes
}

#[inline]
pub(crate) fn interval_from_bytes(bytes: [u8; INTERVAL_BYTES]) -> Result<(i32, i32, i64), Reason> {
    let (mut span, mut months, mut days) = ([0; 16], [0; 4], [0; 4]);
    span.copy_from_slice(&bytes[..16]);
    months.copy_from_slice(&bytes[16..20]);
    days.copy_from_slice(&bytes[20..]);
    let (span, months, days) = (i128_from_bytes(span), i32_from_bytes(months), i32_from_bytes(days));
    let micros = span
        .checked_sub(interval_span(months, days, 0))
        .and_then(|micros| i64::try_from(micros).ok())
        .ok_or("the span of an interval contradicts its parts")?;
    interval_to_arrow(months, days, micros)?;
    Ok((months, days, micros))
}
