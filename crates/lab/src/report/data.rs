//! What several runs together say: the spread over seeds, how they ended, and what they are called.

use super::units::{NOT_MEASURED, Unit};
use crate::results::{Contender, Mode, Outcome, Results, Verdict};

/// A figure over several seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) count: usize,
}

impl Spread {
    /// Of nothing there is no spread.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut all: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        all.sort_by(f64::total_cmp);
        let (low, high) = (*all.first()?, *all.last()?);
        let (below, above) = (all[(all.len() - 1) / 2], all[all.len() / 2]);
        Some(Spread { median: (below + above) / 2.0, low, high, count: all.len() })
    }

    /// In words: the median, and the ends if they differ.
    pub(super) fn show(&self, unit: &Unit) -> String {
        let median = unit.show(self.median);
        if self.low < self.high {
            format!("{median} ({} to {})", unit.show(self.low), unit.show(self.high))
        } else {
            median
        }
    }
}

/// A spread or the words for its absence.
pub(super) fn spread(values: impl IntoIterator<Item = f64>, unit: &Unit) -> String {
    Spread::of(values).map_or_else(|| NOT_MEASURED.to_owned(), |spread| spread.show(unit))
}

/// Values in order of appearance, each once.
pub(super) fn distinct<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen: Vec<T> = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

/// A contender's name, with what is special about the run.
pub(super) fn label(contender: Contender, variant: &str) -> String {
    let title = contender.title();
    if variant.is_empty() { format!("{contender} {title}") } else { format!("{contender} {title}, {variant}") }
}

/// What a mode is called at the head of a chart.
pub(super) fn mode_title(mode: Mode) -> &'static str {
    match mode {
        Mode::Sim => "Model",
        Mode::Real => "Measured, in one process",
        Mode::Server => "Measured, Redis and PostgreSQL",
    }
}

/// What a mode is called in the name of a file.
pub(super) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Sim => "sim",
        Mode::Real => "real",
        Mode::Server => "server",
    }
}

/// How an undisturbed twin is marked in a variant; twins are in the files and not in the charts.
pub(super) fn is_twin(variant: &str) -> bool {
    variant.split_whitespace().next_back() == Some("twin")
}

/// How runs ended, in a few words.
pub(super) fn ending(verdicts: &[&Verdict]) -> String {
    let [first, ..] = verdicts else { return NOT_MEASURED.to_owned() };
    let seconds = verdicts
        .iter()
        .filter(|verdict| verdict.outcome == Outcome::Recovered)
        .filter_map(|verdict| verdict.recovery_s);
    let back = Spread::of(seconds).map_or(String::new(), |spread| format!(" after {}", shortly(&spread)));
    let one = |outcome: Outcome| match outcome {
        Outcome::Steady => "did not move".to_owned(),
        Outcome::Recovered => format!("back{back}"),
        Outcome::Down => "still down at the end".to_owned(),
        Outcome::Undisturbed => counts(verdicts),
        Outcome::Rejected => "rejected: the generator was the limit".to_owned(),
        Outcome::Skipped => NOT_MEASURED.to_owned(),
    };
    if verdicts.iter().all(|verdict| verdict.outcome == first.outcome) {
        return one(first.outcome);
    }
    let outcomes = distinct(verdicts.iter().map(|verdict| verdict.outcome));
    let count = |outcome: Outcome| verdicts.iter().filter(|verdict| verdict.outcome == outcome).count();
    let parts =
        outcomes.into_iter().map(|outcome| format!("{} of {} {}", count(outcome), verdicts.len(), one(outcome)));
    parts.collect::<Vec<_>>().join("; ")
}

/// What was counted in runs that nothing disturbed, in a few words.
fn counts(verdicts: &[&Verdict]) -> String {
    let own = || verdicts.iter().filter(|verdict| verdict.outcome == Outcome::Undisturbed);
    let stale = Spread::of(own().filter_map(|verdict| verdict.stale_reads).map(|count| count as f64));
    let wrong = Spread::of(own().filter_map(|verdict| verdict.wrong_keys).map(|count| count as f64));
    let known = [stale.map(|spread| counted(&spread, "stale read")), wrong.map(|spread| counted(&spread, "wrong key"))];
    let words: Vec<String> = known.into_iter().flatten().collect();
    if words.is_empty() { "nothing disturbed it".to_owned() } else { words.join(", ") }
}

fn counted(spread: &Spread, what: &str) -> String {
    let show = |value: f64| Unit::Count.show(value);
    match (spread.low, spread.high) {
        (_, 0.0) => format!("no {what}s"),
        (1.0, 1.0) => format!("1 {what}"),
        (low, high) if low < high => format!("{} to {} {what}s", show(low), show(high)),
        (low, _) => format!("{} {what}s", show(low)),
    }
}

fn shortly(spread: &Spread) -> String {
    let digits = |value: f64| if value >= 10.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    if spread.low < spread.high {
        format!("{} to {} s", digits(spread.low), digits(spread.high))
    } else {
        format!("{} s", digits(spread.median))
    }
}

impl Results {
    /// The verdicts of one contender in one experiment.
    pub(super) fn verdicts_of(
        &self,
        experiment: &str,
        mode: Mode,
        contender: Contender,
        variant: &str,
    ) -> Vec<&Verdict> {
        let of = |verdict: &&Verdict| {
            (verdict.experiment.as_str(), verdict.mode, verdict.contender, verdict.variant.as_str())
                == (experiment, mode, contender, variant)
        };
        self.verdicts.iter().filter(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_and_the_ends() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]).expect("four values");
        assert_eq!((spread.median, spread.low, spread.high, spread.count), (2.5, 1.0, 4.0, 4));
        assert_eq!(spread.show(&Unit::Count), "2.50 (1 to 4)");
        assert_eq!(Spread::of([f64::NAN]), None);
        assert_eq!(super::spread([], &Unit::Count), NOT_MEASURED);
    }

    #[test]
    fn twins_are_told_by_their_last_word() {
        assert!(is_twin("twin") && is_twin("page cache dropped twin") && !is_twin("twins") && !is_twin(""));
    }
}
