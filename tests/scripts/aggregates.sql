# Every aggregate, with NULLs, duplicates and both kinds of filter, through inserts, deletes and updates.
CREATE TABLE sales (id INTEGER PRIMARY KEY, shop TEXT, cents BIGINT, price NUMERIC(10, 2), weight DOUBLE PRECISION, paid BOOLEAN);
----
ok

CREATE MATERIALIZED VIEW by_shop AS SELECT shop, count(*) AS n, count(cents) AS n_cents, sum(cents) AS cents, avg(cents) AS mean, min(price) AS cheapest, max(price) AS dearest, bool_and(paid) AS all_paid, bool_or(paid) AS any_paid FROM sales GROUP BY shop;
----
ok

CREATE MATERIALIZED VIEW overall AS SELECT count(*) AS n, sum(cents) AS cents, avg(price) AS mean, sum(weight) AS weight, max(shop) AS last_shop FROM sales;
----
ok

CREATE MATERIALIZED VIEW picky AS SELECT shop, count(DISTINCT cents) AS kinds, sum(DISTINCT cents) AS kinds_sum, count(*) FILTER (WHERE paid) AS paid, sum(cents) FILTER (WHERE price > 1) AS dear, avg(DISTINCT price) FILTER (WHERE NOT paid) AS unpaid FROM sales GROUP BY shop;
----
ok

# A global aggregate has its one row before there is anything to aggregate.
SELECT * FROM overall;
----
0 | NULL | NULL | NULL | NULL

SELECT * FROM by_shop;
----

INSERT INTO sales VALUES (1, 'a', 100, 1.50, 0.5, true), (2, 'a', 100, 2.25, 0.25, NULL), (3, 'b', NULL, NULL, NULL, false), (4, NULL, -7, 0.01, -1.5, true), (5, 'a', 250, 1.50, 2, false);
----
ok 5

SELECT * FROM by_shop;
----
NULL | 1 | 1 | -7 | -7 | 0.01 | 0.01 | t | t
a | 3 | 3 | 450 | 150 | 1.5 | 2.25 | f | t
b | 1 | 0 | NULL | NULL | NULL | NULL | f | f

SELECT * FROM overall;
----
5 | 443 | 1.315 | 1.25 | b

SELECT * FROM picky;
----
NULL | 1 | -7 | 1 | NULL | NULL
a | 2 | 350 | 1 | 450 | 1.5
b | 0 | NULL | 0 | NULL | NULL

# The extreme is deleted; the next one takes its place.
DELETE FROM sales WHERE id = 2;
----
ok 1

SELECT shop, cheapest, dearest FROM by_shop;
----
NULL | 0.01 | 0.01
a | 1.5 | 1.5
b | NULL | NULL

# Duplicates of a DISTINCT value: the value stays until the last of them goes.
DELETE FROM sales WHERE id = 1;
----
ok 1

SELECT shop, kinds, kinds_sum FROM picky;
----
NULL | 1 | -7
a | 1 | 250
b | 0 | NULL

# A group vanishes, and returns.
DELETE FROM sales WHERE shop = 'b';
----
ok 1

SELECT count(*) FROM by_shop;
----
2

INSERT INTO sales VALUES (6, 'b', 1, 1, 1, NULL);
----
ok 1

SELECT * FROM by_shop WHERE shop = 'b';
----
b | 1 | 1 | 1 | 1 | 1 | 1 | NULL | NULL

# An update that moves a row to another group.
UPDATE sales SET shop = 'b', cents = cents + 1 WHERE id = 5;
----
ok 1

SELECT * FROM by_shop;
----
NULL | 1 | 1 | -7 | -7 | 0.01 | 0.01 | t | t
b | 2 | 2 | 252 | 126 | 1 | 1.5 | f | f

UPDATE sales SET shop = NULL;
----
ok 3

SELECT * FROM by_shop;
----
NULL | 3 | 3 | 245 | 81.6666666666666667 | 0.01 | 1.5 | f | t

DELETE FROM sales;
----
ok 3

SELECT * FROM by_shop;
----

SELECT * FROM overall;
----
0 | NULL | NULL | NULL | NULL

# HAVING, and grouping by an expression.
CREATE MATERIALIZED VIEW parity AS SELECT id % 2 AS odd, count(*) AS n FROM sales GROUP BY id % 2 HAVING count(*) > 1;
----
ok

INSERT INTO sales VALUES (1, 'a', 1, 1, 1, true), (2, 'a', 1, 1, 1, true), (3, 'a', 1, 1, 1, true);
----
ok 3

SELECT * FROM parity;
----
1 | 2

INSERT INTO sales VALUES (4, 'a', 1, 1, 1, true);
----
ok 1

SELECT * FROM parity;
----
0 | 2
1 | 2

DELETE FROM sales WHERE id < 3;
----
ok 2

SELECT * FROM parity;
----
