//! Two analyzer rules around DataFusion's type coercion, which together make it PostgreSQL's.
//!
//! [`PostgresTypes`] runs before it and leaves it nothing to decide: casts that were written become ours, operators and branches
//! get their common types, functions their argument types, and what must be boolean is checked. [`CheckCoercions`] runs after
//! it and refuses any conversion that PostgreSQL would not make by itself, so that a rule that we do not know about cannot
//! convert silently.
//!
//! Invariant: output names do not change. Cost: two walks over the plan.

use std::sync::Arc;

use arrow_schema::{DataType as Arrow, Field};
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchema, DFSchemaRef, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, Between, Case, InList, Like, ScalarFunction};
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{BinaryExpr, Cast, Expr, ExprSchemable, Join, LogicalPlan, Operator, Projection, Union, Values};
use datafusion_optimizer::AnalyzerRule;
use monostable_types::DataType;

use crate::error::{Error, Result};
use crate::functions::arithmetic::Arithmetic;
use crate::functions::cast::{cast, is_exact, is_implicit, rewrite_explicit};
use crate::functions::scalar::{self, Body};
use crate::operators::{self, Operand, arithmetic, common_type, comparison, logical};

type Planned<T> = datafusion_common::Result<T>;

/// Settles all types by PostgreSQL's rules.
#[derive(Debug)]
pub(crate) struct PostgresTypes;

impl AnalyzerRule for PostgresTypes {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Planned<LogicalPlan> {
        plan.transform_up(|plan| settle_plan(plan).map(Transformed::yes)).map(|settled| settled.data)
    }

    fn name(&self) -> &str {
        "postgres_types"
    }
}

fn settle_plan(plan: LogicalPlan) -> Planned<LogicalPlan> {
    let plan = match plan {
        LogicalPlan::Values(values) => return settle_values(values),
        LogicalPlan::Union(union) => return settle_union(union),
        LogicalPlan::Limit(_) => return Ok(plan),
        other => other,
    };
    let schema = input_schema(&plan)?;
    let names = NamePreserver::new(&plan);
    let plan = plan
        .map_expressions(|expr| {
            let name = names.save(&expr);
            let settled = settle(expr, &schema)?;
            Ok(Transformed::yes(name.restore(settled)))
        })?
        .data;
    let plan = match plan {
        LogicalPlan::Filter(mut filter) => {
            filter.predicate = condition(filter.predicate, &schema, "WHERE or HAVING")?;
            LogicalPlan::Filter(filter)
        }
        LogicalPlan::Join(join) => LogicalPlan::Join(settle_join(join, &schema)?),
        LogicalPlan::Projection(mut projection) => {
            projection.expr = projection.expr.into_iter().map(typed_null).collect();
            LogicalPlan::Projection(projection)
        }
        other => other,
    };
    plan.recompute_schema()
}

/// An untyped NULL is text once it is a column, as in PostgreSQL.
fn typed_null(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::Null, metadata) => {
            let name = Expr::Literal(ScalarValue::Null, metadata.clone()).schema_name().to_string();
            Expr::Literal(ScalarValue::Utf8(None), metadata).alias(name)
        }
        Expr::Alias(mut alias) if matches!(*alias.expr, Expr::Literal(ScalarValue::Null, _)) => {
            alias.expr = boxed(Expr::Literal(ScalarValue::Utf8(None), None));
            Expr::Alias(alias)
        }
        other => other,
    }
}

