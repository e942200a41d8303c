//! Rows into structs: a serde `Deserializer` over the columns of one row.
//!
//! A struct takes columns by name (columns without a field are skipped), a tuple or a sequence takes them in order, a map
//! takes them all, and anything else takes the only column of a one-column row. A NULL is an `Option`'s `None`. Dates,
//! times, intervals and uuids arrive as their SQL text; numerics as whatever the field asks for, if that is exact.
//!
//! It does not serialize: writing goes through parameters. Cost: one decode per column that is asked for.

use monostable_types::Value;
use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

use crate::error::Error;
use crate::row::Row;
use crate::value::{FromValue, whole};

/// What serde reports; turned into [`Error::Deserialize`] at the edge.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(String);

impl serde::de::Error for Failure {
    fn custom<T: std::fmt::Display>(message: T) -> Failure {
        Failure(message.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure(error.to_string())
    }
}

/// A whole row.
pub(crate) struct RowDeserializer<'a>(pub(crate) &'a Row);

impl RowDeserializer<'_> {
    fn single(&self) -> Result<ColumnDeserializer, Failure> {
        match self.0.len() {
            1 => Ok(ColumnDeserializer(self.0.value(0)?)),
            n => Err(Failure(format!("a row of {n} columns cannot be read into a single value"))),
        }
    }
}

macro_rules! only_column {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.single()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for RowDeserializer<'de> {
    type Error = Failure;

    only_column! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_map(Columns { row: self.0, next: 0, at: 0 })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_seq(Columns { row: self.0, next: 0, at: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Failure> {
        if len != self.0.len() {
            return Err(Failure(format!("a row of {} columns cannot be read into a tuple of {len}", self.0.len())));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.single()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { unit_struct map struct identifier ignored_any }
}

/// The columns of a row, one after the other. `at` is the column whose name was given out last.
struct Columns<'a> {
    row: &'a Row,
    next: usize,
    at: usize,
}

impl<'de> MapAccess<'de> for Columns<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some(column) = self.row.schema().columns().get(self.next) else { return Ok(None) };
        self.at = self.next;
        self.next += 1;
        seed.deserialize(BorrowedStrDeserializer::new(&column.name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let name = &self.row.schema().columns()[self.at].name;
        let value = ColumnDeserializer(self.row.value(self.at)?);
        seed.deserialize(value).map_err(|failure| Failure(format!("column \"{name}\": {failure}")))
    }
}

impl<'de> SeqAccess<'de> for Columns<'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        if self.next == self.row.len() {
            return Ok(None);
        }
        self.at = self.next;
        self.next += 1;
        self.next_value_seed(seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.row.len() - self.next)
    }
}

/// One value of a row.
struct ColumnDeserializer(Value);

impl ColumnDeserializer {
    /// Reads the value into the very type that the field asks for.
    fn exactly<T: FromValue>(self) -> Result<T, Failure> {
        T::from_value(self.0).map_err(|value| Failure(format!("{value} is not {}", T::EXPECTED)))
    }
}

macro_rules! exactly {
    ($($method:ident $visit:ident $type_:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            visitor.$visit(self.exactly::<$type_>()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for ColumnDeserializer {
    type Error = Failure;

    exactly! {
        deserialize_bool visit_bool bool,
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128,
        deserialize_f32 visit_f32 f32,
        deserialize_f64 visit_f64 f64,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Boolean(value) => visitor.visit_bool(value),
            Value::Real(value) => visitor.visit_f32(value),
            Value::Double(value) => visitor.visit_f64(value),
            Value::Text(text) => visitor.visit_string(text),
            Value::Bytea(bytes) => visitor.visit_byte_buf(bytes),
            value => match whole(&value).map(i64::try_from) {
                Some(Ok(integer)) => visitor.visit_i64(integer),
                Some(Err(_)) | None => visitor.visit_string(value.to_string()),
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Null => Err(Failure("NULL is not a string".to_owned())),
            Value::Bytea(_) => Err(Failure("bytea is not a string".to_owned())),
            Value::Text(text) => visitor.visit_string(text),
            value => visitor.visit_string(value.to_string()),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_string(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_string(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let text: String = self.exactly()?;
        let variant: StringDeserializer<Failure> = text.into_deserializer();
        variant
            .deserialize_enum(name, variants, visitor)
            .map_err(|failure| Failure::custom(format!("{name}: {failure}")))
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
