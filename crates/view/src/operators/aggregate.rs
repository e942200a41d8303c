//! `Aggregate`: one row per group.

use std::fmt;

use monostable_types::DataType;

use crate::builder::{GraphBuilder, GraphError};
use crate::delta::Delta;
use crate::failure::Failure;
use crate::graph::{Node, NodeId};
use crate::key::KeyExtent;

/// An aggregate function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AggregateFunction {
    /// `count(*)` without an argument, else the number of values that are not NULL. Result: bigint.
    Count,
    /// The exact sum. Integers: an integer type or numeric; numeric: numeric of at least the same scale; floats: a float.
    Sum,
    /// The exact sum divided by the number of values, rounded once. Integers and numeric: numeric; floats: a float.
    Avg,
    /// The least value. Result: the argument's type.
    Min,
    /// The greatest value. Result: the argument's type.
    Max,
    /// Whether all values are true.
    BoolAnd,
    /// Whether any value is true.
    BoolOr,
}

/// One aggregate of an aggregation: `function([DISTINCT] argument) [FILTER (WHERE filter)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggregateCall {
    /// The function.
    pub function: AggregateFunction,
    /// The input column that it is applied to; none for `count(*)`.
    pub argument: Option<usize>,
    /// Whether equal values count once.
    pub distinct: bool,
    /// A boolean input column: only rows for which it is true count.
    pub filter: Option<usize>,
    /// The type of the result. A value that it cannot hold makes the view undefined (22003).
    pub result: DataType,
}

/// One row per group.
#[derive(Debug)]
pub struct Aggregate {
    groups: usize,
}

impl Aggregate {
    pub(crate) fn encode(&self, _out: &mut Vec<u8>) {}

    pub(crate) fn key_extent(&self) -> KeyExtent {
        KeyExtent::Whole
    }
}

impl Aggregate {
    pub(crate) fn absorb(
        &self,
        _ports: impl Iterator<Item = usize>,
        _delta: &Delta,
        _into: &mut Contributions,
    ) -> Result<(), Failure> {
        Ok(())
    }
    pub(crate) fn reads_extremes_of(&self, _node: &Node, _id: NodeId) -> bool {
        false
    }
}
/// Contributions.
#[derive(Default)]
pub(crate) struct Contributions;

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "aggregate by {} columns", self.groups)
    }
}

pub(crate) fn expand(
    _builder: &mut GraphBuilder,
    _input: NodeId,
    _groups: usize,
    _calls: &[AggregateCall],
) -> Result<NodeId, GraphError> {
    Err(GraphError::Unsupported("an aggregate".to_owned()))
}
