//! Who may do what through the REST interface: scopes for every operation, tokens that are over or elsewhere, and how often a token
//! may ask.

use std::io::Write as _;

use portal::api::OPERATIONS;
use serde_json::json;
use tests::world::World;

use crate::api_client::{Program, send};

/// A path with something in its places that is nowhere.
fn nowhere(path: &str) -> String {
    let nil = "0".repeat(32);
    let prefix = match path.split('/').nth(1).unwrap_or_default() {
        "sites" => "sit",
        "nas" => "nas",
        "packages" => "pkg",
        "discounts" => "dis",
        "campaigns" => "cam",
        "calendar-days" => "cal",
        "voucher-batches" => "vba",
        "customers" => "cus",
        "entitlements" => "ent",
        "orders" => "ord",
        "payments" => "pay",
        "refunds" => "ref",
        "sessions" => "ses",
        "outages" => "out",
        "alerts" => "alr",
        "ledger" => "ltx",
        "notifications" => "msg",
        "webhook-endpoints" => "whe",
        _ => "",
    };
    path.replace("{id}", &format!("{prefix}_{nil}"))
        .replace("{code}", "invalid")
        .replace("{receipt}", "AAAAAAAAA1")
        .replace("{number}", "20261122-NOWHE-M")
        .replace("{name}/{language}", "ended/en")
}

#[tokio::test]
async fn every_operation_asks_for_its_scope_and_for_nothing_else() {
    let mut world = World::new().await;
    world.start_portal().await;
    for operation in OPERATIONS {
        let path = nowhere(operation.path);
        let Some(scope) = operation.scope else {
            let open = reqwest::get(format!("{}/api/v1{path}", world.portal_url())).await.unwrap();
            assert_eq!(open.status(), 200, "{path}");
            continue;
        };
        // One token that may do everything but this kind of thing, and one that may do just this.
        let other = if scope.as_str().starts_with("sites:") { "ledger:*" } else { "sites:*" };
        let stranger = Program::with(&world, "stranger", &[other]).await;
        let refused = send(stranger.request(operation.method, &path)).await.refused_as(403, "forbidden");
        assert!(refused.text.contains(scope.as_str()), "{}", refused.text);
        assert!(refused.header("www-authenticate").contains(scope.as_str()), "{path}");
        let friend = Program::with(&world, "friend", &[scope.as_str()]).await;
        let answer = send(friend.request(operation.method, &path)).await;
        assert!(![401, 403, 405, 500, 503].contains(&answer.status), "{} {path}: {}", operation.method, answer.text);
        assert!(answer.header("ratelimit").starts_with("\"token\";r="), "{path}");
    }
}

#[tokio::test]
async fn a_token_that_is_over_revoked_or_elsewhere_is_worth_nothing() {
    let mut world = World::new().await;
    world.start_portal().await;
    let make = |name: &'static str, more: &[&'static str]| {
        let mut command = vec!["token", "create", "--name", name, "--json"];
        command.extend(more);
        command
    };
    let good = Program::of(&world, &make("good", &["--expires", "1h", "--from", "127.0.0.0/8"])).await;
    good.get("/sites").await.is(200);
    let elsewhere = Program::of(&world, &make("elsewhere", &["--from", "10.0.0.0/8"])).await;
    elsewhere.get("/sites").await.refused_as(403, "forbidden");
    world.portal_command(&["token", "revoke", "good"], "").await;
    good.get("/sites").await.refused_as(401, "unauthorized");
    let late = Program::of(&world, &make("late", &["--expires", "1s"])).await;
    sqlx::query("UPDATE api_tokens SET expires_at = now() - interval '1 second' WHERE name = 'late'")
        .execute(&world.pool)
        .await
        .unwrap();
    late.get("/sites").await.refused_as(401, "unauthorized");
    let listed = world.portal_command(&["token", "list", "--json"], "").await;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let goods: Vec<(&str, bool)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|token| (token["name"].as_str().unwrap(), token["good"].as_bool().unwrap()))
        .collect();
    assert_eq!(goods, [("elsewhere", true), ("good", false), ("late", false)]);
    assert!(listed[0]["prefix"].as_str().unwrap().starts_with("mlt_"));
    let refused = world.portal_refuses(&["token", "create", "--name", "x", "--scope", "cats:read"], "").await;
    assert!(refused.contains("cats:read"), "{refused}");
}

#[tokio::test]
async fn a_token_that_asks_too_often_waits_and_another_does_not() {
    let mut world = World::new().await;
    let file = std::fs::OpenOptions::new().append(true).open(world.config());
    file.unwrap().write_all(b"\n[api]\nrequests_per_minute = 3\n").unwrap();
    world.start_portal().await;
    let (busy, other) = (Program::with(&world, "busy", &[]).await, Program::with(&world, "other", &[]).await);
    for left in [2, 1, 0] {
        let answer = busy.get("/sites").await.is(200);
        assert!(answer.header("ratelimit").starts_with(&format!("\"token\";r={left};t=")), "{:?}", answer.headers);
        assert_eq!(answer.header("ratelimit-policy"), "\"token\";q=3;w=60");
    }
    let refused = busy.get("/sites").await.refused_as(429, "too-many-requests");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 60);
    other.get("/sites").await.is(200);
}

#[tokio::test]
async fn an_identity_of_another_kind_names_nothing() {
    let mut world = World::new().await;
    world.start_portal().await;
    let program = Program::with(&world, "till", &[]).await;
    let package = world.package("one-hour", |_| {}).await;
    let id = package.id.simple().to_string();
    program.get(&format!("/packages/pkg_{id}")).await.is(200);
    for wrong in ["pkg_", "cus_", "ord_", "ent_", ""] {
        program.get(&format!("/customers/{wrong}{id}")).await.refused_as(404, "not-found");
    }
    program.get(&format!("/packages/{}", package.id)).await.refused_as(404, "not-found");
    program.get("/packages/pkg_%00").await.refused_as(404, "not-found");
    // What a token cannot see by its identity it cannot reach by a body either.
    let body =
        json!({ "customer": format!("pkg_{id}"), "package": format!("pkg_{id}"), "login": "a", "password": "b" });
    let refused = program.once("k-1", "/entitlements", body).await.refused_as(422, "invalid");
    assert_eq!(refused.json["errors"][0]["pointer"], "/customer");
}
