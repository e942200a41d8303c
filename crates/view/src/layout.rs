//! How rows are laid out: as columns in a delta, as encoded entries in an arrangement.
//!
//! A [`RowType`] is the list of the types of a row's columns; rows in flight are Arrow record batches of exactly these
//! types, in *logical* order. A [`Layout`] is the order in which an arrangement encodes those columns: its key first, each
//! column of it in a direction of its own (ascending with NULLs last unless something else is asked for), then the others as
//! they come, ascending. This is the only place that knows the permutation; everybody else asks for logical rows.
//!
//! Invariants: `order` is a permutation of the columns and its first `key` members are the key; `columns` is the same
//! permutation with the directions, so that two layouts with equal `columns` write equal bytes for equal rows. Encode and
//! decode are inverse to each other up to the codec's canonical forms (-0.0, NaN).
//!
//! Cost: a column at a time; O(bytes). Used by operators, and by readers that turn entries back into rows.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, Field, Schema as ArrowSchema, SchemaRef};
use monostable_types::{DataType, Order, Picker, RowCodec, Rows};

use crate::delta::Delta;
use crate::failure::Failure;
use crate::key::KeyExtent;

/// The types of the columns of a row; names are the business of SQL.
#[derive(Debug)]
pub struct RowType {
    types: Box<[DataType]>,
    arrow: SchemaRef,
    codec: Arc<RowCodec>,
}

impl RowType {
    /// A row with columns of these types.
    pub fn new(types: &[DataType]) -> Arc<RowType> {
        let field = |(index, data_type): (usize, &DataType)| Field::new(index.to_string(), data_type.to_arrow(), true);
        let fields: Vec<Field> = types.iter().enumerate().map(field).collect();
        let codec = Arc::new(RowCodec::new(types));
        Arc::new(RowType { types: types.into(), arrow: Arc::new(ArrowSchema::new(fields)), codec })
    }

    /// The types, in order.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether the row has no columns, as in `SELECT FROM t`.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// The Arrow schema: columns are named by their position, and all are nullable.
    pub fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    /// The codec of rows of this type, in logical order: the encoded form of a [`Delta`](crate::Delta).
    pub fn codec(&self) -> &Arc<RowCodec> {
        &self.codec
    }

    /// A record batch of `rows` rows of this type. The number is needed because a row may have no columns.
    pub fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.arrow), columns, &options)
    }
}

impl PartialEq for RowType {
    fn eq(&self, other: &RowType) -> bool {
        self.types == other.types
    }
}

impl Eq for RowType {}

/// Each column of a row once, with its direction, in the order in which entries have them.
pub(crate) type ColumnOrder = Arc<[(usize, Order)]>;

/// The column order of an arrangement's entries, and the codec that goes with it.
#[derive(Clone, Debug)]
pub struct Layout {
    row: Arc<RowType>,
    order: Arc<[usize]>,
    columns: ColumnOrder,
    position: Arc<[usize]>,
    /// From logical rows to entries, and back.
    to_entry: Arc<Picker>,
    to_logical: Arc<Picker>,
    key: usize,
    /// Whether something follows the row in an entry.
    tailed: bool,
    codec: Arc<RowCodec>,
}

impl Layout {
    /// Entries of rows of type `row`, with the columns `key` first, each in its direction. `key` names existing columns, each at
    /// most once.
    pub(crate) fn new(row: Arc<RowType>, key: &[(usize, Order)]) -> Layout {
        let rest = (0..row.len()).filter(|column| key.iter().all(|(named, _)| named != column));
        let rest = rest.map(|column| (column, Order::default()));
        let columns: ColumnOrder = key.iter().copied().chain(rest).collect();
        assert_eq!(columns.len(), row.len(), "the key names each column at most once");
        let mut position = vec![0; columns.len()];
        for (at, &(column, _)) in columns.iter().enumerate() {
            position[column] = at;
        }
        let typed: Vec<(DataType, Order)> =
            columns.iter().map(|&(column, order)| (row.types()[column], order)).collect();
        let back: Vec<(usize, Order)> = position.iter().map(|&at| (at, columns[at].1)).collect();
        Layout {
            to_entry: Arc::new(Picker::turning(&columns, row.len())),
            to_logical: Arc::new(Picker::turning(&back, row.len())),
            row,
            order: columns.iter().map(|&(column, _)| column).collect(),
            columns,
            position: position.into(),
            key: key.len(),
            tailed: false,
            codec: Arc::new(RowCodec::with_order(&typed)),
        }
    }

    /// Entries that begin with rows of type `row` as they are, keyed by their first `key` columns, and go on with something that
    /// only their operator understands.
    pub(crate) fn tailed(row: Arc<RowType>, key: usize) -> Layout {
        let columns = row.len();
        let layout = Layout::new(row, &(0..key).map(|column| (column, Order::default())).collect::<Vec<_>>());
        let picker = Arc::new(Picker::new(&(0..columns).collect::<Vec<_>>(), columns).of_longer_rows());
        Layout { tailed: true, to_logical: picker, ..layout }
    }

