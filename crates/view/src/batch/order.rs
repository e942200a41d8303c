//! Sorting encoded rows: the order in which a batch takes them.
//!
//! Rows are sorted by the eight bytes behind those that all of them share, in registers; rows that agree in these too are
//! sorted again by what follows. No byte is compared twice, except among few or many-times-tied rows, which are compared
//! whole.
//!
//! Cost: O(n log n) comparisons of integers, and one pass for the shared bytes.

use monostable_types::Rows;

use super::{compare_bytes, gallop, prefix_after, shared_len};

/// So many rows with equal prefixes are sorted by comparing them whole.
const TIES_COMPARED: usize = 8;
/// So often ties are sorted by their next bytes, before they are compared whole too.
const TIES_DEPTH: usize = 64;

/// The numbers of rows in ascending order of the rows, of which there are at most 2^32.
///
/// Rows are sorted by the eight bytes behind those that all of them share; rows that agree in these too are sorted again by
/// what follows, so that bytes are compared in registers and no byte is compared twice. Rows that come sorted are only read.
pub(crate) fn sorted_order(rows: &Rows) -> Vec<u32> {
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
        order.sort_unstable();
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
