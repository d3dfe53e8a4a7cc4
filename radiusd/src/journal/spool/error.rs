//! Why the spool did not do what it was asked for, and which of it mends itself.

use std::io;
use std::path::PathBuf;

/// Why the spool did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// The cap is reached. There is room again after [`super::Spool::forget`].
    #[error("the spool is full: it holds {octets} of {cap} octets")]
    Full { octets: u64, cap: u64 },
    /// The disk has no space, or the quota is used up. Appending may be tried again at any time.
    #[error("no space for the spool in {}: {source}", dir.display())]
    DiskFull { dir: PathBuf, source: io::Error },
    /// The disk failed. If it was an fsync, everything after it is [`SpoolError::Broken`].
    #[error("{doing} in the spool {}: {source}", dir.display())]
    Io { dir: PathBuf, doing: &'static str, source: io::Error },
    /// An append failed in a way that leaves unknown what the disk has; the spool takes nothing until it is re-opened.
    #[error("the spool {} takes nothing after a failed fsync, until it is opened again", dir.display())]
    Broken { dir: PathBuf },
    /// More than [`super::MAX_BATCH_OCTETS`] at once.
    #[error("a batch of {octets} octets is too long for the spool")]
    TooLong { octets: usize },
    /// Another process has it.
    #[error("the spool {} belongs to another process that is running", dir.display())]
    Owned { dir: PathBuf },
}

/// No space, a quota, or a limit on the length of a file: what an operator can mend while the program runs.
pub(super) fn is_no_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
