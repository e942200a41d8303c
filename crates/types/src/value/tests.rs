//! Values against PostgreSQL's own text forms, and against themselves: text and arrays come back as they went.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use arrow_array::Array;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::samples::{ALL_TYPES, value_of};

/// Where the fourth column stands in for the third, the two differ on purpose.
#[test]
fn text_is_read_and_printed_as_postgresql_does() {
    let golden = include_str!("../../golden/text-forms.txt");
    let mut wrong = Vec::new();
    for line in golden.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let (name, input, expected) = (cells[0], cells[1], cells.get(3).unwrap_or(&cells[2]));
        let data_type = *ALL_TYPES.iter().find(|data_type| data_type.sql_name() == name).unwrap();
        let got = match Value::parse(data_type, input) {
            Ok(value) => value.to_string(),
            Err(error) => format!("!{}", error.sqlstate()),
        };
        if got != **expected {
            wrong.push(format!("{line} -> {got}"));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

fn column() -> impl Strategy<Value = (DataType, Vec<Value>)> {
    prop::sample::select(ALL_TYPES.as_slice())
        .prop_flat_map(|data_type| (Just(data_type), vec(value_of(data_type), 0..20)))
}

proptest! {
    #[test]
    fn what_a_value_prints_is_read_back_as_that_value((data_type, values) in column()) {
        for value in values.iter().filter(|value| !value.is_null()) {
            prop_assert_eq!(&Value::parse(data_type, &value.to_string()).unwrap(), value, "{}", value);
        }
    }

    #[test]
    fn arrays_hold_the_values_they_are_made_of((data_type, values) in column()) {
        let array = values_to_array(data_type, values.iter()).unwrap();
        array.to_data().validate_full().unwrap();
        prop_assert_eq!((array.len(), array.data_type()), (values.len(), &data_type.to_arrow()));
        for (index, value) in values.iter().enumerate() {
            prop_assert_eq!(&Value::from_array(&array, index, data_type).unwrap(), value);
        }
    }

    #[test]
    fn equal_values_hash_equally((_, values) in column()) {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        for a in &values {
            for b in &values {
                prop_assert!(a != b || hasher.hash_one(a) == hasher.hash_one(b));
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        data_type in prop::sample::select(ALL_TYPES.as_slice()),
        text in "[-+0-9:. TZPYMWDHSeE/\\\\xéagobcinfut]{0,24}",
        number in "[-+]?[0-9]{0,60}\\.?[0-9]{0,60}(e[-+]?[0-9]{1,30})?( ?(year|mon|week|day|us|BC))?",
    ) {
        for text in [text, number] {
            if let Ok(value) = Value::parse(data_type, &text) {
                prop_assert_eq!(&Value::parse(data_type, &value.to_string()).unwrap(), &value);
                prop_assert!(values_to_array(data_type, std::iter::once(&value)).is_ok());
            }
        }
    }

    #[test]
    fn numerics_compare_by_number(a in -2000..2000_i128, a_scale in -2..3_i8, b in -2000..2000_i128, b_scale in -2..3_i8) {
        let hundredths = |unscaled: i128, scale: i8| unscaled * 10i128.pow((2 - scale) as u32);
        let (x, y) = (Value::Numeric { unscaled: a, scale: a_scale }, Value::Numeric { unscaled: b, scale: b_scale });
        prop_assert_eq!(x.cmp(&y), hundredths(a, a_scale).cmp(&hundredths(b, b_scale)));
    }
}

#[test]
fn numerics_of_extreme_scales_compare_by_number() {
    let numeric = |unscaled, scale| Value::Numeric { unscaled, scale };
    let ascending = [
        numeric(-1, -128),
        numeric(i128::MIN, 0),
        numeric(-1, 0),
        numeric(-1, 127),
        numeric(0, 5),
        numeric(1, 127),
        numeric(i128::MAX, 127),
        numeric(1, 0),
        numeric(i128::MAX, 0),
        numeric(1, -128),
    ];
    assert!(ascending.is_sorted_by(|a, b| a < b));
    assert_eq!(numeric(0, -128), numeric(0, 127));
    assert_eq!(HashSet::from([numeric(10, 1), numeric(100, 2), numeric(1, 0)]).len(), 1);
}

#[test]
fn null_is_greatest_and_equal_to_itself() {
    let mut values = vec![Value::Null, Value::Double(f64::NAN), Value::Double(-0.0), Value::Double(f64::INFINITY)];
    values.sort();
    let expected = [Value::Double(0.0), Value::Double(f64::INFINITY), Value::Double(-f64::NAN), Value::Null];
    assert_eq!(values, expected);
}

#[test]
fn values_of_another_type_are_refused_by_name() {
    let error = values_to_array(DataType::Integer, [Value::Integer(1), Value::Text("1".into())].iter()).unwrap_err();
    assert_eq!((error.sqlstate(), error.to_string().as_str()), ("42804", "expected a value of type integer, got text"));
    let array = values_to_array(DataType::Integer, [Value::Integer(1)].iter()).unwrap();
    assert_eq!(Value::from_array(&array, 0, DataType::BigInt).unwrap_err().sqlstate(), "42804");
    for data_type in ALL_TYPES {
        let other = if data_type == DataType::Boolean { Value::Integer(1) } else { Value::Boolean(true) };
        assert!(values_to_array(data_type, [other].iter()).is_err(), "{data_type}");
    }
}

#[test]
fn long_input_is_cut_in_messages() {
    let error = Value::parse(DataType::Integer, &"é".repeat(1000)).unwrap_err();
    assert!(error.to_string().len() < 300);
}
