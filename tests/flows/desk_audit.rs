//! The audit log: read at the desk, and proved to be whole; what was changed in it or taken out of it is found and named.

use futures::future::join_all;
use serde_json::Value;
use sqlx::Executor as _;
use store::admin::Audit;
use tests::world::World;

use crate::operator::{EMAIL, Operator};

/// Writes so many rows, all at the same moment.
async fn write(world: &World, count: usize) {
    let objects: Vec<String> = (0..count).map(|number| format!("thing {number}")).collect();
    let lines = objects.iter().map(|object| async move {
        let line = Audit { actor: "somebody", action: "thing.change", object, address: "192.0.2.7".parse().ok() };
        store::admin::audit(&world.db, &line, world.clock.now()).await
    });
    for written in join_all(lines).await {
        written.unwrap();
    }
}

async fn verify(world: &World) -> Value {
    serde_json::from_str(&world.portal_command(&["audit", "verify", "--json"], "").await).unwrap()
}

/// What a person with all rights can do.
async fn tamper(world: &World, statements: &[&'static str]) {
    let mut connection = world.pool.acquire().await.unwrap();
    connection.execute("ALTER TABLE admin_logs DISABLE TRIGGER USER").await.unwrap();
    for statement in statements {
        connection.execute(*statement).await.unwrap();
    }
    connection.execute("ALTER TABLE admin_logs ENABLE TRIGGER USER").await.unwrap();
}

const RESTORE: [&str; 2] =
    ["DELETE FROM admin_logs", "INSERT INTO admin_logs OVERRIDING SYSTEM VALUE SELECT * FROM kept ORDER BY id"];

#[tokio::test]
async fn what_was_changed_or_taken_out_is_found_and_named() {
    let world = World::new().await;
    write(&world, 20).await;
    let whole = verify(&world).await;
    assert_eq!((whole["whole"].as_bool(), whole["rows"].as_u64()), (Some(true), Some(20)));
    let head = whole["head"].as_str().unwrap().to_owned();
    assert!(head.starts_with("20:") && head.len() == 3 + 64, "{head}");
    world.pool.execute("CREATE TABLE kept AS TABLE admin_logs").await.unwrap();

    for (statement, problem) in [
        ("UPDATE admin_logs SET object = 'another thing' WHERE id = 7", "row 7 does not follow"),
        ("UPDATE admin_logs SET address = '192.0.2.8' WHERE id = 1", "row 1 does not follow"),
        ("UPDATE admin_logs SET at = at + interval '1 microsecond' WHERE id = 20", "row 20 does not follow"),
        ("UPDATE admin_logs SET detail = '{\"a\": 1}' WHERE id = 3", "row 3 does not follow"),
        ("UPDATE admin_logs SET hash = sha256('x') WHERE id = 5", "row 5 does not follow"),
        ("DELETE FROM admin_logs WHERE id = 7", "row 7 is missing"),
        ("DELETE FROM admin_logs WHERE id = 1", "row 1 is missing"),
        ("DELETE FROM admin_logs WHERE id > 17", "the log ends with row 17, and its head says 20"),
        ("DELETE FROM admin_logs", "the log ends with row 0, and its head says 20"),
    ] {
        tamper(&world, &[statement]).await;
        let refused = world.portal_refuses(&["audit", "verify"], "").await;
        assert!(refused.contains("the audit log is not whole") && refused.contains(problem), "{statement}: {refused}");
        tamper(&world, &RESTORE).await;
        assert_eq!(verify(&world).await["whole"], true, "restored after {statement}");
    }

    // Who writes the head anew hides a missing end from everybody but those who have noted the head.
    tamper(
        &world,
        &[
            "DELETE FROM admin_logs WHERE id > 17",
            "UPDATE admin_log_head SET (id, hash) = (SELECT id, hash FROM admin_logs WHERE id = 17)",
        ],
    )
    .await;
    assert_eq!(verify(&world).await["rows"], 17);
    let refused = world.portal_refuses(&["audit", "verify", "--noted", &head], "").await;
    assert!(refused.contains("row 20 is not the one that was noted"), "{refused}");
}

#[tokio::test]
async fn the_log_goes_on_from_a_head_that_was_noted_and_cannot_be_emptied() {
    let world = World::new().await;
    write(&world, 3).await;
    let head = verify(&world).await["head"].as_str().unwrap().to_owned();
    write(&world, 3).await;
    let later = world.portal_command(&["audit", "verify", "--noted", &head], "").await;
    assert!(later.contains("The audit log is whole: 6 rows."), "{later}");
    for statement in ["TRUNCATE admin_logs", "DELETE FROM admin_log_head", "UPDATE admin_logs SET actor = 'nobody'"] {
        let refused = world.pool.execute(statement).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
    // What was not committed leaves no gap.
    let mut tx = world.pool.begin().await.unwrap();
    tx.execute("INSERT INTO admin_logs (at, actor, action, hash) VALUES (now(), 'a', 'b', '')").await.unwrap();
    tx.rollback().await.unwrap();
    write(&world, 1).await;
    assert_eq!(verify(&world).await["rows"], 7);
}

/// Chains rows, each to the one that is named with it (0: to none), as it was before numbers were given with the hash; all of them are old
/// then.
async fn chain_as_before(world: &World, rows: &[(u32, u32)]) {
    let chained = |row: u32, before: u32| {
        format!(
            "UPDATE admin_logs l SET hash = sha256(coalesce((SELECT p.hash FROM admin_logs p WHERE p.id = {before}), ''::bytea)
                 || convert_to(concat_ws(E'\\x1f', l.id, extract(epoch FROM l.at), l.actor, l.action, l.object, l.detail, l.address), 'UTF8'))
             WHERE l.id = {row}"
        )
    };
    let mut connection = world.pool.acquire().await.unwrap();
    connection.execute("ALTER TABLE admin_logs DISABLE TRIGGER USER").await.unwrap();
    for (row, before) in rows {
        connection.execute(sqlx::AssertSqlSafe(chained(*row, *before))).await.unwrap();
    }
    let head = "UPDATE admin_log_head SET (id, hash, ordered_after) = (SELECT id, hash, id FROM admin_logs ORDER BY id DESC LIMIT 1)";
    connection.execute(head).await.unwrap();
    connection.execute("ALTER TABLE admin_logs ENABLE TRIGGER USER").await.unwrap();
}

#[tokio::test]
async fn the_first_rows_of_before_may_be_chained_the_other_way_round_and_are_missed() {
    let world = World::new().await;
    write(&world, 4).await;
    chain_as_before(&world, &[(2, 0), (1, 2), (3, 2), (4, 3)]).await;
    write(&world, 2).await;
    let whole = verify(&world).await;
    assert_eq!((whole["whole"].as_bool(), whole["rows"].as_u64()), (Some(true), Some(6)), "{whole}");
    world.pool.execute("CREATE TABLE kept AS TABLE admin_logs").await.unwrap();
    for (statement, problem) in [
        ("DELETE FROM admin_logs WHERE id = 2", "row 1 does not follow"),
        ("DELETE FROM admin_logs WHERE id <= 2", "row 3 does not follow"),
        ("DELETE FROM admin_logs WHERE id <= 3", "row 4 does not follow"),
        ("UPDATE admin_logs SET actor = 'nobody' WHERE id = 1", "row 1 does not follow"),
        ("UPDATE admin_logs SET actor = 'nobody' WHERE id = 2", "row 2 does not follow"),
    ] {
        tamper(&world, &[statement]).await;
        let refused = world.portal_refuses(&["audit", "verify"], "").await;
        assert!(refused.contains(problem), "{statement}: {refused}");
        tamper(&world, &RESTORE).await;
    }
    // Nobody makes another beginning behind the first.
    chain_as_before(&world, &[(3, 0), (4, 3), (5, 4), (6, 5)]).await;
    assert!(world.portal_refuses(&["audit", "verify"], "").await.contains("row 3 does not follow"));
}

#[tokio::test]
async fn rows_of_before_may_be_chained_to_a_neighbour() {
    let world = World::new().await;
    write(&world, 6).await;
    // Two writers at the same moment, before numbers were given with the hash: the third row was chained to the fourth.
    chain_as_before(&world, &[(4, 2), (3, 4), (5, 4), (6, 5)]).await;
    write(&world, 2).await;
    assert_eq!(verify(&world).await["rows"], 8);
    tamper(&world, &["UPDATE admin_logs SET actor = 'nobody' WHERE id = 4"]).await;
    assert!(world.portal_refuses(&["audit", "verify"], "").await.contains("row 4 does not follow"));
}

#[tokio::test]
async fn the_desk_shows_who_did_what_page_by_page() {
    let mut world = World::new().await;
    world.start_portal().await;
    let owner = Operator::sign_in(&world).await;
    write(&world, 130).await;
    let page = owner.get("/admin/audit").await;
    page.says(200, "thing.change");
    assert_eq!(page.text.matches("<time ").count(), 100);
    let older = page.text.split("href=\"/admin/audit?").nth(1).unwrap().split('"').next().unwrap();
    let older = owner.get(&format!("/admin/audit?{}", older.replace("&#38;", "&"))).await;
    older.says(200, "sign-in");
    assert_eq!(older.text.matches("thing.change").count(), 30);
    let own = owner.get(&format!("/admin/audit?actor={EMAIL}")).await;
    own.says(200, "127.0.0.1");
    assert!(!own.text.contains("thing.change"), "{}", own.text);
    owner.get("/admin/audit?action=thing&from=2020-01-01&until=2020-01-02").await.says(200, "Nothing of that kind");
    owner.get("/admin/audit?from=yesterday").await.says(422, "Write the days as 2026-12-31.");
}
