//! What each contender costs: memory, processor time, bytes written, time to build.
//!
//! The figures come from the experiment of costs where there is one, from the verdicts of the first experiment that has
//! them otherwise, and from the calibration.

use super::sweeps::bars_alt;
use super::{Figure, Panel, modes};
use crate::report::charts::{Bar, BarGroup, Bars, Chart};
use crate::report::data::{Spread, distinct, label};
use crate::report::units::{Unit, words};
use crate::results::{Contender, Mode, Point, Results, Verdict};

/// A figure that every verdict may have.
type Cost = fn(&Verdict) -> Option<f64>;

const COSTS: [(&str, Unit, Cost); 4] = [
    ("Resident memory at the end", Unit::Bytes, |one| one.resident_bytes.map(|bytes| bytes as f64)),
    ("Page cache at the end, of the whole machine", Unit::Bytes, |one| one.page_cache_bytes.map(|bytes| bytes as f64)),
    ("Bytes written for each logical byte changed", Unit::Count, |one| one.write_amplification),
    ("Attempts for each request", Unit::Count, |one| one.attempts_per_request),
];

/// The figure, if anything is known.
pub(super) fn of(results: &Results) -> Option<Figure> {
    let all = results.points.iter().filter(|point| point.experiment == "E10").map(|point| point.mode);
    let all = all.chain(results.verdicts.iter().map(|one| one.mode));
    let all = all.chain(results.calibration.iter().map(|line| line.mode));
    let panels = modes(all).into_iter().filter_map(|mode| {
        let mut groups = points(results, mode);
        groups.extend(builds(results, mode));
        groups.extend(verdicts(results, mode));
        let alt = bars_alt(&groups);
        (!groups.is_empty()).then_some(Panel { mode, chart: Chart::Bars(Bars { groups }), alt })
    });
    let caption = "Bars are medians, over the map where the figure has one; whiskers reach from the lowest to the \
                   highest. Shorter is cheaper unless the title says otherwise. Keeping views complete is paid for in \
                   build time, memory and bytes written.";
    Figure::new("e10-cost".to_owned(), "What it costs", caption, panels.collect())
}

fn group(title: String, unit: Unit, values: &[(Contender, f64)]) -> Option<BarGroup> {
    let mut contenders = distinct(values.iter().map(|value| value.0));
    contenders.sort();
    let bar = |contender: Contender| {
        let spread = Spread::of(values.iter().filter(|value| value.0 == contender).map(|value| value.1));
        Bar {
            contender,
            label: label(contender, ""),
            value: spread.map(|spread| spread.median),
            range: spread.map(|spread| (spread.low, spread.high)),
            words: None,
            open: false,
        }
    };
    let bars: Vec<Bar> = contenders.into_iter().map(bar).collect();
    (!bars.is_empty()).then_some(BarGroup { title, unit, bars, line: None })
}

fn points(results: &Results, mode: Mode) -> Vec<BarGroup> {
    let own: Vec<&Point> =
        results.points.iter().filter(|point| point.experiment == "E10" && point.mode == mode).collect();
    let metrics = distinct(own.iter().map(|point| point.metric.as_str()));
    let of = |metric: &str| {
        let own = own.iter().filter(|point| point.metric == metric);
        let unit = own.clone().next().map_or(Unit::Count, |point| Unit::of(&point.unit, metric).0);
        let values: Vec<(Contender, f64)> =
            own.map(|point| (point.contender, point.value * Unit::of(&point.unit, metric).1)).collect();
        let title = words(metric);
        let mut chars = title.chars();
        let title = chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect());
        group(title, unit, &values)
    };
    metrics.into_iter().filter_map(of).collect()
}

fn builds(results: &Results, mode: Mode) -> Option<BarGroup> {
    let own = results.calibration.iter().filter(|line| line.mode == mode && line.name == "build_seconds");
    let values: Vec<(Contender, f64)> = own.map(|line| (line.contender, line.value)).collect();
    group("Time to load the data and build".to_owned(), Unit::Seconds, &values)
}

fn verdicts(results: &Results, mode: Mode) -> Vec<BarGroup> {
    let own: Vec<&Verdict> = results.verdicts.iter().filter(|one| one.mode == mode && one.variant.is_empty()).collect();
    let of = |(title, unit, cost): &(&str, Unit, Cost)| {
        let has = |experiment: &&str| own.iter().any(|one| one.experiment == *experiment && cost(one).is_some());
        let experiment = ["E10", "E1"].into_iter().find(has)?;
        let from = own.iter().filter(|one| one.experiment == experiment);
        let values: Vec<(Contender, f64)> = from.filter_map(|one| Some((one.contender, cost(one)?))).collect();
        group(format!("{title} (in {experiment})"), unit.clone(), &values)
    };
    COSTS.iter().filter_map(of).collect()
}
