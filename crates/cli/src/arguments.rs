//! The command line: subcommands, their arguments, and what `--help` says about them.
//!
//! Nothing is opened or run here. `-c` and `-f` of `sql` may be mixed and are run in the order in which they were given;
//! clap collects them apart, so the order is taken from their positions.

use clap::{ArgMatches, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Tables, SQL views that are always complete, and a log: one directory, no server.
#[derive(Debug, Parser)]
#[command(name = "monostable", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(Demo),
    Sql(Sql),
    Check(Check),
    Stats(Stats),
}

/// Replay a year of flights into tables and views, kill the writer in the middle, and check every view
///
/// The flights that left New York in 2013 (336,776 of them, inside this program) are committed as transactions, in the
/// order of their schedule, into five tables with seven views on top. Half way through, the process that writes is killed
/// with SIGKILL. The database is opened again, every view is compared with its query run from scratch, and the replay goes
/// on to the end. The last page shows what was measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Where the database is made; it stays there, to be looked at with `monostable sql DIR`. A demo that was interrupted
    /// goes on. Without DIR it is ./monostable-demo, and a demo that has ended there is replaced by a new one
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Replay only the first N days of the year
    #[arg(long, value_name = "N", default_value_t = crate::demo::DAYS_MAX, value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::demo::DAYS_MAX)))]
    pub(crate) days: u32,
    /// Be the writing process that another demo starts and kills
    #[arg(long, hide = true, requires = "directory")]
    pub(crate) writer: bool,
}

/// Run SQL: a shell on a terminal, otherwise statements from -c, -f or standard input
///
/// Statements end with a semicolon. With -c and -f, in the order given, or with standard input from a pipe or file, each
/// statement is run as soon as it is complete, and the first error ends the run with exit status 1. With --format jsonl
/// every statement, failed or not, gives exactly one line, written at once, and the run goes on after an error:
///
/// {"ok":true,"columns":["n"],"types":["bigint"],"rows":[[1]],"affected":0}
///
/// {"ok":false,"sqlstate":"42P01","error":"table \"t\" does not exist"}
#[derive(Debug, clap::Args)]
pub(crate) struct Sql {
    /// The directory of the database; it is made if it does not exist
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Run this text, which may hold several statements; may be given more than once
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    pub(crate) commands: Vec<String>,
    /// Run the statements of this file (- is standard input); may be given more than once
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// How results are written
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub(crate) format: RowFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// Aligned columns, for people
    Table,
    /// A header and one line per row; NULL is an empty field, an empty text is ""
    Csv,
    /// One JSON object per statement and line
    Jsonl,
}

/// Verify every checksum, and that every view equals its query run from scratch
///
/// Exit status 0 and one line if all is well; exit status 1 and a list of what is wrong if not. Nothing is changed. The
/// database must not be open elsewhere.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The directory of the database
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

/// Show what is where: rows, bytes and runs of every table, view and arrangement, and who shares it
#[derive(Debug, clap::Args)]
pub(crate) struct Stats {
    /// The directory of the database
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// How the figures are written
    #[arg(long, value_enum, default_value_t = StatsFormat::Table)]
    pub(crate) format: StatsFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatsFormat {
    /// Aligned columns, for people
    Table,
    /// One JSON object
    Json,
}

/// Where statements come from when they do not come from standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Text(String),
    File(PathBuf),
}

impl Sql {
    /// The sources of `-c` and `-f` in the order in which they were given. `matches` are those of the subcommand.
    pub(crate) fn sources(&self, matches: &ArgMatches) -> Vec<Source> {
        let positions = |name: &str| matches.indices_of(name).into_iter().flatten().collect::<Vec<_>>();
        let commands = self.commands.iter().cloned().map(Source::Text).zip(positions("commands"));
        let files = self.files.iter().cloned().map(Source::File).zip(positions("files"));
        let mut sources: Vec<(Source, usize)> = commands.chain(files).collect();
        sources.sort_by_key(|(_, position)| *position);
        sources.into_iter().map(|(source, _)| source).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, FromArgMatches};

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn commands_and_files_keep_their_order() {
        let line = ["monostable", "sql", "d", "-c", "a", "-f", "b", "-c", "c", "-f", "-"];
        let matches = Arguments::command().get_matches_from(line);
        let Command::Sql(sql) = Arguments::from_arg_matches(&matches).unwrap().command else { panic!("sql") };
        let sources = sql.sources(matches.subcommand().unwrap().1);
        let text = |text: &str| Source::Text(text.into());
        let file = |path: &str| Source::File(path.into());
        assert_eq!(sources, [text("a"), file("b"), text("c"), file("-")]);
    }
}
