//! Companies of the operator in accountants' programs, and the tokens that let us in.
//!
//! A pair of tokens has a number, its *generation*. Who wants another pair takes the renewal for a while ([`claim_renewal`]), asks the
//! program, and writes the new pair in place of the one that was read ([`store_tokens`]): if that is not there any more, nothing is
//! written. So of all processes one asks, and a pair that is used once only is never overwritten by an older one. One whose program does
//! not let us in any more is to be connected again by a person ([`set_reconnect`]); until then nobody asks there.
//!
//! Tokens are sealed to their row. Refused here: handing them out with anything that is shown; [`list`] and [`find`] have none.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::rng;
use shared::time::OffsetDateTime;
use time::Date;
use uuid::Uuid;

use crate::admin::{self, Audit};
use crate::{Db, Result, StoreError};

/// Most connections that are listed.
const MOST: i64 = 100;
/// Who ends a connection that its program has ended.
const OURSELVES: &str = "books";

/// Where a connection stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// We are let in.
    Connected,
    /// We are not any more, and a person must act.
    Reconnect,
    /// The operator ended it.
    Off,
}

impl State {
    /// Reads the word in the database.
    fn parse(text: &str) -> Option<State> {
        match text {
            "connected" => Some(State::Connected),
            "reconnect" => Some(State::Reconnect),
            "off" => Some(State::Off),
            _ => None,
        }
    }
}

/// A company of the operator in an accountant's program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connection {
    /// Its identity.
    pub id: Uuid,
    /// The program's word: `quickbooks`, `xero` or `zoho`.
    pub provider: String,
    /// The program's name of the company.
    pub organisation: String,
    /// Its name for people.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// Why we are not let in any more; empty otherwise.
    pub reason: String,
    /// The first day that is told.
    pub posts_since: Date,
    /// Until when nothing is told, since the program asked us to wait.
    pub paused_until: Option<OffsetDateTime>,
    /// Until when the refresh token is good, where it is known.
    pub refresh_until: Option<OffsetDateTime>,
    /// When it was connected last.
    pub connected_at: OffsetDateTime,
    /// By whom.
    pub connected_by: String,
    /// How often the program was asked today, by UTC.
    pub calls_today: i64,
}

struct Row {
    id: Uuid,
    provider: String,
    organisation: String,
    name: String,
    state: String,
    reason: String,
    posts_since: Date,
    paused_until: Option<OffsetDateTime>,
    refresh_until: Option<OffsetDateTime>,
    connected_at: OffsetDateTime,
    connected_by: String,
    calls_today: i64,
}

impl Row {
    fn connection(self) -> Result<Connection> {
        Ok(Connection {
            state: state(self.id, &self.state)?,
            id: self.id,
            provider: self.provider,
            organisation: self.organisation,
            name: self.name,
            reason: self.reason,
            posts_since: self.posts_since,
            paused_until: self.paused_until,
            refresh_until: self.refresh_until,
            connected_at: self.connected_at,
            connected_by: self.connected_by,
            calls_today: self.calls_today,
        })
    }
}

fn state(id: Uuid, word: &str) -> Result<State> {
    State::parse(word).ok_or_else(|| StoreError::corrupt("book_connections", id, "unknown state"))
}

/// What lets us in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// What each request carries.
    pub access: String,
    /// What the next pair is asked for with.
    pub refresh: String,
    /// Where that is done, where the program has several places and said which one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("server", &self.server).finish_non_exhaustive()
    }
}

/// A connection with its tokens, as they were read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The program's word.
    pub provider: String,
    /// The program's name of the company.
    pub organisation: String,
    /// Where the program is, where the grant said it.
    pub base_url: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Why we are not let in any more.
    pub reason: String,
    /// The tokens; `None`: there are none any more.
    pub tokens: Option<Tokens>,
    /// The number of this pair.
    pub generation: i64,
    /// Until when the access token is good.
    pub access_until: Option<OffsetDateTime>,
    /// Until when somebody renews the tokens.
    pub renewing_until: Option<OffsetDateTime>,
}

/// A connection to be made.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// The program's word.
    pub provider: &'a str,
    /// The program's name of the company.
    pub organisation: &'a str,
    /// Its name for people.
    pub name: &'a str,
    /// The first day that is told.
    pub posts_since: Date,
    /// What lets us in.
    pub pair: Pair<'a>,
}

/// A pair of tokens as it was given out.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The tokens.
    pub tokens: &'a Tokens,
    /// Where the program is, where the grant said it.
    pub base_url: Option<&'a str>,
    /// Until when the access token is good.
    pub access_until: OffsetDateTime,
    /// Until when the refresh token is good, where it is known.
    pub refresh_until: Option<OffsetDateTime>,
}

/// Who does it, and from where.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// An address of the desk.
    pub actor: &'a str,
    /// From where.
    pub address: Option<IpAddr>,
}

