//! `Interner`: byte strings to dense numbers.
//!
//! Equal strings get equal numbers, and new strings the next number, from 0. An open-addressed table of numbers, the hashes
//! beside it and the strings in one arena: nothing is allocated per string. The caller hashes, because it has the hash of most
//! strings already; the quality of the hash decides the cost and nothing else.
//!
//! Cost: one probe, most often, and one comparison of strings whose hashes agree.

use crate::Rows;

/// Slots of the smallest table. A power of two, as every table's.
const SLOTS_MIN: usize = 16;

/// Byte strings, numbered in the order in which they came.
#[derive(Debug, Clone, Default)]
pub struct Interner {
    /// Numbers plus one, 0 where free; a power of two of them, at most half of them used.
    slots: Vec<u32>,
    hashes: Vec<u64>,
    strings: Rows,
}

impl Interner {
    /// An interner without strings.
    #[must_use]
    pub fn new() -> Interner {
        Interner::default()
    }

    /// How many different strings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Bytes in use: the strings, their places and hashes, and the slots by which they are found.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.strings.byte_len() + self.hashes.len() * size_of::<(usize, u64)>() + size_of_val(self.slots.as_slice())
    }

    /// All strings, in the order of their numbers.
    #[must_use]
    pub fn strings(&self) -> &Rows {
        &self.strings
    }

    /// The hash with which the string of this number came.
    ///
    /// # Panics
    /// If there is no such string.
    #[must_use]
    pub fn hash(&self, number: usize) -> u64 {
        self.hashes[number]
    }

    /// The number of a string whose hash is `hash`, and whether it is new.
    ///
    /// # Panics
    /// With more than 2^32 - 2 strings.
    #[inline]
    pub fn intern(&mut self, hash: u64, string: &[u8]) -> (usize, bool) {
        if self.hashes.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let slot = match self.probe(hash, string) {
            Ok(number) => return (number, false),
            Err(slot) => slot,
        };
        let number = self.hashes.len();
        assert!(number < u32::MAX as usize - 1, "numbers have 32 bits");
        self.slots[slot] = number as u32 + 1;
        self.hashes.push(hash);
        self.strings.push(string);
        (number, true)
    }

    /// The number of a string, if it has one.
    #[must_use]
    pub fn find(&self, hash: u64, string: &[u8]) -> Option<usize> {
        if self.slots.is_empty() { None } else { self.probe(hash, string).ok() }
    }

    /// The number of a string, or the slot where it belongs.
    #[inline]
    fn probe(&self, hash: u64, string: &[u8]) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            match self.slots[slot] {
                0 => return Err(slot),
                taken => {
                    let number = taken as usize - 1;
                    if self.hashes[number] == hash && self.strings.row(number) == string {
                        return Ok(number);
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(SLOTS_MIN);
        self.slots = vec![0; slots];
        for (number, hash) in (1..).zip(&self.hashes) {
            let mut slot = *hash as usize & (slots - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (slots - 1);
            }
            self.slots[slot] = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// A build is bounded by this: what a string takes is counted, and once however often it comes.
    #[test]
    fn bytes_are_those_of_different_strings() {
        let mut interner = Interner::new();
        interner.intern(1, b"short");
        let before = interner.byte_len();
        assert!((5..1_000).contains(&before), "{before}");
        interner.intern(2, &[7; 100_000]);
        let after = interner.byte_len();
        assert!((100_000..101_000).contains(&(after - before)), "{after}");
        interner.intern(2, &[7; 100_000]);
        assert_eq!(interner.byte_len(), after);
    }

    proptest! {
        #[test]
        fn it_numbers_as_a_map_does_whatever_the_hash(
            strings in proptest::collection::vec(proptest::collection::vec(0_u8..3, 0..4), 0..200),
            spread in prop::sample::select(vec![0_u64, 1, 0x9E37_79B9_7F4A_7C15]),
        ) {
            let hash = |string: &[u8]| string.iter().fold(1, |h: u64, &b| h * 31 + u64::from(b)).wrapping_mul(spread);
            let mut interner = Interner::new();
            let mut model: HashMap<Vec<u8>, usize> = HashMap::new();
            for string in &strings {
                let next = model.len();
                let number = *model.entry(string.clone()).or_insert(next);
                prop_assert_eq!(interner.intern(hash(string), string), (number, number == next && model.len() > next));
            }
            prop_assert_eq!(interner.len(), model.len());
            for (string, number) in &model {
                prop_assert_eq!(interner.find(hash(string), string), Some(*number));
                prop_assert_eq!(interner.strings().row(*number), string.as_slice());
            }
            prop_assert_eq!(interner.find(0, b"absent"), None);
        }
    }
}
