//! Figures over one variable as lines, and single figures as bars.

use super::{Figure, Panel, maps, modes, slug};
use crate::report::charts::{Axis, Bar, BarGroup, Bars, Chart, Facet, Lines, Series};
use crate::report::data::{Spread, distinct, label};
use crate::report::units::{Unit, brief, words};
use crate::results::{Contender, Point, Results};

/// More lines than this in one frame cannot be told apart.
const SERIES_MAX: usize = 6;

/// All figures of an experiment's points that are not maps.
pub(super) fn of(results: &Results, experiment: &str) -> Vec<Figure> {
    // What the verdicts say too has bars of its own.
    let is_said = |point: &Point| experiment == "E6" && matches!(point.metric.as_str(), "stale_reads" | "wrong_keys");
    let is_own = |point: &&Point| point.experiment == experiment && !maps::is_mapped(results, point) && !is_said(point);
    let points: Vec<&Point> = results.points.iter().filter(is_own).collect();
    let mut figures = Vec::new();
    let mut single = Vec::new();
    for (metric, x_name) in distinct(points.iter().map(|point| (point.metric.as_str(), point.x_name.as_str()))) {
        let own: Vec<&Point> =
            points.iter().filter(|point| point.metric == metric && point.x_name == x_name).copied().collect();
        if has_lines(&own) {
            figures.extend(lines(experiment, metric, x_name, &own));
        } else {
            single.extend(own);
        }
    }
    figures.extend(bars(experiment, &single));
    figures
}

/// Whether any contender has a figure at more than one place.
fn has_lines(points: &[&Point]) -> bool {
    let places = distinct(points.iter().map(|point| (point.contender, point.mode, point.variant.as_str(), point.x)));
    let lines = distinct(places.iter().map(|place| (place.0, place.1, place.2)));
    places.len() > lines.len()
}

/// What tells bars apart: where a figure was taken too, if not all were taken at the same place and nothing else says it.
fn place(point: &Point, points: &[&Point]) -> String {
    let is_other = |other: &&Point| other.metric == point.metric && other.x != point.x;
    let detail = detail(point);
    if !detail.is_empty() || point.x == 0.0 || !points.iter().any(is_other) {
        return detail;
    }
    format!("at {} {}", brief(&point.x_name), Unit::of("1", &point.x_name).0.show(point.x))
}

/// What tells lines of one contender apart.
fn detail(point: &Point) -> String {
    let y = if point.y_name.is_empty() {
        String::new()
    } else {
        format!("{} {}", words(&point.y_name), Unit::of("1", &point.y_name).0.show(point.y))
    };
    match (point.variant.is_empty(), y.is_empty()) {
        (_, true) => point.variant.clone(),
        (true, false) => y,
        (false, false) => format!("{}, {y}", point.variant),
    }
}

fn lines(experiment: &str, metric: &str, x_name: &str, points: &[&Point]) -> Option<Figure> {
    let unit = points.first().map_or(Unit::Count, |point| Unit::of(&point.unit, metric).0);
    let panels = modes(points.iter().map(|point| point.mode)).into_iter().map(|mode| {
        let own: Vec<&Point> = points.iter().filter(|point| point.mode == mode).copied().collect();
        let facets = facets(&own);
        let alt = alt(metric, x_name, &facets, &unit);
        let x = Axis { title: words(x_name), unit: Unit::of("1", x_name).0 };
        let y = Axis { title: words(metric), unit: unit.clone() };
        Panel { mode, chart: Chart::Lines(Lines { x, y, facets }), alt }
    });
    let caption = if experiment == "E2" {
        "Two branches that differ at the same load are two stable states: which one a system is in depends on its past. \
         Full points: load going up. Hollow points: load coming down after the flush. Where both lie on each other there \
         is one state."
    } else {
        "Lines are medians over seeds, bands reach from the lowest to the highest seed."
    };
    let title = format!("{}, over {}", capital(&words(metric)), brief(x_name));
    Figure::new(slug(&format!("{experiment} {metric} {x_name}")), title, caption, panels.collect())
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

fn facets(points: &[&Point]) -> Vec<Facet> {
    let mut contenders = distinct(points.iter().map(|point| point.contender));
    contenders.sort();
    let all: Vec<Series> = contenders.iter().flat_map(|contender| series(points, *contender)).collect();
    if all.len() <= SERIES_MAX && all.len() == contenders.len() {
        return vec![Facet { title: String::new(), series: all }];
    }
    let facet = |contender: &Contender| Facet { title: label(*contender, ""), series: series(points, *contender) };
    contenders.iter().map(facet).collect()
}

fn series(points: &[&Point], contender: Contender) -> Vec<Series> {
    let own: Vec<&&Point> = points.iter().filter(|point| point.contender == contender).collect();
    let details = distinct(own.iter().map(|point| detail(point)));
    let named = |(index, detail): (usize, &String)| {
        let of: Vec<&&&Point> = own.iter().filter(|point| super::sweeps::detail(point) == *detail).collect();
        let mut places = distinct(of.iter().map(|point| point.x));
        places.sort_by(f64::total_cmp);
        let points = places.into_iter().filter_map(|x| {
            let value = |point: &&&&Point| point.value * Unit::of(&point.unit, &point.metric).1;
            let spread = Spread::of(of.iter().filter(|point| point.x == x).map(value))?;
            Some((x, spread.median, spread.low, spread.high))
        });
        let dashed =
            if details.len() == 2 { is_return(detail) || index == 1 && !is_return(&details[0]) } else { false };
        let rank = (details.len() > 2).then_some(index);
        let name = label(contender, detail);
        Series { contender, name, detail: detail.clone(), rank, dashed, points: points.collect() }
    };
    details.iter().enumerate().map(named).collect()
}

/// Whether a line is the way back of a hysteresis.
fn is_return(detail: &str) -> bool {
    detail.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case("down"))
}

