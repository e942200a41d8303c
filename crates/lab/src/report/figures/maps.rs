//! Figures over two variables: shares as a map for each contender, and who is best as a map for each metric.

use super::{Figure, Panel, modes, slug};
use crate::report::charts::{Cell, Chart, Heat, HeatFacet, Value};
use crate::report::data::{Spread, distinct, label};
use crate::report::units::{Unit, brief, words};
use crate::results::{Contender, Mode, Point, Results};

/// Two figures that differ by less than this share are a tie.
const TIE_SHARE: f64 = 0.05;

/// What a map is of: metric, and the names of its variables.
type Subject<'a> = (&'a str, &'a str, &'a str);

fn subject(point: &Point) -> Subject<'_> {
    (&point.metric, &point.x_name, &point.y_name)
}

/// Whether a point is shown on a map and not as a part of a line: it is one of a grid, in an experiment that has maps.
pub(super) fn is_mapped(results: &Results, point: &Point) -> bool {
    matches!(point.experiment.as_str(), "E3" | "E10") && subjects(results, &point.experiment).contains(&subject(point))
}

/// What an experiment has maps of.
fn subjects<'a>(results: &'a Results, experiment: &str) -> Vec<Subject<'a>> {
    let points: Vec<&Point> =
        results.points.iter().filter(|point| point.experiment == experiment && !point.y_name.is_empty()).collect();
    let is_grid = |subject: &Subject<'_>| {
        let own: Vec<&&Point> = points.iter().filter(|point| self::subject(point) == *subject).collect();
        let xs = distinct(own.iter().map(|point| point.x)).len();
        xs > 1 && distinct(own.iter().map(|point| point.y)).len() > 1
    };
    distinct(points.iter().map(|point| subject(point))).into_iter().filter(is_grid).collect()
}

/// A map for each metric; shares, 0 to 1, come first.
pub(super) fn each(results: &Results, experiment: &str) -> Vec<Figure> {
    let mut subjects = subjects(results, experiment);
    subjects.sort_by_key(|subject| !subject.0.contains("share"));
    subjects.into_iter().filter_map(|subject| map(results, experiment, subject)).collect()
}

fn of_subject<'a>(results: &'a Results, experiment: &str, wanted: Subject<'_>) -> Vec<&'a Point> {
    let own = |point: &&Point| point.experiment == experiment && subject(point) == wanted;
    results.points.iter().filter(own).collect()
}

