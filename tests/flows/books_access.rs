//! Connecting a company in an accountant's program, and keeping the entry: a Zoho of a few lines gives out tokens and answers one question,
//! and two portals beside each other want to be let in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde_json::{Value, json};
use shared::staff::Role;
use tests::world::{World, eventually};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::operator::{EMAIL, Operator, audited, by_operator, hidden};

const LIST: &str = "/admin/books/programs";

/// What the Zoho here knows.
#[derive(Debug, Default)]
struct Known {
    /// How many pairs it has given out for a refresh token.
    renewals: u64,
    /// The refresh token that it takes. Here each is good once, as Xero's are.
    refresh: String,
    /// The access token that it takes.
    access: String,
    /// Whether it lets nobody in any more.
    is_gone: bool,
    /// Refresh tokens that were taken back.
    revoked: Vec<String>,
    /// The questions that were answered.
    answered: u64,
}

#[derive(Clone)]
struct Zoho {
    known: Arc<Mutex<Known>>,
    /// While it is false, whoever wants tokens waits.
    goes_on: watch::Sender<bool>,
    base: String,
}

impl Zoho {
    async fn start() -> Zoho {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let zoho = Zoho { known: Arc::default(), goes_on: watch::Sender::new(true), base };
        let routes = Router::new()
            .route("/oauth/v2/token", post(token))
            .route("/oauth/v2/token/revoke", post(revoke))
            .route("/books/v3/organizations", get(organizations))
            .route("/books/v3/salesreceipts", get(receipts))
            .with_state(zoho.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        zoho
    }

    fn know<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap())
    }

    fn section(&self) -> String {
        format!(
            "\n[zoho]\nclient_id = \"1000.APP\"\nclient_secret = \"secret\"\naccounts_url = \"{0}\"\nbase_url = \"{0}\"\n",
            self.base
        )
    }
}

async fn token(State(zoho): State<Zoho>, Form(form): Form<BTreeMap<String, String>>) -> Json<Value> {
    assert_eq!((form["client_id"].as_str(), form["client_secret"].as_str()), ("1000.APP", "secret"));
    let is_renewal = form["grant_type"] == "refresh_token";
    let taken = zoho.know(|known| {
        known.renewals += u64::from(is_renewal);
        !known.is_gone && (!is_renewal || form["refresh_token"] == known.refresh)
    });
    zoho.goes_on.subscribe().wait_for(|goes_on| *goes_on).await.unwrap();
    if !taken {
        // As Zoho says it: with 200.
        return Json(json!({ "error": "invalid_code" }));
    }
    let pair = zoho.know(|known| {
        let number = known.renewals;
        (known.access, known.refresh) = (format!("access-{number}"), format!("refresh-{number}"));
        (known.access.clone(), known.refresh.clone())
    });
    Json(json!({ "access_token": pair.0, "refresh_token": pair.1, "api_domain": zoho.base, "expires_in": 3600 }))
}

async fn revoke(State(zoho): State<Zoho>, Form(form): Form<BTreeMap<String, String>>) -> Json<Value> {
    zoho.know(|known| known.revoked.push(form["token"].clone()));
    Json(json!({ "status": "success" }))
}

fn is_let_in(zoho: &Zoho, headers: &HeaderMap) -> bool {
    zoho.know(|known| headers["authorization"] == format!("Zoho-oauthtoken {}", known.access))
}

async fn organizations(State(zoho): State<Zoho>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    assert!(is_let_in(&zoho, &headers), "{headers:?}");
    let one = json!({ "organization_id": "10234695", "name": "Duka Ltd" });
    (StatusCode::OK, Json(json!({ "code": 0, "organizations": [one] })))
}

async fn receipts(State(zoho): State<Zoho>, headers: HeaderMap) -> (StatusCode, Json<Value>) {
    if !is_let_in(&zoho, &headers) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "code": 57, "message": "You are not authorized" })));
    }
    zoho.know(|known| known.answered += 1);
    let none = json!({ "code": 0, "salesreceipts": [], "page_context": { "has_more_page": false } });
    (StatusCode::OK, Json(none))
}

