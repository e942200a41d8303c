//! Point writes: one row at a time, by values and by key, without a query and without a batch.
//!
//! A transaction that writes single rows keeps them here, on top of the version that it reads: what each key that it touched
//! held in that version, and what it holds now. Nothing is stepped and no constraint is looked up twice; at the end there is
//! one delta, which takes out what was there and puts in what is there now. Used by table handles, and by statements of
//! which the plan says that they write one row: `INSERT .. VALUES (..)`, and `UPDATE` and `DELETE` by primary key.
//!
//! Invariants: every constraint of the table holds after each write, as after a statement of one row; a write that is
//! refused changes nothing. A key that was written is a conflict key, also if it ends as it began: writing a row as it is
//! must be seen by others that write it.
//!
//! Not here: statements over several rows, ON CONFLICT, RETURNING and expressions, which go through `dml`.
//!
//! Cost: a write encodes its row once and asks one hash table, and the version once per key that is new to the transaction.

use std::sync::Arc;

use monostable_types::{Interner, Picker, RowCodec, Rows, Value, Weight};
use monostable_view::{Delta, Graph, Layout, NodeId, TableId, Version, key_hash};

use super::assign::Target;
use super::cell::Cell;
use super::target::{ConflictKey, Key, TableTarget};
use super::{DmlOutcome, Limits};
use crate::catalog::TableDef;
use crate::error::{Error, Result};
use crate::lookup::predicate::Operand;
use crate::select::scalars::Bound;
use crate::statement::parameters::{Parameters, compared};

/// A table as point writes see it. Prepared once, and shared.
#[derive(Debug)]
pub struct PointTable {
    target: TableTarget,
    keys: Vec<PointKey>,
    codec: Arc<RowCodec>,
}

/// A constraint, and how its keys are found in rows.
#[derive(Debug)]
struct PointKey {
    picker: Picker,
    /// That of the constraint's arrangement.
    layout: Layout,
    columns: Vec<usize>,
}

impl PointTable {
    /// What point writes have to know of a table.
    pub fn new(table: &TableDef, graph: &Graph) -> Result<PointTable> {
        PointTable::of(TableTarget::new(table)?, graph)
    }

    pub(crate) fn of(target: TableTarget, graph: &Graph) -> Result<PointTable> {
        let width = target.columns.len();
        let key = |key: &Key| {
            let layout = graph.node(key.node).and_then(|node| node.layout());
            let layout = layout.ok_or_else(|| Error::Internal(format!("node {} is not an arrangement", key.node)))?;
            let columns = key.columns.clone();
            Ok(PointKey { picker: Picker::new(&columns, width), layout: layout.clone(), columns })
        };
        let keys = target.keys.iter().map(key).collect::<Result<_>>()?;
        Ok(PointTable { codec: Arc::clone(target.row.codec()), keys, target })
    }

    /// The table.
    pub fn id(&self) -> TableId {
        self.target.id
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.target.name
    }

    /// The arrangements that point writes read.
    pub fn relations(&self) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = self.target.relations().collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// Appends the encoded row of these values, cast as in an assignment and checked. Nothing is appended after an error.
    fn encode(&self, values: &[Value], limits: Limits, out: &mut Vec<u8>) -> Result<()> {
        let columns = &self.target.columns;
        if values.len() != columns.len() {
            let (name, expected, given) = (&self.target.name, columns.len(), values.len());
            let message = format!("\"{name}\" has {expected} columns and {given} values were given");
            return Err(Error::data("42601", message));
        }
        let start = out.len();
        let mut plain = true;
        for (index, (value, column)) in values.iter().zip(columns).enumerate() {
            if matches!(value, Value::Null) {
                self.target.check_null(index)?;
            }
            plain &= column.characters_max.is_none();
        }
        // Most values have their column's type and need no cast; the codec refuses all others.
        if !plain || self.codec.encode_values(values, out).is_err() {
            let cast = |(value, column): (&Value, &Target)| Ok(column.assign(value)?.into_owned());
            let cast: Vec<Value> = values.iter().zip(columns).map(cast).collect::<Result<_>>()?;
            self.codec.encode_values(&cast, out)?;
        }
        let bytes = out.len() - start;
        if bytes > limits.row_bytes_max {
            out.truncate(start);
            return Err(self.target.too_long(bytes, limits.row_bytes_max));
        }
        Ok(())
    }

