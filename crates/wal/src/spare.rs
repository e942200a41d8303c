//! The spare: one file that is ready to become the next segment.
//!
//! Zero-filling a segment takes tens of milliseconds, so it is done ahead of use, by [`crate::Wal::prepare_spare`] from the
//! owner's background work, or saved altogether by recycling an old segment. A log works without a spare: the writer then
//! fills ahead a little at a time.
//!
//! Invariant: while the state is `Ready` nobody has the file open; while it is `Preparing` exactly one call works on it. The
//! contents of a spare mean nothing; only their length counts.

use monostable_vfs::{self as vfs, Storage};
use parking_lot::Mutex;

use crate::segment::{SPARE, remove_if_present, zero_fill};

/// Who may touch the spare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Preparing,
    Ready { bytes: u64 },
}

/// The spare of one log.
#[derive(Debug)]
pub(crate) struct Spare {
    state: Mutex<State>,
}

impl Spare {
    /// Looks for a spare that an earlier use of the log has left.
    pub(crate) fn find(storage: &dyn Storage) -> vfs::Result<Spare> {
        let state = match storage.open(SPARE) {
            Ok(file) => State::Ready { bytes: file.len()? },
            Err(vfs::Error::NotFound { .. }) => State::Absent,
            Err(error) => return Err(error),
        };
        Ok(Spare { state: Mutex::new(state) })
    }

    /// Makes a spare of `segment_bytes` unless there is one; whether it did.
    pub(crate) fn prepare(&self, storage: &dyn Storage, segment_bytes: u64) -> vfs::Result<bool> {
        let filled = {
            let mut state = self.state.lock();
            match *state {
                State::Preparing => return Ok(false),
                State::Ready { bytes } if bytes >= segment_bytes => return Ok(false),
                State::Ready { bytes } => {
                    *state = State::Preparing;
                    Some(bytes)
                }
                State::Absent => {
                    *state = State::Preparing;
                    None
                }
            }
        };
        let outcome = fill(storage, filled, segment_bytes);
        if outcome.is_err() {
            // The space is worth more to others than half a spare. If removing fails too, the next attempt meets the file.
            let _ = remove_if_present(storage, SPARE);
        }
        *self.state.lock() = match outcome {
            Ok(()) => State::Ready { bytes: segment_bytes },
            Err(_) => State::Absent,
        };
        outcome.map(|()| true)
    }

    /// Claims the place of the spare for a segment that is no longer needed; whether it was free.
    pub(crate) fn claim(&self) -> bool {
        let mut state = self.state.lock();
        let free = *state == State::Absent;
        if free {
            *state = State::Preparing;
        }
        free
    }

    /// Ends a claim.
    pub(crate) fn release(&self, bytes: Option<u64>) {
        *self.state.lock() = bytes.map_or(State::Absent, |bytes| State::Ready { bytes });
    }

    /// Takes the spare for a segment, if one is ready; its length. Until [`Spare::release`] nobody else can touch it.
    pub(crate) fn take(&self) -> Option<u64> {
        let mut state = self.state.lock();
        match *state {
            State::Ready { bytes } => {
                *state = State::Preparing;
                Some(bytes)
            }
            State::Absent | State::Preparing => None,
        }
    }
}

fn fill(storage: &dyn Storage, filled: Option<u64>, segment_bytes: u64) -> vfs::Result<()> {
    let file = match filled {
        Some(_) => storage.open(SPARE)?,
        None => {
            remove_if_present(storage, SPARE)?;
            storage.create(SPARE)?
        }
    };
    zero_fill(&*file, filled.unwrap_or(0), segment_bytes)?;
    file.sync_all()?;
    storage.sync_dir()
}
