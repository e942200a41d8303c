//! Orders and customers, and a stream of changes to the orders: a function of a seed.

use std::collections::HashMap;

/// A small generator of random numbers (xorshift64*), so that every contender sees the same stream.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (u128::from(self.next()) * u128::from(bound) >> 64) as u64
    }
}

/// One order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub id: i64,
    pub customer: i64,
    pub cents: i64,
}

/// One change.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    Insert(Order),
    Delete(Order),
    /// The order before and after.
    Update(Order, Order),
}

/// The region of a customer.
pub fn region(customer: i64) -> &'static str {
    const REGIONS: [&str; 8] = ["north", "south", "east", "west", "centre", "coast", "hills", "islands"];
    REGIONS[(customer % 8) as usize]
}

/// The stream of orders and changes.
pub struct Dataset {
    random: Random,
    pub customers: i64,
    live: Vec<Order>,
    next_id: i64,
}

impl Dataset {
    pub fn new(customers: i64) -> Dataset {
        Dataset { random: Random::new(7), customers, live: Vec::new(), next_id: 0 }
    }

    pub fn order(&mut self) -> Order {
        let order = Order {
            id: self.next_id,
            customer: self.random.below(self.customers as u64) as i64,
            cents: self.random.below(100_000) as i64,
        };
        self.next_id += 1;
        self.live.push(order);
        order
    }

    /// 80 % inserts, 10 % deletes, 10 % updates. No order is changed twice in one batch.
    pub fn batch(&mut self, changes: usize) -> Vec<Change> {
        let mut touched: HashMap<i64, ()> = HashMap::new();
        let mut batch = Vec::with_capacity(changes);
        while batch.len() < changes {
            let kind = self.random.below(10);
            if kind < 8 || self.live.is_empty() {
                let order = self.order();
                touched.insert(order.id, ());
                batch.push(Change::Insert(order));
                continue;
            }
            let index = self.random.below(self.live.len() as u64) as usize;
            let order = self.live[index];
            if touched.insert(order.id, ()).is_some() {
                continue;
            }
            if kind == 8 {
                self.live.swap_remove(index);
                batch.push(Change::Delete(order));
            } else {
                let changed = Order { cents: self.random.below(100_000) as i64, ..order };
                self.live[index] = changed;
                batch.push(Change::Update(order, changed));
            }
        }
        batch
    }
}
