//! From text to a bound, typed and optimised logical plan.
//!
//! DataFusion's planning crates parse, bind and rewrite; what they would do differently from PostgreSQL is settled here by
//! configuration, by our own typing of operators (`operators`), functions (`functions`) and casts (`analyze`), and by refusing
//! (`check`). Nothing is executed, and no state is kept between statements but the plan cache.
//!
//! Steps: parse, refuse what is not supported by name, name the select items, bind, type (our rules, then DataFusion's
//! coercion, then our check of what it inserted), settle how limits break ties, optimise with the rules that help a maintained view.
//!
//! Cost: about half a millisecond per statement; the plan cache is there for that.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, DFSchemaRef};
use datafusion_expr::planner::ExprPlanner;
use datafusion_expr::{EmptyRelation, Expr, LogicalPlan, Projection};
use datafusion_optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion_optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion_optimizer::{Analyzer, Optimizer, OptimizerContext};
use datafusion_sql::planner::{PlannerContext, SqlToRel};
use datafusion_sql::sqlparser::ast;
use datafusion_sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion_sql::sqlparser::parser::Parser;
use datafusion_sql::sqlparser::tokenizer::Tokenizer;
use monostable_types::{Column, DataType, Schema};

use crate::analyze::{CheckCoercions, PostgresTypes};
use crate::cache::PlanCache;
use crate::catalog::Catalog;
use crate::check;
use crate::context::Context;
use crate::depth::{self, with_stack};
use crate::error::{self, Error, Result};
use crate::functions::Functions;
use crate::limit;
use crate::lower::relation_of;
use crate::names;
use crate::operators::Operators;
use crate::statement::Prepared;

/// Texts whose plans are kept.
const PLANS_MAX: usize = 1024;
/// Nesting that the parser accepts; deeper text is refused instead of overflowing a stack.
const NESTING_MAX: usize = 200;

/// The rules that run, in DataFusion's order. Left out: those that make semijoins out of inner joins, push limits down,
/// or rewrite DISTINCT, all of which cost state in a maintained view; and those that evaluate subqueries, which are refused.
const RULES: [&str; 12] = [
    "optimize_unions",
    "simplify_expressions",
    "extract_equijoin_predicate",
    "eliminate_duplicated_expr",
    "eliminate_filter",
    "eliminate_cross_join",
    "propagate_empty_relation",
    "eliminate_outer_join",
    "push_down_filter",
    "eliminate_group_by_constant",
    "common_subexpr_eliminate",
    "optimize_projections",
];

/// What a query is for: it decides what may stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The definition of a materialized view: no parameters, ORDER BY only with LIMIT and the other way round.
    View,
    /// An ad-hoc query: parameters are allowed, and ORDER BY and LIMIT without each other at the top.
    Query,
}

/// A query that was bound, typed and optimised.
#[derive(Debug, Clone)]
pub struct BoundQuery {
    /// The plan; see [`crate::lower::lower`].
    pub plan: LogicalPlan,
    /// The output columns, under the names that readers see (which may repeat).
    pub columns: Vec<Column>,
    /// The tables and views that it reads, sorted, each once.
    pub relations: Vec<String>,
}

/// The front end. One per database, shared by all threads.
#[derive(Debug)]
pub struct Planner {
    functions: Functions,
    options: Arc<ConfigOptions>,
    operators: Vec<Arc<dyn ExprPlanner>>,
    analyzer: Analyzer,
    optimizer: Optimizer,
    cache: PlanCache<Prepared>,
}

impl Default for Planner {
    fn default() -> Planner {
        Planner::new()
    }
}

impl Planner {
    /// A planner with an empty cache.
    pub fn new() -> Planner {
        let functions = Functions::new();
        let analyzer = Analyzer::with_rules(vec![
            Arc::new(ResolveGroupingFunction::new()),
            Arc::new(PostgresTypes),
            Arc::new(TypeCoercion::new()),
            Arc::new(CheckCoercions),
        ]);
        let rules = Optimizer::new().rules.into_iter().filter(|rule| RULES.contains(&rule.name())).collect();
        Planner {
            functions,
            options: Arc::new(options()),
            operators: vec![Arc::new(Operators)],
            analyzer,
            optimizer: Optimizer::with_rules(rules),
            cache: PlanCache::new(PLANS_MAX),
        }
    }

