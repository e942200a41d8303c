//! A prepared handle on one materialized view: point reads, ranges and scans without SQL.
//!
//! A handle holds what never changes about its view: the arrangement, the codec of its entries, its key. A read loads the
//! published state (one atomic load, no lock, no wait), finds the arrangement in it, and looks the encoded key up in its
//! runs. What a read costs therefore depends on the view's runs and on nothing else: not on writers, merges, checkpoints,
//! or on what happened before.
//!
//! Rows are given as copies ([`Row`]), or lent where they lie ([`View::pin`], [`PinnedView`]).
//!
//! A handle stays valid while commits go on, and each read sees the newest published epoch; a handle taken from a
//! [`Snapshot`](crate::Snapshot) reads that snapshot for ever. After DROP a live handle gives
//! [`Error::Dropped`](crate::Error::Dropped), also when a view of the same name is made again. After
//! [`Database::close`](crate::Database::close) a handle still reads the last published state.

mod pinned;
mod rows;

use std::ops::{Bound, Deref, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use monostable_query::catalog::{Relation, ViewDef};
use monostable_types::{Column, Epoch, Schema, Value, prefix_successor};
use monostable_view::{ArrangementId, Entries, Layout, Spine, Version};

use crate::commit::State;
use crate::database::Database;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::row::{Row, RowRef, RowShape};
use crate::snapshot::Snapshot;
use crate::subscription::{Subscriber, Subscription};
use crate::value::{coerce, type_name};
pub use pinned::{PinnedRows, PinnedView};
pub use rows::ViewRows;

/// A prepared handle on a view. Cheap to clone, and to share between threads.
///
/// Threads that read much do better with a clone each: the rows that a handle gives count their references to it in one place, and
/// processors pass that place around.
pub struct View {
    source: Source,
    prepared: Arc<Prepared>,
    /// The shape for rows that this handle gives. Not shared with its clones.
    shape: Arc<RowShape>,
}

impl Clone for View {
    fn clone(&self) -> View {
        let shape = Arc::new(RowShape::clone(&self.shape));
        View { source: self.source.clone(), prepared: Arc::clone(&self.prepared), shape }
    }
}

#[derive(Clone)]
enum Source {
    Live(Database),
    Snapshot(Arc<State>),
}

struct Prepared {
    view: Arc<ViewDef>,
    arrangement: ArrangementId,
    shape: RowShape,
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

/// The entries between two bounds. Nothing lies after the last of all keys.
#[derive(Debug, Clone)]
struct Between {
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
    empty: bool,
}

impl Between {
    const ALL: Between = Between { lower: Bound::Unbounded, upper: Bound::Unbounded, empty: false };

    fn entries<'a>(&self, spine: &'a Spine) -> Result<Entries<'a>> {
        Ok(spine.range(as_bytes(&self.lower), as_bytes(&self.upper))?)
    }
}

impl View {
    pub(crate) fn live(db: Database, name: &str) -> Result<View> {
        let prepared = Prepared::new(&db.published(), name)?;
        Ok(View::new(Source::Live(db), prepared))
    }

    pub(crate) fn at(state: &Arc<State>, name: &str) -> Result<View> {
        let prepared = Prepared::new(state, name)?;
        Ok(View::new(Source::Snapshot(Arc::clone(state)), prepared))
    }

    fn new(source: Source, prepared: Prepared) -> View {
        let shape = Arc::new(prepared.shape.clone());
        View { source, prepared: Arc::new(prepared), shape }
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

    /// The view as it is now, for reads that look at rows where they lie instead of copying them.
    pub fn pin(&self) -> Result<PinnedView<'_>> {
        Ok(PinnedView::new(self.reading()?, &self.prepared))
    }

    /// The row with this key. In a view that has the whole row as its key this answers whether the row is there.
    pub fn get(&self, key: impl Key) -> Result<Option<Row>> {
        let key = self.prepared.encode_key(&key)?;
        let reading = self.reading()?;
        let found = self.prepared.spine(&reading.version)?.get(&key)?;
        found.map(|(entry, _)| Ok(Row::encoded(&self.shape, self.prepared.layout.visible(entry)?))).transpose()
    }

    /// The rows whose key begins with these values, in key order.
    pub fn prefix(&self, key: impl Key) -> Result<ViewRows> {
        self.rows(self.prepared.prefix(&key)?)
    }

    /// The rows whose key lies between two bounds, in key order. A bound may give only the first columns of the key, and
    /// then means every key that begins with them.
    pub fn range<K: Key>(&self, bounds: impl RangeBounds<K>) -> Result<ViewRows> {
        self.rows(self.prepared.range(&bounds)?)
    }

    /// All rows, in key order, as of the epoch at which the scan begins. A row that the view holds several times comes
    /// several times.
    pub fn scan(&self) -> Result<ViewRows> {
        self.rows(Between::ALL)
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

    fn rows(&self, between: Between) -> Result<ViewRows> {
        let state = self.reading()?.clone();
        Ok(ViewRows::new(state, Arc::clone(&self.prepared), Arc::clone(&self.shape), between))
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
        let shape = RowShape::new(view.schema.clone(), layout.order());
        let layout = layout.clone();
        Ok(Prepared { view, arrangement, shape, layout, exists_at: AtomicU64::new(state.catalog.version()) })
    }

    fn encode_key(&self, key: &impl Key) -> Result<Vec<u8>> {
        let expected = self.view.key.len();
        key.with_values(|values| self.encode(values, |given| given == expected))
    }

    fn encode_prefix(&self, key: &impl Key) -> Result<Vec<u8>> {
        let columns = self.view.key.len();
        key.with_values(|values| self.encode(values, |given| given <= columns))
    }

    fn encode(&self, values: &[Value], fits: impl Fn(usize) -> bool) -> Result<Vec<u8>> {
        let Prepared { view, shape, .. } = self;
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

    /// The rows whose key begins with these values.
    fn prefix(&self, key: &impl Key) -> Result<Between> {
        let lower = self.encode_prefix(key)?;
        let upper = after(&lower);
        Ok(Between { lower: Bound::Included(lower), upper, empty: false })
    }

    /// The rows whose key lies between two bounds.
    fn range<K: Key>(&self, bounds: &impl RangeBounds<K>) -> Result<Between> {
        let lower = match bounds.start_bound() {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(key) => Bound::Included(self.encode_prefix(key)?),
            Bound::Excluded(key) => match after(&self.encode_prefix(key)?) {
                Bound::Excluded(next) => Bound::Included(next),
                _ => return Ok(Between { empty: true, ..Between::ALL }),
            },
        };
        let upper = match bounds.end_bound() {
            Bound::Unbounded => Bound::Unbounded,
            Bound::Included(key) => after(&self.encode_prefix(key)?),
            Bound::Excluded(key) => Bound::Excluded(self.encode_prefix(key)?),
        };
        Ok(Between { lower, upper, empty: false })
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
    fn row<'a>(&'a self, entry: &'a [u8]) -> Result<RowRef<'a>> {
        Ok(RowRef::new(&self.shape, self.layout.visible(entry)?))
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

fn as_bytes(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Unbounded => Bound::Unbounded,
        Bound::Included(bytes) => Bound::Included(bytes),
        Bound::Excluded(bytes) => Bound::Excluded(bytes),
    }
}
