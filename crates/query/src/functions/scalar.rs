//! Scalar functions: the table of those that may be called, and the one adapter through which all of them are.
//!
//! Text functions are DataFusion's, called with exactly typed arguments; where DataFusion and PostgreSQL differ (rounding,
//! domain errors, dates, numerics) the function is ours. `coalesce`, `nullif`, `greatest` and `least` take any types that have a
//! common one; `analyze` turns the first two into CASE, because they must not evaluate what they do not need.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_schema::{DataType as Arrow, Field, FieldRef};
use datafusion_common::ScalarValue;
use datafusion_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion_functions::{core, math, string, unicode};
use monostable_types::DataType;

use super::signature::{Gives, Overload, Param, no_such_call, resolve};
use super::{arithmetic, datetime, decimal, evaluate};
use crate::error::{Error, Result};

const TEXT: Param = Param::Is(DataType::Text);
const INTEGER: Param = Param::Is(DataType::Integer);
const BIGINT: Param = Param::Is(DataType::BigInt);
const DOUBLE: Param = Param::Is(DataType::Double);

const fn call(params: &'static [Param], gives: DataType) -> Overload {
    Overload { params, optional: 0, variadic: false, gives: Gives::Is(gives) }
}

const fn optional(params: &'static [Param], optional: usize, gives: DataType) -> Overload {
    Overload { params, optional, variadic: false, gives: Gives::Is(gives) }
}

const TEXT_TO_TEXT: &[Overload] = &[call(&[TEXT], DataType::Text)];
const TEXT_TO_INTEGER: &[Overload] = &[call(&[TEXT], DataType::Integer)];
const TRIM: &[Overload] = &[optional(&[TEXT, TEXT], 1, DataType::Text)];
const PAD: &[Overload] = &[optional(&[TEXT, INTEGER, TEXT], 1, DataType::Text)];
const TEXT_COUNT: &[Overload] = &[call(&[TEXT, INTEGER], DataType::Text)];
const REPLACE: &[Overload] = &[call(&[TEXT, TEXT, TEXT], DataType::Text)];
const SUBSTRING: &[Overload] = &[optional(&[TEXT, INTEGER, INTEGER], 1, DataType::Text)];
const DOUBLES: &[Overload] = &[call(&[DOUBLE], DataType::Double)];
const TO_WHOLE: &[Overload] = &[
    Overload { params: &[Param::Numeric], optional: 0, variadic: false, gives: Gives::Whole },
    call(&[DOUBLE], DataType::Double),
];
const SAME_NUMBER: &[Overload] = &[
    call(&[Param::Is(DataType::SmallInt)], DataType::SmallInt),
    call(&[INTEGER], DataType::Integer),
    call(&[BIGINT], DataType::BigInt),
    Overload { params: &[Param::Numeric], optional: 0, variadic: false, gives: Gives::SameScale },
    call(&[Param::Is(DataType::Real)], DataType::Real),
    call(&[DOUBLE], DataType::Double),
];

/// How a function is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Body {
    /// By the function of that name in DataFusion.
    DataFusion,
    /// By DataFusion, and refused where a finite argument has no finite result.
    Finite,
    Abs,
    Sign,
    Ceil,
    Floor,
    /// One argument, or a numeric and a constant number of digits.
    Round,
    Trunc,
    Extract,
    DatePart,
    DateTrunc,
    MakeDate,
    /// `%`.
    Mod,
    Coalesce,
    NullIf,
    Greatest,
    Least,
}

