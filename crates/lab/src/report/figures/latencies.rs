//! Latency percentiles before, during and after a disturbance.

use super::{Figure, Panel, modes, slug};
use crate::report::charts::{Chart, Range, RangeRow, Ranges};
use crate::report::data::{Spread, distinct, label};
use crate::report::units::Unit;
use crate::results::{Contender, Latency, Results};

/// The clients' deadline, the same for all.
const DEADLINE_S: f64 = 1.0;
/// More rows than this are not read; variants are left out first.
const ROWS_MAX: usize = 9;
const PHASES: [&str; 4] = ["before", "during", "after", "steady"];

/// The figure of an experiment, if it has latencies.
pub(super) fn of(results: &Results, experiment: &str) -> Option<Figure> {
    let lines: Vec<&Latency> = results.latencies.iter().filter(|line| line.experiment == experiment).collect();
    let panels = modes(lines.iter().map(|line| line.mode)).into_iter().map(|mode| {
        let own: Vec<&Latency> = lines.iter().filter(|line| line.mode == mode).copied().collect();
        let rows = rows(&own);
        let alt = alt(&rows);
        Panel { mode, chart: Chart::Ranges(Ranges { rows, deadline: Some(DEADLINE_S) }), alt }
    });
    let caption = "Only answered requests have a latency: a contender that refuses or loses most of them can look fast \
                   here. Read it together with goodput. Medians over seeds.";
    let title = "Latency before, during and after";
    Figure::new(slug(&format!("{experiment} latency")), title, caption, panels.collect())
}

fn rows(lines: &[&Latency]) -> Vec<RangeRow> {
    let mut who: Vec<(Contender, &str)> = distinct(lines.iter().map(|line| (line.contender, line.variant.as_str())));
    who.sort();
    if who.len() > ROWS_MAX && who.iter().any(|(_, variant)| variant.is_empty()) {
        who.retain(|(_, variant)| variant.is_empty());
    }
    let row = |(contender, variant): (Contender, &str)| {
        let own: Vec<&&Latency> =
            lines.iter().filter(|line| line.contender == contender && line.variant == variant).collect();
        let known = PHASES.into_iter().filter(|phase| lines.iter().any(|line| line.phase == *phase));
        let phases = known.map(|phase| range(&own, phase)).collect();
        RangeRow { contender, label: label(contender, variant), phases }
    };
    who.into_iter().map(row).collect()
}

fn range(lines: &[&&Latency], phase: &str) -> Range {
    let own: Vec<&&&Latency> = lines.iter().filter(|line| line.phase == phase).collect();
    let mut percentiles = distinct(own.iter().map(|line| line.percentile));
    percentiles.sort_by(f64::total_cmp);
    let points = percentiles.into_iter().filter_map(|percentile| {
        let values = own.iter().filter(|line| line.percentile == percentile).map(|line| line.us * 1e-6);
        Some((percentile, Spread::of(values)?.median))
    });
    Range { phase: phase.to_owned(), points: points.collect() }
}

fn alt(rows: &[RangeRow]) -> String {
    let phase = |range: &Range| {
        let at = |percentile: f64| range.points.iter().find(|point| point.0 == percentile).map(|point| point.1);
        let shown = |value: Option<f64>| crate::report::units::shown(value, &Unit::Seconds);
        format!("{} median {}, 99 % {}", range.phase, shown(at(50.0)), shown(at(99.0)))
    };
    let row =
        |row: &RangeRow| format!("{}: {}", row.label, row.phases.iter().map(phase).collect::<Vec<_>>().join("; "));
    format!("Latency percentiles. {}.", rows.iter().map(row).collect::<Vec<_>>().join(". "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Mode;

    #[test]
    fn a_phase_without_answers_is_said_to_be_missing() {
        let line = |contender, phase: &str| Latency {
            experiment: "E1".into(),
            mode: Mode::Real,
            contender,
            variant: String::new(),
            seed: 1,
            phase: phase.into(),
            percentile: 50.0,
            us: 250.0,
        };
        let latencies = vec![line(Contender::A1, "before"), line(Contender::V, "before"), line(Contender::V, "during")];
        let figure = of(&Results { latencies, ..Results::default() }, "E1").expect("a figure");
        assert!(
            figure.panels[0]
                .alt
                .contains("A1 naive cache: before median 250 µs, 99 % not measured; during median not measured")
        );
    }
}
