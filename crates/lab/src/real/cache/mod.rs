//! The cache in front of a store: one trait for the cache in this process and for Redis.
//!
//! An entry carries everything that its reader decides by: when it expires, since when it is known to be out of date, and
//! what its query cost. The cache itself decides nothing but what to evict.

mod local;
mod redis_server;

use std::sync::Arc;

use super::error::Result;
use super::workload::Page;

pub use local::Local;
pub use redis_server::Redis;

/// A page and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The page.
    pub page: Arc<Page>,
    /// How many writes it has seen.
    pub version: u64,
    /// From when on it counts as expired.
    pub expires: u64,
    /// Since when a write is known to have overtaken it.
    pub stale_since: Option<u64>,
    /// What its query took, in microseconds.
    pub cost: u64,
}

/// Permission to fill a key, taken before its query begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease(pub u64);

/// A cache. Every call is complete when it returns.
pub trait Cache: Send + Sync {
    /// Looks several keys up at once, in one round trip where there is one.
    fn get(&self, keys: &[u64]) -> Result<Vec<Option<Entry>>>;
    /// Takes a lease; the next delete of the key makes it worthless.
    fn lease(&self, key: u64) -> Result<Lease>;
    /// Stores an entry, with a lease only if it is still good. Says whether it was stored.
    fn fill(&self, key: u64, entry: Entry, lease: Option<Lease>) -> Result<bool>;
    /// Removes a key because it was written; with `keep` it is only marked as out of date at that moment.
    fn delete(&self, key: u64, keep: Option<u64>) -> Result<()>;
    /// Loses everything.
    fn clear(&self) -> Result<()>;
    /// The process dies and another one begins with what is on disk; without persistence that is nothing.
    fn restart(&self) -> Result<()> {
        self.clear()
    }
    /// Every setting that matters.
    fn settings(&self) -> Vec<(String, String)>;
    /// The process that does the work, if it is not this one.
    fn process(&self) -> Option<u32> {
        None
    }
}
