//! How backups stand, in sentences: for the desk's page, and for `portal backup status`, which `./mlango doctor` asks too.
//!
//! Three questions: is there a backup of today, does WAL leave the machine, and was a backup ever restored? What is late or has
//! failed comes with what to do. The limits are here, and alerts should have the same.

use std::time::Duration;

use shared::language::Language;
use shared::time::OffsetDateTime;
use store::backup::{Archive, Kind, Newest, Run};
use store::{Db, StoreError};

use crate::views::amount;

/// A backup is made every day; two hours more, so that a slow one is no alarm.
const BACKUP_LATE: Duration = Duration::from_secs(26 * 3600);
/// What may be lost with the machine. A segment is archived every minute.
const ARCHIVE_LATE: Duration = Duration::from_secs(300);
/// A drill is made every week; a day more.
const DRILL_LATE: Duration = Duration::from_secs(8 * 86_400);

/// The answer to one question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    /// Whether it is as it should be.
    pub(crate) good: bool,
    /// In a sentence.
    pub(crate) text: String,
    /// What to do; empty: nothing.
    pub(crate) advice: &'static str,
}

fn good(text: String) -> Answer {
    Answer { good: true, text, advice: "" }
}

fn bad(text: String, advice: &'static str) -> Answer {
    Answer { good: false, text, advice }
}

/// Asks the database.
pub(crate) async fn ask(db: &Db, now: OffsetDateTime) -> Result<Vec<Answer>, StoreError> {
    let newest = store::backup::newest(db).await?;
    Ok(judge(&newest, store::backup::archive(db).await?, now))
}

/// The three answers.
pub(crate) fn judge(newest: &Newest, archive: Archive, now: OffsetDateTime) -> Vec<Answer> {
    vec![of_backups(newest, now), of_archive(archive, now), of_drills(newest, now)]
}

fn of_backups(newest: &Newest, now: OffsetDateTime) -> Answer {
    let failed = newest.tried().filter(|run| !run.ok);
    match (newest.backup(), failed) {
        (None, None) => bad(
            "No backup has been made.".into(),
            "Set them up as docs/operations/backups.md says: until then a broken disk takes everything with it.",
        ),
        (None, Some(run)) => bad(format!("No backup has gone well yet: {}", end(&run.detail)), TRY),
        (Some(last), Some(run)) => bad(
            format!(
                "The last backup that went well is {} old; the newest failed: {}",
                age(last, now),
                end(&run.detail)
            ),
            TRY,
        ),
        (Some(last), None) if since(last.ended_at, now) > BACKUP_LATE => bad(
            format!("The last backup is {} old.", age(last, now)),
            "Does mlango-backup.timer run? Its journal says what happened to it. Make one now: backup.bash daily",
        ),
        (Some(last), None) => good(format!("The last backup is {} old.", age(last, now))),
    }
}

/// What to do after a backup that failed.
const TRY: &str = "Put right what it says, and make one now: backup.bash daily";

fn of_archive(archive: Archive, now: OffsetDateTime) -> Answer {
    let fails = archive.failed_at > archive.archived_at;
    match archive.archived_at {
        _ if !archive.is_on => bad(
            "PostgreSQL archives no WAL: with the machine everything is lost that came after the last backup.".into(),
            "Put the lines that backup.bash settings prints into postgresql.conf, and restart PostgreSQL.",
        ),
        None => bad("No WAL has been archived yet.".into(), LOOK),
        Some(_) if fails => bad("WAL cannot be archived.".into(), LOOK),
        Some(at) if since(at, now) > ARCHIVE_LATE => {
            bad(format!("WAL was archived {} ago, and not since.", span(since(at, now))), LOOK)
        }
        Some(at) => good(format!("WAL was archived {} ago.", span(since(at, now)))),
    }
}

/// What to do when WAL does not leave the machine.
const LOOK: &str = "PostgreSQL's log says why. What is not archived stays on its disk until that is full; nothing is lost as long as the machine is not.";

