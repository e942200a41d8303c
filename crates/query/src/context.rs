//! What DataFusion's binder asks of us: which relations, functions and types there are.
//!
//! A name means a table or a view of one [`Catalog`], and nothing else: no files, no variables, no table functions. Functions
//! are those of [`Functions`], types those of crate `types`. A context lives for one statement.

use std::sync::Arc;

use arrow_schema::{DataType as ArrowType, Field, FieldRef, SchemaRef};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{Constraint, Constraints, TableReference};
use datafusion_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion_sql::sqlparser::ast;

use crate::catalog::{Catalog, Relation};
use crate::error::{Error, Object};
use crate::functions::Functions;
use crate::sql_type::sql_type;

/// A relation as DataFusion sees it: its columns and its key.
#[derive(Debug)]
pub struct RelationSource {
    relation: Relation,
    schema: SchemaRef,
    constraints: Constraints,
}

impl RelationSource {
    fn new(relation: &Relation) -> RelationSource {
        let fields: Vec<Field> = relation
            .schema()
            .columns()
            .iter()
            .map(|column| Field::new(&column.name, column.data_type.to_arrow(), column.nullable))
            .collect();
        let constraints = match relation.unique_key() {
            Some(key) if !key.is_empty() => Constraints::new_unverified(vec![Constraint::PrimaryKey(key.to_vec())]),
            _ => Constraints::default(),
        };
        RelationSource { relation: relation.clone(), schema: Arc::new(arrow_schema::Schema::new(fields)), constraints }
    }

    /// The table or view that is scanned.
    pub fn relation(&self) -> &Relation {
        &self.relation
    }
}

impl TableSource for RelationSource {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn constraints(&self) -> Option<&Constraints> {
        Some(&self.constraints)
    }
}

/// One statement's view of the world.
pub(crate) struct Context<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) functions: &'a Functions,
    pub(crate) options: &'a ConfigOptions,
    pub(crate) operators: &'a [Arc<dyn ExprPlanner>],
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> datafusion_common::Result<Arc<dyn TableSource>> {
        let known = match &name {
            TableReference::Bare { table } => self.catalog.relation(table),
            TableReference::Partial { schema, table } if schema.as_ref() == "public" => self.catalog.relation(table),
            _ => None,
        };
        match known {
            Some(relation) => Ok(Arc::new(RelationSource::new(&relation))),
            None => Err(Error::undefined(Object::Relation, name.to_string()).into_datafusion()),
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.operators
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.functions.scalar(name)
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.functions.aggregate(name)
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_window_meta(&self, _name: &str) -> Option<Arc<WindowUDF>> {
        None
    }

    fn get_variable_type(&self, _variable_names: &[String]) -> Option<ArrowType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.options
    }

    fn udf_names(&self) -> Vec<String> {
        self.functions.scalar_names()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.functions.aggregate_names()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Our types under their SQL names.
#[derive(Debug)]
struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql: &ast::DataType) -> datafusion_common::Result<Option<FieldRef>> {
        let data_type = sql_type(sql).map_err(Error::into_datafusion)?;
        Ok(Some(Arc::new(Field::new("", data_type.to_arrow(), true))))
    }
}
