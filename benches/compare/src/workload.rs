//! What a workload is to the command: a name, a line about it, a function that adds its figures.
//!
//! A new workload is one file and one line in the list of `main.rs`.

use crate::report::Report;

/// Anything that ends a run: an error of a contender, or of the disk.
pub type Failure = Box<dyn std::error::Error>;

/// What work that only succeeds or fails answers.
pub type Outcome = Result<(), Failure>;

/// One workload of the comparison.
pub struct Workload {
    /// As on the command line: `w1`.
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn(&mut Report, &Scale) -> Result<(), Failure>,
}

/// How much data the user asked for.
#[derive(Debug, Clone)]
pub struct Scale {
    /// A quick look rather than figures.
    pub quick: bool,
    /// Rows of the base data, if not the workload's own.
    pub rows: Option<u64>,
    /// Parts of the names of the contenders that take part, or `=` and a whole name; all if there are none.
    pub only: Vec<String>,
    /// The same for cases, in W1 and W8.
    pub cases: Vec<String>,
}

impl Scale {
    /// The rows asked for, or else the workload's own.
    pub fn rows(&self, full: u64, quick: u64) -> u64 {
        self.rows.unwrap_or(if self.quick { quick } else { full })
    }

    /// Whether the contender with this name takes part.
    pub fn includes(&self, contender: &str) -> bool {
        chosen(&self.only, contender)
    }

    /// Whether the case with this name is measured.
    pub fn includes_case(&self, case: &str) -> bool {
        chosen(&self.cases, case)
    }
}

fn chosen(parts: &[String], name: &str) -> bool {
    let holds = |part: &String| part.strip_prefix('=').map_or_else(|| name.contains(part), |whole| whole == name);
    parts.is_empty() || parts.iter().any(holds)
}
