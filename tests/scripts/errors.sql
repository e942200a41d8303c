# Each class of error has its SQLSTATE, and leaves nothing behind.
CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, s VARCHAR(3), n NUMERIC(4, 2));
----
ok

INSERT INTO t VALUES (1, 1, 'abc', 1);
----
ok 1

SELEC 1;
----
error 42601

SELECT * FROM missing;
----
error 42P01

SELECT missing FROM t;
----
error 42703

SELECT id FROM t x, t y;
----
error 42702

SELECT missing(a) FROM t;
----
error 42883

SELECT a, count(*) FROM t;
----
error 42803

CREATE TABLE t (id INTEGER PRIMARY KEY);
----
error 42P07

DROP TABLE missing;
----
error 42P01

INSERT INTO t VALUES (1, 1, 'abc', 1);
----
error 23505

INSERT INTO t VALUES (2, NULL, 'abc', 1);
----
error 23502

INSERT INTO t VALUES (2, 1, 'abcd', 1);
----
error 22001

INSERT INTO t VALUES (2, 1, 'abc', 100);
----
error 22003

INSERT INTO t VALUES (2, 3000000000, 'abc', 1);
----
error 22003

INSERT INTO t VALUES (2, 'x', 'abc', 1);
----
error 22P02

INSERT INTO t (id, a, a) VALUES (1, 2, 3);
----
error 42701

INSERT INTO t VALUES (1, 2, 'abc', 1, 5);
----
error 42601

SELECT 1 / 0;
----
error 22012

SELECT a / (id - 1) FROM t;
----
error 22012

SELECT 2147483647 + a FROM t;
----
error 22003

SELECT CAST('x' AS INTEGER);
----
error 22P02

SELECT CAST('2013-02-30' AS DATE);
----
error 22008

SELECT * FROM t;
----
1 | 1 | abc | 1

CREATE MATERIALIZED VIEW v AS SELECT id, 10 / a AS q FROM t;
----
ok

INSERT INTO t VALUES (2, 2, 'b', 2);
----
ok 1

# only: monostable
# A commit that would make a view undefined is rejected, and names the view.
INSERT INTO t VALUES (3, 0, 'c', 3);
----
error 22012

# only: monostable
UPDATE t SET a = 0 WHERE id = 1;
----
error 22012

SELECT * FROM v;
----
1 | 10
2 | 5

# only: monostable
CREATE MATERIALIZED VIEW doubled AS SELECT sum(a + 2147483640) AS s FROM t;
----
ok

# only: monostable
INSERT INTO t VALUES (4, 10, 'd', 4);
----
error 22003

# only: monostable
SELECT * FROM doubled;
----
4294967283
