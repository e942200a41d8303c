//! E3: how likely is it that the system is back in time, over load and how much is lost? After Huang et al., OSDI '22,
//! section 5.3: the hottest keys are deleted, which are the ones that come back fastest.
//!
//! The cache is one and the same at all loads, sized for the highest. Who has no cache loses the pages of these keys'
//! rows. The undisturbed twin of a load and seed is shared by everything that is deleted under them.

use super::{Lab, Plan};
use crate::recovery::Recovery;
use crate::results::Contender::{self, A1, A2, B1, V};
use crate::results::{Outcome, Verdict};
use crate::sim::engine::Sim;
use crate::sim::record::SECOND;
use crate::sim::recovery::judge;

/// Seconds after which being back does not count.
const IN_TIME: usize = 60;
const TRIGGER: usize = 8;
const LOAD_MAX: f64 = 10.0;

/// What is varied.
struct Grid {
    loads: Vec<f64>,
    deleted: Vec<f64>,
}

impl Lab<'_> {
    /// E3.
    pub(in crate::sim) fn map(&mut self) {
        let grid = Grid {
            loads: self
                .scale
                .pick(vec![1.5, 2.5, 4.0, 6.0, 10.0], vec![1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]),
            deleted: self.scale.pick(
                vec![0.0001, 0.001, 0.01, 0.1, 1.0],
                vec![0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0],
            ),
        };
        let plan = Plan::new(self.sized(100.0, 500.0), LOAD_MAX, 0);
        for contender in [A1, A2, B1, V] {
            self.map_of(&plan, &grid, contender);
        }
    }

    fn map_of(&mut self, plan: &Plan, grid: &Grid, contender: Contender) {
        let mut shares = Vec::new();
        for &load in &grid.loads {
            self.say(&format!("{} at {load} times the capacity", contender.title()));
            let plan = plan.at_load(load, TRIGGER + IN_TIME);
            let mut back = vec![0_u32; grid.deleted.len()];
            for seed in self.many_seeds() {
                let found = deletions(&plan, contender, seed, &grid.deleted);
                for ((recovery, count), share) in found.iter().zip(&mut back).zip(&grid.deleted) {
                    *count += u32::from(recovery.outcome != Outcome::Down);
                    let key = self.key(contender, "", seed);
                    let (x, y) = (("load_over_capacity", load), ("deleted_share", *share));
                    if let Some(seconds) = recovery.seconds {
                        self.point(&key, x, y, ("recovery_s", seconds, "s"));
                    }
                    self.point(&key, x, y, ("lost_requests", recovery.lost, "1"));
                }
            }
            for (count, deleted) in back.iter().zip(&grid.deleted) {
                let share = f64::from(*count) / self.many_seeds().len() as f64;
                let key = self.key(contender, "", 0);
                let (x, y) = (("load_over_capacity", load), ("deleted_share", *deleted));
                self.point(&key, x, y, ("recovered_share", share, "1"));
                shares.push((load, *deleted, share));
            }
        }
        self.map_verdict(plan, contender, &shares);
    }

    fn map_verdict(&mut self, plan: &Plan, contender: Contender, shares: &[(f64, f64, f64)]) {
        let worst = shares.iter().fold(1.0_f64, |worst, cell| worst.min(cell.2));
        let at = |least: bool| {
            shares.iter().find(|cell| if least { cell.0 < 2.0 } else { cell.0 >= LOAD_MAX } && cell.1 >= 1.0)
        };
        let ends = (at(true).map_or(1.0, |cell| cell.2), at(false).map_or(1.0, |cell| cell.2));
        let (expectation, seen) = match contender {
            A1 => ("is back from a full flush at the lowest load, and never at the highest", ends == (1.0, 0.0)),
            _ => ("is back in time everywhere", worst >= 1.0),
        };
        let cells = shares.iter().filter(|cell| cell.2 < 1.0).count();
        let note = format!(
            "in time is {IN_TIME} s; {cells} of {} cells have a seed that was not; lowest share {worst:.1}; {}",
            shares.len(),
            plan.size()
        );
        let key = self.key(contender, "", 0);
        self.results.verdicts.push(Verdict {
            expectation: expectation.to_owned(),
            as_expected: Some(seen),
            outcome: if worst >= 1.0 { Outcome::Recovered } else { Outcome::Down },
            trigger_second: Some(TRIGGER as f64),
            note,
            ..Verdict::new(&key)
        });
    }
}

/// What becomes of a run for each share of the keys that is deleted.
fn deletions(plan: &Plan, contender: Contender, seed: u64, deleted: &[f64]) -> Vec<Recovery> {
    let mut setup = plan.setup(contender, seed);
    setup.page_share = (setup.cache_keys == 0).then_some(1.0);
    let keys = f64::from(plan.calibration.keys);
    let mut warm = Sim::new(setup);
    warm.run_until(TRIGGER as u64 * SECOND);
    let mut twin = warm.clone();
    twin.drain();
    let disturbed = deleted.iter().map(|share| {
        let mut run = warm.clone();
        run.drop_hottest((share * keys).ceil() as u32);
        run.drain();
        judge(&run.record, &twin.record, TRIGGER)
    });
    disturbed.collect()
}
