//! `Delta`: a change to a Z-set, as columns.
//!
//! An Arrow record batch and one weight per row. A delta need not be consolidated: equal rows may occur more than once and
//! may cancel each other; two deltas are *equivalent* if they consolidate to the same rows. Operators may not depend on
//! the order of rows, nor on more than equivalence.
//!
//! It is immutable and cheap to clone: columns and weights are behind `Arc`s.

use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use monostable_types::{DataType, Rows, Value, Weight, values_to_array};

use crate::batch::Batch;
use crate::failure::Failure;
use crate::layout::{Layout, RowType};

/// A change to a Z-set: rows and one weight per row.
#[derive(Clone, Debug)]
pub struct Delta {
    rows: RecordBatch,
    weights: Arc<[Weight]>,
}

impl Delta {
    /// Rows with their weights, one per row.
    ///
    /// # Panics
    /// If there is not exactly one weight per row.
    pub fn new(rows: RecordBatch, weights: impl Into<Arc<[Weight]>>) -> Delta {
        let weights = weights.into();
        assert_eq!(rows.num_rows(), weights.len(), "one weight per row");
        Delta { rows, weights }
    }

    /// Every row with weight 1.
    pub fn inserts(rows: RecordBatch) -> Delta {
        let weights = vec![Weight::ONE; rows.num_rows()];
        Delta::new(rows, weights)
    }

    /// No rows of the given type.
    pub(crate) fn empty(row: &RowType) -> Delta {
        Delta { rows: RecordBatch::new_empty(Arc::clone(row.arrow())), weights: Arc::from([]) }
    }

    /// A delta from single values: each row has one value per type.
    pub fn from_values(types: &[DataType], rows: &[(Vec<Value>, i64)]) -> Result<Delta, monostable_types::Error> {
        let row = RowType::new(types);
        let mut columns = Vec::with_capacity(types.len());
        for (index, &data_type) in types.iter().enumerate() {
            let values = rows.iter().map(|(values, _)| values.get(index).unwrap_or(&Value::Null));
            columns.push(values_to_array(data_type, values)?);
        }
        let weights: Vec<Weight> = rows.iter().map(|&(_, weight)| Weight(weight)).collect();
        let found = |error: arrow_schema::ArrowError| monostable_types::Error::UnsupportedArrowType(error.to_string());
        Ok(Delta::new(row.batch(columns, rows.len()).map_err(found)?, weights))
    }

    /// The rows.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The weights, one per row.
    pub fn weights(&self) -> &Arc<[Weight]> {
        &self.weights
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are no rows. A delta with rows may still be equivalent to the empty one.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The change that undoes this one.
    pub fn negate(&self) -> Result<Delta, Failure> {
        let weights: Result<Vec<Weight>, _> = self.weights.iter().map(|weight| weight.neg()).collect();
        Ok(Delta { rows: self.rows.clone(), weights: weights?.into() })
    }

    /// All rows of all deltas, which have one schema. `None` if there are no deltas.
    pub fn concat(deltas: &[Delta]) -> Result<Option<Delta>, Failure> {
        let Some(first) = deltas.first() else { return Ok(None) };
        if deltas.len() == 1 {
            return Ok(Some(first.clone()));
        }
        let weights: Vec<Weight> = deltas.iter().flat_map(|delta| delta.weights.iter().copied()).collect();
        let rows = if first.rows.num_columns() == 0 {
            RowType::new(&[]).batch(Vec::new(), weights.len())?
        } else {
            concat_batches(&first.rows.schema(), deltas.iter().map(|delta| &delta.rows))?
        };
        Ok(Some(Delta::new(rows, weights)))
    }

    /// The equivalent delta in which each row occurs once, with a non-zero weight, in the order of its encoding.
    pub fn consolidate(&self) -> Result<Delta, Failure> {
        let types: Result<Vec<DataType>, _> =
            self.rows.schema().fields().iter().map(|field| DataType::from_arrow(field.data_type())).collect();
        let layout = Layout::new(RowType::new(&types?), &[]);
        let mut entries = Rows::default();
        layout.encode(&self.rows, &mut entries)?;
        let batch = Batch::from_unsorted(&entries, &self.weights)?;
        let weights: Vec<Weight> = batch.iter().map(|(_, weight)| weight).collect();
        let rows = layout.decode((0..batch.len()).map(|index| batch.get(index).0))?;
        Ok(Delta::new(rows, weights))
    }

    /// The rows for which `keep` is true.
    pub(crate) fn filter(&self, keep: &BooleanArray) -> Result<Delta, Failure> {
        let rows = filter_record_batch(&self.rows, keep)?;
        let kept = self.weights.iter().zip(keep.iter()).filter(|(_, keep)| *keep == Some(true));
        let weights: Vec<Weight> = kept.map(|(weight, _)| *weight).collect();
        Ok(Delta::new(rows, weights))
    }

    /// The same columns under the names of `row`, if their types are the same.
    pub(crate) fn retyped(&self, row: &RowType) -> Result<Delta, Failure> {
        let rows = row.batch(self.rows.columns().to_vec(), self.len())?;
        Ok(Delta { rows, weights: Arc::clone(&self.weights) })
    }
}
