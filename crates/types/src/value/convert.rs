//! Rust values as SQL values, for parameters and keys: each Rust type becomes the SQL type that holds it exactly.
//!
//! Conversions never fail and never round; an unsigned integer takes the next wider type, and one of 64 bits a numeric.
//! `None` is NULL. The other direction can fail, and belongs to whoever knows which column was asked for.

use super::Value;

macro_rules! from {
    ($($rust:ty => $variant:ident,)*) => {$(
        impl From<$rust> for Value {
            fn from(value: $rust) -> Value {
                Value::$variant(value.into())
            }
        }
    )*};
}

from! {
    bool => Boolean,
    i8 => SmallInt,
    u8 => SmallInt,
    i16 => SmallInt,
    u16 => Integer,
    i32 => Integer,
    u32 => BigInt,
    i64 => BigInt,
    f32 => Real,
    f64 => Double,
    &str => Text,
    String => Text,
    &String => Text,
    &[u8] => Bytea,
    Vec<u8> => Bytea,
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Numeric { unscaled: i128::from(value), scale: 0 }
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl From<&Value> for Value {
    fn from(value: &Value) -> Value {
        value.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rust_type_becomes_the_sql_type_that_holds_it() {
        assert_eq!(Value::from(1), Value::Integer(1));
        assert_eq!(Value::from(1u32), Value::BigInt(1));
        assert_eq!(Value::from(u64::MAX), Value::Numeric { unscaled: i128::from(u64::MAX), scale: 0 });
        assert_eq!(Value::from("a"), Value::Text("a".to_owned()));
        assert_eq!(Value::from(None::<i64>), Value::Null);
        assert_eq!(Value::from(Some(true)), Value::Boolean(true));
    }
}
