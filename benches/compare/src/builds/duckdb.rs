//! DuckDB in W7: the query of the view, asked once, in memory, on one thread.

use crate::builds::{Asked, Base, Digest, View};
use crate::dataset::region;
use crate::workload::Failure;
use duckdb::types::Value;
use duckdb::{Config, Connection, params};

pub const NAME: &str = "DuckDB, asked once";

const TABLES: &str = "
    CREATE TABLE customers (id BIGINT PRIMARY KEY, region TEXT NOT NULL);
    CREATE TABLE orders (id BIGINT PRIMARY KEY, customer BIGINT NOT NULL, cents BIGINT NOT NULL);";

pub struct Queries {
    connection: Connection,
}

/// An empty database in memory, with both tables.
pub fn create() -> Result<Connection, Failure> {
    let connection = Connection::open_in_memory_with_flags(Config::default().threads(1)?)?;
    connection.execute_batch(TABLES)?;
    Ok(connection)
}

pub fn append_orders(connection: &Connection, base: &Base) -> Result<(), Failure> {
    let mut orders = connection.appender("orders")?;
    for order in &base.orders {
        orders.append_row(params![order.id, order.customer, order.cents])?;
    }
    Ok(orders.flush()?)
}

/// How many orders there are.
pub fn count(connection: &Connection) -> Result<u64, Failure> {
    let rows: i64 = connection.query_row("SELECT count(*) FROM orders", [], |row| row.get(0))?;
    Ok(rows.try_into()?)
}

impl Queries {
    pub fn new(base: &Base) -> Result<Queries, Failure> {
        let connection = create()?;
        {
            let mut customers = connection.appender("customers")?;
            for id in 0..base.customers {
                customers.append_row(params![id, region(id)])?;
            }
            customers.flush()?;
        }
        append_orders(&connection, base)?;
        Ok(Queries { connection })
    }
}

impl Asked for Queries {
    fn name(&self) -> &'static str {
        NAME
    }

    fn ask(&mut self, view: &View) -> Result<Digest, Failure> {
        let mut statement = self.connection.prepare(&view.query)?;
        let mut rows = statement.query([])?;
        let columns = rows.as_ref().map_or(0, |statement| statement.column_count());
        let mut digest = Digest::default();
        while let Some(row) = rows.next()? {
            digest.rows += 1;
            for column in 0..columns {
                digest.sum += match row.get::<_, Value>(column)? {
                    Value::BigInt(number) => i128::from(number),
                    Value::HugeInt(number) => number,
                    _ => 0,
                };
            }
        }
        Ok(digest)
    }

    fn settle(&mut self, _: &View, digest: Digest) -> Result<Digest, Failure> {
        Ok(digest)
    }
}
