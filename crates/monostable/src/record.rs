//! The log record: what one group of commits changed in the tables, as bytes.
//!
//! It does not know how a row is encoded, what a table is called, or how the log frames and checks a record. It is the
//! only place that knows the layout below.
//!
//! Invariants: `decode(encode(x)) == x`, and every accepted record has exactly one encoding. Decoding never panics and
//! allocates at most a constant times the length of the record. Cost: linear in the bytes, no copy of a row on decode.
//!
//! Called by the commit pipeline (write) and by recovery (read).
//!
#![doc = include_str!("../FORMAT.md")]

/// The version that this code writes and reads.
const VERSION: u8 = 1;
/// The one kind of record: the changes of one group of commits.
const KIND_GROUP: u8 = 1;

/// Why a record could not be read. The log vouches for its bytes, so each of these means that the record was written by
/// something else: another version, or another program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("log record has version {0}, this build reads version {VERSION}: open the database with the newer build")]
    Version(u8),
    #[error("log record has the unknown kind {0}")]
    Kind(u8),
    #[error("log record ends at byte {at} of {len}, in the middle of {what}")]
    Short { what: &'static str, at: usize, len: usize },
    #[error("log record is not canonical at byte {at}: {what}")]
    NotCanonical { what: &'static str, at: usize },
}

/// Writes one record. Sections are added in ascending order of table id.
pub(crate) struct RecordWriter {
    bytes: Vec<u8>,
    tables: u16,
}

impl RecordWriter {
    /// Starts the record of `epoch`, made by `commits` transactions.
    pub(crate) fn new(epoch: u64, commits: u32) -> RecordWriter {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[VERSION, KIND_GROUP, 0, 0]);
        bytes.extend_from_slice(&commits.to_le_bytes());
        bytes.extend_from_slice(&epoch.to_le_bytes());
        RecordWriter { bytes, tables: 0 }
    }

    /// Adds the rows of one table. The iterator must yield exactly `rows` entries, with non-zero weights.
    pub(crate) fn table<'a>(&mut self, table: u32, rows: u32, entries: impl Iterator<Item = (&'a [u8], i64)>) {
        assert!(rows > 0, "an empty section is never written");
        self.bytes.extend_from_slice(&table.to_le_bytes());
        self.bytes.extend_from_slice(&rows.to_le_bytes());
        let mut written = 0u32;
        for (row, weight) in entries {
            assert!(weight != 0, "a row with weight zero is never written");
            let len = u32::try_from(row.len()).unwrap_or(u32::MAX);
            assert!(len as usize == row.len(), "a row longer than 4 GiB is refused before it is logged");
            self.bytes.extend_from_slice(&weight.to_le_bytes());
            self.bytes.extend_from_slice(&len.to_le_bytes());
            self.bytes.extend_from_slice(row);
            written += 1;
        }
        assert!(written == rows, "a section holds as many rows as it announces");
        self.tables += 1;
        self.bytes[2..4].copy_from_slice(&self.tables.to_le_bytes());
    }

    /// The finished record.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// The changes of one table in one group, borrowed from the record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section<'a> {
    pub(crate) table: u32,
    pub(crate) rows: Vec<(&'a [u8], i64)>,
}

/// A decoded record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) epoch: u64,
    pub(crate) commits: u32,
    pub(crate) sections: Vec<Section<'a>>,
}

