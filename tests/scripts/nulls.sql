# NULL: three-valued logic in filters, keys, groups and DISTINCT.
CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, s TEXT);
----
ok

CREATE MATERIALIZED VIEW unequal AS SELECT id FROM t WHERE a <> b;
----
ok

CREATE MATERIALIZED VIEW logic AS SELECT id, a = b AS same, a IS NULL AS none, NOT (a < b OR s = 'x') AS neither, a IS DISTINCT FROM b AS differs, COALESCE(a, b, 0) AS first FROM t;
----
ok

CREATE MATERIALIZED VIEW kinds AS SELECT DISTINCT a, s FROM t;
----
ok

CREATE MATERIALIZED VIEW groups AS SELECT a, s, count(*) AS n FROM t GROUP BY a, s;
----
ok

INSERT INTO t VALUES (1, 1, 1, 'x'), (2, NULL, 1, 'x'), (3, NULL, NULL, NULL), (4, 2, 1, ''), (5, NULL, 2, NULL), (6, 2, NULL, '');
----
ok 6

SELECT * FROM unequal;
----
4

SELECT * FROM logic ORDER BY id;
----
1 | t | f | f | f | 1
2 | NULL | t | f | t | 1
3 | NULL | t | NULL | f | 0
4 | f | f | t | t | 2
5 | NULL | t | NULL | t | 2
6 | NULL | f | NULL | t | 2

SELECT * FROM kinds;
----
1 | x
2 | ''
NULL | NULL
NULL | x

SELECT * FROM groups;
----
1 | x | 1
2 | '' | 2
NULL | NULL | 2
NULL | x | 1

SELECT id FROM t WHERE a IN (1, NULL);
----
1

SELECT id FROM t WHERE a NOT IN (1, NULL);
----

SELECT id FROM t WHERE a NOT IN (1, 3);
----
4
6

SELECT id FROM t WHERE s LIKE '%x%' OR s IS NULL;
----
1
2
3
5

SELECT id, CASE WHEN a > 1 THEN 'big' WHEN a IS NULL THEN 'none' ELSE 'small' END AS size FROM t ORDER BY id;
----
1 | small
2 | none
3 | none
4 | big
5 | none
6 | big

SELECT id, NULLIF(a, 2) AS n FROM t ORDER BY id;
----
1 | 1
2 | NULL
3 | NULL
4 | NULL
5 | NULL
6 | NULL

SELECT a FROM t ORDER BY a NULLS FIRST, id;
----
NULL
NULL
NULL
1
2
2

SELECT a FROM t ORDER BY a DESC, id;
----
NULL
NULL
NULL
2
2
1

SELECT a, b FROM t ORDER BY a, b DESC;
----
1 | 1
2 | NULL
2 | 1
NULL | NULL
NULL | 2
NULL | 1

DELETE FROM t WHERE a IS NULL;
----
ok 3

SELECT * FROM groups;
----
1 | x | 1
2 | '' | 2

SELECT * FROM kinds;
----
1 | x
2 | ''

SELECT * FROM logic ORDER BY id;
----
1 | t | f | f | f | 1
4 | f | f | t | t | 2
6 | NULL | f | NULL | t | 2
