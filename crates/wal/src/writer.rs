//! Appending groups: the one place that writes into segments.
//!
//! One append at a time, under the log's own lock: encode the group, make room for it, write it with a single call. Syncing is not done
//! here (see `flush.rs`), except that a segment is made durable as a whole before its successor begins.
//!
//! Invariants:
//! - A group begins where the one before it ended, in a block that was never written in this use of the segment.
//! - Room is made before a group is written: what can fail for want of space fails while nothing has happened yet. A full disk is
//!   therefore a refusal; any other failure of a write or sync poisons the log.
//! - The first append after an open begins a new segment, so that no segment ever holds the groups of two sessions.
//!
//! Cost: one copy and one checksum of the records and one write. Where no spare was prepared, zeros are written ahead in steps that grow
//! from 64 KiB to 1 MiB.

use std::sync::Arc;

use monostable_vfs::{self as vfs, File, Operation, Storage};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::flush::{Flusher, Lanes};
use crate::format::{GroupKind, GroupPlan, Nonce, SEGMENT_HEADER_BYTES, SegmentHeader, encode_group, group_bytes};
use crate::lsn::Lsn;
use crate::options::WalOptions;
use crate::recover::Boundary;
use crate::segment::{FRESH, SPARE, create_fresh, name_of, publish, zero_fill};
use crate::spare::Spare;
use crate::stats::WalStats;

const FILL_STEP_BYTES_MIN: u64 = 64 << 10;
const FILL_STEP_BYTES_MAX: u64 = 1 << 20;
/// A buffer that one huge group needed is not kept.
const BUFFER_BYTES_KEPT: usize = 4 << 20;

/// What appending needs of the log around it.
pub(crate) struct Surroundings<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) options: &'a WalOptions,
    pub(crate) flusher: &'a Flusher,
    pub(crate) spare: &'a Spare,
    pub(crate) segments: &'a Mutex<Vec<Arc<SegmentHeader>>>,
}

/// The state of appending.
#[derive(Debug)]
pub(crate) struct Writer {
    active: Option<Active>,
    /// Where the next group goes.
    next: Boundary,
    next_segment: u64,
    /// End of the last group with records.
    pub(crate) records_end: Lsn,
    /// Whether records were appended since the last seal.
    unsealed: bool,
    pub(crate) closed: bool,
    buffer: Vec<u8>,
    pub(crate) stats: WalStats,
}

/// The segment that is being filled.
#[derive(Debug)]
struct Active {
    file: Arc<dyn File>,
    header: Arc<SegmentHeader>,
    /// Up to here the file has blocks of its own, so that writing there needs no space.
    filled: u64,
}

impl Writer {
    pub(crate) fn new(end: Boundary, next_segment: u64) -> Writer {
        Writer {
            active: None,
            next: end,
            next_segment,
            records_end: end.lsn,
            unsealed: false,
            closed: false,
            buffer: Vec::new(),
            stats: WalStats::default(),
        }
    }

    /// Writes one group with these records and returns its end.
    pub(crate) fn append(&mut self, around: &Surroundings<'_>, records: &[&[u8]]) -> Result<Lsn> {
        around.flusher.check()?;
        if self.closed {
            return Err(Error::Closed);
        }
        check_records(around.options, records)?;
        if records.is_empty() {
            return Ok(self.records_end);
        }
        self.make_room(around, group_bytes(records))?;
        self.write(around.flusher, GroupKind::Records, records)?;
        self.unsealed = true;
        self.stats.groups += 1;
        self.stats.records += records.len() as u64;
        self.stats.record_bytes += records.iter().map(|record| record.len() as u64).sum::<u64>();
        Ok(self.next.lsn)
    }

    /// Makes everything durable and writes that fact behind it, unless it stands there already.
    pub(crate) fn seal(&mut self, around: &Surroundings<'_>) -> Result<()> {
        around.flusher.check()?;
        if self.closed {
            return Err(Error::Closed);
        }
        if !self.unsealed {
            return Ok(());
        }
        around.flusher.sync(self.next.lsn)?;
        self.make_room(around, group_bytes(&[]))?;
        self.write(around.flusher, GroupKind::Seal, &[])?;
        around.flusher.sync(self.next.lsn)?;
        self.unsealed = false;
        self.stats.seals += 1;
        Ok(())
    }

    /// Gives back what was filled ahead. Only for a log that takes no more groups.
    pub(crate) fn trim(&mut self) -> vfs::Result<()> {
        match self.active.take() {
            Some(active) => active.file.set_len(active.header.offset_of(self.next.lsn)),
            None => Ok(()),
        }
    }

    /// Sees to it that a group of `bytes` can be written at once, in this segment or a new one.
    fn make_room(&mut self, around: &Surroundings<'_>, bytes: u64) -> Result<()> {
        let fits = self.active.as_ref().is_some_and(|active| {
            active.header.offset_of(self.next.lsn).saturating_add(bytes) <= active.header.segment_bytes
        });
        if !fits {
            self.roll(around, bytes)?;
        }
        if let Some(active) = &mut self.active {
            let end = active.header.offset_of(self.next.lsn) + bytes;
            refused_or_poisoned(around.flusher, active.fill(end))?;
        }
        Ok(())
    }

