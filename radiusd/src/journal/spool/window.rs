//! What a log of `wal-db` sees of a segment's file: all of it while it grows, or a stretch of it that only is read.
//!
//! A stretch never changes the file: cutting a log is how `wal-db` opens one that is not intact to its end, and where
//! a segment is damaged in the middle, what comes after the damage must stay.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use wal_db::{WalError, WalStore};

/// A segment's file, or a stretch of it.
#[derive(Debug)]
pub(super) struct Window {
    file: Arc<File>,
    start: u64,
    /// Where the stretch ends; `None` for a file that grows.
    end: Option<u64>,
}

impl Window {
    /// The whole of a file that is written to.
    pub(super) fn growing(file: Arc<File>) -> Window {
        Window { file, start: 0, end: None }
    }

    /// The octets from `start` to `end`, for reading.
    pub(super) fn stretch(file: Arc<File>, start: u64, end: u64) -> Window {
        Window { file, start, end: Some(end) }
    }
}

impl WalStore for Window {
    fn write_at(&self, offset: u64, octets: &[u8]) -> wal_db::Result<()> {
        if self.end.is_some() {
            return Err(failed("writing to a part that is only read", io::ErrorKind::ReadOnlyFilesystem.into()));
        }
        #[cfg(test)]
        faults::write(&self.file, offset, octets).map_err(|error| failed("writing", error))?;
        self.file.write_all_at(octets, offset).map_err(|error| failed("writing", error))
    }

    fn read_at(&self, offset: u64, room: &mut [u8]) -> wal_db::Result<usize> {
        let left = self.end.map_or(u64::MAX, |end| end.saturating_sub(self.start.saturating_add(offset)));
        let wanted = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut filled = 0;
        while filled < wanted {
            let at = self.start + offset + filled as u64;
            match self.file.read_at(&mut room[filled..wanted], at) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("reading", error)),
            }
        }
        Ok(filled)
    }

    fn truncate(&self, len: u64) -> wal_db::Result<()> {
        if self.end.is_some() {
            return Ok(());
        }
        self.file.set_len(len).map_err(|error| failed("cutting off a torn end", error))?;
        self.sync()
    }

    fn sync(&self) -> wal_db::Result<()> {
        #[cfg(test)]
        faults::sync().map_err(|error| failed("fsync", error))?;
        self.file.sync_data().map_err(|error| failed("fsync", error))
    }

    fn len(&self) -> wal_db::Result<u64> {
        match self.end {
            Some(end) => Ok(end - self.start),
            None => Ok(self.file.metadata().map_err(|error| failed("asking for the length", error))?.len()),
        }
    }
}

fn failed(context: &'static str, source: io::Error) -> WalError {
    WalError::Io { context, source }
}

/// Faults that a test asks for, of the thread that it runs on.
#[cfg(test)]
pub(super) mod faults {
    use std::cell::Cell;
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt as _;

    thread_local! {
        /// The error that the next fsync gives.
        pub(in super::super) static SYNC: Cell<Option<i32>> = const { Cell::new(None) };
        /// The error that the next write gives, after half of it.
        pub(in super::super) static WRITE: Cell<Option<i32>> = const { Cell::new(None) };
    }

    pub(super) fn sync() -> io::Result<()> {
        SYNC.take().map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
    }

    pub(super) fn write(file: &File, offset: u64, octets: &[u8]) -> io::Result<()> {
        let Some(code) = WRITE.take() else { return Ok(()) };
        file.write_all_at(&octets[..octets.len() / 2], offset)?;
        Err(io::Error::from_raw_os_error(code))
    }
}
