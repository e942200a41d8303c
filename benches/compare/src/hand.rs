//! The three views by hand: maps and trees for exactly these queries. The floor of a programmer who needs no SQL, log, snapshot or disk.

use crate::dataset::{Change, Order, region};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What a region holds.
#[derive(Default)]
struct Region {
    cents: i64,
    count: i64,
    amounts: BTreeMap<i64, u32>,
}

#[derive(Default)]
pub struct ByHand {
    per_customer: HashMap<i64, (i64, i64)>,
    regions: HashMap<&'static str, Region>,
    totals: HashMap<i64, (i64, i64)>,
    ranking: BTreeSet<(i64, i64)>,
}

/// Orders below this are left out of the first view.
pub const CENTS_MIN: i64 = 1_000;

impl ByHand {
    pub fn apply(&mut self, batch: &[Change]) {
        for change in batch {
            match *change {
                Change::Insert(order) => self.add(order, 1),
                Change::Delete(order) => self.add(order, -1),
                Change::Update(before, after) => {
                    self.add(before, -1);
                    self.add(after, 1);
                }
            }
        }
    }

    fn add(&mut self, order: Order, weight: i64) {
        if order.cents >= CENTS_MIN {
            let (count, cents) = self.per_customer.entry(order.customer).or_default();
            *count += weight;
            *cents += weight * order.cents;
            if *count == 0 {
                self.per_customer.remove(&order.customer);
            }
        }
        let group = self.regions.entry(region(order.customer)).or_default();
        group.cents += weight * order.cents;
        group.count += weight;
        let times = group.amounts.entry(order.cents).or_default();
        *times = times.wrapping_add_signed(weight as i32);
        if *times == 0 {
            group.amounts.remove(&order.cents);
        }
        let (count, total) = self.totals.entry(order.customer).or_default();
        if *count > 0 {
            self.ranking.remove(&(-*total, order.customer));
        }
        *count += weight;
        *total += weight * order.cents;
        if *count > 0 {
            self.ranking.insert((-*total, order.customer));
        } else {
            self.totals.remove(&order.customer);
        }
    }

    /// `(customer, count, cents)`, sorted.
    pub fn per_customer(&self) -> Vec<(i64, i64, i64)> {
        let mut rows: Vec<_> =
            self.per_customer.iter().map(|(customer, (count, cents))| (*customer, *count, *cents)).collect();
        rows.sort_unstable();
        rows
    }

    /// `(region, cents, count, max)`, sorted.
    pub fn regions(&self) -> Vec<(String, i64, i64, i64)> {
        let live = self.regions.iter().filter(|(_, region)| region.count > 0);
        let most = |region: &Region| region.amounts.last_key_value().map_or(0, |(cents, _)| *cents);
        let mut rows: Vec<_> =
            live.map(|(name, region)| (name.to_string(), region.cents, region.count, most(region))).collect();
        rows.sort_unstable();
        rows
    }

    /// `(customer, total)`, the greatest totals first, ties by customer.
    pub fn top(&self, count: usize) -> Vec<(i64, i64)> {
        self.ranking.iter().take(count).map(|(total, customer)| (*customer, -total)).collect()
    }
}
