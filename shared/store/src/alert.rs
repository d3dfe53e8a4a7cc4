//! Alerts: what is wrong, who minds it, and who is told.
//!
//! A round of looking is one [`Turn`]: a portal [`take_turn`]s, judges what the [`facts`] say, and [`apply`]s all that follows in one
//! transaction, together with the messages for people ([`outbox`]). Who has lost the turn meanwhile changes nothing, so no cause is told
//! twice, however many portals look. The rules that an operator has changed are [`rules`]'.
//!
//! One cause is one open row; a person [`acknowledge`]s it, and it is over when its cause is. Whether that is so is not decided here.

pub mod facts;
pub mod outbox;
pub mod rules;

use std::time::Duration;

use serde_json::{Value, json};
use shared::alert::{Kind, Severity};
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use self::facts::Site;
use self::outbox::{NewMessage, What};
use crate::admin::Author;
use crate::{Db, Result, StoreError};

/// Most alerts that are looked at in one round, and listed on one page.
const MOST: i64 = 500;

/// Where an alert stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Nobody minds it yet.
    Open,
    /// Somebody does.
    Acknowledged,
    /// Its cause is gone.
    Resolved,
}

impl State {
    /// All of them.
    pub const ALL: [State; 3] = [State::Open, State::Acknowledged, State::Resolved];

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Acknowledged => "acknowledged",
            State::Resolved => "resolved",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// An alert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alert {
    /// Its identity.
    pub id: Uuid,
    /// Which rule.
    pub kind: Kind,
    /// What it is about, within the kind.
    pub subject: String,
    /// Where, if it is about a place.
    pub site: Option<Uuid>,
    /// In a sentence.
    pub title: String,
    /// More, a line each.
    pub lines: Vec<String>,
    /// How grave.
    pub severity: Severity,
    /// Where it stands.
    pub state: State,
    /// How often it was raised.
    pub count: u32,
    /// When it was seen first.
    pub first_seen_at: OffsetDateTime,
    /// When it was seen last.
    pub last_seen_at: OffsetDateTime,
    /// When it was raised last.
    pub opened_at: OffsetDateTime,
    /// When people were told of that.
    pub told_at: Option<OffsetDateTime>,
    /// Since when its cause is gone.
    pub clear_since: Option<OffsetDateTime>,
    /// Who minds it, and since when.
    pub acknowledged: Option<(String, OffsetDateTime)>,
    /// What they wrote.
    pub note: String,
    /// When the owners were told that nobody minds it.
    pub escalated_at: Option<OffsetDateTime>,
    /// When it was over.
    pub resolved_at: Option<OffsetDateTime>,
}

/// As the table has it.
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) site_id: Option<Uuid>,
    pub(crate) title: String,
    pub(crate) detail: Value,
    pub(crate) severity: String,
    pub(crate) state: String,
    pub(crate) count: i32,
    pub(crate) first_seen_at: OffsetDateTime,
    pub(crate) last_seen_at: OffsetDateTime,
    pub(crate) opened_at: OffsetDateTime,
    pub(crate) told_at: Option<OffsetDateTime>,
    pub(crate) clear_since: Option<OffsetDateTime>,
    pub(crate) acknowledged_at: Option<OffsetDateTime>,
    pub(crate) acknowledged_by: Option<String>,
    pub(crate) note: String,
    pub(crate) escalated_at: Option<OffsetDateTime>,
    pub(crate) resolved_at: Option<OffsetDateTime>,
}

impl Row {
    /// `None`: of a kind that this program does not know, which is a newer one's business.
    fn alert(self) -> Result<Option<Alert>> {
        let Some(kind) = Kind::parse(&self.kind) else { return Ok(None) };
        let corrupt = |problem: &str| StoreError::corrupt("alerts", self.id, problem);
        Ok(Some(Alert {
            kind,
            lines: lines(&self.detail),
            severity: Severity::parse(&self.severity).ok_or_else(|| corrupt("unknown severity"))?,
            state: State::parse(&self.state).ok_or_else(|| corrupt("unknown state"))?,
            count: u32::try_from(self.count).map_err(|error| StoreError::corrupt("alerts", self.id, error))?,
            acknowledged: self.acknowledged_by.zip(self.acknowledged_at),
            id: self.id,
            subject: self.subject,
            site: self.site_id,
            title: self.title,
            first_seen_at: self.first_seen_at,
            last_seen_at: self.last_seen_at,
            opened_at: self.opened_at,
            told_at: self.told_at,
            clear_since: self.clear_since,
            note: self.note,
            escalated_at: self.escalated_at,
            resolved_at: self.resolved_at,
        }))
    }
}

