//! The values of the model: few kinds, exact arithmetic, written without a look at the engine's own.
//!
//! A [`Datum`] deliberately shares no code with the engine's `Value`: a mistake in one must not be repeated in the other. Numbers with a
//! fraction are held as an integer and a scale, so that no comparison depends on rounding.

use std::cmp::Ordering;
use std::fmt;

/// A value in the model.
#[derive(Debug, Clone)]
pub enum Datum {
    /// SQL NULL.
    Null,
    /// `boolean`.
    Boolean(bool),
    /// `integer`, `bigint` and `numeric`: `unscaled / 10^scale`.
    Number {
        /// The digits without the point.
        unscaled: i128,
        /// Digits after the point.
        scale: u32,
    },
    /// `double precision`; generated only where sums are exact in any order.
    Double(f64),
    /// `text`.
    Text(String),
}

/// `unscaled / 10^scale` without trailing zeros, so that equal numbers look equal.
fn normal(mut unscaled: i128, mut scale: u32) -> (i128, u32) {
    while scale > 0 && unscaled % 10 == 0 {
        unscaled /= 10;
        scale -= 1;
    }
    (unscaled, scale)
}

fn pow10(exponent: u32) -> i128 {
    10_i128.pow(exponent)
}

impl Datum {
    /// A whole number.
    pub fn integer(value: i64) -> Datum {
        Datum::Number { unscaled: i128::from(value), scale: 0 }
    }

    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// SQL comparison: `None` if either side is NULL.
    pub fn compare(&self, other: &Datum) -> Option<Ordering> {
        if self.is_null() || other.is_null() { None } else { Some(self.cmp(other)) }
    }

    /// The sum of two numbers; NULL if either is NULL.
    pub fn add(&self, other: &Datum) -> Datum {
        match (self, other) {
            (Datum::Number { unscaled: a, scale: p }, Datum::Number { unscaled: b, scale: q }) => {
                let scale = (*p).max(*q);
                Datum::Number { unscaled: a * pow10(scale - p) + b * pow10(scale - q), scale }
            }
            (Datum::Double(a), Datum::Double(b)) => Datum::Double(a + b),
            _ => Datum::Null,
        }
    }

    /// The mean of `count` numbers that add up to `self`, rounded half away from zero to `scale` digits (or as a double).
    pub fn mean(&self, count: i64, scale: u32) -> Datum {
        match self {
            Datum::Number { unscaled, scale: own } => {
                let scaled = unscaled * pow10(scale - own);
                let divisor = i128::from(count);
                let (quotient, rest) = (scaled / divisor, scaled % divisor);
                let away = if rest.abs() * 2 >= divisor { scaled.signum() } else { 0 };
                Datum::Number { unscaled: quotient + away, scale }
            }
            Datum::Double(sum) => Datum::Double(sum / count as f64),
            _ => Datum::Null,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Datum::Boolean(_) => 0,
            Datum::Number { .. } => 1,
            Datum::Double(_) => 2,
            Datum::Text(_) => 3,
            Datum::Null => 4,
        }
    }

    /// The value as a literal of SQL.
    pub fn to_sql(&self) -> String {
        match self {
            Datum::Null => "NULL".to_string(),
            Datum::Boolean(value) => value.to_string(),
            Datum::Double(value) => format!("CAST({value:?} AS DOUBLE PRECISION)"),
            Datum::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Datum::Number { .. } => self.to_string(),
        }
    }
}

impl Ord for Datum {
    /// A total order with NULL last; equal numbers of different scale are equal.
    fn cmp(&self, other: &Datum) -> Ordering {
        match (self, other) {
            (Datum::Boolean(a), Datum::Boolean(b)) => a.cmp(b),
            (Datum::Number { unscaled: a, scale: p }, Datum::Number { unscaled: b, scale: q }) => {
                let (a, p) = normal(*a, *p);
                let (b, q) = normal(*b, *q);
                let scale = p.max(q);
                (a * pow10(scale - p)).cmp(&(b * pow10(scale - q)))
            }
            (Datum::Double(a), Datum::Double(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Datum::Text(a), Datum::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Datum {
    fn partial_cmp(&self, other: &Datum) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Datum {
    fn eq(&self, other: &Datum) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Datum {}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Null => f.write_str("NULL"),
            Datum::Boolean(value) => write!(f, "{value}"),
            Datum::Double(value) => write!(f, "{value:?}"),
            Datum::Text(text) => f.write_str(text),
            Datum::Number { unscaled, scale } => {
                let (unscaled, scale) = normal(*unscaled, *scale);
                let sign = if unscaled < 0 { "-" } else { "" };
                let digits = unscaled.unsigned_abs().to_string();
                let width = scale as usize;
                let padded = format!("{digits:0>w$}", w = width + 1);
                let (whole, fraction) = padded.split_at(padded.len() - width);
                if width == 0 { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(unscaled: i128, scale: u32) -> Datum {
        Datum::Number { unscaled, scale }
    }

    #[test]
    fn numbers_of_different_scale_are_equal_by_value() {
        assert_eq!(number(150, 2), number(15, 1));
        assert!(number(-1, 2) < number(0, 0));
        assert_eq!(number(-150, 2).to_string(), "-1.5");
        assert_eq!(number(5, 2).to_string(), "0.05");
    }

    #[test]
    fn means_round_half_away_from_zero() {
        assert_eq!(number(1, 0).mean(3, 2), number(33, 2));
        assert_eq!(number(5, 2).mean(2, 2), number(3, 2));
        assert_eq!(number(-5, 2).mean(2, 2), number(-3, 2));
    }

    #[test]
    fn null_is_unknown_in_comparisons_and_last_in_order() {
        assert_eq!(Datum::Null.compare(&Datum::integer(1)), None);
        assert!(Datum::Null > Datum::Text("z".into()));
    }
}
