//! `Spine`: a Z-set as a list of immutable runs, newest first.
//!
//! The Z-set is the *sum* of the runs. A spine is a value: `push` and `replace` give another spine and leave this one as it
//! was, sharing the runs. So a reader that holds a spine holds one state for ever, without a lock.
//!
//! Invariants: no run is empty; memory runs come before file runs; runs of an older *generation* than the spine's are
//! sealed: a checkpoint may be writing them, so nothing merges them until the checkpoint replaces them. Because addition
//! commutes, any set of runs may be merged with each other; the order newest first only says where fresh rows are found.
//!
//! Cost: `push` copies the list of runs and merges at most [`PUSH_ENTRIES_MAX`] entries; larger merges are background
//! work, see [`crate::policy`]. A lookup asks each run once; with the policy at work there are a handful.

mod entries;

use std::ops::Bound;
use std::sync::Arc;

use monostable_types::Weight;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::hash::key_hash;
use crate::key::KeyExtent;
use crate::merge::merge_in_memory;
use crate::run::{Direction, Found, MemoryRun, Run};
pub use entries::Entries;

/// The most entries that one `push` merges, beyond those that it brings.
pub const PUSH_ENTRIES_MAX: usize = 512;
/// The most bytes that one `push` merges, beyond those that it brings.
const PUSH_BYTES_MAX: usize = 128 * 1024;
/// Runs up to this length absorb every further push: they are copied faster than another run is searched.
const PUSH_ALWAYS_ENTRIES: usize = 64;

/// A Z-set as a list of immutable runs. Cloning is cheap. See the module's documentation.
#[derive(Clone, Debug)]
pub struct Spine {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    extent: KeyExtent,
    generation: u64,
    /// Newest first; with the generation in which each was pushed.
    memory: Vec<(u64, Run)>,
    /// Newest first.
    files: Vec<Run>,
}

/// Names one arrangement for as long as its database lives. Never used again after the arrangement is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArrangementId(pub u32);

/// What a spine consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpineStats {
    /// Runs in memory.
    pub memory_runs: usize,
    /// Entries in memory.
    pub memory_entries: u64,
    /// Bytes held in memory, with indexes.
    pub memory_bytes: u64,
    /// Runs in files.
    pub file_runs: usize,
    /// Entries in files.
    pub file_entries: u64,
    /// Bytes in files, with indexes.
    pub file_bytes: u64,
}

impl Spine {
    /// The empty Z-set.
    pub fn new(extent: KeyExtent) -> Spine {
        Spine { inner: Arc::new(Inner { extent, generation: 0, memory: Vec::new(), files: Vec::new() }) }
    }

    /// How far an entry's key reaches.
    pub fn extent(&self) -> &KeyExtent {
        &self.inner.extent
    }

    /// This Z-set plus `batch`.
    pub fn push(&self, batch: Arc<Batch>) -> Result<Spine> {
        if batch.is_empty() {
            return Ok(self.clone());
        }
        let mut inner = Inner::clone(&self.inner);
        let mut fresh = batch;
        let mut budget = Budget { entries: PUSH_ENTRIES_MAX, bytes: PUSH_BYTES_MAX };
        while let Some((generation, Run::Memory(newest))) = inner.memory.first() {
            let small = newest.batch();
            let worthwhile = small.len() <= PUSH_ALWAYS_ENTRIES || small.len() <= fresh.len().saturating_mul(2);
            if *generation != inner.generation || !worthwhile || !budget.spend(small.len(), small.entry_bytes()) {
                break;
            }
            fresh = Arc::new(merge_in_memory(&[small, &fresh])?);
            inner.memory.remove(0);
        }
        if !fresh.is_empty() {
            let run = MemoryRun::new(fresh, &inner.extent)?;
            inner.memory.insert(0, (inner.generation, Run::Memory(Arc::new(run))));
        }
        Ok(Spine { inner: Arc::new(inner) })
    }

