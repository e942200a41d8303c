//! `Batch`: a sorted, consolidated, immutable Z-set in memory.
//!
//! Representation: one arena with the entries in memcmp order, their offsets (none when all entries have one width), the
//! weights (none when all are 1), and per entry an 8-byte big-endian prefix that starts after the bytes that *all* entries
//! share (none when there are few entries). The prefixes lie side by side, so that a search reads one small array and then one or two entries; every 64th of them
//! stands in a smaller array still, which stays in the processor's caches.
//!
//! Invariants: entries strictly ascend; no weight is zero; `hash` is the linear multiset hash of the content.
//!
//! It does not know columns or keys, and it is never changed: whoever wants other content builds another batch.
//!
//! Cost: `from_unsorted` is O(n log n) comparisons, mostly of prefixes; `lower_bound` is O(log n) with two cache misses
//! beyond the prefixes; `get(i)` is O(1).

mod addition;
mod builder;
mod order;

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use monostable_types::{Rows, Weight};

use crate::error::{Error, Result};
pub(crate) use addition::Addition;
pub(crate) use builder::BatchBuilder;
pub(crate) use order::sorted_order;

/// The longest entry that a run can hold.
pub const ENTRY_BYTES_MAX: usize = 1 << 30;
/// The most bytes of entries that one batch can hold.
pub const BATCH_BYTES_MAX: usize = u32::MAX as usize;
/// A batch of fewer entries has no prefixes: they are compared as they are.
const PREFIXED_MIN: usize = 8;
/// Entries between two fences: their prefixes fill eight cache lines.
const FENCE: usize = 64;
/// So many prefixes are gone through before they are searched.
const NEAR: usize = 16;
/// Where the entries lie in the arena.
#[derive(Debug)]
enum Layout {
    /// Every entry has this many bytes.
    Fixed(usize),
    /// Entry `i` is `offsets[i]..offsets[i + 1]`.
    Offsets(Vec<u32>),
}

impl Default for Layout {
    fn default() -> Layout {
        Layout::Fixed(0)
    }
}

/// A sorted, consolidated, immutable Z-set in memory. See the module's documentation.
#[derive(Debug, Default)]
pub struct Batch {
    arena: Vec<u8>,
    layout: Layout,
    len: usize,
    shared: usize,
    prefixes: Vec<u64>,
    /// The prefix of every [`FENCE`]-th entry, if there are many: a search begins among these.
    fences: Vec<u64>,
    weights: Option<Vec<i64>>,
    hash: u128,
    weight_sum: i128,
}

impl Batch {
    /// Sorts and consolidates rows: equal rows become one with the sum of their weights, rows of weight zero vanish.
    /// `weights` has one weight per row.
    pub fn from_unsorted(rows: &Rows, weights: &[Weight]) -> Result<Batch> {
        assert_eq!(rows.len(), weights.len(), "one weight per row");
        u32::try_from(rows.len()).map_err(|_| Error::BatchTooLarge { bytes_max: BATCH_BYTES_MAX })?;
        let mut builder = BatchBuilder::with_capacity(rows.len(), rows.byte_len());
        if (1..rows.len()).all(|index| compare_bytes(rows.row(index - 1), rows.row(index), 0).is_le()) {
            builder.push_sorted(rows, weights, 0..rows.len())?;
        } else {
            let order = sorted_order(rows);
            builder.push_sorted(rows, weights, order.into_iter().map(|index| index as usize))?;
        }
        Ok(builder.finish())
    }

