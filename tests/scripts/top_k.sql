# ORDER BY with LIMIT and OFFSET in views and in subqueries. Where PostgreSQL leaves a tie open, the order is written out.
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, region TEXT, cents BIGINT);
----
ok

CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(cents) AS total, count(*) AS n FROM orders GROUP BY customer;
----
ok

CREATE MATERIALIZED VIEW top2 AS SELECT customer, total FROM totals ORDER BY total DESC, customer LIMIT 2;
----
ok

CREATE MATERIALIZED VIEW direct AS SELECT customer, sum(cents) AS total FROM orders GROUP BY customer ORDER BY total DESC, customer LIMIT 2;
----
ok

CREATE MATERIALIZED VIEW hidden AS SELECT customer FROM orders GROUP BY customer ORDER BY sum(cents) DESC, customer LIMIT 2;
----
ok

CREATE MATERIALIZED VIEW second AS SELECT customer, total FROM totals ORDER BY total DESC NULLS LAST, customer OFFSET 1 LIMIT 1;
----
ok

CREATE MATERIALIZED VIEW rest AS SELECT id FROM orders ORDER BY id OFFSET 3;
----
ok

CREATE MATERIALIZED VIEW fetched AS SELECT id, cents FROM orders ORDER BY cents NULLS FIRST, id OFFSET 1 ROW FETCH NEXT 2 ROWS ONLY;
----
ok

CREATE MATERIALIZED VIEW one AS SELECT id FROM orders ORDER BY 0 - id FETCH FIRST ROW ONLY;
----
ok

CREATE MATERIALIZED VIEW nothing AS SELECT id FROM orders ORDER BY id LIMIT 0;
----
ok

CREATE MATERIALIZED VIEW everything AS SELECT id FROM orders ORDER BY cents LIMIT NULL;
----
ok

CREATE MATERIALIZED VIEW computed AS SELECT id, cents / 10 AS tens FROM orders ORDER BY cents % 10 DESC NULLS LAST, length(customer), id LIMIT 3;
----
ok

CREATE MATERIALIZED VIEW positions AS SELECT region, max(cents) FROM orders GROUP BY region ORDER BY 2 DESC NULLS LAST, 1 LIMIT 1;
----
ok

CREATE MATERIALIZED VIEW regions AS SELECT DISTINCT region FROM orders ORDER BY region DESC NULLS LAST LIMIT 2;
----
ok

CREATE MATERIALIZED VIEW copies AS SELECT region FROM orders ORDER BY region LIMIT 3;
----
ok

CREATE MATERIALIZED VIEW cheap AS SELECT sum(cents) AS sum, count(*) AS n FROM (SELECT cents FROM orders ORDER BY cents, id LIMIT 3) AS o;
----
ok

CREATE MATERIALIZED VIEW joined AS SELECT o.id, t.total FROM orders o JOIN (SELECT customer, total FROM totals ORDER BY total DESC, customer LIMIT 1) t ON t.customer = o.customer;
----
ok

CREATE MATERIALIZED VIEW united AS (SELECT id, 'low' AS what FROM orders ORDER BY cents, id LIMIT 1) UNION ALL (SELECT id, 'high' FROM orders ORDER BY cents DESC NULLS LAST, id LIMIT 1);
----
ok

CREATE MATERIALIZED VIEW both_ends AS SELECT id FROM orders WHERE cents < 100 UNION ALL SELECT id FROM orders WHERE region = 'n' ORDER BY id DESC LIMIT 3;
----
ok

CREATE MATERIALIZED VIEW nested AS SELECT id FROM (SELECT id, cents FROM orders ORDER BY cents DESC NULLS LAST, id LIMIT 4) AS o WHERE cents > 10 ORDER BY id LIMIT 2;
----
ok

CREATE MATERIALIZED VIEW of_top AS SELECT max(total) AS max FROM top2;
----
ok

WITH best AS (SELECT customer FROM totals ORDER BY total DESC LIMIT 1) SELECT customer FROM best;
----

SELECT * FROM top2;
----

SELECT * FROM cheap;
----
NULL | 0

SELECT * FROM of_top;
----
NULL

INSERT INTO orders VALUES (1, 'ann', 'n', 50), (2, 'bob', 's', 20), (3, 'ann', 's', 7), (4, 'cy', NULL, 57), (5, 'dan', 'n', NULL), (6, 'eve', 's', 20);
----
ok 6