fn alt(metric: &str, x_name: &str, facets: &[Facet], unit: &Unit) -> String {
    let line = |series: &Series| match (series.points.first(), series.points.last()) {
        (Some(first), Some(last)) => format!(
            "{}: {} at {}, {} at {}",
            series.name,
            unit.show(first.1),
            Unit::Count.show(first.0),
            unit.show(last.1),
            Unit::Count.show(last.0)
        ),
        _ => series.name.clone(),
    };
    let all: Vec<String> = facets.iter().flat_map(|facet| &facet.series).map(line).collect();
    format!("{} against {}. {}.", words(metric), words(x_name), all.join(". "))
}

fn bars(experiment: &str, points: &[&Point]) -> Option<Figure> {
    let panels = modes(points.iter().map(|point| point.mode)).into_iter().map(|mode| {
        let own: Vec<&Point> = points.iter().filter(|point| point.mode == mode).copied().collect();
        let metrics = distinct(own.iter().map(|point| point.metric.as_str()));
        let groups: Vec<BarGroup> = metrics.into_iter().map(|metric| group(metric, &own)).collect();
        let alt = bars_alt(&groups);
        Panel { mode, chart: Chart::Bars(Bars { groups }), alt }
    });
    let caption = "Medians over seeds; a whisker reaches from the lowest to the highest.";
    Figure::new(slug(&format!("{experiment} figures")), "Single figures", caption, panels.collect())
}

fn group(metric: &str, points: &[&Point]) -> BarGroup {
    let own: Vec<&&Point> = points.iter().filter(|point| point.metric == metric).collect();
    let (unit, factor) = own.first().map_or((Unit::Count, 1.0), |point| Unit::of(&point.unit, metric));
    let rows: Vec<(Contender, String)> = distinct(own.iter().map(|point| (point.contender, place(point, points))));
    let bars = rows.into_iter().map(|(contender, detail)| {
        let is_own = |point: &&&&Point| point.contender == contender && place(point, points) == detail;
        let spread = Spread::of(own.iter().filter(is_own).map(|point| point.value * factor));
        Bar {
            contender,
            label: label(contender, &detail),
            value: spread.map(|spread| spread.median),
            range: spread.map(|spread| (spread.low, spread.high)),
            words: None,
            open: false,
        }
    });
    BarGroup { title: capital(&words(metric)), bars: bars.collect(), unit, line: None }
}

/// What bars say, in words.
pub(super) fn bars_alt(groups: &[BarGroup]) -> String {
    let bar = |unit: &Unit, bar: &Bar| {
        let words = bar.words.clone().unwrap_or_else(|| crate::report::units::shown(bar.value, unit));
        format!("{}: {words}", bar.label)
    };
    let group = |group: &BarGroup| {
        let bars: Vec<String> = group.bars.iter().map(|one| bar(&group.unit, one)).collect();
        format!("{}. {}.", group.title, bars.join(". "))
    };
    groups.iter().map(group).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Mode;

    fn point(variant: &str, x: f64, value: f64) -> Point {
        Point {
            experiment: "E2".into(),
            mode: Mode::Sim,
            contender: Contender::A1,
            variant: variant.into(),
            seed: 1,
            x_name: "load_over_capacity".into(),
            x,
            y_name: String::new(),
            y: 0.0,
            metric: "goodput_share".into(),
            value,
            unit: "1".into(),
        }
    }

    #[test]
    fn the_way_back_is_the_dashed_line() {
        let points = [point("down", 1.0, 0.1), point("down", 2.0, 0.1), point("up", 1.0, 1.0), point("up", 2.0, 1.0)];
        let results = Results { points: points.to_vec(), ..Results::default() };
        let figures = of(&results, "E2");
        let [figure] = figures.as_slice() else { panic!("one figure, not {}", figures.len()) };
        let Chart::Lines(lines) = &figure.panels[0].chart else { panic!("lines") };
        let dashed: Vec<(&str, bool)> =
            lines.facets[0].series.iter().map(|series| (series.name.as_str(), series.dashed)).collect();
        assert_eq!(dashed, [("A1 naive cache, down", true), ("A1 naive cache, up", false)]);
    }
}
