//! The commit pipeline: from a transaction's changes to a durable, visible epoch.
//!
//! A writer puts a ticket into the bounded queue and tries the commit lock. Whoever gets it is the *leader* for
//! everything that waits: it certifies, steps the whole group on the *head* (the newest state, not yet visible), appends
//! one record to the log, and leaves the lock. Then it waits for the log to be durable, publishes, and wakes the writers of
//! the group. So an idle database commits inline on the caller's thread, a busy one in groups, and the step of the next
//! group overlaps the sync of this one. At most [`LANES`] groups are between append and publication: while they are, nobody
//! leads and the next group grows. A writer that finds a leader sleeps; whoever leaves the commit lock, or frees a lane,
//! calls the oldest of the sleepers to lead.
//!
//! Invariants
//! - The head is always `published` plus the pending groups, in order. A group is published only when the log says that it
//!   is durable, and never before an earlier one: readers see a prefix of the log.
//! - Nothing of a group reaches the log before its step has succeeded, so what is in the log can always be replayed.
//! - A group that fails in its step is halved until the guilty transaction stands alone; that one is refused and the others
//!   go on. Two transactions of one group never write the same key: the second is put off to the next group, so that it is
//!   not refused for the sake of a first that is refused itself.
//! - A failure of the log poisons the pipeline for good: pending writers learn that their outcome is unknown, later ones
//!   that nothing was written. Readers keep the last published state.
//!
//! - A leader takes one group and flushes it before it leads again: whoever waits for a lane waits for somebody who flushes.
//! - After whatever could let a sleeper lead, the oldest one is called: it cannot be forgotten, because it was in the queue
//!   before it found the lock taken or the lanes full.
//!
//! Locks are taken in this order: head, then publication, then a ticket. No lock is held during a sync.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use arrow_array::RecordBatch;
use monostable_query::{Catalog, ConflictKey};
use monostable_types::{Epoch, Lsn, Weight};
use monostable_view::{Delta, Failure, Graph, NodeId, Origin, StepError, TableId, Version, step_forked};
use monostable_wal::Wal;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::certify::{Certifier, Refusal};
use crate::error::{Cause, Error, Result};
use crate::feed::{Feed, GroupChanges};
use crate::options::{Forking, Options};
use crate::queue::Queue;
use crate::record::RecordWriter;
use crate::subscription::{Subscriber, Subscribers};
use crate::ticket::{Request, Ticket, Woken};

/// Groups that may be appended and not yet published: one per flush lane of the log.
const LANES: usize = 2;

/// What a reader sees: every table and view at one epoch, and what they are called.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) version: Version,
    pub(crate) catalog: Arc<Catalog>,
}

impl State {
    /// The epoch that this state shows.
    pub(crate) fn epoch(&self) -> Epoch {
        self.version.epoch
    }
}

/// A group that is in the log's hands: appended, not yet known to be durable, not yet visible.
pub(crate) struct Pending {
    pub(crate) end: Lsn,
    pub(crate) state: Arc<State>,
    pub(crate) tickets: Vec<Arc<Ticket>>,
    /// The changes that subscribers are waiting for.
    pub(crate) changes: Vec<ViewChange>,
}

/// A change that a subscriber is waiting for.
pub(crate) struct ViewChange {
    pub(crate) subscriber: Arc<Subscriber>,
    pub(crate) rows: RecordBatch,
    pub(crate) weights: Vec<Weight>,
}

/// What the step of a group has computed.
struct Stepped {
    state: State,
    deltas: Vec<(TableId, Delta)>,
    changes: Vec<ViewChange>,
}

/// What only the leader touches.
pub(crate) struct Head {
    /// The newest state: published plus pending.
    pub(crate) state: Arc<State>,
    certifier: Certifier,
    /// Views under construction, which must hear of every group that commits.
    pub(crate) feeds: Vec<Arc<Feed>>,
}

/// The commit lock. Once it is left, the next leader is called.
pub(crate) struct HeadGuard<'a> {
    // Dropped in this order.
    head: MutexGuard<'a, Head>,
    _call: CallNext<'a>,
}

struct CallNext<'a>(&'a Pipeline);

