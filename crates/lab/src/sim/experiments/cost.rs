//! E10: what each contender needs for the same answers, over the share of writes, the skew, the number of keys and the load.
//!
//! Processor time is what the simulation used; it is what the map is best at. Bytes written are counted from its commits and
//! syncs, resident memory from what is held: both with the factors of the calibration, which are those of our benchmarks until
//! a run measures its own. A contender that does not carry its load has no figures at that place, and so cannot win there.
//!
//! Memory is that of a store whose data fit into it. Monostable's is by far the largest, because the state of every join and
//! aggregate is kept; where the map says that it loses, that is what it says.

use super::{Lab, Plan};
use crate::random::Skew;
use crate::results::Contender::{self, A0, A1, A2, A3, B1, V};
use crate::results::{Outcome, Verdict};
use crate::sim::engine::Sim;
use crate::sim::record::Record;

/// A contender carries its load if it answers so much of it well.
const CARRIED: f64 = 0.95;

/// One map: its name, how many times the calibration's keys, and the load over the backend's capacity.
const MAPS: [(&str, f64, f64); 4] = [
    ("few keys, busy", 0.1, 5.0),
    ("busy", 1.0, 5.0),
    ("many keys, busy", 10.0, 5.0),
    ("many keys, hardly read", 10.0, 0.3),
];

/// What a contender that carries its load needs at a place.
struct Cost {
    contender: Contender,
    cpu_us: f64,
    memory_bytes: f64,
}

/// A place on the maps, and who carries its load there.
struct Place {
    writes: f64,
    costs: Vec<Cost>,
}

impl Place {
    /// Whose figure is the least; nobody's if there are not two to compare.
    fn least(&self, figure: impl Fn(&Cost) -> f64) -> Option<Contender> {
        if self.costs.len() < 2 {
            return None;
        }
        self.costs.iter().min_by(|a, b| figure(a).total_cmp(&figure(b))).map(|cost| cost.contender)
    }
}

impl Lab<'_> {
    /// E10.
    pub(in crate::sim) fn cost(&mut self) {
        let writes =
            self.scale.pick(vec![0.0, 0.01, 0.1, 0.5, 0.99], vec![0.0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 0.9, 0.99]);
        let skews = [0.0, 0.8, 1.1, 1.3];
        let mut places = Vec::new();
        for (map, times, load) in MAPS {
            self.say(&format!("who is cheapest: {map}"));
            let mut calibration = self.sized(100.0, 300.0);
            calibration.keys = (f64::from(calibration.keys) * times).round().max(10.0) as u32;
            for skew in skews {
                calibration.skew = Skew::Zipf(skew);
                let rates = vec![load * calibration.capacity; self.scale.pick(12, 40)];
                let plan = Plan { rates, ..Plan::new(calibration.clone(), load, 0) };
                for &writes in &writes {
                    let plan = Plan { write_share: writes, ..plan.clone() };
                    let costs = Contender::ALL.into_iter().filter_map(|contender| self.cost_at(&plan, map, contender));
                    places.push(Place { writes, costs: costs.collect() });
                }
            }
        }
        self.cost_verdicts(&places);
    }

    fn cost_at(&mut self, plan: &Plan, map: &str, contender: Contender) -> Option<Cost> {
        let key = self.key(contender, map, self.seed());
        let mut run = Sim::new(plan.setup(contender, key.seed));
        run.drain();
        let good = run.record.good_share(0, usize::MAX);
        let (x, y) = (("write_share", plan.write_share), ("skew", plan.calibration.skew.exponent()));
        self.point(&key, x, y, ("goodput_share", good, "1"));
        if good < CARRIED {
            return None;
        }
        let answered = run.record.sum(0, usize::MAX, |counts| counts.good).max(1) as f64;
        let cpu_us = 1e6 * run.record.cpu_s / plan.calibration.slowdown / answered;
        let memory_bytes = memory_bytes(plan, contender);
        self.point(&key, x, y, ("cpu_for_each_request", cpu_us, "us"));
        self.point(&key, x, y, ("memory", memory_bytes, "bytes"));
        if let Some(written) = written_bytes(plan, contender, &run.record) {
            self.point(&key, x, y, ("written_for_each_write", written, "bytes"));
        }
        Some(Cost { contender, cpu_us, memory_bytes })
    }

    fn cost_verdicts(&mut self, places: &[Place]) {
        for contender in Contender::ALL {
            let carried =
                places.iter().filter(|place| place.costs.iter().any(|cost| cost.contender == contender)).count();
            let cpu = |place: &&Place| place.least(|cost| cost.cpu_us) == Some(contender);
            let cheapest = places.iter().filter(cpu).count();
            let smallest =
                places.iter().filter(|place| place.least(|cost| cost.memory_bytes) == Some(contender)).count();
            let (expectation, as_expected) = match contender {
                V => {
                    let few = places.iter().filter(|place| place.writes <= 0.01).all(|place| cpu(&place));
                    let most = places.iter().filter(|place| place.writes >= 0.99).all(|place| cpu(&place));
                    let text = "needs the least processor time wherever at most 1 % are writes, not everywhere where 99 % are, \
                                and never the least memory";
                    (text, Some(few && !most && smallest == 0))
                }
                A0 => ("needs the least memory wherever it carries the load", Some(smallest == carried)),
                _ => ("no expectation; measured", None),
            };
            let all = places.len();
            let note = format!(
                "of {all} places it carries its load in {carried}, needs the least processor time in {cheapest} and the least \
                 memory in {smallest}"
            );
            let key = self.key(contender, "", self.seed());
            let expectation = expectation.to_owned();
            self.results.verdicts.push(Verdict {
                expectation,
                as_expected,
                outcome: Outcome::Undisturbed,
                note,
                ..Verdict::new(&key)
            });
        }
    }
}

/// Resident bytes, if all data stay in memory. A scaled system has fewer keys; the figure is that of the full one.
fn memory_bytes(plan: &Plan, contender: Contender) -> f64 {
    let calibration = &plan.calibration;
    let keys = f64::from(calibration.keys);
    let entries = |count: f64| count * calibration.entry_bytes as f64;
    let (store, views) = calibration.memory_factors;
    let rows = keys * calibration.base_bytes as f64;
    let bytes = match contender {
        A0 => store * rows,
        A1 | A2 => store * rows + entries(f64::from(plan.cache_keys)),
        A3 => store * rows + entries(keys),
        B1 => store * (rows + entries(keys)),
        V => views * rows,
    };
    bytes * calibration.slowdown
}

/// Bytes written for each committed write; nothing if there was none.
fn written_bytes(plan: &Plan, contender: Contender, record: &Record) -> Option<f64> {
    let calibration = &plan.calibration;
    let commits = record.sum(0, usize::MAX, |counts| counts.commits) as f64;
    let groups = record.sum(0, usize::MAX, |counts| counts.groups) as f64;
    (commits > 0.0).then(|| match contender {
        B1 => calibration.summary_write_bytes,
        V => calibration.view_write_bytes + calibration.sync_bytes * groups / commits,
        _ => calibration.write_bytes,
    })
}
