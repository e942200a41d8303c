//! `Aggregate`: one row per group, and exactly one row where there are no groups.
//!
//! Delta rule: linear in what is remembered, not in what is shown. For each group that a change touches, the contributions of
//! the changed rows are added to the group's state; if the group's row differs from before, the old row is emitted with weight -1
//! and the new one with +1. A group whose row count reaches zero leaves. What is shown depends on the contents of the
//! input alone, bit for bit, whatever the history (see [`accumulator`]).
//!
//! Inputs ("ports"): the main input, whose leading columns are the groups; a `Distinct` over (groups, value) for each
//! `DISTINCT` argument; an `Arrange` by (groups, value) for each argument of `min` or `max`, which is read by seek. See
//! [`plan`].
//!
//! State: a spine of its own with one entry per group, of weight 1: the encoded group, then the row count and the
//! accumulators. The entry of the only group of an aggregation without groups always exists. Format: `FORMAT.md`,
//! aggregate state.
//!
//! Cost: one lookup per touched group, and two seeks per touched group and extreme; O(1) per changed row. Rows of a
//! group that did not change are never read.

pub(crate) mod accumulator;
pub(crate) mod codec;
mod contributions;
pub(crate) mod exact_float;
mod plan;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow_array::ArrayRef;
use monostable_types::{DataType, RowCodec, Rows, Value, Weight, values_to_array};

use crate::batch::Batch;
use crate::delta::Delta;
use crate::failure::Failure;
use crate::identity;
use crate::key::KeyExtent;
use crate::layout::RowType;
use crate::spine::Spine;

use accumulator::{Accumulator, Kind};
use codec::{Reader, put_signed};
pub(crate) use contributions::Contributions;
pub(crate) use plan::expand;

/// An aggregate function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AggregateFunction {
    /// `count(*)` without an argument, else the number of values that are not NULL. Result: bigint.
    Count,
    /// The exact sum. Of integers: an integer type or numeric; of numeric: numeric of at least the same scale; of floats:
    /// a float, rounded once.
    Sum,
    /// The exact sum divided by the number of values, rounded once. Of integers and numeric: numeric, half away from zero; of
    /// floats: a float, half to even.
    Avg,
    /// The least value. Result: the argument's type.
    Min,
    /// The greatest value. Result: the argument's type.
    Max,
    /// Whether all values are true.
    BoolAnd,
    /// Whether any value is true.
    BoolOr,
}

impl fmt::Display for AggregateFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AggregateFunction::Count => "count",
            AggregateFunction::Sum => "sum",
            AggregateFunction::Avg => "avg",
            AggregateFunction::Min => "min",
            AggregateFunction::Max => "max",
            AggregateFunction::BoolAnd => "bool_and",
            AggregateFunction::BoolOr => "bool_or",
        })
    }
}

/// One aggregate of an aggregation: `function([DISTINCT] argument) [FILTER (WHERE filter)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggregateCall {
    /// The function.
    pub function: AggregateFunction,
    /// The input column that it is applied to; none for `count(*)`.
    pub argument: Option<usize>,
    /// Whether equal values count once.
    pub distinct: bool,
    /// A boolean input column: only rows for which it is true count.
    pub filter: Option<usize>,
    /// The type of the result. A value that it cannot hold makes the view undefined (22003).
    pub result: DataType,
}

impl AggregateCall {
    /// `count(*)`.
    pub fn count_rows() -> AggregateCall {
        let result = DataType::BigInt;
        AggregateCall { function: AggregateFunction::Count, argument: None, distinct: false, filter: None, result }
    }

    /// `function(argument)`, without `DISTINCT` and `FILTER`.
    pub fn of(function: AggregateFunction, argument: usize, result: DataType) -> AggregateCall {
        AggregateCall { function, argument: Some(argument), distinct: false, filter: None, result }
    }
}

/// What comes in through an input of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// The aggregated rows.
    Main,
    /// Distinct rows (groups, value).
    Distinct,
    /// An arrangement by (groups, value).
    Extreme,
}

/// One accumulator: what it is fed with. Columns are those of the port's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) port: usize,
    pub(crate) kind: Kind,
    pub(crate) argument: Option<usize>,
    pub(crate) filter: Option<usize>,
}

