//! `Delta`: a change to a Z-set, as encoded rows or as columns.
//!
//! Rows of one type and one weight per row. A delta need not be consolidated: equal rows may occur more than once and
//! may cancel each other; two deltas are *equivalent* if they consolidate to the same rows. Operators may not depend on
//! the order of rows, nor on more than equivalence.
//!
//! Two forms of the same rows: encoded in logical column order, which is what arrangements, joins and aggregates work on,
//! and Arrow columns, which is what expressions work on. A delta is made with one of them; the other is made when it is
//! first asked for, and kept.
//!
//! It is immutable and cheap to clone: rows and weights are behind `Arc`s.

use std::sync::{Arc, OnceLock};

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use monostable_types::{DataType, Rows, Value, Weight, values_to_array};

use crate::batch::Batch;
use crate::failure::Failure;
use crate::layout::RowType;

/// A change to a Z-set: rows and one weight per row.
#[derive(Clone, Debug)]
pub struct Delta {
    forms: Arc<Forms>,
    weights: Arc<[Weight]>,
}

/// The rows of a delta. At least one of the forms is there.
#[derive(Debug)]
struct Forms {
    row: Arc<RowType>,
    columns: OnceLock<RecordBatch>,
    encoded: OnceLock<Rows>,
}

impl Delta {
    /// Rows of type `row` with their weights, one per row.
    ///
    /// # Panics
    /// If there is not exactly one weight per row.
    pub fn new(row: &Arc<RowType>, columns: RecordBatch, weights: impl Into<Arc<[Weight]>>) -> Delta {
        let weights = weights.into();
        assert_eq!(columns.num_rows(), weights.len(), "one weight per row");
        let forms = Forms { row: Arc::clone(row), columns: columns.into(), encoded: OnceLock::new() };
        Delta { forms: Arc::new(forms), weights }
    }

    /// Rows of type `row`, encoded by its codec, with their weights, one per row.
    ///
    /// # Panics
    /// If there is not exactly one weight per row.
    pub fn encoded(row: &Arc<RowType>, rows: Rows, weights: impl Into<Arc<[Weight]>>) -> Delta {
        let weights = weights.into();
        assert_eq!(rows.len(), weights.len(), "one weight per row");
        let forms = Forms { row: Arc::clone(row), columns: OnceLock::new(), encoded: rows.into() };
        Delta { forms: Arc::new(forms), weights }
    }

    /// Every row with weight 1.
    pub fn inserts(row: &Arc<RowType>, columns: RecordBatch) -> Delta {
        let weights = vec![Weight::ONE; columns.num_rows()];
        Delta::new(row, columns, weights)
    }

    /// No rows of the given type.
    pub(crate) fn empty(row: &Arc<RowType>) -> Delta {
        Delta::encoded(row, Rows::default(), [])
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
        let columns = row.batch(columns, rows.len()).map_err(found)?;
        Ok(Delta::new(&row, columns, weights))
    }

    /// The type of the rows.
    pub fn row(&self) -> &Arc<RowType> {
        &self.forms.row
    }

    /// The rows as columns.
    pub fn columns(&self) -> Result<&RecordBatch, Failure> {
        let Forms { row, columns, encoded } = &*self.forms;
        if let Some(columns) = columns.get() {
            return Ok(columns);
        }
        let rows = encoded.get().ok_or_else(|| Failure::inconsistent("a delta without rows"))?;
        let decoded = if row.is_empty() { Vec::new() } else { row.codec().decode_columns(rows.iter())? };
        let decoded = row.batch(decoded, self.weights.len())?;
        Ok(columns.get_or_init(|| decoded))
    }

    /// The rows, encoded by the codec of their type.
    pub fn rows(&self) -> Result<&Rows, Failure> {
        let Forms { row, columns, encoded } = &*self.forms;
        if let Some(rows) = encoded.get() {
            return Ok(rows);
        }
        let batch = columns.get().ok_or_else(|| Failure::inconsistent("a delta without rows"))?;
        let mut rows = Rows::default();
        if row.is_empty() {
            (0..self.weights.len()).for_each(|_| rows.push(b""));
        } else {
            row.codec().encode_columns(batch.columns(), &mut rows)?;
        }
        Ok(encoded.get_or_init(|| rows))
    }

    /// The rows in encoded form, if they are in it already.
    pub(crate) fn encoded_rows(&self) -> Option<&Rows> {
        self.forms.encoded.get()
    }

    /// The rows as columns, if they are in that form already.
    pub fn decoded_columns(&self) -> Option<&RecordBatch> {
        self.forms.columns.get()
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
        Ok(Delta { forms: Arc::clone(&self.forms), weights: weights?.into() })
    }

    /// All rows of all deltas, which have one type. `None` if there are no deltas.
    pub fn concat(deltas: &[Delta]) -> Result<Option<Delta>, Failure> {
        let Some(first) = deltas.first() else { return Ok(None) };
        if deltas.len() == 1 {
            return Ok(Some(first.clone()));
        }
        let row = first.row();
        let weights: Vec<Weight> = deltas.iter().flat_map(|delta| delta.weights.iter().copied()).collect();
        if !row.is_empty() && deltas.iter().all(|delta| delta.encoded_rows().is_none()) {
            let batches: Result<Vec<&RecordBatch>, Failure> = deltas.iter().map(Delta::columns).collect();
            return Ok(Some(Delta::new(row, concat_batches(row.arrow(), batches?)?, weights)));
        }
        let mut rows = Rows::default();
        for delta in deltas {
            rows.extend(delta.rows()?);
        }
        Ok(Some(Delta::encoded(row, rows, weights)))
    }

    /// The equivalent delta in which each row occurs once, with a non-zero weight, in the order of its encoding.
    pub fn consolidate(&self) -> Result<Delta, Failure> {
        let batch = Batch::from_unsorted(self.rows()?, &self.weights)?;
        let mut rows = Rows::with_capacity(batch.len(), batch.entry_bytes());
        let mut weights = Vec::with_capacity(batch.len());
        for (entry, weight) in batch.iter() {
            rows.push(entry);
            weights.push(weight);
        }
        Ok(Delta::encoded(self.row(), rows, weights))
    }

    /// The rows for which `keep` is true.
    pub(crate) fn filter(&self, keep: &BooleanArray) -> Result<Delta, Failure> {
        let rows = filter_record_batch(self.columns()?, keep)?;
        let kept = self.weights.iter().zip(keep.iter()).filter(|(_, keep)| *keep == Some(true));
        let weights: Vec<Weight> = kept.map(|(weight, _)| *weight).collect();
        Ok(Delta::new(self.row(), rows, weights))
    }

    /// Whether the rows are of type `row`.
    pub(crate) fn check_type(&self, row: &RowType) -> Result<(), Failure> {
        if **self.row() == *row {
            return Ok(());
        }
        Err(Failure::inconsistent("the columns of a change have other types than its table"))
    }
}
