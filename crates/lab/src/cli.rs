//! The command's arguments, and which runs they mean.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::real::bench::{Scale, Servers};
use crate::real::child::Task;
use crate::real::workload::{Kind, Workload};
use crate::runs::{self, Error, Session};
use crate::{report, sim};

/// A cache with a backend against complete views: the two stable states of one, and the single one of the other.
#[derive(Debug, Parser)]
#[command(name = "monostable-lab", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Two to three minutes, nothing to install: SQLite and a cache against Monostable in this process, and the model for the maps.
    Quick(Setting),
    /// Every experiment at full size, measured and in the model; a little more than an hour on two cores. Each is
    /// written when it is done.
    Full(Setting),
    /// One experiment.
    Run {
        /// E1 to E10.
        #[arg(value_name = "EXPERIMENT", value_parser = sim::EXPERIMENTS)]
        experiment: String,
        /// With the model or with real stores.
        #[arg(long, default_value = "real")]
        mode: How,
        /// How large.
        #[arg(long, default_value = "quick")]
        size: Size,
        /// A directory of earlier results whose measured figures the model is fed with, instead of its defaults.
        #[arg(long, value_name = "DIR")]
        calibration: Option<PathBuf>,
        #[command(flatten)]
        setting: Setting,
    },
    /// Writes the page of earlier results again.
    Report {
        /// The directory with the CSV files.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Writes each chart as a file of its own into this directory, too.
        #[arg(long, value_name = "DIR")]
        charts: Option<PathBuf>,
    },
    /// The process that E8 kills.
    #[command(hide = true)]
    Tend(Tend),
    /// The process that V is where the other contenders are servers.
    #[command(hide = true)]
    Serve { directory: PathBuf, memory_bytes: u64 },
}

#[derive(Debug, Args)]
struct Setting {
    /// Where results are written, and the stores while it runs.
    #[arg(long, value_name = "DIR", default_value = "lab-results")]
    out: PathBuf,
    /// Seeds of the load; give it again for more than one.
    #[arg(long = "seed", value_name = "N")]
    seeds: Vec<u64>,
    /// The application: a shop's customer pages, or stories with their votes.
    #[arg(long, default_value = "shop")]
    workload: Application,
    /// Redis' address, as host:port; with --postgres, the cache contenders run on both servers, and V is a server, too.
    #[arg(long, value_name = "ADDR", requires = "postgres")]
    redis: Option<String>,
    /// PostgreSQL's connection string, as "host=.. port=.. user=..".
    #[arg(long, value_name = "DSN", requires = "redis")]
    postgres: Option<String>,
}

#[derive(Debug, Args)]
struct Tend {
    directory: PathBuf,
    #[arg(long)]
    kind: String,
    keys: u64,
    events_per_key: u64,
    rows_per_event: u64,
    memory_bytes: u64,
    exponent: f64,
    seconds: u64,
    #[arg(long)]
    writes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum How {
    Sim,
    Real,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Size {
    /// Some seconds, to see that everything runs; its figures mean nothing.
    Tiny,
    Quick,
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Application {
    Shop,
    Votes,
}

impl Size {
    fn scale(self) -> Scale {
        match self {
            Size::Tiny => Scale::tiny(),
            Size::Quick => Scale::quick(),
            Size::Full => Scale::full(),
        }
    }
}

impl Application {
    /// The same number of rows behind each page, as one application has them or the other.
    fn apply(self, scale: Scale) -> Scale {
        let usual = scale.workload;
        let workload = match self {
            Application::Shop => usual,
            Application::Votes => Workload {
                kind: Kind::Vote,
                events_per_key: usual.events_per_key * usual.rows_per_event,
                rows_per_event: 1,
                ..usual
            },
        };
        Scale { workload, ..scale }
    }
}

impl Setting {
    fn session(&self, command: String, size: Size) -> Session {
        let servers = match (&self.redis, &self.postgres) {
            (Some(redis), Some(postgres)) => Some(Servers { redis: redis.clone(), postgres: postgres.clone() }),
            _ => None,
        };
        Session {
            command,
            out: self.out.clone(),
            seeds: self.seeds.clone(),
            scale: self.workload.apply(size.scale()),
            fine: size == Size::Full,
            servers,
            program: std::env::current_exe().ok(),
        }
    }
}

/// What the command answers on the terminal when it is done.
pub fn run(arguments: &Arguments, command: String) -> Result<String, Error> {
    match &arguments.command {
        Command::Quick(setting) => runs::quick(&setting.session(command, Size::Quick)),
        Command::Full(setting) => runs::full(&setting.session(command, Size::Full)),
        Command::Run { experiment, mode, size, calibration, setting } => {
            let session = setting.session(command, *size);
            match mode {
                How::Real => runs::real(&session, experiment),
                How::Sim => runs::model(&session, experiment, calibration.as_deref()),
            }
        }
        Command::Report { directory, charts } => {
            let mut said = format!("the report is {}", report::write(directory)?.display());
            if let Some(out) = charts {
                said += &format!(", and {} charts are in {}", report::charts(directory, out)?.len(), out.display());
            }
            Ok(said)
        }
        Command::Tend(tend) => {
            crate::real::child::run(&tend.task()?)?;
            Ok(String::new())
        }
        Command::Serve { directory, memory_bytes } => {
            crate::real::server::run(directory, *memory_bytes)?;
            Ok(String::new())
        }
    }
}

impl Tend {
    fn task(&self) -> Result<Task, Error> {
        let kind = Kind::of(&self.kind)
            .ok_or_else(|| crate::real::error::Error::Child("was to be started", self.kind.clone()))?;
        Ok(Task {
            directory: self.directory.clone(),
            workload: Workload {
                kind,
                keys: self.keys,
                events_per_key: self.events_per_key,
                rows_per_event: self.rows_per_event,
            },
            memory_bytes: self.memory_bytes,
            exponent: self.exponent,
            writes: self.writes,
            seconds: self.seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("monostable-lab").chain(words.split_whitespace()))
    }

    #[test]
    fn one_experiment_is_told_from_others() {
        let Command::Run { experiment, mode, setting, .. } =
            parse("run E9 --mode sim --seed 3 --seed 4 --workload votes").unwrap().command
        else {
            panic!("a run")
        };
        assert_eq!((experiment.as_str(), mode, setting.seeds.as_slice()), ("E9", How::Sim, &[3, 4][..]));
        assert_eq!(setting.session(String::new(), Size::Tiny).scale.workload.kind, Kind::Vote);
        for wrong in ["run E11", "run", "quick --seed x", "run E1 --mode dream", "quick --workload blog"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn both_servers_are_given_or_neither() {
        assert!(parse("quick --redis a:1").is_err());
        assert!(parse("quick --postgres host=a").is_err());
        let Command::Quick(setting) = parse("quick --redis a:1 --postgres host=a").unwrap().command else {
            panic!("quick")
        };
        let servers = Servers { redis: "a:1".into(), postgres: "host=a".into() };
        assert_eq!(setting.session(String::new(), Size::Quick).servers, Some(servers));
    }

    #[test]
    fn both_applications_have_as_many_rows_behind_a_page() {
        let (shop, votes) = (Application::Shop.apply(Scale::quick()), Application::Votes.apply(Scale::quick()));
        let rows = |scale: Scale| scale.workload.events_per_key * scale.workload.rows_per_event;
        assert_eq!(rows(shop), rows(votes));
        assert_ne!(shop.workload.kind, votes.workload.kind);
    }
}
