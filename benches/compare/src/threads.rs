//! Running a piece of work on several threads and collecting what they answer.

use crate::workload::Failure;
use std::thread::scope;

/// Runs a function on so many threads at once. The first failure is the answer, after all of them have ended.
pub fn on_threads<T: Send>(
    threads: usize,
    work: impl Fn(usize) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    // A failure stays on its thread; what it says does not.
    let work = |thread: usize| work(thread).map_err(|error| error.to_string());
    let work = &work;
    scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        let panicked = || Err("a thread panicked".to_string());
        let answers: Vec<_> = running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| panicked())).collect();
        Ok(answers.into_iter().collect::<Result<Vec<T>, String>>()?)
    })
}
