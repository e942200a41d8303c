//! Assignment casts: how a value of one type is stored in a column of another, by PostgreSQL's rules.
//!
//! It converts values one at a time and arrays through them; it does not evaluate expressions, and it does not know about
//! NOT NULL or keys (`constraints`). Text is accepted for every type and parsed, which is wider than PostgreSQL for
//! expressions of type text and the same for literals; where PostgreSQL has no assignment cast, the error is 42804.
//!
//! Invariants: nothing is truncated, wrapped or rounded unless PostgreSQL does so; a value out of range is 22003. Numeric to
//! integer rounds half away from zero, floating point to integer rounds half to even, floating point to numeric keeps the
//! 6 or 15 digits that the type guarantees.
//!
//! Cost: an array that already has the column's type is passed through; otherwise one conversion per value.
//! Callers: the statements of `dml`, `copy`, and the binding of parameters.

use std::borrow::Cow;

use arrow_array::{Array, ArrayRef};
use monostable_types::{DataType, Value, values_to_array};

use crate::error::{Error, Result};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The column that is assigned to, as far as a cast needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The column's name, for messages.
    pub(crate) name: String,
    /// The column's type.
    pub(crate) data_type: DataType,
    /// The `n` of `varchar(n)`, in characters.
    pub(crate) characters_max: Option<usize>,
}

impl Target {
    /// Casts `array`, whose type is `from`, to the column's type.
    pub(crate) fn assign_array(&self, array: &ArrayRef, from: DataType) -> Result<ArrayRef> {
        if from == self.data_type && (from != DataType::Text || self.characters_max.is_none()) {
            return Ok(array.clone());
        }
        let mut values = Vec::with_capacity(array.len());
        for index in 0..array.len() {
            let value = Value::from_array(array.as_ref(), index, from)?;
            values.push(self.assign(&value)?.into_owned());
        }
        Ok(values_to_array(self.data_type, values.iter())?)
    }

    /// Casts one value to the column's type.
    pub(crate) fn assign<'v>(&self, value: &'v Value) -> Result<Cow<'v, Value>> {
        let value = assign_value(value, self.data_type).map_err(|refusal| refusal.for_column(self))?;
        match (self.characters_max, value.as_ref()) {
            (Some(limit), Value::Text(text)) if exceeds(text, limit) => {
                Ok(Cow::Owned(Value::Text(self.shorten(text, limit)?.to_owned())))
            }
            _ => Ok(value),
        }
    }

    /// What a column of type text stores of a text.
    pub(crate) fn assign_text<'t>(&self, text: &'t str) -> Result<&'t str> {
        match self.characters_max {
            Some(limit) if exceeds(text, limit) => self.shorten(text, limit),
            _ => Ok(text),
        }
    }

    /// The value of the column's type that a text spells.
    pub(crate) fn parse(&self, text: &str) -> Result<Value> {
        Value::parse(self.data_type, text).map_err(|error| Refusal::Text(error.into()).for_column(self))
    }

    /// The SQL standard lets an assignment drop spaces, and only spaces, beyond the limit.
    fn shorten<'t>(&self, text: &'t str, limit: usize) -> Result<&'t str> {
        let kept = text.char_indices().nth(limit).map_or(text.len(), |(at, _)| at);
        if text[kept..].bytes().all(|byte| byte == b' ') {
            return Ok(&text[..kept]);
        }
        let name = &self.name;
        Err(Error::data("22001", format!("value too long for column \"{name}\" of type character varying({limit})")))
    }
}

fn exceeds(text: &str, limit: usize) -> bool {
    text.len() > limit && text.chars().nth(limit).is_some()
}

/// Why a value cannot be assigned.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no assignment cast between the types.
    NoCast { from: &'static str, to: DataType },
    /// The value is outside the range of the type.
    OutOfRange { to: DataType },
    /// The text does not spell a value of the type.
    Text(Error),
}

