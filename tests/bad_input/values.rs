//! Rows and keys that are too large, sums that are, and files of rows that are not what they should be.

use std::io::Cursor;

use monostable::params;

use super::*;

/// A row may have a megabyte.
const ROW_BYTES_MAX: usize = 1 << 20;

#[test]
fn a_row_over_the_limit_is_refused_and_one_below_it_is_not() {
    let db = shop();
    let long = "x".repeat(ROW_BYTES_MAX);
    let message = refused(db.execute_with("INSERT INTO orders VALUES (2, $1, 1)", params![long.clone()]), "54000");
    assert!(message.contains("orders") && message.contains("1048576"), "{message}");
    refused(db.execute(&format!("INSERT INTO orders VALUES (2, '{long}', 1)")), "54000");
    refused(db.execute_with("UPDATE orders SET customer = $1", params![long.clone()]), "54000");
    let csv = format!("2,{long},1\n");
    let mut txn = db.begin().unwrap();
    refused(txn.copy_from("COPY orders FROM STDIN (FORMAT csv)", &mut Cursor::new(csv)), "54000");
    drop(txn);
    assert_goes_on(&db);

    let shorter = "x".repeat(ROW_BYTES_MAX - 100);
    db.execute_with("INSERT INTO orders VALUES (2, $1, 1)", params![shorter.clone()]).unwrap();
    assert_eq!(rows(&db, "SELECT length(customer) FROM orders WHERE id = 2"), [shorter.len().to_string()]);
    let row = db.view("spend").unwrap().get((shorter,)).unwrap().unwrap();
    assert_eq!(row.get::<i64>("total").unwrap(), 1);
    db.execute("DELETE FROM orders WHERE id = 2").unwrap();
    assert_goes_on(&db);
}

#[test]
fn a_key_over_the_limit_is_refused_and_finds_nothing() {
    let db = shop();
    db.execute("CREATE TABLE words (word TEXT PRIMARY KEY); CREATE INDEX words_word ON words (word)").unwrap();
    let long = "k".repeat(2 * ROW_BYTES_MAX);
    refused(db.execute_with("INSERT INTO words VALUES ($1)", params![long.clone()]), "54000");
    let found = db.query_with("SELECT count(*) FROM words WHERE word = $1", params![long.clone()]).unwrap();
    assert_eq!(found.iter().map(|row| text(&row)).collect::<Vec<_>>(), ["0"]);
    assert!(db.view("spend").unwrap().get((long,)).unwrap().is_none());
    refused(db.view("spend").unwrap().get(("ann", 1)), "42804");
    refused(db.view("spend").unwrap().get((1.5,)), "42804");
    assert_goes_on(&db);
}

#[test]
fn a_commit_that_overflows_the_sum_of_a_view_is_refused_by_its_name() {
    let db = shop();
    db.execute(
        "CREATE TABLE gauges (id INTEGER PRIMARY KEY, level INTEGER);
         CREATE MATERIALIZED VIEW safe AS SELECT count(*) AS n FROM gauges;
         CREATE MATERIALIZED VIEW narrow AS SELECT sum(level)::integer AS total FROM gauges;
         INSERT INTO gauges VALUES (1, 2147483000)",
    )
    .unwrap();
    let before = db.epoch();
    let message = refused(db.execute("INSERT INTO gauges VALUES (2, 1000)"), "22003");
    assert!(message.contains("\"narrow\"") && !message.contains("\"safe\""), "{message}");
    // The whole transaction is refused, also what it did to other tables.
    let mut txn = db.begin().unwrap();
    txn.execute("INSERT INTO orders VALUES (9, 'cy', 9)", &[]).unwrap();
    txn.execute("INSERT INTO gauges VALUES (3, 1000)", &[]).unwrap();
    let message = refused(txn.commit(), "22003");
    assert!(message.contains("\"narrow\""), "{message}");
    assert_eq!(db.epoch(), before, "nothing was published");
    assert_eq!(rows(&db, "SELECT id, level FROM gauges"), ["1|2147483000"]);
    assert_eq!(rows(&db, "SELECT n FROM safe"), ["1"]);
    assert_eq!(rows(&db, "SELECT total FROM narrow"), ["2147483000"]);
    // What fits is taken, up to the last unit.
    db.execute("INSERT INTO gauges VALUES (2, 647)").unwrap();
    assert_eq!(rows(&db, "SELECT total FROM narrow"), ["2147483647"]);
    refused(db.execute("UPDATE gauges SET level = level + 1 WHERE id = 2"), "22003");
    db.execute("UPDATE gauges SET level = -level").unwrap();
    assert_eq!(rows(&db, "SELECT total FROM narrow"), ["-2147483647"]);
    assert_goes_on(&db);
}

#[test]
fn a_sum_of_bigints_is_exact_beyond_a_bigint_or_refused_by_name() {
    let db = shop();
    db.execute("INSERT INTO orders VALUES (2, 'bob', 9223372036854775807)").unwrap();
    let before = contents(&db);
    match db.execute("INSERT INTO orders VALUES (3, 'bob', 9223372036854775807)") {
        Ok(_) => {
            assert_eq!(rows(&db, "SELECT total FROM spend WHERE customer = 'bob'"), ["18446744073709551614"]);
            db.execute("DELETE FROM orders WHERE id = 3").unwrap();
        }
        Err(error) => {
            assert_eq!(error.sqlstate(), "22003", "{error}");
            assert!(error.to_string().contains("\"spend\""), "{error}");
        }
    }
    assert_eq!(contents(&db), before);
    db.execute("DELETE FROM orders WHERE id = 2").unwrap();
    assert_goes_on(&db);
}

