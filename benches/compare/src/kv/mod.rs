//! Key-value stores behind one face: what W2, W3 and W4 read from, write to and open.
//!
//! A row is a key of 16 bytes and a text of 84; keys and texts are functions of an index, so that every contender holds the same without keeping a
//! list, and what it answers can be checked. The face hands out readers and writers to a function, because a prepared statement borrows its
//! connection and a transaction its store: a contender that could not keep them between calls would be slower here than in a program.
//!
//! It does not know what is measured. Cost: one indirect call for each operation, the same for all.

mod fjall;
mod lmdb;
mod maps;
mod ours;
mod redb;
mod sqlite;

use crate::dataset::Random;
use crate::workload::{Failure, Outcome};
use std::path::Path;

/// The key of a row.
pub type Key = [u8; 16];

/// Bytes of the text of a row.
pub const TEXT_BYTES: usize = 84;
/// Bytes of a row, the key included.
pub const ROW_BYTES: usize = size_of::<Key>() + TEXT_BYTES;

/// The key of the row with this index. Different indexes have different keys: the factor has no divisor in common with the modulus.
pub fn key(index: u64) -> Key {
    let mut number = (u128::from(index) * 618_033_988_749 % 1_000_000_000_000) as u64;
    let mut key = *b"key-000000000000";
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    key
}

/// The key as a text.
pub fn key_text(key: &Key) -> &str {
    std::str::from_utf8(key).unwrap_or_default()
}

/// The text of a row in its nth version; of 64 different letters, so that it does not compress.
pub fn text(index: u64, version: u64) -> String {
    const LETTERS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    let mut random = Random::new(index << 20 ^ version);
    let mut text = String::with_capacity(TEXT_BYTES);
    while text.len() < TEXT_BYTES {
        let mut bits = random.next();
        for _ in 0..(TEXT_BYTES - text.len()).min(10) {
            text.push(char::from(LETTERS[(bits >> 58) as usize]));
            bits <<= 6;
        }
    }
    text
}

/// The indexes `0..rows` in an order that looks random: a load in order of the keys would flatter trees.
pub fn shuffled(rows: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    let mut random = Random::new(11);
    for at in (1..order.len()).rev() {
        order.swap(at, random.below(at as u64 + 1) as usize);
    }
    order
}

/// How often a reader looks for what has been committed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// Each read sees the newest commit.
    EachRead,
    /// A transaction of a thousand reads sees the same state.
    EachThousand,
}

/// Reads that one transaction serves with [`Freshness::EachThousand`].
pub const READS_PER_TRANSACTION: u32 = 1_000;

/// One change: the row with this key has this text from now on.
pub type Upsert = (Key, String);

/// Reads of one thread.
pub trait Reader {
    /// Finds a row, takes its text in the form that the interface gives, and answers its last byte.
    fn get(&mut self, key: &Key) -> Result<Option<u8>, Failure>;

    /// The whole text, for verification.
    fn copy(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Failure>;

    /// Reads up to `rows` rows from this key on in order of keys, and answers how many there were and the sum of the last bytes of their texts.
    fn scan(&mut self, from: &Key, rows: usize) -> Result<(usize, u64), Failure>;
}

/// Writes of one thread.
pub trait Writer {
    /// Makes all changes at once; durable when it returns, if the store was opened so.
    fn commit(&mut self, changes: &[Upsert]) -> Outcome;
}

/// A store with its rows.
pub trait Store: Sync {
    /// Everything that was set.
    fn settings(&self) -> String;

    /// Puts rows in, in this order, in large transactions.
    fn load(&self, order: &[u32]) -> Outcome;

    /// Returns when the work in the background that the load has left is done.
    fn settle(&self) -> Outcome;

    /// Lets `work` read.
    fn read(&self, freshness: Freshness, work: &mut dyn FnMut(&mut dyn Reader) -> Outcome) -> Outcome;

    /// Lets `work` write.
    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Outcome) -> Outcome;
}

/// How a store is to be opened.
#[derive(Debug, Clone, Copy)]
pub struct Sizing {
    /// Rows that it will hold, for stores that want to know.
    pub rows: u64,
    /// Whether each commit is synced. The load never is, until its end.
    pub durable: bool,
}

/// The stores that take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    HashMap,
    Moka,
    Lmdb,
    Redb,
    Fjall,
    Sqlite,
    Ours,
}

impl Engine {
    pub const ALL: [Engine; 7] =
        [Engine::HashMap, Engine::Moka, Engine::Lmdb, Engine::Redb, Engine::Fjall, Engine::Sqlite, Engine::Ours];
    /// Those that have files.
    pub const DURABLE: [Engine; 5] = [Engine::Ours, Engine::Lmdb, Engine::Redb, Engine::Fjall, Engine::Sqlite];

    pub fn name(self) -> &'static str {
        match self {
            Engine::HashMap => "floor: hash map",
            Engine::Moka => "moka",
            Engine::Lmdb => "LMDB",
            Engine::Redb => "redb",
            Engine::Fjall => "fjall",
            Engine::Sqlite => "SQLite",
            Engine::Ours => crate::report::OURS,
        }
    }

    /// The contender with this name, for a child process.
    pub fn named(name: &str) -> Result<Engine, Failure> {
        let found = Engine::ALL.into_iter().find(|engine| engine.name() == name);
        found.ok_or_else(|| format!("there is no store {name}").into())
    }

    /// Whether rows can be read in order of their keys.
    pub fn is_ordered(self) -> bool {
        !matches!(self, Engine::HashMap | Engine::Moka)
    }

    /// Opens the store in a directory, or makes a new one there.
    pub fn open(self, directory: &Path, sizing: Sizing) -> Result<Box<dyn Store>, Failure> {
        Ok(match self {
            Engine::HashMap => Box::new(maps::Hash::new(sizing)),
            Engine::Moka => Box::new(maps::Moka::new(sizing)),
            Engine::Lmdb => Box::new(lmdb::Lmdb::open(directory, sizing)?),
            Engine::Redb => Box::new(redb::Redb::open(directory, sizing)?),
            Engine::Fjall => Box::new(fjall::Fjall::open(directory, sizing)?),
            Engine::Sqlite => Box::new(sqlite::Sqlite::open(directory, sizing)?),
            Engine::Ours => Box::new(ours::Ours::open(directory, sizing)?),
        })
    }
}

/// Reads the rows with these indexes and versions and compares each whole text. A figure of a wrong answer is worthless.
pub fn verify(store: &dyn Store, rows: impl Iterator<Item = (u64, u64)> + Clone) -> Outcome {
    store.read(Freshness::EachRead, &mut |reader| {
        for (index, version) in rows.clone() {
            if reader.copy(&key(index))?.as_deref() != Some(text(index, version).as_bytes()) {
                return Err(format!("row {index} is not in its version {version}").into());
            }
        }
        Ok(())
    })
}
