//! `Entries`: the sum of several runs, one entry at a time.
//!
//! A merge of cursors: the least entry among them is next, the weights of all runs that hold it are added with a check, and
//! an entry whose weights cancel is skipped. Entries borrow from the runs, so nothing is allocated or copied per entry.
//!
//! The cursor that stands on the least entry *leads*, and the least entry of all others is its *rival*. While the leader's
//! entries come before the rival's, nobody else is looked at. Most spines are one long run and some short ones, so long stretches
//! come from one leader.
//!
//! Cost: one comparison per entry, one per run and entry where the lead changes (a spine has few runs), none when a single
//! run has entries in the range.

use monostable_types::Weight;
use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::run::{Cursor, Direction};

/// Consolidated entries in order: each once, with its non-zero weight.
///
/// Ends after the first error.
#[derive(Debug)]
pub struct Entries<'a> {
    /// The first one leads, once `rival` is known.
    cursors: SmallVec<[Cursor<'a>; 4]>,
    /// The entry that comes first among those of the other cursors.
    rival: Option<&'a [u8]>,
    direction: Direction,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(direction: Direction) -> Entries<'a> {
        Entries { cursors: SmallVec::new(), rival: None, direction }
    }

    pub(crate) fn add(&mut self, cursor: Option<Cursor<'a>>) {
        self.cursors.extend(cursor);
        self.rival = None;
    }

    fn step(&mut self) -> Result<Option<(&'a [u8], Weight)>> {
        while !self.cursors.is_empty() {
            let alone = self.cursors.len() == 1;
            if !alone && !self.is_led() {
                self.find_leader();
            }
            let leader = &self.cursors[0];
            let (entry, mut weight) = (leader.entry, leader.weight);
            if alone || self.is_led() {
                self.advance_leader()?;
            } else {
                weight = self.take(entry)?;
            }
            if weight != 0 {
                return Ok(Some((entry, Weight(weight))));
            }
        }
        Ok(None)
    }

    /// Whether the first cursor's entry comes before those of all others.
    fn is_led(&self) -> bool {
        self.rival.is_some_and(|rival| comes_before(self.cursors[0].entry, rival, self.direction))
    }

    fn advance_leader(&mut self) -> Result<()> {
        if !self.cursors[0].advance(self.direction)? {
            self.cursors.swap_remove(0);
            self.rival = None;
        }
        Ok(())
    }

    /// Puts the cursor that stands on the entry that comes first in the first place, and finds its rival.
    fn find_leader(&mut self) {
        let mut leader = 0;
        for at in 1..self.cursors.len() {
            if comes_before(self.cursors[at].entry, self.cursors[leader].entry, self.direction) {
                leader = at;
            }
        }
        self.cursors.swap(0, leader);
        let mut others = self.cursors[1..].iter().map(|cursor| cursor.entry);
        let rival = others.next();
        let first = |a: &'a [u8], b| if comes_before(b, a, self.direction) { b } else { a };
        self.rival = rival.map(|rival| others.fold(rival, first));
    }

    /// Adds the weights of `entry` over all cursors and moves them past it. Then nobody leads.
    fn take(&mut self, entry: &[u8]) -> Result<i64> {
        self.rival = None;
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

#[inline]
fn comes_before(entry: &[u8], other: &[u8], direction: Direction) -> bool {
    match direction {
        Direction::Ascending => entry < other,
        Direction::Descending => entry > other,
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
