//! The cost of a report does not grow with the history, and looking back reads what its answer needs: with a history in
//! place, nothing reads a table of it from end to end. PostgreSQL counts that itself.

use std::time::Duration;

use shared::time::OffsetDateTime;
use store::accounting::{self, Event, Report, SessionKey};
use store::history::{self, By};
use tests::world::{World, first_report};
use uuid::Uuid;

/// Ended sessions, in three months, each with an hour of usage.
const HISTORY: i64 = 30_000;

async fn make_history(world: &World, entitlement: Uuid, now: OffsetDateTime) {
    let sessions = "INSERT INTO sessions_ended (id, opened_on, nas_id, entitlement_id, user_name, acct_session_id, started_at,
             last_heard_at, ended_at, session_seconds)
         SELECT md5(n::text)::uuid, (t AT TIME ZONE 'UTC')::date, md5((n % 50)::text)::uuid,
             CASE WHEN n % 1000 = 0 THEN $2 ELSE md5((n % 5000)::text)::uuid END, 'guest', 'x' || n, t, t + interval '1 hour',
             t + interval '1 hour', 3600
         FROM (SELECT n, $1::timestamptz - n * interval '4 minutes' AS t FROM generate_series(1, $3) AS n) AS made";
    let hours = "INSERT INTO usage_hourly (hour, nas_id, entitlement_id, input_octets, output_octets, seconds)
         SELECT date_trunc('hour', $1::timestamptz - n * interval '4 minutes', 'UTC'), md5((n % 50)::text)::uuid,
             md5(n::text)::uuid, 1000, 1000, 60 FROM generate_series(1, $2) AS n";
    sqlx::query(sessions).bind(now).bind(entitlement).bind(HISTORY).execute(&world.pool).await.unwrap();
    sqlx::query(hours).bind(now).bind(HISTORY).execute(&world.pool).await.unwrap();
    sqlx::query("ANALYZE sessions_ended, usage_hourly").execute(&world.pool).await.unwrap();
}

/// Rows of the history that were read by going through a table, and by an index.
async fn read(world: &World) -> (i64, i64) {
    sqlx::query_as(
        "SELECT coalesce(sum(seq_tup_read), 0)::bigint, coalesce(sum(idx_tup_fetch), 0)::bigint FROM pg_stat_user_tables
         WHERE relname ~ '^(sessions_ended|usage_hourly|session_crossings)'",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap()
}

fn report(id: Uuid, at: OffsetDateTime, event: Event) -> Report {
    let session = SessionKey { id, opened_on: at.date() };
    Report { session, user_name: "guest".into(), event, ..first_report(Uuid::from_u128(1), at) }
}

#[tokio::test]
async fn neither_reports_nor_looking_back_read_the_history_from_end_to_end() {
    let world = World::new().await;
    let now = world.clock.now();
    let package = world.package("data", |_| {}).await;
    let entitlement = world.grant(&package, "amina", "siri").await;
    make_history(&world, entitlement, now).await;
    let before = read(&world).await;

    // A new session is looked for among the ended ones; one without a ticket by its names; a late report finds its own.
    let id = shared::rng::id(now);
    for (id, event) in [
        (id, Event::Start),
        (id, Event::Interim),
        (id, Event::Stop),
        (id, Event::Interim),
        (Uuid::nil(), Event::Start),
        (Uuid::nil(), Event::Stop),
    ] {
        accounting::record(&world.db, &[report(id, now, event)], now).await.unwrap();
    }
    assert_eq!(store::session::ended(&world.db, 50).await.unwrap().len(), 50);
    let user: Uuid =
        sqlx::query_scalar("SELECT user_id FROM entitlements").fetch_one(&world.pool).await.unwrap_or_default();
    history::of_customer(&world.db, user, now, 50).await.unwrap();
    let day = Duration::from_secs(24 * 3600);
    for by in [By::Site, By::Nas, By::Package, By::User] {
        let used = history::usage(&world.db, by, now - day, now, 20).await.unwrap();
        assert!(!used.is_empty(), "{by:?}");
    }
    let key = SessionKey::of(id).expect("one of ours");
    assert_eq!(history::story(&world.db, key).await.unwrap().session.acct_session_id, "80100001");

    // A connection reports what it has read when it ends.
    world.db.close().await;
    let after = read(&world).await;
    assert_eq!(after.0 - before.0, 0, "rows were read by going through a table");
    // Four days' worth of usage, fifty sessions, and a few that were looked for.
    let by_index = after.1 - before.1;
    assert!(by_index > 0 && by_index < 2500, "{by_index} rows of {} were read", 2 * HISTORY);
}

/// Commands to routers that were proved long ago, and as many that wait for another time.
const COMMANDS: i64 = 5_000;

#[tokio::test]
async fn looking_for_the_next_commands_reads_no_others() {
    let world = World::new().await;
    let now = world.clock.now();
    let make = "INSERT INTO nas_commands (id, kind, nas_id, session_id, user_name, acct_session_id, reason, state, due_at, lease_until, created_at)
         SELECT md5($1 || n)::uuid, 'disconnect', md5('nas')::uuid, md5($1 || n)::uuid, 'guest', 'x', 'expired', $1,
             $2::timestamptz - interval '1 hour', $3, $2 FROM generate_series(1, $4) AS n";
    let later = now + Duration::from_secs(60);
    for (state, lease, count) in
        [("proved", None, COMMANDS), ("unanswered", Some(later), COMMANDS), ("pending", None, 3)]
    {
        sqlx::query(make).bind(state).bind(now).bind(lease).bind(count).execute(&world.pool).await.unwrap();
    }
    let read = async || -> (i64, i64) {
        sqlx::query_as(
            "SELECT seq_tup_read::bigint, idx_tup_fetch::bigint FROM pg_stat_user_tables WHERE relname = 'nas_commands'",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap()
    };
    let before = read().await;
    let lease = Duration::from_secs(45);
    assert_eq!(store::command::claim(&world.db, now, lease, 100, &[]).await.unwrap().len(), 3);
    assert!(store::command::claim(&world.db, now, lease, 100, &[]).await.unwrap().is_empty());
    world.db.close().await;
    let after = read().await;
    assert_eq!(after.0 - before.0, 0, "rows were read by going through the table");
    assert!(after.1 - before.1 < 20, "{} rows were fetched for three", after.1 - before.1);
}
