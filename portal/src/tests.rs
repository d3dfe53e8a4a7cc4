//! The router as a whole, without a database: what can be decided before the store is asked, and what happens when it
//! is away.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use axum::http::{Request, Response, StatusCode, header};
use shared::config::Config;
use shared::token::{self, Purpose};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::{App, routes};

/// A portal whose PostgreSQL and Redis are nowhere.
fn app() -> App {
    let config: Config = serde_json::from_value(serde_json::json!({
        "database": { "write": "postgres:///mlango?host=/nonexistent" },
        "redis": { "url": "redis+unix:///nonexistent/redis.sock" },
        "secrets": { "seal_key": "5a".repeat(32) },
        "portal": { "brand": "Test Wi-Fi", "support_phone": "0700 000 000" },
    }))
    .expect("a valid configuration");
    App::open(config).expect("opens without connecting")
}

fn router(app: &App) -> Router {
    routes::public(app.clone()).layer(MockConnectInfo(SocketAddr::from(([127, 0, 0, 1], 9))))
}

async fn send(app: &App, request: Request<Body>) -> Response<Body> {
    router(app).oneshot(request).await.expect("infallible")
}

async fn get(app: &App, path: &str) -> Response<Body> {
    send(app, Request::get(path).body(Body::empty()).expect("a request")).await
}

async fn text(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_router_that_cannot_be_one_is_not_linked_to() {
    let app = app();
    for login in [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example/",
        "%5C%5Cevil.example",
        "http://a@evil.example/",
        "",
    ] {
        let response = get(&app, &format!("/h?mac=020000000001&link-login-only={login}")).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{login}");
        let page = text(response).await;
        assert!(page.contains("not registered") && !page.contains("evil.example") && !page.contains("<form"), "{page}");
    }
}

#[tokio::test]
async fn every_answer_has_strict_headers_and_an_id() {
    let app = app();
    for path in ["/", "/healthz", "/o/none", "/nothing", "/h"] {
        let response = get(&app, path).await;
        let headers = response.headers();
        let policy = headers.get(header::CONTENT_SECURITY_POLICY).expect("a policy").to_str().expect("text").to_owned();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(headers.get(name).and_then(|v| v.to_str().ok()), Some(value), "{path}: {name}");
        }
        assert!(headers.contains_key("x-request-id") && headers.contains_key("permissions-policy"), "{path}");
    }
}

#[tokio::test]
async fn tokens_of_others_lead_nowhere() {
    let app = app();
    let callback = token::sign(app.db.seal(), Purpose::PaymentCallback, Uuid::from_u128(1));
    for path in [
        "/o/abc".to_owned(),
        format!("/o/{callback}"),
        format!("/o/{callback}/state"),
        format!("/u/{callback}"),
        "/packages?visit=abc".to_owned(),
    ] {
        let response = get(&app, &path).await;
        assert!(response.status().is_client_error(), "{path}: {}", response.status());
        assert!(text(response).await.contains("Test Wi-Fi"));
    }
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let app = app();
    for (site, expected) in [("cross-site", StatusCode::FORBIDDEN), ("same-origin", StatusCode::BAD_REQUEST)] {
        for path in ["/buy", "/voucher"] {
            let request = Request::post(path)
                .header("sec-fetch-site", site)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from("visit=abc&package=hour&phone=0712345678&code=x"))
                .expect("a request");
            assert_eq!(send(&app, request).await.status(), expected, "{site} {path}");
        }
    }
}

#[tokio::test]
async fn a_page_is_in_the_language_that_is_asked_for_and_a_choice_is_kept() {
    let app = app();
    let request = Request::get("/").header(header::ACCEPT_LANGUAGE, "sw-KE, en;q=0.5").body(Body::empty());
    let page = text(send(&app, request.expect("a request")).await).await;
    assert!(page.contains("<html lang=\"sw\">") && page.contains("href=\"/?lang=en\" lang=\"en\">English<"), "{page}");
    let chosen = get(&app, "/?lang=sw").await;
    let cookie = chosen.headers()[header::SET_COOKIE].to_str().expect("text").to_owned();
    assert!(cookie.starts_with("mlango-language=sw;"), "{cookie}");
    assert!(text(chosen).await.contains("Jiunge na Wi-Fi kwanza"));
    let known = Request::get("/").header(header::COOKIE, "mlango-language=sw").body(Body::empty());
    let known = send(&app, known.expect("a request")).await;
    assert!(!known.headers().contains_key(header::SET_COOKIE));
    assert!(text(known).await.contains("Jiunge na Wi-Fi kwanza"));
}