    /// All entries that start with `prefix`, ascending; `b""` is everything.
    pub fn prefix<'a>(&'a self, prefix: &[u8]) -> Result<Entries<'a>> {
        self.prefix_in(prefix, Direction::Ascending)
    }

    /// All entries of one whole key, ascending. The same as `prefix`, but through the hash indexes.
    pub fn key<'a>(&'a self, key: &[u8]) -> Result<Entries<'a>> {
        let hash = key_hash(key);
        let mut entries = Entries::new(Direction::Ascending);
        for run in self.runs() {
            entries.add(run.cursor(run.key(key, hash, &self.inner.extent)?, Direction::Ascending)?);
        }
        Ok(entries)
    }

    /// All entries between two bounds, ascending.
    pub fn range(&self, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Entries<'_>> {
        let mut entries = Entries::new(Direction::Ascending);
        for run in self.runs() {
            let all = run.everything();
            let start = match lower {
                Bound::Unbounded => all.start,
                Bound::Included(bound) => run.lower_bound(bound)?,
                Bound::Excluded(bound) => run.lower_bound(&successor(bound))?,
            };
            let end = match upper {
                Bound::Unbounded => all.end,
                Bound::Included(bound) => run.lower_bound(&successor(bound))?,
                Bound::Excluded(bound) => run.lower_bound(bound)?,
            };
            entries.add(run.cursor(start..end, Direction::Ascending)?);
        }
        Ok(entries)
    }

    /// The least entry that starts with `prefix`.
    pub fn first(&self, prefix: &[u8]) -> Result<Option<(&[u8], Weight)>> {
        self.prefix_in(prefix, Direction::Ascending)?.next().transpose()
    }

    /// The greatest entry that starts with `prefix`.
    pub fn last(&self, prefix: &[u8]) -> Result<Option<(&[u8], Weight)>> {
        self.prefix_in(prefix, Direction::Descending)?.next().transpose()
    }

    /// The entry of a whole key of which there is at most one; [`Error::KeyNotUnique`] when there are two.
    ///
    /// Allocates nothing: the entry borrows from this spine.
    pub fn get(&self, key: &[u8]) -> Result<Option<(&[u8], Weight)>> {
        let hash = key_hash(key);
        let mut found: Option<(&[u8], i64)> = None;
        for run in self.runs() {
            match run.find(key, hash, &self.inner.extent)? {
                Found::Nothing => {}
                Found::One(entry, weight) if found.is_none() => found = Some((entry, weight)),
                Found::One(..) | Found::Many(_) => return self.get_sum(key),
            }
        }
        Ok(found.map(|(entry, weight)| (entry, Weight(weight))))
    }

    /// `get` for a key that several entries of the runs have: the ones that do not cancel decide.
    fn get_sum(&self, key: &[u8]) -> Result<Option<(&[u8], Weight)>> {
        let mut entries = self.key(key)?;
        let first = entries.next().transpose()?;
        if entries.next().transpose()?.is_some() {
            return Err(Error::KeyNotUnique);
        }
        Ok(first)
    }

    /// The weight of an entry, zero when it is absent.
    pub fn contains_weight(&self, entry: &[u8]) -> Result<Weight> {
        if let KeyExtent::Whole = self.inner.extent {
            return Ok(self.get(entry)?.map_or(Weight::ZERO, |(_, weight)| weight));
        }
        let mut sum = Weight::ZERO;
        for run in self.runs() {
            let start = run.lower_bound(entry)?;
            let cursor = run.cursor(start..run.everything().end, Direction::Ascending)?;
            if let Some(hit) = cursor.filter(|cursor| cursor.entry == entry) {
                sum = sum.add(Weight(hit.weight))?;
            }
        }
        Ok(sum)
    }

    /// Whether the Z-set has no entry.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.first(b"")?.is_none())
    }

    /// What the spine consists of.
    pub fn stats(&self) -> SpineStats {
        let mut stats = SpineStats::default();
        for run in self.runs() {
            match run {
                Run::Memory(memory) => {
                    stats.memory_runs += 1;
                    stats.memory_entries += run.len();
                    stats.memory_bytes += memory.bytes() as u64;
                }
            }
        }
        stats
    }

    fn prefix_in<'a>(&'a self, prefix: &[u8], direction: Direction) -> Result<Entries<'a>> {
        let mut entries = Entries::new(direction);
        for run in self.runs() {
            entries.add(run.cursor(run.prefix(prefix)?, direction)?);
        }
        Ok(entries)
    }

    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.inner.memory.iter().map(|(_, run)| run).chain(&self.inner.files)
    }
}

/// The least byte string greater than `bytes`.
fn successor(bytes: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(bytes.len() + 1);
    next.extend_from_slice(bytes);
    next.push(0);
    next
}

/// How much one push may still merge.
struct Budget {
    entries: usize,
    bytes: usize,
}

impl Budget {
    fn spend(&mut self, entries: usize, bytes: usize) -> bool {
        if entries > self.entries || bytes > self.bytes {
            return false;
        }
        self.entries -= entries;
        self.bytes -= bytes;
        true
    }
}
