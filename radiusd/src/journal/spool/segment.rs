//! One file of the spool: a log of `wal-db`, whose records are our batches.
//!
//! `wal-db` frames and checks each batch and cuts off a torn end. Asked to be strict, it refuses a file in which
//! something intact follows damage; then [`Segment::open`] finds the intact stretches and reads each as a log of its
//! own. Such a file takes no more batches, and is not deleted but set aside when it is done with.
//!
//! A file that grows is filled with zeros ahead of its batches. A batch that is written over these changes neither the length of
//! the file nor where it lies on the disk, so that its fsync has nothing else to make durable: it takes about half as long. Zeros are no
//! batch to `wal-db`; who opens the file next cuts them off.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wal_db::{Lsn, OpenPolicy, Wal, WalConfig, WalError};

use super::batch::{self, Batch};
use super::window::Window;
use super::{Entry, MAX_BATCH_OCTETS, Position};

/// What `wal-db` puts before each record: its checksum and its length, 4 octets each.
pub(super) const FRAME: u64 = 8;
/// So many zeros are written ahead at a time.
const AHEAD: u64 = 1024 * 1024;
/// How far apart, in octets, the batches are whose places are remembered.
const MARK_EVERY: u64 = 32 * 1024;
const SUFFIX: &str = ".log";

/// A file of the spool.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    first: Position,
    file: Arc<File>,
    runs: Vec<Run>,
    octets: u64,
    /// How far it is filled, with batches and then zeros, as far as that is known.
    filled: u64,
    /// Whether it can take another batch.
    grows: bool,
    damaged: bool,
}

/// An intact stretch: all of the file, if nothing has happened to it.
#[derive(Debug)]
struct Run {
    log: Wal<Window>,
    /// The positions in it; one range, unless a batch in it cannot be understood.
    holds: Vec<Range<Position>>,
    places: Vec<Place>,
}

/// Where a batch stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    position: Position,
    lsn: Lsn,
    appended_at_ms: i64,
}

/// A batch, encoded, and what has to be remembered of it.
pub(super) struct Encoded<'a> {
    pub(super) payload: &'a [u8],
    pub(super) range: Range<Position>,
    pub(super) appended_at_ms: i64,
}

/// Why a segment could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// What was intact when it was opened is not any more.
    Damaged,
    Io(io::Error),
}

/// Why a batch was not appended. Either way nothing of it is to be trusted.
#[derive(Debug)]
pub(super) enum Refused {
    /// It was not written.
    Write(io::Error),
    /// It was written, and may or may not be on the disk.
    Sync(io::Error),
}

