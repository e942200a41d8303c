//! Any bytes given to the row codec are a row or an error. A row that is accepted is written back as the same bytes, one
//! value at a time and a column at a time, and its prefixes end where its values do.
#![no_main]

use libfuzzer_sys::fuzz_target;
use monostable_types::{DataType, RowCodec, Rows};

const TYPES: [DataType; 15] = [
    DataType::Boolean,
    DataType::SmallInt,
    DataType::Integer,
    DataType::BigInt,
    DataType::Real,
    DataType::Double,
    DataType::Numeric { precision: 38, scale: 0 },
    DataType::Numeric { precision: 9, scale: 4 },
    DataType::Text,
    DataType::Bytea,
    DataType::Date,
    DataType::Time,
    DataType::Timestamp,
    DataType::Interval,
    DataType::Uuid,
];

fuzz_target!(|input: &[u8]| {
    let Some((count, rest)) = input.split_first() else { return };
    let Some((kinds, row)) = rest.split_at_checked(usize::from(count % 5)) else { return };
    let types: Vec<DataType> = kinds.iter().map(|kind| TYPES[usize::from(*kind) % TYPES.len()]).collect();
    let codec = RowCodec::new(&types);

    let columns = codec.decode_columns(std::iter::once(row));
    let Ok(values) = codec.decode_values(row) else {
        assert!(columns.is_err(), "the two decoders disagree");
        return;
    };
    let mut written = Vec::new();
    codec.encode_values(&values, &mut written).expect("a decoded row can be encoded");
    assert_eq!(written, row);
    assert_eq!(codec.prefix_len(row, types.len()), Ok(row.len()));

    if !types.is_empty() {
        let mut rows = Rows::new();
        let columns = columns.expect("the two decoders agree");
        codec.encode_columns(&columns, &mut rows).expect("a decoded row can be encoded");
        assert_eq!(rows.row(0), row);
    }
});
