//! Which nodes an evaluation fills, in which order, and which side of each join streams.
//!
//! A walk from the target down, consumers before inputs. A node is asked for in two ways: to be *filled* (its spine is
//! needed: the probed side of a join, the input of a distinct or a top-k, an aggregate, whatever a build must leave behind) or to be
//! *streamed* (its rows pass by once). The walk ends where an arrangement of the version holds what is wanted.
//!
//! Of a join whose sides are both filled, the smaller one streams past the larger. If one side is filled, the other streams
//! past it. If none is, the one that looks smaller is filled.
//!
//! A join that several pipelines read is spooled: computed once, its chunks kept. So is a union that would be read many
//! times, because reading it n times would read each of its inputs n times.

use std::collections::BTreeMap;

use crate::failure::Failure;
use crate::graph::{Node, NodeId};
use crate::operators::Operator;
use crate::operators::aggregate::Port;
use crate::operators::join::Side;
use crate::step::StepError;

use super::world::World;

/// From how many readers on a union is spooled.
const UNION_READERS_MAX: u32 = 16;

/// One step of an evaluation, in the order in which they are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Fill the spine of a stateful node.
    Fill(NodeId),
    /// Keep the output of a node.
    Spool(NodeId),
    /// Hand out the output of a node.
    Target(NodeId),
}

/// How a node is asked for.
#[derive(Debug, Default, Clone, Copy)]
struct Need {
    fill: bool,
    /// By how many pipelines it is read.
    readers: u32,
}

/// The tasks of an evaluation. The world learns which side of each join streams.
pub(crate) fn tasks(world: &mut World, target: Option<NodeId>, fills: &[NodeId]) -> Result<Vec<Task>, StepError> {
    let mut plan = Plan { world, needs: BTreeMap::new(), sizes: BTreeMap::new() };
    fills.iter().for_each(|&id| plan.fill(id));
    if let Some(target) = target {
        plan.read(target, NodeId(u32::MAX), 1);
    }
    let mut tasks: Vec<Task> = target.map(Task::Target).into_iter().collect();
    while let Some((id, need)) = plan.needs.pop_last() {
        tasks.extend(plan.visit(id, need)?);
    }
    tasks.reverse();
    Ok(tasks)
}

struct Plan<'a> {
    world: &'a mut World,
    needs: BTreeMap<NodeId, Need>,
    sizes: BTreeMap<NodeId, u64>,
}

impl Plan<'_> {
    fn fill(&mut self, id: NodeId) {
        self.needs.entry(id).or_default().fill = true;
    }

    /// Asks for the rows of `id` on behalf of `reader`, unless an arrangement that is filled before `reader` has them.
    fn read(&mut self, id: NodeId, reader: NodeId, readers: u32) {
        let arranged = self.world.arrangements_of(id).any(|arranged| arranged < reader && self.is_filled(arranged));
        if !arranged {
            let need = self.needs.entry(id).or_default();
            need.readers = need.readers.saturating_add(readers);
        }
    }

    /// Whether a stateful node is filled, or will be.
    fn is_filled(&self, id: NodeId) -> bool {
        self.world.filled(id).is_some() || self.needs.get(&id).is_some_and(|need| need.fill)
    }

    /// Asks for what a node needs, and says what is to be done for it.
    fn visit(&mut self, id: NodeId, need: Need) -> Result<Option<Task>, StepError> {
        let node = self.world.graph().node(id).cloned();
        let lost = || StepError::outside(Failure::inconsistent(format!("node {id} is not in the graph")));
        let node = &*node.ok_or_else(lost)?;
        let filled = self.world.filled(id).is_some();
        match &node.operator {
            Operator::Source { .. } | Operator::Values { .. } => Ok(None),
            Operator::Map(_) | Operator::Negate => {
                self.read(node.inputs[0], id, need.readers);
                Ok(None)
            }
            Operator::Union => {
                let spool = need.readers >= UNION_READERS_MAX;
                let readers = if spool { 1 } else { need.readers };
                node.inputs.iter().for_each(|&input| self.read(input, id, readers));
                Ok(spool.then_some(Task::Spool(id)))
            }
            Operator::Arrange(_) if filled => Ok(None),
            Operator::Arrange(_) => {
                self.read(node.inputs[0], id, if need.fill { 1 } else { need.readers });
                Ok(need.fill.then_some(Task::Fill(id)))
            }
            Operator::Distinct | Operator::TopK(_) => {
                self.fill(node.inputs[0]);
                Ok(None)
            }
            Operator::Join(_) => {
                let streamed = self.choose(node);
                let (stream, probed) = match streamed {
                    Side::Left => (node.inputs[0], node.inputs[1]),
                    Side::Right => (node.inputs[1], node.inputs[0]),
                };
                self.world.streams.insert(id, streamed);
                self.fill(probed);
                // Where both sides are one arrangement, it is filled and read.
                if stream != probed {
                    let need = self.needs.entry(stream).or_default();
                    need.readers = need.readers.saturating_add(1);
                }
                Ok((need.readers > 1).then_some(Task::Spool(id)))
            }
            Operator::Aggregate(aggregate) => {
                for (&input, port) in node.inputs.iter().zip(aggregate.ports()) {
                    match port {
                        Port::Extreme => self.fill(input),
                        Port::Main | Port::Distinct if filled => {}
                        Port::Main | Port::Distinct => self.read(input, id, 1),
                    }
                }
                Ok((!filled).then_some(Task::Fill(id)))
            }
        }
    }

    /// The side of a join that streams past the other.
    fn choose(&mut self, node: &Node) -> Side {
        let (left, right) = (node.inputs[0], node.inputs[1]);
        let smaller = if self.size(left) <= self.size(right) { Side::Left } else { Side::Right };
        match (self.is_filled(left), self.is_filled(right)) {
            (true, true) => smaller,
            (false, true) => Side::Left,
            (true, false) => Side::Right,
            (false, false) if smaller == Side::Left => Side::Right,
            (false, false) => Side::Left,
        }
    }

    /// About how many rows a node produces: exact for what is filled, a guess for everything else.
    fn size(&mut self, id: NodeId) -> u64 {
        // Inputs have smaller ids, so the closure in ascending order knows each input before its consumer.
        for id in self.world.graph().closure(&[id]) {
            if !self.sizes.contains_key(&id) {
                let size = self.estimate(id);
                self.sizes.insert(id, size);
            }
        }
        self.sizes.get(&id).copied().unwrap_or(0)
    }

    fn estimate(&self, id: NodeId) -> u64 {
        let held = if self.world.filled(id).is_some() { Some(id) } else { self.world.arrangement_of(id) };
        if let Some(spine) = held.and_then(|held| self.world.filled(held)) {
            let stats = spine.stats();
            return stats.memory_entries + stats.file_entries;
        }
        let Some(node) = self.world.graph().node(id) else { return 0 };
        let inputs = node.inputs.iter().map(|input| self.sizes.get(input).copied().unwrap_or(0));
        match &node.operator {
            Operator::Values { rows } => rows.len() as u64,
            Operator::Join(_) => inputs.max().unwrap_or(0),
            Operator::Aggregate(_) => inputs.take(1).sum(),
            Operator::TopK(top_k) => inputs.sum::<u64>().min(top_k.limit.unwrap_or(u64::MAX)),
            _ => inputs.fold(0, u64::saturating_add),
        }
    }
}