    /// Begins a new segment, after making the old one durable as a whole.
    fn roll(&mut self, around: &Surroundings<'_>, bytes: u64) -> Result<()> {
        if let Err(error) = around.flusher.sync(self.next.lsn) {
            return Err(match error {
                Error::OutcomeUnknown { cause, .. } => Error::Poisoned { cause },
                other => other,
            });
        }
        let usual = around.options.segment_bytes;
        let number = self.next_segment;
        let header = Arc::new(SegmentHeader {
            number,
            nonce: Nonce::new(around.options.nonce_seed, number),
            first_lsn: self.next.lsn,
            first_group: self.next.group,
            chain: self.next.chain,
            durable: self.next.lsn,
            segment_bytes: usual.max(SEGMENT_HEADER_BYTES + bytes),
        });
        let spare = if header.segment_bytes == usual { around.spare.take() } else { None };
        let outcome = begin_segment(around.storage, &header, spare);
        if spare.is_some() {
            // Refused for want of space, the spare is still there; in any other case it has become a segment, or nobody
            // will ask for one again.
            let refused = outcome.as_ref().is_err_and(is_refusal);
            around.spare.release(spare.filter(|_| refused));
        }
        let lanes = refused_or_poisoned(around.flusher, outcome)?;
        self.active = Some(Active {
            file: Arc::clone(&lanes[0]),
            header: Arc::clone(&header),
            filled: spare.unwrap_or(0).clamp(SEGMENT_HEADER_BYTES, header.segment_bytes),
        });
        around.flusher.switch(lanes);
        self.next_segment += 1;
        self.stats.rolls += 1;
        self.stats.spares_used += u64::from(spare.is_some());
        around.segments.lock().push(header);
        Ok(())
    }

    /// Writes one group into the room that was made for it.
    fn write(&mut self, flusher: &Flusher, kind: GroupKind, records: &[&[u8]]) -> Result<()> {
        let Some(active) = &self.active else {
            return Err(Error::Closed);
        };
        let Boundary { lsn: start, group, chain } = self.next;
        let plan = GroupPlan { kind, group, start, durable: flusher.durable(), chain };
        let header_crc = encode_group(&mut self.buffer, &active.header, &plan, records);
        let end = start.plus(self.buffer.len() as u64);
        if let Err(cause) = active.file.write_at(active.header.offset_of(start), &self.buffer) {
            return Err(Error::OutcomeUnknown { position: end, cause: flusher.poison(cause) });
        }
        self.next = Boundary { lsn: end, group: group.saturating_add(1), chain: header_crc };
        self.stats.written_bytes += self.buffer.len() as u64;
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
        if kind == GroupKind::Records {
            self.records_end = end;
        }
        flusher.wrote(end, self.records_end);
        Ok(())
    }
}

impl Active {
    /// Writes zeros ahead of a group that ends at `end`, some way further than it needs.
    fn fill(&mut self, end: u64) -> vfs::Result<()> {
        if end <= self.filled {
            return Ok(());
        }
        let ahead = self.filled.saturating_add(self.filled.clamp(FILL_STEP_BYTES_MIN, FILL_STEP_BYTES_MAX));
        let target = end.max(ahead).min(self.header.segment_bytes);
        zero_fill(&*self.file, self.filled, target)?;
        self.filled = target;
        Ok(())
    }
}

/// Turns a spare or an empty file into the segment with this header, and opens it once per lane.
fn begin_segment(storage: &dyn Storage, header: &SegmentHeader, spare: Option<u64>) -> vfs::Result<Lanes> {
    let (working_name, file) = match spare {
        Some(_) => (SPARE, storage.open(SPARE)?),
        None => (FRESH, create_fresh(storage)?),
    };
    publish(storage, working_name, &*file, header)?;
    let second = storage.open(&name_of(header.number))?;
    Ok([Arc::from(file), Arc::from(second)])
}

/// A full disk refuses a call and changes nothing; any other failure ends the log.
fn refused_or_poisoned<T>(flusher: &Flusher, outcome: vfs::Result<T>) -> Result<T> {
    match outcome {
        Ok(value) => Ok(value),
        Err(error) if is_refusal(&error) => Err(Error::Disk(error)),
        Err(cause) => Err(Error::Poisoned { cause: flusher.poison(cause) }),
    }
}

/// Whether a failure to make room left everything as it was. A directory that could not be synced may or may not have the new
/// name, so that is none, whatever the reason.
fn is_refusal(error: &vfs::Error) -> bool {
    matches!(error, vfs::Error::NoSpace { operation, .. } if *operation != Operation::SyncDirectory)
}

fn check_records(options: &WalOptions, records: &[&[u8]]) -> Result<()> {
    let longest = records.iter().map(|record| record.len() as u64).max().unwrap_or(0);
    if longest > options.record_bytes_max {
        return Err(Error::RecordTooLarge { bytes: longest, limit_bytes: options.record_bytes_max });
    }
    Ok(())
}
