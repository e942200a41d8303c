//! Segment files: their names, how one comes into being, and how one is read.
//!
//! The invariant that recovery rests on is made here, by [`publish`]: a file called `*.wal` had a durable header before it had
//! that name, so a segment without a valid header is damage, never a half-made file. What a caller passes in under a working
//! name ([`SPARE`], [`FRESH`]) may hold anything, even an older use of a segment: its nonce keeps those bytes from ever
//! verifying.
//!
//! Cost: publishing is two writes and two syncs of a file and one of the directory, once per segment. Reading goes through a window of
//! 256 KiB and copies each payload once.

use bytes::Bytes;
use monostable_vfs::{self as vfs, File, Storage};

use crate::error::{Damage, Error, Result};
use crate::format::{ALIGNMENT, GROUP_HEADER_BYTES, GroupHeader, SEGMENT_HEADER_BYTES, SegmentHeader, VERSION};
use crate::lsn::Lsn;

/// A file that was zero-filled or recycled and waits to become a segment.
pub(crate) const SPARE: &str = "wal.spare";
/// A file on its way to becoming a segment.
pub(crate) const FRESH: &str = "wal.new";

const SUFFIX: &str = ".wal";
const WINDOW_BYTES: usize = 256 << 10;

/// The file name of a segment: fixed width, so that names sort like numbers.
pub(crate) fn name_of(number: u64) -> String {
    format!("{number:016x}{SUFFIX}")
}

/// The segment numbers in a directory, ascending. Other files are not ours to judge.
pub(crate) fn numbers(storage: &dyn Storage) -> Result<Vec<u64>> {
    let names = storage.list()?;
    let parsed = names.iter().filter_map(|name| {
        let number = u64::from_str_radix(name.strip_suffix(SUFFIX)?, 16).ok()?;
        (name_of(number) == *name).then_some(number)
    });
    let mut numbers: Vec<u64> = parsed.collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Writes both copies of the header and makes contents, then name, durable.
pub(crate) fn publish(
    storage: &dyn Storage,
    working_name: &str,
    file: &dyn File,
    header: &SegmentHeader,
) -> vfs::Result<()> {
    file.write_at(0, &header.encode())?;
    file.sync_all()?;
    storage.rename(working_name, &name_of(header.number))?;
    storage.sync_dir()
}

/// An empty file under [`FRESH`], whatever an interrupted attempt left there.
pub(crate) fn create_fresh(storage: &dyn Storage) -> vfs::Result<Box<dyn File>> {
    remove_if_present(storage, FRESH)?;
    storage.create(FRESH)
}

pub(crate) fn remove_if_present(storage: &dyn Storage, name: &str) -> vfs::Result<()> {
    match storage.remove(name) {
        Err(vfs::Error::NotFound { .. }) => Ok(()),
        outcome => outcome,
    }
}

/// Zeros for filling ahead, block by block. One large write would be no faster on the disk and slower ever after: the page cache
/// keeps what was written together as one folio, a sync of one block of it waits for the sync of any other that is in flight,
/// and the whole of it is accounted as written each time. With fills of 1 MiB, eight writers had half the syncs.
pub(crate) fn zero_fill(file: &dyn File, from: u64, to: u64) -> vfs::Result<()> {
    let zeros = [0; ALIGNMENT as usize];
    let mut at = from;
    while at < to {
        let end = to.min((at / ALIGNMENT + 1) * ALIGNMENT);
        file.write_at(at, &zeros[..(end - at) as usize])?;
        at = end;
    }
    Ok(())
}

/// Reads one segment file.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    file: Box<dyn File>,
    pub(crate) header: SegmentHeader,
    pub(crate) name: String,
    window_start: u64,
    window: Vec<u8>,
}

/// What stands where a group is expected. The outer error is the disk's, the inner one the bytes'.
pub(crate) type Found<T> = Result<std::result::Result<T, Damage>>;

impl SegmentReader {
    /// Opens a segment by number and checks its header; a damaged one is corruption (see [`publish`]).
    pub(crate) fn open(storage: &dyn Storage, number: u64) -> Result<SegmentReader> {
        let name = name_of(number);
        let file = storage.open(&name)?;
        let header = read_header(&*file, &name, number)?;
        Ok(SegmentReader { file, header, name, window_start: 0, window: Vec::new() })
    }

    /// The error for damage found in this segment.
    pub(crate) fn corruption(&self, offset: u64, damage: Damage, to: Lsn) -> Error {
        Error::Corruption { segment: self.name.clone(), offset, from: self.header.lsn_of(offset), to, damage }
    }

    /// Where reading stops making sense: the end of the file or of the room for groups.
    pub(crate) fn limit(&self) -> Result<u64> {
        Ok(self.file.len()?.min(self.header.segment_bytes))
    }

