//! Generators of schemas, views and histories.
//!
//! The domains are small on purpose: keys collide, groups vanish and return, NULLs and duplicates are common. Doubles are multiples of a quarter and
//! small, so that the model's plain additions are exact in any order; whether the engine's are exact for all doubles is tested elsewhere.
//!
//! A view's *degree* is how many table rows can multiply into one of its rows; it is bounded, because products of products grow past any patience.

use crate::choices::Choices;
use crate::datum::Datum;
use crate::history::{End, History, Operation, Transaction};
use crate::model::{
    Aggregate, Comparison, Function, Kind, Output, Predicate, Row, Scalar, Select, SortKey, Table, View, Window,
};
use proptest::prelude::*;

const KINDS: [Kind; 6] = [Kind::Integer, Kind::Text, Kind::BigInt, Kind::Numeric, Kind::Double, Kind::Boolean];

/// Cases: a schema, views over it (and over each other), and a history of transactions.
pub fn histories() -> impl Strategy<Value = History> {
    proptest::collection::vec(any::<u16>(), 40..500).prop_map(|numbers| history(&mut Choices::new(&numbers)))
}

/// The case that a sequence of choices stands for.
pub fn history(choices: &mut Choices<'_>) -> History {
    let tables: Vec<Table> = (0..1 + choices.below(3)).map(|i| table(choices, i)).collect();
    let mut views = Vec::new();
    for i in 0..1 + choices.below(4) {
        let view = view(choices, i, &tables, &views);
        views.push(view);
    }
    let mut transactions = Vec::new();
    while transactions.is_empty() || (!choices.is_empty() && transactions.len() < 40) {
        transactions.push(transaction(choices, &tables));
    }
    History { tables, views, transactions }
}

fn table(choices: &mut Choices<'_>, index: usize) -> Table {
    let mut columns = vec![Kind::Integer];
    for _ in 0..1 + choices.below(4) {
        columns.push(*choices.pick(&KINDS));
    }
    let key = match choices.below(3) {
        0 => 1,
        1 => 0,
        _ => 2,
    };
    Table { name: format!("t{index}"), columns, key }
}

/// A value for a column; `nullable` says whether NULL is allowed.
fn value(choices: &mut Choices<'_>, kind: Kind, nullable: bool) -> Datum {
    let small = choices.below(6) as i64;
    if nullable && choices.rarely(6) {
        return Datum::Null;
    }
    match kind {
        Kind::Integer => Datum::integer(small - 1),
        Kind::BigInt => Datum::integer(if choices.rarely(8) { i64::MAX / 2 + small } else { small - 2 }),
        Kind::Numeric => Datum::Number { unscaled: i128::from(small * 125 - 250), scale: 2 },
        Kind::Double => Datum::Double(small as f64 * 0.25 - 0.5),
        Kind::Text => Datum::Text(["", "a", "ab", "it's", "Ω", "b"][small as usize].to_string()),
        Kind::Boolean => Datum::Boolean(small % 2 == 0),
    }
}

fn row(choices: &mut Choices<'_>, table: &Table) -> Row {
    table.columns.iter().enumerate().map(|(i, kind)| value(choices, *kind, i >= table.key)).collect()
}

fn operation(choices: &mut Choices<'_>, tables: &[Table]) -> Operation {
    let index = choices.below(tables.len());
    let table = &tables[index];
    let column = choices.below(table.columns.len());
    match choices.below(8) {
        0..=3 => Operation::Insert { table: index, row: row(choices, table) },
        4 | 5 => Operation::Delete { table: index, column, value: value(choices, table.columns[column], false) },
        _ => {
            let set = choices.below(table.columns.len());
            let to = value(choices, table.columns[set], set >= table.key);
            Operation::Update { table: index, column, value: value(choices, table.columns[column], false), set, to }
        }
    }
}

fn transaction(choices: &mut Choices<'_>, tables: &[Table]) -> Transaction {
    let operations = (0..1 + choices.below(4)).map(|_| operation(choices, tables)).collect();
    let end = if choices.rarely(8) { End::Rollback } else { End::Commit };
    let overlaps_previous = choices.rarely(5);
    Transaction { operations, end, overlaps_previous }
}

/// The columns of a product of relations, with their types.
struct Scope {
    kinds: Vec<Kind>,
}

impl Scope {
    fn of_kind(&self, accept: impl Fn(Kind) -> bool) -> Vec<usize> {
        (0..self.kinds.len()).filter(|&i| accept(self.kinds[i])).collect()
    }
}

