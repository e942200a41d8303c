//! The canonical encoding of an expression: equal bytes if and only if the same tree over the same columns by position.
//!
//! One tag byte per node, then its parameters, then its children; lists are preceded by their length. Names of columns and
//! aliases are no part of it. State that was built for a view is found again by these bytes when the database is opened, so
//! a change of meaning of any function or operator must raise [`SEMANTICS`], and a new node gets a new tag.

use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::expr::{Case, InList, Like, ScalarFunction};
use datafusion_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use monostable_types::{DataType, RowCodec, Value};
use monostable_view::identity::{put_bytes, put_number, put_type};

use super::{literal, operands_of};
use crate::error::{Error, Result};

/// Raised when an expression with unchanged bytes would compute something else than before: also by an upgrade of DataFusion.
pub(crate) const SEMANTICS: u8 = 1;

/// Appends the encoding of `expr` over the columns of `schema`.
pub(super) fn encode(expr: &Expr, schema: &DFSchema, out: &mut Vec<u8>) -> Result<()> {
    out.push(SEMANTICS);
    Encoder { schema, out }.node(expr)
}

struct Encoder<'a> {
    schema: &'a DFSchema,
    out: &'a mut Vec<u8>,
}

impl Encoder<'_> {
    #[recursive::recursive]
    fn node(&mut self, expr: &Expr) -> Result<()> {
        match expr {
            Expr::Alias(alias) => self.node(&alias.expr),
            Expr::Column(column) => {
                let index = self.schema.index_of_column(column)?;
                self.out.push(1);
                put_number(self.out, index as u64);
                put_type(self.out, DataType::from_arrow(self.schema.field(index).data_type())?);
                Ok(())
            }
            Expr::Literal(value, _) => self.literal(value),
            Expr::BinaryExpr(BinaryExpr { op: op @ (Operator::And | Operator::Or), .. }) => {
                let operands = operands_of(expr, *op);
                self.out.extend([3, operator(*op)?]);
                self.list(operands.len(), operands.into_iter())
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                self.out.extend([4, operator(*op)?]);
                self.node(left)?;
                self.node(right)
            }
            Expr::Not(operand) => self.unary(5, operand),
            Expr::IsNull(operand) => self.unary(6, operand),
            Expr::IsNotNull(operand) => self.unary(7, operand),
            Expr::IsTrue(operand) => self.unary(8, operand),
            Expr::IsFalse(operand) => self.unary(9, operand),
            Expr::IsUnknown(operand) => self.unary(10, operand),
            Expr::IsNotTrue(operand) => self.unary(11, operand),
            Expr::IsNotFalse(operand) => self.unary(12, operand),
            Expr::IsNotUnknown(operand) => self.unary(13, operand),
            Expr::Like(Like { negated, expr, pattern, escape_char: None, case_insensitive }) => {
                self.out.extend([14, u8::from(*negated), u8::from(*case_insensitive)]);
                self.node(expr)?;
                self.node(pattern)
            }
            Expr::Case(case) => self.case(case),
            Expr::Cast(cast) => {
                self.out.push(16);
                put_type(self.out, DataType::from_arrow(cast.field.data_type())?);
                self.node(&cast.expr)
            }
            Expr::InList(InList { expr, list, negated }) => {
                self.out.extend([17, u8::from(*negated)]);
                self.node(expr)?;
                self.list(list.len(), list.iter())
            }
            Expr::ScalarFunction(call) => self.call(call, expr),
            Expr::Placeholder(placeholder) => {
                let message = format!("there is no parameter {}", placeholder.id);
                Err(Error::Parameter { sqlstate: "42P02", message })
            }
            other => Err(Error::not_supported(format!("the expression {other}"))),
        }
    }

    fn unary(&mut self, tag: u8, operand: &Expr) -> Result<()> {
        self.out.push(tag);
        self.node(operand)
    }

    fn list<'e>(&mut self, len: usize, exprs: impl Iterator<Item = &'e Expr>) -> Result<()> {
        put_number(self.out, len as u64);
        for expr in exprs {
            self.node(expr)?;
        }
        Ok(())
    }

    fn literal(&mut self, value: &ScalarValue) -> Result<()> {
        let (value, data_type) = literal(value)?;
        self.out.push(2);
        put_type(self.out, data_type);
        let mut bytes = Vec::new();
        match &value {
            // The row codec has one zero; a function can tell the two apart.
            Value::Real(float) => bytes.extend(float.to_bits().to_le_bytes()),
            Value::Double(float) => bytes.extend(float.to_bits().to_le_bytes()),
            other => RowCodec::new(&[data_type])
                .encode_values(std::slice::from_ref(other), &mut bytes)
                .map_err(|error| Error::Internal(error.to_string()))?,
        }
        put_bytes(self.out, &bytes);
        Ok(())
    }

    fn case(&mut self, case: &Case) -> Result<()> {
        self.out.extend([15, u8::from(case.expr.is_some()), u8::from(case.else_expr.is_some())]);
        if let Some(subject) = &case.expr {
            self.node(subject)?;
        }
        put_number(self.out, case.when_then_expr.len() as u64);
        for (when, then) in &case.when_then_expr {
            self.node(when)?;
            self.node(then)?;
        }
        match &case.else_expr {
            Some(otherwise) => self.node(otherwise),
            None => Ok(()),
        }
    }

    /// Name and result type say which overload it is, because the arguments are exactly typed.
    fn call(&mut self, call: &ScalarFunction, expr: &Expr) -> Result<()> {
        self.out.push(18);
        put_bytes(self.out, call.func.name().as_bytes());
        put_type(self.out, DataType::from_arrow(&expr.get_type(self.schema)?)?);
        self.list(call.args.len(), call.args.iter())
    }
}

fn operator(op: Operator) -> Result<u8> {
    Ok(match op {
        Operator::And => 1,
        Operator::Or => 2,
        Operator::Eq => 3,
        Operator::NotEq => 4,
        Operator::Lt => 5,
        Operator::LtEq => 6,
        Operator::Gt => 7,
        Operator::GtEq => 8,
        Operator::IsDistinctFrom => 9,
        Operator::IsNotDistinctFrom => 10,
        Operator::StringConcat => 11,
        other => return Err(Error::not_supported(format!("operator {other}"))),
    })
}
