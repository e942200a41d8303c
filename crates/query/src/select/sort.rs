//! ORDER BY: the permutation that puts rows in order.
//!
//! It compares encoded keys, not values: the row codec's byte order is SQL's order, with DESC and the placement of NULLs
//! built in. It does not evaluate the ORDER BY expressions and does not move the rows.
//!
//! Invariants: rows with equal keys keep the order in which they came, so that the result is deterministic; with a limit, the
//! result is exactly the head of what it is without one.
//!
//! Cost: one encoding of the keys, then n log n comparisons of byte strings, or n + k log k when only the first k are kept.
//! Callers: `select::tail`.

use arrow_array::ArrayRef;
use monostable_types::{DataType, Order, RowCodec, Rows};

use crate::error::{Error, Result};

/// The indices of the first `keep` rows (all rows without it) in the order given by the key columns.
pub(crate) fn permutation(columns: &[ArrayRef], orders: &[(DataType, Order)], keep: Option<usize>) -> Result<Vec<u32>> {
    let mut keys = Rows::new();
    RowCodec::with_order(orders).encode_columns(columns, &mut keys)?;
    let count = keys.len();
    let rows_total = u32::try_from(count)
        .map_err(|_| Error::data("54000", "ORDER BY over more than 4,294,967,295 rows; add a WHERE clause"))?;
    let mut indices: Vec<u32> = (0..rows_total).collect();
    let compare =
        |left: &u32, right: &u32| keys.row(*left as usize).cmp(keys.row(*right as usize)).then(left.cmp(right));
    let keep = keep.unwrap_or(count);
    if keep < count {
        if keep == 0 {
            return Ok(Vec::new());
        }
        indices.select_nth_unstable_by(keep - 1, compare);
        indices.truncate(keep);
    }
    indices.sort_unstable_by(compare);
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use monostable_types::{Value, values_to_array};
    use proptest::prelude::*;
    use std::cmp::Ordering;

    type Row = (Option<i32>, Option<String>);

    fn columns(rows: &[Row]) -> Vec<ArrayRef> {
        let numbers: Vec<Value> = rows.iter().map(|row| row.0.map_or(Value::Null, Value::Integer)).collect();
        let texts: Vec<Value> = rows.iter().map(|row| row.1.clone().map_or(Value::Null, Value::Text)).collect();
        vec![
            values_to_array(DataType::Integer, numbers.iter()).unwrap(),
            values_to_array(DataType::Text, texts.iter()).unwrap(),
        ]
    }

    fn compare<T: Ord>(left: &Option<T>, right: &Option<T>, order: Order) -> Ordering {
        match (left, right) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) if order.nulls_first => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) if order.nulls_first => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(left), Some(right)) if order.descending => right.cmp(left),
            (Some(left), Some(right)) => left.cmp(right),
        }
    }

    /// The specification: a stable sort of row numbers with the comparison spelled out.
    fn model(rows: &[Row], orders: [Order; 2]) -> Vec<u32> {
        let mut indices: Vec<u32> = (0..rows.len() as u32).collect();
        indices.sort_by(|left, right| {
            let (left, right) = (&rows[*left as usize], &rows[*right as usize]);
            compare(&left.0, &right.0, orders[0]).then_with(|| compare(&left.1, &right.1, orders[1]))
        });
        indices
    }

    fn order() -> impl Strategy<Value = Order> {
        any::<(bool, bool)>().prop_map(|(descending, nulls_first)| Order { descending, nulls_first })
    }

    proptest! {
        #[test]
        fn it_is_the_stable_sort_of_the_values(
            rows in proptest::collection::vec((proptest::option::of(-2..3_i32), proptest::option::of("[ab\0]{0,2}")), 0..24),
            first in order(),
            second in order(),
            keep in proptest::option::of(0..30_usize),
        ) {
            let expected = model(&rows, [first, second]);
            let kept = keep.unwrap_or(expected.len()).min(expected.len());
            let found = permutation(&columns(&rows), &[(DataType::Integer, first), (DataType::Text, second)], keep).unwrap();
            prop_assert_eq!(&found[..], &expected[..kept]);
        }
    }
}
