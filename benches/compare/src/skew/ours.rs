//! Monostable in W8: the views as SQL, the changes through table handles or as statements with parameters, in memory.

use crate::contender::Contender;
use crate::dataset::{Change, Order};
use crate::ours::{Mode, csv, integer};
use crate::skew::data::{Data, Row, Shape, Target};
use crate::workload::Failure;
use monostable::{Database, Table, Transaction, params};

pub struct Ours {
    db: Database,
    mode: Mode,
    facts: Table,
    dims: Table,
    target: Target,
    views: Vec<String>,
}

const TABLES: [&str; 3] = [
    "CREATE TABLE facts (id BIGINT PRIMARY KEY, grp BIGINT NOT NULL, val BIGINT NOT NULL)",
    "CREATE TABLE dims (grp BIGINT PRIMARY KEY, kind BIGINT NOT NULL)",
    "CREATE TABLE others (id BIGINT PRIMARY KEY, grp BIGINT NOT NULL, val BIGINT NOT NULL)",
];

/// The queries of the views. Columns that a view does not have are asked for as zero, later.
fn queries(shape: Shape) -> Vec<String> {
    let each = |views: i64, query: fn(i64) -> String| (0..views).map(query).collect();
    match shape {
        Shape::Max => vec!["SELECT grp, max(val) AS n FROM facts GROUP BY grp".to_string()],
        Shape::CountDistinct => vec!["SELECT grp, count(DISTINCT val) AS n FROM facts GROUP BY grp".to_string()],
        Shape::JoinSums => vec![
            "SELECT d.kind, count(*) AS n, sum(f.val) AS total FROM facts f JOIN dims d ON f.grp = d.grp GROUP BY d.kind"
                .to_string(),
        ],
        Shape::Join => vec!["SELECT f.id, f.val, d.kind FROM facts f JOIN dims d ON f.grp = d.grp".to_string()],
        Shape::Filters(views) => {
            each(views, |i| format!("SELECT val, count(*) AS n FROM facts WHERE grp = {i} GROUP BY val"))
        }
        Shape::Thresholds(views) => {
            each(views, |i| format!("SELECT grp, count(*) AS n FROM facts WHERE val >= {i} GROUP BY grp"))
        }
        Shape::Elsewhere(views) => {
            each(views, |i| format!("SELECT val, count(*) AS n FROM others WHERE grp = {i} GROUP BY val"))
        }
    }
}

impl Ours {
    /// Either mode without a log.
    pub fn new(mode: Mode, data: &Data, shape: Shape, target: Target) -> Result<Ours, Failure> {
        let db = Database::in_memory()?;
        TABLES.iter().try_for_each(|table| db.execute(table).map(drop))?;
        let mut txn = db.begin()?;
        let dims: String = data.dims().map(|(group, kind)| format!("{group},{kind}\n")).collect();
        txn.copy_from("COPY dims FROM STDIN WITH (FORMAT csv)", &mut dims.as_bytes())?;
        txn.commit()?;
        for chunk in data.facts().chunks(100_000) {
            let mut txn = db.begin()?;
            txn.copy_from("COPY facts FROM STDIN WITH (FORMAT csv)", &mut csv(chunk).as_bytes())?;
            txn.commit()?;
        }
        let mut views = Vec::new();
        for (number, query) in queries(shape).iter().enumerate() {
            let name = format!("v{number}");
            db.execute(&format!("CREATE MATERIALIZED VIEW {name} AS {query}"))?;
            views.push(name);
        }
        let (facts, dims) = (db.table("facts")?, db.table("dims")?);
        Ok(Ours { db, mode, facts, dims, target, views })
    }

    fn write(&self, txn: &mut Transaction, change: &Change) -> Result<(), Failure> {
        match (self.target, *change) {
            (Target::Facts, Change::Insert(Order { id, customer, cents })) => {
                txn.insert(&self.facts, params![id, customer, cents])?;
            }
            (Target::Facts, Change::Delete(fact)) => {
                txn.delete(&self.facts, (fact.id,))?;
            }
            (Target::Facts, Change::Update(_, Order { id, customer, cents })) => {
                txn.upsert(&self.facts, params![id, customer, cents])?;
            }
            (Target::Dims, Change::Update(_, after)) => {
                txn.upsert(&self.dims, params![after.customer, after.cents])?;
            }
            (Target::Dims, _) => return Err("rows of dims are only updated".into()),
        }
        Ok(())
    }

    fn execute(&self, txn: &mut Transaction, change: &Change) -> Result<(), Failure> {
        match (self.target, *change) {
            (Target::Facts, Change::Insert(Order { id, customer, cents })) => {
                txn.execute("INSERT INTO facts VALUES ($1, $2, $3)", params![id, customer, cents])?
            }
            (Target::Facts, Change::Delete(fact)) => {
                txn.execute("DELETE FROM facts WHERE id = $1", params![fact.id])?
            }
            (Target::Facts, Change::Update(_, after)) => {
                txn.execute("UPDATE facts SET val = $2 WHERE id = $1", params![after.id, after.cents])?
            }
            (Target::Dims, Change::Update(_, after)) => {
                txn.execute("UPDATE dims SET kind = $2 WHERE grp = $1", params![after.customer, after.cents])?
            }
            (Target::Dims, _) => return Err("rows of dims are only updated".into()),
        };
        Ok(())
    }
}

impl Contender for Ours {
    type View = Vec<Row>;

    fn name(&self) -> &'static str {
        self.mode.name()
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), Failure> {
        let mut txn = self.db.begin()?;
        if self.mode == Mode::Handle {
            batch.iter().try_for_each(|change| self.write(&mut txn, change))?;
        } else {
            batch.iter().try_for_each(|change| self.execute(&mut txn, change))?;
        }
        txn.commit()?;
        Ok(())
    }

    fn contents(&mut self) -> Result<Vec<Row>, Failure> {
        let mut contents = Vec::new();
        for (number, view) in self.views.iter().enumerate() {
            for row in &self.db.query(&format!("SELECT * FROM {view}"))? {
                let mut out = [number as i64, 0, 0, 0];
                for (to, value) in out.iter_mut().skip(1).zip(row.values()?.iter()) {
                    *to = integer(value)?;
                }
                contents.push(out);
            }
        }
        contents.sort_unstable();
        Ok(contents)
    }
}
