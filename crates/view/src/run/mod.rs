//! `Run`: one immutable part of a spine, in memory or in a file, and the cursor that walks it.
//!
//! A **position** is an opaque number that orders the entries of one run: the index of an entry in memory, unit and slot in
//! a file. Positions of different runs have nothing to do with each other.
//!
//! Runs are compared by identity (the `Arc`), never by content: replacing runs by their merge must hit exactly the runs
//! that were merged.
//!
#![doc = include_str!("../../FORMAT.md")]

pub(crate) mod block;
pub(crate) mod fence;
pub(crate) mod file;
pub(crate) mod footer;
pub(crate) mod index;
pub(crate) mod meta;
#[cfg(test)]
mod tests;
pub(crate) mod writer;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::batch::{Batch, compare_bytes};
use crate::error::Result;
use crate::hash::key_hash;
use crate::key::KeyExtent;
use file::{FileCursor, FileRun};
use index::{HashIndex, IndexKey, ORDERED_KEYS};

/// A run in memory of more entries than these has a hash index, if it is asked for keys. Shorter runs have filters, and their
/// prefixes fit into the processor's caches.
const FILTER_ENTRIES_MAX: usize = 64 * 1024;
/// When one key in so many entries is looked up, in ascending order, going through them costs less than an index does.
const DENSE_ENTRIES: usize = 16;
/// A run of fewer entries has no filter: they are compared in the time that it takes to ask one.
const FILTER_ENTRIES_MIN: usize = 4;
/// Up to this many entries a filter is made when the run is first asked, because most runs never are; the asker waits some
/// microseconds. Longer runs get theirs like an index.
const LAZY_ENTRIES_MAX: usize = 8192;
/// Keys for each block of a filter: eight bits for a key.
const FILTER_BLOCK_KEYS: usize = 64;

/// A batch, and something that finds keys in it. A spine has several short runs, and most keys are in none of them: their
/// filters say so. What passes a filter is searched for by prefixes.
///
/// Making the index of a long run costs as much as merging it, and many arrangements are only ever walked through. So a run
/// remembers that it was asked for a key, and the next merge makes an index, or a filter, for its output; a run that no merge
/// takes is given one by itself, see [`crate::policy`].
#[derive(Debug)]
pub(crate) struct MemoryRun {
    filter: OnceLock<Filter>,
    index: Option<HashIndex>,
    probed: AtomicBool,
    batch: Arc<Batch>,
}

/// A Bloom filter over the hashes of the keys: two bits for each key, both in one cache line.
#[derive(Debug)]
struct Filter(Box<[[u64; 8]]>);

impl Filter {
    fn of(batch: &Batch, extent: &KeyExtent) -> Result<Filter> {
        let mut blocks = vec![[0; 8]; batch.len().div_ceil(FILTER_BLOCK_KEYS).max(1)];
        for (entry, _) in batch.iter() {
            let hash = key_hash(extent.key(entry)?);
            let count = blocks.len();
            let block = &mut blocks[Filter::block(hash, count)];
            block[(hash & 7) as usize] |= 1 << (hash >> 3 & 63);
            block[(hash >> 9 & 7) as usize] |= 1 << (hash >> 12 & 63);
        }
        Ok(Filter(blocks.into()))
    }

    /// The block of a hash: by its high half, since its low half says which bits.
    fn block(hash: u64, blocks: usize) -> usize {
        (((hash >> 32) * blocks as u64) >> 32) as usize
    }

    fn may_hold(&self, hash: u64) -> bool {
        let block = &self.0[Filter::block(hash, self.0.len())];
        let first = block[(hash & 7) as usize] >> (hash >> 3 & 63);
        let second = block[(hash >> 9 & 7) as usize] >> (hash >> 12 & 63);
        first & second & 1 != 0
    }
}

impl MemoryRun {
    /// A run as a commit pushes it.
    pub(crate) fn pushed(batch: Arc<Batch>) -> MemoryRun {
        MemoryRun { filter: OnceLock::new(), index: None, probed: AtomicBool::new(false), batch }
    }