    /// The encoded primary key of these values, which are converted exactly; `None` if one is NULL, which no row has.
    fn encode_key(&self, values: &[Value]) -> Result<Option<Vec<u8>>> {
        let Some(key) = self.primary_key() else {
            let message = format!("\"{}\" has no primary key: rows cannot be found by key", self.target.name);
            return Err(Error::InvalidDefinition { sqlstate: "42P16", message });
        };
        if values.len() != key.columns.len() {
            let (name, expected, given) = (&self.target.name, key.columns.len(), values.len());
            let message = format!("the primary key of \"{name}\" has {expected} columns and {given} values were given");
            return Err(Error::data("42601", message));
        }
        if values.iter().any(|value| matches!(value, Value::Null)) {
            return Ok(None);
        }
        let mut encoded = Vec::with_capacity(32);
        let codec = &key.layout.codec();
        if codec.encode_prefix(values, &mut encoded).is_ok() {
            return Ok(Some(encoded));
        }
        let columns = key.columns.iter().map(|&column| &self.target.columns[column]);
        let cast: Vec<Value> =
            values.iter().zip(columns).map(|(value, column)| compared(value, column)).collect::<Result<_>>()?;
        codec.encode_prefix(&cast, &mut encoded)?;
        Ok(Some(encoded))
    }

    fn primary_key(&self) -> Option<&PointKey> {
        if self.target.has_primary_key() { self.keys.first() } else { None }
    }
}

/// What a row of one primary key was and is, as numbers of rows.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    before: Option<usize>,
    now: Option<usize>,
    written: bool,
}

/// The point writes of one transaction to one table. See the module's documentation.
#[derive(Debug)]
pub struct PointWrites {
    table: Arc<PointTable>,
    limits: Limits,
    /// Every row that was found or written, encoded.
    rows: Rows,
    slots: Vec<Slot>,
    /// The primary keys that were touched; their numbers are those of their slots.
    primary: Interner,
    /// For each UNIQUE constraint, the keys that were touched.
    unique: Vec<UniqueKeys>,
    /// Whether any slot was written.
    written: bool,
    scratch: Scratch,
}

/// The keys of one UNIQUE constraint that were touched; their numbers are those of their owners.
#[derive(Debug, Clone, Default)]
struct UniqueKeys {
    keys: Interner,
    owners: Vec<Owner>,
}

impl UniqueKeys {
    fn give(&mut self, key: usize, slot: Option<usize>) {
        self.owners[key] = Owner { slot, written: true };
    }
}

/// Who has a UNIQUE key now.
#[derive(Debug, Clone, Copy)]
struct Owner {
    slot: Option<usize>,
    /// Whether the key was given or taken away. One that was only looked for, as by a row that was refused, is nobody's conflict.
    written: bool,
}

/// What the encoding of a short row takes.
const ROW_BYTES: usize = 64;

#[derive(Debug, Default)]
struct Scratch {
    row: Vec<u8>,
    key: Vec<u8>,
    ends: Vec<u32>,
}

impl PointWrites {
    /// No writes yet.
    pub fn new(table: Arc<PointTable>, limits: Limits) -> PointWrites {
        let constraints = table.keys.len() - usize::from(table.target.has_primary_key());
        PointWrites {
            table,
            limits,
            rows: Rows::new(),
            slots: Vec::new(),
            primary: Interner::new(),
            unique: vec![Default::default(); constraints],
            written: false,
            scratch: Scratch::default(),
        }
    }

    /// The table that is written.
    pub fn table(&self) -> &Arc<PointTable> {
        &self.table
    }

    /// Whether nothing was written: at most it was looked for.
    pub fn is_unwritten(&self) -> bool {
        !self.written
    }

    /// Bytes that the writes take in memory, about.
    pub fn bytes(&self) -> usize {
        self.rows.byte_len() + self.primary.strings().byte_len() + self.slots.len() * 64
    }

    /// Adds a row. `version` is what the transaction reads, without these writes.
    pub fn insert(&mut self, version: &Version, values: &[Value]) -> Result<()> {
        self.put(version, values, false).map(|_| ())
    }

    /// Adds a row, in the place of the one that has its primary key, if there is one. Answers whether there was.
    pub fn upsert(&mut self, version: &Version, values: &[Value]) -> Result<bool> {
        if self.table.primary_key().is_none() {
            // The same refusal as for any other access by key.
            self.table.encode_key(&[])?;
        }
        self.put(version, values, true)
    }

