//! Where work waits: arrivals, the readers' station, the writer, the processor that they share, and the disk's pages.
//!
//! They are state with small rules and know nothing of requests; the engine moves jobs through them. Waiting is always in
//! the order of arrival.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::lru::{Entry, Lru};
use super::record::SECOND;
use crate::random::Random;

/// A Poisson stream whose rate is constant within each second.
#[derive(Debug, Clone)]
pub(super) struct Arrivals {
    rates: Arc<[f64]>,
    random: Random,
    /// When the next one is due; `u64::MAX` after the last.
    pub next: u64,
}

impl Arrivals {
    /// With these rates, one for each second.
    pub(super) fn new(rates: Arc<[f64]>, random: Random) -> Arrivals {
        let mut arrivals = Arrivals { rates, random, next: 0 };
        arrivals.advance();
        arrivals
    }

    /// Goes on to the one after the next.
    pub(super) fn advance(&mut self) {
        // What is left of an exponential is exponential, so a gap may be spent piecewise over seconds with other rates.
        let mut gap = self.random.exponential();
        while let Some(&rate) = self.rates.get((self.next / SECOND) as usize) {
            let end = (self.next / SECOND + 1) * SECOND;
            let within = rate * (end - self.next) as f64 / SECOND as f64;
            if gap < within {
                let step = gap / rate * SECOND as f64;
                self.next = (self.next + step as u64).min(end - 1);
                return;
            }
            gap -= within;
            self.next = end;
        }
        self.next = u64::MAX;
    }
}

/// Workers with one queue.
#[derive(Debug, Clone)]
pub(super) struct Station {
    /// How many jobs can be worked on at once.
    pub workers: u32,
    /// How many are.
    pub busy: u32,
    /// Those that wait.
    pub queue: VecDeque<u32>,
    /// How fast it works; 1 is normal.
    pub speed: f64,
}

impl Station {
    /// Idle.
    pub(super) fn new(workers: u32) -> Station {
        Station { workers, busy: 0, queue: VecDeque::new(), speed: 1.0 }
    }

    /// Jobs that wait or are worked on.
    pub(super) fn outstanding(&self) -> usize {
        self.queue.len() + self.busy as usize
    }

    /// The job to work on next, if a worker is idle.
    pub(super) fn next(&mut self) -> Option<u32> {
        if self.busy == self.workers {
            return None;
        }
        self.queue.pop_front()
    }
}

/// The one who writes: takes what waits as a group, which shares a sync.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    /// Those that wait.
    pub queue: VecDeque<u32>,
    /// Those that are being committed.
    pub group: Vec<u32>,
    /// How many share a sync.
    pub group_max: usize,
    /// How many may wait.
    pub queue_max: usize,
    /// The processor's time for each write.
    pub each_s: f64,
    /// The sync's time.
    pub sync_s: f64,
}

/// How much of the cores is used beside the readers' station, measured over tenths of a second; and the merging that the
/// background thread owes.
#[derive(Debug, Clone)]
pub(super) struct Processor {
    cores: f64,
    window: u64,
    used_s: f64,
    reads_s: f64,
    /// Cores that looks into the cache, the writer and the background thread took in the last window.
    beside: f64,
    /// Seconds of merging that are owed.
    pub debt_s: f64,
    /// All that was used, in core-seconds.
    pub total_s: f64,
}

const WINDOW: u64 = SECOND / 10;

impl Processor {
    /// Idle.
    pub(super) fn new(cores: f64) -> Processor {
        Processor { cores, window: 0, used_s: 0.0, reads_s: 0.0, beside: 0.0, debt_s: 0.0, total_s: 0.0 }
    }

    /// Time taken by something that has no place in the readers' station.
    pub(super) fn use_beside(&mut self, seconds: f64) {
        self.used_s += seconds;
        self.total_s += seconds;
    }

    /// Time taken by the readers' station.
    pub(super) fn use_reading(&mut self, seconds: f64) {
        self.reads_s += seconds;
        self.total_s += seconds;
    }

    /// How many times longer work takes because more wants to run than there are cores; `busy` readers run.
    pub(super) fn stretch(&mut self, now: u64, busy: u32) -> f64 {
        if now >= self.window + WINDOW {
            self.close_window(now);
        }
        ((f64::from(busy) + self.beside) / self.cores).max(1.0)
    }

