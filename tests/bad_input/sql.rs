//! Statements that cannot be, and texts that are not SQL.

use super::*;

#[test]
fn every_class_of_error_has_its_sqlstate_and_changes_nothing() {
    let db = shop();
    db.execute(
        "CREATE TABLE strict (k INTEGER PRIMARY KEY, a TEXT NOT NULL, b VARCHAR(3), c NUMERIC(4, 2), u INTEGER UNIQUE)",
    )
    .unwrap();
    let before = db.epoch();
    let cases = [
        ("SELEC 1", "42601"),
        ("SELECT 'open", "42601"),
        ("SELECT (1", "42601"),
        ("SELECT * FROM nowhere", "42P01"),
        ("INSERT INTO nowhere VALUES (1)", "42P01"),
        ("DROP TABLE nowhere", "42P01"),
        ("DROP INDEX nowhere", "42704"),
        ("SELECT nothing FROM orders", "42703"),
        ("UPDATE orders SET nothing = 1", "42703"),
        ("SELECT no_such_function(1)", "42883"),
        ("SELECT id FROM orders a, orders b", "42702"),
        ("SELECT customer, sum(cents) FROM orders", "42803"),
        ("SELECT sum(sum(cents)) FROM orders", "42803"),
        ("CREATE TABLE orders (k INTEGER)", "42P07"),
        ("CREATE TABLE spend (k INTEGER)", "42P07"),
        ("CREATE MATERIALIZED VIEW spend AS SELECT 1 AS x", "42P07"),
        ("CREATE TABLE twice (k INTEGER, k TEXT)", "42701"),
        ("DROP TABLE orders", "2BP01"),
        ("INSERT INTO orders VALUES (1, 'again', 1)", "23505"),
        ("INSERT INTO orders VALUES (NULL, 'no key', 1)", "23502"),
        ("INSERT INTO strict VALUES (1, NULL, 'b', 1, 1)", "23502"),
        ("INSERT INTO strict VALUES (1, 'a', 'long', 1, 1)", "22001"),
        ("INSERT INTO strict VALUES (1, 'a', 'b', 100, 1)", "22003"),
        ("INSERT INTO strict VALUES (2147483648, 'a', 'b', 1, 1)", "22003"),
        ("INSERT INTO strict VALUES (1, 'a', 'b', 1, 1), (2, 'a', 'b', 1, 1)", "23505"),
        ("SELECT 1 / 0", "22012"),
        ("SELECT cents / (id - 1) FROM orders", "22012"),
        ("SELECT 9223372036854775807 + 1", "22003"),
        ("SELECT 'x'::integer", "22P02"),
        ("SELECT '2013-02-30'::date", "22008"),
        ("BEGIN", "25001"),
        ("COMMIT", "25P01"),
        ("SELECT id FROM orders ORDER BY id FOR UPDATE", "0A000"),
        ("CREATE FUNCTION f() RETURNS INTEGER LANGUAGE SQL AS 'SELECT 1'", "0A000"),
        ("GRANT ALL ON orders TO public", "0A000"),
    ];
    let mut wrong = Vec::new();
    for (sql, sqlstate) in cases {
        match db.execute(sql) {
            Ok(_) => wrong.push(format!("{sql}: not refused, expected {sqlstate}")),
            Err(error) if error.sqlstate() != sqlstate => {
                wrong.push(format!("{sql}: {} instead of {sqlstate}: {error}", error.sqlstate()));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(db.epoch(), before);
    assert_goes_on(&db);
}

/// The parser, the binder, the rewriters and the evaluator are recursive. None of them may run out of stack, which would take
/// the whole process with it; tests run on threads with two megabytes.
#[test]
fn deep_statements_are_refused_or_answered() {
    let db = shop();
    let shapes = [
        ("parentheses", format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000))),
        ("unclosed parentheses", format!("SELECT {}", "(".repeat(100_000))),
        ("NOT", format!("SELECT {} TRUE", "NOT ".repeat(10_000))),
        ("signs", format!("SELECT {}1", "- ".repeat(10_000))),
        ("CASE", format!("SELECT {}1{}", "CASE WHEN TRUE THEN ".repeat(5_000), " END".repeat(5_000))),
        ("calls", format!("SELECT {}1{}", "abs(".repeat(5_000), ")".repeat(5_000))),
        ("casts", format!("SELECT 1{}", "::bigint".repeat(5_000))),
        ("sums", format!("SELECT 1{}", " + 1".repeat(10_000))),
        ("conditions", format!("SELECT id FROM orders WHERE id = 0{}", " OR id = 1".repeat(10_000))),
        ("text", format!("SELECT 'a'{}", " || 'b'".repeat(5_000))),
        ("subqueries", format!("SELECT * FROM {}orders{}", "(SELECT * FROM ".repeat(1_000), ") AS q".repeat(1_000))),
        ("unions", format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(3_000))),
        ("joins", format!("SELECT 1 FROM orders a{}", (0..60).map(|n| format!(", orders t{n}")).collect::<String>())),
    ];
    for (shape, sql) in shapes {
        let answered = match db.query(&sql) {
            Ok(rows) => {
                assert!(!rows.is_empty(), "{shape} have an answer");
                "answered".to_owned()
            }
            Err(error) => {
                let typed = matches!(error.sqlstate(), "54001" | "54000" | "42601" | "0A000");
                assert!(typed, "{shape}: {} {}", error.sqlstate(), error.to_string().get(..200).unwrap_or("short"));
                assert!(error.to_string().len() < 2000, "{shape}: a message of {} bytes", error.to_string().len());
                error.sqlstate().to_owned()
            }
        };
        println!("{shape}: {answered}");
        // The same as a view, which takes other paths.
        let view = format!("CREATE MATERIALIZED VIEW deep AS {sql}");
        if db.execute(&view).is_ok() {
            db.execute("DROP MATERIALIZED VIEW deep").unwrap();
        }
    }
    assert_goes_on(&db);
}

