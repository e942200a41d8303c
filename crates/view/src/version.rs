//! `Version`: all that a reader can see, at one epoch.
//!
//! A graph, and for each arrangement in it one spine. Immutable and persistent: a step makes another version that shares
//! every spine that did not change. Spines sit in chunks of [`CHUNK`] behind `Arc`s, so that replacing one copies one chunk and
//! the list of chunks, never all spines.
//!
//! Not here: publication (the facade swaps one atomic pointer) and names.
//!
//! Cost: clone O(arrangements / CHUNK); lookup O(1).

use std::sync::Arc;

use monostable_types::{Epoch, Lsn};

use crate::ArrangementId;
use crate::graph::{Graph, NodeId};
use crate::spine::Spine;

/// How many spines share one chunk.
const CHUNK: usize = 16;

type Chunk = [Option<Spine>; CHUNK];

/// Spines by arrangement, persistent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spines {
    chunks: Vec<Option<Arc<Chunk>>>,
}

impl Spines {
    pub(crate) fn get(&self, id: ArrangementId) -> Option<&Spine> {
        let at = id.0 as usize;
        self.chunks.get(at / CHUNK)?.as_ref()?[at % CHUNK].as_ref()
    }

    pub(crate) fn set(&mut self, id: ArrangementId, spine: Option<Spine>) {
        let at = id.0 as usize;
        if self.chunks.len() <= at / CHUNK {
            self.chunks.resize(at / CHUNK + 1, None);
        }
        let chunk = self.chunks[at / CHUNK].get_or_insert_with(|| Arc::new(Chunk::default()));
        Arc::make_mut(chunk)[at % CHUNK] = spine;
    }
}

/// All that a reader can see, at one epoch. See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Version {
    /// The epoch of the last group whose changes are in it.
    pub epoch: Epoch,
    /// The end of that group in the log.
    pub lsn: Lsn,
    graph: Graph,
    spines: Spines,
}

impl Version {
    /// The version of an empty database: no graph, no rows.
    pub fn new() -> Version {
        Version::default()
    }

    /// A version from its persisted parts. Stateful nodes without a spine are named by [`Version::unfilled`]; build them
    /// before this version is stepped or read.
    pub fn recover(
        epoch: Epoch,
        lsn: Lsn,
        graph: Graph,
        spines: impl IntoIterator<Item = (ArrangementId, Spine)>,
    ) -> Version {
        let mut version = Version { epoch, lsn, graph, spines: Spines::default() };
        for (id, spine) in spines {
            version.spines.set(id, Some(spine));
        }
        version
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The content of an arrangement.
    pub fn spine(&self, arrangement: ArrangementId) -> Option<&Spine> {
        self.spines.get(arrangement)
    }

    /// The content of the arrangement that a node owns.
    pub fn spine_of(&self, node: NodeId) -> Option<&Spine> {
        self.spines.get(self.graph.node(node)?.arrangement()?)
    }

    /// Every arrangement of the graph that has content, in topological order.
    pub fn spines(&self) -> impl Iterator<Item = (ArrangementId, &Spine)> {
        self.graph.nodes().filter_map(|node| {
            let id = node.arrangement()?;
            Some((id, self.spines.get(id)?))
        })
    }

    /// The stateful nodes that have no spine: those that recovery did not find.
    pub fn unfilled(&self) -> Vec<NodeId> {
        let missing = |id: ArrangementId| self.spines.get(id).is_none();
        self.graph.nodes().filter(|node| node.arrangement().is_some_and(missing)).map(|node| node.id()).collect()
    }

    /// The same version at another epoch and log position.
    #[must_use]
    pub fn at(mut self, epoch: Epoch, lsn: Lsn) -> Version {
        (self.epoch, self.lsn) = (epoch, lsn);
        self
    }

    /// The same content in other runs, after a merge or a checkpoint.
    #[must_use]
    pub fn with_spine(mut self, arrangement: ArrangementId, spine: Spine) -> Version {
        self.spines.set(arrangement, Some(spine));
        self
    }

    /// The version without what the roots do not depend on, after a view or table was dropped.
    #[must_use]
    pub fn retain(&self, roots: &[NodeId]) -> Version {
        let graph = self.graph.retain(roots);
        let mut version = Version { epoch: self.epoch, lsn: self.lsn, graph, spines: self.spines.clone() };
        for node in self.graph.nodes() {
            if let (Some(id), None) = (node.arrangement(), version.graph.node(node.id())) {
                version.spines.set(id, None);
            }
        }
        version
    }

    pub(crate) fn set_spine(&mut self, arrangement: ArrangementId, spine: Spine) {
        self.spines.set(arrangement, Some(spine));
    }

    pub(crate) fn with_graph(&self, graph: Graph) -> Version {
        Version { graph, ..self.clone() }
    }
}
