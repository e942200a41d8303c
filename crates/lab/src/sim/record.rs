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
    /// Syncs that they took.
    pub groups: u64,
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
    /// Latencies of good and stale answers to reads in nanoseconds, by the second in which the request was due; empty if not
    /// asked for.
    pub latencies: Vec<Histogram<u32>>,
    /// The same of writes.
    pub write_latencies: Vec<Histogram<u32>>,
    /// From the last start of the store to the first read that was answered, in seconds.
    pub first_read_s: Option<f64>,
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
        let count = if with_latencies { seconds } else { 0 };
        let histograms = || (0..count).filter_map(|_| Histogram::new_with_bounds(1, 100 * SECOND, 2).ok()).collect();
        Record {
            seconds: vec![Counts::default(); seconds],
            after: Counts::default(),
            latencies: histograms(),
            write_latencies: histograms(),
            first_read_s: None,
            ages_s: Vec::new(),
            cpu_s: 0.0,
            ended: 0,
        }
    }

    /// The counts of the second of a moment.
    pub(super) fn at(&mut self, time: u64) -> &mut Counts {
        self.seconds.get_mut((time / SECOND) as usize).unwrap_or(&mut self.after)
    }

    /// A request that was due at `due`, a write or a read, has ended.
    pub(super) fn end(&mut self, write: bool, due: u64, now: u64, ending: Ending) {
        self.ended += 1;
        let counts = self.at(due);
        match ending {
            Ending::Good => counts.good += 1,
            Ending::Stale => counts.stale += 1,
            Ending::Late => counts.late += 1,
            Ending::Failed => counts.failed += 1,
        }
        let latencies = if write { &mut self.write_latencies } else { &mut self.latencies };
        if matches!(ending, Ending::Good | Ending::Stale)
            && let Some(histogram) = latencies.get_mut((due / SECOND) as usize)
        {
            histogram.saturating_record((now - due).max(1));
        }
    }

    /// A quantile of some seconds' histograms, in seconds; nothing if nothing was answered.
    pub(super) fn quantile_s(histograms: &[Histogram<u32>], from: usize, to: usize, share: f64) -> Option<f64> {
        let all = merged(histograms, from, to)?;
        Some(all.value_at_quantile(share) as f64 / SECOND as f64)
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

/// What some seconds' histograms hold together; nothing if they are empty.
pub(super) fn merged(histograms: &[Histogram<u32>], from: usize, to: usize) -> Option<Histogram<u32>> {
    let to = to.min(histograms.len());
    let (first, others) = histograms[from.min(to)..to].split_first()?;
    let mut all = first.clone();
    for other in others {
        // They have the same bounds, so adding cannot fail.
        let _ = all.add(other);
    }
    (!all.is_empty()).then_some(all)
}
