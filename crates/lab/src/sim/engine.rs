//! The simulation: requests come when they are due, look into the cache, wait for the store, are given up, retried, counted.
//!
//! State: a clock, a heap of things that will happen, the contents of the cache, the stations, and the requests and jobs
//! under way. Time is in nanoseconds and whole; moments that are equal are taken in the order in which they were asked for,
//! so a run is a function of its setup alone, and a clone taken in the middle of a run is a twin with the same past and,
//! where nothing is done to it, the same future.
//!
//! Invariants. A request ends exactly once. An attempt has a number of its own, so an answer to an attempt that was given up
//! reaches nobody. A job is run once, dropped, or refused. An attempt is given up one time-out after it was made.
//!
//! What a read sees is the state at the moment its query begins. Whether an answer is out of date is asked of the log of
//! commits, with the moment at which the attempt was made; neither cache nor mitigation is asked.
//!
//! Cost: a hit is a draw, an array look-up and two list operations, some 100 ns; everything else a few heap operations.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use super::calibration::Calibration;
use super::commits::Commits;
use super::lru::{Entry, Lru};
use super::mitigations::{Mitigations, RetryTokens, WarmUp};
use super::record::{Record, SECOND};
use super::spread::Spread;
use super::stations::{Arrivals, Asked, Pages, Processor, Station, Writer};
use crate::random::{Popularity, Random};
use crate::results::Contender;

/// What is simulated.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    /// Who.
    pub contender: Contender,
    /// On what.
    pub calibration: Calibration,
    /// Which keys are asked for.
    pub popularity: Arc<Popularity>,
    /// What A1, A2 and A3 do about overload.
    pub mitigations: Mitigations,
    /// Whether an answer that nobody waits for any more still fills the cache; under single flight it always does.
    pub fill_late: bool,
    /// Room in the cache; 0 is no cache.
    pub cache_keys: u32,
    /// Reads per second, one figure for each second.
    pub read_rates: Arc<[f64]>,
    /// Writes per second, likewise.
    pub write_rates: Arc<[f64]>,
    /// Share of the deletions that never arrive at the cache.
    pub lost_deletes: f64,
    /// Share of the pages that fit into memory; nothing if pages are not modelled.
    pub page_share: Option<f64>,
    /// Whether latencies are recorded.
    pub latencies: bool,
    /// The seed.
    pub seed: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) key: u32,
    pub(super) due: u64,
    pub(super) made: u64,
    /// The number of the attempt that waits; 0 while none does.
    pub(super) waiting: u64,
    pub(super) attempts: u32,
    pub(super) write: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter {
    pub(super) slot: u32,
    pub(super) attempt: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) key: u32,
    /// The next level of pages to look at.
    pub(super) level: usize,
    pub(super) asked: u64,
    pub(super) snapshot: u64,
    /// After this nobody waits.
    pub(super) deadline: u64,
    pub(super) waiters: Vec<Waiter>,
    pub(super) cancelled: bool,
    /// Whether the cache asked for it by itself, to be fresh in time.
    pub(super) refresh: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A reader has finished a job.
    Read(u32),
    /// The writer has committed its group; the number says of which life of the process.
    Committed(u32),
    /// The disk has read a page.
    Page(u32),
    /// A request tries again.
    Retry(u32),
    /// A job's answer arrives at the cache.
    Fill(u32),
    /// A deletion arrives at the cache.
    Invalidate(u32),
}

/// A run under way.
#[derive(Debug, Clone)]
pub(super) struct Sim {
    pub(super) setup: Setup,
    pub(super) now: u64,
    pub(super) reads: Arrivals,
    pub(super) writes: Arrivals,
    pub(super) read_keys: Random,
    pub(super) write_keys: Random,
    pub(super) service: Random,
    pub(super) choices: Random,
    /// Ranks are keys, turned by this many places.
    pub(super) turn: u32,
    pub(super) events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    pub(super) asked: u64,
    pub(super) timeouts: VecDeque<(u64, Waiter)>,
    pub(super) requests: Vec<Request>,
    pub(super) free_requests: Vec<u32>,
    pub(super) jobs: Vec<Job>,
    pub(super) free_jobs: Vec<u32>,
    pub(super) attempts: u64,
    pub(super) cache: Option<Lru>,
    pub(super) flights: HashMap<u32, u32>,
    pub(super) invalidated: HashMap<u32, u64>,
    pub(super) commits: Commits,
    pub(super) readers: Station,
    pub(super) writer: Writer,
    pub(super) life: u32,
    /// When the store was started again, until it has answered a read.
    pub(super) started: Option<u64>,
    pub(super) closed_until: u64,
    pub(super) processor: Processor,
    pub(super) pages: Option<Pages>,
    pub(super) tokens: RetryTokens,
    pub(super) warm_up: WarmUp,
    pub(super) lookup_s: f64,
    pub(super) timeout: u64,
    /// What was seen.
    pub record: Record,
}

