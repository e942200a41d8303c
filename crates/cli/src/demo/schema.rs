//! The demo's tables, its views, and the queries that the views must always equal.
//!
//! The views cover what is hard to keep right under updates and deletes: groups that lose rows, joins whose key changes,
//! extremes that are taken back, distinct counts, and views over views. Nothing here runs anything.

/// A materialized view. In the query, `{flights}` and `{days}` stand for what it reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ViewSql {
    pub(crate) name: &'static str,
    query: &'static str,
}

impl ViewSql {
    /// The statement that creates it, if it is not there.
    pub(crate) fn create(&self) -> String {
        let query = self.query.replace("{flights}", "flights").replace("{days}", "days");
        format!("CREATE MATERIALIZED VIEW IF NOT EXISTS {} AS {query}", self.name)
    }

    /// The same rows, computed from the tables. The filter lets every flight pass, but is not part of any view: so neither
    /// a view nor state that a view keeps can answer in its place.
    pub(crate) fn recomputation(&self) -> String {
        let days = VIEWS.iter().find(|view| view.name == "days").map_or("", |view| view.query);
        let query = self.query.replace("{days}", &format!("({days})"));
        query.replace("{flights}", "(SELECT * FROM flights WHERE id >= 0)")
    }
}

/// The tables, each in one statement. The first is the one that the demo is
/// recognised by.
pub(crate) const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS replay (id INTEGER PRIMARY KEY, days INTEGER NOT NULL, next_transaction BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS airlines (carrier TEXT PRIMARY KEY, name TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS airports (code TEXT PRIMARY KEY, name TEXT NOT NULL, latitude DOUBLE PRECISION, \
     longitude DOUBLE PRECISION, altitude INTEGER, tz INTEGER, dst TEXT, tzone TEXT)",
    "CREATE TABLE IF NOT EXISTS planes (tailnum TEXT PRIMARY KEY, year INTEGER, type TEXT, manufacturer TEXT NOT NULL, \
     model TEXT NOT NULL, engines INTEGER, seats INTEGER, speed INTEGER, engine TEXT)",
    "CREATE TABLE IF NOT EXISTS flights (id BIGINT PRIMARY KEY, scheduled TIMESTAMP NOT NULL, carrier TEXT NOT NULL, \
     number INTEGER NOT NULL, tailnum TEXT, origin TEXT NOT NULL, dest TEXT NOT NULL, departure_delay INTEGER, \
     arrival_delay INTEGER, air_minutes INTEGER, miles INTEGER NOT NULL)",
];

/// The table that the demo is recognised by.
pub(crate) const REPLAY_TABLE: &str = "replay";

/// One row of each table, by number of columns.
pub(crate) const INSERT_AIRLINE: &str = "INSERT INTO airlines VALUES ($1, $2)";
pub(crate) const INSERT_AIRPORT: &str = "INSERT INTO airports VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
pub(crate) const INSERT_PLANE: &str = "INSERT INTO planes VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
pub(crate) const INSERT_FLIGHT: &str = "INSERT INTO flights VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

pub(crate) const CANCEL_FLIGHT: &str = "DELETE FROM flights WHERE id = $1";
pub(crate) const AMEND_FLIGHT: &str = "UPDATE flights SET arrival_delay = $2 WHERE id = $1";
pub(crate) const EXCHANGE_PLANE: &str = "UPDATE flights SET tailnum = $2 WHERE id = $1";

pub(crate) const START_REPLAY: &str = "INSERT INTO replay VALUES (1, $1, 0)";
pub(crate) const ADVANCE_REPLAY: &str = "UPDATE replay SET next_transaction = $1 WHERE id = 1";
pub(crate) const REPLAY_STATE: &str = "SELECT days, next_transaction FROM replay WHERE id = 1";

/// The view that readers of the demo look things up in: one row per plane, about four thousand.
pub(crate) const READ_VIEW: &str = "plane_log";

/// The views, in the order in which they are created.
pub(crate) const VIEWS: &[ViewSql] = &[
    ViewSql {
        name: "carrier_delays",
        query: "SELECT carrier, count(*) AS flights, count(departure_delay) AS departed, \
                avg(departure_delay) AS average_delay, min(departure_delay) AS earliest, max(departure_delay) AS latest \
                FROM {flights} AS f GROUP BY carrier",
    },
    ViewSql {
        name: "fleet",
        query: "SELECT a.name AS airline, p.manufacturer, count(*) AS flights, sum(f.miles) AS miles, \
                max(p.seats) AS seats_max \
                FROM {flights} AS f JOIN planes p ON p.tailnum = f.tailnum JOIN airlines a ON a.carrier = f.carrier \
                GROUP BY a.name, p.manufacturer",
    },
    ViewSql {
        name: "days",
        query: "SELECT origin, CAST(scheduled AS DATE) AS day, count(*) AS flights, sum(arrival_delay) AS minutes_late, \
                count(*) FILTER (WHERE departure_delay > 60) AS very_late FROM {flights} AS f GROUP BY origin, CAST(scheduled AS DATE)",
    },
    ViewSql {
        name: "airport_days",
        query: "SELECT origin, count(*) AS days, min(flights) AS quietest, max(flights) AS busiest, \
                max(minutes_late) AS worst, sum(very_late) AS very_late FROM {days} AS d GROUP BY origin",
    },
    ViewSql {
        name: "routes",
        query: "SELECT origin, dest, count(*) AS flights, count(DISTINCT carrier) AS carriers, \
                count(DISTINCT tailnum) AS planes, min(air_minutes) AS fastest, max(air_minutes) AS slowest \
                FROM {flights} AS f GROUP BY origin, dest",
    },
    ViewSql {
        name: "plane_log",
        query: "SELECT tailnum, count(*) AS flights, sum(miles) AS miles, count(DISTINCT dest) AS airports, \
                min(scheduled) AS first_seen, max(scheduled) AS last_seen FROM {flights} AS f GROUP BY tailnum",
    },
    ViewSql {
        name: "three_hours_late",
        query: "SELECT f.id, f.scheduled, a.name AS airline, f.number, t.name AS destination, f.arrival_delay \
                FROM {flights} AS f JOIN airlines a ON a.carrier = f.carrier JOIN airports t ON t.code = f.dest \
                WHERE f.arrival_delay >= 180",
    },
];

/// One plane's row of [`READ_VIEW`], computed from the flights.
pub(crate) const READ_FROM_SCRATCH: &str = "SELECT tailnum, count(*) AS flights, sum(miles) AS miles, \
    count(DISTINCT dest) AS airports, min(scheduled) AS first_seen, max(scheduled) AS last_seen \
    FROM (SELECT * FROM flights WHERE id >= 0) AS f WHERE tailnum = $1 GROUP BY tailnum";
