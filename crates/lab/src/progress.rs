//! The bar on the terminal: what is running, and about how long everything will still take.
//!
//! The time left is that of the parts not yet begun, as estimated, and what is left of the estimate of the one that runs;
//! an estimate that was too short stands still rather than going below nothing. Where there is no terminal, each part is a
//! line.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

/// The bar.
pub(crate) struct Meter {
    bar: ProgressBar,
    total_s: f64,
    done_s: f64,
    part: (f64, Instant),
}

impl Meter {
    /// For parts that take about `total_s` seconds together.
    pub(crate) fn new(total_s: f64) -> Meter {
        let bar = ProgressBar::new(1_000);
        // A template that is wrong leaves the plain bar.
        if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} [{bar:24}] {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Meter { bar, total_s: total_s.max(1.0), done_s: 0.0, part: (0.0, Instant::now()) }
    }

    /// Begins a part of about `estimate_s` seconds.
    #[expect(clippy::print_stderr, reason = "where there is no terminal, the parts are told line by line")]
    pub(crate) fn begin(&mut self, name: &str, estimate_s: f64) {
        self.done_s += self.part.0;
        self.part = (estimate_s, Instant::now());
        if self.bar.is_hidden() {
            eprintln!("{name}, about {estimate_s:.0} s; about {:.0} s left in all", self.left_s());
        }
        self.say(name);
    }

    /// What is being done now.
    pub(crate) fn say(&mut self, text: &str) {
        let left = self.left_s();
        self.bar.set_position((1_000.0 * (1.0 - left / self.total_s)).clamp(0.0, 1_000.0) as u64);
        self.bar.set_message(format!("about {left:.0} s left: {text}"));
    }

    fn left_s(&self) -> f64 {
        let spent = self.done_s + self.part.1.elapsed().as_secs_f64().min(self.part.0);
        (self.total_s - spent).max(0.0)
    }

    /// Removes the bar.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
