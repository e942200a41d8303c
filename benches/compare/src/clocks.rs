//! Wall time and processor time of a piece of work.

use std::time::Instant;

/// What a piece of work took, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    pub wall: f64,
    /// Processor time of the whole process, background threads included.
    pub process: f64,
    /// Processor time of the calling thread alone.
    pub thread: f64,
}

/// Runs `work` and measures it.
pub fn taken<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Taken), E> {
    let (process, thread) = (seconds(libc::CLOCK_PROCESS_CPUTIME_ID), seconds(libc::CLOCK_THREAD_CPUTIME_ID));
    let start = Instant::now();
    let result = work()?;
    let wall = start.elapsed().as_secs_f64();
    let thread = seconds(libc::CLOCK_THREAD_CPUTIME_ID) - thread;
    let process = seconds(libc::CLOCK_PROCESS_CPUTIME_ID) - process;
    Ok((result, Taken { wall, process, thread }))
}

fn seconds(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a value of this frame that the call fills.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(failed, 0, "the clock of processor time exists on Linux");
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
