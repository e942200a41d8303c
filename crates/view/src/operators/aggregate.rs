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

use std::fmt;
use std::sync::Arc;

use monostable_types::{DataType, RowCodec, Rows, Value, Weight};

use crate::batch::{Batch, BatchBuilder};
use crate::delta::Delta;
use crate::failure::Failure;
use crate::identity;
use crate::key::KeyExtent;
use crate::layout::RowType;
use crate::spine::Spine;

use accumulator::{Accumulator, Kind};
use codec::{Reader, put_signed};
use contributions::Contribution;
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
            into.absorb(self.groups, &self.slots, port, delta)?;
        }
        Ok(())
    }

    /// The entry that an aggregation without groups starts with; nothing where there are groups.
    pub(crate) fn seed(&self) -> Result<Batch, Failure> {
        let mut entries = Rows::default();
        if self.groups == 0 {
            let mut state = State::default();
            self.reset(&mut state);
            let mut entry = Vec::new();
            self.put_entry(b"", &state, &mut entry);
            entries.push(&entry);
        }
        let weights = vec![Weight::ONE; entries.len()];
        Ok(Batch::from_unsorted(&entries, &weights)?)
    }

    /// The change that contributions make to the state `old`, and to the output. `extremes` says what is in the arrangements
    /// from which extremes are read.
    ///
    /// A row that changes such an arrangement comes in through the main input too, so every group that may show something
    /// else than before has a contribution.
    pub(crate) fn apply(
        &self,
        row: &Arc<RowType>,
        contributions: &Contributions,
        old: &Spine,
        extremes: &[Option<Extreme<'_>>],
    ) -> Result<Change, Failure> {
        let mut state = BatchBuilder::with_capacity(2 * contributions.len(), 0);
        let mut shown = Shown::default();
        let (mut before, mut after) = (State::default(), State::default());
        let mut entry = Vec::new();
        for contribution in contributions.sorted(self.slots.len()) {
            let group = contribution.group;
            let old_entry = self.entry_of(old, group)?;
            match old_entry {
                Some(entry) => self.decode_state(&entry[group.len()..], &mut before)?,
                None => self.reset(&mut before),
            }
            after.clone_from(&before);
            after.add(&contribution)?;
            after.check()?;
            let shows = self.is_shown(&after);
            entry.clear();
            if shows {
                self.put_entry(group, &after, &mut entry);
            }
            push_change(&mut state, old_entry, shows.then_some(entry.as_slice()))?;
            shown.clear();
            if old_entry.is_some() {
                self.put_row(group, &before, extremes, Side::Before, &mut shown.old)?;
            }
            if shows {
                self.put_row(group, &after, extremes, Side::After, &mut shown.new)?;
            }
            shown.hand_on();
        }
        Ok(Change { state: state.finish(), output: Delta::encoded(row, shown.rows, shown.weights) })
    }

    /// The change that contributions make to the state `old`, for a state that nobody reads yet. Unlike `apply` it
    /// bears a group with fewer than zero rows, which later contributions may make up for: see `verify`.
    pub(crate) fn integrate(&self, contributions: &Contributions, old: &Spine) -> Result<Batch, Failure> {
        let mut state = BatchBuilder::with_capacity(2 * contributions.len(), 0);
        let mut sum = State::default();
        let mut entry = Vec::new();
        for contribution in contributions.sorted(self.slots.len()) {
            let group = contribution.group;
            let old_entry = self.entry_of(old, group)?;
            match old_entry {
                Some(entry) => self.decode_state(&entry[group.len()..], &mut sum)?,
                None => self.reset(&mut sum),
            }
            sum.add(&contribution)?;
            entry.clear();
            let stays = self.groups == 0 || !sum.is_empty();
            if stays {
                self.put_entry(group, &sum, &mut entry);
            }
            push_change(&mut state, old_entry, stays.then_some(entry.as_slice()))?;
        }
        Ok(state.finish())
    }

    /// Whether every group of a state is one that rows can make.
    pub(crate) fn verify(&self, state: &Spine) -> Result<(), Failure> {
        let mut decoded = State::default();
        for entry in state.prefix(b"")? {
            let entry = entry?.0;
            self.decode_state(&entry[self.group_len(entry)?..], &mut decoded)?;
            decoded.check()?;
        }
        Ok(())
    }

    /// The rows that are shown for entries of the state.
    pub(crate) fn read<'a>(
        &self,
        row: &Arc<RowType>,
        entries: impl Iterator<Item = &'a [u8]>,
        extremes: &[Option<Extreme<'_>>],
    ) -> Result<Delta, Failure> {
        let mut rows = Rows::default();
        let mut state = State::default();
        for entry in entries {
            let (group, encoded) = entry.split_at(self.group_len(entry)?);
            self.decode_state(encoded, &mut state)?;
            state.check()?;
            rows.push_with(|bytes| self.put_row(group, &state, extremes, Side::After, bytes))?;
        }
        let weights = vec![Weight::ONE; rows.len()];
        Ok(Delta::encoded(row, rows, weights))
    }

    fn reset(&self, state: &mut State) {
        state.rows = 0;
        state.accumulators.clear();
        state.accumulators.extend(self.slots.iter().map(|slot| Accumulator::new(slot.kind)));
    }

    fn is_shown(&self, state: &State) -> bool {
        state.rows > 0 || self.groups == 0
    }

    fn group_len(&self, entry: &[u8]) -> Result<usize, Failure> {
        Ok(self.group_codec.prefix_len(entry, self.groups)?)
    }

    fn put_entry(&self, group: &[u8], state: &State, entry: &mut Vec<u8>) {
        entry.extend_from_slice(group);
        put_signed(entry, state.rows.into());
        state.accumulators.iter().for_each(|accumulator| accumulator.encode(entry));
    }

    fn entry_of<'a>(&self, spine: &'a Spine, group: &[u8]) -> Result<Option<&'a [u8]>, Failure> {
        match spine.get(group)? {
            None => Ok(None),
            Some((entry, Weight::ONE)) => Ok(Some(entry)),
            Some(_) => Err(Failure::inconsistent("a group has more than one state")),
        }
    }

    /// Decodes what stands behind the group in an entry.
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

    /// Appends the row that is shown for a group.
    fn put_row(
        &self,
        group: &[u8],
        state: &State,
        extremes: &[Option<Extreme<'_>>],
        side: Side,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        out.extend_from_slice(group);
        for (output, codec) in self.outputs.iter().zip(&self.output_codecs) {
            let value = match output.origin {
                Origin::Rows => Value::BigInt(state.rows),
                Origin::Slot(slot) => {
                    state.accumulators[slot].value(output.function, output.argument, output.result)?
                }
                Origin::Extreme { port, greatest } => {
                    let Some(extreme) = extremes.get(port).and_then(Option::as_ref) else {
                        return Err(Failure::inconsistent("an extreme has no arrangement"));
                    };
                    match extreme.entry(group, greatest, side)? {
                        // The entry goes on with the value, encoded as a column of the result is.
                        Some(entry) => {
                            let value = entry.get(group.len()..).unwrap_or_default();
                            out.extend_from_slice(&value[..codec.prefix_len(value, 1)?]);
                            continue;
                        }
                        None => Value::Null,
                    }
                }
            };
            codec.encode_values(std::slice::from_ref(&value), out)?;
        }
        Ok(())
    }
}