impl Segment {
    /// The files of a directory and the position that each begins with, in order.
    pub(super) fn list(dir: &Path) -> io::Result<Vec<(PathBuf, Position)>> {
        let mut found = Vec::new();
        for file in fs::read_dir(dir)? {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(SUFFIX));
            if let Some(first) = name.and_then(|name| name.parse().ok()) {
                found.push((path, first));
            }
        }
        found.sort_by_key(|(_, first)| *first);
        Ok(found)
    }

    /// Makes an empty file, whose name is on the disk when this returns.
    pub(super) fn create(dir: &Path, first: Position) -> io::Result<Segment> {
        let path = dir.join(format!("{first:020}{SUFFIX}"));
        let file = Arc::new(File::options().read(true).write(true).create_new(true).open(&path)?);
        let ready = File::open(dir).and_then(|dir| dir.sync_all()).and_then(|()| whole(&file).map_err(io_error));
        match ready {
            Ok(log) => {
                let runs = vec![Run { log, holds: Vec::new(), places: Vec::new() }];
                Ok(Segment { path, first, file, runs, octets: 0, filled: 0, grows: true, damaged: false })
            }
            Err(error) => {
                // At worst an empty file stays, which the next opening goes on with.
                let _ = fs::remove_file(path);
                Err(error)
            }
        }
    }

    /// Opens a file, and tells how many octets of a torn end were cut off; the zeros after them are none.
    pub(super) fn open(path: &Path, first: Position) -> io::Result<(Segment, u64)> {
        let file = Arc::new(File::options().read(true).write(true).open(path)?);
        let zeros = zeros_at_end(&file)?;
        let (logs, torn, mut damaged) = match whole(&file) {
            Ok(log) => {
                let torn = log.truncated_on_open().saturating_sub(zeros);
                (vec![log], torn, false)
            }
            Err(WalError::Corruption { .. }) => (intact(path, &file, first)?, 0, true),
            Err(error) => return Err(io_error(error)),
        };
        let mut runs = Vec::with_capacity(logs.len());
        for log in logs {
            let (run, understood) = Run::read(log).map_err(io_error)?;
            damaged |= !understood;
            runs.push(run);
        }
        // What is in the page cache of a process that was killed is now there for good.
        file.sync_data()?;
        let octets = file.metadata()?.len();
        let (path, filled, grows) = (path.to_owned(), octets, !damaged);
        Ok((Segment { path, first, file, runs, octets, filled, grows, damaged }, torn))
    }

    /// Opens it anew, because what was intact is not any more.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.cut_ahead()?;
        *self = Segment::open(&self.path, self.first)?.0;
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The size of its file, without zeros that are ahead.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    pub(super) fn grows(&self) -> bool {
        self.grows
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// The positions that it holds, in order.
    pub(super) fn holds(&self) -> impl Iterator<Item = &Range<Position>> {
        self.runs.iter().flat_map(|run| &run.holds)
    }

    /// The position after its last record; the one that it begins with, if it has none.
    pub(super) fn end(&self) -> Position {
        self.holds().last().map_or(self.first, |range| range.end)
    }

    /// About when the record at `from`, or the next one, was appended: at most [`MARK_EVERY`] octets too early.
    pub(super) fn appended_at_ms(&self, from: Position) -> Option<i64> {
        let run = self.runs.iter().find(|run| run.end() > from)?;
        run.place(from).map(|place| place.appended_at_ms)
    }

    /// Appends a batch, and returns when it is on the disk. Beyond `most` octets nothing is filled ahead.
    pub(super) fn append(&mut self, batch: Encoded<'_>, most: u64) -> Result<(), Refused> {
        self.fill(self.octets + FRAME + batch.payload.len() as u64, most);
        let run = self.runs.last_mut().expect("a segment that grows has one run");
        let lsn = run.log.append(batch.payload).map_err(|error| Refused::Write(io_error(error)))?;
        run.log.sync().map_err(|error| Refused::Sync(io_error(error)))?;
        self.octets = run.log.len();
        run.hold(lsn, batch.range, batch.appended_at_ms);
        Ok(())
    }

    /// Fills the file beyond a batch that will end there, if it will be the first one beyond what is filled. Where that cannot be done this
    /// file goes without.
    fn fill(&mut self, end: u64, most: u64) {
        let until = most.min(end + AHEAD);
        if end <= self.filled || until <= end {
            return;
        }
        let zeros = vec![0; usize::try_from(until - end).unwrap_or(0)];
        self.filled = match self.file.write_all_at(&zeros, end) {
            Ok(()) => until,
            Err(_) => {
                // What room there is, is the batch's. If that cannot be cut, the batch tells.
                let _ = self.file.set_len(self.octets);
                u64::MAX
            }
        };
    }

    /// Cuts off what is filled ahead, so that whoever opens the file does not have to.
    fn cut_ahead(&mut self) -> io::Result<()> {
        if self.grows && self.filled > self.octets {
            self.file.set_len(self.octets)?;
            self.filled = self.octets;
        }
        Ok(())
    }

    /// Cuts off what a failed append has left and takes no more.
    pub(super) fn seal(&mut self) -> io::Result<()> {
        self.grows = false;
        self.file.set_len(self.octets)?;
        let run = self.runs.last_mut().expect("a segment that grew has one run");
        run.log = stretch(&self.file, 0, self.octets).map_err(io_error)?;
        self.file.sync_data()
    }

    /// Adds to `out` what it holds from `from` on, until `out` has `max` entries.
    pub(super) fn read(&self, from: Position, max: usize, out: &mut Vec<Entry>) -> Result<(), Unread> {
        for run in self.runs.iter().filter(|run| run.end() > from) {
            let Some(place) = run.place(from) else { continue };
            let mut reached = 0;
            for record in run.log.iter_from(place.lsn).map_err(unread)? {
                if out.len() >= max {
                    return Ok(());
                }
                let record = record.map_err(unread)?;
                let Some(batch) = Batch::decode(record.data()) else { continue };
                out.extend(batch.entries(from).take(max - out.len()));
                reached = batch.end();
            }
            if reached < run.end() {
                return Err(Unread::Damaged);
            }
        }
        Ok(())
    }
}

