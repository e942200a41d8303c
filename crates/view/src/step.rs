//! `step`: a version and a change of the tables give the next version. A pure function.
//!
//! The changes flow through the graph once, in topological order. Linear operators pass each chunk on at once. A stateful
//! operator or a reader waits until everything below it is done; it is then finished exactly once. Nodes that no change
//! reaches are never looked at.
//!
//! An arrangement's change is encoded once per input and column order, however many arrangements have that order, sorted
//! and consolidated; an arrangement whose change cancels wakes nobody.
//!
//! The result depends on the consolidated changes alone: not on the order of rows, nor on how rows are split into chunks.
//! An error leaves the old version as it was, because nothing in it is ever changed.
//!
//! Cost: O(log of the number of waiting nodes) per node reached, plus what the operators' files say. Called by the
//! committer for every group, by recovery, by transactions for their private view of the world, and by `Build`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use monostable_types::{Rows, Weight};
use smallvec::{SmallVec, smallvec};

use crate::batch::Batch;
use crate::delta::Delta;
use crate::failure::Failure;
use crate::graph::{Graph, Node, NodeId, TableId};
use crate::layout::{ColumnOrder, Layout};
use crate::operators::aggregate::{Contributions, Extreme, Port};
use crate::operators::join::{Probe, Shape, Side};
use crate::operators::{Aggregate, Join, Operator, TopK, distinct};
use crate::spine::{Spine, WARM_KEYS};
use crate::version::Version;

/// A step, an evaluation or a build could not go on. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{operator}: {failure}")]
pub struct StepError {
    /// The node that failed; none if the failure is outside the graph.
    pub node: Option<NodeId>,
    /// The node's operator, in words.
    pub operator: String,
    /// Why.
    #[source]
    pub failure: Failure,
}

impl StepError {
    pub(crate) fn at(node: &Node, failure: Failure) -> StepError {
        StepError { node: Some(node.id), operator: format!("{} {}", node.id, node.operator), failure }
    }

    pub(crate) fn outside(failure: Failure) -> StepError {
        StepError { node: None, operator: "step".to_owned(), failure }
    }

    /// The five-character SQLSTATE.
    pub fn sqlstate(&self) -> &'static str {
        self.failure.sqlstate()
    }
}

/// Which nodes a step maintains.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// All of the graph.
    All,
    /// These nodes and what they depend on; everything else in the resulting version stays as it was.
    Only(&'a [NodeId]),
}

/// Where the changes of a step come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// They are new: what they take away has to be there.
    New,
    /// They stand in the log and were applied once before, on the same state. So what they take away was there, and is not
    /// looked for again: the reads would go all over files that nobody has touched since the machine started.
    Log,
}

/// What a step gives.
#[derive(Debug)]
pub struct Step {
    /// The next version, still at the epoch and log position of the old one.
    pub version: Version,
    /// For each watched node that changed, its change, in ascending order of nodes.
    pub changes: Vec<(NodeId, Delta)>,
}

/// Applies changes of tables to a version.
///
/// A table that the graph does not know is ignored: replay meets records of tables that were dropped later. A change whose
/// columns have other types than the table is an error. `watched` names nodes whose changes are wanted, for subscriptions.
pub fn step(
    version: &Version,
    deltas: &[(TableId, Delta)],
    scope: Scope<'_>,
    watched: &[NodeId],
) -> Result<Step, StepError> {
    step_from(Origin::New, version, deltas, scope, watched)
}

/// As [`step`], for changes of either origin.
pub(crate) fn step_from(
    origin: Origin,
    version: &Version,
    deltas: &[(TableId, Delta)],
    scope: Scope<'_>,
    watched: &[NodeId],
) -> Result<Step, StepError> {
    let scope = match scope {
        Scope::All => None,
        Scope::Only(nodes) => Some(version.graph().closure(nodes)),
    };
    let mut flow = Flow::new(origin, version, scope, watched);
    flow.feed(deltas)?;
    flow.run()?;
    flow.into_step()
}

/// So many nodes a step has room for at once.
const NODES: usize = 28;

/// Ids are small and dense: they are their own hash, spread a little.
#[derive(Clone, Copy, Default)]
struct NodeHasher(u64);

impl Hasher for NodeHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(byte.into()));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

type NodeMap<T> = HashMap<NodeId, T, BuildHasherDefault<NodeHasher>>;

/// Entries that wait for their arrangements: the changes of one node in one column order.
struct Encoding {
    order: ColumnOrder,
    rows: Rows,
    weights: Vec<Weight>,
    /// The number of the last chunk that was added, so that two arrangements do not add it twice.
    last_chunk: u64,
    batch: Option<Arc<Batch>>,
}

