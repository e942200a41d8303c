//! The manifest: which runs belong to which arrangement, the catalog, and up to where the log is contained in them.
//!
//! Two kinds of files. `MANIFEST` has two slots of 4 KiB with the same content: a sequence number, which log of edits is
//! valid, and up to which byte. `MANIFEST-<number>.log` is that log. A commit appends one edit, syncs, writes the first slot,
//! syncs, writes the second slot, syncs. So:
//!
//! - the commit point is the first slot; before it, bytes behind the valid end of the log mean nothing;
//! - a commit that was acknowledged is in both slots, so no single damaged slot can take it back or make the database
//!   unreadable;
//! - at most one slot is being written at any time, so after any crash at least one of them is whole.
//!
//! After a failed write or sync of a slot, or a failed sync of the log, nothing is known and the manifest is poisoned. A long
//! log is replaced by a new one that begins with the whole state.
//!
//! Cost: a commit is three small syncs and O(size of the edit), plus O(state) for the next state in memory. Opening is
//! O(log), which is kept within a small factor of O(state).

mod slot;
pub(crate) mod state;

use std::sync::Arc;

use monostable_vfs::{File, Storage};

use crate::bytes::{Reader, seeded_crc};
use crate::error::{Error, Result};
use slot::{SLOT_BYTES, Slot};
use state::{Edit, State};

/// The file with the two slots.
pub(crate) const NAME: &str = "MANIFEST";
const TEMPORARY_NAME: &str = "MANIFEST.tmp";
/// Length, checksum and sequence number in front of an edit.
const FRAME_BYTES: u64 = 16;
/// A log shorter than this is never rewritten.
const LOG_BYTES_MIN: u64 = 1 << 20;

/// The open manifest.
#[derive(Debug)]
pub(crate) struct Manifest {
    storage: Arc<dyn Storage>,
    slots: Box<dyn File>,
    /// `None` before the first commit.
    log: Option<Box<dyn File>>,
    slot: Slot,
    snapshot_bytes: u64,
    state: State,
    /// A log that is not valid any more and still has its name.
    retired_log: Option<u64>,
    poisoned: bool,
}

/// The name of a log of edits.
fn log_name(number: u64) -> String {
    format!("{NAME}-{number:016x}.log")
}

/// Whether a file is a manifest file of a store; for removing those that are not in use.
pub(crate) fn is_manifest_file(name: &str) -> bool {
    name == TEMPORARY_NAME || is_log(name)
}

