//! A hash index over the keys of one run: from a key's hash to the position of the key's first entry.
//!
//! Open addressing with linear probing over 8-byte slots. A slot is zero when free, else
//! `tag: 15 bits | many: 1 bit | position: 48 bits`, where the tag is the low bits of the hash (never zero), `many` says
//! that the key has more than one entry, and the position is opaque to the index. The home of a hash is the high part of
//! `hash * slots`, so the number of slots need not be a power of two; the tag comes from the other end of the hash.
//!
//! The index stores no keys: a candidate must be compared with the entry it points to. About one probe in 2^15 is in vain.
//! At most three of five slots are used, so that a search ends after a few slots, most often within one cache line.

const POSITION_BITS: u32 = 48;
const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;
const MANY: u64 = 1 << POSITION_BITS;
const TAG_SHIFT: u32 = POSITION_BITS + 1;

/// The first candidate positions are those that the index can name.
pub(crate) const POSITION_MAX: u64 = POSITION_MASK;

/// Where a key may start in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Position of the key's first entry.
    pub(crate) position: u64,
    /// Whether the key has more than one entry in this run.
    pub(crate) many: bool,
}

/// The number of slots for `keys` keys.
pub(crate) fn slots_for(keys: usize) -> usize {
    keys.saturating_add(keys / 3 * 2).saturating_add(2)
}

fn tag(hash: u64) -> u64 {
    (hash & 0x7fff).max(1)
}

fn home(hash: u64, slots: usize) -> usize {
    let product = u128::from(hash) * slots as u128;
    (product >> 64) as usize
}

/// The candidates for `hash` in an index of `slots` slots. Ends after at most `slots` steps, whatever the slots hold.
pub(crate) fn candidates<F: Fn(usize) -> u64>(hash: u64, slots: usize, load: F) -> impl Iterator<Item = Candidate> {
    let wanted = tag(hash);
    let mut at = if slots == 0 { 0 } else { home(hash, slots) };
    let mut left = slots;
    std::iter::from_fn(move || {
        while left > 0 {
            let slot = load(at);
            if slot == 0 {
                left = 0;
                return None;
            }
            left -= 1;
            at += 1;
            if at == slots {
                at = 0;
            }
            if slot >> TAG_SHIFT == wanted {
                return Some(Candidate { position: slot & POSITION_MASK, many: slot & MANY != 0 });
            }
        }
        None
    })
}

/// An index in memory, complete or being built.
#[derive(Debug)]
pub(crate) struct HashIndex {
    slots: Vec<u64>,
    last: usize,
}

impl HashIndex {
    /// An empty index with room for `keys` keys. More keys than that must not be inserted.
    pub(crate) fn with_capacity(keys: usize) -> HashIndex {
        HashIndex { slots: vec![0; slots_for(keys)], last: 0 }
    }

    /// Adds a key that is not in the index yet.
    pub(crate) fn insert(&mut self, hash: u64, position: u64) {
        debug_assert!(position <= POSITION_MAX);
        let mut at = home(hash, self.slots.len());
        while self.slots[at] != 0 {
            at += 1;
            if at == self.slots.len() {
                at = 0;
            }
        }
        self.slots[at] = tag(hash) << TAG_SHIFT | position;
        self.last = at;
    }

    /// Says that the key inserted last has more than one entry.
    pub(crate) fn mark_many(&mut self) {
        self.slots[self.last] |= MANY;
    }

    /// The candidates for a hash.
    pub(crate) fn candidates(&self, hash: u64) -> impl Iterator<Item = Candidate> + '_ {
        candidates(hash, self.slots.len(), |at| self.slots[at])
    }

    /// The slots, for writing them to a file.
    pub(crate) fn slots(&self) -> &[u64] {
        &self.slots
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.len() * 8
    }
}
