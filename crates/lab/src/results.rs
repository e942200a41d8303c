//! What the laboratory writes down: one directory with `run.json` and five CSV files, which are all that the report reads.
//!
//! Every line names its experiment, mode, contender, variant and seed, so that files of several runs can be put together and
//! looked at with any other tool. A figure that was not measured is an empty field, never a zero.
//!
//! Units: times in seconds or microseconds as the field's last word says, rates per second, sizes in bytes, shares 0 to 1.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Why results could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error("cannot use {path}: {source}; give a directory that can be written")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There are no results, or they cannot be read.
    #[error("cannot read {path}: {source}; give the directory that a run has written with --out")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A CSV file is not one of ours, or is damaged.
    #[error("cannot read {path} as results: {source}; run the experiment again or give another directory")]
    Csv {
        /// The file.
        path: PathBuf,
        /// Line and field.
        source: csv::Error,
    },
    /// `run.json` is not one of ours, or is damaged.
    #[error(
        "cannot read {path} as the description of a run: {source}; run the experiment again or give another directory"
    )]
    Json {
        /// The file.
        path: PathBuf,
        /// Line and field.
        source: serde_json::Error,
    },
}

/// Results, or why there are none.
pub type Result<T> = std::result::Result<T, Error>;

/// Who answers the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Contender {
    /// The backend alone.
    A0,
    /// A naive cache aside of it: time to live, delete on write, unlimited fall-through, plain retries.
    A1,
    /// A cache aside of it with every mitigation.
    A2,
    /// A2 with room for all data, persisted.
    A3,
    /// A summary table kept by triggers.
    B1,
    /// Monostable.
    V,
}

impl Contender {
    /// All of them, in the order of the report.
    pub const ALL: [Contender; 6] =
        [Contender::A0, Contender::A1, Contender::A2, Contender::A3, Contender::B1, Contender::V];

    /// What it is called where there is room.
    pub fn title(self) -> &'static str {
        match self {
            Contender::A0 => "backend alone",
            Contender::A1 => "naive cache",
            Contender::A2 => "mitigated cache",
            Contender::A3 => "full, persisted cache",
            Contender::B1 => "summary table",
            Contender::V => "Monostable",
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Where a figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The discrete-event model.
    Sim,
    /// Real stores in this process.
    Real,
    /// Real servers: Redis and PostgreSQL.
    Server,
}

/// How a run of a contender ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It never left its steady state.
    Steady,
    /// It left it and came back.
    Recovered,
    /// It left it and was not back when the run ended.
    Down,
    /// Nothing disturbed it, so there was nothing to come back from: what was counted says what came of it.
    Undisturbed,
    /// The load generator, not the contender, was the limit: the run says nothing.
    Rejected,
    /// It was not measured; the note says why.
    Skipped,
}

/// What every line begins with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// `E1` to `E10`.
    pub experiment: String,
    /// Model or measurement.
    pub mode: Mode,
    /// Who.
    pub contender: Contender,
    /// What is special about this run, for example a switched-off mitigation; empty if nothing.
    pub variant: String,
    /// The seed of its load.
    pub seed: u64,
}

macro_rules! line {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            /// `E1` to `E10`.
            pub experiment: String,
            /// Model or measurement.
            pub mode: Mode,
            /// Who.
            pub contender: Contender,
            /// What is special about this run; empty if nothing.
            pub variant: String,
            /// The seed of its load.
            pub seed: u64,
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            /// What run this line belongs to.
            pub fn key(&self) -> Key {
                Key {
                    experiment: self.experiment.clone(),
                    mode: self.mode,
                    contender: self.contender,
                    variant: self.variant.clone(),
                    seed: self.seed,
                }
            }
        }
    };
}

line! {
    /// One second of one run.
    Second {
        /// Seconds since the run began; the trigger's second is in `trigger_second` of the verdict.
        second: u32,
        /// Requests that were due in this second.
        offered: u64,
        /// Of these, answered in time and fresh enough.
        good: u64,
        /// Answered, but after the deadline.
        late: u64,
        /// Refused or failed.
        failed: u64,
        /// Answered in time, but staler than allowed.
        stale: u64,
        /// Attempts that the clients made, retries included.
        attempts: u64,
        /// Queries that the backend ran to their end.
        backend_queries: u64,
        /// Of these, those whose answer still reached a client in time.
        backend_useful: u64,
        /// Share of attempts that the cache answered.
        hit_share: Option<f64>,
        /// Median latency from the intended send time, of answered requests.
        p50_us: Option<f64>,
        /// 99th percentile.
        p99_us: Option<f64>,
        /// 99.9th percentile.
        p999_us: Option<f64>,
        /// The slowest.
        max_us: Option<f64>,
    }
}

