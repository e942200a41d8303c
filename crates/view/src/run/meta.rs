//! `RunMeta`: everything about one run in a file, as the manifest and the file's footer hold it.
//!
//! It is written in full into the manifest, so that opening a database reads no run file. A decoded `RunMeta` has been
//! checked: its sections lie in order inside the file, do not overflow, and have the lengths that their counts imply. So the
//! rest of the crate may add and multiply these numbers without a second thought.

use crate::bytes::{Reader, put_bytes};

/// Blocks are made of units of this many bytes, at offsets that are multiples of it.
pub(crate) const UNIT_BYTES: u64 = 4096;
/// The most units that one run can have: a position has 32 bits for them.
pub(crate) const UNITS_MAX: u64 = u32::MAX as u64;
/// At most this many bytes of a run's first and last entry are kept.
pub(crate) const BOUND_BYTES_MAX: usize = 64;

/// A range of a file with its checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
}

/// One run in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunMeta {
    /// Drawn at random when the run is written; seeds its checksums.
    pub(crate) id: u128,
    /// Number of the file that it is in.
    pub(crate) file: u64,
    /// Length of that file.
    pub(crate) file_bytes: u64,
    /// Where the blocks begin; a multiple of [`UNIT_BYTES`].
    pub(crate) data_offset: u64,
    /// How many units the blocks take.
    pub(crate) units: u64,
    /// How many blocks there are.
    pub(crate) blocks: u64,
    pub(crate) fences: Section,
    pub(crate) index: Section,
    pub(crate) entries: u64,
    pub(crate) keys: u64,
    /// The width of every entry, or 0 when they differ.
    pub(crate) width: u32,
    /// Whether every weight is 1.
    pub(crate) unit_weights: bool,
    /// Which columns are the key: see `KeyExtent::tag`.
    pub(crate) extent: u32,
    pub(crate) weight_sum: i128,
    pub(crate) hash: u128,
    pub(crate) epochs: (u64, u64),
    pub(crate) lsns: (u64, u64),
    /// The first bytes of the least entry.
    pub(crate) first: Vec<u8>,
    /// The first bytes of the greatest entry.
    pub(crate) last: Vec<u8>,
}

impl RunMeta {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        for field in [self.file, self.file_bytes, self.data_offset, self.units, self.blocks] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        for section in [&self.fences, &self.index] {
            out.extend_from_slice(&section.offset.to_le_bytes());
            out.extend_from_slice(&section.bytes.to_le_bytes());
            out.extend_from_slice(&section.crc.to_le_bytes());
        }
        out.extend_from_slice(&self.entries.to_le_bytes());
        out.extend_from_slice(&self.keys.to_le_bytes());
        out.extend_from_slice(&self.width.to_le_bytes());
        out.push(u8::from(self.unit_weights));
        out.extend_from_slice(&self.extent.to_le_bytes());
        out.extend_from_slice(&self.weight_sum.to_le_bytes());
        out.extend_from_slice(&self.hash.to_le_bytes());
        for field in [self.epochs.0, self.epochs.1, self.lsns.0, self.lsns.1] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        put_bytes(out, &self.first);
        put_bytes(out, &self.last);
    }

    /// `None` unless the bytes describe a run that can exist.
    pub(crate) fn decode(from: &mut Reader<'_>) -> Option<RunMeta> {
        let meta = RunMeta {
            id: from.u128()?,
            file: from.u64()?,
            file_bytes: from.u64()?,
            data_offset: from.u64()?,
            units: from.u64()?,
            blocks: from.u64()?,
            fences: section(from)?,
            index: section(from)?,
            entries: from.u64()?,
            keys: from.u64()?,
            width: from.u32()?,
            unit_weights: match from.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
            extent: from.u32()?,
            weight_sum: from.u128()?.cast_signed(),
            hash: from.u128()?,
            epochs: (from.u64()?, from.u64()?),
            lsns: (from.u64()?, from.u64()?),
            first: bound(from)?,
            last: bound(from)?,
        };
        meta.is_possible().then_some(meta)
    }

    fn is_possible(&self) -> bool {
        let data_end = || self.data_offset.checked_add(self.units.checked_mul(UNIT_BYTES)?);
        let fences_end = || self.fences.offset.checked_add(self.fences.bytes);
        let index_end = || self.index.offset.checked_add(self.index.bytes);
        self.data_offset.is_multiple_of(UNIT_BYTES)
            && (1..=UNITS_MAX).contains(&self.units)
            && (1..=self.units).contains(&self.blocks)
            && self.entries >= self.blocks
            && (1..=self.entries).contains(&self.keys)
            && self.index.bytes.is_multiple_of(8)
            && usize::try_from(self.file_bytes).is_ok()
            && data_end().is_some_and(|end| end <= self.fences.offset)
            && fences_end().is_some_and(|end| end <= self.index.offset)
            && index_end().is_some_and(|end| end <= self.file_bytes)
    }

    /// Bytes of the file that belong to this run.
    pub(crate) fn bytes(&self) -> u64 {
        self.units * UNIT_BYTES + self.fences.bytes + self.index.bytes
    }
}

fn section(from: &mut Reader<'_>) -> Option<Section> {
    Some(Section { offset: from.u64()?, bytes: from.u64()?, crc: from.u32()? })
}

fn bound(from: &mut Reader<'_>) -> Option<Vec<u8>> {
    from.sized().filter(|bytes| bytes.len() <= BOUND_BYTES_MAX).map(<[u8]>::to_vec)
}
