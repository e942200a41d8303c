//! What the fuzz targets share: disks in memory, and damage to their files.
//!
//! There are two kinds of damage. A *burst* changes at most four bytes in a row: a CRC-32 detects every one, so what is read
//! afterwards must be right or an error. *Foreign bytes* of any length may carry valid checksums of their own, so there it is
//! only asked that nothing panics and no memory is asked for that the file cannot justify.
#![forbid(unsafe_code)]

pub mod shop;
pub mod store;

use std::collections::BTreeMap;

use monostable_vfs::{MemoryStorage, Storage};

/// The longest burst.
const BURST_BYTES_MAX: usize = 4;

/// The files of a disk, by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Damage to one place of one file.
#[derive(Debug)]
pub struct Damage<'a> {
    /// Which file, counted over the files in order of their names, and again from the first.
    file: usize,
    /// Where in the file, counted over its bytes, and again from the first.
    offset: usize,
    bytes: &'a [u8],
    burst: bool,
}

impl<'a> Damage<'a> {
    /// Damage as the fuzzer describes it; `None` if the input is too short.
    pub fn parse(input: &'a [u8]) -> Option<Damage<'a>> {
        let (&[kind, file, ..], bytes) = input.split_at_checked(6)? else { return None };
        let offset = u32::from_le_bytes(input.get(2..6)?.try_into().ok()?);
        Some(Damage { file: usize::from(file), offset: usize::try_from(offset).ok()?, bytes, burst: kind & 1 == 0 })
    }

    /// Whether every checksum of 32 bits detects it.
    pub fn is_burst(&self) -> bool {
        self.burst
    }

    /// The damaged files, of those whose name passes the filter.
    pub fn apply(&self, files: &Files, filter: impl Fn(&str) -> bool) -> Files {
        let mut files = files.clone();
        let names: Vec<String> = files.keys().filter(|name| filter(name)).cloned().collect();
        let name = &names[self.file % names.len()];
        let file = files.get_mut(name).expect("the name was taken from the files");
        let offset = self.offset % file.len().max(1);
        if self.burst {
            let changed = file[offset..].iter_mut().zip(self.bytes.iter().take(BURST_BYTES_MAX));
            changed.for_each(|(byte, change)| *byte ^= change);
        } else {
            let end = offset + self.bytes.len();
            file.resize(file.len().max(end), 0);
            file[offset..end].copy_from_slice(self.bytes);
        }
        files
    }
}

/// The files of a disk.
pub fn files(disk: &MemoryStorage) -> Files {
    let read = |name: String| {
        let file = disk.open(&name).expect("it was listed");
        let mut bytes = vec![0; usize::try_from(file.len().expect("it is open")).expect("it is in memory")];
        file.read_exact_at(0, &mut bytes).expect("it has this length");
        (name, bytes)
    };
    disk.list().expect("a disk in memory").into_iter().map(read).collect()
}

/// A disk with these files.
pub fn disk(files: &Files) -> MemoryStorage {
    let disk = MemoryStorage::new();
    for (name, bytes) in files {
        let file = disk.create(name).expect("a disk in memory");
        file.write_at(0, bytes).expect("a disk in memory");
        if name.ends_with(".run") {
            file.set_read_only().expect("a disk in memory");
        }
    }
    disk
}
