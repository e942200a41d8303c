//! Golden scripts: SQL with its expected answers, readable and diffable.
//!
//! A script is a sequence of blocks with an empty line between them. A block is SQL, a line `----`, and the answer:
//!
//! ```text
//! # A group that loses its last row leaves the view.
//! DELETE FROM orders WHERE id = 1;
//! ----
//! ok 1
//!
//! SELECT * FROM spend;
//! ----
//! 'ann' | 30.00 | NULL
//!
//! SELECT nonsense;
//! ----
//! error 42703
//! ```
//!
//! Rows are sorted unless the statement says ORDER BY. Lines that begin with `#` are comments; `# only: NAME` before a block leaves it out on every other
//! target. An answer may be `ok`, `ok N` (rows affected), `error SQLSTATE`, or rows; no line at all means no rows.
//!
//! The same script runs on every [`Target`], so that two databases can be compared; what is compared is [`Answer`], after [`normalize`] has removed
//! the differences of form between equal numbers.

use std::fmt;

/// Something that runs SQL.
pub trait Target {
    /// A name that `# only:` lines refer to.
    fn name(&self) -> &str;

    /// Runs one statement.
    fn run(&mut self, sql: &str) -> Answer;
}

/// What a statement gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Rows, each value in PostgreSQL's text form, `None` for NULL.
    Rows(Vec<Vec<Option<String>>>),
    /// Done, with the rows affected.
    Done(Option<u64>),
    /// An error.
    Error {
        /// Its SQLSTATE.
        sqlstate: String,
        /// Its message; not compared.
        message: String,
    },
}

/// One block of a script.
#[derive(Debug, Clone)]
pub struct Block {
    /// Line number of the block's first line, from 1.
    pub line: usize,
    /// The target that the block is for; all if `None`.
    pub only: Option<String>,
    /// Comment lines, as they stand.
    pub comments: Vec<String>,
    /// The statement.
    pub sql: String,
    /// The expected answer, line by line.
    pub expected: Vec<String>,
}

/// A difference between what a script expects and what a target answered.
#[derive(Debug)]
pub struct Difference {
    /// The block's line in the script.
    pub line: usize,
    /// The statement.
    pub sql: String,
    /// What the script says.
    pub expected: Vec<String>,
    /// What the target answered.
    pub actual: Vec<String>,
    /// The target's message, if it answered with an error.
    pub message: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "line {}: {}", self.line, self.sql)?;
        writeln!(f, "  expected: {:?}", self.expected)?;
        writeln!(f, "  actual:   {:?}", self.actual)?;
        match &self.message {
            Some(message) => writeln!(f, "  message:  {message}"),
            None => Ok(()),
        }
    }
}

/// Splits a script into its blocks.
pub fn parse(script: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = script.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        let mut block =
            Block { line: number + 1, only: None, comments: Vec::new(), sql: String::new(), expected: Vec::new() };
        let mut answer = false;
        let mut line = Some(line);
        while let Some(text) = line.filter(|text| !text.trim().is_empty()) {
            match text.strip_prefix('#') {
                _ if text == "----" => answer = true,
                _ if answer => block.expected.push(text.to_string()),
                Some(comment) => {
                    if let Some(name) = comment.trim().strip_prefix("only:") {
                        block.only = Some(name.trim().to_string());
                    }
                    block.comments.push(text.to_string());
                }
                None => {
                    block.sql.push_str(if block.sql.is_empty() { "" } else { "\n" });
                    block.sql.push_str(text);
                }
            }
            line = lines.next().map(|(_, text)| text);
        }
        blocks.push(block);
    }
    blocks
}

/// Equal numbers in equal form: no trailing zeros after a decimal point, no exponent sign, `t`/`f` for booleans.
pub fn normalize(value: &str) -> String {
    match value {
        "true" => return "t".to_string(),
        "false" => return "f".to_string(),
        _ => {}
    }
    let digits = value.strip_prefix('-').unwrap_or(value);
    let numeric = !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.matches('.').count() == 1;
    if !numeric {
        return value.to_string();
    }
    let trimmed = value.trim_end_matches('0').trim_end_matches('.');
    if trimmed.is_empty() || trimmed == "-" || trimmed == "-0" { "0".to_string() } else { trimmed.to_string() }
}

