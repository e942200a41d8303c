//! The shell on a terminal: line editing, history, completion, and statements over several lines.
//!
//! A statement is run when its semicolon has been typed. Errors are shown and the shell goes on. Names for completion are
//! read from the database after each statement. History is kept in the home directory, and if that cannot be written the
//! shell works without.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use monostable::Session;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Editor};

use super::Runner;
use super::split::Splitter;
use crate::arguments::RowFormat;
use crate::failure::{Failure, Result};

const GREETING: &str = "Statements end with a semicolon. \\d lists tables and views, \\q ends, \\? helps.";
const HELP: &str = "\
\\d          tables and views
\\timing     show how long each statement takes, or stop it
\\q          end (or Ctrl-D)
Tab         complete a keyword or a name
Up, Ctrl-R  earlier statements

EXPLAIN SELECT ..;  shows the operators of a query and what they share with views.";
const HISTORY_FILE: &str = ".monostable_history";

const KEYWORDS: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "ASC",
    "AVG",
    "BEGIN",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COMMIT",
    "CONFLICT",
    "COPY",
    "COUNT",
    "CREATE",
    "CROSS",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DISTINCT",
    "DO",
    "DROP",
    "ELSE",
    "END",
    "EXISTS",
    "EXPLAIN",
    "FILTER",
    "FROM",
    "GROUP",
    "HAVING",
    "IF",
    "IN",
    "INDEX",
    "INNER",
    "INSERT",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "LIKE",
    "LIMIT",
    "MATERIALIZED",
    "MAX",
    "MIN",
    "NOT",
    "NOTHING",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "PRIMARY",
    "RETURNING",
    "ROLLBACK",
    "SELECT",
    "SET",
    "SHOW",
    "SUM",
    "TABLE",
    "TABLES",
    "THEN",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USING",
    "VALUES",
    "VIEW",
    "VIEWS",
    "WHEN",
    "WHERE",
    "WITH",
];

/// Reads statements from the terminal until its end.
pub(super) fn run(session: Session, format: RowFormat) -> Result<()> {
    let mut editor: Editor<Prompt, DefaultHistory> = Editor::new().map_err(terminal)?;
    let history = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(HISTORY_FILE));
    if let Some(file) = &history {
        // There is none the first time.
        let _ = editor.load_history(file);
    }
    let mut shell = Shell { runner: Runner { session, format, out: std::io::stdout() }, timing: false };
    writeln!(shell.runner.out, "{GREETING}")?;
    loop {
        editor.set_helper(Some(Prompt { names: shell.names() }));
        let prompt = if shell.runner.session.in_transaction() { "monostable*> " } else { "monostable> " };
        match editor.readline(prompt) {
            Ok(input) => {
                let _ = editor.add_history_entry(input.trim());
                if shell.input(&input)? {
                    break;
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(terminal(error)),
        }
    }
    if let Some(file) = &history {
        // A home directory that cannot be written is no reason to fail.
        let _ = editor.save_history(file);
    }
    Ok(())
}

fn terminal(error: ReadlineError) -> Failure {
    Failure::message(format!("cannot read from the terminal: {error}"))
}

struct Shell<W> {
    runner: Runner<W>,
    timing: bool,
}

impl<W: Write> Shell<W> {
    /// Runs what was typed; whether that is the end.
    fn input(&mut self, input: &str) -> Result<bool> {
        match input.trim().trim_end_matches(';') {
            "\\q" | "quit" | "exit" => return Ok(true),
            "\\?" | "help" => writeln!(self.runner.out, "{HELP}")?,
            "\\d" => {
                self.statement("SHOW TABLES")?;
                self.statement("SHOW VIEWS")?;
            }
            "\\timing" => {
                self.timing = !self.timing;
                writeln!(self.runner.out, "timing is {}", if self.timing { "on" } else { "off" })?;
            }
            text if text.starts_with('\\') => writeln!(self.runner.out, "there is no {text}: \\? lists what there is")?,
            _ => self.statements(input)?,
        }
        Ok(false)
    }

    fn statements(&mut self, input: &str) -> Result<()> {
        let mut splitter = Splitter::default();
        splitter.push(input);
        while let Some(statement) = splitter.next_statement() {
            self.statement(&statement)?;
        }
        splitter.finish().map_or(Ok(()), |statement| self.statement(&statement))
    }

    fn statement(&mut self, statement: &str) -> Result<()> {
        let started = Instant::now();
        match self.runner.statement(statement) {
            Ok(()) => {}
            Err(Failure::OutputClosed) => return Err(Failure::OutputClosed),
            Err(Failure::Message(text)) => writeln!(self.runner.out, "error: {text}")?,
        }
        if self.timing {
            writeln!(self.runner.out, "{:.3} ms", started.elapsed().as_secs_f64() * 1e3)?;
        }
        Ok(())
    }

    /// The names of tables and views.
    fn names(&mut self) -> BTreeSet<String> {
        let shown =
            ["SHOW TABLES", "SHOW VIEWS"].map(|statement| self.runner.session.execute(statement).unwrap_or_default());
        let rows = shown.into_iter().flatten().filter_map(|outcome| outcome.rows).flatten();
        rows.filter_map(|row| row.get::<String>(0).ok()).collect()
    }
}

/// What the line editor asks while a statement is typed.
#[derive(rustyline::Helper, rustyline::Hinter)]
struct Prompt {
    names: BTreeSet<String>,
}

impl Highlighter for Prompt {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        Cow::Borrowed(prompt)
    }
}

