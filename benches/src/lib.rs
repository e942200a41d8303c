//! Benchmarks live in the bench targets of this package.
#![forbid(unsafe_code)]
