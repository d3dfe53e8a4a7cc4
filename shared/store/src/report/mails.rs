//! Reports that are sent by e-mail: which, to whom, how often, and when next.
//!
//! Whoever sends one moves its time on in the transaction that takes it in hand ([`claim`]), so that no two portals send the same and one that
//! dies sends it once less and never once more. Whether somebody may still see a report is asked when it is made, not here.

use shared::rng;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result, StoreError};

/// Most that one person is sent: each is a report made anew.
pub const MOST: i64 = 20;

/// How often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Every {
    /// Every morning, of the day before.
    Day,
    /// On Monday, of the week before.
    Week,
    /// On the first, of the month before.
    Month,
}

impl Every {
    /// All of them.
    pub const ALL: [Every; 3] = [Every::Day, Every::Week, Every::Month];

    /// The word in the database and in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Every::Day => "day",
            Every::Week => "week",
            Every::Month => "month",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Every> {
        Every::ALL.into_iter().find(|every| every.as_str() == text)
    }
}

/// A report that somebody is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mail {
    /// Its identity.
    pub id: Uuid,
    /// Who is sent it.
    pub admin: Uuid,
    /// The report's name in addresses.
    pub report: String,
    /// Its filters, as they stand in an address.
    pub query: String,
    /// How often.
    pub every: Every,
    /// When next.
    pub next_at: OffsetDateTime,
    /// When it was sent last.
    pub last_at: Option<OffsetDateTime>,
    /// Why it was not sent last time; empty: it was.
    pub problem: String,
}

struct Row {
    id: Uuid,
    admin_id: Uuid,
    report: String,
    query: String,
    every: String,
    next_at: OffsetDateTime,
    last_at: Option<OffsetDateTime>,
    problem: String,
}

impl TryFrom<Row> for Mail {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Mail> {
        let every = Every::parse(&row.every);
        Ok(Mail {
            every: every.ok_or_else(|| StoreError::corrupt("report_mails", row.id, "unknown interval"))?,
            id: row.id,
            admin: row.admin_id,
            report: row.report,
            query: row.query,
            next_at: row.next_at,
            last_at: row.last_at,
            problem: row.problem,
        })
    }
}

/// A report that somebody wishes to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Who.
    pub admin: Uuid,
    /// The report's name in addresses.
    pub report: &'a str,
    /// Its filters, as they stand in an address.
    pub query: &'a str,
    /// How often.
    pub every: Every,
    /// When first.
    pub next_at: OffsetDateTime,
}

/// Notes a wish. One that is noted already stays as it is.
///
/// # Errors
/// [`StoreError::Conflict`]: they are sent [`MOST`] already.
pub async fn add(db: &Db, wish: &Wish<'_>, now: OffsetDateTime) -> Result<()> {
    let mut tx = db.begin().await?;
    // One at a time for each person, so that two forms at once do not make one too many.
    sqlx::query!("SELECT id FROM admin_users WHERE id = $1 FOR UPDATE", wish.admin).fetch_optional(&mut *tx).await?;
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM report_mails WHERE admin_id = $1"#, wish.admin)
        .fetch_one(&mut *tx)
        .await?;
    if count >= MOST {
        return Err(StoreError::Conflict(format!("you are sent {MOST} reports already: stop one of them first")));
    }
    sqlx::query!(
        "INSERT INTO report_mails (id, admin_id, report, query, every, next_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (admin_id, report, query, every) DO NOTHING",
        rng::id(now),
        wish.admin,
        wish.report,
        wish.query,
        wish.every.as_str(),
        wish.next_at,
        now
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// What somebody is sent, the next one first.
pub async fn of(db: &Db, admin: Uuid) -> Result<Vec<Mail>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, admin_id, report, query, every, next_at, last_at, problem FROM report_mails WHERE admin_id = $1
         ORDER BY next_at, id LIMIT 100",
        admin
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter().map(Mail::try_from).collect()
}

/// Ends one of theirs. Returns the report's name.
///
/// # Errors
/// [`StoreError::Missing`]: there is none, or it is somebody else's.
pub async fn stop(db: &Db, admin: Uuid, id: Uuid) -> Result<String> {
    sqlx::query_scalar!("DELETE FROM report_mails WHERE id = $1 AND admin_id = $2 RETURNING report", id, admin)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("report by e-mail", id))
}

/// Takes one that is due in hand, which moves it on to when it is due `next`.
pub async fn claim(db: &Db, now: OffsetDateTime, next: impl FnOnce(Every) -> OffsetDateTime) -> Result<Option<Mail>> {
    let mut tx = db.begin().await?;
    let row = sqlx::query_as!(
        Row,
        "SELECT id, admin_id, report, query, every, next_at, last_at, problem FROM report_mails WHERE next_at <= $1
         ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED",
        now
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(mail) = row.map(Mail::try_from).transpose()? else { return Ok(None) };
    sqlx::query!("UPDATE report_mails SET next_at = $2 WHERE id = $1", mail.id, next(mail.every))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Some(mail))
}

/// It was sent.
pub async fn sent(db: &Db, id: Uuid, now: OffsetDateTime) -> Result<()> {
    sqlx::query!("UPDATE report_mails SET last_at = $2, problem = '' WHERE id = $1", id, now).execute(&db.pool).await?;
    Ok(())
}

/// It was not sent. `again`: when it is tried once more; none: when it is due next.
pub async fn failed(db: &Db, id: Uuid, problem: &str, again: Option<OffsetDateTime>) -> Result<()> {
    sqlx::query!(
        "UPDATE report_mails SET problem = $2, next_at = least(next_at, coalesce($3, next_at)) WHERE id = $1",
        id,
        problem,
        again as Option<OffsetDateTime>
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}
