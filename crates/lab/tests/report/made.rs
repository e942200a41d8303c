//! Results that nobody measured: a made-up run of every experiment, with all that a report must cope with. There are
//! several seeds, missing figures, rejected runs, twins, variants that one contender has alone, and text that would be
//! mark-up if it were not escaped.

use monostable_lab::results::{
    Calibration, Contender, Key, Latency, Mode, Outcome, Point, Results, Run, Second, Verdict,
};

/// A note that must arrive as text.
pub(crate) const HOSTILE: &str = "<script src=\"http://example.org/x.js\">alert('K&M')</script>";
/// When everything is disturbed.
const TRIGGER: u32 = 20;
const SECONDS: u32 = 60;
const SEEDS: [u64; 2] = [1, 2];

/// Everything.
pub(crate) fn all() -> Results {
    let mut results = Results { run: Some(run()), ..Results::default() };
    for mode in [Mode::Sim, Mode::Real] {
        for seed in SEEDS {
            flush(&mut results, mode, seed);
            storms(&mut results, mode, seed);
            stale(&mut results, mode, seed);
            overload(&mut results, mode, seed);
        }
        sweeps(&mut results, mode);
        calibration(&mut results, mode);
    }
    results
}

fn run() -> Run {
    let settings = [
        ("", "deadline", "1 s"),
        ("A1", "retries", "2"),
        ("A2", "retries", "2, out of a bucket of 0.1 for each request"),
        ("V", "durability", HOSTILE),
    ];
    Run {
        command:
            "monostable-lab full --seed 1 --seed 2 --out a-directory-with-a-name-that-is-longer-than-a-phone-is-wide"
                .into(),
        version: "0.1.0".into(),
        started: "2026-01-02T03:04:05Z".into(),
        seconds: 1234.0,
        seeds: SEEDS.to_vec(),
        machine: vec![("processor".into(), "none".into()), ("file system".into(), HOSTILE.into())],
        settings: settings.map(|(who, name, value)| (who.into(), name.into(), value.into())).to_vec(),
        missing: Vec::new(),
    }
}

fn key(experiment: &str, mode: Mode, contender: Contender, variant: &str, seed: u64) -> Key {
    Key { experiment: experiment.into(), mode, contender, variant: variant.into(), seed }
}

/// A second of a run in which `share` of the requests is answered well.
fn second(key: &Key, second: u32, share: f64) -> Second {
    let offered = 9_000 + u64::from(second * 37 % 200) + key.seed * 10;
    let good = (offered as f64 * share) as u64;
    let known = share > 0.0;
    Second {
        experiment: key.experiment.clone(),
        mode: key.mode,
        contender: key.contender,
        variant: key.variant.clone(),
        seed: key.seed,
        second,
        offered,
        good,
        late: offered - good,
        failed: 0,
        stale: 0,
        attempts: offered,
        backend_queries: 900,
        backend_useful: good.min(900),
        hit_share: known.then_some(share),
        p50_us: known.then_some(120.0),
        p99_us: known.then_some(900.0),
        p999_us: known.then_some(9_000.0),
        max_us: known.then_some(90_000.0),
    }
}

/// A verdict of which nothing but the outcome is known.
pub(crate) fn verdict(key: &Key, outcome: Outcome, recovery_s: Option<f64>) -> Verdict {
    Verdict {
        expectation: "stays down, since what the backend answers is too late for the client that asked".into(),
        as_expected: Some(outcome != Outcome::Down || key.contender == Contender::A1),
        outcome,
        recovery_s,
        note: HOSTILE.into(),
        ..Verdict::new(key)
    }
}

/// Goodput by second and trigger, the end, and the seconds to it.
type Course = (fn(u32, u32) -> f64, Outcome, Option<f64>);

