//! Scalar expressions: PostgreSQL's types, values and errors.

use crate::database::Database;

#[test]
fn numbers_have_postgres_types() {
    let db = Database::with(&[]);
    for (expr, types) in [
        ("1", "?column? integer"),
        ("3000000000", "?column? bigint"),
        ("9223372036854775808", "?column? numeric(20,0)"),
        ("1 + 1", "?column? integer"),
        ("1 + 3000000000", "?column? bigint"),
        ("1.5", "?column? numeric(2,1)"),
        ("1 + 1.5", "?column? numeric(38,1)"),
        ("1.5 * 2.25", "?column? numeric(38,3)"),
        ("1 / 3.0", "?column? numeric(38,16)"),
        ("CAST(1 AS real) + 1", "?column? double precision"),
        ("CAST(1 AS real) + CAST(1 AS real)", "?column? real"),
        ("1.5 + CAST(1 AS double precision)", "?column? double precision"),
        ("CAST(1 AS smallint) + CAST(1 AS smallint)", "?column? smallint"),
        ("CAST(1 AS smallint) * 2", "?column? integer"),
        ("date '2013-01-01' + 1", "?column? date"),
        ("date '2013-01-01' - date '2012-01-01'", "?column? integer"),
        ("date '2013-01-01' + interval '1 day'", "?column? timestamp without time zone"),
        ("'a' || 1", "?column? text"),
        ("NULL", "?column? text"),
        ("lower('A')", "lower text"),
        ("extract(year from date '2013-01-01')", "extract numeric(38,0)"),
        ("round(2.567, 2)", "round numeric(38,2)"),
        ("coalesce(NULL, 1, 2.5)", "coalesce numeric(11,1)"),
        ("CASE WHEN true THEN 1 ELSE 2.5 END", "case numeric(11,1)"),
    ] {
        assert_eq!(db.types(&format!("SELECT {expr}")), types, "{expr}");
    }
}

#[test]
fn arithmetic_is_exact_or_an_error() {
    let db = Database::with(&[]);
    for (expr, value) in [
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("-7 % 2", "-1"),
        ("mod(7, -2)", "1"),
        ("7.5 % 2", "1.5"),
        ("1 / 3.0", "0.3333333333333333"),
        ("2 / 3.0", "0.6666666666666667"),
        ("-2 / 3.0", "-0.6666666666666667"),
        ("0.1 + 0.2", "0.3"),
        ("2147483647 + 1.0", "2147483648.0"),
        ("-(-5)", "5"),
        ("- 2147483648", "-2147483648"),
        ("CAST('nan' AS double precision) / 0", "NaN"),
        ("1e2", "100"),
        ("(-2147483648) % -1", "0"),
    ] {
        db.gives(&format!("SELECT {expr}"), &[value]);
    }
    for (expr, sqlstate, text) in [
        ("2147483647 + 1", "22003", "integer out of range"),
        ("9223372036854775807 + 1", "22003", "bigint out of range"),
        ("CAST(32767 AS smallint) + CAST(1 AS smallint)", "22003", "smallint out of range"),
        ("2147483647 * 2", "22003", "integer out of range"),
        ("-(-2147483647 - 1)", "22003", "integer out of range"),
        ("(-2147483647 - 1) / -1", "22003", "integer out of range"),
        ("1 / 0", "22012", "division by zero"),
        ("1 % 0", "22012", "division by zero"),
        ("1.0 / 0", "22012", "division by zero"),
        ("1 / CAST(0 AS double precision)", "22012", "division by zero"),
        ("CAST(1e300 AS double precision) * CAST(1e300 AS double precision)", "22003", "overflow"),
        ("99999999999999999999999999999999999999 + 1.0", "22003", "numeric out of range"),
        ("1 + 'a'", "22P02", "integer"),
        ("true + 1", "42883", "boolean + integer"),
        ("CAST(1.5 AS double precision) % 2", "42883", "%"),
    ] {
        db.fails(&format!("SELECT {expr}"), sqlstate, text);
    }
}

