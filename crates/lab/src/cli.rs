//! The command's arguments, and what each of them runs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::real::bench::{Bench, Scale, Servers};
use crate::real::{calibrate, experiments};
use crate::results::{Results, Run};

/// A cache with a backend against complete views: the two stable states of one, and the single one of the other.
#[derive(Debug, Parser)]
#[command(name = "monostable-lab", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Where results are written.
    #[arg(long, global = true, value_name = "DIR", default_value = "lab-results")]
    out: PathBuf,
    /// Seeds of the load; give it again for more than one.
    #[arg(long = "seed", global = true, value_name = "N")]
    seeds: Vec<u64>,
    /// Redis' address, as host:port; with --postgres, the cache contenders run on both servers.
    #[arg(long, global = true, value_name = "ADDR", requires = "postgres")]
    redis: Option<String>,
    /// PostgreSQL's connection string, as "host=.. port=.. user=..".
    #[arg(long, global = true, value_name = "DSN", requires = "redis")]
    postgres: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Two minutes, nothing to install: SQLite and a cache against Monostable in this process, and the model for the maps.
    Quick,
    /// Every experiment at full size; takes hours.
    Full,
    /// One experiment.
    Run {
        /// E1 to E10.
        #[arg(value_name = "EXPERIMENT")]
        experiment: String,
        /// With the model or with real stores.
        #[arg(long, default_value = "real")]
        mode: How,
        /// How large.
        #[arg(long, default_value = "quick")]
        size: Size,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    Sim,
    Real,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Size {
    Tiny,
    Quick,
    Full,
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

/// Why the command ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A run with real stores.
    #[error(transparent)]
    Real(#[from] crate::real::error::Error),
    /// Results could not be written or read.
    #[error(transparent)]
    Results(#[from] crate::results::Error),
    /// No place for the stores.
    #[error("cannot make a directory for the stores: {0}; set TMPDIR to a disk with room")]
    Directory(std::io::Error),
}

/// What the command answers on the terminal when it is done.
pub fn run(arguments: &Arguments, command: String) -> Result<String, Error> {
    let began = Instant::now();
    let seeds = if arguments.seeds.is_empty() { vec![1] } else { arguments.seeds.clone() };
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}") {
        bar.set_style(style);
    }
    let mut progress = |text: &str| {
        bar.set_message(text.to_owned());
        bar.tick();
    };
    let mut results = match &arguments.command {
        Command::Quick => real(arguments, Scale::quick(), &["E1"], &seeds, &mut progress)?,
        Command::Full => real(arguments, Scale::full(), &experiments::NAMES, &seeds, &mut progress)?,
        Command::Run { experiment, mode: How::Real, size } => {
            real(arguments, size.scale(), &[experiment.as_str()], &seeds, &mut progress)?
        }
        Command::Run { mode: How::Sim, .. } => Results::default(),
    };
    bar.finish_and_clear();
    let run = results.run.get_or_insert_default();
    run.command = command;
    run.version = env!("CARGO_PKG_VERSION").to_owned();
    run.seconds = began.elapsed().as_secs_f64();
    run.seeds = seeds;
    results.write(&arguments.out)?;
    Ok(summary(&results, &arguments.out))
}

fn real(
    arguments: &Arguments,
    scale: Scale,
    names: &[&str],
    seeds: &[u64],
    progress: experiments::Progress<'_>,
) -> Result<Results, Error> {
    let directory = tempfile::Builder::new().prefix("monostable-lab").tempdir().map_err(Error::Directory)?;
    let servers = match (&arguments.redis, &arguments.postgres) {
        (Some(redis), Some(postgres)) => Some(Servers { redis: redis.clone(), postgres: postgres.clone() }),
        _ => None,
    };
    let mut bench = Bench::new(scale, directory.path(), servers);
    let mut results = Results { run: Some(Run::default()), ..Results::default() };
    calibrate::run(&mut bench, &mut results, progress)?;
    for name in names {
        experiments::run(name, &mut bench, seeds, &mut results, progress)?;
    }
    Ok(results)
}

fn summary(results: &Results, directory: &Path) -> String {
    let mut lines = Vec::new();
    for line in &results.calibration {
        lines.push(format!("{} {} = {:.6} {}", line.contender, line.name, line.value, line.unit));
    }
    for verdict in &results.verdicts {
        lines.push(format!(
            "{} {} {}: {:?}, recovery {:?} s (K/M {:?}), lost {:?}, attempts {:?}, useful {:?}, stale {:?}; {}",
            verdict.experiment,
            verdict.contender,
            verdict.variant,
            verdict.outcome,
            verdict.recovery_s,
            verdict.predicted_s,
            verdict.lost_requests,
            verdict.attempts_per_request,
            verdict.useful_work_share,
            verdict.stale_reads,
            verdict.note,
        ));
    }
    lines.push(format!("results are in {}", directory.display()));
    lines.join("\n")
}
