//! `dbsp` in W8: one worker, typed inputs, the operators that its SQL compiler would choose.

use crate::circuit::{Output, config};
use crate::contender::{Contender, weighted};
use crate::dataset::Change;
use crate::skew::data::{Data, Row, Shape, Target};
use crate::workload::Failure;
use dbsp::operator::Max;
use dbsp::utils::{Tup2, Tup3};
use dbsp::{DBSPHandle, OrdIndexedZSet, RootCircuit, Runtime, Stream, ZSetHandle};

type Facts = Stream<RootCircuit, dbsp::OrdZSet<Tup3<i64, i64, i64>>>;
type Dims = Stream<RootCircuit, OrdIndexedZSet<i64, i64>>;
type View = Stream<RootCircuit, OrdIndexedZSet<i64, Tup2<i64, i64>>>;

pub struct Circuit {
    handle: DBSPHandle,
    facts: ZSetHandle<Tup3<i64, i64, i64>>,
    dims: ZSetHandle<Tup2<i64, i64>>,
    target: Target,
    outputs: Vec<Output<i64, Tup2<i64, i64>>>,
}

fn counted(rows: &Stream<RootCircuit, OrdIndexedZSet<i64, i64>>) -> View {
    rows.weighted_count().map_index(|(key, n)| (*key, Tup2(*n, 0)))
}

/// The views of a shape, each keyed by its first column.
fn views(shape: Shape, facts: &Facts, dims: &Dims, others: &Facts) -> Vec<View> {
    let by_group = facts.map_index(|Tup3(_, group, value)| (*group, *value));
    let one_group = |facts: &Facts, i: i64| {
        counted(&facts.filter(move |Tup3(_, group, _)| *group == i).map_index(|Tup3(id, _, value)| (*value, *id)))
    };
    match shape {
        Shape::Max => vec![by_group.aggregate(Max).map_index(|(group, most)| (*group, Tup2(*most, 0)))],
        Shape::CountDistinct => vec![by_group.distinct_count().map_index(|(group, n)| (*group, Tup2(*n, 0)))],
        Shape::JoinSums => {
            let joined = by_group.join_index(dims, |_, value, kind| Some((*kind, *value)));
            vec![joined.aggregate_linear(|value| Tup2(1_i64, *value))]
        }
        Shape::Join => {
            let facts = facts.map_index(|Tup3(id, group, value)| (*group, Tup2(*id, *value)));
            vec![facts.join_index(dims, |_, Tup2(id, value), kind| Some((*id, Tup2(*value, *kind))))]
        }
        Shape::Filters(views) => (0..views).map(|i| one_group(facts, i)).collect(),
        Shape::Elsewhere(views) => (0..views).map(|i| one_group(others, i)).collect(),
        Shape::Thresholds(views) => {
            (0..views).map(|i| counted(&by_group.filter(move |(_, value)| *value >= i))).collect()
        }
    }
}

impl Circuit {
    pub fn new(data: &Data, shape: Shape, target: Target) -> Result<Circuit, Failure> {
        let (handle, (facts, dims, outputs)) = Runtime::init_circuit(config(), move |circuit| {
            let (facts, facts_in) = circuit.add_input_zset::<Tup3<i64, i64, i64>>();
            let (dims, dims_in) = circuit.add_input_zset::<Tup2<i64, i64>>();
            let (others, _) = circuit.add_input_zset::<Tup3<i64, i64, i64>>();
            let dims = dims.map_index(|Tup2(group, kind)| (*group, *kind));
            let views = views(shape, &facts, &dims, &others);
            Ok((facts_in, dims_in, views.iter().map(Output::of).collect()))
        })?;
        let mut circuit = Circuit { handle, facts, dims, target, outputs };
        circuit.dims.append(&mut data.dims().map(|(group, kind)| Tup2(Tup2(group, kind), 1)).collect());
        for chunk in data.facts().chunks(100_000) {
            let mut rows = chunk.iter().map(|fact| Tup2(Tup3(fact.id, fact.customer, fact.cents), 1)).collect();
            circuit.facts.append(&mut rows);
            circuit.step()?;
        }
        for output in &mut circuit.outputs {
            output.folded();
        }
        Ok(circuit)
    }

    fn step(&mut self) -> Result<(), Failure> {
        self.handle.transaction()?;
        self.outputs.iter_mut().for_each(Output::take);
        Ok(())
    }
}

impl Contender for Circuit {
    type View = Vec<Row>;

    fn name(&self) -> &'static str {
        crate::circuit::NAME
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), Failure> {
        let rows = batch.iter().flat_map(weighted);
        match self.target {
            Target::Facts => {
                let facts = rows.map(|(fact, weight)| Tup2(Tup3(fact.id, fact.customer, fact.cents), weight));
                self.facts.append(&mut facts.collect());
            }
            Target::Dims => {
                let dims = rows.map(|(dim, weight)| Tup2(Tup2(dim.customer, dim.cents), weight));
                self.dims.append(&mut dims.collect());
            }
        }
        self.step()
    }

    fn contents(&mut self) -> Result<Vec<Row>, Failure> {
        let mut contents = Vec::new();
        for (number, output) in self.outputs.iter_mut().enumerate() {
            let rows = output.folded().rows()?;
            contents.extend(rows.map(|(key, Tup2(a, b))| [number as i64, *key, *a, *b]));
        }
        contents.sort_unstable();
        Ok(contents)
    }
}