#[test]
fn casts_round_and_refuse_as_postgres_does() {
    let db = Database::with(&[]);
    for (expr, value) in [
        ("CAST(2.5 AS integer)", "3"),
        ("CAST(-2.5 AS integer)", "-3"),
        ("CAST(CAST(2.5 AS double precision) AS integer)", "2"),
        ("CAST(CAST(3.5 AS double precision) AS integer)", "4"),
        ("CAST(1.005 AS numeric(5,2))", "1.01"),
        ("CAST(CAST(1.005 AS double precision) AS numeric(5,2))", "1.01"),
        ("'12'::integer + 1", "13"),
        ("CAST(' 7 ' AS bigint)", "7"),
        ("CAST(true AS integer)", "1"),
        ("CAST(true AS text)", "true"),
        ("CAST('yes' AS boolean)", "t"),
        ("CAST(1.50 AS text)", "1.50"),
        ("timestamp '2013-01-02 03:04:05'::date", "2013-01-02"),
        ("timestamp '1969-12-31 23:00:00'::date", "1969-12-31"),
        ("CAST('6ba7b810-9dad-11d1-80b4-00c04fd430c8' AS uuid) = '6BA7B810-9DAD-11D1-80B4-00C04FD430C8'", "t"),
        ("CAST(0.1 AS double precision)", "0.1"),
        ("interval '1 day' + date '2013-01-31'", "2013-02-01 00:00:00"),
    ] {
        db.gives(&format!("SELECT {expr}"), &[value]);
    }
    for (expr, sqlstate, text) in [
        ("CAST('x' AS integer)", "22P02", "integer"),
        ("CAST(3000000000 AS integer)", "22003", "integer out of range"),
        ("CAST(100 AS numeric(2,0))", "22003", "numeric out of range"),
        ("CAST('2013-13-01' AS date)", "22008", "date"),
        ("CAST(date '2013-01-01' AS integer)", "42846", "cannot cast type date to integer"),
        ("CAST(1 AS uuid)", "42846", "uuid"),
        ("TRY_CAST('x' AS integer)", "0A000", "TRY_CAST"),
        ("CAST(1 AS varchar(3))", "0A000", "length"),
    ] {
        db.fails(&format!("SELECT {expr}"), sqlstate, text);
    }
}

#[test]
fn comparisons_take_types_that_compare() {
    let db = Database::with(&["CREATE TABLE t (id integer, name text, at date, u uuid, price numeric(10,2))"]);
    for (expr, value) in [
        ("1 = 1.0", "t"),
        ("1 < '2'", "t"),
        ("NULL = 1", "NULL"),
        ("NULL IS NOT DISTINCT FROM NULL", "t"),
        ("1 IS DISTINCT FROM NULL", "t"),
        ("2 BETWEEN 1 AND 2.5", "t"),
        ("2 NOT BETWEEN 1 AND 2.5", "f"),
        ("1 IN (2, NULL)", "NULL"),
        ("2 IN (2, NULL)", "t"),
        ("2 NOT IN (2, NULL)", "f"),
        ("'abc' LIKE 'a%'", "t"),
        ("'abc' NOT LIKE '_b%'", "f"),
        ("'ABC' ILIKE 'a%'", "t"),
        ("date '2013-01-01' < timestamp '2013-01-01 00:00:01'", "t"),
        ("interval '1 month' = interval '30 days'", "t"),
        ("interval '1 day' > interval '23 hours'", "t"),
        ("true AND NULL", "NULL"),
        ("false AND NULL", "f"),
        ("true OR NULL", "t"),
        ("NOT NULL::boolean", "NULL"),
        ("(1 = 2) IS NOT TRUE", "t"),
        ("(NULL = 2) IS UNKNOWN", "t"),
    ] {
        db.gives(&format!("SELECT {expr}"), &[value]);
    }
    for (sql, text) in [
        ("SELECT name = 1 FROM t", "text = integer"),
        ("SELECT id = name FROM t", "integer = text"),
        ("SELECT at = 1 FROM t", "date = integer"),
        ("SELECT u = 1 FROM t", "uuid = integer"),
        ("SELECT id IN ('a'::text, name) FROM t", "integer = text"),
        ("SELECT id LIKE 'a' FROM t", "LIKE"),
    ] {
        db.fails(sql, "42883", text);
    }
    db.fails("SELECT id FROM t WHERE id", "42804", "boolean");
    db.fails("SELECT id FROM t WHERE name AND true", "42804", "boolean");
    db.fails("SELECT CASE WHEN true THEN id ELSE name END FROM t", "42804", "cannot be matched");
}