line! {
    /// One figure at one place of a map, a sweep or a cost table.
    Point {
        /// What is varied, for example `load_over_capacity`.
        x_name: String,
        /// Its value.
        x: f64,
        /// What else is varied; empty if nothing.
        y_name: String,
        /// Its value.
        y: f64,
        /// What was measured, for example `recovered_share`.
        metric: String,
        /// The figure.
        value: f64,
        /// Its unit, for example `bytes`, `1/s`, `s`, `1`.
        unit: String,
    }
}

line! {
    /// A percentile of the latencies of one phase of a run.
    Latency {
        /// `before`, `during`, `after` or `steady`.
        phase: String,
        /// 50, 90, 99, 99.9 or 100.
        percentile: f64,
        /// The latency, from the intended send time.
        us: f64,
    }
}

line! {
    /// What came of one run.
    Verdict {
        /// What was expected, stated before it ran.
        expectation: String,
        /// Whether that is what was seen.
        as_expected: Option<bool>,
        /// How it ended.
        outcome: Outcome,
        /// When the disturbance came.
        trigger_second: Option<f64>,
        /// From the disturbance to the first of five seconds at 99 % of the undisturbed twin.
        recovery_s: Option<f64>,
        /// What K/M, or the closed form that fits, predicts.
        predicted_s: Option<f64>,
        /// Requests that the twin answered well and this run did not.
        lost_requests: Option<f64>,
        /// Attempts for each request.
        attempts_per_request: Option<f64>,
        /// Share of backend queries whose answer was of use.
        useful_work_share: Option<f64>,
        /// Answers that lacked a write which was acknowledged before they were asked for, however recent.
        stale_reads: Option<u64>,
        /// Keys that were wrong for good when everything had settled.
        wrong_keys: Option<u64>,
        /// Resident memory at the end.
        resident_bytes: Option<u64>,
        /// Page cache at the end.
        page_cache_bytes: Option<u64>,
        /// Bytes written for each logical byte changed.
        write_amplification: Option<f64>,
        /// What a reader should know of this run.
        note: String,
    }
}

line! {
    /// A figure that the real run measured and the model is fed with.
    Calibration {
        /// For example `capacity`, `hit_service_mean`, `miss_service_mean`, `hit_share`, `keys`.
        name: String,
        /// The figure.
        value: f64,
        /// Its unit.
        unit: String,
    }
}

impl Point {
    /// A figure at one place; a name is empty if that axis is not varied.
    pub fn new(key: &Key, x: (&str, f64), y: (&str, f64), metric: &str, value: f64, unit: &str) -> Point {
        let Key { experiment, mode, contender, variant, seed } = key.clone();
        let [x_name, y_name, metric, unit] = [x.0, y.0, metric, unit].map(str::to_owned);
        Point { experiment, mode, contender, variant, seed, x_name, x: x.1, y_name, y: y.1, metric, value, unit }
    }
}

impl Latency {
    /// The percentiles that are written down.
    pub const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];

    /// One of them.
    pub fn new(key: &Key, phase: &str, percentile: f64, us: f64) -> Latency {
        let Key { experiment, mode, contender, variant, seed } = key.clone();
        Latency { experiment, mode, contender, variant, seed, phase: phase.to_owned(), percentile, us }
    }
}

impl Verdict {
    /// Of a run of which nothing is known, as if it had not been made.
    pub fn new(key: &Key) -> Verdict {
        let Key { experiment, mode, contender, variant, seed } = key.clone();
        Verdict {
            experiment,
            mode,
            contender,
            variant,
            seed,
            expectation: String::new(),
            as_expected: None,
            outcome: Outcome::Skipped,
            trigger_second: None,
            recovery_s: None,
            predicted_s: None,
            lost_requests: None,
            attempts_per_request: None,
            useful_work_share: None,
            stale_reads: None,
            wrong_keys: None,
            resident_bytes: None,
            page_cache_bytes: None,
            write_amplification: None,
            note: String::new(),
        }
    }
}

