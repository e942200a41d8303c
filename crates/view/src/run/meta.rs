//! `RunMeta`: everything about one run in a file, as the manifest and the file's footer hold it.
//!
//! It is written in full into the manifest, so that opening a database reads no run file. A decoded `RunMeta` has been
//! checked: its units lie inside the file, do not overflow, and are as many as its counts imply. So the rest of the crate may
//! add and multiply these numbers without a second thought.

use crate::bytes::{Reader, put_bytes};
use crate::run::fence;
use crate::run::index::{IndexShape, PAGE_LINES, bits_of};

/// A run is made of units of this many bytes, at offsets that are multiples of it.
pub(crate) const UNIT_BYTES: u64 = 4096;
/// The most units of blocks that one run can have: a position in an index has 32 bits for them.
pub(crate) const UNITS_MAX: u64 = u32::MAX as u64;
/// At most this many bytes of a run's first and last entry are kept.
pub(crate) const BOUND_BYTES_MAX: usize = 64;
/// The most bits that the number of an entry within its block takes.
const SLOT_BITS_MAX: u8 = 12;

/// One run in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunMeta {
    /// Drawn at random when the run is written; seeds its checksums.
    pub(crate) id: u128,
    /// Number of the file that it is in.
    pub(crate) file: u64,
    /// Length of that file.
    pub(crate) file_bytes: u64,
    /// Where the run begins, with its blocks; a multiple of [`UNIT_BYTES`].
    pub(crate) data_offset: u64,
    /// How many units the blocks take.
    pub(crate) units: u64,
    /// How many blocks there are.
    pub(crate) blocks: u64,
    /// How many units, after the blocks, the fences take.
    pub(crate) fence_units: u64,
    /// How many units, after the fences, the hash index takes; 0 if there is none.
    pub(crate) index_units: u64,
    /// Bits of a position in the index that number an entry within its block.
    pub(crate) slot_bits: u8,
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
        let units = [self.units, self.blocks, self.fence_units, self.index_units];
        for field in [self.file, self.file_bytes, self.data_offset].into_iter().chain(units) {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.push(self.slot_bits);
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
            fence_units: from.u64()?,
            index_units: from.u64()?,
            slot_bits: from.u8()?,
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
        let end = || {
            let units = self.units.checked_add(self.fence_units)?.checked_add(self.index_units)?;
            self.data_offset.checked_add(units.checked_mul(UNIT_BYTES)?)
        };
        self.data_offset.is_multiple_of(UNIT_BYTES)
            && (1..=UNITS_MAX).contains(&self.units)
            && (1..=self.units).contains(&self.blocks)
            && self.fence_units == fence::levels(self.blocks).sum::<u64>()
            && self.slot_bits <= SLOT_BITS_MAX
            && self.entries >= self.blocks
            && (1..=self.entries).contains(&self.keys)
            && usize::try_from(self.file_bytes).is_ok()
            && end().is_some_and(|end| end <= self.file_bytes)
    }

    /// Units of this run: blocks, fences and index.
    pub(crate) fn all_units(&self) -> u64 {
        self.units + self.fence_units + self.index_units
    }

    /// Bytes of the file that belong to this run.
    pub(crate) fn bytes(&self) -> u64 {
        self.all_units() * UNIT_BYTES
    }

    /// How the slots of its index are laid out.
    pub(crate) fn index_shape(&self) -> IndexShape {
        let position_max = self.index_position_max();
        IndexShape::new(self.index_units as usize * PAGE_LINES, bits_of(position_max).max(1), self.keys < self.entries)
    }

    /// The greatest position that its index may have to name.
    pub(crate) fn index_position_max(&self) -> u64 {
        (self.units - 1) << self.slot_bits | ((1 << self.slot_bits) - 1)
    }
}

fn bound(from: &mut Reader<'_>) -> Option<Vec<u8>> {
    from.sized().filter(|bytes| bytes.len() <= BOUND_BYTES_MAX).map(<[u8]>::to_vec)
}
