//! Point reads on a view, timed one by one: what an application in front of its user would do.
//!
//! Reads go through a prepared handle, with keys drawn in an order that looks random and is always the same. Times are kept
//! in a histogram that loses no tail. While a writer commits, a reader pauses between its reads, so that it measures
//! latency and does not merely occupy a core.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use monostable::{Database, View};

use super::schema::READ_VIEW;
use crate::failure::{Failure, Result};

const PAUSE: Duration = Duration::from_micros(100);
/// Longer reads are counted as this long.
const NANOSECONDS_MAX: u64 = 60_000_000_000;

/// A handle on the view, and keys to look up.
#[derive(Clone)]
pub(super) struct Lookup {
    view: View,
    keys: Arc<[String]>,
}

impl Lookup {
    /// Keys are given by the caller, because the view itself is what is to be measured.
    pub(super) fn new(db: &Database, keys: Vec<String>) -> Result<Lookup> {
        if keys.is_empty() {
            return Err(Failure::message("there is nothing to look up"));
        }
        Ok(Lookup { view: db.view(READ_VIEW)?, keys: keys.into() })
    }

    /// The key of the `index`-th read: steps through all keys with a stride that is prime, which mixes them well.
    pub(super) fn key(&self, index: usize) -> &str {
        &self.keys[index.wrapping_mul(7919) % self.keys.len()]
    }

    /// One read of one column. A plane whose only flight was deleted or exchanged has no row.
    fn read(&self, index: usize) -> Result<()> {
        match self.view.get((self.key(index),))? {
            Some(row) if row.get::<i64>("flights")? < 1 => Err(Failure::message("a group without rows is in the view")),
            _ => Ok(()),
        }
    }

    /// Reads one after the other, as fast as they come.
    pub(super) fn burst(&self, reads: usize) -> Result<Latencies> {
        let mut latencies = Latencies::new()?;
        for index in 0..reads {
            latencies.time(|| self.read(index))?;
        }
        Ok(latencies)
    }

    /// Reads in a thread of its own until stopped.
    pub(super) fn start(&self) -> Reading {
        let stop = Arc::new(AtomicBool::new(false));
        let (lookup, stopped) = (self.clone(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut latencies = Latencies::new()?;
            for index in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                latencies.time(|| lookup.read(index))?;
                std::thread::sleep(PAUSE);
            }
            Ok(latencies)
        });
        Reading { stop, thread }
    }
}

/// Reads that go on.
pub(super) struct Reading {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Latencies>>,
}

impl Reading {
    /// Stops them and gives their times.
    pub(super) fn stop(self) -> Result<Latencies> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| Failure::message("the reading thread ended unexpectedly"))?
    }
}

/// The times of many reads.
#[derive(Debug)]
pub(super) struct Latencies {
    nanoseconds: Histogram<u64>,
}

impl Latencies {
    fn new() -> Result<Latencies> {
        let nanoseconds = Histogram::new_with_max(NANOSECONDS_MAX, 3)
            .map_err(|error| Failure::message(format!("cannot measure latencies: {error}")))?;
        Ok(Latencies { nanoseconds })
    }

    fn time(&mut self, read: impl FnOnce() -> Result<()>) -> Result<()> {
        let started = Instant::now();
        read()?;
        let elapsed = u64::try_from(started.elapsed().as_nanos()).unwrap_or(NANOSECONDS_MAX);
        self.nanoseconds.saturating_record(elapsed);
        Ok(())
    }

    pub(super) fn count(&self) -> u64 {
        self.nanoseconds.len()
    }

    /// The time within which this share of the reads (between 0 and 1) was answered.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.nanoseconds.value_at_quantile(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_timed() {
        let mut latencies = Latencies::new().unwrap();
        for nanoseconds in 1..=1000 {
            latencies.nanoseconds.saturating_record(nanoseconds);
        }
        assert_eq!(latencies.count(), 1000);
        assert_eq!(latencies.quantile(0.5), Duration::from_nanos(500));
        assert_eq!(latencies.quantile(0.999), Duration::from_nanos(999));
    }
}
