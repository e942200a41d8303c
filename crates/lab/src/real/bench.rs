//! The bench: stores filled once and copied for each run, the measured capacity, and one run from its plan to its record.
//!
//! # Fairness
//!
//! Client, cache, backend and store share the processors of one machine, and usually there are two. So:
//!
//! * The backend has [`Scale::workers`] reading threads and one writing thread for every contender; with one reader on two
//!   cores a saturated backend cannot take the client's processor. The capacity M is measured with the same workers, the
//!   same connections and the same keys, before anything else runs.
//! * A cache hit is answered on the client's own thread, without a queue or a hand-over. A read of the view or of the summary
//!   table goes through the backend's queue and its one worker, although it need not: both are libraries in this process.
//!   What this costs falls on them.
//! * With servers, whatever is asked is asked over a loopback socket: Redis, PostgreSQL, and Monostable, which is then a process
//!   of its own behind PostgreSQL's protocol, with the same client and the same number of connections as PostgreSQL.
//! * Every store has the same bytes for its own page cache or state. A cache comes on top of that and is not counted against
//!   its contender. The operating system's page cache is everybody's.
//! * Every store syncs each commit. Each is filled with the same rows in the same order, has the indexes and the planner's
//!   statistics that its query wants, and is copied for each run, so that none inherits another's fragmentation.
//! * The cache is warm when a run begins: not only filled, but with the frequencies that its eviction decides by.
//! * A run is rejected if more than a hundredth of its requests were sent more than a tenth of a second late. Then the machine
//!   was too small for the load, and whose fault that is cannot be told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::cache::{Cache, Entry, Local, Redis};
use super::client::{Client, Terms, Wiring};
use super::clock::{self, SECOND, now};
use super::error::{Error, Result, at};
use super::keys::Keys;
use super::load::Load;
use super::oracle::Oracle;
use super::policy::{Mitigation, Policy};
use super::pool::{Filling, Invalidation, Pool, Shared};
use super::record::Record;
use super::store::{self, Form, Postgres, Served, Store};
use super::workload::{Page, Recomputed, Workload};
use crate::random::{Random, Skew};

/// When an attempt is given up, in microseconds.
pub const TIMEOUT: u64 = SECOND;

/// Sizes of everything.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The application.
    pub workload: Workload,
    /// Reading threads of the backend.
    pub workers: usize,
    /// Bytes for the page cache or the state of a store.
    pub memory_bytes: u64,
    /// How long the capacity is measured.
    pub measure: Duration,
    /// Seconds before the disturbance, and from it to the end.
    pub seconds: (u64, u64),
    /// Whether an experiment varies all that it can, or only what says most. In the first case E1 and a moving working set
    /// have undisturbed twins; elsewhere a run's own steady state stands for one.
    pub thorough: bool,
    /// Offered load in units of the measured capacity.
    pub load_over_capacity: f64,
    /// Share of requests that write.
    pub write_share: f64,
    /// Hit share that the cache is made large enough for.
    pub hit_share: f64,
    /// How the keys are drawn.
    pub skew: Skew,
    /// How long cached entries live, in microseconds.
    pub ttl: u64,
    /// How much staleness counts as good, in microseconds.
    pub staleness: u64,
}

/// The servers, if they are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers {
    /// Redis' address.
    pub redis: String,
    /// PostgreSQL's connection string.
    pub postgres: String,
}

/// One run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the data is.
    pub form: Form,
    /// What the clients do.
    pub policy: Policy,
    /// The cache, if there is one.
    pub cache: Option<CachePlan>,
    /// What is asked.
    pub load: Load,
    /// What happens, and when, in microseconds from the beginning.
    pub actions: Vec<(u64, Action)>,
    /// Share of deletes that never reach the cache.
    pub lost_share: f64,
    /// Threads that write; several let a store share a sync among commits.
    pub writers: usize,
}

/// A cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CachePlan {
    /// How many pages it holds.
    pub entries: u64,
    /// Whether it is kept in a file.
    pub persisted: bool,
}

