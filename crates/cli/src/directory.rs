//! What the command asks of a database's directory, without opening it.
//!
//! It reads names and sizes only. What the files mean is the library's affair.

use std::path::Path;

use crate::failure::{Failure, Result};

/// Refuses a path at which there is no directory: what only looks must not create.
pub(crate) fn must_exist(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let what = if path.exists() { "is not a directory" } else { "does not exist" };
    Err(Failure::message(format!("{} {what}: name the directory of a database", path.display())))
}

/// Whether nothing is there, or an empty directory.
pub(crate) fn is_empty(path: &Path) -> Result<bool> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(Failure::message(format!("cannot read {}: {error}", path.display()))),
    }
}

/// The sizes of all files in the directory and below it, added up.
pub(crate) fn bytes(path: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() { bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(total)
}