impl Drop for CallNext<'_> {
    fn drop(&mut self) {
        self.0.call_next();
    }
}

impl Deref for HeadGuard<'_> {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

impl DerefMut for HeadGuard<'_> {
    fn deref_mut(&mut self) -> &mut Head {
        &mut self.head
    }
}

/// The commit pipeline of one open database.
pub(crate) struct Pipeline {
    pub(crate) published: ArcSwap<State>,
    head: Mutex<Head>,
    pub(crate) pending: Mutex<VecDeque<Pending>>,
    /// Signalled when a group leaves `pending`.
    pub(crate) lane_free: Condvar,
    queue: Queue,
    /// Absent in an in-memory database.
    pub(crate) wal: Option<Wal>,
    /// The epochs that open transactions read, with how many read each.
    pub(crate) snapshots: Mutex<BTreeMap<Epoch, usize>>,
    pub(crate) poison: OnceLock<Cause>,
    pub(crate) closed: AtomicBool,
    pub(crate) options: Options,
    /// How large steps are computed.
    forking: Forking,
    pub(crate) subscribers: Subscribers,
    /// Where writers wait while memory is full.
    pub(crate) short_of_memory: Mutex<()>,
    pub(crate) relief: Condvar,
    pub(crate) meters: Meters,
}

/// What the pipeline measures about itself.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    /// Nanoseconds spent in steps since the database was opened.
    pub(crate) step_nanos: AtomicU64,
    /// What they were when the last checkpoint captured its state: those since then would have to be repeated.
    pub(crate) checkpointed_nanos: AtomicU64,
    /// Bytes of table and view state in memory when they were last measured.
    pub(crate) memory_bytes: AtomicUsize,
    /// Bytes of changes committed since then.
    pub(crate) unmeasured_bytes: AtomicUsize,
    pub(crate) groups: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) refused: AtomicU64,
}

impl Pipeline {
    /// A pipeline that goes on from `state`.
    pub(crate) fn new(state: State, wal: Option<Wal>, options: Options) -> Pipeline {
        let state = Arc::new(state);
        let certifier = Certifier::new(state.epoch(), options.certification_bytes_max);
        Pipeline {
            published: ArcSwap::new(Arc::clone(&state)),
            head: Mutex::new(Head { state, certifier, feeds: Vec::new() }),
            pending: Mutex::new(VecDeque::new()),
            lane_free: Condvar::new(),
            queue: Queue::new(options.commit_queue_max),
            wal,
            snapshots: Mutex::new(BTreeMap::new()),
            poison: OnceLock::new(),
            closed: AtomicBool::new(false),
            forking: options.forking(),
            options,
            subscribers: Subscribers::default(),
            short_of_memory: Mutex::new(()),
            relief: Condvar::new(),
            meters: Meters::default(),
        }
    }

    /// The published state. Wait-free; the guard keeps it alive.
    pub(crate) fn published(&self) -> arc_swap::Guard<Arc<State>> {
        self.published.load()
    }

    /// The log, unless the database lives in memory.
    pub(crate) fn wal(&self) -> Option<&Wal> {
        self.wal.as_ref()
    }

    /// Commits a transaction, and returns when it is durable and visible.
    pub(crate) fn commit(&self, request: Request) -> Result<Epoch> {
        let bytes_max = self.options.transaction_bytes_max;
        if request.bytes > bytes_max {
            let (bytes, bytes_max) = (request.bytes as u64, bytes_max as u64);
            return Err(Error::TooLarge { what: "the transaction", bytes, bytes_max });
        }
        let ticket = Arc::new(Ticket::new(request));
        self.admit(&ticket)?;
        self.lead_or_follow(&ticket);
        ticket.wait()
    }

    /// Puts the ticket into the queue, waiting for a place no longer than a writer may wait.
    fn admit(&self, ticket: &Arc<Ticket>) -> Result<()> {
        self.check_writable()?;
        self.wait_for_memory()?;
        let waited = self.options.commit_wait_max;
        if self.queue.push(Arc::clone(ticket), waited) {
            Ok(())
        } else {
            Err(Error::Overloaded { what: "the commit queue was full", waited })
        }
    }

