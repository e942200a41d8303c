//! `FileRun`: one run in a mapped, immutable file.
//!
//! Nothing in the file is believed before its checksum was computed: a block at its first touch (one bit per unit remembers
//! it), the fences and the hash index as wholes before their first use, because a flipped bit there would be a silent "not
//! found". What fails is an [`Error::Corruption`] that names file and offset; what verifies and still makes no sense is one
//! too. No byte sequence makes this module panic.
//!
//! A position is `unit << 16 | slot`.
//!
//! Cost: a lookup through the hash index touches one slot of the index and the entry; if the entries of the run differ in
//! length, the block's slot array too. A search by order reads the fences (8 bytes per block, side by side) and one block.

use std::ops::Range;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use monostable_vfs::Mapping;

use crate::bytes::{seeded_crc, u64_at};
use crate::error::{Error, Result};
use crate::key::KeyExtent;
use crate::run::block::{self, Block, HEADER_BYTES};
use crate::run::fence::Fences;
use crate::run::index::{Candidate, candidates};
use crate::run::meta::{RunMeta, Section, UNIT_BYTES};

/// Seeds of the sections' checksums, where blocks have their unit number.
pub(crate) const FENCES_PLACE: u64 = u64::MAX;
/// See [`FENCES_PLACE`].
pub(crate) const INDEX_PLACE: u64 = u64::MAX - 1;

const SLOT_BITS: u32 = 16;

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
    data: Bytes,
    index: Bytes,
    verified: Vec<AtomicU64>,
    fences: OnceLock<Fences>,
    index_verified: AtomicBool,
}

/// The position of a slot.
pub(crate) fn position(unit: u64, slot: u16) -> u64 {
    unit << SLOT_BITS | u64::from(slot)
}

fn unit_of(position: u64) -> u64 {
    position >> SLOT_BITS
}

fn slot_of(position: u64) -> u16 {
    (position & 0xffff) as u16
}

