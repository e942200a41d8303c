//! The graph: which node computes what, from what, and for whom.
//!
//! A [`Graph`] is an immutable value; [`Graph::extend`] starts a [`GraphBuilder`](crate::GraphBuilder) that adds nodes and
//! gives another graph. A node that would compute what an existing node computes *is* that node, so that views share
//! their arrangements. `NodeId`s of live nodes never change, and neither ids nor arrangement ids are used again.
//!
//! Invariants: the inputs of a node have smaller ids than the node (so ids are a topological order); equal operators over
//! equal inputs are one node; every stateful node has an arrangement of its own.
//!
//! Not here: rows, spines, and the names of tables and views.
//!
//! Cost: cloning a graph is one reference count; extending it copies its index, O(nodes), which happens when a statement
//! is planned and never when it runs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use monostable_types::Weight;

use crate::ArrangementId;
use crate::identity::{self, Identity};
use crate::key::KeyExtent;
use crate::layout::{Layout, RowType};
use crate::operators::Operator;

/// A table. Ids are given by the catalog and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u32);

/// A node of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One node: an operator, its inputs, and the type of the rows that it produces.
#[derive(Debug)]
pub struct Node {
    pub(crate) id: NodeId,
    pub(crate) operator: Operator,
    pub(crate) inputs: Vec<NodeId>,
    pub(crate) row: Arc<RowType>,
    pub(crate) arrangement: Option<ArrangementId>,
}

impl Node {
    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// What the node computes.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// What it computes it from.
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }

    /// The type of the rows that it produces.
    pub fn row(&self) -> &Arc<RowType> {
        &self.row
    }

    /// The arrangement that the node owns, if it is stateful.
    pub fn arrangement(&self) -> Option<ArrangementId> {
        self.arrangement
    }

    /// The ports through which this node reads `input`.
    pub(crate) fn ports_of(&self, input: NodeId) -> impl Iterator<Item = usize> {
        self.inputs.iter().enumerate().filter(move |(_, id)| **id == input).map(|(port, _)| port)
    }

    /// The layout of the entries of a stateful node; `None` for all others.
    pub fn layout(&self) -> Option<&Layout> {
        match &self.operator {
            Operator::Arrange(layout) => Some(layout),
            Operator::Aggregate(aggregate) => Some(aggregate.layout()),
            _ => None,
        }
    }

    /// Whether the node is an arrangement of its input's rows, as they are.
    pub fn is_arrange(&self) -> bool {
        matches!(self.operator, Operator::Arrange(_))
    }

    /// How far the key reaches into the entries of the node's arrangement, if it owns one.
    pub fn key_extent(&self) -> Option<KeyExtent> {
        match &self.operator {
            Operator::Arrange(layout) => Some(layout.key_extent()),
            Operator::Aggregate(aggregate) => Some(aggregate.layout().key_extent()),
            _ => None,
        }
    }
}

/// An immutable graph of operators. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Inner {
    nodes: Vec<Option<Arc<Node>>>,
    consumers: Vec<Vec<NodeId>>,
    index: HashMap<Box<[u8]>, NodeId>,
    sources: BTreeMap<TableId, NodeId>,
    /// Arrangements of tables and views: consolidated, their weights are positive.
    positive: BTreeSet<NodeId>,
    /// Those of them of which it does not follow from what they are computed from.
    guarded: BTreeSet<NodeId>,
    /// Arrangements that were persisted and wait for a node with their identity.
    recovered: BTreeMap<Identity, ArrangementId>,
    arrangements_next: u32,
}

impl Graph {
    /// The graph without nodes.
    pub fn new() -> Graph {
        Graph::default()
    }

    /// A graph without nodes in which a stateful node with one of these identities gets the arrangement of that identity:
    /// how an operator finds its state when the database is opened. Other nodes get ids beyond all of these.
    pub fn recovering(arrangements: impl IntoIterator<Item = (Identity, ArrangementId)>) -> Graph {
        let recovered: BTreeMap<Identity, ArrangementId> = arrangements.into_iter().collect();
        let arrangements_next = recovered.values().map(|id| id.0 + 1).max().unwrap_or(0);
        Graph { inner: Arc::new(Inner { recovered, arrangements_next, ..Inner::default() }) }
    }

