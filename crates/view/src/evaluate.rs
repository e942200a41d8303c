//! One-shot evaluation of a node over a version: ad-hoc queries, and the filling of new views.
//!
//! The content of a node is its change when everything comes into being at once, so evaluation uses the operators of
//! `step` and cannot disagree with it. What differs is the order of work, which is chosen for bounded memory:
//!
//! - What an arrangement of the version holds is read from there and not computed again ([`plan`]).
//! - All else is a list of tasks in topological order: fill an arrangement or an aggregate, or hand out the target. A task
//!   consists of pipelines ([`pipeline`]): a scan of something filled, then linear operators and probes of filled
//!   arrangements, chunk by chunk.
//! - Of a join one side is filled and the other streams past it; an existing arrangement is never filled again.
//!
//! An evaluation only moves when it is told to ([`Evaluation::advance`]), so that a reader with a LIMIT stops early and a
//! build is paced by its caller. It holds its version: whatever is committed meanwhile, it sees one epoch.
//!
//! Cost: every filled node is computed once; memory is that of the filled nodes plus one chunk.

mod fill;
mod pipeline;
mod plan;
mod world;

use crate::delta::Delta;
use crate::failure::Failure;
use crate::graph::{Graph, NodeId};
use crate::merge::Progress;
use crate::step::StepError;
use crate::version::Version;

use fill::Fill;
use pipeline::Pipeline;
use plan::Task;
pub(crate) use world::World;

/// Where chunks go.
pub type Sink<'a> = dyn FnMut(Delta) -> Result<(), StepError> + 'a;

/// Hands the content of `target`, a node of `extended`, to `sink`, in chunks. `extended` extends the graph of a version of
/// this database; what `version` does not hold is computed for this call alone. The chunks together are equivalent to the
/// content; a row may come in several of them.
pub fn evaluate(version: &Version, extended: &Graph, target: NodeId, sink: &mut Sink<'_>) -> Result<(), StepError> {
    let mut evaluation = Evaluation::new(version, extended, target)?;
    while evaluation.advance(usize::MAX, sink)? == Progress::Working {}
    Ok(())
}

/// An evaluation on its way. See the module's documentation.
#[derive(Debug)]
pub struct Evaluation {
    world: World,
    tasks: std::vec::IntoIter<Task>,
    running: Option<Running>,
    rows_read: u64,
}

/// The task that is being done, and what of it is left.
#[derive(Debug)]
struct Running {
    pipelines: Vec<Pipeline>,
    end: End,
}

/// Where a task's rows go.
#[derive(Debug)]
enum End {
    Fill(Box<Fill>),
    Spool(NodeId, Vec<Delta>),
    Target,
}

impl Evaluation {
    /// An evaluation of one node.
    pub fn new(version: &Version, extended: &Graph, target: NodeId) -> Result<Evaluation, StepError> {
        Evaluation::of(version, extended, Some(target), &[])
    }

    /// An evaluation that fills the given stateful nodes, and then hands out the target, if there is one.
    pub(crate) fn of(
        version: &Version,
        extended: &Graph,
        target: Option<NodeId>,
        fills: &[NodeId],
    ) -> Result<Evaluation, StepError> {
        if target.is_some_and(|target| extended.node(target).is_none()) {
            return Err(StepError::outside(Failure::inconsistent("the node to evaluate is not in the graph")));
        }
        let mut world = World::new(version, extended, target.is_none());
        let tasks = plan::tasks(&mut world, target, fills)?;
        Ok(Evaluation { world, tasks: tasks.into_iter(), running: None, rows_read: 0 })
    }

    /// Rows that were read from scans so far.
    pub fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// Goes on until about `rows` more rows were read. Rows of the target go to `sink`.
    pub fn advance(&mut self, rows: usize, sink: &mut Sink<'_>) -> Result<Progress, StepError> {
        let mut left = rows;
        loop {
            let Some(running) = &mut self.running else {
                let Some(task) = self.tasks.next() else { return Ok(Progress::Ready) };
                self.running = Some(start(&self.world, task)?);
                continue;
            };
            let Some(pipeline) = running.pipelines.last_mut() else {
                if let Some(running) = self.running.take() {
                    self.finish(running)?;
                }
                continue;
            };
            if left == 0 {
                return Ok(Progress::Working);
            }
            let port = pipeline.port;
            let end = &mut running.end;
            let read = pipeline.advance(&self.world, left, &mut |delta| match end {
                End::Fill(fill) => fill.absorb(&self.world, port, &delta),
                End::Spool(_, chunks) => {
                    chunks.push(delta);
                    Ok(())
                }
                End::Target => sink(delta),
            })?;
            if read == 0 {
                running.pipelines.pop();
            }
            left = left.saturating_sub(read);
            self.rows_read += read as u64;
        }
    }

    fn finish(&mut self, running: Running) -> Result<(), StepError> {
        match running.end {
            End::Fill(fill) => {
                let (node, spine) = fill.finish(&self.world)?;
                self.world.fill(node, spine);
            }
            End::Spool(node, chunks) => self.world.spool(node, chunks),
            End::Target => {}
        }
        Ok(())
    }

    /// What was filled.
    pub(crate) fn into_world(self) -> World {
        self.world
    }
}

fn start(world: &World, task: Task) -> Result<Running, StepError> {
    let (node, end) = match task {
        Task::Fill(node) => (node, End::Fill(Box::new(Fill::new(world, node)?))),
        Task::Spool(node) => (node, End::Spool(node, Vec::new())),
        Task::Target(node) => (node, End::Target),
    };
    let mut pipelines = match &end {
        End::Fill(fill) => fill.pipelines(world)?,
        End::Spool(..) => pipeline::pipelines_into(world, node)?,
        End::Target => pipeline::pipelines(world, node, 0)?,
    };
    // They are taken from the end.
    pipelines.reverse();
    Ok(Running { pipelines, end })
}
