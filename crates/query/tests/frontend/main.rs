//! The front end from text to rows: what is planned, what it gives over small tables, and what is refused.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod database;
mod definitions;
mod queries;
mod refusals;
mod scalars;
