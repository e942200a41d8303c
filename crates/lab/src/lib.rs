//! The laboratory: the same read path behind a cache with a backend, behind a summary table, and on complete views, under
//! the same open-loop load, so that anyone can see on their own machine which of them have two stable states.
//!
//! It is a program with a library inside for its own tests; nothing in the product depends on it. What it finds is written
//! as plain CSV ([`results`]) from which the report is made, again whenever one likes.

#![forbid(unsafe_code)]

pub mod cli;
mod findings;
mod machine;
pub mod mitigation;
mod progress;
pub mod random;
pub mod real;
mod recovery;
pub mod report;
pub mod results;
pub mod runs;
pub mod sim;
