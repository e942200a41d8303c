//! `Seeker`: many whole keys of a spine, looked up in ascending order.
//!
//! In a run of which one entry in a few is asked for, a search goes on where the last one ended. In a longer one every key goes
//! through the run's hash index and reads two or three lines of memory that nobody has read for long; [`Seeker::warm`] has them
//! fetched for many keys at once, since the processor waits for several lines no longer than for one. Of runs in files it
//! has the disk fetch the pages, for the same reason.
//!
//! Cost: one probe of each key and run, as [`Spine::hit`].

use std::hint::black_box;

use monostable_types::Weight;
use smallvec::{SmallVec, smallvec};

use super::{Hit, Spine};
use crate::error::Result;
use crate::hash::key_hash;
use crate::key::KeyExtent;
use crate::run::{Direction, Found, Run};

/// For so many keys at once lines are fetched: a few more than a processor can wait for.
pub(crate) const WARM_KEYS: usize = 32;
/// Callers of [`Seeker::newest`] ask for so many keys at a time: more of what it finds would not stay in the caches.
pub(crate) const SEEK_KEYS: usize = 512;

/// Looks up whole keys in ascending order. See the module's documentation.
pub(crate) struct Seeker<'a> {
    spine: &'a Spine,
    runs: SmallVec<[Sought<'a>; 24]>,
}

/// A run in which keys are looked up.
struct Sought<'a> {
    run: &'a Run,
    /// Where the last search ended, if keys are looked up by going through the entries.
    at: Option<usize>,
}

impl<'a> Sought<'a> {
    /// Fetches what looking up keys with these hashes will read.
    fn touch(&self, hashes: &[u64]) {
        black_box(self.run.touch(hashes));
    }

    fn find(&mut self, key: &[u8], hash: u64, extent: &KeyExtent) -> Result<Found<'a>> {
        match &mut self.at {
            Some(at) => self.run.find_after(at, key, hash, extent),
            None => self.run.find(key, hash, extent),
        }
    }
}

impl Spine {
    /// Looks up about so many keys in ascending order.
    pub(crate) fn seeker(&self, keys: usize) -> Seeker<'_> {
        let runs = self.runs().map(|run| Sought { run, at: run.is_dense(keys).then_some(0) }).collect();
        Seeker { spine: self, runs }
    }
}

impl<'a> Seeker<'a> {
    /// Whether [`Seeker::warm`] would do anything.
    pub(crate) fn can_be_warmed(&self) -> bool {
        self.runs.iter().any(|sought| sought.at.is_none())
    }

    /// Fetches what looking up keys with these hashes will read.
    pub(crate) fn warm(&self, hashes: &[u64]) {
        if hashes.len() > 1 {
            self.runs.iter().filter(|sought| sought.at.is_none()).for_each(|sought| sought.touch(hashes));
        }
    }

    /// The same for the keys of entries.
    pub(crate) fn warm_entries<'e>(&self, entries: impl Iterator<Item = &'e [u8]>) -> Result<()> {
        if !self.can_be_warmed() {
            return Ok(());
        }
        let extent = self.spine.extent();
        let hash = |entry| extent.key(entry).map(key_hash);
        let hashes: SmallVec<[u64; WARM_KEYS]> = entries.map(hash).collect::<Result<_>>()?;
        self.warm(&hashes);
        Ok(())
    }

    /// As [`Spine::hit`], for a key and its hash. `key` is not less than any key before.
    pub(crate) fn hit(&mut self, key: &[u8], hash: u64) -> Result<Hit<'a>> {
        let extent = self.spine.extent();
        let mut hit = Hit::Nothing;
        for sought in &mut self.runs {
            match (sought.find(key, hash, extent)?, &hit) {
                (Found::Nothing, _) => {}
                (Found::One(entry, weight), Hit::Nothing) => hit = Hit::One(entry, Weight(weight)),
                (Found::One(..) | Found::Many(_), _) => return Ok(Hit::Several),
            }
        }
        Ok(hit)
    }

    /// The weight of an entry, zero when it is absent. `entry` is not less than any entry before.
    pub(crate) fn weight(&mut self, entry: &[u8]) -> Result<Weight> {
        let extent = self.spine.extent();
        let key = extent.key(entry)?;
        let hash = key_hash(key);
        let mut sum = Weight::ZERO;
        for sought in &mut self.runs {
            let found = match sought.find(key, hash, extent)? {
                Found::Nothing => None,
                Found::One(found, weight) => Some((found, weight)),
                Found::Many(_) => {
                    let rest = sought.run.lower_bound(entry)?..sought.run.everything().end;
                    let cursor = sought.run.cursor(rest, Direction::Ascending)?;
                    cursor.map(|cursor| (cursor.entry, cursor.weight))
                }
            };
            if let Some((_, weight)) = found.filter(|(found, _)| *found == entry) {
                sum = sum.add(Weight(weight))?;
            }
        }
        Ok(sum)
    }

    /// The entries of keys, given with their hashes, in a spine of which every version had at most one entry per key, of weight 1.
    /// The keys ascend, and none is less than any key before.
    ///
    /// The newest run that knows a key decides. Runs are merged with their neighbours only, so what a run and all older ones
    /// add up to is a version that there was: at most one entry of the key before the run, and at most one after it. The
    /// run holds the difference, so a positive entry in it *is* the one after it, and a lone negative one leaves none.
    ///
    /// One run is asked for all keys that are still open, then the next: it stays in the caches, and so does what the processor
    /// has learned of it.
    pub(crate) fn newest(&mut self, keys: &[(&[u8], u64)]) -> Result<SmallVec<[Option<&'a [u8]>; 4]>> {
        let extent = self.spine.extent();
        let mut found = smallvec![None; keys.len()];
        let mut open: SmallVec<[usize; WARM_KEYS]> = (0..keys.len()).collect();
        for sought in &mut self.runs {
            let mut left = 0;
            for number in 0..open.len() {
                if sought.at.is_none() && number % WARM_KEYS == 0 && open.len() > 1 {
                    let next = open[number..].iter().take(WARM_KEYS);
                    let hashes: SmallVec<[u64; WARM_KEYS]> = next.map(|&at| keys[at].1).collect();
                    sought.touch(&hashes);
                }
                let at = open[number];
                let (key, hash) = keys[at];
                match sought.find(key, hash, extent)? {
                    Found::Nothing => {
                        open[left] = at;
                        left += 1;
                    }
                    Found::One(entry, weight) => found[at] = (weight > 0).then_some(entry),
                    Found::Many(start) => found[at] = positive(sought.run, start, key, extent)?,
                }
            }
            open.truncate(left);
        }
        Ok(found)
    }
}

/// The first entry of a key from `start` on that has a positive weight.
fn positive<'a>(run: &'a Run, start: u64, key: &[u8], extent: &KeyExtent) -> Result<Option<&'a [u8]>> {
    if let Run::Memory(run) = run {
        return Ok(run.positive(start as usize, key, extent));
    }
    let mut cursor = run.cursor(start..run.everything().end, Direction::Ascending)?;
    while let Some(current) = cursor.as_mut().filter(|current| extent.matches(current.entry, key)) {
        if current.weight > 0 {
            return Ok(Some(current.entry));
        }
        if !current.advance(Direction::Ascending)? {
            break;
        }
    }
    Ok(None)
}