/// What a detail says, a line each.
pub(crate) fn lines(detail: &Value) -> Vec<String> {
    let lines = detail.get("lines").and_then(Value::as_array);
    lines.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Those of kinds that this program knows.
pub(crate) fn known(rows: Vec<Row>) -> Result<Vec<Alert>> {
    rows.into_iter().filter_map(|row| row.alert().transpose()).collect()
}

/// A portal's turn to look.
#[derive(Clone, PartialEq, Debug)]
pub struct Turn {
    /// By this it is known until the next one begins.
    pub holder: Uuid,
    /// What the turn before wanted to be remembered.
    pub memory: Value,
}

/// Takes the turn, if it is free; it is again after `lease`.
pub async fn take_turn(db: &Db, now: OffsetDateTime, lease: Duration) -> Result<Option<Turn>> {
    let holder = rng::id(now);
    let memory = sqlx::query_scalar!(
        "UPDATE alert_watch SET holder = $1, lease_until = $3 WHERE lease_until <= $2 RETURNING memory",
        holder,
        now,
        now + lease
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(memory.map(|memory| Turn { holder, memory }))
}

/// What is not over, and what was over after `since`: the newest last.
pub async fn present(db: &Db, since: OffsetDateTime) -> Result<Vec<Alert>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, kind, subject, site_id, title, detail, severity, state, count, first_seen_at, last_seen_at, opened_at, told_at,
                clear_since, acknowledged_at, acknowledged_by, note, escalated_at, resolved_at
         FROM alerts WHERE state <> 'resolved' OR (state = 'resolved' AND resolved_at > $1) ORDER BY opened_at, id LIMIT $2",
        since,
        MOST
    )
    .fetch_all(&db.pool)
    .await?;
    known(rows)
}

/// Those that stand there, the last seen first.
pub async fn list(db: &Db, state: State, limit: u32) -> Result<Vec<Alert>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, kind, subject, site_id, title, detail, severity, state, count, first_seen_at, last_seen_at, opened_at, told_at,
                clear_since, acknowledged_at, acknowledged_by, note, escalated_at, resolved_at
         FROM alerts WHERE state = $1 ORDER BY last_seen_at DESC, id LIMIT $2",
        state.as_str(),
        i64::from(limit).min(MOST)
    )
    .fetch_all(&db.pool)
    .await?;
    known(rows)
}

/// One alert.
pub async fn get(db: &Db, id: Uuid) -> Result<Alert> {
    let row = sqlx::query_as!(
        Row,
        "SELECT id, kind, subject, site_id, title, detail, severity, state, count, first_seen_at, last_seen_at, opened_at, told_at,
                clear_since, acknowledged_at, acknowledged_by, note, escalated_at, resolved_at
         FROM alerts WHERE id = $1",
        id
    )
    .fetch_optional(&db.pool)
    .await?;
    row.map(Row::alert).transpose()?.flatten().ok_or_else(|| StoreError::missing("alert", id))
}

