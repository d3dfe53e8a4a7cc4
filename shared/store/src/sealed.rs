//! All that is sealed in the database, column by column, and who has the keys to it: what it takes to change the key while everything
//! runs.
//!
//! [`COLUMNS`] is the whole list; a test of the schema fails when one is missing. [`state`] counts what the present key has not sealed,
//! [`reseal`] does a bounded number of values anew and says where to go on. A value that was changed meanwhile is left to whoever
//! changed it. Programs say which keys they have ([`hold`]), and [`holders`] lists them.
//!
//! Refused here: opening what belongs elsewhere (the context of each value is its place and its row), and throwing away what no key
//! opens: it is counted, and stays.

use std::time::Duration;

use shared::seal::{KeyId, SealKey};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::{Db, Result};

/// A program says so often which keys it has.
pub const HOLDS_EVERY: Duration = Duration::from_secs(30);
/// One that was not heard for so long does not run any more.
const GONE_AFTER: Duration = Duration::from_secs(90);

/// A column with sealed values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    /// Its table.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The table's primary key, by which batches go on.
    key: &'static str,
    /// The column whose identifier is part of the context.
    owner: &'static str,
    /// The context without that identifier.
    place: &'static str,
}

/// All of them.
pub const COLUMNS: &[Column] = &[
    Column { table: "nas", name: "secret_sealed", key: "id", owner: "id", place: "nas.secret:" },
    Column { table: "nas", name: "old_secret_sealed", key: "id", owner: "id", place: "nas.secret:" },
    Column { table: "nas", name: "rest_password_sealed", key: "id", owner: "id", place: "nas.rest_password:" },
    Column { table: "router_logins", name: "password_sealed", key: "id", owner: "id", place: "router_login.password:" },
    Column { table: "admin_users", name: "totp_sealed", key: "id", owner: "id", place: "admin.totp:" },
    Column { table: "credentials", name: "login_sealed", key: "id", owner: "id", place: "credential.login:" },
    Column { table: "credentials", name: "password_sealed", key: "id", owner: "id", place: "credential.password:" },
    Column {
        table: "orders_for_another",
        name: "login_sealed",
        key: "order_id",
        owner: "credential_id",
        place: "credential.login:",
    },
    Column {
        table: "orders_for_another",
        name: "password_sealed",
        key: "order_id",
        owner: "credential_id",
        place: "credential.password:",
    },
    Column { table: "webhook_endpoints", name: "secret_sealed", key: "id", owner: "id", place: "webhook.secret:" },
    Column { table: "webhook_endpoints", name: "old_secret_sealed", key: "id", owner: "id", place: "webhook.secret:" },
    Column {
        table: "book_connections",
        name: "tokens_sealed",
        key: "id",
        owner: "id",
        place: "book_connection.tokens:",
    },
    Column { table: "etims_branches", name: "key_sealed", key: "id", owner: "id", place: "etims.key:" },
];

/// How much of a column the present key has sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// The column.
    pub column: Column,
    /// Values in it.
    pub values: u64,
    /// Those that another key has sealed.
    pub left: u64,
}

/// What a batch did.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Batch {
    /// Values that were sealed anew.
    pub sealed: u64,
    /// The rows whose value no key opens; they stay as they are.
    pub unopened: Vec<Uuid>,
    /// The last row that was looked at; `None`: there was none, the column is done.
    pub last: Option<Uuid>,
}

/// A running program and the keys that it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// `radiusd` or `portal`.
    pub program: String,
    /// By what its keys are known, the one that seals first.
    pub keys: Vec<String>,
    /// How long ago it was heard, seconds.
    pub heard_seconds: u64,
}

impl Holder {
    /// Whether it can open what that key has sealed.
    pub fn has(&self, key: KeyId) -> bool {
        self.keys.contains(&key.to_string())
    }

    /// Whether what it seals from now on is sealed with that key.
    pub fn seals_with(&self, key: KeyId) -> bool {
        self.keys.first().is_some_and(|first| *first == key.to_string())
    }
}

/// Counts, for each column, what the present key has not sealed.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn state(db: &Db) -> Result<Vec<State>> {
    let begins = db.seal.begins();
    let mut found = Vec::new();
    for &column in COLUMNS {
        let Column { table, name, .. } = column;
        let count = format!(
            "SELECT count({name}), count({name}) FILTER (WHERE substring({name} FROM 1 FOR $1) <> $2) FROM {table}"
        );
        // The names are those above.
        let (values, left): (i64, i64) =
            sqlx::query_as(AssertSqlSafe(count)).bind(length(&begins)).bind(&begins).fetch_one(&db.pool).await?;
        let number = |count: i64| u64::try_from(count).unwrap_or(0);
        found.push(State { column, values: number(values), left: number(left) });
    }
    Ok(found)
}

