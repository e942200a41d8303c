//! `step_forked`: a large step on two threads.
//!
//! Views that share nothing but tables, and rows picked from tables, are maintained independently. So the *front* of the graph goes
//! first: the sources, the arrangements of tables through which others get their rows, and the linear operators that read nothing
//! else. Then the parts into which the rest falls are dealt into two halves of about equal weight, and each half goes on from
//! there with what it needs. The new version takes each spine from the half that maintains it. So the result is that of
//! [`crate::step`], bit for bit; if both halves fail, the error is that of the lesser node.
//!
//! This crate starts no thread. Who calls it says how two things are done at the same time, or that they are not ([`Fork`]).
//!
//! Cost: O(nodes) to deal; worth it from some thousand rows on, so smaller steps are not forked.

use std::collections::{BTreeMap, BTreeSet};

use crate::delta::Delta;
use crate::graph::{Graph, Node, NodeId, TableId};
use crate::operators::Operator;
use crate::spine::Spine;
use crate::step::{Flow, Origin, Scope, Step, StepError, reads_rows, step_from};
use crate::version::Version;

/// From this many changed rows on a step is forked.
pub const FORK_ROWS_MIN: usize = 2048;
/// What a changed row costs, as profiles have it: in a linear operator, sorted into an arrangement, with its partners looked up, and
/// in an aggregate, if each row has a group of its own.
const LINEAR_WEIGHT: u64 = 1;
const ARRANGE_WEIGHT: u64 = 2;
const JOIN_WEIGHT: u64 = 8;
const GROUP_WEIGHT: u64 = 18;

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
    let graph = version.graph();
    let front = front(graph);
    let rows = deltas.iter().map(|(_, delta)| delta.len() as u64).sum();
    let Some([first, second]) = halves(graph, &front, |node| weight(version, node, rows)) else {
        return step_from(origin, version, deltas, Scope::All, watched);
    };
    let watched_of = |nodes: &BTreeSet<NodeId>| -> Vec<NodeId> {
        watched.iter().copied().filter(|node| nodes.contains(node)).collect()
    };
    let mut flow = Flow::new(origin, version, Some(front.clone()), &watched_of(&front)).holding();
    flow.feed(deltas)?;
    flow.run()?;
    let run = |nodes: &BTreeSet<NodeId>| {
        let mut half = flow.branch(nodes.clone(), &watched_of(nodes))?;
        half.run()?;
        half.into_step()
    };
    let (mut one, mut other) = (None, None);
    fork.both(&mut || one = Some(run(&first)), &mut || other = Some(run(&second)));
    let never = || StepError::outside(crate::Failure::inconsistent("a half of a step was not done"));
    match (one.ok_or_else(never)?, other.ok_or_else(never)?) {
        (Ok(one), Ok(other)) => Ok(united(flow.into_step()?.changes, one, other, &second)),
        (Err(one), Err(other)) => Err(if other.node < one.node { other } else { one }),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// The version and the changes of both halves, and the changes of the front. `second` names the nodes of the second half.
fn united(mut changes: Vec<(NodeId, Delta)>, one: Step, other: Step, second: &BTreeSet<NodeId>) -> Step {
    let mut version = one.version;
    for &id in second {
        let arrangement = version.graph().node(id).and_then(|node| node.arrangement());
        if let Some((id, spine)) = arrangement.and_then(|id| Some((id, other.version.spine(id)?))) {
            version.set_spine(id, spine.clone());
        }
    }
    changes.extend(one.changes.into_iter().chain(other.changes));
    changes.sort_by_key(|(node, _)| *node);
    Step { version, changes }
}

/// The sources, the linear operators whose inputs are all of the front, and such arrangements as others take rows from.
fn front(graph: &Graph) -> BTreeSet<NodeId> {
    let mut front = BTreeSet::new();
    // Inputs have smaller ids.
    for node in graph.nodes() {
        let belongs = match &node.operator {
            Operator::Source { .. } | Operator::Values { .. } => true,
            Operator::Map(_) | Operator::Union | Operator::Negate => true,
            Operator::Arrange(_) => {
                let mut consumers = graph.consumers(node.id).iter().filter_map(|&to| graph.node(to));
                consumers.any(|consumer| reads_rows(consumer, node.id))
            }
            Operator::Distinct | Operator::Join(_) | Operator::TopK(_) | Operator::Aggregate(_) => false,
        };
        if belongs && node.inputs.iter().all(|input| front.contains(input)) {
            front.insert(node.id);
        }
    }
    front
}

/// The nodes behind the front, in two halves that do not read each other; `None` if all of them hang together.
fn halves(graph: &Graph, front: &BTreeSet<NodeId>, weight: impl Fn(&Node) -> u64) -> Option<[BTreeSet<NodeId>; 2]> {
    let mut leaders: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    for node in graph.nodes().filter(|node| !front.contains(&node.id)) {
        leaders.insert(node.id, node.id);
        for &input in node.inputs.iter().filter(|input| !front.contains(input)) {
            let (a, b) = (leader(&leaders, node.id), leader(&leaders, input));
            leaders.insert(a.max(b), a.min(b));
        }
    }
    let mut parts: BTreeMap<NodeId, (u64, Vec<NodeId>)> = BTreeMap::new();
    for &id in leaders.keys() {
        let part = parts.entry(leader(&leaders, id)).or_default();
        part.0 += graph.node(id).map_or(0, |node| weight(node));
        part.1.push(id);
    }
    let mut parts: Vec<(u64, Vec<NodeId>)> = parts.into_values().collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.0));
    let (mut halves, mut weights) = ([BTreeSet::new(), BTreeSet::new()], [0, 0]);
    for (weight, nodes) in parts {
        let lighter = usize::from(weights[1] < weights[0]);
        weights[lighter] += weight;
        halves[lighter].extend(nodes);
    }
    halves.iter().all(|half| !half.is_empty()).then_some(halves)
}

