//! `Store`: the run files and the manifest of one directory.
//!
//! The store knows the durable runs of every arrangement; the live spines are its caller's. Work that takes long (writing a
//! checkpoint, merging files) happens outside its lock; the lock is held while the manifest is changed.
//!
//! Invariants: every run that the manifest names lies in a file that was synced, renamed and dir-synced before; files are
//! removed when neither the manifest nor any spine names them, and nothing but files of ours with such names ever is.
//!
//! It deliberately does not lock the directory, start threads, or decide when to do anything.

mod checkpoint;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use monostable_types::{Epoch, Lsn};
use monostable_vfs::Storage;
use parking_lot::Mutex;
use twox_hash::XxHash3_128;

use crate::error::{Error, Result};
use crate::key::KeyExtent;
use crate::manifest::state::{ArrangementEdit, Edit, State};
use crate::manifest::{self, Manifest};
use crate::merge::Replacement;
use crate::run::Run;
use crate::run::file::{FileRun, RunFile};
use crate::run::meta::RunMeta;
use crate::run::writer::{Bounds, FileWriter, RunWriter, final_name, temporary_name};
use crate::spine::Spine;
use crate::warming::warm;
pub use checkpoint::{Checkpoint, CheckpointInput, CheckpointSpine};
pub use verify::{ScrubCursor, VerifyProgress, VerifyReport};

/// Names one arrangement for as long as its database lives. Never used again after the arrangement is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArrangementId(pub u32);

/// What a store needs from its surroundings.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Random bits, different at every opening: they become the identities of runs, which seed their checksums.
    pub entropy: u128,
}

/// The run files and the manifest of one directory. See the module's documentation.
#[derive(Debug)]
pub struct Store {
    storage: Arc<dyn Storage>,
    entropy: u128,
    inner: Mutex<Inner>,
    /// Held by the checkpoint that is running.
    checkpointing: Mutex<()>,
}

#[derive(Debug)]
struct Inner {
    manifest: Manifest,
    /// Files that the manifest names.
    files: BTreeMap<u64, Arc<RunFile>>,
    /// Files that only spines may still name.
    retired: Vec<Arc<RunFile>>,
    next_file: u64,
}

/// What was found when a store was opened.
#[derive(Debug)]
pub struct Recovered {
    /// Whether the store was made by this call.
    pub created: bool,
    /// The catalog of the last checkpoint or catalog commit.
    pub catalog: Vec<u8>,
    /// The epoch that the arrangements hold.
    pub epoch: Epoch,
    /// Up to where the log is contained in the arrangements.
    pub lsn: Lsn,
    /// The durable arrangements.
    pub arrangements: BTreeMap<ArrangementId, RecoveredSpine>,
}

/// A durable arrangement, as long as nobody said what its key is.
#[derive(Debug)]
pub struct RecoveredSpine {
    /// The identity that it was checkpointed with.
    pub identity: Vec<u8>,
    arrangement: u32,
    runs: Vec<Run>,
}

impl RecoveredSpine {
    /// The spine. `extent` must be the one that the arrangement was written with.
    pub fn into_spine(self, extent: KeyExtent) -> Result<Spine> {
        let wrong = self.runs.iter().any(|run| matches!(run, Run::File(file) if file.meta.extent != extent.tag()));
        if wrong {
            return Err(Error::KeyMismatch { arrangement: self.arrangement });
        }
        Ok(Spine::from_files(extent, self.runs))
    }
}

impl Store {
    /// Opens the store of a directory, or makes one if the directory has nothing of a store.
    ///
    /// Reads the manifest and maps the run files; reads no run. Removes unfinished and unreferenced files of a store, and no
    /// others. The caller holds the directory's lock.
    pub fn open(storage: Arc<dyn Storage>, options: StoreOptions) -> Result<(Store, Recovered)> {
        let names = storage.list()?;
        let created = !names.iter().any(|name| name == manifest::NAME);
        if created && names.iter().any(|name| proves_a_store(name)) {
            return Err(Error::Corruption {
                file: manifest::NAME.to_owned(),
                offset: 0,
                what: "it is missing, and the files beside it prove that it was there",
            });
        }
        let manifest =
            if created { Manifest::create(Arc::clone(&storage))? } else { Manifest::open(Arc::clone(&storage))? };
        let state = manifest.state();
        remove_leftovers(&*storage, &manifest)?;
        let files = map_files(&*storage, state)?;
        let recovered = recover(state, &files, created)?;
        let newest = files.last_key_value().map_or(0, |(number, _)| number + 1);
        let next_file = state.next_file.max(newest);
        let inner = Mutex::new(Inner { manifest, files, retired: Vec::new(), next_file });
        Ok((Store { storage, entropy: options.entropy, inner, checkpointing: Mutex::new(()) }, recovered))
    }

