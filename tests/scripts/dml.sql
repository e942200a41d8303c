# INSERT, UPDATE, DELETE, ON CONFLICT and RETURNING.
CREATE TABLE stock (sku TEXT PRIMARY KEY, count INTEGER NOT NULL DEFAULT 1, price NUMERIC(8, 2), note TEXT DEFAULT 'new');
----
ok

CREATE MATERIALIZED VIEW worth AS SELECT sum(count * price) AS worth, sum(count) AS count FROM stock;
----
ok

INSERT INTO stock VALUES ('a', 2, 1.25, NULL), ('b', DEFAULT, 3, DEFAULT);
----
ok 2

INSERT INTO stock (price, sku) VALUES (0.1, 'c');
----
ok 1

SELECT * FROM stock ORDER BY sku;
----
a | 2 | 1.25 | NULL
b | 1 | 3 | new
c | 1 | 0.1 | new

SELECT * FROM worth;
----
5.6 | 4

INSERT INTO stock (sku) VALUES ('a');
----
error 23505

INSERT INTO stock (sku, count) VALUES ('z', NULL);
----
error 23502

INSERT INTO stock (sku) VALUES ('q'), ('q');
----
error 23505

SELECT count(*) FROM stock;
----
3

INSERT INTO stock (sku, count) VALUES ('a', 10), ('d', 10) ON CONFLICT (sku) DO UPDATE SET count = stock.count + excluded.count;
----
ok 2

INSERT INTO stock (sku, count) VALUES ('a', 10), ('e', 7) ON CONFLICT DO NOTHING;
----
ok 1

SELECT sku, count FROM stock ORDER BY sku;
----
a | 12
b | 1
c | 1
d | 10
e | 7

INSERT INTO stock (sku, count) VALUES ('b', 5) ON CONFLICT (sku) DO UPDATE SET count = excluded.count WHERE stock.count > 3;
----
ok 0

SELECT sku, count FROM stock WHERE sku = 'b';
----
b | 1

INSERT INTO stock (sku, count) VALUES ('f', 1), ('f', 2) ON CONFLICT (sku) DO UPDATE SET count = excluded.count;
----
error 21000

UPDATE stock SET price = price * 2, count = count + 1 WHERE price < 3 RETURNING sku, price, count;
----
a | 2.5 | 13
c | 0.2 | 2

UPDATE stock SET sku = 'b' WHERE sku = 'a';
----
error 23505

UPDATE stock SET sku = 'x' WHERE sku = 'a' RETURNING *;
----
x | 13 | 2.5 | NULL

UPDATE stock SET count = NULL WHERE sku = 'x';
----
error 23502

DELETE FROM stock WHERE count > 9 RETURNING sku;
----
d
x

INSERT INTO stock SELECT sku || '2', count + 1, price, note FROM stock WHERE price IS NOT NULL;
----
ok 2

SELECT * FROM stock ORDER BY sku;
----
b | 1 | 3 | new
b2 | 2 | 3 | new
c | 2 | 0.2 | new
c2 | 3 | 0.2 | new
e | 7 | NULL | new

SELECT * FROM worth;
----
10 | 15

INSERT INTO stock (sku, count) VALUES ('r', 1) RETURNING sku || '!' AS s, count + 1 AS c;
----
r! | 2

DELETE FROM stock;
----
ok 6

SELECT * FROM worth;
----
NULL | NULL

# A rollback leaves nothing, and a failed statement in a multi-row insert leaves nothing of itself.
BEGIN;
----
ok

INSERT INTO stock (sku) VALUES ('a');
----
ok 1

SELECT * FROM worth;
----
NULL | 1

ROLLBACK;
----
ok

SELECT count(*) FROM stock;
----
0

# A table without a key holds equal rows; DELETE takes all that match.
CREATE TABLE bag (a INTEGER, b TEXT);
----
ok

INSERT INTO bag VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, NULL);
----
ok 4

SELECT a, b, count(*) FROM bag GROUP BY a, b;
----
1 | x | 3
2 | NULL | 1

UPDATE bag SET b = 'y' WHERE a = 1;
----
ok 3

SELECT * FROM bag;
----
1 | y
1 | y
1 | y
2 | NULL

DELETE FROM bag WHERE b = 'y';
----
ok 3

SELECT * FROM bag;
----
2 | NULL

CREATE TABLE two (a INTEGER, b INTEGER, c INTEGER UNIQUE, PRIMARY KEY (a, b));
----
ok

INSERT INTO two VALUES (1, 1, 1), (1, 2, NULL), (2, 1, NULL);
----
ok 3

INSERT INTO two VALUES (3, 3, 1);
----
error 23505

INSERT INTO two VALUES (1, 2, 7);
----
error 23505

UPDATE two SET c = 1 WHERE a = 2;
----
error 23505

SELECT * FROM two ORDER BY a, b;
----
1 | 1 | 1
1 | 2 | NULL
2 | 1 | NULL

SELECT * FROM two WHERE a = 1 ORDER BY b DESC;
----
1 | 2 | NULL
1 | 1 | 1

SELECT b FROM two WHERE a = 1 AND b > 1;
----
2