/// How a contender goes through a disturbance: share of good answers by second, outcome and time to recovery.
fn course(contender: Contender, seed: u64) -> Course {
    fn flat(_: u32, _: u32) -> f64 {
        1.0
    }
    fn down(second: u32, _: u32) -> f64 {
        if second < TRIGGER { 1.0 } else { 0.0 }
    }
    fn back(second: u32, shift: u32) -> f64 {
        if second < TRIGGER { 1.0 } else { (f64::from(second - TRIGGER + 3) / f64::from(18 + shift)).min(1.0) }
    }
    match contender {
        Contender::A0 | Contender::A1 => (down, Outcome::Down, None),
        Contender::A2 | Contender::A3 => (back, Outcome::Recovered, Some(15.0 + seed as f64)),
        Contender::B1 | Contender::V => (flat, Outcome::Steady, None),
    }
}

/// Timelines and verdicts of all contenders in one variant of an experiment.
fn timelines(results: &mut Results, experiment: &str, mode: Mode, variant: &str, seed: u64) {
    for contender in Contender::ALL {
        let key = key(experiment, mode, contender, variant, seed);
        let (share, outcome, recovery_s) = course(contender, seed);
        results.timeline.extend((0..SECONDS).map(|at| second(&key, at, share(at, seed as u32))));
        let twin = Key { variant: format!("{variant} twin").trim().to_owned(), ..key.clone() };
        results.timeline.extend((0..SECONDS).map(|at| second(&twin, at, 1.0)));
        let is_cache = matches!(contender, Contender::A1 | Contender::A2 | Contender::A3);
        results.verdicts.push(Verdict {
            trigger_second: Some(f64::from(TRIGGER)),
            predicted_s: is_cache.then_some(12.5),
            lost_requests: Some(if outcome == Outcome::Steady { 0.0 } else { 123_456.7 }),
            attempts_per_request: Some(1.5),
            useful_work_share: (contender != Contender::V).then_some(0.07),
            stale_reads: Some(u64::from(is_cache) * 17),
            resident_bytes: Some(310_000_000 + seed * 1_000_000),
            page_cache_bytes: Some(70_000_000),
            write_amplification: (mode == Mode::Real).then_some(2.75),
            ..verdict(&key, outcome, recovery_s)
        });
    }
}

/// E1 and E4.
fn flush(results: &mut Results, mode: Mode, seed: u64) {
    timelines(results, "E1", mode, "", seed);
    timelines(results, "E1", mode, "page cache dropped", seed);
    let alone = key("E1", mode, Contender::A2, "half of the cache lost", seed);
    results.timeline.extend((0..SECONDS).map(|at| second(&alone, at, 0.5)));
    results.verdicts.push(verdict(&alone, Outcome::Rejected, None));
    for contender in Contender::ALL {
        for (index, phase) in ["before", "during", "after"].into_iter().enumerate() {
            if contender == Contender::A1 && phase != "before" {
                continue;
            }
            for (percentile, us) in
                [(50.0, 130.0), (90.0, 400.0), (99.0, 2_500.0), (99.9, 40_000.0), (100.0, 990_000.0)]
            {
                let key = key("E1", mode, contender, "", seed);
                let us = us * (1.0 + index as f64);
                results.latencies.push(Latency::new(&key, phase, percentile, us));
            }
        }
    }
    let mitigations = ["bounded queue", "single flight", "retry bucket and backoff", "concurrency limit"];
    for (index, mitigation) in mitigations.into_iter().enumerate() {
        let without = key("E4", mode, Contender::A2, &format!("without {mitigation}"), seed);
        let outcome = if index == 0 { Outcome::Down } else { Outcome::Recovered };
        let recovery_s = (index > 0).then_some(10.0 * index as f64 + seed as f64);
        results.verdicts.push(Verdict { predicted_s: Some(12.5), ..verdict(&without, outcome, recovery_s) });
        let with = key("E4", mode, Contender::A1, &format!("with {mitigation}"), seed);
        results.verdicts.push(verdict(&with, Outcome::Skipped, None));
    }
}

/// E5 and E7.
fn storms(results: &mut Results, mode: Mode, seed: u64) {
    for variant in ["9 s", "10 s", "11 s"] {
        timelines(results, "E5", mode, variant, seed);
    }
    for variant in ["working set moves", "rolling restart", "hottest key expires"] {
        timelines(results, "E7", mode, variant, seed);
    }
}

