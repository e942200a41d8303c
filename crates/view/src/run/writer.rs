//! Writing runs into a file: one run after another, then the footer.
//!
//! A [`FileWriter`] owns the file under its temporary name; [`RunWriter`] is the run that is being written into it. Entries
//! come in ascending order. What is written is buffered and goes out in large writes; nothing is synced before
//! [`FileWriter::finish`], which makes the file durable, read-only and gives it its name.
//!
//! Writes are [`BUFFER_BYTES`] long and begin at multiples of it, which is the size of a huge page: Linux then keeps the file
//! in huge pages, and a mapping of it costs one page-table entry where it would cost 512. Nothing depends on that but speed.
//!
//! Cost: one pass; in memory the fences (64 bytes per block) and 16 bytes per key, from which the hash index is built when
//! the number of keys is known.

use std::sync::Arc;

use monostable_vfs::{File, Storage};

use crate::batch::ENTRY_BYTES_MAX;
use crate::bytes::seeded_crc;
use crate::error::{Error, Result};
use crate::hash::{entry_hash, key_hash};
use crate::key::KeyExtent;
use crate::run::block::BlockBuilder;
use crate::run::fence::FenceBuilder;
use crate::run::file::{RunFile, index_position, position, slot_of, unit_of};
use crate::run::footer;
use crate::run::index::{HashIndex, bits_of};
use crate::run::meta::{BOUND_BYTES_MAX, RunMeta, UNIT_BYTES, UNITS_MAX};

const BUFFER_BYTES: usize = 2 << 20;
/// Runs whose entries are all of one width, up to this one, are read without looking at block headers.
const UNIFORM_WIDTH_MAX: usize = 4072;

/// The name of a run file while it is being written.
pub(crate) fn temporary_name(number: u64) -> String {
    format!("{number:016x}.run.tmp")
}

/// The name of a finished run file.
pub(crate) fn final_name(number: u64) -> String {
    format!("{number:016x}.run")
}

/// What a run was computed from, for its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) epochs: (u64, u64),
    pub(crate) lsns: (u64, u64),
}

impl Bounds {
    /// The bounds of both together.
    pub(crate) fn and(self, other: Bounds) -> Bounds {
        Bounds {
            epochs: (self.epochs.0.min(other.epochs.0), self.epochs.1.max(other.epochs.1)),
            lsns: (self.lsns.0.min(other.lsns.0), self.lsns.1.max(other.lsns.1)),
        }
    }
}

/// A run file that is being written.
#[derive(Debug)]
pub(crate) struct FileWriter {
    file: Box<dyn File>,
    number: u64,
    offset: u64,
    buffer: Vec<u8>,
    runs: Vec<RunMeta>,
}

impl FileWriter {
    pub(crate) fn create(storage: &dyn Storage, number: u64) -> Result<FileWriter> {
        let file = storage.create(&temporary_name(number))?;
        let mut writer = FileWriter { file, number, offset: 0, buffer: Vec::new(), runs: Vec::new() };
        writer.buffer.extend_from_slice(&footer::header(number));
        Ok(writer)
    }

