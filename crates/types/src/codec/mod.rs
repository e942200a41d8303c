//! Values and rows as bytes that sort as the rows do.
//!
#![doc = include_str!("../../FORMAT.md")]

mod column;
mod decode;
mod encode;
mod pieces;
mod rows;
pub(crate) mod scalar;
#[cfg(test)]
mod tests;

use arrow_schema::DataType as ArrowType;
use memchr::memchr;

pub use pieces::{Number, Picker, is_null_piece, number};
pub use rows::Rows;
use scalar::{INTERVAL_BYTES, Reason};

use crate::DataType;

/// The version of the format that this crate reads and writes.
pub const FORMAT_VERSION: u16 = 1;

/// The longest row that can be encoded: offsets within a row are 32 bits wide.
pub const ROW_BYTES_MAX: usize = u32::MAX as usize;

/// The marker before the payload of a value.
const VALUE: u8 = 0x01;
/// The marker of NULL where NULLs come first.
const NULL_FIRST: u8 = 0x00;
/// The marker of NULL where NULLs come last.
const NULL_LAST: u8 = 0x02;
/// What ends a text or bytea.
const TERMINATOR: u8 = 0x00;
/// What stands, followed by the byte plus one, for a byte 0x00 or 0x01 inside a text or bytea.
const ESCAPE: u8 = 0x01;

/// A row that cannot be encoded, or bytes that are not an encoded row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// More or fewer columns than the codec was made for.
    #[error("the row codec was made for {expected} columns and got {found}")]
    ColumnCount {
        /// The columns of the codec.
        expected: usize,
        /// The columns that were handed in.
        found: usize,
    },
    /// A column of another type than the codec was made for.
    #[error("column {column} is declared {expected} and got {found}")]
    ColumnType {
        /// The position of the column.
        column: usize,
        /// The type the codec was made for.
        expected: DataType,
        /// The type that was handed in.
        found: String,
    },
    /// Columns of different lengths.
    #[error("column {column} has {found} rows and the first column has {expected}")]
    ColumnLength {
        /// The position of the column.
        column: usize,
        /// The rows of the first column.
        expected: usize,
        /// The rows of this column.
        found: usize,
    },
    /// A value that its declared type cannot hold.
    #[error("column {column} of type {data_type} holds a value that its type cannot: {reason}")]
    OutOfRange {
        /// The position of the column.
        column: usize,
        /// The declared type.
        data_type: DataType,
        /// What is wrong with the value.
        reason: &'static str,
    },
    /// A row longer than [`ROW_BYTES_MAX`].
    #[error("a row of {bytes} bytes exceeds the limit of 4 GiB: store large values outside the row")]
    RowTooLong {
        /// The length of the encoded row.
        bytes: usize,
    },
    /// More bytes of text in one column than an Arrow array can address.
    #[error("column {column} exceeds 2 GiB in one batch: decode fewer rows at a time")]
    BatchTooLarge {
        /// The position of the column.
        column: usize,
    },
    /// The row ends inside a column.
    #[error("damaged row: it ends inside column {column}, at byte {offset}")]
    Truncated {
        /// The position of the column.
        column: usize,
        /// Where in the row the incomplete value starts.
        offset: usize,
    },
    /// Bytes that the encoder never writes.
    #[error("damaged row: column {column}, at byte {offset}: {reason}")]
    Invalid {
        /// The position of the column.
        column: usize,
        /// Where in the row the value starts.
        offset: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Bytes after the last column.
    #[error("damaged row: its columns end at byte {offset}, and more follows")]
    Trailing {
        /// Where the last column ends.
        offset: usize,
    },
}

impl CodecError {
    /// The SQLSTATE of the error.
    #[must_use]
    pub fn sqlstate(&self) -> &'static str {
        match self {
            CodecError::ColumnCount { .. } | CodecError::ColumnLength { .. } => "XX000",
            CodecError::ColumnType { .. } => "42804",
            CodecError::OutOfRange { data_type: DataType::Time | DataType::Interval, .. } => "22008",
            CodecError::OutOfRange { .. } => "22003",
            CodecError::RowTooLong { .. } | CodecError::BatchTooLarge { .. } => "54000",
            CodecError::Truncated { .. } | CodecError::Invalid { .. } | CodecError::Trailing { .. } => "XX001",
        }
    }
}

