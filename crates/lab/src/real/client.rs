//! The clients: one loop that sends each request when it is due, looks into the cache, hands misses to the backend, and
//! gives up, retries and counts as a policy says.
//!
//! It is one thread with explicit state instead of a thread for each waiting client, because a system that is down has ten
//! thousand of them, and what those would cost is not what is measured. A hit is answered inline; everything else is a
//! job of a [`Pool`]. So the loop never waits for the backend, and requests are sent on time even if none is answered.
//!
//! An attempt is given up a second after it was due or was sent again. A request ends well if one of its attempts is
//! answered before that attempt was given up, with an answer no staler than allowed. This counts an answer to a second
//! attempt as good, which favours contenders that need one.
//!
//! Cost: about a microsecond for a hit, so that a hundred thousand requests per second are not its limit; the run is
//! rejected if it was (see `Record::lagging_share`).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::cache::Entry;
use super::clock::now;
use super::error::{Error, Result};
use super::load::{Arrival, Load};
use super::oracle::Floor;
use super::policy::{Mitigation, Policy, RetryBudget, WarmUp, backoff};
use super::pool::{Done, Ended, Filling, Invalidation, Job, Pool, Shared};
use super::record::{Ending, Record};
use super::workload::Page;
use crate::random::Random;

/// Requests that are looked up together when several are due.
const BATCH_MAX: usize = 64;

/// Times and sizes that a run's clients follow.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// When an attempt is given up, in microseconds.
    pub timeout: u64,
    /// How much staleness still counts as good, in microseconds.
    pub staleness: u64,
    /// How long an entry that is out of date may be served, in microseconds; well below the staleness allowed.
    pub grace: u64,
    /// The backend's measured capacity, in queries per second.
    pub capacity: f64,
    /// Queries that may be outstanding under a concurrency limit.
    pub outstanding_max: usize,
}

/// Everything that the loop works with.
pub struct Client<'a> {
    policy: &'a Policy,
    terms: Terms,
    shared: &'a Shared,
    filling: Option<Filling>,
    cache: Option<&'a Invalidation>,
    readers: &'a Pool,
    writers: &'a Pool,
    answers: &'a Receiver<Done>,
    began: u64,
    rate: f64,
    next_event: u64,
    requests: Vec<Option<Request>>,
    free: Vec<usize>,
    next_attempt: u64,
    next_job: u64,
    jobs: HashMap<u64, Flight>,
    /// The jobs that are reads.
    queries: usize,
    flights: HashMap<u64, u64>,
    refreshing: HashSet<u64>,
    timers: BinaryHeap<Reverse<(u64, usize, u64, bool)>>,
    budget: RetryBudget,
    warm_up: WarmUp,
    random: Random,
    /// What the run saw.
    pub record: Record,
}

/// A request that has not ended.
#[derive(Debug, Clone, Copy)]
struct Request {
    key: u64,
    due: u64,
    writes: bool,
    floor: Floor,
    attempts: u32,
    /// The attempt that is waited for; 0 while none is.
    attempt: u64,
    given_up: u64,
}

/// A job that is under way, and who waits for it.
#[derive(Debug)]
struct Flight {
    waiters: Vec<(usize, u64)>,
    deadline: Arc<AtomicU64>,
    writes: bool,
}

/// The pools and channels of a run.
pub struct Wiring<'a> {
    /// What the workers share.
    pub shared: &'a Shared,
    /// How the client fills the cache, if it is there and the workers do not do it.
    pub filling: Option<Filling>,
    /// Who reads.
    pub readers: &'a Pool,
    /// Who writes.
    pub writers: &'a Pool,
    /// Where their answers come from.
    pub answers: &'a Receiver<Done>,
}

