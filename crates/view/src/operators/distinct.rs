//! `Distinct`: each row of the input once, if its weight is positive.
//!
//! Delta rule: with `w` the weight of a row after the change and `w - d` before it, the row is emitted with weight +1 when
//! it becomes positive, with -1 when it stops being positive, and not at all otherwise.
//! State: none of its own; it reads the `Arrange` below it, whose key is the whole row, after its change.
//! Cost: one lookup per changed row, whatever the size of the input.

use monostable_types::Weight;

use crate::batch::Batch;
use crate::delta::Delta;
use crate::failure::Failure;
use crate::layout::Layout;
use crate::spine::{Spine, WARM_KEYS};

/// The change of the distinct rows, for the change `batch` of an arrangement that is now `new`.
pub(crate) fn crossings(layout: &Layout, batch: &Batch, new: &Spine) -> Result<Delta, Failure> {
    let mut entries: Vec<&[u8]> = Vec::new();
    let mut weights: Vec<Weight> = Vec::new();
    let mut contents = new.seeker(batch.len());
    for (number, (entry, change)) in batch.iter().enumerate() {
        if number % WARM_KEYS == 0 {
            contents.warm_entries((number..batch.len().min(number + WARM_KEYS)).map(|at| batch.get(at).0))?;
        }
        let after = contents.weight(entry)?;
        let before = after.sub(change)?;
        match (before > Weight::ZERO, after > Weight::ZERO) {
            (false, true) => weights.push(Weight::ONE),
            (true, false) => weights.push(Weight::MINUS_ONE),
            _ => continue,
        }
        entries.push(entry);
    }
    Ok(Delta::encoded(layout.row(), layout.logical(entries.into_iter())?, weights))
}
