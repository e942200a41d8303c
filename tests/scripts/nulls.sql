# NULL: three-valued logic in filters, keys, groups and DISTINCT.
CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, s TEXT);

CREATE MATERIALIZED VIEW unequal AS SELECT id FROM t WHERE a <> b;

CREATE MATERIALIZED VIEW logic AS SELECT id, a = b AS same, a IS NULL AS none, NOT (a < b OR s = 'x') AS neither, a IS DISTINCT FROM b AS differs, COALESCE(a, b, 0) AS some FROM t;

CREATE MATERIALIZED VIEW kinds AS SELECT DISTINCT a, s FROM t;

CREATE MATERIALIZED VIEW groups AS SELECT a, s, count(*) AS n FROM t GROUP BY a, s;

INSERT INTO t VALUES (1, 1, 1, 'x'), (2, NULL, 1, 'x'), (3, NULL, NULL, NULL), (4, 2, 1, ''), (5, NULL, 2, NULL), (6, 2, NULL, '');

SELECT * FROM unequal;

SELECT * FROM logic ORDER BY id;

SELECT * FROM kinds;

SELECT * FROM groups;

SELECT id FROM t WHERE a IN (1, NULL);

SELECT id FROM t WHERE a NOT IN (1, NULL);

SELECT id FROM t WHERE a NOT IN (1, 3);

SELECT id FROM t WHERE s LIKE '%x%' OR s IS NULL;

SELECT id, CASE WHEN a > 1 THEN 'big' WHEN a IS NULL THEN 'none' ELSE 'small' END AS size FROM t ORDER BY id;

SELECT id, NULLIF(a, 2) AS n FROM t ORDER BY id;

SELECT a FROM t ORDER BY a NULLS FIRST, id;

SELECT a FROM t ORDER BY a DESC, id;

SELECT a, b FROM t ORDER BY a, b DESC;

DELETE FROM t WHERE a IS NULL;

SELECT * FROM groups;

SELECT * FROM kinds;

SELECT * FROM logic ORDER BY id;
