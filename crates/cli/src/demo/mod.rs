//! `monostable demo`: a year of flights, a writer that is killed, and the question whether anything was lost.
//!
//! The demo makes the tables and views, lets another process write, kills it half way with SIGKILL, opens the database
//! again, compares every view with its query, writes the rest while another thread reads, compares again, and shows what it
//! measured. A comparison that fails ends it with exit status 1.
//!
//! All state is in the database: a demo that is interrupted anywhere goes on where it was when it is started again.

mod data;
mod progress;
mod reads;
mod replay;
mod report;
mod run;
mod schedule;
mod schema;
mod verify;
mod writer;

use std::path::{Path, PathBuf};

pub(crate) use data::DAYS_MAX;

use crate::arguments::Demo;
use crate::directory;
use crate::failure::{Failure, Result};
use crate::open::open;
use replay::Position;
use schedule::Schedule;

const DEFAULT_DIRECTORY: &str = "monostable-demo";

/// Runs the subcommand, or the writing process of it.
pub(crate) fn run(arguments: &Demo) -> Result<()> {
    let given = arguments.directory.as_deref();
    let directory = given.map_or_else(|| PathBuf::from(DEFAULT_DIRECTORY), Path::to_owned);
    if arguments.writer {
        return writer::write(&directory);
    }
    let position = set_up(&directory, arguments.days, given.is_none())?;
    run::run(directory, position)
}

/// Makes the database, or finds out how far it is. A demo that has ended is replaced only in the default place, where
/// nobody keeps anything.
fn set_up(directory: &Path, days: u32, replaceable: bool) -> Result<Position> {
    match begun(directory)? {
        Some(position) if !has_ended(position)? => return Ok(position),
        Some(_) if replaceable => std::fs::remove_dir_all(directory)?,
        Some(_) => return Err(ended(directory)),
        None => {}
    }
    let db = open(directory)?;
    replay::set_up(&db, days)?;
    db.close()?;
    Ok(Position { days, next: 0 })
}

/// How far the demo in this directory is; `None` if there is none, or it was interrupted before its first transaction.
fn begun(directory: &Path) -> Result<Option<Position>> {
    if directory::is_empty(directory)? {
        return Ok(None);
    }
    let db = open(directory)?;
    let tables = db.session().execute("SHOW TABLES")?.into_iter().filter_map(|outcome| outcome.rows).flatten();
    let tables = tables.map(|row| Ok(row.get::<String>(0)?)).collect::<Result<Vec<String>>>()?;
    let position = match tables.iter().any(|table| table == schema::REPLAY_TABLE) {
        true => replay::position(&db)?,
        false if tables.is_empty() => None,
        false => return Err(occupied(directory)),
    };
    db.close()?;
    Ok(position)
}

fn has_ended(position: Position) -> Result<bool> {
    Ok(position.next >= Schedule::new(data::flights(position.days)?).transactions.len())
}

fn ended(directory: &Path) -> Failure {
    let directory = directory.display();
    Failure::message(format!(
        "the demo in {directory} has ended: look at it with `monostable sql {directory}`, or remove it"
    ))
}

fn occupied(directory: &Path) -> Failure {
    Failure::message(format!("{} holds another database: name an empty directory for the demo", directory.display()))
}
