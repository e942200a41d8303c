//! Keys: what a caller may give to `get`, `prefix` and `range`.
//!
//! A key is a tuple, with one value per key column: `("ann",)`, `(2013, "JFK")`. A slice of [`Value`]s does as well. A
//! value is converted to the column's type if that is exact (an `i32` finds a `bigint`), and refused if it is not, because a
//! rounded key would find another row.
//!
//! Cost: one small allocation for the encoded key, one more per text value in a tuple.

use monostable_types::Value;

/// The values of some key columns, the first ones first.
pub trait Key {
    /// The values, in the order of the key's columns.
    fn values(&self) -> Vec<Value>;

    /// Shows the values to `read`. Worth overriding where they need no allocation.
    fn with_values<T>(&self, read: impl FnOnce(&[Value]) -> T) -> T {
        read(&self.values())
    }
}

impl Key for &[Value] {
    fn values(&self) -> Vec<Value> {
        self.to_vec()
    }

    fn with_values<T>(&self, read: impl FnOnce(&[Value]) -> T) -> T {
        read(self)
    }
}

impl Key for Vec<Value> {
    fn values(&self) -> Vec<Value> {
        self.clone()
    }

    fn with_values<T>(&self, read: impl FnOnce(&[Value]) -> T) -> T {
        read(self)
    }
}

impl Key for () {
    fn values(&self) -> Vec<Value> {
        Vec::new()
    }
}

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: Clone + Into<Value>),+> Key for ($($name,)+) {
            fn values(&self) -> Vec<Value> {
                #[expect(non_snake_case, reason = "one name stands for the type and its value")]
                let ($($name,)+) = self;
                vec![$($name.clone().into()),+]
            }

            fn with_values<T>(&self, read: impl FnOnce(&[Value]) -> T) -> T {
                #[expect(non_snake_case, reason = "one name stands for the type and its value")]
                let ($($name,)+) = self;
                read(&[$($name.clone().into()),+])
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
