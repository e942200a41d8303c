//! The functions that SQL may call, with PostgreSQL's argument and result types.
//!
//! An allow list: a function is here when its results are known to be PostgreSQL's. What an argument of another type means is
//! decided by the same implicit casts as everywhere ([`cast::is_implicit`]); a call that fits no signature is 42883. Functions
//! whose result is not determined by their arguments (`now`, `random`) are refused by name.

pub(crate) mod aggregate;
pub(crate) mod arithmetic;
pub(crate) mod calendar;
pub(crate) mod cast;
pub(crate) mod datetime;
pub(crate) mod decimal;
pub(crate) mod scalar;
mod signature;
pub(crate) mod span;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;
use datafusion_common::ScalarValue;
use datafusion_expr::{AggregateUDF, ColumnarValue, ScalarFunctionArgs, ScalarUDF};

use crate::error::Result;

/// Everything that can be called.
#[derive(Debug)]
pub(crate) struct Functions {
    scalar: HashMap<&'static str, Arc<ScalarUDF>>,
    aggregate: HashMap<&'static str, Arc<AggregateUDF>>,
}

impl Functions {
    pub(crate) fn new() -> Functions {
        Functions { scalar: scalar::all(), aggregate: aggregate::all() }
    }

    pub(crate) fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalar.get(name).cloned()
    }

    pub(crate) fn aggregate(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregate.get(name).cloned()
    }

    pub(crate) fn scalar_names(&self) -> Vec<String> {
        self.scalar.keys().map(|name| (*name).to_string()).collect()
    }

    pub(crate) fn aggregate_names(&self) -> Vec<String> {
        self.aggregate.keys().map(|name| (*name).to_string()).collect()
    }
}

/// What is known of a function's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Scalar,
    Aggregate,
    /// Its result depends on more than its arguments.
    Volatile,
    /// PostgreSQL has it, and we do not.
    Refused,
    Unknown,
}

/// Functions of the clock, of chance, or of the session.
const VOLATILE: [&str; 22] = [
    "now",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "transaction_timestamp",
    "statement_timestamp",
    "clock_timestamp",
    "timeofday",
    "random",
    "random_normal",
    "setseed",
    "uuid",
    "gen_random_uuid",
    "uuid_generate_v4",
    "nextval",
    "currval",
    "current_user",
    "session_user",
    "version",
    "pg_sleep",
];

/// Functions that PostgreSQL users will look for here.
const REFUSED: [&str; 46] = [
    "age",
    "to_char",
    "to_date",
    "to_number",
    "to_timestamp",
    "date_bin",
    "format",
    "md5",
    "sha256",
    "encode",
    "decode",
    "regexp_replace",
    "regexp_like",
    "regexp_match",
    "regexp_matches",
    "regexp_count",
    "regexp_substr",
    "regexp_split_to_array",
    "string_to_array",
    "overlay",
    "quote_literal",
    "generate_series",
    "unnest",
    "array_agg",
    "string_agg",
    "json_agg",
    "jsonb_agg",
    "percentile_cont",
    "percentile_disc",
    "mode",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "variance",
    "var_pop",
    "var_samp",
    "corr",
    "row_number",
    "rank",
    "dense_rank",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "grouping",
    "any_value",
];

/// Classifies a function's (folded) name.
pub(crate) fn known(name: &str) -> Known {
    if VOLATILE.contains(&name) {
        Known::Volatile
    } else if REFUSED.contains(&name) {
        Known::Refused
    } else if aggregate::is_aggregate(name) {
        Known::Aggregate
    } else if scalar::is_scalar(name) {
        Known::Scalar
    } else {
        Known::Unknown
    }
}

/// Runs `f` over the arguments as columns; constants in, constant out.
pub(crate) fn evaluate(
    args: ScalarFunctionArgs,
    f: impl FnOnce(&[ArrayRef]) -> Result<ArrayRef>,
) -> datafusion_common::Result<ColumnarValue> {
    let constant = args.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
    let rows = if constant { 1 } else { args.number_rows };
    let arrays: Vec<ArrayRef> =
        args.args.into_iter().map(|argument| argument.into_array(rows)).collect::<datafusion_common::Result<_>>()?;
    let result = f(&arrays)?;
    if constant {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
    }
    Ok(ColumnarValue::Array(result))
}