/// The columns that a node's expressions may name.
fn input_schema(plan: &LogicalPlan) -> Planned<DFSchema> {
    let mut schema = merge_schema(&plan.inputs());
    if let LogicalPlan::TableScan(scan) = plan {
        schema.merge(&DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
    }
    Ok(schema)
}

pub(crate) fn settle(expr: Expr, schema: &DFSchema) -> Planned<Expr> {
    expr.transform_up(|inner| Ok(Transformed::yes(settle_one(inner, schema)?))).map(|settled| settled.data)
}

/// A condition as a boolean.
fn condition(expr: Expr, schema: &DFSchema, place: &str) -> Result<Expr> {
    let operand = Operand::new(expr, schema)?;
    match operand.data_type {
        Some(DataType::Boolean) | None => Ok(operand.into_type(DataType::Boolean)),
        Some(other) => {
            Err(Error::DatatypeMismatch(format!("argument of {place} must be type boolean, not type {other}")))
        }
    }
}

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

/// One node of an expression whose children are settled.
fn settle_one(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let test = |expr: Box<Expr>, place| condition(*expr, schema, place).map(boxed);
    Ok(match expr {
        Expr::Literal(..) => operators::settle_literal(expr),
        Expr::Cast(written) => return settle_cast(written, schema),
        Expr::Negative(operand) => operators::negate(Operand::new(*operand, schema)?)?,
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => settle_binary(*left, op, *right, schema)?,
        Expr::Between(between) => settle_between(between, schema)?,
        Expr::InList(list) => settle_in_list(list, schema)?,
        Expr::Case(case) => settle_case(case, schema)?,
        Expr::Like(like) => settle_like(like, schema)?,
        Expr::Not(operand) => Expr::Not(test(operand, "NOT")?),
        Expr::IsTrue(operand) => Expr::IsTrue(test(operand, "IS TRUE")?),
        Expr::IsFalse(operand) => Expr::IsFalse(test(operand, "IS FALSE")?),
        Expr::IsUnknown(operand) => Expr::IsUnknown(test(operand, "IS UNKNOWN")?),
        Expr::IsNotTrue(operand) => Expr::IsNotTrue(test(operand, "IS NOT TRUE")?),
        Expr::IsNotFalse(operand) => Expr::IsNotFalse(test(operand, "IS NOT FALSE")?),
        Expr::IsNotUnknown(operand) => Expr::IsNotUnknown(test(operand, "IS NOT UNKNOWN")?),
        Expr::ScalarFunction(call) => settle_call(call, schema)?,
        Expr::AggregateFunction(call) => Expr::AggregateFunction(settle_aggregate(call, schema)?),
        Expr::Alias(_) | Expr::Column(_) | Expr::Placeholder(_) | Expr::IsNull(_) | Expr::IsNotNull(_) => expr,
        other => return Err(Error::not_supported(format!("the expression {other}"))),
    })
}

fn settle_cast(written: Cast, schema: &DFSchema) -> Result<Expr> {
    let to = DataType::from_arrow(written.field.data_type())?;
    let operand = Operand::new((*written.expr).clone(), schema)?;
    if matches!(operand.expr, Expr::Placeholder(_)) {
        return Ok(operand.into_type(to));
    }
    Ok(rewrite_explicit(Cast { expr: boxed(operand.expr), ..written }, operand.data_type, to)?.data)
}

fn settle_binary(left: Expr, op: Operator, right: Expr, schema: &DFSchema) -> Result<Expr> {
    let arithmetic_op = match op {
        Operator::And | Operator::Or => return logical(op, left, right, schema),
        Operator::StringConcat => return Ok(Expr::BinaryExpr(BinaryExpr::new(boxed(left), op, boxed(right)))),
        Operator::Plus => Arithmetic::Add,
        Operator::Minus => Arithmetic::Subtract,
        Operator::Multiply => Arithmetic::Multiply,
        Operator::Divide => Arithmetic::Divide,
        Operator::Modulo => Arithmetic::Modulo,
        Operator::Eq
        | Operator::NotEq
        | Operator::Lt
        | Operator::LtEq
        | Operator::Gt
        | Operator::GtEq
        | Operator::IsDistinctFrom
        | Operator::IsNotDistinctFrom => {
            return comparison(op, Operand::new(left, schema)?, Operand::new(right, schema)?);
        }
        other => return Err(Error::not_supported(format!("operator {other}"))),
    };
    arithmetic(arithmetic_op, Operand::new(left, schema)?, Operand::new(right, schema)?)
}

fn settle_between(between: Between, schema: &DFSchema) -> Result<Expr> {
    let Between { expr, negated, low, high } = between;
    let side = |expr: &Expr| Operand::new(expr.clone(), schema);
    let (low_op, high_op, both) = if negated {
        (Operator::Lt, Operator::Gt, Operator::Or)
    } else {
        (Operator::GtEq, Operator::LtEq, Operator::And)
    };
    let low = comparison(low_op, side(&expr)?, side(&low)?)?;
    let high = comparison(high_op, side(&expr)?, side(&high)?)?;
    Ok(Expr::BinaryExpr(BinaryExpr::new(boxed(low), both, boxed(high))))
}

/// Each comparison of the list has its own common type in PostgreSQL only if the list has several; one type for all of them
/// gives the same answers, because widening does not change equality.
fn settle_in_list(list: InList, schema: &DFSchema) -> Result<Expr> {
    let InList { expr, list, negated } = list;
    let needle = Operand::new(*expr, schema)?;
    let items: Vec<Operand> = list.into_iter().map(|item| Operand::new(item, schema)).collect::<Result<_>>()?;
    let mut common = needle.data_type;
    for item in &items {
        common = match (common, item.data_type) {
            (Some(known), Some(other)) => match operators::comparison_type(known, other) {
                Some(wider) => Some(wider),
                None => {
                    return Err(Error::UndefinedOperator(format!("operator does not exist: {known} = {other}")));
                }
            },
            (Some(known), None) => Some(operators::beside(item, known)),
            (None, other) => other,
        };
    }
    let common = common.unwrap_or(DataType::Text);
    if common == DataType::Interval {
        return Err(Error::not_supported("IN on type interval (compare with = and OR)"));
    }
    let items = items.into_iter().map(|item| item.into_type(common)).collect();
    Ok(Expr::InList(InList::new(boxed(needle.into_type(common)), items, negated)))
}

fn settle_case(case: Case, schema: &DFSchema) -> Result<Expr> {
    let Case { expr, when_then_expr, else_expr } = case;
    let mut whens = Vec::with_capacity(when_then_expr.len());
    let mut branches = Vec::with_capacity(when_then_expr.len() + 1);
    for (when, then) in when_then_expr {
        whens.push(match &expr {
            Some(subject) => {
                comparison(Operator::Eq, Operand::new((**subject).clone(), schema)?, Operand::new(*when, schema)?)?
            }
            None => condition(*when, schema, "CASE/WHEN")?,
        });
        branches.push(Operand::new(*then, schema)?);
    }
    let has_else = else_expr.is_some();
    if let Some(otherwise) = else_expr {
        branches.push(Operand::new(*otherwise, schema)?);
    }
    let mut branches = to_common(branches)?;
    let otherwise = if has_else { branches.pop().map(boxed) } else { None };
    let when_then = whens.into_iter().map(boxed).zip(branches.into_iter().map(boxed)).collect();
    Ok(Expr::Case(Case::new(None, when_then, otherwise)))
}

/// The operands, all cast to their common type.
fn to_common(operands: Vec<Operand>) -> Result<Vec<Expr>> {
    let types: Vec<Option<DataType>> = operands.iter().map(|operand| operand.data_type).collect();
    let common = common_type(&types)?.unwrap_or(DataType::Text);
    Ok(operands.into_iter().map(|operand| operand.into_type(common)).collect())
}

fn settle_like(like: Like, schema: &DFSchema) -> Result<Expr> {
    let text = |expr: Expr| {
        let operand = Operand::new(expr, schema)?;
        match operand.data_type {
            Some(DataType::Text) | None => Ok(operand.into_type(DataType::Text)),
            Some(other) => Err(Error::UndefinedOperator(format!("operator does not exist: {other} LIKE text"))),
        }
    };
    let Like { negated, expr, pattern, escape_char, case_insensitive } = like;
    Ok(Expr::Like(Like::new(negated, boxed(text(*expr)?), boxed(text(*pattern)?), escape_char, case_insensitive)))
}

fn settle_aggregate(mut call: AggregateFunction, schema: &DFSchema) -> Result<AggregateFunction> {
    if let Some(filter) = call.params.filter.take() {
        call.params.filter = Some(boxed(condition(*filter, schema, "FILTER")?));
    }
    if !call.params.order_by.is_empty() || call.params.null_treatment.is_some() {
        return Err(Error::not_supported(format!("ORDER BY in {}()", call.func.name())));
    }
    Ok(call)
}

fn settle_call(call: ScalarFunction, schema: &DFSchema) -> Result<Expr> {
    let ScalarFunction { func, args } = call;
    let implementation = func.inner();
    let implementation = implementation.as_ref() as &dyn std::any::Any;
    let Some(function) = implementation.downcast_ref::<scalar::ScalarFunction>() else {
        // Arithmetic and casts are typed when they are made.
        return Ok(Expr::ScalarFunction(ScalarFunction { func, args }));
    };
    let mut operands: Vec<Operand> =
        args.into_iter().map(|argument| Operand::new(argument, schema)).collect::<Result<_>>()?;
    match (function.body, operands.len()) {
        (Body::Coalesce, _) => return coalesce(operands),
        (Body::NullIf, 2) => return null_if(operands),
        (Body::Mod, 2) => {
            if let (Some(divisor), Some(dividend)) = (operands.pop(), operands.pop()) {
                return arithmetic(Arithmetic::Modulo, dividend, divisor);
            }
        }
        _ => {}
    }
    let types: Vec<Option<DataType>> = operands.iter().map(|operand| operand.data_type).collect();
    let exprs: Vec<Expr> = operands.iter().map(|operand| operand.expr.clone()).collect();
    let constants: Vec<Option<&ScalarValue>> = exprs.iter().map(constant).collect();
    let (arguments, _) = function.resolve(&types, &constants)?;
    let args = operands.into_iter().zip(arguments).map(|(operand, to)| operand.into_type(to)).collect();
    Ok(Expr::ScalarFunction(ScalarFunction { func, args }))
}

/// A literal, also behind a sign.
fn constant(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}

/// The first argument that is not NULL, and no argument after it is evaluated.
fn coalesce(operands: Vec<Operand>) -> Result<Expr> {
    let mut branches = to_common(operands)?;
    let Some(last) = branches.pop() else {
        return Err(Error::Syntax("coalesce needs an argument".to_string()));
    };
    if branches.is_empty() {
        return Ok(last);
    }
    let when_then =
        branches.into_iter().map(|branch| (boxed(Expr::IsNotNull(boxed(branch.clone()))), boxed(branch))).collect();
    Ok(Expr::Case(Case::new(None, when_then, Some(boxed(last)))))
}

/// NULL if both are equal, else the first.
fn null_if(mut operands: Vec<Operand>) -> Result<Expr> {
    let (Some(second), Some(first)) = (operands.pop(), operands.pop()) else {
        return Err(Error::Syntax("nullif needs two arguments".to_string()));
    };
    let data_type = first.data_type.or(second.data_type).unwrap_or(DataType::Text);
    let equal = comparison(Operator::Eq, first.clone(), second)?;
    let null = Expr::Literal(ScalarValue::try_from(&data_type.to_arrow())?, None);
    let value = first.into_type(data_type);
    Ok(Expr::Case(Case::new(None, vec![(boxed(equal), boxed(null))], Some(boxed(value)))))
}

fn settle_join(mut join: Join, schema: &DFSchema) -> Result<Join> {
    let mut on = Vec::with_capacity(join.on.len());
    for (left, right) in join.on {
        let left = Operand::new(left, join.left.schema())?;
        let right = Operand::new(right, join.right.schema())?;
        match comparison(Operator::Eq, left, right)? {
            Expr::BinaryExpr(BinaryExpr { left, right, .. }) => on.push((*left, *right)),
            other => return Err(Error::Internal(format!("a join key became {other}"))),
        }
    }
    join.on = on;
    join.filter = join.filter.map(|filter| condition(filter, schema, "JOIN/ON")).transpose()?;
    Ok(join)
}

/// One type per column for all branches; a branch of other types gets a projection with casts.
fn settle_union(union: Union) -> Planned<LogicalPlan> {
    let columns = union.schema.fields().len();
    let mut types = Vec::with_capacity(columns);
    for column in 0..columns {
        let branches = union.inputs.iter().map(|input| column_type(input, column)).collect::<Result<Vec<_>>>()?;
        types.push(common_type(&branches)?.unwrap_or(DataType::Text));
    }
    let fields: Vec<_> = union
        .schema
        .iter()
        .zip(&types)
        .map(|((qualifier, field), data_type)| {
            (qualifier.cloned(), Arc::new(Field::new(field.name(), data_type.to_arrow(), field.is_nullable())))
        })
        .collect();
    let schema: DFSchemaRef = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
    let inputs =
        union.inputs.into_iter().map(|input| branch_of(input, &types, &schema)).collect::<Planned<Vec<_>>>()?;
    Ok(LogicalPlan::Union(Union { inputs, schema }))
}

/// The type of a branch's column; `None` if it is an untyped constant.
fn column_type(input: &LogicalPlan, column: usize) -> Result<Option<DataType>> {
    if let LogicalPlan::Projection(projection) = input
        && let Some(Expr::Literal(value, _)) = projection.expr.get(column).map(|expr| expr.clone().unalias()).as_ref()
        && matches!(value, ScalarValue::Utf8(_) | ScalarValue::Null)
    {
        return Ok(None);
    }
    match input.schema().field(column).data_type() {
        Arrow::Null => Ok(None),
        arrow => Ok(Some(DataType::from_arrow(arrow)?)),
    }
}

fn branch_of(input: Arc<LogicalPlan>, types: &[DataType], schema: &DFSchemaRef) -> Planned<Arc<LogicalPlan>> {
    let mut exprs = Vec::with_capacity(types.len());
    let mut same = true;
    for (column, to) in types.iter().enumerate() {
        let (qualifier, field) = input.schema().qualified_field(column);
        let reference = Expr::Column(datafusion_common::Column::new(qualifier.cloned(), field.name()));
        let arrow = field.data_type().clone();
        same &= arrow == to.to_arrow();
        let data_type = column_type(&input, column)?;
        let value = match (data_type, arrow) {
            (None, Arrow::Null) => Expr::Literal(ScalarValue::try_from(&to.to_arrow())?, None),
            (None, _) => cast(reference, DataType::Text, *to),
            (Some(from), _) => cast(reference, from, *to),
        };
        exprs.push(value.alias(schema.field(column).name()));
    }
    if same {
        return Ok(input);
    }
    Ok(Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, input)?)))
}

