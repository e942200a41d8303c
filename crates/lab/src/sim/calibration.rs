//! The figures that the model is fed with: measured by a real run, or the documented defaults.
//!
//! The defaults are those of our benchmarks' machine, two virtual cores with a local disk: they make the model run without a
//! measurement, and are no claim about another machine. Times are in seconds; everything is per request.
//!
//! A map has hundreds of runs, so [`Calibration::scaled`] makes a system that is n times smaller in every respect that is
//! counted (requests, keys, capacity) and n times slower in every one that is timed per request. Ratios of load and
//! capacity, shares of the processor and refill times in seconds stay; only the noise grows, and latencies are not reported.

use super::spread::Spread;
use crate::random::Skew;
use crate::results;

/// What one system is like.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Distinct keys.
    pub keys: u32,
    /// How uneven they are.
    pub skew: Skew,
    /// Share of requests that are writes, where an experiment does not vary it.
    pub write_share: f64,
    /// Share of the keys that the cache of A1 and A2 has room for.
    pub cache_share: f64,
    /// M: the backend's queries per second, with nothing else on the machine.
    pub capacity: f64,
    /// Queries that it runs at once.
    pub workers: u32,
    /// Processor cores, shared by everything.
    pub cores: f64,
    /// How a query's time varies.
    pub spread: Spread,
    /// A look into the cache.
    pub hit_s: f64,
    /// From the backend's answer to the entry in the cache.
    pub fill_delay_s: f64,
    /// From a commit to the deletion in the cache.
    pub delete_delay_s: f64,
    /// A durable write of a store without views, its sync included.
    pub write_s: f64,
    /// A read of the summary table.
    pub summary_read_s: f64,
    /// A durable write that also updates the summary table, its sync included.
    pub summary_write_s: f64,
    /// A read of a view.
    pub view_read_s: f64,
    /// The maintenance of all views for one write, on the writer's thread.
    pub view_write_s: f64,
    /// The sync that a group of view writes shares.
    pub sync_s: f64,
    /// Writes that can share a sync and a step.
    pub group_max: u32,
    /// Writes that may wait; another one is refused.
    pub commit_queue_max: u32,
    /// Merging that one view write causes on the background thread.
    pub merge_s: f64,
    /// How much slower reads of a view become for each second of merging that is owed, and by how much at most.
    pub debt_slowdown: (f64, f64),
    /// When an attempt is given up.
    pub timeout_s: f64,
    /// Attempts after the first.
    pub retries: u32,
    /// How much staleness still counts as good.
    pub staleness_s: f64,
    /// How long an entry lives without an invalidation.
    pub ttl_s: f64,
    /// Pages that the disk reads in a second.
    pub page_iops: f64,
    /// Reads that the disk works on at once.
    pub disk_depth: u32,
    /// Pages that a lookup touches.
    pub pages_per_lookup: u32,
    /// Keys whose rows share a page.
    pub keys_per_page: u32,
    /// From the start of a process to its first answer, replay included.
    pub open_s: f64,
    /// Memory of a cached entry, or of a view's row in its pages.
    pub entry_bytes: u64,
    /// Bytes of rows behind one key in the base tables.
    pub base_bytes: u64,
    /// Resident memory for each byte of rows, of a store and of Monostable with its views.
    pub memory_factors: (f64, f64),
    /// Bytes that a store writes for each write.
    pub write_bytes: f64,
    /// The same with a summary table.
    pub summary_write_bytes: f64,
    /// Bytes that Monostable writes for each write, merges included, beside what a sync takes.
    pub view_write_bytes: f64,
    /// Bytes that Monostable writes for each sync.
    pub sync_bytes: f64,
    /// How many times smaller and slower than the real system this one is.
    pub slowdown: f64,
}

impl Default for Calibration {
    fn default() -> Calibration {
        Calibration {
            keys: 200_000,
            skew: Skew::Zipf(1.1),
            write_share: 0.002,
            cache_share: 0.1,
            capacity: 2_000.0,
            workers: 2,
            cores: 2.0,
            spread: Spread::Lognormal(0.5),
            hit_s: 0.7e-6,
            fill_delay_s: 50e-6,
            delete_delay_s: 50e-6,
            write_s: 115e-6,
            summary_read_s: 8e-6,
            summary_write_s: 148e-6,
            view_read_s: 0.6e-6,
            view_write_s: 40e-6,
            sync_s: 85e-6,
            group_max: 64,
            commit_queue_max: 1_024,
            merge_s: 15e-6,
            debt_slowdown: (1.0, 3.0),
            timeout_s: 1.0,
            retries: 2,
            staleness_s: 1.0,
            ttl_s: 3_600.0,
            page_iops: 20_000.0,
            disk_depth: 16,
            pages_per_lookup: 3,
            keys_per_page: 40,
            open_s: 0.05,
            entry_bytes: 200,
            base_bytes: 4_000,
            // From the comparison W6 in the benchmarks: resident bytes for each of a row's 23, and bytes written for each byte
            // changed in batches of one, and of ten thousand for what does not depend on the sync.
            memory_factors: (48.0 / 23.0, 871.0 / 23.0),
            write_bytes: 795.0 * 23.0,
            // Not measured yet: half as much again for the pages of the summary.
            summary_write_bytes: 1.5 * 795.0 * 23.0,
            view_write_bytes: 14.7 * 23.0,
            sync_bytes: 43_734.0 * 23.0,
            slowdown: 1.0,
        }
    }
}

