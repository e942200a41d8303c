# Views on views, diamonds, and one table on both sides of a UNION ALL.
CREATE TABLE sales (id INTEGER PRIMARY KEY, shop TEXT, cents BIGINT);

CREATE MATERIALIZED VIEW totals AS SELECT shop, sum(cents) AS cents, count(*) AS n FROM sales GROUP BY shop;

CREATE MATERIALIZED VIEW big AS SELECT shop, cents FROM totals WHERE cents >= 100;

CREATE MATERIALIZED VIEW busy AS SELECT shop, n FROM totals WHERE n > 1;

CREATE MATERIALIZED VIEW both AS SELECT big.shop, big.cents, busy.n FROM big JOIN busy ON big.shop = busy.shop;

CREATE MATERIALIZED VIEW summary AS SELECT count(*) AS shops, max(cents) AS most FROM both;

CREATE MATERIALIZED VIEW doubled AS SELECT shop, cents FROM sales UNION ALL SELECT shop, -cents FROM sales UNION ALL SELECT shop, cents FROM sales;

INSERT INTO sales VALUES (1, 'a', 60), (2, 'a', 50), (3, 'b', 500), (4, 'c', 1);

SELECT * FROM big;

SELECT * FROM busy;

SELECT * FROM both;

SELECT * FROM summary;

SELECT * FROM doubled;

INSERT INTO sales VALUES (5, 'b', 1);

SELECT * FROM both;

SELECT * FROM summary;

UPDATE sales SET cents = cents - 55 WHERE id = 1;

SELECT * FROM both;

DELETE FROM sales WHERE shop = 'b';

SELECT * FROM summary;

SELECT shop, sum(cents) FROM doubled GROUP BY shop;

# The view's own query, asked again, is the view.
SELECT shop, sum(cents) AS cents, count(*) AS n FROM sales GROUP BY shop;

SELECT * FROM totals;

WITH t AS (SELECT shop, cents FROM totals) SELECT a.shop, b.cents FROM t a JOIN t b ON a.shop = b.shop;

SELECT * FROM (SELECT shop, n FROM totals WHERE n > 0) x WHERE x.shop <> 'a';