/// Something that happens during a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// The contender itself is left alone, and the load is what changes.
    Nothing,
    /// The cache loses everything.
    Flush,
    /// The cache loses the hottest keys.
    FlushHottest(u64),
    /// The cache loses one of several equal parts of the keys, as when one of its nodes is replaced.
    FlushPart(u64, u64),
    /// Whoever holds state in memory loses it and begins again from its files: the cache if there is one, else the store.
    Restart,
    /// The backend runs every query this many times.
    Slow(u32),
}

/// What came of a run.
pub struct Ran {
    /// Second by second.
    pub record: Record,
    /// Keys whose cached page lacks a committed write and does not know it.
    pub wrong_keys: u64,
    /// Processor seconds of this process and of the servers whose process is known, during the run. PostgreSQL's are not.
    pub cpu_seconds: f64,
    /// Bytes written to disk during the run by this process and by the servers whose process is known.
    pub written_bytes: u64,
    /// Writes that were committed.
    pub writes: u64,
    /// Resident memory of the same at the end.
    pub resident_bytes: Option<u64>,
    /// How much of it has come since before the store was opened.
    pub resident_grown_bytes: Option<u64>,
    /// Page cache of the machine at the end.
    pub page_cache_bytes: Option<u64>,
    /// Settings of the store and the cache.
    pub settings: Vec<(String, String)>,
    /// How long the disturbance itself took, if it was one that takes time.
    pub action_seconds: f64,
}

/// Stores, keys and the capacity.
pub struct Bench {
    /// Sizes.
    pub scale: Scale,
    /// Queries per second of the backend alone.
    pub capacity: f64,
    /// The pages as they are at the beginning, for warming caches.
    pages: Vec<Arc<Page>>,
    directory: PathBuf,
    servers: Option<Servers>,
    /// This program, for processes of our own: the one that E8 kills, without which E8 is skipped, and Monostable's server.
    pub program: Option<PathBuf>,
}

impl Bench {
    /// A bench that keeps its stores below `directory`, with a capacity that is not known yet.
    pub fn new(scale: Scale, directory: &Path, servers: Option<Servers>) -> Bench {
        Bench { scale, capacity: 0.0, pages: Vec::new(), directory: directory.to_owned(), servers, program: None }
    }

    /// Whether servers are used.
    pub fn uses_servers(&self) -> bool {
        self.servers.is_some()
    }

    /// Keys as they are drawn.
    pub fn keys(&self) -> Keys {
        Keys::new(self.scale.workload.keys, self.scale.skew)
    }

    /// The offered load of the experiments, in requests per second.
    pub fn rate(&self) -> f64 {
        self.capacity * self.scale.load_over_capacity
    }

    /// A load at this rate for the usual time.
    pub fn load(&self, rate: f64, seed: u64) -> Load {
        let (before, after) = self.scale.seconds;
        Load {
            keys: self.keys(),
            rates: vec![rate],
            duration: (before + after) * SECOND,
            write_shares: vec![self.scale.write_share],
            shifts: Vec::new(),
            seed,
        }
    }

    /// The cache that has room for the hit share asked for.
    pub fn cache(&self) -> CachePlan {
        CachePlan { entries: self.keys().needed_for(self.scale.hit_share), persisted: false }
    }

    /// Seconds that refilling takes at least: the hottest keys that must be there before the misses fit into the backend,
    /// each computed once.
    pub fn refill_seconds(&self, rate: f64) -> f64 {
        self.keys().needed_for(1.0 - self.capacity / rate) as f64 / self.capacity
    }

    /// The filled store of a form that runs are copied from, made if it is not there.
    pub fn template(&self, form: Form) -> Result<PathBuf> {
        let directory = self.directory.join(format!("template-{form:?}").to_lowercase());
        if !directory.exists() {
            store::build(form, self.scale.workload, &directory)?;
        }
        Ok(directory)
    }

    /// A fresh copy of the store of a form, opened.
    pub fn open(&self, form: Form) -> Result<Box<dyn Store>> {
        let scale = &self.scale;
        if let (Some(servers), Form::Query | Form::Summary) = (&self.servers, form) {
            return Ok(Box::new(Postgres::build(scale.workload, form == Form::Summary, &servers.postgres)?));
        }
        let template = self.template(form)?;
        let copy = self.run_directory();
        self.clear_run()?;
        store::copy(&template, &copy)?;
        if self.uses_servers() {
            let program = self.program.as_ref().ok_or(Error::NoProgram)?;
            return Ok(Box::new(Served::start(scale.workload, program, &copy, scale.memory_bytes)?));
        }
        store::open(form, scale.workload, &copy, scale.memory_bytes)
    }

