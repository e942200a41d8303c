//! What is asked, and when: Poisson arrivals at a rate that may change by the second, drawn from a seed.
//!
//! The schedule does not know the system that it is given to: a request is due when it is due, and its latency counts from
//! then. Keys, kinds and gaps have streams of their own, so that a run with other writes or another rate still asks for
//! the same keys in the same order.

use super::clock::SECOND;
use super::keys::Keys;
use crate::random::Random;

/// The load of one run.
#[derive(Debug, Clone)]
pub struct Load {
    /// Which keys.
    pub keys: Keys,
    /// Requests per second at the beginning of each second; the last goes on.
    pub rates: Vec<f64>,
    /// How long it lasts, in microseconds.
    pub duration: u64,
    /// The share of requests that write, at the beginning of each second; the last goes on.
    pub write_shares: Vec<f64>,
    /// From when on which shift of the keys holds: the working set moves.
    pub shifts: Vec<(u64, u64)>,
    /// Where all of it comes from.
    pub seed: u64,
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Microseconds since the run began.
    pub due: u64,
    /// Which page.
    pub key: u64,
    /// Whether it writes.
    pub writes: bool,
}

/// The requests of a load, in order.
#[derive(Debug)]
pub struct Arrivals<'a> {
    load: &'a Load,
    at: f64,
    gaps: Random,
    ranks: Random,
    kinds: Random,
}

impl Load {
    /// Its requests.
    pub fn arrivals(&self) -> Arrivals<'_> {
        Arrivals {
            load: self,
            at: 0.0,
            gaps: Random::stream(self.seed, 1),
            ranks: Random::stream(self.seed, 2),
            kinds: Random::stream(self.seed, 3),
        }
    }

    fn rate(&self, moment: f64) -> f64 {
        at_second(&self.rates, moment)
    }
}

/// The figure of a second; the last goes on.
fn at_second(figures: &[f64], moment: f64) -> f64 {
    figures.get((moment / SECOND as f64) as usize).or(figures.last()).copied().unwrap_or(0.0)
}

impl Iterator for Arrivals<'_> {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        // A gap is drawn in units of the mean gap and spent over seconds of different rates, so a change of the rate holds
        // from its second on.
        let mut left = self.gaps.exponential();
        loop {
            if self.at >= self.load.duration as f64 {
                return None;
            }
            let rate = self.load.rate(self.at) / SECOND as f64;
            let second_ends = ((self.at / SECOND as f64).floor() + 1.0) * SECOND as f64;
            if rate > 0.0 && self.at + left / rate <= second_ends {
                self.at += left / rate;
                break;
            }
            left -= rate * (second_ends - self.at);
            self.at = second_ends;
        }
        let due = self.at as u64;
        let shift = self.load.shifts.iter().rev().find(|(from, _)| *from <= due).map_or(0, |(_, shift)| *shift);
        let key = self.load.keys.at_rank(self.load.keys.rank(&mut self.ranks), shift);
        let writes = self.kinds.unit() < at_second(&self.load.write_shares, self.at);
        (due < self.load.duration).then_some(Arrival { due, key, writes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Skew;

    fn load(rates: Vec<f64>) -> Load {
        let keys = Keys::new(100, Skew::Zipf(1.1));
        Load { keys, rates, duration: 10 * SECOND, write_shares: vec![0.1], shifts: vec![(5 * SECOND, 50)], seed: 5 }
    }

    #[test]
    fn a_seed_gives_the_same_arrivals_at_the_asked_rate() {
        let load = load(vec![1000.0]);
        let once: Vec<Arrival> = load.arrivals().collect();
        assert_eq!(once, load.arrivals().collect::<Vec<_>>());
        assert!((9_700..10_300).contains(&once.len()), "{}", once.len());
        assert!(once.windows(2).all(|pair| pair[0].due <= pair[1].due));
        let writes = once.iter().filter(|arrival| arrival.writes).count();
        assert!((850..1_150).contains(&writes), "{writes}");
    }

    #[test]
    fn the_rate_follows_its_seconds() {
        let counts = load(vec![1000.0, 0.0, 100.0]).arrivals().fold([0; 10], |mut counts, arrival| {
            counts[(arrival.due / SECOND) as usize] += 1;
            counts
        });
        assert!((850..1_150).contains(&counts[0]) && counts[1] == 0 && (60..140).contains(&counts[9]), "{counts:?}");
    }

    #[test]
    fn the_working_set_moves_when_it_is_told_to() {
        let load = load(vec![1000.0]);
        let hottest = |from: u64, to: u64| {
            let mut counts = [0; 100];
            let inside = load.arrivals().filter(|arrival| (from..to).contains(&arrival.due));
            inside.for_each(|arrival| counts[arrival.key as usize] += 1);
            (0..100).max_by_key(|&key| counts[key]).unwrap() as u64
        };
        assert_eq!(hottest(0, 5 * SECOND), load.keys.at_rank(0, 0));
        assert_eq!(hottest(5 * SECOND, 10 * SECOND), load.keys.at_rank(0, 50));
    }
}
