//! What commits while a view is being built: the changes of every group since the build's snapshot.
//!
//! The leader of each group pushes, under the commit lock; the build drains, again and again, until little is left, and
//! then once more under the commit lock. The buffer is bounded: when a build falls behind by more than the bound, the feed
//! closes itself, commits go on undisturbed, and the build gives up.

use monostable_types::{Epoch, Lsn, Rows};
use monostable_view::{Delta, TableId};
use parking_lot::Mutex;

/// The changes of one group.
#[derive(Debug, Clone)]
pub(crate) struct GroupChanges {
    pub(crate) epoch: Epoch,
    /// Where the group ends in the log.
    pub(crate) end: Lsn,
    pub(crate) deltas: Vec<(TableId, Delta)>,
}

/// A bounded buffer of groups.
#[derive(Debug)]
pub(crate) struct Feed {
    buffer: Mutex<Buffer>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Buffer {
    groups: Vec<GroupChanges>,
    bytes: usize,
    closed: bool,
    overrun: bool,
}

impl Feed {
    pub(crate) fn new(bytes_max: usize) -> Feed {
        Feed { buffer: Mutex::new(Buffer::default()), bytes_max }
    }

    /// Adds the changes of a group. Answers whether the feed wants to hear more.
    pub(crate) fn push(&self, group: &GroupChanges) -> bool {
        let mut buffer = self.buffer.lock();
        if buffer.closed {
            return false;
        }
        buffer.bytes =
            group.deltas.iter().map(|(_, delta)| delta_bytes(delta)).fold(buffer.bytes, usize::saturating_add);
        if buffer.bytes > self.bytes_max {
            *buffer = Buffer { closed: true, overrun: true, ..Buffer::default() };
            return false;
        }
        buffer.groups.push(group.clone());
        true
    }

    /// The bound.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Takes what has gathered, or `None` if the feed was overrun.
    pub(crate) fn drain(&self) -> Option<Vec<GroupChanges>> {
        let mut buffer = self.buffer.lock();
        if buffer.overrun {
            return None;
        }
        buffer.bytes = 0;
        Some(std::mem::take(&mut buffer.groups))
    }

    /// Ends the feed: the build is over.
    pub(crate) fn close(&self) {
        *self.buffer.lock() = Buffer { closed: true, ..Buffer::default() };
    }
}

/// About how much memory a delta takes: its encoded rows, and a weight and an offset for each.
pub(crate) fn delta_bytes(delta: &Delta) -> usize {
    let rows = delta.rows().map_or(usize::MAX, Rows::byte_len);
    rows.saturating_add(delta.len() * (size_of::<i64>() + size_of::<usize>()))
}
