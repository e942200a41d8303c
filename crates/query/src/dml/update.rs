//! UPDATE and DELETE: a query finds the old rows and computes the assigned values, and the new rows are put together from both.
//!
//! The query selects every column of the table and every computed value, so WHERE is planned like that of any SELECT: a key
//! in it becomes a lookup. Constants and parameters in SET never go through the query (`cell`). Conditions on other tables
//! (UPDATE .. FROM, DELETE .. USING) are refused.
//!
//! Invariant: the old rows are those of the version, all columns, unchanged; they are what the delta takes out.
//!
//! Cost: that of the query. Callers: `dml`.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use datafusion_sql::sqlparser::ast::{self, Ident, TableFactor};
use monostable_types::{DataType, values_to_array};
use monostable_view::Version;

use super::cell::Cell;
use super::point::PointAction;
use super::returning::TypedReturning;
use super::target::TableTarget;
use super::{Action, Change, DmlPlan, Limits, Statement, assignments, refuse};
use crate::error::{Error, Result};
use crate::lookup::predicate::Operand;
use crate::planner::{self, Purpose};
use crate::select::QueryPlan;
use crate::select::scalars::Bound;
use crate::statement::parameters::{self, ParameterTypes, Parameters};
use crate::statement::syntax;

/// An UPDATE, planned.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    /// Gives the old rows, then the computed values.
    query: QueryPlan,
    /// Column and value of each assignment; computed values are columns of the query, counted from the first one after the old
    /// row.
    assignments: Vec<(usize, Cell)>,
}

/// A DELETE, planned.
#[derive(Clone, Debug)]
pub(crate) struct Delete {
    /// Gives the old rows.
    query: QueryPlan,
}

/// The query behind a statement, typed; planned once all parameters are known.
struct OldRows {
    plan: datafusion_expr::LogicalPlan,
    columns: Vec<monostable_types::Column>,
}

impl OldRows {
    fn new(
        statement: &Statement<'_>,
        target: &TableTarget,
        table: &TableFactor,
        computed: &[&ast::Expr],
        predicate: Option<ast::Expr>,
        types: &mut ParameterTypes,
    ) -> Result<OldRows> {
        let qualifier = qualifier(table, target);
        let old = target.columns.iter().enumerate();
        let mut items: Vec<ast::SelectItem> =
            old.map(|(index, column)| syntax::column(&qualifier, &column.name, &format!("old {index}"))).collect();
        let new = computed.iter().enumerate();
        items.extend(new.map(|(index, expr)| syntax::item((*expr).clone(), &format!("new {index}"))));
        let query = syntax::select(items, table.clone(), predicate);
        let Statement { planner, catalog, .. } = statement;
        let (plan, found) = parameters::resolve(planner.bind(&query, catalog, Purpose::Query)?)?;
        types.merge(found)?;
        let plan = planner.analyze(plan)?;
        let columns = planner::columns(plan.schema())?;
        Ok(OldRows { plan: planner.optimize(plan)?, columns })
    }

    fn plan(self, statement: &Statement<'_>, parameters: &Parameters) -> Result<QueryPlan> {
        QueryPlan::from_plan(self.plan, &self.columns, parameters.clone(), statement.catalog, statement.graph)
    }
}

/// Plans an UPDATE.
pub(super) fn plan_update(statement: &Statement<'_>, update: &ast::Update) -> Result<DmlPlan> {
    refuse(&[
        (update.from.is_some(), "UPDATE .. FROM (use a subquery in INSERT .. ON CONFLICT, or update row by row)"),
        (!update.table.joins.is_empty(), "UPDATE with joins"),
        (!update.order_by.is_empty(), "ORDER BY in UPDATE"),
        (update.limit.is_some(), "LIMIT in UPDATE"),
        (update.or.is_some(), "UPDATE OR"),
        (update.output.is_some(), "OUTPUT (write RETURNING)"),
    ])?;
    let table = &update.table.relation;
    let target = statement.target(relation_name(table)?)?;
    let mut types = ParameterTypes::default();
    let (mut set, mut computed) = (Vec::new(), Vec::new());
    // Parameters that are merely stored take the types that the rest of the statement fixes, so they are typed last.
    let mut stored = ParameterTypes::default();
    for (column, expr) in assignments(&target, &update.assignments)? {
        let recognised = Cell::recognise(expr, &target.columns[column], &target.defaults[column], &mut stored)?;
        set.push((column, recognised.unwrap_or(Cell::Computed(computed.len()))));
        if matches!(set.last(), Some((_, Cell::Computed(_)))) {
            computed.push(expr);
        }
    }
    let query = OldRows::new(statement, &target, table, &computed, update.selection.clone(), &mut types)?;
    let returning = returning(statement, update.returning.as_deref(), table, &mut types)?;
    types.store(&stored);
    let parameters = types.finish()?;
    let query = query.plan(statement, &parameters)?;
    let returning = returning.map(|typed| typed.compile(&parameters)).transpose()?;
    let relations = relations(&target, &query);
    let action = Action::Update(Box::new(Update { query, assignments: set }));
    DmlPlan::new(statement, target, action, returning, parameters, relations)
}

