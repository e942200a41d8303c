//! The real contenders: SQLite, PostgreSQL, moka, Redis and Monostable under an open-loop load.
//!
//! `workload` is the application, `store` and `cache` hold it, `pool` is the backend's workers, `client` the clients with
//! their `policy`, `load` what is asked, `oracle` what an answer must have seen, `record` what was seen, `bench` puts one
//! run together (read there what was done for fairness), `experiments` are series of runs.

pub mod bench;
pub mod cache;
pub mod calibrate;
pub mod child;
pub mod client;
pub mod clock;
pub mod error;
pub mod experiments;
pub mod keys;
pub mod load;
pub mod oracle;
pub mod policy;
pub mod pool;
pub mod record;
pub mod scale;
pub mod server;
pub mod store;
pub mod workload;

#[cfg(test)]
mod tests;
