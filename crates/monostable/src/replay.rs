//! Replay: the groups of the log after the checkpoint, applied again.
//!
//! Groups are gathered and applied together: one step for up to [`TOGETHER_BYTES`] of records, through the operators that
//! made them the first time. Nobody can see the epochs in between, a view is a function of its tables, and a step depends on
//! the consolidated changes alone, so what comes out is what one step for each group would give, in far less time: most of the price of
//! a small commit is that it is one, and a row that is written again and again is applied once. It also leaves one run for each
//! arrangement, where a run for each group would wait to be merged.
//!
//! One thing does differ. A step over several groups may meet rows that were never there at once: with a row deleted on one
//! side of a join and another inserted on the other side later, it makes their pair and takes it away again, and if a view computes
//! something from the pair that is not defined, the step fails. Then the same groups are applied one by one, which is what was done
//! the first time, so that an error means what it says.
//!
//! What the log takes away was there when it was committed, and is not looked for again ([`Origin::Log`]).
//!
//! Invariants: each record must be of the epoch after the one before; the state that is left is at the last group's epoch and end.
//! Cost: O(bytes of log after the checkpoint), and memory of a few times [`TOGETHER_BYTES`].

use std::sync::Arc;

use monostable_types::{Epoch, Lsn, Rows, Weight};
use monostable_view::{Delta, Graph, Origin, RowType, StepError, TableId, Version, step_forked};
use monostable_wal::{Group, Wal};

use crate::commit::{State, merge_writes};
use crate::error::{Error, Result};
use crate::options::Forking;
use crate::record::{Record, Section};
use crate::stats::OpenReport;

/// Bytes of records that are applied together, beyond the first group.
const TOGETHER_BYTES: u64 = 8 << 20;

/// Applies the groups from `from` on, in order.
pub(crate) fn replay(
    wal: &Wal,
    from: Lsn,
    state: &mut State,
    forking: &Forking,
    report: &mut OpenReport,
) -> Result<()> {
    let mut gathered = Gathered::new(state.epoch());
    for group in wal.replay(monostable_wal::Lsn(from.0))? {
        let group = group?;
        let bytes = gathered.take(&group, state.version.graph())?;
        report.groups_replayed += 1;
        report.bytes_replayed += bytes;
        if gathered.bytes >= TOGETHER_BYTES {
            state.version = gathered.apply(&state.version, forking)?;
        }
    }
    state.version = gathered.apply(&state.version, forking)?;
    Ok(())
}

/// Groups that have been read and not been applied.
struct Gathered {
    groups: Vec<Changes>,
    bytes: u64,
    /// The epoch of the last one.
    epoch: Epoch,
}

/// What one record changes.
struct Changes {
    start: monostable_wal::Lsn,
    end: monostable_wal::Lsn,
    epoch: Epoch,
    deltas: Vec<(TableId, Delta)>,
}

impl Gathered {
    fn new(epoch: Epoch) -> Gathered {
        Gathered { groups: Vec::new(), bytes: 0, epoch }
    }

    /// Adds a group, whose records must be of the next epochs; returns their bytes.
    fn take(&mut self, group: &Group, graph: &Graph) -> Result<u64> {
        let mut bytes = 0;
        for record in &group.records {
            bytes += record.len() as u64;
            let record = Record::decode(record).map_err(|error| at_group(group.start, error))?;
            let expected = self.epoch.next();
            if record.epoch != expected.0 {
                let found = record.epoch;
                return Err(at_group(group.start, format!("it is epoch {found}, and epoch {expected} comes next")));
            }
            let deltas = deltas(&record.sections, graph)?;
            self.groups.push(Changes { start: group.start, end: group.end, epoch: expected, deltas });
            self.epoch = expected;
        }
        self.bytes += bytes;
        Ok(bytes)
    }

    /// The version after all that was gathered.
    fn apply(&mut self, version: &Version, forking: &Forking) -> Result<Version> {
        let groups = std::mem::take(&mut self.groups);
        self.bytes = 0;
        let Some(last) = groups.last() else { return Ok(version.clone()) };
        let deltas = merge_writes(groups.iter().flat_map(|changes| &changes.deltas))?;
        if let Ok(version) = stepped(version, &deltas, forking) {
            return Ok(version.at(last.epoch, Lsn(last.end.0)));
        }
        let mut version = version.clone();
        for changes in &groups {
            let next = stepped(&version, &changes.deltas, forking).map_err(|error| at_group(changes.start, error))?;
            version = next.at(changes.epoch, Lsn(changes.end.0));
        }
        Ok(version)
    }
}

fn stepped(
    version: &Version,
    deltas: &[(TableId, Delta)],
    forking: &Forking,
) -> std::result::Result<Version, StepError> {
    Ok(step_forked(Origin::Log, version, deltas, &[], forking)?.version)
}

fn at_group(start: monostable_wal::Lsn, what: impl std::fmt::Display) -> Error {
    Error::Recovery(format!("the group at log position {start} cannot be replayed: {what}"))
}

/// The changes of a record, without those of tables that have been dropped since.
fn deltas(sections: &[Section<'_>], graph: &Graph) -> Result<Vec<(TableId, Delta)>> {
    let mut deltas = Vec::with_capacity(sections.len());
    for section in sections {
        let id = TableId(section.table);
        if let Some(source) = graph.source(id).and_then(|source| graph.node(source)) {
            deltas.push((id, decode(source.row(), section)?));
        }
    }
    Ok(deltas)
}

/// The rows of a section, which are encoded as those of a delta are.
fn decode(row: &Arc<RowType>, section: &Section<'_>) -> Result<Delta> {
    let bytes = section.rows.iter().map(|(row, _)| row.len()).sum();
    let mut rows = Rows::with_capacity(section.rows.len(), bytes);
    let mut boundaries = Vec::new();
    for (encoded, _) in &section.rows {
        let checked = row.codec().boundaries(encoded, &mut boundaries);
        checked.map_err(|error| Error::Recovery(format!("a logged row does not fit its table: {error}")))?;
        rows.push(encoded);
    }
    let weights: Vec<Weight> = section.rows.iter().map(|(_, weight)| Weight(*weight)).collect();
    Ok(Delta::encoded(row, rows, weights))
}
