//! The kinds of charts, each drawn from plain values that know nothing of where they come from.
//!
//! A chart is [`WIDTH`] units wide and as high as it needs to be, so that on a phone its text is as large as the text
//! around it, and on a desk several stand side by side. Nothing is drawn for what was not measured but the words for it.

mod bars;
mod heat;
mod lines;
mod ranges;
mod strips;

pub(super) use bars::{Bar, BarGroup, Bars};
pub(super) use heat::{Cell, Heat, HeatFacet, Value};
pub(super) use lines::{Axis, Facet, Lines, Series};
pub(super) use ranges::{Range, RangeRow, Ranges};
pub(super) use strips::{Strip, Strips};

use super::svg::{Anchor, Shape, Svg, WIDTH, text_width};
use crate::results::Contender;

/// The size of ordinary text.
const TEXT: f64 = 11.0;
/// The size of text at ticks.
const SMALL: f64 = 10.0;

/// One chart.
#[derive(Debug)]
pub(super) enum Chart {
    Strips(Strips),
    Lines(Lines),
    Bars(Bars),
    Heat(Heat),
    Ranges(Ranges),
}

impl Chart {
    /// The chart under a heading.
    pub(super) fn draw(&self, heading: &str) -> Svg {
        let mut svg = Svg::new();
        // The letters of a heading are bold, and a tenth wider for it.
        for line in wrapped(heading, 12.5 * 1.1, WIDTH - 8.0) {
            svg.height += 17.0;
            let y = svg.height - 3.0;
            svg.text("h", (4.0, y), Anchor::Start, &line);
        }
        svg.height += 4.0;
        match self {
            Chart::Strips(chart) => chart.draw(&mut svg),
            Chart::Lines(chart) => chart.draw(&mut svg),
            Chart::Bars(chart) => chart.draw(&mut svg),
            Chart::Heat(chart) => chart.draw(&mut svg),
            Chart::Ranges(chart) => chart.draw(&mut svg),
        }
        svg.height += 4.0;
        svg
    }
}

/// The shape of a contender's points, so that colour is not all that tells them apart.
fn shape(contender: Contender) -> Shape {
    match contender {
        Contender::A0 => Shape::Cross,
        Contender::A1 => Shape::Down,
        Contender::A2 => Shape::Square,
        Contender::A3 => Shape::Diamond,
        Contender::B1 => Shape::Up,
        Contender::V => Shape::Circle,
    }
}

/// A text in lines that are not wider than `width`, broken at spaces.
fn wrapped(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(line, size) + text_width(word, size) + size / 2.0 <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// What a legend draws before its words.
#[derive(Debug, Clone, Copy)]
enum Sample<'a> {
    /// A line with this class.
    Line(&'a str),
    /// An area with this class.
    Area(&'a str),
    /// A point with this class and shape.
    Point(&'a str, Shape),
}

/// A legend in as many rows as it needs.
fn legend(svg: &mut Svg, entries: &[(Sample<'_>, &str)]) {
    if entries.is_empty() {
        return;
    }
    let (mut x, mut y) = (4.0, svg.height + 10.0);
    for (sample, words) in entries {
        let width = 19.0 + text_width(words, SMALL) + 10.0;
        if x + width > WIDTH && x > 4.0 {
            (x, y) = (4.0, y + 14.0);
        }
        match sample {
            Sample::Line(class) => svg.line(class, (x, y - 3.5), (x + 15.0, y - 3.5)),
            Sample::Area(class) => svg.rect(class, (x + 1.0, y - 8.0), (13.0, 9.0), ""),
            Sample::Point(class, shape) => svg.point(class, *shape, (x + 7.5, y - 3.5), 3.6, ""),
        }
        svg.text("s", (x + 19.0, y), Anchor::Start, words);
        x += width;
    }
    svg.height = y + 8.0;
}

/// A name at the left, and at the right what is to be said of it; above `svg.height`, or on lines of their own if both do
/// not fit on one.
fn named(svg: &mut Svg, class: &str, (left, right): (f64, f64), name: &str, said: &str) {
    let (name_size, said_size) = (if class == "b" { TEXT * 1.06 } else { TEXT }, SMALL);
    let lines = wrapped(name, name_size, right - left);
    let last = lines.last().map_or(0.0, |line| text_width(line, name_size));
    for (index, line) in lines.iter().enumerate() {
        svg.height += if index > 0 { 13.0 } else { 0.0 };
        svg.text(class, (left, svg.height - 4.0), Anchor::Start, line);
    }
    let is_beside = last + text_width(said, said_size) + 6.0 <= right - left;
    let said = if is_beside { vec![said.to_owned()] } else { wrapped(said, said_size, right - left) };
    for line in said.iter().filter(|line| !line.is_empty()) {
        svg.height += if is_beside { 0.0 } else { 13.0 };
        svg.text("s m", (right, svg.height - 4.0), Anchor::End, line);
    }
}

/// The text of an axis below a chart, at `y`.
fn axis_title(svg: &mut Svg, (from, to): (f64, f64), y: f64, title: &str) {
    let lines = wrapped(title, SMALL, (to - from).max(120.0));
    for (index, line) in lines.iter().enumerate() {
        let middle = ((from + to) / 2.0).max(text_width(line, SMALL) / 2.0 + 2.0);
        svg.text("s m", (middle, y + 13.0 * index as f64), Anchor::Middle, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_where_it_would_leave_the_chart() {
        assert_eq!(wrapped("one two three", 10.0, 50.0), ["one two", "three"]);
        assert_eq!(wrapped("", 10.0, 50.0), Vec::<String>::new());
    }
}
