//! Refuses, by name, what is not supported, before anything is bound.
//!
//! A walk over the parsed query with an allow list: expressions and clauses that we know to give PostgreSQL's answer pass,
//! everything else is 0A000 with the construct's name. The lowering has its own closed list, so that a construct that slips
//! through here still is an error and not a wrong answer.

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{
    self, BinaryOperator, CastKind, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, JoinConstraint,
    JoinOperator, Query, Select, SetExpr, SetOperator, SetQuantifier, TableFactor, Visit, Visitor,
};

use crate::error::{Error, Object, Result};
use crate::functions::{self, Known};
use crate::names::{fold, interval_text};
use crate::planner::Purpose;

/// Refuses what is not supported in a query.
pub(crate) fn query(query: &Query, purpose: Purpose) -> Result<()> {
    walk(query, purpose)
}

/// Refuses what is not supported in an expression that stands outside of a query.
pub(crate) fn expression(expr: &Expr) -> Result<()> {
    walk(expr, Purpose::Query)
}

fn walk<T: Visit>(node: &T, purpose: Purpose) -> Result<()> {
    match node.visit(&mut Check { purpose, depth: 0 }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Check {
    purpose: Purpose,
    depth: usize,
}

fn refuse<T>(construct: impl Into<String>) -> Result<T> {
    Err(Error::not_supported(construct))
}

fn flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl Visitor for Check {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        self.depth += 1;
        flow(self.clauses(query).and_then(|()| body(&query.body)))
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        flow(clauses_of_select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        flow(table_factor(factor))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Error> {
        flow(self.expr(expr))
    }
}

impl Check {
    fn clauses(&self, query: &Query) -> Result<()> {
        let place = match (self.purpose, self.depth) {
            (Purpose::Query, 1) => None,
            (Purpose::Query, _) => Some("in a subquery"),
            (Purpose::View, _) => Some("in a materialized view"),
        };
        if let Some(place) = place {
            match (query.order_by.is_some(), query.limit_clause.is_some() || query.fetch.is_some()) {
                (true, false) => return refuse(format!("ORDER BY without LIMIT {place}")),
                (false, true) => return refuse(format!("LIMIT or OFFSET without ORDER BY {place}")),
                _ => {}
            }
        }
        if let Some(fetch) = &query.fetch {
            if fetch.with_ties || fetch.percent {
                return refuse("FETCH FIRST with PERCENT or WITH TIES");
            }
            if let Some(ast::LimitClause::LimitOffset { limit: Some(_), .. }) = query.limit_clause {
                return Err(Error::Syntax("multiple LIMIT clauses not allowed".to_string()));
            }
        }
        if query.with.as_ref().is_some_and(|with| with.recursive) {
            return refuse("WITH RECURSIVE");
        }
        if !query.locks.is_empty() {
            return refuse("FOR UPDATE or FOR SHARE");
        }
        let foreign = query.for_clause.is_some() || query.settings.is_some() || query.format_clause.is_some();
        if foreign || !query.pipe_operators.is_empty() {
            return refuse("a clause of another SQL dialect");
        }
        Ok(())
    }

    fn expr(&self, expr: &Expr) -> Result<()> {
        match expr {
            Expr::Function(call) => function(call),
            Expr::Exists { .. } => refuse("EXISTS (subquery)"),
            Expr::InSubquery { .. } => refuse("IN (subquery)"),
            Expr::Subquery(_) => refuse("a scalar subquery in an expression"),
            Expr::AnyOp { .. } => refuse("ANY or SOME"),
            Expr::AllOp { .. } => refuse("ALL (comparison)"),
            Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => refuse("GROUPING SETS, CUBE or ROLLUP"),
            Expr::AtTimeZone { .. } => refuse("AT TIME ZONE"),
            Expr::Collate { .. } => refuse("COLLATE"),
            Expr::SimilarTo { .. } => refuse("SIMILAR TO"),
            Expr::Like { escape_char: Some(_), .. } | Expr::ILike { escape_char: Some(_), .. } => {
                refuse("LIKE with ESCAPE")
            }
            Expr::Like { any: true, .. } | Expr::ILike { any: true, .. } => refuse("LIKE ANY"),
            Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, format: None, .. } => Ok(()),
            Expr::Cast { .. } => refuse("TRY_CAST or SAFE_CAST"),
            Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right) if is_and_or_or(right) => {
                refuse("IS DISTINCT FROM before AND or OR without parentheses around it")
            }
            Expr::BinaryOp { op, .. } => operator(op),
            Expr::UnaryOp {
                op: ast::UnaryOperator::Plus | ast::UnaryOperator::Minus | ast::UnaryOperator::Not,
                ..
            } => Ok(()),
            Expr::UnaryOp { op, .. } => refuse(format!("operator {op}")),
            Expr::Value(value) => self.value(&value.value),
            Expr::Ceil { field, .. } | Expr::Floor { field, .. } => rounding(field),
            Expr::Tuple(_) => refuse("a row constructor"),
            Expr::Array(_) => refuse("an array"),
            Expr::Identifier(_)
            | Expr::CompoundIdentifier(_)
            | Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::InList { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::Extract { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Nested(_)
            | Expr::TypedString(_)
            | Expr::Case { .. } => Ok(()),
            Expr::Interval(interval) if interval_text(interval).is_some() => Ok(()),
            Expr::Interval(_) => refuse("an interval with several fields, a precision or a fraction of its unit"),
            other => refuse(format!("the expression {}", excerpt(&other.to_string()))),
        }
    }

    fn value(&self, value: &ast::Value) -> Result<()> {
        match value {
            ast::Value::Placeholder(name) if self.purpose == Purpose::View => Err(Error::Parameter {
                sqlstate: "42P02",
                message: format!("there is no parameter {name}: a materialized view cannot have parameters"),
            }),
            ast::Value::Number(..)
            | ast::Value::SingleQuotedString(_)
            | ast::Value::DollarQuotedString(_)
            | ast::Value::EscapedStringLiteral(_)
            | ast::Value::Boolean(_)
            | ast::Value::Null
            | ast::Value::Placeholder(_) => Ok(()),
            other => refuse(format!("the literal {}", excerpt(&other.to_string()))),
        }
    }
}

fn rounding(field: &ast::CeilFloorKind) -> Result<()> {
    match field {
        ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => Ok(()),
        _ => refuse("CEIL or FLOOR with a field or scale"),
    }
}

fn excerpt(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text.to_string(),
    }
}

fn body(body: &SetExpr) -> Result<()> {
    match body {
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => Ok(()),
        SetExpr::SetOperation { left, op, set_quantifier, right } => {
            match (op, set_quantifier) {
                (SetOperator::Union, SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None) => {}
                (SetOperator::Union, _) => return refuse("UNION BY NAME"),
                (other, _) => return refuse(other.to_string()),
            }
            self::body(left).and_then(|()| self::body(right))
        }
        SetExpr::Table(_) => refuse("TABLE as a query (write SELECT * FROM)"),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            refuse("a data-modifying statement in WITH")
        }
    }
}

fn clauses_of_select(select: &Select) -> Result<()> {
    if let Some(ast::Distinct::On(_)) = select.distinct {
        return refuse("DISTINCT ON");
    }
    match &select.group_by {
        GroupByExpr::All(_) => return refuse("GROUP BY ALL"),
        GroupByExpr::Expressions(_, modifiers) if !modifiers.is_empty() => {
            return refuse("GROUPING SETS, CUBE or ROLLUP");
        }
        GroupByExpr::Expressions(..) => {}
    }
    if !select.named_window.is_empty() {
        return refuse("WINDOW");
    }
    if select.qualify.is_some() {
        return refuse("QUALIFY");
    }
    if select.into.is_some() {
        return refuse("SELECT INTO");
    }
    let foreign = select.top.is_some()
        || select.exclude.is_some()
        || !select.lateral_views.is_empty()
        || select.prewhere.is_some()
        || !select.connect_by.is_empty()
        || !select.cluster_by.is_empty()
        || !select.distribute_by.is_empty()
        || !select.sort_by.is_empty()
        || select.value_table_mode.is_some()
        || select.select_modifiers.is_some()
        || select.flavor != ast::SelectFlavor::Standard;
    if foreign {
        return refuse("a clause of another SQL dialect");
    }
    for item in &select.projection {
        wildcard(item)?;
    }
    for table in &select.from {
        joins(table)?;
    }
    Ok(())
}

fn wildcard(item: &ast::SelectItem) -> Result<()> {
    match item {
        ast::SelectItem::UnnamedExpr(_) | ast::SelectItem::ExprWithAlias { .. } => Ok(()),
        ast::SelectItem::Wildcard(options) if *options == ast::WildcardAdditionalOptions::default() => Ok(()),
        ast::SelectItem::QualifiedWildcard(ast::SelectItemQualifiedWildcardKind::ObjectName(_), options)
            if *options == ast::WildcardAdditionalOptions::default() =>
        {
            Ok(())
        }
        other => refuse(format!("the select item {}", excerpt(&other.to_string()))),
    }
}

fn joins(table: &ast::TableWithJoins) -> Result<()> {
    for join in &table.joins {
        let constraint = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) | JoinOperator::CrossJoin(constraint) => {
                constraint
            }
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => return refuse("LEFT JOIN"),
            JoinOperator::Right(_) | JoinOperator::RightOuter(_) => return refuse("RIGHT JOIN"),
            JoinOperator::FullOuter(_) => return refuse("FULL JOIN"),
            _ => return refuse("a join other than INNER and CROSS"),
        };
        if let JoinConstraint::Natural = constraint {
            return refuse("NATURAL JOIN (write JOIN .. USING)");
        }
    }
    Ok(())
}

