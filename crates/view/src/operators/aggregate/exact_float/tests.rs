//! The exact float sum against rational arithmetic on big integers.

use num_bigint::{BigInt, Sign};
use proptest::prelude::*;

use super::*;
use crate::tests::cases;

/// The value in units of 2^-1074.
fn units(value: f64) -> BigInt {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    let magnitude = match exponent {
        0 => BigInt::from(fraction),
        _ => BigInt::from(fraction | 1 << 52) << (exponent - 1),
    };
    if value.is_sign_negative() { -magnitude } else { magnitude }
}

/// The float nearest to `numerator / denominator` units of 2^-1074, ties to even, by trying both neighbours; `None` if it
/// is beyond the largest finite one. Shares nothing with the code under test but the idea of a unit.
fn nearest(numerator: &BigInt, denominator: u64, precision: Precision) -> Option<f64> {
    let from_bits = |bits: u64| match precision {
        Precision::Double => f64::from_bits(bits),
        Precision::Single => f32::from_bits(bits as u32).into(),
    };
    let infinity_bits = match precision {
        Precision::Double => f64::INFINITY.to_bits(),
        Precision::Single => f32::INFINITY.to_bits().into(),
    };
    let target = if numerator.sign() == Sign::Minus { -numerator } else { numerator.clone() };
    let denominator = BigInt::from(denominator);
    // Non-negative floats ascend with their bits: find the greatest one that is not above the target.
    let (mut low, mut high) = (0, infinity_bits);
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if units(from_bits(middle)) * &denominator <= target { low = middle } else { high = middle }
    }
    // Where infinity stands, the next float would: the limit of rounding to finite ones lies half way there.
    let above = if high == infinity_bits {
        let step = units(from_bits(low)) - units(from_bits(low - 1));
        units(from_bits(low)) + step
    } else {
        units(from_bits(high))
    };
    let below_gap = &target - units(from_bits(low)) * &denominator;
    let above_gap = above * &denominator - &target;
    let up = below_gap > above_gap || (below_gap == above_gap && low % 2 == 1);
    let bits = if up { high } else { low };
    if bits == infinity_bits {
        return None;
    }
    let magnitude = from_bits(bits);
    Some(if numerator.sign() == Sign::Minus && magnitude != 0.0 { -magnitude } else { magnitude })
}

fn sum_of(values: &[(f64, i64)]) -> ExactSum {
    let mut sum = ExactSum::default();
    values.iter().for_each(|&(value, weight)| sum.add(value, weight).unwrap());
    sum
}

fn finite() -> impl Strategy<Value = f64> {
    let near_ties = (0_i64..64, -60_i32..60).prop_map(|(n, e)| n as f64 * f64::from(e).exp2());
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite()),
        (-1_000_000_i32..1_000_000).prop_map(|cents| f64::from(cents) / 100.0),
        near_ties,
        Just(f64::MAX),
        Just(-f64::MAX),
        Just(f64::from_bits(1)),
        Just(f64::MIN_POSITIVE),
        Just(0.0),
        Just(-0.0),
    ]
}

fn weight() -> impl Strategy<Value = i64> {
    prop_oneof![8 => Just(1), 4 => Just(-1), 2 => -5_i64..6, 1 => any::<i64>()]
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn a_sum_is_the_rational_sum_rounded_once(
        values in prop::collection::vec((finite(), weight()), 0..12),
        count in prop_oneof![Just(1_u64), 1_u64..100, 1..=i64::MAX as u64],
    ) {
        let exact: BigInt = values.iter().map(|&(value, weight)| units(value) * BigInt::from(weight)).sum();
        let sum = sum_of(&values);
        for precision in [Precision::Double, Precision::Single] {
            let found = sum.quotient(count, precision).ok().map(f64::to_bits);
            let expected = nearest(&exact, count, precision).map(f64::to_bits);
            prop_assert_eq!(found, expected, "{:?} {:?}", values, precision);
        }
    }

    #[test]
    fn neither_order_nor_grouping_nor_a_detour_changes_a_byte(
        values in prop::collection::vec((any::<f64>(), weight()), 0..12),
        detour in prop::collection::vec((any::<f64>(), -5_i64..6), 0..6),
        cut in 0_usize..12,
    ) {
        let forward = sum_of(&values);
        let cut = cut.min(values.len());
        let mut other = sum_of(&detour);
        values[cut..].iter().rev().for_each(|&(value, weight)| other.add(value, weight).unwrap());
        other.merge(&sum_of(&values[..cut])).unwrap();
        detour.iter().for_each(|&(value, weight)| other.add(value, -weight).unwrap());
        prop_assert_eq!(&forward, &other);
        let (mut bytes, mut other_bytes) = (Vec::new(), Vec::new());
        forward.encode(&mut bytes);
        other.encode(&mut other_bytes);
        prop_assert_eq!(&bytes, &other_bytes);
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(ExactSum::decode(&mut reader), Some(forward));
        prop_assert!(reader.is_at_end());
    }

    #[test]
    fn decoding_takes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Some(sum) = ExactSum::decode(&mut Reader::new(&bytes)) {
            let mut again = Vec::new();
            sum.encode(&mut again);
            prop_assert!(bytes.starts_with(&again), "a sum has one encoding");
            let _ = sum.quotient(3, Precision::Double);
        }
    }
}

#[test]
fn what_floats_lose_is_kept() {
    let tenths = sum_of(&[(0.1, 10)]);
    assert_eq!(tenths.quotient(1, Precision::Double), Ok(1.0));
    assert_eq!(sum_of(&[(1e300, 1), (1.0, 1), (-1e300, 1)]).quotient(1, Precision::Double), Ok(1.0));
    let huge = sum_of(&[(f64::MAX, 2)]);
    assert_eq!(huge.quotient(1, Precision::Double), Err(OutOfRange));
    assert_eq!(huge.quotient(2, Precision::Double), Ok(f64::MAX));
}

#[test]
fn special_values_are_counted_apart_and_can_be_taken_away() {
    let mut sum = sum_of(&[(1.5, 1), (f64::INFINITY, 1)]);
    assert_eq!(sum.quotient(1, Precision::Double), Ok(f64::INFINITY));
    sum.add(f64::NEG_INFINITY, 1).unwrap();
    assert!(sum.quotient(1, Precision::Double).unwrap().is_nan());
    sum.add(f64::INFINITY, -1).unwrap();
    sum.add(f64::NAN, 1).unwrap();
    assert!(sum.quotient(1, Precision::Double).unwrap().is_nan());
    sum.add(f64::NAN, -1).unwrap();
    assert_eq!(sum.quotient(1, Precision::Double), Ok(f64::NEG_INFINITY));
    sum.add(f64::NEG_INFINITY, -1).unwrap();
    assert_eq!(sum, sum_of(&[(1.5, 1)]));
}

#[test]
fn sums_of_one_magnitude_are_small() {
    let mut bytes = Vec::new();
    sum_of(&(1..1000).map(|n| (f64::from(n) / 100.0, 1)).collect::<Vec<_>>()).encode(&mut bytes);
    assert!(bytes.len() <= 22, "{} bytes", bytes.len());
}
