//! Work on encoded rows without decoding them: pick columns, compare them, read their numbers.
//!
//! A row is the concatenation of its columns, and each column's bytes (its *piece*) are by themselves the encoding of a row
//! of that one column. So a projection copies pieces, a comparison with a constant compares bytes, and only what is
//! computed with is decoded.
//!
//! Cost: one step per column up to the last that is wanted (a search for the terminator in strings), and one copy per run
//! of neighbouring columns. Nothing is allocated but the growth of what the caller hands in.

use std::ops::Range;

use super::scalar::i128_from_bytes;
use super::scalar::{bool_from_bytes, f32_from_bytes, f64_from_bytes, i16_from_bytes, i32_from_bytes, i64_from_bytes};
use super::{CodecError, NULL_FIRST, NULL_LAST, Order, RowCodec, VALUE, invalid};
use crate::DataType;

impl RowCodec {
    /// Where the first `columns` columns of an encoded row begin and end: `out` is replaced by `columns + 1` offsets.
    ///
    /// # Panics
    /// If the codec has fewer columns than that.
    #[inline]
    pub fn boundaries_until(&self, row: &[u8], columns: usize, out: &mut Vec<u32>) -> Result<(), CodecError> {
        out.clear();
        out.push(0);
        let mut at = 0;
        for (index, column) in self.columns[..columns].iter().enumerate() {
            at = column.skip(row, at, index)?;
            out.push(at as u32);
        }
        Ok(())
    }
}

/// Copies some columns of encoded rows, in any order.
#[derive(Debug, Clone)]
pub struct Picker {
    /// How many leading columns of a row have to be found.
    reach: usize,
    /// What is copied together, in the order in which it is copied.
    runs: Box<[Run]>,
    /// Whether the picked columns are all of the row, as they are.
    whole: bool,
}

/// Neighbouring columns, or one column that is turned.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    columns: Range<usize>,
    /// The order that the column has on one side, if it is the default one on the other side only.
    turn: Option<Order>,
}

impl Picker {
    /// A picker of the given columns of rows with `row_columns` columns.
    ///
    /// # Panics
    /// If a column is not below `row_columns`.
    #[must_use]
    pub fn new(columns: &[usize], row_columns: usize) -> Picker {
        let columns: Vec<(usize, Order)> = columns.iter().map(|&column| (column, Order::default())).collect();
        Picker::turning(&columns, row_columns)
    }

    /// A picker that also turns columns: from the default order to the given one, or back.
    ///
    /// # Panics
    /// If a column is not below `row_columns`.
    #[must_use]
    pub fn turning(columns: &[(usize, Order)], row_columns: usize) -> Picker {
        let mut runs: Vec<Run> = Vec::new();
        for &(column, order) in columns {
            assert!(column < row_columns, "a picked column is in the row");
            let turn = (order != Order::default()).then_some(order);
            match runs.last_mut() {
                Some(Run { columns, turn: None }) if columns.end == column && turn.is_none() => columns.end += 1,
                _ => runs.push(Run { columns: column..column + 1, turn }),
            }
        }
        let reach = runs.iter().map(|run| run.columns.end).max().unwrap_or(0);
        let everything = Run { columns: 0..row_columns, turn: None };
        let whole = runs.as_slice() == [everything] || (row_columns == 0 && columns.is_empty());
        Picker { reach, runs: runs.into(), whole }
    }

    /// The same picker for rows that go on behind their last column: what follows is not copied.
    #[must_use]
    pub fn of_longer_rows(self) -> Picker {
        Picker { whole: false, ..self }
    }

    /// Whether picking copies rows as they are.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Appends the picked columns of an encoded row. `codec` is the row's, with the orders that its columns have; `scratch` is
    /// overwritten.
    #[inline]
    pub fn pick(
        &self,
        codec: &RowCodec,
        row: &[u8],
        scratch: &mut Vec<u32>,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        if self.whole {
            out.extend_from_slice(row);
            return Ok(());
        }
        codec.boundaries_until(row, self.reach, scratch)?;
        for run in &self.runs {
            let start = out.len();
            out.extend_from_slice(&row[scratch[run.columns.start] as usize..scratch[run.columns.end] as usize]);
            if let Some(order) = run.turn {
                turn(order, &mut out[start..]);
            }
        }
        Ok(())
    }
}

/// Turns a piece from the default order to `order`, or back: the two differ in the same bits.
fn turn(order: Order, piece: &mut [u8]) {
    match piece.split_first_mut() {
        Some((&mut VALUE, payload)) if order.descending => payload.iter_mut().for_each(|byte| *byte ^= 0xff),
        Some((&mut VALUE, _)) | None => {}
        Some((null, _)) if order.nulls_first => *null ^= NULL_LAST ^ NULL_FIRST,
        Some(_) => {}
    }
}

/// What a piece is worth to an aggregate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// NULL.
    Null,
    /// A smallint, integer or bigint.
    Integer(i64),
    /// A numeric, without its scale.
    Decimal(i128),
    /// A real or double precision.
    Float(f64),
    /// A boolean.
    Boolean(bool),
    /// A value of a type that nobody computes with.
    Other,
}

/// Whether a piece is the NULL of a column in the default order.
#[inline]
#[must_use]
pub fn is_null_piece(piece: &[u8]) -> bool {
    piece.first() != Some(&VALUE)
}

