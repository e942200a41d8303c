//! What a log has done since it was opened.

/// Counters since [`crate::Wal::open`], except `segments`, which is the present number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalStats {
    /// Groups appended, seals not counted.
    pub groups: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of those records, as the caller gave them.
    pub record_bytes: u64,
    /// Bytes written for groups and seals, with headers and padding.
    pub written_bytes: u64,
    /// Seals written.
    pub seals: u64,
    /// Syncs of segment contents, by which groups became durable. `groups / syncs` is how well commits shared them.
    pub syncs: u64,
    /// Segments begun.
    pub rolls: u64,
    /// Of those, how many found a spare prepared.
    pub spares_used: u64,
    /// Segments given up by [`crate::Wal::recycle`].
    pub recycled: u64,
    /// Segment files that the log consists of now.
    pub segments: u64,
}