/// The table: name, signatures, body.
const FUNCTIONS: &[(&str, &[Overload], Body)] = &[
    ("lower", TEXT_TO_TEXT, Body::DataFusion),
    ("upper", TEXT_TO_TEXT, Body::DataFusion),
    ("initcap", TEXT_TO_TEXT, Body::DataFusion),
    ("reverse", TEXT_TO_TEXT, Body::DataFusion),
    ("length", TEXT_TO_INTEGER, Body::DataFusion),
    ("char_length", TEXT_TO_INTEGER, Body::DataFusion),
    ("character_length", TEXT_TO_INTEGER, Body::DataFusion),
    ("octet_length", TEXT_TO_INTEGER, Body::DataFusion),
    ("bit_length", TEXT_TO_INTEGER, Body::DataFusion),
    ("ascii", TEXT_TO_INTEGER, Body::DataFusion),
    ("chr", &[call(&[INTEGER], DataType::Text)], Body::DataFusion),
    ("btrim", TRIM, Body::DataFusion),
    ("trim", TRIM, Body::DataFusion),
    ("ltrim", TRIM, Body::DataFusion),
    ("rtrim", TRIM, Body::DataFusion),
    ("lpad", PAD, Body::DataFusion),
    ("rpad", PAD, Body::DataFusion),
    ("left", TEXT_COUNT, Body::DataFusion),
    ("right", TEXT_COUNT, Body::DataFusion),
    ("repeat", TEXT_COUNT, Body::DataFusion),
    ("replace", REPLACE, Body::DataFusion),
    ("translate", REPLACE, Body::DataFusion),
    ("strpos", &[call(&[TEXT, TEXT], DataType::Integer)], Body::DataFusion),
    ("starts_with", &[call(&[TEXT, TEXT], DataType::Boolean)], Body::DataFusion),
    ("split_part", &[call(&[TEXT, TEXT, INTEGER], DataType::Text)], Body::DataFusion),
    ("substr", SUBSTRING, Body::DataFusion),
    ("substring", SUBSTRING, Body::DataFusion),
    (
        "concat",
        &[Overload { params: &[Param::AsText], optional: 0, variadic: true, gives: Gives::Is(DataType::Text) }],
        Body::DataFusion,
    ),
    (
        "concat_ws",
        &[Overload { params: &[TEXT, Param::AsText], optional: 0, variadic: true, gives: Gives::Is(DataType::Text) }],
        Body::DataFusion,
    ),
    ("abs", SAME_NUMBER, Body::Abs),
    ("sign", TO_WHOLE, Body::Sign),
    ("ceil", TO_WHOLE, Body::Ceil),
    ("ceiling", TO_WHOLE, Body::Ceil),
    ("floor", TO_WHOLE, Body::Floor),
    ("round", TO_WHOLE, Body::Round),
    ("trunc", TO_WHOLE, Body::Trunc),
    ("sqrt", DOUBLES, Body::Finite),
    ("cbrt", DOUBLES, Body::Finite),
    ("exp", DOUBLES, Body::Finite),
    ("ln", DOUBLES, Body::Finite),
    ("log10", DOUBLES, Body::Finite),
    ("sin", DOUBLES, Body::Finite),
    ("cos", DOUBLES, Body::Finite),
    ("tan", DOUBLES, Body::Finite),
    ("asin", DOUBLES, Body::Finite),
    ("acos", DOUBLES, Body::Finite),
    ("atan", DOUBLES, Body::Finite),
    ("degrees", DOUBLES, Body::Finite),
    ("radians", DOUBLES, Body::Finite),
    ("power", &[call(&[DOUBLE, DOUBLE], DataType::Double)], Body::Finite),
    ("pow", &[call(&[DOUBLE, DOUBLE], DataType::Double)], Body::Finite),
    ("atan2", &[call(&[DOUBLE, DOUBLE], DataType::Double)], Body::Finite),
    ("make_date", &[call(&[INTEGER, INTEGER, INTEGER], DataType::Date)], Body::MakeDate),
    ("extract", &[], Body::Extract),
    ("date_part", &[], Body::DatePart),
    ("date_trunc", &[], Body::DateTrunc),
    ("mod", &[], Body::Mod),
    ("coalesce", &[], Body::Coalesce),
    ("nullif", &[], Body::NullIf),
    ("greatest", &[], Body::Greatest),
    ("least", &[], Body::Least),
];

pub(crate) fn is_scalar(name: &str) -> bool {
    FUNCTIONS.iter().any(|(known, _, _)| *known == name)
}

/// One function that DataFusion can plan with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ScalarFunction {
    name: &'static str,
    pub(crate) body: Body,
    signature: Signature,
}

pub(crate) fn all() -> HashMap<&'static str, Arc<ScalarUDF>> {
    FUNCTIONS.iter().map(|(name, _, body)| (*name, function(name, *body))).collect()
}

fn function(name: &'static str, body: Body) -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(ScalarFunction { name, body, signature }))
}

