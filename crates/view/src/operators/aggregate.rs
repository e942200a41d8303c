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
//! State: a spine of its own with one entry per group, of weight 1: the row that is shown for the group (the group, then the
//! values), then the row count and the accumulators. So the state *is* the arrangement of the output by group: whoever wants
//! that reads it here, and the row that was shown before is at hand when a group changes. The entry of the only group of an
//! aggregation without groups always exists. Format: `FORMAT.md`, aggregate state.
//!
//! Cost: one lookup per touched group, and at most one seek per touched group and extreme; O(1) per changed row. Rows of a
//! group that did not change are never read.

pub(crate) mod accumulator;
pub(crate) mod codec;
mod contributions;
pub(crate) mod exact_float;
mod plan;

use std::fmt;
use std::sync::Arc;

use monostable_types::{DataType, RowCodec, Rows, Value, Weight, is_null_piece};

use crate::batch::{Batch, BatchBuilder};
use crate::delta::Delta;
use crate::failure::Failure;
use crate::identity;
use crate::key::KeyExtent;
use crate::layout::{Layout, RowType};
use crate::spine::Spine;

use accumulator::{Accumulator, Kind};
use codec::{Reader, put_signed};
use contributions::Contribution;
pub(crate) use contributions::Contributions;
pub(crate) use plan::expand;

/// What the old and the new entry of a group take together, if they are short.
const ENTRY_BYTES: usize = 96;

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
    layout: Layout,
    ports: Vec<Port>,
    slots: Vec<Slot>,
    outputs: Vec<Output>,
    /// One of a single column per output.
    output_codecs: Vec<RowCodec>,
}

