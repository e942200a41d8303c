//! What a careful team does about overload, each part a switch: the mitigations of A2, and the small mechanisms behind them.
//!
//! All of it runs on the client's thread and needs no lock. The figures that a mechanism needs (how large a queue, how many
//! at once) come from the measured capacity of the backend, as a team that has measured its backend would set them.

use super::clock::SECOND;
pub use crate::mitigation::Mitigation;
use crate::random::Random;

/// Which mitigations are on, and what is always there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    on: Vec<Mitigation>,
    /// Attempts after the first.
    pub retries: u32,
    /// An answer that comes after its client has given up still fills the cache, although nothing else is mitigated.
    pub fill_late: bool,
}

impl Policy {
    /// None of them.
    pub fn naive(retries: u32) -> Policy {
        Policy { on: Vec::new(), retries, fill_late: false }
    }

    /// All of them.
    pub fn mitigated(retries: u32) -> Policy {
        Policy { on: Mitigation::ALL.to_vec(), retries, fill_late: false }
    }

    /// The same, but what comes too late still fills the cache.
    pub fn filling_late(self) -> Policy {
        Policy { fill_late: true, ..self }
    }

    /// The same without one.
    pub fn without(mut self, off: Mitigation) -> Policy {
        self.on.retain(|mitigation| *mitigation != off);
        self
    }

    /// The same with one more.
    pub fn with(mut self, on: Mitigation) -> Policy {
        self.on.push(on);
        self
    }

    /// Whether one is on.
    pub fn has(&self, mitigation: Mitigation) -> bool {
        self.on.contains(&mitigation)
    }

    /// Whether any is.
    pub fn is_mitigated(&self) -> bool {
        !self.on.is_empty()
    }
}

/// Retries allowed: a success puts in a tenth, a retry takes one.
#[derive(Debug)]
pub struct RetryBudget {
    tokens: f64,
}

impl Default for RetryBudget {
    fn default() -> RetryBudget {
        RetryBudget::new()
    }
}

impl RetryBudget {
    const DEPOSIT: f64 = 0.1;
    const TOKENS_MAX: f64 = 100.0;

    /// A full bucket.
    pub fn new() -> RetryBudget {
        RetryBudget { tokens: Self::TOKENS_MAX }
    }

    /// A request was answered.
    pub fn deposit(&mut self) {
        self.tokens = (self.tokens + Self::DEPOSIT).min(Self::TOKENS_MAX);
    }

    /// Whether a retry is allowed, which spends it.
    pub fn take(&mut self) -> bool {
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}

/// How long to wait before attempt `attempt` (1 is the first retry): full jitter under an exponential bound.
pub fn backoff(attempt: u32, random: &mut Random) -> u64 {
    const BASE: f64 = 50_000.0;
    const BOUND: f64 = 500_000.0;
    (random.unit() * (BASE * 2f64.powi(attempt.min(16) as i32)).min(BOUND)) as u64
}

/// Admits queries at a limited rate while the cache is cold.
///
/// The hit share is averaged over about a second of lookups. Below half of the best that was seen, the cache counts as
/// cold; then queries are admitted at half of the backend's capacity, and a tenth more with each second, until the limit is
/// above the capacity by a fifth, where it does nothing any more and is taken away.
#[derive(Debug)]
pub struct WarmUp {
    capacity: f64,
    hit_share: f64,
    best_share: f64,
    cold_since: Option<u64>,
    tokens: f64,
    refilled: u64,
}

impl WarmUp {
    /// For a backend of this capacity, in queries per second.
    pub fn new(capacity: f64) -> WarmUp {
        WarmUp { capacity, hit_share: 0.0, best_share: 0.0, cold_since: None, tokens: 0.0, refilled: 0 }
    }

    /// A lookup hit or missed, with `rate` lookups in a second.
    pub fn looked_up(&mut self, hit: bool, rate: f64, now: u64) {
        let weight = 1.0 / rate.max(1.0);
        self.hit_share += weight * (f64::from(u8::from(hit)) - self.hit_share);
        self.best_share = self.best_share.max(self.hit_share);
        if self.cold_since.is_none() && self.best_share > 0.5 && self.hit_share < self.best_share / 2.0 {
            (self.cold_since, self.tokens, self.refilled) = (Some(now), 0.0, now);
            // The ramp that follows must not be started again by the same cold phase.
            self.best_share = 0.0;
        }
    }

    /// Whether a query may go to the backend.
    pub fn admit(&mut self, now: u64) -> bool {
        let Some(since) = self.cold_since else { return true };
        let share = 0.5 + 0.1 * (now - since) as f64 / SECOND as f64;
        if share > 1.2 {
            self.cold_since = None;
            return true;
        }
        let rate = share * self.capacity;
        self.tokens = (self.tokens + rate * (now - self.refilled) as f64 / SECOND as f64).min(rate * 0.1 + 1.0);
        self.refilled = now;
        let admitted = self.tokens >= 1.0;
        if admitted {
            self.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_tenth_of_the_successes() {
        let mut budget = RetryBudget::new();
        assert_eq!((0..1000).filter(|_| budget.take()).count(), 100);
        for _ in 0..505 {
            budget.deposit();
        }
        assert_eq!((0..1000).filter(|_| budget.take()).count(), 50);
    }

    #[test]
    fn backoff_is_jittered_and_bounded() {
        let mut random = Random::stream(1, 0);
        let waits: Vec<u64> = (0..1000).map(|_| backoff(1, &mut random)).collect();
        assert!(waits.iter().all(|&wait| wait <= 100_000));
        assert!(waits.iter().any(|&wait| wait < 10_000) && waits.iter().any(|&wait| wait > 90_000));
        assert!((0..100).all(|_| backoff(60, &mut random) <= 500_000));
    }

    #[test]
    fn a_cold_cache_is_warmed_up_slowly() {
        let mut ramp = WarmUp::new(100.0);
        for _ in 0..10_000 {
            ramp.looked_up(true, 1000.0, 0);
        }
        assert!((0..10).all(|_| ramp.admit(0)));
        for _ in 0..2_000 {
            ramp.looked_up(false, 1000.0, 0);
        }
        let mut admitted = |second: u64| (0..1000).filter(|at| ramp.admit(second * SECOND + at * 1000)).count();
        assert!((45..65).contains(&admitted(0)));
        assert!((55..80).contains(&admitted(1)));
        assert_eq!(admitted(9), 1000);
    }

    #[test]
    fn switches_are_single() {
        let policy = Policy::mitigated(2).without(Mitigation::Leases);
        assert!(!policy.has(Mitigation::Leases) && policy.has(Mitigation::WarmUpRamp) && policy.is_mitigated());
        assert!(
            !Policy::naive(2).is_mitigated()
                && Policy::naive(0).with(Mitigation::JitteredTtl).has(Mitigation::JitteredTtl)
        );
    }
}
