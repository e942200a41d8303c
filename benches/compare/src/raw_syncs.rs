//! What the device allows a durable commit: the bytes of a batch written to a file that has its size, and one `fdatasync`.
//!
//! It keeps no views and is no peer; it takes part in the rounds so that it meets the device in the same mood as the others.

use crate::contender::{Contender, Contents};
use crate::dataset::Change;
use crate::workload::Failure;
use std::fs::File;
use std::os::unix::fs::FileExt;

const FILE_BYTES: u64 = 16 << 20;
/// An order is three numbers.
const CHANGE_BYTES: usize = 24;
const PAGE_BYTES: usize = 4096;

pub struct RawSyncs {
    file: File,
    offset: u64,
}

impl RawSyncs {
    pub fn new() -> Result<RawSyncs, Failure> {
        let file = tempfile::tempfile()?;
        file.write_all_at(&vec![0; FILE_BYTES as usize], 0)?;
        file.sync_all()?;
        Ok(RawSyncs { file, offset: 0 })
    }
}

impl Contender for RawSyncs {
    type View = Contents;

    fn name(&self) -> &'static str {
        "limit: fdatasync"
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), Failure> {
        let bytes = vec![1; (batch.len() * CHANGE_BYTES).next_multiple_of(PAGE_BYTES)];
        if self.offset + bytes.len() as u64 > FILE_BYTES {
            self.offset = 0;
        }
        self.file.write_all_at(&bytes, self.offset)?;
        self.file.sync_data()?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn contents(&mut self) -> Result<Contents, Failure> {
        Ok(Contents::default())
    }
}