/// What a group remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

    /// The layout of the state's entries, as those who read the output see them.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How far the key reaches in the sums of a build, which are groups followed by their state.
    pub(crate) fn sums_extent(&self) -> KeyExtent {
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

    /// Whether nothing but the number of its input's rows is asked for: `count(*)` without groups.
    pub(crate) fn only_counts(&self) -> bool {
        self.groups == 0 && self.slots.is_empty() && self.ports == [Port::Main]
    }

    /// Adds the contributions of a change that comes in through `ports`.
    pub(crate) fn absorb(
        &self,
        ports: impl Iterator<Item = usize>,
        delta: &Delta,
        into: &mut Contributions,
    ) -> Result<(), Failure> {
        for port in ports.filter(|&port| self.ports[port] != Port::Extreme) {
            into.absorb(self.groups, &self.slots, port, delta)?;
        }
        Ok(())
    }

    /// The change that contributions make to the state `old`, and to the output, which is left empty unless its rows are
    /// wanted. `extremes` says what is in the arrangements from which extremes are read.
    ///
    /// A row that changes such an arrangement comes in through the main input too, so every group that may show something
    /// else than before has a contribution.
    pub(crate) fn apply(
        &self,
        row: &Arc<RowType>,
        contributions: &Contributions,
        old: &Spine,
        extremes: &[Option<Extreme<'_>>],
        rows_wanted: bool,
    ) -> Result<Change, Failure> {
        let mut change = Changes::with_capacity(contributions.len(), rows_wanted);
        let (mut state, mut entry) = (State::default(), Vec::with_capacity(ENTRY_BYTES));
        let mut ends = Vec::with_capacity(row.len() + 1);
        contributions.meet(old, self.slots.len(), |contribution, old_entry| {
            let old_row = match old_entry {
                Some(entry) => {
                    self.layout.codec().boundaries_until(entry, row.len(), &mut ends)?;
                    let (visible, encoded) = entry.split_at(ends.last().map_or(0, |&end| end as usize));
                    self.decode_state(encoded, &mut state)?;
                    Some(visible)
                }
                None => {
                    self.reset(&mut state);
                    None
                }
            };
            state.add(&contribution)?;
            state.check()?;
            entry.clear();
            let mut new_row = 0;
            if self.is_shown(&state) {
                let known = old_row.map(|row| Shown { row, ends: &ends });
                self.put_row(contribution.group, &state, extremes, known, &mut entry)?;
                new_row = entry.len();
                state.encode(&mut entry);
            }
            let new = self.is_shown(&state).then_some((entry.as_slice(), new_row));
            change.push(old_entry.zip(old_row), new)
        })?;
        Ok(Change { state: change.state.finish(), output: Delta::encoded(row, change.rows, change.weights) })
    }

    /// What a build starts with: the sums of the only group of an aggregation without groups; nothing where there are groups.
    pub(crate) fn seed(&self) -> Result<Batch, Failure> {
        let mut sums = BatchBuilder::with_capacity(1, 0);
        if self.groups == 0 {
            let mut state = State::default();
            self.reset(&mut state);
            let mut entry = Vec::new();
            state.encode(&mut entry);
            sums.push(&entry, 1)?;
        }
        Ok(sums.finish())
    }

    /// The change that contributions make to the sums of a build. A group may have fewer than zero rows on the way, if
    /// later contributions make up for them.
    pub(crate) fn integrate(&self, contributions: &Contributions, sums: &Spine) -> Result<Batch, Failure> {
        let groups = contributions.len();
        let mut change = BatchBuilder::with_capacity(2 * groups, ENTRY_BYTES * groups);
        let (mut sum, mut entry) = (State::default(), Vec::new());
        contributions.meet(sums, self.slots.len(), |contribution, old_entry| {
            let group = contribution.group;
            match old_entry {
                Some(entry) => self.decode_state(&entry[group.len()..], &mut sum)?,
                None => self.reset(&mut sum),
            }
            sum.add(&contribution)?;
            entry.clear();
            let stays = self.groups == 0 || !sum.is_empty();
            if stays {
                entry.extend_from_slice(group);
                sum.encode(&mut entry);
            }
            push_change(&mut change, old_entry, stays.then_some(entry.as_slice()))
        })?;
        Ok(change.finish())
    }

    /// The state that the sums of a build amount to, batch by batch. `extremes` holds the complete arrangements from which
    /// extremes are read.
    pub(crate) fn complete(
        &self,
        sums: &Spine,
        extremes: &[Option<Extreme<'_>>],
        batch_entries: usize,
        mut sink: impl FnMut(Batch) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (mut state, mut entry) = (State::default(), Vec::new());
        let mut batch = BatchBuilder::default();
        let mut entries = 0;
        for sum in sums.prefix(b"")? {
            let sum = sum?.0;
            let (group, encoded) = sum.split_at(self.group_codec.prefix_len(sum, self.groups)?);
            self.decode_state(encoded, &mut state)?;
            state.check()?;
            if self.is_shown(&state) {
                entry.clear();
                self.put_row(group, &state, extremes, None, &mut entry)?;
                state.encode(&mut entry);
                batch.push(&entry, 1)?;
                entries += 1;
            }
            if entries == batch_entries {
                sink(std::mem::take(&mut batch).finish())?;
                entries = 0;
            }
        }
        sink(batch.finish())
    }

    fn reset(&self, state: &mut State) {
        state.rows = 0;
        state.accumulators.clear();
        state.accumulators.extend(self.slots.iter().map(|slot| Accumulator::new(slot.kind)));
    }

    fn is_shown(&self, state: &State) -> bool {
        state.rows > 0 || self.groups == 0
    }

    /// Decodes what stands behind the row, or in a build behind the group.
    fn decode_state(&self, encoded: &[u8], state: &mut State) -> Result<(), Failure> {
        let damaged = || Failure::inconsistent("the state of a group is not an encoded state");
        let mut reader = Reader::new(encoded);
        state.rows = reader.signed().and_then(|rows| i64::try_from(rows).ok()).ok_or_else(damaged)?;
        state.accumulators.clear();
        for slot in &self.slots {
            state.accumulators.push(Accumulator::decode(slot.kind, &mut reader).ok_or_else(damaged)?);
        }
        if reader.is_at_end() { Ok(()) } else { Err(damaged()) }
    }

    /// Appends the row that is shown for a group. `known` is the row that was shown before.
    fn put_row(
        &self,
        group: &[u8],
        state: &State,
        extremes: &[Option<Extreme<'_>>],
        known: Option<Shown<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        out.extend_from_slice(group);
        for (index, (output, codec)) in self.outputs.iter().zip(&self.output_codecs).enumerate() {
            let value = match output.origin {
                Origin::Rows => Value::BigInt(state.rows),
                Origin::Slot(slot) => {
                    state.accumulators[slot].value(output.function, output.argument, output.result)?
                }
                Origin::Extreme { port, greatest } => {
                    let extreme = extremes.get(port).and_then(Option::as_ref);
                    let extreme = extreme.ok_or_else(|| Failure::inconsistent("an extreme has no arrangement"))?;
                    let before = known.map(|shown| shown.value(self.groups + index));
                    match before {
                        Some(value) if extreme.is_untouched(group, value, greatest) => out.extend_from_slice(value),
                        _ => extreme.put(group, greatest, codec, out)?,
                    }
                    continue;
                }
            };
            codec.encode_values(std::slice::from_ref(&value), out)?;
        }
        Ok(())
    }
}

/// The row that was shown for a group, and where its columns end.
#[derive(Clone, Copy)]
struct Shown<'a> {
    row: &'a [u8],
    ends: &'a [u32],
}

impl<'a> Shown<'a> {
    fn value(&self, column: usize) -> &'a [u8] {
        &self.row[self.ends[column] as usize..self.ends[column + 1] as usize]
    }
}

/// The arrangement from which extremes are read, after a change.
#[derive(Clone, Copy)]
pub(crate) struct Extreme<'a> {
    pub(crate) content: &'a Spine,
    /// What the change added to it, if anything.
    pub(crate) change: Option<&'a Batch>,
}

