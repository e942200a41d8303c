//! Figures side by side as bars from zero, each group with a scale of its own.
//!
//! The label stands above its bar, because names are longer than a phone is wide. A bar of which only the least is known
//! (a run that was not back when it ended) is hatched and has no end of its own.

use super::super::svg::{Anchor, Svg, WIDTH, text_width};
use super::super::units::{NOT_MEASURED, Scale, Unit, round_up};
use super::{SMALL, TEXT, named, wrapped};
use crate::results::Contender;

const LEFT: f64 = 4.0;
const RIGHT: f64 = WIDTH - 8.0;

/// Groups, one below the other.
#[derive(Debug)]
pub(crate) struct Bars {
    pub(crate) groups: Vec<BarGroup>,
}

/// Bars with one scale.
#[derive(Debug)]
pub(crate) struct BarGroup {
    pub(crate) title: String,
    pub(crate) unit: Unit,
    pub(crate) bars: Vec<Bar>,
    /// A value that the bars are compared with, and its name.
    pub(crate) line: Option<(f64, String)>,
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) contender: Contender,
    pub(crate) label: String,
    /// Median over seeds or places; `None` if it was not measured.
    pub(crate) value: Option<f64>,
    /// Lowest and highest.
    pub(crate) range: Option<(f64, f64)>,
    /// What is written in place of the value.
    pub(crate) words: Option<String>,
    /// The value is only the least that it can be.
    pub(crate) open: bool,
}

impl Bars {
    pub(crate) fn draw(&self, svg: &mut Svg) {
        for group in &self.groups {
            group.draw(svg);
        }
    }
}

impl BarGroup {
    fn draw(&self, svg: &mut Svg) {
        for line in wrapped(&self.title, TEXT, RIGHT - LEFT) {
            svg.height += 15.0;
            let y = svg.height - 3.0;
            svg.text("b", (LEFT, y), Anchor::Start, &line);
        }
        svg.height += 2.0;
        let highest = |bar: &Bar| bar.value.into_iter().chain(bar.range.map(|range| range.1));
        let high = self.bars.iter().flat_map(highest).chain(self.line.as_ref().map(|line| line.0)).fold(0.0, f64::max);
        // Room for the words behind the longest bar.
        let scale = Scale::new((0.0, round_up(high)), (LEFT, RIGHT));
        for bar in &self.bars {
            self.bar(svg, bar, &scale);
        }
        let base = svg.height + 2.0;
        svg.line("axis", (LEFT, base), (RIGHT, base));
        for tick in scale.ticks(4) {
            let x = scale.at(tick);
            svg.line("axis", (x, base), (x, base + 3.0));
            let anchor = match x {
                x if x < LEFT + 8.0 => Anchor::Start,
                x if x > RIGHT - 14.0 => Anchor::End,
                _ => Anchor::Middle,
            };
            svg.text("s m", (x, base + 14.0), anchor, &self.unit.tick(tick));
        }
        svg.height = base + 20.0;
        if let Some((value, name)) = &self.line {
            let x = scale.at(*value);
            let (width, y) = (text_width(name, SMALL), svg.height + 6.0);
            let x = (x - width / 2.0).clamp(LEFT, (RIGHT - width).max(LEFT));
            svg.text("s alarm", (x, y), Anchor::Start, name);
            svg.height += 14.0;
        }
        if let Some(unit) = self.unit.title() {
            let y = svg.height + 4.0;
            svg.text("s m", ((LEFT + RIGHT) / 2.0, y), Anchor::Middle, unit);
            svg.height += 10.0;
        }
    }

    fn bar(&self, svg: &mut Svg, bar: &Bar, scale: &Scale) {
        let contender = bar.contender;
        let words = match (&bar.words, bar.value) {
            (Some(words), _) => words.clone(),
            (None, Some(value)) => self.unit.show(value),
            (None, None) => NOT_MEASURED.to_owned(),
        };
        svg.height += 16.0;
        named(svg, "", (LEFT, RIGHT), &bar.label, &words);
        let top = svg.height - 1.0;
        match bar.value {
            Some(value) => {
                let faint = if bar.open { format!(" faint k{contender}") } else { String::new() };
                let width = (scale.at(value) - LEFT).max(1.0);
                let tip = format!("{}: {words}", bar.label);
                svg.rect(&format!("mark f{contender}{faint}"), (LEFT, top), (width, 9.0), &tip);
            }
            None => svg.rect("none", (LEFT, top), (RIGHT - LEFT, 9.0), ""),
        }
        if let Some((low, high)) = bar.range.filter(|(low, high)| low < high) {
            svg.line("whisker", (scale.at(low), top + 4.5), (scale.at(high), top + 4.5));
            for end in [low, high] {
                svg.line("whisker", (scale.at(end), top + 2.0), (scale.at(end), top + 7.0));
            }
        }
        if let Some((value, _)) = &self.line {
            svg.line("trigger", (scale.at(*value), top - 1.0), (scale.at(*value), top + 10.0));
        }
        svg.height = top + 13.0;
    }
}