impl Refusal {
    fn for_column(self, target: &Target) -> Error {
        let column = &target.name;
        match self {
            Refusal::NoCast { from, to } => Error::data(
                "42804",
                format!("column \"{column}\" is of type {to} but the expression is of type {from}"),
            ),
            Refusal::OutOfRange { to } => {
                Error::data("22003", format!("a value for column \"{column}\" is out of range for type {to}"))
            }
            Refusal::Text(error) => Error::data(error.sqlstate(), format!("column \"{column}\": {error}")),
        }
    }

    /// The same refusal for the parameter with the given number.
    pub(crate) fn for_parameter(self, number: usize) -> Error {
        match self {
            Refusal::NoCast { from, to } => {
                Error::data("42804", format!("parameter ${number} is of type {to} but the value is of type {from}"))
            }
            Refusal::OutOfRange { to } => {
                Error::data("22003", format!("the value of parameter ${number} is out of range for type {to}"))
            }
            Refusal::Text(error) => Error::data(error.sqlstate(), format!("parameter ${number}: {error}")),
        }
    }
}

/// Casts `value` to `target` as an assignment does.
pub(crate) fn assign_value(value: &Value, target: DataType) -> Result<Cow<'_, Value>, Refusal> {
    let owned = match value {
        Value::Null => return Ok(Cow::Borrowed(value)),
        Value::SmallInt(v) => return integer(value, i128::from(*v), target),
        Value::Integer(v) => return integer(value, i128::from(*v), target),
        Value::BigInt(v) => return integer(value, i128::from(*v), target),
        Value::Numeric { unscaled, scale } => numeric(value, *unscaled, *scale, target)?,
        Value::Real(v) => float(value, f64::from(*v), target)?,
        Value::Double(v) => float(value, *v, target)?,
        Value::Text(text) => return from_text(value, text, target),
        _ if same_type(value, target) => return Ok(Cow::Borrowed(value)),
        Value::Date(days) => date(value, *days, target)?,
        Value::Timestamp(micros) | Value::TimestampTz(micros) => timestamp(value, *micros, target)?,
        Value::Time(micros) if target == DataType::Interval => Value::Interval { months: 0, days: 0, micros: *micros },
        Value::Interval { micros, .. } if target == DataType::Time => Value::Time(micros.rem_euclid(MICROS_PER_DAY)),
        _ => as_text(value, target)?,
    };
    Ok(Cow::Owned(owned))
}

/// Whether a value of a type without parameters is already of the target's type.
fn same_type(value: &Value, target: DataType) -> bool {
    matches!(
        (value, target),
        (Value::Boolean(_), DataType::Boolean)
            | (Value::Bytea(_), DataType::Bytea)
            | (Value::Date(_), DataType::Date)
            | (Value::Time(_), DataType::Time)
            | (Value::Timestamp(_), DataType::Timestamp)
            | (Value::TimestampTz(_), DataType::TimestampTz)
            | (Value::Interval { .. }, DataType::Interval)
            | (Value::Uuid(_), DataType::Uuid)
    )
}

fn integer(value: &Value, number: i128, target: DataType) -> Result<Cow<'_, Value>, Refusal> {
    let owned = match target {
        DataType::Real => Value::Real(number as f32),
        DataType::Double => Value::Double(number as f64),
        DataType::Numeric { precision, scale } => {
            rescale(number, 0, precision, scale).ok_or(Refusal::OutOfRange { to: target })?
        }
        DataType::SmallInt | DataType::Integer | DataType::BigInt => whole(number, target)?,
        _ => as_text(value, target)?,
    };
    Ok(Cow::Owned(owned))
}

/// A whole number in one of the integer types.
fn whole(number: i128, target: DataType) -> Result<Value, Refusal> {
    let out_of_range = |_| Refusal::OutOfRange { to: target };
    match target {
        DataType::SmallInt => number.try_into().map(Value::SmallInt).map_err(out_of_range),
        DataType::Integer => number.try_into().map(Value::Integer).map_err(out_of_range),
        _ => number.try_into().map(Value::BigInt).map_err(out_of_range),
    }
}

