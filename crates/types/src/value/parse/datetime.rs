//! Dates, times of day and timestamps in their ISO 8601 forms, as PostgreSQL reads them.
//!
//! `2013-01-05`, `20130105`, `2013-1-5`; then `T` or white space; then `04:05`, `04:05:06.789`, `040506`, with AM or PM; then
//! a zone: `Z`, `UTC`, `+02`, `+05:30`, `-0800`; then AD or BC. Decimals beyond the microsecond are rounded, half to even. A
//! zone is applied to a `timestamptz` and, as PostgreSQL does, ignored elsewhere; a `timestamptz` without one is UTC.
//! Years have three digits at least, so that no order of day and month need be guessed.

use super::{Fault, Parsed};
use crate::civil::{Civil, DAY, HOUR, MINUTE, SECOND};

/// What a text may say about a moment.
struct Moment {
    days: i64,
    time: Option<i64>,
    /// Microseconds east of Greenwich.
    zone: i64,
}

pub(super) fn date(text: &str) -> Parsed<i32> {
    i32::try_from(moment(text)?.days).map_err(|_| Fault::OutOfRange)
}

pub(super) fn timestamp(text: &str) -> Parsed<i64> {
    let moment = moment(text)?;
    to_micros(moment.days, moment.time.unwrap_or(0))
}

pub(super) fn timestamptz(text: &str) -> Parsed<i64> {
    let moment = moment(text)?;
    to_micros(moment.days, moment.time.unwrap_or(0) - moment.zone)
}

pub(super) fn time(text: &str) -> Parsed<i64> {
    let mut scanner = Scanner { rest: text };
    scanner.skip_char(['T', 't']);
    match scanner.time().and_then(|micros| scanner.zone().map(|_| micros)) {
        Ok(micros) if scanner.rest.is_empty() => Ok(micros),
        Ok(_) | Err(Fault::Syntax) => moment(text)?.time.ok_or(Fault::Syntax),
        Err(fault) => Err(fault),
    }
}

fn to_micros(days: i64, micros: i64) -> Parsed<i64> {
    i64::try_from(i128::from(days) * i128::from(DAY) + i128::from(micros)).map_err(|_| Fault::OutOfRange)
}

fn moment(text: &str) -> Parsed<Moment> {
    const WORDS: [&str; 9] =
        ["infinity", "+infinity", "-infinity", "now", "today", "tomorrow", "yesterday", "allballs", "current"];
    if text.eq_ignore_ascii_case("epoch") {
        return Ok(Moment { days: 0, time: Some(0), zone: 0 });
    }
    if WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Err(Fault::Unsupported);
    }
    let (text, before_christ) = strip_era(text);
    let mut scanner = Scanner { rest: text };
    let [year, month, day] = scanner.date()?;
    let must_have_time = scanner.skip_char(['T', 't']);
    scanner.skip_spaces();
    let has_time = must_have_time || scanner.rest.starts_with(|first: char| first.is_ascii_digit());
    let time = if has_time { Some(scanner.time()?) } else { None };
    let zone = scanner.zone()?.unwrap_or(0);
    if !scanner.rest.is_empty() {
        return Err(Fault::Syntax);
    }
    let civil = Civil { year: if before_christ { 1 - year } else { year }, month, day };
    if year == 0 || !civil.exists() {
        return Err(Fault::OutOfRange);
    }
    Ok(Moment { days: civil.to_days(), time, zone })
}

/// Takes AD or BC off the end, and says whether it was BC.
fn strip_era(text: &str) -> (&str, bool) {
    match text.len().checked_sub(2).and_then(|at| text.split_at_checked(at)) {
        Some((before, era)) if era.eq_ignore_ascii_case("bc") => (before.trim_ascii_end(), true),
        Some((before, era)) if era.eq_ignore_ascii_case("ad") => (before.trim_ascii_end(), false),
        _ => (text, false),
    }
}

