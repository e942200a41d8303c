//! One row, decoded a column at a time and only when asked.
//!
//! A row of a view is one encoded entry of its arrangement; a row of a query is a position in an Arrow batch. Neither is
//! decoded before a column is read, so a point read that wants one column pays for one. A [`Row`] owns what it shows, with
//! the rows that were fetched together: it stays as it is whatever is committed, dropped or closed afterwards. A [`RowRef`]
//! is the same without the copy: it shows an entry where it lies, for as long as somebody holds the state.
//!
//! Invariant: columns are numbered as the view or query lists them, whatever order the arrangement stores them in. Cost of
//! a column of an encoded row: skipping the columns stored before it, then one decode; a text that is lent costs no copy.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use monostable_types::{DataType, RowCodec, Schema, Value};
use serde::de::DeserializeOwned;

use crate::deserialize::RowDeserializer;
use crate::error::{Error, Result};
use crate::value::FromValue;

/// How the entries of an arrangement read as rows. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct RowShape(Arc<Shape>);

#[derive(Debug)]
struct Shape {
    schema: Schema,
    /// Where each column stands in the entry.
    position: Vec<usize>,
    /// Decodes an entry, in the order in which it is stored.
    stored: RowCodec,
}

impl RowShape {
    /// `stored` lists, in the order of the entry, which column of `schema` stands there.
    pub(crate) fn new(schema: Schema, stored: &[usize]) -> RowShape {
        let types: Vec<_> = stored.iter().map(|&column| schema.columns()[column].data_type).collect();
        let mut position = vec![0; stored.len()];
        for (at, &column) in stored.iter().enumerate() {
            position[column] = at;
        }
        RowShape(Arc::new(Shape { schema, position, stored: RowCodec::new(&types) }))
    }

    /// The columns as the user sees them.
    pub(crate) fn schema(&self) -> &Schema {
        &self.0.schema
    }

    /// The codec of the entries.
    pub(crate) fn stored(&self) -> &RowCodec {
        &self.0.stored
    }
}

/// One row of a view where it lies, lent by a [`PinnedView`](crate::PinnedView) or by a [`Row`].
#[derive(Debug, Clone, Copy)]
pub struct RowRef<'a> {
    shape: &'a RowShape,
    entry: &'a [u8],
}

impl<'a> RowRef<'a> {
    /// The row that `entry` holds.
    pub(crate) fn new(shape: &'a RowShape, entry: &'a [u8]) -> RowRef<'a> {
        RowRef { shape, entry }
    }

    /// The names and types of the columns.
    pub fn schema(&self) -> &'a Schema {
        self.shape.schema()
    }

    /// Reads a column, by position or by name, into a Rust type. A column that may be NULL is read into an `Option`.
    pub fn get<T: FromValue>(&self, column: impl ColumnIndex) -> Result<T> {
        let index = find(self.schema(), &column)?;
        convert(self.value(index)?, self.schema(), index, &column)
    }

    /// A column of type text, as it stands in the row: lent unless it has characters that had to be escaped (U+0000 and
    /// U+0001). `None` is NULL; a column of another type is an error.
    pub fn text(&self, column: impl ColumnIndex) -> Result<Option<Cow<'a, str>>> {
        let at = self.position(&column, &[DataType::Text], "str")?;
        Ok(self.shape.stored().decode_text(self.entry, at)?)
    }

    /// A column of type bytea or text, as it stands in the row: lent unless it has bytes that had to be escaped (0 and 1). `None`
    /// is NULL; a column of another type is an error. What text is made of was valid UTF-8 when it was written; [`RowRef::text`]
    /// checks it again, this does not.
    pub fn bytes(&self, column: impl ColumnIndex) -> Result<Option<Cow<'a, [u8]>>> {
        let at = self.position(&column, &[DataType::Bytea, DataType::Text], "[u8]")?;
        Ok(self.shape.stored().decode_bytes(self.entry, at)?)
    }

    /// The value of the column at `index`.
    pub fn value(&self, index: usize) -> Result<Value> {
        let index = find(self.schema(), &index)?;
        Ok(self.shape.stored().decode_value(self.entry, self.shape.0.position[index])?)
    }

    /// All values, in order.
    pub fn values(&self) -> Result<Vec<Value>> {
        (0..self.schema().len()).map(|index| self.value(index)).collect()
    }

    /// A row of its own, which outlives what this one is lent by.
    pub fn to_row(&self) -> Row {
        Row::encoded(&Arc::new(self.shape.clone()), self.entry)
    }

    /// Where a column of one of these types stands in the entry.
    fn position(&self, column: &impl ColumnIndex, wanted: &[DataType], expected: &'static str) -> Result<usize> {
        let index = find(self.schema(), column)?;
        if wanted.contains(&self.schema().columns()[index].data_type) {
            return Ok(self.shape.0.position[index]);
        }
        let (sql_type, value) = (self.schema().columns()[index].data_type.sql_name(), self.value(index)?.to_string());
        Err(Error::ColumnType { column: column.describe(), value, sql_type, expected })
    }
}

/// The position of a column, which must exist.
fn find(schema: &Schema, column: &impl ColumnIndex) -> Result<usize> {
    column.find(schema).ok_or_else(|| Error::NoSuchColumn { column: column.describe() })
}

/// Converts the value of the column at `index`, which the caller called `column`.
fn convert<T: FromValue>(value: Value, schema: &Schema, index: usize, column: &impl ColumnIndex) -> Result<T> {
    T::from_value(value).map_err(|value| Error::ColumnType {
        column: column.describe(),
        value: value.to_string(),
        sql_type: schema.columns()[index].data_type.sql_name(),
        expected: T::EXPECTED,
    })
}

/// One row of a view or of a query result.
#[derive(Debug, Clone)]
pub struct Row(Form);

#[derive(Debug, Clone)]
enum Form {
    /// The row lies at `at` among the rows that were fetched with it.
    Encoded {
        shape: Arc<RowShape>,
        entries: Arc<[u8]>,
        at: Range<usize>,
    },
    Columnar {
        result: Arc<Results>,
        batch: usize,
        index: usize,
    },
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
        Row(Form::Encoded { shape: Arc::clone(shape), entries: Arc::from(entry), at: 0..entry.len() })
    }

    /// The row that lies at `at` among others.
    pub(crate) fn within(shape: &Arc<RowShape>, entries: &Arc<[u8]>, at: Range<usize>) -> Row {
        Row(Form::Encoded { shape: Arc::clone(shape), entries: Arc::clone(entries), at })
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
        let index = find(self.schema(), &column)?;
        convert(self.value(index)?, self.schema(), index, &column)
    }

    /// The value of the column at `index`.
    pub fn value(&self, index: usize) -> Result<Value> {
        match &self.0 {
            Form::Encoded { shape, entries, at } => RowRef::new(shape, &entries[at.clone()]).value(index),
            Form::Columnar { result, batch, index: row } => {
                let index = find(&result.schema, &index)?;
                let array = result.batches[*batch].column(index);
                Ok(Value::from_array(array.as_ref(), *row, result.schema.columns()[index].data_type)?)
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