/// Where a column of the result comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The number of rows of the group.
    Rows,
    /// An accumulator.
    Slot(usize),
    /// The first or last value of the group in an arrangement.
    Extreme { port: usize, greatest: bool },
}

/// One column of the result after the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) function: AggregateFunction,
    pub(crate) origin: Origin,
    pub(crate) argument: Option<DataType>,
    pub(crate) result: DataType,
}

/// One row per group. Made by [`GraphBuilder::aggregate`](crate::GraphBuilder::aggregate).
#[derive(Debug)]
pub struct Aggregate {
    groups: usize,
    group_codec: Arc<RowCodec>,
    ports: Vec<Port>,
    slots: Vec<Slot>,
    outputs: Vec<Output>,
}

/// The content of the inputs of kind [`Port::Extreme`] by port, `None` for the others.
pub(crate) type Extremes<'a> = [Option<&'a Spine>];

/// What a group remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    rows: i64,
    accumulators: Vec<Accumulator>,
}

/// The change that an aggregation makes: to its state, and to its output.
pub(crate) struct Change {
    pub(crate) state: Batch,
    pub(crate) output: Delta,
}

impl Aggregate {
    /// What each input is.
    pub(crate) fn ports(&self) -> &[Port] {
        &self.ports
    }

    pub(crate) fn key_extent(&self) -> KeyExtent {
        KeyExtent::Columns { codec: Arc::clone(&self.group_codec), columns: self.groups }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let put_option = |out: &mut Vec<u8>, option: Option<usize>| {
            identity::put_number(out, option.map_or(0, |number| number as u64 + 1));
        };
        identity::put_number(out, self.groups as u64);
        identity::put_number(out, self.slots.len() as u64);
        for slot in &self.slots {
            identity::put_number(out, slot.port as u64);
            out.push(slot.kind as u8);
            put_option(out, slot.argument);
            put_option(out, slot.filter);
        }
        identity::put_number(out, self.outputs.len() as u64);
        for output in &self.outputs {
            out.push(output.function as u8);
            match output.origin {
                Origin::Rows => out.push(0),
                Origin::Slot(slot) => {
                    out.push(1);
                    identity::put_number(out, slot as u64);
                }
                Origin::Extreme { port, greatest } => {
                    out.push(2 + u8::from(greatest));
                    identity::put_number(out, port as u64);
                }
            }
            out.push(u8::from(output.argument.is_some()));
            output.argument.iter().for_each(|&data_type| identity::put_type(out, data_type));
        }
    }

    /// Adds the contributions of a change that comes in through `ports`.
    pub(crate) fn absorb(
        &self,
        ports: impl Iterator<Item = usize>,
        delta: &Delta,
        into: &mut Contributions,
    ) -> Result<(), Failure> {
        for port in ports.filter(|&port| self.ports[port] != Port::Extreme) {
            into.absorb(self.groups, &self.group_codec, &self.slots, port, delta)?;
        }
        Ok(())
    }

    /// The entry that an aggregation without groups starts with; nothing where there are groups.
    pub(crate) fn seed(&self) -> Result<Batch, Failure> {
        let mut entries = Rows::default();
        if self.groups == 0 {
            entries.push(&self.entry(b"", &self.empty()));
        }
        let weights = vec![Weight::ONE; entries.len()];
        Ok(Batch::from_unsorted(&entries, &weights)?)
    }