fn table_factor(factor: &TableFactor) -> Result<()> {
    match factor {
        TableFactor::Table { args: Some(_), name, .. } => refuse(format!("the table function {name}")),
        TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
            refuse("TABLESAMPLE")
        }
        TableFactor::Table {
            version: None, with_ordinality: false, json_path: None, with_hints, partitions, ..
        } if with_hints.is_empty() && partitions.is_empty() => Ok(()),
        TableFactor::Derived { lateral: true, .. } => refuse("LATERAL"),
        TableFactor::Derived { .. } => Ok(()),
        TableFactor::NestedJoin { table_with_joins, alias: None } => joins(table_with_joins),
        TableFactor::Function { name, .. } => refuse(format!("the table function {name}")),
        TableFactor::UNNEST { .. } => refuse("UNNEST"),
        other => refuse(format!("{} in FROM", excerpt(&other.to_string()))),
    }
}

/// The parser takes all that follows IS DISTINCT FROM for its right side, where PostgreSQL ends it at AND and OR.
fn is_and_or_or(right: &Expr) -> bool {
    matches!(right, Expr::BinaryOp { op: ast::BinaryOperator::And | ast::BinaryOperator::Or, .. })
}

fn operator(op: &BinaryOperator) -> Result<()> {
    match op {
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo
        | BinaryOperator::StringConcat
        | BinaryOperator::Gt
        | BinaryOperator::Lt
        | BinaryOperator::GtEq
        | BinaryOperator::LtEq
        | BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::And
        | BinaryOperator::Or => Ok(()),
        BinaryOperator::PGExp => refuse("operator ^ (use power)"),
        other => refuse(format!("operator {other}")),
    }
}

