//! Scratch.
#![allow(missing_docs)]
use monostable_lab::sim::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let scale = if args.iter().any(|a| a == "full") { Scale::Full } else { Scale::Quick };
    let points = args.iter().any(|a| a == "points");
    let cal = Calibration::default();
    for e in args[1].split(',') {
        let t = std::time::Instant::now();
        let r = run(
            e,
            &cal,
            &std::env::var("SEED").map_or(vec![1, 2, 3, 4, 5], |s| vec![s.parse().unwrap()]),
            scale,
            &mut |_| {},
        )
        .unwrap();
        let seed0 = std::env::var("SEED").map_or(1, |s| s.parse().unwrap());
        let _ = seed0;
        for c in ["A1", "A2"] {
            for v in ["", "twin"] {
                for w in [(10, 20), (30, 60), (100, 120), (180, 200)] {
                    let sum = |f: fn(&monostable_lab::results::Second) -> u64| {
                        r.timeline
                            .iter()
                            .filter(|s| {
                                s.contender.to_string() == c && s.variant == v && s.second >= w.0 && s.second < w.1
                            })
                            .map(f)
                            .sum::<u64>() as f64
                    };
                    print!(
                        "{c} {v} {w:?} good {:.3} backend {:.0}/s  ",
                        sum(|s| s.good) / sum(|s| s.offered).max(1.0),
                        sum(|s| s.backend_queries) / f64::from(w.1 - w.0)
                    );
                }
                println!();
            }
        }
        println!(
            "== {e} {:.1} s, {} seconds {} points {} latencies",
            t.elapsed().as_secs_f64(),
            r.timeline.len(),
            r.points.len(),
            r.latencies.len()
        );
        for v in &r.verdicts {
            println!(
                "{} {:<40} s{} {:?} ok={:?} rec={:?} pred={:.1?} lost={:.0?} att={:.2?} useful={:.3?} stale={:?} wrong={:?} rss={:?} wa={:?} | {} | {}",
                v.contender,
                v.variant,
                v.seed,
                v.outcome,
                v.as_expected,
                v.recovery_s,
                v.predicted_s,
                v.lost_requests,
                v.attempts_per_request,
                v.useful_work_share,
                v.stale_reads,
                v.wrong_keys,
                v.resident_bytes,
                v.write_amplification,
                v.expectation,
                v.note
            );
        }
        if points {
            for p in &r.points {
                println!(
                    "{} {:<20} s{} {}={} {}={} {}={:.4} {}",
                    p.contender, p.variant, p.seed, p.x_name, p.x, p.y_name, p.y, p.metric, p.value, p.unit
                );
            }
        }
    }
}
