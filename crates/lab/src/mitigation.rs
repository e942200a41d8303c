//! What a cache and its backend can do against a collapse, each a switch, in the model and in the runs alike.

/// One mitigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mitigation {
    /// The backend's queue is bounded, and a query that nobody waits for any more is dropped instead of run.
    BoundedQueue,
    /// Misses of a key that is being queried wait for that query, and its answer is kept whoever still waits.
    SingleFlight,
    /// A fill is accepted only if no invalidation came since its query was begun.
    Leases,
    /// Times to live vary by a tenth to both sides.
    JitteredTtl,
    /// Entries are refreshed before they expire, with a probability that rises towards the end (XFetch with beta 1).
    EarlyRefresh,
    /// What has expired or was invalidated is served for half the allowed staleness, and refreshed.
    ServeStale,
    /// A retry takes a token, a success puts in a tenth of one; retries wait with full jitter.
    RetryBudget,
    /// Only so many queries may be outstanding.
    ConcurrencyLimit,
    /// A cold cache admits queries at half of the backend's capacity, and then at more with each second.
    WarmUpRamp,
}

impl Mitigation {
    /// All of them.
    pub const ALL: [Mitigation; 9] = [
        Mitigation::BoundedQueue,
        Mitigation::SingleFlight,
        Mitigation::Leases,
        Mitigation::JitteredTtl,
        Mitigation::EarlyRefresh,
        Mitigation::ServeStale,
        Mitigation::RetryBudget,
        Mitigation::ConcurrencyLimit,
        Mitigation::WarmUpRamp,
    ];

    /// Its name in the results.
    pub fn name(self) -> &'static str {
        match self {
            Mitigation::BoundedQueue => "bounded queue",
            Mitigation::SingleFlight => "single flight",
            Mitigation::Leases => "leases",
            Mitigation::JitteredTtl => "jittered ttl",
            Mitigation::EarlyRefresh => "early refresh",
            Mitigation::ServeStale => "serve stale",
            Mitigation::RetryBudget => "retry budget",
            Mitigation::ConcurrencyLimit => "concurrency limit",
            Mitigation::WarmUpRamp => "warm-up ramp",
        }
    }
}
