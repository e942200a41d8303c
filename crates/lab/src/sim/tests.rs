//! The model against what is known in closed form, and what it promises under every seed.

use std::sync::Arc;

use super::calibration::Calibration;
use super::engine::{Setup, Sim};
use super::mitigations::{Mitigation, Mitigations};
use super::record::{Record, SECOND};
use super::recovery::judge;
use super::spread::Spread;
use super::{EXPERIMENTS, Scale, UnknownExperiment, run};
use crate::random::{Popularity, Skew};
use crate::results::{Contender, Mode, Outcome, Results};

/// A store with four workers that does nothing but exponential reads, at a load that is a share of its capacity.
fn queue(load: f64, timeout_s: f64, seed: u64) -> Setup {
    let calibration = Calibration {
        keys: 1_000,
        capacity: 8_000.0,
        workers: 4,
        cores: 4.0,
        spread: Spread::Exponential,
        retries: 0,
        timeout_s,
        ..Calibration::default()
    };
    let seconds = 20;
    Setup {
        contender: Contender::A0,
        popularity: Arc::new(Popularity::new(calibration.keys, Skew::Uniform)),
        mitigations: Mitigations::none(),
        fill_late: false,
        cache_keys: 0,
        read_rates: vec![load * calibration.capacity; seconds].into(),
        write_rates: vec![0.0; seconds].into(),
        lost_deletes: 0.0,
        page_share: None,
        latencies: true,
        seed,
        calibration,
    }
}

fn drained(setup: Setup) -> Record {
    let mut run = Sim::new(setup);
    run.drain();
    run.record
}

/// The probability that an arrival finds `workers` busy, at `offered` of them.
fn erlang_c(workers: u32, offered: f64) -> f64 {
    let (mut term, mut below) = (1.0, 0.0);
    for at in 1..=workers {
        below += term;
        term *= offered / f64::from(at);
    }
    let all_busy = term / (1.0 - offered / f64::from(workers));
    all_busy / (below + all_busy)
}

#[test]
fn without_a_cache_the_mean_wait_is_erlangs() {
    for load in [0.5, 0.7, 0.85] {
        let setup = queue(load, 1_000.0, 0);
        let (workers, service) = (f64::from(setup.calibration.workers), setup.calibration.miss_s());
        let offered = load * workers;
        let expected = service + erlang_c(setup.calibration.workers, offered) * service / (workers - offered);
        let mut means = Vec::new();
        for seed in 1..=5 {
            let record = drained(Setup { seed, ..setup.clone() });
            let count: f64 = record.latencies.iter().map(|histogram| histogram.len() as f64).sum();
            let sum: f64 = record.latencies.iter().map(|histogram| histogram.mean() * histogram.len() as f64).sum();
            means.push(sum / count / SECOND as f64);
        }
        let mean = means.iter().sum::<f64>() / means.len() as f64;
        assert!((mean / expected - 1.0).abs() < 0.05, "load {load}: {mean} s, expected {expected} s");
    }
}

#[test]
fn without_a_cache_the_share_that_is_late_is_that_of_the_queue() {
    // The time in a queue with several workers exceeds t with this probability; who gave up is served all the same.
    for (load, timeout) in [(0.7, 0.001), (0.85, 0.002), (0.8, 0.0015)] {
        let setup = queue(load, timeout, 0);
        let workers = f64::from(setup.calibration.workers);
        let (offered, rate) = (load * workers, 1.0 / setup.calibration.miss_s());
        let spare = workers - 1.0 - offered;
        let waits = erlang_c(setup.calibration.workers, offered);
        let expected = (-rate * timeout).exp() * (1.0 + waits * -(-rate * timeout * spare).exp_m1() / spare);
        let (mut late, mut all) = (0, 0);
        for seed in 1..=5 {
            let record = drained(Setup { seed, ..setup.clone() });
            late += record.sum(0, usize::MAX, |counts| counts.late);
            all += record.sum(0, usize::MAX, |counts| counts.offered);
        }
        let share = late as f64 / all as f64;
        assert!((share / expected - 1.0).abs() < 0.06, "load {load}: {share} late, expected {expected}");
    }
}

