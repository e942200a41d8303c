//! `Contributions`: what the changed rows of one step add to each group, before it meets the groups' state.
//!
//! A row finds its group by the encoding of its leading columns, which is numbered; then each
//! accumulator takes the number in its argument's piece of the row. Groups are kept in the order of their first row, and
//! sorted once when they are read.
//!
//! Cost: one hash lookup per row, one addition per row and accumulator; nothing is allocated per row.

use arrow_buffer::i256;
use monostable_types::{DataType, Interner, Number, Weight, number};
use smallvec::SmallVec;

use crate::batch::sorted_order;
use crate::delta::Delta;
use crate::failure::Failure;
use crate::hash::key_hash;
use crate::operators::aggregate::Slot;
use crate::operators::aggregate::accumulator::{Accumulator, overflow};
use crate::spine::{SEEK_KEYS, Spine};

/// What changed rows add to each group.
#[derive(Debug, Default)]
pub(crate) struct Contributions {
    groups: Interner,
    rows: Vec<i64>,
    /// One per group and accumulator, group by group.
    accumulators: Vec<Accumulator>,
    scratch: Vec<u32>,
}

/// What is added to one group.
pub(crate) struct Contribution<'a> {
    pub(crate) group: &'a [u8],
    pub(crate) rows: i64,
    pub(crate) accumulators: &'a [Accumulator],
}

impl Contributions {
    /// Number of groups.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes in use, about: what vectors hold in reserve and the digits of exact sums of floats are left out.
    pub(crate) fn bytes(&self) -> usize {
        let groups = self.groups.byte_len() + self.rows.len() * size_of::<i64>();
        groups + self.accumulators.len() * size_of::<Accumulator>()
    }

    /// Hands on what is added to each group, with the group's newest entry in `spine`, in ascending order of groups. `accumulators`
    /// is how many each group has.
    pub(crate) fn meet<'s>(
        &self,
        spine: &'s Spine,
        accumulators: usize,
        mut each: impl FnMut(Contribution<'_>, Option<&'s [u8]>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut seeker = spine.seeker(self.len());
        for groups in sorted_order(self.groups.strings()).chunks(SEEK_KEYS) {
            let key = |&group: &u32| (self.groups.strings().row(group as usize), self.groups.hash(group as usize));
            let keys: SmallVec<[(&[u8], u64); 4]> = groups.iter().map(key).collect();
            for (&group, entry) in groups.iter().zip(seeker.newest(&keys)?) {
                each(self.of(group as usize, accumulators), entry)?;
            }
        }
        Ok(())
    }

    fn of(&self, group: usize, accumulators: usize) -> Contribution<'_> {
        Contribution {
            group: self.groups.strings().row(group),
            rows: self.rows[group],
            accumulators: &self.accumulators[group * accumulators..(group + 1) * accumulators],
        }
    }

    /// Adds the rows of a change that come in through a port. Their first `groups` columns are their group.
    pub(crate) fn absorb(&mut self, groups: usize, slots: &[Slot], port: usize, delta: &Delta) -> Result<(), Failure> {
        let (codec, types) = (delta.row().codec(), delta.row().types());
        let fed = || slots.iter().enumerate().filter(|(_, slot)| slot.port == port);
        let columns = fed().flat_map(|(_, slot)| slot.argument.iter().chain(&slot.filter));
        let reach = columns.map(|column| column + 1).max().unwrap_or(0).max(groups);
        let mut ends = std::mem::take(&mut self.scratch);
        for (row, weight) in delta.rows()?.iter().zip(delta.weights().iter()) {
            codec.boundaries_until(row, reach, &mut ends)?;
            let at = self.group_of(&row[..ends[groups] as usize], slots);
            if port == 0 {
                self.rows[at] = self.rows[at].checked_add(weight.0).ok_or_else(overflow)?;
            }
            let piece = |column: usize| &row[ends[column] as usize..ends[column + 1] as usize];
            for (index, slot) in fed() {
                let passes = match slot.filter {
                    Some(column) => number(DataType::Boolean, piece(column))? == Number::Boolean(true),
                    None => true,
                };
                if passes {
                    let value = slot.argument.map(|column| number(types[column], piece(column))).transpose()?;
                    add(&mut self.accumulators[at * slots.len() + index], value, *weight)?;
                }
            }
        }
        self.scratch = ends;
        Ok(())
    }

    /// The number of a group; a group that is new gets one.
    fn group_of(&mut self, group: &[u8], slots: &[Slot]) -> usize {
        let (at, new) = self.groups.intern(key_hash(group), group);
        if new {
            self.rows.push(0);
            self.accumulators.extend(slots.iter().map(|slot| Accumulator::new(slot.kind)));
        }
        at
    }
}

/// Counts a value that is not NULL and adds it. Without an argument every row counts.
fn add(to: &mut Accumulator, value: Option<Number>, Weight(weight): Weight) -> Result<(), Failure> {
    if value == Some(Number::Null) {
        return Ok(());
    }
    to.count(weight)?;
    match (to, value) {
        (Accumulator::Integer { sum, .. }, Some(Number::Integer(value))) => {
            *sum = sum.checked_add(i128::from(value) * i128::from(weight)).ok_or_else(overflow)?;
        }
        (Accumulator::Decimal { sum, .. }, Some(Number::Decimal(value))) => {
            let product = i256::from_i128(value).checked_mul(i256::from_i128(weight.into()));
            *sum = product.and_then(|product| sum.checked_add(product)).ok_or_else(overflow)?;
        }
        (Accumulator::Float { sum, .. }, Some(Number::Float(value))) => sum.add(value, weight)?,
        (Accumulator::Boolean { trues, .. }, Some(Number::Boolean(true))) => {
            *trues = trues.checked_add(weight).ok_or_else(overflow)?;
        }
        // Only counted.
        (Accumulator::Count { .. } | Accumulator::Boolean { .. }, _) => {}
        _ => return Err(Failure::inconsistent("a sum is fed with values of another type")),
    }
    Ok(())
}
