//! Background work: checkpoints, merges, preparing and sealing the log, removing files.
//!
//! One function does one small piece, [`Engine::background_step`], and says whether there was one. A thread calls it in a
//! loop, or a test calls it by hand; there is no other place that starts such work, and no step depends on a clock for its
//! result. What is most urgent comes first: memory that is running out, a log that would take too long to replay, then
//! merges, then what is only done when nothing else is.
//!
//! Merges are advanced in slices of [`SLICE_BYTES`], so that a step takes about a millisecond. A checkpoint is one step. While a
//! long merge is on its way, short ones of younger runs are done between its slices: young runs would pile up meanwhile, and
//! every lookup asks each of them.
//!
//! An error here has no caller. It is kept, shown by `stats`, returned by `close`, and the work is tried again later; an
//! error after which the manifest cannot be trusted poisons the commit pipeline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use monostable_view::policy::{MergeChoice, choose};
use monostable_view::{ArrangementId, Failure, FileMerge, MemoryMerge, Progress, Warming};
use parking_lot::Mutex;

use crate::commit::State;
use crate::database::Engine;
use crate::error::{Error, Result};
use crate::files::{Files, merged};
use crate::options::Background;

/// Bytes that one step of a merge reads.
const SLICE_BYTES: usize = 256 << 10;
/// So many entries a merge may have to be done between the slices of another.
const SHORT_ENTRIES_MAX: u64 = 64 << 10;
/// How long the thread rests when there was nothing to do, and after an error.
const REST: Duration = Duration::from_millis(20);
const REST_AFTER_ERROR: Duration = Duration::from_secs(1);
/// How long nothing must have been committed before the log is sealed by the thread.
const SEAL_AFTER: Duration = Duration::from_millis(200);
/// What replay takes, in units of the steps that it repeats: it reads, verifies and decodes besides, and merges nothing on the
/// way. With 2, a log of commits of some hundred rows that promised less than 250 ms took 529 ms.
pub(crate) const REPLAY_PER_STEP: u64 = 5;

/// What the background work remembers from one step to the next.
#[derive(Default)]
pub(crate) struct Chores {
    merge: Option<Merge>,
    /// What is left to touch after an opening.
    warming: Option<Warming>,
    /// A short merge that is done first.
    short: Option<(ArrangementId, Box<MemoryMerge>)>,
    /// Where the log ended when it was last looked at, and since when.
    idle: Option<(monostable_wal::Lsn, Duration)>,
    /// Where the log ended when it was last sealed.
    sealed: Option<monostable_wal::Lsn>,
    /// Whether the newest segment has a successor prepared; the position is where that was found.
    spare: Option<u64>,
}

/// A merge on its way.
enum Merge {
    Memory(ArrangementId, Box<MemoryMerge>),
    Files(ArrangementId, Box<FileMerge>),
}

impl Chores {
    /// Goes on with this when there is nothing more urgent.
    pub(crate) fn warm(&mut self, warming: Warming) {
        self.warming = Some(warming);
    }

    /// Gives up what has been begun. A file that cannot be removed now is removed by the next opening.
    pub(crate) fn abandon(&mut self, files: &Files) {
        self.short = None;
        if let Some(Merge::Files(_, merge)) = self.merge.take() {
            let _ = merge.abandon(&files.store);
        }
    }
}

impl Engine {
    /// Does one piece of background work and answers whether there was one.
    pub(crate) fn background_step(&self) -> Result<bool> {
        let outcome = self.chore();
        *self.background_error.lock() = outcome.as_ref().err().cloned();
        if let Err(error) = &outcome {
            self.poison_if_lost(error);
        }
        outcome
    }

    /// The error of the last background step, if it failed.
    pub(crate) fn background_error(&self) -> Option<Error> {
        self.background_error.lock().clone()
    }

