//! Whole runs at a tiny size, for what a run must notice: pages that are too old, and a generator that is too slow.

use super::bench::{Bench, Plan, Ran, Scale};
use super::clock::SECOND;
use super::experiments::{Entrant, verdict};
use super::store::Form;
use crate::results::{Contender, Outcome, Verdict};

/// Makes a run of a contender for a second, changed as a test wants it.
fn ran(contender: Contender, change: impl FnOnce(&mut Plan)) -> (Ran, Verdict) {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(Scale::tiny(), directory.path(), None);
    bench.capacity = bench.measure_reads(Form::Query).unwrap();
    let entrant = Entrant::new(contender, &bench);
    let mut load = bench.load(400.0, 3);
    load.duration = SECOND;
    let mut plan = entrant.plan(load);
    change(&mut plan);
    let ran = bench.run(&plan, &mut |_| {}).unwrap();
    let verdict = verdict(&entrant.key("E1", 3, &bench), &ran, &bench);
    (ran, verdict)
}

#[test]
fn a_cache_that_never_hears_of_writes_is_caught() {
    let (ran, verdict) = ran(Contender::A1, |plan| {
        plan.load.write_shares = vec![0.3];
        plan.lost_share = 1.0;
    });
    assert!(ran.writes > 0 && ran.record.strictly_stale > 0 && ran.wrong_keys > 0);
    assert_eq!(verdict.stale_reads, Some(ran.record.strictly_stale));
    assert_eq!(ran.record.impossible, 0);
}

#[test]
fn stores_without_a_cache_are_never_stale() {
    for contender in [Contender::A0, Contender::B1, Contender::V] {
        let (ran, _) = ran(contender, |plan| plan.load.write_shares = vec![0.3]);
        assert!(ran.writes > 0, "{contender}");
        assert_eq!((ran.record.strictly_stale, ran.wrong_keys, ran.record.impossible), (0, 0, 0), "{contender}");
    }
}

/// Three hundred thousand requests are due in the same millisecond, which nobody can send in a tenth of a second.
#[test]
fn a_run_that_the_generator_limits_is_rejected() {
    let (ran, verdict) = ran(Contender::A1, |plan| {
        plan.load.rates = vec![300e6];
        plan.load.duration = 1_000;
        plan.load.write_shares = vec![0.0];
    });
    assert!(ran.record.lagging_share() > 0.01, "{}", ran.record.lagging_share());
    assert_eq!(verdict.outcome, Outcome::Rejected);
}
