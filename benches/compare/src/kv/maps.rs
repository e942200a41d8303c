//! What lives in memory alone: a hash map, which is the floor, and moka, a cache that is large enough never to evict.
//!
//! Keys stand in the table itself and texts behind a counted pointer, as moka's documentation says for values that are cloned out. Both hash with one
//! multiplication for each 8 bytes, which is faster than the hashers that they come with.

use super::{Freshness, Key, Reader, Sizing, Store, Upsert, Writer, key, text};
use crate::workload::{Failure, Outcome};
use moka::sync::Cache;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, RwLock};

/// Folds a product of 128 bits for each 8 bytes.
#[derive(Default)]
pub struct Folded(u64);

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9E37_79B9_7F4A_7C15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write_usize(&mut self, word: usize) {
        self.0 ^= word as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type FoldedState = BuildHasherDefault<Folded>;

/// The floor: it keeps no promise. A lock is what readers and a writer need at least.
pub struct Hash(RwLock<HashMap<Key, Arc<str>, FoldedState>>);

impl Hash {
    pub fn new(sizing: Sizing) -> Hash {
        Hash(RwLock::new(HashMap::with_capacity_and_hasher(sizing.rows as usize, FoldedState::default())))
    }
}

fn poisoned<T>(_: T) -> Failure {
    "a thread panicked while it held the map".into()
}

impl Store for Hash {
    fn settings(&self) -> String {
        "std's HashMap in an RwLock, a hash of one multiplication for each 8 bytes, texts as Arc<str>".to_string()
    }

    fn load(&self, order: &[u32]) -> Outcome {
        let mut map = self.0.write().map_err(poisoned)?;
        map.extend(order.iter().map(|&index| (key(index.into()), Arc::from(text(index.into(), 0)))));
        Ok(())
    }

    fn settle(&self) -> Outcome {
        Ok(())
    }

    fn read(&self, _freshness: Freshness, work: &mut dyn FnMut(&mut dyn Reader) -> Outcome) -> Outcome {
        work(&mut HashReading(self))
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Outcome) -> Outcome {
        work(&mut HashWriting(self))
    }
}

struct HashReading<'a>(&'a Hash);

impl Reader for HashReading<'_> {
    fn get(&mut self, key: &Key) -> Result<Option<u8>, Failure> {
        Ok(self.0.0.read().map_err(poisoned)?.get(key).and_then(|text| text.as_bytes().last().copied()))
    }

    fn copy(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.0.read().map_err(poisoned)?.get(key).map(|text| text.as_bytes().to_vec()))
    }

    fn scan(&mut self, _from: &Key, _rows: usize) -> Result<(usize, u64), Failure> {
        Err("a hash map has no order".into())
    }
}

struct HashWriting<'a>(&'a Hash);

impl Writer for HashWriting<'_> {
    fn commit(&mut self, changes: &[Upsert]) -> Outcome {
        let mut map = self.0.0.write().map_err(poisoned)?;
        map.extend(changes.iter().map(|(key, text)| (*key, Arc::from(text.as_str()))));
        Ok(())
    }
}

/// A cache with room for everything: each read is a hit.
pub struct Moka(Cache<Key, Arc<str>, FoldedState>);

impl Moka {
    pub fn new(sizing: Sizing) -> Moka {
        let builder = Cache::builder().max_capacity(sizing.rows * 2).initial_capacity(sizing.rows as usize);
        Moka(builder.build_with_hasher(FoldedState::default()))
    }
}

impl Store for Moka {
    fn settings(&self) -> String {
        "moka::sync::Cache with room for twice the rows, the same hash as the floor, texts as Arc<str>, changes one by one".to_string()
    }

    fn load(&self, order: &[u32]) -> Outcome {
        order.iter().for_each(|&index| self.0.insert(key(index.into()), Arc::from(text(index.into(), 0))));
        Ok(())
    }

    fn settle(&self) -> Outcome {
        self.0.run_pending_tasks();
        Ok(())
    }

    fn read(&self, _freshness: Freshness, work: &mut dyn FnMut(&mut dyn Reader) -> Outcome) -> Outcome {
        work(&mut MokaReading(&self.0))
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Outcome) -> Outcome {
        work(&mut MokaWriting(&self.0))
    }
}

struct MokaReading<'a>(&'a Cache<Key, Arc<str>, FoldedState>);

impl Reader for MokaReading<'_> {
    fn get(&mut self, key: &Key) -> Result<Option<u8>, Failure> {
        Ok(self.0.get(key).and_then(|text| text.as_bytes().last().copied()))
    }

    fn copy(&mut self, key: &Key) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.get(key).map(|text| text.as_bytes().to_vec()))
    }

    fn scan(&mut self, _from: &Key, _rows: usize) -> Result<(usize, u64), Failure> {
        Err("a cache has no order".into())
    }
}

struct MokaWriting<'a>(&'a Cache<Key, Arc<str>, FoldedState>);

impl Writer for MokaWriting<'_> {
    fn commit(&mut self, changes: &[Upsert]) -> Outcome {
        changes.iter().for_each(|(key, text)| self.0.insert(*key, Arc::from(text.as_str())));
        Ok(())
    }
}
