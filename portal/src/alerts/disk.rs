//! How full the file systems are that this portal sees: its own, that of temporary files, and the spool's where radiusd runs beside it.
//!
//! What cannot be looked at is left out: a spool on another machine is that one's.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

/// A file system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Disk {
    /// A folder on it.
    pub(super) path: String,
    /// Hundredths of it that are free for programs such as this one.
    pub(super) free_percent: u32,
}

/// Looks at each file system once.
pub(super) async fn look(spool: Option<PathBuf>) -> Vec<Disk> {
    // A file system that has gone away may keep whoever asks waiting.
    tokio::task::spawn_blocking(move || of(spool.as_deref())).await.unwrap_or_default()
}

fn of(spool: Option<&Path>) -> Vec<Disk> {
    let temporary = std::env::temp_dir();
    let mut seen = BTreeSet::new();
    let folders = [Some(Path::new("/")), Some(temporary.as_path()), spool].into_iter().flatten();
    folders
        .filter(|folder| std::fs::metadata(folder).is_ok_and(|found| seen.insert(found.dev())))
        .filter_map(|folder| {
            let found = statvfs(folder).ok()?;
            let available = found.blocks_available();
            let used = found.blocks().saturating_sub(found.blocks_free());
            // Without what is kept for the administrator, as df has it. Pseudo file systems have no size.
            let whole = used.saturating_add(available);
            let hundredths = available.saturating_mul(100).checked_div(whole)?;
            Some(Disk { path: folder.display().to_string(), free_percent: u32::try_from(hundredths).unwrap_or(100) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_system_is_looked_at_once() {
        let disks = of(Some(&std::env::temp_dir()));
        assert!((1..=2).contains(&disks.len()), "{disks:?}");
        assert!(disks.iter().all(|disk| disk.free_percent <= 100), "{disks:?}");
        assert_eq!(of(Some(Path::new("/no/such/spool"))).len(), of(None).len());
    }
}
