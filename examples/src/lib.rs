//! A web shop's page, twice: with a cache in front of a database ([`cache_aside`]), and on complete views ([`views`]).
//!
//! Both keep the same tables, answer the same page and are given the same history ([`story`]), after which a test asks whether
//! they show the same. The comparison, with what can go wrong in each, is in the package's README.

#![forbid(unsafe_code)]

pub mod cache_aside;
pub mod story;
pub mod views;

/// What can go wrong: the database, or a shop that is too busy.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// An answer, or why there is none.
pub type Result<T> = std::result::Result<T, Error>;

/// One line of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The product's id.
    pub product: i64,
    /// What it costs.
    pub cents: i64,
}

/// What a customer sees of themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The customer's name.
    pub name: String,
    /// How many orders.
    pub orders: i64,
    /// What they cost together.
    pub cents: i64,
    /// The three products on which most was spent, the dearest first, and what was spent on each.
    pub favourites: Vec<(String, i64)>,
}

/// The shop, whoever keeps it.
pub trait Shop {
    /// A new customer.
    fn add_customer(&self, id: i64, name: &str) -> Result<()>;
    /// A new product.
    fn add_product(&self, id: i64, name: &str) -> Result<()>;
    /// An order with all of its lines, or nothing.
    fn order(&self, id: i64, customer: i64, lines: &[Line]) -> Result<()>;
    /// Takes an order back.
    fn cancel(&self, order: i64) -> Result<()>;
    /// Another name for a product, on every page that shows it.
    fn rename_product(&self, id: i64, name: &str) -> Result<()>;
    /// The page of a customer; `None` if there is no such customer.
    fn page(&self, customer: i64) -> Result<Option<Page>>;
}
