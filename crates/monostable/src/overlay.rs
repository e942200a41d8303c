//! What a transaction sees: its snapshot, and its own writes on top.
//!
//! Nothing is computed that is not read. The first statement that reads something after a write steps the transaction's
//! writes through the nodes it reads, and only those (`Scope::Only`); later writes are stepped through the same nodes as
//! they come. A statement that reads further nodes starts again from the snapshot. So a transaction of n statements over a
//! fixed set of tables and views costs n small steps.
//!
//! Invariant: `version` is the snapshot plus all writes, as far as `nodes` and what they depend on are concerned.

use std::collections::BTreeSet;
use std::sync::Arc;

use monostable_view::{Delta, NodeId, Scope, TableId, Version, step};

use crate::commit::{State, step_refused};
use crate::error::Result;

/// A private version.
pub(crate) struct Overlay {
    version: Version,
    nodes: BTreeSet<NodeId>,
}

/// The writes of a transaction, in order, and its view of the world.
pub(crate) struct Workspace {
    base: Arc<State>,
    writes: Vec<(TableId, Delta)>,
    overlay: Option<Overlay>,
}

impl Workspace {
    pub(crate) fn new(base: Arc<State>) -> Workspace {
        Workspace { base, writes: Vec::new(), overlay: None }
    }

    pub(crate) fn base(&self) -> &Arc<State> {
        &self.base
    }

    pub(crate) fn is_unwritten(&self) -> bool {
        self.writes.is_empty()
    }

    pub(crate) fn into_writes(self) -> Vec<(TableId, Delta)> {
        self.writes
    }

    /// A version in which `nodes` show the snapshot and all writes so far.
    pub(crate) fn version(&mut self, nodes: &[NodeId]) -> Result<&Version> {
        if self.writes.is_empty() {
            return Ok(&self.base.version);
        }
        let covered =
            self.overlay.as_ref().is_some_and(|overlay| nodes.iter().all(|node| overlay.nodes.contains(node)));
        if !covered {
            let mut wanted: BTreeSet<NodeId> = nodes.iter().copied().collect();
            wanted.extend(self.overlay.iter().flat_map(|overlay| &overlay.nodes));
            let version = self.stepped(&self.base.version, &self.writes, &wanted)?;
            self.overlay = Some(Overlay { version, nodes: wanted });
        }
        Ok(self.overlay.as_ref().map_or(&self.base.version, |overlay| &overlay.version))
    }

    /// Adds a write. If it would make something undefined that this transaction reads, it is refused without a trace.
    pub(crate) fn write(&mut self, table: TableId, delta: Delta) -> Result<()> {
        let write = [(table, delta)];
        if let Some(overlay) = &self.overlay {
            let version = self.stepped(&overlay.version, &write, &overlay.nodes)?;
            self.overlay = Some(Overlay { version, nodes: overlay.nodes.clone() });
        }
        self.writes.extend(write);
        Ok(())
    }

    fn stepped(&self, version: &Version, writes: &[(TableId, Delta)], nodes: &BTreeSet<NodeId>) -> Result<Version> {
        let nodes: Vec<NodeId> = nodes.iter().copied().collect();
        let step = step(version, writes, Scope::Only(&nodes), &[]);
        Ok(step.map_err(|error| step_refused(&self.base.catalog, version.graph(), error))?.version)
    }
}