    /// Ends recovery: the same graph, and the arrangements that no node asked for.
    pub fn recovered(&self) -> (Graph, Vec<ArrangementId>) {
        let mut inner = Inner::clone(&self.inner);
        let unused = std::mem::take(&mut inner.recovered).into_values().collect();
        (Graph { inner: Arc::new(inner) }, unused)
    }

    /// Whether both are the same value, not merely equal ones.
    pub(crate) fn is(&self, other: &Graph) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The node with this id, unless it was dropped or never existed.
    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.inner.node(id)
    }

    /// All nodes in topological order.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.inner.nodes.iter().flatten()
    }

    /// The node of a table's changes.
    pub fn source(&self, table: TableId) -> Option<NodeId> {
        self.inner.source(table)
    }

    /// The nodes that read the output of `id`; a node that reads it twice is named twice.
    pub fn consumers(&self, id: NodeId) -> &[NodeId] {
        self.inner.consumers.get(id.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether this node's arrangement must have positive weights only.
    pub fn is_positive(&self, id: NodeId) -> bool {
        self.inner.positive.contains(&id)
    }

    /// Whether a step has to look whether this node's weights stay positive: of one arrangement of each table, as its changes come
    /// from outside, and of what has a `Negate` below it. Of all others it follows, as their operators make positive weights of
    /// positive ones.
    pub(crate) fn is_guarded(&self, id: NodeId) -> bool {
        self.inner.guarded.contains(&id)
    }

    /// These nodes and all that they depend on.
    pub fn closure(&self, roots: &[NodeId]) -> BTreeSet<NodeId> {
        let mut reached = BTreeSet::new();
        let mut stack: Vec<NodeId> = roots.to_vec();
        while let Some(id) = stack.pop() {
            let Some(node) = self.node(id) else { continue };
            if reached.insert(id) {
                stack.extend(&node.inputs);
            }
        }
        reached
    }

    /// The graph with only what the roots depend on; all other nodes are dropped. Ids do not change.
    pub fn retain(&self, roots: &[NodeId]) -> Graph {
        let keep = self.closure(roots);
        let mut inner = Inner::clone(&self.inner);
        for slot in &mut inner.nodes {
            if slot.as_ref().is_some_and(|node| !keep.contains(&node.id)) {
                *slot = None;
            }
        }
        inner.consumers.iter_mut().for_each(|consumers| consumers.retain(|id| keep.contains(id)));
        inner.index.retain(|_, id| keep.contains(id));
        inner.sources.retain(|_, id| keep.contains(id));
        inner.guarded.clear();
        for id in std::mem::take(&mut inner.positive).intersection(&keep) {
            inner.mark_positive(*id);
        }
        Graph { inner: Arc::new(inner) }
    }

    /// The identity of a node, to be persisted with its arrangement. `None` if there is no such node.
    pub fn identity(&self, id: NodeId) -> Option<Identity> {
        self.node(id)?;
        Some(self.inner.identity(id))
    }

    /// A node in one line: operator, inputs and the types of the result. For people; see [`Graph::identity`].
    pub fn describe(&self, id: NodeId) -> String {
        let Some(node) = self.node(id) else { return format!("{id} (dropped)") };
        let types: Vec<String> = node.row.types().iter().map(|data_type| data_type.sql_name()).collect();
        let inputs: Vec<String> = node.inputs.iter().map(NodeId::to_string).collect();
        let of = if inputs.is_empty() { String::new() } else { format!(" of {}", inputs.join(", ")) };
        format!("{id} {}{of}: ({})", node.operator, types.join(", "))
    }
}

impl Inner {
    pub(crate) fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(id.0 as usize)?.as_ref()
    }

    pub(crate) fn source(&self, table: TableId) -> Option<NodeId> {
        self.sources.get(&table).copied()
    }

    /// The node that computes `operator` over `inputs`: an existing one, or a new one.
    pub(crate) fn intern(&mut self, operator: Operator, inputs: Vec<NodeId>, row: Arc<RowType>) -> NodeId {
        let mut local_key = Vec::new();
        operator.encode(&row, &mut local_key);
        inputs.iter().for_each(|input| local_key.extend_from_slice(&input.0.to_le_bytes()));
        if let Some(&existing) = self.index.get(local_key.as_slice()) {
            return existing;
        }
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        if let Operator::Source { table } = &operator {
            self.sources.insert(*table, id);
        }
        for input in &inputs {
            self.consumers[input.0 as usize].push(id);
        }
        let stateful = operator.is_stateful();
        self.index.insert(local_key.into(), id);
        self.nodes.push(Some(Arc::new(Node { id, operator, inputs, row, arrangement: None })));
        self.consumers.push(Vec::new());
        if stateful {
            let arrangement = self.arrangement_of(id);
            if let Some(node) = self.nodes.last_mut().and_then(Option::as_mut).and_then(Arc::get_mut) {
                node.arrangement = Some(arrangement);
            }
        }
        id
    }

    pub(crate) fn mark_positive(&mut self, id: NodeId) {
        if !self.node(id).is_some_and(|node| self.follows(&node.inputs)) {
            self.guarded.insert(id);
        }
        self.positive.insert(id);
    }

    /// Whether nodes have positive weights because of what they compute: no negated change reaches them, but through an
    /// arrangement that is looked after or an operator that counts what it is given, and no change from outside that no
    /// arrangement of its table looks at.
    fn follows(&self, nodes: &[NodeId]) -> bool {
        let mut stack = nodes.to_vec();
        let mut seen = BTreeSet::new();
        while let Some(id) = stack.pop() {
            let Some(node) = self.node(id) else { return false };
            let follows = match &node.operator {
                Operator::Negate => false,
                Operator::Source { .. } => self.consumers[id.0 as usize].iter().any(|to| self.guarded.contains(to)),
                Operator::Values { rows } => rows.weights().iter().all(|&weight| weight >= Weight::ZERO),
                Operator::Aggregate(_) | Operator::Distinct | Operator::TopK(_) => true,
                Operator::Arrange(_) if self.positive.contains(&id) => true,
                Operator::Arrange(_) | Operator::Map(_) | Operator::Union | Operator::Join(_) => {
                    stack.extend(node.inputs.iter().filter(|&&input| seen.insert(input)));
                    true
                }
            };
            if !follows {
                return false;
            }
        }
        true
    }

    /// The persisted arrangement with the node's identity, or a new one.
    fn arrangement_of(&mut self, id: NodeId) -> ArrangementId {
        if !self.recovered.is_empty() {
            let identity = self.identity(id);
            if let Some(arrangement) = self.recovered.remove(&identity) {
                return arrangement;
            }
        }
        let fresh = ArrangementId(self.arrangements_next);
        self.arrangements_next += 1;
        fresh
    }

    /// Walks from `id` and writes each node when the walk has completed its inputs.
    fn identity(&self, id: NodeId) -> Identity {
        let mut out = vec![identity::VERSION];
        let mut position: BTreeMap<NodeId, u64> = BTreeMap::new();
        let mut stack = vec![(id, false)];
        while let Some((id, completed)) = stack.pop() {
            let Some(node) = self.node(id).filter(|_| !position.contains_key(&id)) else { continue };
            if !completed {
                stack.push((id, true));
                stack.extend(node.inputs.iter().rev().map(|&input| (input, false)));
                continue;
            }
            let mut operator = Vec::new();
            node.operator.encode(&node.row, &mut operator);
            identity::put_bytes(&mut out, &operator);
            identity::put_number(&mut out, node.inputs.len() as u64);
            node.inputs.iter().for_each(|input| identity::put_number(&mut out, position[input]));
            position.insert(id, position.len() as u64);
        }
        Identity::from_bytes(out)
    }
}
