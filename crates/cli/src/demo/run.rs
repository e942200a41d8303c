//! The demo from its first transaction to its last page.
//!
//! Each phase says one line when it has ended. What was acknowledged before the kill is compared with what is found after
//! it; the views are compared with their queries after the kill and at the end; and at the very end, after another open,
//! the engine checks all its files.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use monostable::{Database, params};

use super::progress::Progress;
use super::reads::Lookup;
use super::replay::{self, Position};
use super::report::{Measured, Rate, duration, grouped};
use super::schedule::Schedule;
use super::verify::{self, Compared};
use super::{data, schema, writer};
use crate::console::say;
use crate::directory;
use crate::failure::{Failure, Result};

const BURST_READS: usize = 200_000;
const FROM_SCRATCH_READS: usize = 9;

struct Run {
    directory: PathBuf,
    schedule: Schedule,
    /// The transaction that comes next.
    next: usize,
    /// Transactions of one hour or of corrections, in whichever process.
    hourly: Rate,
    hourly_flights: usize,
}

/// Runs the demo from `position` to its end.
pub(super) fn run(directory: PathBuf, position: Position) -> Result<()> {
    let schedule = Schedule::new(data::flights(position.days)?);
    let mut run = Run { directory, schedule, next: position.next, hourly: Rate::default(), hourly_flights: 0 };
    run.greet(position)?;
    run.write_until_killed()?;
    let (db, open_after_kill) = run.open()?;
    run.compare(&db)?;
    let lookup = run.lookup(&db)?;
    let reading = lookup.start();
    let single_commits = run.write_the_rest(&db)?;
    let reads_while_writing = reading.stop()?;
    let compared = run.compare(&db)?;
    let reads_idle = run.lookup(&db)?.burst(BURST_READS)?;
    let read_from_scratch = from_scratch(&db, &lookup)?;
    db.close()?;
    drop((db, lookup));
    let open_after_close = run.open_and_check()?;
    let measured = Measured {
        hourly_commits: run.hourly,
        hourly_rows: Rate { count: run.hourly_flights, elapsed: run.hourly.elapsed },
        single_commits,
        reads_while_writing,
        reads_idle,
        read_from_scratch,
        views_read: compared.iter().map(|one| one.read).sum(),
        views_from_scratch: compared.iter().map(|one| one.from_scratch).sum(),
        open_after_kill,
        open_after_close,
        bytes_on_disk: directory::bytes(&run.directory)?,
    };
    say!("\n{}\n", measured.table())?;
    say!("look around: monostable sql {0}    verify again: monostable check {0}", run.directory.display())
}

impl Run {
    fn greet(&self, position: Position) -> Result<()> {
        let flights = grouped(self.schedule.flights.len() as f64);
        let transactions = grouped(self.schedule.transactions.len() as f64);
        let views = schema::VIEWS.iter().map(|view| view.name).collect::<Vec<_>>().join(", ");
        say!("{flights} flights out of New York in {} days of 2013, as {transactions} transactions,", position.days)?;
        say!("into {} tables and {} views: {views}.", schema::TABLES.len(), schema::VIEWS.len())?;
        say!("The database is in {}.", self.directory.display())?;
        if position.next > 0 {
            say!("An earlier demo was interrupted: this one goes on after {} transactions.", position.next)?;
        }
        say!("")
    }

    /// The transaction after which the writer is killed: in the middle of those that report an hour.
    fn kill_after(&self) -> Option<usize> {
        let middle = self.schedule.first_single / 2;
        (self.next < middle).then_some(middle)
    }

    /// Lets another process write, kills it, and compares what it acknowledged with what is found.
    fn write_until_killed(&mut self) -> Result<()> {
        let Some(last) = self.kill_after() else { return Ok(()) };
        let progress = Progress::new(&self.schedule, self.next);
        // The clock starts with the first acknowledgement, when the writer has opened the database.
        let mut started = None;
        let mut rate = Rate::default();
        let mut flights = 0;
        let acknowledged = writer::kill_after(&self.directory, last, |number| {
            progress.committed(number);
            let Some(started) = started else {
                started = Some(Instant::now());
                return;
            };
            rate = Rate { count: rate.count + 1, elapsed: started.elapsed() };
            flights += self.schedule.rows(number);
        })?;
        progress.end();
        self.hourly = rate;
        self.hourly_flights = flights;
        say!("killed the writer with SIGKILL after it had acknowledged {} transactions", grouped(acknowledged as f64))?;
        self.next = acknowledged;
        Ok(())
    }

