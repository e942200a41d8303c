//! Fences: where each block begins, and eight bytes of its first entry, to find the block of an entry by order.
//!
//! A tree of pages of 4 KiB. A page describes up to [`FAN_OUT`] children: a child of a leaf is a block, a child of any other
//! page is a page. All first entries of a page's children share some leading bytes; the page holds those once, then per child
//! the eight bytes that follow, big-endian, side by side, then per child the first unit of its first block. Pages of a level
//! are full but the last one, so a child's place follows from its number and no page holds a pointer.
//!
//! Children with equal prefixes are told apart by reading the first entry of one of them; so the fences narrow a search down
//! and the blocks decide it. A search reads one page per level; with [`FAN_OUT`] of 336, three levels describe 37 million
//! blocks.

use crate::batch::{prefix_after, shared_len};
use crate::bytes::{u16_at, u32_at, u64_at};
use crate::run::meta::UNIT_BYTES;

/// Children of one page.
pub(crate) const FAN_OUT: usize = 336;
/// No more shared bytes than this are kept.
const SHARED_BYTES_MAX: usize = 48;
/// What is kept of a block's first entry until the shared bytes are known.
const KEPT_BYTES: usize = SHARED_BYTES_MAX + 8;
const SHARED_AT: usize = 8;
const PREFIXES_AT: usize = 64;
const UNITS_AT: usize = PREFIXES_AT + 8 * FAN_OUT;

/// The number of pages of each level, leaves first, over so many blocks. A run of one block needs none.
pub(crate) fn levels(blocks: u64) -> impl Iterator<Item = u64> {
    let above = |children: u64| Some(children.div_ceil(FAN_OUT as u64)).filter(|_| children > 1);
    std::iter::successors(above(blocks), move |&pages| above(pages))
}

/// A page whose checksum was verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FencePage<'a> {
    bytes: &'a [u8],
    count: usize,
    shared: &'a [u8],
}

impl<'a> FencePage<'a> {
    /// `None` if the bytes are not a page.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<FencePage<'a>> {
        let count = usize::from(u16_at(bytes, 4)?);
        let shared = usize::from(u16_at(bytes, 6)?);
        let shared = bytes.get(SHARED_AT..SHARED_AT + shared).filter(|shared| shared.len() <= SHARED_BYTES_MAX)?;
        let plausible = (1..=FAN_OUT).contains(&count) && bytes.len() as u64 == UNIT_BYTES;
        plausible.then_some(FencePage { bytes, count, shared })
    }

    /// The first unit of a child.
    pub(crate) fn unit(&self, child: usize) -> Option<u64> {
        u32_at(self.bytes, UNITS_AT + 4 * child).map(u64::from).filter(|_| child < self.count)
    }

    /// The number of children that certainly begin with an entry less than `probe`, and the number of those that do or might.
    pub(crate) fn search(&self, probe: &[u8]) -> (usize, usize) {
        let shared = self.shared.len().min(probe.len());
        match probe[..shared].cmp(&self.shared[..shared]) {
            std::cmp::Ordering::Less => return (0, 0),
            std::cmp::Ordering::Greater => return (self.count, self.count),
            std::cmp::Ordering::Equal if probe.len() < self.shared.len() => return (0, 0),
            std::cmp::Ordering::Equal => {}
        }
        let wanted = prefix_after(probe, self.shared.len());
        let low = self.partition(0, |child| self.prefix(child) < wanted);
        let high = self.partition(low, |child| self.prefix(child) == wanted);
        (low, high)
    }

    /// The number of children that begin before `unit`.
    pub(crate) fn before(&self, unit: u64) -> usize {
        self.partition(0, |child| self.unit(child).is_some_and(|first| first < unit))
    }

    /// Whether a child is described by these first bytes of its first entry, and this unit.
    pub(crate) fn describes(&self, child: usize, first: &[u8], unit: u64) -> bool {
        self.unit(child) == Some(unit)
            && first.starts_with(self.shared)
            && self.prefix(child) == prefix_after(first, self.shared.len())
    }

    fn prefix(&self, child: usize) -> u64 {
        u64_at(self.bytes, PREFIXES_AT + 8 * child).unwrap_or(u64::MAX)
    }

    /// The first child from `low` on that does not satisfy `holds`.
    fn partition(&self, mut low: usize, holds: impl Fn(usize) -> bool) -> usize {
        let mut high = self.count;
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
}

/// The beginning of a block: what its first entry begins with, and its first unit.
#[derive(Clone, Debug)]
struct First {
    kept: [u8; KEPT_BYTES],
    count: u8,
    unit: u32,
}

impl First {
    fn bytes(&self) -> &[u8] {
        &self.kept[..usize::from(self.count)]
    }
}

/// Collects the fences of a run that is being written.
#[derive(Debug, Default)]
pub(crate) struct FenceBuilder {
    firsts: Vec<First>,
}

impl FenceBuilder {
    pub(crate) fn push(&mut self, first: &[u8], unit: u32) {
        let count = first.len().min(KEPT_BYTES);
        let mut kept = [0; KEPT_BYTES];
        kept[..count].copy_from_slice(&first[..count]);
        self.firsts.push(First { kept, count: count as u8, unit });
    }

    pub(crate) fn len(&self) -> usize {
        self.firsts.len()
    }

    /// The pages, leaves first; the checksum's place is zero.
    pub(crate) fn finish(&self) -> Vec<Vec<u8>> {
        let mut pages = Vec::new();
        let mut children = self.firsts.clone();
        while children.len() > 1 {
            pages.extend(children.chunks(FAN_OUT).map(page));
            children = children.into_iter().step_by(FAN_OUT).collect();
        }
        pages
    }
}

fn page(children: &[First]) -> Vec<u8> {
    let least = children.first().map_or(&[][..], First::bytes);
    let greatest = children.last().map_or(&[][..], First::bytes);
    let shared = shared_len(least, greatest).min(SHARED_BYTES_MAX);
    let mut out = Vec::with_capacity(UNIT_BYTES as usize);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(children.len() as u16).to_le_bytes());
    out.extend_from_slice(&(shared as u16).to_le_bytes());
    out.extend_from_slice(&least[..shared]);
    out.resize(PREFIXES_AT, 0);
    for child in children {
        // Little-endian on disk like every other field; big-endian order is in the value.
        out.extend_from_slice(&prefix_after(child.bytes(), shared).to_le_bytes());
    }
    out.resize(UNITS_AT, 0);
    for child in children {
        out.extend_from_slice(&child.unit.to_le_bytes());
    }
    out.resize(UNIT_BYTES as usize, 0);
    out
}
