//! Payments that make packages longer: prepared as orders that wait for their money, and settled one after the other as the
//! portal does, evenly over the time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use shared::config::Config;
use shared::time::{Clock, OffsetDateTime};
use sqlx::{Connection as _, PgConnection, Row as _};
use store::Db;
use store::settlement::{self, Evidence, Settled};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::ROUTER;
use crate::report::number;

/// Payments that are being settled at once.
const AT_ONCE: usize = 4;

/// An order of the same package for every customer who is online at these routers, and its payment.
pub(super) async fn prepare(database: &mut PgConnection, db: &Db, now: OffsetDateTime) -> anyhow::Result<()> {
    let package = store::package::by_slug(db, "seeded").await?;
    sqlx::query(
        "WITH online AS (
             SELECT s.id AS session, s.nas_id, s.mac, e.id AS target, e.user_id, u.phone, gen_random_uuid() AS order_id,
                    upper(to_hex(row_number() OVER () + 16777216)) AS code
             FROM sessions s JOIN nas n ON n.id = s.nas_id JOIN entitlements e ON e.id = s.entitlement_id JOIN users u ON u.id = e.user_id
             WHERE n.name LIKE $4 || '%'),
         placed AS (
             INSERT INTO orders (id, code, user_id, phone, package_id, package, amount_minor, currency, nas_id, mac, state, created_at,
                                 updated_at, wish, target_id)
             SELECT order_id, 'EXP' || code, user_id, phone, $1, $2, 2000, 'KES', nas_id, mac, 'prompted', $3, $3, 'extend', target FROM online
             RETURNING id)
         INSERT INTO payments (id, order_id, provider, amount_minor, currency, state, created_at, updated_at)
         SELECT gen_random_uuid(), id, 'mpesa', 2000, 'KES', 'prompted', $3, $3 FROM placed",
    )
    .bind(package.id)
    .bind(serde_json::to_value(&package)?)
    .bind(now)
    .bind(ROUTER)
    .execute(database)
    .await?;
    Ok(())
}

/// Settles all of them within so many seconds. Returns when each session's was settled.
pub(super) async fn all(config: &Config, spread: u32) -> anyhow::Result<HashMap<Uuid, OffsetDateTime>> {
    let db = Db::open(&config.database, Arc::new(config.secrets.seal()?))?;
    let mut database = PgConnection::connect(&config.database.write).await?;
    let rows = sqlx::query(
        "SELECT p.id, s.id FROM payments p JOIN orders o ON o.id = p.order_id JOIN sessions s ON s.entitlement_id = o.target_id ORDER BY o.code",
    )
    .fetch_all(&mut database)
    .await?;
    ensure!(!rows.is_empty(), "there is nothing to settle: run with --prepare first");
    let (clock, count) = (Clock::system(), number(u64::try_from(rows.len())?));
    let (begin, mut settling, mut settled) = (clock.monotonic(), JoinSet::new(), HashMap::new());
    for (index, row) in (0_u32..).zip(rows) {
        let (payment, session): (Uuid, Uuid) = (row.try_get(0)?, row.try_get(1)?);
        let due = begin + Duration::from_secs_f64(f64::from(spread) * f64::from(index) / count);
        tokio::time::sleep(due.saturating_sub(clock.monotonic())).await;
        while settling.len() >= AT_ONCE {
            let (session, at) = settling.join_next().await.context("one is under way")???;
            settled.insert(session, at);
        }
        let (db, clock) = (db.clone(), clock.clone());
        settling.spawn(async move {
            let done = settlement::settle(&db, payment, &Evidence::default(), clock.now()).await?;
            ensure!(matches!(done, Settled::Granted { .. }), "a payment was not settled: {done:?}");
            anyhow::Ok((session, clock.now()))
        });
    }
    while let Some(done) = settling.join_next().await {
        let (session, at) = done??;
        settled.insert(session, at);
    }
    Ok(settled)
}
