//! `ExactSum`: the sum of any number of floats, exactly, whatever their order.
//!
//! Adding floats rounds after every addition, so that a sum depends on the order of its summands and a retraction does not
//! undo an insertion. Here the sum is an integer: every finite double is a multiple of 2^-1074, so a sum of doubles is a
//! (long) integer in that unit. It is rounded once, when it is read. NaN and the infinities are counted apart.
//!
//! Representation: balanced digits in base 2^32, each in -2^31 ..= 2^31 - 1, of which only the window between the lowest and
//! the highest non-zero one is kept. Such digits are unique for every integer: the lowest digit is the residue that lies in
//! the range, the rest is the quotient, and the quotients shrink to zero. So equal sums have equal digits and equal
//! bytes, and a small negative sum has no infinite row of sign digits. Summands of one magnitude take two to four digits;
//! the widest possible window is 70 digits.
//!
//! Rounding is to nearest, ties to even, of the exact sum or of its exact quotient by a count, to 53 or 24 bits. A result
//! beyond the largest finite float is an error and not an infinity.
//!
//! Cost: an addition touches five digits and its carries; it allocates only when the window grows.

use std::ops::RangeInclusive;

use crate::operators::aggregate::codec::{Reader, put_signed, put_unsigned};

/// More digits than any sum of weighted doubles needs: decoding refuses more.
const DIGITS_MAX: usize = 80;
/// The exponent of the unit: every finite double is a multiple of 2^-1074.
const UNIT_EXPONENT: i64 = -1074;
/// How many zero digits are put below a sum before it is divided, so that its quotient has more bits than are kept.
const QUOTIENT_DIGITS: usize = 4;

/// What a sum is rounded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// 24 bits: `real`.
    Single,
    /// 53 bits: `double precision`.
    Double,
}

impl Precision {
    /// Bits of a mantissa, and the exponents that its last bit can have.
    fn shape(self) -> (i64, RangeInclusive<i64>) {
        match self {
            Precision::Single => (24, -149..=104),
            Precision::Double => (53, -1074..=971),
        }
    }
}

/// A result is beyond the largest finite float, or a count beyond 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfRange;

/// An exact sum of weighted floats. See the module's documentation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ExactSum {
    nans: i64,
    infinities: i64,
    negative_infinities: i64,
    /// The position of the first digit; 0 when there are none.
    base: usize,
    /// Balanced digits, lowest first; neither the first nor the last one is zero.
    digits: Vec<i32>,
}

impl ExactSum {
    /// Adds `weight` times `value`.
    pub(crate) fn add(&mut self, value: f64, weight: i64) -> Result<(), OutOfRange> {
        let special = if value.is_nan() {
            &mut self.nans
        } else if value == f64::INFINITY {
            &mut self.infinities
        } else if value == f64::NEG_INFINITY {
            &mut self.negative_infinities
        } else {
            self.add_finite(value, weight);
            return Ok(());
        };
        *special = special.checked_add(weight).ok_or(OutOfRange)?;
        Ok(())
    }

    /// Adds another sum.
    pub(crate) fn merge(&mut self, other: &ExactSum) -> Result<(), OutOfRange> {
        self.nans = self.nans.checked_add(other.nans).ok_or(OutOfRange)?;
        self.infinities = self.infinities.checked_add(other.infinities).ok_or(OutOfRange)?;
        let negative = self.negative_infinities.checked_add(other.negative_infinities);
        self.negative_infinities = negative.ok_or(OutOfRange)?;
        if !other.digits.is_empty() {
            self.add_digits(other.base, other.digits.iter().map(|&digit| i64::from(digit)));
        }
        Ok(())
    }

    /// Whether nothing was added, or all of it was taken away again.
    pub(crate) fn is_zero(&self) -> bool {
        *self == ExactSum::default()
    }

