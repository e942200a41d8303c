//! `monostable sql`: statements from the command line, from files, from a pipe, or from a person.
//!
//! Statements are run one by one, each as soon as its semicolon has been read, in one session; its answer is written and
//! flushed before the next is read. An error ends the run, except in JSON lines, where it is the statement's line, and on
//! a terminal, where it is shown.

mod output;
mod shell;
mod split;

use std::io::{BufRead, BufReader, IsTerminal, Write};

use clap::ArgMatches;
use monostable::{Database, Session};

use crate::arguments::{RowFormat, Source, Sql};
use crate::failure::{Failure, Result};
use crate::open::open;
use split::Splitter;

/// Runs the subcommand.
pub(crate) fn run(arguments: &Sql, matches: &ArgMatches) -> Result<()> {
    let db = open(&arguments.directory)?;
    let ended = run_open(&db, arguments, matches);
    let closed = db.close();
    ended?;
    // A commit is durable when its answer is written, so closing has nothing of the user's left to lose.
    closed
        .map_err(|error| Failure::message(format!("every commit is durable, but closing the database failed: {error}")))
}

fn run_open(db: &Database, arguments: &Sql, matches: &ArgMatches) -> Result<()> {
    let sources = arguments.sources(matches);
    let session = db.session();
    if sources.is_empty() && std::io::stdin().is_terminal() {
        return shell::run(session, arguments.format);
    }
    let mut runner = Runner { session, format: arguments.format, out: std::io::stdout().lock() };
    for source in &sources {
        match source {
            Source::Text(text) => runner.run(text.as_bytes())?,
            Source::File(path) if path.as_os_str() == "-" => runner.run(std::io::stdin().lock())?,
            Source::File(path) => {
                let unreadable = |error| Failure::message(format!("cannot read {}: {error}", path.display()));
                runner.run(BufReader::new(std::fs::File::open(path).map_err(unreadable)?))?;
            }
        }
    }
    if sources.is_empty() { runner.run(std::io::stdin().lock()) } else { Ok(()) }
}

/// Runs statements in a session and writes their answers.
struct Runner<W> {
    session: Session,
    format: RowFormat,
    out: W,
}

impl<W: Write> Runner<W> {
    /// Runs everything that a source gives. Bytes that are not UTF-8 are refused, not replaced.
    fn run(&mut self, mut source: impl BufRead) -> Result<()> {
        let mut splitter = Splitter::default();
        let mut line = String::new();
        while source.read_line(&mut line).map_err(|error| Failure::message(format!("cannot read SQL: {error}")))? > 0 {
            splitter.push(&line);
            line.clear();
            while let Some(statement) = splitter.next_statement() {
                self.statement(&statement)?;
            }
        }
        splitter.finish().map_or(Ok(()), |statement| self.statement(&statement))
    }

    fn statement(&mut self, statement: &str) -> Result<()> {
        match self.session.execute(statement) {
            // The text holds one statement, so there is one outcome, which is the last.
            Ok(outcomes) => match outcomes.into_iter().next_back() {
                Some(outcome) => output::write(&mut self.out, self.format, output::answer(outcome)),
                None => Ok(()),
            },
            Err(error) if self.format == RowFormat::Jsonl => {
                output::write_json_error(&mut self.out, error.sqlstate(), &error.to_string())
            }
            Err(error) => Err(error.into()),
        }
    }
}