fn seconds(value: f64, unit: &str) -> f64 {
    match unit {
        "ns" => value * 1e-9,
        "us" | "µs" => value * 1e-6,
        "ms" => value * 1e-3,
        _ => value,
    }
}

impl Calibration {
    /// The defaults, with every figure that a real run measured in place of them. A line with a name that the model has no
    /// use for is passed over, and so is what the model says of itself. Times may be in `s`, `ms`, `us` or `ns`.
    pub fn from_lines(lines: &[results::Calibration]) -> Calibration {
        let mut calibration = Calibration::default();
        let is_measured = |line: &&results::Calibration| line.mode != results::Mode::Sim && line.value.is_finite();
        let lines: Vec<&results::Calibration> =
            lines.iter().filter(is_measured).filter(|line| line.value > 0.0).collect();
        for line in &lines {
            calibration.set(line);
        }
        let cache_keys = lines.iter().find(|line| line.name == "cache_keys");
        if let Some(line) = cache_keys {
            calibration.cache_share = (line.value / f64::from(calibration.keys)).min(1.0);
        }
        calibration
    }

    fn set(&mut self, line: &results::Calibration) {
        use results::Contender::{B1, V};
        let time = seconds(line.value, &line.unit);
        match (line.name.as_str(), line.contender) {
            ("capacity", B1 | V) => {}
            ("capacity", _) => self.capacity = line.value,
            ("keys", _) => self.keys = line.value as u32,
            ("skew", _) => self.skew = Skew::Zipf(line.value),
            ("workers", _) => self.workers = (line.value as u32).max(1),
            ("cores", _) => self.cores = line.value.max(1.0),
            ("write_share", _) => self.write_share = line.value.min(1.0),
            ("hit_service_mean", _) => self.hit_s = time,
            ("read_service_mean", B1) => self.summary_read_s = time,
            ("read_service_mean", V) => self.view_read_s = time,
            ("write_service_mean", B1) => self.summary_write_s = time,
            ("write_service_mean", V) => self.view_write_s = time,
            ("write_service_mean", _) => self.write_s = time,
            ("sync_mean", _) => self.sync_s = time,
            ("merge_service_mean", _) => self.merge_s = time,
            ("retries", _) => self.retries = line.value as u32,
            ("timeout", _) => self.timeout_s = time,
            ("staleness_bound", _) => self.staleness_s = time,
            ("ttl", _) => self.ttl_s = time,
            ("page_iops", _) => self.page_iops = line.value,
            ("pages_per_lookup", _) => self.pages_per_lookup = line.value.round().max(1.0) as u32,
            ("open_time", _) => self.open_s = time,
            ("entry_bytes", _) => self.entry_bytes = line.value as u64,
            ("base_bytes", _) => self.base_bytes = line.value as u64,
            ("memory_factor", V) => self.memory_factors.1 = line.value,
            ("memory_factor", _) => self.memory_factors.0 = line.value,
            ("written_bytes", B1) => self.summary_write_bytes = line.value,
            ("written_bytes", V) => self.view_write_bytes = line.value,
            ("written_bytes", _) => self.write_bytes = line.value,
            ("sync_bytes", V) => self.sync_bytes = line.value,
            _ => {}
        }
    }