/// The arrangement from which extremes are read, before and after a change.
#[derive(Clone, Copy)]
pub(crate) struct Extreme<'a> {
    pub(crate) before: &'a Spine,
    pub(crate) after: &'a Spine,
    /// What is in `after` and not in `before`.
    pub(crate) change: Option<&'a Batch>,
}

/// Which content of an arrangement is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

impl<'a> Extreme<'a> {
    /// An arrangement that does not change.
    pub(crate) fn still(spine: &'a Spine) -> Extreme<'a> {
        Extreme { before: spine, after: spine, change: None }
    }

    /// The least or the greatest entry of a group.
    fn entry(&self, group: &[u8], greatest: bool, side: Side) -> Result<Option<&'a [u8]>, Failure> {
        let before = seek(self.before, group, greatest)?;
        match (side, before) {
            (Side::After, Some(entry)) if self.is_untouched(group, entry, greatest) => Ok(before),
            (Side::After, _) => seek(self.after, group, greatest),
            (Side::Before, _) => Ok(before),
        }
    }

    /// Whether everything that changes in the group lies on the other side of its extreme.
    fn is_untouched(&self, group: &[u8], extreme: &[u8], greatest: bool) -> bool {
        let Some(change) = self.change else { return true };
        let start = change.lower_bound(group);
        let end = change.prefix_end(start, group);
        if start == end {
            return true;
        }
        if greatest { change.entry(end - 1) < extreme } else { change.entry(start) > extreme }
    }
}

fn seek<'a>(spine: &'a Spine, group: &[u8], greatest: bool) -> Result<Option<&'a [u8]>, Failure> {
    let found = if greatest { spine.last(group)? } else { spine.first(group)? };
    Ok(found.map(|(entry, _)| entry))
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

/// The change of the output: a group's old and new row, and those of the groups before it.
#[derive(Default)]
struct Shown {
    old: Vec<u8>,
    new: Vec<u8>,
    rows: Rows,
    weights: Vec<Weight>,
}

impl Shown {
    fn clear(&mut self) {
        self.old.clear();
        self.new.clear();
    }

    /// Adds the rows of the current group in ascending order, if they differ. A row is never empty: where there are no
    /// groups there is a value.
    fn hand_on(&mut self) {
        if self.old == self.new {
            return;
        }
        let (old, new) = ((&self.old, Weight::MINUS_ONE), (&self.new, Weight::ONE));
        for (row, weight) in if self.old < self.new { [old, new] } else { [new, old] } {
            if !row.is_empty() {
                self.rows.push(row);
                self.weights.push(weight);
            }
        }
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions: Vec<String> = self.outputs.iter().map(|output| output.function.to_string()).collect();
        write!(f, "aggregate [{}] by the first {} columns", functions.join(", "), self.groups)
    }
}
