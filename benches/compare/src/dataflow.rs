//! `differential-dataflow`, one worker in the calling thread.
//!
//! As its users write these views: counts and sums are differences (`explode`, `count_total`), so that they cost no group; the maximum and the top ten
//! go through four levels of hashed buckets, as Materialize renders them, because `reduce` sees a whole group whenever it changes. The orders are arranged once
//! and shared by the join. The orders before a change are given to it; it looks nothing up. Changes of the views are collected in the timed part and folded outside of it.

use crate::contender::{CENTS_MIN, Contender, Contents, Folded, TOP, region_code, region_name, weighted};
use crate::dataset::{Change, Order};
use crate::workload::Failure;
use differential_dataflow::input::InputSession;
use differential_dataflow::operators::CountTotal;
use differential_dataflow::{Hashable, VecCollection};
use std::cell::RefCell;
use std::hash::Hash;
use std::rc::Rc;
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::dataflow::ProbeHandle;
use timely::worker::Worker;

/// Its name in the table.
pub const NAME: &str = "differential-dataflow";

/// Logical time: one tick for each batch.
pub type Time = u64;
pub type Rows<'scope, D> = VecCollection<'scope, Time, D, isize>;

/// Buckets of each level of a hierarchical reduction, down to one.
const LEVELS: [u64; 4] = [4096, 256, 16, 1];

/// Changes of a view that came out and were not folded yet.
pub type Outbox<T> = Rc<RefCell<Vec<(T, isize)>>>;

#[derive(Default)]
struct Outputs {
    per_customer: Outbox<(i64, i64, i64)>,
    regions: Outbox<(i64, i64, i64)>,
    most: Outbox<(i64, i64)>,
    top: Outbox<(i64, i64)>,
}

#[derive(Default)]
struct Views {
    per_customer: Folded<(i64, i64, i64)>,
    regions: Folded<(i64, i64, i64)>,
    most: Folded<(i64, i64)>,
    top: Folded<(i64, i64)>,
}

pub struct Dataflow {
    worker: Worker,
    probe: ProbeHandle<Time>,
    orders: InputSession<Time, (i64, i64, i64), isize>,
    customers: InputSession<Time, (i64, i64), isize>,
    outputs: Outputs,
    views: Views,
}

/// A worker that runs in the calling thread.
pub fn worker() -> Worker {
    Worker::new(WorkerConfig::default(), Allocator::Thread(Thread::default()), Some(std::time::Instant::now()))
}

/// Sends what changes in a collection to `outbox`, and marks its progress.
pub fn emit<D: differential_dataflow::Data>(rows: Rows<'_, D>, outbox: &Outbox<D>, probe: &ProbeHandle<Time>) {
    let outbox = Rc::clone(outbox);
    rows.inspect(move |(row, _, weight)| outbox.borrow_mut().push((row.clone(), *weight))).probe_with(probe);
}

/// The greatest value of each key, through buckets.
pub fn greatest<'scope, K: differential_dataflow::ExchangeData + Hash>(
    rows: Rows<'scope, (K, i64)>,
) -> Rows<'scope, (K, i64)> {
    LEVELS.iter().fold(rows, |rows, &buckets| {
        rows.map(move |(key, value)| ((key, value.hashed() % buckets), value))
            .reduce(|_, values, out| out.extend(values.last().map(|(value, _)| (**value, 1))))
            .map(|((key, _), value)| (key, value))
    })
}

/// The first `TOP` rows, through buckets.
fn first<'scope>(rows: Rows<'scope, (i64, i64)>) -> Rows<'scope, (i64, i64)> {
    LEVELS.iter().fold(rows, |rows, &buckets| {
        rows.map(move |row| (row.hashed() % buckets, row))
            .reduce(|_, rows, out| out.extend(rows.iter().take(TOP).map(|(row, _)| (**row, 1))))
            .map(|(_, row)| row)
    })
}

