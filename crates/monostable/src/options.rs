//! Options: where the database lives, what bounds it, and who drives its background work.
//!
//! Everything that a test wants to control comes in here: the disk, the clock, the randomness, and whether background work
//! runs on a thread or is called step by step. No other file of this crate reads a clock or asks the system for entropy.
//!
//! Every queue and buffer of the engine has its bound here. The defaults suit a process that shares its machine.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use monostable_vfs::Storage;
use monostable_view::Fork;
use rayon_core::{ThreadPool, ThreadPoolBuilder};

/// A clock that only goes forward. It paces background work and bounds waiting; no result depends on it.
pub trait Clock: Send + Sync + Debug {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;
}

/// The system's monotonic clock.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that options hand to everybody else")]
    fn default() -> SystemClock {
        SystemClock(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A source of numbers that do not repeat: log segments are stamped with them, so that bytes left over from an earlier use
/// of a file never pass for new ones.
pub trait Randomness: Send + Sync + Debug {
    /// The next number.
    fn next_u64(&self) -> u64;
}

/// Randomness from the operating system.
#[derive(Debug, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[expect(clippy::disallowed_types, reason = "this is the randomness that options hand to everybody else")]
    fn next_u64(&self) -> u64 {
        // The standard library seeds each `RandomState` from the system's entropy; this is its only public door to it.
        std::hash::RandomState::new().build_hasher().finish()
    }
}

/// Who runs merges, checkpoints and the other background work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    /// One thread, started with the database and joined when it is closed.
    Thread,
    /// Nobody but [`Database::background_step`](crate::Database::background_step), which a test calls when it likes.
    Manual,
}

/// Where a database keeps its files.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A directory of the operating system, made if it does not exist.
    Path(PathBuf),
    /// A disk given by the caller.
    Storage(Arc<dyn Storage>),
    /// Nowhere: no log, no files, gone when the last handle is dropped.
    Memory,
}

/// How to open a database. Start from [`Options::at`], [`Options::on`] or [`Options::in_memory`] and change fields.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    pub(crate) place: Place,
    /// Who runs background work.
    pub background: Background,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub randomness: Arc<dyn Randomness>,
    /// Transactions that may wait for the commit lock. A writer that finds the queue full waits for
    /// [`commit_wait_max`](Options::commit_wait_max).
    pub commit_queue_max: usize,
    /// How long a writer waits for a place in the queue, or for memory, before it is told
    /// [`Overloaded`](crate::Error::Overloaded).
    pub commit_wait_max: Duration,
    /// Bytes of changes that one group of commits takes together. A larger transaction makes a group of its own.
    pub group_bytes_max: usize,
    /// Bytes of changes in one transaction. A larger one is refused.
    pub transaction_bytes_max: usize,
    /// Bytes that table and view state may take in memory: above half of it a checkpoint moves state to files, above all
    /// of it writers wait. Ignored by an in-memory database, which has nowhere to move it to.
    pub memory_bytes_max: usize,
    /// Bytes of keys remembered for certification. Above it, the oldest open transactions lose their right to commit.
    pub certification_bytes_max: usize,
    /// Bytes of changes that may gather while a view is built. Above it the build is given up with an error.
    pub build_buffer_bytes_max: usize,
    /// Changes that a subscription holds for a reader who does not fetch them.
    pub subscription_rows_max: usize,
    /// Size of a log segment in bytes.
    pub log_segment_bytes: u64,
    /// A checkpoint is taken when the log since the last one has this many bytes...
    pub checkpoint_log_bytes: u64,
    /// ...or when replaying it is expected to take this long, whichever comes first.
    pub replay_time_max: Duration,
    /// Threads on which a large step is computed: 1 or 2. The second one is started by the first such step and ends with the
    /// database. What is computed does not depend on it.
    pub step_threads_max: usize,
    /// Write a checkpoint in [`Database::close`](crate::Database::close), so that the next open replays nothing.
    pub checkpoint_on_close: bool,
}

/// How a step is forked, as the options say. The second thread is started by the first large step and kept: one that ends with
/// every step would ask the system for memory anew each time.
pub(crate) struct Forking {
    threads_max: usize,
    helper: OnceLock<Option<ThreadPool>>,
}

impl Forking {
    /// The second thread; none if there may not be one or none can be had.
    fn helper(&self) -> Option<&ThreadPool> {
        let start = || {
            let threads = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "monostable-step".to_owned());
            if self.threads_max < 2 { None } else { threads.build().ok() }
        };
        self.helper.get_or_init(start).as_ref()
    }
}

impl Fork for Forking {
    fn both(&self, first: &mut (dyn FnMut() + Send), second: &mut (dyn FnMut() + Send)) {
        match self.helper() {
            None => {
                first();
                second();
            }
            Some(helper) => helper.in_place_scope(|scope| {
                scope.spawn(|_| second());
                first();
            }),
        }
    }
}

impl Options {
    /// How large steps are computed. A database whose background work is done by hand does everything on one thread.
    pub(crate) fn forking(&self) -> Forking {
        let threads_max = if self.background == Background::Manual { 1 } else { self.step_threads_max };
        Forking { threads_max, helper: OnceLock::new() }
    }

    /// A database in the directory `path`, which is created if it does not exist.
    pub fn at(path: impl Into<PathBuf>) -> Options {
        Options::new(Place::Path(path.into()))
    }

    /// A database on a disk of the caller's: the memory disk or the faulty disk of a test, for example.
    pub fn on(storage: Arc<dyn Storage>) -> Options {
        Options::new(Place::Storage(storage))
    }

    /// A database without files.
    pub fn in_memory() -> Options {
        Options::new(Place::Memory)
    }

    fn new(place: Place) -> Options {
        Options {
            place,
            background: Background::Thread,
            step_threads_max: std::thread::available_parallelism().map_or(1, |count| count.get().min(2)),
            clock: Arc::new(SystemClock::default()),
            randomness: Arc::new(SystemRandomness),
            commit_queue_max: 4096,
            commit_wait_max: Duration::from_secs(5),
            group_bytes_max: 4 << 20,
            transaction_bytes_max: 1 << 30,
            memory_bytes_max: 1 << 30,
            certification_bytes_max: 256 << 20,
            build_buffer_bytes_max: 256 << 20,
            subscription_rows_max: 1 << 16,
            log_segment_bytes: 64 << 20,
            checkpoint_log_bytes: 64 << 20,
            replay_time_max: Duration::from_millis(250),
            checkpoint_on_close: true,
        }
    }
}
