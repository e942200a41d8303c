//! Merging runs: add the weights of equal entries, drop what cancels, and prove that nothing else happened.
//!
//! The multiset hash is linear: the hash of a sum is the sum of the hashes. A merge in memory takes that sum for its output's
//! hash (builds with debug assertions compute it again). Whatever is written to a file, by a checkpoint or by a merge of
//! files, has its hash computed from the entries as they are written, and is compared with the sum of its inputs' hashes
//! before anybody can see it: a mistake in any merge before is found there, and nothing false becomes durable. Inputs in
//! files have every block's checksum computed again, so damage is found and never copied.
//!
//! A merge is advanced in slices of a byte budget by whoever has time, and owns its inputs; the spine goes on meanwhile. Its
//! result is a [`Replacement`], which is installed into whatever the live spine is by then.
//!
//! Cost: one pass, one comparison per input and entry; in memory, stretches of entries are copied whole.

use std::ops::Range;
use std::sync::Arc;

use crate::batch::{Addition, Batch};
use crate::error::{Error, Result};
use crate::key::KeyExtent;
use crate::run::writer::{FileWriter, RunWriter};
use crate::run::{Cursor, Direction, MemoryRun, Run};
use crate::spine::Spine;
use crate::store::{ArrangementId, Store};

/// What a merge pays for an entry beyond its bytes.
const ENTRY_COST_BYTES: usize = 32;

/// How a merge stands after a slice of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    Working,
    /// It can be finished.
    Ready,
}

/// Runs of a spine and the run that takes their place, to be given to [`Spine::install`].
#[derive(Clone, Debug)]
pub struct Replacement {
    pub(crate) inputs: Vec<Run>,
    /// `None` when everything cancelled.
    pub(crate) output: Option<Run>,
    /// Whether sealed runs may be replaced, because it is the checkpoint itself that wrote them.
    pub(crate) moves_to_file: bool,
}

/// A sum of runs that is computed in slices.
#[derive(Debug)]
struct Sum {
    inputs: Vec<Run>,
    /// What is left of each input.
    rest: Vec<Range<u64>>,
}

impl Sum {
    fn new(inputs: Vec<Run>) -> Sum {
        let rest = inputs.iter().map(Run::everything).collect();
        Sum { inputs, rest }
    }

    fn expected_hash(&self) -> u128 {
        self.inputs.iter().fold(0, |sum, run| sum.wrapping_add(run.hash()))
    }

    /// Hands the next entries to `sink`, about `bytes_budget` bytes of input. `true` when there are no more.
    fn advance(&mut self, bytes_budget: usize, mut sink: impl FnMut(&[u8], i64) -> Result<()>) -> Result<bool> {
        let cursors = self.inputs.iter().zip(&self.rest).map(|(run, rest)| run.verifying_cursor(rest.clone()));
        let mut heads = Heads { cursors: cursors.collect::<Result<_>>()? };
        let mut spent = 0;
        while spent < bytes_budget {
            let Some((entry, weight, merged)) = heads.next()? else { break };
            spent += merged * (entry.len() + ENTRY_COST_BYTES);
            if weight != 0 {
                sink(entry, weight)?;
            }
        }
        for (rest, cursor) in self.rest.iter_mut().zip(&heads.cursors) {
            *rest = cursor.as_ref().map_or(0..0, Cursor::rest);
        }
        Ok(heads.cursors.iter().all(Option::is_none))
    }
}

/// One cursor per input, `None` where it is exhausted.
struct Heads<'a> {
    cursors: Vec<Option<Cursor<'a>>>,
}

impl<'a> Heads<'a> {
    /// The least entry, the sum of its weights, and how many inputs had it.
    fn next(&mut self) -> Result<Option<(&'a [u8], i64, usize)>> {
        let Some(entry) = self.cursors.iter().flatten().map(|cursor| cursor.entry).min() else { return Ok(None) };
        let mut sum: i64 = 0;
        let mut merged = 0;
        for slot in &mut self.cursors {
            if let Some(cursor) = slot.as_mut().filter(|cursor| cursor.entry == entry) {
                sum = sum.checked_add(cursor.weight).ok_or(Error::WeightOverflow)?;
                merged += 1;
                if !cursor.advance(Direction::Ascending)? {
                    *slot = None;
                }
            }
        }
        Ok(Some((entry, sum, merged)))
    }
}

/// Writes the sum of `inputs` as one run into `file`; nothing if it is empty. Blocks for its whole length.
pub(crate) fn write_sum(
    inputs: Vec<Run>,
    extent: &KeyExtent,
    file: &mut FileWriter,
    mut run: RunWriter,
) -> Result<RunWriter> {
    let mut sum = Sum::new(inputs);
    let expected = sum.expected_hash();
    sum.advance(usize::MAX, |entry, weight| run.push(file, extent, entry, weight))?;
    check(expected, run.hash())?;
    Ok(run)
}

/// Fails when a merge's output is not the sum of its inputs.
fn check(expected: u128, found: u128) -> Result<()> {
    if expected == found { Ok(()) } else { Err(Error::MergeMismatch { expected, found }) }
}

