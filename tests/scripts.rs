//! The golden scripts in `scripts/`, run on Monostable and on PostgreSQL.
//!
//! The answers in the scripts were given by PostgreSQL wherever it can answer, so that they are nobody's wish. There a materialized view is
//! created as a plain view: it is then always up to date, which is what is promised here.
//!
//! `UPDATE_SCRIPTS=postgres` or `UPDATE_SCRIPTS=monostable` writes the answers of that database into the scripts, to be reviewed as a diff.

use crate::postgres_server::{Server, Session};
use monostable::Database;
use monostable_testkit::script::{self, Answer, Target};
use monostable_testkit::target::Engine;
use std::path::PathBuf;

/// PostgreSQL as a target of scripts.
pub(crate) struct Postgres(pub(crate) Session);

/// Whether a statement gives rows.
fn gives_rows(sql: &str) -> bool {
    let upper = sql.to_ascii_uppercase();
    ["SELECT", "WITH", "VALUES"].iter().any(|word| upper.trim_start().starts_with(word)) || upper.contains("RETURNING")
}

/// Whether a statement counts the rows that it changed.
fn counts_rows(sql: &str) -> bool {
    let upper = sql.to_ascii_uppercase();
    ["INSERT", "UPDATE", "DELETE"].iter().any(|word| upper.trim_start().starts_with(word))
}

impl Target for Postgres {
    fn name(&self) -> &str {
        "postgres"
    }

    fn run(&mut self, sql: &str) -> Answer {
        let statement = sql.replace("MATERIALIZED VIEW", "VIEW");
        match self.0.execute(&statement) {
            Ok(answer) if gives_rows(sql) => Answer::Rows(answer.rows),
            Ok(answer) if counts_rows(sql) => Answer::Done(Some(answer.affected)),
            Ok(_) => Answer::Done(None),
            Err(failure) => Answer::Error { sqlstate: failure.sqlstate, message: failure.message },
        }
    }
}

fn scripts() -> Vec<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let entries = std::fs::read_dir(&directory).expect("the scripts are there").flatten();
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "sql")).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no scripts in {}", directory.display());
    paths
}

/// Runs every script on a fresh target; panics with all differences.
fn run_all(name: &str, mut fresh: impl FnMut(usize) -> Box<dyn Target>) {
    let update = std::env::var("UPDATE_SCRIPTS").is_ok_and(|target| target == name);
    let mut report = String::new();
    for (index, path) in scripts().into_iter().enumerate() {
        let text = std::fs::read_to_string(&path).expect("a script is readable");
        let mut target = fresh(index);
        if update {
            std::fs::write(&path, script::rewrite(&text, target.as_mut())).expect("a script is writable");
            continue;
        }
        let (differences, count) = script::run(&text, target.as_mut());
        assert!(count > 0, "{} is empty", path.display());
        for difference in differences {
            report.push_str(&format!("{} {difference}\n", path.file_name().unwrap_or_default().to_string_lossy()));
        }
    }
    assert!(report.is_empty(), "{name} disagrees with the scripts:\n{report}");
}

#[test]
fn postgres_gives_the_answers_in_the_scripts() {
    let Some(server) = Server::start_or_skip() else { return };
    run_all("postgres", |index| Box::new(Postgres(server.database(&format!("script{index}")))));
}

#[test]
fn monostable_gives_the_answers_in_the_scripts() {
    run_all("monostable", |_| Box::new(Engine::new(&Database::in_memory().expect("opens"))));
}
