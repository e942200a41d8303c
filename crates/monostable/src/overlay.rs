//! What a transaction sees: its snapshot, and its own writes on top.
//!
//! Writes of single rows are gathered as [`PointWrites`], which know for themselves what they replace. They become a delta
//! when something else has to see them, or at the end: a transaction of point writes alone computes nothing before it
//! commits.
//!
//! Nothing is computed that is not read. The first statement that reads something after a write steps the transaction's
//! writes through the nodes it reads, and only those (`Scope::Only`); later writes are stepped through the same nodes as
//! they come. A statement that reads further nodes starts again from the snapshot. So a transaction of n statements over a
//! fixed set of tables and views costs n small steps.
//!
//! Invariant: the overlay's version is the snapshot plus all writes, as far as `nodes` and what they depend on are concerned;
//! point writes lie on top of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use monostable_query::{ConflictKey, DmlOutcome, Limits, PointTable, PointWrites};
use monostable_view::{Delta, NodeId, Scope, TableId, Version, step};

use crate::commit::{State, step_refused};
use crate::error::Result;
use crate::feed::delta_bytes;

/// A private version.
pub(crate) struct Overlay {
    version: Version,
    nodes: BTreeSet<NodeId>,
}

/// The writes of a transaction, in order, and its view of the world.
pub(crate) struct Workspace {
    base: Arc<State>,
    writes: Vec<(TableId, Delta)>,
    keys: Vec<ConflictKey>,
    bytes: usize,
    overlay: Option<Overlay>,
    /// Writes of single rows since then, at most one for each table.
    points: Vec<PointWrites>,
}

/// All that a transaction wrote.
pub(crate) struct Written {
    pub(crate) writes: Vec<(TableId, Delta)>,
    pub(crate) keys: Vec<ConflictKey>,
    pub(crate) bytes: usize,
}

impl Workspace {
    pub(crate) fn new(base: Arc<State>) -> Workspace {
        Workspace { base, writes: Vec::new(), keys: Vec::new(), bytes: 0, overlay: None, points: Vec::new() }
    }

    pub(crate) fn base(&self) -> &Arc<State> {
        &self.base
    }

    pub(crate) fn is_unwritten(&self) -> bool {
        self.writes.is_empty() && self.points.iter().all(PointWrites::is_unwritten)
    }

    /// About how many bytes the changes take.
    pub(crate) fn bytes(&self) -> usize {
        self.points.iter().map(PointWrites::bytes).fold(self.bytes, usize::saturating_add)
    }

    pub(crate) fn into_written(mut self) -> Written {
        for points in std::mem::take(&mut self.points).into_iter().filter(|points| !points.is_unwritten()) {
            self.keep(points.table().id(), points.into_outcome());
        }
        Written { writes: self.writes, keys: self.keys, bytes: self.bytes }
    }

    /// The point writes to a table, and the version on which they lie.
    pub(crate) fn points(&mut self, table: &Arc<PointTable>) -> Result<(&mut PointWrites, &Version)> {
        let known = self.points.iter().position(|points| points.table().id() == table.id());
        if !self.writes.is_empty() {
            self.cover(&table.relations())?;
        }
        let at = known.unwrap_or(self.points.len());
        if known.is_none() {
            self.points.push(PointWrites::new(Arc::clone(table), Limits::default()));
        }
        let version = match &self.overlay {
            Some(overlay) if !self.writes.is_empty() => &overlay.version,
            _ => &self.base.version,
        };
        Ok((&mut self.points[at], version))
    }

    /// A version in which `nodes` show the snapshot and all writes so far.
    pub(crate) fn version(&mut self, nodes: &[NodeId]) -> Result<&Version> {
        self.settle()?;
        if self.writes.is_empty() {
            return Ok(&self.base.version);
        }
        self.cover(nodes)?;
        Ok(self.overlay.as_ref().map_or(&self.base.version, |overlay| &overlay.version))
    }

    /// Adds what a statement did. If it would make something undefined that this transaction reads, it is refused without a
    /// trace.
    pub(crate) fn write(&mut self, table: TableId, outcome: DmlOutcome) -> Result<()> {
        self.settle()?;
        self.apply(table, outcome)
    }

    /// Makes deltas of the point writes. They stay what they are if that makes something undefined.
    fn settle(&mut self) -> Result<()> {
        while let Some(points) = self.points.last() {
            if !points.is_unwritten() {
                self.apply(points.table().id(), points.outcome())?;
            }
            self.points.pop();
        }
        Ok(())
    }

    fn apply(&mut self, table: TableId, outcome: DmlOutcome) -> Result<()> {
        if let Some(overlay) = &self.overlay {
            let write = [(table, outcome.delta.clone())];
            let version = self.stepped(&overlay.version, &write, &overlay.nodes)?;
            self.overlay = Some(Overlay { version, nodes: overlay.nodes.clone() });
        }
        self.keep(table, outcome);
        Ok(())
    }

    fn keep(&mut self, table: TableId, outcome: DmlOutcome) {
        self.bytes = self.bytes.saturating_add(delta_bytes(&outcome.delta));
        if self.keys.is_empty() {
            self.keys = outcome.conflict_keys;
        } else {
            self.keys.extend(outcome.conflict_keys);
        }
        self.writes.push((table, outcome.delta));
    }

    /// Has the overlay show the writes in these nodes too.
    fn cover(&mut self, nodes: &[NodeId]) -> Result<()> {
        let covered =
            self.overlay.as_ref().is_some_and(|overlay| nodes.iter().all(|node| overlay.nodes.contains(node)));
        if !covered {
            let mut wanted: BTreeSet<NodeId> = nodes.iter().copied().collect();
            wanted.extend(self.overlay.iter().flat_map(|overlay| &overlay.nodes));
            let version = self.stepped(&self.base.version, &self.writes, &wanted)?;
            self.overlay = Some(Overlay { version, nodes: wanted });
        }
        Ok(())
    }

    fn stepped(&self, version: &Version, writes: &[(TableId, Delta)], nodes: &BTreeSet<NodeId>) -> Result<Version> {
        let nodes: Vec<NodeId> = nodes.iter().copied().collect();
        let step = step(version, writes, Scope::Only(&nodes), &[]);
        Ok(step.map_err(|error| step_refused(&self.base.catalog, version.graph(), error))?.version)
    }
}
