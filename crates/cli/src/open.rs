//! Opening a database from the command line.
//!
//! A process that has just been killed holds its lock until the system has taken it apart, which takes some milliseconds.
//! Whoever types the next command should not have to know that, so a locked directory is tried again for a moment.

use std::path::Path;
use std::time::{Duration, Instant};

use monostable::{Background, Database, Options};

use crate::failure::Result;

const LOCK_WAIT_MAX: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);
/// The SQLSTATE of a directory that somebody else has.
const LOCKED: &str = "55006";

/// Opens the database in a directory, to work with it.
pub(crate) fn open(directory: &Path) -> Result<Database> {
    open_with(&Options::at(directory))
}

/// Opens it without background work and without a checkpoint at the end: its files stay as they are, but for the tail of
/// the log, which opening makes durable.
pub(crate) fn open_to_look(directory: &Path) -> Result<Database> {
    let mut options = Options::at(directory);
    options.background = Background::Manual;
    options.checkpoint_on_close = false;
    open_with(&options)
}

fn open_with(options: &Options) -> Result<Database> {
    let started = Instant::now();
    loop {
        match Database::open_with(options.clone()) {
            Err(error) if error.sqlstate() == LOCKED && started.elapsed() < LOCK_WAIT_MAX => std::thread::sleep(PAUSE),
            opened => return Ok(opened?),
        }
    }
}