/// Somebody minds it: the owners need not be told, and what was not sent yet is not sent any more.
///
/// # Errors
/// [`StoreError::Conflict`]: somebody else does, or it is over.
pub async fn acknowledge(db: &Db, id: Uuid, by: impl Into<Author<'_>>, note: &str, now: OffsetDateTime) -> Result<()> {
    let by: Author<'_> = by.into();
    let mut tx = db.pool.begin().await?;
    let done = sqlx::query!(
        "UPDATE alerts SET state = 'acknowledged', acknowledged_at = $2, acknowledged_by = $3, note = $4 WHERE id = $1 AND state = 'open'",
        id,
        now,
        by.name,
        note
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if done == 0 {
        // Its connection is given back before another one is asked for.
        tx.rollback().await?;
        return match get(db, id).await?.acknowledged {
            Some((other, _)) => Err(StoreError::Conflict(format!("this alert is minded by {other} already"))),
            None => Err(StoreError::Conflict("this alert is over".into())),
        };
    }
    outbox::skip(&mut tx, id, "somebody minds it", now).await?;
    by.note(&mut tx, now).await?;
    tx.commit().await?;
    Ok(())
}

/// What a round has seen of a cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Where.
    pub site: Option<Site>,
    /// In a sentence.
    pub title: String,
    /// More, a line each.
    pub lines: Vec<String>,
    /// How grave.
    pub severity: Severity,
}

/// What follows from a round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A cause that was not there.
    Open {
        /// The new alert's identity.
        id: Uuid,
        /// Which rule.
        kind: Kind,
        /// What it is about.
        subject: String,
        /// What was seen.
        seen: Seen,
    },
    /// One that was over and is back.
    Reopen {
        /// Which.
        id: Uuid,
        /// What was seen.
        seen: Seen,
    },
    /// It goes on.
    Seen {
        /// Which.
        id: Uuid,
        /// What was seen.
        seen: Seen,
    },
    /// Its cause is gone since now.
    Clearing(Uuid),
    /// It is over.
    Resolve {
        /// Which.
        id: Uuid,
        /// Until when it is worth saying so.
        good_until: OffsetDateTime,
    },
    /// People are told that it was raised.
    Tell {
        /// Which.
        id: Uuid,
        /// Whom.
        messages: Vec<NewMessage>,
    },
    /// Owners are told that nobody minds it.
    Escalate {
        /// Which.
        id: Uuid,
        /// Whom.
        messages: Vec<NewMessage>,
    },
}

/// Writes down what follows from a round, all or nothing, and what the next one must remember. Returns the kinds of what was raised;
/// `None`: the turn was lost, and nothing was written.
pub async fn apply(
    db: &Db,
    holder: Uuid,
    changes: &[Change],
    memory: &Value,
    now: OffsetDateTime,
) -> Result<Option<Vec<Kind>>> {
    let mut tx = db.pool.begin().await?;
    let held = sqlx::query!("UPDATE alert_watch SET memory = $2 WHERE holder = $1", holder, memory)
        .execute(&mut *tx)
        .await?
        .rows_affected();
    if held == 0 {
        return Ok(None);
    }
    let mut raised = Vec::new();
    for change in changes {
        raised.extend(make(&mut tx, change, now).await?);
    }
    tx.commit().await?;
    Ok(Some(raised))
}

/// Makes one change. Returns the kind of an alert that it has raised. What a person has changed meanwhile stays so.
async fn make(tx: &mut PgConnection, change: &Change, now: OffsetDateTime) -> Result<Option<Kind>> {
    match change {
        Change::Open { id, kind, subject, seen } => {
            let new = open(tx, (*id, *kind, subject), seen, now).await?;
            Ok(new.then_some(*kind))
        }
        Change::Reopen { id, seen } => reopen(tx, *id, seen, now).await,
        Change::Seen { id, seen } => {
            sqlx::query!(
                "UPDATE alerts SET last_seen_at = $2, clear_since = NULL, title = $3, detail = $4, severity = $5
                 WHERE id = $1 AND state <> 'resolved'",
                *id,
                now,
                seen.title,
                json!({ "lines": seen.lines }),
                seen.severity.as_str()
            )
            .execute(tx)
            .await?;
            Ok(None)
        }
        Change::Clearing(id) => {
            sqlx::query!("UPDATE alerts SET clear_since = $2 WHERE id = $1 AND clear_since IS NULL", *id, now)
                .execute(tx)
                .await?;
            Ok(None)
        }
        Change::Resolve { id, good_until } => {
            resolve(tx, *id, *good_until, now).await?;
            Ok(None)
        }
        Change::Tell { id, messages } => {
            let opening = sqlx::query_scalar!(
                "UPDATE alerts SET told_at = $2 WHERE id = $1 AND state = 'open' AND told_at IS NULL RETURNING count",
                *id,
                now
            )
            .fetch_optional(&mut *tx)
            .await?;
            if let Some(opening) = opening {
                outbox::write(tx, *id, opening, What::Raised, messages, now).await?;
            }
            Ok(None)
        }
        Change::Escalate { id, messages } => {
            let opening = sqlx::query_scalar!(
                "UPDATE alerts SET escalated_at = $2 WHERE id = $1 AND state = 'open' AND escalated_at IS NULL RETURNING count",
                *id,
                now
            )
            .fetch_optional(&mut *tx)
            .await?;
            if let Some(opening) = opening {
                outbox::write(tx, *id, opening, What::Escalated, messages, now).await?;
            }
            Ok(None)
        }
    }
}

