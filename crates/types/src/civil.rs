//! The proleptic Gregorian calendar: days since 1970-01-01 to and from year, month and day.
//!
//! Years are astronomical (year 0 is 1 BC). All arithmetic is in `i64`, wide enough for every `date` (an `i32` of days)
//! and every `timestamp` (an `i64` of microseconds); callers check the range of their own type. Days and years of more
//! than 2^60 and 2^50 are beyond it.

/// Microseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000;
/// Microseconds in a minute.
pub(crate) const MINUTE: i64 = 60 * SECOND;
/// Microseconds in an hour.
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// Microseconds in a day of 24 hours.
pub(crate) const DAY: i64 = 24 * HOUR;

/// Days in 400 years, after which the calendar repeats.
const CYCLE_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Astronomical: year 0 is 1 BC.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to the length of the month.
    pub day: i64,
}

impl Civil {
    /// The calendar day that many days after 1970-01-01.
    #[must_use]
    pub fn from_days(days: i64) -> Civil {
        // Count from a first of March, so that the leap day is the last day of its year.
        let days = days + EPOCH_DAYS;
        let cycle = days.div_euclid(CYCLE_DAYS);
        let day_of_cycle = days.rem_euclid(CYCLE_DAYS);
        let leap_days = day_of_cycle / 1460 - day_of_cycle / 36_524 + day_of_cycle / 146_096;
        let year_of_cycle = (day_of_cycle - leap_days) / 365;
        let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
        Civil { year, month, day }
    }

    /// Days from 1970-01-01 to this day. The day must exist ([`Civil::exists`]).
    #[must_use]
    pub fn to_days(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let month_from_march = (self.month + 9) % 12;
        let day_of_year = (153 * month_from_march + 2) / 5 + self.day - 1;
        let year_of_cycle = year.rem_euclid(400);
        let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
        year.div_euclid(400) * CYCLE_DAYS + day_of_cycle - EPOCH_DAYS
    }

    /// Whether the calendar has such a day.
    #[must_use]
    pub fn exists(self) -> bool {
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let length = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => return false,
        };
        (1..=length).contains(&self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The day after, by the rule that schoolchildren learn.
    fn tomorrow(today: Civil) -> Civil {
        let Civil { year, month, day } = today;
        let next = [(year, month, day + 1), (year, month + 1, 1), (year + 1, 1, 1)].map(|(year, month, day)| Civil {
            year,
            month,
            day,
        });
        next.into_iter().find(|day| day.exists()).unwrap()
    }

    #[test]
    fn the_calendar_is_right_for_every_day_of_a_thousand_years() {
        let mut civil = Civil { year: -30, month: 1, day: 1 };
        let first = civil.to_days();
        for days in first..first + 365_300 {
            assert_eq!(civil.to_days(), days);
            assert_eq!(Civil::from_days(days), civil);
            civil = tomorrow(civil);
        }
    }

    #[test]
    fn known_days() {
        let days = |year, month, day| Civil { year, month, day }.to_days();
        assert_eq!((days(1970, 1, 1), days(2000, 2, 29), days(2013, 1, 1)), (0, 11_016, 15_706));
        for extreme in [i64::from(i32::MIN), i64::from(i32::MAX), i64::MIN / DAY, i64::MAX / DAY] {
            assert_eq!(Civil::from_days(extreme).to_days(), extreme);
        }
        for missing in [(1900, 2, 29), (2013, 13, 1), (2013, 0, 1), (2013, 4, 31), (2013, 1, 0)] {
            assert!(!Civil { year: missing.0, month: missing.1, day: missing.2 }.exists());
        }
    }
}
