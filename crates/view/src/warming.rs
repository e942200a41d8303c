//! `Warming`: touches what lies in files before somebody waits for it.
//!
//! The first read of a unit of a file maps it and computes its checksum, which takes many times what later reads take. After an
//! opening all units are such, though the system has most of them in memory still if only the process was restarted. So they
//! are gone through beforehand: all runs are mapped, which is quick, then the fences and hash indexes are verified, which every
//! lookup needs, then the blocks. A step of a run ends at the first thing that is not in memory, so that after a restart of the
//! machine it costs a few reads of the disk and does nothing.
//!
//! It is a hint. Nothing depends on how far it got, damage is left to whoever needs what is damaged, and it keeps no file alive.
//!
//! Cost: one pass over what is in memory, in slices of some 2 MiB. Called by the facade while the log is replayed and when there is
//! nothing else to do; a file that was just written is warmed by whoever wrote it.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::merge::Progress;
use crate::run::Run;
use crate::run::file::{FileRun, WARM_STEPS, Warm};
use crate::version::Version;

/// A pass over the runs in files of one version. See the module's documentation.
#[derive(Debug)]
pub struct Warming {
    /// What is left, in its order: a step of a run, and the unit where it goes on.
    left: VecDeque<(Weak<FileRun>, Warm, u64)>,
}

impl Warming {
    /// A pass that has not begun.
    pub fn new(version: &Version) -> Warming {
        let runs = || version.spines().flat_map(|(_, spine)| spine.all_file_runs());
        let begun = |run: &Run, step| match run {
            Run::File(file) => Some((Arc::downgrade(file), step, file.warm_start(step))),
            Run::Memory(_) => None,
        };
        Warming { left: WARM_STEPS.iter().flat_map(|&step| runs().filter_map(move |run| begun(run, step))).collect() }
    }

    /// Warms one slice.
    pub fn advance(&mut self) -> Progress {
        if let Some((run, step, unit)) = self.left.pop_front()
            && let Some(next) = run.upgrade().and_then(|file| file.warm(step, unit))
        {
            self.left.push_front((run, step, next));
        }
        if self.left.is_empty() { Progress::Ready } else { Progress::Working }
    }
}

/// Warms all of a run that was just written.
pub(crate) fn warm(run: &Run) {
    if let Run::File(file) = run {
        for step in WARM_STEPS {
            let mut next = Some(file.warm_start(step));
            while let Some(unit) = next {
                next = file.warm(step, unit);
            }
        }
    }
}
