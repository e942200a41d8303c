//! A naive relational evaluator: nested loops over vectors of rows.
//!
//! This is the second witness (the first is the engine recomputing from scratch). It is as simple as SQL allows and shares nothing with the engine:
//! a [`View`] is evaluated by taking the product of its relations, keeping the rows whose condition is true, and grouping with a map. It supports exactly
//! what the generators produce.

use crate::datum::Datum;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// One row of the model.
pub type Row = Vec<Datum>;

/// The type of a generated column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `INTEGER`
    Integer,
    /// `BIGINT`
    BigInt,
    /// `NUMERIC(10, 2)`
    Numeric,
    /// `DOUBLE PRECISION`
    Double,
    /// `TEXT`
    Text,
    /// `BOOLEAN`
    Boolean,
}

impl Kind {
    /// The SQL name of the type.
    pub fn to_sql(self) -> &'static str {
        match self {
            Kind::Integer => "INTEGER",
            Kind::BigInt => "BIGINT",
            Kind::Numeric => "NUMERIC(10, 2)",
            Kind::Double => "DOUBLE PRECISION",
            Kind::Text => "TEXT",
            Kind::Boolean => "BOOLEAN",
        }
    }

    /// Whether values of the type can be added.
    pub fn is_number(self) -> bool {
        matches!(self, Kind::Integer | Kind::BigInt | Kind::Numeric | Kind::Double)
    }
}

/// A generated table. Its columns are named `c0`, `c1`, ...
#[derive(Debug, Clone)]
pub struct Table {
    /// The table's name.
    pub name: String,
    /// The types of its columns.
    pub columns: Vec<Kind>,
    /// How many leading columns are the primary key; 0 for a table without one, which may hold equal rows.
    pub key: usize,
}

impl Table {
    /// `CREATE TABLE ..`
    pub fn to_sql(&self) -> String {
        let mut parts: Vec<String> =
            self.columns.iter().enumerate().map(|(i, kind)| format!("c{i} {}", kind.to_sql())).collect();
        if self.key > 0 {
            let key: Vec<String> = (0..self.key).map(|i| format!("c{i}")).collect();
            parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
        }
        format!("CREATE TABLE {} ({})", self.name, parts.join(", "))
    }
}

/// A scalar expression over the product of a view's relations, whose columns are numbered through.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// A column of the product.
    Column(usize),
    /// A constant.
    Literal(Datum),
    /// The sum of two numbers of one type.
    Add(Box<Scalar>, Box<Scalar>),
    /// `COALESCE(a, b)`.
    Coalesce(Box<Scalar>, Box<Scalar>),
}

impl Scalar {
    fn evaluate(&self, row: &[Datum]) -> Datum {
        match self {
            Scalar::Column(index) => row[*index].clone(),
            Scalar::Literal(value) => value.clone(),
            Scalar::Add(a, b) => a.evaluate(row).add(&b.evaluate(row)),
            Scalar::Coalesce(a, b) => match a.evaluate(row) {
                Datum::Null => b.evaluate(row),
                value => value,
            },
        }
    }

    fn to_sql(&self, names: &[String]) -> String {
        match self {
            Scalar::Column(index) => names[*index].clone(),
            Scalar::Literal(value) => value.to_sql(),
            Scalar::Add(a, b) => format!("({} + {})", a.to_sql(names), b.to_sql(names)),
            Scalar::Coalesce(a, b) => format!("COALESCE({}, {})", a.to_sql(names), b.to_sql(names)),
        }
    }
}

/// A comparison operator.
#[derive(Debug, Clone, Copy)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `>=`
    GreaterOrEqual,
}

/// A condition, in SQL's three-valued logic.
#[derive(Debug, Clone)]
pub enum Predicate {
    /// A comparison of two scalars.
    Compare(Comparison, Scalar, Scalar),
    /// `x IS NULL`
    IsNull(Scalar),
    /// `a AND b`
    And(Box<Predicate>, Box<Predicate>),
    /// `a OR b`
    Or(Box<Predicate>, Box<Predicate>),
    /// `NOT a`
    Not(Box<Predicate>),
}

