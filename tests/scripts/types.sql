# Every type: literals, text form, comparison, order, as a key and in a view.
CREATE TABLE every (id INTEGER PRIMARY KEY, s SMALLINT, i INTEGER, l BIGINT, r REAL, d DOUBLE PRECISION, n NUMERIC(12, 4), t TEXT, v VARCHAR(5), y BYTEA, b BOOLEAN, da DATE, ti TIME, ts TIMESTAMP, tz TIMESTAMPTZ, u UUID);
----
ok

INSERT INTO every VALUES (1, -32768, 2147483647, -9223372036854775808, 1.5, -0.1, 1234.5678, 'it''s', 'abcde', '\x00ff', true, '2013-01-01', '23:59:59.5', '2013-12-31 23:59:59.123456', '2013-06-01 12:00:00+02', '6ba7b810-9dad-11d1-80b4-00c04fd430c8');
----
ok 1

INSERT INTO every VALUES (2, 0, 0, 0, 0, 0, 0, '', '', '', false, '1969-12-31', '00:00:00', '1970-01-01 00:00:00', '1970-01-01 00:00:00+00', '00000000-0000-0000-0000-000000000000');
----
ok 1

INSERT INTO every (id) VALUES (3);
----
ok 1

SELECT * FROM every ORDER BY id;
----
1 | -32768 | 2147483647 | -9223372036854775808 | 1.5 | -0.1 | 1234.5678 | 'it''s' | abcde | \x00ff | t | 2013-01-01 | 23:59:59.5 | '2013-12-31 23:59:59.123456' | '2013-06-01 10:00:00+00' | 6ba7b810-9dad-11d1-80b4-00c04fd430c8
2 | 0 | 0 | 0 | 0 | 0 | 0 | '' | '' | \x | f | 1969-12-31 | 00:00:00 | '1970-01-01 00:00:00' | '1970-01-01 00:00:00+00' | 00000000-0000-0000-0000-000000000000
3 | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL | NULL

SELECT id FROM every ORDER BY n DESC, id;
----
3
1
2

SELECT id FROM every WHERE da < '2000-01-01';
----
2

SELECT id FROM every WHERE ts > '2013-01-01 00:00:00';
----
1

SELECT id FROM every WHERE u = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';
----
1

SELECT id FROM every WHERE n = 1234.5678 AND t = 'it''s';
----
1

CREATE MATERIALIZED VIEW extremes AS SELECT min(s) AS s, max(l) AS l, min(d) AS d, max(n) AS n, min(t) AS t, max(da) AS da, min(ti) AS ti, max(ts) AS ts, min(tz) AS tz FROM every;
----
ok

SELECT * FROM extremes;
----
-32768 | 0 | -0.1 | 1234.5678 | '' | 2013-01-01 | 00:00:00 | '2013-12-31 23:59:59.123456' | '1970-01-01 00:00:00+00'

CREATE MATERIALIZED VIEW sums AS SELECT sum(s) AS s, sum(i) AS i, sum(l) AS l, sum(n) AS n, sum(r) AS r FROM every;
----
ok

SELECT * FROM sums;
----
-32768 | 2147483647 | -9223372036854775808 | 1234.5678 | 1.5

CREATE MATERIALIZED VIEW by_day AS SELECT da, count(*) AS n FROM every GROUP BY da;
----
ok

SELECT * FROM by_day;
----
1969-12-31 | 1
2013-01-01 | 1
NULL | 1

SELECT id, s + 1 AS s1, l + 1 AS l1, n * 2 AS n2, d * 2 AS d2 FROM every WHERE id < 3 ORDER BY id;
----
1 | -32767 | -9223372036854775807 | 2469.1356 | -0.2
2 | 1 | 1 | 0 | 0

SELECT id, da + INTERVAL '1 month' AS later, ts - INTERVAL '1 day' AS earlier FROM every WHERE id = 1;
----
1 | '2013-02-01 00:00:00' | '2013-12-30 23:59:59.123456'

SELECT extract(year FROM da) AS year, extract(month FROM ts) AS month FROM every WHERE id = 1;
----
2013 | 12

SELECT date_trunc('month', ts) AS month FROM every WHERE id = 1;
----
'2013-12-01 00:00:00'

SELECT upper(t) AS u, length(t) AS l, substr(t, 1, 2) AS s FROM every WHERE id = 1;
----
'IT''S' | 4 | it

SELECT CAST('12' AS INTEGER) + 1 AS n, CAST(7 AS TEXT) || 'x' AS t;
----
13 | 7x

SELECT CAST(2.5 AS INTEGER) AS up, CAST(-2.5 AS INTEGER) AS down, CAST(3.5 AS INTEGER) AS even;
----
3 | -3 | 4

SELECT 7 / 2 AS q, -7 / 2 AS negative, 7 % 3 AS r, -7 % 3 AS rn, 7.0 / 2 AS exact;
----
3 | -3 | 1 | -1 | 3.5

SELECT round(2.567, 2) AS r, abs(-3) AS a, floor(2.7) AS f, ceil(2.1) AS c;
----
2.57 | 3 | 2 | 3

# An interval literal is read like any other interval: half of a week is days first, and all forms are known.
SELECT INTERVAL '1.5 weeks', INTERVAL '1-2', INTERVAL '3 4:05:06', INTERVAL 'P1DT2H', INTERVAL '1 day ago', INTERVAL '90' MINUTE;
----
'10 days 12:00:00' | '1 year 2 mons' | '3 days 04:05:06' | '1 day 02:00:00' | '-1 days' | 01:30:00

SELECT 1 UNION SELECT 1, 2;
----
error 42601

SELECT DISTINCT a FROM (VALUES (1, 2)) AS v (a, b) ORDER BY b;
----
error 42P10

SELECT a FROM (VALUES (1)) AS v (a) ORDER BY 2;
----
error 42P10