/// Seals at most `most` values of a column anew that another key has sealed, from the row behind `after` on.
///
/// # Errors
/// If PostgreSQL is away: what was not done is found by the next round.
pub async fn reseal(db: &Db, column: Column, after: Option<Uuid>, most: u32) -> Result<Batch> {
    let Column { table, name, key, owner, place } = column;
    let begins = db.seal.begins();
    let read = format!(
        "SELECT {key}, {owner}, {name} FROM {table}
         WHERE substring({name} FROM 1 FOR $1) <> $2 AND ($3::uuid IS NULL OR {key} > $3) ORDER BY {key} LIMIT $4"
    );
    let rows: Vec<(Uuid, Uuid, Vec<u8>)> = sqlx::query_as(AssertSqlSafe(read))
        .bind(length(&begins))
        .bind(&begins)
        .bind(after)
        .bind(i64::from(most))
        .fetch_all(&db.pool)
        .await?;
    let mut batch = Batch { last: rows.last().map(|(id, ..)| *id), ..Batch::default() };
    let (mut ids, mut before, mut anew) = (Vec::new(), Vec::new(), Vec::new());
    for (id, owner, sealed) in rows {
        match again(&db.seal, &format!("{place}{owner}"), &sealed) {
            Some(new) => {
                ids.push(id);
                before.push(sealed);
                anew.push(new);
            }
            None => batch.unopened.push(id),
        }
    }
    let write = format!(
        "UPDATE {table} t SET {name} = n.anew FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS n (id, before, anew)
         WHERE t.{key} = n.id AND t.{name} = n.before"
    );
    if !ids.is_empty() {
        let done = sqlx::query(AssertSqlSafe(write)).bind(ids).bind(before).bind(anew).execute(&db.pool).await?;
        batch.sealed = done.rows_affected();
    }
    Ok(batch)
}

fn again(seal: &SealKey, context: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let plain = seal.open(context, sealed).ok()?;
    Some(seal.seal(context, &plain))
}

fn length(begins: &[u8]) -> i32 {
    i32::try_from(begins.len()).unwrap_or(i32::MAX)
}

/// Says that this program runs and which keys it has; forgets those that do not run any more. By the database's clock, because the
/// machines' may differ.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn hold(db: &Db, id: Uuid, program: &str) -> Result<()> {
    let keys: Vec<String> = db.seal.known().iter().map(ToString::to_string).collect();
    sqlx::query(
        "INSERT INTO key_holders (id, program, keys, seen_at) VALUES ($1, $2, $3, now())
         ON CONFLICT (id) DO UPDATE SET keys = EXCLUDED.keys, seen_at = now()",
    )
    .bind(id)
    .bind(program)
    .bind(keys)
    .execute(&db.pool)
    .await?;
    sqlx::query("DELETE FROM key_holders WHERE seen_at < now() - $1::bigint * interval '1 second'")
        .bind(gone_after())
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Says that this program has stopped.
///
/// # Errors
/// If PostgreSQL is away; it is forgotten by itself later.
pub async fn let_go(db: &Db, id: Uuid) -> Result<()> {
    sqlx::query("DELETE FROM key_holders WHERE id = $1").bind(id).execute(&db.pool).await?;
    Ok(())
}

/// The programs that run.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn holders(db: &Db) -> Result<Vec<Holder>> {
    let rows: Vec<(String, Vec<String>, i64)> = sqlx::query_as(
        "SELECT program, keys, greatest(0, extract(epoch FROM now() - seen_at))::bigint FROM key_holders
         WHERE seen_at >= now() - $1::bigint * interval '1 second' ORDER BY program, id",
    )
    .bind(gone_after())
    .fetch_all(&db.pool)
    .await?;
    let holder = |(program, keys, heard): (String, Vec<String>, i64)| Holder {
        program,
        keys,
        heard_seconds: u64::try_from(heard).unwrap_or(0),
    };
    Ok(rows.into_iter().map(holder).collect())
}

fn gone_after() -> i64 {
    i64::try_from(GONE_AFTER.as_secs()).unwrap_or(i64::MAX)
}

/// Whether logins are found by the key that this program has: one that was sealed is opened and looked for. `None`: there is none yet.
///
/// # Errors
/// If PostgreSQL is away.
pub async fn finds_logins(db: &Db) -> Result<Option<bool>> {
    let one: Option<(Uuid, Vec<u8>, Vec<u8>)> =
        sqlx::query_as("SELECT id, lookup, login_sealed FROM credentials ORDER BY id DESC LIMIT 1")
            .fetch_optional(&db.pool)
            .await?;
    let Some((id, lookup, sealed)) = one else { return Ok(None) };
    let login = db.seal.open(&crate::entitlement::login_context(id), &sealed);
    Ok(Some(login.is_ok_and(|login| db.seal.lookup(&login)[..] == lookup[..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_sealed_anew_in_its_place() {
        let (first, second) = ("8f".repeat(32), "3a".repeat(32));
        let old = SealKey::from_hex(&first).expect("a key");
        let new = SealKey::ring(&second, &[&first], Some(&old.lookup_key())).expect("keys");
        let sealed = old.seal("nas.secret:1", b"testing123");
        let anew = again(&new, "nas.secret:1", &sealed).expect("it opens");
        assert!(anew.starts_with(&new.begins()) && !sealed.starts_with(&new.begins()));
        assert_eq!(new.open("nas.secret:1", &anew).expect("it opens").as_slice(), b"testing123");
        assert_eq!(again(&new, "nas.secret:2", &sealed), None, "another row's");
    }

    #[test]
    fn who_has_a_key_may_still_seal_with_another() {
        let (first, second) = ("8f".repeat(32), "3a".repeat(32));
        let key = |hex: &str| SealKey::from_hex(hex).expect("a key").current();
        let (old, new) = (key(&first), key(&second));
        let keys = vec![old.to_string(), new.to_string()];
        let holder = Holder { program: "portal".into(), keys, heard_seconds: 1 };
        assert!(holder.has(new) && holder.seals_with(old) && !holder.seals_with(new));
    }

    #[test]
    fn contexts_are_those_that_values_are_sealed_for() {
        let id = Uuid::from_u128(7);
        let of = |table: &str, name: &str| {
            let column = COLUMNS.iter().find(|column| (column.table, column.name) == (table, name)).expect("there");
            format!("{}{id}", column.place)
        };
        assert_eq!(of("credentials", "login_sealed"), *crate::entitlement::login_context(id));
        assert_eq!(of("orders_for_another", "password_sealed"), *crate::entitlement::password_context(id));
    }
}
