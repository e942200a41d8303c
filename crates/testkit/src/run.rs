//! Plays a generated history on the engine and compares every epoch with the model.
//!
//! One history, several [`Order`]s: views first, data first, views in the middle, and a crash with reopening after every transaction. All of them must give the
//! model's tables and views at every epoch, so they agree with each other too.

use crate::datum::Datum;
use crate::history::{End, History, Operation, Private, State, Transaction, evaluate_views};
use crate::model::Row;
use monostable::{Background, Database, Error, Options, Value};
use monostable_vfs::MemoryStorage;
use std::fmt;
use std::sync::Arc;

/// When the views are created, and what happens between transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Views are created on empty tables, and every change goes through them.
    ViewsFirst,
    /// Views are created at the end, on filled tables.
    DataFirst,
    /// Views are created after half of the transactions.
    ViewsInTheMiddle,
    /// Views first; after every transaction the process dies and another one opens what a crash leaves for certain.
    Reopen,
}

/// All orders.
pub const ORDERS: [Order; 4] = [Order::ViewsFirst, Order::DataFirst, Order::ViewsInTheMiddle, Order::Reopen];

/// Where the engine and the model differ, or where the engine failed.
#[derive(Debug)]
pub struct Disagreement {
    /// The order that was played.
    pub order: Order,
    /// How many transactions had ended.
    pub after: usize,
    /// What differs.
    pub what: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, after {} transactions: {}", self.order, self.after, self.what)
    }
}

impl std::error::Error for Disagreement {}

/// A value of the engine, as the model's.
fn datum(value: &Value) -> Datum {
    match value {
        Value::Null => Datum::Null,
        Value::Boolean(value) => Datum::Boolean(*value),
        Value::SmallInt(value) => Datum::integer(i64::from(*value)),
        Value::Integer(value) => Datum::integer(i64::from(*value)),
        Value::BigInt(value) => Datum::integer(*value),
        Value::Numeric { unscaled, scale } if *scale >= 0 => {
            Datum::Number { unscaled: *unscaled, scale: scale.unsigned_abs().into() }
        }
        Value::Double(value) => Datum::Double(*value),
        other => Datum::Text(other.to_string()),
    }
}

/// One history being played.
struct Player<'a> {
    history: &'a History,
    order: Order,
    disk: MemoryStorage,
    db: Database,
    has_views: bool,
    ended: usize,
}

fn open(disk: &MemoryStorage) -> Result<Database, Error> {
    let mut options = Options::on(Arc::new(disk.clone()));
    options.background = Background::Manual;
    options.log_segment_bytes = 1 << 20;
    Database::open_with(options)
}