impl Predicate {
    /// True, false, or unknown.
    fn evaluate(&self, row: &[Datum]) -> Option<bool> {
        match self {
            Predicate::Compare(operator, a, b) => {
                a.evaluate(row).compare(&b.evaluate(row)).map(|order| match operator {
                    Comparison::Equal => order == Ordering::Equal,
                    Comparison::NotEqual => order != Ordering::Equal,
                    Comparison::Less => order == Ordering::Less,
                    Comparison::GreaterOrEqual => order != Ordering::Less,
                })
            }
            Predicate::IsNull(scalar) => Some(scalar.evaluate(row).is_null()),
            Predicate::And(a, b) => match (a.evaluate(row), b.evaluate(row)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Predicate::Or(a, b) => match (a.evaluate(row), b.evaluate(row)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Predicate::Not(a) => a.evaluate(row).map(|truth| !truth),
        }
    }

    fn to_sql(&self, names: &[String]) -> String {
        match self {
            Predicate::Compare(operator, a, b) => {
                let operator = match operator {
                    Comparison::Equal => "=",
                    Comparison::NotEqual => "<>",
                    Comparison::Less => "<",
                    Comparison::GreaterOrEqual => ">=",
                };
                format!("({} {operator} {})", a.to_sql(names), b.to_sql(names))
            }
            Predicate::IsNull(scalar) => format!("({} IS NULL)", scalar.to_sql(names)),
            Predicate::And(a, b) => format!("({} AND {})", a.to_sql(names), b.to_sql(names)),
            Predicate::Or(a, b) => format!("({} OR {})", a.to_sql(names), b.to_sql(names)),
            Predicate::Not(a) => format!("(NOT {})", a.to_sql(names)),
        }
    }
}

/// An aggregate function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `count(*)`; its argument is ignored.
    CountRows,
    /// `count(x)`
    Count,
    /// `sum(x)`
    Sum,
    /// `avg(x)`
    Avg,
    /// `min(x)`
    Min,
    /// `max(x)`
    Max,
    /// `bool_and(x)`
    BoolAnd,
    /// `bool_or(x)`
    BoolOr,
}

/// An aggregate call.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// The function.
    pub function: Function,
    /// Its argument.
    pub argument: Scalar,
    /// `DISTINCT`
    pub distinct: bool,
    /// `FILTER (WHERE ..)`
    pub filter: Option<Predicate>,
}

/// Digits after the point of `avg` over integers and over `numeric(10, 2)`.
const MEAN_SCALE: u32 = 16;

impl Aggregate {
    fn evaluate(&self, rows: &[Row]) -> Datum {
        let kept = rows.iter().filter(|row| self.filter.as_ref().is_none_or(|f| f.evaluate(row) == Some(true)));
        if self.function == Function::CountRows {
            return Datum::integer(kept.count() as i64);
        }
        let mut values: Vec<Datum> =
            kept.map(|row| self.argument.evaluate(row)).filter(|value| !value.is_null()).collect();
        if self.distinct {
            values = values.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        }
        let count = values.len() as i64;
        let truth = |value: &Datum| matches!(value, Datum::Boolean(true));
        match self.function {
            Function::CountRows | Function::Count => Datum::integer(count),
            _ if values.is_empty() => Datum::Null,
            Function::Sum => values.iter().skip(1).fold(values[0].clone(), |sum, value| sum.add(value)),
            Function::Avg => {
                values.iter().skip(1).fold(values[0].clone(), |sum, value| sum.add(value)).mean(count, MEAN_SCALE)
            }
            Function::Min => values.into_iter().min().unwrap_or(Datum::Null),
            Function::Max => values.into_iter().max().unwrap_or(Datum::Null),
            Function::BoolAnd => Datum::Boolean(values.iter().all(truth)),
            Function::BoolOr => Datum::Boolean(values.iter().any(truth)),
        }
    }

    fn to_sql(&self, names: &[String]) -> String {
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        let argument = self.argument.to_sql(names);
        let call = match self.function {
            Function::CountRows => "count(*)".to_string(),
            Function::Count => format!("count({distinct}{argument})"),
            Function::Sum => format!("sum({distinct}{argument})"),
            Function::Avg => format!("avg({distinct}{argument})"),
            Function::Min => format!("min({distinct}{argument})"),
            Function::Max => format!("max({distinct}{argument})"),
            Function::BoolAnd => format!("bool_and({distinct}{argument})"),
            Function::BoolOr => format!("bool_or({distinct}{argument})"),
        };
        match &self.filter {
            Some(filter) => format!("{call} FILTER (WHERE {})", filter.to_sql(names)),
            None => call,
        }
    }
}

