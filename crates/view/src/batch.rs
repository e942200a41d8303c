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

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use monostable_types::{Rows, Weight};

use crate::error::{Error, Result};
use crate::hash::entry_hash;

/// The longest entry that a run can hold.
pub const ENTRY_BYTES_MAX: usize = 1 << 30;
/// The most bytes of entries that one batch can hold.
pub const BATCH_BYTES_MAX: usize = u32::MAX as usize;
/// A batch of fewer entries has no prefixes: they are compared as they are.
const PREFIXED_MIN: usize = 8;
/// Entries between two fences: their prefixes fill eight cache lines.
const FENCE: usize = 64;
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
        if (1..rows.len()).all(|index| rows.row(index - 1) <= rows.row(index)) {
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
            order.extend((0..batch.len()).map(|index| (batch.prefix_behind(index, shared.len()), number, index as u32)));
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
        let mut low = self.first_prefix(from, wanted);
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
        order.sort_unstable_by(|a, b| compare_bytes(row(a.1), row(b.1), skip).then(a.1.cmp(&b.1)));
    }
}

/// Builds a batch from entries that come in strictly ascending order.
#[derive(Debug, Default)]
pub(crate) struct BatchBuilder {
    arena: Vec<u8>,
    len: usize,
    /// The length of every entry so far, as long as they have one.
    width: Option<usize>,
    /// The start of each entry, once they have not.
    offsets: Vec<u32>,
    /// The weight of each entry, once one is not 1.
    weights: Vec<i64>,
    entries_max: usize,
    hash: u128,
    weight_sum: i128,
}

impl BatchBuilder {
    /// A builder for about so many entries and bytes.
    pub(crate) fn with_capacity(entries: usize, bytes: usize) -> BatchBuilder {
        let arena = Vec::with_capacity(bytes.min(BATCH_BYTES_MAX));
        BatchBuilder { arena, entries_max: entries, ..BatchBuilder::default() }
    }

    /// Adds an entry that is greater than all before it. `weight` is not zero.
    pub(crate) fn push(&mut self, entry: &[u8], weight: i64) -> Result<()> {
        self.append(entry, weight)?;
        self.hash = self.hash.wrapping_add(entry_hash(entry, weight));
        Ok(())
    }

    /// Adds rows that come in ascending order, consolidated.
    fn push_sorted(&mut self, rows: &Rows, weights: &[Weight], order: impl Iterator<Item = usize>) -> Result<()> {
        let mut current: Option<(&[u8], Weight)> = None;
        for index in order {
            let (row, weight) = (rows.row(index), weights[index]);
            current = match current {
                Some((entry, sum)) if entry == row => Some((entry, sum.add(weight)?)),
                other => {
                    self.push_nonzero(other)?;
                    Some((row, weight))
                }
            };
        }
        self.push_nonzero(current)
    }

    fn push_nonzero(&mut self, entry: Option<(&[u8], Weight)>) -> Result<()> {
        match entry {
            Some((entry, sum)) if sum != Weight::ZERO => self.push(entry, sum.0),
            _ => Ok(()),
        }
    }

    /// The same without its hash, which is then the caller's business.
    fn append(&mut self, entry: &[u8], weight: i64) -> Result<()> {
        debug_assert!(weight != 0);
        if entry.len() > ENTRY_BYTES_MAX {
            return Err(Error::EntryTooLarge { bytes: entry.len(), bytes_max: ENTRY_BYTES_MAX });
        }
        self.check_room(entry.len())?;
        if self.width != Some(entry.len()) {
            self.widen(entry.len());
        }
        if self.width.is_none() {
            self.offsets.push(self.arena.len() as u32);
        }
        self.arena.extend_from_slice(entry);
        if weight != 1 || !self.weights.is_empty() {
            self.list_weights();
            self.weights.push(weight);
        }
        self.weight_sum += i128::from(weight);
        self.len += 1;
        Ok(())
    }

