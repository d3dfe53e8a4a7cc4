//! The spool: accounting records that are durable here until PostgreSQL has them.
//!
//! A directory of files to which only is added, each a log of the crate `wal-db`, which frames, checksums and
//! recovers; why that crate, and why a layer over it, stands in `docs/decisions/0012-spool.md`. The layer:
//!
//! ```text
//!  append ─▶ batch (encode) ─▶ segment (one file) ─▶ window (its octets) ─▶ wal-db: write, fsync
//!  read   ◀─ batch (decode) ◀─ segment
//!  forget ─▶ mark (a number, in place), then whole segments are deleted
//! ```
//!
//! * A batch is one record of the log, so it is there as a whole or not at all.
//! * Each record has a position, which only ever rises, and the time at which it was appended.
//! * The last file is filled with zeros ahead, as far as the cap allows: an fsync of what is written over takes half as long.
//! * After an fsync that failed nothing more is taken until the spool is opened again: the kernel may have dropped what
//!   it could not write, and a second fsync would say that all is well.
//! * What is damaged never hides what is not: a torn end is cut off, damage in the middle is stepped over, counted, and
//!   its file is set aside in `damaged/` instead of being deleted.
//! * A crash may bring records back that were forgotten, and never loses one that `append` returned for.
//!
//! All calls block. One thread owns a spool, and one process its directory. What it refuses to do: know what a record
//! means ([`super::record`] does), log, or decide when to replay.

mod batch;
mod dir;
mod error;
mod mark;
mod segment;
#[cfg(test)]
mod tests;
mod window;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use shared::time::OffsetDateTime;

pub(crate) use self::error::SpoolError;
use self::error::is_no_space;
use self::mark::Mark;
use self::segment::{Encoded, Refused, Segment, Unread};

/// Number of a record. The first is 0; none is used twice.
pub(crate) type Position = u64;

/// Longest batch: 256 records of the largest packet.
pub(crate) const MAX_BATCH_OCTETS: usize = 256 * 4096 + 64 * 1024;
/// Room that [`Spool::has_room`] asks for: 256 records of four times the usual size.
const ROOM: u64 = 256 * 1024;
/// Space is given back by whole segments. Small ones give it back early, large ones need fewer files.
const SEGMENT_OCTETS: std::ops::RangeInclusive<u64> = 64 * 1024..=16 * 1024 * 1024;
/// So many segments fill a spool.
const SEGMENTS: u64 = 16;
/// Most that is kept of records that could not be understood.
const MAX_SET_ASIDE_OCTETS: u64 = 64 * 1024 * 1024;

/// A spool, open.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
    cap: u64,
    segment_octets: u64,
    mark: Mark,
    /// Everything before it is done with.
    forgotten: Position,
    /// The position of the next record.
    next: Position,
    /// In the order of positions; only the last one grows.
    segments: VecDeque<Segment>,
    /// An fsync failed.
    broken: bool,
    /// The last append found no space on the disk.
    disk_full: bool,
    payload: Vec<u8>,
    /// Held for the lock on it.
    _lock: File,
}

/// A record that waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// Its number.
    pub(crate) position: Position,
    /// When it was appended, in Unix milliseconds.
    pub(crate) appended_at_ms: i64,
    /// What was appended.
    pub(crate) octets: Vec<u8>,
}

/// What opening a spool found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Found {
    /// Records that wait.
    pub(crate) records: u64,
    /// Octets of all files.
    pub(crate) octets: u64,
    /// Octets of a torn end that were cut off: a batch that was being appended at a crash and never acknowledged.
    pub(crate) torn_octets: u64,
    /// Records that are missing between those that wait: they were damaged.
    pub(crate) lost: Vec<Range<Position>>,
}

impl Spool {
    /// Opens the spool in `dir`, which is made if need be, to hold at most `cap` octets. Reads all of it once.
    pub(crate) fn open(dir: &Path, cap: u64) -> Result<(Spool, Found), SpoolError> {
        let failed = |doing| move |source| SpoolError::Io { dir: dir.to_owned(), doing, source };
        dir::make(dir).map_err(failed("making the directory"))?;
        let lock = dir::lock(dir)?;
        let (mark, known) = Mark::open(&dir.join("forgotten")).map_err(failed("opening the mark"))?;
        let mut found = Found::default();
        let mut segments = VecDeque::new();
        for (path, first) in Segment::list(dir).map_err(failed("listing the files"))? {
            let (segment, torn) = Segment::open(&path, first).map_err(failed("opening a file"))?;
            found.torn_octets += torn;
            if segment.is_damaged() && segment.holds().next().is_none() {
                dir::set_aside(dir, &path).map_err(failed("setting a file aside"))?;
            } else {
                segments.push_back(segment);
            }
        }
        // Without a mark, everything that is there waits.
        let forgotten = known.or(segments.front().and_then(|segment| Some(segment.holds().next()?.start))).unwrap_or(0);
        mark.set(forgotten).map_err(failed("writing the mark"))?;
        let next = segments.iter().map(Segment::end).fold(forgotten, Position::max);
        let segment_octets = (cap / SEGMENTS).clamp(*SEGMENT_OCTETS.start(), *SEGMENT_OCTETS.end());
        let mut spool = Spool {
            dir: dir.to_owned(),
            cap,
            segment_octets,
            mark,
            forgotten,
            next,
            segments,
            broken: false,
            disk_full: false,
            payload: Vec::new(),
            _lock: lock,
        };
        spool.release(Keep::Growing)?;
        found.records = spool.len();
        found.octets = spool.octets();
        found.lost = spool.gaps();
        Ok((spool, found))
    }

