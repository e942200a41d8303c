//! Bytes to rows: a batch of rows to Arrow columns, one column at a time, or one row to values.
//!
//! The bytes may be anything: every length is checked against what is there, every payload against what the encoder can
//! write, and text against UTF-8 (once per column; only if that fails is the guilty row looked for). Memory is
//! bounded by a small multiple of the bytes handed in.
//!
//! Cost: one cursor per row besides the columns themselves; each byte is read once, bytes of text twice.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, StringArray};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use memchr::memchr;

use super::scalar::{
    INTERVAL_BYTES, Reason, bool_from_bytes, check_numeric, check_time, f32_from_bytes, f64_from_bytes, i16_from_bytes,
    i32_from_bytes, i64_from_bytes, i128_from_bytes, interval_from_bytes, interval_to_arrow,
};
use super::{CodecError, ColumnCodec, ESCAPE, RowCodec, TERMINATOR, invalid};
use crate::{DataType, Value};

pub(super) const NOT_UTF8: Reason = "text is not valid UTF-8";
const BAD_ESCAPE: Reason = "an escape inside a string stands for no byte";

/// One encoded row and how far it was decoded.
pub(super) struct Cursor<'a> {
    pub(super) row: &'a [u8],
    pub(super) at: usize,
}

impl RowCodec {
    /// Decodes rows to columns. Any bytes may be handed in: those that are not an encoded row give an error.
    pub fn decode_columns<'a>(
        &self,
        rows: impl ExactSizeIterator<Item = &'a [u8]> + Clone,
    ) -> Result<Vec<ArrayRef>, CodecError> {
        let mut cursors: Vec<Cursor<'a>> = rows.map(|row| Cursor { row, at: 0 }).collect();
        let columns = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, codec)| Column { codec, index }.decode(&mut cursors))
            .collect::<Result<Vec<_>, _>>()?;
        match cursors.iter().find(|cursor| cursor.at != cursor.row.len()) {
            Some(cursor) => Err(CodecError::Trailing { offset: cursor.at }),
            None => Ok(columns),
        }
    }

    /// Decodes one row to values. Any bytes may be handed in.
    pub fn decode_values(&self, row: &[u8]) -> Result<Vec<Value>, CodecError> {
        let mut cursor = Cursor { row, at: 0 };
        let values = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, codec)| Column { codec, index }.value(&mut cursor))
            .collect::<Result<Vec<_>, _>>()?;
        if cursor.at == row.len() { Ok(values) } else { Err(CodecError::Trailing { offset: cursor.at }) }
    }
}

/// A column of the codec and its position, which errors name.
pub(super) struct Column<'c> {
    pub(super) codec: &'c ColumnCodec,
    pub(super) index: usize,
}

