//! Figures as a reader wants to see them: three significant digits, a prefix, a unit; and the scales and ticks of axes.
//!
//! What was not measured has one spelling, [`NOT_MEASURED`], and never becomes a number on the way.

/// What stands where there is no figure.
pub(super) const NOT_MEASURED: &str = "not measured";

/// What a figure counts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Unit {
    /// Seconds; shown with a prefix from nanoseconds up.
    Seconds,
    /// Bytes; shown in decimal multiples.
    Bytes,
    /// Something for each second.
    PerSecond,
    /// 0 to 1; shown as a percentage.
    Share,
    /// A plain number.
    Count,
    /// A unit of its own.
    Other(String),
}

impl Unit {
    /// The unit of a line of results, and what its value is to be multiplied with.
    pub(super) fn of(unit: &str, name: &str) -> (Unit, f64) {
        match unit {
            "s" => (Unit::Seconds, 1.0),
            "ms" => (Unit::Seconds, 1e-3),
            "us" => (Unit::Seconds, 1e-6),
            "ns" => (Unit::Seconds, 1e-9),
            "bytes" | "B" => (Unit::Bytes, 1.0),
            "1/s" => (Unit::PerSecond, 1.0),
            "1" | "" if name.contains("share") || name.contains("probability") => (Unit::Share, 1.0),
            "1" | "" => (Unit::Count, 1.0),
            other => (Unit::Other(other.to_owned()), 1.0),
        }
    }

    /// A figure with its unit.
    pub(super) fn show(&self, value: f64) -> String {
        match self {
            Unit::Seconds if value.abs() >= 100.0 => format!("{} s", grouped(value)),
            Unit::Seconds => prefixed(value, "s"),
            Unit::Bytes => prefixed(value, "B"),
            Unit::PerSecond => format!("{}/s", count(value)),
            Unit::Share => format!("{} %", significant(value * 100.0)),
            Unit::Count => count(value),
            Unit::Other(unit) => format!("{} {unit}", count(value)),
        }
    }

    /// A figure at an axis, where the axis' title may carry the unit.
    pub(super) fn tick(&self, value: f64) -> String {
        match self {
            Unit::Seconds | Unit::Bytes => self.show(value).replace(".00 ", " ").replace(".0 ", " "),
            Unit::Share => format!("{} %", trimmed(value * 100.0)),
            _ if value == 0.0 => "0".to_owned(),
            _ if value.abs() >= 1000.0 => {
                let text = prefixed(value, "");
                let (digits, prefix) = text.split_once(' ').unwrap_or((&text, ""));
                let digits =
                    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
                format!("{digits}{prefix}")
            }
            _ => trimmed(value),
        }
    }

    /// What an axis' title says in brackets, if its ticks do not say it.
    pub(super) fn title(&self) -> Option<&str> {
        match self {
            Unit::PerSecond => Some("per second"),
            Unit::Other(unit) => Some(unit),
            _ => None,
        }
    }
}

/// A figure or the words for its absence.
pub(super) fn shown(value: Option<f64>, unit: &Unit) -> String {
    value.map_or_else(|| NOT_MEASURED.to_owned(), |value| unit.show(value))
}

/// The name of a variable in titles and labels, where there is little room.
pub(super) fn brief(name: &str) -> String {
    match name {
        "load_over_capacity" => "L/M".to_owned(),
        "deleted_share" => "the share of keys deleted".to_owned(),
        "second" => "time".to_owned(),
        _ => words(name),
    }
}

/// The name of a metric or a variable in words.
pub(super) fn words(name: &str) -> String {
    let known = match name {
        "load_over_capacity" => "offered load as a multiple of the backend's capacity, L/M",
        "deleted_share" => "share of the hottest keys that is deleted",
        "goodput_share" => "share of requests that is answered well",
        "goodput_over_capacity" => "requests answered well, as a multiple of the backend's capacity",
        "hysteresis_share" => "largest distance between the two ways, as a share of the requests",
        "refill_as_asked_s" => "least time to refill in the order in which keys are asked for",
        "lost_requests" => "requests lost",
        "recovery_s" => "time to recovery",
        "writes_in_time_share" => "share of writes in time",
        "writes_refused_share" => "share of writes that is refused",
        "write_lag_median" => "median lag of writes",
        "write_lag_longest" => "longest lag of a write",
        "read_p99" => "reads, 99th percentile of latency",
        "read_p99_worst_after" => "reads, worst 99th percentile of a second afterwards",
        "stale_beyond_bound" => "reads staler than the bound allows",
        "recovered_share" => "share of seeds in which it recovered in time",
        "write_share" => "share of writes",
        "lost_delete_share" => "share of deletes that is lost",
        "second" => "seconds since the run began",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let units = ["_us", "_ms", "_ns", "_s", "_bytes"];
    let bare = units.iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name);
    bare.replace('_', " ")
}

fn count(value: f64) -> String {
    if value.abs() >= 1000.0 || value.fract() == 0.0 { grouped(value) } else { significant(value) }
}