    /// Appends a batch, and returns its positions when all of it is on the disk. After an error none of it counts.
    pub(crate) fn append(
        &mut self,
        records: &[impl AsRef<[u8]>],
        now: OffsetDateTime,
    ) -> Result<Range<Position>, SpoolError> {
        let size = batch::size(records);
        if self.broken {
            return Err(SpoolError::Broken { dir: self.dir.clone() });
        }
        if size > MAX_BATCH_OCTETS {
            return Err(SpoolError::TooLong { octets: size });
        }
        let range = self.next..self.next + records.len() as u64;
        if records.is_empty() {
            return Ok(range);
        }
        self.make_room(size as u64 + segment::FRAME)?;
        let appended_at_ms = i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
        let mut payload = std::mem::take(&mut self.payload);
        batch::encode(&mut payload, range.start, appended_at_ms, records);
        let batch = || Encoded { payload: &payload, range: range.clone(), appended_at_ms };
        let result = match self.write(batch()) {
            // What is done with is still on the disk, and can go.
            Err(SpoolError::DiskFull { .. }) if self.len() == 0 => {
                self.release(Keep::Nothing).and_then(|()| self.write(batch()))
            }
            result => result,
        };
        self.payload = payload;
        self.disk_full = matches!(result, Err(SpoolError::DiskFull { .. }));
        result?;
        self.next = range.end;
        Ok(range)
    }

    /// Up to `max` of the oldest records from `from` on, in order. Some positions may be missing: see [`Found::lost`].
    pub(crate) fn read(&mut self, from: Position, max: usize) -> Result<Vec<Entry>, SpoolError> {
        let from = from.max(self.forgotten);
        let mut entries = Vec::new();
        for segment in &mut self.segments {
            let before = entries.len();
            let mut result = segment.read(from, max, &mut entries);
            if matches!(result, Err(Unread::Damaged)) {
                entries.truncate(before);
                result = segment.reopen().map_err(Unread::Io).and_then(|()| segment.read(from, max, &mut entries));
            }
            if let Err(error) = result {
                let source = match error {
                    Unread::Damaged => io::Error::other("the file changes while it is read"),
                    Unread::Io(source) => source,
                };
                return Err(self.failed("reading a file", source));
            }
            if entries.len() >= max {
                break;
            }
        }
        Ok(entries)
    }

    /// Every record before `before` is done with. Their space is given back by whole segments.
    ///
    /// An error leaves the records forgotten and some space not given back; the next call tries again.
    pub(crate) fn forget(&mut self, before: Position) -> Result<(), SpoolError> {
        self.forgotten = before.clamp(self.forgotten, self.next);
        self.mark.set(self.forgotten).map_err(|error| self.failed("writing the mark", error))?;
        self.release(Keep::Growing)
    }

    /// Keeps a record that nobody understands, and why, in `damaged/records.jsonl`, so that it can be forgotten here.
    pub(crate) fn set_aside(&mut self, entry: &Entry, why: &str) -> Result<(), SpoolError> {
        let write = || -> io::Result<()> {
            let mut file =
                File::options().create(true).append(true).open(dir::damaged(&self.dir)?.join("records.jsonl"))?;
            if file.metadata()?.len() > MAX_SET_ASIDE_OCTETS {
                return Err(io::Error::other("as much as may be is set aside already"));
            }
            let octets: String = entry.octets.iter().map(|octet| format!("{octet:02x}")).collect();
            let line = serde_json::json!({
                "position": entry.position, "appended_at_ms": entry.appended_at_ms, "why": why, "octets": octets
            });
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| self.failed("setting a record aside", error))
    }

    /// Whether it must be opened again, after an fsync that failed.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Records that wait.
    pub(crate) fn len(&self) -> u64 {
        self.waiting().map(|range| range.end - range.start).sum()
    }

