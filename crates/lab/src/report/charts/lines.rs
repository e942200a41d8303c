//! One figure against another, as lines with points: sweeps, and the two branches of a hysteresis.
//!
//! Facets share both axes, so that they can be compared. Times and sizes go by orders of magnitude if they span more than
//! two of them and none is zero; shares, rates and counts begin at zero.

use super::super::svg::{Anchor, Shape, Svg, WIDTH, text_width};
use super::super::units::{Scale, Unit, round_up};
use super::{SMALL, Sample, axis_title, legend, shape};
use crate::results::Contender;

/// More points than this become a line without marks.
const MARKS_MAX: usize = 30;
/// What tells lines of one contender apart.
const SHAPES: [Shape; 6] = [Shape::Circle, Shape::Square, Shape::Up, Shape::Diamond, Shape::Down, Shape::Cross];

/// Facets with the same axes.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) facets: Vec<Facet>,
}

/// What an axis shows.
#[derive(Debug)]
pub(crate) struct Axis {
    pub(crate) title: String,
    pub(crate) unit: Unit,
}

/// A part with its own lines.
#[derive(Debug)]
pub(crate) struct Facet {
    pub(crate) title: String,
    pub(crate) series: Vec<Series>,
}

/// A place on the axis below, and the median, the lowest and the highest figure there.
type Place = (f64, f64, f64, f64);

/// A line.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) contender: Contender,
    /// For the legend.
    pub(crate) name: String,
    /// For the legend of facets that have one contender each.
    pub(crate) detail: String,
    /// Its place among the lines of its contender, if these are more than a way there and back.
    pub(crate) rank: Option<usize>,
    /// Drawn with dashes and hollow points.
    pub(crate) dashed: bool,
    /// Place, and median, lowest and highest over seeds.
    pub(crate) points: Vec<Place>,
}

impl Axis {
    fn full_title(&self) -> String {
        match self.unit.title() {
            Some(unit) if !self.title.contains(unit) => format!("{} ({unit})", self.title),
            _ => self.title.clone(),
        }
    }
}

/// Where a facet is.
struct Frame {
    x: Scale,
    y: Scale,
    left: f64,
    right: f64,
    top: f64,
    base: f64,
}

impl Lines {
    pub(crate) fn draw(&self, svg: &mut Svg) {
        self.names(svg);
        svg.text("s m", (4.0, svg.height + 9.0), Anchor::Start, &format!("upright: {}", self.y.full_title()));
        svg.height += 15.0;
        let columns = if self.facets.len() > 1 { 2 } else { 1 };
        let (gap, height) = (10.0, if columns == 2 { 96.0 } else { 170.0 });
        let width = (WIDTH - 8.0 - gap * (columns as f64 - 1.0)) / columns as f64;
        for row in self.facets.chunks(columns) {
            let top = svg.height + 20.0;
            for (column, facet) in row.iter().enumerate() {
                let left = 4.0 + column as f64 * (width + gap);
                self.facet(svg, facet, (left, left + width), (top, top + height));
            }
            svg.height = top + height + 18.0;
        }
        let y = svg.height + 9.0;
        axis_title(svg, (36.0, WIDTH - 8.0), y, &self.x.full_title());
        svg.height = y + 5.0;
    }

    fn names(&self, svg: &mut Svg) {
        let mut seen: Vec<(String, &str, Shape)> = Vec::new();
        for facet in &self.facets {
            for series in &facet.series {
                // A facet's title names its contender, so that one entry explains the lines of all facets.
                let (name, contender, shape) = match (facet.title.is_empty(), series.rank) {
                    (true, _) => (&series.name, series.contender, series.shape()),
                    (false, Some(_)) => (&series.detail, Contender::A0, series.shape()),
                    (false, None) => (&series.detail, Contender::A0, Shape::Circle),
                };
                if !name.is_empty() && !seen.iter().any(|(_, known, _)| known == name) {
                    seen.push((series.class(contender), name, shape));
                }
            }
        }
        let entries: Vec<(Sample<'_>, &str)> =
            seen.iter().map(|(class, name, shape)| (Sample::Point(class, *shape), *name)).collect();
        legend(svg, &entries);
    }

    fn extent(&self, value: fn(&Place) -> (f64, f64)) -> (f64, f64) {
        let points = self.facets.iter().flat_map(|facet| &facet.series).flat_map(|series| &series.points);
        points.map(value).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (a, b)| (low.min(a), high.max(b)))
    }

