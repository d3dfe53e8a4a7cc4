//! The calendar and campaigns through the REST interface: what the desk asks of them is asked here too, and an offer is told once.

use serde_json::json;
use sqlx::AssertSqlSafe;
use tests::world::World;

use crate::api_client::{Program, send};
use crate::operator::audited;

async fn number(world: &World, query: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn what_is_not_as_usual_is_written_down_and_taken_out() {
    let mut world = World::new().await;
    world.start_portal().await;
    let program = Program::with(&world, "tickets", &["calendar:*", "sites:*"]).await;
    let site = program.post("/sites", json!({ "name": "Stadium" })).await.is(201).text_of("id");
    let body = json!({ "kind": "event", "name": "Derby", "site": site, "from": "2031-05-03T12:00:00Z",
        "until": "2031-05-03T15:00:00+00:00", "percent": 150 });
    let made = program.post("/calendar-days", body.clone()).await.is(201);
    let path = made.header("location").trim_start_matches("/api/v1").to_owned();
    let read = program.get(&path).await.is(200);
    assert_eq!((&read.json["percent"], &read.json["site"]), (&json!(150.0), &json!(site)));
    assert_eq!(
        (read.text_of("until"), read.text_of("created_by")),
        ("2031-05-03T15:00:00Z".into(), "token tickets".into())
    );
    let etag = read.header("etag").to_owned();
    assert_eq!(made.header("etag"), etag);
    send(program.request("get", &path).header("if-none-match", &etag)).await.is(304);

    program.post("/calendar-days", body.clone()).await.refused_as(409, "conflict");
    for (field, value, status, code) in [
        ("until", json!("2031-05-03T12:00:00Z"), 409, "conflict"),
        ("until", json!("2031-09-03T12:00:00Z"), 409, "conflict"),
        // 92 days and a second, and 92 days and 23 hours.
        ("until", json!("2031-08-03T12:00:01Z"), 409, "conflict"),
        ("until", json!("2031-08-04T11:00:00Z"), 409, "conflict"),
        ("site", json!(format!("sit_{}", "0".repeat(32))), 404, "not-found"),
        ("percent", json!(1001), 422, "invalid"),
        ("kind", json!("birthday"), 422, "invalid"),
        ("colour", json!("red"), 422, "invalid"),
    ] {
        let mut wrong = body.clone();
        wrong[field] = value;
        wrong["name"] = json!("Another");
        program.post("/calendar-days", wrong).await.refused_as(status, code);
    }
    let mut longest = body.clone();
    (longest["name"], longest["until"]) = (json!("The longest"), json!("2031-08-03T12:00:00Z"));
    let longest = program.post("/calendar-days", longest).await.is(201);
    let (gone, etag_of_it) = (longest.header("location").trim_start_matches("/api/v1"), longest.header("etag"));
    send(program.request("delete", gone).header("if-match", etag_of_it)).await.is(204);
    let everywhere = json!({ "kind": "closed", "name": "Stock-taking", "from": "2032-01-01T00:00:00Z", "until": "2032-01-02T00:00:00Z" });
    program.post("/calendar-days", everywhere).await.is(201);
    let first = program.get("/calendar-days?limit=1").await.is(200);
    assert_eq!(
        (&first.json["data"][0]["name"], &first.json["data"][0]["site"]),
        (&json!("Stock-taking"), &json!(null))
    );
    let cursor = first.json["next_cursor"].as_str().unwrap();
    let next = program.get(&format!("/calendar-days?limit=1&cursor={cursor}")).await.is(200);
    assert_eq!((&next.json["data"][0]["name"], &next.json["next_cursor"]), (&json!("Derby"), &json!(null)));
    let later = program.get("/calendar-days?since=2031-12-31T00:00:00Z").await.is(200);
    assert_eq!(later.json["data"].as_array().unwrap().len(), 1, "{}", later.text);
    program.get("/calendar-days?since=tomorrow").await.refused_as(422, "invalid");

    send(program.request("delete", &path)).await.refused_as(428, "precondition-required");
    send(program.request("delete", &path).header("if-match", "\"another\""))
        .await
        .refused_as(412, "precondition-failed");
    send(program.request("delete", &path).header("if-match", &etag)).await.is(204);
    program.get(&path).await.refused_as(404, "not-found");
    let written = ["The longest", "Derby"].map(|name| ("token tickets".to_owned(), name.to_owned()));
    assert_eq!(audited(&world, "calendar.remove").await, written);
}

#[tokio::test]
async fn the_holidays_of_a_year_are_written_down_once() {
    let mut world = World::new().await;
    world.start_portal().await;
    let program = Program::with(&world, "tickets", &["calendar:*"]).await;
    let year = shared::time::Zone::default().at(world.clock.now()).year() + 1;
    let asked = json!({ "year": year });
    let added = program.post("/calendar-days/holidays", asked.clone()).await.is(200).json["added"].as_i64().unwrap();
    assert!(added >= 10 && added == number(&world, "SELECT count(*) FROM calendar_days WHERE kind = 'holiday'").await);
    assert_eq!(program.post("/calendar-days/holidays", asked).await.is(200).json["added"], 0);
    program.post("/calendar-days/holidays", json!({ "year": 2001 })).await.refused_as(409, "conflict");
}

/// Twenty who stay away and want offers.
pub(crate) async fn people(world: &World) {
    for statement in [
        "INSERT INTO users (id, phone, created_at, offers, offers_said_at)
         SELECT gen_random_uuid(), '+2547' || lpad(i::text, 8, '0'), now(), true, now() FROM generate_series(1, 20) i",
        "INSERT INTO purchase_chances (user_id, site_id, made_at, chance_7, chance_30, expected_minor, worth_minor, currency, last_at,
             purchases, is_leaving, reasons)
         SELECT id, '00000000-0000-0000-0000-000000000000', now(), 0.1, 0.1, 100, 2000, 'KES', now() - interval '60 days', 5, true, '{long_ago}'
         FROM users",
    ] {
        sqlx::query(statement).execute(&world.pool).await.unwrap();
    }
}

