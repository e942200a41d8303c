//! The demo's last page: what was measured, in one small table.
//!
//! Numbers are shown with as many digits as they deserve. Nothing is measured here.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use super::reads::Latencies;

/// Work that was done, and the time it took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rate {
    pub(super) count: usize,
    pub(super) elapsed: Duration,
}

impl Rate {
    fn per_second(self) -> String {
        let seconds = self.elapsed.as_secs_f64();
        if self.count == 0 || seconds <= 0.0 { "-".to_owned() } else { grouped(self.count as f64 / seconds) }
    }
}

/// Everything that the last page shows.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) hourly_commits: Rate,
    pub(super) hourly_rows: Rate,
    pub(super) single_commits: Rate,
    pub(super) reads_while_writing: Latencies,
    pub(super) reads_idle: Latencies,
    pub(super) read_from_scratch: Duration,
    pub(super) views_read: Duration,
    pub(super) views_from_scratch: Duration,
    pub(super) open_after_kill: Duration,
    pub(super) open_after_close: Duration,
    pub(super) bytes_on_disk: u64,
}

impl Measured {
    /// The table.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_FULL_CONDENSED);
        let mut row = |what: &str, figure: String| {
            table.add_row([what, figure.as_str()]);
        };
        row("commits of one flight, durable, one writer", format!("{} /s", self.single_commits.per_second()));
        row("commits of one hour of flights", format!("{} /s", self.hourly_commits.per_second()));
        row("  flights in them, through all views", format!("{} /s", self.hourly_rows.per_second()));
        row("read of one row of a view, p50 / p99 / p99.9", quantiles(&self.reads_idle));
        let reads = grouped(self.reads_while_writing.count() as f64);
        row(&format!("  {reads} such reads while flights are committed"), quantiles(&self.reads_while_writing));
        row("  the same query from scratch, over the table", duration(self.read_from_scratch));
        row("all views read to the end", duration(self.views_read));
        row("  the same queries from scratch", duration(self.views_from_scratch));
        row("open after SIGKILL", duration(self.open_after_kill));
        row("open after close", duration(self.open_after_close));
        row("bytes on disk", format!("{:.1} MiB", self.bytes_on_disk as f64 / f64::from(1 << 20)));
        if let Some(figures) = table.column_mut(1) {
            figures.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

fn quantiles(latencies: &Latencies) -> String {
    let shares = [0.5, 0.99, 0.999];
    shares.map(|share| duration(latencies.quantile(share))).join(" / ")
}

/// A time with three digits and its unit.
pub(super) fn duration(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos() as f64;
    let (value, unit) = match nanoseconds {
        small if small < 1e3 => (small, "ns"),
        micro if micro < 1e6 => (micro / 1e3, "µs"),
        milli if milli < 1e9 => (milli / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    let digits = if unit == "ns" || value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// A whole number with its thousands set apart.
pub(super) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(grouped(336_776.0), "336,776");
        assert_eq!(grouped(12.0), "12");
        assert_eq!(grouped(1_000_000.4), "1,000,000");
        assert_eq!(duration(Duration::from_nanos(732)), "732 ns");
        assert_eq!(duration(Duration::from_nanos(41_230)), "41.2 µs");
        assert_eq!(duration(Duration::from_millis(1_234)), "1.23 s");
        assert_eq!(duration(Duration::from_micros(4_321)), "4.32 ms");
        assert_eq!(Rate { count: 3_000, elapsed: Duration::from_secs(2) }.per_second(), "1,500");
        assert_eq!(Rate::default().per_second(), "-");
    }
}
