//! Which plan a text becomes, and what is refused.

use crate::testbed::Testbed;
use crate::{Prepared, TransactionControl};

fn kind(bed: &Testbed, sql: &str) -> &'static str {
    match bed.prepare(sql).map(|prepared| prepared.as_ref().clone()) {
        Ok(Prepared::Query(_)) => "query",
        Ok(Prepared::Dml(plan)) => plan.verb(),
        Ok(Prepared::Ddl(plan)) => plan.tag(),
        Ok(Prepared::Transaction(TransactionControl::Begin)) => "begin",
        Ok(Prepared::Transaction(TransactionControl::Commit)) => "commit",
        Ok(Prepared::Transaction(TransactionControl::Rollback)) => "rollback",
        Ok(Prepared::Copy(_)) => "copy",
        Ok(Prepared::Explain(_)) => "explain",
        Ok(Prepared::Show(_)) => "show",
        Err(error) => error.sqlstate(),
    }
}

#[test]
fn every_statement_has_its_plan() {
    let bed = Testbed::new("CREATE TABLE t (id BIGINT PRIMARY KEY)");
    for (sql, expected) in [
        ("SELECT * FROM t", "query"),
        ("INSERT INTO t VALUES (1);", "INSERT"),
        ("UPDATE t SET id = 1", "UPDATE"),
        ("DELETE FROM t", "DELETE"),
        ("CREATE TABLE u (id BIGINT)", "CREATE TABLE"),
        ("DROP TABLE t", "DROP TABLE"),
        ("BEGIN", "begin"),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", "begin"),
        ("START TRANSACTION READ WRITE", "begin"),
        ("COMMIT", "commit"),
        ("END", "commit"),
        ("ROLLBACK", "rollback"),
        ("COPY t TO STDOUT (FORMAT csv)", "copy"),
        ("EXPLAIN SELECT * FROM t", "explain"),
        ("SHOW TABLES", "show"),
        ("BEGIN READ ONLY", "0A000"),
        ("COMMIT AND CHAIN", "0A000"),
        ("ROLLBACK TO SAVEPOINT a", "0A000"),
        ("VACUUM", "0A000"),
        ("GRANT SELECT ON t TO bob", "0A000"),
        ("SELEC 1", "42601"),
        ("", "42601"),
        ("SELECT 1; SELECT 2", "42601"),
    ] {
        assert_eq!(kind(&bed, sql), expected, "{sql}");
    }
}

#[test]
fn a_parameter_has_one_type() {
    let bed = Testbed::new("CREATE TABLE t (a INTEGER PRIMARY KEY, b BIGINT, c TEXT)");
    let types = |sql: &str| {
        let shown =
            |types: &[monostable_types::DataType]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match bed.prepare(sql).map(|prepared| prepared.as_ref().clone()) {
            Ok(Prepared::Query(plan)) => shown(plan.parameters()),
            Ok(Prepared::Dml(plan)) => shown(plan.parameters()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => error.sqlstate().to_owned(),
        }
    };
    assert_eq!(types("SELECT * FROM t WHERE a = $1 AND b > $2 AND c LIKE $3"), "integer, bigint, text");
    assert_eq!(types("SELECT * FROM t WHERE a IN ($1, $2) LIMIT $3"), "integer, integer, bigint");
    assert_eq!(types("SELECT $1, $2::date"), "text, text");
    assert_eq!(types("INSERT INTO t VALUES ($1, $2, $3)"), "integer, bigint, text");
    assert_eq!(types("INSERT INTO t VALUES ($1, $1 + 1, $2)"), "integer, text");
    assert_eq!(types("UPDATE t SET b = b + $2, c = $3 WHERE a = $1"), "integer, bigint, text");
    assert_eq!(types("UPDATE t SET b = $1 WHERE a = $1"), "integer");
    assert_eq!(types("DELETE FROM t WHERE a = $1 RETURNING b + $1"), "42P08");
    assert_eq!(types("SELECT $2"), "42P18");
    assert_eq!(types("SELECT $70000"), "42P02");
}