    fn check_room(&self, bytes: usize) -> Result<()> {
        match u32::try_from(self.arena.len() + bytes) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::BatchTooLarge { bytes_max: BATCH_BYTES_MAX }),
        }
    }

    /// An entry of `bytes` bytes comes that may have another length than those before it.
    fn widen(&mut self, bytes: usize) {
        if self.len == 0 {
            self.width = Some(bytes);
        } else if let Some(width) = self.width.take() {
            self.offsets.reserve(self.entries_max.max(self.len) + 1);
            self.offsets.extend((0..self.len).map(|at| (at * width) as u32));
        }
    }

    /// From now on every entry has its weight in the list.
    fn list_weights(&mut self) {
        if self.weights.len() < self.len {
            self.weights.reserve(self.entries_max.max(self.len));
            self.weights.resize(self.len, 1);
        } else if self.weights.capacity() == 0 {
            self.weights.reserve(self.entries_max);
        }
    }

    /// Adds entries of a batch as they are, all greater than what was added before. Their hash is the caller's business.
    fn copy(&mut self, from: &Batch, range: Range<usize>) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let span = from.span(range.start, range.end);
        self.check_room(span.len())?;
        match &from.layout {
            Layout::Fixed(width) if self.len == 0 || self.width == Some(*width) => self.width = Some(*width),
            Layout::Fixed(width) => {
                self.widen(*width);
                let base = self.arena.len();
                self.offsets.extend((0..range.len()).map(|at| (base + at * width) as u32));
            }
            Layout::Offsets(offsets) => {
                self.widen(usize::MAX);
                self.width = None;
                let base = self.arena.len();
                let moved = |offset: &u32| (base + (*offset as usize - span.start)) as u32;
                self.offsets.extend(offsets[range.clone()].iter().map(moved));
            }
        }
        self.arena.extend_from_slice(&from.arena[span]);
        match &from.weights {
            None => {
                if !self.weights.is_empty() {
                    self.weights.resize(self.len + range.len(), 1);
                }
                self.weight_sum += range.len() as i128;
            }
            Some(weights) => {
                let weights = &weights[range.clone()];
                if !self.weights.is_empty() || weights.iter().any(|&weight| weight != 1) {
                    self.list_weights();
                    self.weights.extend_from_slice(weights);
                }
                self.weight_sum += weights.iter().map(|&weight| i128::from(weight)).sum::<i128>();
            }
        }
        self.len += range.len();
        Ok(())
    }

    /// Gives the entry that was added last another weight, which is not zero.
    fn reweigh_last(&mut self, weight: i64) {
        let last = self.weights.last().copied().unwrap_or(1);
        self.weight_sum += i128::from(weight) - i128::from(last);
        if weight != last {
            self.list_weights();
            if let Some(last) = self.weights.last_mut() {
                *last = weight;
            }
        }
    }

    /// Finishes a batch of which the hash is known.
    fn finish_with(mut self, hash: u128) -> Batch {
        self.hash = hash;
        let batch = self.finish();
        debug_assert_eq!(
            batch.iter().fold(0_u128, |sum, (entry, weight)| sum.wrapping_add(entry_hash(entry, weight.0))),
            hash,
            "a merge gives the sum of its inputs"
        );
        batch
    }

    pub(crate) fn finish(mut self) -> Batch {
        let layout = match self.width {
            Some(width) => Layout::Fixed(width),
            None if self.len == 0 => Layout::Fixed(0),
            None => {
                self.offsets.push(self.arena.len() as u32);
                Layout::Offsets(self.offsets)
            }
        };
        let weights = (!self.weights.iter().all(|&weight| weight == 1)).then_some(self.weights);
        if self.arena.capacity() - self.arena.len() > self.arena.len() / 8 {
            self.arena.shrink_to_fit();
        }
        let (len, hash, weight_sum) = (self.len, self.hash, self.weight_sum);
        let mut batch = Batch { arena: self.arena, layout, len, weights, hash, weight_sum, ..Batch::default() };
        if len > 0 {
            batch.shared = shared_len(batch.entry(0), batch.entry(len - 1));
            if len >= PREFIXED_MIN {
                batch.prefixes = (0..len).map(|index| prefix_after(batch.entry(index), batch.shared)).collect();
            }
            if len > FENCE * FENCE {
                batch.fences = batch.prefixes.iter().step_by(FENCE).copied().collect();
            }
        }
        batch
    }
}

