//! Many sessions that must end: a router that does not answer takes nobody else's place, and a server that dies between
//! taking a command and sending it takes nothing with it.

use std::net::Ipv4Addr;
use std::time::Duration;

use tests::nas::{CoaBehaviour, Mac, Misbehaviour, Nas};
use tests::world::{World, eventually, eventually_within};

/// Sessions at the router that does not answer: more than may be under way to it at once.
const MANY: u8 = 60;

fn mac(number: u8) -> Mac {
    Mac([0x02, 0, 0, 0, 0x0c, number])
}

async fn at(world: &World, name: &str, last: u8) -> Nas {
    world.router(name, |config| config.bind = Ipv4Addr::new(127, 2, 0, last)).await
}

/// Ends everybody's access, in PostgreSQL alone: the routers' own limits are an hour away.
async fn end_all(world: &World) {
    let sql = "UPDATE entitlements SET starts_at = now() - interval '2 seconds', expires_at = now()";
    sqlx::query(sql).execute(&world.pool).await.unwrap();
}

async fn recorded(world: &World, count: i64) {
    eventually("the sessions are recorded", || async {
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions WHERE cutoff_at IS NOT NULL")
            .fetch_one(&world.pool)
            .await
            .ok()?;
        (open == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_router_that_does_not_answer_takes_nobody_elses_place() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let package = world.package("an-hour", |p| p.rules.device_limit = 100).await;
    world.grant(&package, "amina", "siri").await;
    let (silent, healthy) = (at(&world, "silent", 1).await, at(&world, "healthy", 2).await);
    for number in 0..MANY {
        assert!(silent.login_pap(mac(number), "amina", "siri").await.is_accepted());
    }
    // Its sessions come last, and so do their deadlines.
    for number in MANY..MANY + 5 {
        assert!(healthy.login_pap(mac(number), "amina", "siri").await.is_accepted());
    }
    recorded(&world, i64::from(MANY) + 5).await;
    silent.misbehave(Misbehaviour { coa: CoaBehaviour::Silent, ..Misbehaviour::default() });
    end_all(&world).await;
    // All transmissions to the silent one take half a minute.
    healthy
        .wait_for("the other router cuts in time", Duration::from_secs(10), |r| r.sessions().count() == 0)
        .await
        .unwrap();
    assert_eq!(silent.read(|r| r.sessions().count()), usize::from(MANY));

    // When it answers again, whatever was under way is sent again soon, and the rest follows.
    silent.misbehave(Misbehaviour::default());
    silent
        .wait_for("the silent one catches up", Duration::from_secs(120), |r| r.sessions().count() == 0)
        .await
        .unwrap();
    eventually("every cut is proved", || async {
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM nas_commands WHERE state <> 'proved'")
            .fetch_one(&world.pool)
            .await
            .ok()?;
        (open == 0).then_some(())
    })
    .await;
    assert_eq!(healthy.stats().coa_requests, 5, "each was asked once");
}

#[tokio::test]
async fn a_server_that_dies_before_it_sends_leaves_the_command_to_others() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = at(&world, "cafe", 1).await;
    let package = world.package("an-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    recorded(&world, 1).await;
    // So it stands when another server has taken the command, and is never heard of again.
    let taken =
        "INSERT INTO nas_commands (id, kind, nas_id, session_id, user_name, framed_ip, acct_session_id, reason, due_at,
             created_at, attempts, sent_at, lease_until)
         SELECT gen_random_uuid(), 'disconnect', nas_id, id, user_name, framed_ip, acct_session_id, 'operator', now(),
             now(), 1, now(), now() + interval '2 seconds' FROM sessions";
    sqlx::query(taken).execute(&world.pool).await.unwrap();
    router.wait_for("radiusd sends it", Duration::from_secs(20), |r| r.session(mac(1)).is_none()).await.unwrap();
    let attempts: i32 = eventually("it is proved", || async {
        sqlx::query_scalar("SELECT attempts FROM nas_commands WHERE state = 'proved'")
            .fetch_optional(&world.pool)
            .await
            .ok()?
    })
    .await;
    assert_eq!(attempts, 2, "taken by the one that died, and by the one that sent it");
}

#[tokio::test]
async fn a_router_that_restarts_in_the_middle_of_a_cut_leaves_neither_session_nor_command() {
    let mut world = World::new().await;
    world.start_radiusd().await;
    let router = at(&world, "cafe", 1).await;
    let package = world.package("an-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    assert!(router.login_pap(mac(1), "amina", "siri").await.is_accepted());
    recorded(&world, 1).await;
    router.misbehave(Misbehaviour { coa: CoaBehaviour::Silent, ..Misbehaviour::default() });
    end_all(&world).await;
    router.wait_for("it is asked", Duration::from_secs(10), |r| r.stats().coa_requests > 0).await.unwrap();
    // The power goes and comes back: no Stop, and nobody is online there any more.
    router.reboot();
    router.misbehave(Misbehaviour::default());
    eventually_within(Duration::from_secs(120), "nothing is left of it", || async {
        let (sessions, commands): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM sessions),
                    (SELECT count(*) FROM nas_commands WHERE state NOT IN ('proved', 'abandoned'))",
        )
        .fetch_one(&world.pool)
        .await
        .ok()?;
        (sessions == 0 && commands == 0).then_some(())
    })
    .await;
    let refused = router.login_pap(mac(1), "amina", "siri").await;
    assert_eq!(refused.error().as_deref(), Some("Your time is used up. Please buy a new package."));
}
