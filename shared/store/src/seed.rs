//! Many customers at once, for benches: people with logins `user0000001`… and passwords `pw0000001`…, an active
//! entitlement each, good on any device for a year. Where asked, each comes with its first device bound: user 7's
//! phone is 02:00:00:00:00:07. [`history()`] gives them a year of ended sessions.

mod copy;
mod history;

use futures::{StreamExt as _, TryStreamExt as _};
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::package::{Package, Starts, signed, whole_seconds};
use crate::{Db, Result, entitlement};

pub use history::{Past, Written, history};

/// Rows that one statement inserts: more than the 20,000 from which on the directory is told in one row that
/// everything changed, and not in one row for each.
const CHUNK: u32 = 25_000;
/// Chunks under way at once: while PostgreSQL writes one, another is sealed.
const AT_ONCE: usize = 3;

/// How many there shall be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wish {
    /// Logins.
    pub customers: u32,
    /// How many of them have an open session.
    pub sessions: u32,
    /// Whether each new one has its phone bound.
    pub bound: bool,
}

/// Makes the logins that are not there yet and opens sessions for the first of them at `nas`. Returns how many of
/// each were made.
pub async fn seed(db: &Db, package: &Package, nas: Uuid, wish: Wish, now: OffsetDateTime) -> Result<(u32, u32)> {
    let Wish { customers, sessions, .. } = wish;
    let firsts = futures::stream::iter((1..=customers).step_by(CHUNK as usize));
    let made = firsts
        .map(|first| chunk(db, package, wish, first, now))
        .buffer_unordered(AT_ONCE)
        .try_fold(0, |made, more| async move { Ok(made + more) })
        .await?;
    let mut opened = 0;
    for first in (1..=sessions.min(customers)).step_by(CHUNK as usize) {
        opened += open_sessions(db, nas, first, (first + CHUNK - 1).min(sessions.min(customers)), now).await?;
    }
    Ok((made, opened))
}

/// A customer to be written.
struct Customer {
    number: u32,
    entitlement: Uuid,
    credential: Uuid,
    lookup: Vec<u8>,
    login: Vec<u8>,
    password: Vec<u8>,
}

impl Customer {
    fn new(db: &Db, number: u32, came: OffsetDateTime) -> Customer {
        let login = format!("user{number:07}");
        let (entitlement, credential) = (rng::id(came), rng::id(came));
        Customer {
            number,
            entitlement,
            credential,
            lookup: db.seal.lookup(login.as_bytes()).to_vec(),
            login: db.seal.seal(&entitlement::login_context(credential), login.as_bytes()),
            password: db.seal.seal(&entitlement::password_context(credential), format!("pw{number:07}").as_bytes()),
        }
    }
}

/// The customers from `first` on, as many as one statement inserts.
async fn chunk(db: &Db, package: &Package, wish: Wish, first: u32, now: OffsetDateTime) -> Result<u32> {
    let last = (first + CHUNK - 1).min(wish.customers);
    // They came one after the other, as customers do, so that their order is that of their ids.
    let came = |number| now - time::Duration::milliseconds(i64::from(wish.customers - number));
    let mut customers: Vec<Customer> = (first..=last).map(|number| Customer::new(db, number, came(number))).collect();
    let lookups: Vec<Vec<u8>> = customers.iter().map(|customer| customer.lookup.clone()).collect();
    let mut tx = db.pool.begin().await?;
    let known = sqlx::query_scalar!("SELECT lookup FROM credentials WHERE lookup = ANY ($1)", &lookups)
        .fetch_all(&mut *tx)
        .await?;
    let known: std::collections::HashSet<Vec<u8>> = known.into_iter().collect();
    customers.retain(|customer| !known.contains(&customer.lookup));
    let entitlements: Vec<Uuid> = customers.iter().map(|customer| customer.entitlement).collect();
    let numbers: Vec<i32> = customers.iter().map(|c| i32::try_from(c.number).unwrap_or(i32::MAX)).collect();
    let users = make_users(&mut tx, &numbers, now).await?;
    grant(&mut tx, package, &entitlements, &users, now).await?;
    if wish.bound {
        bind(&mut tx, &entitlements, &numbers, now).await?;
    }
    let made = u32::try_from(customers.len()).unwrap_or(u32::MAX);
    let (mut ids, mut lookups, mut logins, mut passwords) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for customer in customers {
        ids.push(customer.credential);
        lookups.push(customer.lookup);
        logins.push(customer.login);
        passwords.push(customer.password);
    }
    sqlx::query!(
        "INSERT INTO credentials (id, entitlement_id, kind, lookup, login_sealed, password_sealed, created_at)
         SELECT c.id, c.entitlement, 'password', c.lookup, c.login, c.password, $6
         FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[], $5::bytea[]) AS c (id, entitlement, lookup, login, password)",
        &ids,
        &entitlements,
        &lookups,
        &logins,
        &passwords,
        now
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(made)
}

