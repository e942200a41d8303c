//! `PinnedView`: a view at one epoch, whose rows are lent where they lie.
//!
//! What it gives borrows from the runs of that epoch: a point read allocates nothing for its row, a scan nothing per row. In
//! return the rows live as long as the pin, and the pin keeps the epoch's runs alive: it is meant for a read or a
//! scan, not to be kept. What is to be kept is a [`Snapshot`](crate::Snapshot), or a copy ([`RowRef::to_row`]).
//!
//! It takes no lock and blocks nobody. A thread that holds more than a handful of pins at once pays an atomic count for each more.

use std::ops::RangeBounds;

use monostable_types::Epoch;
use monostable_view::Entries;

use super::{Between, Prepared, Reading};
use crate::error::Result;
use crate::key::Key;
use crate::row::RowRef;

/// A view at one epoch. Made by [`View::pin`](crate::View::pin).
pub struct PinnedView<'v> {
    reading: Reading<'v>,
    prepared: &'v Prepared,
}

impl<'v> PinnedView<'v> {
    pub(super) fn new(reading: Reading<'v>, prepared: &'v Prepared) -> PinnedView<'v> {
        PinnedView { reading, prepared }
    }

    /// The epoch that it shows.
    pub fn epoch(&self) -> Epoch {
        self.reading.epoch()
    }

    /// The row with this key, as [`View::get`](crate::View::get) finds it.
    pub fn get(&self, key: impl Key) -> Result<Option<RowRef<'_>>> {
        let key = self.prepared.encode_key(&key)?;
        let found = self.prepared.spine(&self.reading.version)?.get(&key)?;
        found.map(|(entry, _)| self.prepared.row(entry)).transpose()
    }

    /// The rows whose key begins with these values, as [`View::prefix`](crate::View::prefix) finds them.
    pub fn prefix(&self, key: impl Key) -> Result<PinnedRows<'_>> {
        self.rows(&self.prepared.prefix(&key)?)
    }

    /// The rows whose key lies between two bounds, as [`View::range`](crate::View::range) finds them.
    pub fn range<K: Key>(&self, bounds: impl RangeBounds<K>) -> Result<PinnedRows<'_>> {
        self.rows(&self.prepared.range(&bounds)?)
    }

    /// All rows, in key order. A row that the view holds several times comes several times.
    pub fn scan(&self) -> Result<PinnedRows<'_>> {
        self.rows(&Between::ALL)
    }

    fn rows(&self, between: &Between) -> Result<PinnedRows<'_>> {
        let spine = self.prepared.spine(&self.reading.version)?;
        let entries = if between.empty { None } else { Some(between.entries(spine)?) };
        Ok(PinnedRows { entries, prepared: self.prepared, repeat: None })
    }
}

impl std::fmt::Debug for PinnedView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PinnedView").field("view", &self.prepared.view.name).field("epoch", &self.epoch()).finish()
    }
}

/// An iterator over rows that a [`PinnedView`] lends. Ends after the first error.
pub struct PinnedRows<'a> {
    entries: Option<Entries<'a>>,
    prepared: &'a Prepared,
    /// The row that comes again, and how often.
    repeat: Option<(RowRef<'a>, i64)>,
}

impl<'a> PinnedRows<'a> {
    fn advance(&mut self) -> Result<Option<RowRef<'a>>> {
        if let Some((row, left)) = self.repeat.take() {
            self.repeat = (left > 1).then_some((row, left - 1));
            return Ok(Some(row));
        }
        // What a view holds a negative number of times would be a mistake of ours; as in `ViewRows` it comes once.
        let Some((entry, weight)) = self.entries.as_mut().and_then(Entries::next).transpose()? else { return Ok(None) };
        let row = self.prepared.row(entry)?;
        self.repeat = (weight.0 > 1).then_some((row, weight.0 - 1));
        Ok(Some(row))
    }
}

impl<'a> Iterator for PinnedRows<'a> {
    type Item = Result<RowRef<'a>>;

    fn next(&mut self) -> Option<Result<RowRef<'a>>> {
        let next = self.advance();
        if next.is_err() {
            self.entries = None;
        }
        next.transpose()
    }
}

impl std::fmt::Debug for PinnedRows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PinnedRows").field("view", &self.prepared.view.name).finish_non_exhaustive()
    }
}
