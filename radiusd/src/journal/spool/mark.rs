//! Up to where the spool's records are done with: one number in a file, overwritten in place.
//!
//! It is not fsynced each time. If a power loss takes the last change, records are replayed that were applied already,
//! which changes nothing; a mark that is torn is not believed, with the same effect. Writing in place needs no room, so
//! that a full disk can be emptied.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::Position;

/// The number, and the same with every bit turned over, so that half of a change is seen.
const LENGTH: usize = 16;

/// The open file.
#[derive(Debug)]
pub(super) struct Mark(File);

impl Mark {
    /// Opens or makes the file, and says where the mark stands; `None` if it says nothing that can be believed.
    pub(super) fn open(path: &Path) -> io::Result<(Mark, Option<Position>)> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let mark = Mark(file);
        let known = mark.get()?;
        if known.is_none() {
            // Takes its place on the disk while there is some.
            mark.set(0)?;
            mark.sync()?;
        }
        Ok((mark, known))
    }

    fn get(&self) -> io::Result<Option<Position>> {
        let mut octets = [0; LENGTH];
        match self.0.read_exact_at(&mut octets, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let number = u128::from_le_bytes(octets);
        let (position, check) = ((number & u128::from(u64::MAX)) as u64, (number >> 64) as u64);
        Ok((position == !check).then_some(position))
    }

    /// Moves the mark. It survives the end of the process, and a power loss only after [`Mark::sync`].
    pub(super) fn set(&self, position: Position) -> io::Result<()> {
        let number = u128::from(!position) << 64 | u128::from(position);
        self.0.write_all_at(&number.to_le_bytes(), 0)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
