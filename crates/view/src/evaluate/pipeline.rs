//! A pipeline: a scan, then linear operators and probes, chunk by chunk.
//!
//! The rows of a node that is streamed come through one pipeline per path from the node down to something that can be
//! scanned: a filled arrangement or a window of it, the groups of a filled aggregate, a spool, or constants. A union is several
//! pipelines; a join is a probe of its filled side by the chunks of its other side.
//!
//! A pipeline remembers only where its scan stands, as the last entry that was read. Memory: one chunk per stage.

use std::ops::Bound;

use monostable_types::{Rows, Weight};

use crate::batch::Batch;
use crate::delta::Delta;
use crate::error::Error;
use crate::failure::Failure;
use crate::graph::{Node, NodeId};
use crate::layout::Layout;
use crate::operators::join::{Probe, Shape, Side};
use crate::operators::{Join, Operator};
use crate::spine::Spine;
use crate::step::StepError;

use super::Sink;
use super::world::World;

/// The most rows that are scanned into one chunk.
pub(crate) const SCAN_ROWS_MAX: usize = 8192;

/// A scan, and what its chunks pass through.
#[derive(Debug)]
pub(crate) struct Pipeline {
    /// Which input of the filled node this is for.
    pub(crate) port: usize,
    scan: Scan,
    /// Maps, negations and joins, in the order in which chunks meet them.
    stages: Vec<NodeId>,
}

/// What is scanned, and how far.
#[derive(Debug)]
enum Scan {
    /// The entries of a filled arrangement or aggregate; once each if `distinct`.
    Entries { node: NodeId, distinct: bool, after: Option<Vec<u8>> },
    /// The least entry of a filled arrangement or aggregate, in the place of all: it has the sum of their weights.
    Sum { node: NodeId },
    /// The window of a top-k over a filled arrangement, and the position behind what was read.
    Window { node: NodeId, after: Option<Vec<u8>>, position: u128 },
    /// Chunks that were kept, or constants; in reverse.
    Chunks(Vec<Delta>),
}

/// The pipelines through which the rows of `id` come.
pub(crate) fn pipelines(world: &World, id: NodeId, port: usize) -> Result<Vec<Pipeline>, StepError> {
    let mut pipelines = Vec::new();
    let mut stack = vec![(id, Vec::new())];
    while let Some((id, stages)) = stack.pop() {
        match scan_of(world, id)? {
            Some(scan) => pipelines.push(Pipeline { port, scan, stages: stages.into_iter().rev().collect() }),
            None => descend(world, id, stages, &mut stack)?,
        }
    }
    Ok(pipelines)
}

/// The pipelines of a node that is about to be spooled, whatever else holds its rows.
pub(crate) fn pipelines_into(world: &World, id: NodeId) -> Result<Vec<Pipeline>, StepError> {
    let mut stack = Vec::new();
    descend(world, id, Vec::new(), &mut stack)?;
    let mut all = Vec::new();
    for (input, stages) in stack {
        for mut pipeline in pipelines(world, input, 0)? {
            pipeline.stages.extend(stages.iter().rev());
            all.push(pipeline);
        }
    }
    Ok(all)
}

/// How the rows of a node can be scanned, if they can.
fn scan_of(world: &World, id: NodeId) -> Result<Option<Scan>, StepError> {
    if let Some(chunks) = world.spooled(id) {
        return Ok(Some(Scan::Chunks(chunks.iter().rev().cloned().collect())));
    }
    if let Some(arranged) = world.arrangement_of(id) {
        return Ok(Some(Scan::Entries { node: arranged, distinct: false, after: None }));
    }
    let node = world.node(id)?;
    Ok(match &node.operator {
        Operator::Arrange(_) if world.filled(id).is_some() => {
            Some(Scan::Entries { node: id, distinct: false, after: None })
        }
        Operator::Distinct => Some(Scan::Entries { node: node.inputs[0], distinct: true, after: None }),
        Operator::Aggregate(_) => Some(Scan::Entries { node: id, distinct: false, after: None }),
        Operator::TopK(_) => Some(Scan::Window { node: id, after: None, position: 0 }),
        Operator::Values { rows } => Some(Scan::Chunks(vec![rows.clone()])),
        Operator::Source { .. } if world.is_new_table(id) => Some(Scan::Chunks(Vec::new())),
        Operator::Source { .. } => {
            return Err(StepError::at(
                node,
                Failure::inconsistent("the table is not in the version that is read; plan the query again"),
            ));
        }
        Operator::Map(_) | Operator::Union | Operator::Negate | Operator::Join(_) | Operator::Arrange(_) => None,
    })
}

