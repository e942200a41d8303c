//! Parameters `$1`, `$2`, ...: their types at planning, their values at execution.
//!
//! DataFusion infers the type of most placeholders from what stands beside them. This module gives every occurrence of a
//! parameter one type (the first inferred one; bigint under LIMIT and OFFSET; text where nothing says otherwise, as in
//! PostgreSQL) and casts the caller's values to these types. It does not evaluate anything.
//!
//! Invariants: a value that a query compares is converted exactly or refused, because rounding it would answer another
//! question than the one asked; a value that is only stored in a column follows the column's assignment rules. After
//! `bind`, every value is NULL or of its parameter's type. Parameters are numbered from 1 without gaps.
//!
//! Cost: one walk over the plan at planning, one cast per value at execution.
//! Callers: `select` and `dml`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, Field};
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_common::{ParamValues, ScalarValue};
use datafusion_expr::expr::Placeholder;
use datafusion_expr::{Expr, LogicalPlan};
use monostable_types::{DataType, Value, values_to_array};

use crate::dml::assign::{Target, assign_value, type_name};
use crate::error::{Error, Result};

/// As many as the PostgreSQL protocol can count.
const PARAMETERS_MAX: usize = 65_535;

/// The type of each parameter, by its number, and whether its value has to be converted exactly.
pub(crate) type Numbered = BTreeMap<usize, (DataType, bool)>;

/// The parameters of one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters {
    types: Vec<DataType>,
    /// Whether a query compares or computes with the parameter, and not merely an assignment stores it.
    exact: Vec<bool>,
}

impl Parameters {
    /// From the types that were found; a number that is missing in between is an error.
    pub(crate) fn new(types: &Numbered) -> Result<Parameters> {
        let mut parameters = Parameters::default();
        for (expected, (number, (data_type, exact))) in (1..).zip(types) {
            if *number != expected {
                return Err(untyped(expected));
            }
            parameters.types.push(*data_type);
            parameters.exact.push(*exact);
        }
        Ok(parameters)
    }

    pub(crate) fn types(&self) -> &[DataType] {
        &self.types
    }

    /// The caller's values as values of the parameters' types.
    pub(crate) fn bind(&self, values: &[Value]) -> Result<Vec<Value>> {
        if values.len() != self.types.len() {
            let (expected, given) = (self.types.len(), values.len());
            return Err(Error::Parameter {
                sqlstate: "08P01",
                message: format!("the statement has {expected} parameters, but {given} values were given"),
            });
        }
        let bound = values.iter().zip(&self.types).zip(&self.exact).enumerate();
        bound.map(|(index, ((value, data_type), exact))| convert(value, *data_type, *exact, index + 1)).collect()
    }
}

fn untyped(number: usize) -> Error {
    let message =
        format!("could not determine data type of parameter ${number}; it is not used, number them without gaps");
    Error::Parameter { sqlstate: "42P18", message }
}

fn convert(value: &Value, data_type: DataType, exact: bool, number: usize) -> Result<Value> {
    let converted = assign_value(value, data_type).map_err(|refusal| refusal.for_parameter(number))?;
    if exact && !is_exact(value, &converted) {
        let from = type_name(value);
        return Err(Error::data(
            "22003",
            format!(
                "the value {value} ({from}) of parameter ${number} has no exact {data_type}; cast the parameter in the query"
            ),
        ));
    }
    Ok(fold(converted.into_owned()))
}

/// A value that a key column is compared with, as a value of the column's type; 22003 if it has none that is exactly equal.
pub(crate) fn compared(value: &Value, column: &Target) -> Result<Value> {
    let converted = column.assign(value)?;
    if !is_exact(value, &converted) {
        let (name, data_type) = (&column.name, column.data_type);
        return Err(Error::data(
            "22003",
            format!("the key value {value} for column \"{name}\" has no exact {data_type}"),
        ));
    }
    Ok(fold(converted.into_owned()))
}

/// Negative zero and NaN as they are stored, so that comparing with them finds what is stored.
fn fold(value: Value) -> Value {
    match value {
        Value::Real(v) if v.is_nan() => Value::Real(f32::NAN),
        Value::Double(v) if v.is_nan() => Value::Double(f64::NAN),
        Value::Real(0.0) => Value::Real(0.0),
        Value::Double(0.0) => Value::Double(0.0),
        other => other,
    }
}

