//! A database in a test: a catalog and a version, without log, files or transactions.
//!
//! Statements take effect through `view::step`, as commits do, so that tests read what a statement made and not what it said.

use monostable_types::Value;
use monostable_view::{Build, Scope, Version, step};
use proptest::prelude::ProptestConfig;

use crate::{Catalog, DmlOutcome, Error, Planner, Prepared, QueryResult, Result};

/// How many cases a property test runs: `PROPTEST_CASES`, or else `default`.
#[expect(clippy::disallowed_methods, reason = "the number of cases is the tester's choice, not an option of the crate")]
pub(crate) fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A catalog, a version, and a planner for both.
pub(crate) struct Testbed {
    pub(crate) planner: Planner,
    pub(crate) catalog: Catalog,
    pub(crate) version: Version,
}

impl Testbed {
    /// The database after some statements, which are separated by semicolons.
    pub(crate) fn new(script: &str) -> Testbed {
        let mut bed = Testbed { planner: Planner::new(), catalog: Catalog::new(), version: Version::new() };
        bed.script(script);
        bed
    }

    /// Runs statements that must succeed.
    pub(crate) fn script(&mut self, script: &str) {
        for statement in script.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            if let Err(error) = self.execute(statement, &[]) {
                panic!("{statement}: {} {error}", error.sqlstate());
            }
        }
    }

    pub(crate) fn prepare(&self, sql: &str) -> Result<std::sync::Arc<Prepared>> {
        self.planner.prepare(sql, &self.catalog, self.version.graph())
    }

    /// Runs one statement, lets it take effect, and gives its rows.
    pub(crate) fn execute(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Vec<Value>>> {
        match self.prepare(sql)?.as_ref() {
            Prepared::Query(plan) => Ok(values_of(&plan.execute(&self.version, values)?)),
            Prepared::Dml(plan) => {
                let outcome = plan.execute(&self.version, values)?;
                self.commit(plan.table(), &outcome)?;
                Ok(outcome.returning.as_ref().map(values_of).unwrap_or_default())
            }
            Prepared::Ddl(plan) => {
                let outcome = plan.apply(&self.planner, &self.catalog, self.version.graph())?;
                let roots = outcome.catalog.roots();
                self.version = Build::run(&self.version, &outcome.graph, &outcome.build)?.retain(&roots);
                self.catalog = outcome.catalog;
                Ok(Vec::new())
            }
            other => panic!("{other:?} is not executed here"),
        }
    }

    pub(crate) fn commit(&mut self, table: monostable_view::TableId, outcome: &DmlOutcome) -> Result<()> {
        self.version = step(&self.version, &[(table, outcome.delta.clone())], Scope::All, &[])?.version;
        Ok(())
    }

    /// The rows of a statement as text: values joined by commas, rows by semicolons, NULL as `null`.
    pub(crate) fn show(&mut self, sql: &str, values: &[Value]) -> String {
        match self.execute(sql, values) {
            Ok(rows) => rows.iter().map(|row| show_row(row)).collect::<Vec<_>>().join("; "),
            Err(error) => format!("{}: {error}", error.sqlstate()),
        }
    }

    /// The error of a statement that must fail.
    pub(crate) fn error(&mut self, sql: &str, values: &[Value]) -> Error {
        match self.execute(sql, values) {
            Ok(rows) => panic!("{sql} succeeded with {rows:?}"),
            Err(error) => error,
        }
    }

    /// Its SQLSTATE.
    pub(crate) fn sqlstate(&mut self, sql: &str, values: &[Value]) -> &'static str {
        self.error(sql, values).sqlstate()
    }

    /// What a changing statement would do, without letting it take effect.
    pub(crate) fn outcome(&self, sql: &str, values: &[Value]) -> Result<DmlOutcome> {
        match self.prepare(sql)?.as_ref() {
            Prepared::Dml(plan) => plan.execute(&self.version, values),
            other => panic!("{other:?} changes no rows"),
        }
    }
}

fn show_row(row: &[Value]) -> String {
    let shown = row.iter().map(|value| match value {
        Value::Null => "null".to_owned(),
        value => value.to_string(),
    });
    shown.collect::<Vec<_>>().join(",")
}

/// The rows of a result.
pub(crate) fn values_of(result: &QueryResult) -> Vec<Vec<Value>> {
    let types = result.schema.types();
    let mut rows = Vec::new();
    for batch in &result.batches {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().zip(&types);
            rows.push(values.map(|(column, data_type)| Value::from_array(column, row, *data_type).unwrap()).collect());
        }
    }
    rows
}
