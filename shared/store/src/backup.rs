//! Backups: what was made and restored, how far the archive of WAL has come, and the pulse by which that is measured.
//!
//! The scripts under `deploy/backup` do the work and [`report`] each run; the newest ones ([`newest`]) become metrics, and the desk
//! [`list`]s them. What PostgreSQL archives it counts itself ([`archive`]). [`pulse`] writes one row every minute, so that there is
//! WAL on the quietest day: what a restored database has of it says how much was lost.
//!
//! What a restored database must hold is [`crate::drill`]'s.

use std::time::Duration;

use shared::rng;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::package::whole_seconds;
use crate::{Db, Result, StoreError};

/// How often the pulse beats. `archive_timeout` is as long, so that each beat is archived with the next one at the latest.
const PULSE: Duration = Duration::from_secs(60);
/// Longest text that is kept of a run.
const DETAIL_MAX: usize = 2000;

/// What a run did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A backup of everything.
    Full,
    /// A backup of what has changed since the last full one.
    Diff,
    /// A backup of what has changed since the last one of any kind.
    Incr,
    /// A backup was restored into a scratch cluster and examined.
    Drill,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Full, Kind::Diff, Kind::Incr, Kind::Drill];

    /// The spelling in the database, in metrics and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Full => "full",
            Kind::Diff => "diff",
            Kind::Incr => "incr",
            Kind::Drill => "drill",
        }
    }

    /// The kind of that spelling.
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One run, good or bad.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Run {
    /// What it did.
    pub kind: Kind,
    /// When it began.
    pub started_at: OffsetDateTime,
    /// When it was over.
    pub ended_at: OffsetDateTime,
    /// Whether it went well.
    pub ok: bool,
    /// What it takes in the repository, octets.
    pub size: Option<u64>,
    /// Of a drill: how new the newest thing was that came back.
    pub recovery_point: Option<OffsetDateTime>,
    /// What was made or found, or why it failed.
    pub detail: String,
}

impl Run {
    /// How long it took.
    pub fn took(&self) -> Duration {
        Duration::try_from(self.ended_at - self.started_at).unwrap_or_default()
    }

    /// Of a drill: how much would have been lost if the machine had been lost when it began.
    pub fn would_have_lost(&self) -> Option<Duration> {
        Some(Duration::try_from(self.started_at - self.recovery_point?).unwrap_or_default())
    }
}

/// Writes a run down.
///
/// # Errors
/// [`StoreError::Conflict`]: it ended before it began.
pub async fn report(db: &Db, run: &Run, now: OffsetDateTime) -> Result<()> {
    if run.ended_at < run.started_at {
        return Err(StoreError::Conflict("a run cannot end before it began".into()));
    }
    let detail: String = run.detail.chars().filter(|c| !c.is_control()).take(DETAIL_MAX).collect();
    sqlx::query!(
        "INSERT INTO backup_runs (id, kind, started_at, ended_at, ok, size_bytes, recovery_point, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        rng::id(now),
        run.kind.as_str(),
        run.started_at,
        run.ended_at,
        run.ok,
        run.size.map(|size| i64::try_from(size).unwrap_or(i64::MAX)),
        run.recovery_point,
        detail
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// A row as it comes.
struct Row {
    id: Uuid,
    kind: String,
    started_at: OffsetDateTime,
    ended_at: OffsetDateTime,
    ok: bool,
    size_bytes: Option<i64>,
    recovery_point: Option<OffsetDateTime>,
    detail: String,
}

impl Row {
    fn run(self) -> Result<Run> {
        Ok(Run {
            kind: Kind::parse(&self.kind)
                .ok_or_else(|| StoreError::corrupt("backup_runs", self.id, "its kind is not known"))?,
            started_at: self.started_at,
            ended_at: self.ended_at,
            ok: self.ok,
            size: self.size_bytes.and_then(|size| u64::try_from(size).ok()),
            recovery_point: self.recovery_point,
            detail: self.detail,
        })
    }
}

/// The last runs, the newest first.
pub async fn list(db: &Db, limit: u32) -> Result<Vec<Run>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, kind, started_at, ended_at, ok, size_bytes, recovery_point, detail FROM backup_runs
         ORDER BY started_at DESC, id LIMIT $1",
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter().map(Row::run).collect()
}

/// Of each kind the newest run that went well and the newest that did not.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Newest(Vec<Run>);

impl Newest {
    /// Of these runs. Each kind shall come at most once for each outcome.
    pub fn of(runs: Vec<Run>) -> Newest {
        Newest(runs)
    }

    /// The newest one of a kind that went well.
    pub fn good(&self, kind: Kind) -> Option<&Run> {
        self.0.iter().find(|run| run.kind == kind && run.ok)
    }

    /// The newest one of a kind, however it went.
    pub fn last(&self, kind: Kind) -> Option<&Run> {
        self.0.iter().filter(|run| run.kind == kind).max_by_key(|run| run.started_at)
    }

    /// The newest backup that went well, of whatever kind.
    pub fn backup(&self) -> Option<&Run> {
        let backups = self.0.iter().filter(|run| run.kind != Kind::Drill && run.ok);
        backups.max_by_key(|run| run.started_at)
    }

    /// The newest try to make a backup, however it went.
    pub fn tried(&self) -> Option<&Run> {
        self.0.iter().filter(|run| run.kind != Kind::Drill).max_by_key(|run| run.started_at)
    }
}

/// The newest runs.
pub async fn newest(db: &Db) -> Result<Newest> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT DISTINCT ON (kind, ok) id, kind, started_at, ended_at, ok, size_bytes, recovery_point, detail FROM backup_runs
         ORDER BY kind, ok, started_at DESC"
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(Newest(rows.into_iter().map(Row::run).collect::<Result<_>>()?))
}

