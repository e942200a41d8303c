//! Where the data is: one trait for SQLite, PostgreSQL and Monostable, so that all of them answer the same reads and take
//! the same writes through the same pools of workers.
//!
//! A store is filled once, as a template, and copied for each run, so that every run begins with the same bytes. Durability
//! is on everywhere: a write returns when it survives a crash of the machine.

mod monostable_server;
mod monostable_views;
mod postgresql;
mod sqlite;

use std::path::Path;

use super::error::{Result, at};
use super::workload::{Page, Workload};

pub use monostable_server::Served;
pub use monostable_views::Views;
pub use postgresql::Postgres;
pub use sqlite::Sqlite;

/// Which store, and how it answers reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// The query is computed for each read.
    Query,
    /// A trigger keeps a summary table that is read by its key.
    Summary,
    /// A materialized view is read by its key.
    View,
}

/// A place where the data is.
pub trait Store: Send + Sync {
    /// A connection for reads. Each worker has its own.
    fn reader(&self) -> Result<Box<dyn Reader>>;
    /// A connection for writes.
    fn writer(&self) -> Result<Box<dyn Writer>>;
    /// Loses everything that the process holds in memory, and opens again what is on disk. Reads and writes that come
    /// meanwhile wait for it.
    fn restart(&self) -> Result<()>;
    /// Every setting that matters.
    fn settings(&self) -> Vec<(String, String)>;
    /// The process that does the work, if it is not this one.
    fn process(&self) -> Option<u32> {
        None
    }
}

/// One connection that reads.
pub trait Reader: Send {
    /// The page of a key.
    fn page(&mut self, key: u64) -> Result<Page>;
}

/// One connection that writes.
pub trait Writer: Send {
    /// Adds an event to a page, durably.
    fn write(&mut self, event: u64, key: u64) -> Result<()> {
        self.write_all(&[(event, key)])
    }

    /// Adds several events, each to its page, in one transaction.
    fn write_all(&mut self, events: &[(u64, u64)]) -> Result<()>;
}

/// Makes and fills a store of `form` in `directory`.
pub fn build(form: Form, workload: Workload, directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory).map_err(at(directory))?;
    match form {
        Form::View => monostable_views::build(workload, directory),
        Form::Query | Form::Summary => sqlite::build(workload, form == Form::Summary, directory),
    }
}

/// Opens what [`build`] made, or a copy of it.
pub fn open(form: Form, workload: Workload, directory: &Path, memory_bytes: u64) -> Result<Box<dyn Store>> {
    Ok(match form {
        Form::View => Box::new(Views::open(workload, directory, memory_bytes)?),
        Form::Query | Form::Summary => {
            Box::new(Sqlite::open(workload, form == Form::Summary, directory, memory_bytes)?)
        }
    })
}

/// Copies a store that nobody has open, and waits until the copy is on the disk: what it left to be written would be in
/// the way of the run's own commits.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).map_err(at(to))?;
    for entry in std::fs::read_dir(from).map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            std::fs::copy(&source, &target).map_err(at(&source))?;
            std::fs::File::open(&target).and_then(|file| file.sync_all()).map_err(at(&target))?;
        }
    }
    Ok(())
}

/// Bytes of all files below a directory.
pub fn size(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory).map_err(at(directory))? {
        let entry = entry.map_err(at(directory))?;
        let path = entry.path();
        bytes += if path.is_dir() { size(&path)? } else { entry.metadata().map_err(at(&path))?.len() };
    }
    Ok(bytes)
}
