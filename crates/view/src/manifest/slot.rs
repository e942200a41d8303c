//! One slot of the manifest: the root from which everything else is found.

use crate::bytes::{Reader, seeded_crc};
use crate::error::{Error, Result};

/// Length of a slot, and the distance between the two.
pub(crate) const SLOT_BYTES: u64 = 4096;
const MAGIC: &[u8; 8] = b"MSTBLMAN";
/// The format that this release reads and writes.
const VERSION: u32 = 2;

/// What a slot says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Number of the last edit.
    pub(crate) sequence: u64,
    /// Number of the log of edits; 0 when there is none yet.
    pub(crate) log: u64,
    /// Up to where the log is valid.
    pub(crate) log_bytes: u64,
    /// Checksum of the last edit.
    pub(crate) last_crc: u32,
}

impl Slot {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SLOT_BYTES as usize);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        for field in [self.sequence, self.log, self.log_bytes] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&self.last_crc.to_le_bytes());
        out.resize(SLOT_BYTES as usize, 0);
        let crc = seeded_crc(0, 0, &out);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// `None` for a damaged slot; an error for a whole one of another format.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Slot>> {
        Ok(Slot::read(bytes)?.filter(|slot| slot.encode() == bytes))
    }

    fn read(bytes: &[u8]) -> Result<Option<Slot>> {
        let mut plain = bytes.to_vec();
        let Some(field) = plain.get_mut(12..16) else { return Ok(None) };
        field.fill(0);
        let mut reader = Reader::new(bytes);
        let (magic, version, crc) = (reader.bytes(8), reader.u32(), reader.u32());
        if magic != Some(MAGIC) || crc != Some(seeded_crc(0, 0, &plain)) {
            return Ok(None);
        }
        match version {
            Some(VERSION) => Ok((|| {
                Some(Slot {
                    sequence: reader.u64()?,
                    log: reader.u64()?,
                    log_bytes: reader.u64()?,
                    last_crc: reader.u32()?,
                })
            })()),
            version => Err(Error::UnsupportedVersion {
                file: super::NAME.to_owned(),
                version: version.unwrap_or(0),
                supported: VERSION,
            }),
        }
    }
}
