//! Making written groups durable: two flush lanes, released in the order in which they set out.
//!
//! There is no flush thread and no timer. Whoever needs a position durable looks for a lane: if nobody is on the way with it
//! yet and a lane is free, the caller syncs the file itself, for everything written by then (an idle log thus commits inline);
//! otherwise it waits for the one that is. While one sync is in flight the next one gathers, so batches form by themselves.
//!
//! Invariants:
//! - `durable` only moves to the target of a flush that succeeded after every earlier flush had succeeded.
//! - Each lane has a file handle of its own. An operating system reports a failed write-back once per handle; with a shared
//!   handle one lane could swallow the error that belongs to the other.
//! - After one failure nothing becomes durable any more, no sync is tried again, and every waiter is told that its outcome
//!   is unknown.
//! - Waiters are woken in the order of their positions.
//!
//! Cost: one lock held for nanoseconds around each sync; one allocation per waiter.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use monostable_vfs::{self as vfs, File};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::lsn::Lsn;

const LANES: usize = 2;

/// The handles of the segment that is being filled, one per lane.
pub(crate) type Lanes = [Arc<dyn File>; LANES];

/// What is written, what is durable, and who waits for it.
#[derive(Debug)]
pub(crate) struct Flusher {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    written: Lsn,
    durable: Lsn,
    /// The same without a seal at the end: positions that callers get to see.
    records_written: Lsn,
    records_durable: Lsn,
    lanes: Option<Lanes>,
    /// On their way, in order of departure; landed ones wait here for those before them.
    flights: VecDeque<Flight>,
    waiters: BTreeMap<(Lsn, u64), Arc<Condvar>>,
    tickets: u64,
    poison: Option<Arc<vfs::Error>>,
    syncs: u64,
}

#[derive(Debug)]
struct Flight {
    lane: usize,
    target: Lsn,
    records: Lsn,
    landed: bool,
}

impl Flusher {
    /// A log that is durable up to `position`.
    pub(crate) fn new(position: Lsn) -> Flusher {
        let state = State {
            written: position,
            durable: position,
            records_written: position,
            records_durable: position,
            lanes: None,
            flights: VecDeque::new(),
            waiters: BTreeMap::new(),
            tickets: 0,
            poison: None,
            syncs: 0,
        };
        Flusher { state: Mutex::new(state) }
    }

    pub(crate) fn durable(&self) -> Lsn {
        self.state.lock().durable
    }

    /// Up to which group of records the log is durable. A seal behind it is not counted, because recovery leaves out a seal
    /// that nothing vouches for: what callers were told must never lie beyond the end that they find later.
    pub(crate) fn records_durable(&self) -> Lsn {
        self.state.lock().records_durable
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// Fails if the log has failed before.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.state.lock().poison {
            Some(cause) => Err(Error::Poisoned { cause: Arc::clone(cause) }),
            None => Ok(()),
        }
    }

    /// Notes that a group has been written up to `position`, and where the last group of records ends.
    pub(crate) fn wrote(&self, position: Lsn, records: Lsn) {
        let mut state = self.state.lock();
        state.written = position;
        state.records_written = records;
    }

    /// Turns to another segment. All of the old one must be durable.
    pub(crate) fn switch(&self, lanes: Lanes) {
        let mut state = self.state.lock();
        assert!(state.durable == state.written, "a segment is durable before its successor begins");
        state.lanes = Some(lanes);
    }

    /// Stops the log for good, unless it has stopped already, and returns what stopped it.
    pub(crate) fn poison(&self, cause: vfs::Error) -> Arc<vfs::Error> {
        let mut state = self.state.lock();
        let cause = Arc::clone(state.poison.get_or_insert_with(|| Arc::new(cause)));
        state.wake();
        cause
    }

    /// Returns when everything up to `position` is durable.
    pub(crate) fn sync(&self, position: Lsn) -> Result<()> {
        let mut state = self.state.lock();
        if position > state.written {
            return Err(Error::BeyondEnd { position, end: state.written });
        }
        while state.durable < position {
            if let Some(cause) = &state.poison {
                return Err(Error::OutcomeUnknown { position, cause: Arc::clone(cause) });
            }
            match state.depart(position) {
                Some((lane, file)) => {
                    let outcome = MutexGuard::unlocked(&mut state, || file.sync_data());
                    state.land(lane, outcome);
                }
                None => wait(&mut state, position),
            }
        }
        Ok(())
    }
}

/// Waits until something about `position` may have changed.
fn wait(state: &mut MutexGuard<'_, State>, position: Lsn) {
    let wake = Arc::new(Condvar::new());
    state.tickets += 1;
    let ticket = (position, state.tickets);
    state.waiters.insert(ticket, Arc::clone(&wake));
    wake.wait(state);
    state.waiters.remove(&ticket);
}

impl State {
    /// How far the log will be durable once everything in flight has succeeded.
    fn covered(&self) -> Lsn {
        self.flights.back().map_or(self.durable, |flight| flight.target)
    }

    /// Sends off a flush for everything written so far, if `position` needs one and a lane is free.
    fn depart(&mut self, position: Lsn) -> Option<(usize, Arc<dyn File>)> {
        if position <= self.covered() || self.flights.len() == LANES {
            return None;
        }
        let lane = (0..LANES).find(|lane| self.flights.iter().all(|flight| flight.lane != *lane))?;
        let file = Arc::clone(self.lanes.as_ref()?.get(lane)?);
        self.flights.push_back(Flight { lane, target: self.written, records: self.records_written, landed: false });
        self.syncs += 1;
        Some((lane, file))
    }

    /// Takes in a flush that has returned, releases what is complete from the front, and wakes whom that concerns.
    fn land(&mut self, lane: usize, outcome: vfs::Result<()>) {
        match outcome {
            Err(cause) => {
                self.poison.get_or_insert_with(|| Arc::new(cause));
            }
            Ok(()) => {
                for flight in self.flights.iter_mut().filter(|flight| flight.lane == lane) {
                    flight.landed = true;
                }
            }
        }
        while self.poison.is_none() && self.flights.front().is_some_and(|flight| flight.landed) {
            if let Some(flight) = self.flights.pop_front() {
                self.durable = flight.target;
                self.records_durable = flight.records;
            }
        }
        self.wake();
    }

    /// Wakes everyone whose position is durable, in order, and the first whose position nobody is on the way with, so that
    /// it takes the free lane. After a failure, everyone.
    fn wake(&self) {
        let covered = self.covered();
        let mut departing = false;
        for ((position, _), waiter) in &self.waiters {
            let released = *position <= self.durable || self.poison.is_some();
            let departs = *position > covered && !departing;
            departing |= departs;
            if released || departs {
                waiter.notify_one();
            }
        }
    }
}