/// Plans a DELETE.
pub(super) fn plan_delete(statement: &Statement<'_>, delete: &ast::Delete) -> Result<DmlPlan> {
    refuse(&[
        (!delete.tables.is_empty(), "DELETE from several tables"),
        (delete.using.is_some(), "DELETE .. USING"),
        (!delete.order_by.is_empty(), "ORDER BY in DELETE"),
        (delete.limit.is_some(), "LIMIT in DELETE"),
        (delete.output.is_some(), "OUTPUT (write RETURNING)"),
    ])?;
    let (ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from)) = &delete.from;
    let [ast::TableWithJoins { relation: table, joins }] = from.as_slice() else {
        return Err(Error::not_supported("DELETE from several tables"));
    };
    refuse(&[(!joins.is_empty(), "DELETE with joins")])?;
    let target = statement.target(relation_name(table)?)?;
    let mut types = ParameterTypes::default();
    let query = OldRows::new(statement, &target, table, &[], delete.selection.clone(), &mut types)?;
    let returning = returning(statement, delete.returning.as_deref(), table, &mut types)?;
    let parameters = types.finish()?;
    let query = query.plan(statement, &parameters)?;
    let returning = returning.map(|typed| typed.compile(&parameters)).transpose()?;
    let relations = relations(&target, &query);
    let action = Action::Delete(Box::new(Delete { query }));
    DmlPlan::new(statement, target, action, returning, parameters, relations)
}

fn returning(
    statement: &Statement<'_>,
    items: Option<&[ast::SelectItem]>,
    table: &TableFactor,
    types: &mut ParameterTypes,
) -> Result<Option<TypedReturning>> {
    items.map(|items| TypedReturning::new(statement, items, table.clone(), types)).transpose()
}

fn relations(target: &TableTarget, query: &QueryPlan) -> Vec<monostable_view::NodeId> {
    let mut nodes: Vec<_> = target.relations().chain(query.relations().iter().copied()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

fn relation_name(table: &TableFactor) -> Result<&ast::ObjectName> {
    match table {
        TableFactor::Table { name, args: None, .. } => Ok(name),
        other => Err(Error::not_supported(format!("writing to {other}"))),
    }
}

fn qualifier(table: &TableFactor, target: &TableTarget) -> Ident {
    match table {
        TableFactor::Table { alias: Some(alias), .. } => alias.name.clone(),
        _ => syntax::quoted(&target.name),
    }
}

impl Update {
    /// The same as a point write, if it finds its row by primary key and assigns constants and parameters.
    pub(crate) fn point(&self, target: &TableTarget) -> Option<PointAction> {
        let computes = self.assignments.iter().any(|(_, cell)| matches!(cell, Cell::Computed(_)));
        let key = self.query.point_key(target)?;
        (!computes).then(|| PointAction::Update(key, self.assignments.clone()))
    }

    /// The rows before and after.
    pub(crate) fn change(
        &self,
        target: &TableTarget,
        version: &Version,
        bound: &Bound,
        limits: Limits,
    ) -> Result<Change> {
        let found = self.query.rows(version, bound)?;
        let width = target.columns.len();
        let count = found.num_rows();
        let mut columns: Vec<ArrayRef> = found.columns()[..width].to_vec();
        let removed = target.batch(columns.clone(), count)?;
        let types: Vec<DataType> = self.query.schema().types();
        for (column, cell) in &self.assignments {
            let to = &target.columns[*column];
            columns[*column] = match cell {
                Cell::Computed(index) => to.assign_array(found.column(width + index), types[width + index])?,
                constant => {
                    let value = constant.value(to, bound, &[])?;
                    values_to_array(to.data_type, std::iter::repeat_n(&value, count))?
                }
            };
        }
        let added = target.batch(columns, count)?;
        target.check_rows(&added, limits.row_bytes_max)?;
        Ok(Change { removed, added })
    }
}

impl Delete {
    /// The key of the row, if it is found by primary key alone.
    pub(crate) fn point(&self, target: &TableTarget) -> Option<Vec<Operand>> {
        self.query.point_key(target)
    }

    /// The rows that go.
    pub(crate) fn change(&self, target: &TableTarget, version: &Version, bound: &Bound) -> Result<Change> {
        let found = self.query.rows(version, bound)?;
        let removed = target.batch(found.columns().to_vec(), found.num_rows())?;
        Ok(Change { removed, added: target.no_rows() })
    }
}

/// Rows of a query as rows of the table, one array per column in the order given; columns that are not given take their default.
pub(super) fn assigned_rows(
    target: &TableTarget,
    given: &[usize],
    found: &RecordBatch,
    types: &[DataType],
) -> Result<RecordBatch> {
    let count = found.num_rows();
    let columns =
        target.columns.iter().enumerate().map(|(index, column)| match given.iter().position(|given| *given == index) {
            Some(at) => column.assign_array(&Arc::clone(found.column(at)), types[at]),
            None => Ok(values_to_array(column.data_type, std::iter::repeat_n(&target.defaults[index], count))?),
        });
    target.batch(columns.collect::<Result<_>>()?, count)
}