/// How a column is ordered. The default is ascending with NULLs last, as in PostgreSQL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// Greatest value first.
    pub descending: bool,
    /// NULLs before all values, whatever their direction.
    pub nulls_first: bool,
}

/// One column of a codec: everything that encoding and decoding it depends on.
#[derive(Debug, Clone)]
struct ColumnCodec {
    data_type: DataType,
    arrow: ArrowType,
    /// What the payload is XORed with: all ones where the column descends.
    mask: u8,
    /// The marker that stands for NULL.
    null: u8,
    /// The bytes of a value, its marker included, if they are the same for every value; else 0.
    value_bytes: u8,
}

/// Encodes rows of fixed column types to ordered bytes and back. The bytes are specified in [the module](self).
///
/// A codec is immutable and cheap to share. Encoding fails on what the caller got wrong or what a type cannot hold;
/// decoding accepts any bytes and returns an error for those that are not an encoded row.
///
/// ```
/// use monostable_types::{DataType, RowCodec, Value};
///
/// let codec = RowCodec::new(&[DataType::Text, DataType::BigInt]);
/// let encode = |values: &[Value]| {
///     let mut row = Vec::new();
///     codec.encode_values(values, &mut row).map(|()| row)
/// };
/// let ann = encode(&["ann".into(), Value::BigInt(-1)])?;
/// let anna = encode(&["anna".into(), Value::BigInt(-2)])?;
/// assert!(ann < anna);
///
/// // The bytes of a key are a prefix of its rows, and of no others.
/// let mut key = Vec::new();
/// codec.encode_prefix(&["ann".into()], &mut key)?;
/// assert!(ann.starts_with(&key) && !anna.starts_with(&key));
/// assert_eq!(codec.decode_values(&ann)?, ["ann".into(), Value::BigInt(-1)]);
/// # Ok::<(), monostable_types::CodecError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RowCodec {
    columns: Box<[ColumnCodec]>,
}

impl RowCodec {
    /// A codec for rows of the given types, every column ascending with NULLs last: the format of tables, keys and the log.
    #[must_use]
    pub fn new(types: &[DataType]) -> RowCodec {
        RowCodec { columns: types.iter().map(|data_type| ColumnCodec::new(*data_type, Order::default())).collect() }
    }

    /// A codec that orders each column in its own way: for `ORDER BY`, in a query and in an arrangement.
    #[must_use]
    pub fn with_order(columns: &[(DataType, Order)]) -> RowCodec {
        RowCodec { columns: columns.iter().map(|(data_type, order)| ColumnCodec::new(*data_type, *order)).collect() }
    }

    /// The number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are no columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The types of the columns.
    pub fn types(&self) -> impl ExactSizeIterator<Item = DataType> {
        self.columns.iter().map(|column| column.data_type)
    }

    /// Whether any of the first `columns` columns of an encoded row is NULL.
    ///
    /// # Panics
    /// If the codec has fewer columns than that.
    pub fn has_null(&self, row: &[u8], columns: usize) -> Result<bool, CodecError> {
        let mut at = 0;
        for (index, column) in self.columns[..columns].iter().enumerate() {
            if row.get(at) == Some(&column.null) {
                return Ok(true);
            }
            at = column.skip(row, at, index)?;
        }
        Ok(false)
    }

    /// The bytes that the first `columns` columns of an encoded row take, without decoding them.
    ///
    /// # Panics
    /// If the codec has fewer columns than that.
    #[inline]
    pub fn prefix_len(&self, row: &[u8], columns: usize) -> Result<usize, CodecError> {
        let mut at = 0;
        for (index, column) in self.columns[..columns].iter().enumerate() {
            at = column.skip(row, at, index)?;
        }
        Ok(at)
    }