pub(super) fn nanos(seconds: f64) -> u64 {
    (seconds * SECOND as f64).round() as u64
}

impl Sim {
    /// A run at its beginning, with a warm cache and all pages in memory that fit.
    pub(super) fn new(setup: Setup) -> Sim {
        let calibration = &setup.calibration;
        let stream = |purpose| Random::stream(setup.seed, purpose);
        let is_view = setup.contender == Contender::V;
        // What a database's write takes beside the processor is a sync, if it takes as long as one.
        let apart = |whole: f64| (whole - calibration.sync_s.min(whole), calibration.sync_s.min(whole));
        let (each_s, sync_s) = match setup.contender {
            Contender::V => (calibration.view_write_s, calibration.sync_s),
            Contender::B1 => apart(calibration.summary_write_s),
            _ => apart(calibration.write_s),
        };
        let writer = Writer {
            queue: VecDeque::new(),
            group: Vec::new(),
            group_max: if is_view { calibration.group_max.max(1) as usize } else { 1 },
            queue_max: if is_view { calibration.commit_queue_max as usize } else { usize::MAX },
            each_s,
            sync_s,
        };
        let pages = setup.page_share.map(|share| {
            let (c, keys) = (calibration, setup.popularity.keys());
            Pages::new(keys, c.keys_per_page, c.pages_per_lookup, share, c.page_iops, c.disk_depth)
        });
        let keys = setup.popularity.keys();
        let mut sim = Sim {
            now: 0,
            reads: Arrivals::new(Arc::clone(&setup.read_rates), stream(1)),
            writes: Arrivals::new(Arc::clone(&setup.write_rates), stream(2)),
            read_keys: stream(3),
            write_keys: stream(4),
            service: stream(5),
            choices: stream(6),
            turn: 0,
            events: BinaryHeap::new(),
            asked: 0,
            timeouts: VecDeque::new(),
            requests: Vec::new(),
            free_requests: Vec::new(),
            jobs: Vec::new(),
            free_jobs: Vec::new(),
            attempts: 0,
            cache: (setup.cache_keys > 0).then(|| Lru::new(keys, setup.cache_keys)),
            flights: HashMap::new(),
            invalidated: HashMap::new(),
            commits: Commits::new(keys),
            readers: Station::new(calibration.workers),
            writer,
            life: 0,
            started: None,
            closed_until: 0,
            processor: Processor::new(calibration.cores),
            pages,
            tokens: RetryTokens::full(),
            warm_up: WarmUp::new(calibration.capacity, 0.0),
            lookup_s: calibration.hit_s,
            timeout: nanos(calibration.timeout_s),
            record: Record::new(setup.read_rates.len(), setup.latencies),
            setup,
        };
        sim.warm();
        sim
    }

