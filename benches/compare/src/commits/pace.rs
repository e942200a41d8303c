//! How many times a second some threads can do something, and how long each time takes.

use crate::threads::on_threads;
use crate::workload::{Failure, Outcome};
use hdrhistogram::Histogram;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// What a round came to.
#[derive(Debug)]
pub struct Pace {
    pub per_second: f64,
    /// How long each took, in nanoseconds.
    pub latency: Histogram<u64>,
}

/// The clock of a round. All threads begin together, once each is ready.
pub struct Round {
    begin: Barrier,
    lasts: Duration,
}

impl Round {
    pub fn new(threads: usize, seconds: f64) -> Round {
        Round { begin: Barrier::new(threads), lasts: Duration::from_secs_f64(seconds) }
    }

    /// Repeats `once` until the round is over, and tells what this thread came to. What has begun in time counts if it also ends in time, so that
    /// the last and longest wait of a thread does not stretch the round.
    pub fn repeat(&self, mut once: impl FnMut() -> Outcome) -> Result<Share, Failure> {
        let mut share = Share { count: 0, latency: Histogram::new(3)? };
        self.begin.wait();
        let start = Instant::now();
        loop {
            let began = start.elapsed();
            if began >= self.lasts {
                return Ok(share);
            }
            once()?;
            let ended = start.elapsed();
            share.latency.record((ended - began).as_nanos() as u64)?;
            share.count += u64::from(ended <= self.lasts);
        }
    }
}

/// What one thread came to.
pub struct Share {
    count: u64,
    latency: Histogram<u64>,
}

/// Runs a round: `work` prepares a thread and hands it to [`Round::repeat`].
pub fn pace(
    threads: usize,
    seconds: f64,
    work: impl Fn(usize, &Round) -> Result<Share, Failure> + Sync,
) -> Result<Pace, Failure> {
    let round = Round::new(threads, seconds);
    let shares = on_threads(threads, |thread| work(thread, &round))?;
    let mut latency = Histogram::new(3)?;
    shares.iter().try_for_each(|share| latency.add(&share.latency))?;
    let count: u64 = shares.iter().map(|share| share.count).sum();
    Ok(Pace { per_second: count as f64 / seconds, latency })
}
