//! Checkpoints: the runs in memory of many arrangements become runs in one file.
//!
//! The spines given are values, so commits go on meanwhile on their successors; those must have been sealed (see
//! [`Spine::seal`]), or else a merge may take a run away that the checkpoint replaces. Nothing waits for merges.
//!
//! Steps: write the file under a temporary name, sync it, make it read-only, rename it, sync the directory, then commit one
//! edit of the manifest. A crash anywhere before the edit is durable leaves the state before, and a file that the next opening
//! removes.

use std::collections::BTreeMap;
use std::sync::Arc;

use monostable_types::{Epoch, Lsn};

use crate::error::{Error, Result};
use crate::manifest::state::{ArrangementEdit, Edit};
use crate::merge::{Replacement, write_sum};
use crate::run::Run;
use crate::run::file::{FileRun, RunFile};
use crate::run::meta::RunMeta;
use crate::run::writer::{Bounds, FileWriter, RunWriter};
use crate::spine::Spine;
use crate::store::{ArrangementId, Inner, Store};
use crate::warming::warm;

/// What a checkpoint makes durable.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointInput<'a> {
    /// The epoch of all spines.
    pub epoch: Epoch,
    /// Up to where the log is contained in them.
    pub lsn: Lsn,
    /// The catalog at that epoch.
    pub catalog: &'a [u8],
    /// All arrangements. The manifest forgets those that are not here.
    pub spines: &'a [CheckpointSpine<'a>],
}

/// One arrangement in a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointSpine<'a> {
    /// Its name.
    pub id: ArrangementId,
    /// What it holds, for finding it again at the next opening. Only stored; an identity that differs from the stored one
    /// makes it another arrangement.
    pub identity: &'a [u8],
    /// Its content.
    pub spine: &'a Spine,
}

/// What a checkpoint did.
#[derive(Debug)]
pub struct Checkpoint {
    /// Which runs replace which, for [`Spine::install`] on the live spines. Arrangements without runs in memory are absent.
    pub replacements: Vec<(ArrangementId, Replacement)>,
    /// Length of the new file, 0 if none was needed.
    pub file_bytes: u64,
}

/// The new file with the index in `spines` of each of its runs.
struct Written {
    file: Arc<RunFile>,
    runs: BTreeMap<usize, RunMeta>,
}

impl Store {
    /// Makes spines, catalog, epoch and log position durable, all at once. One checkpoint runs at a time; others wait.
    pub fn checkpoint(&self, input: &CheckpointInput<'_>) -> Result<Checkpoint> {
        let _one_at_a_time = self.checkpointing.lock();
        let written = self.write_runs(input)?;
        let mut inner = self.inner.lock();
        // From here on the file belongs to the store: if the edit fails, the next one finds it unnamed and retires it.
        if let Some(Written { file, runs }) = &written
            && let Some(number) = runs.values().next().map(|run| run.file)
        {
            inner.files.insert(number, Arc::clone(file));
        }
        let edit = checkpoint_edit(&inner, input, written.as_ref())?;
        let replacements = replacements(input, written.as_ref())?;
        inner.commit(&edit)?;
        drop(inner);
        replacements.iter().filter_map(|(_, replacement)| replacement.output.as_ref()).for_each(warm);
        let file_bytes = written.map_or(0, |written| written.file.mapping.bytes().len() as u64);
        Ok(Checkpoint { replacements, file_bytes })
    }

    fn write_runs(&self, input: &CheckpointInput<'_>) -> Result<Option<Written>> {
        if input.spines.iter().all(|spine| spine.spine.all_memory_runs().is_empty()) {
            return Ok(None);
        }
        let (mut file, _) = self.create_file()?;
        match self.write_spines(input, &mut file) {
            Ok(places) if places.is_empty() => {
                self.discard(file)?;
                Ok(None)
            }
            Ok(places) => {
                let (file, runs) = self.finish_file(file)?;
                Ok(Some(Written { file, runs: places.into_iter().zip(runs).collect() }))
            }
            Err(error) => {
                // The first error says what is wrong; what cannot be removed now is removed by the next opening.
                let _ = self.discard(file);
                Err(error)
            }
        }
    }

