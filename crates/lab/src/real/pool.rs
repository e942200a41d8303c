//! The backend's workers: a queue in front of a few threads that each have a connection.
//!
//! All reads that are not cache hits, and all writes, go through such a pool, whoever the contender is: the view and the
//! summary table are read by the same workers, behind the same queue, as the costly query. A job is never cancelled once it
//! runs. A queue may be bounded, and jobs whose callers have all given up may be dropped when their turn comes; both are
//! mitigations, off unless a policy says so.
//!
//! A backend that has lost processor time is made by running each query several times over: real work, never a sleep.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

use super::cache::{Cache, Entry};
use super::clock::now;
use super::error::{Error, Result};
use super::oracle::Oracle;
use super::store::{Reader, Store, Writer};
use super::workload::{Page, Workload};
use crate::random::Random;

/// One query or write.
#[derive(Debug, Clone)]
pub struct Job {
    /// What its answer is told apart by.
    pub id: u64,
    /// The page.
    pub key: u64,
    /// The number of the write; none for a read.
    pub event: Option<u64>,
    /// When the last of its callers gives up; grows when callers join.
    pub deadline: Arc<AtomicU64>,
}

/// How a job ended.
#[derive(Debug)]
pub enum Ended {
    /// The page, and how many writes it has seen; `None` if it is not a page that ever was.
    Page(Arc<Page>, Option<u64>),
    /// The write is durable.
    Written,
    /// Nobody was waiting any more, so it was not run.
    Dropped,
    /// The store refused.
    Failed,
}

/// A job's end, for whoever gave it.
#[derive(Debug)]
pub struct Done {
    /// Of the job.
    pub id: u64,
    /// Of the job.
    pub key: u64,
    /// How.
    pub ended: Ended,
    /// When.
    pub finished: u64,
    /// How long the worker was busy with it.
    pub service: u64,
}

/// How a worker fills the cache itself, if it does.
#[derive(Clone)]
pub struct Filling {
    /// Where to.
    pub cache: Arc<dyn Cache>,
    /// Whether a lease is taken before the query.
    pub leases: bool,
    /// How long an entry lives, in microseconds.
    pub ttl: u64,
    /// By which share of the time to live it varies to both sides.
    pub jitter: f64,
}

impl Filling {
    /// The entry of a page that was just computed.
    pub fn entry(&self, page: Arc<Page>, version: u64, cost: u64, random: &mut Random) -> Entry {
        let factor = 1.0 + self.jitter * (2.0 * random.unit() - 1.0);
        let expires = now() + (self.ttl as f64 * factor) as u64;
        Entry { page, version, expires, stale_since: None, cost }
    }
}

/// What a write does to the cache after its commit.
#[derive(Clone)]
pub struct Invalidation {
    /// Which cache.
    pub cache: Arc<dyn Cache>,
    /// Whether the entry is kept as out of date.
    pub keep: bool,
    /// The share of deletes that get lost on the way.
    pub lost_share: f64,
}

/// What the workers share.
#[derive(Clone)]
pub struct Shared {
    /// The application.
    pub workload: Workload,
    /// Told of every committed write.
    pub oracle: Arc<Oracle>,
    /// Filled by the workers, if it is.
    pub filling: Option<Filling>,
    /// Invalidated by writes, if there is a cache.
    pub invalidation: Option<Invalidation>,
    /// Whether jobs that nobody waits for are dropped.
    pub drop_late: bool,
    /// How often each query runs: 1 unless the backend was slowed down.
    pub runs: Arc<AtomicU32>,
    /// Where answers go.
    pub answers: Sender<Done>,
}

/// A queue and its workers, who end when it is dropped.
pub struct Pool {
    queue: Arc<Queue>,
    workers: Vec<JoinHandle<()>>,
}

struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    jobs_max: usize,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    ended: bool,
}

impl Pool {
    /// Starts `workers` readers, behind a queue of at most `jobs_max`.
    pub fn readers(store: &dyn Store, workers: usize, jobs_max: usize, shared: &Shared) -> Result<Pool> {
        let connections = (0..workers).map(|_| store.reader()).collect::<Result<Vec<_>>>()?;
        let start = |(at, mut reader): (usize, Box<dyn Reader>)| {
            let (shared, mut random) = (shared.clone(), Random::stream(at as u64, 0xf111));
            move |job: &Job| read(&shared, reader.as_mut(), &mut random, job)
        };
        Ok(Pool::start(connections.into_iter().enumerate().map(start), jobs_max, shared))
    }