    /// The change that contributions make to the state `old`, and that they and the changes `batches` of the extremes'
    /// arrangements make to the output. `before` and `after` are the extremes' contents.
    pub(crate) fn apply(
        &self,
        row: &RowType,
        contributions: &Contributions,
        old: &Spine,
        batches: &[Option<&Batch>],
        before: &Extremes<'_>,
        after: &Extremes<'_>,
    ) -> Result<Change, Failure> {
        let mut state = (Rows::default(), Vec::new());
        let mut shown = Shown::new(self.outputs.len());
        for group in self.touched(contributions, batches)? {
            let old_state = self.state_of(old, &group)?;
            let mut new_state = old_state.clone().unwrap_or_else(|| self.empty());
            if let Some((rows, accumulators)) = contributions.of(&group, self.slots.len()) {
                new_state.add(rows, accumulators)?;
            }
            new_state.check()?;
            if old_state.as_ref() != Some(&new_state) {
                if let Some(old_state) = &old_state {
                    state.0.push(&self.entry(&group, old_state));
                    state.1.push(Weight::MINUS_ONE);
                }
                if self.is_shown(&new_state) {
                    state.0.push(&self.entry(&group, &new_state));
                    state.1.push(Weight::ONE);
                }
            }
            let values = |state: &State, extremes| self.values(&group, state, extremes);
            let old_values = old_state.as_ref().map(|state| values(state, before)).transpose()?;
            let shows = self.is_shown(&new_state);
            let new_values = shows.then(|| values(&new_state, after)).transpose()?;
            if !same(old_values.as_deref(), new_values.as_deref()) {
                shown.push(&group, old_values, Weight::MINUS_ONE);
                shown.push(&group, new_values, Weight::ONE);
            }
        }
        Ok(Change { state: Batch::from_unsorted(&state.0, &state.1)?, output: self.columns(row, shown)? })
    }

    /// The change that contributions make to the state `old`, for a state that nobody reads yet. Unlike `apply` it
    /// bears a group with fewer than zero rows, which later contributions may make up for: see `verify`.
    pub(crate) fn integrate(&self, contributions: &Contributions, old: &Spine) -> Result<Batch, Failure> {
        let mut state = (Rows::default(), Vec::new());
        for group in contributions.groups() {
            let old_state = self.state_of(old, group)?;
            let mut new_state = old_state.clone().unwrap_or_else(|| self.empty());
            if let Some((rows, accumulators)) = contributions.of(group, self.slots.len()) {
                new_state.add(rows, accumulators)?;
            }
            if let Some(old_state) = &old_state {
                state.0.push(&self.entry(group, old_state));
                state.1.push(Weight::MINUS_ONE);
            }
            if self.groups == 0 || new_state != self.empty() {
                state.0.push(&self.entry(group, &new_state));
                state.1.push(Weight::ONE);
            }
        }
        Ok(Batch::from_unsorted(&state.0, &state.1)?)
    }

    /// Whether every group of a state is one that rows can make.
    pub(crate) fn verify(&self, state: &Spine) -> Result<(), Failure> {
        for entry in state.prefix(b"")? {
            self.decode(entry?.0)?.1.check()?;
        }
        Ok(())
    }

