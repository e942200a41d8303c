//! `TopK`: the rows between two positions of an arrangement's order: `ORDER BY .. LIMIT .. OFFSET ..`.
//!
//! The order is that of the entries of the `Arrange` below: the `ORDER BY` columns in their directions, then the other
//! columns. It is total, so a tie is broken by the contents alone and never by the history. A row of weight w has w
//! positions, and may lie in the window with some of them only; rows of weight zero or less have none.
//!
//! Delta rule: with `W` for the window of a content, `d(W(A)) = W(A') - W(A)`. Both contents are at hand in the arrangement.
//! What sorts before the least changed entry lies in both windows alike; from there the two are walked side by side.
//!
//! State: none of its own; the spine remembers where the window ends, once it was walked through, until something before that
//! changes. Cost: one comparison if that is known and before the least changed entry. Otherwise one step in the old content for
//! each entry that sorts before the least changed one, at most O(offset + limit) of them: if the window ends before that entry,
//! nothing changed and nothing else is done. Else one step and one comparison for each entry of either window from there on,
//! until the contents agree again at equal positions: at most O(offset + limit) for each step that changes the input, whatever
//! the size of the input. Memory: the change of the window.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Bound;

use monostable_types::Weight;

use crate::batch::Batch;
use crate::delta::Delta;
use crate::failure::Failure;
use crate::identity;
use crate::layout::Layout;
use crate::spine::{Entries, Spine};

/// The rows between two positions of an arrangement's order. Made by [`GraphBuilder::top_k`](crate::GraphBuilder::top_k).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopK {
    /// How many rows come before the window.
    pub offset: u64,
    /// How many rows the window has at most; all that are left without it.
    pub limit: Option<u64>,
}

impl TopK {
    /// The change of the window, for the change `batch` of an arrangement from `old` to `new`.
    pub(crate) fn change(&self, layout: &Layout, batch: &Batch, old: &Spine, new: &Spine) -> Result<Delta, Failure> {
        let Some(last) = batch.len().checked_sub(1) else { return Ok(Delta::empty(layout.row())) };
        let (first, last) = (batch.get(0).0, batch.get(last).0);
        if old.window_ends_before(self.end(), first) {
            return Ok(Delta::empty(layout.row()));
        }
        let mut before = Walk { window: *self, entries: old.prefix(b"")?, next: None, position: 0 };
        let mut ended_by: Option<&[u8]> = None;
        while let Some(entry) = before.peek()?.filter(|entry| *entry < first) {
            before.take()?;
            ended_by = Some(entry);
        }
        if before.is_past() {
            ended_by.iter().for_each(|entry| new.remember_window(self.end(), entry));
            return Ok(Delta::empty(layout.row()));
        }
        let entries = new.range(Bound::Included(first), Bound::Unbounded)?;
        let mut after = Walk { window: *self, entries, next: None, position: before.position };
        let (mut entries, mut weights) = (Vec::new(), Vec::new());
        loop {
            let (entry, order) = match (before.peek()?, after.peek()?) {
                (None, None) => break,
                (Some(old), None) => (old, Ordering::Less),
                (None, Some(new)) => (new, Ordering::Greater),
                (Some(old), Some(new)) => (old.min(new), old.cmp(new)),
            };
            if order.is_eq() && before.position == after.position && entry > last {
                break;
            }
            let taken = if order.is_le() { before.take()? } else { Weight::ZERO };
            let given = if order.is_ge() { after.take()? } else { Weight::ZERO };
            let change = given.sub(taken)?;
            if change != Weight::ZERO {
                entries.push(entry);
                weights.push(change);
            }
        }
        Ok(Delta::encoded(layout.row(), layout.logical(entries.into_iter())?, weights))
    }

    /// The first position behind the window.
    pub(crate) fn end(&self) -> u128 {
        self.limit.map_or(u128::MAX, |limit| u128::from(self.offset) + u128::from(limit))
    }

    /// How many copies of a row of this weight lie in the window, if the first one is at `position`, which moves past them.
    pub(crate) fn take(&self, position: &mut u128, weight: Weight) -> Weight {
        let copies = u128::from(u64::try_from(weight.0).unwrap_or(0));
        let start = (*position).clamp(u128::from(self.offset), self.end());
        *position += copies;
        let within = (*position).clamp(u128::from(self.offset), self.end()) - start;
        // There are no more of them than copies, and these fit.
        Weight(i64::try_from(within).unwrap_or(weight.0))
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        identity::put_number(out, self.offset);
        out.push(u8::from(self.limit.is_some()));
        self.limit.iter().for_each(|&limit| identity::put_number(out, limit));
    }
}

impl fmt::Display for TopK {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            Some(limit) => write!(f, "first {limit} rows")?,
            None => f.write_str("all rows")?,
        }
        if self.offset == 0 { Ok(()) } else { write!(f, " after {}", self.offset) }
    }
}

/// A walk over entries that ends where the window does.
struct Walk<'a> {
    window: TopK,
    entries: Entries<'a>,
    next: Option<(&'a [u8], Weight)>,
    /// The position of the next entry's first copy.
    position: u128,
}

impl<'a> Walk<'a> {
    /// The next entry that has copies before the end of the window. No entry is read once the end is reached.
    fn peek(&mut self) -> Result<Option<&'a [u8]>, Failure> {
        while self.next.is_none() && !self.is_past() {
            match self.entries.next().transpose()? {
                Some((entry, weight)) if weight > Weight::ZERO => self.next = Some((entry, weight)),
                Some(_) => {}
                None => break,
            }
        }
        Ok(self.next.map(|(entry, _)| entry))
    }

    /// Moves past the next entry; how many copies of it lie in the window.
    fn take(&mut self) -> Result<Weight, Failure> {
        self.peek()?;
        Ok(self.next.take().map_or(Weight::ZERO, |(_, weight)| self.window.take(&mut self.position, weight)))
    }

    fn is_past(&self) -> bool {
        self.position >= self.window.end()
    }
}
