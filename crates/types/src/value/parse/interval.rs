//! Intervals: `1 year 2 mons 3 days 04:05:06.7`, `-1 day +02:03`, `@ 1 hour ago`, `1-2`, `3 4:05:06`, `P1Y2M3DT4H5M6.7S`.
//!
//! An interval is read as a list of amounts with units. A fraction of a unit flows into smaller ones as PostgreSQL has it:
//! of a year or more into whole months, of a month (30 days) or a week into days, of a day (24 hours) into time. Decimals
//! are exact up to twenty places; PostgreSQL computes them in floating point. Each unit may occur once.

use super::datetime::fraction_micros;
use super::{Fault, Parsed};
use crate::Value;
use crate::civil::{DAY, HOUR, MINUTE, SECOND};
use crate::codec::scalar::interval_to_arrow;

/// Decimal places that are kept: with them, the product with the largest unit still fits 128 bits.
const PLACES_MAX: usize = 20;
const FRACTION_ONE: i128 = 10i128.pow(PLACES_MAX as u32);

pub(super) fn interval(text: &str) -> Parsed<Value> {
    let parts = match text.strip_prefix('P') {
        Some(designators) => iso_8601(designators)?,
        None => units(text)?,
    };
    let months = i32::try_from(parts.months).map_err(|_| Fault::OutOfRange)?;
    let days = i32::try_from(parts.days).map_err(|_| Fault::OutOfRange)?;
    let micros = i64::try_from(parts.micros).map_err(|_| Fault::OutOfRange)?;
    interval_to_arrow(months, days, micros).map_err(|_| Fault::OutOfRange)?;
    Ok(Value::Interval { months, days, micros })
}

/// What an amount counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// So many months; fractions are rounded to months.
    Years(i128),
    Month,
    Week,
    Day,
    /// So many microseconds.
    Time(i64),
}

impl Unit {
    fn from_name(name: &str) -> Parsed<Unit> {
        let name = name.to_ascii_lowercase();
        Ok(match name.as_str() {
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" => Unit::Time(1),
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" => Unit::Time(1000),
            "s" | "sec" | "secs" | "second" | "seconds" => Unit::Time(SECOND),
            "m" | "min" | "mins" | "minute" | "minutes" => Unit::Time(MINUTE),
            "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Time(HOUR),
            "d" | "day" | "days" => Unit::Day,
            "w" | "week" | "weeks" => Unit::Week,
            "mon" | "mons" | "month" | "months" => Unit::Month,
            "y" | "yr" | "yrs" | "year" | "years" => Unit::Years(12),
            "dec" | "decs" | "decade" | "decades" => Unit::Years(120),
            "c" | "cent" | "century" | "centuries" => Unit::Years(1200),
            "mil" | "mils" | "millennium" | "millennia" => Unit::Years(12_000),
            _ => return Err(Fault::Syntax),
        })
    }
}

/// A signed decimal: whole units and a fraction of one, in units of 10^-20, both with the sign.
#[derive(Debug, Clone, Copy)]
struct Amount {
    whole: i128,
    fraction: i128,
}

impl Amount {
    fn new(negative: bool, whole: &str, fraction: &str) -> Parsed<Amount> {
        let sign = if negative { -1 } else { 1 };
        let kept = &fraction[..fraction.len().min(PLACES_MAX)];
        // Nineteen digits exceed every field; longer numbers cannot be held whatever their unit.
        let whole: i128 = match whole.trim_start_matches('0') {
            "" => 0,
            digits if digits.len() <= 19 => digits.parse().map_err(|_| Fault::Syntax)?,
            _ => return Err(Fault::OutOfRange),
        };
        let fraction: i128 = format!("{kept:0<PLACES_MAX$}").parse().map_err(|_| Fault::Syntax)?;
        Ok(Amount { whole: sign * whole, fraction: sign * fraction })
    }
}

/// The three fields, wide enough that no sum of amounts overflows, and the units that were named already.
#[derive(Debug, Default)]
struct Parts {
    months: i128,
    days: i128,
    micros: i128,
    seen: Vec<Unit>,
}

impl Parts {
    fn add(&mut self, amount: Amount, unit: Unit) -> Parsed<()> {
        if self.seen.contains(&unit) {
            return Err(Fault::Syntax);
        }
        self.seen.push(unit);
        match unit {
            Unit::Years(months) => self.months += amount.whole * months + round(amount.fraction * months),
            Unit::Month => {
                self.months += amount.whole;
                self.add_days(amount.fraction * 30);
            }
            Unit::Week => {
                self.days += amount.whole * 7;
                self.add_days(amount.fraction * 7);
            }
            Unit::Day => {
                self.days += amount.whole;
                self.add_days(amount.fraction);
            }
            Unit::Time(micros) => {
                let micros = i128::from(micros);
                self.micros += amount.whole * micros + round(amount.fraction * micros);
            }
        }
        Ok(())
    }

    /// Adds days given in units of 10^-20: whole days, and the rest as time.
    fn add_days(&mut self, fraction: i128) {
        self.days += fraction / FRACTION_ONE;
        self.micros += round(fraction % FRACTION_ONE * i128::from(DAY));
    }