impl Column<'_> {
    /// Decodes this column of all rows and moves the cursors behind it.
    fn decode(&self, cursors: &mut [Cursor<'_>]) -> Result<ArrayRef, CodecError> {
        Ok(match self.codec.data_type {
            DataType::Boolean => {
                let (values, nulls) = self.all_fixed(cursors, bool_from_bytes)?;
                Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
            }
            DataType::SmallInt => self.primitive::<2, Int16Type>(cursors, |bytes| Ok(i16_from_bytes(bytes)))?,
            DataType::Integer => self.primitive::<4, Int32Type>(cursors, |bytes| Ok(i32_from_bytes(bytes)))?,
            DataType::BigInt => self.primitive::<8, Int64Type>(cursors, |bytes| Ok(i64_from_bytes(bytes)))?,
            DataType::Real => self.primitive::<4, Float32Type>(cursors, f32_from_bytes)?,
            DataType::Double => self.primitive::<8, Float64Type>(cursors, f64_from_bytes)?,
            DataType::Numeric { precision, .. } => {
                self.primitive::<16, Decimal128Type>(cursors, |bytes| check_numeric(i128_from_bytes(bytes), precision))?
            }
            DataType::Text => self.text(cursors)?,
            DataType::Bytea => {
                let (offsets, bytes, nulls) = self.all_strings(cursors)?;
                Arc::new(BinaryArray::new(offsets, bytes, nulls))
            }
            DataType::Date => self.primitive::<4, Date32Type>(cursors, |bytes| Ok(i32_from_bytes(bytes)))?,
            DataType::Time => {
                self.primitive::<8, Time64MicrosecondType>(cursors, |bytes| check_time(i64_from_bytes(bytes)))?
            }
            DataType::Timestamp | DataType::TimestampTz => {
                self.primitive::<8, TimestampMicrosecondType>(cursors, |bytes| Ok(i64_from_bytes(bytes)))?
            }
            DataType::Interval => self.primitive::<INTERVAL_BYTES, IntervalMonthDayNanoType>(cursors, |bytes| {
                let (months, days, micros) = interval_from_bytes(bytes)?;
                interval_to_arrow(months, days, micros)
            })?,
            DataType::Uuid => {
                let (values, nulls) = self.all_fixed::<16, _>(cursors, Ok)?;
                Arc::new(FixedSizeBinaryArray::new(16, Buffer::from_vec(values.into_flattened()), nulls))
            }
        })
    }

    fn primitive<const N: usize, T: ArrowPrimitiveType>(
        &self,
        cursors: &mut [Cursor<'_>],
        decode: impl Fn([u8; N]) -> Result<T::Native, Reason>,
    ) -> Result<ArrayRef, CodecError>
    where
        T::Native: ArrowNativeType,
    {
        let (values, nulls) = self.all_fixed(cursors, decode)?;
        let array = PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls);
        Ok(Arc::new(array.with_data_type(self.codec.arrow.clone())))
    }

    /// Decodes a fixed-width column; a NULL leaves the default value in its place.
    fn all_fixed<const N: usize, T: Default>(
        &self,
        cursors: &mut [Cursor<'_>],
        decode: impl Fn([u8; N]) -> Result<T, Reason>,
    ) -> Result<(Vec<T>, Option<NullBuffer>), CodecError> {
        let mut values = Vec::with_capacity(cursors.len());
        let mut nulls = NullBufferBuilder::new(cursors.len());
        for cursor in cursors {
            match self.fixed(cursor)? {
                Some((payload, offset)) => {
                    values.push(decode(payload).map_err(|reason| invalid(self.index, offset, reason))?);
                    nulls.append_non_null();
                }
                None => {
                    values.push(T::default());
                    nulls.append_null();
                }
            }
        }
        Ok((values, nulls.finish()))
    }

    /// Takes a fixed-width payload and the offset of its marker from a row; `None` for NULL.
    #[inline]
    fn fixed<const N: usize>(&self, cursor: &mut Cursor<'_>) -> Result<Option<([u8; N], usize)>, CodecError> {
        let offset = cursor.at;
        let Some(rest) = self.codec.marker(cursor.row, offset, self.index)? else {
            cursor.at += 1;
            return Ok(None);
        };
        let Some(payload) = rest.first_chunk::<N>() else {
            return Err(CodecError::Truncated { column: self.index, offset });
        };
        cursor.at += 1 + N;
        let mask = self.codec.mask;
        Ok(Some((payload.map(|byte| byte ^ mask), offset)))
    }

    /// Takes a string from a row and appends it to `out`; false for NULL.
    #[inline]
    pub(super) fn string(&self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<bool, CodecError> {
        let offset = cursor.at;
        let Some(rest) = self.codec.marker(cursor.row, offset, self.index)? else {
            cursor.at += 1;
            return Ok(false);
        };
        let Some(end) = memchr(TERMINATOR ^ self.codec.mask, rest) else {
            return Err(CodecError::Truncated { column: self.index, offset });
        };
        append_unescaped(&rest[..end], self.codec.mask, out).map_err(|reason| invalid(self.index, offset, reason))?;
        cursor.at += 1 + end + 1;
        Ok(true)
    }

    /// Decodes a column of strings: their offsets, their bytes, and which are NULL.
    fn all_strings(
        &self,
        cursors: &mut [Cursor<'_>],
    ) -> Result<(OffsetBuffer<i32>, Buffer, Option<NullBuffer>), CodecError> {
        let mut bytes = Vec::new();
        let mut offsets = Vec::with_capacity(cursors.len() + 1);
        offsets.push(0);
        let mut nulls = NullBufferBuilder::new(cursors.len());
        for cursor in cursors {
            nulls.append(self.string(cursor, &mut bytes)?);
            let end = i32::try_from(bytes.len()).map_err(|_| CodecError::BatchTooLarge { column: self.index })?;
            offsets.push(end);
        }
        Ok((OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(bytes), nulls.finish()))
    }

    /// Decodes a column of text. UTF-8 is validated in one go; the rows are searched only to name the one at fault.
    fn text(&self, cursors: &mut [Cursor<'_>]) -> Result<ArrayRef, CodecError> {
        let starts: Vec<usize> = cursors.iter().map(|cursor| cursor.at).collect();
        let (offsets, bytes, nulls) = self.all_strings(cursors)?;
        StringArray::try_new(offsets.clone(), bytes.clone(), nulls).map(|array| Arc::new(array) as ArrayRef).map_err(
            |_| {
                let is_text =
                    |ends: &[i32]| std::str::from_utf8(&bytes[ends[0].as_usize()..ends[1].as_usize()]).is_ok();
                let row = offsets.windows(2).position(|ends| !is_text(ends));
                invalid(self.index, row.map_or(0, |row| starts[row]), NOT_UTF8)
            },
        )
    }

    /// Decodes this column of one row.
    pub(super) fn value(&self, cursor: &mut Cursor<'_>) -> Result<Value, CodecError> {
        match self.codec.data_type {
            DataType::Boolean => self.one(cursor, |bytes| bool_from_bytes(bytes).map(Value::Boolean)),
            DataType::SmallInt => self.one(cursor, |bytes| Ok(Value::SmallInt(i16_from_bytes(bytes)))),
            DataType::Integer => self.one(cursor, |bytes| Ok(Value::Integer(i32_from_bytes(bytes)))),
            DataType::BigInt => self.one(cursor, |bytes| Ok(Value::BigInt(i64_from_bytes(bytes)))),
            DataType::Real => self.one(cursor, |bytes| f32_from_bytes(bytes).map(Value::Real)),
            DataType::Double => self.one(cursor, |bytes| f64_from_bytes(bytes).map(Value::Double)),
            DataType::Numeric { precision, scale } => self.one(cursor, |bytes| {
                let unscaled = check_numeric(i128_from_bytes(bytes), precision)?;
                Ok(Value::Numeric { unscaled, scale })
            }),
            DataType::Text => {
                self.one_string(cursor, |bytes| String::from_utf8(bytes).map(Value::Text).map_err(|_| NOT_UTF8))
            }
            DataType::Bytea => self.one_string(cursor, |bytes| Ok(Value::Bytea(bytes))),
            DataType::Date => self.one(cursor, |bytes| Ok(Value::Date(i32_from_bytes(bytes)))),
            DataType::Time => self.one(cursor, |bytes| check_time(i64_from_bytes(bytes)).map(Value::Time)),
            DataType::Timestamp => self.one(cursor, |bytes| Ok(Value::Timestamp(i64_from_bytes(bytes)))),
            DataType::TimestampTz => self.one(cursor, |bytes| Ok(Value::TimestampTz(i64_from_bytes(bytes)))),
            DataType::Interval => self.one(cursor, |bytes| {
                let (months, days, micros) = interval_from_bytes(bytes)?;
                Ok(Value::Interval { months, days, micros })
            }),
            DataType::Uuid => self.one(cursor, |bytes| Ok(Value::Uuid(bytes))),
        }
    }

    fn one<const N: usize>(
        &self,
        cursor: &mut Cursor<'_>,
        decode: impl Fn([u8; N]) -> Result<Value, Reason>,
    ) -> Result<Value, CodecError> {
        match self.fixed(cursor)? {
            Some((payload, offset)) => decode(payload).map_err(|reason| invalid(self.index, offset, reason)),
            None => Ok(Value::Null),
        }
    }

    fn one_string(
        &self,
        cursor: &mut Cursor<'_>,
        decode: impl Fn(Vec<u8>) -> Result<Value, Reason>,
    ) -> Result<Value, CodecError> {
        let offset = cursor.at;
        let mut bytes = Vec::new();
        match self.string(cursor, &mut bytes)? {
            true => decode(bytes).map_err(|reason| invalid(self.index, offset, reason)),
            false => Ok(Value::Null),
        }
    }
}

/// Appends the string that an encoded payload (without its terminator) stands for.
#[inline]
fn append_unescaped(payload: &[u8], mask: u8, out: &mut Vec<u8>) -> Result<(), Reason> {
    let start = out.len();
    let Some(first) = memchr(ESCAPE ^ mask, payload) else {
        out.extend_from_slice(payload);
        invert(&mut out[start..], mask);
        return Ok(());
    };
    out.extend_from_slice(&payload[..first]);
    let mut rest = &payload[first..];
    while let [_, escaped, after @ ..] = rest {
        match *escaped ^ mask {
            byte @ (1 | 2) => out.push((byte - 1) ^ mask),
            _ => return Err(BAD_ESCAPE),
        }
        let next = memchr(ESCAPE ^ mask, after).unwrap_or(after.len());
        out.extend_from_slice(&after[..next]);
        rest = &after[next..];
    }
    invert(&mut out[start..], mask);
    if rest.is_empty() { Ok(()) } else { Err(BAD_ESCAPE) }
}

#[inline]
fn invert(bytes: &mut [u8], mask: u8) {
    if mask != 0 {
        bytes.iter_mut().for_each(|byte| *byte ^= mask);
    }
}