    /// A bench of other sizes, with stores of its own; its capacity is not known.
    pub fn sized(&self, scale: Scale) -> Bench {
        let directory = self.directory.join(format!("keys-{}", scale.workload.keys));
        Bench { program: self.program.clone(), ..Bench::new(scale, &directory, self.servers.clone()) }
    }

    /// Removes what the last run left.
    pub fn clear_run(&self) -> Result<()> {
        let copy = self.run_directory();
        if copy.exists() {
            std::fs::remove_dir_all(&copy).map_err(at(&copy))?;
        }
        Ok(())
    }

    /// Where the copy of the current run is.
    pub fn run_directory(&self) -> PathBuf {
        self.directory.join("run")
    }

    /// Computes the pages that caches are warmed with, once.
    fn pages(&mut self) -> &[Arc<Page>] {
        if self.pages.is_empty() {
            let recomputed = Recomputed::new(self.scale.workload);
            self.pages = (0..self.scale.workload.keys).map(|key| Arc::new(recomputed.page(key))).collect();
        }
        &self.pages
    }

    /// The cache of a contender, empty.
    pub fn make_cache(&self, plan: CachePlan) -> Result<Arc<dyn Cache>> {
        if let Some(servers) = &self.servers {
            let entry_bytes = self.pages.first().map_or(500, |page| page.bytes());
            return Ok(Arc::new(Redis::connect(&servers.redis, plan, entry_bytes)?));
        }
        let path = plan.persisted.then(|| self.directory.join("cache"));
        Ok(Arc::new(Local::new(plan.entries, path)?))
    }

    /// Why a cache that is kept in a file cannot be restarted here, if it cannot.
    pub fn refuses_restart(&self) -> Result<Option<String>> {
        self.servers.as_ref().map_or(Ok(None), |servers| Redis::refuses_restart(&servers.redis))
    }

    /// Draws from the keys until the cache holds what it would hold after a while, with ages spread over a life.
    fn warm(&self, cache: &dyn Cache, load: &Load) -> Result<()> {
        let mut random = Random::stream(load.seed, 5);
        let draws = if self.servers.is_some() { 4 } else { 20 } * load.keys.count();
        let mut left = draws;
        while left > 0 {
            let keys: Vec<u64> = (0..left.min(64)).map(|_| load.keys.at_rank(load.keys.rank(&mut random), 0)).collect();
            left -= keys.len() as u64;
            for (key, found) in keys.iter().zip(cache.get(&keys)?) {
                let Some(page) = self.pages.get(*key as usize).filter(|_| found.is_none()) else { continue };
                let expires = now() + (self.scale.ttl as f64 * (0.05 + 0.95 * random.unit())) as u64;
                let cost = (SECOND as f64 * self.scale.workers as f64 / self.capacity.max(1.0)) as u64;
                let entry = Entry { page: Arc::clone(page), version: 0, expires, stale_since: None, cost };
                cache.fill(*key, entry, None)?;
            }
        }
        Ok(())
    }

