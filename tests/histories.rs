//! Generated histories, played on the engine in every order and on PostgreSQL, against the model.
//!
//! `PROPTEST_CASES` says how many; the default is for everyday runs.

use crate::postgres_server::{Server, Session};
use monostable_testkit::datum::Datum;
use monostable_testkit::generate;
use monostable_testkit::history::{End, History, Private, State, evaluate_views};
use monostable_testkit::model::{Kind, Row, View};
use monostable_testkit::run::{ORDERS, run};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

fn cases(default: u32) -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default);
    Config { cases, max_shrink_iters: 4_000, failure_persistence: None, ..Config::default() }
}

/// A value in PostgreSQL's text form, as the model's.
fn datum(kind: Kind, text: Option<&String>) -> Datum {
    let Some(text) = text else { return Datum::Null };
    match kind {
        Kind::Text => Datum::Text(text.clone()),
        Kind::Boolean => Datum::Boolean(text == "t"),
        Kind::Double => Datum::Double(text.parse().expect("a double")),
        Kind::Integer | Kind::BigInt | Kind::Numeric => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let unscaled = format!("{whole}{fraction}").parse().expect("a number");
            Datum::Number { unscaled, scale: fraction.len() as u32 }
        }
    }
}

fn rows_of(session: &mut Session, query: &str, kinds: &[Kind]) -> Vec<Row> {
    let answer = session.execute(query).unwrap_or_else(|failure| panic!("{query}: {failure:?}"));
    let mut rows: Vec<Row> = answer
        .rows
        .iter()
        .map(|row| row.iter().zip(kinds).map(|(text, kind)| datum(*kind, text.as_ref())).collect())
        .collect();
    rows.sort();
    rows
}

/// `unscaled / 10^scale` rounded half away from zero to fewer digits.
fn round(unscaled: i128, scale: u32, to: u32) -> i128 {
    let divisor = 10_i128.pow(scale - to);
    let (quotient, rest) = (unscaled / divisor, unscaled % divisor);
    quotient + if rest.abs() * 2 >= divisor { unscaled.signum() } else { 0 }
}

/// Numbers agree if they agree in the digits that both have: PostgreSQL chooses the scale of a quotient by its size.
fn agree(model: &[Row], other: &[Row]) -> bool {
    let close = |a: &Datum, b: &Datum| match (a, b) {
        (Datum::Number { unscaled: a, scale: p }, Datum::Number { unscaled: b, scale: q }) => {
            let scale = *p.min(q);
            let shared = if p.abs_diff(*q) > 0 && scale < 10 { *p.max(q) } else { scale };
            let at = |unscaled: i128, own: u32| {
                if own > shared { round(unscaled, own, shared) } else { unscaled * 10_i128.pow(shared - own) }
            };
            at(*a, *p) == at(*b, *q)
        }
        _ => a == b,
    };
    model.len() == other.len()
        && model.iter().zip(other).all(|(m, o)| m.len() == o.len() && m.iter().zip(o).all(|(a, b)| close(a, b)))
}

/// Whether a view reads a mean out of another view: PostgreSQL's has more digits, which a comparison or a group would show.
fn passes_means_on(history: &History) -> bool {
    let has_mean = |view: &View| view.query().contains("avg(");
    let reads = |view: &View, name: &str| {
        view.branches.iter().any(|branch| branch.relations.iter().any(|(relation, _)| relation == name))
    };
    let with_means: Vec<&View> = history.views.iter().filter(|view| has_mean(view)).collect();
    history.views.iter().any(|view| with_means.iter().any(|mean| reads(view, &mean.name)))
}

/// Plays a history on PostgreSQL, one transaction after the other, and compares every view at its end.
fn play_on_postgres(session: &mut Session, history: &History) -> Result<(), TestCaseError> {
    if passes_means_on(history) {
        return Ok(());
    }
    let mut run = |sql: &str| session.execute(sql);
    let setup = ["DROP SCHEMA public CASCADE".to_string(), "CREATE SCHEMA public".to_string()].into_iter();
    let tables = history.tables.iter().map(|table| table.to_sql());
    for sql in setup
        .chain(tables)
        .chain(history.views.iter().map(|view| format!("CREATE VIEW {} AS {}", view.name, view.total_query())))
    {
        run(&sql).map_err(|failure| TestCaseError::fail(format!("{sql}: {failure:?}")))?;
    }
    let mut committed = State::new(&history.tables);
    for transaction in &history.transactions {
        let mut model = Private::begin(&committed);
        run("BEGIN").expect("begins");
        for operation in &transaction.operations {
            let sql = operation.to_sql(&history.tables);
            run("SAVEPOINT s").expect("a savepoint");
            let done = run(&sql);
            prop_assert_eq!(done.is_ok(), model.run(operation), "{}: {:?}", sql, done);
            if done.is_err() {
                run("ROLLBACK TO s").expect("rolls back");
            }
        }
        let commits = transaction.end == End::Commit;
        run(if commits { "COMMIT" } else { "ROLLBACK" }).expect("ends");
        if commits {
            model.commit(&mut committed);
        }
    }
    for (view, expected) in history.views.iter().zip(evaluate_views(history, &committed)) {
        let query = format!("SELECT * FROM {}", view.name);
        let actual = rows_of(session, &query, &view.columns);
        prop_assert!(
            agree(&expected, &actual),
            "{}\nmodel:      {:?}\nPostgreSQL: {:?}",
            view.to_sql(),
            expected,
            actual
        );
    }
    Ok(())
}

/// The model is a witness only if it is right: PostgreSQL checks it.
#[test]
fn the_model_agrees_with_postgres() {
    let Some(server) = Server::start_or_skip() else { return };
    let session = std::cell::RefCell::new(server.database("model"));
    let mut runner = TestRunner::new(cases(60));
    let outcome = runner.run(&generate::histories(), |history| play_on_postgres(&mut session.borrow_mut(), &history));
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

/// Every epoch of every history agrees with the model, in every order, also when the process dies between commits.
#[test]
fn every_order_agrees_with_the_model() {
    let mut runner = TestRunner::new(cases(40));
    let outcome = runner.run(&generate::histories(), |history| {
        for order in ORDERS {
            run(&history, order).map_err(|disagreement| TestCaseError::fail(disagreement.to_string()))?;
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
