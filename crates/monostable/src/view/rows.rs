//! `ViewRows`: rows of a view as copies, in an iterator that borrows nothing.
//!
//! It holds the state of one epoch and fetches entries in chunks that grow. The rows of a chunk share one copy of its
//! entries, so that a row costs two reference counts and no allocation; whoever keeps one row of a long scan keeps its chunk, of at most
//! [`CHUNK_BYTES`] and one row more. [`PinnedRows`](super::PinnedRows) copies nothing at all.

use std::ops::{Bound, Range};
use std::sync::Arc;

use monostable_types::Epoch;

use super::{Between, Prepared};
use crate::commit::State;
use crate::error::Result;
use crate::row::{Row, RowShape};

/// Entries that a chunk has at first, and at most; in between it doubles.
const FETCH: Range<usize> = 32..1024;
/// Bytes of entries with which a chunk ends.
const CHUNK_BYTES: usize = 64 << 10;

/// An iterator over rows of a view, all of one epoch.
pub struct ViewRows {
    state: Arc<State>,
    prepared: Arc<Prepared>,
    shape: Arc<RowShape>,
    /// What has not been fetched yet.
    between: Between,
    chunk: Arc<[u8]>,
    /// Where the next rows lie in the chunk, and how often each comes.
    fetched: std::vec::IntoIter<(Range<usize>, i64)>,
    /// The row that comes next, and how often it still has to come.
    repeat: Option<(Row, i64)>,
    fetch: usize,
    finished: bool,
}

impl ViewRows {
    pub(super) fn new(state: Arc<State>, prepared: Arc<Prepared>, shape: Arc<RowShape>, between: Between) -> ViewRows {
        let (chunk, fetched) = (Arc::from([]), Vec::new().into_iter());
        let finished = between.empty;
        ViewRows { state, prepared, shape, between, chunk, fetched, repeat: None, fetch: FETCH.start, finished }
    }

    /// The epoch whose rows these are.
    pub fn epoch(&self) -> Epoch {
        self.state.epoch()
    }

    fn fetch(&mut self) -> Result<()> {
        let prepared = &*self.prepared;
        let mut entries = self.between.entries(prepared.spine(&self.state.version)?)?;
        let mut chunk = Vec::new();
        let mut fetched = Vec::with_capacity(self.fetch);
        let mut last = None;
        while fetched.len() < self.fetch && chunk.len() < CHUNK_BYTES {
            let Some((entry, weight)) = entries.next().transpose()? else { break };
            let row = prepared.layout.visible(entry)?;
            if chunk.capacity() == 0 {
                chunk.reserve((row.len() * self.fetch).min(CHUNK_BYTES + row.len()));
            }
            fetched.push((chunk.len()..chunk.len() + row.len(), weight.0));
            chunk.extend_from_slice(row);
            last = Some(entry);
        }
        let is_full = fetched.len() == self.fetch || chunk.len() >= CHUNK_BYTES;
        match last {
            Some(last) if is_full => self.between.lower = Bound::Excluded(last.to_vec()),
            _ => self.finished = true,
        }
        self.fetch = (self.fetch * 2).min(FETCH.end);
        self.chunk = chunk.into();
        self.fetched = fetched.into_iter();
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<Row>> {
        loop {
            if let Some((row, left)) = self.repeat.take() {
                if left > 1 {
                    self.repeat = Some((row.clone(), left - 1));
                }
                return Ok(Some(row));
            }
            if let Some((at, times)) = self.fetched.next() {
                self.repeat = Some((Row::within(&self.shape, &self.chunk, at), times));
            } else if self.finished {
                return Ok(None);
            } else {
                self.fetch()?;
            }
        }
    }
}

impl Iterator for ViewRows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        let next = self.advance();
        self.finished |= next.is_err();
        next.transpose()
    }
}

impl std::fmt::Debug for ViewRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewRows").field("view", &self.prepared.view.name).field("epoch", &self.epoch()).finish()
    }
}
