//! A deterministic discrete-event model of all contenders: seconds to run, so that maps and ablations with many seeds are
//! possible, and so that tests can compare it with what is known in closed form.
//!
//! It is fed with the figures of a real run ([`Calibration::from_lines`]) or with documented defaults, and its results have
//! the same form as a measurement's. It reads no clock and draws from seeds only: the same call gives the same lines.
//!
//! What it leaves out, in favour of nobody in particular: networks, connections, garbage, locks inside a store, and a
//! service time that grows with concurrency beyond the share of the cores. Real backends degrade under overload; this one
//! keeps its capacity, which favours the contenders that overload it. What it takes from theory rather than from a run is
//! marked where it is set, in `calibration.rs`.
//!
//! Layout: `spread`, `lru`, `commits`, `stations` and `mitigations` are the parts; `engine`, `requests` and `disturbances`
//! the simulation; `record` and `recovery` what is seen of it; `experiments` E1 to E10.

mod calibration;
mod commits;
mod disturbances;
mod engine;
mod experiments;
mod lru;
mod mitigations;
mod record;
mod recovery;
mod requests;
mod spread;
mod stations;

#[cfg(test)]
mod tests;

pub use crate::random::Skew;
pub use calibration::Calibration;
pub use mitigations::{Mitigation, Mitigations};
pub use spread::Spread;

use crate::results::Results;

/// All experiments, in order.
pub const EXPERIMENTS: [&str; 10] = ["E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E10"];

/// How fine the maps are and how large the system is that is modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// All ten experiments in some 40 seconds of one core.
    Quick,
    /// All ten in a minute or two of one core, more without a measurement: larger systems, finer maps, longer runs.
    Full,
}

impl Scale {
    fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Scale::Quick => quick,
            Scale::Full => full,
        }
    }
}

/// There is no such experiment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no experiment {0}; give one of E1 to E10")]
pub struct UnknownExperiment(pub String);

/// What an experiment in the model found.
pub type Found = Result<Results, UnknownExperiment>;

/// Runs one experiment in the model.
///
/// Single runs take the first seed, maps and probabilities all of them. `progress` is told what begins.
pub fn run(
    experiment: &str,
    calibration: &Calibration,
    seeds: &[u64],
    scale: Scale,
    progress: &mut dyn FnMut(&str),
) -> Found {
    let known = EXPERIMENTS.iter().find(|known| **known == experiment);
    let experiment = known.copied().ok_or_else(|| UnknownExperiment(experiment.to_owned()))?;
    let results = Results::default();
    experiments::run(experiments::Lab { experiment, calibration, scale, seeds, progress, results })
}
