//! The three views by hand: maps and trees for exactly these queries. The floor of a programmer who needs no SQL, log, snapshot or disk.

use crate::contender::{CENTS_MIN, Contender, Contents, TOP, weighted};
use crate::dataset::{Change, Order, region};
use crate::workload::Failure;
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

impl ByHand {
    pub fn new(orders: &[Order]) -> ByHand {
        let mut hand = ByHand::default();
        orders.iter().for_each(|order| hand.add(*order, 1));
        hand
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
}

impl Contender for ByHand {
    type View = Contents;

    fn name(&self) -> &'static str {
        "floor: by hand"
    }

    fn apply(&mut self, batch: &[Change]) -> Result<(), Failure> {
        for (order, weight) in batch.iter().flat_map(weighted) {
            self.add(order, weight);
        }
        Ok(())
    }

    fn contents(&mut self) -> Result<Contents, Failure> {
        let kept = self.per_customer.iter().map(|(customer, (count, cents))| (*customer, *count, *cents));
        let mut per_customer: Vec<_> = kept.collect();
        per_customer.sort_unstable();
        let most = |region: &Region| region.amounts.last_key_value().map_or(0, |(cents, _)| *cents);
        let live = self.regions.iter().filter(|(_, region)| region.count > 0);
        let mut regions: Vec<_> =
            live.map(|(name, region)| ((name.to_string(), region.cents, region.count), most(region))).collect();
        regions.sort_unstable();
        let mut top: Vec<_> = self.ranking.iter().take(TOP).map(|(total, customer)| (*customer, -total)).collect();
        top.sort_unstable();
        Ok(Contents {
            per_customer: Some(per_customer),
            most: Some(regions.iter().map(|(_, most)| *most).collect()),
            regions: Some(regions.into_iter().map(|(row, _)| row).collect()),
            top: Some(top),
        })
    }
}