impl<'a> Record<'a> {
    /// Reads a record and checks everything that `FORMAT.md` says a reader must check.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Record<'a>, RecordError> {
        let mut reader = Reader { bytes, at: 0 };
        let [version, kind] = reader.array("the header")?;
        if version != VERSION {
            return Err(RecordError::Version(version));
        }
        if kind != KIND_GROUP {
            return Err(RecordError::Kind(kind));
        }
        let tables = u16::from_le_bytes(reader.array("the header")?);
        let commits = u32::from_le_bytes(reader.array("the header")?);
        let epoch = u64::from_le_bytes(reader.array("the header")?);
        let mut sections: Vec<Section<'a>> = Vec::new();
        for _ in 0..tables {
            let at = reader.at;
            let section = reader.section()?;
            if sections.last().is_some_and(|last| last.table >= section.table) {
                return Err(RecordError::NotCanonical { what: "table ids do not ascend", at });
            }
            sections.push(section);
        }
        if reader.at != bytes.len() {
            return Err(RecordError::NotCanonical { what: "bytes follow the last section", at: reader.at });
        }
        Ok(Record { epoch, commits, sections })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], RecordError> {
        let end = self.at.checked_add(len);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or(RecordError::Short { what, at: self.at, len: self.bytes.len() })?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], RecordError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    fn section(&mut self) -> Result<Section<'a>, RecordError> {
        let table = u32::from_le_bytes(self.array("a section header")?);
        let count = u32::from_le_bytes(self.array("a section header")?);
        if count == 0 {
            return Err(RecordError::NotCanonical { what: "a section without rows", at: self.at });
        }
        // The count is a claim, so the capacity is bounded by what could really follow (12 bytes is the shortest entry).
        let most = (self.bytes.len() - self.at) / 12;
        let mut rows = Vec::with_capacity(most.min(count as usize));
        for _ in 0..count {
            let weight = i64::from_le_bytes(self.array("a weight")?);
            if weight == 0 {
                return Err(RecordError::NotCanonical { what: "a row with weight zero", at: self.at });
            }
            let len = u32::from_le_bytes(self.array("a row length")?);
            rows.push((self.take(len as usize, "a row")?, weight));
        }
        Ok(Section { table, rows })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> Vec<u8> {
        let mut writer = RecordWriter::new(7, 1);
        writer.table(3, 1, [(&b"ab"[..], 1)].into_iter());
        writer.table(9, 1, [(&b"c"[..], -2)].into_iter());
        writer.finish()
    }

    /// The bytes in `FORMAT.md`, taken from the page itself so that page and code cannot drift apart.
    fn example_on_the_page() -> Vec<u8> {
        let page = include_str!("../FORMAT.md");
        let example = page.split("## Worked example").nth(1).unwrap();
        let block = example.split("```").nth(1).unwrap().trim_start_matches("text");
        block.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    #[test]
    fn the_worked_example_is_what_is_written_and_read() {
        let bytes = example_on_the_page();
        assert_eq!(example(), bytes);
        let record = Record::decode(&bytes).unwrap();
        assert_eq!((record.epoch, record.commits), (7, 1));
        assert_eq!(record.sections[0], Section { table: 3, rows: vec![(b"ab", 1)] });
        assert_eq!(record.sections[1], Section { table: 9, rows: vec![(b"c", -2)] });
    }

    #[test]
    fn every_proper_prefix_is_refused() {
        let bytes = example();
        for len in 0..bytes.len() {
            assert!(Record::decode(&bytes[..len]).is_err(), "{len} bytes were accepted");
        }
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        let with = |at: usize, byte: u8| {
            let mut bytes = example();
            bytes[at] = byte;
            bytes
        };
        assert_eq!(Record::decode(&with(0, 2)), Err(RecordError::Version(2)));
        assert_eq!(Record::decode(&with(1, 9)), Err(RecordError::Kind(9)));
        assert!(matches!(Record::decode(&with(24, 0)), Err(RecordError::NotCanonical { .. })), "zero weight");
        assert!(matches!(Record::decode(&with(16, 9)), Err(RecordError::NotCanonical { .. })), "equal table ids");
        assert!(matches!(Record::decode(&with(20, 0)), Err(RecordError::NotCanonical { .. })), "empty section");
        let mut longer = example();
        longer.push(0);
        assert!(matches!(Record::decode(&longer), Err(RecordError::NotCanonical { .. })), "trailing byte");
    }

    type Sections = std::collections::BTreeMap<u32, Vec<(Vec<u8>, i64)>>;

    fn sections() -> impl Strategy<Value = Sections> {
        let row = (proptest::collection::vec(any::<u8>(), 0..8), any::<i64>().prop_filter("not zero", |w| *w != 0));
        proptest::collection::btree_map(any::<u32>(), proptest::collection::vec(row, 1..5), 0..4)
    }

    proptest! {
        #[test]
        fn any_group_comes_back(epoch: u64, commits: u32, tables in sections()) {
            let mut writer = RecordWriter::new(epoch, commits);
            for (table, rows) in &tables {
                writer.table(*table, rows.len() as u32, rows.iter().map(|(row, weight)| (&row[..], *weight)));
            }
            let bytes = writer.finish();
            let record = Record::decode(&bytes).unwrap();
            prop_assert_eq!((record.epoch, record.commits), (epoch, commits));
            let back: Sections = record.sections.iter()
                .map(|s| (s.table, s.rows.iter().map(|(row, weight)| (row.to_vec(), *weight)).collect())).collect();
            prop_assert_eq!(back, tables);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(record) = Record::decode(&bytes) {
                let mut writer = RecordWriter::new(record.epoch, record.commits);
                for section in &record.sections {
                    writer.table(section.table, section.rows.len() as u32, section.rows.iter().copied());
                }
                prop_assert_eq!(writer.finish(), bytes);
            }
        }
    }
}
