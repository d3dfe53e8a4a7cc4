//! What the rules of alerts judge by: counts of the last minutes, each by an index, and each bounded however bad it is.
//!
//! Nothing is judged here. What is told of people is no more than a line for whoever minds it: a device's address, a phone number
//! that the desk masks.

use std::collections::BTreeMap;

use shared::mac::Mac;
use shared::notice::Channel;
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::package::{signed, unsigned};
use crate::{Db, Result};

/// Most rows of one kind that are looked at.
const MOST: i64 = 500;
/// How long samples are kept: a week is usual, and a day more.
const KEPT_DAYS: i64 = 8;

/// A place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Site {
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

fn site(id: Option<Uuid>, name: Option<String>) -> Option<Site> {
    Some(Site { id: id?, name: name? })
}

/// What the security log has of the last minutes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// When.
    pub at: OffsetDateTime,
    /// What, in the log's word: a newer program may know more of them.
    pub kind: String,
    /// At which router, by its name.
    pub router: Option<String>,
    /// Where that stands.
    pub site: Option<Site>,
    /// Which device.
    pub mac: Option<Mac>,
    /// More, in words.
    pub detail: String,
}

/// What the security log has since then, the newest first.
pub async fn events(db: &Db, since: OffsetDateTime) -> Result<Vec<Event>> {
    let rows = sqlx::query!(
        r#"SELECT e.at, e.kind, n.name AS "router?", s.id AS "site_id?", s.name AS "site?", e.mac::text AS mac, e.detail
           FROM security_events e LEFT JOIN nas n ON n.id = e.nas_id LEFT JOIN sites s ON s.id = n.site_id
           WHERE e.at > $1 ORDER BY e.at DESC, e.id LIMIT $2"#,
        since,
        MOST
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Event {
            at: row.at,
            kind: row.kind,
            router: row.router,
            site: site(row.site_id, row.site),
            mac: row.mac.and_then(|mac| mac.parse().ok()),
            detail: row.detail,
        })
        .collect())
}

/// Sign-ins at the desk that failed.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct FailedSignIns {
    /// How many.
    pub count: u64,
    /// For so many accounts.
    pub accounts: u64,
    /// From so many addresses.
    pub addresses: u64,
    /// Accounts that rest now.
    pub resting: u64,
}

/// Those since then.
pub async fn failed_sign_ins(db: &Db, since: OffsetDateTime, now: OffsetDateTime) -> Result<FailedSignIns> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", count(DISTINCT actor) AS "accounts!", count(DISTINCT address) AS "addresses!",
                  (SELECT count(*) FROM admin_users WHERE locked_until > $2) AS "resting!"
           FROM admin_logs WHERE action IN ('sign-in.failed', 'sign-in.code_failed') AND at > $1"#,
        since,
        now
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(FailedSignIns {
        count: unsigned(row.count),
        accounts: unsigned(row.accounts),
        addresses: unsigned(row.addresses),
        resting: unsigned(row.resting),
    })
}

/// Somebody who tries to pay again and again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payer {
    /// The phone, or else the device.
    pub phone: Option<Phone>,
    /// The device, or else the phone.
    pub mac: Option<Mac>,
    /// Where.
    pub site: Option<Site>,
    /// How often in vain.
    pub attempts: u64,
}