fn settle_values(values: Values) -> Planned<LogicalPlan> {
    let empty = DFSchema::empty();
    refuse_mixed_numbers(&values, &empty)?;
    let columns = values.schema.fields().len();
    let mut rows: Vec<Vec<Operand>> = Vec::with_capacity(values.values.len());
    for row in values.values {
        let row = row.into_iter().map(|value| Ok(Operand::new(settle(value, &empty)?, &empty)?));
        rows.push(row.collect::<Planned<_>>()?);
    }
    let mut types = Vec::with_capacity(columns);
    for column in 0..columns {
        let found: Vec<Option<DataType>> =
            rows.iter().map(|row| row.get(column).and_then(|value| value.data_type)).collect();
        types.push(common_type(&found)?.unwrap_or(DataType::Text));
    }
    let fields: Vec<_> = values
        .schema
        .iter()
        .zip(&types)
        .map(|((qualifier, field), data_type)| {
            (qualifier.cloned(), Arc::new(Field::new(field.name(), data_type.to_arrow(), true)))
        })
        .collect();
    let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
    let values = rows
        .into_iter()
        .map(|row| row.into_iter().zip(&types).map(|(value, to)| value.into_type(*to)).collect())
        .collect();
    Ok(LogicalPlan::Values(Values { schema, values }))
}

