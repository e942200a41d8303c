//! `dbsp`, one worker; its merger has a thread of its own.
//!
//! As its SQL compiler lays these views out: typed Z-set inputs that take whole batches, linear aggregates for counts and sums, `Max` that seeks the end of a group, and its top-k
//! operator. State is in memory. The orders before a change are given to it; it looks nothing up. Changes of the views are taken in the timed part and folded outside of it.

use crate::contender::{CENTS_MIN, Contender, Contents, Folded, TOP, region_code, region_name, weighted};
use crate::dataset::{Change, Order};
use crate::workload::Failure;
use dbsp::circuit::CircuitConfig;
use dbsp::operator::Max;
use dbsp::typed_batch::{IndexedZSetReader, SpineSnapshot};
use dbsp::utils::{Tup2, Tup3};
use dbsp::{DBData, DBSPHandle, OrdIndexedZSet, OutputHandle, RootCircuit, Runtime, Stream, ZSetHandle};

/// Its name in the table.
pub const NAME: &str = "dbsp";

type Rows<K, V> = Stream<RootCircuit, OrdIndexedZSet<K, V>>;
type Batch<K, V> = SpineSnapshot<OrdIndexedZSet<K, V>>;

/// The changes of a view: taken after each step, folded when somebody asks.
pub struct Output<K: DBData, V: DBData> {
    handle: OutputHandle<Batch<K, V>>,
    taken: Vec<Batch<K, V>>,
    view: Folded<(K, V)>,
}

impl<K: DBData, V: DBData> Output<K, V> {
    pub fn of(rows: &Rows<K, V>) -> Output<K, V> {
        Output { handle: rows.accumulate_output(), taken: Vec::new(), view: Folded::default() }
    }

    pub fn take(&mut self) {
        self.taken.extend(self.handle.take_from_all());
    }

    pub fn folded(&mut self) -> &mut Folded<(K, V)> {
        for batch in self.taken.drain(..) {
            batch.iter().for_each(|(key, value, weight)| self.view.add((key, value), weight));
        }
        &mut self.view
    }
}

struct Outputs {
    per_customer: Output<i64, Tup2<i64, i64>>,
    sums: Output<i64, Tup2<i64, i64>>,
    most: Output<i64, i64>,
    top: Output<(), Tup2<i64, i64>>,
}

pub struct Circuit {
    handle: DBSPHandle,
    orders: ZSetHandle<Tup3<i64, i64, i64>>,
    outputs: Outputs,
}

/// One worker, all in memory.
pub fn config() -> CircuitConfig {
    CircuitConfig::with_workers(1)
}

fn views(orders: &Rows<i64, i64>, regions: &Rows<i64, i64>) -> Outputs {
    let kept = orders.filter(|(_, cents)| *cents >= CENTS_MIN);
    let per_customer = kept.aggregate_linear(|cents| Tup2(1_i64, *cents));
    let joined = orders.join_index(regions, |_, cents, region| Some((*region, *cents)));
    let sums = joined.aggregate_linear(|cents| Tup2(1_i64, *cents));
    let most = joined.aggregate(Max);
    // The count beside the sum keeps a group whose sum is zero.
    let totals = orders.aggregate_linear_postprocess(|cents| Tup2(1_i64, *cents), |Tup2(_, total)| total);
    let top = totals.map_index(|(customer, total)| ((), Tup2(*total, -*customer))).topk_desc(TOP);
    Outputs {
        per_customer: Output::of(&per_customer),
        sums: Output::of(&sums),
        most: Output::of(&most),
        top: Output::of(&top),
    }
}

impl Circuit {
    pub fn new(customers: i64, orders: &[Order]) -> Result<Circuit, Failure> {
        let (handle, (orders_in, customers_in, outputs)) = Runtime::init_circuit(config(), |circuit| {
            let (orders, orders_in) = circuit.add_input_zset::<Tup3<i64, i64, i64>>();
            let (customers, customers_in) = circuit.add_input_zset::<Tup2<i64, i64>>();
            let orders = orders.map_index(|Tup3(_, customer, cents)| (*customer, *cents));
            let regions = customers.map_index(|Tup2(customer, region)| (*customer, *region));
            Ok((orders_in, customers_in, views(&orders, &regions)))
        })?;
        let mut circuit = Circuit { handle, orders: orders_in, outputs };
        customers_in.append(&mut (0..customers).map(|id| Tup2(Tup2(id, region_code(id)), 1)).collect());
        for chunk in orders.chunks(100_000) {
            circuit.step(chunk.iter().map(|order| (*order, 1)))?;
        }
        circuit.fold();
        Ok(circuit)
    }

    fn step(&mut self, orders: impl Iterator<Item = (Order, i64)>) -> Result<(), Failure> {
        let mut rows =
            orders.map(|(order, weight)| Tup2(Tup3(order.id, order.customer, order.cents), weight)).collect();
        self.orders.append(&mut rows);
        self.handle.transaction()?;
        self.outputs.per_customer.take();
        self.outputs.sums.take();
        self.outputs.most.take();
        self.outputs.top.take();
        Ok(())
    }

    fn fold(&mut self) {
        self.outputs.per_customer.folded();
        self.outputs.sums.folded();
        self.outputs.most.folded();
        self.outputs.top.folded();
    }
}

impl Contender for Circuit {
    type View = Contents;

    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), Failure> {
        self.step(batch.iter().flat_map(weighted))
    }

    fn contents(&mut self) -> Result<Contents, Failure> {
        let sums = self.outputs.sums.folded().rows()?;
        let sums = sums.map(|(code, Tup2(n, cents))| (region_name(*code), *cents, *n));
        let most = self.outputs.most.folded().rows()?.map(|(_, most)| *most);
        let mut regions: Vec<_> = sums.zip(most).collect();
        regions.sort_unstable();
        let top = self.outputs.top.folded().rows()?;
        let mut top: Vec<_> = top.map(|((), Tup2(total, customer))| (-customer, *total)).collect();
        top.sort_unstable();
        let per_customer = self.outputs.per_customer.folded().rows()?;
        Ok(Contents {
            per_customer: Some(per_customer.map(|(customer, Tup2(n, cents))| (*customer, *n, *cents)).collect()),
            most: Some(regions.iter().map(|(_, most)| *most).collect()),
            regions: Some(regions.into_iter().map(|(row, _)| row).collect()),
            top: Some(top),
        })
    }
}