/// The part of a text that is still to be read.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn skip_char<const N: usize>(&mut self, chars: [char; N]) -> bool {
        let stripped = self.rest.strip_prefix(chars);
        self.rest = stripped.unwrap_or(self.rest);
        stripped.is_some()
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    /// Takes the word off the front, if it is there in any case.
    fn skip_word(&mut self, word: &str) -> bool {
        match self.rest.split_at_checked(word.len()) {
            Some((front, after)) if front.eq_ignore_ascii_case(word) => {
                self.rest = after;
                true
            }
            _ => false,
        }
    }

    fn digits(&mut self) -> &'a str {
        let end = self.rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, after) = self.rest.split_at(end);
        self.rest = after;
        digits
    }

    /// Year, month and day.
    fn date(&mut self) -> Parsed<[i64; 3]> {
        let first = self.digits();
        if first.len() == 8 && !self.rest.starts_with(['-', '/']) {
            return Ok([year(&first[..4])?, number(&first[4..6])?, number(&first[6..])?]);
        }
        let year = if first.len() >= 3 { year(first)? } else { return Err(Fault::Syntax) };
        let separator = if self.rest.starts_with('/') { '/' } else { '-' };
        let mut fields = [year, 0, 0];
        for field in &mut fields[1..] {
            if !self.skip_char([separator]) {
                return Err(Fault::Syntax);
            }
            *field = number(self.digits())?;
        }
        Ok(fields)
    }

    /// Microseconds since midnight.
    fn time(&mut self) -> Parsed<i64> {
        let first = self.digits();
        let (hour, minute, second) = if self.skip_char([':']) {
            let minute = number(self.digits())?;
            let second = if self.skip_char([':']) { number(self.digits())? } else { 0 };
            (number(first)?, minute, second)
        } else {
            match first.len() {
                4 => (number(&first[..2])?, number(&first[2..])?, 0),
                6 => (number(&first[..2])?, number(&first[2..4])?, number(&first[4..])?),
                _ => return Err(Fault::Syntax),
            }
        };
        let fraction = if self.skip_char(['.']) { fraction_micros(self.digits()) } else { 0 };
        let hour = self.half_day(hour)?;
        let micros = hour * HOUR + minute * MINUTE + second * SECOND + fraction;
        // A leap second is read as part of the next minute.
        if minute < 60 && second <= 60 && micros <= DAY { Ok(micros) } else { Err(Fault::OutOfRange) }
    }

    /// Reads AM or PM, if it is there, and gives the hour on the clock of 24 hours.
    fn half_day(&mut self, hour: i64) -> Parsed<i64> {
        let before = self.rest;
        self.skip_spaces();
        let afternoon = if self.skip_word("am") {
            false
        } else if self.skip_word("pm") {
            true
        } else {
            self.rest = before;
            return Ok(hour);
        };
        match hour {
            12 => Ok(if afternoon { 12 } else { 0 }),
            0..12 => Ok(if afternoon { hour + 12 } else { hour }),
            _ => Err(Fault::OutOfRange),
        }
    }

    /// Microseconds east of Greenwich, if the text goes on with a zone.
    fn zone(&mut self) -> Parsed<Option<i64>> {
        self.skip_spaces();
        if self.rest.is_empty() {
            return Ok(None);
        }
        for word in ["zulu", "utc", "gmt", "z"] {
            if self.skip_word(word) {
                return Ok(Some(0));
            }
        }
        let sign = if self.rest.starts_with('-') { -1 } else { 1 };
        if !self.skip_char(['+', '-']) {
            // The shortest names of zones have three letters.
            let letters = self.rest.bytes().take_while(|byte| byte.is_ascii_alphabetic()).count();
            let named = letters >= 3;
            return Err(if named { Fault::Unsupported } else { Fault::Syntax });
        }
        let first = self.digits();
        let [hours, minutes, seconds] = match first.len() {
            1 | 2 if self.skip_char([':']) => {
                let minutes = number(self.digits())?;
                let seconds = if self.skip_char([':']) { number(self.digits())? } else { 0 };
                [number(first)?, minutes, seconds]
            }
            1 | 2 => [number(first)?, 0, 0],
            4 => [number(&first[..2])?, number(&first[2..])?, 0],
            _ => return Err(Fault::Syntax),
        };
        // The farthest zone that PostgreSQL takes is just short of 16 hours away.
        if hours > 15 || minutes > 59 || seconds > 59 {
            return Err(Fault::OutOfRange);
        }
        Ok(Some(sign * (hours * HOUR + minutes * MINUTE + seconds * SECOND)))
    }
}

/// A field of one or two digits.
fn number(digits: &str) -> Parsed<i64> {
    match digits.len() {
        1 | 2 => digits.parse().map_err(|_| Fault::Syntax),
        _ => Err(Fault::Syntax),
    }
}

/// A year; one beyond every type's range is refused here, before anything is computed with it.
fn year(digits: &str) -> Parsed<i64> {
    const YEAR_MAX: i64 = 10_000_000;
    digits.parse().ok().filter(|year| *year <= YEAR_MAX).ok_or(Fault::OutOfRange)
}

/// Decimals of a second as microseconds, rounded half to even.
pub(super) fn fraction_micros(digits: &str) -> i64 {
    let padded = format!("{digits:0<7}");
    let (kept, rest) = padded.split_at(6);
    let micros: i64 = kept.bytes().fold(0, |micros, digit| micros * 10 + i64::from(digit - b'0'));
    let beyond_half = rest.as_bytes()[0] > b'5' || rest[1..].bytes().any(|digit| digit != b'0');
    let round_up = rest.as_bytes()[0] >= b'5' && (beyond_half || micros % 2 == 1);
    micros + i64::from(round_up)
}
