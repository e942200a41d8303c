//! Read-only views of immutable files: the only module of the workspace that contains `unsafe` code.
//!
//! A [`Mapping`] is a [`Bytes`] over a whole file, plus [`Mapping::populate`], which brings a range into memory and reports
//! a bad sector or a file that has been cut as an error, where plain access to the bytes would raise SIGBUS. Slices of the
//! bytes keep the mapping alive; it is unmapped when the last of them is gone.
//!
//! Invariants: the mapping is exactly as long as the caller required, the file had that length when it was mapped, and it is
//! mapped for reading only.
//!
//! Cost: mapping is one system call however long the file is. Populating works in chunks of [`CHUNK_BYTES`], as Linux maps
//! neighbouring pages that are in the page cache in one go, and one bit per chunk remembers it, so that only the first touch
//! of a chunk is a system call. It costs a disk read for what is not in the page cache. A file that was written in pieces of
//! 2 MiB at multiples of it is in the page cache in huge pages, and then one page-table entry covers 32 chunks.

use std::fmt;
use std::fs;
use std::io;
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use memmap2::Mmap;

use crate::error::{Error, Operation, Result};

/// What is populated at once.
const CHUNK_BYTES: u64 = 64 << 10;

/// The bytes of one immutable file. Cloning is cheap.
#[derive(Clone)]
pub struct Mapping {
    bytes: Bytes,
    file: Arc<str>,
    mapped: Option<Arc<Mapped>>,
}

/// What keeps the pages, and the file, to ask what of it is cached and for kernels that cannot populate.
struct Mapped {
    map: Mmap,
    file: fs::File,
    /// One bit per chunk that was populated.
    populated: Box<[AtomicU64]>,
}

/// Lets [`Bytes`] own a share of the map.
struct Owner(Arc<Mapped>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0.map
    }
}

impl Mapping {
    /// Wraps bytes that are in memory already.
    pub(crate) fn from_bytes(file: &str, bytes: Bytes) -> Mapping {
        Mapping { bytes, file: file.into(), mapped: None }
    }

    /// Maps a whole file that must be exactly `bytes` long.
    pub(crate) fn from_file(name: &str, file: fs::File, bytes: u64) -> Result<Mapping> {
        let failed = |source| Error::from_io(Operation::Map, name, None, source);
        check_length(name, bytes, file.metadata().map_err(failed)?.len())?;
        if bytes == 0 {
            return Ok(Mapping::from_bytes(name, Bytes::new()));
        }
        let length = usize::try_from(bytes).map_err(|_| failed(io::Error::from(io::ErrorKind::FileTooLarge)))?;
        let map = map_read_only(&file, length).map_err(failed)?;
        let words = bytes.div_ceil(CHUNK_BYTES).div_ceil(64);
        let populated = (0..words).map(|_| AtomicU64::new(0)).collect();
        let mapped = Arc::new(Mapped { map, file, populated });
        let bytes = Bytes::from_owner(Owner(Arc::clone(&mapped)));
        Ok(Mapping { bytes, file: name.into(), mapped: Some(mapped) })
    }

    /// The whole file. Slices of it share the mapping.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Brings a range of bytes into memory, so that touching it afterwards does not wait for the disk, and fails where the
    /// disk cannot give them. Call it before the first touch of a range. Does nothing for memory that is not mapped.
    pub fn populate(&self, range: Range<u64>) -> Result<()> {
        let (start, end) = (range.start, range.end);
        let mapped_bytes = self.bytes.len() as u64;
        if start > end || end > mapped_bytes {
            return Err(Error::OutOfRange { file: self.file.to_string(), start, end, mapped_bytes });
        }
        match &self.mapped {
            Some(mapped) if start < end => mapped
                .populate(start, end - start)
                .map_err(|source| Error::from_io(Operation::Map, &*self.file, Some(start), source)),
            _ => Ok(()),
        }
    }

    /// Maps a range up to the first part that the system does not have in memory already, and answers whether that is all of it.
    /// Hardly waits for the disk, and reports nothing: what cannot be had is left to [`Mapping::populate`]. Looking for what is not in
    /// memory makes the system read some of it, so whoever got `false` does not ask for the rest.
    pub fn warm(&self, range: Range<u64>) -> bool {
        if range.start > range.end || range.end > self.bytes.len() as u64 {
            return false;
        }
        match &self.mapped {
            Some(mapped) if range.start < range.end => mapped.warm(range.start, range.end),
            _ => true,
        }
    }

    /// Asks the disk for a range without waiting for it, and without an error if it cannot be given: [`Mapping::populate`] will be
    /// called for it soon, and by then waits less. With many such ranges the disk works on several at once. Does nothing for
    /// memory that is not mapped.
    pub fn will_need(&self, range: Range<u64>) {
        if let Some(mapped) = &self.mapped
            && range.start < range.end
            && range.end <= self.bytes.len() as u64
        {
            mapped.will_need(range.start, range.end);
        }
    }
}

impl Deref for Mapping {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.bytes
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("file", &self.file).field("bytes", &self.bytes.len()).finish()
    }
}