#[test]
fn conditions_guard_what_stands_beside_them() {
    let mut db = Database::with(&["CREATE TABLE t (a integer, b integer)"]);
    db.insert("t", "(6, 3), (6, 0), (NULL, 0), (7, NULL)");
    db.gives("SELECT a FROM t WHERE b <> 0 AND a / b = 2", &["6"]);
    db.gives("SELECT a FROM t WHERE a / b = 2 AND b <> 0", &["6"]);
    db.gives("SELECT b FROM t WHERE b = 0 OR a / b = 2", &["0", "0", "3"]);
    db.gives("SELECT CASE WHEN b = 0 THEN -1 ELSE a / b END FROM t", &["-1", "-1", "2", "NULL"]);
    db.gives("SELECT coalesce(a, 1 / b) FROM t WHERE a IS NOT NULL", &["6", "6", "7"]);
    db.gives("SELECT nullif(b, 0) FROM t", &["3", "NULL", "NULL", "NULL"]);
    db.fails("SELECT a / b FROM t", "22012", "division by zero");
    db.gives("SELECT q FROM (SELECT a / b AS q, b FROM t WHERE b <> 0) s WHERE q > 1", &["2"]);
}

#[test]
fn text_and_number_functions_give_what_postgres_gives() {
    gives_each(&[
        ("upper('abc') || lower('DEF') || initcap('gh ij')", "ABCdefGh Ij"),
        ("length('héllo')", "5"),
        ("char_length('héllo') + octet_length('héllo')", "11"),
        ("substring('abcdef' from 2 for 3)", "bcd"),
        ("substr('abcdef', -1, 4)", "ab"),
        ("substr('abcdef', 3)", "cdef"),
        ("position('c' in 'abc')", "3"),
        ("strpos('abc', 'z')", "0"),
        ("trim('  a ')", "a"),
        ("trim(both 'x' from 'xax')", "a"),
        ("ltrim('xxa', 'x') || rtrim('bxx', 'x')", "ab"),
        ("replace('aXbX', 'X', '-')", "a-b-"),
        ("left('abc', 2) || right('abc', 2)", "abbc"),
        ("left('abc', -1) || right('abc', -1)", "abbc"),
        ("lpad('7', 3, '0') || rpad('7', 3, '0')", "007700"),
        ("split_part('a,b,c', ',', 2)", "b"),
        ("reverse('abc') || repeat('x', 2)", "cbaxx"),
        ("concat('a', NULL, 1, 2.50)", "a12.50"),
        ("concat_ws('-', 'a', NULL, 2)", "a-2"),
        ("starts_with('abc', 'ab')", "t"),
        ("ascii('A') + 0", "65"),
        ("chr(65)", "A"),
        ("abs(-5) + abs(-1.5)", "6.5"),
        ("sign(-2.5)", "-1"),
        ("ceil(1.2) + floor(-1.2)", "0"),
        ("ceil(-1.2)", "-1"),
        ("round(2.5) + round(-2.5)", "0"),
        ("round(2.5)", "3"),
        ("round(CAST(2.5 AS double precision))", "2"),
        ("round(2.567, 2)", "2.57"),
        ("round(1250.5, -2)", "1300"),
        ("trunc(2.567, 1)", "2.5"),
        ("trunc(-2.5)", "-2"),
        ("sqrt(CAST(9 AS double precision))", "3"),
        ("power(2, 10)", "1024"),
        ("greatest(1, 3, 2.5)", "3.0"),
        ("least(2, NULL, 1)", "1"),
        ("coalesce(NULL, NULL, 'x')", "x"),
    ]);
}

