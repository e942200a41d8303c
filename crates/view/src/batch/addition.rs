//! `Addition`: the sum of two batches, in slices.
//!
//! It does not hash: the hash of a sum is the sum of the hashes.
//!
//! Cost: O(log of the distance) comparisons for each stretch of one batch that lies between two entries of the other, and one
//! copy of its bytes.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Batch, BatchBuilder, NEAR, compare_bytes, gallop, less_near, shared_len};
use crate::error::{Error, Result};

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
            (true, _) => right.shared,
            (_, true) => left.shared,
            (false, false) => {
                let shared = left.shared.min(right.shared);
                shared_len(&left.entry(0)[..shared], &right.entry(0)[..shared])
            }
        };
        let output = BatchBuilder::with_capacity(left.len() + right.len(), left.entry_bytes() + right.entry_bytes())
            .with_prefixes_behind(skip);
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

/// How many entries of `a` from `i` on are less than the entry `j` of `b`, given that the first is.
fn stretch(a: &Batch, i: usize, b: &Batch, j: usize, skip: usize) -> usize {
    let (wanted, entry) = (b.prefix_behind(j, skip), b.entry(j));
    let start = i + 1;
    let Some(prefixes) = a.prefixes_behind(skip).map(|prefixes| &prefixes[start..]) else {
        let less = |at| a.prefix_behind(at, skip).cmp(&wanted).then_with(|| compare_bytes(a.entry(at), entry, skip));
        return 1 + gallop(a.len() - start, |step| less(start + step).is_lt());
    };
    let mut less = less_near(prefixes, wanted);
    if less == NEAR {
        less += gallop(prefixes.len() - less, |step| prefixes[less + step] < wanted);
    }
    let rest = &prefixes[less..];
    let tied = |step: usize| rest[step] == wanted && compare_bytes(a.entry(start + less + step), entry, skip).is_lt();
    1 + less + gallop(rest.len(), tied)
}