    /// The sum of a few small batches, in one pass.
    pub(crate) fn sum(batches: &[Arc<Batch>]) -> Result<Batch> {
        let mut filled = batches.iter().filter(|batch| !batch.is_empty());
        let Some(first) = filled.next() else { return Ok(Batch::default()) };
        let mut shared = &first.entry(0)[..first.shared];
        for batch in filled {
            shared = &shared[..shared_len(shared, &batch.entry(0)[..batch.shared])];
        }
        let entries = batches.iter().map(|batch| batch.len()).sum();
        let mut order: Vec<(u64, u32, u32)> = Vec::with_capacity(entries);
        for (number, batch) in (0..).zip(batches) {
            order
                .extend((0..batch.len()).map(|index| (batch.prefix_behind(index, shared.len()), number, index as u32)));
        }
        let entry = |at: &(u64, u32, u32)| batches[at.1 as usize].entry(at.2 as usize);
        // It consists of sorted stretches, which this sort finds and merges.
        let skip = shared.len();
        order.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| compare_bytes(entry(a), entry(b), skip)));
        let bytes = batches.iter().map(|batch| batch.entry_bytes()).sum();
        let mut builder = BatchBuilder::with_capacity(entries, bytes);
        let mut rest = order.iter().peekable();
        while let Some(at) = rest.next() {
            let mut weight = batches[at.1 as usize].weight(at.2 as usize);
            while let Some(same) = rest.next_if(|next| next.0 == at.0 && entry(next) == entry(at)) {
                let more = batches[same.1 as usize].weight(same.2 as usize);
                weight = weight.checked_add(more).ok_or(Error::WeightOverflow)?;
            }
            if weight != 0 {
                builder.append(entry(at), weight)?;
            }
        }
        Ok(builder.finish_with(batches.iter().fold(0, |sum, batch| sum.wrapping_add(batch.hash))))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the batch has no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory held.
    pub fn bytes(&self) -> usize {
        let offsets = match &self.layout {
            Layout::Fixed(_) => 0,
            Layout::Offsets(offsets) => offsets.len() * 4,
        };
        self.arena.len()
            + offsets
            + self.prefixes.len() * 8
            + self.fences.len() * 8
            + self.weights.as_ref().map_or(0, |weights| weights.len() * 8)
    }

    /// Bytes of the entries alone.
    pub fn entry_bytes(&self) -> usize {
        self.arena.len()
    }

    /// The `index`-th entry in memcmp order and its weight. `index` must be less than `len()`.
    pub fn get(&self, index: usize) -> (&[u8], Weight) {
        (self.entry(index), Weight(self.weight(index)))
    }

    /// All entries in ascending order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], Weight)> {
        (0..self.len).map(|index| self.get(index))
    }

    /// The linear multiset hash of the content.
    pub fn hash(&self) -> u128 {
        self.hash
    }

    /// The sum of all weights.
    pub fn weight_sum(&self) -> i128 {
        self.weight_sum
    }

    pub(crate) fn entry(&self, index: usize) -> &[u8] {
        match &self.layout {
            Layout::Fixed(width) => &self.arena[index * width..(index + 1) * width],
            Layout::Offsets(offsets) => &self.arena[offsets[index] as usize..offsets[index + 1] as usize],
        }
    }

    pub(crate) fn weight(&self, index: usize) -> i64 {
        self.weights.as_ref().map_or(1, |weights| weights[index])
    }

    /// The index of the first entry that is not less than `probe`.
    pub(crate) fn lower_bound(&self, probe: &[u8]) -> usize {
        self.lower_bound_after(0, probe)
    }

    /// The same for a probe that is greater than all entries before `from`; cheap if the answer is near.
    pub(crate) fn lower_bound_after(&self, from: usize, probe: &[u8]) -> usize {
        if self.prefixes.is_empty() {
            let less = |index: &usize| compare_bytes(self.entry(*index), probe, 0).is_lt();
            return from + (from..self.len).take_while(less).count();
        }
        let common = &self.entry(0)[..self.shared];
        let shared = self.shared.min(probe.len());
        match compare_bytes(&probe[..shared], &common[..shared], 0) {
            Ordering::Less => return from,
            Ordering::Greater => return self.len,
            Ordering::Equal if probe.len() < self.shared => return from,
            Ordering::Equal => {}
        }
        let wanted = prefix_after(probe, self.shared);
        if from > 0 {
            // Of entries with one prefix, which may be many, the answer is among the first as well.
            let low = self.first_prefix_near(from, wanted);
            let less =
                |at: usize| self.prefixes[at] == wanted && compare_bytes(self.entry(at), probe, self.shared).is_lt();
            return low + gallop(self.len - low, |step| less(low + step));
        }
        let mut low = self.first_prefix(0, wanted);
        let mut high = low + gallop(self.len - low, |step| self.prefixes[low + step] == wanted);
        while low < high {
            let middle = usize::midpoint(low, high);
            if compare_bytes(self.entry(middle), probe, self.shared).is_lt() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// As [`Batch::first_prefix`], where the answer is likely to be near.
    fn first_prefix_near(&self, from: usize, wanted: u64) -> usize {
        let near = from + less_near(&self.prefixes[from..], wanted);
        if near < self.len.min(from + NEAR) { near } else { self.first_prefix(near, wanted) }
    }

    /// The prefixes behind the first `skip` bytes, if they are at hand.
    fn prefixes_behind(&self, skip: usize) -> Option<&[u64]> {
        (skip == self.shared && !self.prefixes.is_empty()).then_some(&self.prefixes)
    }

    /// The index of the first prefix from `from` on that is not less than `wanted`.
    fn first_prefix(&self, from: usize, wanted: u64) -> usize {
        let near = self.len.min(from + FENCE);
        if self.fences.is_empty() {
            return from + self.prefixes[from..].partition_point(|&prefix| prefix < wanted);
        }
        if self.prefixes.get(near).is_none_or(|&prefix| prefix >= wanted) {
            return from + self.prefixes[from..near].partition_point(|&prefix| prefix < wanted);
        }
        let block = self.fences.partition_point(|&fence| fence < wanted);
        let start = (block.max(1) - 1) * FENCE;
        let end = self.len.min(start + FENCE);
        start + self.prefixes[start..end].partition_point(|&prefix| prefix < wanted)
    }

    /// The bytes of the entries from `start` to `end`, which lie side by side.
    fn span(&self, start: usize, end: usize) -> Range<usize> {
        match &self.layout {
            Layout::Fixed(width) => start * width..end * width,
            Layout::Offsets(offsets) => offsets[start] as usize..offsets[end] as usize,
        }
    }

    /// The prefix of an entry behind its first `skip` bytes.
    fn prefix_behind(&self, index: usize, skip: usize) -> u64 {
        match self.prefixes.get(index) {
            Some(&prefix) if skip == self.shared => prefix,
            _ => prefix_after(self.entry(index), skip),
        }
    }

    /// Whether an entry may begin with `key`, as far as its prefix says: most that do not are not read for it.
    pub(crate) fn may_begin(&self, index: usize, key: &[u8]) -> bool {
        let known = key.len().saturating_sub(self.shared).min(8);
        match self.prefixes.get(index) {
            Some(prefix) if known > 0 => (prefix ^ prefix_after(key, self.shared)) >> (64 - 8 * known) == 0,
            _ => true,
        }
    }

    /// The end of the entries that start with `prefix`, given that they begin at `start`.
    pub(crate) fn prefix_end(&self, start: usize, prefix: &[u8]) -> usize {
        start + gallop(self.len - start, |step| begins_with(self.entry(start + step), prefix))
    }
}

/// How many of the first [`NEAR`] prefixes, which ascend, are less than `wanted`. All are looked at: nothing depends on where the
/// answer lies, so the processor guesses no branch wrong, as it would at every step of a search.
#[inline]
fn less_near(prefixes: &[u64], wanted: u64) -> usize {
    prefixes.iter().take(NEAR).filter(|prefix| **prefix < wanted).count()
}

/// How many of the first `len` items satisfy `holds`, which holds for a prefix of them; O(log of the answer).
pub(crate) fn gallop(len: usize, holds: impl Fn(usize) -> bool) -> usize {
    let mut step = 1;
    let mut low = 0;
    while low + step <= len && holds(low + step - 1) {
        low += step;
        step *= 2;
    }
    let mut high = len.min(low + step - 1);
    while low < high {
        let middle = usize::midpoint(low, high);
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// The eight bytes of `entry` after the first `skip`, big-endian, filled up with zeros. Monotone among entries that agree in
/// their first `skip` bytes; equal prefixes decide nothing.
pub(crate) fn prefix_after(entry: &[u8], skip: usize) -> u64 {
    let tail = entry.get(skip..).unwrap_or(&[]);
    match tail.first_chunk::<8>() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            bytes[..tail.len()].copy_from_slice(tail);
            u64::from_be_bytes(bytes)
        }
    }
}

/// How many leading bytes `a` and `b` share.
pub(crate) fn shared_len(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

/// Compares two strings that share their first `skip` bytes, eight bytes at a time: entries are short, and most differ early,
/// so that this takes less than a call.
#[inline]
pub(crate) fn compare_bytes(a: &[u8], b: &[u8], skip: usize) -> Ordering {
    let mut at = skip;
    while let (Some(x), Some(y)) = (word(a, at), word(b, at)) {
        if x != y {
            return x.cmp(&y);
        }
        at += 8;
    }
    // Of strings of one length the last eight bytes are compared once more: what of them was compared before is equal.
    if a.len() == b.len()
        && let Some((x, y)) = a.len().checked_sub(8).and_then(|last| Some((word(a, last)?, word(b, last)?)))
    {
        return x.cmp(&y);
    }
    a.get(at..).unwrap_or_default().cmp(b.get(at..).unwrap_or_default())
}

/// Whether `bytes` starts with `prefix`: like [`compare_bytes`], for short strings.
#[inline]
pub(crate) fn begins_with(bytes: &[u8], prefix: &[u8]) -> bool {
    let mut at = 0;
    while let Some(wanted) = word(prefix, at) {
        if word(bytes, at) != Some(wanted) {
            return false;
        }
        at += 8;
    }
    let rest = &prefix[at..];
    bytes.get(at..at + rest.len()).is_some_and(|found| found.iter().zip(rest).all(|(a, b)| a == b))
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|word| u64::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn strings_are_compared_as_slices_are(
            shared in proptest::collection::vec(any::<u8>(), 0..12),
            a in proptest::collection::vec(0..3_u8, 0..20),
            b in proptest::collection::vec(0..3_u8, 0..20),
            one_length: bool,
        ) {
            let length = if one_length { a.len().min(b.len()) } else { usize::MAX };
            let joined = |tail: &[u8]| [&shared[..], &tail[..tail.len().min(length)]].concat();
            let (a, b) = (joined(&a), joined(&b));
            for skip in 0..=shared.len() {
                prop_assert_eq!(compare_bytes(&a, &b, skip), a.cmp(&b));
                prop_assert_eq!(compare_bytes(&a, &a.clone(), skip), Ordering::Equal);
            }
        }
    }
}
