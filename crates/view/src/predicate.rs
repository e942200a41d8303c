//! Conditions that are decided on encoded rows: comparisons of a column with a constant, and tests for NULL.
//!
//! The row codec is order-preserving, so that `column < constant` is a comparison of bytes; nothing is decoded, and one row
//! costs as much as it does among many. An [`Expression`](crate::Expression) that is a conjunction of such tests says so in
//! [`conjuncts`](crate::Expression::conjuncts), and must give the same answer when it is evaluated on columns.
//!
//! Cost: one step per column up to the last that is tested, and one comparison per test.

use monostable_types::{CodecError, DataType, RowCodec, Value, is_null_piece};

use crate::expression::Comparison;

/// A condition on one column, which is true or not: NULL counts as not true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conjunct {
    /// The column is not NULL and compares so with a constant.
    Compare {
        /// The column.
        column: usize,
        /// How it must compare.
        comparison: Comparison,
        /// The constant, encoded as a row of one column in the default order.
        constant: Box<[u8]>,
    },
    /// The column is NULL.
    Null {
        /// The column.
        column: usize,
    },
    /// The column is not NULL.
    NotNull {
        /// The column.
        column: usize,
    },
}

impl Conjunct {
    /// `column comparison value`. `None` where bytes do not decide it: for NULL, for a value of another type, and for floats and
    /// intervals, which evaluators compare in more than one way.
    pub fn compare(column: usize, data_type: DataType, comparison: Comparison, value: &Value) -> Option<Conjunct> {
        if matches!(value, Value::Null) || matches!(data_type, DataType::Real | DataType::Double | DataType::Interval) {
            return None;
        }
        let mut constant = Vec::new();
        RowCodec::new(&[data_type]).encode_values(std::slice::from_ref(value), &mut constant).ok()?;
        Some(Conjunct::Compare { column, comparison, constant: constant.into() })
    }

    fn column(&self) -> usize {
        match self {
            Conjunct::Compare { column, .. } | Conjunct::Null { column } | Conjunct::NotNull { column } => *column,
        }
    }

    fn holds(&self, piece: &[u8]) -> bool {
        match self {
            Conjunct::Null { .. } => is_null_piece(piece),
            Conjunct::NotNull { .. } => !is_null_piece(piece),
            Conjunct::Compare { comparison, constant, .. } => {
                !is_null_piece(piece) && comparison.holds(piece.cmp(constant))
            }
        }
    }
}

/// A conjunction of tests.
#[derive(Debug)]
pub(crate) struct Predicate {
    conjuncts: Vec<Conjunct>,
    reach: usize,
}

impl Predicate {
    pub(crate) fn new(conjuncts: Vec<Conjunct>) -> Predicate {
        let reach = conjuncts.iter().map(|conjunct| conjunct.column() + 1).max().unwrap_or(0);
        Predicate { conjuncts, reach }
    }

    /// How many leading columns of a row it looks at.
    pub(crate) fn reach(&self) -> usize {
        self.reach
    }

    /// Whether an encoded row passes. `scratch` is overwritten.
    pub(crate) fn holds(&self, codec: &RowCodec, row: &[u8], scratch: &mut Vec<u32>) -> Result<bool, CodecError> {
        codec.boundaries_until(row, self.reach, scratch)?;
        let piece = |column: usize| &row[scratch[column] as usize..scratch[column + 1] as usize];
        Ok(self.conjuncts.iter().all(|conjunct| conjunct.holds(piece(conjunct.column()))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::delta::Delta;
    use crate::expression::{And, Column, Compare, Comparison, Expr, IsNotNull, Literal, truth};
    use crate::predicate::Predicate;
    use monostable_types::{DataType, Value};

    const TYPES: [DataType; 3] = [DataType::Integer, DataType::Text, DataType::Boolean];

    fn row() -> impl Strategy<Value = Vec<Value>> {
        (any::<Option<i8>>(), proptest::option::of("[a-c\u{0}]{0,2}"), any::<Option<bool>>()).prop_map(|(i, t, b)| {
            vec![
                i.map_or(Value::Null, |i| Value::Integer(i.into())),
                t.map_or(Value::Null, Value::Text),
                b.map_or(Value::Null, Value::Boolean),
            ]
        })
    }

    fn comparison() -> impl Strategy<Value = Comparison> {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        prop::sample::select(vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual])
    }

    fn condition() -> impl Strategy<Value = Expr> {
        let compare = (0..3_usize, comparison(), row(), any::<bool>()).prop_map(|(at, comparison, row, swap)| {
            let column = Column::at(at, TYPES[at]);
            let literal = Literal::new(row[at].clone(), TYPES[at]).unwrap();
            if swap { Compare::new(comparison, literal, column) } else { Compare::new(comparison, column, literal) }
        });
        let not_null = (0..3_usize).prop_map(|at| IsNotNull::new(Column::at(at, TYPES[at])));
        let leaf = prop_oneof![compare, not_null, Just(Column::at(2, DataType::Boolean))];
        leaf.prop_recursive(2, 4, 2, |inner| (inner.clone(), inner).prop_map(|(a, b)| And::new(a, b)))
    }

    proptest! {
        #[test]
        fn bytes_decide_what_columns_decide(rows in proptest::collection::vec(row(), 1..20), condition in condition()) {
            let weighted: Vec<_> = rows.into_iter().map(|row| (row, 1)).collect();
            let delta = Delta::from_values(&TYPES, &weighted).unwrap();
            let keep = truth(&condition.evaluate(delta.columns().unwrap()).unwrap()).unwrap();
            if let Some(conjuncts) = condition.conjuncts() {
                let predicate = Predicate::new(conjuncts);
                for (index, row) in delta.rows().unwrap().iter().enumerate() {
                    let held = predicate.holds(delta.row().codec(), row, &mut Vec::new()).unwrap();
                    prop_assert_eq!(held, keep.value(index));
                }
            }
        }
    }

    #[test]
    fn what_is_compared_with_null_is_left_to_the_evaluator() {
        let null = Literal::new(Value::Null, DataType::Integer).unwrap();
        let compare = Compare::new(Comparison::Equal, Column::at(0, DataType::Integer), null);
        assert!(compare.conjuncts().is_none());
    }
}