    /// Fills the cache and the memory as a long time under this load would have, without the time.
    fn warm(&mut self) {
        let popularity = Arc::clone(&self.setup.popularity);
        let mut random = Random::stream(self.setup.seed, 7);
        let (ttl, keys) = (self.setup.calibration.ttl_s, popularity.keys());
        if let Some(cache) = &mut self.cache {
            let mut entry = || {
                let expires = nanos(ttl * random.unit());
                Entry { snapshot: 0, expires, marked: u64::MAX, cost: nanos(self.setup.calibration.miss_s()) }
            };
            if self.setup.cache_keys >= keys {
                (0..keys).rev().for_each(|key| cache.insert(key, entry()));
            } else {
                // Full, and then as much again until the order of use does not depend on the beginning.
                let draws = u64::from(keys) * 20;
                let mut keys = Random::stream(self.setup.seed, 8);
                let mut after_full = 0;
                for _ in 0..draws {
                    let key = popularity.draw(&mut keys);
                    if cache.get(key).is_none() {
                        cache.insert(key, entry());
                        after_full += u32::from(cache.count() == self.setup.cache_keys as usize);
                    }
                    if after_full > self.setup.cache_keys {
                        break;
                    }
                }
            }
            // Reads put a key in; writes and its time to live take it out.
            let of = |rates: &[f64]| rates.first().copied().unwrap_or(0.0);
            let (reads, writes) = (of(&self.setup.read_rates), of(&self.setup.write_rates));
            let there: Vec<u32> = cache.keys().collect();
            for key in there {
                let share = popularity.share(key);
                let (put, taken) = (share * reads, share * writes + 1.0 / ttl);
                if random.unit() * (put + taken) < taken {
                    cache.remove(key);
                }
            }
        }
        if let Some(pages) = &mut self.pages {
            for _ in 0..u64::from(keys) * 5 {
                let key = popularity.draw(&mut random);
                (0..pages.levels()).for_each(|level| pages.put(pages.of(key, level)));
            }
        }
    }

    /// Lets everything happen that happens before a moment.
    pub(super) fn run_until(&mut self, end: u64) {
        loop {
            let event = self.events.peek().map_or(u64::MAX, |Reverse((time, _, _))| *time);
            let timeout = self.timeouts.front().map_or(u64::MAX, |(time, _)| *time);
            let due = self.reads.next.min(self.writes.next);
            let next = event.min(timeout).min(due);
            if next >= end {
                self.now = end.max(self.now).min(u64::MAX - 1);
                return;
            }
            self.now = next;
            if next == event {
                if let Some(Reverse((_, _, event))) = self.events.pop() {
                    self.happen(event);
                }
            } else if next == timeout {
                if let Some((_, waiter)) = self.timeouts.pop_front() {
                    self.give_up(waiter);
                }
            } else if next == self.reads.next {
                self.reads.advance();
                self.arrive(false);
            } else {
                self.writes.advance();
                self.arrive(true);
            }
        }
    }

    /// Lets everything happen until each request has ended. A backlog that nobody waits for stays.
    pub(super) fn drain(&mut self) {
        self.run_until(self.record.seconds.len() as u64 * SECOND);
        while self.requests.len() > self.free_requests.len() {
            self.run_until(self.now + SECOND / 10);
        }
        self.record.cpu_s = self.processor.total_s;
    }

    /// Lets everything happen until nothing moves any more.
    pub(super) fn settle(&mut self) {
        self.drain();
        self.run_until(u64::MAX);
    }