#[tokio::test]
async fn what_went_wrong_is_said_in_the_language_of_the_address() {
    let app = app();
    let page = text(get(&app, "/o/none?lang=sw").await).await;
    assert!(page.contains("Ukurasa huu haupo") && page.contains("href=\"?lang=en\""), "{page}");
    let strange = text(get(&app, "//evil.example/?lang=sw").await).await;
    assert!(strange.contains("Ukurasa huu haupo") && !strange.contains("evil.example"), "{strange}");
    let form = Request::post("/buy?lang=sw")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from("visit=abc&package=hour&phone=0712345678"))
        .expect("a request");
    let page = text(send(&app, form).await).await;
    assert!(page.contains("Haikuwezekana") && page.contains("ulikaa wazi kwa muda mrefu mno"), "{page}");
    assert!(!page.contains(">English<"), "a form cannot be had again: {page}");
    let away =
        text(get(&app, "/h?mac=020000000001&link-login-only=http%3A%2F%2F10.5.50.1%2Flogin&lang=sw").await).await;
    assert!(away.contains("Tafadhali subiri kidogo") && !away.contains(">English<"), "{away}");
}

#[tokio::test]
async fn a_report_is_taken_only_at_its_secret_address_and_never_lost_silently() {
    let app = app();
    let post =
        |token: String| Request::post(format!("/webhooks/mpesa/{token}")).body(Body::from("{}")).expect("a request");
    let order = token::sign(app.db.seal(), Purpose::OrderPage, Uuid::from_u128(1));
    for token in ["abc".to_owned(), order] {
        assert_eq!(send(&app, post(token)).await.status(), StatusCode::NOT_FOUND);
    }
    // PostgreSQL is away: the provider is asked to come again.
    let callback = token::sign(app.db.seal(), Purpose::PaymentCallback, Uuid::from_u128(1));
    assert_eq!(send(&app, post(callback.clone())).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let large = Request::post(format!("/webhooks/mpesa/{callback}"))
        .body(Body::from(vec![b' '; 65 * 1024]))
        .expect("a request");
    assert_eq!(send(&app, large).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let metrics = app.metrics.text(app.db.pool_state()).expect("encodes");
    assert!(metrics.contains(r#"mlango_payment_callbacks_total{provider="mpesa",result="bad_token"} 2"#), "{metrics}");
    assert!(metrics.contains(r#"mlango_payment_callbacks_total{provider="mpesa",result="not_stored"} 1"#), "{metrics}");
}

#[tokio::test]
async fn without_postgresql_the_page_says_so_and_tries_again() {
    let app = app();
    let response = get(&app, "/h?mac=020000000001&link-login-only=http%3A%2F%2F10.5.50.1%2Flogin").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = text(response).await;
    assert!(page.contains("http-equiv=\"refresh\"") && page.contains("0700 000 000"), "{page}");
}

#[tokio::test]
async fn files_are_kept_for_ever_and_told_apart_by_their_content() {
    let app = app();
    let url = crate::views::assets::url("portal.css");
    let response = get(&app, &url).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    let tag = response.headers()[header::ETAG].clone();
    let again = Request::get(&url).header(header::IF_NONE_MATCH, tag).body(Body::empty()).expect("a request");
    assert_eq!(send(&app, again).await.status(), StatusCode::NOT_MODIFIED);
    let old = get(&app, "/static/0123/portal.css").await;
    assert_eq!(old.headers()[header::CACHE_CONTROL], "no-cache");
    assert_eq!(get(&app, "/static/0123/nothing.css").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_are_compressed_for_who_can_read_it() {
    let app = app();
    let request = Request::get("/").header(header::ACCEPT_ENCODING, "gzip").body(Body::empty()).expect("a request");
    let response = send(&app, request).await;
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
}
