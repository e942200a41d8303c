//! One transaction on its way through the commit queue, and the slip on which its writer waits.
//!
//! A ticket is `Waiting` until a leader takes it into a group, `Taken` until the group is durable and visible, and then
//! `Done` with the epoch or the error. Each transition happens once. The writer is woken by the last, and before that only
//! if it is called to lead.
//!
//! Called by the commit pipeline only.

use std::sync::Arc;
use std::time::Duration;

use monostable_query::{Catalog, ConflictKey};
use monostable_types::Epoch;
use monostable_view::{Delta, TableId};
use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result};

/// What a transaction wants to write.
#[derive(Debug)]
pub(crate) struct Request {
    /// The epoch that it read.
    pub(crate) snapshot: Epoch,
    /// The catalog that it was planned against.
    pub(crate) catalog: Arc<Catalog>,
    /// Its changes, in the order of its statements. Not empty.
    pub(crate) writes: Vec<(TableId, Delta)>,
    /// The keys it wrote, for certification.
    pub(crate) keys: Vec<ConflictKey>,
    /// About how many bytes the changes take.
    pub(crate) bytes: usize,
}

#[derive(Debug)]
enum Progress {
    /// In the queue, and whether its writer has been called to lead since it last looked.
    Waiting {
        called: bool,
    },
    Taken,
    Done(Result<Epoch>),
}

/// Why a writer is awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    /// There may be no leader: it should try to become one.
    ToLead,
    /// Somebody else has its ticket, or had it.
    Taken,
    /// Nothing has happened for too long.
    TimedOut,
}

/// A request in the queue.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) request: Request,
    progress: Mutex<Progress>,
    wake: Condvar,
}

impl Ticket {
    pub(crate) fn new(request: Request) -> Ticket {
        Ticket { request, progress: Mutex::new(Progress::Waiting { called: false }), wake: Condvar::new() }
    }

    /// A leader takes this ticket, unless its writer has given up.
    pub(crate) fn take(&self) -> bool {
        let mut progress = self.progress.lock();
        let waiting = matches!(*progress, Progress::Waiting { .. });
        if waiting {
            *progress = Progress::Taken;
        }
        waiting
    }

    /// The writer gives up, unless a leader has the ticket already: then its outcome has to be waited for.
    pub(crate) fn give_up(&self, error: Error) {
        let mut progress = self.progress.lock();
        if matches!(*progress, Progress::Waiting { .. }) {
            *progress = Progress::Done(Err(error));
        }
    }

    /// Calls the writer to lead, if nobody has the ticket yet; whether that is so.
    pub(crate) fn call(&self) -> bool {
        let mut progress = self.progress.lock();
        let Progress::Waiting { called } = &mut *progress else { return false };
        if !std::mem::replace(called, true) {
            self.wake.notify_one();
        }
        true
    }

    /// Waits until the writer is called, the ticket is taken, or so much time has passed.
    pub(crate) fn wait_for_turn(&self, wait_max: Duration) -> Woken {
        let mut progress = self.progress.lock();
        let mut timed_out = false;
        loop {
            let Progress::Waiting { called } = &mut *progress else { return Woken::Taken };
            if std::mem::take(called) {
                return Woken::ToLead;
            }
            if timed_out {
                return Woken::TimedOut;
            }
            timed_out = self.wake.wait_for(&mut progress, wait_max).timed_out();
        }
    }

    /// Whether a leader has this ticket, or had it.
    pub(crate) fn is_taken(&self) -> bool {
        !matches!(*self.progress.lock(), Progress::Waiting { .. })
    }

    /// Whether the wait is over.
    pub(crate) fn is_done(&self) -> bool {
        matches!(*self.progress.lock(), Progress::Done(_))
    }

    /// Ends the wait.
    pub(crate) fn finish(&self, outcome: Result<Epoch>) {
        let mut progress = self.progress.lock();
        assert!(!matches!(*progress, Progress::Done(_)), "a transaction has one outcome");
        *progress = Progress::Done(outcome);
        self.wake.notify_one();
    }

    /// Waits for the outcome.
    pub(crate) fn wait(&self) -> Result<Epoch> {
        let mut progress = self.progress.lock();
        loop {
            if let Progress::Done(outcome) = &*progress {
                return outcome.clone();
            }
            self.wake.wait(&mut progress);
        }
    }
}