    /// A run as a merge makes it, with an index or a filter if its inputs were asked for keys.
    pub(crate) fn merged(batch: Arc<Batch>, extent: &KeyExtent, probed: bool) -> Result<MemoryRun> {
        let mut run = MemoryRun::pushed(batch);
        if probed && run.batch.len() > FILTER_ENTRIES_MAX {
            run.index = Some(index_of(&run.batch, extent)?);
        } else if probed && run.batch.len() > LAZY_ENTRIES_MAX {
            run.filter = Filter::of(&run.batch, extent)?.into();
        }
        Ok(run)
    }

    /// Whether the run was asked for keys.
    pub(crate) fn is_probed(&self) -> bool {
        self.probed.load(Ordering::Relaxed)
    }

    /// Whether it was, and has neither index nor filter though it is long enough.
    pub(crate) fn wants_index(&self) -> bool {
        let bare = self.index.is_none() && self.filter.get().is_none();
        bare && self.batch.len() > LAZY_ENTRIES_MAX && self.is_probed()
    }

    /// Remembers that the run is asked for a key. The flag is written once, so that readers do not take it from each other.
    fn note_probe(&self) {
        if !self.is_probed() {
            self.probed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a key with this hash may be in the run.
    fn may_hold(&self, hash: u64, extent: &KeyExtent) -> Result<bool> {
        if let Some(filter) = self.filter.get() {
            return Ok(filter.may_hold(hash));
        }
        if self.index.is_some() || !(FILTER_ENTRIES_MIN..=LAZY_ENTRIES_MAX).contains(&self.batch.len()) {
            return Ok(true);
        }
        let filter = Filter::of(&self.batch, extent)?;
        Ok(self.filter.get_or_init(|| filter).may_hold(hash))
    }

    /// Whether a long run ends before a key: new keys often are the greatest, and their absence is certain without a search.
    fn ends_before(&self, key: &[u8]) -> bool {
        let last = self.batch.len().checked_sub(1).filter(|last| *last >= LAZY_ENTRIES_MAX);
        // An entry that goes on behind the key is greater than it.
        last.is_some_and(|last| compare_bytes(self.batch.entry(last), key, 0).is_lt())
    }

    /// Whether there is an entry at `index` that has the key.
    fn has_key(&self, index: usize, key: &[u8], extent: &KeyExtent) -> bool {
        let batch = &*self.batch;
        index < batch.len() && batch.may_begin(index, key) && extent.matches(batch.entry(index), key)
    }

    /// The first entry of a key from `start` on that has a positive weight.
    pub(crate) fn positive(&self, start: usize, key: &[u8], extent: &KeyExtent) -> Option<&[u8]> {
        let mut of_key = (start..self.batch.len()).take_while(|&at| self.has_key(at, key, extent));
        of_key.find(|&at| self.batch.weight(at) > 0).map(|at| self.batch.entry(at))
    }

    pub(crate) fn batch(&self) -> &Arc<Batch> {
        &self.batch
    }

    pub(crate) fn bytes(&self) -> usize {
        let filter = self.filter.get().map_or(0, |filter| size_of_val(&*filter.0));
        self.batch.bytes() + filter + self.index.as_ref().map_or(0, HashIndex::bytes)
    }

    /// The first position of a key's entries, and whether there can be more than one entry.
    fn locate(&self, key: &[u8], hash: u64, extent: &KeyExtent) -> Result<Option<(usize, bool)>> {
        if !self.may_hold(hash, extent)? || self.ends_before(key) {
            return Ok(None);
        }
        let batch = &*self.batch;
        self.note_probe();
        let Some(index) = &self.index else {
            let start = batch.lower_bound(key);
            let hit = self.has_key(start, key, extent);
            return Ok(hit.then(|| (start, self.has_key(start + 1, key, extent))));
        };
        let found =
            index.candidates(hash).find(|candidate| extent.matches(batch.entry(candidate.position as usize), key));
        Ok(found.map(|candidate| (candidate.position as usize, candidate.many)))
    }
}

fn index_of(batch: &Batch, extent: &KeyExtent) -> Result<HashIndex> {
    let mut index = HashIndex::with_room(keys_of(batch, extent)?, batch.len());
    let room = ORDERED_KEYS.min(batch.len());
    let (mut keys, mut ordered): (Vec<IndexKey>, Vec<IndexKey>) = (Vec::with_capacity(room), Vec::with_capacity(room));
    let mut last: Option<&[u8]> = None;
    for at in 0..batch.len() {
        let entry = batch.entry(at);
        match (keys.last_mut(), last) {
            (Some(before), Some(last)) if extent.matches(entry, last) => before.many = true,
            _ => {
                // The last one is known to have no more entries only now.
                if keys.len() == ORDERED_KEYS {
                    index.take(&mut keys, &mut ordered);
                }
                let key = extent.key(entry)?;
                keys.push(IndexKey { hash: key_hash(key), position: at as u32, many: false });
                last = Some(key);
            }
        }
    }
    index.take(&mut keys, &mut ordered);
    Ok(index)
}

/// How many keys a batch has.
fn keys_of(batch: &Batch, extent: &KeyExtent) -> Result<usize> {
    if matches!(extent, KeyExtent::Whole) {
        return Ok(batch.len());
    }
    let (mut count, mut last) = (0, None);
    for at in 0..batch.len() {
        let entry = batch.entry(at);
        if !last.is_some_and(|last| extent.matches(entry, last)) {
            last = Some(extent.key(entry)?);
            count += 1;
        }
    }
    Ok(count)
}

/// One immutable part of a spine. Cloning clones a pointer.
#[derive(Clone, Debug)]
pub(crate) enum Run {
    Memory(Arc<MemoryRun>),
    File(Arc<FileRun>),
}

/// What one run knows of a key.
pub(crate) enum Found<'a> {
    Nothing,
    One(&'a [u8], i64),
    /// Two entries or more, from this position on.
    Many(u64),
}

impl Run {
    /// Whether both are the same run, not merely equal ones.
    pub(crate) fn is(&self, other: &Run) -> bool {
        match (self, other) {
            (Run::Memory(a), Run::Memory(b)) => Arc::ptr_eq(a, b),
            (Run::File(a), Run::File(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Run::Memory(run) => run.batch.len() as u64,
            Run::File(run) => run.meta.entries,
        }
    }

    /// The multiset hash of the content.
    pub(crate) fn hash(&self) -> u128 {
        match self {
            Run::Memory(run) => run.batch.hash(),
            Run::File(run) => run.meta.hash,
        }
    }

    /// The sum of the weights of all entries.
    pub(crate) fn weight_sum(&self) -> i128 {
        match self {
            Run::Memory(run) => run.batch.weight_sum(),
            Run::File(run) => run.meta.weight_sum,
        }
    }

    /// All positions.
    pub(crate) fn everything(&self) -> Range<u64> {
        match self {
            Run::Memory(run) => 0..run.batch.len() as u64,
            Run::File(run) => run.everything(),
        }
    }

    /// The position of the first entry that is not less than `probe`.
    pub(crate) fn lower_bound(&self, probe: &[u8]) -> Result<u64> {
        match self {
            Run::Memory(run) => Ok(run.batch.lower_bound(probe) as u64),
            Run::File(run) => run.lower_bound(probe),
        }
    }

    /// The positions from the first entry that starts with `prefix` on; none if there is no such entry.
    pub(crate) fn positions_from(&self, prefix: &[u8]) -> Result<Range<u64>> {
        let all = self.everything();
        let start = self.lower_bound(prefix)?;
        Ok(if start < all.end && self.entry(start)?.starts_with(prefix) { start..all.end } else { 0..0 })
    }

    /// The positions up to the last entry that starts with `prefix`; none if there is no such entry. `successor` is the least
    /// string greater than all that start with it.
    pub(crate) fn positions_until(&self, prefix: &[u8], successor: Option<&[u8]>) -> Result<Range<u64>> {
        let all = self.everything();
        let end = match successor {
            Some(successor) => self.lower_bound(successor)?,
            None => all.end,
        };
        let last = self.before(all.start..end)?;
        Ok(if last.is_some_and(|entry| entry.starts_with(prefix)) { all.start..end } else { 0..0 })
    }

    /// The last entry of a range of positions.
    fn before(&self, range: Range<u64>) -> Result<Option<&[u8]>> {
        Ok(self.cursor(range, Direction::Descending)?.map(|cursor| cursor.entry))
    }

    fn entry(&self, position: u64) -> Result<&[u8]> {
        match self {
            Run::Memory(run) => Ok(run.batch.entry(position as usize)),
            Run::File(run) => run.entry(position),
        }
    }

    /// The positions of all entries that start with `prefix`.
    pub(crate) fn prefix(&self, prefix: &[u8]) -> Result<Range<u64>> {
        if prefix.is_empty() {
            return Ok(self.everything());
        }
        let start = self.lower_bound(prefix)?;
        Ok(start..self.prefix_end(start, prefix)?)
    }

    /// The positions of all entries with a whole key.
    pub(crate) fn key(&self, key: &[u8], hash: u64, extent: &KeyExtent) -> Result<Range<u64>> {
        match self {
            Run::Memory(run) => match run.locate(key, hash, extent)? {
                None => Ok(0..0),
                Some((start, false)) => Ok(start as u64..start as u64 + 1),
                Some((start, true)) => Ok(start as u64..run.batch.prefix_end(start, key) as u64),
            },
            Run::File(run) => match run.locate(key, hash, extent)? {
                None => Ok(0..0),
                Some((start, false)) => Ok(start..start + 1),
                Some((start, true)) => Ok(start..run.prefix_end(start, key)?),
            },
        }
    }

    /// Whether going through the entries costs less than asking for each of so many keys.
    pub(crate) fn is_dense(&self, keys: usize) -> bool {
        matches!(self, Run::Memory(run) if run.batch.len() / DENSE_ENTRIES <= keys)
    }

    /// The same for a key that is not less than any that was asked for before with this `at`, which starts at 0: what lies
    /// between two keys is skipped by galloping.
    pub(crate) fn find_after(&self, at: &mut usize, key: &[u8], hash: u64, extent: &KeyExtent) -> Result<Found<'_>> {
        let Run::Memory(run) = self else { return self.find(key, hash, extent) };
        if !run.may_hold(hash, extent)? {
            return Ok(Found::Nothing);
        }
        let batch = &*run.batch;
        *at = batch.lower_bound_after(*at, key);
        Ok(if !run.has_key(*at, key, extent) {
            Found::Nothing
        } else if run.has_key(*at + 1, key, extent) {
            Found::Many(*at as u64)
        } else {
            Found::One(batch.entry(*at), batch.weight(*at))
        })
    }

    /// The entry of a whole key, when there is just one.
    pub(crate) fn find(&self, key: &[u8], hash: u64, extent: &KeyExtent) -> Result<Found<'_>> {
        match self {
            Run::Memory(run) => Ok(match run.locate(key, hash, extent)? {
                None => Found::Nothing,
                Some((start, false)) => Found::One(run.batch.entry(start), run.batch.weight(start)),
                Some((start, true)) => Found::Many(start as u64),
            }),
            Run::File(run) => Ok(match run.locate(key, hash, extent)? {
                None => Found::Nothing,
                Some((start, false)) => Found::One(run.entry(start)?, run.weight(start)?),
                Some((start, true)) => Found::Many(start),
            }),
        }
    }

    /// Reads a byte of each line of memory that looking up keys with these hashes begins with, if there is an index, or has the disk
    /// fetch the pages. What comes of it says nothing; no read waits for another.
    pub(crate) fn touch(&self, hashes: &[u64]) -> u8 {
        let run = match self {
            Run::Memory(run) => run,
            Run::File(run) => {
                run.read_ahead(hashes);
                return 0;
            }
        };
        let Some(index) = &run.index else { return 0 };
        let lines = hashes.iter().fold(0, |sum, hash| sum ^ index.first_byte(*hash));
        let entry =
            |hash: &u64| index.candidates(*hash).next().and_then(|at| run.batch.entry(at.position as usize).first());
        hashes.iter().filter_map(entry).fold(lines, |sum, byte| sum ^ byte)
    }

    /// Has the disk fetch the page of the index that a hash belongs to, if the run is in a file and it was never read.
    #[inline]
    pub(crate) fn read_index_ahead(&self, hash: u64) {
        if let Run::File(run) = self {
            run.read_index_ahead(hash);
        }
    }

    fn prefix_end(&self, start: u64, prefix: &[u8]) -> Result<u64> {
        match self {
            Run::Memory(run) => Ok(run.batch.prefix_end(start as usize, prefix) as u64),
            Run::File(run) => run.prefix_end(start, prefix),
        }
    }

    /// A cursor over `range` that stands on its first entry in `direction`; `None` when the range is empty.
    pub(crate) fn cursor(&self, range: Range<u64>, direction: Direction) -> Result<Option<Cursor<'_>>> {
        self.cursor_with(range, direction, false)
    }

    /// An ascending cursor that computes the checksum of every block it enters, for merges.
    pub(crate) fn verifying_cursor(&self, range: Range<u64>) -> Result<Option<Cursor<'_>>> {
        self.cursor_with(range, Direction::Ascending, true)
    }

