//! Reading the log back, group by group, in order.
//!
//! An iterator over everything that was durable when it was made. It verifies each group as it goes, checks that segments
//! join, and skips seals. It does not stop early: where a group should be and is not, it yields one error and ends.
//!
//! Invariant: positions only grow, and the groups it yields before an error are exactly the log's. Cost: one read per 256 KiB,
//! one checksum and one copy per group. A replay keeps the segments that it still has to read from being reused in place;
//! recycling past it makes it end with [`Error::Recycled`].

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use monostable_vfs::{self as vfs, Storage};

use crate::error::{Damage, Error, Result};
use crate::format::{GroupKind, SegmentHeader, decode_records};
use crate::lsn::Lsn;
use crate::segment::{GroupCursor, SegmentReader, name_of};

/// One group of records, all of which became durable at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Where it begins.
    pub start: Lsn,
    /// Where it ends, which is what [`crate::Wal::append`] returned for it.
    pub end: Lsn,
    /// The records as they were appended. They share one allocation.
    pub records: Vec<Bytes>,
}

/// The iterator of [`crate::Wal::replay`].
#[derive(Debug)]
pub struct Replay {
    storage: Arc<dyn Storage>,
    segments: VecDeque<Arc<SegmentHeader>>,
    cursor: Option<GroupCursor>,
    /// Where the next group begins.
    next: Lsn,
    /// Where the log was durable to.
    until: Lsn,
    failed: bool,
}

impl Replay {
    /// `from` and `until` are boundaries between groups; `segments` holds everything between them.
    pub(crate) fn new(storage: Arc<dyn Storage>, segments: &[Arc<SegmentHeader>], from: Lsn, until: Lsn) -> Replay {
        let before = segments.iter().rposition(|segment| segment.first_lsn <= from).unwrap_or(0);
        let segments = segments.iter().skip(before).cloned().collect();
        Replay { storage, segments, cursor: None, next: from, until, failed: false }
    }

    /// Where the segment in hand stops counting: where its successor begins.
    fn limit(&self) -> Lsn {
        self.segments.get(1).map_or(self.until, |successor| successor.first_lsn.min(self.until))
    }

    fn read(&mut self) -> Result<Option<Group>> {
        while self.next < self.until {
            let limit = self.limit();
            if self.next >= limit {
                self.turn_page()?;
                continue;
            }
            let Some(cursor) = &mut self.cursor else {
                self.cursor = Some(self.open_first()?);
                continue;
            };
            let offset = cursor.offset;
            let found = cursor.advance()?.and_then(|(header, payload)| {
                let inside = header.end() <= limit;
                if inside { Ok((header, payload)) } else { Err(Damage::HeaderContents) }
            });
            let read = found.and_then(|(header, payload)| Ok((decode_records(&payload, header.records)?, header)));
            let (records, header) = read.map_err(|damage| cursor.reader.corruption(offset, damage, limit))?;
            self.next = header.end();
            if header.kind == GroupKind::Records {
                return Ok(Some(Group { start: header.start, end: header.end(), records }));
            }
        }
        Ok(None)
    }

    fn open_first(&self) -> Result<GroupCursor> {
        let segment = self.segments.front().ok_or(Error::BeyondEnd { position: self.next, end: self.until })?;
        Ok(GroupCursor::at(self.open(segment)?, self.next))
    }

    fn open(&self, segment: &SegmentHeader) -> Result<SegmentReader> {
        match SegmentReader::open(&*self.storage, segment.number) {
            Err(Error::Disk(vfs::Error::NotFound { .. })) => {
                Err(Error::Recycled { from: self.next, oldest: segment.first_lsn })
            }
            outcome => outcome,
        }
    }

    /// Goes on to the next segment, which must continue exactly here.
    fn turn_page(&mut self) -> Result<()> {
        let before = self.cursor.take().and_then(|cursor| cursor.expected);
        self.segments.pop_front();
        let Some(segment) = self.segments.front() else {
            return Err(Error::BeyondEnd { position: self.until, end: self.next });
        };
        let cursor = GroupCursor::at(self.open(segment)?, self.next);
        let joins = before.is_none() || cursor.expected.is_none() || before == cursor.expected;
        if segment.first_lsn > self.next || !joins {
            return Err(Error::Corruption {
                segment: name_of(segment.number),
                offset: 0,
                from: self.next,
                to: self.until,
                damage: Damage::Missing,
            });
        }
        self.cursor = Some(cursor);
        Ok(())
    }
}

impl Iterator for Replay {
    type Item = Result<Group>;

    fn next(&mut self) -> Option<Result<Group>> {
        if self.failed {
            return None;
        }
        let item = self.read().transpose();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}
