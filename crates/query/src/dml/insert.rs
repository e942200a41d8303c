//! INSERT: rows from VALUES, from a query, or from the defaults alone.
//!
//! Rows of VALUES are made of cells, which need no planning when the statement is executed; ON CONFLICT is in `conflict`.
//!
//! Cost: a cast per value, then the checks of `target`. Callers: `dml`.

use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion_common::{DFSchema, DFSchemaRef};
use datafusion_expr::Expr;
use datafusion_sql::sqlparser::ast;
use monostable_types::{DataType, Value, values_to_array};
use monostable_view::{NodeId, RowType, Version};

use super::cell::Cell;
use super::conflict::{OnConflict, TypedConflict};
use super::returning::TypedReturning;
use super::target::TableTarget;
use super::update::assigned_rows;
use super::{Action, Change, DmlPlan, Limits, Statement, column_name, refuse};
use crate::error::{Error, Object, Result};
use crate::planner::{self, Purpose};
use crate::select::QueryPlan;
use crate::select::scalars::{Bound, Scalars, expr_types};
use crate::statement::parameters::{self, ParameterTypes, Parameters};
use crate::statement::syntax;

/// An INSERT, planned.
#[derive(Clone, Debug)]
pub(crate) struct Insert {
    source: Source,
    conflict: Option<OnConflict>,
}

#[derive(Clone, Debug)]
enum Source {
    /// Rows of one cell per column of the table.
    Values { rows: Vec<Vec<Cell>>, computed: Computed },
    /// A query that gives these columns of the table.
    Query(Box<QueryPlan>, Vec<usize>),
}

/// Expressions without columns that are neither literals nor parameters.
#[derive(Clone, Debug)]
struct Computed {
    scalars: Scalars,
    types: Vec<DataType>,
}

/// The source with its types settled, to be completed once all parameters are known.
enum TypedSource {
    Values { rows: Vec<Vec<Cell>>, exprs: Vec<Expr>, schema: DFSchemaRef },
    Query { plan: Box<datafusion_expr::LogicalPlan>, columns: Vec<monostable_types::Column>, given: Vec<usize> },
}

/// Plans an INSERT.
pub(super) fn plan(statement: &Statement<'_>, insert: &ast::Insert) -> Result<DmlPlan> {
    refuse(&[
        (insert.or.is_some(), "INSERT OR (write ON CONFLICT)"),
        (insert.ignore, "INSERT IGNORE (write ON CONFLICT DO NOTHING)"),
        (insert.overwrite, "INSERT OVERWRITE"),
        (!insert.assignments.is_empty(), "INSERT .. SET"),
        (insert.partitioned.is_some() || !insert.after_columns.is_empty(), "INSERT .. PARTITION"),
        (insert.replace_into, "REPLACE (write INSERT .. ON CONFLICT DO UPDATE)"),
        (insert.output.is_some(), "OUTPUT (write RETURNING)"),
        (insert.insert_alias.is_some(), "an alias after VALUES (write excluded in ON CONFLICT)"),
        (insert.settings.is_some() || insert.format_clause.is_some(), "SETTINGS or FORMAT in INSERT"),
        (insert.multi_table_insert_type.is_some(), "INSERT into several tables"),
    ])?;
    let ast::TableObject::TableName(name) = &insert.table else {
        return Err(Error::not_supported(format!("INSERT INTO {}", insert.table)));
    };
    let target = statement.target(name)?;
    let alias = insert.table_alias.as_ref().map(|alias| alias.alias.clone());
    let (mut types, mut stored) = (ParameterTypes::default(), ParameterTypes::default());
    let source = source(statement, &target, insert, &mut types, &mut stored)?;
    let qualifier = alias.clone().unwrap_or_else(|| syntax::quoted(&target.name));
    let conflict = match &insert.on {
        None => None,
        Some(ast::OnInsert::OnConflict(clause)) => {
            Some(TypedConflict::new(statement, &target, clause, &qualifier, &mut types, &mut stored)?)
        }
        Some(_) => return Err(Error::not_supported("ON DUPLICATE KEY UPDATE (write ON CONFLICT DO UPDATE)")),
    };
    let table = syntax::table(&target.name, alias);
    let returning = insert.returning.as_deref();
    let returning = returning.map(|items| TypedReturning::new(statement, items, table, &mut types)).transpose()?;
    types.store(&stored);
    let parameters = types.finish()?;
    let (source, mut relations) = source.complete(statement, &parameters)?;
    relations.extend(target.relations());
    relations.sort_unstable();
    relations.dedup();
    let conflict = conflict.map(|conflict| conflict.compile(&parameters)).transpose()?;
    let returning = returning.map(|typed| typed.compile(&parameters)).transpose()?;
    let action = Action::Insert(Box::new(Insert { source, conflict }));
    DmlPlan::new(statement, target, action, returning, parameters, relations)
}

