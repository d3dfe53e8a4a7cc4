//! News for customers: an outbox, written in the transaction that made it news, sent by whoever claims it.
//!
//! News may be sent twice if the sender dies between the provider's word and ours; it is never lost before it is worth nothing. A
//! provider's later reports move a message forward only: what was delivered stays so. A message that its provider took and could not
//! deliver stays failed, and an e-mail takes its place as news of its own, under a key made of the message's identity: once, whatever
//! is reported how often.

use std::time::Duration;

use shared::email::EmailAddress;
use shared::money::Money;
use shared::notice::{Channel, Notice};
use shared::phone::Phone;
use shared::request::RequestId;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::package::{unsigned, whole_seconds};
use crate::{Db, Result, StoreError};

/// Access that ends within this is about to end.
const SOON: Duration = Duration::from_secs(600);
/// Who has bought so little time knows that it ends.
const TOO_SHORT: Duration = Duration::from_secs(1800);

/// News to be sent.
#[derive(Clone, Debug)]
pub struct News {
    /// Its identity.
    pub id: Uuid,
    /// What kind; `None`: one that this program does not know.
    pub notice: Option<Notice>,
    /// What it is about.
    pub payload: serde_json::Value,
    /// Whom it is for.
    pub phone: Phone,
    /// The customer's e-mail address, if one was named.
    pub email: Option<EmailAddress>,
    /// Whether the address was proved.
    pub email_is_proved: bool,
    /// Whether the customer wants e-mail first, and SMS where that cannot be sent; otherwise it is the other way round.
    pub prefers_email: bool,
    /// Whether the customer has refused e-mails that can be refused.
    pub refuses_email: bool,
    /// The one way on which it may go; `None`: any.
    pub only_by: Option<Channel>,
    /// Whose it is.
    pub user: Uuid,
    /// In which language.
    pub locale: String,
    /// Whether the customer does not want it, or the operator.
    pub is_unwanted: bool,
    /// How often it was tried before.
    pub attempts: u32,
    /// When it is worth nothing any more.
    pub expires_at: OffsetDateTime,
    /// When it was written.
    pub created_at: OffsetDateTime,
    /// The request that made it news, if one did.
    pub trace: Option<RequestId>,
}

/// How long news is worth sending.
pub(crate) fn good_for(notice: Notice) -> Duration {
    const HOUR: Duration = Duration::from_secs(3600);
    match notice {
        Notice::PaymentReceived | Notice::NewDevice | Notice::AddressProof => HOUR * 24,
        Notice::Given => HOUR * 72,
        // A night, and a day on which messages have cost enough.
        Notice::Offer => HOUR * 48,
        Notice::EndsSoon => SOON,
        Notice::DataLow | Notice::DataNearlyUsed | Notice::Trouble => HOUR,
        Notice::Ended | Notice::TroubleOver => HOUR * 12,
    }
}

