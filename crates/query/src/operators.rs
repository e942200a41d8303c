//! Operators: which types `a + b` or `a < b` takes, by PostgreSQL's rules.
//!
//! The binder asks here for every binary operator ([`Operators`]), before it would apply DataFusion's own rules. Operands get
//! explicit casts to the types of the operator that is meant; arithmetic becomes a call of [`ArithmeticFunction`], so that
//! nothing downstream can evaluate it in another way. A text literal, a NULL and an untyped parameter take the type of the
//! other side; a text column does not.
//!
//! Invariant: what comes out is unchanged when it goes in again (`analyze` applies the same rules once more, for operators that
//! the binder builds itself).

use std::sync::Arc;

use arrow_schema::{DataType as Arrow, Field};
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::expr::{Placeholder, ScalarFunction};
use datafusion_expr::planner::{ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr};
use datafusion_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use datafusion_sql::sqlparser::ast::BinaryOperator;
use monostable_types::DataType;

use crate::error::{Error, Result};
use crate::functions::arithmetic::{Arithmetic, ArithmeticFunction};
use crate::functions::cast::{CastFunction, cast, cast_untyped, is_implicit};
use crate::functions::{decimal, scalar, span};

/// Digits after the point of a parameter that stands beside a numeric.
const PARAMETER_SCALE: i8 = 18;

/// An operand, with its type if it has one of its own.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub(crate) expr: Expr,
    /// None for NULL, for a text literal, and for a parameter whose type nothing has settled.
    pub(crate) data_type: Option<DataType>,
}

impl Operand {
    /// Types an operand over the columns of `schema`, and gives numeric literals their PostgreSQL types.
    pub(crate) fn new(expr: Expr, schema: &DFSchema) -> Result<Operand> {
        let expr = settle_literal(expr);
        let untyped = match &expr {
            Expr::Literal(value, _) => {
                value.is_null() && value.data_type() == Arrow::Null || matches!(value, ScalarValue::Utf8(_))
            }
            Expr::Placeholder(placeholder) => placeholder.field.is_none(),
            _ => false,
        };
        if untyped {
            return Ok(Operand { expr, data_type: None });
        }
        if let Some(data_type) = evident_type(&expr) {
            return Ok(Operand { expr, data_type: Some(data_type) });
        }
        match expr.get_type(schema)? {
            Arrow::Null => Ok(Operand { expr, data_type: None }),
            arrow => Ok(Operand { expr, data_type: Some(DataType::from_arrow(&arrow)?) }),
        }
    }

    /// The operand as a value of `to`.
    pub(crate) fn into_type(self, to: DataType) -> Expr {
        match (self.expr, self.data_type) {
            (Expr::Placeholder(Placeholder { id, field: None }), _) => {
                let field = Arc::new(Field::new(&id, parameter_type(to).to_arrow(), true));
                cast(Expr::Placeholder(Placeholder { id, field: Some(field) }), parameter_type(to), to)
            }
            (expr, Some(from)) => cast(expr, from, to),
            (expr, None) => cast_untyped(expr, to),
        }
    }

    /// The type that an untyped operand takes beside one of type `other`: a numeric text keeps its own digits.
    fn type_beside(&self, other: DataType) -> DataType {
        match (&self.expr, other) {
            (Expr::Literal(ScalarValue::Utf8(Some(text)), _), DataType::Numeric { .. }) => {
                numeric_text(text).unwrap_or(other)
            }
            (Expr::Placeholder(_), numeric @ DataType::Numeric { .. }) => parameter_type(numeric),
            _ => other,
        }
    }
}

/// The type of an expression that says it at its root. DataFusion would ask all that is below, at every level again.
fn evident_type(expr: &Expr) -> Option<DataType> {
    match expr {
        Expr::ScalarFunction(call) => {
            let implementation = call.func.inner();
            let implementation = implementation.as_ref() as &dyn std::any::Any;
            let arithmetic = implementation.downcast_ref::<ArithmeticFunction>().map(|function| function.result);
            arithmetic.or_else(|| implementation.downcast_ref::<CastFunction>().map(|function| function.to))
        }
        Expr::BinaryExpr(BinaryExpr { op: Operator::StringConcat, .. }) => Some(DataType::Text),
        Expr::BinaryExpr(_) => Some(DataType::Boolean),
        _ => None,
    }
}

