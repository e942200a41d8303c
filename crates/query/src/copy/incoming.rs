//! The rows of a COPY FROM, on their way from fields to encoded rows.
//!
//! A field is parsed as the type of its column and becomes the column's piece of the row at once; there are no columns of
//! values in between. NOT NULL, `varchar(n)` and the limit on a row's length are checked here, row by row, so that an error names
//! its line; keys are checked by `TableTarget::adding`.
//!
//! Cost: one parse for each field, no allocation for texts and numbers. Callers: `copy`.

use monostable_types::{DataType, Rows, Value};

use super::csv::{Record, malformed};
use crate::dml::Limits;
use crate::dml::target::TableTarget;
use crate::error::{Error, Result};

/// Where a column's values come from.
enum Source {
    Field(usize),
    /// The encoded default of a column that is not listed.
    Default(Vec<u8>),
}

pub(super) struct Incoming<'a> {
    target: &'a TableTarget,
    /// By column of the table.
    sources: Vec<Source>,
    /// By field of a record.
    given: &'a [usize],
    limits: Limits,
    rows: Rows,
}

impl<'a> Incoming<'a> {
    /// No rows yet; `given` names the columns of the table that the fields are for, in their order.
    pub(super) fn new(target: &'a TableTarget, given: &'a [usize], limits: Limits) -> Result<Incoming<'a>> {
        let mut sources = Vec::with_capacity(target.columns.len());
        for (column, default) in target.defaults.iter().enumerate() {
            sources.push(match given.iter().position(|given| *given == column) {
                Some(field) => Source::Field(field),
                None => {
                    let mut piece = Vec::new();
                    target.row.codec().encode_piece(column, default, &mut piece)?;
                    Source::Default(piece)
                }
            });
        }
        Ok(Incoming { target, sources, given, limits, rows: Rows::new() })
    }

    /// Adds a row. After an error, the rows are as they were.
    pub(super) fn push(&mut self, record: &Record<'_>) -> Result<()> {
        if record.len() > self.given.len() {
            return Err(malformed(record.line, "extra data after last expected column"));
        }
        if let Some(&missing) = self.given.get(record.len()) {
            let name = &self.target.columns[missing].name;
            return Err(malformed(record.line, &format!("missing data for column \"{name}\"")));
        }
        let Incoming { target, sources, limits, rows, .. } = self;
        rows.push_with(|bytes| {
            let start = bytes.len();
            for (column, source) in sources.iter().enumerate() {
                match source {
                    Source::Default(piece) => {
                        if target.defaults[column].is_null() {
                            target.check_null(column)?;
                        }
                        bytes.extend_from_slice(piece);
                    }
                    Source::Field(field) => put(target, column, record.get(*field), bytes)?,
                }
            }
            let length = bytes.len() - start;
            if length > limits.row_bytes_max { Err(target.too_long(length, limits.row_bytes_max)) } else { Ok(()) }
        })
        .map_err(|error: Error| Error::data(error.sqlstate(), format!("COPY line {}: {error}", record.line)))
    }

    /// All rows, encoded.
    pub(super) fn into_rows(self) -> Rows {
        self.rows
    }
}

/// Appends the piece of a column that a field spells; `None` is NULL.
fn put(target: &TableTarget, index: usize, field: Option<&str>, bytes: &mut Vec<u8>) -> Result<()> {
    let (column, codec) = (&target.columns[index], target.row.codec());
    match field {
        None => {
            target.check_null(index)?;
            codec.encode_piece(index, &Value::Null, bytes)?;
        }
        Some(text) if column.data_type == DataType::Text => {
            codec.encode_text_piece(index, column.assign_text(text)?, bytes)?;
        }
        Some(text) => codec.encode_piece(index, &column.parse(text)?, bytes)?,
    }
    Ok(())
}
