//! The page: everything in one file, without scripts, fonts or anything else from elsewhere.
//!
//! A reader sees first whether the expectations held, then experiment by experiment the charts and the expectations, then
//! the model against the measurement, and at the end all that is needed to do it again.

use super::data::{Spread, ending, label, mode_title};
use super::experiments::{EXPERIMENTS, Experiment};
use super::figures::{self, Figure};
use super::palette::{DARK, LIGHT, chart_style};
use super::svg::escaped;
use super::tables::{self, Table};
use super::terminal::tally;
use super::units::Unit;
use crate::results::{Contender, Mode, Results};

const STYLE: &str = include_str!("page.css");

/// The page of some results.
pub(super) fn html(results: &Results) -> String {
    let mut body = head(results);
    let mut nothing = Vec::new();
    for experiment in &EXPERIMENTS {
        match section(results, experiment) {
            Some(section) => body += &section,
            None => nothing.push(experiment),
        }
    }
    body += &comparison(results);
    body += &again(results);
    body += &left_out(&nothing);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Monostable laboratory: report</title>\n\
         <style>\n{}</style></head>\n<body>\n<main>\n{body}</main>\n</body></html>\n",
        style()
    )
}

fn style() -> String {
    format!(
        ":root{{color-scheme:light dark;{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n\
         @media print{{:root{{color-scheme:light;{}}}}}\n{STYLE}{}",
        LIGHT.variables(),
        DARK.variables(),
        LIGHT.variables(),
        chart_style(None)
    )
}

fn head(results: &Results) -> String {
    let command = results.run.as_ref().map_or("", |run| run.command.as_str());
    let shown = if command.is_empty() { "not recorded" } else { command };
    let mut text = format!(
        "<header><h1>Monostable laboratory</h1>\n\
         <p class=\"lead\">The same reads behind a cache with a backend, behind a summary table, and on complete views, \
         under the same load. Each run was given an expectation before it was made.</p>\n\
         <p class=\"tally\">{}</p>\n<p class=\"command\"><code>{}</code></p>\n",
        escaped(tally(results).trim()),
        escaped(shown)
    );
    if let Some(run) = results.run.as_ref().filter(|run| !run.missing.is_empty()) {
        text += &format!("<p class=\"absent\">Not finished: {}.</p>\n", escaped(&run.missing.join("; ")));
    }
    text += "<dl class=\"contenders\">\n";
    for contender in Contender::ALL {
        text += &format!(
            "<div><dt><span class=\"swatch\" style=\"background:var(--{contender})\"></span>{}</dt><dd>{}{}</dd></div>\n",
            escaped(&label(contender, "")),
            escaped(about(contender)),
            in_short(results, contender)
        );
    }
    text + "</dl></header>\n"
}

/// What became of a contender in the first experiment, from the most real mode that has it.
fn in_short(results: &Results, contender: Contender) -> String {
    let modes = [Mode::Server, Mode::Real, Mode::Sim];
    let found = modes.map(|mode| (mode, results.verdicts_of("E1", mode, contender, "")));
    let Some((mode, verdicts)) = found.into_iter().find(|(_, verdicts)| !verdicts.is_empty()) else {
        return String::new();
    };
    let least = Spread::of(verdicts.iter().filter_map(|one| one.predicted_s));
    let least = least.map_or(String::new(), |spread| format!("; K/M is {}", spread.show(&Unit::Seconds)));
    let (mode, ending) = (mode_title(mode).to_lowercase(), ending(&verdicts));
    format!("<br><strong>after a flush: {}</strong> ({}{})", escaped(&ending), escaped(&mode), escaped(&least))
}

fn about(contender: Contender) -> &'static str {
    match contender {
        Contender::A0 => "real queries with joins and aggregates, and nothing in front of them",
        Contender::A1 => "time to live, delete on write, unlimited fall-through, plain retries",
        Contender::A2 => {
            "bounded queue, single flight, checked fills, jitter, early refresh, stale answers, retry budget"
        }
        Contender::A3 => "the same with room for all data, persisted",
        Contender::B1 => "kept by triggers in the backend; it has no cold state either",
        Contender::V => "views that are complete after each commit",
    }
}