impl Validator for Prompt {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let complete = is_complete(context.input());
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// Whether what was typed can be run, or the next line belongs to it.
fn is_complete(input: &str) -> bool {
    let text = input.trim();
    if text.starts_with('\\') || matches!(text, "quit" | "exit" | "help") {
        return true;
    }
    let mut splitter = Splitter::default();
    splitter.push(input);
    splitter.push("\n");
    while splitter.next_statement().is_some() {}
    !splitter.is_open()
}

impl Completer for Prompt {
    type Candidate = String;

    fn complete(&self, line: &str, end: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..end).unwrap_or(line);
        let start = before.rfind(|c: char| !(c.is_alphanumeric() || c == '_')).map_or(0, |at| at + 1);
        Ok((start, candidates(&before[start..], &self.names)))
    }
}

/// Names that begin with the word, and keywords in the case in which the word was begun.
fn candidates(word: &str, names: &BTreeSet<String>) -> Vec<String> {
    if word.is_empty() {
        return Vec::new();
    }
    let upper = word.to_uppercase();
    let lower_case = word.starts_with(char::is_lowercase);
    let keywords = KEYWORDS.iter().filter(|keyword| keyword.starts_with(&upper));
    let keywords = keywords.map(|keyword| if lower_case { keyword.to_lowercase() } else { (*keyword).to_owned() });
    let names = names.iter().filter(|name| name.starts_with(&word.to_lowercase())).cloned();
    names.chain(keywords).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_run_when_its_statement_is_complete() {
        for complete in ["SELECT 1;", "SELECT 1; -- done", "\\d", "quit", "", "  "] {
            assert!(is_complete(complete), "{complete}");
        }
        for open in ["SELECT 1", "SELECT ';", "SELECT 1; SELECT", "/* a"] {
            assert!(!is_complete(open), "{open}");
        }
    }

    #[test]
    fn names_and_keywords_are_completed() {
        let names = BTreeSet::from(["orders".to_owned(), "order_lines".to_owned()]);
        assert_eq!(candidates("ord", &names), ["order_lines", "orders", "order"]);
        assert_eq!(candidates("SEL", &names), ["SELECT"]);
        assert_eq!(candidates("", &names), [""; 0]);
    }
}