/// E6. The summary table was not looked at.
fn stale(results: &mut Results, mode: Mode, seed: u64) {
    for variant in ["0.1 % of deletes lost", "1 % of deletes lost"] {
        for contender in Contender::ALL {
            let key = key("E6", mode, contender, variant, seed);
            let count = |most: u64| match contender {
                Contender::B1 => None,
                Contender::V | Contender::A0 => Some(0),
                _ => Some(most * seed),
            };
            results.verdicts.push(Verdict {
                stale_reads: count(12_345),
                wrong_keys: count(12),
                ..verdict(&key, Outcome::Undisturbed, None)
            });
        }
    }
}

/// E9.
fn overload(results: &mut Results, mode: Mode, seed: u64) {
    timelines(results, "E9", mode, "writes at 2x", seed);
    for second in 0..SECONDS {
        let lag = if second < TRIGGER { 0.0 } else { f64::from(SECONDS - second) * 1_000.0 };
        let key = key("E9", mode, Contender::V, "writes at 2x", seed);
        results.points.push(point(&key, ("second", f64::from(second)), ("", 0.0), ("lag_us", lag, "us")));
    }
}

fn point(key: &Key, x: (&str, f64), y: (&str, f64), (metric, value, unit): (&str, f64, &str)) -> Point {
    Point::new(key, x, y, metric, value, unit)
}

/// E2, E3, E8 and E10.
fn sweeps(results: &mut Results, mode: Mode) {
    let mut points = Vec::new();
    for (contender, seed) in Contender::ALL.into_iter().flat_map(|contender| SEEDS.map(|seed| (contender, seed))) {
        let rank = f64::from(contender as u8);
        for load in [0.5, 1.0, 1.5, 2.0, 3.0, 4.0] {
            for way in ["up", "down"] {
                let key = key("E2", mode, contender, way, seed);
                let share = if way == "down" && contender <= Contender::A1 { 0.05 } else { 1.0 };
                points.push(point(&key, ("load_over_capacity", load), ("", 0.0), ("goodput_share", share, "1")));
            }
            for deleted in [0.001, 0.01, 0.1, 0.3, 1.0] {
                let key = key("E3", mode, contender, "", seed);
                let held = contender > Contender::A1 || load * deleted < 0.02 * seed as f64;
                let place = (("load_over_capacity", load), ("deleted_share", deleted));
                points.push(point(&key, place.0, place.1, ("recovered_share", f64::from(u8::from(held)), "1")));
            }
        }
        for memory in [0.1, 0.25, 0.5, 1.0] {
            let key = key("E8", mode, contender, "", seed);
            let x = ("memory_share", memory);
            points.push(point(&key, x, ("", 0.0), ("first_read_s", (1.0 + rank) * 0.01 / memory, "s")));
        }
        for (writes, skew) in [0.0, 0.1, 0.5].into_iter().flat_map(|writes| [0.0, 0.99, 1.3].map(|skew| (writes, skew)))
        {
            let key = key("E10", mode, contender, "", seed);
            let cost = 10.0 + rank * (1.0 + writes) + skew * (5.0 - rank);
            let place = (("write_share", writes), ("skew", skew));
            points.push(point(&key, place.0, place.1, ("cpu_us_per_request", cost, "us")));
            points.push(point(&key, place.0, place.1, ("resident_bytes", cost * 1e7, "bytes")));
        }
    }
    results.points.extend(points);
}

fn calibration(results: &mut Results, mode: Mode) {
    for (name, value, unit) in [
        ("capacity", 900.0, "1/s"),
        ("hit_service_mean", 2.5e-6, "s"),
        ("hit_share", 0.9, "1"),
        ("build_seconds", 3.5, "s"),
    ] {
        results.calibration.push(Calibration {
            experiment: "E1".into(),
            mode,
            contender: Contender::A0,
            variant: String::new(),
            seed: 1,
            name: name.into(),
            value,
            unit: unit.into(),
        });
    }
}
