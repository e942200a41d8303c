//! Blocks: a few entries in one or more units of 4 KiB, each reachable without decoding its neighbours.
//!
//! A block that holds more than one entry is one unit long. An entry that does not fit into one unit has a block of as many
//! units as it takes to itself. The layout is in `FORMAT.md`.
//!
//! [`Block`] is a view of bytes whose checksum has been verified. It still reads through checked accesses only, because a
//! checksum proves nothing about a writer with a mistake: what does not fit is `None`, and the caller names the place.

use crate::bytes::{Reader, seeded_crc, u16_at};
use crate::run::meta::UNIT_BYTES;

/// Bytes before a block's slots or entries.
pub(crate) const HEADER_BYTES: usize = 16;
const UNIT: usize = UNIT_BYTES as usize;
/// Bytes before the entry of a block of several units: the header and the entry's length.
const LARGE_HEADER_BYTES: usize = HEADER_BYTES + 4;

/// A verified block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    bytes: &'a [u8],
    pub(crate) count: u16,
    width: u16,
    weight_width: u8,
}

/// How many units the block that begins `bytes` claims to have: the one field that is read before the checksum.
pub(crate) fn units_claimed(bytes: &[u8]) -> Option<u32> {
    let mut header = Reader::new(bytes);
    header.u32()?;
    header.u32().filter(|&units| units > 0)
}

/// Whether the checksum of a whole block is right.
pub(crate) fn verifies(bytes: &[u8], run: u128, unit: u64) -> bool {
    let stored = Reader::new(bytes).u32();
    bytes.get(4..).is_some_and(|body| stored == Some(seeded_crc(run, unit, body)))
}

impl<'a> Block<'a> {
    /// Reads the header of a verified block.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Block<'a>> {
        let mut header = Reader::new(bytes);
        header.u32()?;
        let units = header.u32()?;
        let block = Block { bytes, count: header.u16()?, width: header.u16()?, weight_width: header.u8()? };
        let plausible = matches!(block.weight_width, 0 | 1 | 8) && block.count > 0 && (units == 1 || block.count == 1);
        plausible.then_some(block)
    }

    pub(crate) fn units(&self) -> u64 {
        self.bytes.len() as u64 / UNIT_BYTES
    }

    #[inline]
    pub(crate) fn entry(&self, slot: u16) -> Option<&'a [u8]> {
        if slot >= self.count {
            return None;
        }
        let slot = usize::from(slot);
        if self.width > 0 {
            let width = usize::from(self.width);
            let start = HEADER_BYTES + slot * width;
            return self.bytes.get(start..start + width);
        }
        if self.bytes.len() > UNIT {
            return Reader::new(self.bytes.get(HEADER_BYTES..)?).sized();
        }
        let start = u16_at(self.bytes, HEADER_BYTES + 2 * slot)?;
        let end = u16_at(self.bytes, HEADER_BYTES + 2 * slot + 2)?;
        self.bytes.get(usize::from(start)..usize::from(end))
    }

    #[inline]
    pub(crate) fn weight(&self, slot: u16) -> Option<i64> {
        if self.weight_width == 0 {
            return Some(1);
        }
        let width = usize::from(self.weight_width);
        let all = self.bytes.len().checked_sub(usize::from(self.count) * width)?;
        let mut field = Reader::new(self.bytes.get(all + usize::from(slot) * width..)?);
        if width == 1 {
            field.u8().map(|byte| i64::from(byte.cast_signed()))
        } else {
            field.u64().map(u64::cast_signed)
        }
    }

    /// The slot of the first entry that is not less than `probe`; `count` if there is none.
    pub(crate) fn lower_bound(&self, probe: &[u8]) -> Option<u16> {
        self.partition(|entry| entry < probe)
    }

    /// How many entries satisfy `holds`, which holds for the first of them only.
    pub(crate) fn partition(&self, holds: impl Fn(&[u8]) -> bool) -> Option<u16> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = u16::midpoint(low, high);
            if holds(self.entry(middle)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(low)
    }
}

/// Collects the entries of the next block.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    entries: Vec<u8>,
    ends: Vec<usize>,
    weights: Vec<i64>,
    /// The width of all entries so far, if they have one.
    width: Option<usize>,
    weight_width: usize,
}

impl BlockBuilder {
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Whether another entry fits into the unit. Into an empty block everything fits.
    pub(crate) fn fits(&self, entry: &[u8], weight: i64) -> bool {
        self.ends.is_empty() || self.bytes_with(entry, weight) <= UNIT
    }

    fn bytes_with(&self, entry: &[u8], weight: i64) -> usize {
        let count = self.ends.len() + 1;
        let uniform = !entry.is_empty() && self.width.is_none_or(|width| width == entry.len());
        let uniform = uniform && (self.width.is_some() || self.ends.is_empty());
        let slots = if uniform { 0 } else { 2 * (count + 1) };
        let weight_width = self.weight_width.max(width_of(weight));
        HEADER_BYTES + slots + self.entries.len() + entry.len() + count * weight_width
    }

    pub(crate) fn push(&mut self, entry: &[u8], weight: i64) {
        let uniform = !entry.is_empty() && (self.ends.is_empty() || self.width == Some(entry.len()));
        self.width = uniform.then_some(entry.len());
        self.weight_width = self.weight_width.max(width_of(weight));
        self.entries.extend_from_slice(entry);
        self.ends.push(self.entries.len());
        self.weights.push(weight);
    }

    /// Appends the block, which is number `unit` of run `run`, to `out`, and starts over. Returns its units.
    pub(crate) fn finish(&mut self, run: u128, unit: u64, out: &mut Vec<u8>) -> u64 {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_BYTES]);
        let count = self.ends.len();
        let weights_bytes = count * self.weight_width;
        let single_unit_width = self.width.filter(|_| HEADER_BYTES + self.entries.len() + weights_bytes <= UNIT);
        let units = if single_unit_width.is_some() {
            1
        } else if HEADER_BYTES + 2 * (count + 1) + self.entries.len() + weights_bytes <= UNIT {
            let first = HEADER_BYTES + 2 * (count + 1);
            for offset in std::iter::once(first).chain(self.ends.iter().map(|end| first + end)) {
                out.extend_from_slice(&(offset as u16).to_le_bytes());
            }
            1
        } else {
            assert_eq!(count, 1, "only a block of one entry may exceed a unit");
            out.extend_from_slice(&(self.entries.len() as u32).to_le_bytes());
            (LARGE_HEADER_BYTES + self.entries.len() + weights_bytes).div_ceil(UNIT).max(2)
        };
        out.extend_from_slice(&self.entries);
        out.resize(start + units * UNIT - weights_bytes, 0);
        for weight in &self.weights {
            out.extend_from_slice(&weight.to_le_bytes()[..self.weight_width]);
        }
        let block = &mut out[start..];
        block[4..8].copy_from_slice(&(units as u32).to_le_bytes());
        block[8..10].copy_from_slice(&(count as u16).to_le_bytes());
        block[10..12].copy_from_slice(&(single_unit_width.unwrap_or(0) as u16).to_le_bytes());
        block[12] = self.weight_width as u8;
        let crc = seeded_crc(run, unit, &block[4..]);
        block[..4].copy_from_slice(&crc.to_le_bytes());
        self.entries.clear();
        self.ends.clear();
        self.weights.clear();
        self.width = None;
        self.weight_width = 0;
        units as u64
    }
}

/// Bytes that a weight takes in a block: none if it is 1.
fn width_of(weight: i64) -> usize {
    match weight {
        1 => 0,
        -128..=127 => 1,
        _ => 8,
    }
}
