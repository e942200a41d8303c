//! `step_forked`: a large step on two threads.
//!
//! Views that share nothing but tables, and rows picked from tables, are maintained independently. So the *front* of the graph goes
//! first: the sources, the arrangements of tables through which others get their rows, and the linear operators that read nothing
//! else. Then the parts into which the rest falls are dealt into a few shares, and two threads take share after share, the
//! heaviest first, each of which goes on from there with what it needs. So a thread that is held up, by merges most of the time, takes
//! fewer. The new version takes each spine from the share that maintains it. So the result is that of [`crate::step`], bit for bit; if
//! several shares fail, the error is that of the least node.
//!
//! This crate starts no thread. Who calls it says how two things are done at the same time, or that they are not ([`Fork`]).
//!
//! Cost: O(nodes) to deal; worth it from some thousand rows on, so smaller steps are not forked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::delta::Delta;
use crate::graph::{Graph, Node, NodeId, TableId};
use crate::operators::Operator;
use crate::spine::Spine;
use crate::step::{Flow, Origin, Scope, Step, StepError, reads_rows, step_from};
use crate::version::Version;

/// Into so many shares a step is dealt at most: each costs a look at all nodes.
const SHARES_MAX: usize = 6;
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

/// As [`crate::step`] over all of the graph, on two threads if the change is large and the graph falls into parts.
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
    step_in_shares(origin, version, deltas, watched, fork)
}

/// The same whatever the size of the change.
pub(crate) fn step_in_shares(
    origin: Origin,
    version: &Version,
    deltas: &[(TableId, Delta)],
    watched: &[NodeId],
    fork: &dyn Fork,
) -> Result<Step, StepError> {
    let graph = version.graph();
    let front = front(graph);
    let rows = deltas.iter().map(|(_, delta)| delta.len() as u64).sum();
    let Some(shares) = shares(graph, &front, |node| weight(version, node, rows)) else {
        return step_from(origin, version, deltas, Scope::All, watched);
    };
    let watched_of = |nodes: &BTreeSet<NodeId>| -> Vec<NodeId> {
        watched.iter().copied().filter(|node| nodes.contains(node)).collect()
    };
    let mut flow = Flow::new(origin, version, Some(front.clone()), &watched_of(&front)).holding();
    flow.feed(deltas)?;
    flow.run()?;
    let run = |nodes: &BTreeSet<NodeId>| {
        let mut share = flow.branch(nodes.clone(), &watched_of(nodes))?;
        share.run()?;
        share.into_step()
    };
    let next = AtomicUsize::new(0);
    let take_all = |done: &mut Vec<_>| {
        // Relaxed is enough: the number says who does what and nothing of what was done.
        while let Some(nodes) = shares.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((nodes, run(nodes)));
        }
    };
    let (mut one, mut other) = (Vec::new(), Vec::new());
    fork.both(&mut || take_all(&mut one), &mut || take_all(&mut other));
    let (mut steps, mut failed): (Vec<(&BTreeSet<NodeId>, Step)>, Option<StepError>) = (Vec::new(), None);
    for (nodes, outcome) in one.into_iter().chain(other) {
        match (outcome, &failed) {
            (Ok(step), _) => steps.push((nodes, step)),
            (Err(error), Some(least)) if least.node <= error.node => {}
            (Err(error), _) => failed = Some(error),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    if steps.len() < shares.len() {
        return Err(StepError::outside(crate::Failure::inconsistent("a share of a step was not done")));
    }
    Ok(united(flow.into_step()?, steps))
}

/// The version and the changes of the front and of all shares.
fn united(front: Step, shares: Vec<(&BTreeSet<NodeId>, Step)>) -> Step {
    let Step { mut version, mut changes } = front;
    for (nodes, share) in shares {
        for node in nodes.iter().filter_map(|&id| share.version.graph().node(id)) {
            if let Some((id, spine)) = node.arrangement().and_then(|id| Some((id, share.version.spine(id)?))) {
                version.set_spine(id, spine.clone());
            }
        }
        changes.extend(share.changes);
    }
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

/// The nodes behind the front, in shares that do not read each other, the heaviest first; `None` if all of them hang together.
fn shares(graph: &Graph, front: &BTreeSet<NodeId>, weight: impl Fn(&Node) -> u64) -> Option<Vec<BTreeSet<NodeId>>> {
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
    let mut shares: Vec<(u64, BTreeSet<NodeId>)> = vec![Default::default(); parts.len().min(SHARES_MAX)];
    for (weight, nodes) in parts {
        if let Some(lightest) = shares.iter_mut().min_by_key(|share| share.0) {
            lightest.0 += weight;
            lightest.1.extend(nodes);
        }
    }
    shares.sort_by_key(|share| std::cmp::Reverse(share.0));
    (shares.len() > 1).then(|| shares.into_iter().map(|(_, nodes)| nodes).collect())
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

    /// Two counts by the same column have the rows that were picked for them in common, which once kept all of it in one share.
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
        let split = |graph: &Graph| shares(graph, &front(graph), |_| 1);
        assert_eq!(split(&apart).unwrap(), [BTreeSet::from([one]), BTreeSet::from([other])]);
        // A join of them reads both.
        let mut builder = apart.extend();
        builder.join(one, other, Join::on(1)).unwrap();
        assert!(split(&builder.finish()).is_none());
    }

    /// Dealt by counting operators, the share with two aggregates of many groups took four times as long as the other.
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
        let split = shares(graph, &front(graph), |node| weight(&version, node, 100)).unwrap();
        let holding = |id| split.iter().position(|share| share.contains(&id)).unwrap();
        assert!(holding(many) < 2 && holding(more) < 2 && holding(few) == 2, "the heaviest come first");
    }

    #[test]
    fn many_parts_are_dealt_into_few_shares() {
        let mut builder = Graph::new().extend();
        let source = builder.source(TableId(1), &[DataType::Integer; 3]).unwrap();
        let table = builder.arrange(source, &[0]).unwrap();
        for columns in [&[0][..], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[1, 0], &[2, 0], &[2, 1]] {
            let picked = builder.project(table, columns).unwrap();
            builder.aggregate(picked, 1, &[AggregateCall::count_rows()]).unwrap();
        }
        let graph = builder.finish();
        let split = shares(&graph, &front(&graph), |_| 1).unwrap();
        assert_eq!(split.iter().map(BTreeSet::len).collect::<Vec<_>>(), [2, 2, 2, 1, 1, 1]);
    }
}
