//! Other programs are told of what happens: tried again until it is taken, never by a redirect or to a machine behind us, no more
//! after 410, and again when somebody asks for it. Of sessions they are told each time one begins and ends, and once.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use serde_json::{Value, json};
use shared::time::rfc3339;
use store::accounting::{self, Event, Report};
use store::order::{NewOrder, Wish};
use store::settlement::{Evidence, settle};
use store::webhook::{self, Endpoint};
use tests::world::{World, at, eventually, first_report};
use tokio::net::TcpListener;
use uuid::Uuid;

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
    settle(&world.db, payment, &Evidence { receipt: Some(receipt.into()), amount: None, charge: None }, now)
        .await
        .unwrap();
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
    let ids = |came: &[(String, Value)]| came.iter().map(|(id, _)| id.clone()).collect::<BTreeSet<_>>();
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

/// What was written of sessions: what happened, what the router calls the session, and whether it was lost.
async fn written(world: &World) -> Vec<(String, String, Option<bool>)> {
    sqlx::query_as(
        "SELECT type, data->>'acct_session_id', (data->>'lost')::boolean FROM webhook_events
         WHERE type LIKE 'session.%' ORDER BY at, data->>'acct_session_id'",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_session_is_told_each_time_it_begins_and_ends_and_a_late_report_is_no_news() {
    let (world, program) = stage().await;
    let receiver = Receiver::new(200).await;
    let wanted = json!({ "url": receiver.url, "events": ["session.started", "session.stopped"] });
    program.post("/webhook-endpoints", wanted).await.is(201);
    pay(&world, "ABCDE12345").await;
    let (entitlement, customer): (Uuid, Uuid) =
        sqlx::query_as("SELECT id, user_id FROM entitlements").fetch_one(&world.pool).await.unwrap();
    let now = world.clock.now();
    let site = store::site::ensure(&world.db, shared::rng::id(now), "Kibera", now).await.unwrap();
    let settings = store::nas::Settings { site_id: Some(site), ..at([10, 9, 9, 9]) };
    let nas = world.register("edge", b"testing123", settings).await;
    let begin = (now - Duration::from_secs(600)).replace_nanosecond(0).unwrap();
    let start = |name: &str| Report {
        entitlement: Some(entitlement),
        mac: Some("4C:5E:0C:00:00:07".parse().unwrap()),
        acct_session_id: name.into(),
        ..first_report(nas, begin)
    };
    let then = |start: &Report, event: Event, seconds: u64| Report {
        event,
        seconds,
        input_octets: 10 * seconds,
        output_octets: 20 * seconds,
        terminate_cause: (event == Event::Stop).then(|| "User-Request".to_owned()),
        at: begin + Duration::from_secs(seconds),
        ..start.clone()
    };
    let record = async |reports: &[Report]| accounting::record(&world.db, reports, now).await.unwrap();
    let (one, other, short) = (start("80100001"), start("80100002"), start("80100003"));
    // A router sends what it believes lost again, and some of it late.
    record(&[one.clone(), other.clone()]).await;
    record(&[one.clone(), other.clone()]).await;
    record(&[then(&other, Event::Stop, 60)]).await;
    record(&[then(&other, Event::Interim, 30), then(&other, Event::Stop, 60)]).await;
    // It falls silent, and speaks of the session again.
    let patience = Duration::from_secs(3600);
    let until = begin + Duration::from_secs(200);
    let closed = accounting::close_silent(&world.db, Duration::from_secs(100), patience, until).await.unwrap();
    assert_eq!(closed.silent, 1);
    record(&[then(&one, Event::Interim, 240)]).await;
    record(&[then(&one, Event::Stop, 300)]).await;
    // All of a session at once.
    record(&[short.clone(), then(&short, Event::Stop, 5)]).await;
    let line = |kind: &str, name: &str, lost: Option<bool>| (format!("session.{kind}"), name.to_owned(), lost);
    let all = [
        line("started", "80100001", None),
        line("started", "80100002", None),
        line("stopped", "80100002", Some(false)),
        line("stopped", "80100001", Some(true)),
        line("started", "80100001", None),
        line("stopped", "80100001", Some(false)),
        line("stopped", "80100003", Some(false)),
    ];
    assert_eq!(written(&world).await, all);

    let came = receiver.has(all.len()).await;
    let ids: BTreeSet<&String> = came.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), all.len());
    let is_end = |body: &Value| body["type"] == "session.stopped" && body["data"]["acct_session_id"] == "80100002";
    let ended = &came.iter().find(|(_, body)| is_end(body)).expect("it is told").1["data"];
    let moment = |seconds: u64| rfc3339(begin + Duration::from_secs(seconds)).replace('Z', ".000000Z");
    let session = format!("ses_{}", other.session.id.simple());
    let data = json!({
        "session": session, "acct_session_id": "80100002", "nas": format!("nas_{}", nas.simple()), "nas_name": "edge",
        "site": format!("sit_{}", site.simple()), "customer": format!("cus_{}", customer.simple()),
        "entitlement": format!("ent_{}", entitlement.simple()), "started_at": moment(0), "ended_at": moment(60),
        "terminate_cause": "User-Request", "lost": false, "seconds": 60, "input_bytes": 600, "output_bytes": 1200,
    });
    assert_eq!(*ended, data);
    assert_eq!(program.get(&format!("/sessions/{session}")).await.is(200).json["input_bytes"], 600);
    // Whoever it is, is asked for.
    let text = came.iter().map(|(_, body)| body.to_string()).collect::<String>().to_lowercase();
    assert!(["712345678", "4c:5e:0c", "amina"].iter().all(|personal| !text.contains(personal)), "{text}");
}

