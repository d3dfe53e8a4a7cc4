//! Changes through the REST interface: nobody's change is lost, what is misspelt is refused, lists are whole, and the desk's rules hold.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::world::World;

use crate::api_client::{Program, send};
use crate::operator::audited;

async fn stage() -> (World, Program) {
    let mut world = World::new().await;
    world.start_portal().await;
    let program = Program::with(&world, "till", &[]).await;
    (world, program)
}

#[tokio::test]
async fn a_package_is_made_changed_by_who_has_seen_it_and_looked_back_at() {
    let (world, program) = stage().await;
    let price = json!({ "amount": 2000, "currency": "KES" });
    let body = json!({ "slug": "one-hour", "name": "1 hour", "price": price, "duration_seconds": 3600.0,
        "up_bits_per_second": 1_000_000, "down_bits_per_second": 2_000_000, "hours": "mon-fri 08:00-17:00" });
    let made = program.post("/packages", body.clone()).await.is(201);
    let path = made.header("location").trim_start_matches("/api/v1").to_owned();
    program.post("/packages", body).await.refused_as(409, "conflict");
    let read = program.get(&path).await.is(200);
    let etag = read.header("etag").to_owned();
    assert_eq!((made.header("etag"), &read.json["duration_seconds"]), (etag.as_str(), &json!(3600)));
    let again = send(program.request("get", &path).header("if-none-match", &etag)).await.is(304);
    assert!(again.text.is_empty() && again.header("etag") == etag);

    send(program.request("patch", &path).json(&json!({ "name": "x" }))).await.refused_as(428, "precondition-required");
    let changed = program.patch(&etag, &path, json!({ "name": "One hour", "hours": null })).await.is(200);
    assert_eq!(
        (&changed.json["name"], &changed.json["hours"], &changed.json["version"]),
        (&json!("One hour"), &Value::Null, &json!(2))
    );
    // Somebody who has not seen that.
    program.patch(&etag, &path, json!({ "name": "Hour" })).await.refused_as(412, "precondition-failed");
    let now = changed.header("etag").to_owned();
    // What makes no sense is refused in a sentence, what is misspelt by its name.
    let endless = program.patch(&now, &path, json!({ "duration_seconds": null })).await.refused_as(409, "conflict");
    assert!(endless.text.contains("needs an end"), "{}", endless.text);
    let misspelt = program.patch(&now, &path, json!({ "naem": "x", "price": 5 })).await.refused_as(422, "invalid");
    let pointers: BTreeSet<&str> =
        misspelt.json["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/naem", "/price"].into());
    let versions = program.get(&format!("{path}/versions")).await.is(200);
    assert_eq!(versions.json["data"][0]["by"], "token till");
    assert_eq!(versions.json["data"][0]["changed"], json!(["name", "hours of use"]));
    let audited = audited(&world, "package.save").await;
    assert_eq!(audited, vec![("token till".to_owned(), "one-hour".to_owned()); 2]);
}

#[tokio::test]
async fn an_alert_is_listed_and_minded_once() {
    let (world, program) = stage().await;
    for (kind, ago) in [("money_unmatched", "1 hour"), ("radiusd_away", "2 hours")] {
        sqlx::query(
            "INSERT INTO alerts (id, kind, subject, title, detail, severity, first_seen_at, last_seen_at, opened_at)
             SELECT gen_random_uuid(), $1, 'x', 'something is wrong', '{\"lines\":[\"since then\"]}', 'warning', at, at, at
             FROM (SELECT now() - $2::interval AS at) AS t",
        )
        .bind(kind)
        .bind(ago)
        .execute(&world.pool)
        .await
        .unwrap();
    }
    let first = program.get("/alerts?state=open&limit=1").await.is(200);
    let alert = &first.json["data"][0];
    assert_eq!((&alert["kind"], &alert["lines"]), (&json!("money_unmatched"), &json!(["since then"])));
    let cursor = first.json["next_cursor"].as_str().unwrap();
    let next = program.get(&format!("/alerts?state=open&limit=1&cursor={cursor}")).await.is(200);
    assert_eq!(next.json["data"][0]["kind"], "radiusd_away");

    let path = format!("/alerts/{}", alert["id"].as_str().unwrap());
    let minded = program.post(&format!("{path}/acknowledgements"), json!({ "note": "on my way" })).await.is(200);
    assert_eq!((&minded.json["acknowledged_by"], &minded.json["note"]), (&json!("token till"), &json!("on my way")));
    assert_eq!(program.get(&path).await.is(200).json["state"], "acknowledged");
    program.post(&format!("{path}/acknowledgements"), json!({})).await.refused_as(409, "conflict");
    let audited = audited(&world, "alert.acknowledge").await;
    assert_eq!((audited.len(), audited[0].0.as_str()), (1, "token till"));
}

#[tokio::test]
async fn a_body_that_is_none_is_refused_as_what_it_is() {
    let (_world, program) = stage().await;
    let post =
        |kind: &str, body: &'static str| program.request("post", "/sites").header("content-type", kind).body(body);
    let text = send(post("text/plain", "{}")).await.refused_as(415, "unsupported-media-type");
    assert!(text.header("accept").contains("application/json"));
    send(post("application/json", "{\"name\": ")).await.refused_as(400, "bad-request");
    send(post("application/json", "[]")).await.refused_as(422, "invalid");
    let large = program.request("post", "/sites").header("content-type", "application/json").body("x".repeat(70_000));
    send(large).await.refused_as(413, "too-large");
    let method = send(program.request("delete", "/sites")).await.refused_as(405, "method-not-allowed");
    assert!(method.header("allow").contains("GET") && method.header("allow").contains("POST"));
    program.get("/nosuch").await.refused_as(404, "not-found");
    program.get("/sites?limit=0").await.refused_as(422, "invalid");
    program.get("/sites?colour=red").await.refused_as(422, "invalid");
}

