//! The table that a statement writes, and what must hold for its rows.
//!
//! NOT NULL, PRIMARY KEY and UNIQUE are checked for a whole statement at once, over the version that the statement sees: what
//! counts is the table after the statement, so that `UPDATE t SET id = id + 1` succeeds (PostgreSQL checks row by row, and
//! may refuse it). Violations by transactions that commit at the same time are found by certification, through the conflict
//! keys that are made here.
//!
//! Invariants: a conflict key is made of table id, key number and encoded key; number 0 is
//! the primary key, 1.. are the UNIQUE constraints in their order, and `WHOLE_ROW` stands for the row itself, which is what a delete
//! writes in a table without primary key. A key with a NULL in it conflicts with nothing and is not among them.
//!
//! Cost: one encoding of each key column, one probe per key. Callers: `dml`, `copy`.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_select::concat::concat_batches;
use monostable_types::{DataType, Picker, RowCodec, Rows, Value, Weight};
use monostable_view::{Delta, NodeId, RowType, TableId, Version, key_hash};

use super::DmlOutcome;
use super::assign::Target;
use crate::catalog::TableDef;
use crate::error::{Error, Result};

/// A row whose encoding is longer is refused, unless the caller sets another limit.
pub const ROW_BYTES_MAX_DEFAULT: usize = 1024 * 1024;
/// The key number of whole rows.
const WHOLE_ROW: u32 = u32::MAX;
/// An odd number that spreads small ones over 64 bits, the golden ratio's.
const CONSTRAINT_SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// A key that a transaction wrote: two transactions that have one in common cannot both commit on the same snapshot.
///
/// It is a hash of the table, the constraint and the encoded key. Should two keys ever share it, transactions that write
/// them at the same time conflict for nothing; a conflict is never missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConflictKey(pub u64);

/// A PRIMARY KEY or UNIQUE constraint.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) columns: Vec<usize>,
    pub(crate) node: NodeId,
    number: u32,
    codec: Arc<RowCodec>,
}

/// The keys of some rows under one constraint.
#[derive(Default)]
pub(crate) struct EncodedKeys {
    rows: Rows,
    has_null: Vec<bool>,
}

impl EncodedKeys {
    /// The key of the row at `index`; `None` if it has a NULL in it.
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        (!self.has_null[index]).then(|| self.rows.row(index))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> {
        (0..self.has_null.len()).map(|index| self.get(index))
    }

    /// The first row whose key an earlier one has. Keys that ascend, as they do in most files, are told apart by comparing
    /// neighbours; others by their hashes, and only if two of these are equal by themselves.
    fn twice(&self) -> Option<usize> {
        if self.iter().flatten().is_sorted_by(|a, b| a < b) {
            return None;
        }
        let mut hashes: Vec<u64> = self.iter().flatten().map(key_hash).collect();
        hashes.sort_unstable();
        if hashes.is_sorted_by(|a, b| a < b) {
            return None;
        }
        let mut seen: HashSet<&[u8]> = HashSet::new();
        self.iter().position(|key| key.is_some_and(|key| !seen.insert(key)))
    }
}

impl Key {
    /// The keys of all rows, in logical column order.
    pub(crate) fn encode(&self, rows: &RecordBatch) -> Result<EncodedKeys> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|column| Arc::clone(rows.column(*column))).collect();
        let mut encoded = Rows::new();
        self.codec.encode_columns(&columns, &mut encoded)?;
        let has_null = (0..rows.num_rows()).map(|index| columns.iter().any(|column| column.is_null(index))).collect();
        Ok(EncodedKeys { rows: encoded, has_null })
    }

    /// The keys of rows that are encoded already.
    fn pick(&self, target: &TableTarget, rows: &Rows) -> Result<EncodedKeys> {
        let picker = Picker::new(&self.columns, target.columns.len());
        let (mut keys, mut has_null, mut ends) = (Rows::new(), Vec::with_capacity(rows.len()), Vec::new());
        for row in rows.iter() {
            keys.push_with(|key| picker.pick(&target.row_codec, row, &mut ends, key))?;
            has_null.push(self.codec.has_null(keys.row(keys.len() - 1), self.columns.len())?);
        }
        Ok(EncodedKeys { rows: keys, has_null })
    }

    /// The entry that has this key, if there is one.
    pub(crate) fn find<'v>(&self, version: &'v Version, key: &[u8]) -> Result<Option<&'v [u8]>> {
        let spine = version.spine_of(self.node);
        let spine = spine.ok_or_else(|| Error::Internal(format!("arrangement {} was never built", self.node)))?;
        Ok(spine.get(key)?.map(|(entry, _)| entry))
    }

    /// 23505, with the key's value.
    pub(crate) fn violated(&self, target: &TableTarget, key: &[u8]) -> Error {
        let names: Vec<&str> = self.columns.iter().map(|column| target.columns[*column].name.as_str()).collect();
        let values = match self.codec.decode_values(key) {
            Ok(values) => values.iter().map(Value::to_string).collect::<Vec<_>>().join(", "),
            Err(_) => "?".to_owned(),
        };
        let (name, columns) = (&self.name, names.join(", "));
        Error::data(
            "23505",
            format!(
                "duplicate key value violates unique constraint \"{name}\": key ({columns})=({values}) already exists"
            ),
        )
    }
}

