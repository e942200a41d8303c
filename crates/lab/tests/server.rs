//! The processes of a run with servers: Monostable behind PostgreSQL's protocol, and a Redis that is kept in a file.
//!
//! Monostable's is the command's own. Redis is the one of the Debian package `redis-server`; without it, its tests say so and
//! end.

#![expect(clippy::expect_used, clippy::panic, reason = "a test stops at what it did not expect")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use monostable_lab::real::bench::CachePlan;
use monostable_lab::real::cache::{Cache, Entry, Redis};
use monostable_lab::real::store::{Form, Served, Store, build};
use monostable_lab::real::workload::{Kind, Page, PageRow, Recomputed, Workload};
use postgres::{Client, NoTls, SimpleQueryMessage};

const WORKLOAD: Workload = Workload { kind: Kind::Shop, keys: 20, events_per_key: 3, rows_per_event: 2 };
const MEMORY_BYTES: u64 = 64 << 20;

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_monostable-lab"))
}

/// A server on a directory with nothing in it, and a client of it.
fn empty() -> (Served, Client, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let served = Served::start(WORKLOAD, program(), directory.path(), MEMORY_BYTES).expect("a server");
    let client = connect(&served);
    (served, client, directory)
}

fn connect(served: &Served) -> Client {
    Client::connect(&served.address().expect("it runs"), NoTls).expect("a connection")
}

fn state_of<T>(answer: Result<T, postgres::Error>) -> String {
    let Err(error) = answer else { panic!("an error was expected") };
    error.code().expect("it is the server's").code().to_owned()
}

fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A writer and a reader are at work while the process is killed. They notice nothing but the time that it takes.
#[test]
fn a_killed_server_keeps_what_it_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory");
    build(Form::View, WORKLOAD, directory.path()).expect("a filled directory");
    let served = Served::start(WORKLOAD, program(), directory.path(), MEMORY_BYTES).expect("a server");
    let mut recomputed = Recomputed::new(WORKLOAD);
    let mut reader = served.reader().expect("a reader");
    assert_eq!(reader.page(3).expect("a page"), recomputed.page(3));
    let first_process = served.process();
    let (first, each, written) = (WORKLOAD.first_event(), 100, AtomicU64::new(0));
    let key_of = |event: u64| event % WORKLOAD.keys;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut writer = served.writer().expect("a writer");
            for event in first..first + each {
                writer.write(event, key_of(event)).expect("a write");
                written.fetch_add(1, Ordering::Release);
            }
        });
        wait_until("some writes before the kill", || written.load(Ordering::Acquire) >= each / 4);
        served.restart().expect("a restart");
        reader.page(0).expect("a page right after it");
    });
    assert_ne!(served.process(), first_process);
    (first..first + each).for_each(|event| recomputed.add(event, key_of(event)));
    for key in 0..WORKLOAD.keys {
        assert_eq!(reader.page(key).expect("a page"), recomputed.page(key), "{key}");
    }
}

#[test]
fn values_go_both_ways_as_text_and_as_binary() {
    let (_served, mut client, _directory) = empty();
    client
        .batch_execute("SET application_name = 'a test'; ")
        .and_then(|()| {
            client.batch_execute("CREATE TABLE t (k BIGINT PRIMARY KEY, x INTEGER, s TEXT, b BOOLEAN, d DATE)")
        })
        .expect("a table");
    let mut transaction = client.transaction().expect("a transaction");
    let insert = transaction.prepare("INSERT INTO t VALUES ($1, $2, $3, $4, $5)").expect("a statement");
    let changed = transaction.execute(&insert, &[&1_i64, &Some(-7_i32), &"a;b", &true, &"2026-01-31"]).expect("a row");
    assert_eq!(changed, 1);
    let none = None::<&str>;
    transaction.execute(&insert, &[&2_i64, &None::<i32>, &none, &false, &none]).expect("another row");
    transaction.commit().expect("a commit");

    let rows = client.query("SELECT k, x, s, b, d FROM t WHERE k >= $1 ORDER BY k", &[&1_i64]).expect("rows");
    assert_eq!(rows.len(), 2);
    let row = &rows[0];
    assert_eq!((row.get::<_, i64>(0), row.get::<_, Option<i32>>(1), row.get::<_, &str>(2)), (1, Some(-7), "a;b"));
    assert_eq!((row.get::<_, bool>(3), row.get::<_, &str>(4)), (true, "2026-01-31"));
    assert_eq!((rows[1].get::<_, Option<i32>>(1), rows[1].get::<_, Option<&str>>(2)), (None, None));

    let mut told = Vec::new();
    for message in client.simple_query("SELECT k, x, b FROM t ORDER BY k; DELETE FROM t WHERE k = 2").expect("text") {
        match message {
            SimpleQueryMessage::Row(row) => told.push(format!("{:?} {:?} {:?}", row.get(0), row.get(1), row.get(2))),
            SimpleQueryMessage::CommandComplete(count) => told.push(count.to_string()),
            _ => {}
        }
    }
    assert_eq!(told, ["Some(\"1\") Some(\"-7\") Some(\"t\")", "Some(\"2\") None Some(\"f\")", "2", "1"]);
}

