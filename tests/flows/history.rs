//! `portal seed --history`: what benches take for a year of work is as whole as a year of work would be.

use sqlx::Row as _;
use tests::world::{World, at};

#[tokio::test]
async fn a_seeded_history_has_its_usage_its_months_and_their_indexes() {
    let world = World::new().await;
    for number in 1..=3_u8 {
        world.register(&format!("router{number}"), b"secret", at([10, 0, 0, number])).await;
    }
    let told = world.portal_command(&["seed", "--customers", "100", "--history", "30000", "--json"], "").await;
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["history"]["sessions"], 30_000);

    let sums = "count(*), sum(input_octets)::bigint, sum(output_octets)::bigint, count(DISTINCT nas_id)";
    let ended = row(&world, &format!("SELECT {sums}, sum(session_seconds)::bigint FROM sessions_ended")).await;
    let usage = row(&world, &format!("SELECT {sums}, sum(seconds)::bigint FROM usage_hourly")).await;
    assert_eq!(ended[0], 30_000);
    assert_eq!(usage[0], told["history"]["hours"].as_i64().expect("a number"));
    assert!(usage[0] > 30_000, "some sessions span two hours");
    assert_eq!(ended[1..], usage[1..], "octets, routers and seconds");
    assert_eq!(ended[3], 3);

    let whole = "SELECT count(*) FILTER (WHERE s.id IS NOT NULL AND e.id IS NOT NULL), count(*),
             count(DISTINCT date_trunc('month', started_at)), count(DISTINCT h.tableoid),
             count(*) FILTER (WHERE h.tableoid = 'sessions_ended_other'::regclass OR ended_at > now() OR
                 ended_at - started_at <> session_seconds * interval '1 second')
         FROM sessions_ended h LEFT JOIN nas s ON s.id = h.nas_id LEFT JOIN entitlements e ON e.id = h.entitlement_id";
    let whole = row(&world, whole).await;
    assert_eq!((whole[0], whole[2], whole[4]), (whole[1], whole[3], 0), "{whole:?}");
    assert!(whole[2] >= 12, "{whole:?}");
    // Every partition has what the whole has, valid.
    let indexes = "SELECT count(*) FILTER (WHERE i.n <> p.n), max(p.n), 0, 0, 0 FROM
             (SELECT count(*) AS n FROM pg_index WHERE indrelid = 'sessions_ended'::regclass) p,
             LATERAL (SELECT h.inhrelid, count(x.indrelid) AS n FROM pg_inherits h
                 LEFT JOIN pg_index x ON x.indrelid = h.inhrelid AND x.indisvalid
                 WHERE h.inhparent = 'sessions_ended'::regclass GROUP BY 1) i";
    let indexes = row(&world, indexes).await;
    assert!(indexes[0] == 0 && indexes[1] >= 3, "{indexes:?}");

    let again = world.portal_refuses(&["seed", "--customers", "100", "--history", "10"], "").await;
    assert!(again.contains("there are ended sessions already"), "{again}");
}

#[tokio::test]
async fn a_history_needs_customers_enough_and_a_router() {
    let world = World::new().await;
    let few = world.portal_refuses(&["seed", "--customers", "1", "--history", "10000"], "").await;
    assert!(few.contains("10000 ended sessions need 5 customers"), "{few}");
    let nowhere = world.portal_refuses(&["seed", "--customers", "5", "--history", "10000"], "").await;
    assert!(nowhere.contains("needs a router"), "{nowhere}");
}

/// Five numbers.
async fn row(world: &World, statement: &str) -> [i64; 5] {
    let row = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).fetch_one(&world.pool).await.expect("a row");
    std::array::from_fn(|index| {
        row.try_get::<i64, _>(index).or_else(|_| row.try_get::<i32, _>(index).map(i64::from)).expect("a number")
    })
}