/// All connections, those that are on first.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn list(db: &Db, now: OffsetDateTime) -> Result<Vec<Connection>> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT c.id, c.provider, c.organisation, c.name, c.state, c.reason, c.posts_since, c.paused_until, c.refresh_until,
                  c.connected_at, c.connected_by, coalesce(k.calls, 0)::bigint AS "calls_today!"
           FROM book_connections c LEFT JOIN book_calls k ON k.connection_id = c.id AND k.day = $1
           ORDER BY c.state = 'off', c.provider, c.name, c.id LIMIT $2"#,
        utc_day(now),
        MOST
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter().map(Row::connection).collect()
}

/// One of them.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn find(db: &Db, id: Uuid, now: OffsetDateTime) -> Result<Option<Connection>> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT c.id, c.provider, c.organisation, c.name, c.state, c.reason, c.posts_since, c.paused_until, c.refresh_until,
                  c.connected_at, c.connected_by, coalesce(k.calls, 0)::bigint AS "calls_today!"
           FROM book_connections c LEFT JOIN book_calls k ON k.connection_id = c.id AND k.day = $2
           WHERE c.id = $1"#,
        id,
        utc_day(now)
    )
    .fetch_optional(&db.pool)
    .await?;
    row.map(Row::connection).transpose()
}

/// The day by which calls are counted.
fn utc_day(now: OffsetDateTime) -> Date {
    now.to_offset(time::UtcOffset::UTC).date()
}

/// A connection whose program does not let us in any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// Its identity.
    pub id: Uuid,
    /// The program's word.
    pub provider: String,
    /// The company's name for people.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Those that wait for a person.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn lost(db: &Db) -> Result<Vec<Lost>> {
    Ok(sqlx::query_as!(
        Lost,
        "SELECT id, provider, name, reason FROM book_connections WHERE state = 'reconnect' ORDER BY provider, name, id LIMIT $1",
        MOST
    )
    .fetch_all(&db.pool)
    .await?)
}

/// A connection with its tokens.
///
/// # Errors
/// If PostgreSQL is away, or the tokens are sealed with a key that is not there any more.
pub async fn held(db: &Db, id: Uuid) -> Result<Option<Held>> {
    let row = sqlx::query!(
        "SELECT provider, organisation, base_url, state, reason, tokens_sealed, generation, access_until, renewing_until
         FROM book_connections WHERE id = $1",
        id
    )
    .fetch_optional(&db.pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Held {
        state: state(id, &row.state)?,
        tokens: row.tokens_sealed.as_deref().map(|sealed| opened(db, id, sealed)).transpose()?,
        provider: row.provider,
        organisation: row.organisation,
        base_url: row.base_url,
        reason: row.reason,
        generation: row.generation,
        access_until: row.access_until,
        renewing_until: row.renewing_until,
    }))
}

fn opened(db: &Db, id: Uuid, sealed: &[u8]) -> Result<Tokens> {
    let corrupt = |problem: String| StoreError::corrupt("book_connections", id, problem);
    let plain = db.seal.open(&context(id), sealed).map_err(|error| corrupt(error.to_string()))?;
    serde_json::from_slice(&plain).map_err(|_| corrupt("the tokens cannot be read".to_owned()))
}

fn sealed(db: &Db, id: Uuid, tokens: &Tokens) -> Vec<u8> {
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(tokens).expect("texts are JSON"));
    db.seal.seal(&context(id), &plain)
}

fn context(id: Uuid) -> String {
    format!("book_connection.tokens:{id}")
}

/// Takes the renewal of that pair until `lease` is over. `false`: somebody else has it, or that pair is there no more.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn claim_renewal(db: &Db, id: Uuid, generation: i64, now: OffsetDateTime, lease: Duration) -> Result<bool> {
    let claimed = sqlx::query!(
        "UPDATE book_connections SET renewing_until = $4
         WHERE id = $1 AND generation = $2 AND state = 'connected' AND (renewing_until IS NULL OR renewing_until <= $3)",
        id,
        generation,
        now,
        now + lease
    )
    .execute(&db.pool)
    .await?;
    Ok(claimed.rows_affected() == 1)
}