fn numeric_text(text: &str) -> Option<DataType> {
    let (_, scale) = crate::dml::assign::parse_decimal(text.trim())?;
    let scale = i8::try_from(scale.max(0)).ok().filter(|scale| *scale <= 38)?;
    Some(DataType::Numeric { precision: 38, scale })
}

fn parameter_type(beside: DataType) -> DataType {
    match beside {
        DataType::Numeric { scale, .. } => DataType::Numeric { precision: 38, scale: scale.max(PARAMETER_SCALE) },
        other => other,
    }
}

/// The binder reads whole numbers as bigint; PostgreSQL as integer where they fit, and as numeric where bigint is too small.
pub(crate) fn settle_literal(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(value) {
            Ok(small) => Expr::Literal(ScalarValue::Int32(Some(small)), metadata),
            Err(_) => Expr::Literal(ScalarValue::Int64(Some(value)), metadata),
        },
        Expr::Literal(ScalarValue::UInt64(Some(value)), metadata) => {
            Expr::Literal(ScalarValue::Decimal128(Some(i128::from(value)), 20, 0), metadata)
        }
        // `1e2` is read with a negative scale.
        Expr::Literal(ScalarValue::Decimal128(Some(value), _, scale), metadata) if scale < 0 => {
            let whole = 10_i128.checked_pow(u32::from(scale.unsigned_abs())).and_then(|power| value.checked_mul(power));
            match whole {
                Some(whole) => Expr::Literal(ScalarValue::Decimal128(Some(whole), 38, 0), metadata),
                None => Expr::Literal(ScalarValue::Decimal128(Some(value), 38, scale), metadata),
            }
        }
        other => other,
    }
}

/// The hook into the binder.
#[derive(Debug)]
pub(crate) struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(
        &self,
        raw: RawBinaryExpr,
        schema: &DFSchema,
    ) -> datafusion_common::Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = raw;
        let (left, right) = (settle_operand(left, schema)?, settle_operand(right, schema)?);
        if matches!(op, BinaryOperator::And | BinaryOperator::Or) {
            let op = if op == BinaryOperator::And { Operator::And } else { Operator::Or };
            return Ok(PlannerResult::Planned(logical(op, left, right, schema)?));
        }
        let (left, right) = (Operand::new(left, schema)?, Operand::new(right, schema)?);
        let planned = match op {
            BinaryOperator::Plus => arithmetic(Arithmetic::Add, left, right),
            BinaryOperator::Minus => arithmetic(Arithmetic::Subtract, left, right),
            BinaryOperator::Multiply => arithmetic(Arithmetic::Multiply, left, right),
            BinaryOperator::Divide => arithmetic(Arithmetic::Divide, left, right),
            BinaryOperator::Modulo => arithmetic(Arithmetic::Modulo, left, right),
            BinaryOperator::StringConcat => concat(left, right),
            BinaryOperator::Eq => comparison(Operator::Eq, left, right),
            BinaryOperator::NotEq => comparison(Operator::NotEq, left, right),
            BinaryOperator::Lt => comparison(Operator::Lt, left, right),
            BinaryOperator::LtEq => comparison(Operator::LtEq, left, right),
            BinaryOperator::Gt => comparison(Operator::Gt, left, right),
            BinaryOperator::GtEq => comparison(Operator::GtEq, left, right),
            other => Err(Error::not_supported(format!("operator {other}"))),
        };
        Ok(PlannerResult::Planned(planned?))
    }

    fn plan_aggregate(&self, raw: RawAggregateExpr) -> datafusion_common::Result<PlannerResult<RawAggregateExpr>> {
        let RawAggregateExpr { func, mut args, distinct, filter, order_by, null_treatment } = raw;
        #[expect(deprecated, reason = "the binder still writes the star of count(*) so")]
        let is_star = matches!(args.as_slice(), [Expr::Wildcard { .. }]);
        if is_star {
            if distinct {
                return Err(Error::Syntax("DISTINCT cannot be applied to *".to_string()).into());
            }
            args = vec![Expr::Literal(ScalarValue::Int32(Some(1)), None)];
        }
        Ok(PlannerResult::Original(RawAggregateExpr { func, args, distinct, filter, order_by, null_treatment }))
    }

    fn plan_extract(&self, args: Vec<Expr>) -> datafusion_common::Result<PlannerResult<Vec<Expr>>> {
        call("extract", args)
    }

    fn plan_position(&self, args: Vec<Expr>) -> datafusion_common::Result<PlannerResult<Vec<Expr>>> {
        call("strpos", args)
    }

    fn plan_substring(&self, args: Vec<Expr>) -> datafusion_common::Result<PlannerResult<Vec<Expr>>> {
        call("substr", args)
    }
}