    /// Writes a run for every spine whose runs in memory do not cancel; returns the indexes of those spines.
    fn write_spines(&self, input: &CheckpointInput<'_>, file: &mut FileWriter) -> Result<Vec<usize>> {
        let (epoch, lsn) = self.position();
        let bounds = Bounds { epochs: (epoch.0, input.epoch.0), lsns: (lsn.0, input.lsn.0) };
        let mut places = Vec::new();
        for (place, CheckpointSpine { spine, .. }) in input.spines.iter().enumerate() {
            let runs = spine.all_memory_runs();
            if runs.is_empty() {
                continue;
            }
            let run = RunWriter::start(file, self.run_id(file.number(), place as u64), spine.extent());
            let run = write_sum(runs, spine.extent(), file, run)?;
            if run.entries() > 0 {
                places.push(place);
            }
            run.finish(file, bounds)?;
        }
        Ok(places)
    }
}

/// The edit that makes the manifest say what the checkpoint holds. Merges of files may have been committed since the spines
/// were captured: the runs that are in the manifest now count, not those that are in the spines.
fn checkpoint_edit(inner: &Inner, input: &CheckpointInput<'_>, written: Option<&Written>) -> Result<Edit> {
    let state = inner.manifest.state();
    let mut edit = Edit { epoch: input.epoch.0, lsn: input.lsn.0, ..inner.edit() };
    edit.catalog = (state.catalog != input.catalog).then(|| input.catalog.to_vec());
    let kept = |id: u32| input.spines.iter().find(|spine| spine.id.0 == id).map(|spine| spine.identity);
    let gone = |(id, arrangement): (&u32, &crate::manifest::state::Arrangement)| {
        (kept(*id) != Some(&arrangement.identity[..])).then_some(*id)
    };
    edit.dropped = state.arrangements.iter().filter_map(gone).collect();
    for (place, CheckpointSpine { id, identity, spine }) in input.spines.iter().enumerate() {
        let fresh = !state.arrangements.contains_key(&id.0) || edit.dropped.contains(&id.0);
        let durable = if fresh { &[][..] } else { state.arrangements.get(&id.0).map_or(&[][..], |found| &found.runs) };
        // Merges keep the sum of the hashes, so this holds however the runs were merged since the spine was captured, and
        // fails if what a checkpoint returned was not installed: its rows would be written twice.
        let in_manifest = durable.iter().fold(0u128, |sum, run| sum.wrapping_add(run.hash));
        let in_spine = spine.all_file_runs().iter().fold(0u128, |sum, run| sum.wrapping_add(run.hash()));
        let foreign = |run: &Run| matches!(run, Run::File(file) if file.owner != id.0);
        if in_manifest != in_spine || spine.all_file_runs().iter().any(foreign) {
            return Err(Error::ForeignRun { arrangement: id.0 });
        }
        let added: Vec<RunMeta> = written.and_then(|written| written.runs.get(&place)).cloned().into_iter().collect();
        if fresh || !added.is_empty() {
            let identity = fresh.then(|| identity.to_vec());
            edit.arrangements.insert(id.0, ArrangementEdit { identity, removed: Vec::new(), added });
        }
    }
    Ok(edit)
}

fn replacements(input: &CheckpointInput<'_>, written: Option<&Written>) -> Result<Vec<(ArrangementId, Replacement)>> {
    let mut replacements = Vec::new();
    for (place, CheckpointSpine { id, spine, .. }) in input.spines.iter().enumerate() {
        let inputs = spine.all_memory_runs();
        if inputs.is_empty() {
            continue;
        }
        let output = match written.and_then(|written| Some((&written.file, written.runs.get(&place)?))) {
            Some((file, meta)) => Some(Run::File(Arc::new(FileRun::new(Arc::clone(file), meta.clone(), id.0)?))),
            None => None,
        };
        replacements.push((*id, Replacement { inputs, output, moves_to_file: true }));
    }
    Ok(replacements)
}