    fn chore(&self) -> Result<bool> {
        let mut chores = self.chores.lock();
        if self.pipeline.check_open().is_err() {
            return Ok(false);
        }
        let state = Arc::clone(&self.pipeline.published());
        self.pipeline.measure_memory(&state);
        if let Some(files) = &self.files
            && self.is_checkpoint_due(files, &state)
        {
            files.checkpoint(&self.pipeline)?;
            self.pipeline.measure_memory(&Arc::clone(&self.pipeline.published()));
            return Ok(true);
        }
        if self.advance_short(&mut chores)? || self.start_short(&mut chores, &state) {
            return Ok(true);
        }
        if self.advance_merge(&mut chores)? || self.start_merge(&mut chores, &state)? {
            return Ok(true);
        }
        if let Some(files) = &self.files
            && files.store.remove_unreferenced()? > 0
        {
            return Ok(true);
        }
        if let Some(warming) = &mut chores.warming {
            if warming.advance() == Progress::Ready {
                chores.warming = None;
            }
            return Ok(true);
        }
        self.tend_log(&mut chores)
    }

    /// A checkpoint is due when memory is half full, or when the log since the last one is long, in bytes or in the time
    /// that replaying it would take.
    fn is_checkpoint_due(&self, files: &Files, state: &State) -> bool {
        let memory_bytes = self.pipeline.meters.memory_bytes.load(Ordering::Relaxed);
        if memory_bytes > self.options.memory_bytes_max / 2 {
            return true;
        }
        let log_bytes = state.version.lsn.0.saturating_sub(files.store.position().1.0);
        log_bytes > 0
            && (log_bytes >= self.options.checkpoint_log_bytes || self.replay_time() > self.options.replay_time_max)
    }

    /// How long replay would take, judged by the time of the steps since the last checkpoint. Not by bytes of log: a commit
    /// of one row fills a block of it as well as one of a hundred, and takes a fraction of the time.
    fn replay_time(&self) -> Duration {
        let meters = &self.pipeline.meters;
        let steps = meters.step_nanos.load(Ordering::Relaxed);
        let since = steps.saturating_sub(meters.checkpointed_nanos.load(Ordering::Relaxed));
        Duration::from_nanos(since.saturating_mul(REPLAY_PER_STEP))
    }

    /// Bytes of log that would be replayed if the process ended now.
    pub(crate) fn replay_bytes(&self, state: &State) -> u64 {
        let covered = self.files.as_ref().map_or(0, |files| files.store.position().1.0);
        state.version.lsn.0.saturating_sub(covered)
    }

    /// Goes on with the short merge, if one is on its way.
    fn advance_short(&self, chores: &mut Chores) -> Result<bool> {
        let Some((id, mut merge)) = chores.short.take() else { return Ok(false) };
        if merge.advance(SLICE_BYTES)? == Progress::Working {
            chores.short = Some((id, merge));
            return Ok(true);
        }
        let replacement = merge.finish()?;
        self.pipeline.install(|version| merged(version, id, &replacement));
        Ok(true)
    }

    /// While a merge is on its way, begins the first short one of younger runs, or of another spine's, that the policy asks for.
    fn start_short(&self, chores: &mut Chores, state: &State) -> bool {
        let Some(long) = &chores.merge else { return false };
        for (id, spine) in state.version.spines() {
            let mut shape = spine.shape();
            if let Merge::Memory(long_id, long) = long
                && *long_id == id
            {
                shape.memory.truncate(long.younger_runs(spine));
            }
            let Some(MergeChoice::Memory(runs)) = choose(&shape) else { continue };
            let merge = MemoryMerge::start(spine, runs);
            if merge.entries() <= SHORT_ENTRIES_MAX {
                chores.short = Some((id, Box::new(merge)));
                return true;
            }
        }
        false
    }

    /// Goes on with the merge that is on its way, if one is.
    fn advance_merge(&self, chores: &mut Chores) -> Result<bool> {
        let (id, replacement) = match chores.merge.take() {
            None => return Ok(false),
            Some(Merge::Memory(id, mut merge)) => {
                if merge.advance(SLICE_BYTES)? == Progress::Working {
                    chores.merge = Some(Merge::Memory(id, merge));
                    return Ok(true);
                }
                (id, Some(merge.finish()?))
            }
            Some(Merge::Files(id, mut merge)) => {
                if merge.advance(SLICE_BYTES)? == Progress::Working {
                    chores.merge = Some(Merge::Files(id, merge));
                    return Ok(true);
                }
                let Some(files) = &self.files else { return Ok(false) };
                (id, merge.finish(&files.store, id)?)
            }
        };
        if let Some(replacement) = replacement {
            self.pipeline.install(|version| merged(version, id, &replacement));
        }
        Ok(true)
    }

