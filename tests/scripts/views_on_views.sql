# Views on views, diamonds, and one table on both sides of a UNION ALL.
CREATE TABLE sales (id INTEGER PRIMARY KEY, shop TEXT, cents BIGINT);
----
ok

CREATE MATERIALIZED VIEW totals AS SELECT shop, sum(cents) AS cents, count(*) AS n FROM sales GROUP BY shop;
----
ok

CREATE MATERIALIZED VIEW big AS SELECT shop, cents FROM totals WHERE cents >= 100;
----
ok

CREATE MATERIALIZED VIEW busy AS SELECT shop, n FROM totals WHERE n > 1;
----
ok

CREATE MATERIALIZED VIEW pair AS SELECT big.shop, big.cents, busy.n FROM big JOIN busy ON big.shop = busy.shop;
----
ok

CREATE MATERIALIZED VIEW summary AS SELECT count(*) AS shops, max(cents) AS most FROM pair;
----
ok

CREATE MATERIALIZED VIEW doubled AS SELECT shop, cents FROM sales UNION ALL SELECT shop, -cents FROM sales UNION ALL SELECT shop, cents FROM sales;
----
ok

INSERT INTO sales VALUES (1, 'a', 60), (2, 'a', 50), (3, 'b', 500), (4, 'c', 1);
----
ok 4

SELECT * FROM big;
----
a | 110
b | 500

SELECT * FROM busy;
----
a | 2

SELECT * FROM pair;
----
a | 110 | 2

SELECT * FROM summary;
----
1 | 110

SELECT * FROM doubled;
----
a | -50
a | -60
a | 50
a | 50
a | 60
a | 60
b | -500
b | 500
b | 500
c | -1
c | 1
c | 1

INSERT INTO sales VALUES (5, 'b', 1);
----
ok 1

SELECT * FROM pair;
----
a | 110 | 2
b | 501 | 2

SELECT * FROM summary;
----
2 | 501

UPDATE sales SET cents = cents - 55 WHERE id = 1;
----
ok 1

SELECT * FROM pair;
----
b | 501 | 2

DELETE FROM sales WHERE shop = 'b';
----
ok 2

SELECT * FROM summary;
----
0 | NULL

SELECT shop, sum(cents) FROM doubled GROUP BY shop;
----
a | 55
c | 1

# The view's own query, asked again, is the view.
SELECT shop, sum(cents) AS cents, count(*) AS n FROM sales GROUP BY shop;
----
a | 55 | 2
c | 1 | 1

SELECT * FROM totals;
----
a | 55 | 2
c | 1 | 1

WITH t AS (SELECT shop, cents FROM totals) SELECT a.shop, b.cents FROM t a JOIN t b ON a.shop = b.shop;
----
a | 55
c | 1

SELECT * FROM (SELECT shop, n FROM totals WHERE n > 0) x WHERE x.shop <> 'a';
----
c | 1