/// How far the archive of WAL has come, as PostgreSQL counts it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Archive {
    /// Whether anything is archived at all.
    pub is_on: bool,
    /// When the last segment was.
    pub archived_at: Option<OffsetDateTime>,
    /// When one could not be, last.
    pub failed_at: Option<OffsetDateTime>,
}

/// Asks PostgreSQL.
pub async fn archive(db: &Db) -> Result<Archive> {
    let row = sqlx::query!(
        r#"SELECT current_setting('archive_mode') <> 'off' AS "is_on!", last_archived_time AS "archived_at?",
                  last_failed_time AS "failed_at?" FROM pg_stat_archiver"#
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(Archive { is_on: row.is_on, archived_at: row.archived_at, failed_at: row.failed_at })
}

/// Beats, if nobody has within the last minute: several portals share the one row.
pub async fn pulse(db: &Db, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE backup_pulse SET at = $1 WHERE at <= $1::timestamptz - $2::bigint * interval '1 second'",
        now,
        whole_seconds(PULSE)
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: Kind, at: i64, ok: bool) -> Run {
        let moment = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("in range");
        Run {
            kind,
            started_at: moment(at),
            ended_at: moment(at + 90),
            ok,
            size: None,
            recovery_point: ok.then(|| moment(at - 40)),
            detail: String::new(),
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        assert!(Kind::ALL.iter().all(|kind| Kind::parse(kind.as_str()) == Some(*kind)));
        assert_eq!(Kind::parse("wal"), None);
    }

    #[test]
    fn a_failure_does_not_hide_what_went_well_before() {
        let newest =
            Newest::of(vec![run(Kind::Full, 100, true), run(Kind::Diff, 900, false), run(Kind::Diff, 500, true)]);
        assert_eq!(newest.backup().map(|run| run.started_at.unix_timestamp()), Some(500));
        assert_eq!(newest.tried().map(|run| (run.kind, run.ok)), Some((Kind::Diff, false)));
        assert_eq!(newest.last(Kind::Diff).map(|run| run.ok), Some(false));
        assert!(newest.good(Kind::Full).is_some() && newest.last(Kind::Drill).is_none());
    }

    #[test]
    fn a_drill_tells_what_it_took_and_what_would_have_been_lost() {
        let drill = run(Kind::Drill, 1000, true);
        assert_eq!(drill.took(), Duration::from_secs(90));
        assert_eq!(drill.would_have_lost(), Some(Duration::from_secs(40)));
        assert_eq!(run(Kind::Drill, 1000, false).would_have_lost(), None);
    }
}
