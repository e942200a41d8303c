//! A prepared handle on one materialized view: point reads, ranges and scans without SQL.
//!
//! A handle holds what never changes about its view: the arrangement, the codec of its entries, its key. A read loads the
//! published state (one atomic load, no lock, no wait), finds the arrangement in it, and looks the encoded key up in its
//! runs. What a read costs therefore depends on the view's runs and on nothing else: not on writers, merges, checkpoints,
//! or on what happened before.
//!
//! A handle stays valid while commits go on, and each read sees the newest published epoch; a handle taken from a
//! [`Snapshot`](crate::Snapshot) reads that snapshot for ever. After DROP a live handle gives
//! [`Error::Dropped`](crate::Error::Dropped), also when a view of the same name is made again. After
//! [`Database::close`](crate::Database::close) a handle still reads the last published state.

use std::ops::{Bound, Deref, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use monostable_query::catalog::{Relation, ViewDef};
use monostable_types::{Column, Epoch, Schema, Value, prefix_successor};
use monostable_view::{ArrangementId, Layout, Spine, Version};

use crate::commit::State;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::row::{Row, RowShape};
use crate::snapshot::Snapshot;
use crate::subscription::{Subscriber, Subscription};
use crate::value::{coerce, type_name};

/// Entries that an iterator fetches at first, and at most; in between it doubles.
const FETCH: std::ops::Range<usize> = 16..1024;

/// A prepared handle on a view. Cheap to clone, and to share between threads.
#[derive(Clone)]
pub struct View {
    source: Source,
    prepared: Arc<Prepared>,
}

#[derive(Clone)]
enum Source {
    Live(Database),
    Snapshot(Arc<State>),
}

struct Prepared {
    view: Arc<ViewDef>,
    arrangement: ArrangementId,
    shape: Arc<RowShape>,
    layout: Layout,
    /// The catalog version at which the view was last seen to exist.
    exists_at: AtomicU64,
}

/// The state that one read looks at.
enum Reading<'a> {
    Live(arc_swap::Guard<Arc<State>>),
    Snapshot(&'a Arc<State>),
}

impl Deref for Reading<'_> {
    type Target = Arc<State>;

    fn deref(&self) -> &Arc<State> {
        match self {
            Reading::Live(guard) => guard,
            Reading::Snapshot(state) => state,
        }
    }
}

impl View {
    pub(crate) fn live(db: Database, name: &str) -> Result<View> {
        let prepared = Arc::new(Prepared::new(&db.published(), name)?);
        Ok(View { source: Source::Live(db), prepared })
    }

    pub(crate) fn at(state: &Arc<State>, name: &str) -> Result<View> {
        let prepared = Arc::new(Prepared::new(state, name)?);
        Ok(View { source: Source::Snapshot(Arc::clone(state)), prepared })
    }

    /// The name of the view.
    pub fn name(&self) -> &str {
        &self.prepared.view.name
    }

    /// The columns of the view.
    pub fn schema(&self) -> &Schema {
        &self.prepared.view.schema
    }

    /// The columns of the key, in the order in which keys are given. The key identifies a row: it was derived from the
    /// query, or it is the whole row.
    pub fn key(&self) -> Vec<&Column> {
        let columns = self.schema().columns();
        self.prepared.view.key.iter().map(|&column| &columns[column]).collect()
    }

    /// The epoch that a read would see now.
    pub fn epoch(&self) -> Result<Epoch> {
        Ok(self.reading()?.epoch())
    }

    /// The row with this key. In a view that has the whole row as its key this answers whether the row is there.
    pub fn get(&self, key: impl Key) -> Result<Option<Row>> {
        let expected = self.prepared.view.key.len();
        let key = self.encode(&key.values(), |given| given == expected)?;
        let reading = self.reading()?;
        let found = self.prepared.spine(&reading.version)?.get(&key)?;
        found.map(|(entry, _)| self.prepared.row(entry)).transpose()
    }

    /// The rows whose key begins with these values, in key order.
    pub fn prefix(&self, key: impl Key) -> Result<ViewRows> {
        let lower = self.encode_prefix(&key)?;
        let upper = after(&lower);
        self.rows(Bound::Included(lower), upper)
    }

