//! Exact decimals: 38 digits with a fixed scale, rounded half away from zero where digits do not fit the scale.
//!
//! Intermediate results have 256 bits, so that only a result that does not fit is an error.

use arrow_buffer::i256;
use monostable_types::DataType;

use super::arithmetic::{Arithmetic, division_by_zero, out_of_range};
use crate::error::{Error, Result};

/// Digits after the point that a product keeps.
pub(crate) const PRODUCT_SCALE_MAX: i8 = 20;
/// Digits after the point that a quotient has at least.
pub(crate) const QUOTIENT_SCALE_MIN: i8 = 16;

/// 10^38: one more than the largest unscaled value.
const LIMIT: i128 = 10_i128.pow(38);

fn overflow() -> Error {
    out_of_range(DataType::Numeric { precision: 38, scale: 0 })
}

/// The scale of the result of an operator.
pub(crate) fn result_scale(op: Arithmetic, left: i8, right: i8) -> i8 {
    match op {
        Arithmetic::Multiply => (left + right).min(PRODUCT_SCALE_MAX.max(left).max(right)),
        Arithmetic::Divide => left.max(right).max(QUOTIENT_SCALE_MIN),
        _ => left.max(right),
    }
}

/// Unscaled values with their scales; the result is unscaled at `scale`.
pub(crate) fn apply(op: Arithmetic, left: (i128, i8), right: (i128, i8), scale: i8) -> Result<i128> {
    let value = match op {
        Arithmetic::Add => at(left, scale)?.checked_add(at(right, scale)?),
        Arithmetic::Subtract => at(left, scale)?.checked_sub(at(right, scale)?),
        Arithmetic::Multiply => return multiply(left, right, scale),
        Arithmetic::Divide => return divide(left, right, scale),
        Arithmetic::Modulo if right.0 == 0 => return Err(division_by_zero()),
        Arithmetic::Modulo => return modulo(left, right, scale),
        Arithmetic::Negate => None,
    };
    fits(value.ok_or_else(overflow)?)
}

/// Refuses a value of more than 38 digits.
pub(crate) fn fits(value: i128) -> Result<i128> {
    if value > -LIMIT && value < LIMIT { Ok(value) } else { Err(overflow()) }
}

fn at((value, from): (i128, i8), scale: i8) -> Result<i128> {
    let shift = u32::try_from(scale - from).map_err(|_| Error::Internal("a sum would lose digits".to_string()))?;
    10_i128.checked_pow(shift).and_then(|power| value.checked_mul(power)).ok_or_else(overflow)
}

fn multiply(left: (i128, i8), right: (i128, i8), scale: i8) -> Result<i128> {
    let digits = left.1 + right.1 - scale;
    if digits == 0
        && let Some(product) = left.0.checked_mul(right.0)
    {
        return fits(product);
    }
    let product = i256::from_i128(left.0).checked_mul(i256::from_i128(right.0)).ok_or_else(overflow)?;
    let power = power(u32::try_from(digits).map_err(|_| Error::Internal("a product gained digits".to_string()))?)?;
    narrow(divide_rounded(product, power)?)
}

fn divide(left: (i128, i8), right: (i128, i8), scale: i8) -> Result<i128> {
    if right.0 == 0 {
        return Err(division_by_zero());
    }
    // left / 10^l / (right / 10^r) * 10^scale
    let shift = i32::from(scale) + i32::from(right.1) - i32::from(left.1);
    let (mut dividend, mut divisor) = (i256::from_i128(left.0), i256::from_i128(right.0));
    if shift >= 0 {
        dividend = dividend.checked_mul(power(shift.unsigned_abs())?).ok_or_else(overflow)?;
    } else {
        divisor = divisor.checked_mul(power(shift.unsigned_abs())?).ok_or_else(overflow)?;
    }
    narrow(divide_rounded(dividend, divisor)?)
}

fn modulo(left: (i128, i8), right: (i128, i8), scale: i8) -> Result<i128> {
    let wide = |(value, from): (i128, i8)| {
        let shift =
            u32::try_from(scale - from).map_err(|_| Error::Internal("a remainder would lose digits".to_string()))?;
        i256::from_i128(value).checked_mul(power(shift)?).ok_or_else(overflow)
    };
    narrow(wide(left)?.checked_rem(wide(right)?).ok_or_else(division_by_zero)?)
}

fn power(exponent: u32) -> Result<i256> {
    i256::from_i128(10).checked_pow(exponent).ok_or_else(overflow)
}

fn narrow(value: i256) -> Result<i128> {
    fits(value.to_i128().ok_or_else(overflow)?)
}

/// Half away from zero.
fn divide_rounded(dividend: i256, divisor: i256) -> Result<i256> {
    let quotient = dividend.checked_div(divisor).ok_or_else(overflow)?;
    let remainder = dividend.checked_rem(divisor).ok_or_else(overflow)?.wrapping_abs();
    if remainder < divisor.wrapping_abs().wrapping_sub(remainder) {
        return Ok(quotient);
    }
    let away = if dividend.is_negative() == divisor.is_negative() { i256::ONE } else { i256::MINUS_ONE };
    quotient.checked_add(away).ok_or_else(overflow)
}

/// Half away from zero.
pub(crate) fn divide_half_away(dividend: i128, divisor: i128) -> i128 {
    let (quotient, remainder) = (dividend / divisor, (dividend % divisor).unsigned_abs());
    let half_or_more = remainder >= divisor.unsigned_abs() - remainder;
    if remainder != 0 && half_or_more { quotient + dividend.signum() * divisor.signum() } else { quotient }
}

/// The same value at another scale; digits that do not fit are zeros, or the caller has rounded them away.
pub(crate) fn rescale(value: i128, from: i8, to: i8) -> Result<i128> {
    let power = 10_i128.checked_pow(u32::from((to - from).unsigned_abs())).ok_or_else(overflow)?;
    if to >= from { fits(value.checked_mul(power).ok_or_else(overflow)?) } else { Ok(value / power) }
}
