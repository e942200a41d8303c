//! The promises of the row codec, each against an opinion that was written independently of it: the page that specifies
//! the format, golden bytes, `arrow-row`, and a comparison of values by SQL's rules.

use std::cmp::Ordering;

use arrow_array::types::{Decimal128Type, Time64MicrosecondType};
use arrow_array::{Array, ArrayRef, PrimitiveArray, make_array};
use arrow_row::{RowConverter, SortField};
use arrow_schema::SortOptions;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::samples::{ALL_TYPES, value_of};
use crate::{Value, values_to_array};

/// Columns and the rows that fill them.
type Table = (Vec<(DataType, Order)>, Vec<Vec<Value>>);

fn order() -> impl Strategy<Value = Order> {
    any::<(bool, bool)>().prop_map(|(descending, nulls_first)| Order { descending, nulls_first })
}

fn table(types: &'static [DataType], rows_max: usize) -> impl Strategy<Value = Table> {
    vec((prop::sample::select(types), order()), 1..5).prop_flat_map(move |columns| {
        let row: Vec<_> = columns.iter().map(|(data_type, _)| value_of(*data_type)).collect();
        (Just(columns), vec(row, 0..rows_max))
    })
}

fn encode(codec: &RowCodec, values: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec.encode_values(values, &mut bytes).unwrap();
    bytes
}

/// The rows as Arrow columns, cut out of longer arrays so that no offset is zero.
fn columns_of((columns, rows): &Table) -> Vec<ArrayRef> {
    let column = |(index, (data_type, _)): (usize, &(DataType, Order))| {
        let values = rows.iter().take(1).chain(rows).map(|row| &row[index]);
        let array = values_to_array(*data_type, values).unwrap();
        array.slice(rows.len().min(1), rows.len())
    };
    columns.iter().enumerate().map(column).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

#[test]
fn the_example_in_the_specification_decodes() {
    let page = include_str!("../../FORMAT.md");
    let example = page.split("## Example").nth(1).and_then(|rest| rest.split("## ").next()).unwrap();
    let cells = example.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let pieces: Vec<Vec<u8>> = cells.map(|(bytes, _)| hex(bytes)).collect();
    let numeric = DataType::Numeric { precision: 10, scale: 2 };
    let codec = RowCodec::new(&[DataType::Integer, DataType::Text, numeric, DataType::Date, DataType::Bytea]);
    let values = [
        Value::Integer(7),
        Value::Text("ann".into()),
        Value::Numeric { unscaled: -1234, scale: 2 },
        Value::Null,
        Value::Bytea(vec![0, 1, 255]),
    ];
    assert_eq!(pieces.concat(), encode(&codec, &values));
    assert_eq!(codec.decode_values(&pieces.concat()).unwrap(), values);
    let mut boundaries = Vec::new();
    codec.boundaries(&pieces.concat(), &mut boundaries).unwrap();
    let lengths: Vec<usize> = boundaries.windows(2).map(|ends| (ends[1] - ends[0]) as usize).collect();
    assert_eq!(lengths, pieces.iter().map(Vec::len).collect::<Vec<_>>());
}

#[test]
fn the_specification_gives_each_type_its_code() {
    let page = include_str!("../../FORMAT.md");
    for data_type in ALL_TYPES {
        let name = match data_type {
            DataType::Numeric { .. } => "numeric(p,s)".to_owned(),
            other => other.sql_name().replace(" without time zone", ""),
        };
        let row = format!("| {name} | {} |", data_type.code()[0]);
        assert!(page.contains(&row), "no row {row}");
    }
}

#[test]
fn golden_bytes_of_every_type_are_still_written_and_read() {
    let golden = include_str!("../../golden/row-v1.txt");
    let mut seen = std::collections::BTreeSet::new();
    let mut last: Option<(DataType, Vec<u8>)> = None;
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        let [name, text, bytes] = line.split(" | ").collect::<Vec<_>>().try_into().unwrap();
        let data_type = *ALL_TYPES.iter().find(|data_type| data_type.sql_name() == name).unwrap();
        let value = if text == "NULL" { Value::Null } else { Value::parse(data_type, text).unwrap() };
        let codec = RowCodec::new(&[data_type]);
        let bytes = hex(bytes);
        assert_eq!(encode(&codec, std::slice::from_ref(&value)), bytes, "{line}");
        let decoded = codec.decode_values(&bytes).unwrap();
        assert_eq!((&decoded[0], decoded[0].to_string()), (&value, text.to_owned()), "{line}");
        if let Some((_, before)) = last.filter(|(before, _)| *before == data_type) {
            assert!(before < bytes, "{line} is not greater than the line before it");
        }
        last = Some((data_type, bytes));
        seen.insert(data_type);
    }
    assert_eq!(seen.len(), ALL_TYPES.len());
}

