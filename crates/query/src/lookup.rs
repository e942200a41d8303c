//! Direct lookups: reading one table or view through the order of one of its arrangements, without evaluating a graph.
//!
//! A predicate that fixes a prefix of an arrangement's columns, and perhaps bounds the next one, is answered by `get`, by
//! `prefix` or by `range` on its spine; without such a predicate the whole arrangement is read in order. This module
//! chooses the arrangement and reads its rows; filters and projections on top of it are the business of `select::scan`.
//!
//! Invariants: a lookup returns exactly the rows for which the *consumed* conjuncts are true, each with its weight, in the
//! arrangement's order; every conjunct that is not consumed is left to the caller's residual filter. Which conjuncts may be
//! consumed is argued in `predicate`. Keys are compared as encoded bytes only.
//!
//! Cost: a key lookup is one hash probe per run, a range one seek per run plus its rows. Lists multiply (`a IN (..) AND
//! b IN (..)`); beyond `KEYS_MAX` combinations the later column is left to the residual filter.
//! Callers: `select::scan`.

pub(crate) mod predicate;
#[cfg(test)]
mod tests;

use std::ops::Bound;

use arrow_array::RecordBatch;
use monostable_types::{DataType, RowCodec, Rows, Value, Weight, prefix_successor};
use monostable_view::{Entries, Graph, Layout, NodeId, Spine};

use self::predicate::{Conjunct, Limit, Operand, Restriction};
use crate::error::{Error, Result};

/// The most keys that one lookup probes.
const KEYS_MAX: usize = 4096;
/// Rows that are decoded and handed on at a time, at first and at most.
const CHUNK_ROWS_MIN: usize = 64;
const CHUNK_ROWS_MAX: usize = 4096;

/// The two ends of a range of entries.
type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// An arrangement of the relation that is read.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) node: NodeId,
    pub(crate) layout: Layout,
    /// At most one entry has each whole key.
    pub(crate) unique: bool,
}

impl Candidate {
    /// The arrangement at `node`.
    pub(crate) fn new(graph: &Graph, node: NodeId, unique: bool) -> Result<Candidate> {
        let layout = graph.node(node).and_then(|found| found.layout());
        let layout =
            layout.ok_or_else(|| Error::Internal(format!("node {node} of the catalog is not an arrangement")))?;
        Ok(Candidate { node, layout: layout.clone(), unique })
    }
}

/// How to find the rows: which arrangement, and which part of it.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    pub(crate) node: NodeId,
    pub(crate) layout: Layout,
    /// The leading columns in the arrangement's order, each fixed to one of some values.
    equal: Vec<Vec<Operand>>,
    /// Bounds on the column after them.
    lower: Option<Limit>,
    upper: Option<Limit>,
    /// The equalities cover the whole key, and at most one entry has it.
    unique: bool,
}

impl Lookup {
    /// The best way to read a relation under these conjuncts, and the indices of the conjuncts that it answers.
    ///
    /// `columns` maps the columns of the conjuncts' schema to those of the relation. The first candidate is the relation's
    /// own arrangement, which wins ties because its keys are usually the cheapest to find.
    pub(crate) fn choose(
        candidates: &[Candidate],
        conjuncts: &[Conjunct],
        columns: &[usize],
    ) -> Result<(Lookup, Vec<usize>)> {
        let mut best: Option<(Lookup, Vec<usize>)> = None;
        for candidate in candidates {
            let (lookup, consumed) = Lookup::over(candidate, conjuncts, columns);
            if best.as_ref().is_none_or(|(leader, _)| lookup.rank() > leader.rank()) {
                best = Some((lookup, consumed));
            }
        }
        best.ok_or_else(|| Error::Internal("a relation without an arrangement".to_owned()))
    }

