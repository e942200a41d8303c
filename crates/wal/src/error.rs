//! What can go wrong with a log, and what a caller can conclude about its data.
//!
//! The question that matters after a failed commit is whether it happened. [`Error::Disk`], [`Error::Poisoned`],
//! [`Error::RecordTooLarge`] and [`Error::Closed`] from [`crate::Wal::append`] mean that it did not; [`Error::OutcomeUnknown`]
//! means that only the next open can tell.

use std::fmt;
use std::sync::Arc;

use monostable_vfs as vfs;

use crate::lsn::Lsn;

/// The result of every call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call on the log failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk refused, and the call had no effect: nothing was appended. The log goes on; after a full disk, free space
    /// and try again. From opening it is also how a directory that is in use shows.
    #[error(transparent)]
    Disk(#[from] vfs::Error),

    /// Bytes that were durable once cannot be read. The log is left as it is.
    #[error(
        "{segment} is damaged at offset {offset} ({damage}): the log was durable up to Lsn {to} but cannot be read from Lsn {from} on; \
         restore a backup, or read what is left with salvage"
    )]
    Corruption {
        /// Name of the damaged or missing segment file.
        segment: String,
        /// Where in the file.
        offset: u64,
        /// Where the unreadable part of the log begins.
        from: Lsn,
        /// Up to where the log is known to have been durable; groups behind the damage may still be readable.
        to: Lsn,
        /// What is wrong with the bytes.
        damage: Damage,
    },

    /// The segment was written by a newer version of this library.
    #[error(
        "{segment} has log format version {version}, this library reads version {supported}; open it with a newer version"
    )]
    UnsupportedVersion {
        /// Name of the segment file.
        segment: String,
        /// The version that it names.
        version: u32,
        /// The version that is understood.
        supported: u32,
    },

    /// A record is longer than the options allow. Nothing was appended.
    #[error("a record of {bytes} bytes is over the limit of {limit_bytes}; split it, or raise record_bytes_max")]
    RecordTooLarge {
        /// Length of the record.
        bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },

    /// A write or sync failed while this position was on its way to the disk: it may or may not be there. The next open of
    /// the log decides, once and for all.
    #[error(
        "the log failed before position {position} was known to be durable; its outcome is unknown until the log is opened again"
    )]
    OutcomeUnknown {
        /// The position that was waited for.
        position: Lsn,
        /// The failure.
        #[source]
        cause: Arc<vfs::Error>,
    },

    /// An earlier write or sync failed. This call did nothing; the log must be opened again.
    #[error("the log has failed before and takes no more writes; nothing was written; open it again")]
    Poisoned {
        /// The failure.
        #[source]
        cause: Arc<vfs::Error>,
    },

    /// The log was closed. This call did nothing.
    #[error("the log is closed; open it again")]
    Closed,

    /// The part of the log that was asked for has been given up.
    #[error("the log before Lsn {oldest} has been recycled; Lsn {from} cannot be read; start from a newer checkpoint")]
    Recycled {
        /// The position that was asked for.
        from: Lsn,
        /// The oldest position that is kept.
        oldest: Lsn,
    },

    /// A position that the log has not reached.
    #[error("Lsn {position} lies beyond the end of the log at Lsn {end}; use positions that this log returned")]
    BeyondEnd {
        /// The position that was asked for.
        position: Lsn,
        /// Where the log ends.
        end: Lsn,
    },

    /// An option has a value that cannot work.
    #[error("invalid log options: {reason}")]
    InvalidOptions {
        /// Which, and what would be valid.
        reason: String,
    },
}

/// What is wrong with bytes that should have been a group or a segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The file ends before the bytes that should be there.
    Short,
    /// The segment file is not there, or its neighbours do not join.
    Missing,
    /// Neither copy of the segment header is valid.
    SegmentHeader,
    /// There is no group at this place: other bytes, or a group that belongs elsewhere.
    NoGroup,
    /// The group header does not match its checksum.
    HeaderChecksum,
    /// The group header has valid checksum and impossible contents.
    HeaderContents,
    /// The group is not the successor of the one before it.
    Chain,
    /// The payload does not match its checksum.
    PayloadChecksum,
    /// The payload does not divide into the records that the header counts.
    Records,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Damage::Short => "the file is too short",
            Damage::Missing => "the segment is missing",
            Damage::SegmentHeader => "both copies of the segment header are invalid",
            Damage::NoGroup => "there is no group here",
            Damage::HeaderChecksum => "the checksum of the group header does not match",
            Damage::HeaderContents => "the group header is impossible",
            Damage::Chain => "the group does not follow its predecessor",
            Damage::PayloadChecksum => "the checksum of the group's payload does not match",
            Damage::Records => "the group's payload does not divide into records",
        })
    }
}
