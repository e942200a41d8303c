//! The two applications, as one shape that every store can hold: tables, the query of a page, a view or a summary table of
//! the same query, and what a write adds.
//!
//! *Shop*: what a customer has bought, by category: a join of four tables and an aggregate over some hundreds of lines. This
//! is the read with a real cost to a miss. *Vote*: a story with its author and its votes, after Noria's benchmark.
//!
//! Writes only add rows. So the number of rows behind a page is its version: it grows by the same step with each write, and
//! an answer says by itself how many writes it has seen. That is what the oracle checks, and it costs no contender anything.
//!
//! Initial rows are a function of their number: every store is filled with the same ones, in the order in which a shop
//! would have got them (orders of all customers mixed), so that no store finds the rows of one page side by side by luck.

use std::fmt::Write as _;

use crate::random::mix;

/// Which application, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// Which.
    pub kind: Kind,
    /// Distinct pages.
    pub keys: u64,
    /// Orders, or votes, behind each page at the beginning.
    pub events_per_key: u64,
    /// Lines of each order; 1 for votes.
    pub rows_per_event: u64,
}

/// Which application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The customer's page.
    Shop,
    /// The story with its votes.
    Vote,
}

impl Kind {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Shop => "shop",
            Kind::Vote => "votes",
        }
    }

    /// By its name.
    pub fn of(name: &str) -> Option<Kind> {
        [Kind::Shop, Kind::Vote].into_iter().find(|kind| kind.name() == name)
    }
}

const PRODUCTS: u64 = 20_000;
const CATEGORIES: u64 = 12;

/// One field of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
}

/// A table: name, and columns as SQL that all three databases read.
#[derive(Debug, Clone, Copy)]
pub struct TableDef {
    /// Its name.
    pub name: &'static str,
    /// What stands between the parentheses of CREATE TABLE.
    pub columns: &'static str,
    /// How many columns.
    pub width: usize,
}

/// A row to insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insert {
    /// The index of its table in [`Workload::tables`].
    pub table: usize,
    /// Its fields.
    pub cells: Vec<Cell>,
}

/// A line of a page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageRow {
    /// The customer's name or the story's title.
    pub name: String,
    /// The category or the author.
    pub part: i64,
    /// The sum.
    pub amount: i64,
    /// The rows behind it.
    pub count: i64,
}

/// What a read answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Ordered by part.
    pub rows: Vec<PageRow>,
}

impl Page {
    /// A page of rows in any order.
    pub fn new(mut rows: Vec<PageRow>) -> Page {
        rows.sort_unstable();
        Page { rows }
    }

    /// The rows behind all of it: what a write makes larger.
    pub fn rows_behind(&self) -> u64 {
        self.rows.iter().map(|row| row.count.max(0) as u64).sum()
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| 56 + row.name.len() as u64).sum::<u64>() + 24
    }
}

const SHOP_TABLES: [TableDef; 4] = [
    TableDef { name: "customers", columns: "id BIGINT PRIMARY KEY, name TEXT NOT NULL", width: 2 },
    TableDef {
        name: "products",
        columns: "id BIGINT PRIMARY KEY, name TEXT NOT NULL, category BIGINT NOT NULL",
        width: 3,
    },
    TableDef { name: "orders", columns: "id BIGINT PRIMARY KEY, customer BIGINT NOT NULL", width: 2 },
    TableDef {
        name: "lines",
        columns: "id BIGINT PRIMARY KEY, order_id BIGINT NOT NULL, product BIGINT NOT NULL, \
                  quantity INTEGER NOT NULL, cents INTEGER NOT NULL",
        width: 5,
    },
];

const VOTE_TABLES: [TableDef; 3] = [
    TableDef { name: "users", columns: "id BIGINT PRIMARY KEY, name TEXT NOT NULL", width: 2 },
    TableDef {
        name: "stories",
        columns: "id BIGINT PRIMARY KEY, author BIGINT NOT NULL, title TEXT NOT NULL",
        width: 3,
    },
    TableDef {
        name: "votes",
        columns: "id BIGINT PRIMARY KEY, story BIGINT NOT NULL, weight INTEGER NOT NULL",
        width: 3,
    },
];

const SHOP_SELECT: &str = "SELECT c.id, c.name, p.category AS part, sum(l.quantity * l.cents) AS amount, count(*) AS n
 FROM customers c JOIN orders o ON o.customer = c.id JOIN lines l ON l.order_id = o.id JOIN products p ON p.id = l.product";