/// Tells one customer, once for each `of`: what of theirs it is about.
pub(crate) async fn tell(
    tx: &mut PgConnection,
    user: Uuid,
    notice: Notice,
    of: &str,
    payload: &serde_json::Value,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO notifications (id, user_id, template, payload, key, next_attempt_at, expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $6) ON CONFLICT (key) DO NOTHING",
        rng::id(now),
        user,
        notice.as_str(),
        payload,
        format!("{}:{of}", notice.as_str()),
        now,
        now + good_for(notice)
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Tells those who own these entitlements, once for each `of`: what of theirs it is about.
pub(crate) async fn tell_owners(
    tx: &mut PgConnection,
    notice: Notice,
    of: &str,
    entitlements: &[Uuid],
    now: OffsetDateTime,
) -> Result<()> {
    if !entitlements.is_empty() {
        sqlx::query!(
            "SELECT tell_owners($1, $2, $3, $4, $5)",
            notice.as_str(),
            serde_json::json!({ "of": of }),
            entitlements,
            now,
            whole_seconds(good_for(notice))
        )
        .fetch_all(tx)
        .await?;
    }
    Ok(())
}

/// Writes down whose time ends soon and who is online with it. Returns how many there are.
pub async fn note_ending(db: &Db, now: OffsetDateTime) -> Result<u64> {
    Ok(sqlx::query!(
        "INSERT INTO notifications (id, user_id, template, payload, key, next_attempt_at, expires_at, created_at)
         SELECT gen_random_uuid(), e.user_id, 'ends_soon',
                jsonb_build_object('entitlement', e.id, 'package', e.package_name, 'ends_at', extract(epoch FROM e.expires_at)::bigint),
                'ends_soon:' || e.id || ':' || extract(epoch FROM e.expires_at)::bigint, $1, e.expires_at, $1
         FROM entitlements e
         WHERE e.state = 'active' AND e.user_id IS NOT NULL AND e.expires_at > $1 AND e.expires_at <= $2
           AND e.expires_at - e.starts_at > $3::bigint * interval '1 second'
           AND EXISTS (SELECT FROM sessions s WHERE s.entitlement_id = e.id AND s.ended_at IS NULL)
         ON CONFLICT (key) DO NOTHING",
        now,
        now + SOON,
        whole_seconds(TOO_SHORT)
    )
    .execute(&db.pool)
    .await?
    .rows_affected())
}

/// Takes news that is due, each for one sender, to come back after `lease` unless something is said of it.
pub async fn claim(db: &Db, now: OffsetDateTime, lease: Duration, limit: u32) -> Result<Vec<News>> {
    let rows = sqlx::query!(
        r#"WITH taken AS (
               UPDATE notifications SET lease_until = $2, attempts = attempts + 1 WHERE id IN (
                   SELECT id FROM notifications WHERE state = 'pending' AND next_attempt_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
                   ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED)
               RETURNING id, user_id, template, payload, attempts, expires_at, created_at, only_by, trace)
           SELECT t.id, t.user_id, t.template, t.payload, t.attempts, t.expires_at, t.created_at, t.only_by, t.trace, u.phone, u.email,
                  -- Who has never chosen a language reads what another one's page has said in that page's.
                  CASE WHEN u.locale_chosen THEN u.locale ELSE coalesce(t.payload->>'language', u.locale) END AS "locale!",
                  (u.email_verified_at IS NOT NULL) AS "email_is_proved!", (u.news_by = 'email') AS "prefers_email!",
                  (u.email_refused_at IS NOT NULL) AS "refuses_email!",
                  (t.template = ANY (u.muted) OR EXISTS (SELECT FROM messages_off o WHERE o.name = t.template)) AS "is_unwanted!"
           FROM taken t JOIN users u ON u.id = t.user_id ORDER BY t.created_at"#,
        now,
        now + lease,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(News {
                notice: Notice::parse(&row.template),
                phone: row.phone.parse().map_err(|error| StoreError::corrupt("users", row.id, error))?,
                email: row
                    .email
                    .map(|email| email.parse::<EmailAddress>())
                    .transpose()
                    .map_err(|error| StoreError::corrupt("users", row.id, error))?,
                email_is_proved: row.email_is_proved,
                prefers_email: row.prefers_email,
                refuses_email: row.refuses_email,
                only_by: row.only_by.as_deref().and_then(Channel::parse),
                user: row.user_id,
                id: row.id,
                payload: row.payload,
                locale: row.locale,
                is_unwanted: row.is_unwanted,
                attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX).saturating_sub(1),
                expires_at: row.expires_at,
                created_at: row.created_at,
                trace: row.trace.map(RequestId::from),
            })
        })
        .collect()
}

/// A message that a provider has taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken<'a> {
    /// On which way.
    pub channel: Channel,
    /// Who.
    pub provider: &'a str,
    /// The provider's name for it; `None`: it is not known whether it was taken.
    pub reference: Option<&'a str>,
    /// Messages that it is sent as.
    pub segments: u32,
    /// What it costs, if the provider tells.
    pub cost: Option<Money>,
}

