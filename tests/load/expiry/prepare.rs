//! The routers and the open sessions of a run, written into PostgreSQL before radiusd reads it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use shared::config::Config;
use shared::rng;
use shared::seal::SealKey;
use shared::time::{Clock, OffsetDateTime};
use sqlx::{Connection as _, PgConnection};
use store::Db;
use store::nas::{NewNas, Settings};
use uuid::Uuid;

use super::{COA_PORT, Expiry, QUOTA, ROUTER, address, numbers};
use crate::report::number;

/// Sessions that one statement makes.
const CHUNK: u32 = 20_000;

pub(super) async fn prepare(wish: &Expiry) -> anyhow::Result<()> {
    let config = Config::load(&wish.config)?;
    let seal = Arc::new(config.secrets.seal()?);
    let db = Db::open(&config.database, Arc::clone(&seal))?;
    let now = Clock::system().now();
    let secret = std::fs::read_to_string(&wish.secret_file)?;
    let mut routers = Vec::new();
    for number in numbers().take(usize::from(wish.routers)) {
        let settings = Settings {
            address: Some(IpAddr::from(address(number)?).into()),
            coa_port: Some(COA_PORT),
            ..Settings::default()
        };
        let name = format!("{ROUTER}{number:05}");
        let router = NewNas { id: rng::id(now), name: &name, secret: secret.trim().as_bytes(), settings };
        store::nas::save(&db, &router, now).await.with_context(|| format!("cannot register {name}"))?;
        routers.push(router.id);
    }
    let mut database = PgConnection::connect(&config.database.write).await?;
    let begin = now + Duration::from_secs(u64::from(wish.begin_in));
    let mut made = 0;
    while made < wish.sessions {
        let count = CHUNK.min(wish.sessions - made);
        open(&mut database, &seal, wish, &routers, (made, count), (now, begin)).await?;
        made += count;
    }
    if wish.change {
        super::settle::prepare(&mut database, &db, now).await?;
    }
    println!("{} routers, {made} sessions, from {begin} on", routers.len());
    Ok(())
}

/// Opens `count` sessions, the `done`th and those after it.
async fn open(
    database: &mut PgConnection,
    seal: &SealKey,
    wish: &Expiry,
    routers: &[Uuid],
    (done, count): (u32, u32),
    (now, begin): (OffsetDateTime, OffsetDateTime),
) -> anyhow::Result<()> {
    let (mut ids, mut customers, mut lookups, mut places, mut dues) =
        (Vec::new(), Vec::new(), Vec::<Vec<u8>>::new(), Vec::new(), Vec::new());
    for index in done..done + count {
        let customer = wish.first + index;
        let share = number(index.into()) / number(wish.sessions.into());
        ids.push(rng::id(now));
        customers.push(i32::try_from(customer)?);
        lookups.push(seal.lookup(format!("user{customer:07}").as_bytes()).to_vec());
        places.push(routers[index as usize % routers.len()]);
        dues.push(begin + Duration::from_secs_f64(f64::from(wish.spread) * share));
    }
    // What is made longer ends in a year.
    let dues = if wish.change { vec![now + Duration::from_secs(365 * 24 * 3600); dues.len()] } else { dues };
    let limit = if wish.quota {
        "UPDATE entitlements e SET quota_octets = $2 FROM credentials c WHERE c.lookup = ANY ($1) AND e.id = c.entitlement_id"
    } else {
        "UPDATE entitlements e SET expires_at = w.due FROM unnest($1::bytea[], $2::timestamptz[]) AS w (lookup, due)
             JOIN credentials c ON c.lookup = w.lookup WHERE e.id = c.entitlement_id"
    };
    let limit = sqlx::query(limit).bind(&lookups);
    let limited = if wish.quota { limit.bind(i64::try_from(QUOTA)?) } else { limit.bind(&dues) };
    let limited = limited.execute(&mut *database).await?.rows_affected();
    ensure!(limited == u64::from(count), "only {limited} of {count} customers are there: run portal seed");
    sqlx::query(
        "INSERT INTO sessions (id, opened_on, nas_id, entitlement_id, user_name, mac, framed_ip, acct_session_id,
             started_at, last_heard_at, cutoff_at)
         SELECT s.id, ($1::timestamptz AT TIME ZONE 'UTC')::date, s.nas, c.entitlement_id, 'user' || lpad(s.customer::text, 7, '0'),
             ('02' || lpad(to_hex(s.customer), 10, '0'))::macaddr, '10.0.0.0'::inet + s.customer,
             '8' || lpad(to_hex(s.customer), 7, '0'), $1, $1, e.expires_at
         FROM unnest($2::uuid[], $3::integer[], $4::bytea[], $5::uuid[]) AS s (id, customer, lookup, nas)
         JOIN credentials c ON c.lookup = s.lookup JOIN entitlements e ON e.id = c.entitlement_id",
    )
    .bind(now)
    .bind(&ids)
    .bind(&customers)
    .bind(&lookups)
    .bind(&places)
    .execute(&mut *database)
    .await?;
    Ok(())
}
