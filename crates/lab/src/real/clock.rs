//! Microseconds since the process began to measure, the one time of a run, and what the system says of processes.

use std::sync::OnceLock;
use std::time::Instant;

/// A second.
pub const SECOND: u64 = 1_000_000;

/// Now, in microseconds since the first call.
pub fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_micros() as u64
}

/// The directory in which the system says what it knows of a process; without a number, of this one.
fn known(process: Option<u32>) -> String {
    format!("/proc/{}", process.map_or("self".to_owned(), |id| id.to_string()))
}

/// Resident memory of a process, in bytes.
pub fn resident_bytes(process: Option<u32>) -> Option<u64> {
    let status = std::fs::read_to_string(known(process) + "/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// Processor time of a process so far, in seconds, at the kernel's resolution of a hundredth; with that of its children that
/// have ended.
pub fn cpu_seconds(process: Option<u32>) -> Option<f64> {
    let stat = std::fs::read_to_string(known(process) + "/stat").ok()?;
    // The second field is a name in parentheses that may hold anything; fields are counted after it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(ticks as f64 / 100.0)
}

/// Bytes that a process has caused to be written to disk so far; with those of its children that have ended.
pub fn written_bytes(process: Option<u32>) -> Option<u64> {
    let io = std::fs::read_to_string(known(process) + "/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
}

/// The page cache of the whole machine, in bytes.
pub fn page_cache_bytes() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("Cached:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}
