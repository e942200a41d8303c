//! Goodput over time: a strip for each contender, all with the same axes, so that steady contenders do not hide each other.

use super::super::svg::{Anchor, Svg, WIDTH};
use super::super::units::{NOT_MEASURED, Scale, Unit, round_up};
use super::{Sample, axis_title, legend, named};
use crate::results::Contender;

const LEFT: f64 = 34.0;
const RIGHT: f64 = WIDTH - 8.0;
const STRIP: f64 = 36.0;

/// Strips above one time axis.
#[derive(Debug, Default)]
pub(crate) struct Strips {
    /// From the top down.
    pub(crate) rows: Vec<Strip>,
    /// When it was disturbed.
    pub(crate) trigger: Option<f64>,
    /// What the backend can do for itself.
    pub(crate) capacity: Option<f64>,
}

/// One contender's goodput.
#[derive(Debug)]
pub(crate) struct Strip {
    pub(crate) contender: Contender,
    pub(crate) label: String,
    /// Second, and requests in it: median, lowest and highest over seeds. Empty if it was not measured.
    pub(crate) good: Vec<(f64, f64, f64, f64)>,
    /// Second, and requests that were due in it.
    pub(crate) offered: Vec<(f64, f64)>,
    /// How it ended, in words.
    pub(crate) ending: String,
}

impl Strips {
    pub(crate) fn draw(&self, svg: &mut Svg) {
        let has_band = self.rows.iter().flat_map(|row| &row.good).any(|(_, _, low, high)| low < high);
        let mut entries =
            vec![(Sample::Area("fA2 area"), "answered in time, fresh"), (Sample::Line("offered"), "offered")];
        if self.capacity.is_some() {
            entries.push((Sample::Line("capacity"), "backend's capacity M"));
        }
        if self.trigger.is_some() {
            entries.push((Sample::Line("trigger"), "disturbance"));
        }
        if has_band {
            entries.push((Sample::Area("fA2 band"), "lowest to highest seed"));
        }
        legend(svg, &entries);
        let (x, high) = self.scales();
        for row in &self.rows {
            self.strip(svg, row, &x, high);
        }
        let bottom = svg.height - 4.0;
        for tick in x.ticks(5) {
            svg.line("axis", (x.at(tick), bottom), (x.at(tick), bottom + 3.0));
            svg.text("s m", (x.at(tick), bottom + 14.0), Anchor::Middle, &Unit::Count.tick(tick));
        }
        axis_title(svg, (LEFT, RIGHT), bottom + 28.0, "seconds since the run began; upright: requests per second");
        svg.height = bottom + 32.0;
    }

    fn scales(&self) -> (Scale, f64) {
        let last = self.rows.iter().flat_map(|row| row.good.last()).map(|point| point.0 + 1.0).fold(1.0, f64::max);
        let offered = self.rows.iter().flat_map(|row| &row.offered).map(|point| point.1);
        let good = self.rows.iter().flat_map(|row| &row.good).map(|point| point.3);
        let high = offered.chain(good).chain(self.capacity).fold(0.0, f64::max);
        (Scale::new((0.0, last), (LEFT, RIGHT)), round_up(high * 1.02))
    }

    fn strip(&self, svg: &mut Svg, row: &Strip, x: &Scale, high: f64) {
        let contender = row.contender;
        svg.height += 17.0;
        svg.rect(&format!("f{contender}"), (4.0, svg.height - 12.5), (9.0, 9.0), "");
        named(svg, "b", (17.0, RIGHT), &row.label, &row.ending);
        let top = svg.height;
        let base = top + STRIP;
        let y = Scale::new((0.0, high), (base, top));
        svg.line("grid", (LEFT, (top + base) / 2.0), (RIGHT, (top + base) / 2.0));
        if row.good.is_empty() {
            svg.rect("none", (LEFT, top), (RIGHT - LEFT, STRIP), "");
            svg.text("s m", ((LEFT + RIGHT) / 2.0, base - 14.0), Anchor::Middle, NOT_MEASURED);
        } else {
            self.series(svg, row, x, &y);
        }
        if let Some(trigger) = self.trigger {
            svg.line("trigger", (x.at(trigger), top), (x.at(trigger), base));
        }
        svg.line("axis", (LEFT, base), (RIGHT, base));
        svg.text("s m", (LEFT - 4.0, base), Anchor::End, "0");
        svg.text("s m", (LEFT - 4.0, top + 7.0), Anchor::End, &Unit::PerSecond.tick(high));
        svg.height = base + 4.0;
    }

    fn series(&self, svg: &mut Svg, row: &Strip, x: &Scale, y: &Scale) {
        let contender = row.contender;
        let steps = |value: fn(&(f64, f64, f64, f64)) -> f64| -> Vec<(f64, f64)> {
            let ends = |point: &(f64, f64, f64, f64)| {
                let height = y.at(value(point));
                [(x.at(point.0), height), (x.at(point.0 + 1.0), height)]
            };
            row.good.iter().flat_map(ends).collect()
        };
        let line = steps(|point| point.1);
        let mut area = line.clone();
        if let (Some(first), Some(last)) = (line.first(), line.last()) {
            area.extend([(last.0, y.at(0.0)), (first.0, y.at(0.0))]);
        }
        svg.path(&format!("mark area f{contender}"), &area, true);
        if row.good.iter().any(|(_, _, low, high)| low < high) {
            let mut band = steps(|point| point.3);
            band.extend(steps(|point| point.2).into_iter().rev());
            svg.path(&format!("band f{contender}"), &band, true);
        }
        svg.path(&format!("line k{contender}"), &line, false);
        let offered: Vec<(f64, f64)> = row
            .offered
            .iter()
            .flat_map(|(second, rate)| [(x.at(*second), y.at(*rate)), (x.at(second + 1.0), y.at(*rate))])
            .collect();
        svg.path("offered", &offered, false);
        if let Some(capacity) = self.capacity {
            svg.line("capacity", (LEFT, y.at(capacity)), (RIGHT, y.at(capacity)));
        }
    }
}