    /// The sum divided by `count`, rounded once. `count` is positive.
    pub(crate) fn quotient(&self, count: u64, precision: Precision) -> Result<f64, OutOfRange> {
        if self.nans != 0 || (self.infinities != 0 && self.negative_infinities != 0) {
            return Ok(f64::NAN);
        }
        if self.infinities != 0 {
            return Ok(f64::INFINITY);
        }
        if self.negative_infinities != 0 {
            return Ok(f64::NEG_INFINITY);
        }
        let (negative, mut magnitude) = self.magnitude();
        let mut exponent = UNIT_EXPONENT + 32 * self.base as i64;
        let mut inexact = false;
        if count > 1 {
            magnitude.splice(0..0, [0; QUOTIENT_DIGITS]);
            exponent -= 32 * QUOTIENT_DIGITS as i64;
            inexact = divide(&mut magnitude, count);
        }
        let rounded = round(&magnitude, exponent, inexact, precision)?;
        // There is one zero: what rounds to zero has no sign.
        Ok(if negative && rounded != 0.0 { -rounded } else { rounded })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let special = (self.nans, self.infinities, self.negative_infinities) != (0, 0, 0);
        put_unsigned(out, (self.digits.len() as u64) << 1 | u64::from(special));
        if special {
            [self.nans, self.infinities, self.negative_infinities].iter().for_each(|&n| put_signed(out, n.into()));
        }
        if !self.digits.is_empty() {
            put_unsigned(out, self.base as u64);
            self.digits.iter().for_each(|&digit| put_signed(out, digit.into()));
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<ExactSum> {
        let head = reader.unsigned()?;
        let mut sum = ExactSum::default();
        if head & 1 == 1 {
            for count in [&mut sum.nans, &mut sum.infinities, &mut sum.negative_infinities] {
                *count = i64::try_from(reader.signed()?).ok()?;
            }
        }
        let digits = usize::try_from(head >> 1).ok().filter(|&digits| digits <= DIGITS_MAX)?;
        if digits > 0 {
            sum.base = usize::try_from(reader.unsigned()?).ok().filter(|&base| base <= DIGITS_MAX)?;
        }
        for _ in 0..digits {
            sum.digits.push(i32::try_from(reader.signed()?).ok()?);
        }
        let canonical = sum.digits.first() != Some(&0) && sum.digits.last() != Some(&0);
        canonical.then_some(sum)
    }

    fn add_finite(&mut self, value: f64, weight: i64) {
        let bits = value.to_bits();
        let (exponent, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
        // In units of 2^-1074, a double is its mantissa shifted by its exponent field less one; a subnormal is not shifted.
        let (mantissa, shift) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        let product = u128::from(mantissa) * u128::from(weight.unsigned_abs());
        if product == 0 {
            return;
        }
        let sign = if value.is_sign_negative() == (weight < 0) { 1 } else { -1 };
        // At most 116 bits, shifted by less than a digit: five digits hold them.
        let (low, high) = match shift % 32 {
            0 => (product, 0),
            bits => (product << bits, product >> (128 - bits)),
        };
        let digit = |index: u32| if index < 4 { (low >> (32 * index)) as u32 } else { high as u32 };
        self.add_digits((shift / 32) as usize, (0..5).map(|index| sign * i64::from(digit(index))));
    }

    /// Adds digits in `-2^32 < digit < 2^32`, the first of which stands at position `from`.
    fn add_digits(&mut self, from: usize, digits: impl ExactSizeIterator<Item = i64>) {
        self.widen(from, from + digits.len());
        let mut at = from - self.base;
        let mut carry = 0;
        for digit in digits {
            carry = self.add_at(at, digit + carry);
            at += 1;
        }
        while carry != 0 {
            if at == self.digits.len() {
                self.digits.push(0);
            }
            carry = self.add_at(at, carry);
            at += 1;
        }
        self.trim();
    }

    /// Adds to one digit and gives the carry.
    fn add_at(&mut self, at: usize, summand: i64) -> i64 {
        let total = i64::from(self.digits[at]) + summand;
        // Truncation is exactly the balanced residue.
        let digit = total as i32;
        self.digits[at] = digit;
        (total - i64::from(digit)) >> 32
    }

    /// Makes the window hold the positions `from..until`.
    fn widen(&mut self, from: usize, until: usize) {
        if self.digits.is_empty() {
            self.base = from;
        }
        if from < self.base {
            self.digits.splice(0..0, std::iter::repeat_n(0, self.base - from));
            self.base = from;
        }
        if until > self.base + self.digits.len() {
            self.digits.resize(until - self.base, 0);
        }
    }

    fn trim(&mut self) {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        let zeros = self.digits.iter().take_while(|&&digit| digit == 0).count();
        self.digits.drain(..zeros);
        self.base = if self.digits.is_empty() { 0 } else { self.base + zeros };
    }

    /// The sign, and the absolute value in plain base 2^32 digits, lowest first.
    fn magnitude(&self) -> (bool, Vec<u32>) {
        // The highest digit outweighs all others together.
        let negative = self.digits.last().is_some_and(|&digit| digit < 0);
        let sign = if negative { -1 } else { 1 };
        let mut borrow = 0;
        let plain = |&digit: &i32| {
            let total = sign * i64::from(digit) + borrow;
            let digit = total as u32;
            borrow = (total - i64::from(digit)) >> 32;
            digit
        };
        (negative, self.digits.iter().map(plain).collect())
    }
}

/// Divides in place; whether there is a remainder.
fn divide(magnitude: &mut [u32], divisor: u64) -> bool {
    let mut remainder: u128 = 0;
    for digit in magnitude.iter_mut().rev() {
        let part = remainder << 32 | u128::from(*digit);
        *digit = (part / u128::from(divisor)) as u32;
        remainder = part % u128::from(divisor);
    }
    remainder != 0
}

/// `magnitude * 2^exponent`, plus something less than one unit of it if `inexact`, to the nearest float.
fn round(magnitude: &[u32], exponent: i64, inexact: bool, precision: Precision) -> Result<f64, OutOfRange> {
    let (bits_max, exponents) = precision.shape();
    let Some(top) = magnitude.iter().rposition(|&digit| digit != 0) else { return Ok(0.0) };
    let bits = 32 * top as i64 + i64::from(32 - magnitude[top].leading_zeros());
    // The exponent of the last bit that is kept.
    let last = (exponent + bits - bits_max).max(*exponents.start());
    let shift = last - exponent;
    let bit = |at: i64| at >= 0 && magnitude.get((at / 32) as usize).is_some_and(|digit| digit >> (at % 32) & 1 == 1);
    let mut mantissa = (0..bits_max).rev().fold(0_u64, |kept, at| kept << 1 | u64::from(bit(shift + at)));
    debug_assert!(shift > 0 || !inexact, "a quotient has more bits than are kept");
    if bit(shift - 1) {
        let below = inexact || (0..shift - 1).any(bit);
        if below || mantissa & 1 == 1 {
            mantissa += 1;
        }
    }
    // Rounding up may have given a mantissa of one bit more, which is a power of two and still exact.
    let overflow = mantissa >> bits_max != 0;
    if last + i64::from(overflow) > *exponents.end() {
        return Err(OutOfRange);
    }
    Ok(mantissa as f64 * power_of_two(last))
}

/// 2^exponent, for an exponent of the last bit of a double.
fn power_of_two(exponent: i64) -> f64 {
    if exponent >= -1022 {
        return f64::from_bits(((exponent + 1023) as u64) << 52);
    }
    f64::from_bits(1 << (exponent + 1074))
}

#[cfg(test)]
mod tests;