/// Settles the types of an operand that was not built here, so that its literals do not widen the operator.
fn settle_operand(expr: Expr, schema: &DFSchema) -> datafusion_common::Result<Expr> {
    let settled = match &expr {
        Expr::BinaryExpr(_) | Expr::Column(_) | Expr::Literal(..) | Expr::Placeholder(_) => true,
        Expr::ScalarFunction(call) => {
            let implementation = call.func.inner();
            !(implementation.as_ref() as &dyn std::any::Any).is::<scalar::ScalarFunction>()
        }
        Expr::Case(_) | Expr::Cast(_) | Expr::Negative(_) | Expr::Between(_) | Expr::InList(_) | Expr::Like(_) => false,
        _ => true,
    };
    if settled { Ok(expr) } else { crate::analyze::settle(expr, schema) }
}

fn call(name: &str, args: Vec<Expr>) -> datafusion_common::Result<PlannerResult<Vec<Expr>>> {
    match scalar::named(name) {
        Some(function) => Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(function, args)))),
        None => Ok(PlannerResult::Original(args)),
    }
}

/// AND and OR take booleans, and nothing else.
pub(crate) fn logical(op: Operator, left: Expr, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let mut sides = Vec::new();
    for side in [left, right] {
        let operand = Operand::new(side, schema)?;
        match operand.data_type {
            Some(DataType::Boolean) | None => sides.push(operand.into_type(DataType::Boolean)),
            Some(other) => {
                let message = format!("argument of {op} must be type boolean, not type {other}");
                return Err(Error::DatatypeMismatch(message));
            }
        }
    }
    match (sides.pop(), sides.pop()) {
        (Some(right), Some(left)) => Ok(binary(op, left, right)),
        _ => Err(Error::Internal("an operator lost its operands".to_string())),
    }
}