/// A world whose portal can be connected with that Zoho, and its owner.
async fn stage() -> (World, Zoho, Operator) {
    let mut world = World::new().await;
    // A second portal is started only beside a simulated M-Pesa.
    world.daraja().await;
    let zoho = Zoho::start().await;
    let text = std::fs::read_to_string(world.config()).unwrap();
    std::fs::write(world.config(), text + &zoho.section()).unwrap();
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    (world, zoho, operator)
}

/// Goes to the program and comes back. Returns the address that finishes it.
async fn go_and_come_back(operator: &Operator) -> String {
    let going = operator.post(&format!("{LIST}/zoho/connect"), &[("posts_since", "2026-01-01")]).await;
    going.says(200, "Go to Zoho Books");
    let state = going.text.split("state=").nth(1).unwrap();
    let state: String =
        state.chars().take_while(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter)).collect();
    // The cookie does not come along from there.
    let stranger = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let back = format!("{LIST}/zoho/back?code=a-code&state={state}&location=us&accounts-server=https://evil.example");
    let page = stranger.get(operator.address(&back)).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let refresh = page.headers()["refresh"].to_str().unwrap().to_owned();
    let finish = refresh.strip_prefix("0; url=").unwrap().to_owned();
    assert!(finish.starts_with(&format!("{LIST}/zoho/finish?")) && !finish.contains("evil"), "{finish}");
    finish
}

async fn connect(operator: &Operator) {
    let finish = go_and_come_back(operator).await;
    assert_eq!(operator.ask("GET", &finish).await.status(), 303);
    operator.get(&finish).await.says(409, "Begin again");
    operator.get(LIST).await.says(200, "Duka Ltd");
}

async fn one<T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin>(
    world: &World,
    column: &'static str,
) -> T {
    let query = format!("SELECT {column} FROM book_connections");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&world.pool).await.unwrap()
}

/// The access token's hour is over.
async fn end_access(world: &World) {
    sqlx::query("UPDATE book_connections SET access_until = now()").execute(&world.pool).await.unwrap();
}

#[tokio::test]
async fn a_company_is_connected_by_who_began_it_and_disconnected() {
    let (world, zoho, operator) = stage().await;
    operator.get(LIST).await.says(200, "No company is connected yet");
    operator.forged(&format!("{LIST}/zoho/connect"), &[("posts_since", "2026-01-01")]).await;
    let early = operator.post(&format!("{LIST}/zoho/connect"), &[("posts_since", "1999-01-01")]).await;
    early.says(200, "Choose a day from");
    let other = Operator::sign_in_as(&world, "books@example.org", Role::Accountant).await;
    let finish = go_and_come_back(&operator).await;
    other.get(&finish).await.says(409, "not begun in this session");
    assert_eq!(operator.ask("GET", &finish).await.status(), 303);
    operator.get(&finish).await.says(409, "not begun in this session");
    let page = operator.get(LIST).await;
    page.says(200, "Duka Ltd");
    page.says(200, "2026-01-01");
    page.says(200, ">connected</span>");
    assert_eq!(audited(&world, "books.connect").await, by_operator(&["zoho Duka Ltd"]));
    let sealed: Vec<u8> = one(&world, "tokens_sealed").await;
    assert!(!String::from_utf8_lossy(&sealed).contains("access-0"));
    assert_eq!(one::<String>(&world, "base_url").await, format!("{}/", zoho.base));

    let looks = Operator::sign_in_as(&world, "looks@example.org", Role::ReadOnly).await;
    looks.get(LIST).await.says(403, "That is not for your role");
    let id: uuid::Uuid = one(&world, "id").await;
    let gone = other.post_and_confirm(&format!("{LIST}/{id}/disconnect"), &[], "Disconnect Duka Ltd?").await;
    gone.says(200, "It is disconnected.");
    eventually("Zoho is told", || async { zoho.know(|known| known.revoked == ["refresh-0"]).then_some(()) }).await;
    assert!(one::<Option<Vec<u8>>>(&world, "tokens_sealed").await.is_none());
    assert_eq!(
        audited(&world, "books.disconnect").await,
        [("books@example.org".to_owned(), "zoho Duka Ltd".to_owned())]
    );
}

