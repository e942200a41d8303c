//! Monostable as a target of scripts.

use crate::script::{Answer, Target};
use monostable::{Database, Session, Value};

/// A session on a database, for [`crate::script::run`].
#[derive(Debug)]
pub struct Engine {
    session: Session,
}

impl Engine {
    /// A new session on `db`.
    pub fn new(db: &Database) -> Engine {
        Engine { session: db.session() }
    }
}

impl Target for Engine {
    fn name(&self) -> &str {
        "monostable"
    }

    fn run(&mut self, sql: &str) -> Answer {
        let failed = |error: monostable::Error| Answer::Error {
            sqlstate: error.sqlstate().to_string(),
            message: error.to_string(),
        };
        let outcomes = match self.session.execute(sql) {
            Ok(outcomes) => outcomes,
            Err(error) => return failed(error),
        };
        let Some(outcome) = outcomes.into_iter().last() else { return Answer::Done(None) };
        let Some(rows) = outcome.rows else { return Answer::Done(outcome.affected) };
        let text = |value: &Value| if matches!(value, Value::Null) { None } else { Some(value.to_string()) };
        match rows.iter().map(|row| Ok(row.values()?.iter().map(text).collect())).collect() {
            Ok(rows) => Answer::Rows(rows),
            Err(error) => failed(error),
        }
    }
}
