//! Randomness with a seed, and which keys are asked for how often: for the model and for real runs alike.
//!
//! Each purpose (arrivals, service times, backoff) has a [`Random::stream`] of its own, so that two contenders under the
//! same seed see the same requests at the same moments, whatever else they draw.
//!
//! [`Popularity`] is exact: it holds the cumulative share of every rank. A draw looks into a guide table of 2^16 places and
//! then searches the few ranks that share the place; for skewed keys almost all draws stay in the first cache lines, which
//! makes it faster than an alias table of a million keys. Memory: 8 bytes for each key, shared by all runs of a map.

use std::fmt;

/// The generator SplitMix64: a counter and a mixing function; ample for arrivals and service times.
#[derive(Debug, Clone)]
pub struct Random(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection that leaves no pattern: the same number gives the same bits everywhere.
pub fn mix(number: u64) -> u64 {
    scramble(number.wrapping_add(GOLDEN))
}

fn scramble(counter: u64) -> u64 {
    let a = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    b ^ (b >> 31)
}

impl Random {
    /// The numbers of one purpose under a seed.
    pub fn stream(seed: u64, purpose: u64) -> Random {
        Random(scramble(mix(seed) ^ scramble(purpose.wrapping_mul(GOLDEN) ^ 0x5117)))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        scramble(self.0)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0 to `count` - 1. The bias of the multiplication is far below what a run can notice.
    pub fn below(&mut self, count: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(count)) >> 64) as u64
    }

    /// Exponential with mean 1: in units of the mean, the gap between two Poisson arrivals.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }

    /// Normal with mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// How uneven the popularity of keys is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Skew {
    /// Every key alike.
    Uniform,
    /// The key of rank i has weight i^-exponent.
    Zipf(f64),
}

impl Skew {
    /// The exponent; 0 if every key is alike.
    pub fn exponent(self) -> f64 {
        match self {
            Skew::Uniform => 0.0,
            Skew::Zipf(exponent) => exponent,
        }
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Skew::Uniform => f.write_str("uniform"),
            Skew::Zipf(exponent) => write!(f, "zipf {exponent}"),
        }
    }
}

const GUIDE: usize = 1 << 16;

/// The share of requests of each rank, 0 being the hottest.
#[derive(Debug)]
pub(crate) struct Popularity {
    /// The share of ranks 0 to i.
    cumulative: Vec<f64>,
    /// The first rank whose cumulative share is above i / 2^16.
    guide: Vec<u32>,
}

impl Popularity {
    /// Of `keys` keys, at least one.
    pub(crate) fn new(keys: u32, skew: Skew) -> Popularity {
        let exponent = skew.exponent();
        let weights = (1..=keys.max(1)).map(|rank| f64::from(rank).powf(-exponent));
        let mut cumulative: Vec<f64> = weights
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        let total = cumulative.last().copied().unwrap_or(1.0);
        cumulative.iter_mut().for_each(|share| *share /= total);
        let mut rank = 0;
        let guide = (0..=GUIDE)
            .map(|place| {
                let share = place as f64 / GUIDE as f64;
                while rank + 1 < cumulative.len() && cumulative[rank] <= share {
                    rank += 1;
                }
                rank as u32
            })
            .collect();
        Popularity { cumulative, guide }
    }

    /// How many keys there are.
    pub(crate) fn keys(&self) -> u32 {
        self.cumulative.len() as u32
    }

    /// A rank, drawn by popularity.
    pub(crate) fn draw(&self, random: &mut Random) -> u32 {
        let share = random.unit();
        let place = (share * GUIDE as f64) as usize;
        let (first, last) = (self.guide[place] as usize, self.guide[place + 1] as usize);
        if first == last {
            return first as u32;
        }
        (first + self.cumulative[first..last].partition_point(|&up_to| up_to <= share)) as u32
    }

    /// The share of requests for one rank.
    pub(crate) fn share(&self, rank: u32) -> f64 {
        let rank = rank as usize;
        self.cumulative[rank] - if rank == 0 { 0.0 } else { self.cumulative[rank - 1] }
    }

    /// The share of requests for so many of the hottest keys.
    pub(crate) fn share_of_hottest(&self, count: u32) -> f64 {
        if count == 0 { 0.0 } else { self.cumulative[(count.min(self.keys()) - 1) as usize] }
    }

    fn shares(&self) -> impl Iterator<Item = f64> {
        (0..self.keys()).map(|rank| self.share(rank))
    }