    /// The file's number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Where the next byte goes.
    fn end(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    /// Writes out what fills the buffer, once or several times.
    fn flush_if_full(&mut self) -> Result<()> {
        let full = self.buffer.len() / BUFFER_BYTES * BUFFER_BYTES;
        if full > 0 {
            self.file.write_at(self.offset, &self.buffer[..full])?;
            self.offset += full as u64;
            self.buffer.drain(..full);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.flush_if_full()?;
        self.file.write_at(self.offset, &self.buffer)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn align(&mut self, bytes: u64) {
        let missing = self.end().next_multiple_of(bytes) - self.end();
        self.buffer.resize(self.buffer.len() + missing as usize, 0);
    }

    /// Adds the run that was finished last to the footer.
    fn add(&mut self, meta: RunMeta) {
        self.runs.push(meta);
    }

    /// Whether any run was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Makes the file durable under its final name and maps it. The runs come in the order in which they were written.
    pub(crate) fn finish(mut self, storage: &dyn Storage) -> Result<(Arc<RunFile>, Vec<RunMeta>)> {
        self.align(8);
        let file_bytes = footer::end(self.end(), &self.runs);
        for meta in &mut self.runs {
            meta.file_bytes = file_bytes;
        }
        let footer = footer::encode(self.number, self.end(), &self.runs);
        self.buffer.extend_from_slice(&footer);
        self.flush()?;
        self.file.sync_all()?;
        self.file.set_read_only()?;
        let name = final_name(self.number);
        storage.rename(&temporary_name(self.number), &name)?;
        storage.sync_dir()?;
        let mapping = storage.map(&name, file_bytes)?;
        Ok((Arc::new(RunFile { name, mapping }), self.runs))
    }
}

/// Where the writer of a run stands.
#[derive(Debug)]
enum Phase {
    Entries,
    /// The index is being filled.
    Index(IndexPhase),
}

#[derive(Debug)]
struct IndexPhase {
    index: HashIndex,
    /// So many keys are in it, and so many of [`RunWriter::many`].
    keys: usize,
    many: usize,
    attempt: usize,
}

/// One run that is being written.
#[derive(Debug)]
pub(crate) struct RunWriter {
    meta: RunMeta,
    block: BlockBuilder,
    fences: FenceBuilder,
    /// Hash and first position of each key.
    keys: Vec<(u64, u64)>,
    /// The numbers of the keys that have more than one entry.
    many: Vec<u64>,
    last_key: Vec<u8>,
    uniform: Option<usize>,
    phase: Phase,
}

impl RunWriter {
    /// Starts a run at the end of `file`. `id` must be fresh.
    pub(crate) fn start(file: &mut FileWriter, id: u128, extent: &KeyExtent) -> RunWriter {
        file.align(UNIT_BYTES);
        let meta = RunMeta {
            id,
            file: file.number,
            file_bytes: 0,
            data_offset: file.end(),
            units: 0,
            blocks: 0,
            fence_units: 0,
            index_units: 0,
            slot_bits: 0,
            entries: 0,
            keys: 0,
            width: 0,
            unit_weights: true,
            extent: extent.tag(),
            weight_sum: 0,
            hash: 0,
            epochs: (0, 0),
            lsns: (0, 0),
            first: Vec::new(),
            last: Vec::new(),
        };
        RunWriter {
            meta,
            block: BlockBuilder::default(),
            fences: FenceBuilder::default(),
            keys: Vec::new(),
            many: Vec::new(),
            last_key: Vec::new(),
            uniform: None,
            phase: Phase::Entries,
        }
    }

    /// Adds an entry that is greater than all before it, with a weight that is not zero.
    pub(crate) fn push(&mut self, file: &mut FileWriter, extent: &KeyExtent, entry: &[u8], weight: i64) -> Result<()> {
        if entry.len() > ENTRY_BYTES_MAX {
            return Err(Error::EntryTooLarge { bytes: entry.len(), bytes_max: ENTRY_BYTES_MAX });
        }
        if !self.block.fits(entry, weight) {
            self.flush_block(file)?;
        }
        if self.block.count() == 0 {
            let unit = u32::try_from(self.meta.units).map_err(|_| run_too_large())?;
            self.fences.push(entry, unit);
        }
        let slot = self.block.count() as u16;
        self.note_key(extent.key(entry)?, position(self.meta.units, slot));
        self.note_entry(entry, weight);
        self.block.push(entry, weight);
        Ok(())
    }

    fn note_key(&mut self, key: &[u8], position: u64) {
        if self.meta.entries == 0 || self.last_key != key {
            self.keys.push((key_hash(key), position));
            self.last_key.clear();
            self.last_key.extend_from_slice(key);
        } else if self.many.last() != Some(&(self.keys.len() as u64 - 1)) {
            self.many.push(self.keys.len() as u64 - 1);
        }
    }

    fn note_entry(&mut self, entry: &[u8], weight: i64) {
        let bound = &entry[..entry.len().min(BOUND_BYTES_MAX)];
        if self.meta.entries == 0 {
            self.meta.first = bound.to_vec();
            self.uniform = Some(entry.len()).filter(|width| (1..=UNIFORM_WIDTH_MAX).contains(width));
        }
        self.meta.last.clear();
        self.meta.last.extend_from_slice(bound);
        self.uniform = self.uniform.filter(|&width| width == entry.len());
        self.meta.entries += 1;
        self.meta.unit_weights &= weight == 1;
        self.meta.weight_sum += i128::from(weight);
        self.meta.hash = self.meta.hash.wrapping_add(entry_hash(entry, weight));
    }

    fn flush_block(&mut self, file: &mut FileWriter) -> Result<()> {
        let slot_bits = bits_of(self.block.count().saturating_sub(1) as u64) as u8;
        self.meta.slot_bits = self.meta.slot_bits.max(slot_bits);
        self.meta.units += self.block.finish(self.meta.id, self.meta.units, &mut file.buffer);
        if self.meta.units > UNITS_MAX {
            return Err(run_too_large());
        }
        file.flush_if_full()
    }

    /// Number of entries so far.
    pub(crate) fn entries(&self) -> u64 {
        self.meta.entries
    }

    /// The multiset hash of the entries so far.
    pub(crate) fn hash(&self) -> u128 {
        self.meta.hash
    }

    /// Builds part of the hash index, `keys_max` keys of it. `true` when it is complete. No more entries may come after the
    /// first call. A run of one block has no index.
    pub(crate) fn build_index(&mut self, file: &mut FileWriter, keys_max: usize) -> Result<bool> {
        if let Phase::Entries = self.phase {
            if self.meta.entries == 0 {
                return Ok(true);
            }
            self.flush_block(file)?;
            self.meta.keys = self.keys.len() as u64;
            self.phase = Phase::Index(self.index_phase(0));
        }
        let Phase::Index(phase) = &mut self.phase else { return Ok(false) };
        if self.fences.len() < 2 {
            return Ok(true);
        }
        let end = self.keys.len().min(phase.keys.saturating_add(keys_max));
        for at in phase.keys..end {
            let (hash, position) = self.keys[at];
            let many = self.many.get(phase.many) == Some(&(at as u64));
            phase.many += usize::from(many);
            let position = index_position(unit_of(position), slot_of(position), self.meta.slot_bits);
            if !phase.index.insert(hash, position) {
                let attempt = phase.attempt + 1;
                self.phase = Phase::Index(self.index_phase(attempt));
                return Ok(false);
            }
            if many {
                phase.index.mark_many();
            }
        }
        phase.keys = end;
        Ok(end == self.keys.len())
    }

    /// The beginning of filling the index.
    fn index_phase(&self, attempt: usize) -> IndexPhase {
        let keys = if self.fences.len() < 2 { 0 } else { self.keys.len() };
        let index = HashIndex::paged(keys, self.meta.index_position_max(), !self.many.is_empty(), attempt);
        IndexPhase { index, keys: 0, many: 0, attempt }
    }

    /// Writes what is left. A run without entries leaves nothing in the file.
    pub(crate) fn finish(mut self, file: &mut FileWriter, bounds: Bounds) -> Result<()> {
        if self.meta.entries == 0 {
            return Ok(());
        }
        while !self.build_index(file, usize::MAX)? {}
        self.meta.blocks = self.fences.len() as u64;
        self.meta.width = self.uniform.unwrap_or(0) as u32;
        self.meta.epochs = bounds.epochs;
        self.meta.lsns = bounds.lsns;
        for page in self.fences.finish() {
            self.write_page(file, page)?;
            self.meta.fence_units += 1;
        }
        if let Phase::Index(phase) = std::mem::replace(&mut self.phase, Phase::Entries)
            && self.meta.blocks > 1
        {
            for page in phase.index.pages() {
                self.write_page(file, page)?;
                self.meta.index_units += 1;
            }
        }
        file.add(self.meta);
        Ok(())
    }

    /// Writes one page of fences or index as the next unit of the run. Its first four bytes become its checksum.
    fn write_page(&self, file: &mut FileWriter, mut page: Vec<u8>) -> Result<()> {
        let crc = seeded_crc(self.meta.id, self.meta.all_units(), &page[4..]);
        page[..4].copy_from_slice(&crc.to_le_bytes());
        file.buffer.extend_from_slice(&page);
        file.flush_if_full()
    }
}

fn run_too_large() -> Error {
    Error::RunTooLarge { bytes_max: UNITS_MAX * UNIT_BYTES }
}
