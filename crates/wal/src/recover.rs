//! Opening a log: where it ends, whether that end can be believed, and making it so.
//!
//! The tail rule stands as a table in `FORMAT.md`; [`Tail::read`] gathers the evidence, [`Tail::judge`] applies the rule, [`rewrite`] does
//! what makes the answer final. Nothing that was there before is changed: a damaged log is left for salvage, and a torn tail
//! is left behind a newer segment's back until it is recycled.
//!
//! Invariants: when [`recover`] returns `Ok`, everything before `end` is durable and was verified or proven durable, no
//! group that anything proves to have been durable is missing, and running it again gives the same log. It can be
//! interrupted at any point; the rename in [`publish`] is the only step that changes what a later run sees.
//!
//! Cost: the header of every segment, and one pass over the last one. Groups that nothing proves durable, which is at most what
//! was written since the last group of the previous run, are copied.

use std::collections::VecDeque;

use monostable_vfs::Storage;

use crate::error::{Damage, Error, Result};
use crate::format::{
    ALIGNMENT, GroupKind, GroupPlan, Nonce, SEGMENT_HEADER_BYTES, SegmentHeader, decode_records, encode_group,
};
use crate::lsn::Lsn;
use crate::options::WalOptions;
use crate::segment::{FRESH, GroupCursor, SegmentReader, create_fresh, name_of, numbers, publish, remove_if_present};

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The oldest position that can be read.
    pub start: Lsn,
    /// Where the log ends: behind the last group that was recovered.
    pub end: Lsn,
    /// How many groups nothing but their own presence vouched for, so that they were written again and synced.
    pub groups_rewritten: u64,
    /// The unfinished write that the log broke off in, if enough of it is there to be recognised. Information only.
    pub torn: Option<TornTail>,
}

/// The remains of a write that never became durable. Nobody was told that it had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TornTail {
    /// Name of the segment file.
    pub segment: String,
    /// Where in the file the log breaks off.
    pub offset: u64,
    /// What is there instead of a group.
    pub damage: Damage,
}

/// A log as the writer takes it over.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: Vec<SegmentHeader>,
    /// Where the next group goes, which must be into a new segment.
    pub(crate) end: Boundary,
    pub(crate) recovery: Recovery,
}

/// A place between two groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boundary {
    pub(crate) lsn: Lsn,
    /// Number of the group that follows.
    pub(crate) group: u64,
    /// Header checksum of the group before.
    pub(crate) chain: u32,
}

/// Finds the log in a directory, or that there is none yet.
pub(crate) fn recover(storage: &dyn Storage, options: &WalOptions) -> Result<Recovered> {
    remove_if_present(storage, FRESH)?;
    // A process that was killed may have left names that are only in the cache; what follows builds on them.
    storage.sync_dir()?;
    let mut segments = read_headers(storage)?;
    let Some(last) = segments.last().cloned() else {
        return empty(options);
    };
    let tail = Tail::read(SegmentReader::open(storage, last.number)?, options.known_durable)?;
    let torn = tail.judge()?;
    let start = segments.first().map_or(last.first_lsn, |first| first.first_lsn);
    let mut recovery = Recovery { start, end: tail.end.lsn, groups_rewritten: 0, torn };
    if tail.end.lsn > tail.proven.lsn {
        recovery.groups_rewritten = tail.end.group.saturating_sub(tail.proven.group);
        segments.push(rewrite(storage, options, &last, &tail)?);
    }
    let end = match segments.last() {
        Some(rewritten) if rewritten.number != last.number => chain_at_end(storage, rewritten, tail.end)?,
        _ => tail.end,
    };
    Ok(Recovered { segments, end, recovery })
}

/// A log without segments is a new one, unless its owner knows better.
fn empty(options: &WalOptions) -> Result<Recovered> {
    if options.known_durable > Lsn::ZERO {
        return Err(missing(1, Lsn::ZERO, options.known_durable));
    }
    Ok(Recovered {
        segments: Vec::new(),
        end: Boundary { lsn: Lsn::ZERO, group: 1, chain: 0 },
        recovery: Recovery { start: Lsn::ZERO, end: Lsn::ZERO, groups_rewritten: 0, torn: None },
    })
}

fn missing(number: u64, from: Lsn, to: Lsn) -> Error {
    Error::Corruption { segment: name_of(number), offset: 0, from, to, damage: Damage::Missing }
}

/// The headers of all segments, which must be consecutive.
pub(crate) fn read_headers(storage: &dyn Storage) -> Result<Vec<SegmentHeader>> {
    let mut headers: Vec<SegmentHeader> = Vec::new();
    for number in numbers(storage)? {
        let header = SegmentReader::open(storage, number)?.header;
        if let Some(before) = headers.last() {
            let expected = before.number.saturating_add(1);
            if number != expected || header.first_lsn < before.first_lsn {
                return Err(missing(expected, before.first_lsn, header.first_lsn));
            }
        }
        headers.push(header);
    }
    Ok(headers)
}

/// The evidence about the end of the last segment.
#[derive(Debug)]
struct Tail {
    reader: SegmentReader,
    /// Behind the last group with records, or where everything before is proven durable, whichever is later.
    end: Boundary,
    /// The last boundary up to which everything is proven durable.
    proven: Boundary,
    /// Where reading stopped, and why.
    stop: (u64, Damage),
    /// The highest position that anything claims to have been durable.
    claimed: Lsn,
    /// Whether a group that was being written can be recognised where the log breaks off.
    unfinished: bool,
}

