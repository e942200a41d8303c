//! From results to figures: which charts an experiment has, and which it lacks.
//!
//! A figure has a panel for each mode that has data, so that the model and the measurement stand side by side. The charts
//! are found by what the lines say of themselves and not by fixed lists, so that a new metric or variant is shown without
//! a change here: a figure over one variable becomes lines, over two a map, over none bars.

mod costs;
mod latencies;
mod maps;
mod outcomes;
mod sweeps;
mod timelines;

use super::charts::Chart;
use super::data::{distinct, mode_name, mode_title};
use super::svg::Svg;
use crate::results::{Mode, Results};

/// Charts of the same thing.
#[derive(Debug)]
pub(super) struct Figure {
    /// Its name in links and files.
    pub(super) id: String,
    pub(super) title: String,
    /// How to read it.
    pub(super) caption: String,
    pub(super) panels: Vec<Panel>,
}

/// One chart of one mode.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) mode: Mode,
    pub(super) chart: Chart,
    /// What it shows, for those who do not see it.
    pub(super) alt: String,
}

impl Panel {
    /// As a part of the page.
    pub(super) fn drawn(&self) -> Svg {
        self.chart.draw(mode_title(self.mode))
    }
}

impl Figure {
    /// A figure of those panels that have data, unless none has.
    fn new(id: String, title: impl Into<String>, caption: impl Into<String>, mut panels: Vec<Panel>) -> Option<Figure> {
        panels.retain(|panel| panel.drawn().marks() > 0);
        (!panels.is_empty()).then(|| Figure { id, title: title.into(), caption: caption.into(), panels })
    }

    /// Each panel as the name and the chart of a file.
    pub(super) fn files(&self) -> impl Iterator<Item = (String, Svg, &str)> {
        self.panels.iter().map(|panel| {
            let heading = format!("{} - {}", self.title, mode_title(panel.mode));
            let name = format!("{}-{}.svg", self.id, mode_name(panel.mode));
            (name, panel.chart.draw(&heading), panel.alt.as_str())
        })
    }
}

/// Words as a part of a file's name.
fn slug(words: &str) -> String {
    let mut text = String::new();
    for c in words.to_lowercase().chars() {
        match c {
            c if c.is_ascii_alphanumeric() => text.push(c),
            _ if text.ends_with('-') || text.is_empty() => {}
            _ => text.push('-'),
        }
    }
    text.trim_end_matches('-').to_owned()
}

/// The modes in which anything of an experiment is there.
fn modes(lines: impl Iterator<Item = Mode>) -> Vec<Mode> {
    let mut found = distinct(lines);
    found.sort();
    found
}

/// The figures of an experiment, and the names of those that have no data.
pub(super) fn of(results: &Results, experiment: &str) -> (Vec<Figure>, Vec<&'static str>) {
    let (mut figures, mut absent) = (Vec::new(), Vec::new());
    let mut wanted = |name: &'static str, found: Vec<Figure>| {
        if found.is_empty() {
            absent.push(name);
        }
        figures.extend(found);
    };
    let timelines = timelines::of(results, experiment);
    if matches!(experiment, "E1" | "E5" | "E7" | "E9") || !timelines.is_empty() {
        wanted("goodput timeline", timelines);
    }
    match experiment {
        "E2" => wanted("the two branches", sweeps::of(results, experiment)),
        "E3" => wanted("vulnerability map", maps::each(results, experiment)),
        "E4" => wanted("recovery with and without each mitigation", outcomes::recoveries(results, experiment)),
        "E6" => wanted("stale reads", outcomes::staleness(results, experiment)),
        "E8" => wanted("cold start", sweeps::of(results, experiment)),
        "E10" => {
            wanted("cost bars", costs::of(results).into_iter().collect());
            wanted("who-wins map", maps::winners(results, experiment));
        }
        _ => {}
    }
    if !matches!(experiment, "E2" | "E8" | "E10") {
        figures.extend(sweeps::of(results, experiment));
    }
    let latencies: Vec<Figure> = latencies::of(results, experiment).into_iter().collect();
    if experiment == "E1" && latencies.is_empty() {
        absent.push("latency percentiles");
    }
    figures.extend(latencies);
    (figures, absent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain() {
        assert_eq!(slug("E1: page cache dropped (all)"), "e1-page-cache-dropped-all");
        assert_eq!(slug("--"), "");
    }

    #[test]
    fn without_data_there_are_no_figures() {
        for experiment in ["E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E10"] {
            let (figures, absent) = of(&Results::default(), experiment);
            assert!(figures.is_empty() && !absent.is_empty(), "{experiment}");
        }
    }
}
