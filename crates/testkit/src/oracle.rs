//! Is every view complete? The question asked of a fresh database.
//!
//! The rows of all tables are copied into an empty in-memory database that has no views, and each view's query is asked there ad hoc. This costs
//! what recomputing costs; it is for tests.

use monostable::{Database, Error, Snapshot, Value};

/// The schema and the views that a test knows about.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    tables: Vec<(String, String)>,
    views: Vec<(String, String)>,
}

/// A view that does not hold what its query gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Incomplete {
    /// The view.
    pub view: String,
    /// Rows that the query gives and the view lacks.
    pub missing: Vec<Vec<String>>,
    /// Rows that the view holds and the query does not give.
    pub surplus: Vec<Vec<String>>,
}

fn sorted(rows: &monostable::Rows) -> Result<Vec<Vec<String>>, Error> {
    let text = |values: Vec<Value>| {
        values
            .iter()
            .map(|value| if matches!(value, Value::Null) { "NULL".into() } else { format!("'{value}'") })
            .collect()
    };
    let mut rows = rows.iter().map(|row| row.values().map(text)).collect::<Result<Vec<Vec<String>>, Error>>()?;
    rows.sort();
    Ok(rows)
}

/// The rows of `a` that are not in `b`; both sorted, with duplicates.
fn difference(a: &[Vec<String>], b: &[Vec<String>]) -> Vec<Vec<String>> {
    let mut rest = b;
    let mut out = Vec::new();
    for row in a {
        while rest.first().is_some_and(|other| other < row) {
            rest = &rest[1..];
        }
        match rest.first() {
            Some(other) if other == row => rest = &rest[1..],
            _ => out.push(row.clone()),
        }
    }
    out
}

impl Oracle {
    /// An oracle that knows nothing yet.
    pub fn new() -> Oracle {
        Oracle::default()
    }

    /// Adds a table: its name and its `CREATE TABLE` statement.
    pub fn table(mut self, name: &str, create: &str) -> Oracle {
        self.tables.push((name.to_string(), create.to_string()));
        self
    }

    /// Adds a view: its name and its query over tables and over views that were added before.
    pub fn view(mut self, name: &str, query: &str) -> Oracle {
        self.views.push((name.to_string(), query.to_string()));
        self
    }

    /// The views of `db` that are not complete at this moment; empty if all is well.
    pub fn check(&self, db: &Database) -> Result<Vec<Incomplete>, Error> {
        let snapshot = db.snapshot();
        let fresh = Database::in_memory()?;
        for (name, create) in &self.tables {
            fresh.execute(create)?;
            self.copy(&snapshot, &fresh, name)?;
        }
        let mut incomplete = Vec::new();
        for (name, query) in &self.views {
            let expected = sorted(&fresh.query(query)?)?;
            let actual = sorted(&snapshot.query(&format!("SELECT * FROM {name}"))?)?;
            if expected != actual {
                let missing = difference(&expected, &actual);
                incomplete.push(Incomplete { view: name.clone(), missing, surplus: difference(&actual, &expected) });
            }
            // Later views may read this one; on the fresh database it is built from the rows that were just copied.
            fresh.execute(&format!("CREATE MATERIALIZED VIEW {name} AS {query}"))?;
        }
        Ok(incomplete)
    }

    fn copy(&self, from: &Snapshot, to: &Database, table: &str) -> Result<(), Error> {
        let rows = from.query(&format!("SELECT * FROM {table}"))?;
        let places: Vec<String> = (1..=rows.schema().len()).map(|place| format!("${place}")).collect();
        let insert = format!("INSERT INTO {table} VALUES ({})", places.join(", "));
        let mut transaction = to.begin()?;
        for row in rows.iter() {
            transaction.execute(&insert, &row.values()?)?;
        }
        transaction.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| value.to_string()).collect()
    }

    #[test]
    fn differences_count_duplicates() {
        let a = [row(&["1"]), row(&["1"]), row(&["2"])];
        let b = [row(&["1"]), row(&["3"])];
        assert_eq!(difference(&a, &b), [row(&["1"]), row(&["2"])]);
        assert_eq!(difference(&b, &a), [row(&["3"])]);
    }

    #[test]
    fn a_wrong_query_is_found_and_a_right_one_is_not() -> Result<(), Error> {
        let db = Database::in_memory()?;
        db.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER); INSERT INTO t VALUES (1, 1), (2, 1)")?;
        db.execute("CREATE MATERIALIZED VIEW v AS SELECT b, count(*) AS n FROM t GROUP BY b")?;
        let oracle = Oracle::new().table("t", "CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER)");
        let right = oracle.clone().view("v", "SELECT b, count(*) AS n FROM t GROUP BY b");
        assert_eq!(right.check(&db)?, []);
        let wrong = oracle.view("v", "SELECT b, sum(a) AS n FROM t GROUP BY b");
        let found = wrong.check(&db)?;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].surplus, [row(&["'1'", "'2'"])]);
        Ok(())
    }
}
