//! Any bytes in the place of a log record open the database, or are an error: the log's checksums say that bytes are whole,
//! not that they make sense.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use monostable::{Background, Database, Options};
use monostable_vfs::MemoryStorage;
use monostable_wal::{Wal, WalOptions};

fn options(disk: &MemoryStorage) -> Options {
    let mut options = Options::on(Arc::new(disk.clone()));
    options.background = Background::Manual;
    options.checkpoint_on_close = false;
    options.log_segment_bytes = 16 << 10;
    options
}

/// A table, a view over it, and one row of which the log alone knows.
static SHOP: LazyLock<MemoryStorage> = LazyLock::new(|| {
    let disk = MemoryStorage::new();
    let db = Database::open_with(options(&disk)).expect("a new database");
    db.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, customer TEXT, cents INTEGER)").expect("a table");
    let view = "CREATE MATERIALIZED VIEW spend AS SELECT customer, sum(cents) AS total, max(id) AS newest FROM orders GROUP BY customer";
    db.execute(view).expect("a view");
    db.execute("INSERT INTO orders VALUES (1, 'ann', 300)").expect("a row");
    db.close().expect("a disk in memory");
    disk
});

fuzz_target!(|record: &[u8]| {
    let disk = SHOP.fork();
    let mut log = WalOptions::default();
    log.segment_bytes = 16 << 10;
    log.lock_directory = false;
    let (wal, _) = Wal::open(Arc::new(disk.clone()), log).expect("an undamaged log");
    wal.commit(&[record]).expect("a disk in memory");
    drop(wal);
    if let Ok(db) = Database::open_with(options(&disk)) {
        let _ = db.check();
    }
});
