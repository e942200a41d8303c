//! The catalog as bytes. `FORMAT.md` of this crate is the specification; this is its only writer and its only reader.
//!
//! Definitions are stored, graphs are not: a view is its text, the names of its columns, and the identity of its arrangement,
//! by which its state is found again. Reading gives [`Stored`], which [`super::restore`] plans again. Node ids are not
//! stored, because they mean nothing in the next process.
//!
//! Invariants: decode(encode(c)) gives the definitions of c; decoding never panics and never allocates more than the input is
//! long, whatever the bytes are.

use monostable_types::{Column, DataType, RowCodec, Schema, Value};
use monostable_view::Graph;

use super::{Catalog, DefaultDef, TableDef};
use crate::compile::SEMANTICS;
use crate::error::{Error, Result};

/// Version of the layout.
pub const FORMAT_VERSION: u16 = 1;

const MAGIC: [u8; 4] = *b"MNCT";

/// A catalog that was read, not yet planned.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    /// Version of the meaning of expressions when it was written.
    pub(super) semantics: u8,
    pub(super) version: u64,
    pub(super) next_table: u32,
    pub(super) tables: Vec<StoredTable>,
    pub(super) views: Vec<StoredView>,
    pub(super) indexes: Vec<StoredIndex>,
}

/// A table's definition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredTable {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) characters_max: Vec<Option<u32>>,
    pub(super) defaults: Vec<Option<DefaultDef>>,
    pub(super) primary_key: Option<Vec<usize>>,
    pub(super) unique: Vec<(String, Vec<usize>)>,
}

/// A view's definition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredView {
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) columns: Vec<Column>,
    pub(super) key: Vec<usize>,
    pub(super) identity: Vec<u8>,
}

/// An index's definition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredIndex {
    pub(super) name: String,
    pub(super) relation: String,
    pub(super) columns: Vec<usize>,
}

impl Catalog {
    /// The catalog as bytes, with the identities that its views have in `graph`.
    pub fn encode(&self, graph: &Graph) -> Result<Vec<u8>> {
        let mut writer = Writer { out: Vec::new() };
        writer.out.extend(MAGIC);
        writer.out.extend(FORMAT_VERSION.to_le_bytes());
        writer.out.push(SEMANTICS);
        writer.out.extend(self.version.to_le_bytes());
        writer.out.extend(self.next_table.to_le_bytes());
        let tables: Vec<&TableDef> = self.tables().map(AsRef::as_ref).collect();
        writer.count(tables.len())?;
        for table in tables {
            writer.table(table)?;
        }
        let views = self.views_in_order();
        writer.count(views.len())?;
        for view in &views {
            let identity = graph.identity(view.node);
            let identity =
                identity.ok_or_else(|| Error::Internal(format!("view \"{}\" is not in the graph", view.name)))?;
            writer.text(&view.name)?;
            writer.text(&view.sql)?;
            writer.columns(&view.schema)?;
            writer.positions(&view.key)?;
            writer.bytes(identity.as_bytes())?;
        }
        writer.count(self.indexes.len())?;
        for index in self.indexes() {
            writer.text(&index.name)?;
            writer.text(&index.relation)?;
            writer.positions(&index.columns)?;
        }
        Ok(writer.out)
    }
}

struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn count(&mut self, count: usize) -> Result<()> {
        let count =
            u32::try_from(count).map_err(|_| Error::TooComplex("the catalog has too many entries".to_string()))?;
        self.out.extend(count.to_le_bytes());
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.count(bytes.len())?;
        self.out.extend(bytes);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<()> {
        self.bytes(text.as_bytes())
    }

    fn positions(&mut self, positions: &[usize]) -> Result<()> {
        self.count(positions.len())?;
        positions.iter().try_for_each(|&position| self.count(position))
    }

    fn columns(&mut self, schema: &Schema) -> Result<()> {
        self.count(schema.len())?;
        for column in schema.columns() {
            self.text(&column.name)?;
            self.out.extend(column.data_type.code());
            self.out.push(u8::from(column.nullable));
        }
        Ok(())
    }

    fn table(&mut self, table: &TableDef) -> Result<()> {
        self.out.extend(table.id.0.to_le_bytes());
        self.text(&table.name)?;
        self.columns(&table.schema)?;
        for (index, column) in table.schema.columns().iter().enumerate() {
            let characters = table.characters_max.get(index).copied().flatten();
            self.out.extend(characters.unwrap_or(0).to_le_bytes());
            match table.defaults.get(index).and_then(Option::as_ref) {
                None => self.out.push(0),
                Some(default) => {
                    self.out.push(1);
                    self.text(&default.sql)?;
                    let mut value = Vec::new();
                    RowCodec::new(&[column.data_type])
                        .encode_values(std::slice::from_ref(&default.value), &mut value)?;
                    self.bytes(&value)?;
                }
            }
        }
        match &table.primary_key {
            None => self.out.push(0),
            Some(columns) => {
                self.out.push(1);
                self.positions(columns)?;
            }
        }
        self.count(table.unique.len())?;
        for unique in &table.unique {
            self.text(&unique.name)?;
            self.positions(&unique.columns)?;
        }
        Ok(())
    }
}

