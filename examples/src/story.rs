//! What happens in the shop: the same for everybody who keeps one.

use std::fmt::Write as _;

use crate::{Line, Result, Shop};

/// Customers and products of the story.
const CUSTOMERS: i64 = 20;
const PRODUCTS: i64 = 12;
const EVENTS: u64 = 300;

/// Plays the story, with pages read in between, and returns what all pages showed, one line for each.
pub fn play(shop: &dyn Shop) -> Result<String> {
    let mut shown = String::new();
    let mut random = Random(42);
    show(shop, 1, &mut shown)?; // before the customer is there
    for id in 1..=CUSTOMERS {
        shop.add_customer(id, &format!("customer {id}"))?;
    }
    for id in 1..=PRODUCTS {
        shop.add_product(id, &format!("product {id}"))?;
    }
    for event in 1..=EVENTS {
        let customer = random.up_to(CUSTOMERS);
        match random.up_to(10) {
            1 => shop.cancel(random.up_to(event as i64))?,
            2 => shop.rename_product(random.up_to(PRODUCTS), &format!("product {event}"))?,
            _ => {
                let count = random.up_to(4);
                let line = |_| Line { product: random.up_to(PRODUCTS), cents: random.up_to(10_000) };
                let lines: Vec<Line> = (0..count).map(line).collect();
                shop.order(event as i64, customer, &lines)?;
            }
        }
        show(shop, customer, &mut shown)?;
        show(shop, random.up_to(CUSTOMERS), &mut shown)?;
    }
    for customer in 1..=CUSTOMERS {
        show(shop, customer, &mut shown)?;
    }
    Ok(shown)
}

/// One page as a line of text.
pub fn show(shop: &dyn Shop, customer: i64, shown: &mut String) -> Result<()> {
    match shop.page(customer)? {
        None => writeln!(shown, "{customer}: nobody")?,
        Some(page) => {
            let favourites: Vec<String> =
                page.favourites.iter().map(|(name, cents)| format!("{name} ({cents})")).collect();
            let (name, orders, cents) = (page.name, page.orders, page.cents);
            writeln!(shown, "{customer}: {name}, {orders} orders, {cents} cents; {}", favourites.join(", "))?;
        }
    }
    Ok(())
}

/// A linear congruential generator: the same numbers everywhere.
struct Random(u64);

impl Random {
    /// A number from 1 to `max`.
    fn up_to(&mut self, max: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % max + 1
    }
}