fn quote(value: &Option<String>) -> String {
    match value {
        None => "NULL".to_string(),
        Some(text) if text.is_empty() || text.contains(['|', '\'', ' ', '\n']) || text == "NULL" => {
            format!("'{}'", text.replace('\'', "''"))
        }
        Some(text) => normalize(text),
    }
}

/// An answer as a script writes it.
pub fn render(sql: &str, answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Done(Some(affected)) => vec![format!("ok {affected}")],
        Answer::Done(None) => vec!["ok".to_string()],
        Answer::Error { sqlstate, .. } => vec![format!("error {sqlstate}")],
        Answer::Rows(rows) => {
            let mut lines: Vec<String> =
                rows.iter().map(|row| row.iter().map(quote).collect::<Vec<_>>().join(" | ")).collect();
            if !sql.to_ascii_uppercase().contains("ORDER BY") {
                lines.sort();
            }
            lines
        }
    }
}

/// Runs a script; gives the differences and how many blocks ran.
pub fn run(script: &str, target: &mut dyn Target) -> (Vec<Difference>, usize) {
    let mut differences = Vec::new();
    let mut count = 0;
    for block in parse(script) {
        if block.sql.is_empty() || block.only.as_ref().is_some_and(|name| name != target.name()) {
            continue;
        }
        count += 1;
        let answer = target.run(&block.sql);
        let actual = render(&block.sql, &answer);
        if actual != block.expected {
            let message = if let Answer::Error { message, .. } = answer { Some(message) } else { None };
            differences.push(Difference {
                line: block.line,
                sql: block.sql,
                expected: block.expected,
                actual,
                message,
            });
        }
    }
    (differences, count)
}

/// The script with the answers that `target` gives now: to write a new script, or to review a change of many answers as a diff.
pub fn rewrite(script: &str, target: &mut dyn Target) -> String {
    let mut out = Vec::new();
    for block in parse(script) {
        let mut lines = block.comments.clone();
        if !block.sql.is_empty() {
            lines.push(block.sql.clone());
            lines.push("----".to_string());
            let applies = block.only.as_ref().is_none_or(|name| name == target.name());
            lines.extend(if applies { render(&block.sql, &target.run(&block.sql)) } else { block.expected });
        }
        out.push(lines.join("\n"));
    }
    out.join("\n\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Vec<Answer>);

    impl Target for Fixed {
        fn name(&self) -> &str {
            "fixed"
        }

        fn run(&mut self, _sql: &str) -> Answer {
            self.0.remove(0)
        }
    }

    const SCRIPT: &str = "# A comment.\nSELECT a,\n b FROM t;\n----\n1 | NULL\n2 | 'x y'\n\n# only: other\nSELECT 2;\n----\n2\n\nDELETE FROM t;\n----\nok 2\n";

    fn rows() -> Answer {
        Answer::Rows(vec![vec![Some("2".into()), Some("x y".into())], vec![Some("1".into()), None]])
    }

    #[test]
    fn a_script_that_agrees_has_no_differences() {
        let mut target = Fixed(vec![rows(), Answer::Done(Some(2))]);
        let (differences, count) = run(SCRIPT, &mut target);
        assert!(differences.is_empty(), "{differences:?}");
        assert_eq!(count, 2);
    }

    #[test]
    fn a_wrong_answer_is_a_difference_with_its_line() {
        let mut target = Fixed(vec![rows(), Answer::Error { sqlstate: "42P01".into(), message: "no".into() }]);
        let (differences, _) = run(SCRIPT, &mut target);
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].line, 13);
        assert_eq!(differences[0].actual, ["error 42P01"]);
    }

    #[test]
    fn rewriting_keeps_comments_and_takes_the_answers() {
        let mut target = Fixed(vec![rows(), Answer::Done(Some(3))]);
        assert_eq!(rewrite(SCRIPT, &mut target), SCRIPT.replace("ok 2", "ok 3"));
    }

    #[test]
    fn equal_numbers_have_one_form() {
        assert_eq!(normalize("1.500"), "1.5");
        assert_eq!(normalize("-0.00"), "0");
        assert_eq!(normalize("100"), "100");
        assert_eq!(normalize("2013-01-01"), "2013-01-01");
        assert_eq!(normalize("true"), "t");
    }
}
