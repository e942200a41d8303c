//! The report, made from results of every experiment that nobody measured ([`made`]), as text here and in a browser in
//! [`browser`].

#![expect(clippy::expect_used, clippy::panic, reason = "a test stops at what it did not expect")]

mod browser;
mod made;

use std::fs;
use std::path::Path;

use monostable_lab::report;
use monostable_lab::results::{Contender, Key, Mode, Outcome, Results};

/// What the program says in place of a figure that is missing.
const NOT_MEASURED: &str = "not measured";

/// The page of some results.
fn page(results: &Results) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    results.write(directory.path()).expect("results are written");
    let page = report::write(directory.path()).expect("a report is written");
    fs::read_to_string(page).expect("the report is there")
}

/// The parts of a text that begin with `start` and end before `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.split(start).skip(1).map(|part| part.split(end).next().unwrap_or_default()).collect()
}

/// The one part of a page that belongs to an experiment.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    between(page, &format!("<section id=\"{id}\">"), "</section>").first().copied().unwrap_or_default()
}

#[test]
fn every_experiment_has_charts_and_every_chart_has_data() {
    let page = page(&made::all());
    for id in ["E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E9", "E10"] {
        let marks = between(section(&page, id), "data-marks=\"", "\"");
        assert!(!marks.is_empty(), "{id} has no chart");
        assert!(marks.iter().all(|count| count.parse::<usize>().is_ok_and(|count| count > 0)), "{id}: {marks:?}");
        assert!(!section(&page, id).contains("not drawn:"), "{id} lacks a chart");
    }
    assert!(!page.contains("id=\"absent\""));
}

#[test]
fn the_head_says_what_became_of_each_contender() {
    let page = page(&made::all());
    let head = between(&page, "<dl class=\"contenders\">", "</dl>").concat();
    let said =
        ["still down at the end</strong> (measured, in one process; K/M is 12.5 s)", "back after 16 to 17 s</strong>"];
    assert!(said.iter().all(|words| head.contains(words)), "{head}");
    assert_eq!(head.matches("did not move</strong>").count(), 2, "{head}");
}

#[test]
fn names_and_notes_are_text_and_never_mark_up() {
    let page = page(&made::all());
    assert!(!page.contains("<script"), "a note became a script");
    assert!(
        page.contains("&lt;script src=&quot;http://example.org/x.js&quot;&gt;alert(&#39;K&amp;M&#39;)&lt;/script&gt;")
    );
}

#[test]
fn the_page_refers_to_nothing_outside_itself() {
    let page = page(&made::all());
    for reference in [" src=\"", " href=\"http", "url(", "@import", "<link", "<iframe", "<object", "<img"] {
        assert!(!page.contains(reference), "{reference} is in the page");
    }
}

#[test]
fn what_was_not_measured_is_said_and_never_shown_as_zero() {
    let page = page(&made::all());
    for number in ["NaN", "inf ", "inf<", "None", "Some("] {
        assert!(!page.contains(number), "{number} is in the page");
    }
    let chart = between(section(&page, "E6"), "aria-label=\"", "\"").concat();
    assert!(chart.contains("B1 summary table, 1 % of deletes lost: not measured"), "{chart}");
    assert!(chart.contains("V Monostable, 1 % of deletes lost: 0."), "{chart}");
}

#[test]
fn without_results_every_experiment_is_said_to_be_missing() {
    let page = page(&Results::default());
    assert_eq!(page.matches(": not measured, so nothing is drawn.").count(), 10);
    assert_eq!((page.matches("<svg").count(), page.matches("<table").count()), (0, 0));
    assert!(page.contains("No description of the run is in this directory."));
}

#[test]
fn a_lone_verdict_without_figures_has_no_figures_in_its_table() {
    let key =
        Key { experiment: "E1".into(), mode: Mode::Real, contender: Contender::V, variant: String::new(), seed: 1 };
    let verdicts = vec![made::verdict(&key, Outcome::Skipped, None)];
    let page = page(&Results { verdicts, ..Results::default() });
    let table = between(&page, "<caption>All figures of these runs", "</table>").concat();
    assert_eq!(table.matches(&format!(">{NOT_MEASURED}<")).count(), 7, "{table}");
    assert!(section(&page, "E1").contains("not drawn: goodput timeline, latency percentiles"));
}

#[test]
fn charts_are_files_that_need_nothing_else() {
    let directory = tempfile::tempdir().expect("a directory");
    made::all().write(directory.path()).expect("results are written");
    let out = directory.path().join("charts");
    let files = report::charts(directory.path(), &out).expect("charts are written");
    let page = page(&made::all());
    assert_eq!(files.len(), page.matches("<svg").count(), "one file for each chart of the page");
    let names: std::collections::BTreeSet<&Path> = files.iter().map(std::path::PathBuf::as_path).collect();
    assert_eq!(names.len(), files.len(), "no chart overwrites another");
    for file in &files {
        let text = fs::read_to_string(file).expect("the chart is there");
        assert!(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{}", file.display());
        assert!(!text.contains("var(") && !text.contains("data-marks=\"0\""), "{}", file.display());
    }
}

#[test]
fn the_terminal_says_how_runs_ended_and_how_many_expectations_held() {
    let summary = report::summary(&made::all());
    let line = |words: &[&str]| summary.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(line(&["E1", "real", "A1 naive cache", "still down at the end", "12.5 s"]), "{summary}");
    assert!(line(&["E1", "sim", "A2 mitigated cache", "back after 16 to 17 s"]), "{summary}");
    assert!(line(&["E1", "real", "V Monostable", "did not move", " - "]), "{summary}");
    assert!(line(&["E6", "real", "V Monostable", "no stale reads, no wrong keys"]), "{summary}");
    assert!(line(&["E6", "real", "A1 naive cache", "12,345 to 24,690 stale reads, 12 to 24 wrong keys"]), "{summary}");
    assert!(!summary.contains("twin"), "{summary}");
    let held = made::all().verdicts.iter().filter(|verdict| verdict.as_expected == Some(true)).count();
    assert!(summary.ends_with(&format!("{held} of {} expectations held\n", made::all().verdicts.len())), "{summary}");
    assert!(report::summary(&Results::default()).starts_with("no verdicts"));
}

#[test]
fn what_is_written_is_what_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let results = made::all();
    results.write(directory.path()).expect("results are written");
    assert_eq!(Results::read(directory.path()).expect("results are read"), results);
}
