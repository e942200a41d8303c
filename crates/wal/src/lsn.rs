//! Positions in the log.

use std::fmt;

/// A byte position in the log: the sum of the lengths of all groups before it, padding included, segment headers not.
///
/// Positions only grow, survive recycling and recovery, and are never reused. A caller gets them from [`crate::Wal::append`]
/// and [`crate::Group`] and hands them back; it computes none itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Where a log begins.
    pub const ZERO: Lsn = Lsn(0);

    /// The position `bytes` further on. Saturates: no log reaches 2^64 bytes, and a damaged number must not panic.
    pub(crate) fn plus(self, bytes: u64) -> Lsn {
        Lsn(self.0.saturating_add(bytes))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
