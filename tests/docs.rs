//! The SQL in the documents, run as a reader would run it.
//!
//! The `sql` blocks of one page are run in order on one fresh in-memory database, statement by statement, in one session.
//! What a statement must answer stands in comment lines below it; the convention is described at the top of
//! `docs/sql.md`. A statement without such a line must succeed, and what it answers is not compared. Blocks of Rust in the
//! same documents are doctests of the crate `monostable`; commands are checked by `tidy`.

use crate::tidy::{files, read};
use monostable::{Database, Outcome, Rows, Session, Value};
use std::collections::BTreeSet;
use std::path::Path;

/// A line that begins with this is one row of the answer.
const ROW: &str = "-- =>";
/// A line that begins with this is the SQLSTATE of the error that the statement must give.
const ERROR: &str = "-- error ";
/// Stands in place of rows where there are none.
const NO_ROWS: &str = "(no rows)";

/// A statement of a block, with what must come of it.
#[derive(Debug, PartialEq)]
struct Statement {
    line: usize,
    sql: String,
    /// Empty if nothing is said about the answer.
    expected: Vec<String>,
}

/// The lines of each block of one language, with the number of the first.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<(usize, Vec<&'a str>)> {
    let mut found = Vec::new();
    let mut open: Option<(bool, usize, Vec<&str>)> = None;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some((wanted, first, lines))) => found.extend(wanted.then_some((first, lines))),
            (Some(fence), None) => open = Some((fence.trim() == language, index + 2, Vec::new())),
            (None, Some((wanted, first, mut lines))) => {
                lines.push(line);
                open = Some((wanted, first, lines));
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// A line without the comment that may follow the end of a statement.
fn without_remark(line: &str) -> &str {
    line.find("; --").map_or(line, |at| &line[..=at])
}

/// The statements of a block. A statement ends with the line that ends with a semicolon, perhaps before a comment.
fn statements(first: usize, lines: &[&str]) -> Vec<Statement> {
    let mut found: Vec<Statement> = Vec::new();
    let mut sql: Option<(usize, String)> = None;
    for (number, line) in (first..).zip(lines) {
        let text = without_remark(line.trim());
        if let Some(row) = text.strip_prefix(ROW) {
            let statement = found.last_mut().filter(|_| sql.is_none());
            statement.unwrap_or_else(|| panic!("line {number}: an answer to nothing")).expected.push(row.trim().into());
        } else if text.starts_with(ERROR) {
            let statement = found.last_mut().filter(|_| sql.is_none());
            let expected = text.trim_start_matches("-- ").to_owned();
            statement.unwrap_or_else(|| panic!("line {number}: an error of nothing")).expected.push(expected);
        } else if !text.is_empty() && (sql.is_some() || !text.starts_with("--")) {
            let (line, mut text_so_far) = sql.take().unwrap_or((number, String::new()));
            text_so_far.push_str(&format!("{text}\n"));
            if text.ends_with(';') {
                found.push(Statement { line, sql: text_so_far.trim().to_owned(), expected: Vec::new() });
            } else {
                sql = Some((line, text_so_far));
            }
        }
    }
    assert!(sql.is_none(), "line {first}: the last statement of the block has no semicolon");
    found
}

fn shown(value: Value) -> String {
    match value {
        Value::Text(text) if text.is_empty() => "''".to_owned(),
        other => other.to_string(),
    }
}

/// Rows as the documents write them: sorted, unless the statement orders them.
fn rendered(rows: &Rows, sql: &str) -> Vec<String> {
    let row = |row: monostable::Row| {
        let values = row.values().expect("a row that was returned can be read");
        values.into_iter().map(shown).collect::<Vec<_>>().join(" | ")
    };
    let mut lines: Vec<String> = rows.iter().map(row).collect();
    if !sql.to_ascii_uppercase().contains("ORDER BY") {
        lines.sort();
    }
    if lines.is_empty() { vec![NO_ROWS.to_owned()] } else { lines }
}

/// A statement with the file of a COPY in `directory`.
fn placed(sql: &str, directory: &Path) -> String {
    if sql.starts_with("COPY") { sql.replacen('\'', &format!("'{}/", directory.display()), 1) } else { sql.to_owned() }
}

fn answer(session: &mut Session, sql: &str) -> (Vec<String>, String) {
    match session.execute(sql) {
        Ok(outcomes) => match outcomes.as_slice() {
            [Outcome { rows: Some(rows), tag, .. }] => (rendered(rows, sql), tag.clone()),
            [outcome] => (vec![outcome.tag.clone()], outcome.tag.clone()),
            several => panic!("one statement gave {} outcomes: {sql}", several.len()),
        },
        Err(error) => (vec![format!("error {}", error.sqlstate())], error.to_string()),
    }
}

/// What a page says and what is not so.
fn differences(page: &str) -> (Vec<String>, usize) {
    let db = Database::in_memory().expect("an in-memory database opens");
    let mut session = db.session();
    let directory = tempfile::tempdir().expect("a directory for the files of COPY");
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (first, lines) in blocks(page, "sql") {
        for statement in statements(first, &lines) {
            count += 1;
            let (actual, message) = answer(&mut session, &placed(&statement.sql, directory.path()));
            let failed = actual.first().is_some_and(|line| line.starts_with("error "));
            let mut expected = statement.expected;
            if !statement.sql.to_ascii_uppercase().contains("ORDER BY") {
                expected.sort();
            }
            if if expected.is_empty() { failed } else { actual != expected } {
                let Statement { line, sql, .. } = statement;
                wrong.push(format!("{line}: {sql}\n  expected: {expected:?}\n  actual:   {actual:?} ({message})"));
            }
        }
    }
    (wrong, count)
}

#[test]
fn the_documents_sql_gives_the_answers_in_the_documents() {
    let (mut report, mut count) = (String::new(), 0);
    let is_document = |path: &str| path == "README.md" || path.starts_with("docs/") || path.ends_with("/README.md");
    for page in files(&["md"]).iter().filter(|page| is_document(&page.path)) {
        let (wrong, run) = differences(&page.text);
        count += run;
        wrong.iter().for_each(|difference| report.push_str(&format!("{}:{difference}\n", page.path)));
    }
    assert!(report.is_empty(), "the documents are wrong:\n{report}");
    assert!(count > 100, "only {count} statements were found in the documents");
}

/// The names in code style in the tables of a section.
fn listed(page: &str, heading: &str) -> BTreeSet<String> {
    let section = page.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with('#'));
    let cells = section.filter(|line| line.starts_with('|')).flat_map(|line| line.split('`').skip(1).step_by(2));
    cells.filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).map(str::to_owned).collect()
}

