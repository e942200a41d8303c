//! Figures, and how they are printed: a table for people, JSON lines for programs.

/// One figure of one contender.
pub struct Figure {
    pub workload: &'static str,
    pub case: String,
    pub contender: &'static str,
    pub figure: f64,
    pub unit: &'static str,
    pub higher_is_better: bool,
    /// Least and greatest over the runs.
    pub spread: (f64, f64),
}

/// All figures of a run.
pub struct Report {
    json: bool,
    figures: Vec<Figure>,
}

/// Our name in the table.
pub const OURS: &str = "monostable";

impl Report {
    pub fn new(json: bool) -> Report {
        Report { json, figures: Vec::new() }
    }

    /// Adds a figure: the median of `runs`.
    pub fn add(
        &mut self,
        workload: &'static str,
        case: &str,
        contender: &'static str,
        unit: &'static str,
        higher_is_better: bool,
        mut runs: Vec<f64>,
    ) {
        runs.sort_by(f64::total_cmp);
        let Some((&least, &greatest)) = runs.first().zip(runs.last()) else { return };
        let figure = runs[runs.len() / 2];
        self.figures.push(Figure {
            workload,
            case: case.to_string(),
            contender,
            figure,
            unit,
            higher_is_better,
            spread: (least, greatest),
        });
    }

    /// Ours against the best of the peers in the same case; above 1 when we are ahead. Limits of the machine, and floors that keep no promise
    /// (maps by hand), are no peers.
    fn ratio(&self, ours: &Figure) -> Option<f64> {
        if !ours.contender.starts_with(OURS) {
            return None;
        }
        let is_peer = |f: &&Figure| {
            let same = f.workload == ours.workload && f.case == ours.case && f.unit == ours.unit;
            same && ![OURS, "limit", "floor"].iter().any(|prefix| f.contender.starts_with(prefix))
        };
        let peers = self.figures.iter().filter(is_peer).map(|f| f.figure);
        if ours.higher_is_better {
            peers.reduce(f64::max).map(|best| ours.figure / best)
        } else {
            peers.reduce(f64::min).map(|best| best / ours.figure)
        }
    }

    pub fn print(&self) {
        if !self.json {
            println!(
                "{:<4} {:<34} {:<22} {:>14} {:<11} {:>8}  spread",
                "", "case", "contender", "figure", "unit", "ratio"
            );
        }
        for figure in &self.figures {
            let ratio = self.ratio(figure);
            let (least, greatest) = figure.spread;
            if self.json {
                let line = serde_json::json!({
                    "workload": figure.workload, "case": figure.case, "contender": figure.contender, "figure": figure.figure,
                    "unit": figure.unit, "higher_is_better": figure.higher_is_better, "ratio_to_best_peer": ratio, "spread": [least, greatest],
                });
                println!("{line}");
            } else {
                let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
                println!(
                    "{:<4} {:<34} {:<22} {:>14.0} {:<11} {:>8}  {least:.0} .. {greatest:.0}",
                    figure.workload, figure.case, figure.contender, figure.figure, figure.unit, ratio
                );
            }
        }
    }
}
