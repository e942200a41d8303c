//! Monostable behind PostgreSQL's protocol: the server of [`crate::real::server`] as a process of our own, asked by the same
//! clients as PostgreSQL. Reads are SQL over the view, by its key; writes are the inserts of PostgreSQL's writer.
//!
//! A restart is a `kill -9` and a new process on the same directory. Calls that are under way end before it, and those that
//! come meanwhile wait for it and connect again: what is measured is how long that takes, and not what a client makes of a
//! commit whose answer it did not get.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use parking_lot::RwLock;
use postgres::{Client, NoTls};

use super::postgresql::{PostgresReader, PostgresWriter};
use super::{Reader, Store, Writer};
use crate::real::child::Killed;
use crate::real::error::{Error, Result, at};
use crate::real::server::LISTENING;
use crate::real::workload::{Page, Workload};

/// What the process is called where something is said of it.
const DOES: &str = "serves Monostable";

/// A server on a directory; it is killed when this is dropped.
pub struct Served {
    workload: Workload,
    program: PathBuf,
    directory: PathBuf,
    memory_bytes: u64,
    running: Arc<RwLock<Option<Running>>>,
}

/// One life of the process.
struct Running {
    process: Killed,
    port: u16,
    /// How many there were before it.
    life: u64,
}

impl Running {
    fn start(program: &Path, directory: &Path, memory_bytes: u64, life: u64) -> Result<Running> {
        let spawned = Command::new(program)
            .arg("serve")
            .arg(directory)
            .arg(memory_bytes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut process = Killed(spawned.map_err(at(program))?);
        let mut line = String::new();
        if let Some(out) = process.0.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(at(program))?;
        }
        match line.trim().strip_prefix(LISTENING.trim()).and_then(|port| port.trim().parse().ok()) {
            Some(port) => Ok(Running { process, port, life }),
            None => Err(Error::Child(DOES, line)),
        }
    }

    fn address(&self) -> String {
        format!("host=127.0.0.1 port={} user=lab", self.port)
    }

    fn connect(&self) -> Result<Client> {
        Client::connect(&self.address(), NoTls).map_err(Error::Served)
    }
}

/// Says of an error whose server it was.
fn served(error: Error) -> Error {
    match error {
        Error::Postgres(error) => Error::Served(error),
        other => other,
    }
}

impl Served {
    /// Starts `program`, which is the laboratory itself, on a directory.
    pub fn start(workload: Workload, program: &Path, directory: &Path, memory_bytes: u64) -> Result<Served> {
        let running = Running::start(program, directory, memory_bytes, 0)?;
        Ok(Served {
            workload,
            program: program.to_owned(),
            directory: directory.to_owned(),
            memory_bytes,
            running: Arc::new(RwLock::new(Some(running))),
        })
    }

    /// How any client connects to it, until the next restart.
    pub fn address(&self) -> Option<String> {
        self.running.read().as_ref().map(Running::address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The process goes with it, although a reader may be left that has a part of this.
        drop(self.running.write().take());
    }
}

impl Store for Served {
    fn reader(&self) -> Result<Box<dyn Reader>> {
        let sql = self.workload.view_sql("$1");
        let mut reader = ServedReader { sql, connected: Connected::new(&self.running) };
        reader.connected.with(|client| PostgresReader::new(client, &reader.sql), |_| Ok(()))?;
        Ok(Box::new(reader))
    }

    fn writer(&self) -> Result<Box<dyn Writer>> {
        let mut writer = ServedWriter { workload: self.workload, connected: Connected::new(&self.running) };
        writer.connected.with(|client| PostgresWriter::new(client, writer.workload), |_| Ok(()))?;
        Ok(Box::new(writer))
    }

    fn restart(&self) -> Result<()> {
        let mut running = self.running.write();
        let life = running.take().ok_or(Error::Ended("the server of Monostable"))?.life;
        *running = Some(Running::start(&self.program, &self.directory, self.memory_bytes, life + 1)?);
        Ok(())
    }

    fn settings(&self) -> Vec<(String, String)> {
        let setting = |name: &str, value: String| (name.to_owned(), value);
        vec![
            setting(
                "store",
                format!("Monostable {}, a process behind PostgreSQL's protocol", env!("CARGO_PKG_VERSION")),
            ),
            setting("commits", "durable before they return".into()),
            setting("memory_bytes_max", self.memory_bytes.to_string()),
            setting("reads", self.workload.view_sql("$1")),
        ]
    }

    fn process(&self) -> Option<u32> {
        self.running.read().as_ref().map(|running| running.process.0.id())
    }
}

/// A connection that is made again after a restart.
struct Connected<C> {
    running: Arc<RwLock<Option<Running>>>,
    connection: Option<(u64, C)>,
}

impl<C> Connected<C> {
    fn new(running: &Arc<RwLock<Option<Running>>>) -> Connected<C> {
        Connected { running: Arc::clone(running), connection: None }
    }

    /// Asks, in a life of the process that does not end meanwhile.
    fn with<T>(
        &mut self,
        prepare: impl FnOnce(Client) -> Result<C>,
        ask: impl FnOnce(&mut C) -> Result<T>,
    ) -> Result<T> {
        let running = self.running.read();
        let running = running.as_ref().ok_or(Error::Ended("the server of Monostable"))?;
        let current = self.connection.take().filter(|(life, _)| *life == running.life);
        let connection = match current {
            Some((_, connection)) => connection,
            None => prepare(running.connect()?).map_err(served)?,
        };
        let (_, connection) = self.connection.insert((running.life, connection));
        ask(connection).map_err(served)
    }
}

struct ServedReader {
    sql: String,
    connected: Connected<PostgresReader>,
}

impl Reader for ServedReader {
    fn page(&mut self, key: u64) -> Result<Page> {
        self.connected.with(|client| PostgresReader::new(client, &self.sql), |reader| reader.page(key))
    }
}

struct ServedWriter {
    workload: Workload,
    connected: Connected<PostgresWriter>,
}

impl Writer for ServedWriter {
    fn write_all(&mut self, events: &[(u64, u64)]) -> Result<()> {
        self.connected.with(|client| PostgresWriter::new(client, self.workload), |writer| writer.write_all(events))
    }
}