/// SQL's order of two values of one type, written without the codec's arithmetic.
fn compare_as_sql(a: &Value, b: &Value, order: Order) -> Ordering {
    let by_value = match (a, b) {
        (Value::Null, Value::Null) => return Ordering::Equal,
        (Value::Null, _) => return if order.nulls_first { Ordering::Less } else { Ordering::Greater },
        (_, Value::Null) => return compare_as_sql(b, a, order).reverse(),
        (Value::Real(a), Value::Real(b)) => compare_floats(f64::from(*a), f64::from(*b)),
        (Value::Double(a), Value::Double(b)) => compare_floats(*a, *b),
        (Value::Numeric { unscaled: a, .. }, Value::Numeric { unscaled: b, .. }) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Interval { months: a, days: c, micros: e }, Value::Interval { months: b, days: d, micros: f }) => {
            // Whole days first, as a pair of quotient and remainder; then the parts.
            let days = |months: i32, days: i32, micros: i64| {
                let day = 86_400_000_000;
                (i64::from(months) * 30 + i64::from(days) + micros.div_euclid(day), micros.rem_euclid(day))
            };
            days(*a, *c, *e).cmp(&days(*b, *d, *f)).then(a.cmp(b)).then(c.cmp(d))
        }
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::SmallInt(a), Value::SmallInt(b)) => a.cmp(b),
        (Value::Integer(a), Value::Integer(b)) | (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::BigInt(a), Value::BigInt(b))
        | (Value::Time(a), Value::Time(b))
        | (Value::Timestamp(a), Value::Timestamp(b))
        | (Value::TimestampTz(a), Value::TimestampTz(b)) => a.cmp(b),
        (Value::Bytea(a), Value::Bytea(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        _ => panic!("{a:?} and {b:?} are not of one type"),
    };
    if order.descending { by_value.reverse() } else { by_value }
}

fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn compare_rows(columns: &[(DataType, Order)], a: &[Value], b: &[Value]) -> Ordering {
    let compared = columns.iter().zip(a.iter().zip(b)).map(|((_, order), (a, b))| compare_as_sql(a, b, *order));
    compared.fold(Ordering::Equal, Ordering::then)
}

