//! What an evaluation can read: a version, and what the evaluation has filled itself.
//!
//! A node of the extended graph *exists* in the version if the version's graph holds the very same node. Ids are not
//! compared: a plan may have been made before other nodes got the same ids, and a wrong arrangement would be a wrong answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::delta::Delta;
use crate::failure::Failure;
use crate::graph::{Graph, Node, NodeId};
use crate::operators::join::Side;
use crate::spine::Spine;
use crate::step::StepError;
use crate::version::Version;

/// What an evaluation can read.
#[derive(Debug)]
pub(crate) struct World {
    graph: Graph,
    base: Version,
    /// Whether a table that the version does not know is a new one, without rows. Only a build may think so: to a query it
    /// is a table that was dropped since the query was planned.
    tables_may_be_new: bool,
    /// What the evaluation has filled.
    own: BTreeMap<NodeId, Spine>,
    /// Outputs of nodes that several pipelines read.
    spools: BTreeMap<NodeId, Arc<[Delta]>>,
    /// The side of each join that streams past the other.
    pub(crate) streams: BTreeMap<NodeId, Side>,
}

impl World {
    pub(crate) fn new(version: &Version, extended: &Graph, tables_may_be_new: bool) -> World {
        World {
            graph: extended.clone(),
            base: version.clone(),
            tables_may_be_new,
            own: BTreeMap::new(),
            spools: BTreeMap::new(),
            streams: BTreeMap::new(),
        }
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// A node that a node of the same graph has as an input.
    pub(crate) fn node(&self, id: NodeId) -> Result<&Node, StepError> {
        let lost = || StepError::outside(Failure::inconsistent(format!("node {id} is not in the graph")));
        self.graph.node(id).map(|node| &**node).ok_or_else(lost)
    }

    /// Whether the version's graph has this very node.
    pub(crate) fn exists(&self, id: NodeId) -> bool {
        match (self.base.graph().node(id), self.graph.node(id)) {
            (Some(base), Some(extended)) => Arc::ptr_eq(base, extended),
            _ => false,
        }
    }

    /// Whether the rows of this table are none, because it is being created.
    pub(crate) fn is_new_table(&self, source: NodeId) -> bool {
        self.tables_may_be_new && !self.exists(source)
    }

    /// The content of a stateful node, if the version holds it or the evaluation has filled it.
    pub(crate) fn filled(&self, id: NodeId) -> Option<&Spine> {
        if let Some(spine) = self.own.get(&id) {
            return Some(spine);
        }
        if self.exists(id) { self.base.spine_of(id) } else { None }
    }

    /// The content of a stateful node that the plan has put before its readers.
    pub(crate) fn spine(&self, node: &Node) -> Result<&Spine, Failure> {
        self.filled(node.id()).ok_or_else(|| Failure::inconsistent(format!("node {} was not filled", node.id())))
    }

    /// A filled arrangement that holds what `id` produces.
    pub(crate) fn arrangement_of(&self, id: NodeId) -> Option<NodeId> {
        self.arrangements_of(id).find(|&arranged| self.filled(arranged).is_some())
    }

    /// All arrangements of what `id` produces.
    pub(crate) fn arrangements_of(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let is_arranged = |id: &NodeId| self.graph.node(*id).is_some_and(|node| node.is_arrange());
        self.graph.consumers(id).iter().copied().filter(is_arranged)
    }

    pub(crate) fn fill(&mut self, id: NodeId, spine: Spine) {
        self.own.insert(id, spine);
    }

    pub(crate) fn spool(&mut self, id: NodeId, chunks: Vec<Delta>) {
        self.spools.insert(id, chunks.into());
    }

    pub(crate) fn spooled(&self, id: NodeId) -> Option<&Arc<[Delta]>> {
        self.spools.get(&id)
    }

    /// What the evaluation has filled.
    pub(crate) fn into_own(self) -> BTreeMap<NodeId, Spine> {
        self.own
    }
}
