//! COPY: rows of a table, or of a query, from and to CSV.
//!
//! This crate does no IO: a plan names the file of the statement, and the caller hands in what to read from or to write to.
//! Only CSV is supported, with PostgreSQL's options HEADER, NULL, DELIMITER, QUOTE and ESCAPE; a COPY without `FORMAT csv`
//! means PostgreSQL's text format and is refused rather than read as something else.
//!
//! Invariants: COPY FROM is one change of one table, checked like an INSERT of all its rows; an error names line and column and
//! nothing has happened. A header is skipped, not interpreted, as in PostgreSQL.
//!
//! Cost: COPY FROM parses each field once, straight into its encoded row, and holds the rows of the file in memory, because they
//! are one transaction.
//! Callers: `statement`.

pub(crate) mod csv;
mod incoming;
#[cfg(test)]
mod tests;

use std::io::{Read, Write};

use arrow_array::{Array, ArrayRef, RecordBatch};
use datafusion_sql::sqlparser::ast::{CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget};
use monostable_types::{DataType, Value};
use monostable_view::{Graph, NodeId, TableId, Version};

use self::csv::{Dialect, Reader, Writer};
use self::incoming::Incoming;
use crate::catalog::Catalog;
use crate::ddl::object_name;
use crate::dml::target::TableTarget;
use crate::dml::{DmlOutcome, Limits};
use crate::error::{Error, Object, Result};
use crate::names::fold;
use crate::planner::Planner;
use crate::select::QueryPlan;
use crate::select::scalars::Bound;
use crate::statement::parameters::Parameters;
use crate::statement::syntax;

/// Rows that are formatted at a time.
const CHUNK_ROWS: usize = 8192;

/// Where a COPY reads from or writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyEndpoint {
    /// A file, by the path that the statement names.
    File(String),
    /// STDIN or STDOUT: the connection, or whatever the caller has for it.
    Stream,
}

/// A COPY, planned.
#[derive(Clone, Debug)]
pub struct CopyPlan {
    endpoint: CopyEndpoint,
    dialect: Dialect,
    direction: Direction,
    relations: Vec<NodeId>,
}

#[derive(Clone, Debug)]
enum Direction {
    From { target: Box<TableTarget>, columns: Vec<usize> },
    To { query: Box<QueryPlan> },
}

/// The parts of a COPY statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copy<'a> {
    pub(crate) source: &'a CopySource,
    pub(crate) to: bool,
    pub(crate) target: &'a CopyTarget,
    pub(crate) options: &'a [CopyOption],
    pub(crate) legacy_options: &'a [CopyLegacyOption],
    pub(crate) has_inline_rows: bool,
}

impl CopyPlan {
    /// Plans a parsed COPY.
    pub(crate) fn new(planner: &Planner, copy: Copy<'_>, catalog: &Catalog, graph: &Graph) -> Result<CopyPlan> {
        let endpoint = match copy.target {
            CopyTarget::File { filename } => CopyEndpoint::File(filename.clone()),
            CopyTarget::Stdin | CopyTarget::Stdout => CopyEndpoint::Stream,
            CopyTarget::Program { .. } => return Err(Error::not_supported("COPY with PROGRAM")),
        };
        if copy.has_inline_rows {
            return Err(Error::not_supported("COPY with rows in the statement's text"));
        }
        let dialect = Options::read(copy)?.dialect()?;
        let direction = if copy.to { to(planner, copy.source, catalog, graph)? } else { from(copy.source, catalog)? };
        let relations = match &direction {
            Direction::From { target, .. } => target.relations().collect(),
            Direction::To { query } => query.relations().to_vec(),
        };
        Ok(CopyPlan { endpoint, dialect, direction, relations })
    }

    /// What the statement names as its source or target.
    pub fn endpoint(&self) -> &CopyEndpoint {
        &self.endpoint
    }

    /// The table that COPY FROM writes; `None` for COPY TO, which writes none.
    pub fn table(&self) -> Option<TableId> {
        match &self.direction {
            Direction::From { target, .. } => Some(target.id),
            Direction::To { .. } => None,
        }
    }

    /// The arrangements of the catalog's graph that an execution may read.
    pub fn relations(&self) -> &[NodeId] {
        &self.relations
    }

    /// COPY FROM: the change that adds the rows of `source`.
    pub fn read(&self, version: &Version, source: &mut dyn Read, limits: Limits) -> Result<DmlOutcome> {
        let Direction::From { target, columns } = &self.direction else {
            return Err(Error::WrongObjectType("COPY TO does not read".to_owned()));
        };
        let mut reader = Reader::new(source, self.dialect.clone());
        if self.dialect.header {
            reader.next()?;
        }
        let mut incoming = Incoming::new(target, columns, limits)?;
        while let Some(record) = reader.next()? {
            incoming.push(&record)?;
        }
        target.adding(version, incoming.into_rows())
    }

    /// COPY TO: writes the rows to `sink` and says how many there were.
    pub fn write(&self, version: &Version, sink: &mut dyn Write) -> Result<u64> {
        let Direction::To { query } = &self.direction else {
            return Err(Error::WrongObjectType("COPY FROM does not write".to_owned()));
        };
        let rows = query.rows(version, &Bound::new(&Parameters::default(), &[])?)?;
        let mut writer = Writer::new(sink, self.dialect.clone());
        let schema = query.schema();
        if self.dialect.header {
            writer.record(schema.columns().iter().map(|column| Some(column.name.as_str())))?;
        }
        for start in (0..rows.num_rows()).step_by(CHUNK_ROWS) {
            let count = CHUNK_ROWS.min(rows.num_rows() - start);
            write_rows(&mut writer, &rows.slice(start, count), &schema.types())?;
        }
        writer.finish()?;
        Ok(rows.num_rows() as u64)
    }
}