/// What has come in for a node that waits, or what has come of one that is finished.
#[derive(Default)]
struct Work {
    contributions: Option<Box<Contributions>>,
    /// The consolidated change of an arrangement that is finished.
    batch: Option<Arc<Batch>>,
}

/// One step on its way through the graph.
pub(crate) struct Flow<'a> {
    origin: Origin,
    graph: &'a Graph,
    old: &'a Version,
    new: Version,
    scope: Option<BTreeSet<NodeId>>,
    /// What came out of nodes for consumers that are out of scope, if somebody wants to [branch](Flow::branch) off.
    held: Option<Vec<(NodeId, Delta)>>,
    /// Nodes that have a change to finish, least first, which is topological order. Each is in it once.
    queue: BinaryHeap<Reverse<NodeId>>,
    /// For every node that was ever put into the queue.
    work: NodeMap<Work>,
    /// By the node whose changes they are; one for each column order.
    encodings: NodeMap<SmallVec<[Encoding; 1]>>,
    chunks: u64,
    changes: BTreeMap<NodeId, Vec<Delta>>,
}

impl<'a> Flow<'a> {
    /// A step in which nothing has happened yet. `scope` names all nodes that it maintains; none means all there are.
    pub(crate) fn new(
        origin: Origin,
        version: &'a Version,
        scope: Option<BTreeSet<NodeId>>,
        watched: &[NodeId],
    ) -> Flow<'a> {
        Flow {
            origin,
            graph: version.graph(),
            old: version,
            new: version.clone(),
            scope,
            held: None,
            queue: BinaryHeap::new(),
            work: NodeMap::with_capacity_and_hasher(NODES, BuildHasherDefault::default()),
            encodings: NodeMap::with_capacity_and_hasher(NODES, BuildHasherDefault::default()),
            chunks: 0,
            changes: watched.iter().map(|&node| (node, Vec::new())).collect(),
        }
    }

    /// Keeps what others need that branch off when it has run.
    pub(crate) fn holding(self) -> Flow<'a> {
        Flow { held: Some(Vec::new()), ..self }
    }

    /// Takes in changes of tables.
    pub(crate) fn feed(&mut self, deltas: &[(TableId, Delta)]) -> Result<(), StepError> {
        for (table, delta) in deltas {
            let Some(node) = self.graph.source(*table).and_then(|id| self.graph.node(id)) else { continue };
            if !delta.is_empty() && self.in_scope(node.id) {
                delta.check_type(&node.row).map_err(|failure| StepError::at(node, failure))?;
                delta.rows().map_err(|failure| StepError::at(node, failure))?;
                self.emit(node.id, delta.clone())?;
            }
        }
        Ok(())
    }

    /// Finishes every node that has a change.
    pub(crate) fn run(&mut self) -> Result<(), StepError> {
        while let Some(Reverse(id)) = self.queue.pop() {
            if let Some(node) = self.graph.node(id) {
                self.finish(node)?;
            }
        }
        Ok(())
    }

    /// The step of other nodes that goes on from what this one has come to. It must be [`Flow::holding`] and have run; `scope`
    /// names nodes of which each input is in this step's scope or in their own.
    pub(crate) fn branch(&self, scope: BTreeSet<NodeId>, watched: &[NodeId]) -> Result<Flow<'a>, StepError> {
        let mut branch = Flow::new(self.origin, self.old, Some(scope), watched);
        branch.new = self.new.clone();
        for (&id, work) in self.work.iter().filter(|(_, work)| work.batch.is_some()) {
            branch.work.insert(id, Work { contributions: None, batch: work.batch.clone() });
            branch.wake_readers(id);
        }
        for (from, delta) in self.held.iter().flatten() {
            branch.emit(*from, delta.clone())?;
        }
        Ok(branch)
    }

    /// The outcome.
    pub(crate) fn into_step(self) -> Result<Step, StepError> {
        let mut changes = Vec::new();
        for (id, chunks) in self.changes {
            if let Some(change) = Delta::concat(&chunks).map_err(StepError::outside)? {
                changes.push((id, change));
            }
        }
        Ok(Step { version: self.new, changes })
    }

    /// Has those who read the batch of a node finish.
    fn wake_readers(&mut self, id: NodeId) {
        let graph = self.graph;
        for &to in graph.consumers(id) {
            let Some(consumer) = graph.node(to).filter(|_| self.in_scope(to)) else { continue };
            match &consumer.operator {
                Operator::Distinct | Operator::Join(_) | Operator::TopK(_) | Operator::Aggregate(_) => {
                    self.wait(to);
                }
                _ => {}
            }
        }
    }

    fn in_scope(&self, id: NodeId) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.contains(&id))
    }

    /// The node has a change to finish, once everything before it is done.
    fn wait(&mut self, id: NodeId) -> &mut Work {
        self.work.entry(id).or_insert_with(|| {
            self.queue.push(Reverse(id));
            Work::default()
        })
    }

    fn batch_of(&self, id: NodeId) -> Option<&Arc<Batch>> {
        self.work.get(&id)?.batch.as_ref()
    }

    /// Hands a chunk of `from`'s output to its consumers, and what linear ones make of it to theirs.
    fn emit(&mut self, from: NodeId, delta: Delta) -> Result<(), StepError> {
        let mut stack: SmallVec<[(NodeId, Delta); 4]> = smallvec![(from, delta)];
        while let Some((from, delta)) = stack.pop() {
            if delta.is_empty() {
                continue;
            }
            self.chunks += 1;
            if let Some(changes) = self.changes.get_mut(&from) {
                changes.push(delta.clone());
            }
            let graph = self.graph;
            self.hold(from, &delta)?;
            for (index, &to) in graph.consumers(from).iter().enumerate() {
                let Some(node) = graph.node(to).filter(|_| self.in_scope(to)) else { continue };
                let at = |failure| StepError::at(node, failure);
                match &node.operator {
                    Operator::Map(map) => stack.push((to, map.apply(&node.row, &delta).map_err(at)?)),
                    Operator::Union => stack.push((to, delta.clone())),
                    Operator::Negate => stack.push((to, delta.negate().map_err(at)?)),
                    Operator::Arrange(layout) => self.absorb(from, node, layout, &delta).map_err(at)?,
                    Operator::Aggregate(aggregate) => {
                        // A node that reads this one through several ports is named several times; one pass serves all.
                        if graph.consumers(from)[..index].contains(&to) {
                            continue;
                        }
                        let contributions = self.wait(to).contributions.get_or_insert_default();
                        aggregate.absorb(node.ports_of(from), &delta, contributions).map_err(at)?;
                    }
                    // These read the batch of an arrangement, which wakes them when it is finished.
                    Operator::Distinct | Operator::Join(_) | Operator::TopK(_) => {}
                    Operator::Source { .. } | Operator::Values { .. } => {}
                }
            }
        }
        Ok(())
    }

    fn hold(&mut self, from: NodeId, delta: &Delta) -> Result<(), StepError> {
        let wanted = self.held.is_some() && self.graph.consumers(from).iter().any(|&to| !self.in_scope(to));
        if let Some(held) = self.held.as_mut().filter(|_| wanted) {
            // Encoded once, before several ask for it.
            delta.rows().map_err(StepError::outside)?;
            held.push((from, delta.clone()));
        }
        Ok(())
    }

    fn absorb(&mut self, from: NodeId, node: &Node, layout: &Layout, delta: &Delta) -> Result<(), Failure> {
        let chunk = self.chunks;
        let encoding = self.encoding(from, layout.columns());
        if encoding.last_chunk != chunk {
            encoding.last_chunk = chunk;
            if encoding.rows.is_empty() {
                encoding.rows = Rows::with_capacity(delta.len(), delta.encoded_rows().map_or(0, Rows::byte_len));
            }
            layout.arrange(delta, &mut encoding.rows)?;
            encoding.weights.extend_from_slice(delta.weights());
        }
        self.wait(node.id);
        Ok(())
    }

    fn encoding(&mut self, from: NodeId, order: &ColumnOrder) -> &mut Encoding {
        let encodings = self.encodings.entry(from).or_default();
        let found = encodings.iter().position(|encoding| encoding.order == *order);
        let at = found.unwrap_or(encodings.len());
        if found.is_none() {
            let (order, rows, weights) = (Arc::clone(order), Rows::default(), Vec::new());
            encodings.push(Encoding { order, rows, weights, last_chunk: 0, batch: None });
        }
        &mut encodings[at]
    }

    fn finish(&mut self, node: &'a Node) -> Result<(), StepError> {
        match &node.operator {
            Operator::Arrange(layout) => self.finish_arrange(node, layout),
            Operator::Distinct => self.finish_distinct(node),
            Operator::Join(join) => self.finish_join(node, join),
            Operator::TopK(top_k) => self.finish_top_k(node, top_k),
            Operator::Aggregate(aggregate) => self.finish_aggregate(node, aggregate),
            _ => Ok(()),
        }
    }

    fn finish_arrange(&mut self, node: &'a Node, layout: &Layout) -> Result<(), StepError> {
        let (batch, spine) = self.arranged(node, layout).map_err(|failure| StepError::at(node, failure))?;
        if batch.is_empty() {
            return Ok(());
        }
        if let Some(id) = node.arrangement {
            self.new.set_spine(id, spine);
        }
        self.wait(node.id).batch = Some(Arc::clone(&batch));
        self.wake_readers(node.id);
        let graph = self.graph;
        // Whoever branches off takes rows from here that nobody in scope asks for.
        let asks = |to| self.held.is_some() || self.in_scope(to);
        let mut consumers = graph.consumers(node.id).iter().filter(|&&to| asks(to));
        let rows_wanted = self.changes.contains_key(&node.id)
            || consumers.any(|&to| graph.node(to).is_some_and(|consumer| reads_rows(consumer, node.id)));
        if !rows_wanted {
            return Ok(());
        }
        let rows = layout.logical((0..batch.len()).map(|index| batch.get(index).0));
        let weights: Vec<Weight> = batch.iter().map(|(_, weight)| weight).collect();
        let rows = rows.map_err(|failure| StepError::at(node, failure))?;
        self.emit(node.id, Delta::encoded(layout.row(), rows, weights))
    }

    /// The consolidated change of an arrangement, and its content after it.
    fn arranged(&mut self, node: &Node, layout: &Layout) -> Result<(Arc<Batch>, Spine), Failure> {
        let encoding = self.encoding(node.inputs[0], layout.columns());
        let batch = match &encoding.batch {
            Some(batch) => Arc::clone(batch),
            None => {
                let batch = Arc::new(Batch::from_unsorted(&encoding.rows, &encoding.weights)?);
                (encoding.rows, encoding.weights) = (Rows::default(), Vec::new());
                encoding.batch = Some(Arc::clone(&batch));
                batch
            }
        };
        let spine = spine_of(self.old, node)?;
        // Where it follows from the rest, only builds for development look: they test that it does.
        let graph = self.graph;
        let guarded = graph.is_guarded(node.id) || cfg!(debug_assertions) && graph.is_positive(node.id);
        if self.origin == Origin::New && guarded {
            check_positive(&batch, spine)?;
        }
        let spine = spine.push(Arc::clone(&batch))?;
        Ok((batch, spine))
    }

    fn finish_distinct(&mut self, node: &'a Node) -> Result<(), StepError> {
        let at = |failure| StepError::at(node, failure);
        let input = node.inputs[0];
        let Some(arranged) = self.graph.node(input) else { return Ok(()) };
        let (Some(batch), Some(layout)) = (self.batch_of(input), arranged.layout()) else { return Ok(()) };
        let spine = spine_of(&self.new, arranged).map_err(at)?;
        let delta = distinct::crossings(layout, batch, spine).map_err(at)?;
        self.emit(node.id, delta)
    }

    fn finish_top_k(&mut self, node: &'a Node, top_k: &TopK) -> Result<(), StepError> {
        let at = |failure| StepError::at(node, failure);
        let input = node.inputs[0];
        let Some(arranged) = self.graph.node(input) else { return Ok(()) };
        let (Some(batch), Some(layout)) = (self.batch_of(input), arranged.layout()) else { return Ok(()) };
        let (old, new) = (spine_of(self.old, arranged).map_err(at)?, spine_of(&self.new, arranged).map_err(at)?);
        let delta = top_k.change(layout, batch, old, new).map_err(at)?;
        self.emit(node.id, delta)
    }

    fn finish_join(&mut self, node: &'a Node, join: &'a Join) -> Result<(), StepError> {
        let graph = self.graph;
        let sides = [graph.node(node.inputs[0]), graph.node(node.inputs[1])];
        let [Some(left), Some(right)] = sides else { return Ok(()) };
        let (Some(left_layout), Some(right_layout)) = (left.layout(), right.layout()) else { return Ok(()) };
        let at = |failure| StepError::at(node, failure);
        let row = &node.row;
        if let Some(batch) = self.batch_of(left.id).cloned() {
            let spine = spine_of(self.old, right).map_err(at)?;
            let shape = Shape { join, side: Side::Left, changed: left_layout, other: right_layout, row };
            self.emit_pairs(node, Probe::new(shape, &batch, spine))?;
        }
        if let Some(batch) = self.batch_of(right.id).cloned() {
            let spine = spine_of(&self.new, left).map_err(at)?.clone();
            let shape = Shape { join, side: Side::Right, changed: right_layout, other: left_layout, row };
            self.emit_pairs(node, Probe::new(shape, &batch, &spine))?;
        }
        Ok(())
    }

    fn emit_pairs(&mut self, node: &Node, mut probe: Probe<'_>) -> Result<(), StepError> {
        while let Some(delta) = probe.next().map_err(|failure| StepError::at(node, failure))? {
            self.emit(node.id, delta)?;
        }
        Ok(())
    }

    fn finish_aggregate(&mut self, node: &'a Node, aggregate: &Aggregate) -> Result<(), StepError> {
        let graph = self.graph;
        let mut rows_wanted = self.changes.contains_key(&node.id);
        let mut readers: SmallVec<[NodeId; 4]> = SmallVec::new();
        for &to in graph.consumers(node.id).iter().filter(|&&to| self.in_scope(to)) {
            match graph.node(to).map(|consumer| &consumer.operator) {
                Some(Operator::Join(_) | Operator::TopK(_)) => readers.push(to),
                _ => rows_wanted = true,
            }
        }
        let output = self.aggregated(node, aggregate, rows_wanted).map_err(|failure| StepError::at(node, failure))?;
        for to in readers {
            self.wait(to);
        }
        self.emit(node.id, output)
    }

    /// Gives an aggregate its new state, and answers the change of its output; no rows if nobody wants them.
    fn aggregated(&mut self, node: &'a Node, aggregate: &Aggregate, rows_wanted: bool) -> Result<Delta, Failure> {
        let contributions = self.wait(node.id).contributions.take().unwrap_or_default();
        let old = spine_of(self.old, node)?;
        let mut inputs: SmallVec<[Option<Extreme<'_>>; 4]> = SmallVec::new();
        for input in extremes(self.graph, node, aggregate) {
            inputs.push(match input {
                None => None,
                Some(input) => Some(Extreme {
                    content: spine_of(&self.new, input)?,
                    change: self.batch_of(input.id).map(|batch| &**batch),
                }),
            });
        }
        let change = aggregate.apply(&node.row, &contributions, old, &inputs, rows_wanted)?;
        drop(inputs);
        if let Some(id) = node.arrangement.filter(|_| !change.state.is_empty()) {
            let batch = Arc::new(change.state);
            self.new.set_spine(id, old.push(Arc::clone(&batch))?);
            self.wait(node.id).batch = Some(batch);
        }
        Ok(change.output)
    }
}