fn binary(op: Operator, left: Expr, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

fn type_name(data_type: Option<DataType>) -> String {
    data_type.map_or_else(|| "unknown".to_string(), DataType::sql_name)
}

fn no_operator(symbol: &str, left: Option<DataType>, right: Option<DataType>) -> Error {
    Error::UndefinedOperator(format!("operator does not exist: {} {symbol} {}", type_name(left), type_name(right)))
}

/// The type to which both sides of a comparison are cast; `None` if they do not compare.
pub(crate) fn comparison_type(left: DataType, right: DataType) -> Option<DataType> {
    if left == right {
        return Some(left);
    }
    common_number(left, right).or_else(|| {
        let wider = if is_implicit(left, right) { right } else { left };
        (is_implicit(left, wider) && is_implicit(right, wider)).then_some(wider)
    })
}

/// A comparison with both sides of one type.
pub(crate) fn comparison(op: Operator, left: Operand, right: Operand) -> Result<Expr> {
    let types = (left.data_type, right.data_type);
    let common = match types {
        (Some(l), Some(r)) => comparison_type(l, r).ok_or_else(|| no_operator(&op.to_string(), Some(l), Some(r)))?,
        (Some(l), None) => beside(&right, l),
        (None, Some(r)) => beside(&left, r),
        (None, None) => DataType::Text,
    };
    let (left, right) = (left.into_type(common), right.into_type(common));
    if common == DataType::Interval {
        return Ok(binary(op, span::length(left), span::length(right)));
    }
    Ok(binary(op, left, right))
}

/// The type that an untyped operand takes beside one of type `known`, widened so that both fit.
pub(crate) fn beside(operand: &Operand, known: DataType) -> DataType {
    comparison_type(known, operand.type_beside(known)).unwrap_or(known)
}

/// The type of `mod(left, right)`.
pub(crate) fn modulo_type(left: Option<DataType>, right: Option<DataType>) -> Option<DataType> {
    let (left, right) = (left.or(right)?, right.or(left)?);
    numbers(Arithmetic::Modulo, left, right).map(|plan| plan.result)
}

/// The one type of several branches (CASE, UNION, coalesce, IN): the type of the first, widened by the others. `None` if no
/// branch has a type.
pub(crate) fn common_type(types: &[Option<DataType>]) -> Result<Option<DataType>> {
    let mut common: Option<DataType> = None;
    for data_type in types.iter().flatten() {
        common = Some(match common {
            None => *data_type,
            Some(known) => comparison_type(known, *data_type).ok_or_else(|| {
                Error::DatatypeMismatch(format!(
                    "types {known} and {data_type} cannot be matched; add explicit type casts"
                ))
            })?,
        });
    }
    Ok(common)
}

fn is_integer(data_type: DataType) -> bool {
    matches!(data_type, DataType::SmallInt | DataType::Integer | DataType::BigInt)
}

/// A number type that holds the values of both; floats win over numeric, as in PostgreSQL.
fn common_number(left: DataType, right: DataType) -> Option<DataType> {
    use DataType::{BigInt, Double, Integer, Numeric, Real, SmallInt};
    let number = |data_type| is_integer(data_type) || matches!(data_type, Numeric { .. } | Real | Double);
    if !number(left) || !number(right) {
        return None;
    }
    Some(match (left, right) {
        (Real, Real) => Real,
        (Real | Double, _) | (_, Real | Double) => Double,
        (Numeric { .. }, _) | (_, Numeric { .. }) => {
            let ((p, s), (q, t)) = (digits(left), digits(right));
            let scale = s.max(t);
            let whole = (p - s).max(q - t);
            Numeric { precision: (whole + scale).clamp(1, 38) as u8, scale }
        }
        (BigInt, _) | (_, BigInt) => BigInt,
        (Integer, _) | (_, Integer) => Integer,
        _ => SmallInt,
    })
}

/// Precision and scale of an integer type or of a numeric.
fn digits(data_type: DataType) -> (i8, i8) {
    match data_type {
        DataType::SmallInt => (5, 0),
        DataType::Integer => (10, 0),
        DataType::BigInt => (19, 0),
        DataType::Numeric { precision, scale } => (precision as i8, scale),
        _ => (38, 0),
    }
}

/// `left op right`, as a function of exactly typed arguments.
pub(crate) fn arithmetic(op: Arithmetic, left: Operand, right: Operand) -> Result<Expr> {
    let (l, r) = match (left.data_type, right.data_type) {
        (Some(l), Some(r)) => (l, r),
        (Some(l), None) => (l, unknown_beside(op, &right, l, true)?),
        (None, Some(r)) => (unknown_beside(op, &left, r, false)?, r),
        (None, None) => return Err(no_operator(op.symbol(), None, None)),
    };
    let plan =
        numbers(op, l, r).or_else(|| times(op, l, r)).ok_or_else(|| no_operator(op.symbol(), Some(l), Some(r)))?;
    let (left, right) = (left.into_type(plan.left), right.into_type(plan.right));
    let args = if plan.swapped { vec![right, left] } else { vec![left, right] };
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(ArithmeticFunction::udf(op, plan.result), args)))
}

/// What an untyped operand is taken for: the same type, or what the operator of the other side alone takes.
fn unknown_beside(op: Arithmetic, operand: &Operand, other: DataType, on_the_right: bool) -> Result<DataType> {
    use DataType::{Date, Double, Interval, Time, Timestamp, TimestampTz};
    let ambiguous = || {
        let (left, right) = if on_the_right { (Some(other), None) } else { (None, Some(other)) };
        let (left, right) = (type_name(left), type_name(right));
        Error::UndefinedOperator(format!("operator is not unique: {left} {} {right}", op.symbol()))
    };
    Ok(match (op, other) {
        (Arithmetic::Add, Timestamp | TimestampTz | Time) => Interval,
        (Arithmetic::Add, Date) => return Err(ambiguous()),
        (Arithmetic::Multiply | Arithmetic::Divide, Interval) if on_the_right => Double,
        (Arithmetic::Multiply, Interval) => Double,
        _ => operand.type_beside(other),
    })
}