#[test]
fn long_texts_are_answered_or_refused() {
    let db = shop();
    let long = "x".repeat(1 << 20);
    assert_eq!(rows(&db, &format!("SELECT length('{long}')")), ["1048576"]);
    assert_eq!(rows(&db, &format!("SELECT 1 /* {long} */")), ["1"]);
    assert_eq!(rows(&db, &format!("SELECT 1 -- {long}")), ["1"]);
    assert_eq!(rows(&db, &format!("{}SELECT 1", " ".repeat(1 << 20))), ["1"]);
    let list = (0..20_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    assert_eq!(rows(&db, &format!("SELECT count(*) FROM orders WHERE id IN ({list})")), ["1"]);
    // A name without a bound was repeated in every message about it.
    refused(db.query(&long), "42622");
    refused(db.query(&format!("SELECT {long} FROM orders")), "42622");
    refused(db.execute(&format!("CREATE TABLE \"{long}\" (k INTEGER)")), "42622");
    refused(db.query(&format!("SELECT * FROM \"{}\"", &long[..255])), "42P01");
    assert_eq!(db.execute(&";".repeat(1 << 20)).unwrap(), 0);
    assert_goes_on(&db);
}

#[test]
fn texts_that_say_nothing_do_nothing() {
    let db = shop();
    for text in ["", " ", ";", " ;; ; ", "-- nothing", "/* nothing */", "/* not closed", "\n\t\r"] {
        assert_eq!(db.execute(text).unwrap(), 0, "{text:?}");
        refused(db.query(text), "42601");
        assert!(db.session().execute(text).unwrap().is_empty(), "{text:?}");
    }
    assert_goes_on(&db);
}

#[test]
fn characters_that_are_not_sql_are_refused() {
    let db = shop();
    let noise = [
        "\0",
        "SELECT \0",
        "SELECT 1\0",
        "\u{feff}SELEC",
        "SELECT \u{1}",
        "\u{202e}1 TCELES",
        "SELECT ?",
        "SELECT @x",
        "SELECT #",
        "SELECT $",
        "SELECT $0",
        "SELECT $99999999999999999999",
        "SELECT \\",
        "SELECT `x`",
        "%",
        "'",
        "\"",
        "$$",
        "E'\\",
        "é",
        "SELECT U&'\\ZZZZ'",
        "SELECT X'0g'",
        "SELECT B'2'",
    ];
    for text in noise {
        let error = db.query(text).expect_err(text);
        assert!(
            matches!(error.sqlstate(), "42601" | "0A000" | "42P02" | "08P01" | "42703" | "42704" | "22P02" | "22023"),
            "{text:?}: {} {error}",
            error.sqlstate()
        );
    }
    assert_goes_on(&db);
}

#[test]
fn numbers_without_bounds_are_exact_or_refused() {
    let db = shop();
    let digits = "9".repeat(5_000);
    for (sql, state) in [
        (format!("SELECT {digits}::bigint"), "22003"),
        (format!("SELECT '{digits}'::bigint"), "22003"),
        (format!("SELECT '{digits}'::numeric(38, 0)"), "22003"),
        ("SELECT '1e999999999'::double precision".to_owned(), "22003"),
        ("SELECT '1e999999999'::numeric(38, 0)".to_owned(), "22003"),
        ("SELECT '1e-999999999999999999999'::integer".to_owned(), "22P02"),
        ("SELECT 99999999999999999999::bigint".to_owned(), "22003"),
        ("SELECT (-9223372036854775808) / (-1)".to_owned(), "22003"),
        ("SELECT abs(-9223372036854775808)".to_owned(), "22003"),
        ("SELECT '294277-01-01'::timestamp".to_owned(), "22008"),
        ("SELECT '9999999 years'::interval + '9999999999 years'::interval".to_owned(), "22008"),
    ] {
        let error = db.query(&sql).expect_err(&sql);
        let alike = matches!((error.sqlstate(), state), ("22003" | "22008" | "22015" | "22P02", _));
        assert!(alike, "{}: {} {error}", &sql[..sql.len().min(60)], error.sqlstate());
        assert!(error.to_string().len() < 10_000, "{} bytes of message", error.to_string().len());
    }
    assert_eq!(rows(&db, "SELECT 9223372036854775807"), ["9223372036854775807"]);
    assert_eq!(rows(&db, "SELECT -9223372036854775808"), ["-9223372036854775808"]);
    assert_eq!(rows(&db, "SELECT 9223372036854775808"), ["9223372036854775808"]);
    for sql in ["LIMIT 9223372036854775807", "LIMIT 1 OFFSET 9223372036854775807", "OFFSET 9223372036854775807"] {
        let found = rows(&db, &format!("SELECT id FROM orders {sql}"));
        assert_eq!(found.is_empty(), sql.contains("OFFSET"), "{sql}");
    }
    for sql in ["LIMIT -1", "LIMIT 99999999999999999999999", "OFFSET -1", "LIMIT 'x'"] {
        assert!(db.query(&format!("SELECT id FROM orders {sql}")).is_err(), "{sql}");
    }
    assert_goes_on(&db);
}

#[test]
fn names_are_what_they_are_quoted_to_be() {
    let db = shop();
    for name in
        ["select", "LOCK", "MANIFEST", "../../etc/passwd", "a b", "Ünïcødé", "semi;colon", "a\"\"b", " ", "wal.spare"]
    {
        db.execute(&format!("CREATE TABLE \"{name}\" (\"{name}\" INTEGER)"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        db.execute(&format!("INSERT INTO \"{name}\" VALUES (7)")).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(rows(&db, &format!("SELECT \"{name}\" FROM \"{name}\"")), ["7"], "{name}");
        refused(db.execute(&format!("CREATE TABLE \"{name}\" (x INTEGER)")), "42P07");
        db.execute(&format!("DROP TABLE \"{name}\"")).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    // A name of no characters was taken for one.
    for sql in ["CREATE TABLE \"\" (k INTEGER)", "CREATE TABLE t (\"\" INTEGER)", "CREATE TABLE 1t (k INTEGER)"] {
        refused(db.execute(sql), "42601");
    }
    assert_goes_on(&db);
}

#[test]
fn a_table_of_very_many_columns_is_refused_or_works() {
    let db = shop();
    let columns: Vec<String> = (0..10_000).map(|n| format!("c{n} INTEGER")).collect();
    let message = refused(db.execute(&format!("CREATE TABLE wide ({})", columns.join(", "))), "54011");
    assert!(message.contains("1600"), "{message}");
    let columns = &columns[..1_600];
    db.execute(&format!("CREATE TABLE wide ({})", columns.join(", "))).unwrap();
    let values: Vec<String> = (0..columns.len()).map(|n| n.to_string()).collect();
    db.execute(&format!("INSERT INTO wide VALUES ({})", values.join(", "))).unwrap();
    assert_eq!(rows(&db, "SELECT * FROM wide"), [values.join("|")]);
    assert_goes_on(&db);
}