    /// The rows whose key lies between two bounds, in key order. A bound may give only the first columns of the key, and
    /// then means every key that begins with them.
    pub fn range<K: Key>(&self, bounds: impl RangeBounds<K>) -> Result<ViewRows> {
        let lower = match bounds.start_bound() {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(key) => Bound::Included(self.encode_prefix(key)?),
            Bound::Excluded(key) => match after(&self.encode_prefix(key)?) {
                Bound::Excluded(next) => Bound::Included(next),
                // Nothing lies after the last of all keys.
                _ => return Ok(self.rows(Bound::Unbounded, Bound::Unbounded)?.none()),
            },
        };
        let upper = match bounds.end_bound() {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(key) => after(&self.encode_prefix(key)?),
            Bound::Excluded(key) => Bound::Excluded(self.encode_prefix(key)?),
        };
        self.rows(lower, upper)
    }

    /// All rows, in key order, as of the epoch at which the scan begins. A row that the view holds several times comes
    /// several times.
    pub fn scan(&self) -> Result<ViewRows> {
        self.rows(Bound::Unbounded, Bound::Unbounded)
    }

    /// Every change of the view from now on. What has been published is in the subscription's
    /// [`start`](Subscription::start); every later change comes out of it.
    pub fn subscribe(&self) -> Result<Subscription> {
        let Source::Live(db) = &self.source else {
            return Err(Error::Misuse("a snapshot does not change: subscribe to a view of the database".to_owned()));
        };
        let pipeline = db.pipeline();
        let subscriber =
            Arc::new(Subscriber::new(Arc::clone(&self.prepared.view), pipeline.options.subscription_rows_max));
        // With the commit lock held and nothing pending, what is published now is exactly what came before the first change.
        let head = pipeline.exclusive()?;
        self.prepared.check_exists(&head.state)?;
        pipeline.subscribers.add(&subscriber);
        let start = Snapshot::new(db.clone(), Arc::clone(&head.state));
        Ok(Subscription::new(start, subscriber))
    }

    fn rows(&self, lower: Bound<Vec<u8>>, upper: Bound<Vec<u8>>) -> Result<ViewRows> {
        let state = self.reading()?.clone();
        Ok(ViewRows::new(state, Arc::clone(&self.prepared), lower, upper))
    }

    /// The state to read, once it is certain that the view still exists there.
    fn reading(&self) -> Result<Reading<'_>> {
        match &self.source {
            Source::Snapshot(state) => Ok(Reading::Snapshot(state)),
            Source::Live(db) => {
                let state = db.published();
                self.prepared.check_exists(&state)?;
                Ok(Reading::Live(state))
            }
        }
    }

    fn encode_prefix(&self, key: &impl Key) -> Result<Vec<u8>> {
        let columns = self.prepared.view.key.len();
        self.encode(&key.values(), |given| given <= columns)
    }

    fn encode(&self, values: &[Value], fits: impl Fn(usize) -> bool) -> Result<Vec<u8>> {
        let Prepared { view, shape, .. } = &*self.prepared;
        if !fits(values.len()) {
            let (expected, given) = (view.key.len(), values.len());
            return Err(Error::KeyArity { view: view.name.clone(), expected, given });
        }
        let mut encoded = Vec::with_capacity(64);
        if shape.stored().encode_prefix(values, &mut encoded).is_ok() {
            return Ok(encoded);
        }
        let columns = view.key.iter().map(|&column| &view.schema.columns()[column]);
        let coerced: Vec<Value> =
            values.iter().zip(columns).map(|(value, column)| coerce_to(value, column)).collect::<Result<_>>()?;
        shape.stored().encode_prefix(&coerced, &mut encoded)?;
        Ok(encoded)
    }
}

fn coerce_to(value: &Value, column: &Column) -> Result<Value> {
    coerce(value.clone(), column.data_type).map_err(|value| Error::ValueType {
        what: format!("the key column \"{}\"", column.name),
        value: format!("{value} ({})", type_name(&value)),
        expected: column.data_type.sql_name(),
    })
}

/// The bound that lies just after every entry that begins with `prefix`.
fn after(prefix: &[u8]) -> Bound<Vec<u8>> {
    prefix_successor(prefix).map_or(Bound::Unbounded, Bound::Excluded)
}