/// The function of that name in the table.
pub(crate) fn named(name: &str) -> Option<Arc<ScalarUDF>> {
    FUNCTIONS.iter().find(|(known, _, _)| *known == name).map(|(name, _, body)| function(name, *body))
}

/// The DataFusion function that computes a function of ours.
fn datafusion(name: &str) -> Option<Arc<ScalarUDF>> {
    Some(match name {
        "lower" => string::lower(),
        "upper" => string::upper(),
        "initcap" => unicode::initcap(),
        "reverse" => unicode::reverse(),
        "length" | "char_length" | "character_length" => unicode::character_length(),
        "octet_length" => string::octet_length(),
        "bit_length" => string::bit_length(),
        "ascii" => string::ascii(),
        "chr" => string::chr(),
        "btrim" | "trim" => string::btrim(),
        "ltrim" => string::ltrim(),
        "rtrim" => string::rtrim(),
        "lpad" => unicode::lpad(),
        "rpad" => unicode::rpad(),
        "left" => unicode::left(),
        "right" => unicode::right(),
        "repeat" => string::repeat(),
        "replace" => string::replace(),
        "translate" => unicode::translate(),
        "strpos" => unicode::strpos(),
        "starts_with" => string::starts_with(),
        "split_part" => string::split_part(),
        "substr" | "substring" => unicode::substr(),
        "concat" => string::concat(),
        "concat_ws" => string::concat_ws(),
        "sqrt" => math::sqrt(),
        "cbrt" => math::cbrt(),
        "exp" => math::exp(),
        "ln" => math::ln(),
        "log10" => math::log10(),
        "sin" => math::sin(),
        "cos" => math::cos(),
        "tan" => math::tan(),
        "asin" => math::asin(),
        "acos" => math::acos(),
        "atan" => math::atan(),
        "atan2" => math::atan2(),
        "degrees" => math::degrees(),
        "radians" => math::radians(),
        "power" | "pow" => math::power(),
        "greatest" => core::greatest(),
        "least" => core::least(),
        _ => return None,
    })
}

fn types(arrow: &[Arrow]) -> Result<Vec<Option<DataType>>> {
    arrow
        .iter()
        .map(|arrow| match arrow {
            Arrow::Null => Ok(None),
            Arrow::UInt64 => Ok(Some(DataType::Numeric { precision: 20, scale: 0 })),
            other => Ok(Some(DataType::from_arrow(other)?)),
        })
        .collect()
}

impl ScalarFunction {
    /// What the call means, given the argument types and those arguments that are constants.
    pub(crate) fn resolve(
        &self,
        arguments: &[Option<DataType>],
        constants: &[Option<&ScalarValue>],
    ) -> Result<(Vec<DataType>, DataType)> {
        let unknown = || no_such_call(self.name, arguments);
        match self.body {
            Body::Round | Body::Trunc if arguments.len() == 2 => {
                let [Some(DataType::Numeric { precision, scale }), digits] = *arguments else { return Err(unknown()) };
                let digits_type = digits.unwrap_or(DataType::Integer);
                if !matches!(digits_type, DataType::SmallInt | DataType::Integer | DataType::BigInt) {
                    return Err(unknown());
                }
                let digits = digits_of(self.name, constants.get(1).copied().flatten())?;
                let result = DataType::Numeric { precision: 38, scale: digits.clamp(0, 38) as i8 };
                Ok((vec![DataType::Numeric { precision, scale }, digits_type], result))
            }
            Body::Extract | Body::DatePart => {
                let [_, Some(from)] = *arguments else { return Err(unknown()) };
                let field = field_of(self.name, constants.first().copied().flatten())?;
                let extracted = datetime::extract_type(field, from)?;
                let result = if self.body == Body::DatePart { DataType::Double } else { extracted };
                Ok((vec![DataType::Text, from], result))
            }
            Body::DateTrunc => {
                let [_, Some(from)] = *arguments else { return Err(unknown()) };
                field_of(self.name, constants.first().copied().flatten())?;
                let from = match from {
                    DataType::Date => DataType::TimestampTz,
                    DataType::Timestamp | DataType::TimestampTz => from,
                    _ => return Err(unknown()),
                };
                Ok((vec![DataType::Text, from], from))
            }
            Body::Mod => match *arguments {
                [left, right] => {
                    let result = crate::operators::modulo_type(left, right).ok_or_else(unknown)?;
                    Ok((vec![left.unwrap_or(result), right.unwrap_or(result)], result))
                }
                _ => Err(unknown()),
            },
            Body::Coalesce | Body::Greatest | Body::Least => {
                if arguments.is_empty() {
                    return Err(unknown());
                }
                let common = crate::operators::common_type(arguments)?.unwrap_or(DataType::Text);
                Ok((vec![common; arguments.len()], common))
            }
            Body::NullIf => match *arguments {
                [first, second] => {
                    let first = first.or(second).unwrap_or(DataType::Text);
                    Ok((vec![first, second.unwrap_or(first)], first))
                }
                _ => Err(unknown()),
            },
            // PostgreSQL computes these of a numeric exactly; in double precision only on request.
            Body::Finite if arguments.iter().any(|found| matches!(found, Some(DataType::Numeric { .. }))) => {
                Err(unknown())
            }
            _ => {
                let overloads = FUNCTIONS
                    .iter()
                    .find(|(name, _, _)| *name == self.name)
                    .map_or(&[][..], |(_, overloads, _)| *overloads);
                let resolved = resolve(self.name, overloads, arguments)?;
                Ok((resolved.arguments, resolved.result))
            }
        }
    }
}

