//! COPY over a version: what goes out comes back, and what is wrong is refused with its line.

use monostable_types::Value;

use crate::testbed::Testbed;
use crate::{CopyEndpoint, CopyPlan, Error, Limits, Prepared};

const TABLE: &str =
    "CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT, price NUMERIC(8,2) DEFAULT 7, day DATE, ok BOOLEAN NOT NULL)";

fn plan(bed: &Testbed, sql: &str) -> CopyPlan {
    match bed.prepare(sql).unwrap().as_ref() {
        Prepared::Copy(plan) => plan.clone(),
        other => panic!("{other:?} is not a COPY"),
    }
}

fn read(bed: &mut Testbed, sql: &str, text: &str) -> Result<u64, Error> {
    let plan = plan(bed, sql);
    let outcome = plan.read(&bed.version, &mut text.as_bytes(), Limits::default())?;
    bed.commit(plan.table().unwrap(), &outcome)?;
    Ok(outcome.affected)
}

fn write(bed: &Testbed, sql: &str) -> String {
    let mut bytes = Vec::new();
    plan(bed, sql).write(&bed.version, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn rows_come_in_and_go_out() {
    let mut bed = Testbed::new(TABLE);
    let text = "id,name,price,day,ok\n1,ann,1.50,2013-01-01,t\n2,\"a, \"\"b\"\"\",,,false\n3,\"\",2,,t\n";
    assert_eq!(read(&mut bed, "COPY t FROM 'in.csv' WITH (FORMAT csv, HEADER)", text).unwrap(), 3);
    assert_eq!(
        bed.show("SELECT * FROM t ORDER BY id", &[]),
        "1,ann,1.50,2013-01-01,t; 2,a, \"b\",null,null,f; 3,,2.00,null,t"
    );
    assert_eq!(
        write(&bed, "COPY t TO STDOUT (FORMAT csv, HEADER true)"),
        "id,name,price,day,ok\n1,ann,1.50,2013-01-01,t\n2,\"a, \"\"b\"\"\",,,f\n3,\"\",2.00,,t\n"
    );
    assert_eq!(
        write(&bed, "COPY (SELECT name, id FROM t WHERE id > 1 ORDER BY id DESC) TO 'x' CSV DELIMITER ';' NULL 'NA'"),
        ";3\n\"a, \"\"b\"\"\";2\n"
    );
    assert_eq!(write(&bed, "COPY t (price, id) TO STDOUT WITH (FORMAT csv, NULL 'NA')"), "1.50,1\nNA,2\n2.00,3\n");
}

#[test]
fn what_is_written_is_what_was_read() {
    let mut bed = Testbed::new(
        "CREATE TABLE a (i SMALLINT, j INTEGER, k BIGINT, r REAL, d DOUBLE PRECISION, n NUMERIC(20,5), t TEXT, b BYTEA, e DATE,
            f TIME, g TIMESTAMP, h TIMESTAMPTZ, v INTERVAL, u UUID, o BOOLEAN)",
    );
    bed.script(
        "INSERT INTO a VALUES (-1, 2, 3, 0.1, 1e300, -1.5, 'a''b', '\\x00ff', '2013-02-03', '12:34:56.789', '2013-02-03 04:05:06',
            '2013-02-03 04:05:06+02', '1 month 2 days 03:04:05', '00112233-4455-6677-8899-aabbccddeeff', true)",
    );
    bed.script("INSERT INTO a (t) VALUES ('\n'), (''), (NULL)");
    let before = bed.show("SELECT * FROM a", &[]);
    let text = write(&bed, "COPY a TO STDOUT (FORMAT csv)");
    bed.script("DELETE FROM a");
    assert_eq!(read(&mut bed, "COPY a FROM STDIN WITH (FORMAT csv)", &text).unwrap(), 4);
    assert_eq!(bed.show("SELECT * FROM a", &[]), before);
}

#[test]
fn columns_that_are_not_listed_take_their_default() {
    let mut bed = Testbed::new(TABLE);
    assert_eq!(read(&mut bed, "COPY t (ok, id) FROM STDIN (FORMAT csv)", "t,1\nf,2\n").unwrap(), 2);
    assert_eq!(bed.show("SELECT * FROM t ORDER BY id", &[]), "1,null,7.00,null,t; 2,null,7.00,null,f");
}

