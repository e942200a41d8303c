//! The command as a user meets it: the program itself is run, and its output, its exit status and its files are looked at.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn monostable() -> Command {
    Command::new(env!("CARGO_BIN_EXE_monostable"))
}

fn run(arguments: &[&str], directory: &Path) -> Output {
    let mut command = monostable();
    command.arg(arguments[0]).arg(directory).args(&arguments[1..]).stdin(Stdio::null());
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs `sql` with this text on standard input.
fn pipe(directory: &Path, arguments: &[&str], text: &str) -> Output {
    let mut command = monostable();
    command.arg("sql").arg(directory).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A run that ends at an error does not read the rest.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    child.wait_with_output().unwrap()
}

fn json_lines(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const SHOP: &str = "
    CREATE TABLE orders (id BIGINT PRIMARY KEY, customer TEXT, cents BIGINT);
    CREATE MATERIALIZED VIEW spend AS
      SELECT customer, sum(cents) AS total, count(*) AS n FROM orders GROUP BY customer;
    INSERT INTO orders VALUES (1, 'ann', 3000), (2, 'ann', 500), (3, NULL, 7);";

#[test]
fn help_and_version_are_there() {
    let output = monostable().arg("--help").output().unwrap();
    assert!(output.status.success());
    for subcommand in ["demo", "sql", "check", "stats"] {
        assert!(stdout(&output).contains(subcommand), "{}", stdout(&output));
        let help = monostable().args([subcommand, "--help"]).output().unwrap();
        assert!(help.status.success() && stdout(&help).contains("Usage:"));
    }
    assert!(stdout(&monostable().arg("--version").output().unwrap()).starts_with("monostable "));
    assert_eq!(monostable().arg("nonsense").output().unwrap().status.code(), Some(2));
}

#[test]
fn each_statement_gives_one_json_line() {
    let home = tempfile::tempdir().unwrap();
    let text = format!(
        "{SHOP}
         SELECT customer, total, n FROM spend ORDER BY customer;
         -- a comment; then an error
         SELECT nonsense FROM orders; SELECT 'a;b' AS \"two
words\"; INSERT INTO orders VALUES (4, 'bob', 9007199254740993);
         SELECT cents FROM orders WHERE id = 4"
    );
    let output = pipe(home.path(), &["--format", "jsonl"], &text);
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = json_lines(&output);
    assert_eq!(lines.len(), 8, "{lines:#?}");
    assert_eq!(lines[0], json!({ "ok": true, "columns": [], "types": [], "rows": [], "affected": 0 }));
    assert_eq!(lines[2]["affected"], json!(3));
    assert_eq!(lines[3]["columns"], json!(["customer", "total", "n"]));
    assert_eq!(lines[3]["types"][0], json!("text"));
    assert_eq!(lines[3]["types"][2], json!("bigint"));
    assert_eq!(lines[3]["rows"][0][0], json!("ann"));
    assert_eq!(lines[3]["rows"][0][2], json!(2));
    assert_eq!(lines[3]["rows"][1][0], Value::Null);
    assert_eq!((&lines[4]["ok"], &lines[4]["sqlstate"]), (&json!(false), &json!("42703")));
    assert_eq!(lines[5]["rows"], json!([["a;b"]]));
    assert_eq!(lines[5]["columns"], json!(["two\nwords"]));
    assert_eq!(lines[7]["rows"], json!([["9007199254740993"]]));
}

/// A program that talks to `sql --format jsonl` over a pipe waits for each answer before it sends the next statement.
#[test]
fn answers_come_before_the_next_statement_is_sent() {
    let home = tempfile::tempdir().unwrap();
    let mut command = monostable();
    command.arg("sql").arg(home.path()).args(["--format", "jsonl"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ask = |statement: &str| -> Value {
        writeln!(input, "{statement}").unwrap();
        serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap()
    };
    assert_eq!(ask("CREATE TABLE t (k INTEGER PRIMARY KEY);")["ok"], json!(true));
    assert_eq!(ask("BEGIN;")["ok"], json!(true));
    assert_eq!(ask("INSERT INTO t VALUES (1);")["affected"], json!(1));
    assert_eq!(ask("INSERT INTO t VALUES (1);")["sqlstate"], json!("23505"));
    assert_eq!(ask("SELECT k FROM t;")["rows"], json!([[1]]));
    assert_eq!(ask("ROLLBACK;")["ok"], json!(true));
    assert_eq!(ask("SELECT k FROM t;")["rows"], json!([]));
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn commands_and_files_run_in_order_and_stop_at_an_error() {
    let home = tempfile::tempdir().unwrap();
    let (db, file) = (home.path().join("db"), home.path().join("shop.sql"));
    std::fs::write(&file, SHOP).unwrap();
    let file = file.to_str().unwrap();
    let rows = "SELECT id FROM orders ORDER BY id";
    let output = run(&["sql", "-f", file, "-c", rows, "--format", "csv"], &db);
    assert_eq!((stdout(&output).as_str(), output.status.code()), ("id\n1\n2\n3\n", Some(0)), "{}", stderr(&output));

    let output = run(
        &["sql", "-c", "DELETE FROM orders WHERE id = 1; DELETE FROM nowhere; DELETE FROM orders", "-c", rows],
        &db,
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nowhere"), "{}", stderr(&output));
    assert_eq!(stdout(&output).trim(), "DELETE 1");
    let output = pipe(&db, &["--format", "csv"], &format!("{rows};"));
    assert_eq!(stdout(&output), "id\n2\n3\n");

    let output = run(&["sql", "-f", "no-such-file.sql"], &db);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no-such-file.sql"), "{}", stderr(&output));
}

#[test]
fn tables_are_for_people() {
    let home = tempfile::tempdir().unwrap();
    let output = pipe(home.path(), &[], &format!("{SHOP} SELECT customer, n FROM spend WHERE n = 2;"));
    let text = stdout(&output);
    assert!(text.contains("INSERT 0 3") && text.contains("customer") && text.contains("ann"), "{text}");
    assert!(text.ends_with("(1 row)\n"), "{text}");
}

#[test]
fn check_and_stats_look_at_what_is_there() {
    let home = tempfile::tempdir().unwrap();
    assert!(pipe(home.path(), &[], SHOP).status.success());
    let check = run(&["check"], home.path());
    assert_eq!(check.status.code(), Some(0), "{}{}", stdout(&check), stderr(&check));
    assert!(stdout(&check).starts_with("ok"), "{}", stdout(&check));

    let stats = run(&["stats", "--format", "json"], home.path());
    let stats: Value = serde_json::from_str(&stdout(&stats)).unwrap();
    let named =
        |name: &str| stats["relations"].as_array().unwrap().iter().find(|one| one["name"] == json!(name)).unwrap();
    assert_eq!((&named("orders")["rows"], &named("orders")["kind"]), (&json!(3), &json!("table")));
    assert_eq!(named("spend")["rows"], json!(2));
    assert!(!stats["arrangements"].as_array().unwrap().is_empty());
    assert!(stats["bytes_on_disk"].as_u64().unwrap() > 0);
    let table = run(&["stats"], home.path());
    assert!(stdout(&table).contains("spend"), "{}", stdout(&table));
}

#[test]
fn looking_creates_nothing() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("missing");
    for subcommand in ["check", "stats"] {
        let output = run(&[subcommand], &missing);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("does not exist"), "{}", stderr(&output));
        assert!(!missing.exists());
    }
}

#[test]
fn a_second_process_is_told_that_the_directory_is_in_use() {
    let home = tempfile::tempdir().unwrap();
    let mut command = monostable();
    command.arg("sql").arg(home.path()).args(["--format", "jsonl"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut first = command.spawn().unwrap();
    let mut input = first.stdin.take().unwrap();
    writeln!(input, "SELECT 1;").unwrap();
    let mut answer = String::new();
    BufReader::new(first.stdout.take().unwrap()).read_line(&mut answer).unwrap();
    for second in [run(&["check"], home.path()), run(&["sql", "-c", "SELECT 1"], home.path())] {
        assert_eq!(second.status.code(), Some(1));
        assert!(stderr(&second).contains("in use"), "{}", stderr(&second));
    }
    drop(input);
    assert!(first.wait().unwrap().success());
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Not every byte of every file is tried here, but one in each file is: the answer is an error or a finding with exit
/// status 1, or the byte was one that nothing depends on; it is never a wrong row.
#[test]
fn a_damaged_byte_never_gives_a_wrong_row() {
    let home = tempfile::tempdir().unwrap();
    let sound = home.path().join("sound");
    assert!(pipe(&sound, &[], SHOP).status.success());
    let rows = "SELECT id, customer, cents FROM orders ORDER BY id";
    let whole = stdout(&run(&["sql", "-c", rows, "--format", "csv"], &sound));
    let mut found = 0;
    for (number, file) in files_below(&sound).into_iter().enumerate() {
        let mut bytes = std::fs::read(&file).unwrap();
        let Some(last) = bytes.iter().rposition(|byte| *byte != 0) else { continue };
        bytes[last / 2] ^= 0x10;
        for command in [&["check"][..], &["sql", "-c", rows, "--format", "csv"]] {
            let damaged = home.path().join(format!("damaged-{number}-{}", command[0]));
            copy(&sound, &damaged);
            let target = damaged.join(file.strip_prefix(&sound).unwrap());
            // Immutable files are read-only; a failing disk does not ask.
            std::fs::remove_file(&target).unwrap();
            std::fs::write(&target, &bytes).unwrap();
            let output = run(command, &damaged);
            assert!(!stderr(&output).contains("panicked"), "{}: {}", file.display(), stderr(&output));
            if command[0] == "check" {
                found += usize::from(output.status.code() == Some(1));
            } else if output.status.success() {
                assert_eq!(stdout(&output), whole, "{}", file.display());
            }
        }
    }
    assert!(found > 0, "no damaged file was noticed");
}

#[test]
fn the_demo_survives_its_own_kill() {
    let home = tempfile::tempdir().unwrap();
    let db = home.path().join("demo");
    let demo = run(&["demo", "--days", "2"], &db);
    let text = stdout(&demo);
    assert!(demo.status.success(), "{text}{}", stderr(&demo));
    for said in ["SIGKILL", "nothing is lost", "every view equals its query", "every checksum holds", "bytes on disk"] {
        assert!(text.contains(said), "{text}");
    }
    assert_eq!(run(&["check"], &db).status.code(), Some(0));
    let count = run(&["sql", "-c", "SELECT count(*) AS n FROM flights", "--format", "csv"], &db);
    assert_eq!(stdout(&count), "n\n1773\n");

    let again = run(&["demo"], &db);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("has ended"), "{}", stderr(&again));
}

#[test]
fn a_demo_that_was_interrupted_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let db = home.path().join("demo");
    let mut command = monostable();
    command.arg("demo").arg(&db).args(["--days", "2"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut demo = command.spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().contains("SIGKILL")).unwrap().unwrap();
    demo.kill().unwrap();
    demo.wait().unwrap();
    let check = run(&["check"], &db);
    assert_eq!(check.status.code(), Some(0), "{}{}", stdout(&check), stderr(&check));
    let again = run(&["demo"], &db);
    assert!(again.status.success(), "{}{}", stdout(&again), stderr(&again));
    assert!(stdout(&again).contains("was interrupted"), "{}", stdout(&again));
    let count = run(&["sql", "-c", "SELECT count(*) AS n FROM flights", "--format", "csv"], &db);
    assert_eq!(stdout(&count), "n\n1773\n");
}

#[test]
fn the_demo_leaves_other_databases_alone() {
    let home = tempfile::tempdir().unwrap();
    assert!(pipe(home.path(), &[], SHOP).status.success());
    let demo = run(&["demo"], home.path());
    assert_eq!(demo.status.code(), Some(1));
    assert!(stderr(&demo).contains("another database"), "{}", stderr(&demo));
    let count = run(&["sql", "-c", "SELECT count(*) AS n FROM orders", "--format", "csv"], home.path());
    assert_eq!(stdout(&count), "n\n3\n");
}
