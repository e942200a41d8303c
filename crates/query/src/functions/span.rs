//! How PostgreSQL compares intervals: by their length, with months of thirty days and days of 24 hours.
//!
//! The comparison of intervals becomes a comparison of their lengths in microseconds, before the optimiser sees it.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, IntervalMonthDayNanoType};
use arrow_array::{ArrayRef, PrimitiveArray};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::DataType as Arrow;
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use monostable_types::DataType;

use super::calendar::MICROS_PER_DAY;
use super::evaluate;
use crate::error::{Error, Result};

const LENGTH: DataType = DataType::Numeric { precision: 38, scale: 0 };

static SPAN: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(SpanFunction { signature }))
});

/// The length of an interval, in microseconds.
pub(crate) fn length(interval: Expr) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&SPAN), vec![interval]))
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SpanFunction {
    signature: Signature,
}

impl ScalarUDFImpl for SpanFunction {
    fn name(&self) -> &str {
        "interval length"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[Arrow]) -> datafusion_common::Result<Vec<Arrow>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, _arg_types: &[Arrow]) -> datafusion_common::Result<Arrow> {
        Ok(LENGTH.to_arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion_common::Result<ColumnarValue> {
        evaluate(args, |arrays| match arrays {
            [intervals] => lengths(intervals),
            _ => Err(Error::Internal("the length of other than one interval".to_string())),
        })
    }
}

fn lengths(intervals: &ArrayRef) -> Result<ArrayRef> {
    let Some(intervals) = intervals.as_primitive_opt::<IntervalMonthDayNanoType>() else {
        return Err(Error::Internal(format!("the length of {}", intervals.data_type())));
    };
    let length = |span: IntervalMonthDayNano| {
        let days = i128::from(span.months) * 30 + i128::from(span.days);
        days * i128::from(MICROS_PER_DAY) + i128::from(span.nanoseconds.div_euclid(1_000))
    };
    let lengths: PrimitiveArray<Decimal128Type> = intervals.iter().map(|span| span.map(length)).collect();
    Ok(Arc::new(lengths.with_data_type(LENGTH.to_arrow())))
}