#[test]
fn a_division_by_zero_in_a_view_is_refused_by_its_name() {
    let db = shop();
    db.execute(
        "CREATE TABLE ratios (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER);
         CREATE MATERIALIZED VIEW quotients AS SELECT id, a / b AS q FROM ratios;
         INSERT INTO ratios VALUES (1, 6, 3)",
    )
    .unwrap();
    for sql in [
        "INSERT INTO ratios VALUES (2, 1, 0)",
        "UPDATE ratios SET b = 0",
        "INSERT INTO ratios VALUES (3, 1, 1), (4, 1, 0)",
    ] {
        let message = refused(db.execute(sql), "22012");
        assert!(message.contains("\"quotients\""), "{message}");
        assert_eq!(rows(&db, "SELECT id, q FROM quotients"), ["1|2"]);
    }
    db.execute("INSERT INTO ratios VALUES (2, 1, NULL)").unwrap();
    assert_eq!(rows(&db, "SELECT id, q FROM quotients ORDER BY id"), ["1|2", "2|NULL"]);
    // And a view that its rows do not allow is not made.
    refused(db.execute("CREATE MATERIALIZED VIEW undefined AS SELECT 1 / (a - 6) AS q FROM ratios"), "22012");
    refused(db.view("undefined"), "42P01");
    db.execute("CREATE MATERIALIZED VIEW undefined AS SELECT 1 / (a - 7) AS q FROM ratios WHERE id = 1").unwrap();
    assert_goes_on(&db);
}

#[test]
fn characters_that_text_cannot_hold_are_kept_or_refused() {
    let db = shop();
    db.execute("CREATE TABLE notes (k INTEGER PRIMARY KEY, note TEXT, raw BYTEA)").unwrap();
    let raw: Vec<u8> = (0..=255).collect();
    db.execute_with("INSERT INTO notes VALUES (1, 'bytes', $1)", params![raw.clone()]).unwrap();
    let row = db.query("SELECT raw FROM notes").unwrap().first().unwrap();
    assert_eq!(row.get::<Vec<u8>>("raw").unwrap(), raw);
    let nul = "a\0b\u{1}c";
    match db.execute_with("INSERT INTO notes VALUES (2, $1, NULL)", params![nul]) {
        Ok(_) => {
            let row = db.query("SELECT note FROM notes WHERE k = 2").unwrap().first().unwrap();
            assert_eq!(row.get::<String>("note").unwrap(), nul);
            let found = db.query_with("SELECT k FROM notes WHERE note = $1", params![nul]).unwrap();
            assert_eq!(found.len(), 1);
        }
        Err(error) => assert!(matches!(error.sqlstate(), "22021" | "22P05" | "42601"), "{error}"),
    }
    assert_goes_on(&db);
}

#[test]
fn rows_that_cannot_be_read_leave_no_row() {
    let db = shop();
    let copy = |sql: &str, bytes: &[u8]| {
        let mut txn = db.begin()?;
        txn.copy_from(sql, &mut Cursor::new(bytes))?;
        txn.commit()
    };
    let good = b"2,bob,5\n";
    let cases: [(&str, &[u8], &[&str]); 12] = [
        ("invalid UTF-8", b"3,\xff\xfe,1\n", &["22021"]),
        ("invalid UTF-8 in quotes", b"3,\"a\x80\",1\n", &["22021"]),
        ("half a character at the end", b"3,x,1\n4,\xc3", &["22021", "22P04"]),
        ("a NUL", b"3,a\0b,1\0\n", &["22021", "22P02", "22P04"]),
        ("too few columns", b"3,x\n", &["22P04"]),
        ("too many columns", b"3,x,1,1\n", &["22P04"]),
        ("an open quote", b"3,\"x,1\n", &["22P04"]),
        ("a number that is none", b"3,x,one\n", &["22P02"]),
        ("a number without bounds", b"3,x,99999999999999999999\n", &["22003"]),
        ("no key", b",x,1\n", &["23502", "22P02"]),
        ("a key twice", b"3,x,1\n3,y,1\n", &["23505"]),
        ("noise", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0", &["22021", "22P04", "22P02"]),
    ];
    for (what, bytes, states) in cases {
        // A good row before it must not stay either.
        let text = [good, bytes].concat();
        let error = copy("COPY orders FROM STDIN (FORMAT csv)", &text).expect_err(what);
        assert!(states.contains(&error.sqlstate()), "{what}: {} {error}", error.sqlstate());
        assert_eq!(contents(&db), UNTOUCHED, "{what}");
    }
    refused(copy("COPY nowhere FROM STDIN (FORMAT csv)", good), "42P01");
    refused(copy("COPY orders (id, nothing) FROM STDIN (FORMAT csv)", good), "42703");
    copy("COPY orders FROM STDIN (FORMAT csv)", b"").unwrap();
    assert_goes_on(&db);
}

#[test]
fn a_file_of_rows_that_is_not_there_is_said_so() {
    let db = shop();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let message = refused(db.execute(&format!("COPY orders FROM '{}' (FORMAT csv)", path("missing.csv"))), "58030");
    assert!(message.contains("missing.csv"), "{message}");
    assert!(db.execute(&format!("COPY orders TO '{}' (FORMAT csv)", path("no/such/directory.csv"))).is_err());
    assert!(db.execute(&format!("COPY orders FROM '{}' (FORMAT csv)", directory.path().display())).is_err());
    assert_goes_on(&db);
}