/// Returns whether it is new.
async fn open(
    tx: &mut PgConnection,
    (id, kind, subject): (Uuid, Kind, &str),
    seen: &Seen,
    now: OffsetDateTime,
) -> Result<bool> {
    let made = sqlx::query!(
        "INSERT INTO alerts (id, kind, subject, site_id, title, detail, severity, first_seen_at, last_seen_at, opened_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8) ON CONFLICT (kind, subject) WHERE state <> 'resolved' DO NOTHING",
        id,
        kind.as_str(),
        subject,
        seen.site.as_ref().map(|site| site.id),
        seen.title,
        json!({ "lines": seen.lines }),
        seen.severity.as_str(),
        now
    )
    .execute(tx)
    .await?
    .rows_affected();
    Ok(made == 1)
}

async fn reopen(tx: &mut PgConnection, id: Uuid, seen: &Seen, now: OffsetDateTime) -> Result<Option<Kind>> {
    let kind = sqlx::query_scalar!(
        "UPDATE alerts a SET state = 'open', count = count + 1, last_seen_at = $2, opened_at = $2, told_at = NULL, clear_since = NULL,
             acknowledged_at = NULL, acknowledged_by = NULL, escalated_at = NULL, resolved_at = NULL, title = $3, detail = $4, severity = $5
         WHERE a.id = $1 AND a.state = 'resolved'
           AND NOT EXISTS (SELECT FROM alerts o WHERE o.kind = a.kind AND o.subject = a.subject AND o.state <> 'resolved')
         RETURNING kind",
        id,
        now,
        seen.title,
        json!({ "lines": seen.lines }),
        seen.severity.as_str()
    )
    .fetch_optional(tx)
    .await?;
    Ok(kind.and_then(|kind| Kind::parse(&kind)))
}

async fn resolve(tx: &mut PgConnection, id: Uuid, good_until: OffsetDateTime, now: OffsetDateTime) -> Result<()> {
    let opening = sqlx::query_scalar!(
        "UPDATE alerts SET state = 'resolved', resolved_at = $2, clear_since = NULL WHERE id = $1 AND state <> 'resolved' RETURNING count",
        id,
        now
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(opening) = opening {
        outbox::skip(tx, id, "it was over before", now).await?;
        outbox::write_over(tx, id, opening, good_until, now).await?;
    }
    Ok(())
}

/// Writes down what could not be while it lasted: that is over again. Once, whoever else writes it down in the same minutes.
pub async fn note_past(db: &Db, kind: Kind, seen: &Seen, since: OffsetDateTime, now: OffsetDateTime) -> Result<bool> {
    let made = sqlx::query!(
        "INSERT INTO alerts (id, kind, subject, title, detail, severity, state, first_seen_at, last_seen_at, opened_at, told_at, resolved_at)
         SELECT $1, $2, 'postgresql', $3, $4, $5, 'resolved', $6, $7, $6, $6, $7
         WHERE NOT EXISTS (SELECT FROM alerts WHERE kind = $2 AND state = 'resolved' AND resolved_at > $7::timestamptz - interval '5 minutes')",
        rng::id(now),
        kind.as_str(),
        seen.title,
        json!({ "lines": seen.lines }),
        seen.severity.as_str(),
        since,
        now
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    Ok(made == 1)
}