#[test]
fn errors_are_typed_and_end_a_transaction() {
    let (_served, mut client, _directory) = empty();
    client.batch_execute("CREATE TABLE t (k BIGINT PRIMARY KEY); INSERT INTO t VALUES (1)").expect("a table");
    assert_eq!(state_of(client.query("SELECT k FROM nowhere", &[])), "42P01");
    assert_eq!(state_of(client.prepare("SELEKT 1")), "42601");
    let error = client.execute("INSERT INTO t VALUES ($1)", &[&1_i64]).expect_err("it is there already");
    let said = error.as_db_error().expect("it is the server's");
    assert_eq!(said.code().code(), "23505");
    assert!(said.message().contains("duplicate key"), "{}", said.message());

    let mut transaction = client.transaction().expect("a transaction");
    transaction.execute("INSERT INTO t VALUES (2)", &[]).expect("a row");
    assert_eq!(state_of(transaction.execute("INSERT INTO t VALUES (1)", &[])), "23505");
    assert_eq!(state_of(transaction.query("SELECT k FROM t", &[])), "25P02");
    transaction.commit().expect("the end of a failed transaction is no error, as in PostgreSQL");
    assert_eq!(client.query("SELECT k FROM t", &[]).expect("rows").len(), 1);
}

/// A conversation without a client's library, so that it can break off anywhere.
fn break_off(served: &Served, sql: &str, half: &[u8]) {
    let address = served.address().expect("it runs");
    let port = address.split("port=").nth(1).and_then(|rest| rest.split(' ').next()).expect("a port");
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("a connection");
    let mut startup = 196_608_i32.to_be_bytes().to_vec();
    startup.extend(b"user\0lab\0\0");
    let mut query = sql.as_bytes().to_vec();
    query.push(0);
    let message = |body: &[u8]| [&(body.len() as i32 + 4).to_be_bytes()[..], body].concat();
    stream.write_all(&message(&startup)).expect("a start");
    stream.write_all(&[b"Q".to_vec(), message(&query)].concat()).expect("a query");
    // The last thing that is said after a query in a transaction is that the server is ready, in a transaction.
    let mut heard = Vec::new();
    while !heard.ends_with(b"Z\0\0\0\x05T") {
        let mut some = [0; 256];
        let count = stream.read(&mut some).expect("an answer");
        assert!(count > 0, "closed by the server after {heard:?}");
        heard.extend(&some[..count]);
    }
    stream.write_all(half).expect("half of a message");
}

#[test]
fn a_client_that_goes_away_leaves_nothing() {
    let (served, mut client, _directory) = empty();
    client.batch_execute("CREATE TABLE t (k BIGINT PRIMARY KEY)").expect("a table");
    for half in [&b""[..], &b"Q\0\0\x01\0INSERT"[..], &b"\xff\xff\xff\xff\xff"[..]] {
        break_off(&served, "BEGIN; INSERT INTO t VALUES (1)", half);
        assert_eq!(client.query("SELECT k FROM t", &[]).expect("rows").len(), 0);
    }
    client.execute("INSERT INTO t VALUES (1)", &[]).expect("nobody is in its way");
    assert_eq!(connect(&served).query("SELECT k FROM t", &[]).expect("rows").len(), 1);
}