/// A person for each: +9990000007 is user 7's number, in a country that does not exist.
async fn make_users(tx: &mut PgConnection, numbers: &[i32], now: OffsetDateTime) -> Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = numbers.iter().map(|_| rng::id(now)).collect();
    sqlx::query!(
        "INSERT INTO users (id, phone, created_at)
         SELECT u.id, '+999' || lpad(u.number::text, 7, '0'), $3 FROM unnest($1::uuid[], $2::integer[]) AS u (id, number)",
        &ids,
        numbers,
        now
    )
    .execute(tx)
    .await?;
    Ok(ids)
}

/// Entitlements to the package, whose time has begun.
async fn grant(
    tx: &mut PgConnection,
    package: &Package,
    ids: &[Uuid],
    users: &[Uuid],
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO entitlements (id, user_id, package_id, package_name, starts, duration_seconds, quota_octets, up_bps, down_bps,
             device_limit, idle_timeout_seconds, starts_at, expires_at, created_at)
         SELECT g.id, g.user_id, $2, $3, $4, $5, $6, $7, $8, 100, $11, $9, $10, $9
         FROM unnest($1::uuid[], $12::uuid[]) AS g (id, user_id)",
        ids,
        package.id,
        package.name,
        Starts::Purchase.as_str(),
        package.rules.duration.map(whole_seconds),
        package.rules.quota_octets.map(signed),
        package.rules.rate.map(|rate| signed(rate.up_bps)),
        package.rules.rate.map(|rate| signed(rate.down_bps)),
        now,
        now + time::Duration::days(365),
        package.rules.idle_timeout.map(|idle| i32::try_from(idle.as_secs()).unwrap_or(i32::MAX)),
        users
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn bind(tx: &mut PgConnection, ids: &[Uuid], numbers: &[i32], now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "INSERT INTO entitlement_devices (entitlement_id, mac, bound_at)
         SELECT d.id, ('02' || lpad(to_hex(d.number), 10, '0'))::macaddr, $3
         FROM unnest($1::uuid[], $2::integer[]) AS d (id, number)",
        ids,
        numbers,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn open_sessions(db: &Db, nas: Uuid, first: u32, last: u32, now: OffsetDateTime) -> Result<u32> {
    let numbers: Vec<i32> = (first..=last).map(|n| i32::try_from(n).unwrap_or(i32::MAX)).collect();
    let ids: Vec<Uuid> = numbers.iter().map(|_| rng::id(now)).collect();
    let lookups: Vec<Vec<u8>> =
        numbers.iter().map(|n| db.seal.lookup(format!("user{n:07}").as_bytes()).to_vec()).collect();
    let made = sqlx::query!(
        "INSERT INTO sessions (id, opened_on, nas_id, entitlement_id, user_name, mac, framed_ip, acct_session_id,
             started_at, last_heard_at, cutoff_at)
         SELECT s.id, ($5::timestamptz AT TIME ZONE 'UTC')::date, $4, c.entitlement_id, 'user' || lpad(s.number::text, 7, '0'),
             ('02' || lpad(to_hex(s.number), 10, '0'))::macaddr, '10.0.0.0'::inet + s.number,
             '8' || lpad(to_hex(s.number), 7, '0'), $5, $5, e.expires_at
         FROM unnest($1::uuid[], $2::integer[], $3::bytea[]) AS s (id, number, lookup)
         JOIN credentials c ON c.lookup = s.lookup JOIN entitlements e ON e.id = c.entitlement_id
         WHERE NOT EXISTS (SELECT FROM sessions o WHERE o.entitlement_id = c.entitlement_id)",
        &ids,
        &numbers,
        &lookups,
        nas,
        now
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    Ok(u32::try_from(made).unwrap_or(u32::MAX))
}