/// Whether a node takes the rows of the change of its input, not the batch of an arrangement.
pub(crate) fn reads_rows(consumer: &Node, input: NodeId) -> bool {
    match &consumer.operator {
        Operator::Distinct | Operator::Join(_) | Operator::TopK(_) => false,
        Operator::Aggregate(aggregate) => consumer.ports_of(input).any(|port| aggregate.ports()[port] != Port::Extreme),
        _ => true,
    }
}

/// The arrangements from which an aggregate reads extremes, by port.
pub(crate) fn extremes<'g>(graph: &'g Graph, node: &Node, aggregate: &Aggregate) -> SmallVec<[Option<&'g Node>; 4]> {
    let extreme = |(input, port): (&NodeId, &Port)| match port {
        Port::Extreme => graph.node(*input).map(|node| &**node),
        Port::Main | Port::Distinct => None,
    };
    node.inputs.iter().zip(aggregate.ports()).map(extreme).collect()
}

/// The spine of a stateful node; every one in a live graph has been built.
pub(crate) fn spine_of<'v>(version: &'v Version, node: &Node) -> Result<&'v Spine, Failure> {
    let spine = node.arrangement.and_then(|id| version.spine(id));
    spine.ok_or_else(|| Failure::inconsistent(format!("node {} was never built", node.id)))
}

/// Whether every entry that loses weight has as much of it to lose.
fn check_positive(batch: &Batch, old: &Spine) -> Result<(), Failure> {
    let taken: SmallVec<[(&[u8], Weight); 4]> = batch.iter().filter(|(_, change)| *change < Weight::ZERO).collect();
    let mut contents = old.seeker(taken.len());
    for some in taken.chunks(WARM_KEYS) {
        contents.warm_entries(some.iter().map(|(entry, _)| *entry))?;
        for (entry, change) in some {
            if contents.weight(entry)?.add(*change)? < Weight::ZERO {
                return Err(Failure::inconsistent("a row was taken away that is not there"));
            }
        }
    }
    Ok(())
}
