//! `Accumulator`: what one aggregate remembers of one group. Linear: adding contributions is the only operation.
//!
//! Every kind counts the values that it has (NULLs are no values), so that an empty group is recognised and gives NULL.
//! Integers are summed in 128 bits and decimals in 256: a product of a value and a weight has at most 126 and 190 bits, so that
//! an intermediate sum overflows only if more rows take part than a count can hold; that is an error too. Floats are
//! summed exactly, see [`ExactSum`]. So a sum is a function of the values, whatever their order, and a result that does
//! not fit its type is found when it is read.
//!
//! The encoding is canonical: accumulators of equal content have equal bytes. Format: see `FORMAT.md`, aggregate state.

use arrow_buffer::i256;
use monostable_types::{DataType, Value};

use crate::failure::Failure;
use crate::operators::aggregate::AggregateFunction;
use crate::operators::aggregate::codec::{Reader, put_signed, put_wide};
use crate::operators::aggregate::exact_float::{ExactSum, OutOfRange, Precision};

/// What an accumulator sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Count,
    Integer,
    Decimal,
    Float,
    Boolean,
}

/// What one aggregate remembers of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Accumulator {
    Count {
        values: i64,
    },
    Integer {
        values: i64,
        sum: i128,
    },
    Decimal {
        values: i64,
        sum: i256,
    },
    /// Behind a pointer, because the others are a third of its size and there is one for every group that changes.
    Float {
        values: i64,
        sum: Box<ExactSum>,
    },
    Boolean {
        values: i64,
        trues: i64,
    },
}

use Accumulator::{Boolean, Count, Decimal, Float, Integer};

impl Accumulator {
    pub(crate) fn new(kind: Kind) -> Accumulator {
        match kind {
            Kind::Count => Count { values: 0 },
            Kind::Integer => Integer { values: 0, sum: 0 },
            Kind::Decimal => Decimal { values: 0, sum: i256::ZERO },
            Kind::Float => Float { values: 0, sum: Box::default() },
            Kind::Boolean => Boolean { values: 0, trues: 0 },
        }
    }

    /// Counts `weight` values.
    pub(crate) fn count(&mut self, weight: i64) -> Result<(), Failure> {
        let (Count { values }
        | Integer { values, .. }
        | Decimal { values, .. }
        | Float { values, .. }
        | Boolean { values, .. }) = self;
        *values = add(*values, weight)?;
        Ok(())
    }

    /// Adds another accumulator of the same kind.
    pub(crate) fn merge(&mut self, other: &Accumulator) -> Result<(), Failure> {
        match (self, other) {
            (Count { values }, Count { values: more }) => *values = add(*values, *more)?,
            (Integer { values, sum }, Integer { values: more, sum: summand }) => {
                *values = add(*values, *more)?;
                *sum = sum.checked_add(*summand).ok_or_else(overflow)?;
            }
            (Decimal { values, sum }, Decimal { values: more, sum: summand }) => {
                *values = add(*values, *more)?;
                *sum = sum.checked_add(*summand).ok_or_else(overflow)?;
            }
            (Float { values, sum }, Float { values: more, sum: summand }) => {
                *values = add(*values, *more)?;
                sum.merge(summand)?;
            }
            (Boolean { values, trues }, Boolean { values: more, trues: more_trues }) => {
                *values = add(*values, *more)?;
                *trues = add(*trues, *more_trues)?;
            }
            _ => return Err(Failure::inconsistent("accumulators of different kinds")),
        }
        Ok(())
    }

