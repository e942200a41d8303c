//! The report: what a directory of results says, as one page, as files of charts, and as a table for the terminal.
//!
//! It reads [`Results`] and nothing else, and never runs anything. Invariants: the page refers to nothing outside itself and
//! needs no script; a chart without data is left out and a line says so; what was not measured is called that and is never
//! drawn as zero; a contender has one colour everywhere. Charts are found by what the lines say of themselves: points over
//! one variable become lines, over two variables (in E3 and E10) maps, single ones bars; timelines are grouped by variant,
//! and those whose variant ends in `twin` are not drawn.
//!
//! Cost: a few passes over the lines for each chart; a page of a full run is some hundred kilobytes.

mod charts;
mod data;
mod experiments;
mod figures;
mod page;
mod palette;
mod svg;
mod tables;
mod terminal;
mod units;

use std::fs;
use std::path::{Path, PathBuf};

use crate::results::{self, Error, Result, Results};

/// The name of the page in the directory of its results.
pub const PAGE: &str = "report.html";

/// Reads the results in `directory`, writes the page beside them and says where it is.
pub fn write(directory: &Path) -> Result<PathBuf> {
    let page = page::html(&Results::read(directory)?);
    put(directory.join(PAGE), &page)
}

/// Writes each chart of the results in `directory` as a file of its own into `out`, for light backgrounds, and says which.
pub fn charts(directory: &Path, out: &Path) -> Result<Vec<PathBuf>> {
    let results = Results::read(directory)?;
    fs::create_dir_all(out).map_err(|source| Error::Io { path: out.to_owned(), source })?;
    let mut written = Vec::new();
    for experiment in &experiments::EXPERIMENTS {
        let (figures, _) = figures::of(&results, experiment.id);
        for (name, svg, alt) in figures.iter().flat_map(figures::Figure::files) {
            written.push(put(out.join(name), &svg.standalone(alt, &palette::LIGHT))?);
        }
    }
    Ok(written)
}

/// The verdicts as a table of plain text, and how many expectations held.
pub fn summary(results: &Results) -> String {
    terminal::summary(results)
}

fn put(path: PathBuf, text: &str) -> Result<PathBuf> {
    results::put(&path, text.as_bytes())?;
    Ok(path)
}
