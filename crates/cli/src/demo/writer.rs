//! The process that writes, and the one that watches it and kills it.
//!
//! The demo starts itself again as a writer. The writer says on its standard output which transaction it has committed,
//! one number per line, after the commit returned: that is the ledger of what was acknowledged, kept outside the process
//! that will be killed. SIGKILL cannot be caught, so the writer has no chance to prepare.
//!
//! A writer whose watcher is gone (its standard input ends) ends as well, at once and without closing anything: nobody
//! would end it otherwise, and it would keep the directory locked.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use monostable::Database;

use super::replay::{self, Position};
use super::schedule::Schedule;
use crate::failure::{Failure, Result};

/// Goes on with the replay in `directory` until killed, or until the end. This is the other process.
pub(super) fn write(directory: &Path) -> Result<()> {
    std::thread::spawn(end_with_the_watcher);
    let db = Database::open(directory)?;
    let Position { days, next } =
        replay::position(&db)?.ok_or_else(|| Failure::message("the replay was not set up"))?;
    let schedule = Schedule::new(super::data::flights(days)?);
    let mut ledger = std::io::stdout().lock();
    for number in next..schedule.transactions.len() {
        replay::commit(&db, &schedule, number)?;
        writeln!(ledger, "{number}")?;
        ledger.flush()?;
    }
    Ok(db.close()?)
}

fn end_with_the_watcher() {
    let mut byte = [0];
    while std::io::stdin().read(&mut byte).is_ok_and(|len| len > 0) {}
    std::process::exit(1);
}

/// Starts a writer, reports each acknowledged transaction to `progress`, and kills the writer as soon as it has acknowledged
/// transaction `last`. Gives the number after the last one that was acknowledged.
pub(super) fn kill_after(directory: &Path, last: usize, mut progress: impl FnMut(usize)) -> Result<usize> {
    let mut writer = start(directory)?;
    let mut ledger = BufReader::new(writer.stdout.take().ok_or_else(|| Failure::message("the writer has no output"))?);
    let mut acknowledged = 0;
    let mut line = String::new();
    // What the writer had still said before it was killed is read to its end: the pipe outlives it. The last line may be
    // cut off, and acknowledges nothing then.
    while ledger.read_line(&mut line)? > 0 && line.ends_with('\n') {
        let number: usize = line.trim().parse().map_err(|_| Failure::message(format!("the writer said {line}")))?;
        line.clear();
        acknowledged = number + 1;
        progress(number);
        if number == last {
            writer.kill()?;
        }
    }
    let status = writer.wait()?;
    if acknowledged > last {
        return Ok(acknowledged);
    }
    Err(Failure::message(format!("the writer ended before it could be killed ({status})")))
}

fn start(directory: &Path) -> Result<Child> {
    let program = std::env::current_exe()?;
    let mut command = Command::new(program);
    command.arg("demo").arg(directory).arg("--writer").stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().map_err(|error| Failure::message(format!("cannot start the writer: {error}")))
}
