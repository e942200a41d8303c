//! Figures, and how they are printed: a table for people, JSON lines for programs.
//!
//! A figure is the median of its runs, and its spread the least and the greatest of them. Names of contenders say what they are: ours begin with
//! `monostable`; `limit:` is what the machine allows, `floor:` keeps no promise (maps by hand), and neither counts as a peer. Figures are compared
//! within one workload, case and unit.

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

/// Our name in the table, and the beginning of the names of our variants.
pub const OURS: &str = "monostable";
const LIMIT: &str = "limit";
const FLOOR: &str = "floor";

/// Whether a contender is what the machine allows.
pub fn is_limit(contender: &str) -> bool {
    contender.starts_with(LIMIT)
}

impl Figure {
    fn is_ours(&self) -> bool {
        self.contender.starts_with(OURS)
    }

    fn is_peer(&self) -> bool {
        ![OURS, LIMIT, FLOOR].iter().any(|prefix| self.contender.starts_with(prefix))
    }

    fn is_comparable(&self, other: &Figure) -> bool {
        self.workload == other.workload && self.case == other.case && self.unit == other.unit
    }

    /// Above 1 when this is better than the other.
    fn ratio_to(&self, other: &Figure) -> f64 {
        if self.higher_is_better { self.figure / other.figure } else { other.figure / self.figure }
    }
}

impl Report {
    pub fn new(json: bool) -> Report {
        Report { json, figures: Vec::new() }
    }

    /// States a setting that matters: before the figures, and beside the JSON lines on standard error.
    pub fn setting(&self, name: &str, value: &str) {
        if self.json {
            eprintln!("# {name}: {value}");
        } else {
            println!("# {name}: {value}");
        }
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

    /// Ours against the best of the peers in the same case.
    fn ratio(&self, ours: &Figure) -> Option<f64> {
        if !ours.is_ours() {
            return None;
        }
        let peers = self.figures.iter().filter(|figure| figure.is_peer() && figure.is_comparable(ours));
        peers.map(|peer| ours.ratio_to(peer)).reduce(f64::min)
    }

    /// What the machine allows in the same case.
    fn limit(&self, of: &Figure) -> Option<f64> {
        let is_limit = |figure: &&Figure| is_limit(figure.contender) && figure.is_comparable(of);
        self.figures.iter().find(is_limit).map(|limit| limit.figure)
    }

    pub fn print(&self) {
        if self.json {
            self.figures.iter().for_each(|figure| println!("{}", self.json_line(figure)));
        } else {
            self.print_table();
            self.print_comparisons();
        }
    }

    fn json_line(&self, figure: &Figure) -> serde_json::Value {
        serde_json::json!({
            "workload": figure.workload,
            "case": figure.case,
            "contender": figure.contender,
            "figure": figure.figure,
            "unit": figure.unit,
            "higher_is_better": figure.higher_is_better,
            "ratio_to_best_peer": self.ratio(figure),
            "spread": [figure.spread.0, figure.spread.1],
        })
    }

    fn print_table(&self) {
        let wide = |text: fn(&Figure) -> &str| self.figures.iter().map(|figure| text(figure).len()).max().unwrap_or(0);
        let (case, contender, unit) = (wide(|f| &f.case), wide(|f| f.contender), wide(|f| f.unit).max(4));
        println!(
            "\n{:<4} {:<case$}  {:<contender$} {:>12} {:<unit$} {:>8} {:>12}  spread",
            "", "case", "contender", "figure", "unit", "ratio", "limit"
        );
        for figure in &self.figures {
            let ratio = self.ratio(figure).map_or(String::new(), |ratio| format!("{ratio:.2}"));
            let limit = self.limit(figure).map_or(String::new(), short);
            println!(
                "{:<4} {:<case$}  {:<contender$} {:>12} {:<unit$} {ratio:>8} {limit:>12}  {} .. {}",
                figure.workload,
                figure.case,
                figure.contender,
                short(figure.figure),
                figure.unit,
                short(figure.spread.0),
                short(figure.spread.1),
            );
        }
    }

    /// A line for each of our figures: the ratio to everybody in the same case, above 1 when we are ahead.
    fn print_comparisons(&self) {
        println!();
        for ours in self.figures.iter().filter(|figure| figure.is_ours()) {
            let others = self.figures.iter().filter(|other| !other.is_ours() && other.is_comparable(ours));
            let ratios: Vec<String> =
                others.map(|other| format!("{} {:.2}", other.contender, ours.ratio_to(other))).collect();
            if !ratios.is_empty() {
                println!("{} {}, {}, ours / theirs: {}", ours.workload, ours.case, ours.contender, ratios.join(", "));
            }
        }
    }
}

/// Three or more digits that matter.
fn short(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}