/// The types of arguments among which literals are as the binder reads them.
fn as_bound(types: Vec<Option<DataType>>, constants: &[Option<&ScalarValue>]) -> Vec<Option<DataType>> {
    types
        .into_iter()
        .enumerate()
        .map(|(index, data_type)| match constants.get(index).copied().flatten() {
            Some(ScalarValue::Utf8(_)) => None,
            Some(ScalarValue::Int64(Some(value))) if i32::try_from(*value).is_ok() => Some(DataType::Integer),
            _ => data_type,
        })
        .collect()
}

fn digits_of(name: &str, constant: Option<&ScalarValue>) -> Result<i64> {
    let digits = match constant {
        Some(ScalarValue::Int16(Some(digits))) => Some(i64::from(*digits)),
        Some(ScalarValue::Int32(Some(digits))) => Some(i64::from(*digits)),
        Some(ScalarValue::Int64(Some(digits))) => Some(*digits),
        _ => None,
    };
    digits.ok_or_else(|| Error::not_supported(format!("{name}(numeric, digits) with digits that are not a constant")))
}

fn field_of<'a>(name: &str, constant: Option<&'a ScalarValue>) -> Result<&'a str> {
    match constant {
        Some(ScalarValue::Utf8(Some(field))) => Ok(field),
        _ => Err(Error::not_supported(format!("{name} with a field that is not a constant"))),
    }
}