/// Whether the conversion can be undone. Text is exempt: it is parsed, and may spell its value in several ways.
fn is_exact(value: &Value, converted: &Value) -> bool {
    let original = match value {
        Value::SmallInt(_) => DataType::SmallInt,
        Value::Integer(_) => DataType::Integer,
        Value::BigInt(_) => DataType::BigInt,
        Value::Real(v) if v.is_nan() => return true,
        Value::Double(v) if v.is_nan() => return true,
        Value::Real(_) => DataType::Real,
        Value::Double(_) => DataType::Double,
        Value::Numeric { scale, .. } => DataType::Numeric { precision: 38, scale: *scale },
        Value::Timestamp(_) => DataType::Timestamp,
        Value::TimestampTz(_) => DataType::TimestampTz,
        Value::Interval { .. } => DataType::Interval,
        _ => return true,
    };
    matches!(converted, Value::Text(_)) || assign_value(converted, original).is_ok_and(|back| back.as_ref() == value)
}

/// The number in `$number`.
pub(crate) fn number(id: &str) -> Result<usize> {
    match id.strip_prefix('$').unwrap_or_default().parse::<usize>() {
        Ok(number) if (1..=PARAMETERS_MAX).contains(&number) => Ok(number),
        _ => Err(Error::Parameter {
            sqlstate: "42P02",
            message: format!("there is no parameter {id}; parameters are written $1 to ${PARAMETERS_MAX}"),
        }),
    }
}

/// What the parts of one statement say about its parameters, while it is planned.
///
/// The parts that compute with a parameter fix its type; a part that merely stores it in a column takes what is fixed, or
/// else the column's type.
#[derive(Clone, Debug, Default)]
pub(crate) struct ParameterTypes {
    types: Numbered,
}

impl ParameterTypes {
    /// Takes over what [`resolve`] or [`resolve_expr`] found; 42P08 if two parts need different types.
    pub(crate) fn merge(&mut self, found: Numbered) -> Result<()> {
        for (number, (data_type, exact)) in found {
            let known = *self.types.entry(number).or_insert((data_type, exact));
            if known.0 != data_type {
                let message = format!(
                    "inconsistent types deduced for parameter ${number}: {} and {data_type}; cast it where it is used",
                    known.0
                );
                return Err(Error::Parameter { sqlstate: "42P08", message });
            }
        }
        Ok(())
    }

    /// The parameter is stored in a column of this type.
    pub(crate) fn stored(&mut self, number: usize, data_type: DataType) {
        self.types.entry(number).or_insert((data_type, false));
    }

    /// Takes over parameters that are merely stored, where nothing else fixes their types.
    pub(crate) fn store(&mut self, stored: &ParameterTypes) {
        for (number, (data_type, _)) in &stored.types {
            self.stored(*number, *data_type);
        }
    }

    /// Types an expression's placeholders and takes over what they are.
    pub(crate) fn expr(&mut self, expr: Expr) -> Result<Expr> {
        let (expr, found) = resolve_expr(expr)?;
        self.merge(found)?;
        Ok(expr)
    }

    /// All parameters of the statement.
    pub(crate) fn finish(&self) -> Result<Parameters> {
        Parameters::new(&self.types)
    }
}

/// Types by parameter number; `None` while nothing says what the type is.
type Found = BTreeMap<usize, Option<ArrowType>>;

