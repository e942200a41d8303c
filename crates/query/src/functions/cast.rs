//! CAST with PostgreSQL's rules.
//!
//! Arrow's casts truncate where PostgreSQL rounds and accept texts that PostgreSQL refuses. Those that only widen are left to
//! Arrow ([`is_exact`]), because the optimiser knows how to move them to the other side of a comparison; all others are this
//! function, which converts value by value with the same rules as assignments, plus the casts that PostgreSQL allows only when
//! they are written out.
//!
//! Cost: one conversion per value; decimals to and from numbers, and whole numbers, have a pass over the column instead.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef, Float64Array};
use datafusion_common::tree_node::Transformed;
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{Cast, ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use monostable_types::{DataType, Value, values_to_array};

use super::evaluate;
use crate::dml::assign::{Refusal, assign_value};
use crate::error::{Error, Result};

/// Largest integer below which every integer is a double.
const EXACT_DOUBLE_MAX: i128 = 1 << 53;
/// Largest power of ten that is exact as a double.
const EXACT_POWER_MAX: i8 = 22;

/// A cast to one type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct CastFunction {
    pub(crate) to: DataType,
    signature: Signature,
}

impl CastFunction {
    fn udf(to: DataType) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(CastFunction {
            to,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    }
}

impl ScalarUDFImpl for CastFunction {
    fn name(&self) -> &str {
        "cast"
    }

    fn display_name(&self, args: &[Expr]) -> datafusion_common::Result<String> {
        self.schema_name(args)
    }

