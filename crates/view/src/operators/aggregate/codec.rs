//! The bytes of an aggregate's state: numbers of variable length.
//!
//! Unsigned numbers are base 128, low groups first, with the high bit set on all bytes but the last; signed ones are folded
//! (0, -1, 1, -2, ..) first. A [`Reader`] takes any bytes and gives `None` at the first that the writer would not have
//! written: such state is damaged.

use arrow_buffer::i256;

/// So many groups fit into 64 bits.
const GROUPS_IN_WORD: usize = 9;

/// Appends an unsigned number.
pub(crate) fn put_unsigned(out: &mut Vec<u8>, number: u64) {
    put_groups(out, number.into());
}

/// Appends a signed number.
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i128) {
    put_groups(out, ((number << 1) ^ (number >> 127)).cast_unsigned());
}

/// Appends a signed number of 256 bits: folded, its high half, then its low half.
pub(crate) fn put_wide(out: &mut Vec<u8>, number: i256) {
    let folded: i256 = (number << 1_u8) ^ (number >> 255_u8);
    let (low, high) = folded.to_parts();
    put_groups(out, high.cast_unsigned());
    put_groups(out, low);
}

fn put_groups(out: &mut Vec<u8>, mut number: u128) {
    // Most numbers fit into a register, and shifting two of them takes several times as long.
    if let Ok(mut number) = u64::try_from(number) {
        while number >= 0x80 {
            out.push(number as u8 | 0x80);
            number >>= 7;
        }
        return out.push(number as u8);
    }
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads numbers from the front of bytes.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        u64::try_from(self.groups()?).ok()
    }

    pub(crate) fn signed(&mut self) -> Option<i128> {
        let folded = self.groups()?;
        Some((folded >> 1).cast_signed() ^ -((folded & 1).cast_signed()))
    }

    pub(crate) fn wide(&mut self) -> Option<i256> {
        let (high, low) = (self.groups()?, self.groups()?);
        let sign = (low & 1).wrapping_neg();
        let (low, high) = (low >> 1 | high << 127, high >> 1);
        Some(i256::from_parts(low ^ sign, (high ^ sign).cast_signed()))
    }

    fn groups(&mut self) -> Option<u128> {
        let mut low: u64 = 0;
        for (index, &byte) in self.bytes.iter().take(GROUPS_IN_WORD).enumerate() {
            low |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.bytes = &self.bytes[index + 1..];
                // A number ends with a group that is not zero, unless it is zero.
                return (index == 0 || byte != 0).then_some(low.into());
            }
        }
        self.long_groups()
    }

    /// A number of more groups than a register holds.
    #[cold]
    fn long_groups(&mut self) -> Option<u128> {
        let mut number: u128 = 0;
        for index in 0..19 {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            let group = u128::from(byte & 0x7f);
            // The nineteenth group has room for two bits only.
            if index == 18 && group > 3 {
                return None;
            }
            number |= group << (7 * index);
            if byte & 0x80 == 0 {
                return (index == 0 || group != 0).then_some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_numbers_survive() {
        for number in (0..255).map(|bit| i256::ONE << bit).chain([i256::ZERO, i256::MAX, i256::MIN]) {
            for number in [number, number.wrapping_neg(), number.wrapping_sub(i256::ONE)] {
                let mut bytes = Vec::new();
                put_wide(&mut bytes, number);
                let mut reader = Reader::new(&bytes);
                assert_eq!((reader.wide(), reader.is_at_end()), (Some(number), true));
            }
        }
    }

    #[test]
    fn numbers_survive_at_every_length_and_nothing_else_is_read() {
        let mut numbers = vec![0, -1, 1, i128::MAX, i128::MIN, i64::MAX.into(), i64::MIN.into()];
        numbers.extend((0..127).flat_map(|bit| [1_i128 << bit, -(1_i128 << bit)]));
        for number in numbers {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, number);
            let mut reader = Reader::new(&bytes);
            assert_eq!((reader.signed(), reader.is_at_end()), (Some(number), true));
            assert_eq!(Reader::new(&bytes[..bytes.len() - 1]).signed(), None, "a truncated number is no number");
        }
        assert_eq!(Reader::new(&[0x80, 0x00]).signed(), None, "a longer form of zero");
        assert_eq!(Reader::new(&[0xff; 19]).signed(), None);
    }
}
