//! E6: fills race with deletions, and some deletions never arrive. How many answers are older than allowed, and which keys
//! are wrong for good?
//!
//! The oracle is the log of commits; see `commits.rs`. A summary table and a view are read in the state that the query finds
//! when it begins, so that in the model their zero is a premise and not a finding: the measurement decides about it. What
//! the model can find is how much each of the cache's safeguards leaves.
//!
//! Nothing disturbs these runs, so there is nothing to come back from: a verdict says what was counted, and nothing else.

use super::{Lab, Plan, counted};
use crate::results::Contender::{self, A1, A2, A3, B1, V};
use crate::results::Verdict;
use crate::sim::engine::{Setup, Sim};
use crate::sim::mitigations::Mitigation;
use crate::sim::record::Record;

const LOAD: f64 = 2.0;
/// As long as the writer can commit so many; with fewer there is little to race with.
const WRITE_SHARE: f64 = 0.1;
/// The share of the writer's time that may be taken.
const WRITER_LOAD: f64 = 0.3;
/// With fewer deletions lost than this, whether it matters is chance.
const LOST_LEAST: f64 = 20.0;
/// A slow way from the backend to the cache: a pause of the process between its query and its fill.
const SLOW_FILL_S: f64 = 0.02;

/// What is thought of a run before it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stated {
    /// No answer is staler than allowed, and no key stays wrong.
    None,
    /// Some are, or some do.
    Some,
    /// No expectation.
    Open,
}

impl Lab<'_> {
    /// E6.
    pub(in crate::sim) fn staleness(&mut self) {
        let mut plan = Plan::new(self.sized(2_000.0, 2_000.0), LOAD, self.scale.pick(60, 240));
        let writer = plan.calibration.write_s.max(plan.calibration.summary_write_s);
        plan.write_share = (WRITER_LOAD / (writer * plan.rates[0])).min(WRITE_SHARE);
        let writes = plan.write_share * plan.rates.iter().sum::<f64>();
        for lost in [0.0, 0.001, 0.01] {
            for contender in [A1, A2, A3] {
                // Without lost deletions, leases promise everything and a naive cache depends on chance.
                let stated = match (contender, lost > 0.0) {
                    (_, true) if lost * writes < LOST_LEAST => Stated::Open,
                    (_, true) => Stated::Some,
                    (A1, _) => Stated::Open,
                    _ => Stated::None,
                };
                let variant = if lost > 0.0 { format!("{:.1} % of deletes lost", 100.0 * lost) } else { String::new() };
                let setup = Setup { lost_deletes: lost, ..plan.setup(contender, self.seed()) };
                self.stale(&plan, &variant, stated, setup);
            }
        }
        for contender in [B1, V] {
            self.stale(&plan, "", Stated::None, plan.setup(contender, self.seed()));
        }
        let slow = |contender: Contender, leases: bool, seed: u64| {
            let mut setup = plan.setup(contender, seed);
            setup.calibration.fill_delay_s = SLOW_FILL_S;
            if !leases {
                setup.mitigations = setup.mitigations.without(Mitigation::Leases);
            }
            setup
        };
        let seed = self.seed();
        self.stale(&plan, "slow fills", Stated::Some, slow(A1, false, seed));
        self.stale(&plan, "slow fills", Stated::None, slow(A2, true, seed));
        self.stale(&plan, "slow fills, no leases", Stated::Some, slow(A2, false, seed));
    }

    fn stale(&mut self, plan: &Plan, variant: &str, stated: Stated, setup: Setup) {
        let key = self.key(setup.contender, variant, setup.seed);
        self.say(&format!("stale reads, {} {variant}", setup.contender.title()));
        let (lost, is_slow) = (setup.lost_deletes, variant.starts_with("slow"));
        let mut run = Sim::new(setup);
        run.settle();
        let wrong = run.wrong_keys();
        let record = &run.record;
        let stale = record.sum(0, usize::MAX, |counts| counts.stale);
        let behind = record.sum(0, usize::MAX, |counts| counts.stale_at_all);
        let (expectation, as_expected) = match stated {
            Stated::None => ("no answer is staler than allowed, no key stays wrong", Some(stale + wrong == 0)),
            Stated::Some => ("answers are staler than allowed, or keys stay wrong", Some(stale + wrong > 0)),
            Stated::Open => ("no expectation; measured", None),
        };
        let share = |count: u64| count as f64 / record.ended.max(1) as f64;
        let premise =
            if key.contender == B1 || key.contender == V { "; a premise of the model, not a finding" } else { "" };
        let note = format!(
            "{stale} answers were staler than allowed; {:.3} % were behind at all, the oldest by {:.3} s; {:.1} % writes, \
             {:.0} commits{premise}; {}",
            100.0 * share(behind),
            oldest_s(record),
            100.0 * plan.write_share,
            record.sum(0, usize::MAX, |counts| counts.commits) as f64,
            plan.size()
        );
        if !is_slow {
            let key = self.key(key.contender, "", key.seed);
            let x = ("lost_delete_share", lost);
            self.point(&key, x, ("", 0.0), ("stale_share", share(stale), "1"));
            self.point(&key, x, ("", 0.0), ("behind_at_all_share", share(behind), "1"));
            self.point(&key, x, ("", 0.0), ("wrong_keys", wrong as f64, "1"));
        }
        self.results.verdicts.push(Verdict {
            expectation: expectation.to_owned(),
            as_expected,
            wrong_keys: Some(wrong),
            note,
            ..counted(&key, record, 0)
        });
    }
}

fn oldest_s(record: &Record) -> f64 {
    record.ages_s.iter().copied().fold(0.0, f64::max)
}
