//! E8: our own cold start. A process that serves and writes is killed as a crash would do it, and another one opens what it
//! left, with a warm and a cold page cache and with less memory than data.
//!
//! What is measured: how long until the first read is answered, until every page has been read, and until reads are as fast
//! as before the kill; and that every write that had been acknowledged is in the pages. Times count from the start of the
//! new process, seen from outside. The page cache is emptied file by file with `dd`, and how much of the files is in it is
//! asked of `fincore`; where these are missing, cold starts are skipped or the share is not reported.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{Entrant, Progress};
use crate::real::bench::Bench;
use crate::real::child::{Killed, Line, Task};
use crate::real::error::{Error, Result, at};
use crate::real::store::{self, Form};
use crate::results::{Contender, Key, Mode, Outcome, Point, Results, Verdict};

/// Reads count as fast as before when their 99th percentile is below this many times what it was.
const AS_FAST: f64 = 2.0;

/// What one process did.
struct Life {
    open_s: f64,
    first_s: f64,
    complete_s: f64,
    events: u64,
    acknowledged: u64,
    /// Median, 99th percentile, resident bytes and the share of the files in the page cache, for each second.
    seconds: Vec<(f64, f64, f64, Option<f64>)>,
}

pub(super) fn run(bench: &mut Bench, _: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    // With servers, too, this is a process with files and no server.
    let key = Key { mode: Mode::Real, ..Entrant::new(Contender::V, bench).key("E8", 0, bench) };
    let Some(program) = bench.program.clone() else {
        let mut found = Verdict::new(&key);
        found.outcome = Outcome::Skipped;
        "no program is known that could be killed".clone_into(&mut found.note);
        results.verdicts.push(found);
        return Ok(());
    };
    let seconds = bench.scale.seconds.0.max(2);
    let killed = bench.run_directory().with_extension("killed");
    progress("E8 V: a process that writes and is killed");
    prepare(bench, &killed)?;
    let mut task = Task {
        directory: killed.clone(),
        workload: bench.scale.workload,
        memory_bytes: bench.scale.memory_bytes,
        exponent: bench.scale.skew.exponent(),
        writes: true,
        seconds: 3_600,
    };
    let before = live(&program, &task, seconds)?;
    let data = store::size(&killed)?;
    let shares: &[f64] = if bench.scale.thorough { &[0.1, 0.3, 1.0] } else { &[1.0] };
    (task.writes, task.seconds) = (false, bench.scale.seconds.1.max(2));
    for &share in shares {
        for cold in [false, true] {
            let name =
                format!("{} page cache, memory {:.0} % of the data", if cold { "cold" } else { "warm" }, share * 100.0);
            progress(&format!("E8 V: opened again, {name}"));
            let key = Key { variant: name, ..key.clone() };
            task.directory = bench.run_directory();
            bench.clear_run()?;
            store::copy(&killed, &task.directory)?;
            task.memory_bytes = ((data as f64 * share) as u64).max(1 << 20);
            if cold && !evict(&task.directory)? {
                let mut found = Verdict::new(&key);
                found.outcome = Outcome::Skipped;
                "the page cache could not be emptied: dd is missing or does not know iflag=nocache"
                    .clone_into(&mut found.note);
                results.verdicts.push(found);
                continue;
            }
            let resident = residency(&task.directory);
            let after = live(&program, &task, task.seconds)?;
            judge(&key, share, resident, (&before, &after), results);
        }
    }
    Ok(())
}

/// A copy of the filled directory under another name.
fn prepare(bench: &Bench, killed: &Path) -> Result<()> {
    if killed.exists() {
        std::fs::remove_dir_all(killed).map_err(at(killed))?;
    }
    store::copy(&bench.template(Form::View)?, killed)
}

