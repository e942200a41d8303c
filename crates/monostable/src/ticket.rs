//! One transaction on its way through the commit queue, and the slip on which its writer waits.
//!
//! A ticket is `Waiting` until a leader takes it into a group, `Taken` until the group is durable and visible, and then
//! `Done` with the epoch or the error. Each transition happens once, and only the last wakes the writer.
//!
//! Called by the commit pipeline only.

use std::sync::Arc;

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
    Waiting,
    Taken,
    Done(Result<Epoch>),
}

/// A request in the queue.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) request: Request,
    progress: Mutex<Progress>,
    done: Condvar,
}

impl Ticket {
    pub(crate) fn new(request: Request) -> Ticket {
        Ticket { request, progress: Mutex::new(Progress::Waiting), done: Condvar::new() }
    }

    /// A leader takes this ticket, unless its writer has given up.
    pub(crate) fn take(&self) -> bool {
        let mut progress = self.progress.lock();
        let waiting = matches!(*progress, Progress::Waiting);
        if waiting {
            *progress = Progress::Taken;
        }
        waiting
    }

    /// The writer gives up, unless a leader has the ticket already: then its outcome has to be waited for.
    pub(crate) fn give_up(&self, error: Error) {
        let mut progress = self.progress.lock();
        if matches!(*progress, Progress::Waiting) {
            *progress = Progress::Done(Err(error));
        }
    }

    /// Whether a leader has this ticket, or had it.
    pub(crate) fn is_taken(&self) -> bool {
        !matches!(*self.progress.lock(), Progress::Waiting)
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
        self.done.notify_all();
    }

    /// Waits for the outcome.
    pub(crate) fn wait(&self) -> Result<Epoch> {
        let mut progress = self.progress.lock();
        loop {
            if let Progress::Done(outcome) = &*progress {
                return outcome.clone();
            }
            self.done.wait(&mut progress);
        }
    }
}
