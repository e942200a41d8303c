//! The front end from text to rows: what is planned, what it gives over small tables, and what is refused.

mod database;
mod definitions;
mod queries;
mod refusals;
mod scalars;
