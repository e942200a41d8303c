//! One-shot evaluation of a node over a version: ad-hoc queries.

use crate::delta::Delta;
use crate::failure::Failure;
use crate::graph::{Graph, NodeId};
use crate::step::StepError;
use crate::version::Version;

/// Hands the content of `target`, a node of `extended`, to `sink`, in chunks. `extended` extends the graph of a version
/// of this database; nodes that `version` does not have are computed for this call alone. The chunks together are
/// equivalent to the content; a row may come in several of them.
pub fn evaluate(
    _version: &Version,
    _extended: &Graph,
    _target: NodeId,
    _sink: &mut dyn FnMut(Delta) -> Result<(), StepError>,
) -> Result<(), StepError> {
    Err(StepError::outside(Failure::inconsistent("not there")))
}
