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
mod seek;
#[cfg(test)]
mod tests;

use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use monostable_types::{Weight, prefix_successor};
use smallvec::{SmallVec, smallvec};

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::hash::key_hash;
use crate::key::KeyExtent;
use crate::merge::Replacement;
use crate::policy::{RunShape, SpineShape};
use crate::run::{Direction, Found, MemoryRun, Run};
pub use entries::Entries;
pub(crate) use seek::{SEEK_KEYS, Seeker, WARM_KEYS};

/// The most entries that one `push` merges, beyond those that it brings.
pub const PUSH_ENTRIES_MAX: usize = 1024;
/// The most bytes that one `push` merges, beyond those that it brings.
pub(crate) const PUSH_BYTES_MAX: usize = 128 * 1024;
/// So many small runs of one tier become one run of the next, which holds runs so many times as long.
pub(crate) const TIER: usize = 4;

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
    /// Where a window over the first entries ends, if somebody found out.
    window: OnceLock<Arc<Window>>,
}

/// A window over the first entries of a spine.
#[derive(Debug)]
struct Window {
    /// How many positions it has. An entry of weight w has w of them.
    positions: u128,
    /// The entry that has the last of them.
    last: Box<[u8]>,
}

/// What [`Spine::hit`] finds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hit<'a> {
    Nothing,
    /// The only entry.
    One(&'a [u8], Weight),
    /// Entries that have to be added up: ask [`Spine::key`].
    Several,
}

