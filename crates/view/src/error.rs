//! The storage half's error: one enum, coarse, saying what to do.
//!
//! Nothing that is read from a file can cause anything but one of these. A damaged byte names the file and the offset of
//! the smallest checked unit around it, because that is what an operator can restore from a backup.

use monostable_types::{CodecError, WeightOverflow};

/// What can go wrong in a run, a spine or the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sum of the weights of one entry left the range of a weight. The operation had no effect.
    #[error("the weight of a row overflows; the change was not applied")]
    WeightOverflow,
    /// An entry is longer than a run can hold.
    #[error(
        "a row of {bytes} bytes is longer than the {bytes_max} bytes that a run can hold; split it into several rows"
    )]
    EntryTooLarge {
        /// Length of the refused entry.
        bytes: usize,
        /// The longest entry that is accepted.
        bytes_max: usize,
    },
    /// A batch in memory would hold more bytes than its offsets can address.
    #[error("a batch of more than {bytes_max} bytes cannot be held in memory; write it in several transactions")]
    BatchTooLarge {
        /// The most bytes that one batch can hold.
        bytes_max: usize,
    },
    /// A run in a file would be longer than its positions can address.
    #[error("a run of more than {bytes_max} bytes cannot be written; split the table")]
    RunTooLarge {
        /// The most bytes that one run can have.
        bytes_max: u64,
    },
    /// A lookup that promises one entry per key found two.
    #[error("two rows share one unique key; the arrangement is not keyed as its reader believes")]
    KeyNotUnique,
    /// A key could not be delimited inside an entry.
    #[error("an entry does not start with a key of the arrangement's columns")]
    Codec(#[from] CodecError),
    /// Bytes on disk are not what was written.
    #[error("{file} is damaged at byte {offset}: {what}; restore this file from a backup")]
    Corruption {
        /// The damaged file.
        file: String,
        /// Where in the file the smallest checked unit starts that contains the damage.
        offset: u64,
        /// Which check failed.
        what: &'static str,
    },
    /// A file was written by a release that this one cannot read.
    #[error(
        "{file} has format version {version}, this release reads version {supported}; open it with a release that reads version {version}"
    )]
    UnsupportedVersion {
        /// The file.
        file: String,
        /// Its format version.
        version: u32,
        /// The version that this release reads.
        supported: u32,
    },
    /// The bytes written by a merge or a checkpoint do not add up to its inputs. Nothing was published.
    #[error(
        "a merge produced other rows than its inputs hold (expected hash {expected:032x}, got {found:032x}); its output was thrown away"
    )]
    MergeMismatch {
        /// Sum of the inputs' multiset hashes.
        expected: u128,
        /// The output's multiset hash.
        found: u128,
    },
    /// An arrangement is asked for under a key that it was not written with.
    #[error("arrangement {arrangement} was written with another key than it is opened with")]
    KeyMismatch {
        /// The arrangement.
        arrangement: u32,
    },
    /// The runs in files of a spine do not hold what the manifest says that they hold.
    #[error(
        "the runs in files of arrangement {arrangement} are not the ones that this store holds for it; install what checkpoints and merges return"
    )]
    ForeignRun {
        /// The arrangement.
        arrangement: u32,
    },
    /// An earlier write to the manifest failed, so that its state on disk is unknown.
    #[error("an earlier write to the manifest failed and its outcome is unknown; close the database and open it again")]
    Poisoned,
    /// The disk.
    #[error(transparent)]
    Storage(#[from] monostable_vfs::Error),
}

impl From<WeightOverflow> for Error {
    fn from(_: WeightOverflow) -> Error {
        Error::WeightOverflow
    }
}

/// The result of everything in the storage half.
pub type Result<T, E = Error> = std::result::Result<T, E>;
