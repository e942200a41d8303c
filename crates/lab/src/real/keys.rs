//! The keys of a real run: which page stands at which rank of popularity, and how that moves.
//!
//! Cost: a multiplication beside what [`crate::random`] takes to draw a rank. Clones share the table of popularity.

use std::sync::Arc;

use crate::random::{Popularity, Random, Skew};

/// Keys 0 to count - 1, some hotter than others.
#[derive(Debug, Clone)]
pub struct Keys {
    popularity: Arc<Popularity>,
    /// Coprime to the count, so that multiplication permutes the keys and hot ones do not lie side by side.
    factor: u64,
}

impl Keys {
    /// `count` keys, at least one.
    pub fn new(count: u64, skew: Skew) -> Keys {
        let popularity = Arc::new(Popularity::new(u32::try_from(count).unwrap_or(u32::MAX), skew));
        let count = u64::from(popularity.keys());
        let coprime = |factor: &u64| greatest_common_divisor(*factor, count) == 1;
        let factor = (count / 2 + 1..).map(|n| n * 2 + 1).find(coprime).unwrap_or(1);
        Keys { popularity, factor }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        u64::from(self.popularity.keys())
    }

    /// The key of a rank, 0 being the hottest. A shifted permutation makes other keys hot.
    pub fn at_rank(&self, rank: u64, shift: u64) -> u64 {
        let count = u128::from(self.count());
        ((u128::from(rank) * u128::from(self.factor) + u128::from(shift)) % count) as u64
    }

    /// Draws a rank.
    pub fn rank(&self, random: &mut Random) -> u64 {
        u64::from(self.popularity.draw(random))
    }

    /// The shift after which the keys from this rank on are the hottest ones, and those before it come after the last.
    pub fn shift_by(&self, ranks: u64) -> u64 {
        self.at_rank(ranks, 0)
    }

    /// The share of the requests for so many of the hottest keys.
    pub fn share_of_hottest(&self, count: u64) -> f64 {
        self.popularity.share_of_hottest(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// How many of the hottest keys have this share of the requests together: K in the report.
    pub fn needed_for(&self, share: f64) -> u64 {
        u64::from(self.popularity.hottest_for(share))
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_is_a_key_of_its_own() {
        for count in [1, 2, 10, 1000, 4096] {
            let keys = Keys::new(count, Skew::Uniform);
            let mut seen: Vec<u64> = (0..count).map(|rank| keys.at_rank(rank, 77)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
            let shift = keys.shift_by(7);
            assert!((0..count).all(|rank| keys.at_rank(rank, shift) == keys.at_rank((rank + 7) % count, 0)));
        }
    }
}
