//! CREATE TABLE and CREATE INDEX.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion_common::DFSchema;
use datafusion_sql::sqlparser::ast::helpers::stmt_create_table::CreateTableBuilder;
use datafusion_sql::sqlparser::ast::{
    self, ColumnOption, IndexColumn, IndexType, NullsDistinctOption, Statement, TableConstraint,
};
use monostable_types::{Column, DataType, Schema};
use monostable_view::{Graph, GraphBuilder, NodeId};

use super::{DdlOutcome, object_name};
use crate::catalog::{Catalog, DefaultDef, IndexDef, Relation, TableDef, UniqueDef};
use crate::dml::assign::Target;
use crate::error::{Error, Object, Result};
use crate::lower::constant;
use crate::names::fold;
use crate::planner::Planner;
use crate::sql_type::column_type;

/// More would not fit the checks of a row's width.
const COLUMNS_MAX: usize = 1600;

pub(super) fn create(
    create: &ast::CreateTable,
    planner: &Planner,
    catalog: &Catalog,
    graph: &Graph,
) -> Result<DdlOutcome> {
    refuse_clauses(create)?;
    let name = object_name(&create.name)?;
    if let Some(Relation::Table(_)) = catalog.relation(&name)
        && create.if_not_exists
    {
        let notice = format!("table \"{name}\" already exists, skipping");
        return Ok(DdlOutcome::unchanged(catalog, graph, notice));
    }
    if catalog.is_taken(&name) {
        return Err(Error::duplicate(Object::Relation, name));
    }
    let mut parts = Parts::default();
    for column in &create.columns {
        parts.column(column, planner, catalog)?;
    }
    for constraint in &create.constraints {
        parts.constraint(constraint)?;
    }
    let mut builder = graph.extend();
    let table = parts.define(name, catalog, &mut builder)?;
    let catalog = catalog.with_relation(Relation::Table(Arc::new(table)))?;
    Ok(DdlOutcome::changed(catalog, graph, &builder.finish()))
}

/// A statement with the clauses that are known must be the whole statement.
fn refuse_clauses(create: &ast::CreateTable) -> Result<()> {
    if create.temporary {
        return Err(Error::not_supported("CREATE TEMPORARY TABLE"));
    }
    if create.query.is_some() {
        return Err(Error::not_supported("CREATE TABLE AS (create the table, then INSERT .. SELECT)"));
    }
    if create.like.is_some() {
        return Err(Error::not_supported("CREATE TABLE .. LIKE"));
    }
    if create.inherits.is_some() || create.partition_by.is_some() || create.partition_of.is_some() {
        return Err(Error::not_supported("table inheritance or partitioning"));
    }
    let plain = CreateTableBuilder::new(create.name.clone())
        .columns(create.columns.clone())
        .constraints(create.constraints.clone())
        .if_not_exists(create.if_not_exists)
        .build();
    let same = Statement::CreateTable(create.clone()).to_string() == Statement::from(plain).to_string();
    if same { Ok(()) } else { Err(Error::not_supported(format!("a clause of CREATE TABLE {}", create.name))) }
}

/// What the columns and constraints say, collected.
#[derive(Default)]
struct Parts {
    columns: Vec<Column>,
    characters_max: Vec<Option<u32>>,
    defaults: Vec<Option<DefaultDef>>,
    primary_key: Option<Vec<usize>>,
    unique: Vec<(Option<String>, Vec<usize>)>,
}

