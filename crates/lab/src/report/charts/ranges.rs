//! Latency percentiles as lines from the median to the slowest, by orders of magnitude, phase below phase.

use super::super::svg::{Anchor, Shape, Svg, WIDTH};
use super::super::units::{NOT_MEASURED, Scale, Unit};
use super::{Sample, legend};
use crate::results::Contender;

const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 12.0;

/// Rows over one axis of latencies.
#[derive(Debug)]
pub(crate) struct Ranges {
    pub(crate) rows: Vec<RangeRow>,
    /// After which an answer is of no use, in seconds.
    pub(crate) deadline: Option<f64>,
}

/// A contender.
#[derive(Debug)]
pub(crate) struct RangeRow {
    pub(crate) contender: Contender,
    pub(crate) label: String,
    pub(crate) phases: Vec<Range>,
}

/// A phase of its run.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) phase: String,
    /// Percentile and latency in seconds, in order.
    pub(crate) points: Vec<(f64, f64)>,
}

/// The shape of a percentile's point.
fn shape(percentile: f64) -> Option<Shape> {
    match percentile {
        p if p <= 50.0 => Some(Shape::Circle),
        p if (99.0..99.5).contains(&p) => Some(Shape::Diamond),
        p if (99.5..100.0).contains(&p) => Some(Shape::Up),
        _ => None,
    }
}

impl Ranges {
    pub(crate) fn draw(&self, svg: &mut Svg) {
        let class = "fA0";
        let mut entries = vec![
            (Sample::Point(class, Shape::Circle), "median"),
            (Sample::Point(class, Shape::Diamond), "99 %"),
            (Sample::Point(class, Shape::Up), "99.9 %"),
            (Sample::Line("line kA0"), "to the slowest"),
        ];
        if self.deadline.is_some() {
            entries.push((Sample::Line("trigger"), "deadline"));
        }
        legend(svg, &entries);
        let scale = self.scale();
        let top = svg.height;
        let bottom = top + self.rows.iter().map(|row| 20.0 + 14.0 * row.phases.len() as f64).sum::<f64>();
        for tick in scale.ticks(8) {
            svg.line("grid", (scale.at(tick), top), (scale.at(tick), bottom));
            let anchor = if scale.at(tick) > RIGHT - 14.0 { Anchor::End } else { Anchor::Middle };
            let x = if anchor == Anchor::End { RIGHT + 8.0 } else { scale.at(tick) };
            svg.text("s m", (x, bottom + 14.0), anchor, &Unit::Seconds.tick(tick));
        }
        for row in &self.rows {
            draw_row(svg, row, &scale);
        }
        if let Some(deadline) = self.deadline {
            svg.line("trigger", (scale.at(deadline), top), (scale.at(deadline), bottom));
        }
        svg.line("axis", (LEFT, bottom), (RIGHT, bottom));
        let title = "latency of answered requests, from the intended send time";
        svg.text("s m", ((LEFT + RIGHT) / 2.0, bottom + 28.0), Anchor::Middle, title);
        svg.height = bottom + 32.0;
    }

    fn scale(&self) -> Scale {
        let points = self.rows.iter().flat_map(|row| &row.phases).flat_map(|range| &range.points);
        let all = points.map(|point| point.1).chain(self.deadline).filter(|value| *value > 0.0);
        let (low, high) = all.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low.is_finite() { (low, high) } else { (1e-6, 1.0) };
        Scale::log((10f64.powf(low.log10().floor()), 10f64.powf(high.log10().ceil())), (LEFT, RIGHT))
    }
}

fn draw_row(svg: &mut Svg, row: &RangeRow, scale: &Scale) {
    let contender = row.contender;
    svg.rect(&format!("f{contender}"), (4.0, svg.height + 5.5), (9.0, 9.0), "");
    svg.text("b", (17.0, svg.height + 14.0), Anchor::Start, &row.label);
    svg.height += 20.0;
    for range in &row.phases {
        let y = svg.height + 7.0;
        svg.text("s m", (LEFT - 6.0, y + 3.5), Anchor::End, &range.phase);
        let ends = (range.points.first(), range.points.last());
        if let (Some(first), Some(last)) = ends {
            svg.line(&format!("line k{contender}"), (scale.at(first.1), y), (scale.at(last.1), y));
        } else {
            svg.text("s m", (LEFT + 4.0, y + 3.5), Anchor::Start, NOT_MEASURED);
        }
        for (percentile, latency) in &range.points {
            if let Some(shape) = shape(*percentile) {
                let tip = format!("{percentile} % within {}", Unit::Seconds.show(*latency));
                svg.point(&format!("mark f{contender}"), shape, (scale.at(*latency), y), 3.0, &tip);
            }
        }
        svg.height += 14.0;
    }
}
