//! A database without durability: a planner, a catalog and a version, and nothing between them.

use monostable_query::catalog::Relation;
use monostable_query::ddl::{DdlOutcome, DdlPlan};
use monostable_query::lower::lower;
use monostable_query::{Catalog, Error, Planner, Purpose};
use monostable_types::Value;
use monostable_view::{Build, Delta, Scope, Version, evaluate, step};

pub(crate) struct Database {
    pub(crate) planner: Planner,
    pub(crate) catalog: Catalog,
    pub(crate) version: Version,
}

impl Database {
    /// A database in which these statements were executed.
    pub(crate) fn with(statements: &[&str]) -> Database {
        let mut database = Database { planner: Planner::new(), catalog: Catalog::new(), version: Version::new() };
        for sql in statements {
            database.define(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        database
    }

    /// Executes a CREATE or DROP.
    pub(crate) fn define(&mut self, sql: &str) -> Result<DdlOutcome, Error> {
        let statements = self.planner.parse(sql)?;
        let plan = DdlPlan::new(&statements[0])?.expect("a CREATE or DROP");
        let outcome = plan.apply(&self.planner, &self.catalog, self.version.graph())?;
        if outcome.changed {
            self.version = Build::run(&self.version, &outcome.graph, &outcome.build).unwrap();
            self.version = self.version.retain(&outcome.catalog.roots());
            self.catalog = outcome.catalog.clone();
        }
        Ok(outcome)
    }

    /// Adds the rows of `VALUES ..` to a table, or takes them away with a negative weight.
    pub(crate) fn change(&mut self, table: &str, values: &str, weight: i64) -> Result<(), Error> {
        let Some(Relation::Table(table)) = self.catalog.relation(table) else { panic!("no table {table}") };
        let columns: Vec<String> = table
            .schema
            .columns()
            .iter()
            .enumerate()
            .map(|(index, column)| format!("CAST(column{} AS {}) AS {}", index + 1, column.data_type, column.name))
            .collect();
        let rows = self.rows(&format!("SELECT {} FROM (VALUES {values}) AS v", columns.join(", ")))?;
        let rows: Vec<(Vec<Value>, i64)> = rows.into_iter().map(|row| (row, weight)).collect();
        let delta = Delta::from_values(&table.schema.types(), &rows).unwrap();
        let next = step(&self.version, &[(table.id, delta)], Scope::All, &[])?;
        self.version = next.version;
        Ok(())
    }

    pub(crate) fn insert(&mut self, table: &str, values: &str) {
        self.change(table, values, 1).unwrap_or_else(|error| panic!("{table} {values}: {error}"));
    }

    pub(crate) fn delete(&mut self, table: &str, values: &str) {
        self.change(table, values, -1).unwrap_or_else(|error| panic!("{table} {values}: {error}"));
    }

    /// The rows of a query, each as often as it occurs.
    pub(crate) fn rows(&self, sql: &str) -> Result<Vec<Vec<Value>>, Error> {
        let query = self.planner.parse_query(sql)?;
        let bound = self.planner.query(&query, &self.catalog, Purpose::Query)?;
        let mut graph = self.version.graph().extend();
        let node = lower(&bound.plan, &self.catalog, Purpose::Query, &mut graph)?;
        let graph = graph.finish();
        let mut chunks: Vec<Delta> = Vec::new();
        evaluate(&self.version, &graph, node, &mut |delta| {
            chunks.push(delta);
            Ok(())
        })?;
        let types: Vec<_> = bound.columns.iter().map(|column| column.data_type).collect();
        let mut rows = Vec::new();
        for delta in chunks {
            let columns = delta.columns()?;
            for index in 0..delta.len() {
                let row: Vec<Value> = types
                    .iter()
                    .zip(columns.columns())
                    .map(|(data_type, column)| Value::from_array(column.as_ref(), index, *data_type).unwrap())
                    .collect();
                let weight = delta.weights()[index].0;
                assert!(weight > 0, "{sql}: a row has the weight {weight}");
                rows.extend(std::iter::repeat_n(row, weight as usize));
            }
        }
        Ok(rows)
    }

    /// The rows as sorted lines of text.
    pub(crate) fn lines(&self, sql: &str) -> Result<Vec<String>, Error> {
        let text = |value: &Value| if value.is_null() { "NULL".to_string() } else { value.to_string() };
        let line = |row: Vec<Value>| row.iter().map(text).collect::<Vec<_>>().join(" | ");
        let mut lines: Vec<String> = self.rows(sql)?.into_iter().map(line).collect();
        lines.sort();
        Ok(lines)
    }

    /// Asserts the rows of a query, in any order.
    #[track_caller]
    pub(crate) fn gives(&self, sql: &str, expected: &[&str]) {
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        match self.lines(sql) {
            Ok(lines) => assert_eq!(lines, expected, "{sql}"),
            Err(error) => panic!("{sql}: {} {error}", error.sqlstate()),
        }
    }

    /// Asserts that a query fails with this SQLSTATE, and that the message contains the text.
    #[track_caller]
    pub(crate) fn fails(&self, sql: &str, sqlstate: &str, text: &str) {
        match self.lines(sql) {
            Ok(lines) => panic!("{sql}: expected {sqlstate}, got {lines:?}"),
            Err(error) => check(sql, &error, sqlstate, text),
        }
    }

    /// Asserts that a definition fails with this SQLSTATE, and that the message contains the text.
    #[track_caller]
    pub(crate) fn refuses(&mut self, sql: &str, sqlstate: &str, text: &str) {
        let before = self.catalog.clone();
        match self.define(sql) {
            Ok(_) => panic!("{sql}: expected {sqlstate}"),
            Err(error) => check(sql, &error, sqlstate, text),
        }
        assert_eq!(self.catalog, before, "{sql}: a refused statement left something behind");
    }

    /// The types of a query's columns.
    pub(crate) fn types(&self, sql: &str) -> String {
        let query = self.planner.parse_query(sql).unwrap();
        let bound =
            self.planner.query(&query, &self.catalog, Purpose::Query).unwrap_or_else(|error| panic!("{sql}: {error}"));
        bound
            .columns
            .iter()
            .map(|column| format!("{} {}", column.name, column.data_type))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

#[track_caller]
fn check(sql: &str, error: &Error, sqlstate: &str, text: &str) {
    let message = error.to_string();
    assert_eq!(error.sqlstate(), sqlstate, "{sql}: {message}");
    assert!(message.contains(text), "{sql}: the message does not say {text:?}: {message}");
}
