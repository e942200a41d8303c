//! The plan cache: what was prepared from a text, for as long as the catalog stays the same.
//!
//! The key is the exact text: normalising SQL safely means parsing it, and parsing is part of what the cache saves. The types
//! of parameters follow from the text and the catalog, so they are no part of the key. The entry carries the catalog
//! version it was planned against and is only found under that version.
//!
//! Invariants: `get` never returns an entry of another catalog version; there are never more than `entries_max` entries, and
//! none for a text longer than `TEXT_BYTES_MAX`, so memory is bounded whatever is executed. One cache belongs to one database:
//! catalog versions of two databases mean different things.
//!
//! Cost: a hit takes a read lock, one hash of the text and one relaxed store. An insertion into a full cache drops the
//! eighth that was used least recently, so that its scan is paid once in many insertions.
//! Callers: `Planner::prepare`.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

/// Longer texts are bulk inserts that will not come again.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// A bounded map from SQL text to what was prepared from it, least recently used out first.
#[derive(Debug)]
pub(crate) struct PlanCache<T> {
    entries: RwLock<HashMap<Box<str>, Entry<T>>>,
    clock: AtomicU64,
    entries_max: usize,
}

#[derive(Debug)]
struct Entry<T> {
    prepared: Arc<T>,
    catalog_version: u64,
    used: AtomicU64,
}

impl<T> PlanCache<T> {
    /// An empty cache for up to `entries_max` texts; zero turns it off.
    pub(crate) fn new(entries_max: usize) -> PlanCache<T> {
        PlanCache { entries: RwLock::new(HashMap::new()), clock: AtomicU64::new(0), entries_max }
    }

    /// What was prepared from `text` under this version of the catalog.
    pub(crate) fn get(&self, text: &str, catalog_version: u64) -> Option<Arc<T>> {
        let entries = self.entries.read();
        let entry = entries.get(text).filter(|entry| entry.catalog_version == catalog_version)?;
        entry.used.store(self.tick(), Ordering::Relaxed);
        Some(Arc::clone(&entry.prepared))
    }

    /// Keeps what was prepared from `text`. An entry for the same text is replaced, whichever version it was for.
    pub(crate) fn insert(&self, text: &str, catalog_version: u64, prepared: Arc<T>) {
        if self.entries_max == 0 || text.len() > TEXT_BYTES_MAX {
            return;
        }
        let used = AtomicU64::new(self.tick());
        let mut entries = self.entries.write();
        if entries.len() >= self.entries_max && !entries.contains_key(text) {
            evict(&mut entries, self.entries_max);
        }
        entries.insert(text.into(), Entry { prepared, catalog_version, used });
    }

    /// How many texts are held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.read().len()
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

/// Drops the least recently used eighth, and at least one entry.
fn evict<T>(entries: &mut HashMap<Box<str>, Entry<T>>, entries_max: usize) {
    let mut used: Vec<u64> = entries.values().map(|entry| entry.used.load(Ordering::Relaxed)).collect();
    used.sort_unstable();
    let Some(&threshold) = used.get(entries_max / 8) else { return };
    // Ticks are unique, so this drops exactly the entries before the threshold and the one that holds it.
    entries.retain(|_, entry| entry.used.load(Ordering::Relaxed) > threshold);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_under_its_catalog_version_only() {
        let cache = PlanCache::new(4);
        cache.insert("select 1", 7, Arc::new("seven"));
        assert_eq!(cache.get("select 1", 7).as_deref(), Some(&"seven"));
        assert_eq!(cache.get("select 1", 8), None);
        assert_eq!(cache.get("SELECT 1", 7), None);
        cache.insert("select 1", 8, Arc::new("eight"));
        assert_eq!(cache.get("select 1", 8).as_deref(), Some(&"eight"));
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn a_full_cache_drops_what_was_used_least_recently() {
        let cache = PlanCache::new(16);
        for number in 0..16 {
            cache.insert(&format!("select {number}"), 1, Arc::new(number));
        }
        assert!(cache.get("select 0", 1).is_some());
        cache.insert("select 16", 1, Arc::new(16));
        assert!(cache.len() <= 16);
        assert!(cache.get("select 0", 1).is_some(), "it was used after all the others");
        assert!(cache.get("select 1", 1).is_none());
        assert!(cache.get("select 16", 1).is_some());
    }

    #[test]
    fn long_texts_and_a_cache_of_nothing_hold_nothing() {
        let cache = PlanCache::new(4);
        cache.insert(&"x".repeat(TEXT_BYTES_MAX + 1), 1, Arc::new(()));
        assert_eq!(cache.len(), 0);
        let off = PlanCache::new(0);
        off.insert("select 1", 1, Arc::new(()));
        assert_eq!(off.len(), 0);
    }

    #[test]
    fn readers_and_writers_share_it() {
        let cache = PlanCache::new(8);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    for round in 0..500 {
                        let text = format!("select {}", (round + thread) % 12);
                        match cache.get(&text, 1) {
                            Some(found) => assert_eq!(*found, text),
                            None => cache.insert(&text, 1, Arc::new(text.clone())),
                        }
                    }
                });
            }
        });
        assert!(cache.len() <= 8);
    }
}
