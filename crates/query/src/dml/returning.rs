//! RETURNING: expressions over the rows that a statement wrote.
//!
//! New rows for INSERT and UPDATE, old rows for DELETE. Bound as the select list of a query over the table alone, so that
//! names, `*` and types are those of a query; aggregates and subqueries are refused.
//!
//! Cost: one pass per expression. Callers: `dml`.

use arrow_array::RecordBatch;
use datafusion_expr::LogicalPlan;
use datafusion_sql::sqlparser::ast::{self, SelectItem};
use monostable_types::{Column, Schema};

use super::Statement;
use crate::error::{Error, Result};
use crate::names::output_name;
use crate::planner::Purpose;
use crate::select::scalars::{Bound, Scalars, expr_types};
use crate::select::{QueryResult, rename};
use crate::statement::parameters::{ParameterTypes, Parameters};
use crate::statement::syntax;

/// The expressions of RETURNING, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Returning {
    pub(crate) schema: Schema,
    scalars: Scalars,
}

/// The expressions of RETURNING, typed; compiled once all parameters of the statement are known.
pub(crate) struct TypedReturning {
    schema: Schema,
    exprs: Vec<datafusion_expr::Expr>,
    input: datafusion_common::DFSchemaRef,
}

impl TypedReturning {
    /// Binds the items over the rows of `table`, as it is named in the statement.
    pub(super) fn new(
        statement: &Statement<'_>,
        items: &[SelectItem],
        table: ast::TableFactor,
        parameters: &mut ParameterTypes,
    ) -> Result<TypedReturning> {
        let query = syntax::select(items.to_vec(), table, None);
        let bound = statement.planner.bind(&query, statement.catalog, Purpose::Query)?;
        let LogicalPlan::Projection(projection) = bound else { return Err(refusal()) };
        if !is_table(&projection.input) {
            return Err(refusal());
        }
        let input = projection.input.schema().clone();
        let mut exprs = Vec::with_capacity(projection.expr.len());
        for expr in projection.expr {
            exprs.push(parameters.expr(statement.planner.type_expression(expr, &input)?)?);
        }
        let names = projection.schema.fields().iter().map(|field| output_name(field.name()));
        let columns = names.zip(expr_types(&exprs, &input)?).map(|(name, data_type)| Column::new(name, data_type));
        Ok(TypedReturning { schema: Schema::new(columns.collect::<Vec<_>>()), exprs, input })
    }

    /// Compiles the expressions.
    pub(crate) fn compile(self, parameters: &Parameters) -> Result<Returning> {
        let scalars = Scalars::compile(&self.exprs, &self.input, parameters)?;
        Ok(Returning { schema: self.schema, scalars })
    }
}

impl Returning {
    /// The expressions over rows of the table.
    pub(crate) fn rows(&self, rows: &RecordBatch, bound: &Bound) -> Result<QueryResult> {
        let columns = self.scalars.bind(bound)?.evaluate(rows, bound)?;
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let batch = RecordBatch::try_new_with_options(self.schema.arrow(), columns, &options)?;
        Ok(QueryResult { schema: self.schema.clone(), batches: vec![rename(&self.schema, batch)?] })
    }
}

fn is_table(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::TableScan(_) => true,
        LogicalPlan::SubqueryAlias(alias) => is_table(&alias.input),
        _ => false,
    }
}

fn refusal() -> Error {
    Error::not_supported("an aggregate, a window function or a subquery in RETURNING")
}
