//! E6: fills race with invalidations, and some deletes are lost on the way. How many answers lack a write that had been
//! acknowledged before they were asked for, and which keys stay wrong?
//!
//! The witness is the oracle of committed versions. It counts every answer that lacks such a write, however recent; the
//! answers that are staler than the bound allows are a figure of their own.

use super::{Entrant, Progress, make, record, verdict};
use crate::real::bench::{Bench, Ran};
use crate::real::clock::SECOND;
use crate::real::error::Result;
use crate::results::{Contender, Key, Outcome, Point, Results};

/// Shares of deletes that never reach the cache.
const LOST: [f64; 3] = [0.0, 0.001, 0.01];
/// How long each run is: of the few deletes that a thousandth is, some must be lost.
const SECONDS: u64 = 24;
/// Share of requests that write.
const WRITE_SHARE: f64 = 0.05;
/// Offered load over the usual one. What writes make the caches miss is less than half of the backend's capacity:
/// all of the load must be carried, or it would be overload that is measured.
const LOAD: f64 = 0.8;

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    let contenders = [Contender::A1, Contender::A2, Contender::B1, Contender::V];
    let lost = if bench.scale.thorough { &LOST[..] } else { &LOST[2..] };
    for &seed in seeds {
        for &contender in &contenders {
            // Who has no cache has no deletes to lose.
            let cached = Entrant::new(contender, bench).cache.is_some();
            for &share in if cached { lost } else { &[0.0] } {
                one(bench, contender, share, seed, results, progress)?;
            }
        }
    }
    Ok(())
}

fn one(
    bench: &mut Bench,
    contender: Contender,
    lost_share: f64,
    seed: u64,
    results: &mut Results,
    progress: Progress<'_>,
) -> Result<()> {
    let entrant = Entrant::new(contender, bench);
    let cached = entrant.cache.is_some();
    let name = if cached { format!("{:.1} % of deletes lost", lost_share * 100.0) } else { String::new() };
    let policy = entrant.policy.clone();
    let entrant = entrant.variant(name, policy);
    let key = entrant.key("E6", seed, bench);
    let mut load = bench.load(LOAD * bench.rate(), seed);
    load.write_shares = vec![WRITE_SHARE];
    load.duration = if bench.scale.thorough { SECONDS } else { bench.scale.seconds.0 + 1 } * SECOND;
    let mut plan = entrant.plan(load);
    plan.lost_share = lost_share;
    let ran = make(bench, &plan, &key, "with writes", progress)?;
    judge(bench, &key, lost_share, &ran, results);
    record(results, &key, &ran, bench.scale.seconds.0)
}

fn judge(bench: &Bench, key: &Key, lost_share: f64, ran: &Ran, results: &mut Results) {
    let cached = matches!(key.contender, Contender::A1 | Contender::A2);
    let mut found = verdict(key, ran, bench);
    let (expectation, seen) = match (cached, lost_share > 0.0) {
        (false, _) => ("no stale read: what is read is what was committed", ran.record.strictly_stale == 0),
        (true, true) => (
            "stale reads and wrong keys: a delete that is lost is never repaired before the entry expires",
            ran.record.strictly_stale > 0 && ran.wrong_keys > 0,
        ),
        (true, false) => {
            ("no wrong keys: what is stale between a commit and its delete does not stay so", ran.wrong_keys == 0)
        }
    };
    found.expectation = expectation.to_owned();
    if found.outcome != Outcome::Rejected {
        found.as_expected = Some(seen);
    }
    let reads: u64 = ran.record.offers().iter().sum::<u64>().saturating_sub(ran.writes);
    found.note += &format!("; {reads} reads, {} writes; {} staler than the bound", ran.writes, ran.record.stale());
    let x = ("lost_delete_share", lost_share);
    let mut say = |metric, value: u64| {
        results.points.push(Point::new(key, x, ("", 0.0), metric, value as f64, "1"));
    };
    say("stale_reads", ran.record.strictly_stale);
    say("stale_beyond_bound", ran.record.stale());
    say("wrong_keys", ran.wrong_keys);
    results.verdicts.push(found);
}
