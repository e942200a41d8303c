//! E1: what lives in memory only is lost, under ten times the load that the backend can do alone.
//!
//! A cache is flushed. The summary table and the view have nothing to flush; what they lose is everything their process
//! holds, and they are opened again from disk in the middle of the load. A3 reads its file again.

use super::{Entrant, Progress, recovered, verdict};
use crate::real::bench::{Action, Bench, Plan, Ran};
use crate::real::clock::SECOND;
use crate::real::error::Result;
use crate::results::{Contender, Key, Outcome, Results};

/// Who, and what is expected of them: the name, the end, and why.
fn entrants(bench: &Bench) -> Vec<(Entrant, Outcome, Action, &'static str)> {
    let new = |contender| Entrant::new(contender, bench);
    let naive = new(Contender::A1);
    let mut late = naive.policy.clone();
    late.fill_late = true;
    let all = vec![
        (
            naive.clone(),
            Outcome::Down,
            Action::Flush,
            "stays down: late pages are lost, and the queue never gets shorter",
        ),
        (naive.variant("late pages fill", late), Outcome::Recovered, Action::Flush, "comes back, after more than K/M"),
        (new(Contender::A2), Outcome::Recovered, Action::Flush, "comes back after one to three times K/M"),
        (new(Contender::A3), Outcome::Steady, Action::Restart, "comes back with its file, at once"),
        (
            new(Contender::A3).variant("flushed", new(Contender::A3).policy),
            Outcome::Recovered,
            Action::Flush,
            "whoever flushes it loses what it persisted, and it refills like the mitigated cache",
        ),
        (new(Contender::B1), Outcome::Steady, Action::Restart, "does not move: there is nothing to refill"),
        (new(Contender::V), Outcome::Steady, Action::Restart, "does not move: there is nothing to refill"),
    ];
    let short = |(entrant, ..): &(Entrant, Outcome, Action, &str)| {
        entrant.variant.is_empty() && entrant.contender != Contender::A3
    };
    let available =
        |(entrant, ..): &(Entrant, Outcome, Action, &str)| !(bench.uses_servers() && entrant.contender == Contender::V);
    all.into_iter().filter(|one| (bench.scale.twins || short(one)) && available(one)).collect()
}

pub(super) fn run(bench: &mut Bench, seeds: &[u64], results: &mut Results, progress: Progress<'_>) -> Result<()> {
    for &seed in seeds {
        for (entrant, expected, action, why) in entrants(bench) {
            let key = entrant.key("E1", seed, bench);
            let trigger = bench.scale.seconds.0;
            let mut plan = entrant.plan(bench.load(bench.rate(), seed));
            let twin = if bench.scale.twins { Some(one(bench, &plan, &key, "twin", progress)?) } else { None };
            plan.actions = vec![(trigger * SECOND, action)];
            let ran = one(bench, &plan, &key, "flush", progress)?;
            let mut found = verdict(&key, &ran, bench);
            recovered(&mut found, &ran, twin.as_ref(), trigger);
            found.expectation = why.to_owned();
            let quiet = found.recovery_s.is_none_or(|seconds| seconds <= 2.0);
            found.as_expected = (found.outcome != Outcome::Rejected).then(|| match expected {
                Outcome::Steady => found.outcome != Outcome::Down && quiet,
                other => found.outcome == other,
            });
            if entrant.cache.is_some() {
                found.predicted_s = Some(bench.refill_seconds(bench.rate()));
            }
            if let Some(share) = ran.record.hit_share(1..trigger as usize) {
                found.note += &format!("; hit share before {share:.3}");
            }
            record(results, &key, &ran, trigger)?;
            results.verdicts.push(found);
        }
    }
    Ok(())
}

/// Adds the timeline and the latencies before, during (the five seconds after the disturbance) and after.
pub(super) fn record(results: &mut Results, key: &Key, ran: &Ran, trigger: u64) -> Result<()> {
    let trigger = trigger as usize;
    results.timeline.extend(ran.record.lines(key));
    results.latencies.extend(ran.record.latencies(key, "before", 1..trigger)?);
    results.latencies.extend(ran.record.latencies(key, "during", trigger..trigger + 5)?);
    results.latencies.extend(ran.record.latencies(key, "after", trigger + 5..usize::MAX)?);
    let settings = results.run.get_or_insert_default();
    let name = key.contender.to_string();
    for (setting, value) in &ran.settings {
        let line = (name.clone(), setting.clone(), value.clone());
        if !settings.settings.contains(&line) {
            settings.settings.push(line);
        }
    }
    Ok(())
}

fn one(bench: &mut Bench, plan: &Plan, key: &Key, what: &str, progress: Progress<'_>) -> Result<Ran> {
    let seconds = plan.load.duration / SECOND;
    let name = format!("{} {} {} {what}, seed {}", key.experiment, key.contender, key.variant, key.seed);
    bench.run(plan, &mut |second| progress(&format!("{name}: {second} of {seconds} s")))
}
