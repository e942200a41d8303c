//! What an engine without durable views does after a kill: it computes the view again from its rows.
//!
//! The rows are in memory when the clock starts, which is a gift: a program would read them from somewhere. The clock stops when the whole view has come
//! out and stands in a hash map, where the reads find it; a read is therefore a read of a hash map.

use super::Opened;
use crate::child::{Part, say};
use crate::circuit::config;
use crate::dataflow::worker;
use crate::dataset::Random;
use crate::kv::{key, key_text, text};
use crate::workload::{Failure, Outcome};
use dbsp::typed_batch::IndexedZSetReader;
use dbsp::utils::Tup2;
use dbsp::{OrdIndexedZSet, OutputHandle, Runtime, ZWeight};
use differential_dataflow::input::InputSession;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;
use timely::dataflow::ProbeHandle;
use timely::dataflow::operators::Probe;

pub const DIFFERENTIAL: Part =
    Part { name: "differential-dataflow (rebuild)", play: |arguments| play(arguments, differential) };
pub const DBSP: Part = Part { name: "dbsp (rebuild)", play: |arguments| play(arguments, dbsp) };

/// Key and text of a row of the table, and whether it is hidden.
type Row = (String, String, bool);
type View = HashMap<String, String>;

fn play(arguments: &[String], rebuild: fn(Vec<Row>) -> Result<View, Failure>) -> Outcome {
    let [rows] = arguments else { return Err("a rebuild takes a number of rows".into()) };
    let rows: u64 = rows.parse()?;
    let table = (0..rows).map(|index| (key_text(&key(index)).to_string(), text(index, 0), false)).collect();
    let start = Instant::now();
    let view = rebuild(table)?;
    let mut opened = Opened { open: start.elapsed().as_nanos() as f64, ..Opened::default() };
    if view.len() as u64 != rows {
        return Err(format!("the view has {} rows instead of {rows}", view.len()).into());
    }
    let mut random = Random::new(1);
    let mut times: Vec<u128> = (0..=1_000).map(|_| time_read(&view, random.below(rows))).collect::<Result<_, _>>()?;
    opened.first_read = times.remove(0) as f64;
    times.sort_unstable();
    opened.next_p99 = times[times.len() * 99 / 100] as f64;
    say(opened.to_line())
}

fn time_read(view: &View, index: u64) -> Result<u128, Failure> {
    let key = key(index);
    let start = Instant::now();
    let found = view.get(key_text(&key)).is_some_and(|text| !text.is_empty());
    let took = start.elapsed().as_nanos();
    if found { Ok(took) } else { Err(format!("row {index} is missing").into()) }
}

fn differential(table: Vec<Row>) -> Result<View, Failure> {
    let mut worker = worker();
    let view = Rc::new(RefCell::new(View::with_capacity(table.len())));
    let (probe, mut input) = (ProbeHandle::<u64>::new(), InputSession::<u64, Row, isize>::new());
    worker.dataflow(|scope| {
        let (view, rows) = (Rc::clone(&view), input.to_collection(scope));
        rows.filter(|(_, _, hidden)| !hidden)
            .map(|(key, text, _)| (key, text))
            .inspect(move |((key, text), _, _)| drop(view.borrow_mut().insert(key.clone(), text.clone())))
            .arrange_by_key()
            .stream
            .probe_with(&probe);
    });
    for row in table {
        input.insert(row);
    }
    input.advance_to(1);
    input.flush();
    while probe.less_than(&1) {
        worker.step();
    }
    Ok(view.take())
}

fn dbsp(table: Vec<Row>) -> Result<View, Failure> {
    let (mut circuit, (input, output)): (_, (_, OutputHandle<OrdIndexedZSet<String, String>>)) =
        Runtime::init_circuit(config(), |circuit| {
            let (rows, input) = circuit.add_input_zset::<Tup2<String, Tup2<String, bool>>>();
            let visible = rows.filter(|Tup2(_, Tup2(_, hidden))| !hidden);
            let view = visible.map_index(|Tup2(key, Tup2(text, _))| (key.clone(), text.clone()));
            // The arrangement that a later join or read of this view would need.
            view.integrate_trace();
            Ok((input, view.output()))
        })?;
    let mut rows: Vec<Tup2<Tup2<String, Tup2<String, bool>>, ZWeight>> =
        table.into_iter().map(|(key, text, hidden)| Tup2(Tup2(key, Tup2(text, hidden)), 1)).collect();
    input.append(&mut rows);
    circuit.transaction()?;
    let view = output.consolidate().iter().map(|(key, text, _)| (key, text)).collect();
    // Taking it down is no part of a rebuild, and the process ends soon.
    std::mem::forget(circuit);
    Ok(view)
}
