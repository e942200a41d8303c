//! Bulk load: all orders into an empty table.
//!
//! Ours is `COPY .. FROM` a CSV file, one statement and one commit. SQLite gets the values through a prepared insert, without parsing anything.

#[cfg(feature = "duckdb")]
use crate::builds::duckdb;
use crate::builds::{Base, sqlite};
use crate::clocks::taken;
use crate::ours::{TABLES, csv};
use crate::report::Report;
use crate::workload::{Failure, Scale};
use monostable::Database;
use rusqlite::Connection;
use std::path::Path;

const ROUNDS: usize = 3;

/// Somebody who loads: name, case, and what it does with the rows, their CSV file and an empty directory.
struct Loader {
    name: &'static str,
    case: &'static str,
    /// Answers how many rows are there, and the seconds that the load took.
    load: fn(&Base, &Path, &Path) -> Result<(u64, f64), Failure>,
}

const VOLATILE: &str = "bulk load";
const DURABLE: &str = "bulk load durable";

fn loaders() -> Vec<Loader> {
    let loader = |name, case, load| Loader { name, case, load };
    vec![
        loader("monostable", VOLATILE, |_, file, _| ours(&Database::in_memory()?, file)),
        loader("SQLite, prepared insert", VOLATILE, |base, _, _| sqlite(&Connection::open_in_memory()?, base)),
        #[cfg(feature = "duckdb")]
        loader("DuckDB, appender", VOLATILE, |base, _, _| {
            let connection = duckdb::create()?;
            let ((), taken) = taken(|| duckdb::append_orders(&connection, base))?;
            Ok((duckdb::count(&connection)?, taken.wall))
        }),
        #[cfg(feature = "duckdb")]
        loader("DuckDB, COPY", VOLATILE, |_, file, _| {
            let connection = duckdb::create()?;
            let copy = format!("COPY orders FROM '{}' (FORMAT csv)", file.display());
            let ((), taken) = taken(|| connection.execute_batch(&copy))?;
            Ok((duckdb::count(&connection)?, taken.wall))
        }),
        loader("monostable", DURABLE, |_, file, directory| ours(&Database::open(directory.join("ours"))?, file)),
        loader("SQLite, prepared insert", DURABLE, |base, _, directory| {
            let connection = Connection::open(directory.join("orders.sqlite"))?;
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "cache_size", -2_000_000)?;
            sqlite(&connection, base)
        }),
    ]
}

fn ours(db: &Database, file: &Path) -> Result<(u64, f64), Failure> {
    TABLES.iter().try_for_each(|table| db.execute(table).map(drop))?;
    let copy = format!("COPY orders FROM '{}' WITH (FORMAT csv)", file.display());
    let (rows, taken) = taken(|| db.execute(&copy))?;
    Ok((rows, taken.wall))
}

fn sqlite(connection: &Connection, base: &Base) -> Result<(u64, f64), Failure> {
    sqlite::create(connection)?;
    let ((), taken) = taken(|| sqlite::load_orders(connection, base))?;
    let rows: i64 = connection.query_row("SELECT count(*) FROM orders", [], |row| row.get(0))?;
    Ok((rows.try_into()?, taken.wall))
}

pub fn run(report: &mut Report, scale: &Scale, base: &Base) -> Result<(), Failure> {
    report.setting(
        "W7 bulk load",
        &format!("{} orders in one transaction, into a table with a primary key", base.orders.len()),
    );
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("orders.csv");
    std::fs::write(&file, csv(&base.orders))?;
    let loaders: Vec<Loader> = loaders().into_iter().filter(|loader| scale.includes(loader.name)).collect();
    let mut rates: Vec<Vec<f64>> = loaders.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (loader, rates) in loaders.iter().zip(&mut rates) {
            eprintln!("W7 {}: {}", loader.case, loader.name);
            let place = tempfile::tempdir()?;
            let (rows, seconds) = (loader.load)(base, &file, place.path())?;
            if rows != base.orders.len() as u64 {
                return Err(format!("{}: loaded {rows} rows", loader.name).into());
            }
            rates.push(rows as f64 / seconds);
        }
    }
    for (loader, rates) in loaders.iter().zip(rates) {
        report.add("W7", loader.case, loader.name, "rows/s", true, rates);
    }
    Ok(())
}
