//! The few elements of SVG that the charts are made of, written as text.
//!
//! Every element that stands for a figure has the class `mark`, and the chart says how many it has, so that an empty chart
//! can be noticed. Numbers have one decimal: less than a tenth of a pixel is not seen, and pages stay small.

use std::fmt::Write as _;

use super::palette::{Theme, chart_style};

/// The width of every chart in its own units; a phone shows one unit as about one pixel.
pub(super) const WIDTH: f64 = 380.0;

/// Where a text's point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The shape of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Diamond,
    Up,
    Down,
    Cross,
}

/// A chart that is being drawn, from the top down.
#[derive(Debug, Default)]
pub(super) struct Svg {
    body: String,
    marks: usize,
    /// How far down it reaches.
    pub(super) height: f64,
}

/// Text that is safe between tags and within quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// About how wide a text of this size is. Fonts differ, so it errs on the wide side.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.57
}

fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

impl Svg {
    pub(super) fn new() -> Svg {
        Svg::default()
    }

    /// How many elements stand for a figure.
    pub(super) fn marks(&self) -> usize {
        self.marks
    }

    fn element(&mut self, name: &str, class: &str, attributes: &[(&str, f64)], tip: &str) {
        let _ = write!(self.body, "<{name} class=\"{class}\"");
        for (attribute, value) in attributes {
            let _ = write!(self.body, " {attribute}=\"{}\"", number(*value));
        }
        self.close(name, class, tip);
    }

    fn close(&mut self, name: &str, class: &str, tip: &str) {
        self.marks += usize::from(class.split(' ').any(|word| word == "mark"));
        if tip.is_empty() {
            self.body.push_str("/>");
        } else {
            let _ = write!(self.body, "><title>{}</title></{name}>", escaped(tip));
        }
    }

    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.element("line", class, &[("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)], "");
    }

    /// A rectangle by its left upper corner and its size; `tip` is shown by a mouse that rests on it.
    pub(super) fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), tip: &str) {
        self.element("rect", class, &[("x", x), ("y", y), ("width", width), ("height", height)], tip);
    }

    /// A rectangle with a colour of its own, which stands for a figure.
    pub(super) fn cell(&mut self, fill: &str, place: (f64, f64), size: (f64, f64), tip: &str) {
        self.coloured("mark", fill, place, size);
        self.close("rect", "mark", tip);
    }

    /// A rectangle with a colour of its own, which explains one.
    pub(super) fn legend_cell(&mut self, fill: &str, place: (f64, f64), size: (f64, f64)) {
        self.coloured("key", fill, place, size);
        self.close("rect", "key", "");
    }

    fn coloured(&mut self, class: &str, fill: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let (x, y, width, height) = (number(x), number(y), number(width), number(height));
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" fill=\"{fill}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\""
        );
    }

    /// Straight lines from point to point, as far as there are two.
    pub(super) fn path(&mut self, class: &str, points: &[(f64, f64)], closed: bool) {
        if points.len() < 2 {
            return;
        }
        let _ = write!(self.body, "<path class=\"{class}\" d=\"");
        for (index, (x, y)) in points.iter().enumerate() {
            let _ = write!(self.body, "{}{} {}", if index == 0 { 'M' } else { 'L' }, number(*x), number(*y));
        }
        self.body.push_str(if closed { "Z\"" } else { "\"" });
        self.close("path", class, "");
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y, text) = (number(x), number(y), escaped(text));
        let _ = write!(self.body, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}>{text}</text>");
    }

    /// The point of a figure.
    pub(super) fn point(&mut self, class: &str, shape: Shape, (x, y): (f64, f64), size: f64, tip: &str) {
        let r = size;
        let corners: &[(f64, f64)] = match shape {
            Shape::Circle => return self.element("circle", class, &[("cx", x), ("cy", y), ("r", r)], tip),
            Shape::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Shape::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
            Shape::Up => &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
            Shape::Down => &[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)],
            Shape::Cross => &[
                (-1.2, -0.7),
                (-0.7, -1.2),
                (0.0, -0.5),
                (0.7, -1.2),
                (1.2, -0.7),
                (0.5, 0.0),
                (1.2, 0.7),
                (0.7, 1.2),
                (0.0, 0.5),
                (-0.7, 1.2),
                (-1.2, 0.7),
                (-0.5, 0.0),
            ],
        };
        let points: Vec<(f64, f64)> = corners.iter().map(|(dx, dy)| (x + dx * r, y + dy * r)).collect();
        let _ = write!(self.body, "<path class=\"{class}\" d=\"");
        for (index, (x, y)) in points.iter().enumerate() {
            let _ = write!(self.body, "{}{} {}", if index == 0 { 'M' } else { 'L' }, number(*x), number(*y));
        }
        self.body.push_str("Z\"");
        self.close("path", class, tip);
    }

    /// The chart as part of a page, whose style it uses.
    pub(super) fn inline(&self, alt: &str) -> String {
        format!("<svg class=\"chart\" {}>{}</svg>", self.opening(alt), self.body)
    }

    /// The chart as a file of its own.
    pub(super) fn standalone(&self, alt: &str, theme: &Theme) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" width=\"{w}\" height=\"{h}\" {}>\n<desc>{}</desc>\n<style>{}</style>\n<rect class=\"paper\" width=\"{w}\" height=\"{h}\"/>\n{}\n</svg>\n",
            self.opening(alt),
            escaped(alt),
            chart_style(Some(theme)),
            self.body,
            w = number(WIDTH * 1.5),
            h = number(self.height * 1.5),
        )
    }

    fn opening(&self, alt: &str) -> String {
        format!(
            "viewBox=\"0 0 {} {}\" role=\"img\" data-marks=\"{}\" aria-label=\"{}\"",
            number(WIDTH),
            number(self.height),
            self.marks,
            escaped(alt)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::palette::LIGHT;

    #[test]
    fn marks_are_counted_and_text_is_escaped() {
        let mut svg = Svg::new();
        svg.rect("mark fV", (1.0, 2.04), (3.0, 4.25), "a < b");
        svg.line("grid", (0.0, 0.0), (1.0, 1.0));
        svg.text("s", (0.0, 9.0), Anchor::End, "\"K&M\"");
        svg.path("mark line", &[(0.0, 0.0)], false);
        assert_eq!(svg.marks(), 1);
        let text = svg.inline("what it <shows>");
        assert!(text.contains("data-marks=\"1\" aria-label=\"what it &lt;shows&gt;\""), "{text}");
        assert!(text.contains("<title>a &lt; b</title>") && text.contains("&quot;K&amp;M&quot;"), "{text}");
        assert!(text.contains("y=\"2\"") && !text.contains("<path"), "{text}");
        assert!(!svg.standalone("x", &LIGHT).contains("var("), "programs that show SVG may not know variables");
    }
}
