//! Types and values that several test modules share: every type, and values with a taste for the edges of each.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::civil::DAY;
use crate::{DataType, Value};

/// Every type, numerics with several shapes.
pub(crate) static ALL_TYPES: [DataType; 18] = [
    DataType::Boolean,
    DataType::SmallInt,
    DataType::Integer,
    DataType::BigInt,
    DataType::Real,
    DataType::Double,
    DataType::Numeric { precision: 38, scale: 0 },
    DataType::Numeric { precision: 5, scale: 2 },
    DataType::Numeric { precision: 38, scale: 38 },
    DataType::Numeric { precision: 3, scale: -2 },
    DataType::Text,
    DataType::Bytea,
    DataType::Date,
    DataType::Time,
    DataType::Timestamp,
    DataType::TimestampTz,
    DataType::Interval,
    DataType::Uuid,
];

/// Values of a type, NULL among them; few enough near the edges that equal ones meet.
pub(crate) fn value_of(data_type: DataType) -> BoxedStrategy<Value> {
    prop_oneof![1 => Just(Value::Null), 5 => some_value_of(data_type)].boxed()
}

fn some_value_of(data_type: DataType) -> BoxedStrategy<Value> {
    match data_type {
        DataType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        DataType::SmallInt => bigint().prop_map(|value| Value::SmallInt(value as i16)).boxed(),
        DataType::Integer => bigint().prop_map(|value| Value::Integer(value as i32)).boxed(),
        DataType::BigInt => bigint().prop_map(Value::BigInt).boxed(),
        DataType::Real => {
            let edges = prop::sample::select(vec![0.0, -0.0, f32::NAN, -f32::NAN, f32::MIN_POSITIVE, f32::INFINITY]);
            prop_oneof![edges, any::<u32>().prop_map(f32::from_bits)].prop_map(Value::Real).boxed()
        }
        DataType::Double => {
            let edges =
                prop::sample::select(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::MIN_POSITIVE, f64::NEG_INFINITY]);
            prop_oneof![edges, any::<u64>().prop_map(f64::from_bits)].prop_map(Value::Double).boxed()
        }
        DataType::Numeric { precision, scale } => {
            let limit = 10i128.pow(u32::from(precision));
            let edges = prop_oneof![Just(0), Just(limit - 1), Just(1 - limit), -3..3i128];
            let unscaled = prop_oneof![edges, any::<i128>().prop_map(move |value| value % limit)];
            unscaled.prop_map(move |unscaled| Value::Numeric { unscaled, scale }).boxed()
        }
        DataType::Text => {
            let char =
                prop_oneof![prop::sample::select(vec!['\0', '\u{1}', '\u{2}', 'a', 'é', '\u{7f}']), any::<char>()];
            vec(char, 0..6).prop_map(|chars| Value::Text(chars.into_iter().collect())).boxed()
        }
        DataType::Bytea => {
            let byte = prop_oneof![prop::sample::select(vec![0, 1, 2, 0xfe, 0xff]), any::<u8>()];
            vec(byte, 0..6).prop_map(Value::Bytea).boxed()
        }
        DataType::Date => bigint().prop_map(|value| Value::Date(value as i32)).boxed(),
        DataType::Time => bigint().prop_map(|value| Value::Time(value.rem_euclid(DAY + 1))).boxed(),
        DataType::Timestamp => bigint().prop_map(Value::Timestamp).boxed(),
        DataType::TimestampTz => bigint().prop_map(Value::TimestampTz).boxed(),
        DataType::Interval => {
            let micros = prop_oneof![Just(0), Just(DAY), Just(-DAY), bigint().prop_map(|value| value / 1000)];
            let small = prop_oneof![-1..=1i32, (-2..=2i32).prop_map(|months| months * 30), any::<i32>()];
            (small.clone(), small, micros)
                .prop_map(|(months, days, micros)| Value::Interval { months, days, micros })
                .boxed()
        }
        DataType::Uuid => any::<[u8; 16]>().prop_map(Value::Uuid).boxed(),
    }
}

fn bigint() -> impl Strategy<Value = i64> {
    prop_oneof![-2..=2i64, Just(i64::MIN), Just(i64::MAX), any::<i64>()]
}
