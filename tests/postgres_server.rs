//! A PostgreSQL server of one test's own: the independent witness for what SQL means.
//!
//! The server lives in a temporary directory, listens on a Unix socket inside it and nowhere else, and ends when
//! [`Server`] is dropped. PostgreSQL refuses to run as root, so under root it runs as the user `postgres` or `nobody`.
//! Where it is not installed, [`Server::start_or_skip`] says so and gives nothing.
//!
//! A [`Session`] is one `psql` process that is fed statement by statement, so that transactions span statements. Values
//! come back in PostgreSQL's text form. A statement must be complete: an open quote would wait for its end for ever.
//! Cost: half a second to start, well under a millisecond per small statement.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const START_SECONDS_MAX: u64 = 60;
const USER: &str = "witness";
/// Stands between two fields, between two rows, and for NULL: control characters that no test value contains.
const FIELD: char = '\u{1f}';
const ROW: char = '\u{1e}';
const NULL: &str = "\u{1}";
const END_OF_ANSWER: &str = "\u{2}answer";

/// A running server and its directory.
pub(crate) struct Server {
    process: Child,
    directory: tempfile::TempDir,
    programs: PathBuf,
}

/// What a statement gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// In the order they came; `None` is NULL.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// Rows returned or changed.
    pub(crate) affected: u64,
}

/// Why a statement was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) sqlstate: String,
    pub(crate) message: String,
}

/// One connection.
pub(crate) struct Session {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// The directory that holds `initdb` and `postgres`: on the path, or where Debian puts them (newest version first).
fn programs() -> Option<PathBuf> {
    let on_path =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<PathBuf> = versions.map(|entry| entry.path().join("bin")).collect();
    debian.sort();
    debian.reverse();
    let complete =
        |directory: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| directory.join(name).exists());
    debian.into_iter().chain(on_path).find(complete)
}

fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The user that the server runs as, when it cannot be the current one.
fn other_user() -> Option<&'static str> {
    let is_root = output_of(Command::new("id").arg("-u")) == "0";
    let exists = |name: &&str| Command::new("id").arg(name).output().is_ok_and(|output| output.status.success());
    is_root.then(|| ["postgres", "nobody"].into_iter().find(exists).expect("there is a user that is not root"))
}

/// The program as the user who may run it.
fn command_as(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    let group = output_of(Command::new("id").args(["-g", user]));
    command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".into(), "--".into()]);
    command.arg(program);
    command
}

impl Server {
    /// Starts a server; without PostgreSQL on this machine, says so and gives `None`, and the test passes.
    pub(crate) fn start_or_skip() -> Option<Server> {
        let Some(programs) = programs() else {
            println!("skipped: PostgreSQL is not installed");
            return None;
        };
        Some(Server::start(programs))
    }