    fn over(candidate: &Candidate, conjuncts: &[Conjunct], columns: &[usize]) -> (Lookup, Vec<usize>) {
        let layout = candidate.layout.clone();
        let (mut equal, mut consumed, mut keys) = (Vec::new(), Vec::new(), 1_usize);
        let said = |at: usize| {
            let logical = layout.order().get(at).copied();
            conjuncts.iter().enumerate().filter_map(move |(index, conjunct)| match &conjunct.restriction {
                Some((column, restriction)) if columns.get(*column).copied() == logical => Some((index, restriction)),
                _ => None,
            })
        };
        while let Some((index, operands)) = said(equal.len()).find_map(|(index, restriction)| match restriction {
            Restriction::OneOf(operands) => Some((index, operands)),
            _ => None,
        }) {
            keys = keys.saturating_mul(operands.len());
            if keys > KEYS_MAX {
                break;
            }
            equal.push(operands.clone());
            consumed.push(index);
        }
        let (mut lower, mut upper) = (None, None);
        for (index, restriction) in said(equal.len()) {
            match restriction {
                Restriction::Above(limit) if lower.is_none() => lower = Some(limit.clone()),
                Restriction::Below(limit) if upper.is_none() => upper = Some(limit.clone()),
                Restriction::Between(low, high) if lower.is_none() && upper.is_none() => {
                    lower = Some(low.clone());
                    upper = Some(high.clone());
                }
                _ => continue,
            }
            consumed.push(index);
        }
        let unique = candidate.unique && !layout.key().is_empty() && equal.len() >= layout.key().len();
        (Lookup { node: candidate.node, layout, equal, lower, upper, unique }, consumed)
    }

    /// Longer prefixes first, then a whole unique key, then a range.
    fn rank(&self) -> (bool, usize, bool) {
        (self.unique, self.equal.len(), self.lower.is_some() || self.upper.is_some())
    }

    /// How many leading columns of the arrangement's order have a single value in all rows that are found.
    pub(crate) fn fixed_columns(&self) -> usize {
        self.equal.iter().take_while(|operands| operands.len() == 1).count()
    }

    /// The order of the rows that are found, as logical columns: keys are probed in their order, so it is the arrangement's.
    pub(crate) fn order(&self) -> &[usize] {
        self.layout.order()
    }

    /// The one value of each column of the whole key of the unique arrangement `node`, if that is what is looked up.
    pub(crate) fn point_key(&self, node: NodeId) -> Option<Vec<Operand>> {
        let whole = self.unique && self.equal.len() == self.layout.key().len();
        if self.node != node || !whole || self.lower.is_some() || self.upper.is_some() {
            return None;
        }
        let single = |operands: &Vec<Operand>| match operands.as_slice() {
            [operand] => Some(operand.clone()),
            _ => None,
        };
        self.equal.iter().map(single).collect()
    }

    /// Whether the lookup reads less than the whole arrangement.
    pub(crate) fn is_selective(&self) -> bool {
        !self.equal.is_empty() || self.lower.is_some() || self.upper.is_some()
    }

    /// Reads the rows in chunks, in logical column order, until `sink` says that it has enough.
    pub(crate) fn read(&self, spine: &Spine, parameters: &[Value], sink: &mut Sink<'_>) -> Result<()> {
        let mut chunk =
            Chunk { layout: &self.layout, entries: Rows::default(), weights: Vec::new(), rows: CHUNK_ROWS_MIN, sink };
        for prefix in self.prefixes(parameters)? {
            let go_on = match (&self.lower, &self.upper) {
                (None, None) if self.equal.len() == self.layout.key().len() && self.unique => {
                    match spine.get(&prefix)? {
                        Some((entry, weight)) => chunk.push(entry, weight)?,
                        None => true,
                    }
                }
                (None, None) if self.equal.len() == self.layout.key().len() => chunk.drain(spine.key(&prefix)?)?,
                (None, None) => chunk.drain(spine.prefix(&prefix)?)?,
                (lower, upper) => match self.bounds(&prefix, lower.as_ref(), upper.as_ref(), parameters)? {
                    None => true,
                    Some((lower, upper)) => chunk.drain(spine.range(as_slice(&lower), as_slice(&upper))?)?,
                },
            };
            if !go_on {
                return Ok(());
            }
        }
        chunk.flush().map(|_| ())
    }

    /// The encoded prefixes to read, ascending and each once. None if a comparison with NULL rules out every row.
    fn prefixes(&self, parameters: &[Value]) -> Result<Vec<Vec<u8>>> {
        let mut prefixes = vec![Vec::new()];
        for (at, operands) in self.equal.iter().enumerate() {
            let mut longer = Vec::with_capacity(prefixes.len() * operands.len());
            for prefix in &prefixes {
                for operand in operands {
                    longer.extend(self.extended(prefix, at, operand, parameters)?);
                }
            }
            prefixes = longer;
        }
        prefixes.sort_unstable();
        prefixes.dedup();
        Ok(prefixes)
    }

