//! `BatchBuilder`: a batch from entries that come in order.
//!
//! It keeps no more than the entries ask for: no offsets while all have one length, no weights while all are 1.
//!
//! Cost: one copy of each entry; allocations only for the growth of four arrays.

use std::ops::Range;

use monostable_types::{Rows, Weight};

use super::{BATCH_BYTES_MAX, Batch, ENTRY_BYTES_MAX, FENCE, Layout, PREFIXED_MIN, prefix_after, shared_len};
use crate::error::{Error, Result};
use crate::hash::entry_hash;

/// Up to so many bytes of an array are left unused: giving them back costs more than they are worth.
const SPARE_BYTES: usize = 1024;

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
    /// How many bytes all entries are known to share, where the prefixes behind them are copied with the entries.
    shared: Option<usize>,
    prefixes: Vec<u64>,
    hash: u128,
    weight_sum: i128,
}

impl BatchBuilder {
    /// A builder for about so many entries and bytes.
    pub(crate) fn with_capacity(entries: usize, bytes: usize) -> BatchBuilder {
        let arena = Vec::with_capacity(bytes.min(BATCH_BYTES_MAX));
        BatchBuilder { arena, entries_max: entries, ..BatchBuilder::default() }
    }

    /// Has [`BatchBuilder::copy`] copy prefixes too. All entries share their first `shared` bytes, and all come by `copy`.
    pub(super) fn with_prefixes_behind(self, shared: usize) -> BatchBuilder {
        BatchBuilder { shared: Some(shared), prefixes: Vec::with_capacity(self.entries_max), ..self }
    }

    /// Adds an entry that is greater than all before it. `weight` is not zero.
    pub(crate) fn push(&mut self, entry: &[u8], weight: i64) -> Result<()> {
        self.append(entry, weight)?;
        self.hash = self.hash.wrapping_add(entry_hash(entry, weight));
        Ok(())
    }

    /// Adds rows that come in ascending order, consolidated.
    pub(super) fn push_sorted(
        &mut self,
        rows: &Rows,
        weights: &[Weight],
        order: impl Iterator<Item = usize>,
    ) -> Result<()> {
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
    pub(super) fn append(&mut self, entry: &[u8], weight: i64) -> Result<()> {
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
    pub(super) fn copy(&mut self, from: &Batch, range: Range<usize>) -> Result<()> {
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
        if let Some(shared) = self.shared {
            match from.prefixes_behind(shared) {
                Some(prefixes) => self.prefixes.extend_from_slice(&prefixes[range.clone()]),
                None => self.prefixes.extend(range.clone().map(|index| from.prefix_behind(index, shared))),
            }
        }
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
    pub(super) fn reweigh_last(&mut self, weight: i64) {
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
    pub(super) fn finish_with(mut self, hash: u128) -> Batch {
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
        trim(&mut self.arena);
        let (len, hash, weight_sum) = (self.len, self.hash, self.weight_sum);
        let mut batch = Batch { arena: self.arena, layout, len, weights, hash, weight_sum, ..Batch::default() };
        if len > 0 {
            batch.shared = self.shared.unwrap_or_else(|| shared_len(batch.entry(0), batch.entry(len - 1)));
            if len >= PREFIXED_MIN && self.shared.is_some() {
                debug_assert_eq!(self.prefixes.len(), len, "each entry came with its prefix");
                trim(&mut self.prefixes);
                batch.prefixes = self.prefixes;
            } else if len >= PREFIXED_MIN {
                batch.prefixes = (0..len).map(|index| prefix_after(batch.entry(index), batch.shared)).collect();
            }
            if len > FENCE * FENCE {
                batch.fences = batch.prefixes.iter().step_by(FENCE).copied().collect();
            }
        }
        batch
    }
}

/// Gives back what is left over, if it is much.
fn trim<T>(items: &mut Vec<T>) {
    let spare = (items.capacity() - items.len()) * size_of::<T>();
    if spare > SPARE_BYTES && items.capacity() - items.len() > items.len() / 8 {
        items.shrink_to_fit();
    }
}