/// Whether a file is a log of edits.
pub(crate) fn is_log(name: &str) -> bool {
    let number =
        name.strip_prefix(NAME).and_then(|rest| rest.strip_prefix('-')).and_then(|rest| rest.strip_suffix(".log"));
    number.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

impl Manifest {
    fn over(storage: Arc<dyn Storage>, slots: Box<dyn File>, slot: Slot) -> Manifest {
        let state = State::default();
        Manifest { storage, slots, log: None, slot, snapshot_bytes: 0, state, retired_log: None, poisoned: false }
    }

    /// Makes an empty manifest. There must be none.
    pub(crate) fn create(storage: Arc<dyn Storage>) -> Result<Manifest> {
        if storage.list()?.iter().any(|name| name == TEMPORARY_NAME) {
            storage.remove(TEMPORARY_NAME)?;
        }
        let slot = Slot::default();
        let file = storage.create(TEMPORARY_NAME)?;
        for index in 0..2 {
            file.write_at(index * SLOT_BYTES, &slot.encode())?;
        }
        file.sync_all()?;
        storage.rename(TEMPORARY_NAME, NAME)?;
        storage.sync_dir()?;
        let slots = storage.open(NAME)?;
        Ok(Manifest::over(storage, slots, slot))
    }

    /// Writes a manifest that says the same into another, empty directory.
    pub(crate) fn copy_to(&self, target: Arc<dyn Storage>) -> Result<()> {
        let mut copy = Manifest::create(target)?;
        copy.commit(&self.state.snapshot())
    }

    /// Reads the manifest; mends a slot that is damaged or was not written when the process ended.
    pub(crate) fn open(storage: Arc<dyn Storage>) -> Result<Manifest> {
        let slots = storage.open(NAME)?;
        let mut bytes = vec![0; 2 * SLOT_BYTES as usize];
        slots.read_exact_at(0, &mut bytes)?;
        let (first, second) = bytes.split_at(SLOT_BYTES as usize);
        let (first, second) = (Slot::decode(first)?, Slot::decode(second)?);
        let newest = first.into_iter().chain(second).max_by_key(|slot| slot.sequence);
        let slot = newest.ok_or_else(|| damaged(NAME, 0, "both of its slots are damaged"))?;
        let mut manifest = Manifest::over(storage, slots, slot);
        manifest.read_log()?;
        if first != Some(slot) || second != Some(slot) {
            manifest.write_slots()?;
        }
        Ok(manifest)
    }

    fn read_log(&mut self) -> Result<()> {
        if self.slot.log == 0 {
            return Ok(());
        }
        let name = log_name(self.slot.log);
        let log = self.storage.open(&name)?;
        let actual = log.len()?;
        if actual < self.slot.log_bytes {
            return Err(damaged(&name, actual, "it is shorter than the manifest says"));
        }
        let length =
            usize::try_from(self.slot.log_bytes).map_err(|_| damaged(NAME, 0, "the log is impossibly long"))?;
        let mut bytes = vec![0; length];
        log.read_exact_at(0, &mut bytes)?;
        let mut offset = 0;
        let mut last = (0, 0);
        while offset < self.slot.log_bytes {
            let wrong = |what| damaged(&name, offset, what);
            let (edit, sequence, crc, bytes) = read_edit(&bytes, self.slot.log, offset).map_err(wrong)?;
            if last.0 != 0 && sequence != last.0 + 1 {
                return Err(wrong("an edit is missing before it"));
            }
            self.state = self.state.apply(&edit).ok_or_else(|| wrong("the edit contradicts the ones before it"))?;
            if offset == 0 {
                self.snapshot_bytes = bytes;
            }
            offset += bytes;
            last = (sequence, crc);
        }
        if last != (self.slot.sequence, self.slot.last_crc) {
            return Err(damaged(&name, offset, "its last edit is not the one that the manifest names"));
        }
        self.log = Some(log);
        Ok(())
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.slot.sequence
    }

    /// Makes an edit durable. After an error other than [`Error::Poisoned`] the state in memory is the one before.
    pub(crate) fn commit(&mut self, edit: &Edit) -> Result<()> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        let next = self.state.apply(edit).ok_or_else(|| damaged(NAME, 0, "an edit contradicts its state"))?;
        let log_bytes_max = LOG_BYTES_MIN.max(4 * self.snapshot_bytes);
        if self.log.is_none() || self.slot.log_bytes > log_bytes_max {
            self.commit_in_new_log(&next)?;
        } else {
            self.commit_in_log(edit)?;
        }
        self.state = next;
        Ok(())
    }

    fn commit_in_log(&mut self, edit: &Edit) -> Result<()> {
        let sequence = self.slot.sequence + 1;
        let (bytes, crc) = frame(self.slot.log, self.slot.log_bytes, sequence, edit);
        let log = self.log.as_deref().ok_or(Error::Poisoned)?;
        // Nothing refers to these bytes yet: if the write fails, the next commit writes them again.
        log.write_at(self.slot.log_bytes, &bytes)?;
        self.poisoned = true;
        log.sync_data()?;
        self.slot.log_bytes += bytes.len() as u64;
        self.slot.sequence = sequence;
        self.slot.last_crc = crc;
        self.write_slots()?;
        self.poisoned = false;
        Ok(())
    }

    fn commit_in_new_log(&mut self, next: &State) -> Result<()> {
        let (old, number, sequence) = (self.slot.log, self.slot.log + 1, self.slot.sequence + 1);
        let name = log_name(number);
        if self.storage.list()?.contains(&name) {
            self.storage.remove(&name)?;
        }
        let log = self.storage.create(&name)?;
        let (bytes, crc) = frame(number, 0, sequence, &next.snapshot());
        log.write_at(0, &bytes)?;
        self.poisoned = true;
        log.sync_all()?;
        self.storage.sync_dir()?;
        self.slot = Slot { sequence, log: number, log_bytes: bytes.len() as u64, last_crc: crc };
        self.write_slots()?;
        self.poisoned = false;
        self.snapshot_bytes = bytes.len() as u64;
        self.log = Some(log);
        self.retired_log = Some(old).filter(|&old| old != 0);
        Ok(())
    }

    fn write_slots(&self) -> Result<()> {
        for index in 0..2 {
            self.slots.write_at(index * SLOT_BYTES, &self.slot.encode())?;
            self.slots.sync_data()?;
        }
        Ok(())
    }

    /// Removes a log that the last commits have replaced.
    pub(crate) fn remove_retired_log(&mut self) -> Result<()> {
        if let Some(number) = self.retired_log {
            self.storage.remove(&log_name(number))?;
            self.retired_log = None;
        }
        Ok(())
    }

    /// Whether a file is in use by this manifest.
    pub(crate) fn uses(&self, name: &str) -> bool {
        name == NAME || name == log_name(self.slot.log)
    }

    /// Reads everything again from the disk and compares. For verification.
    pub(crate) fn verify(&self) -> Result<()> {
        let mut bytes = vec![0; 2 * SLOT_BYTES as usize];
        self.slots.read_exact_at(0, &mut bytes)?;
        for (index, slot) in bytes.chunks_exact(SLOT_BYTES as usize).enumerate() {
            if Slot::decode(slot)? != Some(self.slot) {
                return Err(damaged(NAME, index as u64 * SLOT_BYTES, "one of its slots is damaged"));
            }
        }
        let mut again = Manifest::over(Arc::clone(&self.storage), self.storage.open(NAME)?, self.slot);
        again.read_log()?;
        if again.state == self.state {
            Ok(())
        } else {
            Err(damaged(NAME, 0, "it says something else than when it was opened"))
        }
    }
}

