//! Rows to bytes: a batch of columns at a time, one row of columns, or one row of values.
//!
//! A batch is measured, then written. If every column has one width and no NULLs, all rows have the same length and a
//! column is written with a constant stride; otherwise the lengths are summed up per row first, the arena grows once,
//! and each column is written through one cursor per row. A lone text column is appended directly. Everything that can
//! be refused is refused while measuring, so that `out` is unchanged after an error.
//!
//! Cost: each value is read once and written once (strings are read twice); two allocations per batch at most besides
//! the arena's own growth.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType,
    Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, GenericByteArray, types::ByteArrayType};
use arrow_buffer::NullBuffer;
use memchr::memchr2_iter;

use super::scalar::{
    Reason, bool_to_bytes, check_numeric, check_time, f32_to_bytes, f64_to_bytes, i16_to_bytes, i32_to_bytes,
    i64_to_bytes, i128_to_bytes, interval_from_arrow, interval_to_arrow, interval_to_bytes,
};
use super::{CodecError, ColumnCodec, ESCAPE, ROW_BYTES_MAX, RowCodec, Rows, TERMINATOR, VALUE};
use crate::{DataType, Value};

impl RowCodec {
    /// Encodes the rows of the given columns and adds them to `out`. After an error, `out` is as it was.
    ///
    /// Without columns there is no telling how many rows there are: none are added.
    pub fn encode_columns(&self, columns: &[ArrayRef], out: &mut Rows) -> Result<(), CodecError> {
        let row_count = self.check(columns)?;
        let first = out.len();
        if let ([codec], [column]) = (self.columns.as_ref(), columns)
            && codec.payload_bytes().is_none()
        {
            return append_lone_strings(codec, column.as_ref(), out).inspect_err(|_| out.truncate(first));
        }
        match self.stride(columns) {
            Some(stride) => {
                let range = out.reserve((0..row_count).map(|_| stride));
                let mut at = 0;
                for (codec, column) in self.columns.iter().zip(columns) {
                    let bytes = &mut out.bytes_mut()[range.clone()];
                    write(
                        codec,
                        column.as_ref(),
                        &mut Sink { bytes, place: Place::Stride { stride, at: &mut at }, codec },
                    );
                }
            }
            None => {
                let lengths = self.lengths(columns, row_count)?;
                let range = out.reserve(lengths.into_iter());
                let mut cursors: Vec<usize> = out.starts(first).map(|start| start - range.start).collect();
                for (codec, column) in self.columns.iter().zip(columns) {
                    let bytes = &mut out.bytes_mut()[range.clone()];
                    write(codec, column.as_ref(), &mut Sink { bytes, place: Place::Cursors(&mut cursors), codec });
                }
            }
        }
        Ok(())
    }

    /// Encodes one row of the given columns and appends it to `out`. After an error, `out` is as it was.
    ///
    /// # Panics
    /// If `row` is not below the length of the columns.
    pub fn encode_row_of(&self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.check_shape(columns)?;
        let start = out.len();
        for (index, (codec, column)) in self.columns.iter().zip(columns).enumerate() {
            if let Err(reason) = append_element(codec, column.as_ref(), row, out) {
                out.truncate(start);
                return Err(CodecError::OutOfRange { column: index, data_type: codec.data_type, reason });
            }
        }
        check_row_length(out.len() - start).inspect_err(|_| out.truncate(start))
    }

    /// Encodes one row of values and appends it to `out`. After an error, `out` is as it was. NULL is a value of every
    /// type; a numeric takes the scale of its column if it loses no digit; any other value must be of its column's type.
    pub fn encode_values(&self, values: &[Value], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if values.len() > self.len() {
            return Err(CodecError::ColumnCount { expected: self.len(), found: values.len() });
        }
        let start = out.len();
        self.encode_prefix(values, out)?;
        if values.len() < self.len() {
            out.truncate(start);
            return Err(CodecError::ColumnCount { expected: self.len(), found: values.len() });
        }
        Ok(())
    }