/// A table or an earlier view that a SELECT can name.
struct Source {
    name: String,
    kinds: Vec<Kind>,
    degree: usize,
}

/// The highest degree of a SELECT.
const DEGREE_MAX: usize = 3;

fn sources(tables: &[Table], views: &[View]) -> Vec<Source> {
    let mut sources: Vec<Source> = tables
        .iter()
        .map(|table| Source { name: table.name.clone(), kinds: table.columns.clone(), degree: 1 })
        .collect();
    for view in views {
        let degree_of =
            |name: &str| sources.iter().find(|source| source.name == name).map_or(1, |source| source.degree);
        let degree = |select: &Select| match select.output {
            Output::Groups { .. } => 1,
            Output::Rows { .. } => select.relations.iter().map(|(name, _)| degree_of(name)).sum(),
        };
        let degree = view.branches.iter().map(degree).max().unwrap_or(1);
        sources.push(Source { name: view.name.clone(), kinds: view.columns.clone(), degree });
    }
    sources
}

fn view(choices: &mut Choices<'_>, index: usize, tables: &[Table], views: &[View]) -> View {
    let sources = sources(tables, views);
    let (first, columns) = select(choices, &sources);
    let mut branches = vec![first];
    if choices.rarely(4) {
        // A second branch with the same columns: the same SELECT under another condition keeps the types equal.
        let mut second = branches[0].clone();
        let scope = scope(&second, &sources);
        let extra = predicate(choices, &scope, 1);
        second.condition = Some(match second.condition.take() {
            Some(condition) => Predicate::And(Box::new(condition), Box::new(extra)),
            None => extra,
        });
        branches.push(second);
    }
    let window = choices.rarely(3).then(|| window(choices, columns.len()));
    View { name: format!("v{index}"), branches, window, columns }
}

fn window(choices: &mut Choices<'_>, width: usize) -> Window {
    let mut order: Vec<SortKey> = Vec::new();
    for _ in 0..1 + choices.below(2) {
        let (column, descending) = (choices.below(width), choices.rarely(2));
        order.push(SortKey { column, descending, nulls_first: choices.rarely(3) != descending });
    }
    let limit = if choices.rarely(6) { None } else { Some((choices.below(5) + 3) % 5) };
    Window { order, limit, offset: if choices.rarely(3) { 1 + choices.below(2) } else { 0 } }
}

fn scope(select: &Select, sources: &[Source]) -> Scope {
    let kinds_of = |name: &String| {
        sources.iter().find(|source| source.name == *name).map(|source| source.kinds.clone()).unwrap_or_default()
    };
    Scope { kinds: select.relations.iter().flat_map(|(name, _)| kinds_of(name)).collect() }
}

fn select(choices: &mut Choices<'_>, sources: &[Source]) -> (Select, Vec<Kind>) {
    let mut relations: Vec<(String, usize)> = Vec::new();
    let mut degree = 0;
    for _ in 0..1 + choices.below(2) + usize::from(choices.rarely(8)) {
        let fitting: Vec<&Source> = sources.iter().filter(|source| degree + source.degree <= DEGREE_MAX).collect();
        if !fitting.is_empty() {
            let source = choices.pick(&fitting);
            degree += source.degree;
            relations.push((source.name.clone(), source.kinds.len()));
        }
    }
    let mut select =
        Select { relations, condition: None, output: Output::Rows { columns: Vec::new(), distinct: false } };
    let scope = scope(&select, sources);
    let mut condition = join_condition(choices, &select, &scope);
    if choices.rarely(2) {
        let filter = predicate(choices, &scope, 2);
        condition = Some(match condition {
            Some(join) => Predicate::And(Box::new(join), Box::new(filter)),
            None => filter,
        });
    }
    select.condition = condition;
    let (output, columns) = output(choices, &scope);
    select.output = output;
    (select, columns)
}

/// An equality between a column of each relation and a column of the relations before it, where types allow.
fn join_condition(choices: &mut Choices<'_>, select: &Select, scope: &Scope) -> Option<Predicate> {
    let mut condition: Option<Predicate> = None;
    let mut start = 0;
    for (_, width) in &select.relations {
        let end = start + width;
        if start > 0 && !choices.rarely(12) {
            let right = start + choices.below(*width);
            let left: Vec<usize> = (0..start).filter(|&l| scope.kinds[l] == scope.kinds[right]).collect();
            if !left.is_empty() {
                let left = *choices.pick(&left);
                let equal = Predicate::Compare(Comparison::Equal, Scalar::Column(left), Scalar::Column(right));
                condition = Some(match condition {
                    Some(before) => Predicate::And(Box::new(before), Box::new(equal)),
                    None => equal,
                });
            }
        }
        start = end;
    }
    condition
}

