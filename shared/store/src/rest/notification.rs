//! Messages to customers, as programs read them.

use shared::money::Money;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::After;
use crate::money::money;
use crate::{Db, Result, StoreError};

/// A message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notification {
    /// Its identity.
    pub id: Uuid,
    /// Whom it is for.
    pub user: Uuid,
    /// What kind, by its name.
    pub name: String,
    /// `pending`, `sent`, `delivered`, `undelivered`, `failed`, `expired` or `skipped`.
    pub state: String,
    /// Why it was not sent, or not delivered, or is tried again.
    pub detail: String,
    /// `sms` or `email`.
    pub channel: Option<String>,
    /// Who took it.
    pub provider: Option<String>,
    /// Messages that it was sent as.
    pub segments: Option<i32>,
    /// What it cost, if the provider tells.
    pub cost: Option<Money>,
    /// When it was written.
    pub created_at: OffsetDateTime,
    /// When it was sent.
    pub sent_at: Option<OffsetDateTime>,
}

struct Row {
    id: Uuid,
    user: Uuid,
    name: String,
    state: String,
    detail: String,
    channel: Option<String>,
    provider: Option<String>,
    segments: Option<i32>,
    cost_minor: Option<i64>,
    currency: Option<String>,
    created_at: OffsetDateTime,
    sent_at: Option<OffsetDateTime>,
}

impl TryFrom<Row> for Notification {
    type Error = StoreError;
    fn try_from(row: Row) -> Result<Notification> {
        let cost = row.cost_minor.zip(row.currency);
        let cost = cost.map(|(minor, currency)| money("notifications", row.id, minor, &currency)).transpose()?;
        Ok(Notification {
            cost,
            id: row.id,
            user: row.user,
            name: row.name,
            state: row.state,
            detail: row.detail,
            channel: row.channel,
            provider: row.provider,
            segments: row.segments,
            created_at: row.created_at,
            sent_at: row.sent_at,
        })
    }
}

/// Messages, by what follows the table's name.
macro_rules! notifications {
    ($rest:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT n.id, n.user_id AS "user", n.template AS name, n.state, n.detail, n.channel, n.provider, n.segments, n.cost_minor,
                      n.currency, n.created_at, n.sent_at
               FROM notifications n "# + $rest,
            $($argument),+
        )
    };
}

/// A page of messages, or of those to a customer, or in a state.
pub async fn list(
    db: &Db,
    user: Option<Uuid>,
    state: Option<&str>,
    after: After,
    limit: u32,
) -> Result<Vec<Notification>> {
    notifications!(
        "WHERE n.created_at <= $1 AND (n.created_at < $1 OR n.id > $2)
           AND ($3::uuid IS NULL OR n.user_id = $3) AND ($4::text IS NULL OR n.state = $4)
         ORDER BY n.created_at DESC, n.id LIMIT $5",
        after.at,
        after.id,
        user as Option<Uuid>,
        state,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Notification::try_from)
    .collect()
}

/// One message.
pub async fn get(db: &Db, id: Uuid) -> Result<Notification> {
    notifications!("WHERE n.id = $1", id)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("message", id))?
        .try_into()
}