#[tokio::test]
async fn an_offer_is_told_once_and_stopped() {
    let mut world = World::new().await;
    let _sms = world.sms().await;
    people(&world).await;
    world.start_portal().await;
    let program = Program::with(&world, "crm", &["campaigns:*"]).await;
    let leaving = json!({ "kind": "leaving", "purchases_least": 4, "purchases_most": 9 });
    let reach = program.post("/campaigns/reaches", leaving.clone()).await.is(200);
    assert_eq!(reach.json, json!({ "all": 20, "willing": 20, "free": 20 }));
    let body = json!({ "name": "Where are you", "audience": leaving, "new_code": { "code": "RUDI20", "percent": 20 },
        "text": "20 % off with RUDI20.", "text_sw": "Punguzo la 20 % kwa rudi20.", "held_out_percent": 50 });

    program.post("/campaigns", body.clone()).await.refused_as(400, "idempotency-key-missing");
    for (number, (field, value, status, says)) in (0..).zip([
        ("text", json!("20 % off"), 409, "in English: name the code in it: RUDI20"),
        ("audience", json!({ "kind": "likely", "purchases_least": 4 }), 409, "those who stay away alone"),
        ("audience", json!({ "kind": "leaving", "purchases_least": 6 }), 409, "too few who may be told"),
        ("audience", json!({ "kind": "leaving", "window_days": 8 }), 422, "write 7 or 30"),
        ("discount", json!(format!("dis_{}", "0".repeat(32))), 422, "not both"),
        ("held_out_percent", json!(4), 422, "from 5 to 50"),
    ]) {
        let mut wrong = body.clone();
        wrong[field] = value;
        let refused = program.once(&format!("wrong-{number}"), "/campaigns", wrong).await.is(status);
        assert!(refused.text.contains(says), "{}", refused.text);
    }
    let nothing = "SELECT (SELECT count(*) FROM campaigns) + (SELECT count(*) FROM discounts)";
    assert_eq!(number(&world, nothing).await, 0, "nothing of what was refused stays");

    let made = program.once("offer-1", "/campaigns", body.clone()).await.is(201);
    assert_eq!((&made.json["to_tell"], &made.json["held_out"]), (&json!(10), &json!(10)));
    assert_eq!((&made.json["code"], &made.json["audience"]["purchases_most"]), (&json!("RUDI20"), &json!(9)));
    let again = program.once("offer-1", "/campaigns", body).await.is(201);
    assert_eq!((again.header("idempotency-replayed"), &again.json["id"]), ("true", &made.json["id"]));
    assert_eq!(number(&world, "SELECT count(*) FROM campaigns").await, 1);
    let path = made.header("location").trim_start_matches("/api/v1").to_owned();
    assert_eq!(program.get("/campaigns").await.is(200).json["data"][0]["id"], made.json["id"]);
    let outcome = program.get(&format!("{path}/outcome")).await.is(200);
    assert_eq!((&outcome.json["held_out"]["people"], &outcome.json["held_out"]["bought"]), (&json!(10), &json!(0)));

    let stopped = program.post(&format!("{path}/stops"), json!({})).await.is(200);
    assert_eq!((stopped.text_of("state"), stopped.text_of("stopped_by")), ("stopped".into(), "token crm".into()));
    // Where there is nothing to stop, nothing is changed.
    let waits = "INSERT INTO notifications (id, user_id, template, payload, key, next_attempt_at, expires_at, created_at)
         SELECT gen_random_uuid(), u.id, 'offer', jsonb_build_object('campaign', c.id), 'a test', now() + interval '1 day', now() + interval '2 days', now()
         FROM (SELECT id FROM users LIMIT 1) u, campaigns c";
    sqlx::query(waits).execute(&world.pool).await.unwrap();
    program.post(&format!("{path}/stops"), json!({})).await.is(200);
    let left = "SELECT count(*) FROM notifications WHERE key = 'a test' AND state = 'pending'";
    assert_eq!(number(&world, left).await, 1);
    assert_eq!(program.get(&path).await.is(200).text_of("state"), "stopped");
    let done = vec![("token crm".to_owned(), "Where are you".to_owned())];
    assert_eq!((audited(&world, "campaign.begin").await, audited(&world, "campaign.stop").await), (done.clone(), done));
}
