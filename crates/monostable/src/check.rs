//! `check`: is every stored byte whole, and does every view hold what its query gives?
//!
//! The second half recomputes each view and index from the tables alone: everything else is taken out of the version first,
//! so that no state of a view takes part in the answer. It is G1, asked of a real database. A table has nothing to be compared
//! with; what can be said of it is that no row is there less than no times, and that it has as many rows as its runs say, which is what
//! `count(*)` goes by.
//!
//! Cost: reads every file, and evaluates every view once, with the result of one view at a time in memory. Commits and reads
//! go on meanwhile; the check looks at the state that was published when it began.

use std::cmp::Ordering;

use monostable_types::{Epoch, RowCodec, Rows, Value, Weight};
use monostable_view::{Batch, Entries, Layout, NodeId, Spine, StepError, Version, evaluate};

use crate::commit::State;
use crate::database::Database;
use crate::error::{Error, Result};

/// Differences that are reported for one view, at most.
const DIFFERENCES_MAX: usize = 20;

/// What a check found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckReport {
    /// The epoch that was checked.
    pub epoch: Epoch,
    /// Views and indexes that were compared with their recomputation.
    pub compared: u64,
    /// Rows in them.
    pub rows: u64,
    /// Damaged bytes: what is damaged, and where.
    pub damaged: Vec<String>,
    /// Rows in which a view or index differs from its recomputation, and rows of which a table holds less than none; the first
    /// few of each. Also tables whose runs record another number of rows than they hold.
    pub differences: Vec<Difference>,
}

impl CheckReport {
    /// Whether nothing was found.
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.differences.is_empty()
    }
}

/// A row that a view holds more or less often than it should.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The view, index or table.
    pub relation: String,
    /// The row, in the order of the arrangement's key.
    pub row: String,
    /// How often recomputation gives it.
    pub expected: i64,
    /// How often it is there.
    pub found: i64,
}

impl Database {
    /// Verifies every checksum, and compares every view and index with its recomputation from the tables.
    pub fn check(&self) -> Result<CheckReport> {
        let state = self.published_state();
        let mut report =
            CheckReport { epoch: state.epoch(), compared: 0, rows: 0, damaged: Vec::new(), differences: Vec::new() };
        self.engine().verify(&mut report.damaged);
        for table in state.catalog.tables() {
            check_table(&state, &table.name, table.node, &mut report)?;
        }
        let tables: Vec<NodeId> = state.catalog.tables().flat_map(|table| [table.source, table.node]).collect();
        let bare = state.version.retain(&tables);
        for (relation, node) in derived(&state) {
            if tables.contains(&node) {
                continue;
            }
            compare(&state, &bare, &relation, node, &mut report)?;
        }
        Ok(report)
    }
}

/// Everything that is derived from the tables and has a name.
fn derived(state: &State) -> Vec<(String, NodeId)> {
    let mut derived: Vec<_> = state.catalog.views().map(|view| (view.name.clone(), view.node)).collect();
    derived.extend(state.catalog.indexes().map(|index| (index.name.clone(), index.node)));
    for table in state.catalog.tables() {
        derived.extend(table.unique.iter().map(|unique| (unique.name.clone(), unique.node)));
    }
    derived
}

fn compare(state: &State, bare: &Version, relation: &str, node: NodeId, report: &mut CheckReport) -> Result<()> {
    let (layout, spine) = arrangement(state, relation, node)?;
    let expected = recompute(bare, state, layout, node)?;
    report.compared += 1;
    report.rows += expected.len() as u64;
    let mut found = spine.prefix(b"")?;
    let mut differences = Vec::new();
    merge_compare(layout, &expected, &mut found, &mut |entry, expected, found| {
        if differences.len() < DIFFERENCES_MAX {
            let row = describe(layout.codec(), entry);
            differences.push(Difference { relation: relation.to_owned(), row, expected, found });
        }
    })?;
    report.differences.extend(differences);
    Ok(())
}

/// A table is what the log says, so there is nothing to compare it with; but no row can be there less than no times, and its runs
/// must know how many they hold.
fn check_table(state: &State, table: &str, node: NodeId, report: &mut CheckReport) -> Result<()> {
    let (layout, spine) = arrangement(state, table, node)?;
    let mut left = DIFFERENCES_MAX;
    let mut sum: i128 = 0;
    for entry in spine.prefix(b"")? {
        let (entry, weight) = entry?;
        sum += i128::from(weight.0);
        if weight < Weight::ZERO && left > 0 {
            let row = describe(layout.codec(), layout.visible(entry)?);
            report.differences.push(Difference { relation: table.to_owned(), row, expected: 0, found: weight.0 });
            left -= 1;
        }
    }
    if sum != spine.weight_sum() {
        let [expected, found] = [sum, spine.weight_sum()].map(|rows| i64::try_from(rows).unwrap_or(i64::MAX));
        let row = "all rows, by the sums of the runs".to_owned();
        report.differences.push(Difference { relation: table.to_owned(), row, expected, found });
    }
    Ok(())
}

fn arrangement<'s>(state: &'s State, relation: &str, node: NodeId) -> Result<(&'s Layout, &'s Spine)> {
    let missing = || Error::Recovery(format!("\"{relation}\" has no arrangement"));
    let layout = state.version.graph().node(node).and_then(|node| node.layout()).ok_or_else(missing)?;
    Ok((layout, state.version.spine_of(node).ok_or_else(missing)?))
}

fn recompute(bare: &Version, state: &State, layout: &Layout, node: NodeId) -> Result<Batch> {
    let (mut rows, mut weights) = (Rows::new(), Vec::<Weight>::new());
    evaluate(bare, state.version.graph(), node, &mut |delta| {
        let failed = |failure| StepError { node: Some(node), operator: "check".to_owned(), failure };
        layout.arrange(&delta, &mut rows).map_err(failed)?;
        weights.extend_from_slice(delta.weights());
        Ok(())
    })?;
    Ok(Batch::from_unsorted(&rows, &weights)?)
}

/// Walks two sorted lists and reports every entry whose weights differ.
fn merge_compare(
    layout: &Layout,
    expected: &Batch,
    found: &mut Entries<'_>,
    report: &mut impl FnMut(&[u8], i64, i64),
) -> Result<()> {
    let mut expected = expected.iter().peekable();
    let mut next = || -> Result<_> {
        let Some((entry, weight)) = found.next().transpose()? else { return Ok(None) };
        Ok(Some((layout.visible(entry)?, weight)))
    };
    let mut current = next()?;
    loop {
        let order = match (expected.peek(), &current) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((wanted, _)), Some((held, _))) => (*wanted).cmp(held),
        };
        let wanted = if order == Ordering::Greater { None } else { expected.next() };
        let held = if order == Ordering::Less { None } else { current.take() };
        if held.is_some() {
            current = next()?;
        }
        let entry = wanted.or(held).map(|(entry, _)| entry).unwrap_or_default();
        let weight = |side: Option<(&[u8], Weight)>| side.map_or(0, |(_, weight)| weight.0);
        if weight(wanted) != weight(held) {
            report(entry, weight(wanted), weight(held));
        }
    }
}

fn describe(codec: &RowCodec, entry: &[u8]) -> String {
    match codec.decode_values(entry) {
        Ok(values) => values.iter().map(Value::to_string).collect::<Vec<_>>().join(", "),
        Err(_) => format!("{entry:02x?}"),
    }
}