/// It was sent.
pub async fn sent(db: &Db, id: Uuid, taken: &Taken<'_>, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE notifications SET state = 'sent', sent_at = $2, lease_until = NULL, provider = $3, reference = $4, segments = $5,
             cost_minor = $6, currency = $7, channel = $8, detail = CASE WHEN $4::text IS NULL THEN 'no answer' ELSE '' END
         WHERE id = $1 AND state = 'pending'",
        id,
        now,
        taken.provider,
        taken.reference,
        i32::try_from(taken.segments).unwrap_or(i32::MAX),
        taken.cost.map(|cost| cost.minor),
        taken.cost.as_ref().map(|cost| cost.currency.as_str()),
        taken.channel.as_str()
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Why news will not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// It is worth nothing any more.
    Expired,
    /// Nobody wants it.
    Unwanted,
    /// No provider takes it.
    Refused,
}

/// It is not sent, for good.
pub async fn give_up(db: &Db, id: Uuid, why: Over, detail: &str) -> Result<()> {
    let state = match why {
        Over::Expired => "expired",
        Over::Unwanted => "skipped",
        Over::Refused => "failed",
    };
    sqlx::query!(
        "UPDATE notifications SET state = $2, lease_until = NULL, detail = $3 WHERE id = $1 AND state = 'pending'",
        id,
        state,
        detail
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// It is tried again then.
pub async fn again(db: &Db, id: Uuid, at: OffsetDateTime, detail: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE notifications SET next_attempt_at = $2, lease_until = NULL, detail = $3 WHERE id = $1 AND state = 'pending'",
        id,
        at,
        detail
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// What a provider reports of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivered {
    /// It is on the phone.
    Yes,
    /// It is not, yet: the phone is off.
    NotYet,
    /// It never will be.
    Never,
}

/// What a report has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reported {
    /// Nothing: it is no message of ours, or this was known.
    Nothing,
    /// How a message is shown.
    Noted,
    /// The same, and an e-mail takes its place.
    Replaced,
}

/// A provider reports what became of a message. One that it has given up is replaced by an e-mail, if that `has_email`, the customer has
/// proved an address, and the news is still worth telling.
pub async fn delivery(
    db: &Db,
    provider: &str,
    reference: &str,
    (delivered, detail): (Delivered, &str),
    has_email: bool,
    now: OffsetDateTime,
) -> Result<Reported> {
    let state = match delivered {
        Delivered::Yes => "delivered",
        Delivered::NotYet => "undelivered",
        Delivered::Never => "failed",
    };
    let mut tx = db.begin().await?;
    let moved = sqlx::query_scalar!(
        "UPDATE notifications SET state = $3, detail = $4, delivered_at = CASE WHEN $3 = 'delivered' THEN $5::timestamptz END
         WHERE provider = $1 AND reference = $2 AND (state = 'sent' OR state = 'undelivered' AND $3 <> 'undelivered')
         RETURNING id",
        provider,
        reference,
        state,
        detail,
        now
    )
    .fetch_optional(&mut *tx)
    .await?;
    let reported = match moved {
        None => Reported::Nothing,
        Some(message) => {
            let is_given_up = delivered != Delivered::Yes;
            if has_email && is_given_up && replace(&mut tx, message, now).await? {
                Reported::Replaced
            } else {
                Reported::Noted
            }
        }
    };
    tx.commit().await?;
    Ok(reported)
}

/// Writes the e-mail down that takes the place of a message. Returns whether there is to be one, and was none yet.
async fn replace(tx: &mut PgConnection, message: Uuid, now: OffsetDateTime) -> Result<bool> {
    let written = sqlx::query!(
        "INSERT INTO notifications (id, user_id, template, payload, key, next_attempt_at, expires_at, created_at, only_by, trace)
         SELECT $2::uuid, n.user_id, n.template, n.payload, 'instead:' || n.id, $3::timestamptz, n.expires_at, $3, 'email', n.trace
         FROM notifications n JOIN users u ON u.id = n.user_id
         WHERE n.id = $1 AND n.expires_at > $3 AND n.channel IS DISTINCT FROM 'email' AND u.email_verified_at IS NOT NULL
         ON CONFLICT (key) DO NOTHING",
        message,
        rng::id(now),
        now
    )
    .execute(tx)
    .await?
    .rows_affected();
    Ok(written == 1)
}

/// What messages have cost since then, in cents of a shilling.
pub async fn cost_since(db: &Db, since: OffsetDateTime) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(sum(cost_minor), 0)::bigint AS "cost!" FROM notifications WHERE sent_at >= $1 AND currency = 'KES'"#,
        since
    )
    .fetch_one(&db.pool)
    .await?)
}