    /// Encodes the first columns of a row, as many as there are values: the prefix of all rows that begin with them.
    pub fn encode_prefix(&self, values: &[Value], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if values.len() > self.len() {
            return Err(CodecError::ColumnCount { expected: self.len(), found: values.len() });
        }
        let start = out.len();
        for (index, (codec, value)) in self.columns.iter().zip(values).enumerate() {
            append_value(codec, value, index, out).inspect_err(|_| out.truncate(start))?;
        }
        check_row_length(out.len() - start).inspect_err(|_| out.truncate(start))
    }

    /// Appends the piece of one column: what the value adds to an encoded row. After an error, `out` is as it was. The
    /// pieces of all columns, one after the other, are the row; whoever puts them together limits its length.
    ///
    /// # Panics
    /// If `column` is not below the number of columns.
    pub fn encode_piece(&self, column: usize, value: &Value, out: &mut Vec<u8>) -> Result<(), CodecError> {
        append_value(&self.columns[column], value, column, out)
    }

    /// The same for a text, which need not be a [`Value`] first.
    ///
    /// # Panics
    /// If `column` is not below the number of columns.
    pub fn encode_text_piece(&self, column: usize, text: &str, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let codec = &self.columns[column];
        if codec.data_type != DataType::Text {
            let found = "text".to_owned();
            return Err(CodecError::ColumnType { column, expected: codec.data_type, found });
        }
        append_string(codec, text.as_bytes(), out);
        Ok(())
    }

    /// The number of rows, once it is certain that every value can be encoded.
    fn check(&self, columns: &[ArrayRef]) -> Result<usize, CodecError> {
        self.check_shape(columns)?;
        for (index, (codec, column)) in self.columns.iter().zip(columns).enumerate() {
            check_values(codec, column.as_ref()).map_err(|reason| CodecError::OutOfRange {
                column: index,
                data_type: codec.data_type,
                reason,
            })?;
        }
        Ok(columns.first().map_or(0, |column| column.len()))
    }

    /// Columns are as many as the codec's, of its types, and equally long.
    fn check_shape(&self, columns: &[ArrayRef]) -> Result<(), CodecError> {
        if columns.len() != self.len() {
            return Err(CodecError::ColumnCount { expected: self.len(), found: columns.len() });
        }
        let row_count = columns.first().map_or(0, |column| column.len());
        for (index, (codec, column)) in self.columns.iter().zip(columns).enumerate() {
            if column.data_type() != &codec.arrow {
                let found = column.data_type().to_string();
                return Err(CodecError::ColumnType { column: index, expected: codec.data_type, found });
            }
            if column.len() != row_count {
                return Err(CodecError::ColumnLength { column: index, expected: row_count, found: column.len() });
            }
        }
        Ok(())
    }

    /// The length of every row, if that is the same for all of them whatever they contain.
    fn stride(&self, columns: &[ArrayRef]) -> Option<usize> {
        let mut stride = 0;
        for (codec, column) in self.columns.iter().zip(columns) {
            stride += 1 + codec.payload_bytes().filter(|_| column.null_count() == 0)?;
        }
        Some(stride)
    }

    /// The length of each row.
    fn lengths(&self, columns: &[ArrayRef], row_count: usize) -> Result<Vec<usize>, CodecError> {
        // Markers are always there; so is the payload of a fixed-width column without NULLs.
        let mut always = self.len();
        let mut lengths = vec![0; row_count];
        for (codec, column) in self.columns.iter().zip(columns) {
            match (codec.payload_bytes(), column.nulls().filter(|nulls| nulls.null_count() > 0)) {
                (Some(bytes), None) => always += bytes,
                (Some(bytes), Some(nulls)) => {
                    lengths.iter_mut().zip(nulls).for_each(|(length, valid)| *length += if valid { bytes } else { 0 });
                }
                (None, _) => add_string_lengths(codec, column.as_ref(), &mut lengths),
            }
        }
        for length in &mut lengths {
            *length += always;
            check_row_length(*length)?;
        }
        Ok(lengths)
    }
}

