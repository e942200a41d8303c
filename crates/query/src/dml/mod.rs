//! INSERT, UPDATE and DELETE: a statement becomes one delta of one table.
//!
//! A plan is executed over a version in which the earlier writes of its transaction are visible, and changes nothing: it gives
//! the delta (old rows with weight -1, new rows with +1), the conflict keys, and the rows of RETURNING. Committing them is
//! the business of the caller.
//!
//! Invariants: the delta takes out only rows that are in the version; after it, every constraint of the table holds; a
//! statement that fails has no effect. Set-based: constraints are judged by the table after the whole statement.
//!
//! Cost: one row by key through a cached plan costs a probe per key and no planning; everything else is columnar.
//! Callers: `statement`; `copy` shares the checks.

pub(crate) mod assign;
pub(crate) mod cell;
mod conflict;
mod insert;
pub(crate) mod point;
mod returning;
pub(crate) mod target;
#[cfg(test)]
mod tests;
mod update;

use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion_sql::sqlparser::ast;
use monostable_types::{DataType, Schema, Value};
use monostable_view::{Delta, Graph, NodeId, TableId, Version};

use self::insert::Insert;
use self::point::{PointAction, PointPlan, PointTable};
use self::returning::Returning;
use self::target::{ConflictKey, ROW_BYTES_MAX_DEFAULT, TableTarget};
use self::update::{Delete, Update};
use crate::catalog::Catalog;
use crate::ddl::object_name;
use crate::error::{Error, Result};
use crate::names::fold;
use crate::planner::Planner;
use crate::select::QueryResult;
use crate::select::scalars::Bound;
use crate::statement::parameters::Parameters;

/// What a statement may not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A row whose encoding is longer is refused with 54000.
    pub row_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { row_bytes_max: ROW_BYTES_MAX_DEFAULT }
    }
}

/// What a statement does, once it is committed.
#[derive(Clone, Debug)]
pub struct DmlOutcome {
    /// The change of the table; not consolidated.
    pub delta: Delta,
    /// What the change must not have in common with a change that commits first; sorted, each once.
    pub conflict_keys: Vec<ConflictKey>,
    /// Rows inserted, updated or deleted.
    pub affected: u64,
    /// The rows of RETURNING, if the statement has it.
    pub returning: Option<QueryResult>,
}

/// An INSERT, UPDATE or DELETE, planned.
#[derive(Clone, Debug)]
pub struct DmlPlan {
    target: TableTarget,
    action: Action,
    returning: Option<Returning>,
    parameters: Parameters,
    relations: Vec<NodeId>,
    /// The same as a point write, if it is one.
    point: Option<Box<PointPlan>>,
}

#[derive(Clone, Debug)]
enum Action {
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
}

/// The rows that a statement takes out and puts in, and those that RETURNING shows.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) removed: RecordBatch,
    pub(crate) added: RecordBatch,
}

impl DmlPlan {
    /// Plans a parsed INSERT.
    pub(crate) fn insert(planner: &Planner, insert: &ast::Insert, catalog: &Catalog, graph: &Graph) -> Result<DmlPlan> {
        insert::plan(&Statement { planner, catalog, graph }, insert)
    }

    /// Plans a parsed UPDATE.
    pub(crate) fn update(planner: &Planner, update: &ast::Update, catalog: &Catalog, graph: &Graph) -> Result<DmlPlan> {
        update::plan_update(&Statement { planner, catalog, graph }, update)
    }

    /// Plans a parsed DELETE.
    pub(crate) fn delete(planner: &Planner, delete: &ast::Delete, catalog: &Catalog, graph: &Graph) -> Result<DmlPlan> {
        update::plan_delete(&Statement { planner, catalog, graph }, delete)
    }