/// The keys of the old and of the new rows of a change.
pub(crate) struct KeyChange {
    removed: EncodedKeys,
    added: EncodedKeys,
}

/// The table that a statement writes.
#[derive(Clone, Debug)]
pub(crate) struct TableTarget {
    pub(crate) id: TableId,
    pub(crate) name: String,
    pub(crate) columns: Vec<Target>,
    pub(crate) defaults: Vec<Value>,
    pub(crate) row: Arc<RowType>,
    /// The primary key, if there is one, then the UNIQUE constraints.
    pub(crate) keys: Vec<Key>,
    pub(crate) node: NodeId,
    nullable: Vec<bool>,
    has_primary_key: bool,
    row_codec: Arc<RowCodec>,
}

impl TableTarget {
    /// What a statement has to know of the table.
    pub(crate) fn new(table: &TableDef) -> Result<TableTarget> {
        let types = table.schema.types();
        let mut columns = Vec::with_capacity(types.len());
        let mut defaults = Vec::with_capacity(types.len());
        for (index, column) in table.schema.columns().iter().enumerate() {
            let characters_max = table.characters_max.get(index).copied().flatten().map(|limit| limit as usize);
            columns.push(Target { name: column.name.clone(), data_type: column.data_type, characters_max });
            let default = table.defaults.get(index).and_then(Option::as_ref);
            defaults.push(default.map_or(Value::Null, |default| default.value.clone()));
        }
        Ok(TableTarget {
            id: table.id,
            name: table.name.clone(),
            keys: keys(table, &types)?,
            columns,
            defaults,
            row_codec: Arc::new(RowCodec::new(&types)),
            row: RowType::new(&types),
            node: table.node,
            nullable: table.schema.columns().iter().map(|column| column.nullable).collect(),
            has_primary_key: table.primary_key.is_some(),
        })
    }

    /// The arrangements that are read when rows are checked.
    pub(crate) fn relations(&self) -> impl Iterator<Item = NodeId> {
        std::iter::once(self.node).chain(self.keys.iter().map(|key| key.node))
    }

    /// The column of that name, or 42703.
    pub(crate) fn column(&self, name: &str) -> Result<usize> {
        let found = self.columns.iter().position(|column| column.name == name);
        found.ok_or_else(|| {
            let table = &self.name;
            Error::undefined(crate::error::Object::Column, format!("{name}\" of relation \"{table}"))
        })
    }

