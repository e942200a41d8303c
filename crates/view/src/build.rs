//! `Build`: filling new views and indexes while commits go on.
//!
//! A build holds the version from which it started. Its life: [`Build::advance`] until it is done, in slices that the caller
//! chooses, while the database goes on; [`Build::catch_up`] with every group that was committed since, in order;
//! [`Build::finish`] onto the live version, at the same epoch. The result holds all that the live version holds, and the
//! new nodes, complete. Until then nobody sees anything of it, and dropping it leaves nothing.
//!
//! Catching up is `step`, restricted to the new nodes and what they depend on, so that a node is filled by the operators
//! that maintain it.
//!
//! Cost: that of [`Evaluation`](crate::Evaluation), then one step per group. Memory: the new spines.

use monostable_types::{Epoch, Lsn};

use crate::delta::Delta;
use crate::evaluate::Evaluation;
use crate::failure::Failure;
use crate::graph::{Graph, NodeId, TableId};
use crate::merge::Progress;
use crate::step::{Scope, StepError, step};
use crate::version::Version;

/// New nodes on their way to be filled. See the module's documentation.
#[derive(Debug)]
pub struct Build {
    base: Graph,
    graph: Graph,
    fills: Vec<NodeId>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Filling {
        evaluation: Box<Evaluation>,
        base: Version,
    },
    /// The version from which the build started, with the new nodes, plus the groups since.
    Filled(Version),
    /// A slice failed; there is nothing to go on with.
    Failed,
}

impl Build {
    /// Fills what `roots`, nodes of `extended`, depend on and `version` does not hold. `extended` extends the graph of
    /// `version`. Nodes of `extended` that neither `version` nor the roots need are left out.
    pub fn new(version: &Version, extended: &Graph, roots: &[NodeId]) -> Result<Build, StepError> {
        let base: Vec<NodeId> = version.graph().nodes().map(|node| node.id()).collect();
        let graph = extended.retain(&[&base, roots].concat());
        let missing = |id: &NodeId| {
            let arrangement = graph.node(*id).and_then(|node| node.arrangement());
            arrangement.is_some_and(|arrangement| version.spine(arrangement).is_none())
        };
        let fills: Vec<NodeId> = graph.closure(roots).into_iter().filter(missing).collect();
        let evaluation = Box::new(Evaluation::of(version, &graph, None, &fills)?);
        let phase = Phase::Filling { evaluation, base: version.clone() };
        Ok(Build { base: version.graph().clone(), graph, fills, phase })
    }

    /// A whole build at once, where nothing else goes on.
    pub fn run(version: &Version, extended: &Graph, roots: &[NodeId]) -> Result<Version, StepError> {
        let mut build = Build::new(version, extended, roots)?;
        while build.advance(usize::MAX)? == Progress::Working {}
        build.finish(version)
    }

    /// Rows that were read so far, for a progress report.
    pub fn rows_read(&self) -> u64 {
        match &self.phase {
            Phase::Filling { evaluation, .. } => evaluation.rows_read(),
            Phase::Filled(_) | Phase::Failed => 0,
        }
    }

    /// Reads about `rows` more rows of the version from which the build started.
    pub fn advance(&mut self, rows: usize) -> Result<Progress, StepError> {
        match std::mem::replace(&mut self.phase, Phase::Failed) {
            Phase::Filling { mut evaluation, base } => {
                if evaluation.advance(rows, &mut |_| Ok(()))? == Progress::Working {
                    self.phase = Phase::Filling { evaluation, base };
                    return Ok(Progress::Working);
                }
                let mut filled = base.with_graph(self.graph.clone());
                for (id, spine) in evaluation.into_world().into_own() {
                    if let Some(arrangement) = self.graph.node(id).and_then(|node| node.arrangement()) {
                        filled.set_spine(arrangement, spine);
                    }
                }
                self.phase = Phase::Filled(filled);
                Ok(Progress::Ready)
            }
            Phase::Filled(version) => {
                self.phase = Phase::Filled(version);
                Ok(Progress::Ready)
            }
            Phase::Failed => Err(failed("the build has failed before; start another one")),
        }
    }

    /// Adds the next group that was committed since the build started. Groups come in order, none is left out.
    pub fn catch_up(&mut self, deltas: &[(TableId, Delta)], epoch: Epoch, lsn: Lsn) -> Result<(), StepError> {
        let Phase::Filled(version) = &mut self.phase else {
            return Err(failed("a build catches up when it is filled, not before"));
        };
        if epoch != version.epoch.next() {
            return Err(failed("a build must be given every group, in order"));
        }
        *version = step(version, deltas, Scope::Only(&self.fills), &[])?.version.at(epoch, lsn);
        Ok(())
    }

    /// The live version with the new nodes. It must be at the epoch that the build has caught up with, and its graph the
    /// one that the build has started from.
    pub fn finish(self, live: &Version) -> Result<Version, StepError> {
        let Phase::Filled(filled) = self.phase else {
            return Err(failed("a build is finished when it is filled, not before"));
        };
        if filled.epoch != live.epoch {
            return Err(failed("the build has not caught up with the live version"));
        }
        if !live.graph().is(&self.base) {
            return Err(failed("the graph has changed since the build started; start another one"));
        }
        let mut finished = live.with_graph(self.graph);
        for &id in &self.fills {
            let arrangement = finished.graph().node(id).and_then(|node| node.arrangement());
            let (Some(arrangement), Some(spine)) = (arrangement, filled.spine_of(id)) else {
                return Err(failed("a node was not filled"));
            };
            finished.set_spine(arrangement, spine.clone());
        }
        Ok(finished)
    }
}

fn failed(reason: &str) -> StepError {
    StepError::outside(Failure::inconsistent(reason))
}