    /// Sees to it that somebody takes the ticket: this thread, if nobody leads.
    fn lead_or_follow(&self, ticket: &Ticket) {
        let waited = self.options.commit_wait_max;
        while !ticket.is_taken() {
            if let Some(head) = self.try_head() {
                if let Some(end) = self.lead(head) {
                    self.flush(end);
                }
            } else if ticket.wait_for_turn(waited) == Woken::TimedOut {
                // A schema change is writing its checkpoint, or the disk hangs.
                ticket.give_up(Error::Overloaded { what: "the commit lock was held", waited });
                self.call_next();
            }
        }
    }

    /// Commits one group of those that wait. Returns where it ends in the log: the caller must flush it.
    fn lead(&self, mut head: HeadGuard<'_>) -> Option<Lsn> {
        let taken = Taken { pipeline: self, tickets: self.queue.take(self.options.group_bytes_max) };
        let end = self.commit_all(&mut head, taken.tickets.clone());
        let horizon = self.horizon();
        head.certifier.prune(horizon);
        end
    }

    /// The commit lock, if nobody has it and a group could be led.
    fn try_head(&self) -> Option<HeadGuard<'_>> {
        if !self.is_lane_free() {
            return None;
        }
        let head = HeadGuard { head: self.head.try_lock()?, _call: CallNext(self) };
        // Lanes fill under the lock only, so this answer holds until it is left.
        self.is_lane_free().then_some(head)
    }

    /// The commit lock. For what is not a commit.
    pub(crate) fn lock_head(&self) -> HeadGuard<'_> {
        HeadGuard { head: self.head.lock(), _call: CallNext(self) }
    }

    /// Whether one more group may be between append and publication.
    fn is_lane_free(&self) -> bool {
        self.pending.lock().len() < LANES
    }

    /// Calls the oldest writer that sleeps to lead, if a group could be led now. For whoever has left the commit lock or has
    /// freed a lane.
    pub(crate) fn call_next(&self) {
        if self.is_lane_free() {
            self.queue.wake_next();
        }
    }

    /// Gives every ticket an outcome or a place in a pending group.
    fn commit_all(&self, head: &mut Head, mut tickets: Vec<Arc<Ticket>>) -> Option<Lsn> {
        let mut end = None;
        while !tickets.is_empty() {
            let (group, deferred) = self.certify(head, tickets);
            end = self.commit_group(head, group).or(end);
            tickets = deferred;
        }
        end
    }

    /// Refuses what cannot commit, and splits the rest into one group without conflicts and those that come after it.
    fn certify(&self, head: &Head, tickets: Vec<Arc<Ticket>>) -> (Vec<Arc<Ticket>>, Vec<Arc<Ticket>>) {
        let (mut group, mut deferred) = (Vec::new(), Vec::new());
        let mut keys: HashSet<ConflictKey> = HashSet::new();
        let alone = tickets.len() == 1;
        for ticket in &tickets {
            if let Err(refusal) = self.certify_one(head, &ticket.request) {
                ticket.finish(Err(refusal));
            } else if alone {
                group.push(Arc::clone(ticket));
            } else if ticket.request.keys.iter().any(|key| keys.contains(key)) {
                deferred.push(Arc::clone(ticket));
            } else {
                keys.extend(&ticket.request.keys);
                group.push(Arc::clone(ticket));
            }
        }
        (group, deferred)
    }

    fn certify_one(&self, head: &Head, request: &Request) -> Result<()> {
        self.check_writable()?;
        check_tables(&head.state.catalog, request)?;
        head.certifier.check(request.snapshot, &request.keys).map_err(|refusal| {
            self.meters.conflicts.fetch_add(1, Ordering::Relaxed);
            Error::Conflict {
                since: match refusal {
                    Refusal::Written(epoch) => Some(epoch),
                    Refusal::TooOld => None,
                },
            }
        })
    }

    /// Steps and appends one group; halves it if its step fails.
    fn commit_group(&self, head: &mut Head, mut group: Vec<Arc<Ticket>>) -> Option<Lsn> {
        if group.is_empty() {
            return None;
        }
        match self.step_group(head, &group) {
            Ok(stepped) => self.append(head, group, stepped),
            Err(error) if group.len() == 1 => {
                self.meters.refused.fetch_add(1, Ordering::Relaxed);
                group.iter().for_each(|ticket| ticket.finish(Err(error.clone())));
                None
            }
            Err(_) => {
                let second = group.split_off(group.len() / 2);
                let first = self.commit_group(head, group);
                self.commit_group(head, second).or(first)
            }
        }
    }

    /// Computes the state after the group, without a trace anywhere else.
    fn step_group(&self, head: &Head, group: &[Arc<Ticket>]) -> Result<Stepped> {
        let deltas = merge_writes(group.iter().flat_map(|ticket| &ticket.request.writes))?;
        let subscribers = self.subscribers.live();
        let watched: Vec<NodeId> = subscribers.iter().map(|subscriber| subscriber.node()).collect();
        let started = self.options.clock.now();
        let step = step_forked(Origin::New, &head.state.version, &deltas, &watched, &self.forking);
        let taken = self.options.clock.now().saturating_sub(started);
        self.meters.step_nanos.fetch_add(u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let graph = head.state.version.graph();
        let step = step.map_err(|error| step_refused(&head.state.catalog, graph, error))?;
        let mut changes = Vec::new();
        for subscriber in subscribers {
            if let Some((_, change)) = step.changes.iter().find(|(node, _)| *node == subscriber.node()) {
                let (rows, weights) = (change.columns()?.clone(), change.weights().to_vec());
                changes.push(ViewChange { subscriber, rows, weights });
            }
        }
        let state = State { version: step.version, catalog: Arc::clone(&head.state.catalog) };
        Ok(Stepped { state, deltas, changes })
    }

    /// Appends the group and makes its state the head. The group is not visible yet.
    fn append(&self, head: &mut Head, group: Vec<Arc<Ticket>>, stepped: Stepped) -> Option<Lsn> {
        let Stepped { state, deltas, changes } = stepped;
        let epoch = head.state.epoch().next();
        let record = || encode_record(&state.catalog, epoch, group.len(), &deltas);
        let end = match self.log(head.state.version.lsn, record) {
            Ok(end) => end,
            Err(error) => {
                group.iter().for_each(|ticket| ticket.finish(Err(error.clone())));
                return None;
            }
        };
        let state = Arc::new(State { version: state.version.at(epoch, end), catalog: state.catalog });
        head.state = Arc::clone(&state);
        head.certifier.record(state.epoch(), group.iter().flat_map(|ticket| ticket.request.keys.iter().copied()));
        if !head.feeds.is_empty() {
            let group = GroupChanges { epoch, end, deltas };
            head.feeds.retain(|feed| feed.push(&group));
        }
        self.account_memory(&state, group.iter().map(|ticket| ticket.request.bytes).sum());
        self.meters.groups.fetch_add(1, Ordering::Relaxed);
        self.meters.commits.fetch_add(group.len() as u64, Ordering::Relaxed);
        self.pending.lock().push_back(Pending { end, state, tickets: group, changes });
        Some(end)
    }

    /// Appends a record, and tells where it ends. Without a log, positions count records, so that they still order what is
    /// published.
    fn log(&self, start: Lsn, record: impl FnOnce() -> Result<Vec<u8>>) -> Result<Lsn> {
        let Some(wal) = &self.wal else { return Ok(Lsn(start.0 + 1)) };
        match wal.append(&[&record()?]) {
            Ok(end) => Ok(Lsn(end.0)),
            Err(error) => Err(self.append_failed(error)),
        }
    }

    /// Measuring memory looks at every arrangement, so it is done again only when enough has been written to matter.
    fn account_memory(&self, state: &State, bytes: usize) {
        let unmeasured = self.meters.unmeasured_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.wal.is_some() && unmeasured > self.options.memory_bytes_max / 64 {
            self.measure_memory(state);
        }
    }

    /// What a failed append means for its writers, and for everybody after them.
    fn append_failed(&self, error: monostable_wal::Error) -> Error {
        match error {
            monostable_wal::Error::OutcomeUnknown { .. } => {
                let cause: Cause = Arc::new(error);
                self.fail(Arc::clone(&cause));
                Error::OutcomeUnknown { cause }
            }
            monostable_wal::Error::Poisoned { .. } => {
                let cause: Cause = Arc::new(error);
                self.fail(Arc::clone(&cause));
                Error::Poisoned { cause }
            }
            other => other.into(),
        }
    }
}