    /// Whether nothing was added, or all of it was taken away again.
    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Count { values } => *values == 0,
            Integer { values, sum } => (*values, *sum) == (0, 0),
            Decimal { values, sum } => (*values, *sum) == (0, i256::ZERO),
            Float { values, sum } => *values == 0 && sum.is_zero(),
            Boolean { values, trues } => (*values, *trues) == (0, 0),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Count { values } => put_signed(out, (*values).into()),
            Integer { values, sum } => {
                put_signed(out, (*values).into());
                put_signed(out, *sum);
            }
            Decimal { values, sum } => {
                put_signed(out, (*values).into());
                put_wide(out, *sum);
            }
            Float { values, sum } => {
                put_signed(out, (*values).into());
                sum.encode(out);
            }
            Boolean { values, trues } => {
                put_signed(out, (*values).into());
                put_signed(out, (*trues).into());
            }
        }
    }

    pub(crate) fn decode(kind: Kind, reader: &mut Reader<'_>) -> Option<Accumulator> {
        let values = i64::try_from(reader.signed()?).ok()?;
        Some(match kind {
            Kind::Count => Count { values },
            Kind::Integer => Integer { values, sum: reader.signed()? },
            Kind::Decimal => Decimal { values, sum: reader.wide()? },
            Kind::Float => Float { values, sum: Box::new(ExactSum::decode(reader)?) },
            Kind::Boolean => Boolean { values, trues: i64::try_from(reader.signed()?).ok()? },
        })
    }

    /// The value of an aggregate over what was accumulated. `argument` is the type of the values, `result` that of the value.
    pub(crate) fn value(
        &self,
        function: AggregateFunction,
        argument: Option<DataType>,
        result: DataType,
    ) -> Result<Value, Failure> {
        let (Count { values }
        | Integer { values, .. }
        | Decimal { values, .. }
        | Float { values, .. }
        | Boolean { values, .. }) = self;
        if *values < 0 {
            return Err(Failure::inconsistent("a group has more rows taken away than it has"));
        }
        if function == AggregateFunction::Count {
            return Ok(Value::BigInt(*values));
        }
        if *values == 0 {
            return Ok(Value::Null);
        }
        if let (Integer { sum, .. }, AggregateFunction::Sum) = (self, function)
            && let Ok(sum) = i64::try_from(*sum)
        {
            // Nothing to scale and nothing to divide: most sums. A numeric of 19 digits holds every one of them.
            match result {
                DataType::BigInt => return Ok(Value::BigInt(sum)),
                DataType::Numeric { precision: 19.., scale: 0 } => {
                    return Ok(Value::Numeric { unscaled: sum.into(), scale: 0 });
                }
                _ => {}
            }
        }
        let divisor = if function == AggregateFunction::Avg { *values } else { 1 };
        let scale = match argument {
            Some(DataType::Numeric { scale, .. }) => scale,
            _ => 0,
        };
        match self {
            Integer { sum, .. } => exact(i256::from_i128(*sum), scale, divisor, result),
            Decimal { sum, .. } => exact(*sum, scale, divisor, result),
            Float { sum, .. } => float(sum, divisor, result),
            Boolean { trues, .. } if function == AggregateFunction::BoolAnd => Ok(Value::Boolean(trues == values)),
            Boolean { trues, .. } => Ok(Value::Boolean(*trues > 0)),
            Count { .. } => Err(Failure::inconsistent("a count has no other value than itself")),
        }
    }
}

/// `sum * 10^-scale / divisor` as a value of type `result`, rounded half away from zero where digits are lost.
fn exact(sum: i256, scale: i8, divisor: i64, result: DataType) -> Result<Value, Failure> {
    let out_of_range = || Failure::out_of_range(format!("{result} out of range"));
    let target = match result {
        DataType::Numeric { scale, .. } => scale,
        _ => 0,
    };
    let shift = i32::from(target) - i32::from(scale);
    let power = power_of_ten(shift.unsigned_abs()).ok_or_else(out_of_range)?;
    let divisor = i256::from_i128(divisor.into());
    let (dividend, divisor) = if shift >= 0 {
        (sum.checked_mul(power).ok_or_else(out_of_range)?, divisor)
    } else {
        (sum, divisor.checked_mul(power).ok_or_else(out_of_range)?)
    };
    let quotient = divide_half_away(dividend, divisor).and_then(i256::to_i128).ok_or_else(out_of_range)?;
    match result {
        DataType::SmallInt => i16::try_from(quotient).map(Value::SmallInt).map_err(|_| out_of_range()),
        DataType::Integer => i32::try_from(quotient).map(Value::Integer).map_err(|_| out_of_range()),
        DataType::BigInt => i64::try_from(quotient).map(Value::BigInt).map_err(|_| out_of_range()),
        DataType::Numeric { precision, scale } => {
            let limit = power_of_ten(precision.into()).and_then(i256::to_i128).ok_or_else(out_of_range)?;
            if quotient.unsigned_abs() >= limit.unsigned_abs() {
                return Err(Failure::out_of_range(format!("numeric field overflow: the result does not fit {result}")));
            }
            Ok(Value::Numeric { unscaled: quotient, scale })
        }
        _ => Err(Failure::inconsistent(format!("an exact sum cannot have type {result}"))),
    }
}

fn float(sum: &ExactSum, divisor: i64, result: DataType) -> Result<Value, Failure> {
    let precision = if result == DataType::Real { Precision::Single } else { Precision::Double };
    let out_of_range = |OutOfRange| Failure::out_of_range("value out of range: overflow");
    let rounded = sum.quotient(divisor.unsigned_abs(), precision).map_err(out_of_range)?;
    Ok(match precision {
        // Rounded to 24 bits already, so that this conversion is exact.
        Precision::Single => Value::Real(rounded as f32),
        Precision::Double => Value::Double(rounded),
    })
}

fn divide_half_away(dividend: i256, divisor: i256) -> Option<i256> {
    let quotient = dividend.checked_div(divisor)?;
    let rest = dividend.checked_sub(quotient.checked_mul(divisor)?)?;
    if rest.wrapping_abs().checked_mul(i256::from_i128(2))? < divisor {
        return Some(quotient);
    }
    if dividend < i256::ZERO { quotient.checked_sub(i256::ONE) } else { quotient.checked_add(i256::ONE) }
}

fn power_of_ten(exponent: u32) -> Option<i256> {
    i256::from_i128(10).checked_pow(exponent)
}

fn add(a: i64, b: i64) -> Result<i64, Failure> {
    a.checked_add(b).ok_or_else(overflow)
}

pub(crate) fn overflow() -> Failure {
    Failure::out_of_range("bigint out of range: a group has too many rows")
}

impl From<OutOfRange> for Failure {
    fn from(_: OutOfRange) -> Failure {
        overflow()
    }
}