    fn schema_name(&self, args: &[Expr]) -> datafusion_common::Result<String> {
        let operand = args.first().map(|operand| operand.schema_name().to_string()).unwrap_or_default();
        Ok(format!("CAST({operand} AS {})", self.to))
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
        Ok(self.to.to_arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion_common::Result<ColumnarValue> {
        evaluate(args, |arrays| match arrays {
            [operand] => cast_array(operand, self.to),
            _ => Err(Error::Internal("a cast has one operand".to_string())),
        })
    }
}

/// `expr`, whose type is `from`, as a value of type `to`. The cast must be allowed ([`check_explicit`]).
pub(crate) fn cast(expr: Expr, from: DataType, to: DataType) -> Expr {
    if from == to {
        return expr;
    }
    if is_exact(from, to) {
        return Expr::Cast(Cast::new(Box::new(expr), to.to_arrow()));
    }
    Expr::ScalarFunction(ScalarFunction::new_udf(CastFunction::udf(to), vec![expr]))
}

/// A NULL, a text literal or a parameter as a value of type `to`.
pub(crate) fn cast_untyped(expr: Expr, to: DataType) -> Expr {
    match expr {
        Expr::Literal(value, _) if value.is_null() => {
            Expr::Literal(datafusion_common::ScalarValue::try_from(&to.to_arrow()).unwrap_or(value), None)
        }
        other => cast(other, DataType::Text, to),
    }
}

/// Casts that change no value and cannot fail.
pub(crate) fn is_exact(from: DataType, to: DataType) -> bool {
    use DataType::{BigInt, Double, Integer, Numeric, Real, SmallInt};
    match (from, to) {
        (SmallInt, Integer | BigInt | Real | Double) | (Integer, BigInt | Double) | (Real, Double) => true,
        (SmallInt, Numeric { precision, scale }) => scale >= 0 && i16::from(precision) - i16::from(scale) >= 5,
        (Integer, Numeric { precision, scale }) => scale >= 0 && i16::from(precision) - i16::from(scale) >= 10,
        (BigInt, Numeric { precision, scale }) => scale >= 0 && i16::from(precision) - i16::from(scale) >= 19,
        (Numeric { precision: p, scale: s }, Numeric { precision, scale }) => {
            scale >= s && i16::from(precision) - i16::from(scale) >= i16::from(p) - i16::from(s)
        }
        _ => false,
    }
}

/// Casts that are made without being written: they widen a number, or give a date its midnight.
pub(crate) fn is_implicit(from: DataType, to: DataType) -> bool {
    use DataType::{BigInt, Date, Double, Integer, Numeric, Real, SmallInt, Timestamp, TimestampTz};
    from == to
        || matches!(
            (from, to),
            (SmallInt, Integer | BigInt | Numeric { .. } | Real | Double)
                | (Integer, BigInt | Numeric { .. } | Real | Double)
                | (BigInt, Numeric { .. } | Real | Double)
                | (Numeric { .. }, Numeric { .. } | Real | Double)
                | (Real, Double)
                | (Date, Timestamp | TimestampTz)
                | (Timestamp, TimestampTz)
        )
}

/// Refuses a written cast that does not exist (42846).
pub(crate) fn check_explicit(from: DataType, to: DataType) -> Result<()> {
    use DataType::{BigInt, Boolean, Date, Integer, Interval, SmallInt, Text, Time, Timestamp, TimestampTz};
    let number = |data_type: DataType| {
        matches!(data_type, SmallInt | Integer | BigInt | DataType::Real | DataType::Double | DataType::Numeric { .. })
    };
    let exists = from == to
        || from == Text
        || to == Text
        || (number(from) && number(to))
        || matches!(
            (from, to),
            (Boolean, Integer)
                | (Integer, Boolean)
                | (Date, Timestamp | TimestampTz)
                | (Timestamp | TimestampTz, Date | Time | Timestamp | TimestampTz)
                | (Time, Interval)
                | (Interval, Time)
        );
    if exists { Ok(()) } else { Err(Error::CannotCoerce { from: from.sql_name(), to: to.sql_name() }) }
}

/// Replaces casts that were written by the user with ours.
pub(crate) fn rewrite_explicit(
    cast_expr: Cast,
    from: Option<DataType>,
    to: DataType,
) -> datafusion_common::Result<Transformed<Expr>> {
    let Cast { expr, .. } = cast_expr;
    let Some(from) = from else {
        return Ok(Transformed::yes(cast_untyped(*expr, to)));
    };
    check_explicit(from, to)?;
    Ok(Transformed::yes(cast(*expr, from, to)))
}

/// Converts a column.
pub(crate) fn cast_array(array: &ArrayRef, to: DataType) -> Result<ArrayRef> {
    let from = match array.data_type() {
        arrow_schema::DataType::Null => return Ok(arrow_array::new_null_array(&to.to_arrow(), array.len())),
        arrow => DataType::from_arrow(arrow)?,
    };
    if from == to {
        return Ok(Arc::clone(array));
    }
    if let (DataType::Numeric { scale, .. }, DataType::Double) = (from, to)
        && let Some(doubles) = exact_doubles(array, scale)
    {
        return Ok(doubles);
    }
    let mut values = Vec::with_capacity(array.len());
    for index in 0..array.len() {
        let value = Value::from_array(array.as_ref(), index, from)?;
        values.push(cast_value(value, to)?);
    }
    Ok(values_to_array(to, values.iter())?)
}

/// A quotient of two exact doubles is correctly rounded; `None` if the digits or the scale are too many for that.
fn exact_doubles(array: &ArrayRef, scale: i8) -> Option<ArrayRef> {
    if !(0..=EXACT_POWER_MAX).contains(&scale) {
        return None;
    }
    let values = array.as_primitive_opt::<Decimal128Type>()?;
    let power = 10_f64.powi(i32::from(scale));
    let doubles: Option<Vec<Option<f64>>> = values
        .iter()
        .map(|value| match value {
            None => Some(None),
            Some(value) if value.abs() <= EXACT_DOUBLE_MAX => Some(Some(value as f64 / power)),
            Some(_) => None,
        })
        .collect();
    doubles.map(|doubles| Arc::new(Float64Array::from(doubles)) as ArrayRef)
}

/// Converts one value.
pub(crate) fn cast_value(value: Value, to: DataType) -> Result<Value> {
    match (&value, to) {
        (Value::Boolean(value), DataType::Integer) => return Ok(Value::Integer(i32::from(*value))),
        (Value::Integer(value), DataType::Boolean) => return Ok(Value::Boolean(*value != 0)),
        _ => {}
    }
    match assign_value(&value, to) {
        Ok(cast) => Ok(cast.into_owned()),
        Err(Refusal::NoCast { from, to }) => Err(Error::CannotCoerce { from: from.to_string(), to: to.sql_name() }),
        Err(Refusal::OutOfRange { to }) => Err(super::arithmetic::out_of_range(to)),
        Err(Refusal::Text(error)) => Err(error),
    }
}