    /// The statements of a text; 42601 if it is not SQL.
    pub fn parse(&self, sql: &str) -> Result<Vec<ast::Statement>> {
        let dialect = PostgreSqlDialect {};
        let tokens =
            Tokenizer::new(&dialect, sql).tokenize_with_location().map_err(|error| Error::Syntax(error.to_string()))?;
        depth::check(&tokens)?;
        names::check(&tokens)?;
        let parser = Parser::new(&dialect).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens);
        with_stack(|| {
            let mut parser = parser;
            parser.parse_statements().map_err(|error| error::syntax(&error))
        })
    }

    /// The query that a text consists of, for example the definition of a view.
    pub fn parse_query(&self, sql: &str) -> Result<ast::Query> {
        let mut statements = self.parse(sql)?;
        match (statements.pop(), statements.is_empty()) {
            (Some(ast::Statement::Query(query)), true) => Ok(*query),
            _ => Err(Error::Syntax(format!("not a query: {sql}"))),
        }
    }

    /// Plans a query: parsed to optimised.
    pub fn query(&self, query: &ast::Query, catalog: &Catalog, purpose: Purpose) -> Result<BoundQuery> {
        with_stack(|| {
            let plan = self.bind(query, catalog, purpose)?;
            let plan = self.analyze(plan)?;
            let columns = columns(plan.schema())?;
            let relations = relations(&plan)?;
            let plan = self.optimize(plan)?;
            Ok(BoundQuery { plan, columns, relations })
        })
    }

    /// Plans a query up to names and structure; types are not settled yet.
    pub fn bind(&self, query: &ast::Query, catalog: &Catalog, purpose: Purpose) -> Result<LogicalPlan> {
        with_stack(|| {
            check::query(query, purpose)?;
            let mut query = query.clone();
            limit::fetch_as_limit(&mut query);
            names::name_select_items(&mut query);
            let context = self.context(catalog);
            let statement = ast::Statement::Query(Box::new(query));
            Ok(SqlToRel::new(&context).sql_statement_to_plan(statement)?)
        })
    }

    /// Settles the types of a bound plan, and how its limits break ties.
    pub fn analyze(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        with_stack(|| limit::settle(self.analyzer.execute_and_check(plan, &self.options, |_, _| {})?))
    }

    /// Rewrites a typed plan into one that is cheaper to maintain and gives the same rows.
    pub fn optimize(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let context = OptimizerContext::new_with_config_options(Arc::clone(&self.options))
            .with_skip_failing_rules(false)
            .without_query_execution_start_time();
        with_stack(|| Ok(self.optimizer.optimize(plan, &context, |_, _| {})?))
    }

    /// Binds, types and simplifies an expression over the columns of `schema`, for example one of SET, DEFAULT or RETURNING.
    pub fn expression(&self, expr: &ast::Expr, schema: &DFSchema, catalog: &Catalog) -> Result<Expr> {
        with_stack(|| {
            check::expression(expr)?;
            let mut expr = expr.clone();
            names::name_select_items(&mut expr);
            let context = self.context(catalog);
            let bound = SqlToRel::new(&context).sql_to_expr(expr, schema, &mut PlannerContext::new())?;
            self.type_expression(bound, &Arc::new(schema.clone()))
        })
    }

    /// Types and simplifies a bound expression over the columns of `schema`.
    pub fn type_expression(&self, expr: Expr, schema: &DFSchemaRef) -> Result<Expr> {
        let input = LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema: Arc::clone(schema) });
        let plan = LogicalPlan::Projection(Projection::try_new(vec![expr], Arc::new(input))?);
        match self.simplify(self.analyze(plan)?)? {
            LogicalPlan::Projection(mut projection) if projection.expr.len() == 1 => {
                Ok(projection.expr.swap_remove(0).unalias())
            }
            other => Err(Error::Internal(format!("an expression became the plan {}", other.display()))),
        }
    }

    /// Only folds constants: the rules that move columns around would lose the schema that the expression is over.
    fn simplify(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let rules = self.optimizer.rules.iter().filter(|rule| rule.name() == "simplify_expressions").cloned().collect();
        let context = OptimizerContext::new_with_config_options(Arc::clone(&self.options))
            .with_skip_failing_rules(false)
            .without_query_execution_start_time();
        Ok(Optimizer::with_rules(rules).optimize(plan, &context, |_, _| {})?)
    }

    /// What was prepared before, by text and catalog version.
    pub(crate) fn cache(&self) -> &PlanCache<Prepared> {
        &self.cache
    }

    fn context<'a>(&'a self, catalog: &'a Catalog) -> Context<'a> {
        Context { catalog, functions: &self.functions, options: &self.options, operators: &self.operators }
    }
}

fn options() -> ConfigOptions {
    let mut options = ConfigOptions::default();
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.enable_ident_normalization = true;
    options.sql_parser.support_varchar_with_length = false;
    options.execution.time_zone = Some("+00:00".to_string());
    options.optimizer.filter_null_join_keys = false;
    options.optimizer.skip_failed_rules = false;
    options
}

/// The output columns of a typed plan, under their PostgreSQL names.
pub(crate) fn columns(schema: &DFSchema) -> Result<Vec<Column>> {
    schema
        .fields()
        .iter()
        .map(|field| {
            let data_type = match field.data_type() {
                // An untyped NULL is text once it leaves the query, as in PostgreSQL.
                arrow_schema::DataType::Null => DataType::Text,
                arrow => DataType::from_arrow(arrow)?,
            };
            let column = Column::new(names::output_name(field.name()), data_type);
            Ok(if field.is_nullable() { column } else { column.not_null() })
        })
        .collect()
}

/// The columns as a schema.
pub(crate) fn schema_of(columns: &[Column]) -> Schema {
    Schema::new(columns.to_vec())
}

/// The names of the tables and views that the plan scans, sorted, each once.
fn relations(plan: &LogicalPlan) -> Result<Vec<String>> {
    let mut names = BTreeSet::new();
    plan.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            names.insert(relation_of(scan)?.name().to_string());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(names.into_iter().collect())
}