    /// Takes away the row with this primary key. Answers whether there was one.
    pub fn delete(&mut self, version: &Version, key: &[Value]) -> Result<bool> {
        let Some(key) = self.table.encode_key(key)? else { return Ok(false) };
        let at = self.slot(version, &key)?;
        let Some(row) = self.slots[at].now else { return Ok(false) };
        self.release(version, row)?;
        self.set(at, None);
        Ok(true)
    }

    /// Replaces some values of the row with this primary key. Answers whether there was one.
    pub fn update(&mut self, version: &Version, key: &[Value], set: &[(usize, Value)]) -> Result<bool> {
        let Some(key) = self.table.encode_key(key)? else { return Ok(false) };
        let at = self.slot(version, &key)?;
        let Some(row) = self.slots[at].now else { return Ok(false) };
        let mut values = self.table.codec.decode_values(self.rows.row(row))?;
        for (column, value) in set {
            values[*column] = value.clone();
        }
        self.scratch.row.clear();
        let mut encoded = std::mem::take(&mut self.scratch.row);
        let replaced = self.table.encode(&values, self.limits, &mut encoded);
        let replaced = replaced.and_then(|()| self.replace(version, at, row, &encoded));
        self.scratch.row = encoded;
        replaced.map(|()| true)
    }

    /// The change that all writes make together, and the keys that they wrote.
    pub fn outcome(&self) -> DmlOutcome {
        let weights = self.weights();
        let mut rows = Rows::with_capacity(self.rows.len(), self.rows.byte_len());
        let changed = || weights.iter().enumerate().filter(|(_, weight)| **weight != Weight::ZERO);
        changed().for_each(|(row, _)| rows.push(self.rows.row(row)));
        self.outcome_of(rows, changed().map(|(_, weight)| *weight).collect())
    }

    /// The same at the end of the writes, whose rows need not be copied then: most are in the change, just as they lie.
    pub fn into_outcome(mut self) -> DmlOutcome {
        let weights = self.weights();
        if weights.contains(&Weight::ZERO) {
            return self.outcome();
        }
        let rows = std::mem::take(&mut self.rows);
        self.outcome_of(rows, weights)
    }

    /// What the writes did to each row that was found or written.
    fn weights(&self) -> Vec<Weight> {
        let mut weights = vec![Weight::ZERO; self.rows.len()];
        for slot in self.slots.iter().filter(|slot| slot.written && slot.before != slot.now) {
            slot.before.iter().for_each(|&row| weights[row] = Weight::MINUS_ONE);
            slot.now.iter().for_each(|&row| weights[row] = Weight::ONE);
        }
        weights
    }

    fn outcome_of(&self, rows: Rows, weights: Vec<Weight>) -> DmlOutcome {
        let target = &self.table.target;
        let written = || self.slots.iter().enumerate().filter(|(_, slot)| slot.written);
        let mut conflict_keys: Vec<ConflictKey> = Vec::with_capacity(self.slots.len());
        if target.has_primary_key() {
            conflict_keys.extend(written().map(|(number, _)| target.conflict_key(0, self.primary.hash(number))));
        }
        for (number, UniqueKeys { keys, owners }) in (1..).zip(&self.unique) {
            let written = owners.iter().enumerate().filter(|(_, owner)| owner.written);
            conflict_keys.extend(written.map(|(key, _)| target.conflict_key(number, keys.hash(key))));
        }
        conflict_keys.sort_unstable();
        conflict_keys.dedup();
        let affected = written().count() as u64;
        DmlOutcome { delta: Delta::encoded(&target.row, rows, weights), conflict_keys, affected, returning: None }
    }

    /// Answers whether the row came in the place of another.
    fn put(&mut self, version: &Version, values: &[Value], replaces: bool) -> Result<bool> {
        let mut row = std::mem::take(&mut self.scratch.row);
        row.clear();
        row.reserve(ROW_BYTES);
        let put = self.table.encode(values, self.limits, &mut row).and_then(|()| self.put_row(version, &row, replaces));
        self.scratch.row = row;
        put
    }

