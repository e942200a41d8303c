//! Aggregates as the planner sees them: names and result types. They are never run by DataFusion; `lower` turns each call into
//! an [`AggregateFunction`] of crate `view`, which computes it exactly.
//!
//! Result types are PostgreSQL's where it has one of fixed size: sums of small integers are bigint, of bigint numeric(38,0), of
//! numeric(p,s) numeric(38,s); averages of integers are numeric(38,16), of numeric(p,s) numeric(38, max(s,16)).

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::DataType as Arrow;
use datafusion_common::not_impl_err;
use datafusion_expr::function::AccumulatorArgs;
use datafusion_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use monostable_types::DataType;
use monostable_view::AggregateFunction;

use super::decimal::QUOTIENT_SCALE_MIN;
use super::signature::no_such_call;
use crate::error::Result;

const AGGREGATES: [(&str, AggregateFunction); 8] = [
    ("count", AggregateFunction::Count),
    ("sum", AggregateFunction::Sum),
    ("avg", AggregateFunction::Avg),
    ("min", AggregateFunction::Min),
    ("max", AggregateFunction::Max),
    ("bool_and", AggregateFunction::BoolAnd),
    ("every", AggregateFunction::BoolAnd),
    ("bool_or", AggregateFunction::BoolOr),
];

pub(crate) fn is_aggregate(name: &str) -> bool {
    AGGREGATES.iter().any(|(known, _)| *known == name)
}

pub(crate) fn all() -> HashMap<&'static str, Arc<AggregateUDF>> {
    AGGREGATES
        .iter()
        .map(|(name, function)| {
            let signature = Signature::user_defined(Volatility::Immutable);
            let implementation = PlannedAggregate { name, function: *function, signature };
            (*name, Arc::new(AggregateUDF::new_from_impl(implementation)))
        })
        .collect()
}

/// An aggregate that can be planned, and only planned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PlannedAggregate {
    name: &'static str,
    pub(crate) function: AggregateFunction,
    signature: Signature,
}

impl PlannedAggregate {
    /// The result's type; `argument` is None for an untyped NULL.
    fn result(&self, argument: Option<DataType>) -> Result<DataType> {
        use DataType::{BigInt, Boolean, Double, Integer, Interval, Numeric, Real, SmallInt, Text};
        let unknown = || no_such_call(self.name, &[argument]);
        Ok(match (self.function, argument) {
            (AggregateFunction::Count, _) => BigInt,
            (AggregateFunction::Sum, Some(SmallInt | Integer)) => BigInt,
            (AggregateFunction::Sum, Some(BigInt)) => Numeric { precision: 38, scale: 0 },
            (AggregateFunction::Sum, Some(Numeric { scale, .. })) => Numeric { precision: 38, scale },
            (AggregateFunction::Sum, Some(float @ (Real | Double))) => float,
            (AggregateFunction::Avg, Some(SmallInt | Integer | BigInt)) => {
                Numeric { precision: 38, scale: QUOTIENT_SCALE_MIN }
            }
            (AggregateFunction::Avg, Some(Numeric { scale, .. })) => {
                Numeric { precision: 38, scale: scale.max(QUOTIENT_SCALE_MIN) }
            }
            (AggregateFunction::Avg, Some(Real | Double)) => Double,
            (AggregateFunction::Min | AggregateFunction::Max, Some(Boolean | DataType::Uuid | DataType::Bytea)) => {
                return Err(unknown());
            }
            (AggregateFunction::Min | AggregateFunction::Max, argument) => argument.unwrap_or(Text),
            (AggregateFunction::BoolAnd | AggregateFunction::BoolOr, Some(Boolean) | None) => Boolean,
            (AggregateFunction::Sum | AggregateFunction::Avg, Some(Interval)) => {
                return Err(crate::error::Error::not_supported(format!("{}(interval)", self.name)));
            }
            _ => return Err(unknown()),
        })
    }
}

impl AggregateUDFImpl for PlannedAggregate {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[Arrow]) -> datafusion_common::Result<Vec<Arrow>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[Arrow]) -> datafusion_common::Result<Arrow> {
        let types: Vec<Option<DataType>> = arg_types
            .iter()
            .map(|arrow| match arrow {
                Arrow::Null => Ok(None),
                Arrow::UInt64 => Ok(Some(DataType::Numeric { precision: 20, scale: 0 })),
                other => DataType::from_arrow(other).map(Some),
            })
            .collect::<monostable_types::Result<_>>()
            .map_err(crate::error::Error::from)?;
        match types.as_slice() {
            [argument] => Ok(self.result(*argument)?.to_arrow()),
            other => Err(no_such_call(self.name, other).into()),
        }
    }

    fn is_nullable(&self) -> bool {
        self.function != AggregateFunction::Count
    }

    fn accumulator(&self, _acc_args: AccumulatorArgs<'_>) -> datafusion_common::Result<Box<dyn Accumulator>> {
        not_impl_err!("aggregates run in the operator graph")
    }
}
