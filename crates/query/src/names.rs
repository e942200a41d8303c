//! Names of output columns, as PostgreSQL gives them.
//!
//! The binder names an unaliased expression after its text (`sum(orders.cents)`), and refuses two of the same name. PostgreSQL
//! names it after the function (`sum`), and allows the name twice. So every select item that is not a plain column gets its
//! PostgreSQL name as an alias before binding; one that would collide gets a mark behind it, which [`output_name`] takes off
//! again. A mark starts with a control character that no one types.
//!
//! Two kinds of literals become casts of their text on the way, because the binder cannot read them or reads them in its own
//! way: a number that has more digits than a numeric can hold, to double precision, and an interval. Otherwise only aliases
//! are added, and what an expression means does not change.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{self, Expr, Ident, SelectItem, VisitMut, VisitorMut};
use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{Error, Result};

const MARK: char = '\u{1}';
/// Bytes that a name may have. Names go into messages and into the catalog, so they have a bound.
const NAME_BYTES_MAX: usize = 255;

/// Refuses names that nothing can have.
pub(crate) fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    for token in tokens {
        let Token::Word(word) = &token.token else { continue };
        if word.value.is_empty() && word.quote_style.is_some() {
            return Err(Error::Syntax("a quoted name must not be empty".to_string()));
        }
        if word.value.len() > NAME_BYTES_MAX {
            let bytes = word.value.len();
            let message = format!("a name of {bytes} bytes is over the limit of {NAME_BYTES_MAX} bytes");
            return Err(Error::InvalidDefinition { sqlstate: "42622", message });
        }
    }
    Ok(())
}

/// Gives every unnamed select item of the query and of its subqueries a name, and every number a type.
pub(crate) fn name_select_items<T: VisitMut>(query: &mut T) {
    let ControlFlow::Continue(()) = query.visit(&mut Namer);
}

/// The name that readers see for a field of the plan.
pub(crate) fn output_name(field: &str) -> &str {
    field.split(MARK).next().unwrap_or(field)
}

struct Namer;

impl VisitorMut for Namer {
    type Break = std::convert::Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Expr::Value(value) = expr
            && let ast::Value::Number(digits, _) = &value.value
            && !fits_numeric(digits)
        {
            *expr = cast_of(digits.clone(), ast::DataType::DoublePrecision);
        } else if let Expr::Interval(interval) = expr
            && let Some(text) = interval_text(interval)
        {
            *expr = cast_of(text, ast::DataType::Interval { fields: None, precision: None });
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<Self::Break> {
        let mut taken: HashSet<String> = select.projection.iter().filter_map(explicit_name).collect();
        let mut plain: HashSet<String> = HashSet::new();
        for (index, item) in select.projection.iter_mut().enumerate() {
            let SelectItem::UnnamedExpr(expr) = item else { continue };
            let name = implicit_name(expr);
            let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            if is_column && plain.insert(expr.to_string()) && taken.insert(name.clone()) {
                continue;
            }
            let alias = if taken.insert(name.clone()) { name } else { format!("{name}{MARK}{index}") };
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', alias) };
        }
        ControlFlow::Continue(())
    }
}

fn cast_of(text: String, data_type: ast::DataType) -> Expr {
    let text = ast::Value::SingleQuotedString(text).with_empty_span();
    let kind = ast::CastKind::Cast;
    Expr::Cast { kind, expr: Box::new(Expr::Value(text)), data_type, array: false, format: None }
}

/// The text of an interval literal: `'1 day'`, or a whole number and its unit, `'1' DAY`. `None` for every other form.
pub(crate) fn interval_text(interval: &ast::Interval) -> Option<String> {
    let ast::Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } = interval;
    let Expr::Value(value) = value.as_ref() else { return None };
    let (ast::Value::SingleQuotedString(text), None, None, None) =
        (&value.value, leading_precision, last_field, fractional_seconds_precision)
    else {
        return None;
    };
    match leading_field {
        None => Some(text.clone()),
        Some(unit) if text.trim().parse::<i32>().is_ok() => Some(format!("{} {unit}", text.trim())),
        Some(_) => None,
    }
}

fn fits_numeric(digits: &str) -> bool {
    let digits = digits.replace('_', "");
    match crate::dml::assign::parse_decimal(&digits) {
        Some((unscaled, scale)) => {
            let whole = || 10_i128.checked_pow(scale.unsigned_abs()).and_then(|power| unscaled.checked_mul(power));
            let small = |value: i128| value.unsigned_abs() < 10_u128.pow(38);
            small(unscaled) && scale <= 38 && (scale >= 0 || whole().is_some_and(small))
        }
        None => false,
    }
}

fn explicit_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
        _ => None,
    }
}

/// Unquoted identifiers are folded to lower case.
pub(crate) fn fold(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

fn implicit_name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => fold(ident),
        Expr::CompoundIdentifier(parts) => parts.last().map_or_else(|| "?column?".to_string(), fold),
        Expr::Nested(inner) => implicit_name(inner),
        Expr::Function(function) => match function.name.0.last().and_then(|part| part.as_ident()) {
            Some(ident) => fold(ident),
            None => "?column?".to_string(),
        },
        Expr::Cast { expr, data_type, .. } => match implicit_name(expr).as_str() {
            "?column?" => type_name(data_type),
            name => name.to_string(),
        },
        Expr::TypedString(typed) => type_name(&typed.data_type),
        Expr::Interval(_) => "interval".to_string(),
        Expr::Case { .. } => "case".to_string(),
        Expr::Extract { .. } => "extract".to_string(),
        Expr::Substring { .. } => "substring".to_string(),
        Expr::Trim { .. } => "btrim".to_string(),
        Expr::Position { .. } => "position".to_string(),
        Expr::Ceil { .. } => "ceil".to_string(),
        Expr::Floor { .. } => "floor".to_string(),
        _ => "?column?".to_string(),
    }
}

/// PostgreSQL uses its internal names of types here.
fn type_name(data_type: &ast::DataType) -> String {
    use monostable_types::DataType;
    let name = match crate::sql_type::sql_type(data_type) {
        Ok(DataType::Boolean) => "bool",
        Ok(DataType::SmallInt) => "int2",
        Ok(DataType::Integer) => "int4",
        Ok(DataType::BigInt) => "int8",
        Ok(DataType::Real) => "float4",
        Ok(DataType::Double) => "float8",
        Ok(DataType::Numeric { .. }) => "numeric",
        Ok(DataType::Text) => "text",
        Ok(DataType::Bytea) => "bytea",
        Ok(DataType::Date) => "date",
        Ok(DataType::Time) => "time",
        Ok(DataType::Timestamp) => "timestamp",
        Ok(DataType::TimestampTz) => "timestamptz",
        Ok(DataType::Interval) => "interval",
        Ok(DataType::Uuid) => "uuid",
        Err(_) => "?column?",
    };
    name.to_string()
}