fn check_row_length(bytes: usize) -> Result<(), CodecError> {
    if bytes <= ROW_BYTES_MAX { Ok(()) } else { Err(CodecError::RowTooLong { bytes }) }
}

/// Refuses what Arrow can hold but the type cannot.
fn check_values(codec: &ColumnCodec, column: &dyn Array) -> Result<(), Reason> {
    fn all<T: Copy>(
        values: &[T],
        nulls: Option<&NullBuffer>,
        check: impl Fn(T) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        match nulls {
            None => values.iter().try_for_each(|value| check(*value)),
            Some(nulls) => nulls.valid_indices().try_for_each(|index| check(values[index])),
        }
    }
    let nulls = column.nulls();
    match codec.data_type {
        DataType::Numeric { precision, .. } => all(column.as_primitive::<Decimal128Type>().values(), nulls, |value| {
            check_numeric(value, precision).map(|_| ())
        }),
        DataType::Time => {
            all(column.as_primitive::<Time64MicrosecondType>().values(), nulls, |value| check_time(value).map(|_| ()))
        }
        DataType::Interval => all(column.as_primitive::<IntervalMonthDayNanoType>().values(), nulls, |value| {
            interval_from_arrow(value).map(|_| ())
        }),
        _ => Ok(()),
    }
}

/// Where a column is written: at a constant distance in rows of equal length, or at one cursor per row.
enum Place<'a> {
    Stride { stride: usize, at: &'a mut usize },
    Cursors(&'a mut [usize]),
}

struct Sink<'a> {
    bytes: &'a mut [u8],
    place: Place<'a>,
    codec: &'a ColumnCodec,
}

impl Sink<'_> {
    /// Writes a fixed-width column and moves on behind it.
    #[inline]
    fn fixed<const N: usize>(&mut self, nulls: Option<&NullBuffer>, values: impl Iterator<Item = [u8; N]>) {
        let mask = self.codec.mask;
        let put = |target: &mut [u8], value: [u8; N]| {
            target[0] = VALUE;
            target[1..].copy_from_slice(&value.map(|byte| byte ^ mask));
        };
        match (&mut self.place, nulls.filter(|nulls| nulls.null_count() > 0)) {
            (Place::Stride { stride, at }, _) => {
                for (row, value) in self.bytes.chunks_exact_mut(*stride).zip(values) {
                    put(&mut row[**at..**at + 1 + N], value);
                }
                **at += 1 + N;
            }
            (Place::Cursors(cursors), None) => {
                for (cursor, value) in cursors.iter_mut().zip(values) {
                    put(&mut self.bytes[*cursor..*cursor + 1 + N], value);
                    *cursor += 1 + N;
                }
            }
            (Place::Cursors(cursors), Some(nulls)) => {
                for ((cursor, value), valid) in cursors.iter_mut().zip(values).zip(nulls) {
                    if valid {
                        put(&mut self.bytes[*cursor..*cursor + 1 + N], value);
                        *cursor += 1 + N;
                    } else {
                        self.bytes[*cursor] = self.codec.null;
                        *cursor += 1;
                    }
                }
            }
        }
    }

    /// Writes a column of strings, which makes rows unequal, so that there are always cursors.
    fn strings<T: ByteArrayType>(&mut self, array: &GenericByteArray<T>) {
        let Place::Cursors(cursors) = &mut self.place else { unreachable!("rows with strings have no common length") };
        let plain = !has_escapes(array);
        let (mask, null) = (self.codec.mask, self.codec.null);
        for (row, cursor) in cursors.iter_mut().enumerate() {
            if array.is_null(row) {
                self.bytes[*cursor] = null;
                *cursor += 1;
                continue;
            }
            let value: &[u8] = array.value(row).as_ref();
            self.bytes[*cursor] = VALUE;
            *cursor += 1;
            if plain {
                write_string_piece(self.bytes, cursor, value, mask);
            } else {
                let mut done = 0;
                for at in memchr2_iter(0x00, 0x01, value) {
                    write_string_piece(self.bytes, cursor, &value[done..at], mask);
                    write_string_piece(self.bytes, cursor, &[ESCAPE, value[at] + 1], mask);
                    done = at + 1;
                }
                write_string_piece(self.bytes, cursor, &value[done..], mask);
            }
            self.bytes[*cursor] = TERMINATOR ^ mask;
            *cursor += 1;
        }
    }
}

