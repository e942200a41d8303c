//! The demo's input: one year of flights out of New York, carried inside the program.
//!
//! The files of `data/` are CSV, compressed with zstd, and described there. Reading them gives plain Rust rows; `NA`
//! becomes `None`. Flights come out in the order of their schedule, numbered from zero, so that the same number always
//! names the same flight, in whichever process. Cost: about 30 MiB of text is decoded, in a fraction of a second.

use crate::failure::{Failure, Result};

/// Days in the year of the input.
pub(crate) const DAYS_MAX: u32 = 365;

static AIRLINES: &[u8] = include_bytes!("../../data/airlines.csv.zst");
static AIRPORTS: &[u8] = include_bytes!("../../data/airports.csv.zst");
static PLANES: &[u8] = include_bytes!("../../data/planes.csv.zst");
static FLIGHTS: &[u8] = include_bytes!("../../data/flights.csv.zst");

/// One departure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flight {
    /// Position in the schedule of the year.
    pub(crate) id: i64,
    /// Day of the year, from 1.
    pub(crate) day: u32,
    /// The hour of the day in which it was to leave, by the clock in New York.
    pub(crate) hour: u32,
    /// When it was to leave, as SQL writes a timestamp.
    pub(crate) scheduled: String,
    pub(crate) carrier: String,
    pub(crate) number: i32,
    pub(crate) tailnum: Option<String>,
    pub(crate) origin: String,
    pub(crate) dest: String,
    /// Minutes, negative if early; `None` if it never left.
    pub(crate) departure_delay: Option<i32>,
    pub(crate) arrival_delay: Option<i32>,
    pub(crate) air_minutes: Option<i32>,
    pub(crate) miles: i32,
}

/// A small table as it stands in its file: rows of fields, `None` for `NA`.
pub(crate) type Fields = Vec<Vec<Option<String>>>;

/// Rows of carrier, name.
pub(crate) fn airlines() -> Result<Fields> {
    fields(AIRLINES)
}

/// Rows of code, name, latitude, longitude, altitude, tz, dst, tzone.
pub(crate) fn airports() -> Result<Fields> {
    fields(AIRPORTS)
}

/// Rows of tailnum, year, type, manufacturer, model, engines, seats, speed, engine.
pub(crate) fn planes() -> Result<Fields> {
    fields(PLANES)
}

/// The flights of the first `days` days, in the order of their schedule.
pub(crate) fn flights(days: u32) -> Result<Vec<Flight>> {
    let mut flights = Vec::new();
    for record in reader(FLIGHTS)?.into_records() {
        let record = record.map_err(damaged)?;
        let flight = flight(&record).ok_or_else(|| damaged(format!("flight {record:?}")))?;
        if flight.day <= days {
            flights.push(flight);
        }
    }
    // The file is ordered by departure; the sort is stable, so flights of one minute keep the order of the file.
    flights.sort_by(|a, b| a.scheduled.cmp(&b.scheduled));
    for (flight, id) in flights.iter_mut().zip(0..) {
        flight.id = id;
    }
    Ok(flights)
}

type Reader = csv::Reader<zstd::Decoder<'static, std::io::BufReader<&'static [u8]>>>;

fn reader(compressed: &'static [u8]) -> Result<Reader> {
    let text = zstd::Decoder::new(compressed).map_err(damaged)?;
    Ok(csv::ReaderBuilder::new().has_headers(true).from_reader(text))
}

fn damaged(what: impl ToString) -> Failure {
    Failure::message(format!("the flights inside this program cannot be read: {}", what.to_string()))
}

fn present(field: &str) -> Option<&str> {
    (field != "NA" && !field.is_empty()).then_some(field)
}

fn fields(compressed: &'static [u8]) -> Result<Fields> {
    let row = |record: csv::StringRecord| record.iter().map(|field| present(field).map(str::to_owned)).collect();
    reader(compressed)?.into_records().map(|record| record.map(row).map_err(damaged)).collect()
}

/// Fields that may be missing: an absent number is `Some(None)`, a damaged one `None`.
fn optional(field: &str) -> Option<Option<i32>> {
    present(field).map(|number| number.parse().ok()).map_or(Some(None), |parsed| parsed.map(Some))
}

/// Columns: year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay, carrier, flight,
/// tailnum, origin, dest, air_time, distance, hour, minute, time_hour.
fn flight(record: &csv::StringRecord) -> Option<Flight> {
    let number = |index: usize| record.get(index)?.parse::<u32>().ok();
    let text = |index: usize| record.get(index).map(str::to_owned);
    let (month, day, hour, minute) = (number(1)?, number(2)?, number(16)?, number(17)?);
    Some(Flight {
        id: 0,
        day: day_of_year(month, day)?,
        hour,
        scheduled: format!("2013-{month:02}-{day:02} {hour:02}:{minute:02}:00"),
        carrier: text(9)?,
        number: record.get(10)?.parse().ok()?,
        tailnum: present(record.get(11)?).map(str::to_owned),
        origin: text(12)?,
        dest: text(13)?,
        departure_delay: optional(record.get(5)?)?,
        arrival_delay: optional(record.get(8)?)?,
        air_minutes: optional(record.get(14)?)?,
        miles: record.get(15)?.parse().ok()?,
    })
}

/// In 2013, which was no leap year.
fn day_of_year(month: u32, day: u32) -> Option<u32> {
    const BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    Some(BEFORE.get(usize::try_from(month.checked_sub(1)?).ok()?)? + day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_hold_what_their_page_says() {
        assert_eq!(airlines().unwrap().len(), 16);
        assert_eq!(airports().unwrap().len(), 1_458);
        assert_eq!(planes().unwrap().len(), 3_322);
        let flights = flights(DAYS_MAX).unwrap();
        assert_eq!(flights.len(), 336_776);
        assert_eq!(flights.iter().filter(|flight| flight.tailnum.is_none()).count(), 2_512);
        assert_eq!(flights.iter().filter(|flight| flight.departure_delay.is_none()).count(), 8_255);
        assert!(flights.is_sorted_by(|a, b| a.scheduled <= b.scheduled && a.id + 1 == b.id));
        assert_eq!(flights.last().map(|flight| flight.day), Some(DAYS_MAX));
    }

    #[test]
    fn fewer_days_are_the_beginning_of_the_year() {
        let two = flights(2).unwrap();
        assert_eq!(two.len(), 842 + 943);
        assert_eq!((two[0].id, two[0].scheduled.as_str(), two[0].number), (0, "2013-01-01 05:15:00", 1545));
        assert_eq!(two.last().map(|flight| flight.day), Some(2));
    }
}