/// Gives every placeholder of a freshly bound plan its type, and says which types they are.
pub(crate) fn resolve(plan: LogicalPlan) -> Result<(LogicalPlan, Numbered)> {
    let mut found = Found::new();
    plan.apply_with_subqueries(|node| {
        let default = matches!(node, LogicalPlan::Limit(_)).then_some(ArrowType::Int64);
        node.apply_expressions(|expr| {
            collect(expr, default.as_ref(), &mut found)?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    if found.is_empty() {
        return Ok((plan, BTreeMap::new()));
    }
    let plan = plan
        .transform_up_with_subqueries(|node| {
            let typed = node.map_expressions(|expr| set_types(expr, &found))?;
            typed.map_data(LogicalPlan::recompute_schema)
        })
        .data()?;
    Ok((plan, sql_types(found)?))
}

/// The same for one expression.
fn resolve_expr(expr: Expr) -> Result<(Expr, Numbered)> {
    let mut found = Found::new();
    collect(&expr, None, &mut found)?;
    let expr = set_types(expr, &found).data()?;
    Ok((expr, sql_types(found)?))
}

fn sql_types(found: Found) -> Result<Numbered> {
    let typed = found.into_iter().map(|(number, arrow)| {
        let data_type = arrow.as_ref().map_or(Ok(DataType::Text), DataType::from_arrow)?;
        Ok((number, (data_type, true)))
    });
    typed.collect()
}

fn collect(expr: &Expr, default: Option<&ArrowType>, found: &mut Found) -> datafusion_common::Result<()> {
    expr.apply(|part| {
        if let Expr::Placeholder(placeholder) = part {
            let inferred = placeholder.field.as_ref().map(|field| field.data_type()).or(default);
            let known = found.entry(number(&placeholder.id)?).or_default();
            if known.is_none() {
                *known = inferred.filter(|arrow| **arrow != ArrowType::Null).cloned();
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn set_types(expr: Expr, found: &Found) -> datafusion_common::Result<Transformed<Expr>> {
    expr.transform_up(|part| match part {
        Expr::Placeholder(placeholder) => {
            let arrow = found.get(&number(&placeholder.id)?).cloned().flatten().unwrap_or(ArrowType::Utf8);
            let field = Some(Arc::new(Field::new("", arrow, true)));
            Ok(Transformed::yes(Expr::Placeholder(Placeholder::new_with_field(placeholder.id, field))))
        }
        other => Ok(Transformed::no(other)),
    })
}

/// The bound values in the form in which DataFusion replaces placeholders by literals.
pub(crate) fn literals(values: &[Value], types: &[DataType]) -> Result<ParamValues> {
    let scalars: Vec<ScalarValue> =
        values.iter().zip(types).map(|(value, data_type)| scalar(value, *data_type)).collect::<Result<_>>()?;
    Ok(ParamValues::from(scalars))
}

/// A value as DataFusion's scalar of exactly that type.
pub(crate) fn scalar(value: &Value, data_type: DataType) -> Result<ScalarValue> {
    let array = values_to_array(data_type, std::iter::once(value))?;
    Ok(ScalarValue::try_from_array(&array, 0)?)
}

/// DataFusion's scalar as a value, with its type.
pub(crate) fn value_of(scalar: &ScalarValue) -> Result<(Value, DataType)> {
    let array = scalar.to_array()?;
    let data_type = DataType::from_arrow(array.data_type())?;
    Ok((Value::from_array(array.as_ref(), 0, data_type)?, data_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(data_type: DataType, exact: bool) -> Parameters {
        Parameters::new(&BTreeMap::from([(1, (data_type, exact))])).unwrap()
    }

    #[test]
    fn a_compared_value_is_exact_or_refused() {
        let key = one(DataType::BigInt, true);
        assert_eq!(key.bind(&[Value::Double(2.0)]).unwrap(), vec![Value::BigInt(2)]);
        assert_eq!(key.bind(&[Value::Integer(7)]).unwrap(), vec![Value::BigInt(7)]);
        assert_eq!(key.bind(&[Value::Text("7".into())]).unwrap(), vec![Value::BigInt(7)]);
        assert_eq!(key.bind(&[Value::Null]).unwrap(), vec![Value::Null]);
        for value in [Value::Double(2.5), Value::Numeric { unscaled: 25, scale: 1 }] {
            assert_eq!(key.bind(&[value]).unwrap_err().sqlstate(), "22003");
        }
        let float = one(DataType::Double, true);
        assert_eq!(float.bind(&[Value::BigInt((1 << 53) + 1)]).unwrap_err().sqlstate(), "22003");
        let date = one(DataType::Date, true);
        assert_eq!(date.bind(&[Value::Timestamp(1)]).unwrap_err().sqlstate(), "22003");
    }

    #[test]
    fn a_stored_value_follows_assignment() {
        let column = one(DataType::BigInt, false);
        assert_eq!(column.bind(&[Value::Numeric { unscaled: 25, scale: 1 }]).unwrap(), vec![Value::BigInt(3)]);
        assert_eq!(column.bind(&[Value::Boolean(true)]).unwrap_err().sqlstate(), "42804");
    }

    #[test]
    fn counts_and_numbers_are_checked() {
        assert_eq!(one(DataType::Text, true).bind(&[]).unwrap_err().sqlstate(), "08P01");
        assert_eq!(number("$12").unwrap(), 12);
        for id in ["$0", "$x", "?", "$70000", "$"] {
            assert_eq!(number(id).unwrap_err().sqlstate(), "42P02");
        }
        let gap = BTreeMap::from([(2, (DataType::Text, true))]);
        assert_eq!(Parameters::new(&gap).unwrap_err().sqlstate(), "42P18");
    }
}
