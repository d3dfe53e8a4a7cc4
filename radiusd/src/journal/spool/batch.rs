//! One append, as it stands in the log: the unit that is there as a whole or not at all.
//!
//! ```text
//! version 1 │ first position 8 │ appended at, Unix ms 8 │ records 4 │ then for each: length 4 │ octets
//! ```
//!
//! All numbers are little-endian. The log's frame around it carries the checksum; what is checked here is that a
//! batch written by another version is not taken for one of ours.

use super::{Entry, Position};

/// The layout above.
const VERSION: u8 = 1;
/// Octets before the records.
const HEAD: usize = 1 + 8 + 8 + 4;

/// A batch that was read.
pub(super) struct Batch<'a> {
    /// Position of its first record.
    pub(super) first: Position,
    /// When it was appended, in Unix milliseconds.
    pub(super) appended_at_ms: i64,
    records: Vec<&'a [u8]>,
}

/// Writes a batch into `out`.
pub(super) fn encode(out: &mut Vec<u8>, first: Position, appended_at_ms: i64, records: &[impl AsRef<[u8]>]) {
    out.clear();
    out.push(VERSION);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&appended_at_ms.to_le_bytes());
    out.extend_from_slice(&length(records.len()).to_le_bytes());
    for record in records {
        out.extend_from_slice(&length(record.as_ref().len()).to_le_bytes());
        out.extend_from_slice(record.as_ref());
    }
}

/// Octets that these records take as a batch.
pub(super) fn size(records: &[impl AsRef<[u8]>]) -> usize {
    HEAD + records.iter().map(|record| 4 + record.as_ref().len()).sum::<usize>()
}

/// Whether a batch of ours could begin here, with a position of at least `at_least`: a cheap look before the checksum.
pub(super) fn may_begin(octets: &[u8], at_least: Position) -> bool {
    /// No segment holds as many records.
    const FAR: u64 = 1 << 40;
    let Some((first, _, _)) = head(octets) else { return false };
    (at_least..at_least.saturating_add(FAR)).contains(&first)
}

fn head(octets: &[u8]) -> Option<(Position, i64, u32)> {
    let octets = octets.strip_prefix(&[VERSION])?;
    let (first, octets) = octets.split_first_chunk()?;
    let (appended_at_ms, octets) = octets.split_first_chunk()?;
    let (count, _) = octets.split_first_chunk()?;
    Some((u64::from_le_bytes(*first), i64::from_le_bytes(*appended_at_ms), u32::from_le_bytes(*count)))
}

impl<'a> Batch<'a> {
    /// Reads a batch; `None` if it is of another version.
    pub(super) fn decode(octets: &'a [u8]) -> Option<Batch<'a>> {
        let (first, appended_at_ms, count) = head(octets)?;
        let mut rest = &octets[HEAD..];
        let mut records = Vec::with_capacity(rest.len().min(usize::try_from(count).ok()?.saturating_mul(4)) / 4);
        for _ in 0..count {
            let (length, after) = rest.split_first_chunk()?;
            let (record, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
            records.push(record);
            rest = after;
        }
        first.checked_add(u64::from(count))?;
        rest.is_empty().then_some(Batch { first, appended_at_ms, records })
    }

    /// The position after its last record.
    pub(super) fn end(&self) -> Position {
        self.first + self.records.len() as u64
    }

    /// Its records from `from` on.
    pub(super) fn entries(&self, from: Position) -> impl Iterator<Item = Entry> + '_ {
        (self.first..)
            .zip(&self.records)
            .filter(move |(position, _)| *position >= from)
            .map(|(position, octets)| Entry { position, appended_at_ms: self.appended_at_ms, octets: octets.to_vec() })
    }
}

/// A batch is at most [`super::MAX_BATCH_OCTETS`] long, which was checked before.
fn length(length: usize) -> u32 {
    u32::try_from(length).expect("a batch is far smaller than 4 GiB")
}
