//! Filling the spine of one stateful node, chunk by chunk.
//!
//! An arrangement collects entries and pushes them as one batch when there are enough. An aggregate collects contributions
//! and adds them to its sums when they concern enough groups; its rows are made of the sums at the end. In the middle, a union with a negated input may hold negative
//! weights; at the end they are an error where they must not be, and that is looked for only if any were seen.

use std::sync::Arc;

use monostable_types::{Rows, Weight};

use crate::batch::Batch;
use crate::delta::Delta;
use crate::failure::Failure;
use crate::graph::{Node, NodeId};
use crate::layout::Layout;
use crate::merge::MemoryMerge;
use crate::operators::Operator;
use crate::operators::aggregate::{Aggregate, Contributions, Extreme, Port};
use crate::policy::{MergeChoice, choose};
use crate::spine::Spine;
use crate::step::{StepError, extremes};

use super::pipeline::{Pipeline, pipelines};
use super::world::World;

/// How many entries are collected before they are sorted into a batch.
const BATCH_ROWS: usize = 64 * 1024;
/// How many bytes of groups and their sums are collected before they are integrated: a million groups of short keys with three sums
/// take 200 MB. Rows come in no order, so with more groups than fit each row looks up its group in what is there already, and with
/// fewer nothing is looked up at all. Tests see both.
const BATCH_BYTES: usize = if cfg!(test) { 2 << 10 } else { 256 << 20 };
/// How many rows of an aggregate are made before they are pushed as one batch.
const BATCH_STATES: usize = 64 * 1024;

/// A stateful node on its way to be filled.
#[derive(Debug)]
pub(crate) struct Fill {
    node: NodeId,
    spine: Spine,
    rows: Rows,
    weights: Vec<Weight>,
    contributions: Contributions,
    negative: bool,
}

impl Fill {
    pub(crate) fn new(world: &World, id: NodeId) -> Result<Fill, StepError> {
        let node = world.node(id)?;
        let at = |failure| StepError::at(node, failure);
        let extent = node.key_extent().ok_or_else(|| at(Failure::inconsistent("the node has no state to fill")))?;
        let spine = match &node.operator {
            Operator::Aggregate(aggregate) => {
                let seed = aggregate.seed().map_err(at)?;
                Spine::new(aggregate.sums_extent()).push(Arc::new(seed)).map_err(|error| at(error.into()))?
            }
            _ => Spine::new(extent),
        };
        Ok(Fill {
            node: id,
            spine,
            rows: Rows::default(),
            weights: Vec::new(),
            contributions: Contributions::default(),
            negative: false,
        })
    }

    /// The pipelines that bring all that the node needs.
    pub(crate) fn pipelines(&self, world: &World) -> Result<Vec<Pipeline>, StepError> {
        let node = world.node(self.node)?;
        let mut all = Vec::new();
        for (port, &input) in node.inputs.iter().enumerate() {
            let extreme =
                matches!(&node.operator, Operator::Aggregate(aggregate) if aggregate.ports()[port] == Port::Extreme);
            if !extreme {
                all.extend(pipelines(world, input, port)?);
            }
        }
        if matches!(&node.operator, Operator::Aggregate(aggregate) if aggregate.only_counts()) {
            all.iter_mut().try_for_each(|pipeline| pipeline.count_only(world))?;
        }
        Ok(all)
    }

    /// Takes a chunk that comes in through an input of the node.
    pub(crate) fn absorb(&mut self, world: &World, port: usize, delta: &Delta) -> Result<(), StepError> {
        let node = world.node(self.node)?;
        self.negative |= delta.weights().iter().any(|&weight| weight < Weight::ZERO);
        let absorbed = match &node.operator {
            Operator::Arrange(layout) => self.absorb_rows(layout, delta),
            Operator::Aggregate(aggregate) => self.absorb_groups(aggregate, port, delta),
            _ => Ok(()),
        };
        absorbed.map_err(|failure| StepError::at(node, failure))
    }

    fn absorb_rows(&mut self, layout: &Layout, delta: &Delta) -> Result<(), Failure> {
        layout.arrange(delta, &mut self.rows)?;
        self.weights.extend_from_slice(delta.weights());
        if self.weights.len() >= BATCH_ROWS { self.push_rows() } else { Ok(()) }
    }

    fn push_rows(&mut self) -> Result<(), Failure> {
        let batch = Batch::from_unsorted(&self.rows, &self.weights)?;
        self.spine = pushed(&self.spine, batch)?;
        (self.rows, self.weights) = (Rows::default(), Vec::new());
        Ok(())
    }

    fn absorb_groups(&mut self, aggregate: &Aggregate, port: usize, delta: &Delta) -> Result<(), Failure> {
        aggregate.absorb(std::iter::once(port), delta, &mut self.contributions)?;
        if self.contributions.bytes() >= BATCH_BYTES { self.integrate(aggregate) } else { Ok(()) }
    }

    fn integrate(&mut self, aggregate: &Aggregate) -> Result<(), Failure> {
        let contributions = std::mem::take(&mut self.contributions);
        let batch = aggregate.integrate(&contributions, &self.spine)?;
        self.spine = pushed(&self.spine, batch)?;
        Ok(())
    }

    /// The node's spine, with all that was taken.
    pub(crate) fn finish(mut self, world: &World) -> Result<(NodeId, Spine), StepError> {
        let node = world.node(self.node)?;
        let finished = match &node.operator {
            Operator::Aggregate(aggregate) => {
                self.integrate(aggregate).and_then(|()| completed(world, node, aggregate, &self.spine))
            }
            _ => self.push_rows().and_then(|()| {
                if self.negative && world.graph().is_positive(self.node) {
                    all_positive(&self.spine)?;
                }
                Ok(self.spine.clone())
            }),
        };
        let spine = finished.map_err(|failure| StepError::at(node, failure))?;
        Ok((self.node, spine))
    }
}

/// The state of an aggregate, from its sums.
fn completed(world: &World, node: &Node, aggregate: &Aggregate, sums: &Spine) -> Result<Spine, Failure> {
    let mut inputs = Vec::new();
    for input in extremes(world.graph(), node, aggregate) {
        let content = input.map(|input| world.spine(input)).transpose()?;
        inputs.push(content.map(|content| Extreme { content, change: None }));
    }
    let mut spine = Spine::new(aggregate.layout().key_extent());
    aggregate.complete(sums, &inputs, BATCH_STATES, |batch| {
        spine = pushed(&spine, batch)?;
        Ok(())
    })?;
    Ok(spine)
}

/// Pushes a batch and does the merges that are due at once: nobody else sees the spine, so nobody else would, and what reads it
/// next should find few runs.
fn pushed(spine: &Spine, batch: Batch) -> Result<Spine, Failure> {
    let mut spine = spine.push(Arc::new(batch))?;
    while let Some(MergeChoice::Memory(runs)) = choose(&spine.shape()) {
        let merged = MemoryMerge::start(&spine, runs).finish()?;
        let installed = spine.install(&merged);
        spine = installed.ok_or_else(|| Failure::inconsistent("the inputs of a merge are gone"))?;
    }
    Ok(spine)
}

fn all_positive(spine: &Spine) -> Result<(), Failure> {
    for entry in spine.prefix(b"")? {
        if entry?.1 < Weight::ZERO {
            return Err(Failure::inconsistent("a row is taken away that is not there"));
        }
    }
    Ok(())
}