SELECT * FROM top2;
----
ann | 57
dan | NULL

SELECT * FROM direct;
----
ann | 57
dan | NULL

SELECT * FROM hidden;
----
ann
dan

SELECT * FROM second;
----
cy | 57

SELECT * FROM rest;
----
4
5
6

SELECT * FROM fetched;
----
2 | 20
3 | 7

SELECT * FROM one;
----
6

SELECT * FROM nothing;
----

SELECT * FROM everything;
----
1
2
3
4
5
6

SELECT * FROM computed;
----
1 | 5
3 | 0
4 | 5

SELECT * FROM positions;
----
NULL | 57

SELECT * FROM regions;
----
n
s

SELECT * FROM copies;
----
n
n
s

SELECT * FROM cheap;
----
47 | 3

SELECT * FROM joined;
----
5 | NULL

SELECT * FROM united;
----
3 | low
4 | high

SELECT * FROM both_ends;
----
4
5
6

SELECT * FROM nested;
----
1
2

SELECT * FROM of_top;
----
57

# The first one falls behind, its group vanishes, and it comes back.
UPDATE orders SET cents = 1 WHERE id = 1;
----
ok 1

SELECT * FROM top2;
----
cy | 57
dan | NULL

SELECT * FROM hidden;
----
cy
dan

SELECT * FROM second;
----
bob | 20

SELECT * FROM joined;
----
5 | NULL

SELECT * FROM computed;
----
1 | 0
3 | 0
4 | 5

DELETE FROM orders WHERE customer IN ('cy', 'dan');
----
ok 2

SELECT * FROM top2;
----
bob | 20
eve | 20

SELECT * FROM direct;
----
bob | 20
eve | 20

SELECT * FROM rest;
----
6

SELECT * FROM fetched;
----
2 | 20
3 | 7

SELECT * FROM regions;
----
n
s

SELECT * FROM copies;
----
n
s
s

SELECT * FROM united;
----
1 | low
2 | high

SELECT * FROM nested;
----
2
6

SELECT * FROM of_top;
----
20

INSERT INTO orders VALUES (0, 'cy', 'w', 9000);
----
ok 1

SELECT * FROM top2;
----
bob | 20
cy | 9000

SELECT * FROM joined;
----
0 | 9000

SELECT * FROM cheap;
----
28 | 3

SELECT * FROM both_ends;
----
2
3
6

SELECT * FROM positions;
----
w | 9000

# The same, asked ad hoc.
SELECT customer, total FROM totals ORDER BY total DESC, customer LIMIT 2;
----
cy | 9000
bob | 20

SELECT id FROM orders ORDER BY id FETCH FIRST 2 ROWS ONLY;
----
0
1

SELECT id FROM orders ORDER BY id DESC OFFSET 1 ROWS FETCH NEXT ROW ONLY;
----
3

SELECT sum(cents) FROM (SELECT cents FROM orders ORDER BY cents LIMIT 2) AS o;
----
8

SELECT a.id, b.id FROM (SELECT id FROM orders ORDER BY id LIMIT 2) a CROSS JOIN (SELECT id FROM orders ORDER BY id DESC LIMIT 2) b ORDER BY 1, 2;
----
0 | 3
0 | 6
1 | 3
1 | 6

SELECT region FROM (SELECT region, cents FROM orders ORDER BY cents DESC, id LIMIT 3) AS o ORDER BY region LIMIT 1;
----
s

DELETE FROM orders;
----
ok 5

SELECT * FROM top2;
----

SELECT * FROM cheap;
----
NULL | 0

SELECT * FROM of_top;
----
NULL

# NULLs, duplicates, and every type.
CREATE TABLE things (i INTEGER, d DOUBLE PRECISION, n NUMERIC(6, 2), t TEXT, b BOOLEAN, y DATE);
----
ok

CREATE MATERIALIZED VIEW by_d AS SELECT d FROM things ORDER BY d DESC LIMIT 3;
----
ok

CREATE MATERIALIZED VIEW by_d_last AS SELECT d FROM things ORDER BY d DESC NULLS LAST LIMIT 3;
----
ok

CREATE MATERIALIZED VIEW by_n AS SELECT n, i FROM things ORDER BY n NULLS FIRST, i LIMIT 4;
----
ok

