//! The writer: it sets the tables up and commits the year, one transaction after the other.
//!
//! Each transaction also advances the number kept in table `replay`. A writer that is killed, and another that goes on,
//! therefore agree on where to go on, whatever was acknowledged to whom. Cost: what the commits cost.

use monostable::{Database, Transaction, Value, params};

use super::data;
use super::schedule::{Correction, Schedule, Writes};
use super::schema;
use crate::failure::{Failure, Result};

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The days of the year that are to be replayed.
    pub(crate) days: u32,
    /// The number of the transaction that comes next.
    pub(crate) next: usize,
}

/// Creates what is missing of tables and views, loads the small tables, and marks the beginning of the replay. A set-up
/// that was interrupted is completed.
pub(crate) fn set_up(db: &Database, days: u32) -> Result<()> {
    for table in schema::TABLES {
        db.execute(table)?;
    }
    for view in schema::VIEWS {
        db.execute(&view.create())?;
    }
    if position(db)?.is_none() {
        let mut transaction = db.begin()?;
        load(&mut transaction, schema::INSERT_AIRLINE, data::airlines()?)?;
        load(&mut transaction, schema::INSERT_AIRPORT, data::airports()?)?;
        load(&mut transaction, schema::INSERT_PLANE, data::planes()?)?;
        transaction.execute(schema::START_REPLAY, params![i64::from(days)])?;
        transaction.commit()?;
    }
    Ok(())
}

/// Text is converted to the type of its column.
fn load(transaction: &mut Transaction, insert: &str, rows: data::Fields) -> Result<()> {
    for row in rows {
        let values: Vec<Value> = row.into_iter().map(Value::from).collect();
        transaction.execute(insert, &values)?;
    }
    Ok(())
}

/// Where the replay in this database is; `None` if it has not begun.
pub(crate) fn position(db: &Database) -> Result<Option<Position>> {
    let Some(row) = db.query(schema::REPLAY_STATE)?.first() else { return Ok(None) };
    Ok(Some(Position { days: row.get("days")?, next: row.get("next_transaction")? }))
}

/// Commits one transaction of the schedule. When this returns it is durable, and every view shows it.
pub(crate) fn commit(db: &Database, schedule: &Schedule, number: usize) -> Result<()> {
    let mut transaction = db.begin()?;
    match &schedule.transactions[number] {
        Writes::Hour(positions) => positions.clone().try_for_each(|at| report(&mut transaction, schedule, at))?,
        Writes::Single(position) => report(&mut transaction, schedule, *position)?,
        Writes::Corrections(corrections) => corrections.iter().try_for_each(|one| correct(&mut transaction, one))?,
    }
    let next = i64::try_from(number + 1).map_err(|_| Failure::message("the schedule is too long"))?;
    transaction.execute(schema::ADVANCE_REPLAY, params![next])?;
    transaction.commit()?;
    Ok(())
}

fn report(transaction: &mut Transaction, schedule: &Schedule, position: usize) -> Result<()> {
    let flight = &schedule.flights[position];
    let values = params![
        flight.id,
        flight.scheduled.as_str(),
        flight.carrier.as_str(),
        flight.number,
        flight.tailnum.as_deref(),
        flight.origin.as_str(),
        flight.dest.as_str(),
        flight.departure_delay,
        flight.arrival_delay,
        flight.air_minutes,
        flight.miles
    ];
    transaction.execute(schema::INSERT_FLIGHT, values)?;
    Ok(())
}

fn correct(transaction: &mut Transaction, correction: &Correction) -> Result<()> {
    let changed = match correction {
        Correction::Cancelled { id } => transaction.execute(schema::CANCEL_FLIGHT, params![*id])?,
        Correction::Amended { id, arrival_delay } => {
            transaction.execute(schema::AMEND_FLIGHT, params![*id, *arrival_delay])?
        }
        Correction::Exchanged { id, tailnum } => {
            transaction.execute(schema::EXCHANGE_PLANE, params![*id, tailnum.as_deref()])?
        }
    };
    if changed == 1 { Ok(()) } else { Err(Failure::message(format!("{correction:?} changed {changed} flights"))) }
}

/// Flights that are in the table when the transactions before `next` are in: those reported and not deleted.
pub(crate) fn flights_expected(schedule: &Schedule, next: usize) -> i64 {
    let change = |writes: &Writes| match writes {
        Writes::Hour(positions) => i64::try_from(positions.len()).unwrap_or(i64::MAX),
        Writes::Single(_) => 1,
        Writes::Corrections(corrections) => {
            let cancelled = corrections.iter().filter(|one| matches!(one, Correction::Cancelled { .. }));
            -i64::try_from(cancelled.count()).unwrap_or(i64::MAX)
        }
    };
    schedule.transactions[..next].iter().map(change).sum()
}