    /// The part of an entry that is a row.
    pub fn visible<'a>(&self, entry: &'a [u8]) -> Result<&'a [u8], Failure> {
        if !self.tailed {
            return Ok(entry);
        }
        Ok(&entry[..self.codec.prefix_len(entry, self.order.len())?])
    }

    /// The type of the rows, in logical order.
    pub fn row(&self) -> &Arc<RowType> {
        &self.row
    }

    /// For each position in an entry, the logical column that stands there.
    pub fn order(&self) -> &Arc<[usize]> {
        &self.order
    }

    /// The logical columns of the key, in key order.
    pub fn key(&self) -> &[usize] {
        &self.order[..self.key]
    }

    /// The columns of the key with their directions, in key order.
    pub fn directions(&self) -> &[(usize, Order)] {
        &self.columns[..self.key]
    }

    /// Whether all columns ascend with NULLs last, as everywhere but below an `ORDER BY`.
    pub fn is_ascending(&self) -> bool {
        self.directions().iter().all(|&(_, order)| order == Order::default())
    }

    /// What the bytes of an entry depend on, apart from the types of the row: each column in entry order, with its direction.
    pub(crate) fn columns(&self) -> &ColumnOrder {
        &self.columns
    }

    /// The codec of whole entries, in entry order.
    pub fn codec(&self) -> &Arc<RowCodec> {
        &self.codec
    }

    /// What the storage half has to know.
    pub fn key_extent(&self) -> KeyExtent {
        if self.key == self.order.len() && !self.tailed {
            return KeyExtent::Whole;
        }
        KeyExtent::Columns { codec: Arc::clone(&self.codec), columns: self.key }
    }

    /// Appends the entries of logical rows, one per row and in their order.
    pub fn encode(&self, rows: &RecordBatch, out: &mut Rows) -> Result<(), Failure> {
        if self.order.is_empty() {
            (0..rows.num_rows()).for_each(|_| out.push(b""));
            return Ok(());
        }
        let columns: Vec<ArrayRef> = self.order.iter().map(|&column| Arc::clone(rows.column(column))).collect();
        Ok(self.codec.encode_columns(&columns, out)?)
    }

    /// Appends the entries of a delta's rows, one per row and in their order.
    pub fn arrange(&self, delta: &Delta, out: &mut Rows) -> Result<(), Failure> {
        match delta.encoded_rows() {
            Some(rows) if self.to_entry.is_whole() => out.extend(rows),
            Some(rows) => self.pick(&self.to_entry, self.row.codec(), rows.iter(), out)?,
            // Encoding from columns in the entries' order costs no more than in the logical one.
            None => self.encode(delta.columns()?, out)?,
        }
        Ok(())
    }

    /// Encoded logical rows from entries, one per entry and in their order.
    pub(crate) fn logical<'a>(&self, entries: impl Iterator<Item = &'a [u8]>) -> Result<Rows, Failure> {
        let mut rows = Rows::default();
        self.pick(&self.to_logical, &self.codec, entries, &mut rows)?;
        Ok(rows)
    }

    /// Appends the encoded logical row of an entry to `out`. `scratch` is overwritten.
    pub fn put_logical(&self, entry: &[u8], scratch: &mut Vec<u32>, out: &mut Vec<u8>) -> Result<(), Failure> {
        Ok(self.to_logical.pick(&self.codec, entry, scratch, out)?)
    }

    fn pick<'a>(
        &self,
        picker: &Picker,
        codec: &RowCodec,
        rows: impl Iterator<Item = &'a [u8]>,
        out: &mut Rows,
    ) -> Result<(), Failure> {
        let mut scratch = Vec::with_capacity(self.order.len() + 1);
        for row in rows {
            out.push_with(|bytes| {
                bytes.reserve(row.len());
                picker.pick(codec, row, &mut scratch, bytes)
            })?;
        }
        Ok(())
    }

    /// Logical rows from entries, one per entry and in their order.
    pub fn decode<'a>(&self, entries: impl ExactSizeIterator<Item = &'a [u8]> + Clone) -> Result<RecordBatch, Failure> {
        if self.tailed {
            let rows = self.logical(entries)?;
            let columns =
                if self.row.is_empty() { Vec::new() } else { self.row.codec().decode_columns(rows.iter())? };
            return Ok(self.row.batch(columns, rows.len())?);
        }
        let rows = entries.len();
        let columns = if self.order.is_empty() { Vec::new() } else { self.codec.decode_columns(entries)? };
        let logical = self.position.iter().map(|&at| Arc::clone(&columns[at])).collect();
        Ok(self.row.batch(logical, rows)?)
    }
}