    fn close_window(&mut self, now: u64) {
        let elapsed_s = (now - self.window) as f64 / SECOND as f64;
        let taken = (self.used_s + self.reads_s) / elapsed_s;
        // The scheduler is fair: even if all others could use every core, one thread of three has its share.
        let free = (self.cores - taken).max(self.cores / 3.0).min(1.0);
        let merged_s = self.debt_s.min(free * elapsed_s);
        self.debt_s -= merged_s;
        self.total_s += merged_s;
        self.beside = (self.used_s + merged_s) / elapsed_s;
        (self.window, self.used_s, self.reads_s) = (now, 0.0, 0.0);
    }
}

/// The page cache, and the disk behind it.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    cached: Lru,
    loading: HashMap<u32, Vec<u32>>,
    queue: VecDeque<u32>,
    busy: u32,
    depth: u32,
    read_s: f64,
    keys: u64,
    /// Pages of each level, from the rows upwards: where each level begins.
    begins: Vec<(u64, u32)>,
}

/// What came of asking for a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is in memory.
    There,
    /// The job waits for it; if a page is named, its read begins.
    Waits(Option<u32>),
}

/// Index entries on a page.
const FANOUT: u64 = 64;
/// A prime above any number of keys, so that multiplying by it scatters them over the pages.
const SCATTER: u64 = 4_294_967_291;

impl Pages {
    /// Of `keys` rows, in as many levels as a lookup touches; memory holds `share` of all pages.
    pub(super) fn new(keys: u32, keys_per_page: u32, levels: u32, share: f64, iops: f64, depth: u32) -> Pages {
        let mut begins = Vec::new();
        let (mut keys_below, mut total) = (u64::from(keys_per_page.max(1)), 0_u64);
        for _ in 0..levels {
            begins.push((keys_below, total as u32));
            total += u64::from(keys).div_ceil(keys_below);
            keys_below *= FANOUT;
        }
        let capacity = ((total as f64 * share).ceil() as u32).max(levels);
        Pages {
            cached: Lru::new(total as u32, capacity),
            loading: HashMap::new(),
            queue: VecDeque::new(),
            busy: 0,
            depth,
            read_s: f64::from(depth) / iops,
            keys: u64::from(keys),
            begins,
        }
    }

    /// How many pages there are.
    pub(super) fn count(&self) -> u32 {
        self.cached.keys_max()
    }

    /// How many are in memory.
    pub(super) fn resident(&self) -> usize {
        self.cached.count()
    }

    /// The page of a key on a level, counted from the rows upwards.
    pub(super) fn of(&self, key: u32, level: usize) -> u32 {
        let (keys_below, begin) = self.begins[level];
        let place = u64::from(key) * SCATTER % self.keys;
        begin + (place / keys_below) as u32
    }

    /// How many pages a lookup touches.
    pub(super) fn levels(&self) -> usize {
        self.begins.len()
    }

    /// Asks for a page on behalf of a job.
    pub(super) fn ask(&mut self, page: u32, job: u32) -> Asked {
        if self.cached.get(page).is_some() {
            return Asked::There;
        }
        // The kernel reads a page once, whoever else waits for it.
        let waiters = self.loading.entry(page).or_default();
        waiters.push(job);
        if waiters.len() > 1 {
            return Asked::Waits(None);
        }
        if self.busy == self.depth {
            self.queue.push_back(page);
            return Asked::Waits(None);
        }
        self.busy += 1;
        Asked::Waits(Some(page))
    }

    /// A page has been read: who waited for it, and the page whose read begins now.
    pub(super) fn loaded(&mut self, page: u32) -> (Vec<u32>, Option<u32>) {
        self.put(page);
        let next = self.queue.pop_front();
        self.busy -= u32::from(next.is_none());
        (self.loading.remove(&page).unwrap_or_default(), next)
    }

    /// Puts a page into memory.
    pub(super) fn put(&mut self, page: u32) {
        self.cached.insert(page, Entry { snapshot: 0, expires: u64::MAX, marked: u64::MAX, cost: 0 });
    }

    /// The mean time of reading a page.
    pub(super) fn read_s(&self) -> f64 {
        self.read_s
    }

    /// Forgets a page.
    pub(super) fn drop_page(&mut self, page: u32) {
        self.cached.remove(page);
    }

    /// Forgets every page.
    pub(super) fn drop_all(&mut self) {
        self.cached.clear();
    }
}