/// Gives the renewal of that pair back: it came to nothing.
///
/// # Errors
/// If PostgreSQL is away: then it is free when its lease is over.
pub async fn release_renewal(db: &Db, id: Uuid, generation: i64) -> Result<()> {
    sqlx::query!("UPDATE book_connections SET renewing_until = NULL WHERE id = $1 AND generation = $2", id, generation)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Writes a pair in place of the one of that number, which is then one higher. `false`: that pair is there no more, and nothing was written.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn store_tokens(db: &Db, id: Uuid, generation: i64, pair: &Pair<'_>) -> Result<bool> {
    let stored = sqlx::query!(
        "UPDATE book_connections SET tokens_sealed = $3, base_url = coalesce($4, base_url), access_until = $5,
             refresh_until = coalesce($6, refresh_until), generation = generation + 1, renewing_until = NULL
         WHERE id = $1 AND generation = $2 AND state = 'connected'",
        id,
        generation,
        sealed(db, id, pair.tokens),
        pair.base_url,
        pair.access_until,
        pair.refresh_until as Option<OffsetDateTime>
    )
    .execute(&db.pool)
    .await?;
    Ok(stored.rows_affected() == 1)
}

/// Notes that the program does not let us in any more with the pair of that number. `false`: that pair is there no more, and what was said of
/// it says nothing of the present one.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn set_reconnect(db: &Db, id: Uuid, generation: i64, reason: &str, now: OffsetDateTime) -> Result<bool> {
    let mut tx = db.pool.begin().await?;
    let lost = sqlx::query!(
        "UPDATE book_connections SET state = 'reconnect', reason = $3, tokens_sealed = NULL, access_until = NULL, refresh_until = NULL,
             generation = generation + 1, renewing_until = NULL
         WHERE id = $1 AND generation = $2 AND state = 'connected' RETURNING provider, name",
        id,
        generation,
        reason
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(lost) = lost else { return Ok(false) };
    let object = format!("{} {}", lost.provider, lost.name);
    let line = Audit { actor: OURSELVES, action: "books.lost", object: &object, address: None };
    admin::audit_in(&mut tx, &line, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Connects a company, or connects it again. Returns its identity.
///
/// # Errors
/// If PostgreSQL is away; [`StoreError::Conflict`]: somebody has just connected it.
pub async fn connect(db: &Db, new: &New<'_>, by: By<'_>, now: OffsetDateTime) -> Result<Uuid> {
    let mut tx = db.pool.begin().await?;
    let known = sqlx::query_scalar!(
        "SELECT id FROM book_connections WHERE provider = $1 AND organisation = $2 FOR UPDATE",
        new.provider,
        new.organisation
    )
    .fetch_optional(&mut *tx)
    .await?;
    let id = known.unwrap_or_else(|| rng::id(now));
    // Whoever comes first of two that connect the same one has its row: the other one's tokens are sealed to no row, and refused.
    sqlx::query!(
        "INSERT INTO book_connections (id, provider, organisation, name, base_url, tokens_sealed, access_until, refresh_until, posts_since,
             connected_at, connected_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, base_url = EXCLUDED.base_url, tokens_sealed = EXCLUDED.tokens_sealed,
             access_until = EXCLUDED.access_until, refresh_until = EXCLUDED.refresh_until, posts_since = EXCLUDED.posts_since,
             connected_at = EXCLUDED.connected_at, connected_by = EXCLUDED.connected_by, state = 'connected', reason = '',
             generation = book_connections.generation + 1, renewing_until = NULL, paused_until = NULL",
        id,
        new.provider,
        new.organisation,
        new.name,
        new.pair.base_url,
        sealed(db, id, new.pair.tokens),
        new.pair.access_until,
        new.pair.refresh_until as Option<OffsetDateTime>,
        new.posts_since,
        now,
        by.actor
    )
    .execute(&mut *tx)
    .await?;
    audit(&mut tx, by, "books.connect", new.provider, new.name, now).await?;
    tx.commit().await?;
    Ok(id)
}

/// Ends a connection. Returns the tokens that were there, so that the program is told, too.
///
/// # Errors
/// If PostgreSQL is away; [`StoreError::Missing`]: there is no such connection.
pub async fn disconnect(db: &Db, id: Uuid, by: By<'_>, now: OffsetDateTime) -> Result<Option<Tokens>> {
    let mut tx = db.pool.begin().await?;
    let before =
        sqlx::query!("SELECT provider, name, state, tokens_sealed FROM book_connections WHERE id = $1 FOR UPDATE", id)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| StoreError::missing("connection", id))?;
    if before.state == "off" {
        return Ok(None);
    }
    // What no key opens is thrown away as well: it lets nobody in.
    let tokens = before.tokens_sealed.as_deref().and_then(|sealed| opened(db, id, sealed).ok());
    sqlx::query!(
        "UPDATE book_connections SET state = 'off', reason = '', tokens_sealed = NULL, access_until = NULL, refresh_until = NULL,
             generation = generation + 1, renewing_until = NULL
         WHERE id = $1",
        id
    )
    .execute(&mut *tx)
    .await?;
    audit(&mut tx, by, "books.disconnect", &before.provider, &before.name, now).await?;
    tx.commit().await?;
    Ok(tokens)
}

async fn audit(
    tx: &mut sqlx::PgConnection,
    by: By<'_>,
    action: &str,
    provider: &str,
    name: &str,
    now: OffsetDateTime,
) -> Result<()> {
    let object = format!("{provider} {name}");
    admin::audit_in(tx, &Audit { actor: by.actor, action, object: &object, address: by.address }, now).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_they_were_written_and_not_printed() {
        let tokens = Tokens { access: "hunter2".into(), refresh: "hunter3".into(), server: None };
        let text = serde_json::to_string(&tokens).unwrap();
        assert_eq!(text, r#"{"access":"hunter2","refresh":"hunter3"}"#);
        assert_eq!(serde_json::from_str::<Tokens>(&text).unwrap(), tokens);
        assert!(!format!("{tokens:?}").contains("hunter"));
    }

    #[test]
    fn a_state_is_one_of_three() {
        for (word, expected) in [
            ("connected", Some(State::Connected)),
            ("reconnect", Some(State::Reconnect)),
            ("off", Some(State::Off)),
            ("on", None),
        ] {
            assert_eq!(State::parse(word), expected, "{word}");
        }
    }
}