impl Drop for Segment {
    /// Nothing is lost if it cannot be cut: who opens it next does it.
    fn drop(&mut self) {
        let _ = self.cut_ahead();
    }
}

/// How many zeros stand at the end of a file.
fn zeros_at_end(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let (mut begin, mut part) = (length, vec![0; 64 * 1024]);
    while begin > 0 {
        let size = begin.min(part.len() as u64);
        let octets = &mut part[..usize::try_from(size).unwrap_or(0)];
        file.read_exact_at(octets, begin - size)?;
        if let Some(last) = octets.iter().rposition(|octet| *octet != 0) {
            return Ok(length - (begin - size + last as u64 + 1));
        }
        begin -= size;
    }
    Ok(length)
}

fn unread(error: WalError) -> Unread {
    match error {
        WalError::Corruption { .. } => Unread::Damaged,
        error => Unread::Io(io_error(error)),
    }
}

impl Run {
    /// Reads a log through. `false`: a batch in it is none that we understand.
    fn read(log: Wal<Window>) -> wal_db::Result<(Run, bool)> {
        let mut understood = true;
        let mut run = Run { log, holds: Vec::new(), places: Vec::new() };
        let mut found = Vec::new();
        for record in run.log.iter()? {
            let record = record?;
            match Batch::decode(record.data()) {
                Some(batch) => found.push((record.lsn(), batch.first, batch.end(), batch.appended_at_ms)),
                None => understood = false,
            }
        }
        for (lsn, first, end, appended_at_ms) in found {
            run.hold(lsn, first..end, appended_at_ms);
        }
        Ok((run, understood))
    }

    fn hold(&mut self, lsn: Lsn, range: Range<Position>, appended_at_ms: i64) {
        if self.places.last().is_none_or(|last| lsn.get() - last.lsn.get() >= MARK_EVERY) {
            self.places.push(Place { position: range.start, lsn, appended_at_ms });
        }
        match self.holds.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.holds.push(range),
        }
    }

    fn end(&self) -> Position {
        self.holds.last().map_or(0, |range| range.end)
    }

    /// The last remembered place at or before `from`, or the first one.
    fn place(&self, from: Position) -> Option<Place> {
        let after = self.places.partition_point(|place| place.position <= from);
        self.places.get(after.saturating_sub(1)).copied()
    }
}

fn limits() -> WalConfig {
    let max = u32::try_from(MAX_BATCH_OCTETS).expect("it fits");
    WalConfig::new().with_max_record_size(max).with_open_policy(OpenPolicy::Strict)
}

fn whole(file: &Arc<File>) -> wal_db::Result<Wal<Window>> {
    Wal::with_store_and_config(Window::growing(Arc::clone(file)), limits())
}

fn stretch(file: &Arc<File>, start: u64, end: u64) -> wal_db::Result<Wal<Window>> {
    let config = limits().with_open_policy(OpenPolicy::TruncateTail);
    Wal::with_store_and_config(Window::stretch(Arc::clone(file), start, end), config)
}

/// The intact stretches of a damaged file. Where the damage ends is not known, so a batch is looked for at every octet.
fn intact(path: &Path, file: &Arc<File>, first: Position) -> io::Result<Vec<Wal<Window>>> {
    let octets = fs::read(path)?;
    let mut logs = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        let payload = octets.get(at + FRAME as usize..).unwrap_or_default();
        if !batch::may_begin(payload, first) {
            at += 1;
            continue;
        }
        let log = stretch(file, at as u64, octets.len() as u64).map_err(io_error)?;
        match usize::try_from(log.len()).unwrap_or(usize::MAX) {
            0 => at += 1,
            length => {
                at += length;
                logs.push(log);
            }
        }
    }
    Ok(logs)
}

pub(super) fn io_error(error: WalError) -> io::Error {
    match error {
        WalError::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}
