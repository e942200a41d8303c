//! The verdicts as a table of plain text.

use super::data::{distinct, ending, is_twin, label, mode_name, spread};
use super::tables::held;
use super::units::Unit;
use crate::results::{Contender, Mode, Results};

const HEAD: [&str; 7] = ["", "mode", "contender", "seen", "K/M", "lost", "expected"];

/// The whole summary.
pub(super) fn summary(results: &Results) -> String {
    let rows = rows(results);
    if rows.is_empty() {
        return "no verdicts: nothing was run that has one\n".to_owned();
    }
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).chain([HEAD[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |cells: &[String; 7]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(&HEAD.map(str::to_owned));
    let mut before = String::new();
    for row in &rows {
        if row[0] != before && !before.is_empty() {
            text.push('\n');
        }
        before.clone_from(&row[0]);
        text += &line(row);
    }
    text.push('\n');
    text + &tally(results)
}

fn rows(results: &Results) -> Vec<[String; 7]> {
    type Key<'a> = (&'a str, Mode, Contender, &'a str);
    let all = results.verdicts.iter().filter(|one| !is_twin(&one.variant));
    let keys: Vec<Key<'_>> =
        distinct(all.map(|one| (one.experiment.as_str(), one.mode, one.contender, one.variant.as_str())));
    let row = |(experiment, mode, contender, variant): Key<'_>| {
        let verdicts = results.verdicts_of(experiment, mode, contender, variant);
        let predicted: Vec<f64> = verdicts.iter().filter_map(|one| one.predicted_s).collect();
        let lost = verdicts.iter().filter_map(|one| one.lost_requests.map(f64::round));
        [
            experiment.to_owned(),
            mode_name(mode).to_owned(),
            label(contender, variant),
            ending(&verdicts),
            if predicted.is_empty() { "-".to_owned() } else { spread(predicted, &Unit::Seconds) },
            spread(lost, &Unit::Count),
            held(&verdicts),
        ]
    };
    keys.into_iter().map(row).collect()
}

/// How many expectations held, in a sentence.
pub(super) fn tally(results: &Results) -> String {
    let known: Vec<bool> = results.verdicts.iter().filter_map(|one| one.as_expected).collect();
    let open = results.verdicts.len() - known.len();
    let yes = known.iter().filter(|held| **held).count();
    let open = match open {
        0 => String::new(),
        1 => ", 1 run had none".to_owned(),
        open => format!(", {open} runs had none"),
    };
    format!("{yes} of {} expectations held{open}\n", known.len())
}
