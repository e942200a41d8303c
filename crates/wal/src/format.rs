//! Groups and segments of the log as bytes.
//!
#![doc = include_str!("../FORMAT.md")]
//!
//! # This module
//!
//! The codec of that page, in both directions, and nothing else: no files, no decisions about what a damaged group means.
//! Invariant: [`SegmentHeader`] and [`GroupHeader`] values that came out of `decode` have passed every check that can be made
//! at their place alone, so that their lengths can be trusted. Cost: one pass of CRC-32 over what is encoded or decoded.

use std::ops::Range;

use bytes::Bytes;
use crc32fast::Hasher;

use crate::error::Damage;
use crate::lsn::Lsn;

/// Groups begin at multiples of this, so that no block with acknowledged bytes is ever written again.
pub(crate) const ALIGNMENT: u64 = 4096;
/// Two copies of the segment header, one block each.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 2 * ALIGNMENT;
/// Fixed part of a group.
pub(crate) const GROUP_HEADER_BYTES: u64 = 64;
/// The version of this page.
pub(crate) const VERSION: u32 = 1;

const SEGMENT_MAGIC: [u8; 8] = *b"MONOWAL\0";
const GROUP_MAGIC: [u8; 4] = *b"MWGR";
const RECORD_HEADER_BYTES: u64 = 4;

/// Tells one use of a segment file from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nonce([u8; 16]);

/// What the first two blocks of a segment say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) number: u64,
    pub(crate) nonce: Nonce,
    /// Position of the first group. Everything before it was durable before this header was written.
    pub(crate) first_lsn: Lsn,
    pub(crate) first_group: u64,
    /// Header checksum of the group before the first.
    pub(crate) chain: u32,
    /// Up to here the segment's own groups were durable before the file had its name; `first_lsn` for a segment that is
    /// filled by appending.
    pub(crate) durable: Lsn,
    /// Where groups must end.
    pub(crate) segment_bytes: u64,
}

/// Whether a group carries records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupKind {
    Records,
    Seal,
}

/// The fixed part of a group, with the checksum that its successor repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupHeader {
    pub(crate) kind: GroupKind,
    pub(crate) group: u64,
    pub(crate) start: Lsn,
    /// Everything before this position was durable when the group was written.
    pub(crate) durable: Lsn,
    pub(crate) payload_bytes: u64,
    pub(crate) records: u32,
    pub(crate) payload_crc: u32,
    pub(crate) chain: u32,
    pub(crate) header_crc: u32,
}

/// What the writer knows about a group before it is encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupPlan {
    pub(crate) kind: GroupKind,
    pub(crate) group: u64,
    pub(crate) start: Lsn,
    pub(crate) durable: Lsn,
    pub(crate) chain: u32,
}

impl Nonce {
    /// Two different segment numbers never share a nonce under one seed: both steps of `high` are bijections.
    pub(crate) fn new(seed: u64, segment_number: u64) -> Nonce {
        let high = mix(seed ^ mix(segment_number));
        let low = mix(high ^ seed);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&high.to_le_bytes());
        bytes[8..].copy_from_slice(&low.to_le_bytes());
        Nonce(bytes)
    }

    fn tag(&self) -> [u8; 8] {
        let mut tag = [0; 8];
        tag.copy_from_slice(&self.0[..8]);
        tag
    }
}

/// The output permutation of SplitMix64.
fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A checksum that is right for one group at one place in one use of one segment.
fn seeded(nonce: &Nonce, group: u64, offset: u64) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.update(&nonce.0);
    hasher.update(&group.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher
}

/// Rounds up to whole blocks.
pub(crate) fn aligned(bytes: u64) -> u64 {
    bytes.div_ceil(ALIGNMENT).saturating_mul(ALIGNMENT)
}

/// Bytes that a group of these records takes in the log.
pub(crate) fn group_bytes(records: &[&[u8]]) -> u64 {
    let payload: u64 = records.iter().map(|record| RECORD_HEADER_BYTES + record.len() as u64).sum();
    aligned(GROUP_HEADER_BYTES + payload)
}

