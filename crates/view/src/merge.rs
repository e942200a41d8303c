//! Merging runs: add the weights of equal entries, drop what cancels, and prove that nothing else happened.
//!
//! Every merge compares the multiset hash of its output with the sum of its inputs' hashes before anybody can see the
//! output. The hash is linear, so the two are equal exactly when (up to a chance of 2^-128) the Z-sets are.

use crate::batch::{Batch, BatchBuilder};
use crate::error::{Error, Result};

/// The sum of a few batches. Blocks for its whole length: for small ones.
pub(crate) fn merge_in_memory(inputs: &[&Batch]) -> Result<Batch> {
    let entries = inputs.iter().map(|batch| batch.len()).sum();
    let bytes = inputs.iter().map(|batch| batch.entry_bytes()).sum();
    let mut builder = BatchBuilder::with_capacity(entries, bytes);
    let mut at = vec![0; inputs.len()];
    let head = |at: &[usize], input: usize| (at[input] < inputs[input].len()).then(|| inputs[input].entry(at[input]));
    while let Some(entry) = (0..inputs.len()).filter_map(|input| head(&at, input)).min() {
        let mut sum: i64 = 0;
        for input in 0..inputs.len() {
            if head(&at, input) == Some(entry) {
                sum = sum.checked_add(inputs[input].weight(at[input])).ok_or(Error::WeightOverflow)?;
                at[input] += 1;
            }
        }
        if sum != 0 {
            builder.push(entry, sum)?;
        }
    }
    let output = builder.finish();
    let expected = inputs.iter().fold(0u128, |sum, batch| sum.wrapping_add(batch.hash()));
    check(expected, output.hash())?;
    Ok(output)
}

/// Fails when a merge's output is not the sum of its inputs.
pub(crate) fn check(expected: u128, found: u128) -> Result<()> {
    if expected == found { Ok(()) } else { Err(Error::MergeMismatch { expected, found }) }
}
