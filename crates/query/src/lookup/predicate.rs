//! What a WHERE clause says about single columns: equalities, lists and bounds that the order of an arrangement can answer.
//!
//! It recognises; it does not choose an arrangement and it never changes a predicate. Whatever it does not recognise stays
//! in the residual filter, so that missing a form costs time and never rows.
//!
//! Invariant: a conjunct is only recognised if the byte order of the row codec and the evaluator decide it alike for every
//! stored value. So the constant has exactly the column's type (no cast could round it), intervals are left alone (PostgreSQL
//! compares them by length, Arrow field by field), and so are negative zero and NaN, which the codec folds.
//!
//! Cost: one walk over the predicate, at planning. Caller: `lookup`.

use datafusion_common::DFSchema;
use datafusion_expr::expr::InList;
use datafusion_expr::utils::split_conjunction;
use datafusion_expr::{Between, BinaryExpr, Expr, Operator};
use monostable_types::{DataType, Value};

use crate::statement::parameters::{number, value_of};

/// What a column is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    /// A constant of the column's type; comparing with NULL is never true.
    Constant(Value),
    /// The parameter at this index (counted from 0), of the column's type.
    Parameter(usize),
    /// `IS NULL`, the one comparison that NULL satisfies.
    IsNull,
}

/// One side of a range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limit {
    pub(crate) operand: Operand,
    pub(crate) inclusive: bool,
}

/// What a conjunct says about its column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Restriction {
    /// The column equals one of these.
    OneOf(Vec<Operand>),
    /// The column is above the limit.
    Above(Limit),
    /// The column is below the limit.
    Below(Limit),
    /// The column is between the limits.
    Between(Limit, Limit),
}

/// One term of the AND that a WHERE clause is.
#[derive(Clone, Debug)]
pub(crate) struct Conjunct {
    /// The term, for the residual filter.
    pub(crate) expr: Expr,
    /// The column (an index into the scan's schema) and what is said about it, if that was recognised.
    pub(crate) restriction: Option<(usize, Restriction)>,
}

/// Splits a predicate over rows of `schema`, whose columns have the given types.
pub(crate) fn conjuncts(predicate: &Expr, schema: &DFSchema, types: &[DataType]) -> Vec<Conjunct> {
    let terms = Terms { schema, types };
    split_conjunction(predicate)
        .into_iter()
        .map(|expr| Conjunct { expr: expr.clone(), restriction: terms.recognise(expr) })
        .collect()
}

struct Terms<'a> {
    schema: &'a DFSchema,
    types: &'a [DataType],
}

impl Terms<'_> {
    fn recognise(&self, expr: &Expr) -> Option<(usize, Restriction)> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => self.either(left, right),
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match self.column(left) {
                Some(column) => self.compare(column, *op, right),
                None => self.compare(self.column(right)?, op.swap()?, left),
            },
            Expr::Between(Between { expr, negated: false, low, high }) => {
                let column = self.column(expr)?;
                let limit = |side| Some(Limit { operand: self.operand(column, side)?, inclusive: true });
                Some((column, Restriction::Between(limit(low)?, limit(high)?)))
            }
            Expr::InList(InList { expr, list, negated: false }) => {
                let column = self.column(expr)?;
                let operands = list.iter().map(|item| self.operand(column, item)).collect::<Option<_>>()?;
                Some((column, Restriction::OneOf(operands)))
            }
            Expr::IsNull(expr) => Some((self.column(expr)?, Restriction::OneOf(vec![Operand::IsNull]))),
            _ => None,
        }
    }

    /// `a = 1 OR a = 2` is a list, which is how short lists are written by the simplifier.
    fn either(&self, left: &Expr, right: &Expr) -> Option<(usize, Restriction)> {
        match (self.recognise(left)?, self.recognise(right)?) {
            ((left, Restriction::OneOf(mut operands)), (right, Restriction::OneOf(more))) if left == right => {
                operands.extend(more);
                Some((left, Restriction::OneOf(operands)))
            }
            _ => None,
        }
    }

    fn compare(&self, column: usize, op: Operator, other: &Expr) -> Option<(usize, Restriction)> {
        let operand = self.operand(column, other)?;
        let restriction = match op {
            Operator::Eq => Restriction::OneOf(vec![operand]),
            Operator::Lt => Restriction::Below(Limit { operand, inclusive: false }),
            Operator::LtEq => Restriction::Below(Limit { operand, inclusive: true }),
            Operator::Gt => Restriction::Above(Limit { operand, inclusive: false }),
            Operator::GtEq => Restriction::Above(Limit { operand, inclusive: true }),
            _ => return None,
        };
        Some((column, restriction))
    }

    fn column(&self, expr: &Expr) -> Option<usize> {
        match expr {
            Expr::Column(column) => self.schema.maybe_index_of_column(column),
            _ => None,
        }
    }

    fn operand(&self, column: usize, expr: &Expr) -> Option<Operand> {
        let data_type = *self.types.get(column)?;
        if data_type == DataType::Interval {
            return None;
        }
        match expr {
            Expr::Literal(scalar, _) => {
                let (value, constant_type) = value_of(scalar).ok()?;
                (constant_type == data_type && !is_folded(&value)).then_some(Operand::Constant(value))
            }
            Expr::Placeholder(placeholder) => {
                let field = placeholder.field.as_ref()?;
                let same = DataType::from_arrow(field.data_type()).is_ok_and(|parameter| parameter == data_type);
                // Negative zero and NaN are folded when values are bound, so parameters need no check here.
                same.then(|| number(&placeholder.id).ok().map(|number| Operand::Parameter(number - 1)))?
            }
            _ => None,
        }
    }
}

/// Whether the row codec stores the value as another one.
fn is_folded(value: &Value) -> bool {
    match value {
        Value::Real(v) => v.is_nan() || (*v == 0.0 && v.is_sign_negative()),
        Value::Double(v) => v.is_nan() || (*v == 0.0 && v.is_sign_negative()),
        _ => false,
    }
}