#[tokio::test]
async fn pages_have_everybody_once_and_a_cursor_is_for_its_list() {
    let (_world, program) = stage().await;
    let mut added = BTreeSet::new();
    for number in 0..7 {
        let body = json!({ "phone": format!("+25471234567{number}"), "name": format!("Customer {number}") });
        added.insert(program.post("/customers", body).await.is(201).text_of("id"));
    }
    let mut seen = Vec::new();
    let mut path = "/customers?limit=3".to_owned();
    loop {
        let page = program.get(&path).await.is(200);
        seen.extend(page.json["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page.json["next_cursor"].as_str() else {
            assert!(page.header("link").is_empty());
            break;
        };
        assert!(page.header("link").ends_with("rel=\"next\"") && page.header("link").contains(cursor));
        path = format!("/customers?limit=3&cursor={cursor}");
    }
    assert_eq!((seen.len(), seen.iter().cloned().collect::<BTreeSet<_>>()), (7, added));
    let cursor = path.split("cursor=").nth(1).unwrap();
    program.get(&format!("/orders?cursor={cursor}")).await.refused_as(400, "bad-cursor");
    program.get(&format!("/customers?phone=%2B254712345670&cursor={cursor}")).await.refused_as(400, "bad-cursor");
    program.get("/customers?cursor=x").await.refused_as(400, "bad-cursor");
    let one = program.get("/customers?phone=%2B254712345671").await.is(200);
    assert_eq!(one.json["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_router_is_registered_given_a_secret_and_forgotten() {
    let (world, program) = stage().await;
    let site =
        program.post("/sites", json!({ "name": "Market", "time_zone": "Africa/Nairobi" })).await.is(201).text_of("id");
    let body = json!({ "name": "edge", "address": "10.20.0.2", "site": site, "hotspot_hosts": ["10.5.50.1"] });
    let made = program.post("/nas", body).await.is(201);
    assert!(!made.text.contains("secret\":\""), "{}", made.text);
    let path = format!("/nas/{}", made.text_of("id"));
    let secret = program.post(&format!("{path}/secrets"), json!({ "overlap_seconds": 0 })).await.is(201);
    assert_eq!((secret.text_of("secret").len(), &secret.json["old_secret_until"]), (43, &Value::Null));
    let reader = Program::with(&world, "reader", &["routers:read", "routers:write"]).await;
    reader.post(&format!("{path}/secrets"), json!({})).await.refused_as(403, "forbidden");
    let etag = program.get(&path).await.header("etag").to_owned();
    let changed = program.patch(&etag, &path, json!({ "coa_port": 1700, "hotspot_hosts": [] })).await.is(200);
    assert_eq!((&changed.json["coa_port"], &changed.json["site"]), (&json!(1700), &json!("Market")));
    send(program.request("delete", &path).header("if-match", &etag)).await.refused_as(412, "precondition-failed");
    send(program.request("delete", &path).header("if-match", changed.header("etag"))).await.is(204);
    program.get(&path).await.refused_as(404, "not-found");
}

#[tokio::test]
async fn a_discount_is_made_changed_and_ended_and_a_text_is_worded_anew() {
    let (_world, program) = stage().await;
    program
        .post("/discounts", json!({ "name": "Both", "percent": 5, "amount": { "amount": 100, "currency": "KES" } }))
        .await
        .is(422);
    let made =
        program.post("/discounts", json!({ "name": "Friends", "code": "KARIBU24", "percent": 20 })).await.is(201);
    let path = format!("/discounts/{}", made.text_of("id"));
    let changed = program
        .patch(made.header("etag"), &path, json!({ "amount": { "amount": 500, "currency": "KES" } }))
        .await
        .is(200);
    assert_eq!((&changed.json["percent"], &changed.json["amount"]["amount"]), (&Value::Null, &json!(500)));
    let ended = program.post(&format!("{path}/endings"), json!({})).await.is(200);
    assert!(ended.json["valid_until"].is_string());
    let text = program.get("/texts/ended/sw").await.is(200);
    let etag = text.header("etag").to_owned();
    let bad =
        program.patch(&etag, "/texts/ended/sw", json!({ "text": "{{ nothing }}" })).await.refused_as(409, "conflict");
    assert!(bad.text.contains("It may name"), "{}", bad.text);
    let worded = program.patch(&etag, "/texts/ended/sw", json!({ "text": "Kwaheri, {{ brand }}" })).await.is(200);
    assert_eq!((&worded.json["is_own"], &worded.json["sample"]), (&json!(true), &json!("Kwaheri, Mlango Wi-Fi")));
    let ours = program.patch(worded.header("etag"), "/texts/ended/sw", json!({ "text": null })).await.is(200);
    assert_eq!((ours.text_of("text"), ours.header("etag")), (text.text_of("text"), etag.as_str()));
}
