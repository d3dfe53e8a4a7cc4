//! How the RADIUS server's memory stays true: changes come once and none is missed, whatever else goes on in the database
//! or with the connection; a change of everything is honoured; a change among a thousand is honoured in time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shared::time::OffsetDateTime;
use sqlx::{Executor as _, PgConnection};
use store::directory::{self, Snapshot};
use tests::world::lab::{Lab, LabSettings, Port};
use tests::world::{Settings, World, eventually};
use uuid::Uuid;

const WITHDRAWN: &str = "This access was withdrawn. Please ask the operator.";

async fn revoke(on: &mut PgConnection, entitlement: Uuid) {
    sqlx::query("UPDATE entitlements SET state = 'revoked' WHERE id = $1").bind(entitlement).execute(on).await.unwrap();
}

/// What changed since, and nothing else that moves the position.
async fn since(world: &World, position: &mut Snapshot) -> Vec<Uuid> {
    let changes = directory::changes(&world.db, position).await.unwrap();
    assert!(!changes.everything && !changes.rewound);
    *position = changes.next;
    changes.entitlements
}

async fn granted(world: &World, logins: usize) -> Vec<Uuid> {
    let package = world.package("one-hour", |p| p.rules.device_limit = 9).await;
    let mut ids = Vec::new();
    for number in 0..logins {
        ids.push(world.grant(&package, &format!("guest{number}"), "siri").await);
    }
    ids
}

fn many(customers: u32) -> store::seed::Wish {
    store::seed::Wish { customers, sessions: 0, bound: false }
}

#[tokio::test]
async fn a_transaction_that_stays_open_costs_the_feed_nothing_and_is_not_missed() {
    let world = World::new().await;
    let ids = granted(&world, 20).await;
    let mut position = directory::snapshot(&world.db).await.unwrap();
    let mut open = world.pool.begin().await.unwrap();
    revoke(&mut open, ids[0]).await;
    assert!(since(&world, &mut position).await.is_empty(), "it is not committed");
    for &id in &ids[1..] {
        revoke(&mut world.pool.acquire().await.unwrap(), id).await;
        assert_eq!(
            since(&world, &mut position).await,
            [id],
            "each change comes once, though an older one is still open"
        );
        assert!(since(&world, &mut position).await.is_empty());
    }
    open.commit().await.unwrap();
    assert_eq!(since(&world, &mut position).await, [ids[0]]);
    assert!(since(&world, &mut position).await.is_empty());
}

#[tokio::test]
async fn what_is_rolled_back_is_no_change_and_a_part_of_a_transaction_is_one() {
    let world = World::new().await;
    let ids = granted(&world, 2).await;
    let mut position = directory::snapshot(&world.db).await.unwrap();
    let mut gone = world.pool.begin().await.unwrap();
    revoke(&mut gone, ids[0]).await;
    gone.rollback().await.unwrap();
    let mut kept = world.pool.begin().await.unwrap();
    kept.execute("SAVEPOINT part").await.unwrap();
    revoke(&mut kept, ids[1]).await;
    kept.execute("RELEASE SAVEPOINT part").await.unwrap();
    assert!(since(&world, &mut position).await.is_empty());
    kept.commit().await.unwrap();
    assert_eq!(since(&world, &mut position).await, [ids[1]]);
}

#[tokio::test]
async fn of_two_readings_the_later_one_has_the_greater_version() {
    let world = World::new().await;
    let ids = granted(&world, 2).await;
    let version = async || directory::read(&world.db, &ids[..1]).await.unwrap()[0].version;
    let first = version().await;
    let mut open = world.pool.begin().await.unwrap();
    revoke(&mut open, ids[0]).await;
    revoke(&mut world.pool.acquire().await.unwrap(), ids[1]).await;
    let second = version().await;
    open.commit().await.unwrap();
    let third = version().await;
    assert!(first < second && second < third, "{first:?} {second:?} {third:?}");
}

