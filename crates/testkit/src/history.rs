//! Histories of transactions, and what they must do to the tables.
//!
//! [`State`] is the model of the base tables under snapshot isolation: it knows which statement fails, which transaction loses, and what is committed. It
//! knows nothing of views; those are evaluated over it by [`crate::model`].

use crate::datum::Datum;
use crate::model::{Row, Table, View};
use std::collections::BTreeSet;
use std::fmt;

/// A schema, views, and what happens to the tables. Its debug form is SQL, so that a counterexample can be pasted into a shell.
#[derive(Clone)]
pub struct History {
    /// The tables.
    pub tables: Vec<Table>,
    /// The views, each over tables and views before it.
    pub views: Vec<View>,
    /// The transactions, in the order in which they end.
    pub transactions: Vec<Transaction>,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for table in &self.tables {
            writeln!(f, "{};", table.to_sql())?;
        }
        for view in &self.views {
            writeln!(f, "{};", view.to_sql())?;
        }
        for transaction in &self.transactions {
            let overlap = if transaction.overlaps_previous { " -- before the previous transaction ends" } else { "" };
            writeln!(f, "BEGIN;{overlap}")?;
            for operation in &transaction.operations {
                writeln!(f, "{};", operation.to_sql(&self.tables))?;
            }
            writeln!(f, "{};", if transaction.end == End::Commit { "COMMIT" } else { "ROLLBACK" })?;
        }
        Ok(())
    }
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `COMMIT`, which may still lose a conflict.
    Commit,
    /// `ROLLBACK`
    Rollback,
}

/// One transaction.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Its statements.
    pub operations: Vec<Operation>,
    /// How it ends.
    pub end: End,
    /// Whether it begins before the transaction in front of it has ended, so that the two can conflict.
    pub overlaps_previous: bool,
}

/// One statement.
#[derive(Debug, Clone)]
pub enum Operation {
    /// `INSERT INTO table VALUES (row)`
    Insert {
        /// Index of the table.
        table: usize,
        /// The row.
        row: Row,
    },
    /// `DELETE FROM table WHERE column = value`
    Delete {
        /// Index of the table.
        table: usize,
        /// Index of the column.
        column: usize,
        /// The value.
        value: Datum,
    },
    /// `UPDATE table SET set = to WHERE column = value`
    Update {
        /// Index of the table.
        table: usize,
        /// Index of the column in the condition.
        column: usize,
        /// The value in the condition.
        value: Datum,
        /// Index of the column that changes.
        set: usize,
        /// Its new value.
        to: Datum,
    },
}

impl Operation {
    /// The statement as SQL.
    pub fn to_sql(&self, tables: &[Table]) -> String {
        match self {
            Operation::Insert { table, row } => {
                let values: Vec<String> = row.iter().map(Datum::to_sql).collect();
                format!("INSERT INTO {} VALUES ({})", tables[*table].name, values.join(", "))
            }
            Operation::Delete { table, column, value } => {
                format!("DELETE FROM {} WHERE c{column} = {}", tables[*table].name, value.to_sql())
            }
            Operation::Update { table, column, value, set, to } => {
                format!(
                    "UPDATE {} SET c{set} = {} WHERE c{column} = {}",
                    tables[*table].name,
                    to.to_sql(),
                    value.to_sql()
                )
            }
        }
    }
}

/// What a written row is known by when transactions are compared: the table and the primary key, or the whole row of a table without one.
type WrittenKey = (usize, Row);

/// The contents of all tables, each sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    tables: Vec<Vec<Row>>,
    keys: Vec<usize>,
}

impl State {
    /// Empty tables.
    pub fn new(tables: &[Table]) -> State {
        State { tables: vec![Vec::new(); tables.len()], keys: tables.iter().map(|table| table.key).collect() }
    }

    /// The rows of a table, sorted.
    pub fn rows(&self, table: usize) -> &[Row] {
        &self.tables[table]
    }

    fn has_duplicate_keys(&self, table: usize) -> bool {
        let key = self.keys[table];
        let rows = &self.tables[table];
        key > 0 && rows.windows(2).any(|pair| pair[0][..key] == pair[1][..key])
    }

