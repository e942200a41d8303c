//! Fields of dates and times: `extract`, `date_part`, `date_trunc`, `make_date`, as PostgreSQL counts them. The session's time
//! zone is UTC.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Int32Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, Date32Array, PrimitiveArray};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::DataType as Arrow;
use monostable_types::{Civil, DataType};

use super::calendar::MICROS_PER_DAY;
use super::cast::cast_array;
use crate::error::{Error, Result};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Millennium,
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    Day,
    DayOfYear,
    DayOfWeek,
    IsoDayOfWeek,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Epoch,
}

fn part(field: &str) -> Result<Part> {
    Ok(match field.to_ascii_lowercase().as_str() {
        "millennium" | "millenniums" => Part::Millennium,
        "century" | "centuries" => Part::Century,
        "decade" | "decades" => Part::Decade,
        "year" | "years" => Part::Year,
        "isoyear" => Part::IsoYear,
        "quarter" => Part::Quarter,
        "month" | "months" => Part::Month,
        "week" | "weeks" => Part::Week,
        "day" | "days" => Part::Day,
        "doy" => Part::DayOfYear,
        "dow" => Part::DayOfWeek,
        "isodow" => Part::IsoDayOfWeek,
        "hour" | "hours" => Part::Hour,
        "minute" | "minutes" => Part::Minute,
        "second" | "seconds" => Part::Second,
        "millisecond" | "milliseconds" => Part::Millisecond,
        "microsecond" | "microseconds" => Part::Microsecond,
        "epoch" => Part::Epoch,
        _ => return Err(Error::data("22023", format!("unit \"{}\" not recognized", field.to_ascii_lowercase()))),
    })
}

fn scale_of(part: Part, from: DataType) -> i8 {
    match part {
        Part::Second => 6,
        Part::Millisecond => 3,
        // The epoch of a date is a whole number of seconds.
        Part::Epoch if from != DataType::Date => 6,
        _ => 0,
    }
}

/// The type of `extract(field FROM value)`; 42883 or 0A000 if a value of that type has no such field.
pub(crate) fn extract_type(field: &str, from: DataType) -> Result<DataType> {
    let part = part(field)?;
    let time_part = matches!(part, Part::Hour | Part::Minute | Part::Second | Part::Millisecond | Part::Microsecond);
    let exists = match from {
        DataType::Date => !time_part,
        DataType::Timestamp | DataType::TimestampTz => true,
        DataType::Time => time_part || part == Part::Epoch,
        DataType::Interval => {
            time_part || matches!(part, Part::Epoch | Part::Year | Part::Month | Part::Day | Part::Quarter)
        }
        other => return Err(Error::UndefinedOperator(format!("function extract(text, {other}) does not exist"))),
    };
    if !exists {
        return Err(Error::not_supported(format!("unit \"{}\" of type {from}", field.to_ascii_lowercase())));
    }
    Ok(DataType::Numeric { precision: 38, scale: scale_of(part, from) })
}

fn constant_field(field: &ArrayRef) -> Result<Option<&str>> {
    let Some(texts) = field.as_string_opt::<i32>() else {
        return Err(Error::Internal("the field of extract is not text".to_string()));
    };
    Ok((!texts.is_empty() && !texts.is_null(0)).then(|| texts.value(0)))
}

/// `extract`: numeric.
pub(crate) fn extract(field: &ArrayRef, operand: &ArrayRef, result: DataType) -> Result<ArrayRef> {
    let Some(field) = constant_field(field)? else {
        return Ok(arrow_array::new_null_array(&result.to_arrow(), operand.len()));
    };
    let part = part(field)?;
    let values: PrimitiveArray<Decimal128Type> = match operand.data_type() {
        Arrow::Date32 => {
            operand.as_primitive::<Date32Type>().iter().map(|day| day.map(|day| of_date(part, day))).collect()
        }
        Arrow::Timestamp(..) => operand
            .as_primitive::<TimestampMicrosecondType>()
            .iter()
            .map(|at| at.map(|at| of_timestamp(part, at)))
            .collect(),
        Arrow::Time64(_) => {
            operand.as_primitive::<Time64MicrosecondType>().iter().map(|at| at.map(|at| of_time(part, at))).collect()
        }
        Arrow::Interval(_) => operand
            .as_primitive::<IntervalMonthDayNanoType>()
            .iter()
            .map(|span| span.map(|span| of_interval(part, span)))
            .collect(),
        other => return Err(Error::Internal(format!("extract from {other}"))),
    };
    Ok(Arc::new(values.with_data_type(result.to_arrow())))
}

