# The parser took everything after IS DISTINCT FROM for its right side, AND and OR too, so that the answer was wrong for booleans.
CREATE TABLE logic (id INTEGER PRIMARY KEY, p BOOLEAN, q BOOLEAN, r BOOLEAN);
----
ok

INSERT INTO logic VALUES (1, true, false, false), (2, false, false, true), (3, NULL, true, true);
----
ok 3

# only: monostable
SELECT id FROM logic WHERE p IS DISTINCT FROM q AND r;
----
error 0A000

# only: postgres
SELECT id FROM logic WHERE p IS DISTINCT FROM q AND r;
----
3

SELECT id FROM logic WHERE (p IS DISTINCT FROM q) AND r;
----
3

SELECT id FROM logic WHERE r AND p IS DISTINCT FROM q;
----
3

SELECT id FROM logic WHERE p IS DISTINCT FROM (q AND r);
----
1
3
