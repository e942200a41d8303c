//! The tables of W8, their streams of changes, and what each view must hold.
//!
//! `facts(id, grp, val)` and `dims(grp, kind)`. A fact is carried as an [`Order`] whose customer is its group and whose cents are its value, and a row of `dims` as one whose cents are
//! its kind, so that the machinery of the other workloads serves here too.

use crate::dataset::{Change, Order, Random};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The views of one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The maximum of each group.
    Max,
    /// The number of distinct values of each group.
    CountDistinct,
    /// Count and sum for each kind, over a join.
    JoinSums,
    /// The join itself.
    Join,
    /// As many views, each of one group.
    Filters(i64),
    /// As many views, each of the values from a bound on, which all values reach.
    Thresholds(i64),
    /// As many views of another table, of which nothing changes.
    Elsewhere(i64),
}

/// Which table changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Facts,
    Dims,
}

/// A row of any view: its view's number, and up to three columns.
pub type Row = [i64; 4];

/// Kinds of `dims`.
const KINDS: i64 = 8;
/// Values of facts are below this, and no bound of a view is above its least one.
const VALUES: u64 = 100_000;
const VALUE_MIN: i64 = 1_000;

/// How the facts fall on the groups.
#[derive(Debug, Clone, Copy)]
pub enum Spread {
    /// Half of them in group 0, the others on this many groups.
    Half(i64),
    /// Evenly on this many groups.
    Even(i64),
}

/// Both tables and the generator of their changes.
pub struct Data {
    random: Random,
    spread: Spread,
    facts: Vec<Order>,
    places: HashMap<i64, usize>,
    /// Values and identifiers of group 0, for the deletes that take its maximum.
    hot: BTreeSet<(i64, i64)>,
    kinds: BTreeMap<i64, i64>,
    next_id: i64,
}

impl Data {
    pub fn new(rows: u64, spread: Spread) -> Data {
        let (Spread::Half(groups) | Spread::Even(groups)) = spread;
        let kinds = (0..=groups).map(|group| (group, group % KINDS)).collect();
        let (facts, places, hot) = (Vec::new(), HashMap::new(), BTreeSet::new());
        let mut data = Data { random: Random::new(11), spread, facts, places, hot, kinds, next_id: 0 };
        for _ in 0..rows {
            data.insert();
        }
        data
    }

    pub fn facts(&self) -> &[Order] {
        &self.facts
    }

    pub fn dims(&self) -> impl Iterator<Item = (i64, i64)> {
        self.kinds.iter().map(|(group, kind)| (*group, *kind))
    }

    fn value(&mut self) -> i64 {
        VALUE_MIN + self.random.below(VALUES) as i64
    }

    /// A group as the spread has it.
    pub fn group(&mut self) -> i64 {
        match self.spread {
            Spread::Half(groups) if self.random.below(2) == 1 => 1 + self.random.below(groups as u64) as i64,
            Spread::Half(_) => 0,
            Spread::Even(groups) => self.random.below(groups as u64) as i64,
        }
    }

    /// A new fact, in some group.
    pub fn insert(&mut self) -> Order {
        let group = self.group();
        self.insert_into(group)
    }

    /// A new fact in this group.
    pub fn insert_into(&mut self, group: i64) -> Order {
        let fact = Order { id: self.next_id, customer: group, cents: self.value() };
        self.next_id += 1;
        self.places.insert(fact.id, self.facts.len());
        self.facts.push(fact);
        self.note(fact, true);
        fact
    }

    fn note(&mut self, fact: Order, there: bool) {
        match (fact.customer, there) {
            (0, true) => self.hot.insert((fact.cents, fact.id)),
            (0, false) => self.hot.remove(&(fact.cents, fact.id)),
            _ => false,
        };
    }

    fn remove(&mut self, id: i64) -> Option<Order> {
        let place = self.places.remove(&id)?;
        let fact = self.facts.swap_remove(place);
        if let Some(moved) = self.facts.get(place) {
            self.places.insert(moved.id, place);
        }
        self.note(fact, false);
        Some(fact)
    }

    fn any(&mut self) -> Order {
        let place = self.random.below(self.facts.len() as u64) as usize;
        self.facts[place]
    }

    /// A half inserts, a quarter deletes of which every fourth takes the maximum of group 0, a quarter updates of a value.
    pub fn change(&mut self) -> Change {
        match self.random.below(16) {
            0 if !self.hot.is_empty() => {
                let id = self.hot.last().map_or(0, |(_, id)| *id);
                self.remove(id).map_or_else(|| Change::Insert(self.insert()), Change::Delete)
            }
            1..=3 => {
                let id = self.any().id;
                self.remove(id).map_or_else(|| Change::Insert(self.insert()), Change::Delete)
            }
            4..=7 => {
                let before = self.any();
                let after = Order { cents: self.value(), ..before };
                self.note(before, false);
                self.note(after, true);
                let place = self.places[&before.id];
                self.facts[place] = after;
                Change::Update(before, after)
            }
            _ => Change::Insert(self.insert()),
        }
    }

    /// The next kind for a group of `dims`.
    pub fn turn(&mut self, group: i64) -> Change {
        let kind = self.kinds.entry(group).or_default();
        let before = Order { id: group, customer: group, cents: *kind };
        *kind = (*kind + 1) % KINDS;
        Change::Update(before, Order { cents: *kind, ..before })
    }

    /// A turn of some group.
    pub fn turn_any(&mut self) -> Change {
        let group = self.any().customer;
        self.turn(group)
    }

    /// What the views of a shape must hold, from scratch.
    pub fn expected(&self, shape: Shape) -> Vec<Row> {
        let mut rows: Vec<Row> = match shape {
            Shape::Max => self.per_group(|values| values.iter().max().copied().unwrap_or_default()),
            Shape::CountDistinct => self.per_group(|values| values.iter().collect::<BTreeSet<_>>().len() as i64),
            Shape::JoinSums => {
                let mut kinds: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
                for fact in &self.facts {
                    let (n, total) = kinds.entry(self.kinds[&fact.customer]).or_default();
                    *n += 1;
                    *total += fact.cents;
                }
                kinds.into_iter().map(|(kind, (n, total))| [0, kind, n, total]).collect()
            }
            Shape::Join => self.facts.iter().map(|fact| [0, fact.id, fact.cents, self.kinds[&fact.customer]]).collect(),
            Shape::Filters(views) => {
                let mut counts: BTreeMap<(i64, i64), i64> = BTreeMap::new();
                for fact in self.facts.iter().filter(|fact| fact.customer < views) {
                    *counts.entry((fact.customer, fact.cents)).or_default() += 1;
                }
                counts.into_iter().map(|((view, value), n)| [view, value, n, 0]).collect()
            }
            Shape::Thresholds(views) => {
                let groups = self.per_group(|values| values.len() as i64);
                (0..views).flat_map(|view| groups.iter().map(move |[_, group, n, _]| [view, *group, *n, 0])).collect()
            }
            Shape::Elsewhere(_) => Vec::new(),
        };
        rows.sort_unstable();
        rows
    }

    fn per_group(&self, figure: impl Fn(&[i64]) -> i64) -> Vec<Row> {
        let mut groups: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for fact in &self.facts {
            groups.entry(fact.customer).or_default().push(fact.cents);
        }
        groups.into_iter().map(|(group, values)| [0, group, figure(&values), 0]).collect()
    }
}
