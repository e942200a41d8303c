//! A real process on a real directory is killed with SIGKILL while it works, again and again, and the ledger of what it had
//! acknowledged is kept where the signal does not reach: in the process that kills it.
//!
//! The child is this same test binary: [`the_child`] is a test that is ignored unless it is called by name with a directory
//! in the environment. Its threads commit transactions whose contents follow from the number of the thread and of the
//! transaction, so the ledger is one number per thread, and what must be found is computed, not recorded.
//!
//! `KILLS` says how often it is killed (6 by default), `KILL_SEED` when.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use monostable::{Database, Error, Options, params};

use crate::faults::cases::setting;
use crate::faults::disk::Random;

const DIRECTORY: &str = "MONOSTABLE_TEST_CHILD_DIRECTORY";
const THREADS: i64 = 4;
/// How long a child may take to say something.
const PATIENCE: Duration = Duration::from_secs(60);

/// Small limits, so that checkpoints, merges and changes of segment happen all the time.
fn options(path: &Path) -> Options {
    let mut options = Options::at(path);
    options.log_segment_bytes = 256 << 10;
    options.checkpoint_log_bytes = 512 << 10;
    options
}

const SCHEMA: &str = "CREATE TABLE entries (thread BIGINT, n BIGINT, amount BIGINT NOT NULL, PRIMARY KEY (thread, n));
    CREATE TABLE balances (thread BIGINT PRIMARY KEY, last BIGINT NOT NULL, total BIGINT NOT NULL);
    CREATE MATERIALIZED VIEW totals AS
        SELECT thread, sum(amount) AS total, count(*) AS entries, max(n) AS last FROM entries GROUP BY thread;
    CREATE MATERIALIZED VIEW books AS
        SELECT b.thread, b.total AS balance, t.total AS entered FROM balances b JOIN totals t ON b.thread = t.thread;
    CREATE MATERIALIZED VIEW amounts AS SELECT DISTINCT amount FROM entries;
    CREATE MATERIALIZED VIEW spread AS
        SELECT thread, min(amount) AS least, max(amount) AS most, count(DISTINCT amount) AS kinds
        FROM entries GROUP BY thread";

fn amount(thread: i64, n: i64) -> i64 {
    (thread * 31 + n * 17) % 101 - 20
}

/// Transaction `n` of a thread: a new entry, the balance, and now and then an older entry goes or changes.
fn write(db: &Database, thread: i64, n: i64) -> Result<(), Error> {
    let mut txn = db.begin()?;
    txn.execute("INSERT INTO entries VALUES ($1, $2, $3)", params![thread, n, amount(thread, n)])?;
    if n % 3 == 0 {
        txn.execute("DELETE FROM entries WHERE thread = $1 AND n = $2", params![thread, n - 2])?;
    }
    if n % 7 == 0 {
        txn.execute("UPDATE entries SET amount = amount + 1 WHERE thread = $1 AND n = $2", params![thread, n - 1])?;
    }
    let total: i64 = entries_after(thread, n).values().sum();
    txn.execute(
        "INSERT INTO balances VALUES ($1, $2, $3)
         ON CONFLICT (thread) DO UPDATE SET last = excluded.last, total = excluded.total",
        params![thread, n, total],
    )?;
    txn.commit().map(drop)
}

/// The entries of a thread after its first `last` transactions.
fn entries_after(thread: i64, last: i64) -> BTreeMap<i64, i64> {
    let mut entries = BTreeMap::new();
    for n in 1..=last {
        entries.insert(n, amount(thread, n));
        if n % 3 == 0 {
            entries.remove(&(n - 2));
        }
        if n % 7 == 0
            && let Some(amount) = entries.get_mut(&(n - 1))
        {
            *amount += 1;
        }
    }
    entries
}

/// How many transactions of each thread the database holds.
fn lasts(db: &Database) -> BTreeMap<i64, i64> {
    let rows = db.query("SELECT thread, last FROM balances").unwrap();
    rows.iter().map(|row| (row.get("thread").unwrap(), row.get("last").unwrap())).collect()
}

/// The process that is killed: it opens the directory, goes on where its predecessor ended, and says after each commit
/// that it was acknowledged. One more thread makes and drops a view, and another one reads.
#[test]
#[ignore = "the kill tests call it by name, in a process of its own"]
fn the_child() {
    let Ok(path) = std::env::var(DIRECTORY) else { return };
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        // A line is written at once; if nobody listens any more, it is time to end.
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).expect("somebody listens");
    };
    let db = match Database::open_with(options(Path::new(&path))) {
        Ok(db) => db,
        Err(error) => return say(format!("\nledger error {}\n", error.sqlstate())),
    };
    let lasts = lasts(&db);
    say("\nledger open 0 0\n".to_owned());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (db, first) = (&db, lasts.get(&thread).copied().unwrap_or(0) + 1);
            scope.spawn(move || {
                for n in first.. {
                    write(db, thread, n).unwrap();
                    say(format!("\nledger commit {thread} {n}\n"));
                }
            });
        }
        scope.spawn(|| {
            loop {
                db.execute("CREATE MATERIALIZED VIEW IF NOT EXISTS late AS SELECT amount, count(*) AS n FROM entries GROUP BY amount")
                    .unwrap();
                db.execute("DROP MATERIALIZED VIEW late").unwrap();
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        scope.spawn(|| {
            loop {
                for row in db.view("books").unwrap().scan().unwrap() {
                    let row = row.unwrap();
                    assert_eq!(
                        row.get::<i64>("balance").unwrap(),
                        row.get::<i64>("entered").unwrap(),
                        "a torn commit was seen"
                    );
                }
            }
        });
    });
}