    /// Octets of all files, which the cap bounds.
    pub(crate) fn octets(&self) -> u64 {
        self.segments.iter().map(Segment::octets).sum()
    }

    /// The most that the files may have.
    pub(crate) fn cap(&self) -> u64 {
        self.cap
    }

    /// The position of the oldest record that waits, or of the next one.
    pub(crate) fn start(&self) -> Position {
        self.waiting().next().map_or(self.next, |range| range.start)
    }

    /// About when the oldest record that waits was appended, in Unix milliseconds; a little early at most.
    pub(crate) fn oldest_ms(&self) -> Option<i64> {
        let start = self.waiting().next()?.start;
        self.segments.iter().find_map(|segment| segment.appended_at_ms(start))
    }

    /// Whether a usual batch would fit. After the disk was full it is `false` until an append or [`Spool::forget`]
    /// made room.
    pub(crate) fn has_room(&self) -> bool {
        let kept = if self.len() == 0 { 0 } else { self.octets() };
        !self.broken && !self.disk_full && kept + ROOM <= self.cap
    }

    fn waiting(&self) -> impl Iterator<Item = Range<Position>> {
        let holds = self.segments.iter().flat_map(Segment::holds);
        holds.map(|range| range.start.max(self.forgotten)..range.end).filter(|range| !range.is_empty())
    }

    /// What is missing between what is done with and what comes next.
    fn gaps(&self) -> Vec<Range<Position>> {
        let mut from = self.forgotten;
        let mut gaps = Vec::new();
        for range in self.waiting() {
            if range.start > from {
                gaps.push(from..range.start);
            }
            from = range.end;
        }
        gaps
    }

    fn make_room(&mut self, octets: u64) -> Result<(), SpoolError> {
        if self.octets() + octets > self.cap && self.len() == 0 {
            self.release(Keep::Nothing)?;
        }
        match self.octets() {
            held if held + octets > self.cap => Err(SpoolError::Full { octets: held, cap: self.cap }),
            _ => Ok(()),
        }
    }

    fn write(&mut self, batch: Encoded<'_>) -> Result<(), SpoolError> {
        let limit = self.segment_octets;
        if !self.segments.back().is_some_and(|last| last.grows() && last.octets() < limit) {
            let segment = Segment::create(&self.dir, self.next).map_err(|error| {
                self.broken = !is_no_space(&error);
                self.failed("making a file", error)
            })?;
            self.segments.push_back(segment);
        }
        let left = self.cap.saturating_sub(self.octets());
        let last = self.segments.back_mut().expect("it was made if there was none");
        let (doing, error) = match last.append(batch, limit.min(last.octets() + left)) {
            Ok(()) => return Ok(()),
            Err(Refused::Write(error)) => ("writing", error),
            Err(Refused::Sync(error)) => ("fsync", error),
        };
        // Half a batch must not be found later; if that cannot be helped, opening the spool cuts it off.
        let cut = last.seal();
        if last.octets() == 0 {
            // At worst a file without a batch stays, which the next opening goes on with.
            let _ = fs::remove_file(last.path());
            self.segments.pop_back();
        }
        self.broken = doing == "fsync" || cut.is_err() || !is_no_space(&error);
        Err(if self.broken { self.io_failed(doing, error) } else { self.failed(doing, error) })
    }

    /// Deletes the segments in which nothing waits.
    fn release(&mut self, keep: Keep) -> Result<(), SpoolError> {
        let mut synced = false;
        while let Some(segment) = self.segments.front() {
            let is_last = self.segments.len() == 1;
            let goes_on = is_last && segment.grows() && segment.octets() < self.segment_octets;
            if segment.end() > self.forgotten || goes_on && keep == Keep::Growing && segment.octets() > 0 {
                break;
            }
            if !synced {
                // Else a power loss could leave neither the records nor the word that they are done with.
                self.mark.set(self.forgotten).map_err(|error| self.failed("writing the mark", error))?;
                self.mark.sync().map_err(|error| self.failed("fsync of the mark", error))?;
                synced = true;
            }
            let removed = if segment.is_damaged() {
                dir::set_aside(&self.dir, segment.path())
            } else {
                fs::remove_file(segment.path())
            };
            removed.map_err(|error| self.failed("deleting a file", error))?;
            self.segments.pop_front();
            self.disk_full = false;
        }
        Ok(())
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> SpoolError {
        if is_no_space(&source) {
            return SpoolError::DiskFull { dir: self.dir.clone(), source };
        }
        self.io_failed(doing, source)
    }

    fn io_failed(&self, doing: &'static str, source: io::Error) -> SpoolError {
        SpoolError::Io { dir: self.dir.clone(), doing, source }
    }
}

/// Which segment stays although nothing in it waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// The one that takes the next batch: a new file costs two more fsyncs.
    Growing,
    Nothing,
}