impl Inner {
    /// How many of the newest runs a push of `batch` merges with it.
    ///
    /// Small runs are kept in tiers: when there are [`TIER`] runs of fewer than 4 entries they become one, four of fewer than
    /// 16 the same, and so on, all in one merge. So an entry is copied once per tier, and each tier has at most three runs.
    fn absorbed_by(&self, batch: &Batch) -> usize {
        let (mut taken, mut entries, mut bytes) = (0, 0, 0);
        let mut below = TIER;
        while below <= PUSH_ENTRIES_MAX {
            if batch.len() < below {
                let before = taken;
                while let Some((generation, Run::Memory(run))) = self.memory.get(taken)
                    && *generation == self.generation
                    && run.batch().len() < below
                {
                    entries += run.batch().len();
                    bytes += run.batch().entry_bytes();
                    taken += 1;
                }
                if taken - before + 1 < TIER || entries > PUSH_ENTRIES_MAX || bytes > PUSH_BYTES_MAX {
                    return before;
                }
            }
            below *= TIER;
        }
        taken
    }
}

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
        Spine::from_files(extent, Vec::new())
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
        let Inner { extent, generation, memory, files, window } = &*self.inner;
        // A window that ends before the first change is what it was.
        let window = window.get().filter(|window| *window.last < *batch.get(0).0).cloned();
        let window = window.map_or_else(OnceLock::new, OnceLock::from);
        let absorbed = self.inner.absorbed_by(&batch);
        let fresh = if absorbed == 0 {
            batch
        } else {
            let mut batches: SmallVec<[Arc<Batch>; TIER * 5]> = smallvec![batch];
            batches.extend(memory[..absorbed].iter().filter_map(|(_, run)| match run {
                Run::Memory(run) => Some(Arc::clone(run.batch())),
                Run::File(_) => None,
            }));
            Arc::new(Batch::sum(&batches)?)
        };
        let mut runs = Vec::with_capacity(memory.len() - absorbed + 1);
        if !fresh.is_empty() {
            runs.push((*generation, Run::Memory(Arc::new(MemoryRun::pushed(fresh)))));
        }
        runs.extend_from_slice(&memory[absorbed..]);
        let (extent, generation, files) = (extent.clone(), *generation, files.clone());
        Ok(Spine { inner: Arc::new(Inner { extent, generation, memory: runs, files, window }) })
    }

    /// All entries that start with `prefix`, ascending; `b""` is everything.
    pub fn prefix<'a>(&'a self, prefix: &[u8]) -> Result<Entries<'a>> {
        let mut entries = Entries::new(Direction::Ascending);
        for run in self.runs() {
            entries.add(run.cursor(run.prefix(prefix)?, Direction::Ascending)?);
        }
        Ok(entries)
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
        let mut entries = Entries::new(Direction::Ascending);
        for run in self.runs() {
            entries.add(run.cursor(run.positions_from(prefix)?, Direction::Ascending)?);
        }
        Ok(entries.next().transpose()?.filter(|(entry, _)| entry.starts_with(prefix)))
    }

    /// The greatest entry that starts with `prefix`.
    pub fn last(&self, prefix: &[u8]) -> Result<Option<(&[u8], Weight)>> {
        let mut entries = Entries::new(Direction::Descending);
        let successor = prefix_successor(prefix);
        for run in self.runs() {
            entries.add(run.cursor(run.positions_until(prefix, successor.as_deref())?, Direction::Descending)?);
        }
        Ok(entries.next().transpose()?.filter(|(entry, _)| entry.starts_with(prefix)))
    }

    /// The entry of a whole key of which there is at most one; [`Error::KeyNotUnique`] when there are two.
    ///
    /// Allocates nothing: the entry borrows from this spine.
    pub fn get(&self, key: &[u8]) -> Result<Option<(&[u8], Weight)>> {
        let hash = key_hash(key);
        self.read_ahead(hash);
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

    /// Has the disk fetch the pages of all indexes that a key is looked up in, where that was never done, so that it works on
    /// them side by side.
    #[inline]
    fn read_ahead(&self, hash: u64) {
        if let files @ [_, _, ..] = &*self.inner.files {
            files.iter().for_each(|run| run.read_index_ahead(hash));
        }
    }

    /// What is there for a whole key, found without allocating when at most one run has it.
    pub(crate) fn hit(&self, key: &[u8]) -> Result<Hit<'_>> {
        let hash = key_hash(key);
        self.read_ahead(hash);
        let mut hit = Hit::Nothing;
        for run in self.runs() {
            match (run.find(key, hash, &self.inner.extent)?, &hit) {
                (Found::Nothing, _) => {}
                (Found::One(entry, weight), Hit::Nothing) => hit = Hit::One(entry, Weight(weight)),
                (Found::One(..) | Found::Many(_), _) => return Ok(Hit::Several),
            }
        }
        Ok(hit)
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
        match self.hit(self.inner.extent.key(entry)?)? {
            Hit::Nothing => return Ok(Weight::ZERO),
            Hit::One(found, weight) => return Ok(if found == entry { weight } else { Weight::ZERO }),
            Hit::Several => {}
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

    /// The sum of the weights of all entries, which every run knows.
    pub fn weight_sum(&self) -> i128 {
        self.runs().map(Run::weight_sum).sum()
    }

    /// Whether a window of so many positions is known to end before `entry`.
    pub(crate) fn window_ends_before(&self, positions: u128, entry: &[u8]) -> bool {
        self.inner.window.get().is_some_and(|window| window.positions == positions && *window.last < *entry)
    }

    /// Remembers that a window of so many positions ends with `last`, here and in what comes of this spine until something before
    /// that changes. One window is remembered.
    pub(crate) fn remember_window(&self, positions: u128, last: &[u8]) {
        // Who comes second has found the same, or asks for another window.
        let _ = self.inner.window.set(Arc::new(Window { positions, last: last.into() }));
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
                Run::File(file) => {
                    stats.file_runs += 1;
                    stats.file_entries += run.len();
                    stats.file_bytes += file.meta.bytes();
                }
            }
        }
        stats
    }

    /// The same Z-set, with every run in memory sealed: a checkpoint can write this spine's runs while the sealed one grows.
    pub fn seal(&self) -> Spine {
        if self.inner.memory.is_empty() {
            return self.clone();
        }
        let mut inner = Inner::clone(&self.inner);
        inner.generation += 1;
        Spine { inner: Arc::new(inner) }
    }

    /// This spine with the inputs of a merge or a checkpoint replaced by its output.
    ///
    /// `None` if that is not possible any more: an input is gone, or a checkpoint has begun to write the inputs of a merge in
    /// memory. Then the replacement is void and nothing is lost but its work. A replacement that a checkpoint or a merge of
    /// files returned can always be installed into a successor of the spine that it was started on.
    pub fn install(&self, replacement: &Replacement) -> Option<Spine> {
        let mut inner = Inner::clone(&self.inner);
        let replaced = |run: &Run| replacement.inputs.iter().any(|input| input.is(run));
        let memory_at = inner.memory.iter().position(|(_, run)| replaced(run));
        let file_at = inner.files.iter().position(replaced);
        let sealed = inner.memory.iter().any(|(generation, run)| *generation != inner.generation && replaced(run));
        let before = inner.memory.len() + inner.files.len();
        inner.memory.retain(|(_, run)| !replaced(run));
        inner.files.retain(|run| !replaced(run));
        if before - inner.memory.len() - inner.files.len() != replacement.inputs.len() {
            return None;
        }
        match (&replacement.output, replacement.moves_to_file) {
            (_, false) if sealed => return None,
            (None, _) => {}
            (Some(run @ Run::Memory(_)), _) => inner.memory.insert(memory_at?, (inner.generation, run.clone())),
            (Some(run @ Run::File(_)), _) => inner.files.insert(file_at.unwrap_or(0), run.clone()),
        }
        Some(Spine { inner: Arc::new(inner) })
    }

    /// What [`crate::policy::choose`] needs to know.
    pub fn shape(&self) -> SpineShape {
        let shape = |run: &Run, sealed| match run {
            Run::Memory(memory) => {
                let (asked, wants_index) = (memory.is_probed(), memory.wants_index());
                RunShape { entries: run.len(), bytes: memory.batch().entry_bytes() as u64, sealed, asked, wants_index }
            }
            Run::File(file) => {
                RunShape { entries: run.len(), bytes: file.meta.bytes(), sealed, asked: false, wants_index: false }
            }
        };
        let generation = self.inner.generation;
        SpineShape {
            memory: self.inner.memory.iter().map(|(pushed, run)| shape(run, *pushed != generation)).collect(),
            files: self.inner.files.iter().map(|run| shape(run, false)).collect(),
        }
    }

    /// A spine over runs in files, newest first.
    pub(crate) fn from_files(extent: KeyExtent, files: Vec<Run>) -> Spine {
        let inner = Inner { extent, generation: 0, memory: Vec::new(), files, window: OnceLock::new() };
        Spine { inner: Arc::new(inner) }
    }

    /// Some of the runs in memory, by their indexes in the shape.
    pub(crate) fn memory_runs(&self, range: std::ops::Range<usize>) -> Vec<Run> {
        self.inner.memory[range].iter().map(|(_, run)| run.clone()).collect()
    }

    /// How many runs in memory are younger than the youngest for which `is_end` holds; all if it holds for none.
    pub(crate) fn memory_runs_before(&self, is_end: impl Fn(&Run) -> bool) -> usize {
        self.inner.memory.iter().take_while(|(_, run)| !is_end(run)).count()
    }

    /// All runs in memory.
    pub(crate) fn all_memory_runs(&self) -> Vec<Run> {
        self.memory_runs(0..self.inner.memory.len())
    }

    /// Some of the runs in files, by their indexes in the shape.
    pub(crate) fn file_runs(&self, range: std::ops::Range<usize>) -> Vec<Run> {
        self.inner.files[range].to_vec()
    }

    /// All runs in files.
    pub(crate) fn all_file_runs(&self) -> &[Run] {
        &self.inner.files
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
