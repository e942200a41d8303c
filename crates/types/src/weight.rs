//! The multiplicity of a row in a Z-set: a checked `i64`.
//!
//! A positive weight says how often a row is present, a negative one how often it was taken away. Weights form a ring, and
//! every operator is an equation in that ring; an addition that wrapped would make every later answer wrong without a
//! sign of it. So there are no arithmetic operators here, only methods that return [`WeightOverflow`].

use std::fmt;

/// How often a row is in a Z-set; negative while it is being taken away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(pub i64);

/// A sum or product of weights does not fit 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the multiplicity of a row exceeds 64 bits: reject the change that caused it")]
pub struct WeightOverflow;

impl WeightOverflow {
    /// The SQLSTATE of the error: numeric value out of range.
    #[must_use]
    pub fn sqlstate(&self) -> &'static str {
        "22003"
    }
}

#[expect(
    clippy::should_implement_trait,
    reason = "the operators' traits cannot fail, and these are named after what they are"
)]
impl Weight {
    /// The row is not there.
    pub const ZERO: Weight = Weight(0);
    /// The row is added once.
    pub const ONE: Weight = Weight(1);
    /// The row is taken away once.
    pub const MINUS_ONE: Weight = Weight(-1);

    /// Whether this weight says that the row is not there.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum of two weights.
    #[inline]
    pub fn add(self, other: Weight) -> Result<Weight, WeightOverflow> {
        self.0.checked_add(other.0).map(Weight).ok_or(WeightOverflow)
    }

    /// The difference of two weights.
    #[inline]
    pub fn sub(self, other: Weight) -> Result<Weight, WeightOverflow> {
        self.0.checked_sub(other.0).map(Weight).ok_or(WeightOverflow)
    }

    /// The weight that undoes this one.
    #[inline]
    pub fn neg(self) -> Result<Weight, WeightOverflow> {
        self.0.checked_neg().map(Weight).ok_or(WeightOverflow)
    }

    /// The product of two weights: how often a pair occurs in a join.
    #[inline]
    pub fn mul(self, other: Weight) -> Result<Weight, WeightOverflow> {
        self.0.checked_mul(other.0).map(Weight).ok_or(WeightOverflow)
    }

    /// The sum of many weights. The order of the summands decides nothing but whether an *intermediate* sum overflows, so
    /// the sum is taken in 128 bits: the result depends on the contents alone.
    pub fn sum(weights: impl IntoIterator<Item = Weight>) -> Result<Weight, WeightOverflow> {
        let total: i128 = weights.into_iter().map(|weight| i128::from(weight.0)).sum();
        i64::try_from(total).map(Weight).map_err(|_| WeightOverflow)
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_is_exact_or_an_error() {
        assert_eq!(Weight(2).add(Weight(-5)), Ok(Weight(-3)));
        assert_eq!(Weight(2).sub(Weight(-5)), Ok(Weight(7)));
        assert_eq!(Weight(2).mul(Weight(-5)), Ok(Weight(-10)));
        assert_eq!(Weight(2).neg(), Ok(Weight(-2)));
        assert_eq!(Weight(i64::MAX).add(Weight::ONE), Err(WeightOverflow));
        assert_eq!(Weight(i64::MIN).sub(Weight::ONE), Err(WeightOverflow));
        assert_eq!(Weight(i64::MIN).neg(), Err(WeightOverflow));
        assert_eq!(Weight(i64::MIN).mul(Weight::MINUS_ONE), Err(WeightOverflow));
    }

    #[test]
    fn a_sum_does_not_depend_on_the_order_of_its_summands() {
        let weights = [Weight(i64::MAX), Weight::ONE, Weight::MINUS_ONE];
        assert_eq!(Weight::sum(weights), Ok(Weight(i64::MAX)));
        assert_eq!(Weight::sum([Weight(i64::MAX), Weight::ONE]), Err(WeightOverflow));
        assert_eq!(Weight::sum([]), Ok(Weight::ZERO));
    }
}
