//! CSV as PostgreSQL's COPY reads and writes it.
//!
//! It splits bytes into records and fields and joins them again; it knows nothing of types or tables and does no IO of its
//! own beyond the `Read` and `Write` it is handed. PostgreSQL tells a quoted empty field (an empty string) from an unquoted
//! one (NULL under the default options), which general CSV readers do not, so the reader keeps that distinction.
//!
//! Invariants: what the writer writes, the reader reads back field for field, NULLs included, for every pair of options that
//! `Dialect::new` accepts (`round_trip` below). Input that is not CSV is an error with its line, never a guess: an open quote at
//! the end, a lone carriage return, bytes that are not UTF-8, a record beyond the limit.
//!
//! Cost: one pass, one copy of each byte into the record buffer, which is reused; memory is one record plus a fixed block.
//! Callers: `copy`.

use std::io::{Read, Write};

use crate::error::{Error, Result};

/// Bytes read from the source at a time.
const BLOCK_BYTES: usize = 64 * 1024;
/// A record longer than this is refused: without a bound, one missing quote would read the rest of a file into memory.
pub(crate) const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The characters and strings that give CSV its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    delimiter: u8,
    quote: u8,
    escape: u8,
    null: String,
    /// Whether the first line holds column names: written on the way out, skipped on the way in.
    pub(crate) header: bool,
}

impl Default for Dialect {
    fn default() -> Dialect {
        Dialect { delimiter: b',', quote: b'"', escape: b'"', null: String::new(), header: false }
    }
}

impl Dialect {
    /// Checks the options against each other, by PostgreSQL's rules.
    pub(crate) fn new(delimiter: char, quote: char, escape: char, null: &str, header: bool) -> Result<Dialect> {
        let dialect = Dialect {
            delimiter: single_byte("DELIMITER", delimiter)?,
            quote: single_byte("QUOTE", quote)?,
            escape: single_byte("ESCAPE", escape)?,
            null: null.to_owned(),
            header,
        };
        if dialect.delimiter == dialect.quote {
            return Err(invalid_option("COPY delimiter and quote must be different characters"));
        }
        if dialect.delimiter == dialect.escape {
            return Err(invalid_option("COPY delimiter and escape must be different characters"));
        }
        let null = null.as_bytes();
        if null.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(invalid_option("COPY NULL string cannot contain a line break"));
        }
        if null.contains(&dialect.delimiter) {
            return Err(invalid_option("COPY delimiter must not appear in the NULL string"));
        }
        if null.contains(&dialect.quote) {
            return Err(invalid_option("CSV quote character must not appear in the NULL string"));
        }
        Ok(dialect)
    }
}

fn single_byte(option: &str, character: char) -> Result<u8> {
    match u8::try_from(character) {
        Ok(byte) if byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0) => Ok(byte),
        _ => Err(invalid_option(&format!("COPY {option} must be one ASCII character and not a line break"))),
    }
}

fn invalid_option(message: &str) -> Error {
    Error::data("22023", message)
}

/// One record of a CSV source, borrowed from its reader.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    text: &'a str,
    fields: &'a [Field],
    null: &'a str,
    /// The line on which the record starts, counted from 1.
    pub(crate) line: u64,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    end: usize,
    quoted: bool,
}

impl<'a> Record<'a> {
    /// How many fields the record has: at least one.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The field at `index`, `None` for NULL (an unquoted field equal to the NULL string) and for an index past the end.
    pub(crate) fn get(&self, index: usize) -> Option<&'a str> {
        let field = self.fields.get(index)?;
        let start = if index == 0 { 0 } else { self.fields[index - 1].end };
        let text = &self.text[start..field.end];
        (field.quoted || text != self.null).then_some(text)
    }
}

/// Reads records from a byte source.
pub(crate) struct Reader<'r> {
    source: &'r mut dyn Read,
    dialect: Dialect,
    /// Whether a byte outside quotes is anything but a character of its field.
    special: [bool; 256],
    block: Vec<u8>,
    position: usize,
    line: u64,
    text: Vec<u8>,
    fields: Vec<Field>,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("dialect", &self.dialect).field("line", &self.line).finish_non_exhaustive()
    }
}