    fn start(programs: PathBuf) -> Server {
        let directory = tempfile::Builder::new().prefix("pg").tempdir().expect("a temporary directory");
        let user = other_user();
        if let Some(user) = user {
            output_of(Command::new("chown").arg(user).arg(directory.path()));
        }
        let data = directory.path().join("data");
        let mut initdb = command_as(user, &programs.join("initdb"));
        initdb
            .args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--username", USER, "--pgdata"])
            .arg(&data);
        output_of(initdb.current_dir(directory.path()));

        let log = std::fs::File::create(directory.path().join("log")).expect("the log can be written");
        let mut postgres = command_as(user, &programs.join("postgres"));
        postgres.arg("-D").arg(&data).arg("-k").arg(directory.path()).arg("-F");
        for setting in ["listen_addresses=", "timezone=UTC", "max_connections=20", "shared_buffers=16MB"] {
            postgres.args(["-c", setting]);
        }
        postgres.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).current_dir(directory.path());
        let process = postgres.spawn().expect("postgres starts");
        let mut server = Server { process, directory, programs };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        while !self.psql("postgres").args(["-c", "SELECT 1"]).output().is_ok_and(|output| output.status.success()) {
            let ended = self.process.try_wait().expect("the server can be asked").is_some();
            if ended || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                panic!("PostgreSQL is installed and does not start:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.arg("-XqAt").arg("-h").arg(self.directory.path()).args(["-U", USER, "-d", database]);
        command.env_clear().env("PGCLIENTENCODING", "UTF8");
        command
    }

    /// A connection to a new, empty database with this name.
    pub(crate) fn database(&self, name: &str) -> Session {
        output_of(self.psql("postgres").args(["-c", &format!("CREATE DATABASE {name}")]));
        self.connect(name)
    }

    /// A further connection to a database that is there.
    pub(crate) fn connect(&self, name: &str) -> Session {
        let mut command = self.psql(name);
        command.args(["-F", &FIELD.to_string(), "-R", &ROW.to_string(), "-P", &format!("null={NULL}")]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("psql starts");
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        Session { process, input, output }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT is PostgreSQL's immediate shutdown: the directory is thrown away, so nothing need be written.
        let _ = Command::new("kill").args(["-QUIT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

impl Session {
    /// Runs one complete statement, with or without its semicolon.
    pub(crate) fn execute(&mut self, statement: &str) -> Result<Answer, Failure> {
        let statement = statement.trim().trim_end_matches(';');
        let report = format!(
            "\\echo {END_OF_ANSWER} :ERROR :SQLSTATE :ROW_COUNT\n\\echo :LAST_ERROR_MESSAGE\n\\echo {END_OF_ANSWER}\n"
        );
        // The semicolon stands on a line of its own, so that a trailing comment does not swallow it.
        write!(self.input, "{statement}\n;\n{report}").and_then(|()| self.input.flush()).expect("psql reads");
        let (text, status) = self.read_until_marker();
        let (message, _) = self.read_until_marker();
        let mut words = status.split_whitespace();
        let failed = words.next() == Some("true");
        let sqlstate = words.next().unwrap_or_default().to_owned();
        if failed {
            return Err(Failure { sqlstate, message: message.trim_end().to_owned() });
        }
        let affected = words.next().and_then(|count| count.parse().ok()).unwrap_or(0);
        Ok(Answer { rows: rows_of(&text), affected })
    }

    /// Text up to the marker, and the rest of the marker's line.
    fn read_until_marker(&mut self) -> (String, String) {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            let len = self.output.read_line(&mut line).expect("psql writes UTF-8");
            assert!(len > 0, "psql ended; what it said last: {text}");
            if let Some(status) = line.strip_prefix(END_OF_ANSWER) {
                return (text, status.to_owned());
            }
            text.push_str(&line);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// No output is no rows; an empty line is one row with one empty field.
fn rows_of(text: &str) -> Vec<Vec<Option<String>>> {
    let Some(text) = text.strip_suffix('\n') else { return Vec::new() };
    let field = |field: &str| (field != NULL).then(|| field.to_owned());
    text.split(ROW).map(|row| row.split(FIELD).map(field).collect()).collect()
}

#[test]
fn the_witness_answers() {
    let Some(server) = Server::start_or_skip() else { return };
    let mut one = server.database("one");
    let mut two = server.connect("one");
    let row = |values: &[Option<&str>]| values.iter().map(|value| value.map(str::to_owned)).collect::<Vec<_>>();

    one.execute("CREATE TABLE t (a int PRIMARY KEY, b text)").expect("created");
    one.execute("BEGIN").expect("begun");
    let inserted =
        one.execute("INSERT INTO t VALUES (1, NULL), (2, ''), (3, E'a\\nb') -- a comment").expect("inserted");
    assert_eq!(inserted.affected, 3);
    assert_eq!(two.execute("SELECT * FROM t").expect("read").rows, Vec::<Vec<_>>::new(), "not committed yet");
    one.execute("COMMIT;").expect("committed");
    let rows = two.execute("SELECT a, b FROM t ORDER BY a").expect("read").rows;
    assert_eq!(rows, [row(&[Some("1"), None]), row(&[Some("2"), Some("")]), row(&[Some("3"), Some("a\nb")])]);
    assert_eq!(two.execute("SELECT b FROM t WHERE a = 2").expect("read").rows, [row(&[Some("")])]);

    let failure = one.execute("SELECT 1/0").expect_err("refused");
    assert_eq!(failure, Failure { sqlstate: "22012".into(), message: "division by zero".into() });
    let failure = one.execute("INSERT INTO t VALUES (1, 'again')").expect_err("refused");
    assert_eq!(failure.sqlstate, "23505");
    assert_eq!(one.execute("SELECT 1").expect("goes on").rows, [row(&[Some("1")])]);
}