    fn scales(&self, (left, right): (f64, f64), (top, base): (f64, f64)) -> (Scale, Scale) {
        let (low, high) = self.extent(|point| (point.0, point.0));
        let x = match low > 0.0 && high / low >= 50.0 {
            true => Scale::log((low, high), (left + 4.0, right - 4.0)),
            false => Scale::new((low.min(high), high), (left + 4.0, right - 4.0)),
        };
        let (low, high) = self.extent(|point| (point.2, point.3));
        let is_wide = low > 0.0 && high / low >= 100.0;
        let y = match is_wide && matches!(self.y.unit, Unit::Seconds | Unit::Bytes) {
            true => Scale::log((10f64.powf(low.log10().floor()), 10f64.powf(high.log10().ceil())), (base, top)),
            false if self.y.unit == Unit::Share && high <= 1.0 => Scale::new((0.0, 1.0), (base, top)),
            false => Scale::new((low.min(0.0), round_up(high)), (base, top)),
        };
        (x, y)
    }

    fn facet(&self, svg: &mut Svg, facet: &Facet, (from, right): (f64, f64), (top, base): (f64, f64)) {
        let (_, y) = self.scales((from, right), (top, base));
        let widest = y.ticks(4).into_iter().map(|tick| text_width(&self.y.unit.tick(tick), SMALL)).fold(20.0, f64::max);
        let left = from + widest + 5.0;
        let (x, y) = self.scales((left, right), (top, base));
        let frame = Frame { x, y, left, right, top, base };
        if !facet.title.is_empty() {
            svg.text("b", (from, top - 8.0), Anchor::Start, &facet.title);
        }
        self.frame(svg, &frame);
        for series in &facet.series {
            self.series(svg, series, &frame);
        }
    }

    fn frame(&self, svg: &mut Svg, frame: &Frame) {
        for tick in frame.y.ticks(4) {
            let y = frame.y.at(tick);
            svg.line("grid", (frame.left, y), (frame.right, y));
            svg.text("s m", (frame.left - 4.0, y + 3.5), Anchor::End, &self.y.unit.tick(tick));
        }
        svg.line("axis", (frame.left, frame.base), (frame.right, frame.base));
        svg.line("axis", (frame.left, frame.top), (frame.left, frame.base));
        let wanted = if frame.right - frame.left > 200.0 { 6 } else { 3 };
        for tick in frame.x.ticks(wanted) {
            let x = frame.x.at(tick);
            svg.line("axis", (x, frame.base), (x, frame.base + 3.0));
            let words = self.x.unit.tick(tick);
            // The last one does not reach beyond its frame.
            let half = text_width(&words, SMALL) / 2.0;
            svg.text("s m", (x.min(frame.right + 1.0 - half), frame.base + 14.0), Anchor::Middle, &words);
        }
    }

    fn series(&self, svg: &mut Svg, series: &Series, frame: &Frame) {
        let contender = series.contender;
        let at = |value: fn(&Place) -> f64| -> Vec<(f64, f64)> {
            series.points.iter().map(|point| (frame.x.at(point.0), frame.y.at(value(point)))).collect()
        };
        if series.points.iter().any(|(_, _, low, high)| low < high) {
            let mut band = at(|point| point.3);
            band.extend(at(|point| point.2).into_iter().rev());
            svg.path(&format!("band f{contender}"), &band, true);
        }
        let dash = if series.dashed { " dash" } else { "" };
        let is_dense = series.points.len() > MARKS_MAX;
        let mark = if is_dense { "mark " } else { "" };
        svg.path(&format!("{mark}line{dash} k{contender}"), &at(|point| point.1), false);
        if is_dense {
            return;
        }
        for (place, point) in at(|point| point.1).into_iter().zip(&series.points) {
            let class = format!("mark {}", series.class(contender));
            let (x, y) = (self.x.unit.show(point.0), self.y.unit.show(point.1));
            // A hollow point is larger, so that a full one at the same place is seen within.
            let size = if series.dashed { 4.2 } else { 2.6 };
            svg.point(&class, series.shape(), place, size, &format!("{}: {y} at {x}", series.name));
        }
    }
}

impl Series {
    fn class(&self, contender: Contender) -> String {
        if self.dashed { format!("hollow k{contender}") } else { format!("k{contender} f{contender}") }
    }

    fn shape(&self) -> Shape {
        self.rank.map_or(shape(self.contender), |rank| SHAPES[rank % SHAPES.len()])
    }
}
