//! An arena of encoded rows: one buffer of bytes and where each row ends in it.
//!
//! Rows stay in the order in which they were added; sorting is the business of whoever holds weights beside them. Two
//! allocations hold any number of rows, and [`Rows::clear`] keeps both for reuse.

use std::ops::Range;

/// Encoded rows, one after another in one buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    bytes: Vec<u8>,
    /// Where each row ends, and thus the next one begins. None is less than the one before it, and the last is the length of
    /// `bytes`.
    ends: Vec<usize>,
}

impl Rows {
    /// No rows.
    #[must_use]
    pub fn new() -> Rows {
        Rows::default()
    }

    /// No rows, with room for `rows` of them that take `bytes` bytes together.
    #[must_use]
    pub fn with_capacity(rows: usize, bytes: usize) -> Rows {
        Rows { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(rows) }
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that all rows take together.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The encoded row at `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Rows::len`].
    #[inline]
    #[must_use]
    pub fn row(&self, index: usize) -> &[u8] {
        &self.bytes[self.start(index)..self.ends[index]]
    }

    /// Adds an encoded row at the end.
    #[inline]
    pub fn push(&mut self, row: &[u8]) {
        self.bytes.extend_from_slice(row);
        self.ends.push(self.bytes.len());
    }

    /// Adds a row at the end that `write` appends to the buffer. If it fails, or takes bytes away, nothing is added.
    #[inline]
    pub fn push_with<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let start = self.bytes.len();
        let written = write(&mut self.bytes);
        assert!(self.bytes.len() >= start, "a row was written over the rows before it");
        match written {
            Ok(()) => self.ends.push(self.bytes.len()),
            Err(_) => self.bytes.truncate(start),
        }
        written
    }

    /// Adds all rows of `other` at the end.
    pub fn extend(&mut self, other: &Rows) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Removes the rows from `rows` on.
    pub fn truncate(&mut self, rows: usize) {
        if rows < self.len() {
            self.bytes.truncate(self.start(rows));
            self.ends.truncate(rows);
        }
    }

    /// The rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + DoubleEndedIterator + Clone {
        (0..self.len()).map(|index| self.row(index))
    }

    #[inline]
    fn start(&self, index: usize) -> usize {
        if index == 0 { 0 } else { self.ends[index - 1] }
    }

    /// Adds rows with the given lengths whose bytes are still zero, and returns where in [`Rows::bytes_mut`] they are and
    /// where each starts.
    pub(super) fn reserve(&mut self, lengths: impl ExactSizeIterator<Item = usize>) -> Range<usize> {
        let start = self.bytes.len();
        let mut end = start;
        self.ends.extend(lengths.map(|length| {
            end += length;
            end
        }));
        self.bytes.resize(end, 0);
        start..end
    }

    /// The start of each row from the row at `index` on.
    pub(super) fn starts(&self, index: usize) -> impl Iterator<Item = usize> {
        (index..self.len()).map(|index| self.start(index))
    }

    /// The buffer, for the encoder to fill what it reserved.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_in_order_whatever_their_length() {
        let mut rows = Rows::new();
        for row in [b"ab".as_slice(), b"", b"c"] {
            rows.push(row);
        }
        assert_eq!((rows.len(), rows.byte_len(), rows.is_empty()), (3, 3, false));
        assert_eq!(rows.iter().collect::<Vec<_>>(), [b"ab".as_slice(), b"", b"c"]);
        assert_eq!(rows.row(2), b"c");
        let mut twice = rows.clone();
        twice.extend(&rows);
        assert_eq!((twice.len(), twice.row(5)), (6, b"c".as_slice()));
        twice.truncate(3);
        assert_eq!(twice, rows);
        rows.clear();
        assert_eq!((rows.len(), rows.byte_len()), (0, 0));
        assert_eq!(rows, Rows::with_capacity(10, 10));
    }

    #[test]
    fn a_row_that_fails_leaves_nothing_behind() {
        let mut rows = Rows::new();
        rows.push(b"first");
        let failed = rows.push_with(|bytes| {
            bytes.extend_from_slice(b"half");
            Err("no")
        });
        assert_eq!((failed, rows.len(), rows.byte_len()), (Err("no"), 1, 5));
        assert_eq!(
            rows.push_with(|bytes| {
                bytes.push(7);
                Ok::<_, ()>(())
            }),
            Ok(())
        );
        assert_eq!(rows.row(1), [7]);
        assert_eq!((rows.bytes, rows.ends), (b"first\x07".to_vec(), vec![5, 6]));
    }
}