fn of_drills(newest: &Newest, now: OffsetDateTime) -> Answer {
    match (newest.last(Kind::Drill), newest.good(Kind::Drill)) {
        (Some(last), _) if !last.ok => bad(
            format!("The last restore drill failed: {}", end(&last.detail)),
            "A backup that cannot be restored is none. Find out what it says, make a full backup, and try again: drill.bash",
        ),
        (_, None) => bad(
            "No backup has been restored yet, so nobody knows whether they are any good.".into(),
            "Try it: drill.bash, or systemctl start mlango-restore-drill",
        ),
        (_, Some(drill)) => {
            let lost = drill.would_have_lost().map(|lost| format!("; the last {} would have been lost", span(lost)));
            let text = format!(
                "A backup was restored {} ago, in {}{}.",
                age(drill, now),
                span(drill.took()),
                lost.unwrap_or_default()
            );
            match since(drill.ended_at, now) > DRILL_LATE {
                true => bad(text, "That is long ago. Does mlango-restore-drill.timer run? Try again: drill.bash"),
                false => good(text),
            }
        }
    }
}

fn since(at: OffsetDateTime, now: OffsetDateTime) -> Duration {
    Duration::try_from(now - at).unwrap_or_default()
}

fn age(run: &Run, now: OffsetDateTime) -> String {
    span(since(run.ended_at, now))
}

fn span(duration: Duration) -> String {
    amount::span(Language::English, duration)
}

/// A reason as the end of a sentence.
fn end(detail: &str) -> String {
    match detail.trim_end_matches(['.', ' ']) {
        "" => "it does not say why.".into(),
        reason => format!("{reason}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    const HOUR: u64 = 3600;
    const NOW: u64 = 100 * 86_400;

    fn run(kind: Kind, hours_ago: u64, ok: bool, detail: &str) -> Run {
        let started_at = at(NOW - hours_ago * HOUR);
        let (ended_at, recovery_point) = (started_at + Duration::from_secs(8), started_at - Duration::from_secs(57));
        let recovery_point = ok.then_some(recovery_point);
        Run { kind, started_at, ended_at, ok, size: None, recovery_point, detail: detail.into() }
    }

    fn archive(seconds_ago: u64) -> Archive {
        Archive { is_on: true, archived_at: Some(at(NOW - seconds_ago)), failed_at: None }
    }

    #[test]
    fn all_is_well() {
        let newest = Newest::of(vec![
            run(Kind::Full, 50, true, ""),
            run(Kind::Diff, 5, true, ""),
            run(Kind::Drill, 30, true, ""),
        ]);
        let answers = judge(&newest, archive(40), at(NOW));
        assert!(answers.iter().all(|answer| answer.good && answer.advice.is_empty()), "{answers:?}");
        assert!(
            answers.iter().any(|answer| answer.text.contains("the last 57 seconds would have been lost")),
            "{answers:?}"
        );
    }

    #[test]
    fn nothing_at_all_is_three_things_to_do() {
        let answers = judge(&Newest::default(), Archive::default(), at(NOW));
        assert!(answers.iter().all(|answer| !answer.good && !answer.advice.is_empty()), "{answers:?}");
    }

    #[test]
    fn what_is_late_or_has_failed_stands_out() {
        let table: [(Vec<Run>, &str); 5] = [
            (vec![run(Kind::Diff, 27, true, "")], "The last backup is 1 day 2 h old."),
            (
                vec![run(Kind::Diff, 5, true, ""), run(Kind::Diff, 1, false, "the disk is full")],
                "the newest failed: the disk is full.",
            ),
            (vec![run(Kind::Full, 1, false, "no key")], "No backup has gone well yet: no key."),
            (
                vec![run(Kind::Drill, 30, true, ""), run(Kind::Drill, 2, false, "")],
                "The last restore drill failed: it does not say why.",
            ),
            (vec![run(Kind::Drill, 9 * 24, true, "")], "A backup was restored 8 days 23 h ago"),
        ];
        for (runs, words) in table {
            let answers = judge(&Newest::of(runs), archive(40), at(NOW));
            let found = answers.iter().find(|answer| answer.text.contains(words));
            assert!(found.is_some_and(|answer| !answer.good), "{words}: {answers:?}");
        }
    }

    #[test]
    fn an_archive_that_stands_still_stands_out() {
        assert!(of_archive(archive(299), at(NOW)).good);
        assert!(!of_archive(archive(301), at(NOW)).good);
        let fails = Archive { failed_at: Some(at(NOW - 1)), ..archive(40) };
        assert_eq!(of_archive(fails, at(NOW)).text, "WAL cannot be archived.");
        let never = Archive { archived_at: None, ..archive(0) };
        assert_eq!(of_archive(never, at(NOW)).text, "No WAL has been archived yet.");
        let recovered = Archive { failed_at: Some(at(NOW - 90)), ..archive(40) };
        assert!(of_archive(recovered, at(NOW)).good);
    }
}