    /// Makes a catalog durable without touching the data, and forgets arrangements that it does not need any more. The epoch
    /// and the log position stay those of the last checkpoint.
    pub fn commit_catalog(&self, catalog: &[u8], dropped: &[ArrangementId]) -> Result<()> {
        let mut inner = self.inner.lock();
        let mut edit = inner.edit();
        let known = |id: &&ArrangementId| inner.manifest.state().arrangements.contains_key(&id.0);
        edit.dropped = dropped.iter().filter(known).map(|id| id.0).collect();
        edit.catalog = Some(catalog.to_vec());
        inner.commit(&edit)
    }

    /// Removes files that neither the manifest nor any spine names any more, and returns how many. Cheap when there are none.
    pub fn remove_unreferenced(&self) -> Result<usize> {
        let mut inner = self.inner.lock();
        inner.manifest.remove_retired_log()?;
        let mut removed = 0;
        while let Some(at) = inner.retired.iter().position(|file| Arc::strong_count(file) == 1) {
            self.storage.remove(&inner.retired[at].name)?;
            inner.retired.swap_remove(at);
            removed += 1;
        }
        Ok(removed)
    }

    /// Number of the last durable change of the manifest.
    pub fn sequence(&self) -> u64 {
        self.inner.lock().manifest.sequence()
    }

    /// The epoch and the log position that the manifest holds.
    pub fn position(&self) -> (Epoch, Lsn) {
        let inner = self.inner.lock();
        let state = inner.manifest.state();
        (Epoch(state.epoch), Lsn(state.lsn))
    }

    /// Copies the store into an empty directory on the same disk: run files as hard links, the manifest as a file. Returns
    /// the log position from which the log must be copied too.
    pub fn backup(&self, target: &Arc<dyn Storage>) -> Result<Lsn> {
        let inner = self.inner.lock();
        for file in inner.files.values() {
            self.storage.link(&file.name, &**target, &file.name)?;
        }
        target.sync_dir()?;
        inner.manifest.copy_to(Arc::clone(target))?;
        Ok(Lsn(inner.manifest.state().lsn))
    }

    /// A new file and the identity of its first run.
    pub(crate) fn create_file(&self) -> Result<(FileWriter, u128)> {
        let number = {
            let mut inner = self.inner.lock();
            inner.next_file += 1;
            inner.next_file - 1
        };
        Ok((FileWriter::create(&*self.storage, number)?, self.run_id(number, 0)))
    }

    fn run_id(&self, file: u64, run: u64) -> u128 {
        let mut seed = self.entropy.to_le_bytes().to_vec();
        seed.extend_from_slice(&file.to_le_bytes());
        seed.extend_from_slice(&run.to_le_bytes());
        XxHash3_128::oneshot(&seed)
    }

    /// Removes a file that will not be finished.
    pub(crate) fn discard(&self, file: FileWriter) -> Result<()> {
        let name = temporary_name(file.number());
        drop(file);
        Ok(self.storage.remove(&name)?)
    }

    /// Makes a file durable under its final name; if that fails, what was written does not stay and take space.
    fn finish_file(&self, file: FileWriter) -> Result<(Arc<RunFile>, Vec<RunMeta>)> {
        let name = temporary_name(file.number());
        file.finish(&*self.storage).inspect_err(|_| {
            // The first error says what is wrong; what cannot be removed now is removed by the next opening.
            let _ = self.storage.remove(&name);
        })
    }

