//! Logical time and log positions: two numbers that must never be confused.
//!
//! An [`Epoch`] counts committed groups; an [`Lsn`] is a byte position in the log. Both are plain `u64`s on disk, and both
//! only grow. They are separate types because they are mixed up easily and the mistake is silent.
//!
//! Not here: who assigns them (the committer), and how the log maps one to the other.

use std::fmt;

/// Logical commit time: one epoch per committed group of transactions.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch of a database in which nothing was committed yet.
    pub const ZERO: Epoch = Epoch(0);

    /// The epoch that follows.
    ///
    /// # Panics
    /// After 2^64 - 1 epochs: at a million commits per second, in half a million years.
    #[must_use]
    pub fn next(self) -> Epoch {
        assert!(self.0 < u64::MAX, "epochs are exhausted");
        Epoch(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A byte position in the log.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The position before the first byte of the log.
    pub const ZERO: Lsn = Lsn(0);
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_count_up_from_zero() {
        assert_eq!(Epoch::ZERO.next().next(), Epoch(2));
        assert!(Epoch(2) < Epoch(10));
        assert_eq!(Epoch(7).to_string(), "7");
        assert_eq!(Lsn(4096).to_string(), "4096");
    }
}