/// Starts a child, watches it for some seconds of reads, and kills it.
fn live(program: &Path, task: &Task, seconds: u64) -> Result<Life> {
    let workload = task.workload;
    let began = Instant::now();
    let spawned = Command::new(program)
        .arg("tend")
        .arg(&task.directory)
        .args(["--kind", workload.kind.name()])
        .args(
            [workload.keys, workload.events_per_key, workload.rows_per_event, task.memory_bytes].map(|n| n.to_string()),
        )
        .arg(task.exponent.to_string())
        .arg(task.seconds.to_string())
        .args(task.writes.then_some("--writes"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = Killed(spawned.map_err(at(program))?);
    let out = child.0.stdout.take().ok_or_else(|| Error::Child("is killed", String::new()))?;
    let mut life = Life { open_s: 0.0, first_s: 0.0, complete_s: 0.0, events: 0, acknowledged: 0, seconds: Vec::new() };
    let mut lines = BufReader::new(out).lines();
    let mut killed = false;
    // After the kill, what had been said before it is still read to its end.
    while let Some(Ok(text)) = lines.next() {
        let time = began.elapsed().as_secs_f64();
        match Line::read(&text) {
            Some(Line::Open) => life.open_s = time,
            Some(Line::First) => life.first_s = time,
            Some(Line::Complete(events)) => (life.complete_s, life.events) = (time, events),
            Some(Line::Acknowledged(count)) => life.acknowledged = count,
            Some(Line::Second(median, p99, resident)) => {
                life.seconds.push((median, p99, resident, residency(&task.directory)));
                if life.seconds.len() as u64 >= seconds && !killed {
                    child.0.kill().map_err(at(program))?;
                    killed = true;
                }
            }
            None if killed => {}
            None => return Err(Error::Child("is killed", text)),
        }
    }
    if (life.seconds.len() as u64) < seconds {
        return Err(Error::Child("is killed", format!("{} seconds of reads", life.seconds.len())));
    }
    Ok(life)
}

fn judge(key: &Key, share: f64, resident: Option<f64>, (before, after): (&Life, &Life), results: &mut Results) {
    // The first second of the life before the kill was a start as well.
    let mut steady: Vec<f64> = before.seconds.iter().skip(1).map(|second| second.1).collect();
    steady.sort_by(f64::total_cmp);
    let steady = steady.get(steady.len() / 2).copied().unwrap_or(0.0);
    let back = after.seconds.iter().position(|second| second.1 <= AS_FAST * steady);
    let x = ("memory_share", share);
    let mut say = |x, metric, value: Option<f64>, unit| {
        results.points.extend(value.map(|value| Point::new(key, x, ("", 0.0), metric, value, unit)));
    };
    say(x, "time_to_open", Some(after.open_s), "s");
    say(x, "time_to_first_read", Some(after.first_s), "s");
    say(x, "time_to_complete_read", Some(after.complete_s), "s");
    say(x, "p99_over_steady", after.seconds.first().map(|second| second.1 / steady.max(1.0)), "1");
    for (index, (_, p99, bytes, files)) in after.seconds.iter().enumerate() {
        let x = ("second", index as f64);
        say(x, "read_p99", Some(*p99), "us");
        say(x, "resident_memory", Some(*bytes), "bytes");
        say(x, "files_in_page_cache_share", *files, "1");
    }
    let mut found: Verdict = Verdict::new(key);
    let whole = after.events >= before.acknowledged;
    found.expectation =
        "every acknowledged write is in the first complete read, and reads are as fast as before at once \
                         with a warm page cache, after some seconds with a cold one"
            .to_owned();
    found.outcome = match back {
        Some(0) => Outcome::Steady,
        Some(_) => Outcome::Recovered,
        None => Outcome::Down,
    };
    found.recovery_s = back.filter(|&second| second > 0).map(|second| second as f64);
    found.trigger_second = Some(0.0);
    found.as_expected = Some(whole && back.is_some());
    found.wrong_keys = Some(before.acknowledged.saturating_sub(after.events));
    found.resident_bytes = after.seconds.last().map(|second| second.2 as u64);
    found.note = format!(
        "{} writes acknowledged before the kill, {} found after it; first read after {:.3} s, all pages after {:.3} s; p99 {:.0} us in the \
         first second, {steady:.0} us before the kill; {} of the files in the page cache at the start",
        before.acknowledged,
        after.events,
        after.first_s,
        after.complete_s,
        after.seconds.first().map_or(0.0, |second| second.1),
        resident.map_or("an unknown share".to_owned(), |share| format!("{:.0} %", share * 100.0)),
    );
    results.verdicts.push(found);
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut left) = (Vec::new(), VecDeque::from([directory.to_owned()]));
    while let Some(directory) = left.pop_front() {
        for entry in std::fs::read_dir(&directory).map_err(at(&directory))? {
            let path = entry.map_err(at(&directory))?.path();
            if path.is_dir() { left.push_back(path) } else { found.push(path) }
        }
    }
    Ok(found)
}

/// Drops the files of a directory from the page cache; says whether it could.
fn evict(directory: &Path) -> Result<bool> {
    for path in files(directory)? {
        let mut input = std::ffi::OsString::from("if=");
        input.push(&path);
        let done = Command::new("dd").arg(input).args(["iflag=nocache", "count=0", "status=none"]).status();
        if !done.is_ok_and(|status| status.success()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The share of a directory's bytes that is in the page cache.
fn residency(directory: &Path) -> Option<f64> {
    let files = files(directory).ok()?;
    let output = Command::new("fincore").args(["--bytes", "--noheadings", "--output", "RES,SIZE"]).args(files).output();
    let text = String::from_utf8(output.ok().filter(|output| output.status.success())?.stdout).ok()?;
    let (mut resident, mut size) = (0.0, 0.0);
    for line in text.lines() {
        let mut words = line.split_whitespace().filter_map(|word| word.parse::<f64>().ok());
        resident += words.next()?;
        size += words.next()?;
    }
    // The last page of a file counts as a whole one.
    (size > 0.0).then(|| (resident / size).min(1.0))
}