fn numeric(value: &Value, unscaled: i128, scale: i8, target: DataType) -> Result<Value, Refusal> {
    let out_of_range = Refusal::OutOfRange { to: target };
    match target {
        DataType::Numeric { precision, scale: to } => rescale(unscaled, scale, precision, to).ok_or(out_of_range),
        DataType::SmallInt | DataType::Integer | DataType::BigInt => match shift(unscaled, -i32::from(scale)) {
            Some(number) => whole(number, target),
            None => Err(out_of_range),
        },
        // Through the text, because it is rounded once: the division of two floats would round twice.
        DataType::Real => decimal_text(unscaled, scale).parse().map(Value::Real).map_err(|_| out_of_range),
        DataType::Double => decimal_text(unscaled, scale).parse().map(Value::Double).map_err(|_| out_of_range),
        _ => as_text(value, target),
    }
}

fn decimal_text(unscaled: i128, scale: i8) -> String {
    format!("{unscaled}e{}", -i32::from(scale))
}

fn float(value: &Value, number: f64, target: DataType) -> Result<Value, Refusal> {
    let out_of_range = Refusal::OutOfRange { to: target };
    match (target, value) {
        (DataType::Real, Value::Real(_)) => Ok(value.clone()),
        (DataType::Real, _) => {
            let narrow = number as f32;
            let lost = (narrow.is_infinite() && number.is_finite()) || (narrow == 0.0 && number != 0.0);
            if lost { Err(out_of_range) } else { Ok(Value::Real(narrow)) }
        }
        (DataType::Double, _) => Ok(Value::Double(number)),
        (DataType::SmallInt | DataType::Integer | DataType::BigInt, _) => {
            let rounded = number.round_ties_even();
            // Within this range the conversion to i128 is exact; NaN fails the comparison.
            if rounded.abs() < 1e19 { whole(rounded as i128, target) } else { Err(out_of_range) }
        }
        (DataType::Numeric { precision, scale }, _) => {
            let digits =
                if matches!(value, Value::Real(_)) { format!("{number:.5e}") } else { format!("{number:.14e}") };
            let decimal =
                parse_decimal(&digits).and_then(|(unscaled, from)| rescale_wide(unscaled, from, precision, scale));
            decimal.ok_or(out_of_range)
        }
        _ => as_text(value, target),
    }
}

fn date(value: &Value, days: i32, target: DataType) -> Result<Value, Refusal> {
    let micros = || i64::from(days).checked_mul(MICROS_PER_DAY).ok_or(Refusal::OutOfRange { to: target });
    match target {
        DataType::Timestamp => Ok(Value::Timestamp(micros()?)),
        DataType::TimestampTz => Ok(Value::TimestampTz(micros()?)),
        _ => as_text(value, target),
    }
}

fn timestamp(value: &Value, micros: i64, target: DataType) -> Result<Value, Refusal> {
    match target {
        DataType::Timestamp => Ok(Value::Timestamp(micros)),
        DataType::TimestampTz => Ok(Value::TimestampTz(micros)),
        DataType::Date => {
            let days =
                i32::try_from(micros.div_euclid(MICROS_PER_DAY)).map_err(|_| Refusal::OutOfRange { to: target })?;
            Ok(Value::Date(days))
        }
        DataType::Time => Ok(Value::Time(micros.rem_euclid(MICROS_PER_DAY))),
        _ => as_text(value, target),
    }
}

fn from_text<'v>(value: &'v Value, text: &str, target: DataType) -> Result<Cow<'v, Value>, Refusal> {
    if target == DataType::Text {
        return Ok(Cow::Borrowed(value));
    }
    Value::parse(target, text).map(Cow::Owned).map_err(|error| Refusal::Text(error.into()))
}

/// Every type may be assigned to text; nothing else reaches this.
fn as_text(value: &Value, target: DataType) -> Result<Value, Refusal> {
    match target {
        DataType::Text => Ok(Value::Text(match value {
            // A boolean is shown as one letter and cast to a word.
            Value::Boolean(truth) => truth.to_string(),
            other => other.to_string(),
        })),
        _ => Err(Refusal::NoCast { from: type_name(value), to: target }),
    }
}

/// The SQL name of a value's type, without its parameters.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "unknown",
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
        Value::TimestampTz(_) => "timestamp with time zone",
        Value::Interval { .. } => "interval",
        Value::Uuid(_) => "uuid",
    }
}