impl<'a> Client<'a> {
    /// A client that has sent nothing yet.
    pub fn new(policy: &'a Policy, terms: Terms, wiring: Wiring<'a>, load: &Load) -> Result<Client<'a>> {
        let mean_rate = load.rates.iter().sum::<f64>() / load.rates.len().max(1) as f64;
        Ok(Client {
            policy,
            terms,
            shared: wiring.shared,
            filling: wiring.filling,
            cache: wiring.shared.invalidation.as_ref(),
            readers: wiring.readers,
            writers: wiring.writers,
            answers: wiring.answers,
            began: now(),
            rate: mean_rate,
            next_event: wiring.shared.workload.first_event(),
            requests: Vec::new(),
            free: Vec::new(),
            next_attempt: 1,
            next_job: 1,
            jobs: HashMap::new(),
            queries: 0,
            flights: HashMap::new(),
            refreshing: HashSet::new(),
            timers: BinaryHeap::new(),
            budget: RetryBudget::new(),
            warm_up: WarmUp::new(terms.capacity),
            random: Random::stream(load.seed, 4),
            record: Record::new(load.duration.div_ceil(super::clock::SECOND))?,
        })
    }

    /// Microseconds since the run began.
    pub fn clock(&self) -> u64 {
        now() - self.began
    }

    /// Sends everything, and waits until each request has ended.
    pub fn run(&mut self, load: &Load, mut progress: impl FnMut(u64)) -> Result<()> {
        let mut arrivals = load.arrivals().peekable();
        let mut shown = 0;
        loop {
            let time = self.clock();
            if time / super::clock::SECOND > shown {
                shown = time / super::clock::SECOND;
                progress(shown);
            }
            let mut due = Vec::new();
            while due.len() < BATCH_MAX
                && let Some(arrival) = arrivals.next_if(|arrival| arrival.due <= time)
            {
                due.push(arrival);
            }
            self.send(&due)?;
            self.take_answers()?;
            self.ring_timers()?;
            let next = match (arrivals.peek(), self.timers.peek()) {
                (Some(arrival), Some(Reverse((timer, ..)))) => arrival.due.min(*timer),
                (Some(arrival), None) => arrival.due,
                (None, Some(Reverse((timer, ..)))) => *timer,
                (None, None) => return Ok(()),
            };
            self.wait_until(next)?;
        }
    }

    fn wait_until(&mut self, moment: u64) -> Result<()> {
        let Some(wait) = moment.checked_sub(self.clock()).filter(|&wait| wait > 0) else { return Ok(()) };
        match self.answers.recv_timeout(Duration::from_micros(wait)) {
            Ok(done) => self.answered(done),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Error::Ended("the backend's workers")),
        }
    }

    fn take_answers(&mut self) -> Result<()> {
        for _ in 0..BATCH_MAX {
            let Ok(done) = self.answers.try_recv() else { break };
            self.answered(done)?;
        }
        Ok(())
    }

    fn send(&mut self, due: &[Arrival]) -> Result<()> {
        let slots: Vec<usize> = due.iter().map(|arrival| self.begin(arrival)).collect();
        let (writes, reads): (Vec<usize>, Vec<usize>) = slots.into_iter().partition(|&slot| self.writes(slot));
        self.look_up(&reads)?;
        writes.into_iter().for_each(|slot| self.write(slot));
        Ok(())
    }

    fn writes(&self, slot: usize) -> bool {
        self.requests[slot].is_some_and(|request| request.writes)
    }

    fn begin(&mut self, arrival: &Arrival) -> usize {
        let time = self.clock();
        self.record.offered(arrival.due, time - arrival.due, arrival.writes);
        // The oracle's moments are those of the process; a read begins when it is sent.
        let floor = if arrival.writes {
            Floor::default()
        } else {
            self.shared.oracle.floor(arrival.key, self.began + time, self.terms.staleness)
        };
        let request = Request {
            key: arrival.key,
            due: arrival.due,
            writes: arrival.writes,
            floor,
            attempts: 0,
            attempt: 0,
            given_up: arrival.due + self.terms.timeout,
        };
        match self.free.pop() {
            Some(slot) => {
                self.requests[slot] = Some(request);
                slot
            }
            None => {
                self.requests.push(Some(request));
                self.requests.len() - 1
            }
        }
    }

    /// Makes an attempt at each of some reads.
    fn look_up(&mut self, slots: &[usize]) -> Result<()> {
        let time = self.clock();
        for &slot in slots {
            self.record.attempt(time);
            self.next_attempt += 1;
            if let Some(request) = &mut self.requests[slot] {
                request.attempts += 1;
                request.attempt = self.next_attempt;
            }
        }
        let Some(cache) = self.cache.map(|invalidation| Arc::clone(&invalidation.cache)) else {
            slots.iter().for_each(|&slot| self.ask_backend(slot, time));
            return Ok(());
        };
        let keys: Vec<u64> = slots.iter().filter_map(|&slot| Some(self.requests[slot]?.key)).collect();
        let found = cache.get(&keys)?;
        // A server's answer takes its time, which belongs to the latency.
        let time = self.clock();
        for (&slot, entry) in slots.iter().zip(found) {
            let served = entry.filter(|entry| self.may_serve(entry));
            self.record.lookup(time, served.is_some());
            self.warm_up.looked_up(served.is_some(), self.rate, time);
            let Some(entry) = served else {
                self.ask_backend(slot, time);
                continue;
            };
            if let Some(request) = self.requests[slot].filter(|_| self.wants_refresh(&entry)) {
                self.refresh(request.key, time);
            }
            self.answer(slot, Some(entry.version), time);
        }
        Ok(())
    }

    /// Whether an entry may be served.
    fn may_serve(&self, entry: &Entry) -> bool {
        let ended = entry.stale_since.unwrap_or(u64::MAX).min(entry.expires);
        let grace = if self.policy.has(Mitigation::ServeStale) { self.terms.grace } else { 0 };
        now() < ended.saturating_add(grace)
    }

    /// Whether somebody should compute the page of an entry that is served again.
    fn wants_refresh(&mut self, entry: &Entry) -> bool {
        let moment = now();
        let ended = entry.stale_since.unwrap_or(u64::MAX).min(entry.expires);
        // The probability rises as expiry comes near, so that one reader of many refreshes, well before all would miss.
        let sooner = entry.cost as f64 * self.random.exponential();
        let early = self.policy.has(Mitigation::EarlyRefresh) && moment as f64 + sooner >= entry.expires as f64;
        ended <= moment || early
    }

    /// Computes a page again that nobody waits for, unless somebody does already or the backend has enough to do.
    fn refresh(&mut self, key: u64, time: u64) {
        if self.flights.contains_key(&key) || self.refreshing.contains(&key) || !self.admits(time) {
            return;
        }
        let deadline = self.began + time + self.terms.timeout;
        if self.start_query(key, deadline, Vec::new()).is_some() {
            self.refreshing.insert(key);
        }
    }

    /// Whether a policy lets one more query go to the backend.
    fn admits(&mut self, time: u64) -> bool {
        let limited = self.policy.has(Mitigation::ConcurrencyLimit);
        if limited && self.queries >= self.terms.outstanding_max {
            return false;
        }
        !self.policy.has(Mitigation::WarmUpRamp) || self.warm_up.admit(time)
    }

    /// A read has to be computed.
    fn ask_backend(&mut self, slot: usize, time: u64) {
        let Some(request) = self.requests[slot] else { return };
        let given_up = self.began + request.given_up;
        let shares = self.policy.has(Mitigation::SingleFlight);
        if shares && let Some(flight) = self.flights.get(&request.key).and_then(|job| self.jobs.get_mut(job)) {
            flight.waiters.push((slot, request.attempt));
            flight.deadline.fetch_max(given_up, Ordering::AcqRel);
            self.wait_for_answer(slot);
            return;
        }
        if !self.admits(time) {
            return self.try_again(slot, time, Ending::Failed);
        }
        match self.start_query(request.key, given_up, vec![(slot, request.attempt)]) {
            Some(job) => {
                if shares {
                    self.flights.insert(request.key, job);
                }
                self.wait_for_answer(slot);
            }
            None => self.try_again(slot, time, Ending::Failed),
        }
    }

    fn start_query(&mut self, key: u64, deadline: u64, waiters: Vec<(usize, u64)>) -> Option<u64> {
        let deadline = Arc::new(AtomicU64::new(deadline));
        self.next_job += 1;
        let job = Job { id: self.next_job, key, event: None, deadline: Arc::clone(&deadline) };
        let accepted = self.readers.push(job);
        accepted.then(|| {
            self.queries += 1;
            self.jobs.insert(self.next_job, Flight { waiters, deadline, writes: false });
            self.next_job
        })
    }

    /// Makes the only attempt of a write: whether one that timed out has been done is not known, so it is not repeated.
    fn write(&mut self, slot: usize) {
        let time = self.clock();
        self.record.attempt(time);
        self.next_attempt += 1;
        self.next_job += 1;
        self.next_event += 1;
        let Some(request) = &mut self.requests[slot] else { return };
        (request.attempt, request.attempts) = (self.next_attempt, u32::MAX);
        let deadline = Arc::new(AtomicU64::new(self.began + request.given_up));
        let waiters = vec![(slot, self.next_attempt)];
        let flight = Flight { waiters, deadline: Arc::clone(&deadline), writes: true };
        let job = Job { id: self.next_job, key: request.key, event: Some(self.next_event - 1), deadline };
        if self.writers.push(job) {
            self.jobs.insert(self.next_job, flight);
            self.wait_for_answer(slot);
        } else {
            self.end(slot, Ending::Failed, None);
        }
    }

    fn wait_for_answer(&mut self, slot: usize) {
        if let Some(request) = self.requests[slot] {
            self.timers.push(Reverse((request.given_up, slot, request.attempt, false)));
        }
    }

    /// A worker is done with a job.
    fn answered(&mut self, done: Done) -> Result<()> {
        let time = self.clock();
        let Some(flight) = self.jobs.remove(&done.id) else { return Ok(()) };
        self.queries -= usize::from(!flight.writes);
        if self.flights.get(&done.key) == Some(&done.id) {
            self.flights.remove(&done.key);
        }
        if flight.waiters.is_empty() {
            self.refreshing.remove(&done.key);
        }
        if flight.writes && matches!(done.ended, Ended::Written) {
            let due = flight.deadline.load(Ordering::Acquire) - self.began - self.terms.timeout;
            self.record.written(due, time.saturating_sub(due));
        }
        let mut waited_for = false;
        for (slot, attempt) in flight.waiters {
            if self.requests[slot].is_none_or(|request| request.attempt != attempt || request.given_up < time) {
                continue;
            }
            waited_for = true;
            match &done.ended {
                Ended::Page(_, version) => self.answer(slot, *version, time),
                Ended::Written => self.end(slot, Ending::Good, Some(time)),
                Ended::Dropped | Ended::Failed => self.try_again(slot, time, Ending::Failed),
            }
        }
        if let Ended::Page(page, version) = done.ended {
            self.record.query(time, waited_for);
            if waited_for || self.policy.fill_late {
                self.fill(done.key, page, version, done.service)?;
            }
        }
        Ok(())
    }

    /// The plain way to fill: whoever missed stores what it was given.
    fn fill(&mut self, key: u64, page: Arc<Page>, version: Option<u64>, cost: u64) -> Result<()> {
        if let (Some(filling), Some(version)) = (&self.filling, version) {
            filling.cache.fill(key, filling.entry(page, version, cost, &mut self.random), None)?;
        }
        Ok(())
    }

    /// A read has its page.
    fn answer(&mut self, slot: usize, version: Option<u64>, time: u64) {
        let Some(request) = self.requests[slot] else { return };
        let Some(version) = version else {
            self.record.impossible += 1;
            return self.end(slot, Ending::Failed, Some(time));
        };
        self.record.strictly_stale += u64::from(version < request.floor.strict);
        let fresh = version >= request.floor.bounded;
        self.end(slot, if fresh { Ending::Good } else { Ending::Stale }, Some(time));
    }

    fn end(&mut self, slot: usize, ending: Ending, answered: Option<u64>) {
        let Some(request) = self.requests[slot].take() else { return };
        self.free.push(slot);
        if ending == Ending::Good {
            self.budget.deposit();
        }
        let latency = answered.map(|time| time.saturating_sub(request.due));
        if request.writes {
            self.record.write_ended(request.due, ending);
        } else {
            self.record.ended(request.due, ending, latency);
        }
    }

    /// An attempt failed; the request makes another one, or ends.
    fn try_again(&mut self, slot: usize, time: u64, ending: Ending) {
        let Some(request) = &mut self.requests[slot] else { return };
        let budgeted = self.policy.has(Mitigation::RetryBudget);
        if request.attempts > self.policy.retries || (budgeted && !self.budget.take()) {
            return self.end(slot, ending, None);
        }
        let wait = if budgeted { backoff(request.attempts, &mut self.random) } else { 0 };
        // Nobody waits for the attempt that failed; its answer would find another attempt's number.
        self.next_attempt += 1;
        request.attempt = self.next_attempt;
        request.given_up = time + wait + self.terms.timeout;
        self.timers.push(Reverse((time + wait, slot, request.attempt, true)));
    }

    fn ring_timers(&mut self) -> Result<()> {
        let time = self.clock();
        let mut again = Vec::new();
        while let Some(&Reverse((moment, slot, attempt, retries))) = self.timers.peek()
            && moment <= time
        {
            self.timers.pop();
            if self.requests[slot].is_none_or(|request| request.attempt != attempt) {
                continue;
            }
            if retries {
                again.push(slot);
            } else {
                self.try_again(slot, time, Ending::Late);
            }
        }
        self.look_up(&again)
    }
}