/// An endpoint that wants this.
async fn wants(world: &World, kind: &str) -> Endpoint {
    let now = world.clock.now();
    let endpoint = Endpoint {
        id: shared::rng::id(now),
        url: "https://hooks.example.org/x".into(),
        description: String::new(),
        events: vec![kind.into()],
        disabled: None,
        old_secret_until: None,
        created_by: "test".into(),
        created_at: now,
    };
    webhook::add(&world.db, &endpoint).await.unwrap();
    endpoint
}

#[tokio::test]
async fn sessions_that_wait_for_one_receiver_hold_up_no_other_and_its_removal_holds_up_no_session() {
    // No portal runs that would take what is due.
    let world = World::new().await;
    let now = world.clock.now();
    let starts = |count: usize| (0..count).map(|_| first_report(Uuid::from_u128(1), now)).collect::<Vec<Report>>();
    accounting::record(&world.db, &starts(1), now).await.unwrap();
    let of_sessions = wants(&world, "session.started").await;
    wants(&world, "payment.succeeded").await;
    assert_eq!(written(&world).await.len(), 0, "nobody wanted to be told");
    accounting::record(&world.db, &starts(20), now).await.unwrap();
    assert_eq!(written(&world).await.len(), 20);
    pay(&world, "ABCDE12345").await;
    let (lease, later) = (Duration::from_secs(600), world.clock.now() + Duration::from_secs(60));
    let claimed = webhook::claim(&world.db, later, lease, 4).await.unwrap();
    let payments = claimed.iter().filter(|due| due.kind == "payment.succeeded").count();
    assert_eq!((claimed.len(), payments), (4, 1));
    // What waits for one that is disabled is left where it is.
    webhook::change(&world.db, &of_sessions, false, now).await.unwrap();
    assert_eq!(webhook::claim(&world.db, later, lease, 4).await.unwrap().len(), 0);
    webhook::change(&world.db, &of_sessions, true, now).await.unwrap();
    assert_eq!(webhook::claim(&world.db, later, lease, 30).await.unwrap().len(), 17, "each once");

    let mut removal = world.pool.begin().await.unwrap();
    let remove = sqlx::query("DELETE FROM webhook_endpoints WHERE id = $1").bind(of_sessions.id);
    assert_eq!(remove.execute(&mut *removal).await.unwrap().rows_affected(), 1);
    let recorded = tokio::time::timeout(Duration::from_secs(30), accounting::record(&world.db, &starts(1), now)).await;
    recorded.expect("it does not wait for the removal").unwrap();
    removal.commit().await.unwrap();
}
