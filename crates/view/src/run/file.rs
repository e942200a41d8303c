//! `FileRun`: one run in a mapped, immutable file.
//!
//! A run is a sequence of units of 4 KiB: blocks, then pages of fences, then pages of the hash index. Nothing in them is
//! believed before its checksum was computed, at its first touch; one bit per unit remembers it. So the first read after
//! opening costs a few units, however long the run is, and a flipped bit in an index cannot become a silent "not found". What
//! fails is an [`Error::Corruption`] that names file and offset; what verifies and still makes no sense is one too. No byte
//! sequence makes this module panic.
//!
//! A position is `unit << 16 | slot`. In the hash index positions are shorter, see [`index_position`].
//!
//! Cost: a lookup through the hash index touches one line of the index and the entry; if the entries of the run differ in
//! length, the block's header and slot array too. A search by order touches one page of fences per level and one block.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use monostable_vfs::Mapping;

use crate::error::{Error, Result};
use crate::key::KeyExtent;
use crate::run::block::{self, Block, HEADER_BYTES};
use crate::run::fence::{self, FencePage};
use crate::run::index::{Candidate, IndexShape, LINE_BYTES, PAGE_LINES, used_slots};
use crate::run::meta::{RunMeta, UNIT_BYTES};

const SLOT_BITS: u32 = 16;
/// Units that are verified at once: 2 MiB.
const WARM_UNITS: u64 = 512;
/// Units that are mapped at once: 32 MiB.
const MAP_UNITS: u64 = 8192;
/// What a page of the index is read as if it is not there, which never happens: its units were checked against the file.
const NO_LINE: &[u8; LINE_BYTES] = &[0; LINE_BYTES];

/// A run file that is mapped. Dropped when the last run that lies in it is.
#[derive(Debug)]
pub(crate) struct RunFile {
    pub(crate) name: String,
    pub(crate) mapping: Mapping,
}

/// One run in a run file.
#[derive(Debug)]
pub(crate) struct FileRun {
    /// The arrangement that it belongs to.
    pub(crate) owner: u32,
    pub(crate) meta: RunMeta,
    pub(crate) file: Arc<RunFile>,
    /// All units: blocks, fences, index.
    units: Bytes,
    index: IndexShape,
    verified: Vec<AtomicU64>,
}

/// What is done to a run before somebody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warm {
    /// All units are mapped.
    Map,
    /// Fences and index are verified.
    Pages,
    /// Blocks are verified.
    Blocks,
}

/// The steps of warming, in their order.
pub(crate) const WARM_STEPS: [Warm; 3] = [Warm::Map, Warm::Pages, Warm::Blocks];

/// The position of a slot.
pub(crate) fn position(unit: u64, slot: u16) -> u64 {
    unit << SLOT_BITS | u64::from(slot)
}

pub(crate) fn unit_of(position: u64) -> u64 {
    position >> SLOT_BITS
}

pub(crate) fn slot_of(position: u64) -> u16 {
    (position & 0xffff) as u16
}

/// A position as the index has it: with as few bits for the slot as the run's largest block needs.
pub(crate) fn index_position(unit: u64, slot: u16, slot_bits: u8) -> u64 {
    unit << slot_bits | u64::from(slot)
}

/// Where an index position points.
fn from_index_position(found: u64, slot_bits: u8) -> u64 {
    position(found >> slot_bits, (found & ((1 << slot_bits) - 1)) as u16)
}

