//! How full the file systems are that portals see: each its own, that of temporary files, and the spool's where radiusd runs beside it.
//!
//! One portal at a time judges, and may stand on another machine than a disk that is full. So each [`note`]s what it sees, as
//! often as one judges, and whoever judges reads all of it ([`known`]). A disk is known by the name of its machine: two machines have a `/` each.
//!
//! What cannot be looked at is left out: a spool on another machine is that one's.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use nix::unistd::gethostname;
use shared::time::OffsetDateTime;
use store::StoreError;
use store::alert::facts;

use crate::App;

/// Under what it is kept.
const LEVELS: &str = "disk_free_percent";
/// For how long it is known what a portal saw that has stopped, or cannot write any more.
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// Longest name of a machine, in characters: Linux takes no longer ones.
const HOST_LIMIT: usize = 64;
/// Longest name of a folder that is told.
const PATH_LIMIT: usize = 120;

/// A file system.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Disk {
    /// The machine that sees it, by its name.
    pub(super) host: String,
    /// A folder on it.
    pub(super) path: String,
    /// Hundredths of it that are free for programs such as this one.
    pub(super) free_percent: u32,
}

impl Disk {
    /// By this it is known.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host, self.path)
    }

    fn read(name: &str, free: u64) -> Option<Disk> {
        let (host, path) = name.split_once(':')?;
        Some(Disk { host: host.into(), path: path.into(), free_percent: u32::try_from(free).unwrap_or(100).min(100) })
    }
}

/// Looks at each file system that this portal sees, and tells those who judge.
pub(super) async fn note(app: &App, now: OffsetDateTime) -> Result<(), StoreError> {
    let spool = app.config.accounting.spool.clone();
    // A file system that has gone away may keep whoever asks waiting.
    let disks = tokio::task::spawn_blocking(move || of(&host(), spool.as_deref())).await.unwrap_or_default();
    let levels: BTreeMap<String, u64> = disks.iter().map(|disk| (disk.name(), u64::from(disk.free_percent))).collect();
    facts::note_levels(&app.db, LEVELS, now, &levels).await
}

/// What all portals have seen lately.
pub(super) async fn known(app: &App, now: OffsetDateTime) -> Result<Vec<Disk>, StoreError> {
    let levels = facts::levels(&app.db, LEVELS, now - KNOWN_FOR).await?;
    Ok(levels.iter().filter_map(|(name, free)| Disk::read(name, *free)).collect())
}

/// This machine's name. In a container it is the container's.
fn host() -> String {
    let name = gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    plain(&name)
}

/// A name in which nothing ends it.
fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' };
    let name: String = name.chars().take(HOST_LIMIT).map(plain).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

fn of(host: &str, spool: Option<&Path>) -> Vec<Disk> {
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
            Some(Disk {
                host: host.to_owned(),
                path: folder.display().to_string().chars().take(PATH_LIMIT).collect(),
                free_percent: u32::try_from(hundredths).unwrap_or(100),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_system_is_looked_at_once() {
        let disks = of("cafe", Some(&std::env::temp_dir()));
        assert!((1..=2).contains(&disks.len()), "{disks:?}");
        assert!(disks.iter().all(|disk| disk.free_percent <= 100 && disk.host == "cafe"), "{disks:?}");
        assert_eq!(of("cafe", Some(Path::new("/no/such/spool"))).len(), of("cafe", None).len());
    }

    #[test]
    fn a_disk_is_read_as_it_is_named() {
        let disk = Disk { host: plain("ca:fé 1"), path: "/a:b".into(), free_percent: 7 };
        assert_eq!(disk.name(), "ca-f--1:/a:b");
        assert_eq!(Disk::read(&disk.name(), 7), Some(disk));
        assert_eq!((Disk::read("/", 7), plain("")), (None, "localhost".to_owned()));
        let name = Disk { host: plain(&"x".repeat(300)), path: "/".repeat(PATH_LIMIT), free_percent: 0 }.name();
        assert!(name.chars().count() <= 200, "the subject of an alert");
        assert!(!host().contains(':'));
    }
}