    /// The rows that are shown for entries of the state.
    pub(crate) fn read<'a>(
        &self,
        row: &RowType,
        entries: impl Iterator<Item = &'a [u8]>,
        extremes: &Extremes<'_>,
    ) -> Result<Delta, Failure> {
        let mut shown = Shown::new(self.outputs.len());
        for entry in entries {
            let (group, state) = self.decode(entry)?;
            state.check()?;
            shown.push(group, Some(self.values(group, &state, extremes)?), Weight::ONE);
        }
        self.columns(row, shown)
    }

    /// The groups that may show something else than before, ascending.
    fn touched<'a>(
        &self,
        contributions: &'a Contributions,
        batches: &[Option<&'a Batch>],
    ) -> Result<BTreeSet<Cow<'a, [u8]>>, Failure> {
        let mut touched: BTreeSet<Cow<'a, [u8]>> = contributions.groups().map(Cow::Borrowed).collect();
        for batch in batches.iter().flatten() {
            for index in 0..batch.len() {
                let entry = batch.get(index).0;
                let group = &entry[..self.group_codec.prefix_len(entry, self.groups)?];
                touched.insert(Cow::Borrowed(group));
            }
        }
        Ok(touched)
    }

    fn empty(&self) -> State {
        State { rows: 0, accumulators: self.slots.iter().map(|slot| Accumulator::new(slot.kind)).collect() }
    }

    fn is_shown(&self, state: &State) -> bool {
        state.rows > 0 || self.groups == 0
    }

    fn entry(&self, group: &[u8], state: &State) -> Vec<u8> {
        let mut entry = group.to_vec();
        put_signed(&mut entry, state.rows.into());
        state.accumulators.iter().for_each(|accumulator| accumulator.encode(&mut entry));
        entry
    }

    fn state_of(&self, spine: &Spine, group: &[u8]) -> Result<Option<State>, Failure> {
        match spine.get(group)? {
            None => Ok(None),
            Some((entry, Weight::ONE)) => Ok(Some(self.decode(entry)?.1)),
            Some(_) => Err(Failure::inconsistent("a group has more than one state")),
        }
    }

    fn decode<'a>(&self, entry: &'a [u8]) -> Result<(&'a [u8], State), Failure> {
        let (group, bytes) = entry.split_at(self.group_codec.prefix_len(entry, self.groups)?);
        let mut reader = Reader::new(bytes);
        let rows = reader.signed().and_then(|rows| i64::try_from(rows).ok());
        let decoded = self.slots.iter().map(|slot| Accumulator::decode(slot.kind, &mut reader));
        let accumulators: Option<Vec<Accumulator>> = decoded.collect();
        match (rows, accumulators, reader.is_at_end()) {
            (Some(rows), Some(accumulators), true) => Ok((group, State { rows, accumulators })),
            _ => Err(Failure::inconsistent("the state of a group is not an encoded state")),
        }
    }

    fn values(&self, group: &[u8], state: &State, extremes: &Extremes<'_>) -> Result<Vec<Value>, Failure> {
        let value = |output: &Output| match output.origin {
            Origin::Rows => Ok(Value::BigInt(state.rows)),
            Origin::Slot(slot) => state.accumulators[slot].value(output.function, output.argument, output.result),
            Origin::Extreme { port, greatest } => {
                let Some(spine) = extremes.get(port).copied().flatten() else {
                    return Err(Failure::inconsistent("an extreme has no arrangement"));
                };
                let found = if greatest { spine.last(group)? } else { spine.first(group)? };
                let Some((entry, _)) = found else { return Ok(Value::Null) };
                let value = entry.get(group.len()..).unwrap_or_default();
                let values = RowCodec::new(&[output.result]).decode_values(value)?;
                values.into_iter().next().ok_or_else(|| Failure::inconsistent("an extreme has no value"))
            }
        };
        self.outputs.iter().map(value).collect()
    }

    fn columns(&self, row: &RowType, shown: Shown) -> Result<Delta, Failure> {
        let rows = shown.weights.len();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(row.len());
        if self.groups > 0 {
            columns = self.group_codec.decode_columns(shown.groups.iter())?;
        }
        for (output, values) in self.outputs.iter().zip(&shown.values) {
            columns.push(values_to_array(output.result, values.iter())?);
        }
        Ok(Delta::new(row.batch(columns, rows)?, shown.weights))
    }
}

impl State {
    fn add(&mut self, rows: i64, accumulators: &[Accumulator]) -> Result<(), Failure> {
        self.rows = self.rows.checked_add(rows).ok_or_else(accumulator::overflow)?;
        self.accumulators.iter_mut().zip(accumulators).try_for_each(|(mine, more)| mine.merge(more))
    }

    /// A group has no fewer than zero rows, and nothing is left of one that has none.
    fn check(&self) -> Result<(), Failure> {
        if self.rows < 0 {
            return Err(Failure::inconsistent("a group has more rows taken away than it has"));
        }
        if self.rows == 0 && !self.accumulators.iter().all(Accumulator::is_zero) {
            return Err(Failure::inconsistent(
                "a group without rows has a sum: other rows were taken away than were there",
            ));
        }
        Ok(())
    }
}

/// Rows of the result on their way into columns.
struct Shown {
    groups: Rows,
    values: Vec<Vec<Value>>,
    weights: Vec<Weight>,
}

impl Shown {
    fn new(outputs: usize) -> Shown {
        Shown { groups: Rows::default(), values: vec![Vec::new(); outputs], weights: Vec::new() }
    }

    fn push(&mut self, group: &[u8], values: Option<Vec<Value>>, weight: Weight) {
        let Some(values) = values else { return };
        self.groups.push(group);
        self.weights.push(weight);
        self.values.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
    }
}

/// Whether two rows of the result are the same.
fn same(old: Option<&[Value]>, new: Option<&[Value]>) -> bool {
    match (old, new) {
        (None, None) => true,
        (Some(old), Some(new)) => old == new,
        _ => false,
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions: Vec<String> = self.outputs.iter().map(|output| output.function.to_string()).collect();
        write!(f, "aggregate [{}] by the first {} columns", functions.join(", "), self.groups)
    }
}
