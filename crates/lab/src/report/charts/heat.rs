//! Maps: a figure for each pair of two others, or whoever is best there.
//!
//! Shares go from dark to light, which reads the same in print and to every eye; each cell that has room says its number.

use super::super::palette::{LIGHT, is_dark};
use super::super::svg::{Anchor, Svg, WIDTH, text_width};
use super::super::units::{NOT_MEASURED, Unit};
use super::{SMALL, TEXT, axis_title, wrapped};
use crate::results::Contender;

/// Maps with the same axes.
#[derive(Debug)]
pub(crate) struct Heat {
    pub(crate) x_title: String,
    pub(crate) x_unit: Unit,
    pub(crate) y_title: String,
    pub(crate) y_unit: Unit,
    pub(crate) facets: Vec<HeatFacet>,
}

/// One map.
#[derive(Debug)]
pub(crate) struct HeatFacet {
    pub(crate) title: String,
    pub(crate) cells: Vec<Cell>,
}

/// What is at one place.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) value: Value,
    /// All that is known of the place.
    pub(crate) tip: String,
}

/// A figure, or a winner.
#[derive(Debug)]
pub(crate) enum Value {
    /// 0 to 1.
    Share(f64),
    /// A figure of which less is better, as a share of the largest, and in words.
    Figure(f64, String),
    /// Who is best, and how many times better than the next; `None` in place of a winner is a tie.
    Winner(Option<Contender>, f64),
}

/// A colour from dark blue (0) over grey to yellow (1), of steadily growing lightness.
fn ramp(share: f64) -> String {
    const STOPS: [[f64; 3]; 5] =
        [[0.0, 32.0, 81.0], [60.0, 77.0, 110.0], [127.0, 124.0, 117.0], [187.0, 175.0, 113.0], [253.0, 234.0, 69.0]];
    let place = share.clamp(0.0, 1.0) * 4.0;
    let index = (place.floor() as usize).min(3);
    let part = place - index as f64;
    let mix = |channel: usize| STOPS[index][channel] * (1.0 - part) + STOPS[index + 1][channel] * part;
    let (r, g, b) = (mix(0), mix(1), mix(2));
    format!("#{:02x}{:02x}{:02x}", r as u8, g as u8, b as u8)
}

/// The places that occur, in order, each once.
fn places(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    all
}

impl Heat {
    pub(crate) fn draw(&self, svg: &mut Svg) {
        let cells = || self.facets.iter().flat_map(|facet| &facet.cells);
        let (xs, ys) = (places(cells().map(|cell| cell.x)), places(cells().map(|cell| cell.y)));
        let mut largest = cells().filter_map(|cell| match &cell.value {
            Value::Figure(share, words) if *share >= 1.0 => Some(words.as_str()),
            _ => None,
        });
        if let Some(words) = largest.next() {
            let words = format!("{words}; empty: no such figure");
            ramp_legend(svg, "0", &words, true);
        } else if cells().any(|cell| matches!(cell.value, Value::Share(_))) {
            ramp_legend(svg, "0 %", "100 %; each cell in per cent", false);
        } else {
            winners_legend(svg, &places_of_winners(cells()));
        }
        svg.text("s m", (4.0, svg.height + 10.0), Anchor::Start, &format!("upright: {}", self.y_title));
        svg.height += 14.0;
        let columns = if self.facets.len() > 1 && xs.len() <= 8 { 2 } else { 1 };
        let width = (WIDTH - 8.0 - 8.0 * (columns as f64 - 1.0)) / columns as f64;
        for row in self.facets.chunks(columns) {
            let titles: Vec<Vec<String>> = row.iter().map(|facet| wrapped(&facet.title, TEXT, width - 6.0)).collect();
            let top = svg.height + 14.0 * titles.iter().map(Vec::len).max().unwrap_or(0) as f64 + 4.0;
            let mut bottom = top;
            for (column, (facet, title)) in row.iter().zip(&titles).enumerate() {
                let left = 4.0 + column as f64 * (width + 8.0);
                for (index, line) in title.iter().rev().enumerate() {
                    svg.text("b", (left, top - 5.0 - 14.0 * index as f64), Anchor::Start, line);
                }
                bottom = self.facet(svg, facet, (&xs, &ys), (left, top), width);
            }
            svg.height = bottom;
        }
        let y = svg.height + 11.0;
        axis_title(svg, (36.0, WIDTH - 8.0), y, &self.x_title);
        svg.height = y + 6.0;
    }