impl Prepared {
    fn new(state: &State, name: &str) -> Result<Prepared> {
        let undefined = || Error::Undefined { kind: "materialized view", name: name.to_owned() };
        let Some(Relation::View(view)) = state.catalog.relation(name) else { return Err(undefined()) };
        let node = state.version.graph().node(view.node).ok_or_else(undefined)?;
        let (arrangement, layout) = node.arrangement().zip(node.layout()).ok_or_else(undefined)?;
        let shape = Arc::new(RowShape::new(view.schema.clone(), layout.order()));
        let layout = layout.clone();
        Ok(Prepared { view, arrangement, shape, layout, exists_at: AtomicU64::new(state.catalog.version()) })
    }

    fn check_exists(&self, state: &State) -> Result<()> {
        let version = state.catalog.version();
        if self.exists_at.load(Ordering::Relaxed) == version {
            return Ok(());
        }
        match state.catalog.relation(&self.view.name) {
            // Definitions are shared between catalog versions, so the same definition is the same view.
            Some(Relation::View(view)) if Arc::ptr_eq(&view, &self.view) => {
                self.exists_at.store(version, Ordering::Relaxed);
                Ok(())
            }
            _ => Err(Error::Dropped { kind: "materialized view", name: self.view.name.clone() }),
        }
    }

    /// The row that an entry of the view holds.
    fn row(&self, entry: &[u8]) -> Result<Row> {
        Ok(Row::encoded(&self.shape, self.layout.visible(entry)?))
    }

    fn spine<'a>(&self, version: &'a Version) -> Result<&'a Spine> {
        let dropped = || Error::Dropped { kind: "materialized view", name: self.view.name.clone() };
        version.spine(self.arrangement).ok_or_else(dropped)
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// An iterator over rows of a view, all of one epoch.
///
/// It holds that epoch's state and fetches entries in chunks that grow, so that it needs no lock and borrows nothing.
pub struct ViewRows {
    state: Arc<State>,
    prepared: Arc<Prepared>,
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
    fetched: std::vec::IntoIter<(Row, i64)>,
    /// The row that comes next, and how often it still has to come.
    repeat: Option<(Row, i64)>,
    fetch: usize,
    finished: bool,
}

impl ViewRows {
    fn new(state: Arc<State>, prepared: Arc<Prepared>, lower: Bound<Vec<u8>>, upper: Bound<Vec<u8>>) -> ViewRows {
        let fetched = Vec::new().into_iter();
        ViewRows { state, prepared, lower, upper, fetched, repeat: None, fetch: FETCH.start, finished: false }
    }

    fn none(mut self) -> ViewRows {
        self.finished = true;
        self
    }

    /// The epoch whose rows these are.
    pub fn epoch(&self) -> Epoch {
        self.state.epoch()
    }

    fn fetch(&mut self) -> Result<()> {
        let spine = self.prepared.spine(&self.state.version)?;
        let mut entries = spine.range(as_bytes(&self.lower), as_bytes(&self.upper))?;
        let mut fetched = Vec::with_capacity(self.fetch);
        let mut last = Vec::new();
        while fetched.len() < self.fetch
            && let Some(next) = entries.next()
        {
            let (entry, weight) = next?;
            fetched.push((self.prepared.row(entry)?, weight.0));
            if fetched.len() == self.fetch {
                last.extend_from_slice(entry);
            }
        }
        self.finished = fetched.len() < self.fetch;
        self.lower = Bound::Excluded(last);
        self.fetch = (self.fetch * 2).min(FETCH.end);
        self.fetched = fetched.into_iter();
        Ok(())
    }

    fn advance(&mut self) -> Result<Option<Row>> {
        loop {
            if let Some((row, left)) = self.repeat.take() {
                if left > 1 {
                    self.repeat = Some((row.clone(), left - 1));
                }
                return Ok(Some(row));
            }
            if let Some(next) = self.fetched.next() {
                self.repeat = Some(next);
            } else if self.finished {
                return Ok(None);
            } else {
                self.fetch()?;
            }
        }
    }
}

impl Iterator for ViewRows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        let next = self.advance();
        self.finished |= next.is_err();
        next.transpose()
    }
}

impl std::fmt::Debug for ViewRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewRows").field("view", &self.prepared.view.name).field("epoch", &self.epoch()).finish()
    }
}

fn as_bytes(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(bytes) => Bound::Included(bytes),
        Bound::Excluded(bytes) => Bound::Excluded(bytes),
    }
}