    fn put_row(&mut self, version: &Version, row: &[u8], replaces: bool) -> Result<bool> {
        let table = Arc::clone(&self.table);
        let Some(primary) = table.primary_key() else {
            let at = self.slots.len();
            self.slots.push(Slot::default());
            return self.take(version, at, row).map(|()| false).inspect_err(|_| self.slots.truncate(at));
        };
        let mut key = std::mem::take(&mut self.scratch.key);
        key.clear();
        primary.picker.pick(&table.codec, row, &mut self.scratch.ends, &mut key)?;
        let slot = self.slot(version, &key);
        self.scratch.key = key;
        let at = slot?;
        match self.slots[at].now {
            None => self.take(version, at, row).map(|()| false),
            Some(old) if replaces => self.rewrite(version, at, old, row).map(|()| true),
            Some(_) => Err(table.target.keys[0].violated(&table.target, &self.scratch.key)),
        }
    }

    /// Puts `row` in the place of the row `old` of the slot `at`, whose primary key it may not have.
    fn replace(&mut self, version: &Version, at: usize, old: usize, row: &[u8]) -> Result<()> {
        let table = Arc::clone(&self.table);
        if let Some(primary) = table.primary_key() {
            let mut key = Vec::new();
            primary.picker.pick(&table.codec, row, &mut self.scratch.ends, &mut key)?;
            if self.primary.strings().row(at) != key {
                // An UPDATE of the key itself: one row goes, another comes.
                let to = self.slot(version, &key)?;
                if self.slots[to].now.is_some() {
                    return Err(table.target.keys[0].violated(&table.target, &key));
                }
                self.check_unique(version, Some(at), row)?;
                self.release(version, old)?;
                self.set(at, None);
                return self.take(version, to, row);
            }
        }
        self.rewrite(version, at, old, row)
    }

    /// Puts `row` in the place of the row `old` of the slot `at`, whose primary key it has.
    fn rewrite(&mut self, version: &Version, at: usize, old: usize, row: &[u8]) -> Result<()> {
        self.check_unique(version, Some(at), row)?;
        self.release(version, old)?;
        self.take(version, at, row)
    }

    /// Gives the slot `at`, which has no row now, this one.
    fn take(&mut self, version: &Version, at: usize, row: &[u8]) -> Result<()> {
        self.check_unique(version, None, row)?;
        for index in 0..self.unique.len() {
            if let Some((number, _)) = self.owner(version, index, row)? {
                self.unique[index].give(number, Some(at));
            }
        }
        self.rows.push(row);
        self.set(at, Some(self.rows.len() - 1));
        Ok(())
    }

    fn set(&mut self, at: usize, now: Option<usize>) {
        self.slots[at] = Slot { now, written: true, ..self.slots[at] };
        self.written = true;
    }

    /// The UNIQUE keys of a row are free again.
    fn release(&mut self, version: &Version, row: usize) -> Result<()> {
        if self.unique.is_empty() {
            return Ok(());
        }
        let row = self.rows.row(row).to_vec();
        let mut owned = Vec::with_capacity(self.unique.len());
        for index in 0..self.unique.len() {
            owned.push(self.owner(version, index, &row)?);
        }
        // All have been found: from here on nothing can fail.
        for (unique, owned) in self.unique.iter_mut().zip(owned) {
            if let Some((number, _)) = owned {
                unique.give(number, None);
            }
        }
        Ok(())
    }

    /// Whether the UNIQUE keys of a row are free, or belong to the slot that the row is for.
    fn check_unique(&mut self, version: &Version, own: Option<usize>, row: &[u8]) -> Result<()> {
        for index in 0..self.unique.len() {
            if let Some((number, Some(owner))) = self.owner(version, index, row)?
                && Some(owner) != own
            {
                let constraint = index + usize::from(self.table.target.has_primary_key());
                let key = self.unique[index].keys.strings().row(number);
                return Err(self.table.target.keys[constraint].violated(&self.table.target, key));
            }
        }
        Ok(())
    }