proptest! {
    #[test]
    fn byte_order_is_sql_order((columns, rows) in table(&ALL_TYPES, 12)) {
        let codec = RowCodec::with_order(&columns);
        let encoded: Vec<Vec<u8>> = rows.iter().map(|row| encode(&codec, row)).collect();
        for (a, a_bytes) in rows.iter().zip(&encoded) {
            for (b, b_bytes) in rows.iter().zip(&encoded) {
                prop_assert_eq!(a_bytes.cmp(b_bytes), compare_rows(&columns, a, b), "{:?} and {:?}", a, b);
            }
        }
    }

    /// In particular NULLs, floats and intervals: a map of values and a run of encoded rows hold the same keys.
    #[test]
    fn values_have_the_order_of_their_bytes((columns, rows) in table(&ALL_TYPES, 12)) {
        let types: Vec<DataType> = columns.iter().map(|(data_type, _)| *data_type).collect();
        let codec = RowCodec::new(&types);
        for pair in rows.windows(2) {
            prop_assert_eq!(pair[0].cmp(&pair[1]), encode(&codec, &pair[0]).cmp(&encode(&codec, &pair[1])));
        }
    }

    #[test]
    fn no_encoding_is_the_beginning_of_another((columns, rows) in table(&ALL_TYPES, 12), columns_seen in 1_usize..5) {
        let columns = &columns[..columns_seen.min(columns.len())];
        let codec = RowCodec::with_order(columns);
        let prefixes: Vec<&[Value]> = rows.iter().map(|row| &row[..columns.len()]).collect();
        for a in &prefixes {
            for b in &prefixes {
                let (a_bytes, b_bytes) = (encode(&codec, a), encode(&codec, b));
                prop_assert_eq!(b_bytes.starts_with(&a_bytes), a == b, "{:?} and {:?}", a, b);
            }
        }
    }

    #[test]
    fn arrow_row_agrees_on_the_order((columns, rows) in table(&TYPES_ARROW_ROW_ORDERS, 30)) {
        let table = (columns, rows.iter().map(|row| row.iter().map(canonical).collect()).collect());
        let arrays = columns_of(&table);
        let field = |(data_type, order): &(DataType, Order)| {
            let options = SortOptions { descending: order.descending, nulls_first: order.nulls_first };
            SortField::new_with_options(data_type.to_arrow(), options)
        };
        let converter = RowConverter::new(table.0.iter().map(field).collect()).unwrap();
        let theirs = converter.convert_columns(&arrays).unwrap();
        let mut ours = Rows::new();
        RowCodec::with_order(&table.0).encode_columns(&arrays, &mut ours).unwrap();
        for a in 0..ours.len() {
            for b in 0..a {
                prop_assert_eq!(ours.row(a).cmp(ours.row(b)), theirs.row(a).cmp(&theirs.row(b)));
            }
        }
    }

    #[test]
    fn all_ways_to_encode_give_the_same_bytes_and_decode_to_the_same_values(
        table in table(&ALL_TYPES, 20),
        already in vec(any::<u8>(), 0..3),
    ) {
        let codec = RowCodec::with_order(&table.0);
        let arrays = columns_of(&table);
        let mut rows = Rows::new();
        rows.push(&already);
        codec.encode_columns(&arrays, &mut rows).unwrap();
        prop_assert_eq!(rows.len(), 1 + table.1.len());
        prop_assert_eq!(rows.row(0), &already);
        let encoded = || rows.iter().skip(1);
        for (index, (bytes, values)) in encoded().zip(&table.1).enumerate() {
            prop_assert_eq!(bytes, encode(&codec, values));
            let mut one = already.clone();
            codec.encode_row_of(&arrays, index, &mut one).unwrap();
            prop_assert_eq!(&one[already.len()..], bytes);
            prop_assert_eq!(&codec.decode_values(bytes).unwrap(), values);
        }
        let decoded = codec.decode_columns(encoded()).unwrap();
        for (index, (array, (data_type, _))) in decoded.iter().zip(&table.0).enumerate() {
            array.to_data().validate_full().unwrap();
            prop_assert_eq!(array.data_type(), &data_type.to_arrow());
            for (row, values) in table.1.iter().enumerate() {
                prop_assert_eq!(&Value::from_array(array, row, *data_type).unwrap(), &values[index]);
            }
        }
    }

    #[test]
    fn a_row_is_its_columns_end_to_end((columns, rows) in table(&ALL_TYPES, 4)) {
        let codec = RowCodec::with_order(&columns);
        let mut boundaries = vec![77];
        for values in &rows {
            let row = encode(&codec, values);
            codec.boundaries(&row, &mut boundaries).unwrap();
            prop_assert_eq!(boundaries.len(), columns.len() + 1);
            for (index, value) in values.iter().enumerate() {
                let piece = &row[boundaries[index] as usize..boundaries[index + 1] as usize];
                let alone = RowCodec::with_order(&columns[index..=index]);
                prop_assert_eq!(piece, encode(&alone, std::slice::from_ref(value)));
                prop_assert_eq!(codec.prefix_len(&row, index).unwrap(), boundaries[index] as usize);
                let mut prefix = Vec::new();
                codec.encode_prefix(&values[..index], &mut prefix).unwrap();
                prop_assert_eq!(&row[..prefix.len()], prefix);
            }
            prop_assert_eq!(codec.prefix_len(&row, columns.len()).unwrap(), row.len());
        }
    }

    /// Whatever decodes is what the encoder writes for it, byte for byte; all decoders agree on what that is.
    #[test]
    fn damaged_rows_are_refused_or_are_other_rows(
        (columns, rows) in table(&ALL_TYPES, 2),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in any::<prop::sample::Index>(),
        how in 0..4,
        noise in vec(prop_oneof![0_u8..4, any::<u8>()], 0..40),
    ) {
        let codec = RowCodec::with_order(&columns);
        let mut bytes = rows.first().map_or(noise.clone(), |row| encode(&codec, row));
        match how {
            0 => bytes.truncate(cut.index(bytes.len() + 1)),
            1 => bytes.extend(&noise),
            2 => bytes = noise,
            _ => {}
        }
        for (at, flip) in flips {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
            }
        }
        check_any_bytes(&codec, &bytes)?;
    }

    #[test]
    fn the_successor_of_a_prefix_is_the_least_string_above_it(
        prefix in vec(prop_oneof![Just(0xff_u8), any::<u8>()], 0..5),
        other in vec(prop_oneof![Just(0xff_u8), Just(0), any::<u8>()], 0..8),
    ) {
        let extended = [prefix.as_slice(), other.as_slice()].concat();
        for string in [&extended, &other] {
            let above = prefix_successor(&prefix).is_some_and(|successor| string >= &successor);
            prop_assert_eq!(above, string > &prefix && !string.starts_with(&prefix));
        }
        prop_assert_eq!(prefix_successor(&prefix).is_none(), prefix.iter().all(|byte| *byte == 0xff));
    }
}