    /// The header of the group at `offset`, if there is one.
    pub(crate) fn header_at(&mut self, offset: u64) -> Found<GroupHeader> {
        self.load(offset, GROUP_HEADER_BYTES)?;
        let bytes = self.loaded(offset, GROUP_HEADER_BYTES);
        Ok(bytes.ok_or(Damage::Short).and_then(|bytes| GroupHeader::decode(bytes, &self.header, offset)))
    }

    /// The group at `offset`, verified whole.
    pub(crate) fn group_at(&mut self, offset: u64) -> Found<(GroupHeader, Bytes)> {
        let header = match self.header_at(offset)? {
            Ok(header) => header,
            Err(damage) => return Ok(Err(damage)),
        };
        let start = offset + GROUP_HEADER_BYTES;
        self.load(start, header.payload_bytes)?;
        let Some(payload) = self.loaded(start, header.payload_bytes) else {
            return Ok(Err(Damage::Short));
        };
        let checked = header.check_payload(payload, &self.header, offset);
        Ok(checked.map(|()| Bytes::copy_from_slice(payload)).map(|payload| (header, payload)))
    }

    /// The bytes of a range if the window holds all of them.
    fn loaded(&self, offset: u64, bytes: u64) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.window_start)?).ok()?;
        let end = start.checked_add(usize::try_from(bytes).ok()?)?;
        self.window.get(start..end)
    }

    /// Brings a range into the window, as far as the file has it. The length was checked against the segment's; it is held
    /// against the file's too, so that a lie in a header costs no memory.
    fn load(&mut self, offset: u64, bytes: u64) -> Result<()> {
        if self.loaded(offset, bytes).is_some() {
            return Ok(());
        }
        let available = usize::try_from(self.limit()?.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = usize::try_from(bytes).unwrap_or(usize::MAX).max(WINDOW_BYTES).min(available);
        self.window.resize(wanted, 0);
        self.window_start = offset;
        let mut filled = 0;
        while filled < wanted {
            let count = self.file.read_at(offset + filled as u64, &mut self.window[filled..])?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        self.window.truncate(filled);
        Ok(())
    }
}

/// Takes whichever copy is valid.
fn read_header(file: &dyn File, name: &str, number: u64) -> Result<SegmentHeader> {
    let mut blocks = vec![0; SEGMENT_HEADER_BYTES as usize];
    let mut filled = 0;
    while filled < blocks.len() {
        let count = file.read_at(filled as u64, &mut blocks[filled..])?;
        if count == 0 {
            break;
        }
        filled += count;
    }
    for block in blocks.chunks_exact(ALIGNMENT as usize) {
        match SegmentHeader::decode(block) {
            Some((version, None)) => {
                return Err(Error::UnsupportedVersion { segment: name.to_owned(), version, supported: VERSION });
            }
            Some((_, Some(header))) if header.number == number => return Ok(header),
            _ => {}
        }
    }
    Err(Error::Corruption {
        segment: name.to_owned(),
        offset: 0,
        from: Lsn::ZERO,
        to: Lsn::ZERO,
        damage: Damage::SegmentHeader,
    })
}

/// Reads group after group and checks that each follows its predecessor.
#[derive(Debug)]
pub(crate) struct GroupCursor {
    pub(crate) reader: SegmentReader,
    pub(crate) offset: u64,
    /// Number and chain value that the next group must have, where they are known.
    pub(crate) expected: Option<(u64, u32)>,
}

impl GroupCursor {
    /// From the first group of a segment.
    pub(crate) fn at_start(reader: SegmentReader) -> GroupCursor {
        let expected = Some((reader.header.first_group, reader.header.chain));
        GroupCursor { reader, offset: SEGMENT_HEADER_BYTES, expected }
    }

    /// From the group at `lsn`, whose predecessor is not looked at unless it is the first.
    pub(crate) fn at(reader: SegmentReader, lsn: Lsn) -> GroupCursor {
        let offset = reader.header.offset_of(lsn);
        if offset == SEGMENT_HEADER_BYTES {
            return GroupCursor::at_start(reader);
        }
        GroupCursor { reader, offset, expected: None }
    }

    /// The position of the next group.
    pub(crate) fn lsn(&self) -> Lsn {
        self.reader.header.lsn_of(self.offset)
    }

    /// Verifies the next group and moves behind it; stays where it is if there is none.
    pub(crate) fn advance(&mut self) -> Found<(GroupHeader, Bytes)> {
        let found = self.reader.group_at(self.offset)?;
        let (header, payload) = match found {
            Ok(found) => found,
            Err(damage) => return Ok(Err(damage)),
        };
        if self.expected.is_some_and(|expected| expected != (header.group, header.chain)) {
            return Ok(Err(Damage::Chain));
        }
        self.offset = self.offset.saturating_add(header.bytes());
        self.expected = Some((header.group.saturating_add(1), header.header_crc));
        Ok(Ok((header, payload)))
    }
}