#[test]
fn date_and_time_functions_give_what_postgres_gives() {
    gives_each(&[
        ("extract(year from date '2013-06-15')", "2013"),
        ("extract(dow from date '2013-06-16')", "0"),
        ("extract(isodow from date '2013-06-16')", "7"),
        ("extract(doy from date '2012-12-31')", "366"),
        ("extract(week from date '2013-01-01')", "1"),
        ("extract(week from date '2012-01-01')", "52"),
        ("extract(quarter from date '2013-06-15')", "2"),
        ("extract(second from timestamp '2013-01-01 00:00:01.25')", "1.250000"),
        ("extract(milliseconds from time '00:00:01.25')", "1250.000"),
        ("extract(epoch from timestamp '1970-01-02 00:00:00.5')", "86400.500000"),
        ("extract(hour from interval '26 hours')", "26"),
        ("extract(century from date '2000-12-31')", "20"),
        ("extract(century from date '2001-01-01')", "21"),
        ("date_part('month', date '2013-06-15')", "6"),
        ("date_trunc('month', timestamp '2013-06-15 10:00:00')", "2013-06-01 00:00:00"),
        ("date_trunc('week', timestamp '2013-06-15 10:00:00')", "2013-06-10 00:00:00"),
        ("date_trunc('hour', timestamp '2013-06-15 10:59:00')", "2013-06-15 10:00:00"),
        ("make_date(2013, 7, 15)", "2013-07-15"),
        ("date '2013-01-31' + interval '1 month'", "2013-02-28 00:00:00"),
        ("timestamp '2013-03-01 00:00:00' - interval '1 day'", "2013-02-28 00:00:00"),
        ("timestamp '2013-03-02 12:00:00' - timestamp '2013-03-01 00:00:00'", "1 day 12:00:00"),
        ("time '23:00:00' + interval '2 hours'", "01:00:00"),
        ("interval '1 hour' * 2.5", "02:30:00"),
        ("interval '1 day' / 2", "12:00:00"),
        ("-interval '1 day'", "-1 days"),
        ("date '2013-01-01' + time '10:00:00'", "2013-01-01 10:00:00"),
    ]);
}

/// Each expression, selected without a table, gives the value beside it.
fn gives_each(cases: &[(&str, &str)]) {
    let db = Database::with(&[]);
    for (expr, value) in cases {
        db.gives(&format!("SELECT {expr}"), &[value]);
    }
}

#[test]
fn functions_refuse_what_postgres_refuses() {
    let db = Database::with(&[]);
    for (expr, sqlstate, text) in [
        ("sqrt(CAST(-1 AS double precision))", "2201F", "square root"),
        ("ln(CAST(0 AS double precision))", "2201E", "logarithm"),
        ("sqrt(2.0)", "42883", "sqrt"),
        ("concat('a', true)", "42883", "concat(unknown, boolean)"),
        ("lower(1)", "42883", "function lower(integer) does not exist"),
        ("length('a', 'b')", "42883", "length"),
        ("extract(fortnight from date '2013-01-01')", "22023", "fortnight"),
        ("extract(hour from date '2013-01-01')", "0A000", "hour"),
        ("make_date(2013, 2, 30)", "22008", "2013-02-30"),
        ("round(1.5, CAST(1.5 AS integer))", "0A000", "constant"),
        ("abs(-2147483648)", "22003", "integer out of range"),
    ] {
        db.fails(&format!("SELECT {expr}"), sqlstate, text);
    }
}
