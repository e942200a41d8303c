//! The staleness oracle: which writes were committed, and when, before a read began.
//!
//! A write is entered when its commit has been acknowledged, so the oracle knows of a write never before it is visible, and
//! never accuses wrongly: an answer that lacks a write which was acknowledged before the read began is stale. It may miss
//! staleness of less than the time between a commit and its acknowledgement.
//!
//! Cost: one short lock for each read and write, on one of 256 parts of the keys.

use std::collections::HashMap;

use parking_lot::Mutex;

const PARTS: usize = 256;

/// What a read must at least have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floor {
    /// Writes committed before the read began.
    pub strict: u64,
    /// Writes committed longer ago than the staleness that is allowed.
    pub bounded: u64,
}

/// The committed writes of each key.
#[derive(Debug)]
pub struct Oracle {
    /// For each key, the moments of its acknowledged commits, in order.
    parts: Vec<Mutex<HashMap<u64, Vec<u64>>>>,
}

impl Default for Oracle {
    fn default() -> Oracle {
        Oracle { parts: (0..PARTS).map(|_| Mutex::default()).collect() }
    }
}

impl Oracle {
    /// A write of `key` was acknowledged at `now`.
    pub fn committed(&self, key: u64, now: u64) {
        let mut part = self.part(key).lock();
        let moments = part.entry(key).or_default();
        // Two workers may report in the other order than they looked at the clock.
        moments.push(moments.last().map_or(now, |&last| last.max(now)));
    }

    /// What a read of `key` that begins at `start` must have seen, if `bound` of staleness is allowed.
    pub fn floor(&self, key: u64, start: u64, bound: u64) -> Floor {
        let part = self.part(key).lock();
        let Some(moments) = part.get(&key) else { return Floor::default() };
        let before = |limit: u64| moments.partition_point(|&moment| moment <= limit) as u64;
        Floor { strict: before(start), bounded: start.checked_sub(bound).map_or(0, before) }
    }

    /// Writes of `key` acknowledged so far.
    pub fn count(&self, key: u64) -> u64 {
        self.part(key).lock().get(&key).map_or(0, |moments| moments.len() as u64)
    }

    /// Every key that was written.
    pub fn written_keys(&self) -> Vec<u64> {
        self.parts.iter().flat_map(|part| part.lock().keys().copied().collect::<Vec<_>>()).collect()
    }

    fn part(&self, key: u64) -> &Mutex<HashMap<u64, Vec<u64>>> {
        &self.parts[key as usize % PARTS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_must_see_what_was_acknowledged_before_it_began() {
        let oracle = Oracle::default();
        assert_eq!(oracle.floor(1, 100, 10), Floor::default());
        oracle.committed(1, 50);
        oracle.committed(1, 95);
        oracle.committed(2, 95);
        assert_eq!(oracle.floor(1, 49, 10), Floor { strict: 0, bounded: 0 });
        assert_eq!(oracle.floor(1, 100, 10), Floor { strict: 2, bounded: 1 });
        assert_eq!(oracle.floor(1, 105, 10), Floor { strict: 2, bounded: 2 });
        assert_eq!(oracle.count(1), 2);
    }
}