    pub(super) fn at(&mut self, time: u64, event: Event) {
        self.asked += 1;
        self.events.push(Reverse((time, self.asked, event)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Read(job) => self.read_done(job),
            Event::Committed(life) if life == self.life => self.committed(),
            Event::Committed(_) => {}
            Event::Page(page) => self.page_read(page),
            Event::Retry(slot) => self.attempt(slot),
            Event::Fill(job) => self.fill(job),
            Event::Invalidate(key) => self.invalidate(key),
        }
    }

    /// The key of a rank at this moment.
    pub(super) fn key_of(&self, rank: u32) -> u32 {
        (rank + self.turn) % self.setup.popularity.keys()
    }

    fn arrive(&mut self, write: bool) {
        let keys = if write { &mut self.write_keys } else { &mut self.read_keys };
        let rank = self.setup.popularity.draw(keys);
        let key = self.key_of(rank);
        self.record.at(self.now).offered += 1;
        let request = Request { key, due: self.now, made: self.now, waiting: 0, attempts: 0, write };
        let slot = match self.free_requests.pop() {
            Some(slot) => {
                self.requests[slot as usize] = request;
                slot
            }
            None => {
                self.requests.push(request);
                self.requests.len() as u32 - 1
            }
        };
        self.attempt(slot);
    }

    pub(super) fn attempt(&mut self, slot: u32) {
        let now = self.now;
        self.attempts += 1;
        let number = self.attempts;
        self.record.at(now).attempts += 1;
        let request = &mut self.requests[slot as usize];
        (request.attempts, request.made, request.waiting) = (request.attempts + 1, now, 0);
        let (key, write) = (request.key, request.write);
        // Cache and store are one process here, or restart together: while it is closed there are no hits either.
        if now < self.closed_until {
            return self.refuse(slot);
        }
        if !write && self.cache.is_some() {
            if let Some(snapshot) = self.look_up(key) {
                // Nobody waits in a queue for a hit, so the answer can be counted at once, with its time.
                return self.answer(slot, snapshot, now + nanos(self.lookup_s / self.setup.calibration.slowdown));
            }
            if self.setup.mitigations.warm_up_ramp && !self.warm_up.admits(now) {
                return self.refuse(slot);
            }
        }
        let waiter = Waiter { slot, attempt: number };
        let admitted = if write { self.ask_writer(key, waiter) } else { self.ask_readers(key, Some(waiter)) };
        if admitted {
            self.requests[slot as usize].waiting = number;
            self.timeouts.push_back((now + self.timeout, waiter));
        } else {
            self.refuse(slot);
        }
    }

    /// The snapshot of the entry that a reader is served, if it is.
    fn look_up(&mut self, key: u32) -> Option<u64> {
        let now = self.now;
        self.processor.use_beside(self.lookup_s);
        let mitigations = self.setup.mitigations;
        let mut refresh = false;
        let mut served = None;
        if let Some(entry) = self.cache.as_mut().and_then(|cache| cache.get(key)).copied() {
            let ended = entry.expires.min(entry.marked);
            if ended > now {
                served = Some(entry.snapshot);
                // The draw is worth making only near the end: beyond 20 times the cost its probability is 10^-9.
                if mitigations.early_refresh && ended - now < 20 * entry.cost {
                    let early = entry.cost as f64 * self.choices.exponential();
                    refresh = now as f64 + early >= ended as f64;
                }
            } else if mitigations.serve_stale && now < ended + nanos(self.setup.calibration.staleness_s / 2.0) {
                served = Some(entry.snapshot);
                refresh = true;
            }
        }
        let counts = self.record.at(now);
        counts.lookups += 1;
        counts.hits += u64::from(served.is_some());
        if mitigations.warm_up_ramp {
            self.warm_up.looked_up(served.is_some(), now);
        }
        if refresh && !self.flights.contains_key(&key) {
            self.ask_readers(key, None);
        }
        served
    }

    /// Sends a read to the store, or joins one; says whether it was admitted. Without a waiter it is a refresh.
    fn ask_readers(&mut self, key: u32, waiter: Option<Waiter>) -> bool {
        let deadline = self.now + self.timeout;
        let mitigations = self.setup.mitigations;
        if mitigations.single_flight
            && let (Some(waiter), Some(&job)) = (waiter, self.flights.get(&key))
        {
            let job = &mut self.jobs[job as usize];
            job.waiters.push(waiter);
            job.deadline = deadline;
            return true;
        }
        let calibration = &self.setup.calibration;
        let work = calibration.capacity * calibration.timeout_s;
        if mitigations.bounded_queue && self.readers.queue.len() as f64 >= work / 2.0 {
            return false;
        }
        let outstanding_max = f64::from(calibration.workers) + work / 4.0;
        if mitigations.concurrency_limit && self.readers.outstanding() as f64 >= outstanding_max {
            return false;
        }
        let job = self.begin_job(key, deadline, waiter);
        if mitigations.single_flight || waiter.is_none() {
            self.flights.insert(key, job);
        }
        self.look_at_pages(job);
        true
    }

    pub(super) fn begin_job(&mut self, key: u32, deadline: u64, waiter: Option<Waiter>) -> u32 {
        let job = Job {
            key,
            level: 0,
            asked: self.now,
            snapshot: 0,
            deadline,
            waiters: waiter.into_iter().collect(),
            cancelled: false,
            refresh: waiter.is_none(),
        };
        match self.free_jobs.pop() {
            Some(slot) => {
                self.jobs[slot as usize] = job;
                slot
            }
            None => {
                self.jobs.push(job);
                self.jobs.len() as u32 - 1
            }
        }
    }

    /// Lets a job go on until a page is missing, and then into the readers' queue.
    fn look_at_pages(&mut self, job: u32) {
        let mut read = None;
        if let Some(pages) = &mut self.pages {
            let task = &mut self.jobs[job as usize];
            while task.level < pages.levels() {
                // From the root down, as a lookup goes.
                let page = pages.of(task.key, pages.levels() - 1 - task.level);
                match pages.ask(page, job) {
                    Asked::There => task.level += 1,
                    Asked::Waits(page) => {
                        read = Some(page);
                        break;
                    }
                }
            }
        }
        match read {
            Some(Some(page)) => self.begin_page(page),
            Some(None) => {}
            None => {
                self.readers.queue.push_back(job);
                self.start_reading();
            }
        }
    }

    fn begin_page(&mut self, page: u32) {
        let mean = self.pages.as_ref().map_or(0.0, Pages::read_s);
        let time = self.now + nanos(Spread::Exponential.draw(mean, &mut self.service));
        self.at(time, Event::Page(page));
    }

    fn page_read(&mut self, page: u32) {
        let Some(pages) = &mut self.pages else { return };
        self.record.at(self.now).page_reads += 1;
        let (jobs, next) = pages.loaded(page);
        if let Some(next) = next {
            self.begin_page(next);
        }
        for job in jobs {
            self.look_at_pages(job);
        }
    }

    pub(super) fn start_reading(&mut self) {
        while let Some(job) = self.readers.next() {
            let dropped = self.setup.mitigations.bounded_queue && self.jobs[job as usize].deadline <= self.now;
            if dropped || self.jobs[job as usize].cancelled {
                self.end_job(job);
                continue;
            }
            self.readers.busy += 1;
            self.jobs[job as usize].snapshot = self.now;
            let calibration = &self.setup.calibration;
            let mean = match self.setup.contender {
                Contender::B1 => calibration.summary_read_s,
                Contender::V => {
                    let (per_second, max) = calibration.debt_slowdown;
                    calibration.view_read_s * (1.0 + per_second * self.processor.debt_s).min(max)
                }
                _ => calibration.miss_s(),
            };
            let work = calibration.spread.draw(mean, &mut self.service);
            let stretch = self.processor.stretch(self.now, self.readers.busy);
            self.processor.use_reading(work);
            self.at(self.now + nanos(work * stretch / self.readers.speed), Event::Read(job));
        }
    }

    fn read_done(&mut self, job: u32) {
        self.readers.busy -= 1;
        if self.jobs[job as usize].cancelled {
            self.end_job(job);
            return self.start_reading();
        }
        let task = &mut self.jobs[job as usize];
        let (key, snapshot, refresh) = (task.key, task.snapshot, task.refresh);
        let waiters = std::mem::take(&mut task.waiters);
        if self.flights.get(&key) == Some(&job) {
            self.flights.remove(&key);
        }
        // In a system scaled down, work takes longer than in the one that it stands for; the latency must not.
        let work = (self.now - snapshot) as f64 * (1.0 - 1.0 / self.setup.calibration.slowdown);
        let answered = self.now - work as u64;
        let mut useful = false;
        for waiter in waiters.into_iter().filter(|waiter| self.waits(*waiter)).collect::<Vec<_>>() {
            useful = true;
            self.answer(waiter.slot, snapshot, answered);
        }
        let counts = self.record.at(self.now);
        counts.backend_queries += 1;
        counts.backend_useful += u64::from(useful);
        let fills = useful || refresh || self.setup.fill_late || self.setup.mitigations.single_flight;
        if self.cache.is_some() && fills {
            self.at(self.now + nanos(self.setup.calibration.fill_delay_s), Event::Fill(job));
        } else {
            self.end_job(job);
        }
        self.start_reading();
    }

    pub(super) fn end_job(&mut self, job: u32) {
        let key = self.jobs[job as usize].key;
        if self.flights.get(&key) == Some(&job) {
            self.flights.remove(&key);
        }
        self.jobs[job as usize].waiters = Vec::new();
        self.free_jobs.push(job);
    }
}
