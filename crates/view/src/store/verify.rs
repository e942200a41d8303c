//! Verification: read what is on the disk and compare it with what was promised.
//!
//! `verify` reads everything at once, for an operator who asks; `scrub` computes the checksums of a few blocks at a time, so
//! that damage in data that nobody reads is found while a backup still exists.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::hash::entry_hash;
use crate::merge::Progress;
use crate::run::file::{FileRun, RunFile, damaged};
use crate::run::footer;
use crate::run::meta::{RunMeta, UNIT_BYTES};
use crate::run::{Direction, Run};
use crate::store::Store;

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes verified.
    pub bytes_done: u64,
    /// Bytes to verify.
    pub bytes_total: u64,
}

/// What a verification found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Files verified, the manifest not counted.
    pub files: usize,
    /// Entries read.
    pub entries: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Everything that is wrong; empty if all is well.
    pub damages: Vec<Error>,
}

/// Where a scrub stands. Start with the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubCursor {
    file: u64,
    data_offset: u64,
    unit: u64,
}

impl Store {
    /// Reads every byte of every file and checks all that is promised of it: checksums, order, counts, sums and hashes. Goes
    /// on after damage, in order to report all of it.
    pub fn verify(&self, mut progress: impl FnMut(VerifyProgress)) -> VerifyReport {
        let mut report = VerifyReport::default();
        let (files, mut runs) = {
            let inner = self.inner.lock();
            report.damages.extend(inner.manifest.verify().err());
            let runs: Vec<RunMeta> = inner.manifest.state().runs().cloned().collect();
            (inner.files.clone(), runs)
        };
        runs.sort_by_key(|run| (run.file, run.data_offset));
        let bytes_total = files.values().map(|file| file.mapping.bytes().len() as u64).sum();
        for (&number, file) in &files {
            let expected = runs.iter().filter(|run| run.file == number);
            report.damages.extend(verify_file(file, number, expected.clone()).err());
            for run in expected {
                report.damages.extend(verify_run(file, run).err());
                report.entries += run.entries;
            }
            report.files += 1;
            report.bytes += file.mapping.bytes().len() as u64;
            progress(VerifyProgress { bytes_done: report.bytes, bytes_total });
        }
        report
    }

    /// Computes the checksums of about `bytes_budget` bytes of runs, from where `cursor` stands, whether or not they were
    /// computed before. `Ready` means that a pass is complete; the cursor then stands at the beginning again.
    pub fn scrub(&self, cursor: &mut ScrubCursor, bytes_budget: u64) -> Result<Progress> {
        let mut left = bytes_budget.div_ceil(UNIT_BYTES).max(1);
        while left > 0 {
            let Some((file, meta)) = self.run_from(cursor) else {
                *cursor = ScrubCursor::default();
                return Ok(Progress::Ready);
            };
            if (meta.file, meta.data_offset) != (cursor.file, cursor.data_offset) {
                *cursor = ScrubCursor { file: meta.file, data_offset: meta.data_offset, unit: 0 };
            }
            let run = FileRun::new(file, meta, 0)?;
            while left > 0 && cursor.unit < run.meta.all_units() {
                let units = run.scrub(cursor.unit)?;
                cursor.unit += units;
                left = left.saturating_sub(units);
            }
            if cursor.unit >= run.meta.all_units() {
                cursor.data_offset += 1;
                cursor.unit = 0;
            }
        }
        Ok(Progress::Working)
    }

    /// The first run at or after a cursor, in the order of files and offsets.
    fn run_from(&self, cursor: &ScrubCursor) -> Option<(Arc<RunFile>, RunMeta)> {
        let inner = self.inner.lock();
        let after = |run: &&RunMeta| (run.file, run.data_offset) >= (cursor.file, cursor.data_offset);
        let next = inner.manifest.state().runs().filter(after).min_by_key(|run| (run.file, run.data_offset))?;
        Some((Arc::clone(inner.files.get(&next.file)?), next.clone()))
    }
}

/// The header and the footer of a file, which must agree with the manifest about the runs that it still names.
fn verify_file<'a>(file: &RunFile, number: u64, mut named: impl Iterator<Item = &'a RunMeta>) -> Result<()> {
    footer::check_header(file, number)?;
    let runs = footer::decode(file, number)?;
    if named.all(|run| runs.contains(run)) {
        return Ok(());
    }
    Err(damaged(file, 0, "its footer and the manifest disagree"))
}

/// Everything that the metadata of a run promises, on a view of it that has verified nothing yet.
fn verify_run(file: &Arc<RunFile>, meta: &RunMeta) -> Result<()> {
    let run = Arc::new(FileRun::new(Arc::clone(file), meta.clone(), 0)?);
    let wrong = |what| damaged(file, meta.data_offset, what);
    let mut before: Option<&[u8]> = None;
    let (mut entries, mut hash, mut weight_sum) = (0u64, 0u128, 0i128);
    let whole = Run::File(Arc::clone(&run));
    let mut cursor = whole.verifying_cursor(run.everything())?;
    while let Some(at) = &mut cursor {
        if before.is_some_and(|before| before >= at.entry) {
            return Err(wrong("its entries are out of order"));
        }
        before = Some(at.entry);
        entries += 1;
        hash = hash.wrapping_add(entry_hash(at.entry, at.weight));
        weight_sum += i128::from(at.weight);
        if !at.advance(Direction::Ascending)? {
            break;
        }
    }
    if (entries, hash, weight_sum) != (meta.entries, meta.hash, meta.weight_sum) {
        return Err(wrong("its entries are not the ones that were written"));
    }
    verify_directory(&run)
}

/// The fences and the index of a run whose blocks were verified.
fn verify_directory(run: &FileRun) -> Result<()> {
    let wrong = |unit: u64, what| damaged(&run.file, run.meta.data_offset + unit * UNIT_BYTES, what);
    let (mut blocks, mut unit) = (0, 0);
    while unit < run.meta.units {
        if !run.fences_describe(blocks, unit)? {
            return Err(wrong(run.meta.units, "its fences are of another run"));
        }
        unit += run.block(unit)?.units();
        blocks += 1;
    }
    if blocks != run.meta.blocks {
        return Err(wrong(run.meta.units, "its fences are of another run"));
    }
    if run.meta.index_units > 0 && run.index_keys()? != run.meta.keys {
        let start = run.meta.units + run.meta.fence_units;
        return Err(wrong(start, "its hash index has another number of keys"));
    }
    Ok(())
}
