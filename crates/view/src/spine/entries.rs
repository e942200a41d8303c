//! `Entries`: the sum of several runs, one entry at a time.
//!
//! A merge of cursors: the least entry among them is next, the weights of all runs that hold it are added with a check, and
//! an entry whose weights cancel is skipped. Entries borrow from the runs, so nothing is allocated or copied per entry.
//!
//! Cost: one comparison per run and entry (a spine has few runs), none when a single run has entries in the range.

use std::cmp::Ordering;

use monostable_types::Weight;
use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::run::{Cursor, Direction};

/// Consolidated entries in order: each once, with its non-zero weight.
///
/// Ends after the first error.
#[derive(Debug)]
pub struct Entries<'a> {
    cursors: SmallVec<[Cursor<'a>; 4]>,
    direction: Direction,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(direction: Direction) -> Entries<'a> {
        Entries { cursors: SmallVec::new(), direction }
    }

    pub(crate) fn add(&mut self, cursor: Option<Cursor<'a>>) {
        self.cursors.extend(cursor);
    }

    fn step(&mut self) -> Result<Option<(&'a [u8], Weight)>> {
        loop {
            let (entry, weight) = match self.cursors.as_mut_slice() {
                [] => return Ok(None),
                [only] => {
                    let current = (only.entry, only.weight);
                    if !only.advance(self.direction)? {
                        self.cursors.clear();
                    }
                    current
                }
                _ => {
                    let entry = self.next_entry();
                    (entry, self.take(entry)?)
                }
            };
            if weight != 0 {
                return Ok(Some((entry, Weight(weight))));
            }
        }
    }

    /// The entry that comes first among the cursors.
    fn next_entry(&self) -> &'a [u8] {
        let first = match self.direction {
            Direction::Ascending => Ordering::Less,
            Direction::Descending => Ordering::Greater,
        };
        let mut best = self.cursors[0].entry;
        for cursor in &self.cursors[1..] {
            if cursor.entry.cmp(best) == first {
                best = cursor.entry;
            }
        }
        best
    }

    /// Adds the weights of `entry` over all cursors and moves them past it.
    fn take(&mut self, entry: &[u8]) -> Result<i64> {
        let mut sum: i64 = 0;
        let mut at = 0;
        while at < self.cursors.len() {
            let cursor = &mut self.cursors[at];
            if cursor.entry == entry {
                sum = sum.checked_add(cursor.weight).ok_or(Error::WeightOverflow)?;
                if !cursor.advance(self.direction)? {
                    self.cursors.swap_remove(at);
                    continue;
                }
            }
            at += 1;
        }
        Ok(sum)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(&'a [u8], Weight)>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.step();
        if item.is_err() {
            self.cursors.clear();
        }
        item.transpose()
    }
}
