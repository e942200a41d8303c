//! SQLite, with triggers that keep two of the three views: `per_customer`, and `regions` without its maximum.
//!
//! A maximum under deletes needs an index and a query, and the top ten an index on a total that every change moves; a programmer would leave both to queries. State tables are keyed by rowid
//! where the key is a number; a group that is empty stays there with a count of zero and is left out by the view, which spares a delete. Statements are prepared once. All pages fit
//! in the cache.

use crate::contender::{CENTS_MIN, Contender, Contents};
use crate::dataset::{Change, Order, region};
use crate::workload::Failure;
use rusqlite::{Connection, params};

/// Where the database is, and what a commit means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Memory,
    /// A file with `synchronous = OFF`: nothing is synced.
    Unsynced,
    /// A file in WAL mode with `synchronous = FULL`: one sync for each transaction.
    Synced,
}

impl Place {
    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Place::Memory => "SQLite triggers, 2 views, memory",
            Place::Unsynced => "SQLite triggers, 2 views, file, sync OFF",
            Place::Synced => "SQLite triggers, 2 views, WAL, sync FULL",
        }
    }

    /// A connection, and the directory that ends with it.
    fn open(self) -> Result<(Connection, Option<tempfile::TempDir>), Failure> {
        let directory = if self == Place::Memory { None } else { Some(tempfile::tempdir()?) };
        let connection = match &directory {
            Some(directory) => Connection::open(directory.path().join("triggers.sqlite"))?,
            None => Connection::open_in_memory()?,
        };
        connection.pragma_update(None, "cache_size", -2_000_000)?;
        if self != Place::Memory {
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        }
        let synchronous = if self == Place::Synced { "FULL" } else { "OFF" };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.set_prepared_statement_cache_capacity(16);
        Ok((connection, directory))
    }
}

const TABLES: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, region TEXT NOT NULL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, cents INTEGER NOT NULL);
    CREATE TABLE customer_state (customer INTEGER PRIMARY KEY, n INTEGER NOT NULL, cents INTEGER NOT NULL);
    CREATE TABLE region_state (region TEXT PRIMARY KEY, n INTEGER NOT NULL, cents INTEGER NOT NULL) WITHOUT ROWID;
    CREATE VIEW per_customer AS SELECT customer, n, cents FROM customer_state WHERE n > 0;
    CREATE VIEW regions AS SELECT region, cents, n FROM region_state WHERE n > 0;";

/// Triggers on `orders`. An update that moves an order to another customer is a delete and an insert.
fn triggers() -> String {
    let kept = |row: &str| format!("{row}.cents >= {CENTS_MIN}");
    let add = |row: &str, sign: &str| {
        format!(
            "INSERT INTO region_state SELECT region, {sign}1, {sign}{row}.cents FROM customers WHERE id = {row}.customer
             ON CONFLICT (region) DO UPDATE SET n = n + excluded.n, cents = cents + excluded.cents;"
        )
    };
    let count = |row: &str, sign: &str| {
        format!(
            "INSERT INTO customer_state VALUES ({row}.customer, {sign}1, {sign}{row}.cents)
             ON CONFLICT (customer) DO UPDATE SET n = n + excluded.n, cents = cents + excluded.cents;"
        )
    };
    let (new, old) = (kept("NEW"), kept("OLD"));
    format!(
        "CREATE TRIGGER insert_kept AFTER INSERT ON orders WHEN {new} BEGIN {} END;
         CREATE TRIGGER insert_region AFTER INSERT ON orders BEGIN {} END;
         CREATE TRIGGER delete_kept AFTER DELETE ON orders WHEN {old} BEGIN {} END;
         CREATE TRIGGER delete_region AFTER DELETE ON orders BEGIN {} END;
         CREATE TRIGGER move_away AFTER UPDATE ON orders WHEN OLD.customer <> NEW.customer AND {old} BEGIN {} END;
         CREATE TRIGGER move_here AFTER UPDATE ON orders WHEN OLD.customer <> NEW.customer AND {new} BEGIN {} END;
         CREATE TRIGGER move_region AFTER UPDATE ON orders WHEN OLD.customer <> NEW.customer BEGIN {} {} END;
         CREATE TRIGGER change_kept AFTER UPDATE ON orders WHEN OLD.customer = NEW.customer AND ({old} OR {new}) BEGIN
             INSERT INTO customer_state VALUES
                 (NEW.customer, ({new}) - ({old}), iif({new}, NEW.cents, 0) - iif({old}, OLD.cents, 0))
             ON CONFLICT (customer) DO UPDATE SET n = n + excluded.n, cents = cents + excluded.cents;
         END;
         CREATE TRIGGER change_region AFTER UPDATE ON orders WHEN OLD.customer = NEW.customer BEGIN
             UPDATE region_state SET cents = cents + NEW.cents - OLD.cents
             WHERE region = (SELECT region FROM customers WHERE id = NEW.customer);
         END;",
        count("NEW", ""),
        add("NEW", ""),
        count("OLD", "-"),
        add("OLD", "-"),
        count("OLD", "-"),
        count("NEW", ""),
        add("OLD", "-"),
        add("NEW", ""),
    )
}

pub struct Triggers {
    connection: Connection,
    place: Place,
    _directory: Option<tempfile::TempDir>,
}

impl Triggers {
    pub fn new(place: Place, customers: i64, orders: &[Order]) -> Result<Triggers, Failure> {
        let (connection, directory) = place.open()?;
        connection.execute_batch(TABLES)?;
        connection.execute_batch(&triggers())?;
        let mut loaded = Triggers { connection, place, _directory: directory };
        loaded.connection.execute_batch("BEGIN")?;
        {
            let mut insert = loaded.connection.prepare_cached("INSERT INTO customers VALUES (?1, ?2)")?;
            for id in 0..customers {
                insert.execute(params![id, region(id)])?;
            }
        }
        loaded.connection.execute_batch("COMMIT")?;
        for chunk in orders.chunks(100_000) {
            loaded.transaction(chunk.iter().map(|order| Change::Insert(*order)))?;
        }
        Ok(loaded)
    }

    fn transaction(&mut self, changes: impl Iterator<Item = Change>) -> Result<(), Failure> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        {
            let mut insert = self.connection.prepare_cached("INSERT INTO orders VALUES (?1, ?2, ?3)")?;
            let mut delete = self.connection.prepare_cached("DELETE FROM orders WHERE id = ?1")?;
            let mut update = self.connection.prepare_cached("UPDATE orders SET cents = ?2 WHERE id = ?1")?;
            for change in changes {
                match change {
                    Change::Insert(order) => insert.execute(params![order.id, order.customer, order.cents])?,
                    Change::Delete(order) => delete.execute(params![order.id])?,
                    Change::Update(_, after) => update.execute(params![after.id, after.cents])?,
                };
            }
        }
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

impl Contender for Triggers {
    type View = Contents;

    fn name(&self) -> &'static str {
        self.place.name()
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), Failure> {
        self.transaction(batch.iter().copied())
    }

    fn contents(&mut self) -> Result<Contents, Failure> {
        let mut select = self.connection.prepare("SELECT customer, n, cents FROM per_customer ORDER BY customer")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let per_customer = Some(rows.collect::<Result<_, _>>()?);
        let mut select = self.connection.prepare("SELECT region, cents, n FROM regions ORDER BY region")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(Contents { per_customer, regions: Some(rows.collect::<Result<_, _>>()?), most: None, top: None })
    }
}
