//! What disturbs a run, and what is asked of it when it is over.
//!
//! A disturbance happens at the moment up to which the run has come. It changes state and nothing else, so that the twin of
//! the run, which it does not happen to, is the same run.

use super::engine::{Sim, Waiter, nanos};

impl Sim {
    /// The cache loses everything.
    pub(super) fn flush(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.clear();
        }
    }

    /// The cache loses the keys that are asked for most, and the page cache, where it is modelled, the pages of their rows.
    pub(super) fn drop_hottest(&mut self, count: u32) {
        for rank in 0..count.min(self.setup.popularity.keys()) {
            let key = self.key_of(rank);
            if let Some(cache) = &mut self.cache {
                cache.remove(key);
            }
            if let Some(pages) = &mut self.pages {
                pages.drop_page(pages.of(key, 0));
            }
        }
    }

    /// One of so many nodes of the cache restarts empty; keys are spread over nodes by a hash.
    pub(super) fn drop_node(&mut self, node: u32, of: u32) {
        if let Some(cache) = &mut self.cache {
            let lost: Vec<u32> =
                cache.keys().filter(|key| (key.wrapping_mul(2_654_435_769) >> 16) % of == node).collect();
            for key in lost {
                cache.remove(key);
            }
        }
    }

    /// Other keys become hot: ranks move on by so many places.
    pub(super) fn turn_keys(&mut self, places: u32) {
        self.turn = (self.turn + places) % self.setup.popularity.keys();
    }

    /// The store's processor becomes faster or slower; 1 is normal.
    pub(super) fn set_speed(&mut self, speed: f64) {
        self.readers.speed = speed;
    }

    /// The store's process is killed and started again: what was under way is refused, nothing is answered until it is open.
    pub(super) fn restart(&mut self, cold_pages: bool) {
        self.life += 1;
        self.started = Some(self.now);
        self.closed_until = self.now + nanos(self.setup.calibration.open_s);
        if let (Some(pages), true) = (&mut self.pages, cold_pages) {
            pages.drop_all();
        }
        let waiters = self.jobs.iter_mut().filter(|job| !job.waiters.is_empty()).flat_map(|job| {
            job.cancelled = true;
            std::mem::take(&mut job.waiters)
        });
        let waiters: Vec<Waiter> = waiters.collect();
        let unwritten: Vec<u32> = self.writer.queue.drain(..).chain(self.writer.group.drain(..)).collect();
        unwritten.into_iter().for_each(|job| self.end_job(job));
        for waiter in waiters {
            if self.waits(waiter) {
                self.refuse(waiter.slot);
            }
        }
    }

    /// How many keys the cache holds with data that a commit has made out of date.
    pub(super) fn wrong_keys(&mut self) -> u64 {
        let Some(cache) = &mut self.cache else { return 0 };
        let keys: Vec<u32> = cache.keys().collect();
        let mut wrong = 0;
        for key in keys {
            let entry = cache.peek(key).copied();
            let served = entry.filter(|entry| entry.marked == u64::MAX);
            wrong += u64::from(served.is_some_and(|entry| self.commits.superseded(key, entry.snapshot).is_some()));
        }
        wrong
    }

    /// The share of all pages that is in memory.
    pub(super) fn resident_share(&self) -> Option<f64> {
        self.pages.as_ref().map(|pages| pages.resident() as f64 / f64::from(pages.count().max(1)))
    }
}
