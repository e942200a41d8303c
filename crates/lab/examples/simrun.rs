//! Scratch.
#![allow(missing_docs)]
use monostable_lab::sim::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let scale = if args.iter().any(|a| a == "full") { Scale::Full } else { Scale::Quick };
    let points = args.iter().any(|a| a == "points");
    let mut cal = Calibration::default();
    if let Ok(n) = std::env::var("SMALL") { cal = Calibration { keys: 1_500, capacity: n.parse().unwrap(), workers: 1, skew: Skew::Zipf(0.99), ttl_s: 60.0, cache_share: 0.8, staleness_s: 2.0, view_read_s: 2e-6, summary_read_s: 12e-6, base_bytes: 34_000, ..cal }; }
    for e in args[1].split(',') {
        let t = std::time::Instant::now();
        let r = run(e, &cal, &std::env::var("SEED").map_or(vec![1], |s| vec![s.parse().unwrap()]), scale, &mut |_| {}).unwrap();
        println!("== {e} {:.1} s, {} seconds {} points {} latencies", t.elapsed().as_secs_f64(), r.timeline.len(), r.points.len(), r.latencies.len());
        for v in &r.verdicts {
            println!("{} {:<40} s{} {:?} ok={:?} rec={:?} pred={:.1?} lost={:.0?} att={:.2?} useful={:.3?} stale={:?} wrong={:?} rss={:?} wa={:?} | {} | {}", v.contender, v.variant, v.seed, v.outcome, v.as_expected, v.recovery_s, v.predicted_s, v.lost_requests, v.attempts_per_request, v.useful_work_share, v.stale_reads, v.wrong_keys, v.resident_bytes, v.write_amplification, v.expectation, v.note);
        }
        if points { for p in &r.points { println!("{} {:<20} s{} {}={} {}={} {}={:.4} {}", p.contender, p.variant, p.seed, p.x_name, p.x, p.y_name, p.y, p.metric, p.value, p.unit); } }
    }
}
