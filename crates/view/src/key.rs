//! How far the key reaches into an entry.
//!
//! The storage half knows nothing of columns; all it needs is the number of leading bytes that form the key, in order to
//! hash them. Keys are prefix-free (the row codec promises it), so that "starts with this key" and "has this key" agree.

use std::sync::Arc;

use monostable_types::RowCodec;

use crate::batch::begins_with;
use crate::error::Result;

/// Which part of an entry is its key.
#[derive(Clone, Debug)]
pub enum KeyExtent {
    /// The whole entry.
    Whole,
    /// The first `columns` columns of a row encoded with `codec`.
    Columns {
        /// Codec of at least the key columns.
        codec: Arc<RowCodec>,
        /// How many leading columns form the key.
        columns: usize,
    },
}

impl KeyExtent {
    /// The key of an entry.
    pub fn key<'a>(&self, entry: &'a [u8]) -> Result<&'a [u8]> {
        match self {
            KeyExtent::Whole => Ok(entry),
            KeyExtent::Columns { codec, columns } => {
                let bytes = codec.prefix_len(entry, *columns)?;
                Ok(entry.get(..bytes).unwrap_or(entry))
            }
        }
    }

    /// Whether `entry` has the key `key`, given that `key` is a whole key.
    pub(crate) fn matches(&self, entry: &[u8], key: &[u8]) -> bool {
        match self {
            KeyExtent::Whole => entry == key,
            KeyExtent::Columns { .. } => begins_with(entry, key),
        }
    }

    /// What a run file remembers of its extent: the number of key columns, or `u32::MAX` for whole entries.
    pub(crate) fn tag(&self) -> u32 {
        match self {
            KeyExtent::Whole => u32::MAX,
            KeyExtent::Columns { columns, .. } => u32::try_from(*columns).unwrap_or(u32::MAX - 1),
        }
    }
}
