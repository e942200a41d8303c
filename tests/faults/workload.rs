//! The work that is disturbed: a small shop, what must be true of it, and how it is opened.
//!
//! The model is a few maps, so that what the tables and two of the views must hold is known without the engine; every
//! view is compared with recomputation besides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use monostable::{Background, Clock, Database, Error, Options, Randomness, Value, params};
use monostable_vfs::{MemoryStorage, Storage};

/// A clock that goes on by a microsecond each time it is read: no result may depend on it.
#[derive(Debug, Default)]
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Duration {
        Duration::from_micros(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Numbers that do not repeat and are the same in every run.
#[derive(Debug)]
struct Counting(AtomicU64);

impl Randomness for Counting {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Numbers are to differ from one open to the next as well.
static OPENED: AtomicU64 = AtomicU64::new(1);

/// Options for a database on this disk with small segments, whose background work is done by hand.
pub(crate) fn options(storage: Arc<dyn Storage>) -> Options {
    let mut options = Options::on(storage);
    options.background = Background::Manual;
    options.clock = Arc::new(Ticking::default());
    options.randomness = Arc::new(Counting(AtomicU64::new(OPENED.fetch_add(1 << 20, Ordering::Relaxed))));
    options.log_segment_bytes = SEGMENT_BYTES;
    options
}

/// Small, so that a few commits fill one.
const SEGMENT_BYTES: u64 = 32 << 10;

pub(crate) fn open(disk: &MemoryStorage) -> Result<Database, Error> {
    Database::open_with(options(Arc::new(disk.clone())))
}

/// One change of one row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Customer(i64, &'static str),
    Order(i64, i64, i64),
    NoOrder(i64),
    NoCustomer(i64),
}

/// What the tables hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    /// Region by id.
    customers: BTreeMap<i64, &'static str>,
    /// Customer and cents by id.
    orders: BTreeMap<i64, (i64, i64)>,
}

/// What readers see: relation by relation, row by row, as text.
pub(crate) type Image = Vec<String>;

impl Model {
    pub(crate) fn after(&self, changes: &[Change]) -> Model {
        let mut next = self.clone();
        for change in changes {
            match *change {
                Change::Customer(id, region) => drop(next.customers.insert(id, region)),
                Change::Order(id, customer, cents) => drop(next.orders.insert(id, (customer, cents))),
                Change::NoOrder(id) => drop(next.orders.remove(&id)),
                Change::NoCustomer(id) => drop(next.customers.remove(&id)),
            }
        }
        next
    }

    /// What a reader must see.
    pub(crate) fn image(&self) -> Image {
        let mut lines: Vec<String> =
            self.customers.iter().map(|(id, region)| format!("customer {id}|{region}")).collect();
        lines.extend(self.orders.iter().map(|(id, (customer, cents))| format!("order {id}|{customer}|{cents}")));
        let mut spend: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        let mut regions: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for (customer, cents) in self.orders.values() {
            let total = spend.entry(*customer).or_default();
            *total = (total.0 + cents, total.1 + 1);
            if let Some(region) = self.customers.get(customer) {
                let total = regions.entry(region).or_default();
                *total = (total.0 + cents, total.1 + 1);
            }
        }
        lines.extend(spend.iter().map(|(customer, (total, n))| format!("spend {customer}|{total}|{n}")));
        lines.extend(regions.iter().map(|(region, (total, n))| format!("region {region}|{total}|{n}")));
        lines
    }
}

const TABLES: &str = "CREATE TABLE customers (id BIGINT PRIMARY KEY, region TEXT NOT NULL);
    CREATE TABLE orders (id BIGINT PRIMARY KEY, customer BIGINT NOT NULL, cents BIGINT NOT NULL)";

const VIEWS: [&str; 5] = [
    "CREATE MATERIALIZED VIEW spend AS
        SELECT customer, sum(cents) AS total, count(*) AS n FROM orders GROUP BY customer",
    "CREATE MATERIALIZED VIEW by_region AS
        SELECT c.region, sum(o.cents) AS total, count(*) AS n
        FROM orders o JOIN customers c ON o.customer = c.id GROUP BY c.region",
    "CREATE MATERIALIZED VIEW extremes AS
        SELECT customer, min(cents) AS least, max(cents) AS most FROM orders GROUP BY customer",
    "CREATE MATERIALIZED VIEW regions AS SELECT DISTINCT region FROM customers",
    "CREATE MATERIALIZED VIEW loyal AS SELECT customer, total FROM spend WHERE n > 2",
];

/// One step of the work.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Commit(Vec<Change>),
    Schema(&'static str),
    Checkpoint,
    /// Pieces of background work, at most so many.
    Background(usize),
    Close,
}

/// A commit that touches all that there is: new rows, a changed join key, a group that loses its maximum, one that goes.
fn commit(n: i64) -> Step {
    let region = ["north", "south", "east"][n.unsigned_abs() as usize % 3];
    let mut changes = vec![
        Change::Customer(n % 4, region),
        Change::Order(n * 3, n % 4, 10 * n),
        Change::Order(n * 3 + 1, (n + 1) % 4, 100 - n),
        Change::Order(n * 3 + 2, n % 4, 7),
        Change::NoOrder(n * 2),
    ];
    if n % 5 == 4 {
        changes.push(Change::NoCustomer((n + 2) % 4));
        changes.push(Change::Order(n, 77, -n));
    }
    Step::Commit(changes)
}

/// The work before the disturbance: tables and views, rows in files and in the log.
pub(crate) fn beginning() -> Vec<Step> {
    let mut steps = vec![Step::Schema(TABLES)];
    steps.extend(VIEWS.iter().map(|view| Step::Schema(view)));
    steps.extend((0..4).map(commit));
    steps.push(Step::Checkpoint);
    steps.extend((4..6).map(commit));
    steps
}

/// The work that goes on from there: commits before, between and after everything that rewrites files.
pub(crate) fn rest() -> Vec<Step> {
    let mut steps: Vec<Step> = (6..9).map(commit).collect();
    steps.push(Step::Schema(
        "CREATE MATERIALIZED VIEW late AS SELECT region, count(*) AS n FROM customers GROUP BY region",
    ));
    steps.extend((9..12).map(commit));
    steps.push(Step::Checkpoint);
    steps.push(commit(12));
    steps.push(Step::Background(6));
    steps.push(commit(13));
    steps.push(Step::Schema("DROP MATERIALIZED VIEW IF EXISTS late"));
    steps.extend((14..16).map(commit));
    steps.push(Step::Checkpoint);
    steps.push(Step::Background(20));
    steps.push(commit(16));
    steps.push(Step::Close);
    steps
}

/// Does one step. What it returns is what the engine said.
pub(crate) fn perform(db: &Database, step: &Step) -> Result<(), Error> {
    match step {
        Step::Commit(changes) => apply(db, changes),
        Step::Schema(sql) => db.execute(sql).map(drop),
        Step::Checkpoint => db.checkpoint(),
        Step::Background(pieces) => {
            for _ in 0..*pieces {
                db.background_step()?;
            }
            Ok(())
        }
        Step::Close => db.close(),
    }
}

fn apply(db: &Database, changes: &[Change]) -> Result<(), Error> {
    let mut txn = db.begin()?;
    for change in changes {
        match *change {
            Change::Customer(id, region) => txn.execute(
                "INSERT INTO customers VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET region = excluded.region",
                params![id, region],
            )?,
            Change::Order(id, customer, cents) => txn.execute(
                "INSERT INTO orders VALUES ($1, $2, $3)
                 ON CONFLICT (id) DO UPDATE SET customer = excluded.customer, cents = excluded.cents",
                params![id, customer, cents],
            )?,
            Change::NoOrder(id) => txn.execute("DELETE FROM orders WHERE id = $1", params![id])?,
            Change::NoCustomer(id) => txn.execute("DELETE FROM customers WHERE id = $1", params![id])?,
        };
    }
    txn.commit().map(drop)
}

/// What readers see, through queries on tables and handles on views. Before the views are made there are none.
pub(crate) fn image(db: &Database) -> Result<Image, Error> {
    let mut lines = Vec::new();
    let snapshot = db.snapshot();
    let text = |row: monostable::Row| -> Result<String, Error> {
        Ok(row.values()?.iter().map(Value::to_string).collect::<Vec<_>>().join("|"))
    };
    let tables = [
        ("customer", "SELECT id, region FROM customers ORDER BY id"),
        ("order", "SELECT id, customer, cents FROM orders ORDER BY id"),
    ];
    for (label, sql) in tables {
        match snapshot.query(sql) {
            Err(error) if error.sqlstate() == "42P01" => {}
            rows => {
                for row in rows?.iter() {
                    lines.push(format!("{label} {}", text(row)?));
                }
            }
        }
    }
    for (label, view) in [("spend", "spend"), ("region", "by_region")] {
        match snapshot.view(view) {
            Err(error) if error.sqlstate() == "42P01" => {}
            view => {
                for row in view?.scan()? {
                    lines.push(format!("{label} {}", text(row?)?));
                }
            }
        }
    }
    Ok(lines)
}

/// Opens what is left, and requires one of these images, sound views, and that opening again changes nothing. Gives the
/// image that was found.
pub(crate) fn recover(disk: &MemoryStorage, allowed: &[Image]) -> Result<Image, String> {
    let db = open(disk).map_err(|error| format!("cannot be opened: {error}"))?;
    let found = image(&db).map_err(|error| format!("cannot be read: {error}"))?;
    if !allowed.contains(&found) {
        return Err(format!("found {found:#?}, allowed {allowed:#?}"));
    }
    let report = db.check().map_err(|error| format!("cannot be checked: {error}"))?;
    if !report.is_sound() {
        return Err(format!("is not sound: {report:?}"));
    }
    let epoch = db.epoch();
    drop(db);
    // Whatever the first opening wrote is lost if it was not synced.
    let db = open(&disk.fork_durable()).map_err(|error| format!("cannot be opened a second time: {error}"))?;
    let second = image(&db).map_err(|error| format!("cannot be read a second time: {error}"))?;
    if (db.epoch(), &second) != (epoch, &found) {
        return Err(format!("a second recovery found {second:#?}, the first {found:#?}"));
    }
    Ok(found)
}
