//! Monostable in W7: creates the view, and drops it again.

use crate::builds::{Asked, Base, Digest, View};
use crate::ours::load;
use crate::workload::Failure;
use monostable::{Database, Value};

pub fn name(durable: bool) -> &'static str {
    if durable { "monostable durable" } else { "monostable" }
}

pub struct Builder {
    db: Database,
    durable: bool,
    _directory: Option<tempfile::TempDir>,
}

impl Builder {
    pub fn new(base: &Base, durable: bool) -> Result<Builder, Failure> {
        let directory = if durable { Some(tempfile::tempdir()?) } else { None };
        let db = match &directory {
            Some(directory) => Database::open(directory.path())?,
            None => Database::in_memory()?,
        };
        load(&db, base.customers, &base.orders)?;
        Ok(Builder { db, durable, _directory: directory })
    }
}

impl Asked for Builder {
    fn name(&self) -> &'static str {
        name(self.durable)
    }

    fn ask(&mut self, view: &View) -> Result<Digest, Failure> {
        self.db.execute(&format!("CREATE MATERIALIZED VIEW built AS {}", view.query))?;
        Ok(Digest::default())
    }

    fn settle(&mut self, _: &View, _: Digest) -> Result<Digest, Failure> {
        let mut digest = Digest::default();
        for row in &self.db.query("SELECT * FROM built")? {
            digest.rows += 1;
            digest.sum += row.values()?.iter().map(number).sum::<Result<i128, Failure>>()?;
        }
        self.db.execute("DROP MATERIALIZED VIEW built")?;
        Ok(digest)
    }
}

/// The number in a value; text counts nothing.
fn number(value: &Value) -> Result<i128, Failure> {
    match value {
        Value::Text(_) => Ok(0),
        number => Ok(number.to_string().parse()?),
    }
}
