//! The tables of the report: the model against the measurement, expectations, the spread over seeds, and every setting.
//!
//! On a phone each row becomes a card, which is why every cell knows the name of its column.

use super::data::{Spread, distinct, ending, is_twin, label, mode_title, spread};
use super::svg::escaped;
use super::units::{NOT_MEASURED, Unit, shown};
use crate::results::{Contender, Mode, Outcome, Results, Run, Verdict};

/// Rows under a head.
#[derive(Debug)]
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(head: &[&'static str]) -> Table {
        Table { head: head.to_vec(), rows: Vec::new() }
    }

    /// Whether there is anything to show.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as HTML.
    pub(super) fn html(&self, caption: &str) -> String {
        let mut text = format!("<table><caption>{}</caption><thead><tr>", escaped(caption));
        for name in &self.head {
            text += &format!("<th scope=\"col\">{}</th>", escaped(name));
        }
        text += "</tr></thead><tbody>\n";
        for row in &self.rows {
            text += "<tr>";
            for (index, (name, cell)) in self.head.iter().zip(row).enumerate() {
                let tag = if index == 0 { "th scope=\"row\"" } else { "td" };
                let end = if index == 0 { "th" } else { "td" };
                let class = if cell == NOT_MEASURED { " class=\"none\"" } else { "" };
                text += &format!("<{tag}{class} data-label=\"{}\">{}</{end}>", escaped(name), escaped(cell));
            }
            text += "</tr>\n";
        }
        text + "</tbody></table>\n"
    }
}

/// A run's place in the tables: experiment, contender, variant.
type Row<'a> = (&'a str, Contender, &'a str);

fn rows(results: &Results) -> Vec<Row<'_>> {
    let all = results.verdicts.iter().filter(|one| !is_twin(&one.variant));
    let mut rows = distinct(all.map(|one| (one.experiment.as_str(), one.contender, one.variant.as_str())));
    rows.sort_by_key(|(experiment, contender, variant)| (number(experiment), *contender, *variant));
    rows
}

/// So that E10 comes after E9.
fn number(experiment: &str) -> u32 {
    experiment.trim_start_matches('E').parse().unwrap_or(u32::MAX)
}

/// Recovery in the model and in the measurement side by side.
pub(super) fn recoveries(results: &Results) -> Table {
    let mut table = Table::new(&[
        "contender",
        "experiment",
        "predicted, model",
        "model",
        "predicted, measured",
        "measured",
        "measured over predicted",
    ]);
    for (experiment, contender, variant) in rows(results) {
        let of = |mode: Mode| results.verdicts_of(experiment, mode, contender, variant);
        let sim = of(Mode::Sim);
        let real: Vec<&Verdict> = of(Mode::Real).into_iter().chain(of(Mode::Server)).collect();
        if sim.iter().chain(&real).all(|one| one.trigger_second.is_none() && one.recovery_s.is_none()) {
            continue;
        }
        table.rows.push(vec![
            label(contender, variant),
            experiment.to_owned(),
            predicted(&sim),
            ending(&sim),
            predicted(&real),
            ending(&real),
            ratio(&real),
        ]);
    }
    table
}

fn predicted(verdicts: &[&Verdict]) -> String {
    if verdicts.is_empty() {
        return NOT_MEASURED.to_owned();
    }
    let known = verdicts.iter().filter_map(|one| one.predicted_s);
    Spread::of(known).map_or_else(|| "nothing to refill".to_owned(), |spread| spread.show(&Unit::Seconds))
}

fn ratio(verdicts: &[&Verdict]) -> String {
    let ratios =
        verdicts.iter().filter_map(|one| Some(one.recovery_s? / one.predicted_s.filter(|least| *least > 0.0)?));
    match Spread::of(ratios) {
        Some(spread) => spread.show(&Unit::Count),
        None if verdicts.iter().any(|one| one.outcome == Outcome::Down) => "never within the run".to_owned(),
        None if verdicts.is_empty() => NOT_MEASURED.to_owned(),
        None => "nothing to compare".to_owned(),
    }
}

/// What was expected of an experiment's runs, and what was seen.
pub(super) fn expectations(results: &Results, experiment: &str) -> Table {
    let mut table = Table::new(&["contender", "mode", "expected", "seen", "as expected", "remarks"]);
    for (_, contender, variant) in rows(results).into_iter().filter(|row| row.0 == experiment) {
        for mode in [Mode::Sim, Mode::Real, Mode::Server] {
            let verdicts = results.verdicts_of(experiment, mode, contender, variant);
            let Some(first) = verdicts.first() else { continue };
            table.rows.push(vec![
                label(contender, variant),
                mode_title(mode).to_owned(),
                first.expectation.clone(),
                ending(&verdicts),
                held(&verdicts),
                first.note.clone(),
            ]);
        }
    }
    table
}

/// Whether expectations held, in a word.
pub(super) fn held(verdicts: &[&Verdict]) -> String {
    let known: Vec<bool> = verdicts.iter().filter_map(|one| one.as_expected).collect();
    let yes = known.iter().filter(|held| **held).count();
    match known.len() {
        0 => "open".to_owned(),
        all if yes == all => "yes".to_owned(),
        _ if yes == 0 => "NO".to_owned(),
        all => format!("NO: in {yes} of {all} seeds"),
    }
}

