# Inner joins: keys that are NULL, duplicates, self-joins, updates that change the key, residual conditions, products.
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, region TEXT);

CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, cents BIGINT);

CREATE TABLE notes (customer INTEGER, text TEXT);

CREATE MATERIALIZED VIEW order_names AS SELECT o.id, c.name, o.cents FROM orders o JOIN customers c ON o.customer = c.id;

CREATE MATERIALIZED VIEW regions AS SELECT c.region, sum(o.cents) AS cents, count(*) AS n, max(o.cents) AS most FROM orders o JOIN customers c ON o.customer = c.id GROUP BY c.region;

CREATE MATERIALIZED VIEW three AS SELECT o.id, c.name, n.text FROM orders o JOIN customers c ON o.customer = c.id JOIN notes n ON n.customer = c.id WHERE o.cents > 10;

CREATE MATERIALIZED VIEW pairs AS SELECT a.id AS a, b.id AS b FROM orders a JOIN orders b ON a.customer = b.customer AND a.id < b.id;

CREATE MATERIALIZED VIEW against_mean AS SELECT o.id, o.cents - m.mean AS over FROM orders o CROSS JOIN (SELECT avg(cents) AS mean FROM orders) m;

INSERT INTO orders VALUES (1, 1, 100), (2, 1, 200), (3, 2, 5), (4, NULL, 7), (5, 9, 1);

SELECT * FROM order_names;

INSERT INTO customers VALUES (1, 'ann', 'north'), (2, 'bob', 'south'), (3, 'cat', 'south');

SELECT * FROM order_names;

SELECT * FROM regions;

SELECT * FROM pairs;

SELECT * FROM against_mean;

# Equal rows in a table without a key.
INSERT INTO notes VALUES (1, 'x'), (1, 'x'), (2, 'y'), (NULL, 'z');

SELECT * FROM three;

DELETE FROM notes WHERE text = 'x';

SELECT * FROM three;

# The join key of one side changes, then that of the other.
UPDATE orders SET customer = 2 WHERE id = 1;

SELECT * FROM order_names;

UPDATE customers SET id = 9 WHERE id = 2;

SELECT * FROM order_names;

SELECT * FROM regions;

SELECT * FROM pairs;

# The same change on both sides at once.
BEGIN;

INSERT INTO customers VALUES (20, 'eve', 'east');

INSERT INTO orders VALUES (20, 20, 1), (21, 20, 2);

SELECT * FROM regions WHERE region = 'east';

COMMIT;

SELECT * FROM regions;

SELECT a.name, b.name FROM customers a, customers b WHERE a.region = b.region AND a.name < b.name;

SELECT count(*) FROM customers a CROSS JOIN orders b;
