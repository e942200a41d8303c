//! Expressions over rows and parameters, compiled once per statement and evaluated a column at a time.
//!
//! A parameter becomes one more column of the input, holding its value in every row, so that a cached statement compiles
//! nothing when it is executed. Functions of DataFusion that insist on constants for some arguments would refuse a column, so
//! expressions that pass a parameter to one of them are compiled at each execution, with the values in place.
//!
//! Invariants: the input has the columns of the schema that it was compiled with, in order; the result has one array per
//! expression. Both ways of compiling go through the evaluator of views.
//!
//! Cost: evaluation is one pass per expression; binding is free unless something is compiled at execution.
//! Callers: `select` and `dml`.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::Field;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema, DFSchemaRef, ScalarValue, TableReference};
use datafusion_expr::{Expr, ExprSchemable};
use monostable_types::{DataType, Value, values_to_array};
use monostable_view::RowType;

use crate::compile::compile_expr;
use crate::error::{Error, Result};
use crate::statement::parameters::{Parameters, number, scalar};

/// Functions of our own, which take columns wherever they take constants.
const TAKES_COLUMNS: [&str; 6] = ["+", "-", "*", "/", "%", "cast"];

/// The values of one execution.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    values: Vec<Value>,
    types: Vec<DataType>,
}

impl Bound {
    /// Checks and casts the caller's values.
    pub(crate) fn new(parameters: &Parameters, values: &[Value]) -> Result<Bound> {
        Ok(Bound { values: parameters.bind(values)?, types: parameters.types().to_vec() })
    }

    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    /// The value of the parameter at `index`, counted from 0.
    pub(crate) fn value(&self, index: usize) -> Result<&Value> {
        self.values.get(index).ok_or_else(|| Error::Internal(format!("parameter ${} is not bound", index + 1)))
    }

    fn columns(&self, rows: usize) -> Result<Vec<ArrayRef>> {
        let repeated = |(value, data_type): (&Value, &DataType)| {
            Ok(values_to_array(*data_type, std::iter::repeat_n(value, rows))?)
        };
        self.values.iter().zip(&self.types).map(repeated).collect()
    }

    /// `expr` with its placeholders replaced.
    pub(crate) fn replace(&self, expr: Expr) -> Result<Expr> {
        let replaced = expr.transform_up(|part| match part {
            Expr::Placeholder(placeholder) => Ok(Transformed::yes(Expr::Literal(self.literal(&placeholder.id)?, None))),
            other => Ok(Transformed::no(other)),
        });
        Ok(replaced.data()?)
    }

    fn literal(&self, id: &str) -> Result<ScalarValue> {
        let index = number(id)? - 1;
        let data_type = self.types.get(index).copied();
        let data_type = data_type.ok_or_else(|| Error::Internal(format!("parameter {id} has no type")))?;
        scalar(self.value(index)?, data_type)
    }
}

/// Some expressions over the same input.
#[derive(Clone, Debug)]
pub(crate) struct Scalars {
    code: Code,
    input: Arc<RowType>,
}

#[derive(Clone, Debug)]
enum Code {
    /// Over the input alone.
    Plain(Vec<monostable_view::Expr>),
    /// Over the input followed by the parameters.
    WithParameters(Vec<monostable_view::Expr>),
    /// To be compiled when the values are known.
    AtExecution(Vec<Expr>, DFSchemaRef),
}

impl Scalars {
    /// Compiles typed expressions over the columns of `schema`.
    pub(crate) fn compile(exprs: &[Expr], schema: &DFSchemaRef, parameters: &Parameters) -> Result<Scalars> {
        let mut types = row_types(schema)?;
        let code = if !exprs.iter().any(has_parameter) {
            Code::Plain(compile_all(exprs, schema)?)
        } else if exprs.iter().any(needs_constants) {
            Code::AtExecution(exprs.to_vec(), Arc::clone(schema))
        } else {
            let extended = with_parameters(schema, parameters)?;
            types.extend(parameters.types());
            let columns: Vec<Expr> = exprs.iter().cloned().map(parameters_to_columns).collect::<Result<_>>()?;
            Code::WithParameters(compile_all(&columns, &extended)?)
        };
        Ok(Scalars { code, input: RowType::new(&types) })
    }