/// The sum of two batches, computed in slices.
///
/// Stretches of one batch that lie between neighbouring entries of the other are found by galloping and copied whole, so that
/// adding a little to a lot costs little more than copying bytes. Entries are compared by the eight bytes behind what both
/// batches share.
#[derive(Debug)]
pub(crate) struct Addition {
    left: Arc<Batch>,
    right: Arc<Batch>,
    /// How far each was read.
    at: (usize, usize),
    skip: usize,
    output: BatchBuilder,
}

impl Addition {
    pub(crate) fn new(left: Arc<Batch>, right: Arc<Batch>) -> Addition {
        let skip = match (left.is_empty(), right.is_empty()) {
            (false, false) => {
                let shared = left.shared.min(right.shared);
                shared_len(&left.entry(0)[..shared], &right.entry(0)[..shared])
            }
            _ => 0,
        };
        let output = BatchBuilder::with_capacity(left.len() + right.len(), left.entry_bytes() + right.entry_bytes());
        Addition { left, right, at: (0, 0), skip, output }
    }

    /// Reads at least `entries` more entries, if there are so many. `true` when there are no more.
    pub(crate) fn advance(&mut self, entries: usize) -> Result<bool> {
        let Addition { left, right, at: (l, r), skip, output } = self;
        let goal = (*l + *r).saturating_add(entries);
        while *l + *r < goal {
            if *l == left.len() || *r == right.len() {
                // Of the rest, a slice at a time.
                let room = goal - (*l + *r);
                let (l_end, r_end) = (left.len().min(l.saturating_add(room)), right.len().min(r.saturating_add(room)));
                output.copy(left, *l..l_end)?;
                output.copy(right, *r..r_end)?;
                (*l, *r) = (l_end, r_end);
                return Ok(*l == left.len() && *r == right.len());
            }
            match compare(left, *l, right, *r, *skip) {
                Ordering::Less => {
                    let end = *l + stretch(left, *l, right, *r, *skip);
                    output.copy(left, *l..end)?;
                    *l = end;
                }
                Ordering::Greater => {
                    let end = *r + stretch(right, *r, left, *l, *skip);
                    output.copy(right, *r..end)?;
                    *r = end;
                }
                Ordering::Equal => {
                    let sum = left.weight(*l).checked_add(right.weight(*r)).ok_or(Error::WeightOverflow)?;
                    if sum != 0 {
                        output.copy(left, *l..*l + 1)?;
                        output.reweigh_last(sum);
                    }
                    (*l, *r) = (*l + 1, *r + 1);
                }
            }
        }
        Ok(*l == left.len() && *r == right.len())
    }

    /// Finishes what is left.
    pub(crate) fn finish(mut self) -> Result<Batch> {
        while !self.advance(usize::MAX)? {}
        Ok(self.output.finish_with(self.left.hash.wrapping_add(self.right.hash)))
    }
}

/// Compares two entries of batches that share their first `skip` bytes.
fn compare(a: &Batch, i: usize, b: &Batch, j: usize, skip: usize) -> Ordering {
    let prefixes = a.prefix_behind(i, skip).cmp(&b.prefix_behind(j, skip));
    prefixes.then_with(|| compare_bytes(a.entry(i), b.entry(j), skip))
}

/// Compares two strings that share their first `skip` bytes, eight bytes at a time: entries are short, and most differ early,
/// so that this takes less than a call.
#[inline]
fn compare_bytes(a: &[u8], b: &[u8], skip: usize) -> Ordering {
    let mut at = skip;
    while let (Some(x), Some(y)) = (word(a, at), word(b, at)) {
        if x != y {
            return x.cmp(&y);
        }
        at += 8;
    }
    a.get(at..).unwrap_or_default().cmp(b.get(at..).unwrap_or_default())
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk::<8>().map(|word| u64::from_be_bytes(*word))
}

/// How many entries of `a` from `i` on are less than the entry `j` of `b`, given that the first is.
fn stretch(a: &Batch, i: usize, b: &Batch, j: usize, skip: usize) -> usize {
    let (wanted, entry) = (b.prefix_behind(j, skip), b.entry(j));
    1 + gallop(a.len() - i - 1, |step| {
        let at = i + 1 + step;
        a.prefix_behind(at, skip).cmp(&wanted).then_with(|| compare_bytes(a.entry(at), entry, skip)).is_lt()
    })
}