/// Every reader of bytes, on bytes that may be anything.
fn check_any_bytes(codec: &RowCodec, bytes: &[u8]) -> Result<(), TestCaseError> {
    let values = codec.decode_values(bytes);
    let columns = codec.decode_columns(std::iter::once(bytes));
    let mut boundaries = Vec::new();
    let cut = codec.boundaries(bytes, &mut boundaries);
    match values {
        Ok(values) => {
            prop_assert_eq!(encode(codec, &values), bytes);
            prop_assert!(cut.is_ok());
            let mut again = Rows::new();
            codec.encode_columns(&columns.unwrap(), &mut again).unwrap();
            prop_assert_eq!(again.row(0), bytes);
        }
        Err(error) => {
            prop_assert_eq!(error.sqlstate(), "XX001");
            prop_assert_eq!(columns.unwrap_err(), error);
        }
    }
    for column in 0..=codec.len() {
        prop_assert!(codec.prefix_len(bytes, column).map_or(true, |length| length <= bytes.len()));
    }
    Ok(())
}

/// What `arrow-row` orders as SQL does, given canonical floats; its intervals compare by their parts.
static TYPES_ARROW_ROW_ORDERS: [DataType; 14] = [
    DataType::Boolean,
    DataType::SmallInt,
    DataType::Integer,
    DataType::BigInt,
    DataType::Real,
    DataType::Double,
    DataType::Numeric { precision: 38, scale: 0 },
    DataType::Text,
    DataType::Bytea,
    DataType::Date,
    DataType::Time,
    DataType::Timestamp,
    DataType::TimestampTz,
    DataType::Uuid,
];

fn canonical(value: &Value) -> Value {
    match value {
        Value::Real(value) if value.is_nan() => Value::Real(f32::NAN.copysign(1.0)),
        Value::Double(value) if value.is_nan() => Value::Double(f64::NAN.copysign(1.0)),
        Value::Real(value) if *value == 0.0 => Value::Real(0.0),
        Value::Double(value) if *value == 0.0 => Value::Double(0.0),
        other => other.clone(),
    }
}

#[test]
fn a_text_is_not_the_beginning_of_the_same_text_and_a_zero_byte() {
    // With the common terminator 00 and escape 00 ff, a scan of the key 'a' would also have found 'a\0'.
    let codec = RowCodec::new(&[DataType::Text]);
    let (short, long) = (Value::Text("a".into()), Value::Text("a\0".into()));
    assert!(!encode(&codec, &[long]).starts_with(&encode(&codec, &[short])));
}

