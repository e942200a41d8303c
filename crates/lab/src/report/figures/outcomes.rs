//! What the verdicts say, as bars: time to recover, and what was read that was not so.

use super::sweeps::bars_alt;
use super::{Figure, Panel, modes, slug};
use crate::report::charts::{Bar, BarGroup, Bars, Chart};
use crate::report::data::{Spread, distinct, ending, label};
use crate::report::units::Unit;
use crate::results::{Contender, Mode, Outcome, Results, Verdict};

/// A count that a verdict may have.
type Count = fn(&Verdict) -> Option<u64>;

fn rows(results: &Results, experiment: &str, mode: Mode) -> Vec<(Contender, String)> {
    let own = results.verdicts.iter().filter(|verdict| verdict.experiment == experiment && verdict.mode == mode);
    distinct(own.map(|verdict| (verdict.contender, verdict.variant.clone())))
}

fn experiment_modes(results: &Results, experiment: &str) -> Vec<Mode> {
    modes(results.verdicts.iter().filter(|verdict| verdict.experiment == experiment).map(|verdict| verdict.mode))
}

/// Seconds to recovery; a run that was not back is longer than all that were, and open.
pub(super) fn recoveries(results: &Results, experiment: &str) -> Vec<Figure> {
    let panels = experiment_modes(results, experiment).into_iter().map(|mode| {
        let own: Vec<&Verdict> =
            results.verdicts.iter().filter(|one| one.experiment == experiment && one.mode == mode).collect();
        let predicted = Spread::of(own.iter().filter_map(|one| one.predicted_s)).map(|spread| spread.median);
        let longest = own.iter().filter_map(|one| one.recovery_s).chain(predicted).fold(1.0, f64::max);
        let bars = rows(results, experiment, mode).into_iter().map(|(contender, variant)| {
            let verdicts = results.verdicts_of(experiment, mode, contender, &variant);
            recovery(contender, &variant, &verdicts, longest * 1.3)
        });
        let line = predicted.map(|value| (value, format!("K/M = {}", Unit::Seconds.show(value))));
        let title = "Time to recovery; pale bars were not back when the run ended".to_owned();
        let groups = vec![BarGroup { title, unit: Unit::Seconds, bars: bars.collect(), line }];
        let alt = bars_alt(&groups);
        Panel { mode, chart: Chart::Bars(Bars { groups }), alt }
    });
    let caption = "The naive cache with one mitigation added at a time, and the mitigated cache with one taken away. A \
                   pale bar has no known end: the run was over first. K/M is the least time in which the backend can \
                   refill the keys that it takes.";
    let title = "Which mitigation matters";
    Figure::new(slug(&format!("{experiment} recovery")), title, caption, panels.collect()).into_iter().collect()
}

fn recovery(contender: Contender, variant: &str, verdicts: &[&Verdict], open_s: f64) -> Bar {
    let seconds = |verdict: &&Verdict| match verdict.outcome {
        Outcome::Steady => Some(0.0),
        Outcome::Recovered => verdict.recovery_s,
        Outcome::Down => Some(open_s),
        Outcome::Undisturbed | Outcome::Rejected | Outcome::Skipped => None,
    };
    let spread = Spread::of(verdicts.iter().filter_map(seconds));
    Bar {
        contender,
        label: label(contender, variant),
        value: spread.map(|spread| spread.median),
        range: spread.map(|spread| (spread.low, spread.high.min(open_s))),
        words: Some(ending(verdicts)),
        open: spread.is_some_and(|spread| spread.median >= open_s),
    }
}

/// Stale reads and keys that stay wrong.
pub(super) fn staleness(results: &Results, experiment: &str) -> Vec<Figure> {
    let panels = experiment_modes(results, experiment).into_iter().filter_map(|mode| {
        let counts: [(&str, Count); 2] = [
            ("Reads that lacked a write acknowledged before they were asked for", |verdict| verdict.stale_reads),
            ("Keys that were still wrong when everything had settled", |verdict| verdict.wrong_keys),
        ];
        let group = |(title, value): (&str, Count)| {
            let bars: Vec<Bar> = rows(results, experiment, mode)
                .into_iter()
                .map(|(contender, variant)| {
                    let verdicts = results.verdicts_of(experiment, mode, contender, &variant);
                    let spread = Spread::of(verdicts.iter().filter_map(|verdict| value(verdict)).map(|n| n as f64));
                    Bar {
                        contender,
                        label: label(contender, &variant),
                        value: spread.map(|spread| spread.median),
                        range: spread.map(|spread| (spread.low, spread.high)),
                        words: None,
                        open: false,
                    }
                })
                .collect();
            let is_measured = bars.iter().any(|bar| bar.value.is_some());
            is_measured.then(|| BarGroup { title: title.to_owned(), unit: Unit::Count, bars, line: None })
        };
        let groups: Vec<BarGroup> = counts.into_iter().filter_map(group).collect();
        let alt = bars_alt(&groups);
        (!groups.is_empty()).then_some(Panel { mode, chart: Chart::Bars(Bars { groups }), alt })
    });
    let caption = "Against an oracle of committed versions at the moment a read began. A zero was measured; what was \
                   not measured says so.";
    let title = "Stale reads and permanent inconsistencies";
    Figure::new(slug(&format!("{experiment} stale")), title, caption, panels.collect()).into_iter().collect()
}