impl Extreme<'_> {
    /// Whether everything that changes in the group lies on the other side of `value`, its extreme before the change. NULL is
    /// the extreme of a group without values, which any change touches.
    fn is_untouched(&self, group: &[u8], value: &[u8], greatest: bool) -> bool {
        let Some(change) = self.change else { return true };
        let start = change.lower_bound(group);
        let end = change.prefix_end(start, group);
        if start == end {
            return true;
        }
        let outermost = change.entry(if greatest { end - 1 } else { start });
        let outermost = outermost.get(group.len()..).unwrap_or_default();
        !is_null_piece(value) && if greatest { outermost < value } else { outermost > value }
    }

    /// Appends the least or the greatest value of a group, or NULL.
    fn put(&self, group: &[u8], greatest: bool, codec: &RowCodec, out: &mut Vec<u8>) -> Result<(), Failure> {
        let found = if greatest { self.content.last(group)? } else { self.content.first(group)? };
        match found {
            // The entry goes on with the value, encoded as a column of the result is.
            Some((entry, _)) => {
                let value = entry.get(group.len()..).unwrap_or_default();
                out.extend_from_slice(&value[..codec.prefix_len(value, 1)?]);
            }
            None => codec.encode_values(&[Value::Null], out)?,
        }
        Ok(())
    }
}

/// The changes of an aggregate on their way: of its state, and of its output, in ascending order of groups.
struct Changes {
    state: BatchBuilder,
    rows_wanted: bool,
    rows: Rows,
    weights: Vec<Weight>,
}

impl Changes {
    fn with_capacity(groups: usize, rows_wanted: bool) -> Changes {
        let rows = if rows_wanted { 2 * groups } else { 0 };
        Changes {
            state: BatchBuilder::with_capacity(2 * groups, ENTRY_BYTES * groups),
            rows_wanted,
            rows: Rows::with_capacity(rows, rows * ENTRY_BYTES / 4),
            weights: Vec::with_capacity(rows),
        }
    }

    /// Adds a group's change: from an entry and the row in it, to an entry and the length of the row in it.
    fn push(&mut self, old: Option<(&[u8], &[u8])>, new: Option<(&[u8], usize)>) -> Result<(), Failure> {
        push_change(&mut self.state, old.map(|old| old.0), new.map(|new| new.0))?;
        let (old, new) = (old.map(|old| old.1), new.map(|(entry, row)| &entry[..row]));
        if self.rows_wanted && old != new {
            let (old, new) = (old.map(|row| (row, Weight::MINUS_ONE)), new.map(|row| (row, Weight::ONE)));
            for (row, weight) in if old < new { [old, new] } else { [new, old] }.into_iter().flatten() {
                self.rows.push(row);
                self.weights.push(weight);
            }
        }
        Ok(())
    }
}

/// Adds the change from one entry of a group to another, in ascending order.
fn push_change(batch: &mut BatchBuilder, old: Option<&[u8]>, new: Option<&[u8]>) -> Result<(), Failure> {
    if old == new {
        return Ok(());
    }
    let (old, new) = (old.map(|old| (old, -1)), new.map(|new| (new, 1)));
    let (first, second) = if old < new { (old, new) } else { (new, old) };
    for (entry, weight) in [first, second].into_iter().flatten() {
        batch.push(entry, weight)?;
    }
    Ok(())
}

impl State {
    fn encode(&self, out: &mut Vec<u8>) {
        put_signed(out, self.rows.into());
        self.accumulators.iter().for_each(|accumulator| accumulator.encode(out));
    }

    fn add(&mut self, contribution: &Contribution<'_>) -> Result<(), Failure> {
        self.rows = self.rows.checked_add(contribution.rows).ok_or_else(accumulator::overflow)?;
        self.accumulators.iter_mut().zip(contribution.accumulators).try_for_each(|(mine, more)| mine.merge(more))
    }

    fn is_empty(&self) -> bool {
        self.rows == 0 && self.accumulators.iter().all(Accumulator::is_zero)
    }

    /// A group has no fewer than zero rows, and nothing is left of one that has none.
    fn check(&self) -> Result<(), Failure> {
        if self.rows < 0 {
            return Err(Failure::inconsistent("a group has more rows taken away than it has"));
        }
        if self.rows == 0 && !self.is_empty() {
            return Err(Failure::inconsistent(
                "a group without rows has a sum: other rows were taken away than were there",
            ));
        }
        Ok(())
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions: Vec<String> = self.outputs.iter().map(|output| output.function.to_string()).collect();
        write!(f, "aggregate [{}] by the first {} columns", functions.join(", "), self.groups)
    }
}
