//! The shop with a cache in front of SQLite, written with the mitigations that such code needs.
//!
//! A write first changes the database and then marks the pages that it may have changed. A read takes the page from the
//! cache if it is young enough; else one of those who want it computes it, with one of a few connections, and keeps it
//! unless the page was marked in the meantime. When no connection comes free in time, a marked page is better than none.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, bounded};
use moka::sync::Cache;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Line, Page, Result, Shop};

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS products (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS lines (order_id INTEGER, number INTEGER, product INTEGER NOT NULL, cents INTEGER NOT NULL,
        PRIMARY KEY (order_id, number));
    CREATE INDEX IF NOT EXISTS orders_of ON orders (customer);
    CREATE INDEX IF NOT EXISTS lines_with ON lines (product);";

/// Pages that the cache has room for.
const PAGES_MAX: u64 = 100_000;
/// Connections for pages that are not cached: as much work as the database is given at once.
const CONNECTIONS: usize = 4;
/// How long a request waits for one of them.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a page counts as right if nobody says that it is not. A tenth is added at random.
const LIFE: Duration = Duration::from_secs(300);
/// How long a page that is not right any more may still be shown when the database is busy.
const GRACE: Duration = Duration::from_secs(5);
/// Locks and leases are shared by the keys with the same hash modulo this.
const STRIPES: usize = 1024;

const BUSY: &str = "the shop is busy; try again in a moment";
const GONE: &str = "the connections are gone; open the shop again";

/// A page in the cache; `None` is a customer who is not there.
#[derive(Clone)]
struct Cached {
    page: Option<Page>,
    /// From when on it is computed again.
    until: Instant,
}

/// What the keys of one stripe share.
#[derive(Default)]
struct Stripe {
    /// Held by the one request that computes a page.
    flight: Mutex<()>,
    /// How often a page was marked: what was computed before must not be kept.
    lease: AtomicU64,
}

/// A shop whose pages come from a cache, or from the database behind it.
pub struct CacheAside {
    cache: Cache<i64, Arc<Cached>>,
    stripes: Vec<Stripe>,
    hasher: RandomState,
    writer: Mutex<Connection>,
    readers: (Sender<Connection>, Receiver<Connection>),
}

impl CacheAside {
    /// Opens the shop in a file, or makes it. The cache is empty.
    pub fn open(file: &Path) -> Result<CacheAside> {
        let writer = Connection::open(file)?;
        writer.execute_batch(SCHEMA)?;
        let readers = bounded(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            readers.0.send(Connection::open(file)?).map_err(|_| GONE)?;
        }
        Ok(CacheAside {
            cache: Cache::new(PAGES_MAX),
            stripes: (0..STRIPES).map(|_| Stripe::default()).collect(),
            hasher: RandomState::new(),
            writer: Mutex::new(writer),
            readers,
        })
    }

    /// Loses every page, as a cache does that is started again.
    pub fn flush(&self) {
        self.cache.invalidate_all();
    }

    fn stripe(&self, customer: i64) -> &Stripe {
        &self.stripes[self.hasher.hash_one(customer) as usize % STRIPES]
    }

    /// Says that a customer's page is not right any more. To be called after the commit, and on every way out of it: a
    /// process that dies in between leaves a wrong page in a cache that outlives it.
    fn mark(&self, customer: i64) {
        // The lease first: who reads the database before the commit must not keep a page that is marked after.
        self.stripe(customer).lease.fetch_add(1, Ordering::SeqCst);
        if let Some(cached) = self.cache.get(&customer) {
            self.cache.insert(customer, Arc::new(Cached { until: Instant::now(), ..(*cached).clone() }));
        }
    }

    /// The page from the database, if a connection comes free in time.
    fn compute(&self, customer: i64) -> Result<Option<Page>> {
        let mut connection = self.readers.1.recv_timeout(PATIENCE).map_err(|_| BUSY)?;
        let page = query(&mut connection, customer);
        self.readers.0.send(connection).map_err(|_| GONE)?;
        page
    }

    /// Computes a page and keeps it, unless it was marked in the meantime.
    fn fill(&self, customer: i64) -> Result<Option<Page>> {
        let stripe = self.stripe(customer);
        let lease = stripe.lease.load(Ordering::SeqCst);
        let page = self.compute(customer)?;
        let jitter = self.hasher.hash_one((customer, lease)) % (LIFE.as_millis() as u64 / 10);
        let until = Instant::now() + LIFE + Duration::from_millis(jitter);
        self.cache.insert(customer, Arc::new(Cached { page: page.clone(), until }));
        if stripe.lease.load(Ordering::SeqCst) != lease {
            self.mark(customer);
        }
        Ok(page)
    }
}

/// All parts of the page, from one moment.
fn query(connection: &mut Connection, customer: i64) -> Result<Option<Page>> {
    let now = connection.transaction()?;
    let name = now
        .prepare_cached("SELECT name FROM customers WHERE id = ?1")?
        .query_row([customer], |row| row.get::<_, String>(0))
        .optional()?;
    let Some(name) = name else { return Ok(None) };
    let (orders, cents) = now
        .prepare_cached(
            "SELECT count(DISTINCT o.id), coalesce(sum(l.cents), 0)
             FROM orders o JOIN lines l ON l.order_id = o.id WHERE o.customer = ?1",
        )?
        .query_row([customer], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let favourites = now
        .prepare_cached(
            "SELECT p.name, sum(l.cents) AS cents
             FROM orders o JOIN lines l ON l.order_id = o.id JOIN products p ON p.id = l.product
             WHERE o.customer = ?1 GROUP BY p.id, p.name ORDER BY cents DESC, p.id LIMIT 3",
        )?
        .query_map([customer], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(Page { name, orders, cents, favourites }))
}

impl Shop for CacheAside {
    fn add_customer(&self, id: i64, name: &str) -> Result<()> {
        self.writer.lock().execute("INSERT INTO customers VALUES (?1, ?2)", params![id, name])?;
        self.mark(id); // that there is no such customer may be cached
        Ok(())
    }

    fn add_product(&self, id: i64, name: &str) -> Result<()> {
        self.writer.lock().execute("INSERT INTO products VALUES (?1, ?2)", params![id, name])?;
        Ok(())
    }

    fn order(&self, id: i64, customer: i64, lines: &[Line]) -> Result<()> {
        let mut writer = self.writer.lock();
        let order = writer.transaction()?;
        order.execute("INSERT INTO orders VALUES (?1, ?2)", params![id, customer])?;
        for (line, number) in lines.iter().zip(1_i64..) {
            let values = params![id, number, line.product, line.cents];
            order.execute("INSERT INTO lines VALUES (?1, ?2, ?3, ?4)", values)?;
        }
        order.commit()?;
        self.mark(customer);
        Ok(())
    }

    fn cancel(&self, order: i64) -> Result<()> {
        let mut writer = self.writer.lock();
        let cancel = writer.transaction()?;
        // Whose page it was must be asked before it is gone.
        let whose = cancel
            .query_row("SELECT customer FROM orders WHERE id = ?1", [order], |row| row.get::<_, i64>(0))
            .optional()?;
        cancel.execute("DELETE FROM lines WHERE order_id = ?1", [order])?;
        cancel.execute("DELETE FROM orders WHERE id = ?1", [order])?;
        cancel.commit()?;
        whose.into_iter().for_each(|customer| self.mark(customer));
        Ok(())
    }

    fn rename_product(&self, id: i64, name: &str) -> Result<()> {
        let mut writer = self.writer.lock();
        let rename = writer.transaction()?;
        rename.execute("UPDATE products SET name = ?2 WHERE id = ?1", params![id, name])?;
        // Every page that may show it: the query of the page, turned around and kept in step with it by hand.
        let customers = rename
            .prepare("SELECT DISTINCT o.customer FROM lines l JOIN orders o ON o.id = l.order_id WHERE l.product = ?1")?
            .query_map([id], |row| row.get::<_, i64>(0))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        rename.commit()?;
        customers.into_iter().for_each(|customer| self.mark(customer));
        Ok(())
    }

    fn page(&self, customer: i64) -> Result<Option<Page>> {
        let is_right = |cached: &Arc<Cached>| cached.until > Instant::now();
        if let Some(cached) = self.cache.get(&customer).filter(is_right) {
            return Ok(cached.page.clone());
        }
        let flight = self.stripe(customer).flight.try_lock_for(PATIENCE);
        // Whoever waited may find what it waited for.
        let cached = self.cache.get(&customer);
        if let Some(cached) = cached.clone().filter(is_right) {
            return Ok(cached.page.clone());
        }
        let computed = match flight {
            Some(_alone) => self.fill(customer),
            None => Err(BUSY.into()),
        };
        match (computed, cached) {
            (Err(_), Some(cached)) if cached.until.elapsed() < GRACE => Ok(cached.page.clone()),
            (computed, _) => computed,
        }
    }
}
