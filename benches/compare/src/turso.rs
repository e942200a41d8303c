//! Turso's incremental views, for the record: one view, `per_customer`, in a database in memory. They are experimental there.

use crate::contender::{CENTS_MIN, Contender, Contents};
use crate::dataset::{Change, Order};
use crate::workload::Failure;
use tokio::runtime::{Builder, Runtime};
use turso::{Connection, Value};

/// Its name in the table.
pub const NAME: &str = "Turso, 1 view";

pub struct Turso {
    runtime: Runtime,
    connection: Connection,
}

async fn open() -> Result<Connection, turso::Error> {
    let database = turso::Builder::new_local(":memory:").experimental_materialized_views(true).build().await?;
    let connection = database.connect()?;
    connection
        .execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, cents INTEGER NOT NULL)", ())
        .await?;
    Ok(connection)
}

/// One transaction, with cached statements.
async fn transaction(connection: &Connection, changes: &[Change]) -> Result<(), turso::Error> {
    connection.execute("BEGIN", ()).await?;
    let mut insert = connection.prepare_cached("INSERT INTO orders VALUES (?1, ?2, ?3)").await?;
    let mut delete = connection.prepare_cached("DELETE FROM orders WHERE id = ?1").await?;
    let mut update = connection.prepare_cached("UPDATE orders SET cents = ?2 WHERE id = ?1").await?;
    for change in changes {
        match *change {
            Change::Insert(Order { id, customer, cents }) => insert.execute((id, customer, cents)).await?,
            Change::Delete(order) => delete.execute((order.id,)).await?,
            Change::Update(_, after) => update.execute((after.id, after.cents)).await?,
        };
    }
    connection.execute("COMMIT", ()).await?;
    Ok(())
}

async fn per_customer(connection: &Connection) -> Result<Vec<(i64, i64, i64)>, turso::Error> {
    let integer = |value: Value| match value {
        Value::Integer(number) => number,
        Value::Real(number) => number as i64,
        _ => i64::MIN,
    };
    let mut rows = connection.query("SELECT customer, n, cents FROM per_customer", ()).await?;
    let mut contents = Vec::new();
    while let Some(row) = rows.next().await? {
        contents.push((integer(row.get_value(0)?), integer(row.get_value(1)?), integer(row.get_value(2)?)));
    }
    contents.sort_unstable();
    Ok(contents)
}

impl Turso {
    pub fn new(orders: &[Order]) -> Result<Turso, Failure> {
        let runtime = Builder::new_current_thread().build()?;
        let connection = runtime.block_on(open())?;
        for chunk in orders.chunks(10_000) {
            let inserts: Vec<Change> = chunk.iter().map(|order| Change::Insert(*order)).collect();
            runtime.block_on(transaction(&connection, &inserts))?;
        }
        let view = format!(
            "CREATE MATERIALIZED VIEW per_customer AS
             SELECT customer, count(*) AS n, sum(cents) AS cents FROM orders WHERE cents >= {CENTS_MIN} GROUP BY customer"
        );
        runtime.block_on(connection.execute(view, ()))?;
        Ok(Turso { runtime, connection })
    }
}

impl Contender for Turso {
    type View = Contents;

    fn name(&self) -> &'static str {
        NAME
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), Failure> {
        Ok(self.runtime.block_on(transaction(&self.connection, batch))?)
    }

    fn contents(&mut self) -> Result<Contents, Failure> {
        let per_customer = self.runtime.block_on(per_customer(&self.connection))?;
        Ok(Contents { per_customer: Some(per_customer), regions: None, most: None, top: None })
    }
}
