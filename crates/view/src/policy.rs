//! Which runs to merge next: a pure function of a spine's shape. The worker acts on it; see [`crate::MemoryMerge`] and
//! [`crate::FileMerge`].
//!
//! Runs of one kind are kept in a geometric order: every run is some times as long as all newer ones together, four times in
//! memory and eight times in files. So their number grows with the logarithm of the data, and every byte is merged a few
//! times per level. Where nobody asks for keys it is not worth as much to have few runs in memory as to merge little: runs wait
//! until there are four, and one is only merged with newer ones that are as long as itself together. The newest small
//! runs are left to `push`, which absorbs them anyway; what four of are too much for a push is not small. Sealed runs are left to
//! the checkpoint that is writing them.
//!
//! A long run that is asked for keys and has neither index nor filter is given one when nothing else is due.
//!
//! Small merges come first: a merge of young runs never waits for one of old runs, since `choose` returns the youngest.

use std::ops::Range;

use crate::spine::{PUSH_BYTES_MAX, PUSH_ENTRIES_MAX, TIER};

/// Which runs are in disorder.
#[derive(Clone, Copy)]
struct Order {
    /// A run must be this many times as long as all newer ones together, or it is merged with them.
    ratio: u64,
    /// So many runs are merged at least.
    runs_min: usize,
}

const FILES: Order = Order { ratio: 8, runs_min: 2 };
const MEMORY_ASKED: Order = Order { ratio: 4, runs_min: 2 };
const MEMORY_UNASKED: Order = Order { ratio: 1, runs_min: 4 };
/// Above so many runs that `push` has not absorbed, the older of them are merged like any other.
const UNSETTLED_RUNS_MAX: usize = 16;
/// Runs in memory are not merged beyond this length; a checkpoint moves them into files.
const MEMORY_BYTES_MAX: u64 = 1 << 30;

/// What the policy knows of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunShape {
    /// Number of entries.
    pub entries: u64,
    /// Bytes of the entries in memory, bytes of the whole run in a file.
    pub bytes: u64,
    /// Whether a checkpoint may be writing it.
    pub sealed: bool,
    /// Whether it was asked for keys.
    pub asked: bool,
    /// Whether it was, is long enough for an index or a filter of its own, and has neither.
    pub wants_index: bool,
}

/// What the policy knows of a spine. Both lists begin with the newest run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpineShape {
    /// Runs in memory.
    pub memory: Vec<RunShape>,
    /// Runs in files.
    pub files: Vec<RunShape>,
}

/// Neighbouring runs of one kind, by their indexes in the shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeChoice {
    /// Merge these runs in memory into one run in memory. A single one is only given an index.
    Memory(Range<usize>),
    /// Merge these runs in files into one run in a file.
    Files(Range<usize>),
}

/// The merge that is most worth doing, if any is.
pub fn choose(shape: &SpineShape) -> Option<MergeChoice> {
    let unsealed = shape.memory.iter().position(|run| run.sealed).unwrap_or(shape.memory.len());
    let memory = &shape.memory[..unsealed];
    let settled = memory.iter().position(is_settled).unwrap_or(memory.len());
    let start = if settled > UNSETTLED_RUNS_MAX { UNSETTLED_RUNS_MAX / 2 } else { settled };
    let order = if memory.iter().any(|run| run.asked) { MEMORY_ASKED } else { MEMORY_UNASKED };
    let in_memory = disorder(memory, start, MEMORY_BYTES_MAX, order).map(MergeChoice::Memory);
    let unindexed = || memory.iter().position(|run| run.wants_index).map(|at| MergeChoice::Memory(at..at + 1));
    in_memory.or_else(|| disorder(&shape.files, 0, u64::MAX, FILES).map(MergeChoice::Files)).or_else(unindexed)
}

/// Whether pushes of runs like it do not absorb the run: together they would be too much for one push.
fn is_settled(run: &RunShape) -> bool {
    run.entries > (PUSH_ENTRIES_MAX / TIER) as u64 || run.bytes > (PUSH_BYTES_MAX / TIER) as u64
}

/// The youngest runs from `start` on that are not in geometric order, as many of them as one merge puts in order.
fn disorder(runs: &[RunShape], start: usize, bytes_max: u64, order: Order) -> Option<Range<usize>> {
    (start..runs.len()).find_map(|first| {
        let mut sum = runs[first].bytes;
        let mut end = first + 1;
        while end < runs.len()
            && sum.saturating_mul(order.ratio) >= runs[end].bytes
            && sum.saturating_add(runs[end].bytes) <= bytes_max
        {
            sum = sum.saturating_add(runs[end].bytes);
            end += 1;
        }
        (end >= first + order.runs_min).then_some(first..end)
    })
}
