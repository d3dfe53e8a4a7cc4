//! What the operator chose in an accountant's program for something of ours, and what there is to choose from.
//!
//! The program is read whole ([`read`]): what it has no more is gone here too, but a choice that was made stays until somebody makes another
//! one, and the dry run says that it leads nowhere. A subject is what of ours it is chosen for: a package, a site, a letter of tax, a way
//! of payment, also in one currency (`stripe:USD`), a word such as `deferred`, or [`ALL`] for whatever has none of its own.

use std::collections::BTreeMap;

use serde_json::json;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::admin::{Audit, audit_in, audit_with_in};
use crate::{Db, Result, StoreError};

/// The subject of whatever has no choice of its own.
pub const ALL: &str = "*";
/// What something can be chosen for, each with the topic of what is chosen.
pub const WHAT: [(&str, &str); 10] = [
    ("item", "item"),
    ("income", "account"),
    ("fees", "account"),
    ("deferred", "account"),
    ("deposit", "account"),
    ("tax", "tax"),
    ("class", "class"),
    ("customer", "contact"),
    ("supplier", "contact"),
    ("method", "method"),
];

/// Something that can be chosen.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Choice {
    /// What it is: `account`, `item`, `tax`, `class`, `contact`, `method`.
    pub topic: String,
    /// The program's name of it.
    pub external: String,
    /// Its name for people.
    pub name: String,
    /// What else tells it from others.
    pub detail: String,
}

/// What was chosen, by what and subject.
pub type Mappings = BTreeMap<(String, String), String>;

/// A connection, as far as mapping and delivery need it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// Its identity.
    pub id: Uuid,
    /// Its program.
    pub provider: String,
    /// The company's name.
    pub name: String,
    /// `connected`, `reconnect` or `off`.
    pub state: String,
    /// Why, where it is not connected.
    pub reason: String,
    /// Until when nothing is told.
    pub paused_until: Option<OffsetDateTime>,
    /// The first day that is told.
    pub posts_since: time::Date,
}

/// One connection.
///
/// # Errors
/// [`StoreError::Missing`]: there is none.
pub async fn connection(db: &Db, id: Uuid) -> Result<Connection> {
    sqlx::query_as!(
        Connection,
        "SELECT id, provider, name, state, reason, paused_until, posts_since FROM book_connections WHERE id = $1",
        id
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("connection to an accountant's program", id))
}