    /// Adds `hours:minutes[:seconds[.decimals]]`, or `minutes:seconds.decimals`. It stands for all of the time units.
    fn add_clock(&mut self, negative: bool, text: &str) -> Parsed<()> {
        let (text, decimals) = match text.split_once('.') {
            Some((text, decimals)) if decimals.bytes().all(|byte| byte.is_ascii_digit()) => (text, Some(decimals)),
            Some(_) => return Err(Fault::Syntax),
            None => (text, None),
        };
        let fields = text.split(':').map(clock_field).collect::<Parsed<Vec<_>>>()?;
        let [hours, minutes, seconds] = match (fields.as_slice(), decimals) {
            ([minutes, seconds], Some(_)) => [0, *minutes, *seconds],
            ([hours, minutes], None) => [*hours, *minutes, 0],
            ([hours, minutes, seconds], _) => [*hours, *minutes, *seconds],
            _ => return Err(Fault::Syntax),
        };
        if minutes > 59 || seconds > 60 {
            return Err(Fault::OutOfRange);
        }
        for unit in [Unit::Time(HOUR), Unit::Time(MINUTE), Unit::Time(SECOND)] {
            self.add(Amount { whole: 0, fraction: 0 }, unit)?;
        }
        let [hour, minute, second] = [HOUR, MINUTE, SECOND].map(i128::from);
        let micros = hours * hour + minutes * minute + seconds * second;
        let micros = micros + i128::from(fraction_micros(decimals.unwrap_or("")));
        self.micros += if negative { -micros } else { micros };
        Ok(())
    }

    fn negate(&mut self) {
        (self.months, self.days, self.micros) = (-self.months, -self.days, -self.micros);
    }
}

/// Rounds a number in units of 10^-20, half to even.
fn round(fraction: i128) -> i128 {
    let (whole, rest) = (fraction.div_euclid(FRACTION_ONE), fraction.rem_euclid(FRACTION_ONE));
    let half = FRACTION_ONE / 2;
    whole + i128::from(rest > half || (rest == half && whole % 2 != 0))
}

fn clock_field(digits: &str) -> Parsed<i128> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Syntax);
    }
    digits.parse::<i64>().map(i128::from).map_err(|_| Fault::OutOfRange)
}

/// Amounts with named units, in any order, with at most one time of day and perhaps `ago` at the end.
fn units(text: &str) -> Parsed<Parts> {
    let mut parts = Parts::default();
    let mut rest = text.strip_prefix('@').unwrap_or(text).trim_ascii_start();
    if rest.is_empty() {
        return Err(Fault::Syntax);
    }
    while !rest.is_empty() {
        if rest.eq_ignore_ascii_case("ago") && !parts.seen.is_empty() {
            parts.negate();
            return Ok(parts);
        }
        let (negative, number, after) = signed_number(rest)?;
        if number.contains(':') {
            parts.add_clock(negative, number)?;
            rest = after;
        } else if let Some((years, months)) = number.split_once('-') {
            let months = clock_field(months)?;
            if months > 11 {
                return Err(Fault::OutOfRange);
            }
            let whole = clock_field(years)? * 12 + months;
            parts.add(Amount { whole: if negative { -whole } else { whole }, fraction: 0 }, Unit::Month)?;
            rest = after;
        } else {
            let (unit, after) = unit_of(after)?;
            parts.add(decimal(negative, number)?, unit)?;
            rest = after;
        }
    }
    Ok(parts)
}

/// Splits a sign and a number (which may be a clock time, or years and months) off the front.
fn signed_number(text: &str) -> Parsed<(bool, &str, &str)> {
    let (negative, unsigned) = match text.strip_prefix(['+', '-']) {
        Some(unsigned) => (text.starts_with('-'), unsigned.trim_ascii_start()),
        None => (false, text),
    };
    let in_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b':' | b'-');
    let end = unsigned.bytes().position(|byte| !in_number(byte)).unwrap_or(unsigned.len());
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Err(Fault::Syntax);
    }
    let (number, after) = unsigned.split_at(end);
    Ok((negative, number, after.trim_ascii_start()))
}

/// The unit at the front of the text. An amount without one counts days before a time of day, and seconds at the end.
fn unit_of(text: &str) -> Parsed<(Unit, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    match name {
        "" if text.is_empty() => Ok((Unit::Time(SECOND), text)),
        "" if signed_number(text)?.1.contains(':') => Ok((Unit::Day, text)),
        _ if name.eq_ignore_ascii_case("ago") && after.is_empty() => Ok((Unit::Time(SECOND), text)),
        _ => Ok((Unit::from_name(name)?, after.trim_ascii_start())),
    }
}

fn decimal(negative: bool, number: &str) -> Parsed<Amount> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(Fault::Syntax);
    }
    Amount::new(negative, whole, fraction)
}

/// The form with designators, after its `P`: `1Y2M3W4DT5H6M7.8S`.
fn iso_8601(text: &str) -> Parsed<Parts> {
    let mut parts = Parts::default();
    let mut rest = text;
    let mut in_time = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T').filter(|after| !in_time && !after.is_empty()) {
            in_time = true;
            rest = after;
        }
        let (negative, unsigned) = match rest.strip_prefix(['+', '-']) {
            Some(unsigned) => (rest.starts_with('-'), unsigned),
            None => (false, rest),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(Fault::Syntax)?;
        let (number, after) = unsigned.split_at(end);
        let designator = after.chars().next().ok_or(Fault::Syntax)?;
        let unit = match (in_time, designator) {
            (false, 'Y') => Unit::Years(12),
            (false, 'M') => Unit::Month,
            (false, 'W') => Unit::Week,
            (false, 'D') => Unit::Day,
            (true, 'H') => Unit::Time(HOUR),
            (true, 'M') => Unit::Time(MINUTE),
            (true, 'S') => Unit::Time(SECOND),
            _ => return Err(Fault::Syntax),
        };
        parts.add(decimal(negative, number)?, unit)?;
        rest = &after[designator.len_utf8()..];
    }
    if parts.seen.is_empty() { Err(Fault::Syntax) } else { Ok(parts) }
}
