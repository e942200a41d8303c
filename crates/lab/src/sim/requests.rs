//! The other half of the engine: how requests end, how writes are committed and reach the cache, and what disturbs a run.

use super::engine::{Event, Job, Sim, Waiter, nanos};
use super::lru::Entry;
use super::mitigations::backoff_max_s;
use super::record::{Ending, SECOND};
use super::spread::Spread;
use crate::results::Contender;

impl Sim {
    pub(super) fn waits(&self, waiter: Waiter) -> bool {
        self.requests[waiter.slot as usize].waiting == waiter.attempt
    }

    /// A waiting attempt has its answer, which shows the data of a moment.
    pub(super) fn answer(&mut self, slot: u32, snapshot: u64, time: u64) {
        let request = &self.requests[slot as usize];
        // Who joined a query of a scaled system late is answered at once: its time is over before they asked.
        let time = time.max(request.made);
        let (made, key, write) = (request.made, request.key, request.write);
        let superseded = if write { None } else { self.commits.superseded(key, snapshot) };
        let age = superseded.map_or(0, |moment| made.saturating_sub(moment));
        let ending = if age > nanos(self.setup.calibration.staleness_s) { Ending::Stale } else { Ending::Good };
        if age > 0 {
            self.record.at(self.now).stale_at_all += 1;
            self.record.ages_s.push(age as f64 / SECOND as f64);
        }
        if let (Some(started), false) = (self.started, write) {
            self.record.first_read_s = Some((time - started) as f64 / SECOND as f64);
            self.started = None;
        }
        self.tokens.deposit();
        self.end(slot, time, ending);
    }

    fn end(&mut self, slot: u32, time: u64, ending: Ending) {
        let request = &mut self.requests[slot as usize];
        request.waiting = 0;
        let (write, due) = (request.write, request.due);
        self.record.end(write, due, time, ending);
        self.free_requests.push(slot);
    }

    /// An attempt's time is over.
    pub(super) fn give_up(&mut self, waiter: Waiter) {
        if self.waits(waiter) {
            self.try_again(waiter.slot, Ending::Late);
        }
    }

    /// An attempt was turned away.
    pub(super) fn refuse(&mut self, slot: u32) {
        self.try_again(slot, Ending::Failed);
    }

    fn try_again(&mut self, slot: u32, ending: Ending) {
        let request = &mut self.requests[slot as usize];
        request.waiting = 0;
        let attempts = request.attempts;
        if attempts > self.setup.calibration.retries {
            return self.end(slot, self.now, ending);
        }
        if !self.setup.mitigations.retry_budget {
            return self.attempt(slot);
        }
        if !self.tokens.take() {
            return self.end(slot, self.now, ending);
        }
        let wait = nanos(self.choices.unit() * backoff_max_s(attempts));
        self.at(self.now + wait, Event::Retry(slot));
    }

    /// Puts a write into the writer's queue, if there is room.
    pub(super) fn ask_writer(&mut self, key: u32, waiter: Waiter) -> bool {
        if self.writer.queue.len() >= self.writer.queue_max {
            return false;
        }
        let job = self.begin_job(key, self.now + self.timeout, Some(waiter));
        self.writer.queue.push_back(job);
        self.start_writing();
        true
    }

    fn start_writing(&mut self) {
        if !self.writer.group.is_empty() {
            return;
        }
        while self.writer.group.len() < self.writer.group_max {
            let Some(job) = self.writer.queue.pop_front() else { break };
            // A database gives up waiting for its lock when the caller's time is over; a queued commit of ours is committed.
            let gone = self.writer.group_max == 1 && self.jobs[job as usize].deadline <= self.now;
            if gone { self.end_job(job) } else { self.writer.group.push(job) }
        }
        if self.writer.group.is_empty() {
            return;
        }
        let work =
            Spread::Exponential.draw(1.0, &mut self.service) * self.writer.each_s * self.writer.group.len() as f64;
        self.processor.use_beside(work);
        let stretch = self.processor.stretch(self.now, self.readers.busy);
        let time = nanos(work * stretch / self.readers.speed + self.writer.sync_s);
        self.at(self.now + time, Event::Committed(self.life));
    }

    pub(super) fn committed(&mut self) {
        self.record.at(self.now).groups += 1;
        for job in std::mem::take(&mut self.writer.group) {
            let key = self.jobs[job as usize].key;
            self.commits.add(key, self.now);
            self.record.at(self.now).commits += 1;
            if self.setup.contender == Contender::V {
                self.processor.debt_s += self.setup.calibration.merge_s;
            }
            let waiters = std::mem::take(&mut self.jobs[job as usize].waiters);
            for waiter in waiters {
                if self.waits(waiter) {
                    self.answer(waiter.slot, self.now, self.now);
                }
            }
            let lost = self.setup.lost_deletes > 0.0 && self.choices.unit() < self.setup.lost_deletes;
            if self.cache.is_some() && !lost {
                self.at(self.now + nanos(self.setup.calibration.delete_delay_s), Event::Invalidate(key));
            }
            self.end_job(job);
        }
        self.start_writing();
    }

    pub(super) fn invalidate(&mut self, key: u32) {
        let now = self.now;
        let mitigations = self.setup.mitigations;
        let Some(cache) = &mut self.cache else { return };
        if mitigations.leases {
            self.invalidated.insert(key, now);
            // Who reads from here on must not get the answer of a query that began before.
            self.flights.remove(&key);
        }
        if !mitigations.serve_stale {
            cache.remove(key);
        } else if let Some(entry) = cache.peek(key) {
            entry.marked = entry.marked.min(now);
        }
    }

    pub(super) fn fill(&mut self, job: u32) {
        let now = self.now;
        let Job { key, asked, snapshot, .. } = self.jobs[job as usize];
        self.end_job(job);
        let voided = self.setup.mitigations.leases && self.invalidated.get(&key).is_some_and(|&moment| moment >= asked);
        let jitter = if self.setup.mitigations.jittered_ttl { 0.9 + 0.2 * self.choices.unit() } else { 1.0 };
        let Some(cache) = &mut self.cache else { return };
        if !voided {
            let expires = now + nanos(self.setup.calibration.ttl_s * jitter);
            cache.insert(key, Entry { snapshot, expires, marked: u64::MAX, cost: now - asked });
        }
    }
}