impl SegmentHeader {
    /// Where in the file a position of the log is.
    pub(crate) fn offset_of(&self, lsn: Lsn) -> u64 {
        lsn.0.saturating_sub(self.first_lsn.0).saturating_add(SEGMENT_HEADER_BYTES)
    }

    /// Which position of the log a place in the file is.
    pub(crate) fn lsn_of(&self, offset: u64) -> Lsn {
        self.first_lsn.plus(offset.saturating_sub(SEGMENT_HEADER_BYTES))
    }

    /// Both copies.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut block = vec![0; ALIGNMENT as usize];
        block[0..8].copy_from_slice(&SEGMENT_MAGIC);
        block[8..12].copy_from_slice(&VERSION.to_le_bytes());
        block[16..24].copy_from_slice(&self.number.to_le_bytes());
        block[24..40].copy_from_slice(&self.nonce.0);
        block[40..48].copy_from_slice(&self.first_lsn.0.to_le_bytes());
        block[48..56].copy_from_slice(&self.first_group.to_le_bytes());
        block[56..64].copy_from_slice(&self.durable.0.to_le_bytes());
        block[64..72].copy_from_slice(&self.segment_bytes.to_le_bytes());
        block[72..76].copy_from_slice(&self.chain.to_le_bytes());
        let crc = segment_header_crc(&block);
        block[12..16].copy_from_slice(&crc.to_le_bytes());
        block.repeat(2)
    }

    /// Reads one copy: the version it names, and its contents if that version is this one.
    pub(crate) fn decode(block: &[u8]) -> Option<(u32, Option<SegmentHeader>)> {
        let block = block.get(..ALIGNMENT as usize)?;
        let valid = field::<8>(block, 0)? == SEGMENT_MAGIC && u32_at(block, 12)? == segment_header_crc(block);
        if !valid {
            return None;
        }
        let version = u32_at(block, 8)?;
        if version != VERSION {
            return Some((version, None));
        }
        let header = SegmentHeader {
            number: u64_at(block, 16)?,
            nonce: Nonce(field(block, 24)?),
            first_lsn: Lsn(u64_at(block, 40)?),
            first_group: u64_at(block, 48)?,
            durable: Lsn(u64_at(block, 56)?),
            segment_bytes: u64_at(block, 64)?,
            chain: u32_at(block, 72)?,
        };
        Some((version, Some(header)))
    }
}

/// Everything in the block but the checksum itself.
fn segment_header_crc(block: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&block[..12]);
    hasher.update(&block[16..]);
    hasher.finalize()
}

impl GroupHeader {
    /// Length in the log, padding included.
    pub(crate) fn bytes(&self) -> u64 {
        aligned(GROUP_HEADER_BYTES.saturating_add(self.payload_bytes))
    }

    /// Where the next group begins.
    pub(crate) fn end(&self) -> Lsn {
        self.start.plus(self.bytes())
    }

    /// Reads and checks the header that is expected at `offset` of `segment`: that it is one, that its checksum is right for
    /// exactly this place, and that what it says is possible, in this order, so that no number is used before it is trusted.
    pub(crate) fn decode(bytes: &[u8], segment: &SegmentHeader, offset: u64) -> Result<GroupHeader, Damage> {
        let header = GroupHeader::parse(bytes).ok_or(Damage::Short)?;
        let tagged = field::<4>(bytes, 0) == Some(GROUP_MAGIC) && field::<8>(bytes, 8) == Some(segment.nonce.tag());
        if !tagged {
            return Err(Damage::NoGroup);
        }
        let mut hasher = seeded(&segment.nonce, header.group, offset);
        hasher.update(bytes.get(8..GROUP_HEADER_BYTES as usize).ok_or(Damage::Short)?);
        if hasher.finalize() != header.header_crc {
            return Err(Damage::HeaderChecksum);
        }
        let possible = header.start == segment.lsn_of(offset)
            && header.durable <= header.start
            && header.payload_bytes <= segment.segment_bytes
            && offset.saturating_add(header.bytes()) <= segment.segment_bytes
            && u64::from(header.records).saturating_mul(RECORD_HEADER_BYTES) <= header.payload_bytes
            && u32_at(bytes, 60).is_some_and(|kind| kind <= 1)
            && (header.kind == GroupKind::Records) == (header.records > 0);
        if possible { Ok(header) } else { Err(Damage::HeaderContents) }
    }