/// An experiment, if anything of it is there.
fn section(results: &Results, experiment: &Experiment) -> Option<String> {
    let (figures, absent) = figures::of(results, experiment.id);
    let expectations = tables::expectations(results, experiment.id);
    if figures.is_empty() && expectations.is_empty() {
        return None;
    }
    let mut text = format!(
        "<section id=\"{id}\"><h2><span class=\"number\">{id}</span> {}</h2>\n<p>{}</p>\n",
        escaped(experiment.title),
        escaped(experiment.question),
        id = experiment.id
    );
    text += "<div class=\"figures\">\n";
    for figure in &figures {
        text += &drawn(figure);
    }
    text += "</div>\n";
    if !absent.is_empty() {
        let list = absent.join(", ");
        text += &format!("<p class=\"absent\">No data in this directory, so not drawn: {}.</p>\n", escaped(&list));
    }
    text += &titled(&expectations, "Expected before the run, and seen");
    text += &folded(&tables::figures(results, experiment.id), "All figures of these runs");
    Some(text + "</section>\n")
}

fn drawn(figure: &Figure) -> String {
    let class = if figure.panels.len() > 1 { " class=\"wide\"" } else { "" };
    let (id, title) = (escaped(&figure.id), escaped(&figure.title));
    let mut text = format!("<figure id=\"{id}\"{class}><h3>{title}</h3>\n<div class=\"panels\">\n");
    for panel in &figure.panels {
        text += &format!("<div class=\"panel\">{}</div>\n", panel.drawn().inline(&panel.alt));
    }
    text + &format!("</div>\n<figcaption>{}</figcaption></figure>\n", escaped(&figure.caption))
}

fn titled(table: &Table, caption: &str) -> String {
    if table.is_empty() { String::new() } else { table.html(caption) }
}

/// A long table that is opened by a click; in print it is open.
fn folded(table: &Table, caption: &str) -> String {
    if table.is_empty() {
        return String::new();
    }
    format!("<details><summary>{}</summary>\n{}</details>\n", escaped(caption), table.html(caption))
}

fn comparison(results: &Results) -> String {
    let recoveries = tables::recoveries(results);
    let seeds = tables::seeds(results);
    let mut text = String::from("<section id=\"comparison\"><h2>The model against the measurement</h2>\n");
    text += "<p>K/M is the number of keys that must be refilled, over what the backend can refill in a second: the \
             least time in which a cache can be back. The model may be smaller than the real system; its own prediction \
             stands beside it.</p>\n";
    if recoveries.is_empty() {
        text += "<p class=\"absent\">No run with a disturbance is in this directory.</p>\n";
    }
    text += &titled(&recoveries, "Time to recovery");
    text += "<h3>Spread over seeds</h3>\n";
    if seeds.is_empty() {
        text += "<p class=\"absent\">Every run was made with one seed only, so its spread is not known.</p>\n";
    }
    text + &titled(&seeds, "Runs that were made with several seeds") + "</section>\n"
}

fn again(results: &Results) -> String {
    let mut text = String::from("<section id=\"again\"><h2>To do it again</h2>\n");
    match &results.run {
        Some(run) => {
            text += &format!("<p>The exact command:</p>\n<pre><code>{}</code></pre>\n", escaped(&run.command));
            text += &titled(&tables::run(run), "The run and its machine");
            text += &titled(&tables::settings(run), "All settings");
        }
        None => text += "<p class=\"absent\">No description of the run is in this directory.</p>\n",
    }
    text += &titled(&tables::calibration(results), "Calibration: measured first, and fed to the model");
    text + "<p>Every point of every chart is in the CSV files beside this page.</p></section>\n"
}

fn left_out(nothing: &[&Experiment]) -> String {
    if nothing.is_empty() {
        return String::new();
    }
    let mut text = String::from("<section id=\"absent\"><h2>Not in this directory</h2>\n<ul>\n");
    for experiment in nothing {
        text += &format!(
            "<li class=\"absent\">{} {}: not measured, so nothing is drawn.</li>\n",
            experiment.id,
            escaped(experiment.title)
        );
    }
    text + "</ul></section>\n"
}