    /// Opens the database, reads a row of a view, and finds out how far the log says that it is.
    fn open(&mut self) -> Result<(Database, Duration)> {
        let acknowledged = self.next;
        let started = Instant::now();
        let db = Database::open(&self.directory)?;
        let opened = started.elapsed();
        let found = db.view(schema::READ_VIEW)?.scan()?.next().transpose()?.is_some();
        let first_read = started.elapsed() - opened;
        let what = if found { "first row" } else { "empty view" };
        say!("opened in {}, {what} of a view {} later", duration(opened), duration(first_read))?;
        let position = replay::position(&db)?.ok_or_else(|| Failure::message("the replay has no beginning"))?;
        if position.next < acknowledged {
            let text = format!("{acknowledged} transactions were acknowledged, {} are there", position.next);
            return Err(Failure::message(text));
        }
        say!("{} transactions were acknowledged, {} are there: nothing is lost", acknowledged, position.next)?;
        self.next = position.next;
        Ok((db, opened))
    }

    /// Compares every view with its query.
    fn compare(&self, db: &Database) -> Result<Vec<Compared>> {
        let compared = verify::compare(db, &self.schedule, self.next)?;
        say!("every view equals its query, run over the tables from scratch:")?;
        for one in &compared {
            let rows = grouped(one.rows as f64);
            say!(
                "  {:<18}{rows:>6} rows   read in {:>8}, computed in {:>8}",
                one.view,
                duration(one.read),
                duration(one.from_scratch)
            )?;
        }
        Ok(compared)
    }

    /// Point reads over all planes that were reported so far.
    fn lookup(&self, db: &Database) -> Result<Lookup> {
        let reported = self.schedule.flights_before(self.next);
        let planes: BTreeSet<&String> = reported.iter().filter_map(|flight| flight.tailnum.as_ref()).collect();
        Lookup::new(db, planes.into_iter().cloned().collect())
    }

    /// Commits what is left; the rate of the transactions of one flight each.
    fn write_the_rest(&mut self, db: &Database) -> Result<Rate> {
        let progress = Progress::new(&self.schedule, self.next);
        let started = Instant::now();
        let hourly = self.next..self.schedule.first_single.max(self.next);
        for number in hourly.clone() {
            replay::commit(db, &self.schedule, number)?;
            progress.committed(number);
            self.hourly_flights += self.schedule.rows(number);
        }
        self.hourly =
            Rate { count: self.hourly.count + hourly.len(), elapsed: self.hourly.elapsed + started.elapsed() };
        let started = Instant::now();
        let single = hourly.end..self.schedule.transactions.len();
        for number in single.clone() {
            replay::commit(db, &self.schedule, number)?;
            progress.committed(number);
        }
        let rate = Rate { count: single.len(), elapsed: started.elapsed() };
        progress.end();
        self.next = single.end;
        say!(
            "the rest of the year is committed, the last {} transactions with one flight each",
            grouped(single.len() as f64)
        )?;
        Ok(rate)
    }

    /// Opens once more and lets the engine check every checksum and every view.
    fn open_and_check(&mut self) -> Result<Duration> {
        let (db, opened) = self.open()?;
        let report = db.check()?;
        if !report.is_sound() {
            return Err(Failure::message(format!("the check found: {report:?}")));
        }
        say!("every checksum holds")?;
        db.close()?;
        Ok(opened)
    }
}

/// The time of the query that a point read of the view replaces: the median of a few.
fn from_scratch(db: &Database, lookup: &Lookup) -> Result<Duration> {
    let mut times = Vec::with_capacity(FROM_SCRATCH_READS);
    for index in 0..FROM_SCRATCH_READS {
        let started = Instant::now();
        db.query_with(schema::READ_FROM_SCRATCH, params![lookup.key(index)])?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times[FROM_SCRATCH_READS / 2])
}
