//! Tests of the graph half: every operator and random graphs of them, against a model that recomputes from nothing.
//!
//! The model (`tests/model.rs`) works on values, one row at a time, over maps; it shares the row type and nothing else with
//! the engine. Whatever the history, and however it is split into steps, three things must agree: what the arrangements
//! hold, what `evaluate` gives, and what the model computes.

mod aggregates;
mod build;
mod graphs;
mod identity;
mod joins;
pub(crate) mod model;
mod random;
mod steps;
mod top_k;

use proptest::prelude::ProptestConfig;

/// Runs `default` cases, or as many as PROPTEST_CASES says.
pub(crate) fn cases(default: u32) -> ProptestConfig {
    // Proptest reads the variable itself; 256 is what it says when there is none.
    let asked = ProptestConfig::default().cases;
    let cases = if asked == 256 { default } else { asked };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
