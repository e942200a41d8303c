//! `Contributions`: what the changed rows of one step add to each group, before it meets the groups' state.
//!
//! Rows find their group by its encoding, once; then each accumulator runs over its column, typed, once. Groups are kept
//! in the order of their first row and looked up by hash; whoever reads them sorts.
//!
//! Cost: one hash lookup per row, and one addition per row and accumulator.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::i256;
use arrow_schema::DataType as ArrowType;
use monostable_types::{RowCodec, Rows, Weight};

use crate::delta::Delta;
use crate::expression::truth;
use crate::failure::Failure;
use crate::operators::aggregate::Slot;
use crate::operators::aggregate::accumulator::{Accumulator, overflow};

/// What changed rows add to each group.
#[derive(Debug, Default)]
pub(crate) struct Contributions {
    index: HashMap<Box<[u8]>, usize>,
    rows: Vec<i64>,
    /// One per group and slot, group by group.
    accumulators: Vec<Accumulator>,
}

impl Contributions {
    /// The groups, in no particular order.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &[u8]> {
        self.index.keys().map(|group| &**group)
    }

    /// Number of groups.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows and the accumulators that are added to a group.
    pub(crate) fn of(&self, group: &[u8], slots: usize) -> Option<(i64, &[Accumulator])> {
        let &at = self.index.get(group)?;
        Some((self.rows[at], &self.accumulators[at * slots..(at + 1) * slots]))
    }

    pub(crate) fn absorb(
        &mut self,
        groups: usize,
        group_codec: &RowCodec,
        slots: &[Slot],
        port: usize,
        delta: &Delta,
    ) -> Result<(), Failure> {
        let group_of = self.group_of(groups, group_codec, slots, delta)?;
        if port == 0 {
            for (&group, weight) in group_of.iter().zip(delta.weights().iter()) {
                self.rows[group] = self.rows[group].checked_add(weight.0).ok_or_else(overflow)?;
            }
        }
        for (index, slot) in slots.iter().enumerate().filter(|(_, slot)| slot.port == port) {
            let filter = slot.filter.map(|column| truth(delta.rows().column(column))).transpose()?;
            let column = slot.argument.map(|column| delta.rows().column(column));
            let mut values = Values {
                filter: filter.as_ref(),
                column,
                weights: delta.weights(),
                group_of: &group_of,
                accumulators: &mut self.accumulators,
                slots: slots.len(),
                slot: index,
            };
            values.add()?;
        }
        Ok(())
    }

    /// For each row, the number of its group; groups that are new get a number.
    fn group_of(
        &mut self,
        groups: usize,
        group_codec: &RowCodec,
        slots: &[Slot],
        delta: &Delta,
    ) -> Result<Vec<usize>, Failure> {
        let mut encoded = Rows::default();
        if groups > 0 {
            group_codec.encode_columns(&delta.rows().columns()[..groups], &mut encoded)?;
        }
        let mut group_of = Vec::with_capacity(delta.len());
        for row in 0..delta.len() {
            let group = if groups > 0 { encoded.row(row) } else { b"" };
            if let Some(&at) = self.index.get(group) {
                group_of.push(at);
                continue;
            }
            let at = self.rows.len();
            self.index.insert(group.into(), at);
            self.rows.push(0);
            self.accumulators.extend(slots.iter().map(|slot| Accumulator::new(slot.kind)));
            group_of.push(at);
        }
        Ok(group_of)
    }
}

/// One accumulator's pass over one chunk.
struct Values<'a> {
    filter: Option<&'a BooleanArray>,
    column: Option<&'a ArrayRef>,
    weights: &'a [Weight],
    group_of: &'a [usize],
    accumulators: &'a mut [Accumulator],
    slots: usize,
    slot: usize,
}

impl Values<'_> {
    fn add(&mut self) -> Result<(), Failure> {
        match self.column {
            None => self.each(|_, _, _| Ok(())),
            Some(column) => self.add_column(column),
        }
    }

    fn add_column(&mut self, column: &ArrayRef) -> Result<(), Failure> {
        match column.data_type() {
            ArrowType::Int16 => {
                let values = column.as_primitive::<Int16Type>().values();
                self.each(|to, row, weight| add_integer(to, values[row].into(), weight))
            }
            ArrowType::Int32 => {
                let values = column.as_primitive::<Int32Type>().values();
                self.each(|to, row, weight| add_integer(to, values[row].into(), weight))
            }
            ArrowType::Int64 => {
                let values = column.as_primitive::<Int64Type>().values();
                self.each(|to, row, weight| add_integer(to, values[row], weight))
            }
            ArrowType::Decimal128(..) => {
                let values = column.as_primitive::<Decimal128Type>().values();
                self.each(|to, row, weight| add_decimal(to, values[row], weight))
            }
            ArrowType::Float32 => {
                let values = column.as_primitive::<Float32Type>().values();
                self.each(|to, row, weight| add_float(to, values[row].into(), weight))
            }
            ArrowType::Float64 => {
                let values = column.as_primitive::<Float64Type>().values();
                self.each(|to, row, weight| add_float(to, values[row], weight))
            }
            ArrowType::Boolean => {
                let values = column.as_boolean().values();
                self.each(|to, row, weight| add_boolean(to, values.value(row), weight))
            }
            // Only counted.
            _ => self.each(|_, _, _| Ok(())),
        }
    }

    /// Counts every value that is not NULL and passes the filter, and adds it with `add`.
    fn each(
        &mut self,
        mut add: impl FnMut(&mut Accumulator, usize, i64) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let nulls = self.column.and_then(|column| column.logical_nulls());
        for (row, (&group, weight)) in self.group_of.iter().zip(self.weights).enumerate() {
            let null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            if null || self.filter.is_some_and(|filter| !filter.value(row)) {
                continue;
            }
            let to = &mut self.accumulators[group * self.slots + self.slot];
            to.count(weight.0)?;
            add(to, row, weight.0)?;
        }
        Ok(())
    }
}

fn add_integer(to: &mut Accumulator, value: i64, weight: i64) -> Result<(), Failure> {
    if let Accumulator::Integer { sum, .. } = to {
        *sum = sum.checked_add(i128::from(value) * i128::from(weight)).ok_or_else(overflow)?;
    }
    Ok(())
}

fn add_decimal(to: &mut Accumulator, value: i128, weight: i64) -> Result<(), Failure> {
    if let Accumulator::Decimal { sum, .. } = to {
        let product = i256::from_i128(value).checked_mul(i256::from_i128(weight.into()));
        *sum = product.and_then(|product| sum.checked_add(product)).ok_or_else(overflow)?;
    }
    Ok(())
}

fn add_float(to: &mut Accumulator, value: f64, weight: i64) -> Result<(), Failure> {
    if let Accumulator::Float { sum, .. } = to {
        sum.add(value, weight)?;
    }
    Ok(())
}

fn add_boolean(to: &mut Accumulator, value: bool, weight: i64) -> Result<(), Failure> {
    if let Accumulator::Boolean { trues, .. } = to
        && value
    {
        *trues = trues.checked_add(weight).ok_or_else(overflow)?;
    }
    Ok(())
}