/// Types of an operator's arguments and result. `swapped`: the function takes them in the other order.
struct Plan {
    left: DataType,
    right: DataType,
    result: DataType,
    swapped: bool,
}

fn plan(left: DataType, right: DataType, result: DataType) -> Option<Plan> {
    Some(Plan { left, right, result, swapped: false })
}

fn numbers(op: Arithmetic, left: DataType, right: DataType) -> Option<Plan> {
    let common = common_number(left, right)?;
    match common {
        DataType::Numeric { .. } => {
            let exact = |data_type: DataType| match data_type {
                DataType::Numeric { .. } => data_type,
                integer => DataType::Numeric { precision: digits(integer).0 as u8, scale: 0 },
            };
            let (left, right) = (exact(left), exact(right));
            let scale = decimal::result_scale(op, digits(left).1, digits(right).1);
            plan(left, right, DataType::Numeric { precision: 38, scale })
        }
        DataType::Real | DataType::Double if op == Arithmetic::Modulo => None,
        _ => plan(common, common, common),
    }
}

fn times(op: Arithmetic, left: DataType, right: DataType) -> Option<Plan> {
    use Arithmetic::{Add, Divide, Multiply, Subtract};
    use DataType::{Date, Double, Integer, Interval, SmallInt, Time, Timestamp, TimestampTz};
    let number =
        |data_type| is_integer(data_type) || matches!(data_type, DataType::Numeric { .. } | DataType::Real | Double);
    match (op, left, right) {
        (Add | Subtract, Date, Integer | SmallInt) => plan(Date, Integer, Date),
        (Subtract, Date, Date) => plan(Date, Date, Integer),
        (Add | Subtract, Date, Interval) => plan(Timestamp, Interval, Timestamp),
        (Add, Date, Time) => plan(Date, Time, Timestamp),
        (Add | Subtract, Timestamp | TimestampTz, Interval) => plan(left, Interval, left),
        (Subtract, Timestamp, Timestamp | Date) | (Subtract, Date, Timestamp) => plan(Timestamp, Timestamp, Interval),
        (Subtract, TimestampTz, Timestamp | TimestampTz | Date) | (Subtract, Timestamp | Date, TimestampTz) => {
            plan(TimestampTz, TimestampTz, Interval)
        }
        (Add | Subtract, Time, Interval) => plan(Time, Interval, Time),
        (Subtract, Time, Time) => plan(Time, Time, Interval),
        (Add | Subtract, Interval, Interval) => plan(Interval, Interval, Interval),
        (Multiply | Divide, Interval, factor) if number(factor) => plan(Interval, Double, Interval),
        (Add, Integer | SmallInt | Interval | Time, Date)
        | (Add, Interval, Timestamp | TimestampTz | Time)
        | (Multiply, _, Interval) => {
            let mirrored = times(op, right, left)?;
            Some(Plan { left: mirrored.right, right: mirrored.left, result: mirrored.result, swapped: true })
        }
        _ => None,
    }
}

/// `-operand`.
pub(crate) fn negate(operand: Operand) -> Result<Expr> {
    let data_type = match operand.data_type {
        Some(known) if is_integer(known) => known,
        Some(known @ (DataType::Real | DataType::Double | DataType::Numeric { .. } | DataType::Interval)) => known,
        other => return Err(Error::UndefinedOperator(format!("operator does not exist: - {}", type_name(other)))),
    };
    let function = ArithmeticFunction::udf(Arithmetic::Negate, data_type);
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![operand.into_type(data_type)])))
}

/// `left || right`: text, of which one side may be of another type.
fn concat(left: Operand, right: Operand) -> Result<Expr> {
    let text = |operand: &Operand| matches!(operand.data_type, None | Some(DataType::Text));
    if !text(&left) && !text(&right) {
        return Err(no_operator("||", left.data_type, right.data_type));
    }
    if left.data_type == Some(DataType::Bytea) || right.data_type == Some(DataType::Bytea) {
        return Err(Error::not_supported("operator || on bytea"));
    }
    Ok(binary(Operator::StringConcat, left.into_type(DataType::Text), right.into_type(DataType::Text)))
}
