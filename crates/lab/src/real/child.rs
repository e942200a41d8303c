//! A process of its own around one Monostable directory, so that it can be killed as a crash would do it.
//!
//! The child opens the directory, reads a first page, reads all pages, and says after each of them, a line at a time on
//! standard output, that it has. Then it reads at a fixed rate from intended send times until it is killed or asked to end,
//! says the percentiles of each second, and, if it writes, how many writes have been acknowledged so far. A line is said
//! after what it tells has happened, so the parent never believes more than is true.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::clock;
use super::error::{Error, Result, at};
use super::keys::Keys;
use super::store::{Reader, Store, Views};
use super::workload::Workload;
use crate::random::{Random, Skew};

/// A child that does not outlive its parent's interest.
pub(super) struct Killed(pub(super) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nobody to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads per second.
const READS: u64 = 2_000;

/// What the child is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The directory.
    pub directory: PathBuf,
    /// What is in it.
    pub workload: Workload,
    /// Bytes of state that may be kept in memory.
    pub memory_bytes: u64,
    /// The exponent of the keys' skew; 0 for none.
    pub exponent: f64,
    /// Whether it also writes, as fast as commits go.
    pub writes: bool,
    /// Seconds until it ends by itself.
    pub seconds: u64,
}

/// A line of the child's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Line {
    /// The directory is open.
    Open,
    /// A page has been read.
    First,
    /// All pages have been read, with so many events after the initial ones.
    Complete(u64),
    /// Another second of reads: median and 99th percentile in microseconds, resident bytes.
    Second(f64, f64, f64),
    /// So many writes have been acknowledged.
    Acknowledged(u64),
}

impl Line {
    /// Its text.
    pub fn text(&self) -> String {
        match self {
            Line::Open => "open".to_owned(),
            Line::First => "first".to_owned(),
            Line::Complete(events) => format!("complete {events}"),
            Line::Second(median, p99, resident) => format!("second {median} {p99} {resident}"),
            Line::Acknowledged(count) => format!("acknowledged {count}"),
        }
    }

    /// From its text. A line that was cut off by the kill is none.
    pub fn read(text: &str) -> Option<Line> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["open"] => Some(Line::Open),
            ["first"] => Some(Line::First),
            ["complete", events] => Some(Line::Complete(events.parse().ok()?)),
            ["second", median, p99, resident] => {
                Some(Line::Second(median.parse().ok()?, p99.parse().ok()?, resident.parse().ok()?))
            }
            ["acknowledged", count] => Some(Line::Acknowledged(count.parse().ok()?)),
            _ => None,
        }
    }
}

fn say(line: Line) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", line.text()).and_then(|()| out.flush()).map_err(at("standard output"))
}

/// Does the task.
pub fn run(task: &Task) -> Result<()> {
    let store = Views::open(task.workload, &task.directory, task.memory_bytes)?;
    say(Line::Open)?;
    let mut reader = store.reader()?;
    let keys =
        Keys::new(task.workload.keys, if task.exponent > 0.0 { Skew::Zipf(task.exponent) } else { Skew::Uniform });
    reader.page(keys.at_rank(0, 0))?;
    say(Line::First)?;
    let mut events = 0;
    for key in 0..task.workload.keys {
        events += task.workload.version(&reader.page(key)?).ok_or(Error::NotAPage("Monostable"))?;
    }
    say(Line::Complete(events))?;
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writing = task.writes.then(|| scope.spawn(|| write(&store, task.workload, &ended)));
        let read = read(reader.as_mut(), &keys, task.seconds);
        ended.store(true, Ordering::Relaxed);
        let written = writing.map_or(Ok(()), |thread| thread.join().unwrap_or(Err(Error::Ended("the writer"))));
        read.and(written)
    })
}

fn write(store: &Views, workload: Workload, ended: &AtomicBool) -> Result<()> {
    let mut writer = store.writer()?;
    let mut random = Random::stream(0, 11);
    let mut count = 0;
    while !ended.load(Ordering::Relaxed) {
        writer.write(workload.first_event() + count, random.below(workload.keys))?;
        count += 1;
        say(Line::Acknowledged(count))?;
    }
    Ok(())
}

fn read(reader: &mut dyn Reader, keys: &Keys, seconds: u64) -> Result<()> {
    let mut random = Random::stream(0, 12);
    let began = Instant::now();
    for second in 0..seconds {
        let mut latencies = Histogram::<u64>::new_with_bounds(1, 120_000_000, 2)?;
        for at in 0..READS {
            let due = Duration::from_micros(second * clock::SECOND + at * clock::SECOND / READS);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
            // A sleep that ends late is not the store's: the read is timed from when it could be sent at the earliest.
            let from = if began.elapsed() < due + Duration::from_millis(1) { began.elapsed() } else { due };
            reader.page(keys.at_rank(keys.rank(&mut random), 0))?;
            let micros = began.elapsed().saturating_sub(from).as_micros() as u64;
            latencies.saturating_record(micros.max(1));
        }
        let resident = clock::resident_bytes(None).unwrap_or(0) as f64;
        say(Line::Second(latencies.value_at_quantile(0.5) as f64, latencies.value_at_quantile(0.99) as f64, resident))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_said() {
        let lines =
            [Line::Open, Line::First, Line::Complete(7), Line::Second(1.0, 2.5, 4096.0), Line::Acknowledged(12)];
        for line in lines {
            assert_eq!(Line::read(&line.text()), Some(line));
        }
        for cut in ["", "secon", "second 1", "second 1 2", "acknowledged", "complete x"] {
            assert_eq!(Line::read(cut), None, "{cut}");
        }
    }
}
