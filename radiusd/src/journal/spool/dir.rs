//! The spool's directory: whose it is, who owns it, and where damaged things go.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::SpoolError;

/// Makes the directory, for our eyes only: the records name people.
pub(super) fn make(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    File::open(dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?.sync_all()
}

/// The directory of what was set aside.
pub(super) fn damaged(dir: &Path) -> io::Result<PathBuf> {
    let damaged = dir.join("damaged");
    make(&damaged)?;
    Ok(damaged)
}

pub(super) fn set_aside(dir: &Path, file: &Path) -> io::Result<()> {
    let name = file.file_name().expect("it is a file of the spool");
    fs::rename(file, damaged(dir)?.join(name))
}

/// Takes the lock that one process has; it goes with the file, also when the process is killed.
pub(super) fn lock(dir: &Path) -> Result<File, SpoolError> {
    let failed = |source| SpoolError::Io { dir: dir.to_owned(), doing: "locking", source };
    let path = dir.join("lock");
    let file = File::options().write(true).create(true).truncate(false).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SpoolError::Owned { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