    /// Every figure as name, value and unit: what the report prints beside the results of the model.
    pub fn lines(&self) -> Vec<(&'static str, f64, &'static str)> {
        vec![
            ("keys", f64::from(self.keys), "1"),
            ("skew", self.skew.exponent(), "1"),
            ("write_share", self.write_share, "1"),
            ("cache_keys", f64::from(self.cache_keys()), "1"),
            ("capacity", self.capacity, "1/s"),
            ("workers", f64::from(self.workers), "1"),
            ("cores", self.cores, "1"),
            ("hit_service_mean", self.hit_s, "s"),
            ("miss_service_mean", self.miss_s(), "s"),
            ("write_service_mean", self.write_s, "s"),
            ("summary_read_service_mean", self.summary_read_s, "s"),
            ("summary_write_service_mean", self.summary_write_s, "s"),
            ("view_read_service_mean", self.view_read_s, "s"),
            ("view_write_service_mean", self.view_write_s, "s"),
            ("sync_mean", self.sync_s, "s"),
            ("merge_service_mean", self.merge_s, "s"),
            ("timeout", self.timeout_s, "s"),
            ("retries", f64::from(self.retries), "1"),
            ("staleness_bound", self.staleness_s, "s"),
            ("ttl", self.ttl_s, "s"),
            ("page_iops", self.page_iops, "1/s"),
            ("pages_per_lookup", f64::from(self.pages_per_lookup), "1"),
            ("open_time", self.open_s, "s"),
            ("entry_bytes", self.entry_bytes as f64, "bytes"),
            ("base_bytes", self.base_bytes as f64, "bytes"),
            ("memory_factor", self.memory_factors.0, "1"),
            ("view_memory_factor", self.memory_factors.1, "1"),
            ("written_bytes", self.write_bytes, "bytes"),
            ("summary_written_bytes", self.summary_write_bytes, "bytes"),
            ("view_written_bytes", self.view_write_bytes, "bytes"),
            ("sync_bytes", self.sync_bytes, "bytes"),
        ]
    }

    /// How many keys the cache of A1 and A2 has room for.
    pub fn cache_keys(&self) -> u32 {
        ((f64::from(self.keys) * self.cache_share) as u32).clamp(1, self.keys)
    }

    /// The mean time of a query whose answer is not cached.
    pub fn miss_s(&self) -> f64 {
        f64::from(self.workers) / self.capacity
    }

    /// Writes per second that the views can be maintained for, when full groups share their syncs.
    pub fn maintenance_capacity(&self) -> f64 {
        let group = f64::from(self.group_max.max(1));
        group / (self.sync_s + group * self.view_write_s)
    }

    /// A system that is `factor` times smaller and slower, so that a run of it has as many times fewer requests.
    pub fn scaled(&self, factor: f64) -> Calibration {
        let mut small = self.clone();
        small.keys = ((f64::from(self.keys) / factor).round() as u32).max(100);
        small.capacity /= factor;
        small.slowdown *= factor;
        small.page_iops /= factor;
        // A group is counted in writes, but what it shares is a sync: its size stays, and so does the queue's in seconds.
        small.commit_queue_max = ((f64::from(self.commit_queue_max) / factor) as u32).max(self.group_max);
        for time in [
            &mut small.hit_s,
            &mut small.write_s,
            &mut small.summary_read_s,
            &mut small.summary_write_s,
            &mut small.view_read_s,
            &mut small.view_write_s,
            &mut small.sync_s,
            &mut small.merge_s,
        ] {
            *time *= factor;
        }
        small
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Contender, Mode};

    fn line(contender: Contender, name: &str, value: f64, unit: &str) -> results::Calibration {
        results::Calibration {
            experiment: "E1".into(),
            mode: Mode::Real,
            contender,
            variant: String::new(),
            seed: 1,
            name: name.into(),
            value,
            unit: unit.into(),
        }
    }

    #[test]
    fn measured_figures_take_the_place_of_defaults() {
        let lines = [
            line(Contender::A0, "capacity", 1234.0, "1/s"),
            line(Contender::V, "capacity", 1e6, "1/s"),
            line(Contender::A1, "cache_keys", 5_000.0, "1"),
            line(Contender::A0, "keys", 50_000.0, "1"),
            line(Contender::V, "read_service_mean", 0.9, "us"),
            line(Contender::B1, "write_service_mean", 0.2, "ms"),
            line(Contender::A0, "something_else", 7.0, "1"),
            line(Contender::A0, "ttl", f64::NAN, "s"),
            results::Calibration { mode: Mode::Sim, ..line(Contender::A0, "capacity", 300.0, "1/s") },
        ];
        let calibration = Calibration::from_lines(&lines);
        let expected = Calibration {
            capacity: 1234.0,
            keys: 50_000,
            cache_share: 0.1,
            view_read_s: 0.9 * 1e-6,
            summary_write_s: 0.2 * 1e-3,
            ..Calibration::default()
        };
        assert_eq!(calibration, expected);
    }

    #[test]
    fn a_scaled_system_has_the_same_ratios() {
        let large = Calibration::default();
        let small = large.scaled(10.0);
        assert_eq!(small.keys, 20_000);
        let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
        assert!(close(large.capacity * large.miss_s(), small.capacity * small.miss_s()));
        assert!(close(large.capacity * large.hit_s, small.capacity * small.hit_s));
        assert!(close(large.maintenance_capacity(), 10.0 * small.maintenance_capacity()));
        assert!(close(large.page_iops / large.capacity, small.page_iops / small.capacity));
    }
}
