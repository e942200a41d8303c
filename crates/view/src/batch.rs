//! `Batch`: a sorted, consolidated, immutable Z-set in memory.
//!
//! Representation: one arena with the entries in memcmp order, their offsets (none when all entries have one width), the
//! weights (none when all are 1), and per entry an 8-byte big-endian prefix that starts after the bytes that *all* entries
//! share. The prefixes lie side by side, so that a search reads one small array and then one or two entries.
//!
//! Invariants: entries strictly ascend; no weight is zero; `hash` is the linear multiset hash of the content.
//!
//! It does not know columns or keys, and it is never changed: whoever wants other content builds another batch.
//!
//! Cost: `from_unsorted` is O(n log n) comparisons, mostly of prefixes; `lower_bound` is O(log n) with two cache misses
//! beyond the prefixes; `get(i)` is O(1).

use std::cmp::Ordering;

use monostable_types::{Rows, Weight};

use crate::error::{Error, Result};
use crate::hash::entry_hash;

/// The longest entry that a run can hold.
pub const ENTRY_BYTES_MAX: usize = 1 << 30;
/// The most bytes of entries that one batch can hold.
pub const BATCH_BYTES_MAX: usize = u32::MAX as usize;
/// So many rows with equal prefixes are sorted by comparing them whole.
const TIES_COMPARED: usize = 8;
/// So often ties are sorted by their next bytes, before they are compared whole too.
const TIES_DEPTH: usize = 64;

/// Where the entries lie in the arena.
#[derive(Debug)]
enum Layout {
    /// Every entry has this many bytes.
    Fixed(usize),
    /// Entry `i` is `offsets[i]..offsets[i + 1]`.
    Offsets(Vec<u32>),
}

/// A sorted, consolidated, immutable Z-set in memory. See the module's documentation.
#[derive(Debug)]
pub struct Batch {
    arena: Vec<u8>,
    layout: Layout,
    len: usize,
    shared: usize,
    prefixes: Vec<u64>,
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
        let order = sorted_order(rows);
        let mut at = 0;
        while at < order.len() {
            let entry = rows.row(order[at] as usize);
            let mut sum = weights[order[at] as usize];
            at += 1;
            while at < order.len() && rows.row(order[at] as usize) == entry {
                sum = sum.add(weights[order[at] as usize])?;
                at += 1;
            }
            if sum != Weight::ZERO {
                builder.push(entry, sum.0)?;
            }
        }
        Ok(builder.finish())
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
        if self.len == 0 {
            return 0;
        }
        let common = &self.entry(0)[..self.shared];
        let shared = self.shared.min(probe.len());
        match probe[..shared].cmp(&common[..shared]) {
            Ordering::Less => return 0,
            Ordering::Greater => return self.len,
            Ordering::Equal if probe.len() < self.shared => return 0,
            Ordering::Equal => {}
        }
        let wanted = prefix_after(probe, self.shared);
        let mut low = self.prefixes.partition_point(|&prefix| prefix < wanted);
        let mut high = low + gallop(self.len - low, |step| self.prefixes[low + step] == wanted);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.entry(middle) < probe {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The end of the entries that start with `prefix`, given that they begin at `start`.
    pub(crate) fn prefix_end(&self, start: usize, prefix: &[u8]) -> usize {
        start + gallop(self.len - start, |step| self.entry(start + step).starts_with(prefix))
    }
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
        order.sort_unstable_by(|a, b| row(a.1).cmp(row(b.1)).then(a.1.cmp(&b.1)));
    }
}

/// Builds a batch from entries that come in strictly ascending order.
#[derive(Debug, Default)]
pub(crate) struct BatchBuilder {
    arena: Vec<u8>,
    offsets: Vec<u32>,
    weights: Vec<i64>,
    unit_weights: bool,
    hash: u128,
    weight_sum: i128,
}

impl BatchBuilder {
    pub(crate) fn with_capacity(entries: usize, bytes: usize) -> BatchBuilder {
        BatchBuilder {
            arena: Vec::with_capacity(bytes.min(BATCH_BYTES_MAX)),
            offsets: Vec::with_capacity(entries + 1),
            weights: Vec::with_capacity(entries),
            unit_weights: true,
            hash: 0,
            weight_sum: 0,
        }
    }

    /// Adds an entry that is greater than all before it. `weight` is not zero.
    pub(crate) fn push(&mut self, entry: &[u8], weight: i64) -> Result<()> {
        debug_assert!(weight != 0);
        if entry.len() > ENTRY_BYTES_MAX {
            return Err(Error::EntryTooLarge { bytes: entry.len(), bytes_max: ENTRY_BYTES_MAX });
        }
        let start = self.arena.len();
        u32::try_from(start + entry.len()).map_err(|_| Error::BatchTooLarge { bytes_max: BATCH_BYTES_MAX })?;
        self.offsets.push(start as u32);
        self.arena.extend_from_slice(entry);
        self.weights.push(weight);
        self.unit_weights &= weight == 1;
        self.hash = self.hash.wrapping_add(entry_hash(entry, weight));
        self.weight_sum += i128::from(weight);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Batch {
        let len = self.offsets.len();
        self.offsets.push(self.arena.len() as u32);
        let slice = |index: usize| &self.arena[self.offsets[index] as usize..self.offsets[index + 1] as usize];
        let shared = if len == 0 { 0 } else { shared_len(slice(0), slice(len - 1)) };
        let width = if len == 0 { 0 } else { slice(0).len() };
        let fixed = (0..len).all(|index| slice(index).len() == width);
        let prefixes = (0..len).map(|index| prefix_after(slice(index), shared)).collect();
        let layout = if fixed { Layout::Fixed(width) } else { Layout::Offsets(self.offsets) };
        let weights = if self.unit_weights { None } else { Some(self.weights) };
        self.arena.shrink_to_fit();
        Batch {
            arena: self.arena,
            layout,
            len,
            shared,
            prefixes,
            weights,
            hash: self.hash,
            weight_sum: self.weight_sum,
        }
    }
}
