//! How a log is opened.

use crate::error::{Error, Result};
use crate::format::{ALIGNMENT, SEGMENT_HEADER_BYTES};
use crate::lsn::Lsn;

/// Settings of [`crate::Wal::open`]. The defaults suit a log that is used alone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WalOptions {
    /// Length of a segment file: a multiple of 4 KiB, at least 16 KiB. May differ from one open to the next. A group that
    /// does not fit gets a segment of its own. Default 64 MiB.
    pub segment_bytes: u64,
    /// The longest record that is accepted. Default and maximum: 1 GiB.
    pub record_bytes_max: u64,
    /// Up to where the owner knows the log to have been durable, for instance because a checkpoint covers it. If the log
    /// turns out to end before, opening fails instead of losing its tail. Default: nothing is known.
    pub known_durable: Lsn,
    /// Randomness for the nonces that tell one use of a segment from another. Segment numbers alone keep them apart within
    /// one history; pass fresh randomness at every open, so that the segments of two copies of a log that went different
    /// ways cannot be taken for each other. A simulation passes a fixed number. Default 0.
    pub nonce_seed: u64,
    /// Whether opening takes the directory's lock and holds it until the log is dropped. An owner that keeps other files in
    /// the same directory takes the lock itself, before it reads any of them, and sets this to false. Default true.
    pub lock_directory: bool,
}

impl Default for WalOptions {
    fn default() -> WalOptions {
        WalOptions {
            segment_bytes: 64 << 20,
            record_bytes_max: RECORD_BYTES_MAX,
            known_durable: Lsn::ZERO,
            nonce_seed: 0,
            lock_directory: true,
        }
    }
}

/// Record lengths are stored in 32 bits; the limit leaves room for a group of several.
const RECORD_BYTES_MAX: u64 = 1 << 30;

/// Room for the header and a little more than one group.
const SEGMENT_BYTES_MIN: u64 = SEGMENT_HEADER_BYTES + 2 * ALIGNMENT;

impl WalOptions {
    pub(crate) fn check(&self) -> Result<()> {
        if self.segment_bytes < SEGMENT_BYTES_MIN || !self.segment_bytes.is_multiple_of(ALIGNMENT) {
            let reason = format!("segment_bytes must be a multiple of {ALIGNMENT} and at least {SEGMENT_BYTES_MIN}");
            return Err(Error::InvalidOptions { reason });
        }
        if self.record_bytes_max > RECORD_BYTES_MAX {
            return Err(Error::InvalidOptions {
                reason: format!("record_bytes_max must be at most {RECORD_BYTES_MAX}"),
            });
        }
        Ok(())
    }
}