/// Copies a piece of a string, inverted if the column descends, and moves the cursor behind it.
#[inline]
fn write_string_piece(bytes: &mut [u8], cursor: &mut usize, piece: &[u8], mask: u8) {
    let target = &mut bytes[*cursor..*cursor + piece.len()];
    target.copy_from_slice(piece);
    if mask != 0 {
        target.iter_mut().for_each(|byte| *byte ^= mask);
    }
    *cursor += piece.len();
}

/// Whether any string of the column has a byte that must be escaped: most columns have none, and are then copied whole.
fn has_escapes<T: ByteArrayType>(array: &GenericByteArray<T>) -> bool {
    use arrow_buffer::ArrowNativeType;
    let offsets = array.value_offsets();
    let (first, last) = (offsets[0].as_usize(), offsets[offsets.len() - 1].as_usize());
    memchr::memchr2(0x00, 0x01, &array.value_data()[first..last]).is_some()
}

/// Adds the length of each payload, marker not included.
fn add_string_lengths(codec: &ColumnCodec, column: &dyn Array, lengths: &mut [usize]) {
    fn add<T: ByteArrayType>(array: &GenericByteArray<T>, lengths: &mut [usize]) {
        let plain = !has_escapes(array);
        for (row, length) in lengths.iter_mut().enumerate() {
            if array.is_valid(row) {
                let value: &[u8] = array.value(row).as_ref();
                let escapes = if plain { 0 } else { memchr2_iter(0x00, 0x01, value).count() };
                *length += value.len() + escapes + 1;
            }
        }
    }
    match codec.data_type {
        DataType::Text => add(column.as_string::<i32>(), lengths),
        _ => add(column.as_binary::<i32>(), lengths),
    }
}

/// Writes a column whose values were all checked.
fn write(codec: &ColumnCodec, column: &dyn Array, sink: &mut Sink<'_>) {
    let nulls = column.nulls();
    match codec.data_type {
        DataType::Boolean => sink.fixed(nulls, column.as_boolean().values().iter().map(bool_to_bytes)),
        DataType::SmallInt => {
            sink.fixed(nulls, column.as_primitive::<Int16Type>().values().iter().map(|value| i16_to_bytes(*value)));
        }
        DataType::Integer => {
            sink.fixed(nulls, column.as_primitive::<Int32Type>().values().iter().map(|value| i32_to_bytes(*value)));
        }
        DataType::BigInt => {
            sink.fixed(nulls, column.as_primitive::<Int64Type>().values().iter().map(|value| i64_to_bytes(*value)));
        }
        DataType::Real => {
            sink.fixed(nulls, column.as_primitive::<Float32Type>().values().iter().map(|value| f32_to_bytes(*value)));
        }
        DataType::Double => {
            sink.fixed(nulls, column.as_primitive::<Float64Type>().values().iter().map(|value| f64_to_bytes(*value)));
        }
        DataType::Numeric { .. } => {
            let values = column.as_primitive::<Decimal128Type>().values();
            sink.fixed(nulls, values.iter().map(|value| i128_to_bytes(*value)));
        }
        DataType::Text => sink.strings(column.as_string::<i32>()),
        DataType::Bytea => sink.strings(column.as_binary::<i32>()),
        DataType::Date => {
            sink.fixed(nulls, column.as_primitive::<Date32Type>().values().iter().map(|value| i32_to_bytes(*value)));
        }
        DataType::Time => {
            let values = column.as_primitive::<Time64MicrosecondType>().values();
            sink.fixed(nulls, values.iter().map(|value| i64_to_bytes(*value)));
        }
        DataType::Timestamp | DataType::TimestampTz => {
            let values = column.as_primitive::<TimestampMicrosecondType>().values();
            sink.fixed(nulls, values.iter().map(|value| i64_to_bytes(*value)));
        }
        DataType::Interval => {
            let values = column.as_primitive::<IntervalMonthDayNanoType>().values();
            sink.fixed(nulls, values.iter().map(|v| interval_to_bytes(v.months, v.days, v.nanoseconds / 1000)));
        }
        DataType::Uuid => {
            let values = column.as_fixed_size_binary();
            sink.fixed(nulls, (0..values.len()).map(|row| uuid_bytes(values.value(row))));
        }
    }
}