/// An edit with its frame, for byte `offset` of log `log`, and its checksum.
fn frame(log: u64, offset: u64, sequence: u64, edit: &Edit) -> (Vec<u8>, u32) {
    let payload = edit.encode();
    let mut out = Vec::with_capacity(payload.len() + FRAME_BYTES as usize);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&payload);
    let crc = seeded_crc(u128::from(log), offset, &out);
    out[4..8].copy_from_slice(&crc.to_le_bytes());
    (out, crc)
}

/// The edit at `offset`, its sequence number, its checksum and its length; or what is wrong with it.
fn read_edit(log_bytes: &[u8], log: u64, offset: u64) -> Result<(Edit, u64, u32, u64), &'static str> {
    const CUT: &str = "an edit is cut short";
    let rest = log_bytes.get(offset as usize..).ok_or(CUT)?;
    let mut header = Reader::new(rest);
    let payload_bytes = header.u32().ok_or(CUT)?;
    let crc = header.u32().ok_or(CUT)?;
    let sequence = header.u64().ok_or(CUT)?;
    let payload = header.bytes(payload_bytes as usize).ok_or(CUT)?;
    let bytes = FRAME_BYTES + u64::from(payload_bytes);
    let mut framed = rest[..bytes as usize].to_vec();
    framed[4..8].fill(0);
    if seeded_crc(u128::from(log), offset, &framed) != crc {
        return Err("the checksum of an edit is wrong");
    }
    let edit = Edit::decode(payload).ok_or("an edit makes no sense")?;
    Ok((edit, sequence, crc, bytes))
}

fn damaged(file: &str, offset: u64, what: &'static str) -> Error {
    Error::Corruption { file: file.to_owned(), offset, what }
}