/// The number in a piece of a column of type `data_type` in the default order.
#[inline]
pub fn number(data_type: DataType, piece: &[u8]) -> Result<Number, CodecError> {
    let Some((&VALUE, payload)) = piece.split_first() else { return Ok(Number::Null) };
    let at = |reason| invalid(0, 0, reason);
    Ok(match data_type {
        DataType::SmallInt => Number::Integer(i16_from_bytes(fixed(payload)?).into()),
        DataType::Integer => Number::Integer(i32_from_bytes(fixed(payload)?).into()),
        DataType::BigInt => Number::Integer(i64_from_bytes(fixed(payload)?)),
        DataType::Numeric { .. } => Number::Decimal(i128_from_bytes(fixed(payload)?)),
        DataType::Real => Number::Float(f32_from_bytes(fixed(payload)?).map_err(at)?.into()),
        DataType::Double => Number::Float(f64_from_bytes(fixed(payload)?).map_err(at)?),
        DataType::Boolean => Number::Boolean(bool_from_bytes(fixed(payload)?).map_err(at)?),
        _ => Number::Other,
    })
}

#[inline]
fn fixed<const N: usize>(payload: &[u8]) -> Result<[u8; N], CodecError> {
    payload.try_into().map_err(|_| CodecError::Truncated { column: 0, offset: 0 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Value;

    fn encode(types: &[DataType], values: &[Value]) -> Vec<u8> {
        let mut row = Vec::new();
        RowCodec::new(types).encode_values(values, &mut row).unwrap();
        row
    }

    fn value() -> impl Strategy<Value = (DataType, Value)> {
        prop_oneof![
            any::<Option<i64>>().prop_map(|v| (DataType::BigInt, v.map_or(Value::Null, Value::BigInt))),
            any::<Option<i16>>().prop_map(|v| (DataType::SmallInt, v.map_or(Value::Null, Value::SmallInt))),
            any::<Option<bool>>().prop_map(|v| (DataType::Boolean, v.map_or(Value::Null, Value::Boolean))),
            any::<Option<f64>>().prop_map(|v| (DataType::Double, v.map_or(Value::Null, Value::Double))),
            proptest::collection::vec(any::<u8>(), 0..6).prop_map(|v| (DataType::Bytea, Value::Bytea(v))),
        ]
    }

    proptest! {
        #[test]
        fn picking_is_encoding_the_picked_columns(
            row in proptest::collection::vec(value(), 1..6),
            picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let (types, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
            let columns: Vec<usize> = picks.iter().map(|pick| pick.index(types.len())).collect();
            let picker = Picker::new(&columns, types.len());
            let mut picked = Vec::new();
            picker.pick(&RowCodec::new(&types), &encode(&types, &values), &mut Vec::new(), &mut picked).unwrap();
            let picked_types: Vec<DataType> = columns.iter().map(|&column| types[column]).collect();
            let picked_values: Vec<Value> = columns.iter().map(|&column| values[column].clone()).collect();
            prop_assert_eq!(picked, encode(&picked_types, &picked_values));
            prop_assert_eq!(picker.is_whole(), columns.iter().copied().eq(0..types.len()));
        }

        #[test]
        fn turning_is_encoding_in_the_other_order_and_back(
            row in proptest::collection::vec((value(), any::<(bool, bool)>()), 1..6),
            picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let order = |(descending, nulls_first)| Order { descending, nulls_first };
            let (typed, orders): (Vec<_>, Vec<_>) = row.into_iter().unzip();
            let (types, values): (Vec<_>, Vec<_>) = typed.into_iter().unzip();
            let plain = encode(&types, &values);
            let picked: Vec<(usize, Order)> = picks
                .iter()
                .map(|pick| pick.index(types.len()))
                .map(|column| (column, order(orders[column])))
                .collect();
            let codec = |columns: &[(usize, Order)]| {
                RowCodec::with_order(&columns.iter().map(|&(column, order)| (types[column], order)).collect::<Vec<_>>())
            };
            let pick = |columns: &[(usize, Order)], width, codec: &RowCodec, row: &[u8]| {
                let mut out = Vec::new();
                Picker::turning(columns, width).pick(codec, row, &mut Vec::new(), &mut out).map(|()| out)
            };
            let picked_values: Vec<Value> = picked.iter().map(|&(column, _)| values[column].clone()).collect();
            let mut expected = Vec::new();
            codec(&picked).encode_values(&picked_values, &mut expected).unwrap();
            prop_assert_eq!(pick(&picked, types.len(), &RowCodec::new(&types), &plain).unwrap(), expected);

            let all: Vec<(usize, Order)> = (0..types.len()).map(|column| (column, order(orders[column]))).collect();
            let there = pick(&all, types.len(), &RowCodec::new(&types), &plain).unwrap();
            prop_assert_eq!(pick(&all, types.len(), &codec(&all), &there).unwrap(), plain);
        }

        #[test]
        fn the_number_of_a_piece_is_its_value((data_type, value) in value()) {
            let piece = encode(&[data_type], std::slice::from_ref(&value));
            prop_assert_eq!(is_null_piece(&piece), value == Value::Null);
            let expected = match value {
                Value::Null => Number::Null,
                Value::BigInt(v) => Number::Integer(v),
                Value::SmallInt(v) => Number::Integer(v.into()),
                Value::Boolean(v) => Number::Boolean(v),
                // Encoding makes every NaN one NaN, which equals nothing.
                Value::Double(v) if v.is_nan() => return Ok(()),
                Value::Double(v) => Number::Float(v + 0.0),
                _ => Number::Other,
            };
            prop_assert_eq!(number(data_type, &piece).unwrap(), expected);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            let codec = RowCodec::new(&[DataType::BigInt, DataType::Text, DataType::Boolean]);
            let _ = Picker::new(&[2, 0], 3).pick(&codec, &bytes, &mut Vec::new(), &mut Vec::new());
            for data_type in [DataType::BigInt, DataType::Real, DataType::Boolean, DataType::Text] {
                let _ = number(data_type, &bytes);
            }
        }
    }
}
