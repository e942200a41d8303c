# Each class of error has its SQLSTATE, and leaves nothing behind.
CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, s VARCHAR(3), n NUMERIC(4, 2));

INSERT INTO t VALUES (1, 1, 'abc', 1);

SELEC 1;

SELECT * FROM missing;

SELECT missing FROM t;

SELECT id FROM t x, t y;

SELECT missing(a) FROM t;

SELECT a, count(*) FROM t;

CREATE TABLE t (id INTEGER PRIMARY KEY);

DROP TABLE missing;

INSERT INTO t VALUES (1, 1, 'abc', 1);

INSERT INTO t VALUES (2, NULL, 'abc', 1);

INSERT INTO t VALUES (2, 1, 'abcd', 1);

INSERT INTO t VALUES (2, 1, 'abc', 100);

INSERT INTO t VALUES (2, 3000000000, 'abc', 1);

INSERT INTO t VALUES (2, 'x', 'abc', 1);

INSERT INTO t (id, a, a) VALUES (1, 2, 3);

INSERT INTO t VALUES (1, 2, 'abc', 1, 5);

SELECT 1 / 0;

SELECT a / (id - 1) FROM t;

SELECT 2147483647 + a FROM t;

SELECT CAST('x' AS INTEGER);

SELECT CAST('2013-02-30' AS DATE);

SELECT * FROM t;

CREATE MATERIALIZED VIEW v AS SELECT id, 10 / a AS q FROM t;

INSERT INTO t VALUES (2, 2, 'b', 2);

# only: monostable
# A commit that would make a view undefined is rejected, and names the view.
INSERT INTO t VALUES (3, 0, 'c', 3);

# only: monostable
UPDATE t SET a = 0 WHERE id = 1;

SELECT * FROM v;

# only: monostable
CREATE MATERIALIZED VIEW doubled AS SELECT sum(a + 2147483640) AS s FROM t;

# only: monostable
INSERT INTO t VALUES (4, 10, 'd', 4);

# only: monostable
SELECT * FROM doubled;