fn write_rows(writer: &mut Writer<'_>, rows: &RecordBatch, types: &[DataType]) -> Result<()> {
    for row in 0..rows.num_rows() {
        let fields = rows.columns().iter().zip(types).map(|(column, data_type)| text(column, row, *data_type));
        let fields: Vec<Option<String>> = fields.collect::<Result<_>>()?;
        writer.record(fields.iter().map(Option::as_deref))?;
    }
    Ok(())
}

fn text(column: &ArrayRef, row: usize, data_type: DataType) -> Result<Option<String>> {
    if column.is_null(row) {
        return Ok(None);
    }
    Ok(Some(Value::from_array(column.as_ref(), row, data_type)?.to_string()))
}

fn from(source: &CopySource, catalog: &Catalog) -> Result<Direction> {
    let CopySource::Table { table_name: name, columns } = source else {
        return Err(Error::Syntax("COPY FROM needs a table".to_owned()));
    };
    let target = TableTarget::new(catalog.expect_table(&object_name(name)?)?.as_ref())?;
    let mut given: Vec<usize> = Vec::with_capacity(columns.len());
    for column in columns {
        let column = target.column(&fold(column))?;
        if given.contains(&column) {
            return Err(Error::duplicate(Object::Column, target.columns[column].name.clone()));
        }
        given.push(column);
    }
    if given.is_empty() {
        given = (0..target.columns.len()).collect();
    }
    Ok(Direction::From { target: Box::new(target), columns: given })
}

fn to(planner: &Planner, source: &CopySource, catalog: &Catalog, graph: &Graph) -> Result<Direction> {
    let query = match source {
        CopySource::Query(query) => query.as_ref().clone(),
        CopySource::Table { table_name: name, columns } => {
            let name = object_name(name)?;
            let relation = catalog.expect_relation(&name)?;
            let names: Vec<String> = match columns.as_slice() {
                [] => relation.schema().columns().iter().map(|column| column.name.clone()).collect(),
                listed => listed.iter().map(fold).collect(),
            };
            let qualifier = syntax::quoted(&name);
            let items = names.iter().map(|column| syntax::column(&qualifier, column, column)).collect();
            syntax::select(items, syntax::table(&name, None), None)
        }
    };
    let query = QueryPlan::new(planner, &query, catalog, graph)?;
    if !query.parameters().is_empty() {
        let message = "COPY takes no parameters; write the values into the query".to_owned();
        return Err(Error::Parameter { sqlstate: "42P02", message });
    }
    Ok(Direction::To { query: Box::new(query) })
}

/// The options of a COPY, with their defaults.
struct Options {
    csv: bool,
    header: bool,
    delimiter: char,
    quote: char,
    escape: Option<char>,
    null: String,
}

impl Options {
    fn read(copy: Copy<'_>) -> Result<Options> {
        let mut options =
            Options { csv: false, header: false, delimiter: ',', quote: '"', escape: None, null: String::new() };
        for option in copy.options {
            options.set(option)?;
        }
        for option in copy.legacy_options {
            options.set_legacy(option)?;
        }
        Ok(options)
    }

    fn set(&mut self, option: &CopyOption) -> Result<()> {
        match option {
            CopyOption::Format(format) if fold(format) == "csv" => self.csv = true,
            CopyOption::Format(format) => return Err(Error::not_supported(format!("COPY in the format {format}"))),
            CopyOption::Freeze(false) => {}
            CopyOption::Delimiter(delimiter) => self.delimiter = *delimiter,
            CopyOption::Null(null) => self.null.clone_from(null),
            CopyOption::Header(header) => self.header = *header,
            CopyOption::Quote(quote) => self.quote = *quote,
            CopyOption::Escape(escape) => self.escape = Some(*escape),
            CopyOption::Encoding(name) if matches!(name.to_ascii_lowercase().as_str(), "utf8" | "utf-8") => {}
            other => return Err(Error::not_supported(format!("the COPY option {other}"))),
        }
        Ok(())
    }

    fn set_legacy(&mut self, option: &CopyLegacyOption) -> Result<()> {
        match option {
            CopyLegacyOption::Csv(more) => {
                self.csv = true;
                for option in more {
                    match option {
                        CopyLegacyCsvOption::Header => self.header = true,
                        CopyLegacyCsvOption::Quote(quote) => self.quote = *quote,
                        CopyLegacyCsvOption::Escape(escape) => self.escape = Some(*escape),
                        other => return Err(Error::not_supported(format!("the COPY option {other}"))),
                    }
                }
            }
            CopyLegacyOption::Header => self.header = true,
            CopyLegacyOption::Delimiter(delimiter) => self.delimiter = *delimiter,
            CopyLegacyOption::Null(null) => self.null.clone_from(null),
            other => return Err(Error::not_supported(format!("the COPY option {other}"))),
        }
        Ok(())
    }

    fn dialect(self) -> Result<Dialect> {
        if !self.csv {
            return Err(Error::not_supported("COPY in PostgreSQL's text format (write WITH (FORMAT csv))"));
        }
        Dialect::new(self.delimiter, self.quote, self.escape.unwrap_or(self.quote), &self.null, self.header)
    }
}
