//! `Warming`: touches what lies in files before somebody waits for it.
//!
//! The first read of a unit of a file maps it and computes its checksum, which takes many times what later reads take. After an
//! opening all units are such, though the system has most of them in memory still if only the process was restarted. So they
//! are gone through beforehand: of each run the fences and the hash index, which every lookup needs, then of each run the blocks.
//! What is not in memory is left alone, so it costs no disk read, and after a restart of the machine it does nothing.
//!
//! It is a hint. Nothing depends on how far it got, damage is left to whoever needs what is damaged, and it keeps no file alive.
//!
//! Cost: one pass over what is in memory, in slices of 2 MiB. Called by the facade while the log is replayed and when there is
//! nothing else to do; a file that was just written is warmed by whoever wrote it.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use crate::merge::Progress;
use crate::run::Run;
use crate::run::file::FileRun;
use crate::version::Version;

/// A pass over the runs in files of one version. See the module's documentation.
#[derive(Debug)]
pub struct Warming {
    /// What is left, in the order in which it is warmed: a run, and the first unit of it that was not.
    left: VecDeque<(Weak<FileRun>, u64)>,
}

impl Warming {
    /// A pass that has not begun.
    pub fn new(version: &Version) -> Warming {
        let files = version.spines().flat_map(|(_, spine)| spine.all_file_runs());
        Warming { left: files.filter_map(begun).collect() }
    }

    /// Warms one slice.
    pub fn advance(&mut self) -> Progress {
        let Some((run, unit)) = self.left.pop_front() else { return Progress::Ready };
        if let Some(file) = run.upgrade()
            && let Some(next) = file.warm(unit)
        {
            // The blocks of a run come after the indexes of all others.
            if next < unit { self.left.push_back((run, next)) } else { self.left.push_front((run, next)) }
        }
        if self.left.is_empty() { Progress::Ready } else { Progress::Working }
    }
}

fn begun(run: &Run) -> Option<(Weak<FileRun>, u64)> {
    match run {
        Run::File(file) => Some((Arc::downgrade(file), file.warm_start())),
        Run::Memory(_) => None,
    }
}

/// Warms all of a run that was just written.
pub(crate) fn warm(run: &Run) {
    if let Run::File(file) = run {
        let mut next = Some(file.warm_start());
        while let Some(unit) = next {
            next = file.warm(unit);
        }
    }
}
