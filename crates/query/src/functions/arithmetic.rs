//! `+ - * / %` and negation, with PostgreSQL's types, overflow checks and calendar.
//!
//! Each operator is a function of exactly typed arguments (`operators` resolves and casts), so that the optimiser's constant
//! folding and the evaluation of rows run the same code. Nothing wraps, saturates or becomes infinite: 22003 and 22012 instead.
//!
//! Numerics: sums are exact; a product is exact up to 20 digits after the point and rounded half away from zero beyond; a
//! quotient has at least 16. All are `numeric(38, s)`, and 22003 if the value needs more than 38 digits.
//!
//! Cost: one pass over the columns.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ArrowNativeTypeOp, PrimitiveArray};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use monostable_types::DataType;

use super::calendar;
use super::decimal;
use super::evaluate;
use crate::error::{Error, Result};

/// An arithmetic operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Negate,
}

impl Arithmetic {
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Arithmetic::Add => "+",
            Arithmetic::Subtract | Arithmetic::Negate => "-",
            Arithmetic::Multiply => "*",
            Arithmetic::Divide => "/",
            Arithmetic::Modulo => "%",
        }
    }
}

/// An operator on exact types.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ArithmeticFunction {
    pub(crate) op: Arithmetic,
    pub(crate) result: DataType,
    signature: Signature,
}

impl ArithmeticFunction {
    /// The operator as a function that DataFusion can plan with.
    pub(crate) fn udf(op: Arithmetic, result: DataType) -> Arc<ScalarUDF> {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(ArithmeticFunction { op, result, signature }))
    }
}

impl ScalarUDFImpl for ArithmeticFunction {
    fn name(&self) -> &str {
        self.op.symbol()
    }

    fn display_name(&self, args: &[datafusion_expr::Expr]) -> datafusion_common::Result<String> {
        self.schema_name(args)
    }