#[test]
fn above_its_capacity_a_store_alone_answers_nothing_in_time() {
    let record = drained(queue(1.5, 0.1, 1));
    assert!(record.good_share(5, 20) < 0.01, "{}", record.good_share(5, 20));
}

#[test]
fn the_hit_share_is_that_of_ches_approximation() {
    for (skew, share) in [(0.0, 0.3), (0.8, 0.05), (0.99, 0.1), (1.1, 0.02), (1.3, 0.01)] {
        let calibration = Calibration {
            keys: 20_000,
            skew: Skew::Zipf(skew),
            capacity: 10_000.0,
            ttl_s: 1e6,
            ..Calibration::default()
        };
        let popularity = Arc::new(Popularity::new(calibration.keys, calibration.skew));
        let cache_keys = (share * f64::from(calibration.keys)) as u32;
        let expected = popularity.lru_hit_share(cache_keys);
        let seconds = 20;
        let setup = Setup {
            contender: Contender::A1,
            popularity,
            cache_keys,
            read_rates: vec![8_000.0; seconds].into(),
            write_rates: vec![0.0; seconds].into(),
            latencies: false,
            calibration,
            ..queue(0.5, 1.0, 3)
        };
        let record = drained(setup);
        let lookups = record.sum(0, usize::MAX, |counts| counts.lookups) as f64;
        let hits = record.sum(0, usize::MAX, |counts| counts.hits) as f64;
        assert!((hits / lookups - expected).abs() < 0.01, "skew {skew}: {} hits, expected {expected}", hits / lookups);
    }
}

/// A cache that is warm at a load, on a small backend.
fn cached(contender: Contender, load: f64, seconds: usize, seed: u64) -> Setup {
    let calibration = Calibration { keys: 20_000, capacity: 200.0, ..Calibration::default().scaled(10.0) };
    let popularity = Arc::new(Popularity::new(calibration.keys, calibration.skew));
    let is_cache = matches!(contender, Contender::A1 | Contender::A2 | Contender::A3);
    let cache_keys = popularity.filled_for(1.0 - 0.5 / load) as u32 + 1;
    let rate = load * calibration.capacity;
    Setup {
        contender,
        popularity,
        cache_keys: if is_cache { cache_keys } else { 0 },
        mitigations: if is_cache && contender != Contender::A1 { Mitigations::all() } else { Mitigations::none() },
        read_rates: vec![rate * (1.0 - calibration.write_share); seconds].into(),
        write_rates: vec![rate * calibration.write_share; seconds].into(),
        latencies: false,
        calibration,
        ..queue(0.5, 1.0, seed)
    }
}

/// Flushes one of two runs at second ten.
fn flushed(setup: Setup) -> (Record, Record) {
    let mut run = Sim::new(setup);
    run.run_until(10 * SECOND);
    let mut twin = run.clone();
    twin.drain();
    run.flush();
    run.drain();
    (run.record, twin.record)
}

#[test]
fn a_bounded_cache_is_back_after_the_refill_time_and_a_naive_one_is_not() {
    for load in [5.0, 8.0] {
        for seed in [1, 2, 3] {
            let setup = cached(Contender::A2, load, 120, seed);
            let needed = 1.0 - 1.0 / load;
            let least = f64::from(setup.popularity.hottest_for(needed)) / setup.calibration.capacity;
            let asked = setup.popularity.filled_for(needed) / setup.calibration.capacity;
            let (run, twin) = flushed(setup);
            let found = judge(&run, &twin, 10);
            assert_eq!(found.outcome, Outcome::Recovered, "load {load}, seed {seed}");
            let seconds = found.seconds.expect("it recovered");
            let bounds = 0.9 * least - 1.0..2.0 * asked + 3.0;
            assert!(bounds.contains(&seconds), "load {load}, seed {seed}: {seconds} s, expected {bounds:?}");
            let (run, twin) = flushed(cached(Contender::A1, load, 120, seed));
            let found = judge(&run, &twin, 10);
            assert_eq!(found.outcome, Outcome::Down, "load {load}, seed {seed}");
        }
    }
}

