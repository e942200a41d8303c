//! Expressions: from DataFusion's bound, typed and simplified [`Expr`] to [`monostable_view::Expr`].
//!
//! What runs is DataFusion's `PhysicalExpr`, over columns by position. AND and OR are ours ([`logical`]): the right side is
//! evaluated only for rows that need it, and conditions that cannot fail come first, so that `b <> 0 AND a / b > 1` never
//! divides by zero. What is persisted of an expression is its [`identity`].
//!
//! A closed list: an expression that is not on it is 0A000. Plain columns and literals become the built-in expressions of crate
//! `view`, which cost nothing to evaluate.
//!
//! Cost: a tree of nodes per expression, each a pass over the columns of a batch.

mod conjuncts;
mod identity;
mod logical;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::Schema as ArrowSchema;
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::expr::{Case, InList, Like, ScalarFunction};
use datafusion_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use datafusion_physical_expr::{PhysicalExpr, ScalarFunctionExpr, expressions};
use monostable_types::{DataType, Value};
use monostable_view::{Conjunct, Expression, ExpressionError, expression};

pub(crate) use self::identity::SEMANTICS;
use self::logical::{Connective, Logical};
use crate::depth::{with_stack, with_stack_for};
use crate::error::{Error, Result};

/// A SQL expression that crate `view` can evaluate.
struct Compiled {
    physical: Arc<dyn PhysicalExpr>,
    data_type: DataType,
    identity: Vec<u8>,
    /// Levels of the tree that is evaluated.
    depth: usize,
    /// The condition as tests on encoded rows, if it is a conjunction of such.
    conjuncts: Option<Vec<Conjunct>>,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.physical)
    }
}

impl Expression for Compiled {
    fn evaluate(&self, rows: &RecordBatch) -> Result<ArrayRef, ExpressionError> {
        if rows.num_rows() == 0 {
            return Ok(arrow_array::new_empty_array(&self.data_type.to_arrow()));
        }
        let evaluated = with_stack_for(self.depth, || self.physical.evaluate(rows));
        let evaluated = evaluated.and_then(|value| value.into_array(rows.num_rows()));
        let array = evaluated.map_err(|error| ExpressionError::from(Error::from(error)))?;
        if array.data_type() != &self.data_type.to_arrow() {
            let message = format!("{} gave {} instead of {}", self.physical, array.data_type(), self.data_type);
            return Err(Error::Internal(message).into());
        }
        Ok(array)
    }

    fn data_type(&self) -> DataType {
        self.data_type
    }

    fn identity(&self, out: &mut Vec<u8>) {
        monostable_view::identity::put_bytes(out, b"sql");
        monostable_view::identity::put_bytes(out, &self.identity);
    }

    fn conjuncts(&self) -> Option<Vec<Conjunct>> {
        self.conjuncts.clone()
    }
}

/// Compiles an expression over rows with the columns of `schema`, in their order.
pub fn compile_expr(expr: &Expr, schema: &DFSchema) -> Result<monostable_view::Expr> {
    match expr {
        Expr::Alias(alias) => return compile_expr(&alias.expr, schema),
        Expr::Column(column) => {
            let index = schema.index_of_column(column)?;
            let data_type = DataType::from_arrow(schema.field(index).data_type())?;
            return Ok(expression::Column::at(index, data_type));
        }
        Expr::Literal(value, _) => {
            let (value, data_type) = literal(value)?;
            return Ok(expression::Literal::new(value, data_type)?);
        }
        _ => {}
    }
    let data_type = match expr.get_type(schema)? {
        arrow_schema::DataType::Null => DataType::Text,
        arrow => DataType::from_arrow(&arrow)?,
    };
    let mut encoded = Vec::new();
    identity::encode(expr, schema, &mut encoded)?;
    let physical = with_stack(|| Builder { schema }.build(expr))?;
    let depth = with_stack(|| depth_of(&physical));
    let conjuncts = conjuncts::of(expr, schema);
    Ok(Arc::new(Compiled { physical, data_type, identity: encoded, depth, conjuncts }))
}

fn depth_of(physical: &Physical) -> usize {
    1 + physical.children().into_iter().map(depth_of).max().unwrap_or(0)
}

/// Compiles the conjunction of some conditions; `None` if there are none.
pub fn compile_conjunction(conjuncts: &[Expr], schema: &DFSchema) -> Result<Option<monostable_view::Expr>> {
    match datafusion_expr::utils::conjunction(conjuncts.to_vec()) {
        Some(condition) => compile_expr(&condition, schema).map(Some),
        None => Ok(None),
    }
}

/// A literal as a value of one of our types; an untyped NULL is text.
pub fn literal(value: &ScalarValue) -> Result<(Value, DataType)> {
    if value.data_type() == arrow_schema::DataType::Null {
        return Ok((Value::Null, DataType::Text));
    }
    let data_type = DataType::from_arrow(&value.data_type())?;
    let array = value.to_array()?;
    Ok((Value::from_array(array.as_ref(), 0, data_type)?, data_type))
}

/// Whether evaluating the expression can fail for some row.
pub(crate) fn can_fail(expr: &Expr) -> bool {
    use datafusion_common::tree_node::TreeNode;
    expr.exists(|inner| Ok(matches!(inner, Expr::ScalarFunction(_)))).unwrap_or(true)
}