/// About what so many changed rows cost in a node, for each of them. The groups of an aggregate are at most as many as it has.
fn weight(version: &Version, node: &Node, rows: u64) -> u64 {
    match &node.operator {
        Operator::Aggregate(_) => {
            let stats = version.spine_of(node.id).map(Spine::stats).unwrap_or_default();
            let groups = (stats.memory_entries + stats.file_entries).min(rows);
            LINEAR_WEIGHT + GROUP_WEIGHT * groups / rows.max(1)
        }
        Operator::Join(_) => JOIN_WEIGHT,
        Operator::Arrange(_) | Operator::Distinct | Operator::TopK(_) => ARRANGE_WEIGHT,
        _ => LINEAR_WEIGHT,
    }
}

fn leader(leaders: &BTreeMap<NodeId, NodeId>, mut id: NodeId) -> NodeId {
    while let Some(&next) = leaders.get(&id).filter(|next| **next != id) {
        id = next;
    }
    id
}

#[cfg(test)]
mod tests {
    use monostable_types::{DataType, Value};

    use super::*;
    use crate::tests::model::delta;
    use crate::{AggregateCall, Build, Join};

    /// Two counts by the same column share the rows that were picked for them, which once kept all of it in one half.
    #[test]
    fn views_of_the_same_rows_of_a_table_fall_apart() {
        let mut builder = Graph::new().extend();
        let source = builder.source(TableId(1), &[DataType::Integer, DataType::Integer]).unwrap();
        let table = builder.arrange(source, &[0]).unwrap();
        let picked = builder.project(table, &[1]).unwrap();
        let one = builder.aggregate(picked, 1, &[AggregateCall::count_rows()]).unwrap();
        let negated = builder.negate(picked).unwrap();
        let other = builder.aggregate(negated, 1, &[AggregateCall::count_rows()]).unwrap();
        let apart = builder.finish();
        let split = |graph: &Graph| halves(graph, &front(graph), |_| 1);
        let [first, second] = split(&apart).unwrap();
        assert_eq!((first, second), (BTreeSet::from([one]), BTreeSet::from([other])));
        // A join of them reads both.
        let mut builder = apart.extend();
        builder.join(one, other, Join::on(1)).unwrap();
        assert!(split(&builder.finish()).is_none());
    }

    /// Dealt by counting operators, the half with two aggregates of many groups took four times as long as the other.
    #[test]
    fn what_costs_most_is_dealt_apart() {
        let types = [DataType::Integer, DataType::Integer];
        let mut builder = Graph::new().extend();
        let source = builder.source(TableId(1), &types).unwrap();
        let table = builder.arrange(source, &[0]).unwrap();
        let mut count = |columns: &[usize]| {
            let picked = builder.project(table, columns).unwrap();
            builder.aggregate(picked, 1, &[AggregateCall::count_rows()]).unwrap()
        };
        let (few, many, more) = (count(&[1]), count(&[0]), count(&[0, 1]));
        let version = Build::run(&Version::new(), &builder.finish(), &[few, many, more]).unwrap();
        let rows: Vec<_> = (0..100).map(|n| (vec![Value::Integer(n), Value::Integer(0)], 1)).collect();
        let version = step_from(Origin::New, &version, &[(TableId(1), delta(&types, &rows))], Scope::All, &[]);
        let version = version.unwrap().version;
        let graph = version.graph();
        let cost = |id| weight(&version, graph.node(id).unwrap(), 100);
        assert!(cost(many) > 10 * cost(few), "each row has a group of its own in one, all have the same in the other");
        let split = halves(graph, &front(graph), |node| weight(&version, node, 100)).unwrap();
        assert!(split.iter().all(|half| half.contains(&many) != half.contains(&more)));
    }
}