#[test]
fn each_kind_of_damage_is_named_with_column_and_offset() {
    let codec = RowCodec::new(&[DataType::Boolean, DataType::Text, DataType::Double]);
    let good = encode(&codec, &[Value::Boolean(true), Value::Text("é\u{1}".into()), Value::Double(1.0)]);
    let damage = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        codec.decode_values(&bytes).unwrap_err()
    };
    let invalid = |column, offset, reason| CodecError::Invalid { column, offset, reason };
    assert_eq!(damage(0, 7), invalid(0, 0, "a marker is neither that of a value nor that of NULL"));
    assert_eq!(damage(1, 2), invalid(0, 0, "a boolean is neither 0 nor 1"));
    assert_eq!(damage(3, 0xff), invalid(1, 2, "text is not valid UTF-8"));
    assert_eq!(damage(6, 3), invalid(1, 2, "an escape inside a string stands for no byte"));
    let negative_zero = [&good[..9], &[0x7f], &[0xff; 7]].concat();
    let error = codec.decode_values(&negative_zero).unwrap_err();
    assert_eq!(error, invalid(2, 8, "a float is a negative zero or an unusual NaN"));
    for length in 0..good.len() {
        let error = codec.decode_values(&good[..length]).unwrap_err();
        let (column, offset) = if length < 2 {
            (0, 0)
        } else if length < 8 {
            (1, 2)
        } else {
            (2, 8)
        };
        assert_eq!(error, CodecError::Truncated { column, offset });
    }
    let longer = [good.as_slice(), b"x"].concat();
    assert_eq!(codec.decode_values(&longer), Err(CodecError::Trailing { offset: good.len() }));
    assert_eq!(codec.boundaries(&longer, &mut Vec::new()), Err(CodecError::Trailing { offset: good.len() }));
}

#[test]
fn text_that_is_valid_only_across_rows_is_refused() {
    // The two halves of an 'é', each in its own row: valid UTF-8 when put together.
    let codec = RowCodec::new(&[DataType::Text]);
    let rows: [&[u8]; 2] = [&[1, 0xc3, 0], &[1, 0xa9, 0]];
    let error = codec.decode_columns(rows.into_iter()).unwrap_err();
    assert_eq!(error, CodecError::Invalid { column: 0, offset: 0, reason: "text is not valid UTF-8" });
}

#[test]
fn what_a_type_cannot_hold_is_refused_and_leaves_the_output_alone() {
    let numeric = DataType::Numeric { precision: 3, scale: 1 };
    let too_long: PrimitiveArray<Decimal128Type> = vec![999, 1000].into();
    let too_late: PrimitiveArray<Time64MicrosecondType> = vec![0, 86_400_000_001].into();
    let nanoseconds = arrow_array::IntervalMonthDayNanoArray::from(vec![
        arrow_buffer::IntervalMonthDayNano::new(0, 0, 1000),
        arrow_buffer::IntervalMonthDayNano::new(0, 0, 1),
    ]);
    let columns: [(DataType, ArrayRef, &str); 3] = [
        (numeric, make_array(too_long.with_data_type(numeric.to_arrow()).to_data()), "22003"),
        (DataType::Time, make_array(too_late.to_data()), "22008"),
        (DataType::Interval, make_array(nanoseconds.to_data()), "22008"),
    ];
    for (data_type, column, sqlstate) in columns {
        let codec = RowCodec::new(&[data_type]);
        let (mut rows, mut bytes) = (Rows::new(), b"kept".to_vec());
        rows.push(b"kept");
        let columns = [column];
        let error = codec.encode_columns(&columns, &mut rows).unwrap_err();
        assert_eq!(error.sqlstate(), sqlstate);
        assert_eq!(codec.encode_row_of(&columns, 1, &mut bytes), Err(error));
        assert_eq!((rows.len(), rows.byte_len(), bytes.as_slice()), (1, 4, b"kept".as_slice()));
        codec.encode_row_of(&columns, 0, &mut bytes).unwrap();
    }
}