#[tokio::test]
async fn changes_are_forgotten_an_hour_after_they_could_be_read() {
    let world = World::new().await;
    let ids = granted(&world, 2).await;
    let at = |minutes: u64| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(minutes * 60);
    let kept = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM directory_changes WHERE entitlement_id = $1 AND at < now()")
            .bind(ids[0])
            .fetch_one(&world.pool)
            .await
            .unwrap()
    };
    let mut open = world.pool.begin().await.unwrap();
    revoke(&mut open, ids[0]).await;
    let before = kept().await;
    assert!(before > 0, "the granting of it");
    directory::forget_old_changes(&world.db, at(0)).await.unwrap();
    open.commit().await.unwrap();
    let committed = kept().await;
    assert_eq!(committed, before + 1);
    // Of the transactions that had ended at the first mark everything goes; the one that was open then has only begun to
    // be readable.
    directory::forget_old_changes(&world.db, at(62)).await.unwrap();
    assert!(kept().await >= 1, "committed after the mark, however old it looks");
    // Transactions elsewhere in this PostgreSQL can hold a mark back, but not for ever.
    let hours = AtomicU64::new(1);
    eventually("they are forgotten", || async {
        let minutes = 62 * (1 + hours.fetch_add(1, Ordering::Relaxed));
        directory::forget_old_changes(&world.db, at(minutes)).await.unwrap();
        (kept().await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_misses_no_change() {
    let mut lab = Lab::new().await;
    let package = lab.world.package("one-day", |p| p.rules.device_limit = 9).await;
    let mut ids = Vec::new();
    for number in 0..60 {
        // Cut and mended in the middle of it, again and again; the test itself goes straight to PostgreSQL.
        match number % 10 {
            3 => lab.world.postgres.cut(),
            8 => lab.world.postgres.mend(),
            _ => {}
        }
        ids.push(lab.world.grant(&package, &format!("guest{number}"), "siri").await);
        if let Some(&earlier) = ids.iter().rev().nth(1).filter(|_| number % 2 == 0) {
            revoke(&mut lab.world.pool.acquire().await.unwrap(), earlier).await;
        }
    }
    lab.world.postgres.mend();
    eventually("all of them are in memory", || async {
        (lab.radiusd().metric("mlango_directory_entitlements").await >= 61.0).then_some(())
    })
    .await;
    for (number, id) in ids.iter().enumerate() {
        // At each even turn the one before was withdrawn.
        let revoked = number % 2 == 1 && number < 59;
        eventually(&format!("guest{number} is let in or not, as it stands in PostgreSQL"), || async {
            let state: String = sqlx::query_scalar("SELECT state FROM entitlements WHERE id = $1")
                .bind(id)
                .fetch_one(&lab.world.pool)
                .await
                .ok()?;
            assert_eq!(state == "revoked", revoked, "guest{number}");
            let answer = lab.answered(Port::Auth, &lab.login(&format!("guest{number}"), "siri")).await;
            (answer.is_accept() != revoked).then_some(())
        })
        .await;
    }
    let misses = lab.radiusd().metric(r#"mlango_radius_policy_cache_requests_total{result="miss"}"#).await;
    assert!(misses < 1.0, "memory knew them all; {misses} were asked for");
    lab.world.radiusd.take().expect("it runs").stop().await;
}

#[tokio::test]
async fn a_change_of_everything_is_honoured_page_by_page() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    let world = &lab.world;
    store::seed::seed(&world.db, &lab.package, Uuid::nil(), many(2_500), world.clock.now()).await.unwrap();
    lab.start().await;
    assert!(lab.answered(Port::Auth, &lab.login("user0002500", "pw0002500")).await.is_accept());
    // Behind the triggers' back, as a bulk load does it.
    let mut silent = lab.world.pool.begin().await.unwrap();
    for statement in [
        "SET LOCAL session_replication_role = replica",
        "UPDATE entitlements SET state = 'revoked'",
        "DELETE FROM entitlement_devices",
        "CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT id FROM entitlements ORDER BY id LIMIT 500",
        "DELETE FROM credentials WHERE entitlement_id IN (SELECT id FROM gone)",
        "DELETE FROM entitlements WHERE id IN (SELECT id FROM gone)",
        "INSERT INTO directory_changes (what) VALUES ('everything')",
    ] {
        silent.execute(statement).await.unwrap();
    }
    silent.commit().await.unwrap();
    eventually("what is gone is forgotten", || async {
        let held = lab.radiusd().metric("mlango_directory_entitlements").await;
        ((held - 2_001.0).abs() < 0.5).then_some(())
    })
    .await;
    for number in [501, 1_000, 1_700, 2_500] {
        let login = lab.login(&format!("user{number:07}"), &format!("pw{number:07}"));
        let answer = lab.answered(Port::Auth, &login).await;
        let told = answer.get(radius_proto::attribute::rfc2865::REPLY_MESSAGE).map(String::from_utf8_lossy);
        assert_eq!(told.as_deref(), Some(WITHDRAWN), "user {number}");
    }
}

/// One look-up of a name that is not in memory must not put back what the feed has read since: here both are at work on the
/// same entitlements all the time, and in the end memory is what PostgreSQL has.
#[tokio::test]
async fn look_ups_and_the_feed_agree_in_the_end() {
    let lab = Lab::new().await;
    let mut ids = Vec::new();
    for number in 0..10 {
        ids.push(lab.world.grant(&lab.package, &format!("guest{number}"), "siri").await);
        // A login at once may overtake the feed, and is looked up.
        lab.answered(Port::Auth, &lab.login(&format!("guest{number}"), "siri")).await;
        revoke(&mut lab.world.pool.acquire().await.unwrap(), ids[number]).await;
    }
    for number in 0..10 {
        eventually("the revocation is honoured", || async {
            let answer = lab.answered(Port::Auth, &lab.login(&format!("guest{number}"), "siri")).await;
            (!answer.is_accept()).then_some(())
        })
        .await;
    }
}

/// Single-row transactions a second that arrive while changes are timed.
const CHANGES_A_SECOND: u32 = 1_000;
/// Connections that make them.
const WRITERS: u32 = 16;
/// Changes that are timed.
const TIMED: usize = 300;

/// With `./mlango test --full`: the machine must be quiet enough to commit a thousand transactions a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_among_a_thousand_a_second_is_honoured_within_a_tenth_of_a_second() {
    if std::env::var_os("MLANGO_FULL").is_none() {
        println!("skipped: a measurement, with --full");
        return;
    }
    let mut lab = Lab::prepare(LabSettings {
        world: Settings { reject_delay_ms: 0, ..Settings::default() },
        ..LabSettings::default()
    })
    .await;
    store::seed::seed(&lab.world.db, &lab.package, Uuid::nil(), many(20_000), lab.world.clock.now()).await.unwrap();
    lab.start().await;
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM entitlements ORDER BY random() LIMIT 10000")
        .fetch_all(&lab.world.pool)
        .await
        .unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let started = Instant::now();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let options = lab.world.pool.connect_options().as_ref().clone();
        let (ids, stop) = (ids.clone(), stop.clone());
        writers.spawn(async move {
            let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
            let mut beat = tokio::time::interval(Duration::from_secs(1) * WRITERS / CHANGES_A_SECOND);
            let mut made = 0_usize;
            while !stop.is_cancelled() {
                beat.tick().await;
                let id = ids[(made * WRITERS as usize + writer as usize) % ids.len()];
                sqlx::query("UPDATE entitlements SET expires_at = expires_at + interval '1 second' WHERE id = $1")
                    .bind(id)
                    .execute(&mut connection)
                    .await
                    .unwrap();
                made += 1;
            }
            made
        });
    }
    let mut took = Vec::new();
    for turn in 0..TIMED {
        let state = if turn % 2 == 0 { "revoked" } else { "active" };
        sqlx::query("UPDATE entitlements SET state = $2 WHERE id = $1")
            .bind(lab.entitlement)
            .bind(state)
            .execute(&lab.world.pool)
            .await
            .unwrap();
        let committed = Instant::now();
        while lab.answered(Port::Auth, &lab.good_login()).await.is_accept() == (state == "revoked") {
            assert!(committed.elapsed() < Duration::from_secs(5), "not honoured");
        }
        took.push(committed.elapsed());
    }
    let elapsed = started.elapsed().as_secs_f64();
    stop.cancel();
    let made: usize = writers.join_all().await.into_iter().sum();
    took.sort();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    let rate = made as f64 / elapsed;
    println!("{rate:.0} changes/s; honoured after: median {:?}, p99 {:?}, worst {:?}", at(50), at(99), at(100));
    assert!(at(99) < Duration::from_millis(100), "p99 {:?} at {rate:.0} changes/s", at(99));
}