    /// Publishes a merge of file runs: makes its file durable and replaces the inputs in the manifest.
    pub(crate) fn install_merge(
        &self,
        arrangement: ArrangementId,
        inputs: Vec<Run>,
        mut file: FileWriter,
        run: RunWriter,
    ) -> Result<Option<Replacement>> {
        let metas = || inputs.iter().filter_map(|run| if let Run::File(file) = run { Some(&file.meta) } else { None });
        let bounds = metas().map(|meta| Bounds { epochs: meta.epochs, lsns: meta.lsns }).reduce(Bounds::and);
        run.finish(&mut file, bounds.unwrap_or(Bounds { epochs: (0, 0), lsns: (0, 0) }))?;
        let number = file.number();
        let written = if file.is_empty() {
            self.discard(file)?;
            None
        } else {
            Some(self.finish_file(file)?)
        };
        let removed: Vec<u128> = metas().map(|meta| meta.id).collect();
        let mut inner = self.inner.lock();
        let present = inner.manifest.state().arrangements.get(&arrangement.0);
        let known = |id: &u128| present.is_some_and(|present| present.runs.iter().any(|run| run.id == *id));
        if !removed.iter().all(known) {
            inner.retired.extend(written.map(|(file, _)| file));
            return Ok(None);
        }
        let added = written.as_ref().map_or_else(Vec::new, |(_, runs)| runs.clone());
        let mut edit = inner.edit();
        edit.arrangements.insert(arrangement.0, ArrangementEdit { identity: None, removed, added });
        let output = written.map(|(file, mut runs)| {
            inner.files.insert(number, Arc::clone(&file));
            runs.pop().map(|meta| FileRun::new(file, meta, arrangement.0))
        });
        let output = output.flatten().transpose()?.map(|run| Run::File(Arc::new(run)));
        inner.commit(&edit)?;
        drop(inner);
        output.iter().for_each(warm);
        Ok(Some(Replacement { inputs, output, moves_to_file: true }))
    }
}

impl Inner {
    /// An edit that changes nothing yet.
    fn edit(&self) -> Edit {
        Edit { next_file: self.next_file, ..self.manifest.state().unchanged() }
    }

    /// Makes an edit durable; the files that the manifest does not name any more wait for their last reader.
    fn commit(&mut self, edit: &Edit) -> Result<()> {
        self.manifest.commit(edit)?;
        let named: BTreeSet<u64> = self.manifest.state().runs().map(|run| run.file).collect();
        let unnamed: Vec<u64> = self.files.keys().filter(|number| !named.contains(number)).copied().collect();
        self.retired.extend(unnamed.iter().filter_map(|number| self.files.remove(number)));
        Ok(())
    }
}

/// The number of a run file, from its final or its temporary name.
fn run_file_number(name: &str) -> Option<u64> {
    let number = u64::from_str_radix(name.get(..16)?, 16).ok()?;
    (name == final_name(number) || name == temporary_name(number)).then_some(number)
}

/// Whether a file can only be there if a manifest was.
fn proves_a_store(name: &str) -> bool {
    run_file_number(name).is_some() || manifest::is_log(name)
}

fn remove_leftovers(storage: &dyn Storage, manifest: &Manifest) -> Result<()> {
    let named: BTreeSet<String> = manifest.state().runs().map(|run| final_name(run.file)).collect();
    let mut removed = false;
    for name in storage.list()? {
        let ours = run_file_number(&name).is_some() || manifest::is_manifest_file(&name);
        if ours && !named.contains(&name) && !manifest.uses(&name) {
            storage.remove(&name)?;
            removed = true;
        }
    }
    if removed {
        storage.sync_dir()?;
    }
    Ok(())
}

fn map_files(storage: &dyn Storage, state: &State) -> Result<BTreeMap<u64, Arc<RunFile>>> {
    let mut files: BTreeMap<u64, Arc<RunFile>> = BTreeMap::new();
    for RunMeta { file, file_bytes, .. } in state.runs() {
        if !files.contains_key(file) {
            let name = final_name(*file);
            let mapping = storage.map(&name, *file_bytes)?;
            files.insert(*file, Arc::new(RunFile { name, mapping }));
        }
    }
    Ok(files)
}

fn recover(state: &State, files: &BTreeMap<u64, Arc<RunFile>>, created: bool) -> Result<Recovered> {
    let mut arrangements = BTreeMap::new();
    for (&id, arrangement) in &state.arrangements {
        let mut runs = Vec::with_capacity(arrangement.runs.len());
        for meta in &arrangement.runs {
            if let Some(file) = files.get(&meta.file) {
                runs.push(Run::File(Arc::new(FileRun::new(Arc::clone(file), meta.clone(), id)?)));
            }
        }
        let identity = arrangement.identity.clone();
        arrangements.insert(ArrangementId(id), RecoveredSpine { identity, arrangement: id, runs });
    }
    let (epoch, lsn) = (Epoch(state.epoch), Lsn(state.lsn));
    Ok(Recovered { created, catalog: state.catalog.clone(), epoch, lsn, arrangements })
}