    /// The fields as they stand there.
    fn parse(bytes: &[u8]) -> Option<GroupHeader> {
        let records = u32_at(bytes, 48)?;
        let kind = if u32_at(bytes, 60)? == 0 { GroupKind::Records } else { GroupKind::Seal };
        Some(GroupHeader {
            kind,
            group: u64_at(bytes, 16)?,
            start: Lsn(u64_at(bytes, 24)?),
            durable: Lsn(u64_at(bytes, 32)?),
            payload_bytes: u64_at(bytes, 40)?,
            records,
            payload_crc: u32_at(bytes, 52)?,
            chain: u32_at(bytes, 56)?,
            header_crc: u32_at(bytes, 4)?,
        })
    }

    /// Whether this is the payload that the header was written with.
    pub(crate) fn check_payload(&self, payload: &[u8], segment: &SegmentHeader, offset: u64) -> Result<(), Damage> {
        let mut hasher = seeded(&segment.nonce, self.group, offset);
        hasher.update(payload);
        if hasher.finalize() == self.payload_crc { Ok(()) } else { Err(Damage::PayloadChecksum) }
    }
}

/// Appends the whole group, padded, to an empty buffer and returns its header checksum. Nothing is read from elsewhere: the
/// bytes depend on the arguments alone.
pub(crate) fn encode_group(buffer: &mut Vec<u8>, segment: &SegmentHeader, plan: &GroupPlan, records: &[&[u8]]) -> u32 {
    let offset = segment.offset_of(plan.start);
    buffer.clear();
    buffer.resize(GROUP_HEADER_BYTES as usize, 0);
    for record in records {
        // Record lengths were checked against a limit far below 2^32.
        buffer.extend_from_slice(&(record.len() as u32).to_le_bytes());
        buffer.extend_from_slice(record);
    }
    let (head, payload) = buffer.split_at_mut(GROUP_HEADER_BYTES as usize);
    let mut hasher = seeded(&segment.nonce, plan.group, offset);
    hasher.update(payload);
    head[0..4].copy_from_slice(&GROUP_MAGIC);
    head[8..16].copy_from_slice(&segment.nonce.tag());
    head[16..24].copy_from_slice(&plan.group.to_le_bytes());
    head[24..32].copy_from_slice(&plan.start.0.to_le_bytes());
    head[32..40].copy_from_slice(&plan.durable.0.to_le_bytes());
    head[40..48].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    head[48..52].copy_from_slice(&(records.len() as u32).to_le_bytes());
    head[52..56].copy_from_slice(&hasher.finalize().to_le_bytes());
    head[56..60].copy_from_slice(&plan.chain.to_le_bytes());
    head[60..64].copy_from_slice(&u32::from(plan.kind == GroupKind::Seal).to_le_bytes());
    let mut hasher = seeded(&segment.nonce, plan.group, offset);
    hasher.update(&head[8..]);
    let header_crc = hasher.finalize();
    head[4..8].copy_from_slice(&header_crc.to_le_bytes());
    buffer.resize(aligned(buffer.len() as u64) as usize, 0);
    header_crc
}

/// Divides a payload into its records, which share its memory.
pub(crate) fn decode_records(payload: &Bytes, count: u32) -> Result<Vec<Bytes>, Damage> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut at = 0_usize;
    for _ in 0..count {
        let length = u32_at(payload, at).ok_or(Damage::Records)? as usize;
        let start = at + RECORD_HEADER_BYTES as usize;
        at = start.checked_add(length).filter(|end| *end <= payload.len()).ok_or(Damage::Records)?;
        ranges.push(start..at);
    }
    if at != payload.len() {
        return Err(Damage::Records);
    }
    Ok(ranges.into_iter().map(|range| payload.slice(range)).collect())
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    field(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    field(bytes, at).map(u64::from_le_bytes)
}
