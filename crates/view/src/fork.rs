//! `step_forked`: a large step on two threads.
//!
//! Views that share nothing but tables are maintained independently: the parts into which the graph falls when the sources
//! are taken out of it. The parts are dealt into two halves of about equal weight, each half is an ordinary step over the
//! same old version, and the new version takes each spine from the half that maintains it. So the result is that of
//! [`crate::step`], bit for bit; if both halves fail, the error is that of the lesser node.
//!
//! This crate starts no thread. Who calls it says how two things are done at the same time, or that they are not ([`Fork`]).
//!
//! Cost: O(nodes) to deal; worth it from some thousand rows on, so smaller steps are not forked.

use std::collections::BTreeMap;

use crate::delta::Delta;
use crate::graph::{Graph, NodeId, TableId};
use crate::operators::Operator;
use crate::step::{Origin, Scope, Step, StepError, step_from};
use crate::version::Version;

/// From this many changed rows on a step is forked.
pub const FORK_ROWS_MIN: usize = 2048;
/// What an aggregate weighs, where an arrangement weighs 1.
const AGGREGATE_WEIGHT: u64 = 3;

/// How two things are done.
pub trait Fork {
    /// Does both, at the same time or one after the other, and returns when both are done.
    fn both(&self, first: &mut (dyn FnMut() + Send), second: &mut (dyn FnMut() + Send));
}

/// As [`crate::step`] over all of the graph, in two halves if the change is large and the graph falls into parts.
pub fn step_forked(
    origin: Origin,
    version: &Version,
    deltas: &[(TableId, Delta)],
    watched: &[NodeId],
    fork: &dyn Fork,
) -> Result<Step, StepError> {
    let rows: usize = deltas.iter().map(|(_, delta)| delta.len()).sum();
    if rows < FORK_ROWS_MIN {
        return step_from(origin, version, deltas, Scope::All, watched);
    }
    step_in_halves(origin, version, deltas, watched, fork)
}

/// The same whatever the size of the change.
pub(crate) fn step_in_halves(
    origin: Origin,
    version: &Version,
    deltas: &[(TableId, Delta)],
    watched: &[NodeId],
    fork: &dyn Fork,
) -> Result<Step, StepError> {
    let Some([first, second]) = halves(version.graph()) else {
        return step_from(origin, version, deltas, Scope::All, watched);
    };
    for (table, delta) in deltas {
        // Encoded once, before both ask for it.
        let node = version.graph().source(*table).and_then(|id| version.graph().node(id));
        if let Some(node) = node {
            delta.rows().map_err(|failure| StepError::at(node, failure))?;
        }
    }
    let (mut one, mut other) = (None, None);
    let run = |nodes: &[NodeId]| {
        let watched: Vec<NodeId> = watched.iter().copied().filter(|node| nodes.contains(node)).collect();
        step_from(origin, version, deltas, Scope::Only(nodes), &watched)
    };
    fork.both(&mut || one = Some(run(&first)), &mut || other = Some(run(&second)));
    let never = || StepError::outside(crate::Failure::inconsistent("a half of a step was not done"));
    match (one.ok_or_else(never)?, other.ok_or_else(never)?) {
        (Ok(one), Ok(other)) => Ok(united(one, other, &second)),
        (Err(one), Err(other)) => Err(if other.node < one.node { other } else { one }),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// The version and the changes of both halves. `second` names the nodes of the second one.
fn united(one: Step, other: Step, second: &[NodeId]) -> Step {
    let Step { mut version, mut changes } = one;
    for &id in second {
        let arrangement = version.graph().node(id).and_then(|node| node.arrangement());
        if let Some((id, spine)) = arrangement.and_then(|id| Some((id, other.version.spine(id)?))) {
            version.set_spine(id, spine.clone());
        }
    }
    changes.extend(other.changes);
    changes.sort_by_key(|(node, _)| *node);
    Step { version, changes }
}

/// The nodes of the graph without its sources, in two halves that do not read each other; `None` if all of them hang together.
fn halves(graph: &Graph) -> Option<[Vec<NodeId>; 2]> {
    let is_source = |id: NodeId| graph.node(id).is_none_or(|node| matches!(node.operator, Operator::Source { .. }));
    let mut leaders: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    for node in graph.nodes().filter(|node| !is_source(node.id)) {
        leaders.insert(node.id, node.id);
        for &input in node.inputs.iter().filter(|&&input| !is_source(input)) {
            let (a, b) = (leader(&leaders, node.id), leader(&leaders, input));
            leaders.insert(a.max(b), a.min(b));
        }
    }
    let mut parts: BTreeMap<NodeId, (u64, Vec<NodeId>)> = BTreeMap::new();
    for &id in leaders.keys() {
        let part = parts.entry(leader(&leaders, id)).or_default();
        part.0 += match graph.node(id).map(|node| &node.operator) {
            Some(Operator::Aggregate(_)) => AGGREGATE_WEIGHT,
            _ => 1,
        };
        part.1.push(id);
    }
    let mut parts: Vec<(u64, Vec<NodeId>)> = parts.into_values().collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.0));
    let (mut halves, mut weights) = ([Vec::new(), Vec::new()], [0, 0]);
    for (weight, nodes) in parts {
        let lighter = usize::from(weights[1] < weights[0]);
        weights[lighter] += weight;
        halves[lighter].extend(nodes);
    }
    halves.iter().all(|half| !half.is_empty()).then_some(halves)
}

fn leader(leaders: &BTreeMap<NodeId, NodeId>, mut id: NodeId) -> NodeId {
    while let Some(&next) = leaders.get(&id).filter(|next| **next != id) {
        id = next;
    }
    id
}