impl<'r> Reader<'r> {
    /// A reader at the start of `source`. The header, if the dialect has one, is the caller's to skip with `next`.
    pub(crate) fn new(source: &'r mut dyn Read, dialect: Dialect) -> Reader<'r> {
        let mut special = [false; 256];
        for byte in [dialect.quote, dialect.delimiter, b'\n', b'\r'] {
            special[usize::from(byte)] = true;
        }
        Reader {
            source,
            dialect,
            special,
            block: Vec::new(),
            position: 0,
            line: 1,
            text: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// The next record, or `None` at the end of the source.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>> {
        self.text.clear();
        self.fields.clear();
        let line = self.line;
        if self.peek()?.is_none() {
            return Ok(None);
        }
        self.read_record(line)?;
        let text = std::str::from_utf8(&self.text)
            .map_err(|_| Error::data("22021", format!("COPY line {line}: the text is not valid UTF-8")))?;
        // A field boundary is an ASCII byte in the source, so it never falls inside a character of valid UTF-8; a field
        // that is not valid by itself would have to share a character with its neighbour, which the check below refuses.
        if self.fields.iter().any(|field| !text.is_char_boundary(field.end)) {
            return Err(Error::data("22021", format!("COPY line {line}: the text is not valid UTF-8")));
        }
        Ok(Some(Record { text, fields: &self.fields, null: &self.dialect.null, line }))
    }

    /// Reads up to and including the line break that ends the record.
    fn read_record(&mut self, line: u64) -> Result<()> {
        let mut quoted = false;
        loop {
            self.read_plain(line)?;
            let Some(byte) = self.bump()? else { break };
            if byte == self.dialect.quote {
                quoted = true;
                self.read_quoted(line)?;
            } else if byte == self.dialect.delimiter {
                self.fields.push(Field { end: self.text.len(), quoted });
                quoted = false;
            } else if byte == b'\n' {
                self.line += 1;
                break;
            } else if byte == b'\r' && self.peek()? != Some(b'\n') {
                return Err(malformed(line, "a carriage return outside quotes is not followed by a line feed"));
            }
        }
        self.fields.push(Field { end: self.text.len(), quoted });
        Ok(())
    }

    /// Reads up to the next byte outside quotes that means something, or to the end of the source.
    fn read_plain(&mut self, line: u64) -> Result<()> {
        while self.peek()?.is_some() {
            let rest = &self.block[self.position..];
            let plain = rest.iter().position(|&byte| self.special[usize::from(byte)]);
            let end = plain.unwrap_or(rest.len());
            if self.text.len() + end > RECORD_BYTES_MAX {
                return Err(too_long(line));
            }
            self.text.extend_from_slice(&rest[..end]);
            self.position += end;
            if plain.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Reads from after an opening quote to after the closing one.
    fn read_quoted(&mut self, line: u64) -> Result<()> {
        while let Some(byte) = self.bump()? {
            if byte == self.dialect.escape {
                match self.peek()? {
                    Some(next) if next == self.dialect.quote || next == self.dialect.escape => {
                        self.bump()?;
                        self.push(next, line)?;
                        continue;
                    }
                    _ => {}
                }
            }
            if byte == self.dialect.quote {
                return Ok(());
            }
            if byte == b'\n' {
                self.line += 1;
            }
            self.push(byte, line)?;
        }
        Err(malformed(line, "a quoted field is not closed before the end of the data"))
    }

    fn push(&mut self, byte: u8, line: u64) -> Result<()> {
        if self.text.len() >= RECORD_BYTES_MAX {
            return Err(too_long(line));
        }
        self.text.push(byte);
        Ok(())
    }

    fn bump(&mut self) -> Result<Option<u8>> {
        let byte = self.peek()?;
        self.position += usize::from(byte.is_some());
        Ok(byte)
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        if self.position == self.block.len() {
            self.fill()?;
        }
        Ok(self.block.get(self.position).copied())
    }

    fn fill(&mut self) -> Result<()> {
        self.position = 0;
        self.block.resize(BLOCK_BYTES, 0);
        loop {
            match self.source.read(&mut self.block) {
                Ok(count) => {
                    self.block.truncate(count);
                    return Ok(());
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.block.clear();
                    return Err(Error::data("58030", format!("COPY could not read its source: {error}")));
                }
            }
        }
    }
}

fn too_long(line: u64) -> Error {
    let message =
        format!("COPY line {line}: the record is longer than {RECORD_BYTES_MAX} bytes; is a quote not closed?");
    Error::data("54000", message)
}

/// The line and a reason, as SQLSTATE 22P04 (bad copy file format).
pub(crate) fn malformed(line: u64, reason: &str) -> Error {
    Error::data("22P04", format!("COPY line {line}: {reason}"))
}

/// Writes records to a byte sink, a block at a time.
pub(crate) struct Writer<'w> {
    sink: &'w mut dyn Write,
    dialect: Dialect,
    block: Vec<u8>,
}

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl<'w> Writer<'w> {
    /// A writer that appends to `sink`. Nothing is guaranteed to have arrived before `finish`.
    pub(crate) fn new(sink: &'w mut dyn Write, dialect: Dialect) -> Writer<'w> {
        Writer { sink, dialect, block: Vec::with_capacity(BLOCK_BYTES) }
    }

    /// Appends one record; `None` is NULL.
    pub(crate) fn record<'a>(&mut self, fields: impl ExactSizeIterator<Item = Option<&'a str>>) -> Result<()> {
        let alone = fields.len() == 1;
        for (index, field) in fields.enumerate() {
            if index > 0 {
                self.block.push(self.dialect.delimiter);
            }
            match field {
                None => self.block.extend_from_slice(self.dialect.null.as_bytes()),
                Some(text) if self.needs_quotes(text, alone) => self.quoted(text),
                Some(text) => self.block.extend_from_slice(text.as_bytes()),
            }
        }
        self.block.push(b'\n');
        if self.block.len() >= BLOCK_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what is still held back.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.sink.flush().map_err(write_failed)
    }

    fn flush(&mut self) -> Result<()> {
        self.sink.write_all(&self.block).map_err(write_failed)?;
        self.block.clear();
        Ok(())
    }

    fn needs_quotes(&self, text: &str, alone: bool) -> bool {
        let Dialect { delimiter, quote, .. } = self.dialect;
        // PostgreSQL takes a line that holds only `\.` for the end of the data.
        text == self.dialect.null
            || (alone && text == "\\.")
            || text.bytes().any(|byte| byte == delimiter || byte == quote || matches!(byte, b'\r' | b'\n'))
    }

    fn quoted(&mut self, text: &str) {
        let Dialect { quote, escape, .. } = self.dialect;
        self.block.push(quote);
        for byte in text.bytes() {
            if byte == quote || byte == escape {
                self.block.push(escape);
            }
            self.block.push(byte);
        }
        self.block.push(quote);
    }
}

fn write_failed(error: std::io::Error) -> Error {
    Error::data("58030", format!("COPY could not write to its target: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Records = Vec<Vec<Option<String>>>;

    fn read(bytes: &[u8], dialect: &Dialect) -> Result<Records> {
        let mut source = bytes;
        let mut reader = Reader::new(&mut source, dialect.clone());
        let mut records = Vec::new();
        while let Some(record) = reader.next()? {
            records.push((0..record.len()).map(|index| record.get(index).map(str::to_owned)).collect());
        }
        Ok(records)
    }

    fn write(records: &Records, dialect: &Dialect) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, dialect.clone());
        for record in records {
            writer.record(record.iter().map(Option::as_deref)).unwrap();
        }
        writer.finish().unwrap();
        bytes
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn quoted_empty_is_a_string_and_unquoted_empty_is_null() {
        let records = read(b"a,,\"\"\r\n\"x\"\"y\",\"1\n2\",b", &Dialect::default()).unwrap();
        assert_eq!(records[0], vec![Some("a".into()), None, Some(String::new())]);
        assert_eq!(records[1], some(&["x\"y", "1\n2", "b"]));
        assert_eq!(records.len(), 2);
    }

    #[test]
    fn a_null_string_is_null_only_without_quotes() {
        let dialect = Dialect::new(';', '"', '"', "NA", true).unwrap();
        let records = read(b"NA;\"NA\";", &dialect).unwrap();
        assert_eq!(records[0], vec![None, Some("NA".into()), Some(String::new())]);
    }

    #[test]
    fn malformed_input_is_an_error_with_its_line() {
        for (bytes, sqlstate, line) in [
            (&b"a\n\"open"[..], "22P04", "line 2"),
            (b"a\rb\n", "22P04", "line 1"),
            (b"\xff\n", "22021", "line 1"),
            (b"\xc3,\xa4\n", "22021", "line 1"),
        ] {
            let error = read(bytes, &Dialect::default()).unwrap_err();
            assert_eq!(error.sqlstate(), sqlstate, "{error}");
            assert!(error.to_string().contains(line), "{error}");
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for (delimiter, quote, escape, null) in [
            (',', ',', '"', ""),
            (',', '"', ',', ""),
            ('\n', '"', '"', ""),
            ('ä', '"', '"', ""),
            (',', '"', '"', "a,b"),
        ] {
            let error = Dialect::new(delimiter, quote, escape, null, false).unwrap_err();
            assert_eq!(error.sqlstate(), "22023");
        }
    }

    #[test]
    fn a_record_that_spans_blocks_is_read_whole() {
        let long = "x".repeat(BLOCK_BYTES + 7);
        let records = vec![vec![Some(long.clone()), None], vec![Some(format!("{long}\"\n")), Some(String::new())]];
        let dialect = Dialect::default();
        assert_eq!(read(&write(&records, &dialect), &dialect).unwrap(), records);
    }

    fn field() -> impl Strategy<Value = Option<String>> {
        prop_oneof![
            Just(None),
            Just(Some(String::new())),
            Just(Some("\\.".to_owned())),
            "[a\"\\\\,;\r\nNAé ]{0,6}".prop_map(Some),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(
            records in (1_usize..4).prop_flat_map(|width| proptest::collection::vec(proptest::collection::vec(field(), width), 0..6)),
            delimiter in prop_oneof![Just(','), Just(';'), Just('\t')],
            escape in prop_oneof![Just('"'), Just('\\')],
            null in prop_oneof![Just(""), Just("NA"), Just("\\N")],
        ) {
            let dialect = Dialect::new(delimiter, '"', escape, null, false).unwrap();
            prop_assert_eq!(read(&write(&records, &dialect), &dialect).unwrap(), records);
        }

        #[test]
        fn any_bytes_end_in_records_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes, &Dialect::default());
        }
    }
}