/// `date_part`: the same, in double precision.
pub(crate) fn date_part(field: &ArrayRef, operand: &ArrayRef) -> Result<ArrayRef> {
    let Some(name) = constant_field(field)? else {
        return Ok(arrow_array::new_null_array(&Arrow::Float64, operand.len()));
    };
    let numeric = extract_type(name, DataType::from_arrow(operand.data_type())?)?;
    cast_array(&extract(field, operand, numeric)?, DataType::Double)
}

/// Monday is 1 and Sunday is 7; the first of January 1970 was a Thursday.
fn iso_day_of_week(day: i64) -> i64 {
    (day + 3).rem_euclid(7) + 1
}

/// The ISO year and week: the week belongs to the year of its Thursday.
fn iso_week(day: i64) -> (i64, i64) {
    let thursday = day - iso_day_of_week(day) + 4;
    let year = Civil::from_days(thursday).year;
    let first = Civil { year, month: 1, day: 1 }.to_days();
    (year, (thursday - first) / 7 + 1)
}

/// There is no year 0 in PostgreSQL: 1 BC is -1.
fn displayed_year(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

/// Years 1 to `length` are the first period.
fn period(year: i64, length: i64) -> i64 {
    if year > 0 { (year + length - 1) / length } else { -((length - 1 - (year - 1)) / length) }
}

fn of_date(part: Part, day: i32) -> i128 {
    i128::from(date_field(part, i64::from(day)))
}

fn date_field(part: Part, day: i64) -> i64 {
    let civil = Civil::from_days(day);
    match part {
        Part::Millennium => period(civil.year, 1000),
        Part::Century => period(civil.year, 100),
        Part::Decade => civil.year.div_euclid(10),
        Part::Year => displayed_year(civil.year),
        Part::IsoYear => displayed_year(iso_week(day).0),
        Part::Quarter => (civil.month - 1) / 3 + 1,
        Part::Month => civil.month,
        Part::Week => iso_week(day).1,
        Part::Day => civil.day,
        Part::DayOfYear => day - Civil { year: civil.year, month: 1, day: 1 }.to_days() + 1,
        Part::DayOfWeek => iso_day_of_week(day) % 7,
        Part::IsoDayOfWeek => iso_day_of_week(day),
        Part::Epoch => day * 86_400,
        Part::Hour | Part::Minute | Part::Second | Part::Millisecond | Part::Microsecond => 0,
    }
}

fn of_timestamp(part: Part, at: i64) -> i128 {
    match part {
        Part::Epoch => i128::from(at),
        Part::Hour | Part::Minute | Part::Second | Part::Millisecond | Part::Microsecond => {
            of_time(part, at.rem_euclid(MICROS_PER_DAY))
        }
        _ => i128::from(date_field(part, at.div_euclid(MICROS_PER_DAY))),
    }
}

fn of_time(part: Part, at: i64) -> i128 {
    i128::from(match part {
        Part::Hour => at / HOUR,
        Part::Minute => at % HOUR / MINUTE,
        // Unscaled at six, three and no digits: all three are the microseconds within the minute.
        Part::Second | Part::Millisecond | Part::Microsecond => at % MINUTE,
        _ => at,
    })
}

fn of_interval(part: Part, span: IntervalMonthDayNano) -> i128 {
    let micros = span.nanoseconds / 1_000;
    let months = i128::from(span.months);
    match part {
        Part::Year => months / 12,
        Part::Month => months % 12,
        Part::Quarter => months % 12 / 3 + 1,
        Part::Day => i128::from(span.days),
        Part::Hour => i128::from(micros / HOUR),
        Part::Epoch => {
            let days = months / 12 * 36_525 + months % 12 * 3_000 + i128::from(span.days) * 100;
            days * i128::from(MICROS_PER_DAY) / 100 + i128::from(micros)
        }
        other => of_time(other, micros),
    }
}

/// `date_trunc` of a timestamp.
pub(crate) fn date_trunc(field: &ArrayRef, operand: &ArrayRef) -> Result<ArrayRef> {
    let Some(field) = constant_field(field)? else {
        return Ok(arrow_array::new_null_array(operand.data_type(), operand.len()));
    };
    let part = part(field)?;
    let Some(values) = operand.as_primitive_opt::<TimestampMicrosecondType>() else {
        return Err(Error::Internal(format!("date_trunc of {}", operand.data_type())));
    };
    let truncated: PrimitiveArray<TimestampMicrosecondType> =
        values.iter().map(|at| at.map(|at| truncate(part, at, field)).transpose()).collect::<Result<_>>()?;
    Ok(Arc::new(truncated.with_data_type(operand.data_type().clone())))
}

fn truncate(part: Part, at: i64, field: &str) -> Result<i64> {
    let unit = match part {
        Part::Microsecond => 1,
        Part::Millisecond => 1_000,
        Part::Second => SECOND,
        Part::Minute => MINUTE,
        Part::Hour => HOUR,
        Part::Day => MICROS_PER_DAY,
        _ => {
            let day = truncate_day(part, at.div_euclid(MICROS_PER_DAY), field)?;
            return day.checked_mul(MICROS_PER_DAY).ok_or_else(|| Error::data("22008", "timestamp out of range"));
        }
    };
    at.checked_sub(at.rem_euclid(unit)).ok_or_else(|| Error::data("22008", "timestamp out of range"))
}

fn truncate_day(part: Part, day: i64, field: &str) -> Result<i64> {
    let civil = Civil::from_days(day);
    let start = |year: i64, month: i64| Civil { year, month, day: 1 }.to_days();
    // Centuries and millennia begin with the year after the round one.
    let first_of = |length: i64| (civil.year - 1).div_euclid(length) * length + 1;
    Ok(match part {
        Part::Week => day - iso_day_of_week(day) + 1,
        Part::Month => start(civil.year, civil.month),
        Part::Quarter => start(civil.year, (civil.month - 1) / 3 * 3 + 1),
        Part::Year => start(civil.year, 1),
        Part::Decade => start(civil.year.div_euclid(10) * 10, 1),
        Part::Century => start(first_of(100), 1),
        Part::Millennium => start(first_of(1000), 1),
        _ => return Err(Error::not_supported(format!("unit \"{field}\" in date_trunc"))),
    })
}

/// `make_date`; negative years are BC.
pub(crate) fn make_date(year: &ArrayRef, month: &ArrayRef, day: &ArrayRef) -> Result<ArrayRef> {
    let column = |array: &ArrayRef| array.as_primitive_opt::<Int32Type>().cloned();
    let (Some(years), Some(months), Some(days)) = (column(year), column(month), column(day)) else {
        return Err(Error::Internal("make_date of other types than integer".to_string()));
    };
    let dates: Date32Array = years
        .iter()
        .zip(months.iter())
        .zip(days.iter())
        .map(|parts| match parts {
            ((Some(year), Some(month)), Some(day)) => date(year, month, day).map(Some),
            _ => Ok(None),
        })
        .collect::<Result<_>>()?;
    Ok(Arc::new(dates))
}

fn date(year: i32, month: i32, day: i32) -> Result<i32> {
    let out_of_range = || Error::data("22008", format!("date field value out of range: {year}-{month:02}-{day:02}"));
    let astronomical = if year < 0 { i64::from(year) + 1 } else { i64::from(year) };
    let civil = Civil { year: astronomical, month: month.into(), day: day.into() };
    if year == 0 || !civil.exists() {
        return Err(out_of_range());
    }
    i32::try_from(civil.to_days()).map_err(|_| out_of_range())
}