fn uuid_bytes(value: &[u8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(value);
    bytes
}

/// Rows that consist of one string each: written once, without being measured.
fn append_lone_strings(codec: &ColumnCodec, column: &dyn Array, out: &mut Rows) -> Result<(), CodecError> {
    fn append<T: ByteArrayType>(
        codec: &ColumnCodec,
        array: &GenericByteArray<T>,
        out: &mut Rows,
    ) -> Result<(), CodecError> {
        for row in 0..array.len() {
            out.push_with(|bytes| {
                let start = bytes.len();
                match array.is_valid(row) {
                    true => append_string(codec, array.value(row).as_ref(), bytes),
                    false => bytes.push(codec.null),
                }
                check_row_length(bytes.len() - start)
            })?;
        }
        Ok(())
    }
    match codec.data_type {
        DataType::Text => append(codec, column.as_string::<i32>(), out),
        _ => append(codec, column.as_binary::<i32>(), out),
    }
}

/// Appends a string with its marker and terminator.
fn append_string(codec: &ColumnCodec, value: &[u8], out: &mut Vec<u8>) {
    out.push(VALUE);
    let start = out.len();
    let mut done = 0;
    for at in memchr2_iter(0x00, 0x01, value) {
        out.extend_from_slice(&value[done..at]);
        out.extend_from_slice(&[ESCAPE, value[at] + 1]);
        done = at + 1;
    }
    out.extend_from_slice(&value[done..]);
    out.push(TERMINATOR);
    if codec.mask != 0 {
        out[start..].iter_mut().for_each(|byte| *byte ^= codec.mask);
    }
}

/// Appends a fixed-width payload with its marker.
#[inline]
fn append_fixed<const N: usize>(codec: &ColumnCodec, payload: [u8; N], out: &mut Vec<u8>) {
    out.push(VALUE);
    out.extend_from_slice(&payload.map(|byte| byte ^ codec.mask));
}

/// Appends one element of a column of the right type.
fn append_element(codec: &ColumnCodec, column: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), Reason> {
    if column.is_null(row) {
        out.push(codec.null);
        return Ok(());
    }
    match codec.data_type {
        DataType::Boolean => append_fixed(codec, bool_to_bytes(column.as_boolean().value(row)), out),
        DataType::SmallInt => append_fixed(codec, i16_to_bytes(column.as_primitive::<Int16Type>().value(row)), out),
        DataType::Integer => append_fixed(codec, i32_to_bytes(column.as_primitive::<Int32Type>().value(row)), out),
        DataType::BigInt => append_fixed(codec, i64_to_bytes(column.as_primitive::<Int64Type>().value(row)), out),
        DataType::Real => append_fixed(codec, f32_to_bytes(column.as_primitive::<Float32Type>().value(row)), out),
        DataType::Double => append_fixed(codec, f64_to_bytes(column.as_primitive::<Float64Type>().value(row)), out),
        DataType::Numeric { precision, .. } => {
            let value = check_numeric(column.as_primitive::<Decimal128Type>().value(row), precision)?;
            append_fixed(codec, i128_to_bytes(value), out);
        }
        DataType::Text => append_string(codec, column.as_string::<i32>().value(row).as_bytes(), out),
        DataType::Bytea => append_string(codec, column.as_binary::<i32>().value(row), out),
        DataType::Date => append_fixed(codec, i32_to_bytes(column.as_primitive::<Date32Type>().value(row)), out),
        DataType::Time => {
            let value = check_time(column.as_primitive::<Time64MicrosecondType>().value(row))?;
            append_fixed(codec, i64_to_bytes(value), out);
        }
        DataType::Timestamp | DataType::TimestampTz => {
            append_fixed(codec, i64_to_bytes(column.as_primitive::<TimestampMicrosecondType>().value(row)), out);
        }
        DataType::Interval => {
            let parts = column.as_primitive::<IntervalMonthDayNanoType>().value(row);
            let (months, days, micros) = interval_from_arrow(parts)?;
            append_fixed(codec, interval_to_bytes(months, days, micros), out);
        }
        DataType::Uuid => append_fixed(codec, uuid_bytes(column.as_fixed_size_binary().value(row)), out),
    }
    Ok(())
}

/// Appends a value after checking that it is one of the column's type.
fn append_value(codec: &ColumnCodec, value: &Value, index: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let data_type = codec.data_type;
    let out_of_range = |reason| CodecError::OutOfRange { column: index, data_type, reason };
    match (data_type, value) {
        (_, Value::Null) => out.push(codec.null),
        (DataType::Boolean, Value::Boolean(value)) => append_fixed(codec, bool_to_bytes(*value), out),
        (DataType::SmallInt, Value::SmallInt(value)) => append_fixed(codec, i16_to_bytes(*value), out),
        (DataType::Integer, Value::Integer(value)) => append_fixed(codec, i32_to_bytes(*value), out),
        (DataType::BigInt, Value::BigInt(value)) => append_fixed(codec, i64_to_bytes(*value), out),
        (DataType::Real, Value::Real(value)) => append_fixed(codec, f32_to_bytes(*value), out),
        (DataType::Double, Value::Double(value)) => append_fixed(codec, f64_to_bytes(*value), out),
        (DataType::Numeric { precision, scale }, Value::Numeric { unscaled, scale: from }) => {
            let unscaled = crate::value::rescale(*unscaled, *from, scale)
                .ok_or_else(|| out_of_range("a numeric has more digits than its type keeps"))?;
            let unscaled = check_numeric(unscaled, precision).map_err(out_of_range)?;
            append_fixed(codec, i128_to_bytes(unscaled), out);
        }
        (DataType::Text, Value::Text(value)) => append_string(codec, value.as_bytes(), out),
        (DataType::Bytea, Value::Bytea(value)) => append_string(codec, value, out),
        (DataType::Date, Value::Date(value)) => append_fixed(codec, i32_to_bytes(*value), out),
        (DataType::Time, Value::Time(value)) => {
            append_fixed(codec, i64_to_bytes(check_time(*value).map_err(out_of_range)?), out);
        }
        (DataType::Timestamp, Value::Timestamp(value)) | (DataType::TimestampTz, Value::TimestampTz(value)) => {
            append_fixed(codec, i64_to_bytes(*value), out);
        }
        (DataType::Interval, Value::Interval { months, days, micros }) => {
            interval_to_arrow(*months, *days, *micros).map_err(out_of_range)?;
            append_fixed(codec, interval_to_bytes(*months, *days, *micros), out);
        }
        (DataType::Uuid, Value::Uuid(value)) => append_fixed(codec, *value, out),
        _ => {
            return Err(CodecError::ColumnType { column: index, expected: data_type, found: value.type_name() });
        }
    }
    Ok(())
}
