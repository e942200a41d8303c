//! The log as its owner sees it.
//!
//! [`Wal`] puts the parts together and adds nothing of its own but the list of segments. All calls take `&self`; a log is shared by
//! reference or `Arc`. Appending is serialised by a lock of the log, syncing is not, so that the sync of one group overlaps with
//! whatever produces the next.
//!
//! It starts no thread and reads no clock: `prepare_spare` and an idle `seal` are the owner's to call when it sees fit. Dropping
//! a log does nothing but give back the directory's lock; what was not synced is as if the process had been killed.
//!
//! Invariants: locks are taken in the order recycling, writer, segments; no disk is touched under the lock of the list.

use std::sync::Arc;

use monostable_vfs::{self as vfs, Lock, Storage};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::flush::Flusher;
use crate::format::SegmentHeader;
use crate::lsn::Lsn;
use crate::options::WalOptions;
use crate::recover::{Recovery, recover};
use crate::replay::Replay;
use crate::segment::{SPARE, name_of};
use crate::spare::Spare;
use crate::stats::WalStats;
use crate::writer::{Surroundings, Writer};

/// An open log.
#[derive(Debug)]
pub struct Wal {
    storage: Arc<dyn Storage>,
    options: WalOptions,
    flusher: Flusher,
    spare: Spare,
    writer: Mutex<Writer>,
    /// Oldest first. Whoever holds a segment from this list keeps its file from being reused.
    segments: Mutex<Vec<Arc<SegmentHeader>>>,
    recycled: Mutex<u64>,
    /// The number of the first segment that was begun since the log was opened.
    first_own_segment: u64,
    _lock: Option<Lock>,
}

impl Wal {
    /// Opens the log of a directory, or begins one. Applies the tail rule, and makes the recovered tail durable before it
    /// returns. Fails with [`Error::Corruption`] if anything that was durable cannot be read, and changes nothing then.
    pub fn open(storage: Arc<dyn Storage>, options: WalOptions) -> Result<(Wal, Recovery)> {
        options.check()?;
        let lock = if options.lock_directory { Some(storage.lock()?) } else { None };
        let recovered = recover(&*storage, &options)?;
        let spare = Spare::find(&*storage)?;
        let next_segment = recovered.segments.last().map_or(1, |last| last.number.saturating_add(1));
        let wal = Wal {
            flusher: Flusher::new(recovered.end.lsn),
            spare,
            writer: Mutex::new(Writer::new(recovered.end, next_segment)),
            segments: Mutex::new(recovered.segments.into_iter().map(Arc::new).collect()),
            recycled: Mutex::new(0),
            first_own_segment: next_segment,
            storage,
            options,
            _lock: lock,
        };
        Ok((wal, recovered.recovery))
    }

    /// Writes the records as one group, which will be recovered whole or not at all, and returns the position at its end.
    /// It is not durable yet: see [`Wal::sync`]. An empty group is not written; its position is the end of the log.
    pub fn append(&self, records: &[&[u8]]) -> Result<Lsn> {
        self.writer.lock().append(&self.surroundings(), records)
    }

    /// Returns when everything up to `position` is durable. Any number of threads may wait at once; they share syncs, of
    /// which up to two are in flight, and are woken in the order of their positions.
    pub fn sync(&self, position: Lsn) -> Result<()> {
        self.flusher.sync(position)
    }

    /// Appends and syncs: when this returns, the records are durable. On an idle log both happen at once on this thread.
    pub fn commit(&self, records: &[&[u8]]) -> Result<Lsn> {
        let position = self.append(records)?;
        self.sync(position)?;
        Ok(position)
    }

    /// Writes behind the last group that it is durable, if that does not stand there yet. While a log is busy each group proves
    /// the earlier ones; when it falls idle, this protects the last one: from now on damage to it is told from a torn tail.
    /// Costs two syncs at most.
    pub fn seal(&self) -> Result<()> {
        self.writer.lock().seal(&self.surroundings())
    }

    /// Seals the log, gives back the space that was filled ahead, and takes no more groups. Reading goes on.
    pub fn close(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        if writer.closed {
            return Ok(());
        }
        writer.seal(&self.surroundings())?;
        writer.closed = true;
        writer.trim()?;
        Ok(())
    }