const VOTE_SELECT: &str = "SELECT s.id, s.title AS name, u.id AS part, sum(v.weight) AS amount, count(*) AS n
 FROM stories s JOIN users u ON u.id = s.author JOIN votes v ON v.story = s.id";

impl Workload {
    /// Its tables, parents first.
    pub fn tables(&self) -> &'static [TableDef] {
        match self.kind {
            Kind::Shop => &SHOP_TABLES,
            Kind::Vote => &VOTE_TABLES,
        }
    }

    /// The indexes that a careful administrator would make for the page's query.
    pub fn indexes(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        match self.kind {
            Kind::Shop => &[("orders_customer", "orders", "customer"), ("lines_order", "lines", "order_id")],
            Kind::Vote => &[("votes_story", "votes", "story")],
        }
    }

    /// The page's query: one parameter, the key, written as `parameter`.
    pub fn page_sql(&self, parameter: &str) -> String {
        match self.kind {
            Kind::Shop => format!("{SHOP_SELECT} WHERE c.id = {parameter} GROUP BY c.id, c.name, p.category"),
            Kind::Vote => format!("{VOTE_SELECT} WHERE s.id = {parameter} GROUP BY s.id, s.title, u.id"),
        }
    }

    /// The same over all keys: what is a view in Monostable, and what fills a summary table.
    pub fn all_pages_sql(&self) -> String {
        match self.kind {
            Kind::Shop => format!("{SHOP_SELECT} GROUP BY c.id, c.name, p.category"),
            Kind::Vote => format!("{VOTE_SELECT} GROUP BY s.id, s.title, u.id"),
        }
    }

    /// What the trigger of the summary table adds for one new row of the last table, whose columns are `NEW.column`.
    pub fn trigger_sql(&self) -> &'static str {
        match self.kind {
            Kind::Shop => {
                "INSERT INTO summary (id, name, part, amount, n)
                 SELECT c.id, c.name, p.category, NEW.quantity * NEW.cents, 1
                 FROM orders o JOIN customers c ON c.id = o.customer JOIN products p ON p.id = NEW.product
                 WHERE o.id = NEW.order_id
                 ON CONFLICT (id, part) DO UPDATE SET amount = summary.amount + excluded.amount, n = summary.n + 1"
            }
            Kind::Vote => {
                "INSERT INTO summary (id, name, part, amount, n)
                 SELECT s.id, s.title, u.id, NEW.weight, 1
                 FROM stories s JOIN users u ON u.id = s.author WHERE s.id = NEW.story
                 ON CONFLICT (id, part) DO UPDATE SET amount = summary.amount + excluded.amount, n = summary.n + 1"
            }
        }
    }

    /// The page read from the summary table.
    pub fn summary_sql(&self, parameter: &str) -> String {
        format!("SELECT id, name, part, amount, n FROM summary WHERE id = {parameter}")
    }

    /// The page read from the materialized view.
    pub fn view_sql(&self, parameter: &str) -> String {
        format!("SELECT id, name, part, amount, n FROM pages WHERE id = {parameter}")
    }

    /// How many rows the tables have at the beginning, in the order of [`Workload::tables`].
    pub fn initial_rows(&self) -> Vec<u64> {
        let events = self.keys * self.events_per_key;
        match self.kind {
            Kind::Shop => vec![self.keys, PRODUCTS, events, events * self.rows_per_event],
            Kind::Vote => vec![self.authors(), self.keys, events],
        }
    }

    fn authors(&self) -> u64 {
        (self.keys / 10).max(1)
    }

    /// Row number `row` of a table at the beginning.
    pub fn initial_row(&self, table: usize, row: u64) -> Vec<Cell> {
        let int = |number: u64| Cell::Int(number as i64);
        match (self.kind, table) {
            (Kind::Shop, 0) => vec![int(row), Cell::Text(format!("customer number {row}"))],
            (Kind::Shop, 1) => {
                vec![int(row), Cell::Text(format!("product number {row}")), int(mix(row) % CATEGORIES)]
            }
            (Kind::Shop, 2) => vec![int(row), int(row % self.keys)],
            (Kind::Shop, _) => line(row / self.rows_per_event, row % self.rows_per_event, self.rows_per_event),
            (Kind::Vote, 0) => vec![int(row), Cell::Text(format!("author number {row}"))],
            (Kind::Vote, 1) => {
                vec![int(row), int(mix(row) % self.authors()), Cell::Text(format!("story number {row}"))]
            }
            (Kind::Vote, _) => vec![int(row), int(row % self.keys), Cell::Int(1)],
        }
    }

    /// The number that the first write after the beginning has.
    pub fn first_event(&self) -> u64 {
        self.keys * self.events_per_key
    }

    /// The rows of a write: event `event`, a number not used before, for the page `key`.
    pub fn event(&self, event: u64, key: u64) -> Vec<Insert> {
        let int = |number: u64| Cell::Int(number as i64);
        match self.kind {
            Kind::Shop => {
                let order = Insert { table: 2, cells: vec![int(event), int(key)] };
                let lines =
                    (0..self.rows_per_event).map(|at| Insert { table: 3, cells: line(event, at, self.rows_per_event) });
                std::iter::once(order).chain(lines).collect()
            }
            Kind::Vote => vec![Insert { table: 2, cells: vec![int(event), int(key), Cell::Int(1)] }],
        }
    }

    /// How many writes an answer has seen since the beginning; `None` if it is not a page that ever was.
    pub fn version(&self, page: &Page) -> Option<u64> {
        let initial = self.events_per_key * self.rows_per_event;
        let added = page.rows_behind().checked_sub(initial)?;
        added.is_multiple_of(self.rows_per_event).then_some(added / self.rows_per_event)
    }

    /// Bytes that the fields of a write have: what write amplification is measured against.
    pub fn event_bytes(&self) -> u64 {
        match self.kind {
            Kind::Shop => 16 + 32 * self.rows_per_event,
            Kind::Vote => 20,
        }
    }

    /// One line for the settings.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (table, rows) in self.tables().iter().zip(self.initial_rows()) {
            let _ = write!(text, "{rows} {}, ", table.name);
        }
        let _ = write!(text, "{} rows behind each of {} pages", self.events_per_key * self.rows_per_event, self.keys);
        text
    }
}

