//! What one run saw, second by second. A request belongs to the second in which it was due, whenever it was answered;
//! attempts, lookups and backend queries belong to the second in which they happened.
//!
//! Cost: a histogram of a few kilobytes for each second; recording is a few additions.

use hdrhistogram::Histogram;

use super::clock::SECOND;
use super::error::Result;
use crate::results::{Key, Latency, Second};

/// Latencies from a microsecond to two minutes, to within a hundredth.
const LATENCY_MAX: u64 = 120_000_000;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// In time, and fresh enough.
    Good,
    /// In time, but staler than allowed.
    Stale,
    /// Its clients gave up waiting.
    Late,
    /// Refused, or the store failed.
    Failed,
}

/// One second.
#[derive(Debug, Clone, Default)]
struct Counts {
    offered: u64,
    good: u64,
    late: u64,
    failed: u64,
    stale: u64,
    attempts: u64,
    queries: u64,
    useful: u64,
    lookups: u64,
    hits: u64,
    latencies: Option<Histogram<u64>>,
    /// Writes that were due, those that were durable in time, and those that the store refused.
    writes: (u64, u64, u64),
    /// From when a write was due until it was durable, however late.
    write_lag: Option<Histogram<u64>>,
}

/// What one second says of reads and writes apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// 99th percentile of reads, in microseconds.
    pub read_p99_us: Option<f64>,
    /// Median time from when a write was due until it was durable, in microseconds.
    pub lag_median_us: Option<f64>,
    /// The longest of them.
    pub lag_max_us: Option<f64>,
    /// Of the writes that were due, those that were durable in time.
    pub writes_in_time_share: Option<f64>,
    /// Of the writes that were due, those that the store refused.
    pub writes_refused_share: Option<f64>,
}

/// A run's record.
#[derive(Debug)]
pub struct Record {
    seconds: Vec<Counts>,
    /// Answers that lacked a write which was acknowledged before the read began, however recently.
    pub strictly_stale: u64,
    /// Answers that are no page that ever was.
    pub impossible: u64,
    /// How late requests were sent, in microseconds.
    pub lag: Histogram<u64>,
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LATENCY_MAX, 2)?)
}

impl Record {
    /// For a run of `seconds`.
    pub fn new(seconds: u64) -> Result<Record> {
        let one = || Ok(Counts { latencies: Some(histogram()?), write_lag: Some(histogram()?), ..Counts::default() });
        let seconds = (0..seconds).map(|_| one()).collect::<Result<_>>()?;
        Ok(Record { seconds, strictly_stale: 0, impossible: 0, lag: histogram()? })
    }

    /// What happens after the last second counts for the last one.
    fn at(&mut self, moment: u64) -> Option<&mut Counts> {
        let last = self.seconds.len().saturating_sub(1);
        self.seconds.get_mut(((moment / SECOND) as usize).min(last))
    }

    /// A request was due, and sent `lag` later.
    pub fn offered(&mut self, due: u64, lag: u64, writes: bool) {
        self.lag.saturating_record(lag.max(1));
        if let Some(second) = self.at(due) {
            second.offered += 1;
            second.writes.0 += u64::from(writes);
        }
    }

    /// A client made an attempt.
    pub fn attempt(&mut self, moment: u64) {
        if let Some(second) = self.at(moment) {
            second.attempts += 1;
        }
    }

    /// A lookup in the cache.
    pub fn lookup(&mut self, moment: u64, hit: bool) {
        if let Some(second) = self.at(moment) {
            second.lookups += 1;
            second.hits += u64::from(hit);
        }
    }

    /// The backend ran a query to its end.
    pub fn query(&mut self, moment: u64, useful: bool) {
        if let Some(second) = self.at(moment) {
            second.queries += 1;
            second.useful += u64::from(useful);
        }
    }

    /// A request that was due at `due` ended, after `latency` if it was answered.
    pub fn ended(&mut self, due: u64, ending: Ending, latency: Option<u64>) {
        let Some(second) = self.at(due) else { return };
        match ending {
            Ending::Good => second.good += 1,
            Ending::Stale => second.stale += 1,
            Ending::Late => second.late += 1,
            Ending::Failed => second.failed += 1,
        }
        if let (Some(latency), Some(latencies)) = (latency, second.latencies.as_mut()) {
            latencies.saturating_record(latency.max(1));
        }
    }

    /// A write that was due at `due` ended.
    pub fn write_ended(&mut self, due: u64, ending: Ending) {
        let Some(second) = self.at(due) else { return };
        second.writes.1 += u64::from(ending == Ending::Good);
        second.writes.2 += u64::from(ending == Ending::Failed);
        match ending {
            Ending::Good => second.good += 1,
            Ending::Stale => second.stale += 1,
            Ending::Late => second.late += 1,
            Ending::Failed => second.failed += 1,
        }
    }

    /// A write that was due at `due` is durable, in time or not.
    pub fn written(&mut self, due: u64, lag: u64) {
        if let Some(lags) = self.at(due).and_then(|second| second.write_lag.as_mut()) {
            lags.saturating_record(lag.max(1));
        }
    }

