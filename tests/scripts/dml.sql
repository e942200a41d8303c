# INSERT, UPDATE, DELETE, ON CONFLICT and RETURNING.
CREATE TABLE stock (sku TEXT PRIMARY KEY, count INTEGER NOT NULL DEFAULT 1, price NUMERIC(8, 2), note TEXT DEFAULT 'new');

CREATE MATERIALIZED VIEW worth AS SELECT sum(count * price) AS worth, sum(count) AS count FROM stock;

INSERT INTO stock VALUES ('a', 2, 1.25, NULL), ('b', DEFAULT, 3, DEFAULT);

INSERT INTO stock (price, sku) VALUES (0.1, 'c');

SELECT * FROM stock ORDER BY sku;

SELECT * FROM worth;

INSERT INTO stock (sku) VALUES ('a');

INSERT INTO stock (sku, count) VALUES ('z', NULL);

INSERT INTO stock (sku) VALUES ('q'), ('q');

SELECT count(*) FROM stock;

INSERT INTO stock (sku, count) VALUES ('a', 10), ('d', 10) ON CONFLICT (sku) DO UPDATE SET count = stock.count + excluded.count;

INSERT INTO stock (sku, count) VALUES ('a', 10), ('e', 7) ON CONFLICT DO NOTHING;

SELECT sku, count FROM stock ORDER BY sku;

INSERT INTO stock (sku, count) VALUES ('b', 5) ON CONFLICT (sku) DO UPDATE SET count = excluded.count WHERE stock.count > 3;

SELECT sku, count FROM stock WHERE sku = 'b';

INSERT INTO stock (sku, count) VALUES ('f', 1), ('f', 2) ON CONFLICT (sku) DO UPDATE SET count = excluded.count;

UPDATE stock SET price = price * 2, count = count + 1 WHERE price < 3 RETURNING sku, price, count;

UPDATE stock SET sku = 'b' WHERE sku = 'a';

UPDATE stock SET sku = 'x' WHERE sku = 'a' RETURNING *;

UPDATE stock SET count = NULL WHERE sku = 'x';

DELETE FROM stock WHERE count > 9 RETURNING sku;

INSERT INTO stock SELECT sku || '2', count + 1, price, note FROM stock WHERE price IS NOT NULL;

SELECT * FROM stock ORDER BY sku;

SELECT * FROM worth;

INSERT INTO stock (sku, count) VALUES ('r', 1) RETURNING sku || '!' AS s, count + 1 AS c;

DELETE FROM stock;

SELECT * FROM worth;

# A rollback leaves nothing, and a failed statement in a multi-row insert leaves nothing of itself.
BEGIN;

INSERT INTO stock (sku) VALUES ('a');

SELECT * FROM worth;

ROLLBACK;

SELECT count(*) FROM stock;

# A table without a key holds equal rows; DELETE takes all that match.
CREATE TABLE bag (a INTEGER, b TEXT);

INSERT INTO bag VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, NULL);

SELECT a, b, count(*) FROM bag GROUP BY a, b;

UPDATE bag SET b = 'y' WHERE a = 1;

SELECT * FROM bag;

DELETE FROM bag WHERE b = 'y';

SELECT * FROM bag;

CREATE TABLE two (a INTEGER, b INTEGER, c INTEGER UNIQUE, PRIMARY KEY (a, b));

INSERT INTO two VALUES (1, 1, 1), (1, 2, NULL), (2, 1, NULL);

INSERT INTO two VALUES (3, 3, 1);

INSERT INTO two VALUES (1, 2, 7);

UPDATE two SET c = 1 WHERE a = 2;

SELECT * FROM two ORDER BY a, b;

SELECT * FROM two WHERE a = 1 ORDER BY b DESC;

SELECT b FROM two WHERE a = 1 AND b > 1;
