//! Certification: which transaction came first, decided by the keys that each one wrote.
//!
//! A transaction read at some epoch and wants to write some keys. It may, if nobody else has written one of them after
//! that epoch: the first committer wins. Reads are not looked at: that is snapshot isolation, which allows write skew.
//!
//! Representation: for each epoch, the keys that it wrote, sorted. Keys at or below the *horizon* (the oldest snapshot that an
//! open transaction reads) can no longer conflict with anybody and are forgotten. When the keys outgrow their budget, the
//! oldest are forgotten all the same and the *floor* rises: a transaction that reads below the floor can no longer be
//! certified, and is refused as a conflict. So memory is bounded, and the answer errs only towards refusal.
//!
//! Invariant: the keys of every epoch above the floor and above the horizon are here.
//! Cost: nothing for a transaction that has seen the newest epoch; else one binary search for each of its keys and each epoch
//! that it has not seen. Called by the leader of a commit group, under the commit lock.

use std::collections::VecDeque;

use monostable_query::ConflictKey;
use monostable_types::Epoch;

/// The keys written since the oldest open transaction began.
#[derive(Debug)]
pub(crate) struct Certifier {
    /// In ascending order of epochs.
    written: VecDeque<(Epoch, Vec<ConflictKey>)>,
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
        Certifier { written: VecDeque::new(), floor: start, bytes: 0, bytes_max }
    }

    /// May a transaction that read at `snapshot` write `keys`?
    pub(crate) fn check(&self, snapshot: Epoch, keys: &[ConflictKey]) -> Result<(), Refusal> {
        if snapshot < self.floor && !keys.is_empty() {
            return Err(Refusal::TooOld);
        }
        for (epoch, written) in self.written.iter().rev().take_while(|(epoch, _)| *epoch > snapshot) {
            if keys.iter().any(|key| written.binary_search(key).is_ok()) {
                return Err(Refusal::Written(*epoch));
            }
        }
        Ok(())
    }

    /// `epoch` wrote `keys`. Epochs come in ascending order.
    pub(crate) fn record(&mut self, epoch: Epoch, keys: impl Iterator<Item = ConflictKey>) {
        let mut keys: Vec<ConflictKey> = keys.collect();
        if !keys.is_empty() {
            keys.sort_unstable();
            self.bytes += keys.len() * size_of::<ConflictKey>();
            self.written.push_back((epoch, keys));
        }
    }

    /// Forgets what nobody can conflict with any more, and more than that if the budget demands it.
    pub(crate) fn prune(&mut self, horizon: Epoch) {
        while let Some((epoch, keys)) = self.written.front() {
            if *epoch > horizon {
                if self.bytes <= self.bytes_max {
                    break;
                }
                self.floor = *epoch;
            }
            self.bytes -= keys.len() * size_of::<ConflictKey>();
            self.written.pop_front();
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
        assert!(certifier.written.is_empty() && certifier.bytes == 0);
    }

    #[test]
    fn a_full_map_refuses_the_oldest_readers_rather_than_forget_a_conflict() {
        let mut certifier = Certifier::new(Epoch(0), size_of::<ConflictKey>());
        record(&mut certifier, 1, &["a"]);
        record(&mut certifier, 2, &["b"]);
        certifier.prune(Epoch(0));
        assert_eq!(certifier.check(Epoch(0), &keys(&["z"])), Err(Refusal::TooOld));
        assert_eq!(certifier.check(Epoch(0), &[]), Ok(()), "who only read has nothing to lose");
        assert_eq!(certifier.check(Epoch(1), &keys(&["b"])), Err(Refusal::Written(Epoch(2))));
    }
}
