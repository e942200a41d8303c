//! COPY: the files that the statement names, as streams.
//!
//! The plan reads and writes CSV; this only finds the bytes. A file is opened through the same disk seam as everything else. A
//! file that is written appears under its name when it is complete, and replaces an older one.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use monostable_vfs::{File, OsStorage, Storage};

use crate::error::{Error, Result};

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// The directory and the name of a file.
fn place(path: &str) -> Result<(OsStorage, String)> {
    let path = Path::new(path);
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::Misuse(format!("{} does not name a file", path.display())))?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    Ok((OsStorage::open(directory)?, name.to_owned()))
}

/// A file that is read from its beginning.
pub(crate) struct Source {
    file: Box<dyn File>,
    offset: u64,
    buffer: Vec<u8>,
    taken: usize,
}

impl Source {
    pub(crate) fn open(path: &str) -> Result<Source> {
        let (directory, name) = place(path)?;
        Ok(Source { file: directory.open(&name)?, offset: 0, buffer: Vec::new(), taken: 0 })
    }
}

impl Read for Source {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.buffer.len() {
            self.buffer.resize(BUFFER_BYTES, 0);
            let read = self.file.read_at(self.offset, &mut self.buffer).map_err(io::Error::other)?;
            self.buffer.truncate(read);
            self.offset += read as u64;
            self.taken = 0;
        }
        let rest = &self.buffer[self.taken..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        Ok(count)
    }
}

/// A file that is written from its beginning, under another name until it is complete.
pub(crate) struct Sink {
    directory: OsStorage,
    name: String,
    temporary: String,
    file: Box<dyn File>,
    offset: u64,
    buffer: Vec<u8>,
}

impl Sink {
    pub(crate) fn create(path: &str) -> Result<Sink> {
        let (directory, name) = place(path)?;
        let temporary = format!("{name}.part");
        if directory.list()?.contains(&temporary) {
            directory.remove(&temporary)?;
        }
        let file = directory.create(&temporary)?;
        Ok(Sink { directory, name, temporary, file, offset: 0, buffer: Vec::new() })
    }

    /// Puts the file in its place.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush().map_err(|error| Error::Misuse(error.to_string()))?;
        self.file.sync_all()?;
        self.directory.rename(&self.temporary, &self.name)?;
        Ok(self.directory.sync_dir()?)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(self.offset, &self.buffer).map_err(io::Error::other)?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
