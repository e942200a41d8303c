//! The second half of the commit pipeline: from appended to visible, and everything else that replaces the visible state.
//!
//! Three things make a new published state: a group that has become durable, the installation of background work (the same
//! rows in other runs), and a schema change. Only the first changes what readers read; it happens in log order, with one
//! atomic store each. The other two hold the commit lock, so that the head, the pending groups and the published state
//! change together.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use monostable_types::{Epoch, Lsn};
use monostable_view::Version;

use crate::commit::{Head, HeadGuard, Pending, Pipeline, State};
use crate::error::{Cause, Error, Result};

/// How long a writer that waits for memory sleeps at most before it looks again.
const MEMORY_POLL: Duration = Duration::from_millis(10);

impl Pipeline {
    /// Waits until the log is durable up to `end`, then publishes everything that is.
    pub(crate) fn flush(&self, end: Lsn) {
        let Some(wal) = &self.wal else { return self.publish(end) };
        match wal.sync(monostable_wal::Lsn(end.0)) {
            Ok(()) => self.publish(Lsn(wal.durable().0)),
            Err(error) => self.fail(Arc::new(error)),
        }
    }

    /// Publishes every pending group that ends at or before `durable`, and wakes its writers.
    fn publish(&self, durable: Lsn) {
        let mut published = Vec::new();
        let mut pending = self.pending.lock();
        while pending.front().is_some_and(|group| group.end <= durable) {
            published.extend(pending.pop_front());
        }
        let replaced = published.last().map(|group| self.published.swap(Arc::clone(&group.state)));
        // Under the lock, because subscribers must hear of epochs in their order.
        for Pending { state, changes, .. } in &published {
            changes.iter().for_each(|change| change.subscriber.deliver(state.epoch(), &change.rows, &change.weights));
        }
        self.lane_free.notify_all();
        drop(pending);
        self.call_next();
        for Pending { state, tickets, .. } in published {
            tickets.iter().for_each(|ticket| ticket.finish(Ok(state.epoch())));
        }
        // Freed out of the lock: the last reference to an old state may free many runs.
        drop(replaced);
    }

    /// Stops all writing. Writers whose groups are on their way to disk learn that their outcome is unknown.
    pub(crate) fn fail(&self, cause: Cause) {
        let cause = self.poison.get_or_init(|| cause);
        let lost = std::mem::take(&mut *self.pending.lock());
        self.lane_free.notify_all();
        self.call_next();
        self.subscribers.end_poisoned(cause);
        for ticket in lost.iter().flat_map(|group| &group.tickets) {
            ticket.finish(Err(Error::OutcomeUnknown { cause: Arc::clone(cause) }));
        }
    }

    /// Whether the database has not been closed. A poisoned one can still be read.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Why nothing can be written any more, if so.
    pub(crate) fn check_writable(&self) -> Result<()> {
        if let Some(cause) = self.poison.get() {
            return Err(Error::Poisoned { cause: Arc::clone(cause) });
        }
        self.check_open()
    }