fn source(
    statement: &Statement<'_>,
    target: &TableTarget,
    insert: &ast::Insert,
    types: &mut ParameterTypes,
    stored: &mut ParameterTypes,
) -> Result<TypedSource> {
    let given = given_columns(target, &insert.columns)?;
    let Some(query) = &insert.source else {
        let row = target.defaults.iter().cloned().map(Cell::Constant).collect();
        return Ok(TypedSource::Values { rows: vec![row], exprs: Vec::new(), schema: Arc::new(DFSchema::empty()) });
    };
    let is_plain =
        query.with.is_none() && query.order_by.is_none() && query.limit_clause.is_none() && query.fetch.is_none();
    if let (ast::SetExpr::Values(values), true) = (query.body.as_ref(), is_plain) {
        return values_source(statement, target, values, &given, types, stored);
    }
    let Statement { planner, catalog, .. } = statement;
    let (plan, found) = parameters::resolve(planner.bind(query, catalog, Purpose::Query)?)?;
    types.merge(found)?;
    let plan = planner.analyze(plan)?;
    let columns = planner::columns(plan.schema())?;
    let given = matched(given, columns.len())?;
    Ok(TypedSource::Query { plan: Box::new(planner.optimize(plan)?), columns, given })
}

/// The columns that are written, and whether they were listed.
struct Given {
    columns: Vec<usize>,
    listed: bool,
}

fn given_columns(target: &TableTarget, names: &[ast::ObjectName]) -> Result<Given> {
    if names.is_empty() {
        return Ok(Given { columns: (0..target.columns.len()).collect(), listed: false });
    }
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        let column = target.column(&column_name(name)?)?;
        if columns.contains(&column) {
            return Err(Error::duplicate(Object::Column, target.columns[column].name.clone()));
        }
        columns.push(column);
    }
    Ok(Given { columns, listed: true })
}

/// The columns for a row of `width` values; a row may be shorter than the table if no columns were listed.
fn matched(given: Given, width: usize) -> Result<Vec<usize>> {
    check_width(&given, width)?;
    let mut columns = given.columns;
    columns.truncate(width);
    Ok(columns)
}

fn check_width(given: &Given, width: usize) -> Result<()> {
    let message = match width.cmp(&given.columns.len()) {
        std::cmp::Ordering::Greater => "INSERT has more expressions than target columns",
        std::cmp::Ordering::Less if given.listed => "INSERT has more target columns than expressions",
        _ => return Ok(()),
    };
    Err(Error::Syntax(message.to_owned()))
}

