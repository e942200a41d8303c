//! The first and the last bytes of a run file: what it is, and which runs are in it.
//!
//! Reading a database does not need them, because the manifest knows every run. They serve verification, which compares
//! them with the manifest, and whoever has a file and no manifest.

use crate::bytes::{Reader, seeded_crc};
use crate::error::{Error, Result};
use crate::run::file::{RunFile, damaged};
use crate::run::meta::{RunMeta, UNIT_BYTES};

/// The first bytes of every run file.
const MAGIC: &[u8; 8] = b"MSTBLRUN";
/// The format that this release reads and writes.
pub(crate) const VERSION: u32 = 2;
/// Length of the trailer, the last bytes of the file.
const TRAILER_BYTES: usize = 40;

/// The header: the first unit of the file.
pub(crate) fn header(number: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(UNIT_BYTES as usize);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_le_bytes());
    header.extend_from_slice(&[0; 4]);
    header.extend_from_slice(&number.to_le_bytes());
    header.resize(UNIT_BYTES as usize, 0);
    let crc = seeded_crc(u128::from(number), 0, &header);
    header[12..16].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Checks the header of file `number`.
pub(crate) fn check_header(file: &RunFile, number: u64) -> Result<()> {
    let wrong = |what| damaged(file, 0, what);
    let bytes =
        file.mapping.bytes().get(..UNIT_BYTES as usize).ok_or_else(|| wrong("it is shorter than its header"))?;
    let mut reader = Reader::new(bytes);
    if reader.bytes(8) != Some(MAGIC) {
        return Err(wrong("it does not begin like a run file"));
    }
    let version = reader.u32().unwrap_or(0);
    if version != VERSION {
        return Err(Error::UnsupportedVersion { file: file.name.clone(), version, supported: VERSION });
    }
    if bytes != header(number) {
        return Err(wrong("its header is wrong"));
    }
    Ok(())
}

fn directory(runs: &[RunMeta]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&(runs.len() as u32).to_le_bytes());
    runs.iter().for_each(|meta| meta.encode(&mut out));
    out
}

/// Where the file ends if its footer starts at `offset`.
pub(crate) fn end(offset: u64, runs: &[RunMeta]) -> u64 {
    offset + (directory(runs).len() + TRAILER_BYTES) as u64
}

/// The directory of runs and the trailer, for offset `offset`.
pub(crate) fn encode(number: u64, offset: u64, runs: &[RunMeta]) -> Vec<u8> {
    let mut out = directory(runs);
    let crc = seeded_crc(u128::from(number), offset, &out);
    let bytes = out.len() as u64;
    let start = out.len();
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&bytes.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(MAGIC);
    let crc = seeded_crc(u128::from(number), 1, &out[start..]);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// The runs that the footer of file `number` names.
pub(crate) fn decode(file: &RunFile, number: u64) -> Result<Vec<RunMeta>> {
    let whole = file.mapping.bytes();
    let at = whole.len().saturating_sub(TRAILER_BYTES);
    let trailer = &whole[at..];
    let wrong = || damaged(file, at as u64, "its trailer is wrong");
    let (fields, crc) = trailer.split_last_chunk::<4>().ok_or_else(wrong)?;
    if u32::from_le_bytes(*crc) != seeded_crc(u128::from(number), 1, fields) {
        return Err(wrong());
    }
    let mut reader = Reader::new(fields);
    let (offset, bytes) = (reader.u64().ok_or_else(wrong)?, reader.u64().ok_or_else(wrong)?);
    let (stored_number, crc) = (reader.u64().ok_or_else(wrong)?, reader.u32().ok_or_else(wrong)?);
    let end = offset.checked_add(bytes).filter(|&end| end == at as u64 && stored_number == number).ok_or_else(wrong)?;
    let directory = &whole[offset as usize..end as usize];
    let wrong = || damaged(file, offset, "its directory of runs is wrong");
    if seeded_crc(u128::from(number), offset, directory) != crc {
        return Err(wrong());
    }
    let mut reader = Reader::new(directory);
    let count = reader.u32().ok_or_else(wrong)?;
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push(RunMeta::decode(&mut reader).ok_or_else(wrong)?);
    }
    if reader.is_empty() { Ok(runs) } else { Err(wrong()) }
}
