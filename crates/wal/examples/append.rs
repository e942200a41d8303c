//! The log alone: `cargo run -p monostable-wal --example append [DIR]`.
//!
//! Commits a few groups from several threads, forgets to close, opens again, and reads everything back. Run it twice on the same
//! directory to see a log that goes on; kill it whenever you like.
#![expect(clippy::print_stdout, reason = "an example is a program with an output")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use monostable_vfs::OsStorage;
use monostable_wal::{Wal, WalOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("append-example"), PathBuf::from);
    let storage = Arc::new(OsStorage::open_or_create(&directory)?);

    let (wal, recovery) = Wal::open(Arc::clone(&storage) as _, WalOptions::default())?;
    println!("opened at {}, {} groups made durable again", recovery.end, recovery.groups_rewritten);
    wal.prepare_spare()?;

    // Each commit is durable when it returns; the threads share their syncs.
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let wal = &wal;
                scope.spawn(move || -> Result<(), monostable_wal::Error> {
                    for count in 0..25 {
                        wal.commit(&[format!("writer {writer}, record {count}").as_bytes()])?;
                    }
                    Ok(())
                })
            })
            .collect();
        writers.into_iter().try_for_each(|writer| writer.join().unwrap_or(Ok(())))
    })?;
    let stats = wal.stats();
    println!("{} groups in {} syncs", stats.groups, stats.syncs);
    drop(wal); // as good as a crash

    let (wal, recovery) = Wal::open(storage, WalOptions::default())?;
    let mut records = 0;
    for group in wal.replay(recovery.start)? {
        records += group?.records.len();
    }
    println!("{records} records up to {}", recovery.end);

    // Whoever no longer needs the past says so; a database does after a checkpoint.
    println!("{} segments recycled", wal.recycle(recovery.end)?);
    wal.close()?;
    Ok(())
}