#[test]
fn while_it_refills_the_backend_is_busy_all_the_time_and_no_query_is_in_vain() {
    let setup = cached(Contender::A1, 8.0, 60, 1);
    let mitigations = Mitigations::none().with(Mitigation::BoundedQueue).with(Mitigation::SingleFlight);
    let capacity = setup.calibration.capacity;
    let (run, _) = flushed(Setup { mitigations, ..setup });
    let queries = run.sum(11, 21, |counts| counts.backend_queries) as f64 / 10.0;
    let useful = run.sum(11, 21, |counts| counts.backend_useful) as f64 / 10.0;
    assert!((queries / capacity - 1.0).abs() < 0.1, "{queries} queries/s of {capacity}");
    assert!(useful / queries > 0.95, "{useful} of {queries}");
}

#[test]
fn views_and_summary_tables_do_not_notice_a_flush() {
    for contender in [Contender::B1, Contender::V] {
        let (run, twin) = flushed(cached(contender, 10.0, 30, 2));
        assert_eq!(run, twin, "{contender}");
        assert!(run.good_share(0, usize::MAX) > 0.999, "{contender}");
    }
}

#[test]
fn a_seed_gives_the_same_run_and_another_seed_another() {
    for contender in Contender::ALL {
        let (one, twin) = flushed(cached(contender, 4.0, 25, 7));
        assert_eq!((&one, &twin), (&flushed(cached(contender, 4.0, 25, 7)).0, &drained(cached(contender, 4.0, 25, 7))));
        assert_ne!(one, flushed(cached(contender, 4.0, 25, 8)).0, "{contender}");
    }
}

/// All that can be done to a run, in one.
fn disturbed(setup: Setup) -> Sim {
    let mut run = Sim::new(setup);
    let steps: [&dyn Fn(&mut Sim); 8] = [
        &|run| run.drop_hottest(50),
        &|run| run.set_speed(0.2),
        &|run| run.set_speed(1.0),
        &|run| run.turn_keys(5_000),
        &|run| run.drop_node(1, 4),
        &|run| run.restart(true),
        &Sim::flush,
        &|run| run.restart(false),
    ];
    for (at, step) in steps.iter().enumerate() {
        run.run_until((2 + 2 * at as u64) * SECOND);
        step(&mut run);
    }
    run.settle();
    run
}

#[test]
fn every_request_ends_once_whatever_happens() {
    for contender in Contender::ALL {
        for seed in 1..=4 {
            let mut setup = cached(contender, 2.0 + seed as f64, 20, seed);
            setup.write_rates = vec![40.0; 20].into();
            setup.lost_deletes = 0.1;
            setup.page_share = (setup.cache_keys == 0).then_some(0.3);
            setup.fill_late = seed % 2 == 0;
            if let Some(mitigation) = Mitigation::ALL.get(seed as usize) {
                setup.mitigations = setup.mitigations.without(*mitigation);
            }
            let record = disturbed(setup).record;
            let offered = record.sum(0, usize::MAX, |counts| counts.offered);
            assert_eq!(record.ended, offered, "{contender}, seed {seed}");
            for (second, counts) in record.seconds.iter().enumerate() {
                let ended = counts.good + counts.late + counts.failed + counts.stale;
                assert_eq!(counts.offered, ended, "{contender}, seed {seed}, second {second}");
                assert!(counts.hits <= counts.lookups && counts.backend_useful <= counts.backend_queries);
                assert!(counts.groups <= counts.commits + 1, "{contender}, seed {seed}, second {second}");
            }
            assert!(record.sum(0, usize::MAX, |counts| counts.attempts) >= offered);
            assert!(record.sum(0, usize::MAX, |counts| counts.good) > 0, "{contender}, seed {seed}");
        }
    }
}

