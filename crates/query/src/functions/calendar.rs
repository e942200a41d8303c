//! Dates, timestamps and intervals, as PostgreSQL adds them: months first (clamped to the end of the month), then days, then
//! microseconds. Intervals keep whole microseconds in Arrow's nanosecond field.

use arrow_buffer::IntervalMonthDayNano;
use monostable_types::Civil;

use crate::error::{Error, Result};

pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;
const NANOS_PER_MICRO: i128 = 1_000;
/// A month counts as so many days where a fraction of it is spread over days.
const DAYS_PER_MONTH: f64 = 30.0;

fn overflow(what: &str) -> Error {
    Error::data("22008", format!("{what} out of range"))
}

/// An interval from its parts.
pub(crate) fn interval(months: i128, days: i128, micros: i128) -> Result<IntervalMonthDayNano> {
    let parts = (
        i32::try_from(months).ok(),
        i32::try_from(days).ok(),
        micros.checked_mul(NANOS_PER_MICRO).and_then(|nanos| i64::try_from(nanos).ok()),
    );
    match parts {
        (Some(months), Some(days), Some(nanoseconds)) => Ok(IntervalMonthDayNano { months, days, nanoseconds }),
        _ => Err(overflow("interval")),
    }
}

fn micros_of(interval: IntervalMonthDayNano) -> i64 {
    interval.nanoseconds.div_euclid(1_000)
}

pub(crate) fn negate(value: IntervalMonthDayNano) -> Result<IntervalMonthDayNano> {
    interval(-i128::from(value.months), -i128::from(value.days), -i128::from(micros_of(value)))
}

pub(crate) fn sum(a: IntervalMonthDayNano, b: IntervalMonthDayNano, subtract: bool) -> Result<IntervalMonthDayNano> {
    let sign = if subtract { -1 } else { 1 };
    interval(
        i128::from(a.months) + sign * i128::from(b.months),
        i128::from(a.days) + sign * i128::from(b.days),
        i128::from(micros_of(a)) + sign * i128::from(micros_of(b)),
    )
}

/// Applies a factor to each part. What is left of a month goes to days, and what is left of a day to microseconds.
pub(crate) fn scale(value: IntervalMonthDayNano, by: impl Fn(f64) -> f64) -> Result<IntervalMonthDayNano> {
    let months = by(f64::from(value.months));
    let days = by(f64::from(value.days));
    if !months.is_finite() || !days.is_finite() {
        return Err(overflow("interval"));
    }
    let to_micros = |days: f64| (days * 1e6).round() / 1e6;
    let month_days = to_micros((months - months.trunc()) * DAYS_PER_MONTH);
    let seconds_of_days = to_micros((days - days.trunc() + month_days - month_days.trunc()) * 86_400.0);
    let whole_days = days.trunc() + month_days.trunc() + (seconds_of_days / 86_400.0).trunc();
    let seconds = seconds_of_days % 86_400.0;
    let micros = (by(micros_of(value) as f64) + seconds * 1e6).round();
    if !micros.is_finite() || micros.abs() >= 9.2e18 || whole_days.abs() >= 2.2e9 || months.abs() >= 2.2e9 {
        return Err(overflow("interval"));
    }
    interval(months.trunc() as i128, whole_days as i128, micros as i128)
}

pub(crate) fn add_days(day: i32, days: i32, subtract: bool) -> Result<i32> {
    let sum = if subtract { day.checked_sub(days) } else { day.checked_add(days) };
    sum.ok_or_else(|| overflow("date"))
}

/// The timestamp of a time on a day.
pub(crate) fn at_time(day: i32, micros: i64) -> Result<i64> {
    i64::from(day)
        .checked_mul(MICROS_PER_DAY)
        .and_then(|start| start.checked_add(micros))
        .ok_or_else(|| overflow("timestamp"))
}

/// Whole days and the rest, without months.
pub(crate) fn difference(a: i64, b: i64) -> Result<IntervalMonthDayNano> {
    let micros = i128::from(a) - i128::from(b);
    let day = i128::from(MICROS_PER_DAY);
    interval(0, micros / day, micros % day)
}

/// Time of day plus the microseconds of an interval, around the clock.
pub(crate) fn add_to_time(time: i64, value: IntervalMonthDayNano, subtract: bool) -> Result<i64> {
    let micros = i128::from(micros_of(value));
    let sum = i128::from(time) + if subtract { -micros } else { micros };
    i64::try_from(sum.rem_euclid(i128::from(MICROS_PER_DAY))).map_err(|_| overflow("time"))
}

pub(crate) fn add_interval(timestamp: i64, value: IntervalMonthDayNano, subtract: bool) -> Result<i64> {
    let sign: i128 = if subtract { -1 } else { 1 };
    let day = timestamp.div_euclid(MICROS_PER_DAY);
    let time = timestamp.rem_euclid(MICROS_PER_DAY);
    let day = add_months(day, (sign * i128::from(value.months)) as i64);
    let micros = (i128::from(day) + sign * i128::from(value.days)) * i128::from(MICROS_PER_DAY)
        + i128::from(time)
        + sign * i128::from(micros_of(value));
    i64::try_from(micros).map_err(|_| overflow("timestamp"))
}

fn add_months(day: i64, months: i64) -> i64 {
    if months == 0 {
        return day;
    }
    let civil = Civil::from_days(day);
    let month = civil.year * 12 + civil.month - 1 + months;
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    let mut moved = Civil { year, month, day: civil.day };
    while !moved.exists() {
        moved.day -= 1;
    }
    moved.to_days()
}
