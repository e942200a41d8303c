//! Which rows are read: uniformly, or as Zipf's law has it with the exponent of YCSB.
//!
//! Draws are functions of a seed, made before anything is timed, and the same for every contender.

use crate::dataset::Random;
use crate::kv::{Key, key};

/// How reads choose their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    Uniform,
    /// The exponent is 0.99; popular rows are scattered over all of them.
    Zipf,
}

impl Distribution {
    pub const ALL: [Distribution; 2] = [Distribution::Uniform, Distribution::Zipf];

    pub fn name(self) -> &'static str {
        match self {
            Distribution::Uniform => "uniform",
            Distribution::Zipf => "Zipf",
        }
    }

    /// So many keys out of `rows`.
    pub fn keys(self, rows: u64, count: usize) -> Vec<Key> {
        let mut random = Random::new(17);
        match self {
            Distribution::Uniform => (0..count).map(|_| key(random.below(rows))).collect(),
            Distribution::Zipf => {
                let zipf = Zipf::new(rows, 0.99);
                let scatter = |rank: u64| (u128::from(rank) * 618_033_988_749 % u128::from(rows)) as u64;
                (0..count).map(|_| key(scatter(zipf.rank(&mut random)))).collect()
            }
        }
    }
}

/// Ranks by Gray's method ("Quickly generating billion-record synthetic databases", 1994), which needs one sum over all rows and then one power for
/// each draw.
struct Zipf {
    rows: f64,
    exponent: f64,
    sum: f64,
    eta: f64,
}

impl Zipf {
    fn new(rows: u64, exponent: f64) -> Zipf {
        let sum: f64 = (1..=rows).map(|rank| (rank as f64).powf(-exponent)).sum();
        let of_two = 1.0 + 0.5_f64.powf(exponent);
        let rows = rows as f64;
        let eta = (1.0 - (2.0 / rows).powf(1.0 - exponent)) / (1.0 - of_two / sum);
        Zipf { rows, exponent, sum, eta }
    }

    /// A rank from 0, the most popular.
    fn rank(&self, random: &mut Random) -> u64 {
        let uniform = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
        let scaled = uniform * self.sum;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5_f64.powf(self.exponent) {
            return 1;
        }
        let rank = self.rows * (self.eta * uniform - self.eta + 1.0).powf(1.0 / (1.0 - self.exponent));
        (rank as u64).min(self.rows as u64 - 1)
    }
}
