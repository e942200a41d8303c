//! Single values in VALUES and SET: literals, parameters and DEFAULT, without planning anything.
//!
//! Most values that are written are constants or parameters. They are recognised in the syntax tree and cast to their column
//! when the statement is planned, so that a row of parameters costs nothing but its casts when it is executed. Every other
//! expression goes through the planner (`Cell::Computed`).
//!
//! Invariant: a literal is read as PostgreSQL reads it in an assignment, exactly: digits are never taken through a float.
//!
//! Cost: O(length of the text). Callers: `insert`, `update`.

use datafusion_sql::sqlparser::ast::{self, Expr, UnaryOperator, ValueWithSpan};
use monostable_types::Value;

use super::assign::{Target, number_literal};
use crate::error::{Error, Result};
use crate::select::scalars::Bound;
use crate::sql_type::sql_type;
use crate::statement::parameters::{ParameterTypes, number};

/// A value to be stored in a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    /// Of the column's type already.
    Constant(Value),
    /// The parameter at this index, counted from 0.
    Parameter(usize),
    /// The expression at this index of the statement's computed expressions.
    Computed(usize),
}

impl Cell {
    /// Reads a literal, a parameter or DEFAULT for `column`; `None` if it is anything else.
    pub(crate) fn recognise(
        expr: &Expr,
        column: &Target,
        default: &Value,
        parameters: &mut ParameterTypes,
    ) -> Result<Option<Cell>> {
        if is_default(expr) {
            return Ok(Some(Cell::Constant(default.clone())));
        }
        if let Some(id) = placeholder(expr) {
            let number = number(id)?;
            parameters.stored(number, column.data_type);
            return Ok(Some(Cell::Parameter(number - 1)));
        }
        match literal(expr)? {
            Some(value) => Ok(Some(Cell::Constant(column.assign(&value)?.into_owned()))),
            None => Ok(None),
        }
    }

    /// The value for one execution, of the column's type. `computed` holds the values of the computed expressions.
    pub(crate) fn value(&self, column: &Target, bound: &Bound, computed: &[Value]) -> Result<Value> {
        match self {
            Cell::Constant(value) => Ok(value.clone()),
            Cell::Parameter(index) => Ok(column.assign(bound.value(*index)?)?.into_owned()),
            Cell::Computed(index) => {
                let value = computed.get(*index);
                let value = value.ok_or_else(|| Error::Internal("a value was not computed".to_owned()))?;
                Ok(column.assign(value)?.into_owned())
            }
        }
    }
}

/// `DEFAULT` is read by the parser as a name.
fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

fn placeholder(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: ast::Value::Placeholder(id), .. }) => Some(id),
        Expr::Nested(inner) => placeholder(inner),
        _ => None,
    }
}

/// The value of a literal, of the type that it has by itself (text for quoted ones).
fn literal(expr: &Expr) -> Result<Option<Value>> {
    match expr {
        Expr::Nested(inner) => literal(inner),
        Expr::Value(value) => plain(&value.value),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => signed(expr, true),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => signed(expr, false),
        Expr::TypedString(typed) => parsed(&typed.data_type, &typed.value.value),
        Expr::Cast {
            kind: ast::CastKind::Cast | ast::CastKind::DoubleColon, expr, data_type, format: None, ..
        } => match expr.as_ref() {
            Expr::Value(value) => parsed(data_type, &value.value),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

fn plain(value: &ast::Value) -> Result<Option<Value>> {
    if let Some(text) = text(value) {
        return Ok(Some(Value::Text(text.to_owned())));
    }
    Ok(match value {
        ast::Value::Number(digits, _) => Some(numeral(digits, false)?),
        ast::Value::Boolean(truth) => Some(Value::Boolean(*truth)),
        ast::Value::Null => Some(Value::Null),
        _ => None,
    })
}

fn text(value: &ast::Value) -> Option<&str> {
    match value {
        ast::Value::SingleQuotedString(text) | ast::Value::EscapedStringLiteral(text) => Some(text),
        ast::Value::DollarQuotedString(quoted) => Some(&quoted.value),
        _ => None,
    }
}

fn signed(expr: &Expr, negative: bool) -> Result<Option<Value>> {
    match expr {
        Expr::Value(ValueWithSpan { value: ast::Value::Number(digits, _), .. }) => numeral(digits, negative).map(Some),
        _ => Ok(None),
    }
}

fn numeral(digits: &str, negative: bool) -> Result<Value> {
    number_literal(digits, negative).ok_or_else(|| Error::data("22003", format!("the number {digits} is out of range")))
}

/// `DATE '2013-01-01'` and `'2013-01-01'::date`.
fn parsed(data_type: &ast::DataType, value: &ast::Value) -> Result<Option<Value>> {
    match text(value) {
        Some(text) => Ok(Some(Value::parse(sql_type(data_type)?, text)?)),
        None => Ok(None),
    }
}