/// Replaces a node by the inputs through which its rows come. Stages are collected from the top.
fn descend(
    world: &World,
    id: NodeId,
    mut stages: Vec<NodeId>,
    stack: &mut Vec<(NodeId, Vec<NodeId>)>,
) -> Result<(), StepError> {
    let node = world.node(id)?;
    match &node.operator {
        Operator::Union => {
            stack.extend(node.inputs.iter().rev().map(|&input| (input, stages.clone())));
            return Ok(());
        }
        Operator::Arrange(_) => {}
        _ => stages.push(id),
    }
    let streamed = match world.streams.get(&id) {
        Some(Side::Right) => node.inputs[1],
        _ => node.inputs[0],
    };
    stack.push((streamed, stages));
    Ok(())
}

impl Pipeline {
    /// For a consumer that only counts rows: where every entry that is scanned becomes one row, their weights need not be added
    /// up again, since every run knows the sum of its own.
    pub(crate) fn count_only(&mut self, world: &World) -> Result<(), StepError> {
        for &stage in &self.stages {
            match &world.node(stage)?.operator {
                Operator::Map(map) if map.only_picks() => {}
                Operator::Negate => {}
                _ => return Ok(()),
            }
        }
        if let Scan::Entries { node, distinct: false, .. } = self.scan {
            self.scan = Scan::Sum { node };
        }
        Ok(())
    }

    /// Scans one chunk of at most `rows` rows and passes it on; the number of rows scanned, 0 at the end.
    pub(crate) fn advance(&mut self, world: &World, rows: usize, sink: &mut Sink<'_>) -> Result<usize, StepError> {
        let rows = rows.clamp(1, SCAN_ROWS_MAX);
        match &mut self.scan {
            Scan::Chunks(chunks) => {
                let Some(chunk) = chunks.pop() else { return Ok(0) };
                let read = chunk.len().max(1);
                pass(world, &self.stages, chunk, sink)?;
                Ok(read)
            }
            Scan::Sum { node } => {
                let node = world.node(*node)?;
                let at = |failure| StepError::at(node, failure);
                let (entries, weights) = summed(world.spine(node).map_err(at)?).map_err(at)?;
                self.scan = Scan::Chunks(Vec::new());
                let read = entries.len();
                pass_entries(world, node, false, &self.stages, (&entries, weights), sink)?;
                Ok(read)
            }
            Scan::Window { node, after, position } => {
                let node = world.node(*node)?;
                let (read, delta) = window(world, node, after, position, rows)?;
                pass(world, &self.stages, delta, sink)?;
                Ok(read)
            }
            Scan::Entries { node, distinct, after } => {
                let node = world.node(*node)?;
                let at = |failure| StepError::at(node, failure);
                let spine = world.spine(node).map_err(at)?;
                let (mut entries, mut weights) = (Rows::default(), Vec::new());
                let read = scan(spine, after, rows, |entry, weight| {
                    let weight = match *distinct {
                        true if weight > Weight::ZERO => Weight::ONE,
                        true => return,
                        false => weight,
                    };
                    entries.push(entry);
                    weights.push(weight);
                });
                let read = read.map_err(at)?;
                pass_entries(world, node, *distinct, &self.stages, (&entries, weights), sink)?;
                Ok(read)
            }
        }
    }
}

/// Reads at most `rows` entries behind `after` and moves it.
fn scan(
    spine: &Spine,
    after: &mut Option<Vec<u8>>,
    rows: usize,
    mut each: impl FnMut(&[u8], Weight),
) -> Result<usize, Failure> {
    let lower = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let mut read = 0;
    let mut last = None;
    for entry in spine.range(lower, Bound::Unbounded)?.take(rows) {
        let (entry, weight) = entry?;
        each(entry, weight);
        read += 1;
        last = Some(entry);
    }
    if let Some(last) = last.map(<[u8]>::to_vec) {
        *after = Some(last);
    }
    Ok(read)
}

/// The least entry with the sum of all weights; none if there is no entry, or if they cancel.
fn summed(spine: &Spine) -> Result<(Rows, Vec<Weight>), Failure> {
    let (mut entries, mut weights) = (Rows::default(), Vec::new());
    let sum = i64::try_from(spine.weight_sum()).map_err(|_| Error::WeightOverflow)?;
    if let Some((least, _)) = spine.first(b"")?.filter(|_| sum != 0) {
        entries.push(least);
        weights.push(Weight(sum));
    }
    Ok((entries, weights))
}

