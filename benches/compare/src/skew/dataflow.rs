//! `differential-dataflow` in W8: one worker in the calling thread; counts and sums as differences, the maximum through buckets.

use crate::contender::{Contender, Folded, weighted};
use crate::dataflow::{Outbox, Rows, Time, drain, emit, greatest, worker};
use crate::dataset::Change;
use crate::skew::data::{Data, Row, Shape, Target};
use crate::workload::Failure;
use differential_dataflow::input::InputSession;
use differential_dataflow::operators::{CountTotal, ThresholdTotal};
use std::rc::Rc;
use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

pub struct Dataflow {
    worker: Worker,
    probe: ProbeHandle<Time>,
    facts: InputSession<Time, (i64, i64, i64), isize>,
    dims: InputSession<Time, (i64, i64), isize>,
    others: InputSession<Time, (i64, i64, i64), isize>,
    target: Target,
    outbox: Outbox<Row>,
    view: Folded<Row>,
}

fn counted<'scope>(view: i64, keys: Rows<'scope, i64>) -> Rows<'scope, Row> {
    keys.count_total().map(move |(key, n)| [view, key, n as i64, 0])
}

/// The views of a shape.
fn views<'scope>(
    shape: Shape,
    facts: Rows<'scope, (i64, i64, i64)>,
    dims: Rows<'scope, (i64, i64)>,
    others: Rows<'scope, (i64, i64, i64)>,
) -> Vec<Rows<'scope, Row>> {
    let by_group = facts.clone().map(|(_, group, value)| (group, value));
    let one_group = |facts: &Rows<'scope, (i64, i64, i64)>, i: i64| {
        counted(i, facts.clone().filter(move |(_, group, _)| *group == i).map(|(_, _, value)| value))
    };
    match shape {
        Shape::Max => vec![greatest(by_group).map(|(group, most)| [0, group, most, 0])],
        Shape::CountDistinct => vec![counted(0, by_group.distinct_total().map(|(group, _)| group))],
        Shape::JoinSums => {
            let joined =
                by_group.arrange_by_key().join_core(dims.arrange_by_key(), |_, value, kind| Some((*kind, *value)));
            let sums = joined.explode(|(kind, value)| Some((kind, (1_isize, value as isize)))).count_total();
            vec![sums.map(|(kind, (n, total))| [0, kind, n as i64, total as i64])]
        }
        Shape::Join => {
            let facts = facts.map(|(id, group, value)| (group, (id, value))).arrange_by_key();
            vec![facts.join_core(dims.arrange_by_key(), |_, (id, value), kind| Some([0, *id, *value, *kind]))]
        }
        Shape::Filters(views) => (0..views).map(|i| one_group(&facts, i)).collect(),
        Shape::Elsewhere(views) => (0..views).map(|i| one_group(&others, i)).collect(),
        Shape::Thresholds(views) => (0..views)
            .map(|i| counted(i, by_group.clone().filter(move |(_, value)| *value >= i).map(|(group, _)| group)))
            .collect(),
    }
}

impl Dataflow {
    pub fn new(data: &Data, shape: Shape, target: Target) -> Result<Dataflow, Failure> {
        let mut worker = worker();
        let probe = ProbeHandle::new();
        let outbox = Outbox::default();
        let (mut facts, mut dims, mut others) = (InputSession::new(), InputSession::new(), InputSession::new());
        worker.dataflow(|scope| {
            let views =
                views(shape, facts.to_collection(scope), dims.to_collection(scope), others.to_collection(scope));
            views.into_iter().for_each(|view| emit(view, &outbox, &probe));
        });
        let view = Folded::default();
        let mut flow = Dataflow { worker, probe, facts, dims, others, target, outbox, view };
        data.dims().for_each(|row| flow.dims.insert(row));
        for chunk in data.facts().chunks(100_000) {
            chunk.iter().for_each(|fact| flow.facts.insert((fact.id, fact.customer, fact.cents)));
            flow.step();
        }
        drain(&flow.outbox, &mut flow.view);
        Ok(flow)
    }

    fn step(&mut self) {
        let next = self.facts.time() + 1;
        self.facts.advance_to(next);
        self.facts.flush();
        self.dims.advance_to(next);
        self.dims.flush();
        self.others.advance_to(next);
        self.others.flush();
        while self.probe.less_than(&next) {
            self.worker.step();
        }
    }
}

impl Contender for Dataflow {
    type View = Vec<Row>;

    fn name(&self) -> &'static str {
        crate::dataflow::NAME
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), Failure> {
        for (row, weight) in batch.iter().flat_map(weighted) {
            match self.target {
                Target::Facts => self.facts.update((row.id, row.customer, row.cents), weight as isize),
                Target::Dims => self.dims.update((row.customer, row.cents), weight as isize),
            }
        }
        self.step();
        Ok(())
    }

    fn contents(&mut self) -> Result<Vec<Row>, Failure> {
        let outbox = Rc::clone(&self.outbox);
        drain(&outbox, &mut self.view);
        Ok(self.view.rows()?.copied().collect())
    }
}
