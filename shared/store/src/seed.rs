//! Many customers at once, for benches: logins `user0000001`… with passwords `pw0000001`…, an active
//! entitlement each, good on any device for a year.

use shared::rng;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::package::{Package, Starts, signed, whole_seconds};
use crate::{Db, Result, entitlement};

/// Rows that one statement inserts.
const CHUNK: u32 = 5_000;

/// Makes `customers` logins that are not there yet and opens `sessions` sessions for the first of them at
/// `nas`. Returns how many of each were made.
pub async fn seed(
    db: &Db,
    package: &Package,
    nas: Uuid,
    customers: u32,
    sessions: u32,
    now: OffsetDateTime,
) -> Result<(u32, u32)> {
    let mut made = 0;
    for first in (1..=customers).step_by(CHUNK as usize) {
        made += chunk(db, package, first, customers, now).await?;
    }
    let mut opened = 0;
    for first in (1..=sessions.min(customers)).step_by(CHUNK as usize) {
        opened += open_sessions(db, nas, first, (first + CHUNK - 1).min(sessions.min(customers)), now).await?;
    }
    Ok((made, opened))
}

/// The customers from `first` on, as many as one statement inserts.
async fn chunk(db: &Db, package: &Package, first: u32, customers: u32, now: OffsetDateTime) -> Result<u32> {
    let mut rows = Vec::new();
    for number in first..=(first + CHUNK - 1).min(customers) {
        let login = format!("user{number:07}");
        // They came one after the other, as customers do, so that their order is that of their ids.
        let came = now - time::Duration::milliseconds(i64::from(customers - number));
        let (entitlement, credential) = (rng::id(came), rng::id(came));
        rows.push((
            entitlement,
            credential,
            db.seal.lookup(login.as_bytes()).to_vec(),
            db.seal.seal(&entitlement::login_context(credential), login.as_bytes()),
            db.seal.seal(&entitlement::password_context(credential), format!("pw{number:07}").as_bytes()),
        ));
    }
    let lookups: Vec<Vec<u8>> = rows.iter().map(|row| row.2.clone()).collect();
    let mut tx = db.pool.begin().await?;
    let known = sqlx::query_scalar!("SELECT lookup FROM credentials WHERE lookup = ANY ($1)", &lookups)
        .fetch_all(&mut *tx)
        .await?;
    let known: std::collections::HashSet<Vec<u8>> = known.into_iter().collect();
    rows.retain(|row| !known.contains(&row.2));
    let entitlements: Vec<Uuid> = rows.iter().map(|row| row.0).collect();
    sqlx::query!(
        "INSERT INTO entitlements (id, package_id, package_name, starts, duration_seconds, quota_octets, up_bps, down_bps,
             device_limit, starts_at, expires_at, created_at)
         SELECT id, $2, $3, $4, $5, $6, $7, $8, 100, $9, $10, $9 FROM unnest($1::uuid[]) AS id",
        &entitlements,
        package.id,
        package.name,
        Starts::Purchase.as_str(),
        package.duration.map(whole_seconds),
        package.quota_octets.map(signed),
        package.rate.map(|rate| signed(rate.up_bps)),
        package.rate.map(|rate| signed(rate.down_bps)),
        now,
        now + time::Duration::days(365)
    )
    .execute(&mut *tx)
    .await?;
    let (mut ids, mut lookups, mut logins, mut passwords) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (_, id, lookup, login, password) in rows {
        ids.push(id);
        lookups.push(lookup);
        logins.push(login);
        passwords.push(password);
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
    Ok(u32::try_from(ids.len()).unwrap_or(u32::MAX))
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