impl Parts {
    fn column(&mut self, column: &ast::ColumnDef, planner: &Planner, catalog: &Catalog) -> Result<()> {
        let name = fold(&column.name);
        if self.columns.iter().any(|known| known.name == name) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(Error::InvalidDefinition { sqlstate: "42701", message });
        }
        if self.columns.len() == COLUMNS_MAX {
            let message = format!("tables can have at most {COLUMNS_MAX} columns");
            return Err(Error::InvalidDefinition { sqlstate: "54011", message });
        }
        let (data_type, characters_max) = column_type(&column.data_type)?;
        let index = self.columns.len();
        self.columns.push(Column::new(name, data_type));
        self.characters_max.push(characters_max);
        self.defaults.push(None);
        let mut said_null = false;
        for option in &column.options {
            match &option.option {
                ColumnOption::Null => said_null = true,
                ColumnOption::NotNull => self.columns[index].nullable = false,
                ColumnOption::Default(expr) => {
                    self.defaults[index] = Some(self.default_of(index, expr, planner, catalog)?)
                }
                ColumnOption::PrimaryKey(constraint) => {
                    let plain = constraint.characteristics.is_none() && constraint.index_options.is_empty();
                    self.primary_key(vec![index], plain)?;
                }
                ColumnOption::Unique(constraint) => {
                    refuse_unique_options(constraint)?;
                    self.unique.push((option.name.as_ref().map(fold), vec![index]));
                }
                other => return Err(Error::not_supported(option_name(other))),
            }
        }
        if said_null && !self.columns[index].nullable {
            let message = format!("conflicting NULL/NOT NULL declarations for column \"{}\"", self.columns[index].name);
            return Err(Error::InvalidDefinition { sqlstate: "42601", message });
        }
        Ok(())
    }

    /// A DEFAULT is a constant, and is evaluated once, here.
    fn default_of(&self, index: usize, expr: &ast::Expr, planner: &Planner, catalog: &Catalog) -> Result<DefaultDef> {
        let column = &self.columns[index];
        let typed = planner.expression(expr, &DFSchema::empty(), catalog)?;
        let target = Target {
            name: column.name.clone(),
            data_type: column.data_type,
            characters_max: self.characters_max[index].map(|max| max as usize),
        };
        let value = target.assign(&constant(&typed)?)?.into_owned();
        Ok(DefaultDef { sql: expr.to_string(), value })
    }

    fn constraint(&mut self, constraint: &TableConstraint) -> Result<()> {
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                let columns = self.positions(&key.columns)?;
                self.primary_key(columns, key.characteristics.is_none() && key.index_options.is_empty())
            }
            TableConstraint::Unique(unique) => {
                refuse_unique_options(unique)?;
                let columns = self.positions(&unique.columns)?;
                self.unique.push((unique.name.as_ref().map(fold), columns));
                Ok(())
            }
            TableConstraint::ForeignKey(_) => Err(Error::not_supported("FOREIGN KEY")),
            TableConstraint::Check(_) => Err(Error::not_supported("CHECK")),
            other => Err(Error::not_supported(format!("the table constraint {other}"))),
        }
    }

    fn positions(&self, columns: &[IndexColumn]) -> Result<Vec<usize>> {
        columns_of(columns, |name| self.columns.iter().position(|column| column.name == name))
    }

    fn primary_key(&mut self, columns: Vec<usize>, plain: bool) -> Result<()> {
        if self.primary_key.is_some() {
            let message = "multiple primary keys for one table are not allowed".to_string();
            return Err(Error::InvalidDefinition { sqlstate: "42P16", message });
        }
        if !plain {
            return Err(Error::not_supported("an option of PRIMARY KEY"));
        }
        self.primary_key = Some(columns);
        Ok(())
    }

    fn define(mut self, name: String, catalog: &Catalog, graph: &mut GraphBuilder) -> Result<TableDef> {
        if self.columns.is_empty() {
            let message = "a table must have at least one column".to_string();
            return Err(Error::InvalidDefinition { sqlstate: "42P16", message });
        }
        for &column in self.primary_key.iter().flatten() {
            self.columns[column].nullable = false;
        }
        let keys = self.primary_key.iter().chain(self.unique.iter().map(|(_, columns)| columns));
        for &column in keys.flatten() {
            refuse_key_type(&self.columns[column])?;
        }
        let schema = Schema::new(self.columns);
        let id = catalog.next_table_id();
        let source = graph.source(id, &schema.types())?;
        let key = self.primary_key.clone().unwrap_or_else(|| (0..schema.len()).collect());
        let node = graph.arrange(source, &key)?;
        graph.assert_positive(node)?;
        let unique = unique_constraints(self.unique, &name, &schema, source, graph)?;
        let (primary_key, defaults, characters_max) = (self.primary_key, self.defaults, self.characters_max);
        Ok(TableDef { id, name, schema, primary_key, unique, defaults, characters_max, source, node })
    }
}

fn unique_constraints(
    constraints: Vec<(Option<String>, Vec<usize>)>,
    table: &str,
    schema: &Schema,
    source: NodeId,
    graph: &mut GraphBuilder,
) -> Result<Vec<UniqueDef>> {
    let mut unique: Vec<UniqueDef> = Vec::with_capacity(constraints.len());
    for (given, columns) in constraints {
        let name = given.unwrap_or_else(|| constraint_name(table, schema, &columns));
        if unique.iter().any(|known| known.name == name) {
            return Err(Error::duplicate(Object::Constraint, name));
        }
        unique.push(UniqueDef { name, node: graph.arrange(source, &columns)?, columns });
    }
    Ok(unique)
}

fn constraint_name(table: &str, schema: &Schema, columns: &[usize]) -> String {
    let names: Vec<&str> = columns.iter().map(|&column| schema.columns()[column].name.as_str()).collect();
    format!("{table}_{}_key", names.join("_"))
}

/// A key compares bytes, and PostgreSQL finds a month and thirty days equal.
fn refuse_key_type(column: &Column) -> Result<()> {
    if column.data_type == DataType::Interval {
        return Err(Error::not_supported(format!("a key or index on column \"{}\" of type interval", column.name)));
    }
    Ok(())
}

