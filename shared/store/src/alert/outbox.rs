//! Messages to staff about alerts: written in the transaction of what they tell, sent by whoever claims them.
//!
//! A message for a person, a way and an opening of an alert is written once. What waits for one person on one way is claimed
//! together, so that many at once become one. A message may be sent twice if its sender dies between the provider's word and ours.

use std::time::Duration;

use shared::alert::{Kind, Severity};
use shared::email::EmailAddress;
use shared::notice::Channel;
use shared::phone::Phone;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::package::unsigned;
use crate::{Db, Result, StoreError};

/// Most messages that become one.
const TOGETHER: i64 = 50;

/// What a message tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// It was raised.
    Raised,
    /// Nobody minds it.
    Escalated,
    /// It is over.
    Resolved,
}

impl What {
    const ALL: [What; 3] = [What::Raised, What::Escalated, What::Resolved];

    fn as_str(self) -> &'static str {
        match self {
            What::Raised => "raised",
            What::Escalated => "escalated",
            What::Resolved => "resolved",
        }
    }
}

/// A message to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMessage {
    /// For whom.
    pub person: Uuid,
    /// On which way.
    pub channel: Channel,
    /// When it is worth nothing any more.
    pub expires_at: OffsetDateTime,
}

/// Writes messages about an opening of an alert.
pub(super) async fn write(
    tx: &mut PgConnection,
    alert: Uuid,
    opening: i32,
    what: What,
    messages: &[NewMessage],
    now: OffsetDateTime,
) -> Result<()> {
    for message in messages {
        sqlx::query!(
            "INSERT INTO alert_messages (id, alert_id, opening, admin_id, channel, what, next_attempt_at, expires_at, created_at)
             SELECT $1, $2, $3, u.id, $5, $6, $7, $8, $7 FROM admin_users u WHERE u.id = $4
             ON CONFLICT (alert_id, opening, what, admin_id, channel) DO NOTHING",
            rng::id(now),
            alert,
            opening,
            message.person,
            message.channel.as_str(),
            what.as_str(),
            now,
            message.expires_at
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// What waits about an alert is not sent, unless somebody is about to.
pub(super) async fn skip(tx: &mut PgConnection, alert: Uuid, why: &str, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE alert_messages SET state = 'skipped', detail = $2
         WHERE alert_id = $1 AND state = 'pending' AND (lease_until IS NULL OR lease_until <= $3)",
        alert,
        why,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Tells those who were told that it is over, on the way on which they were told.
pub(super) async fn write_over(
    tx: &mut PgConnection,
    alert: Uuid,
    opening: i32,
    good_until: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO alert_messages (id, alert_id, opening, admin_id, channel, what, next_attempt_at, expires_at, created_at)
         SELECT gen_random_uuid(), $1, $2, m.admin_id, m.channel, 'resolved', $4, $3, $4
         FROM (SELECT DISTINCT admin_id, channel FROM alert_messages
               WHERE alert_id = $1 AND opening = $2 AND what <> 'resolved' AND state IN ('sent', 'pending')) m
         ON CONFLICT (alert_id, opening, what, admin_id, channel) DO NOTHING",
        alert,
        opening,
        good_until,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct Due {
    /// Its identity.
    pub id: Uuid,
    /// What it tells.
    pub what: What,
    /// The alert.
    pub alert: Uuid,
    /// Its kind; `None`: one that this program does not know.
    pub kind: Option<Kind>,
    /// How grave.
    pub severity: Severity,
    /// The alert in a sentence.
    pub title: String,
    /// How often it was tried before.
    pub attempts: u32,
    /// When it is worth nothing any more.
    pub expires_at: OffsetDateTime,
}

/// What waits for one person on one way.
#[derive(Clone, Debug)]
pub struct Batch {
    /// On which way.
    pub channel: Channel,
    /// Where an e-mail finds them, if their address is such.
    pub email: Option<EmailAddress>,
    /// Where a text message finds them.
    pub phone: Option<Phone>,
    /// How many messages they were sent on this way within the last hour.
    pub sent_lately: u64,
    /// What they are to be told, the oldest first. Never empty.
    pub due: Vec<Due>,
}

impl Batch {
    /// The identities of its messages.
    pub fn ids(&self) -> Vec<Uuid> {
        self.due.iter().map(|due| due.id).collect()
    }
}

/// Takes what is due for one person on one way, to come back after `lease` unless something is said of it.
pub async fn claim(db: &Db, now: OffsetDateTime, lease: Duration) -> Result<Option<Batch>> {
    let rows = sqlx::query!(
        r#"WITH first_due AS (
               SELECT admin_id, channel FROM alert_messages
               WHERE state = 'pending' AND next_attempt_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
               ORDER BY next_attempt_at, id LIMIT 1),
           taken AS (
               UPDATE alert_messages SET lease_until = $2, attempts = attempts + 1 WHERE id IN (
                   SELECT m.id FROM alert_messages m JOIN first_due n ON n.admin_id = m.admin_id AND n.channel = m.channel
                   WHERE m.state = 'pending' AND m.next_attempt_at <= $1 AND (m.lease_until IS NULL OR m.lease_until <= $1)
                   ORDER BY m.next_attempt_at, m.id LIMIT $3 FOR UPDATE OF m SKIP LOCKED)
               RETURNING id, alert_id, admin_id, channel, what, attempts, expires_at, created_at)
           SELECT t.id AS "id!", t.alert_id AS "alert_id!", t.channel AS "channel!", t.what AS "what!", t.attempts AS "attempts!",
                  t.expires_at AS "expires_at!", u.email AS "email!", u.alert_phone AS "alert_phone?", a.kind AS "kind!",
                  a.title AS "title!", a.severity AS "severity!",
                  (SELECT count(DISTINCT s.reference) FROM alert_messages s
                   WHERE s.admin_id = t.admin_id AND s.channel = t.channel AND s.sent_at > $1::timestamptz - interval '1 hour') AS "sent_lately!"
           FROM taken t JOIN alerts a ON a.id = t.alert_id JOIN admin_users u ON u.id = t.admin_id
           ORDER BY t.created_at, t.id"#,
        now,
        now + lease,
        TOGETHER
    )
    .fetch_all(&db.pool)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let corrupt = |id: Uuid, problem: &str| StoreError::corrupt("alert_messages", id, problem);
    let phone = first.alert_phone.as_deref().map(str::parse::<Phone>).transpose();
    let mut batch = Batch {
        channel: Channel::parse(&first.channel).ok_or_else(|| corrupt(first.id, "unknown channel"))?,
        email: first.email.parse().ok(),
        phone: phone.map_err(|error| StoreError::corrupt("admin_users", &first.email, error))?,
        sent_lately: unsigned(first.sent_lately),
        due: Vec::with_capacity(rows.len()),
    };
    for row in rows {
        let what = What::ALL.into_iter().find(|what| what.as_str() == row.what);
        batch.due.push(Due {
            what: what.ok_or_else(|| corrupt(row.id, "it tells nothing that is known"))?,
            severity: Severity::parse(&row.severity).ok_or_else(|| corrupt(row.id, "unknown severity"))?,
            kind: Kind::parse(&row.kind),
            id: row.id,
            alert: row.alert_id,
            title: row.title,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX).saturating_sub(1),
            expires_at: row.expires_at,
        });
    }
    Ok(Some(batch))
}

/// They were sent, in one. `reference`: the provider's name for it; `None`: it is not known whether it was taken.
pub async fn sent(db: &Db, ids: &[Uuid], provider: &str, reference: Option<&str>, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE alert_messages SET state = 'sent', sent_at = $2, lease_until = NULL, provider = $3, reference = $4,
             detail = CASE WHEN $4::text IS NULL THEN 'no answer' ELSE '' END
         WHERE id = ANY ($1) AND state = 'pending'",
        ids,
        now,
        provider,
        reference
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// They are tried again then.
pub async fn again(db: &Db, ids: &[Uuid], at: OffsetDateTime, detail: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE alert_messages SET next_attempt_at = $2, lease_until = NULL, detail = $3 WHERE id = ANY ($1) AND state = 'pending'",
        ids,
        at,
        detail
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Why messages are not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// They are worth nothing any more.
    Expired,
    /// There is no way to that person.
    NoWay,
    /// Whoever sends them refuses them for good.
    Refused,
}

/// They are not sent, for good.
pub async fn give_up(db: &Db, ids: &[Uuid], why: Over, detail: &str) -> Result<()> {
    let state = match why {
        Over::Expired => "expired",
        Over::NoWay => "skipped",
        Over::Refused => "failed",
    };
    sqlx::query!(
        "UPDATE alert_messages SET state = $2, lease_until = NULL, detail = $3 WHERE id = ANY ($1) AND state = 'pending'",
        ids,
        state,
        detail
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// What was told of an alert: a line for each person and way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// `raised`, `escalated` or `resolved`.
    pub what: String,
    /// Whom, by the address of their account.
    pub person: String,
    /// On which way.
    pub channel: String,
    /// `pending`, `sent`, `failed`, `expired` or `skipped`.
    pub state: String,
    /// Why it was not sent.
    pub detail: String,
    /// When it was sent, or else written.
    pub at: OffsetDateTime,
}

/// Who was told of an alert, the newest first.
pub async fn told(db: &Db, alert: Uuid) -> Result<Vec<Told>> {
    let rows = sqlx::query!(
        r#"SELECT m.what, u.email, m.channel, m.state, m.detail, coalesce(m.sent_at, m.created_at) AS "at!"
           FROM alert_messages m JOIN admin_users u ON u.id = m.admin_id WHERE m.alert_id = $1
           ORDER BY coalesce(m.sent_at, m.created_at) DESC, m.id LIMIT 100"#,
        alert
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Told {
            what: row.what,
            person: row.email,
            channel: row.channel,
            state: row.state,
            detail: row.detail,
            at: row.at,
        })
        .collect())
}