/// What a SELECT gives out.
#[derive(Debug, Clone)]
pub enum Output {
    /// One row for each row of the product.
    Rows {
        /// The select list.
        columns: Vec<Scalar>,
        /// `SELECT DISTINCT`
        distinct: bool,
    },
    /// One row for each group.
    Groups {
        /// The GROUP BY list; empty for a global aggregate.
        keys: Vec<Scalar>,
        /// The aggregates.
        aggregates: Vec<Aggregate>,
        /// `HAVING count(*) >= n`
        at_least: Option<i64>,
    },
}

/// One SELECT.
#[derive(Debug, Clone)]
pub struct Select {
    /// Names of tables and views, with how many columns each has.
    pub relations: Vec<(String, usize)>,
    /// The join conditions and the filter, if any.
    pub condition: Option<Predicate>,
    /// What it gives out.
    pub output: Output,
}

impl Select {
    fn names(&self) -> Vec<String> {
        let relations = self.relations.iter().enumerate();
        relations.flat_map(|(r, (_, width))| (0..*width).map(move |c| format!("r{r}.c{c}"))).collect()
    }

    fn evaluate(&self, contents: &dyn Fn(&str) -> Vec<Row>) -> Vec<Row> {
        let mut product: Vec<Row> = vec![Vec::new()];
        for (name, _) in &self.relations {
            let rows = contents(name);
            product =
                product.iter().flat_map(|left| rows.iter().map(|right| [left.as_slice(), right].concat())).collect();
        }
        if let Some(condition) = &self.condition {
            product.retain(|row| condition.evaluate(row) == Some(true));
        }
        match &self.output {
            Output::Rows { columns, distinct } => {
                let rows = product.iter().map(|row| columns.iter().map(|c| c.evaluate(row)).collect::<Row>());
                if *distinct { rows.collect::<BTreeSet<_>>().into_iter().collect() } else { rows.collect() }
            }
            Output::Groups { keys, aggregates, at_least } => {
                let mut groups: BTreeMap<Row, Vec<Row>> = BTreeMap::new();
                if keys.is_empty() {
                    groups.insert(Vec::new(), Vec::new());
                }
                for row in product {
                    let key = keys.iter().map(|key| key.evaluate(&row)).collect();
                    groups.entry(key).or_default().push(row);
                }
                groups.retain(|_, rows| at_least.is_none_or(|n| rows.len() as i64 >= n));
                groups
                    .into_iter()
                    .map(|(key, rows)| key.into_iter().chain(aggregates.iter().map(|a| a.evaluate(&rows))).collect())
                    .collect()
            }
        }
    }

    fn to_sql(&self) -> String {
        let names = self.names();
        let from: Vec<String> =
            self.relations.iter().enumerate().map(|(r, (name, _))| format!("{name} r{r}")).collect();
        let mut select = Vec::new();
        let mut tail = String::new();
        let mut distinct_word = "";
        match &self.output {
            Output::Rows { columns, distinct } => {
                select.extend(columns.iter().map(|c| c.to_sql(&names)));
                distinct_word = if *distinct { "DISTINCT " } else { "" };
            }
            Output::Groups { keys, aggregates, at_least } => {
                let keys: Vec<String> = keys.iter().map(|key| key.to_sql(&names)).collect();
                select.extend(keys.iter().cloned().chain(aggregates.iter().map(|a| a.to_sql(&names))));
                if !keys.is_empty() {
                    tail = format!(" GROUP BY {}", keys.join(", "));
                }
                if let Some(n) = at_least {
                    tail.push_str(&format!(" HAVING count(*) >= {n}"));
                }
            }
        }
        let select: Vec<String> = select.iter().enumerate().map(|(i, sql)| format!("{sql} AS c{i}")).collect();
        let condition = self.condition.as_ref().map(|c| format!(" WHERE {}", c.to_sql(&names))).unwrap_or_default();
        format!("SELECT {distinct_word}{} FROM {}{condition}{tail}", select.join(", "), from.join(", "))
    }
}

