//! Conditions that need no evaluator: conjunctions of `column op literal`, `column IS [NOT] NULL`, `column` and `NOT column`.
//!
//! Crate `view` decides them on encoded rows. They are found in the bound and simplified expression, where both sides of a
//! comparison have one type. Everything else, and every conjunction that has anything else in it, is evaluated.
//!
//! Invariant: a row passes the tests if and only if the condition is true for it; NULL counts as not true.
//!
//! Cost: linear in the expression. Callers: `compile`.

use datafusion_common::DFSchema;
use datafusion_expr::{BinaryExpr, Expr, Operator};
use monostable_types::{DataType, Value};
use monostable_view::Conjunct;
use monostable_view::expression::Comparison;

use super::{literal, operands_of};

/// The tests of a condition, if it is a conjunction of tests.
pub(super) fn of(expr: &Expr, schema: &DFSchema) -> Option<Vec<Conjunct>> {
    operands_of(expr, Operator::And).into_iter().map(|operand| test(operand, schema)).collect()
}

fn test(expr: &Expr, schema: &DFSchema) -> Option<Conjunct> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let comparison = comparison(*op)?;
            compare(left, comparison, right, schema).or_else(|| compare(right, comparison.mirrored(), left, schema))
        }
        Expr::IsNull(operand) => Some(Conjunct::Null { column: column(operand, schema)?.0 }),
        Expr::IsNotNull(operand) => Some(Conjunct::NotNull { column: column(operand, schema)?.0 }),
        Expr::Not(operand) => boolean(operand, false, schema),
        Expr::Column(_) => boolean(expr, true, schema),
        _ => None,
    }
}

fn comparison(op: Operator) -> Option<Comparison> {
    Some(match op {
        Operator::Eq => Comparison::Equal,
        Operator::NotEq => Comparison::NotEqual,
        Operator::Lt => Comparison::Less,
        Operator::LtEq => Comparison::LessOrEqual,
        Operator::Gt => Comparison::Greater,
        Operator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn compare(left: &Expr, comparison: Comparison, right: &Expr, schema: &DFSchema) -> Option<Conjunct> {
    let (column, data_type) = column(left, schema)?;
    let Expr::Literal(value, _) = right else { return None };
    let (value, literal_type) = literal(value).ok()?;
    if literal_type != data_type {
        return None;
    }
    Conjunct::compare(column, data_type, comparison, &value)
}

fn boolean(operand: &Expr, wanted: bool, schema: &DFSchema) -> Option<Conjunct> {
    let (column, data_type) = column(operand, schema)?;
    Conjunct::compare(column, data_type, Comparison::Equal, &Value::Boolean(wanted))
}

/// A plain column and its type.
fn column(expr: &Expr, schema: &DFSchema) -> Option<(usize, DataType)> {
    let Expr::Column(column) = expr else { return None };
    let index = schema.index_of_column(column).ok()?;
    Some((index, DataType::from_arrow(schema.field(index).data_type()).ok()?))
}