impl FileRun {
    /// A run in `file`, whose mapping is `meta.file_bytes` long. Reads nothing.
    pub(crate) fn new(file: Arc<RunFile>, meta: RunMeta, owner: u32) -> Result<FileRun> {
        let whole = file.mapping.bytes();
        if whole.len() as u64 != meta.file_bytes {
            return Err(damaged(&file, 0, "its length is not the one in the manifest"));
        }
        let slice = |offset: u64, bytes: u64| whole.slice(offset as usize..(offset + bytes) as usize);
        let data = slice(meta.data_offset, meta.units * UNIT_BYTES);
        let index = slice(meta.index.offset, meta.index.bytes);
        let verified = (0..meta.units.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let (fences, index_verified) = (OnceLock::new(), AtomicBool::new(false));
        Ok(FileRun { owner, meta, file, data, index, verified, fences, index_verified })
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
        let fences = self.fences()?;
        // Blocks before `low` begin with a lesser entry, blocks from `high` on with a greater one, to judge by prefixes.
        let (mut low, mut high) = fences.search(probe);
        while low < high {
            let middle = usize::midpoint(low, high);
            let unit = self.unit_at(fences, middle)?;
            if self.entry_in(&self.block(unit)?, unit, 0)? < probe {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(before) = low.checked_sub(1) else { return Ok(0) };
        let unit = self.unit_at(fences, before)?;
        let block = self.block(unit)?;
        let slot = block.lower_bound(probe).ok_or_else(|| self.senseless(unit))?;
        Ok(if slot < block.count { position(unit, slot) } else { position(unit + block.units(), 0) })
    }

    /// The first position of a key's entries, and whether there are more than one.
    pub(crate) fn locate(&self, key: &[u8], hash: u64, extent: &KeyExtent) -> Result<Option<(u64, bool)>> {
        self.verify_index()?;
        let index = &self.index[..];
        for Candidate { position, many } in candidates(hash, index.len() / 8, |at| u64_at(index, at * 8).unwrap_or(0)) {
            if extent.matches(self.entry(position)?, key) {
                return Ok(Some((position, many)));
            }
        }
        Ok(None)
    }

    /// The entry at a position.
    #[inline]
    pub(crate) fn entry(&self, position: u64) -> Result<&[u8]> {
        let (unit, slot) = (unit_of(position), slot_of(position));
        if self.meta.width > 0 && self.is_verified(unit) {
            // All blocks of this run have one shape, so their headers need not be read.
            let width = self.meta.width as usize;
            let start = unit as usize * UNIT_BYTES as usize + HEADER_BYTES + usize::from(slot) * width;
            return self.data.get(start..start + width).ok_or_else(|| self.senseless(unit));
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
    fn is_verified(&self, unit: u64) -> bool {
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
        let start = unit.checked_mul(UNIT_BYTES).map(|start| start as usize);
        let rest = start.and_then(|start| self.data.get(start..)).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or_else(|| self.senseless(unit))?;
        if verify {
            self.populate(self.meta.data_offset + unit * UNIT_BYTES, UNIT_BYTES)?;
        }
        let units = block::units_claimed(rest).map(|units| units as usize * UNIT_BYTES as usize);
        let bytes = units.and_then(|bytes| rest.get(..bytes)).ok_or_else(|| self.senseless(unit))?;
        if verify {
            self.populate(self.meta.data_offset + unit * UNIT_BYTES, bytes.len() as u64)?;
            if !block::verifies(bytes, self.meta.id, unit) {
                return Err(self.senseless(unit));
            }
            if let Some(word) = self.verified.get((unit / 64) as usize) {
                word.fetch_or(1 << (unit % 64), Ordering::Relaxed);
            }
        }
        Block::parse(bytes).ok_or_else(|| self.senseless(unit))
    }

    /// The fences, verified.
    pub(crate) fn fences(&self) -> Result<&Fences> {
        if let Some(fences) = self.fences.get() {
            return Ok(fences);
        }
        let bytes = self.section(&self.meta.fences, FENCES_PLACE, "the checksum of its fences is wrong")?;
        let fences = Fences::parse(bytes, self.meta.blocks, self.meta.units)
            .ok_or_else(|| damaged(&self.file, self.meta.fences.offset, "its fences make no sense"))?;
        Ok(self.fences.get_or_init(|| fences))
    }

    fn verify_index(&self) -> Result<()> {
        if !self.index_verified.load(Ordering::Relaxed) {
            self.section(&self.meta.index, INDEX_PLACE, "the checksum of its hash index is wrong")?;
            self.index_verified.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Computes the checksums of fences and index, whether or not that has been done.
    pub(crate) fn verify_sections(&self) -> Result<()> {
        self.section(&self.meta.fences, FENCES_PLACE, "the checksum of its fences is wrong")?;
        self.section(&self.meta.index, INDEX_PLACE, "the checksum of its hash index is wrong")?;
        Ok(())
    }

    /// The raw slots of the index. For verification.
    pub(crate) fn index_slots(&self) -> impl Iterator<Item = u64> + '_ {
        self.index.chunks_exact(8).map(|slot| u64_at(slot, 0).unwrap_or(0))
    }

    fn section(&self, section: &Section, place: u64, what: &'static str) -> Result<Bytes> {
        self.populate(section.offset, section.bytes)?;
        let bytes = self.file.mapping.bytes().slice(section.offset as usize..(section.offset + section.bytes) as usize);
        if seeded_crc(self.meta.id, place, &bytes) != section.crc {
            return Err(damaged(&self.file, section.offset, what));
        }
        Ok(bytes)
    }

    fn populate(&self, offset: u64, bytes: u64) -> Result<()> {
        Ok(self.file.mapping.populate(offset..offset + bytes)?)
    }

    fn unit_at(&self, fences: &Fences, block: usize) -> Result<u64> {
        fences.unit(block).ok_or_else(|| damaged(&self.file, self.meta.fences.offset, "its fences make no sense"))
    }

    /// The position before `position`, which is not the first.
    fn previous(&self, position_now: u64) -> Result<u64> {
        let (unit, slot) = (unit_of(position_now), slot_of(position_now));
        if slot > 0 {
            return Ok(position_now - 1);
        }
        let fences = self.fences()?;
        let before = fences.block_before(unit).ok_or_else(|| self.senseless(unit))?;
        let unit = self.unit_at(fences, before)?;
        Ok(position(unit, self.block(unit)?.count - 1))
    }

    pub(crate) fn senseless(&self, unit: u64) -> Error {
        let offset = self.meta.data_offset.saturating_add(unit.saturating_mul(UNIT_BYTES));
        damaged(&self.file, offset, "the block's checksum or structure is wrong")
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