/// Whole, with a comma at each thousand.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 && digits != "0" { format!("-{text}") } else { text }
}

/// Three significant digits, but all digits before the point. Half of the last digit is taken off the limits, so that
/// 9.999 becomes 10.0 and not 10.00.
fn significant(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 99.95 => grouped(value),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        size if size >= 0.001 => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}

fn trimmed(value: f64) -> String {
    let text = significant(value);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn prefixed(value: f64, unit: &str) -> String {
    const STEPS: [(f64, &str); 7] =
        [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ")];
    if value == 0.0 {
        return format!("0 {unit}");
    }
    // Half of the last digit is taken off, so that 999.9 ms becomes 1 s.
    let step = STEPS.iter().find(|(size, _)| value.abs() >= size * 0.9995);
    let small = unit == "B";
    let (size, prefix) = match step {
        Some((size, prefix)) if *size >= 1.0 || !small => (*size, *prefix),
        _ if small => (1.0, ""),
        _ => (1e-9, "n"),
    };
    format!("{} {prefix}{unit}", significant(value / size))
}

/// Places along an axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// From the values `low` to `high` to the places `from` to `to`.
    pub(super) fn new((low, high): (f64, f64), (from, to): (f64, f64)) -> Scale {
        let high = if high > low { high } else { low + 1.0 };
        Scale { low, high, from, to, log: false }
    }

    /// The same by orders of magnitude; `low` must be above zero.
    pub(super) fn log((low, high): (f64, f64), places: (f64, f64)) -> Scale {
        let (low, high) = (low.max(f64::MIN_POSITIVE), if high > low { high } else { low * 10.0 });
        Scale { log: true, ..Scale::new((low, high), places) }
    }

    /// Where a value lies; beyond the ends it lies at the end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let part = if self.log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Round values within the scale, about `wanted` of them.
    pub(super) fn ticks(&self, wanted: usize) -> Vec<f64> {
        if self.log {
            return self.decades(wanted);
        }
        let step = step((self.high - self.low) / wanted.max(1) as f64);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|index| index as f64 * step).collect()
    }

    fn decades(&self, wanted: usize) -> Vec<f64> {
        let first = (self.low.log10() - 1e-9).ceil() as i32;
        let last = (self.high.log10() + 1e-9).floor() as i32;
        let every = ((last - first + 1).max(1) as usize).div_ceil(wanted.max(1)).max(1);
        let found: Vec<f64> = (first..=last).step_by(every).map(|power| 10f64.powi(power)).collect();
        if found.len() >= 2 { found } else { vec![self.low, self.high] }
    }
}

/// The next 1, 2 or 5 times a power of ten.
fn step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= least * 0.999).unwrap_or(power)
}

/// A round number that is at least `value`, for the end of an axis.
pub(super) fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let step = step(value / 5.0);
    (value / step - 1e-9).ceil() * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_with_three_digits_and_a_prefix() {
        let cases = [
            (Unit::Seconds, 2.48e-7, "248 ns"),
            (Unit::Seconds, 0.0018, "1.80 ms"),
            (Unit::Seconds, 0.99999, "1.00 s"),
            (Unit::Seconds, 3.0, "3.00 s"),
            (Unit::Seconds, 1234.0, "1,234 s"),
            (Unit::Bytes, 317_538_304.0, "318 MB"),
            (Unit::Bytes, 0.25, "0.250 B"),
            (Unit::PerSecond, 11083.3, "11,083/s"),
            (Unit::Share, 0.096, "9.60 %"),
            (Unit::Count, 17798.0, "17,798"),
            (Unit::Count, 2.6402, "2.64"),
            (Unit::Count, 0.0, "0"),
        ];
        for (unit, value, expected) in cases {
            assert_eq!(unit.show(value), expected);
        }
        assert_eq!(shown(None, &Unit::Count), NOT_MEASURED);
        assert_eq!(Unit::PerSecond.tick(12_000.0), "12k");
        assert_eq!(Unit::PerSecond.tick(1_500.0), "1.5k");
        assert_eq!(Unit::Count.tick(100_000.0), "100k");
        assert_eq!(Unit::Seconds.tick(20.0), "20 s");
        assert_eq!(Unit::Count.tick(0.5), "0.5");
    }

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(Scale::new((0.0, 11_300.0), (0.0, 1.0)).ticks(3), [0.0, 5000.0, 10_000.0]);
        assert_eq!(Scale::log((1e-4, 1.0), (0.0, 1.0)).ticks(5), [1e-4, 1e-3, 1e-2, 1e-1, 1.0]);
        assert_eq!(round_up(11_300.0), 15_000.0);
        assert_eq!(round_up(0.0), 1.0);
        let scale = Scale::log((0.1, 10.0), (0.0, 100.0));
        assert!((scale.at(1.0) - 50.0).abs() < 1e-9 && scale.at(100.0) == 100.0);
    }
}