/// Puts what was read from the program in the place of what was read before.
pub async fn read(db: &Db, connection: Uuid, choices: &[Choice], now: OffsetDateTime) -> Result<()> {
    let column =
        |of: fn(&Choice) -> &str| -> Vec<String> { choices.iter().map(|choice| of(choice).to_owned()).collect() };
    let (topics, externals) = (column(|choice| &choice.topic), column(|choice| &choice.external));
    let (names, details) = (column(|choice| &choice.name), column(|choice| &choice.detail));
    let mut tx = db.pool.begin().await?;
    sqlx::query!("DELETE FROM book_choices WHERE connection_id = $1", connection).execute(&mut *tx).await?;
    sqlx::query!(
        "INSERT INTO book_choices (connection_id, topic, external_id, name, detail, read_at)
         SELECT $1::uuid, t.topic, t.external_id, t.name, t.detail, $6::timestamptz
         FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS t (topic, external_id, name, detail)
         ON CONFLICT (connection_id, topic, external_id) DO NOTHING",
        connection,
        &topics,
        &externals,
        &names,
        &details,
        now
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// What can be chosen, by topic and name; and when it was read.
pub async fn choices(db: &Db, connection: Uuid) -> Result<(Vec<Choice>, Option<OffsetDateTime>)> {
    let rows = sqlx::query!(
        "SELECT topic, external_id, name, detail, read_at FROM book_choices WHERE connection_id = $1
         ORDER BY topic, lower(name), external_id",
        connection
    )
    .fetch_all(&db.pool)
    .await?;
    let read_at = rows.iter().map(|row| row.read_at).max();
    let choices = rows.into_iter().map(|row| Choice {
        topic: row.topic,
        external: row.external_id,
        name: row.name,
        detail: row.detail,
    });
    Ok((choices.collect(), read_at))
}

/// What was chosen.
pub async fn all(db: &Db, connection: Uuid) -> Result<Mappings> {
    let rows =
        sqlx::query!("SELECT what, subject, external_id FROM book_mappings WHERE connection_id = $1", connection)
            .fetch_all(&db.pool)
            .await?;
    Ok(rows.into_iter().map(|row| ((row.what, row.subject), row.external_id)).collect())
}

/// A choice that was made: what, for which subject, and which; `None`: none any more.
pub type Change = (String, String, Option<String>);

/// Makes choices. What was refused for want of one is told again. Returns how many changed.
pub async fn set(db: &Db, connection: Uuid, changes: &[Change], audit: &Audit<'_>, now: OffsetDateTime) -> Result<u64> {
    let mut tx = db.pool.begin().await?;
    let before = sqlx::query!(
        "SELECT what, subject, external_id FROM book_mappings WHERE connection_id = $1 FOR UPDATE",
        connection
    )
    .fetch_all(&mut *tx)
    .await?;
    let before: Mappings = before.into_iter().map(|row| ((row.what, row.subject), row.external_id)).collect();
    let mut said = Vec::new();
    for (what, subject, external) in changes {
        let was = before.get(&(what.clone(), subject.clone()));
        if was == external.as_ref() {
            continue;
        }
        write(&mut tx, connection, (what, subject, external.as_deref()), audit.actor, now).await?;
        said.push(json!({ "what": what, "subject": subject, "was": was, "is": external }));
    }
    if said.is_empty() {
        return Ok(0);
    }
    sqlx::query!(
        "UPDATE book_postings SET state = 'pending', next_attempt_at = NULL, round = round + 1, waits_since = $2
         WHERE connection_id = $1 AND state = 'rejected'",
        connection,
        now
    )
    .execute(&mut *tx)
    .await?;
    audit_with_in(&mut tx, audit, &json!({ "choices": said }), now).await?;
    tx.commit().await?;
    Ok(u64::try_from(said.len()).unwrap_or(u64::MAX))
}

async fn write(
    tx: &mut sqlx::PgConnection,
    connection: Uuid,
    (what, subject, external): (&str, &str, Option<&str>),
    by: &str,
    now: OffsetDateTime,
) -> Result<()> {
    let Some(external) = external else {
        sqlx::query!(
            "DELETE FROM book_mappings WHERE connection_id = $1 AND what = $2 AND subject = $3",
            connection,
            what,
            subject
        )
        .execute(tx)
        .await?;
        return Ok(());
    };
    sqlx::query!(
        "INSERT INTO book_mappings (connection_id, what, subject, external_id, set_at, set_by) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (connection_id, what, subject) DO UPDATE SET external_id = EXCLUDED.external_id, set_at = EXCLUDED.set_at,
             set_by = EXCLUDED.set_by",
        connection,
        what,
        subject,
        external,
        now,
        by
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A customer to whom each sale is told for itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// The customer.
    pub user: Uuid,
    /// The customer's name here; empty where none is known.
    pub name: String,
    /// The customer's number.
    pub phone: String,
    /// The program's name of them.
    pub external: String,
}

/// The customers to whom each sale is told for itself.
pub async fn customers(db: &Db, connection: Uuid) -> Result<Vec<Named>> {
    Ok(sqlx::query_as!(
        Named,
        r#"SELECT u.id AS "user", coalesce(u.name, '') AS "name!", coalesce(u.phone, '') AS "phone!", c.external_id AS external
           FROM book_customers c JOIN users u ON u.id = c.user_id WHERE c.connection_id = $1 ORDER BY u.name, u.phone"#,
        connection
    )
    .fetch_all(&db.pool)
    .await?)
}

/// Names a customer, by the number of their phone, or renames them. From the next document on their orders are told for themselves.
///
/// # Errors
/// [`StoreError::Conflict`]: nobody has this number.
pub async fn name_customer(
    db: &Db,
    connection: Uuid,
    phone: &str,
    external: &str,
    audit: &Audit<'_>,
    now: OffsetDateTime,
) -> Result<()> {
    let mut tx = db.pool.begin().await?;
    let named = sqlx::query!(
        "INSERT INTO book_customers (connection_id, user_id, external_id, set_at, set_by)
         SELECT $1, u.id, $3, $4, $5 FROM users u WHERE u.phone = $2 AND u.erased_at IS NULL
         ON CONFLICT (connection_id, user_id) DO UPDATE SET external_id = EXCLUDED.external_id, set_at = EXCLUDED.set_at,
             set_by = EXCLUDED.set_by",
        connection,
        phone,
        external,
        now,
        audit.actor
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if named == 0 {
        return Err(StoreError::Conflict("nobody has bought anything with this number".into()));
    }
    audit_in(&mut tx, audit, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Tells a customer's orders with all others again, from the next document on. What waits to be told for itself still is.
///
/// # Errors
/// [`StoreError::Conflict`]: an order of theirs waits to be told.
pub async fn unname_customer(
    db: &Db,
    connection: Uuid,
    user: Uuid,
    audit: &Audit<'_>,
    now: OffsetDateTime,
) -> Result<()> {
    let mut tx = db.pool.begin().await?;
    let waits = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM book_postings p JOIN orders o ON o.id = p.order_id
                          WHERE p.connection_id = $1 AND o.user_id = $2 AND p.state IN ('pending', 'unknown', 'rejected')) AS "waits!""#,
        connection,
        user
    )
    .fetch_one(&mut *tx)
    .await?;
    if waits {
        return Err(StoreError::Conflict(
            "orders of theirs wait to be told under this name: wait until they are".into(),
        ));
    }
    sqlx::query!("DELETE FROM book_customers WHERE connection_id = $1 AND user_id = $2", connection, user)
        .execute(&mut *tx)
        .await?;
    audit_in(&mut tx, audit, now).await?;
    tx.commit().await?;
    Ok(())
}
