//! The cache's contents: entries in the order of their last use, with room for a fixed number of them.
//!
//! Keys are dense numbers, so the index is an array and the order is a list threaded through the slots: every operation is
//! constant time and allocates nothing. An entry knows *when the data was read* that it was made from; whether it is out
//! of date is asked of the log of commits, so that the oracle and the cache cannot agree by mistake.

const NONE: u32 = u32::MAX;

/// What the cache remembers of a key. Times are in nanoseconds of the simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// The moment that the data shows.
    pub snapshot: u64,
    /// When its time to live ends.
    pub expires: u64,
    /// When an invalidation marked it; `u64::MAX` if none did.
    pub marked: u64,
    /// How long its query took.
    pub cost: u64,
}

#[derive(Debug, Clone)]
struct Slot {
    entry: Entry,
    key: u32,
    newer: u32,
    older: u32,
}

/// The entries that were used last.
#[derive(Debug, Clone)]
pub(super) struct Lru {
    slot_of: Vec<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    capacity: usize,
}

impl Lru {
    /// Nothing yet, of keys 0 to `keys` - 1, with room for `capacity` of them.
    pub(super) fn new(keys: u32, capacity: u32) -> Lru {
        Lru {
            slot_of: vec![NONE; keys as usize],
            slots: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            capacity: capacity.max(1) as usize,
        }
    }

    /// How many entries there are.
    pub(super) fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many different keys there can be.
    pub(super) fn keys_max(&self) -> u32 {
        self.slot_of.len() as u32
    }

    /// The entry of a key, which becomes the one used last.
    pub(super) fn get(&mut self, key: u32) -> Option<&mut Entry> {
        let slot = self.slot_of[key as usize];
        if slot == NONE {
            return None;
        }
        if slot != self.newest {
            self.unlink(slot);
            self.link(slot);
        }
        Some(&mut self.slots[slot as usize].entry)
    }

    /// The entry of a key; its place in the order stays.
    pub(super) fn peek(&mut self, key: u32) -> Option<&mut Entry> {
        let slot = self.slot_of[key as usize];
        (slot != NONE).then(|| &mut self.slots[slot as usize].entry)
    }

    /// Puts an entry in, as the one used last; the one that was not used for longest makes room.
    pub(super) fn insert(&mut self, key: u32, entry: Entry) {
        if let Some(there) = self.get(key) {
            *there = entry;
            return;
        }
        if self.count() >= self.capacity {
            let victim = self.slots[self.oldest as usize].key;
            self.remove(victim);
        }
        let fresh = Slot { entry, key, newer: NONE, older: NONE };
        let slot = if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = fresh;
            slot
        } else {
            self.slots.push(fresh);
            self.slots.len() as u32 - 1
        };
        self.slot_of[key as usize] = slot;
        self.link(slot);
    }

    /// Takes an entry out; says whether it was there.
    pub(super) fn remove(&mut self, key: u32) -> bool {
        let slot = std::mem::replace(&mut self.slot_of[key as usize], NONE);
        if slot == NONE {
            return false;
        }
        self.unlink(slot);
        self.free.push(slot);
        true
    }

    /// Takes everything out.
    pub(super) fn clear(&mut self) {
        *self = Lru::new(self.slot_of.len() as u32, self.capacity as u32);
    }

    /// The keys that are there, by number.
    pub(super) fn keys(&self) -> impl Iterator<Item = u32> {
        (0..self.slot_of.len()).filter(|&key| self.slot_of[key] != NONE).map(|key| key as u32)
    }

    fn unlink(&mut self, slot: u32) {
        let (newer, older) = (self.slots[slot as usize].newer, self.slots[slot as usize].older);
        if newer == NONE {
            self.newest = older
        } else {
            self.slots[newer as usize].older = older
        }
        if older == NONE { self.oldest = newer } else { self.slots[older as usize].newer = newer }
    }

    fn link(&mut self, slot: u32) {
        let older = std::mem::replace(&mut self.newest, slot);
        let (at, next) = (slot as usize, older as usize);
        (self.slots[at].newer, self.slots[at].older) = (NONE, older);
        if older == NONE { self.oldest = slot } else { self.slots[next].newer = slot }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(snapshot: u64) -> Entry {
        Entry { snapshot, expires: u64::MAX, marked: u64::MAX, cost: 0 }
    }

    proptest! {
        #[test]
        fn it_keeps_what_was_used_last(operations in prop::collection::vec((0_u8..4, 0_u32..12), 0..200)) {
            let mut lru = Lru::new(12, 5);
            let mut mirror: Vec<(u32, u64)> = Vec::new();
            for (at, (operation, key)) in operations.into_iter().enumerate() {
                let place = mirror.iter().position(|(there, _)| *there == key);
                match operation {
                    0 | 1 => {
                        prop_assert_eq!(lru.get(key).map(|entry| entry.snapshot), place.map(|place| mirror[place].1));
                        if let Some(place) = place {
                            let used = mirror.remove(place);
                            mirror.push(used);
                        }
                    }
                    2 => {
                        lru.insert(key, entry(at as u64));
                        match place {
                            Some(place) => drop(mirror.remove(place)),
                            None if mirror.len() == 5 => drop(mirror.remove(0)),
                            None => {}
                        }
                        mirror.push((key, at as u64));
                    }
                    _ => {
                        prop_assert_eq!(lru.remove(key), place.is_some());
                        place.map(|place| mirror.remove(place));
                    }
                }
                let mut expected: Vec<u32> = mirror.iter().map(|(key, _)| *key).collect();
                expected.sort_unstable();
                prop_assert_eq!(lru.keys().collect::<Vec<_>>(), expected);
                prop_assert_eq!(lru.count(), mirror.len());
            }
        }
    }
}