    /// Whether the statement is an INSERT, an UPDATE or a DELETE, as its command tag says.
    pub fn verb(&self) -> &'static str {
        match self.action {
            Action::Insert(_) => "INSERT",
            Action::Update(_) => "UPDATE",
            Action::Delete(_) => "DELETE",
        }
    }

    /// The table that is written.
    pub fn table(&self) -> TableId {
        self.target.id
    }

    /// The types of `$1`, `$2`, ...
    pub fn parameters(&self) -> &[DataType] {
        self.parameters.types()
    }

    /// The columns of RETURNING, if the statement has it.
    pub fn returning(&self) -> Option<&Schema> {
        self.returning.as_ref().map(|returning| &returning.schema)
    }

    /// The arrangements of the catalog's graph that an execution may read.
    pub fn relations(&self) -> &[NodeId] {
        &self.relations
    }

    fn new(
        statement: &Statement<'_>,
        target: TableTarget,
        action: Action,
        returning: Option<Returning>,
        parameters: Parameters,
        relations: Vec<NodeId>,
    ) -> Result<DmlPlan> {
        let mut plan = DmlPlan { target, action, returning, parameters, relations, point: None };
        if let Some(action) = plan.point_action().filter(|_| plan.returning.is_none()) {
            let table = Arc::new(PointTable::of(plan.target.clone(), statement.graph)?);
            plan.point = Some(Box::new(PointPlan::new(table, plan.parameters.clone(), action)));
        }
        Ok(plan)
    }

    fn point_action(&self) -> Option<PointAction> {
        match &self.action {
            Action::Insert(insert) => insert.point().map(PointAction::Insert),
            Action::Update(update) => update.point(&self.target),
            Action::Delete(delete) => delete.point(&self.target).map(PointAction::Delete),
        }
    }

    /// The statement as a write of a single row by its key, if it is one.
    pub fn point(&self) -> Option<&PointPlan> {
        self.point.as_deref()
    }

    /// What the statement does to `version`, within the default limits.
    pub fn execute(&self, version: &Version, values: &[Value]) -> Result<DmlOutcome> {
        self.execute_within(version, values, Limits::default())
    }

    /// What the statement does to `version`, which has the graph that the statement was planned with.
    pub fn execute_within(&self, version: &Version, values: &[Value], limits: Limits) -> Result<DmlOutcome> {
        let bound = Bound::new(&self.parameters, values)?;
        let change = match &self.action {
            Action::Insert(insert) => insert.change(&self.target, version, &bound, limits)?,
            Action::Update(update) => update.change(&self.target, version, &bound, limits)?,
            Action::Delete(delete) => delete.change(&self.target, version, &bound)?,
        };
        let (shown, affected) = match &self.action {
            Action::Delete(_) => (&change.removed, change.removed.num_rows()),
            _ => (&change.added, change.added.num_rows()),
        };
        let returning = self.returning.as_ref().map(|returning| returning.rows(shown, &bound)).transpose()?;
        Ok(DmlOutcome { affected: affected as u64, returning, ..outcome(&self.target, version, &change)? })
    }
}

/// Checks the constraints and makes the delta and the conflict keys of a change.
pub(crate) fn outcome(target: &TableTarget, version: &Version, change: &Change) -> Result<DmlOutcome> {
    let Change { removed, added } = change;
    let keys = target.key_changes(removed, added)?;
    target.check_unique(version, &keys)?;
    Ok(DmlOutcome {
        delta: target.delta(removed, added)?,
        conflict_keys: target.conflict_keys(removed, &keys)?,
        affected: added.num_rows() as u64,
        returning: None,
    })
}

/// Where a statement is planned.
#[derive(Clone, Copy)]
struct Statement<'a> {
    planner: &'a Planner,
    catalog: &'a Catalog,
    graph: &'a Graph,
}

impl Statement<'_> {
    /// The table that is written; 42P01 if there is none, 42809 if it is a view.
    fn target(&self, name: &ast::ObjectName) -> Result<TableTarget> {
        TableTarget::new(self.catalog.expect_table(&object_name(name)?)?.as_ref())
    }
}

/// The name of a column on the left of an assignment or in a column list.
fn column_name(name: &ast::ObjectName) -> Result<String> {
    match name.0.as_slice() {
        [part] => match part.as_ident() {
            Some(ident) => Ok(fold(ident)),
            None => Err(Error::not_supported(format!("the column name {name}"))),
        },
        _ => Err(Error::not_supported(format!(
            "the qualified column name {name} in an assignment (write only the column)"
        ))),
    }
}

/// Assignments as pairs of a column and an expression; 42701 if one column is assigned twice.
fn assignments<'s>(target: &TableTarget, assignments: &'s [ast::Assignment]) -> Result<Vec<(usize, &'s ast::Expr)>> {
    let mut pairs: Vec<(usize, &ast::Expr)> = Vec::new();
    for assignment in assignments {
        match &assignment.target {
            ast::AssignmentTarget::ColumnName(name) => {
                pairs.push((target.column(&column_name(name)?)?, &assignment.value))
            }
            ast::AssignmentTarget::Tuple(names) => match &assignment.value {
                ast::Expr::Tuple(values) if values.len() == names.len() => {
                    for (name, value) in names.iter().zip(values) {
                        pairs.push((target.column(&column_name(name)?)?, value));
                    }
                }
                _ => {
                    return Err(Error::not_supported(
                        "assigning to a list of columns from anything but a list of as many values",
                    ));
                }
            },
        }
    }
    for (at, (column, _)) in pairs.iter().enumerate() {
        if pairs[..at].iter().any(|(earlier, _)| earlier == column) {
            let name = &target.columns[*column].name;
            let message = format!("multiple assignments to same column \"{name}\"");
            return Err(Error::InvalidDefinition { sqlstate: "42601", message });
        }
    }
    Ok(pairs)
}

/// 0A000 for the first clause that is there.
fn refuse(clauses: &[(bool, &str)]) -> Result<()> {
    match clauses.iter().find(|(present, _)| *present) {
        Some((_, clause)) => Err(Error::not_supported(*clause)),
        None => Ok(()),
    }
}