#[tokio::test]
async fn two_portals_that_want_to_be_let_in_ask_for_tokens_once() {
    let (world, zoho, operator) = stage().await;
    connect(&operator).await;
    let other = world.another_portal().await;
    let id: uuid::Uuid = one(&world, "id").await;
    let check = format!("{LIST}/{id}/check");
    operator.post(&check, &[]).await.says(200, "We are let in there.");
    assert_eq!(zoho.know(|known| (known.renewals, known.answered)), (0, 1), "the first token is good");

    end_access(&world).await;
    zoho.goes_on.send_replace(false);
    let csrf = hidden(&operator.get(LIST).await.text, "csrf");
    let elsewhere = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let there = elsewhere
        .post(format!("{}{check}", world.another_portal_url()))
        .header("cookie", &operator.cookie)
        .form(&[("csrf", csrf.as_str())]);
    let there = async { there.send().await.unwrap().status().as_u16() };
    let here = async {
        // The second one comes while the first one is renewing.
        eventually("somebody asks for tokens", || async { zoho.know(|known| known.renewals == 1).then_some(()) }).await;
        let seen = async {
            eventually("both wait", || async {
                let mine = world.portal.as_ref().unwrap().metric("mlango_http_requests_in_flight").await;
                let theirs = other.metric("mlango_http_requests_in_flight").await;
                (mine >= 1.0 && theirs >= 1.0).then_some(())
            })
            .await;
            zoho.goes_on.send_replace(true);
        };
        tokio::join!(operator.answer(&check, &[]), seen).0.status().as_u16()
    };
    assert_eq!(tokio::join!(here, there), (303, 303), "both are let in");
    assert_eq!(zoho.know(|known| (known.renewals, known.answered)), (1, 3));
    assert_eq!(one::<i64>(&world, "generation").await, 1);

    // A token that the program does not take any more, before its time, is renewed as well, once.
    zoho.know(|known| known.access = "another".into());
    operator.post(&check, &[]).await.says(200, "We are let in there.");
    assert_eq!(zoho.know(|known| known.renewals), 2);
}

#[tokio::test]
async fn who_is_not_let_in_any_more_is_told_once_and_connects_again() {
    let (world, zoho, operator) = stage().await;
    connect(&operator).await;
    let id: uuid::Uuid = one(&world, "id").await;
    let check = format!("{LIST}/{id}/check");
    zoho.know(|known| known.is_gone = true);
    end_access(&world).await;
    for _ in 0..3 {
        operator.post(&check, &[]).await.says(409, "does not let us in any more (invalid_code)");
    }
    assert_eq!(zoho.know(|known| known.renewals), 1, "it is asked once, not in a loop");
    operator.get(LIST).await.says(200, "not let in any more");
    assert_eq!(audited(&world, "books.lost").await, [("books".to_owned(), "zoho Duka Ltd".to_owned())]);
    let alerts = "SELECT count(*) FROM alerts WHERE kind = 'books_reconnect' AND state = 'open'";
    eventually("an alert is raised", || async {
        sqlx::query("UPDATE alert_watch SET lease_until = 'epoch'").execute(&world.pool).await.unwrap();
        let open: i64 = sqlx::query_scalar(alerts).fetch_one(&world.pool).await.unwrap();
        assert!(open <= 1);
        (open == 1).then_some(())
    })
    .await;
    operator.get("/admin/alerts").await.says(200, "Zoho Books does not let us in any more to Duka Ltd");

    zoho.know(|known| known.is_gone = false);
    connect(&operator).await;
    operator.post(&check, &[]).await.says(200, "We are let in there.");
    assert_eq!(one::<String>(&world, "state").await, "connected");
    assert_eq!(one::<String>(&world, "connected_by").await, EMAIL);
    let clearing = "SELECT count(*) FROM alerts WHERE kind = 'books_reconnect' AND clear_since IS NOT NULL";
    eventually("its cause is gone", || async {
        sqlx::query("UPDATE alert_watch SET lease_until = 'epoch'").execute(&world.pool).await.unwrap();
        (sqlx::query_scalar::<_, i64>(clearing).fetch_one(&world.pool).await.unwrap() == 1).then_some(())
    })
    .await;
}
