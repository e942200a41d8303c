//! Subscriptions: every change of a view, in order, from a known epoch on.
//!
//! A subscription starts with a snapshot, and then gives each change that a later epoch made: the snapshot's rows plus the
//! changes up to an epoch are the view at that epoch. Changes are handed over when their epoch is published, so a subscriber
//! never hears of something that could still be lost.
//!
//! The buffer between the committer and the subscriber is bounded by rows. A subscriber who does not keep up loses the
//! subscription, with an error that says so, and nobody else notices: neither writers nor readers wait for subscribers.
//!
//! Cost: a view without subscribers costs nothing. With some, its changes are kept per group, and copied by nobody.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arrow_array::RecordBatch;
use monostable_query::catalog::ViewDef;
use monostable_types::{Epoch, Weight};
use monostable_view::NodeId;
use parking_lot::{Condvar, Mutex};

use crate::commit::State;
use crate::error::{Cause, Error, Result};
use crate::row::{Row, Rows};
use crate::snapshot::Snapshot;

/// One change of a view.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Change {
    /// The epoch that made it.
    pub epoch: Epoch,
    /// The row.
    pub row: Row,
    /// How often the row was added, or, if negative, taken away. An update takes the old row away and adds the new one.
    pub weight: i64,
}

/// The end of a subscription that the committer holds.
#[derive(Debug)]
pub(crate) struct Subscriber {
    view: Arc<ViewDef>,
    buffer: Mutex<Buffer>,
    arrived: Condvar,
    rows_max: usize,
}

#[derive(Debug, Default)]
struct Buffer {
    changes: VecDeque<Change>,
    end: Option<End>,
}

/// Why no more changes come.
#[derive(Debug, Clone)]
enum End {
    Closed,
    Dropped,
    Lagged,
    Poisoned(Cause),
}

/// The subscribers of a database.
#[derive(Debug, Default)]
pub(crate) struct Subscribers(Mutex<Vec<Weak<Subscriber>>>);

impl Subscriber {
    pub(crate) fn new(view: Arc<ViewDef>, rows_max: usize) -> Subscriber {
        Subscriber { view, buffer: Mutex::default(), arrived: Condvar::new(), rows_max }
    }

    /// The arrangement whose changes it wants.
    pub(crate) fn node(&self) -> NodeId {
        self.view.node
    }

    /// Hands over the changes of an epoch that has just been published.
    pub(crate) fn deliver(&self, epoch: Epoch, rows: &RecordBatch, weights: &[Weight]) {
        let mut buffer = self.buffer.lock();
        if buffer.end.is_some() {
            return;
        }
        if buffer.changes.len() + weights.len() > self.rows_max {
            *buffer = Buffer { changes: VecDeque::new(), end: Some(End::Lagged) };
        } else {
            let rows = Rows::new(self.view.schema.clone(), vec![rows.clone()]);
            buffer.changes.extend(rows.iter().zip(weights).map(|(row, weight)| Change {
                epoch,
                row,
                weight: weight.0,
            }));
        }
        self.arrived.notify_all();
    }

    fn end(&self, end: End) {
        self.buffer.lock().end.get_or_insert(end);
        self.arrived.notify_all();
    }
}

impl Subscribers {
    pub(crate) fn add(&self, subscriber: &Arc<Subscriber>) {
        let mut subscribers = self.0.lock();
        subscribers.retain(|subscriber| subscriber.strong_count() > 0);
        subscribers.push(Arc::downgrade(subscriber));
    }

    /// Those that are still listened to.
    pub(crate) fn live(&self) -> Vec<Arc<Subscriber>> {
        self.0.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Ends the subscriptions of views that a state does not have.
    pub(crate) fn end_dropped(&self, state: &State) {
        for subscriber in self.live() {
            if !state.catalog.views().any(|view| Arc::ptr_eq(view, &subscriber.view)) {
                subscriber.end(End::Dropped);
            }
        }
    }

    pub(crate) fn end_closed(&self) {
        self.live().iter().for_each(|subscriber| subscriber.end(End::Closed));
    }

    pub(crate) fn end_poisoned(&self, cause: &Cause) {
        self.live().iter().for_each(|subscriber| subscriber.end(End::Poisoned(Arc::clone(cause))));
    }
}

/// An iterator over the changes of a view.
///
/// `next` waits for the next change. It gives `None` after the database was closed, and an error and then `None` after the
/// view was dropped, after the subscription lagged, or after the log failed.
pub struct Subscription {
    start: Snapshot,
    subscriber: Arc<Subscriber>,
    ended: bool,
}

impl Subscription {
    pub(crate) fn new(start: Snapshot, subscriber: Arc<Subscriber>) -> Subscription {
        Subscription { start, subscriber, ended: false }
    }

    /// The state from which the changes go on.
    pub fn start(&self) -> &Snapshot {
        &self.start
    }

    /// The next change, if one comes within that time.
    pub fn next_within(&mut self, wait: Duration) -> Result<Option<Change>> {
        if self.ended {
            return Ok(None);
        }
        let subscriber = Arc::clone(&self.subscriber);
        let mut buffer = subscriber.buffer.lock();
        if buffer.changes.is_empty() && buffer.end.is_none() {
            subscriber.arrived.wait_for(&mut buffer, wait);
        }
        self.take(&mut buffer)
    }

    /// What is there: a change, an end, or nothing.
    fn take(&mut self, buffer: &mut Buffer) -> Result<Option<Change>> {
        if let Some(change) = buffer.changes.pop_front() {
            return Ok(Some(change));
        }
        self.ended = buffer.end.is_some();
        match &buffer.end {
            None | Some(End::Closed) => Ok(None),
            Some(End::Dropped) => {
                Err(Error::Dropped { kind: "materialized view", name: self.subscriber.view.name.clone() })
            }
            Some(End::Lagged) => Err(Error::SubscriptionLagged { rows_max: self.subscriber.rows_max }),
            Some(End::Poisoned(cause)) => Err(Error::Poisoned { cause: Arc::clone(cause) }),
        }
    }
}

impl Iterator for Subscription {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Result<Change>> {
        if self.ended {
            return None;
        }
        let subscriber = Arc::clone(&self.subscriber);
        let mut buffer = subscriber.buffer.lock();
        while buffer.changes.is_empty() && buffer.end.is_none() {
            subscriber.arrived.wait(&mut buffer);
        }
        self.take(&mut buffer).transpose()
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("view", &self.subscriber.view.name).field("start", &self.start).finish()
    }
}