/// A child, and what it says.
struct Writer {
    child: Child,
    lines: Receiver<(String, i64, i64)>,
}

impl Writer {
    fn start(path: &Path) -> Writer {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::the_child", "--ignored", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, path)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let words: Vec<&str> = line.split(' ').collect();
                if let ["ledger", what, numbers @ ..] = words.as_slice() {
                    let number = |at: usize| numbers.get(at).and_then(|text| text.parse().ok()).unwrap_or(-1);
                    let _ = sender.send(((*what).to_owned(), number(0), number(1)));
                }
            }
        });
        Writer { child, lines }
    }

    /// Waits for the first line: that it is open, or the SQLSTATE for which it is not.
    fn first(&self) -> (String, i64, i64) {
        self.lines.recv_timeout(PATIENCE).expect("the child says something")
    }

    /// Kills it, and adds what it has acknowledged to the ledger.
    fn kill(mut self, ledger: &mut BTreeMap<i64, i64>) {
        let ended_by_itself = self.child.try_wait().unwrap();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        assert!(ended_by_itself.is_none(), "the child ended by itself: {ended_by_itself:?}");
        for (what, thread, n) in self.lines.iter() {
            assert!(what == "open" || what == "commit", "the child says {what}");
            if what == "commit" {
                let last = ledger.entry(thread).or_insert(0);
                assert_eq!(n, *last + 1, "thread {thread} acknowledges in order");
                *last = n;
            }
        }
    }
}

/// Every acknowledged commit is there, at most the one in flight of each thread besides, whole; every view is right. The
/// ledger then says what was found, because that will be there for ever.
fn verify(path: &Path, ledger: &mut BTreeMap<i64, i64>) {
    let db = Database::open_with(options(path)).unwrap();
    let found = lasts(&db);
    for thread in 0..THREADS {
        let (acknowledged, last) =
            (ledger.get(&thread).copied().unwrap_or(0), found.get(&thread).copied().unwrap_or(0));
        assert!(
            last == acknowledged || last == acknowledged + 1,
            "thread {thread}: {acknowledged} commits were acknowledged, {last} are there"
        );
        let expected = entries_after(thread, last);
        let rows = db.query_with("SELECT n, amount FROM entries WHERE thread = $1", params![thread]).unwrap();
        let entries: BTreeMap<i64, i64> =
            rows.iter().map(|row| (row.get("n").unwrap(), row.get("amount").unwrap())).collect();
        assert_eq!(entries, expected, "entries of thread {thread}");
        let total = db.view("totals").unwrap().get((thread,)).unwrap();
        let total = total.map(|row| (row.get::<i64>("total").unwrap(), row.get::<i64>("entries").unwrap()));
        let sum = (expected.values().sum(), expected.len() as i64);
        assert_eq!(total, (last > 0).then_some(sum), "view of thread {thread}");
        ledger.insert(thread, last);
    }
    let report = db.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let db = Database::open_with(options(&path)).unwrap();
    db.execute(SCHEMA).unwrap();
    drop(db);
    let mut random = Random(setting("KILL_SEED", 2013) as u64);
    let mut ledger = BTreeMap::new();
    let kills = setting("KILLS", 6);
    for round in 0..kills {
        let writer = Writer::start(&path);
        if random.next().is_multiple_of(4) {
            // While it starts or recovers.
            std::thread::sleep(Duration::from_millis(random.next() % 60));
        } else {
            assert_eq!(writer.first().0, "open");
            std::thread::sleep(Duration::from_millis(random.next() % 700));
        }
        writer.kill(&mut ledger);
        verify(&path, &mut ledger);
        println!("kill {}: {} commits are there", round + 1, ledger.values().sum::<i64>());
    }
    assert!(ledger.values().sum::<i64>() > kills as i64, "the children did work");
}

#[test]
fn a_second_process_is_refused_while_the_first_lives() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let db = Database::open_with(options(&path)).unwrap();
    db.execute(SCHEMA).unwrap();
    let refused = Writer::start(&path);
    assert_eq!(refused.first(), ("error".to_owned(), 55006, -1), "a child beside this process");
    let mut refused = refused.child;
    assert!(refused.wait().unwrap().success());
    db.execute("INSERT INTO balances VALUES (77, 0, 0)").unwrap();
    drop(db);

    let writer = Writer::start(&path);
    assert_eq!(writer.first().0, "open");
    let error = Database::open_with(options(&path)).unwrap_err();
    assert_eq!(error.sqlstate(), "55006");
    assert!(
        matches!(&error, Error::Storage(cause) if matches!(**cause, monostable_vfs::Error::Locked { .. })),
        "{error:?}"
    );
    assert!(error.to_string().contains(&path.display().to_string()), "the message names the directory: {error}");
    let mut ledger = BTreeMap::new();
    writer.kill(&mut ledger);
    // The lock ends with its process, however that ended, and the one who was refused has damaged nothing.
    verify(&path, &mut ledger);
}
