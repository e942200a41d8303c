//! The run files of an open database: checkpoints, merges, and the removal of what nobody reads any more.
//!
//! The store of `monostable-view` writes files and the manifest; the commit pipeline holds the live state. This is what
//! goes back and forth between the two: capture a state, have it written, install the new runs into whatever the live states
//! are by then.
//!
//! Invariant: from capturing a state to installing its new runs, [`Files::checkpointing`] is held, so that no run in memory
//! is written into two files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use monostable_types::Lsn;
use monostable_view::{
    ArrangementId, Checkpoint, CheckpointInput, CheckpointSpine, Graph, Identity, Replacement, Store, Version,
};
use parking_lot::Mutex;

use crate::commit::{Pipeline, State};
use crate::error::Result;
use crate::stats::CheckpointStats;

/// The run files and the manifest of an open database.
pub(crate) struct Files {
    pub(crate) store: Store,
    /// Held from capturing a state to installing its new runs.
    pub(crate) checkpointing: Mutex<()>,
    checkpoints: AtomicU64,
}

impl Files {
    pub(crate) fn new(store: Store) -> Files {
        Files { store, checkpointing: Mutex::new(()), checkpoints: AtomicU64::new(0) }
    }

    /// Where the last checkpoint stands.
    pub(crate) fn last_checkpoint(&self) -> CheckpointStats {
        let (epoch, lsn) = self.store.position();
        CheckpointStats { epoch, lsn, count: self.checkpoints.load(Ordering::Relaxed) }
    }

    /// Writes a checkpoint of the published state while commits go on.
    pub(crate) fn checkpoint(&self, pipeline: &Pipeline) -> Result<()> {
        let _from_capture_to_install = self.checkpointing.lock();
        // Taken before the capture: a step in between is counted once more rather than not at all.
        let nanos = pipeline.meters.step_nanos.load(Ordering::Relaxed);
        let captured = pipeline.seal()?;
        if self.covers(&captured) {
            return Ok(());
        }
        let written = self.write(&captured)?;
        pipeline.install(|version| checkpointed(version, &written.replacements));
        pipeline.meters.checkpointed_nanos.store(nanos, Ordering::Relaxed);
        pipeline.measure_memory(&Arc::clone(&pipeline.published()));
        self.recycle(pipeline, captured.version.lsn)
    }

    /// Whether the last checkpoint holds all of this state.
    fn covers(&self, state: &State) -> bool {
        let (epoch, lsn) = self.store.position();
        let in_memory = || state.version.spines().any(|(_, spine)| spine.stats().memory_runs > 0);
        (epoch, lsn) == (state.epoch(), state.version.lsn) && !in_memory()
    }

    /// Makes a state durable. When this returns, the manifest names its catalog and all of its rows.
    pub(crate) fn write(&self, state: &State) -> Result<Checkpoint> {
        let graph = state.version.graph();
        let identities = identities(graph);
        let spines: Vec<CheckpointSpine<'_>> = identities
            .iter()
            .filter_map(|(id, identity)| {
                let spine = state.version.spine(*id)?;
                Some(CheckpointSpine { id: *id, identity: identity.as_bytes(), spine })
            })
            .collect();
        let catalog = state.catalog.encode(graph)?;
        let (epoch, lsn) = (state.epoch(), state.version.lsn);
        let written = self.store.checkpoint(&CheckpointInput { epoch, lsn, catalog: &catalog, spines: &spines })?;
        self.checkpoints.fetch_add(1, Ordering::Relaxed);
        Ok(written)
    }

    /// Gives back the log before `lsn` and the files that nobody names.
    pub(crate) fn recycle(&self, pipeline: &Pipeline, lsn: Lsn) -> Result<()> {
        if let Some(wal) = pipeline.wal() {
            wal.recycle(monostable_wal::Lsn(lsn.0))?;
        }
        self.store.remove_unreferenced()?;
        Ok(())
    }
}

/// Every arrangement of a graph with what it holds.
fn identities(graph: &Graph) -> Vec<(ArrangementId, Identity)> {
    graph.nodes().filter_map(|node| node.arrangement().zip(graph.identity(node.id()))).collect()
}

/// The version with the runs of a checkpoint in place of those that it wrote. It is a successor of the captured one, whose
/// runs were sealed, so each replacement fits; if one did not, its rows would be written again by the next checkpoint, and
/// count twice.
pub(crate) fn checkpointed(version: &Version, replacements: &[(ArrangementId, Replacement)]) -> Version {
    let mut version = version.clone();
    for (id, replacement) in replacements {
        if let Some(spine) = version.spine(*id) {
            let installed = spine.install(replacement);
            assert!(installed.is_some(), "the runs that a checkpoint wrote are in every successor of what it captured");
            if let Some(spine) = installed {
                version = version.with_spine(*id, spine);
            }
        }
    }
    version
}

/// The version with a merge installed, if it still can be: a checkpoint may have taken its inputs since.
pub(crate) fn merged(version: &Version, id: ArrangementId, replacement: &Replacement) -> Version {
    match version.spine(id).and_then(|spine| spine.install(replacement)) {
        Some(spine) => version.clone().with_spine(id, spine),
        None => version.clone(),
    }
}
