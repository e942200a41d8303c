//! The `monostable` command: a demo, a shell, a check, and figures.
//!
//! It is a thin user of the library: whatever it can do, a program that embeds the library can do. Results go to standard
//! output, everything else to standard error. Exit status 0: done. 1: it could not be done, or `check` found something
//! wrong. 2: the command line was not understood.
#![forbid(unsafe_code)]

mod arguments;
mod check;
mod console;
mod demo;
mod directory;
mod failure;
mod open;
mod sql;
mod stats;

use std::io::Write;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches};

use arguments::{Arguments, Command};
use failure::{Failure, Result};

fn main() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(&arguments, &matches) {
        Ok(status) => status,
        // Whoever read the output has enough of it, as in `monostable sql DIR | head`.
        Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(failure) => {
            // If standard error is closed as well, the exit status has to say it.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, matches: &ArgMatches) -> Result<ExitCode> {
    match &arguments.command {
        Command::Demo(demo) => demo::run(demo)?,
        Command::Sql(sql) => {
            let (_, matches) = matches.subcommand().ok_or_else(|| Failure::message("no subcommand"))?;
            sql::run(sql, matches)?;
        }
        Command::Check(check) => return check::run(check),
        Command::Stats(stats) => stats::run(stats)?,
    }
    Ok(ExitCode::SUCCESS)
}
