//! Reading what is left of a damaged log. Never done by opening one, only when somebody asks for it by name.
//!
//! It changes nothing on disk: it hands out every group that verifies by itself, in order, and reports the ranges in between.
//! What to do with them is the caller's decision, typically to append them to a new log elsewhere and to tell somebody.
//!
//! Invariant: a group that is handed out is byte for byte what was appended. It deliberately gives no promise about groups that
//! were never acknowledged: those of a torn tail are handed out like any other if they verify.
//! Cost: one read of all segments.

use monostable_vfs::Storage;

use crate::error::{Damage, Error, Result};
use crate::format::{ALIGNMENT, GroupKind, SEGMENT_HEADER_BYTES, decode_records};
use crate::lsn::Lsn;
use crate::replay::Group;
use crate::segment::{SegmentReader, name_of, numbers};

/// What [`salvage`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Salvage {
    /// How many groups were handed out.
    pub groups: u64,
    /// The ranges between them that could not be read, in order.
    pub lost: Vec<Lost>,
}

/// A part of the log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lost {
    /// Name of the segment file.
    pub segment: String,
    /// Where in the file it begins.
    pub offset: u64,
    /// First position that is lost.
    pub from: Lsn,
    /// Where the log can be read again. Equal to `from` if that is unknown because the whole segment is unreadable.
    pub to: Lsn,
    /// What is wrong there.
    pub damage: Damage,
}

/// Hands every group that can still be read to `visit`, in order. Take the directory's lock first.
pub fn salvage(storage: &dyn Storage, mut visit: impl FnMut(Group)) -> Result<Salvage> {
    let mut salvage = Salvage::default();
    let mut readers = Vec::new();
    for number in numbers(storage)? {
        match SegmentReader::open(storage, number) {
            Ok(reader) => readers.push(reader),
            Err(Error::Corruption { damage, .. }) => {
                let segment = name_of(number);
                salvage.lost.push(Lost { segment, offset: 0, from: Lsn::ZERO, to: Lsn::ZERO, damage });
            }
            Err(error) => return Err(error),
        }
    }
    let ends: Vec<Option<Lsn>> = readers.iter().skip(1).map(|reader| Some(reader.header.first_lsn)).collect();
    for (index, reader) in readers.iter_mut().enumerate() {
        read_segment(reader, ends.get(index).copied().flatten(), &mut salvage, &mut visit)?;
    }
    Ok(salvage)
}

/// Reads one segment up to where the next one begins, block by block where there is no group.
fn read_segment(
    reader: &mut SegmentReader,
    end: Option<Lsn>,
    salvage: &mut Salvage,
    visit: &mut impl FnMut(Group),
) -> Result<()> {
    let limit = match end {
        Some(end) => reader.header.offset_of(end).min(reader.limit()?),
        None => reader.limit()?,
    };
    let mut claimed = reader.header.durable.max(end.unwrap_or(Lsn::ZERO));
    let mut broken: Option<(u64, Damage)> = None;
    let mut at = SEGMENT_HEADER_BYTES;
    while at < limit {
        if let Ok(header) = reader.header_at(at)? {
            claimed = claimed.max(header.durable);
        }
        let read = reader.group_at(at)?.and_then(|(header, payload)| {
            let records = decode_records(&payload, header.records)?;
            Ok((header, records))
        });
        match read {
            Ok((header, records)) => {
                if let Some((offset, damage)) = broken.take() {
                    salvage.lost.push(lost(reader, offset, header.start, damage));
                }
                at = at.saturating_add(header.bytes());
                if header.kind == GroupKind::Records {
                    salvage.groups += 1;
                    visit(Group { start: header.start, end: header.end(), records });
                }
            }
            Err(damage) => {
                broken.get_or_insert((at, damage));
                at += ALIGNMENT;
            }
        }
    }
    let (offset, damage) = broken.unwrap_or((limit, Damage::Short));
    if claimed > reader.header.lsn_of(offset) {
        salvage.lost.push(lost(reader, offset, claimed, damage));
    }
    Ok(())
}

fn lost(reader: &SegmentReader, offset: u64, to: Lsn, damage: Damage) -> Lost {
    Lost { segment: reader.name.clone(), offset, from: reader.header.lsn_of(offset), to, damage }
}