/// The figures of an experiment's runs besides recovery.
pub(super) fn figures(results: &Results, experiment: &str) -> Table {
    let head = [
        "contender",
        "mode",
        "requests lost",
        "attempts for each request",
        "useful backend queries",
        "stale reads",
        "wrong keys",
        "resident memory",
        "bytes written per logical byte",
    ];
    let mut table = Table::new(&head);
    for (_, contender, variant) in rows(results).into_iter().filter(|row| row.0 == experiment) {
        for mode in [Mode::Sim, Mode::Real, Mode::Server] {
            let verdicts = results.verdicts_of(experiment, mode, contender, variant);
            if verdicts.is_empty() {
                continue;
            }
            let of = |value: fn(&Verdict) -> Option<f64>, unit: Unit| {
                spread(verdicts.iter().filter_map(|one| value(one)), &unit)
            };
            table.rows.push(vec![
                label(contender, variant),
                mode_title(mode).to_owned(),
                of(|one| one.lost_requests.map(f64::round), Unit::Count),
                of(|one| one.attempts_per_request, Unit::Count),
                of(|one| one.useful_work_share, Unit::Share),
                of(|one| one.stale_reads.map(|count| count as f64), Unit::Count),
                of(|one| one.wrong_keys.map(|count| count as f64), Unit::Count),
                of(|one| one.resident_bytes.map(|bytes| bytes as f64), Unit::Bytes),
                of(|one| one.write_amplification, Unit::Count),
            ]);
        }
    }
    table
}

/// How far runs with different seeds lie apart; only those that were made more than once.
pub(super) fn seeds(results: &Results) -> Table {
    let mut table =
        Table::new(&["contender", "experiment", "mode", "seeds", "back or unmoved", "recovery", "requests lost"]);
    for (experiment, contender, variant) in rows(results) {
        for mode in [Mode::Sim, Mode::Real, Mode::Server] {
            let verdicts = results.verdicts_of(experiment, mode, contender, variant);
            let is_judged =
                |one: &&&Verdict| matches!(one.outcome, Outcome::Steady | Outcome::Recovered | Outcome::Down);
            let counted: Vec<&&Verdict> = verdicts.iter().filter(is_judged).collect();
            if distinct(verdicts.iter().map(|one| one.seed)).len() < 2 || counted.is_empty() {
                continue;
            }
            let back = counted.iter().filter(|one| one.outcome != Outcome::Down).count();
            table.rows.push(vec![
                label(contender, variant),
                experiment.to_owned(),
                mode_title(mode).to_owned(),
                verdicts.len().to_string(),
                format!("{back} of {}", counted.len()),
                recovery_spread(&counted),
                spread(counted.iter().filter_map(|one| one.lost_requests.map(f64::round)), &Unit::Count),
            ]);
        }
    }
    table
}

fn recovery_spread(verdicts: &[&&Verdict]) -> String {
    match Spread::of(verdicts.iter().filter_map(|one| one.recovery_s)) {
        Some(spread) => spread.show(&Unit::Seconds),
        None if verdicts.iter().all(|one| one.outcome == Outcome::Steady) => "did not move".to_owned(),
        None if verdicts.iter().all(|one| one.outcome == Outcome::Down) => "still down at the end".to_owned(),
        None => NOT_MEASURED.to_owned(),
    }
}

/// What the model was fed with.
pub(super) fn calibration(results: &Results) -> Table {
    let mut table = Table::new(&["figure", "contender", "mode", "value"]);
    for line in &results.calibration {
        let (unit, factor) = Unit::of(&line.unit, &line.name);
        table.rows.push(vec![
            line.name.replace('_', " "),
            label(line.contender, &line.variant),
            mode_title(line.mode).to_owned(),
            unit.show(line.value * factor),
        ]);
    }
    table
}

/// Every setting: one row for each value, with all contenders that have it.
pub(super) fn settings(run: &Run) -> Table {
    let mut table = Table::new(&["setting", "value", "contenders"]);
    for (name, value) in distinct(run.settings.iter().map(|line| (line.1.as_str(), line.2.as_str()))) {
        let who = run.settings.iter().filter(|line| line.1 == name && line.2 == value);
        let who: Vec<&str> = who.map(|line| if line.0.is_empty() { "all" } else { line.0.as_str() }).collect();
        table.rows.push(vec![name.to_owned(), value.to_owned(), who.join(", ")]);
    }
    table
}

/// The run and the machine it ran on.
pub(super) fn run(run: &Run) -> Table {
    let mut table = Table::new(&["what", "value"]);
    let known = |text: &str| if text.is_empty() { NOT_MEASURED.to_owned() } else { text.to_owned() };
    let seeds: Vec<String> = run.seeds.iter().map(u64::to_string).collect();
    table.rows = vec![
        vec!["version".into(), known(&run.version)],
        vec!["began".into(), known(&run.started)],
        vec!["took".into(), shown((run.seconds > 0.0).then_some(run.seconds), &Unit::Seconds)],
        vec!["seeds".into(), known(&seeds.join(", "))],
    ];
    if run.machine.is_empty() {
        table.rows.push(vec!["machine".into(), NOT_MEASURED.into()]);
    }
    table.rows.extend(run.machine.iter().map(|(name, value)| vec![name.clone(), value.clone()]));
    table
}
