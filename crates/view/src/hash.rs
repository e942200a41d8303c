//! The two hashes of the storage half: of a key, for hash indexes, and of a multiset of entries, for proofs.
//!
//! Both are XXH3, whose output is fixed by its specification, because both are written to disk. Neither guards against an
//! adversary; they guard against accidents.
//!
//! The multiset hash is linear: `hash(Z) = sum over entries of weight * H128(entry)`, modulo 2^128. So the hash of a sum of
//! Z-sets is the sum of their hashes whatever the order in which they are added, and a merge can prove that it neither
//! lost, nor invented, nor changed an entry.

use twox_hash::{XxHash3_64, XxHash3_128};

/// Hash of a whole key, as used by every hash index.
pub fn key_hash(key: &[u8]) -> u64 {
    XxHash3_64::oneshot(key)
}

/// The contribution of one entry to the multiset hash.
pub(crate) fn entry_hash(entry: &[u8], weight: i64) -> u128 {
    // A weight is taken modulo 2^128 in two's complement, which keeps the hash linear for negative weights too.
    XxHash3_128::oneshot(entry).wrapping_mul(i128::from(weight).cast_unsigned())
}