/// The binder has made a column of floating point numbers and numerics a numeric, which rounds; PostgreSQL has it the other
/// way round. What the column was before cannot be told from casts that were written.
fn refuse_mixed_numbers(values: &Values, empty: &DFSchema) -> Result<()> {
    let is_rounded = |value: &Expr| -> Result<bool> {
        let Expr::Cast(cast) = value else { return Ok(false) };
        let to_numeric = matches!(cast.field.data_type(), Arrow::Decimal128(..));
        Ok(to_numeric && matches!(cast.expr.get_type(empty)?, Arrow::Float32 | Arrow::Float64))
    };
    if values.values.len() > 1 {
        for value in values.values.iter().flatten() {
            if is_rounded(value)? {
                let construct = "VALUES with floating point numbers and numerics in one column (cast all of them)";
                return Err(Error::not_supported(construct));
            }
        }
    }
    Ok(())
}

/// Refuses conversions that PostgreSQL would not make, and takes over those that it would.
#[derive(Debug)]
pub(crate) struct CheckCoercions;

impl AnalyzerRule for CheckCoercions {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Planned<LogicalPlan> {
        plan.transform_up(|plan| {
            let schema = input_schema(&plan)?;
            let names = NamePreserver::new(&plan);
            let limit = matches!(plan, LogicalPlan::Limit(_));
            let plan = plan
                .map_expressions(|expr| {
                    let name = names.save(&expr);
                    let checked = expr.transform_up(|inner| check_coercion(inner, &schema, limit))?;
                    Ok(checked.update_data(|expr| name.restore(expr)))
                })?
                .data;
            Ok(Transformed::yes(plan.recompute_schema()?))
        })
        .map(|checked| checked.data)
    }

    fn name(&self) -> &str {
        "check_coercions"
    }
}

fn check_coercion(expr: Expr, schema: &DFSchema, limit: bool) -> Planned<Transformed<Expr>> {
    match expr {
        Expr::Cast(inserted) => {
            let to = DataType::from_arrow(inserted.field.data_type()).map_err(Error::from)?;
            let from = match inserted.expr.get_type(schema)? {
                Arrow::Null => return Ok(Transformed::no(Expr::Cast(inserted))),
                arrow => DataType::from_arrow(&arrow).map_err(Error::from)?,
            };
            if is_exact(from, to) || from == to {
                Ok(Transformed::no(Expr::Cast(inserted)))
            } else if is_implicit(from, to) {
                Ok(Transformed::yes(cast(*inserted.expr, from, to)))
            } else {
                Err(Error::DatatypeMismatch(format!(
                    "types {from} and {to} cannot be matched; add explicit type casts"
                ))
                .into())
            }
        }
        Expr::BinaryExpr(BinaryExpr {
            op: op @ (Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo),
            ..
        }) if !limit => Err(Error::Internal(format!("operator {op} was not settled")).into()),
        other => Ok(Transformed::no(other)),
    }
}
