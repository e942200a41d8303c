//! What a process can learn of itself and of its files: memory, bytes written, idleness, and how to get files out of the system's cache.
//!
//! Everything here reads `/proc`, so it is for Linux alone.

use crate::workload::Failure;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a process must have been idle to count as settled, and how long that is waited for.
const IDLE_FOR: Duration = Duration::from_millis(1_500);
const IDLE_WITHIN: Duration = Duration::from_secs(240);
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Resident memory in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Resident {
    /// Everything that is mapped in.
    pub all: u64,
    /// Of that, what stands in files: it can be dropped and read again.
    pub files: u64,
}

/// The resident set of this process.
pub fn resident() -> Result<Resident, Failure> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages = |at: usize| text.split_whitespace().nth(at).and_then(|pages| pages.parse::<u64>().ok());
    let (all, files) = pages(1).zip(pages(2)).ok_or("/proc/self/statm has another form")?;
    Ok(Resident { all: all * 4096, files: files * 4096 })
}

/// Has the allocators give back to the system what is free. Otherwise they keep some of it, as long as nobody asks them for more.
pub fn give_back_free_memory() {
    unsafe extern "C" {
        fn mi_collect(force: bool);
    }
    // SAFETY: both only look at the allocators' own books, and may be called by any thread at any time.
    unsafe {
        mi_collect(true);
        libc::malloc_trim(0);
    }
}

/// Bytes that this process has sent to the disk, or will have when its pages are written.
pub fn written_bytes() -> Result<u64, Failure> {
    let text = fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.ok_or("/proc/self/io has another form")?.trim().parse()?)
}

/// Processor time of all threads of this process, in ticks of 10 ms.
fn ticks() -> Result<u64, Failure> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let after_name = text.rsplit_once(')').map_or("", |(_, after)| after);
    let field = |at: usize| after_name.split_whitespace().nth(at).and_then(|ticks| ticks.parse::<u64>().ok());
    let (user, system) = field(11).zip(field(12)).ok_or("/proc/self/stat has another form")?;
    Ok(user + system)
}

/// Returns when no thread of this process has done anything for a while: work in the background is done. The caller does nothing meanwhile.
pub fn wait_until_idle() -> Result<(), Failure> {
    let start = Instant::now();
    let (mut since, mut last) = (Instant::now(), (ticks()?, written_bytes()?));
    while since.elapsed() < IDLE_FOR {
        if start.elapsed() > IDLE_WITHIN {
            return Err("the work in the background does not end".into());
        }
        std::thread::sleep(LOOK_EVERY);
        let now = (ticks()?, written_bytes()?);
        // A thread that wakes up to look for work takes a tick now and then.
        if now.0 > last.0 + 1 || now.1 != last.1 {
            since = Instant::now();
        }
        last = now;
    }
    Ok(())
}

/// Calls `visit` with every file below a directory.
fn each_file(directory: &Path, visit: &mut dyn FnMut(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            each_file(&path, visit)?;
        } else {
            visit(&path)?;
        }
    }
    Ok(())
}

/// Bytes that the files below a directory take on disk. Holes count for nothing, what is allocated ahead counts.
pub fn disk_bytes(directory: &Path) -> Result<u64, Failure> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    each_file(directory, &mut |path| {
        bytes += fs::metadata(path)?.blocks() * 512;
        Ok(())
    })?;
    Ok(bytes)
}

/// Writes all files below a directory to disk and drops them from the system's cache. No process may have them mapped.
pub fn drop_from_cache(directory: &Path) -> Result<(), Failure> {
    each_file(directory, &mut |path| {
        let file = fs::File::open(path)?;
        file.sync_all()?;
        // SAFETY: the descriptor is open for the whole call, which reads and writes no memory.
        match unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) } {
            0 => Ok(()),
            error => Err(std::io::Error::from_raw_os_error(error).into()),
        }
    })
}