    /// Makes a run.
    pub fn run(&mut self, plan: &Plan, progress: &mut dyn FnMut(u64)) -> Result<Ran> {
        self.pages();
        let resident_before = clock::resident_bytes(None);
        let store = self.open(plan.form)?;
        let cache = plan.cache.map(|cache| self.make_cache(cache)).transpose()?;
        if let Some(cache) = &cache {
            self.warm(cache.as_ref(), &plan.load)?;
        }
        let (answers, received) = channel();
        let shared = self.share(plan, cache.as_ref(), answers);
        let bounded = plan.policy.has(Mitigation::BoundedQueue);
        // Half of the time-out's worth of queries: what waits longer than that is seldom answered in time.
        let half = (self.capacity * TIMEOUT as f64 / SECOND as f64 / 2.0) as usize;
        let jobs_max = if bounded { half.max(4) } else { usize::MAX };
        let readers = Pool::readers(store.as_ref(), self.scale.workers, jobs_max, &shared)?;
        let writers = Pool::writers(store.as_ref(), plan.writers, jobs_max, &shared)?;
        let filling = shared.filling.is_none().then(|| self.filling(plan, cache.as_ref())).flatten();
        let wiring = Wiring { shared: &shared, filling, readers: &readers, writers: &writers, answers: &received };
        // A process that is restarted meanwhile is another one afterwards; what the first has used is this one's then.
        let processes = || [store.process(), cache.as_ref().and_then(|cache| cache.process())];
        let (cpu, written) = (used(&processes(), clock::cpu_seconds), used(&processes(), clock::written_bytes));
        let mut client = Client::new(&plan.policy, self.terms(plan), wiring, &plan.load)?;
        let stage = Stage { keys: &plan.load.keys, cache: cache.as_deref(), store: store.as_ref(), shared: &shared };
        let action_seconds = std::thread::scope(|scope| {
            let acting = scope.spawn(|| stage.act(&plan.actions));
            client.run(&plan.load, progress)?;
            acting.join().unwrap_or(Err(Error::Ended("the disturbance")))
        })?;
        let record = client.record;
        drop((readers, writers));
        let processes = processes();
        let resident = used(&processes, clock::resident_bytes);
        let mut settings = store.settings();
        settings.extend(cache.iter().flat_map(|cache| cache.settings()));
        Ok(Ran {
            wrong_keys: cache.as_ref().map_or(Ok(0), |cache| wrong_keys(cache.as_ref(), &shared.oracle))?,
            writes: shared.oracle.written_keys().iter().map(|&key| shared.oracle.count(key)).sum(),
            record,
            cpu_seconds: used(&processes, clock::cpu_seconds) - cpu,
            written_bytes: used(&processes, clock::written_bytes).saturating_sub(written),
            resident_bytes: resident_before.map(|_| resident),
            resident_grown_bytes: resident_before.map(|before| resident.saturating_sub(before)),
            page_cache_bytes: clock::page_cache_bytes(),
            settings,
            action_seconds,
        })
    }

    fn terms(&self, plan: &Plan) -> Terms {
        let mitigated = plan.policy.has(Mitigation::ConcurrencyLimit);
        let quarter = (self.capacity * TIMEOUT as f64 / SECOND as f64 / 4.0) as usize;
        Terms {
            timeout: TIMEOUT,
            staleness: self.scale.staleness,
            grace: self.scale.staleness * 3 / 4,
            capacity: self.capacity,
            outstanding_max: if mitigated { quarter.max(4 * self.scale.workers) } else { usize::MAX },
        }
    }

    fn filling(&self, plan: &Plan, cache: Option<&Arc<dyn Cache>>) -> Option<Filling> {
        Some(Filling {
            cache: Arc::clone(cache?),
            leases: plan.policy.has(Mitigation::Leases),
            ttl: self.scale.ttl,
            jitter: if plan.policy.has(Mitigation::JitteredTtl) { 0.1 } else { 0.0 },
        })
    }

    fn share(
        &self,
        plan: &Plan,
        cache: Option<&Arc<dyn Cache>>,
        answers: std::sync::mpsc::Sender<super::pool::Done>,
    ) -> Shared {
        let invalidation = cache.map(|cache| Invalidation {
            cache: Arc::clone(cache),
            keep: plan.policy.has(Mitigation::ServeStale),
            lost_share: plan.lost_share,
        });
        // A mitigated cache is filled by whoever ran the query, whether or not somebody still waits. The naive way is that
        // the caller fills it with what it was given, so that a page that came too late is lost.
        let filling = plan.policy.is_mitigated().then(|| self.filling(plan, cache)).flatten();
        Shared {
            workload: self.scale.workload,
            oracle: Arc::new(Oracle::default()),
            filling,
            invalidation,
            drop_late: plan.policy.has(Mitigation::BoundedQueue),
            runs: Arc::new(AtomicU32::new(1)),
            answers,
        }
    }

