//! Results as text: aligned tables for people, CSV and JSON lines for programs.
//!
//! Formatting only: nothing is run here. Values are written in PostgreSQL's text form; in JSON, what JSON can hold
//! exactly is a number, and the rest is a string. Cost: a table is put together in memory, because its columns are as wide
//! as their widest value; CSV and JSON are written row by row.

use std::io::Write;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use monostable::{Column, DataType, Outcome, Value};
use serde::ser::{Serialize, Serializer};

use crate::arguments::RowFormat;
use crate::failure::Result;

/// Integers up to here survive a reader that keeps JSON numbers as doubles.
const JSON_INTEGER_MAX: u64 = 1 << 53;

/// What one statement gave. The rows are read once, one after the other.
#[derive(Debug)]
pub(crate) struct Answer<R> {
    /// What was done, in the words of PostgreSQL: `INSERT 0 2`.
    pub(crate) tag: String,
    /// Rows changed; `None` if it was not a statement that changes rows.
    pub(crate) affected: Option<u64>,
    /// Columns and rows, of a statement that has a result.
    pub(crate) result: Option<(Vec<Column>, R)>,
}

/// The answer that an outcome of the library stands for.
pub(crate) fn answer(outcome: Outcome) -> Answer<impl Iterator<Item = Result<Vec<Value>>>> {
    let result = outcome.rows.map(|rows| {
        let columns = rows.schema().columns().to_vec();
        (columns, rows.into_iter().map(|row| Ok(row.values()?)))
    });
    Answer { tag: outcome.tag, affected: outcome.affected, result }
}

/// Writes what one statement gave, and hands it on at once.
pub(crate) fn write<R>(out: &mut impl Write, format: RowFormat, answer: Answer<R>) -> Result<()>
where
    R: Iterator<Item = Result<Vec<Value>>>,
{
    match (format, answer.result) {
        (RowFormat::Table, None) => writeln!(out, "{}", answer.tag)?,
        (RowFormat::Table, Some((columns, rows))) => write_table(out, &columns, rows)?,
        (RowFormat::Csv, None) => {}
        (RowFormat::Csv, Some((columns, rows))) => write_csv(out, &columns, rows)?,
        (RowFormat::Jsonl, result) => write_json(out, answer.affected, result)?,
    }
    Ok(out.flush()?)
}

/// Writes the line of a failed statement.
pub(crate) fn write_json_error(out: &mut impl Write, sqlstate: &str, message: &str) -> Result<()> {
    writeln!(out, "{{\"ok\":false,\"sqlstate\":{},\"error\":{}}}", json(&sqlstate)?, json(&message)?)?;
    Ok(out.flush()?)
}

fn write_table(out: &mut impl Write, columns: &[Column], rows: impl Iterator<Item = Result<Vec<Value>>>) -> Result<()> {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| &column.name));
    let mut count = 0_usize;
    for row in rows {
        table.add_row(row?.iter().map(Value::to_string));
        count += 1;
    }
    for (index, column) in columns.iter().enumerate() {
        if let Some(shown) = table.column_mut(index).filter(|_| is_number(column.data_type)) {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    if !columns.is_empty() {
        writeln!(out, "{table}")?;
    }
    Ok(writeln!(out, "({count} {})", if count == 1 { "row" } else { "rows" })?)
}

fn is_number(data_type: DataType) -> bool {
    use DataType::{BigInt, Double, Integer, Numeric, Real, SmallInt};
    matches!(data_type, SmallInt | Integer | BigInt | Real | Double | Numeric { .. })
}

fn write_csv(out: &mut impl Write, columns: &[Column], rows: impl Iterator<Item = Result<Vec<Value>>>) -> Result<()> {
    write_csv_line(out, columns.iter().map(|column| Some(column.name.clone())))?;
    for row in rows {
        write_csv_line(out, row?.iter().map(|value| (!matches!(value, Value::Null)).then(|| value.to_string())))?;
    }
    Ok(())
}

/// One line, with PostgreSQL's difference between NULL (nothing) and an empty text (two quotes).
fn write_csv_line(out: &mut impl Write, fields: impl Iterator<Item = Option<String>>) -> Result<()> {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        match field {
            None => {}
            Some(text) if text.is_empty() || text.contains(['"', ',', '\n', '\r']) => {
                write!(out, "\"{}\"", text.replace('"', "\"\""))?;
            }
            Some(text) => out.write_all(text.as_bytes())?,
        }
    }
    Ok(out.write_all(b"\n")?)
}

