//! Sorting encoded rows: the order in which a batch takes them.
//!
//! Rows are sorted by the eight bytes behind those that all of them share, in registers; rows that agree in these too are
//! sorted again by what follows. No byte is compared twice, except among few or many-times-tied rows, which are compared
//! whole.
//!
//! Many prefixes are sorted digit by digit, least first, each pass keeping the order of the one before; digits in which all of
//! them agree are passed over, and encoded numbers agree in most. Few prefixes are compared.
//!
//! Cost: one pass for each digit that differs, or O(n log n) comparisons of integers, and one pass for the shared bytes.

use monostable_types::Rows;

use super::{compare_bytes, gallop, prefix_after, shared_len};

/// So many rows with equal prefixes are sorted by comparing them whole.
const TIES_COMPARED: usize = 8;
/// From so many rows on prefixes are sorted by digits: each digit costs a table of counts besides the passes.
const DIGITS_MIN: usize = 256;
/// Up to so many digits that differ take less time than comparisons.
const DIGITS_MAX: u32 = 6;
/// So often ties are sorted by their next bytes, before they are compared whole too.
const TIES_DEPTH: usize = 64;

/// The numbers of rows in ascending order of the rows, of which there are at most 2^32.
///
/// Rows are sorted by the eight bytes behind those that all of them share; rows that agree in these too are sorted again by
/// what follows, so that bytes are compared in registers and no byte is compared twice. Rows that come sorted are only read.
pub(crate) fn sorted_order(rows: &Rows) -> Vec<u32> {
    if rows.len() < 2 {
        return (0..rows.len() as u32).collect();
    }
    let mut order: Vec<(u64, u32)> = (0..rows.len() as u32).map(|index| (0, index)).collect();
    sort_behind(rows, 0, &mut order, TIES_DEPTH);
    order.into_iter().map(|(_, index)| index).collect()
}

/// Sorts rows that agree in their first `known` bytes.
fn sort_behind(rows: &Rows, known: usize, order: &mut [(u64, u32)], depth: usize) {
    let Some((_, first)) = order.first() else { return };
    let first = rows.row(*first as usize);
    let tail = &first[known..];
    let mut shared = tail.len();
    for (_, index) in order.iter() {
        let other = &rows.row(*index as usize)[known..];
        if other.get(..shared) != Some(&tail[..shared]) {
            shared = shared_len(&tail[..shared], other);
        }
    }
    let skip = known + shared;
    let mut sorted = true;
    let mut last = 0;
    for (prefix, index) in order.iter_mut() {
        *prefix = prefix_after(rows.row(*index as usize), skip);
        sorted &= last <= *prefix;
        last = *prefix;
    }
    if !sorted {
        sort_prefixes(order);
    }
    let mut at = 0;
    while at < order.len() {
        let end = at + gallop(order.len() - at, |step| order[at + step].0 == order[at].0);
        if end - at > 1 {
            sort_ties(rows, skip, &mut order[at..end], depth);
        }
        at = end;
    }
}

/// Sorts prefixes, and equal ones by the numbers of their rows, which ascend.
fn sort_prefixes(order: &mut [(u64, u32)]) {
    let first = order.first().map_or(0, |(prefix, _)| *prefix);
    let differing = order.iter().fold(0, |bits, (prefix, _)| bits | (prefix ^ first));
    let digits = (0..u64::BITS).step_by(8).filter(|&shift| differing >> shift & 0xff != 0);
    if order.len() < DIGITS_MIN || digits.clone().count() as u32 > DIGITS_MAX {
        return order.sort_unstable();
    }
    let mut other = order.to_vec();
    let mut in_other = false;
    for shift in digits {
        let (from, to) = if in_other { (&mut *other, &mut *order) } else { (&mut *order, &mut *other) };
        sort_by_digit(from, to, shift);
        in_other = !in_other;
    }
    if in_other {
        order.copy_from_slice(&other);
    }
}

/// Puts `from` into `to` in the order of one byte of the prefixes, and leaves what has the same byte in its order.
fn sort_by_digit(from: &[(u64, u32)], to: &mut [(u64, u32)], shift: u32) {
    let digit = |prefix: u64| (prefix >> shift & 0xff) as usize;
    let mut places = [0_u32; 256];
    from.iter().for_each(|(prefix, _)| places[digit(*prefix)] += 1);
    let mut before = 0;
    for place in &mut places {
        (*place, before) = (before, before + *place);
    }
    for &(prefix, index) in from {
        let place = &mut places[digit(prefix)];
        to[*place as usize] = (prefix, index);
        *place += 1;
    }
}

/// Sorts rows that agree in their first `skip` bytes and in the prefix behind them.
fn sort_ties(rows: &Rows, skip: usize, order: &mut [(u64, u32)], depth: usize) {
    let row = |index: u32| rows.row(index as usize);
    let known = skip + 8;
    // A prefix is filled up with zeros: rows that end within it do not agree in eight bytes, whatever it says.
    let complete = order.iter().all(|(_, index)| row(*index).len() > known);
    if complete && order.len() > TIES_COMPARED && depth > 0 {
        sort_behind(rows, known, order, depth - 1);
    } else {
        order.sort_unstable_by(|a, b| compare_bytes(row(a.1), row(b.1), skip).then(a.1.cmp(&b.1)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows that agree in their first bytes, differ in some bytes behind these, and end early now and then.
    fn rows() -> impl Strategy<Value = Rows> {
        let byte = prop_oneof![Just(0_u8..1), Just(0..3), Just(0..255), Just(7..8)];
        let row = (proptest::collection::vec(byte, 0..20), 0..3_usize).prop_map(|(bytes, cut)| {
            let least = bytes.len().saturating_sub(cut);
            (bytes, least..=least + cut)
        });
        (row, proptest::collection::vec(any::<u64>(), 0..1000)).prop_map(|((bytes, lengths), seeds)| {
            let mut rows = Rows::new();
            for seed in seeds {
                let length = lengths.start() + seed as usize % (lengths.end() - lengths.start() + 1);
                let byte = |(at, range): (usize, &std::ops::Range<u8>)| {
                    let chance = (seed ^ at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
                    range.start + (chance % u64::from(range.end - range.start)) as u8
                };
                rows.push(&bytes.iter().enumerate().take(length).map(byte).collect::<Vec<u8>>());
            }
            rows
        })
    }

    proptest! {
        #[test]
        fn rows_are_sorted_by_their_bytes_and_then_by_their_numbers(rows in rows()) {
            let mut expected: Vec<u32> = (0..rows.len() as u32).collect();
            expected.sort_by(|&a, &b| rows.row(a as usize).cmp(rows.row(b as usize)));
            let sorted = sorted_order(&rows);
            let bytes = |order: &[u32]| order.iter().map(|&at| rows.row(at as usize).to_vec()).collect::<Vec<_>>();
            prop_assert_eq!(bytes(&sorted), bytes(&expected));
            let mut once = sorted;
            once.sort_unstable();
            prop_assert_eq!(once, (0..rows.len() as u32).collect::<Vec<_>>());
        }
    }
}