/// The tickets that a leader has taken. If the leader panics over one of our own assertions, their writers must not wait
/// for ever: nobody can say how far the leader came, so their outcome is unknown and the pipeline stops.
struct Taken<'a> {
    pipeline: &'a Pipeline,
    tickets: Vec<Arc<Ticket>>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let cause: Cause = Arc::new(Error::Misuse("a commit failed in an assertion".to_owned()));
            self.pipeline.fail(Arc::clone(&cause));
            for ticket in self.tickets.iter().filter(|ticket| !ticket.is_done()) {
                ticket.finish(Err(Error::OutcomeUnknown { cause: Arc::clone(&cause) }));
            }
        }
    }
}

/// All changes of a group, one delta per table, in ascending order of table id.
pub(crate) fn merge_writes<'a>(writes: impl Iterator<Item = &'a (TableId, Delta)>) -> Result<Vec<(TableId, Delta)>> {
    let mut tables: BTreeMap<TableId, Vec<Delta>> = BTreeMap::new();
    for (table, delta) in writes {
        tables.entry(*table).or_default().push(delta.clone());
    }
    let mut merged = Vec::with_capacity(tables.len());
    for (table, deltas) in tables {
        if let Some(delta) = Delta::concat(&deltas)? {
            merged.push((table, delta));
        }
    }
    Ok(merged)
}