fn predicate(choices: &mut Choices<'_>, scope: &Scope, depth: usize) -> Predicate {
    let column = choices.below(scope.kinds.len());
    let kind = scope.kinds[column];
    match choices.below(if depth == 0 { 5 } else { 8 }) {
        0..=2 => {
            let operator =
                *choices.pick(&[Comparison::Equal, Comparison::NotEqual, Comparison::Less, Comparison::GreaterOrEqual]);
            Predicate::Compare(operator, Scalar::Column(column), Scalar::Literal(value(choices, kind, false)))
        }
        3 => Predicate::IsNull(Scalar::Column(column)),
        4 => {
            let other = *choices.pick(&scope.of_kind(|k| k == kind));
            Predicate::Compare(Comparison::Less, Scalar::Column(column), Scalar::Column(other))
        }
        5 => Predicate::Not(Box::new(predicate(choices, scope, depth - 1))),
        6 => Predicate::And(
            Box::new(predicate(choices, scope, depth - 1)),
            Box::new(predicate(choices, scope, depth - 1)),
        ),
        _ => Predicate::Or(
            Box::new(predicate(choices, scope, depth - 1)),
            Box::new(predicate(choices, scope, depth - 1)),
        ),
    }
}

/// A scalar that contains a column, with its type.
fn scalar(choices: &mut Choices<'_>, scope: &Scope) -> (Scalar, Kind) {
    let column = choices.below(scope.kinds.len());
    let kind = scope.kinds[column];
    let plain = Scalar::Column(column);
    match choices.below(6) {
        // BigInt is left out of sums of two: its domain holds values near the end of its range, where the sum must be an error.
        4 if kind.is_number() && kind != Kind::BigInt => {
            (Scalar::Add(Box::new(plain), Box::new(Scalar::Literal(value(choices, kind, false)))), kind)
        }
        5 => (Scalar::Coalesce(Box::new(plain), Box::new(Scalar::Literal(value(choices, kind, false)))), kind),
        _ => (plain, kind),
    }
}

fn output(choices: &mut Choices<'_>, scope: &Scope) -> (Output, Vec<Kind>) {
    if choices.rarely(3) {
        let (columns, kinds): (Vec<Scalar>, Vec<Kind>) =
            (0..1 + choices.below(3)).map(|_| scalar(choices, scope)).unzip();
        return (Output::Rows { columns, distinct: choices.rarely(2) }, kinds);
    }
    let (keys, mut kinds): (Vec<Scalar>, Vec<Kind>) = (0..choices.below(3)).map(|_| scalar(choices, scope)).unzip();
    let mut aggregates = Vec::new();
    for _ in 0..1 + choices.below(3) {
        let (aggregate, kind) = aggregate(choices, scope);
        aggregates.push(aggregate);
        kinds.push(kind);
    }
    let at_least = if !keys.is_empty() && choices.rarely(5) { Some(2) } else { None };
    (Output::Groups { keys, aggregates, at_least }, kinds)
}

fn aggregate(choices: &mut Choices<'_>, scope: &Scope) -> (Aggregate, Kind) {
    let wanted = *choices.pick(&[
        Function::CountRows,
        Function::Sum,
        Function::Max,
        Function::Min,
        Function::Count,
        Function::Avg,
        Function::BoolAnd,
        Function::BoolOr,
    ]);
    let (argument, kind) = scalar(choices, scope);
    let function = match wanted {
        Function::Sum | Function::Avg if !kind.is_number() => Function::Count,
        Function::BoolAnd | Function::BoolOr if kind != Kind::Boolean => Function::Max,
        other => other,
    };
    let function = if kind == Kind::Boolean && matches!(function, Function::Min | Function::Max) {
        Function::BoolOr
    } else {
        function
    };
    let result = match (function, kind) {
        (Function::CountRows | Function::Count, _) | (Function::Sum, Kind::Integer) => Kind::BigInt,
        (Function::Sum | Function::Avg, Kind::Double) => Kind::Double,
        (Function::Sum | Function::Avg, _) => Kind::Numeric,
        (_, kind) => kind,
    };
    let distinct = function != Function::CountRows && choices.rarely(4);
    let filter = if choices.rarely(4) { Some(predicate(choices, scope, 1)) } else { None };
    (Aggregate { function, argument, distinct, filter }, result)
}
