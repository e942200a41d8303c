//! One row, decoded a column at a time and only when asked.
//!
//! A row of a view is one encoded entry of its arrangement; a row of a query is a position in an Arrow batch. Neither is
//! decoded before a column is read, so a point read that wants one column pays for one. A row owns what it shows: it stays
//! as it is whatever is committed, dropped or closed afterwards.
//!
//! Invariant: columns are numbered as the view or query lists them, whatever order the arrangement stores them in. Cost of
//! a column of an encoded row: skipping the columns stored before it, then one decode.

use std::sync::Arc;

use arrow_array::RecordBatch;
use monostable_types::{RowCodec, Schema, Value};
use serde::de::DeserializeOwned;

use crate::deserialize::RowDeserializer;
use crate::error::{Error, Result};
use crate::value::FromValue;

/// How the entries of an arrangement read as rows.
#[derive(Debug)]
pub(crate) struct RowShape {
    schema: Schema,
    /// Where each column stands in the entry.
    position: Vec<usize>,
    /// Decodes a whole entry, in the order in which it is stored.
    stored: RowCodec,
    /// Decodes each stored column alone.
    single: Vec<RowCodec>,
}

impl RowShape {
    /// `stored` lists, in the order of the entry, which column of `schema` stands there.
    pub(crate) fn new(schema: Schema, stored: &[usize]) -> RowShape {
        let types: Vec<_> = stored.iter().map(|&column| schema.columns()[column].data_type).collect();
        let mut position = vec![0; stored.len()];
        for (at, &column) in stored.iter().enumerate() {
            position[column] = at;
        }
        let single = types.iter().map(|type_| RowCodec::new(&[*type_])).collect();
        RowShape { schema, position, stored: RowCodec::new(&types), single }
    }

    /// The columns as the user sees them.
    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The codec of the entries.
    pub(crate) fn stored(&self) -> &RowCodec {
        &self.stored
    }

    fn decode(&self, entry: &[u8], column: usize) -> Result<Value> {
        let at = self.position[column];
        let start = self.stored.prefix_len(entry, at)?;
        let rest = entry.get(start..).unwrap_or_default();
        let single = &self.single[at];
        let len = single.prefix_len(rest, 1)?;
        let values = single.decode_values(rest.get(..len).unwrap_or_default())?;
        Ok(values.into_iter().next().unwrap_or(Value::Null))
    }
}

/// One row of a view or of a query result.
#[derive(Debug, Clone)]
pub struct Row(Form);

#[derive(Debug, Clone)]
enum Form {
    Encoded { shape: Arc<RowShape>, entry: Arc<[u8]> },
    Columnar { result: Arc<Results>, batch: usize, index: usize },
}

/// The result that the rows of a query share.
#[derive(Debug)]
struct Results {
    schema: Schema,
    batches: Vec<RecordBatch>,
}

/// What names a column: its position or its name.
pub trait ColumnIndex {
    /// The position of the column in `schema`.
    fn find(&self, schema: &Schema) -> Option<usize>;
    /// How an error calls it.
    fn describe(&self) -> String;
}

impl ColumnIndex for usize {
    fn find(&self, schema: &Schema) -> Option<usize> {
        (*self < schema.len()).then_some(*self)
    }

    fn describe(&self) -> String {
        format!("number {self}")
    }
}

impl ColumnIndex for &str {
    fn find(&self, schema: &Schema) -> Option<usize> {
        schema.index_of(self)
    }

    fn describe(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Row {
    pub(crate) fn encoded(shape: &Arc<RowShape>, entry: &[u8]) -> Row {
        Row(Form::Encoded { shape: Arc::clone(shape), entry: Arc::from(entry) })
    }

    /// The names and types of the columns.
    pub fn schema(&self) -> &Schema {
        match &self.0 {
            Form::Encoded { shape, .. } => shape.schema(),
            Form::Columnar { result, .. } => &result.schema,
        }
    }

    /// The number of columns.
    pub fn len(&self) -> usize {
        self.schema().len()
    }

    /// Whether the row has no columns, as the rows of `SELECT FROM t` do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads a column, by position or by name, into a Rust type. A column that may be NULL is read into an `Option`.
    pub fn get<T: FromValue>(&self, column: impl ColumnIndex) -> Result<T> {
        let missing = || Error::NoSuchColumn { column: column.describe() };
        let index = column.find(self.schema()).ok_or_else(missing)?;
        T::from_value(self.value(index)?).map_err(|value| Error::ColumnType {
            column: column.describe(),
            value: value.to_string(),
            sql_type: self.schema().columns()[index].data_type.sql_name(),
            expected: T::EXPECTED,
        })
    }

    /// The value of the column at `index`.
    pub fn value(&self, index: usize) -> Result<Value> {
        let Some(column) = self.schema().columns().get(index) else {
            return Err(Error::NoSuchColumn { column: index.describe() });
        };
        match &self.0 {
            Form::Encoded { shape, entry } => shape.decode(entry, index),
            Form::Columnar { result, batch, index: row } => {
                let array = result.batches[*batch].column(index);
                Ok(Value::from_array(array.as_ref(), *row, column.data_type)?)
            }
        }
    }

    /// All values, in order.
    pub fn values(&self) -> Result<Vec<Value>> {
        (0..self.len()).map(|index| self.value(index)).collect()
    }

    /// Reads the row into a struct, a tuple, a map, or (with one column) a value of its own.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(RowDeserializer(self)).map_err(|failure| Error::Deserialize(failure.to_string()))
    }
}

/// The result of a query, complete and in memory.
#[derive(Debug, Clone)]
pub struct Rows(Arc<Results>);

impl Rows {
    pub(crate) fn new(schema: Schema, batches: Vec<RecordBatch>) -> Rows {
        Rows(Arc::new(Results { schema, batches }))
    }

    /// The names and types of the columns.
    pub fn schema(&self) -> &Schema {
        &self.0.schema
    }

    /// The rows as Arrow batches.
    pub fn batches(&self) -> &[RecordBatch] {
        &self.0.batches
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.0.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows, in order.
    pub fn iter(&self) -> RowsIter {
        RowsIter { result: Arc::clone(&self.0), batch: 0, index: 0 }
    }

    /// The first row, if there is one.
    pub fn first(&self) -> Option<Row> {
        self.iter().next()
    }
}

impl IntoIterator for Rows {
    type Item = Row;
    type IntoIter = RowsIter;

    fn into_iter(self) -> RowsIter {
        self.iter()
    }
}

impl IntoIterator for &Rows {
    type Item = Row;
    type IntoIter = RowsIter;

    fn into_iter(self) -> RowsIter {
        self.iter()
    }
}

/// The rows of a result, in order.
#[derive(Debug)]
pub struct RowsIter {
    result: Arc<Results>,
    batch: usize,
    index: usize,
}

impl Iterator for RowsIter {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        while self.result.batches.get(self.batch)?.num_rows() == self.index {
            self.batch += 1;
            self.index = 0;
        }
        self.index += 1;
        Some(Row(Form::Columnar { result: Arc::clone(&self.result), batch: self.batch, index: self.index - 1 }))
    }
}