/// `unscaled * 10^-from` as a numeric of the given precision and scale, rounded half away from zero; `None` if it overflows.
pub(crate) fn rescale(unscaled: i128, from: i8, precision: u8, scale: i8) -> Option<Value> {
    rescale_wide(unscaled, i32::from(from), precision, scale)
}

fn rescale_wide(unscaled: i128, from: i32, precision: u8, scale: i8) -> Option<Value> {
    let unscaled = shift(unscaled, i32::from(scale) - from)?;
    let limit = 10_u128.checked_pow(u32::from(precision))?;
    (unscaled.unsigned_abs() < limit).then_some(Value::Numeric { unscaled, scale })
}

/// `number * 10^places`, rounded half away from zero when `places` is negative.
fn shift(number: i128, places: i32) -> Option<i128> {
    if number == 0 {
        return Some(0);
    }
    let power = 10_i128.checked_pow(places.unsigned_abs());
    if places >= 0 {
        return number.checked_mul(power?);
    }
    // A divisor beyond i128 is more than twice any number, so the quotient rounds to zero.
    let Some(divisor) = power else { return Some(0) };
    let (quotient, remainder) = (number / divisor, number % divisor);
    let half_or_more = remainder.unsigned_abs() >= divisor.unsigned_abs() - remainder.unsigned_abs();
    Some(if half_or_more { quotient + number.signum() } else { quotient })
}

/// Reads a decimal literal (`12`, `.5`, `1.25e-3`, with a sign) as digits and a scale; `None` if it does not fit 38 digits.
pub(crate) fn parse_decimal(text: &str) -> Option<(i128, i32)> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let unscaled = digits.parse::<i128>().ok()?;
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    Some((unscaled, scale))
}

/// The value that a numeric literal spells: bigint if it is a whole number that fits, otherwise numeric, otherwise double.
pub(crate) fn number_literal(text: &str, negative: bool) -> Option<Value> {
    let digits: String = text.chars().filter(|character| *character != '_').collect();
    let signed = if negative { format!("-{digits}") } else { digits };
    if let Ok(number) = signed.parse::<i64>() {
        return Some(Value::BigInt(number));
    }
    if let Some((unscaled, scale)) = literal_decimal(&signed) {
        return Some(Value::Numeric { unscaled, scale });
    }
    signed.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::Double)
}