impl Dataflow {
    pub fn new(customers: i64, orders: &[Order]) -> Result<Dataflow, Failure> {
        let mut worker = worker();
        let probe = ProbeHandle::new();
        let outputs = Outputs::default();
        let mut orders_in = InputSession::new();
        let mut customers_in = InputSession::new();
        worker.dataflow(|scope| {
            let orders = orders_in.to_collection(scope);
            let by_customer = orders.map(|(_, customer, cents): (i64, i64, i64)| (customer, cents));

            let kept = by_customer.clone().filter(|(_, cents)| *cents >= CENTS_MIN);
            let counted = kept.explode(|(customer, cents)| Some((customer, (1_isize, cents as isize)))).count_total();
            let rows = counted.map(|(customer, (n, cents))| (customer, n as i64, cents as i64));
            emit(rows, &outputs.per_customer, &probe);

            let regions = customers_in.to_collection(scope).arrange_by_key();
            let joined =
                by_customer.clone().arrange_by_key().join_core(regions, |_, cents, region| Some((*region, *cents)));
            let summed =
                joined.clone().explode(|(region, cents)| Some((region, (1_isize, cents as isize)))).count_total();
            let rows = summed.map(|(region, (n, cents))| (region, cents as i64, n as i64));
            emit(rows, &outputs.regions, &probe);
            emit(greatest(joined), &outputs.most, &probe);

            let totals =
                by_customer.explode(|(customer, cents)| Some((customer, (1_isize, cents as isize)))).count_total();
            let top = first(totals.map(|(customer, (_, total))| (-(total as i64), customer)));
            emit(top.map(|(total, customer)| (customer, -total)), &outputs.top, &probe);
        });
        let mut flow =
            Dataflow { worker, probe, orders: orders_in, customers: customers_in, outputs, views: Views::default() };
        (0..customers).for_each(|id| flow.customers.insert((id, region_code(id))));
        for chunk in orders.chunks(100_000) {
            chunk.iter().for_each(|order| flow.orders.insert((order.id, order.customer, order.cents)));
            flow.step();
        }
        flow.fold();
        Ok(flow)
    }

    /// Ends the batch, and works until its results have come out.
    fn step(&mut self) {
        let next = self.orders.time() + 1;
        self.orders.advance_to(next);
        self.orders.flush();
        self.customers.advance_to(next);
        self.customers.flush();
        while self.probe.less_than(&next) {
            self.worker.step();
        }
    }

    fn fold(&mut self) {
        drain(&self.outputs.per_customer, &mut self.views.per_customer);
        drain(&self.outputs.regions, &mut self.views.regions);
        drain(&self.outputs.most, &mut self.views.most);
        drain(&self.outputs.top, &mut self.views.top);
    }
}

/// Folds what came out into a view.
pub fn drain<T: Ord>(outbox: &Outbox<T>, view: &mut Folded<T>) {
    outbox.borrow_mut().drain(..).for_each(|(row, weight)| view.add(row, weight as i64));
}

impl Contender for Dataflow {
    type View = Contents;

    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), Failure> {
        for (order, weight) in batch.iter().flat_map(weighted) {
            self.orders.update((order.id, order.customer, order.cents), weight as isize);
        }
        self.step();
        Ok(())
    }

    fn contents(&mut self) -> Result<Contents, Failure> {
        self.fold();
        let regions = self.views.regions.rows()?.map(|(code, cents, n)| (region_name(*code), *cents, *n));
        let mut regions: Vec<_> = regions.zip(self.views.most.rows()?.map(|(_, most)| *most)).collect();
        regions.sort_unstable();
        Ok(Contents {
            per_customer: Some(self.views.per_customer.rows()?.copied().collect()),
            most: Some(regions.iter().map(|(_, most)| *most).collect()),
            regions: Some(regions.into_iter().map(|(row, _)| row).collect()),
            top: Some(self.views.top.rows()?.copied().collect()),
        })
    }
}