impl Tail {
    fn read(reader: SegmentReader, known_durable: Lsn) -> Result<Tail> {
        let header = reader.header.clone();
        let first = Boundary { lsn: header.first_lsn, group: header.first_group, chain: header.chain };
        let mut claimed = known_durable.max(header.durable);
        let mut boundaries = VecDeque::from([first]);
        let mut end = first;
        let mut cursor = GroupCursor::at_start(reader);
        let damage = loop {
            let (group, _) = match cursor.advance()? {
                Ok(found) => found,
                Err(damage) => break damage,
            };
            claimed = claimed.max(group.durable);
            let boundary = Boundary { lsn: group.end(), group: group.group.saturating_add(1), chain: group.header_crc };
            boundaries.push_back(boundary);
            if group.kind == GroupKind::Records {
                end = boundary;
            }
            while boundaries.get(1).is_some_and(|next| next.lsn <= claimed) {
                boundaries.pop_front();
            }
        };
        let proven = boundaries.pop_front().unwrap_or(first);
        let (offset, mut reader) = (cursor.offset, cursor.reader);
        let unfinished = !matches!(reader.header_at(offset)?, Err(Damage::NoGroup | Damage::Short));
        claimed = claimed.max(claimed_behind(&mut reader, offset)?);
        let end = if end.lsn > proven.lsn { end } else { proven };
        Ok(Tail { reader, end, proven, stop: (offset, damage), claimed, unfinished })
    }

    /// The tail rule: damage is a torn tail unless something claims that the log was durable beyond it.
    fn judge(&self) -> Result<Option<TornTail>> {
        let (offset, damage) = self.stop;
        if self.claimed > self.reader.header.lsn_of(offset) {
            return Err(self.reader.corruption(offset, damage, self.claimed));
        }
        let torn = TornTail { segment: self.reader.name.clone(), offset, damage };
        Ok(self.unfinished.then_some(torn))
    }
}

/// The highest claim of any valid header behind `offset`, at every place where a group could begin.
///
/// A header that is valid at its place was written by this use of this segment, and what it claims was true when it was
/// written, whatever has become of the groups around it. Its payload need not be there for that.
fn claimed_behind(reader: &mut SegmentReader, offset: u64) -> Result<Lsn> {
    let limit = reader.limit()?;
    let mut claimed = Lsn::ZERO;
    let mut at = offset;
    while at < limit {
        if let Ok(header) = reader.header_at(at)? {
            claimed = claimed.max(header.durable);
        }
        at += ALIGNMENT;
    }
    Ok(claimed)
}

/// Copies the groups that nothing proves durable into a segment of their own, syncs it, and gives it its name.
///
/// They were read through the operating system's cache, and after a failed sync the cache shows bytes that the disk does not
/// have. The copy carries the same groups at the same positions under a new nonce; its header vouches for them, because
/// the file gets its name only after it was synced.
fn rewrite(storage: &dyn Storage, options: &WalOptions, last: &SegmentHeader, tail: &Tail) -> Result<SegmentHeader> {
    let number = last.number.saturating_add(1);
    let header = SegmentHeader {
        number,
        nonce: Nonce::new(options.nonce_seed, number),
        first_lsn: tail.proven.lsn,
        first_group: tail.proven.group,
        chain: tail.proven.chain,
        durable: tail.end.lsn,
        segment_bytes: SEGMENT_HEADER_BYTES + (tail.end.lsn.0 - tail.proven.lsn.0),
    };
    let file = create_fresh(storage)?;
    let mut source = GroupCursor::at(SegmentReader::open(storage, last.number)?, tail.proven.lsn);
    let mut chain = header.chain;
    let mut buffer = Vec::new();
    while source.lsn() < tail.end.lsn {
        let offset = source.offset;
        let (group, payload) =
            source.advance()?.map_err(|damage| source.reader.corruption(offset, damage, tail.end.lsn))?;
        let records = decode_records(&payload, group.records)
            .map_err(|damage| source.reader.corruption(offset, damage, tail.end.lsn))?;
        let plan =
            GroupPlan { kind: group.kind, group: group.group, start: group.start, durable: group.durable, chain };
        let records: Vec<&[u8]> = records.iter().map(|record| &record[..]).collect();
        chain = encode_group(&mut buffer, &header, &plan, &records);
        file.write_at(header.offset_of(group.start), &buffer)?;
    }
    publish(storage, FRESH, &*file, &header)?;
    Ok(header)
}

/// Reads a rewritten segment back, which both checks it and gives the chain value of its last group.
fn chain_at_end(storage: &dyn Storage, header: &SegmentHeader, end: Boundary) -> Result<Boundary> {
    let mut cursor = GroupCursor::at_start(SegmentReader::open(storage, header.number)?);
    let mut chain = header.chain;
    while cursor.lsn() < end.lsn {
        let offset = cursor.offset;
        let (group, _) = cursor.advance()?.map_err(|damage| cursor.reader.corruption(offset, damage, end.lsn))?;
        chain = group.header_crc;
    }
    Ok(Boundary { chain, ..end })
}