    /// `prefix` followed by the operand as column `at`; `None` if the operand is NULL and the comparison thus never true.
    fn extended(&self, prefix: &[u8], at: usize, operand: &Operand, parameters: &[Value]) -> Result<Option<Vec<u8>>> {
        let value = match operand {
            Operand::IsNull => return self.append(prefix, at, &Value::Null).map(Some),
            Operand::Constant(value) => value,
            Operand::Parameter(index) => parameters
                .get(*index)
                .ok_or_else(|| Error::Internal(format!("parameter ${} is not bound", index + 1)))?,
        };
        if matches!(value, Value::Null) { Ok(None) } else { self.append(prefix, at, value).map(Some) }
    }

    fn append(&self, prefix: &[u8], at: usize, value: &Value) -> Result<Vec<u8>> {
        let mut key = prefix.to_vec();
        RowCodec::new(&[self.type_at(at)?]).encode_values(std::slice::from_ref(value), &mut key)?;
        Ok(key)
    }

    fn type_at(&self, at: usize) -> Result<DataType> {
        let data_type = self.layout.order().get(at).and_then(|logical| self.layout.row().types().get(*logical));
        data_type.copied().ok_or_else(|| Error::Internal("a lookup reaches past the arrangement".to_owned()))
    }

    /// The bounds of the range after `prefix`; `None` if it is empty.
    fn bounds(
        &self,
        prefix: &[u8],
        lower: Option<&Limit>,
        upper: Option<&Limit>,
        parameters: &[Value],
    ) -> Result<Option<Bounds>> {
        let at = self.equal.len();
        let lower = match lower {
            None => Bound::Included(prefix.to_vec()),
            Some(limit) => match self.extended(prefix, at, &limit.operand, parameters)? {
                None => return Ok(None),
                Some(key) if limit.inclusive => Bound::Included(key),
                // Whatever starts with the excluded value is excluded, so the range starts at the next possible value.
                Some(key) => match prefix_successor(&key) {
                    None => return Ok(None),
                    Some(next) => Bound::Included(next),
                },
            },
        };
        let upper = match upper {
            // NULLs come last, and a comparison with NULL is not true.
            None => Bound::Excluded(self.append(prefix, at, &Value::Null)?),
            Some(limit) => match self.extended(prefix, at, &limit.operand, parameters)? {
                None => return Ok(None),
                Some(key) if limit.inclusive => prefix_successor(&key).map_or(Bound::Unbounded, Bound::Excluded),
                Some(key) => Bound::Excluded(key),
            },
        };
        Ok(Some((lower, upper)).filter(|(lower, upper)| !is_empty(lower, upper)))
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

fn is_empty(lower: &Bound<Vec<u8>>, upper: &Bound<Vec<u8>>) -> bool {
    match (lower, upper) {
        (Bound::Included(lower), Bound::Excluded(upper)) => lower >= upper,
        _ => false,
    }
}

/// Takes decoded rows with their weights; false means that no more are wanted.
pub(crate) type Sink<'s> = dyn FnMut(RecordBatch, &[Weight]) -> Result<bool> + 's;

/// Entries that wait to be decoded together.
struct Chunk<'c, 's> {
    layout: &'c Layout,
    entries: Rows,
    weights: Vec<Weight>,
    /// How many rows to collect: few at first, for a reader that wants only a few.
    rows: usize,
    sink: &'c mut Sink<'s>,
}

impl Chunk<'_, '_> {
    fn drain(&mut self, entries: Entries<'_>) -> Result<bool> {
        for entry in entries {
            let (entry, weight) = entry?;
            if !self.push(entry, weight)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn push(&mut self, entry: &[u8], weight: Weight) -> Result<bool> {
        self.entries.push(entry);
        self.weights.push(weight);
        if self.weights.len() < self.rows { Ok(true) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<bool> {
        if self.weights.is_empty() {
            return Ok(true);
        }
        let rows = self.layout.decode((0..self.entries.len()).map(|index| self.entries.row(index)))?;
        let go_on = (self.sink)(rows, &self.weights)?;
        self.entries.clear();
        self.weights.clear();
        self.rows = (self.rows * 2).min(CHUNK_ROWS_MAX);
        Ok(go_on)
    }
}