    fn cursor_with(&self, range: Range<u64>, direction: Direction, verify: bool) -> Result<Option<Cursor<'_>>> {
        if range.is_empty() {
            return Ok(None);
        }
        let source = match self {
            Run::Memory(run) => Source::Memory(&run.batch),
            Run::File(run) => Source::File(FileCursor::new(run, verify)),
        };
        let mut cursor = Cursor { source, at: range.clone(), range, entry: &[], weight: 0 };
        Ok(cursor.advance(direction)?.then_some(cursor))
    }
}

/// Which way a cursor walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// A walk over part of one run. It always stands on an entry.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    source: Source<'a>,
    /// Positions not visited yet, with the entry that it stands on and without it.
    at: Range<u64>,
    range: Range<u64>,
    pub(crate) entry: &'a [u8],
    pub(crate) weight: i64,
}

#[derive(Debug)]
enum Source<'a> {
    Memory(&'a Batch),
    File(FileCursor<'a>),
}

impl<'a> Cursor<'a> {
    /// The positions from the entry that it stands on, that one included.
    pub(crate) fn rest(&self) -> Range<u64> {
        self.at.clone()
    }

    /// Moves to the next entry; `false` when there is none, and then the cursor must not be used any more.
    pub(crate) fn advance(&mut self, direction: Direction) -> Result<bool> {
        if self.range.is_empty() {
            return Ok(false);
        }
        self.at = self.range.clone();
        (self.entry, self.weight) = match (&mut self.source, direction) {
            (Source::Memory(batch), Direction::Ascending) => {
                self.range.start += 1;
                let at = self.range.start as usize - 1;
                (batch.entry(at), batch.weight(at))
            }
            (Source::Memory(batch), Direction::Descending) => {
                self.range.end -= 1;
                let at = self.range.end as usize;
                (batch.entry(at), batch.weight(at))
            }
            (Source::File(file), Direction::Ascending) => file.take_first(&mut self.range)?,
            (Source::File(file), Direction::Descending) => file.take_last(&mut self.range)?,
        };
        Ok(true)
    }
}