impl<'a> Player<'a> {
    fn start(history: &'a History, order: Order) -> Result<Player<'a>, Disagreement> {
        let failed = |error: Error| Disagreement { order, after: 0, what: error.to_string() };
        let disk = MemoryStorage::tracking_syncs();
        let db = open(&disk).map_err(failed)?;
        let player = Player { history, order, disk, db, has_views: false, ended: 0 };
        for table in &history.tables {
            player.execute(&table.to_sql())?;
        }
        Ok(player)
    }

    fn differs<T>(&self, what: impl Into<String>) -> Result<T, Disagreement> {
        Err(Disagreement { order: self.order, after: self.ended, what: what.into() })
    }

    fn execute(&self, sql: &str) -> Result<(), Disagreement> {
        self.db.execute(sql).map(|_| ()).or_else(|error| self.differs(format!("{sql}: {error}")))
    }

    fn create_views(&mut self) -> Result<(), Disagreement> {
        for view in &self.history.views {
            self.execute(&view.to_sql())?;
        }
        self.has_views = true;
        Ok(())
    }

    /// The process dies: another disk, with what is certain to be on this one, is opened by another engine.
    fn crash(&mut self) -> Result<(), Disagreement> {
        // Background work before a crash changes which files there are, and must not change anything else.
        let mut steps = self.ended % 3;
        while steps > 0 && self.db.background_step().or_else(|error| self.differs(error.to_string()))? {
            steps -= 1;
        }
        if self.ended % 5 == 4 {
            self.db.checkpoint().or_else(|error| self.differs(error.to_string()))?;
        }
        let disk = if self.ended.is_multiple_of(2) { self.disk.fork_durable() } else { self.disk.fork() };
        // The fork is a disk without a past; a crash of the next process must again be judged by what that one synced.
        self.disk = disk;
        self.db = open(&self.disk).or_else(|error| self.differs(format!("open after a crash: {error}")))?;
        Ok(())
    }

    fn compare(&self, relation: &str, expected: &[Row]) -> Result<(), Disagreement> {
        let rows = self
            .db
            .query(&format!("SELECT * FROM {relation}"))
            .or_else(|error| self.differs(format!("{relation}: {error}")))?;
        let mut actual = Vec::with_capacity(rows.len());
        for row in rows.iter() {
            let values = row.values().or_else(|error| self.differs(error.to_string()))?;
            actual.push(values.iter().map(datum).collect::<Row>());
        }
        actual.sort();
        if actual != expected {
            let show = |rows: &[Row]| rows.iter().map(|row| format!("  {row:?}\n")).collect::<String>();
            return self.differs(format!("{relation}\nexpected\n{}actual\n{}", show(expected), show(&actual)));
        }
        Ok(())
    }

    fn compare_all(&self, committed: &State) -> Result<(), Disagreement> {
        for (index, table) in self.history.tables.iter().enumerate() {
            self.compare(&table.name, committed.rows(index))?;
        }
        if self.has_views {
            for (view, expected) in self.history.views.iter().zip(evaluate_views(self.history, committed)) {
                self.compare(&view.name, &expected)?;
            }
        }
        Ok(())
    }

    /// Runs the statements of a transaction on the engine and on the model; they must agree on each.
    fn statements(
        &self,
        transaction: &Transaction,
        engine: &mut monostable::Transaction,
        model: &mut Private,
    ) -> Result<(), Disagreement> {
        for operation in &transaction.operations {
            let sql = operation.to_sql(&self.history.tables);
            let result = engine.execute(&sql, &[]);
            match (model.run(operation), result) {
                (true, Ok(_)) => {}
                (false, Err(error)) if error.sqlstate() == "23505" => {}
                (expected, result) => {
                    return self.differs(format!("{sql}: expected success {expected}, got {result:?}"));
                }
            }
            self.own_writes(operation, engine, model)?;
        }
        Ok(())
    }

    /// A transaction sees its own writes, in the table and in the views.
    fn own_writes(
        &self,
        operation: &Operation,
        engine: &mut monostable::Transaction,
        model: &Private,
    ) -> Result<(), Disagreement> {
        let (Operation::Insert { table, .. } | Operation::Delete { table, .. } | Operation::Update { table, .. }) =
            operation;
        let count = |sql: String, engine: &mut monostable::Transaction| -> Result<usize, Disagreement> {
            engine.query(&sql, &[]).map(|rows| rows.len()).or_else(|error| self.differs(format!("{sql}: {error}")))
        };
        let rows = count(format!("SELECT * FROM {}", self.history.tables[*table].name), engine)?;
        if rows != model.state().rows(*table).len() {
            return self
                .differs(format!("a transaction sees {rows} rows of its own in {}", self.history.tables[*table].name));
        }
        if self.has_views && self.ended.is_multiple_of(4) {
            for (view, expected) in self.history.views.iter().zip(evaluate_views(self.history, model.state())) {
                let rows = count(format!("SELECT * FROM {}", view.name), engine)?;
                if rows != expected.len() {
                    return self.differs(format!(
                        "a transaction sees {rows} rows in {}, not {}",
                        view.name,
                        expected.len()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Ends a transaction; it must lose exactly if it wrote what `winner` wrote.
    fn end(
        &self,
        end: End,
        engine: monostable::Transaction,
        model: &Private,
        winner: Option<&Private>,
        committed: &mut State,
    ) -> Result<bool, Disagreement> {
        if end == End::Rollback {
            engine.rollback();
            return Ok(false);
        }
        let loses = winner.is_some_and(|winner| model.conflicts_with(winner));
        match engine.commit() {
            Ok(_) if !loses => {
                model.commit(committed);
                Ok(true)
            }
            Err(Error::Conflict { .. }) if loses => Ok(false),
            result => self.differs(format!("commit gave {result:?}, expected it to lose: {loses}")),
        }
    }

    fn begin(&self) -> Result<monostable::Transaction, Disagreement> {
        self.db.begin().or_else(|error| self.differs(error.to_string()))
    }

    /// Plays one transaction, or two that overlap; gives how many it played.
    fn play(&mut self, transactions: &[Transaction], committed: &mut State) -> Result<usize, Disagreement> {
        let [first, rest @ ..] = transactions else { return Ok(0) };
        let second = rest.first().filter(|transaction| transaction.overlaps_previous);
        let mut engine = self.begin()?;
        let mut model = Private::begin(committed);
        let overlapping = match second {
            Some(_) => Some((self.begin()?, Private::begin(committed))),
            None => None,
        };
        self.statements(first, &mut engine, &mut model)?;
        let won = self.end(first.end, engine, &model, None, committed)?;
        self.ended += 1;
        let (Some(transaction), Some((mut engine, mut other))) = (second, overlapping) else { return Ok(1) };
        self.compare_all(committed)?;
        self.statements(transaction, &mut engine, &mut other)?;
        self.end(transaction.end, engine, &other, won.then_some(&model), committed)?;
        self.ended += 1;
        Ok(2)
    }
}

/// Plays `history` in one order; the first difference from the model ends it.
pub fn run(history: &History, order: Order) -> Result<(), Disagreement> {
    let mut player = Player::start(history, order)?;
    let mut committed = State::new(&history.tables);
    if matches!(order, Order::ViewsFirst | Order::Reopen) {
        player.create_views()?;
        player.compare_all(&committed)?;
    }
    let mut rest = history.transactions.as_slice();
    while !rest.is_empty() {
        if order == Order::ViewsInTheMiddle && !player.has_views && rest.len() * 2 <= history.transactions.len() {
            player.create_views()?;
            player.compare_all(&committed)?;
        }
        let played = player.play(rest, &mut committed)?;
        rest = &rest[played..];
        if order == Order::Reopen {
            player.crash()?;
        }
        player.compare_all(&committed)?;
    }
    if !player.has_views {
        player.create_views()?;
        player.compare_all(&committed)?;
    }
    let report = player.db.check().or_else(|error| player.differs(format!("check: {error}")))?;
    if report.is_sound() { Ok(()) } else { player.differs(format!("check found {report:?}")) }
}
