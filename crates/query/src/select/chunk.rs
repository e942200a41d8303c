//! Rows on their way to the reader: a record batch with weights, and the steps that filter and project it.
//!
//! Invariant: a row of weight w stands for w equal rows; `expand` is the only place where it becomes them, and it refuses
//! weights that are not positive, because a reader can only be given rows that are there.
//!
//! Cost: one pass per step. Callers: `select::scan`, `select::tail`, `select`.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take;
use datafusion_common::DFSchemaRef;
use datafusion_expr::Expr;
use monostable_types::{DataType, Weight};
use monostable_view::RowType;

use super::scalars::{Bound, Scalars, row_types};
use crate::error::{Error, Result};
use crate::statement::parameters::Parameters;

/// Rows, each with its weight.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) rows: RecordBatch,
    pub(crate) weights: Vec<Weight>,
}

impl Chunk {
    /// A row of weight w as w rows.
    pub(crate) fn expand(self) -> Result<RecordBatch> {
        if self.weights.iter().all(|weight| *weight == Weight::ONE) {
            return Ok(self.rows);
        }
        let mut indices: Vec<u32> = Vec::with_capacity(self.weights.len());
        for (index, weight) in (0_u32..).zip(&self.weights) {
            let copies = usize::try_from(weight.0).ok().filter(|copies| *copies > 0);
            let copies =
                copies.ok_or_else(|| Error::Internal(format!("a row came out of a query {} times", weight.0)))?;
            if indices.len().saturating_add(copies) > u32::MAX as usize {
                return Err(Error::data("54000", "the result has more than 4,294,967,295 rows; add a LIMIT"));
            }
            indices.extend(std::iter::repeat_n(index, copies));
        }
        take_rows(&self.rows, &indices)
    }
}

/// The rows at these indices, in their order.
pub(crate) fn take_rows(rows: &RecordBatch, indices: &[u32]) -> Result<RecordBatch> {
    let indices_array = UInt32Array::from(indices.to_vec());
    let columns = rows.columns().iter().map(|column| take(column, &indices_array, None));
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
    batch(rows, columns, indices.len())
}

/// A batch with the schema of another one. The number of rows is needed because there may be no columns.
fn batch(like: &RecordBatch, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(like.schema(), columns, &options)?)
}

/// A filter or a projection, compiled.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Keeps the rows for which the condition is true.
    Filter(Scalars),
    /// Replaces the columns.
    Project(Scalars, Arc<RowType>),
}

impl Step {
    /// A filter over rows of `schema`.
    pub(crate) fn filter(predicate: Expr, schema: &DFSchemaRef, parameters: &Parameters) -> Result<Step> {
        Ok(Step::Filter(Scalars::compile(&[predicate], schema, parameters)?))
    }

    /// A projection from rows of `schema` to rows of `output`.
    pub(crate) fn project(
        exprs: &[Expr],
        schema: &DFSchemaRef,
        output: &DFSchemaRef,
        parameters: &Parameters,
    ) -> Result<Step> {
        let scalars = Scalars::compile(exprs, schema, parameters)?;
        Ok(Step::Project(scalars, RowType::new(&row_types(output)?)))
    }

    /// Ready for one execution.
    pub(crate) fn bind(&self, bound: &Bound) -> Result<Step> {
        Ok(match self {
            Step::Filter(scalars) => Step::Filter(scalars.bind(bound)?),
            Step::Project(scalars, row) => Step::Project(scalars.bind(bound)?, Arc::clone(row)),
        })
    }

    /// The rows after the step.
    pub(crate) fn apply(&self, chunk: Chunk, bound: &Bound) -> Result<Chunk> {
        match self {
            Step::Filter(scalars) => {
                let keep = scalars.condition(&chunk.rows, bound)?;
                if keep.true_count() == keep.len() {
                    return Ok(chunk);
                }
                let kept = chunk.weights.iter().zip(keep.iter()).filter(|(_, keep)| *keep == Some(true));
                let weights = kept.map(|(weight, _)| *weight).collect();
                Ok(Chunk { rows: filter_record_batch(&chunk.rows, &keep)?, weights })
            }
            Step::Project(scalars, row) => {
                let columns = scalars.evaluate(&chunk.rows, bound)?;
                let rows = row.batch(columns, chunk.weights.len())?;
                Ok(Chunk { rows, weights: chunk.weights })
            }
        }
    }
}

/// All steps, ready for one execution.
pub(crate) fn bind_all(steps: &[Step], bound: &Bound) -> Result<Vec<Step>> {
    steps.iter().map(|step| step.bind(bound)).collect()
}

/// The columns of a schema's types, empty.
pub(crate) fn empty(types: &[DataType]) -> RecordBatch {
    RecordBatch::new_empty(Arc::clone(RowType::new(types).arrow()))
}
