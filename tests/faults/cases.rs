//! Runs many small cases on all processors, and says of each that fails which one it was.
//!
//! A case fails by returning an error, by a panic, or by not coming back. The last is found from outside, so a case owns
//! everything that it works on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long one case may take before it is called a hang.
const CASE_TIME_MAX: Duration = Duration::from_secs(60);
/// Failed cases that are reported.
const REPORTED_MAX: usize = 12;

/// The number in an environment variable.
pub(crate) fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Every `stride`th of the list, where the stride is that variable's or one that leaves about `cases`.
pub(crate) fn sample<T>(list: Vec<T>, variable: &str, cases: usize) -> Vec<T> {
    let stride = setting(variable, list.len().div_ceil(cases.max(1)).max(1));
    // Not the first of each stride: the end of the list, where things are finished, is to be among them.
    let last = list.len().saturating_sub(1) % stride;
    list.into_iter().enumerate().filter(|(index, _)| index % stride == last).map(|(_, case)| case).collect()
}

/// Runs every case; each has a name.
#[track_caller]
pub(crate) fn each<C, F>(what: &str, cases: Vec<(String, C)>, run: F)
where
    C: Send + 'static,
    F: Fn(C) -> Result<(), String> + Send + Sync + 'static,
{
    assert!(!cases.is_empty(), "{what}: no cases");
    let (count, started) = (cases.len(), Instant::now());
    let names: Vec<String> = cases.iter().map(|(name, _)| name.clone()).collect();
    let queue = Arc::new(Mutex::new(cases.into_iter().enumerate()));
    let run = Arc::new(run);
    let (sender, outcomes) = channel();
    for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
        let (queue, run, sender) = (Arc::clone(&queue), Arc::clone(&run), sender.clone());
        std::thread::spawn(move || {
            loop {
                let next = queue.lock().unwrap().next();
                let Some((index, (_, case))) = next else { return };
                let outcome = catch_unwind(AssertUnwindSafe(|| run(case)));
                let outcome = outcome.unwrap_or_else(|panic| Err(format!("panicked: {}", text_of(&*panic))));
                let _ = sender.send((index, outcome));
            }
        });
    }
    drop(sender);
    let (mut pending, mut failures) = (vec![true; count], Vec::new());
    loop {
        match outcomes.recv_timeout(CASE_TIME_MAX) {
            Ok((index, outcome)) => {
                pending[index] = false;
                failures.extend(outcome.err().map(|error| format!("{}: {error}", names[index])));
            }
            Err(RecvTimeoutError::Timeout) => {
                let first: Vec<&str> =
                    names.iter().zip(&pending).filter(|case| *case.1).map(|case| case.0.as_str()).take(4).collect();
                panic!("{what}: nothing for {CASE_TIME_MAX:?}; one of these does not come back: {first:?}");
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    println!("{what}: {count} cases in {:.1} s, {} failed", started.elapsed().as_secs_f32(), failures.len());
    failures.truncate(REPORTED_MAX);
    assert!(failures.is_empty(), "{what}:\n{}", failures.join("\n"));
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