    /// Whether an earlier failure has stopped all writing.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poison.get().is_some()
    }

    /// No commit is accepted from now on. Those that are under way are finished first. Answers whether this call closed it.
    pub(crate) fn close(&self) -> bool {
        let first = !self.closed.swap(true, Ordering::AcqRel);
        drop(self.quiesce());
        self.subscribers.end_closed();
        first
    }

    /// Takes the commit lock and waits until nothing is pending: the head is then what readers see.
    fn quiesce(&self) -> HeadGuard<'_> {
        let head = self.lock_head();
        let mut pending = self.pending.lock();
        while !pending.is_empty() {
            self.lane_free.wait(&mut pending);
        }
        drop(pending);
        head
    }

    /// Takes the commit lock, with nothing pending, for a change that only an open and healthy database may make.
    pub(crate) fn exclusive(&self) -> Result<HeadGuard<'_>> {
        let head = self.quiesce();
        self.check_writable()?;
        Ok(head)
    }

    /// Makes `state` what readers see. The caller holds the commit lock with nothing pending.
    pub(crate) fn replace(&self, head: &mut Head, state: State) {
        let state = Arc::new(state);
        head.state = Arc::clone(&state);
        self.published.store(Arc::clone(&state));
        self.subscribers.end_dropped(&state);
    }

    /// Applies `install` to the head, the pending groups and the published state: the same rows, held in other runs.
    pub(crate) fn install(&self, install: impl Fn(&Version) -> Version) {
        let mut head = self.lock_head();
        let mut pending = self.pending.lock();
        let with =
            |state: &State| Arc::new(State { version: install(&state.version), catalog: Arc::clone(&state.catalog) });
        let published = with(&self.published.load());
        for group in pending.iter_mut() {
            group.state = with(&group.state);
        }
        head.state = Arc::clone(pending.back().map_or(&published, |group| &group.state));
        self.published.store(published);
    }

    /// The published state, with every run in memory sealed in it and in all that come after it, so that no merge takes a
    /// run away while a checkpoint writes it.
    pub(crate) fn seal(&self) -> Result<State> {
        let mut head = self.quiesce();
        let mut version = head.state.version.clone();
        for (id, spine) in head.state.version.spines() {
            version = version.with_spine(id, spine.seal());
        }
        let sealed = State { version, catalog: Arc::clone(&head.state.catalog) };
        self.replace(&mut head, sealed.clone());
        Ok(sealed)
    }

    /// Measures how much memory a state takes, and wakes the writers that wait for memory if there is enough again.
    pub(crate) fn measure_memory(&self, state: &State) {
        let bytes: u64 = state.version.spines().map(|(_, spine)| spine.stats().memory_bytes).sum();
        self.meters.memory_bytes.store(usize::try_from(bytes).unwrap_or(usize::MAX), Ordering::Relaxed);
        self.meters.unmeasured_bytes.store(0, Ordering::Relaxed);
        if !self.is_memory_full() {
            self.relief.notify_all();
        }
    }

    /// Whether table and view state takes more memory than it may. A database without files has nowhere to move it.
    pub(crate) fn is_memory_full(&self) -> bool {
        self.wal.is_some() && self.meters.memory_bytes.load(Ordering::Relaxed) > self.options.memory_bytes_max
    }

    /// Waits while memory is full, no longer than a writer may wait.
    pub(crate) fn wait_for_memory(&self) -> Result<()> {
        let deadline = self.options.clock.now() + self.options.commit_wait_max;
        let mut waiting = self.short_of_memory.lock();
        while self.is_memory_full() {
            let left = deadline.saturating_sub(self.options.clock.now());
            if left.is_zero() {
                return Err(Error::Overloaded { what: "memory was full", waited: self.options.commit_wait_max });
            }
            self.relief.wait_for(&mut waiting, left.min(MEMORY_POLL));
        }
        Ok(())
    }
}

/// The epochs that open transactions read.
impl Pipeline {
    /// The published state, registered as the snapshot of a transaction until [`Pipeline::release`].
    pub(crate) fn acquire(&self) -> Arc<State> {
        let mut snapshots = self.snapshots.lock();
        let state = self.published.load_full();
        *snapshots.entry(state.epoch()).or_insert(0) += 1;
        state
    }

    /// Ends what [`Pipeline::acquire`] began.
    pub(crate) fn release(&self, epoch: Epoch) {
        let mut snapshots = self.snapshots.lock();
        if let Some(readers) = snapshots.get_mut(&epoch) {
            *readers -= 1;
            if *readers == 0 {
                snapshots.remove(&epoch);
            }
        }
    }

    /// The oldest epoch that an open or future transaction can read. Taken under the same lock as `acquire`, so that no
    /// transaction can begin below it unnoticed.
    pub(crate) fn horizon(&self) -> Epoch {
        let snapshots = self.snapshots.lock();
        let published = self.published.load().epoch();
        snapshots.first_key_value().map_or(published, |(epoch, _)| published.min(*epoch))
    }
}
