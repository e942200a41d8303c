# Inner joins: keys that are NULL, duplicates, self-joins, updates that change the key, residual conditions, products.
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, region TEXT);
----
ok

CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, cents BIGINT);
----
ok

CREATE TABLE notes (customer INTEGER, text TEXT);
----
ok

CREATE MATERIALIZED VIEW order_names AS SELECT o.id, c.name, o.cents FROM orders o JOIN customers c ON o.customer = c.id;
----
ok

CREATE MATERIALIZED VIEW regions AS SELECT c.region, sum(o.cents) AS cents, count(*) AS n, max(o.cents) AS most FROM orders o JOIN customers c ON o.customer = c.id GROUP BY c.region;
----
ok

CREATE MATERIALIZED VIEW three AS SELECT o.id, c.name, n.text FROM orders o JOIN customers c ON o.customer = c.id JOIN notes n ON n.customer = c.id WHERE o.cents > 10;
----
ok

CREATE MATERIALIZED VIEW pairs AS SELECT a.id AS a, b.id AS b FROM orders a JOIN orders b ON a.customer = b.customer AND a.id < b.id;
----
ok

CREATE MATERIALIZED VIEW against_mean AS SELECT o.id, o.cents - m.mean AS difference FROM orders o CROSS JOIN (SELECT avg(cents) AS mean FROM orders) m;
----
ok

INSERT INTO orders VALUES (1, 1, 100), (2, 1, 200), (3, 2, 5), (4, NULL, 7), (5, 9, 1);
----
ok 5

SELECT * FROM order_names;
----

INSERT INTO customers VALUES (1, 'ann', 'north'), (2, 'bob', 'south'), (3, 'cat', 'south');
----
ok 3

SELECT * FROM order_names;
----
1 | ann | 100
2 | ann | 200
3 | bob | 5

SELECT * FROM regions;
----
north | 300 | 2 | 200
south | 5 | 1 | 5

SELECT * FROM pairs;
----
1 | 2

SELECT * FROM against_mean;
----
1 | 37.4
2 | 137.4
3 | -57.6
4 | -55.6
5 | -61.6

# Equal rows in a table without a key.
INSERT INTO notes VALUES (1, 'x'), (1, 'x'), (2, 'y'), (NULL, 'z');
----
ok 4

SELECT * FROM three;
----
1 | ann | x
1 | ann | x
2 | ann | x
2 | ann | x

DELETE FROM notes WHERE text = 'x';
----
ok 2

SELECT * FROM three;
----

# The join key of one side changes, then that of the other.
UPDATE orders SET customer = 2 WHERE id = 1;
----
ok 1

SELECT * FROM order_names;
----
1 | bob | 100
2 | ann | 200
3 | bob | 5

UPDATE customers SET id = 9 WHERE id = 2;
----
ok 1

SELECT * FROM order_names;
----
2 | ann | 200
5 | bob | 1

SELECT * FROM regions;
----
north | 200 | 1 | 200
south | 1 | 1 | 1

SELECT * FROM pairs;
----
1 | 3

# The same change on both sides at once.
BEGIN;
----
ok

INSERT INTO customers VALUES (20, 'eve', 'east');
----
ok 1

INSERT INTO orders VALUES (20, 20, 1), (21, 20, 2);
----
ok 2

SELECT * FROM regions WHERE region = 'east';
----
east | 3 | 2 | 2

COMMIT;
----
ok

SELECT * FROM regions;
----
east | 3 | 2 | 2
north | 200 | 1 | 200
south | 1 | 1 | 1

SELECT a.name, b.name FROM customers a, customers b WHERE a.region = b.region AND a.name < b.name;
----
bob | cat

SELECT count(*) FROM customers a CROSS JOIN orders b;
----
28
