//! Opening: the manifest says what exists, the runs hold it, the log brings it up to date.
//!
//! 1. Lock the directory: one process writes it.
//! 2. Read the manifest and map the run files; no run is read.
//! 3. Plan the views' SQL again and find the state of each operator by its identity. What this build computes in another way
//!    than the one that wrote it has no state of that identity, and is built again from the tables, and reported.
//! 4. Open the log, which decides what its tail is, and replay the groups after the checkpoint ([`crate::replay`]).
//! 5. Publish.
//!
//! While the log is replayed, another thread warms what lies in files, see [`Warming`].
//!
//! Cost: O(files + bytes of log after the checkpoint), never O(rows), unless something has to be rebuilt. Nothing is written
//! but what the log writes to make its tail durable, so a crash on the way is just another crash.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use monostable_query::catalog::restore as restore_catalog;
use monostable_query::{Catalog, Planner};
use monostable_types::Lsn;
use monostable_vfs::{Lock, OsStorage, Storage};
use monostable_view::{Build, Graph, Identity, NodeId, Recovered, Store, StoreOptions, Version, Warming};
use monostable_wal::{Wal, WalOptions};
use parking_lot::Mutex;

use crate::background::{Chores, REPLAY_PER_STEP, warm_beside};
use crate::commit::{Pipeline, State};
use crate::database::Engine;
use crate::error::{Error, Result};
use crate::files::Files;
use crate::options::{Options, Place};
use crate::replay::replay;
use crate::stats::OpenReport;

/// What a database has on disk.
struct Durable {
    wal: Wal,
    files: Files,
    lock: Lock,
}

/// Opens a database as the options say.
pub(crate) fn open(options: Options) -> Result<Engine> {
    let planner = Planner::new();
    let storage: Arc<dyn Storage> = match &options.place {
        Place::Memory => {
            let state = State { version: Version::new(), catalog: Arc::new(Catalog::new()) };
            return Ok(engine(state, planner, None, options, OpenReport::default()));
        }
        Place::Path(path) => Arc::new(OsStorage::open_or_create(path)?),
        Place::Storage(storage) => Arc::clone(storage),
    };
    let lock = storage.lock()?;
    let entropy = u128::from(options.randomness.next_u64()) << 64 | u128::from(options.randomness.next_u64());
    let (store, recovered) = Store::open(Arc::clone(&storage), StoreOptions { entropy })?;
    let mut report = OpenReport { checkpoint_epoch: recovered.epoch, ..OpenReport::default() };
    let (created, position) = (recovered.created, recovered.lsn);
    let mut state = restore(recovered, &planner, &mut report)?;
    let wal = open_log(&storage, created, position, &options)?;
    let started = options.clock.now();
    let forking = options.forking();
    let mut warming = Warming::new(&state.version);
    warm_beside(options.background, &mut warming, || replay(&wal, position, &mut state, &forking, &mut report))?;
    let taken = options.clock.now().saturating_sub(started);
    let durable = Durable { wal, files: Files::new(store), lock };
    let engine = engine(state, planner, Some(durable), options, report);
    // Until the next checkpoint it would have to be done again.
    let nanos = u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX);
    engine.pipeline.meters.step_nanos.store(nanos / REPLAY_PER_STEP, Ordering::Relaxed);
    engine.chores.lock().warm(warming);
    Ok(engine)
}

fn engine(state: State, planner: Planner, durable: Option<Durable>, options: Options, opened: OpenReport) -> Engine {
    let (wal, files, lock) = match durable {
        Some(Durable { wal, files, lock }) => (Some(wal), Some(files), Some(lock)),
        None => (None, None, None),
    };
    let pipeline = Pipeline::new(state, wal, options.clone());
    Engine {
        pipeline,
        planner,
        files,
        options,
        opened,
        ddl: Mutex::new(()),
        chores: Mutex::new(Chores::default()),
        background_error: Mutex::new(None),
        lock: Mutex::new(lock),
    }
}

/// The state of the last checkpoint: the catalog's views planned again, and each operator's state found by its identity.
fn restore(recovered: Recovered, planner: &Planner, report: &mut OpenReport) -> Result<State> {
    if recovered.created || recovered.catalog.is_empty() {
        let version = Version::new().at(recovered.epoch, recovered.lsn);
        return Ok(State { version, catalog: Arc::new(Catalog::new()) });
    }
    let identity = |bytes: &[u8]| Identity::from_bytes(bytes.to_vec());
    let known = recovered.arrangements.iter().map(|(id, spine)| (identity(&spine.identity), *id));
    let restored = restore_catalog(planner, &recovered.catalog, &Graph::recovering(known))?;
    // What this graph does not need is left out, and forgotten by the next checkpoint.
    let (graph, _unused) = restored.graph.recovered();
    let mut arrangements = recovered.arrangements;
    let mut spines = Vec::new();
    for node in graph.nodes() {
        let found = node.arrangement().and_then(|id| Some((id, arrangements.remove(&id)?)));
        if let (Some((id, spine)), Some(extent)) = (found, node.key_extent()) {
            let spine = spine.into_spine(extent)?;
            report.runs += spine.stats().file_runs as u64;
            spines.push((id, spine));
        }
    }
    let version = Version::recover(recovered.epoch, recovered.lsn, graph, spines);
    rebuild(State { version, catalog: Arc::new(restored.catalog) }, report)
}

/// Builds what has no state, from the tables. Tables themselves cannot be built from anything.
fn rebuild(state: State, report: &mut OpenReport) -> Result<State> {
    let missing: Vec<NodeId> = state.version.unfilled();
    if missing.is_empty() {
        return Ok(state);
    }
    if let Some(table) = state.catalog.tables().find(|table| missing.contains(&table.node)) {
        let name = &table.name;
        return Err(Error::Recovery(format!("the rows of table \"{name}\" are not in the manifest: restore a backup")));
    }
    let graph = state.version.graph();
    let concerns = |root: NodeId| graph.closure(&[root]).iter().any(|node| missing.contains(node));
    let views = state.catalog.views().filter(|view| concerns(view.node)).map(|view| view.name.clone());
    let indexes = state.catalog.indexes().filter(|index| concerns(index.node)).map(|index| index.name.clone());
    report.rebuilt = views.chain(indexes).collect();
    let version = Build::run(&state.version, graph, &missing)?;
    Ok(State { version, catalog: state.catalog })
}

/// Opens the log beside the store. The two were made together: one without the other means that a file was lost.
fn open_log(storage: &Arc<dyn Storage>, created: bool, position: Lsn, options: &Options) -> Result<Wal> {
    let mut log = WalOptions::default();
    log.segment_bytes = options.log_segment_bytes;
    log.known_durable = monostable_wal::Lsn(position.0);
    log.nonce_seed = options.randomness.next_u64();
    log.lock_directory = false;
    let (wal, found) = Wal::open(Arc::clone(storage), log)?;
    if created && found.end != monostable_wal::Lsn::ZERO {
        return Err(Error::Recovery(
            "there is a log, but the manifest beside it is missing: restore a backup".to_owned(),
        ));
    }
    Ok(wal)
}
