//! Fences: where each block begins, and eight bytes of its first entry, to find the block of an entry.
//!
//! All first entries of a run share some leading bytes; the fences hold those once, then per block the eight bytes that
//! follow, big-endian, side by side, then per block its first unit. Two blocks with equal prefixes are told apart by reading
//! the first entry of one of them; so the fences narrow a search down and the blocks decide it.

use bytes::Bytes;

use crate::batch::{prefix_after, shared_len};
use crate::bytes::{Reader, u32_at, u64_at};

/// No more shared bytes than this are kept.
const SHARED_BYTES_MAX: usize = 48;
/// What is kept of a block's first entry until the shared bytes are known.
const KEPT_BYTES: usize = SHARED_BYTES_MAX + 8;

/// The verified fences of a run.
#[derive(Debug)]
pub(crate) struct Fences {
    shared: Bytes,
    prefixes: Bytes,
    units: Bytes,
    blocks: usize,
}

impl Fences {
    /// Reads a verified section; `None` if it is not the fences of `blocks` blocks in `units` units.
    pub(crate) fn parse(section: Bytes, blocks: u64, units: u64) -> Option<Fences> {
        let blocks = usize::try_from(blocks).ok()?;
        let mut reader = Reader::new(&section);
        let shared_len = reader.u32()? as usize;
        reader.bytes(shared_len)?;
        reader.bytes(blocks.checked_mul(8)?)?;
        reader.bytes(blocks.checked_mul(4)?)?;
        if !reader.is_empty() {
            return None;
        }
        let prefixes_at = 4 + shared_len;
        let units_at = prefixes_at + 8 * blocks;
        let fences = Fences {
            shared: section.slice(4..prefixes_at),
            prefixes: section.slice(prefixes_at..units_at),
            units: section.slice(units_at..),
            blocks,
        };
        let ascending = (1..blocks).all(|block| fences.unit(block - 1) < fences.unit(block));
        let inside = fences.unit(0) == Some(0) && fences.unit(blocks.checked_sub(1)?)? < units;
        (ascending && inside).then_some(fences)
    }

    /// The first unit of a block.
    pub(crate) fn unit(&self, block: usize) -> Option<u64> {
        u32_at(&self.units, block.checked_mul(4)?).map(u64::from)
    }

    /// Number of blocks.
    pub(crate) fn len(&self) -> usize {
        self.blocks
    }

    /// The last block that begins before `unit`.
    pub(crate) fn block_before(&self, unit: u64) -> Option<usize> {
        partition(0, self.blocks, |block| self.unit(block).is_some_and(|first| first < unit)).checked_sub(1)
    }

    /// The number of blocks that certainly begin with an entry less than `probe`, and the number of blocks that do or might.
    pub(crate) fn search(&self, probe: &[u8]) -> (usize, usize) {
        let shared = self.shared.len().min(probe.len());
        match probe[..shared].cmp(&self.shared[..shared]) {
            std::cmp::Ordering::Less => return (0, 0),
            std::cmp::Ordering::Greater => return (self.blocks, self.blocks),
            std::cmp::Ordering::Equal if probe.len() < self.shared.len() => return (0, 0),
            std::cmp::Ordering::Equal => {}
        }
        let wanted = prefix_after(probe, self.shared.len());
        let low = partition(0, self.blocks, |block| self.prefix(block) < wanted);
        let high = partition(low, self.blocks, |block| self.prefix(block) == wanted);
        (low, high)
    }

    fn prefix(&self, block: usize) -> u64 {
        u64_at(&self.prefixes, block * 8).unwrap_or(u64::MAX)
    }
}

/// The first number in `low..high` that does not satisfy `holds`.
fn partition(mut low: usize, mut high: usize, holds: impl Fn(usize) -> bool) -> usize {
    while low < high {
        let middle = usize::midpoint(low, high);
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Collects the fences of a run that is being written.
#[derive(Debug, Default)]
pub(crate) struct FenceBuilder {
    firsts: Vec<([u8; KEPT_BYTES], u8)>,
    units: Vec<u32>,
}

impl FenceBuilder {
    pub(crate) fn push(&mut self, first: &[u8], unit: u32) {
        let count = first.len().min(KEPT_BYTES);
        let mut kept = [0; KEPT_BYTES];
        kept[..count].copy_from_slice(&first[..count]);
        self.firsts.push((kept, count as u8));
        self.units.push(unit);
    }

    pub(crate) fn len(&self) -> usize {
        self.units.len()
    }

    pub(crate) fn finish(&self) -> Vec<u8> {
        let first = |(kept, count): &([u8; KEPT_BYTES], u8)| kept[..usize::from(*count)].to_vec();
        let least = self.firsts.first().map(first).unwrap_or_default();
        let greatest = self.firsts.last().map(first).unwrap_or_default();
        let shared = shared_len(&least, &greatest).min(SHARED_BYTES_MAX);
        let mut out = Vec::with_capacity(4 + shared + 12 * self.units.len());
        out.extend_from_slice(&(shared as u32).to_le_bytes());
        out.extend_from_slice(&least[..shared]);
        for (kept, count) in &self.firsts {
            // Little-endian on disk like every other field; big-endian order is in the value.
            out.extend_from_slice(&prefix_after(&kept[..usize::from(*count)], shared).to_le_bytes());
        }
        for unit in &self.units {
            out.extend_from_slice(&unit.to_le_bytes());
        }
        out
    }
}