impl ScalarUDFImpl for ScalarFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// `analyze` has cast the arguments; a call that takes none of these types was refused there.
    fn coerce_types(&self, arg_types: &[Arrow]) -> datafusion_common::Result<Vec<Arrow>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[Arrow]) -> datafusion_common::Result<Arrow> {
        let (_, result) = self.resolve(&types(arg_types)?, &[])?;
        Ok(result.to_arrow())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> datafusion_common::Result<FieldRef> {
        let arrow: Vec<Arrow> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let types = as_bound(types(&arrow)?, args.scalar_arguments);
        let (_, result) = self.resolve(&types, args.scalar_arguments).or_else(|error| {
            // The binder reads every whole number as bigint; `analyze` will settle the type of what contains it.
            let narrow = |data_type| if data_type == DataType::BigInt { DataType::Integer } else { data_type };
            let narrowed: Vec<_> = types.iter().map(|data_type| data_type.map(narrow)).collect();
            self.resolve(&narrowed, args.scalar_arguments).map_err(|_| error)
        })?;
        Ok(Arc::new(Field::new(self.name, result.to_arrow(), true)))
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        match (self.body, args) {
            (Body::Coalesce, [first, rest @ ..]) => Some((vec![first], rest.iter().collect())),
            _ => None,
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion_common::Result<ColumnarValue> {
        let result = DataType::from_arrow(args.return_field.data_type()).map_err(Error::from)?;
        match self.body {
            Body::DataFusion | Body::Finite | Body::Greatest | Body::Least => self.delegate(args, result),
            _ => evaluate(args, |arrays| compute(self.body, result, arrays)),
        }
    }
}

impl ScalarFunction {
    /// Calls the DataFusion function, and gives its result the declared type.
    fn delegate(&self, mut args: ScalarFunctionArgs, result: DataType) -> datafusion_common::Result<ColumnarValue> {
        let Some(inner) = datafusion(self.name) else {
            return Err(Error::Internal(format!("{} has no implementation", self.name)).into());
        };
        if matches!(
            self.name,
            "substr" | "substring" | "left" | "right" | "repeat" | "lpad" | "rpad" | "split_part" | "chr"
        ) {
            args = widen_integers(args)?;
        }
        let inputs: Vec<ColumnarValue> = args.args.clone();
        let rows = args.number_rows;
        let scalars: Vec<Option<&ScalarValue>> = inputs
            .iter()
            .map(|input| match input {
                ColumnarValue::Scalar(value) => Some(value),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let returned = ReturnFieldArgs { arg_fields: &args.arg_fields, scalar_arguments: &scalars };
        args.return_field = inner.return_field_from_args(returned)?;
        let mut value = match inner.invoke_with_args(args) {
            Err(_) if self.body == Body::Finite => return Err(domain_error(self.name).into()),
            other => other?,
        };
        if value.data_type() != result.to_arrow() {
            value = value.cast_to(&result.to_arrow(), None)?;
        }
        if self.body == Body::Finite {
            check_finite(self.name, &inputs, &value, rows)?;
        }
        Ok(value)
    }
}

/// DataFusion counts characters in 64 bits.
fn widen_integers(mut args: ScalarFunctionArgs) -> datafusion_common::Result<ScalarFunctionArgs> {
    for (value, field) in args.args.iter_mut().zip(&mut args.arg_fields) {
        if field.data_type() == &Arrow::Int32 {
            *value = value.cast_to(&Arrow::Int64, None)?;
            *field = Arc::new(Field::new(field.name(), Arrow::Int64, true));
        }
    }
    Ok(args)
}

/// PostgreSQL has no NaN and no infinity where the arguments have none.
fn check_finite(
    name: &str,
    inputs: &[ColumnarValue],
    result: &ColumnarValue,
    rows: usize,
) -> datafusion_common::Result<()> {
    let inputs: Vec<ArrayRef> =
        inputs.iter().map(|input| input.clone().into_array(rows)).collect::<datafusion_common::Result<_>>()?;
    let result = result.clone().into_array(rows)?;
    let result = result.as_primitive::<Float64Type>();
    for row in 0..result.len() {
        if result.is_null(row) || result.value(row).is_finite() {
            continue;
        }
        let finite = inputs.iter().all(|input| {
            input
                .as_primitive_opt::<Float64Type>()
                .is_none_or(|values| values.is_null(row) || values.value(row).is_finite())
        });
        if finite {
            return Err(domain_error(name).into());
        }
    }
    Ok(())
}

fn domain_error(name: &str) -> Error {
    match name {
        "ln" | "log10" => Error::data("2201E", "cannot take logarithm of zero or a negative number"),
        "sqrt" => Error::data("2201F", "cannot take square root of a negative number"),
        "power" | "pow" => Error::data("2201F", "the power has no finite value"),
        "exp" => Error::data("22003", "value out of range: overflow"),
        _ => Error::data("22003", "input is out of range"),
    }
}

fn compute(body: Body, result: DataType, arrays: &[ArrayRef]) -> Result<ArrayRef> {
    match (body, arrays) {
        (Body::Abs, [operand]) => abs(operand, result),
        (Body::Sign, [operand]) => number(
            operand,
            result,
            |v| {
                if v.is_nan() {
                    v
                } else if v == 0.0 {
                    0.0
                } else {
                    v.signum()
                }
            },
            |v, _| v.signum(),
        ),
        (Body::Ceil, [operand]) => {
            number(operand, result, f64::ceil, |v, unit| v.div_euclid(unit) + i128::from(v.rem_euclid(unit) != 0))
        }
        (Body::Floor, [operand]) => number(operand, result, f64::floor, |v, unit| v.div_euclid(unit)),
        (Body::Trunc, [operand]) => number(operand, result, f64::trunc, |v, unit| v / unit),
        (Body::Round, [operand]) => number(operand, result, f64::round_ties_even, decimal::divide_half_away),
        (Body::Round, [operand, digits]) => to_digits(operand, digits, result, decimal::divide_half_away),
        (Body::Trunc, [operand, digits]) => to_digits(operand, digits, result, |v, unit| v / unit),
        (Body::Extract, [field, operand]) => datetime::extract(field, operand, result),
        (Body::DatePart, [field, operand]) => datetime::date_part(field, operand),
        (Body::DateTrunc, [field, operand]) => datetime::date_trunc(field, operand),
        (Body::MakeDate, [year, month, day]) => datetime::make_date(year, month, day),
        _ => Err(Error::Internal(format!("{body:?} was not rewritten before evaluation"))),
    }
}

fn abs(operand: &ArrayRef, result: DataType) -> Result<ArrayRef> {
    macro_rules! integers {
        ($type:ty) => {{
            let values = operand.as_primitive::<$type>();
            let abs: PrimitiveArray<$type> = values
                .iter()
                .map(|v| v.map(|v| v.checked_abs().ok_or_else(|| arithmetic::out_of_range(result))).transpose())
                .collect::<Result<_>>()?;
            Arc::new(abs) as ArrayRef
        }};
    }
    Ok(match operand.data_type() {
        Arrow::Int16 => integers!(Int16Type),
        Arrow::Int32 => integers!(Int32Type),
        Arrow::Int64 => integers!(Int64Type),
        Arrow::Float32 => Arc::new(operand.as_primitive::<Float32Type>().unary::<_, Float32Type>(f32::abs)),
        Arrow::Float64 => Arc::new(operand.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::abs)),
        Arrow::Decimal128(..) => {
            let abs = operand.as_primitive::<Decimal128Type>().unary::<_, Decimal128Type>(i128::abs);
            Arc::new(abs.with_data_type(result.to_arrow()))
        }
        other => return Err(Error::Internal(format!("abs of {other}"))),
    })
}

/// A double by `float`; a numeric by `whole` of the unscaled value and the power of ten that is one.
fn number(
    operand: &ArrayRef,
    result: DataType,
    float: impl Fn(f64) -> f64,
    whole: impl Fn(i128, i128) -> i128,
) -> Result<ArrayRef> {
    match operand.data_type() {
        Arrow::Float64 => Ok(Arc::new(operand.as_primitive::<Float64Type>().unary::<_, Float64Type>(float))),
        Arrow::Decimal128(_, scale) => {
            let unit = 10_i128.pow(u32::from(scale.unsigned_abs()));
            let values = operand.as_primitive::<Decimal128Type>().unary::<_, Decimal128Type>(|v| whole(v, unit));
            Ok(Arc::new(values.with_data_type(result.to_arrow())))
        }
        other => Err(Error::Internal(format!("rounding of {other}"))),
    }
}

/// A numeric to a constant number of digits after the point, or before it if that is negative.
fn to_digits(
    operand: &ArrayRef,
    digits: &ArrayRef,
    result: DataType,
    whole: impl Fn(i128, i128) -> i128,
) -> Result<ArrayRef> {
    let (Arrow::Decimal128(_, from), DataType::Numeric { scale: to, .. }) = (operand.data_type(), result) else {
        return Err(Error::Internal(format!("rounding of {}", operand.data_type())));
    };
    let from = i64::from(*from);
    let digits = arrow_cast::cast(digits, &Arrow::Int64)?;
    let digits = digits.as_primitive::<Int64Type>();
    let values = operand.as_primitive::<Decimal128Type>();
    let round = |value: i128, digits: i64| -> Result<i128> {
        let dropped = from - digits;
        let kept = match u32::try_from(dropped) {
            Err(_) | Ok(0) => value,
            Ok(dropped) if dropped > 38 => 0,
            Ok(dropped) => {
                let unit = 10_i128.pow(dropped);
                whole(value, unit) * unit
            }
        };
        decimal::rescale(kept, from as i8, to)
    };
    let rounded: PrimitiveArray<Decimal128Type> = values
        .iter()
        .zip(digits.iter())
        .map(|pair| match pair {
            (Some(value), Some(digits)) => round(value, digits).map(Some),
            _ => Ok(None),
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(rounded.with_data_type(result.to_arrow())))
}
