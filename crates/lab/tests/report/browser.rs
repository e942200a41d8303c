//! The report in headless Chromium, as wide as a phone and as a desk, light and dark: what a reader sees, and not what
//! the text of the page promises.
//!
//! The page is put unchanged into a frame of the wanted width (a window cannot be that narrow), and a script around it
//! ([`probe.js`](probe.js)) writes down what it finds. Where no Chromium is installed the tests say so and pass.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::made;

/// How often a running browser is looked at, and how many times; it is stopped when it takes a minute.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS_MAX: usize = 1200;

/// What the script found. Lists name what is wrong, and should be empty.
#[derive(Debug, Deserialize)]
struct Found {
    width: f64,
    scroll_width: f64,
    dark: bool,
    background: String,
    /// What was loaded besides the page.
    resources: Vec<String>,
    /// Elements that reach beyond the right edge.
    beyond: Vec<String>,
    /// Texts that differ too little from what is behind them.
    pale: Vec<String>,
    charts: Vec<Chart>,
}

#[derive(Debug, Deserialize)]
struct Chart {
    name: String,
    /// How many marks it says it has.
    claimed: usize,
    /// How many there are that have an extent.
    drawn: usize,
    /// Texts that are cut off at its edges.
    outside: Vec<String>,
    /// Pairs of texts that lie on each other.
    overlapping: Vec<String>,
}

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&path).flat_map(|directory| names.map(|name| directory.join(name)));
    found.into_iter().find(|program| program.is_file())
}

/// Runs the browser to its end; its output goes to a file, so that it never waits for a reader.
fn browse(program: &Path, arguments: &[String], directory: &Path) -> String {
    let out = directory.join("browser.out");
    let profile = directory.join("profile");
    let mut child = Command::new(program)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(File::create(&out).expect("a file for the output"))
        .stderr(Stdio::null())
        .spawn()
        .expect("the browser starts");
    for _ in 0..LOOKS_MAX {
        if child.try_wait().expect("the browser can be asked").is_some() {
            return fs::read_to_string(out).expect("the output is text");
        }
        std::thread::sleep(LOOK);
    }
    child.kill().expect("the browser can be stopped");
    child.wait().expect("the browser ends");
    panic!("the browser did not end within a minute");
}

/// The page in a frame of a width, and the script that looks at it.
fn framed(page: &str, width: u32) -> String {
    let quoted = page.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<!DOCTYPE html><html><meta charset=\"utf-8\"><body style=\"margin:0\">\
         <iframe style=\"width:{width}px;height:3000px;border:0\" srcdoc=\"{quoted}\"></iframe>\
         <pre id=\"found\"></pre><script>{}</script></body></html>",
        include_str!("probe.js")
    )
}

/// Looks at the page of the made-up results; `None` where there is no browser.
fn look(width: u32, dark: bool) -> Option<Found> {
    let program = chromium()?;
    let directory = tempfile::tempdir().expect("a directory");
    let frame = directory.path().join("frame.html");
    fs::write(&frame, framed(&crate::page(&made::all()), width)).expect("the frame is written");
    let arguments = [
        format!("--window-size={},3000", width.max(500)),
        format!("--blink-settings=preferredColorScheme={}", if dark { 0 } else { 1 }),
        "--virtual-time-budget=20000".to_owned(),
        "--dump-dom".to_owned(),
        format!("file://{}", frame.display()),
    ];
    let dom = browse(&program, &arguments, directory.path());
    let found = dom.split("<pre id=\"found\">").nth(1).and_then(|rest| rest.split("</pre>").next()).unwrap_or_default();
    let found = found.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&");
    Some(serde_json::from_str(&found).expect("the script wrote what it found"))
}

#[expect(clippy::print_stderr, reason = "a test that was not run says so")]
fn skipped() {
    eprintln!("skipped: no Chromium on the PATH; install the package chromium to look at the report");
}

/// What holds at every width and in every light.
fn is_readable(found: &Found) {
    let is_within = found.scroll_width <= found.width;
    assert!(is_within && found.beyond.is_empty(), "{} of {}: {:#?}", found.scroll_width, found.width, found.beyond);
    assert!(found.resources.is_empty(), "loaded from elsewhere: {:#?}", found.resources);
    assert!(found.pale.is_empty(), "hard to see: {:#?}", found.pale);
    assert!(found.charts.len() > 20, "{} charts", found.charts.len());
    let wrong = found.charts.iter().filter_map(|chart| {
        let is_drawn = chart.drawn > 0 && chart.drawn == chart.claimed;
        let is_clear = chart.outside.is_empty() && chart.overlapping.is_empty();
        let Chart { name, claimed, drawn, outside, overlapping } = chart;
        let wrong = format!("{name}: {drawn} of {claimed} marks, outside {outside:?}, overlapping {overlapping:?}");
        (!is_drawn || !is_clear).then_some(wrong)
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_phone_shows_every_chart_without_scrolling_aside() {
    let Some(found) = look(390, false) else { return skipped() };
    assert_eq!((found.width, found.dark), (390.0, false));
    is_readable(&found);
}

#[test]
fn a_dark_phone_shows_the_same_on_a_dark_ground() {
    let Some(found) = look(390, true) else { return skipped() };
    assert!(found.dark && found.background == "rgb(16, 19, 23)", "{}", found.background);
    is_readable(&found);
}

#[test]
fn a_wide_window_shows_charts_side_by_side() {
    let Some(found) = look(1280, false) else { return skipped() };
    is_readable(&found);
}

#[test]
fn in_print_it_has_pages() {
    let Some(program) = chromium() else { return skipped() };
    let directory = tempfile::tempdir().expect("a directory");
    let page = directory.path().join("page.html");
    fs::write(&page, crate::page(&made::all())).expect("the page is written");
    let pdf = directory.path().join("page.pdf");
    let arguments = [
        format!("--print-to-pdf={}", pdf.display()),
        "--no-pdf-header-footer".into(),
        format!("file://{}", page.display()),
    ];
    browse(&program, &arguments, directory.path());
    let bytes = fs::read(&pdf).expect("the browser wrote pages");
    let pages = bytes.windows(12).filter(|window| window == b"/Type /Page\n" || window == b"/Type /Page ").count();
    assert!(bytes.starts_with(b"%PDF") && pages > 3, "{pages} pages");
}