/// Phones and devices with at least so many attempts since then that became no payment.
pub async fn busy_payers(db: &Db, since: OffsetDateTime, least: u32) -> Result<Vec<Payer>> {
    let by_phone = sqlx::query!(
        r#"SELECT o.phone AS "phone!", s.id AS "site_id?", s.name AS "site?", count(*) AS "attempts!"
           FROM payments p JOIN orders o ON o.id = p.order_id LEFT JOIN nas n ON n.id = o.nas_id LEFT JOIN sites s ON s.id = n.site_id
           WHERE p.created_at > $1 AND p.state <> 'succeeded'
           GROUP BY o.phone, s.id, s.name HAVING count(*) >= $2 ORDER BY count(*) DESC, o.phone LIMIT 50"#,
        since,
        i64::from(least)
    )
    .fetch_all(&db.pool)
    .await?;
    let by_device = sqlx::query!(
        r#"SELECT o.mac::text AS "mac!", s.id AS "site_id?", s.name AS "site?", count(*) AS "attempts!"
           FROM payments p JOIN orders o ON o.id = p.order_id LEFT JOIN nas n ON n.id = o.nas_id LEFT JOIN sites s ON s.id = n.site_id
           WHERE p.created_at > $1 AND p.state <> 'succeeded' AND o.mac IS NOT NULL
           GROUP BY o.mac, s.id, s.name HAVING count(*) >= $2 ORDER BY count(*) DESC, o.mac LIMIT 50"#,
        since,
        i64::from(least)
    )
    .fetch_all(&db.pool)
    .await?;
    let phones = by_phone.into_iter().map(|row| Payer {
        phone: row.phone.parse().ok(),
        mac: None,
        site: site(row.site_id, row.site),
        attempts: unsigned(row.attempts),
    });
    let devices = by_device.into_iter().map(|row| Payer {
        phone: None,
        mac: row.mac.parse().ok(),
        site: site(row.site_id, row.site),
        attempts: unsigned(row.attempts),
    });
    Ok(phones.chain(devices).collect())
}

/// How customers fared with a provider of payments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Which.
    pub provider: String,
    /// Customers whose payments have ended, one way or the other.
    pub customers: u64,
    /// Those of them who could not pay at all.
    pub in_vain: u64,
}

/// The same of payments that began since then, by provider.
pub async fn outcomes(db: &Db, since: OffsetDateTime) -> Result<Vec<Outcome>> {
    let rows = sqlx::query!(
        r#"SELECT t.provider AS "provider!", count(*) AS "customers!", count(*) FILTER (WHERE NOT t.paid) AS "in_vain!"
           FROM (SELECT p.provider, o.user_id, bool_or(p.state IN ('succeeded', 'confirming')) AS paid
                 FROM payments p JOIN orders o ON o.id = p.order_id
                 WHERE p.created_at > $1 AND p.state IN ('succeeded', 'confirming', 'failed') GROUP BY p.provider, o.user_id) t
           GROUP BY t.provider ORDER BY t.provider"#,
        since
    )
    .fetch_all(&db.pool)
    .await?;
    let outcome =
        |provider, customers, in_vain| Outcome { provider, customers: unsigned(customers), in_vain: unsigned(in_vain) };
    Ok(rows.into_iter().map(|row| outcome(row.provider, row.customers, row.in_vain)).collect())
}

/// A router that is dark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dark {
    /// Its name.
    pub router: String,
    /// Where it stands.
    pub site: Option<Site>,
    /// Since when.
    pub since: OffsetDateTime,
    /// Whether it speaks, and nothing comes to its customers.
    pub speaks: bool,
    /// Packages that were in use there.
    pub customers: u64,
}

/// The routers that are dark now, the longest first.
pub async fn dark(db: &Db) -> Result<Vec<Dark>> {
    let rows = sqlx::query!(
        r#"SELECT coalesce(n.name, '(removed router)') AS "router!", s.id AS "site_id?", s.name AS "site?", o.started_at, o.cause,
                  (SELECT count(*) FROM outage_entitlements e WHERE e.outage_id = o.id) AS "customers!"
           FROM outages o LEFT JOIN nas n ON n.id = o.nas_id LEFT JOIN sites s ON s.id = n.site_id
           WHERE o.ended_at IS NULL ORDER BY o.started_at, o.id LIMIT $1"#,
        MOST
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Dark {
            router: row.router,
            site: site(row.site_id, row.site),
            since: row.started_at,
            speaks: row.cause == "no_traffic",
            customers: unsigned(row.customers),
        })
        .collect())
}

