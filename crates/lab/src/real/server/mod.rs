//! A Monostable directory behind PostgreSQL's protocol, version 3, in a process of its own: what V pays for a network where
//! the others pay for theirs.
//!
//! It is the laboratory's and no product. It listens on a free loopback port, asks nobody for a password, speaks no TLS and
//! no COPY, and cancels nothing. What it does it does for any client: the simple and the extended protocol, parameters and
//! results as text or binary. Each connection has a thread with a [`Session`], and every statement is SQL that the session
//! runs; a text that was planned before is found in the cache of plans.
//!
//! As PostgreSQL's clients expect, an error ends a transaction: it is rolled back at once, and what comes before its end is
//! refused with 25P02. Unlike there, the statements of one text commit one by one, and of a text that fails only the error is
//! answered. SET is accepted and sets nothing. Types other than booleans, numbers of fixed size, text and bytea are announced
//! as text and are given in their written form.
//!
//! A client that goes away takes its session with it, which rolls back. The process ends when its standard input does, so
//! it never outlives whoever started it. It is ended no other way than a crash would: nothing is closed in order.

mod conversation;
mod wire;

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;

use monostable::{Database, Options, Session};

use super::error::{Result, at};
use conversation::Conversation;
use wire::Connection;

/// What is said on standard output before the port.
pub(super) const LISTENING: &str = "listening ";

/// Opens the directory, says on which port it is served, and serves until standard input ends.
pub fn run(directory: &Path, memory_bytes: u64) -> Result<()> {
    let mut options = Options::at(directory);
    options.memory_bytes_max = memory_bytes as usize;
    let db = Database::open_with(options)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(at("a loopback port"))?;
    let port = listener.local_addr().map_err(at("a loopback port"))?.port();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{LISTENING}{port}").and_then(|()| out.flush()).map_err(at("standard output"))?;
    drop(out);
    std::thread::spawn(move || accept(&listener, &db));
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink()).map_err(at("standard input"))?;
    Ok(())
}

fn accept(listener: &TcpListener, db: &Database) {
    for stream in listener.incoming().filter_map(std::result::Result::ok) {
        let session = db.session();
        // A connection that fails is over, and nobody else's affair.
        std::thread::spawn(move || serve(stream, session));
    }
}

/// Serves one client until it goes away. Statements run on the connection's own thread, where nobody else has to wait.
fn serve(stream: TcpStream, session: Session) -> std::io::Result<()> {
    stream.set_nonblocking(true)?;
    let connection = Connection::new(Conversation::new(session));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    runtime.block_on(async {
        pgwire::tokio::process_socket(tokio::net::TcpStream::from_std(stream)?, None, connection).await
    })
}
