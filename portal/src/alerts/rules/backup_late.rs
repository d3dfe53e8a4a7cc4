//! There is no backup of today, or WAL does not leave the machine: with the disk everything would be lost that came since.
//!
//! Where no backup was ever tried here none is missed: they may be made by other means, and the desk's page on backups says that none
//! is known.

use std::time::Duration;

use shared::alert::Rule;

use super::{Finding, since, span};
use crate::alerts::observe::Observed;

/// How long ago WAL may have been archived last: a segment is, every minute.
const ARCHIVE_LATE: Duration = Duration::from_secs(300);

pub(super) fn judge(observed: &Observed, rule: &Rule) -> Vec<Finding> {
    let finding = |subject: &str, title: String, lines: Vec<String>| Finding {
        subject: subject.into(),
        site: None,
        title,
        lines,
        raises: true,
    };
    let late = Duration::from_secs(u64::from(rule.threshold) * 3600);
    let (good, tried) = (observed.backups.backup(), observed.backups.tried());
    let age = good.map(|run| since(run.ended_at, observed.now));
    let failed = tried.filter(|run| !run.ok).map(|run| format!("the newest failed: {}", run.detail));
    let backup = match age {
        Some(age) if age > late => Some(format!("The last good backup is {} old", span(age))),
        None if tried.is_some() => Some("No backup has gone well yet".to_owned()),
        _ => None,
    };
    let backup = backup.map(|title| finding("backup", title, failed.into_iter().collect()));
    let archive = observed.archive;
    let wal = match archive.archived_at {
        _ if !archive.is_on => None,
        Some(at) if since(at, observed.now) > ARCHIVE_LATE => {
            Some(format!("WAL was archived {} ago, and not since", span(since(at, observed.now))))
        }
        None if archive.failed_at.is_some() => Some("WAL cannot be archived".to_owned()),
        _ => None,
    };
    backup.into_iter().chain(wal.map(|title| finding("wal", title, Vec::new()))).collect()
}

#[cfg(test)]
mod tests {
    use shared::alert::Kind;
    use store::backup::{self, Archive, Newest, Run};

    use super::super::tests::found;
    use super::*;
    use crate::alerts::observe::tests::{at, quiet};

    fn run(hours: i64, ok: bool) -> Run {
        Run {
            kind: backup::Kind::Full,
            started_at: at(-hours * 3600 - 60),
            ended_at: at(-hours * 3600),
            ok,
            size: None,
            recovery_point: None,
            detail: "no room".into(),
        }
    }

    #[test]
    fn a_backup_is_late_when_the_last_good_one_is_old() {
        let rule = Rule::of(Kind::BackupLate);
        for (runs, expected) in [
            (vec![], 0),
            (vec![run(26, true)], 0),
            (vec![run(27, true)], 1),
            (vec![run(1, false)], 1),
            (vec![run(2, true), run(1, false)], 0),
        ] {
            let observed = Observed { backups: Newest::of(runs.clone()), ..quiet() };
            assert_eq!(judge(&observed, &rule).len(), expected, "{runs:?}");
        }
    }

    #[test]
    fn wal_that_stays_here_counts_where_it_should_leave() {
        let rule = Rule::of(Kind::BackupLate);
        for (is_on, archived, failed, expected) in [
            (false, None, Some(-10), vec![]),
            (true, None, None, vec![]),
            (true, None, Some(-10), vec![("wal", true)]),
            (true, Some(-60), Some(-10), vec![]),
            (true, Some(-301), None, vec![("wal", true)]),
        ] {
            let archive = Archive { is_on, archived_at: archived.map(at), failed_at: failed.map(at) };
            let observed = Observed { archive, ..quiet() };
            assert_eq!(found(&judge(&observed, &rule)), expected, "{archive:?}");
        }
    }
}