    /// Begins the first merge that the policy asks for.
    fn start_merge(&self, chores: &mut Chores, state: &State) -> Result<bool> {
        for (id, spine) in state.version.spines() {
            let merge = match (choose(&spine.shape()), &self.files) {
                (Some(MergeChoice::Memory(runs)), _) => Merge::Memory(id, Box::new(MemoryMerge::start(spine, runs))),
                (Some(MergeChoice::Files(runs)), Some(files)) => {
                    Merge::Files(id, Box::new(FileMerge::start(&files.store, spine, runs)?))
                }
                _ => continue,
            };
            chores.merge = Some(merge);
            return Ok(true);
        }
        Ok(false)
    }

    /// Prepares the next segment when the current one is half full, and seals a log that has fallen idle.
    fn tend_log(&self, chores: &mut Chores) -> Result<bool> {
        let Some(wal) = self.pipeline.wal() else { return Ok(false) };
        if self.pipeline.check_writable().is_err() {
            return Ok(false);
        }
        let end = wal.end();
        let half = self.options.log_segment_bytes / 2;
        if end.0 >= chores.spare.map_or(half, |at| at.saturating_add(half)) {
            chores.spare = Some(end.0);
            return Ok(wal.prepare_spare()?);
        }
        let now = self.options.clock.now();
        let since = match chores.idle {
            Some((at, since)) if at == end => since,
            _ => {
                chores.idle = Some((end, now));
                return Ok(chores.sealed != Some(end) && self.options.background == Background::Manual);
            }
        };
        let waited = self.options.background == Background::Manual || now.saturating_sub(since) >= SEAL_AFTER;
        if chores.sealed == Some(end) || !waited {
            return Ok(false);
        }
        wal.seal()?;
        chores.sealed = Some(end);
        Ok(true)
    }

    /// After some failures nothing that is written can be trusted to be found again: then writing stops.
    pub(crate) fn poison_if_lost(&self, error: &Error) {
        let manifest_is_lost = matches!(error, Error::View(failure) if matches!(**failure, Failure::Storage(monostable_view::Error::Poisoned)));
        let log_is_lost = matches!(error, Error::Log(log) if matches!(**log, monostable_wal::Error::OutcomeUnknown { .. } | monostable_wal::Error::Poisoned { .. }));
        if manifest_is_lost || log_is_lost {
            self.pipeline.fail(Arc::new(error.clone()));
        }
    }
}

/// Warms on a thread of its own for as long as `work` takes, if there may be threads and one can be had.
pub(crate) fn warm_beside<T>(background: Background, warming: &mut Warming, work: impl FnOnce() -> T) -> T {
    if background == Background::Manual {
        return work();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let warm = || loop {
            if done.load(Ordering::Acquire) || warming.advance() == Progress::Ready {
                break;
            }
        };
        let _ = std::thread::Builder::new().name("monostable".to_owned()).spawn_scoped(scope, warm);
        let _done = Done(&done);
        work()
    })
}

/// Says that something is done when it is dropped, however it ended.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The thread that does background work, or nobody.
pub(crate) struct Worker {
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Worker {
    /// Nobody: a test drives the work.
    pub(crate) fn manual() -> Worker {
        Worker { stop: Arc::new(AtomicBool::new(true)), thread: Mutex::new(None) }
    }

    /// A thread that works until it is stopped.
    #[expect(clippy::disallowed_methods, reason = "this is the one thread of the engine")]
    pub(crate) fn start(engine: &Arc<Engine>) -> Result<Worker> {
        let stop = Arc::new(AtomicBool::new(false));
        let (engine, stopped) = (Arc::clone(engine), Arc::clone(&stop));
        let work = move || {
            while !stopped.load(Ordering::Acquire) {
                match engine.background_step() {
                    Ok(true) => {}
                    Ok(false) => std::thread::park_timeout(REST),
                    Err(_) => std::thread::park_timeout(REST_AFTER_ERROR),
                }
            }
        };
        let thread = std::thread::Builder::new().name("monostable".to_owned()).spawn(work);
        let thread = thread.map_err(|error| Error::Recovery(format!("cannot start the background thread: {error}")))?;
        Ok(Worker { stop, thread: Mutex::new(Some(thread)) })
    }

    /// Stops the thread and waits until it has ended.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.lock().take() {
            thread.thread().unpark();
            // A panic of the thread is an assertion of ours; it has been reported by the panic itself.
            let _ = thread.join();
        }
    }
}
