//! Goodput over time. What all contenders went through is one figure; variants of several contenders are one each, and
//! variants that only one contender has stand together.

use super::{Figure, Panel, modes, slug};
use crate::report::charts::{Chart, Strip, Strips};
use crate::report::data::{Spread, distinct, ending, is_twin, label};
use crate::report::units::Unit;
use crate::results::{Calibration, Contender, Mode, Results, Second};

/// What is special about a run, and who made it.
type Row = (Contender, String);

/// All timelines of an experiment.
pub(super) fn of(results: &Results, experiment: &str) -> Vec<Figure> {
    let lines: Vec<&Second> =
        results.timeline.iter().filter(|line| line.experiment == experiment && !is_twin(&line.variant)).collect();
    let mut rows: Vec<Row> = distinct(lines.iter().map(|line| (line.contender, line.variant.clone())));
    rows.sort();
    let (mut figures, mut alone) = (Vec::new(), Vec::new());
    for variant in distinct(rows.iter().map(|row| row.1.clone())) {
        let group: Vec<Row> = rows.iter().filter(|row| row.1 == variant).cloned().collect();
        if group.len() == 1 && !variant.is_empty() {
            alone.extend(group);
        } else {
            figures.extend(figure(results, experiment, &lines, &variant, &group));
        }
    }
    alone.sort();
    figures.extend((!alone.is_empty()).then(|| figure(results, experiment, &lines, "variants", &alone)).flatten());
    figures
}

fn figure(results: &Results, experiment: &str, lines: &[&Second], name: &str, rows: &[Row]) -> Option<Figure> {
    let of_rows = |line: &&&Second| rows.iter().any(|row| row.0 == line.contender && row.1 == line.variant);
    let panels = modes(lines.iter().filter(of_rows).map(|line| line.mode)).into_iter().map(|mode| {
        let strips: Vec<Strip> = rows.iter().map(|row| strip(results, experiment, mode, row, name, lines)).collect();
        let trigger = results
            .verdicts
            .iter()
            .filter(|one| one.experiment == experiment && one.mode == mode)
            .filter(|one| rows.iter().any(|row| row.0 == one.contender && row.1 == one.variant))
            .filter_map(|one| one.trigger_second)
            .reduce(f64::min);
        // The model's systems differ in size, so that each of its experiments may state its own; where it does not, it is
        // fed with the measured one.
        let known = || results.calibration.iter().filter(|line| line.name == "capacity");
        let states = |line: &&Calibration| mode != Mode::Sim || line.experiment == experiment;
        let capacity = known().filter(|line| line.mode == mode).find(states).or_else(|| known().next());
        let alt = alt(&strips, trigger);
        // The summary table and the view do not ask the backend.
        let asks = strips.iter().any(|strip| strip.contender < Contender::B1);
        let capacity = capacity.filter(|_| asks).map(|line| line.value);
        Panel { mode, chart: Chart::Strips(Strips { rows: strips, trigger, capacity }), alt }
    });
    let title = if name.is_empty() { "Goodput over time".to_owned() } else { format!("Goodput over time: {name}") };
    let caption = "One strip for each contender, all with the same axes. Filled: answered within the deadline and fresh \
                   enough. The space up to the dashed line was asked for and not answered well.";
    Figure::new(slug(&format!("{experiment} goodput {name}")), title, caption, panels.collect())
}

fn strip(results: &Results, experiment: &str, mode: Mode, row: &Row, name: &str, lines: &[&Second]) -> Strip {
    let (contender, variant) = (row.0, row.1.as_str());
    let own: Vec<&&Second> = lines
        .iter()
        .filter(|line| line.mode == mode && line.contender == contender && line.variant == variant)
        .collect();
    let mut seconds = distinct(own.iter().map(|line| line.second));
    seconds.sort_unstable();
    let spread_at = |second: u32, value: fn(&Second) -> u64| {
        Spread::of(own.iter().filter(|line| line.second == second).map(|line| value(line) as f64))
    };
    let good = seconds.iter().filter_map(|second| {
        let spread = spread_at(*second, |line| line.good)?;
        Some((f64::from(*second), spread.median, spread.low, spread.high))
    });
    let offered =
        seconds.iter().filter_map(|second| Some((f64::from(*second), spread_at(*second, |line| line.offered)?.median)));
    let verdicts = results.verdicts_of(experiment, mode, contender, variant);
    // A timeline without a verdict ended somehow, but nobody says how.
    let ending = if verdicts.is_empty() { String::new() } else { ending(&verdicts) };
    let shown = if name == variant { "" } else { variant };
    Strip { contender, label: label(contender, shown), good: good.collect(), offered: offered.collect(), ending }
}

fn alt(strips: &[Strip], trigger: Option<f64>) -> String {
    let row = |strip: &Strip| {
        let at = trigger.unwrap_or(0.0);
        let before = Spread::of(strip.good.iter().filter(|point| point.0 < at).map(|point| point.1));
        let after = Spread::of(strip.good.iter().filter(|point| point.0 >= at).map(|point| point.1));
        let mut parts = Vec::new();
        parts.extend(before.map(|spread| format!("{} before", Unit::PerSecond.show(spread.median))));
        parts.extend(after.map(|spread| format!("least {} after", Unit::PerSecond.show(spread.low))));
        if parts.is_empty() || !strip.ending.is_empty() {
            parts.push(strip.ending.clone());
        }
        format!("{}: {}", strip.label, parts.join(", "))
    };
    let rows: Vec<String> = strips.iter().map(row).collect();
    let when = trigger.map_or(String::new(), |second| format!(" disturbed at second {second:.0}"));
    format!("Goodput over time{when}. {}.", rows.join(". "))
}
