//! What a statement did.
//!
//! What the different kinds of statement have in common once they have run: a tag, a number of rows changed, rows. Running
//! them belongs to the transaction and to the session; schema changes to `ddl`.

use monostable_query::{Prepared, QueryResult};
use monostable_types::Value;

use crate::commit::State;
use crate::error::{Error, Result};
use crate::row::Rows;
use crate::split::statements;

/// What a statement did.
pub(crate) struct Effect {
    pub(crate) tag: String,
    pub(crate) affected: Option<u64>,
    pub(crate) rows: Option<Rows>,
    pub(crate) notices: Vec<String>,
}

impl Effect {
    /// Runs a statement that only reads over a state.
    pub(crate) fn over(state: &State, prepared: &Prepared, params: &[Value]) -> Result<Effect> {
        match prepared {
            Prepared::Query(plan) => Ok(Effect::of_query("SELECT", plan.execute(&state.version, params)?)),
            Prepared::Explain(plan) => Ok(Effect::of_answer("EXPLAIN", plan.execute(&state.catalog, &state.version)?)),
            Prepared::Show(plan) => Ok(Effect::of_answer("SHOW", plan.execute(&state.catalog)?)),
            _ => Err(Error::Misuse("this statement does not only read: run it in a transaction".to_owned())),
        }
    }

    pub(crate) fn of_query(verb: &str, result: QueryResult) -> Effect {
        let rows = Rows::new(result.schema, result.batches);
        Effect { tag: format!("{verb} {}", rows.len()), affected: None, rows: Some(rows), notices: Vec::new() }
    }

    fn of_answer(tag: &str, result: QueryResult) -> Effect {
        Effect { tag: tag.to_owned(), ..Effect::of_query(tag, result) }
    }

    pub(crate) fn tag(tag: impl Into<String>) -> Effect {
        Effect { tag: tag.into(), affected: None, rows: None, notices: Vec::new() }
    }

    pub(crate) fn of_schema_change(tag: &str, notices: Vec<String>) -> Effect {
        Effect { notices, ..Effect::tag(tag) }
    }

    pub(crate) fn of_change(verb: &str, affected: u64, returning: Option<QueryResult>) -> Effect {
        let rows = returning.map(|result| Rows::new(result.schema, result.batches));
        let tag = if verb == "INSERT" { format!("INSERT 0 {affected}") } else { format!("{verb} {affected}") };
        Effect { tag, affected: Some(affected), rows, notices: Vec::new() }
    }

    /// The rows of something that has been found to be a query.
    pub(crate) fn into_rows(self) -> Result<Rows> {
        self.rows.ok_or_else(|| Error::Misuse(format!("{} returns no rows: use execute", self.tag)))
    }
}

/// The only statement of a text.
pub(crate) fn single(sql: &str) -> Result<&str> {
    match statements(sql)[..] {
        [statement] => Ok(statement),
        ref several => Err(Error::Misuse(format!("one statement was expected, the text has {}", several.len()))),
    }
}

/// Refuses, where rows are asked for, a statement that would change something.
pub(crate) fn refuse_change(prepared: &Prepared) -> Result<()> {
    match prepared {
        Prepared::Dml(_) | Prepared::Ddl(_) | Prepared::Transaction(_) => {
            Err(Error::Misuse("query runs queries only: use execute for a statement that changes something".to_owned()))
        }
        _ => Ok(()),
    }
}
