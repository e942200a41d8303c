//! A catalog with a table of every type, a join and a view over a view, to plan statements against.

use monostable_query::{Catalog, Planner, Prepared};
use monostable_view::Graph;

const SCHEMA: &[&str] = &[
    "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer TEXT NOT NULL, cents INTEGER DEFAULT 0, placed TIMESTAMP)",
    "CREATE TABLE kinds (a BOOLEAN, b SMALLINT, c REAL, d DOUBLE PRECISION, e NUMERIC(9, 2), f BYTEA, g DATE, h TIME, \
     i TIMESTAMPTZ, j INTERVAL, k UUID, UNIQUE (b, g))",
    "CREATE TABLE customers (name TEXT PRIMARY KEY, city TEXT)",
    "CREATE INDEX by_city ON customers (city)",
    "CREATE MATERIALIZED VIEW spend AS SELECT customer, sum(cents) AS total, count(*) AS n FROM orders GROUP BY customer",
    "CREATE MATERIALIZED VIEW cities AS SELECT c.city, sum(s.n) AS n, max(s.total) AS most FROM spend s \
     JOIN customers c ON c.name = s.customer GROUP BY c.city",
];

/// A planner, and what it plans against.
pub struct Shop {
    /// The planner.
    pub planner: Planner,
    /// The catalog.
    pub catalog: Catalog,
    /// The operators of its views.
    pub graph: Graph,
}

impl Shop {
    /// Builds it by the statements that a user would write.
    #[expect(clippy::new_without_default, reason = "it is built with effort, not by default")]
    pub fn new() -> Shop {
        let mut shop = Shop { planner: Planner::new(), catalog: Catalog::new(), graph: Graph::new() };
        for statement in SCHEMA {
            let prepared = shop.planner.prepare(statement, &shop.catalog, &shop.graph).expect("it is supported");
            let Prepared::Ddl(plan) = &*prepared else { panic!("{statement} creates something") };
            let outcome = plan.apply(&shop.planner, &shop.catalog, &shop.graph).expect("it is supported");
            (shop.catalog, shop.graph) = (outcome.catalog, outcome.graph);
        }
        shop
    }
}
