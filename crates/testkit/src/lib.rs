//! Oracle, generators and script runner for Monostable, usable on your own views.
//!
//! - [`oracle::check`] asks whether every view of a database holds exactly what its query gives on a fresh database with the same rows.
//! - [`generate::histories`] makes schemas, views and histories of transactions; [`run::run`] plays one in several orders, with crashes between commits, and compares every
//!   epoch with [`model`], a naive evaluator that shares no code with the engine.
//! - [`script`] runs golden scripts on any number of databases.
//!
//! Test doubles of databases are deliberately absent: what is compared is real.

#![forbid(unsafe_code)]

pub mod choices;
pub mod datum;
pub mod generate;
pub mod history;
pub mod model;
pub mod oracle;
pub mod run;
pub mod script;
pub mod target;

/// The example of the crate's README, as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