/// What waits to be sent: how many, and since when the oldest.
pub async fn waiting(db: &Db) -> Result<(u64, Option<OffsetDateTime>)> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", min(next_attempt_at) AS oldest FROM notifications WHERE state = 'pending'"#
    )
    .fetch_one(&db.pool)
    .await?;
    Ok((unsigned(row.count), row.oldest))
}

/// How an operator words a kind of news, if otherwise than we do.
pub async fn template(db: &Db, notice: Notice, locale: &str) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!(
        "SELECT text FROM message_templates WHERE name = $1 AND locale = $2",
        notice.as_str(),
        locale
    )
    .fetch_optional(&db.pool)
    .await?)
}

/// Words a kind of news otherwise; `None`: as we do.
pub async fn set_template(
    db: &Db,
    notice: Notice,
    locale: &str,
    text: Option<&str>,
    by: &str,
    now: OffsetDateTime,
) -> Result<()> {
    match text {
        Some(text) => sqlx::query!(
            "INSERT INTO message_templates (name, locale, text, updated_at, updated_by) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (name, locale) DO UPDATE SET text = EXCLUDED.text, updated_at = EXCLUDED.updated_at, updated_by = EXCLUDED.updated_by",
            notice.as_str(),
            locale,
            text,
            now,
            by
        ),
        None => sqlx::query!("DELETE FROM message_templates WHERE name = $1 AND locale = $2", notice.as_str(), locale),
    }
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// What an operator writes above a kind of news in an e-mail, if otherwise than we do.
pub async fn subject(db: &Db, notice: Notice, locale: &str) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!(
        "SELECT subject FROM message_subjects WHERE name = $1 AND locale = $2",
        notice.as_str(),
        locale
    )
    .fetch_optional(&db.pool)
    .await?)
}

/// Writes something else above a kind of news in an e-mail; `None`: what we do.
pub async fn set_subject(
    db: &Db,
    notice: Notice,
    locale: &str,
    subject: Option<&str>,
    by: &str,
    now: OffsetDateTime,
) -> Result<()> {
    match subject {
        Some(subject) => sqlx::query!(
            "INSERT INTO message_subjects (name, locale, subject, updated_at, updated_by) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (name, locale) DO UPDATE
             SET subject = EXCLUDED.subject, updated_at = EXCLUDED.updated_at, updated_by = EXCLUDED.updated_by",
            notice.as_str(),
            locale,
            subject,
            now,
            by
        ),
        None => sqlx::query!("DELETE FROM message_subjects WHERE name = $1 AND locale = $2", notice.as_str(), locale),
    }
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// The kinds of news that are not sent.
pub async fn off(db: &Db) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!("SELECT name FROM messages_off ORDER BY name").fetch_all(&db.pool).await?)
}

/// Sends a kind of news no more, or again.
pub async fn set_off(db: &Db, notice: Notice, off: bool, by: &str, now: OffsetDateTime) -> Result<()> {
    if off {
        sqlx::query!(
            "INSERT INTO messages_off (name, updated_at, updated_by) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
            notice.as_str(),
            now,
            by
        )
        .execute(&db.pool)
        .await?;
    } else {
        sqlx::query!("DELETE FROM messages_off WHERE name = $1", notice.as_str()).execute(&db.pool).await?;
    }
    Ok(())
}

/// What a customer does not want to be told.
pub async fn muted(db: &Db, user: Uuid) -> Result<Vec<Notice>> {
    let names: Vec<String> =
        sqlx::query_scalar!("SELECT muted FROM users WHERE id = $1", user).fetch_one(&db.pool).await?;
    Ok(names.iter().filter_map(|name| Notice::parse(name)).collect())
}

/// Sets what a customer does not want to be told.
pub async fn mute(db: &Db, user: Uuid, notices: &[Notice]) -> Result<()> {
    let names: Vec<String> = notices.iter().map(|notice| notice.as_str().to_owned()).collect();
    sqlx::query!("UPDATE users SET muted = $2 WHERE id = $1", user, &names).execute(&db.pool).await?;
    Ok(())
}