/// The names in the front end's table of scalar functions.
fn functions() -> BTreeSet<String> {
    let source = read("crates/query/src/functions/scalar.rs");
    let lines = source.lines().skip_while(|line| !line.starts_with("const FUNCTIONS")).take_while(|line| *line != "];");
    let entries = lines.map(|line| line.trim().trim_start_matches('('));
    entries.filter_map(|entry| entry.strip_prefix('"')?.split('"').next()).map(str::to_owned).collect()
}

#[test]
fn the_functions_in_the_documents_are_those_that_there_are() {
    let (known, mut documented) = (functions(), listed(&read("docs/sql.md"), "### Functions"));
    assert!(known.len() > 50, "only {} functions were found in the table", known.len());
    // A form of syntax, and not a name of a function.
    assert!(documented.remove("position"));
    // The type that a row of the table is about.
    documented.remove("numeric");
    assert_eq!(documented, known);
}

#[test]
fn a_wrong_answer_in_a_document_is_noticed() {
    let page = |answer: &str| format!("text\n```sql\n-- About this.\nSELECT 1,\n  2;\n{answer}\n```\n");
    assert_eq!(blocks(&page(""), "sql").len(), 1);
    for right in ["", "-- => 1 | 2"] {
        assert_eq!(differences(&page(right)), (Vec::new(), 1), "{right}");
    }
    for wrong in ["-- => 1 | 3", "-- => (no rows)", "-- error 42703", "-- => 1 | 2\n-- => 1 | 2"] {
        assert_eq!(differences(&page(wrong)).0.len(), 1, "{wrong}");
    }
    let failing = "```sql\nSELECT nothing;\n```";
    assert_eq!(differences(failing).0.len(), 1);
    assert!(differences("```sql\nSELECT nothing;\n-- error 42703\n```").0.is_empty());
    assert!(blocks("```rust\nlet a = 1;\n```", "sql").is_empty());
}
