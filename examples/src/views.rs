//! The shop on Monostable: three views, which every commit keeps right.

use std::path::Path;

use monostable::{Database, params};

use crate::{Line, Page, Result, Shop};

const SCHEMA: [&str; 7] = [
    "CREATE TABLE customers (id BIGINT PRIMARY KEY, name TEXT NOT NULL)",
    "CREATE TABLE products (id BIGINT PRIMARY KEY, name TEXT NOT NULL)",
    "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer BIGINT NOT NULL)",
    "CREATE TABLE lines (order_id BIGINT, number BIGINT, product BIGINT NOT NULL, cents BIGINT NOT NULL,
         PRIMARY KEY (order_id, number))",
    "CREATE MATERIALIZED VIEW people AS SELECT id, name FROM customers",
    "CREATE MATERIALIZED VIEW spend AS
         SELECT o.customer, count(DISTINCT o.id) AS orders, CAST(sum(l.cents) AS BIGINT) AS cents
         FROM orders o JOIN lines l ON l.order_id = o.id GROUP BY o.customer",
    "CREATE MATERIALIZED VIEW favourites AS
         SELECT o.customer, p.id, p.name, CAST(sum(l.cents) AS BIGINT) AS cents
         FROM orders o JOIN lines l ON l.order_id = o.id JOIN products p ON p.id = l.product
         GROUP BY o.customer, p.id, p.name",
];

/// A shop that is a database with views.
pub struct Views {
    database: Database,
}

impl Views {
    /// Opens the shop in a directory, or makes it.
    pub fn open(directory: &Path) -> Result<Views> {
        let database = Database::open(directory)?;
        if database.view("favourites").is_err() {
            for statement in SCHEMA {
                database.execute(statement)?;
            }
        }
        Ok(Views { database })
    }
}

impl Shop for Views {
    fn add_customer(&self, id: i64, name: &str) -> Result<()> {
        self.database.execute_with("INSERT INTO customers VALUES ($1, $2)", params![id, name])?;
        Ok(())
    }

    fn add_product(&self, id: i64, name: &str) -> Result<()> {
        self.database.execute_with("INSERT INTO products VALUES ($1, $2)", params![id, name])?;
        Ok(())
    }

    fn order(&self, id: i64, customer: i64, lines: &[Line]) -> Result<()> {
        let mut order = self.database.begin()?;
        order.execute("INSERT INTO orders VALUES ($1, $2)", params![id, customer])?;
        for (line, number) in lines.iter().zip(1_i64..) {
            order
                .execute("INSERT INTO lines VALUES ($1, $2, $3, $4)", params![id, number, line.product, line.cents])?;
        }
        order.commit()?;
        Ok(())
    }

    fn cancel(&self, order: i64) -> Result<()> {
        let mut cancel = self.database.begin()?;
        cancel.execute("DELETE FROM lines WHERE order_id = $1", params![order])?;
        cancel.execute("DELETE FROM orders WHERE id = $1", params![order])?;
        cancel.commit()?;
        Ok(())
    }

    fn rename_product(&self, id: i64, name: &str) -> Result<()> {
        self.database.execute_with("UPDATE products SET name = $2 WHERE id = $1", params![id, name])?;
        Ok(())
    }

    fn page(&self, customer: i64) -> Result<Option<Page>> {
        let now = self.database.snapshot(); // three views, one moment
        let Some(person) = now.view("people")?.get((customer,))? else { return Ok(None) };
        let spend = now.view("spend")?.get((customer,))?;
        let (orders, cents) = match spend {
            Some(row) => (row.get("orders")?, row.get("cents")?),
            None => (0, 0), // no orders: this is the answer, not a miss
        };
        let mut products = Vec::new();
        for row in now.view("favourites")?.prefix((customer,))? {
            let row = row?;
            products.push((row.get::<i64>("cents")?, row.get::<i64>("id")?, row.get::<String>("name")?));
        }
        products.sort_by_key(|(cents, id, _)| (-cents, *id));
        let favourites = products.into_iter().take(3).map(|(cents, _, name)| (name, cents)).collect();
        Ok(Some(Page { name: person.get("name")?, orders, cents, favourites }))
    }
}