fn map(results: &Results, experiment: &str, subject: Subject<'_>) -> Option<Figure> {
    let points = of_subject(results, experiment, subject);
    let panels = modes(points.iter().map(|point| point.mode)).into_iter().map(|mode| {
        let own: Vec<&Point> = points.iter().filter(|point| point.mode == mode).copied().collect();
        let mut who = distinct(own.iter().map(|point| (point.contender, point.variant.as_str())));
        who.sort();
        let facets: Vec<HeatFacet> = who.into_iter().map(|who| facet(&own, who)).collect();
        let alt = map_alt(subject, &facets);
        Panel { mode, chart: Chart::Heat(heat(subject, facets)), alt }
    });
    let caption = if subject.0.contains("share") {
        "Each cell: in how many of the seeds, in per cent, it was back in time. Light is good. A contender without a dark \
         corner has no load and no loss, of those tried, that it does not come back from."
    } else {
        "Medians over the seeds that have the figure. Light is good. An empty cell has none: it never left its steady \
         state there, or was not back when the run ended; the map of shares says which."
    };
    let title = format!("{}, over {} and {}", words(subject.0), brief(subject.1), brief(subject.2));
    Figure::new(slug(&format!("{experiment} {} map", subject.0)), sentence(&title), caption, panels.collect())
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

fn heat(subject: Subject<'_>, facets: Vec<HeatFacet>) -> Heat {
    Heat {
        x_title: words(subject.1),
        x_unit: Unit::of("1", subject.1).0,
        y_title: words(subject.2),
        y_unit: Unit::of("1", subject.2).0,
        facets,
    }
}

/// What a contender's cells say.
fn facet(points: &[&Point], (contender, variant): (Contender, &str)) -> HeatFacet {
    let own: Vec<&&Point> =
        points.iter().filter(|point| point.contender == contender && point.variant == variant).collect();
    let places = distinct(own.iter().map(|point| (point.x, point.y)));
    let (unit, factor) = own.first().map_or((Unit::Count, 1.0), |point| Unit::of(&point.unit, &point.metric));
    let largest = largest(points);
    let cells = places.into_iter().filter_map(|(x, y)| {
        let here: Vec<f64> = own.iter().filter(|point| point.x == x && point.y == y).map(|point| point.value).collect();
        let spread = Spread::of(here.iter().copied())?;
        let seeds = if spread.count > 1 { format!(", {} seeds", spread.count) } else { String::new() };
        if unit == Unit::Share {
            // Lines of single seeds are 0 or 1, so that their mean is the share.
            let share = here.iter().sum::<f64>() / here.len() as f64;
            let tip = format!("{x} × {y}: {}{seeds}", Unit::Share.show(share));
            return Some(Cell { x, y, value: Value::Share(share), tip });
        }
        let words = unit.tick(short(spread.median * factor));
        let tip = format!("{x} × {y}: {}{seeds}", unit.show(spread.median * factor));
        let part = if largest > 0.0 { spread.median / largest } else { 0.0 };
        Some(Cell { x, y, value: Value::Figure(part, words), tip })
    });
    HeatFacet { title: label(contender, variant), cells: cells.collect() }
}

/// The largest median of all cells, which is the dark end of the ramp.
fn largest(points: &[&Point]) -> f64 {
    let cells = distinct(points.iter().map(|point| (point.contender, point.variant.as_str(), point.x, point.y)));
    let median = |cell: &(Contender, &str, f64, f64)| {
        let own = points.iter().filter(|point| (point.contender, point.variant.as_str(), point.x, point.y) == *cell);
        Spread::of(own.map(|point| point.value)).map(|spread| spread.median)
    };
    cells.iter().filter_map(median).fold(0.0, f64::max)
}

/// Two digits, which is what a cell has room for.
fn short(value: f64) -> f64 {
    if value == 0.0 {
        return value;
    }
    let step = 10f64.powf(value.abs().log10().floor() - 1.0);
    (value / step).round() * step
}

fn map_alt(subject: Subject<'_>, facets: &[HeatFacet]) -> String {
    let facet = |facet: &HeatFacet| {
        let shares = || {
            facet.cells.iter().filter_map(|cell| match cell.value {
                Value::Share(share) => Some(share),
                Value::Figure(..) | Value::Winner(..) => None,
            })
        };
        if shares().next().is_none() {
            let tips: Vec<&str> = facet.cells.iter().map(|cell| cell.tip.as_str()).collect();
            return format!("{}: {}", facet.title, tips.join("; "));
        }
        let whole = shares().filter(|share| *share >= 1.0).count();
        let none = shares().filter(|share| *share <= 0.0).count();
        format!("{}: always in {whole} of {} cells, never in {none}", facet.title, shares().count())
    };
    let all: Vec<String> = facets.iter().map(facet).collect();
    format!("Map of {} against {} and {}. {}.", words(subject.0), words(subject.1), words(subject.2), all.join(". "))
}

/// Maps of who is best.
pub(super) fn winners(results: &Results, experiment: &str) -> Vec<Figure> {
    let subjects = subjects(results, experiment);
    let axes = distinct(subjects.iter().map(|subject| (subject.1, subject.2)));
    axes.into_iter().filter_map(|axes| winner_figure(results, experiment, &subjects, axes)).collect()
}

fn winner_figure(
    results: &Results,
    experiment: &str,
    subjects: &[Subject<'_>],
    (x_name, y_name): (&str, &str),
) -> Option<Figure> {
    let subjects: Vec<&Subject<'_>> =
        subjects.iter().filter(|subject| subject.1 == x_name && subject.2 == y_name).collect();
    let of_mode = |mode: Mode| -> Vec<HeatFacet> {
        subjects.iter().flat_map(|subject| winner_facets(&of_subject(results, experiment, **subject), mode)).collect()
    };
    let all = results.points.iter().filter(|point| point.experiment == experiment).map(|point| point.mode);
    let panels = modes(all).into_iter().filter_map(|mode| {
        let facets = of_mode(mode);
        let alt = winner_alt(&facets);
        let chart = Chart::Heat(heat(("", x_name, y_name), facets));
        (!alt.is_empty()).then_some(Panel { mode, chart, alt })
    });
    let caption = format!(
        "Each cell names the best contender and how many times better it is than the next; less than {:.0} % apart is a \
         tie. Contenders that cannot be compared by one figure may be worse by another: read the maps together.",
        TIE_SHARE * 100.0
    );
    let title = format!("Who wins, over {} and {}", brief(x_name), brief(y_name));
    Figure::new(slug(&format!("{experiment} who wins {x_name} {y_name}")), title, caption, panels.collect())
}

/// Whether more of a metric is better.
fn more_is_better(metric: &str) -> bool {
    ["good", "throughput", "capacity", "hit", "recovered", "useful", "requests_per", "reads_per", "writes_per"]
        .iter()
        .any(|word| metric.contains(word))
}

/// A map for each variant of the setting, since variants cannot be compared with each other.
fn winner_facets(points: &[&Point], mode: Mode) -> Vec<HeatFacet> {
    let own: Vec<&Point> = points.iter().filter(|point| point.mode == mode).copied().collect();
    let variants = distinct(own.iter().map(|point| point.variant.as_str()));
    let facet = |variant: &str| {
        let own: Vec<&Point> = own.iter().filter(|point| point.variant == variant).copied().collect();
        let metric = own.first().map_or("", |point| point.metric.as_str());
        let better = if more_is_better(metric) { "more is better" } else { "less is better" };
        let places = distinct(own.iter().map(|point| (point.x, point.y)));
        let cells: Vec<Cell> = places.into_iter().filter_map(|place| winner_cell(&own, place)).collect();
        let name = if variant.is_empty() { String::new() } else { format!(", {variant}") };
        let title = format!("{}{name} ({better})", sentence(&words(metric)));
        (!cells.is_empty()).then_some(HeatFacet { title, cells })
    };
    variants.into_iter().filter_map(facet).collect()
}

/// Who is best at a place; nobody if there is only one.
fn winner_cell(points: &[&Point], (x, y): (f64, f64)) -> Option<Cell> {
    let here: Vec<&&Point> = points.iter().filter(|point| point.x == x && point.y == y).collect();
    let (unit, factor) = here.first().map(|point| Unit::of(&point.unit, &point.metric))?;
    let up = here.first().is_some_and(|point| more_is_better(&point.metric));
    let of = |contender: Contender| {
        let values = here.iter().filter(|point| point.contender == contender).map(|point| point.value * factor);
        Some((contender, Spread::of(values)?.median))
    };
    let mut ranked: Vec<(Contender, f64)> =
        distinct(here.iter().map(|point| point.contender)).into_iter().filter_map(of).collect();
    ranked.sort_by(|a, b| if up { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) });
    let [first, second, ..] = ranked.as_slice() else { return None };
    let (most, least) = (first.1.max(second.1), first.1.min(second.1));
    let times = if least > 0.0 { most / least } else { f64::INFINITY };
    let is_tie = most == least || times < 1.0 + TIE_SHARE;
    let list: Vec<String> =
        ranked.iter().map(|(contender, value)| format!("{contender} {}", unit.show(*value))).collect();
    let tip = format!("{x} × {y}: {}", list.join(", "));
    Some(Cell { x, y, value: Value::Winner((!is_tie).then_some(first.0), times), tip })
}

fn winner_alt(facets: &[HeatFacet]) -> String {
    let facet = |facet: &HeatFacet| {
        let winner = |cell: &Cell| match cell.value {
            Value::Winner(winner, _) => winner,
            Value::Share(_) | Value::Figure(..) => None,
        };
        let winners: Vec<Option<Contender>> = facet.cells.iter().map(winner).collect();
        let part = |who: Option<Contender>| {
            let count = winners.iter().filter(|winner| **winner == who).count();
            format!("{} in {count}", who.map_or("nobody".to_owned(), |who| label(who, "")))
        };
        let parts: Vec<String> = distinct(winners.iter().copied()).into_iter().map(part).collect();
        format!("{}, {} cells: best is {}", facet.title, facet.cells.len(), parts.join(", "))
    };
    facets.iter().map(facet).collect::<Vec<_>>().join(". ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(contender: Contender, value: f64, metric: &str) -> Point {
        Point {
            experiment: "E10".into(),
            mode: Mode::Real,
            contender,
            variant: String::new(),
            seed: 1,
            x_name: "write_share".into(),
            x: 0.5,
            y_name: "skew".into(),
            y: 1.1,
            metric: metric.into(),
            value,
            unit: "1".into(),
        }
    }

    #[test]
    fn the_best_is_named_with_its_distance_and_losses_are_not_hidden() {
        let winner = |a: f64, v: f64, metric: &str| {
            let points = [point(Contender::A1, a, metric), point(Contender::V, v, metric)];
            let points: Vec<&Point> = points.iter().collect();
            match winner_cell(&points, (0.5, 1.1)).map(|cell| cell.value) {
                Some(Value::Winner(who, times)) => Some((who, times)),
                _ => None,
            }
        };
        assert_eq!(winner(1.0, 3.0, "cpu_us"), Some((Some(Contender::A1), 3.0)));
        assert_eq!(winner(1.0, 3.0, "goodput"), Some((Some(Contender::V), 3.0)));
        assert_eq!(winner(100.0, 103.0, "cpu_us").map(|found| found.0), Some(None));
        let alone = point(Contender::V, 1.0, "cpu_us");
        assert!(winner_cell(&[&alone], (0.5, 1.1)).is_none(), "one alone has not won");
    }
}