    /// The same expressions, ready to be evaluated with these values.
    pub(crate) fn bind(&self, bound: &Bound) -> Result<Scalars> {
        let Code::AtExecution(exprs, schema) = &self.code else { return Ok(self.clone()) };
        let exprs: Vec<Expr> = exprs.iter().cloned().map(|expr| bound.replace(expr)).collect::<Result<_>>()?;
        Ok(Scalars { code: Code::Plain(compile_all(&exprs, schema)?), input: Arc::clone(&self.input) })
    }

    /// The values of the expressions, one array each.
    pub(crate) fn evaluate(&self, rows: &RecordBatch, bound: &Bound) -> Result<Vec<ArrayRef>> {
        let count = rows.num_rows();
        let mut columns = rows.columns().to_vec();
        let exprs = match &self.code {
            Code::Plain(exprs) => exprs,
            Code::WithParameters(exprs) => {
                columns.extend(bound.columns(count)?);
                exprs
            }
            Code::AtExecution(..) => return Err(Error::Internal("expressions were not bound".to_owned())),
        };
        let input = self.input.batch(columns, count)?;
        exprs.iter().map(|expr| Ok(expr.evaluate(&input)?)).collect()
    }

    /// The value of the first expression, a condition: true where it is true, and false where it is false or NULL.
    pub(crate) fn condition(&self, rows: &RecordBatch, bound: &Bound) -> Result<BooleanArray> {
        let mut arrays = self.evaluate(rows, bound)?;
        let array = arrays.pop().ok_or_else(|| Error::Internal("a filter without a condition".to_owned()))?;
        let condition = array.as_any().downcast_ref::<BooleanArray>();
        let condition = condition.ok_or_else(|| Error::DatatypeMismatch("a condition must be boolean".to_owned()))?;
        Ok(condition.iter().map(|value| Some(value == Some(true))).collect())
    }
}

fn compile_all(exprs: &[Expr], schema: &DFSchema) -> Result<Vec<monostable_view::Expr>> {
    exprs.iter().map(|expr| compile_expr(expr, schema)).collect()
}

/// The types of the columns of a plan's schema.
pub(crate) fn row_types(schema: &DFSchema) -> Result<Vec<DataType>> {
    schema.fields().iter().map(|field| column_type(field.data_type())).collect()
}

/// The types of typed expressions over the columns of `schema`.
pub(crate) fn expr_types(exprs: &[Expr], schema: &DFSchema) -> Result<Vec<DataType>> {
    exprs.iter().map(|expr| column_type(&expr.get_type(schema)?)).collect()
}

/// An untyped NULL is text once it has to have a type, as in PostgreSQL.
fn column_type(arrow: &arrow_schema::DataType) -> Result<DataType> {
    match arrow {
        arrow_schema::DataType::Null => Ok(DataType::Text),
        arrow => Ok(DataType::from_arrow(arrow)?),
    }
}

pub(crate) fn has_parameter(expr: &Expr) -> bool {
    expr.exists(|part| Ok(matches!(part, Expr::Placeholder(_)))).unwrap_or(true)
}

/// Whether a parameter is passed to a function that might insist on a constant.
fn needs_constants(expr: &Expr) -> bool {
    let mut found = false;
    let walked = expr.apply(|part| {
        if let Expr::ScalarFunction(call) = part {
            found |= !TAKES_COLUMNS.contains(&call.func.name()) && call.args.iter().any(has_parameter);
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    found || walked.is_err()
}

fn with_parameters(schema: &DFSchema, parameters: &Parameters) -> Result<DFSchema> {
    let own = schema.iter().map(|(qualifier, field)| (qualifier.cloned(), Arc::clone(field)));
    let added = parameters.types().iter().enumerate().map(|(index, data_type)| {
        let field = Field::new((index + 1).to_string(), data_type.to_arrow(), true);
        (Some(parameter_table()), Arc::new(field))
    });
    Ok(DFSchema::new_with_metadata(own.chain(added).collect(), Default::default())?)
}

/// A qualifier that no one types, so that a parameter is never taken for a column of the query.
fn parameter_table() -> TableReference {
    TableReference::bare("$\u{1}")
}

fn parameters_to_columns(expr: Expr) -> Result<Expr> {
    let replaced = expr.transform_up(|part| match part {
        Expr::Placeholder(placeholder) => {
            let name = number(&placeholder.id)?.to_string();
            Ok(Transformed::yes(Expr::Column(Column::new(Some(parameter_table()), name))))
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(replaced.data()?)
}