impl Mapped {
    /// Both numbers are inside the map, hence fit a `usize`.
    fn populate(&self, start: u64, bytes: u64) -> io::Result<()> {
        let end = start + bytes;
        let (mut chunk, last) = (start / CHUNK_BYTES, (end - 1) / CHUNK_BYTES);
        // The chunks that lie before the first one to populate are done.
        while chunk <= last && self.is_populated(chunk) {
            chunk += 1;
        }
        if chunk > last {
            return Ok(());
        }
        let from = chunk * CHUNK_BYTES;
        let to = ((last + 1) * CHUNK_BYTES).min(self.map.len() as u64);
        if self.bring_in(from, to - from).is_err() {
            // A bad sector beside what is wanted is no business of this caller.
            return self.bring_in(start, bytes);
        }
        for chunk in chunk..=last {
            self.mark_populated(chunk);
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn will_need(&self, start: u64, end: u64) {
        for chunk in start / CHUNK_BYTES..=(end - 1) / CHUNK_BYTES {
            if !self.is_populated(chunk) {
                let from = chunk * CHUNK_BYTES;
                let bytes = CHUNK_BYTES.min(self.map.len() as u64 - from);
                // A hint: who populates the range sees what is wrong with it.
                let _ = self.map.advise_range(memmap2::Advice::WillNeed, from as usize, bytes as usize);
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn will_need(&self, _start: u64, _end: u64) {}

    /// Chunks that are cached are brought in with one call. Ends at the first that is not.
    fn warm(&self, start: u64, end: u64) -> bool {
        let chunks = start / CHUNK_BYTES..(end - 1) / CHUNK_BYTES + 1;
        let Some(first) = chunks.clone().find(|&chunk| !self.is_populated(chunk)) else { return true };
        let cold = (first..chunks.end).find(|&chunk| !self.is_populated(chunk) && !self.is_cached(chunk * CHUNK_BYTES));
        let last = cold.unwrap_or(chunks.end);
        let (from, to) = (first * CHUNK_BYTES, (last * CHUNK_BYTES).min(self.map.len() as u64));
        if from < to && self.bring_in(from, to - from).is_ok() {
            (first..last).for_each(|chunk| self.mark_populated(chunk));
        }
        (first..chunks.end).all(|chunk| self.is_populated(chunk))
    }

    /// Whether a byte of the file is in the page cache; `false` where the system cannot tell. Linux begins to read what is not, a
    /// read-ahead at once, and does not wait for it.
    #[cfg(target_os = "linux")]
    fn is_cached(&self, at: u64) -> bool {
        use rustix::io::{ReadWriteFlags, preadv2};
        let mut byte = [0];
        let read = preadv2(&self.file, &mut [io::IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT);
        matches!(read, Ok(1))
    }

    #[cfg(not(target_os = "linux"))]
    fn is_cached(&self, _at: u64) -> bool {
        false
    }

    fn is_populated(&self, chunk: u64) -> bool {
        // Relaxed is enough: whoever sees the bit too late asks the system once more.
        let word = self.populated.get((chunk / 64) as usize);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & 1 << (chunk % 64) != 0)
    }

    fn mark_populated(&self, chunk: u64) {
        if let Some(word) = self.populated.get((chunk / 64) as usize) {
            word.fetch_or(1 << (chunk % 64), Ordering::Relaxed);
        }
    }

    fn bring_in(&self, start: u64, bytes: u64) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        match self.map.advise_range(memmap2::Advice::PopulateRead, start as usize, bytes as usize) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            outcome => return outcome,
        }
        self.read_through(start, bytes)
    }

    /// For systems without `MADV_POPULATE_READ` (Linux before 5.14, and others): read the range once through the file. The
    /// pages are then in the page cache, so that a bad sector shows here, as an error.
    fn read_through(&self, start: u64, bytes: u64) -> io::Result<()> {
        use std::os::unix::fs::FileExt as _;
        let mut buffer = vec![0; 1 << 16];
        let end = start + bytes;
        let mut at = start;
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            self.file.read_exact_at(&mut buffer[..wanted], at)?;
            at += wanted as u64;
        }
        Ok(())
    }
}

/// The one `unsafe` block of the workspace.
///
/// `Mmap` is unsafe because the memory behind a `&[u8]` must not change while it is borrowed, and a mapped file can be
/// changed by anyone. What makes it sound here is a rule, not a check: only files that this library has finished are mapped
/// (synced, made read-only, then given their final name), nothing of ours opens them for writing again, they are removed
/// only by unlink, which leaves the pages in place, and the directory is locked against other processes that play by the
/// rules. A process that ignores all this can change the bytes under us; they are only ever interpreted as plain bytes by
/// decoders that check every length and checksum, so what it can cause is a detected corruption, or SIGBUS if it shortens
/// the file after `populate`.
#[expect(unsafe_code, reason = "memory mapping has no safe form; the argument stands above")]
fn map_read_only(file: &fs::File, length: usize) -> io::Result<Mmap> {
    // SAFETY: the file is immutable by the protocol above, and the map is read-only and exactly `length` bytes long.
    unsafe { memmap2::MmapOptions::new().len(length).map(file) }
}

/// A run file has one right length; a longer one is as suspicious as a shorter one.
pub(crate) fn check_length(name: &str, expected_bytes: u64, actual_bytes: u64) -> Result<()> {
    if expected_bytes == actual_bytes {
        return Ok(());
    }
    Err(Error::WrongLength { file: name.to_owned(), expected_bytes, actual_bytes })
}
