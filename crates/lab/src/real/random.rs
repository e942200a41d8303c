//! Randomness with a seed: the generator, the gaps of Poisson arrivals, and keys with Zipf's skew.
//!
//! Everything that a run draws comes from here, and from its seed alone, so that an undisturbed twin of a run sees the same
//! arrivals. Each purpose takes a [`Random::stream`] of its own: a contender that draws more backoffs than another must not
//! change the load of either.
//!
//! Cost: a few nanoseconds for a number, one binary search over the cumulative weights for a key.

/// SplitMix64: a counter and a mixing function. Small, and good enough to pick keys and waiting times.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Random {
        Random(mix(seed ^ 0x6c61_626f_7261_746f))
    }

    /// Independent numbers of the same seed, for another purpose.
    pub fn stream(seed: u64, purpose: u64) -> Random {
        Random(mix(Random::new(seed).0 ^ mix(purpose)))
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in 0 to `count` - 1. The bias of the multiplication is far below what a run can notice.
    pub fn below(&mut self, count: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(count)) >> 64) as u64
    }

    /// Exponential with this mean: the gap between two Poisson arrivals.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }
}

/// A bijection that leaves no pattern: the same number gives the same bits everywhere.
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How often each key is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Skew {
    /// The i-th hottest key has weight i^-exponent.
    Zipf(f64),
    /// All the same.
    Uniform,
}

impl Skew {
    /// Zipf's exponent; 0 is uniform.
    pub fn exponent(self) -> f64 {
        match self {
            Skew::Zipf(exponent) => exponent,
            Skew::Uniform => 0.0,
        }
    }
}

impl std::fmt::Display for Skew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Skew::Zipf(exponent) => write!(f, "zipf {exponent}"),
            Skew::Uniform => f.write_str("uniform"),
        }
    }
}

/// Keys 0 to count - 1, some hotter than others.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Cumulative share of the hottest 1, 2, .. keys; the last is 1.
    cumulative: Vec<f64>,
    /// Coprime to the count, so that multiplication permutes the keys and hot ones do not lie side by side.
    factor: u64,
}

impl Keys {
    /// `count` keys, at least one.
    pub fn new(count: u64, skew: Skew) -> Keys {
        let exponent = skew.exponent();
        let mut sum = 0.0;
        let mut cumulative: Vec<f64> = (1..=count.max(1))
            .map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            })
            .collect();
        for share in &mut cumulative {
            *share /= sum;
        }
        let coprime = |factor: &u64| greatest_common_divisor(*factor, count.max(1)) == 1;
        let factor = (count / 2 + 1..).map(|n| n * 2 + 1).find(coprime).unwrap_or(1);
        Keys { cumulative, factor }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.cumulative.len() as u64
    }

    /// The key of a rank, 0 being the hottest. A shifted permutation makes other keys hot.
    pub fn at_rank(&self, rank: u64, shift: u64) -> u64 {
        let count = u128::from(self.count());
        ((u128::from(rank) * u128::from(self.factor) + u128::from(shift)) % count) as u64
    }

    /// Draws a rank.
    pub fn rank(&self, random: &mut Random) -> u64 {
        let share = random.unit();
        (self.cumulative.partition_point(|&sum| sum <= share) as u64).min(self.count() - 1)
    }

    /// How many of the hottest keys have this share of the requests together: K in the report.
    pub fn needed_for(&self, share: f64) -> u64 {
        if share <= 0.0 {
            return 0;
        }
        (self.cumulative.partition_point(|&sum| sum < share) as u64 + 1).min(self.count())
    }
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_a_purpose_others() {
        let mut once = Random::stream(7, 1);
        let mut again = Random::stream(7, 1);
        let mut other = Random::stream(7, 2);
        let numbers: Vec<u64> = (0..8).map(|_| once.next_u64()).collect();
        assert_eq!(numbers, (0..8).map(|_| again.next_u64()).collect::<Vec<_>>());
        assert_ne!(numbers, (0..8).map(|_| other.next_u64()).collect::<Vec<_>>());
    }

    #[test]
    fn gaps_have_the_mean_and_the_spread_of_poisson_arrivals() {
        let mut random = Random::new(3);
        let gaps: Vec<f64> = (0..100_000).map(|_| random.exponential(0.5)).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        assert!((variance - 0.25).abs() < 0.02, "{variance}");
    }

    #[test]
    fn every_rank_is_a_key_of_its_own() {
        for count in [1, 2, 10, 1000, 4096] {
            let keys = Keys::new(count, Skew::Uniform);
            let mut seen: Vec<u64> = (0..count).map(|rank| keys.at_rank(rank, 77)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn ranks_are_drawn_as_often_as_zipf_says() {
        let keys = Keys::new(1000, Skew::Zipf(1.1));
        let mut random = Random::new(11);
        let mut counts = vec![0u64; 1000];
        for _ in 0..200_000 {
            counts[keys.rank(&mut random) as usize] += 1;
        }
        let ratio = counts[0] as f64 / counts[9] as f64;
        assert!((ratio / 10f64.powf(1.1) - 1.0).abs() < 0.1, "{ratio}");
        let hottest = keys.needed_for(0.9);
        let share = counts[..hottest as usize].iter().sum::<u64>() as f64 / 200_000.0;
        assert!((share - 0.9).abs() < 0.01, "{share}");
    }
}
