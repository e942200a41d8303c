//! The command as a user calls it, at a size that takes seconds: everything is run, written and reported. What is seen at
//! this size means nothing, so only what must hold at any size is asked of it.

#![expect(clippy::expect_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use monostable_lab::results::{Contender, Mode, Outcome, Results};

fn lab(out: &Path, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_monostable-lab"));
    command.args(words.split_whitespace()).arg("--out").arg(out);
    command.output().expect("the program starts")
}

fn run(experiment: &str) -> (Results, tempfile::TempDir) {
    run_with(experiment, "")
}

fn run_with(experiment: &str, more: &str) -> (Results, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let done = lab(directory.path(), &format!("run {experiment} --size tiny {more}"));
    assert!(done.status.success(), "{experiment}: {}", String::from_utf8_lossy(&done.stderr));
    (Results::read(directory.path()).expect("results"), directory)
}

#[test]
fn a_flush_is_measured_written_and_reported() {
    let (results, directory) = run("E1");
    let run = results.run.expect("a description");
    assert!(run.command.contains("run E1 --size tiny") && run.seconds > 0.0 && run.started.ends_with('Z'), "{run:?}");
    assert!(run.machine.iter().any(|(name, value)| name == "cores" && value.parse::<u32>().is_ok()), "{run:?}");
    assert!(run.settings.iter().any(|(who, name, value)| who == "A0" && name == "synchronous" && value == "FULL"));
    let who: BTreeSet<Contender> = results.verdicts.iter().map(|verdict| verdict.contender).collect();
    assert_eq!(who, Contender::ALL.into_iter().collect());
    assert!(results.verdicts.iter().all(|one| one.mode == Mode::Real && !one.expectation.is_empty()));
    let seen =
        |who: Contender| results.timeline.iter().filter(move |line| line.contender == who).map(|line| line.offered);
    assert!(Contender::ALL.into_iter().all(|who| seen(who).sum::<u64>() > 0));
    let capacity = results.calibration.iter().find(|line| line.name == "capacity").expect("a capacity");
    assert!(capacity.value > 0.0);
    let page = std::fs::read_to_string(directory.path().join("report.html")).expect("a page");
    assert!(page.contains("<svg") && page.contains("Monostable"));
    let left = std::fs::read_dir(directory.path()).expect("a directory").filter_map(Result::ok);
    let stores: Vec<_> = left.filter(|entry| entry.path().is_dir()).collect();
    assert!(stores.is_empty(), "stores are removed at the end: {stores:?}");
}

#[test]
fn experiments_of_other_kinds_run() {
    for experiment in ["E5", "E9", "E10"] {
        let (results, _directory) = run(experiment);
        let points = results.points.iter().filter(|point| point.experiment == experiment).count();
        let verdicts = results.verdicts.iter().filter(|one| one.experiment == experiment).count();
        assert!(points + verdicts > 0, "{experiment}");
        let views = results.verdicts.iter().filter(|one| one.contender == Contender::V);
        for view in views {
            assert!(view.stale_reads.unwrap_or(0) == 0 && view.wrong_keys.unwrap_or(0) == 0, "{view:?}");
        }
    }
}

#[test]
fn the_other_application_runs() {
    let (results, _directory) = run_with("E6", "--workload votes");
    let settings = results.run.expect("a description").settings;
    assert!(
        settings.iter().any(|(_, name, value)| name == "application" && value.starts_with("votes")),
        "{settings:?}"
    );
    assert!(results.verdicts.iter().any(|one| one.contender == Contender::V && one.stale_reads == Some(0)));
    assert!(results.verdicts.iter().all(|one| matches!(one.outcome, Outcome::Undisturbed | Outcome::Rejected)));
}

/// A process of the command is killed while it writes; what it had acknowledged is in the pages of the next one.
#[test]
fn a_killed_process_keeps_its_acknowledged_writes() {
    let (results, _directory) = run("E8");
    let measured: Vec<_> = results.verdicts.iter().filter(|one| one.outcome != Outcome::Skipped).collect();
    assert!(!measured.is_empty());
    assert!(measured.iter().all(|one| one.wrong_keys == Some(0)), "{measured:?}");
    let first = results.points.iter().find(|point| point.metric == "time_to_first_read").expect("a first read");
    let all = results.points.iter().find(|point| point.metric == "time_to_complete_read").expect("a complete read");
    assert!(first.value > 0.0 && first.value <= all.value);
}

#[test]
fn a_report_is_written_again() {
    let (_, directory) = run("E6");
    let page = directory.path().join("report.html");
    let before = std::fs::read_to_string(&page).expect("a page");
    std::fs::remove_file(&page).expect("removed");
    let command = Command::new(env!("CARGO_BIN_EXE_monostable-lab")).arg("report").arg(directory.path()).output();
    assert!(command.expect("the program starts").status.success());
    assert_eq!(std::fs::read_to_string(&page).expect("a page"), before);
}

/// The stores are filled and measured by then, and the experiment is under way.
#[test]
fn a_killed_run_leaves_a_report_of_what_there_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_monostable-lab"));
    command.args(["run", "E9", "--size", "tiny", "--out"]).arg(directory.path()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    let began = Instant::now();
    while !directory.path().join("report.html").exists() && began.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().and_then(|()| child.wait()).expect("the program is killed");
    let again = Command::new(env!("CARGO_BIN_EXE_monostable-lab")).arg("report").arg(directory.path()).output();
    let again = again.expect("the program starts");
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let page = std::fs::read_to_string(directory.path().join("report.html")).expect("a page");
    assert!(page.contains("Not finished: E9, measured.") && page.contains("capacity"));
    let results = Results::read(directory.path()).expect("results");
    assert!(results.calibration.iter().any(|line| line.name == "capacity") && results.verdicts.is_empty());
}

#[test]
fn a_wrong_call_says_what_is_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    let done =
        Command::new(env!("CARGO_BIN_EXE_monostable-lab")).arg("report").arg(directory.path().join("none")).output();
    let done = done.expect("the program starts");
    assert!(!done.status.success());
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.starts_with("error: cannot read") && said.contains("that a run has written"), "{said}");
    assert!(!lab(directory.path(), "run E12").status.success());
}
