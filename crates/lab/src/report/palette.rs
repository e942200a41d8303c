//! The colours of the contenders and of everything else, for light and dark.
//!
//! The contenders' colours are told apart by people with any of the usual colour deficiencies, and never carry meaning
//! alone: rows are labelled and lines have marks of different shapes. A contender has the same colour in every chart.

use crate::results::Contender;

/// The colours of one background.
#[derive(Debug)]
pub(super) struct Theme {
    /// Behind the page.
    pub(super) page: &'static str,
    /// Behind a chart.
    pub(super) paper: &'static str,
    /// Text.
    pub(super) ink: &'static str,
    /// Text of less weight, and axes.
    pub(super) muted: &'static str,
    /// Grid lines and borders.
    pub(super) grid: &'static str,
    /// The moment of a disturbance.
    pub(super) alarm: &'static str,
    contenders: [&'static str; 6],
}

/// On white.
pub(super) const LIGHT: Theme = Theme {
    page: "#f6f6f3",
    paper: "#ffffff",
    ink: "#1b1f24",
    muted: "#59626d",
    grid: "#dfe3e8",
    alarm: "#b3261e",
    contenders: ["#7b8089", "#d55e00", "#0a6cb0", "#4aa9dc", "#b0578d", "#00946a"],
};

/// On black.
pub(super) const DARK: Theme = Theme {
    page: "#101317",
    paper: "#181c21",
    ink: "#e9ebee",
    muted: "#a0a9b4",
    grid: "#313840",
    alarm: "#ff8a80",
    contenders: ["#a0a6ae", "#ff8b40", "#4ba3e6", "#a8dbff", "#e394c4", "#2fd0a0"],
};

impl Theme {
    /// A contender's colour.
    pub(super) fn contender(&self, contender: Contender) -> &'static str {
        self.contenders[contender as usize]
    }

    /// The colours as CSS variables.
    pub(super) fn variables(&self) -> String {
        let mut text = format!(
            "--page:{};--paper:{};--ink:{};--muted:{};--grid:{};--alarm:{};",
            self.page, self.paper, self.ink, self.muted, self.grid, self.alarm
        );
        for contender in Contender::ALL {
            text += &format!("--{contender}:{};", self.contender(contender));
        }
        text
    }
}

/// Whether white text is easier to read than black on a colour, given as `#rrggbb`.
pub(super) fn is_dark(colour: &str) -> bool {
    let channel = |at: usize| {
        let digits = colour.get(at..at + 2).unwrap_or("0");
        let value = f64::from(u8::from_str_radix(digits, 16).unwrap_or(0)) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    // Where the contrast with black equals that with white: (1 + 0.05) / (l + 0.05) = (l + 0.05) / 0.05.
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5) < 0.179
}

/// The style of charts. Without a theme the colours are CSS variables of the page around them; with one they are written
/// out, for programs that show SVG and do not know variables.
pub(super) fn chart_style(theme: Option<&Theme>) -> String {
    let colour = |name: &str, value: fn(&Theme) -> &'static str| match theme {
        Some(theme) => value(theme).to_owned(),
        None => format!("var(--{name})"),
    };
    let (ink, muted) = (colour("ink", |theme| theme.ink), colour("muted", |theme| theme.muted));
    let (grid, paper) = (colour("grid", |theme| theme.grid), colour("paper", |theme| theme.paper));
    let alarm = colour("alarm", |theme| theme.alarm);
    let mut style = format!(
        "svg.chart{{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:11px}}
.chart text{{fill:{ink}}}.chart .m{{fill:{muted}}}.chart .b{{font-weight:600}}.chart .h{{font-size:12.5px;font-weight:600}}
.chart .s{{font-size:10px}}.chart .on{{fill:#fff}}.chart .off{{fill:#000}}.chart .alarm{{fill:{alarm}}}
.chart .grid{{stroke:{grid};stroke-width:1}}.chart .axis{{stroke:{muted};stroke-width:1}}
.chart .trigger{{stroke:{alarm};stroke-width:1.25;stroke-dasharray:3 2}}
.chart .offered{{stroke:{muted};stroke-width:1;fill:none;stroke-dasharray:4 2}}
.chart .capacity{{stroke:{ink};stroke-width:1;stroke-dasharray:1 2}}
.chart .paper{{fill:{paper}}}.chart .none{{fill:none;stroke:{muted};stroke-dasharray:2 3}}
.chart .hollow{{fill:none;stroke-width:1.25}}.chart .gap{{fill:{grid}}}.chart .whisker{{stroke:{ink};stroke-width:1.25}}
.chart .line{{fill:none;stroke-width:1.9;stroke-linejoin:round}}.chart .dash{{stroke-dasharray:5 3}}
.chart .area{{fill-opacity:.32}}.chart .band{{fill-opacity:.16;stroke:none}}.chart .faint{{fill-opacity:.3;stroke-dasharray:3 2}}\n"
    );
    for contender in Contender::ALL {
        let colour = match theme {
            Some(theme) => theme.contender(contender).to_owned(),
            None => format!("var(--{contender})"),
        };
        style += &format!(".chart .f{contender}{{fill:{colour}}}.chart .k{contender}{{stroke:{colour}}}\n");
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_white_on_dark_colours_only() {
        assert!(is_dark("#000000") && is_dark("#0a6cb0") && !is_dark("#ffffff") && !is_dark("#4aa9dc"));
    }
}
