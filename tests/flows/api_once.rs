//! What moves money or access is done once, however often and by how many at once it is asked for.

use futures::future::join_all;
use serde_json::{Value, json};
use shared::money::Money;
use store::unmatched::{Payer, Reference, Told, Trust, match_confirmation};
use tests::world::{World, eventually};

use crate::api_client::Program;
use crate::operator::audited;

pub(crate) const RECEIPT: &str = "RKTQDM7W6S";

async fn stage() -> (World, Program) {
    let mut world = World::new().await;
    world.start_portal().await;
    let program = Program::with(&world, "till", &[]).await;
    (world, program)
}

/// Money of which nobody knows what it is for.
pub(crate) async fn waits(world: &World) {
    let told = Told {
        receipt: RECEIPT.into(),
        amount: Money::kes(5_000),
        payer_name: "AMINA".into(),
        payer_number: String::new(),
        payer: Payer::Hidden,
        typed: "wifi".into(),
        reference: Reference::Other,
        paid_at: None,
    };
    match_confirmation(&world.db, &told, Trust::Reported, None, world.clock.now()).await.unwrap();
}

async fn booked(world: &World, like: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM ledger_transactions WHERE key LIKE $1")
        .bind(like)
        .fetch_one(&world.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn twenty_at_once_give_money_back_once_and_hear_the_same() {
    let (world, program) = stage().await;
    waits(&world).await;
    let path = format!("/received-money/{RECEIPT}/refunds");
    let asked = join_all((0..20).map(|_| program.once("refund-1", &path, json!({})))).await;
    assert!(asked.iter().all(|answer| matches!(answer.status, 200 | 409)), "{asked:?}");
    let busy = asked.iter().filter(|answer| answer.status == 409);
    assert!(busy.clone().all(|answer| answer.json["code"] == "idempotency-key-busy"), "{asked:?}");
    assert!(busy.clone().all(|answer| answer.header("retry-after") == "2"));
    let first = asked.iter().find(|answer| answer.status == 200 && answer.header("idempotency-replayed").is_empty());
    let first = first.expect("one of them did it");
    let replayed = eventually("the answer is there", || async {
        let answer = program.once("refund-1", &path, json!({})).await;
        (answer.header("idempotency-replayed") == "true").then_some(answer)
    })
    .await;
    assert_eq!((replayed.status, &replayed.text, replayed.header("etag")), (200, &first.text, first.header("etag")));
    assert_eq!(booked(&world, &format!("received:%:{RECEIPT}:refund")).await, 1);
    assert_eq!(audited(&world, "money.refund").await, [("token till".to_owned(), RECEIPT.to_owned())]);
}

#[tokio::test]
async fn a_key_is_needed_belongs_to_one_request_and_is_free_again_after_a_mistake() {
    let (world, program) = stage().await;
    waits(&world).await;
    let path = |what: &str| format!("/received-money/{RECEIPT}/{what}");
    program.post(&path("refunds"), json!({})).await.refused_as(400, "idempotency-key-missing");
    program.once("", &path("refunds"), json!({})).await.refused_as(400, "idempotency-key-missing");
    // A mistake of the caller's frees the key.
    program.once("a", &path("returns"), json!({ "prof": "x" })).await.refused_as(422, "invalid");
    let early = program.once("a", &path("returns"), json!({ "proof": "RKU1" })).await.refused_as(409, "conflict");
    // What the store says is kept: the same request hears it again.
    let same = program.once("a", &path("returns"), json!({ "proof": "RKU1" })).await.is(409);
    assert_eq!((same.header("idempotency-replayed"), &same.text), ("true", &early.text));
    program.once("a", &path("returns"), json!({ "proof": "other" })).await.refused_as(422, "idempotency-key-reused");
    program
        .once("a", "/received-money/AAAAAAAAA1/returns", json!({ "proof": "RKU1" }))
        .await
        .refused_as(422, "idempotency-key-reused");
    // Another route, and another token, have keys of their own.
    program.once("a", &path("refunds"), json!({})).await.is(200);
    let other = Program::with(&world, "books", &["money:*"]).await;
    let back = other.once("a", &path("returns"), json!({ "proof": "RKU1" })).await.is(200);
    assert_eq!((back.text_of("given_back_proof"), back.text_of("state")), ("RKU1".to_owned(), "refunded".to_owned()));
    assert_eq!(back.text_of("provider"), "mpesa");
}

#[tokio::test]
async fn work_that_was_interrupted_is_taken_up_and_makes_one_thing() {
    let (world, program) = stage().await;
    let package = world.package("one-hour", |_| {}).await;
    let package = format!("pkg_{}", package.id.simple());
    let body = json!({ "package": package, "size": 3, "label": "market" });
    let batch = program.once("print-1", "/voucher-batches", body.clone()).await.is(201);
    // The portal died between the printing and its answer: what it claimed is free, what it printed is there.
    sqlx::query("UPDATE idempotency_keys SET status = NULL, body = NULL, lease_until = now() - interval '1 second'")
        .execute(&world.pool)
        .await
        .unwrap();
    let again = program.once("print-1", "/voucher-batches", body).await.is(201);
    assert_eq!((again.text_of("id"), again.header("idempotency-replayed")), (batch.text_of("id"), ""));
    let batches: i64 = sqlx::query_scalar("SELECT count(*) FROM voucher_batches").fetch_one(&world.pool).await.unwrap();
    assert_eq!(batches, 1);
    let path = format!("/voucher-batches/{}", batch.text_of("id"));
    // Serials that it does not have are named, nothing is sold, and the key is free again.
    let wrong = program.once("sell-1", &format!("{path}/sales"), json!({ "first": 1, "last": 4 })).await;
    let wrong = wrong.refused_as(422, "invalid");
    assert_eq!(wrong.json["errors"][0]["pointer"], "/last", "{}", wrong.text);
    let wrong = json!({ "first": 3, "last": 2, "reason": "lost" });
    program.once("void-1", &format!("{path}/voids"), wrong).await.refused_as(422, "invalid");
    let nowhere = format!("/voucher-batches/vba_{}/sales", "0".repeat(32));
    program.once("sell-2", &nowhere, json!({ "first": 1, "last": 1 })).await.refused_as(404, "not-found");
    let sold = program.once("sell-1", &format!("{path}/sales"), json!({ "first": 1, "last": 2 })).await.is(200);
    assert_eq!(sold.json["changed"], 2);
    let void = json!({ "first": 3, "last": 3, "reason": "lost" });
    program.once("void-1", &format!("{path}/voids"), void).await.is(200);
    let vouchers = program.get(&format!("{path}/vouchers?limit=2")).await.is(200);
    let states = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(states(&vouchers.json), ["sold", "sold"]);
    let cursor = vouchers.text_of("next_cursor");
    let rest = program.get(&format!("{path}/vouchers?limit=2&cursor={cursor}")).await.is(200);
    assert_eq!((states(&rest.json), &rest.json["next_cursor"]), (vec!["void".to_owned()], &Value::Null));
    assert!(!vouchers.text.contains("code"), "{}", vouchers.text);
    let clerk = Program::with(&world, "clerk", &["vouchers:read", "vouchers:write"]).await;
    clerk.get(&format!("{path}/codes")).await.refused_as(403, "forbidden");
    let codes = program.get(&format!("{path}/codes")).await.is(200);
    assert_eq!(codes.json["data"].as_array().unwrap().len(), 3);
    assert_eq!(audited(&world, "voucher.codes").await.len(), 1);
}

#[tokio::test]
async fn access_is_given_once_and_ended() {
    let (world, program) = stage().await;
    let package = world.package("one-hour", |_| {}).await;
    let customer = program.post("/customers", json!({ "phone": "+254712345678" })).await.is(201).text_of("id");
    let body = json!({ "customer": customer, "package": format!("pkg_{}", package.id.simple()), "login": "amina", "password": "pw" });
    let given = program.once("grant-1", "/entitlements", body.clone()).await.is(201);
    let again = program.once("grant-1", "/entitlements", body.clone()).await.is(201);
    assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &given.text));
    // Another key is another wish, and the login is taken.
    program.once("grant-2", "/entitlements", body).await.refused_as(409, "conflict");
    let path = format!("/entitlements/{}", given.text_of("id"));
    let ended = program.once("end-1", &format!("{path}/endings"), json!({})).await.is(200);
    assert_eq!(ended.json["state"], "revoked");
    let theirs = program.get(&format!("/customers/{customer}/entitlements?state=revoked")).await.is(200);
    assert_eq!(theirs.json["data"].as_array().unwrap().len(), 1);
    // The audit log is kept for good: it says whose it is, and no number.
    let known = program.get(&format!("/customers/{customer}")).await.is(200);
    program.patch(known.header("etag"), &format!("/customers/{customer}"), json!({ "name": "Amina" })).await.is(200);
    for (action, object) in [
        ("customer.add", customer.clone()),
        ("customer.update", customer.clone()),
        ("entitlement.grant", format!("one-hour to {customer}")),
    ] {
        let written: Vec<String> = audited(&world, action).await.into_iter().map(|(_, object)| object).collect();
        assert_eq!(written, [object], "{action}");
    }
    // The password stands nowhere in clear.
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM idempotency_keys WHERE convert_from(body, 'UTF8') LIKE '%\"pw\"%'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert_eq!(kept, 0);
}
