//! Statements: a text becomes a list of plans, one per statement.
//!
//! This is where the kinds of statements part: queries (`select`), changes of rows (`dml`), changes of the catalog (`ddl`), COPY
//! (`copy`), transactions, EXPLAIN and SHOW. Everything that is none of them is refused by name.
//!
//! Invariants: preparing has no effect, and its result depends on the text, the catalog and the graph alone, so it is cached
//! by text and catalog version. A text is one statement: what a statement means may depend on those before it.
//!
//! Cost: a hit in the cache is a hash of the text; otherwise parsing and planning. Callers: the facade.

pub(crate) mod parameters;
pub(crate) mod syntax;
#[cfg(test)]
mod tests;
mod transaction;

use std::sync::Arc;

use datafusion_sql::sqlparser::ast;
use monostable_view::Graph;

pub use self::transaction::TransactionControl;
use crate::catalog::Catalog;
use crate::copy::{Copy, CopyPlan};
use crate::ddl::DdlPlan;
use crate::depth::with_stack;
use crate::dml::DmlPlan;
use crate::error::{Error, Result};
use crate::explain::{ExplainPlan, ShowPlan};
use crate::planner::Planner;
use crate::select::QueryPlan;

/// A statement, planned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Prepared {
    /// SELECT, VALUES, TABLE.
    Query(QueryPlan),
    /// INSERT, UPDATE, DELETE.
    Dml(DmlPlan),
    /// CREATE and DROP.
    Ddl(DdlPlan),
    /// BEGIN, COMMIT, ROLLBACK.
    Transaction(TransactionControl),
    /// EXPLAIN.
    Explain(ExplainPlan),
    /// SHOW TABLES, VIEWS, INDEXES.
    Show(ShowPlan),
    /// COPY.
    Copy(CopyPlan),
}

impl Planner {
    /// Plans one statement. The graph is that of the versions over which the plan will be executed.
    pub fn prepare(&self, sql: &str, catalog: &Catalog, graph: &Graph) -> Result<Arc<Prepared>> {
        if let Some(known) = self.cache().get(sql, catalog.version()) {
            return Ok(known);
        }
        // Dropping the syntax tree recurses as deeply as parsing it did, so all of it happens on the same stack.
        let prepared = Arc::new(with_stack(|| self.prepare_new(sql, catalog, graph))?);
        self.cache().insert(sql, catalog.version(), Arc::clone(&prepared));
        Ok(prepared)
    }

    fn prepare_new(&self, sql: &str, catalog: &Catalog, graph: &Graph) -> Result<Prepared> {
        let statements = self.parse(sql)?;
        let [statement] = statements.as_slice() else {
            let count = statements.len();
            return Err(Error::Syntax(format!("one statement was expected, the text has {count}")));
        };
        self.plan(statement, catalog, graph)
    }

    fn plan(&self, statement: &ast::Statement, catalog: &Catalog, graph: &Graph) -> Result<Prepared> {
        use ast::Statement;
        if let Some(transaction) = TransactionControl::recognise(statement)? {
            return Ok(Prepared::Transaction(transaction));
        }
        if let Some(ddl) = DdlPlan::new(statement)? {
            return Ok(Prepared::Ddl(ddl));
        }
        if let Some(explain) = ExplainPlan::new(self, statement, catalog, graph)? {
            return Ok(Prepared::Explain(explain));
        }
        if let Some(show) = ShowPlan::new(statement)? {
            return Ok(Prepared::Show(show));
        }
        match statement {
            Statement::Query(query) => Ok(Prepared::Query(QueryPlan::new(self, query, catalog, graph)?)),
            Statement::Insert(insert) => Ok(Prepared::Dml(DmlPlan::insert(self, insert, catalog, graph)?)),
            Statement::Update(update) => Ok(Prepared::Dml(DmlPlan::update(self, update, catalog, graph)?)),
            Statement::Delete(delete) => Ok(Prepared::Dml(DmlPlan::delete(self, delete, catalog, graph)?)),
            Statement::Copy { source, to, target, options, legacy_options, values } => {
                let has_inline_rows = !values.is_empty();
                let copy = Copy { source, to: *to, target, options, legacy_options, has_inline_rows };
                Ok(Prepared::Copy(CopyPlan::new(self, copy, catalog, graph)?))
            }
            other => Err(Error::not_supported(format!("the statement {other}"))),
        }
    }
}