fn function(call: &ast::Function) -> Result<()> {
    let name = match call.name.0.as_slice() {
        [part] => part.as_ident().map(fold),
        _ => None,
    };
    let Some(name) = name else {
        return Err(Error::undefined(Object::Function, call.name.to_string()));
    };
    if call.over.is_some() {
        return refuse(format!("the window function {name}() OVER"));
    }
    let aggregate = match functions::known(&name) {
        Known::Scalar => false,
        Known::Aggregate => true,
        Known::Volatile => {
            return refuse(format!("function {name}(), whose value is not determined by the rows,"));
        }
        Known::Refused => return refuse(format!("function {name}()")),
        Known::Unknown => return Err(Error::undefined(Object::Function, name)),
    };
    if !call.within_group.is_empty() || call.null_treatment.is_some() || call.parameters != FunctionArguments::None {
        return refuse(format!("WITHIN GROUP or a NULL treatment of {name}()"));
    }
    if !aggregate && call.filter.is_some() {
        return Err(Error::WrongObjectType(format!("FILTER specified, but {name} is not an aggregate function")));
    }
    match &call.args {
        FunctionArguments::None => Ok(()),
        FunctionArguments::Subquery(_) => refuse("a subquery as the argument of a function"),
        FunctionArguments::List(list) => {
            if !list.clauses.is_empty() {
                return refuse(format!("ORDER BY or another clause among the arguments of {name}()"));
            }
            if !aggregate && list.duplicate_treatment.is_some() {
                let message = format!("DISTINCT specified, but {name} is not an aggregate function");
                return Err(Error::WrongObjectType(message));
            }
            list.args.iter().try_for_each(|argument| argument_of(argument, &name))
        }
    }
}

fn argument_of(argument: &FunctionArg, name: &str) -> Result<()> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(_)) => Ok(()),
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" => Ok(()),
        other => refuse(format!("the argument {other} of {name}()")),
    }
}