    /// Starts `workers` writers, behind a queue of at most `jobs_max`.
    pub fn writers(store: &dyn Store, workers: usize, jobs_max: usize, shared: &Shared) -> Result<Pool> {
        let connections = (0..workers).map(|_| store.writer()).collect::<Result<Vec<_>>>()?;
        let start = |(at, mut writer): (usize, Box<dyn Writer>)| {
            let (shared, mut random) = (shared.clone(), Random::stream(at as u64, 0x105e));
            move |job: &Job| write(&shared, writer.as_mut(), &mut random, job)
        };
        Ok(Pool::start(connections.into_iter().enumerate().map(start), jobs_max, shared))
    }

    fn start<W>(work: impl Iterator<Item = W>, jobs_max: usize, shared: &Shared) -> Pool
    where
        W: FnMut(&Job) -> Ended + Send + 'static,
    {
        let queue = Arc::new(Queue { waiting: Mutex::default(), arrived: Condvar::new(), jobs_max });
        let workers = work.map(|mut work| {
            let (queue, answers, drop_late) = (Arc::clone(&queue), shared.answers.clone(), shared.drop_late);
            std::thread::spawn(move || {
                while let Some(job) = queue.next() {
                    let started = now();
                    let late = drop_late && job.deadline.load(Ordering::Acquire) <= started;
                    let ended = if late { Ended::Dropped } else { work(&job) };
                    let finished = now();
                    let done = Done { id: job.id, key: job.key, ended, finished, service: finished - started };
                    if answers.send(done).is_err() {
                        return;
                    }
                }
            })
        });
        let workers = workers.collect();
        Pool { queue, workers }
    }

    /// Gives a job to the workers, or says that the queue is full.
    pub fn push(&self, job: Job) -> bool {
        let mut waiting = self.queue.waiting.lock();
        if waiting.jobs.len() >= self.queue.jobs_max {
            return false;
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.queue.arrived.notify_one();
        true
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.queue.waiting.lock().jobs.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting.lock();
        waiting.ended = true;
        waiting.jobs.clear();
        drop(waiting);
        self.queue.arrived.notify_all();
        for worker in self.workers.drain(..) {
            // A worker that panicked has said so; the run notices by the answers that are missing.
            let _ = worker.join();
        }
    }
}

impl Queue {
    fn next(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock();
        loop {
            if waiting.ended {
                return None;
            }
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            self.arrived.wait(&mut waiting);
        }
    }
}

fn read(shared: &Shared, reader: &mut dyn Reader, random: &mut Random, job: &Job) -> Ended {
    match query(shared, reader, random, job.key) {
        Ok((page, version)) => Ended::Page(page, version),
        Err(_) => Ended::Failed,
    }
}

fn query(shared: &Shared, reader: &mut dyn Reader, random: &mut Random, key: u64) -> Result<(Arc<Page>, Option<u64>)> {
    let filling = shared.filling.as_ref();
    let lease = filling.filter(|filling| filling.leases).map(|filling| filling.cache.lease(key)).transpose()?;
    let started = now();
    let mut page = reader.page(key)?;
    for _ in 1..shared.runs.load(Ordering::Relaxed) {
        page = reader.page(key)?;
    }
    let cost = now() - started;
    let page = Arc::new(page);
    let version = shared.workload.version(&page);
    if let Some(filling) = filling {
        let known = version.ok_or(Error::NotAPage("the backend"))?;
        filling.cache.fill(key, filling.entry(Arc::clone(&page), known, cost, random), lease)?;
    }
    Ok((page, version))
}

fn write(shared: &Shared, writer: &mut dyn Writer, random: &mut Random, job: &Job) -> Ended {
    let Some(event) = job.event else { return Ended::Failed };
    if writer.write(event, job.key).is_err() {
        return Ended::Failed;
    }
    let committed = now();
    shared.oracle.committed(job.key, committed);
    if let Some(invalidation) = &shared.invalidation {
        let lost = invalidation.lost_share > 0.0 && random.unit() < invalidation.lost_share;
        if !lost && invalidation.cache.delete(job.key, invalidation.keep.then_some(committed)).is_err() {
            return Ended::Failed;
        }
    }
    Ended::Written
}