    /// For each second the 99th percentile of reads, the median and the largest of the lag of writes, in microseconds, and
    /// of the writes that were due the share that was in time and the share that was refused.
    pub fn by_second(&self) -> Vec<Reading> {
        let known = |values: &Option<Histogram<u64>>, of: fn(&Histogram<u64>) -> u64| {
            values.as_ref().filter(|values| !values.is_empty()).map(|values| of(values) as f64)
        };
        let reading = |second: &Counts| Reading {
            read_p99_us: known(&second.latencies, |values| values.value_at_quantile(0.99)),
            lag_median_us: known(&second.write_lag, |values| values.value_at_quantile(0.5)),
            lag_max_us: known(&second.write_lag, Histogram::max),
            writes_in_time_share: share(second.writes.1 as f64, second.writes.0 as f64),
            writes_refused_share: share(second.writes.2 as f64, second.writes.0 as f64),
        };
        self.seconds.iter().map(reading).collect()
    }

    /// Requests answered well, for each second.
    pub fn good(&self) -> Vec<u64> {
        self.seconds.iter().map(|second| second.good).collect()
    }

    /// Requests due, for each second.
    pub fn offers(&self) -> Vec<u64> {
        self.seconds.iter().map(|second| second.offered).collect()
    }

    fn sum(&self, field: impl Fn(&Counts) -> u64) -> f64 {
        self.seconds.iter().map(field).sum::<u64>() as f64
    }

    /// Attempts for each request.
    pub fn attempts_per_request(&self) -> Option<f64> {
        share(self.sum(|second| second.attempts), self.sum(|second| second.offered))
    }

    /// Share of backend queries whose answer reached somebody in time.
    pub fn useful_share(&self) -> Option<f64> {
        share(self.sum(|second| second.useful), self.sum(|second| second.queries))
    }

    /// Share of lookups that hit, in some seconds.
    pub fn hit_share(&self, seconds: std::ops::Range<usize>) -> Option<f64> {
        let these = self.seconds.get(seconds)?;
        let sum = |field: fn(&Counts) -> u64| these.iter().map(field).sum::<u64>() as f64;
        share(sum(|second| second.hits), sum(|second| second.lookups))
    }

    /// Share of requests that were answered well, in some seconds.
    pub fn good_share(&self, seconds: std::ops::Range<usize>) -> Option<f64> {
        let these = self.seconds.get(seconds)?;
        let sum = |field: fn(&Counts) -> u64| these.iter().map(field).sum::<u64>() as f64;
        share(sum(|second| second.good), sum(|second| second.offered))
    }

    /// Answers that came in time but were staler than allowed.
    pub fn stale(&self) -> u64 {
        self.seconds.iter().map(|second| second.stale).sum()
    }

    /// Share of requests that were sent more than a tenth of a second late: the generator's own failure.
    pub fn lagging_share(&self) -> f64 {
        let late = self.lag.len() - self.lag.count_between(0, 100_000);
        share(late as f64, self.lag.len() as f64).unwrap_or(0.0)
    }

    /// The seconds as lines.
    pub fn lines(&self, key: &Key) -> Vec<Second> {
        let line = |(at, second): (usize, &Counts)| {
            let latencies = second.latencies.as_ref().filter(|latencies| !latencies.is_empty());
            let percentile = |share: f64| latencies.map(|latencies| latencies.value_at_quantile(share) as f64);
            Second {
                experiment: key.experiment.clone(),
                mode: key.mode,
                contender: key.contender,
                variant: key.variant.clone(),
                seed: key.seed,
                second: at as u32,
                offered: second.offered,
                good: second.good,
                late: second.late,
                failed: second.failed,
                stale: second.stale,
                attempts: second.attempts,
                backend_queries: second.queries,
                backend_useful: second.useful,
                hit_share: share(second.hits as f64, second.lookups as f64),
                p50_us: percentile(0.5),
                p99_us: percentile(0.99),
                p999_us: percentile(0.999),
                max_us: latencies.map(|latencies| latencies.max() as f64),
            }
        };
        self.seconds.iter().enumerate().map(line).collect()
    }

    /// The percentiles of some seconds as lines.
    pub fn latencies(&self, key: &Key, phase: &str, seconds: std::ops::Range<usize>) -> Result<Vec<Latency>> {
        let mut all = histogram()?;
        let (first, end) = (seconds.start.min(self.seconds.len()), seconds.end.min(self.seconds.len()));
        for latencies in self.seconds[first..end.max(first)].iter().filter_map(|second| second.latencies.as_ref()) {
            // Both have the same bounds, so that nothing can be refused.
            let _ = all.add(latencies);
        }
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let line = |percentile| Latency::new(key, phase, percentile, all.value_at_percentile(percentile) as f64);
        Ok(Latency::PERCENTILES.into_iter().map(line).collect())
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then_some(part / whole)
}