/// Reads what [`Catalog::encode`] wrote.
pub(super) fn decode(bytes: &[u8]) -> Result<Stored> {
    let mut reader = Reader { rest: bytes, at: 0 };
    if reader.array::<4>()? != MAGIC {
        return Err(reader.damaged("it does not begin as a catalog does"));
    }
    let format = u16::from_le_bytes(reader.array()?);
    if format != FORMAT_VERSION {
        return Err(Error::Corruption(format!(
            "format version {format} is not the {FORMAT_VERSION} that this program reads; use the program that wrote it"
        )));
    }
    let semantics = reader.byte()?;
    let version = u64::from_le_bytes(reader.array()?);
    let next_table = u32::from_le_bytes(reader.array()?);
    let tables = reader.list(Reader::table)?;
    let views = reader.list(Reader::view)?;
    let indexes = reader.list(Reader::index)?;
    if !reader.rest.is_empty() {
        return Err(reader.damaged("there are bytes behind its end"));
    }
    Ok(Stored { semantics, version, next_table, tables, views, indexes })
}

struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn damaged(&self, what: &str) -> Error {
        Error::Corruption(format!("at byte {}: {what}", self.at))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                self.at += len;
                Ok(taken)
            }
            None => Err(self.damaged("it ends too early")),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| self.damaged("it ends too early"))
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn flag(&mut self) -> Result<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.damaged("a flag is neither 0 nor 1")),
        }
    }

    fn count(&mut self) -> Result<usize> {
        let count = u32::from_le_bytes(self.array()?) as usize;
        // Every counted thing has at least one byte, so a larger count is a lie that must not be allocated for.
        if count > self.rest.len() { Err(self.damaged("a count is larger than the rest")) } else { Ok(count) }
    }

    fn position(&mut self, columns: usize) -> Result<usize> {
        let position = u32::from_le_bytes(self.array()?) as usize;
        if position < columns { Ok(position) } else { Err(self.damaged("a column does not exist")) }
    }

    fn text(&mut self) -> Result<String> {
        let len = self.count()?;
        let bytes = self.take(len)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.damaged("a text is not UTF-8"))
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.count()?;
        (0..count).map(|_| item(self)).collect()
    }

    fn column(&mut self) -> Result<Column> {
        let name = self.text()?;
        let code = self.array()?;
        let data_type = DataType::from_code(code).map_err(|error| self.damaged(&error.to_string()))?;
        let column = Column::new(name, data_type);
        Ok(if self.flag()? { column } else { column.not_null() })
    }

    fn default(&mut self, data_type: DataType) -> Result<Option<DefaultDef>> {
        if !self.flag()? {
            return Ok(None);
        }
        let sql = self.text()?;
        let len = self.count()?;
        let bytes = self.take(len)?;
        let values: Result<Vec<Value>, _> = RowCodec::new(&[data_type]).decode_values(bytes);
        match values.as_deref() {
            Ok([value]) => Ok(Some(DefaultDef { sql, value: value.clone() })),
            _ => Err(self.damaged("a default is not a value of its column")),
        }
    }

    fn table(&mut self) -> Result<StoredTable> {
        let id = u32::from_le_bytes(self.array()?);
        let name = self.text()?;
        let columns = self.list(Reader::column)?;
        let mut characters_max = Vec::with_capacity(columns.len());
        let mut defaults = Vec::with_capacity(columns.len());
        for column in &columns {
            let characters = u32::from_le_bytes(self.array()?);
            characters_max.push((characters > 0).then_some(characters));
            defaults.push(self.default(column.data_type)?);
        }
        let width = columns.len();
        let primary_key = if self.flag()? { Some(self.list(|reader| reader.position(width))?) } else { None };
        let unique = self.list(|reader| Ok((reader.text()?, reader.list(|reader| reader.position(width))?)))?;
        Ok(StoredTable { id, name, columns, characters_max, defaults, primary_key, unique })
    }

    fn view(&mut self) -> Result<StoredView> {
        let name = self.text()?;
        let sql = self.text()?;
        let columns = self.list(Reader::column)?;
        let width = columns.len();
        let key = self.list(|reader| reader.position(width))?;
        let len = self.count()?;
        let identity = self.take(len)?.to_vec();
        Ok(StoredView { name, sql, columns, key, identity })
    }

    fn index(&mut self) -> Result<StoredIndex> {
        let name = self.text()?;
        let relation = self.text()?;
        let columns = self.list(|reader| reader.position(usize::MAX))?;
        Ok(StoredIndex { name, relation, columns })
    }
}

#[cfg(test)]
mod tests;
