//! How long a piece of work takes in the model, around its mean.

use crate::random::Random;

/// How the time of a piece of work varies around its mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spread {
    /// Not at all.
    Fixed,
    /// Without memory: what the closed forms of queueing theory assume.
    Exponential,
    /// The logarithm is normal with this deviation: a query that mostly takes about as long, and sometimes much longer.
    Lognormal(f64),
}

impl Spread {
    /// A time with this mean.
    pub fn draw(self, mean: f64, random: &mut Random) -> f64 {
        match self {
            Spread::Fixed => mean,
            Spread::Exponential => mean * random.exponential(),
            Spread::Lognormal(sigma) => mean * (sigma * random.normal() - sigma * sigma / 2.0).exp(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_their_mean() {
        for spread in [Spread::Fixed, Spread::Exponential, Spread::Lognormal(0.5)] {
            let mut random = Random::stream(3, 4);
            let mean = (0..200_000).map(|_| spread.draw(2.0, &mut random)).sum::<f64>() / 200_000.0;
            assert!((mean - 2.0).abs() < 0.03, "{spread:?} {mean}");
        }
    }
}