/// A router, where it stands and when it was heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Router {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub site: Option<Site>,
    /// When it was heard last; `None`: never.
    pub last_seen_at: Option<OffsetDateTime>,
    /// Whether it is dark: that is told by itself.
    pub is_dark: bool,
}

/// All routers.
pub async fn routers(db: &Db) -> Result<Vec<Router>> {
    let rows = sqlx::query!(
        r#"SELECT n.name, s.id AS "site_id?", s.name AS "site?", n.last_seen_at,
                  EXISTS (SELECT FROM outages o WHERE o.nas_id = n.id AND o.ended_at IS NULL) AS "is_dark!"
           FROM nas n LEFT JOIN sites s ON s.id = n.site_id ORDER BY n.name LIMIT 10000"#
    )
    .fetch_all(&db.pool)
    .await?;
    let router = |name, site, last_seen_at, is_dark| Router { name, site, last_seen_at, is_dark };
    Ok(rows
        .into_iter()
        .map(|row| router(row.name, site(row.site_id, row.site), row.last_seen_at, row.is_dark))
        .collect())
}

/// How messages fared on a way: to customers and to staff.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Messages {
    /// Which way.
    pub channel: Channel,
    /// Taken.
    pub taken: u64,
    /// Taken by nobody yet, and tried at least once.
    pub refused: u64,
    /// Those of them that the provider refuses for want of money.
    pub without_credit: u64,
}

/// The same of what was written since then.
pub async fn messages(db: &Db, since: OffsetDateTime) -> Result<Vec<Messages>> {
    let customers = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE channel = 'sms' AND sent_at IS NOT NULL) AS "sms_taken!",
                  count(*) FILTER (WHERE channel = 'email' AND sent_at IS NOT NULL) AS "email_taken!",
                  count(*) FILTER (WHERE state = 'pending' AND detail LIKE 'sms %') AS "sms_refused!",
                  count(*) FILTER (WHERE state = 'pending' AND detail LIKE 'email %') AS "email_refused!",
                  count(*) FILTER (WHERE state = 'pending' AND detail LIKE 'sms 405:%') AS "without_credit!"
           FROM notifications WHERE created_at > $1"#,
        since
    )
    .fetch_one(&db.pool)
    .await?;
    let staff = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE channel = 'sms' AND sent_at IS NOT NULL) AS "sms_taken!",
                  count(*) FILTER (WHERE channel = 'email' AND sent_at IS NOT NULL) AS "email_taken!",
                  count(*) FILTER (WHERE state = 'pending' AND detail LIKE 'sms %') AS "sms_refused!",
                  count(*) FILTER (WHERE state = 'pending' AND detail LIKE 'email %') AS "email_refused!",
                  count(*) FILTER (WHERE state = 'pending' AND detail LIKE 'sms 405:%') AS "without_credit!"
           FROM alert_messages WHERE created_at > $1"#,
        since
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(vec![
        Messages {
            channel: Channel::Sms,
            taken: unsigned(customers.sms_taken + staff.sms_taken),
            refused: unsigned(customers.sms_refused + staff.sms_refused),
            without_credit: unsigned(customers.without_credit + staff.without_credit),
        },
        Messages {
            channel: Channel::Email,
            taken: unsigned(customers.email_taken + staff.email_taken),
            refused: unsigned(customers.email_refused + staff.email_refused),
            without_credit: 0,
        },
    ])
}

/// Money of which nobody knows what it is for: how many receipts, and since when the oldest waits.
pub async fn unmatched(db: &Db) -> Result<(u64, Option<OffsetDateTime>)> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", min(received_at) AS oldest FROM received_money
           WHERE state = 'unmatched' AND ignored_at IS NULL"#
    )
    .fetch_one(&db.pool)
    .await?;
    Ok((unsigned(row.count), row.oldest))
}

/// How many transactions of the ledger do not balance. It reads all of it: not for every round.
pub async fn unbalanced(db: &Db) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT transaction_id FROM ledger_entries GROUP BY transaction_id, currency HAVING sum(amount_minor) <> 0) t"#
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(unsigned(count))
}