#[test]
fn views_and_summary_tables_answer_with_the_state_at_the_read() {
    for contender in [Contender::B1, Contender::V] {
        let mut setup = cached(contender, 4.0, 20, 3);
        setup.write_rates = vec![100.0; 20].into();
        let mut run = disturbed(setup);
        assert_eq!(run.record.sum(0, usize::MAX, |counts| counts.stale_at_all), 0, "{contender}");
        assert_eq!(run.wrong_keys(), 0, "{contender}");
    }
}

#[test]
fn leases_keep_a_slow_fill_from_undoing_a_deletion() {
    let wrong = |leases: bool, lost_deletes: f64| {
        let mut setup = cached(Contender::A2, 2.0, 60, 5);
        setup.write_rates = vec![60.0; 60].into();
        setup.calibration.fill_delay_s = 0.05;
        setup.lost_deletes = lost_deletes;
        if !leases {
            setup.mitigations = setup.mitigations.without(Mitigation::Leases);
        }
        let mut run = Sim::new(setup);
        run.settle();
        run.wrong_keys() + run.record.sum(0, usize::MAX, |counts| counts.stale)
    };
    assert_eq!(wrong(true, 0.0), 0);
    assert!(wrong(false, 0.0) > 0);
    assert!(wrong(true, 0.05) > 0, "no lease helps if the deletion does not arrive");
}

/// All ten experiments of a system that is as small as a test can wait for.
fn all() -> Results {
    let calibration = Calibration::default().scaled(60.0);
    let mut results = Results::default();
    for experiment in EXPERIMENTS {
        let mut said = 0;
        let found = run(experiment, &calibration, &[1], Scale::Quick, &mut |_| said += 1).expect("it is one of ours");
        assert!(said > 0 && !found.verdicts.is_empty(), "{experiment}");
        results.extend(found);
    }
    results
}

#[test]
fn every_experiment_states_what_it_expects_and_has_figures() {
    let results = all();
    for verdict in &results.verdicts {
        assert!(!verdict.expectation.is_empty() && !verdict.note.is_empty(), "{verdict:?}");
        assert_eq!((verdict.mode, verdict.outcome == Outcome::Skipped), (Mode::Sim, false), "{verdict:?}");
        if matches!(verdict.experiment.as_str(), "E6" | "E10") {
            assert_eq!((verdict.outcome, verdict.lost_requests), (Outcome::Undisturbed, None), "{verdict:?}");
        }
        let is_open = verdict.expectation.starts_with("no expectation");
        assert_eq!(verdict.as_expected.is_none(), is_open, "{verdict:?}");
    }
    for point in &results.points {
        assert!(point.value.is_finite() && point.x.is_finite(), "{point:?}");
    }
    for experiment in EXPERIMENTS {
        let lines = results.timeline.iter().filter(|line| line.experiment == experiment).count();
        let points = results.points.iter().filter(|point| point.experiment == experiment).count();
        assert!(lines + points > 0, "{experiment}");
    }
    let steady = |contender| {
        let own = results.verdicts.iter().find(|one| one.experiment == "E1" && one.contender == contender);
        own.map(|verdict| verdict.outcome)
    };
    assert_eq!([Contender::A1, Contender::V].map(steady), [Some(Outcome::Down), Some(Outcome::Steady)]);
}

#[test]
fn an_experiment_that_is_not_there_is_refused() {
    let found = run("E11", &Calibration::default(), &[1], Scale::Quick, &mut |_| {});
    assert_eq!(found, Err(UnknownExperiment("E11".into())));
}