    /// Reads per second that the workers can do of a form, each asking for the next key as soon as it has the last page.
    pub fn measure_reads(&self, form: Form) -> Result<f64> {
        let store = self.open(form)?;
        let keys = self.keys();
        let readers = (0..self.scale.workers).map(|_| store.reader()).collect::<Result<Vec<_>>>()?;
        let (began, measure) = (Instant::now(), self.scale.measure);
        let counts = std::thread::scope(|scope| {
            let ask = |(at, mut reader): (usize, Box<dyn store::Reader>)| {
                let keys = &keys;
                scope.spawn(move || -> Result<u64> {
                    let mut random = Random::stream(at as u64, 6);
                    let mut count = 0;
                    while began.elapsed() < measure {
                        reader.page(keys.at_rank(keys.rank(&mut random), 0))?;
                        count += 1;
                    }
                    Ok(count)
                })
            };
            let workers: Vec<_> = readers.into_iter().enumerate().map(ask).collect();
            let join = |worker: std::thread::ScopedJoinHandle<'_, Result<u64>>| {
                worker.join().unwrap_or(Err(Error::Ended("a reader")))
            };
            workers.into_iter().map(join).collect::<Result<Vec<u64>>>()
        })?;
        Ok(counts.iter().sum::<u64>() as f64 / began.elapsed().as_secs_f64())
    }

    /// Seconds that one writer takes for a transaction of `group` events.
    pub fn measure_writes(&self, form: Form, group: u64) -> Result<f64> {
        let store = self.open(form)?;
        let mut writer = store.writer()?;
        let mut random = Random::stream(0, 7);
        let (began, mut first, mut transactions) = (Instant::now(), self.scale.workload.first_event(), 0);
        while began.elapsed() < self.scale.measure {
            let some = first..first + group;
            first = some.end;
            let events: Vec<(u64, u64)> = some.map(|event| (event, random.below(self.scale.workload.keys))).collect();
            writer.write_all(&events)?;
            transactions += 1;
        }
        Ok(began.elapsed().as_secs_f64() / f64::from(transactions))
    }
}

/// What this process and others have used of something, as the system says; what it does not say counts as nothing.
fn used<T: std::iter::Sum>(servers: &[Option<u32>], figure: fn(Option<u32>) -> Option<T>) -> T {
    std::iter::once(None).chain(servers.iter().flatten().copied().map(Some)).filter_map(figure).sum()
}

/// Cached pages that lack a committed write and are not known to.
fn wrong_keys(cache: &dyn Cache, oracle: &Oracle) -> Result<u64> {
    let keys = oracle.written_keys();
    let moment = now();
    let mut wrong = 0;
    for some in keys.chunks(64) {
        for (key, entry) in some.iter().zip(cache.get(some)?) {
            let trusted = entry.filter(|entry| entry.stale_since.is_none() && entry.expires > moment);
            wrong += u64::from(trusted.is_some_and(|entry| entry.version < oracle.count(*key)));
        }
    }
    Ok(wrong)
}

/// What a disturbance can reach.
struct Stage<'a> {
    keys: &'a Keys,
    cache: Option<&'a dyn Cache>,
    store: &'a dyn Store,
    shared: &'a Shared,
}

impl Stage<'_> {
    /// Does everything at its time; says how long the longest took.
    fn act(&self, actions: &[(u64, Action)]) -> Result<f64> {
        let began = Instant::now();
        let mut longest = 0f64;
        for (moment, action) in actions {
            std::thread::sleep(Duration::from_micros(*moment).saturating_sub(began.elapsed()));
            let started = Instant::now();
            self.once(*action)?;
            longest = longest.max(started.elapsed().as_secs_f64());
        }
        Ok(longest)
    }

    fn once(&self, action: Action) -> Result<()> {
        let lose = |keys: Vec<u64>| {
            self.cache.map_or(Ok(()), |cache| keys.into_iter().try_for_each(|key| cache.delete(key, None)))
        };
        match (action, self.cache) {
            (Action::Flush, Some(cache)) => cache.clear(),
            (Action::Restart, Some(cache)) => cache.restart(),
            (Action::Flush, None) | (Action::Nothing, _) => Ok(()),
            (Action::Restart, None) => self.store.restart(),
            (Action::FlushHottest(count), _) => lose((0..count).map(|rank| self.keys.at_rank(rank, 0)).collect()),
            (Action::FlushPart(part, of), _) => lose((0..self.keys.count()).filter(|key| key % of == part).collect()),
            (Action::Slow(runs), _) => {
                self.shared.runs.store(runs, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            }
        }
    }
}