/// The log record of a group. Rows are encoded as the table declares its columns, not as some arrangement orders them.
fn encode_record(catalog: &Catalog, epoch: Epoch, commits: usize, deltas: &[(TableId, Delta)]) -> Result<Vec<u8>> {
    let mut writer = RecordWriter::new(epoch.0, u32::try_from(commits).unwrap_or(u32::MAX));
    for (id, delta) in deltas {
        let Some(table) = catalog.table(*id) else { continue };
        debug_assert_eq!(delta.row().types(), table.schema.types());
        let rows = delta.rows()?;
        let weights = delta.weights();
        let live = || (0..rows.len()).filter(|&index| weights[index] != Weight::ZERO);
        let count = u32::try_from(live().count()).map_err(|_| Error::TooLarge {
            what: "the transaction",
            bytes: rows.byte_len() as u64,
            bytes_max: u64::from(u32::MAX),
        })?;
        if count > 0 {
            writer.table(id.0, count, live().map(|index| (rows.row(index), weights[index].0)));
        }
    }
    Ok(writer.finish())
}

/// A transaction may write only tables that are still what they were when it was planned: a table that was dropped is gone,
/// and one that has new constraints must be checked against them.
fn check_tables(catalog: &Catalog, request: &Request) -> Result<()> {
    if catalog.version() == request.catalog.version() {
        return Ok(());
    }
    for (id, _) in &request.writes {
        let Some(planned) = request.catalog.table(*id) else { continue };
        match catalog.table(*id) {
            None => return Err(Error::Dropped { kind: "table", name: planned.name.clone() }),
            Some(current) if !Arc::ptr_eq(current, planned) => return Err(Error::Conflict { since: None }),
            Some(_) => {}
        }
    }
    Ok(())
}

/// A step that failed because of the data refuses the commit and names the views (G7); any other failure is passed on.
pub(crate) fn step_refused(catalog: &Catalog, graph: &Graph, error: StepError) -> Error {
    let sqlstate = match &error.failure {
        Failure::Undefined { sqlstate, .. } => *sqlstate,
        Failure::Storage(monostable_view::Error::WeightOverflow) => error.sqlstate(),
        _ => return error.into(),
    };
    let reached = |root: NodeId| error.node.is_some_and(|node| graph.closure(&[root]).contains(&node));
    let views = catalog.views().filter(|view| reached(view.node)).map(|view| view.name.clone()).collect();
    Error::ViewUndefined { views, sqlstate: sqlstate.to_owned(), message: error.failure.to_string() }
}