impl Calibration {
    /// A measured figure.
    pub fn new(key: &Key, name: &str, value: f64, unit: &str) -> Calibration {
        let Key { experiment, mode, contender, variant, seed } = key.clone();
        let [name, unit] = [name, unit].map(str::to_owned);
        Calibration { experiment, mode, contender, variant, seed, name, value, unit }
    }
}

/// The run as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The exact command.
    pub command: String,
    /// The version of this program.
    pub version: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Processor, cores, memory, kernel, file system: name and value.
    pub machine: Vec<(String, String)>,
    /// Every setting that matters: contender (or empty for all), name, value.
    pub settings: Vec<(String, String, String)>,
    /// Parts that were planned and not done when this was written; empty if it came to its end.
    #[serde(default)]
    pub missing: Vec<String>,
}

/// Everything that was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Results {
    /// The run as a whole, once it is known.
    pub run: Option<Run>,
    /// `timeline.csv`.
    pub timeline: Vec<Second>,
    /// `points.csv`.
    pub points: Vec<Point>,
    /// `latencies.csv`.
    pub latencies: Vec<Latency>,
    /// `verdicts.csv`.
    pub verdicts: Vec<Verdict>,
    /// `calibration.csv`.
    pub calibration: Vec<Calibration>,
}

impl Results {
    /// Writes all files into `directory`, which is made if it does not exist.
    pub fn write(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory).map_err(|source| Error::Io { path: directory.to_owned(), source })?;
        if let Some(run) = &self.run {
            let path = directory.join("run.json");
            let text =
                serde_json::to_string_pretty(run).map_err(|source| Error::Json { path: path.clone(), source })?;
            put(&path, text.as_bytes())?;
        }
        write_lines(&directory.join("timeline.csv"), &self.timeline)?;
        write_lines(&directory.join("points.csv"), &self.points)?;
        write_lines(&directory.join("latencies.csv"), &self.latencies)?;
        write_lines(&directory.join("verdicts.csv"), &self.verdicts)?;
        write_lines(&directory.join("calibration.csv"), &self.calibration)
    }

    /// Reads what [`Results::write`] wrote.
    pub fn read(directory: &Path) -> Result<Results> {
        let path = directory.join("run.json");
        let run = match fs::read_to_string(&path) {
            Ok(text) => Some(serde_json::from_str(&text).map_err(|source| Error::Json { path, source })?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(Error::Read { path, source }),
        };
        Ok(Results {
            run,
            timeline: read_lines(&directory.join("timeline.csv"))?,
            points: read_lines(&directory.join("points.csv"))?,
            latencies: read_lines(&directory.join("latencies.csv"))?,
            verdicts: read_lines(&directory.join("verdicts.csv"))?,
            calibration: read_lines(&directory.join("calibration.csv"))?,
        })
    }

    /// Adds what another part of the run found.
    pub fn extend(&mut self, other: Results) {
        self.run = other.run.or(self.run.take());
        self.timeline.extend(other.timeline);
        self.points.extend(other.points);
        self.latencies.extend(other.latencies);
        self.verdicts.extend(other.verdicts);
        self.calibration.extend(other.calibration);
    }
}

/// Puts a file in the place of an earlier one as a whole: who is interrupted here leaves the earlier one.
pub(crate) fn put(path: &Path, content: &[u8]) -> Result<()> {
    let part = path.with_extension("part");
    let written = fs::write(&part, content).and_then(|()| fs::rename(&part, path));
    written.map_err(|source| Error::Io { path: path.to_owned(), source })
}

fn write_lines<T: Serialize>(path: &Path, lines: &[T]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        writer.serialize(line).map_err(|source| Error::Csv { path: path.to_owned(), source })?;
    }
    let content =
        writer.into_inner().map_err(|error| Error::Io { path: path.to_owned(), source: error.into_error() })?;
    put(path, &content)
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let lines: csv::Result<Vec<T>> = csv::Reader::from_reader(file).into_deserialize().collect();
    lines.map_err(|source| Error::Csv { path: path.to_owned(), source })
}