    /// Rows of this table from columns of its types.
    pub(crate) fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        Ok(self.row.batch(columns, rows)?)
    }

    /// NOT NULL and the limit on a row's length.
    pub(crate) fn check_rows(&self, rows: &RecordBatch, row_bytes_max: usize) -> Result<()> {
        for ((array, column), nullable) in rows.columns().iter().zip(&self.columns).zip(&self.nullable) {
            if !nullable && array.null_count() > 0 {
                return Err(self.null_in(column));
            }
        }
        let mut encoded = Rows::new();
        self.row_codec.encode_columns(rows.columns(), &mut encoded)?;
        match encoded.iter().map(<[u8]>::len).max() {
            Some(bytes) if bytes > row_bytes_max => Err(self.too_long(bytes, row_bytes_max)),
            _ => Ok(()),
        }
    }

    /// 23502 if the column at this index may not be NULL.
    pub(crate) fn check_null(&self, index: usize) -> Result<()> {
        if self.nullable[index] { Ok(()) } else { Err(self.null_in(&self.columns[index])) }
    }

    fn null_in(&self, column: &Target) -> Error {
        let (table, column) = (&self.name, &column.name);
        Error::data(
            "23502",
            format!("null value in column \"{column}\" of relation \"{table}\" violates not-null constraint"),
        )
    }

    /// 54000 for a row of so many bytes.
    pub(crate) fn too_long(&self, bytes: usize, row_bytes_max: usize) -> Error {
        let name = &self.name;
        Error::data(
            "54000",
            format!("a row of {bytes} bytes for \"{name}\" is over the limit of {row_bytes_max} bytes"),
        )
    }

    /// Whether rows have a primary key, which then is the first of `keys`.
    pub(crate) fn has_primary_key(&self) -> bool {
        self.has_primary_key
    }

    /// The keys that a change takes out and puts in, one pair for each constraint.
    pub(crate) fn key_changes(&self, removed: &RecordBatch, added: &RecordBatch) -> Result<Vec<KeyChange>> {
        let change = |key: &Key| Ok(KeyChange { removed: key.encode(removed)?, added: key.encode(added)? });
        self.keys.iter().map(change).collect()
    }

    /// Whether every key is still unique after the change.
    pub(crate) fn check_unique(&self, version: &Version, changes: &[KeyChange]) -> Result<()> {
        for (key, change) in self.keys.iter().zip(changes) {
            let gone: HashSet<&[u8]> = change.removed.iter().flatten().collect();
            let twice = change.added.twice();
            for (index, bytes) in change.added.iter().enumerate() {
                let Some(bytes) = bytes else { continue };
                let taken = twice == Some(index) || (!gone.contains(bytes) && key.find(version, bytes)?.is_some());
                if taken {
                    return Err(key.violated(self, bytes));
                }
            }
        }
        Ok(())
    }

    /// The change that adds rows, which are encoded and were checked one by one: checks their keys.
    pub(crate) fn adding(&self, version: &Version, rows: Rows) -> Result<DmlOutcome> {
        let change = |key: &Key| Ok(KeyChange { removed: EncodedKeys::default(), added: key.pick(self, &rows)? });
        let keys: Vec<KeyChange> = self.keys.iter().map(change).collect::<Result<_>>()?;
        self.check_unique(version, &keys)?;
        let conflict_keys = self.conflict_keys(&self.no_rows(), &keys)?;
        let (affected, weights) = (rows.len() as u64, vec![Weight::ONE; rows.len()]);
        let delta = Delta::encoded(&self.row, rows, weights);
        Ok(DmlOutcome { delta, conflict_keys, affected, returning: None })
    }

    /// What a transaction that makes this change must not have in common with one that commits meanwhile.
    pub(crate) fn conflict_keys(&self, removed: &RecordBatch, changes: &[KeyChange]) -> Result<Vec<ConflictKey>> {
        let mut keys: Vec<ConflictKey> = Vec::new();
        for (key, change) in self.keys.iter().zip(changes) {
            let written = change.removed.iter().chain(change.added.iter()).flatten();
            keys.extend(written.map(|bytes| self.conflict_key(key.number, key_hash(bytes))));
        }
        if !self.has_primary_key {
            let mut encoded = Rows::new();
            self.row_codec.encode_columns(removed.columns(), &mut encoded)?;
            keys.extend(encoded.iter().map(|bytes| self.conflict_key(WHOLE_ROW, key_hash(bytes))));
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// The conflict key of an encoded key with this hash under the constraint with this number.
    pub(crate) fn conflict_key(&self, number: u32, hash: u64) -> ConflictKey {
        let constraint = u64::from(self.id.0) << 32 | u64::from(number);
        ConflictKey(hash ^ constraint.wrapping_add(1).wrapping_mul(CONSTRAINT_SPREAD))
    }

    /// The change that takes `removed` out and puts `added` in.
    pub(crate) fn delta(&self, removed: &RecordBatch, added: &RecordBatch) -> Result<Delta> {
        if removed.num_rows() == 0 {
            return Ok(Delta::inserts(&self.row, added.clone()));
        }
        let mut weights = vec![Weight::MINUS_ONE; removed.num_rows()];
        weights.resize(removed.num_rows() + added.num_rows(), Weight::ONE);
        let rows = if self.columns.is_empty() {
            self.row.batch(Vec::new(), weights.len())?
        } else {
            concat_batches(self.row.arrow(), [removed, added])?
        };
        Ok(Delta::new(&self.row, rows, weights))
    }

    /// No rows of this table.
    pub(crate) fn no_rows(&self) -> RecordBatch {
        RecordBatch::new_empty(Arc::clone(self.row.arrow()))
    }
}

fn keys(table: &TableDef, types: &[DataType]) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    let codec = |columns: &[usize]| -> Result<Arc<RowCodec>> {
        let key_types: Option<Vec<DataType>> = columns.iter().map(|column| types.get(*column).copied()).collect();
        let key_types =
            key_types.ok_or_else(|| Error::Internal("a key names a column that is not there".to_owned()))?;
        Ok(Arc::new(RowCodec::new(&key_types)))
    };
    if let Some(columns) = &table.primary_key {
        let name = format!("{}_pkey", table.name);
        keys.push(Key { name, columns: columns.clone(), node: table.node, number: 0, codec: codec(columns)? });
    }
    for (number, unique) in (1..).zip(&table.unique) {
        let (name, columns, codec) = (unique.name.clone(), unique.columns.clone(), codec(&unique.columns)?);
        keys.push(Key { name, columns, node: unique.node, number, codec });
    }
    Ok(keys)
}