#[test]
fn the_wrong_columns_are_refused_by_name() {
    let codec = RowCodec::new(&[DataType::Integer, DataType::Text]);
    let integers = values_to_array(DataType::Integer, [Value::Integer(1)].iter()).unwrap();
    let texts = values_to_array(DataType::Text, [Value::Null, Value::Null].iter()).unwrap();
    let mut rows = Rows::new();
    let mut refuse = |columns: &[ArrayRef]| codec.encode_columns(columns, &mut rows).unwrap_err();
    assert_eq!(refuse(&[]), CodecError::ColumnCount { expected: 2, found: 0 });
    let swapped = refuse(&[texts.clone(), integers.clone()]);
    assert_eq!(swapped.to_string(), "column 0 is declared integer and got Utf8");
    assert_eq!(refuse(&[integers, texts]), CodecError::ColumnLength { column: 1, expected: 1, found: 2 });
    let mut bytes = Vec::new();
    for values in
        [&[][..], &[Value::Integer(1)], &[Value::Integer(1), Value::Integer(1)], &[Value::BigInt(1), Value::Null]]
    {
        assert!(codec.encode_values(values, &mut bytes).is_err());
        assert!(bytes.is_empty());
    }
}

#[test]
fn a_numeric_takes_the_scale_of_its_column_or_is_refused() {
    let codec = RowCodec::new(&[DataType::Numeric { precision: 5, scale: 2 }]);
    let encoded = |unscaled, scale| {
        let mut bytes = Vec::new();
        codec.encode_values(&[Value::Numeric { unscaled, scale }], &mut bytes).map(|()| bytes)
    };
    assert_eq!(encoded(15, 1), encoded(150, 2));
    assert_eq!(encoded(15_000, 4), encoded(150, 2));
    assert!(encoded(15_001, 4).is_err());
    assert!(encoded(100_000, 2).is_err());
    assert!(encoded(i128::MAX, -38).is_err());
}

#[test]
fn rows_without_columns_are_empty() {
    let codec = RowCodec::new(&[]);
    assert!(encode(&codec, &[]).is_empty());
    assert_eq!(codec.decode_values(b""), Ok(vec![]));
    assert!(codec.decode_columns([b"".as_slice(), b""].into_iter()).unwrap().is_empty());
    assert_eq!(codec.decode_values(b"x"), Err(CodecError::Trailing { offset: 0 }));
}

#[test]
fn prefix_successors_at_the_edges() {
    assert_eq!(prefix_successor(&[1, 0xfe, 0xff]), Some(vec![1, 0xff]));
    assert_eq!(prefix_successor(&[0]), Some(vec![1]));
    assert_eq!(prefix_successor(&[0xff, 0xff]), None);
    assert_eq!(prefix_successor(&[]), None);
}

#[test]
fn floats_that_sql_holds_equal_have_equal_bytes() {
    let single = RowCodec::new(&[DataType::Real]);
    let double = RowCodec::new(&[DataType::Double]);
    for (a, b) in [(0.0, -0.0), (f64::NAN, -f64::NAN), (f64::NAN, f64::from_bits(0x7ff0_0000_0000_0001))] {
        assert_eq!(encode(&double, &[Value::Double(a)]), encode(&double, &[Value::Double(b)]));
        assert_eq!(encode(&single, &[Value::Real(a as f32)]), encode(&single, &[Value::Real(b as f32)]));
    }
}

#[test]
fn an_interval_whose_microseconds_arrow_cannot_hold_is_refused() {
    let codec = RowCodec::new(&[DataType::Interval]);
    let of_micros = |micros| [&[1][..], &scalar::interval_to_bytes(0, 0, micros)].concat();
    assert!(codec.decode_values(&of_micros(i64::MAX / 1000)).is_ok());
    for micros in [i64::MAX / 1000 + 1, i64::MIN / 1000 - 1, i64::MAX] {
        let row = of_micros(micros);
        assert!(matches!(codec.decode_values(&row), Err(CodecError::Invalid { column: 0, offset: 0, .. })));
        assert!(codec.decode_columns(std::iter::once(row.as_slice())).is_err());
        assert!(codec.encode_values(&[Value::Interval { months: 0, days: 0, micros }], &mut Vec::new()).is_err());
    }
}
