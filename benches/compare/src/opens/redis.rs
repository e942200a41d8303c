//! Redis: how long the server needs to load its append-only file after a kill.
//!
//! The server of the Debian package `redis-server`, on a free port of the loopback interface and in a directory of its own, with `appendonly yes`,
//! `appendfsync everysec` and its other defaults, no snapshots. Rows go in as pipelined SETs. Its reads go through a socket, so only times to open compare.

use super::{NEXT_READS, Opened, STEADY_READS, add};
use crate::dataset::Random;
use crate::kv::{key, key_text, shuffled, text};
use crate::report::Report;
use crate::workload::{Failure, Outcome};
use hdrhistogram::Histogram;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const NAME: &str = "Redis (AOF, a socket)";
const PROGRAM: &str = "redis-server";
const ROUNDS: usize = 2;
const PIPELINE: usize = 10_000;
const STARTS_WITHIN: Duration = Duration::from_secs(600);

/// A server that is killed when it is dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(directory: &Path) -> Result<Server, Failure> {
        // The port is free a moment later too, unless somebody else takes it; then the server does not start, and that is an error.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new(PROGRAM);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "everysec", "--dir"]).arg(directory);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        Ok(Server { child, port })
    }

    /// Connects, and waits until the server has loaded what it has. Until then it accepts and answers errors.
    fn connect(&mut self) -> Result<Client, Failure> {
        let start = Instant::now();
        while start.elapsed() < STARTS_WITHIN {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("redis-server has ended: {status}").into());
            }
            if let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) {
                let mut client = Client::new(stream)?;
                client.send(&["PING"])?;
                if client.answer()?.is_some_and(|answer| answer == b"PONG") {
                    return Ok(client);
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("redis-server does not answer".into())
    }

    fn kill(&mut self) -> Outcome {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `kill` there is nobody left to kill.
        let _ = self.kill();
    }
}

/// A connection that speaks just enough of the protocol.
struct Client {
    out: TcpStream,
    answers: BufReader<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    fn new(stream: TcpStream) -> Result<Client, Failure> {
        stream.set_nodelay(true)?;
        Ok(Client { answers: BufReader::new(stream.try_clone()?), out: stream, buffer: Vec::new() })
    }

    fn queue(&mut self, words: &[&str]) -> Outcome {
        write!(self.buffer, "*{}\r\n", words.len())?;
        words.iter().try_for_each(|word| write!(self.buffer, "${}\r\n{word}\r\n", word.len()))?;
        Ok(())
    }

    fn flush(&mut self) -> Outcome {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn send(&mut self, words: &[&str]) -> Outcome {
        self.queue(words)?;
        self.flush()
    }

    /// A text or nothing. An error of the server is nothing: while it loads, every answer is one.
    fn answer(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("+", text)) => Ok(Some(text.as_bytes().to_vec())),
            Some(("$", "-1") | ("-", _)) => Ok(None),
            Some(("$", length)) => {
                let mut text = vec![0; length.parse::<usize>()? + 2];
                self.answers.read_exact(&mut text)?;
                text.truncate(text.len() - 2);
                Ok(Some(text))
            }
            _ => Err(format!("redis-server answers {line:?}").into()),
        }
    }

    fn load(&mut self, rows: u64) -> Outcome {
        for chunk in shuffled(rows).chunks(PIPELINE) {
            for &index in chunk {
                self.queue(&["SET", key_text(&key(index.into())), &text(index.into(), 0)])?;
            }
            self.flush()?;
            for _ in chunk {
                self.answer()?.ok_or("redis-server refused a row")?;
            }
        }
        Ok(())
    }

    fn read(&mut self, random: &mut Random, rows: u64) -> Outcome {
        let index = random.below(rows);
        self.send(&["GET", key_text(&key(index))])?;
        match self.answer()? {
            Some(found) if found == text(index, 0).as_bytes() => Ok(()),
            _ => Err(format!("row {index} is missing after opening").into()),
        }
    }

    fn p99(&mut self, random: &mut Random, rows: u64, reads: u64) -> Result<f64, Failure> {
        let mut histogram = Histogram::<u64>::new(3)?;
        for _ in 0..reads {
            let start = Instant::now();
            self.read(random, rows)?;
            histogram.record(start.elapsed().as_nanos() as u64)?;
        }
        Ok(histogram.value_at_quantile(0.99) as f64)
    }
}

/// Loads, kills, opens. Says so and does nothing where the server is not installed.
pub fn run(report: &mut Report, rows: u64, case: &str) -> Outcome {
    let Ok(version) = Command::new(PROGRAM).arg("--version").output() else {
        report.setting(NAME, "skipped: redis-server is not installed");
        return Ok(());
    };
    report.setting(NAME, String::from_utf8_lossy(&version.stdout).trim());
    let directory = tempfile::tempdir()?;
    let mut server = Server::start(directory.path())?;
    server.connect()?.load(rows)?;
    // Every second the log is synced: what was loaded is then in it.
    std::thread::sleep(Duration::from_secs(2));
    server.kill()?;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS as u64 {
        let start = Instant::now();
        let mut server = Server::start(directory.path())?;
        let mut client = server.connect()?;
        let open = start.elapsed().as_nanos() as f64;
        let (mut random, start) = (Random::new(round), Instant::now());
        client.read(&mut random, rows)?;
        let first_read = start.elapsed().as_nanos() as f64;
        let next_p99 = client.p99(&mut random, rows, NEXT_READS)?;
        let steady_p99 = Some(client.p99(&mut random, rows, STEADY_READS / 10)?);
        rounds.push(Opened { open, first_read, next_p99, steady_p99 });
        server.kill()?;
    }
    add(report, case, NAME, &rounds);
    Ok(())
}