    /// The number of a row's key under a UNIQUE constraint, and the slot that has it now. `None` for a key with a NULL in it.
    fn owner(&mut self, version: &Version, index: usize, row: &[u8]) -> Result<Option<(usize, Option<usize>)>> {
        let table = Arc::clone(&self.table);
        let constraint = index + usize::from(table.target.has_primary_key());
        let unique = &table.keys[constraint];
        let mut key = Vec::new();
        unique.picker.pick(&table.codec, row, &mut self.scratch.ends, &mut key)?;
        if unique.layout.codec().has_null(&key, unique.columns.len())? {
            return Ok(None);
        }
        let (number, new) = self.unique[index].keys.intern(key_hash(&key), &key);
        if new {
            self.unique[index].owners.push(Owner { slot: None, written: false });
            if let Some(entry) = table.target.keys[constraint].find(version, &key)? {
                let mut found = Vec::new();
                unique.layout.put_logical(entry, &mut self.scratch.ends, &mut found)?;
                let at = self.slot_of(version, &found)?;
                // It has the key unless the transaction has taken the row away or changed it before it asked for this key.
                let has = self.slots[at].now.is_some_and(|now| self.rows.row(now) == found);
                self.unique[index].owners[number].slot = has.then_some(at);
            }
        }
        Ok(Some((number, self.unique[index].owners[number].slot)))
    }

    /// The slot of a row of the version.
    fn slot_of(&mut self, version: &Version, row: &[u8]) -> Result<usize> {
        let table = Arc::clone(&self.table);
        match table.primary_key() {
            Some(primary) => {
                let mut key = Vec::new();
                primary.picker.pick(&table.codec, row, &mut self.scratch.ends, &mut key)?;
                self.slot(version, &key)
            }
            None => {
                self.rows.push(row);
                let found = Some(self.rows.len() - 1);
                self.slots.push(Slot { before: found, now: found, written: false });
                Ok(self.slots.len() - 1)
            }
        }
    }

    /// The slot of a primary key, with what the version holds for it.
    fn slot(&mut self, version: &Version, key: &[u8]) -> Result<usize> {
        let (at, new) = self.primary.intern(key_hash(key), key);
        if new {
            let mut slot = Slot::default();
            if let Some(entry) = self.table.target.keys[0].find(version, key)? {
                let (layout, ends) = (&self.table.keys[0].layout, &mut self.scratch.ends);
                self.rows.push_with(|bytes| layout.put_logical(entry, ends, bytes))?;
                slot.before = Some(self.rows.len() - 1);
                slot.now = slot.before;
            }
            self.slots.push(slot);
        }
        Ok(at)
    }
}

/// A statement that writes one row, planned.
#[derive(Clone, Debug)]
pub struct PointPlan {
    table: Arc<PointTable>,
    parameters: Parameters,
    action: PointAction,
}

#[derive(Clone, Debug)]
pub(crate) enum PointAction {
    Insert(Vec<Cell>),
    Update(Vec<Operand>, Vec<(usize, Cell)>),
    Delete(Vec<Operand>),
}

impl PointPlan {
    pub(crate) fn new(table: Arc<PointTable>, parameters: Parameters, action: PointAction) -> PointPlan {
        PointPlan { table, parameters, action }
    }

    /// The table that is written.
    pub fn table(&self) -> &Arc<PointTable> {
        &self.table
    }

    /// Adds what the statement does to a transaction's writes, and answers how many rows that concerns.
    pub fn execute(&self, writes: &mut PointWrites, version: &Version, values: &[Value]) -> Result<u64> {
        let bound = Bound::new(&self.parameters, values)?;
        let columns = &self.table.target.columns;
        match &self.action {
            PointAction::Insert(cells) => {
                let cells = cells.iter().zip(columns);
                let row: Vec<Value> =
                    cells.map(|(cell, column)| cell.value(column, &bound, &[])).collect::<Result<_>>()?;
                writes.insert(version, &row)?;
                Ok(1)
            }
            PointAction::Update(key, set) => {
                let assigned =
                    |(column, cell): &(usize, Cell)| Ok((*column, cell.value(&columns[*column], &bound, &[])?));
                let set: Vec<(usize, Value)> = set.iter().map(assigned).collect::<Result<_>>()?;
                writes.update(version, &key_values(key, &bound)?, &set).map(u64::from)
            }
            PointAction::Delete(key) => writes.delete(version, &key_values(key, &bound)?).map(u64::from),
        }
    }
}

fn key_values(key: &[Operand], bound: &Bound) -> Result<Vec<Value>> {
    let value = |operand: &Operand| match operand {
        Operand::Constant(value) => Ok(value.clone()),
        Operand::Parameter(index) => bound.value(*index).cloned(),
        Operand::IsNull => Ok(Value::Null),
    };
    key.iter().map(value).collect()
}