    /// Draws a map and says where its bottom is.
    fn facet(
        &self,
        svg: &mut Svg,
        facet: &HeatFacet,
        (xs, ys): (&[f64], &[f64]),
        (from, top): (f64, f64),
        width: f64,
    ) -> f64 {
        let widest = ys.iter().map(|y| text_width(&self.y_unit.tick(*y), SMALL)).fold(20.0, f64::max);
        let left = from + widest + 5.0;
        let size = (width - widest - 7.0) / xs.len().max(1) as f64;
        let height = (size * 0.8).clamp(15.0, 26.0);
        for (row, y) in ys.iter().rev().enumerate() {
            let at = top + row as f64 * height;
            svg.text("s m", (left - 4.0, at + height / 2.0 + 3.5), Anchor::End, &self.y_unit.tick(*y));
            for (column, x) in xs.iter().enumerate() {
                let place = (left + column as f64 * size, at);
                match facet.cells.iter().find(|cell| cell.x == *x && cell.y == *y) {
                    Some(cell) => draw_cell(svg, cell, place, (size, height)),
                    None => svg.rect("none", (place.0 + 0.5, place.1 + 0.5), (size - 1.0, height - 1.0), NOT_MEASURED),
                }
            }
        }
        let bottom = top + ys.len() as f64 * height;
        let widest = xs.iter().map(|x| text_width(&self.x_unit.tick(*x), SMALL)).fold(0.0, f64::max);
        let every = ((widest + 4.0) / size).ceil().max(1.0) as usize;
        for (column, x) in xs.iter().enumerate().step_by(every) {
            let middle = left + (column as f64 + 0.5) * size;
            svg.text("s m", (middle, bottom + 12.0), Anchor::Middle, &self.x_unit.tick(*x));
        }
        bottom + 17.0
    }
}

fn draw_cell(svg: &mut Svg, cell: &Cell, (x, y): (f64, f64), (width, height): (f64, f64)) {
    let (place, size) = ((x + 0.5, y + 0.5), (width - 1.0, height - 1.0));
    let (words, class) = match &cell.value {
        Value::Share(share) => {
            let colour = ramp(*share);
            svg.cell(&colour, place, size, &cell.tip);
            (format!("{:.0}", share * 100.0), text_class(&colour))
        }
        Value::Figure(share, words) => {
            let colour = ramp(1.0 - share);
            svg.cell(&colour, place, size, &cell.tip);
            (words.clone(), text_class(&colour))
        }
        Value::Winner(None, _) => {
            svg.rect("mark gap", place, size, &cell.tip);
            ("tie".to_owned(), "s")
        }
        Value::Winner(Some(contender), times) => {
            // The light theme's colours, whatever is around them, so that the text on them is the same.
            let colour = LIGHT.contender(*contender);
            svg.cell(colour, place, size, &cell.tip);
            let full = format!("{contender} {times:.1}×");
            let fits = text_width(&full, SMALL) <= width - 2.0 && *times < 100.0;
            (if fits { full } else { contender.to_string() }, text_class(colour))
        }
    };
    if text_width(&words, SMALL) <= width {
        svg.text(class, (x + width / 2.0, y + height / 2.0 + 3.5), Anchor::Middle, &words);
    }
}

/// The class of text on a colour.
fn text_class(colour: &str) -> &'static str {
    if is_dark(colour) { "s on" } else { "s off" }
}

/// From one end of the ramp to the other, which are named.
fn ramp_legend(svg: &mut Svg, from: &str, to: &str, light_first: bool) {
    let y = svg.height + 2.0;
    svg.text("s m", (26.0, y + 8.0), Anchor::End, from);
    for index in 0..20 {
        let place = index as f64 / 19.0;
        let colour = ramp(if light_first { 1.0 - place } else { place });
        svg.legend_cell(&colour, (30.0 + index as f64 * 7.0, y), (7.2, 9.0));
    }
    svg.text("s m", (174.0, y + 8.0), Anchor::Start, to);
    svg.height = y + 14.0;
}

fn places_of_winners<'a>(cells: impl Iterator<Item = &'a Cell>) -> Vec<Contender> {
    let winner = |cell: &Cell| match cell.value {
        Value::Winner(winner, _) => winner,
        Value::Share(_) | Value::Figure(..) => None,
    };
    let mut all: Vec<Contender> = cells.filter_map(winner).collect();
    all.sort();
    all.dedup();
    all
}

fn winners_legend(svg: &mut Svg, winners: &[Contender]) {
    let names: Vec<(String, String)> = winners
        .iter()
        .map(|contender| (LIGHT.contender(*contender).to_owned(), format!("{contender} {}", contender.title())))
        .collect();
    let (mut x, mut y) = (4.0, svg.height + 10.0);
    for (colour, words) in &names {
        let width = 17.0 + text_width(words, SMALL) + 10.0;
        if x + width > WIDTH && x > 4.0 {
            (x, y) = (4.0, y + 14.0);
        }
        svg.legend_cell(colour, (x, y - 8.5), (11.0, 10.0));
        svg.text("s", (x + 15.0, y), Anchor::Start, words);
        x += width;
    }
    svg.height = y + 6.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ramp_grows_lighter() {
        let lightness = |share: f64| {
            let colour = ramp(share);
            let channel = |at: usize| u32::from_str_radix(&colour[at..at + 2], 16).expect("hexadecimal");
            299 * channel(1) + 587 * channel(3) + 114 * channel(5)
        };
        let all: Vec<u32> = (0..=20).map(|index| lightness(f64::from(index) / 20.0)).collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
        assert_eq!((text_class(&ramp(0.0)), text_class(&ramp(1.0))), ("s on", "s off"));
    }
}
