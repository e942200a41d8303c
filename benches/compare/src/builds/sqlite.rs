//! SQLite in W7: the query of the view, asked once, with all pages in memory.

use crate::builds::{Asked, Base, Digest, View};
use crate::dataset::region;
use crate::workload::Failure;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

pub const NAME: &str = "SQLite, asked once";

const TABLES: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, region TEXT NOT NULL);
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, cents INTEGER NOT NULL);";

pub struct Queries {
    connection: Connection,
}

/// Both tables with their rows, each in one transaction with one prepared insert.
pub fn load(connection: &Connection, base: &Base) -> Result<(), Failure> {
    connection.execute_batch(TABLES)?;
    connection.execute_batch("BEGIN")?;
    let mut insert = connection.prepare("INSERT INTO customers VALUES (?1, ?2)")?;
    for id in 0..base.customers {
        insert.execute(params![id, region(id)])?;
    }
    connection.execute_batch("COMMIT")?;
    load_orders(connection, base)
}

pub fn load_orders(connection: &Connection, base: &Base) -> Result<(), Failure> {
    connection.execute_batch("BEGIN")?;
    let mut insert = connection.prepare("INSERT INTO orders VALUES (?1, ?2, ?3)")?;
    for order in &base.orders {
        insert.execute(params![order.id, order.customer, order.cents])?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

/// The tables without rows.
pub fn create(connection: &Connection) -> Result<(), Failure> {
    Ok(connection.execute_batch(TABLES)?)
}

impl Queries {
    pub fn new(base: &Base) -> Result<Queries, Failure> {
        let connection = Connection::open_in_memory()?;
        load(&connection, base)?;
        Ok(Queries { connection })
    }
}

impl Asked for Queries {
    fn name(&self) -> &'static str {
        NAME
    }

    fn ask(&mut self, view: &View) -> Result<Digest, Failure> {
        let mut statement = self.connection.prepare(&view.query)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut digest = Digest::default();
        while let Some(row) = rows.next()? {
            digest.rows += 1;
            for column in 0..columns {
                if let ValueRef::Integer(number) = row.get_ref(column)? {
                    digest.sum += i128::from(number);
                }
            }
        }
        Ok(digest)
    }

    fn settle(&mut self, _: &View, digest: Digest) -> Result<Digest, Failure> {
        Ok(digest)
    }
}