    fn replace(
        &mut self,
        table: usize,
        column: usize,
        value: &Datum,
        change: impl Fn(&Row) -> Option<Row>,
    ) -> Vec<Row> {
        let (touched, kept): (Vec<Row>, Vec<Row>) =
            self.tables[table].drain(..).partition(|row| row[column].compare(value).is_some_and(|o| o.is_eq()));
        self.tables[table] = kept;
        self.tables[table].extend(touched.iter().filter_map(change));
        self.tables[table].sort();
        touched
    }
}

/// A transaction of the model: a private copy of the tables, and what it wrote.
#[derive(Debug, Clone)]
pub struct Private {
    snapshot: State,
    state: State,
    written: BTreeSet<WrittenKey>,
}

impl Private {
    /// Begins on `snapshot`.
    pub fn begin(snapshot: &State) -> Private {
        Private { snapshot: snapshot.clone(), state: snapshot.clone(), written: BTreeSet::new() }
    }

    /// What the transaction itself sees.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Runs one statement; false if it must fail with a duplicate key, and then nothing has changed.
    pub fn run(&mut self, operation: &Operation) -> bool {
        let mut state = self.state.clone();
        let (table, old, new) = match operation {
            Operation::Insert { table, row } => {
                state.tables[*table].push(row.clone());
                state.tables[*table].sort();
                (*table, Vec::new(), vec![row.clone()])
            }
            Operation::Delete { table, column, value } => {
                let old = state.replace(*table, *column, value, |_| None);
                (*table, old, Vec::new())
            }
            Operation::Update { table, column, value, set, to } => {
                let changed = |row: &Row| {
                    let mut row = row.clone();
                    row[*set] = to.clone();
                    row
                };
                let old = state.replace(*table, *column, value, |row| Some(changed(row)));
                let new = old.iter().map(changed).collect();
                (*table, old, new)
            }
        };
        if state.has_duplicate_keys(table) {
            return false;
        }
        let key = state.keys[table];
        if key > 0 {
            self.written.extend(old.iter().chain(&new).map(|row| (table, row[..key].to_vec())));
        } else {
            self.written.extend(old.into_iter().map(|row| (table, row)));
        }
        self.state = state;
        true
    }

    /// Whether the transaction loses against one that committed after its snapshot.
    pub fn conflicts_with(&self, other: &Private) -> bool {
        !self.written.is_disjoint(&other.written)
    }

    /// Adds what the transaction changed to what is committed.
    pub fn commit(&self, committed: &mut State) {
        for (table, rows) in committed.tables.iter_mut().enumerate() {
            for row in difference(self.snapshot.rows(table), self.state.rows(table)) {
                if let Ok(index) = rows.binary_search(&row) {
                    rows.remove(index);
                }
            }
            rows.extend(difference(self.state.rows(table), self.snapshot.rows(table)));
            rows.sort();
        }
    }
}

/// The rows of `a` that are not in `b`, as multisets; both sorted.
fn difference(a: &[Row], b: &[Row]) -> Vec<Row> {
    let mut rest: Vec<Option<&Row>> = b.iter().map(Some).collect();
    a.iter()
        .filter(|row| match rest.iter_mut().find(|other| **other == Some(*row)) {
            Some(found) => {
                *found = None;
                false
            }
            None => true,
        })
        .cloned()
        .collect()
}

/// The contents of all views over the tables of `state`, in the order of `history.views`.
pub fn evaluate_views(history: &History, state: &State) -> Vec<Vec<Row>> {
    let mut contents: Vec<Vec<Row>> = Vec::new();
    for view in &history.views {
        let lookup = |name: &str| -> Vec<Row> {
            if let Some(table) = history.tables.iter().position(|table| table.name == name) {
                return state.rows(table).to_vec();
            }
            let position = history.views.iter().position(|view| view.name == name);
            position.and_then(|index| contents.get(index)).cloned().unwrap_or_default()
        };
        let rows = view.evaluate(&lookup);
        contents.push(rows);
    }
    contents
}
