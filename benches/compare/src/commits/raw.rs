//! The machine's limit: threads that write 4 KiB each and sync it, on files of their own or all on one.
//!
//! The files are filled with zeros and synced first, so that a sync changes no metadata: less than that no log can do.

use super::pace::{Pace, pace};
use crate::workload::{Failure, Outcome};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const BLOCK_BYTES: usize = 4096;
const BLOCKS_OF_ONE: u64 = 16_384;
const BLOCKS_OF_EACH: u64 = 256;

/// Files to sync, filled.
pub struct Files {
    files: Vec<File>,
    blocks: u64,
}

impl Files {
    /// One file for all threads.
    pub fn one(directory: &Path) -> Result<Files, Failure> {
        Ok(Files { files: vec![filled(&directory.join("shared"), BLOCKS_OF_ONE)?], blocks: BLOCKS_OF_ONE })
    }

    /// A file for each thread.
    pub fn each(directory: &Path, threads: usize) -> Result<Files, Failure> {
        let file = |thread: usize| filled(&directory.join(format!("own-{thread}")), BLOCKS_OF_EACH);
        Ok(Files { files: (0..threads).map(file).collect::<Result<_, Failure>>()?, blocks: BLOCKS_OF_EACH })
    }

    /// Appends and syncs for so long. A thread takes the file that is its own, or the only one; a file is begun again at its end.
    pub fn pace(&self, threads: usize, seconds: f64) -> Result<Pace, Failure> {
        let next: Vec<AtomicU64> = self.files.iter().map(|_| AtomicU64::new(0)).collect();
        pace(threads, seconds, |thread, round| {
            let own = thread % self.files.len();
            round.repeat(|| append(&self.files[own], next[own].fetch_add(1, Ordering::Relaxed) % self.blocks))
        })
    }
}

fn append(file: &File, block: u64) -> Outcome {
    file.write_all_at(&[1; BLOCK_BYTES], block * BLOCK_BYTES as u64)?;
    Ok(file.sync_data()?)
}

fn filled(path: &Path, blocks: u64) -> Result<File, Failure> {
    let file = File::options().create(true).truncate(true).write(true).open(path)?;
    for block in 0..blocks {
        file.write_all_at(&[0; BLOCK_BYTES], block * BLOCK_BYTES as u64)?;
    }
    file.sync_all()?;
    Ok(file)
}