fn values_source(
    statement: &Statement<'_>,
    target: &TableTarget,
    values: &ast::Values,
    given: &Given,
    types: &mut ParameterTypes,
    stored: &mut ParameterTypes,
) -> Result<TypedSource> {
    let schema = Arc::new(DFSchema::empty());
    let defaults: Vec<Cell> = target.defaults.iter().cloned().map(Cell::Constant).collect();
    let (mut rows, mut exprs) = (Vec::with_capacity(values.rows.len()), Vec::new());
    let width = values.rows.first().map_or(0, |row| row.content.len());
    for row in &values.rows {
        if row.content.len() != width {
            return Err(Error::Syntax("VALUES lists must all be the same length".to_owned()));
        }
        check_width(given, width)?;
        let mut cells = defaults.clone();
        for (expr, column) in row.content.iter().zip(&given.columns) {
            let recognised = Cell::recognise(expr, &target.columns[*column], &target.defaults[*column], stored)?;
            cells[*column] = match recognised {
                Some(cell) => cell,
                None => {
                    let typed = statement.planner.expression(expr, &schema, statement.catalog)?;
                    exprs.push(types.expr(typed)?);
                    Cell::Computed(exprs.len() - 1)
                }
            };
        }
        rows.push(cells);
    }
    Ok(TypedSource::Values { rows, exprs, schema })
}

impl TypedSource {
    fn complete(self, statement: &Statement<'_>, parameters: &Parameters) -> Result<(Source, Vec<NodeId>)> {
        match self {
            TypedSource::Values { rows, exprs, schema } => {
                let scalars = Scalars::compile(&exprs, &schema, parameters)?;
                let computed = Computed { scalars, types: expr_types(&exprs, &schema)? };
                Ok((Source::Values { rows, computed }, Vec::new()))
            }
            TypedSource::Query { plan, columns, given } => {
                let Statement { catalog, graph, .. } = statement;
                let query = QueryPlan::from_plan(*plan, &columns, parameters.clone(), catalog, graph)?;
                let relations = query.relations().to_vec();
                Ok((Source::Query(Box::new(query), given), relations))
            }
        }
    }
}

impl Insert {
    /// The cells of the row that is inserted, if it is a single one without conditions.
    pub(crate) fn point(&self) -> Option<Vec<Cell>> {
        match &self.source {
            Source::Values { rows, .. } if self.conflict.is_none() => match rows.as_slice() {
                [row] if !row.iter().any(|cell| matches!(cell, Cell::Computed(_))) => Some(row.clone()),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Computed {
    fn values(&self, bound: &Bound) -> Result<Vec<Value>> {
        if self.types.is_empty() {
            return Ok(Vec::new());
        }
        let one_row = RowType::new(&[]).batch(Vec::new(), 1)?;
        let arrays = self.scalars.bind(bound)?.evaluate(&one_row, bound)?;
        let values = arrays.iter().zip(&self.types);
        values.map(|(array, data_type)| Ok(Value::from_array(array.as_ref(), 0, *data_type)?)).collect()
    }
}

impl Source {
    fn rows(&self, target: &TableTarget, version: &Version, bound: &Bound) -> Result<RecordBatch> {
        match self {
            Source::Query(query, given) => {
                assigned_rows(target, given, &query.rows(version, bound)?, &query.schema().types())
            }
            Source::Values { rows, computed } => {
                let computed = computed.values(bound)?;
                let mut columns = Vec::with_capacity(target.columns.len());
                for (index, column) in target.columns.iter().enumerate() {
                    let cells = rows.iter().map(|row| row[index].value(column, bound, &computed));
                    let values: Vec<Value> = cells.collect::<Result<_>>()?;
                    columns.push(values_to_array(column.data_type, values.iter())?);
                }
                target.batch(columns, rows.len())
            }
        }
    }
}

impl Insert {
    /// The rows that are put in, and those that ON CONFLICT DO UPDATE takes out.
    pub(crate) fn change(
        &self,
        target: &TableTarget,
        version: &Version,
        bound: &Bound,
        limits: Limits,
    ) -> Result<Change> {
        let proposed = self.source.rows(target, version, bound)?;
        target.check_rows(&proposed, limits.row_bytes_max)?;
        match &self.conflict {
            None => Ok(Change { removed: target.no_rows(), added: proposed }),
            Some(conflict) => conflict.resolve(target, version, bound, proposed, limits),
        }
    }
}