/// How often something happened at a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sampled {
    /// The place.
    pub subject: String,
    /// Since the window began.
    pub lately: u64,
    /// Before that, as far back as samples are kept.
    pub before: u64,
}

/// Adds what has happened at each place since the last look to the sample of `at`.
pub async fn add_samples(db: &Db, kind: &str, at: OffsetDateTime, happened: &[(String, u64)]) -> Result<()> {
    let (subjects, values): (Vec<String>, Vec<i64>) = happened
        .iter()
        .filter(|(_, value)| *value > 0)
        .map(|(subject, value)| (subject.clone(), signed(*value)))
        .unzip();
    if !subjects.is_empty() {
        sqlx::query!(
            "INSERT INTO alert_samples (kind, subject, at, value)
             SELECT $1, t.subject, $2, sum(t.value)::bigint FROM unnest($3::text[], $4::bigint[]) AS t (subject, value) GROUP BY t.subject
             ON CONFLICT (kind, subject, at) DO UPDATE SET value = alert_samples.value + EXCLUDED.value",
            kind,
            at,
            &subjects,
            &values
        )
        .execute(&db.pool)
        .await?;
    }
    Ok(())
}

/// Notes how things stand at `at`, one value for each subject; what stood before is forgotten, and so is what nobody has told for a day.
pub async fn note_levels(db: &Db, kind: &str, at: OffsetDateTime, levels: &BTreeMap<String, u64>) -> Result<()> {
    let (subjects, values): (Vec<String>, Vec<i64>) =
        levels.iter().map(|(subject, value)| (subject.clone(), signed(*value))).unzip();
    sqlx::query!(
        "WITH older AS (
             DELETE FROM alert_samples WHERE kind = $1 AND at < $2::timestamptz
               AND (subject = ANY ($3::text[]) OR at < $2::timestamptz - interval '1 day'))
         INSERT INTO alert_samples (kind, subject, at, value)
         SELECT $1, t.subject, $2::timestamptz, t.value FROM unnest($3::text[], $4::bigint[]) AS t (subject, value)
         ON CONFLICT (kind, subject, at) DO UPDATE SET value = EXCLUDED.value",
        kind,
        at,
        &subjects,
        &values
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// How things stood when each subject was told last, if that was after `since`.
pub async fn levels(db: &Db, kind: &str, since: OffsetDateTime) -> Result<BTreeMap<String, u64>> {
    let rows = sqlx::query!(
        "SELECT DISTINCT ON (subject) subject, value FROM alert_samples WHERE kind = $1 AND at > $2 ORDER BY subject, at DESC LIMIT $3",
        kind,
        since,
        MOST
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.subject, unsigned(row.value))).collect())
}

/// How often it happened at each place: since `since`, and in the days before. Older samples are forgotten.
pub async fn sampled(db: &Db, kind: &str, since: OffsetDateTime, now: OffsetDateTime) -> Result<Vec<Sampled>> {
    let kept = now - time::Duration::days(KEPT_DAYS);
    sqlx::query!("DELETE FROM alert_samples WHERE kind = $1 AND at < $2", kind, kept).execute(&db.pool).await?;
    let rows = sqlx::query!(
        r#"SELECT subject AS "subject!", coalesce(sum(value) FILTER (WHERE at > $2), 0)::bigint AS "lately!",
                  coalesce(sum(value) FILTER (WHERE at <= $2), 0)::bigint AS "before!"
           FROM alert_samples WHERE kind = $1 GROUP BY subject ORDER BY subject"#,
        kind,
        since
    )
    .fetch_all(&db.pool)
    .await?;
    let sampled = |subject, lately, before| Sampled { subject, lately: unsigned(lately), before: unsigned(before) };
    Ok(rows.into_iter().map(|row| sampled(row.subject, row.lately, row.before)).collect())
}
