//! Certification: which transaction came first, decided by the keys that each one wrote.
//!
//! A transaction read at some epoch and wants to write some keys. It may, if nobody else has written one of them after
//! that epoch: the first committer wins. Reads are not looked at: that is snapshot isolation, which allows write skew.
//!
//! Representation: for each key, the epoch that last wrote it, and the same keys queued in epoch order so that forgetting
//! them is cheap. Keys at or below the *horizon* (the oldest snapshot that an open transaction reads) can no longer
//! conflict with anybody and are forgotten. When the keys outgrow their budget, the oldest are forgotten all the same and
//! the *floor* rises: a transaction that reads below the floor can no longer be certified, and is refused as a conflict.
//! So memory is bounded, and the answer errs only towards refusal.
//!
//! Invariant: every key written by an epoch above the floor and above the horizon is in the map with its latest epoch.
//! Cost: one hash lookup per key written. Called by the leader of a commit group, under the commit lock.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use monostable_query::ConflictKey;
use monostable_types::Epoch;

/// What a key costs: a map entry and a queue entry, in round numbers.
const KEY_BYTES: usize = 48;

/// Conflict keys are hashes already.
#[derive(Debug, Default)]
struct Unhashed(u64);

impl Hasher for Unhashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.0 = self.0.rotate_left(8) ^ u64::from(byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// The keys written since the oldest open transaction began.
#[derive(Debug)]
pub(crate) struct Certifier {
    written: HashMap<ConflictKey, Epoch, BuildHasherDefault<Unhashed>>,
    order: VecDeque<(Epoch, Vec<ConflictKey>)>,
    /// The newest epoch that was recorded.
    newest: Epoch,
    floor: Epoch,
    bytes: usize,
    bytes_max: usize,
}

/// Why a transaction may not commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another transaction wrote one of the keys first, at this epoch.
    Written(Epoch),
    /// The transaction read so long ago that what was written since has been forgotten.
    TooOld,
}

impl Certifier {
    /// Nothing is known to be written after `start`.
    pub(crate) fn new(start: Epoch, bytes_max: usize) -> Certifier {
        Certifier {
            written: HashMap::default(),
            order: VecDeque::new(),
            newest: start,
            floor: start,
            bytes: 0,
            bytes_max,
        }
    }

    /// May a transaction that read at `snapshot` write `keys`?
    pub(crate) fn check(&self, snapshot: Epoch, keys: &[ConflictKey]) -> Result<(), Refusal> {
        if snapshot < self.floor && !keys.is_empty() {
            return Err(Refusal::TooOld);
        }
        if snapshot >= self.newest {
            return Ok(());
        }
        match keys.iter().filter_map(|key| self.written.get(key)).find(|epoch| **epoch > snapshot) {
            Some(epoch) => Err(Refusal::Written(*epoch)),
            None => Ok(()),
        }
    }

    /// `epoch` wrote `keys`. Epochs come in ascending order.
    pub(crate) fn record(&mut self, epoch: Epoch, keys: impl Iterator<Item = ConflictKey>) {
        let keys: Vec<ConflictKey> = keys.collect();
        if keys.is_empty() {
            return;
        }
        self.newest = epoch;
        self.bytes += keys.len() * KEY_BYTES;
        self.written.extend(keys.iter().map(|key| (*key, epoch)));
        self.order.push_back((epoch, keys));
    }

    /// Forgets what nobody can conflict with any more, and more than that if the budget demands it.
    pub(crate) fn prune(&mut self, horizon: Epoch) {
        while let Some((epoch, _)) = self.order.front() {
            if *epoch > horizon {
                if self.bytes <= self.bytes_max {
                    break;
                }
                self.floor = *epoch;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((epoch, keys)) = self.order.pop_front() else { return };
        for key in keys {
            self.bytes -= KEY_BYTES;
            if self.written.get(&key) == Some(&epoch) {
                self.written.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<ConflictKey> {
        names.iter().map(|name| ConflictKey(name.bytes().fold(0, |hash, byte| hash * 256 + u64::from(byte)))).collect()
    }

    fn record(certifier: &mut Certifier, epoch: u64, names: &[&str]) {
        certifier.record(Epoch(epoch), keys(names).into_iter());
    }

    #[test]
    fn the_first_committer_wins() {
        let mut certifier = Certifier::new(Epoch(0), usize::MAX);
        record(&mut certifier, 5, &["a"]);
        assert_eq!(certifier.check(Epoch(4), &keys(&["b", "a"])), Err(Refusal::Written(Epoch(5))));
        assert_eq!(certifier.check(Epoch(4), &keys(&["b"])), Ok(()));
        assert_eq!(certifier.check(Epoch(5), &keys(&["a"])), Ok(()), "it has seen that write");
    }

    #[test]
    fn pruning_forgets_what_nobody_can_conflict_with_and_nothing_else() {
        let mut certifier = Certifier::new(Epoch(0), usize::MAX);
        record(&mut certifier, 1, &["a", "b"]);
        record(&mut certifier, 2, &["a"]);
        certifier.prune(Epoch(1));
        assert_eq!(certifier.written.len(), 1);
        assert_eq!(certifier.check(Epoch(1), &keys(&["a"])), Err(Refusal::Written(Epoch(2))));
        certifier.prune(Epoch(2));
        assert!(certifier.written.is_empty() && certifier.order.is_empty() && certifier.bytes == 0);
    }

    #[test]
    fn a_full_map_refuses_the_oldest_readers_rather_than_forget_a_conflict() {
        let mut certifier = Certifier::new(Epoch(0), KEY_BYTES + 8);
        record(&mut certifier, 1, &["a"]);
        record(&mut certifier, 2, &["b"]);
        certifier.prune(Epoch(0));
        assert_eq!(certifier.check(Epoch(0), &keys(&["z"])), Err(Refusal::TooOld));
        assert_eq!(certifier.check(Epoch(0), &[]), Ok(()), "who only read has nothing to lose");
        assert_eq!(certifier.check(Epoch(1), &keys(&["b"])), Err(Refusal::Written(Epoch(2))));
    }
}
