//! One column of one encoded row, for readers that want no more: as a value, or as the string that lies in the row.
//!
//! A string without escapes stands in the row as it is, and is lent; one with escapes, or of a descending column, is
//! copied. As everywhere, any bytes may be handed in, and text is checked to be UTF-8.
//!
//! Cost: skipping the columns before it (a search for the terminator in strings), then one decode. A value of fixed width
//! and a string that is lent allocate nothing.

use std::borrow::Cow;

use memchr::memchr2;

use super::decode::{Column, Cursor, NOT_UTF8};
use super::{CodecError, ColumnCodec, ESCAPE, RowCodec, TERMINATOR, invalid};
use crate::Value;

impl RowCodec {
    /// The value of column `column` of an encoded row. What follows that column is not looked at.
    ///
    /// # Panics
    /// If the codec has no such column.
    pub fn decode_value(&self, row: &[u8], column: usize) -> Result<Value, CodecError> {
        let at = self.prefix_len(row, column)?;
        Column { codec: &self.columns[column], index: column }.value(&mut Cursor { row, at })
    }

    /// The text in column `column` of an encoded row, lent if it can be; `None` for NULL. The column is one of text.
    ///
    /// # Panics
    /// If the codec has no such column.
    pub fn decode_text<'a>(&self, row: &'a [u8], column: usize) -> Result<Option<Cow<'a, str>>, CodecError> {
        let at = self.prefix_len(row, column)?;
        let not_text = || invalid(column, at, NOT_UTF8);
        Ok(match self.string_at(row, at, column)? {
            None => None,
            Some(Cow::Borrowed(bytes)) => Some(Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| not_text())?)),
            Some(Cow::Owned(bytes)) => Some(Cow::Owned(String::from_utf8(bytes).map_err(|_| not_text())?)),
        })
    }

    /// The bytes in column `column` of an encoded row, lent if they can be; `None` for NULL. The column is one of text or
    /// bytea.
    ///
    /// # Panics
    /// If the codec has no such column.
    pub fn decode_bytes<'a>(&self, row: &'a [u8], column: usize) -> Result<Option<Cow<'a, [u8]>>, CodecError> {
        let at = self.prefix_len(row, column)?;
        self.string_at(row, at, column)
    }

    fn string_at<'a>(&self, row: &'a [u8], at: usize, column: usize) -> Result<Option<Cow<'a, [u8]>>, CodecError> {
        let codec = &self.columns[column];
        let Some(lent) = plain_string(codec, row, at, column)? else {
            let mut bytes = Vec::new();
            let is_value = Column { codec, index: column }.string(&mut Cursor { row, at }, &mut bytes)?;
            return Ok(is_value.then_some(Cow::Owned(bytes)));
        };
        Ok(Some(Cow::Borrowed(lent)))
    }
}

/// The payload at `at` if it is the string itself: of a value, in an ascending column, without escapes.
fn plain_string<'a>(
    codec: &ColumnCodec,
    row: &'a [u8],
    at: usize,
    column: usize,
) -> Result<Option<&'a [u8]>, CodecError> {
    if codec.mask != 0 {
        return Ok(None);
    }
    let Some(payload) = codec.marker(row, at, column)? else { return Ok(None) };
    // Whichever comes first: the end, or an escape.
    let end = memchr2(TERMINATOR, ESCAPE, payload).filter(|&end| payload[end] == TERMINATOR);
    Ok(end.map(|end| &payload[..end]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{DataType, Order};

    fn value() -> impl Strategy<Value = (DataType, Value)> {
        let bytes = || proptest::collection::vec(prop_oneof![0..3u8, any::<u8>()], 0..12);
        prop_oneof![
            any::<Option<i64>>().prop_map(|v| (DataType::BigInt, v.map_or(Value::Null, Value::BigInt))),
            any::<Option<bool>>().prop_map(|v| (DataType::Boolean, v.map_or(Value::Null, Value::Boolean))),
            proptest::option::of("[\u{0}-\u{2}a-cä]{0,9}")
                .prop_map(|v| (DataType::Text, v.map_or(Value::Null, Value::Text))),
            proptest::option::of(bytes()).prop_map(|v| (DataType::Bytea, v.map_or(Value::Null, Value::Bytea))),
        ]
    }

    proptest! {
        #[test]
        fn a_column_alone_is_what_it_is_in_the_whole_row(
            row in proptest::collection::vec((value(), any::<(bool, bool)>()), 1..6),
        ) {
            let columns: Vec<(DataType, Order)> = row
                .iter()
                .map(|((data_type, _), order)| (*data_type, Order { descending: order.0, nulls_first: order.1 }))
                .collect();
            let values: Vec<Value> = row.into_iter().map(|((_, value), _)| value).collect();
            let codec = RowCodec::with_order(&columns);
            let mut encoded = Vec::new();
            codec.encode_values(&values, &mut encoded).unwrap();
            encoded.extend_from_slice(b"what follows");
            for (column, value) in values.iter().enumerate() {
                prop_assert_eq!(&codec.decode_value(&encoded, column).unwrap(), value);
                match (columns[column].0, value) {
                    (DataType::Text, Value::Text(text)) => {
                        let found = codec.decode_text(&encoded, column).unwrap().unwrap();
                        prop_assert_eq!(&*found, text.as_str());
                        let lends = !columns[column].1.descending && !text.contains(['\u{0}', '\u{1}']);
                        prop_assert_eq!(matches!(found, Cow::Borrowed(_)), lends);
                    }
                    (DataType::Bytea, Value::Bytea(bytes)) => {
                        prop_assert_eq!(&*codec.decode_bytes(&encoded, column).unwrap().unwrap(), bytes.as_slice());
                    }
                    (DataType::Text, _) => prop_assert_eq!(codec.decode_text(&encoded, column).unwrap(), None),
                    (DataType::Bytea, _) => prop_assert_eq!(codec.decode_bytes(&encoded, column).unwrap(), None),
                    _ => {}
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(prop_oneof![0..3u8, any::<u8>()], 0..30)) {
            let codec = RowCodec::new(&[DataType::Text, DataType::BigInt, DataType::Bytea]);
            let text = codec.decode_text(&bytes, 0);
            if let Ok(value) = codec.decode_value(&bytes, 0) {
                prop_assert_eq!(text.unwrap().map_or(Value::Null, |text| Value::Text(text.into_owned())), value);
            } else {
                prop_assert!(text.is_err());
            }
            let _ = codec.decode_bytes(&bytes, 2);
            let _ = codec.decode_value(&bytes, 2);
        }
    }
}