impl FileRun {
    /// A run in `file`, whose mapping is `meta.file_bytes` long. Reads nothing.
    pub(crate) fn new(file: Arc<RunFile>, meta: RunMeta, owner: u32) -> Result<FileRun> {
        let whole = file.mapping.bytes();
        if whole.len() as u64 != meta.file_bytes {
            return Err(damaged(&file, 0, "its length is not the one in the manifest"));
        }
        let units = whole.slice(meta.data_offset as usize..(meta.data_offset + meta.bytes()) as usize);
        let verified = (0..meta.all_units().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let index = meta.index_shape();
        Ok(FileRun { owner, meta, file, units, index, verified })
    }

    pub(crate) fn everything(&self) -> Range<u64> {
        0..position(self.meta.units, 0)
    }

    /// The end of the entries that start with `prefix`, given that they begin at `start`.
    pub(crate) fn prefix_end(&self, start: u64, prefix: &[u8]) -> Result<u64> {
        let unit = unit_of(start);
        if unit >= self.meta.units {
            return Ok(start);
        }
        let block = self.block(unit)?;
        let end =
            block.partition(|entry| entry < prefix || entry.starts_with(prefix)).ok_or_else(|| self.senseless(unit))?;
        if end < block.count {
            return Ok(position(unit, end));
        }
        match monostable_types::prefix_successor(prefix) {
            Some(successor) => self.lower_bound(&successor),
            None => Ok(self.everything().end),
        }
    }

    /// The position of the first entry that is not less than `probe`.
    pub(crate) fn lower_bound(&self, probe: &[u8]) -> Result<u64> {
        let Some(unit) = self.last_child(|page| self.children_below(page, probe))? else { return Ok(0) };
        let block = self.block(unit)?;
        let slot = block.lower_bound(probe).ok_or_else(|| self.senseless(unit))?;
        Ok(if slot < block.count { position(unit, slot) } else { position(unit + block.units(), 0) })
    }

    /// Goes down the fences, at each page to the last of the children that `count` counts, and returns the unit of the block
    /// where that ends. `None` if it counts none.
    fn last_child(&self, count: impl Fn(&FencePage<'_>) -> Result<usize>) -> Result<Option<u64>> {
        let mut base = self.meta.units + self.meta.fence_units;
        let mut unit = 0;
        let mut child = 0;
        let levels: smallvec::SmallVec<[u64; 4]> = fence::levels(self.meta.blocks).collect();
        for &pages in levels.iter().rev() {
            base -= pages;
            let page = self.fence_page(base + child)?;
            let Some(last) = count(&page)?.checked_sub(1) else { return Ok(None) };
            unit = page.unit(last).ok_or_else(|| self.senseless(base + child))?;
            child = child * fence::FAN_OUT as u64 + last as u64;
        }
        Ok(Some(unit))
    }

    /// How many children of a page begin with an entry less than `probe`.
    fn children_below(&self, page: &FencePage<'_>, probe: &[u8]) -> Result<usize> {
        let (mut low, mut high) = page.search(probe);
        while low < high {
            let middle = usize::midpoint(low, high);
            let unit = page.unit(middle).unwrap_or(self.meta.units);
            if self.entry_in(&self.block(unit)?, unit, 0)? < probe {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn fence_page(&self, unit: u64) -> Result<FencePage<'_>> {
        FencePage::parse(self.page(unit)?).ok_or_else(|| self.senseless(unit))
    }

    /// The first position of a key's entries, and whether there are more than one.
    #[inline]
    pub(crate) fn locate(&self, key: &[u8], hash: u64, extent: &KeyExtent) -> Result<Option<(u64, bool)>> {
        if self.meta.index_units == 0 {
            return self.locate_by_order(key, extent);
        }
        for (position, many) in self.candidates(hash)? {
            if extent.matches(self.entry(position)?, key) {
                return Ok(Some((position, many)));
            }
        }
        Ok(None)
    }

    /// Where the index says that entries with this hash may begin, and whether there are more than one.
    #[inline]
    fn candidates(&self, hash: u64) -> Result<impl Iterator<Item = (u64, bool)>> {
        let (page, home) = self.index.home(hash);
        let (lines, _) = self.page(self.index_start() + page as u64)?.as_chunks::<LINE_BYTES>();
        let line = |at: usize| lines.get(at).unwrap_or(NO_LINE);
        let found = self.index.candidates(hash, home, PAGE_LINES, line);
        let slot_bits = self.meta.slot_bits;
        Ok(found.map(move |Candidate { position, many }| (from_index_position(position, slot_bits), many)))
    }

    /// Has the disk fetch what looking up keys with these hashes will touch for the first time: all pages of the index, then
    /// all blocks, so that it is asked for many at once. What is damaged is left to the lookup to report.
    pub(crate) fn read_ahead(&self, hashes: &[u64]) {
        if self.meta.index_units == 0 {
            return;
        }
        hashes.iter().for_each(|hash| self.read_index_ahead(*hash));
        for hash in hashes {
            for (position, _) in self.candidates(*hash).into_iter().flatten() {
                self.will_need(unit_of(position));
            }
        }
    }

    /// The same for the page of the index alone, which a lookup reads first.
    #[inline]
    pub(crate) fn read_index_ahead(&self, hash: u64) {
        if self.meta.index_units > 0 {
            self.will_need(self.index_start() + self.index.home(hash).0 as u64);
        }
    }

    #[inline]
    fn will_need(&self, unit: u64) {
        if !self.is_verified(unit) {
            self.file.mapping.will_need(self.bytes_of(unit..unit + 1));
        }
    }

    /// The same in a run of one block, which has no index.
    fn locate_by_order(&self, key: &[u8], extent: &KeyExtent) -> Result<Option<(u64, bool)>> {
        let start = self.lower_bound(key)?;
        let block = self.block(0)?;
        let matches = |slot| block.entry(slot).is_some_and(|entry| extent.matches(entry, key));
        if unit_of(start) > 0 || !matches(slot_of(start)) {
            return Ok(None);
        }
        Ok(Some((start, matches(slot_of(start) + 1))))
    }

    /// The first unit of the index.
    fn index_start(&self) -> u64 {
        self.meta.units + self.meta.fence_units
    }

    /// The entry at a position.
    #[inline]
    pub(crate) fn entry(&self, position: u64) -> Result<&[u8]> {
        let (unit, slot) = (unit_of(position), slot_of(position));
        if self.meta.width > 0 && self.is_verified(unit) {
            // All blocks of this run have one shape, so their headers need not be read.
            let width = self.meta.width as usize;
            let start = unit as usize * UNIT_BYTES as usize + HEADER_BYTES + usize::from(slot) * width;
            return self.units.get(start..start + width).ok_or_else(|| self.senseless(unit));
        }
        self.entry_in(&self.block(unit)?, unit, slot)
    }

    /// The weight of the entry at a position.
    #[inline]
    pub(crate) fn weight(&self, position: u64) -> Result<i64> {
        if self.meta.unit_weights {
            return Ok(1);
        }
        let unit = unit_of(position);
        self.block(unit)?.weight(slot_of(position)).ok_or_else(|| self.senseless(unit))
    }

    fn entry_in<'a>(&'a self, block: &Block<'a>, unit: u64, slot: u16) -> Result<&'a [u8]> {
        block.entry(slot).ok_or_else(|| self.senseless(unit))
    }

    #[inline]
    pub(crate) fn is_verified(&self, unit: u64) -> bool {
        // Relaxed is enough: the bit says something about bytes that never change.
        let word = self.verified.get((unit / 64) as usize);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & 1 << (unit % 64) != 0)
    }

    /// The block that begins at a unit, verified.
    pub(crate) fn block(&self, unit: u64) -> Result<Block<'_>> {
        let verified = self.is_verified(unit);
        self.read_block(unit, !verified)
    }

    /// The block that begins at a unit; `verify` computes its checksum even if that has been done before.
    pub(crate) fn read_block(&self, unit: u64, verify: bool) -> Result<Block<'_>> {
        let rest = self.units_from(unit).filter(|_| unit < self.meta.units).ok_or_else(|| self.senseless(unit))?;
        if verify {
            self.populate(unit, 1)?;
        }
        let units = block::units_claimed(rest).map(u64::from).filter(|units| unit + units <= self.meta.units);
        let units = units.ok_or_else(|| self.senseless(unit))?;
        let bytes = rest.get(..(units * UNIT_BYTES) as usize).ok_or_else(|| self.senseless(unit))?;
        if verify {
            self.populate(unit, units)?;
            self.verify(unit, bytes)?;
        }
        Block::parse(bytes).ok_or_else(|| self.senseless(unit))
    }

    /// A page of fences or index, verified.
    #[inline]
    fn page(&self, unit: u64) -> Result<&[u8]> {
        let page = self.units_from(unit).and_then(|rest| rest.get(..UNIT_BYTES as usize));
        let page = page.ok_or_else(|| self.senseless(unit))?;
        if !self.is_verified(unit) {
            self.populate(unit, 1)?;
            self.verify(unit, page)?;
        }
        Ok(page)
    }

    #[inline]
    fn units_from(&self, unit: u64) -> Option<&[u8]> {
        let start = unit.checked_mul(UNIT_BYTES)? as usize;
        self.units.get(start..)
    }

    /// Computes a checksum, and remembers that it was right.
    #[cold]
    fn verify(&self, unit: u64, bytes: &[u8]) -> Result<()> {
        if !block::verifies(bytes, self.meta.id, unit) {
            return Err(self.senseless(unit));
        }
        if let Some(word) = self.verified.get((unit / 64) as usize) {
            word.fetch_or(1 << (unit % 64), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Computes the checksum of the block or page at a unit, whether or not that has been done, and returns how many units
    /// it has.
    pub(crate) fn scrub(&self, unit: u64) -> Result<u64> {
        if unit < self.meta.units {
            return Ok(self.read_block(unit, true)?.units());
        }
        self.populate(unit, 1)?;
        let rest = self.units_from(unit).and_then(|rest| rest.get(..UNIT_BYTES as usize));
        self.verify(unit, rest.ok_or_else(|| self.senseless(unit))?)?;
        Ok(1)
    }

    /// Does a stretch of a step of warming from `unit` on and returns where the next one begins; `None` at the end, or if the system
    /// does not have all of the stretch in memory. Does not wait for the disk, but for the last block of a stretch if that is longer
    /// than a unit. Damage is left to whoever needs what is damaged.
    pub(crate) fn warm(&self, step: Warm, unit: u64) -> Option<u64> {
        let RunMeta { units, blocks, .. } = self.meta;
        let (last, stretch) = match step {
            Warm::Map => (self.meta.all_units(), MAP_UNITS),
            Warm::Pages => (self.meta.all_units(), WARM_UNITS),
            Warm::Blocks => (units, WARM_UNITS),
        };
        let end = last.min(unit + stretch);
        let mut at = unit;
        if !self.file.mapping.warm(self.bytes_of(unit..end)) {
            return None;
        }
        if step != Warm::Map {
            while at < end
                && let Ok(warmed) = self.scrub(at)
            {
                at += warmed;
            }
        }
        // Unless all blocks are of one unit, only the block before tells where one begins.
        let next = if step == Warm::Blocks && blocks != units { at } else { at.max(end) };
        (next < last && next >= end).then_some(next)
    }

    /// Where a step of warming begins.
    pub(crate) fn warm_start(&self, step: Warm) -> u64 {
        if step == Warm::Pages { self.meta.units } else { 0 }
    }

    fn bytes_of(&self, units: Range<u64>) -> Range<u64> {
        let at = |unit: u64| self.meta.data_offset.saturating_add(unit.saturating_mul(UNIT_BYTES));
        at(units.start)..at(units.end)
    }

    /// How many slots of the index are in use. For verification.
    pub(crate) fn index_keys(&self) -> Result<u64> {
        let pages = self.index_start()..self.meta.all_units();
        pages.map(|unit| Ok(used_slots(self.page(unit)?, self.index.is_wide()))).sum()
    }

    /// Whether the fences describe the `number`-th block, which begins at `unit`. For verification.
    pub(crate) fn fences_describe(&self, number: u64, unit: u64) -> Result<bool> {
        let first = self.entry(position(unit, 0))?;
        let mut start = self.meta.units;
        let mut child = number;
        for pages in fence::levels(self.meta.blocks) {
            let (page, place) = (child / fence::FAN_OUT as u64, child % fence::FAN_OUT as u64);
            if page >= pages || !self.fence_page(start + page)?.describes(place as usize, first, unit) {
                return Ok(false);
            }
            // Pages above say nothing of a block that is not the first of its page.
            if place > 0 {
                break;
            }
            start += pages;
            child = page;
        }
        Ok(true)
    }

    fn populate(&self, unit: u64, units: u64) -> Result<()> {
        Ok(self.file.mapping.populate(self.bytes_of(unit..unit + units))?)
    }

    /// The position before `position`, which is not the first.
    fn previous(&self, position_now: u64) -> Result<u64> {
        let (unit, slot) = (unit_of(position_now), slot_of(position_now));
        if slot > 0 {
            return Ok(position_now - 1);
        }
        let before = self.last_child(|page| Ok(page.before(unit)))?;
        let unit = before.ok_or_else(|| self.senseless(unit))?;
        Ok(position(unit, self.block(unit)?.count - 1))
    }

    pub(crate) fn senseless(&self, unit: u64) -> Error {
        let offset = self.meta.data_offset.saturating_add(unit.saturating_mul(UNIT_BYTES));
        let what = match unit {
            unit if unit < self.meta.units => "the block's checksum or structure is wrong",
            unit if unit < self.index_start() => "the checksum or structure of its fences is wrong",
            _ => "the checksum of its hash index is wrong",
        };
        damaged(&self.file, offset, what)
    }
}

/// A typed error for damage in a run file.
pub(crate) fn damaged(file: &RunFile, offset: u64, what: &'static str) -> Error {
    Error::Corruption { file: file.name.clone(), offset, what }
}

/// A walk over part of a run in a file, which keeps the block it is in.
#[derive(Debug)]
pub(crate) struct FileCursor<'a> {
    run: &'a FileRun,
    /// The current block and its unit.
    block: Option<(u64, Block<'a>)>,
    /// Compute the checksum of every block again, as merges do.
    verify: bool,
}

impl<'a> FileCursor<'a> {
    pub(crate) fn new(run: &'a FileRun, verify: bool) -> FileCursor<'a> {
        FileCursor { run, block: None, verify }
    }

    /// Takes the first entry off `range`, which is not empty.
    pub(crate) fn take_first(&mut self, range: &mut Range<u64>) -> Result<(&'a [u8], i64)> {
        let at = range.start;
        let (unit, slot) = (unit_of(at), slot_of(at));
        let block = self.enter(unit)?;
        range.start = if slot < block.count - 1 { at + 1 } else { position(unit + block.units(), 0) };
        self.read(block, unit, slot)
    }

    /// Takes the last entry off `range`, which is not empty.
    pub(crate) fn take_last(&mut self, range: &mut Range<u64>) -> Result<(&'a [u8], i64)> {
        let at = self.run.previous(range.end)?;
        let (unit, slot) = (unit_of(at), slot_of(at));
        let block = self.enter(unit)?;
        range.end = at;
        self.read(block, unit, slot)
    }

    fn enter(&mut self, unit: u64) -> Result<Block<'a>> {
        match self.block {
            Some((current, block)) if current == unit => Ok(block),
            _ => {
                let block = if self.verify { self.run.read_block(unit, true)? } else { self.run.block(unit)? };
                self.block = Some((unit, block));
                Ok(block)
            }
        }
    }

    fn read(&self, block: Block<'a>, unit: u64, slot: u16) -> Result<(&'a [u8], i64)> {
        let entry = block.entry(slot).ok_or_else(|| self.run.senseless(unit))?;
        let weight = block.weight(slot).ok_or_else(|| self.run.senseless(unit))?;
        Ok((entry, weight))
    }
}