#[test]
fn bad_rows_are_refused_with_their_line() {
    let mut bed = Testbed::new(TABLE);
    bed.script("INSERT INTO t (id, ok) VALUES (5, true)");
    for (text, sqlstate, hint) in [
        ("1,a,1,,t\n2,b\n", "22P04", "line 2: missing data for column \"price\""),
        ("1,a,1,,t,x\n", "22P04", "line 1: extra data"),
        ("1,a,1,,t\n\n2,b,1,,t\n", "22P04", "line 2"),
        ("1,a,one,,t\n", "22P02", "line 1: column \"price\""),
        ("1,a,1,2013-13-01,t\n", "22008", "line 1"),
        ("99999999999999999999,a,1,,t\n", "22003", "line 1"),
        ("1,a,1,,\n", "23502", "\"ok\""),
        ("1,a,1,,t\n1,b,1,,t\n", "23505", "t_pkey"),
        ("5,b,1,,t\n", "23505", "(5)"),
        ("1,\"a,1,,t\n", "22P04", "line 1"),
    ] {
        let error = read(&mut bed, "COPY t FROM STDIN (FORMAT csv)", text).unwrap_err();
        assert_eq!(error.sqlstate(), sqlstate, "{text:?}: {error}");
        assert!(error.to_string().contains(hint), "{text:?}: {error}");
    }
    assert_eq!(bed.show("SELECT id FROM t", &[]), "5", "nothing came of all this");
}

#[test]
fn options_are_checked() {
    let bed = Testbed::new(TABLE);
    for (sql, sqlstate) in [
        ("COPY t FROM 'x'", "0A000"),
        ("COPY t FROM 'x' (FORMAT binary)", "0A000"),
        ("COPY t FROM 'x' (FORMAT csv, FREEZE)", "0A000"),
        ("COPY t FROM 'x' (FORMAT csv, DELIMITER '\"')", "22023"),
        ("COPY t FROM PROGRAM 'x' (FORMAT csv)", "0A000"),
        ("COPY nope FROM 'x' (FORMAT csv)", "42P01"),
        ("COPY t (nope) FROM 'x' (FORMAT csv)", "42703"),
        ("COPY t (id, id) FROM 'x' (FORMAT csv)", "42701"),
        ("COPY t (nope) TO 'x' (FORMAT csv)", "42703"),
        ("COPY (SELECT $1) TO 'x' (FORMAT csv)", "42P02"),
    ] {
        let error = bed.prepare(sql).unwrap_err();
        assert_eq!(error.sqlstate(), sqlstate, "{sql}: {error}");
    }
    assert_eq!(plan(&bed, "COPY t FROM 'a b.csv' CSV HEADER").endpoint(), &CopyEndpoint::File("a b.csv".into()));
    assert_eq!(plan(&bed, "COPY t TO STDOUT CSV").endpoint(), &CopyEndpoint::Stream);
    assert_eq!(plan(&bed, "COPY t TO STDOUT CSV").table(), None);
}

#[test]
fn what_no_field_is_at_fault_for_has_its_line_too() {
    let mut bed = Testbed::new(TABLE);
    let error = read(&mut bed, "COPY t (id) FROM STDIN (FORMAT csv)", "1\n").unwrap_err();
    assert_eq!(error.sqlstate(), "23502");
    assert!(error.to_string().contains("line 1: null value in column \"ok\""), "{error}");
    let plan = plan(&bed, "COPY t FROM STDIN (FORMAT csv)");
    let text = format!("1,a,1,,t\n2,{},1,,t\n", "b".repeat(200));
    let error = plan.read(&bed.version, &mut text.as_bytes(), Limits { row_bytes_max: 100 }).unwrap_err();
    assert_eq!(error.sqlstate(), "54000");
    assert!(error.to_string().contains("line 2: a row of"), "{error}");
}

#[test]
fn keys_are_told_apart_in_any_order() {
    let mut bed = Testbed::new("CREATE TABLE u (a INTEGER PRIMARY KEY, b INTEGER UNIQUE)");
    let sql = "COPY u FROM STDIN (FORMAT csv)";
    assert_eq!(read(&mut bed, sql, "3,1\n1,\n2,\n4,2\n").unwrap(), 4, "NULLs are equal to nothing");
    for (text, key) in [("7,8\n6,9\n7,10\n", "u_pkey"), ("9,5\n8,6\n7,5\n", "(b)=(5)"), ("9,7\n5,2\n", "(b)=(2)")] {
        let error = read(&mut bed, sql, text).unwrap_err();
        assert_eq!(error.sqlstate(), "23505", "{error}");
        assert!(error.to_string().contains(key), "{error}");
    }
    assert_eq!(bed.show("SELECT count(*) FROM u", &[]), "4");
}

#[test]
fn large_files_are_read_in_chunks() {
    let mut bed = Testbed::new("CREATE TABLE n (id INTEGER PRIMARY KEY, t TEXT)");
    let text: String = (0..20_000).map(|id| format!("{id},row {id}\n")).collect();
    assert_eq!(read(&mut bed, "COPY n FROM STDIN (FORMAT csv)", &text).unwrap(), 20_000);
    assert_eq!(bed.show("SELECT count(*), min(id), max(id) FROM n", &[]), "20000,0,19999");
    assert_eq!(bed.show("SELECT t FROM n WHERE id = $1", &[Value::Integer(12_345)]), "row 12345");
    assert_eq!(write(&bed, "COPY (SELECT * FROM n ORDER BY id) TO STDOUT (FORMAT csv)"), text);
}
