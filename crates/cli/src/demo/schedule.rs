//! The year as a list of transactions, the same in every process that asks.
//!
//! Flights of one scheduled hour are inserted together, and after its last hour each day is corrected: flights that never
//! left are deleted, some arrivals are amended, and some flights turn out to have been flown by another plane, which
//! moves them between groups of a join. In the last days of the input every flight is a transaction of its own.
//!
//! Transactions are numbered from zero. The number of the next one is kept in the database itself, in the same
//! transaction as what it writes, so a replay that was killed goes on exactly where the log says.

use super::data::Flight;
use std::collections::BTreeMap;
use std::ops::Range;

/// One flight in this many arrives a minute later than first reported.
const AMENDED_EVERY: i64 = 40;
/// One flight in this many was flown by the plane of the flight before it.
const EXCHANGED_EVERY: i64 = 100;
/// One day in this many (and at least one) is replayed flight by flight.
const SINGLE_DAYS_EVERY: u32 = 90;

/// What one transaction writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Writes {
    /// Flights of one hour, as positions in the schedule.
    Hour(Range<usize>),
    /// One flight.
    Single(usize),
    /// The corrections of one day.
    Corrections(Vec<Correction>),
}

/// A change of a flight that was reported before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Correction {
    /// It never left: it is deleted.
    Cancelled { id: i64 },
    /// It arrived later.
    Amended { id: i64, arrival_delay: i32 },
    /// It was flown by another plane, known or not.
    Exchanged { id: i64, tailnum: Option<String> },
}

/// All transactions, in order.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) flights: Vec<Flight>,
    pub(crate) transactions: Vec<Writes>,
    /// The first transaction of the days that are replayed flight by flight.
    pub(crate) first_single: usize,
}

impl Schedule {
    /// Lays out transactions for flights in the order of their schedule.
    pub(crate) fn new(flights: Vec<Flight>) -> Schedule {
        let days = flights.last().map_or(0, |flight| flight.day);
        let single_from = days.saturating_sub((days / SINGLE_DAYS_EVERY).max(1));
        let mut hours: BTreeMap<u32, BTreeMap<u32, Range<usize>>> = BTreeMap::new();
        for (position, flight) in flights.iter().enumerate() {
            let hour = hours.entry(flight.day).or_default().entry(flight.hour).or_insert(position..position);
            hour.end = position + 1;
        }
        let mut transactions = Vec::new();
        let mut first_single = None;
        for (day, hours) in hours {
            let positions = hours.values().flat_map(Range::clone);
            let corrections = corrections(&flights, positions.clone());
            if day > single_from {
                first_single.get_or_insert(transactions.len());
                transactions.extend(positions.map(Writes::Single));
            } else {
                transactions.extend(hours.into_values().map(Writes::Hour));
            }
            transactions.push(Writes::Corrections(corrections));
        }
        let first_single = first_single.unwrap_or(transactions.len());
        Schedule { flights, transactions, first_single }
    }

    /// Rows that a transaction inserts, updates or deletes.
    pub(crate) fn rows(&self, transaction: usize) -> usize {
        match &self.transactions[transaction] {
            Writes::Hour(positions) => positions.len(),
            Writes::Single(_) => 1,
            Writes::Corrections(corrections) => corrections.len(),
        }
    }

    /// The flights that were reported by the transactions before `next`.
    pub(crate) fn flights_before(&self, next: usize) -> &[Flight] {
        let reported = self.transactions[..next].iter().rev().find_map(|writes| match writes {
            Writes::Hour(positions) => Some(positions.end),
            Writes::Single(position) => Some(position + 1),
            Writes::Corrections(_) => None,
        });
        &self.flights[..reported.unwrap_or(0)]
    }

    /// The day of the year that a transaction belongs to.
    pub(crate) fn day(&self, transaction: usize) -> u32 {
        let day_of = |position: usize| self.flights[position].day;
        match &self.transactions[transaction] {
            Writes::Hour(positions) => day_of(positions.start),
            Writes::Single(position) => day_of(*position),
            Writes::Corrections(_) => transaction.checked_sub(1).map_or(0, |before| self.day(before)),
        }
    }
}

fn corrections(flights: &[Flight], positions: impl Iterator<Item = usize>) -> Vec<Correction> {
    positions.filter_map(|position| correction(flights, position)).collect()
}

fn correction(flights: &[Flight], position: usize) -> Option<Correction> {
    let flight = &flights[position];
    let id = flight.id;
    if flight.departure_delay.is_none() {
        return Some(Correction::Cancelled { id });
    }
    if id % EXCHANGED_EVERY == EXCHANGED_EVERY - 1 {
        let before = position.checked_sub(1).map(|before| &flights[before])?;
        return Some(Correction::Exchanged { id, tailnum: before.tailnum.clone() });
    }
    let amended = id % AMENDED_EVERY == 0;
    amended.then_some(flight.arrival_delay).flatten().map(|delay| Correction::Amended { id, arrival_delay: delay + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::data;

    fn ids(schedule: &Schedule) -> Vec<i64> {
        let mut ids = Vec::new();
        for transaction in &schedule.transactions {
            match transaction {
                Writes::Hour(positions) => ids.extend(positions.clone().map(|at| schedule.flights[at].id)),
                Writes::Single(position) => ids.push(schedule.flights[*position].id),
                Writes::Corrections(_) => {}
            }
        }
        ids
    }

    #[test]
    fn every_flight_is_reported_once_and_in_order() {
        let schedule = Schedule::new(data::flights(3).unwrap());
        assert_eq!(ids(&schedule), (0..schedule.flights.len() as i64).collect::<Vec<_>>());
        let singles = schedule.transactions[schedule.first_single..].iter();
        assert_eq!(singles.filter(|writes| matches!(writes, Writes::Single(_))).count(), 914);
        assert_eq!(schedule.day(schedule.first_single), 3);
    }

    #[test]
    fn corrections_follow_their_day() {
        let schedule = Schedule::new(data::flights(2).unwrap());
        let mut reported = 0;
        for (number, transaction) in schedule.transactions.iter().enumerate() {
            let Writes::Corrections(corrections) = transaction else {
                reported += schedule.rows(number);
                continue;
            };
            let cancelled = corrections.iter().filter(|one| matches!(one, Correction::Cancelled { .. })).count();
            assert!(cancelled > 0 && corrections.len() > cancelled, "day {}: {corrections:?}", schedule.day(number));
            for Correction::Cancelled { id } | Correction::Amended { id, .. } | Correction::Exchanged { id, .. } in
                corrections
            {
                assert!(usize::try_from(*id).unwrap() < reported);
            }
        }
    }

    #[test]
    fn an_empty_year_has_no_transactions() {
        let schedule = Schedule::new(Vec::new());
        assert_eq!((schedule.transactions.len(), schedule.first_single), (0, 0));
    }
}
