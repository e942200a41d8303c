//! What a database knows about itself, as plain data.
//!
//! The numbers are those of one published state; nothing is measured on the way of a read or a commit except by counting.
//! Rows of an arrangement are entries over all of its runs: an entry that was inserted and deleted again counts until the
//! two are merged.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use monostable_query::catalog::Relation;
use monostable_types::{Epoch, Lsn};
use monostable_view::{ArrangementId, NodeId};
use monostable_wal::WalStats;

use crate::commit::State;
use crate::database::Database;

/// What was done to open the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// The epoch of the checkpoint that was found.
    pub checkpoint_epoch: Epoch,
    /// Groups that were replayed from the log.
    pub groups_replayed: u64,
    /// Bytes of their records.
    pub bytes_replayed: u64,
    /// Runs in files.
    pub runs: u64,
    /// Views and indexes whose state was rebuilt from the tables, because this build computes them differently from the
    /// one that wrote them. Empty but after an upgrade.
    pub rebuilt: Vec<String>,
}

/// A database's account of itself.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stats {
    /// The newest published epoch.
    pub epoch: Epoch,
    /// The end of its group in the log.
    pub lsn: Lsn,
    /// How it was opened.
    pub open: OpenReport,
    /// The log, unless the database lives in memory.
    pub log: Option<LogStats>,
    /// The last checkpoint, unless the database lives in memory.
    pub checkpoint: Option<CheckpointStats>,
    /// Transactions committed since the database was opened.
    pub commits: u64,
    /// Groups that they formed.
    pub groups: u64,
    /// Transactions refused because another one wrote first.
    pub conflicts: u64,
    /// Transactions refused because they would have made a view undefined.
    pub refused: u64,
    /// Bytes of table and view state in memory.
    pub memory_bytes: u64,
    /// Tables, views and indexes, by name.
    pub relations: Vec<RelationStats>,
    /// The arrangements that hold them.
    pub arrangements: Vec<ArrangementStats>,
    /// The last error of the background work, if it has not succeeded since.
    pub background_error: Option<String>,
}

/// The log.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogStats {
    /// Bytes between the last checkpoint and the end: what would be replayed.
    pub replay_bytes: u64,
    /// How far it is durable.
    pub durable: Lsn,
    /// Its own counters.
    pub counters: WalStats,
}

/// The last checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointStats {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its position in the log.
    pub lsn: Lsn,
    /// Checkpoints written since the database was opened.
    pub count: u64,
}

/// A table, a view or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelationStats {
    /// Its name.
    pub name: String,
    /// `table`, `materialized view` or `index`.
    pub kind: String,
    /// Its own arrangement.
    pub arrangement: u32,
    /// Entries in that arrangement.
    pub rows: u64,
    /// Every arrangement that is kept for it, its own among them, tables excepted.
    pub uses: Vec<u32>,
}

/// One arrangement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArrangementStats {
    /// Its id.
    pub id: u32,
    /// What it holds.
    pub description: String,
    /// Entries in memory and in files.
    pub rows: u64,
    /// Bytes in memory.
    pub memory_bytes: u64,
    /// Bytes in files.
    pub file_bytes: u64,
    /// Runs in memory and in files.
    pub runs: u64,
    /// The tables, views and indexes that it is kept for.
    pub shared_by: Vec<String>,
}

impl Database {
    /// The database's account of itself.
    pub fn stats(&self) -> Stats {
        let state = self.published_state();
        let (engine, meters) = (self.engine(), &self.pipeline().meters);
        let arrangements = arrangements(&state);
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            epoch: state.epoch(),
            lsn: state.version.lsn,
            open: engine.opened.clone(),
            log: self.pipeline().wal().map(|wal| LogStats {
                replay_bytes: engine.replay_bytes(&state),
                durable: Lsn(wal.durable().0),
                counters: wal.stats(),
            }),
            checkpoint: engine.files.as_ref().map(|files| files.last_checkpoint()),
            commits: count(&meters.commits),
            groups: count(&meters.groups),
            conflicts: count(&meters.conflicts),
            refused: count(&meters.refused),
            memory_bytes: arrangements.iter().map(|arrangement| arrangement.memory_bytes).sum(),
            relations: relations(&state),
            arrangements,
            background_error: engine.background_error().map(|error| error.to_string()),
        }
    }
}

/// The name, kind and root of everything that has one.
fn roots(state: &State) -> Vec<(String, String, NodeId)> {
    let relation = |relation: &Relation| (relation.name().to_owned(), relation.kind().to_string(), relation.node());
    let mut roots: Vec<_> = state.catalog.relations().map(relation).collect();
    roots.extend(state.catalog.indexes().map(|index| (index.name.clone(), "index".to_owned(), index.node)));
    let tables: Vec<_> = state.catalog.tables().cloned().collect();
    for table in tables {
        roots.extend(table.unique.iter().map(|unique| (unique.name.clone(), "index".to_owned(), unique.node)));
    }
    roots
}

/// The arrangements that a root needs, those of tables excepted unless it is the table's own.
fn uses(state: &State, root: NodeId) -> Vec<ArrangementId> {
    let graph = state.version.graph();
    let tables: Vec<NodeId> = state.catalog.tables().map(|table| table.node).collect();
    let needed = graph.closure(&[root]).into_iter().filter(|node| *node == root || !tables.contains(node));
    needed.filter_map(|node| graph.node(node)?.arrangement()).collect()
}

fn relations(state: &State) -> Vec<RelationStats> {
    let stats = |(name, kind, node): (String, String, NodeId)| {
        let own = state.version.graph().node(node)?.arrangement()?;
        let held = state.version.spine(own)?.stats();
        let uses = uses(state, node).into_iter().map(|id| id.0).collect();
        Some(RelationStats { name, kind, arrangement: own.0, rows: held.memory_entries + held.file_entries, uses })
    };
    roots(state).into_iter().filter_map(stats).collect()
}

fn arrangements(state: &State) -> Vec<ArrangementStats> {
    let mut sharing: BTreeMap<ArrangementId, Vec<String>> = BTreeMap::new();
    for (name, _, node) in roots(state) {
        for id in uses(state, node) {
            sharing.entry(id).or_default().push(name.clone());
        }
    }
    let graph = state.version.graph();
    let stats = |node: NodeId, id: ArrangementId| {
        let held = state.version.spine(id)?.stats();
        Some(ArrangementStats {
            id: id.0,
            description: graph.describe(node),
            rows: held.memory_entries + held.file_entries,
            memory_bytes: held.memory_bytes,
            file_bytes: held.file_bytes,
            runs: (held.memory_runs + held.file_runs) as u64,
            shared_by: sharing.get(&id).cloned().unwrap_or_default(),
        })
    };
    graph.nodes().filter_map(|node| stats(node.id(), node.arrangement()?)).collect()
}
