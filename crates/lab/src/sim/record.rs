//! What a run saw, second by second.
//!
//! A request belongs to the second in which it was due, however late it ends, so that a second's outcomes add up to what it
//! was offered once the run is drained. Attempts and backend queries belong to the second in which they happened.

use hdrhistogram::Histogram;

/// Nanoseconds in a second: the simulation's unit of time.
pub(super) const SECOND: u64 = 1_000_000_000;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// In time, and fresh enough.
    Good,
    /// In time, but staler than allowed.
    Stale,
    /// Its last attempt was given up while it waited.
    Late,
    /// Its last attempt was refused.
    Failed,
}

/// The counts of one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Requests that were due.
    pub offered: u64,
    /// Of these, by ending.
    pub good: u64,
    /// See [`Ending::Late`].
    pub late: u64,
    /// See [`Ending::Failed`].
    pub failed: u64,
    /// See [`Ending::Stale`].
    pub stale: u64,
    /// Attempts made.
    pub attempts: u64,
    /// Looks into the cache.
    pub lookups: u64,
    /// Of these, answered.
    pub hits: u64,
    /// Reads that the store ran to their end.
    pub backend_queries: u64,
    /// Of these, with an answer that somebody still waited for.
    pub backend_useful: u64,
    /// Pages that the disk read.
    pub page_reads: u64,
    /// Writes that were committed.
    pub commits: u64,
    /// Good reads that were out of date, however briefly.
    pub stale_at_all: u64,
}

/// All seconds of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// By second.
    pub seconds: Vec<Counts>,
    /// What happened after the last of them.
    pub after: Counts,
    /// Latencies of good and stale answers in nanoseconds, by the second in which the request was due; empty if not asked for.
    pub latencies: Vec<Histogram<u32>>,
    /// How old the answers were that were out of date at all, in seconds.
    pub ages_s: Vec<f64>,
    /// Core-seconds of processor time that were used.
    pub cpu_s: f64,
    /// Requests that have ended, to see that none is lost.
    pub ended: u64,
}

impl Record {
    /// Of a run of so many seconds.
    pub(super) fn new(seconds: usize, with_latencies: bool) -> Record {
        let histogram = || Histogram::new_with_bounds(1, 100 * SECOND, 2).ok();
        Record {
            seconds: vec![Counts::default(); seconds],
            after: Counts::default(),
            latencies: if with_latencies { (0..seconds).filter_map(|_| histogram()).collect() } else { Vec::new() },
            ages_s: Vec::new(),
            cpu_s: 0.0,
            ended: 0,
        }
    }

    /// The counts of the second of a moment.
    pub(super) fn at(&mut self, time: u64) -> &mut Counts {
        self.seconds.get_mut((time / SECOND) as usize).unwrap_or(&mut self.after)
    }

    /// A request that was due at `due` has ended.
    pub(super) fn end(&mut self, due: u64, now: u64, ending: Ending) {
        self.ended += 1;
        let counts = self.at(due);
        match ending {
            Ending::Good => counts.good += 1,
            Ending::Stale => counts.stale += 1,
            Ending::Late => counts.late += 1,
            Ending::Failed => counts.failed += 1,
        }
        if matches!(ending, Ending::Good | Ending::Stale)
            && let Some(histogram) = self.latencies.get_mut((due / SECOND) as usize)
        {
            histogram.saturating_record((now - due).max(1));
        }
    }

    /// The sum of a count over some seconds.
    pub(super) fn sum(&self, from: usize, to: usize, count: impl Fn(&Counts) -> u64) -> u64 {
        let end = to.min(self.seconds.len());
        self.seconds[from.min(end)..end].iter().map(count).sum()
    }

    /// Good answers as a share of what was offered over some seconds.
    pub(super) fn good_share(&self, from: usize, to: usize) -> f64 {
        let offered = self.sum(from, to, |counts| counts.offered);
        if offered == 0 { 1.0 } else { self.sum(from, to, |counts| counts.good) as f64 / offered as f64 }
    }
}