fn refuse_unique_options(unique: &ast::UniqueConstraint) -> Result<()> {
    if unique.nulls_distinct == NullsDistinctOption::NotDistinct {
        return Err(Error::not_supported("UNIQUE NULLS NOT DISTINCT"));
    }
    if unique.characteristics.is_some() || !unique.index_options.is_empty() {
        return Err(Error::not_supported("an option of UNIQUE"));
    }
    Ok(())
}

fn option_name(option: &ColumnOption) -> String {
    match option {
        ColumnOption::ForeignKey(_) => "REFERENCES".to_string(),
        ColumnOption::Check(_) => "CHECK".to_string(),
        ColumnOption::Generated { .. } | ColumnOption::Identity(_) => "a generated or identity column".to_string(),
        ColumnOption::Collation(_) => "COLLATE".to_string(),
        other => format!("the column option {other}"),
    }
}

/// Plain, ascending columns by position, each once.
fn columns_of(columns: &[IndexColumn], position: impl Fn(&str) -> Option<usize>) -> Result<Vec<usize>> {
    let mut positions = Vec::with_capacity(columns.len());
    let mut seen = HashSet::new();
    for column in columns {
        let ast::Expr::Identifier(ident) = &column.column.expr else {
            return Err(Error::not_supported(format!("a key or index on the expression {}", column.column.expr)));
        };
        let options = &column.column.options;
        if options.asc == Some(false) || options.nulls_first == Some(true) || column.operator_class.is_some() {
            return Err(Error::not_supported("DESC, NULLS FIRST or an operator class in a key or index"));
        }
        let name = fold(ident);
        let index = position(&name).ok_or_else(|| Error::undefined(Object::Column, name.as_str()))?;
        if !seen.insert(index) {
            let message = format!("column \"{name}\" appears twice in a key or index");
            return Err(Error::InvalidDefinition { sqlstate: "42701", message });
        }
        positions.push(index);
    }
    Ok(positions)
}

pub(super) fn create_index(create: &ast::CreateIndex, catalog: &Catalog, graph: &Graph) -> Result<DdlOutcome> {
    refuse_index_clauses(create)?;
    let relation = catalog.expect_relation(&object_name(&create.table_name)?)?;
    let columns = columns_of(&create.columns, |name| relation.schema().index_of(name))?;
    if columns.is_empty() {
        return Err(Error::Syntax("an index needs at least one column".to_string()));
    }
    for &column in &columns {
        refuse_key_type(&relation.schema().columns()[column])?;
    }
    let name = match &create.name {
        Some(name) => object_name(name)?,
        None => index_name(&relation, &columns, catalog),
    };
    if create.if_not_exists && catalog.index(&name).is_some() {
        let notice = format!("index \"{name}\" already exists, skipping");
        return Ok(DdlOutcome::unchanged(catalog, graph, notice));
    }
    let mut builder = graph.extend();
    let node = builder.arrange(relation.node(), &columns)?;
    let index = IndexDef { name, relation: relation.name().to_string(), columns, node };
    let catalog = catalog.with_index(index)?;
    Ok(DdlOutcome::changed(catalog, graph, &builder.finish()))
}

/// PostgreSQL's: table, columns, `idx`, and a number if that is taken.
fn index_name(relation: &Relation, columns: &[usize], catalog: &Catalog) -> String {
    let names: Vec<&str> = columns.iter().map(|&column| relation.schema().columns()[column].name.as_str()).collect();
    let base = format!("{}_{}_idx", relation.name(), names.join("_"));
    let mut name = base.clone();
    let mut number = 0;
    while catalog.is_taken(&name) {
        number += 1;
        name = format!("{base}{number}");
    }
    name
}

fn refuse_index_clauses(create: &ast::CreateIndex) -> Result<()> {
    if create.unique {
        return Err(Error::not_supported("CREATE UNIQUE INDEX (declare UNIQUE in CREATE TABLE)"));
    }
    if create.predicate.is_some() {
        return Err(Error::not_supported("a partial index (WHERE)"));
    }
    if !create.include.is_empty() {
        return Err(Error::not_supported("INCLUDE in an index (every index holds all columns)"));
    }
    match &create.using {
        None | Some(IndexType::BTree) => {}
        Some(other) => return Err(Error::not_supported(format!("an index USING {other}"))),
    }
    let foreign = create.nulls_distinct.is_some()
        || !create.with.is_empty()
        || !create.index_options.is_empty()
        || !create.alter_options.is_empty();
    if foreign { Err(Error::not_supported("an option of CREATE INDEX")) } else { Ok(()) }
}