/// The operands of a chain of the same connective, those that cannot fail first.
pub(crate) fn operands_of(expr: &Expr, op: Operator) -> Vec<&Expr> {
    let mut operands = Vec::new();
    let mut stack = vec![expr];
    while let Some(next) = stack.pop() {
        match next {
            Expr::BinaryExpr(BinaryExpr { left, op: inner, right }) if *inner == op => {
                stack.push(right);
                stack.push(left);
            }
            Expr::Alias(alias) => stack.push(&alias.expr),
            other => operands.push(other),
        }
    }
    let (fallible, safe): (Vec<&Expr>, Vec<&Expr>) = operands.into_iter().partition(|operand| can_fail(operand));
    safe.into_iter().chain(fallible).collect()
}

struct Builder<'a> {
    schema: &'a DFSchema,
}

type Physical = Arc<dyn PhysicalExpr>;

impl Builder<'_> {
    fn arrow(&self) -> &ArrowSchema {
        self.schema.as_arrow()
    }

    #[recursive::recursive]
    fn build(&self, expr: &Expr) -> Result<Physical> {
        Ok(match expr {
            Expr::Alias(alias) => self.build(&alias.expr)?,
            Expr::Column(column) => {
                let index = self.schema.index_of_column(column)?;
                Arc::new(expressions::Column::new(&column.name, index))
            }
            Expr::Literal(value, _) => Arc::new(expressions::Literal::new(value.clone())),
            Expr::BinaryExpr(BinaryExpr { op: Operator::And, .. }) => self.logical(expr, Connective::And)?,
            Expr::BinaryExpr(BinaryExpr { op: Operator::Or, .. }) => self.logical(expr, Connective::Or)?,
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => self.binary(left, *op, right)?,
            Expr::Not(operand) => expressions::not(self.build(operand)?)?,
            Expr::IsNull(operand) => expressions::is_null(self.build(operand)?)?,
            Expr::IsNotNull(operand) => expressions::is_not_null(self.build(operand)?)?,
            Expr::IsTrue(operand) => self.truth(operand, Operator::IsNotDistinctFrom, Some(true))?,
            Expr::IsFalse(operand) => self.truth(operand, Operator::IsNotDistinctFrom, Some(false))?,
            Expr::IsUnknown(operand) => self.truth(operand, Operator::IsNotDistinctFrom, None)?,
            Expr::IsNotTrue(operand) => self.truth(operand, Operator::IsDistinctFrom, Some(true))?,
            Expr::IsNotFalse(operand) => self.truth(operand, Operator::IsDistinctFrom, Some(false))?,
            Expr::IsNotUnknown(operand) => self.truth(operand, Operator::IsDistinctFrom, None)?,
            Expr::Like(Like { negated, expr, pattern, escape_char: None, case_insensitive }) => {
                expressions::like(*negated, *case_insensitive, self.build(expr)?, self.build(pattern)?, self.arrow())?
            }
            Expr::Case(case) => self.case(case)?,
            Expr::Cast(cast) => {
                expressions::cast(self.build(&cast.expr)?, self.arrow(), cast.field.data_type().clone())?
            }
            Expr::InList(InList { expr, list, negated }) => {
                let list = list.iter().map(|item| self.build(item)).collect::<Result<Vec<_>>>()?;
                expressions::in_list(self.build(expr)?, list, negated, self.arrow())?
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                let args = args.iter().map(|argument| self.build(argument)).collect::<Result<Vec<_>>>()?;
                let options = Arc::new(ConfigOptions::default());
                Arc::new(ScalarFunctionExpr::try_new(Arc::clone(func), args, self.arrow(), options)?)
            }
            Expr::Placeholder(placeholder) => {
                let message = format!("there is no parameter {}", placeholder.id);
                return Err(Error::Parameter { sqlstate: "42P02", message });
            }
            other => return Err(Error::not_supported(format!("the expression {other}"))),
        })
    }

    fn logical(&self, expr: &Expr, connective: Connective) -> Result<Physical> {
        let op = match connective {
            Connective::And => Operator::And,
            Connective::Or => Operator::Or,
        };
        let operands = operands_of(expr, op);
        let fallible = operands.iter().map(|operand| can_fail(operand)).collect();
        let operands = operands.into_iter().map(|operand| self.build(operand)).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Logical::new(connective, operands, fallible)))
    }

    fn binary(&self, left: &Expr, op: Operator, right: &Expr) -> Result<Physical> {
        match op {
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
            | Operator::StringConcat => {
                Ok(expressions::binary(self.build(left)?, op, self.build(right)?, self.arrow())?)
            }
            other => Err(Error::not_supported(format!("operator {other}"))),
        }
    }

    fn truth(&self, operand: &Expr, op: Operator, value: Option<bool>) -> Result<Physical> {
        let value = Arc::new(expressions::Literal::new(ScalarValue::Boolean(value)));
        Ok(expressions::binary(self.build(operand)?, op, value, self.arrow())?)
    }

    fn case(&self, case: &Case) -> Result<Physical> {
        let subject = case.expr.as_deref().map(|subject| self.build(subject)).transpose()?;
        let when_then = case
            .when_then_expr
            .iter()
            .map(|(when, then)| Ok((self.build(when)?, self.build(then)?)))
            .collect::<Result<Vec<_>>>()?;
        let otherwise = case.else_expr.as_deref().map(|otherwise| self.build(otherwise)).transpose()?;
        Ok(expressions::case(subject, when_then, otherwise)?)
    }
}
