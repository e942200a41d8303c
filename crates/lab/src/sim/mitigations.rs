//! What a careful team does about overload: nine switches, and the two that remember something.
//!
//! The sizes that a mechanism needs come from the capacity of the backend, as a team that has measured it would set them:
//! the queue holds half a time-out of work, a quarter of one may be outstanding on top of what is being worked on.

use super::record::SECOND;
pub use crate::mitigation::Mitigation;

/// Which are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are switches, and independent")]
pub struct Mitigations {
    /// See [`Mitigation::BoundedQueue`].
    pub bounded_queue: bool,
    /// See [`Mitigation::SingleFlight`].
    pub single_flight: bool,
    /// See [`Mitigation::Leases`].
    pub leases: bool,
    /// See [`Mitigation::JitteredTtl`].
    pub jittered_ttl: bool,
    /// See [`Mitigation::EarlyRefresh`].
    pub early_refresh: bool,
    /// See [`Mitigation::ServeStale`].
    pub serve_stale: bool,
    /// See [`Mitigation::RetryBudget`].
    pub retry_budget: bool,
    /// See [`Mitigation::ConcurrencyLimit`].
    pub concurrency_limit: bool,
    /// See [`Mitigation::WarmUpRamp`].
    pub warm_up_ramp: bool,
}

impl Mitigations {
    /// None: A0 and A1.
    pub fn none() -> Mitigations {
        Mitigations::default()
    }

    /// All of them: A2 and A3.
    pub fn all() -> Mitigations {
        Mitigation::ALL.into_iter().fold(Mitigations::none(), Mitigations::with)
    }

    /// The same with one more.
    #[must_use]
    pub fn with(self, mitigation: Mitigation) -> Mitigations {
        self.set(mitigation, true)
    }

    /// The same without one.
    #[must_use]
    pub fn without(self, mitigation: Mitigation) -> Mitigations {
        self.set(mitigation, false)
    }

    fn set(mut self, mitigation: Mitigation, on: bool) -> Mitigations {
        let switch = match mitigation {
            Mitigation::BoundedQueue => &mut self.bounded_queue,
            Mitigation::SingleFlight => &mut self.single_flight,
            Mitigation::Leases => &mut self.leases,
            Mitigation::JitteredTtl => &mut self.jittered_ttl,
            Mitigation::EarlyRefresh => &mut self.early_refresh,
            Mitigation::ServeStale => &mut self.serve_stale,
            Mitigation::RetryBudget => &mut self.retry_budget,
            Mitigation::ConcurrencyLimit => &mut self.concurrency_limit,
            Mitigation::WarmUpRamp => &mut self.warm_up_ramp,
        };
        *switch = on;
        self
    }
}

/// Tokens for retries. One bucket stands for all clients: many small ones would misjudge more.
#[derive(Debug, Clone)]
pub(super) struct RetryTokens(f64);

impl RetryTokens {
    const MAX: f64 = 100.0;

    /// A full bucket.
    pub(super) fn full() -> RetryTokens {
        RetryTokens(Self::MAX)
    }

    /// A request was answered.
    pub(super) fn deposit(&mut self) {
        self.0 = (self.0 + 0.1).min(Self::MAX);
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self) -> bool {
        let there = self.0 >= 1.0;
        self.0 -= f64::from(u8::from(there));
        there
    }
}

/// The longest wait before the n-th retry, in seconds; the wait is uniform below it.
pub(super) fn backoff_max_s(retry: u32) -> f64 {
    (0.05 * f64::from(1_u32 << retry.min(10))).min(0.5)
}

/// The warm-up ramp: watches the share of hits in each tenth of a second, and limits queries while the cache is cold.
///
/// Cold means less than half of the best share seen. Then queries are admitted at half the capacity and a tenth of it more
/// with each second; above 1.2 times the capacity there is nothing left to limit.
#[derive(Debug, Clone)]
pub(super) struct WarmUp {
    capacity: f64,
    window: u64,
    hits: u32,
    lookups: u32,
    best_share: f64,
    cold_since: Option<u64>,
    tokens: f64,
    filled: u64,
}

impl WarmUp {
    /// For a backend with this capacity, and a cache that is warm with this share of hits.
    pub(super) fn new(capacity: f64, warm_share: f64) -> WarmUp {
        let (window, hits, lookups, cold_since, tokens, filled) = (0, 0, 0, None, 0.0, 0);
        WarmUp { capacity, window, hits, lookups, best_share: warm_share, cold_since, tokens, filled }
    }

    /// A look into the cache.
    pub(super) fn looked_up(&mut self, hit: bool, now: u64) {
        let window = now / (SECOND / 10);
        if window != self.window {
            let share = f64::from(self.hits) / f64::from(self.lookups.max(1));
            if self.lookups >= 10 {
                let cold = share < self.best_share / 2.0;
                if cold && self.cold_since.is_none() {
                    (self.cold_since, self.tokens, self.filled) = (Some(now), 0.0, now);
                } else if !cold && share > 0.9 * self.best_share {
                    self.cold_since = None;
                }
                self.best_share = self.best_share.max(share);
            }
            (self.window, self.hits, self.lookups) = (window, 0, 0);
        }
        self.lookups += 1;
        self.hits += u32::from(hit);
    }

    /// Whether a query may go to the backend.
    pub(super) fn admits(&mut self, now: u64) -> bool {
        let Some(since) = self.cold_since else { return true };
        let share = 0.5 + 0.1 * (now - since) as f64 / SECOND as f64;
        if share > 1.2 {
            return true;
        }
        let rate = share * self.capacity;
        let gained = rate * (now - self.filled) as f64 / SECOND as f64;
        self.tokens = (self.tokens + gained).min(rate / 10.0 + 1.0);
        self.filled = now;
        let admitted = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(admitted));
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_changes_nothing_else() {
        for mitigation in Mitigation::ALL {
            assert_eq!(Mitigations::all().without(mitigation).with(mitigation), Mitigations::all());
            assert_eq!(Mitigations::none().with(mitigation).without(mitigation), Mitigations::none());
            assert_ne!(Mitigations::all().without(mitigation), Mitigations::all(), "{}", mitigation.name());
        }
    }

    #[test]
    fn a_tenth_of_the_successes_may_be_retried() {
        let mut tokens = RetryTokens::full();
        assert_eq!((0..500).filter(|_| tokens.take()).count(), 100);
        (0..1_005).for_each(|_| tokens.deposit());
        assert_eq!((0..500).filter(|_| tokens.take()).count(), 100);
        assert!(backoff_max_s(1) <= 0.1 && backoff_max_s(60) <= 0.5);
    }

    #[test]
    fn a_cold_cache_lets_queries_through_slowly_at_first() {
        let mut ramp = WarmUp::new(1_000.0, 0.9);
        let mut admitted = |second: u64, hit: bool| {
            let moments = (0..10_000).map(|at| second * SECOND + at * SECOND / 10_000);
            moments
                .filter(|&now| {
                    ramp.looked_up(hit, now);
                    ramp.admits(now)
                })
                .count()
        };
        assert_eq!(admitted(0, true), 10_000);
        let cold = admitted(1, false);
        assert!((1_000..2_000).contains(&cold), "{cold}");
        let next = admitted(2, false);
        assert!((550..750).contains(&next), "{next}");
        admitted(3, true);
        assert_eq!(admitted(4, true), 10_000);
    }
}
