//! The oracle: which commits there were, and so whether an answer was out of date when it was asked for.
//!
//! It keeps the moment of every commit of a key that was written; keys that were never written cost four bytes. A question
//! is one look for keys without writes and a binary search for the others.

const NEVER: u32 = u32::MAX;

/// The moments of all commits, by key.
#[derive(Debug, Clone)]
pub(super) struct Commits {
    index_of: Vec<u32>,
    moments: Vec<(u32, Vec<u64>)>,
}

impl Commits {
    /// None yet, of keys 0 to `keys` - 1.
    pub(super) fn new(keys: u32) -> Commits {
        Commits { index_of: vec![NEVER; keys as usize], moments: Vec::new() }
    }

    /// A write of a key became visible. Moments do not go back.
    pub(super) fn add(&mut self, key: u32, now: u64) {
        let index = &mut self.index_of[key as usize];
        if *index == NEVER {
            *index = self.moments.len() as u32;
            self.moments.push((key, Vec::new()));
        }
        self.moments[*index as usize].1.push(now);
    }

    /// The moment from which on data of moment `snapshot` was out of date, if it is.
    pub(super) fn superseded(&self, key: u32, snapshot: u64) -> Option<u64> {
        let index = self.index_of[key as usize];
        if index == NEVER {
            return None;
        }
        let moments = &self.moments[index as usize].1;
        moments.get(moments.partition_point(|&moment| moment <= snapshot)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_out_of_date_from_the_first_commit_after_it() {
        let mut commits = Commits::new(3);
        assert_eq!(commits.superseded(1, 0), None);
        commits.add(1, 10);
        commits.add(1, 20);
        assert_eq!(commits.superseded(1, 0), Some(10));
        assert_eq!(commits.superseded(1, 10), Some(20));
        assert_eq!(commits.superseded(1, 15), Some(20));
        assert_eq!(commits.superseded(1, 20), None);
        assert_eq!(commits.superseded(0, 0), None);
    }
}
