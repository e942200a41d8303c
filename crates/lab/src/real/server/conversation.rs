//! A session as clients of PostgreSQL expect it, without anything of the protocol.
//!
//! An error ends the transaction that it happened in: it is rolled back at once, and what comes before its end is refused.
//! (A session of Monostable goes on after an error, because a statement that failed has left nothing. A client that sends
//! several statements without waiting for answers relies on the other rule.) Statements that only set something are
//! accepted and set nothing.

use monostable::{Description, Error, Outcome, Result, Session, Value};
use pgwire::messages::response::TransactionStatus;

/// A session, and whether its transaction has failed.
pub(super) struct Conversation {
    session: Session,
    /// An error has ended the transaction; its client has not yet.
    failed: bool,
}

/// What a statement answered.
pub(super) enum Answer {
    /// That it sets something.
    Set,
    /// That the failed transaction is over.
    RolledBack,
    /// What the session says of each statement of the text.
    Outcomes(Vec<Outcome>),
}

/// The first word of a text that is one statement, in capitals; empty if it is more than one.
fn verb(sql: &str) -> String {
    let one = sql.trim().trim_end_matches(';');
    let letters = one.chars().take_while(char::is_ascii_alphabetic);
    if one.contains(';') { String::new() } else { letters.collect::<String>().to_ascii_uppercase() }
}

impl Conversation {
    pub(super) fn new(session: Session) -> Conversation {
        Conversation { session, failed: false }
    }

    /// Runs every statement of a text.
    pub(super) fn text(&mut self, sql: &str) -> Result<Answer> {
        self.run(sql, |session| session.execute(sql))
    }

    /// Runs one statement with parameters.
    pub(super) fn statement(&mut self, sql: &str, parameters: &[Value]) -> Result<Answer> {
        self.run(sql, |session| Ok(vec![session.execute_with(sql, parameters)?]))
    }

    /// What one statement takes and answers; `None` if it is not for the session.
    pub(super) fn describe(&mut self, sql: &str) -> Result<Option<Description>> {
        match verb(sql).as_str() {
            "SET" => Ok(None),
            "COMMIT" | "END" | "ROLLBACK" | "ABORT" if self.failed => Ok(None),
            _ => self.ask(|session| session.describe(sql)).map(Some),
        }
    }

    fn run(&mut self, sql: &str, run: impl FnOnce(&mut Session) -> Result<Vec<Outcome>>) -> Result<Answer> {
        match verb(sql).as_str() {
            "COMMIT" | "END" | "ROLLBACK" | "ABORT" if self.failed => {
                self.failed = false;
                Ok(Answer::RolledBack)
            }
            "SET" if !self.failed => Ok(Answer::Set),
            _ => self.ask(run).map(Answer::Outcomes),
        }
    }

    fn ask<T>(&mut self, ask: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        if self.failed {
            let message = "the transaction has failed and was rolled back: nothing is run until it is ended".to_owned();
            return Err(Error::TransactionState { sqlstate: "25P02", message });
        }
        let answer = ask(&mut self.session);
        if answer.is_err() && self.session.in_transaction() {
            self.session.execute("ROLLBACK")?;
            self.failed = true;
        }
        answer
    }

    /// What the protocol says of the transaction.
    pub(super) fn status(&self) -> TransactionStatus {
        match (self.failed, self.session.in_transaction()) {
            (true, _) => TransactionStatus::Error,
            (false, true) => TransactionStatus::Transaction,
            (false, false) => TransactionStatus::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use monostable::Database;

    use super::*;

    fn begun() -> Conversation {
        Conversation::new(Database::in_memory().unwrap().session())
    }

    fn tag(answer: Result<Answer>) -> String {
        match answer {
            Ok(Answer::Set) => "SET".into(),
            Ok(Answer::RolledBack) => "rolled back".into(),
            Ok(Answer::Outcomes(outcomes)) => outcomes.into_iter().map(|one| one.tag).collect::<Vec<_>>().join(", "),
            Err(error) => error.sqlstate().into(),
        }
    }

    #[test]
    fn an_error_ends_a_transaction_and_its_client_is_told_until_it_ends_it_too() {
        let mut conversation = begun();
        assert_eq!(tag(conversation.text("CREATE TABLE t (k BIGINT PRIMARY KEY)")), "CREATE TABLE");
        assert_eq!(tag(conversation.text("BEGIN; INSERT INTO t VALUES (1)")), "BEGIN, INSERT 0 1");
        assert_eq!(conversation.status(), TransactionStatus::Transaction);
        assert_eq!(tag(conversation.statement("INSERT INTO t VALUES ($1)", &[Value::from(1_i64)])), "23505");
        assert_eq!(conversation.status(), TransactionStatus::Error);
        for sql in ["INSERT INTO t VALUES (2)", "SET x = 1", "COMMIT; INSERT INTO t VALUES (2)"] {
            assert_eq!(tag(conversation.text(sql)), "25P02", "{sql}");
        }
        assert!(
            conversation.describe("SELECT k FROM t").is_err() && conversation.describe("COMMIT").unwrap().is_none()
        );
        assert_eq!(tag(conversation.text("commit;")), "rolled back");
        assert_eq!(conversation.status(), TransactionStatus::Idle);
        assert_eq!(tag(conversation.text("SELECT k FROM t")), "SELECT 0");
    }

    #[test]
    fn what_sets_something_is_accepted_and_nothing_after_it_is_lost() {
        let mut conversation = begun();
        assert_eq!(tag(conversation.text("SET search_path = a")), "SET");
        assert_eq!(tag(conversation.text("SET a = 1; CREATE TABLE t (k BIGINT)")), "0A000");
        assert_eq!(tag(conversation.text("COMMIT")), "25P01");
    }
}