    /// The smallest number of keys that has this share of the requests: the hottest ones.
    pub(crate) fn hottest_for(&self, share: f64) -> u32 {
        if share <= 0.0 {
            return 0;
        }
        self.keys().min(1 + self.cumulative.partition_point(|&up_to| up_to < share) as u32)
    }

    /// How many distinct keys are filled, in the order in which requests ask for them, until this share of requests hits.
    /// That is more than [`Popularity::hottest_for`], because rare keys are asked for in between.
    ///
    /// Each key is filled by the time its first request has come, so after x requests a key of share p is filled with
    /// probability 1 - exp(-p x). It is the same form as Che's approximation of LRU.
    pub(crate) fn filled_for(&self, share: f64) -> f64 {
        if share <= 0.0 {
            return 0.0;
        }
        let requests = self.solve(|x| self.shares().map(|p| p * -(-p * x).exp_m1()).sum::<f64>() - share);
        self.shares().map(|p| -(-p * requests).exp_m1()).sum()
    }

    /// The hit share of an LRU cache with room for `capacity` keys, by Che's approximation.
    pub(crate) fn lru_hit_share(&self, capacity: u32) -> f64 {
        if capacity >= self.keys() {
            return 1.0;
        }
        let requests = self.solve(|x| self.shares().map(|p| -(-p * x).exp_m1()).sum::<f64>() - f64::from(capacity));
        self.shares().map(|p| p * -(-p * requests).exp_m1()).sum()
    }

    /// The root of a rising function of a number of requests, by bisection of its logarithm.
    fn solve(&self, value: impl Fn(f64) -> f64) -> f64 {
        let (mut low, mut high) = (0.0_f64, (f64::from(self.keys()) * 1e6).ln());
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if value(middle.exp()) < 0.0 { low = middle } else { high = middle }
        }
        high.exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_a_purpose_others() {
        let numbers = |seed, purpose| {
            let mut random = Random::stream(seed, purpose);
            (0..8).map(|_| random.bits()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(7, 1), numbers(7, 1));
        assert_ne!(numbers(7, 1), numbers(7, 2));
        assert_ne!(numbers(7, 1), numbers(8, 1));
    }

    #[test]
    fn gaps_have_the_mean_and_the_spread_of_poisson_arrivals() {
        let mut random = Random::stream(3, 1);
        let gaps: Vec<f64> = (0..100_000).map(|_| random.exponential()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 1.0).abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.04, "{variance}");
    }

    #[test]
    fn below_gives_every_number_alike() {
        let (mut random, mut counts) = (Random::stream(5, 1), [0_u32; 7]);
        (0..70_000).for_each(|_| counts[random.below(7) as usize] += 1);
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
    }

    #[test]
    fn draws_have_the_shares_of_their_ranks() {
        for skew in [Skew::Uniform, Skew::Zipf(0.99), Skew::Zipf(1.3)] {
            let popularity = Popularity::new(1000, skew);
            let mut random = Random::stream(1, 2);
            let mut counts = [0_u32; 1000];
            for _ in 0..400_000 {
                counts[popularity.draw(&mut random) as usize] += 1;
            }
            for rank in [0, 1, 10, 500, 999] {
                let expected = popularity.share(rank) * 400_000.0;
                let seen = f64::from(counts[rank as usize]);
                assert!((seen - expected).abs() < 5.0 * expected.sqrt() + 3.0, "{skew:?} {rank}: {seen} {expected}");
            }
            let hottest = popularity.hottest_for(0.9) as usize;
            let share = f64::from(counts[..hottest].iter().sum::<u32>()) / 400_000.0;
            assert!((share - 0.9).abs() < 0.01, "{skew:?} {share}");
        }
    }

    #[test]
    fn filling_in_the_order_of_requests_takes_more_keys_than_the_hottest() {
        let popularity = Popularity::new(10_000, Skew::Zipf(1.1));
        let (hottest, filled) = (popularity.hottest_for(0.8), popularity.filled_for(0.8));
        assert!(f64::from(hottest) < filled && filled < 10.0 * f64::from(hottest), "{hottest} {filled}");
        assert_eq!(popularity.hottest_for(0.0), 0);
        assert_eq!(popularity.hottest_for(1.0), 10_000);
        assert_eq!([0, 10_000, 20_000].map(|count| popularity.share_of_hottest(count)), [0.0, 1.0, 1.0]);
        assert!(popularity.share_of_hottest(hottest) >= 0.8 && popularity.share_of_hottest(hottest - 2) < 0.8);
    }
}