CREATE MATERIALIZED VIEW by_t AS SELECT t FROM things ORDER BY t DESC NULLS LAST LIMIT 3 OFFSET 1;
----
ok

CREATE MATERIALIZED VIEW by_b AS SELECT b FROM things ORDER BY b LIMIT 4;
----
ok

CREATE MATERIALIZED VIEW by_y AS SELECT y, t FROM things ORDER BY y DESC, t LIMIT 2;
----
ok

INSERT INTO things VALUES (1, 'NaN', 1.5, 'b', true, DATE '2020-02-29'), (1, 'NaN', 1.5, 'b', true, DATE '2020-02-29'), (2, 0.25, 1.50, 'B', false, NULL), (3, 0, -2, '', NULL, DATE '1969-12-31'), (NULL, NULL, NULL, NULL, NULL, NULL), (4, 'Infinity', 99.99, 'ba', false, DATE '2021-01-01'), (5, '-Infinity', -2.01, 'é', true, NULL);
----
ok 7

SELECT * FROM by_d;
----
NULL
NaN
NaN

SELECT * FROM by_d_last;
----
Infinity
NaN
NaN

SELECT * FROM by_n;
----
-2 | 3
-2.01 | 5
1.5 | 1
NULL | NULL

SELECT * FROM by_t;
----
b
b
ba

SELECT * FROM by_b;
----
f
f
t
t

SELECT * FROM by_y;
----
NULL | B
NULL | é

DELETE FROM things WHERE i = 1;
----
ok 2

SELECT * FROM by_d;
----
0.25
Infinity
NULL

SELECT * FROM by_d_last;
----
0
0.25
Infinity

SELECT * FROM by_n;
----
-2 | 3
-2.01 | 5
1.5 | 2
NULL | NULL

SELECT * FROM by_t;
----
''
B
ba

SELECT * FROM by_b;
----
NULL
f
f
t

SELECT * FROM by_y;
----
NULL | B
NULL | é

# What is wrong in both.
CREATE MATERIALIZED VIEW wrong AS SELECT i FROM things ORDER BY i LIMIT 1 FETCH FIRST 1 ROW ONLY;
----
error 42601

CREATE MATERIALIZED VIEW wrong AS SELECT i FROM things ORDER BY nothing LIMIT 1;
----
error 42703

CREATE MATERIALIZED VIEW wrong AS SELECT DISTINCT i FROM things ORDER BY t LIMIT 1;
----
error 42P10

# PostgreSQL may take any row of a tie. Here the columns of the row decide, from left to right, in a view as in a query.
# only: monostable
CREATE MATERIALIZED VIEW tied AS SELECT t, i FROM things ORDER BY y NULLS FIRST LIMIT 2;
----
ok

# only: monostable
SELECT * FROM tied;
----
B | 2
é | 5

# only: monostable
SELECT t, i FROM things ORDER BY y NULLS FIRST LIMIT 2;
----
B | 2
é | 5

# only: monostable
SELECT i FROM (SELECT t, i FROM things ORDER BY y NULLS FIRST LIMIT 2) AS o;
----
2
5

# A view that could not be read is refused when it is created.
# only: monostable
CREATE MATERIALIZED VIEW wrong AS SELECT i FROM things ORDER BY i LIMIT -1;
----
error 2201W

# only: monostable
CREATE MATERIALIZED VIEW wrong AS SELECT i FROM things ORDER BY i LIMIT 1 OFFSET -1;
----
error 2201X

# What is not supported here.
# only: monostable
CREATE MATERIALIZED VIEW wrong AS SELECT i FROM things ORDER BY i;
----
error 0A000

# only: monostable
CREATE MATERIALIZED VIEW wrong AS SELECT i FROM things LIMIT 1;
----
error 0A000

# only: monostable
CREATE MATERIALIZED VIEW wrong AS SELECT i FROM things ORDER BY i LIMIT $1;
----
error 42P02

# only: monostable
SELECT i FROM things ORDER BY i FETCH FIRST 1 ROW WITH TIES;
----
error 0A000

# only: monostable
SELECT count(*) FROM (SELECT i FROM things LIMIT 1) AS o;
----
error 0A000

# only: monostable
SELECT n FROM (VALUES (INTERVAL '1 month', 2), (INTERVAL '30 days', 1)) AS v (s, n) ORDER BY s, n;
----
error 0A000