    /// Where the columns of an encoded row begin and end, without decoding them: `out` is replaced by one offset more than
    /// there are columns, and column `i` is `row[out[i]..out[i + 1]]`. Each of these pieces is by itself the encoding of
    /// a row of that one column, so that columns can be rearranged by copying pieces.
    pub fn boundaries(&self, row: &[u8], out: &mut Vec<u32>) -> Result<(), CodecError> {
        if row.len() > ROW_BYTES_MAX {
            return Err(CodecError::RowTooLong { bytes: row.len() });
        }
        out.clear();
        out.push(0);
        let mut at = 0;
        for (index, column) in self.columns.iter().enumerate() {
            at = column.skip(row, at, index)?;
            out.push(at as u32);
        }
        if at == row.len() { Ok(()) } else { Err(CodecError::Trailing { offset: at }) }
    }
}

impl ColumnCodec {
    fn new(data_type: DataType, order: Order) -> ColumnCodec {
        let payload_bytes = payload_bytes(data_type);
        ColumnCodec {
            value_bytes: payload_bytes.map_or(0, |bytes| bytes + 1),
            data_type,
            arrow: data_type.to_arrow(),
            mask: if order.descending { 0xff } else { 0x00 },
            null: if order.nulls_first { NULL_FIRST } else { NULL_LAST },
        }
    }

    /// The bytes of the payload, if they are the same for every value.
    #[inline]
    fn payload_bytes(&self) -> Option<usize> {
        usize::from(self.value_bytes).checked_sub(1)
    }

    /// The offset behind the value at `at`, from its marker and, for strings, its terminator.
    #[inline]
    fn skip(&self, row: &[u8], at: usize, index: usize) -> Result<usize, CodecError> {
        // Most columns; the rest has to look further.
        let end = at + usize::from(self.value_bytes);
        if row.get(at) == Some(&VALUE) && self.value_bytes != 0 && end <= row.len() {
            return Ok(end);
        }
        self.skip_other(row, at, index)
    }

    fn skip_other(&self, row: &[u8], at: usize, index: usize) -> Result<usize, CodecError> {
        let Some(payload) = self.marker(row, at, index)? else { return Ok(at + 1) };
        let length = match self.payload_bytes() {
            Some(bytes) => (bytes <= payload.len()).then_some(bytes),
            None => memchr(TERMINATOR ^ self.mask, payload).map(|end| end + 1),
        };
        let length = length.ok_or(CodecError::Truncated { column: index, offset: at })?;
        Ok(at + 1 + length)
    }

    /// Reads the marker at `at`: `None` for NULL, otherwise everything that follows the marker.
    #[inline]
    fn marker<'a>(&self, row: &'a [u8], at: usize, index: usize) -> Result<Option<&'a [u8]>, CodecError> {
        match row.get(at..) {
            Some([VALUE, payload @ ..]) => Ok(Some(payload)),
            Some([marker, ..]) if *marker == self.null => Ok(None),
            Some([_, ..]) => Err(invalid(index, at, "a marker is neither that of a value nor that of NULL")),
            Some([]) | None => Err(CodecError::Truncated { column: index, offset: at }),
        }
    }
}

/// The bytes of a type's payload, if they are the same for every value.
fn payload_bytes(data_type: DataType) -> Option<u8> {
    Some(match data_type {
        DataType::Boolean => 1,
        DataType::SmallInt => 2,
        DataType::Integer | DataType::Real | DataType::Date => 4,
        DataType::BigInt | DataType::Double | DataType::Time | DataType::Timestamp | DataType::TimestampTz => 8,
        DataType::Numeric { .. } | DataType::Uuid => 16,
        DataType::Interval => INTERVAL_BYTES as u8,
        DataType::Text | DataType::Bytea => return None,
    })
}

/// An error about the value of column `column` that starts at `offset`.
#[inline]
fn invalid(column: usize, offset: usize, reason: Reason) -> CodecError {
    CodecError::Invalid { column, offset, reason }
}

/// The smallest string that is greater than every string with the given prefix; `None` if there is none, because the
/// prefix is empty or consists of 0xff alone. With it, all rows of a key are the range `prefix..successor`.
#[must_use]
pub fn prefix_successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut successor = prefix[..=last].to_vec();
    successor[last] += 1;
    Some(successor)
}