    fn schema_name(&self, args: &[datafusion_expr::Expr]) -> datafusion_common::Result<String> {
        Ok(match args {
            [operand] => format!("(- {})", operand.schema_name()),
            [left, right] => format!("({} {} {})", left.schema_name(), self.op.symbol(), right.schema_name()),
            _ => self.op.symbol().to_string(),
        })
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(
        &self,
        arg_types: &[arrow_schema::DataType],
    ) -> datafusion_common::Result<Vec<arrow_schema::DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, _arg_types: &[arrow_schema::DataType]) -> datafusion_common::Result<arrow_schema::DataType> {
        Ok(self.result.to_arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion_common::Result<ColumnarValue> {
        evaluate(args, |arrays| compute(self.op, self.result, arrays))
    }
}

fn compute(op: Arithmetic, result: DataType, arrays: &[ArrayRef]) -> Result<ArrayRef> {
    match arrays {
        [operand] if op == Arithmetic::Negate => negate(result, operand),
        [left, right] => binary(op, result, left, right),
        _ => Err(mismatch(op, arrays)),
    }
}

fn mismatch(op: Arithmetic, arrays: &[ArrayRef]) -> Error {
    let types: Vec<String> = arrays.iter().map(|array| array.data_type().to_string()).collect();
    Error::Internal(format!("operator {} was applied to {}", op.symbol(), types.join(", ")))
}

/// Applies `f` where both sides have a value. `f` never sees what stands behind a NULL.
fn zip<A: ArrowPrimitiveType, B: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    left: &ArrayRef,
    right: &ArrayRef,
    f: impl Fn(A::Native, B::Native) -> Result<O::Native>,
) -> Result<PrimitiveArray<O>> {
    let (Some(left), Some(right)) = (left.as_primitive_opt::<A>(), right.as_primitive_opt::<B>()) else {
        return Err(Error::Internal(format!("arithmetic on {} and {}", left.data_type(), right.data_type())));
    };
    left.iter()
        .zip(right.iter())
        .map(|pair| match pair {
            (Some(a), Some(b)) => f(a, b).map(Some),
            _ => Ok(None),
        })
        .collect()
}

fn map<A: ArrowPrimitiveType>(
    operand: &ArrayRef,
    f: impl Fn(A::Native) -> Result<A::Native>,
) -> Result<PrimitiveArray<A>> {
    let Some(operand) = operand.as_primitive_opt::<A>() else {
        return Err(Error::Internal(format!("negation of {}", operand.data_type())));
    };
    let negated: PrimitiveArray<A> = operand.iter().map(|value| value.map(&f).transpose()).collect::<Result<_>>()?;
    Ok(negated.with_data_type(operand.data_type().clone()))
}

fn negate(result: DataType, operand: &ArrayRef) -> Result<ArrayRef> {
    Ok(match result {
        DataType::SmallInt => {
            Arc::new(map::<Int16Type>(operand, |v| v.checked_neg().ok_or_else(|| out_of_range(result)))?)
        }
        DataType::Integer => {
            Arc::new(map::<Int32Type>(operand, |v| v.checked_neg().ok_or_else(|| out_of_range(result)))?)
        }
        DataType::BigInt => {
            Arc::new(map::<Int64Type>(operand, |v| v.checked_neg().ok_or_else(|| out_of_range(result)))?)
        }
        DataType::Numeric { .. } => Arc::new(map::<Decimal128Type>(operand, |v| Ok(-v))?),
        DataType::Real => Arc::new(map::<Float32Type>(operand, |v| Ok(-v))?),
        DataType::Double => Arc::new(map::<Float64Type>(operand, |v| Ok(-v))?),
        DataType::Interval => Arc::new(map::<IntervalMonthDayNanoType>(operand, calendar::negate)?),
        _ => return Err(mismatch(Arithmetic::Negate, std::slice::from_ref(operand))),
    })
}

/// The value does not fit the result's type (22003).
pub(crate) fn out_of_range(data_type: DataType) -> Error {
    let name = match data_type {
        DataType::Numeric { .. } => "numeric".to_string(),
        other => other.sql_name(),
    };
    Error::data("22003", format!("{name} out of range"))
}

/// 22012.
pub(crate) fn division_by_zero() -> Error {
    Error::data("22012", "division by zero")
}

fn integers<T: ArrowPrimitiveType>(
    op: Arithmetic,
    result: DataType,
    left: &ArrayRef,
    right: &ArrayRef,
) -> Result<ArrayRef> {
    let values = zip::<T, T, T>(left, right, |a, b| {
        if b.is_zero() && matches!(op, Arithmetic::Divide | Arithmetic::Modulo) {
            return Err(division_by_zero());
        }
        let value = match op {
            Arithmetic::Add => a.add_checked(b),
            Arithmetic::Subtract => a.sub_checked(b),
            Arithmetic::Multiply => a.mul_checked(b),
            Arithmetic::Divide => a.div_checked(b),
            // The one remainder whose division overflows is zero.
            _ => Ok(a.mod_wrapping(b)),
        };
        value.map_err(|_| out_of_range(result))
    })?;
    Ok(Arc::new(values))
}

/// In double precision: rounding its result to single precision is the correctly rounded single-precision result.
fn float(op: Arithmetic, a: f64, b: f64) -> Result<f64> {
    Ok(match op {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        _ if b == 0.0 && !a.is_nan() => return Err(division_by_zero()),
        _ => a / b,
    })
}

/// Refuses an infinity or a zero that the operands do not explain.
fn float_fits(op: Arithmetic, a: f64, b: f64, value: f64) -> Result<()> {
    if value.is_infinite() && a.is_finite() && b.is_finite() {
        return Err(Error::data("22003", "value out of range: overflow"));
    }
    let zero_is_exact = match op {
        Arithmetic::Multiply => a == 0.0 || b == 0.0,
        Arithmetic::Divide => a == 0.0 || b.is_infinite(),
        _ => true,
    };
    if value == 0.0 && !zero_is_exact {
        return Err(Error::data("22003", "value out of range: underflow"));
    }
    Ok(())
}

fn reals(op: Arithmetic, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
    let values = zip::<Float32Type, Float32Type, Float32Type>(left, right, |a, b| {
        let (a, b) = (f64::from(a), f64::from(b));
        let value = float(op, a, b)? as f32;
        float_fits(op, a, b, f64::from(value)).map(|()| value)
    })?;
    Ok(Arc::new(values))
}

fn doubles(op: Arithmetic, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
    let values = zip::<Float64Type, Float64Type, Float64Type>(left, right, |a, b| {
        let value = float(op, a, b)?;
        float_fits(op, a, b, value).map(|()| value)
    })?;
    Ok(Arc::new(values))
}

fn binary(op: Arithmetic, result: DataType, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
    use arrow_schema::DataType as Arrow;
    Ok(match (left.data_type(), right.data_type()) {
        (Arrow::Int16, Arrow::Int16) => integers::<Int16Type>(op, result, left, right)?,
        (Arrow::Int32, Arrow::Int32) => integers::<Int32Type>(op, result, left, right)?,
        (Arrow::Int64, Arrow::Int64) => integers::<Int64Type>(op, result, left, right)?,
        (Arrow::Float32, Arrow::Float32) => reals(op, left, right)?,
        (Arrow::Float64, Arrow::Float64) => doubles(op, left, right)?,
        (Arrow::Decimal128(_, a), Arrow::Decimal128(_, b)) => {
            let DataType::Numeric { precision, scale } = result else {
                return Err(mismatch(op, &[left.clone(), right.clone()]));
            };
            let (a, b) = (*a, *b);
            let values = zip::<Decimal128Type, Decimal128Type, Decimal128Type>(left, right, |x, y| {
                decimal::apply(op, (x, a), (y, b), scale)
            })?;
            Arc::new(values.with_data_type(Arrow::Decimal128(precision, scale)))
        }
        _ => return temporal(op, result, left, right),
    })
}

fn temporal(op: Arithmetic, result: DataType, left: &ArrayRef, right: &ArrayRef) -> Result<ArrayRef> {
    use arrow_schema::DataType as Arrow;
    let subtract = op == Arithmetic::Subtract;
    let array: ArrayRef = match (left.data_type(), right.data_type()) {
        (Arrow::Date32, Arrow::Int32) => {
            Arc::new(zip::<Date32Type, Int32Type, Date32Type>(left, right, |day, days| {
                calendar::add_days(day, days, subtract)
            })?)
        }
        (Arrow::Date32, Arrow::Date32) => Arc::new(zip::<Date32Type, Date32Type, Int32Type>(left, right, |a, b| {
            a.checked_sub(b).ok_or_else(|| out_of_range(DataType::Integer))
        })?),
        (Arrow::Date32, Arrow::Time64(_)) => Arc::new(zip::<
            Date32Type,
            Time64MicrosecondType,
            TimestampMicrosecondType,
        >(left, right, calendar::at_time)?),
        (Arrow::Timestamp(..), Arrow::Interval(_)) => {
            let sums = zip::<TimestampMicrosecondType, IntervalMonthDayNanoType, TimestampMicrosecondType>(
                left,
                right,
                |timestamp, interval| calendar::add_interval(timestamp, interval, subtract),
            )?;
            Arc::new(sums.with_data_type(left.data_type().clone()))
        }
        (Arrow::Timestamp(..), Arrow::Timestamp(..)) => Arc::new(zip::<
            TimestampMicrosecondType,
            TimestampMicrosecondType,
            IntervalMonthDayNanoType,
        >(left, right, calendar::difference)?),
        (Arrow::Time64(_), Arrow::Interval(_)) => {
            Arc::new(zip::<Time64MicrosecondType, IntervalMonthDayNanoType, Time64MicrosecondType>(
                left,
                right,
                |time, interval| calendar::add_to_time(time, interval, subtract),
            )?)
        }
        (Arrow::Time64(_), Arrow::Time64(_)) => {
            Arc::new(zip::<Time64MicrosecondType, Time64MicrosecondType, IntervalMonthDayNanoType>(
                left,
                right,
                |a, b| calendar::interval(0, 0, i128::from(a) - i128::from(b)),
            )?)
        }
        (Arrow::Interval(_), Arrow::Interval(_)) => {
            Arc::new(zip::<IntervalMonthDayNanoType, IntervalMonthDayNanoType, IntervalMonthDayNanoType>(
                left,
                right,
                |a, b| calendar::sum(a, b, subtract),
            )?)
        }
        (Arrow::Interval(_), Arrow::Float64) => Arc::new(zip::<
            IntervalMonthDayNanoType,
            Float64Type,
            IntervalMonthDayNanoType,
        >(left, right, |interval, factor| match op {
            Arithmetic::Divide if factor == 0.0 => Err(division_by_zero()),
            Arithmetic::Divide => calendar::scale(interval, |part| part / factor),
            _ => calendar::scale(interval, |part| part * factor),
        })?),
        _ => return Err(mismatch(op, &[left.clone(), right.clone()])),
    };
    if array.data_type() == &result.to_arrow() {
        return Ok(array);
    }
    Err(Error::Internal(format!("operator {} gave {} instead of {result}", op.symbol(), array.data_type())))
}