fn line(order: u64, at: u64, per_order: u64) -> Vec<Cell> {
    let id = order * per_order + at;
    let bits = mix(id);
    vec![
        Cell::Int(id as i64),
        Cell::Int(order as i64),
        Cell::Int((bits % PRODUCTS) as i64),
        Cell::Int(((bits >> 20) % 5 + 1) as i64),
        Cell::Int(((bits >> 32) % 10_000 + 99) as i64),
    ]
}

/// The pages computed again without any database: the witness of the tests.
#[derive(Debug)]
pub struct Recomputed {
    workload: Workload,
    added: Vec<(u64, u64)>,
}

impl Recomputed {
    /// The pages as they are at the beginning.
    pub fn new(workload: Workload) -> Recomputed {
        Recomputed { workload, added: Vec::new() }
    }

    /// The same after a write.
    pub fn add(&mut self, event: u64, key: u64) {
        self.added.push((event, key));
    }

    /// The page of a key.
    pub fn page(&self, key: u64) -> Page {
        let workload = &self.workload;
        let first = (0..workload.events_per_key).map(|n| n * workload.keys + key);
        let later = self.added.iter().filter(|(_, of)| *of == key).map(|(event, _)| *event);
        let mut rows: Vec<PageRow> = Vec::new();
        for event in first.chain(later) {
            for insert in workload.event(event, key) {
                if let Some((name, part, amount)) = self.contribution(key, &insert) {
                    match rows.iter_mut().find(|row| row.part == part) {
                        Some(row) => {
                            row.amount += amount;
                            row.count += 1;
                        }
                        None => rows.push(PageRow { name, part, amount, count: 1 }),
                    }
                }
            }
        }
        Page::new(rows)
    }

    fn contribution(&self, key: u64, insert: &Insert) -> Option<(String, i64, i64)> {
        let int = |cell: &Cell| match cell {
            Cell::Int(number) => *number,
            Cell::Text(_) => 0,
        };
        match (self.workload.kind, insert.table, insert.cells.as_slice()) {
            (Kind::Shop, 3, [_, _, product, quantity, cents]) => {
                let category = mix(int(product) as u64) % CATEGORIES;
                Some((format!("customer number {key}"), category as i64, int(quantity) * int(cents)))
            }
            (Kind::Vote, 2, [_, _, weight]) => {
                let author = mix(key) % self.workload.authors();
                Some((format!("story number {key}"), author as i64, int(weight)))
            }
            _ => None,
        }
    }
}