/// The line is written piece by piece, so that a large result is not held a second time.
fn write_json(
    out: &mut impl Write,
    affected: Option<u64>,
    result: Option<(Vec<Column>, impl Iterator<Item = Result<Vec<Value>>>)>,
) -> Result<()> {
    let columns = result.as_ref().map_or(&[][..], |(columns, _)| columns);
    let names = json(&columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>())?;
    let types = json(&columns.iter().map(|column| column.data_type.sql_name()).collect::<Vec<_>>())?;
    write!(out, "{{\"ok\":true,\"columns\":{names},\"types\":{types},\"rows\":[")?;
    for (index, row) in result.into_iter().flat_map(|(_, rows)| rows).enumerate() {
        let separator = if index > 0 { "," } else { "" };
        write!(out, "{separator}{}", json(&row?.iter().map(Json).collect::<Vec<_>>())?)?;
    }
    Ok(writeln!(out, "],\"affected\":{}}}", affected.unwrap_or(0))?)
}

fn json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(value).map_err(std::io::Error::from)?)
}

/// A value as JSON.
struct Json<'a>(&'a Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::SmallInt(value) => serializer.serialize_i16(*value),
            Value::Integer(value) => serializer.serialize_i32(*value),
            Value::BigInt(value) if value.unsigned_abs() <= JSON_INTEGER_MAX => serializer.serialize_i64(*value),
            Value::Real(value) if value.is_finite() => serializer.serialize_f32(*value),
            Value::Double(value) if value.is_finite() => serializer.serialize_f64(*value),
            other => serializer.collect_str(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type TestAnswer = Answer<std::vec::IntoIter<Result<Vec<Value>>>>;

    fn answer() -> TestAnswer {
        let column = |name: &str, data_type| Column { name: name.to_owned(), data_type, nullable: true };
        let columns = vec![column("n", DataType::BigInt), column("t", DataType::Text), column("d", DataType::Double)];
        let rows = vec![
            Ok(vec![Value::BigInt(1), Value::Text("a \"b\",\nc".into()), Value::Double(0.5)]),
            Ok(vec![Value::BigInt(i64::MAX), Value::Text(String::new()), Value::Double(f64::NAN)]),
            Ok(vec![Value::BigInt(-(1 << 53)), Value::Null, Value::Null]),
        ];
        Answer { tag: "SELECT 3".into(), affected: None, result: Some((columns, rows.into_iter())) }
    }

    fn written(format: RowFormat, answer: TestAnswer) -> String {
        let mut out = Vec::new();
        write(&mut out, format, answer).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_keeps_every_digit_in_one_line() {
        let text = written(RowFormat::Jsonl, answer());
        assert_eq!(text.matches('\n').count(), 1);
        let rows = r#"[[1,"a \"b\",\nc",0.5],["9223372036854775807","","NaN"],[-9007199254740992,null,null]]"#;
        let head = r#"{"ok":true,"columns":["n","t","d"],"types":["bigint","text","double precision"],"rows":"#;
        assert_eq!(text, format!("{head}{rows},\"affected\":0}}\n"));
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn an_error_is_one_line_too() {
        let mut out = Vec::new();
        write_json_error(&mut out, "42601", "syntax\nerror").unwrap();
        let line = r#"{"ok":false,"sqlstate":"42601","error":"syntax\nerror"}"#;
        assert_eq!(String::from_utf8(out).unwrap(), format!("{line}\n"));
    }

    #[test]
    fn reals_and_numerics_are_written_as_they_read() {
        let json = |value: Value| json(&Json(&value)).unwrap();
        assert_eq!(json(Value::Real(0.1)), "0.1");
        assert_eq!(json(Value::Numeric { unscaled: 1050, scale: 2 }), "\"10.50\"");
        assert_eq!(json(Value::Double(f64::NEG_INFINITY)), "\"-Infinity\"");
        assert_eq!(json(Value::BigInt((1 << 53) + 1)), "\"9007199254740993\"");
    }

    #[test]
    fn csv_tells_null_from_empty() {
        let text = written(RowFormat::Csv, answer());
        let rest = "9223372036854775807,\"\",NaN\n-9007199254740992,,\n";
        assert_eq!(text, format!("n,t,d\n1,\"a \"\"b\"\",\nc\",0.5\n{rest}"));
    }

    #[test]
    fn what_has_no_rows_says_what_was_done() {
        let done = || Answer { tag: "INSERT 0 2".into(), affected: Some(2), result: None };
        assert_eq!(written(RowFormat::Table, done()), "INSERT 0 2\n");
        assert_eq!(written(RowFormat::Csv, done()), "");
        let line = r#"{"ok":true,"columns":[],"types":[],"rows":[],"affected":2}"#;
        assert_eq!(written(RowFormat::Jsonl, done()), format!("{line}\n"));
        assert!(written(RowFormat::Table, answer()).ends_with("(3 rows)\n"));
    }
}