    /// How far the log is durable: the end of a group of records.
    pub fn durable(&self) -> Lsn {
        self.flusher.records_durable()
    }

    /// Where the last group ends.
    pub fn end(&self) -> Lsn {
        self.writer.lock().records_end
    }

    /// The oldest position that can be read.
    pub fn start(&self) -> Lsn {
        self.segments.lock().first().map_or(self.durable(), |first| first.first_lsn)
    }

    /// Reads the groups from `from` to what is durable now. `from` must be a position that this log has returned, or
    /// [`Lsn::ZERO`], and not recycled.
    pub fn replay(&self, from: Lsn) -> Result<Replay> {
        let until = self.durable();
        let segments = self.segments.lock();
        let oldest = segments.first().map_or(until, |first| first.first_lsn);
        if from < oldest {
            return Err(Error::Recycled { from, oldest });
        }
        if from > until {
            return Err(Error::BeyondEnd { position: from, end: until });
        }
        Ok(Replay::new(Arc::clone(&self.storage), &segments, from, until))
    }

    /// Gives up the segments that lie wholly before `before`, oldest first, and returns how many. The owner must be able to
    /// do without them for good: what supersedes them has to be durable already. One of them is kept as the spare if there is none.
    pub fn recycle(&self, before: Lsn) -> Result<u64> {
        self.flusher.check()?;
        let mut recycled = self.recycled.lock();
        let mut count = 0;
        while let Some(segment) = self.oldest_before(before) {
            self.give_up(segment)?;
            count += 1;
            *recycled += 1;
        }
        Ok(count)
    }

    /// Makes sure that the next segment is ready before it is needed; whether there was anything to do. For background work:
    /// it writes a whole segment of zeros. Its failure harms nothing.
    pub fn prepare_spare(&self) -> Result<bool> {
        Ok(self.spare.prepare(&*self.storage, self.options.segment_bytes)?)
    }

    /// What the log has done since it was opened.
    pub fn stats(&self) -> WalStats {
        let stats = self.writer.lock().stats;
        WalStats {
            syncs: self.flusher.syncs(),
            recycled: *self.recycled.lock(),
            segments: self.segments.lock().len() as u64,
            ..stats
        }
    }

    fn surroundings(&self) -> Surroundings<'_> {
        Surroundings {
            storage: &*self.storage,
            options: &self.options,
            flusher: &self.flusher,
            spare: &self.spare,
            segments: &self.segments,
        }
    }

    /// The oldest segment, if nothing from `before` on is in it. The newest one always stays.
    fn oldest_before(&self, before: Lsn) -> Option<Arc<SegmentHeader>> {
        let segments = self.segments.lock();
        let successor = segments.get(1)?;
        (successor.first_lsn <= before).then(|| Arc::clone(&segments[0]))
    }

    /// The directory is synced for each, so that a crash cannot leave a hole: segments must be consecutive.
    fn give_up(&self, segment: Arc<SegmentHeader>) -> Result<()> {
        // From here on no new replay finds it; one that has it keeps it from being reused.
        self.segments.lock().remove(0);
        // One of an earlier session has been read by recovery, and lies in the page cache in large pieces: see `zero_fill`.
        let reusable = Arc::strong_count(&segment) == 1
            && segment.segment_bytes == self.options.segment_bytes
            && segment.number >= self.first_own_segment;
        let claimed = reusable && self.spare.claim();
        let moved = self.move_away(&name_of(segment.number), claimed);
        let synced = moved.is_ok().then(|| self.storage.sync_dir());
        if claimed {
            // Not before the directory is synced: a crash that brought the old name back would find a new header under it.
            let ready = moved.as_ref().ok().copied().filter(|_| matches!(synced, Some(Ok(()))));
            self.spare.release(ready);
        }
        if let Err(error) = moved {
            self.segments.lock().insert(0, segment);
            return Err(Error::Disk(error));
        }
        synced.unwrap_or(Ok(())).map_err(|cause| Error::Poisoned { cause: self.flusher.poison(cause) })
    }

    /// Makes a segment the spare or removes it; its length.
    fn move_away(&self, name: &str, keep: bool) -> vfs::Result<u64> {
        if !keep {
            return self.storage.remove(name).map(|()| 0);
        }
        let bytes = self.storage.open(name)?.len()?;
        self.storage.rename(name, SPARE)?;
        Ok(bytes)
    }
}