/// A literal as a decimal, with the zeros after its point kept, because they show when it is stored as text.
fn literal_decimal(text: &str) -> Option<(i128, i8)> {
    if let Some((whole, fraction)) =
        text.split_once('.').filter(|(_, fraction)| fraction.bytes().all(|b| b.is_ascii_digit()))
    {
        let unscaled = format!("{whole}{fraction}").parse::<i128>().ok();
        let scale = i8::try_from(fraction.len()).ok().filter(|scale| *scale <= 38);
        if let (Some(unscaled), Some(scale)) = (unscaled, scale) {
            return Some((unscaled, scale));
        }
    }
    let (unscaled, scale) = parse_decimal(text)?;
    match i8::try_from(scale) {
        Ok(scale) if (0..=38).contains(&scale) => Some((unscaled, scale)),
        _ if scale < 0 => Some((shift(unscaled, -scale)?, 0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataType::{BigInt, Boolean, Double, Integer, Real, SmallInt, Text, Timestamp};

    const MONEY: DataType = DataType::Numeric { precision: 5, scale: 2 };

    fn cast(value: Value, target: DataType) -> Result<Value, &'static str> {
        let column = Target { name: "c".into(), data_type: target, characters_max: None };
        column.assign(&value).map(Cow::into_owned).map_err(|error| error.sqlstate())
    }

    fn numeric(unscaled: i128, scale: i8) -> Value {
        Value::Numeric { unscaled, scale }
    }

    #[test]
    fn numbers_round_and_overflow_as_postgresql_does() {
        assert_eq!(cast(numeric(25, 1), Integer), Ok(Value::Integer(3)));
        assert_eq!(cast(numeric(-25, 1), Integer), Ok(Value::Integer(-3)));
        assert_eq!(cast(Value::Double(2.5), Integer), Ok(Value::Integer(2)));
        assert_eq!(cast(Value::Double(3.5), BigInt), Ok(Value::BigInt(4)));
        assert_eq!(cast(Value::Double(f64::NAN), Integer), Err("22003"));
        assert_eq!(cast(Value::Double(9_223_372_036_854_775_808.0), BigInt), Err("22003"));
        assert_eq!(cast(Value::BigInt(40_000), SmallInt), Err("22003"));
        assert_eq!(cast(Value::BigInt(-32_768), SmallInt), Ok(Value::SmallInt(-32_768)));
        assert_eq!(cast(numeric(99_995, 2), MONEY), Ok(numeric(99_995, 2)));
        assert_eq!(cast(numeric(999_995, 3), MONEY), Err("22003"));
        assert_eq!(cast(numeric(999_994, 3), MONEY), Ok(numeric(99_999, 2)));
        assert_eq!(cast(Value::Integer(1000), MONEY), Err("22003"));
        assert_eq!(
            cast(Value::Double(0.1), DataType::Numeric { precision: 38, scale: 20 }),
            Ok(numeric(10_i128.pow(19), 20))
        );
        assert_eq!(cast(Value::Double(1e300), Real), Err("22003"));
        assert_eq!(cast(numeric(1, 1), Double), Ok(Value::Double(0.1)));
        assert_eq!(cast(numeric(i128::MAX, 0), DataType::Numeric { precision: 38, scale: 38 }), Err("22003"));
    }

    #[test]
    fn there_is_no_cast_where_postgresql_has_none() {
        for (value, target) in [
            (Value::Boolean(true), Integer),
            (Value::Integer(1), Boolean),
            (Value::Date(1), BigInt),
            (Value::BigInt(1), Timestamp),
            (Value::Double(1.0), DataType::Date),
            (Value::Uuid([0; 16]), DataType::Bytea),
        ] {
            assert_eq!(cast(value.clone(), target), Err("42804"), "{value:?} to {target}");
        }
    }

    #[test]
    fn text_is_parsed_and_everything_becomes_text() {
        assert_eq!(cast(Value::Text("12".into()), SmallInt), Ok(Value::SmallInt(12)));
        assert_eq!(cast(Value::Text("twelve".into()), SmallInt), Err("22P02"));
        assert_eq!(cast(Value::Boolean(true), Text), Ok(Value::Text("true".into())));
        assert_eq!(cast(numeric(150, 2), Text), Ok(Value::Text("1.50".into())));
    }

    #[test]
    fn dates_and_times_cross_over_by_the_day() {
        assert_eq!(cast(Value::Date(-1), Timestamp), Ok(Value::Timestamp(-MICROS_PER_DAY)));
        assert_eq!(cast(Value::Timestamp(-1), DataType::Date), Ok(Value::Date(-1)));
        assert_eq!(cast(Value::Timestamp(-1), DataType::Time), Ok(Value::Time(MICROS_PER_DAY - 1)));
    }

    #[test]
    fn varchar_counts_characters_and_drops_only_spaces() {
        let column = Target { name: "c".into(), data_type: Text, characters_max: Some(3) };
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(column.assign(&text("äöü")).unwrap().into_owned(), text("äöü"));
        assert_eq!(column.assign(&text("abc  ")).unwrap().into_owned(), text("abc"));
        assert_eq!(column.assign(&text("abcd")).unwrap_err().sqlstate(), "22001");
    }

    #[test]
    fn literals_are_read_exactly() {
        assert_eq!(number_literal("9223372036854775808", true), Some(Value::BigInt(i64::MIN)));
        assert_eq!(number_literal("9223372036854775808", false), Some(numeric(9_223_372_036_854_775_808, 0)));
        assert_eq!(number_literal("1.50", true), Some(numeric(-150, 2)));
        assert_eq!(number_literal("1e3", false), Some(numeric(1000, 0)));
        assert_eq!(number_literal(".5", false), Some(numeric(5, 1)));
        assert_eq!(number_literal("1e300", false), Some(Value::Double(1e300)));
        assert_eq!(number_literal("1e999", false), None);
    }
}