/// One column of an ORDER BY.
#[derive(Debug, Clone, Copy)]
pub struct SortKey {
    /// The column, by its position in the output.
    pub column: usize,
    /// `DESC`
    pub descending: bool,
    /// `NULLS FIRST`, else `NULLS LAST`
    pub nulls_first: bool,
}

impl SortKey {
    fn compare(&self, left: &Row, right: &Row) -> Ordering {
        let (left, right) = (&left[self.column], &right[self.column]);
        let nulls_last = if self.nulls_first { Ordering::Greater } else { Ordering::Less };
        match left.compare(right) {
            Some(order) if self.descending => order.reverse(),
            Some(order) => order,
            None if left.is_null() && right.is_null() => Ordering::Equal,
            None if right.is_null() => nulls_last,
            None => nulls_last.reverse(),
        }
    }

    fn to_sql(self) -> String {
        let direction = if self.descending { "DESC" } else { "ASC" };
        let nulls = if self.nulls_first { "FIRST" } else { "LAST" };
        format!("c{} {direction} NULLS {nulls}", self.column)
    }
}

/// `ORDER BY .. LIMIT .. OFFSET ..`
#[derive(Debug, Clone)]
pub struct Window {
    /// By what the rows are ordered, at least one column; what that leaves equal is ordered by all columns from left to right.
    pub order: Vec<SortKey>,
    /// `LIMIT`
    pub limit: Option<usize>,
    /// `OFFSET`
    pub offset: usize,
}

impl Window {
    fn cut(&self, mut rows: Vec<Row>) -> Vec<Row> {
        let by_order = |a: &Row, b: &Row| {
            self.order.iter().map(|key| key.compare(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        };
        rows.sort_by(|a, b| by_order(a, b).then_with(|| a.cmp(b)));
        rows.into_iter().skip(self.offset).take(self.limit.unwrap_or(usize::MAX)).collect()
    }

    /// With `width`, the order of that many columns is written out to its end: elsewhere it is open who wins a tie.
    fn to_sql(&self, width: Option<usize>) -> String {
        let rest = (0..width.unwrap_or(0)).map(|column| SortKey { column, descending: false, nulls_first: false });
        let order: Vec<String> = self.order.iter().copied().chain(rest).map(SortKey::to_sql).collect();
        let limit = self.limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
        format!(" ORDER BY {}{limit} OFFSET {}", order.join(", "), self.offset)
    }
}

/// A generated view: one SELECT, or a UNION ALL of several, and perhaps a part of their rows. Its columns are named `c0`, `c1`, ...
#[derive(Debug, Clone)]
pub struct View {
    /// The view's name.
    pub name: String,
    /// The branches of the UNION ALL.
    pub branches: Vec<Select>,
    /// Which of the rows the view has, if not all.
    pub window: Option<Window>,
    /// The types of its columns.
    pub columns: Vec<Kind>,
}

impl View {
    /// The view's query.
    pub fn query(&self) -> String {
        self.query_with(None)
    }

    /// A query with the same rows that leaves no tie open.
    pub fn total_query(&self) -> String {
        self.query_with(Some(self.columns.len()))
    }

    fn query_with(&self, width: Option<usize>) -> String {
        let branches = self.branches.iter().map(Select::to_sql).collect::<Vec<_>>().join(" UNION ALL ");
        branches + &self.window.as_ref().map(|window| window.to_sql(width)).unwrap_or_default()
    }

    /// `CREATE MATERIALIZED VIEW ..`
    pub fn to_sql(&self) -> String {
        format!("CREATE MATERIALIZED VIEW {} AS {}", self.name, self.query())
    }

    /// The view's rows, sorted, given the rows of the relations it names.
    pub fn evaluate(&self, contents: &dyn Fn(&str) -> Vec<Row>) -> Vec<Row> {
        let mut rows: Vec<Row> = self.branches.iter().flat_map(|branch| branch.evaluate(contents)).collect();
        if let Some(window) = &self.window {
            rows = window.cut(rows);
        }
        rows.sort();
        rows
    }
}