/// A merge of runs in memory into a run in memory: the two youngest, then their sum and the next, and so on, because the
/// older ones are longer.
#[derive(Debug)]
pub struct MemoryMerge {
    inputs: Vec<Run>,
    extent: KeyExtent,
    /// The inputs that nothing was read of yet, youngest last.
    rest: Vec<Arc<Batch>>,
    sum: Partial,
}

/// The sum of the inputs so far.
#[derive(Debug)]
enum Partial {
    Working(Box<Addition>),
    Done(Arc<Batch>),
}

impl MemoryMerge {
    /// Starts to merge the runs that [`crate::policy::choose`] named with `MergeChoice::Memory`.
    pub fn start(spine: &Spine, runs: Range<usize>) -> MemoryMerge {
        let inputs = spine.memory_runs(runs);
        let batch = |run: &Run| match run {
            Run::Memory(run) => Some(Arc::clone(run.batch())),
            Run::File(_) => None,
        };
        let mut rest: Vec<Arc<Batch>> = inputs.iter().rev().filter_map(batch).collect();
        let youngest = rest.pop().unwrap_or_default();
        MemoryMerge { inputs, extent: spine.extent().clone(), rest, sum: Partial::Done(youngest) }
    }

    /// How many entries its inputs have.
    pub fn entries(&self) -> u64 {
        self.inputs.iter().map(Run::len).sum()
    }

    /// How many of the spine's runs in memory are younger than all inputs.
    pub fn younger_runs(&self, spine: &Spine) -> usize {
        spine.memory_runs_before(|run| self.inputs.iter().any(|input| input.is(run)))
    }

    /// Merges about `bytes_budget` bytes.
    pub fn advance(&mut self, bytes_budget: usize) -> Result<Progress> {
        let entries = (bytes_budget / ENTRY_COST_BYTES).max(1);
        if let Partial::Working(addition) = &mut self.sum {
            if !addition.advance(entries)? {
                return Ok(Progress::Working);
            }
            let done = std::mem::replace(&mut self.sum, Partial::Done(Arc::default()));
            if let Partial::Working(addition) = done {
                self.sum = Partial::Done(Arc::new(addition.finish()?));
            }
        }
        match (&self.sum, self.rest.pop()) {
            (Partial::Done(sum), Some(next)) => {
                self.sum = Partial::Working(Box::new(Addition::new(next, Arc::clone(sum))));
                Ok(Progress::Working)
            }
            _ => Ok(Progress::Ready),
        }
    }

    /// Finishes what is left.
    pub fn finish(mut self) -> Result<Replacement> {
        while self.advance(usize::MAX)? == Progress::Working {}
        let probed = self.inputs.iter().any(|run| matches!(run, Run::Memory(run) if run.is_probed()));
        let output = match self.sum {
            Partial::Done(batch) if !batch.is_empty() => {
                Some(Run::Memory(Arc::new(MemoryRun::merged(batch, &self.extent, probed)?)))
            }
            _ => None,
        };
        Ok(Replacement { inputs: self.inputs, output, moves_to_file: false })
    }
}

/// A merge of runs in files into a run in a new file.
#[derive(Debug)]
pub struct FileMerge {
    sum: Sum,
    extent: KeyExtent,
    file: FileWriter,
    run: RunWriter,
    entries_done: bool,
}

impl FileMerge {
    /// Starts to merge the runs that [`crate::policy::choose`] named with `MergeChoice::Files`.
    pub fn start(store: &Store, spine: &Spine, runs: Range<usize>) -> Result<FileMerge> {
        let (mut file, id) = store.create_file()?;
        let extent = spine.extent().clone();
        let run = RunWriter::start(&mut file, id, &extent);
        Ok(FileMerge { sum: Sum::new(spine.file_runs(runs)), extent, file, run, entries_done: false })
    }

    /// Merges about `bytes_budget` bytes, or builds as much of the hash index.
    pub fn advance(&mut self, bytes_budget: usize) -> Result<Progress> {
        if !self.entries_done {
            let (file, run, extent) = (&mut self.file, &mut self.run, &self.extent);
            self.entries_done =
                self.sum.advance(bytes_budget, |entry, weight| run.push(file, extent, entry, weight))?;
            return Ok(Progress::Working);
        }
        let done = self.run.build_index(&mut self.file, (bytes_budget / ENTRY_COST_BYTES).max(1))?;
        Ok(if done { Progress::Ready } else { Progress::Working })
    }

    /// Finishes what is left, checks the output, makes it durable and records it in the manifest. `None`, and nothing has
    /// happened, if the arrangement was dropped meanwhile.
    pub fn finish(mut self, store: &Store, arrangement: ArrangementId) -> Result<Option<Replacement>> {
        if let Err(error) = self.complete() {
            // The first error says what is wrong; what cannot be removed now is removed by the next opening.
            let _ = store.discard(self.file);
            return Err(error);
        }
        store.install_merge(arrangement, self.sum.inputs, self.file, self.run)
    }

    fn complete(&mut self) -> Result<()> {
        while self.advance(usize::MAX)? == Progress::Working {}
        check(self.sum.expected_hash(), self.run.hash())
    }

    /// Gives up and removes the unfinished file.
    pub fn abandon(self, store: &Store) -> Result<()> {
        store.discard(self.file)
    }
}
