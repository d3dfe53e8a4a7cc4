//! Other programs are told of what happens: tried again until it is taken, never by a redirect or to a machine behind us, no more
//! after 410, and again when somebody asks for it.

use std::io::Write as _;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::{Value, json};
use store::order::{NewOrder, Wish};
use store::settlement::{Evidence, settle};
use tests::world::{World, eventually};
use tokio::net::TcpListener;

use crate::api_client::{Program, send};

/// A receiver that answers as it is told, and remembers what came.
#[derive(Clone)]
struct Receiver {
    status: Arc<AtomicU16>,
    came: Arc<Mutex<Vec<(String, Value)>>>,
    url: String,
}

impl Receiver {
    async fn new(status: u16) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = Receiver { status: Arc::new(AtomicU16::new(status)), came: Arc::default(), url };
        let routes = Router::new().route("/hook", post(take)).route("/other", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        receiver
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What came: each with its webhook-id.
    fn came(&self) -> Vec<(String, Value)> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn has(&self, count: usize) -> Vec<(String, Value)> {
        eventually(&format!("{count} requests come"), || async {
            let came = self.came();
            (came.len() >= count).then_some(came)
        })
        .await
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> Response {
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let body = serde_json::from_str(&body).unwrap();
    receiver.came.lock().unwrap_or_else(PoisonError::into_inner).push((id, body));
    let status = StatusCode::from_u16(receiver.status.load(Ordering::SeqCst)).unwrap();
    (status, [(header::LOCATION, "/other")]).into_response()
}

async fn stage() -> (World, Program) {
    let mut world = World::new().await;
    let file = std::fs::OpenOptions::new().append(true).open(world.config());
    file.unwrap().write_all(b"\n[api]\nwebhook_networks = [\"127.0.0.0/8\"]\n").unwrap();
    world.start_portal().await;
    let program = Program::with(&world, "shop", &[]).await;
    (world, program)
}

/// Somebody pays for an hour.
async fn pay(world: &World, receipt: &str) {
    let now = world.clock.now();
    let package = world.package("one-hour", |_| {}).await;
    let (phone, visit) = ("0712345678".parse().unwrap(), json!({}));
    let new = NewOrder {
        phone: &phone,
        package: &package,
        nas_id: None,
        mac: None,
        visit: &visit,
        wish: Wish::New,
        site: None,
        code: None,
        language: Default::default(),
    };
    let order = shared::rng::id(now);
    assert!(store::order::place_once(&world.db, order, &new, now).await.unwrap());
    let payment = store::payment::begin(&world.db, order, "mpesa", now, now).await.unwrap();
    settle(&world.db, payment, &Evidence { receipt: Some(receipt.into()), amount: None }, now).await.unwrap();
}

#[tokio::test]
async fn what_is_not_taken_is_told_again_under_the_same_identity() {
    let (world, program) = stage().await;
    let receiver = Receiver::new(500).await;
    let body = json!({ "url": receiver.url, "events": ["payment.succeeded", "order.paid"] });
    let endpoint = program.post("/webhook-endpoints", body).await.is(201);
    assert!(endpoint.text_of("secret").starts_with("whsec_"));
    let path = format!("/webhook-endpoints/{}", endpoint.text_of("id"));
    assert!(!program.get(&path).await.is(200).text.contains("whsec_"), "shown once");
    pay(&world, "ABCDE12345").await;
    // One event each of two kinds, and neither is taken: they come again.
    let first = receiver.has(2).await;
    receiver.answers(200);
    let all = receiver.has(4).await;
    let ids =
        |came: &[(String, Value)]| came.iter().map(|(id, _)| id.clone()).collect::<std::collections::BTreeSet<_>>();
    assert_eq!((ids(&first).len(), ids(&all)), (2, ids(&first)));
    let paid = all.iter().find(|(_, body)| body["type"] == "payment.succeeded").expect("it is told");
    assert_eq!(paid.1["data"]["receipt"], "ABCDE12345");
    assert_eq!(paid.1["data"]["amount"], json!({ "amount": 2000, "currency": "KES" }));
    assert!(paid.1["timestamp"].is_string());
    let payment = paid.1["data"]["payment"].as_str().unwrap();
    program.get(&format!("/payments/{payment}")).await.is(200);
    let deliveries = eventually("both are delivered", || async {
        let answer = program.get(&format!("{path}/deliveries")).await.is(200);
        let all = answer.json["data"].as_array().unwrap().clone();
        all.iter().all(|one| one["state"] == "delivered").then_some(all)
    })
    .await;
    assert!(deliveries.iter().all(|one| one["attempts"] == 2 && one["status"] == 200), "{deliveries:?}");
    // Told again at somebody's wish: the same events.
    let replayed = program.post(&format!("{path}/replays"), json!({ "since": "2020-01-01T00:00:00Z" })).await.is(202);
    assert_eq!(replayed.json["events"], 2);
    assert_eq!(ids(&receiver.has(6).await), ids(&first));
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_no_more_and_a_redirect_is_not_followed() {
    let (world, program) = stage().await;
    let (gone, moved) = (Receiver::new(410).await, Receiver::new(302).await);
    let mut paths = Vec::new();
    for receiver in [&gone, &moved] {
        let body = json!({ "url": receiver.url, "events": ["payment.succeeded"] });
        paths.push(format!(
            "/webhook-endpoints/{}",
            program.post("/webhook-endpoints", body).await.is(201).text_of("id")
        ));
    }
    pay(&world, "ABCDE12345").await;
    let disabled = eventually("it is disabled", || async {
        let answer = program.get(&paths[0]).await.is(200);
        (answer.json["enabled"] == false).then_some(answer)
    })
    .await;
    assert!(disabled.text_of("disabled_reason").contains("410"));
    moved.has(1).await;
    let deliveries = eventually("what it answered is noted", || async {
        let answer = program.get(&format!("{}/deliveries", paths[1])).await.is(200);
        (answer.json["data"][0]["status"] == 302).then_some(answer)
    })
    .await;
    assert_eq!(deliveries.json["data"][0]["state"], "pending");
    // Somebody has put it right, and says so.
    gone.answers(204);
    let on = program.patch(disabled.header("etag"), &paths[0], json!({ "enabled": true })).await.is(200);
    assert_eq!(on.json["enabled"], true);
    program.post(&format!("{}/replays", paths[0]), json!({ "since": "2020-01-01T00:00:00Z" })).await.is(202);
    gone.has(2).await;
    let etag = program.get(&paths[0]).await.header("etag").to_owned();
    send(program.request("delete", &paths[0]).header("if-match", etag)).await.is(204);
    program.get(&paths[0]).await.refused_as(404, "not-found");
}

#[tokio::test]
async fn machines_behind_us_are_no_receivers() {
    let (_world, program) = stage().await;
    for url in
        ["http://hooks.example.org/x", "https://10.0.0.1/x", "https://169.254.169.254/x", "https://[::1]/x", "ftp://x/"]
    {
        let refused = program.post("/webhook-endpoints", json!({ "url": url, "events": ["order.paid"] })).await;
        let refused = refused.refused_as(422, "invalid");
        assert_eq!(refused.json["errors"][0]["pointer"], "/url", "{url}");
    }
    let none = program.post("/webhook-endpoints", json!({ "url": "https://hooks.example.org/x", "events": [] })).await;
    none.refused_as(422, "invalid");
    program
        .post("/webhook-endpoints", json!({ "url": "https://hooks.example.org/x", "events": ["nas.heard"] }))
        .await
        .is(201);
}