/// The part of a window that is among the next entries, of which at most `rows` are read, and how many were.
fn window(
    world: &World,
    node: &Node,
    after: &mut Option<Vec<u8>>,
    position: &mut u128,
    rows: usize,
) -> Result<(usize, Delta), StepError> {
    let arranged = world.node(node.inputs[0])?;
    let at = |failure| StepError::at(node, failure);
    let (Operator::TopK(top_k), Some(layout)) = (&node.operator, arranged.layout()) else {
        return Err(at(Failure::inconsistent("only a top-k of an arrangement has a window")));
    };
    // Each row has a position at least, so that no more entries can be needed than there are positions left.
    let left = usize::try_from(top_k.end().saturating_sub(*position)).unwrap_or(usize::MAX);
    let (mut entries, mut weights) = (Rows::default(), Vec::new());
    let read = scan(world.spine(arranged).map_err(at)?, after, rows.min(left), |entry, weight| {
        let within = top_k.take(position, weight);
        if within > Weight::ZERO {
            entries.push(entry);
            weights.push(within);
        }
    });
    let delta = layout.logical(entries.iter()).map(|rows| Delta::encoded(layout.row(), rows, weights));
    Ok((read.map_err(at)?, delta.map_err(at)?))
}

/// Passes scanned entries on: as they are to a probe that wants them in this very order, as columns to all others.
fn pass_entries(
    world: &World,
    node: &Node,
    distinct: bool,
    stages: &[NodeId],
    (entries, weights): (&Rows, Vec<Weight>),
    sink: &mut Sink<'_>,
) -> Result<(), StepError> {
    let at = |failure| StepError::at(node, failure);
    let first = stages.first().map(|&id| world.node(id)).transpose()?;
    if let Some((join, first, rest)) = first.and_then(|first| match &first.operator {
        Operator::Join(join) if !distinct && streamed(world, first) == node.id => Some((join, first, &stages[1..])),
        _ => None,
    }) {
        let batch = Batch::from_unsorted(entries, &weights).map_err(|error| at(error.into()))?;
        return probe(world, first, join, &batch, rest, sink);
    }
    let Some(layout) = node.layout() else { return Ok(()) };
    let rows = layout.logical(entries.iter()).map_err(at)?;
    pass(world, stages, Delta::encoded(layout.row(), rows, weights), sink)
}

/// Passes a chunk through the stages to the sink.
fn pass(world: &World, stages: &[NodeId], delta: Delta, sink: &mut Sink<'_>) -> Result<(), StepError> {
    if delta.is_empty() {
        return Ok(());
    }
    let Some((&id, rest)) = stages.split_first() else { return sink(delta) };
    let node = world.node(id)?;
    let at = |failure| StepError::at(node, failure);
    match &node.operator {
        Operator::Map(map) => pass(world, rest, map.apply(&node.row, &delta).map_err(at)?, sink),
        Operator::Negate => pass(world, rest, delta.negate().map_err(at)?, sink),
        Operator::Join(join) => {
            let arranged = world.node(streamed(world, node))?;
            let batch = encoded(arranged.layout(), &delta).map_err(at)?;
            probe(world, node, join, &batch, rest, sink)
        }
        other => Err(at(Failure::inconsistent(format!("{other} is no stage of a pipeline")))),
    }
}

fn encoded(layout: Option<&Layout>, delta: &Delta) -> Result<Batch, Failure> {
    let mut entries = Rows::default();
    layout.ok_or_else(|| Failure::inconsistent("a join without arrangements"))?.arrange(delta, &mut entries)?;
    Ok(Batch::from_unsorted(&entries, delta.weights())?)
}

/// The side of a join that streams.
fn streamed(world: &World, join: &Node) -> NodeId {
    match world.streams.get(&join.id) {
        Some(Side::Right) => join.inputs[1],
        _ => join.inputs[0],
    }
}

/// Pairs a batch of the streaming side with the filled side and passes the pairs on.
fn probe(
    world: &World,
    node: &Node,
    join: &Join,
    batch: &Batch,
    rest: &[NodeId],
    sink: &mut Sink<'_>,
) -> Result<(), StepError> {
    let side = world.streams.get(&node.id).copied().unwrap_or(Side::Left);
    let (changed, other) = match side {
        Side::Left => (node.inputs[0], node.inputs[1]),
        Side::Right => (node.inputs[1], node.inputs[0]),
    };
    let (changed, other) = (world.node(changed)?, world.node(other)?);
    let at = |failure| StepError::at(node, failure);
    let (Some(changed), Some(layout)) = (changed.layout(), other.layout()) else {
        return Err(at(Failure::inconsistent("a join without arrangements")));
    };
    let spine = world.spine(other).map_err(at)?;
    let shape = Shape { join, side, changed, other: layout, row: &node.row };
    let mut probe = Probe::new(shape, batch, spine);
    while let Some(delta) = probe.next().map_err(at)? {
        pass(world, rest, delta, sink)?;
    }
    Ok(())
}