#[test]
fn a_server_does_not_outlive_its_owner() {
    let (served, mut client, directory) = empty();
    drop(served);
    wait_until("the connection is lost", || client.is_closed() || client.query("SELECT 1", &[]).is_err());

    let mut command = Command::new(program());
    command.arg("serve").arg(directory.path()).arg(MEMORY_BYTES.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the program starts");
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
}

/// A Redis of its own, ended with the test.
struct OwnRedis {
    child: Child,
    address: String,
    directory: tempfile::TempDir,
}

impl OwnRedis {
    /// None where the program is missing.
    fn start(more: &[&str]) -> Option<OwnRedis> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--maxmemory", "64mb"]);
        command.args(["--maxmemory-policy", "noeviction", "--port", &port.to_string(), "--dir"]).arg(directory.path());
        let child = command.args(more).stdout(Stdio::null()).spawn().ok()?;
        let own = OwnRedis { child, address: format!("127.0.0.1:{port}"), directory };
        wait_until("Redis answers", || own.connection().is_some());
        Some(own)
    }

    fn connection(&self) -> Option<redis::Connection> {
        redis::Client::open(format!("redis://{}", self.address)).ok()?.get_connection().ok()
    }

    fn settings(&self) -> Vec<String> {
        let mut connection = self.connection().expect("a connection");
        let mut of = |name: &str| -> Vec<String> {
            redis::cmd("CONFIG").arg("GET").arg(name).query(&mut connection).expect("settings")
        };
        ["maxmemory", "maxmemory-policy", "appendonly", "appendfsync"].into_iter().flat_map(&mut of).collect()
    }

    fn files(&self) -> PathBuf {
        self.directory.path().join("appendonlydir")
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn entry() -> Entry {
    let row = PageRow { name: "ann".into(), part: 1, amount: -2, count: 3 };
    let expires = monostable_lab::real::clock::now() + 60_000_000;
    Entry { page: Arc::new(Page { rows: vec![row] }), version: 1, expires, stale_since: None, cost: 3 }
}

#[test]
fn a_persisted_redis_comes_back_with_its_file_and_its_settings() {
    let Some(own) = OwnRedis::start(&["--enable-debug-command", "local"]) else {
        println!("skipped: redis-server is not installed");
        return;
    };
    assert_eq!(Redis::refuses_restart(&own.address).expect("an answer"), None);
    let before = own.settings();
    let plan = CachePlan { entries: 10_000, persisted: true };
    let cache = Redis::connect(&own.address, plan, 200).expect("a cache");
    assert!(cache.settings().contains(&("Redis appendonly".to_owned(), "yes".to_owned())), "{:?}", cache.settings());
    for key in 0..50 {
        assert!(cache.fill(key, entry(), None).expect("a fill"));
    }
    cache.delete(7, None).expect("a delete");
    // What is not in the file is lost: the server forgets it in a way that it does not write down.
    let mut other = own.connection().expect("a connection");
    redis::cmd("CONFIG").arg("SET").arg("appendonly").arg("no").exec(&mut other).expect("no file");
    cache.fill(99, entry(), None).expect("a fill");
    cache.restart().expect("a restart");
    let found = cache.get(&[0, 7, 49, 99]).expect("entries");
    let is_there: Vec<bool> = found.iter().map(Option::is_some).collect();
    assert_eq!(is_there, [true, false, true, false]);
    assert_eq!(found[0].as_ref().map(|entry| entry.page.rows.len()), Some(1));
    assert!(own.files().read_dir().expect("its files").count() > 0);
    drop(cache);
    assert_eq!(own.settings(), before);

    let kept_nowhere = Redis::connect(&own.address, CachePlan { persisted: false, ..plan }, 200).expect("a cache");
    kept_nowhere.fill(1, entry(), None).expect("a fill");
    kept_nowhere.restart().expect("a restart");
    assert_eq!(kept_nowhere.get(&[1]).expect("nothing"), [None]);
}

#[test]
fn a_redis_that_refuses_says_how_to_allow_it() {
    let Some(own) = OwnRedis::start(&[]) else {
        println!("skipped: redis-server is not installed");
        return;
    };
    let why = Redis::refuses_restart(&own.address).expect("an answer").expect("a refusal");
    assert!(why.contains("--enable-debug-command local"), "{why}");
}
