//! The one test binary of the workspace: tests that look at the whole, each in a module of its own.
//!
//! Tests of one crate stand in that crate. What is here drives the public interface, compares with other programs, or
//! reads the repository itself.

#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it skipped"
)]

mod bad_input;
mod docs;
mod faults;
mod histories;
mod kill;
mod postgres_server;
mod scripts;
mod tidy;
